"""Windows seen through: which storage some bytes are really read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import WindowStorage

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["seen_through"]


def seen_through(storage: Storage, offset: int = 0) -> tuple[Storage, int]:
    """Return the storage behind a window, and where byte ``offset`` of the window lies in it; others as they are.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> seen_through(MemoryStorage(b"abcdef").window(2, 6), 1)
        (<MemoryStorage of 0x6 bytes>, 3)
    """
    while isinstance(storage, WindowStorage):
        offset += storage.start
        storage = storage.parent
    return storage, offset
