"""Several storages, one after the other, as one: the parts of a split file."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.protocols import Place
from oboromi_fs.storage._source import fill, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["ConcatStorage"]


class ConcatStorage(StorageBase):
    """Storages joined end to end. A slice inside one part copies nothing that the part does not copy.

    Args:
        parts: The storages in order; any number, empty ones too.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> whole = ConcatStorage([MemoryStorage(b"PF"), MemoryStorage(b""), MemoryStorage(b"S0")])
        >>> whole[1:].tobytes()
        b'FS0'
    """

    __slots__ = ("_ends", "parts")
    kind = "Concat"

    def __init__(self, parts: Sequence[Storage]) -> None:
        self.parts = tuple(parts)
        self._ends = list(accumulate(part.size for part in self.parts))
        self._size = self._ends[-1] if self._ends else 0

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The parts, in order."""
        return self.parts

    def _find(self, offset: int) -> tuple[int, int]:
        """Index and first byte of the part that holds byte ``offset`` (the first whose end lies past it, so never an empty one)."""
        index = bisect_right(self._ends, offset)
        return index, self._ends[index - 1] if index else 0

    def _readinto(self, offset: int, target: memoryview) -> None:
        index, begin = self._find(offset)
        inner = offset - begin
        while target:
            part = self.parts[index]
            count = min(part.size - inner, len(target))
            if count:
                fill(part, inner, target[:count])
                target = target[count:]
            index += 1
            inner = 0

    def _view(self, start: int, stop: int) -> memoryview | None:
        index, begin = self._find(start)
        return view_of(self.parts[index], start - begin, stop - begin) if stop <= self._ends[index] else None

    def window(self, start: int, stop: int, /) -> Storage:
        """Return bytes ``start..stop`` as a storage of their own; a window of the part where they lie in one.

        Raises:
            CorruptError: ``start`` is negative or lies past the end.
        """
        stop = min(stop, self._size)
        if 0 <= start < stop:
            index, begin = self._find(start)
            if stop <= self._ends[index]:
                return self.parts[index].window(start - begin, stop - begin)
        return super().window(start, stop)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        if not self.parts:
            return Place(self, offset, "plain")
        index, begin = self._find(offset)
        if index == len(self.parts):  # The end of everything is the end of the last part.
            index -= 1
            begin = self._ends[index] - self.parts[index].size
        return self.parts[index].place(offset - begin)
