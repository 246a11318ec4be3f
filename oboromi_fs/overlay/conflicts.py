"""Conflicts: source against source. Of several spellings in one source one counts. Hidden versions count where that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.overlay.providers import Source
    from oboromi_fs.overlay.queries import Queries
    from oboromi_fs.overlay.stacks import Rows, Stacks

__all__ = ["Against", "Diff", "Shadow", "SourceConflicts", "conflicts", "diff", "shadowed"]


class Against(NamedTuple):
    """Another source, and the number of files."""

    source_index: int
    source: Source
    file_count: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "source": self.source.to_json()}


class SourceConflicts(NamedTuple):
    """The conflicts of one source with each other one, by number, low to high.

    ``overrides``: files that both have, the other one below. ``overridden_by``: files that both have, the other one above.
    ``displaced_by``: files that it has, and the other one wins. Of these, no version counts that something hides.

    ``hides``: files of the other one that count nowhere, as this one deletes them, hides the directory that they are in, or has a file or
    a directory in their way. ``hidden_by``: files of its own that the other one hides so. Where several sources do, it is the topmost.
    """

    source_index: int
    source: Source
    overrides: tuple[Against, ...]
    overridden_by: tuple[Against, ...]
    displaced_by: tuple[Against, ...]
    hides: tuple[Against, ...]
    hidden_by: tuple[Against, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "source_index": self.source_index,
            "source": self.source.to_json(),
            "overrides": [other.to_json() for other in self.overrides],
            "overridden_by": [other.to_json() for other in self.overridden_by],
            "displaced_by": [other.to_json() for other in self.displaced_by],
            "hides": [other.to_json() for other in self.hides],
            "hidden_by": [other.to_json() for other in self.hidden_by],
        }


class Shadow(NamedTuple):
    """A source that does not win with all of its files.

    ``file_count`` counts its files, hidden ones too; ``shadowed_count`` those of them that it does not win with; ``shadowed_by`` are the
    sources that win them, or hide its versions. It is ``fully_shadowed`` if it wins with none.
    """

    source_index: int
    source: Source
    file_count: int
    shadowed_count: int
    fully_shadowed: bool
    shadowed_by: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "source": self.source.to_json(), "shadowed_by": list(self.shadowed_by)}


class Diff(NamedTuple):
    """Two sources compared: their files, hidden ones too, in path order, and the number of the source that is above the other."""

    source_a: int
    source_b: int
    shared: tuple[str, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    higher_priority: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}


def conflicts(index: Queries) -> list[SourceConflicts]:
    """Return the conflicts of each source that has any, also if it does no more than hide, low to high. A source has none with itself."""
    state = index.state
    sources = tuple(origin.source for origin in state.origins)
    pairs = state.stacks.pairs
    shared = _shared(pairs, len(sources))
    displaced = _displaced(pairs, len(sources))
    hidden = _hidden(state.stacks, len(sources))

    def against(counts: NDArray[np.int64]) -> tuple[Against, ...]:
        return tuple(Against(other, sources[other], count) for other, count in enumerate(counts.tolist()) if count)

    found: list[SourceConflicts] = []
    for number, source in enumerate(sources):
        both = tuple(other for other in against(shared[number]) if other.source_index != number)
        below = tuple(other for other in both if other.source_index < number)
        row = SourceConflicts(
            number, source, below, both[len(below) :], against(displaced[number]), against(hidden[:, number]), against(hidden[number])
        )
        if both or row.hides or row.hidden_by:
            found.append(row)
    return found


def _shared(pairs: Rows, count: int) -> NDArray[np.int64]:
    """How many files each two sources have in common. Shape: (sources, sources)."""
    import numpy as np

    found = np.zeros((count, count), np.int64)
    several = pairs.where(np.bincount(pairs.keys)[pairs.keys] > 1)
    if not len(several):
        return found
    files = np.cumsum(np.concatenate(([0], several.keys[1:] != several.keys[:-1])))
    step = max(1, (1 << 22) // count)
    for start in range(0, int(files[-1]) + 1, step):
        low, high = np.searchsorted(files, (start, start + step))
        table = np.zeros((step, count), np.float32)  # Exact up to 2**24, and step is less.
        table[files[low:high] - start, several.sources[low:high]] = 1
        found += (table.T @ table).astype(np.int64)
    return found


def _displaced(pairs: Rows, count: int) -> NDArray[np.int64]:
    """How many files of each source each other one wins. Shape: (sources, sources that win)."""
    import numpy as np

    if not len(pairs):
        return np.zeros((count, count), np.int64)
    last = np.append(np.flatnonzero(pairs.keys[1:] != pairs.keys[:-1]), len(pairs) - 1)
    lengths = np.diff(last, prepend=-1)
    winners = np.repeat(pairs.sources[last], lengths).astype(np.int64)
    lost = winners != pairs.sources
    return np.bincount(pairs.sources[lost] * np.int64(count) + winners[lost], minlength=count * count).reshape(count, count)


def _hidden(stacks: Stacks, count: int) -> NDArray[np.int64]:
    """How many files of each source each other one hides. Shape: (sources, sources that hide)."""
    import numpy as np

    rows = stacks.hidden
    return np.bincount(rows.sources * np.int64(count) + stacks.by[rows.keys], minlength=count * count).reshape(count, count)


def shadowed(index: Queries, *, fully: bool = False) -> list[Shadow]:
    """Return the sources that do not win with all of their files, low to high.

    Args:
        index: The index.
        fully: Only those that win with none, though they have some.
    """
    import numpy as np

    state = index.state
    rows, stacks = state.rows, state.stacks
    count = len(state.origins)
    first = np.ones(len(rows), np.bool_)
    first[1:] = (rows.keys[1:] != rows.keys[:-1]) | (rows.sources[1:] != rows.sources[:-1])
    files = np.bincount(rows.sources[first], minlength=count)
    sources = stacks.winning_sources()
    winning = np.bincount(sources[sources >= 0], minlength=count)
    by = (_displaced(stacks.pairs, count) > 0) | (_hidden(stacks, count) > 0)
    found = [
        Shadow(number, origin.source, total, total - won, won == 0, tuple(np.flatnonzero(by[number]).tolist()))
        for number, (origin, total, won) in enumerate(zip(state.origins, files.tolist(), winning.tolist(), strict=True))
        if total > won
    ]
    return [shadow for shadow in found if shadow.fully_shadowed or not fully]


def diff(index: Queries, source_a: int | str | Source, source_b: int | str | Source) -> Diff:
    """Compare two sources: all files that they have, whatever another source does to these.

    Raises:
        LayerError: There is no such source.
    """
    import numpy as np

    state = index.state
    rows = state.rows
    a, b = index.source_id(source_a), index.source_id(source_b)
    in_a, in_b = rows.keys[rows.sources == a], rows.keys[rows.sources == b]
    shared, only_in_a, only_in_b = (
        tuple(state.sorted_keys(part)) for part in (np.intersect1d(in_a, in_b), np.setdiff1d(in_a, in_b), np.setdiff1d(in_b, in_a))
    )
    return Diff(a, b, shared, only_in_a, only_in_b, max(a, b))
