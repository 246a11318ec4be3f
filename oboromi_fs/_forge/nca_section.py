"""A section of an NCA before encryption: the image, the hash layers over it, and the FS header that describes both."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from struct import pack
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from oboromi_fs._forge.sources import CHUNK, chunks_of, regroup, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oboromi_fs._forge.sources import Source

__all__ = ["Encryption", "FsType", "HashType", "Layers", "Section", "edited", "fs_header", "hash_layers"]


class Digest(Protocol):
    """A finished hash."""

    def digest(self) -> bytes:
        """Return its 32 bytes."""


Hash: TypeAlias = "Callable[[bytes | memoryview], Digest]"


class FsType(IntEnum):
    """What an image is."""

    ROMFS = 0
    PARTITION = 1


class HashType(IntEnum):
    """How an image is hashed."""

    AUTO = 0
    NONE = 1
    SHA256 = 2
    INTEGRITY = 3
    SHA3 = 5
    INTEGRITY_SHA3 = 6


class Encryption(IntEnum):
    """How a section is encrypted."""

    AUTO = 0
    NONE = 1
    XTS = 2
    CTR = 3
    CTR_SKIP_LAYER_HASH = 5


@dataclass(frozen=True, slots=True)
class Section:
    """What one section holds and how.

    Args:
        image: The file system image, a PFS0 or a RomFS.
        fs_type: :class:`FsType`, or any number.
        hash_type: :class:`HashType`; None takes INTEGRITY for a RomFS and SHA256 for a PFS0.
        encryption: :class:`Encryption`; numbers that are none of them leave the section plain.
        generation: Low word of the upper half of the CTR counter.
        secure_value: High word of it.
        block_size: Bytes a hash covers, a power of two; None takes 0x4000 for INTEGRITY and 0x1000 for SHA256.
        whole_blocks: Whether INTEGRITY fills the image's last block with zeros and states the filled sizes of the hash levels, as some
            tools do, rather than the exact ones.
        edits: Offset in the FS header to bytes that replace what stands there, before the FS header is hashed.
    """

    image: Source
    fs_type: int
    hash_type: int | None = None
    encryption: int = Encryption.CTR
    generation: int = 0
    secure_value: int = 0
    block_size: int | None = None
    whole_blocks: bool = False
    edits: Mapping[int, bytes] = field(default_factory=dict)


class Layers(NamedTuple):
    """Hash layers of an image: what stands before it in the section, the hash data of the FS header, how many zeros stand behind."""

    before: bytes
    hash_data: bytes
    behind: int = 0


def edited(data: bytes, edits: Mapping[int, bytes]) -> bytes:
    """Return the bytes with some replaced; the length stays."""
    result = bytearray(data)
    for offset, replacement in edits.items():
        result[offset : offset + len(replacement)] = replacement
    return bytes(result[: len(data)])


def _block_hashes(image: Source, block_size: int, new: Hash, *, padded: bool) -> bytes:
    """Hash an image block by block; the last block at its true length, or padded with zeros to a whole one."""
    digests = []
    for chunk in regroup(chunks_of(image), max(block_size, CHUNK)):
        view = memoryview(chunk)
        for start in range(0, len(view), block_size):
            block = view[start : start + block_size]
            digests.append(new(bytes(block).ljust(block_size, b"\0") if padded and len(block) < block_size else block).digest())
    return b"".join(digests)


def _hierarchical(image: Source, block_size: int, new: Hash) -> Layers:
    """One table of hashes, its own hash in the header, the image at the next multiple of 0x200."""
    table = _block_hashes(image, block_size, new, padded=False)
    start = len(table) + 0x1FF & ~0x1FF
    regions = pack("<4Q", 0, len(table), start, size_of(image))
    return Layers(table.ljust(start, b"\0"), new(table).digest() + pack("<II", block_size, 2) + regions)


def _integrity(image: Source, block_size: int, new: Hash, *, whole_blocks: bool) -> Layers:
    """Five levels of hashes, each over the next in whole blocks; the top one's hash in the header.

    Raises:
        ValueError: The image is empty, or too large for so small blocks.
    """
    levels = [_block_hashes(image, block_size, new, padded=True)]
    for _ in range(4):
        levels.insert(0, _block_hashes(levels[0], block_size, new, padded=True))
    before, rows = bytearray(), []
    for level in levels:
        padded = len(level) + -len(level) % block_size
        rows.append(pack("<QQII", len(before), padded if whole_blocks else len(level), block_size.bit_length() - 1, 0))
        before += level.ljust(padded, b"\0")
    rows.append(pack("<QQII", len(before), size_of(image), block_size.bit_length() - 1, 0))
    master = _block_hashes(levels[0], block_size, new, padded=True)
    if len(master) != 32:
        raise ValueError(f"six levels of {block_size:#x}-byte blocks cannot hold {size_of(image)} bytes")
    header = pack("<4sIII", b"IVFC", 0x20000, len(master), 7) + b"".join(rows)
    behind = -size_of(image) % block_size if whole_blocks else 0
    return Layers(bytes(before), header.ljust(0xC0, b"\0") + master, behind)


def hash_layers(section: Section) -> Layers:
    """Build the hash layers of a section; reads the image once."""
    kind = section.hash_type
    if kind is None:
        kind = HashType.SHA256 if section.fs_type == FsType.PARTITION else HashType.INTEGRITY
    new = hashlib.sha3_256 if kind in (HashType.SHA3, HashType.INTEGRITY_SHA3) else hashlib.sha256
    if kind in (HashType.SHA256, HashType.SHA3):
        return _hierarchical(section.image, section.block_size or 0x1000, new)
    if kind in (HashType.INTEGRITY, HashType.INTEGRITY_SHA3):
        return _integrity(section.image, section.block_size or 0x4000, new, whole_blocks=section.whole_blocks)
    return Layers(b"", b"")


def fs_header(section: Section, layers: Layers) -> bytes:
    """Return the FS header, 0x200 bytes, plain."""
    kind = section.hash_type
    if kind is None:
        kind = HashType.SHA256 if section.fs_type == FsType.PARTITION else HashType.INTEGRITY
    start = pack("<HBBB3x", 2, section.fs_type, kind, section.encryption) + layers.hash_data
    header = start.ljust(0x140, b"\0") + pack("<II", section.generation, section.secure_value)
    return edited(header.ljust(0x200, b"\0"), section.edits)
