from __future__ import annotations

import hashlib
import tracemalloc
from struct import pack, pack_into, unpack_from
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.romfs import path_hash
from oboromi_fs import (
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    IsADirectoryEntryError,
    MemoryStorage,
    NotADirectoryEntryError,
    NotThisFormatError,
    RomFs,
    UnsafePathError,
)
from oboromi_fs._forge import romfs
from oboromi_fs.backends.romfs import MAX_PATH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONE = 0xFFFFFFFF
TREE = {"a.txt": b"hi", "b/c.bin": bytes(range(17)), "b/d": b""}
# Fields of the header, and of the entries of either table.
DIR_HASH, DIRS, FILE_HASH, FILES, DATA = 0x08, 0x18, 0x28, 0x38, 0x48
PARENT, SIBLING = 0, 4
CHILD, FIRST_FILE, DIR_NEXT, DIR_LENGTH = 8, 12, 16, 20
OFFSET, SIZE, FILE_NEXT, FILE_LENGTH = 8, 16, 24, 28


class Image:
    """A sound image, whose fields a test then falsifies."""

    def __init__(self, files: dict[str, bytes], dirs: tuple[str, ...] = ()) -> None:
        self.data = bytearray(romfs(files, dirs))

    def header(self, field: int) -> int:
        value: int = unpack_from("<Q", self.data, field)[0]
        return value

    def set_header(self, field: int, value: int) -> Image:
        pack_into("<Q", self.data, field, value)
        return self

    def entry(self, name: str, table: int) -> int:
        """Offset of an entry in its table."""
        fixed, length_at = (0x18, DIR_LENGTH) if table == DIRS else (0x20, FILE_LENGTH)
        start, at = self.header(table), 0
        while at < self.header(table + 8):
            length = unpack_from("<I", self.data, start + at + length_at)[0]
            if self.data[start + at + fixed : start + at + fixed + length].decode() == name:
                return at
            at += fixed + (length + 3 & ~3)
        raise AssertionError(name)

    def set(self, name: str, table: int, field: int, value: int, *, wide: bool = False) -> Image:
        pack_into("<Q" if wide else "<I", self.data, self.header(table) + self.entry(name, table) + field, value)
        return self

    def dir(self, name: str, field: int, value: int) -> Image:
        return self.set(name, DIRS, field, value)

    def file(self, name: str, field: int, value: int, *, wide: bool = False) -> Image:
        return self.set(name, FILES, field, value, wide=wide)

    def without_hash_tables(self) -> Image:
        return self.set_header(DIR_HASH + 8, 0).set_header(FILE_HASH + 8, 0)

    def open(self) -> RomFs:
        return RomFs(MemoryStorage(bytes(self.data), "data.romfs"))


def test_the_worked_example() -> None:
    image = romfs(TREE)
    assert (len(image), hashlib.sha256(image).hexdigest()) == (0x2F0, "b801cc5c0accd54decc1a3c48b7ac7767f9c05fab6eda9c934db896b64f62f2c")
    fs = RomFs(MemoryStorage(image))
    assert fs.read_dir() == [DirEntry("b", "directory", 0), DirEntry("a.txt", "file", 2)]
    assert fs.read_dir("b") == [DirEntry("c.bin", "file", 17), DirEntry("d", "file", 0)]
    assert [(path, entry.kind) for path, entry in fs.walk()] == [
        ("a.txt", "file"),
        ("b", "directory"),
        ("b/c.bin", "file"),
        ("b/d", "file"),
    ]
    assert {path: fs.read_bytes(path) for path in TREE} == TREE
    assert [tuple(extent)[:1] + tuple(extent)[2:] for extent in fs.extents("b")] == [("c.bin", 0x210, 17), ("d", 0x230, 0)]


def test_from_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.romfs").write_bytes(romfs(TREE))
    for source in (tmp_path / "a.romfs", str(tmp_path / "a.romfs")):
        with RomFs(source) as fs:
            assert fs.read_bytes("a.txt") == b"hi"
        assert fs.raw.closed  # type: ignore[attr-defined]  # It is a File.


def test_the_root_alone() -> None:
    for dirs in ((), ("only",)):
        fs = Image({}, dirs).open()
        assert [entry.name for entry in fs.read_dir()] == list(dirs)
        assert list(fs.extents()) == []
    assert len(romfs({})) == 0x230


