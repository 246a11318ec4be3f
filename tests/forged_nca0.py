"""NCA0 archives, put together from the specification alone: FS headers inside the sections, one key for the whole body."""

from __future__ import annotations

import hashlib
from struct import pack
from typing import TYPE_CHECKING

from oboromi_fs._forge.aes import encrypt_ecb, encrypt_xts
from tests.forged import KEYS, PROGRAM_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BODY_KEY = bytes(range(0x60, 0x80))
PLAIN, WRAPPED, RSA = "plain", "wrapped", "RSA"
FIRST = 0xC00


def romfs0(files: Mapping[str, bytes]) -> bytes:
    """A RomFS with the header that NCA0 has, of half the width; files in the root alone, one hash bucket each."""
    directory = pack("<6I", 0, 0xFFFFFFFF, 0xFFFFFFFF, 0 if files else 0xFFFFFFFF, 0xFFFFFFFF, 0)
    entries, data, buckets = b"", b"", 1
    offsets = []
    for name, content in files.items():
        data += bytes(-len(data) % 0x10)
        offsets.append(len(entries))
        raw = name.encode()
        last = len(offsets) == len(files)
        padded = raw + bytes(-len(raw) % 4)
        sibling = 0xFFFFFFFF if last else len(entries) + 0x20 + len(padded)
        # One bucket holds all: each entry is chained to the one before it.
        chain = offsets[-2] if len(offsets) > 1 else 0xFFFFFFFF
        entries += pack("<2I2Q2I", 0, sibling, len(data), len(content), chain, len(raw)) + padded
        data += content
    tables = [pack("<I", 0), directory, pack("<I", offsets[-1] if offsets else 0xFFFFFFFF) * buckets, entries]
    at, fields = 0x28, b""
    for table in tables:
        fields += pack("<2I", at, len(table))
        at += len(table)
    start = at + -at % 0x10
    return (pack("<I", 0x28) + fields + pack("<I", start) + b"".join(tables)).ljust(start, b"\0") + data


def section0(image: bytes, fs_type: int, *, block: int = 0x200, edits: Mapping[int, bytes] | None = None) -> bytes:
    """A section in the clear: its FS header, its hash table, its image."""
    table = b"".join(hashlib.sha256(image[at : at + block]).digest() for at in range(0, len(image), block))
    start = 0x200 + len(table) + -len(table) % 0x200
    info = hashlib.sha256(table).digest() + pack("<II4Q", block, 2, 0x200, len(table), start, len(image))
    # What NCA0 does not have may be anything.
    header = bytearray((pack("<HBBB3x", 2, fs_type, 2, 3) + info).ljust(0x100, b"\0") + b"\xa5" * 0x100)
    for offset, replacement in (edits or {}).items():
        header[offset : offset + len(replacement)] = replacement
    whole = (bytes(header) + table).ljust(start, b"\0") + image
    return whole + bytes(-len(whole) % 0x200)


def nca0(
    sections: Sequence[bytes | None],
    *,
    key_area: bytes | None = None,
    kind: str = PLAIN,
    hashes: bool = True,
    content_type: int = 0,
    edits: Mapping[int, bytes] | None = None,
) -> bytes:
    """An NCA0.

    Args:
        sections: Each as :func:`section0` gives it.
        key_area: 0x100 bytes in place of those that ``kind`` makes.
        kind: PLAIN, or WRAPPED by a key area key.
        hashes: Whether the header has the hashes of the FS headers.
        content_type: Header field.
        edits: Offset in the header to other bytes, before encryption.
    """
    table, known, body, at = bytearray(0x40), bytearray(0x80), bytes(FIRST - 0x400), FIRST
    for slot, section in enumerate(sections):
        if section is None:
            continue
        table[0x10 * slot : 0x10 * slot + 0x10] = pack("<4I", at // 0x200, (at + len(section)) // 0x200, 1, 0)
        if hashes:
            known[0x20 * slot : 0x20 * slot + 0x20] = hashlib.sha256(section[:0x200]).digest()
        body += encrypt_xts(BODY_KEY, (at - 0x400) // 0x200, section)
        at += len(section)
    if key_area is None:
        key_area = BODY_KEY if kind == PLAIN else encrypt_ecb(KEYS["key_area_key_application_00"], BODY_KEY)
    header = bytearray(
        bytes(0x200)
        + pack("<4s4BQQIIB15x", b"NCA0", 0, content_type, 0, 0, at, PROGRAM_ID, 0, 0x000C1100, 0)
        + bytes(16)
        + table
        + known
        + key_area.ljust(0x100, b"\0")
    )
    for offset, replacement in (edits or {}).items():
        header[offset : offset + len(replacement)] = replacement
    return encrypt_xts(KEYS["header_key"], 0, bytes(header)) + body
