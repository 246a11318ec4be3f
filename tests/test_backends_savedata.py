"""Save data against the files that went into it, whatever way its layers are laid; and images that lie."""

from __future__ import annotations

import random
from contextlib import suppress
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_formats.savedata import LAYOUT_OFFSET
from oboromi_fs import (
    CorruptError,
    EntryNotFoundError,
    IntegrityError,
    IsADirectoryEntryError,
    KeySet,
    MemoryStorage,
    NotADirectoryEntryError,
    NotThisFormatError,
    OboromiFsError,
    UnsupportedError,
    open_fs,
)
from oboromi_fs.backends.savedata import SaveDataFs, is_save_data
from oboromi_fs.backends.savedata.allocation import AllocationTable
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import locate
from oboromi_fs.testing import check_filesystem
from tests import forged
from tests.command import oboromi
from tests.forged_nax0 import SAVE_KEY, SD_KEYS, nax0
from tests.forged_save import BLOCK, FLAG, Forged, save_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from oboromi_fs.jobs.checks import Check

FILES = {"a.bin": bytes(range(256)) * 9, "dir/b": b"b" * 1000, "dir/sub/c": b"", "z": b"z" * 513, "dir/sub/d": bytes(3000), "one": b"1"}


def opened(image: Forged | bytes, *, check: bool = True) -> SaveDataFs:
    return SaveDataFs(MemoryStorage(image.image if isinstance(image, Forged) else image, "a save"), check=check)


def contents(fs: SaveDataFs) -> dict[str, bytes]:
    return {path: fs.read_bytes(path) for path, entry in fs.walk() if entry.kind == "file"}


@pytest.mark.parametrize("version", [0x40000, 0x50000])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_suite(seed: int, version: int, *, sparse: bool) -> None:
    image = save_image(FILES, ["empty"], seed=seed, version=version, sparse=sparse)
    for check in (True, False):
        fs = opened(image, check=check)
        check_filesystem(fs, expected=FILES)
        assert fs.is_dir("empty")
        assert (fs.problems, fs.experimental) == ([], True)
    assert fs.header.extra.program_id == 0x0100ABCDEF000000


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 0x40
)


@settings(max_examples=60)
@given(
    st.dictionaries(
        NAMES, st.one_of(st.binary(max_size=3 * BLOCK), st.dictionaries(NAMES, st.binary(max_size=BLOCK), max_size=3)), max_size=5
    ),
    st.integers(0, 1 << 30),
    st.sampled_from([0x40000, 0x50000]),
    st.integers(0, 3 * BLOCK),
    st.integers(0, 3 * BLOCK),
)
def test_what_went_in_comes_out(tree: dict[str, Any], seed: int, version: int, start: int, stop: int) -> None:
    files = {name: data for name, data in tree.items() if isinstance(data, bytes)}
    files |= {f"{name}/{inner}": data for name, below in tree.items() if not isinstance(below, bytes) for inner, data in below.items()}
    dirs = [name for name, below in tree.items() if not isinstance(below, bytes)]
    fs = opened(save_image(files, dirs, seed=seed, version=version, sparse=bool(seed % 5)))
    assert contents(fs) == files
    assert sorted(path for path, entry in fs.walk() if entry.kind == "directory") == sorted(dirs)
    for path, data in files.items():
        assert fs.storage(path)[start:stop].tobytes() == data[start:stop]


def test_paths_that_are_none() -> None:
    fs = opened(save_image(FILES))
    for path, kind in [("no", EntryNotFoundError), ("dir/no", EntryNotFoundError), ("a.bin/x", NotADirectoryEntryError)]:
        with pytest.raises(kind):
            fs.metadata(path)
    with pytest.raises(IsADirectoryEntryError):
        fs.storage("dir")
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("a.bin")


def test_the_second_copy_of_the_header_is_used_where_the_first_is_damaged() -> None:
    image = bytearray(save_image(FILES).image)
    image[0x700] ^= 1
    fs = opened(bytes(image))
    assert contents(fs) == FILES
    assert (fs.header.offset, fs.problems) == (0x4000, ["the first copy of the header is damaged; the second is used"])
    image[0x4700] ^= 1
    with pytest.raises(IntegrityError, match="neither of its two copies has the hash that it says"):
        opened(bytes(image))
    image[:0x4000] = bytes(0x4000)
    image[0x4700] ^= 1
    assert contents(opened(bytes(image))) == FILES
    assert is_save_data(MemoryStorage(bytes(image)))
    assert not is_save_data(MemoryStorage(bytes(0x9000)))


