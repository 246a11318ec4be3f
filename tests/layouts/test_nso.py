from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nso import MOD0, MOD0_MAGIC, NSO_HEADER, NSO_MAGIC, Mod0Header, NsoFlags, NsoRange, NsoSegment
from oboromi_fs._decode import decode, encode
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_nso_header() -> None:
    check_layout(
        NSO_HEADER,
        0x100,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "reserved": (0x08, "u4"),
            "flags": (0x0C, "u4"),
            "text.file_offset": (0x10, "u4"),
            "text.memory_offset": (0x14, "u4"),
            "text.size": (0x18, "u4"),
            "module_name_offset": (0x1C, "u4"),
            "ro.file_offset": (0x20, "u4"),
            "ro.memory_offset": (0x24, "u4"),
            "ro.size": (0x28, "u4"),
            "module_name_size": (0x2C, "u4"),
            "data.file_offset": (0x30, "u4"),
            "data.memory_offset": (0x34, "u4"),
            "data.size": (0x38, "u4"),
            "bss_size": (0x3C, "u4"),
            "module_id": (0x40, "b32"),
            "compressed_sizes.0": (0x60, "u4"),
            "compressed_sizes.1": (0x64, "u4"),
            "compressed_sizes.2": (0x68, "u4"),
            "reserved_2": (0x6C, "b28"),
            "api_info.offset": (0x88, "u4"),
            "api_info.size": (0x8C, "u4"),
            "dynstr.offset": (0x90, "u4"),
            "dynstr.size": (0x94, "u4"),
            "dynsym.offset": (0x98, "u4"),
            "dynsym.size": (0x9C, "u4"),
            "hashes.0": (0xA0, "b32"),
            "hashes.1": (0xC0, "b32"),
            "hashes.2": (0xE0, "b32"),
        },
    )


def test_mod0() -> None:
    check_layout(
        MOD0,
        0x1C,
        {
            "magic": (0x00, "b4"),
            "dynamic": (0x04, "s4"),
            "bss_start": (0x08, "s4"),
            "bss_end": (0x0C, "s4"),
            "eh_frame_hdr_start": (0x10, "s4"),
            "eh_frame_hdr_end": (0x14, "s4"),
            "module_object": (0x18, "s4"),
        },
    )


def test_numbers() -> None:
    assert NSO_MAGIC == b"NSO0"
    assert MOD0_MAGIC == b"MOD0"
    assert dict(numbers(NsoFlags)) == {
        "TEXT_COMPRESSED": 0x01,
        "RO_COMPRESSED": 0x02,
        "DATA_COMPRESSED": 0x04,
        "TEXT_HASH": 0x08,
        "RO_HASH": 0x10,
        "DATA_HASH": 0x20,
        "PREVENT_CODE_READS": 0x40,
        "ZSTD": 0x80,
    }


def test_defaults() -> None:
    assert encode(
        MOD0, Mod0Header(dynamic=-1, bss_start=0, bss_end=0, eh_frame_hdr_start=0, eh_frame_hdr_end=0, module_object=0)
    ) == b"MOD0\xff\xff\xff\xff" + bytes(0x14)


def test_a_file_of_another_tool(testdata: Path) -> None:
    header = decode(NSO_HEADER, MemoryStorage((testdata / "exe" / "test.nso").read_bytes()))
    assert header.magic == b"NSO0"
    assert header.flags == 0x3F
    assert header.text == NsoSegment(0x100, 0, 0x1000)
    assert header.ro == NsoSegment(0x1CF, 0x1000, 0x4119)
    assert header.data == NsoSegment(0x2FF, 0x6000, 0x3000)
    assert (header.module_name_offset, header.module_name_size, header.bss_size) == (1, 1, 0x9C40)
    assert header.module_id == bytes.fromhex("4e795564d8f92abe10ed05873af2404e08c6d76a") + bytes(12)
    assert header.compressed_sizes == (0xCF, 0x130, 0xA1)
    assert (header.api_info, header.dynstr, header.dynsym) == (NsoRange(), NsoRange(), NsoRange())
    assert header.hashes[0].hex() == "c04df3e72780401d3cf0c3a64f0d9b88cfc4b1362f204a0063acc1d7fad25b88"
