from __future__ import annotations

import errno
import gc
import os
import random
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.errors import ClosedError, CorruptError, MappingError
from oboromi_fs.file import File
from oboromi_fs.protocols import Place
from oboromi_fs.storage.composed import BULK, CACHE, ComposedStorage, ZeroStorage
from oboromi_fs.storage.pieces import CalledPieces, GivenPieces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from oboromi_fs.protocols import Storage


class Small(ComposedStorage):
    """Blocks of 16 bytes; pieces of 32 may stay open."""

    block_bits = 4


class Opaque(StorageBase):
    """Bytes that can only be read, not viewed."""

    kind = "Opaque"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)

    def _readinto(self, offset: int, target: memoryview) -> None:
        target[:] = self.data[offset : offset + len(target)]


class Shelf:
    """Pieces that are opened by number; counts how often, and how many are open."""

    def __init__(self, pieces: Sequence[tuple[int, bytes]], kind: type[MemoryStorage | Opaque] = MemoryStorage) -> None:
        self.contents = [data for _, data in pieces]
        self.pieces = CalledPieces([start for start, _ in pieces], [len(data) for _, data in pieces], self.open, "shelf/{}".format)
        self.calls = 0
        self.kind = kind
        self.open_now: weakref.WeakSet[StorageBase] = weakref.WeakSet()

    def open(self, index: int) -> Storage:
        self.calls += 1
        made = self.kind(self.contents[index])
        self.open_now.add(made)
        return made


def flat(pieces: Sequence[tuple[int, bytes]], size: int) -> bytes:
    out = bytearray(size)
    for start, data in pieces:
        out[start : start + len(data)] = data
    return bytes(out)


def laid_out(contents: Sequence[bytes], gaps: Sequence[int]) -> list[tuple[int, bytes]]:
    """Contents one after the other, each after a gap."""
    pieces, position = [], 0
    for data, gap in zip(contents, gaps, strict=True):
        pieces.append((position + gap, data))
        position += gap + len(data)
    return pieces


def many(count: int, seed: int = 1, longest: int = 60) -> tuple[list[tuple[int, bytes]], bytes]:
    chance = random.Random(seed)
    contents = [chance.randbytes(chance.choice((0, 1, chance.randrange(9), chance.randrange(longest)))) for _ in range(count)]
    pieces = laid_out(contents, [chance.choice((0, 1, 5, 40)) for _ in range(count)])
    size = pieces[-1][0] + len(pieces[-1][1]) + 3
    return pieces, flat(pieces, size)


# Storages that are there


def test_gaps_are_zeros_and_any_order_will_do() -> None:
    storage = ComposedStorage([(8, MemoryStorage(b"tail")), (2, MemoryStorage(b"abc")), (6, MemoryStorage(b""))], 14)
    assert storage[:].tobytes() == b"\0\0abc\0\0\0tail\0\0"
    assert (storage.size, storage.kind) == (14, "Composed")
    assert ComposedStorage([(2, MemoryStorage(b"abc"))]).size == 5
    target = bytearray(b"\xff" * 20)
    assert storage.readinto_at(3, target) == 11
    assert target == b"bc\0\0\0tail\0\0" + b"\xff" * 9


def test_empty() -> None:
    for storage in (ComposedStorage([]), ComposedStorage([], 0), ComposedStorage([(0, MemoryStorage(b""))])):
        assert (len(storage), storage.tobytes(), storage.readinto_at(0, bytearray(2)), storage.sources) == (0, b"", 0, ())
    assert ComposedStorage([], 5)[:] == bytes(5)


def test_inside_one_piece_nothing_is_copied() -> None:
    first, second = bytes(range(10)), bytes(range(10, 20))
    storage = ComposedStorage([(0, MemoryStorage(first)), (12, MemoryStorage(second))])
    assert storage[2:10].obj is first
    assert storage[12:22].obj is second
    assert storage[9:13].tobytes() == b"\x09\0\0\x0a"


def test_sources_and_places() -> None:
    base = MemoryStorage(bytes(range(50)))
    parts = [MemoryStorage(b"abc"), base.window(10, 20)]
    storage = ComposedStorage([(1, parts[0]), (6, parts[1])], 20)
    assert storage.sources == tuple(parts)
    assert storage.place(1) == Place(parts[0], 0, "plain")
    assert storage.place(7) == Place(base, 11, "plain")
    for gap in (0, 4, 16, 19, 20):
        where = storage.place(gap)
        assert (where.storage.kind, where.offset, where.stored, where.storage.size) == ("Zero", gap, "plain", 20)
    assert ComposedStorage([(0, parts[0])]).place(3) == Place(parts[0], 3, "plain")  # The end, which an error message may name.


