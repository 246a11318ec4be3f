from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs._forge import hfs0, pfs0, romfs, xci
from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    IntegrityError,
    IsADirectoryEntryError,
    MappingError,
    MissingKeyError,
    NotADirectoryEntryError,
    UnsafePathError,
)
from oboromi_fs.jobs.extract import extract
from oboromi_fs.jobs.unfold import Opened, Unfolded
from oboromi_fs.jobs.windows import seen_through
from oboromi_fs.keys import KeySet
from oboromi_fs.opening import Opener, locate
from oboromi_fs.protocols import Extent
from tests import forged
from tests.extraction import noise

if TYPE_CHECKING:
    from pathlib import Path

KEYS = KeySet(forged.KEYS)


def unfolded(path: Path, *, deep: bool = True, inner: str = "", keys: KeySet | None = KEYS) -> Unfolded:
    place = locate(f"{path}/{inner}" if inner else path, opener=Opener(keys if keys is not None else KeySet()))
    return Unfolded(place.fs, place.path, deep=deep)


def contents(fs: Unfolded) -> dict[str, bytes]:
    return {extent.path: extent.storage[extent.offset : extent.offset + extent.size].tobytes() for extent in fs.extents()}


def raw_pfs0(entries: list[tuple[bytes, int, int]], data: bytes) -> bytes:
    """A PFS0 whose entries say whatever they like."""
    names, rows = b"", b""
    for name, offset, size in entries:
        rows += struct.pack("<qqII", offset, size, len(names), 0)
        names += name + b"\0"
    return struct.pack("<4sIII", b"PFS0", len(entries), len(names), 0) + rows + names + data


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_containers_become_directories(tmp_path: Path) -> None:
    inner = pfs0({"x": b"1", "y.romfs": romfs({"deep/z": b"22"})})
    path = write(tmp_path / "a.nsp", pfs0({"b.bin": inner, "plain": b"333"}))
    fs = unfolded(path)
    assert contents(fs) == {"plain": b"333", "b.bin/x": b"1", "b.bin/y.romfs/deep/z": b"22"}
    assert fs.directories == ["b.bin", "b.bin/y.romfs", "b.bin/y.romfs/deep"]
    assert fs.problems == []
    flat = unfolded(path, deep=False)
    assert contents(flat) == {"b.bin": inner, "plain": b"333"}
    assert flat.directories == []


def test_it_is_a_file_system(tmp_path: Path) -> None:
    fs = unfolded(write(tmp_path / "a.nsp", pfs0({"b.bin": pfs0({"x": b"1"}), "plain": b"333"})))
    assert [(entry.name, entry.kind, entry.size) for entry in fs.read_dir()] == [("b.bin", "directory", 0), ("plain", "file", 3)]
    assert fs.read_bytes("b.bin/x") == b"1"
    assert fs.metadata("b.bin").kind == "directory"
    assert fs.metadata("plain").size == 3
    assert [extent.path for extent in fs.extents("b.bin")] == ["x"]
    assert [path for path, _ in fs.walk()] == ["b.bin", "b.bin/x", "plain"]
    with pytest.raises(EntryNotFoundError):
        fs.metadata("nothing")
    with pytest.raises(EntryNotFoundError):
        fs.read_dir("nothing")
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("plain")
    with pytest.raises(IsADirectoryEntryError):
        fs.storage("b.bin")


def test_a_directory_called_dot_dot_is_only_itself(tmp_path: Path) -> None:
    fs = unfolded(write(tmp_path / "a.romfs", romfs({"../x": b"1", "y": b"2"})))
    assert [entry.name for entry in fs.read_dir("..")] == ["x"]
    assert [entry.name for entry in fs.read_dir()] == ["..", "y"]
    assert contents(fs) == {"../x": b"1", "y": b"2"}


