"""BLZ, the backwards LZ77 of kernel programs (KIP): decoded in place, from the last byte to the first. Source: Switchbrew wiki, "KIP1".

A footer of three 32-bit words ends the data: how much of it is compressed, how much of that is footer and padding, and how many bytes
the decoder adds. What lies before the compressed region is stored as it is. From the footer down the region holds control bytes, each
followed by eight tokens, highest bit first: a literal byte, or a copy of 3 to 18 bytes that were decoded 3 to 4098 bytes behind.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from oboromi_fs.errors import CorruptError, FormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["FOOTER_SIZE", "compress", "decompress", "decompressed_size"]

_FOOTER = Struct("<3I")
FOOTER_SIZE = _FOOTER.size

_SHORTEST, _LONGEST = 3, 18
_WINDOW = 0xFFF + 3
"""Farthest copy, in bytes; the nearest is 3."""

_MAX_SIZE = 1 << 30
_BLOCK = 1 << 16
"""Positions whose matches are looked for at a time: bounds the memory, and keeps the sorts in the processor's cache."""
_PLACE_BITS = 17
"""A position in a block and the window before it fits in so many bits."""
_GRAM_SHIFT = _PLACE_BITS + 8
_PLACE = (1 << _PLACE_BITS) - 1


def decompress(data: Buffer, *, max_size: int | None = None) -> bytes:
    """Return what :func:`compress` was given.

    A copy that reaches into bytes that are not decoded yet sees what the decoder's buffer holds there, as on the console.

    Args:
        data: The whole segment, verbatim start and footer included.
        max_size: The most the result may have, in bytes; None takes what the data can hold.

    Raises:
        CorruptError: The footer contradicts the data, a copy reaches outside, or the data end too soon. ``offset`` counts from the start
            of ``data``.

    Example:
        >>> decompress(bytes.fromhex("0dd0055001104142 43440eff18000000 0d00000008000000"))
        b'ABCDABCDABCDABCDABCDABCDABCDABCD'
    """
    source = memoryview(data).cast("B")
    verbatim, total, at, out = _footer(source[-FOOTER_SIZE:], len(source), max_size)
    region = bytearray(out)
    region[:total] = source[verbatim:]
    _decode(region, at, verbatim)
    return bytes(source[:verbatim]) + region


def decompressed_size(footer: Buffer, size: int, *, max_size: int | None = None) -> int:
    """Return how many bytes :func:`decompress` would give, without decompressing.

    Args:
        footer: The last ``FOOTER_SIZE`` bytes of the data, or all there are.
        size: Size of all the data, in bytes.
        max_size: The most the result may have, in bytes.

    Raises:
        CorruptError: The footer contradicts the data.
    """
    verbatim, _, _, out = _footer(memoryview(footer).cast("B"), size, max_size)
    return verbatim + out


