from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nso import NsoRange, NsoSegment
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.executables import Nso, _lz4
from oboromi_fs.executables.segment import NAMES, Zeros
from oboromi_fs.file import File

EXE = Path(__file__).parent.parent / "testdata" / "exe"


def test_another_tool_s_file_from_its_parts() -> None:
    """Its compressed bytes are those of another version of the LZ4 library; what they hold is the same, byte for byte."""
    original = Nso(File.open(EXE / "test.nso"))
    text, ro, data = (original.segment(segment) for segment in NAMES)
    nso = build_nso(text, ro, data, bss_size=0x9C40, module_id=original.module_id)
    assert nso.size < 0x400
    assert Nso(nso).header.flags == 0x3F
    assert Nso(nso).uncompressed()[:] == (EXE / "test.nso.hactool_uncompressed").read_bytes()


def test_uncompressed_layout() -> None:
    nso = build_nso(b"code", b"read only", b"data", module_name=b"demo\0", compress=False, hashes=False, prevent_code_reads=True)
    assert nso[0x100:].tobytes() == b"demo\0coderead onlydata"
    module = Nso(nso)
    assert module.header.flags == 0x40
    assert (module.header.text, module.header.ro) == (NsoSegment(0x105, 0, 4), NsoSegment(0x109, 0x1000, 9))
    assert module.header.data == NsoSegment(0x112, 0x2000, 4)
    assert module.header.compressed_sizes == (4, 9, 4)
    assert module.header.hashes[1] == hashlib.sha256(b"read only").digest()
    assert module.module_name == "demo"
    assert module.hash_matches("ro") is None


segments = st.binary(max_size=50) | st.builds(lambda data, count: data * count, st.binary(max_size=9), st.integers(0, 700))


@given(text=segments, ro=segments, data=segments, name=st.binary(max_size=5), bss_size=st.integers(0, 2**32 - 1), compress=st.booleans())
def test_what_is_built_is_read(text: bytes, ro: bytes, data: bytes, name: bytes, bss_size: int, compress: bool) -> None:
    parts = (text, ro, data)
    ranges = (NsoRange(1, 2), NsoRange(3, 4), NsoRange(5, 2**32 - 1))
    nso = Nso(
        build_nso(
            *parts, bss_size=bss_size, module_id=b"id", module_name=name, compress=compress, api_info=ranges[0], dynstr=ranges[1],
            dynsym=ranges[2],
        )
    )  # fmt: skip
    assert nso.problems == []
    assert nso.raw.size <= 0x100 + len(name) + sum(map(len, parts))
    assert [nso.segment(segment)[:].tobytes() for segment in NAMES] == list(parts)
    assert [nso.hash_matches(segment) for segment in NAMES] == [True, True, True]
    for segment, part in zip(nso.segments, parts, strict=True):
        assert segment.compressed == (segment.file_size < len(part))
        assert compress or not segment.compressed
    assert (nso.bss_size, nso.module_id) == (bss_size, b"id".ljust(32, b"\0"))
    assert (nso.header.api_info, nso.header.dynstr, nso.header.dynsym) == ranges
    assert nso.module_name == name.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def test_the_same_bytes_every_time() -> None:
    data = bytes(range(256)) * 40
    assert build_nso(data, data, data)[:] == build_nso(data, data, data)[:]


def test_what_would_be_just_as_long_is_not_compressed() -> None:
    part = bytes(range(8))[::-1].rjust(13, b"\xff")
    assert len(_lz4.compress(part)) == len(part)
    assert Nso(build_nso(part, b"", b"")).segments[0].compressed is False


def test_given_offsets() -> None:
    assert [segment.memory_offset for segment in Nso(build_nso(b"a", b"b", b"c", offsets=(0, 0x5000, 0x9000))).segments] == [
        0,
        0x5000,
        0x9000,
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"module_id": bytes(33)}, "NSO, field module_id: 33 bytes, 32 are the most"),
        ({"offsets": (0, 0x1000)}, "NSO, field offsets: 2 offsets, text, ro and data need 3"),
        ({"offsets": (0x1000, 0x2000, 0x3000)}, "NSO of text at 0x0: text lies at 0x1000 in memory, not at 0x0"),
        ({"offsets": (0, 0x2000, 0x1000)}, "data at 0x1000 in memory overlaps what ends at 0x2004"),
        ({"offsets": (0, 0x1000, 0x2010)}, "data lies at 0x2010 in memory, not at the start of a page"),
        ({"bss_size": 1 << 32}, "NSO header, field bss_size"),
        ({"bss_size": -1}, "NSO header, field bss_size"),
    ],
)
def test_what_does_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        build_nso(b"text", b"read", b"data", **fields)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    with pytest.raises(UnsupportedError, match="needs the package lz4"):
        build_nso(b"text", b"", b"")
    assert build_nso(b"text", b"", b"", compress=False).size == 0x104


def test_large_segments_are_not_copied_when_they_stay_as_they_are() -> None:
    assert build_nso(b"", b"", Zeros(1 << 24), compress=False, hashes=False).size == 0x100 + (1 << 24)
