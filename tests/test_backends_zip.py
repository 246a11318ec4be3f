from __future__ import annotations

import base64
import io
import json
import os
import time
import zipfile
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    MemoryStorage,
    NotADirectoryEntryError,
    NotThisFormatError,
    NspArchive,
    Opener,
    RomFs,
    UnsupportedError,
    open_fs,
)
from oboromi_fs._forge import pfs0, romfs
from oboromi_fs.backends.zip import ZipEntry, ZipFs, directory
from oboromi_fs.protocols import DirEntry, Metadata
from oboromi_fs.storage import streamed
from oboromi_fs.storage.streamed import StreamedStorage
from oboromi_fs.testing import check_filesystem
from tests import forged
from tests.command import oboromi
from tests.zips import BZIP2, DEFLATED, DEVICE, FOLDER, LINK, LZMA, REGULAR, STORED, Raw, archive, deflate, honest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Made by Info-ZIP 3.0 on Linux: a link, a name that is not UTF-8, a directory and a file with names that are, unflagged.
INFO_ZIP = base64.b64decode(
    "UEsDBAoAAAAAACcaeV12kevXCgAAAAoAAAABABwAbFVUCQADOlMGazpTBmt1eAsAAQQAAAAABAAAAABkw6kvw7wudHh0UEsDBAoAAAAAACcaeV0fCOpGAgAAAAIAAAAKAB"
    "wAbGF0aW7pLnR4dFVUCQADOlMGazpTBmt1eAsAAQQAAAAABAAAAAB4ClBLAwQKAAAAAAAnGnldAAAAAAAAAAAAAAAABAAcAGTDqS9VVAkAAzpTBms6UwZrdXgLAAEEAAAA"
    "AAQAAAAAUEsDBAoAAAAAACcaeV0HoerdAgAAAAIAAAAKABwAZMOpL8O8LnR4dFVUCQADOlMGazpTBmt1eAsAAQQAAAAABAAAAABhClBLAQIeAwoAAAAAACcaeV12kevXCg"
    "AAAAoAAAABABgAAAAAAAAAAAD/oQAAAABsVVQFAAM6UwZrdXgLAAEEAAAAAAQAAAAAUEsBAh4DCgAAAAAAJxp5XR8I6kYCAAAAAgAAAAoAGAAAAAAAAQAAAKSBRQAAAGxh"
    "dGlu6S50eHRVVAUAAzpTBmt1eAsAAQQAAAAABAAAAABQSwECHgMKAAAAAAAnGnldAAAAAAAAAAAAAAAABAAYAAAAAAAAABAA7UGLAAAAZMOpL1VUBQADOlMGa3V4CwABBA"
    "AAAAAEAAAAAFBLAQIeAwoAAAAAACcaeV0HoerdAgAAAAIAAAAKABgAAAAAAAEAAACkgckAAABkw6kvw7wudHh0VVQFAAM6UwZrdXgLAAEEAAAAAAQAAAAAUEsFBgAAAAAE"
    "AAQAMQEAAA8BAAAAAA=="
)
DATA = b"of the same level " * 40


def opened(*entries: Raw) -> ZipFs:
    return ZipFs(MemoryStorage(archive(entries), "evil.zip"))


def paths(fs: ZipFs) -> list[str]:
    return [path for path, _ in fs.walk()]


# What is in it


def test_what_zipfile_makes() -> None:
    fs = opened(
        Raw(b"plain.txt", b"hello\n"),
        Raw(b"maps/"),
        Raw(b"maps/one.bsp", DATA, DEFLATED),
        Raw(b"maps/deep/two.bsp", DATA, BZIP2),
        Raw(b"maps/deep/three.bsp", DATA, LZMA),
        Raw(b"maps/empty", b"", DEFLATED),
    )
    assert fs.read_dir() == [DirEntry("plain.txt", "file", 6), DirEntry("maps", "directory", 0)]
    assert fs.read_dir("/maps/") == [DirEntry("one.bsp", "file", 720), DirEntry("deep", "directory", 0), DirEntry("empty", "file", 0)]
    assert fs.metadata("maps/deep") == Metadata("directory", 0)
    assert fs.metadata("maps/one.bsp") == Metadata("file", 720)
    assert (fs.read_bytes("plain.txt"), fs.read_bytes("maps/empty")) == (b"hello\n", b"")
    assert [fs.read_bytes(f"maps/{name}.bsp") for name in ("one", "deep/two", "deep/three")] == [DATA] * 3
    assert fs.open("maps/deep/three.bsp").read(7) == b"of the "
    assert (fs.kind, fs.problems, fs.faults) == ("ZIP", [], [])
    assert [path for path, _ in fs.entries()] == ["plain.txt", "maps/one.bsp", "maps/deep/two.bsp", "maps/deep/three.bsp", "maps/empty"]
    assert fs.entry("plain.txt") == ZipEntry(offset=0, limit=0x2D, compressed_size=6, size=6, crc=0x363A3020, method=0, flags=0)
    check_filesystem(fs, expected=["plain.txt", "maps/one.bsp", "maps/deep/two.bsp"])


