"""Save data images (DISF): a header in two copies, and a stack of layers over the bytes that follow.

Offsets of the master bitmaps and hashes count from the start of the header copy; those of the main remapping's entries and data from the
start of the image; the others lie in what the layer below makes of it. Specification: Switchbrew wiki, "Savegames".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from construct import Bytes, Int8ul, Int16ul, Int32ul, Int64sl, Int64ul, Struct

from oboromi_formats.hashtree import IVFC_LEVEL_COUNT, IvfcLevel
from oboromi_formats.layout import Layout, Table, array, record

__all__ = [
    "ALLOCATION_ENTRY",
    "DISF_MAGIC",
    "DUPLEX_HEADER",
    "DUPLEX_OFFSET",
    "EXTRA_DATA",
    "EXTRA_DATA_OFFSET",
    "FAT_IVFC_OFFSET",
    "FIRST_PROTECTED_VERSION",
    "HASHED_FROM",
    "IVFC_OFFSET",
    "JOURNAL_HEADER",
    "JOURNAL_MAP_ENTRY",
    "JOURNAL_OFFSET",
    "LAYOUTS",
    "LAYOUT_OFFSET",
    "MAIN_REMAP_OFFSET",
    "META_REMAP_OFFSET",
    "REMAP_ENTRY",
    "REMAP_HEADER",
    "SAVE_FS_HEADER",
    "SAVE_FS_OFFSET",
    "SAVE_HEADER_SIZE",
    "SAVE_IVFC",
    "SAVE_LAYOUT",
    "SAVE_TABLE_ENTRY",
    "AllocationHeader",
    "DuplexHeader",
    "DuplexLayer",
    "ExtraData",
    "JournalHeader",
    "Pair",
    "RemapHeader",
    "SaveFsHeader",
    "SaveIvfc",
    "SaveLayout",
    "SaveType",
    "Span",
]

DISF_MAGIC = b"DISF"
SAVE_HEADER_SIZE = 0x4000
"""Bytes of one copy of the header."""
LAYOUT_OFFSET, DUPLEX_OFFSET, IVFC_OFFSET, JOURNAL_OFFSET, SAVE_FS_OFFSET = 0x100, 0x300, 0x344, 0x408, 0x608
MAIN_REMAP_OFFSET, META_REMAP_OFFSET, EXTRA_DATA_OFFSET, FAT_IVFC_OFFSET = 0x650, 0x690, 0x6D8, 0xAD8
"""Where the parts of the header lie in it."""
HASHED_FROM = 0x300
"""The hash in the layout covers a copy of the header from here to its end."""
FIRST_PROTECTED_VERSION = 0x50000
"""Version of the layout from which on the allocation table is hashed as well."""


class SaveType(IntEnum):
    """``ExtraData.save_type``."""

    SYSTEM = 0
    ACCOUNT = 1
    BCAT = 2
    DEVICE = 3
    TEMPORARY = 4
    CACHE = 5
    SYSTEM_BCAT = 6


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs of bytes of one size, of which one is in force."""

    offset_a: int = 0
    offset_b: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveLayout:
    """Where everything lies. ``hash`` is SHA-256 over the copy of the header from 0x300 on."""

    magic: bytes = DISF_MAGIC
    version: int
    hash: bytes
    main_remap_entries: Span
    meta_remap_entries: Span
    main_remap_data: Span
    duplex_l1: Pair
    duplex_data: Pair
    journal_data_offset: int
    journal_data_size_a: int
    journal_data_size_b: int
    journal_size: int
    duplex_master: Pair
    ivfc_master: Pair
    journal_map: Span
    journal_physical_bitmap: Span
    journal_virtual_bitmap: Span
    journal_free_bitmap: Span
    ivfc_l1: Span
    ivfc_l2: Span
    ivfc_l3: Span
    fat: Span
    duplex_index: int
    reserved: bytes = bytes(7)
    fat_ivfc_master_a: int = 0
    fat_ivfc_master_b: int = 0
    fat_ivfc_l1: Span = Span()
    fat_ivfc_l2: Span = Span()
    reserved_2: bytes = bytes(0x70)


