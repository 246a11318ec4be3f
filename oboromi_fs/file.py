"""A host file as a Storage: mapped and sliced without copying, or read by position where mapping cannot be trusted.

Mapped access hands out views of the page cache itself. The price is the operating system's: when another program truncates the file,
touching a page past its new end kills the process with SIGBUS (an in-page error on Windows), and no library can turn that into an
exception safely. Guarded access (``access="pread"``) reads by position instead: the same slices, copied, and a file that shrinks
gives :class:`~oboromi_fs.errors.MappingError`. Use it for files that others may write, on network shares and removable media.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import ClosedError, EntryNotFoundError, IsADirectoryEntryError, MappingError, NotADirectoryEntryError

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Access", "File"]

Access: TypeAlias = Literal["auto", "mmap", "pread"]

_EMPTY = memoryview(b"")
_MAX_READ = 1 << 30
"""Largest single positional read: Linux stops at 2 GiB, macOS refuses more."""


class _Descriptor:
    """An open file descriptor that closes with its last reference.

    Readers take a reference for the length of a call, so ``File.close()`` in one thread can neither cut off a read in another nor let
    it land in an unrelated file that got the same number; and no lock is needed for it.
    """

    __slots__ = ("number", "seek_lock")

    def __init__(self, number: int) -> None:
        self.number = number
        self.seek_lock = Lock()

    def __del__(self) -> None:
        os.close(self.number)

    def readinto(self, offset: int, target: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self.number, [target[:_MAX_READ]], offset)
        if hasattr(os, "pread"):
            data = os.pread(self.number, min(len(target), _MAX_READ), offset)
        else:  # Windows has no positional read: the cursor is shared, so this one needs the lock.
            with self.seek_lock:
                os.lseek(self.number, offset, os.SEEK_SET)
                data = os.read(self.number, min(len(target), _MAX_READ))
        target[: len(data)] = data
        return len(data)


def _descriptor_of(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], name: str) -> _Descriptor:
    """Open for reading, whatever it is; refusals become this package's errors, except PermissionError and its like."""
    # O_NONBLOCK: opening a named pipe must not wait for somebody to write to it.
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return _Descriptor(os.open(path, flags))
    except FileNotFoundError:
        raise EntryNotFoundError(name, "no such file") from None
    except NotADirectoryError:
        raise NotADirectoryEntryError(name) from None
    except ValueError:
        raise EntryNotFoundError(name, "holds a NUL, or a surrogate that stands for no byte: no host path") from None
    except OSError as error:
        if os.path.isdir(path):  # Windows says that permission is denied.
            raise IsADirectoryEntryError(name) from None
        if error.errno == errno.ENXIO:
            raise MappingError(name, "not a file with a size", errno.ENXIO) from None
        raise


class File(StorageBase):
    """A host file, sliced like ``bytes``.

    ``f[a:b]`` is a read-only memoryview of the mapping (``access="mmap"``) or of bytes just read (``access="pread"``). Any number of
    threads may slice one File. Views, arrays and windows keep what they show alive: ``close()`` takes effect for new slices at once and
    unmaps when the last view is gone.

    Use :meth:`open`, not the constructor.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.bin"
        >>> _ = path.write_bytes(b"PFS0" + bytes(12))
        >>> with File.open(path) as f:
        ...     (len(f), f[0], f[:4].tobytes(), f == path.read_bytes())
        (16, 80, b'PFS0', True)
    """

    __slots__ = ("_descriptor", "_map", "_mtime_ns", "access", "name")
    kind = "File"

    def __init__(
        self, descriptor: _Descriptor, mapping: mmap.mmap | None, size: int, name: str, access: Access, mtime_ns: int | None
    ) -> None:
        self._descriptor: _Descriptor | None = descriptor
        # A view of the whole mapping, or None in guarded mode; views made from it keep the mapping alive by themselves.
        self._map: memoryview | None = memoryview(mapping) if mapping is not None else _EMPTY if access == "mmap" else None
        self._size = size
        self._mtime_ns = mtime_ns
        self.name = name
        self.access: Access = access

    @classmethod
    def open(cls, path: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, access: Access = "auto") -> Self:
        """Open a host file for reading. O(1): nothing of the file is read.

        Args:
            path: The host path.
            access: ``"mmap"`` maps the whole file; ``"pread"`` reads by position (guarded, see the module); ``"auto"`` maps, and falls
                back to reading where the host cannot map the file.

        Raises:
            EntryNotFoundError: No such file.
            NotADirectoryEntryError: A parent of the path is a file.
            PermissionError: The host refuses.
            IsADirectoryEntryError: The path is a directory.
            MappingError: The file cannot be mapped (only with ``access="mmap"``), or is no file with a size: a pipe, a terminal.
        """
        name = os.fsdecode(path)
        if access not in ("auto", "mmap", "pread"):
            message = f"access must be 'auto', 'mmap' or 'pread', not {access!r}"
            raise ValueError(message)
        descriptor = _descriptor_of(path, name)
        number = descriptor.number
        found = os.fstat(number)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryEntryError(name)
        if stat.S_ISREG(found.st_mode):
            size = found.st_size
        elif stat.S_ISBLK(found.st_mode):
            size = os.lseek(number, 0, os.SEEK_END)
        else:
            raise MappingError(name, "not a file with a size (a pipe, socket or terminal)", errno.ESPIPE)
        mapping: mmap.mmap | None = None
        if access != "pread" and size:
            try:
                mapping = mmap.mmap(number, size, access=mmap.ACCESS_READ)
            except (OSError, ValueError, OverflowError) as error:
                if access == "mmap":
                    raise MappingError(name, f"cannot be mapped: {error}", getattr(error, "errno", 0) or 0) from error
                access = "pread"
        if access == "auto":
            access = "mmap"
        return cls(descriptor, mapping, size, name, access, found.st_mtime_ns)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._descriptor is None

    @property
    def mtime_ns(self) -> int | None:
        """Modification time when the file was opened, in nanoseconds since the epoch."""
        return self._mtime_ns

    def fileno(self) -> int:
        """Return the file descriptor, for copying inside the kernel.

        Raises:
            ClosedError: The file is closed.
        """
        return self._opened().number

    def _opened(self) -> _Descriptor:
        descriptor = self._descriptor
        if descriptor is None:
            raise ClosedError(f"{self.name}: the file is closed")
        return descriptor

    def _view(self, start: int, stop: int) -> memoryview | None:
        view = self._map
        if view is None:
            self._opened()
            return None
        return view[start:stop]

    def _readinto(self, offset: int, target: memoryview) -> None:
        view = self._map
        if view is not None:
            target[:] = view[offset : offset + len(target)]
            return
        descriptor = self._opened()
        done = 0
        while done < len(target):
            count = descriptor.readinto(offset + done, target[done:])
            if count == 0:
                now = os.fstat(descriptor.number).st_size
                raise MappingError(self.name, f"shrank while it was open: byte {offset + done:#x} is needed, {now:#x} bytes are left")
            done += count

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """Let ``numpy.asarray(f)`` be a view of the bytes."""
        array = self.array("u1")
        if dtype is not None and dtype != array.dtype:
            array = array.astype(dtype)
        return array.copy() if copy else array

    if sys.version_info >= (3, 12):

        def __buffer__(self, flags: int, /) -> memoryview:
            """Let ``memoryview(f)`` be a view of the bytes."""
            del flags
            return self[:]

    def close(self) -> None:
        """Give the file back. Views that live stay valid; the mapping goes with the last of them. Closing twice is harmless."""
        self._map = None
        self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.access
        return f"<File {self.name!r} of {self._size:#x} bytes, {state}>"
