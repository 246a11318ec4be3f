"""A storage as a standard stream: what ``open()`` of every file system here gives."""

from __future__ import annotations

import io
from operator import index
from typing import TYPE_CHECKING

from oboromi_fs.base.storage import MemoryStorage
from oboromi_fs.errors import ClosedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from oboromi_fs.protocols import Storage

__all__ = ["StorageFile"]


class StorageFile(io.RawIOBase):
    """A Storage as a standard raw stream: what ``open()`` of every file system here gives.

    Args:
        storage: The bytes.
        name: What ``.name`` says; the path inside the file system.

    Example:
        >>> import struct
        >>> stream = StorageFile(MemoryStorage(b"\\x01\\x00\\x02\\x00"))
        >>> struct.unpack("<HH", stream.read(4)), stream.size
        ((1, 2), 4)
    """

    def __init__(self, storage: Storage, name: str = "") -> None:
        super().__init__()
        self.storage = storage
        self.name = name
        self.mode = "rb"
        self._size = storage.size
        self._position = 0
        self._memory: memoryview | None = None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:  # A stream of an empty file is a stream: libraries ask ``if fileobj``.
        return True

    def close(self) -> None:
        """Close the stream and let go of its storage, so that a host file behind it is closed with it. Views of it stay."""
        if not self.closed:
            super().close()
            self.storage, self._memory = _CLOSED, None

    def _open(self) -> Storage:
        if self.closed:
            raise ClosedError(f"I/O operation on closed file {self.name!r}")
        return self.storage

    def readable(self) -> bool:
        """Always true."""
        self._open()
        return True

    def seekable(self) -> bool:
        """Always true."""
        self._open()
        return True

    def fileno(self) -> int:
        """Return the descriptor of the host file, where this stream is the whole of one.

        Raises:
            io.UnsupportedOperation: The bytes are a part of a file, or are computed.
        """
        handle = getattr(self._open(), "fileno", None)
        if handle is None:
            message = "fileno"
            raise io.UnsupportedOperation(message)
        number: int = handle()
        return number

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from the cursor on; return how many bytes there were."""
        count = self._open().readinto_at(self._position, buffer)
        self._position += count
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes from the cursor on, all that remain if negative or None."""
        storage = self._open()
        start = self._position
        stop = storage.size if size is None or size < 0 else min(start + size, storage.size)
        if start >= stop:
            return b""
        data = storage[start:stop].tobytes()
        self._position = stop
        return data

    def write(self, buffer: Buffer, /) -> int:
        """Refuse: what these streams read is never changed.

        Raises:
            io.UnsupportedOperation: Always.
        """
        del buffer
        self._open()
        raise io.UnsupportedOperation("not writable")

    def readall(self) -> bytes:
        """Return all bytes from the cursor on."""
        return self.read(-1)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the cursor; past the end is allowed, before the start is not.

        Raises:
            ValueError: The position would be negative, or ``whence`` is not 0, 1 or 2.
        """
        storage = self._open()
        if whence not in (0, 1, 2):
            message = f"whence must be 0, 1 or 2, not {whence}"
            raise ValueError(message)
        position = index(offset) + (0, self._position, storage.size)[whence]
        if position < 0:
            message = f"negative seek position {position}"
            raise ValueError(message)
        self._position = position
        return position

    def tell(self) -> int:
        """Return the cursor, in bytes from the start."""
        self._open()
        return self._position

    def mmap(self) -> memoryview:
        """Return all bytes as one read-only view.

        Zero-copy on the mapping where the bytes are stored plain in a mapped file; else read, and decrypted, once into anonymous memory.
        The view outlives ``close()``.
        """
        storage = self._open()
        if self._memory is None:
            self._memory = storage[:]
        return self._memory[:]  # A view of its own: the caller may release it.

    def __repr__(self) -> str:
        return f"<StorageFile {self.name!r} of {self._size:#x} bytes>"


_CLOSED: Storage = MemoryStorage(b"", "closed")
