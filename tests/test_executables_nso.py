from __future__ import annotations

import contextlib
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lz4.block  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nso import NSO_HEADER, NsoHeader, NsoSegment
from oboromi_fs._decode import decode_bytes, encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError, OboromiFsError, UnsupportedError
from oboromi_fs.executables import Nso, Segment
from oboromi_fs.executables.segment import NAMES
from oboromi_fs.file import File

TEXT, RO, DATA = b"code" * 40, b"\0\0\0\0\x09\0\0\0main.nss\0" + bytes(60), b"\1\2\3\4" * 9


@pytest.fixture(scope="module")
def real() -> bytes:
    return (Path(__file__).parent.parent / "testdata" / "exe" / "test.nso").read_bytes()


def nso(*, packed: bytes = b"", **fields: Any) -> MemoryStorage:
    """An uncompressed NSO of the three segments above, with other fields in its header, and other bytes for text."""
    header = NsoHeader(
        flags=0x38,
        text=NsoSegment(0x100, 0, len(TEXT)),
        ro=NsoSegment(0x100 + len(TEXT), 0x1000, len(RO)),
        data=NsoSegment(0x100 + len(TEXT + RO), 0x2000, len(DATA)),
        bss_size=0x10,
        module_id=b"\xab\xcd".ljust(32, b"\0"),
        compressed_sizes=(0, 0, 0),
        hashes=tuple(hashlib.sha256(data).digest() for data in (TEXT, RO, DATA)),
    )
    body = packed.ljust(len(TEXT), b"\0") if packed else TEXT
    return MemoryStorage(encode(NSO_HEADER, replace(header, **fields)) + body + RO + DATA, "main")


def test_a_file_of_another_tool(testdata: Path) -> None:
    module = Nso(File.open(testdata / "exe" / "test.nso"))
    assert module.problems == []
    assert module.segments[0] == Segment(
        "text", 0x100, 0xCF, 0, 0x1000, True, bytes.fromhex("c04df3e72780401d3cf0c3a64f0d9b88cfc4b1362f204a0063acc1d7fad25b88")
    )
    assert [segment[1:-1] for segment in map(_row, module.segments[1:])] == [
        (0x1CF, 0x130, 0x1000, 0x4119, True),
        (0x2FF, 0xA1, 0x6000, 0x3000, True),
    ]
    assert module.build_id == "4E795564D8F92ABE10ED05873AF2404E08C6D76A000000000000000000000000"
    assert module.module_id == bytes.fromhex(module.build_id)
    assert (module.bss_size, module.image_size) == (0x9C40, 0x13000)
    assert [module.hash_matches(name) for name in NAMES] == [True, True, True]
    assert (module.module_name, module.module_path()) == ("S", "")  # Its name field points into the magic, as its maker writes it.
    assert repr(module) == "<Nso 4E795564D8F92ABE of 0x13000 bytes>"


def _row(segment: Segment) -> tuple[Any, ...]:
    return (
        segment.name,
        segment.file_offset,
        segment.file_size,
        segment.memory_offset,
        segment.size,
        segment.compressed,
        segment.digest,
    )


def test_uncompressed_like_other_tools_byte_for_byte(testdata: Path) -> None:
    expected = (testdata / "exe" / "test.nso.hactool_uncompressed").read_bytes()
    module = Nso(File.open(testdata / "exe" / "test.nso"))
    assert module.uncompressed()[:] == expected
    assert module.image()[:] == expected[0x100:]
    again = Nso(module.uncompressed())
    assert again.uncompressed()[:] == expected
    assert [again.hash_matches(name) for name in NAMES] == [True, True, True]


def test_uncompressed_segments_are_windows_on_the_file(testdata: Path) -> None:
    file = File.open(testdata / "exe" / "test.nso.hactool_uncompressed")
    place = Nso(file).segment("ro").place(0x10)
    assert place == (file, 0x1110, "plain")


def test_compressed_segments_tell_where_they_come_from(testdata: Path) -> None:
    file = File.open(testdata / "exe" / "test.nso")
    segment = Nso(file).segment("ro")
    assert segment.kind == "Lz4"
    assert segment.place(0x10) == (file, 0x1CF, "compressed")
    assert segment.sources[0][:] == file[0x1CF:0x2FF]


