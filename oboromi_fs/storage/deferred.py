"""Bytes that are worked out when they are first looked at."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.protocols import Place, Storage, Stored

__all__ = ["DeferredStorage"]


class DeferredStorage(StorageBase):
    """A storage of a known size that is made at the first look into it, once, and kept.

    Args:
        size: Its length in bytes.
        make: Makes it. What it raises is raised to every reader.
        kind: Short name of what is done to the bytes.
        stored: How the bytes are stored, other than as they are read.

    Example:
        >>> from oboromi_fs import MemoryStorage
        >>> DeferredStorage(3, lambda: MemoryStorage(b"abc"))[1:].tobytes()
        b'bc'
    """

    __slots__ = ("_lock", "_made", "_make", "kind", "stored")

    def __init__(self, size: int, make: Callable[[], Storage], kind: str = "Deferred", stored: Stored = "plain") -> None:
        self._size = size
        self._make = make
        self._made: Storage | None = None
        self._lock = Lock()
        self.kind = kind
        self.stored = stored

    def _storage(self) -> Storage:
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._make()
                    if made.size != self._size:
                        raise CorruptError(f"has {made.size:#x} bytes, and not {self._size:#x}", what=self.kind)
                    self._made = made
        return made

    @property
    def sources(self) -> tuple[Storage, ...]:
        """What was made."""
        return (self._storage(),)

    def _view(self, start: int, stop: int) -> memoryview:
        return self._storage()[start:stop]

    def _readinto(self, offset: int, target: memoryview) -> None:
        self._storage().readinto_at(offset, target)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        place = self._storage().place(offset)
        return place if self.stored == "plain" else place._replace(stored=self.stored)
