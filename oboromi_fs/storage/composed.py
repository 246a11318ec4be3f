"""An image composed of pieces at known offsets, with zeros between them, of which nothing is read before it is sliced.

Pieces that are storages already are sliced where they are. Of many pieces that have to be opened first, such as the files of a folder, the
largest stay open, as many as the host allows for; the others are read in blocks of the image, and a bounded number of blocks is kept.
So a read costs the same whether it meets one piece or a hundred, and two hundred thousand pieces need no more descriptors than a few.
"""

from __future__ import annotations

import errno
import mmap
import os
from bisect import bisect_left, bisect_right
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, overload

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.file import File
from oboromi_fs.protocols import Place
from oboromi_fs.storage._source import fill, view_of, zero
from oboromi_fs.storage.pieces import GivenPieces, Pieces, changed, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from oboromi_fs.protocols import Storage

__all__ = ["BULK", "CACHE", "ComposedStorage", "ZeroStorage"]

CACHE = 1 << 30
"""Bytes of blocks that one storage keeps, at most; fewer on a machine of which that would be more than an eighth of its memory."""
BULK = 1 << 20
"""A read of so many bytes is one of many that go through the image once: what it meets is not kept."""

_ADMIT = 8
"""When as many blocks are kept as may be, one in so many further ones is read whole and takes the place of the oldest."""
_SLAB = 4 << 20
"""Bytes of memory that are asked for at once, for many blocks: large pages are had with far fewer faults than small ones."""
_MOST_OPEN = 4096
"""Pieces that stay open at most: a process may have some 65,000 mappings."""
_lseek = os.lseek


class ZeroStorage(StorageBase):
    """So many zeros, which take no memory.

    Example:
        >>> ZeroStorage(1 << 40)[5:7].tobytes()
        b'\\x00\\x00'
    """

    __slots__ = ()
    kind = "Zero"

    def __init__(self, size: int) -> None:
        self._size = size

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        zero(target)


class _Run(NamedTuple):
    """Bytes ``begin..end`` of the image, in ``view``."""

    begin: int
    end: int
    view: memoryview
    number: int  # Descriptor of the mapped file that the view shows, else -1.


class _Opened(NamedTuple):
    """A piece that stays open."""

    begin: int
    end: int
    storage: Storage
    run: _Run | None  # Where the storage holds its bytes as they are.
    descriptor: object  # What keeps the descriptor's number from being given to another file.


_NOTHING = _Run(1, 0, memoryview(b""), -1)
"""Stands for what is not there yet: no range lies in it."""


