from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.file import File
from oboromi_fs.protocols import Place
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.ctr import AesCtrStorage

if TYPE_CHECKING:
    from pathlib import Path


@given(parts=st.lists(st.binary(max_size=6), max_size=8), start=st.integers(0, 50), length=st.integers(0, 50))
def test_equals_the_parts_joined(parts: list[bytes], start: int, length: int) -> None:
    whole = b"".join(parts)
    storage = ConcatStorage([MemoryStorage(part) for part in parts])
    assert storage[start : start + length] == whole[start : start + length]
    target = bytearray(length)
    assert target[: storage.readinto_at(start, target)] == whole[start : start + length]


def test_inside_one_part_nothing_is_copied() -> None:
    first, second = bytes(range(10)), bytes(range(10, 20))
    storage = ConcatStorage([MemoryStorage(first), MemoryStorage(b""), MemoryStorage(second)])
    assert storage[2:10].obj is first
    assert storage[10:20].obj is second
    assert storage[9:11] == bytes((9, 10))
    assert storage.window(12, 15)[:].obj is second


def test_one_encrypted_part() -> None:
    parts = [MemoryStorage(b"abc"), AesCtrStorage(MemoryStorage(bytes(40)), bytes(16), bytes(8), 0)]
    storage = ConcatStorage(parts)
    assert storage[:] == b"abc" + parts[1].tobytes()
    assert storage[5:9] == parts[1][2:6]


def test_window_is_one_of_the_part_where_it_can_be() -> None:
    parts = [MemoryStorage(bytes(10)), MemoryStorage(b""), MemoryStorage(bytes(range(10)))]
    storage = ConcatStorage(parts)
    inner = storage.window(12, 15)
    assert isinstance(inner, WindowStorage)
    assert (inner.parent, inner.start, inner.size) == (parts[2], 2, 3)
    last = storage.window(15, 99)
    assert isinstance(last, WindowStorage)
    assert (last.parent, last.start, last.size) == (parts[2], 5, 5)
    across = storage.window(9, 11)
    assert isinstance(across, WindowStorage)
    assert across.parent is storage
    assert across[:] == bytes(2)
    for start, stop in ((5, 5), (20, 25), (7, 3)):
        assert storage.window(start, stop).size == 0
    for start in (-1, 21):
        with pytest.raises(CorruptError, match="outside 0x14 bytes"):
            storage.window(start, 30)


def test_place() -> None:
    parts = [MemoryStorage(bytes(4)), MemoryStorage(b""), MemoryStorage(bytes(6))]
    storage = ConcatStorage(parts)
    assert storage.place() == Place(parts[0], 0, "plain")
    assert storage.place(3) == Place(parts[0], 3, "plain")
    assert storage.place(4) == Place(parts[2], 0, "plain")
    assert storage.place(9) == Place(parts[2], 5, "plain")
    assert storage.place(10) == Place(parts[2], 6, "plain")  # The end, which an error message may name.
    empty = ConcatStorage([])
    assert empty.place(0) == Place(empty, 0, "plain")


def test_no_parts_and_empty_parts() -> None:
    for parts in ([], [MemoryStorage(b"")], [MemoryStorage(b""), MemoryStorage(b"")]):
        storage = ConcatStorage(parts)
        assert (len(storage), storage.tobytes(), list(storage), storage.kind) == (0, b"", [], "Concat")
        assert storage.readinto_at(0, bytearray(4)) == 0
        assert storage.sources == tuple(parts)


def test_thousands_of_parts() -> None:
    chance = random.Random(1)
    pieces = [chance.randbytes(chance.randrange(5)) for _ in range(5000)]
    whole = b"".join(pieces)
    storage = ConcatStorage([MemoryStorage(piece) for piece in pieces])
    assert storage[:] == whole
    assert [storage[i] for i in range(0, len(whole), 97)] == list(whole[::97])


def test_split_file(tmp_path: Path) -> None:
    data = random.Random(2).randbytes(3000)
    files = []
    for number in range(3):
        path = tmp_path / f"{number:02}"
        path.write_bytes(data[number * 1000 : (number + 1) * 1000])
        files.append(File.open(path, access="pread" if number == 1 else "mmap"))
    storage = ConcatStorage(files)
    assert storage == data
    assert storage[900:2100] == data[900:2100]
    assert storage.place(1500) == Place(files[1], 500, "plain")
    for file in files:
        file.close()


def test_a_part_that_breaks_its_promise() -> None:
    class Short(StorageBase):
        kind = "Short"

        def __init__(self) -> None:
            self._size = 4

        def _readinto(self, offset: int, target: memoryview) -> None:
            raise NotImplementedError

        def readinto_at(self, offset: int, buffer: object, /) -> int:
            del offset, buffer
            return 1

    with pytest.raises(CorruptError, match="Short at 0x1: 4 bytes are needed, 1 could be read"):
        ConcatStorage([MemoryStorage(b"ab"), Short()]).tobytes()