def test_paths_that_are_not_there() -> None:
    fs = opened(Raw(b"a/b.txt", b"x"))
    for path in ("c", "a/c", "a/b", "A"):
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)
    for path in ("a/b.txt/c", "a/b.txt/c/d"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("a/b.txt")
    for ask in (fs.storage, fs.open, fs.entry):
        with pytest.raises(IsADirectoryEntryError):
            ask("a")


def test_stored_entries_are_windows_of_the_archive() -> None:
    data = archive([Raw(b"a.bin", b"0123456789"), Raw(b"b.bin", DATA, DEFLATED)], before=b"#!/bin/sh\n")
    raw = MemoryStorage(data)
    fs = ZipFs(raw)
    stored, packed = fs.storage("a.bin"), fs.storage("b.bin")
    at = data.index(b"0123456789")
    assert stored.place(3) == (raw, at + 3, "plain")
    assert stored[2:5].obj is data
    assert packed.place(99) == (raw, data.index(deflate(DATA)), "compressed")
    assert [storage.kind for storage in (stored, packed, *packed.sources)] == ["Window", "Deflate", "Window"]
    assert [(path, offset, size) for path, _, offset, size in fs.extents()] == [("a.bin", at, 10), ("b.bin", 0, 720)]


def test_an_archive_of_info_zip() -> None:
    fs = ZipFs(MemoryStorage(INFO_ZIP, "u.zip"))
    assert paths(fs) == ["latinΘ.txt", "dé", "dé/ü.txt"]
    assert fs.read_bytes("dé/ü.txt") == b"a\n"
    assert fs.problems == ["'l' is a symbolic link; left out"]
    assert fs.faults == []


NAMES = st.text(st.characters(exclude_characters="/\0\\", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.tuples(st.binary(max_size=300), st.integers(1, 9)), max_size=8
).filter(lambda tree: not any(path.startswith(f"{other}/") for path in tree for other in tree))


@given(tree=TREES, methods=st.lists(st.sampled_from([STORED, DEFLATED, BZIP2, LZMA]), min_size=1), comment=st.binary(max_size=40))
def test_what_is_written_is_read(tree: dict[str, tuple[bytes, int]], methods: list[int], comment: bytes) -> None:
    files = {path: data * times for path, (data, times) in tree.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.comment = comment.replace(b"PK\5\6", b"")
        for number, (path, data) in enumerate(files.items()):
            info = zipfile.ZipInfo(path)
            info.compress_type = methods[number % len(methods)]
            made.writestr(info, data)
    fs = ZipFs(MemoryStorage(file.getvalue()))
    assert {path: fs.read_bytes(path) for path, entry in fs.walk() if entry.kind == "file"} == files
    assert {path: b"".join(fs.checked(path)) for path, _ in fs.entries()} == files
    directories = {path.rsplit("/", up)[0] for path in files for up in range(1, path.count("/") + 1)}
    assert {path for path, entry in fs.walk() if entry.kind == "directory"} == directories
    assert fs.problems == []


def test_zip64() -> None:
    file = io.BytesIO()
    with mock.patch.multiple(zipfile, ZIP64_LIMIT=1, ZIP_FILECOUNT_LIMIT=1), zipfile.ZipFile(file, "w") as made:
        for name in ("a", "b"):
            made.writestr(zipfile.ZipInfo(name), name.encode() * 5)
    data = file.getvalue()
    assert b"PK\6\6" in data
    fs = ZipFs(MemoryStorage(data))
    assert (fs.read_bytes("a"), fs.read_bytes("b"), fs.problems) == (b"aaaaa", b"bbbbb", [])


def test_entries_written_without_knowing_their_size() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # Whatever zipfile hands over.
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(zipfile.ZipInfo("a"), b"stored")
        made.writestr("b", DATA)
    fs = ZipFs(MemoryStorage(pipe.data))
    assert fs.entry("a").flags & 8
    assert (fs.read_bytes("a"), fs.read_bytes("b"), fs.problems) == (b"stored", DATA, [])


def test_times_are_not_told_whatever_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    for zone in ("UTC", "Pacific/Kiritimati"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert ZipFs(MemoryStorage(INFO_ZIP)).metadata("dé/ü.txt").mtime_ns is None
    monkeypatch.undo()
    time.tzset()


class Counted(MemoryStorage):
    """Bytes that count how many of them are looked at."""

    touched = 0
    __slots__ = ()

    def _view(self, start: int, stop: int) -> memoryview:
        Counted.touched += stop - start
        return super()._view(start, stop)


def test_opening_reads_the_end_alone() -> None:
    data = archive([Raw(b"%07d" % number, b"x" * 50) for number in range(20_000)])
    Counted.touched = 0
    fs = ZipFs(Counted(data))
    assert Counted.touched < 0x10100 < len(data) // 25
    assert len(fs.read_dir()) == 20_000
    Counted.touched = 0
    assert fs.read_bytes("0012345") == b"x" * 50
    assert Counted.touched < 200


def test_a_host_file_is_closed_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.pk3"
    path.write_bytes(archive([Raw(b"a", b"x")]))
    with ZipFs(path) as fs:
        assert fs.read_bytes("a") == b"x"
        assert repr(fs) == f"<ZipFs {str(path)!r}>"
    with pytest.raises(ValueError, match="closed"):
        fs.read_bytes("a")
    (tmp_path / "b").write_bytes(b"no archive")
    with pytest.raises(NotThisFormatError):
        ZipFs(tmp_path / "b")


def test_what_half_read_files_cost_is_bounded() -> None:
    fs = opened(*[Raw(b"%d" % number, bytes(300_000), DEFLATED) for number in range(20)])
    storages = [fs.storage(str(number)) for number in range(20)]
    assert all(storage[5] == 0 for storage in storages)
    assert len(fs._memory.progress._values) == 16


# Names


@pytest.mark.parametrize(
    ("name", "flags", "system", "expected"),
    [
        (b"a/b", 0, 3, "a/b"),
        ("é".encode(), 0x800, 3, "é"),
        ("é".encode(), 0, 0, "é"),  # Unflagged, and valid UTF-8 all the same.
        (b"caf\x82", 0, 0, "café"),
        (b"\xff\xfe", 0, 3, "\u00a0■"),
        (b"./a//b", 0, 3, "a/b"),
        (b"a/./b", 0, 3, "a/b"),
        (b"a\\b", 0, 0, "a/b"),
        (b"a\\b", 0, 10, "a/b"),
        (b"a\\b", 0, 3, "a\\b"),
        (b"a\\b/c", 0, 0, "a\\b/c"),
        (b"...", 0, 3, "..."),
        (b"a..b", 0, 3, "a..b"),
        (b"C:\\x", 0, 3, "C:\\x"),
        (b" ", 0, 3, " "),
        (b"@program", 0, 3, "@program"),
    ],
)
def test_names(name: bytes, flags: int, system: int, expected: str) -> None:
    fs = opened(Raw(name, b"x", flags=flags, system=system))
    assert [path for path, _ in fs.entries()] == [expected]
    assert fs.read_bytes(expected) == b"x"
    assert fs.problems == []


@pytest.mark.parametrize(
    ("name", "system", "problem"),
    [
        (b"../a", 3, "the name '../a' holds a component that leads out; left out"),
        (b"a/../../b", 3, "the name 'a/../../b' holds a component that leads out; left out"),
        (b"a/..", 3, "the name 'a/..' holds a component that leads out; left out"),
        (b"../", 3, "the name '../' holds a component that leads out; left out"),
        (b"..\\a", 0, "the name '../a' holds a component that leads out; left out"),
        (b"a\0b", 3, "the name 'a\\x00b' holds a NUL; left out"),
        (b"", 3, "an entry has the name '', which is none; left out"),
        (b".", 3, "an entry has the name '.', which is none; left out"),
        (b"a/" * 512 + b"b", 3, f"the name {'a/' * 40 + '…'!r} has more than 512 levels; left out"),
    ],
)
def test_names_that_cannot_be(name: bytes, system: int, problem: str) -> None:
    fs = opened(Raw(name, b"evil", system=system), Raw(b"good", b"x"))
    assert paths(fs) == ["good"]
    assert fs.problems == fs.faults == [problem]


def test_absolute_names_are_paths_in_the_archive() -> None:
    fs = opened(Raw(b"/etc/passwd", b"x"), Raw(b"//b", b"y"))
    assert paths(fs) == ["etc", "etc/passwd", "b"]
    assert fs.problems == [f"the name {name!r} is absolute; taken as a path in the archive" for name in ("/etc/passwd", "//b")]


def test_the_root_as_an_entry_is_nothing() -> None:
    fs = opened(Raw(b"./"), Raw(b"/"), Raw(b"a", b"x"))
    assert (paths(fs), fs.problems) == (["a"], [])


def test_a_name_that_is_flagged_as_utf_8_and_is_not() -> None:
    fs = opened(Raw(b"caf\xe9", flags=0x800))
    with pytest.raises(CorruptError, match=r"ZIP directory of evil.zip at 0x54: a name that is flagged as UTF-8 is not: b'caf\\xe9'"):
        fs.read_dir()
    assert len(fs.problems) == 1


def test_of_files_with_one_name_the_last_counts() -> None:
    fs = opened(Raw(b"a", b"first"), Raw(b"b", b"x"), Raw(b"a", b"last"), Raw(b"./a", b"very last"))
    assert fs.read_dir() == [DirEntry("a", "file", 9), DirEntry("b", "file", 1)]
    assert fs.read_bytes("a") == b"very last"
    assert fs.problems == ["'a' is there twice; the last one counts"] * 2


def test_a_file_that_is_a_directory_as_well() -> None:
    problem = "'a/b' is a file and a directory; the directory counts"
    for entries in (
        [Raw(b"a/b", b"file"), Raw(b"a/b/c", b"x")],
        [Raw(b"a/b/c", b"x"), Raw(b"a/b", b"file")],
        [Raw(b"a/b", b"file"), Raw(b"a/b/"), Raw(b"a/b/c", b"x")],
    ):
        fs = opened(*entries)
        assert paths(fs) == ["a", "a/b", "a/b/c"]
        assert fs.problems == [problem]


def test_directories_with_and_without_entries() -> None:
    fs = opened(Raw(b"a/b/c", b"x"), Raw(b"a/"), Raw(b"empty/"), Raw(b"unix", mode=FOLDER), Raw(b"a/b/"))
    assert paths(fs) == ["a", "a/b", "a/b/c", "empty", "unix"]
    assert fs.metadata("unix").kind == "directory"
    assert fs.problems == []


def test_links_and_devices_are_no_files() -> None:
    fs = opened(
        Raw(b"link", b"/etc/passwd", mode=LINK),
        Raw(b"null", mode=DEVICE),
        Raw(b"pipe", mode=0x11A4),
        Raw(b"odd", mode=0xF1A4),
        Raw(b"file", b"x", mode=REGULAR),
        Raw(b"dos", b"y", mode=LINK, system=0),
    )
    assert paths(fs) == ["file", "dos"]
    assert fs.problems == [
        "'link' is a symbolic link; left out",
        "'null' is a device; left out",
        "'pipe' is a pipe; left out",
        "'odd' is no regular file; left out",
    ]
    assert fs.faults == []


def test_many_problems_are_counted() -> None:
    fs = opened(*[Raw(b"../%d" % number) for number in range(250)])
    assert len(fs.problems) == 101
    assert fs.problems[-1] == "and 150 more of the kind"


def test_directories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_DIRECTORIES", 3)
    fs = opened(Raw(b"a/b/x", b"1"), Raw(b"c/d/x", b"2"), Raw(b"a/y", b"3"))
    assert [path for path, _ in fs.entries()] == ["a/b/x", "a/y"]
    assert fs.problems == ["'c/d/x' would make more than 3 directories; left out"]


# Entries that cannot be read


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Raw(b"x", b"secret", flags=1), "is encrypted, which is not supported"),
        (Raw(b"x", b"secret", flags=0x41), "is encrypted, which is not supported"),
        (Raw(b"x", b"secret", 99, flags=1), "is encrypted, which is not supported"),
        (Raw(b"x", b"data", 9), "is compressed by deflate64, which is not supported: stored, deflate, bzip2 and LZMA are"),
        (Raw(b"x", b"data", 93), "is compressed by zstandard, which is not supported"),
        (Raw(b"x", b"data", 4711), "is compressed by method 4711, which is not supported"),
    ],
)
def test_what_is_not_supported_names_the_entry(entry: Raw, problem: str) -> None:
    fs = opened(Raw(b"good", b"x"), entry)
    assert fs.read_dir()[1] == DirEntry("x", "file", len(entry.data))
    for read in (fs.storage, fs.open, lambda path: list(fs.checked(path))):
        with pytest.raises(UnsupportedError, match=rf"ZIP entry 'x' of evil.zip at 0x23, field method: {problem}"):
            read("x")
    assert fs.read_bytes("good") == b"x"
    assert fs.problems == []


def test_directories_of_a_newer_standard() -> None:
    with pytest.raises(UnsupportedError, match=r"zip file version 9\.9"):
        opened(Raw(b"x", version=99)).read_dir()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Raw(b"x", b"data", size=5), "0x5 bytes are declared, 0x4 are stored"),
        (Raw(b"x", b"data", size=0xFFFFFFFE), "0xfffffffe bytes are declared, 0x4 are stored"),
        (Raw(b"x", DATA, DEFLATED, size=719), "goes on behind the 0x2cf bytes that are declared"),
        (Raw(b"x", DATA, DEFLATED, size=721), "ends after 0x2d0 bytes, 0x2d1 are declared"),
        (Raw(b"x", DATA, BZIP2, size=719), "goes on behind the 0x2cf bytes that are declared"),
        (Raw(b"x", DATA, LZMA, size=721), "ends after 0x2d0 bytes, 0x2d1 are declared"),
        (Raw(b"x", DATA, DEFLATED, size=0xFFFFFFFE), "0xfffffffe bytes are declared, more than"),
        (Raw(b"x", DATA, DEFLATED, packed=b"\xff" * 50), "cannot be decompressed: Error -3"),
        (Raw(b"x", DATA, DEFLATED, packed=deflate(DATA)[:-9]), "ends after 0x"),
        (Raw(b"x", b"", DEFLATED, packed=deflate(DATA)), "goes on behind the 0x0 bytes that are declared"),
    ],
)
def test_sizes_that_lie(entry: Raw, problem: str) -> None:
    fs = opened(entry, Raw(b"good", b"x"))
    with pytest.raises(CorruptError, match=rf"ZIP entry 'x' of evil.zip at 0x[0-9a-f]+(, field size)?: {problem}"):
        list(fs.checked("x"))
    if entry.data:
        with pytest.raises(CorruptError):
            fs.read_bytes("x")
    assert fs.read_bytes("good") == b"x"


