"""Save data as a file system: directories and files, from two tables that lie among the files. Source: Switchbrew wiki, "Savegames"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.savedata import SAVE_TABLE_ENTRY
from oboromi_fs._decode import error, rows
from oboromi_fs._extents import opened
from oboromi_fs.backends.savedata.allocation import AllocationTable
from oboromi_fs.backends.savedata.header import read_header
from oboromi_fs.backends.savedata.layers import open_layers
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import CorruptError, EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError
from oboromi_fs.paths import normalise
from oboromi_fs.protocols import DirEntry, Metadata, Storage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["SaveDataFs"]

_USED = 1
"""The entry that the list of entries in use begins with."""
_MAX_PROBLEMS = 100
"""Problems that are told one by one."""
_DEEPEST = 0x300
"""Directories in directories; a path on the console has fewer bytes."""


class _Entry(NamedTuple):
    """A row of one of the tables."""

    parent: int
    name: bytes
    sibling: int
    first: int
    second: int
    reserved: bytes
    next: int

    @property
    def text(self) -> str:
        return self.name.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class _Table:
    """One of the two tables, read whole: it is no longer than the bytes that are there."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.what = f"save data {name} table"
        self.raw = storage
        there = storage.size // SAVE_TABLE_ENTRY.row_size
        if there <= _USED:
            problem = f"{storage.size:#x} bytes do not hold the two lists"
            raise error(CorruptError, problem, what=self.what, storage=storage, offset=0)
        capacity = int.from_bytes(storage[4:8], "little") or there
        if not _USED < capacity <= there:
            problem = f"{capacity} entries, {there} are there"
            raise error(CorruptError, problem, what=self.what, storage=storage, offset=0, field="capacity")
        self._rows = [_Entry(*row) for row in rows(SAVE_TABLE_ENTRY, storage, 0, capacity)]

    def refuse(self, index: int, problem: str) -> CorruptError:
        at = min(max(index, 0) * SAVE_TABLE_ENTRY.row_size, self.raw.size)
        return error(CorruptError, f"entry {index} {problem}", what=self.what, storage=self.raw, offset=at)

    def entry(self, index: int) -> _Entry:
        if not _USED < index < len(self._rows):
            raise self.refuse(index, f"is asked for, there are {len(self._rows)}")
        return self._rows[index]

    def used(self) -> Iterator[tuple[int, _Entry]]:
        """Entries in use, in the order of their list."""
        index = self._rows[_USED].next
        for _ in self._rows:
            if not index:
                return
            found = self.entry(index)
            yield index, found
            index = found.next
        raise self.refuse(index, "leads back to itself")

    def siblings(self, index: int, parent: int) -> Iterator[tuple[int, _Entry]]:
        """What is in a directory, from its first entry on. Each must name the directory, so that none is in two, or in itself."""
        seen: set[int] = set()
        while index:
            found = self.entry(index)
            if found.parent != parent:
                raise self.refuse(index, f"is in directory {parent}, and says that it is in {found.parent}")
            if index in seen:
                raise self.refuse(index, "leads back to itself")
            seen.add(index)
            yield index, found
            index = found.sibling


class _Directory(NamedTuple):
    """What is in a directory, by name: the index of a directory, or block and size of a file."""

    directories: dict[str, int]
    files: dict[str, tuple[int, int]]


