from __future__ import annotations

import contextlib
import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oboromi_fs import blz
from oboromi_fs.errors import CorruptError, FormatError, OboromiFsError

if TYPE_CHECKING:
    from pathlib import Path

WORKED = bytes.fromhex("0dd0055001104142 43440eff18000000 0d00000008000000")


def footer(total: int, size: int, additional: int) -> bytes:
    return struct.pack("<3I", total, size, additional)


def by_the_book(data: bytes) -> tuple[bytes, bool]:
    """The decoder as the specification writes it, a byte at a time; and whether what is unread was ever written over."""
    total, size, additional = struct.unpack("<3I", data[-12:])
    start = len(data) - total
    region = bytearray(data[start:]) + bytearray(additional)
    at, out, safe = total - size, total + additional, True
    while out > 0:
        at -= 1
        if at < 0:
            raise IndexError
        control = region[at]
        for bit in range(8):
            if out <= 0:
                break
            if control & 0x80 >> bit:
                at -= 2
                if at < 0:
                    raise IndexError
                token = region[at] | region[at + 1] << 8
                count, distance = min((token >> 12) + 3, out), (token & 0xFFF) + 3
                out -= count
                safe &= at <= out
                for index in range(count):
                    region[out + index] = region[out + index + distance]
            else:
                at -= 1
                out -= 1
                if at < 0:
                    raise IndexError
                safe &= at <= out
                region[out] = region[at]
    return data[:start] + bytes(region), safe


def best_match(data: bytes, end: int) -> tuple[int, int]:
    """Longest copy that ends before ``end``, and the nearest of that length."""
    for length in range(min(18, end), 2, -1):
        found = data.find(data[end - length : end], end, end + 4098)
        if found >= 0:
            return length, found - (end - length)
    return 0, 0


@st.composite
def repetitive(draw: st.DrawFn) -> bytes:
    """Bytes with copies at all distances and lengths."""
    data = bytearray(draw(st.binary(min_size=1, max_size=40)))
    for _ in range(draw(st.integers(0, 12))):
        begin = draw(st.integers(0, len(data) - 1))
        data += data[begin : begin + draw(st.integers(1, 60))] * draw(st.integers(1, 4))
        data += draw(st.binary(max_size=9))
    return bytes(data)


def test_worked_example() -> None:
    assert blz.compress(b"ABCD" * 8) == WORKED
    assert blz.decompress(WORKED) == b"ABCD" * 8
    assert blz.decompressed_size(WORKED[-12:], len(WORKED)) == 32


@pytest.mark.parametrize(
    ("start", "stop", "size"), [(0x100, 0x3A4, 0x1000), (0x3A4, 0xC30, 0x4119), (0xC30, 0x121C, 0x3000)], ids=["text", "ro", "data"]
)
def test_segments_of_another_tool_byte_for_byte(testdata: Path, start: int, stop: int, size: int) -> None:
    packed = (testdata / "exe" / "test.kip").read_bytes()[start:stop]
    plain = blz.decompress(packed, max_size=size)
    assert len(plain) == size
    assert plain == by_the_book(packed)[0]
    assert blz.compress(plain) == packed


@given(st.one_of(repetitive(), st.binary(max_size=200)))
@example(b"")
@example(bytes(5000))
@example(bytes(12))
@example(bytes(13))
def test_round_trip_and_never_longer(data: bytes) -> None:
    packed = blz.compress(data)
    if packed is not None:
        assert len(packed) < len(data)
        assert len(packed) % 4 == 0
        assert blz.decompress(packed) == data
        assert by_the_book(packed) == (data, True)
        assert blz.decompressed_size(packed[-12:], len(packed)) == len(data)


@given(repetitive())
def test_the_matches_are_the_best_ones(data: bytes) -> None:
    import numpy as np

    lengths, distances = blz._matches(np.frombuffer(data, np.uint8)[::-1])
    assert [(int(length), int(distance)) for length, distance in zip(lengths, distances, strict=True)] == [
        best_match(data, end) for end in range(len(data), 0, -1)
    ]


def test_matches_across_blocks_and_over_the_whole_window() -> None:
    import numpy as np

    choice = random.Random(1)
    parts: list[bytes] = []
    for period in (4098, 4099, 4081, 1000, 30):
        parts += [choice.randbytes(period)] * (150_000 // 5 // period)
    data = b"".join(parts)
    assert len(data) > 2 * blz._BLOCK
    lengths, distances = blz._matches(np.frombuffer(data, np.uint8)[::-1])
    around = [end for border in (0, blz._BLOCK, 2 * blz._BLOCK) for end in range(border - 30, border + 30)]
    for end in [*range(1, len(data), 97), *(len(data) - end for end in around if 0 <= end < len(data))]:
        assert (lengths[len(data) - end], distances[len(data) - end]) == best_match(data, end), end
    packed = blz.compress(data)
    assert packed is not None
    assert blz.decompress(packed) == data
    assert by_the_book(packed) == (data, True)


def test_a_start_that_does_not_shrink_stays_as_it_is() -> None:
    noise = random.Random(2).randbytes(1000)
    packed = blz.compress(noise + bytes(1000))
    assert packed is not None
    assert packed[:1000] == noise
    assert len(packed) < 1200
    assert blz.decompress(packed) == noise + bytes(1000)


def test_noise_is_not_compressed() -> None:
    assert blz.compress(random.Random(3).randbytes(5000)) is None


def test_what_would_be_just_as_long_is_not_compressed() -> None:
    assert blz.compress(b"\xff" * 24) is None
    assert len(blz.compress(b"\xff" * 25) or b"") == 24


def test_any_buffer() -> None:
    assert blz.compress(memoryview(bytearray(b"ABCD" * 8))) == WORKED
    assert blz.decompress(memoryview(bytearray(WORKED))) == b"ABCD" * 8


def test_too_much_to_compress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blz, "_MAX_SIZE", 100)
    assert blz.compress(bytes(100)) is not None
    with pytest.raises(FormatError, match=r"0x65 bytes are more than the 0x64 that are compressed at most"):
        blz.compress(bytes(101))