def test_a_plain_file_is_no_tree(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nsp", pfs0({"plain": b"333"}))
    with pytest.raises(NotADirectoryEntryError):
        unfolded(path, inner="plain")


def test_containers_in_a_romfs_are_found_by_magic(tmp_path: Path) -> None:
    path = write(tmp_path / "a.romfs", romfs({"dir/archive.bin": pfs0({"x": b"1"}), "dir/other.bin": b"PFS1" + bytes(40)}))
    assert set(contents(unfolded(path))) == {"dir/archive.bin/x", "dir/other.bin"}


def test_members_that_cannot_be_are_told_one_by_one(tmp_path: Path) -> None:
    entries = [(b"good", 0, 4), (b"long", 0, 99), (b"a//b", 0, 2), (b"..", 0, 1), (b"bad.nsp", 4, 8)]
    path = write(tmp_path / "a.nsp", raw_pfs0(entries, b"dataPFS0\xff\xff\xff\x7f"))
    fs = unfolded(path)
    assert contents(fs) == {"good": b"data", "..": b"d", "bad.nsp": b"PFS0\xff\xff\xff\x7f"}
    assert [(inner, type(wrong).__name__) for inner, wrong in fs.problems] == [
        ("a//b", "UnsafePathError"),
        ("long", "CorruptError"),
        ("bad.nsp", "CorruptError"),
    ]
    assert "truncated" in str(fs.problems[1][1])


def test_a_name_that_holds_a_slash_is_no_directory(tmp_path: Path) -> None:
    image = romfs({"a-b": b"evil", "d-d/f": b"hidden", "a/b": b"good", "d/d/g": b"good"}).replace(b"a-b", b"a/b").replace(b"d-d", b"d/d")
    partitions = pfs0({"x-y": b"evil", "": b"evil", "ok": b"good"}).replace(b"x-y", b"x/y")
    for name, data, good, refused in (
        ("a.romfs", image, {"a/b": b"good", "d/d/g": b"good"}, {"a/b", "d/d"}),
        ("a.nsp", partitions, {"ok": b"good"}, {"x/y", ""}),
    ):
        fs = unfolded(write(tmp_path / name, data))
        assert contents(fs) == good
        assert {(inner, type(wrong)) for inner, wrong in fs.problems} == {(inner, UnsafePathError) for inner in refused}
        assert all("path separator" in str(wrong) or "is empty" in str(wrong) for _, wrong in fs.problems)


def test_of_a_truncated_card_the_whole_partitions_are_there(tmp_path: Path) -> None:
    card = xci({"update": {"u": b"1"}, "normal": {"n": b"22"}, "secure": {"s": b"333"}})
    fs = unfolded(write(tmp_path / "card.xci", card[: card.rindex(b"HFS0")]), deep=False)
    assert contents(fs) == {"update/u": b"1", "normal/n": b"22"}
    ((inner, wrong),) = fs.problems
    assert inner == "secure"
    assert "it is truncated" in str(wrong)


def test_partitions_that_share_bytes_are_opened_once(tmp_path: Path) -> None:
    partition = hfs0({"x.nsp": pfs0({"f": b"1"})})
    root = bytearray(hfs0({"one": partition, "two": partition}))
    root[0x10 + 0x40 : 0x18 + 0x40] = root[0x10:0x18]  # The second lies where the first one does.
    card = xci({})[:0xF000] + bytes(root)
    fs = unfolded(write(tmp_path / "card.xci", card))
    assert set(contents(fs)) == {"one/x.nsp/f"}
    ((inner, wrong),) = fs.problems
    assert inner == "two"
    assert "shares bytes with another partition" in str(wrong)


@pytest.mark.parametrize("deep", [False, True])
def test_a_checked_nca_that_stays_a_file_has_its_name(tmp_path: Path, deep: bool) -> None:
    data = noise(0x2000)
    name = f"{hashlib.sha256(data).hexdigest()[:32]}.nca"
    short = {f"{'0' * 32}.nca": b"too short to be one"}

    def checked(members: dict[str, bytes], wanted: str = "") -> Unfolded:
        place = locate(write(tmp_path / "a.nsp", pfs0(members)), opener=Opener(KEYS, check=True))
        return Unfolded(place.fs, place.path, deep=deep, wanted=(lambda inner: inner == wanted) if wanted else None)

    assert len(checked({name: data} | short).files) == 2
    damaged = {name: data[:-1] + b"?", "x.tik": b"tik"}
    with pytest.raises(IntegrityError, match=f"the hash of '{name}' begins") as caught:
        checked(damaged)
    assert caught.value.offset == pfs0(damaged).index(data[:-1])
    assert len(checked(damaged, wanted="x.tik").files) == 2
    with pytest.raises(IntegrityError):
        checked({name.replace(".nca", ".CNMT.nca").upper(): data[1:]})


def test_archives_that_hold_each_other_end(tmp_path: Path) -> None:
    image = b"END."
    for _ in range(3):
        image = raw_pfs0([(b"%02d.nsp" % number, 0, len(image)) for number in range(30)], image)
    fs = unfolded(write(tmp_path / "bomb.nsp", image))
    assert len(fs.files) == 29 + 29 + 30
    assert all("shares bytes with another container" in str(wrong) for _, wrong in fs.problems)


def test_missing_keys_are_raised_before_anything_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nsp", forged.title_nsp().image)
    with pytest.raises(MissingKeyError, match="header_key"):
        unfolded(path, keys=None)
    assert unfolded(path, keys=None, deep=False).files
    assert f"{forged.title_nsp().program}/romfs/hello.txt" in contents(unfolded(path))


def test_host_files_are_not_all_open_at_once(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        write(folder / f"{number:03}", b"%d" % number)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        fs = unfolded(folder)
        found = contents(fs)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == {f"{number:03}": b"%d" % number for number in range(200)}
    (folder / "007").write_bytes(b"")
    (extent,) = [extent for extent in fs.files if extent.path == "007"]
    with pytest.raises(MappingError, match="shrank"):
        _ = extent.storage[0:1]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=40))
def test_opened_takes_what_shares_no_byte(spans: list[tuple[int, int]]) -> None:
    data = MemoryStorage(bytes(100))
    opened, taken = Opened(), [False] * 100
    for start, size in spans:
        free = not any(taken[start : start + size])
        assert opened.takes(data.window(start, 100), 0, size) == free
        if free:
            taken[start : start + size] = [True] * size


def test_seen_through() -> None:
    data = MemoryStorage(b"abcdef")
    window = data.window(1, 6).window(2, 5)
    assert seen_through(window, 1) == (data, 4)
    assert isinstance(window, StorageBase)


def test_an_error_that_is_shared_stays_as_it_is(tmp_path: Path) -> None:
    fault = CorruptError("bad block", what="section", offset=7)

    class Broken(StorageBase):
        kind = "Broken"
        _size = 10

        def _readinto(self, offset: int, target: memoryview) -> None:
            del offset, target
            raise fault

    for _ in range(2):
        with pytest.raises(CorruptError) as caught:
            extract([Extent("a", Broken(), 0, 10)], tmp_path / "out")
        assert str(caught.value) == "section at 0x7: bad block (while extracting 'a')"
        assert caught.value.__notes__ == ["while extracting 'a'"]
    assert (str(fault), getattr(fault, "__notes__", [])) == ("section at 0x7: bad block", [])