def test_a_crc_that_does_not_match() -> None:
    fs = opened(Raw(b"packed", DATA, DEFLATED, crc=1), Raw(b"stored", DATA, crc=2))
    with pytest.raises(IntegrityError, match=r"ZIP entry 'packed' of evil.zip at 0x24, field crc: CRC-32 is [0-9a-f]{8}, must be 00000001"):
        fs.read_bytes("packed")
    assert fs.read_bytes("stored") == DATA  # As it lies in the archive.
    with pytest.raises(IntegrityError, match=r"ZIP entry 'stored' of evil.zip at 0x[0-9a-f]+, field crc: .* must be 00000002"):
        list(fs.checked("stored"))


def test_a_local_header_that_is_not_there() -> None:
    fs = opened(Raw(b"good", b"x"), Raw(b"off", b"x", offset=3), Raw(b"far", b"x", offset=0x7FFFFFFF))
    for name in ("off", "far"):
        with pytest.raises(
            CorruptError, match=rf"ZIP entry '{name}' of evil.zip at 0x[0-9a-f]+, field offset: its local header should begin"
        ):
            fs.storage(name)


def test_entries_that_share_bytes() -> None:
    """Of archives made to be larger than they can be, each byte is read once."""
    kernel = deflate(bytes(1 << 16))
    same = opened(
        Raw(b"a", bytes(1 << 16), DEFLATED), *[Raw(b"%d" % n, bytes(1 << 16), DEFLATED, packed=kernel, offset=0) for n in range(3)]
    )
    assert same.read_bytes("a") == bytes(1 << 16)
    for name in "012":
        with pytest.raises(CorruptError, match=f"ZIP entry '{name}' of evil.zip .* shares bytes with what begins at 0x0"):
            same.storage(name)
    assert len(same.faults) == 3
    quoted = opened(Raw(b"outer", bytes(40), packed_size=40 + 31 + 1, size=40 + 31 + 1), Raw(b"i", b"x"))
    assert quoted.faults == ["'outer', 0x48 bytes at 0x0, shares bytes with what begins at 0x4b"]
    with pytest.raises(CorruptError, match="ends at 0x6b, and shares bytes with what begins at 0x4b"):
        quoted.storage("outer")
    assert quoted.read_bytes("i") == b"x"
    with pytest.raises(CorruptError, match="ends at 0x8000001d, the archive at 0x6b: it is cut short or damaged"):
        opened(Raw(b"long", b"x", packed_size=0x7FFFFFFB, size=0x7FFFFFFB)).storage("long")
    tail = opened(Raw(b"last", b"x", packed_size=9, size=9))
    with pytest.raises(CorruptError, match="ends at 0x2b, and shares bytes with what begins at 0x23"):
        tail.storage("last")


