"""VCDIFF read (RFC 3284): a source and a delta as the target they make, a window at a time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.base import StorageBase
from oboromi_fs.delta.codes import ADD, COPY, MAGIC, NOOP, RUN, Addresses, code_table
from oboromi_fs.errors import CorruptError, NotThisFormatError, UnsupportedError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Place, Storage

__all__ = ["VcdiffStorage"]

_WHAT = "VCDIFF"
_MOST_WINDOW = 64 << 20
"""Bytes of a window, as it is read and as it is stored: more are refused, since it has to be held."""
_MOST_HEAD = 96
"""Bytes of a window's head, at most: eight numbers and two bytes."""
_CACHE = 4 << 20
"""Bytes of windows that are kept, besides the latest."""
_LONGEST = 10
"""Bytes of a number, at most."""
_SOURCE, _TARGET, _ADLER32 = 1, 2, 4


class _Window(NamedTuple):
    """Where the parts of a window lie. ``offset`` is its first byte in the delta, ``data`` that of its sections."""

    offset: int
    size: int
    segment: int
    segment_size: int
    checksum: int
    data: int
    data_size: int
    instructions_size: int
    addresses_size: int

    @property
    def end(self) -> int:
        """One past its last byte."""
        return self.data + self.data_size + self.instructions_size + self.addresses_size


