"""Spots: entries of a host folder that are reached through open directories, so that no symbolic link can lead out of it."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.overlay.markers import is_whiteout
from oboromi_fs.paths import split

if TYPE_CHECKING:
    from typing import Literal, Self, TypeAlias

    Standing: TypeAlias = Literal["", "file", "directory", "whiteout", "other"]

__all__ = ["Spot"]

_BY_DIRECTORY = {os.open, os.mkdir, os.stat, os.unlink, os.rmdir, os.rename} <= os.supports_dir_fd
"""Whether calls can be made relative to an open directory."""
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Spot:
    """A name in a directory below a host folder; there need be nothing of that name.

    Calls of :mod:`os` take ``spot.at(name)`` as the path and ``spot.fd`` as its ``dir_fd`` (None where the host has no such thing), where
    ``name`` may be any other name in the same directory.

    Args:
        root: The folder. Links in it are followed: it is the user's own word.
        path: Canonical path below it; the directory it is in must be there.

    Raises:
        UnsafePathError: A symbolic link, or something else that is no directory, is on the way.
        OSError: The host cannot open a directory on the way.
    """

    __slots__ = ("_prefix", "fd", "host", "name", "path")

    def __init__(self, root: str, path: str) -> None:
        parent, self.name = split(path)
        self.path = path
        self.host = os.path.join(root, *path.split("/"))
        self.fd: int | None = None
        self._prefix = "" if _BY_DIRECTORY else os.path.join(root, "")
        if _BY_DIRECTORY:
            self.fd = os.open(root, _DIRECTORY)
        try:
            for name in parent.split("/") if parent else ():
                self._enter(name)
        except BaseException:
            self.close()
            raise

    def _enter(self, name: str) -> None:
        if self.fd is None:
            if not stat.S_ISDIR(os.lstat(self.at(name)).st_mode):
                raise UnsafePathError(self.path, f"{name!r} on the way to it is no directory of its own in the upper layer")
            self._prefix = os.path.join(self.at(name), "")
            return
        try:
            inner = os.open(name, _DIRECTORY | _NO_FOLLOW, dir_fd=self.fd)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):  # How hosts say that it is a link.
                raise UnsafePathError(self.path, f"{name!r} on the way to it is no directory of its own in the upper layer") from None
            raise
        outer, self.fd = self.fd, inner
        os.close(outer)

    def at(self, name: str) -> str:
        """What to call an entry of this directory when asking the host."""
        return self._prefix + name

    def stat(self, name: str = "") -> os.stat_result | None:
        """What the host knows of an entry, this one by default, a link not followed; None if there is none."""
        try:
            return os.stat(self.at(name or self.name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def standing(self) -> Standing:
        """What is here; ``"whiteout"`` is one of overlayfs, ``"other"`` what no listing shows as it is: a link, a socket."""
        found = self.stat()
        if found is None:
            return ""
        if stat.S_ISDIR(found.st_mode):
            return "directory"
        if is_whiteout(self.host, found):
            return "whiteout"
        return "file" if stat.S_ISREG(found.st_mode) else "other"

    def open_directory(self) -> int:
        """Open the directory this entry is in, or name it by a path where the host opens none, as calls on directories take it."""
        return os.open(self._prefix or ".", _DIRECTORY) if self.fd is None else os.dup(self.fd)

    def close(self) -> None:
        """Give the directory back. Closing twice is harmless."""
        if self.fd is not None:
            number, self.fd = self.fd, None
            os.close(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
