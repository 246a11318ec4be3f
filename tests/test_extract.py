"""Extraction: whole or not at all, never outside the target, and few reads for many files."""

from __future__ import annotations

import errno
import gc
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import tracemalloc
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    IntegrityError,
    MappingError,
    MissingKeyError,
    UnsafePathError,
)
from oboromi_fs.file import File
from oboromi_fs.jobs import hosttree, plan
from oboromi_fs.jobs.extract import CancelledError, ExtractReport, extract, extract_tree, write_file
from oboromi_fs.jobs.hosttree import Cursor
from oboromi_fs.jobs.plan import KERNEL_PIECE, WINDOW, Directory, Plan
from oboromi_fs.paths import unsafe_name
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from oboromi_fs.protocols import Storage

ROOT = Path(__file__).parent.parent
LARGE = 3 * WINDOW + 12345


@pytest.fixture(params=["dir_fd", "paths"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with calls relative to directories, and with full paths as on hosts that have no such calls."""
    if request.param == "paths":
        monkeypatch.setattr(hosttree, "HAS_DIR_FD", False)
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """No test may leave a descriptor open."""
    gc.collect()  # What earlier tests left for the collector must not go meanwhile.
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    yield
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == before


class Opaque(StorageBase):
    """Bytes that can only be read; counts the reads, and calls ``hook(offset, length)`` before each."""

    kind = "Opaque"

    def __init__(self, data: bytes, hook: Callable[[int, int], None] | None = None) -> None:
        self.data = data
        self._size = len(data)
        self.hook = hook
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))
        if self.hook:
            self.hook(offset, len(target))
        target[:] = self.data[offset : offset + len(target)]


class Zeros(StorageBase):
    """As many zero bytes as one likes, without holding them."""

    kind = "Zeros"

    def __init__(self, size: int, hook: Callable[[], None] | None = None) -> None:
        self._size = size
        self.hook = hook

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        if self.hook:
            self.hook()
        target[:] = bytes(len(target))


def laid_out(files: dict[str, bytes], gap: int = 3) -> tuple[Opaque, list[Extent]]:
    """One storage that holds all files, with a few unused bytes between them."""
    data = bytearray(b"?" * gap)
    places: dict[str, int] = {}
    for path, content in files.items():
        places[path] = len(data)
        data += content + b"?" * gap
    storage = Opaque(bytes(data))
    return storage, [Extent(path, storage, places[path], len(content)) for path, content in files.items()]


def snapshot(top: Path) -> dict[str, bytes | str | None]:
    """Everything below a directory: contents of files, None for directories, the target of links."""
    found: dict[str, bytes | str | None] = {}
    for parent, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(parent, name)
            inner = os.path.relpath(path, top)
            if os.path.islink(path):
                found[inner] = "-> " + os.readlink(path)
            elif os.path.isdir(path):
                found[inner] = None
            else:
                with open(path, "rb") as file:
                    found[inner] = file.read()
    return found


def put(top: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content)


@lru_cache(maxsize=2048)
def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# ---- what is written ----


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("workers", [1, 3, None])
@pytest.mark.parametrize("present", [False, True])
def test_a_tree(tmp_path: Path, workers: int | None, *, present: bool) -> None:
    large = noise(LARGE)
    files = {"a": b"alpha", "d/e/b": b"beta", "d/empty": b"", "d/large": large, "z": b"last", "caf\udce9/é": b"bytes"}
    _, extents = laid_out(files)
    target = tmp_path / "out"
    if present:
        target.mkdir()
    report = extract(extents, target, dirs=["nothing", "nothing/inside", "d"], workers=workers)
    expected: dict[str, bytes | str | None] = {**files, "d": None, "d/e": None, "nothing": None, "nothing/inside": None, "caf\udce9": None}
    assert snapshot(tmp_path) == {"out": None} | {f"out/{path}": content for path, content in expected.items()}
    assert report == ExtractReport(6, sum(map(len, files.values())), 5, [], report.elapsed)
    assert report.elapsed > 0


def test_nothing_at_all_makes_the_target(tmp_path: Path) -> None:
    assert extract([], tmp_path / "out").files == 0
    assert snapshot(tmp_path) == {"out": None}


@pytest.mark.usefixtures("host")
def test_missing_parents_are_made(tmp_path: Path) -> None:
    _, extents = laid_out({"a": b"1"})
    extract(extents, tmp_path / "x" / "." / "y" / "tree" / "names")
    assert snapshot(tmp_path) == {"x": None, "x/y": None, "x/y/tree": None, "x/y/tree/names": None, "x/y/tree/names/a": b"1"}


@pytest.mark.parametrize("kind", ["str", "bytes", "relative", "slash"])
def test_any_path_names_the_target(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target: Any = {"str": str(tmp_path / "out"), "bytes": os.fsencode(tmp_path / "out"), "relative": "out", "slash": f"{tmp_path}/out//"}[
        kind
    ]
    _, extents = laid_out({"a": b"1"})
    extract(extents, target)
    assert snapshot(tmp_path) == {"out": None, "out/a": b"1"}


_names = st.text(st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda name: not unsafe_name(name)
)
_paths = st.lists(_names, min_size=1, max_size=4).map("/".join)


@given(files=st.dictionaries(_paths, st.binary(max_size=40), max_size=12), dirs=st.lists(_paths, max_size=4), workers=st.integers(1, 3))
def test_a_tree_comes_back_as_it_was(files: dict[str, bytes], dirs: list[str], workers: int) -> None:
    _, extents = laid_out(files, gap=0)
    random.Random(len(files)).shuffle(extents)
    with tempfile.TemporaryDirectory() as top:
        report = extract(extents, os.path.join(top, "out"), dirs=dirs, workers=workers)
        found = snapshot(Path(top, "out"))
    refused = {path for path, _ in report.refused}
    kept = {path: content for path, content in files.items() if path not in refused}
    assert {path: content for path, content in found.items() if content is not None} == kept
    assert report.files == len(kept)
    # Left out are only paths that are a file and a directory at once.
    everything = [*files, *dirs]
    for path in refused:
        assert any(other.startswith(path + "/") or path.startswith(other + "/") or other == path for other in everything)
    assert {path for path in dirs if path not in refused} <= {path for path, content in found.items() if content is None}


def test_files_of_any_size_around_a_window(tmp_path: Path) -> None:
    sizes = [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 2 * WINDOW + 7]
    files = {f"f{size}": noise(size, size) for size in sizes}
    _, extents = laid_out(files, gap=5)
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == files


def test_files_may_share_bytes(tmp_path: Path) -> None:
    storage = Opaque(noise(5000))
    extents = [Extent("a", storage, 0, 5000), Extent("b", storage, 10, 20), Extent("c", storage, 10, 4000), Extent("d", storage, 4999, 1)]
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == {path: storage.data[offset : offset + size] for path, _, offset, size in extents}
    assert storage.reads == [(0, 5000)]


def test_windows_on_a_storage_are_read_together(tmp_path: Path) -> None:
    storage = Opaque(bytes(range(100)))
    inner = WindowStorage(storage, 10, 60)
    extract([Extent("b", inner, 20, 5), Extent("a", inner, 0, 5), Extent("c", storage, 40, 1)], tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"a": bytes(range(10, 15)), "b": bytes(range(30, 35)), "c": bytes([40])}
    assert storage.reads == [(10, 31)]


def test_modes_follow_the_umask(tmp_path: Path) -> None:
    _, extents = laid_out({"d/small": b"1", "d/large": noise(LARGE)})
    for mask, file_mode, dir_mode in ((0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)):
        before = os.umask(mask)
        try:
            extract(extents, tmp_path / f"{mask:o}" / "out")
        finally:
            os.umask(before)
        for path, mode in (("", dir_mode), ("out", dir_mode), ("out/d", dir_mode), ("out/d/small", file_mode), ("out/d/large", file_mode)):
            assert stat.S_IMODE((tmp_path / f"{mask:o}" / path).stat().st_mode) == mode, (oct(mask), path)


def test_nobody_else_sees_the_work(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def look(_offset: int, _length: int) -> None:
        seen.extend((entry.name, stat.S_IMODE(entry.stat().st_mode)) for entry in os.scandir(tmp_path))

    extract([Extent("a", Opaque(b"12345", look), 0, 5)], tmp_path / "out")
    ((name, mode),) = seen
    assert name.startswith(".oboromi-")
    assert mode == 0o700


# ---- names ----


@pytest.mark.usefixtures("host")
def test_unsafe_names_are_left_out_and_reported(tmp_path: Path) -> None:
    evil = [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a//b",
        "",
        "a/.",
        "nul\0l",
        "..",
        "./x",
        "a/",
        "\ud800",
        "d\ud800/x",
        "x" * 300,
        "y" * 5000,
    ]
    _, extents = laid_out({"a/good": b"1"} | dict.fromkeys(evil, b"evil") | {"good": b"2", "z" * 300 + "/below": b"3"})
    report = extract(extents, tmp_path / "in" / "out", dirs=["../up", "..", "w" * 300, "w" * 300 + "/below"])
    assert snapshot(tmp_path) == {"in": None, "in/out": None, "in/out/a": None, "in/out/a/good": b"1", "in/out/good": b"2"}
    refused = dict(report.refused)
    assert set(refused) == {*evil, "../up", "..", "w" * 300, "w" * 300 + "/below", "z" * 300, "z" * 300 + "/below"}
    assert refused["../evil"] == refused["../up"] == "the name '..' is a path, not a name"
    assert refused["/etc/evil"] == "the path is absolute"
    assert refused["nul\0l"] == "the name 'nul\\x00l' holds a NUL"
    assert refused["\ud800"] == "the name '\\ud800' cannot be spelled in the file names of this host"
    assert refused["x" * 300] == "the host does not take the name: File name too long"
    assert refused["z" * 300 + "/below"] == "the host does not take the name: File name too long"
    assert report.refused == sorted(report.refused)
    assert (report.files, report.bytes, report.dirs) == (2, 2, 1)


def test_a_large_file_with_a_name_the_host_refuses(tmp_path: Path) -> None:
    _, extents = laid_out({"x" * 256: noise(LARGE), "y" * 255: noise(LARGE, 2)})
    report = extract(extents, tmp_path / "out")
    assert [path for path, _ in report.refused] == ["x" * 256]
    assert snapshot(tmp_path / "out") == {"y" * 255: noise(LARGE, 2)}
    assert (report.files, report.bytes) == (1, LARGE)


def test_a_windows_host_refuses_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "unsafe_name", lambda name: unsafe_name(name, windows=True))
    _, extents = laid_out({"nul.txt": b"1", "a\\b": b"2", "C:x": b"3", "con/x": b"4", "dot.": b"5", "fine": b"6"})
    report = extract(extents, tmp_path / "out")
    assert [path for path, _ in report.refused] == ["C:x", "a\\b", "con/x", "dot.", "nul.txt"]
    assert snapshot(tmp_path / "out") == {"fine": b"6"}


def test_the_first_of_two_entries_wins(tmp_path: Path) -> None:
    storage = MemoryStorage(b"0123456789")
    extents = [Extent(path, storage, i, 1) for i, path in enumerate(["a", "a", "f", "f/x", "f/y/z", "d/x", "d", "\udcc3\udca9", "é"])]
    report = extract(extents, tmp_path / "out", dirs=["d", "d/x"])
    assert snapshot(tmp_path / "out") == {"a": b"0", "f": b"2", "d": None, "d/x": None, "é": b"7"}
    assert report.refused == [
        ("a", "an earlier entry has this path"),
        ("d", "a directory has this path"),
        ("d/x", "a directory has this path"),
        ("f/x", "a file has the path 'f'"),
        ("f/y/z", "a file has the path 'f'"),
        ("é", "an earlier entry has this path"),
    ]


@pytest.fixture
def _case_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that keeps names in lower case."""

    def folding(call: Callable[..., Any]) -> Callable[..., Any]:
        def folded(path: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("dir_fd") is not None and isinstance(path, str):
                path = path.lower()
            return call(path, *arguments, **options)

        return folded

    folded = {name: folding(getattr(os, name)) for name in ("open", "mkdir", "lstat", "unlink", "rmdir")}
    for name, call in folded.items():
        monkeypatch.setattr(os, name, call)


@pytest.mark.usefixtures("_case_is_ignored")
def test_names_the_host_takes_for_the_same(tmp_path: Path) -> None:
    _, extents = laid_out({"x/Readme": b"1", "x/README": b"2", "x/other": b"3", "DATA/a": b"4", "data/b": b"5", "data/c/d": b"6"})
    report = extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {
        "out": None,
        "out/x": None,
        "out/x/readme": b"1",
        "out/x/other": b"3",
        "out/data": None,
        "out/data/a": b"4",
    }
    assert report.refused == [
        ("data", "the host takes the name 'data' for that of an earlier entry"),
        ("data/b", "the host takes the name 'data' for that of an earlier entry"),
        ("data/c", "the host takes the name 'data' for that of an earlier entry"),
        ("data/c/d", "the host takes the name 'data' for that of an earlier entry"),
        ("x/README", "the host takes the name 'README' for that of an earlier entry"),
    ]
    assert (report.files, report.bytes, report.dirs) == (3, 3, 2)


@pytest.mark.usefixtures("_case_is_ignored")
def test_a_clash_nobody_foresaw_is_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_fold", lambda name: name)
    _, extents = laid_out({"x/a": b"1", "x/A": b"2", "X/b": b"3"})
    report = extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"x": None, "x/a": b"1"}
    assert [path for path, _ in report.refused] == ["X", "X/b", "x/A"]


def test_a_host_that_tells_case_keeps_both(tmp_path: Path) -> None:
    files = {"A": b"1", "a": b"2", "é": b"3", "e\u0301": b"4", "ß": b"5", "SS": b"6", "D/x": b"7", "d/x": b"8"}
    _, extents = laid_out(files)
    assert extract(extents, tmp_path / "out").refused == []
    assert {k: v for k, v in snapshot(tmp_path / "out").items() if v is not None} == files


def test_suspects_are_names_that_differ_in_case_or_composition() -> None:
    made = Plan()
    for path in ("A", "b", "a", "é", "E\u0301", "ß", "ss", "d/Kelvin", "d/\u212aelvin", "d/z"):
        made.add_file(Extent(path, MemoryStorage(b""), 0, 0))
    assert [(directory.name, names) for directory, names in made.clash_suspects()] == [
        ("", ["A", "a"]),
        ("", ["é", "E\u0301"]),
        ("", ["ß", "ss"]),
        ("d", ["Kelvin", "\u212aelvin"]),
    ]


# ---- what is in the target already ----


@pytest.mark.usefixtures("host")
def test_a_tree_is_merged(tmp_path: Path) -> None:
    put(tmp_path, {"mine": b"m", "d/mine": b"m", "d/e/mine": b"m"})
    _, extents = laid_out({"a": b"1", "d/b": b"2", "d/e/c": b"3", "new/deep/x": b"4"})
    extract(extents, tmp_path, dirs=["d", "empty"])
    assert snapshot(tmp_path) == {
        "mine": b"m",
        "d": None,
        "d/mine": b"m",
        "d/e": None,
        "d/e/mine": b"m",
        "a": b"1",
        "d/b": b"2",
        "d/e/c": b"3",
        "new": None,
        "new/deep": None,
        "new/deep/x": b"4",
        "empty": None,
    }


@pytest.mark.usefixtures("host")
def test_existing_files_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    put(tmp_path, {"d/b": b"mine"})
    storage, extents = laid_out({"a": b"1", "d/b": b"2"})
    with pytest.raises(FileExistsError, match="exists already; allow overwriting") as caught:
        extract(extents, tmp_path)
    assert caught.value.filename == str(tmp_path / "d" / "b")
    assert snapshot(tmp_path) == {"d": None, "d/b": b"mine"}
    assert storage.reads == []


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("links", [True, False])
def test_existing_files_are_replaced_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    put(tmp_path, {"a": b"old", "d/b": b"old and longer", "d/mine": b"m"})
    _, extents = laid_out({"a": b"1", "d/b": b"2", "d/c": b"3", "f": b"4"})
    extract(extents, tmp_path, overwrite=True)
    assert snapshot(tmp_path) == {"a": b"1", "d": None, "d/b": b"2", "d/mine": b"m", "d/c": b"3", "f": b"4"}


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no links here")


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_where_a_file_must_go(tmp_path: Path, *, overwrite: bool) -> None:
    (tmp_path / "d" / "b").mkdir(parents=True)
    storage, extents = laid_out({"d/b": b"2"})
    with pytest.raises(IsADirectoryError, match="a directory is where a file must go"):
        extract(extents, tmp_path, overwrite=overwrite)
    assert snapshot(tmp_path) == {"d": None, "d/b": None}
    assert storage.reads == []


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_where_a_directory_must_go(tmp_path: Path, *, overwrite: bool) -> None:
    put(tmp_path, {"d": b"mine"})
    storage, extents = laid_out({"d/b": b"2"})
    with pytest.raises(NotADirectoryError, match="a file is where a directory must go"):
        extract(extents, tmp_path, overwrite=overwrite)
    assert snapshot(tmp_path) == {"d": b"mine"}
    assert storage.reads == []


def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    _, extents = laid_out({"a": b"1"})
    with pytest.raises(FileExistsError, match="not a regular file"):
        extract(extents, tmp_path, overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "a").stat().st_mode)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("planted", ["d", "d/e", "d/e/f", "top"])
def test_planted_links_are_not_followed(tmp_path: Path, planted: str, *, overwrite: bool) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    put(outside, {"victim": b"precious"})
    target.mkdir()
    link = target / planted
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "victim" if planted == "d/e/f" else outside)
    storage, extents = laid_out({"a": b"0", "d/e/f": b"1", "d/e/victim": b"2", "d/victim": b"3", "top": b"4"})
    before = snapshot(tmp_path)
    with pytest.raises(UnsafePathError, match="is a symbolic link") as caught:
        extract(extents, target, overwrite=overwrite)
    assert caught.value.path == str(link)
    assert snapshot(tmp_path) == before
    assert storage.reads == []


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("planted", ["d", "d/e", "d/e/f", "new", "a"])
def test_links_planted_while_we_work_are_not_followed(tmp_path: Path, planted: str) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    put(outside, {"victim": b"precious", "f": b"precious", "e/f": b"precious"})
    put(target, {"d/e/mine": b"m"})

    def plant(_offset: int, _length: int) -> None:
        link = target / planted
        if link.is_dir():
            link.rename(tmp_path / "moved")
        link.symlink_to(outside)

    storage, extents = laid_out({"a": b"0", "d/e/f": b"1", "new/f": b"2"})
    storage.hook = plant
    with pytest.raises(UnsafePathError, match="symbolic link"):
        extract(extents, target, overwrite=True)
    assert snapshot(outside) == {"victim": b"precious", "f": b"precious", "e": None, "e/f": b"precious"}
    assert not list(target.glob(".oboromi*"))
    assert (target / "a").is_symlink() == (planted == "a")