def _footer(footer: memoryview, length: int, max_size: int | None) -> tuple[int, int, int, int]:
    """Bytes that are verbatim, bytes of the region, where in it the compressed ones end, and what it decodes to."""
    if len(footer) < FOOTER_SIZE:
        raise _corrupt(f"{length:#x} bytes are less than a footer", 0)
    total, size, additional = _FOOTER.unpack(footer)
    if total > length:
        raise _corrupt(f"{total:#x} compressed bytes, {length:#x} are there", length - 12, "total_size")
    if not FOOTER_SIZE <= size <= total:
        raise _corrupt(f"a footer of {size:#x} bytes in {total:#x} compressed ones", length - 8, "footer_size")
    verbatim, at, out = length - total, total - size, total + additional
    if max_size is not None and verbatim + out > max_size:
        raise _corrupt(f"decodes to {verbatim + out:#x} bytes, at most {max_size:#x} may be", length - 4, "additional_size")
    if out > -(-at // 17) * 8 * _LONGEST:  # Eight copies in 17 bytes are the most.
        raise _corrupt(f"{at:#x} bytes cannot decode to {out:#x}", length - 4, "additional_size")
    return verbatim, total, at, out


def _decode(region: bytearray, at: int, verbatim: int) -> None:
    """Decode in place: the compressed bytes end at ``at``, the decoded ones fill the region from its end down."""
    size = out = len(region)
    while out > 0:
        if at <= 0:
            raise _corrupt(f"end with {out:#x} bytes left to decode", verbatim)
        at -= 1
        control = region[at]
        if not control and 8 <= at <= out and out >= 8:  # Eight literals, and nothing unread is written over.
            at -= 8
            out -= 8
            region[out : out + 8] = region[at : at + 8]
            continue
        for bit in (0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01):
            if control & bit:
                if at < 2:
                    raise _corrupt(f"end inside a copy, with {out:#x} bytes left to decode", verbatim)
                at -= 2
                token = region[at] | region[at + 1] << 8
                count, distance = min((token >> 12) + _SHORTEST, out), (token & 0xFFF) + 3
                out -= count
                begin = out + distance
                if begin + count > size:
                    problem = f"a copy from {distance:#x} bytes behind {out:#x} ends outside the {size:#x} bytes of the region"
                    raise _corrupt(problem, verbatim + at)
                region[out : out + count] = region[begin : begin + count]
            else:
                if at < 1:
                    raise _corrupt(f"end with {out:#x} bytes left to decode", verbatim)
                at -= 1
                out -= 1
                region[out] = region[at]
            if not out:
                break


def _corrupt(problem: str, offset: int, field: str = "") -> CorruptError:
    return CorruptError(problem, what="BLZ data", offset=offset, field=field)


def compress(data: Buffer) -> bytes | None:
    """Return the data compressed, or None where that saves nothing: such data are stored as they are, and not marked as compressed.

    The result can be decoded in place, and is the same on every machine. Work grows as n log n, memory stays under 30 bytes for each
    byte of the data.

    Raises:
        FormatError: More than 1 GiB, which no kernel program has.

    Example:
        >>> compress(b"ABCD" * 8).hex(" ", 4)
        '0dd00550 01104142 43440eff 18000000 0d000000 08000000'
        >>> compress(b"no such luck") is None
        True
    """
    import numpy as np

    forward = np.frombuffer(memoryview(data).cast("B"), np.uint8)
    size = len(forward)
    if size <= FOOTER_SIZE:
        return None
    if size > _MAX_SIZE:
        raise FormatError(f"{size:#x} bytes are more than the {_MAX_SIZE:#x} that are compressed at most", what="BLZ data")
    text = np.ascontiguousarray(forward[::-1])  # Decoding runs backwards: so does everything from here on.
    lengths, distances = _matches(text)
    steps = _parse(lengths)
    starts = np.flatnonzero(_visited(steps.tobytes(), size)).astype(np.int32)
    copies = steps[starts] > 1

    groups = np.arange(len(starts), dtype=np.int32) // 8
    ends = np.cumsum(copies, dtype=np.int32) + np.arange(1, len(starts) + 1, dtype=np.int32) + groups + 1  # Each token's end in the stream.
    ahead = size - (starts + steps[starts])  # Bytes that are still to come behind each token.
    count = int(np.argmin(ends + ahead)) + 1  # What would cost more than it saves stays verbatim: that also keeps decoding in place safe.
    verbatim = int(ahead[count - 1])
    packed = int(ends[count - 1])
    padding = -(verbatim + packed) % 4
    total = packed + padding + FOOTER_SIZE
    if verbatim + total >= size:
        return None

    stream = np.zeros(packed, np.uint8)
    starts, is_copy, ends = starts[:count], copies[:count], ends[:count]
    stream[ends[~is_copy] - 1] = text[starts[~is_copy]]
    tokens = (lengths[starts[is_copy]].astype(np.uint16) - _SHORTEST) << 12 | distances[starts[is_copy]] - 3
    stream[ends[is_copy] - 2] = tokens >> 8
    stream[ends[is_copy] - 1] = tokens & 0xFF
    first = ends[::8] - 1 - is_copy[::8]
    stream[first - 1] = np.packbits(copies[: -(-count // 8) * 8])
    footer = _FOOTER.pack(total, padding + FOOTER_SIZE, size - verbatim - total)
    return b"".join((forward[:verbatim].tobytes(), stream[::-1].tobytes(), b"\xff" * padding, footer))


def _matches(text: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Length of the longest copy at every position (0: none), and the distance of the nearest one of that length.

    A copy does not overlap what it copies from: decoders move it in one piece.
    """
    import numpy as np

    size = len(text)
    lengths, distances = np.zeros(size, np.uint8), np.zeros(size, np.uint16)
    for start in range(0, size, _BLOCK):
        base = max(start - _WINDOW, 0)
        stop = min(start + _BLOCK, size)
        _match_block(text[base : stop + _LONGEST - 1], start - base, lengths[base:stop], distances[base:stop])
    return lengths, distances


def _match_block(text: NDArray[np.uint8], begin: int, lengths: NDArray[np.uint8], distances: NDArray[np.uint16]) -> None:
    """Fill in positions from ``begin`` on; those before it are only copied from.

    For one length after the other, all strings of that length are sorted together with their positions; the next length only looks at
    those that found a match, which for most data are soon few.
    """
    import numpy as np

    place = np.arange(max(min(len(lengths), len(text) - _SHORTEST + 1), 0), dtype=np.int64)
    wide = text.astype(np.int64)
    key = (wide[place] << 8 | wide[place + 1]) << _GRAM_SHIFT | wide[place + 2] << _PLACE_BITS | place
    for length in range(_SHORTEST, _LONGEST + 1):
        key.sort()
        place, gram = key & _PLACE, key >> _PLACE_BITS
        rank = np.zeros(len(key), np.int64)
        np.cumsum(gram[1:] != gram[:-1], out=rank[1:])
        source = np.arange(-1, len(key) - 1)  # The same string before this one lies next to it, unless it overlaps.
        source[:1] = 0
        near = np.flatnonzero((rank[source] == rank) & (place - place[source] < length))
        source[near] = np.searchsorted(key, key[near] - length, side="right") - 1
        distance = place - place[source]
        found = (rank[source] == rank) & (length <= distance) & (distance <= _WINDOW) & (place >= begin)
        at = place[found]
        if not len(at):
            return
        lengths[at] = length
        distances[at] = distance[found]
        used = np.zeros(int(rank[-1]) + 1, np.bool_)
        used[rank[found]] = True
        keep = used[rank] & (place + length < len(text))
        place, rank = place[keep], rank[keep]
        key = rank << _GRAM_SHIFT | wide[place + length] << _PLACE_BITS | place


def _parse(lengths: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far the token at every position goes: its longest copy, unless a literal and the copy behind it get as far as two copies."""
    import numpy as np

    steps = np.maximum(lengths, 1)
    chosen = steps.copy()
    size = len(steps)
    for start in range(0, size, _BLOCK):
        at = np.flatnonzero(lengths[start : start + _BLOCK]) + start
        behind = at + lengths[at]
        at, behind = at[behind < size], behind[behind < size]
        chosen[at[steps[at] + steps[behind] <= 1 + steps[at + 1]]] = 1
    return chosen


def _visited(steps: bytes, size: int) -> NDArray[np.uint8]:
    """Mark the positions where a token starts."""
    import numpy as np

    marks = bytearray(size)
    at = 0
    while at < size:
        marks[at] = 1
        at += steps[at]
    return np.frombuffer(marks, np.uint8)