@pytest.mark.parametrize("starts", [(0, 2), (5, 3), (4, 4)])
def test_pieces_must_not_overlap(starts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="overlap"):
        ComposedStorage([(start, MemoryStorage(b"abc")) for start in starts])


def test_pieces_given_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="not in the order"):
        GivenPieces([5, 0], [MemoryStorage(b"a"), MemoryStorage(b"b")])
    with pytest.raises(ValueError, match="zip"):
        GivenPieces([5, 0], [MemoryStorage(b"a")])


def test_a_piece_past_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="ends at 0x5, the image at 0x4"):
        ComposedStorage([(2, MemoryStorage(b"abc"))], 4)


def test_a_file_that_was_given_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    file = File.open(path)
    storage = ComposedStorage([(3, file)])
    assert storage[5:9] == bytes(range(2, 6))
    file.close()
    with pytest.raises(ClosedError):
        storage[5:9]


def test_a_piece_that_breaks_its_promise_is_named() -> None:
    class Short(Opaque):
        def readinto_at(self, offset: int, buffer: object, /) -> int:
            del offset, buffer
            return 0

    storage = ComposedStorage([(3, Short(b"four"))])
    with pytest.raises(CorruptError, match=r"4 bytes are needed, 0 could be read \(while reading 'piece 0'\)"):
        storage[:]


def test_numpy_is_not_needed() -> None:
    code = (
        "import sys\n"
        "from oboromi_fs.base import MemoryStorage\n"
        "from oboromi_fs.storage.composed import ComposedStorage\n"
        "assert ComposedStorage([(1, MemoryStorage(b'a'))])[:] == b'\\0a'\n"
        "assert not {'numpy', 'construct', 'concurrent.futures', 'tempfile', 'pathlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)})


def test_a_size_without_end_takes_little() -> None:
    size = 1 << 50
    storage = ComposedStorage(CalledPieces([5, size - 4], [3, 4], [MemoryStorage(b"abc"), MemoryStorage(b"tail")].__getitem__), size)
    assert storage[: 1 << 10] == b"\0\0\0\0\0abc" + bytes(1016)
    assert storage[size - 6 :].tobytes() == b"\0\0tail"
    assert sys.getsizeof(storage._blocks) < 20 << 20
    assert ZeroStorage(size)[size - 3 :] == bytes(3)


# Pieces that are opened


@pytest.mark.parametrize("kind", [MemoryStorage, Opaque])
@pytest.mark.parametrize("settings", [{}, {"cache": 0}, {"cache": 64, "keep": 1}, {"keep": 0}])
def test_equals_the_bytes_laid_out(kind: type[MemoryStorage | Opaque], settings: dict[str, int]) -> None:
    pieces, whole = many(300)
    storage = Small(Shelf(pieces, kind).pieces, len(whole), **settings)
    chance = random.Random(2)
    assert storage[:] == whole
    for _ in range(4000):
        start = chance.randrange(len(whole))
        stop = min(start + chance.choice((1, 3, 16, 17, 40, 300)), len(whole))
        assert storage[start:stop] == whole[start:stop]
        target = bytearray(b"\xee" * (stop - start))
        assert storage.readinto_at(start, target) == stop - start
        assert target == whole[start:stop]


@given(
    contents=st.lists(st.binary(max_size=70), max_size=12),
    seed=st.integers(0, 99),
    cuts=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 90)), max_size=30),
)
def test_any_pieces(contents: list[bytes], seed: int, cuts: list[tuple[int, int]]) -> None:
    chance = random.Random(seed)
    pieces = laid_out(contents, [chance.choice((0, 0, 3, 30)) for _ in contents])
    size = (pieces[-1][0] + len(pieces[-1][1]) if pieces else 0) + chance.randrange(20)
    whole = flat(pieces, size)
    shelf = Shelf(pieces)
    storage = Small(shelf.pieces, size, cache=chance.choice((0, 48, 1000)), keep=2)
    for start, length in cuts:
        assert storage[start : start + length] == whole[start : start + length]
    for start, data in pieces:
        if data:
            place = storage.place(start)
            assert place.storage[place.offset] == data[0]


def test_bulk_reads_keep_nothing() -> None:
    pieces, _ = many(3000)
    pieces = [(start + (BULK if index > 1500 else 0), data) for index, (start, data) in enumerate(pieces)]
    whole = flat(pieces, pieces[-1][0] + 100)
    shelf = Shelf(pieces)
    storage = Small(shelf.pieces, len(whole), keep=0)
    assert storage[:] == whole
    assert not storage._kept
    assert shelf.calls == len(pieces)  # The empty ones too: they might not be empty any more.


