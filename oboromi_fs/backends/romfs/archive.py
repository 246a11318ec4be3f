"""RomFS, the read-only file system image of programs, data and mods. Source: Switchbrew wiki, "RomFS".

Opening reads the header. A path costs a hash lookup per component on the tables as they lie in the image; only a walk over everything
loads the tables whole. Names are bytes; the tree hangs on 32-bit links inside two tables, every one of which an image may lie about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from oboromi_formats.romfs import NONE, ROMFS_HEADER, ROMFS_HEADER_NCA0, path_hash
from oboromi_fs._decode import decode, error
from oboromi_fs.backends.romfs.tables import DIRECTORY, FILE, LONG_NAME, MAX_NAME, Budget, DirectoryRow, FileRow, Table
from oboromi_fs.base import FileSystemBase, StorageBase
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    NotThisFormatError,
)
from oboromi_fs.file import File
from oboromi_fs.paths import decode_name, encode_name, normalise
from oboromi_fs.protocols import DirEntry, Extent, Metadata, PathType, Storage

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

__all__ = ["RomFs"]

MAX_PATH = 0x1000
"""Longest path a walk gives out, in bytes: five times the official limit, and a bound on what a hostile image can make of little."""
_MAX_CHAIN = 64
"""Hash chains of a sound image have a few links; a longer one is served from an index of the directory instead."""

_SHARED = "shares its chain of files with other directories"


class RomFs(FileSystemBase):
    """A RomFS image as a file system.

    Args:
        source: A storage that starts with the image, or the path of a host file.

    Raises:
        NotThisFormatError: The first bytes are no RomFS header.
        CorruptError: The header's tables lie outside the image.
    """

    kind = "RomFS"

    def __init__(self, source: Storage | str | os.PathLike[str]) -> None:
        owned: list[File] = []
        if isinstance(source, StorageBase | Storage):
            storage: Storage = source
        else:
            storage = File.open(source)
            owned.append(storage)
        super().__init__(owned=owned)
        self.raw = storage
        size = int.from_bytes(storage[:8], "little") if storage.size >= 8 else 0
        if size & 0xFFFFFFFF == ROMFS_HEADER_NCA0.size:  # Pre-release images have the same fields in half the width.
            header = decode(ROMFS_HEADER_NCA0, storage)
        elif size == ROMFS_HEADER.size:
            header = decode(ROMFS_HEADER, storage)
        else:
            raise error(
                NotThisFormatError,
                f"header size is {size:#x}, not 0x50",
                what="RomFS header",
                storage=storage,
                offset=0,
                field="header_size",
            )
        self.header = header
        width = header.header_size // 10  # Ten fields of one width.
        for index, (name, least) in enumerate((("dir_hash", 0), ("dir_table", DIRECTORY.size), ("file_hash", 0), ("file_table", 0))):
            offset, length = getattr(header, f"{name}_offset"), getattr(header, f"{name}_size")
            if offset + length > storage.size or length < least or length % 4 or length >= NONE:
                problem = f"{length:#x} bytes at {offset:#x} do not make a table inside an image of {storage.size:#x}"
                wrong = 2 * index + (offset < storage.size or length < least)  # The size is to blame where the offset is good.
                field = f"{name}_size" if wrong % 2 else f"{name}_offset"
                raise error(CorruptError, problem, what="RomFS header", storage=storage, offset=width * (1 + wrong), field=field)
        if header.data_offset > storage.size:
            problem = f"file data starts at {header.data_offset:#x}, the image ends at {storage.size:#x}"
            raise error(CorruptError, problem, what="RomFS header", storage=storage, offset=width * 9, field="data_offset")
        self._dir_hash = storage.window(header.dir_hash_offset, header.dir_hash_offset + header.dir_hash_size)
        self._file_hash = storage.window(header.file_hash_offset, header.file_hash_offset + header.file_hash_size)
        dirs = storage.window(header.dir_table_offset, header.dir_table_offset + header.dir_table_size)
        files = storage.window(header.file_table_offset, header.file_table_offset + header.file_table_size)
        self._dirs = Table(dirs, "directory", DIRECTORY)
        self._files = Table(files, "file", FILE)
        self._strays = 0
        self._index: dict[int, tuple[dict[bytes, int], dict[bytes, int]]] = {}

    # Entries

    def _directory(self, offset: int) -> DirectoryRow:
        values, name = self._dirs.fields(offset)
        parent, sibling, child, file, bucket_next, _ = values
        return DirectoryRow(parent, sibling, child, file, bucket_next, name)

    def _file(self, offset: int) -> FileRow:
        values, name = self._files.fields(offset)
        parent, sibling, start, size, bucket_next, _ = values
        return FileRow(parent, sibling, start, size, bucket_next, name)

    # Lookup

    def _bucket(self, table: Storage, parent: int, name: bytes) -> int:
        count = table.size // 4
        if not count:
            return NONE
        place = path_hash(parent, name) % count * 4
        return int.from_bytes(table[place : place + 4], "little")

    def _find_directory(self, parent: int, name: bytes) -> int | None:
        offset = self._bucket(self._dir_hash, parent, name)
        for _ in range(_MAX_CHAIN):
            if offset == NONE:
                break
            try:
                entry = self._directory(offset)
            except CorruptError:  # The bucket lies; the tree itself may be sound.
                break
            if entry.parent == parent and entry.name == name and offset:
                return offset
            offset = entry.bucket_next
        return self._children(parent)[0].get(name)

    def _find_file(self, parent: int, name: bytes) -> int | None:
        offset = self._bucket(self._file_hash, parent, name)
        for _ in range(_MAX_CHAIN):
            if offset == NONE:
                break
            try:
                entry = self._file(offset)
            except CorruptError:
                break
            if entry.parent == parent and entry.name == name:
                return offset
            offset = entry.bucket_next
        return self._children(parent)[1].get(name)

    def _children(self, directory: int) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """Directories and files of one directory by name, from its sibling chains: what a lookup that missed falls back on.

        Makes images with broken or absent hash tables work, and the second miss in a directory cheap.
        """
        found = self._index.get(directory)
        if found is None:
            dirs: dict[bytes, int] = {}
            files: dict[bytes, int] = {}
            for offset, child in self._subdirectories(directory):
                dirs.setdefault(child.name, offset)
            for offset, file in self._files_of(directory):
                files.setdefault(file.name, offset)
            found = self._index[directory] = (dirs, files)
        return found

    def _subdirectories(self, directory: int) -> Iterator[tuple[int, DirectoryRow]]:
        offset = self._directory(directory).child
        for _ in range(self._dirs.limit):
            if offset == NONE:
                return
            entry = self._directory(offset)
            if entry.parent != directory or not offset:  # Else it could be an ancestor, and paths would never end.
                raise self._stray(offset, entry.parent, directory)
            yield offset, entry
            offset = entry.sibling
        raise self._dirs.corrupt(directory, "its chain of subdirectories loops", "first_child")

    def _stray(self, offset: int, parent: int, directory: int) -> CorruptError:
        problem = f"is a child of the directory at {directory:#x}, and names that at {parent:#x} as its parent"
        return self._dirs.corrupt(offset, problem, "parent")

    def _files_of(self, directory: int) -> Iterator[tuple[int, FileRow]]:
        offset = self._directory(directory).file
        fields = self._files.fields
        for _ in range(self._files.limit):
            if offset == NONE:
                return
            (parent, sibling, start, size, bucket_next, _), name = fields(offset)
            if parent != directory:  # Builders have been careless here; but a chain that many directories share is no tree.
                self._strays += 1
                if self._strays > self._files.limit:
                    raise self._dirs.corrupt(directory, _SHARED, "first_file")
            yield offset, _new_file(FileRow, (parent, sibling, start, size, bucket_next, name))
            offset = sibling
        raise self._dirs.corrupt(directory, "its chain of files loops", "first_file")

    def _lookup(self, path: str) -> int | FileRow:
        """The directory-table offset of a directory, or the entry of a file."""
        if not path:
            return 0
        directory = 0
        *parents, last = path.split("/")
        for name in parents:
            raw = encode_name(name)
            found = self._find_directory(directory, raw)
            if found is None:
                if self._find_file(directory, raw) is not None:
                    raise NotADirectoryEntryError(path)
                raise EntryNotFoundError(path)
            directory = found
        raw = encode_name(last)
        file = self._find_hashed(directory, raw)
        if file is not None:
            return file
        found = self._find_directory(directory, raw)
        if found is not None:
            return found
        offset = self._find_file(directory, raw)
        if offset is None:
            raise EntryNotFoundError(path)
        return self._file(offset)

    def _find_hashed(self, parent: int, name: bytes) -> FileRow | None:
        """A file by the hash table alone: the usual case, tried before anything that must look at a whole directory."""
        offset = self._bucket(self._file_hash, parent, name)
        for _ in range(_MAX_CHAIN):
            if offset == NONE:
                return None
            try:
                entry = self._file(offset)
            except CorruptError:
                return None
            if entry.parent == parent and entry.name == name:
                return entry
            offset = entry.bucket_next
        return None

    # FileSystem

    def _read_dir(self, path: str) -> list[DirEntry]:
        found = self._lookup(path)
        if isinstance(found, FileRow):
            raise NotADirectoryEntryError(path)
        if self._dirs.is_loaded and self._files.is_loaded:
            return self._listed(found)
        entries: dict[str, DirEntry] = {}
        for _, child in self._subdirectories(found):
            name = decode_name(child.name)
            entries.setdefault(name, DirEntry(name, "directory", 0))
        files: dict[str, DirEntry] = {}
        for _, file in self._files_of(found):
            name = decode_name(file.name)
            files.setdefault(name, _new_entry(DirEntry, (name, "file", file.size)))
        return list((entries | files).values())  # Of a directory and a file with one name the file counts, as in _lookup.

    def _listed(self, directory: int) -> list[DirEntry]:
        """What is in a directory, from tables that are in memory: much sooner than entry by entry."""
        below, found = self._level(directory, Budget(self._dirs.limit, self._files.limit))
        if self._strays > self._files.limit:
            raise self._dirs.corrupt(directory, _SHARED, "first_file")
        files: dict[str, DirEntry] = {}
        for name, _, size in found:
            if name not in files:  # A name twice: the first counts.
                files[name] = _new_entry(DirEntry, (name, "file", size))
        return list(({name: DirEntry(name, "directory", 0) for name in below} | files).values())

    def _metadata(self, path: str) -> Metadata:
        found = self._lookup(path)
        return Metadata("file", found.size) if isinstance(found, FileRow) else Metadata("directory", 0)

    def _storage(self, path: str) -> Storage:
        found = self._lookup(path)
        if not isinstance(found, FileRow):
            raise IsADirectoryEntryError(path)
        start = self._data_start(path, found.offset, found.size)
        return self.raw.window(start, start + found.size)

    def _data_start(self, path: str, offset: int, size: int) -> int:
        start = self.header.data_offset + offset
        if start + size > self.raw.size:
            problem = f"the data of {path!r} ends at {start + size:#x}, the image at {self.raw.size:#x}"
            raise error(
                CorruptError, problem, what="RomFS file entry", storage=self.raw, offset=min(start, self.raw.size), field="data_offset"
            )
        return start

    # Walking everything

    def _scan(self, top: int) -> Iterator[tuple[str, str, list[tuple[str, int, int]]]]:
        """Yield ``(path, name, files)`` for a directory and every one below it, parents first; a file is ``(name, data offset, size)``.

        A directory whose name is empty or holds a ``/`` is yielded and not entered: what is below it would have the path of other things.
        One pass over the tables as 32-bit words. A table can hold only so many entries: meeting more means that chains loop or join.
        """
        budget = Budget(self._dirs.limit, self._files.limit)
        pending: list[tuple[int, str, str]] = [(top, "", "")]  # Long paths are put together late: a wide directory holds its own once.
        while pending:
            at, path, own = pending.pop()
            path = f"{path}/{own}" if path else own
            if at != top and (not own or "/" in own):
                yield path, own, []
                continue
            below, files = self._level(at, budget)
            names = {name for name, _, _ in files}
            if len(names) < len(files):  # A name twice: the first counts, as in a listing.
                files = list({name: (name, start, size) for name, start, size in reversed(files)}.values())[::-1]
            yield path, own, files
            for name, child in reversed(below.items()):
                if len(path) + len(name) > MAX_PATH:
                    raise self._dirs.corrupt(child, f"the path is longer than {MAX_PATH} characters", "parent")
                if name not in names:
                    pending.append((child, path, name))

    def _level(self, at: int, budget: Budget) -> tuple[dict[str, int], list[tuple[str, int, int]]]:
        """What is in a directory, from the whole tables: name -> offset of its directories, and ``(name, data offset, size)`` of its files.

        Takes what it meets off the budget. Files that name another directory as their parent count in :attr:`_strays`, as in _files_of.
        """
        dirs, files = self._dirs.words(), self._files.words()
        dir_bytes, file_bytes = self._dirs.load(), self._files.load()
        dirs_end, files_end = len(dir_bytes) - DIRECTORY.size, len(file_bytes) - FILE.size
        if at & 3 or at > dirs_end:
            raise self._dirs.corrupt(at, "its link is outside the table", "sibling")
        word = at >> 2
        child, file = dirs[word + 2], dirs[word + 3]
        below: dict[str, int] = {}
        left = budget.dirs
        while child != NONE:
            left -= 1
            if child & 3 or child > dirs_end or not left:
                raise self._dirs.corrupt(child, "its link is outside the table, or chains of directories loop", "sibling")
            word = child >> 2
            if dirs[word] != at or not child:
                raise self._stray(child, dirs[word], at)
            length = dirs[word + 5]
            start = child + DIRECTORY.size
            if length > MAX_NAME or start + length > len(dir_bytes):
                raise self._dirs.corrupt(child, LONG_NAME.format(length, MAX_NAME), "name_length")
            below.setdefault(str(dir_bytes[start : start + length], "utf-8", "surrogateescape"), child)
            child = dirs[word + 1]
        budget.dirs = left
        found: list[tuple[str, int, int]] = []
        left, strays = budget.files, 0
        while file != NONE:
            left -= 1
            if file & 3 or file > files_end or not left:
                raise self._files.corrupt(file, "its link is outside the table, or chains of files loop", "sibling")
            word = file >> 2
            length = files[word + 7]
            start = file + 0x20
            if length > MAX_NAME or start + length > len(file_bytes):
                raise self._files.corrupt(file, LONG_NAME.format(length, MAX_NAME), "name_length")
            strays += files[word] != at
            name = str(file_bytes[start : start + length], "utf-8", "surrogateescape")
            found.append((name, files[word + 2] | files[word + 3] << 32, files[word + 4] | files[word + 5] << 32))
            file = files[word + 1]
        budget.files = left
        self._strays += strays
        return below, found

    def _top(self, path: PathType) -> int:
        canonical = normalise(path)
        found = self._lookup(canonical)
        if isinstance(found, FileRow):
            raise NotADirectoryEntryError(canonical)
        return found

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory, parents first, in one pass over the tables."""
        top = True
        for directory, own, files in self._scan(self._top(path)):
            if not top:
                yield directory, DirEntry(own, "directory", 0)
            prefix = f"{directory}/" if directory else ""
            top = False
            for name, _, size in files:
                yield prefix + name, _new_entry(DirEntry, (name, "file", size))

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of the image, in one pass over the tables.

        Files that no path leads to are left out: their name, or that of a directory they are in, is empty or holds a ``/``.
        """
        raw, base, end = self.raw, self.header.data_offset, self.raw.size
        for directory, _, files in self._scan(self._top(path)):
            prefix = f"{directory}/" if directory else ""
            for name, offset, size in files:
                if "/" in name or not name:
                    continue
                if base + offset + size > end:
                    self._data_start(prefix + name, offset, size)
                yield _new_extent(Extent, (prefix + name, raw, base + offset, size))


# A quarter of the time of calling the class, which a walk over everything feels.
_new_entry = cast("Callable[[type[DirEntry], tuple[str, str, int]], DirEntry]", tuple.__new__)
_new_file = cast("Callable[[type[FileRow], tuple[int, int, int, int, int, bytes]], FileRow]", tuple.__new__)
_new_extent = cast("Callable[[type[Extent], tuple[str, Storage, int, int]], Extent]", tuple.__new__)
