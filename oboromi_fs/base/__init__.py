"""Base classes: the few methods a backend writes become the whole of :class:`Storage` and :class:`FileSystem`."""

from __future__ import annotations

from oboromi_fs.base.filesystem import FileSystemBase, extents_of, walk
from oboromi_fs.base.storage import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.base.stream import StorageFile
from oboromi_fs.base.subtree import SubFs

__all__ = ["FileSystemBase", "MemoryStorage", "StorageBase", "StorageFile", "SubFs", "WindowStorage", "extents_of", "walk"]
