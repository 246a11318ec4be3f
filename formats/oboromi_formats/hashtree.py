"""Hash trees over the sections of an NCA: HierarchicalSha256 and HierarchicalIntegrity (IVFC).

Either stands at the start of the 0xF8 bytes of ``FsHeader.hash_data``; offsets count from the start of the section. The SHA-3 variants
have the same structures. Specification: Switchbrew wiki, "NCA" (HierarchicalSha256, HierarchicalIntegrity).
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, array, record

__all__ = [
    "HIERARCHICAL_SHA256",
    "IVFC",
    "IVFC_LEVEL_COUNT",
    "IVFC_MAGIC",
    "IVFC_VERSION",
    "LAYOUTS",
    "METADATA_HASH_DATA",
    "REGION_COUNT",
    "HierarchicalSha256Info",
    "IvfcInfo",
    "IvfcLevel",
    "MetadataHashData",
    "Region",
]

IVFC_MAGIC = b"IVFC"
IVFC_VERSION = 0x00020000
IVFC_LEVEL_COUNT = 6
"""Levels that are stored: five of hashes, then the data. ``layer_count`` says 7, for it counts the master hash."""
REGION_COUNT = 5


@dataclass(frozen=True, slots=True)
class Region:
    """A run of bytes of the section."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalSha256Info:
    """One table of hashes over the data. Region 0 is the table, region 1 the data; ``layer_count`` is 2; ``block_size`` in bytes."""

    master_hash: bytes
    block_size: int
    layer_count: int = 2
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class IvfcLevel:
    """A run of bytes of the section, hashed in blocks of ``2 ** block_size_log2`` bytes."""

    offset: int = 0
    size: int = 0
    block_size_log2: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IvfcInfo:
    """Levels of hashes over hashes over the data, which is the last level."""

    magic: bytes = IVFC_MAGIC
    version: int = IVFC_VERSION
    master_hash_size: int = 0x20
    layer_count: int = IVFC_LEVEL_COUNT + 1
    levels: tuple[IvfcLevel, ...]
    salt_seed: bytes = bytes(0x20)
    master_hash: bytes


@dataclass(frozen=True, slots=True)
class MetadataHashData:
    """The hash tree over the bucket trees of a section. ``layer_info_offset`` is where the offsets of its hash levels count from.

    That counts as the offset of the tables does: from the start of the section, of a sparse one from its physical offset. The last level
    is the tables themselves, from the first on.
    """

    layer_info_offset: int
    integrity: IvfcInfo


HIERARCHICAL_SHA256 = Layout(
    "HierarchicalSha256 hash data",
    Struct(
        "master_hash" / Bytes(0x20),  # 0x00: SHA-256 of the whole hash table
        "block_size" / Int32ul,  # 0x20
        "layer_count" / Int32ul,  # 0x24
        "regions"  # 0x28
        / array(
            REGION_COUNT,
            record(
                Region,
                "offset" / Int64ul,  # +0x0
                "size" / Int64ul,  # +0x8
            ),
        ),
    ),
    HierarchicalSha256Info,
    "Hash tree of a partition section (Switchbrew wiki, NCA).",
)

_IVFC_FIELDS = (
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
    "master_hash" / Bytes(0x20),  # 0xC0: SHA-256 of level 1, padded to a block
)

IVFC = Layout(
    "IVFC hash data",
    Struct(*_IVFC_FIELDS),
    IvfcInfo,
    "Hash tree of a RomFS section (Switchbrew wiki, NCA).",
)

METADATA_HASH_DATA = Layout(
    "NCA metadata hash data",
    Struct(
        "layer_info_offset" / Int64ul,  # 0x00
        "integrity" / record(IvfcInfo, *_IVFC_FIELDS),  # 0x08
    ),
    MetadataHashData,
    "Hash tree over the bucket trees of a section (Switchbrew wiki, NCA).",
)

LAYOUTS = (HIERARCHICAL_SHA256, IVFC, METADATA_HASH_DATA)
