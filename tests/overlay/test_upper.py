"""The upper layer as it lies on the host: markers in both encodings to the letter, copies, and links that lead nowhere good."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import (
    DirectoryNotEmptyEntryError,
    EntryNotFoundError,
    HostFs,
    Layer,
    LayerError,
    MemoryFs,
    NotADirectoryEntryError,
    StorageBase,
    UnionFs,
    UnsafePathError,
)
from oboromi_fs.base import FileSystemBase
from oboromi_fs.overlay.markers import Encoding, read_marked
from oboromi_fs.overlay.upper import UpperLayer
from oboromi_fs.overlay.writable import WritableUnionFs
from oboromi_fs.protocols import DirEntry, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENCODINGS: tuple[Encoding, ...] = ("oci", "overlayfs")
LOWER = {"data/a.bin": b"1", "data/b.bin": b"2", "data/sub/c.bin": b"3", "top.txt": b"4"}


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
        os.removexattr(folder, "user.test")
    except (AttributeError, OSError):
        return False
    return True


@pytest.fixture
def attributes(tmp_path: Path) -> None:
    if not has_attributes(tmp_path):
        pytest.skip("no extended attributes in this folder")


@pytest.fixture(params=ENCODINGS)
def markers(request: pytest.FixtureRequest, tmp_path: Path) -> Encoding:
    if request.param == "overlayfs" and not has_attributes(tmp_path):
        pytest.skip("no extended attributes in this folder")
    encoding: Encoding = request.param
    return encoding


def over(upper: Path, markers: Encoding = "oci", files: dict[str, bytes] = LOWER) -> WritableUnionFs:
    return WritableUnionFs([Layer(MemoryFs(files), "base")], UpperLayer(upper, markers))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def shown(union: UnionFs) -> list[str]:
    return [path for path, entry in union.walk() if entry.kind == "file"]


# Markers to the letter


def test_U3_a_whiteout_of_oci_is_an_empty_file(tmp_path: Path) -> None:
    over(tmp_path / "up").unlink("data/a.bin")
    assert names(tmp_path / "up") == ["data"]
    assert names(tmp_path / "up/data") == [".wh.a.bin"]
    assert (tmp_path / "up/data/.wh.a.bin").read_bytes() == b""


@pytest.mark.usefixtures("attributes")
def test_U3_a_whiteout_of_overlayfs_is_a_device(tmp_path: Path) -> None:
    over(tmp_path / "up", "overlayfs").unlink("data/a.bin")
    assert names(tmp_path / "up/data") == ["a.bin"]
    found = os.lstat(tmp_path / "up/data/a.bin")
    if not stat.S_ISCHR(found.st_mode):
        pytest.skip("this host lets us make no such device")
    assert found.st_rdev == 0


@pytest.mark.usefixtures("attributes")
def test_U3_where_no_device_can_be_made_a_whiteout_is_an_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "mknod", refuse)
    union = over(tmp_path / "up", "overlayfs")
    union.unlink("data/a.bin")
    union.unlink("top.txt")
    found = os.lstat(tmp_path / "up/data/a.bin")
    assert stat.S_ISREG(found.st_mode)
    assert found.st_size == 0
    assert os.getxattr(tmp_path / "up/data/a.bin", "user.overlay.whiteout") == b"y"
    assert os.getxattr(tmp_path / "up/data", "user.overlay.opaque") == b"x"  # Look for such files here; the directory is not opaque.
    assert shown(union) == ["data/b.bin", "data/sub/c.bin"]


def test_U3_another_error_than_no_devices_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, markers: Encoding) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    union = over(tmp_path / "up", markers)
    monkeypatch.setattr(os, "mknod", refuse)
    if markers == "overlayfs":
        with pytest.raises(OSError, match="No space"):
            union.unlink("data/a.bin")
    assert union.exists("data/a.bin")


def test_U4_an_opaque_directory_of_oci_has_a_marker_in_it(tmp_path: Path) -> None:
    union = over(tmp_path / "up")
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    assert names(tmp_path / "up/data") == [".wh.sub"]
    union.mkdir("data/sub")
    assert names(tmp_path / "up/data") == ["sub"]
    assert names(tmp_path / "up/data/sub") == [".wh..wh..opq"]


@pytest.mark.usefixtures("attributes")
def test_U4_an_opaque_directory_of_overlayfs_has_an_attribute(tmp_path: Path) -> None:
    union = over(tmp_path / "up", "overlayfs")
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    union.mkdir("data/sub")
    assert names(tmp_path / "up/data") == ["sub"]
    assert names(tmp_path / "up/data/sub") == []
    assert os.getxattr(tmp_path / "up/data/sub", "user.overlay.opaque") == b"y"
    assert not union.exists("data/sub/c.bin")


def plain_whiteout(folder: Path, name: str) -> None:
    (folder / f".wh.{name}").write_bytes(b"")


def device_whiteout(folder: Path, name: str) -> None:
    try:
        os.mknod(folder / name, stat.S_IFCHR, 0)
    except (AttributeError, OSError):
        pytest.skip("this host lets us make no such device")


def attribute_whiteout(namespace: str, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    try:
        os.setxattr(folder / name, f"{namespace}.overlay.whiteout", b"y")
    except (AttributeError, OSError):
        pytest.skip(f"no attributes in {namespace} for us here")


@pytest.mark.parametrize("encoding", ["oci", "device", "user", "trusted"])
def test_U3_every_whiteout_is_read_and_none_listed(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "up").mkdir()
    if encoding in ("user", "trusted"):
        attribute_whiteout(encoding, tmp_path / "up", "data")
    else:
        {"oci": plain_whiteout, "device": device_whiteout}[encoding](tmp_path / "up", "data")
    union = over(tmp_path / "up")
    assert shown(union) == ["top.txt"]
    assert not union.exists("data/a.bin")
    assert shown(UnionFs([MemoryFs(LOWER), HostFs(tmp_path / "up")])) == ["top.txt"]


@pytest.mark.parametrize("encoding", ["oci", "user", "trusted"])
def test_U4_every_opaque_directory_is_read(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "up" / "data"
    folder.mkdir(parents=True)
    if encoding == "oci":
        (folder / ".wh..wh..opq").write_bytes(b"")
    else:
        try:
            os.setxattr(folder, f"{encoding}.overlay.opaque", b"y")
        except (AttributeError, OSError):
            pytest.skip(f"no attributes in {encoding} for us here")
    assert shown(over(tmp_path / "up")) == ["top.txt"]


@pytest.mark.usefixtures("attributes")
def test_U4_one_opaque_attribute_of_two_is_enough(tmp_path: Path) -> None:
    folder = tmp_path / "up" / "data"
    folder.mkdir(parents=True)
    os.setxattr(folder, "user.overlay.opaque", b"x")
    assert shown(over(tmp_path / "up")) == ["data/a.bin", "data/b.bin", "data/sub/c.bin", "top.txt"]
    try:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    except OSError:
        pytest.skip("no attributes in trusted for us here")
    assert shown(over(tmp_path / "up")) == ["top.txt"]


def test_a_marker_beside_what_it_names_takes_effect_when_that_goes(tmp_path: Path) -> None:
    """What an operation that was cut short may leave."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up/.wh.top.txt").write_bytes(b"")
    (tmp_path / "up/top.txt").write_bytes(b"up")
    (tmp_path / "up/.wh..wh.oboromi-0123").write_bytes(b"half")
    union = over(tmp_path / "up")
    assert union.read_bytes("top.txt") == b"up"
    assert [entry.name for entry in union.read_dir()] == ["data", "top.txt"]
    assert not union.exists(".wh..wh.oboromi-0123")
    os.unlink(tmp_path / "up/top.txt")
    assert not union.exists("top.txt")
    union.write_bytes("top.txt", b"new")
    assert names(tmp_path / "up") == [".wh..wh.oboromi-0123", "top.txt"]


