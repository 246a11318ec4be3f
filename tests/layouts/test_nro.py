from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nro import ASSET_HEADER, ASSET_MAGIC, NRO_HEADER, NRO_MAGIC, NRO_MAGIC_OFFSET, AssetRange, NroFlags, NroRange
from oboromi_fs._decode import decode
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_nro_header() -> None:
    check_layout(
        NRO_HEADER,
        0x80,
        {
            "entry": (0x00, "u4"),
            "mod0_offset": (0x04, "u4"),
            "marker": (0x08, "b8"),
            "magic": (0x10, "b4"),
            "version": (0x14, "u4"),
            "size": (0x18, "u4"),
            "flags": (0x1C, "u4"),
            "text.offset": (0x20, "u4"),
            "text.size": (0x24, "u4"),
            "ro.offset": (0x28, "u4"),
            "ro.size": (0x2C, "u4"),
            "data.offset": (0x30, "u4"),
            "data.size": (0x34, "u4"),
            "bss_size": (0x38, "u4"),
            "reserved": (0x3C, "u4"),
            "module_id": (0x40, "b32"),
            "dso_handle_offset": (0x60, "u4"),
            "reserved_2": (0x64, "u4"),
            "api_info.offset": (0x68, "u4"),
            "api_info.size": (0x6C, "u4"),
            "dynstr.offset": (0x70, "u4"),
            "dynstr.size": (0x74, "u4"),
            "dynsym.offset": (0x78, "u4"),
            "dynsym.size": (0x7C, "u4"),
        },
    )


def test_asset_header() -> None:
    check_layout(
        ASSET_HEADER,
        0x38,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "icon.offset": (0x08, "u8"),
            "icon.size": (0x10, "u8"),
            "nacp.offset": (0x18, "u8"),
            "nacp.size": (0x20, "u8"),
            "romfs.offset": (0x28, "u8"),
            "romfs.size": (0x30, "u8"),
        },
    )


def test_numbers() -> None:
    assert (NRO_MAGIC, NRO_MAGIC_OFFSET, ASSET_MAGIC) == (b"NRO0", 0x10, b"ASET")
    assert dict(numbers(NroFlags)) == {"ALIGNED_HEADER": 1}


def test_a_file_of_another_tool(testdata: Path) -> None:
    storage = MemoryStorage((testdata / "exe" / "test_assets.nro").read_bytes())
    header = decode(NRO_HEADER, storage)
    assert (header.entry, header.mod0_offset, header.marker, header.magic) == (0x14000020, 0x1000, b"HOMEBREW", b"NRO0")
    assert (header.size, header.flags, header.bss_size) == (0x9000, 0, 0xA000)
    assert (header.text, header.ro, header.data) == (NroRange(0, 0x1000), NroRange(0x1000, 0x5000), NroRange(0x6000, 0x3000))
    assert header.module_id == bytes.fromhex("4e795564d8f92abe10ed05873af2404e08c6d76a") + bytes(12)
    assets = decode(ASSET_HEADER, storage, header.size)
    assert (assets.magic, assets.version) == (b"ASET", 0)
    assert (assets.icon, assets.nacp, assets.romfs) == (AssetRange(0x38, 3013), AssetRange(0xBFD, 0x4000), AssetRange(0x4BFD, 41756))


def test_the_aligned_header_flag(testdata: Path) -> None:
    assert decode(NRO_HEADER, MemoryStorage((testdata / "exe" / "test_aligned.nro").read_bytes())).flags == NroFlags.ALIGNED_HEADER
