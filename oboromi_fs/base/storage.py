"""Storages from little: what a class that holds or computes bytes must write becomes the whole of a Storage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import index
from typing import TYPE_CHECKING, Any, overload

from oboromi_fs.errors import CorruptError
from oboromi_fs.protocols import Place, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["MemoryStorage", "StorageBase", "WindowStorage"]

CHUNK = 1 << 20
"""Bytes a sequential reader takes at a time: large against a call's cost, small against the processor's cache."""


class StorageBase(ABC):
    """Everything a Storage can do, from ``_size`` and :meth:`_readinto` alone.

    Subclasses set ``_size``, ``kind`` and, where they read from other storages, ``sources``; those that hold their bytes as they are
    override :meth:`_view` so that slices copy nothing.
    """

    __slots__ = ("__weakref__", "_size")
    _size: int
    kind: str = "Storage"
    __hash__ = object.__hash__

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storages this one reads from, directly."""
        return ()

    @abstractmethod
    def _readinto(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` (bytes, writable, non-empty) from ``offset``; the range lies inside the storage."""

    def _view(self, start: int, stop: int) -> memoryview | None:
        """Bytes ``start..stop`` without copying, or None where they are not stored as they are."""
        del start, stop
        return None

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return Place(self, offset, "plain")

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, key: int, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> memoryview: ...
    def __getitem__(self, key: int | slice, /) -> int | memoryview:
        """One byte, or a read-only view of a range; ranges clip like those of ``bytes``."""
        if isinstance(key, slice):
            start, stop, step = key.indices(self._size)
            if step == 1:
                return self._read(start, stop) if start < stop else _EMPTY
            covered = range(start, stop, step)
            if not covered:
                return _EMPTY
            low, high = min(covered[0], covered[-1]), max(covered[0], covered[-1])
            return self._read(low, high + 1)[::step] if step > 0 else self._read(low, high + 1)[::-1][::-step]
        at = index(key)
        if at < 0:
            at += self._size
        if not 0 <= at < self._size:
            message = "storage index out of range"
            raise IndexError(message)
        return self._read(at, at + 1)[0]

    def _read(self, start: int, stop: int) -> memoryview:
        view = self._view(start, stop)
        if view is None:
            view = memoryview(bytearray(stop - start))
            self._readinto(start, view)
            view = view.toreadonly()
        return view

    def readinto_at(self, offset: int, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from byte ``offset`` on.

        Args:
            offset: First byte, counted from this storage's start.
            buffer: Any writable, contiguous buffer; filled as far as there are bytes.

        Returns:
            How many bytes were written: ``min(len(buffer), size - offset)``, 0 at or past the end.

        Raises:
            TypeError: ``buffer`` is read-only, or not contiguous.
            ValueError: ``offset`` is negative.
        """
        if offset < 0:
            message = f"negative offset {offset}"
            raise ValueError(message)
        target = memoryview(buffer).cast("B")
        if target.readonly:
            message = "a read-only buffer cannot be filled"
            raise TypeError(message)
        count = min(len(target), self._size - offset)
        if count <= 0:
            return 0
        if count < len(target):
            target = target[:count]
        self._readinto(offset, target)
        return count

    def window(self, start: int, stop: int, /) -> Storage:
        """Return bytes ``start..stop`` as a storage of their own, without copying.

        Args:
            start: First byte, counted from this storage's start.
            stop: One past the last byte; clipped to ``len(self)``.

        Raises:
            CorruptError: ``start`` is negative or lies past the end.

        Example:
            >>> MemoryStorage(b"PFS0....").window(0, 4)[:].tobytes()
            b'PFS0'
        """
        return WindowStorage(self, start, stop)

    def chunks(self, size: int = CHUNK) -> Iterator[memoryview]:
        """Yield all bytes in order, ``size`` at a time (the last view may be shorter).

        Raises:
            ValueError: ``size`` is not positive.
        """
        if size <= 0:
            message = f"chunk size must be positive, not {size}"
            raise ValueError(message)
        return (self._read(start, min(start + size, self._size)) for start in range(0, self._size, size))

    def array(self, dtype: Any = "u1", offset: int = 0, count: int = -1) -> NDArray[Any]:
        """Return a numpy view of the bytes; zero-copy and read-only where they are stored plain.

        Args:
            dtype: Element type, anything ``numpy.dtype`` takes; misaligned data is safe.
            offset: First byte.
            count: Number of elements; -1 takes as many whole ones as there are.

        Raises:
            CorruptError: The range does not lie inside the storage.

        Example:
            >>> MemoryStorage(bytes.fromhex("0100000002000000")).array("<u4").tolist()
            [1, 2]
        """
        import numpy as np  # Costs more than the rest of the start-up together; only this path needs it.

        element = np.dtype(dtype)
        if not 0 <= offset <= self._size:
            raise CorruptError(f"offset {offset} lies outside {self._size} bytes", what="array")
        if count < 0:
            count = (self._size - offset) // element.itemsize if element.itemsize else 0
        stop = offset + count * element.itemsize
        if stop > self._size:
            raise CorruptError(
                f"{count} elements of {element.itemsize} bytes at {offset} need {stop} bytes, {self._size} are there", what="array"
            )
        result: NDArray[Any] = np.frombuffer(self[offset:stop], element, count)
        return result

    def tobytes(self) -> bytes:
        """Return a copy of all bytes."""
        return self[:].tobytes()

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def __iter__(self) -> Iterator[int]:
        for chunk in self.chunks():
            yield from chunk

    def __eq__(self, other: object) -> bool:
        """Whether the bytes are equal to those of another storage or buffer."""
        if self is other:
            return True
        if isinstance(other, StorageBase):
            if other.size != self._size:
                return False
            return all(mine == theirs for mine, theirs in zip(self.chunks(), other.chunks(), strict=True))
        try:
            view = memoryview(other).cast("B")  # type: ignore[arg-type]  # The except below is the check.
        except TypeError:
            return NotImplemented
        if len(view) != self._size:
            return False
        return all(mine == view[i * CHUNK : (i + 1) * CHUNK] for i, mine in enumerate(self.chunks()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._size:#x} bytes>"


_EMPTY = memoryview(b"")


class WindowStorage(StorageBase):
    """Bytes ``start..stop`` of another storage, without copying.

    Args:
        parent: The storage behind the window.
        start: First byte.
        stop: One past the last byte, clipped to the parent's size.

    Raises:
        CorruptError: ``start`` is negative or lies past the end.
    """

    __slots__ = ("parent", "start")
    kind = "Window"
    parent: Storage
    start: int

    def __init__(self, parent: Storage, start: int, stop: int) -> None:
        stop = min(stop, parent.size)
        if not 0 <= start <= parent.size:
            raise CorruptError(f"window starts at {start:#x}, outside {parent.size:#x} bytes", what="window")
        if isinstance(parent, WindowStorage):  # A window on a window reads the same bytes one step sooner.
            start, stop, parent = start + parent.start, stop + parent.start, parent.parent
        self.parent = parent
        self.start = start
        self._size = max(0, stop - start)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storage behind the window."""
        return (self.parent,)

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.parent.readinto_at(self.start + offset, target)

    def _read(self, start: int, stop: int) -> memoryview:
        return self.parent[self.start + start : self.start + stop]

    def _view(self, start: int, stop: int) -> memoryview | None:
        parent = self.parent
        return parent._view(self.start + start, self.start + stop) if isinstance(parent, StorageBase) else None  # noqa: SLF001

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.parent.place(self.start + offset)


class MemoryStorage(StorageBase):
    """Bytes held in memory.

    Args:
        data: Any contiguous buffer. It is not copied: the caller must not change it.
        name: What error messages call it.

    Example:
        >>> MemoryStorage(b"abc")[1:].tobytes()
        b'bc'
    """

    __slots__ = ("_data", "name")
    kind = "Memory"

    def __init__(self, data: Buffer, name: str = "memory") -> None:
        self._data = memoryview(data).cast("B").toreadonly()
        self._size = len(self._data)
        self.name = name

    def _readinto(self, offset: int, target: memoryview) -> None:
        target[:] = self._data[offset : offset + len(target)]

    def _view(self, start: int, stop: int) -> memoryview:
        return self._data[start:stop]