@pytest.mark.usefixtures("attributes")
def test_overlayfs_finds_no_marker_of_oci(tmp_path: Path) -> None:
    """They stand in while something is done; what was left of that is cleared up by the next to come."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up/top.txt").write_bytes(b"up")
    (tmp_path / "up/.wh.top.txt").write_bytes(b"")
    union = over(tmp_path / "up", "overlayfs")
    union.unlink("top.txt")
    assert names(tmp_path / "up") == ["top.txt"]
    union.mkdir("top.txt")
    union.rename("data", "top.txt")
    union.mkdir("data")
    union.rmdir("data")
    union.rename("top.txt", "moved")
    assert names(tmp_path / "up") == ["data", "moved", "top.txt"]
    assert names(tmp_path / "up/moved") == ["a.bin", "b.bin", "sub"]


def test_what_an_opaque_directory_hides_needs_no_whiteout(tmp_path: Path, markers: Encoding) -> None:
    union = over(tmp_path / "up", markers)
    union.rename("data", "moved")
    union.mkdir("data")
    for path in ("data/a.bin", "moved/a.bin", "moved/new"):
        union.write_bytes(path, b"5")
        union.unlink(path)
    inside = [".wh..wh..opq"] if markers == "oci" else []
    assert names(tmp_path / "up/data") == inside
    assert names(tmp_path / "up/moved") == [*inside, "b.bin", "sub"]


# Copies


class Endless(StorageBase):
    """Many bytes that are nowhere; the most that were asked for at once."""

    most = 0

    def __init__(self, size: int) -> None:
        self._size = size

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        Endless.most = max(Endless.most, len(target))
        target[:1] = b"!"


class EndlessFs(FileSystemBase):
    kind = "Endless"

    def _read_dir(self, path: str) -> list[DirEntry]:
        return [] if path else [DirEntry("big", "file", 24 << 20)]

    def _metadata(self, path: str) -> Metadata:
        if path not in ("", "big"):
            raise EntryNotFoundError(path)
        return Metadata("file", 24 << 20, 1_500_000_000_000_000_000) if path else Metadata("directory", 0)

    def _storage(self, path: str) -> Endless:
        del path
        return Endless(24 << 20)


def test_U6_copying_up_needs_little_memory(tmp_path: Path) -> None:
    union = WritableUnionFs([EndlessFs()], tmp_path / "up")
    with union.open("big", "r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"?")
    assert os.path.getsize(tmp_path / "up/big") == 24 << 20
    assert (tmp_path / "up/big").read_bytes()[-1:] == b"?"
    assert 0 < Endless.most <= 4 << 20


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="this host has no such call")
def test_U6_host_files_are_copied_inside_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "low").mkdir()
    (tmp_path / "low/a").write_bytes(bytes(range(256)) * 4000)
    calls: list[int] = []
    copy = os.copy_file_range

    def counted(source: int, target: int, count: int, *offsets: int) -> int:
        calls.append(count)
        return copy(source, target, count, *offsets)

    monkeypatch.setattr(os, "copy_file_range", counted)
    union = WritableUnionFs([HostFs(tmp_path / "low")], tmp_path / "up")
    union.rename("a", "b")
    assert calls == [256 * 4000]
    assert (tmp_path / "up/b").read_bytes() == (tmp_path / "low/a").read_bytes()


def test_a_split_archive_in_the_upper_layer_is_the_files_that_were_written(tmp_path: Path) -> None:
    union = over(tmp_path / "up")
    for name, data in (("game.xc0", b"1"), ("game.xc1", b"2")):
        union.write_bytes(name, data)
        assert union.read_bytes(name) == data
    union.mkdir("game.nsp")
    union.write_bytes("game.nsp/00", b"3")
    assert [(entry.name, entry.kind) for entry in union.read_dir()] == [
        ("data", "directory"),
        ("game.nsp", "directory"),
        ("game.xc0", "file"),
        ("game.xc1", "file"),
        ("top.txt", "file"),
    ]


# Links


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "up").mkdir()
    return tmp_path / "outside"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_U13_no_link_in_the_upper_layer_leads_a_writer_out(tmp_path: Path, outside: Path, markers: Encoding) -> None:
    os.symlink(outside, tmp_path / "up/data")
    os.symlink(outside / "secret", tmp_path / "up/top.txt")
    union = over(tmp_path / "up", markers)
    assert union.read_bytes("data/a.bin") == b"1"
    assert union.read_bytes("top.txt") == b"4"
    writes: list[Callable[[], object]] = [
        lambda: union.write_bytes("data/a.bin", b"evil"),
        lambda: union.unlink("data/a.bin"),
        lambda: union.mkdir("data/new"),
        lambda: union.rename("data", "elsewhere"),
        lambda: union.rename("top.txt", "data/top"),
        lambda: union.set_times("data", 0),
    ]
    for write in writes:
        with pytest.raises(UnsafePathError, match="unsafe path 'data"):
            write()
    union.write_bytes("top.txt", b"new")  # Takes the place of the link.
    assert (tmp_path / "up/top.txt").read_bytes() == b"new"
    assert not (tmp_path / "up/top.txt").is_symlink()
    assert names(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert union.read_bytes("data/a.bin") == b"1"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_U13_links_inside_the_upper_layer_are_read_and_not_written_through(tmp_path: Path, outside: Path) -> None:
    del outside
    (tmp_path / "up/real").mkdir()
    (tmp_path / "up/real/x").write_bytes(b"x")
    os.symlink("real", tmp_path / "up/link")
    os.symlink("real/x", tmp_path / "up/file")
    union = over(tmp_path / "up")
    assert union.read_bytes("link/x") == b"x"
    with pytest.raises(UnsafePathError, match="'link' on the way to it is no directory of its own"):
        union.write_bytes("link/x", b"y")
    union.write_bytes("file", b"z")
    assert (tmp_path / "up/real/x").read_bytes() == b"x"
    union.unlink("file")
    assert not os.path.lexists(tmp_path / "up/file")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets here that are files")
def test_what_is_not_shown_is_not_removed_with_its_directory(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, markers: Encoding
) -> None:
    del outside
    (tmp_path / "up/new").mkdir()
    monkeypatch.chdir(tmp_path / "up/new")  # A socket's path must be short.
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    union = over(tmp_path / "up", markers)
    assert union.read_dir("new") == []
    with pytest.raises(DirectoryNotEmptyEntryError, match="'socket' in it is not shown"):
        union.rmdir("new")
    union.mkdir("other")
    with pytest.raises(DirectoryNotEmptyEntryError, match="'socket' in it is not shown"):
        union.rename("other", "new")
    with pytest.raises(UnsafePathError, match="is something there that is no directory, and not shown"):
        union.mkdir("new/socket")
    with pytest.raises(UnsafePathError, match="is something there that is no directory, and not shown"):
        union.rename("other", "new/socket")
    assert names(tmp_path / "up/new") == ["socket"]
    assert [entry.name for entry in union.read_dir()] == ["data", "new", "other", "top.txt"]


# Opening


def test_the_folder_is_made_and_its_parent_is_not(tmp_path: Path) -> None:
    assert UpperLayer(tmp_path / "up").folder == os.path.realpath(tmp_path / "up")
    assert (tmp_path / "up").is_dir()
    with pytest.raises(FileNotFoundError):
        UpperLayer(tmp_path / "no/up")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryEntryError):
        UpperLayer(tmp_path / "file")
    with pytest.raises(UnsafePathError, match="NUL"):
        UpperLayer("a\0b")


def test_another_encoding_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LayerError, match="markers is 'oci' or 'overlayfs', not 'aufs'"):
        UpperLayer(tmp_path / "up", "aufs")  # type: ignore[arg-type]  # That is the point.
    monkeypatch.delattr(os, "setxattr", raising=False)
    with pytest.raises(LayerError, match="markers='oci' works everywhere"):
        UpperLayer(tmp_path / "up", "overlayfs")


def test_U15_a_commit_holds_the_markers_in_the_encoding_that_is_asked_for(tmp_path: Path, markers: Encoding) -> None:
    union = over(tmp_path / "up", markers)
    union.unlink("data/sub/c.bin")
    union.rmdir("data/sub")
    union.mkdir("data/sub")
    union.unlink("top.txt")
    union.write_bytes("data/new", b"5")
    for other in ENCODINGS:
        if other == "overlayfs" and not has_attributes(tmp_path):
            continue
        target = tmp_path / f"as {other}"
        union.commit(target, other)
        again = read_marked(HostFs(target), "")
        assert ([entry.name for entry in again.entries], again.whiteouts, again.opaque) == (["data"], {"top.txt"}, False)
        assert read_marked(HostFs(target), "data/sub") == ([], set(), True)
        assert names(target) == ([".wh.top.txt", "data"] if other == "oci" else ["data", "top.txt"])
        assert names(target / "data/sub") == ([".wh..wh..opq"] if other == "oci" else [])
        assert shown(UnionFs([MemoryFs(LOWER), HostFs(target)])) == ["data/a.bin", "data/b.bin", "data/new"]
