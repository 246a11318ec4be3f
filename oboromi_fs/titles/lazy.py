"""A file system that is opened when it is first looked into."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase, extents_of, walk
from oboromi_fs.paths import normalise
from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LazyFs"]

_ROOT = Metadata("directory", 0)


class LazyFs(FileSystemBase):
    """A file system that is made at the first look below its root, once, and kept.

    Args:
        make: Makes it. What it raises is raised to whoever looks, each time.
        kind: What it is going to be.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> fs = LazyFs(lambda: MemoryFs({"a": b"A"}), "Memory")
        >>> fs.metadata("").kind, fs.made, fs.read_bytes("a"), fs.made
        ('directory', False, b'A', True)
    """

    def __init__(self, make: Callable[[], FileSystem], kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._make = make
        self._lock = Lock()
        self._made: FileSystem | None = None

    @property
    def made(self) -> bool:
        """Whether anybody has looked yet."""
        return self._made is not None

    def opened(self) -> FileSystem:
        """Return the file system itself."""
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._make()
        return made

    def _read_dir(self, path: str) -> list[DirEntry]:
        return self.opened().read_dir(path)

    def _metadata(self, path: str) -> Metadata:
        return self.opened().metadata(path) if path else _ROOT

    def _storage(self, path: str) -> Storage:
        return self.opened().storage(path)

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory."""
        fs = self.opened()
        return fs.walk(path) if isinstance(fs, FileSystemBase) else walk(fs, path)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a shared storage."""
        return extents_of(self.opened(), normalise(path))

    def find_extent(self, path: PathType, /) -> Extent | None:
        """Return one file as a run of the storage it lies in."""
        fs = self.opened()
        return fs.find_extent(path) if isinstance(fs, FileSystemBase) else super().find_extent(path)
