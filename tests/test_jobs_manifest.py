from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.jobs import manifest as module
from oboromi_fs.jobs.manifest import Entry, manifest
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage


class Computed(StorageBase):
    """Bytes that are nowhere in memory; counts how it is read."""

    kind = "Computed"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)
        self.reads: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    def _readinto(self, offset: int, target: memoryview) -> None:
        with self.lock:
            self.reads.append((offset, len(target)))
        target[:] = self.data[offset : offset + len(target)]


def expected(files: list[Extent]) -> dict[str, Entry]:
    found = {}
    for path, storage, offset, size in files:
        found[path] = Entry(size, hashlib.sha256(storage[offset : offset + size]).hexdigest())
    return found


DATA = bytes(range(256)) * 256


@given(
    spans=st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 5_000)), max_size=30),
    sizes=st.tuples(st.sampled_from([64, 1000, 1 << 20]), st.sampled_from([0, 100])),
    threads=st.sampled_from([0, 1, 3]),
    plain=st.booleans(),
)
def test_any_files_in_any_order(spans: list[tuple[int, int]], sizes: tuple[int, int], threads: int, plain: bool) -> None:
    storage: Storage = MemoryStorage(DATA) if plain else Computed(DATA)
    windowed = storage.window(100, len(DATA))
    files = [Extent(f"f{number}", windowed if number % 3 else storage, start, size) for number, (start, size) in enumerate(spans)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WINDOW", sizes[0])
        patch.setattr(module, "_GAP", sizes[1])
        patch.setattr(module, "_FEW", 0 if threads else 1 << 30)
        found = manifest(files, workers=threads or None)
    assert found == expected(files)
    assert list(found) == sorted(found)


def test_neighbours_are_read_together() -> None:
    storage = Computed(DATA)
    manifest([Extent(f"{number:03}", storage, number * 256, 200) for number in range(256)])
    assert storage.reads == [(0, 255 * 256 + 200)]


def test_far_apart_files_are_not() -> None:
    storage = Computed(bytes(1 << 20))
    manifest([Extent("a", storage, 0, 10), Extent("b", storage, (1 << 20) - 10, 10)])
    assert storage.reads == [(0, 10), ((1 << 20) - 10, 10)]


def test_a_large_file_is_read_in_pieces_once() -> None:
    data = bytes(range(251)) * 40_000
    storage = Computed(data)
    found = manifest([Extent("large", storage, 5, len(data) - 5)])
    assert found["large"].digest == hashlib.sha256(data[5:]).hexdigest()
    assert sorted(storage.reads) == [(5 + at, min(4 << 20, len(data) - 5 - at)) for at in range(0, len(data) - 5, 4 << 20)]


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int, str]] = []
    storage = Computed(bytes(10 << 20))
    files = [Extent("a", storage, 0, 9 << 20), Extent("b", storage, 9 << 20, 1000)]
    manifest(files, progress=lambda *state: seen.append(state))
    assert seen[-1][:2] == ((9 << 20) + 1000, (9 << 20) + 1000)
    assert [state[0] for state in seen] == sorted(state[0] for state in seen)


@pytest.mark.parametrize("size", [100, 20 << 20])
def test_what_cannot_be_read_is_raised(size: int) -> None:
    class Broken(Computed):
        def _readinto(self, offset: int, target: memoryview) -> None:
            raise CorruptError(f"broken: {len(target)} bytes at {offset}")

    before = threading.active_count()
    with pytest.raises(CorruptError, match="broken"):
        manifest([Extent("a", Broken(bytes(size)), 0, size), Extent("b", Broken(bytes(size)), 0, size)])
    assert threading.active_count() == before


def test_algorithms() -> None:
    with pytest.raises(ValueError, match="sha256, blake3"):
        manifest([], "md5")
    assert manifest([]) == {}
    blake3 = pytest.importorskip("blake3")
    data = bytes(9 << 20)
    found = manifest([Extent("a", MemoryStorage(data), 0, len(data))], "blake3")
    assert found["a"] == (len(data), blake3.blake3(data).hexdigest())