class SaveDataFs(FileSystemBase):
    """The files in a save data image. Experimental: it follows the specification, and was not tried on images of every kind.

    Args:
        source: A storage, or the path of a host file.
        check: Whether every block that is read is checked against its hash.

    Attributes:
        raw: The image.
        header: The copy of the header that is believed.
        layers: What lies between the image and the files.
        problems: What is damaged and does not keep from reading.

    Raises:
        NotThisFormatError: The magic is absent.
        IntegrityError: Neither copy of the header has its hash; or ``check``, and a table is damaged.
        CorruptError: A layer or table names bytes that are not there, or contradicts itself.
        UnsupportedError: The version is unknown.
    """

    kind = "save data"
    experimental = True

    def __init__(self, source: Storage | str | os.PathLike[str], *, check: bool = False) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        self.header = header = read_header(storage)
        self.problems: list[str] = []
        if header.offset:
            self.problems.append("the first copy of the header is damaged; the second is used")
        self.layers = layers = open_layers(storage, header, check=check)
        self._blocks = AllocationTable(layers.fat, layers.data_tree.data, header.fs.block_size)
        allocation = header.fs.allocation
        what = "save data directory table"
        self._directories = _Table(self._blocks.storage(allocation.directory_table_block, what=what), "directory")
        self._files = _Table(self._blocks.storage(allocation.file_table_block, what="save data file table"), "file")
        self._root = next((index for index, entry in self._directories.used() if not entry.parent and not entry.text), 0)
        if not self._root:
            raise self._directories.refuse(_USED, "begins a list that has no root directory")
        self._read: dict[int, _Directory] = {}

    def _directory(self, index: int) -> _Directory:
        found = self._read.get(index)
        if found is None:
            entry = self._directories.entry(index)
            found = _Directory({}, {})
            for child, row in self._directories.siblings(entry.first, index):
                if self._is_new(row, index, found):
                    found.directories[row.text] = child
            first = (entry.second & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
            for _, row in self._files.siblings(first, index):
                if self._is_new(row, index, found):
                    found.files[row.text] = (row.first, row.second)
            self._read[index] = found
        return found

    def _is_new(self, row: _Entry, directory: int, found: _Directory) -> bool:
        if row.text not in found.directories and row.text not in found.files:
            return True
        if len(self.problems) <= _MAX_PROBLEMS:
            more = len(self.problems) == _MAX_PROBLEMS
            problem = f"{row.text!r} is in directory {directory} twice; the first counts"
            self.problems.append("and more names that are there twice" if more else problem)
        return False

    def _find(self, path: str) -> int | tuple[int, int]:
        """The index of a directory, or block and size of a file."""
        index = self._root
        parts = path.split("/") if path else []
        for number, name in enumerate(parts):
            found = self._directory(index)
            below = found.directories.get(name)
            if below is None:
                file = found.files.get(name)
                if file is None:
                    raise EntryNotFoundError(path)
                if number < len(parts) - 1:
                    raise NotADirectoryEntryError(path)
                return file
            index = below
        return index

    def first_block(self, path: str) -> int | None:
        """Return the number of the block that a file begins in; None for an empty one.

        Args:
            path: A file in the image.

        Raises:
            EntryNotFoundError: No such file.
            IsADirectoryEntryError: A directory.
        """
        found = self._find(normalise(path))
        if isinstance(found, int):
            raise IsADirectoryEntryError(path)
        return found[0] if found[1] > 0 else None

    # FileSystem

    def _read_dir(self, path: str) -> list[DirEntry]:
        found = self._find(path)
        if not isinstance(found, int):
            raise NotADirectoryEntryError(path)
        directory = self._directory(found)
        if path.count("/") >= _DEEPEST and (directory.directories or directory.files):
            raise self._directories.refuse(found, f"lies deeper than {_DEEPEST} directories")
        entries = [DirEntry(name, "directory", 0) for name in directory.directories]
        return entries + [DirEntry(name, "file", max(size, 0)) for name, (_, size) in directory.files.items()]

    def _metadata(self, path: str) -> Metadata:
        found = self._find(path)
        return Metadata("directory", 0) if isinstance(found, int) else Metadata("file", max(found[1], 0))

    def _storage(self, path: str) -> Storage:
        found = self._find(path)
        if isinstance(found, int):
            raise IsADirectoryEntryError(path)
        block, size = found
        if size < 0:
            raise error(CorruptError, f"{path!r} has {size} bytes", what=self._files.what, storage=self._files.raw, offset=0)
        return self._blocks.storage(block, size, what=f"save data file {path!r}")
