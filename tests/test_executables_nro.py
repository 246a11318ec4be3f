from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nro import ASSET_HEADER, NRO_HEADER, AssetHeader, AssetRange, NroRange
from oboromi_fs._decode import decode, encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError, OboromiFsError
from oboromi_fs.executables import Asset, Nro, Segment
from oboromi_fs.file import File

if TYPE_CHECKING:
    from oboromi_fs.executables.nro import AssetName

EXE = Path(__file__).parent.parent / "testdata" / "exe"


@pytest.fixture(scope="module")
def real() -> bytes:
    return (EXE / "test.nro").read_bytes()


def changed(real: bytes, **fields: Any) -> MemoryStorage:
    header = replace(decode(NRO_HEADER, MemoryStorage(real)), **fields)
    return MemoryStorage(encode(NRO_HEADER, header) + real[0x80:], "game.nro")


def with_header(real: bytes, tail: bytes = b"", **ranges: tuple[int, int]) -> MemoryStorage:
    header = AssetHeader(**{name: AssetRange(*place) for name, place in ranges.items()})  # type: ignore[arg-type]
    return MemoryStorage(real + encode(ASSET_HEADER, header) + tail, "game.nro")


def asset(program: Nro, name: AssetName) -> bytes | None:
    storage = program.asset(name)
    return None if storage is None else storage[:].tobytes()


def test_a_file_of_another_tool(testdata: Path) -> None:
    file = File.open(testdata / "exe" / "test_assets.nro")
    program = Nro(file)
    assert program.problems == []
    assert program.segments == (
        Segment("text", 0, 0x1000, 0, 0x1000),
        Segment("ro", 0x1000, 0x5000, 0x1000, 0x5000),
        Segment("data", 0x6000, 0x3000, 0x6000, 0x3000),
    )
    assert program.build_id == "4E795564D8F92ABE10ED05873AF2404E08C6D76A000000000000000000000000"
    assert program.module_id == bytes.fromhex(program.build_id)
    assert (program.bss_size, program.image_size) == (0xA000, 0x13000)
    assert program.assets == {
        "icon": Asset("icon", 0x9038, 3013),
        "nacp": Asset("nacp", 0x9BFD, 0x4000),
        "romfs": Asset("romfs", 0xDBFD, 41756),
    }
    assert asset(program, "icon") == (testdata / "exe" / "icon.jpg").read_bytes()
    assert asset(program, "nacp") == (testdata / "exe" / "control.nacp").read_bytes()
    romfs = program.asset("romfs")
    assert romfs is not None
    assert romfs[:] == (testdata / "romfs" / "tiny.st.romfs").read_bytes()
    assert romfs.place(1) == (file, 0xDBFE, "plain")
    assert repr(program) == "<Nro 4E795564D8F92ABE of 0x9000 bytes, 3 assets>"


def test_segments_are_those_of_the_nso(testdata: Path, real: bytes) -> None:
    image = (testdata / "exe" / "test.nso.hactool_uncompressed").read_bytes()[0x100:]
    program = Nro(MemoryStorage(real))
    assert program.segment("text")[0x80:] == image[0x80:0x1000]
    assert program.segment("ro")[:] == image[0x1000:0x6000]
    assert program.segment("data")[:] == image[0x6000:]
    assert program.image()[:] == program.module()[:] == real


@pytest.mark.parametrize("tail", [b"", b"ASET", b"ASET" + bytes(0x33), b"trailing bytes" * 9])
def test_without_assets(real: bytes, tail: bytes) -> None:
    program = Nro(MemoryStorage(real + tail))
    assert program.assets == {}
    assert program.asset("icon") is None
    assert program.problems == []
    assert program.module()[:] == real


def test_some_assets_and_empty_ones(real: bytes) -> None:
    program = Nro(with_header(real, b"nacp!", icon=(0x38, 0), nacp=(0x38, 5)))
    assert program.assets == {"nacp": Asset("nacp", 0x9038, 5)}
    assert asset(program, "nacp") == b"nacp!"
    assert program.asset("romfs") is None
    assert Nro(with_header(real)).assets == {}


def test_not_an_nro(real: bytes) -> None:
    with pytest.raises(NotThisFormatError, match=r"NRO header of game.nro at 0x10: magic is b'NSO0', not b'NRO0'"):
        Nro(changed(real, magic=b"NSO0"))
    with pytest.raises(NotThisFormatError, match=r"magic is b''"):
        Nro(MemoryStorage(b""))
    with pytest.raises(CorruptError, match="NRO header of memory at 0x0: needs 0x80 bytes, the last 0x1 are missing"):
        Nro(MemoryStorage(real[:0x7F]))


@pytest.mark.parametrize("size", [0, 0x10, 0x7F, 0x9001, 0xFFFFFFFF])
def test_sizes_that_cannot_be(real: bytes, size: int) -> None:
    program = Nro(changed(real, size=size))
    assert f"the header says {size:#x} bytes, 0x9000 are there" in program.problems
    assert program.assets == {}
    assert program.segment("ro").size == 0x5000
    message = f"NRO header of game.nro at 0x18, field size: {size:#x} bytes, 0x9000 are there: the file is cut short or damaged"
    with pytest.raises(CorruptError, match=message):
        program.module()


