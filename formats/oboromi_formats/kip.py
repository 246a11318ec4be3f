"""Kernel initial processes (KIP): programs that are loaded with the kernel.

The bytes of text, ro and data follow the header without gaps, each compressed with BLZ where its flag says so.
Specification: Switchbrew wiki, "KIP1".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from construct import Bytes, Int8ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, array, record

__all__ = ["KIP_HEADER", "KIP_MAGIC", "LAYOUTS", "KipFlags", "KipHeader", "KipSegment"]

KIP_MAGIC = b"KIP1"


class KipFlags(IntFlag):
    """``KipHeader.flags``."""

    TEXT_COMPRESSED = 1 << 0
    RO_COMPRESSED = 1 << 1
    DATA_COMPRESSED = 1 << 2
    IS_64_BIT = 1 << 3
    ADDRESS_SPACE_64_BIT = 1 << 4
    SECURE_MEMORY = 1 << 5
    IMMORTAL = 1 << 6


@dataclass(frozen=True, slots=True)
class KipSegment:
    """One segment; ``file_size`` bytes of the file make the first of its ``memory_size``.

    ``attribute`` is the affinity mask in text, and the size of the main thread's stack in ro.
    """

    memory_offset: int = 0
    memory_size: int = 0
    file_size: int = 0
    attribute: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KipHeader:
    """The first 0x100 bytes. ``name`` is padded with zeros, and has none where it fills its field."""

    magic: bytes = KIP_MAGIC
    name: bytes
    program_id: int
    version: int = 1
    priority: int
    ideal_core: int
    reserved: int = 0
    flags: int
    segments: tuple[KipSegment, ...]
    capabilities: tuple[int, ...]

    @property
    def stack_size(self) -> int:
        """Size of the main thread's stack, in bytes."""
        return self.segments[1].attribute

    @property
    def affinity_mask(self) -> int:
        """Cores the main thread may run on."""
        return self.segments[0].attribute


KIP_HEADER = Layout(
    "KIP header",
    Struct(
        "magic" / Bytes(4),  # 0x00: KIP1
        "name" / Bytes(0xC),  # 0x04
        "program_id" / Int64ul,  # 0x10
        "version" / Int32ul,  # 0x18
        "priority" / Int8ul,  # 0x1C: of the main thread
        "ideal_core" / Int8ul,  # 0x1D
        "reserved" / Int8ul,  # 0x1E
        "flags" / Int8ul,  # 0x1F: see KipFlags
        "segments"  # 0x20: text, ro, data, bss, and two reserved ones
        / array(
            6,
            record(
                KipSegment,
                "memory_offset" / Int32ul,  # +0x0
                "memory_size" / Int32ul,  # +0x4
                "file_size" / Int32ul,  # +0x8
                "attribute" / Int32ul,  # +0xC
            ),
        ),
        "capabilities" / array(32, Int32ul),  # 0x80: kernel capability words, unused ones all ones
    ),
    KipHeader,
    "Header of a kernel initial process (Switchbrew wiki, KIP1).",
)

LAYOUTS = (KIP_HEADER,)
