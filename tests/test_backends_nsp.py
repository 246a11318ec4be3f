from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import (
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    File,
    FormatError,
    IsADirectoryEntryError,
    MemoryStorage,
    NotADirectoryEntryError,
    NotThisFormatError,
    NspArchive,
)
from oboromi_fs._extents import MAX_ENTRIES, MAX_PROBLEMS, Member

if TYPE_CHECKING:
    from pathlib import Path

# The worked example of the specification: main is 5 bytes, main.npdm 3.
EXAMPLE = (
    bytes.fromhex("50465330 02000000 20000000 00000000")
    + pack("<qqiI", 0, 5, 0, 0)
    + pack("<qqiI", 5, 3, 5, 0)
    + b"main\0main.npdm\0".ljust(0x20, b"\0")
    + b"MMMMMNNN"
)


def image(
    entries: list[tuple[int, int, int]], strings: bytes, data: bytes = b"", *, count: int | None = None, size: int | None = None
) -> bytes:
    """A PFS0 of (offset, size, name offset) rows; ``count`` and ``size`` are what the header claims."""
    head = pack("<4siII", b"PFS0", len(entries) if count is None else count, len(strings) if size is None else size, 0)
    return head + b"".join(pack("<qqiI", *entry, 0) for entry in entries) + strings + data


def nsp(data: bytes) -> NspArchive:
    return NspArchive(MemoryStorage(data, "game.nsp"))


def test_the_worked_example() -> None:
    assert len(EXAMPLE) == 104
    fs = nsp(EXAMPLE)
    assert fs.read_dir() == [DirEntry("main", "file", 5), DirEntry("main.npdm", "file", 3)]
    assert (fs.read_bytes("main"), fs.read_bytes("main.npdm")) == (b"MMMMM", b"NNN")
    assert fs.members == {"main": Member("main", 0x60, 5), "main.npdm": Member("main.npdm", 0x65, 3)}
    assert (fs.header_size, fs.kind, fs.problems) == (0x60, "PFS0", [])


def test_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "game.nsp"
    path.write_bytes(EXAMPLE)
    for source in (path, str(path)):
        with NspArchive(source) as fs:
            view = fs.storage("main")[:]
            assert isinstance(fs.raw, File)
        assert fs.raw.closed
        assert bytes(view) == b"MMMMM"


def test_opening_reads_the_header_alone() -> None:
    class Recorded(MemoryStorage):
        reads: list[tuple[int, int]] = []  # noqa: RUF012  # Of this test alone.

        def _view(self, start: int, stop: int) -> memoryview:
            self.reads.append((start, stop))
            return super()._view(start, stop)

    fs = NspArchive(Recorded(EXAMPLE))
    assert max(stop for _, stop in Recorded.reads) <= 0x10
    fs.read_dir()
    assert max(stop for _, stop in Recorded.reads) == 0x60


