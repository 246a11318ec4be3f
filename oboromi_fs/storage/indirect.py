"""Bytes put together from runs of other storages: patched sections, and sparse ones. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._decode import error
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage._source import fill, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.protocols import Place, Storage
    from oboromi_fs.storage.buckets import Buckets

__all__ = ["IndirectStorage"]


class IndirectStorage(StorageBase):
    """What an indirect tree makes of its sources.

    Runs that follow each other in a source as they do here are one run. Nothing is read before it is sliced; a slice inside one run copies
    nothing that the source does not copy.

    Args:
        buckets: The tree, of indirect entries.
        sources: Where runs are, by the index that entries have. None is a hole, which reads as zeros.
        what: What error messages call it.
        kind: Short name of the transformation.

    Raises:
        CorruptError: An entry names no source, or bytes outside of its source; or the tree does not begin at 0.
    """

    __slots__ = ("_physical", "_sources", "_starts", "_where", "kind", "what")

    def __init__(self, buckets: Buckets, sources: Sequence[Storage | None], *, what: str, kind: str = "Indirect") -> None:
        import numpy as np

        rows, starts = buckets.rows, buckets.starts
        physical, where = rows["physical"].astype(np.int64), rows["source"].astype(np.int64)
        real = np.diff(starts) > 0
        lengths = np.diff(starts)
        self.what = what
        self.kind = kind
        self._sources = tuple(sources)
        self._size = int(starts[-1])
        self._check(starts, physical, where, lengths, real)
        starts, physical, where = starts[:-1][real], physical[real], where[real]
        lengths = lengths[real]
        holes = np.array([source is None for source in sources], np.bool_)[where] if len(where) else np.zeros(0, np.bool_)
        physical = np.where(holes, starts, physical)
        joined = (where[1:] == where[:-1]) & (physical[1:] == physical[:-1] + lengths[:-1])
        first = np.concatenate((np.ones(min(len(where), 1), np.bool_), ~joined))
        self._starts: NDArray[np.int64] = np.append(starts[first], self._size)
        self._physical: list[int] = physical[first].tolist()
        self._where: list[int] = where[first].tolist()

    def _check(
        self,
        starts: NDArray[np.int64],
        physical: NDArray[np.int64],
        where: NDArray[np.int64],
        lengths: NDArray[np.int64],
        real: NDArray[np.bool_],
    ) -> None:
        import numpy as np

        if self._size and (not len(where) or starts[0]):
            raise CorruptError(f"begins at {int(starts[0]):#x}, and not at 0", what=self.what)
        strange = np.flatnonzero(real & ((where < 0) | (where >= len(self._sources))))
        if len(strange):
            number = int(strange[0])
            raise CorruptError(f"entry {number} names source {where[number]}, there are {len(self._sources)}", what=self.what)
        sizes = np.array([1 << 62 if source is None else source.size for source in self._sources], np.int64)
        # A sum beyond 63 bits would come round: what starts past the end is told first.
        bound = sizes[np.where(real, where, 0)]
        outside = np.flatnonzero(real & (bound < (1 << 62)) & ((physical < 0) | (physical > bound) | (lengths > bound - physical)))
        if len(outside):
            number = int(outside[0])
            source = self._sources[int(where[number])]
            at, length, size = int(physical[number]), int(lengths[number]), int(bound[number])
            problem = f"entry {number} for {int(starts[number]):#x} reads {length:#x} bytes at {at:#x} of source {where[number]}"
            problem += f", which has {size:#x}"
            if source is not None and 0 <= at <= size:
                raise error(CorruptError, problem, what=self.what, storage=source, offset=at)
            raise CorruptError(problem, what=self.what)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storages that runs are in; holes are in none."""
        return tuple(source for source in self._sources if source is not None)

    @property
    def run_count(self) -> int:
        """How many runs there are, joined where they follow each other."""
        return len(self._where)

    def runs_of(self, source: int) -> list[tuple[int, int]]:
        """Return the ranges of a source that are read, as first byte and the one behind the last, ascending and joined."""
        starts = self._starts.tolist()
        found = sorted(
            (at, at + stop - start)
            for at, where, start, stop in zip(self._physical, self._where, starts, starts[1:], strict=False)
            if where == source
        )
        joined: list[tuple[int, int]] = []
        for start, stop in found:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        return joined

    def covered(self, source: int) -> list[tuple[int, int]]:
        """Return the ranges of this storage that come from a source, as first byte and the one behind the last, ascending and joined."""
        starts = self._starts.tolist()
        joined: list[tuple[int, int]] = []
        for where, start, stop in zip(self._where, starts, starts[1:], strict=False):
            if where != source:
                continue
            if joined and start == joined[-1][1]:
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        return joined

    def _run(self, offset: int) -> tuple[int, int]:
        """The run that holds a byte, and where the byte is in its source."""
        index = int(self._starts.searchsorted(offset, "right")) - 1
        return index, self._physical[index] + offset - int(self._starts[index])

    def _readinto(self, offset: int, target: memoryview) -> None:
        index, at = self._run(offset)
        stop = offset + len(target)
        while offset < stop:
            end = min(int(self._starts[index + 1]), stop)
            part = target[: end - offset]
            source = self._sources[self._where[index]]
            if source is None:
                part[:] = bytes(len(part))
            else:
                fill(source, at, part)
            target = target[end - offset :]
            offset = end
            index += 1
            at = self._physical[index] if offset < stop else 0

    def _view(self, start: int, stop: int) -> memoryview | None:
        index, at = self._run(start)
        source = self._sources[self._where[index]]
        if source is None or stop > self._starts[index + 1]:
            return None
        return view_of(source, at, at + stop - start)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies: in the base or in the patch; a hole lies nowhere, and is said to lie here."""
        if 0 <= offset < self._size:
            index, at = self._run(offset)
            source = self._sources[self._where[index]]
            if source is not None:
                return source.place(at)._replace(stored="patched")
        return super().place(offset)._replace(stored="patched")