def test_the_target_may_be_a_link_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    _, extents = laid_out({"a": b"1"})
    extract(extents, tmp_path / "link")
    assert snapshot(tmp_path) == {"real": None, "real/a": b"1", "link": "-> real"}


@pytest.mark.parametrize("target", ["link", "link/", "link/below"])
def test_a_target_that_leads_nowhere(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to("gone")
    _, extents = laid_out({"a": b"1"})
    with pytest.raises(UnsafePathError, match="leads nowhere"):
        extract(extents, f"{tmp_path}/{target}")
    assert snapshot(tmp_path) == {"link": "-> gone"}


@pytest.mark.usefixtures("host")
def test_targets_that_cannot_be(tmp_path: Path) -> None:
    put(tmp_path, {"file": b"f"})
    _, extents = laid_out({"a": b"1"})
    for target, kind in (
        ("file", NotADirectoryError),
        ("file/x", NotADirectoryError),
        ("no/../x", FileNotFoundError),
        ("n" * 300, OSError),
    ):
        with pytest.raises(kind):
            extract(extents, tmp_path / target)
    with pytest.raises(UnsafePathError, match="NUL"):
        extract(extents, str(tmp_path / "a\0b"))
    with pytest.raises(ValueError, match="workers must be positive"):
        extract(extents, tmp_path / "out", workers=0)
    assert snapshot(tmp_path) == {"file": b"f"}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("came", ["file", "directory", "link"])
def test_a_target_that_comes_to_be_meanwhile(tmp_path: Path, came: str) -> None:
    def come(_offset: int, _length: int) -> None:
        if came == "directory":
            put(tmp_path, {"out/theirs": b"t"})
        elif came == "file":
            put(tmp_path, {"out": b"t"})
        else:
            (tmp_path / "out").symlink_to(tmp_path)

    storage, extents = laid_out({"a": b"1"})
    storage.hook = come
    with pytest.raises(FileExistsError, match="came to be during extraction"):
        extract(extents, tmp_path / "out", overwrite=True)
    assert (
        snapshot(tmp_path)
        == {"file": {"out": b"t"}, "directory": {"out": None, "out/theirs": b"t"}, "link": {"out": f"-> {tmp_path}"}}[came]
    )


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_to_be_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    put(tmp_path, {"d/mine": b"m"})
    storage, extents = laid_out({"a": b"0", "d/b": b"1", "new/x": b"2", "z": b"3"})
    storage.hook = lambda _offset, _length: put(tmp_path, {"z": b"theirs"})
    with pytest.raises(FileExistsError) as caught:
        extract(extents, tmp_path)
    assert caught.value.filename == str(tmp_path / "z")
    assert snapshot(tmp_path) == {"d": None, "d/mine": b"m", "z": b"theirs"}


def test_even_between_the_last_look_and_the_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def late(source: str, target: str, **options: Any) -> None:
        put(tmp_path, {"a": b"theirs"})
        link(source, target, **options)

    monkeypatch.setattr(os, "link", late)
    _, extents = laid_out({"a": b"0"})
    with pytest.raises(FileExistsError) as caught:
        extract(extents, tmp_path)
    assert caught.value.filename == str(tmp_path / "a")
    assert snapshot(tmp_path) == {"a": b"theirs"}


# ---- whole or not at all ----


class _Strike:
    """Calls through, and raises an error at the n-th call: before it, or after it was done."""

    def __init__(self, call: Callable[..., Any], number: int, error: BaseException, *, after: bool) -> None:
        self.call, self.left, self.error, self.after = call, number, error, after

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise self.error
        result = self.call(*arguments, **options)
        if self.left == 0:
            raise self.error
        return result


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "broken"), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize(("call", "number"), [*[("link", n) for n in range(1, 6)], *[("replace", n) for n in (1, 2)], ("rename", 1)])
def test_a_merge_that_fails_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, error: BaseException, *, after: bool
) -> None:
    put(tmp_path, {"a": b"old", "d/b": b"old b", "d/mine": b"m"})
    before = snapshot(tmp_path)
    inodes = {path: (tmp_path / path).stat().st_ino for path in before}
    # Calls in the order of the merge: a and d/b are replaced (link, replace), d/c and z are new (link), new is moved whole (rename).
    _, extents = laid_out({"a": b"0", "d/b": b"1", "d/c": b"2", "new/x": b"3", "z": b"4"})
    strike = _Strike(getattr(os, call), number, error, after=after)
    monkeypatch.setattr(os, call, strike)
    raised: BaseException | None = None
    try:
        extract(extents, tmp_path, overwrite=True)
    except (KeyboardInterrupt, OSError) as caught:  # Whether it must be raised depends on the call.
        raised = caught
    if raised is not None:
        assert raised is error
        assert not getattr(raised, "__notes__", [])
        assert snapshot(tmp_path) == before
        assert {path: (tmp_path / path).stat().st_ino for path in before} == inodes
    else:  # A link for a backup may fail: the file is moved instead.
        assert strike.left > 0 or (call == "link" and isinstance(error, OSError))
        assert (tmp_path / "z").read_bytes() == b"4"
        assert (tmp_path / "d" / "b").read_bytes() == b"1"


