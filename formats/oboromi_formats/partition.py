"""Partition archives: PFS0 (an NSP, a section of an NCA) and HFS0 (a partition of a game card).

Header, entry table, string table of NUL-terminated names, file data; file offsets count from the end of the string table.
Specification: Switchbrew wiki, "NCA" (PFS0) and "XCI" (HFS0).
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int32sl, Int32ul, Struct

from oboromi_formats.layout import Layout, Table

__all__ = ["HFS0_ENTRY", "HFS0_MAGIC", "LAYOUTS", "PARTITION_HEADER", "PFS0_ENTRY", "PFS0_MAGIC", "PartitionHeader"]

PFS0_MAGIC = b"PFS0"
HFS0_MAGIC = b"HFS0"


@dataclass(frozen=True, slots=True)
class PartitionHeader:
    """What both archives begin with. ``entry_count`` is signed; ``string_table_size`` is in bytes, padding included."""

    magic: bytes
    entry_count: int
    string_table_size: int
    reserved: int = 0


PARTITION_HEADER = Layout(
    "partition header",
    Struct(
        "magic" / Bytes(4),  # 0x00: PFS0 or HFS0
        "entry_count" / Int32sl,  # 0x04
        "string_table_size" / Int32ul,  # 0x08
        "reserved" / Int32ul,  # 0x0C
    ),
    PartitionHeader,
    "Header of a PFS0 or HFS0 archive (Switchbrew wiki, NCA and XCI).",
)

PFS0_ENTRY = Table(
    "PFS0 entry table",
    (
        ("offset", "<i8"),  # 0x00: from the start of the file data
        ("size", "<i8"),  # 0x08
        ("name_offset", "<i4"),  # 0x10: into the string table
        ("reserved", "<u4"),  # 0x14
    ),
    "One file of a PFS0 archive (Switchbrew wiki, NCA).",
)

HFS0_ENTRY = Table(
    "HFS0 entry table",
    (
        ("offset", "<i8"),  # 0x00: from the start of the file data
        ("size", "<i8"),  # 0x08
        ("name_offset", "<i4"),  # 0x10: into the string table
        ("hashed_size", "<u4"),  # 0x14: bytes at the start of the file that the hash covers
        ("hashed_offset", "<i8"),  # 0x18: 0
        ("hash", "V32"),  # 0x20: SHA-256
    ),
    "One file of an HFS0 archive, with the hash of its first bytes (Switchbrew wiki, XCI).",
)

LAYOUTS = (PARTITION_HEADER, PFS0_ENTRY, HFS0_ENTRY)
