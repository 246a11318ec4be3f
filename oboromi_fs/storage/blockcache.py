"""The last blocks that were decompressed, kept for whoever reads on in them."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BlockCache"]


class BlockCache:
    """Blocks by number, the least recently used dropped first. Any number of threads may ask; two may make the same block at once.

    Args:
        make: Makes a block.
        limit: Bytes to keep, at most; the block that was made last is kept in any case.

    Attributes:
        made: How many blocks were made.

    Example:
        >>> cache = BlockCache(lambda number: bytes([number]) * 4, limit=8)
        >>> [cache.get(number)[0] for number in (1, 2, 1, 3, 1)], cache.made
        ([1, 2, 1, 3, 1], 3)
    """

    __slots__ = ("_blocks", "_held", "_limit", "_lock", "_make", "made")

    def __init__(self, make: Callable[[int], bytes], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._held = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()
        self.made = 0

    def get(self, number: int) -> bytes:
        """Return a block, made if it is not kept."""
        with self._lock:
            block = self._blocks.get(number)
            if block is not None:
                self._blocks.move_to_end(number)
                return block
        block = self._make(number)
        with self._lock:
            self.made += 1
            if number not in self._blocks:
                self._blocks[number] = block
                self._held += len(block)
            while self._held > self._limit and len(self._blocks) > 1:
                self._held -= len(self._blocks.popitem(last=False)[1])
        return block
