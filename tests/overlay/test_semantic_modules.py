from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nro import with_assets
from oboromi_fs.overlay.semantic import Analysis, Change, Delta, analyze_pair

if TYPE_CHECKING:
    from pathlib import Path

COSMETIC, CHANGING, UNKNOWN = Delta.COSMETIC_ONLY, Delta.BEHAVIOR_CHANGING, Delta.UNKNOWN


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.fixture
def exe(testdata: Path) -> Path:
    return testdata / "exe"


@pytest.mark.parametrize(
    ("format_", "old", "new"),
    [
        ("NSO", "test.nso", "test.nso.hactool_uncompressed"),
        ("KIP", "test.kip", "test.kip.hactool_uncompressed"),
        ("KIP", "test.kip.hactoolnet_uncompressed", "test.kip.hactool_uncompressed"),
    ],
)
def test_compression_means_nothing(exe: Path, format_: str, old: str, new: str) -> None:
    before, after = (exe / old).read_bytes(), (exe / new).read_bytes()
    expected = Analysis(format_, COSMETIC if before != after else Delta.NO_OP_EQUIVALENT)
    assert analyze_pair("exefs/main", before, after) == expected


def test_a_patched_module(exe: Path) -> None:
    data = (exe / "test.nso.hactool_uncompressed").read_bytes()
    found = analyze_pair("exefs/main", (exe / "test.nso").read_bytes(), changed(data, 0x100 + 0x10, b"\xaa\xbb"))
    assert (found.format, found.delta, found.change_count) == ("NSO", CHANGING, 1)
    assert found.changes[0].key == "text at 0x10"
    assert found.changes[0].new is not None
    assert found.changes[0].new.startswith("aa bb")
    assert found.changes[0].new.endswith("(2 bytes differ)")


def test_fields_of_a_module(exe: Path) -> None:
    data = (exe / "test.nso").read_bytes()
    found = analyze_pair("main", data, changed(changed(data, 0x3C, b"\0\1\0\0"), 0x40, b"\0"))
    assert (found.delta, [change.key for change in found.changes]) == (CHANGING, ["bss_size", "build_id"])
    assert found.changes[0] == Change("bss_size", '"0x9c40"', '"0x100"')


def test_fields_of_a_kip(exe: Path) -> None:
    data = (exe / "test.kip").read_bytes()
    found = analyze_pair("any.name", data, changed(data, 0x1C, b"\x30"))
    assert found == Analysis("KIP", CHANGING, (Change("priority", "49", "48"),), 1)


def test_assets_of_an_nro(exe: Path) -> None:
    full = (exe / "test_assets.nro").read_bytes()
    bare = (exe / "test.nro").read_bytes()
    found = analyze_pair("a.nro", bare, full)
    assert (found.format, found.delta, [change.key for change in found.changes]) == (
        "NRO",
        CHANGING,
        ["asset_icon", "asset_nacp", "asset_romfs"],
    )
    assert found.changes[1].old is None
    assert str(found.changes[1].new).startswith("0x4000 bytes, SHA-256 ")
    other = with_assets(MemoryStorage(full), nacp=MemoryStorage(bytes(0x4000)))[:].tobytes()
    assert [change.key for change in analyze_pair("a.nro", full, other).changes] == ["asset_nacp at 0x0"]


def test_a_damaged_module_is_compared_as_bytes(exe: Path) -> None:
    data = (exe / "test.nso").read_bytes()
    for damaged in (changed(data, 0x24, bytes(4)), data[:0x80], changed(data, 0x101, b"\xff\xff\xff")):
        found = analyze_pair("main", data, damaged)
        assert (found.format, found.delta) == ("Binary", UNKNOWN)
        assert found.notes[0].startswith("NSO: ")


@given(at=st.integers(0, 0x3A0 - 1), value=st.integers(0, 255))
def test_any_byte_of_a_module(testdata: Path, at: int, value: int) -> None:
    data = (testdata / "exe" / "test.nso").read_bytes()
    if at < len(data):
        found = analyze_pair("main", data, changed(data, at, bytes([value])))
        assert (found.delta is Delta.NO_OP_EQUIVALENT) == (data[at] == value)
