"""Content archives (NCA): the header and the header of each of the four sections.

The header takes 0x400 bytes, then come four FS headers of 0x200 bytes; both are shown here as they are once decrypted. Section positions
count in media units of 0x200 bytes from the start of the archive, everything inside an FS header from the start of its section.
Specification: Switchbrew wiki, "NCA".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from construct import Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, array, record

__all__ = [
    "FS_HEADER",
    "FS_HEADER_OFFSET",
    "LAYOUTS",
    "MEDIA_UNIT",
    "NCA_HEADER",
    "NCA_HEADERS_SIZE",
    "NCA_MAGICS",
    "SECTION_COUNT",
    "CompressionInfo",
    "ContentType",
    "Distribution",
    "Encryption",
    "FsHeader",
    "FsType",
    "HashType",
    "KeyAreaKeyIndex",
    "MetadataHashType",
    "NcaHeader",
    "PatchInfo",
    "SectionEntry",
    "SparseInfo",
]

NCA_MAGICS = (b"NCA3", b"NCA2", b"NCA0")
"""The versions that exist outside of pre-release hardware, the current one first."""

MEDIA_UNIT = 0x200
SECTION_COUNT = 4
FS_HEADER_OFFSET = 0x400
NCA_HEADERS_SIZE = 0xC00
"""Bytes of the header and all four FS headers."""


class Distribution(IntEnum):
    """``NcaHeader.distribution``."""

    DOWNLOAD = 0
    GAME_CARD = 1


class ContentType(IntEnum):
    """``NcaHeader.content_type``."""

    PROGRAM = 0
    META = 1
    CONTROL = 2
    MANUAL = 3
    DATA = 4
    PUBLIC_DATA = 5


class KeyAreaKeyIndex(IntEnum):
    """``NcaHeader.key_area_key_index``: which family of keys encrypts the key area."""

    APPLICATION = 0
    OCEAN = 1
    SYSTEM = 2


class FsType(IntEnum):
    """``FsHeader.fs_type``."""

    ROMFS = 0
    PARTITION_FS = 1


class HashType(IntEnum):
    """``FsHeader.hash_type``."""

    AUTO = 0
    NONE = 1
    HIERARCHICAL_SHA256 = 2
    HIERARCHICAL_INTEGRITY = 3
    AUTO_SHA3 = 4
    HIERARCHICAL_SHA3_256 = 5
    HIERARCHICAL_INTEGRITY_SHA3 = 6


class Encryption(IntEnum):
    """``FsHeader.encryption``."""

    AUTO = 0
    NONE = 1
    AES_XTS = 2
    AES_CTR = 3
    AES_CTR_EX = 4
    AES_CTR_SKIP_LAYER_HASH = 5
    AES_CTR_EX_SKIP_LAYER_HASH = 6


class MetadataHashType(IntEnum):
    """``FsHeader.metadata_hash_type``."""

    NONE = 0
    HIERARCHICAL_INTEGRITY = 1
    HIERARCHICAL_INTEGRITY_SHA3 = 2


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """Where a section lies, in media units; ``end`` is exclusive."""

    start: int = 0
    end: int = 0
    hash_sectors: int = 0
    reserved: int = 0

    @property
    def exists(self) -> bool:
        """Whether there is such a section: all zeros mean there is not."""
        return self.start != 0 or self.end != 0

    @property
    def offset(self) -> int:
        """First byte, from the start of the archive."""
        return self.start * MEDIA_UNIT

    @property
    def size(self) -> int:
        """Length in bytes; not positive where ``end`` does not lie behind ``start``."""
        return (self.end - self.start) * MEDIA_UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class NcaHeader:
    """The first 0x400 bytes, decrypted. ``content_size`` is that of the whole archive, in bytes."""

    signature_1: bytes = bytes(0x100)
    signature_2: bytes = bytes(0x100)
    magic: bytes = NCA_MAGICS[0]
    distribution: int = Distribution.DOWNLOAD
    content_type: int
    key_generation_old: int = 0
    key_area_key_index: int = KeyAreaKeyIndex.APPLICATION
    content_size: int
    program_id: int
    content_index: int = 0
    sdk_version: int
    key_generation_new: int = 0
    signature_key_generation: int = 0
    reserved: bytes = bytes(0xE)
    rights_id: bytes = bytes(0x10)
    sections: tuple[SectionEntry, ...]
    fs_header_hashes: tuple[bytes, ...]
    key_area: bytes = bytes(0x100)

    @property
    def key_generation(self) -> int:
        """The key generation that applies: the greater of the two fields."""
        return max(self.key_generation_old, self.key_generation_new)

    @property
    def revision(self) -> int:
        """The number in key names such as ``titlekek_05``: one less than the key generation, and 0 for 0."""
        return max(self.key_generation - 1, 0)

    @property
    def has_rights_id(self) -> bool:
        """Whether a title key encrypts the sections, rather than the key area."""
        return any(self.rights_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchInfo:
    """Where the two bucket trees of a patch lie in their section; each ``header`` is the 0x10-byte header of the tree."""

    indirect_offset: int = 0
    indirect_size: int = 0
    indirect_header: bytes = bytes(0x10)
    ctr_ex_offset: int = 0
    ctr_ex_size: int = 0
    ctr_ex_header: bytes = bytes(0x10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseInfo:
    """A section stored without its unused parts; present where ``generation`` is not 0.

    ``physical_offset`` counts from the start of the archive, ``bucket_offset`` from there.
    """

    bucket_offset: int = 0
    bucket_size: int = 0
    bucket_header: bytes = bytes(0x10)
    physical_offset: int = 0
    generation: int = 0
    reserved: bytes = bytes(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionInfo:
    """A section stored compressed. ``offset`` counts from the start of the data level of the hash tree."""

    offset: int = 0
    size: int = 0
    bucket_header: bytes = bytes(0x10)
    reserved: bytes = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FsHeader:
    """How one section is to be read: file system, hash tree, encryption, and the layers of patches.

    ``hash_data`` is a structure of :mod:`oboromi_formats.hashtree`, chosen by ``hash_type``. ``generation`` and ``secure_value`` are
    the lower and upper word of the upper half of the AES-CTR counter.
    """

    version: int = 2
    fs_type: int
    hash_type: int
    encryption: int
    metadata_hash_type: int = MetadataHashType.NONE
    reserved: bytes = bytes(2)
    hash_data: bytes
    patch_info: PatchInfo = PatchInfo()
    generation: int = 0
    secure_value: int = 0
    sparse_info: SparseInfo = SparseInfo()
    compression_info: CompressionInfo = CompressionInfo()
    metadata_hash_offset: int = 0
    metadata_hash_size: int = 0
    metadata_hash: bytes = bytes(0x20)
    reserved_2: bytes = bytes(0x30)


NCA_HEADER = Layout(
    "NCA header",
    Struct(
        "signature_1" / Bytes(0x100),  # 0x000: RSA-2048-PSS SHA-256 over 0x200..0x3FF
        "signature_2" / Bytes(0x100),  # 0x100: the same, with the key in the program's ACID
        "magic" / Bytes(4),  # 0x200
        "distribution" / Int8ul,  # 0x204: see Distribution
        "content_type" / Int8ul,  # 0x205: see ContentType
        "key_generation_old" / Int8ul,  # 0x206: 0..2
        "key_area_key_index" / Int8ul,  # 0x207: see KeyAreaKeyIndex
        "content_size" / Int64ul,  # 0x208: of the whole archive
        "program_id" / Int64ul,  # 0x210
        "content_index" / Int32ul,  # 0x218
        "sdk_version" / Int32ul,  # 0x21C: major, minor, micro, revision, from the highest byte down
        "key_generation_new" / Int8ul,  # 0x220: 3 and up where used
        "signature_key_generation" / Int8ul,  # 0x221: of signature 1
        "reserved" / Bytes(0xE),  # 0x222
        "rights_id" / Bytes(0x10),  # 0x230: zeros where the key area is used
        "sections"  # 0x240
        / array(
            SECTION_COUNT,
            record(
                SectionEntry,
                "start" / Int32ul,  # +0x0
                "end" / Int32ul,  # +0x4
                "hash_sectors" / Int32ul,  # +0x8: 1 where the section exists
                "reserved" / Int32ul,  # +0xC
            ),
        ),
        "fs_header_hashes" / array(SECTION_COUNT, Bytes(0x20)),  # 0x280: SHA-256 of each decrypted FS header
        "key_area" / Bytes(0x100),  # 0x300: 16 keys of 0x10 bytes, encrypted
    ),
    NcaHeader,
    "Header of a content archive, decrypted (Switchbrew wiki, NCA).",
)

FS_HEADER = Layout(
    "NCA FS header",
    Struct(
        "version" / Int16ul,  # 0x000: 2
        "fs_type" / Int8ul,  # 0x002: see FsType
        "hash_type" / Int8ul,  # 0x003: see HashType
        "encryption" / Int8ul,  # 0x004: see Encryption
        "metadata_hash_type" / Int8ul,  # 0x005: see MetadataHashType
        "reserved" / Bytes(2),  # 0x006
        "hash_data" / Bytes(0xF8),  # 0x008
        "patch_info"  # 0x100
        / record(
            PatchInfo,
            "indirect_offset" / Int64ul,  # +0x00
            "indirect_size" / Int64ul,  # +0x08
            "indirect_header" / Bytes(0x10),  # +0x10
            "ctr_ex_offset" / Int64ul,  # +0x20
            "ctr_ex_size" / Int64ul,  # +0x28
            "ctr_ex_header" / Bytes(0x10),  # +0x30
        ),
        "generation" / Int32ul,  # 0x140: counter bits 64..95
        "secure_value" / Int32ul,  # 0x144: counter bits 96..127
        "sparse_info"  # 0x148
        / record(
            SparseInfo,
            "bucket_offset" / Int64ul,  # +0x00
            "bucket_size" / Int64ul,  # +0x08
            "bucket_header" / Bytes(0x10),  # +0x10
            "physical_offset" / Int64ul,  # +0x20
            "generation" / Int16ul,  # +0x28
            "reserved" / Bytes(6),  # +0x2A
        ),
        "compression_info"  # 0x178
        / record(
            CompressionInfo,
            "offset" / Int64ul,  # +0x00
            "size" / Int64ul,  # +0x08
            "bucket_header" / Bytes(0x10),  # +0x10
            "reserved" / Bytes(8),  # +0x20
        ),
        "metadata_hash_offset" / Int64ul,  # 0x1A0
        "metadata_hash_size" / Int64ul,  # 0x1A8
        "metadata_hash" / Bytes(0x20),  # 0x1B0: SHA-256
        "reserved_2" / Bytes(0x30),  # 0x1D0
    ),
    FsHeader,
    "Header of one section of a content archive, decrypted (Switchbrew wiki, NCA).",
)

LAYOUTS = (NCA_HEADER, FS_HEADER)
