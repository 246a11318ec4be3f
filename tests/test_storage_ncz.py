from __future__ import annotations

import errno
import os
import random
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oboromi_fs import ClosedError, CorruptError, File, MemoryStorage, NotThisFormatError, NspArchive, UnsupportedError
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.ncz import NczStorage, blocks, clear_section, frame, is_ncz, read_ncz_header
from oboromi_fs.storage.ncz import zstd as zstd_module
from oboromi_fs.storage.ncz.clear import ClearSectionStorage
from oboromi_fs.storage.ncz.crypting import SectionCrypt
from oboromi_fs.storage.ncz.frame import FrameStorage
from oboromi_fs.storage.ncz.sharing import Ahead, share
from tests import forged_ncz
from tests.forged_ncz import HEAD, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM = "0ac23547aeaecd1c1c3b4e1154bf6fcd"


def content(size: int, seed: int = 0) -> bytes:
    """Bytes of an NCA: some that compress, some that do not."""
    source = random.Random(seed)
    parts: list[bytes] = []
    left = size
    while left > 0:
        count = min(left, source.choice((1, 100, 0x1000, 0x5000)))
        parts.append(source.randbytes(count) if source.random() < 0.4 else source.randbytes(1) * count)
        left -= count
    return b"".join(parts)


NCA = content(0x4000 + 0x13210, 1)
SPANS = (Span(0x4000, 0x5000), Span(0x9000, 0x4010, crypto=1), Span(0xD010, 0x8000, crypto=4, key=b"2" * 16), Span(0x16000, 0x1000))


def opened(data: bytes, **options: Any) -> NczStorage:
    return NczStorage(MemoryStorage(data, "game.ncz"), **options)


