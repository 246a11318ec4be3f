"""The two tables of a RomFS image: entries of directories and of files, read singly or from one copy in memory."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs._decode import error
from oboromi_fs.errors import CorruptError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["DIRECTORY", "FILE", "LONG_NAME", "MAX_NAME", "MAX_TABLE", "Budget", "DirectoryRow", "FileRow", "Table"]

MAX_NAME = 0x300
"""Longest name taken, in bytes; the official limit for a whole path."""
MAX_TABLE = 256 << 20
"""Largest table that is loaded whole, in bytes: room for some million entries. A sparse file could name one of gigabytes for nothing."""

DIRECTORY = struct.Struct("<6I")
"""parent, sibling, first child, first file, next in bucket, name length"""
FILE = struct.Struct("<IIQQII")
"""parent, sibling, data offset, size, next in bucket, name length"""
LONG_NAME = "a name of {:#x} bytes runs over the table, or over {:#x}"
_PEEK = 0x40
"""An entry and a name of usual length, in one read."""
_WORTH_LOADING = 4
"""A table is loaded once this part of it was read singly: that takes longer than reading it all."""


class DirectoryRow(NamedTuple):
    """A directory. ``parent``, ``sibling`` and ``child`` are offsets of directories, ``file`` of its first file; ``0xFFFFFFFF``: none."""

    parent: int
    sibling: int
    child: int
    file: int
    bucket_next: int
    name: bytes


class FileRow(NamedTuple):
    """A file. ``parent`` is the offset of its directory, ``sibling`` of the next file; ``offset`` counts from the data of the image."""

    parent: int
    sibling: int
    offset: int
    size: int
    bucket_next: int
    name: bytes


class Budget:
    """How many more entries of the tables there can be: a walk that meets more goes in circles, or meets the same ones again and again."""

    __slots__ = ("dirs", "files")

    def __init__(self, dirs: int, files: int) -> None:
        self.dirs = dirs
        self.files = files


class Table:
    """Entries of one metadata table: read singly at first, from one copy in memory once that is cheaper."""

    __slots__ = ("_fixed", "_loaded", "_read", "_words", "storage", "what")

    def __init__(self, storage: Storage, what: str, fixed: struct.Struct) -> None:
        self.storage = storage
        self.what = what
        self._fixed = fixed
        self._loaded: bytes | None = None
        self._words: memoryview | list[int] | None = None
        self._read = 0

    @property
    def is_loaded(self) -> bool:
        """Whether the table is in memory, because much of it was read."""
        return self._loaded is not None

    @property
    def limit(self) -> int:
        """The most entries the table can hold."""
        return self.storage.size // self._fixed.size + 1

    def load(self) -> bytes:
        """The whole table, read once.

        Raises:
            CorruptError: It is larger than any image needs.
        """
        if self._loaded is None:
            if self.storage.size > MAX_TABLE:
                raise self.corrupt(0, f"a table of {self.storage.size:#x} bytes is more than any image needs", "size")
            self._loaded = self.storage[:].tobytes()
        return self._loaded

    def words(self) -> memoryview | list[int]:
        """The table as unsigned 32-bit little-endian numbers."""
        if self._words is None:
            data = self.load()
            whole = memoryview(data)[: len(data) & ~3]
            self._words = whole.cast("I") if sys.byteorder == "little" else list(struct.unpack(f"<{len(whole) // 4}I", whole))
        return self._words

    def corrupt(self, offset: int, problem: str, field: str) -> CorruptError:
        """Return the error for an entry that is wrong.

        Args:
            offset: Where in the table.
            problem: What is wrong.
            field: The field that is.
        """
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
        if self._loaded is None and self._read > self.storage.size // _WORTH_LOADING:
            self.load()
        if self._loaded is not None:
            data, base = self._loaded, offset
        else:
            data, base = self.storage[offset : offset + _PEEK], 0
            self._read += _PEEK
        values = self._fixed.unpack_from(data, base)
        length = values[-1]
        if length > MAX_NAME or offset + fixed + length > self.storage.size:
            raise self.corrupt(offset, LONG_NAME.format(length, MAX_NAME), "name_length")
        if base + fixed + length > len(data):
            data, base = self.storage[offset : offset + fixed + length], 0
        return values, bytes(data[base + fixed : base + fixed + length])
