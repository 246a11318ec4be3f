"""Game card images (XCI): the card header and its encrypted part.

All addresses in the card header count from the start of the card header; a page is 0x200 bytes. A full dump has a key area of 0x1000
bytes before the card header. Specification: Switchbrew wiki, "XCI" and "Gamecard Format".
"""

from __future__ import annotations

from dataclasses import dataclass

from construct import Bytes, Int8ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout

__all__ = [
    "CARD_HEADER",
    "CARD_INFO",
    "CARD_MAGIC",
    "KEY_AREA_SIZE",
    "LAYOUTS",
    "PAGE_SIZE",
    "ROM_SIZES",
    "USABLE_BYTES_PER_GB",
    "CardHeader",
    "CardInfo",
]

CARD_MAGIC = b"HEAD"

PAGE_SIZE = 0x200
"""Bytes of a page, the unit of every page number in the card header."""

KEY_AREA_SIZE = 0x1000
"""Bytes before the card header in a full dump; a common dump has none."""

ROM_SIZES = {0xFA: 1, 0xF8: 2, 0xF0: 4, 0xE0: 8, 0xE1: 16, 0xE2: 32}
"""Code in ``CardHeader.rom_size`` -> nominal capacity in GB. Other codes are allowed."""

USABLE_BYTES_PER_GB = (1 << 30) - (72 << 20)
"""Bytes of an untrimmed image for each GB of nominal capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardHeader:
    """The signed page an image begins with. Hashes, ``iv``, ``signature`` and ``package_id`` are bytes as stored."""

    signature: bytes = bytes(0x100)
    magic: bytes = CARD_MAGIC
    rom_area_start_page: int
    backup_area_start_page: int = 0xFFFFFFFF
    key_index: int = 0
    rom_size: int
    header_version: int = 0
    flags: int = 0
    package_id: bytes = bytes(8)
    valid_data_end_page: int
    reserved: int = 0
    iv: bytes = bytes(0x10)
    root_address: int
    root_header_size: int
    root_header_hash: bytes
    initial_data_hash: bytes = bytes(0x20)
    sel_sec: int = 1
    sel_t1_key: int = 2
    sel_key: int = 0
    lim_area_page: int
    encrypted_info: bytes = bytes(0x70)

    @property
    def kek_index(self) -> int:
        """Which key-encryption key protects the title keys: the low half of ``key_index``."""
        return self.key_index & 0xF

    @property
    def title_key_index(self) -> int:
        """Which title-key decryption applies: the high half of ``key_index``."""
        return self.key_index >> 4

    @property
    def trimmed_size(self) -> int:
        """Bytes from the card header to the end of the last valid page."""
        return (self.valid_data_end_page + 1) * PAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class CardInfo:
    """What ``CardHeader.encrypted_info`` holds, once decrypted. ``cup_version`` is the bundled system version, 6.6.4.16 bits."""

    firmware_version: int = 0
    access_control_1: int = 0
    wait1_read: int = 0
    wait2_read: int = 0
    wait1_write: int = 0
    wait2_write: int = 0
    fw_mode: int = 0
    cup_version: int = 0
    compatibility_type: int = 0
    reserved: bytes = bytes(3)
    update_partition_hash: bytes = bytes(8)
    cup_title_id: int = 0
    reserved_2: bytes = bytes(0x38)


CARD_HEADER = Layout(
    "XCI card header",
    Struct(
        "signature" / Bytes(0x100),  # 0x000: RSA-2048 PKCS#1 SHA-256 over 0x100..0x1FF
        "magic" / Bytes(4),  # 0x100
        "rom_area_start_page" / Int32ul,  # 0x104: start of the secure area
        "backup_area_start_page" / Int32ul,  # 0x108
        "key_index" / Int8ul,  # 0x10C: low half KEK index, high half title-key decryption index
        "rom_size" / Int8ul,  # 0x10D: see ROM_SIZES
        "header_version" / Int8ul,  # 0x10E
        "flags" / Int8ul,  # 0x10F
        "package_id" / Bytes(8),  # 0x110
        "valid_data_end_page" / Int32ul,  # 0x118: inclusive
        "reserved" / Int32ul,  # 0x11C
        "iv" / Bytes(0x10),  # 0x120: byte-reversed
        "root_address" / Int64ul,  # 0x130: of the root HFS0
        "root_header_size" / Int64ul,  # 0x138
        "root_header_hash" / Bytes(0x20),  # 0x140: SHA-256, with a compatibility byte appended where that is not 0
        "initial_data_hash" / Bytes(0x20),  # 0x160: SHA-256
        "sel_sec" / Int32ul,  # 0x180
        "sel_t1_key" / Int32ul,  # 0x184
        "sel_key" / Int32ul,  # 0x188
        "lim_area_page" / Int32ul,  # 0x18C: end of the normal area
        "encrypted_info" / Bytes(0x70),  # 0x190: AES-128-CBC of a CARD_INFO
    ),
    CardHeader,
    "First page of a game card image (Switchbrew wiki, XCI).",
)

CARD_INFO = Layout(
    "XCI card info",
    Struct(
        "firmware_version" / Int64ul,  # 0x00
        "access_control_1" / Int32ul,  # 0x08: 0x00A10011 at 25 MHz, 0x00A10010 at 50 MHz
        "wait1_read" / Int32ul,  # 0x0C
        "wait2_read" / Int32ul,  # 0x10
        "wait1_write" / Int32ul,  # 0x14
        "wait2_write" / Int32ul,  # 0x18
        "fw_mode" / Int32ul,  # 0x1C
        "cup_version" / Int32ul,  # 0x20
        "compatibility_type" / Int8ul,  # 0x24: 0 global, 1 China
        "reserved" / Bytes(3),  # 0x25
        "update_partition_hash" / Bytes(8),  # 0x28
        "cup_title_id" / Int64ul,  # 0x30
        "reserved_2" / Bytes(0x38),  # 0x38
    ),
    CardInfo,
    "Decrypted part of the card header (Switchbrew wiki, XCI).",
)

LAYOUTS = (CARD_HEADER, CARD_INFO)
