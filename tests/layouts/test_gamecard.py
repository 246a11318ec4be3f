from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oboromi_formats.gamecard import CARD_HEADER, CARD_INFO, ROM_SIZES, USABLE_BYTES_PER_GB, CardHeader
from oboromi_fs._decode import decode, decode_bytes
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout

if TYPE_CHECKING:
    from pathlib import Path


def test_card_header() -> None:
    check_layout(
        CARD_HEADER,
        0x200,
        {
            "signature": (0x000, "b256"),
            "magic": (0x100, "b4"),
            "rom_area_start_page": (0x104, "u4"),
            "backup_area_start_page": (0x108, "u4"),
            "key_index": (0x10C, "u1"),
            "rom_size": (0x10D, "u1"),
            "header_version": (0x10E, "u1"),
            "flags": (0x10F, "u1"),
            "package_id": (0x110, "b8"),
            "valid_data_end_page": (0x118, "u4"),
            "reserved": (0x11C, "u4"),
            "iv": (0x120, "b16"),
            "root_address": (0x130, "u8"),
            "root_header_size": (0x138, "u8"),
            "root_header_hash": (0x140, "b32"),
            "initial_data_hash": (0x160, "b32"),
            "sel_sec": (0x180, "u4"),
            "sel_t1_key": (0x184, "u4"),
            "sel_key": (0x188, "u4"),
            "lim_area_page": (0x18C, "u4"),
            "encrypted_info": (0x190, "b112"),
        },
    )


def test_card_info() -> None:
    check_layout(
        CARD_INFO,
        0x70,
        {
            "firmware_version": (0x00, "u8"),
            "access_control_1": (0x08, "u4"),
            "wait1_read": (0x0C, "u4"),
            "wait2_read": (0x10, "u4"),
            "wait1_write": (0x14, "u4"),
            "wait2_write": (0x18, "u4"),
            "fw_mode": (0x1C, "u4"),
            "cup_version": (0x20, "u4"),
            "compatibility_type": (0x24, "u1"),
            "reserved": (0x25, "b3"),
            "update_partition_hash": (0x28, "b8"),
            "cup_title_id": (0x30, "u8"),
            "reserved_2": (0x38, "b56"),
        },
    )


def _header(key_index: int = 0, valid_data_end_page: int = 0) -> CardHeader:
    data = bytearray(0x200)
    data[0x10C] = key_index
    data[0x118:0x11C] = valid_data_end_page.to_bytes(4, "little")
    return decode_bytes(CARD_HEADER, data)


def test_key_index_halves() -> None:
    header = _header(key_index=0x5A)
    assert header.kek_index == 0xA
    assert header.title_key_index == 5


def test_the_last_valid_page_is_inclusive() -> None:
    assert _header(valid_data_end_page=0).trimmed_size == 0x200
    assert _header(valid_data_end_page=0xFFFFFFFF).trimmed_size == 0x20000000000


def test_rom_sizes() -> None:
    assert ROM_SIZES == {0xFA: 1, 0xF8: 2, 0xF0: 4, 0xE0: 8, 0xE1: 16, 0xE2: 32}
    assert USABLE_BYTES_PER_GB == 0x3B800000


def test_an_image_of_another_tool(testdata: Path) -> None:
    storage = MemoryStorage((testdata / "xci" / "std.xci").read_bytes())
    header = decode(CARD_HEADER, storage)
    assert header.magic == b"HEAD"
    assert header.root_address == 0xF000
    assert header.root_header_size == 0x200
    assert hashlib.sha256(storage[0xF000:0xF200]).digest() == header.root_header_hash
    assert header.trimmed_size == storage.size
