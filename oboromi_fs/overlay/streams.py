"""Streams that write: a file of a union in the making, which takes its place when it is closed."""

from __future__ import annotations

import errno
import io
import os
from operator import index
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import ClosedError, OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Buffer

    from oboromi_fs.overlay.parts import Part
    from oboromi_fs.protocols import Storage

__all__ = ["OpenMode", "WritableFile", "open_mode"]

_LARGEST = (1 << 63) - 1


class OpenMode(NamedTuple):
    """What a stream is opened for. ``kind`` is ``"r"``, ``"w"``, ``"x"`` or ``"a"``."""

    kind: str
    updates: bool

    @property
    def writes(self) -> bool:
        """Whether the file may change."""
        return self.updates or self.kind != "r"

    def __str__(self) -> str:
        return f"{self.kind}{'+' * self.updates}b"


def open_mode(text: str) -> OpenMode:
    """Return a mode of ``open()``, for bytes.

    Raises:
        ValueError: It is none.

    Example:
        >>> open_mode("rb+")
        OpenMode(kind='r', updates=True)
    """
    letters = sorted(text.replace("b", "", 1).replace("+", "", 1))
    if len(letters) != 1 or letters[0] not in "rwxa" or "b" not in text:
        message = f"mode must be 'rb', 'wb', 'xb' or 'ab', with or without '+', not {text!r}"
        raise ValueError(message)
    return OpenMode(letters[0], "+" in text)


class WritableFile(io.RawIOBase):
    """A file of a union, opened for writing.

    What is written goes to a copy, which is made when it is needed first. Closing puts it in place: until then, whoever opens the file
    sees the old bytes, and who opened it before sees them as long as they like. Leaving a ``with`` block by an exception, or a write that
    failed, gives the copy up, and the file stays as it was.

    Args:
        name: What ``.name`` says; the path in the union.
        mode: What it is opened for.
        storage: The bytes it begins with; None for a file that begins empty, and is written even if nothing is.
        begin: Makes a copy of a storage, or an empty file.
        finish: Puts it in place.
    """

    def __init__(
        self, name: str, mode: OpenMode, storage: Storage | None, begin: Callable[[Storage | None], Part], finish: Callable[[Part], None]
    ) -> None:
        super().__init__()
        self.name = name
        self.mode = str(mode)
        self._kind = mode
        self._storage = storage
        self._begin = begin
        self._finish = finish
        self._position = 0
        self._failed = False
        self._part: Part | None = None
        if storage is None:
            self._part = begin(None)
        elif mode.kind == "a":
            self._position = storage.size

    @property
    def size(self) -> int:
        """Length in bytes, as far as it is written."""
        self._open()
        if self._part is not None:
            return os.fstat(self._part.number).st_size
        return self._storage.size if self._storage is not None else 0

    def _open(self) -> None:
        if self.closed:
            raise ClosedError(f"I/O operation on closed file {self.name!r}")

    def readable(self) -> bool:
        """Whether the mode has a ``+``."""
        self._open()
        return self._kind.updates

    def writable(self) -> bool:
        """Always true."""
        self._open()
        return True

    def seekable(self) -> bool:
        """Always true."""
        self._open()
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from the cursor on; return how many bytes there were.

        Raises:
            io.UnsupportedOperation: The mode has no ``+``.
        """
        if not self.readable():
            raise io.UnsupportedOperation("not readable")
        if self._part is None:
            count = self._storage.readinto_at(self._position, buffer) if self._storage is not None else 0
        else:
            target = memoryview(buffer).cast("B")
            os.lseek(self._part.number, self._position, os.SEEK_SET)
            data = os.read(self._part.number, len(target))
            count = len(data)
            target[:count] = data
        self._position += count
        return count

    def write(self, buffer: Buffer, /) -> int:
        """Write all of ``buffer`` at the cursor, or at the end where the mode is ``a``; a gap before it is filled with zeros.

        Raises:
            OSError: The host refuses. The file will stay as it was.
        """
        self._open()
        view = memoryview(buffer).cast("B")
        if not view:
            return 0
        part = self._changing()
        if self._kind.kind == "a":
            self._position = self.size
        if self._position + len(view) > _LARGEST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self.name)
        try:
            os.lseek(part.number, self._position, os.SEEK_SET)
            rest = view
            while rest:
                rest = rest[os.write(part.number, rest) :]
        except BaseException as error:
            self._failed = True
            name_in(error, self.name)
            raise
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut the file, or fill it with zeros, to a size: by default where the cursor is, which does not move.

        Raises:
            OSError: The size is negative, or the host refuses.
        """
        self._open()
        length = checked_size(self._position if size is None else index(size), self.name)
        part = self._changing()
        try:
            os.ftruncate(part.number, length)
        except BaseException as error:
            self._failed = True
            name_in(error, self.name)
            raise
        return length

    def _changing(self) -> Part:
        if self._part is None:
            self._part = self._begin(self._storage)
        return self._part

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the cursor; past the end is allowed, before the start is not.

        Raises:
            ValueError: The position would be negative, or ``whence`` is not 0, 1 or 2.
        """
        self._open()
        if whence not in (0, 1, 2):
            message = f"whence must be 0, 1 or 2, not {whence}"
            raise ValueError(message)
        position = index(offset) + (0, self._position, self.size)[whence]
        if not 0 <= position <= _LARGEST:
            message = f"seek position {position} is no place in a file"
            raise ValueError(message)
        self._position = position
        return position

    def tell(self) -> int:
        """Return the cursor, in bytes from the start."""
        self._open()
        return self._position

    def discard(self) -> None:
        """Close the stream and leave the file as it was."""
        self._failed = True
        self.close()

    def close(self) -> None:
        """Close the stream and put what was written in place; nothing happens where nothing was, or a write failed.

        Raises:
            EntryNotFoundError, NotADirectoryEntryError, IsADirectoryEntryError, EntryExistsError: What is in the union by now does not
                let the file be there. What was written is given up.
            OSError: The host refuses. The file stays as it was.
        """
        if self.closed:
            return
        part, self._part = self._part, None
        try:
            if part is not None and not self._failed:
                self._finish(part)
        finally:
            self._storage = None
            if part is not None:
                part.discard()
            super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        self._failed = self._failed or error is not None
        self.close()

    def __repr__(self) -> str:
        return f"<WritableFile {self.name!r} in mode {self.mode!r}{', closed' * self.closed}>"


def name_in(error: BaseException, path: str) -> None:
    """Name the path that a user knows in an error of the host that names none."""
    if isinstance(error, OSError) and not isinstance(error, OboromiFsError) and error.filename is None:
        error.filename = path


def checked_size(size: int, path: str) -> int:
    """Return the size a file is to have.

    Raises:
        OSError: It is negative, or more than any file has.
    """
    if not 0 <= size <= _LARGEST:
        number = errno.EINVAL if size < 0 else errno.EFBIG
        raise OSError(number, os.strerror(number), path)
    return size
