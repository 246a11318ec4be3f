from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.kip import KipFlags, KipSegment
from oboromi_fs.builders.kip import build_kip
from oboromi_fs.errors import FormatError, UnsafePathError
from oboromi_fs.executables import Kip, Nso
from oboromi_fs.executables.segment import NAMES
from oboromi_fs.file import File

EXE = Path(__file__).parent.parent / "testdata" / "exe"
FIELDS: dict[str, Any] = {"name": "demo", "program_id": 0x0100000000000123, "priority": 49, "ideal_core": 3, "stack_size": 0x4000}


@pytest.mark.parametrize(
    ("compress", "name"), [(True, "test.kip"), (False, "test.kip.hactool_uncompressed"), (False, "test.kip.hactoolnet_uncompressed")]
)
def test_another_tool_s_file_from_its_parts_byte_for_byte(compress: bool, name: str) -> None:
    nso = Nso(File.open(EXE / "test.nso"))
    text, ro, data = (nso.segment(segment) for segment in NAMES)
    kip = build_kip(
        text,
        ro,
        data,
        name="fakekip",
        program_id=0x0100ABCDEF00F000,
        priority=49,
        ideal_core=3,
        stack_size=0x4000,
        capabilities=(0x030363F7, 0x0001004F, 0x00183FFF, 0x00807FFF),
        flags=KipFlags(0x78),
        bss_size=0x9C40,
        compress=compress,
    )
    assert kip[:] == (EXE / name).read_bytes()


def test_taken_apart_and_built_again() -> None:
    kip = Kip(File.open(EXE / "test.kip"))
    header = kip.header
    text, ro, data = (kip.segment(segment) for segment in NAMES)
    again = build_kip(
        text,
        ro,
        data,
        name=kip.name,
        program_id=kip.program_id,
        version=header.version,
        priority=header.priority,
        ideal_core=header.ideal_core,
        stack_size=header.stack_size,
        affinity_mask=header.affinity_mask,
        flags=KipFlags(header.flags),
        capabilities=kip.capabilities,
        bss_size=kip.bss_size,
        offsets=[row.memory_offset for row in header.segments[:4]],
    )
    assert again[:] == kip.raw[:]


segments = st.binary(max_size=50) | st.builds(lambda data, count: data * count, st.binary(max_size=9), st.integers(0, 700))


@given(text=segments, ro=segments, data=segments, bss_size=st.integers(0, 0x2000), compress=st.booleans(), flags=st.integers(0, 0x7F))
def test_what_is_built_is_read(text: bytes, ro: bytes, data: bytes, bss_size: int, compress: bool, flags: int) -> None:
    parts = (text, ro, data)
    kip = Kip(build_kip(*parts, bss_size=bss_size, compress=compress, flags=KipFlags(flags), capabilities=(1, 2), version=9, **FIELDS))
    assert kip.problems == []
    assert kip.size == kip.raw.size <= 0x100 + sum(map(len, parts))
    assert [kip.segment(name)[:].tobytes() for name in NAMES] == list(parts)
    assert kip.header.flags & 0x78 == flags & 0x78
    for segment, part in zip(kip.segments, parts, strict=True):
        assert segment.size == len(part)
        assert segment.compressed == (segment.file_size < len(part))
        assert compress or not segment.compressed
    assert (kip.name, kip.program_id, kip.header.version, kip.capabilities) == ("demo", 0x0100000000000123, 9, (1, 2))
    assert kip.bss_size == bss_size + -bss_size % 0x1000
    assert kip.header.stack_size == 0x4000


def test_memory_layout() -> None:
    kip = Kip(build_kip(bytes(5), bytes(0x1001), bytes(3), bss_size=1, **FIELDS))
    assert [row.memory_offset for row in kip.header.segments] == [0, 0x1000, 0x3000, 0x4000, 0, 0]
    kip = Kip(build_kip(b"a", b"b", b"c", bss_size=1, offsets=(0x1000, 0x5000, 0x6000, 0x8000), affinity_mask=7, **FIELDS))
    assert kip.problems == []
    assert kip.header.segments[0] == KipSegment(0x1000, 1, 1, 7)
    assert kip.header.segments[3] == KipSegment(0x8000, 0x1000, 0, 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "thirteen byte"}, "KIP, field name: 'thirteen byte' has 13 bytes, 12 are the most"),
        ({"name": "é" * 7}, "has 14 bytes"),
        ({"capabilities": [0] * 33}, "KIP, field capabilities: 33 words, 32 are the most"),
        ({"offsets": (0, 0x1000, 0x2000)}, "KIP, field offsets: 3 offsets, text, ro, data and bss need 4"),
        ({"offsets": (0, 0, 0x1000, 0x2000)}, "KIP of text at 0x0: ro at 0x0 in memory overlaps what ends at 0x4"),
        ({"offsets": (0, 0x1000, 0x2001, 0x3000)}, "data lies at 0x2001 in memory, not at the start of a page"),
        ({"offsets": (0, 0x1000, 0x2000, 0x1000), "bss_size": 1}, "bss at 0x1000 in memory overlaps what ends at 0x2004"),
        ({"priority": 256}, "KIP header, field priority"),
        ({"stack_size": -1}, "KIP header, field segments"),
        ({"program_id": 1 << 64}, "KIP header, field program_id"),
        ({"bss_size": 1 << 32}, "KIP header, field segments"),
        ({"capabilities": [1 << 32]}, "KIP header, field capabilities"),
    ],
)
def test_what_does_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        build_kip(b"text", b"read", b"data", **{**FIELDS, **fields})


def test_a_name_of_any_bytes() -> None:
    assert Kip(build_kip(b"", b"", b"", **{**FIELDS, "name": "caf\udce9"})).name == "caf\udce9"
    with pytest.raises(UnsafePathError):
        build_kip(b"", b"", b"", **{**FIELDS, "name": "\ud800"})
