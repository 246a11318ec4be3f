"""Reading from the storage below: what every storage over a storage asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Place, Storage

__all__ = ["encrypted_place", "fill", "origin", "view_of", "zero"]

_ZEROS = bytes(1 << 16)


def view_of(storage: Storage, start: int, stop: int) -> memoryview | None:
    """Return bytes ``start..stop`` without copying, or None where the storage does not hold them as they are."""
    return storage._view(start, stop) if isinstance(storage, StorageBase) else None  # noqa: SLF001  # The hook between storages.


def fill(storage: Storage, offset: int, target: memoryview) -> None:
    """Fill all of ``target`` from byte ``offset`` of a storage.

    Raises:
        CorruptError: The storage gave fewer bytes than its size promises.
    """
    count = storage.readinto_at(offset, target)
    if count != len(target):
        position, source = origin(storage, offset + count)
        raise CorruptError(f"{len(target)} bytes are needed, {count} could be read", what=storage.kind, source=source, offset=position)


def origin(storage: Storage, offset: int) -> tuple[int, str]:
    """Return the absolute offset of a byte and the name of the outermost file, for error messages."""
    place = storage.place(offset)
    return place.offset, str(getattr(place.storage, "name", ""))


def encrypted_place(parent: Storage, offset: int) -> Place:
    """Return where a byte lies that ``parent`` holds encrypted; compressed or patched bytes stay what they are."""
    place = parent.place(offset)
    return place._replace(stored="encrypted") if place.stored == "plain" else place


def zero(target: memoryview) -> None:
    """Fill with zeros."""
    for start in range(0, len(target), len(_ZEROS)):
        part = target[start : start + len(_ZEROS)]
        part[:] = _ZEROS[: len(part)]