def test_lookups_that_fail() -> None:
    fs = nsp(EXAMPLE)
    for path in ("nope", "Main", "mai", "main.npdm.x", "nope/main"):
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)
    for path in ("main/x", "main/x/y"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("main")
    with pytest.raises(IsADirectoryEntryError):
        fs.open("")


# What may vary


def test_any_string_table_size_and_order() -> None:
    """Padding differs by writer, offsets need not ascend, names may share bytes and files may overlap."""
    strings = b"\0\0xx.bin\0"
    fs = nsp(image([(4, 4, 2), (0, 8, 3), (0, 0, 4)], strings, b"01234567"))
    assert [(entry.name, fs.read_bytes(entry.name)) for entry in fs.read_dir()] == [
        ("xx.bin", b"4567"),
        ("x.bin", b"01234567"),
        (".bin", b""),
    ]
    assert fs.problems == []


def test_empty_archives() -> None:
    for data in (image([], b""), image([], bytes(0x10)), image([], b"", b"trailing")):
        assert nsp(data).read_dir() == []


def test_of_two_members_with_one_name_the_first_counts() -> None:
    fs = nsp(image([(0, 1, 0), (1, 1, 0), (2, 1, 2)], b"a\0a\0", b"123"))
    assert fs.read_dir() == [DirEntry("a", "file", 1)]
    assert fs.read_bytes("a") == b"1"
    assert fs.problems == [
        "entry 1: a second 'a'; the first one counts (entry at 0x28)",
        "entry 2: a second 'a'; the first one counts (entry at 0x40)",
    ]


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a/b", b"/etc/passwd", b"../../x", b"\xff\xfe", b"C:\\x", b"\n"])
def test_any_name_is_listed(name: bytes) -> None:
    fs = nsp(image([(0, 1, 0), (1, 1, len(name) + 1)], name + b"\0ok\0", b"12"))
    assert [entry.name for entry in fs.read_dir()] == [name.decode("utf-8", "surrogateescape"), "ok"]
    assert [path for path, _ in fs.walk()] == [extent.path for extent in fs.extents()]
    assert fs.read_bytes("ok") == b"2"


def test_a_name_ends_at_its_first_nul() -> None:
    assert [entry.name for entry in nsp(image([(0, 0, 0)], b"a\0b\0")).read_dir()] == ["a"]


# What cannot be


@pytest.mark.parametrize(
    ("size", "error", "text"),
    [
        (0, NotThisFormatError, "PFS0 header of game.nsp at 0x0: magic is b'', not b'PFS0'"),
        (3, NotThisFormatError, "PFS0 header of game.nsp at 0x0: magic is b'PFS', not b'PFS0'"),
        (4, CorruptError, "PFS0 header of game.nsp at 0x0: needs 0x10 bytes"),
        (0xF, CorruptError, "PFS0 header of game.nsp at 0x0: needs 0x10 bytes"),
        (0x10, CorruptError, "PFS0 header of game.nsp at 0x4, field entry_count: 2 entries"),
        (0x3F, CorruptError, "PFS0 header of game.nsp at 0x4, field entry_count: 2 entries"),
        (0x40, CorruptError, "PFS0 header of game.nsp at 0x8, field string_table_size:"),
        (0x5F, CorruptError, "PFS0 header of game.nsp at 0x8, field string_table_size:"),
    ],
)
def test_cut_in_the_header(size: int, error: type[FormatError], text: str) -> None:
    with pytest.raises(error) as caught:
        nsp(EXAMPLE[:size])
    assert str(caught.value).startswith(text)


def test_cut_in_the_data() -> None:
    """What was downloaded in part lists whole; what is there can be read."""
    fs = nsp(EXAMPLE[:0x66])
    assert [entry.size for entry in fs.read_dir()] == [5, 3]
    assert fs.read_bytes("main") == b"MMMMM"
    for use in (lambda: fs.storage("main.npdm"), lambda: fs.open("main.npdm"), lambda: list(fs.extents())):
        with pytest.raises(CorruptError) as caught:
            use()
        assert str(caught.value) == (
            "PFS0 entry of game.nsp at 0x65, field size: 'main.npdm' ends at 0x68, the archive at 0x66: it is truncated"
        )


def test_another_magic() -> None:
    with pytest.raises(NotThisFormatError, match="magic is b'HFS0', not b'PFS0'"):
        nsp(b"HFS0" + EXAMPLE[4:])


@pytest.mark.parametrize("count", [-1, -(2**31), 3, MAX_ENTRIES + 1, 2**31 - 1])
def test_counts_that_cannot_be(count: int) -> None:
    with pytest.raises(CorruptError) as caught:
        nsp(image([(0, 0, 0)] * 2, b"a\0".ljust(0x10, b"\0"), count=count))
    assert (caught.value.field, caught.value.offset) == ("entry_count", 4)
    assert str(count & 0xFFFFFFFF) in str(caught.value)


@pytest.mark.parametrize("size", [0x11, 2**31, 2**32 - 1])
def test_string_tables_that_cannot_be(size: int) -> None:
    with pytest.raises(CorruptError) as caught:
        nsp(image([(0, 0, 0)] * 2, bytes(0x10), size=size))
    assert (caught.value.field, caught.value.offset) == ("string_table_size", 8)


def test_a_string_table_out_of_all_proportion() -> None:
    """One name in a table of 2 MiB: refused before it is read."""
    with pytest.raises(CorruptError, match="string_table_size"):
        nsp(image([(0, 0, 0)], bytes(2 << 20)))


@pytest.mark.parametrize("name_offset", [-1, -(2**31), 4, 5, 2**31 - 1])
def test_a_name_outside_the_string_table(name_offset: int) -> None:
    fs = nsp(image([(0, 1, name_offset), (0, 1, 0)], b"ok\0\0", b"1\0"))
    assert fs.read_dir() == [DirEntry("ok", "file", 1)]
    assert fs.problems == [f"entry 0: its name at {name_offset:#x} does not end inside the string table; left out (entry at 0x10)"]


def test_a_name_that_does_not_end_in_the_string_table() -> None:
    fs = nsp(image([(0, 1, 0)], b"abcd", b"1\0"))
    assert fs.read_dir() == []
    assert len(fs.problems) == 1


@pytest.mark.parametrize(("length", "there"), [(0x300, True), (0x301, False)])
def test_the_longest_name(length: int, there: bool) -> None:  # A parameter.
    fs = nsp(image([(0, 0, 0)], b"n" * length + b"\0"))
    assert [entry.name for entry in fs.read_dir()] == ["n" * length] * there


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (0, -1), (-(2**63), -(2**63)), (-5, 2**63 - 1)])
def test_negative_offsets_and_sizes(offset: int, size: int) -> None:
    fs = nsp(image([(offset, size, 0), (0, 2, 4)], b"bad\0ok\0", b"12"))
    assert fs.read_dir() == [DirEntry("ok", "file", 2)]
    assert fs.problems == ["entry 0 ('bad'): negative offset or size; left out (entry at 0x10)"]


