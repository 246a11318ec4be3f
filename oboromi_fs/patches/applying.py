"""Applying patches to bytes: what of each record lands where, by each tool's habits, and the patched bytes as a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from oboromi_fs.base import StorageBase
from oboromi_fs.patches._arguments import want_dialect, want_records, want_storage
from oboromi_fs.patches.values import Patch, Record, Remark, Remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.protocols import Place, Storage

__all__ = ["Application", "PatchedStorage", "apply_patch", "clip"]

_Action = Literal["drop", "skip", "clip"]


class _Habits(NamedTuple):
    """What a tool does with a record that starts past the end, that crosses it, and that starts in the protected header."""

    past: _Action
    past_text: str
    crossing: _Action
    protected: Literal["skip", "trim"]


_HABITS: Mapping[Dialect, _Habits] = {
    "neutral": _Habits("skip", "the record is left out", "clip", "trim"),
    "atmosphere": _Habits("drop", "the console stops with an error", "clip", "trim"),
    "yuzu": _Habits("drop", "the whole patch is dropped", "drop", "trim"),
    "ryujinx": _Habits("skip", "the record is left out", "clip", "skip"),
}


class Application(NamedTuple):
    """What a patch does to a target: the records as they land, and what was cut or left out."""

    records: tuple[Record, ...]
    remarks: tuple[Remark, ...]
    dropped: bool = False


def clip(record: Record, start: int, stop: int) -> Record | None:
    """Return what of a record lies in ``start..stop``; None where nothing does."""
    low, high = max(record.offset, start), min(record.end, stop)
    if low >= high:
        return None
    return Record(low, record.data, high - low) if record.run else Record(low, record.part(low, high))


def apply_patch(patch: Patch, size: int, *, protected: int = 0, dialect: Dialect = "neutral") -> Application:
    """Work out what a patch does to a target, without touching it.

    Args:
        patch: The patch.
        size: Bytes of the target.
        protected: Bytes at its start that must not change.
        dialect: Whose habits to follow where a record does not fit.
    """
    if not isinstance(patch, Patch):
        message = f"patch is a Patch, such as parse_ips returns, and not {type(patch).__name__}"
        raise TypeError(message)
    want_dialect(dialect)
    habits = _HABITS[dialect]
    records: list[Record] = []
    remarks = Remarks()
    for record in patch.records:
        where = f"the record of {record.size} byte{'s' * (record.size != 1)} at {record.offset:#x}"
        if record.offset >= size:
            past = f"{where} starts past the end at {size:#x}: {habits.past_text}"
            if habits.past == "drop":
                return Application((), (*remarks.all(), Remark(0, past)), dropped=True)
            remarks.add(0, past)
            continue
        if record.end > size:
            if habits.crossing == "drop" and not record.run:
                crossing = Remark(0, f"{where} crosses the end at {size:#x}: the whole patch is dropped")
                return Application((), (*remarks.all(), crossing), dropped=True)
            remarks.add(0, f"{where} crosses the end at {size:#x}, and is cut there")
        if record.offset < protected:
            skipped = habits.protected == "skip"
            what = "is left out" if skipped or record.end <= protected else "is trimmed"
            remarks.add(0, f"{where} starts in the protected header of {protected:#x} bytes, and {what}")
            if skipped:
                continue
        landing = clip(record, protected, size)
        if landing is not None:
            records.append(landing)
    return Application(tuple(records), remarks.all())


class PatchedStorage(StorageBase):
    """A storage with records written over it, lazily. Slices that no record touches are those of the source.

    Args:
        source: The bytes underneath.
        records: In order, all inside the source: of two that write one byte, the later wins.
    """

    __slots__ = ("_ends", "_order", "_records", "_source", "_starts")
    kind = "Patched"

    def __init__(self, source: Storage, records: Iterable[Record]) -> None:
        import numpy as np

        want_storage(source, "source")
        want_records(records, "records")
        self._source = source
        self._size = source.size
        self._records: Sequence[Record] = tuple(records)
        count = len(self._records)
        starts = np.fromiter((record.offset for record in self._records), np.int64, count)
        ends = np.fromiter((record.end for record in self._records), np.int64, count)
        # By offset, so that two binary searches find what touches a slice, however many records there are.
        self._order = starts.argsort(kind="stable")
        self._starts = starts[self._order]
        self._ends = np.maximum.accumulate(ends[self._order])

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The bytes underneath."""
        return (self._source,)

    def _touching(self, start: int, stop: int) -> list[int]:
        """Which records write into a range, in the order in which they do."""
        low, high = int(self._ends.searchsorted(start, "right")), int(self._starts.searchsorted(stop, "left"))
        near: list[int] = self._order[low:high].tolist()
        return sorted(index for index in near if self._records[index].end > start)

    def _view(self, start: int, stop: int) -> memoryview | None:
        return None if self._touching(start, stop) else self._source[start:stop]

    def _readinto(self, offset: int, target: memoryview) -> None:
        self._source.readinto_at(offset, target)
        stop = offset + len(target)
        for index in self._touching(offset, stop):
            record = self._records[index]
            low, high = max(record.offset, offset), min(record.end, stop)
            target[low - offset : high - offset] = record.part(low, high)

    def place(self, offset: int = 0, /) -> Place:
        """Where the byte underneath lies; a patched one is stored nowhere as it is."""
        place = self._source.place(offset)
        return place._replace(stored="patched") if self._touching(offset, offset + 1) else place