def test_without_compression() -> None:
    module = Nso(nso())
    assert [module.segment(name)[:].tobytes() for name in NAMES] == [TEXT, RO, DATA]
    assert module.image()[:] == TEXT.ljust(0x1000, b"\0") + RO.ljust(0x1000, b"\0") + DATA
    assert module.module_path() == "main.nss"
    assert module.image_size == 0x3000
    assert module.build_id == "ABCD" + "0" * 60


def test_the_size_field_counts_where_the_flag_is_clear() -> None:
    assert Nso(nso(compressed_sizes=(1, 2, 3))).segment("text")[:] == TEXT


def test_hashes() -> None:
    damaged = Nso(nso(hashes=(bytes(32),) * 3))
    assert [damaged.hash_matches(name) for name in NAMES] == [False, False, False]
    assert Nso(nso(hashes=(bytes(32),) * 3, flags=0)).hash_matches("ro") is None


def test_module_name() -> None:
    assert Nso(nso(module_name_offset=0x100, module_name_size=8)).module_name == "codecode"
    assert Nso(nso(module_name_offset=0x100 + len(TEXT) + 8, module_name_size=20)).module_name == "main.nss"
    outside = Nso(nso(module_name_offset=0xFFFFFFFF, module_name_size=0xFFFFFFFF))
    assert outside.module_name == ""
    assert outside.problems == ["the module name at 0xffffffff runs over the end of the file"]


@pytest.mark.parametrize("ro", [b"\1" + RO[1:], RO[:4] + bytes(4) + RO[8:], RO[:4] + b"\xff" * 4 + RO[8:]])
def test_no_module_path(ro: bytes) -> None:
    storage = bytearray(nso()[:])
    storage[0x100 + len(TEXT) : 0x100 + len(TEXT + RO)] = ro
    assert Nso(MemoryStorage(storage)).module_path() == ""


def test_not_an_nso() -> None:
    with pytest.raises(NotThisFormatError, match=r"NSO header of main at 0x0: magic is b'NRO0', not b'NSO0'"):
        Nso(nso(magic=b"NRO0"))
    with pytest.raises(NotThisFormatError, match=r"magic is b'', not b'NSO0'"):
        Nso(MemoryStorage(b""))


BAD: list[tuple[dict[str, Any], str, str]] = [
    (
        {"text": NsoSegment(0xFFFFFFFF, 0, 0x1000)},
        "text",
        "NSO header of main at 0x[0-9a-f]+, field text: text ends at 0x100000fff, the file at 0x211: it is cut short or damaged",
    ),
    ({"text": NsoSegment(0x100, 0, 0x1000)}, "text", "text ends at 0x1100"),
    ({"text": NsoSegment(0x100, 0, 0xFFFFFFFF)}, "text", "at 0x10, field size: the segments have 0x1000000[0-9a-f]+ bytes, 0x20000000 are"),
    ({"flags": 0x39, "compressed_sizes": (0xFFFFFFFF, 0, 0)}, "text", "text ends at 0x1000000ff, the file at 0x211"),
    ({"flags": 0x39, "compressed_sizes": (0, 0, 0)}, "text", "NSO text segment of main at 0x100: 0x0 bytes cannot decompress to 0xa0"),
    ({"flags": 0x39, "compressed_sizes": (1, 0, 0), "text": NsoSegment(0x100, 0, 256)}, "text", "0x1 bytes cannot decompress to 0x100"),
    ({"flags": 0x39, "compressed_sizes": (20, 0, 0)}, "text", "NSO text segment of main at 0x100: 0x14 bytes do not decompress to 0xa0"),
    ({"flags": 0xB9, "compressed_sizes": (20, 0, 0)}, "text", "NSO text segment of main at 0xc, field flags: compressed with zstd"),
]


@pytest.mark.parametrize(("fields", "name", "message"), BAD, ids=range(len(BAD)))
def test_hostile_headers(fields: dict[str, Any], name: Any, message: str) -> None:
    module = Nso(nso(**fields))
    with pytest.raises((CorruptError, UnsupportedError), match=message):
        module.segment(name)[:]
    with pytest.raises((CorruptError, UnsupportedError)):
        module.uncompressed()[:]
    with pytest.raises((CorruptError, UnsupportedError)):
        module.hash_matches("text")


