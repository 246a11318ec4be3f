"""A host file written aside and renamed when it is complete: a failure leaves nothing, and an older file as it was."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Aside", "written_aside"]

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Aside:
    """A file in the making.

    Attributes:
        number: Its descriptor, for reading and writing.
        path: Where it will be; may be changed as long as the folder stays.
    """

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path


@contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Aside]:
    """Give a new file; put it in place at the end, or remove it if the body raises.

    Args:
        path: Where it is to be, through links. For a folder the body must say what it is to be called in it.

    Raises:
        OSError: The host refuses, or a device or pipe has this name, into which nothing can be written by position; the error names
            ``path``.
    """
    target = os.fspath(path)
    if os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target):
        raise OSError(errno.EINVAL, "is a device, pipe or socket; a file is needed, which is put in place when it is complete", target)
    folder = target if os.path.isdir(target) else os.path.dirname(os.path.realpath(target))
    aside = os.path.join(folder, f".oboromi-{os.urandom(12).hex()}.part")
    try:
        try:
            number = os.open(aside, _CREATE, 0o666)
            try:
                file = Aside(number, target)
                yield file
            finally:
                os.close(number)
            os.replace(aside, os.path.realpath(file.path))
        except OSError as error:
            if error.filename in (None, aside):  # What the user knows is the file that was to be.
                error.filename = target
                del error.filename2
            raise
    except BaseException:
        if os.path.lexists(aside):
            os.unlink(aside)
        raise
