from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError
from oboromi_fs.executables import Mod0, Nro, Nso
from oboromi_fs.file import File

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = Mod0(
    offset=0x1000,
    dynamic=0x6000,
    bss_start=0x9000,
    bss_end=0x12C40,
    eh_frame_hdr_start=0x1000,
    eh_frame_hdr_end=0x1000,
    module_object=0x1000,
    libnx=False,
)


def test_files_of_another_tool(testdata: Path) -> None:
    assert Nso(File.open(testdata / "exe" / "test.nso")).mod0() == EXPECTED
    assert Nro(File.open(testdata / "exe" / "test_assets.nro")).mod0() == EXPECTED


def test_offsets_are_signed_and_count_from_the_magic() -> None:
    image = pack("<II", 0, 0x20) + bytes(0x18) + pack("<4s6i", b"MOD0", -0x20, 0x10, 0x20, -8, -4, 0x7FFFFFFF) + b"LNY0"
    assert Mod0.read(MemoryStorage(image)) == Mod0(0x20, 0, 0x30, 0x40, 0x18, 0x1C, 0x8000001F, libnx=True)
    assert not Mod0.read(MemoryStorage(image[:-1] + b"0").window(0, 0x3C)).libnx


def test_at_the_start_of_the_image() -> None:
    image = pack("<II", 0, 8) + pack("<4s6i", b"MOD0", 1, 2, 3, 4, 5, 6)
    assert Mod0.read(MemoryStorage(image)) == Mod0(8, 9, 10, 11, 12, 13, 14)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", "an image of 0x0 bytes has no word at 4"),
        (bytes(7), "an image of 0x7 bytes has no word at 4"),
        (pack("<II", 0, 0xFFFFFFFF), "field mod0_offset: lies at 0xffffffff, outside the image of 0x8 bytes"),
        (pack("<II", 0, 8) + bytes(0x1B), "lies at 0x8, outside the image of 0x23 bytes"),
    ],
)
def test_outside_the_image(image: bytes, message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        Mod0.read(MemoryStorage(image))


def test_no_mod0_at_all() -> None:
    with pytest.raises(NotThisFormatError, match=r"MOD0 header of memory at 0x8: magic is b'\\x00\\x00\\x00\\x00', not b'MOD0'"):
        Mod0.read(MemoryStorage(pack("<II", 0, 8) + bytes(0x1C)))
