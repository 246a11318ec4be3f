"""Executable modules (NSO): the header, and the module header (MOD0) that lies in the loaded image.

Three segments follow the header, each of them an LZ4 block where its flag says so. File offsets count from the start of the file, memory
offsets from the start of the loaded module, the offsets in a MOD0 from its own magic. Specification: Switchbrew wiki, "NSO0".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from construct import Bytes, Int32sl, Int32ul, Struct

from oboromi_formats.layout import Layout, array, record

__all__ = [
    "LAYOUTS",
    "MOD0",
    "MOD0_MAGIC",
    "NSO_HEADER",
    "NSO_MAGIC",
    "Mod0Header",
    "NsoFlags",
    "NsoHeader",
    "NsoRange",
    "NsoSegment",
]

NSO_MAGIC = b"NSO0"
MOD0_MAGIC = b"MOD0"


class NsoFlags(IntFlag):
    """``NsoHeader.flags``."""

    TEXT_COMPRESSED = 1 << 0
    RO_COMPRESSED = 1 << 1
    DATA_COMPRESSED = 1 << 2
    TEXT_HASH = 1 << 3
    RO_HASH = 1 << 4
    DATA_HASH = 1 << 5
    PREVENT_CODE_READS = 1 << 6
    ZSTD = 1 << 7


@dataclass(frozen=True, slots=True)
class NsoSegment:
    """Where a segment lies in the file and in memory; ``size`` is that of the decompressed bytes."""

    file_offset: int
    memory_offset: int
    size: int


@dataclass(frozen=True, slots=True)
class NsoRange:
    """A part of the read-only segment; ``offset`` counts from that segment's start."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NsoHeader:
    """The first 0x100 bytes. ``hashes`` are of the decompressed segments, and count where their flag is set."""

    magic: bytes = NSO_MAGIC
    version: int = 0
    reserved: int = 0
    flags: int
    text: NsoSegment
    module_name_offset: int = 0
    ro: NsoSegment
    module_name_size: int = 0
    data: NsoSegment
    bss_size: int = 0
    module_id: bytes
    compressed_sizes: tuple[int, ...]
    reserved_2: bytes = bytes(0x1C)
    api_info: NsoRange = NsoRange()
    dynstr: NsoRange = NsoRange()
    dynsym: NsoRange = NsoRange()
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mod0Header:
    """What the runtime linker needs of a module; every offset is signed and counts from the magic."""

    magic: bytes = MOD0_MAGIC
    dynamic: int
    bss_start: int
    bss_end: int
    eh_frame_hdr_start: int
    eh_frame_hdr_end: int
    module_object: int


NSO_HEADER = Layout(
    "NSO header",
    Struct(
        "magic" / Bytes(4),  # 0x00: NSO0
        "version" / Int32ul,  # 0x04: 0
        "reserved" / Int32ul,  # 0x08
        "flags" / Int32ul,  # 0x0C: see NsoFlags
        "text"  # 0x10
        / record(
            NsoSegment,
            "file_offset" / Int32ul,  # +0x0
            "memory_offset" / Int32ul,  # +0x4
            "size" / Int32ul,  # +0x8: decompressed
        ),
        "module_name_offset" / Int32ul,  # 0x1C: in the file
        "ro"  # 0x20
        / record(
            NsoSegment,
            "file_offset" / Int32ul,  # +0x0
            "memory_offset" / Int32ul,  # +0x4
            "size" / Int32ul,  # +0x8: decompressed
        ),
        "module_name_size" / Int32ul,  # 0x2C
        "data"  # 0x30
        / record(
            NsoSegment,
            "file_offset" / Int32ul,  # +0x0
            "memory_offset" / Int32ul,  # +0x4
            "size" / Int32ul,  # +0x8: decompressed
        ),
        "bss_size" / Int32ul,  # 0x3C: zeros behind the data, in memory
        "module_id" / Bytes(0x20),  # 0x40: the build id, zero-padded
        "compressed_sizes" / array(3, Int32ul),  # 0x60: of text, ro and data; bytes in the file where compressed
        "reserved_2" / Bytes(0x1C),  # 0x6C
        "api_info"  # 0x88
        / record(
            NsoRange,
            "offset" / Int32ul,  # +0x0: from the start of ro
            "size" / Int32ul,  # +0x4
        ),
        "dynstr"  # 0x90
        / record(
            NsoRange,
            "offset" / Int32ul,  # +0x0: from the start of ro
            "size" / Int32ul,  # +0x4
        ),
        "dynsym"  # 0x98
        / record(
            NsoRange,
            "offset" / Int32ul,  # +0x0: from the start of ro
            "size" / Int32ul,  # +0x4
        ),
        "hashes" / array(3, Bytes(0x20)),  # 0xA0: SHA-256 of text, ro and data, decompressed
    ),
    NsoHeader,
    "Header of an executable module (Switchbrew wiki, NSO0).",
)

MOD0 = Layout(
    "MOD0 header",
    Struct(
        "magic" / Bytes(4),  # 0x00: MOD0
        "dynamic" / Int32sl,  # 0x04
        "bss_start" / Int32sl,  # 0x08
        "bss_end" / Int32sl,  # 0x0C
        "eh_frame_hdr_start" / Int32sl,  # 0x10
        "eh_frame_hdr_end" / Int32sl,  # 0x14
        "module_object" / Int32sl,  # 0x18: filled at run time
    ),
    Mod0Header,
    "Header of a loaded module, found through the word at image offset 4 (Switchbrew wiki, NSO0).",
)

LAYOUTS = (NSO_HEADER, MOD0)
