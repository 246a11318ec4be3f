"""A storage into a file: one pass from its first byte to its last, in large writes.

Plain bytes of large host files are copied inside the kernel where it can; small pieces of a composed image are put together in a buffer.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from oboromi_fs.base import WindowStorage
from oboromi_fs.errors import CorruptError, IsADirectoryEntryError, MappingError, OboromiFsError
from oboromi_fs.file import File
from oboromi_fs.storage._source import zero
from oboromi_fs.storage.composed import BULK, ComposedStorage
from oboromi_fs.storage.pieces import changed, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["Progress", "write_storage"]

Progress: TypeAlias = "Callable[[int, int, int, int], object]"
"""Called with bytes done, bytes in all, pieces done, pieces in all."""

BUFFER = 4 << 20
"""Bytes that are put together before they are written."""
_KERNEL_PIECE = 64 << 20
"""Bytes copied by one call to the kernel, so that progress shows and Ctrl-C is heard."""
_NO_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EBADF, errno.ETXTBSY)
_BY_POSITION = hasattr(os, "pread")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def write_storage(storage: Storage, target: int | str | bytes | os.PathLike[str] | BinaryIO, progress: Progress | None = None) -> int:
    """Write all bytes of a storage, in order.

    Args:
        storage: What to write. A :class:`~oboromi_fs.storage.composed.ComposedStorage` is written piece by piece.
        target: A file descriptor or a binary stream, written from where it stands; or a host path. A file at that path is written aside
            and renamed when it is complete, so that a failure leaves nothing and an older file as it was.
        progress: Called after each write.

    Returns:
        How many bytes were written: the size of the storage.

    Raises:
        MappingError: A piece changed or vanished; the message names it.
        OboromiFsError: A piece cannot be read; the message names it.
        OSError: The host refuses, such as for want of room.
    """
    if isinstance(target, int):
        _Pass(storage, target, None, progress).run()
    elif isinstance(target, str | bytes | os.PathLike):
        name = os.fsdecode(target)
        try:
            _write_file(storage, os.path.realpath(name), progress)
        except OSError as error:
            if error.filename is None or error.filename == os.path.realpath(name):  # What the user knows is what they said.
                error.filename = name
                del error.filename2
            raise
    else:
        _Pass(storage, -1, target, progress).run()
    return storage.size


def _write_file(storage: Storage, path: str, progress: Progress | None) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = 0
    if stat.S_ISDIR(mode):
        raise IsADirectoryEntryError(path)
    if mode and not stat.S_ISREG(mode):  # A device or a pipe cannot be replaced, and need not be.
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            _Pass(storage, descriptor, None, progress).run()
        finally:
            os.close(descriptor)
        return
    aside = os.path.join(os.path.dirname(path), f".oboromi-{os.urandom(12).hex()}.part")
    try:
        try:
            descriptor = os.open(aside, _CREATE, 0o666)
            try:
                _Pass(storage, descriptor, None, progress).run()
            finally:
                os.close(descriptor)
            os.replace(aside, path)
        except OSError as error:
            if error.filename in (None, aside):  # What the user knows is the file that was to be.
                error.filename = path
                del error.filename2
            raise
    except BaseException:
        _remove(aside)
        raise


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


class _Pass:
    """One pass over a storage."""

    def __init__(self, storage: Storage, descriptor: int, stream: BinaryIO | None, progress: Progress | None) -> None:
        self._storage = storage
        self._descriptor = descriptor
        self._stream = stream
        self._progress = progress
        self._done = self._pieces_done = 0
        self._pieces = len(storage.pieces) if isinstance(storage, ComposedStorage) else 1
        self._buffer = memoryview(bytearray(min(BUFFER, storage.size)))
        self._copy_range = stream is None and hasattr(os, "copy_file_range")
        self._sendfile = stream is None and hasattr(os, "sendfile")

    def run(self) -> None:
        self._pour(self._storage, counted=True)
        self._pieces_done = self._pieces
        self._report(0)

    def _report(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._storage.size, self._pieces_done, self._pieces)

    def _write(self, view: memoryview) -> None:
        count = len(view)
        while view:
            written = os.write(self._descriptor, view) if self._stream is None else self._stream.write(view)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, "the stream takes no more bytes and does not wait")
            view = view[written:]
        self._report(count)

    def _zeros(self, count: int) -> None:
        while count > 0:
            part = self._buffer[:count]
            zero(part)
            self._write(part)
            count -= len(part)

    def _pour(self, storage: Storage, *, counted: bool = False) -> None:
        """Write a storage whole, in the way that suits it."""
        if isinstance(storage, ComposedStorage):
            self._pour_pieces(storage, counted=counted)
        elif isinstance(storage, File) and _BY_POSITION:
            self._copy(storage, 0, storage.size)
        elif type(storage) is WindowStorage and isinstance(storage.parent, File) and _BY_POSITION:  # A subclass may change bytes.
            self._copy(storage.parent, storage.start, storage.start + storage.size)
        else:
            for start in range(0, storage.size, BUFFER):
                stop = min(start + BUFFER, storage.size)
                view = storage[start:stop]
                if len(view) != stop - start:
                    raise CorruptError(f"{stop - start} bytes are needed, {len(view)} could be read", what=storage.kind, offset=start)
                self._write(view)

    def _pour_pieces(self, storage: ComposedStorage, *, counted: bool) -> None:
        pieces = storage.pieces
        starts, ends = pieces.starts, pieces.ends
        position = index = 0
        while index < len(pieces):
            start = starts[index]
            stop = self._run(index, starts, ends, position)
            if stop > index:
                end = ends[stop - 1]
                part = self._buffer[: end - position]
                zero(part)
                pieces.read(index, stop, part, position)
                self._pieces_done += (stop - index) * counted
                self._write(part)
                position, index = end, stop
                continue
            self._zeros(start - position)
            position = start
            if ends[index] - start < BULK:
                continue  # Only the gap before it did not fit.
            piece = pieces.opened(index)
            try:
                self._pour(piece)
            except (OboromiFsError, OSError) as error:
                tell(error, pieces.path(index))
                raise
            position = ends[index]
            index += 1
            self._pieces_done += counted
        self._zeros(storage.size - position)

    def _run(self, index: int, starts: Sequence[int], ends: Sequence[int], position: int) -> int:
        """The end of the run of small pieces from ``index`` on that fit the buffer."""
        limit = position + len(self._buffer)
        while index < len(ends) and ends[index] <= limit and ends[index] - starts[index] < BULK:
            index += 1
        return index

    def _copy(self, file: File, start: int, stop: int) -> None:
        """Copy a run of a host file by position: reading the mapping of a file that shrinks would kill the process."""
        source = file.fileno()
        before = os.fstat(source)
        if before.st_size != file.size:
            raise changed(file.name, file.size, before.st_size)
        at = start
        while at < stop:
            count = self._copy_some(source, at, min(stop - at, _KERNEL_PIECE))
            if not count:
                there = os.fstat(source).st_size
                raise MappingError(file.name, f"shrank while it was read: {stop:#x} bytes of it are needed, {there:#x} are left")
            at += count
        after = os.fstat(source)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise MappingError(file.name, "changed while it was read")

    def _copy_some(self, source: int, at: int, count: int) -> int:
        """Copy up to ``count`` bytes, inside the kernel if it will; 0 at the end of the file."""
        if self._copy_range:
            try:
                copied = os.copy_file_range(source, self._descriptor, count, at)
            except OSError as error:
                if error.errno not in _NO_KERNEL_COPY:
                    raise
                self._copy_range = False
            else:
                if copied:
                    self._report(copied)
                    return copied
        if self._sendfile:
            try:
                copied = os.sendfile(self._descriptor, source, at, count)
            except OSError as error:
                if error.errno not in _NO_KERNEL_COPY:
                    raise
                self._sendfile = False
            else:
                if copied:
                    self._report(copied)
                    return copied
        data = os.pread(source, min(count, BUFFER), at)
        self._write(memoryview(data))
        return len(data)
