"""How bytes get from a storage into an open file: inside the kernel where it can, else through a buffer."""

from __future__ import annotations

import errno
import os
from copy import copy
from typing import TYPE_CHECKING

from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IsADirectoryEntryError,
    MappingError,
    MissingKeyError,
    NotADirectoryEntryError,
    OboromiFsError,
    ReadOnlyError,
)
from oboromi_fs.jobs.loosefile import LooseFile

if TYPE_CHECKING:
    from oboromi_fs.jobs.plan import Large, PlannedFile
    from oboromi_fs.protocols import Storage

__all__ = ["KernelCopy", "host_file", "read_exactly", "told", "write_at"]

_NO_KERNEL_COPY = (
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.EPERM,
    errno.EBADF,
    errno.ENOTSOCK,
    errno.ETXTBSY,
)


class KernelCopy:
    """Copies between host files without passing the bytes through this process, and remembers what the host cannot do."""

    __slots__ = ("_copy_range", "_sendfile")

    def __init__(self) -> None:
        self._copy_range = hasattr(os, "copy_file_range")
        self._sendfile = hasattr(os, "sendfile")

    @property
    def able(self) -> bool:
        """Whether it is worth trying."""
        return self._copy_range or self._sendfile

    def copy(self, large: Large, start: int, stop: int) -> int:
        """Copy as much as the kernel will; return how many bytes. What it refuses is left to the reading and writing that follows.

        Raises:
            MappingError: The source has become too short. Reading on would touch pages of the mapping that are gone.
        """
        source, target, origin = large.source, large.target, large.file.offset
        at = start
        try:
            while self._copy_range and at < stop:
                count = os.copy_file_range(source, target, stop - at, at, at - origin)
                if not count:
                    break
                at += count
        except OSError as error:
            self._copy_range = error.errno not in _NO_KERNEL_COPY
        if at < stop and self._sendfile:
            with large.lock:  # It writes at the descriptor's own position.
                try:
                    os.lseek(target, at - origin, os.SEEK_SET)
                    while at < stop and (count := os.sendfile(target, source, at, stop - at)):
                        at += count
                except OSError as error:
                    self._sendfile = error.errno not in _NO_KERNEL_COPY
        if at < stop:
            there = os.lseek(source, 0, os.SEEK_END)
            if there < stop:
                name = str(getattr(large.storage, "name", "")) or "the source"
                path = large.file.path
                raise MappingError(name, f"shrank while it was open: {path!r} needs {stop:#x} bytes of it, {there:#x} are left")
        return at - start


def host_file(storage: Storage) -> int:
    """A descriptor of our own for the host file that a storage is the whole of, unchanged; -1 where it is none.

    Raises:
        OboromiFsError, OSError: It is opened only now, and cannot be, or has changed.
    """
    if isinstance(storage, LooseFile):
        return storage.open()
    number = getattr(storage, "fileno", None)
    if number is None:
        return -1
    where, offset, stored = storage.place(0)
    if where is not storage or offset or stored != "plain":
        return -1
    try:
        return os.dup(number())
    except OSError:
        return -1


def write_at(large: Large, view: memoryview, at: int) -> None:
    """Write the whole view at that byte of the open file."""
    done = 0
    if hasattr(os, "pwrite"):
        while done < len(view):
            done += os.pwrite(large.target, view[done:], at + done)
        return
    with large.lock:  # Windows has no positional write.
        os.lseek(large.target, at, os.SEEK_SET)
        while done < len(view):
            done += os.write(large.target, view[done:])


def read_exactly(storage: Storage, offset: int, view: memoryview, file: PlannedFile) -> None:
    """Fill the view.

    Raises:
        CorruptError: The storage ends early.
        OboromiFsError, OSError: What the storage raises, with the file's path in its message.
    """
    try:
        count = storage.readinto_at(offset, view)
    except (OboromiFsError, OSError) as error:
        raise told(error, f"while extracting {file.path!r}", file.path).with_traceback(error.__traceback__) from error.__cause__
    if count != len(view):
        raise CorruptError(f"{file.path!r} ends early: {len(view)} bytes are needed, {count} are there", what=storage.kind, offset=offset)


def told(given: OboromiFsError | OSError, where: str, path: str) -> OboromiFsError | OSError:
    """Return (not raise) a copy of an error that says what was being done. Others may hold the error itself, and raise it again.

    Args:
        given: The error.
        where: What was being done, such as ``"while extracting 'a'"``.
        path: The path it was done to.
    """
    error = copy(given)
    if isinstance(error, FormatError):
        error.problem += f" ({where})"
    elif isinstance(error, MappingError):
        error.detail += f" ({where})"
    elif isinstance(error, MissingKeyError):
        error.why = f"{error.why} ({where})" if error.why else path
    elif isinstance(error, OSError) and error.filename is None:
        error.filename = path
    elif isinstance(error, EntryNotFoundError | NotADirectoryEntryError | IsADirectoryEntryError | ReadOnlyError):
        error.detail = f"{error.detail or error.strerror} ({where})"
    elif isinstance(error, OSError) and error.strerror:
        error.strerror += f" ({where})"
    error.__notes__ = [*getattr(given, "__notes__", ()), where]
    return error
