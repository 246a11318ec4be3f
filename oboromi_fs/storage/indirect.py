"""Bytes put together from runs of other storages: patched sections, and sparse ones. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._decode import error
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage._source import fill, view_of, zero
from oboromi_fs.storage.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.protocols import Place, Storage, Stored

__all__ = ["IndirectStorage", "runs_storage"]

_SMALL = 0x40000
"""Bytes below which a run is read together with its neighbours."""
_GAP = 0x1000
"""Bytes between two of them that are read along: less than a call costs to decrypt."""
_TOGETHER = 1 << 20
"""Bytes that are read at once for small runs."""
_MOST = 0x4000
"""Small runs that are noted at once."""


class IndirectStorage(StorageBase):
    """What an indirect tree makes of its sources.

    Runs that follow each other in a source as they do here are one run. Nothing is read before it is sliced; a slice inside one run copies
    nothing that the source does not copy.

    Args:
        buckets: The tree, of indirect entries.
        sources: Where runs are, by the index that entries have. None is a hole, which reads as zeros.
        what: What error messages call it.
        kind: Short name of the transformation.
        stored: What :meth:`place` says of its bytes; None leaves that to the source.

    Raises:
        CorruptError: An entry names no source, or bytes outside of its source; or the tree does not begin at 0.
    """

    __slots__ = ("_physical", "_sources", "_starts", "_stored", "_where", "kind", "what")

    def __init__(
        self,
        buckets: Buckets,
        sources: Sequence[Storage | None],
        *,
        what: str,
        kind: str = "Indirect",
        stored: Stored | None = "patched",
    ) -> None:
        import numpy as np

        self._stored = stored

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
        self._physical: NDArray[np.int64] = physical[first]
        self._where: NDArray[np.int64] = where[first]

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
            for at, where, start, stop in zip(self._physical.tolist(), self._where.tolist(), starts, starts[1:], strict=False)
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
        for where, start, stop in zip(self._where.tolist(), starts, starts[1:], strict=False):
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
        return index, int(self._physical[index]) + offset - int(self._starts[index])

    def _readinto(self, offset: int, target: memoryview) -> None:
        index, at = self._run(offset)
        stop = offset + len(target)
        if stop <= self._starts[index + 1]:
            self._fill(index, at, target)
            return
        first, small = offset, _Small(self._sources)
        while offset < stop:
            end = min(int(self._starts[index + 1]), stop)
            part = target[offset - first : end - first]
            if end - offset < _SMALL and self._sources[self._where[index]] is not None:
                small.add(int(self._where[index]), at, part)
            else:
                self._fill(index, at, part)
            offset = end
            index += 1
            at = int(self._physical[index]) if offset < stop else 0
        small.read()

    def _fill(self, index: int, at: int, target: memoryview) -> None:
        """Fill a part of one run, from byte ``at`` of its source."""
        source = self._sources[self._where[index]]
        if source is None:
            zero(target)
        else:
            fill(source, at, target)

    def _view(self, start: int, stop: int) -> memoryview | None:
        index, at = self._run(start)
        source = self._sources[self._where[index]]
        if source is None or stop > self._starts[index + 1]:
            return None
        return view_of(source, at, at + stop - start)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies: in the base or in the patch; a hole lies nowhere, and is said to lie here."""
        place = super().place(offset)
        if 0 <= offset < self._size:
            index, at = self._run(offset)
            source = self._sources[self._where[index]]
            if source is not None:
                place = source.place(at)
        return place if self._stored is None else place._replace(stored=self._stored)


class _Small:
    """Small runs of one read, which are read together where they lie near each other in their source.

    A patch holds thousands of them, one behind the other: each by itself would cost more than its bytes.
    """

    def __init__(self, sources: Sequence[Storage | None]) -> None:
        self._sources = sources
        self._runs: dict[int, list[tuple[int, int, memoryview]]] = {}
        self._count = 0
        self._room = memoryview(b"")

    def add(self, where: int, at: int, target: memoryview) -> None:
        """Note a run: its source, where it lies in that, and where it goes."""
        runs = self._runs.setdefault(where, [])
        runs.append((at, len(runs), target))
        self._count += 1
        if self._count >= _MOST:
            self.read()

    def read(self) -> None:
        """Read those that are noted."""
        for where, runs in self._runs.items():
            source = self._sources[where]
            assert source is not None  # noqa: S101  # For the type checker: holes are never added.
            runs.sort()
            first, begin, end = 0, runs[0][0], 0
            for number, (at, _, target) in enumerate(runs):
                stop = max(end, at + len(target))
                if number > first and (at - end > _GAP or stop - begin > _TOGETHER):
                    self._scatter(source, runs[first:number], begin, end)
                    first, begin, stop = number, at, at + len(target)
                end = stop
            self._scatter(source, runs[first:], begin, end)
        self._runs.clear()
        self._count = 0

    def _scatter(self, source: Storage, runs: Sequence[tuple[int, int, memoryview]], begin: int, end: int) -> None:
        """Fill runs from bytes ``begin..end`` of their source, which are read at once."""
        if len(runs) == 1:
            fill(source, begin, runs[0][2])
            return
        if len(self._room) < end - begin:
            self._room = memoryview(bytearray(end - begin))
        fill(source, begin, self._room[: end - begin])
        for at, _, target in runs:
            target[:] = self._room[at - begin : at - begin + len(target)]


def runs_storage(
    starts: NDArray[np.int64],
    physical: NDArray[np.int64],
    where: NDArray[np.int64],
    sources: Sequence[Storage | None],
    *,
    what: str,
    kind: str,
) -> IndirectStorage:
    """Return runs of other storages as one, which are as plain or encrypted as they are there.

    Args:
        starts: First byte of each run, ascending, and the end.
        physical: Where each lies in its source.
        where: Which source that is.
        sources: The sources.
        what: What error messages call it.
        kind: Short name of the transformation.

    Raises:
        CorruptError: A run lies outside of its source.
    """
    import numpy as np

    rows = np.zeros(len(physical), np.dtype([("physical", "<i8"), ("source", "<i8")]))
    rows["physical"], rows["source"] = physical, where
    return IndirectStorage(Buckets(rows, starts), sources, what=what, kind=kind, stored=None)
