"""One face for the decompressors of the standard library: what a stream of each kind takes, gives, and costs.

Each is fed in pieces and asked for so many bytes at most, so that a few bytes which stand for gigabytes cost no more memory than others.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from oboromi_fs.errors import UnsupportedError

if TYPE_CHECKING:
    import bz2
    import lzma
    from collections.abc import Callable
    from typing import Self

__all__ = ["BZIP2", "DEFLATE", "LZMA", "Codec", "Decoder"]

MAX_DICTIONARY = 256 << 20
"""Largest LZMA dictionary that is set up, in bytes; the strongest setting of the usual tools takes a quarter of it."""


class Decoder(Protocol):
    """A decompressor part of the way through a stream."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether all that it was given is used up."""

    def decompress(self, data: bytes | memoryview, limit: int) -> bytes:
        """Take more of the stream, and give ``limit`` bytes at most; what is left waits.

        Raises:
            ValueError: The stream is damaged; the message says how.
            UnsupportedError: It needs more memory than is reasonable.
        """

    def copy(self) -> Decoder | None:
        """One that goes on from the same point by itself; None where the library cannot."""


class Codec(NamedTuple):
    """A kind of compressed stream.

    ``start`` makes a Decoder for a stream of so many decompressed bytes; ``ratio`` is how many bytes one byte can stand for; ``ends`` is
    whether a stream says itself where it ends.
    """

    name: str
    start: Callable[[int], Decoder]
    ratio: int
    ends: bool


class _Deflate:
    __slots__ = ("_stream",)

    def __init__(self, stream: zlib._Decompress) -> None:
        self._stream = stream

    @classmethod
    def start(cls, size: int) -> Self:
        del size
        return cls(zlib.decompressobj(-zlib.MAX_WBITS))

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes | memoryview, limit: int) -> bytes:
        tail = self._stream.unconsumed_tail
        try:
            return self._stream.decompress(tail + data if tail else data, limit)
        except zlib.error as wrong:
            raise ValueError(str(wrong)) from None

    def copy(self) -> _Deflate:
        return _Deflate(self._stream.copy())


class _Bzip2:
    __slots__ = ("_stream",)

    def __init__(self, size: int) -> None:
        import bz2

        del size
        self._stream: bz2.BZ2Decompressor = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return self._stream.needs_input

    def decompress(self, data: bytes | memoryview, limit: int) -> bytes:
        try:
            return self._stream.decompress(data, limit)
        except OSError as wrong:
            raise ValueError(str(wrong)) from None

    def copy(self) -> None:
        return None


class _Lzma:
    """LZMA as ZIP has it: two bytes of version, the length of the properties, the properties, the bare stream."""

    __slots__ = ("_size", "_stream")

    def __init__(self, size: int) -> None:
        self._size = size
        self._stream: lzma.LZMADecompressor | None = None

    @property
    def eof(self) -> bool:
        return self._stream is not None and self._stream.eof

    @property
    def needs_input(self) -> bool:
        return self._stream is None or self._stream.needs_input

    def decompress(self, data: bytes | memoryview, limit: int) -> bytes:
        import lzma

        try:
            if self._stream is None:  # The first piece of a stream is never shorter than its head, unless the whole of it is.
                self._stream = self._begin(data)
                data = data[9:]
            return self._stream.decompress(data, limit)
        except lzma.LZMAError as wrong:
            raise ValueError(str(wrong)) from None

    def _begin(self, head: bytes | memoryview) -> lzma.LZMADecompressor:
        import lzma

        if len(head) < 9 or int.from_bytes(head[2:4], "little") != 5:
            message = f"{bytes(head[:9]).hex()!r} is no head of an LZMA stream, which has 5 bytes of properties"
            raise ValueError(message)
        # No match reaches back further than there are bytes: a small file needs no large dictionary, whatever it says.
        dictionary = min(int.from_bytes(head[5:9], "little"), max(self._size, 0x1000))
        if dictionary > MAX_DICTIONARY:
            raise UnsupportedError(f"an LZMA dictionary of {dictionary:#x} bytes is needed, {MAX_DICTIONARY:#x} is the most that is set up")
        rest, literal_context = divmod(head[4], 9)
        position, literal_position = divmod(rest, 5)
        filters = {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(dictionary, 0x1000),
            "lc": literal_context,
            "lp": literal_position,
            "pb": position,
        }
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters])

    def copy(self) -> None:
        return None


# Deflate: 258 bytes of two bits. LZMA: a match of 273 bytes costs a third of a bit. Bzip2: a block of 45 million equal bytes takes some 40.
DEFLATE = Codec("Deflate", _Deflate.start, 1032, ends=True)
BZIP2 = Codec("Bzip2", _Bzip2, 1 << 21, ends=True)
LZMA = Codec("LZMA", _Lzma, 1 << 14, ends=False)
