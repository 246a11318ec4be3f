"""Every storage is sliced like ``bytes``.

To put another storage under these laws, add a factory to ``FACTORIES``: it gets arbitrary bytes and returns a storage, and the bytes that
the storage must show (those it got, or a part of them where not every length can be stored).
"""

from __future__ import annotations

import io
import random
import threading
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage, StorageBase, StorageFile, WindowStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.protocols import Storage
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.ctr import AesCtrStorage, ctr_crypt
from oboromi_fs.storage.hashed import HierarchicalSha256Storage, IvfcStorage
from oboromi_fs.storage.pieces import CalledPieces
from oboromi_fs.storage.xts import AesXtsStorage, xts_encrypt
from tests.hash_trees import ivfc_tree, sha256_tree

if TYPE_CHECKING:
    from collections.abc import Callable

Made: TypeAlias = tuple[StorageBase, bytes]

KEY = bytes(range(16))
UPPER = bytes.fromhex("0000000200000001")


class Opaque(StorageBase):
    """Bytes that can only be read, not viewed."""

    kind = "Opaque"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)

    def _readinto(self, offset: int, target: memoryview) -> None:
        target[:] = self.data[offset : offset + len(target)]


def _ctr(data: bytes, base: int, *, plain: int = 0, opaque: bool = False) -> Made:
    stored = bytearray(len(data))
    ctr_crypt(KEY, UPPER, base, data, stored)
    stored[:plain] = data[:plain]
    parent = Opaque(bytes(stored)) if opaque else MemoryStorage(stored)
    return AesCtrStorage(parent, KEY, UPPER, base, plain_until=plain), data


def _xts(data: bytes, sector_size: int) -> Made:
    data = data[: len(data) & ~15]
    return AesXtsStorage(MemoryStorage(xts_encrypt(data, KEY * 2, 3, sector_size)), KEY * 2, sector_size, 3), data


def _parts(data: bytes) -> list[Storage]:
    cuts = sorted(random.Random(len(data)).choices(range(len(data) + 1), k=6))
    return [MemoryStorage(data[a:b]) for a, b in pairwise([0, *cuts, len(data)])]


def _sha256(data: bytes, *, check: bool, opaque: bool) -> Made:
    section, info = sha256_tree(data, 0x10, gap=3)
    return HierarchicalSha256Storage(Opaque(section) if opaque else MemoryStorage(section), info, check=check), data


def _ivfc(data: bytes, *, check: bool, opaque: bool) -> Made:
    section, info = ivfc_tree(data, 0x40 if len(data) <= 0x800 else 0x80)  # Six levels of 0x40 hold no more.
    return IvfcStorage(Opaque(section) if opaque else MemoryStorage(section), info, check=check), data


class SmallBlocks(ComposedStorage):
    block_bits = 4


def _composed(data: bytes, *, called: bool, opaque: bool) -> Made:
    """Every second part is a piece, the others are zeros; the last one too."""
    ends = list(accumulate(part.size for part in _parts(data)))
    starts = [0, *ends][: len(ends)]
    shown = b"".join(data[a:b] if number % 2 else bytes(b - a) for number, (a, b) in enumerate(zip(starts, ends, strict=True)))
    kind: Callable[[bytes], Storage] = Opaque if opaque else MemoryStorage
    made: list[Storage] = [kind(data[a:b]) for a, b in zip(starts, ends, strict=True)][1::2]
    if called:
        pieces = CalledPieces(starts[1::2], [piece.size for piece in made], made.__getitem__)
        return SmallBlocks(pieces, len(data), cache=64, keep=2), shown
    return ComposedStorage(zip(starts[1::2], made, strict=True), len(data)), shown


