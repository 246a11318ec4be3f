"""NSP and XCI: what a title is handed over in."""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from oboromi_fs._forge.aes import encrypt_cbc
from oboromi_fs._forge.keys import made_up_bytes
from oboromi_fs._forge.metadata import certificate
from oboromi_fs._forge.partitions import nested_hfs0_parts, pfs0_parts
from oboromi_fs._forge.sources import fill, pairs, size_of, tobytes, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from oboromi_fs._forge.sources import Files, Source, Target

__all__ = ["ContentType", "Written", "nca_name", "nsp", "rights_id", "write_nsp", "write_xci", "xci"]

ROOT = 0xF000
"""Where the root HFS0 stands, from the card header."""

PAGE = 0x200
ROM_SIZES = {0xFA: 1, 0xF8: 2, 0xF0: 4, 0xE0: 8, 0xE1: 16, 0xE2: 32}
USABLE = (1024 - 72) << 20
"""Bytes a card holds for each gigabyte of its size."""


class ContentType(IntEnum):
    """Content type as the NCA header has it."""

    PROGRAM = 0
    META = 1
    CONTROL = 2
    MANUAL = 3
    DATA = 4
    PUBLIC_DATA = 5


class CardOptions(TypedDict, total=False):
    """Everything about a game card image but its partitions; :func:`xci` says what it means."""

    keys: Mapping[str, bytes]
    key_area: bool
    trimmed: bool
    capacity: int
    compatibility: int
    alignment: int
    hashed_size: int


class Written(NamedTuple):
    """An NCA that was written: the name it must have, and what a CNMT says of it."""

    name: str
    sha256: bytes
    size: int


def nca_name(nca: bytes, content_type: int = ContentType.PROGRAM) -> str:
    """Return the file name of an NCA, from its bytes or, if there are 32, from its SHA-256.

    Example:
        >>> nca_name(b"hello")
        '2cf24dba5fb0a30e26e83b2ac5b9e29e.nca'
    """
    digest = nca if len(nca) == 32 else sha256(nca).digest()
    return digest[:16].hex() + (".cnmt.nca" if content_type == ContentType.META else ".nca")


def rights_id(title_id: int, key_generation: int) -> bytes:
    """Return the rights id of a title whose NCAs have a key generation, 16 bytes."""
    return pack(">Q7xB", title_id, key_generation)


def _nsp_files(ncas: Files, tickets: Iterable[bytes]) -> list[tuple[str | bytes, Source]]:
    files: list[tuple[str | bytes, Source]] = [*pairs(ncas)]
    for ticket in tickets:
        stem = ticket[0x2A0:0x2B0].hex()
        files += [(f"{stem}.tik", ticket), (f"{stem}.cert", certificate())]
    return files


def nsp(ncas: Files, tickets: Iterable[bytes] = ()) -> bytes:
    """Return an NSP.

    Args:
        ncas: File names (see :func:`nca_name`) and contents.
        tickets: Tickets; each is named by the rights id in it and gets a certificate.
    """
    return tobytes(pfs0_parts(_nsp_files(ncas, tickets)))


def write_nsp(target: Target, ncas: Files, tickets: Iterable[bytes] = ()) -> int:
    """Stream an NSP (see :func:`nsp`); return its size."""
    return write_all(target, pfs0_parts(_nsp_files(ncas, tickets)))


def _card_header(root: list[Source], pages: int, secure_page: int, rom_size: int, options: CardOptions) -> bytes:
    """The 0x200 bytes of the card header; ``pages`` counts up to the end of the root HFS0."""
    keys, compatibility = options.get("keys", {}), options.get("compatibility", 0)
    root_header = tobytes(root[:1])
    suffix = bytes([compatibility]) if compatibility else b""
    vector = made_up_bytes("card vector")
    header = pack("<4sIIBBBB", b"HEAD", secure_page, 0xFFFFFFFF, 0, rom_size, 0, 0) + made_up_bytes("package id", 8)
    header += pack("<II16sQQ", pages - 1, 0, vector[::-1], ROOT, len(root_header))
    header += sha256(root_header + suffix).digest() + sha256(_initial_data()).digest() + pack("<4I", 1, 2, 0, secure_page)
    info = pack("<Q7IB3xQQ56x", 1, 0x00A10011, 0x1388, 0, 0, 0, 0x000C1100, 450, compatibility, 0, 0x0100000000000816)
    if "xci_header_key" in keys:
        info = encrypt_cbc(keys["xci_header_key"], vector, info)
    return made_up_bytes("card signature", 0x100) + header + info


def _initial_data() -> bytes:
    parts = [made_up_bytes("package id", 8), bytes(8), made_up_bytes("auth data"), made_up_bytes("auth mac"), made_up_bytes("nonce", 12)]
    return b"".join(parts).ljust(0x200, b"\0")


def _xci_parts(partitions: Mapping[str, Files], options: CardOptions) -> list[Source]:
    """The image as the list of what to write."""
    root = nested_hfs0_parts(
        {name: pairs(files) for name, files in partitions.items()}, options.get("alignment", 1), options.get("hashed_size")
    )
    root_size = sum(map(size_of, root))
    size = ROOT + root_size
    rom_size = next((code for code, gigabytes in ROM_SIZES.items() if gigabytes * USABLE >= size), 0xE2)
    secure = ROOT + size_of(root[0])
    for index, name in enumerate(partitions):
        if name == "secure":
            break
        secure += size_of(root[1 + 2 * index])
    parts: list[Source] = []
    if options.get("key_area", False):
        parts = [_initial_data(), made_up_bytes("title key area", 0xC00), made_up_bytes("sealed key", 0x100), bytes(0x100)]
    parts += [_card_header(root, size // PAGE, secure // PAGE, rom_size, options), fill(ROOT - PAGE, 0xFF), *root]
    if not options.get("trimmed", True):
        full = options.get("capacity", ROM_SIZES[rom_size] * USABLE)
        parts.append(fill(max(full - size, 0), 0xFF))
    return parts


def xci(partitions: Mapping[str, Files], **options: Unpack[CardOptions]) -> bytes:
    """Return a game card image.

    Args:
        partitions: ``update``, ``normal``, ``logo``, ``secure`` in the order to write, each with file names and contents.
        **options:
            keys: Where ``xci_header_key`` is, for the card information; without it that stays plain.
            key_area: Whether the 0x1000 bytes of a full dump stand before the card header; not by default.
            trimmed: Whether the image ends with the last partition, as by default; otherwise 0xFF follow up to ``capacity``.
            capacity: Bytes from the card header on; by default those of the smallest card that is large enough, 952 MiB or more.
            compatibility: Region byte of the card information, 0 global, 1 China; not 0, it is hashed with the root header.
            alignment: Each file of a partition is padded with zeros to a multiple of this; 1, for no padding, by default.
            hashed_size: How many bytes of each partition the root's hashes cover; the partition's whole header by default.
    """
    return tobytes(_xci_parts(partitions, options))


def write_xci(target: Target, partitions: Mapping[str, Files], **options: Unpack[CardOptions]) -> int:
    """Stream a game card image (see :func:`xci`); return its size."""
    return write_all(target, _xci_parts(partitions, options))