@pytest.mark.parametrize(("offset", "size"), [(0, 3), (3, 0), (2, 1), (2**63 - 1, 1), (2**63 - 1, 2**63 - 1), (0, 2**63 - 1)])
def test_members_that_run_over_the_end(offset: int, size: int) -> None:
    fs = nsp(image([(offset, size, 0), (0, 2, 4)], b"bad\0ok\0", b"12"))
    assert fs.read_dir() == [DirEntry("bad", "file", size), DirEntry("ok", "file", 2)]
    assert fs.read_bytes("ok") == b"12"
    with pytest.raises(CorruptError, match="it is truncated"):
        fs.storage("bad")


def test_offsets_in_messages_are_those_of_the_outermost_file(tmp_path: Path) -> None:
    (tmp_path / "outer.bin").write_bytes(bytes(0x1000) + EXAMPLE[:0x50])
    with File.open(tmp_path / "outer.bin") as file, pytest.raises(CorruptError) as caught:
        NspArchive(file.window(0x1000, len(file)))
    assert (caught.value.offset, caught.value.source) == (0x1008, str(tmp_path / "outer.bin"))


def test_many_entries_of_one_name_are_cheap() -> None:
    """A million rows that all say the same cannot be made into a million names."""
    count = 50_000
    fs = nsp(image([(0, 0, 0)] * count, b"n" * 0x300 + b"\0"))
    assert len(fs.read_dir()) == 1
    assert len(fs.problems) == MAX_PROBLEMS + 1
    assert fs.problems[-2:] == [
        f"entry 100: a second {'n' * 0x300!r}; the first one counts (entry at 0x970)",
        "and 49899 more entries that cannot be",
    ]


def test_a_problem_has_its_place_in_the_outermost_file() -> None:
    inner = MemoryStorage(bytes(0x1000) + image([(0, 0, 0), (0, 0, 9)], b"a\0"), "outer.bin").window(0x1000, 0x1042)
    fs = NspArchive(inner)
    assert len(fs.members) == 1
    assert fs.problems == ["entry 1: its name at 0x9 does not end inside the string table; left out (entry at 0x1028)"]
