"""Extraction: the tree that was asked for, without the names a host must not see."""

from __future__ import annotations

import errno
import os
import random
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import (
    EntryNotFoundError,
    UnsafePathError,
)
from oboromi_fs.jobs import plan
from oboromi_fs.jobs.extract import ExtractReport, extract, extract_tree, write_file
from oboromi_fs.jobs.plan import WINDOW
from oboromi_fs.paths import unsafe_name
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.protocols import Storage

from tests import extraction
from tests.extraction import LARGE, Opaque, laid_out, noise, raiser, snapshot

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left

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
        "/evil",
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
    assert refused["/evil"] == refused["/etc/evil"] == "the path is absolute"
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


def test_progress_is_told_twenty_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) / 100)  # Every look at it takes 10 ms.
    extents = [Extent(f"f{n}", MemoryStorage(b"1"), 0, 1) for n in range(200)]  # Each a read of its own.
    calls: list[tuple[int, ...]] = []
    extract(extents, tmp_path / "out", workers=1, progress=lambda *state: calls.append(state))
    assert 30 <= len(calls) <= 45
    assert calls[-1] == (200, 200, 200, 200)


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
        write_file(Opaque(b"1", raiser(OSError(errno.EIO, "broken"))), tmp_path / "f")
    assert snapshot(tmp_path) == {"link": "-> elsewhere", "dir": None}