def test_the_same_entry_listed_twice_is_read() -> None:
    fs = opened(Raw(b"a", b"x"), Raw(b"a", b"x", offset=0))
    assert fs.read_bytes("a") == b"x"


# Archives that cannot be read


def test_cut_at_every_length() -> None:
    data = archive([Raw(b"a", b"x" * 20), Raw(b"b/c", DATA, DEFLATED)])
    for size in range(len(data)):
        with pytest.raises(FormatError) as caught:
            ZipFs(MemoryStorage(data[:size], "cut.zip"))
        assert isinstance(caught.value, CorruptError) == (size >= 30)
    problem = r"ZIP end record of cut.zip at 0x64: is not in the last 0x64 bytes: the archive is cut short or damaged"
    with pytest.raises(CorruptError, match=problem):
        ZipFs(MemoryStorage(data[:100], "cut.zip"))


def test_cut_at_the_start_or_with_something_behind() -> None:
    data = archive([Raw(b"a", b"x" * 20), Raw(b"b", b"y")], comment=b"comment")
    appended = ZipFs(MemoryStorage(data + b"\0" * 3))
    assert appended.read_bytes("a") == b"x" * 20
    assert appended.problems == ["0x3 bytes follow the archive: it is cut short, or something was appended"]
    cut = ZipFs(MemoryStorage(data[:-3]))
    assert (cut.read_bytes("b"), cut.problems) == (b"y", ["the comment is cut short"])
    headless = ZipFs(MemoryStorage(data[9:]))
    with pytest.raises(CorruptError):
        headless.storage("a")


