"""NCZ: an NCA whose sections are stored decrypted and compressed, with what it takes to encrypt them again.

The first 0x4000 bytes of the NCA stand first, as they are. The section header and its records follow, then either the block header, a
table of sizes and independent Zstandard frames, or one Zstandard frame up to the end of the file.
Specification: the format notes of nsz (docs/formats.md there).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from construct import Bytes, Int8ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, Table

__all__ = [
    "LAYOUTS",
    "LEAST_EXPONENT",
    "MOST_EXPONENT",
    "NCZ_BLOCK_HEADER",
    "NCZ_BLOCK_MAGIC",
    "NCZ_BLOCK_SIZE",
    "NCZ_SECTION",
    "NCZ_SECTION_HEADER",
    "NCZ_SECTION_MAGIC",
    "VERBATIM_SIZE",
    "NczBlockHeader",
    "NczCrypto",
    "NczSectionHeader",
]

NCZ_SECTION_MAGIC = b"NCZSECTN"
NCZ_BLOCK_MAGIC = b"NCZBLOCK"
VERBATIM_SIZE = 0x4000
"""Bytes of the NCA that stand at the start, still encrypted; so many are never compressed."""
LEAST_EXPONENT, MOST_EXPONENT = 14, 32


class NczCrypto(enum.IntEnum):
    """What is done to the bytes of a section when the NCA is made again. Only the AES-CTR kinds are encrypted; others are as in the NCA."""

    NONE = 1
    AES_XTS = 2
    AES_CTR = 3
    AES_CTR_EX = 4


@dataclass(frozen=True, slots=True)
class NczSectionHeader:
    """What stands behind the verbatim bytes. Records follow."""

    magic: bytes = NCZ_SECTION_MAGIC
    count: int = 0


@dataclass(frozen=True, slots=True)
class NczBlockHeader:
    """Header of block mode. The compressed size of each block follows, then the blocks. ``size`` is what all decompress to."""

    magic: bytes = NCZ_BLOCK_MAGIC
    version: int = 2
    type: int = 1
    reserved: int = 0
    exponent: int = 20
    block_count: int = 0
    size: int = 0


NCZ_SECTION_HEADER = Layout(
    "NCZ section header",
    Struct(
        "magic" / Bytes(8),  # 0x0: NCZSECTN
        "count" / Int64ul,  # 0x8
    ),
    NczSectionHeader,
    "Header of an NCZ's section records, at 0x4000 (nsz, formats).",
)

NCZ_SECTION = Table(
    "NCZ section table",
    (
        ("offset", "<u8"),  # 0x00: in the NCA
        ("size", "<u8"),  # 0x08
        ("crypto_type", "<u8"),  # 0x10: 1 none, 2 AES-XTS, 3 AES-CTR, 4 AES-CTR-EX
        ("reserved", "<u8"),  # 0x18
        ("key", "V16"),  # 0x20: of AES-CTR, in the clear
        ("counter", "V16"),  # 0x30: its first 8 bytes are the upper half of the counter; the rest is ignored
    ),
    "A section of the NCA, or a run of one generation of an AES-CTR-EX section (nsz, formats).",
)

NCZ_BLOCK_HEADER = Layout(
    "NCZ block header",
    Struct(
        "magic" / Bytes(8),  # 0x00: NCZBLOCK
        "version" / Int8ul,  # 0x08: 2
        "type" / Int8ul,  # 0x09: 1
        "reserved" / Int8ul,  # 0x0A
        "exponent" / Int8ul,  # 0x0B: of the block size, 14 to 32
        "block_count" / Int32ul,  # 0x0C
        "size" / Int64ul,  # 0x10: that of the NCA without its first 0x4000 bytes
    ),
    NczBlockHeader,
    "Header of an NCZ's blocks; absent in solid mode (nsz, formats).",
)

NCZ_BLOCK_SIZE = Table(
    "NCZ block table",
    (
        ("size", "<u4"),  # 0x0: as large as the block decompresses to where it is stored as it is
    ),
    "The compressed size of a block (nsz, formats).",
)

LAYOUTS = (NCZ_SECTION_HEADER, NCZ_SECTION, NCZ_BLOCK_HEADER, NCZ_BLOCK_SIZE)
