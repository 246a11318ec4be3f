"""A directory of a file system as the root of a file system of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base.filesystem import FileSystemBase, extents_of, walk
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage

__all__ = ["SubFs"]


class SubFs(FileSystemBase):
    """A directory of a file system as the root of its own.

    Args:
        fs: The file system.
        root: Canonical path of the directory.
    """

    def __init__(self, fs: FileSystem, root: str) -> None:
        super().__init__()
        self.fs = fs
        self.root = root
        self.kind = getattr(fs, "kind", type(fs).__name__)

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}" if path and self.root else path or self.root

    def _read_dir(self, path: str) -> list[DirEntry]:
        return self.fs.read_dir(self._at(path))

    def _metadata(self, path: str) -> Metadata:
        return self.fs.metadata(self._at(path))

    def _storage(self, path: str) -> Storage:
        return self.fs.storage(self._at(path))

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory."""
        inner = self._at(normalise(path))
        return self.fs.walk(inner) if isinstance(self.fs, FileSystemBase) else walk(self.fs, inner)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a shared storage."""
        return extents_of(self.fs, self._at(normalise(path)))
