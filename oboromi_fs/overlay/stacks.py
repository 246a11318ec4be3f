"""Stacks: every version of every file, low to high, in arrays of numbers. No object stands for a version until somebody asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Counts = NDArray[np.int64]
    Mask = NDArray[np.bool_]

__all__ = ["Rows", "Stacks", "Texts", "empty_rows", "joined_rows", "stacked"]


class Texts:
    """Many texts in one run of bytes."""

    __slots__ = ("_bytes", "_starts")

    def __init__(self, texts: Sequence[str] = ()) -> None:
        import numpy as np

        raw = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._bytes = b"".join(raw)
        self._starts = np.zeros(len(raw) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)), out=self._starts[1:])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> str:
        return self._bytes[self._starts[number] : self._starts[number + 1]].decode("utf-8", "surrogatepass")

    def extended(self, texts: Sequence[str]) -> Texts:
        """Return these and more, whose numbers follow."""
        import numpy as np

        more = Texts(texts)
        other = Texts()
        other._bytes = self._bytes + more._bytes
        other._starts = np.concatenate((self._starts, more._starts[1:] + len(self._bytes)))
        return other

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return len(self._bytes) + int(self._starts.nbytes)


@dataclass(frozen=True)
class Rows:
    """Versions of files, one a row: the file's number, the source's, and that of its spelling in the source's texts (-1: as the file's)."""

    keys: Ids
    sources: Ids
    spelled: Ids

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, chosen: Mask | Ids) -> Rows:
        """Return some of them, or all in another order."""
        return Rows(self.keys[chosen], self.sources[chosen], self.spelled[chosen])


def empty_rows() -> Rows:
    """Return no rows."""
    import numpy as np

    none = np.empty(0, np.int32)
    return Rows(none, none, none)


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several, in their order."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    columns = (
        np.concatenate([getattr(part, name) for part in parts] or [np.empty(0, np.int32)]) for name in ("keys", "sources", "spelled")
    )
    return Rows(*columns)


@dataclass(frozen=True)
class Stacks:
    """Rows by file, and in each file's stack by source, low to high.

    Args:
        rows: In that order.
        starts: Where the stack of each file begins; one more, where the last one ends. Length: number of files + 1.
        visible: Where the visible part of each stack begins: what is hidden lies below it.
        by: The source that hides that; -1 where none does.
        reasons: Why, as in :data:`oboromi_fs.overlay.cuts.REASONS`.
    """

    rows: Rows
    starts: Counts
    visible: Counts
    by: Ids
    reasons: NDArray[np.int8]

    @cached_property
    def winners(self) -> Ids:
        """The row that wins, per file; -1 where none is visible. Shape: number of files."""
        import numpy as np

        return np.where(self.visible < self.starts[1:], self.starts[1:] - 1, -1).astype(np.int32)

    @cached_property
    def files(self) -> Ids:
        """Numbers of the files that are visible."""
        import numpy as np

        return np.flatnonzero(self.winners >= 0).astype(np.int32)

    @cached_property
    def size(self) -> int:
        """Number of files that are visible."""
        return len(self.files)

    @property
    def shown(self) -> Mask:
        """Whether a row is visible. Shape: number of rows."""
        import numpy as np

        if not (self.by >= 0).any():
            return np.ones(len(self.rows), np.bool_)
        return np.arange(len(self.rows)) >= self.visible[self.rows.keys]

    @property
    def pairs(self) -> Rows:
        """Visible rows, one for each file and source: of several spellings in a source the last."""
        return self._once(self.shown)

    @property
    def hidden(self) -> Rows:
        """Hidden rows, likewise one for each file and source. A source has no visible row of such a file."""
        return self._once(~self.shown)

    def _once(self, chosen: Mask) -> Rows:
        import numpy as np

        rows = self.rows.where(np.flatnonzero(chosen).astype(np.int32))
        last = np.ones(len(rows), np.bool_)
        last[:-1] = (rows.keys[1:] != rows.keys[:-1]) | (rows.sources[1:] != rows.sources[:-1])
        return rows if last.all() else rows.where(last)

    def winning_sources(self) -> Ids:
        """Return the source that wins, per file; -1 where none is visible. Shape: number of files."""
        import numpy as np

        found = np.full(len(self.winners), -1, np.int32)
        found[self.files] = self.rows.sources[self.winners[self.files]]
        return found

    @property
    def nbytes(self) -> int:
        """Memory of the arrays that are always there."""
        arrays = (self.rows.keys, self.rows.sources, self.rows.spelled, self.starts, self.visible, self.by, self.reasons)
        return sum(int(array.nbytes) for array in arrays)


def stacked(rows: Rows, count: int, *, by_source: bool = False) -> tuple[Rows, Counts]:
    """Sort rows by file, and return where the stack of each begins.

    Args:
        rows: Within a file they stay in their order.
        count: Number of files.
        by_source: Sort by source as well, instead of trusting that they come so.
    """
    import numpy as np

    if by_source:
        order = np.lexsort((rows.sources, rows.keys))
    else:  # Packed with their places they sort stably, and as fast as numbers do.
        order = np.sort(rows.keys.astype(np.int64) << 32 | np.arange(len(rows))) & 0xFFFFFFFF
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows.keys, minlength=count), out=starts[1:])
    return rows.where(order.astype(np.int32)), starts
