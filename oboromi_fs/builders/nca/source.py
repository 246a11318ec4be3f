"""Reading the images once, and noticing when they change while that lasts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.base import WindowStorage
from oboromi_fs.errors import MappingError
from oboromi_fs.file import File
from oboromi_fs.storage._source import fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.protocols import Storage

__all__ = ["Reader", "Watch"]

_BY_POSITION = hasattr(os, "preadv")
_MANY = 4096
"""Storages looked at for files behind them; an image of more opens its files as it is read, and looks at their sizes itself."""


class Reader:
    """Reads a storage by position; host files past their mapping, whose pages may go while they are read.

    Args:
        storage: What to read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._file: File | None = None
        self._start = 0
        if _BY_POSITION:
            if isinstance(storage, File):
                self._file = storage
            elif type(storage) is WindowStorage and isinstance(storage.parent, File):
                self._file, self._start = storage.parent, storage.start

    def read(self, offset: int, target: memoryview) -> None:
        """Fill ``target``.

        Raises:
            MappingError: The file has become too short.
            OboromiFsError, OSError: It cannot be read.
        """
        file = self._file
        if file is None:
            fill(self._storage, offset, target)
            return
        number, at = file.fileno(), self._start + offset
        while target:
            count = os.preadv(number, [target], at)
            if not count:
                there = os.fstat(number).st_size
                raise MappingError(file.name, f"shrank while it was read: byte {at:#x} is needed, {there:#x} bytes are left")
            target = target[count:]
            at += count


class _State(NamedTuple):
    file: File
    size: int
    mtime_ns: int


class Watch:
    """Host files that storages read from, as they were when this was made.

    Args:
        storages: The storages.

    Raises:
        MappingError: A file does not have the size it was opened with.
    """

    def __init__(self, storages: Iterable[Storage]) -> None:
        self._states: list[_State] = []
        pending, seen = list(storages), set[int]()
        while pending and len(seen) < _MANY:
            storage = pending.pop()
            if id(storage) in seen:
                continue
            seen.add(id(storage))
            if isinstance(storage, File):
                found = os.fstat(storage.fileno())
                self._states.append(_State(storage, found.st_size, found.st_mtime_ns))
            pending += storage.sources
        self._compare_sizes()

    def _compare_sizes(self) -> None:
        for file, size, _ in self._states:
            if size != file.size:
                raise MappingError(file.name, f"changed: it had {file.size} bytes when it was opened, and has {size}")

    def check(self) -> None:
        """Look again.

        Raises:
            MappingError: A file has another size or time than before.
        """
        for file, size, mtime_ns in self._states:
            now = os.fstat(file.fileno())
            if now.st_size != size:
                raise MappingError(file.name, f"changed while it was read: it had {size} bytes, and has {now.st_size}")
            if now.st_mtime_ns != mtime_ns:
                raise MappingError(file.name, "changed while it was read")