def test_other_files_are_none() -> None:
    for data in (b"", bytes(0x200), b"DISF" * 0x200):
        with pytest.raises(NotThisFormatError):
            opened(data)


# Damage


def flipped(image: Forged, offset: int) -> bytes:
    return image.image[:offset] + bytes([image.image[offset] ^ 1]) + image.image[offset + 1 :]


def journal_block(image: Forged, path_data: bytes) -> int:
    """Where the image has a block that begins with some bytes."""
    found = image.image.find(path_data)
    assert found > 0
    return found


def test_damage_in_a_file_is_told_where_it_is_read() -> None:
    image = save_image({"a": b"\x11" * 100, "b": b"\x22" * 100}, seed=3)
    at = journal_block(image, b"\x22" * 100)
    fs = opened(flipped(image, at + 7))
    assert fs.read_bytes("a") == b"\x11" * 100
    with pytest.raises(IntegrityError, match="does not match its hash") as caught:
        fs.read_bytes("b")
    assert (caught.value.offset, caught.value.level) == (at, 4)
    assert opened(flipped(image, at + 7), check=False).read_bytes("b") != b"\x22" * 100


def checks(tmp_path: Path, image: bytes, keys: Mapping[str, bytes] | None = None) -> list[Check]:
    path = tmp_path / "a.save"
    path.write_bytes(image)
    place = locate(path, KeySet(keys or {}))
    with place.fs:
        return list(verify(place, workers=1))


@pytest.mark.parametrize("version", [0x40000, 0x50000])
def test_verify_covers_headers_trees_and_files(tmp_path: Path, version: int) -> None:
    image = save_image(FILES, ["empty"], seed=5, version=version)
    found = [(check.check, check.status) for check in checks(tmp_path, image.image)]
    fat = [("allocation table hashes", "ok")] if version == 0x50000 else []
    assert found == [
        ("save data", "note"),
        ("header copy A", "ok"),
        ("header copy B", "ok"),
        ("header MAC", "note"),
        ("save data hashes", "ok"),
        *fat,
        ("save data files", "ok"),
    ]


def test_verify_names_level_block_and_place(tmp_path: Path) -> None:
    image = save_image({"a": b"\x11" * 100, "b": b"\x22" * 100}, seed=3)
    at = journal_block(image, b"\x22" * 100)
    (bad,) = [check for check in checks(tmp_path, flipped(image, at + 9)) if check.status == "failed"]
    assert (bad.check, bad.offset, bad.size) == ("save data hashes", at, BLOCK)
    assert bad.detail.startswith("level 4, block ")
    assert not [check for check in checks(tmp_path, flipped(image, 0x4900)) if check.status == "failed"]
    (noted,) = [check for check in checks(tmp_path, flipped(image, 0x4900)) if check.check == "header copy B"]
    assert (noted.status, noted.offset) == ("note", 0x4000)
    (bad,) = [check for check in checks(tmp_path, flipped(image, 0x900)) if check.status == "failed"]
    assert (bad.check, bad.offset) == ("header copy A", 0)


def test_verify_checks_the_mac_where_the_key_is_known(tmp_path: Path) -> None:
    from Crypto.Cipher import AES
    from Crypto.Hash import CMAC

    key = bytes(range(16))
    image = bytearray(save_image(FILES).image)
    image[:0x10] = CMAC.new(key, bytes(image[0x100:0x300]), ciphermod=AES).digest()
    for keys, status in [
        ({"save_mac_key_00": key}, "ok"),
        ({"save_mac_sd_card_key": key}, "ok"),
        ({"save_mac_key_00": bytes(16)}, "failed"),
    ]:
        (found,) = [check for check in checks(tmp_path, bytes(image), keys) if check.check == "header MAC"]
        assert found.status == status


# Images that lie


