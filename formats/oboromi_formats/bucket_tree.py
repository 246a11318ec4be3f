"""Bucket trees: maps of virtual offsets, for patches, sparse and compressed sections of an NCA.

A tree is a header that lies elsewhere, and a table of nodes of equal size: one of offsets (L1), more of them where that is not enough (L2),
then sets of entries. Specification: Switchbrew wiki, "NCA", and the patch formats of public readers.
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int32sl, Int32ul, Int64sl, Struct

from oboromi_formats.layout import Layout, Table

__all__ = [
    "BUCKET_NODE",
    "BUCKET_TREE_HEADER",
    "BUCKET_TREE_MAGIC",
    "COMPRESSED_ENTRY",
    "CTR_EX_ENTRY",
    "INDIRECT_ENTRY",
    "LAYOUTS",
    "BucketNode",
    "BucketTreeHeader",
]

BUCKET_TREE_MAGIC = b"BKTR"


@dataclass(frozen=True, slots=True)
class BucketTreeHeader:
    """Header of a tree, which the FS header holds. ``entry_count`` is signed."""

    magic: bytes = BUCKET_TREE_MAGIC
    version: int = 1
    entry_count: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class BucketNode:
    """What every node begins with. ``end`` is the virtual offset at which what it maps ends."""

    index: int = 0
    count: int = 0
    end: int = 0


BUCKET_TREE_HEADER = Layout(
    "bucket tree header",
    Struct(
        "magic" / Bytes(4),  # 0x0: BKTR
        "version" / Int32ul,  # 0x4: 0 or 1
        "entry_count" / Int32sl,  # 0x8
        "reserved" / Int32ul,  # 0xC
    ),
    BucketTreeHeader,
    "Header of a bucket tree, in the FS header of its section (Switchbrew wiki, NCA).",
)

BUCKET_NODE = Layout(
    "bucket tree node",
    Struct(
        "index" / Int32sl,  # 0x0: number of the node among its kind
        "count" / Int32sl,  # 0x4: offsets or entries in it
        "end" / Int64sl,  # 0x8
    ),
    BucketNode,
    "Header of a node of a bucket tree; offsets or entries follow (Switchbrew wiki, NCA).",
)

INDIRECT_ENTRY = Table(
    "indirect entry",
    (
        ("offset", "<i8"),  # 0x00: virtual
        ("physical", "<i8"),  # 0x08: in the storage the index names
        ("source", "<i4"),  # 0x10: 0 base, 1 patch; of a sparse section 0 data, 1 hole
    ),
    "A run of a patched or sparse section, and where its bytes are (Switchbrew wiki, NCA).",
)

CTR_EX_ENTRY = Table(
    "AES-CTR-EX entry",
    (
        ("offset", "<i8"),  # 0x00: in the section; a multiple of 0x10
        ("plain", "u1"),  # 0x08: 0 encrypted, 1 stored plain
        ("reserved", "V3"),  # 0x09
        ("generation", "<u4"),  # 0x0C: lower word of the counter's upper half
    ),
    "A run of a patch section that was encrypted in one generation (Switchbrew wiki, NCA).",
)

COMPRESSED_ENTRY = Table(
    "compressed entry",
    (
        ("offset", "<i8"),  # 0x00: virtual, decompressed
        ("physical", "<i8"),  # 0x08: in the data level
        ("type", "u1"),  # 0x10: 0 stored, 1 zeros, 3 LZ4
        ("level", "i1"),  # 0x11: of compression
        ("reserved", "<u2"),  # 0x12
        ("size", "<u4"),  # 0x14: physical
    ),
    "A block of a compressed section (Switchbrew wiki, NCA).",
)

LAYOUTS = (BUCKET_TREE_HEADER, BUCKET_NODE, INDIRECT_ENTRY, CTR_EX_ENTRY, COMPRESSED_ENTRY)
