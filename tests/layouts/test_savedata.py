from __future__ import annotations

from oboromi_formats import savedata
from oboromi_formats.savedata import SaveType
from tests.layouts.pins import check_layout, check_table, numbers


def test_layout() -> None:
    check_layout(
        savedata.SAVE_LAYOUT,
        0x200,
        {
            "magic": (0x000, "b4"),
            "version": (0x004, "u4"),
            "hash": (0x008, "b32"),
            "main_remap_entries.offset": (0x028, "s8"),
            "main_remap_entries.size": (0x030, "s8"),
            "meta_remap_entries.offset": (0x038, "s8"),
            "meta_remap_entries.size": (0x040, "s8"),
            "main_remap_data.offset": (0x048, "s8"),
            "main_remap_data.size": (0x050, "s8"),
            "duplex_l1.offset_a": (0x058, "s8"),
            "duplex_l1.offset_b": (0x060, "s8"),
            "duplex_l1.size": (0x068, "s8"),
            "duplex_data.offset_a": (0x070, "s8"),
            "duplex_data.offset_b": (0x078, "s8"),
            "duplex_data.size": (0x080, "s8"),
            "journal_data_offset": (0x088, "s8"),
            "journal_data_size_a": (0x090, "s8"),
            "journal_data_size_b": (0x098, "s8"),
            "journal_size": (0x0A0, "s8"),
            "duplex_master.offset_a": (0x0A8, "s8"),
            "duplex_master.offset_b": (0x0B0, "s8"),
            "duplex_master.size": (0x0B8, "s8"),
            "ivfc_master.offset_a": (0x0C0, "s8"),
            "ivfc_master.offset_b": (0x0C8, "s8"),
            "ivfc_master.size": (0x0D0, "s8"),
            "journal_map.offset": (0x0D8, "s8"),
            "journal_map.size": (0x0E0, "s8"),
            "journal_physical_bitmap.offset": (0x0E8, "s8"),
            "journal_physical_bitmap.size": (0x0F0, "s8"),
            "journal_virtual_bitmap.offset": (0x0F8, "s8"),
            "journal_virtual_bitmap.size": (0x100, "s8"),
            "journal_free_bitmap.offset": (0x108, "s8"),
            "journal_free_bitmap.size": (0x110, "s8"),
            "ivfc_l1.offset": (0x118, "s8"),
            "ivfc_l1.size": (0x120, "s8"),
            "ivfc_l2.offset": (0x128, "s8"),
            "ivfc_l2.size": (0x130, "s8"),
            "ivfc_l3.offset": (0x138, "s8"),
            "ivfc_l3.size": (0x140, "s8"),
            "fat.offset": (0x148, "s8"),
            "fat.size": (0x150, "s8"),
            "duplex_index": (0x158, "u1"),
            "reserved": (0x159, "b7"),
            "fat_ivfc_master_a": (0x160, "s8"),
            "fat_ivfc_master_b": (0x168, "s8"),
            "fat_ivfc_l1.offset": (0x170, "s8"),
            "fat_ivfc_l1.size": (0x178, "s8"),
            "fat_ivfc_l2.offset": (0x180, "s8"),
            "fat_ivfc_l2.size": (0x188, "s8"),
            "reserved_2": (0x190, "b112"),
        },
    )


def test_duplex_header() -> None:
    check_layout(
        savedata.DUPLEX_HEADER,
        0x44,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "layers.0.offset": (0x08, "s8"),
            "layers.0.size": (0x10, "s8"),
            "layers.0.block_size_log2": (0x18, "u4"),
            "layers.1.offset": (0x1C, "s8"),
            "layers.1.size": (0x24, "s8"),
            "layers.1.block_size_log2": (0x2C, "u4"),
            "layers.2.offset": (0x30, "s8"),
            "layers.2.size": (0x38, "s8"),
            "layers.2.block_size_log2": (0x40, "u4"),
        },
    )


def test_hash_tree() -> None:
    check_layout(
        savedata.SAVE_IVFC,
        0xC0,
        {
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
        },
    )


def test_journal_header() -> None:
    check_layout(
        savedata.JOURNAL_HEADER,
        0x200,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "size": (0x08, "s8"),
            "journal_size": (0x10, "s8"),
            "block_size": (0x18, "s8"),
            "map_version": (0x20, "u4"),
            "main_block_count": (0x24, "u4"),
            "journal_block_count": (0x28, "u4"),
            "reserved": (0x2C, "u4"),
            "reserved_2": (0x30, "b464"),
        },
    )


