"""Files as an SD card has them (NAX0), put together from the specification alone."""

from __future__ import annotations

import hashlib
import hmac
from struct import pack

from oboromi_fs._forge.aes import encrypt_ecb

SD_KEY = bytes(range(0x20))
SAVE_KEY = bytes(range(0x80, 0xA0))
SD_KEYS = {"sd_card_nca_key": SD_KEY, "sd_card_save_key": SAVE_KEY}
PLAIN_KEYS = b"\xaa" * 16 + b"\xbb" * 16


def sd_path(content_id: str) -> str:
    folder = hashlib.sha256(bytes.fromhex(content_id)).digest()[0]
    return f"/registered/000000{folder:02X}/{content_id}.nca"


def nax0(content: bytes, path: str, sd_key: bytes = SD_KEY, *, size: int | None = None, keys: bytes = PLAIN_KEYS) -> bytes:
    """A file of a card.

    Args:
        content: What is in it.
        path: Where it lies on the card.
        sd_key: The card's key for this kind of content.
        size: What the header says, if not the truth.
        keys: Data key and tweak key.
    """
    secret = hmac.new(sd_key[:16], path.encode(), "sha256").digest()
    wrapped = encrypt_ecb(secret[:16], keys[:16]), encrypt_ecb(secret[16:], keys[16:])
    length = pack("<Q", len(content) if size is None else size) + bytes(0x30)
    mac = hmac.new(b"NAX0" + bytes(4) + keys + length, sd_key[16:], "sha256").digest()
    header = mac + b"NAX0" + bytes(4) + b"".join(wrapped) + length
    body = b""
    padded = content + bytes(-len(content) % 16)
    for number, at in enumerate(range(0, len(padded), 0x4000)):
        body += _unit(keys, number, padded[at : at + 0x4000])
    return header.ljust(0x4000, b"\xcc") + body


def _unit(keys: bytes, number: int, data: bytes) -> bytes:
    """One unit of AES-XTS, the plain way: a tweak for each block, doubled as it goes."""
    tweak = int.from_bytes(encrypt_ecb(keys[16:], number.to_bytes(16, "big")), "little")
    out = b""
    for at in range(0, len(data), 16):
        mask = tweak.to_bytes(16, "little")
        block = encrypt_ecb(keys[:16], bytes(a ^ b for a, b in zip(data[at : at + 16], mask, strict=True)))
        out += bytes(a ^ b for a, b in zip(block, mask, strict=True))
        tweak = (tweak << 1) ^ (0x87 | 1 << 128 if tweak >> 127 else 0)
    return out