@pytest.mark.parametrize("size", range(1, 94, 7))
def test_a_directory_with_a_hole(size: int) -> None:
    data = archive([Raw(b"a", b"x" * 20), Raw(b"b", b"y")])
    start = data.index(b"PK\1\2")
    for broken in (data[:start] + bytes(size) + data[start + size :], data[:start] + data[start + size :]):
        with pytest.raises(CorruptError, match=r"ZIP directory of memory at 0x[0-9a-f]+: cannot be read: "):
            ZipFs(MemoryStorage(broken)).read_dir()


def test_extra_fields_that_are_cut_short() -> None:
    fs = opened(Raw(b"a", b"x", extra=b"\x01\x00\x30\x00abc"))
    with pytest.raises(CorruptError, match=r"ZIP directory of evil.zip at 0x[0-9a-f]+: cannot be read: Corrupt "):
        fs.read_dir()


def test_one_part_of_several() -> None:
    for data in (archive([Raw(b"a", b"x")], disk=1), b"PK\7\x08" + archive([Raw(b"a", b"x")]), b"PK\7\x08PK\3\4 and so on"):
        with pytest.raises(UnsupportedError, match="several"):
            ZipFs(MemoryStorage(data))
    plain = archive([Raw(b"a", b"x")])
    locator = b"PK\6\7" + bytes(12) + b"\2\0\0\0"
    with pytest.raises(UnsupportedError, match=r"ZIP end record of z.zip at 0x[0-9a-f]+, field disk_number: the archive is one of several"):
        ZipFs(MemoryStorage(plain[:-22] + locator + plain[-22:], "z.zip"))
    once = archive([Raw(b"a", b"x")], before=b"PK00")
    assert ZipFs(MemoryStorage(once)).read_bytes("a") == b"x"


