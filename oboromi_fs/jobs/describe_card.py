"""What a game card says of itself, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.gamecard import ROM_SIZES
from oboromi_fs.jobs.describe_nca import key_facts

if TYPE_CHECKING:
    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.jobs.describe_nca import Description
    from oboromi_fs.keys import KeySet

__all__ = ["card_facts", "firmware_text"]


def card_facts(card: XciArchive, keys: KeySet) -> Description:
    """Return what the headers of a card say."""
    header, trimmed = card.header, card.trimmed_size
    node: Description = {
        "kind": "xci",
        "image": _image(card, trimmed),
        "trimmed_size": trimmed,
        "capacity_gb": ROM_SIZES.get(header.rom_size),
        "key_area": card.has_key_area,
        "header_version": header.header_version,
        "header_flags": header.flags,
        "root_offset": card.header_offset + header.root_address,
        "secure_offset": card.header_offset + header.lim_area_page * 0x200,
        "keys": [key_facts("xci_header_key", "the card's own information", keys, optional=True)],
    }
    _card_info(node, card)
    return node


def _image(card: XciArchive, trimmed: int) -> str:
    """How much of a card is there. An XCZ has the header of the card it was made from, which counts what was not compressed."""
    if card.holds_compressed:
        return "compressed"
    return "truncated" if card.raw.size < trimmed - 0x1FF else "trimmed" if card.raw.size <= trimmed else "full"


def _card_info(node: Description, card: XciArchive) -> None:
    info = card.info()
    node["card_info"] = None
    if info is None:
        return
    if any(info.reserved) or info.firmware_version > 0xFF:
        node.setdefault("problems", []).append("the encrypted card information makes no sense: xci_header_key is wrong, or it is blank")
        return
    node["card_info"] = {
        "firmware_version": info.firmware_version,
        "clock_mhz": {0x00A10011: 25, 0x00A10010: 50}.get(info.access_control_1),
        "system_version": firmware_text(info.cup_version),
        "system_title_id": f"{info.cup_title_id:016x}",
        "region": {0: "global", 1: "china"}.get(info.compatibility_type, f"unknown {info.compatibility_type}"),
    }


def firmware_text(version: int) -> str:
    """Return a system version, 6.6.4.16 bits, as people write it.

    Example:
        >>> firmware_text(0x04230004)
        '1.2.3-4'
    """
    text = f"{version >> 26}.{version >> 20 & 0x3F}.{version >> 16 & 0xF}"
    return f"{text}-{version & 0xFFFF}" if version & 0xFFFF else text