def test_no_assets_inside_the_header(real: bytes) -> None:
    program = Nro(changed(real, size=0x40, module_id=b"ASET".ljust(16, b"\0") + b"\1" * 16))
    assert program.assets == {}


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"ro": NroRange(0x1000, 0x4119)}, ["ro has 0x4119 bytes, not a whole number", "data lies at 0x6000 in memory, not at 0x5119"]),
        ({"text": NroRange(0x1000, 0x1000)}, ["text lies at 0x1000 in memory, not at 0x0", "ro at 0x1000 in memory overlaps"]),
        ({"data": NroRange(0x6000, 0x4000)}, ["data ends at 0xa000, the file at 0x9000", "the header says 0x9000 bytes, the data end"]),
        ({"bss_size": 0x9C40}, ["bss has 0x9c40 bytes, not a whole number of pages"]),
    ],
)  # fmt: skip
def test_what_the_official_loader_refuses(real: bytes, fields: dict[str, Any], problems: list[str]) -> None:
    found = Nro(changed(real, **fields)).problems
    assert all(problem.startswith(start) for problem, start in zip(found, problems, strict=True)), found


def test_segments_outside_the_file_and_over_each_other(real: bytes) -> None:
    program = Nro(changed(real, data=NroRange(0xFFFFF000, 0xFFFFF000)))
    with pytest.raises(CorruptError, match="data ends at 0x1ffffe000, the file at 0x9000"):
        program.segment("data")
    with pytest.raises(CorruptError, match="data ends at"):
        program.image()
    with pytest.raises(CorruptError, match="ro at 0x0 overlaps what ends at 0x1000"):
        Nro(changed(real, ro=NroRange(0, 0x1000))).image()


@pytest.mark.parametrize(
    ("place", "listed", "problem"),
    [
        ((0x38, 1), True, "asset icon ends at 0x9039, the file at 0x9038"),
        ((0xFFFFFFFF, 1), True, "asset icon ends at 0x100009000, the file at 0x9038"),
        ((0, 1 << 62), True, "asset icon ends at 0x4000000000009000, the file at 0x9038"),
        ((0xFFFFFFFFFFFFFFFF, 1), False, "asset icon: 0x1 bytes at 0xffffffffffffffff cannot be; left out"),
        ((0xFFFFFFFFFFFFFFF0, 0x20), False, "asset icon: 0x20 bytes at 0xfffffffffffffff0 cannot be; left out"),
        ((1, 0xFFFFFFFFFFFFFFFF), False, "asset icon: 0xffffffffffffffff bytes at 0x1 cannot be; left out"),
    ],
)
def test_assets_outside_the_file(real: bytes, place: tuple[int, int], listed: bool, problem: str) -> None:
    program = Nro(with_header(real, icon=place, nacp=(0, 4)))
    assert program.problems == [problem]
    assert ("icon" in program.assets) == listed
    assert asset(program, "nacp") == b"ASET"
    if listed:
        with pytest.raises(
            CorruptError, match=r"NRO asset header of game.nro at 0x9008, field icon: icon ends at 0x[0-9a-f]+, the file at"
        ):
            program.asset("icon")
    else:
        assert program.asset("icon") is None


def test_truncated_anywhere() -> None:
    whole = (EXE / "test_assets.nro").read_bytes()
    ends = {name: asset.offset + asset.size for name, asset in Nro(MemoryStorage(whole)).assets.items()}
    for length in (*range(0, len(whole), 997), 0x7F, 0x80, 0x8FFF, 0x9000, 0x9037, 0x9038, *ends.values()):
        storage = MemoryStorage(whole[:length])
        if length < 0x80:
            with pytest.raises((CorruptError, NotThisFormatError)):
                Nro(storage)
            continue
        program = Nro(storage)
        if length < 0x9000:
            with pytest.raises(CorruptError, match="cut short or damaged"):
                program.module()
        assert list(program.assets) == (list(ends) if length >= 0x9038 else [])
        for name, end in ends.items():
            if length >= end:
                assert program.asset(name) is not None
            elif program.assets:
                with pytest.raises(CorruptError, match="cut short or damaged"):
                    program.asset(name)


@pytest.mark.fuzz
@given(data=st.data())
def test_mutations(data: st.DataObject) -> None:
    mutated = bytearray((EXE / "test_assets.nro").read_bytes())
    places = st.one_of(st.integers(0, 0x7F), st.integers(0x9000, 0x9037), st.integers(0x1000, 0x1020))
    for at in data.draw(st.lists(places, min_size=1, max_size=6)):
        mutated[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OboromiFsError):
        program = Nro(MemoryStorage(mutated))
        for name in program.assets:
            with contextlib.suppress(OboromiFsError):
                program.asset(name)
        with contextlib.suppress(OboromiFsError):
            program.module()
        program.mod0()