def poke(offset: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(target: bytearray) -> None:
        target[offset : offset + len(data)] = data

    return edit


def at_layout(offset: int, value: int) -> dict[str, Any]:
    return {"header": poke(LAYOUT_OFFSET + offset, pack("<q", value))}


@pytest.mark.parametrize(
    ("edits", "kind", "problem"),
    [
        ({"header": poke(0x104, pack("<I", 0x60000))}, UnsupportedError, "version 6.0 is none of 4, 5"),
        ({"header": poke(0x344, b"XXXX")}, CorruptError, "is b'XXXX', must be b'IVFC'"),
        ({"header": poke(0x408, b"XXXX")}, CorruptError, "must be b'JNGL'"),
        ({"header": poke(0x608, b"XXXX")}, CorruptError, "must be b'SAVE'"),
        ({"header": poke(0x650, b"XXXX")}, CorruptError, "must be b'RMAP'"),
        (at_layout(0x28, 1 << 60), CorruptError, "field entries"),
        (at_layout(0x28, -1), CorruptError, "field entries"),
        (at_layout(0x48, 1 << 62), CorruptError, "field main_remap_data"),
        (at_layout(0x50, -5), CorruptError, "field main_remap_data"),
        (at_layout(0x58, 1 << 61), CorruptError, "mapped up to"),
        (at_layout(0x68, 1 << 61), CorruptError, "mapped up to"),
        (at_layout(0x80, 1 << 61), CorruptError, "mapped up to"),
        (at_layout(0x88, 12345678), CorruptError, "mapped up to"),
        (at_layout(0xA8, 0x4000), CorruptError, "field duplex_master"),
        (at_layout(0xB8, 1 << 40), CorruptError, "field duplex_master"),
        (at_layout(0xB8, 0), CorruptError, "cannot tell of"),
        (at_layout(0xC0, -1), CorruptError, "field ivfc_master"),
        (at_layout(0xD0, 0), CorruptError, "cannot hold the hashes"),
        (at_layout(0xD8, 1 << 50), CorruptError, "mapped up to"),
        (at_layout(0x150, 1 << 50), CorruptError, "mapped up to"),
        (at_layout(0x150, 0), CorruptError, "is asked for, there are 0"),
        ({"header": poke(0x350, pack("<I", 7))}, CorruptError, "is 7, must be 5"),
        ({"header": poke(0x364, pack("<I", 60))}, CorruptError, "60 is not in 5"),
        ({"header": poke(0x340, pack("<I", 31))}, CorruptError, "31 is not in 4"),
        ({"header": poke(0x420, pack("<q", 0))}, CorruptError, "field block_size"),
        ({"header": poke(0x420, pack("<q", -8))}, CorruptError, "field block_size"),
        ({"header": poke(0x410, pack("<q", -1))}, CorruptError, "bytes of data"),
        ({"header": poke(0x410, pack("<q", 1 << 60))}, CorruptError, "bytes of data"),
        ({"header": poke(0x42C, pack("<I", 0xFFFFFFFF))}, CorruptError, "entries need"),
        ({"header": poke(0x618, pack("<q", 0))}, CorruptError, "field block_size"),
        ({"header": poke(0x648, pack("<I", 0xFFFFFFFF))}, CorruptError, "is asked for"),
        ({"header": poke(0x64C, pack("<I", 99999))}, CorruptError, "is asked for"),
        ({"header": poke(0x658, pack("<I", 0xFFFFFFFF))}, CorruptError, "entries need"),
        ({"map": poke(0, pack("<I", 0x7FFFFFFF))}, CorruptError, "reads 0x"),
        ({"map": lambda target: poke(8, bytes(target[:4]))(target)}, CorruptError, "names a block twice"),
        ({"entries": poke(0x08, pack("<Q", 1 << 63))}, CorruptError, "lies outside"),
        ({"entries": poke(0x10, pack("<Q", 0))}, CorruptError, "lies outside"),
        ({"entries": poke(0x10, pack("<Q", (1 << 64) - 1))}, CorruptError, "lies outside"),
        ({"entries": lambda target: poke(0x28, bytes(target[8:16]))(target)}, CorruptError, "shares bytes with another|lies outside"),
        ({"entries": lambda target: poke(0x20, bytes(target[:8]))(target)}, CorruptError, "overlaps the one before it"),
    ],
)
def test_layers_that_lie_are_told(edits: dict[str, Any], kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=problem):
        contents(opened(save_image(FILES, seed=6, edits=edits), check=False))


def in_rows(table: int, row: int, offset: int, data: bytes) -> dict[str, Any]:
    return {"rows": lambda tables: poke(offset, data)(tables[table][row])}


def test_a_directory_that_leads_back_to_itself_is_told() -> None:
    def edit(tables: Any) -> None:
        for row in tables[0]:
            if bytes(row[4:8]) == b"dir\0":
                own = unpack_from("<i", row, 0)[0]
                row[0x48:0x4C] = pack("<i", own)  # Its first directory is the root.

    fs = opened(save_image(FILES, edits={"rows": edit}))
    with pytest.raises(CorruptError, match="and says that it is in"):
        list(fs.walk())


def test_siblings_that_lead_back_are_told() -> None:
    def edit(tables: Any) -> None:
        for number, row in enumerate(tables[1]):
            row[0x44:0x48] = pack("<i", number + 2)

    with pytest.raises(CorruptError, match="leads back to itself"):
        list(opened(save_image(FILES, edits={"rows": edit})).walk())


def test_directories_that_are_nested_without_end_are_told() -> None:
    """The path of each would be longer than that of the one before, and all together far longer than the image."""
    path = "/".join(["d"] * 0x301)
    with pytest.raises(CorruptError, match="lies deeper than 768 directories"):
        list(opened(save_image({f"{path}/a": b""})).walk())
    assert list(opened(save_image({f"{path[:-4]}/a": b""})).walk())


def test_a_table_without_a_root_is_told() -> None:
    def edit(tables: Any) -> None:
        for row in tables[0]:
            row[4:8] = b"x\0\0\0"

    with pytest.raises(CorruptError, match="has no root directory"):
        opened(save_image(FILES, edits={"rows": edit}))


@pytest.mark.parametrize("size", [-1, 1 << 40, (1 << 63) - 1])
def test_a_file_whose_size_lies_is_listed_and_an_error_to_read(size: int) -> None:
    def edit(tables: Any) -> None:
        for row in tables[1]:
            if bytes(row[4:8]) == b"one\0":
                row[0x4C:0x54] = pack("<q", size)

    fs = opened(save_image(FILES, edits={"rows": edit}))
    assert fs.metadata("one").size == max(size, 0)
    with pytest.raises(CorruptError, match="bytes"):
        fs.storage("one")
    assert fs.read_bytes("a.bin") == FILES["a.bin"]


def test_a_name_without_an_end_has_all_its_bytes() -> None:
    name = "n" * 0x40
    assert contents(opened(save_image({name: b"x"}))) == {name: b"x"}


def test_a_name_that_is_there_twice_counts_once() -> None:
    def edit(tables: Any) -> None:
        for row in tables[1]:
            if bytes(row[4:6]) == b"z\0":
                row[4:8] = b"one\0"

    image = save_image(FILES, edits={"rows": edit})
    fs = opened(image)
    names = [entry.name for entry in fs.read_dir("")]
    assert names.count("one") == 1
    assert fs.problems
    assert "is in directory" in fs.problems[0]


@pytest.mark.parametrize("capacity", [1, 6, 1 << 31, (1 << 32) - 1])
def test_a_table_whose_capacity_cannot_be_is_told(capacity: int) -> None:
    good = save_image({"a": b"1"}, ["d"])
    at = good.tables.data.index(pack("<ii", 4, 4).ljust(0x60, b"\0"))  # The directory table: the root, and d.
    where = journal_block(good, good.tables.data[at : at + BLOCK])
    bad = bytearray(good.image)
    bad[where + 4 : where + 8] = pack("<I", capacity)
    with pytest.raises(CorruptError, match=f"field capacity: {capacity} entries, 5 are there"):
        opened(bytes(bad), check=False)


def test_names_no_path_can_hold_are_listed_and_told(tmp_path: Path) -> None:
    def edit(tables: Any) -> None:
        for row in tables[1]:
            row[4:8] = {b"one\0": b"a/b\0", b"z\0\0\0": b"..\0\0"}.get(bytes(row[4:8]), row[4:8])

    image = save_image(FILES, edits={"rows": edit}).image
    assert {"a/b", ".."} < {entry.name for entry in opened(image).read_dir("")}
    assert "a/b" not in {extent.path for extent in opened(image).extents()}
    bad = [check for check in checks(tmp_path, image) if check.status == "failed"]
    assert sorted((check.path.rpartition("a.save")[2], check.check) for check in bad) == [("/..", "name"), ("/a/b", "name")]
    out = tmp_path / "out"
    assert oboromi("extract", str(tmp_path / "a.save"), "-o", str(out)).code != 0
    assert sorted(path.name for path in out.iterdir()) == ["a.bin", "dir"]


def test_many_names_that_are_there_twice_are_not_all_told() -> None:
    def edit(tables: Any) -> None:
        for number, row in enumerate(tables[1]):
            row[4:0x44] = f"{number // 2}".encode().ljust(0x40, b"\0")

    fs = opened(save_image({f"{number}": b"" for number in range(240)}, edits={"rows": edit}))
    assert len(list(fs.walk())) == 120
    assert len(fs.problems) == 101
    assert fs.problems[-1] == "and more names that are there twice"


def test_files_in_the_same_blocks_are_told(tmp_path: Path) -> None:
    def edit(tables: Any) -> None:
        rows = {bytes(row[4:0x44]).rstrip(b"\0"): row for row in tables[1]}
        rows[b"header"][0x48:0x54] = rows[b"big"][0x48:0x54]

    image = save_image({"big": b"x" * 1000, "header": b"y" * 1000}, edits={"rows": edit}).image
    (bad,) = [check for check in checks(tmp_path, image) if check.status == "failed"]
    assert (bad.check, bad.detail) == ("save data files", "'header' is in the blocks of 'big'")
    fs = opened(image)
    assert fs.first_block("big") == fs.first_block("header") != opened(save_image(FILES)).first_block("dir/sub/c") is None
    with pytest.raises(IsADirectoryEntryError):
        fs.first_block("")


def test_a_name_with_header_in_it_that_is_there_twice_is_told(tmp_path: Path) -> None:
    image = save_image({"header": b"1", "headed": b"2"}, edits={"rows": lambda tables: poke(4, b"header")(tables[1][1])}).image
    (bad,) = [check for check in checks(tmp_path, image) if check.status == "failed"]
    assert (bad.check, bad.detail) == ("save data files", "'header' is in directory 2 twice; the first counts")


def test_lists_of_blocks_are_walked_once_each() -> None:
    """However many files name one list, and however many lists lead into one: the work is bounded by the table."""
    count = 400
    fat = bytearray(pack("<II", 0, 0))
    for block in range(count):
        head = block < count // 2  # The first half: each the head of a list that goes on with all of the second half.
        fat += pack("<II", FLAG if head else block, count // 2 + 1 if head else (block + 2) % (count + 1))
    table = AllocationTable(MemoryStorage(bytes(fat)), MemoryStorage(bytes(count * 0x10)), 0x10)
    told: set[str] = set()
    good = 0
    for first in [*range(count // 2)] * 3:
        try:
            good += table.storage(first, 0x20, what="a file").size == 0x20
        except CorruptError as wrong:
            told.add(wrong.problem.partition(" ")[2].partition(" ")[2])
    assert (good, told) == (3 * 3, {"is in several lists"})


def chain_of(image: Forged, block: int) -> list[int]:
    """The entries of a list, by the table."""
    entries = [unpack_from("<II", image.tables.fat, at) for at in range(0, len(image.tables.fat), 8)]
    found, index = [], block + 1
    while index:
        found.append(index)
        index = entries[index][1] & ~FLAG
    return found


@pytest.mark.parametrize("kind", ["loop", "outside", "no head", "range to before", "range outside", "into another"])
def test_allocation_lists_that_lie_are_told(kind: str) -> None:
    data = {"only": bytes(range(256)) * 40}
    good = save_image(data, seed=7)
    start = next(index for index in range(2, len(good.tables.fat) // 8) if unpack_from("<I", good.tables.fat, 8 * index)[0] == FLAG)
    chain = next(
        found
        for index in range(1, len(good.tables.fat) // 8)
        if unpack_from("<I", good.tables.fat, 8 * index)[0] == FLAG and len(found := chain_of(good, index - 1)) > 2
    )
    assert start
    first, last = chain[0], chain[-1]
    flag = unpack_from("<I", good.tables.fat, 8 * last + 4)[0] & FLAG
    edit = {
        "loop": poke(8 * last + 4, pack("<I", chain[1] | flag)),
        "outside": poke(8 * last + 4, pack("<I", 0x7FFFFFF0 | flag)),
        "no head": poke(8 * first, pack("<I", 5)),
        "range to before": poke(8 * first + 4, pack("<II", chain[1] | FLAG, FLAG) + pack("<I", 0)),
        "range outside": poke(8 * first + 4, pack("<II", chain[1] | FLAG, FLAG) + pack("<I", 1 << 30)),
        "into another": poke(8 * last + 4, pack("<I", first | flag)),
    }[kind]
    with pytest.raises(CorruptError, match="allocation table"):
        contents(opened(save_image(data, seed=7, edits={"fat": edit})))


@settings(max_examples=120)
@given(st.data())
def test_a_changed_byte_ends_in_an_error_or_is_read(data: st.DataObject) -> None:
    good = _FUZZED
    image = bytearray(good.image)
    for _ in range(data.draw(st.integers(1, 3))):
        image[data.draw(st.integers(0, len(image) - 1))] ^= data.draw(st.integers(1, 255))
    whole = data.draw(st.sampled_from([len(image), len(image) // 2, 0x8100, 0x4100, 0x310]))
    with suppress(OboromiFsError, OSError):
        contents(opened(bytes(image[:whole]), check=data.draw(st.booleans())))


@settings(max_examples=120)
@given(st.integers(0x300, 0xD00), st.binary(min_size=1, max_size=8))
def test_a_header_that_lies_ends_in_an_error_or_is_read(offset: int, value: bytes) -> None:
    """With the hash that goes with it: as who makes such images would."""
    image = save_image({"a": b"a" * 700, "d/b": b"b"}, seed=9, edits={"header": poke(offset, value)})
    with suppress(OboromiFsError, OSError):
        contents(opened(image, check=False))


@settings(max_examples=100)
@given(st.integers(0x30, 0x1FF), st.sampled_from([-1, 0, 1, 0x7FFF, 1 << 31, 1 << 40, 1 << 62, -(1 << 63)]))
def test_a_layout_that_lies_ends_in_an_error_or_is_read(offset: int, value: int) -> None:
    image = save_image({"a": b"a" * 700, "d/b": b"b"}, seed=10, version=0x50000, edits={"header": poke(0x100 + offset, pack("<q", value))})
    with suppress(OboromiFsError, OSError):
        contents(opened(image, check=False))


_FUZZED = save_image(FILES, seed=8, version=0x50000)


def test_truncated_anywhere_ends_in_an_error() -> None:
    draw = random.Random(1)
    image = save_image(FILES, seed=11).image
    for size in [0, 0x104, 0x304, 0x3FFF, 0x4000, 0x8000, *draw.sample(range(0x8000, len(image)), 30)]:
        with pytest.raises((OboromiFsError, OSError)):
            contents(opened(image[:size]))


# Where it is met


def test_it_nests_and_the_command_reads_it(tmp_path: Path) -> None:
    image = save_image(FILES, ["empty"], seed=12)
    file = tmp_path / "a.save"
    file.write_bytes(image.image)
    with open_fs(file, {}) as fs:
        assert fs.read_bytes("dir/b") == FILES["dir/b"]
    assert oboromi("ls", str(file)).lines == ["a.bin", "dir", "empty", "one", "z"]
    assert oboromi("cat", f"{file}/dir/b").out == FILES["dir/b"]
    out = tmp_path / "out"
    assert oboromi("extract", str(file), "-o", str(out)).code == 0
    assert (out / "dir" / "sub" / "d").read_bytes() == FILES["dir/sub/d"]
    assert (out / "empty").is_dir()
    assert oboromi("verify", str(file)).code == 0
    told = oboromi("info", str(file), "--json").json
    assert (told["kind"], told["experimental"]) == ("save data", True)
    assert "experimental" in oboromi("info", str(file)).text


def test_save_data_of_an_sd_card_opens_by_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "Nintendo" / "save" / "8000000000000043"
    file.parent.mkdir(parents=True)
    file.write_bytes(nax0(save_image(FILES, seed=13).image, "/8000000000000043", SAVE_KEY))
    with open_fs(file, KeySet({**forged.KEYS, **SD_KEYS})) as fs:
        assert fs.read_bytes("dir/b") == FILES["dir/b"]
    with open_fs(tmp_path, KeySet({**forged.KEYS, **SD_KEYS})) as fs:
        assert fs.read_bytes("Nintendo/save/8000000000000043/z") == FILES["z"]