def _stack(data: bytes) -> Made:
    """What an archive is made of: a window of parts, decrypted, hash-checked."""
    section, info = ivfc_tree(data, 0x40 if len(data) <= 0x800 else 0x80)  # Six levels of 0x40 hold no more.
    stored = bytearray(len(section))
    ctr_crypt(KEY, UPPER, 0x35, section, stored)
    whole = ConcatStorage(_parts(b"#" * 0x35 + bytes(stored) + b"#" * 9))
    return IvfcStorage(AesCtrStorage(whole.window(0x35, 0x35 + len(stored)), KEY, UPPER, 0x35), info), data


FACTORIES: dict[str, Callable[[bytes], Made]] = {
    "memory": lambda data: (MemoryStorage(data), data),
    "opaque": lambda data: (Opaque(data), data),
    "window": lambda data: (WindowStorage(MemoryStorage(b"##" + data + b"###"), 2, 2 + len(data)), data),
    "ctr": lambda data: _ctr(data, 0x4000),
    "ctr-unaligned": lambda data: _ctr(data, 0x4007),
    "ctr-opaque": lambda data: _ctr(data, 0x123450, opaque=True),
    "ctr-plain-until": lambda data: _ctr(data, 0x4000, plain=21),
    "ctr-plain-until-opaque": lambda data: _ctr(data, 0x4009, plain=21, opaque=True),
    "xts": lambda data: _xts(data, 0x200),
    "xts-small-sectors": lambda data: _xts(data, 0x30),
    "concat": lambda data: (ConcatStorage(_parts(data)), data),
    "composed": lambda data: _composed(data, called=False, opaque=False),
    "composed-opaque": lambda data: _composed(data, called=False, opaque=True),
    "composed-called": lambda data: _composed(data, called=True, opaque=False),
    "composed-called-opaque": lambda data: _composed(data, called=True, opaque=True),
    "sha256": lambda data: _sha256(data, check=True, opaque=False),
    "sha256-opaque": lambda data: _sha256(data, check=True, opaque=True),
    "sha256-unchecked": lambda data: _sha256(data, check=False, opaque=True),
    "ivfc": lambda data: _ivfc(data, check=True, opaque=False),
    "ivfc-opaque": lambda data: _ivfc(data, check=True, opaque=True),
    "ivfc-unchecked": lambda data: _ivfc(data, check=False, opaque=False),
    "stack": _stack,
}

EVERY = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())
DATA = st.binary(max_size=300)
BOUND = st.none() | st.integers(-330, 330)
STEP = st.none() | st.integers(-20, 20).filter(bool)


@EVERY
@given(data=DATA, index=st.integers(-310, 310))
def test_index(make: Callable[[bytes], Made], data: bytes, index: int) -> None:
    storage, data = make(data)
    if -len(data) <= index < len(data):
        assert storage[index] == data[index]
    else:
        with pytest.raises(IndexError):
            storage[index]


@EVERY
@given(data=DATA, cuts=st.lists(st.tuples(BOUND, BOUND, STEP), min_size=1, max_size=5))
def test_slice(make: Callable[[bytes], Made], data: bytes, cuts: list[tuple[int | None, int | None, int | None]]) -> None:
    storage, data = make(data)
    for start, stop, step in cuts:
        part = storage[start:stop:step]
        assert part.tobytes() == data[start:stop:step]
        assert (part.readonly, part.format, part.ndim) == (True, "B", 1)


@EVERY
@given(data=DATA, start=st.integers(0, 330), length=st.integers(0, 330), slack=st.integers(0, 9))
def test_readinto_at(make: Callable[[bytes], Made], data: bytes, start: int, length: int, slack: int) -> None:
    storage, data = make(data)
    room = bytearray(b"\xa5" * (slack + length + slack))
    with memoryview(room)[slack : slack + length] as target:
        count = storage.readinto_at(start, target)
    wanted = data[start : start + length]
    assert count == len(wanted)
    assert room == b"\xa5" * slack + wanted + b"\xa5" * (length - count + slack)  # Nothing outside is touched.
    with pytest.raises(ValueError, match="negative offset"):
        storage.readinto_at(-1 - start, bytearray(1))


