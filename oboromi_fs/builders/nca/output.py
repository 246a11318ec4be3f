"""Where an NCA is written to, by position: a file of its own, a part of another file, or memory."""

from __future__ import annotations

import errno
import os
from threading import Lock
from typing import Protocol

__all__ = ["FileOutput", "MemoryOutput", "Output"]


class Output(Protocol):
    """Takes and gives back bytes by position; any number of threads may write at once."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``."""

    def read(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with what was written."""


class FileOutput:
    """A file that is open for reading and writing.

    Args:
        number: Its descriptor.
        base: Where in it byte 0 lies.
    """

    def __init__(self, number: int, base: int = 0) -> None:
        self._number = number
        self._base = base
        self._lock = None if hasattr(os, "pwrite") else Lock()

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``.

        Raises:
            OSError: The host refuses, such as for want of room.
        """
        view, at = memoryview(data), self._base + offset
        while view:
            if self._lock is None:
                count = os.pwrite(self._number, view, at)
            else:  # Windows has no positional write: the cursor is shared.
                with self._lock:
                    os.lseek(self._number, at, os.SEEK_SET)
                    count = os.write(self._number, view)
            view = view[count:]
            at += count

    def read(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with what was written.

        Raises:
            OSError: The host refuses, or somebody cut the file off.
        """
        at = self._base + offset
        while target:
            count = self._read_some(at, target)
            if not count:
                raise OSError(errno.EIO, "the file was cut off while it was written")
            target = target[count:]
            at += count

    def _read_some(self, at: int, target: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._number, [target], at)
        if self._lock is None:
            data = os.pread(self._number, len(target), at)
        else:
            with self._lock:
                os.lseek(self._number, at, os.SEEK_SET)
                data = os.read(self._number, len(target))
        target[: len(data)] = data
        return len(data)


class MemoryOutput:
    """A run of memory.

    Args:
        size: Its bytes.
    """

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``."""
        self.data[offset : offset + len(data)] = data

    def read(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with what was written."""
        target[:] = memoryview(self.data)[offset : offset + len(target)]
