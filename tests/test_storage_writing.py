from __future__ import annotations

import errno
import io
import os
import random
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import CorruptError, IsADirectoryEntryError, MappingError
from oboromi_fs.file import File
from oboromi_fs.storage.composed import BULK, ComposedStorage
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.pieces import CalledPieces
from oboromi_fs.storage.writing import BUFFER, write_storage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oboromi_fs.protocols import Storage


class Target(io.RawIOBase):
    """A stream that takes at most ``most`` bytes at a time, and remembers how large the writes were."""

    def __init__(self, most: int = 1 << 60) -> None:
        super().__init__()
        self.most = most
        self.data = bytearray()
        self.writes: list[int] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data)[: self.most]
        self.data += view
        self.writes.append(len(view))
        return len(view)

    @property
    def stream(self) -> BinaryIO:
        return cast("BinaryIO", self)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[tuple[ComposedStorage, bytes]]:
    """Small pieces, a large host file, a window of another one, a large piece in memory, a wide gap, a nested image."""
    chance = random.Random(1)
    big, other = chance.randbytes(3 * BULK + 5), chance.randbytes(2 * BULK + 77)
    (tmp_path / "big.bin").write_bytes(big)
    (tmp_path / "other.bin").write_bytes(b"#" * 9 + other + b"#")
    file, second = File.open(tmp_path / "big.bin"), File.open(tmp_path / "other.bin")
    contents: list[tuple[int, Storage]] = [(3, MemoryStorage(b"small")), (20, MemoryStorage(b"")), (25, MemoryStorage(b"another"))]
    contents += [(1000, file), (5 * BULK, second.window(9, 9 + len(other)))]
    contents += [(8 * BULK, MemoryStorage(chance.randbytes(2 * BULK))), (8 * BULK + 3 * BUFFER, MemoryStorage(b"far"))]
    nested = ComposedStorage([(7, MemoryStorage(b"inner")), (100, file)], 5 * BULK)
    contents.append((30 * BULK, nested))
    size = 36 * BULK + 1
    whole = bytearray(size)
    for start, storage in contents:
        whole[start : start + storage.size] = storage[:]
    yield ComposedStorage(contents, size), bytes(whole)
    file.close()
    second.close()


def test_to_a_path(tmp_path: Path, image: tuple[ComposedStorage, bytes]) -> None:
    storage, whole = image
    for target in (tmp_path / "a", str(tmp_path / "b"), os.fsencode(tmp_path / "c")):
        assert write_storage(storage, target) == len(whole)
        with open(target, "rb") as file:
            assert file.read() == whole
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "big.bin", "c", "other.bin"]


def test_to_a_descriptor_from_where_it_stands(tmp_path: Path, image: tuple[ComposedStorage, bytes]) -> None:
    storage, whole = image
    descriptor = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"before")
    write_storage(storage, descriptor)
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert (tmp_path / "out").read_bytes() == b"before" + whole + b"after"


@pytest.mark.parametrize("most", [1 << 60, 1000])
def test_to_a_stream(image: tuple[ComposedStorage, bytes], most: int) -> None:
    storage, whole = image
    target = Target(most)
    write_storage(storage, target.stream)
    assert target.data == whole


