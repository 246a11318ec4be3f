"""A place in a host directory tree that is moved one name at a time, and that no symbolic link can lead astray.

Everything is done relative to an open directory, so that neither the length of the path nor a directory that somebody swaps for a link
matters. Where the host has no such calls (Windows), the same code works on full paths.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DIRECTORY_FLAGS", "Cursor", "Found"]

Found: TypeAlias = Literal["", "file", "directory", "link", "other"]

HAS_DIR_FD = {os.open, os.mkdir, os.stat, os.unlink, os.rmdir, os.rename, os.link} <= os.supports_dir_fd and os.scandir in os.supports_fd
"""Whether calls can be made relative to an open directory."""

DIRECTORY_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NAME_SURROGATE = 0x20000000
"""Bit of a Windows reparse tag: the entry stands for another one, as links and junctions do."""


class Cursor:
    """A directory of the host, which :meth:`down`, :meth:`up` and :meth:`goto` move below the one it started at.

    Calls of :mod:`os` take ``cursor.at(name)`` as the path and ``cursor.fd`` as its ``dir_fd`` (None where the host has no such thing).
    However deep it goes, one descriptor is open.

    Args:
        path: The directory to start at. Links in it are followed: it is the user's own word.

    Raises:
        OSError: The host cannot open it as a directory.
    """

    __slots__ = ("_above", "_identity", "fd", "names", "prefix")

    def __init__(self, path: str) -> None:
        self.names: list[str] = []
        self._above: list[tuple[int, int]] = []
        self.fd: int | None = None
        self.prefix = ""
        if HAS_DIR_FD:
            self.fd = os.open(path, DIRECTORY_FLAGS)
            self._identity = _identity(self.fd)
        else:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            self.prefix = os.path.join(path, "")
            self._identity = (0, 0)

    def copy(self) -> Cursor:
        """Return another cursor on the same directory, which becomes its top."""
        made = Cursor.__new__(Cursor)
        made.names, made._above, made._identity = [], [], self._identity  # noqa: SLF001  # Its own class.
        made.prefix = self.prefix
        made.fd = os.dup(self.fd) if self.fd is not None else None
        return made

    def at(self, name: str) -> str:
        """What to call an entry of this directory when asking the host."""
        return self.prefix + name

    def stat(self, name: str) -> os.stat_result | None:
        """What the host knows of an entry, a link not followed; None if there is none, or if there can be none of that name."""
        try:
            return os.lstat(self.at(name), dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                return None
            raise

    def find(self, name: str) -> Found:
        """What an entry is; ``""`` if there is none."""
        found = self.stat(name)
        if found is None:
            return ""
        if stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) & _NAME_SURROGATE:
            return "link"
        return "directory" if stat.S_ISDIR(found.st_mode) else "file" if stat.S_ISREG(found.st_mode) else "other"

    def down(self, name: str) -> None:
        """Enter a directory.

        Raises:
            UnsafePathError: It is a link, or no directory.
        """
        if self.fd is None:
            if self.find(name) != "directory":
                raise UnsafePathError(self.at(name), "is not a directory of its own")
            self.prefix = os.path.join(self.prefix + name, "")
            self.names.append(name)
            return
        try:
            inner = os.open(name, DIRECTORY_FLAGS | _NO_FOLLOW, dir_fd=self.fd)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):  # How hosts say that it is a link.
                raise UnsafePathError("/".join([*self.names, name]), "is not a directory of its own") from None
            raise
        above, self._identity = self._identity, _identity(inner)
        self._above.append(above)
        self.names.append(name)
        outer, self.fd = self.fd, inner
        os.close(outer)

    def up(self) -> None:
        """Leave the directory last entered.

        Raises:
            UnsafePathError: It was moved meanwhile, so that its parent is another one.
        """
        name = self.names[-1]
        if self.fd is None:
            self.prefix = self.prefix[: -len(name) - 1]
            self.names.pop()
            return
        outer = os.open("..", DIRECTORY_FLAGS, dir_fd=self.fd)
        if _identity(outer) != self._above[-1]:
            os.close(outer)
            raise UnsafePathError("/".join(self.names), "was moved while it was in use")
        self._identity = self._above.pop()
        self.names.pop()
        inner, self.fd = self.fd, outer
        os.close(inner)

    def goto(self, names: Sequence[str]) -> None:
        """Move to the directory with these components below the top."""
        shared = 0
        for mine, wanted in zip(self.names, names, strict=False):
            if mine != wanted:
                break
            shared += 1
        while len(self.names) > shared:
            self.up()
        for name in names[shared:]:
            self.down(name)

    def remove(self, name: str) -> None:
        """Remove an entry and everything below it, links as links. Nothing there is as good."""
        found = self.find(name)
        if not found:
            return
        if found != "directory":
            os.unlink(self.at(name), dir_fd=self.fd)
            return
        self.down(name)
        pending = [self._sweep()]
        while pending:
            if pending[-1]:
                self.down(pending[-1].pop())
                pending.append(self._sweep())
                continue
            pending.pop()
            emptied = self.names[-1]
            self.up()
            os.rmdir(self.at(emptied), dir_fd=self.fd)

    def _sweep(self) -> list[str]:
        """Unlink everything in this directory but directories, whose names are returned."""
        directories: list[str] = []
        files: list[str] = []
        with os.scandir(self.prefix if self.fd is None else self.fd) as entries:
            for entry in entries:
                (directories if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        for name in files:
            os.unlink(self.at(name), dir_fd=self.fd)
        return directories

    def close(self) -> None:
        """Give the descriptor back. Closing twice is harmless."""
        if self.fd is not None:
            number, self.fd = self.fd, None
            os.close(number)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
