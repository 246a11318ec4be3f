"""File systems from little: listing, metadata and bytes of a path become the whole of a FileSystem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from oboromi_fs.base.storage import WindowStorage
from oboromi_fs.base.stream import StorageFile
from oboromi_fs.paths import Glob, addressable, join, normalise
from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

__all__ = ["FileSystemBase", "extents_of", "walk"]


class FileSystemBase(ABC):
    """Everything a FileSystem can do, from :meth:`read_dir`, :meth:`metadata` and :meth:`storage`.

    Subclasses get canonical paths in the underscored methods, and raise the path errors of :mod:`oboromi_fs.errors`.
    """

    kind: str = "FileSystem"
    nests: bool = False
    """Whether a file can be a directory as well, as containers in containers are."""

    def __init__(self, *, owned: Iterable[Any] = ()) -> None:
        self._owned = list(owned)

    @abstractmethod
    def _read_dir(self, path: str) -> list[DirEntry]:
        """Entries of the directory at a canonical path."""

    @abstractmethod
    def _metadata(self, path: str) -> Metadata:
        """Kind and size of a canonical path."""

    @abstractmethod
    def _storage(self, path: str) -> Storage:
        """Bytes of the file at a canonical path."""

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        """Return the entries of a directory, each name once, as a stable snapshot in the order of the archive.

        Raises:
            EntryNotFoundError: No such path.
            NotADirectoryEntryError: The path is a file.
        """
        return self._read_dir(normalise(path))

    def metadata(self, path: PathType, /) -> Metadata:
        """Return kind and size of a path.

        Raises:
            EntryNotFoundError: No such path.
        """
        return self._metadata(normalise(path))

    def storage(self, path: PathType, /) -> Storage:
        """Return the bytes of a file, for slicing and for nesting another file system on.

        Raises:
            EntryNotFoundError: No such path.
            IsADirectoryEntryError: The path is a directory.
        """
        return self._storage(normalise(path))

    def open(self, path: PathType, /) -> StorageFile:
        """Open a file for reading, as a raw binary stream with ``size`` and ``mmap()``.

        Raises:
            EntryNotFoundError: No such path.
            IsADirectoryEntryError: The path is a directory.
        """
        canonical = normalise(path)
        return StorageFile(self._storage(canonical), canonical)

    def read_bytes(self, path: PathType, /) -> bytes:
        """Return a copy of a whole file."""
        return self.storage(path)[:].tobytes()

    def exists(self, path: PathType, /) -> bool:
        """Whether the path names a file or a directory."""
        try:
            self.metadata(path)
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            return False
        return True

    def is_dir(self, path: PathType, /) -> bool:
        """Whether the path names a directory."""
        return self.exists(path) and self.metadata(path).kind == "directory"

    def is_file(self, path: PathType, /) -> bool:
        """Whether the path names a file."""
        return self.exists(path) and self.metadata(path).kind == "file"

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory, parents first; paths are relative to that directory."""
        return walk(self, path)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a storage it shares with others.

        Sorting these by storage and offset turns many small reads into a few large ones. Files that no path leads to are left out: their
        name is empty or holds a ``/``.
        """
        root = normalise(path)
        for inner, entry in self.walk(root):
            if entry.kind == "file" and entry.name and "/" not in entry.name:
                storage = self._storage(join(root, inner))
                yield _extent(inner, storage)

    def find_extent(self, path: PathType, /) -> Extent | None:
        """Return one file as a run of the storage it lies in, ``storage[offset : offset + size]``; None where there is no such file.

        Raises:
            FormatError: The file is there and cannot be read.
        """
        canonical = normalise(path)
        try:
            return _extent(canonical, self._storage(canonical))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def find(self, *patterns: str, path: PathType = "") -> Iterator[str]:
        """Yield the paths below ``path`` that match any of the globs (see :class:`oboromi_fs.paths.Glob`)."""
        globs = [Glob(pattern) for pattern in patterns]
        for inner, _ in self.walk(path):
            if any(glob.matches(inner) for glob in globs):
                yield inner

    def own(self, *closed: Any) -> None:
        """Close more with this file system: anything that has ``close``."""
        self._owned += closed

    def close(self) -> None:
        """Close what this file system opened itself. Views that live stay valid; its storages and streams raise ClosedError."""
        while self._owned:
            self._owned.pop().close()

    def __repr__(self) -> str:
        raw = getattr(self, "raw", None)
        name = getattr(raw.place(0).storage, "name", "") if raw is not None and raw.size else ""
        return f"<{type(self).__name__} {name!r}>" if name else f"<{type(self).__name__} ({self.kind})>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _extent(path: str, storage: Storage) -> Extent:
    if isinstance(storage, WindowStorage):
        return Extent(path, storage.parent, storage.start, storage.size)
    return Extent(path, storage, 0, storage.size)


def walk(fs: FileSystem, path: PathType = "") -> Iterator[tuple[str, DirEntry]]:
    """Yield ``(path, entry)`` for everything below a directory of any file system, parents first.

    Paths are relative to the directory. A directory whose name no path can spell is yielded and not entered. The walk is iterative, so
    depth costs no stack.
    """
    root = normalise(path)
    pending: list[tuple[str, Iterator[DirEntry]]] = [("", iter(fs.read_dir(root)))]
    while pending:
        parent, entries = pending[-1]
        entry = next(entries, None)
        if entry is None:
            pending.pop()
            continue
        inner = join(parent, entry.name)
        yield inner, entry
        if entry.kind == "directory" and addressable(entry.name):  # "..", as an archive may call one, would lead back here.
            pending.append((inner, iter(fs.read_dir(join(root, inner)))))


def extents_of(fs: FileSystem, path: PathType = "") -> Iterator[Extent]:
    """Yield the extents of any file system, by its own ``extents`` where it has one."""
    if isinstance(fs, FileSystemBase):
        yield from fs.extents(path)
        return
    root = normalise(path)
    for inner, entry in walk(fs, root):
        if entry.kind == "file":
            yield _extent(inner, fs.storage(join(root, inner)))