def test_lookups_that_fail() -> None:
    fs = Image(TREE).open()
    for path in ("c", "A.txt", "a.tx", "b/a.txt", "c/d", "b/c.bi", "b/\udcff"):
        for use in (fs.metadata, fs.storage, fs.read_dir):
            with pytest.raises(EntryNotFoundError):
                use(path)
    for path in ("a.txt/x", "b/d/x/y"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    for below in (fs.read_dir, lambda path: list(fs.walk(path)), lambda path: list(fs.extents(path))):
        with pytest.raises(NotADirectoryEntryError):
            below("a.txt")
    with pytest.raises(IsADirectoryEntryError):
        fs.open("b")
    with pytest.raises(UnsafePathError):
        fs.metadata("\ud800")


def test_names_are_bytes() -> None:
    tree = {"é": b"1", "\udcff\udcfe": b"2", "new\nline": b"3", "back\\slash": b"4", "E\u0301": b"5", "É": b"6"}
    fs = Image(tree).open()
    assert {path: fs.read_bytes(path) for path, _ in fs.walk()} == tree
    assert fs.read_bytes("é".encode()) == fs.read_bytes("\udcc3\udca9") == b"1"
    assert fs.read_bytes(b"\xff\xfe") == b"2"


def test_the_pre_release_header_has_half_the_width() -> None:
    image = Image(TREE)
    fields = [image.header(field) for field in range(0, 0x50, 8)]
    narrow = pack("<10I", 0x28, *fields[1:]).ljust(0x50, b"\0") + bytes(image.data[0x50:])
    fs = RomFs(MemoryStorage(narrow))
    assert {path: fs.read_bytes(path) for path in TREE} == TREE


def test_tables_may_lie_anywhere() -> None:
    """Metadata first, file data last, as no common builder writes it."""
    plain = Image(TREE)
    tables = plain.header(DIR_HASH)
    body = bytes(plain.data[tables:])
    image = bytearray(plain.data[:0x50] + body + plain.data[0x200:tables])
    for field in (DIR_HASH, DIRS, FILE_HASH, FILES):
        pack_into("<Q", image, field, plain.header(field) - tables + 0x50)
    pack_into("<Q", image, DATA, 0x50 + len(body))
    fs = RomFs(MemoryStorage(bytes(image)))
    assert {path: fs.read_bytes(path) for path in TREE} == TREE


# Hash tables that are absent or wrong: the tree itself is sound


WIDE = {f"dir{number}/file{number}": b"%d" % number for number in range(50)} | {f"f{number}": b"" for number in range(50)}


def absent(image: Image) -> None:
    image.without_hash_tables()


def empty_buckets(image: Image) -> None:
    for field in (DIR_HASH, FILE_HASH):
        start, size = image.header(field), image.header(field + 8)
        image.data[start : start + size] = b"\xff" * size


def buckets_outside(image: Image) -> None:
    for field in (DIR_HASH, FILE_HASH):
        start, size = image.header(field), image.header(field + 8)
        image.data[start : start + size] = pack("<I", 0xFFFFFFFC) * (size // 4)


def buckets_inside_entries(image: Image) -> None:
    for field in (DIR_HASH, FILE_HASH):
        start, size = image.header(field), image.header(field + 8)
        image.data[start : start + size] = pack("<I", 6) * (size // 4)


def buckets_of_the_root(image: Image) -> None:
    for field in (DIR_HASH, FILE_HASH):
        start, size = image.header(field), image.header(field + 8)
        image.data[start : start + size] = bytes(size)


def chains_that_loop(image: Image) -> None:
    buckets_of_the_root(image)
    image.dir("", DIR_NEXT, 0)
    first = image.header(FILES)
    pack_into("<I", image.data, first + FILE_NEXT, 0)


@pytest.mark.parametrize("spoil", [absent, empty_buckets, buckets_outside, buckets_inside_entries, buckets_of_the_root, chains_that_loop])
def test_wrong_hash_tables(spoil: Callable[[Image], None]) -> None:
    image = Image(WIDE, dirs=("empty",))
    spoil(image)
    fs = image.open()
    assert {path: fs.read_bytes(path) for path in WIDE} == WIDE
    assert fs.read_dir("empty") == []
    assert fs.metadata("dir7").kind == "directory"
    assert sorted(path for path, entry in fs.walk() if entry.kind == "file") == sorted(WIDE)
    for path in ("dir7/no", "no", "no/file"):
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)


def test_one_bucket_for_all() -> None:
    """Chains as long as the table, on purpose: every name is found still, and what is not there, is not."""
    image = Image({f"f{number:04}": b"%d" % number for number in range(1000)})
    start = image.header(FILE_HASH)
    entries = [image.header(FILES) + 0x28 * number for number in range(1000)]
    for number, entry in enumerate(entries):
        pack_into("<I", image.data, entry + FILE_NEXT, 0x28 * (number + 1) if number < 999 else NONE)
    pack_into("<I", image.data, start, 0)
    image.set_header(FILE_HASH + 8, 4)
    fs = image.open()
    assert [fs.read_bytes(f"f{number:04}") for number in (0, 63, 64, 500, 999)] == [b"0", b"63", b"64", b"500", b"999"]
    with pytest.raises(EntryNotFoundError):
        fs.metadata("f1000")


def test_hash_chains_are_found_by_the_unsigned_hash() -> None:
    assert path_hash(0, "é".encode()) == 0x5D41D65C
    fs = Image({f"é{number}": b"%d" % number for number in range(300)}).open()
    assert [fs.read_bytes(f"é{number}") for number in (0, 150, 299)] == [b"0", b"150", b"299"]
    assert not fs._index  # All by the hash table: no directory was read.


# Links that cannot be


def everything(fs: RomFs) -> None:
    """Each way through the image that a caller has."""
    list(fs.walk())
    list(fs.extents())


def deep(fs: RomFs) -> None:
    pending = [""]
    while pending:
        path = pending.pop()
        assert len(path) < 100_000
        for entry in fs.read_dir(path):
            (pending.append if entry.kind == "directory" else fs.storage)(f"{path}/{entry.name}")


BRANCHES = {"a/b/c/f": b"1", "a/b/g": b"2", "d/h": b"3", "i": b"4", "j": b"5"}


@pytest.mark.parametrize("value", [2, 0x10000, 0x7FFFFFFC, 0xFFFFFFFC, 0xFFFFFFFE], ids=hex)
@pytest.mark.parametrize(
    ("name", "table", "field"),
    [("", DIRS, CHILD), ("a", DIRS, SIBLING), ("", DIRS, FIRST_FILE), ("i", FILES, SIBLING), ("b", DIRS, CHILD), ("b", DIRS, FIRST_FILE)],
)
def test_links_outside_the_table_or_between_words(name: str, table: int, field: int, value: int) -> None:
    fs = Image(BRANCHES).set(name, table, field, value).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError) as caught:
            use(fs)
        assert str(caught.value).startswith("RomFS ")
        assert caught.value.source == "data.romfs"


@pytest.mark.parametrize(
    ("name", "field", "target"),
    [
        ("a", SIBLING, "a"),
        ("d", SIBLING, "a"),
        ("", CHILD, ""),
        ("a", CHILD, ""),
        ("a", CHILD, "a"),
        ("b", CHILD, "a"),
        ("c", CHILD, "b"),
        ("c", CHILD, "d"),
        ("c", SIBLING, "c"),
        ("d", CHILD, "c"),
    ],
)
def test_directories_that_loop_or_join(name: str, field: int, target: str) -> None:
    """A sibling that comes again, a child that is an ancestor, a directory with two parents: paths without an end, or without number."""
    image = Image(BRANCHES)
    fs = image.dir(name, field, image.entry(target, DIRS)).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError):
            use(fs)