def test_what_is_hot_is_not_opened_again() -> None:
    pieces, whole = many(100)
    shelf = Shelf(pieces)
    storage = Small(shelf.pieces, len(whole))
    for start in range(0, len(whole), 7):
        storage[start : start + 20]
    calls = shelf.calls
    for start in range(0, len(whole) - 50, 5):
        assert storage[start : start + 50] == whole[start : start + 50]
    assert shelf.calls == calls


def test_only_the_largest_stay_open() -> None:
    contents = [bytes((number,)) * (32 + number) for number in range(200)]
    pieces = laid_out(contents, [0] * 200)
    whole = flat(pieces, pieces[-1][0] + 231)
    shelf = Shelf(pieces)
    storage = Small(shelf.pieces, len(whole), keep=5)
    chance = random.Random(3)
    for _ in range(3000):
        start = chance.randrange(len(whole))
        assert storage[start : start + 9] == whole[start : start + 9]
    gc.collect()
    assert sorted(piece.size for piece in shelf.open_now) == [227, 228, 229, 230, 231]


def test_equal_sizes_do_not_exceed_what_may_stay_open() -> None:
    pieces = laid_out([bytes((number,)) * 40 for number in range(50)], [0] * 50)
    whole = flat(pieces, 2000)
    shelf = Shelf(pieces)
    storage = Small(shelf.pieces, 2000, keep=5)
    assert [storage[start : start + 4] for start in range(0, 2000, 40)] == [whole[start : start + 4] for start in range(0, 2000, 40)]
    gc.collect()
    assert not shelf.open_now


def test_the_cache_is_bounded() -> None:
    pieces, whole = many(2000)
    storage = Small(Shelf(pieces).pieces, len(whole), cache=160, keep=0)
    chance = random.Random(4)
    for _ in range(5000):
        start = chance.randrange(len(whole) - 8)
        assert storage[start : start + 8] == whole[start : start + 8]
        assert len(storage._kept) <= 10
    assert sum(run.end > run.begin for run in storage._blocks) <= 10


def test_inside_a_piece_that_stays_open_nothing_is_copied() -> None:
    data = bytes(range(200))
    storage = Small(CalledPieces([3], [200], [MemoryStorage(data)].__getitem__), 220)
    for _ in range(2):
        for start, stop in ((3, 203), (100, 110), (4, 9), (195, 203)):
            assert storage[start:stop].obj is data
    assert storage[190:215] == data[187:] + bytes(12)
    assert storage[0:5].tobytes() == b"\0\0\0\x00\x01"


def test_the_first_read_of_a_piece_that_stays_open_prepares_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(200))
    storage = Small(CalledPieces([3], [200], [MemoryStorage(data)].__getitem__), 220)
    assert storage[100:104] == data[97:101]
    monkeypatch.setattr(Small, "_view", None)  # The long way.
    for start in range(16, 190):
        assert storage[start : min(start + 9, 192)].obj is data


def test_the_first_read_of_a_block_copies_nothing_from_it() -> None:
    pieces, whole = many(100)
    storage = Small(Shelf(pieces).pieces, len(whole), keep=0)
    views = [storage[start : start + 8] for start in range(0, len(whole) - 16, 16)]
    assert [view.tobytes() for view in views] == [whole[start : start + 8] for start in range(0, len(whole) - 16, 16)]
    assert len({id(view.obj) for view in views}) == 1  # One run of memory for all blocks.
    assert storage[0:8].obj is views[0].obj


def test_memory_of_a_block_that_could_not_be_read_is_used_again() -> None:
    shelf = Shelf([(0, b"first"), (8, b"second"), (16, b"third"), (24, b"fourth")])
    storage = Small(shelf.pieces, keep=0)
    shelf.contents[1] = b"longer than it was"
    for _ in range(10):
        assert storage[:5].tobytes() == b"first"
    assert storage[16:30].tobytes() == b"third\0\0\0fourth"
    assert len(storage._rooms) == 1


def test_no_more_is_kept_than_the_machine_can_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1 << 16, "SC_PAGE_SIZE": 1 << 12}.__getitem__)
    assert ComposedStorage([])._cache << 16 == 32 << 20
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1 << 26, "SC_PAGE_SIZE": 1 << 12}.__getitem__)
    assert ComposedStorage([])._cache << 16 == CACHE


