"""File systems that are opened when they are first looked into, one or many."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase, extents_of, walk
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError
from oboromi_fs.paths import normalise
from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["FoldersFs", "LazyFs"]

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


class FoldersFs(FileSystemBase):
    """Many file systems, each as a directory of one: as many layers of a union would each be asked for every path.

    Args:
        folders: By name, which is one component of a path.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> fs = FoldersFs({"one": MemoryFs({"a": b"A"}), "two": MemoryFs({"b/c": b"C"})})
        >>> [path for path, _ in fs.walk()], fs.read_bytes("two/b/c")
        (['one', 'one/a', 'two', 'two/b', 'two/b/c'], b'C')
    """

    kind = "Folders"

    def __init__(self, folders: Mapping[str, FileSystem]) -> None:
        super().__init__()
        self.folders = dict(folders)

    def _inside(self, path: str) -> tuple[FileSystem, str]:
        name, _, inner = path.partition("/")
        found = self.folders.get(name)
        if found is None:
            raise EntryNotFoundError(path)
        return found, inner

    def _read_dir(self, path: str) -> list[DirEntry]:
        if not path:
            return [DirEntry(name, "directory", 0) for name in self.folders]
        fs, inner = self._inside(path)
        return fs.read_dir(inner)

    def _metadata(self, path: str) -> Metadata:
        if not path:
            return _ROOT
        fs, inner = self._inside(path)
        return fs.metadata(inner)

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        fs, inner = self._inside(path)
        return fs.storage(inner)
