from __future__ import annotations

import pytest

from oboromi_fs import (
    DirEntry,
    EntryNotFoundError,
    IsADirectoryEntryError,
    MemoryFs,
    MemoryStorage,
    NotADirectoryEntryError,
    UnsafePathError,
)
from oboromi_fs.storage.deferred import DeferredStorage


def test_parents_come_by_themselves() -> None:
    fs = MemoryFs({"/a/b//c.bin": b"c", "a/d": bytearray(b"d")}, dirs=["x/y", "a/b"])
    assert fs.read_dir() == [DirEntry("a", "directory", 0), DirEntry("x", "directory", 0)]
    assert fs.read_dir("a") == [DirEntry("b", "directory", 0), DirEntry("d", "file", 1)]
    assert [path for path, _ in fs.walk()] == ["a", "a/b", "a/b/c.bin", "a/d", "x", "x/y"]
    assert fs.read_bytes("a/b/c.bin") == b"c"


def test_storages_are_taken_as_they_are() -> None:
    storage = MemoryStorage(b"abc")
    fs = MemoryFs({"x": storage})
    assert fs.storage("x") is storage


@pytest.mark.parametrize(
    ("files", "dirs"),
    [
        ({"": b""}, []),
        ({"/": b""}, []),
        ({"a/..": b""}, []),
        ({"a": b"", "a/b": b""}, []),
        ({"a/b": b"", "a": b""}, []),
        ({"a": b"", "./a": b""}, []),
        ({"a": b""}, ["a"]),
        ({"a": b""}, ["a/b"]),
        ({"a\0": b""}, []),
    ],
)
def test_what_cannot_be_a_tree(files: dict[str, bytes], dirs: list[str]) -> None:
    with pytest.raises(UnsafePathError):
        MemoryFs(files, dirs)


def test_lookups_that_fail() -> None:
    fs = MemoryFs({"a/b": b""})
    for path, error in (("c", EntryNotFoundError), ("a/c/d", EntryNotFoundError), ("a/b/c", NotADirectoryEntryError)):
        for use in (fs.metadata, fs.read_dir, fs.storage, fs.open):
            with pytest.raises(error):
                use(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("a/b")
    with pytest.raises(IsADirectoryEntryError):
        fs.storage("a")


def test_a_deferred_file_is_not_made_until_it_is_read() -> None:
    made: list[str] = []

    def make() -> MemoryStorage:
        made.append("now")
        return MemoryStorage(b"abc")

    fs = MemoryFs({"x": DeferredStorage(3, make)})
    assert (fs.metadata("x").size, fs.read_dir(), fs.storage("x").size) == (3, [DirEntry("x", "file", 3)], 3)
    assert made == []
    assert fs.read_bytes("x") == b"abc"
    assert made == ["now"]