def test_small_pieces_are_written_together() -> None:
    data = random.Random(2).randbytes(40)
    pieces = CalledPieces(range(0, 50 * 100_000, 50), [40] * 100_000, lambda _: MemoryStorage(data))
    target = Target()
    write_storage(ComposedStorage(pieces), target.stream)
    assert target.data == (data + bytes(10)) * 99_999 + data
    assert len(target.writes) == -(-len(target.data) // BUFFER)


def test_other_storages(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(BUFFER + 12345)
    (tmp_path / "file").write_bytes(data)
    with File.open(tmp_path / "file") as mapped, File.open(tmp_path / "file", access="pread") as by_position:
        parts = ConcatStorage([MemoryStorage(data[:1000]), MemoryStorage(data[1000:])])
        for storage in (MemoryStorage(data), parts, mapped, by_position, MemoryStorage(b"")):
            assert write_storage(storage, tmp_path / "out") == storage.size
            assert (tmp_path / "out").read_bytes() == data[: storage.size]


@pytest.mark.parametrize("refused", [(), ("copy_file_range",), ("copy_file_range", "sendfile")])
@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EINVAL])
def test_what_the_kernel_will_not_copy_is_read_and_written(
    tmp_path: Path, image: tuple[ComposedStorage, bytes], monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...], number: int
) -> None:
    calls = dict.fromkeys(refused, 0)

    def refuse(name: str) -> Any:
        def call(*_: Any) -> int:
            calls[name] += 1
            raise OSError(number, "not here")

        return call

    for name in refused:
        monkeypatch.setattr(os, name, refuse(name), raising=False)
    storage, whole = image
    write_storage(storage, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == whole
    assert calls == dict.fromkeys(refused, 1)  # What it cannot do it is not asked again.


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the host has no such call")
def test_large_host_files_are_copied_by_the_kernel(
    tmp_path: Path, image: tuple[ComposedStorage, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = 0
    real = os.copy_file_range

    def copy(*arguments: Any) -> int:
        nonlocal copied
        count = real(*arguments)
        copied += count
        return count

    monkeypatch.setattr(os, "copy_file_range", copy)
    write_storage(image[0], tmp_path / "out")
    assert copied == 2 * (3 * BULK + 5) + 2 * BULK + 77


def test_progress(image: tuple[ComposedStorage, bytes]) -> None:
    storage, whole = image
    told: list[tuple[int, int, int, int]] = []
    write_storage(storage, Target().stream, lambda *numbers: told.append(numbers))
    assert told == sorted(told)
    assert {(total, pieces) for _, total, _, pieces in told} == {(len(whole), 7)}
    assert told[-1] == (len(whole), len(whole), 7, 7)
    assert len({count for _, _, count, _ in told}) > 4


def test_a_stream_that_takes_nothing(image: tuple[ComposedStorage, bytes]) -> None:
    class Full(Target):
        def write(self, data: Any, /) -> Any:
            del data

    with pytest.raises(BlockingIOError):
        write_storage(image[0], Full().stream)


# Failures


class Bad(StorageBase):
    kind = "Bad"

    def __init__(self, size: int) -> None:
        self._size = size

    def _readinto(self, offset: int, target: memoryview) -> None:
        del target
        raise CorruptError("broken", what="Bad", offset=offset)


@pytest.mark.parametrize("size", [100, 3 * BULK])
def test_a_failure_leaves_nothing_and_an_older_file_as_it_was(tmp_path: Path, size: int) -> None:
    pieces = CalledPieces([0, 10], [5, size], [MemoryStorage(b"sound"), Bad(size)].__getitem__, "data/{}".format)
    with pytest.raises(CorruptError, match=r"broken \(while reading 'data/1'\)"):
        write_storage(ComposedStorage(pieces), tmp_path / "new")
    assert os.listdir(tmp_path) == []
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(CorruptError, match="broken"):
        write_storage(ComposedStorage(pieces), tmp_path / "old")
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_no_room_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_storage(MemoryStorage(b"data"), tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_a_target_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryEntryError):
        write_storage(MemoryStorage(b"data"), tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        write_storage(MemoryStorage(b"data"), tmp_path / "nowhere" / "out")
    assert caught.value.filename == str(tmp_path / "nowhere" / "out")
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{tmp_path}/nowhere/out'"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_storage(MemoryStorage(b"new"), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_storage(MemoryStorage(b"through"), tmp_path / "pipe")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the host has no such call")
@pytest.mark.parametrize("change", ["shrink", "grow", "rewrite"])
@pytest.mark.parametrize("kernel", [True, False])
def test_a_large_file_that_changes_while_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, *, kernel: bool
) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(3 * BULK))
    os.utime(path, ns=(0, 0))
    real = os.copy_file_range
    calls = 0

    def copy(source: int, target: int, count: int, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            if change == "shrink":
                os.truncate(path, BULK + 1)
            else:
                with path.open("r+b") as file:
                    file.seek(0, os.SEEK_END if change == "grow" else os.SEEK_SET)
                    file.write(b"new")
        return real(source, target, min(count, BULK), at) if kernel else os.write(target, os.pread(source, min(count, BULK), at))

    monkeypatch.setattr(os, "copy_file_range", copy)
    storage = ComposedStorage(CalledPieces([0], [3 * BULK], lambda _: File.open(path), "inner/{}".format))
    with pytest.raises(MappingError, match=r"big\.bin: .*while it was read.*\(while reading 'inner/0'\)"):
        write_storage(storage, tmp_path / "out")
    assert os.listdir(tmp_path) == ["big.bin"]


def test_a_file_that_changed_before(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(3 * BULK))
    with File.open(path) as file:
        path.write_bytes(bytes(3 * BULK + 1))
        with pytest.raises(MappingError, match="changed while it was read"):
            write_storage(ComposedStorage([(0, file)]), tmp_path / "out")
