"""Links: files made from host files without copying their bytes, and what a copy keeps of the file it was made from."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError

if TYPE_CHECKING:
    from oboromi_fs.jobs.plan import Attributes, Link

__all__ = ["can_reflink", "make_link", "open_source", "set_attributes", "share"]

_FICLONE = 0x40049409
"""The request of Linux that lets one file share all blocks of another."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# O_NONBLOCK: a pipe that came to be where a file was must not make us wait.
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_CANNOT = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.ENOTTY,
    errno.EINVAL,
    errno.ETXTBSY,
)
"""How hosts say that they will not link these two, though both can be there."""


def open_source(path: str) -> int:
    """Open a host file for reading; return its descriptor."""
    return os.open(path, _READ)


def share(source: int, target: int) -> bool:
    """Let an open, empty file share the blocks of another, to be copied when either is written. Whether the host did."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


def can_reflink(folder: str, source: str) -> bool:
    """Whether a file in a host folder can share the blocks of another. Tried on a file that has no name and is gone at once."""
    nameless = getattr(os, "O_TMPFILE", 0)
    if not nameless:
        return False
    try:
        there = open_source(source)
        try:
            here = os.open(folder, os.O_RDWR | os.O_CLOEXEC | nameless, 0o600)
            try:
                return share(there, here)
            finally:
                os.close(here)
        finally:
            os.close(there)
    except OSError:
        return False


def make_link(link: Link, fd: int | None) -> bool:
    """Make a link.

    Args:
        link: What to make.
        fd: The ``dir_fd`` that the ``rel`` of its directory is relative to.

    Returns:
        Whether it was made; False where the host will not have such a link, and nothing is there.

    Raises:
        OSError: The host refuses the name.
        EntryNotFoundError: The source is gone.
    """
    path = link.directory.rel + link.name
    if link.how == "symlink":
        os.symlink(link.source, path, dir_fd=fd)
        return True
    if link.how == "reflink":
        return _reflink(link, path, fd)
    try:
        os.link(link.source, path, dst_dir_fd=fd, follow_symlinks=os.name == "nt")
    except FileNotFoundError:
        raise _gone(link) from None
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


def _gone(link: Link) -> EntryNotFoundError:
    return EntryNotFoundError(link.source, f"it was there when {link.directory.join(link.name)!r} was planned, and is gone")


def _reflink(link: Link, path: str, fd: int | None) -> bool:
    try:
        there = open_source(link.source)
    except FileNotFoundError:
        raise _gone(link) from None
    try:
        here = os.open(path, _CREATE, 0o666, dir_fd=fd)
        shared = False
        try:
            shared = share(there, here)
        finally:
            os.close(here)
            if not shared:
                with suppress(FileNotFoundError):
                    os.unlink(path, dir_fd=fd)
    finally:
        os.close(there)
    return shared


def set_attributes(attributes: Attributes, fd: int | None) -> None:
    """Give a file that was written the time of the one it was made from, and the right to be executed."""
    path = attributes.directory.rel + attributes.name
    if attributes.executable and os.name != "nt":
        mode = stat.S_IMODE(os.stat(path, dir_fd=fd).st_mode)
        os.chmod(path, mode | (mode & 0o444) >> 2, dir_fd=fd)
    os.utime(path, ns=(attributes.mtime_ns, attributes.mtime_ns), dir_fd=fd)