def test_other_things() -> None:
    for data in (b"", b"PK", b"PFS0" + bytes(100), b"PK\3\4", b"PK\5\6", bytes(30)):
        with pytest.raises(NotThisFormatError):
            ZipFs(MemoryStorage(data))


# Recognised


def sniffed(data: bytes, name: str = "") -> str | None:
    return Opener({}).sniff(MemoryStorage(data), name)


def test_recognised_by_content() -> None:
    some = archive([Raw(b"a", b"x")])
    assert sniffed(some) == sniffed(some, "a.nca") == sniffed(archive([])) == sniffed(b"PK00" + some) == "ZIP"
    assert sniffed(some[:40]) == "ZIP"  # Damaged, and to be told so.
    assert sniffed(archive([Raw(b"a", b"x")], before=b"#!/bin/sh\nexit\n")) == "ZIP"
    assert sniffed(b"PK\7\x08" + some) == "ZIP"
    assert isinstance(Opener({}).container(MemoryStorage(some)), ZipFs)


def test_not_mistaken() -> None:
    some = archive([Raw(b"a", b"x")])
    assert sniffed(b"PK\3\4" + bytes(100)) is None  # No name is empty.
    assert sniffed(b"PK\3\4" + b"\xff" * 100) is None
    assert sniffed(b"PK\5\6" + b"\1" * 18) is None
    assert sniffed(b"text" + some + b"\n") is None
    assert sniffed(b"text" + some[-22:]) is None
    assert sniffed(b"text" + some, "notes.txt") is None
    assert sniffed(b"text" + some[:-12] + b"\2" + some[-11:]) is None  # Of two entries, one is on another disk.
    assert sniffed(pfs0({"a.zip": some})) == "PFS0"
    assert sniffed(romfs({"a.zip": some})) == "RomFS"
    assert isinstance(Opener({}).container(MemoryStorage(romfs({"a.zip": some}))), RomFs)


def test_the_end_of_what_is_compressed_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = StreamedStorage._take

    def counted(self: StreamedStorage, state: streamed._Pass, limit: int) -> bytes:
        taken.append(limit)
        return take(self, state, limit)

    monkeypatch.setattr(StreamedStorage, "_take", counted)
    fs = ZipFs(MemoryStorage(archive([Raw(b"large", bytes(1 << 22), DEFLATED)])))
    assert Opener({}).sniff(fs.storage("large"), "large") is None
    assert taken == [streamed.BLOCK]


