"""RomFS, the read-only file system image of programs, data and mods. Source: Switchbrew wiki, "RomFS".

Opening reads the header. A path costs a hash lookup per component on the tables as they lie in the image; only a walk over everything
loads the tables whole. Names are bytes; the tree hangs on 32-bit links inside two tables, every one of which an image may lie about.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, NamedTuple, cast

from oboromi_formats.romfs import NONE, ROMFS_HEADER, ROMFS_HEADER_NCA0, path_hash
from oboromi_fs._decode import decode, error
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

MAX_NAME = 0x300
"""Longest name taken, in bytes; the official limit for a whole path."""
MAX_PATH = 0x1000
"""Longest path a walk gives out, in bytes: five times the official limit, and a bound on what a hostile image can make of little."""
MAX_TABLE = 256 << 20
"""Largest table that is loaded whole, in bytes: room for some million entries. A sparse file could name one of gigabytes for nothing."""
_MAX_CHAIN = 64
"""Hash chains of a sound image have a few links; a longer one is served from an index of the directory instead."""

_DIRECTORY = struct.Struct("<6I")  # parent, sibling, first child, first file, next in bucket, name length
_FILE = struct.Struct("<IIQQII")  # parent, sibling, data offset, size, next in bucket, name length
_LONG_NAME = "a name of {:#x} bytes runs over the table, or over {:#x}"
_PEEK = 0x40  # An entry and a name of usual length, in one read.


class _Directory(NamedTuple):
    parent: int
    sibling: int
    child: int
    file: int
    bucket_next: int
    name: bytes


class _File(NamedTuple):
    parent: int
    sibling: int
    offset: int
    size: int
    bucket_next: int
    name: bytes


class _Table:
    """Entries of one metadata table: read singly at first, from one copy in memory once that is cheaper."""

    __slots__ = ("_fixed", "_loaded", "_read", "storage", "what")

    def __init__(self, storage: Storage, what: str, fixed: struct.Struct) -> None:
        self.storage = storage
        self.what = what
        self._fixed = fixed
        self._loaded: bytes | None = None
        self._read = 0

    @property
    def limit(self) -> int:
        """The most entries the table can hold."""
        return self.storage.size // self._fixed.size + 1

    def load(self) -> bytes:
        if self._loaded is None:
            if self.storage.size > MAX_TABLE:
                raise self.corrupt(0, f"a table of {self.storage.size:#x} bytes is more than any image needs", "size")
            self._loaded = self.storage[:].tobytes()
        return self._loaded

    def corrupt(self, offset: int, problem: str, field: str) -> CorruptError:
        return error(
            CorruptError, problem, what=f"RomFS {self.what} entry", storage=self.storage, offset=min(offset, self.storage.size), field=field
        )

    def fields(self, offset: int) -> tuple[tuple[int, ...], bytes]:
        """The fixed fields of the entry at ``offset``, and its name."""
        fixed = self._fixed.size
        loaded = self._loaded  # The usual case, and what listing a whole image spends its time on.
        if loaded is not None and not offset % 4 and offset + fixed <= len(loaded):
            values = self._fixed.unpack_from(loaded, offset)
            start, length = offset + fixed, values[-1]
            if length <= MAX_NAME and start + length <= len(loaded):
                return values, loaded[start : start + length]
        if offset % 4 or offset + fixed > self.storage.size:
            raise self.corrupt(
                offset, f"link {offset:#x} is outside the table of {self.storage.size:#x} bytes, or not a multiple of 4", "offset"
            )
        data: bytes | memoryview
        if self._loaded is None and self._read > self.storage.size:
            self.load()
        if self._loaded is not None:
            data, base = self._loaded, offset
        else:
            data, base = self.storage[offset : offset + _PEEK], 0
            self._read += _PEEK
        values = self._fixed.unpack_from(data, base)
        length = values[-1]
        if length > MAX_NAME or offset + fixed + length > self.storage.size:
            raise self.corrupt(offset, _LONG_NAME.format(length, MAX_NAME), "name_length")
        if base + fixed + length > len(data):
            data, base = self.storage[offset : offset + fixed + length], 0
        return values, bytes(data[base + fixed : base + fixed + length])


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
        for index, (name, least) in enumerate((("dir_hash", 0), ("dir_table", _DIRECTORY.size), ("file_hash", 0), ("file_table", 0))):
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
        self._dirs = _Table(dirs, "directory", _DIRECTORY)
        self._files = _Table(files, "file", _FILE)
        self._strays = 0
        self._index: dict[int, tuple[dict[bytes, int], dict[bytes, int]]] = {}

    # Entries

    def _directory(self, offset: int) -> _Directory:
        values, name = self._dirs.fields(offset)
        parent, sibling, child, file, bucket_next, _ = values
        return _Directory(parent, sibling, child, file, bucket_next, name)

    def _file(self, offset: int) -> _File:
        values, name = self._files.fields(offset)
        parent, sibling, start, size, bucket_next, _ = values
        return _File(parent, sibling, start, size, bucket_next, name)

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

    def _subdirectories(self, directory: int) -> Iterator[tuple[int, _Directory]]:
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

    def _files_of(self, directory: int) -> Iterator[tuple[int, _File]]:
        offset = self._directory(directory).file
        fields = self._files.fields
        for _ in range(self._files.limit):
            if offset == NONE:
                return
            (parent, sibling, start, size, bucket_next, _), name = fields(offset)
            if parent != directory:  # Builders have been careless here; but a chain that many directories share is no tree.
                self._strays += 1
                if self._strays > self._files.limit:
                    raise self._dirs.corrupt(directory, "shares its chain of files with other directories", "first_file")
            yield offset, _new_file(_File, (parent, sibling, start, size, bucket_next, name))
            offset = sibling
        raise self._dirs.corrupt(directory, "its chain of files loops", "first_file")

    def _lookup(self, path: str) -> int | _File:
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

    def _find_hashed(self, parent: int, name: bytes) -> _File | None:
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
        if isinstance(found, _File):
            raise NotADirectoryEntryError(path)
        entries: dict[str, DirEntry] = {}
        for _, child in self._subdirectories(found):
            name = decode_name(child.name)
            entries.setdefault(name, DirEntry(name, "directory", 0))
        files: dict[str, DirEntry] = {}
        for _, file in self._files_of(found):
            name = decode_name(file.name)
            files.setdefault(name, _new_entry(DirEntry, (name, "file", file.size)))
        return list((entries | files).values())  # Of a directory and a file with one name the file counts, as in _lookup.

    def _metadata(self, path: str) -> Metadata:
        found = self._lookup(path)
        return Metadata("file", found.size) if isinstance(found, _File) else Metadata("directory", 0)

    def _storage(self, path: str) -> Storage:
        found = self._lookup(path)
        if not isinstance(found, _File):
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
        dirs, files = _words(self._dirs.load()), _words(self._files.load())
        dir_bytes, file_bytes = self._dirs.load(), self._files.load()
        dirs_left, files_left = self._dirs.limit, self._files.limit
        dirs_end, files_end = len(dir_bytes) - _DIRECTORY.size, len(file_bytes) - _FILE.size
        pending: list[tuple[int, str, str]] = [(top, "", "")]  # Long paths are put together late: a wide directory holds its own once.
        while pending:
            at, path, own = pending.pop()
            path = f"{path}/{own}" if path else own
            if at != top and (not own or "/" in own):
                yield path, own, []
                continue
            word = at >> 2
            child, file = dirs[word + 2], dirs[word + 3]
            below: dict[str, int] = {}
            while child != NONE:
                dirs_left -= 1
                if child & 3 or child > dirs_end or not dirs_left:
                    raise self._dirs.corrupt(child, "its link is outside the table, or chains of directories loop", "sibling")
                word = child >> 2
                if dirs[word] != at or not child:
                    raise self._stray(child, dirs[word], at)
                length = dirs[word + 5]
                start = child + _DIRECTORY.size
                if length > MAX_NAME or start + length > len(dir_bytes):
                    raise self._dirs.corrupt(
                        child, f"a name of {length:#x} bytes runs over the table, or over {MAX_NAME:#x}", "name_length"
                    )
                name = str(dir_bytes[start : start + length], "utf-8", "surrogateescape")
                below.setdefault(name, child)
                child = dirs[word + 1]
            found: list[tuple[str, int, int]] = []
            while file != NONE:
                files_left -= 1
                if file & 3 or file > files_end or not files_left:
                    raise self._files.corrupt(file, "its link is outside the table, or chains of files loop", "sibling")
                word = file >> 2
                length = files[word + 7]
                start = file + 0x20
                if length > MAX_NAME or start + length > len(file_bytes):
                    raise self._files.corrupt(
                        file, f"a name of {length:#x} bytes runs over the table, or over {MAX_NAME:#x}", "name_length"
                    )
                name = str(file_bytes[start : start + length], "utf-8", "surrogateescape")
                found.append((name, files[word + 2] | files[word + 3] << 32, files[word + 4] | files[word + 5] << 32))
                file = files[word + 1]
            names = {name for name, _, _ in found}
            if len(names) < len(found):  # A name twice: the first counts, as in a listing.
                found = list({name: (name, start, size) for name, start, size in reversed(found)}.values())[::-1]
            yield path, own, found
            for name, child in reversed(below.items()):
                if len(path) + len(name) > MAX_PATH:
                    raise self._dirs.corrupt(child, f"the path is longer than {MAX_PATH} characters", "parent")
                if name not in names:
                    pending.append((child, path, name))

    def _top(self, path: PathType) -> int:
        canonical = normalise(path)
        found = self._lookup(canonical)
        if isinstance(found, _File):
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
_new_file = cast("Callable[[type[_File], tuple[int, int, int, int, int, bytes]], _File]", tuple.__new__)
_new_extent = cast("Callable[[type[Extent], tuple[str, Storage, int, int]], Extent]", tuple.__new__)


def _words(table: bytes) -> memoryview | list[int]:
    """The table as unsigned 32-bit little-endian numbers."""
    whole = memoryview(table)[: len(table) & ~3]
    if sys.byteorder == "little":
        return whole.cast("I")
    return list(struct.unpack(f"<{len(whole) // 4}I", whole))
