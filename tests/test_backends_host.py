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


PARTS = {"00": b"PFS0", "01": b"5678", "02": b"9"}


def split_folder(folder: Path, parts: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in parts.items():
        (folder / name).write_bytes(data)


def test_a_split_archive_is_one_file(root: Path) -> None:
    split_folder(root / "game.nsp", PARTS)
    for number, data in enumerate((b"card", b"rest", b"end")):
        (root / "sub" / f"game.XC{number}").write_bytes(data)
    fs = HostFs(root)
    assert fs.read_dir() == [DirEntry("a.txt", "file", 1), DirEntry("game.nsp", "file", 9), DirEntry("sub", "directory", 0)]
    assert names(fs, "sub") == ["b.bin", "deep", "game.XC0"]
    for path, data in (("game.nsp", b"PFS056789"), ("sub/game.XC0", b"cardrestend")):
        assert (fs.metadata(path).kind, fs.metadata(path).size) == ("file", len(data))
        assert fs.read_bytes(path) == data
    assert {extent.path: extent.storage[:].tobytes() for extent in fs.extents()}["game.nsp"] == b"PFS056789"
    for path in ("game.nsp/00", "game.nsp/02"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("game.nsp")
    with pytest.raises(EntryNotFoundError, match=r"a part of 'sub/game\.XC0'"):
        fs.storage("sub/game.XC1")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("textures", PARTS),
        ("game.nsp", {"00": b"1234", "02": b"9"}),
        ("game.nsp", {"00": b"1234", "01": b"123", "02": b"1"}),
        ("game.nsp", {"00": b"1234", "01": b"12345"}),
        ("game.nsp", {"00": b"1234", "01": b"12", "readme.txt": b""}),
        ("game.nsp", {}),
    ],
)
def test_other_folders_stay_folders(root: Path, name: str, parts: dict[str, bytes]) -> None:
    split_folder(root / name, parts)
    fs = HostFs(root)
    assert fs.metadata(name).kind == "directory"
    assert DirEntry(name, "directory", 0) in fs.read_dir()
    assert names(fs, name) == sorted(parts)
    assert all(fs.read_bytes(f"{name}/{part}") == data for part, data in parts.items())


def test_a_first_part_alone_and_one_with_a_gap_are_files(root: Path) -> None:
    (root / "a.xc0").write_bytes(b"1")
    (root / "b.xc0").write_bytes(b"1")
    (root / "b.xc2").write_bytes(b"2")
    fs = HostFs(root)
    assert names(fs) == ["a.txt", "a.xc0", "b.xc0", "b.xc2", "sub"]
    assert (fs.read_bytes("a.xc0"), fs.read_bytes("b.xc0"), fs.read_bytes("b.xc2")) == (b"1", b"1", b"2")


@posix
def test_parts_do_not_leave_the_folder(root: Path) -> None:
    split_folder(root / "game.nsp", {"00": b"123456"})
    (root / "game.nsp" / "01").symlink_to("../../secret")
    fs = HostFs(root)
    assert (fs.metadata("game.nsp").kind, names(fs, "game.nsp")) == ("directory", ["00"])


def test_extents_open_nothing_until_they_are_read(root: Path) -> None:
    resource = pytest.importorskip("resource")
    for number in range(200):
        (root / f"{number:03}").write_bytes(b"%d" % number)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        found = sorted(HostFs(root).extents(), key=lambda extent: extent.size)
        read = {extent.path: extent.storage[:].tobytes() for extent in found}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(read) == 202
    assert read["123"] == b"123"
    assert [extent.path for extent in HostFs(root).extents("sub")] == ["b.bin"]


def test_links_to_folders_with_links_do_not_multiply_for_ever(tmp_path: Path) -> None:
    """Each folder has two links to the next: 2 ** 25 paths, if all were followed."""
    for level in range(25):
        folder = tmp_path / f"d{level}"
        folder.mkdir()
        for name in "xy":
            (folder / name).symlink_to(f"../d{level + 1}")
    (tmp_path / "d25").mkdir()
    assert sum(1 for _ in HostFs(tmp_path).walk()) < 2000


def test_what_listings_leave_out_is_known(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    os.mkfifo(tmp_path / "below" / "pipe")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    (tmp_path / "around").symlink_to("around")
    (tmp_path / "below" / "up").symlink_to("..")
    (tmp_path / "device").symlink_to("/dev/null")
    fs = HostFs(tmp_path)
    assert fs.left_out == {}
    assert [path for path, _ in fs.walk()] == ["below"]
    assert fs.left_out == {
        "around": "a link to nowhere",
        "below/pipe": "a pipe",
        "below/up": "a link to a folder it lies in, or below too many other links",
        "device": "a link that leaves the folder",
        "nowhere": "a link to nowhere",
        "out": "a link that leaves the folder",
    }