# Nested, and on the command line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    title = forged.title_nsp()
    inner = honest({"deep/level.bin": DATA, "game.nsp": title.image}, dirs=["empty"])
    (tmp_path / "mods.pk3").write_bytes(honest({"a.txt": b"hello\n", "sub/inner.zip": inner}, method=zipfile.ZIP_DEFLATED))
    (tmp_path / "stored.zip").write_bytes(honest({"a.txt": b"hello\n", "game.nsp": title.image}, method=zipfile.ZIP_STORED))
    return tmp_path


def test_a_path_goes_on_inside(folder: Path) -> None:
    with open_fs(folder, forged.KEYS) as fs:
        assert fs.read_bytes("mods.pk3/sub/inner.zip/deep/level.bin") == DATA
        assert fs.read_bytes("mods.pk3/sub/inner.zip/game.nsp/@program/romfs/hello.txt") == b"hello\n"
        assert fs.read_bytes("stored.zip/game.nsp/@program/romfs/hello.txt") == b"hello\n"
    with open_fs(folder / "mods.pk3" / "sub" / "inner.zip", forged.KEYS) as fs:
        assert [path for path, _ in fs.walk()] == ["empty", "deep", "deep/level.bin", "game.nsp"]
        assert isinstance(fs.enter("game.nsp"), NspArchive)
    packed = ZipFs(folder / "mods.pk3").storage("sub/inner.zip")
    with open_fs(packed, forged.KEYS) as fs:
        assert fs.read_bytes("deep/level.bin") == DATA


def test_info(folder: Path) -> None:
    result = oboromi("info", folder / "mods.pk3")
    size = (folder / "mods.pk3").stat().st_size
    described = oboromi("--json", "info", folder / "mods.pk3").json
    packed = sum(entry.compressed_size for _, entry in ZipFs(folder / "mods.pk3").entries())
    held = described["data_size"]
    assert described == {
        "path": str(folder / "mods.pk3"),
        "kind": "zip",
        "size": size,
        "files": 2,
        "directories": 1,
        "data_size": held,
        "compressed_size": packed,
        "methods": {"deflate": 2},
        "encrypted_files": 0,
    }
    assert result.lines[0] == f"{folder / 'mods.pk3'}  ZIP archive, {size / 1024:.1f} KiB, 2 files, 1 directory"
    assert result.lines[1] == f"└── {held / 1024:.1f} KiB in {packed / 1024:.1f} KiB: 2 deflate"
    assert [child["kind"] for child in oboromi("info", "--json", folder).json["children"]] == ["zip", "zip"]


