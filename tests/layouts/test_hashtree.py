from __future__ import annotations

import hashlib

from oboromi_formats.hashtree import HIERARCHICAL_SHA256, IVFC, METADATA_HASH_DATA, HierarchicalSha256Info, IvfcInfo, IvfcLevel, Region
from oboromi_fs._decode import decode_bytes, encode
from tests.layouts.pins import check_layout


def test_hierarchical_sha256() -> None:
    check_layout(
        HIERARCHICAL_SHA256,
        0x78,
        {
            "master_hash": (0x00, "b32"),
            "block_size": (0x20, "u4"),
            "layer_count": (0x24, "u4"),
            "regions.0.offset": (0x28, "u8"),
            "regions.0.size": (0x30, "u8"),
            "regions.1.offset": (0x38, "u8"),
            "regions.1.size": (0x40, "u8"),
            "regions.2.offset": (0x48, "u8"),
            "regions.2.size": (0x50, "u8"),
            "regions.3.offset": (0x58, "u8"),
            "regions.3.size": (0x60, "u8"),
            "regions.4.offset": (0x68, "u8"),
            "regions.4.size": (0x70, "u8"),
        },
    )


_IVFC_FIELDS = {
    "magic": (0x00, "b4"),
    "version": (0x04, "u4"),
    "master_hash_size": (0x08, "u4"),
    "layer_count": (0x0C, "u4"),
    "levels.0.offset": (0x10, "u8"),
    "levels.0.size": (0x18, "u8"),
    "levels.0.block_size_log2": (0x20, "u4"),
    "levels.0.reserved": (0x24, "u4"),
    "levels.1.offset": (0x28, "u8"),
    "levels.1.size": (0x30, "u8"),
    "levels.1.block_size_log2": (0x38, "u4"),
    "levels.1.reserved": (0x3C, "u4"),
    "levels.2.offset": (0x40, "u8"),
    "levels.2.size": (0x48, "u8"),
    "levels.2.block_size_log2": (0x50, "u4"),
    "levels.2.reserved": (0x54, "u4"),
    "levels.3.offset": (0x58, "u8"),
    "levels.3.size": (0x60, "u8"),
    "levels.3.block_size_log2": (0x68, "u4"),
    "levels.3.reserved": (0x6C, "u4"),
    "levels.4.offset": (0x70, "u8"),
    "levels.4.size": (0x78, "u8"),
    "levels.4.block_size_log2": (0x80, "u4"),
    "levels.4.reserved": (0x84, "u4"),
    "levels.5.offset": (0x88, "u8"),
    "levels.5.size": (0x90, "u8"),
    "levels.5.block_size_log2": (0x98, "u4"),
    "levels.5.reserved": (0x9C, "u4"),
    "salt_seed": (0xA0, "b32"),
    "master_hash": (0xC0, "b32"),
}


def test_ivfc() -> None:
    check_layout(IVFC, 0xE0, _IVFC_FIELDS)


def test_metadata_hash_data() -> None:
    fields = {f"integrity.{name}": (8 + offset, kind) for name, (offset, kind) in _IVFC_FIELDS.items()}
    check_layout(METADATA_HASH_DATA, 0xE8, {"layer_info_offset": (0, "u8"), **fields})


def test_hash_data_of_a_small_partition() -> None:
    data = bytes(range(0x30))
    hash_table = hashlib.sha256(data[:0x20]).digest() + hashlib.sha256(data[0x20:]).digest()
    assert hash_table.startswith(bytes.fromhex("630dcd29"))
    assert hash_table[0x20:].startswith(bytes.fromhex("36db1adc"))
    master = hashlib.sha256(hash_table).digest()
    regions = (Region(0, 0x40), Region(0x200, 0x30), Region(), Region(), Region())
    built = encode(HIERARCHICAL_SHA256, HierarchicalSha256Info(master_hash=master, block_size=0x20, regions=regions))
    assert built[:4] == bytes.fromhex("d5c0b501")
    assert built[0x1C:0x28] == bytes.fromhex("a6c82412 20000000 02000000")
    assert built[0x28:0x48] == bytes.fromhex("0000000000000000 4000000000000000 0002000000000000 3000000000000000")
    assert built[0x48:] == bytes(0x30)
    assert decode_bytes(HIERARCHICAL_SHA256, built.ljust(0xF8, b"\0")).regions == regions


def test_hash_data_of_a_small_image() -> None:
    master = bytes.fromhex("e2ed6191454c7e1538625e54bffe19254b9e414326830f21a8fd121511e73b7e")
    offsets = (0x00, 0x40, 0x80, 0xC0, 0x100, 0x140)
    sizes = (0x40, 0x40, 0x40, 0x40, 0x40, 0x50)
    levels = tuple(IvfcLevel(offset, size, 6) for offset, size in zip(offsets, sizes, strict=True))
    built = encode(IVFC, IvfcInfo(levels=levels, master_hash=master))
    assert built[:0x10] == bytes.fromhex("49564643 00000200 20000000 07000000")
    assert built[0x88:0xA0] == bytes.fromhex("4001000000000000 5000000000000000 06000000 00000000")
    assert built[0xC0:] == master
