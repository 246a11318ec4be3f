from __future__ import annotations

import bz2
import lzma
import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import CorruptError, IntegrityError, MemoryStorage, UnsupportedError
from oboromi_fs.storage import streamed
from oboromi_fs.storage._decoders import BZIP2, DEFLATE, LZMA, Codec, Decoder
from oboromi_fs.storage.streamed import Memory, StreamedStorage

if TYPE_CHECKING:
    from oboromi_fs import Storage


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def zip_lzma(data: bytes, dictionary: int = 1 << 16) -> bytes:
    """As a ZIP archive has it: version 9.20, five bytes of properties, the stream."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": 3, "lp": 0, "pb": 2}]
    return b"\x09\x14\x05\x00\x5d" + struct.pack("<I", dictionary) + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


PACK = {"Deflate": (DEFLATE, deflate), "Bzip2": (BZIP2, bz2.compress), "LZMA": (LZMA, zip_lzma)}
KINDS = sorted(PACK)


def packed(kind: str, data: bytes, **options: int) -> StreamedStorage:
    codec, pack = PACK[kind]
    return StreamedStorage(MemoryStorage(pack(data), "packed.bin"), options.pop("size", len(data)), codec, crc=zlib.crc32(data))


def mixed(size: int, seed: int = 1) -> bytes:
    """Half noise, half repetition, without a period."""
    draw = random.Random(seed)
    parts = [draw.randbytes(draw.randrange(1, 300)) + b"again and again " * draw.randrange(20) for _ in range(size // 150 + 8)]
    return b"".join(parts)[:size]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and marks small enough for streams of some kilobytes to have many."""
    monkeypatch.setattr(streamed, "BLOCK", 0x100)
    monkeypatch.setattr(streamed, "SPACING", 0x400)
    monkeypatch.setattr(streamed, "MAX_MARKS", 4)
    monkeypatch.setattr(streamed, "_INPUT", 0x40)


class Counting:
    """A codec that counts how often it begins, and how many bytes it makes."""

    def __init__(self, codec: Codec) -> None:
        self.starts = self.copies = self.made = 0
        self.inner = codec
        self.codec = codec._replace(start=self.start)

    def start(self, size: int) -> Decoder:
        self.starts += 1
        return Counted(self.inner.start(size), self)


class Counted:
    def __init__(self, inner: Decoder, counts: Counting) -> None:
        self.inner = inner
        self.counts = counts

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def needs_input(self) -> bool:
        return self.inner.needs_input

    def decompress(self, data: bytes | memoryview, limit: int) -> bytes:
        piece = self.inner.decompress(data, limit)
        assert len(piece) <= limit
        self.counts.made += len(piece)
        return piece

    def copy(self) -> Decoder | None:
        copied = self.inner.copy()
        self.counts.copies += copied is not None
        return Counted(copied, self.counts) if copied is not None else None


def test_a_chain_of_storages() -> None:
    outer = MemoryStorage(b"....." + deflate(b"level"), "outer.bin")
    stream = StreamedStorage(outer.window(5, outer.size), 5, DEFLATE, crc=zlib.crc32(b"level"))
    assert (stream.kind, stream.size, stream.tobytes()) == ("Deflate", 5, b"level")
    assert [source.kind for source in stream.sources] == ["Window"]
    assert stream.place(3) == (outer, 5, "compressed")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_ranges_in_any_order(kind: str) -> None:
    data = mixed(0x2345)
    stream = packed(kind, data)
    draw = random.Random(7)
    for _ in range(300):
        start = draw.randrange(len(data) + 1)
        stop = start + draw.choice((1, 0x10, 0x100, 0x1000))
        assert stream[start:stop] == data[start:stop]
    assert stream == data


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=200), times=st.integers(1, 40), keys=st.lists(st.slices(400), max_size=8))
def test_slices_like_the_bytes(kind: str, data: bytes, times: int, keys: list[slice]) -> None:
    data *= times
    stream = packed(kind, data)
    for key in keys:
        assert stream[key] == data[key]
    assert stream.tobytes() == data == b"".join(stream.pieces())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_reading_in_order_is_one_pass(kind: str) -> None:
    data = mixed(0x3000)
    counts = Counting(PACK[kind][0])
    stream = StreamedStorage(MemoryStorage(PACK[kind][1](data)), len(data), counts.codec)
    assert b"".join(stream[at : at + 0x93] for at in range(0, len(data), 0x93)) == data
    assert (counts.starts, counts.made) == (1, len(data))


