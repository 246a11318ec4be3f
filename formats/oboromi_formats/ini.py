"""INI1, the bundle of kernel initial processes: a header, and KIPs one behind the other.

Specification: Switchbrew wiki, "Package2".
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int32ul, Struct

from oboromi_formats.layout import Layout

__all__ = ["INI_HEADER", "INI_MAGIC", "INI_MAX_KIPS", "LAYOUTS", "IniHeader"]

INI_MAGIC = b"INI1"
INI_MAX_KIPS = 0x50


@dataclass(frozen=True, slots=True)
class IniHeader:
    """The first 0x10 bytes. ``size`` is that of the whole bundle, in bytes."""

    magic: bytes
    size: int
    kip_count: int
    reserved: int = 0


INI_HEADER = Layout(
    "INI header",
    Struct(
        "magic" / Bytes(4),  # 0x0: INI1
        "size" / Int32ul,  # 0x4
        "kip_count" / Int32ul,  # 0x8: at most 0x50
        "reserved" / Int32ul,  # 0xC
    ),
    IniHeader,
    "Header of a bundle of kernel initial processes (Switchbrew wiki, Package2).",
)

LAYOUTS = (INI_HEADER,)