@EVERY
@given(data=DATA, outer=st.tuples(st.integers(0, 310), st.integers(0, 320)), inner=st.tuples(st.integers(0, 310), st.integers(0, 320)))
def test_window_of_window(make: Callable[[bytes], Made], data: bytes, outer: tuple[int, int], inner: tuple[int, int]) -> None:
    storage, data = make(data)
    expected, begin, window = data, 0, storage.window(0, len(data))
    for start, stop in (outer, inner):
        if start > len(expected):
            with pytest.raises(CorruptError):
                window.window(start, stop)
            return
        window, expected, begin = window.window(start, stop), expected[start:stop], begin + start
        assert (window.size, len(window)) == (len(expected), len(expected))
        assert window[:].tobytes() == expected
        assert window[1:-1].tobytes() == expected[1:-1]
        for offset in range(0, len(expected), 50):
            assert window.place(offset) == storage.place(begin + offset)


@EVERY
@given(data=DATA, size=st.integers(1, 330))
def test_chunks(make: Callable[[bytes], Made], data: bytes, size: int) -> None:
    storage, data = make(data)
    assert [bytes(chunk) for chunk in storage.chunks(size)] == [data[i : i + size] for i in range(0, len(data), size)]


@EVERY
@given(data=DATA)
def test_whole(make: Callable[[bytes], Made], data: bytes) -> None:
    storage, data = make(data)
    assert (len(storage), storage.size) == (len(data), len(data))
    assert storage.tobytes() == bytes(storage) == data
    assert list(storage) == list(data)
    assert isinstance(storage, Storage)
    assert all(isinstance(source, Storage) for source in storage.sources)
    assert storage.array("u1").tobytes() == data


@EVERY
@given(data=DATA, position=st.integers(0, 299))
def test_equality(make: Callable[[bytes], Made], data: bytes, position: int) -> None:
    storage, data = make(data)
    assert storage == data
    assert data == storage
    assert storage == make(data)[0]
    assert storage == MemoryStorage(data)
    assert storage != data + b"\0"
    assert storage != "text"
    assert hash(storage) == hash(storage)
    if position < len(data):
        changed = data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]
        assert storage != changed
        assert storage != MemoryStorage(changed)


@EVERY
@given(data=DATA, moves=st.lists(st.tuples(st.integers(0, 310), st.integers(-1, 100)), max_size=5))
def test_stream(make: Callable[[bytes], Made], data: bytes, moves: list[tuple[int, int]]) -> None:
    storage, data = make(data)
    stream, model = StorageFile(storage), io.BytesIO(data)
    for position, count in moves:
        assert stream.seek(position) == model.seek(position)
        assert stream.read(count) == model.read(count)
        assert stream.tell() == model.tell()
    assert bytes(stream.mmap()) == data


@EVERY
def test_place_names_an_outermost_storage(make: Callable[[bytes], Made]) -> None:
    storage, data = make(bytes(range(256)))
    for offset in (0, 1, 100, len(data) - 1, len(data)):
        place = storage.place(offset)
        assert not place.storage.sources
        assert 0 <= place.offset <= place.storage.size
        if place.stored == "plain" and offset < len(data):
            assert place.storage[place.offset] == data[offset]


@EVERY
def test_threads(make: Callable[[bytes], Made]) -> None:
    storage, data = make(random.Random(1).randbytes(40_000))
    failures: list[object] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        target = bytearray(3000)
        try:
            for _ in range(40):
                start, length = chance.randrange(len(data)), chance.randrange(3000)
                if storage[start : start + length] != data[start : start + length]:
                    failures.append(start)
                count = storage.readinto_at(start, target)
                if target[:count] != data[start : start + count]:
                    failures.append(start)
        except Exception as error:  # noqa: BLE001  # Whatever it is, the test must show it.
            failures.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