@pytest.mark.usefixtures("small")
def test_going_back_begins_at_the_last_mark() -> None:
    data = mixed(0x1000)
    counts = Counting(DEFLATE)
    stream = StreamedStorage(MemoryStorage(deflate(data)), len(data), counts.codec, memory=Memory(blocks=1))
    assert stream[:] == data
    assert (counts.starts, counts.copies, counts.made) == (1, 3, 0x1000)  # Marks at 0x400, 0x800 and 0xC00.
    assert stream[0xB00] == data[0xB00]
    assert (counts.starts, counts.made) == (1, 0x1400)
    assert stream[0x900] == data[0x900]  # From the same mark as before.
    assert (counts.starts, counts.made) == (1, 0x1600)
    assert stream[0x300] == data[0x300]  # Before the first mark.
    assert (counts.starts, counts.made) == (2, 0x1A00)


@pytest.mark.usefixtures("small")
def test_marks_stay_few() -> None:
    data = mixed(0x8000)
    memory = Memory(blocks=1)
    stream = StreamedStorage(MemoryStorage(deflate(data)), len(data), DEFLATE, memory=memory)
    assert stream[:] == data
    progress = memory.progress.get(0)
    assert progress is not None
    assert progress.current is None
    assert [mark.made for mark in progress.marks] == [0x2000, 0x4000, 0x6000]
    assert progress.spacing == 0x2000


@pytest.mark.usefixtures("small")
def test_what_was_just_made_is_kept() -> None:
    """Threads that share a file come a little out of order; without marks each step back would begin again."""
    data = mixed(0x2000)
    counts = Counting(BZIP2)
    stream = StreamedStorage(MemoryStorage(bz2.compress(data)), len(data), counts.codec, memory=Memory(blocks=0x800))
    for at in (0x200, 0x0, 0x100, 0x600, 0x500, 0x300, 0x400, 0xB00, 0x900):
        assert stream[at : at + 0x100] == data[at : at + 0x100]
    assert counts.starts == 1


def test_half_read_streams_are_forgotten_but_for_some() -> None:
    data = mixed(0x60000)
    memory = Memory(blocks=0x100000, streams=2)
    streams = [StreamedStorage(MemoryStorage(deflate(data)), len(data), DEFLATE, memory=memory) for _ in range(5)]
    for stream in streams:
        assert stream[5:9] == data[5:9]
    assert [memory.progress.get(number) is not None for number in range(5)] == [False, False, False, True, True]
    assert [memory.blocks.get((number, 0)) is not None for number in range(5)] == [False, True, True, True, True]
    for stream in streams:
        assert stream[:] == data
    assert [memory.progress.get(number) for number in range(5)] == [None] * 5  # At the end there is nothing to go on with.