@pytest.mark.usefixtures("host")
def test_without_links_a_merge_is_taken_back_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a": b"old", "d/b": b"old b", "d/mine": b"m"})
    before = snapshot(tmp_path)
    _, extents = laid_out({"a": b"0", "d/b": b"1", "d/c": b"2", "new/x": b"3", "z": b"4"})
    monkeypatch.setattr(os, "link", _no_links)
    rename = os.rename
    for number in range(1, 6):
        for after in (False, True):
            monkeypatch.setattr(os, "rename", _Strike(rename, number, KeyboardInterrupt(), after=after))
            with pytest.raises(KeyboardInterrupt):
                extract(extents, tmp_path, overwrite=True)
            assert snapshot(tmp_path) == before, (number, after)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_at_the_one_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    monkeypatch.setattr(os, "rename", _Strike(os.rename, 1, KeyboardInterrupt(), after=after))
    _, extents = laid_out({"a": b"0"})
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "x" / "y")
    assert snapshot(tmp_path) == {}


def test_interrupts_do_not_stop_the_clearing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, extents = laid_out({f"d{n}/f": b"1" for n in range(20)})
    storage.hook = _raiser(OSError(errno.EIO, "broken"))
    monkeypatch.setattr(os, "rmdir", _Strike(os.rmdir, 5, KeyboardInterrupt(), after=False))
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