def test_over_the_edge_of_a_block_into_a_piece_that_stays_open() -> None:
    data = bytes(range(100, 200))
    storage = Small(CalledPieces([0, 10], [5, 100], [MemoryStorage(b"abcde"), MemoryStorage(data)].__getitem__), 130)
    whole = flat([(0, b"abcde"), (10, data)], 130)
    for _ in range(2):
        for start in range(130):
            for stop in range(start + 1, min(start + 40, 130)):
                assert storage[start:stop] == whole[start:stop]


# Pieces that are not what they were


def test_another_size_than_planned() -> None:
    shelf = Shelf([(0, b"first"), (8, b"second"), (20, bytes(50))])
    storage = Small(shelf.pieces)
    shelf.contents[1] = b"longer than it was"
    shelf.contents[2] = bytes(49)
    with pytest.raises(MappingError, match=r"^shelf/1: changed while it was read: it had 6 bytes when the image was planned, and has 18$"):
        storage[8:10]
    with pytest.raises(MappingError, match=r"^shelf/2: changed while it was read: it had 50 bytes when the image was planned, and has 49$"):
        storage[30:31]
    assert storage[:5].tobytes() == b"first"  # In the same block: a broken neighbour is no reason to refuse it.
    assert storage[:8].tobytes() == b"first\0\0\0"
    assert storage.place(9).storage.kind == "Zero"


@pytest.mark.parametrize("error", [FileNotFoundError, IsADirectoryError, NotADirectoryError])
def test_gone(error: type[OSError]) -> None:
    def refuse(index: int) -> Storage:
        raise error(errno.ENOENT, "no", str(index))

    storage = ComposedStorage(CalledPieces([0], [9], refuse, "data/{}.bin".format))
    with pytest.raises(MappingError, match=r"^data/0\.bin: .*is gone$"):
        storage[:]


def test_other_refusals_stay_what_they_are() -> None:
    def refuse(index: int) -> Storage:
        raise PermissionError(errno.EACCES, "no", str(index))

    with pytest.raises(PermissionError):
        ComposedStorage(CalledPieces([0], [9], refuse))[3:4]


@pytest.mark.parametrize("size", [0, 1, 150_000, 999_999, 1_000_001, 3_000_000])
def test_a_mapped_file_that_changes_while_it_is_hot(tmp_path: Path, size: int) -> None:
    path = tmp_path / "big.bin"
    data = random.Random(5).randbytes(1_000_000)
    path.write_bytes(data)
    storage = ComposedStorage(CalledPieces([10], [len(data)], lambda _: File.open(path), lambda _: str(path)))
    assert storage[500_000:500_009] == data[499_990:499_999]
    assert storage[500_000:500_009] == data[499_990:499_999]
    os.truncate(path, size)
    for read in (
        lambda: storage[500_000:500_009],
        lambda: storage.readinto_at(500_000, bytearray(9)),
        lambda: storage[5:500_000],
        lambda: storage[:],
    ):
        with pytest.raises(MappingError, match=rf"big\.bin: changed while it was read: it had 1000000 bytes .*, and has {size}$"):
            read()
    os.truncate(path, len(data))
    assert len(storage[500_000:500_009]) == 9


def test_a_file_read_by_position_that_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(1_000_000))
    storage = ComposedStorage(CalledPieces([0], [1_000_000], lambda _: File.open(path, access="pread"), lambda _: "inner/path"))
    assert storage[5:9] == bytes(4)
    os.truncate(path, 10)
    with pytest.raises(MappingError, match=r"shrank while it was open.*\(while reading 'inner/path'\)"):
        storage[500:600]


def test_out_of_descriptors_it_lets_go_of_its_own() -> None:
    contents = [bytes((number,)) * 64 for number in range(10)]
    shelf = Shelf(laid_out(contents, [0] * 10))
    refusals = 0

    def open_piece(index: int) -> Storage:
        nonlocal refusals
        gc.collect()
        if len(shelf.open_now) >= 4:
            refusals += 1
            raise OSError(errno.EMFILE, "too many")
        return shelf.open(index)

    storage = Small(CalledPieces(shelf.pieces.starts, [64] * 10, open_piece), keep=100)
    for _ in range(2):
        for number in range(10):
            assert storage[number * 64 + 3 : number * 64 + 60].tobytes() == bytes((number,)) * 57
    assert refusals > 2


def test_windows_are_plain_windows() -> None:
    storage = ComposedStorage([(4, MemoryStorage(b"abcdef"))])
    window = storage.window(5, 8)
    assert isinstance(window, WindowStorage)
    assert window[:].tobytes() == b"bcd"
    assert window.place(1).offset == 2
