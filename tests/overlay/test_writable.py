"""WritableUnionFs: each requirement of a writable union by its label, with literal trees. What lies on the host is for test_upper."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import (
    ClosedError,
    DirectoryNotEmptyEntryError,
    EntryExistsError,
    EntryNotFoundError,
    HostFs,
    IsADirectoryEntryError,
    Layer,
    LayerError,
    MemoryFs,
    NotADirectoryEntryError,
    ReadOnlyError,
    RomFs,
    StorageFile,
    UnionFs,
    UnsafePathError,
    UpperLayer,
    WritableUnionFs,
    ZipFs,
    open_fs,
)
from oboromi_fs.overlay.streams import WritableFile
from oboromi_fs.testing import check_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oboromi_fs.overlay.markers import Encoding
    from oboromi_fs.protocols import DirEntry, FileSystem, PathType

FILES = {"data/a.bin": b"one", "data/b.bin": b"two", "data/sub/c.bin": b"three", "top.txt": b"four"}
YEAR_2001 = 1_000_000_000_000_000_000


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
        os.removexattr(folder, "user.test")
    except (AttributeError, OSError):
        return False
    return True


@pytest.fixture(params=["oci", "overlayfs"])
def markers(request: pytest.FixtureRequest, tmp_path: Path) -> Encoding:
    if request.param == "overlayfs" and not has_attributes(tmp_path):
        pytest.skip("no extended attributes in this folder")
    encoding: Encoding = request.param
    return encoding


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    """A folder of game files with rights and times of their own."""
    folder = tmp_path / "lower"
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    os.chmod(folder / "data/a.bin", 0o640)
    os.chmod(folder / "data/sub", 0o750)
    for path in ["data/a.bin", "data/b.bin", "data/sub/c.bin", "top.txt", "data/sub", "data"]:
        os.utime(folder / path, ns=(YEAR_2001 + 1, YEAR_2001))
    return folder


@pytest.fixture
def union(tmp_path: Path, lower: Path, markers: Encoding) -> WritableUnionFs:
    return WritableUnionFs([Layer(HostFs(lower), "base")], UpperLayer(tmp_path / "up", markers))


def look(folder: Path) -> dict[str, Any]:
    """Everything about a folder that must not change."""
    return {
        str(path.relative_to(folder)): (found.st_mode, found.st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [folder, *folder.rglob("*")]
        for found in [path.lstat()]
    }


def files(fs: FileSystem) -> dict[str, bytes]:
    return {path: bytes(fs.storage(path)[:]) for path, entry in WritableUnionFs([fs]).walk() if entry.kind == "file"}


def names(fs: UnionFs, path: str = "") -> list[str]:
    return [entry.name for entry in fs.read_dir(path)]


def test_it_is_a_file_system(union: WritableUnionFs) -> None:
    union.write_bytes("data/new.bin", b"new" * 1000)
    union.unlink("top.txt")
    check_filesystem(union, expected={"data/a.bin": b"one", "data/new.bin": b"new" * 1000})


# The requirements


def test_U1_what_is_written_is_listed_once_as_it_is_looked_up(union: WritableUnionFs) -> None:
    union.write_bytes("data/a.bin", b"longer")
    union.write_bytes("data/new.bin", b"5")
    entries = {entry.name: (entry.kind, entry.size) for entry in union.read_dir("data")}
    assert entries == {"a.bin": ("file", 6), "b.bin": ("file", 3), "new.bin": ("file", 1), "sub": ("directory", 0)}
    for name, (kind, size) in entries.items():
        assert (union.metadata(f"data/{name}").kind, union.metadata(f"data/{name}").size) == (kind, size)


def test_U3_a_removed_file_is_gone_and_stays_below(union: WritableUnionFs, lower: Path) -> None:
    union.unlink("data/a.bin")
    assert names(union, "data") == ["b.bin", "sub"]
    with pytest.raises(EntryNotFoundError):
        union.open("data/a.bin")
    with pytest.raises(EntryNotFoundError):
        union.unlink("data/a.bin")
    assert (lower / "data/a.bin").read_bytes() == b"one"
    [hidden] = union.explain("data/a.bin").hidden
    assert (hidden.provider.source.path, hidden.reason, hidden.by) == ("base", "whiteout", 1)
    union.write_bytes("data/a.bin", b"again")
    assert names(union, "data") == ["a.bin", "b.bin", "sub"]


def test_U4_a_directory_made_where_one_was_removed_is_empty(union: WritableUnionFs) -> None:
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    assert not union.exists("data/sub")
    union.mkdir("data/sub")
    assert names(union, "data/sub") == []
    assert not union.exists("data/sub/c.bin")
    assert union.explain("data/sub/c.bin").hidden[0].reason == "opaque"


def test_U4_so_is_one_made_where_a_file_was(union: WritableUnionFs) -> None:
    union.unlink("top.txt")
    union.mkdir("top.txt/a/b", parents=True)
    assert [path for path, _ in union.walk("top.txt")] == ["a", "a/b"]


def test_U5_only_a_directory_in_which_nothing_shows_is_removed(union: WritableUnionFs) -> None:
    with pytest.raises(DirectoryNotEmptyEntryError) as caught:
        union.rmdir("data/sub")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOTEMPTY, "data/sub")
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    assert names(union, "data") == ["a.bin", "b.bin"]
    with pytest.raises(EntryNotFoundError):
        union.rmdir("data/sub")
    with pytest.raises(NotADirectoryEntryError):
        union.rmdir("top.txt")


def test_U5_a_removed_merged_directory_leaves_a_whiteout(union: WritableUnionFs, lower: Path, tmp_path: Path) -> None:
    union.write_bytes("data/sub/mine.bin", b"5")
    union.unlink("data/sub/mine.bin")
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    assert union.explain("data/sub/c.bin").hidden[0].reason == "whiteout"
    again = UnionFs([HostFs(lower), HostFs(tmp_path / "up")])
    assert not again.exists("data/sub")


def test_U5_what_only_the_upper_layer_had_leaves_nothing(union: WritableUnionFs, tmp_path: Path) -> None:
    union.mkdir("mine")
    union.write_bytes("mine/a", b"1")
    union.unlink("mine/a")
    union.rmdir("mine")
    union.write_bytes("b", b"2")
    union.unlink("b")
    assert os.listdir(tmp_path / "up") == []


def test_U6_copy_up_keeps_mode_and_times(union: WritableUnionFs, tmp_path: Path) -> None:
    union.rename("data/a.bin", "data/moved.bin")
    union.rename("data/sub/c.bin", "data/sub/moved.bin")
    moved = os.stat(tmp_path / "up/data/moved.bin")
    assert (stat.S_IMODE(moved.st_mode), moved.st_atime_ns, moved.st_mtime_ns) == (0o640, YEAR_2001 + 1, YEAR_2001)
    assert union.metadata("data/moved.bin").mtime_ns == YEAR_2001
    assert stat.S_IMODE(os.stat(tmp_path / "up/data/sub").st_mode) == 0o750


def test_U6_the_first_write_copies_and_makes_the_parents(union: WritableUnionFs, lower: Path, tmp_path: Path) -> None:
    with union.open("data/sub/c.bin", "r+b") as stream:
        assert not (tmp_path / "up/data").exists()
        stream.seek(2)
        stream.write(b"RE")
    assert (tmp_path / "up/data/sub/c.bin").read_bytes() == b"thREe"
    assert os.stat(tmp_path / "up/data").st_mtime_ns == YEAR_2001
    assert os.stat(tmp_path / "up/data/sub/c.bin").st_mtime_ns > YEAR_2001
    assert (lower / "data/sub/c.bin").read_bytes() == b"three"


def test_U6_rights_stay_when_the_bytes_change(union: WritableUnionFs, tmp_path: Path) -> None:
    union.write_bytes("data/a.bin", b"1")
    assert stat.S_IMODE(os.stat(tmp_path / "up/data/a.bin").st_mode) == 0o640
    union.truncate("data/a.bin", 0)
    assert stat.S_IMODE(os.stat(tmp_path / "up/data/a.bin").st_mode) == 0o640


def test_U6_from_an_archive_too(tmp_path: Path) -> None:
    packed = WritableUnionFs([MemoryFs(FILES)], tmp_path / "first")
    packed.commit_image(tmp_path / "base.romfs")
    with open_fs(str(tmp_path / "base.romfs")) as base:
        union = WritableUnionFs([Layer(base, "base")], tmp_path / "up")
        union.truncate("data/sub/c.bin", 3)
        with union.open("data/a.bin", "ab") as stream:
            stream.write(b"!")
        assert files(union) == {**FILES, "data/sub/c.bin": b"thr", "data/a.bin": b"one!"}


def test_U6_lower_layers_are_never_changed(union: WritableUnionFs, lower: Path) -> None:
    before = look(lower)
    union.write_bytes("data/a.bin", b"5")
    union.truncate("data/b.bin", 1)
    union.set_times("top.txt", 5)
    union.rename("data", "moved")
    union.unlink("top.txt")
    union.unlink("moved/sub/c.bin")
    union.rmdir("moved/sub")
    union.mkdir("data")
    assert look(lower) == before
    assert files(union) == {"moved/a.bin": b"5", "moved/b.bin": b"t"}


def test_U7_a_renamed_file_is_copied_and_whited_out(union: WritableUnionFs) -> None:
    union.rename("data/a.bin", "top.txt")
    assert files(union) == {"data/b.bin": b"two", "data/sub/c.bin": b"three", "top.txt": b"one"}
    assert union.provider("top.txt").source_index == 1
    assert union.explain("data/a.bin").hidden[0].reason == "whiteout"
    union.rename("top.txt", "data/a.bin")
    assert files(union) == {"data/a.bin": b"one", "data/b.bin": b"two", "data/sub/c.bin": b"three"}


def test_U7_a_renamed_merged_directory_holds_all_that_showed(union: WritableUnionFs) -> None:
    union.write_bytes("data/sub/mine.bin", b"5")
    union.unlink("data/b.bin")
    union.rename("data", "moved")
    after = {"moved/a.bin": b"one", "moved/sub/c.bin": b"three", "moved/sub/mine.bin": b"5", "top.txt": b"four"}
    assert files(union) == after
    assert names(union) == ["moved", "top.txt"]
    assert union.metadata("moved/sub/c.bin").mtime_ns == YEAR_2001
    union.mkdir("data")
    assert names(union, "data") == []


def test_U7_over_an_empty_directory_and_no_other(union: WritableUnionFs) -> None:
    union.mkdir("empty")
    union.rename("data/sub", "empty")
    assert files(union) == {"data/a.bin": b"one", "data/b.bin": b"two", "empty/c.bin": b"three", "top.txt": b"four"}
    with pytest.raises(DirectoryNotEmptyEntryError):
        union.rename("empty", "data")
    union.mkdir("data/sub")
    assert names(union, "data/sub") == []
    union.rename("data/sub", "data/new")
    assert names(union, "data") == ["a.bin", "b.bin", "new"]


def test_U7_over_one_that_was_emptied(union: WritableUnionFs) -> None:
    union.unlink("data/sub/c.bin")
    union.mkdir("new")
    union.write_bytes("new/mine", b"5")
    union.rename("new", "data/sub")
    assert files(union) == {"data/a.bin": b"one", "data/b.bin": b"two", "data/sub/mine": b"5", "top.txt": b"four"}


@pytest.mark.parametrize(
    ("old", "new", "error", "number"),
    [
        ("none", "new", EntryNotFoundError, errno.ENOENT),
        ("top.txt", "none/new", EntryNotFoundError, errno.ENOENT),
        ("top.txt", "data/a.bin/new", NotADirectoryEntryError, errno.ENOTDIR),
        ("top.txt", "top.txt/new", NotADirectoryEntryError, errno.ENOTDIR),
        ("top.txt", "data", IsADirectoryEntryError, errno.EISDIR),
        ("data", "top.txt", NotADirectoryEntryError, errno.ENOTDIR),
        ("data/sub", "data", DirectoryNotEmptyEntryError, errno.ENOTEMPTY),
        ("data/a.bin", "data", DirectoryNotEmptyEntryError, errno.ENOTEMPTY),
        ("data", "data/new", OSError, errno.EINVAL),
        ("data", "data/sub/new", OSError, errno.EINVAL),
    ],
)
def test_U7_what_cannot_be_renamed(union: WritableUnionFs, tmp_path: Path, old: str, new: str, error: type[OSError], number: int) -> None:
    with pytest.raises(error) as caught:
        union.rename(old, new)
    assert caught.value.errno == number
    assert files(union) == FILES
    assert os.listdir(tmp_path / "up") == []


def test_U7_to_its_own_name_is_nothing(union: WritableUnionFs, tmp_path: Path) -> None:
    union.rename("data", "/data/")
    union.rename("top.txt", "./top.txt")
    assert os.listdir(tmp_path / "up") == []


def test_U8_a_listing_is_a_stable_snapshot(union: WritableUnionFs) -> None:
    listing = union.read_dir("data")
    union.unlink("data/a.bin")
    union.write_bytes("data/new.bin", b"")
    assert [entry.name for entry in listing] == ["a.bin", "b.bin", "sub"]
    seen = []
    for entry in union.read_dir("data"):
        seen.append(entry.name)
        union.rename(f"data/{entry.name}", f"data/{entry.name}.old")
    assert seen == ["b.bin", "new.bin", "sub"]
    assert names(union, "data") == ["b.bin.old", "new.bin.old", "sub.old"]


WRITES: list[Callable[[WritableUnionFs], object]] = [
    lambda union: union.open("top.txt", "r+b"),
    lambda union: union.open("new", "wb"),
    lambda union: union.open("new", "xb"),
    lambda union: union.open("new", "ab"),
    lambda union: union.write_bytes("new", b""),
    lambda union: union.create("new"),
    lambda union: union.truncate("top.txt", 0),
    lambda union: union.unlink("top.txt"),
    lambda union: union.mkdir("new"),
    lambda union: union.rmdir("data/sub"),
    lambda union: union.rename("top.txt", "new"),
    lambda union: union.set_times("top.txt", 0),
    lambda union: union.commit("new"),
]


@pytest.mark.parametrize("write", WRITES)
def test_U11_without_an_upper_layer_nothing_is_written(lower: Path, write: Callable[[WritableUnionFs], object]) -> None:
    before = look(lower)
    union = WritableUnionFs([HostFs(lower)])
    assert union.upper is None
    with pytest.raises(ReadOnlyError, match="the union has no upper layer"):
        write(union)
    assert look(lower) == before
    assert files(union) == FILES


def test_U11_what_is_mounted_goes_below_the_upper_layer(union: WritableUnionFs) -> None:
    union.write_bytes("data/a.bin", b"mine")
    union.mount("data", MemoryFs({"a.bin": b"mounted", "b.bin": b"mounted"}), "mod")
    assert [layer.name for layer in union.layers] == ["base", "mod", "upper"]
    assert (union.read_bytes("data/a.bin"), union.read_bytes("data/b.bin")) == (b"mine", b"mounted")
    union.write_bytes("data/b.bin", b"mine too")
    assert union.read_bytes("data/b.bin") == b"mine too"
    union.unmount("mod")
    with pytest.raises(LayerError, match="is the upper layer, which stays"):
        union.unmount("upper")


@pytest.mark.parametrize("where", ["lower", "lower/data", "."])
def test_U11_the_upper_layer_lies_apart_from_those_below(tmp_path: Path, lower: Path, where: str) -> None:
    before = look(lower)
    with pytest.raises(LayerError, match="must lie apart from that of layer 'base'"):
        WritableUnionFs([Layer(UnionFs([HostFs(lower)]), "base")], tmp_path / where)
    assert look(lower) == before
    with pytest.raises(LayerError, match="another layer has this name"):
        WritableUnionFs([Layer(MemoryFs(), "upper")], tmp_path / "up")


def test_U12_what_is_written_goes_by_the_listed_spelling(tmp_path: Path, markers: Encoding) -> None:
    base = Layer(MemoryFs({"Data/A.bin": b"1", "Data/B.bin": b"2"}), "base", case="fold")
    union = WritableUnionFs([base], UpperLayer(tmp_path / "up", markers))
    union.write_bytes("data/a.bin", b"new")
    assert os.listdir(tmp_path / "up") == ["Data"]
    assert os.listdir(tmp_path / "up/Data") == ["A.bin"]
    assert [union.read_bytes(path) for path in ("Data/A.bin", "data/a.bin", "DATA/A.BIN")] == [b"new"] * 3
    union.unlink("DATA/b.BIN")
    assert [path for path, _ in union.walk()] == ["Data", "Data/A.bin"]
    union.write_bytes("data/c.bin", b"3")
    union.rename("data", "Moved")
    assert files(union) == {"Moved/A.bin": b"new", "Moved/c.bin": b"3"}
    with pytest.raises(EntryExistsError):
        union.create("MOVED/C.BIN")


def test_U12_names_that_differ_in_case_alone_stay_apart(tmp_path: Path) -> None:
    base = Layer(MemoryFs({"A.bin": b"1"}), "base", case="fold")
    other = Layer(MemoryFs({"a.bin": b"2"}), "other")
    union = WritableUnionFs([base, other], tmp_path / "up")
    assert files(union) == {"A.bin": b"1", "a.bin": b"2"}
    union.write_bytes("A.bin", b"3")
    assert files(union) == {"A.bin": b"3", "a.bin": b"2"}
    union.unlink("A.bin")
    assert files(union) == {"a.bin": b"2"}


def test_U12_writing_many_files_lists_no_directory_each_time(tmp_path: Path, lower: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    union = WritableUnionFs([Layer(HostFs(lower), "base", case="fold")], tmp_path / "up")
    listed: list[str] = []
    read_dir = HostFs.read_dir

    def counted(fs: HostFs, path: PathType = "", /) -> list[DirEntry]:
        listed.append(str(path))
        return read_dir(fs, path)

    union.write_bytes("DATA/first", b"1")
    time.sleep(0.11)  # What changed a moment ago is looked at again: the lower folder was just made.
    union.exists("data/sub/c.bin")
    monkeypatch.setattr(HostFs, "read_dir", counted)
    for number in range(50):
        union.write_bytes(f"Data/{number}", b"1")
        union.rename(f"dAta/{number}", f"daTa/{number}.moved")
    assert len(listed) <= 4
    union.unlink("data/A.BIN")
    assert names(union, "data") == sorted(["b.bin", "first", "sub", *(f"{number}.moved" for number in range(50))])


@pytest.mark.parametrize("path", ["../evil", "/../../evil", "data/../../evil", "a/../../evil"])
def test_U13_no_path_leaves_the_union(union: WritableUnionFs, tmp_path: Path, path: str) -> None:
    union.write_bytes(path, b"5")
    assert sorted(os.listdir(tmp_path)) == ["lower", "up"]
    assert (tmp_path / "up/evil").read_bytes() == b"5"


@pytest.mark.parametrize("name", [".wh.a", ".wh..wh..opq", ".wh..wh.x", ".wh.", "nul\0", "x" * 252, "é" * 126, "d/" * 2048 + "x", "\ud800"])
def test_U13_a_name_that_the_upper_layer_cannot_hold_is_refused(union: WritableUnionFs, tmp_path: Path, name: str) -> None:
    writes: list[Callable[[], object]] = [
        lambda: union.write_bytes(name, b""),
        lambda: union.create(f"data/{name}"),
        lambda: union.mkdir(f"{name}/a", parents=True),
        lambda: union.rename("top.txt", name),
        lambda: union.rename("data", name),
        lambda: union.open(name, "wb"),
    ]
    for write in writes:
        with pytest.raises(UnsafePathError):
            write()
    assert files(union) == FILES
    assert os.listdir(tmp_path / "up") == []


def test_U13_so_is_a_directory_with_such_a_name_in_it(tmp_path: Path) -> None:
    union = WritableUnionFs([Layer(MemoryFs({"d/.wh.x": b"1", "d/y": b"2"}), "base", markers=False)], tmp_path / "up")
    with pytest.raises(UnsafePathError, match=r"begins with '\.wh\.', as markers do"):
        union.rename("d", "e")
    assert os.listdir(tmp_path / "up") == []
    assert union.read_bytes("d/.wh.x") == b"1"


def test_U13_and_one_with_a_path_in_it_that_is_too_long(tmp_path: Path) -> None:
    deep = "/".join(["x" * 250, *["d" * 200] * 19])
    union = WritableUnionFs([MemoryFs({f"{deep}/y": b"1"})], tmp_path / "up")
    union.mkdir("z")
    with pytest.raises(UnsafePathError, match="the path is too long"):
        union.rename("x" * 250, "z/short")
    assert os.listdir(tmp_path / "up") == ["z"]
    assert union.read_bytes(f"{deep}/y") == b"1"


def test_U13_the_longest_name_that_goes(union: WritableUnionFs) -> None:
    union.write_bytes("x" * 251, b"1")
    union.unlink("x" * 251)
    assert files(union) == FILES


def test_U15_a_commit_is_a_layer_that_shows_the_same(union: WritableUnionFs, lower: Path, tmp_path: Path) -> None:
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    union.mkdir("data/sub")
    union.write_bytes("data/sub/new", b"5")
    union.unlink("data/b.bin")
    union.rename("top.txt", "moved.txt")
    after = {"data/a.bin": b"one", "data/sub/new": b"5", "moved.txt": b"four"}
    union.commit(tmp_path / "layer")
    assert files(union) == after
    assert files(UnionFs([HostFs(lower), HostFs(tmp_path / "layer")])) == after
    assert os.stat(tmp_path / "layer/moved.txt").st_mtime_ns == YEAR_2001
    on_top = WritableUnionFs([HostFs(lower), HostFs(tmp_path / "layer")], tmp_path / "next")
    on_top.write_bytes("data/sub/c.bin", b"back")
    assert files(on_top) == {**after, "data/sub/c.bin": b"back"}


def test_U15_an_image_is_what_shows(union: WritableUnionFs, tmp_path: Path) -> None:
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    union.mkdir("data/sub")
    union.mkdir("empty")
    union.unlink("data/b.bin")
    union.write_bytes("data/sub/new", b"5" * 100)
    size = union.commit_image(tmp_path / "merged.romfs")
    assert os.path.getsize(tmp_path / "merged.romfs") == size
    with open_fs(str(tmp_path / "merged.romfs")) as image:
        assert files(image) == {"data/a.bin": b"one", "data/sub/new": b"5" * 100, "top.txt": b"four"}
        assert image.read_dir("empty") == []
    assert RomFs(str(tmp_path / "merged.romfs")).read_bytes("data/a.bin") == b"one"


def test_U16_a_commit_that_fails_leaves_nothing(union: WritableUnionFs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    union.write_bytes("data/a.bin", b"5")
    (tmp_path / "there").write_bytes(b"old")
    with pytest.raises(EntryExistsError):
        union.commit(tmp_path / "there")
    with pytest.raises(UnsafePathError, match="lies in layer 'upper'"):
        union.commit(tmp_path / "up/layer")
    with pytest.raises(UnsafePathError, match="lies in layer 'base'"):
        union.commit_image(tmp_path / "lower/image")
    with pytest.raises(UnsafePathError, match="NUL"):
        union.commit("a\0b")
    fill_up(monkeypatch, 0)
    with pytest.raises(OSError, match="No space left") as caught:
        union.commit(tmp_path / "layer")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        union.commit_image(tmp_path / "there")
    assert sorted(os.listdir(tmp_path)) == ["lower", "there", "up"]
    assert (tmp_path / "there").read_bytes() == b"old"


def test_U17_closing_closes_owned_layers_and_no_others(tmp_path: Path) -> None:
    closed: list[str] = []

    class Noted(MemoryFs):
        def close(self) -> None:
            closed.append(self.read_bytes("name").decode())

    layers = [Layer(Noted({"name": name.encode()}), name, owned=name == "mine") for name in ("mine", "yours")]
    with WritableUnionFs(layers, tmp_path / "up") as union:
        union.write_bytes("a", b"1")
    assert closed == ["mine"]
    assert union.read_bytes("a") == b"1"


# Streams


def test_O9_writing_flush_and_metadata(union: WritableUnionFs) -> None:
    with union.open("data/new.bin", "wb") as stream:
        assert isinstance(stream, WritableFile)
        assert (stream.readable(), stream.writable(), stream.seekable(), stream.name, stream.mode) == (
            False,
            True,
            True,
            "data/new.bin",
            "wb",
        )
        assert stream.write(b"12345") == 5
        stream.flush()
        assert (stream.tell(), stream.size) == (5, 5)
        assert stream.seek(1) == 1
        stream.write(memoryview(b"ab"))
        with pytest.raises(io.UnsupportedOperation):
            stream.read()
    assert union.read_bytes("data/new.bin") == b"1ab45"
    assert union.metadata("data/new.bin").size == 5
    union.set_times("data/new.bin", YEAR_2001, 7)
    union.set_times("data", YEAR_2001)
    assert union.metadata("data/new.bin").mtime_ns == YEAR_2001
    assert union.metadata("data").mtime_ns == YEAR_2001


def test_O9_readers_see_the_old_bytes_until_close_and_as_long_as_they_like(union: WritableUnionFs) -> None:
    for data in (b"first", b"second"):  # Over a lower file, and over one in the upper layer.
        old = union.read_bytes("data/a.bin")
        early, storage = union.open("data/a.bin"), union.storage("data/a.bin")
        with union.open("data/a.bin", "wb") as stream:
            stream.write(data)
            assert union.read_bytes("data/a.bin") == old
            assert union.metadata("data/a.bin").size == len(old)
        assert union.read_bytes("data/a.bin") == data
        assert (early.read(), bytes(storage[:])) == (old, old)


def test_O9_updating_reads_and_writes(union: WritableUnionFs, tmp_path: Path) -> None:
    with union.open("data/sub/c.bin", "r+b") as stream:
        assert stream.read(2) == b"th"
        assert os.listdir(tmp_path / "up") == []
        assert stream.write(b"RE!") == 3
        assert stream.read() == b""
        stream.seek(0)
        assert stream.read() == b"thRE!"
        stream.seek(2, os.SEEK_END)
        stream.write(b"x")
        assert stream.truncate(9) == 9
        assert stream.seek(-4, os.SEEK_END) == 5
        buffer = bytearray(10)
        assert (stream.readinto(buffer), bytes(buffer[:4])) == (4, b"\0\0x\0")
        stream.seek(1)
        stream.truncate()
    assert union.read_bytes("data/sub/c.bin") == b"t"


@pytest.mark.parametrize("mode", ["ab", "a+b", "ba+"])
def test_O9_appending_writes_at_the_end_wherever_the_cursor_is(union: WritableUnionFs, mode: str) -> None:
    with union.open("data/a.bin", mode) as stream:
        assert stream.tell() == 3
        stream.seek(0)
        stream.write(b"!")
        stream.seek(1)
        stream.write(b"?")
        if "+" in mode:
            stream.seek(0)
            assert stream.read() == b"one!?"
    with union.open("data/new", mode):
        pass
    assert (union.read_bytes("data/a.bin"), union.read_bytes("data/new")) == (b"one!?", b"")


def test_O9_a_stream_that_changes_nothing_copies_nothing(union: WritableUnionFs, tmp_path: Path) -> None:
    for mode in ("r+b", "ab"):
        with union.open("data/a.bin", mode) as stream:
            assert stream.write(b"") == 0
    assert os.listdir(tmp_path / "up") == []


def test_O9_exclusive_creation(union: WritableUnionFs) -> None:
    for path in ("top.txt", "data"):
        with pytest.raises(EntryExistsError):
            union.open(path, "xb")
        with pytest.raises(EntryExistsError):
            union.create(path)
    with union.open("new", "x+b") as stream:
        stream.write(b"12")
        stream.seek(0)
        assert stream.read() == b"12"
    stream = union.open("race", "xb")
    union.create("race")
    stream.write(b"lost")
    with pytest.raises(EntryExistsError):
        stream.close()
    assert union.read_bytes("race") == b""


def test_O9_a_stream_whose_directory_went_gives_up(union: WritableUnionFs, tmp_path: Path) -> None:
    union.mkdir("d")
    first, second = union.open("d/file", "wb"), union.open("top.txt", "wb")
    union.rmdir("d")
    union.unlink("top.txt")
    union.mkdir("top.txt")
    with pytest.raises(EntryNotFoundError):
        first.close()
    with pytest.raises(IsADirectoryEntryError):
        second.close()
    assert first.closed
    first.close()
    assert names(union) == ["data", "top.txt"]
    assert not [name for name in os.listdir(tmp_path / "up") if name.startswith(".wh..wh.")]


def test_O9_what_cannot_be_opened(union: WritableUnionFs, tmp_path: Path) -> None:
    for mode in ("r+b", "wb", "ab"):
        with pytest.raises(IsADirectoryEntryError):
            union.open("data", mode)
        with pytest.raises(EntryNotFoundError):
            union.open("none/new", mode)
        with pytest.raises(NotADirectoryEntryError):
            union.open("top.txt/new", mode)
        with pytest.raises(IsADirectoryEntryError):
            union.open("", mode)
    with pytest.raises(EntryNotFoundError):
        union.open("new", "r+b")
    for mode in ("r", "w", "rw", "rwb", "bb", "", "rb++", "tb"):
        with pytest.raises(ValueError, match="mode must be"):
            union.open("top.txt", mode)
    assert os.listdir(tmp_path / "up") == []


def test_O9_reading_is_as_before(union: WritableUnionFs) -> None:
    with union.open("top.txt") as plain, union.open("top.txt", "rb") as said:
        assert (type(plain), type(said)) == (StorageFile, StorageFile)
        assert plain.read() == said.read() == b"four"


def test_O9_a_with_block_left_by_an_error_gives_up(union: WritableUnionFs, tmp_path: Path) -> None:
    def half() -> None:
        with union.open("top.txt", "wb") as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    stream = union.open("new", "wb")
    assert isinstance(stream, WritableFile)
    stream.discard()
    assert files(union) == FILES
    assert os.listdir(tmp_path / "up") == []


def test_O9_a_closed_stream_says_so(union: WritableUnionFs) -> None:
    stream = union.open("top.txt", "r+b")
    assert isinstance(stream, WritableFile)
    stream.close()
    assert "closed" in repr(stream)
    calls: list[Callable[[], object]] = [
        lambda: stream.write(b"1"),
        stream.read,
        lambda: stream.seek(0),
        stream.tell,
        stream.truncate,
        stream.readable,
        stream.writable,
        stream.seekable,
        lambda: stream.size,
    ]
    for call in calls:
        with pytest.raises(ClosedError):
            call()


def test_O9_numbers_no_file_can_have(union: WritableUnionFs) -> None:
    with union.open("top.txt", "r+b") as stream:
        for whence, offset in ((0, -1), (0, 1 << 63), (3, 0)):
            with pytest.raises(ValueError, match=r"seek position|whence"):
                stream.seek(offset, whence)
        for size, number in ((-1, errno.EINVAL), (1 << 63, errno.EFBIG)):
            with pytest.raises(OSError, match=r"top\.txt") as caught:
                stream.truncate(size)
            assert caught.value.errno == number
            with pytest.raises(OSError, match=r"top\.txt") as caught:
                union.truncate("top.txt", size)
            assert caught.value.errno == number
        stream.seek((1 << 63) - 1)
        with pytest.raises(OSError, match=r"top\.txt") as caught:
            stream.write(b"1")
        assert caught.value.errno == errno.EFBIG
    assert files(union) == FILES


def test_O9_other_libraries_write_to_it(union: WritableUnionFs) -> None:
    with union.open("mod.zip", "w+b") as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "hello")
    with union.open("mod.zip", "r+b") as stream, zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("b.txt", "again")
    with union.open("mod.zip") as stream, zipfile.ZipFile(stream) as archive:
        assert (archive.read("a.txt"), archive.read("b.txt")) == (b"hello", b"again")
    raw = union.open("data/new.txt", "wb")
    assert isinstance(raw, WritableFile)
    with io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8") as text:
        text.write("grüß")
    assert union.read_bytes("data/new.txt") == "grüß".encode()


def test_O9_concurrent_writers_and_readers(union: WritableUnionFs) -> None:
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for turn in range(10):
            union.write_bytes("data/a.bin", bytes([number]) * 1000)
            assert len(set(union.read_bytes("data/a.bin"))) == 1
            union.mkdir(f"d/{number}/{turn}", parents=True)
            union.write_bytes(f"d/{number}/{turn}/x", b"1")
            union.rename(f"d/{number}/{turn}", f"d/{number}-{turn}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(names(union, "d")) == 4 + 40


# Directories and the root


def test_mkdir_makes_parents_if_asked(union: WritableUnionFs) -> None:
    with pytest.raises(EntryNotFoundError, match="'x/y'"):
        union.mkdir("x/y")
    union.mkdir("x/y/z", parents=True)
    assert [path for path, _ in union.walk("x")] == ["y", "y/z"]
    union.mkdir("x/y/z", parents=True, exist_ok=True)
    for path in ("x", "data/sub", "top.txt", ""):
        with pytest.raises(EntryExistsError):
            union.mkdir(path)
    with pytest.raises(EntryExistsError):
        union.mkdir("top.txt", exist_ok=True)
    with pytest.raises(NotADirectoryEntryError):
        union.mkdir("top.txt/a/b", parents=True)
    union.mkdir("", exist_ok=True)


def test_the_root_stays(union: WritableUnionFs) -> None:
    writes: list[Callable[[], object]] = [
        lambda: union.rmdir("/"),
        lambda: union.rename("", "new"),
        lambda: union.rename("data", "/."),
    ]
    for write in writes:
        with pytest.raises((UnsafePathError, DirectoryNotEmptyEntryError)):
            write()
    with pytest.raises(IsADirectoryEntryError):
        union.unlink("")
    assert files(union) == FILES


def test_an_empty_union_is_an_empty_disk(tmp_path: Path, markers: Encoding) -> None:
    union = WritableUnionFs(upper=UpperLayer(tmp_path / "up", markers))
    union.mkdir("a/b", parents=True)
    union.write_bytes("a/b/c", b"1")
    union.rename("a/b", "d")
    union.rmdir("a")
    assert files(union) == {"d/c": b"1"}
    assert sorted(os.listdir(tmp_path / "up/d")) == ([".wh..wh..opq", "c"] if markers == "oci" else ["c"])


# A full disk


def fill_up(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let the disk have room for so many bytes."""
    left = [room]
    write, copy = os.write, getattr(os, "copy_file_range", None)

    def taken(count: int) -> int:
        count = min(count, left[0])
        left[0] -= count
        if not count:
            raise OSError(errno.ENOSPC, "No space left on device")
        return count

    def limited_write(number: int, data: bytes) -> int:
        return write(number, memoryview(data)[: taken(len(data))])

    def limited_copy(source: int, target: int, count: int, *offsets: int) -> int:
        assert copy is not None
        return int(copy(source, target, taken(count), *offsets))

    monkeypatch.setattr(os, "write", limited_write)
    if copy is not None:
        monkeypatch.setattr(os, "copy_file_range", limited_copy)


