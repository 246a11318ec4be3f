"""RomFS images: the header, the fixed part of an entry, and the hash by which a path is found.

Four tables follow the header's offsets: a hash table and an entry table for directories, and the same for files. An entry is a fixed part
and a name padded to 4 bytes; links between entries are byte offsets inside their table. Specification: Switchbrew wiki, "RomFS".
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, Table

__all__ = [
    "DIR_ENTRY",
    "FILE_ENTRY",
    "LAYOUTS",
    "NONE",
    "ROMFS_HEADER",
    "ROMFS_HEADER_NCA0",
    "RomFsHeader",
    "bucket_count",
    "path_hash",
]

NONE = 0xFFFFFFFF
"""A link to nothing: the end of a chain, an empty hash bucket."""

_HASH_SEED = 123456789
_PRIMES = (2, 3, 5, 7, 11, 13, 17)


@dataclass(frozen=True, slots=True)
class RomFsHeader:
    """Where everything lies, in bytes from the start of the image; a file's own offset counts from ``data_offset``."""

    header_size: int
    dir_hash_offset: int
    dir_hash_size: int
    dir_table_offset: int
    dir_table_size: int
    file_hash_offset: int
    file_hash_size: int
    file_table_offset: int
    file_table_size: int
    data_offset: int


ROMFS_HEADER = Layout(
    "RomFS header",
    Struct(
        "header_size" / Int64ul,  # 0x00: 0x50
        "dir_hash_offset" / Int64ul,  # 0x08
        "dir_hash_size" / Int64ul,  # 0x10
        "dir_table_offset" / Int64ul,  # 0x18
        "dir_table_size" / Int64ul,  # 0x20
        "file_hash_offset" / Int64ul,  # 0x28
        "file_hash_size" / Int64ul,  # 0x30
        "file_table_offset" / Int64ul,  # 0x38
        "file_table_size" / Int64ul,  # 0x40
        "data_offset" / Int64ul,  # 0x48: 0x200 as usually written
    ),
    RomFsHeader,
    "Header of a RomFS image (Switchbrew wiki, RomFS).",
)

ROMFS_HEADER_NCA0 = Layout(
    "RomFS header (NCA0)",
    Struct(
        "header_size" / Int32ul,  # 0x00: 0x28
        "dir_hash_offset" / Int32ul,  # 0x04
        "dir_hash_size" / Int32ul,  # 0x08
        "dir_table_offset" / Int32ul,  # 0x0C
        "dir_table_size" / Int32ul,  # 0x10
        "file_hash_offset" / Int32ul,  # 0x14
        "file_hash_size" / Int32ul,  # 0x18
        "file_table_offset" / Int32ul,  # 0x1C
        "file_table_size" / Int32ul,  # 0x20
        "data_offset" / Int32ul,  # 0x24
    ),
    RomFsHeader,
    "Header of a RomFS image in a pre-release NCA0, the same fields in half the width (Switchbrew wiki, RomFS).",
)

DIR_ENTRY = Table(
    "RomFS directory entry",
    (
        ("parent", "<u4"),  # 0x00: offset of the parent's entry; the root's is its own
        ("next_sibling", "<u4"),  # 0x04: next directory with the same parent
        ("first_directory", "<u4"),  # 0x08
        ("first_file", "<u4"),  # 0x0C
        ("next_in_bucket", "<u4"),  # 0x10: next directory in the same hash bucket
        ("name_length", "<u4"),  # 0x14: in bytes; the name follows
    ),
    "Fixed part of a directory's entry (Switchbrew wiki, RomFS).",
)

FILE_ENTRY = Table(
    "RomFS file entry",
    (
        ("parent", "<u4"),  # 0x00: offset of the parent's directory entry
        ("next_sibling", "<u4"),  # 0x04: next file with the same parent
        ("data_offset", "<u8"),  # 0x08: from the header's data offset
        ("size", "<u8"),  # 0x10
        ("next_in_bucket", "<u4"),  # 0x18: next file in the same hash bucket
        ("name_length", "<u4"),  # 0x1C: in bytes; the name follows
    ),
    "Fixed part of a file's entry (Switchbrew wiki, RomFS).",
)

LAYOUTS = (ROMFS_HEADER, ROMFS_HEADER_NCA0, DIR_ENTRY, FILE_ENTRY)


def path_hash(parent: int, name: bytes) -> int:
    """Return the 32-bit hash of an entry; its bucket is this modulo the number of buckets.

    Args:
        parent: Offset of the parent's entry in the directory table, for files too.
        name: The last component of the path.

    Example:
        >>> hex(path_hash(0, b"data"))
        '0x4595017'
    """
    value = parent ^ _HASH_SEED
    for byte in name:
        value = (value >> 5 | (value & 0x1F) << 27) ^ byte
    return value


def bucket_count(n: int) -> int:
    """Return how many hash buckets the common builders give a table of ``n`` entries; directories include the root.

    Example:
        >>> bucket_count(2), bucket_count(18), bucket_count(100)
        (3, 19, 101)
    """
    if n < 3:
        return 3
    if n < 19:
        return n | 1
    while any(n % prime == 0 for prime in _PRIMES):
        n += 1
    return n