def test_the_last_thing_is_remembered_whatever_its_size() -> None:
    memory = Memory(blocks=10, streams=1)
    memory.blocks.put((0, 0), b"x" * 6, 6)
    memory.blocks.put((0, 0), b"y" * 8, 8)
    assert memory.blocks.get((0, 0)) == b"y" * 8
    memory.blocks.put((0, 2), b"z", 1)
    assert memory.blocks.get((0, 0)) == b"y" * 8
    memory.blocks.put((0, 3), b"zz", 2)
    assert (memory.blocks.get((0, 0)), memory.blocks.get((0, 2))) == (b"y" * 8, None)  # It was used since.
    memory.blocks.put((0, 1), b"z" * 99, 99)
    assert (memory.blocks.get((0, 0)), memory.blocks.get((0, 1))) == (None, b"z" * 99)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_threads_share_a_stream(kind: str) -> None:
    data = mixed(0x4000)
    stream = packed(kind, data)
    starts = random.Random(3).sample(range(0, len(data), 0x80), len(data) // 0x80)
    with ThreadPoolExecutor(4) as pool:
        pieces = pool.map(lambda at: (at, bytes(stream[at : at + 0x80])), starts)
        assert all(piece == data[at : at + 0x80] for at, piece in pieces)


# Damage


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_ends_too_soon(kind: str) -> None:
    data = mixed(0x1000)
    source = PACK[kind][1](data)
    stream = StreamedStorage(MemoryStorage(source[: len(source) // 2], "cut.bin"), len(data), PACK[kind][0], what="piece")
    with pytest.raises(
        CorruptError, match=rf"piece of cut.bin at {len(source) // 2:#x}: ends after 0x[0-9a-f]+ bytes, 0x1000 are declared"
    ):
        stream.tobytes()
    with pytest.raises(CorruptError):
        list(stream.pieces())


@pytest.mark.parametrize("kind", ["Bzip2", "Deflate"])
@pytest.mark.parametrize("size", [0, 1, 0x123])
def test_a_stream_that_holds_more_than_it_says(kind: str, size: int) -> None:
    data = mixed(0x124)
    stream = StreamedStorage(MemoryStorage(PACK[kind][1](data)), size, PACK[kind][0], crc=zlib.crc32(data[:size]))
    with pytest.raises(CorruptError, match=rf"goes on behind the {size:#x} bytes that are declared"):
        list(stream.pieces())
    if size:
        with pytest.raises(CorruptError):
            stream[0]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_the_crc_is_checked_with_the_last_bytes(kind: str) -> None:
    data = mixed(0x320)
    stream = StreamedStorage(MemoryStorage(PACK[kind][1](data), "x.bin"), len(data), PACK[kind][0], crc=0x12345678)
    assert stream[:0x300] == data[:0x300]
    for _ in range(2):
        with pytest.raises(IntegrityError, match=rf"x.bin at 0x0, field crc: CRC-32 is {zlib.crc32(data):08x}, must be 12345678"):
            stream[0x300:]
    assert stream[:0x300] == data[:0x300]
    assert b"".join(StreamedStorage(MemoryStorage(PACK[kind][1](data)), len(data), PACK[kind][0]).pieces()) == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 4, 12, 40])
def test_damaged_bytes(kind: str, at: int) -> None:
    data = mixed(0x1000)
    source = bytearray(PACK[kind][1](data))
    source[at : at + 4] = bytes(byte ^ 0x55 for byte in source[at : at + 4])
    stream = StreamedStorage(MemoryStorage(bytes(source)), len(data), PACK[kind][0], crc=zlib.crc32(data))
    with pytest.raises((CorruptError, IntegrityError)):
        stream.tobytes()


@pytest.mark.parametrize(("kind", "size"), [("Deflate", 1032 * 10 + 1), ("LZMA", (1 << 14) * 10 + 1), ("Bzip2", (1 << 21) * 10 + 1)])
def test_sizes_that_cannot_be(kind: str, size: int) -> None:
    with pytest.raises(CorruptError, match=f"{size:#x} bytes are declared, more than 0xa of {kind} can stand for"):
        StreamedStorage(MemoryStorage(bytes(10)), size, PACK[kind][0])
    assert StreamedStorage(MemoryStorage(bytes(10)), size - 1, PACK[kind][0]).size == size - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_densest_streams_are_not_too_dense(kind: str) -> None:
    codec, pack = PACK[kind]
    source = pack(bytes(8 << 20)) if kind != "Bzip2" else bz2.compress(bytes(46 << 20))
    stream = StreamedStorage(MemoryStorage(source), 8 << 20, codec)
    assert stream[:9] == bytes(9)
    assert (8 << 20) / len(source) < codec.ratio


def test_lzma_without_an_end_mark() -> None:
    """As 7-Zip writes it: only the size says where it ends."""
    data = random.Random(2).randbytes(500) * 3
    for cut in range(1, 6):
        stream = StreamedStorage(MemoryStorage(zip_lzma(data)[:-cut]), len(data), LZMA, crc=zlib.crc32(data))
        assert stream.tobytes() == data


def test_what_follows_in_lzma_is_not_looked_at() -> None:
    """Without an end mark, what the last bytes stand for is the size's to say."""
    assert StreamedStorage(MemoryStorage(zip_lzma(b"level data")), 5, LZMA, crc=zlib.crc32(b"level")).tobytes() == b"level"


@pytest.mark.parametrize(
    "head", [b"", b"\x09\x14\x05\x00\x5d\x00\x00", b"\x09\x14\x04\x00\x5d\x00\x00\x01\x00abc", b"\x09\x14\x05\x00\xff\x00\x00\x01\x00abc"]
)
def test_no_head_of_lzma(head: bytes) -> None:
    stream = StreamedStorage(MemoryStorage(head), min(len(head), 4), LZMA)
    if head:
        with pytest.raises(CorruptError, match="cannot be decompressed"):
            stream.tobytes()
    else:
        assert stream.tobytes() == b""


def test_an_lzma_dictionary_is_no_larger_than_the_file() -> None:
    source = bytearray(zip_lzma(b"small"))
    source[5:9] = b"\xff\xff\xff\xff"
    assert StreamedStorage(MemoryStorage(bytes(source)), 5, LZMA).tobytes() == b"small"
    source += bytes(1 << 15)
    with pytest.raises(UnsupportedError, match="an LZMA dictionary of 0x10000001 bytes is needed, 0x10000000 is the most"):
        StreamedStorage(MemoryStorage(bytes(source)), (256 << 20) + 1, LZMA)[:1]


def test_a_failure_below_is_told_as_it_is() -> None:
    class Failing(MemoryStorage):
        def _view(self, start: int, stop: int) -> memoryview:
            raise OSError(5, "the disk is gone", f"{start}:{stop}")

    source: Storage = Failing(deflate(b"abc"))
    with pytest.raises(OSError, match="the disk is gone"):
        StreamedStorage(source, 3, DEFLATE).tobytes()