def made_in(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all blocks that are decompressed from here on."""
    made: list[int] = []
    real = zstd_module.decompressed

    def counted(data: memoryview, size: int, decompressor: Any) -> bytes:
        made.append(size)
        return real(data, size, decompressor)

    monkeypatch.setattr(blocks, "decompressed", counted)
    return made


# The corpus


@pytest.mark.parametrize("mode", ["S", "B"])
def test_the_corpus_gives_the_package_s_nca(testdata: Path, mode: str) -> None:
    plain = NspArchive(testdata / "nsz/z_std.nsp")
    compressed = NspArchive(testdata / f"nsz/z_std_{mode}.nsz")
    nca = plain.storage(f"{PROGRAM}.nca")
    ncz = NczStorage(compressed.storage(f"{PROGRAM}.ncz"))
    assert (ncz.ncz.mode, ncz.ncz.block_size, ncz.size) == ({"S": "solid", "B": "block"}[mode], {"S": 0, "B": 1 << 20}[mode], 0x27600)
    assert ncz[:].tobytes() == nca[:].tobytes()
    again = NczStorage(compressed.storage(f"{PROGRAM}.ncz"))
    source = random.Random(7)
    for _ in range(200):
        start = source.randrange(nca.size)
        stop = start + source.choice((1, 16, 0x200, 0x9000))
        assert again[start:stop].tobytes() == nca[start:stop].tobytes()


def test_the_example_of_the_specification() -> None:
    """One CTR section of 0x9000 bytes at 0x4000, three blocks: compressed, stored, compressed."""
    nca = bytes(HEAD) + bytes(0x9000)
    spans = (Span(0x4000, 0x9000, key=b"\3" * 16, upper=bytes.fromhex("0000000200000000")),)
    plain = b"a" * 0x4000 + random.Random(3).randbytes(0x4000) + b"b" * 0x1000
    nca = forged_ncz.crypted(bytes(HEAD) + plain, spans)
    data = forged_ncz.blocks(nca, spans)
    assert data[0x4000:0x4010] == b"NCZSECTN" + bytes([1, 0, 0, 0, 0, 0, 0, 0])
    header = read_ncz_header(MemoryStorage(data))
    assert (header.data_offset, header.mode, header.block_size) == (0x4074, "block", 0x4000)
    assert header.block_starts is not None
    assert header.block_starts[2] - header.block_starts[1] == 0x4000
    assert opened(data)[:].tobytes() == nca


# Every read equals the model


@st.composite
def spans_of(draw: st.DrawFn, end: int) -> tuple[Span, ...]:
    """Sections in order, with gaps, from before or behind 0x4000 on."""
    at = draw(st.sampled_from((0xC00, 0x3FF0, 0x4000, 0x4010, 0x6000)))
    spans: list[Span] = []
    while at < end and len(spans) < 6:
        size = draw(st.one_of(st.integers(0, 0x6000), st.sampled_from((0, 16, 0x1000, 0x4000))))
        crypto = draw(st.sampled_from((0, 1, 2, 3, 4, 5)))
        spans.append(
            Span(at, min(size, end - at), crypto, draw(st.binary(min_size=16, max_size=16)), draw(st.binary(min_size=8, max_size=8)))
        )
        at += size + draw(st.sampled_from((0, 0, 3, 0x10, 0x800)))
        at += -at % 16
    return tuple(spans)


@given(st.data(), st.integers(0, 0x14000), st.integers(0, 99), st.sampled_from((14, 15, 20)), st.sampled_from(("block", "solid", "sized")))
def test_every_read_is_that_of_the_nca(data: st.DataObject, size: int, seed: int, exponent: int, mode: str) -> None:
    nca = content(HEAD + size, seed)
    spans = data.draw(spans_of(len(nca)))
    if mode == "block":
        ncz = opened(forged_ncz.blocks(nca, spans, exponent))
    else:
        ncz = opened(forged_ncz.solid(nca, spans, sized=mode == "sized"), size=len(nca))
    assert ncz.size == len(nca)
    for _ in range(6):
        start = data.draw(st.integers(0, len(nca)))
        stop = data.draw(st.integers(start, len(nca)))
        assert ncz[start:stop].tobytes() == nca[start:stop]
    assert ncz[:].tobytes() == nca


@given(st.integers(0, 0x6000), st.integers(0, 0x6000), st.booleans())
@example(0, 0x6000, False)
def test_runs_are_crypted_in_place_or_not(start: int, size: int, same: bool) -> None:
    crypt = SectionCrypt(read_ncz_header(MemoryStorage(forged_ncz.solid(NCA, SPANS))))
    offset = 0x7000 + start
    clear = forged_ncz.crypted(NCA, SPANS)[offset : offset + size]
    target = memoryview(bytearray(clear if same else bytes(len(clear))))
    crypt.apply(offset, target if same else clear, target)
    assert target.tobytes() == NCA[offset : offset + size]


def test_solid_without_a_size_ends_with_the_last_section() -> None:
    nca = NCA[:0x17000]
    assert opened(forged_ncz.solid(nca, SPANS))[:].tobytes() == nca
    assert opened(forged_ncz.solid(NCA, SPANS, sized=True)).size == len(NCA)  # The frame says more than the sections.


def test_threads_may_share_one() -> None:
    for data in (forged_ncz.blocks(NCA, SPANS), forged_ncz.solid(NCA, SPANS, sized=True)):
        ncz = opened(data)
        wrong: list[int] = []

        def read(seed: int, ncz: NczStorage = ncz, wrong: list[int] = wrong) -> None:
            source = random.Random(seed)
            for _ in range(60):
                start = source.randrange(len(NCA))
                if ncz[start : start + 0x3000].tobytes() != NCA[start : start + 0x3000]:
                    wrong.append(start)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


# What is decompressed, and what is kept


def test_a_read_decompresses_the_blocks_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    nca = forged_ncz.crypted(bytes(HEAD) + b"text " * 0x40000, SPANS[:1])
    data = forged_ncz.blocks(nca, SPANS[:1], 16)
    made = made_in(monkeypatch)
    source = random.Random(5)
    for _ in range(50):
        block = source.randrange(10)
        start = HEAD + (block << 16) + source.randrange((1 << 16) - 0x1000 + 1)
        made.clear()
        assert opened(data)[start : start + 0x1000].tobytes() == nca[start : start + 0x1000]
        assert len(made) == 1
    made.clear()
    edge = HEAD + (3 << 16)
    assert opened(data)[edge - 0x800 : edge + 0x800].tobytes() == nca[edge - 0x800 : edge + 0x800]
    assert len(made) == 2
    made.clear()
    assert opened(data)[:HEAD].tobytes() == nca[:HEAD]
    assert made == []


def test_reading_on_in_a_block_decompresses_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = forged_ncz.blocks(forged_ncz.crypted(bytes(HEAD) + b"text " * 0x40000, ()), (), 16)
    made = made_in(monkeypatch)
    ncz = opened(data)
    for start in range(0, ncz.size, 0x1234):
        ncz[start : start + 0x1234]
    assert len(made) == -(-(ncz.size - HEAD) >> 16)


def test_stored_blocks_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    nca = random.Random(1).randbytes(HEAD + 0x10000)
    made = made_in(monkeypatch)
    assert opened(forged_ncz.blocks(nca, ()))[:].tobytes() == nca
    assert made == []


def test_the_verbatim_bytes_are_not_copied() -> None:
    data = bytearray(forged_ncz.blocks(NCA, SPANS))
    view = opened(bytes(data))[:HEAD]
    assert view.readonly
    ncz = NczStorage(MemoryStorage(data))
    before = ncz[0x100:0x104].tobytes()
    data[0x100] ^= 1
    assert ncz[0x100:0x104].tobytes() != before


def frames_made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each pass through a frame has made."""
    passes: list[int] = []
    real = zstd_module.Frames

    class Counted(real):  # type: ignore[valid-type,misc]  # The class is a variable, so that it can be put in place.
        def __init__(self, read: Callable[[int], bytes]) -> None:
            super().__init__(read)
            passes.append(0)
            self.number = len(passes) - 1

        def readinto(self, target: memoryview) -> int:
            count: int = super().readinto(target)
            passes[self.number] += count
            return count

    monkeypatch.setattr(frame, "Frames", Counted)
    return passes


def test_a_solid_one_read_in_order_takes_one_pass_and_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "PIECE", 0x1000)
    monkeypatch.setattr(frame, "RECENT", 2)
    passes = frames_made(monkeypatch)
    ncz = opened(forged_ncz.solid(NCA, SPANS, sized=True))
    for start in range(0, len(NCA), 0x777):
        assert ncz[start : start + 0x777].tobytes() == NCA[start : start + 0x777]
    body = ncz._body
    assert isinstance(body, FrameStorage)
    assert (passes, body.spooled) == ([len(NCA) - HEAD], False)