class VcdiffStorage(StorageBase):
    """What a delta makes of a source. The heads of the windows are read at once, what is in them as it is looked at.

    Deltas of other tools are read as well, with an application's header and checksums of windows; not with secondary compression, a code
    table of their own, or windows made from earlier ones.

    Args:
        source: What the delta was made from.
        delta: The delta.
        size: Bytes that must come out; None takes what the delta says.

    Raises:
        NotThisFormatError: It is no VCDIFF.
        CorruptError: It is damaged, or makes another number of bytes; or a window needs what the source has not.
        UnsupportedError: It needs something that is not read, see above; or a window has more than 64 MiB.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> from oboromi_fs.delta import matching, vcdiff
        >>> old, new = MemoryStorage(bytes(range(64))), MemoryStorage(b"new " + bytes(range(64)))
        >>> delta = MemoryStorage(b"".join(vcdiff.encode(new, matching.match(old, new))))
        >>> (delta.size, VcdiffStorage(old, delta)[:6].tobytes())
        (22, b'new \\x00\\x01')
    """

    __slots__ = ("_cache", "_lock", "_offsets", "_starts", "delta", "source")
    kind = "Vcdiff"

    def __init__(self, source: Storage, delta: Storage, size: int | None = None) -> None:
        self.source = source
        self.delta = delta
        self._offsets = array("Q")  # Of windows in the delta; two numbers each, for a hostile delta has very many.
        self._starts = array("Q")
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()
        self._size = 0
        offset = self._header()
        while offset < delta.size:
            window = self._head(offset)
            if size is not None and self._size + window.size > size:
                raise self.damaged(offset, f"the windows make more than {size} bytes", "target window size")
            if window.size:
                self._offsets.append(offset)
                self._starts.append(self._size)
                self._size += window.size
            offset = window.end
        if size is not None and self._size != size:
            raise self.damaged(delta.size, f"the windows make {self._size} bytes, and not {size}", "window")

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The source and the delta."""
        return (self.source, self.delta)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` comes from: the delta, at the window that makes it."""
        at = self._offsets[max(bisect_right(self._starts, offset) - 1, 0)] if self._offsets else 0
        return self.delta.place(at)._replace(stored="patched")

    def damaged(self, offset: int, problem: str, field: str) -> CorruptError:
        """Return the error for a delta that is wrong at an offset."""
        place = self.delta.place(min(offset, self.delta.size))
        return CorruptError(problem, what=_WHAT, source=str(getattr(place.storage, "name", "")), offset=place.offset, field=field)

    def _unsupported(self, offset: int, problem: str, field: str) -> UnsupportedError:
        place = self.delta.place(min(offset, self.delta.size))
        return UnsupportedError(problem, what=_WHAT, source=str(getattr(place.storage, "name", "")), offset=place.offset, field=field)

    def _header(self) -> int:
        head = self.delta[: 6 + _LONGEST]
        if head[:3] != MAGIC[:3]:
            raise NotThisFormatError("does not begin with D6 C3 C4", what=_WHAT)
        if len(head) < 5:
            raise self.damaged(len(head), "ends in its header", "header")
        if head[3]:
            raise self._unsupported(3, f"is version {head[3]:#x}; version 0 is read", "version")
        indicator = head[4]
        if indicator & 3:
            what = "secondary compression" if indicator & 1 else "a code table of its own"
            raise self._unsupported(4, f"uses {what}, which is not read: make it anew without", "Hdr_Indicator")
        if indicator & ~7:
            raise self.damaged(4, f"has unknown bits: {indicator:#x}", "Hdr_Indicator")
        if not indicator & 4:
            return 5
        count, offset = _Numbers(self, head, 0).integer(5, "application header")
        if count > self.delta.size - offset:
            raise self.damaged(5, f"{count} bytes, and the delta ends after {self.delta.size - offset}", "application header")
        return offset + count

    def _head(self, offset: int) -> _Window:
        """The head of the window at an offset of the delta."""
        start, delta_size = offset, self.delta.size
        numbers = _Numbers(self, self.delta[start : start + _MOST_HEAD], start)
        indicator = numbers.byte(offset, "Win_Indicator")
        offset += 1
        if indicator & _TARGET:
            raise self._unsupported(start, "a window is made from earlier ones, which is not read", "Win_Indicator")
        if indicator & ~(_SOURCE | _ADLER32):
            raise self.damaged(start, f"has unknown bits: {indicator:#x}", "Win_Indicator")
        segment = segment_size = 0
        if indicator & _SOURCE:
            segment_size, offset = numbers.integer(offset, "source segment size")
            segment, offset = numbers.integer(offset, "source segment position")
            if segment + segment_size > self.source.size:
                problem = f"{segment_size:#x} bytes at {segment:#x} of the source are needed, which has {self.source.size:#x}"
                raise self.damaged(start, problem, "source segment")
        length, offset = numbers.integer(offset, "length of the delta")
        end = offset + length
        if end > delta_size:
            raise self.damaged(start, f"{length:#x} bytes, and {delta_size - offset:#x} are left", "length of the delta")
        size, offset = numbers.integer(offset, "target window size")
        if size > _MOST_WINDOW or length > 2 * _MOST_WINDOW:
            raise self._unsupported(
                start, f"a window of {max(size, length):#x} bytes: up to {_MOST_WINDOW:#x} are read", "target window size"
            )
        if numbers.byte(offset, "Delta_Indicator"):
            raise self._unsupported(offset, "sections are compressed, which is not read", "Delta_Indicator")
        offset += 1
        lengths: list[int] = []
        for field in ("length of data", "length of instructions", "length of addresses"):
            count, offset = numbers.integer(offset, field)
            lengths.append(count)
        checksum = -1
        if indicator & _ADLER32:
            checksum = int.from_bytes(bytes(numbers.byte(offset + number, "checksum") for number in range(4)), "big")
            offset += 4
        if offset + sum(lengths) != end:
            raise self.damaged(start, f"sections of {sum(lengths):#x} bytes in {end - offset:#x}", "length of the delta")
        return _Window(start, size, segment, segment_size, checksum, offset, *lengths)

    def _readinto(self, offset: int, target: memoryview) -> None:
        number = bisect_right(self._starts, offset) - 1
        inner = offset - self._starts[number]
        done = 0
        while done < len(target):
            window = self._window(number)
            part = window[inner : inner + len(target) - done]
            target[done : done + len(part)] = part
            done += len(part)
            number, inner = number + 1, 0

    def _window(self, number: int) -> bytes:
        with self._lock:
            found = self._cache.get(number)
            if found is not None:
                self._cache.move_to_end(number)
                return found
        made = _Decoder(self, self._head(self._offsets[number])).run()
        with self._lock:
            self._cache[number] = made
            while len(self._cache) > 1 and sum(map(len, self._cache.values())) > _CACHE:
                self._cache.popitem(last=False)
        return made


class _Numbers:
    """Numbers in a piece of the delta that begins at ``base``."""

    def __init__(self, storage: VcdiffStorage, data: memoryview, base: int) -> None:
        self._storage = storage
        self._data = data
        self._base = base

    def byte(self, offset: int, field: str) -> int:
        """The byte at an offset of the delta."""
        at = offset - self._base
        if at >= len(self._data):
            raise self._storage.damaged(offset, "ends in the middle", field)
        return self._data[at]

    def integer(self, offset: int, field: str) -> tuple[int, int]:
        """A number, and the offset after it."""
        value = 0
        for count in range(_LONGEST):
            byte = self.byte(offset + count, field)
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                if value >= 1 << 63:
                    break
                return value, offset + count + 1
        raise self._storage.damaged(offset, "is a number of more than 63 bits", field)