def test_uncompressed_clears_what_tells_of_compression() -> None:
    module = Nso(nso(flags=0xF8))
    assert Nso(module.uncompressed()).header.flags == 0x78


def test_zstd_is_refused_only_where_it_is_used() -> None:
    module = Nso(nso(flags=0x81, compressed_sizes=(20, 0, 0)))
    assert module.segment("ro")[:] == RO
    with pytest.raises(UnsupportedError):
        module.segment("text")


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"ro": NsoSegment(0x100, 0, 4)}, ["ro at 0x0 in memory overlaps what ends at 0xa0"]),
        ({"data": NsoSegment(0x100, 0x1000, 4)}, ["data at 0x1000 in memory overlaps what ends at 0x104d"]),
        (
            {"data": NsoSegment(0x100, 0x10, 4)},
            ["data lies at 0x10 in memory, not at the start of a page", "data at 0x10 in memory overlaps"],
        ),
    ],
)
def test_overlapping_segments_are_told_and_no_image(fields: dict[str, Any], problems: list[str]) -> None:
    module = Nso(nso(**fields))
    assert all(problem.startswith(start) for problem, start in zip(module.problems, problems, strict=True))
    assert module.segment("text")[:] == TEXT
    with pytest.raises(CorruptError, match="overlaps what ends at"):
        module.image()


def test_a_huge_gap_takes_no_memory() -> None:
    module = Nso(nso(data=NsoSegment(0x100, 0x1FFFF000, 4)))
    image = module.uncompressed()
    assert image.size == 0x1FFFF104
    assert image[-6:].tobytes() == b"\0\0code"
    with pytest.raises(CorruptError, match="0x20000000 is the most"):
        Nso(nso(data=NsoSegment(0x100, 0xFFFFF000, 4))).image()


def compressed(block: bytes, size: int) -> Nso:
    return Nso(nso(packed=block, flags=1, compressed_sizes=(len(block), 0, 0), text=NsoSegment(0x100, 0, size)))


def test_lz4_output_is_exact() -> None:
    block = lz4.block.compress(TEXT, store_size=False)
    assert compressed(block, len(TEXT)).segment("text")[:] == TEXT
    for size in (1, len(TEXT) - 1, len(TEXT) + 1, 255 * len(block)):
        with pytest.raises(CorruptError, match=r"NSO text segment of main at 0x100: "):
            compressed(block, size).segment("text")[:]


def test_lz4_input_is_exact() -> None:
    block = lz4.block.compress(TEXT, store_size=False)
    for other in (*(block[:length] for length in range(1, len(block))), block + b"\0", block + block):
        with pytest.raises(CorruptError, match=r"NSO text segment of main at 0x100: "):
            compressed(other, len(TEXT)).segment("text")[:]


def test_an_empty_compressed_segment() -> None:
    module = Nso(nso(flags=1, compressed_sizes=(0, 0, 0), text=NsoSegment(0x100, 0, 0)))
    assert module.segment("text").size == 0
    assert compressed(b"\0", 0).segment("text").size == 0


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, testdata: Path) -> None:
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    module = Nso(File.open(testdata / "exe" / "test.nso"))
    with pytest.raises(UnsupportedError, match="needs the package lz4, which is not installed: pip install lz4"):
        module.segment("text")[:]
    assert Nso(nso()).hash_matches("text") is True


def test_truncated_anywhere(real: bytes) -> None:
    for length in range(0, len(real), 7):
        with pytest.raises((CorruptError, NotThisFormatError)):
            Nso(MemoryStorage(real[:length])).uncompressed()[:]


@pytest.mark.fuzz
@given(data=st.data())
def test_mutations(real: bytes, data: st.DataObject) -> None:
    mutated = bytearray(real)
    for at in data.draw(st.lists(st.integers(0, 0x140), min_size=1, max_size=6)):
        mutated[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OboromiFsError):
        module = Nso(MemoryStorage(mutated))
        assert module.uncompressed().size <= 0x100 + (512 << 20)
        assert decode_bytes(NSO_HEADER, mutated) == module.header
        for name in NAMES:
            module.segment(name)[:]
        module.module_path()
        module.mod0()
