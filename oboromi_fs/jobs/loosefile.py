"""Loose files: host files that are planned by the hundred thousand, and open only while they are read."""

from __future__ import annotations

import os
import stat
from io import FileIO
from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import EntryNotFoundError, MappingError
from oboromi_fs.jobs.linking import open_source

if TYPE_CHECKING:
    from typing import Self

__all__ = ["LooseFile"]


class LooseFile(StorageBase):
    """A host file as it was when it was planned. One that was changed since is an error, not other bytes.

    Args:
        path: The host file.
        size: Its size in bytes.
        mtime_ns: When it was last changed, in nanoseconds.
    """

    __slots__ = ("mtime_ns", "name")
    kind = "File"

    def __init__(self, path: str, size: int, mtime_ns: int) -> None:
        self.name = path
        self.mtime_ns = mtime_ns
        self._size = size

    @classmethod
    def found(cls, path: str, found: os.stat_result) -> Self:
        """Return the file that a ``stat`` is of."""
        return cls(path, found.st_size, found.st_mtime_ns)

    def open(self) -> int:
        """Return a descriptor that the caller is to close.

        Raises:
            EntryNotFoundError: It is gone.
            MappingError: It was changed.
            OSError: The host refuses.
        """
        try:
            number = open_source(self.name)
        except FileNotFoundError:
            raise EntryNotFoundError(self.name, "it was there when the work was planned, and is gone") from None
        try:
            self._check(os.fstat(number))
        except BaseException:
            os.close(number)
            raise
        return number

    def check(self) -> None:
        """See that it is as it was, for who will not read it.

        Raises:
            EntryNotFoundError: It is gone.
            MappingError: It was changed, or something else has taken its place.
        """
        try:
            found = os.stat(self.name, follow_symlinks=False)
        except FileNotFoundError:
            raise EntryNotFoundError(self.name, "it was there when the work was planned, and is gone") from None
        self._check(found)

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or (found.st_size, found.st_mtime_ns) != (self._size, self.mtime_ns):
            raise MappingError(self.name, "was changed since the work was planned")

    def _readinto(self, offset: int, target: memoryview) -> None:
        with FileIO(self.open()) as file:
            file.seek(offset)
            done = 0
            while done < len(target):
                count = file.readinto(target[done:])
                if not count:
                    raise MappingError(
                        self.name, f"shrank while it was read: {len(target)} bytes at {offset:#x} are needed, {done} are there"
                    )
                done += count
