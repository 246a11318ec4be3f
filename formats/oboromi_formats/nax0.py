"""Files on an SD card (NAX0): a header with two wrapped keys, then the content, encrypted with AES-XTS in units of 0x4000 bytes.

The header takes 0x80 bytes of an area of 0x4000; what is behind it there is not used. The MAC over the header depends on where the file
lies on the card. Specification: Switchbrew wiki, "NAX0".
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = ["LAYOUTS", "NAX0_CONTENT_OFFSET", "NAX0_HEADER", "NAX0_MAGIC", "NAX0_UNIT", "Nax0Header"]

NAX0_MAGIC = b"NAX0"
NAX0_CONTENT_OFFSET = 0x4000
NAX0_UNIT = 0x4000
"""Bytes of a sector of AES-XTS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nax0Header:
    """The first 0x80 bytes. ``size`` is that of the content, in bytes.

    ``mac`` is HMAC-SHA-256 with the header from ``magic`` on as its key, the two keys in it unwrapped, and a secret as the message.
    """

    mac: bytes
    magic: bytes = NAX0_MAGIC
    reserved: int = 0
    data_key: bytes
    tweak_key: bytes
    size: int
    padding: bytes = bytes(0x30)


NAX0_HEADER = Layout(
    "NAX0 header",
    Struct(
        "mac" / Bytes(0x20),  # 0x00: over 0x20..0x7F
        "magic" / Bytes(4),  # 0x20
        "reserved" / Int32ul,  # 0x24
        "data_key" / Bytes(0x10),  # 0x28: wrapped
        "tweak_key" / Bytes(0x10),  # 0x38: wrapped
        "size" / Int64ul,  # 0x48: of the content
        "padding" / Bytes(0x30),  # 0x50
    ),
    Nax0Header,
    "Header of a file on an SD card (Switchbrew wiki, NAX0).",
)

LAYOUTS = (NAX0_HEADER,)
