"""What can be checked of a hash tree: every block of every level, or those of which all that is needed is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Step, Task, failure, flatten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.protocols import Storage
    from oboromi_fs.storage.hashed import HashLevel

__all__ = ["HashTree", "located", "tree_step"]

_RUN = 8 << 20
"""Bytes a task hashes: enough to drown its cost, little enough that two cores end together."""
_HASH = 0x20


class HashTree(Protocol):
    """What is checked of a tree of any kind."""

    section: Storage

    def levels(self) -> tuple[HashLevel, ...]:
        """Describe every level, top to bottom, the data last; offsets count in ``section``."""

    def verify_range(self, level: int, first_block: int, count: int) -> list[int]:
        """Return which blocks of a run of a level do not match their hashes."""


def located(file: Storage, storage: Storage, offset: int) -> tuple[int | None, str]:
    """Say where a byte of a storage lies in the file that a user gave.

    Args:
        file: The bytes of that file, or of an archive in it.
        storage: What is made of it, and perhaps of others.
        offset: Which byte.

    Returns:
        The absolute offset in the file, None where it does not come from there; and what is to be added in words, ``""`` for nothing.
    """
    place = storage.place(min(offset, max(storage.size - 1, 0)))
    name = str(getattr(place.storage, "name", ""))
    if place.storage is file.place(0).storage:
        return place.offset, ""
    if not name:  # Made here, as the zeros of a hole are.
        return None, f" (at {offset:#x} of the section)"
    # Another part of a split file, or the base of an update.
    return None, f" (at {place.offset:#x} of {name})"


def tree_step(
    label: str,
    tree: HashTree,
    state: State,
    *,
    file: Storage,
    check: str = "hash tree",
    ranges: Sequence[tuple[int, int]] | None = None,
    missing: str = "",
) -> Step:
    """Return the step that checks a hash tree: one check for all of it, or one for each bad block.

    Args:
        label: What to call it.
        tree: The tree; what is made of its section need not be hashed on reading.
        state: What the tasks share.
        file: What offsets in the file are told of.
        check: What to call the check.
        ranges: Which bytes of the section are there, ascending; all of them by default. Blocks are checked that lie in one of these with
            their hash.
        missing: Why the others are not there, in words.
    """
    tasks: list[Task] = []
    total = done = 0
    above: HashLevel | None = None
    for level in tree.levels():
        total += level.block_count
        for run in _present(level, above, ranges) if ranges is not None else [range(level.block_count)]:
            done += len(run)
            low, high = level.span(run.start, run.stop)
            state.total += high - low
            per_task = max(1, _RUN // level.block_size)
            tasks += [
                _Blocks(label, check, tree, level, run[first : first + per_task], file, state) for first in range(0, len(run), per_task)
            ]
        above = level

    def finish(results: list[list[Check] | bytes]) -> list[Check]:
        bad = flatten(results)
        rest = f"; {total - done} of {total} blocks were not checked: {missing}" if done < total else ""
        if bad:
            shown = bad[:SHOWN]
            if len(bad) > len(shown):
                shown.append(Check(label, check, "failed", f"and {len(bad) - len(shown)} more bad blocks"))
            return shown + ([Check(label, check, "note", rest[2:])] if rest else [])
        levels = tree.levels()
        detail = f"{len(levels)} levels, {done} blocks{rest}"
        return [Check(label, check, "ok" if done == total else "note", detail, size=sum(level.size for level in levels) if not rest else 0)]

    return Step(tasks, finish)


def _present(level: HashLevel, above: HashLevel | None, ranges: Sequence[tuple[int, int]]) -> list[range]:
    """Runs of blocks that are there whole, each with its hash in the level above (the top one's hash is in a header)."""
    size = level.block_size
    own = (
        range(
            -(-max(start - level.offset, 0) // size),
            level.block_count if stop >= level.offset + level.size else (stop - level.offset) // size,
        )
        for start, stop in ranges
    )
    if above is None:
        return [run for run in own if run]
    hashed = (range(-(-max(start - above.offset, 0) // _HASH), max(stop - above.offset, 0) // _HASH) for start, stop in ranges)
    return list(_both([run for run in own if run], [run for run in hashed if run]))


def _both(left: list[range], right: list[range]) -> Iterator[range]:
    """What lies in a range of each; both ascend and do not overlap."""
    i = j = 0
    while i < len(left) and j < len(right):
        common = range(max(left[i].start, right[j].start), min(left[i].stop, right[j].stop))
        if common:
            yield common
        if left[i].stop < right[j].stop:
            i += 1
        else:
            j += 1


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The task that hashes a run of blocks of one level."""

    label: str
    check: str
    tree: HashTree
    level: HashLevel
    blocks: range
    file: Storage
    state: State

    def __call__(self) -> list[Check]:
        self.state.advance(0, self.label)
        low, high = self.level.span(self.blocks.start, self.blocks.stop)
        try:
            bad = self.tree.verify_range(self.level.number, self.blocks.start, len(self.blocks))
        except OboromiFsError as wrong:
            return [failure(self.label, self.check, wrong)]
        self.state.advance(high - low, self.label)
        return [self._bad(block) for block in bad]

    def _bad(self, block: int) -> Check:
        level = self.level
        offset, words = located(self.file, self.tree.section, level.offset + level.span(block, block)[0])
        detail = f"level {level.number}, block {block} does not match its hash{words}"
        return Check(self.label, self.check, "failed", detail, offset, level.block_size)