def test_a_child_that_names_itself_and_its_parent_right() -> None:
    """The root as its own child: it says that its parent is the root, which is true."""
    fs = Image(BRANCHES).dir("", CHILD, 0).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError, match="is a child of the directory at 0x0, and names that at 0x0 as its parent"):
            use(fs)


@pytest.mark.parametrize(("name", "target"), [("i", "i"), ("j", "i"), ("h", "h")])
def test_files_that_loop(name: str, target: str) -> None:
    image = Image(BRANCHES)
    fs = image.file(name, SIBLING, image.entry(target, FILES)).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError, match="loop"):
            use(fs)


def test_a_lookup_does_not_loop_either() -> None:
    image = Image(BRANCHES).without_hash_tables()
    fs = image.file("j", SIBLING, image.entry("i", FILES)).open()
    with pytest.raises(CorruptError, match="chain of files loops"):
        fs.metadata("nope")


def test_a_file_may_stand_in_two_directories() -> None:
    image = Image(BRANCHES)
    fs = image.dir("d", FIRST_FILE, image.entry("g", FILES)).open()
    assert fs.read_bytes("d/g") == fs.read_bytes("a/b/g") == b"2"


def test_many_directories_with_the_same_files() -> None:
    """Chains that join: a walk gives out no more files than the table can hold, and says that something is wrong."""
    image = Image({f"all/{number}": b"" for number in range(50)}, dirs=tuple(f"d{number}" for number in range(50)))
    for number in range(50):
        image.dir(f"d{number}", FIRST_FILE, 0)
    with pytest.raises(CorruptError, match="loop"):
        list(image.open().walk())


