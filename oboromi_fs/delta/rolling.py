"""Hashes of every window of some bytes, and an index of blocks that they are looked up in.

The hash of a window is a polynomial modulo 2**64 over random values for the 256 bytes. Prefix sums give it for every window of a piece in
a fixed number of array operations, however long the windows are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from oboromi_fs.protocols import Storage

__all__ = ["BlockIndex", "Ints", "bytes_of", "rows_at"]

Ints: TypeAlias = "NDArray[Any]"
"""Offsets or lengths, int64."""

_PIECE = 1 << 16
"""Windows hashed by one pass of array operations: what it needs fits a processor's cache."""
_READ = 4 << 20
"""Bytes read at a time."""
_FACTOR = 0x9E3779B97F4A7C15
_SEED = 0x0B0F


def bytes_of(storage: Storage, start: int, stop: int) -> NDArray[Any]:
    """Return bytes ``start..stop`` as an array of uint8, without a copy where they are stored as they are."""
    import numpy as np

    return np.frombuffer(storage[start:stop], np.uint8)


def rows_at(storage: Storage, starts: Ints, size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the bytes at ascending offsets as arrays of shape (blocks, ``size``), a few MiB at a time, with the number of the first one."""
    import numpy as np
    from numpy.lib.stride_tricks import sliding_window_view

    done = 0
    while done < len(starts):
        base = int(starts[done])
        after = int(np.searchsorted(starts, base + _READ))
        data = bytes_of(storage, base, int(starts[after - 1]) + size)
        yield done, sliding_window_view(data, size)[starts[done:after] - base]
        done = after


class BlockIndex:
    """Blocks of some bytes by their hash, and where each was first found in other bytes.

    Args:
        storage: The bytes.
        starts: Offsets of the blocks, ascending.
        size: Bytes of a block.
        runs: Whether blocks of one byte over and over are left out.

    Attributes:
        found: Where each block was found, -1 where it was not.
    """

    def __init__(self, storage: Storage, starts: Ints, size: int, *, runs: bool = False) -> None:
        import numpy as np

        self.size = size
        self._powers(size)
        hashes = np.empty(len(starts), np.uint64)
        wanted = np.ones(len(starts), bool)
        for first, rows in rows_at(storage, starts, size):
            part = slice(first, first + len(rows))
            for begin in range(0, len(rows), max(1, _READ // (8 * size))):  # Eight bytes are needed for each.
                some = rows[begin : begin + max(1, _READ // (8 * size))]
                at = slice(first + begin, first + begin + len(some))
                hashes[at] = (self._values.take(some, mode="clip") * self._up[:size]).sum(axis=1, dtype=np.uint64)
            if runs:
                wanted[part] = (rows != rows[:, :1]).any(axis=1)
        self._kinds, self._kind_of = np.unique(hashes, return_inverse=True)
        sought = np.zeros(len(self._kinds), bool)
        sought[self._kind_of[wanted]] = True
        self._where = np.where(sought, -1, -2)
        self._left = int(sought.sum())
        bits = min(max(12, (32 * len(self._kinds)).bit_length()), 26)
        self._shift = np.uint64(64 - bits)
        # How many blocks that are still sought share a slot; 255 is "many" and stays.
        counts = np.bincount((self._kinds[sought] >> self._shift).astype(np.int64), minlength=1 << bits)
        self._filter = np.minimum(counts, 255).astype(np.uint8)

    def _powers(self, size: int) -> None:
        import numpy as np

        count = _PIECE + size
        generator = np.random.Generator(np.random.PCG64(_SEED))
        self._values = generator.integers(0, 1 << 64, 256, np.uint64)
        self._up, self._down = (np.full(count, factor, np.uint64) for factor in (_FACTOR, pow(_FACTOR, -1, 1 << 64)))
        for powers in (self._up, self._down):
            powers[0] = 1
            np.cumprod(powers, out=powers)
        self._sums, self._hashes = np.empty(count, np.uint64), np.empty(_PIECE, np.uint64)

    @property
    def found(self) -> Ints:
        """Where each block was found first; negative where it was not."""
        found: Ints = self._where[self._kind_of]
        return found

    def search(self, storage: Storage, cuts: Ints) -> None:
        """Look for the blocks at every offset of other bytes.

        Args:
            storage: The other bytes.
            cuts: Offsets, ascending, that a block must not lie across.
        """
        for base in range(0, max(0, storage.size - self.size + 1), _READ):
            if not self._left:
                return
            data = bytes_of(storage, base, min(base + _READ + self.size - 1, storage.size))
            for begin in range(0, len(data) - self.size + 1, _PIECE):
                self._take(data[begin : begin + _PIECE + self.size - 1], base + begin, cuts)

    def _take(self, data: NDArray[Any], base: int, cuts: Ints) -> None:
        import numpy as np

        size, count = self.size, len(data) - self.size + 1
        sums = self._sums[: len(data)]
        np.take(self._values, data, out=sums, mode="clip")  # The mode that does not copy the indices first.
        sums *= self._up[: len(data)]
        np.cumsum(sums, out=sums)
        hashes = self._hashes[:count]
        hashes[0] = sums[size - 1]
        np.subtract(sums[size:], sums[: count - 1], out=hashes[1:])
        hashes *= self._down[:count]
        at = np.flatnonzero(self._filter.take((hashes >> self._shift).view(np.int64), mode="clip"))
        if not len(at):
            return
        picked = hashes[at]
        kinds = np.minimum(np.searchsorted(self._kinds, picked), len(self._kinds) - 1)
        right = (self._kinds[kinds] == picked) & (self._where[kinds] == -1)
        places = at + base
        if len(cuts):
            right &= np.searchsorted(cuts, places, "right") == np.searchsorted(cuts, places + size, "left")
        kinds, first = np.unique(kinds[right], return_index=True)
        if len(kinds):
            self._where[kinds] = places[right][first]
            self._left -= len(kinds)
            slots, many = np.unique(self._kinds[kinds] >> self._shift, return_counts=True)
            slots = slots.astype(np.int64)
            before = self._filter[slots]
            self._filter[slots] = np.where(before == 255, before, before - np.minimum(many, before).astype(np.uint8))
