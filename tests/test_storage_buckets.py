"""Bucket trees and what they map: the specification's worked examples, and properties against plain lists."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from Crypto.Cipher import AES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oboromi_formats.bucket_tree import COMPRESSED_ENTRY, CTR_EX_ENTRY, INDIRECT_ENTRY
from oboromi_fs import CorruptError, MemoryStorage, UnsupportedError
from oboromi_fs._decode import dtype
from oboromi_fs.base import StorageBase
from oboromi_fs.executables import _lz4
from oboromi_fs.storage.buckets import build_buckets, geometry, read_buckets, tree_header
from oboromi_fs.storage.composed import ZeroStorage
from oboromi_fs.storage.compressed import CompressedStorage
from oboromi_fs.storage.ctr import ctr_crypt
from oboromi_fs.storage.ctr_ex import AesCtrExStorage
from oboromi_fs.storage.indirect import IndirectStorage

if TYPE_CHECKING:
    from oboromi_formats.layout import Table
    from oboromi_fs.storage.buckets import Buckets

KEY = bytes(range(16))


def rows_of(table: Table, *rows: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    return np.array(list(rows), dtype(table))


def tree(table: Table, rows: list[tuple[Any, ...]], end: int, node_size: int = 0x4000) -> Buckets:
    header, data = build_buckets(rows_of(table, *rows), end, table, node_size=node_size)
    count = tree_header(header, what="tree", storage=MemoryStorage(header), offset=0).entry_count
    return read_buckets(MemoryStorage(data), table, count, what="tree", node_size=node_size)


EXAMPLE = [(0, 0, 0), (0x100, 0, 1), (0x180, 0x180, 0), (0x400, 0x80, 1), (0x500, 0x500, 0)]


def test_geometry_has_the_boundaries_of_the_specification() -> None:
    assert geometry(0, 0x14).size == 0
    assert geometry(1, 0x14) == (0x4000, 2046, 818, 1, 0)
    assert (geometry(1, 0x10).entries, geometry(1, 0x18).entries) == (1023, 682)
    assert geometry(1_673_628, 0x14)[3:] == (2046, 0)
    assert geometry(1_673_629, 0x14)[3:] == (2047, 1)
    assert geometry(5, 0x14, 0x40) == (0x40, 6, 2, 3, 0)


def test_the_worked_example_is_written_and_read() -> None:
    header, data = build_buckets(rows_of(INDIRECT_ENTRY, *EXAMPLE), 0x600, INDIRECT_ENTRY, node_size=0x40)
    assert header == b"BKTR" + bytes.fromhex("01000000 05000000 00000000")
    words = np.frombuffer(data[:0x28], "<i8")
    assert (data[:8].hex(), words[1:5].tolist()) == ("0000000003000000", [0x600, 0, 0x180, 0x500])
    assert [data[0x40 * number : 0x40 * number + 16].hex() for number in (1, 2, 3)] == [
        "00000000020000008001000000000000",
        "01000000020000000005000000000000",
        "02000000010000000006000000000000",
    ]
    base, patch = MemoryStorage(bytes(range(256)) * 6), MemoryStorage(bytes(range(255, -1, -1)) * 2)
    storage = IndirectStorage(tree(INDIRECT_ENTRY, EXAMPLE, 0x600, 0x40), (base, patch), what="example")
    places = [(0x0FF, base, 0x0FF), (0x100, patch, 0), (0x17F, patch, 0x7F), (0x180, base, 0x180), (0x4FF, patch, 0x17F)]
    for at, source, offset in places[:4]:
        assert storage.place(at)[:2] == (source, offset)
        assert storage[at] == source[offset]
    assert storage.place(0x5FF)[:2] == (base, 0x5FF)


def test_two_levels_as_in_the_worked_example() -> None:
    rows = [(at, at, 0) for at in range(0, 0x100, 0x10)]
    _, data = build_buckets(rows_of(INDIRECT_ENTRY, *rows), 0x100, INDIRECT_ENTRY, node_size=0x40)
    l1, l2 = np.frombuffer(data[:0x40], "<i8"), np.frombuffer(data[0x40:0x80], "<i8")
    assert l1[2:8].tolist() == [0xA0, 0, 0x20, 0x40, 0x60, 0x80]
    assert (l2[1], l2[2:5].tolist()) == (0x100, [0xA0, 0xC0, 0xE0])
    assert tree(INDIRECT_ENTRY, rows, 0x100, 0x40).starts.tolist() == [*range(0, 0x110, 0x10)]


@st.composite
def pieces(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], int, list[bytes], bytes]:
    """Runs of two sources, at odd offsets; some empty; and what they make."""
    sources = [draw(st.binary(min_size=1, max_size=80)), draw(st.binary(min_size=1, max_size=80))]
    rows, made = [], b""
    for _ in range(draw(st.integers(1, 60))):
        where = draw(st.integers(0, 1))
        start = draw(st.integers(0, len(sources[where])))
        stop = draw(st.integers(start, len(sources[where])))
        rows.append((len(made), start, where))
        made += sources[where][start:stop]
    return rows, len(made), sources, made


@given(pieces(), st.sampled_from([0x40, 0x80, 0x4000]), st.integers(0, 400), st.integers(0, 400))
def test_every_read_of_an_indirect_storage_is_that_of_the_model(
    drawn: tuple[list[tuple[int, int, int]], int, list[bytes], bytes], node_size: int, start: int, stop: int
) -> None:
    rows, end, sources, made = drawn
    storage = IndirectStorage(tree(INDIRECT_ENTRY, rows, end, node_size), [MemoryStorage(each) for each in sources], what="tree")
    assert storage == made
    assert storage[start:stop].tobytes() == made[start:stop]
    assert storage.run_count <= len(rows)


def test_thousands_of_entries_over_two_levels() -> None:
    rows = [(at * 3, (at * 7919) % 5000, at % 2) for at in range(5000)]
    sources = [bytes(range(256)) * 20, bytes(range(255, -1, -1)) * 20]
    storage = IndirectStorage(tree(INDIRECT_ENTRY, rows, 15000, 0x400), [MemoryStorage(each) for each in sources], what="tree")
    assert geometry(5000, 0x14, 0x400).l2 == 0
    assert geometry(5000, 0x14, 0x100).l2 > 1
    two_levels = IndirectStorage(tree(INDIRECT_ENTRY, rows, 15000, 0x100), [MemoryStorage(each) for each in sources], what="tree")
    made = b"".join(sources[where][at : at + 3] for _, at, where in rows)
    assert storage == two_levels == made


def test_runs_that_follow_each_other_are_one() -> None:
    storage = IndirectStorage(tree(INDIRECT_ENTRY, [(0, 8, 0), (4, 12, 0), (6, 0, 0)], 8), [MemoryStorage(bytes(range(16)))], what="tree")
    assert storage.run_count == 2
    assert storage[:].tobytes() == bytes([8, 9, 10, 11, 12, 13, 0, 1])
    assert storage[1:5].obj is storage[0:2].obj  # Views of the source.


class Counted(StorageBase):
    """Notes what is read of it, as first byte and number of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = len(data)
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))
        target[:] = self._data[offset : offset + len(target)]