def stream_write(union: WritableUnionFs) -> None:
    with union.open("data/a.bin", "r+b") as stream:
        stream.seek(0, os.SEEK_END)
        stream.write(bytes(100))


def caught_write(union: WritableUnionFs) -> None:
    """The error is swallowed in the block; the file must not be half new all the same."""
    stream = union.open("data/a.bin", "wb")
    try:
        stream.write(bytes(100))
    finally:
        stream.close()


@pytest.mark.parametrize("room", [0, 1, 2, 3, 5, 10])
@pytest.mark.parametrize(
    "write",
    [
        lambda union: union.write_bytes("data/a.bin", bytes(100)),
        lambda union: union.rename("data", "moved"),
        stream_write,
        caught_write,
    ],
)
def test_a_full_disk_loses_nothing(
    union: WritableUnionFs, lower: Path, tmp_path: Path, room: int, write: Callable[[WritableUnionFs], object]
) -> None:
    before = look(lower)
    with pytest.MonkeyPatch.context() as monkeypatch:
        fill_up(monkeypatch, room)
        with pytest.raises(OSError, match="No space left on device") as caught:
            write(union)
    assert caught.value.filename
    assert not caught.value.filename.startswith(str(tmp_path))
    assert files(union) == FILES
    assert look(lower) == before
    assert not [name for name in os.listdir(tmp_path / "up") if name.startswith(".wh..wh.")]
    write(union)
    assert files(union) != FILES


def test_readers_of_a_folding_union_are_not_disturbed_by_its_writer(tmp_path: Path) -> None:
    union = WritableUnionFs([Layer(MemoryFs({"base": b""}), "base", case="fold")], upper=tmp_path / "upper")
    stop = threading.Event()
    wrong: list[Exception] = []

    def read() -> None:
        while not stop.is_set():
            try:
                union.read_dir("")
                union.exists("FILE3")
            except Exception as error:  # noqa: BLE001 - whatever it is.
                wrong.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(300):
        union.write_bytes(f"file{number}", b"")
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_U15_an_image_never_takes_the_place_of_a_layer(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("a", "1")
    before = (tmp_path / "m.zip").read_bytes()
    union = WritableUnionFs([Layer(ZipFs(tmp_path / "m.zip"), "zip")], upper=tmp_path / "upper")
    (tmp_path / "link.zip").symlink_to("m.zip")
    for target in ("m.zip", "link.zip", "upper/image"):
        with pytest.raises(UnsafePathError, match="is or lies in layer"):
            union.commit_image(tmp_path / target)
    assert (tmp_path / "m.zip").read_bytes() == before
