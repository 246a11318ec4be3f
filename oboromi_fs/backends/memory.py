"""A file system in memory: literals for tests, generated files beside real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase, MemoryStorage, StorageBase
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError, UnsafePathError
from oboromi_fs.paths import normalise, split
from oboromi_fs.protocols import DirEntry, Metadata, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Buffer

__all__ = ["MemoryFs"]


class MemoryFs(FileSystemBase):
    """Files given as a mapping of path -> bytes or Storage; parent directories come by themselves.

    Args:
        files: Path to contents. Buffers are not copied.
        dirs: Directories to have even if empty.

    Raises:
        UnsafePathError: A path is the root, or one path is a file and a directory at once.

    Example:
        >>> fs = MemoryFs({"data/a.bin": b"abc"}, dirs=["empty"])
        >>> [path for path, _ in fs.walk()]
        ['data', 'data/a.bin', 'empty']
    """

    kind = "Memory"

    def __init__(self, files: Mapping[str, Buffer | Storage] | None = None, dirs: Iterable[str] = ()) -> None:
        super().__init__()
        self._files: dict[str, Storage] = {}
        self._dirs: dict[str, dict[str, str]] = {"": {}}
        for path, data in (files or {}).items():
            canonical = normalise(path)
            if canonical in self._dirs or canonical in self._files:
                raise UnsafePathError(path, "is given twice, or is a directory")
            self._add_directory(split(canonical)[0])
            self._dirs[split(canonical)[0]][split(canonical)[1]] = canonical
            # StorageBase first: a check against the protocol reads ``sources`` up to Python 3.11, and a deferred one would be made for it.
            self._files[canonical] = data if isinstance(data, StorageBase | Storage) else MemoryStorage(data, canonical)
        for path in dirs:
            self._add_directory(normalise(path))

    def _add_directory(self, path: str) -> None:
        missing: list[str] = []
        while path not in self._dirs:
            if path in self._files:
                raise UnsafePathError(path, "is a file and a directory at once")
            missing.append(path)
            path = split(path)[0]
        for new in reversed(missing):
            self._dirs[new] = {}
            parent, name = split(new)
            self._dirs[parent][name] = new

    def _fail(self, path: str) -> EntryNotFoundError | NotADirectoryEntryError:
        parent = split(path)[0]
        while parent:
            if parent in self._files:
                return NotADirectoryEntryError(path)
            parent = split(parent)[0]
        return EntryNotFoundError(path)

    def _read_dir(self, path: str) -> list[DirEntry]:
        children = self._dirs.get(path)
        if children is None:
            raise NotADirectoryEntryError(path) if path in self._files else self._fail(path)
        return [
            DirEntry(name, "file", self._files[full].size) if full in self._files else DirEntry(name, "directory", 0)
            for name, full in children.items()
        ]

    def _metadata(self, path: str) -> Metadata:
        if path in self._files:
            return Metadata("file", self._files[path].size)
        if path in self._dirs:
            return Metadata("directory", 0)
        raise self._fail(path)

    def _storage(self, path: str) -> Storage:
        found = self._files.get(path)
        if found is None:
            raise IsADirectoryEntryError(path) if path in self._dirs else self._fail(path)
        return found