def test_what_cannot_be_cleared_up_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, extents = laid_out({"f": b"1"})
    storage.hook = _raiser(OSError(errno.EIO, "broken"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", _raiser(OSError(errno.EBUSY, "busy")))
        with pytest.raises(OSError, match="broken") as caught:
            extract(extents, tmp_path / "out")
    (left,) = os.listdir(tmp_path)
    assert f"{left} was left there" in caught.value.__notes__[-1]


def _raiser(error: BaseException) -> Callable[..., None]:
    def strike(*_: object, **__: object) -> None:
        raise error

    return strike


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        IntegrityError("hash does not match", what="IVFC level 5", offset=0x4000, level=5, block=3),
        MappingError("game.nsp", "shrank"),
        MissingKeyError("titlekek_05"),
        OSError(errno.EIO, "Input/output error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_read_that_fails_leaves_nothing(tmp_path: Path, workers: int, error: BaseException, *, present: bool) -> None:
    files = {f"d{n % 7}/f{n}": noise(1000, n) for n in range(200)} | {"big/one": noise(LARGE), "big/two": noise(LARGE, 2)}
    storage, extents = laid_out(files)
    place = next(extent.offset for extent in extents if extent.path == "big/two") + 2 * WINDOW

    def fail(offset: int, length: int) -> None:
        if offset <= place < offset + length:
            raise error

    storage.hook = fail
    target = tmp_path / "out"
    if present:
        put(target, {"mine": b"m"})
    before = snapshot(tmp_path)
    with pytest.raises(type(error)) as caught:
        extract(extents, target, workers=workers)
    assert snapshot(tmp_path) == before
    if not isinstance(error, KeyboardInterrupt):
        assert "big/two" in str(caught.value)


def test_the_error_names_the_small_file(tmp_path: Path) -> None:
    storage, extents = laid_out({f"f{n}": noise(100, n) for n in range(50)})
    bad = extents[30].offset + 50

    def fail(offset: int, length: int) -> None:
        if offset <= bad < offset + length:
            raise IntegrityError("hash does not match", what="IVFC level 5", offset=offset)

    storage.hook = fail
    with pytest.raises(IntegrityError, match=r"IVFC level 5 at 0x.*: hash does not match \(while extracting 'f30'\)"):
        extract(extents, tmp_path / "out")
    # What no file uses does no harm.
    bad = extents[30].offset - 1
    extract(extents, tmp_path / "out")
    assert len(snapshot(tmp_path / "out")) == 50


def test_extents_outside_their_storage(tmp_path: Path) -> None:
    storage = MemoryStorage(bytes(100))
    for offset, size in ((0, 101), (101, 0), (-1, 5), (5, -1), (1 << 70, 1)):
        with pytest.raises(CorruptError, match="'d/f' is "):
            extract([Extent("a", storage, 0, 1), Extent("d/f", storage, offset, size)], tmp_path / "out")
    with pytest.raises(CorruptError, match="outside 0xa bytes"):
        extract([Extent("f", WindowStorage(storage, 20, 30), 5, 6)], tmp_path / "out")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_storage_that_ends_early(tmp_path: Path, size: int) -> None:
    class Short(Opaque):
        def readinto_at(self, offset: int, buffer: Any, /) -> int:
            return super().readinto_at(offset, memoryview(buffer)[: max(0, size - 7 - offset)])

    with pytest.raises(CorruptError, match="'d/f' ends early"):
        extract([Extent("d/f", Short(bytes(size)), 0, size)], tmp_path / "out")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("size", [1000, 3 * KERNEL_PIECE])
def test_a_file_that_shrinks(tmp_path: Path, size: int) -> None:
    source = tmp_path / "game.bin"
    with open(source, "wb") as made:
        made.truncate(size)
    with File.open(source, access="pread") as file:
        os.truncate(source, size // 2)
        with pytest.raises(MappingError, match=r"shrank.*d/f"):
            extract([Extent("d/f", file, 0, size)], tmp_path / "out")
    assert os.listdir(tmp_path) == ["game.bin"]


def test_a_mapped_file_that_shrinks_is_noticed_by_the_kernel(tmp_path: Path) -> None:
    source = tmp_path / "game.bin"
    source.write_bytes(bytes(LARGE))
    with File.open(source, access="mmap") as file:
        os.truncate(source, LARGE // 2)
        with pytest.raises(MappingError, match=r"shrank.*'d/f' needs"):
            extract([Extent("d/f", file, 0, LARGE)], tmp_path / "out")
    assert os.listdir(tmp_path) == ["game.bin"]


@pytest.mark.parametrize("workers", [1, 2])
def test_cancelling(tmp_path: Path, workers: int) -> None:
    storage = Zeros(1 << 40)
    asked: list[int] = []

    def cancel() -> bool:
        asked.append(threading.get_ident())
        return len(asked) > 2

    with pytest.raises(CancelledError, match="cancelled"):
        extract([Extent(f"f{n}", storage, 0, 1 << 32) for n in range(9)], tmp_path / "out", workers=workers, cancel=cancel)
    assert snapshot(tmp_path) == {}
    assert set(asked) == {threading.get_ident()}
    assert threading.active_count() == 1


def test_a_callback_that_raises(tmp_path: Path) -> None:
    _, extents = laid_out({"a": noise(LARGE)})
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "out", workers=2, progress=_raiser(KeyboardInterrupt()))
    assert snapshot(tmp_path) == {}


SLOW = """
    import os, sys, time
    from oboromi_fs.base import StorageBase
    from oboromi_fs.jobs.extract import extract
    from oboromi_fs.protocols import Extent

    class Slow(StorageBase):
        kind = "Slow"
        _size = 1 << 40
        def _readinto(self, offset, target):
            os.write(1, b"reading\\n")
            time.sleep(0.01)

    extents = [Extent(f"d{n % 100}/small{n}", Slow(), n, 10) for n in range(2000)]
    extents.append(Extent("large", Slow(), 0, 1 << 40))
    extract(extents, sys.argv[1], workers=int(sys.argv[2]), dirs=["mine"])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("present", [False, True])
def test_sigint_leaves_nothing(tmp_path: Path, workers: str, *, present: bool) -> None:
    if present:
        put(tmp_path, {"out/mine/m": b"m"})
    before = snapshot(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(SLOW), str(tmp_path / "out"), workers]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "formats")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline() == "reading\n"
        assert snapshot(tmp_path) != before
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors
    assert snapshot(tmp_path) == before


# ---- a host without room ----


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize("files", [{f"f{n}": bytes(5000) for n in range(1000)}, {"large": bytes(2 * WINDOW)}], ids=["small", "large"])
def test_a_full_disk(small_disk: Path, files: dict[str, bytes], *, present: bool) -> None:
    put(small_disk, {"mine": b"m"} | ({"out/mine": b"m"} if present else {}))
    before = snapshot(small_disk)
    _, extents = laid_out(files)
    with pytest.raises(OSError, match=r"No space left on device: .*/out/[fl]") as caught:
        extract(extents, small_disk / "out")
    assert caught.value.errno == errno.ENOSPC
    assert snapshot(small_disk) == before


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(4 * WINDOW))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * WINDOW, hard))
    try:
        with File.open(source) as file:
            for storage in (Zeros(4 * WINDOW), file):
                with pytest.raises(OSError, match=r"File too large: .*d/f") as caught:
                    extract([Extent("d/f", storage, 0, storage.size)], tmp_path / "out")
                assert caught.value.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["source"]


def test_a_write_that_fails_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, extents = laid_out({f"f{n}": b"12345" for n in range(2000)})
    monkeypatch.setattr(os, "write", _Strike(os.write, 1500, OSError(errno.ENOSPC, "No space left on device"), after=False))
    with pytest.raises(OSError, match=r"No space left on device: .*/out/f\d+") as caught:
        extract(extents, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    assert snapshot(tmp_path) == {}


def test_writes_may_be_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:65537], at))
    files = {"small": noise(100), "large": noise(LARGE)}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == files


def test_a_host_without_positional_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pwrite")
    files = {"one": noise(LARGE), "two": noise(LARGE, 2)}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out", workers=3)
    assert snapshot(tmp_path / "out") == files


def test_a_host_that_refuses_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", _Strike(os.mkdir, 4, OSError(errno.EDQUOT, "Disk quota exceeded"), after=False))
    _, extents = laid_out({"d/e/f": b"1"})
    with pytest.raises(OSError, match=r"quota exceeded: .*/out/d"):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


def test_a_target_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", _raiser(PermissionError(errno.EACCES, "Permission denied")))
    _, extents = laid_out({"a": b"1"})
    with pytest.raises(PermissionError) as caught:
        extract(extents, tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")


def test_a_host_without_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", _raiser(RuntimeError("can't start new thread")))
    _, extents = laid_out({"a": noise(LARGE)})
    extract(extents, tmp_path / "out", workers=2)
    assert snapshot(tmp_path / "out") == {"a": noise(LARGE)}


# ---- copying inside the kernel ----


@pytest.mark.parametrize("without", [(), ("copy_file_range",), ("sendfile",), ("copy_file_range", "sendfile")], ids=str)
@pytest.mark.parametrize("how", ["absent", "refused"])
@pytest.mark.parametrize("workers", [1, 3])
def test_plain_bytes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], how: str, workers: int) -> None:
    data = noise(2 * KERNEL_PIECE + 4321)
    source = tmp_path / "source"
    source.write_bytes(data)
    for name in without:
        if how == "absent":
            monkeypatch.delattr(os, name)
        else:
            monkeypatch.setattr(os, name, _raiser(OSError(errno.EXDEV, "not across devices")))
    with File.open(source) as file:
        inner = file.window(100, len(data) - 50)
        extents = [Extent("all", file, 0, len(data)), Extent("part", inner, 7, KERNEL_PIECE), Extent("small", inner, 50, 60)]
        reads: list[int] = []
        original = File._readinto

        def counted(self: File, at: int, view: memoryview) -> None:
            reads.append(len(view))
            original(self, at, view)

        monkeypatch.setattr(File, "_readinto", counted)
        report = extract(extents, tmp_path / "out", workers=workers)
    assert snapshot(tmp_path / "out") == {"all": data, "part": data[107 : 107 + KERNEL_PIECE], "small": data[150:210]}
    assert report.bytes == len(data) + KERNEL_PIECE + 60
    assert (sum(reads) == 60) == (len(without) < 2)  # Only the small file passes through this process.


def test_a_storage_over_a_file_is_not_taken_for_the_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(LARGE))

    class Inverted(StorageBase):
        kind = "Inverted"

        def __init__(self, parent: File) -> None:
            self.parent = parent
            self._size = parent.size

        def fileno(self) -> int:
            return self.parent.fileno()

        def place(self, offset: int = 0, /) -> Any:
            return self.parent.place(offset)

        def _readinto(self, offset: int, target: memoryview) -> None:
            del offset
            target[:] = b"\xff" * len(target)

    class Patched(WindowStorage):
        def _readinto(self, offset: int, target: memoryview) -> None:
            super()._readinto(offset, target)
            target[0] = 1

    with File.open(source) as file:
        extract([Extent("a", Inverted(file), 0, LARGE), Extent("b", Patched(file, 0, 10), 0, 10)], tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"a": b"\xff" * LARGE, "b": b"\x01" + bytes(9)}


# ---- size ----


def test_fifty_thousand_files_take_few_reads(tmp_path: Path) -> None:
    data = noise(1 << 20)
    storage = Opaque(data)
    extents = [Extent(f"d{n % 50:02}/f{n:05}", storage, n * 16, 10 + n % 7) for n in range(50_000)]
    random.Random(0).shuffle(extents)
    report = extract(extents, tmp_path / "out")
    assert (report.files, report.dirs) == (50_000, 50)
    assert len(storage.reads) <= 50_000 // 256 + 1
    assert sum(length for _, length in storage.reads) <= 50_000 * 16
    for number in (0, 1, 49, 50, 25_000, 49_999):
        found = (tmp_path / "out" / f"d{number % 50:02}" / f"f{number:05}").read_bytes()
        assert found == data[number * 16 : number * 16 + 10 + number % 7]
    assert sum(len(files) for _, _, files in os.walk(tmp_path / "out")) == 50_000


def test_reads_go_forward_and_skip_large_gaps(tmp_path: Path) -> None:
    storage = Opaque(bytes(100 * WINDOW))
    places = [0, 100, 5 * WINDOW, 5 * WINDOW + 1000, 99 * WINDOW]
    extract([Extent(f"f{at}", storage, at, 10) for at in reversed(places)], tmp_path / "out", workers=1)
    assert storage.reads == [(0, 110), (5 * WINDOW, 1010), (99 * WINDOW, 10)]


def test_pieces_end_where_blocks_do(tmp_path: Path) -> None:
    storage = Opaque(bytes(4 * WINDOW))
    extract([Extent("f", storage, 1000, 3 * WINDOW)], tmp_path / "out", workers=1)
    assert storage.reads == [(1000, WINDOW - 1000), (WINDOW, WINDOW), (2 * WINDOW, WINDOW), (3 * WINDOW, 1000)]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    class Still(Zeros):
        def _readinto(self, offset: int, target: memoryview) -> None:
            """Leave the buffer as it is."""

    tracemalloc.start()
    try:
        extract([Extent("f", Still(256 * WINDOW), 0, 256 * WINDOW)], tmp_path / "out", workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * WINDOW


def read_deep(top: Path, names: Iterable[str], file: str) -> bytes:
    cursor = Cursor(str(top))
    try:
        for name in names:
            cursor.down(name)
        fd = os.open(file, os.O_RDONLY, dir_fd=cursor.fd)
        try:
            return os.read(fd, 100)
        finally:
            os.close(fd)
    finally:
        cursor.close()


@pytest.mark.parametrize("present", [False, True])
def test_a_thousand_levels(tmp_path: Path, *, present: bool) -> None:
    names = [f"level{n:07}" for n in range(1000)]  # 13,000 characters: no path of that length reaches the host.
    others = names[:400] + [f"other{n:07}" for n in range(600)]
    files = {"/".join([*names[:n], "f"]): b"%d" % n for n in (1, 80, 500, 1000)} | {"/".join([*others, "g"]): b"g"}
    files["/".join([*names, "large"])] = bytes(LARGE)
    _, extents = laid_out(files)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, limit[1]))
    try:
        if present:
            extract([], tmp_path / "out", dirs=["/".join(names)])
        report = extract(extents, tmp_path / "out", workers=2)
        assert report.refused == []
        assert report.dirs == 1600
        assert read_deep(tmp_path / "out", names, "f") == b"1000"
        assert read_deep(tmp_path / "out", names[:500], "f") == b"500"
        assert read_deep(tmp_path / "out", others, "g") == b"g"
        with pytest.raises(FileExistsError):
            extract(extents, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        top = Cursor(str(tmp_path))  # What pytest would do here takes a descriptor, and a call, for each level.
        top.remove("out")
        top.close()
    assert snapshot(tmp_path) == {}


def test_a_thousand_levels_are_cleared_up_as_well(tmp_path: Path) -> None:
    names = [f"level{n:07}" for n in range(1000)]
    storage, extents = laid_out({"/".join([*names, "f"]): b"1"})
    storage.hook = _raiser(OSError(errno.EIO, "broken"))
    with pytest.raises(OSError, match="broken"):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


def test_many_deep_branches_in_turn(tmp_path: Path) -> None:
    """Files that lie in other branches from one to the next: more anchors than are held open."""
    branches = [["b" * 250 + str(branch)] + ["s" * 250] * 20 for branch in range(12)]
    files = {"/".join([*names, f"f{n}"]): b"%d" % n for n in range(3) for names in branches}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out", workers=2)
    for names in branches:
        assert [read_deep(tmp_path / "out", names, f"f{n}") for n in range(3)] == [b"0", b"1", b"2"]
    top = Cursor(str(tmp_path))
    top.remove("out")
    top.close()


# ---- progress ----


@pytest.mark.parametrize("workers", [1, 3])
def test_progress(tmp_path: Path, workers: int) -> None:
    files = {f"f{n:04}": noise(100, n) for n in range(600)} | {"large": noise(4 * WINDOW)}
    _, extents = laid_out(files)
    calls: list[tuple[int, int, int, int]] = []
    threads: set[int] = set()

    def progress(*state: int) -> None:
        calls.append(state)  # type: ignore[arg-type]  # Four of them, or the comparison below fails.
        threads.add(threading.get_ident())

    report = extract(extents, tmp_path / "out", workers=workers, progress=progress)
    total = sum(map(len, files.values()))
    assert calls == sorted(calls)
    assert calls[-1] == (total, total, 601, 601)
    assert {(call[1], call[3]) for call in calls[1:]} == {(total, 601)}
    assert len(calls) <= report.elapsed * 20 + 3
    assert threads == {threading.get_ident()}


# ---- a file system, one file ----


def _fs() -> MemoryFs:
    return MemoryFs(
        {"romfs/data/a.bin": b"1", "romfs/data/b.txt": b"2", "romfs/c.bin": b"3", "exefs/main": b"4"},
        dirs=["romfs/empty", "romfs/data/void"],
    )


def test_a_file_system(tmp_path: Path) -> None:
    fs = _fs()
    report = extract_tree(fs, tmp_path / "out")
    assert snapshot(tmp_path / "out") == {path: None if entry.kind == "directory" else fs.read_bytes(path) for path, entry in fs.walk()}
    assert (report.files, report.dirs) == (4, 5)


@pytest.mark.parametrize(
    ("path", "globs", "expected"),
    [
        ("romfs", (), {"data": None, "data/a.bin": b"1", "data/b.txt": b"2", "data/void": None, "c.bin": b"3", "empty": None}),
        ("romfs", ("*.bin",), {"data": None, "data/a.bin": b"1", "c.bin": b"3"}),
        ("/romfs/", ("data",), {"data": None, "data/a.bin": b"1", "data/b.txt": b"2", "data/void": None}),
        (
            "",
            ("romfs/data/*.txt", "exefs/**"),
            {"romfs": None, "romfs/data": None, "romfs/data/b.txt": b"2", "exefs": None, "exefs/main": b"4"},
        ),
        ("", ("nothing",), {}),
        ("romfs/data/b.txt", (), {"b.txt": b"2"}),
        ("romfs/data/b.txt", ("*.bin",), {}),
    ],
)
def test_a_part_of_a_file_system(tmp_path: Path, path: str, globs: tuple[str, ...], expected: dict[str, bytes | None]) -> None:
    extract_tree(_fs(), tmp_path / "out", path, globs=globs)
    assert snapshot(tmp_path / "out") == expected


def test_a_path_that_is_not_in_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        extract_tree(_fs(), tmp_path / "out", "romfs/gone")
    assert snapshot(tmp_path) == {}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("size", [0, 10, LARGE])
def test_one_file(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = MemoryStorage(noise(size))
    assert write_file(storage, tmp_path / "made" / "f").bytes == size
    write_file(storage, "here")
    with pytest.raises(FileExistsError):
        write_file(storage, "here")
    write_file(MemoryStorage(b"new"), "here", overwrite=True)
    assert snapshot(tmp_path) == {"made": None, "made/f": noise(size), "here": b"new"}


def test_one_file_where_it_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "dir").mkdir()
    storage: Storage = MemoryStorage(b"1")
    for name, kind in (("link", UnsafePathError), ("dir", IsADirectoryError), ("n" * 300, OSError), ("a\0b", UnsafePathError)):
        with pytest.raises(kind):
            write_file(storage, tmp_path / name, overwrite=True)
    with pytest.raises(IsADirectoryError):
        write_file(storage, f"{tmp_path}/dir/")
    with pytest.raises(OSError, match="broken"):
        write_file(Opaque(b"1", _raiser(OSError(errno.EIO, "broken"))), tmp_path / "f")
    assert snapshot(tmp_path) == {"link": "-> elsewhere", "dir": None}


# ---- the cursor ----


def test_a_directory_that_moves_while_it_is_in_use(tmp_path: Path) -> None:
    put(tmp_path, {"a/b/f": b"1", "elsewhere/f": b"2"})
    cursor = Cursor(str(tmp_path))
    try:
        cursor.down("a")
        cursor.down("b")
        (tmp_path / "a" / "b").rename(tmp_path / "elsewhere" / "b")
        with pytest.raises(UnsafePathError, match="moved"):
            cursor.up()
    finally:
        cursor.close()


@pytest.mark.usefixtures("host")
def test_removing_follows_no_link(tmp_path: Path) -> None:
    put(tmp_path, {"keep/f": b"1", "gone/d/f": b"2"})
    (tmp_path / "gone" / "d" / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "link").symlink_to(tmp_path / "keep")
    cursor = Cursor(str(tmp_path))
    try:
        for name in ("gone", "link", "never was"):
            cursor.remove(name)
        with pytest.raises(UnsafePathError):
            cursor.down("keep/f")
        cursor.goto(["keep"])
        cursor.goto([])
        assert cursor.names == []
    finally:
        cursor.close()
        cursor.close()
    assert snapshot(tmp_path) == {"keep": None, "keep/f": b"1"}


def test_a_directory_knows_its_path() -> None:
    inner = Directory("b", Directory("a", Directory()))
    assert (inner.names, inner.join("c"), Directory().join("c")) == (["a", "b"], "a/b/c", "c")
