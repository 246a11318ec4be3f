from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.kip import KIP_HEADER, KipHeader, KipSegment
from oboromi_fs import blz
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError, OboromiFsError
from oboromi_fs.executables import Kip, Segment
from oboromi_fs.executables.segment import NAMES
from oboromi_fs.file import File

TEXT = b"ABCD" * 8
PACKED = blz.compress(TEXT) or b""
EMPTY = (KipSegment(), KipSegment(), KipSegment())


@pytest.fixture(scope="module")
def real() -> bytes:
    return (Path(__file__).parent.parent / "testdata" / "exe" / "test.kip").read_bytes()


def kip(text: bytes = TEXT, ro: bytes = b"read", data: bytes = b"write", **fields: Any) -> MemoryStorage:
    header = KipHeader(
        name=b"demo".ljust(12, b"\0"),
        program_id=0x0100000000000123,
        priority=49,
        ideal_core=3,
        flags=0x38,
        segments=(KipSegment(0, 32, len(text)), KipSegment(0x1000, 8, len(ro), 0x4000), KipSegment(0x2000, 5, len(data)), *EMPTY),
        capabilities=(0x7, 0xFFFFFFFF, 0xF, *[0xFFFFFFFF] * 29),
    )
    return MemoryStorage(encode(KIP_HEADER, replace(header, **fields)) + text + ro + data, "demo.kip")


def test_a_file_of_another_tool(testdata: Path) -> None:
    program = Kip(File.open(testdata / "exe" / "test.kip"))
    assert program.problems == []
    assert program.segments == (
        Segment("text", 0x100, 0x2A4, 0, 0x1000, compressed=True),
        Segment("ro", 0x3A4, 0x88C, 0x1000, 0x4119, compressed=True),
        Segment("data", 0xC30, 0x5EC, 0x6000, 0x3000, compressed=True),
    )
    assert (program.name, program.program_id, program.size) == ("fakekip", 0x0100ABCDEF00F000, 0x121C)
    assert (program.bss_size, program.image_size) == (0xA000, 0x13000)
    assert program.capabilities == (0x030363F7, 0x0001004F, 0x00183FFF, 0x00807FFF)
    assert repr(program) == "<Kip 'fakekip' 0100abcdef00f000 of 0x121c bytes>"


@pytest.mark.parametrize("name", ["test.kip.hactool_uncompressed", "test.kip.hactoolnet_uncompressed"])
def test_uncompressed_like_other_tools_byte_for_byte(testdata: Path, name: str) -> None:
    expected = (testdata / "exe" / name).read_bytes()
    program = Kip(File.open(testdata / "exe" / "test.kip"))
    assert program.uncompressed()[:] == expected
    assert Kip(program.uncompressed()).uncompressed()[:] == expected
    image = program.image()
    assert image.size == 0x9000
    assert image[:0x5119] == expected[0x100:0x5219]
    assert not any(image[0x5119:0x6000])
    assert image[0x6000:] == expected[0x5219:]


def test_segments_tell_where_they_come_from(testdata: Path) -> None:
    file = File.open(testdata / "exe" / "test.kip")
    segment = Kip(file).segment("ro")
    assert (segment.kind, segment.size) == ("Blz", 0x4119)
    assert segment.place(0x10) == (file, 0x3A4, "compressed")
    plain = File.open(testdata / "exe" / "test.kip.hactool_uncompressed")
    assert Kip(plain).segment("ro").place(0x10) == (plain, 0x1110, "plain")


def test_without_compression_and_with_fewer_bytes_than_memory() -> None:
    program = Kip(kip())
    assert program.problems == []
    assert [program.segment(name)[:].tobytes() for name in NAMES] == [TEXT, b"read", b"write"]
    assert program.image()[:] == TEXT.ljust(0x1000, b"\0") + b"read".ljust(0x1000, b"\0") + b"write"
    assert program.uncompressed()[:] == kip()[:]
    assert program.capabilities == (0x7, 0xFFFFFFFF, 0xF)
    assert (program.image_size, program.bss_size) == (0x3000, 0)


def test_what_follows_is_ignored() -> None:
    program = Kip(MemoryStorage(kip()[:].tobytes() + b"next program"))
    assert program.size == 0x129
    assert program.uncompressed().size == 0x129


def test_a_name_without_an_end_and_one_that_is_no_text() -> None:
    assert Kip(kip(name=b"twelve bytes")).name == "twelve bytes"
    assert Kip(kip(name=b"caf\xe9".ljust(12, b"\0"))).name == "caf\udce9"


def test_one_compressed_segment() -> None:
    program = Kip(kip(text=PACKED, flags=1))
    assert program.segment("text")[:] == TEXT
    assert program.uncompressed()[:] == kip(flags=0)[:]


def test_an_empty_compressed_segment() -> None:
    program = Kip(kip(text=b"", flags=1))
    assert program.segment("text").size == 0
    assert program.segment("ro")[:].tobytes() == b"read"