def test_a_copy_that_overlaps_its_source_moves_what_the_buffer_holds() -> None:
    # Three literals, then 15 bytes from 3 behind: 12 of them are still those of the compressed data and the footer.
    data = bytes.fromhex("00c0") + b"abc" + b"\x10" + footer(18, 12, 0)
    assert blz.decompress(data) == b"bc\x10" + bytes([18, 0, 0, 0, 12, 0, 0, 0, 0]) + b"abc" + b"abc"


def test_literals_that_write_over_unread_ones() -> None:
    # Three literals and five copies of 18 bytes, then eight literals that go three bytes below what they are read from.
    group = bytes.fromhex("00f0") * 5 + b"abc" + b"\x1f"
    data = bytes(range(1, 12)) + b"\0" + group + b"\xff" * 63 + footer(101, 75, 0)
    expected, safe = by_the_book(data)
    assert not safe
    assert expected[:8] == bytes.fromhex("00f00000f00000f0")
    assert blz.decompress(data) == expected


HOSTILE = [
    (b"", "0x0 bytes are less than a footer"),
    (bytes(11), "0xb bytes are less than a footer"),
    (footer(13, 12, 0), "0xd compressed bytes, 0xc are there"),
    (footer(0xFFFFFFFF, 12, 0), "0xffffffff compressed bytes"),
    (footer(12, 11, 0), "a footer of 0xb bytes in 0xc compressed ones"),
    (footer(11, 12, 0), "a footer of 0xc bytes in 0xb compressed ones"),
    (footer(0, 0, 0), "a footer of 0x0 bytes"),
    (footer(12, 12, 0), "0x0 bytes cannot decode to 0xc"),
    (b"\0" * 4 + footer(16, 12, 0xFFFFFFF0), "0x4 bytes cannot decode to 0x100000000"),
    (b"\0" * 4 + footer(16, 12, 0), "end with 0xd bytes left to decode"),
    (b"\xff\0\0\x80" + footer(16, 12, 0), "a copy from 0x3 bytes behind 0xd ends outside the 0x10 bytes of the region"),
    (b"\0\0ab\x20" + footer(17, 12, 0), "a copy from 0x3 bytes behind 0xc ends outside the 0x11 bytes of the region"),
    (b"\xff" * 17 + footer(29, 12, 116), "0x11 bytes cannot decode to 0x91"),
    (b"a\x40" + footer(14, 12, 0), "end inside a copy, with 0xd bytes left to decode"),
    (b"\0\x80" + footer(14, 12, 0), "end inside a copy, with 0xe bytes left to decode"),
]


@pytest.mark.parametrize(("data", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_data(data: bytes, message: str) -> None:
    with pytest.raises(CorruptError, match=message) as caught:
        blz.decompress(data)
    assert caught.value.what == "BLZ data"
    assert caught.value.offset is not None
    assert 0 <= caught.value.offset <= len(data)


def test_a_limit() -> None:
    assert blz.decompress(WORKED, max_size=32)
    with pytest.raises(CorruptError, match="decodes to 0x20 bytes, at most 0x1f may be") as caught:
        blz.decompress(WORKED, max_size=31)
    assert (caught.value.offset, caught.value.field) == (20, "additional_size")
    with pytest.raises(CorruptError, match="at most 0x1f may be"):
        blz.decompressed_size(WORKED[-12:], len(WORKED), max_size=31)


@pytest.mark.parametrize("length", range(len(WORKED)))
def test_truncated(length: int) -> None:
    with pytest.raises(CorruptError):
        blz.decompress(WORKED[:length])


@given(body=st.binary(max_size=60), size=st.integers(12, 20), missing=st.integers(0, 4), additional=st.integers(0, 90))
def test_any_stream_decodes_by_the_book_or_not_at_all(body: bytes, size: int, missing: int, additional: int) -> None:
    data = body + bytes(size - 12)
    total = max(len(data) + 12 - missing, 0)
    data += footer(total, size, additional)
    try:
        expected = by_the_book(data)[0] if size <= total else None
    except IndexError:
        expected = None
    if expected is None:
        with pytest.raises(CorruptError):
            blz.decompress(data)
    else:
        assert blz.decompress(data) == expected


@pytest.mark.fuzz
@given(data=st.data())
def test_mutations_of_a_real_segment(testdata: Path, data: st.DataObject) -> None:
    packed = bytearray((testdata / "exe" / "test.kip").read_bytes()[0xC30:0x121C])
    for at in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=4)):
        packed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OboromiFsError):
        blz.decompress(packed, max_size=0x3000)