@dataclass(frozen=True, slots=True)
class DuplexLayer:
    """One level of the duplex: blocks of ``2 ** block_size_log2`` bytes, each in one of two copies."""

    offset: int = 0
    size: int = 0
    block_size_log2: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplexHeader:
    """Master bitmap, bitmap of the data, data."""

    magic: bytes = b"DPFS"
    version: int = 0x10000
    layers: tuple[DuplexLayer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveIvfc:
    """A salted hash tree. ``layer_count`` counts the master hashes: 5 over the data, 4 over the allocation table."""

    magic: bytes = b"IVFC"
    version: int = 0x20000
    master_hash_size: int
    layer_count: int
    levels: tuple[IvfcLevel, ...]
    salt_seed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeader:
    """The journal: sizes in bytes; the counts are of blocks. ``size`` holds the journal's own blocks as well."""

    magic: bytes = b"JNGL"
    version: int = 0x10000
    size: int
    journal_size: int
    block_size: int
    map_version: int = 0
    main_block_count: int
    journal_block_count: int
    reserved: int = 0
    reserved_2: bytes = bytes(0x1D0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationHeader:
    """The allocation table, and in which blocks the tables of directories and files begin."""

    block_size: int
    table_offset: int = 0
    table_block_count: int
    reserved: int = 0
    data_offset: int = 0
    data_block_count: int
    reserved_2: int = 0
    directory_table_block: int
    file_table_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveFsHeader:
    """The file system inside."""

    magic: bytes = b"SAVE"
    version: int = 0x60000
    block_count: int
    block_size: int
    allocation: AllocationHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class RemapHeader:
    """A remapping: segments are told apart by the highest ``segment_bits`` bits of an offset."""

    magic: bytes = b"RMAP"
    version: int = 0x10000
    entry_count: int
    segment_count: int
    segment_bits: int
    reserved: bytes = bytes(0x2C)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraData:
    """Whose save data it is. ``timestamp`` in seconds since 1970; sizes in bytes."""

    program_id: int
    user_id: bytes = bytes(0x10)
    static_save_id: int = 0
    save_type: int = SaveType.ACCOUNT
    rank: int = 0
    index: int = 0
    reserved: bytes = bytes(0x1C)
    owner_id: int = 0
    timestamp: int = 0
    flags: int = 0
    format_type: int = 0
    data_size: int = 0
    journal_size: int = 0
    commit_id: int = 0
    reserved_2: bytes = bytes(0x190)


def _span() -> Any:
    return record(Span, "offset" / Int64sl, "size" / Int64sl)  # +0x0, +0x8


def _pair() -> Any:
    return record(Pair, "offset_a" / Int64sl, "offset_b" / Int64sl, "size" / Int64sl)  # +0x0, +0x8, +0x10


SAVE_LAYOUT = Layout(
    "DISF layout",
    Struct(
        "magic" / Bytes(4),  # 0x000
        "version" / Int32ul,  # 0x004
        "hash" / Bytes(0x20),  # 0x008
        "main_remap_entries" / _span(),  # 0x028
        "meta_remap_entries" / _span(),  # 0x038
        "main_remap_data" / _span(),  # 0x048
        "duplex_l1" / _pair(),  # 0x058
        "duplex_data" / _pair(),  # 0x070
        "journal_data_offset" / Int64sl,  # 0x088
        "journal_data_size_a" / Int64sl,  # 0x090
        "journal_data_size_b" / Int64sl,  # 0x098
        "journal_size" / Int64sl,  # 0x0A0
        "duplex_master" / _pair(),  # 0x0A8
        "ivfc_master" / _pair(),  # 0x0C0
        "journal_map" / _span(),  # 0x0D8
        "journal_physical_bitmap" / _span(),  # 0x0E8
        "journal_virtual_bitmap" / _span(),  # 0x0F8
        "journal_free_bitmap" / _span(),  # 0x108
        "ivfc_l1" / _span(),  # 0x118
        "ivfc_l2" / _span(),  # 0x128
        "ivfc_l3" / _span(),  # 0x138
        "fat" / _span(),  # 0x148
        "duplex_index" / Int8ul,  # 0x158: which master bitmap is in force, 1 for B
        "reserved" / Bytes(7),  # 0x159
        "fat_ivfc_master_a" / Int64sl,  # 0x160
        "fat_ivfc_master_b" / Int64sl,  # 0x168
        "fat_ivfc_l1" / _span(),  # 0x170
        "fat_ivfc_l2" / _span(),  # 0x180
        "reserved_2" / Bytes(0x70),  # 0x190
    ),
    SaveLayout,
    "Where the layers of a save data image lie (Switchbrew wiki, Savegames).",
)

DUPLEX_HEADER = Layout(
    "DPFS header",
    Struct(
        "magic" / Bytes(4),  # 0x00
        "version" / Int32ul,  # 0x04
        "layers"  # 0x08
        / array(
            3,
            record(
                DuplexLayer,
                "offset" / Int64sl,  # +0x00
                "size" / Int64sl,  # +0x08
                "block_size_log2" / Int32ul,  # +0x10
            ),
        ),
    ),
    DuplexHeader,
    "Levels of the duplex layer of a save data image (Switchbrew wiki, Savegames).",
)

SAVE_IVFC = Layout(
    "save data IVFC header",
    Struct(
        "magic" / Bytes(4),  # 0x00
        "version" / Int32ul,  # 0x04
        "master_hash_size" / Int32ul,  # 0x08
        "layer_count" / Int32ul,  # 0x0C
        "levels"  # 0x10
        / array(
            IVFC_LEVEL_COUNT,
            record(
                IvfcLevel,
                "offset" / Int64ul,  # +0x00
                "size" / Int64ul,  # +0x08
                "block_size_log2" / Int32ul,  # +0x10
                "reserved" / Int32ul,  # +0x14
            ),
        ),
        "salt_seed" / Bytes(0x20),  # 0xA0
    ),
    SaveIvfc,
    "Hash tree of a save data image; its master hashes lie elsewhere in the header (Switchbrew wiki, Savegames).",
)

JOURNAL_HEADER = Layout(
    "JNGL header",
    Struct(
        "magic" / Bytes(4),  # 0x00
        "version" / Int32ul,  # 0x04
        "size" / Int64sl,  # 0x08
        "journal_size" / Int64sl,  # 0x10
        "block_size" / Int64sl,  # 0x18
        "map_version" / Int32ul,  # 0x20
        "main_block_count" / Int32ul,  # 0x24
        "journal_block_count" / Int32ul,  # 0x28
        "reserved" / Int32ul,  # 0x2C
        "reserved_2" / Bytes(0x1D0),  # 0x30
    ),
    JournalHeader,
    "Journal of a save data image, and its map (Switchbrew wiki, Savegames).",
)

SAVE_FS_HEADER = Layout(
    "SAVE header",
    Struct(
        "magic" / Bytes(4),  # 0x00
        "version" / Int32ul,  # 0x04
        "block_count" / Int64sl,  # 0x08
        "block_size" / Int64sl,  # 0x10
        "allocation"  # 0x18
        / record(
            AllocationHeader,
            "block_size" / Int64sl,  # +0x00
            "table_offset" / Int64sl,  # +0x08
            "table_block_count" / Int32ul,  # +0x10
            "reserved" / Int32ul,  # +0x14
            "data_offset" / Int64sl,  # +0x18
            "data_block_count" / Int32ul,  # +0x20
            "reserved_2" / Int32ul,  # +0x24
            "directory_table_block" / Int32ul,  # +0x28
            "file_table_block" / Int32ul,  # +0x2C
        ),
    ),
    SaveFsHeader,
    "The file system in a save data image (Switchbrew wiki, Savegames).",
)

REMAP_HEADER = Layout(
    "RMAP header",
    Struct(
        "magic" / Bytes(4),  # 0x00
        "version" / Int32ul,  # 0x04
        "entry_count" / Int32ul,  # 0x08
        "segment_count" / Int32ul,  # 0x0C
        "segment_bits" / Int32ul,  # 0x10
        "reserved" / Bytes(0x2C),  # 0x14
    ),
    RemapHeader,
    "One of the two remappings of a save data image (Switchbrew wiki, Savegames).",
)

EXTRA_DATA = Layout(
    "save data extra data",
    Struct(
        "program_id" / Int64ul,  # 0x00
        "user_id" / Bytes(0x10),  # 0x08
        "static_save_id" / Int64ul,  # 0x18
        "save_type" / Int8ul,  # 0x20: see SaveType
        "rank" / Int8ul,  # 0x21
        "index" / Int16ul,  # 0x22
        "reserved" / Bytes(0x1C),  # 0x24
        "owner_id" / Int64ul,  # 0x40
        "timestamp" / Int64ul,  # 0x48
        "flags" / Int32ul,  # 0x50
        "format_type" / Int32ul,  # 0x54
        "data_size" / Int64sl,  # 0x58
        "journal_size" / Int64sl,  # 0x60
        "commit_id" / Int64ul,  # 0x68
        "reserved_2" / Bytes(0x190),  # 0x70
    ),
    ExtraData,
    "Whose save data an image is (Switchbrew wiki, Savegames).",
)

REMAP_ENTRY = Table(
    "RMAP entries",
    (
        ("virtual", "<u8"),  # 0x00
        ("physical", "<u8"),  # 0x08
        ("size", "<u8"),  # 0x10
        ("alignment", "<u4"),  # 0x18
        ("reserved", "<u4"),  # 0x1C
    ),
    "Where runs of bytes lie in the layer below (Switchbrew wiki, Savegames).",
)

JOURNAL_MAP_ENTRY = Table(
    "journal map",
    (
        ("physical", "<u4"),  # 0x0: the highest bit has another meaning
        ("virtual", "<u4"),  # 0x4
    ),
    "Where each block of the data lies in the journal (Switchbrew wiki, Savegames).",
)

ALLOCATION_ENTRY = Table(
    "allocation table",
    (
        ("previous", "<u4"),  # 0x0: the highest bit says that the list begins here
        ("next", "<u4"),  # 0x4: the highest bit says that the next entry has the last of the blocks of this one
    ),
    "Lists of blocks; entry n + 1 is of block n (Switchbrew wiki, Savegames).",
)

SAVE_TABLE_ENTRY = Table(
    "save data table",
    (
        ("parent", "<i4"),  # 0x00: entry 0: how many entries there are
        ("name", "V64"),  # 0x04
        ("sibling", "<i4"),  # 0x44
        ("first", "<i4"),  # 0x48: of a directory its first directory, of a file its first block
        ("second", "<i8"),  # 0x4C: of a directory its first file (the lower half), of a file its size in bytes
        ("reserved", "V8"),  # 0x54
        ("next", "<i4"),  # 0x5C: in the list of entries in use
    ),
    "A directory or file of save data (Switchbrew wiki, Savegames).",
)

LAYOUTS = (
    SAVE_LAYOUT,
    DUPLEX_HEADER,
    SAVE_IVFC,
    JOURNAL_HEADER,
    SAVE_FS_HEADER,
    REMAP_HEADER,
    EXTRA_DATA,
    REMAP_ENTRY,
    JOURNAL_MAP_ENTRY,
    ALLOCATION_ENTRY,
    SAVE_TABLE_ENTRY,
)