def test_a_solid_one_read_anywhere_decompresses_nothing_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "PIECE", 0x1000)
    monkeypatch.setattr(frame, "RECENT", 2)
    passes = frames_made(monkeypatch)
    ncz = opened(forged_ncz.solid(NCA, SPANS, sized=True))
    ncz[0x4000:0xA000]
    source = random.Random(2)
    for _ in range(300):
        start = source.randrange(HEAD, len(NCA))
        assert ncz[start : start + 0x100].tobytes() == NCA[start : start + 0x100]
    assert len(passes) == 2
    assert sum(passes) <= 2 * (len(NCA) - HEAD)
    body = ncz._body
    assert isinstance(body, FrameStorage)
    assert body.spooled


def test_a_block_too_large_for_memory_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST", 0x4000)
    made = made_in(monkeypatch)
    ncz = opened(forged_ncz.blocks(NCA, SPANS, 15))
    assert ncz[:].tobytes() == NCA
    for start in (0x12345, 0x5000, 0x17000, 0x8000):
        assert ncz[start : start + 0x123].tobytes() == NCA[start : start + 0x123]
    assert all(size <= 0x4000 for size in made)


def test_where_bytes_are_is_told() -> None:
    data = forged_ncz.blocks(NCA, SPANS)
    ncz = opened(data)
    header = ncz.ncz
    assert header.block_starts is not None
    assert ncz.place(0x123)[1:] == (0x123, "compressed")
    assert ncz.place(0x4000 + 0x4001)[1:] == (header.block_starts[1], "compressed")
    assert (ncz.kind, ncz.sources) == ("Ncz", (ncz.source,))
    solid = opened(forged_ncz.solid(NCA, SPANS))
    assert solid.place(0x9000)[1:] == (0x4110, "compressed")


