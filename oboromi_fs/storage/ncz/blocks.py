"""Blocks that are compressed one by one: a read decompresses those it touches, and a long read does so on all processors."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_fs._decode import corrupt
from oboromi_fs.storage._source import fill, view_of
from oboromi_fs.storage.blockcache import BlockCache
from oboromi_fs.storage.ncz.frame import FrameStorage
from oboromi_fs.storage.ncz.sharing import Ahead, share
from oboromi_fs.storage.ncz.zstd import FrameError, decompressed, zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.protocols import Storage
    from oboromi_fs.storage.ncz.header import NczHeader

__all__ = ["BlockBody", "Put"]

Put: TypeAlias = "Callable[[int, bytes | memoryview, memoryview], None]"
"""Takes the position of a run, its bytes, and where they go."""

KEPT = 8 << 20
"""Bytes of decompressed blocks to keep, at most; one block is kept in any case."""
LARGEST = 32 << 20
"""Blocks of more bytes are streamed, so that a small file which stands for a large block takes no more memory than others."""
AHEAD = 16
"""Blocks that are looked at, and made ahead of a reader as far as there are processors and memory for them."""
_OPEN = 2
"""Streamed blocks that are open at a time."""
_local = threading.local()


def _decompressor() -> Any:
    """The calling thread's own."""
    found = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard().ZstdDecompressor()
    return found


class BlockBody:
    """The blocks of an NCZ.

    Args:
        source: The NCZ.
        header: Its header, in block mode.
    """

    def __init__(self, source: Storage, header: NczHeader) -> None:
        assert header.blocks is not None  # noqa: S101  # For the type checker.
        assert header.block_starts is not None  # noqa: S101  # So.
        self._source = source
        self._exponent = header.blocks.exponent
        self.size = header.blocks.size
        self._starts = header.block_starts
        self._cache = BlockCache(self._made, KEPT)
        cores = os.cpu_count() or 1
        self._ahead: Ahead[bytes] = Ahead(self._decompressed, min(2 * cores, KEPT >> self._exponent) if cores > 1 else 0)
        self._run = (0, 0)
        self._streams: dict[int, FrameStorage] = {}
        self._lock = threading.Lock()

    def span(self, number: int) -> tuple[int, int]:
        """Return where a block lies in the file."""
        return int(self._starts[number]), int(self._starts[number + 1])

    def _length(self, number: int) -> int:
        return min(1 << self._exponent, self.size - (number << self._exponent))

    def deliver(self, position: int, target: memoryview, put: Put) -> None:
        """Hand over bytes ``position`` and on, as many as ``target`` takes, in runs, from several threads.

        Raises:
            CorruptError: A block is damaged.
        """
        first = position >> self._exponent
        last = position + len(target) - 1 >> self._exponent

        def work(index: int) -> None:
            number = first + index
            start = number << self._exponent
            begin, end = max(start, position), min(start + self._length(number), position + len(target))
            self._give(number, begin - start, begin, target[begin - position : end - position], put)

        share(work, last - first + 1)
        self._read_ahead(position, position + len(target))

    def _read_ahead(self, position: int, end: int) -> None:
        """Where reads follow each other, have the next blocks decompressed: small reads would keep one processor busy."""
        begin, before = self._run
        begin = begin if position == before else position
        self._run = (begin, end)
        if end - begin < 2 << self._exponent or end >= self.size:  # What is read here and there decompresses what it touches.
            return
        next_one = (end - 1 >> self._exponent) + 1
        last = (self.size - 1 >> self._exponent) + 1
        self._ahead.begin(number for number in range(next_one, min(next_one + AHEAD, last)) if self._is_compressed(number))

    def _is_compressed(self, number: int) -> bool:
        start, stop = self.span(number)
        return stop - start != self._length(number) <= LARGEST

    def _made(self, number: int) -> bytes:
        """A block, made ahead or now."""
        found = self._ahead.take(number)
        return found if found is not None else self._decompressed(number)

    def _give(self, number: int, inner: int, position: int, target: memoryview, put: Put) -> None:
        """Hand over bytes of one block, from byte ``inner`` of it on."""
        start, stop = self.span(number)
        length = self._length(number)
        if stop - start == length:  # Stored as it is: nothing but what is asked for needs to be read.
            view = view_of(self._source, start + inner, start + inner + len(target))
            if view is None:
                fill(self._source, start + inner, target)
                view = target
            put(position, view, target)
        elif length > LARGEST:
            self._stream(number).readinto_at(inner, target)
            put(position, target, target)
        elif len(target) == length:
            put(position, self._made(number), target)  # Whole: whoever reads on has no use for it.
        else:
            put(position, memoryview(self._cache.get(number))[inner : inner + len(target)], target)

    def _decompressed(self, number: int) -> bytes:
        start, stop = self.span(number)
        try:
            return decompressed(self._source[start:stop], self._length(number), _decompressor())
        except FrameError as wrong:
            raise corrupt(str(wrong), what=f"NCZ block {number}", storage=self._source, offset=start) from None

    def _stream(self, number: int) -> FrameStorage:
        with self._lock:
            found = self._streams.pop(number, None)
            if found is None:
                start, stop = self.span(number)
                found = FrameStorage(self._source.window(start, stop), self._length(number), what=f"NCZ block {number}")
                while len(self._streams) >= _OPEN:
                    self._streams.pop(next(iter(self._streams)))
            self._streams[number] = found
            return found
