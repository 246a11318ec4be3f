"""Patches of one module in the order they are applied, and which of them has the last word."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.patches.values import Record

__all__ = ["AppliedPatch", "Overwritten", "overwritten"]


class AppliedPatch(NamedTuple):
    """A patch that acts on a module: the mod, where the file is below the root, and what it writes there."""

    mod: str
    path: str
    records: tuple[Record, ...]


class Overwritten(NamedTuple):
    """What of a patch stays: how many bytes it writes, and how many of them later patches write again."""

    patch: AppliedPatch
    written: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        mod, path, records = self.patch
        return {"mod": mod, "path": path, "records": len(records), "bytes": self.written, "overwritten": self.lost}


def overwritten(patches: Sequence[AppliedPatch]) -> list[Overwritten]:
    """Return, for each of the patches of one module, how much of it later ones write again; in the order they are applied.

    Sorting rules the time, whatever the number of patches.
    """
    found: list[Overwritten] = []
    starts: list[int] = []
    ends: list[int] = []
    for patch in reversed(patches):
        runs = _merged((record.offset, record.end) for record in patch.records if record.size)
        written = sum(end - start for start, end in runs)
        lost = sum(_common(start, end, starts, ends) for start, end in runs)
        found.append(Overwritten(patch, written, lost))
        covered = _merged([*runs, *zip(starts, ends, strict=True)])
        starts, ends = [run[0] for run in covered], [run[1] for run in covered]
    return found[::-1]


def _merged(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in order, those that touch made one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(runs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _common(start: int, end: int, starts: Sequence[int], ends: Sequence[int]) -> int:
    """How many of the bytes ``start..end`` are in runs that are in order and apart."""
    first, last = bisect_right(ends, start), bisect_left(starts, end)
    return sum(min(end, ends[at]) - max(start, starts[at]) for at in range(first, last))
