"""Matching by content: which runs of a target are somewhere in a source, moved or not.

Three passes, each over what the earlier ones left: runs that stayed where they were, counted from the start or the end; large blocks,
found wherever they went and grown as far as they match; small blocks. The blocks are those of the target, looked up at every offset of
the source, so that memory goes with the blocks of one batch and not with either size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.delta.rolling import BlockIndex, Ints, bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["Matches", "match", "occurring"]

_READ = 1 << 20
_STEP = 1 << 17
"""Bytes compared in place at a time."""
_BATCH = 1 << 22
"""Blocks that are looked for at once: at most some 200 MiB."""
_COARSE = 1 << 20
"""Bytes from which on a pass with large blocks comes first."""
_MOST_COARSE = 1 << 16
"""Large blocks, at most: they are as large as it takes."""
_MOST_GROWN = 100_000
"""Runs of small blocks that are grown one by one; where there are more, the blocks themselves must do."""


class Matches(NamedTuple):
    """A target, run by run: arrays of int64 of one length, in the order of the target, without gaps.

    Attributes:
        target: First byte of each run in the target.
        length: Its bytes.
        source: First byte of the same bytes in the source; -1 for a literal, which the source is not known to have.
    """

    target: Ints
    length: Ints
    source: Ints

    @property
    def copied(self) -> Matches:
        """The runs that the source has."""
        return Matches(*(part[self.source >= 0] for part in self))

    @property
    def literals(self) -> Matches:
        """The runs that it has not."""
        return Matches(*(part[self.source < 0] for part in self))


class _Run(NamedTuple):
    target: int
    length: int
    source: int


def match(
    source: Storage,
    target: Storage,
    *,
    min_match: int = 32,
    runs: bool = False,
    source_cuts: Sequence[int] = (),
    target_cuts: Sequence[int] = (),
    known: Matches | None = None,
    large_only: bool = False,
) -> Matches:
    """Find what of a target is in a source.

    Every run of ``2 * min_match - 1`` bytes or more that both have is met: no literal holds one.

    Args:
        source: Where runs are looked for.
        target: What is to be told in runs.
        min_match: Bytes of the smallest block that is looked for. Of overlapping matches one is cut, to no fewer than 8 bytes.
        runs: Whether runs of one byte over and over, which an encoder can write as such, may be literals.
        source_cuts: Offsets in the source that no match lies across, such as where files begin. Ascending.
        target_cuts: The same in the target; no literal lies across one either.
        known: What is known already; its literals are looked into. None begins with comparing the two as they lie.
        large_only: Leave out the pass with small blocks: what is missing is then found in a further call, with this as ``known``.

    Raises:
        ValueError: ``min_match`` is less than 8.
    """
    import numpy as np

    if min_match < 8:
        message = f"min_match is at least 8, not {min_match}"
        raise ValueError(message)
    search = _Search(source, target, _cuts(source_cuts, source.size), _cuts(target_cuts, target.size), runs=runs)
    if known is not None:
        search.add_rows(np.stack(known.copied))
    elif source.size and target.size:
        search.add(_in_place(source, target, 0, 0, min(source.size, target.size), min_match))
        if source.size != target.size:
            count = min(source.size, target.size)
            search.add_into_gaps(_in_place(source, target, source.size - count, target.size - count, count, min_match))
    left = search.left
    coarse = max(min_match * 8, 512, 1 << max(0, (left // _MOST_COARSE).bit_length()))
    if left > _COARSE and coarse < source.size:
        search.blocks(coarse)
    if search.left and min_match <= source.size and not large_only:
        search.blocks(min_match)
    done = search.gaps()
    literal = np.full(len(done[0]), -1, np.int64)
    all_starts = np.concatenate([search.rows[0], done[0]])
    order = np.argsort(all_starts, kind="stable")
    lengths = np.concatenate([search.rows[1], done[1] - done[0]])
    return Matches(all_starts[order], lengths[order], np.concatenate([search.rows[2], literal])[order])


def occurring(
    source: Storage, target: Storage, *, size: int = 32, source_cuts: Sequence[int] = (), target_cuts: Sequence[int] = ()
) -> Ints:
    """Return the offsets of those blocks of a target that are in a source; blocks are counted from each cut.

    Args:
        source: Where they are looked for.
        target: The blocks, one after the other; what is left over before a cut is none.
        size: Bytes of a block.
        source_cuts: Offsets that no block lies across.
        target_cuts: Where blocks begin anew.
    """
    import numpy as np

    search = _Search(source, target, _cuts(source_cuts, source.size), _cuts(target_cuts, target.size), runs=False)
    found = [starts[index.found >= 0] for starts, index in search.indexed(size)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _cuts(given: Sequence[int], size: int) -> Ints:
    import numpy as np

    cuts = np.unique(np.asarray(given, np.int64))
    return cuts[(cuts > 0) & (cuts < size)]


def _in_place(source: Storage, target: Storage, begin: int, at: int, count: int, least: int) -> Iterator[_Run]:
    """Runs of ``least`` bytes or more that are the same at the same distance."""
    import numpy as np

    start = 0  # Of the run that goes on.
    for offset in range(0, count, _STEP):
        stop = min(offset + _STEP, count)
        one, other = bytes_of(source, begin + offset, begin + stop), bytes_of(target, at + offset, at + stop)
        unlike = _unlike(one, other)
        ends = np.array(unlike[:1]) if unlike else np.flatnonzero(one != other)
        if not len(ends):
            continue
        ends += offset
        starts = np.concatenate([[start], ends[:-1] + 1])
        for number in np.flatnonzero(ends - starts >= least):
            low = int(starts[number])
            yield _Run(at + low, int(ends[number]) - low, begin + low)
        start = offset + unlike[1] if unlike else int(ends[-1]) + 1
    if count - start >= least:
        yield _Run(at + start, count - start, begin + start)


def _unlike(one: Ints, other: Ints) -> tuple[int, ...]:
    """Of pieces that nowhere have 15 bytes in common: how many the first same ones are, and where the last ones begin."""
    import numpy as np

    whole = len(one) & ~7
    if whole < 64 or (one[:whole].view(np.uint64) == other[:whole].view(np.uint64)).any():
        return ()
    return int(np.argmax(one[:16] != other[:16])), len(one) - int(np.argmax((one[-24:] != other[-24:])[::-1]))


class _Search:
    """The runs found so far, and what is between them."""

    def __init__(self, source: Storage, target: Storage, source_cuts: Ints, target_cuts: Ints, *, runs: bool) -> None:
        import numpy as np

        self.source = source
        self.target = target
        self.source_cuts = source_cuts
        self.target_cuts = target_cuts
        self.runs = runs
        self.rows: Ints = np.zeros((3, 0), np.int64)

    @property
    def left(self) -> int:
        """Bytes of the target without a match."""
        return self.target.size - int(self.rows[1].sum())

    def gaps(self) -> tuple[Ints, Ints]:
        """Starts and ends of what has no match, cut where the target is."""
        import numpy as np

        edges = np.concatenate([[0], self.target_cuts, [self.target.size]])
        starts, ends = self.rows[0], self.rows[0] + self.rows[1]
        begin = np.unique(np.concatenate([ends, edges[:-1]]))
        stop = np.unique(np.concatenate([starts, edges[1:]]))
        begin = begin[begin < self.target.size]
        # The next edge after each begin; inside a match, or where another begins, there is no gap.
        upto = stop[np.searchsorted(stop, begin, "right")] if len(begin) else begin
        inside = np.searchsorted(starts, begin, "right") - 1
        free = (inside < 0) | (ends[np.maximum(inside, 0)] <= begin) if len(starts) else np.ones(len(begin), bool)
        return begin[free], upto[free]

    def add(self, runs: Iterable[_Run]) -> None:
        """Add runs that overlap no other."""
        import numpy as np

        self.add_rows(np.fromiter((number for run in runs for number in run), np.int64).reshape(-1, 3).T)

    def add_rows(self, new: Ints) -> None:
        """Add runs, of shape (3, runs), that overlap no other, cut at the cuts of both sides."""
        import numpy as np

        if not new.shape[1]:
            return
        if len(self.source_cuts) or len(self.target_cuts):
            new = self._cut(new)
        rows = np.concatenate([self.rows, new], axis=1)
        self.rows = rows[:, np.argsort(rows[0], kind="stable")]

    def _cut(self, rows: Ints) -> Ints:
        import numpy as np

        def inner(cuts: Ints, starts: Ints) -> tuple[Ints, Ints]:
            low, high = np.searchsorted(cuts, starts, "right"), np.searchsorted(cuts, starts + rows[1], "left")
            which = np.repeat(np.arange(len(starts)), high - low)
            steps = np.arange(len(which)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
            return which, cuts[low[which] + steps] - starts[which]

        which = [np.arange(rows.shape[1])]
        at = [np.zeros(rows.shape[1], np.int64)]
        for cuts, starts in ((self.target_cuts, rows[0]), (self.source_cuts, rows[2])):
            found = inner(cuts, starts)
            which.append(found[0])
            at.append(found[1])
        pairs = np.unique(np.stack([np.concatenate(which), np.concatenate(at)]), axis=1)
        whose, begin = pairs
        last = np.append(whose[1:] != whose[:-1], True)
        stop = np.where(last, rows[1][whose], np.append(begin[1:], 0))
        return np.stack([rows[0][whose] + begin, stop - begin, rows[2][whose] + begin])

    def add_into_gaps(self, runs: Iterable[_Run]) -> None:
        """Add what of runs lies where no match is yet."""
        starts, ends = self.gaps()
        self.add(list(_clipped(runs, starts.tolist(), ends.tolist())))

    def indexed(self, size: int) -> Iterator[tuple[Ints, BlockIndex]]:
        """Look for all blocks in what is left, a batch at a time."""
        import numpy as np

        starts, ends = self.gaps()
        counts = (ends - starts) // size
        upto = np.cumsum(counts)
        total = int(upto[-1]) if len(upto) else 0
        for first in range(0, total, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, total))
            gap = np.searchsorted(upto, numbers, "right")
            places = starts[gap] + (numbers - (upto[gap] - counts[gap])) * size
            index = BlockIndex(self.target, places, size, runs=self.runs)
            index.search(self.source, self.source_cuts)
            yield places, index

    def blocks(self, size: int) -> None:
        """Find blocks of the target wherever the source has them, and what of their surroundings is the same."""
        import numpy as np

        pieces: list[Ints] = []
        for places, index in self.indexed(size):
            found = index.found
            hit = found >= 0
            at, where = places[hit], found[hit]
            if len(at):
                new = np.append(True, (np.diff(at) != size) | (np.diff(where) != size))
                first = np.flatnonzero(new)
                pieces.append(np.stack([at[first], np.diff(np.append(first, len(at))) * size, where[first]]))
        if pieces:
            seeds = np.concatenate(pieces, axis=1)
            self.add(list(self._grown(seeds, grow=seeds.shape[1] <= _MOST_GROWN)))

    def _grown(self, seeds: Ints, *, grow: bool) -> Iterator[_Run]:
        """What the seeds become: checked, grown both ways inside the gap they lie in, and cut where an earlier one is."""
        import numpy as np

        starts, ends = self.gaps()
        gap = np.searchsorted(starts, seeds[0], "right") - 1
        lows, highs = starts[gap].tolist(), ends[gap].tolist()
        after = np.searchsorted(self.source_cuts, seeds[2], "right")
        edges = np.concatenate([[0], self.source_cuts, [self.source.size]])
        floors, ceilings = edges[after].tolist(), edges[after + 1].tolist()
        done = 0
        for number, (at, length, where) in enumerate(seeds.T.tolist()):
            low = max(lows[number], done)
            skipped = max(0, low - at)
            if length - skipped < 8:
                continue
            begin, count, place = at + skipped, length - skipped, where + skipped
            if not _same(self.source, place, self.target, begin, count):  # Equal hashes, other bytes.
                continue
            back = on = 0
            if grow:
                back = _common(self.source, place, self.target, begin, min(begin - low, place - floors[number]), -1)
                room = min(highs[number] - begin - count, ceilings[number] - place - count)
                on = _common(self.source, place + count, self.target, begin + count, room, 1)
            yield _Run(begin - back, back + count + on, place - back)
            done = begin + count + on


def _clipped(runs: Iterable[_Run], starts: list[int], ends: list[int]) -> Iterator[_Run]:
    """The parts of runs that lie in gaps; all in ascending order."""
    gap = 0
    for run in runs:
        while gap < len(starts) and ends[gap] <= run.target:
            gap += 1
        each = gap
        while each < len(starts) and starts[each] < run.target + run.length:
            begin, stop = max(starts[each], run.target), min(ends[each], run.target + run.length)
            if stop - begin >= 8:
                yield _Run(begin, stop - begin, run.source + begin - run.target)
            each += 1


def _same(source: Storage, place: int, target: Storage, at: int, count: int) -> bool:
    return all(
        source[place + offset : place + min(offset + _READ, count)] == target[at + offset : at + min(offset + _READ, count)]
        for offset in range(0, count, _READ)
    )


def _common(source: Storage, place: int, target: Storage, at: int, most: int, way: int) -> int:
    """How many bytes from two places on are the same, onward (``way`` 1) or backward (-1); looked at in steps that grow."""
    import numpy as np

    done, step = 0, 64
    while done < most:
        count = min(step, most - done)
        if way > 0:
            one, other = bytes_of(source, place + done, place + done + count), bytes_of(target, at + done, at + done + count)
        else:
            one = bytes_of(source, place - done - count, place - done)[::-1]
            other = bytes_of(target, at - done - count, at - done)[::-1]
        differ = one != other
        if differ.any():
            return done + int(np.argmax(differ))
        done += count
        step = min(step * 4, _READ)
    return done