def test_bss() -> None:
    rows = Kip(kip()).header.segments[:3]
    program = Kip(kip(segments=(*rows, KipSegment(0x3000, 0x1234), KipSegment(), KipSegment())))
    assert (program.problems, program.bss_size, program.image_size) == ([], 0x1234, 0x5000)
    inside = Kip(kip(segments=(*rows, KipSegment(0x2004, 1), KipSegment(), KipSegment())))
    assert inside.problems == ["bss at 0x2004 in memory overlaps what ends at 0x2005"]


def test_the_three_last_rows_count_into_the_size() -> None:
    rows = Kip(kip()).header.segments[:3]
    assert Kip(kip(segments=(*rows, *(KipSegment(file_size=size) for size in (1, 2, 4))))).size == 0x130


def test_not_a_kip() -> None:
    with pytest.raises(NotThisFormatError, match=r"KIP header of demo.kip at 0x0: magic is b'INI1', not b'KIP1'"):
        Kip(kip(magic=b"INI1"))


ROWS = (KipSegment(0, 32, 32), KipSegment(0x1000, 8, 4), KipSegment(0x2000, 5, 5), *EMPTY)
BAD: list[tuple[dict[str, Any], str]] = [
    ({"segments": (replace(ROWS[0], file_size=0xFFFFFFFF), *ROWS[1:])}, "KIP header of demo.kip at 0x100, field text: text ends at 0x10"),
    ({"segments": (replace(ROWS[0], file_size=42), *ROWS[1:])}, "text ends at 0x12a, the file at 0x129: it is cut short or damaged"),
    ({"segments": (replace(ROWS[0], memory_size=31), *ROWS[1:])}, "at 0x28, field file_size: text has 0x20 bytes, and 0x1f in memory"),
    ({"flags": 1}, "KIP text segment of demo.kip at 0x114, field total_size: 0x44434241 compressed bytes, 0x20 are there"),
    ({"flags": 2}, "KIP ro segment of demo.kip at 0x120: 0x4 bytes are less than a footer"),
    ({"flags": 1, "text": PACKED, "segments": (KipSegment(0, 31, 24), *ROWS[1:])}, "decodes to 0x20 bytes, at most 0x1f"),
    (
        {"flags": 1, "text": struct.pack("<3I", 12, 12, 0xFFFFFFFF), "segments": (KipSegment(0, 0xFFFFFFFF, 12), *ROWS[1:])},
        "at 0x108, field additional_size: decodes to 0x10000000b bytes, at most 0xffffffff may be",
    ),
    (
        {"flags": 1, "text": struct.pack("<3I", 12, 12, 0xFFFFFF00), "segments": (KipSegment(0, 0xFFFFFFFF, 12), *ROWS[1:])},
        "0x0 bytes cannot decode to 0xffffff0c",
    ),
    (
        {"flags": 1, "text": b"\xff\xff\xff" + PACKED[-12:-4] + b"\0\0\0\0", "segments": (KipSegment(0, 64, 15), *ROWS[1:])},
        "0x18 compressed bytes, 0xf are there",
    ),
    (
        {"flags": 1, "text": b"\xff\xff\xff" + struct.pack("<3I", 15, 12, 0), "segments": (KipSegment(0, 64, 15), *ROWS[1:])},
        "KIP text segment of demo.kip at 0x100: a copy from 0x1002 bytes behind 0x0 ends outside the 0xf bytes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD, ids=range(len(BAD)))
def test_hostile_headers(fields: dict[str, Any], message: str) -> None:
    program = Kip(kip(**fields))
    with pytest.raises(CorruptError, match=message):
        [program.segment(name)[:] for name in NAMES]
    with pytest.raises(CorruptError):
        program.uncompressed()[:]


def test_overlapping_segments_are_told_and_no_image() -> None:
    program = Kip(kip(segments=(ROWS[0], replace(ROWS[1], memory_offset=0x10), *ROWS[2:])))
    assert program.problems == [
        "ro lies at 0x10 in memory, not at the start of a page",
        "ro at 0x10 in memory overlaps what ends at 0x20",
    ]
    with pytest.raises(CorruptError, match="ro at 0x10 overlaps what ends at 0x20"):
        program.image()
    assert program.uncompressed().size == 0x129


def test_truncated_anywhere(real: bytes) -> None:
    for length in range(0, len(real), 13):
        with pytest.raises((CorruptError, NotThisFormatError)):
            Kip(MemoryStorage(real[:length])).uncompressed()[:]


@pytest.mark.fuzz
@given(data=st.data())
def test_mutations(real: bytes, data: st.DataObject) -> None:
    mutated = bytearray(real)
    for at in data.draw(st.lists(st.one_of(st.integers(0, 0xFF), st.integers(0, len(real) - 1)), min_size=1, max_size=6)):
        mutated[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OboromiFsError):
        program = Kip(MemoryStorage(mutated))
        for name in NAMES:
            assert len(program.segment(name)[:]) <= 9 * len(real)
        program.uncompressed()[:]
        program.image()