def test_file_system_header() -> None:
    check_layout(
        savedata.SAVE_FS_HEADER,
        0x48,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "block_count": (0x08, "s8"),
            "block_size": (0x10, "s8"),
            "allocation.block_size": (0x18, "s8"),
            "allocation.table_offset": (0x20, "s8"),
            "allocation.table_block_count": (0x28, "u4"),
            "allocation.reserved": (0x2C, "u4"),
            "allocation.data_offset": (0x30, "s8"),
            "allocation.data_block_count": (0x38, "u4"),
            "allocation.reserved_2": (0x3C, "u4"),
            "allocation.directory_table_block": (0x40, "u4"),
            "allocation.file_table_block": (0x44, "u4"),
        },
    )


def test_remap_header() -> None:
    check_layout(
        savedata.REMAP_HEADER,
        0x40,
        {
            "magic": (0x00, "b4"),
            "version": (0x04, "u4"),
            "entry_count": (0x08, "u4"),
            "segment_count": (0x0C, "u4"),
            "segment_bits": (0x10, "u4"),
            "reserved": (0x14, "b44"),
        },
    )


def test_extra_data() -> None:
    check_layout(
        savedata.EXTRA_DATA,
        0x200,
        {
            "program_id": (0x00, "u8"),
            "user_id": (0x08, "b16"),
            "static_save_id": (0x18, "u8"),
            "save_type": (0x20, "u1"),
            "rank": (0x21, "u1"),
            "index": (0x22, "u2"),
            "reserved": (0x24, "b28"),
            "owner_id": (0x40, "u8"),
            "timestamp": (0x48, "u8"),
            "flags": (0x50, "u4"),
            "format_type": (0x54, "u4"),
            "data_size": (0x58, "s8"),
            "journal_size": (0x60, "s8"),
            "commit_id": (0x68, "u8"),
            "reserved_2": (0x70, "b400"),
        },
    )


def test_tables() -> None:
    check_table(
        savedata.REMAP_ENTRY,
        0x20,
        {
            "virtual": (0x00, "u8"),
            "physical": (0x08, "u8"),
            "size": (0x10, "u8"),
            "alignment": (0x18, "u4"),
            "reserved": (0x1C, "u4"),
        },
    )
    check_table(savedata.JOURNAL_MAP_ENTRY, 8, {"physical": (0, "u4"), "virtual": (4, "u4")})
    check_table(savedata.ALLOCATION_ENTRY, 8, {"previous": (0, "u4"), "next": (4, "u4")})
    check_table(
        savedata.SAVE_TABLE_ENTRY,
        0x60,
        {
            "parent": (0x00, "s4"),
            "name": (0x04, "b64"),
            "sibling": (0x44, "s4"),
            "first": (0x48, "s4"),
            "second": (0x4C, "s8"),
            "reserved": (0x54, "b8"),
            "next": (0x5C, "s4"),
        },
    )


def test_numbers() -> None:
    assert dict(numbers(SaveType)) == {
        "SYSTEM": 0,
        "ACCOUNT": 1,
        "BCAT": 2,
        "DEVICE": 3,
        "TEMPORARY": 4,
        "CACHE": 5,
        "SYSTEM_BCAT": 6,
    }


def test_where_the_parts_of_the_header_lie() -> None:
    assert savedata.LAYOUT_OFFSET + savedata.SAVE_LAYOUT.size == savedata.DUPLEX_OFFSET == savedata.HASHED_FROM == 0x300
    assert savedata.DUPLEX_OFFSET + savedata.DUPLEX_HEADER.size == savedata.IVFC_OFFSET == 0x344
    assert savedata.IVFC_OFFSET + savedata.SAVE_IVFC.size + 4 == savedata.JOURNAL_OFFSET == 0x408
    assert savedata.JOURNAL_OFFSET + savedata.JOURNAL_HEADER.size == savedata.SAVE_FS_OFFSET == 0x608
    assert savedata.SAVE_FS_OFFSET + savedata.SAVE_FS_HEADER.size == savedata.MAIN_REMAP_OFFSET == 0x650
    assert savedata.MAIN_REMAP_OFFSET + savedata.REMAP_HEADER.size == savedata.META_REMAP_OFFSET == 0x690
    assert savedata.META_REMAP_OFFSET + savedata.REMAP_HEADER.size + 8 == savedata.EXTRA_DATA_OFFSET == 0x6D8
    assert savedata.EXTRA_DATA_OFFSET + 2 * savedata.EXTRA_DATA.size == savedata.FAT_IVFC_OFFSET == 0xAD8