@pytest.mark.parametrize("length", [0x301, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF], ids=hex)
@pytest.mark.parametrize(("name", "table", "field"), [("a", DIRS, DIR_LENGTH), ("i", FILES, FILE_LENGTH)])
def test_names_that_run_over(name: str, table: int, field: int, length: int) -> None:
    fs = Image(BRANCHES).set(name, table, field, length).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError) as caught:
            use(fs)
        assert caught.value.field == "name_length"


def test_the_last_name_runs_over_the_table() -> None:
    image = Image({"i": b"", "j": b""})
    fs = image.file("j", FILE_LENGTH, 5).open()
    for use in (everything, deep):
        with pytest.raises(CorruptError, match="a name of 0x5 bytes runs over the table"):
            use(fs)


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 2**64 - 1), (2**64 - 1, 0), (2**64 - 1, 2**64 - 1), (2**64 - 0x200, 0x200), (0, 1 << 20), (1 << 20, 0), (2**63, 2**63)],
    ids=hex,
)
def test_data_outside_the_image(offset: int, size: int) -> None:
    """Sums wrap in 64 bits, and must not here. The other files stay readable."""
    fs = Image(BRANCHES).file("i", OFFSET, offset, wide=True).file("i", SIZE, size, wide=True).open()
    assert fs.metadata("i").size == size
    assert dict(fs.walk())["i"].size == size
    assert fs.read_bytes("j") == b"5"
    for use in (lambda: fs.storage("i"), lambda: fs.open("i"), lambda: list(fs.extents())):
        with pytest.raises(CorruptError, match="the data of 'i' ends at"):
            use()


# Headers that cannot be


@pytest.mark.parametrize("size", [0, 1, 3, 4, 8, 0x4F, 0x50, 0x1FF, 0x200])
def test_cut_short(size: int) -> None:
    data = romfs(TREE)[:size]
    with pytest.raises(NotThisFormatError if size < 8 else CorruptError) as caught:
        RomFs(MemoryStorage(data, "data.romfs"))
    assert caught.value.source == "data.romfs"


@pytest.mark.parametrize("size", [0, 1, 0x4F, 0x51, 0x200, 2**32 + 0x50, 2**64 - 1], ids=hex)
def test_another_header_size(size: int) -> None:
    with pytest.raises(NotThisFormatError):
        Image(TREE).set_header(0, size).open()


@pytest.mark.parametrize("table", [DIR_HASH, DIRS, FILE_HASH, FILES], ids=hex)
@pytest.mark.parametrize(
    ("offset", "size"),
    [(0x2F0, 4), (0x2F1, 0), (0, 0x2F4), (2**64 - 4, 4), (2**64 - 1, 0), (4, 2**64 - 4), (0x200, 6), (0, 2**32)],
    ids=lambda value: f"{value:#x}",
)
def test_tables_outside_the_image(table: int, offset: int, size: int) -> None:
    image = Image(TREE).set_header(table, offset).set_header(table + 8, size)
    with pytest.raises(CorruptError) as caught:
        image.open()
    assert (caught.value.what, caught.value.source) == ("RomFS header", "data.romfs")


def test_a_directory_table_without_a_root() -> None:
    with pytest.raises(CorruptError, match="at 0x20, field dir_table_size"):
        Image(TREE).set_header(DIRS + 8, 0x14).open()


@pytest.mark.parametrize("number", range(1, 10))
def test_the_field_that_is_wrong_is_named(number: int) -> None:
    fields = ["dir_hash", "dir_table", "file_hash", "file_table"]
    name = f"{fields[(number - 1) // 2]}_{'size' if number % 2 == 0 else 'offset'}" if number < 9 else "data_offset"
    with pytest.raises(CorruptError) as caught:
        Image(TREE).set_header(number * 8, 0x10000).open()
    assert (caught.value.field, caught.value.offset) == (name, number * 8)


@pytest.mark.parametrize("offset", [0x2F1, 2**64 - 1], ids=hex)
def test_file_data_outside_the_image(offset: int) -> None:
    with pytest.raises(CorruptError, match="field data_offset"):
        Image(TREE).set_header(DATA, offset).open()