def test_small_runs_near_each_other_are_read_together_and_far_ones_alone() -> None:
    base, patch = Counted(bytes(range(256)) * 0x1000), Counted(bytes(range(255, -1, -1)) * 0x30)
    rows = [(0, 0, 0), (0x50000, 0, 1), (0x50010, 0x50010, 0), (0xA0010, 0x10, 1), (0xA0030, 0xA0030, 0), (0xF0030, 0x2000, 1)]
    storage = IndirectStorage(tree(INDIRECT_ENTRY, rows, 0xF0038), [base, patch], what="tree")
    made = bytearray(0xF0038)
    storage.readinto_at(0, made)
    # Two runs of the patch that follow each other are one read; the one far behind them is another.
    assert base.reads == [(0, 0x50000), (0x50010, 0x50000), (0xA0030, 0x50000)]
    assert patch.reads == [(0, 0x30), (0x2000, 8)]
    assert bytes(made[0x50000:0x50012]) == bytes(range(255, 239, -1)) + b"\x10\x11"
    assert bytes(made[0xA0010:0xA0031]) == bytes(range(239, 207, -1)) + b"\x30"


def test_a_read_takes_from_the_sources_what_it_needs_and_no_more() -> None:
    base, patch = Counted(bytes(0x40000)), Counted(bytes(0x40000))
    rows = [(at, 0x40000 - 0x1000 - at, at // 0x1000 % 2) for at in range(0, 0x40000, 0x1000)]
    storage = IndirectStorage(tree(INDIRECT_ENTRY, rows, 0x40000), [base, patch], what="tree")
    storage.readinto_at(0x1800, bytearray(0x1000))
    assert (base.reads, patch.reads) == ([(0x3D000, 0x800)], [(0x3E800, 0x800)])


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of what is read together that few bytes reach."""
    for name, value in (("_SMALL", 8), ("_GAP", 3), ("_TOGETHER", 20), ("_MOST", 5)):
        monkeypatch.setattr(f"oboromi_fs.storage.indirect.{name}", value)


@pytest.mark.usefixtures("narrow")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces(), st.integers(0, 400), st.integers(0, 400))
def test_whatever_is_read_together_every_read_is_that_of_the_model(
    drawn: tuple[list[tuple[int, int, int]], int, list[bytes], bytes], start: int, stop: int
) -> None:
    rows, end, sources, made = drawn
    storage = IndirectStorage(tree(INDIRECT_ENTRY, rows, end), [MemoryStorage(each) for each in sources], what="tree")
    assert storage[:].tobytes() == made
    assert storage[start:stop].tobytes() == made[start:stop]


def test_holes_read_as_zeros() -> None:
    storage = IndirectStorage(
        tree(INDIRECT_ENTRY, [(0, 0, 0), (4, 999, 1), (8, 4, 0)], 10), [MemoryStorage(b"abcdef"), None], what="sparse"
    )
    assert storage[:].tobytes() == b"abcd\0\0\0\0ef"
    assert storage[5:9].tobytes() == b"\0\0\0e"


@pytest.mark.parametrize(
    ("rows", "end", "problem"),
    [
        ([(0, 0, 2)], 4, "names source 2"),
        ([(0, 0, -1)], 4, "names source -1"),
        ([(0, 3, 0)], 4, "reads 0x4 bytes at 0x3 of source 0, which has 0x6"),
        ([(0, 1 << 62, 0)], 4, "reads 0x4 bytes at"),
        ([(0, -1, 0)], 4, "reads 0x4 bytes at"),
        ([(1, 0, 0)], 4, "begins at 0x1"),
    ],
)
def test_entries_that_lead_nowhere(rows: list[tuple[int, int, int]], end: int, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        IndirectStorage(tree(INDIRECT_ENTRY, rows, end), [MemoryStorage(b"abcdef"), MemoryStorage(b"x")], what="tree")


def damaged(offset: int, value: int, size: int = 4, count: int = 16) -> None:
    """Read the two-level example with a number in it changed."""
    rows = [(at, at, 0) for at in range(0, 0x100, 0x10)]
    _, data = build_buckets(rows_of(INDIRECT_ENTRY, *rows), 0x100, INDIRECT_ENTRY, node_size=0x40)
    changed = bytearray(data)
    changed[offset : offset + size] = value.to_bytes(size, "little")
    read_buckets(MemoryStorage(bytes(changed)), INDIRECT_ENTRY, count, what="tree", node_size=0x40)


@pytest.mark.parametrize(
    ("offset", "value", "problem"),
    [
        (0x00, 1, "L1 calls itself 1"),
        (0x04, 2, "L1 calls itself 0 and has 2"),
        (0x10, 0xB0, "L1 says that L2 node 0 begins at 0xb0"),
        (0x18, 0x10, "set 0 begins at 0x0, its node says 0x10"),
        (0x44, 2, "L2 node 0 calls itself 0 and has 2"),
        (0x48, 0xD0, "L2 node 0 ends at 0xd0, before its last set at 0xe0"),
        (0x58, 0xD0, "set 6 begins at 0xc0, its node says 0xd0"),
        (0x80, 7, "set 0 calls itself 7"),
        (0x84, 0, "has 0 entries"),
        (0x84, 3, "has 3 entries, 1 to 2 fit"),
        (0x84, 1, "the sets hold 15 entries, the header says 16"),
        (0x88, 0x30, "set 0 ends at 0x30, the next one begins at 0x20"),
        (0xA4, 0x1000, "entry 2 is for 0x20, behind one at 0x1000"),
    ],
)
def test_nodes_that_lie_are_told(offset: int, value: int, problem: str) -> None:
    damaged(0, 0, 0)  # Sound.
    with pytest.raises(CorruptError, match=problem):
        damaged(offset, value)


def test_counts_that_lie_are_told() -> None:
    with pytest.raises(CorruptError, match="need 0x740 bytes, 0x280 are there"):
        damaged(0, 0, 0, count=48)
    headers = {
        b"XXXX" + bytes(12): CorruptError,
        b"BKTR\2" + bytes(11): UnsupportedError,
        b"BKTR" + bytes(7) + b"\xff" + bytes(4): CorruptError,
    }
    for header, kind in headers.items():
        with pytest.raises(kind):
            tree_header(header, what="tree", storage=MemoryStorage(header), offset=0)


def test_a_count_that_lies_costs_no_more_than_what_is_there() -> None:
    """The table is as large as the header says, and holds nothing."""
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="set 0 calls itself 0 and has 0 entries"):
            read_buckets(ZeroStorage(1 << 40), INDIRECT_ENTRY, 1 << 28, what="tree")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 << 20  # The 328,206 sets alone would take 5 GiB.


def test_a_table_may_be_longer_than_its_entries_need() -> None:
    _, data = build_buckets(rows_of(INDIRECT_ENTRY, *EXAMPLE), 0x600, INDIRECT_ENTRY)
    found = read_buckets(MemoryStorage(data + bytes(0x4000)), INDIRECT_ENTRY, 5, what="tree")
    assert (found.starts.tolist(), found.notes) == ([0, 0x100, 0x180, 0x400, 0x500, 0x600], ())


def test_a_tree_without_entries_maps_nothing() -> None:
    assert read_buckets(MemoryStorage(b""), INDIRECT_ENTRY, 0, what="tree").end == 0
    assert IndirectStorage(tree(INDIRECT_ENTRY, [], 0), [], what="tree").size == 0
    assert CompressedStorage(MemoryStorage(b""), tree(COMPRESSED_ENTRY, [], 0), reverse, what="tree")[:].tobytes() == b""
    assert AesCtrExStorage(MemoryStorage(b""), tree(CTR_EX_ENTRY, [], 0), KEY, 2, 0, what="tree")[:].tobytes() == b""


@pytest.mark.parametrize(
    ("end", "problem"), [((1 << 41) + 1, "0x20000000000 is the most"), (1 << 62, "is the most"), (-1, "before its last")]
)
def test_an_end_that_no_section_can_have(end: int, problem: str) -> None:
    tree(INDIRECT_ENTRY, EXAMPLE, 1 << 41)
    with pytest.raises(CorruptError, match=problem):
        tree(INDIRECT_ENTRY, EXAMPLE, end)


def test_two_ends_that_differ_are_noted() -> None:
    _, data = build_buckets(rows_of(INDIRECT_ENTRY, *EXAMPLE), 0x600, INDIRECT_ENTRY)
    changed = bytearray(data)
    changed[8:10] = b"\x80\x05"
    found = read_buckets(MemoryStorage(bytes(changed)), INDIRECT_ENTRY, 5, what="tree")
    assert (found.end, found.notes) == (0x600, ("tree: ends at 0x580, its last set at 0x600; 0x600 is taken",))


def test_the_only_set_is_believed_as_careless_writers_make_it() -> None:
    _, data = build_buckets(rows_of(CTR_EX_ENTRY, (0, 0, b"", 7), (0x20, 0, b"", 9)), 0x40, CTR_EX_ENTRY)
    changed = bytearray(data)
    changed[8:16] = changed[0x4008:0x4010] = (0x20).to_bytes(8, "little")  # L1 and set end where the last entry begins.
    found = read_buckets(MemoryStorage(bytes(changed)), CTR_EX_ENTRY, 1, what="tree", end=0x40)
    assert found.starts.tolist() == [0, 0x20, 0x40]
    assert len(found.notes) == 2
    assert read_buckets(MemoryStorage(data), CTR_EX_ENTRY, 2, what="tree").notes == ()


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 0x200),
    st.integers(0, 0x200),
    st.sampled_from([0, 0x25]),
)
def test_every_read_of_ctr_ex_is_that_of_the_model(runs: list[tuple[int, int, bool]], start: int, stop: int, plain_until: int) -> None:
    rows: list[tuple[int, int, bytes, int]] = []
    at = 0
    for length, generation, plain in runs:
        rows.append((at, int(plain), b"", generation))
        at += length * 0x10
    clear = bytes(index * 31 & 0xFF for index in range(at))
    stored = bytearray(clear)
    for (offset, stored_plain, _, generation), (end, *_) in pairwise([*rows, (at, 0, b"", 0)]):
        begin = max(offset, min(plain_until, end))
        if not stored_plain and begin < end:
            upper = (2).to_bytes(4, "big") + generation.to_bytes(4, "big")
            part = bytearray(end - begin)
            ctr_crypt(KEY, upper, 0x4000 + begin, clear[begin:end], part)
            stored[begin:end] = part
    buckets = tree(CTR_EX_ENTRY, rows, at, 0x80)
    storage = AesCtrExStorage(MemoryStorage(bytes(stored) + b"tail"), buckets, KEY, 2, 0x4000, plain_until=plain_until, what="tree")
    assert storage[start:stop].tobytes() == clear[start:stop]
    assert storage == clear


def test_the_counter_is_that_of_the_examples_in_the_specification() -> None:
    """Section at 0x4000, secure value 2; byte 0 in generation 7, byte 0x8000 in generation 9; what lies between is plain."""
    rows = [(0, 0, b"", 7), (0x10, 1, b"", 7), (0x8000, 0, b"", 9)]
    storage = AesCtrExStorage(MemoryStorage(bytes(0x8010)), tree(CTR_EX_ENTRY, rows, 0x8010), KEY, 2, 0x4000, what="tree")
    cipher = AES.new(KEY, AES.MODE_ECB)
    assert storage[:0x10].tobytes() == cipher.encrypt(bytes.fromhex("00000002 00000007 0000000000000400"))
    assert storage[0x8000:0x8010].tobytes() == cipher.encrypt(bytes.fromhex("00000002 00000009 0000000000000C00"))
    assert storage[0x10:0x8000].tobytes() == bytes(0x7FF0)
    assert list(storage.runs()) == [
        (0, 0x10, bytes.fromhex("00000002 00000007")),
        (0x10, 0x8000, None),
        (0x8000, 0x8010, bytes.fromhex("00000002 00000009")),
    ]


def test_generations_that_are_the_same_are_decrypted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("oboromi_fs.storage.ctr_ex.ctr_crypt", lambda *words: calls.append((words[2], len(words[3]))))
    rows = [(0, 0, b"", 7), (0x100, 0, b"", 7), (0x200, 0, b"", 9)]
    storage = AesCtrExStorage(MemoryStorage(bytes(0x300)), tree(CTR_EX_ENTRY, rows, 0x300), KEY, 2, 0x4000, what="tree")
    storage.readinto_at(8, bytearray(0x280))
    assert calls == [(0x4008, 0x1F8), (0x4200, 0x88)]


@pytest.mark.parametrize(
    ("rows", "end", "problem"),
    [
        ([(0, 0, b"", 1), (8, 0, b"", 1)], 16, "no multiple of 16"),
        ([(0, 0, b"", 1)], 0x41, "maps 0x41 bytes"),
        ([(16, 0, b"", 1)], 32, "begins at 0x10"),
    ],
)
def test_generations_that_do_not_fit(rows: list[tuple[Any, ...]], end: int, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        AesCtrExStorage(MemoryStorage(bytes(0x40)), tree(CTR_EX_ENTRY, rows, end), KEY, 0, 0, what="tree")


def reverse(data: memoryview, size: int) -> bytes:
    """A stand-in for LZ4: each byte is there twice, backwards."""
    out = bytes(each for byte in bytes(data)[::-1] for each in (byte, byte))
    if len(out) != size:
        raise CorruptError("does not end where it should")
    return out


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 3]), st.integers(0, 9)), min_size=1, max_size=30), st.integers(0, 400), st.integers(0, 400)
)
def test_every_read_of_a_compressed_storage_is_that_of_the_model(blocks: list[tuple[int, int]], start: int, stop: int) -> None:
    rows, stored, made = [], b"", b""
    for number, (kind, length) in enumerate(blocks):
        data = bytes((number + index) & 0xFF for index in range(length))
        whole = bytes(2 * length) if kind == 1 else reverse(memoryview(data), 2 * length) if kind == 3 else data
        rows.append((len(made), len(stored), kind, 0, 0, 0 if kind == 1 else len(data)))
        stored += b"" if kind == 1 else data
        made += whole
    storage = CompressedStorage(MemoryStorage(stored), tree(COMPRESSED_ENTRY, rows, len(made), 0x80), reverse, what="tree")
    assert storage == made
    assert storage[start:stop].tobytes() == made[start:stop]


def test_a_block_is_decompressed_once() -> None:
    calls = []

    def counted(data: memoryview, size: int) -> bytes:
        calls.append(size)
        return reverse(data, size)

    rows = [(0, 0, 3, 0, 0, 8), (16, 8, 3, 0, 0, 8)]
    storage = CompressedStorage(MemoryStorage(bytes(range(16))), tree(COMPRESSED_ENTRY, rows, 32), counted, what="tree")
    for at in range(16):
        storage[at : at + 1]
    assert calls == [16]
    assert storage.place(17)[1:] == (8, "compressed")


@pytest.mark.parametrize(
    ("row", "end", "kind", "problem"),
    [
        ((0, 0, 2, 0, 0, 4), 4, UnsupportedError, "is of type 2"),
        ((0, 0, 0, 0, 0, 3), 4, CorruptError, "is stored in 0x3 bytes, and maps 0x4"),
        ((0, 0, 3, 0, 0, 4), 1 << 21, CorruptError, "decompresses to 0x200000 bytes"),
        ((0, 0, 3, 0, 0, 0x2000), 4, CorruptError, "takes 0x2000 bytes for 0x4"),
        ((0, 6, 3, 0, 0, 4), 4, CorruptError, "takes 0x4 bytes at 0x6 of 0x8"),
        ((0, 1 << 62, 0, 0, 0, 4), 4, CorruptError, "takes 0x4 bytes at"),
        ((0, -4, 0, 0, 0, 4), 4, CorruptError, "takes 0x4 bytes at -0x4"),
        ((2, 0, 0, 0, 0, 2), 4, CorruptError, "begins at 0x2"),
    ],
)
def test_blocks_that_lie_are_told(row: tuple[int, ...], end: int, kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=problem):
        CompressedStorage(MemoryStorage(bytes(8)), tree(COMPRESSED_ENTRY, [row], end), reverse, what="tree")


def test_a_block_that_does_not_decompress_is_told() -> None:
    storage = CompressedStorage(MemoryStorage(bytes(8)), tree(COMPRESSED_ENTRY, [(0, 2, 3, 0, 0, 4)], 9), reverse, what="tree")
    with pytest.raises(CorruptError, match="tree of memory at 0x2: block 0: does not end"):
        storage[:1]


@pytest.mark.parametrize(
    ("packed", "length", "problem"),
    [
        (_lz4.compress(b"a" * 1000), 1 << 20, "cannot decompress to 0x100000"),
        (_lz4.compress(b"a" * 5000), 1 << 20, "do not decompress to 0x100000|cannot decompress to 0x100000"),
        (_lz4.compress(b"a" * 0x10000), 1000, "do not decompress to 0x3e8"),
        (b"\xf0" + b"\xff" * 0x1100, 0x8000, "do not decompress to 0x8000"),
        (b"", 10, "cannot decompress to 0xa"),
    ],
)
def test_lz4_that_lies_about_its_size_is_told_and_costs_no_more_than_a_block(packed: bytes, length: int, problem: str) -> None:
    buckets = tree(COMPRESSED_ENTRY, [(0, 0, 3, 0, 0, len(packed))], length)
    storage = CompressedStorage(MemoryStorage(packed), buckets, _lz4.decompress, what="tree")
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match=problem):
            storage[:1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