class ComposedStorage(StorageBase):
    """Pieces at offsets, zeros elsewhere. A slice inside one piece copies nothing that the piece does not copy.

    Any number of threads may read one. A host file whose size is no longer the planned one is an error at the next read, also when it is
    open and mapped; but as with :class:`~oboromi_fs.file.File`, views that were handed out show the mapping itself.

    Args:
        pieces: Offset and bytes of each piece, in any order; or :class:`~oboromi_fs.storage.pieces.Pieces`.
        size: Bytes of the whole image; as far as the last piece if None.
        cache: Bytes of blocks to keep, at most; None takes :data:`CACHE`, as far as the machine's memory allows.
        keep: Pieces to keep open, at most; None asks the host how many files may be open.

    Raises:
        ValueError: Two pieces overlap, or the last one ends after ``size``.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> ComposedStorage([(4, MemoryStorage(b"data")), (0, MemoryStorage(b"PF"))], 10)[:].tobytes()
        b'PF\\x00\\x00data\\x00\\x00'
    """

    __slots__ = ("_blocks", "_cache", "_kept", "_least_open", "_lock", "_misses", "_open", "_rooms", "_shift", "pieces")
    kind = "Composed"
    block_bits = 16
    """Binary logarithm of the bytes of a block; more where the image would have more than a million blocks."""

    def __init__(
        self, pieces: Iterable[tuple[int, Storage]] | Pieces, size: int | None = None, *, cache: int | None = None, keep: int | None = None
    ) -> None:
        if not isinstance(pieces, Pieces):
            given = sorted(((start, storage) for start, storage in pieces if storage.size), key=lambda piece: piece[0])
            pieces = GivenPieces([start for start, _ in given], [storage for _, storage in given])
        last = pieces.ends[-1] if len(pieces) else 0
        self._size = last if size is None else size
        if last > self._size:
            message = f"the last piece ends at {last:#x}, the image at {self._size:#x}"
            raise ValueError(message)
        self.pieces = pieces
        self._shift = max(self.block_bits, self._size.bit_length() - 20)
        self._least_open = 0 if pieces.at_hand else _least_open(pieces, 2 << self.block_bits, keep)
        self._blocks = [_NOTHING] * ((self._size >> self._shift) + 1)
        self._open: dict[int, _Opened] = {}
        self._cache = (_most_cached() if cache is None else cache) >> self._shift
        self._kept: deque[int] = deque()
        self._rooms: list[memoryview] = []
        self._misses = 0
        self._lock = Lock()

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storages that are there without opening any piece."""
        return self.pieces.sources

    @overload
    def __getitem__(self, key: int, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> memoryview: ...
    def __getitem__(self, key: int | slice, /) -> int | memoryview:
        """One byte, or a read-only view of a range; ranges clip like those of ``bytes``."""
        if type(key) is slice and key.step is None:  # The way of nearly all reads, without the detours of the general one.
            try:
                start, stop = key.start, key.stop
                begin, end, view, number = self._blocks[start >> self._shift]
                if begin <= start < stop <= end and (number < 0 or _lseek(number, 0, 2) == end - begin):
                    part: memoryview = view[start - begin : stop - begin]
                    return part
                if begin <= start < end < stop and number < 0:  # Over the edge of a block.
                    base, further, after, number = self._blocks[end >> self._shift]
                    if base <= end < stop <= further and number < 0:
                        return memoryview(b"".join((view[start - begin :], after[end - base : stop - base])))
            except (IndexError, TypeError):  # Not there, or not numbers; whichever, the general way knows.
                pass
        return super().__getitem__(key)

    def readinto_at(self, offset: int, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from byte ``offset`` on; return how many bytes there were.

        Raises:
            ValueError: ``offset`` is negative.
        """
        if 0 <= offset < self._size:
            begin, end, view, number = self._blocks[offset >> self._shift]
            target = memoryview(buffer).cast("B")
            stop = offset + len(target)
            if begin <= offset < stop <= end and (number < 0 or _lseek(number, 0, 2) == end - begin):
                target[:] = view[offset - begin : stop - begin]
                return len(target)
        return super().readinto_at(offset, buffer)

    def _view(self, start: int, stop: int) -> memoryview | None:
        block = start >> self._shift
        run = self._blocks[block]
        if not run.begin <= start < stop <= run.end:
            piece = self._piece_at(start)
            if piece >= 0 and start < self.pieces.ends[piece] and self._stays_open(piece):
                if stop > self.pieces.ends[piece]:
                    return None
                opened = self._opened(piece)
                if opened.run is None:
                    return view_of(opened.storage, start - opened.begin, stop - opened.begin)
                run = opened.run
            elif self.pieces.at_hand or run is not _NOTHING or stop > (block + 1) << self._shift or len(self._kept) >= self._cache:
                return None
            else:
                run = self._hold(block)
                if run is _NOTHING:
                    return None
        return self._checked(run)[start - run.begin : stop - run.begin]

    def _checked(self, run: _Run) -> memoryview:
        """The view of a run. A mapped file must have its size still: touching a page that is gone would kill the process.

        Raises:
            MappingError: It has not.
        """
        begin, end, view, number = run
        if number >= 0 and (there := _lseek(number, 0, 2)) != end - begin:
            raise changed(self.pieces.path(self._piece_at(begin)), end - begin, there)
        return view

    def _piece_at(self, offset: int) -> int:
        """The last piece that starts at or before ``offset``; -1 if there is none."""
        return bisect_right(self.pieces.starts, offset) - 1

    def _stays_open(self, piece: int) -> bool:
        return self.pieces.ends[piece] - self.pieces.starts[piece] >= self._least_open

    def _opened(self, piece: int) -> _Opened:
        """A piece that stays open."""
        opened = self._open.get(piece)
        if opened is None:
            begin, end = self.pieces.starts[piece], self.pieces.ends[piece]
            try:
                storage = self.pieces.opened(piece)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                self._let_go()
                storage = self.pieces.opened(piece)
            # Whoever gave a storage may close it, so its views are asked for one by one.
            view = None if self.pieces.at_hand else view_of(storage, 0, end - begin)
            run, descriptor = None, None
            if view is not None and isinstance(storage, File):
                descriptor = storage._opened()  # noqa: SLF001
                run = _Run(begin, end, view, descriptor.number)
            elif view is not None:
                run = _Run(begin, end, view, -1)
            opened = self._open[piece] = _Opened(begin, end, storage, run, descriptor)
            if run is not None:  # From now on reads of the blocks that lie in it go the short way.
                first, last = -(-begin >> self._shift), end >> self._shift
                self._blocks[first:last] = [run] * (last - first)
        return opened

    def _let_go(self) -> None:
        """Close every piece: the host has no more descriptors to give, and somebody else may hold most of them."""
        with self._lock:
            self._open = {}
            self._kept.clear()
            self._blocks = [_NOTHING] * len(self._blocks)

    def _hold(self, block: int) -> _Run:
        """Read a block and keep it; nothing comes of it where it cannot be read whole, but parts of it may, or where it is not its turn."""
        if len(self._kept) >= self._cache:
            self._misses += 1
            if not self._cache or self._misses % _ADMIT:
                return _NOTHING
        begin = block << self._shift
        room = self._room()
        data = room[: self._size - begin]
        try:
            self._fill(begin, data)
        except (OboromiFsError, OSError):
            zero(room)
            self._rooms.append(room)
            return _NOTHING
        run = _Run(begin, begin + len(data), data.toreadonly(), -1)
        with self._lock:
            if self._blocks[block] is _NOTHING:
                self._blocks[block] = run
                self._kept.append(block)
            while len(self._kept) > self._cache:
                self._blocks[self._kept.popleft()] = _NOTHING
        return run

    def _room(self) -> memoryview:
        """Zeros for one block. Blocks are given up in the order in which they came, so that the memory they share goes soon after."""
        try:
            return self._rooms.pop()
        except IndexError:
            pass
        size = 1 << self._shift
        count = min(_SLAB >> self._shift, self._cache, len(self._blocks))
        if count <= 1:
            return memoryview(bytearray(size))
        slab = _slab(count << self._shift)
        view = memoryview(slab)
        rooms = [view[start : start + size] for start in range(0, len(view), size)]
        self._rooms += rooms[:0:-1]
        return rooms[0]

    def _readinto(self, offset: int, target: memoryview) -> None:
        stop = offset + len(target)
        if self.pieces.at_hand or len(target) >= BULK:
            self._gather(offset, target)
            return
        position = offset
        while position < stop:
            block = position >> self._shift
            run = self._blocks[block]
            if run is _NOTHING:
                piece = self._piece_at(position)
                if piece >= 0 and position < self.pieces.ends[piece] and self._stays_open(piece):
                    upto = min(self.pieces.ends[piece], stop)
                    self._copy(self._opened(piece), position, target[position - offset : upto - offset])
                    position = upto
                    continue
                run = self._hold(block)
            upto = min(max(run.end, (block + 1) << self._shift), stop)
            part = target[position - offset : upto - offset]
            if run is _NOTHING:
                self._gather(position, part)
            else:
                inner = position - run.begin
                part[:] = self._checked(run)[inner : inner + len(part)]
            position = upto

    def _copy(self, opened: _Opened, position: int, target: memoryview) -> None:
        """Fill ``target`` from ``position``, which lies in that piece as all that is asked for does."""
        inner = position - opened.begin
        if opened.run is not None:
            target[:] = self._checked(opened.run)[inner : inner + len(target)]
            return
        try:
            fill(opened.storage, inner, target)
        except (OboromiFsError, OSError) as error:
            tell(error, self.pieces.path(self._piece_at(opened.begin)))
            raise

    def _gather(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` from the pieces that lie in that range, and no others."""
        zero(target)
        self._fill(offset, target)

    def _fill(self, offset: int, target: memoryview) -> None:
        """Fill in the pieces that lie in a range; between them ``target`` stays as it is."""
        stop = offset + len(target)
        starts, ends, least = self.pieces.starts, self.pieces.ends, self._least_open
        piece = max(self._piece_at(offset), 0)
        last = bisect_left(starts, stop)
        while piece < last:
            start, end = starts[piece], ends[piece]
            if end <= offset:
                piece += 1
            elif end - start >= least:
                low, high = max(start, offset), min(end, stop)
                self._copy(self._opened(piece), low, target[low - offset : high - offset])
                piece += 1
            elif start < offset or end > stop:
                low, high = max(start, offset), min(end, stop)
                self.pieces.read_part(piece, low - start, target[low - offset : high - offset])
                piece += 1
            else:
                after = piece + 1
                while after < last and ends[after] <= stop and ends[after] - starts[after] < least:
                    after += 1
                self.pieces.read(piece, after, target[start - offset : ends[after - 1] - offset], start)
                piece = after

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies. A gap, and a piece that cannot be opened, lie in zeros."""
        piece = self._piece_at(offset)
        if piece >= 0 and (offset < self.pieces.ends[piece] or offset == self._size == self.pieces.ends[piece]):
            try:
                return self.pieces.opened(piece).place(offset - self.pieces.starts[piece])
            except (OboromiFsError, OSError):
                pass
        return Place(ZeroStorage(self._size), offset, "plain")


def _slab(size: int) -> mmap.mmap:
    """Memory of this process alone, filled with zeros."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows.
        return mmap.mmap(-1, size)
    slab = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # The host has none.
            slab.madvise(mmap.MADV_HUGEPAGE)
    return slab


def _least_open(pieces: Pieces, least: int, keep: int | None) -> int:
    """Bytes of the smallest piece that stays open: ``least``, in which a whole block lies, or more where too many are as long."""
    large = sorted(end - start for start, end in zip(pieces.starts, pieces.ends, strict=True) if end - start >= least)
    if keep is None:
        keep = _most_open()
    return least if len(large) <= keep else large[len(large) - keep - 1] + 1


def _most_cached() -> int:
    """Bytes of blocks to keep where nobody said."""
    try:
        return min(CACHE, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
    except (AttributeError, ValueError, OSError):  # Windows; or the host will not say.
        return CACHE


def _most_open() -> int:
    """How many pieces may stay open: of the descriptors this process may have, a quarter; a mapped file takes two."""
    try:
        import resource
    except ImportError:  # Windows, where the limit is far away.
        return 512
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_OPEN if limit == resource.RLIM_INFINITY else max(16, min(limit // 8, _MOST_OPEN))