# Bad input


def test_what_is_no_ncz_is_told() -> None:
    for data in (b"", NCA[:HEAD], NCA, NCA[:HEAD] + b"NCZSECT"):
        assert not is_ncz(MemoryStorage(data))
        with pytest.raises(NotThisFormatError, match=r"NCZ of .*field magic: has no NCZSECTN"):
            opened(data)


@pytest.mark.parametrize(
    ("spans", "count", "message"),
    [
        ((), 1, r"NCZ section header of game.ncz at 0x4008, field count: 1 sections take 0x40 bytes, 0x.. are there"),
        ((), 1 << 62, r"field count: 4611686018427387904 sections take"),
        ((Span(0x8000, 0x1000), Span(0x4000, 0x1000)), None, r"at 0x4050, field offset: section 1 begins at 0x4000, before .* 0x9000"),
        ((Span(0x4000, 0x1010), Span(0x5000, 0x1000)), None, r"field offset: section 1 begins at 0x5000, before .* ends at 0x5010"),
        ((Span(0x4008, 0x1000),), None, r"at 0x4010, field offset: section 0 is encrypted with AES-CTR and begins at 0x4008"),
        ((Span(0x4000, 1 << 63),), None, r"at 0x4018, field size: section 0 runs from 0x4000 for 0x8000000000000000 bytes"),
        ((Span(1 << 62, 1 << 62),), None, r"at 0x4018, field size: section 0 runs from 0x4000000000000000 for 0x4000000000000000 bytes"),
        ((Span((1 << 64) - 16, 32),), None, r"section 0 runs from 0xfffffffffffffff0"),
        ((Span(0x4000, 0x20000),), None, r"at 0x4018, field size: the last section ends at 0x24000, the NCA at 0x17210"),
    ],
)
def test_section_records_that_cannot_be(spans: tuple[Span, ...], count: int | None, message: str) -> None:
    small = forged_ncz.head_of(NCA, spans, count)
    whole = small + forged_ncz.blocks(NCA, ())[HEAD + 0x10 :] if count is None else small + bytes(0x20)
    with pytest.raises(CorruptError, match=message):
        opened(whole)


@pytest.mark.parametrize(
    ("fields", "sizes", "error", "message"),
    [
        ({"version": 3}, {}, UnsupportedError, r"NCZ block header of game.ncz at 0x4018, field version: version 3, type 1"),
        ({"type": 2}, {}, UnsupportedError, "version 2, type 2"),
        ({"exponent": 13}, {}, CorruptError, r"at 0x401b, field exponent: blocks of 2\*\*13 bytes"),
        ({"exponent": 33}, {}, CorruptError, r"blocks of 2\*\*33 bytes; the exponent is 14 to 32"),
        ({"count": 4}, {}, CorruptError, r"at 0x401c, field block_count: 4 blocks, and 0x13210 bytes are 5 of 2\*\*14"),
        ({"size": 1 << 63}, {}, CorruptError, r"at 0x4020, field size: decompresses to 0x8000000000000000 bytes"),
        ({"size": 0x14001, "count": 6}, {}, CorruptError, r"NCZ block table .* at 0x403c, field size: block 5"),
        ({"size": 1 << 45, "count": (1 << 31)}, {}, CorruptError, r"field block_count: 2147483648 blocks; at most 16777216 are read"),
        ({"size": 1 << 37, "count": (1 << 23)}, {}, CorruptError, r"NCZ block table.*8388608 entries need"),
        ({}, {1: 0x4001}, CorruptError, r"NCZ block table of game.ncz at 0x402c, field size: block 1 takes 0x4001 bytes, .* to 0x4000"),
        ({}, {0: 0}, CorruptError, r"block 0 takes 0x0 bytes, which cannot stand for 0x4000"),
        ({}, {4: 0x3210}, CorruptError, r"at 0x4038, field size: block 4 ends at 0x.*: it is cut short"),
    ],
)
def test_block_headers_that_cannot_be(fields: dict[str, int], sizes: dict[int, int], error: type[Exception], message: str) -> None:
    nca = bytes(HEAD + 0x13210)
    with pytest.raises(error, match=message):
        opened(forged_ncz.blocks(nca, (), fields=fields, sizes=sizes))