class _Decoder:
    """One window in the making."""

    def __init__(self, storage: VcdiffStorage, window: _Window) -> None:
        self._storage = storage
        self._window = window
        sections = storage.delta[window.data : window.end]
        self._data = sections[: window.data_size]
        split = window.data_size + window.instructions_size
        self._instructions = _Numbers(storage, sections[window.data_size : split], window.data + window.data_size)
        self._places = _Numbers(storage, sections[split:], window.data + split)
        self._at = window.data + window.data_size
        self._end = window.data + split
        self._place = window.data + split
        self._taken = 0
        self._addresses = Addresses()
        self._out = bytearray(window.size)
        self._view = memoryview(self._out)
        self._done = 0

    def run(self) -> bytes:
        """Carry out the instructions."""
        table = code_table()
        while self._at < self._end:
            code = self._instructions.byte(self._at, "instruction")
            self._at += 1
            for kind, size, mode in table[code]:
                if kind == NOOP:
                    continue
                start = self._at
                if not size:
                    size, self._at = self._instructions.integer(self._at, "size")  # noqa: PLW2901
                if size > self._window.size - self._done:
                    problem = f"{size:#x} bytes are made, and the window has room for {self._window.size - self._done:#x}"
                    raise self._storage.damaged(start, problem, "size")
                if kind == COPY:
                    self._copy(size, mode)
                else:
                    self._own(kind, size)
        return self._finished()

    def _finished(self) -> bytes:
        window = self._window
        left = (
            ("target window size", window.size - self._done),
            ("length of data", len(self._data) - self._taken),
            ("length of addresses", window.end - self._place),
        )
        for field, count in left:
            if count:
                raise self._storage.damaged(window.offset, f"{count:#x} bytes are left when all instructions are done", field)
        if window.checksum >= 0:
            from zlib import adler32

            found = adler32(self._out)
            if found != window.checksum:
                problem = f"what comes out has {found:#010x}, and not {window.checksum:#010x}: the source is another, or damaged"
                raise self._storage.damaged(window.offset, problem, "checksum")
        self._view.release()
        return bytes(self._out)

    def _own(self, kind: int, size: int) -> None:
        """ADD or RUN."""
        count = size if kind == ADD else 1
        if self._taken + count > len(self._data):
            offset = self._window.data + self._taken
            raise self._storage.damaged(offset, f"{count:#x} bytes are needed, {len(self._data) - self._taken:#x} are left", "data")
        part = self._data[self._taken : self._taken + count]
        self._taken += count
        self._view[self._done : self._done + size] = part if kind != RUN else part.tobytes() * size
        self._done += size

    def _copy(self, size: int, mode: int) -> None:
        window = self._window
        here = window.segment_size + self._done
        address = self._address(mode, here)
        if not 0 <= address < here:
            problem = f"{address:#x} is not before {here:#x}, where the copy goes"
            raise self._storage.damaged(self._place, problem, "address")
        if address < window.segment_size:
            count = min(size, window.segment_size - address)
            got = self._storage.source.readinto_at(window.segment + address, self._view[self._done : self._done + count])
            if got != count:
                raise self._storage.damaged(window.offset, f"the source ends {count - got} bytes too soon", "source segment")
            self._done += count
            size -= count
            address += count
        if size:
            begin = address - window.segment_size
            period = self._done - begin
            pattern = self._out[begin : min(begin + size, self._done)]
            self._view[self._done : self._done + size] = (pattern * -(-size // period))[:size] if size > period else pattern
            self._done += size

    def _address(self, mode: int, here: int) -> int:
        if mode >= 6:
            given = self._places.byte(self._place, "address")
            self._place += 1
            address = self._addresses.same(mode, given)
        else:
            given, self._place = self._places.integer(self._place, "address")
            address = given if mode == 0 else here - given if mode == 1 else self._addresses.near(mode, given)
        if 0 <= address < here:
            self._addresses.update(address)
        return address