# Names


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/abs", "nul\0nul"])
def test_names_that_no_path_can_spell_are_listed(name: str) -> None:
    files: Any = {b"p" * len(name.encode()): b"evil", "ok": b"ok"}
    image = Image(files, dirs=("q" * len(name),))
    for table, letter in ((DIRS, b"q"), (FILES, b"p")):
        start = image.header(table)
        at = image.data.index(letter * len(name), start, start + image.header(table + 8))
        image.data[at : at + len(name)] = name.encode()
    fs = image.open()
    assert fs.read_bytes("ok") == b"ok"
    assert sorted(fs.read_dir()) == sorted(
        [DirEntry(name, "file", 4), DirEntry("ok", "file", 2)]
    )  # Of file and directory, the file counts.
    assert sorted(path for path, _ in fs.walk()) == sorted([name, "ok"])
    assert sorted(extent.path for extent in fs.extents()) == (["ok"] if "/" in name else sorted([name, "ok"]))  # Else a path of others.


def test_an_empty_name_is_listed() -> None:
    image = Image({"p": b"evil", "ok": b"ok"}, dirs=("q",))
    fs = image.file("p", FILE_LENGTH, 0).dir("q", DIR_LENGTH, 0).open()
    assert sorted(fs.read_dir()) == [DirEntry("", "file", 4), DirEntry("ok", "file", 2)]
    assert sorted(path for path, _ in fs.walk()) == ["", "ok"]
    assert [extent.path for extent in fs.extents()] == ["ok"]
    assert fs.metadata("").kind == "directory"
    assert fs.read_bytes("ok") == b"ok"
    alone = Image({"ok": b"ok"}, dirs=("q",)).dir("q", DIR_LENGTH, 0).open()
    assert [(path, entry.kind) for path, entry in alone.walk()] == [("ok", "file"), ("", "directory")]


def test_directories_whose_names_are_other_paths_are_not_entered() -> None:
    image = Image({"a-b/hidden": b"1", "a/b/seen": b"2"})
    image.data[:] = image.data.replace(b"a-b", b"a/b")
    fs = image.open()
    assert sorted((path, entry.name) for path, entry in fs.walk()) == [("a", "a"), ("a/b", "a/b"), ("a/b", "b"), ("a/b/seen", "seen")]
    assert [extent.path for extent in fs.extents()] == ["a/b/seen"]


def test_directories_whose_names_lead_elsewhere_are_walked_once() -> None:
    image = Image({"xx/inner": b"1", "zz": b"2"})
    at = image.header(DIRS) + image.entry("xx", DIRS) + 0x18
    image.data[at : at + 2] = b".."
    fs = image.without_hash_tables().open()
    assert [path for path, _ in fs.walk()] == ["zz", "..", "../inner"]
    assert [extent.path for extent in fs.extents()] == ["zz", "../inner"]


def test_a_name_twice() -> None:
    """Builders do not write it. The first counts, in listings and walks alike."""
    image = Image({"x1": b"first", "x2": b"second!", "dd/f": b"", "x3": b"third"})
    for name in ("x2", "dd"):
        table = DIRS if name == "dd" else FILES
        at = image.header(table) + image.entry(name, table) + (0x18 if table == DIRS else 0x20)
        image.data[at : at + 2] = b"x1"
    fs = image.without_hash_tables().open()
    assert fs.read_dir() == [DirEntry("x1", "file", 5), DirEntry("x3", "file", 5)]
    assert sorted((path, entry.size) for path, entry in fs.walk()) == [("x1", 5), ("x3", 5)]
    assert sorted((extent.path, extent.size) for extent in fs.extents()) == [("x1", 5), ("x3", 5)]


# Bounded work


def test_paths_have_a_limit() -> None:
    """Directories in directories, to the end of the table: a walk says stop before paths fill the memory."""
    path = "/".join(["d" * 0x300] * 6)
    fs = Image({path + "/f": b""}).open()
    with pytest.raises(CorruptError, match=f"the path is longer than {MAX_PATH} characters"):
        list(fs.walk())
    assert fs.read_dir(path) == [DirEntry("f", "file", 0)]


def test_a_wide_directory_far_down_takes_no_more_than_its_own_names() -> None:
    deep_path = "/".join(["d" * 0x300] * 5)
    image = Image({}, dirs=tuple(f"{deep_path}/{number}" for number in range(4000)))
    fs = image.open()
    tracemalloc.start()
    count = sum(1 for _ in fs.walk())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4005
    assert peak < 4 * len(image.data) + (1 << 20)  # Not 4000 paths of 4 KB.


def test_no_allocation_by_what_a_header_claims() -> None:
    image = Image(TREE)
    tracemalloc.start()
    for field in range(8, 0x50, 8):
        spoiled = Image(TREE).set_header(field, 1 << 40)
        with pytest.raises(CorruptError):
            spoiled.open()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 21
    assert image.open().read_bytes("a.txt") == b"hi"
