"""One large Zstandard frame, read from anywhere.

Nothing can be decompressed but from the start of a frame. As long as reads go forward, one pass gives them, and only what was made last is
remembered. The first read that goes back, or skips far ahead, begins a pass that keeps everything in a temporary file, without a name, as
large as the part that was read so far: so no byte is decompressed more than twice, whatever the order of reads.
"""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from oboromi_fs._decode import corrupt
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import UnsupportedError
from oboromi_fs.storage.ncz.zstd import MAX_RATIO, FrameError, Frames, content_size, zstandard

if TYPE_CHECKING:
    from oboromi_fs.errors import CorruptError
    from oboromi_fs.protocols import Place, Storage

__all__ = ["FrameStorage"]

PIECE = 1 << 20
"""Bytes that are decompressed at a time, and kept together."""
RECENT = 16
"""Pieces that are remembered without a file; a read that skips more than so many ahead is no longer one in order."""
SPOOLED, SPOOLED_RATIO = 1 << 28, 256
"""Bytes that a temporary file may have in any case, and for each compressed byte: a few can stand for more than a disk holds."""
_ZEROS = bytes(PIECE)


class _Spool:
    """A file of its own that ends with whoever holds this. Zeros take no room in it.

    Args:
        size: Bytes it will have, at most.
        most: How many of them may take room.
    """

    def __init__(self, size: int, most: int) -> None:
        import tempfile  # Only where a file is needed.

        self._most = self._left = most
        self.number, path = tempfile.mkstemp(prefix="oboromi-")
        weakref.finalize(self, os.close, self.number)
        os.unlink(path)
        os.ftruncate(self.number, size)

    def put(self, offset: int, data: memoryview) -> None:
        if data == _ZEROS[: len(data)]:
            return
        self._left -= len(data)
        if self._left < 0:
            problem = f"more than {self._most:#x} bytes of a temporary file are needed for so few compressed ones; it can be read in order"
            raise UnsupportedError(problem, what="NCZ stream")
        while data:
            count = os.pwrite(self.number, data, offset)
            data, offset = data[count:], offset + count

    def readinto(self, offset: int, target: memoryview) -> None:
        while target:
            count = os.preadv(self.number, [target], offset)
            if not count:
                message = "a temporary file was cut short"
                raise OSError(message)
            target, offset = target[count:], offset + count


class _Pass:
    """A way through the frame: how many bytes were taken and made."""

    __slots__ = ("_source", "frames", "made", "taken")

    def __init__(self, source: Storage) -> None:
        self._source = source
        self.taken = self.made = 0
        self.frames = Frames(self._read)

    def _read(self, count: int) -> bytes:
        data = self._source[self.taken : self.taken + count]
        self.taken += len(data)
        return data.tobytes()


class FrameStorage(StorageBase):
    """What a frame decompresses to.

    Args:
        source: The frame, and nothing else.
        size: Bytes it decompresses to.
        what: What error messages call it.

    Raises:
        CorruptError: These are no frame's first bytes, it says another size, or ``size`` is more than so few bytes can stand for.
        UnsupportedError: The package zstandard is not installed.
    """

    __slots__ = ("_failure", "_lock", "_pass", "_recent", "_source", "_spool", "what")
    kind = "Zstandard"

    def __init__(self, source: Storage, size: int, *, what: str) -> None:
        self._source = source
        self._size = size
        self.what = what
        self._lock = Lock()
        self._pass: _Pass | None = None
        self._spool: _Spool | None = None
        self._recent: OrderedDict[int, bytearray] = OrderedDict()
        self._failure: tuple[int, CorruptError] | None = None
        zstandard()
        try:
            said = content_size(source[:32])
        except FrameError as wrong:
            raise self._corrupt(str(wrong), 0) from None
        if said is not None and said != size:
            raise self._corrupt(f"the frame says {said:#x} bytes, and must decompress to {size:#x}", 0)
        if size > source.size * MAX_RATIO:
            raise self._corrupt(f"{size:#x} bytes are more than {source.size:#x} can stand for", 0)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The frame."""
        return (self._source,)

    @property
    def spooled(self) -> bool:
        """Whether a temporary file is in use."""
        return self._spool is not None

    def place(self, offset: int = 0, /) -> Place:
        """Where the compressed bytes begin that byte ``offset`` comes from."""
        del offset
        return self._source.place(0)._replace(stored="compressed")

    def _readinto(self, offset: int, target: memoryview) -> None:
        with self._lock:
            while target:
                number, inner = divmod(offset, PIECE)
                size = min(PIECE - inner, len(target))
                self._give(number, inner, target[:size])
                target = target[size:]
                offset += size

    def _give(self, number: int, inner: int, target: memoryview) -> None:
        """Fill ``target`` from inside one piece; the lock is held."""
        found = self._recent.get(number)
        if found is None:
            self._reach(number)
            found = self._recent.get(number)
        if found is not None:
            target[:] = memoryview(found)[inner : inner + len(target)]
        elif self._spool is not None:
            self._spool.readinto(number * PIECE + inner, target)

    def _reach(self, number: int) -> None:
        """Decompress until a piece is made, and can be given."""
        start = number * PIECE
        state = self._pass
        if self._spool is None:
            made = state.made if state is not None else 0
            if not made <= start <= made + RECENT * PIECE:
                self._spool, state = _Spool(self._size, max(SPOOLED, self._source.size * SPOOLED_RATIO)), None
                self._recent.clear()
        if self._failure is not None and start >= self._failure[0]:
            raise self._failure[1].with_traceback(None)  # Found out once; the way there may be long.
        if state is None:
            state = self._pass = _Pass(self._source)
        while state.made <= start:
            try:
                self._keep(state.made, self._next(state))
            except BaseException as wrong:
                if self._failure is None or wrong is not self._failure[1]:
                    self._pass = self._spool = None  # What was taken out of the stream is lost, as by an interruption or a full disk.
                raise

    def _keep(self, offset: int, piece: bytearray) -> None:
        if self._spool is not None:
            self._spool.put(offset, memoryview(piece))
            return
        self._recent[offset // PIECE] = piece
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _next(self, state: _Pass) -> bytearray:
        """The next piece of a pass; with the last one the end is checked."""
        want = min(PIECE, self._size - state.made)
        piece = bytearray(want)
        problem = ""
        try:
            done = state.frames.readinto(memoryview(piece))
            if done < want:
                problem = f"ends after {state.made + done:#x} bytes, and must decompress to {self._size:#x}"
            elif state.made + want == self._size and state.frames.readinto(memoryview(bytearray(1))):
                problem = f"goes on behind the {self._size:#x} bytes that it must decompress to"
        except FrameError as wrong:
            problem = str(wrong)
        if problem:
            failure = self._corrupt(problem, min(state.taken, self._source.size))
            if self._failure is None or state.made < self._failure[0]:
                self._failure = (state.made, failure)
            raise failure
        state.made += want
        return piece

    def _corrupt(self, problem: str, offset: int) -> CorruptError:
        return corrupt(problem, what=self.what, storage=self._source, offset=offset)
