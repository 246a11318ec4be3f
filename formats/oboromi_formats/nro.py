"""Relocatable modules (NRO): homebrew and dynamic libraries, and the assets that homebrew carries behind its segments.

File offsets of the segments are their memory offsets: the header is the start of the text segment. Specification: Switchbrew wiki, "NRO0".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from construct import Bytes, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, record

__all__ = [
    "ASSET_HEADER",
    "ASSET_MAGIC",
    "LAYOUTS",
    "NRO_HEADER",
    "NRO_MAGIC",
    "NRO_MAGIC_OFFSET",
    "AssetHeader",
    "AssetRange",
    "NroFlags",
    "NroHeader",
    "NroRange",
]

NRO_MAGIC = b"NRO0"
NRO_MAGIC_OFFSET = 0x10
ASSET_MAGIC = b"ASET"


class NroFlags(IntFlag):
    """``NroHeader.flags``."""

    ALIGNED_HEADER = 1 << 0


@dataclass(frozen=True, slots=True)
class NroRange:
    """A run of bytes; that of a segment counts from the start of the file, which is that of the image in memory."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NroHeader:
    """The first 0x80 bytes. ``size`` is where the data segment ends, and where assets begin."""

    entry: int = 0
    mod0_offset: int = 0
    marker: bytes = bytes(8)
    magic: bytes = NRO_MAGIC
    version: int = 0
    size: int
    flags: int = 0
    text: NroRange
    ro: NroRange
    data: NroRange
    bss_size: int = 0
    reserved: int = 0
    module_id: bytes
    dso_handle_offset: int = 0
    reserved_2: int = 0
    api_info: NroRange = NroRange()
    dynstr: NroRange = NroRange()
    dynsym: NroRange = NroRange()


@dataclass(frozen=True, slots=True)
class AssetRange:
    """One asset; ``offset`` counts from the start of the asset header. Size 0: there is none."""

    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHeader:
    """What homebrew carries behind its segments."""

    magic: bytes = ASSET_MAGIC
    version: int = 0
    icon: AssetRange = AssetRange()
    nacp: AssetRange = AssetRange()
    romfs: AssetRange = AssetRange()


NRO_HEADER = Layout(
    "NRO header",
    Struct(
        "entry" / Int32ul,  # 0x00: the first instruction, a branch over the header
        "mod0_offset" / Int32ul,  # 0x04
        "marker" / Bytes(8),  # 0x08: HOMEBREW in programs made with libnx
        "magic" / Bytes(4),  # 0x10: NRO0
        "version" / Int32ul,  # 0x14: 0
        "size" / Int32ul,  # 0x18: end of the data segment
        "flags" / Int32ul,  # 0x1C: see NroFlags
        "text"  # 0x20
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
        "ro"  # 0x28
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
        "data"  # 0x30
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
        "bss_size" / Int32ul,  # 0x38: zeros behind the data, in memory
        "reserved" / Int32ul,  # 0x3C
        "module_id" / Bytes(0x20),  # 0x40: the build id, zero-padded
        "dso_handle_offset" / Int32ul,  # 0x60
        "reserved_2" / Int32ul,  # 0x64
        "api_info"  # 0x68
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
        "dynstr"  # 0x70
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
        "dynsym"  # 0x78
        / record(
            NroRange,
            "offset" / Int32ul,  # +0x0
            "size" / Int32ul,  # +0x4
        ),
    ),
    NroHeader,
    "Header of a relocatable module (Switchbrew wiki, NRO0).",
)

ASSET_HEADER = Layout(
    "NRO asset header",
    Struct(
        "magic" / Bytes(4),  # 0x00: ASET
        "version" / Int32ul,  # 0x04: 0
        "icon"  # 0x08: JPEG, 256 x 256
        / record(
            AssetRange,
            "offset" / Int64ul,  # +0x0: from the start of the asset header
            "size" / Int64ul,  # +0x8
        ),
        "nacp"  # 0x18: 0x4000 bytes
        / record(
            AssetRange,
            "offset" / Int64ul,  # +0x0: from the start of the asset header
            "size" / Int64ul,  # +0x8
        ),
        "romfs"  # 0x28: RomFS image
        / record(
            AssetRange,
            "offset" / Int64ul,  # +0x0: from the start of the asset header
            "size" / Int64ul,  # +0x8
        ),
    ),
    AssetHeader,
    "Assets of homebrew, at the file offset that the NRO header calls its size (Switchbrew wiki, NRO0).",
)

LAYOUTS = (NRO_HEADER, ASSET_HEADER)
