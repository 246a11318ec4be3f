"""Compressed streams as storages: what can only be decompressed from its start, read from anywhere.

A read goes on from where the last one ended. One further back begins at the last mark before it (a copy of the decompressor, where its
library can make one), else at the start. Blocks that were just made are kept, so that threads which share a file in pieces do not undo
each other's way. All that is remembered is bounded, however many streams are half read.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from oboromi_fs._decode import corrupt, error
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError, IntegrityError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import Place, Storage
    from oboromi_fs.storage._decoders import Codec, Decoder

__all__ = ["Memory", "StreamedStorage"]

BLOCK = 1 << 18
"""Bytes that are decompressed at a time, and kept together."""
SPACING = 4 << 20
"""Bytes between two marks of a stream, as long as they are few."""
MAX_MARKS = 32
"""Marks of a stream, some 50 KiB each; with more, every second one is dropped, and the next ones are set twice as far apart."""
_INPUT = 1 << 16
"""Compressed bytes that are taken at a time."""

K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """What was used last: of all that was put in, as much as the limit allows, and at least the last thing."""

    __slots__ = ("_cost", "_limit", "_lock", "_values")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cost = 0
        self._lock = Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V, cost: int = 1) -> None:
        with self._lock:
            self._drop(key)
            self._values[key] = (value, cost)
            self._cost += cost
            while self._cost > self._limit and len(self._values) > 1:
                self._drop(next(iter(self._values)))

    def drop(self, key: K) -> None:
        with self._lock:
            self._drop(key)

    def _drop(self, key: K) -> None:
        self._cost -= self._values.pop(key, (None, 0))[1]


class _Pass:
    """A way through a stream: how many bytes were taken and made, and the CRC-32 of those made."""

    __slots__ = ("crc", "decoder", "made", "taken")

    def __init__(self, decoder: Decoder, made: int = 0, taken: int = 0, crc: int = 0) -> None:
        self.decoder = decoder
        self.made = made
        self.taken = taken
        self.crc = crc

    def copy(self) -> _Pass | None:
        decoder = self.decoder.copy()
        return _Pass(decoder, self.made, self.taken, self.crc) if decoder is not None else None


class _Progress:
    """How far a stream was read: the pass to go on with, and marks to go back to, in order."""

    __slots__ = ("current", "marks", "spacing")

    def __init__(self) -> None:
        self.current: _Pass | None = None
        self.marks: list[_Pass] = []
        self.spacing = SPACING

    def mark(self, state: _Pass) -> None:
        """Remember a pass that has reached a place for a mark."""
        if not state.made or state.made % self.spacing or (self.marks and self.marks[-1].made >= state.made):
            return
        copied = state.copy()
        if copied is None:
            return
        self.marks.append(copied)
        if len(self.marks) > MAX_MARKS:
            self.marks = self.marks[1::2]
            self.spacing *= 2

    def nearest(self, start: int) -> _Pass | None:
        """The pass that gets to byte ``start`` soonest; None where all are past it."""
        marked = next((mark for mark in reversed(self.marks) if mark.made <= start), None)
        current = self.current
        if current is not None and current.made <= start and (marked is None or marked.made <= current.made):
            return current
        return marked.copy() if marked is not None else None


class Memory:
    """What the streams of one archive remember together: blocks that were just made, and the ways through streams that are half read.

    Args:
        blocks: Bytes of blocks at most.
        streams: How many streams' ways are kept.
    """

    __slots__ = ("_numbers", "blocks", "progress")

    def __init__(self, blocks: int = 16 << 20, streams: int = 16) -> None:
        self.blocks: _Recent[tuple[int, int], bytes] = _Recent(blocks)
        self.progress: _Recent[int, _Progress] = _Recent(streams)
        self._numbers = count()

    def number(self) -> int:
        """A number no other stream here has."""
        return next(self._numbers)


class StreamedStorage(StorageBase):
    """What a compressed stream decompresses to, decompressed as it is read.

    Reading the last bytes, in whatever order, also shows whether the stream ends there and whether everything has its CRC-32.

    Args:
        source: The stream, and nothing else.
        size: Bytes it decompresses to.
        codec: How it is compressed.
        crc: CRC-32 of the decompressed bytes; None where there is none to compare.
        what: What error messages call it.
        memory: Where it remembers how far it was read; shared with other streams, so that it stays bounded for all of them.

    Raises:
        CorruptError: ``size`` is more than so few bytes can stand for.

    Example:
        >>> import zlib
        >>> from oboromi_fs.base import MemoryStorage
        >>> from oboromi_fs.storage._decoders import DEFLATE
        >>> stream = MemoryStorage(zlib.compress(b"level " * 1000)[2:-4])
        >>> StreamedStorage(stream, 6000, DEFLATE)[2997:3003].tobytes()
        b'el lev'
    """

    __slots__ = ("_codec", "_crc", "_lock", "_memory", "_number", "_source", "kind", "what")

    def __init__(
        self, source: Storage, size: int, codec: Codec, *, crc: int | None = None, what: str = "stream", memory: Memory | None = None
    ) -> None:
        self._source = source
        self._size = size
        self._codec = codec
        self._crc = crc
        self._memory = memory if memory is not None else Memory()
        self._number = self._memory.number()
        self._lock = Lock()
        self.kind = codec.name
        self.what = what
        if size > source.size * codec.ratio:  # Before anyone makes room for so many.
            raise self._corrupt(f"{size:#x} bytes are declared, more than {source.size:#x} of {codec.name} can stand for", 0)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The compressed stream."""
        return (self._source,)

    def place(self, offset: int = 0, /) -> Place:
        """Where the compressed bytes begin that byte ``offset`` comes from."""
        del offset
        return self._source.place(0)._replace(stored="compressed")

    def _readinto(self, offset: int, target: memoryview) -> None:
        with self._lock:
            while target:
                number, inner = divmod(offset, BLOCK)
                block = self._block(number)
                size = min(len(block) - inner, len(target))
                target[:size] = block if size == len(block) else memoryview(block)[inner : inner + size]
                target = target[size:]
                offset += size

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes in order, on a way of its own that nothing is remembered of; the end is checked, of an empty file as well.

        Raises:
            CorruptError: The stream is damaged, or does not have the size it should.
            IntegrityError: The bytes do not have their CRC-32.
        """
        state = _Pass(self._codec.start(self._size))
        yield self._next(state)
        while state.made < self._size:
            yield self._next(state)

    def _block(self, number: int) -> bytes:
        """One block of decompressed bytes; the lock is held."""
        memory = self._memory
        found = memory.blocks.get((self._number, number))
        if found is not None:
            return found
        progress = memory.progress.get(self._number) or _Progress()
        state = progress.nearest(number * BLOCK) or _Pass(self._codec.start(self._size))
        progress.current = None  # A pass that fails is of no use to the next reader.
        block = b""
        while state.made <= number * BLOCK:
            progress.mark(state)
            made = state.made
            block = self._next(state)
            memory.blocks.put((self._number, made // BLOCK), block, len(block))
        if state.made < self._size:
            progress.current = state
        if progress.current is not None or progress.marks:
            memory.progress.put(self._number, progress)
        else:
            memory.progress.drop(self._number)
        return block

    def _next(self, state: _Pass) -> bytes:
        """The next block of a pass; with the last one the end is checked."""
        want = min(BLOCK, self._size - state.made)
        last = state.made + want == self._size
        block = self._take(state, want + (last and self._codec.ends))  # Of the last, one byte more than there should be.
        if len(block) < want:
            raise self._corrupt(f"ends after {state.made + len(block):#x} bytes, {self._size:#x} are declared", state.taken)
        if len(block) > want:
            raise self._corrupt(f"goes on behind the {self._size:#x} bytes that are declared", state.taken)
        state.made += want
        state.crc = zlib.crc32(block, state.crc)
        if last and self._crc is not None and state.crc != self._crc:
            problem = f"CRC-32 is {state.crc:08x}, must be {self._crc:08x}: the bytes are damaged"
            raise error(IntegrityError, problem, what=self.what, storage=self._source, offset=0, field="crc")
        return block

    def _take(self, state: _Pass, limit: int) -> bytes:
        """As many bytes as there are, up to a limit."""
        decoder, source = state.decoder, self._source
        parts: list[bytes] = []
        left = limit
        hungry = decoder.needs_input
        while left and not decoder.eof:
            data = source[state.taken : state.taken + _INPUT] if hungry else b""
            state.taken += len(data)
            try:
                piece = decoder.decompress(data, left)
            except UnsupportedError as wrong:
                raise error(UnsupportedError, wrong.problem, what=self.what, storage=source, offset=0) from None
            except ValueError as wrong:
                raise self._corrupt(f"cannot be decompressed: {wrong}", state.taken) from None
            if piece:
                parts.append(piece)
                left -= len(piece)
            elif hungry and not data:
                break
            hungry = decoder.needs_input or not piece
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _corrupt(self, problem: str, offset: int) -> CorruptError:
        return corrupt(problem, what=self.what, storage=self._source, offset=min(offset, self._source.size))