def test_an_exponent_of_32_takes_no_more_memory_than_there_is() -> None:
    nca = bytes(HEAD + 0x13210)
    plain = forged_ncz.frame(nca[HEAD:])
    data = forged_ncz.head_of(nca, ()) + b"NCZBLOCK" + struct.pack("<4BIQI", 2, 1, 0, 32, 1, 0x13210, len(plain)) + plain
    assert opened(data)[:].tobytes() == nca
    lying = forged_ncz.head_of(nca, ()) + b"NCZBLOCK" + struct.pack("<4BIQI", 2, 1, 0, 32, 1, 1 << 32, len(plain)) + plain
    with pytest.raises(CorruptError, match="which cannot stand for 0x100000000"):
        opened(lying)


BLOCK = b"a" * 0x4000


@pytest.mark.parametrize(
    ("compress", "message"),
    [
        (lambda data: forged_ncz.frame(data)[:-1], "cannot be decompressed to 0x4000 bytes"),
        (lambda data: forged_ncz.frame(data + b"!"), "the frame says 0x4001 bytes, and must decompress to 0x4000"),
        (lambda data: forged_ncz.frame(data[1:]), "the frame says 0x3fff bytes, and must decompress to 0x4000"),
        (lambda data: forged_ncz.frame(data[1:], sized=False), "decompresses to 0x3fff bytes, and must to 0x4000"),
        (lambda data: forged_ncz.frame(data + b"!", sized=False), "cannot be decompressed to 0x4000 bytes"),
        (lambda data: forged_ncz.frame(data * 5000, sized=False), "cannot be decompressed to 0x4000 bytes"),
        (lambda data: forged_ncz.frame(data) + b"more", "cannot be decompressed to 0x4000 bytes: .*unused data"),
        (lambda data: b"no frame" + data[:4], "begins with .*, which no Zstandard frame does"),
        (lambda data: b"\x50\x2a\x4d\x18" + struct.pack("<I", len(data)), "the frame says|which no|cannot be decompressed"),
    ],
)
def test_blocks_that_lie(compress: Callable[[bytes], bytes], message: str) -> None:
    nca = bytes(HEAD) + BLOCK * 3
    data = forged_ncz.blocks(nca, (), compress=compress)
    ncz = opened(data)
    start = ncz.ncz.block_starts[1] if ncz.ncz.block_starts is not None else 0
    for read in (slice(HEAD + 0x4100, HEAD + 0x4200), slice(HEAD + 0x4000, HEAD + 0x8000)):
        with pytest.raises(CorruptError, match=message) as caught:
            ncz[read]
        assert (caught.value.what, caught.value.offset, caught.value.source) == ("NCZ block 1", start, "game.ncz")
    with pytest.raises(CorruptError, match=message):
        ncz[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "ends after 0x.* bytes, and must decompress to 0x13210"),
        (lambda data: data[: len(data) // 2], "ends after|cannot be decompressed"),
        (lambda data: data[:0x4011] + b"\xff" + data[0x4012:], "cannot be decompressed|ends after|which no Zstandard|window"),
    ],
)
def test_streams_that_end_early(change: Callable[[bytes], bytes], message: str) -> None:
    nca = content(HEAD + 0x13210, 9)
    data = change(forged_ncz.solid(nca, ()))
    with pytest.raises(CorruptError, match=message):
        opened(data, size=len(nca))[:]


def test_a_stream_that_goes_on_behind_its_size_fails_at_the_end() -> None:
    ncz = opened(forged_ncz.solid(NCA, SPANS), size=len(NCA) - 1)
    with pytest.raises(CorruptError, match=r"NCZ stream of game.ncz at 0x.*: goes on behind the 0x1320f bytes"):
        ncz[:]


