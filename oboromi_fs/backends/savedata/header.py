"""The header of a save data image: two copies, of which the first that has its hash is believed. Source: Switchbrew wiki, "Savegames"."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from oboromi_formats.savedata import (
    DISF_MAGIC,
    DUPLEX_HEADER,
    DUPLEX_OFFSET,
    EXTRA_DATA,
    EXTRA_DATA_OFFSET,
    FAT_IVFC_OFFSET,
    FIRST_PROTECTED_VERSION,
    HASHED_FROM,
    IVFC_OFFSET,
    JOURNAL_HEADER,
    JOURNAL_OFFSET,
    LAYOUT_OFFSET,
    MAIN_REMAP_OFFSET,
    META_REMAP_OFFSET,
    REMAP_HEADER,
    SAVE_FS_HEADER,
    SAVE_FS_OFFSET,
    SAVE_HEADER_SIZE,
    SAVE_IVFC,
    SAVE_LAYOUT,
)
from oboromi_fs._decode import decode, error
from oboromi_fs.errors import CorruptError, IntegrityError, NotThisFormatError, UnsupportedError

if TYPE_CHECKING:
    from oboromi_formats.layout import Layout
    from oboromi_formats.savedata import DuplexHeader, ExtraData, JournalHeader, RemapHeader, SaveFsHeader, SaveIvfc, SaveLayout
    from oboromi_fs.protocols import Storage

__all__ = ["SaveHeader", "copy_is_sound", "is_save_data", "read_header"]

T = TypeVar("T")

_COPIES = (0, SAVE_HEADER_SIZE)
_VERSIONS = (4, 5)
"""Major versions of the layout that are understood."""


class SaveHeader(NamedTuple):
    """One copy of the header, and its parts. ``offset`` is where the copy begins; ``fat_ivfc`` is None where there is no such tree."""

    offset: int
    raw: Storage
    layout: SaveLayout
    duplex: DuplexHeader
    ivfc: SaveIvfc
    journal: JournalHeader
    fs: SaveFsHeader
    main_remap: RemapHeader
    meta_remap: RemapHeader
    extra: ExtraData
    fat_ivfc: SaveIvfc | None


def is_save_data(storage: Storage) -> bool:
    """Whether the bytes have the header of a save data image, or what is left of it: its second copy."""
    return any(_has_magic(storage, start) for start in _COPIES)


def _has_magic(storage: Storage, start: int) -> bool:
    first = start + LAYOUT_OFFSET
    found = storage[first : first + 4].tobytes() == DISF_MAGIC
    return found and storage[start + DUPLEX_OFFSET : start + DUPLEX_OFFSET + 4].tobytes() == b"DPFS"


def copy_is_sound(storage: Storage, start: int) -> bool:
    """Whether a copy of the header has the hash that it says.

    Args:
        storage: The image.
        start: Where the copy begins, 0 or 0x4000.
    """
    if not _has_magic(storage, start) or start + SAVE_HEADER_SIZE > storage.size:
        return False
    known = storage[start + LAYOUT_OFFSET + 8 : start + LAYOUT_OFFSET + 0x28].tobytes()
    return hashlib.sha256(storage[start + HASHED_FROM : start + SAVE_HEADER_SIZE]).digest() == known


def read_header(storage: Storage) -> SaveHeader:
    """Read the first copy of the header that has its hash.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: A part of the header is damaged.
        IntegrityError: Neither copy has its hash.
        UnsupportedError: The version is unknown.
    """
    if not is_save_data(storage):
        problem = f"the magic is {storage[LAYOUT_OFFSET : LAYOUT_OFFSET + 4].tobytes()!r}, not {DISF_MAGIC!r}"
        raise error(NotThisFormatError, problem, what="DISF layout", storage=storage, offset=0, field="magic")
    start = next((start for start in _COPIES if copy_is_sound(storage, start)), None)
    if start is None:
        problem = "neither of its two copies has the hash that it says: the image is damaged, or cut short"
        raise error(IntegrityError, problem, what="save data header", storage=storage, offset=0, field="hash")
    layout = decode(SAVE_LAYOUT, storage, start + LAYOUT_OFFSET)
    if layout.version >> 16 not in _VERSIONS:
        problem = f"version {layout.version >> 16}.{layout.version & 0xFFFF} is none of {', '.join(map(str, _VERSIONS))}"
        raise error(UnsupportedError, problem, what="DISF layout", storage=storage, offset=start + LAYOUT_OFFSET, field="version")
    parts = _Parts(storage, start)
    return SaveHeader(
        start,
        storage.window(start, start + SAVE_HEADER_SIZE),
        layout,
        parts.read(DUPLEX_HEADER, DUPLEX_OFFSET, b"DPFS"),
        parts.read(SAVE_IVFC, IVFC_OFFSET, b"IVFC"),
        parts.read(JOURNAL_HEADER, JOURNAL_OFFSET, b"JNGL"),
        parts.read(SAVE_FS_HEADER, SAVE_FS_OFFSET, b"SAVE"),
        parts.read(REMAP_HEADER, MAIN_REMAP_OFFSET, b"RMAP"),
        parts.read(REMAP_HEADER, META_REMAP_OFFSET, b"RMAP"),
        decode(EXTRA_DATA, storage, start + EXTRA_DATA_OFFSET),
        parts.read(SAVE_IVFC, FAT_IVFC_OFFSET, b"IVFC") if layout.version >= FIRST_PROTECTED_VERSION else None,
    )


class _Parts(NamedTuple):
    storage: Storage
    start: int

    def read(self, layout: Layout[T], offset: int, magic: bytes) -> T:
        at = self.start + offset
        found = self.storage[at : at + 4].tobytes()
        if found != magic:
            raise error(CorruptError, f"is {found!r}, must be {magic!r}", what=layout.name, storage=self.storage, offset=at, field="magic")
        return decode(layout, self.storage, at)
