from __future__ import annotations

import array
import gzip
import io
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from oboromi_fs import (
    ClosedError,
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    File,
    FileSystem,
    FileSystemBase,
    IsADirectoryEntryError,
    MemoryFs,
    MemoryStorage,
    Metadata,
    NotADirectoryEntryError,
    Place,
    Storage,
    StorageBase,
    StorageFile,
    UnsafePathError,
    VFile,
    WindowStorage,
)
from oboromi_fs.base import extents_of, walk

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.protocols import PathType

DATA = bytes(range(200))


class Computed(StorageBase):
    """Bytes that are made when they are read: no views."""

    kind = "Computed"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = len(data)
        self.calls: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.calls.append((offset, len(target)))
        target[:] = self._data[offset : offset + len(target)]


class Failing(StorageBase):
    """A storage whose second half is damaged."""

    _size = 100

    def _readinto(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > 50:
            raise CorruptError("damaged")
        target[:] = bytes(len(target))


# Storages


def test_protocols_are_met() -> None:
    assert isinstance(MemoryStorage(b""), Storage)
    assert isinstance(Computed(b""), Storage)
    assert isinstance(StorageFile(MemoryStorage(b"")), VFile)
    assert isinstance(MemoryFs(), FileSystem)
    assert not isinstance(b"", Storage)
    assert not isinstance(io.BytesIO(), VFile)


def test_a_slice_reads_what_it_covers_and_no_more() -> None:
    storage = Computed(DATA)
    assert storage[10:20] == DATA[10:20]
    assert storage[199] == 199
    assert storage[100:50:-7] == DATA[100:50:-7]
    assert storage[7:7] == storage[300:] == storage[20:10] == memoryview(b"")
    assert storage.calls == [(10, 10), (199, 1), (51, 50)]


def test_slices_of_computed_bytes_are_read_only() -> None:
    assert Computed(DATA)[:].readonly
    assert Computed(DATA)[::3].readonly


@pytest.mark.parametrize("key", ["0", 1.0, None, (0, 1)])
def test_what_is_no_index(key: Any) -> None:
    with pytest.raises(TypeError):
        MemoryStorage(DATA)[key]


def test_an_index_may_be_any_integer() -> None:
    assert MemoryStorage(DATA)[np.uint8(7)] == 7  # type: ignore[call-overload]  # Has __index__.


def test_memory_storage_keeps_the_buffer() -> None:
    buffer = array.array("H", [1, 2, 3])
    storage = MemoryStorage(buffer, "numbers")
    assert (storage.size, storage.name, storage.kind) == (6, "numbers", "Memory")
    assert np.shares_memory(storage.array("<u2"), np.frombuffer(buffer, "u2"))
    assert storage.place(3) == Place(storage, 3, "plain")
    with pytest.raises(TypeError):
        MemoryStorage(memoryview(DATA)[::2])


def test_windows_on_windows_are_one_window() -> None:
    storage = Computed(DATA)
    inner = storage.window(10, 100).window(5, 1000).window(1, 20)
    assert isinstance(inner, WindowStorage)
    assert (inner.parent, inner.start, inner.size) == (storage, 16, 19)
    assert inner[:] == DATA[16:35]
    assert inner.sources == (storage,)
    assert inner.place(4) == Place(storage, 20, "plain")
    buffer = bytearray(30)
    assert inner.readinto_at(10, buffer) == 9
    assert buffer == DATA[26:35] + bytes(21)


def test_windows_stay_inside() -> None:
    storage = MemoryStorage(DATA)
    assert [storage.window(*span).size for span in ((0, 200), (0, 999), (200, 200), (50, 40), (200, 300))] == [200, 200, 0, 0, 0]
    for start in (-1, 201):
        with pytest.raises(CorruptError, match=f"window starts at {start:#x}, outside 0xc8 bytes"):
            storage.window(start, 300)
    assert storage.window(10, 20).window(0, 999)[:] == DATA[10:20]


def test_comparison_of_storages() -> None:
    assert MemoryStorage(DATA) == Computed(DATA) == DATA
    assert MemoryStorage(DATA).window(1, 5) == MemoryStorage(DATA[1:5])
    assert MemoryStorage(DATA) != DATA[:-1]
    assert MemoryStorage(b"") == b""
    assert MemoryStorage(b"5") != "5"
    same = MemoryStorage(DATA)
    assert len({same, same, MemoryStorage(DATA)}) == 2


# Streams


def stream_of(data: bytes = DATA) -> StorageFile:
    return StorageFile(Computed(data), "a.bin")


def test_a_stream_is_a_raw_io_stream() -> None:
    stream = stream_of()
    assert isinstance(stream, io.RawIOBase)
    assert (stream.name, stream.mode, stream.size, len(stream)) == ("a.bin", "rb", 200, 200)
    assert (stream.readable(), stream.seekable(), stream.writable(), stream.isatty()) == (True, True, False, False)
    assert repr(stream) == "<StorageFile 'a.bin' of 0xc8 bytes>"
    with pytest.raises(io.UnsupportedOperation):
        stream.write(b"x")
    with pytest.raises(io.UnsupportedOperation):
        stream.truncate()


def test_reading_and_seeking() -> None:
    stream = stream_of()
    assert (stream.read(3), stream.read(0), stream.tell()) == (DATA[:3], b"", 3)
    assert (stream.seek(-2, 2), stream.read(9), stream.read(9), stream.tell()) == (198, DATA[198:], b"", 200)
    assert (stream.seek(0), stream.seek(5, 1), stream.read(None), stream.readall()) == (0, 5, DATA[5:], b"")
    assert (stream.seek(999), stream.read(), stream.readinto(bytearray(4)), stream.tell()) == (999, b"", 0, 999)
    stream.seek(0)
    assert (stream.readline(3), list(stream_of(b"a\nb\nc"))) == (DATA[:3], [b"a\n", b"b\n", b"c"])


@pytest.mark.parametrize(("arguments", "error"), [((-1,), ValueError), ((-201, 2), ValueError), ((0, 3), ValueError), ((1.5,), TypeError)])
def test_seeking_where_nothing_can_be(arguments: Any, error: type[Exception]) -> None:
    stream = stream_of()
    stream.seek(7)
    with pytest.raises(error):
        stream.seek(*arguments)
    assert stream.tell() == 7


def test_reads_that_fail_do_not_move_the_cursor() -> None:
    stream = StorageFile(Failing())
    stream.seek(40)
    for read in (stream.read, stream.readall, lambda: stream.readinto(bytearray(60))):
        with pytest.raises(CorruptError):
            read()
        assert stream.tell() == 40
    assert stream.read(10) == bytes(10)


def test_standard_readers_work_on_it() -> None:
    assert io.BufferedReader(stream_of(), 16).read() == DATA
    assert io.TextIOWrapper(stream_of("ä\nb".encode()), encoding="utf-8").read() == "ä\nb"
    assert struct.unpack("<HH", stream_of().read(4)) == (0x100, 0x302)
    assert gzip.GzipFile(fileobj=stream_of(gzip.compress(DATA))).read() == DATA
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as writer:
        writer.writestr("inner.txt", "inner")
    with zipfile.ZipFile(stream_of(packed.getvalue())) as reader:
        assert reader.read("inner.txt") == b"inner"
    words = np.zeros(2, "<u4")
    assert stream_of().readinto(words.data) == 8
    assert words.tolist() == [0x03020100, 0x07060504]


def test_a_stream_of_an_empty_file_is_true() -> None:
    assert stream_of(b"")
    assert len(stream_of(b"")) == 0


def test_a_view_may_be_released() -> None:
    stream = stream_of()
    for _ in range(2):
        with stream.mmap() as view:
            assert view == DATA


def test_a_view_is_read_once() -> None:
    storage = Computed(DATA)
    stream = StorageFile(storage)
    assert (bytes(stream.mmap()), bytes(stream.mmap())) == (DATA, DATA)
    assert storage.calls == [(0, 200)]
    assert stream.tell() == 0


def test_a_closed_stream() -> None:
    stream = stream_of()
    view = stream.mmap()
    with stream:
        pass
    stream.close()
    assert (stream.closed, stream.size, repr(stream)) == (True, 200, "<StorageFile 'a.bin' of 0xc8 bytes>")
    assert view == DATA
    for use in (
        stream.read,
        stream.readall,
        stream.tell,
        stream.mmap,
        stream.readable,
        stream.seekable,
        stream.fileno,
        lambda: stream.seek(0),
        lambda: stream.readinto(bytearray(1)),
    ):
        with pytest.raises(ClosedError, match=r"closed file 'a\.bin'"):
            use()


def test_a_closed_stream_lets_go_of_its_file(tmp_path: Path) -> None:
    import os

    (tmp_path / "a").write_bytes(DATA)
    stream = StorageFile(File.open(tmp_path / "a"))
    number = stream.fileno()
    os.fstat(number)
    stream.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_only_whole_host_files_have_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    with File.open(tmp_path / "a") as file:
        assert StorageFile(file).fileno() == file.fileno()
        with pytest.raises(io.UnsupportedOperation):
            StorageFile(file.window(0, 10)).fileno()


# File systems


FILES = {"a.txt": b"a", "sub/b.bin": b"bb", "sub/deep/c.bin": b"", "sub.txt": b"d"}


def test_questions_every_file_system_answers() -> None:
    with MemoryFs(FILES, dirs=["empty"]) as fs:
        assert [fs.exists(path) for path in ("", "sub", "/a.txt", "sub/no", "a.txt/no", "no/no")] == [True, True, True, False, False, False]
        assert [fs.is_dir(path) for path in ("", "sub", "a.txt", "no")] == [True, True, False, False]
        assert [fs.is_file(path) for path in ("", "sub", "a.txt", "no")] == [False, False, True, False]
        assert fs.read_bytes("sub/b.bin") == b"bb"
        assert list(fs.find("*.bin")) == ["sub/b.bin", "sub/deep/c.bin"]
        assert list(fs.find("deep/*", "*.txt", path="sub")) == ["deep/c.bin"]
        with pytest.raises(UnsafePathError):
            fs.exists("\0")


def test_walk_gives_parents_first_and_relative_paths() -> None:
    fs = MemoryFs(FILES, dirs=["empty"])
    assert list(fs.walk()) == [
        ("a.txt", DirEntry("a.txt", "file", 1)),
        ("sub", DirEntry("sub", "directory", 0)),
        ("sub/b.bin", DirEntry("b.bin", "file", 2)),
        ("sub/deep", DirEntry("deep", "directory", 0)),
        ("sub/deep/c.bin", DirEntry("c.bin", "file", 0)),
        ("sub.txt", DirEntry("sub.txt", "file", 1)),
        ("empty", DirEntry("empty", "directory", 0)),
    ]
    assert [path for path, _ in fs.walk("/sub/")] == ["b.bin", "deep", "deep/c.bin"]
    for path, error in (("a.txt", NotADirectoryEntryError), ("no", EntryNotFoundError)):
        with pytest.raises(error):
            list(fs.walk(path))
        with pytest.raises(error):
            list(fs.extents(path))


def test_extents_share_the_storage_below() -> None:
    backing = Computed(DATA)
    fs = MemoryFs({"a": backing.window(10, 20), "b/c": backing.window(20, 20), "d": backing})
    for extents in (fs.extents(), extents_of(fs)):
        assert [(path, storage, offset, size) for path, storage, offset, size in extents] == [
            ("a", backing, 10, 10),
            ("b/c", backing, 20, 0),
            ("d", backing, 0, 200),
        ]


class Strange(FileSystemBase):
    """A file system that lists directories no path can spell; each would lead back to the root."""

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            raise EntryNotFoundError(path)
        return [DirEntry(name, "directory", 0) for name in ("", ".", "..", "../..", "/", "a\0")] + [DirEntry("x", "file", 0)]

    def _metadata(self, path: str) -> Metadata:
        raise EntryNotFoundError(path)

    def _storage(self, path: str) -> Storage:
        raise EntryNotFoundError(path)


def test_walk_does_not_enter_what_no_path_can_spell() -> None:
    assert [path for path, _ in Strange().walk()] == ["", ".", "..", "../..", "/", "a\0", "x"]


def test_walk_of_a_deep_tree_needs_no_stack() -> None:
    fs = MemoryFs({"d/" * 3000 + "f": b"x"})
    assert sum(1 for _ in walk(fs)) == 3001


class Foreign:
    """The protocol alone, by somebody else."""

    def __init__(self, fs: MemoryFs) -> None:
        self.fs = fs

    def open(self, path: PathType, /) -> VFile:
        return self.fs.open(path)

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return self.fs.read_dir(path)

    def metadata(self, path: PathType, /) -> Metadata:
        return self.fs.metadata(path)

    def storage(self, path: PathType, /) -> Storage:
        return self.fs.storage(path)


def test_walk_and_extents_of_any_file_system() -> None:
    foreign = Foreign(MemoryFs(FILES))
    assert isinstance(foreign, FileSystem)
    assert [path for path, _ in walk(foreign, "sub")] == ["b.bin", "deep", "deep/c.bin"]
    assert [(extent.path, bytes(extent.storage[:])) for extent in extents_of(foreign)] == [
        ("a.txt", b"a"),
        ("sub/b.bin", b"bb"),
        ("sub/deep/c.bin", b""),
        ("sub.txt", b"d"),
    ]


def test_opening_what_is_no_file() -> None:
    fs = MemoryFs(FILES)
    with pytest.raises(IsADirectoryEntryError):
        fs.open("sub")
    with pytest.raises(EntryNotFoundError):
        fs.open("no")
    with pytest.raises(NotADirectoryEntryError):
        fs.open("a.txt/no")


def test_close_closes_what_was_opened_for_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    file = File.open(tmp_path / "a")

    class Owner(Strange):
        pass

    with Owner(owned=[file]) as fs:
        assert not file.closed
    assert file.closed
    fs.close()


def test_find_extent() -> None:
    fs = MemoryFs({"data/a.bin": b"abc"})
    extent = fs.find_extent("/data//a.bin")
    assert extent is not None
    assert (extent.path, extent.storage[extent.offset : extent.offset + extent.size].tobytes()) == ("data/a.bin", b"abc")
    assert [fs.find_extent(path) for path in ("data", "data/b.bin", "data/a.bin/c", "")] == [None, None, None, None]