def test_a_failure_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "PIECE", 0x1000)
    passes = frames_made(monkeypatch)
    nca = content(HEAD + 0x80000, 4)
    ncz = opened(forged_ncz.solid(nca, SPANS)[:-20], size=len(nca))
    for _ in range(20):
        with pytest.raises(CorruptError, match="ends after"):
            ncz[-1]
    assert len(passes) <= 2
    assert ncz[0x4000:0x5000].tobytes() == nca[0x4000:0x5000]


def test_what_follows_damage_stays_out_of_reach() -> None:
    nca = content(HEAD + 0x100000, 4)
    data = bytearray(forged_ncz.solid(nca, ()))
    at = HEAD + 0x10 + 6  # The first block of Zstandard: a header of 3 bytes, with kind and size.
    for _ in range(3):
        header = int.from_bytes(data[at : at + 3], "little")
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
    data[at] |= 0b110  # A kind that does not exist.
    ncz = opened(bytes(data), size=len(nca))
    told: set[str] = set()
    for place in (-1, -1, len(nca) * 7 // 8, -0x100, -1):
        with pytest.raises(CorruptError, match=r"NCZ stream of game.ncz at 0x") as caught:
            ncz[place]
        told.add(str(caught.value))
    assert len(told) == 1


def test_a_bomb_is_refused_before_it_is_made() -> None:
    """A few bytes that say they are a terabyte, in the frame, in the section records, or in the NCA's header."""
    parameters = zstd_parameters(1 << 40)
    for data, size in (
        (forged_ncz.head_of(NCA, ()) + parameters, None),
        (forged_ncz.head_of(NCA, (Span(0x4000, 1 << 40),)) + forged_ncz.frame(b"a" * 100, sized=False), None),
        (forged_ncz.head_of(NCA, ()) + forged_ncz.frame(b"a" * 100, sized=False), 1 << 40),
    ):
        with pytest.raises(CorruptError, match=r"0x[0-9a-f]+ bytes are more than 0x.* can stand for|needs a window"):
            opened(data, size=size)


def zstd_parameters(size: int) -> bytes:
    """The header of a frame that says it has so many bytes, in a window of 128 KiB."""
    return b"\x28\xb5\x2f\xfd" + bytes([0xC0, 0x38]) + struct.pack("<Q", size) + b"\1\0\0"


def test_a_window_that_is_too_large_is_refused() -> None:
    head = b"\x28\xb5\x2f\xfd" + bytes([0x00, (31 - 10) << 3]) + bytes(20)
    with pytest.raises(CorruptError, match=r"NCZ stream of game.ncz at 0x4010: needs a window of 0x80000000 bytes, 0x8000000 are the most"):
        opened(forged_ncz.head_of(NCA, ()) + head, size=0x5000)


def test_truncation_anywhere_is_an_error_of_the_package() -> None:
    whole = forged_ncz.blocks(NCA, SPANS)
    for stop in (*range(HEAD, HEAD + 0x140, 7), len(whole) - 1):
        with pytest.raises((CorruptError, NotThisFormatError)):
            opened(whole[:stop])[:]


@pytest.mark.fuzz
@given(st.booleans(), st.lists(st.tuples(st.integers(0x4000, 0x4400), st.integers(0, 255)), min_size=1, max_size=4))
def test_nothing_else_leaves(in_blocks: bool, edits: list[tuple[int, int]]) -> None:
    data = bytearray(forged_ncz.blocks(NCA, SPANS) if in_blocks else forged_ncz.solid(NCA, SPANS))
    for at, value in edits:
        data[at] = value
    try:
        ncz = opened(bytes(data), size=len(NCA))
        assert ncz.size < 1 << 40
        ncz[0x4000:0x5000]
        ncz[:] if ncz.size < 1 << 24 else None
    except (CorruptError, NotThisFormatError, UnsupportedError):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for data in (forged_ncz.blocks(NCA, SPANS), forged_ncz.solid(NCA, SPANS)):
        with pytest.raises(UnsupportedError, match=r"NCZ: the package zstandard is not installed.*oboromi-fs\[zstd\]"):
            opened(data)


# Sharing work


def test_work_is_shared_and_failures_are_raised() -> None:
    done: list[int] = []
    share(done.append, 100)
    assert sorted(done) == list(range(100))
    share(done.append, 0)

    def fail(number: int) -> None:
        if number == 3:
            message = "no 3"
            raise ValueError(message)

    with pytest.raises(ValueError, match="no 3"):
        share(fail, 10)


def test_work_in_work_in_work_ends() -> None:
    done: list[int] = []
    share(lambda _: share(lambda _: share(done.append, 4), 4), 8)
    assert len(done) == 8 * 4 * 4


def test_what_a_frame_says_is_compared() -> None:
    assert zstd_module.content_size(forged_ncz.frame(b"abc")) == 3
    assert zstd_module.content_size(forged_ncz.frame(b"abc", sized=False)) is None


@pytest.mark.parametrize("make", [forged_ncz.blocks, forged_ncz.solid])
def test_a_file_that_was_closed_is_no_damage(tmp_path: Path, make: Callable[..., bytes]) -> None:
    (tmp_path / "a.ncz").write_bytes(make(NCA, SPANS))
    with File.open(tmp_path / "a.ncz") as file:
        ncz = NczStorage(file, len(NCA))
    with pytest.raises(ClosedError):
        ncz[0x5000:0x5100]


# Reading ahead


def test_reads_in_order_have_the_next_blocks_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oboromi_fs.storage.ncz.blocks.os.cpu_count", lambda: 4)
    nca = forged_ncz.crypted(bytes(HEAD) + b"text " * 0x80000, SPANS[:1])
    data = forged_ncz.blocks(nca, SPANS[:1], 16)
    made = made_in(monkeypatch)
    ncz = opened(data)
    for start in range(0, ncz.size, 0x3000):
        assert ncz[start : start + 0x3000].tobytes() == nca[start : start + 0x3000]
    assert len(made) == -(-(ncz.size - HEAD) >> 16)  # Each once, whoever made it.
    body = ncz._body
    assert isinstance(body, blocks.BlockBody)
    assert body._ahead._waiting == {}


def test_a_child_of_the_process_waits_for_nobody_in_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> int:
        begun.set()
        go_on.wait()
        return number

    ahead = Ahead(make, 1)
    ahead.begin([1])
    assert begun.wait(10)
    monkeypatch.setattr("oboromi_fs.storage.ncz.sharing.os.getpid", lambda: -1)  # As it is in the child, where no thread goes on.
    try:
        assert ahead.take(1) is None
        ahead.begin([1])
        assert set(ahead._waiting) == {1}
    finally:
        go_on.set()


def test_what_is_made_ahead_and_not_wanted_is_dropped() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        if number == 7:
            raise CorruptError("no 7")
        return -number

    ahead = Ahead(make, 2)
    ahead.begin([1, 2, 3])
    assert set(ahead._waiting) == {1, 2}
    ahead.begin([7, 2])
    assert ahead.take(1) is None
    assert ahead.take(7) is None  # Whoever makes it again is told what is wrong.
    assert ahead.take(2) in (None, -2)  # None where nobody had begun.
    assert ahead.take(2) is None
    assert 3 not in made


# Without the detour


def test_sections_are_read_in_the_clear_as_they_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = (Span(0xC00, 0x5000), Span(0x5C00, 0x1000), Span(0x6C00, 0x2000, key=b"2" * 16))
    clear = content(0x9000, 3)
    ncz = opened(forged_ncz.blocks(forged_ncz.crypted(clear, spans), spans))
    key, upper = spans[0].key, spans[0].upper
    section = clear_section(ncz, 0xC00, 0x6C00, key, upper)
    assert isinstance(section, ClearSectionStorage)
    for start, stop in ((0, 0x6000), (0x100, 0x3400), (0x3000, 0x3800), (0x4001, 0x5999)):
        assert section[start:stop].tobytes() == clear[0xC00 + start : 0xC00 + stop]
    calls: list[int] = []
    monkeypatch.setattr("oboromi_fs.storage.ncz.crypting.ctr_crypt", lambda *_: calls.append(1))
    assert section[0x3400:].tobytes() == clear[0x4000:0x6C00]
    assert calls == []
    for start, stop, other, counter in ((0xC00, 0x6C10, key, upper), (0xC00, 0x6C00, b"x" * 16, upper), (0xC00, 0x6C00, key, bytes(8))):
        assert not isinstance(clear_section(ncz, start, stop, other, counter), ClearSectionStorage)


def test_with_another_key_a_section_is_what_decryption_makes_of_it() -> None:
    spans = (Span(0x4000, 0x3000),)
    nca = content(0x7000, 3)
    ncz = opened(forged_ncz.blocks(nca, spans))
    section = clear_section(ncz, 0x4000, 0x7000, b"x" * 16, bytes(8))
    assert section[:].tobytes() == AesCtrStorage(MemoryStorage(nca[0x4000:]), b"x" * 16, bytes(8), 0x4000)[:].tobytes()


def test_zeros_take_no_room_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "RECENT", 2)
    nca = bytes(HEAD + (24 << 20)) + b"end"
    ncz = opened(forged_ncz.solid(nca, ()), size=len(nca))
    assert ncz[-3:].tobytes() == b"end"
    assert ncz[HEAD : HEAD + 0x1000].tobytes() == bytes(0x1000)
    body = ncz._body
    assert isinstance(body, FrameStorage)
    assert body._spool is not None
    assert os.fstat(body._spool.number).st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("interruption", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_after_a_full_disk_or_an_interruption_reads_are_right_or_fail(monkeypatch: pytest.MonkeyPatch, interruption: BaseException) -> None:
    """A piece that could be made, and not kept, is not taken for one of zeros."""
    monkeypatch.setattr(frame, "RECENT", 2)
    nca = bytes(HEAD) + content(6 << 20, 3)
    ncz = opened(forged_ncz.solid(nca, ()), size=len(nca))
    real = os.pwrite
    left = 2

    def pwrite(number: int, data: memoryview, offset: int) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise interruption
        return real(number, data, offset)

    monkeypatch.setattr("oboromi_fs.storage.ncz.frame.os.pwrite", pwrite)
    for _ in range(2):
        left = 2
        with pytest.raises(type(interruption)):
            ncz[-0x10:]
    monkeypatch.undo()
    for start in (len(nca) - 0x10, HEAD + (2 << 20), HEAD + (5 << 20), HEAD):
        assert ncz[start : start + 0x10].tobytes() == nca[start : start + 0x10]


def test_a_read_that_was_interrupted_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in the middle of a piece has taken bytes of the stream: the next read is not served from behind them."""
    nca = bytes(HEAD) + content(6 << 20, 3)
    ncz = opened(forged_ncz.solid(nca, ()), size=len(nca))
    assert ncz[HEAD : HEAD + 0x10].tobytes() == nca[HEAD : HEAD + 0x10]
    body = ncz._body
    assert isinstance(body, FrameStorage)
    assert body._pass is not None
    real, calls = zstd_module.Frames.readinto, 0

    def readinto(self: zstd_module.Frames, target: memoryview) -> int:
        nonlocal calls
        calls += 1
        count = real(self, target)
        if calls == 2:
            raise OSError(errno.EIO, "Input/output error")
        return count

    monkeypatch.setattr(zstd_module.Frames, "readinto", readinto)
    with pytest.raises(OSError, match="Input/output error"):
        ncz[HEAD : HEAD + (4 << 20)]
    assert ncz[:].tobytes() == nca


def test_a_temporary_file_is_no_larger_than_the_stream_warrants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a byte that is not zero, too, a few compressed ones make as many as one likes."""
    monkeypatch.setattr(frame, "RECENT", 2)
    monkeypatch.setattr(frame, "SPOOLED", 4 << 20)
    nca = bytes(HEAD) + b"x" * (12 << 20)
    ncz = opened(forged_ncz.solid(nca, ()), size=len(nca))
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"NCZ stream.*: more than 0x400000 bytes of a temporary file"):
            ncz[-1]
        body = ncz._body
        assert isinstance(body, FrameStorage)
        assert not body.spooled
    assert ncz[:].tobytes() == nca  # In order, it takes none.
