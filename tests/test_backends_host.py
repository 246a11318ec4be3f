from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from oboromi_fs import DirEntry, EntryNotFoundError, HostFs, IsADirectoryEntryError, NotADirectoryEntryError, UnsafePathError

posix = pytest.mark.skipif(os.name == "nt", reason="special files and names of POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"a")
    (root / "sub" / "b.bin").write_bytes(b"bb")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "secret").write_bytes(b"secret")
    return root


def names(fs: HostFs, path: str = "") -> list[str]:
    return [entry.name for entry in fs.read_dir(path)]


def test_a_folder(root: Path) -> None:
    os.utime(root / "a.txt", ns=(1, 1_000_000_007))
    for given in (root, str(root), root / "sub" / ".."):
        fs = HostFs(given)
        assert fs.read_dir() == [DirEntry("a.txt", "file", 1), DirEntry("sub", "directory", 0)]
        assert fs.read_bytes("sub/b.bin") == b"bb"
    found = fs.metadata("a.txt")
    assert (found.kind, found.size, found.mtime_ns) == ("file", 1, 1_000_000_007)
    assert fs.metadata("sub").mtime_ns == (root / "sub").stat().st_mtime_ns


def test_roots_that_are_none(root: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        HostFs(root / "no")
    with pytest.raises(NotADirectoryEntryError):
        HostFs(root / "a.txt")


def test_paths_do_not_climb(root: Path) -> None:
    fs = HostFs(root)
    for path in ("../secret", "sub/../../secret", "/secret", "sub/../../root2/secret"):
        with pytest.raises(EntryNotFoundError):
            fs.storage(path)


@posix
def test_symlinks_stay_below_the_root(root: Path) -> None:
    (root / "in").symlink_to("sub/b.bin")
    (root / "in.dir").symlink_to(root / "sub")
    (root / "out").symlink_to("../secret")
    (root / "out.dir").symlink_to("..")
    (root / "out.twin").symlink_to(root.parent / "root2")  # Its name begins like the root's.
    (root / "sub" / "chain").symlink_to("../out")
    fs = HostFs(root)
    assert names(fs) == ["a.txt", "in", "in.dir", "sub"]
    assert names(fs, "in.dir") == ["b.bin", "deep"]
    assert (fs.read_bytes("in"), fs.read_bytes("in.dir/b.bin")) == (b"bb", b"bb")
    for path in ("out", "out.dir/secret", "out.twin", "out.twin/secret", "sub/chain"):
        for use in (fs.metadata, fs.storage, fs.open):
            with pytest.raises(UnsafePathError, match="is a symlink that leaves the folder"):
                use(path)


@posix
def test_symlinks_that_lead_nowhere_or_in_circles(root: Path) -> None:
    (root / "nowhere").symlink_to("not/there")
    (root / "self").symlink_to("self")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    (root / "sub" / "up").symlink_to("..")
    (root / "sub" / "here").symlink_to(".")
    (root / "sub" / "deep" / "top").symlink_to(root)
    fs = HostFs(root)
    assert [path for path, _ in fs.walk()] == ["a.txt", "sub", "sub/b.bin", "sub/deep"]
    for path in ("nowhere", "self", "ping", "self/x"):
        assert not fs.exists(path)
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)


@posix
def test_only_files_and_directories_are_entries(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        fs = HostFs(root)
        assert names(fs) == ["a.txt", "sub"]
        for path in ("pipe", "socket", "pipe/x"):
            for use in (fs.metadata, fs.storage, fs.read_dir):
                with pytest.raises((EntryNotFoundError, NotADirectoryEntryError)):
                    use(path)
    for device in ("null", "zero"):
        with pytest.raises(EntryNotFoundError, match="a pipe, socket or device is none"):
            HostFs("/dev").metadata(device)


@posix
def test_names_are_bytes(root: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"back\\slash", b"C:", b"nul", b"sp ace "):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    fs = HostFs(root)
    assert names(fs) == ["C:", "a.txt", "back\\slash", "new\nline", "nul", "sp ace ", "sub", "\udcff\udcfe"]
    assert fs.read_bytes(b"\xff\xfe") == fs.read_bytes("\udcff\udcfe") == b"\xff\xfe"
    assert fs.read_bytes("back\\slash") == b"back\\slash"


@pytest.mark.parametrize("path", ["x" * 256, "sub/" + "x" * 5000, "d/" * 3000])
def test_paths_too_long_to_exist(root: Path, path: str) -> None:
    fs = HostFs(root)
    assert not fs.exists(path)
    with pytest.raises(EntryNotFoundError):
        fs.storage(path)


@pytest.mark.parametrize("path", ["\ud800", "sub/\udfff", "a\0"])
def test_what_is_no_path(root: Path, path: str) -> None:
    fs = HostFs(root)
    for use in (fs.metadata, fs.storage, fs.read_dir, fs.open):
        with pytest.raises(UnsafePathError):
            use(path)


def test_lookups_that_fail(root: Path) -> None:
    fs = HostFs(root)
    for path, error in (("no", EntryNotFoundError), ("no/x", EntryNotFoundError), ("a.txt/x", NotADirectoryEntryError)):
        for use in (fs.metadata, fs.storage, fs.read_dir):
            with pytest.raises(error):
                use(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("a.txt")
    with pytest.raises(IsADirectoryEntryError):
        fs.open("sub")


def test_access_is_that_of_the_files(root: Path) -> None:
    assert [getattr(HostFs(root, access=access).storage("a.txt"), "access", "") for access in ("mmap", "pread")] == ["mmap", "pread"]


def test_windows_names_are_refused_where_they_are_devices(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = HostFs(root)
    monkeypatch.setattr("oboromi_fs.backends.host.os.name", "nt")
    monkeypatch.setattr("oboromi_fs.backends.host.unsafe_name", lambda name: "is the name of a device" if name == "nul" else "")
    with pytest.raises(UnsafePathError, match="device"):
        fs.metadata("sub/nul")