def test_info_of_odd_ones(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    path.write_bytes(archive([Raw(b"a", b"x"), Raw(b"b", b"secret", flags=1), Raw(b"l", b"a", mode=LINK)]))
    assert oboromi("info", path).lines[1:] == [
        "├── 7 bytes in 7 bytes: 2 stored, 1 encrypted",
        "└── problem: 'l' is a symbolic link; left out",
    ]
    path.write_bytes(archive([]))
    assert oboromi("info", path).lines == [f"{path}  ZIP archive, 22 bytes, 0 files, 0 directories", "└── empty"]
    path.write_bytes(archive([Raw(b"a", extra=b"\1\0\x30\0")]))
    result = oboromi("info", path)
    assert result.lines[1].startswith(f"└── problem: ZIP directory of {path} at 0x52: cannot be read: ")
    path.write_bytes(archive([Raw(b"a")])[:40])
    result = oboromi("info", path)
    assert (result.code, result.message) == (
        3,
        f"ZIP end record of {path} at 0x28: is not in the last 0x28 bytes: the archive is cut short or damaged",
    )


def test_ls_and_stat(folder: Path) -> None:
    size = ZipFs(folder / "mods.pk3").metadata("sub/inner.zip").size
    assert [line.split() for line in oboromi("ls", "-l", "-R", folder / "mods.pk3").lines] == [
        ["file", "6", "compressed", "a.txt"],
        ["directory", "-", "-", "sub"],
        ["file", str(size), "compressed", "sub/inner.zip"],
    ]
    assert oboromi("ls", "-l", folder / "stored.zip").lines[0].split() == ["file", "6", "plain", "a.txt"]
    packed = oboromi("--json", "stat", folder / "mods.pk3" / "sub" / "inner.zip" / "deep" / "level.bin").json
    assert (packed["stored"], packed["offset"]) == ("compressed", None)
    assert packed["storage"] == ["File", "Window", "Deflate", "Window", "Deflate"]
    plain = oboromi("--json", "stat", folder / "stored.zip" / "a.txt").json
    assert (plain["stored"], plain["offset"], plain["storage"]) == ("plain", 35, ["File", "Window"])


def test_extract(folder: Path, tmp_path: Path) -> None:
    assert oboromi("extract", folder / "mods.pk3", "-r", "-o", tmp_path / "out", "--keys", _keys(tmp_path)).code == 0
    inner = tmp_path / "out" / "sub" / "inner.zip"
    assert (inner / "deep" / "level.bin").read_bytes() == DATA
    assert (inner / "empty").is_dir()
    title = forged.title_nsp()
    assert (inner / "game.nsp" / title.program / "romfs" / "hello.txt").read_bytes() == b"hello\n"


def _keys(tmp_path: Path) -> Path:
    path = tmp_path / "made_up.keys"
    path.write_text("".join(f"{name} = {value.hex()}\n" for name, value in forged.KEYS.items()))
    return path


def test_extract_leaves_nothing_of_a_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(archive([Raw(b"good", b"x"), Raw(b"bad", DATA, DEFLATED, crc=1), Raw(b"../evil", b"x")]))
    result = oboromi("extract", path, "-o", tmp_path / "out")
    assert result.code == 3
    assert b"ZIP entry 'bad'" in result.err
    assert sorted(os.listdir(tmp_path)) == ["bad.zip"]


def test_verify(folder: Path, tmp_path: Path) -> None:
    result = oboromi("verify", folder / "mods.pk3", "--keys", _keys(tmp_path))
    assert result.code == 0
    assert result.lines[:4] == [
        f"ok       ZIP directory           {folder / 'mods.pk3'}: 2 files",
        f"ok       ZIP CRC-32              {folder / 'mods.pk3'}: 2 files",
        f"ok       ZIP directory           {folder / 'mods.pk3'}/sub/inner.zip: 2 files",
        f"ok       ZIP CRC-32              {folder / 'mods.pk3'}/sub/inner.zip: 2 files",
    ]
    assert any("hash tree" in line for line in result.lines)
    below = oboromi("verify", f"{folder / 'mods.pk3'}/sub", "--keys", _keys(tmp_path))
    assert below.lines[0] == f"ok       ZIP CRC-32              {folder / 'mods.pk3'}/sub: 1 file"
    single = oboromi("verify", f"{folder / 'mods.pk3'}/a.txt")
    assert single.lines == [f"ok       ZIP CRC-32              {folder / 'mods.pk3'}/a.txt", "1 ok"]


def test_verify_tells_what_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(
        archive(
            [
                Raw(b"good", b"x"),
                Raw(b"crc", DATA, crc=1),
                Raw(b"packed", DATA, DEFLATED, size=9),
                Raw(b"secret", b"x", flags=1),
                Raw(b"../evil", b"x"),
                Raw(b"link", b"x", mode=LINK),
            ]
        )
    )
    result = oboromi("--json", "verify", path)
    assert result.code == 1
    found = [(check["path"].removeprefix(str(path)), check["check"], check["status"], check["offset"]) for check in result.json["checks"]]
    data = path.read_bytes()
    assert found == [
        ("", "ZIP directory", "failed", None),
        ("/crc", "ZIP CRC-32", "failed", data.index(DATA)),
        ("/packed", "ZIP CRC-32", "failed", data.index(deflate(DATA)) + len(deflate(DATA))),
        ("/secret", "ZIP CRC-32", "skipped", data.index(b"secret") - 30),
        ("", "ZIP CRC-32", "ok", None),
    ]
    assert json.loads(result.out)["checks"][-1]["detail"] == "1 file"
    path.write_bytes(archive([Raw(b"link", b"x", mode=LINK)]))
    assert oboromi("verify", path).lines == [f"note     ZIP directory           {path}: 'link' is a symbolic link; left out", "1 to note"]
    path.write_bytes(archive([Raw(b"a", extra=b"\1\0\x30\0")]))
    assert oboromi("verify", path).lines[0].startswith(f"failed   ZIP directory           {path}: ZIP directory of {path} at 0x52")


def test_archives_in_archives_in_archives_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oboromi_fs.jobs import verify

    monkeypatch.setattr(verify, "_MAX_ZIPS", 10)
    data = honest({"leaf": bytes(1000)})
    for _ in range(4):
        data = honest({f"{number}.zip": data for number in range(5)})
    path = tmp_path / "42.zip"
    path.write_bytes(data)
    result = oboromi("verify", path)
    assert result.code == 3
    assert sum("ZIP directory" in line for line in result.lines) == 16  # Of the outermost, and the first level, none is inside two others
    assert "10 ZIP archives inside others were looked into, and no more are" in result.text


def test_a_reader_that_stops_early(folder: Path) -> None:
    make: Callable[[], ZipFs] = lambda: ZipFs(folder / "mods.pk3")  # noqa: E731  # Three of them.
    for fs in (make(), make(), make()):
        pieces = fs.checked("sub/inner.zip")
        assert next(pieces)
        pieces.close()  # type: ignore[attr-defined]  # It is a generator.
        fs.close()
