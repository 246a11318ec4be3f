"""Running on a merged view: everything a program did is found, on top of the layers it gives the same again, and no original is edited."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import HostFs, Layer, MemoryFs, UnionFs
from oboromi_fs.errors import CorruptError, EntryNotFoundError, UnsafePathError
from oboromi_fs.jobs import running, running_command
from oboromi_fs.jobs.running import Changes, RunMode, run_finalize, run_setup
from oboromi_fs.jobs.running_command import LeftBehindError, run_command
from tests import extraction
from tests.extraction import put, snapshot

_no_descriptor_left = extraction.no_descriptor_left

MODES: tuple[RunMode, ...] = ("copy", "hardlink")
BASE = {"a": b"base a", "d/b": b"base b", "d/e/c": b"base c", "empty": b"", "f/only": b"only"}
MOD = {"d/b": b"mod b", "m": b"mod m"}


class Setup:
    def __init__(self, top: Path) -> None:
        self.top = top
        self.base, self.mod, self.merged, self.output = top / "base", top / "mod", top / "merged", top / "out"
        put(self.base, BASE)
        put(self.mod, MOD)
        self.union = UnionFs([Layer(HostFs(self.base), "base"), Layer(HostFs(self.mod), "mod")])

    def untouched(self) -> bool:
        files = {path: data for path, data in snapshot(self.base).items() if data is not None}
        return files == BASE and {path: data for path, data in snapshot(self.mod).items() if data is not None} == MOD

    def stacked(self) -> dict[str, bytes | None]:
        """The layers with the changes on top."""
        union = UnionFs([*self.union.layers, Layer(HostFs(self.output), "changes")])
        return contents(union)


def contents(union: UnionFs) -> dict[str, bytes | None]:
    return {path: union.read_bytes(path) if entry.kind == "file" else None for path, entry in union.walk()}


@pytest.fixture
def made(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


# ---- V30: setup and finalize ----


@pytest.mark.parametrize("mode", MODES)
def test_V30_setup_writes_the_merged_directory_and_a_snapshot(made: Setup, mode: RunMode) -> None:
    found = run_setup(made.union, made.merged, mode)
    assert snapshot(made.merged) == contents(made.union)
    assert set(found.entries) == set(contents(made.union))
    seen, real = found.entries["d/b"], os.stat(made.merged / "d/b")
    assert (seen.kind, seen.size, seen.mtime_ns, seen.inode) == ("file", 5, real.st_mtime_ns, real.st_ino)
    assert found.originals == ({} if mode == "copy" else found.originals)
    assert os.path.samefile(made.merged / "d/b", made.mod / "d/b") is (mode == "hardlink")
    changes = run_finalize(found, made.output)
    assert not changes
    assert changes == Changes(output=str(made.output))
    assert snapshot(made.output) == {}


@pytest.mark.parametrize("mode", MODES)
def test_V30_finalize_collects_additions_changes_deletions_and_renames(made: Setup, mode: RunMode) -> None:
    found = run_setup(made.union, made.merged, mode)
    put(made.merged, {"new/deep/x": b"new x", "y": b"new y"})
    (made.merged / "a").unlink()
    (made.merged / "a").write_bytes(b"BASE A")  # Of the same size.
    (made.merged / "d/e/c").rename(made.merged / "d/moved")
    (made.merged / "m").unlink()
    shutil.rmtree(made.merged / "f")
    (made.merged / "hollow").mkdir()
    changes = run_finalize(found, made.output)
    assert changes == Changes(
        added=("new/deep/x", "y"),
        changed=("a",),
        deleted=("f/only", "m"),
        renamed=(("d/e/c", "d/moved"),),
        added_directories=("hollow", "new", "new/deep"),
        deleted_directories=("f",),
        output=str(made.output),
    )
    assert snapshot(made.output) == {
        ".wh.f": b"",
        ".wh.m": b"",
        "a": b"BASE A",
        "d": None,
        "d/e": None,
        "d/e/.wh.c": b"",
        "d/moved": b"base c",
        "hollow": None,
        "new": None,
        "new/deep": None,
        "new/deep/x": b"new x",
        "y": b"new y",
    }
    assert made.stacked() == snapshot(made.merged)
    assert made.untouched()
    assert changes.to_json() == {
        "added": ["new/deep/x", "y"],
        "changed": ["a"],
        "deleted": ["f/only", "m"],
        "renamed": [{"from": "d/e/c", "to": "d/moved"}],
        "added_directories": ["hollow", "new", "new/deep"],
        "deleted_directories": ["f"],
        "edited_originals": [],
        "skipped": [],
        "output": str(made.output),
    }


def test_V30_originals_are_never_edited_by_default(made: Setup) -> None:
    found = run_setup(made.union, made.merged)
    for path in ("a", "d/b", "d/e/c", "m"):
        with open(made.merged / path, "r+b") as file:
            file.write(b"!")
    assert run_finalize(found).changed == ("a", "d/b", "d/e/c", "m")
    assert made.untouched()


def test_V30_with_hard_links_edits_in_place_are_found_and_told(made: Setup) -> None:
    found = run_setup(made.union, made.merged, "hardlink")
    with open(made.merged / "a", "r+b") as file:
        file.write(b"!")
    (made.merged / "m").unlink()
    (made.merged / "m").write_bytes(b"replaced")
    for path in ("d/b", "f/only"):
        with open(made.merged / path, "r+b") as file:
            file.write(b"!")
    (made.merged / "f/only").unlink()
    edited = (made.merged / "d/b").read_bytes()
    (made.merged / "d/b").unlink()
    (made.merged / "d/b").write_bytes(edited)
    changes = run_finalize(found, made.output)
    assert (changes.changed, changes.deleted) == (("a", "d/b", "m"), ("f/only",))
    assert changes.edited_originals == (
        ("a", str(made.base / "a")),
        ("d/b", str(made.mod / "d/b")),
        ("f/only", str(made.base / "f/only")),
    )
    assert snapshot(made.output) == {
        "a": b"!ase a",
        "d": None,
        "d/b": b"!od b",
        "f": None,
        "f/.wh.only": b"",
        "m": b"replaced",
    }
    assert (made.base / "a").read_bytes() == b"!ase a"
    assert (made.mod / "m").read_bytes() == b"mod m"


def test_V30_an_edit_that_puts_the_time_back_is_found(made: Setup) -> None:
    for mode in MODES:
        found = run_setup(made.union, made.top / mode, mode)
        path = made.top / mode / "d/b"
        times = os.stat(path).st_mtime_ns
        path.write_bytes(b"MOD B")
        os.utime(path, ns=(times, times))
        changes = run_finalize(found)
        assert changes.changed == ("d/b",)
        assert len(changes.edited_originals) == (mode == "hardlink")


@pytest.mark.parametrize("mode", MODES)
def test_V30_touched_or_written_anew_with_the_same_contents_is_no_change(made: Setup, mode: RunMode) -> None:
    found = run_setup(made.union, made.merged, mode)
    (made.merged / "a").unlink()
    (made.merged / "a").write_bytes(b"base a")
    os.link(made.merged / "m", made.top / "another link")
    if mode == "copy":
        os.utime(made.merged / "d/b", ns=(1, 2))
        (made.merged / "d/b").chmod(0o700)
    assert run_finalize(found) == Changes()


def test_V30_a_write_right_after_the_setup_is_found(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / f"{number}", {"a": b"1"})
        found = run_setup(UnionFs([HostFs(tmp_path / f"{number}")]), tmp_path / f"m{number}")
        with open(tmp_path / f"m{number}/a", "r+b") as file:
            file.write(b"2")
        assert run_finalize(found).changed == ("a",)


def test_V30_a_later_write_cannot_have_the_time_of_the_setup(made: Setup) -> None:
    """The clock of files lags behind by a tick of up to 10 ms."""
    for number in range(5):
        found = run_setup(made.union, made.top / f"m{number}")
        assert time.time_ns() > max(seen.ctime_ns for seen in found.entries.values()) + 10_000_000
    running._let_time_pass(time.time_ns() + 10**18)  # A clock that was put back is not waited for.


def test_V30_kinds_that_change(made: Setup) -> None:
    found = run_setup(made.union, made.merged)
    shutil.rmtree(made.merged / "d")
    (made.merged / "d").write_bytes(b"now a file")
    (made.merged / "a").unlink()
    put(made.merged, {"a/in": b"now a directory"})
    changes = run_finalize(found, made.output)
    assert (changes.added, changes.deleted) == (("a/in", "d"), ("a", "d/b", "d/e/c"))
    assert (changes.added_directories, changes.deleted_directories) == (("a",), ("d", "d/e"))
    assert snapshot(made.output) == {"a": None, "a/in": b"now a directory", "d": b"now a file"}
    assert made.stacked() == snapshot(made.merged)


def test_V30_renames_are_paired_the_same_way_every_time(tmp_path: Path) -> None:
    base = {"p/x": b"same", "p/y": b"same", "q/z": b"same", "other": b"othr", "none": b""}
    for copied in (False, True):
        top = tmp_path / f"{copied}"
        found = run_setup(UnionFs([MemoryFs(base)]), top)

        def move(old: str, new: str, top: Path = top, copied: bool = copied) -> None:
            (top / new).parent.mkdir(exist_ok=True)
            if copied:
                (top / new).write_bytes((top / old).read_bytes())
                (top / old).unlink()
            else:
                (top / old).rename(top / new)

        move("p/x", "n/b")
        move("p/y", "n/x")
        move("q/z", "n/a")
        move("other", "n/other2")
        move("none", "n/none2")
        expected = [("other", "n/other2"), ("p/x", "n/b"), ("p/y", "n/x"), ("q/z", "n/a"), ("none", "n/none2")]
        if copied:  # By name first, then in order; an empty file could be any.
            expected = [("other", "n/other2"), ("p/x", "n/x"), ("p/y", "n/a"), ("q/z", "n/b")]
        assert list(run_finalize(found).renamed) == sorted(expected)
        assert run_finalize(found).renamed == run_finalize(found).renamed


def test_V30_a_directory_that_is_renamed(made: Setup) -> None:
    found = run_setup(made.union, made.merged, "hardlink")
    (made.merged / "d").rename(made.merged / "g")
    changes = run_finalize(found, made.output)
    assert changes.renamed == (("d/b", "g/b"), ("d/e/c", "g/e/c"))
    assert (changes.added, changes.deleted, changes.edited_originals) == ((), (), ())
    assert made.stacked() == snapshot(made.merged)


def test_V30_what_no_layer_can_hold_is_told(made: Setup) -> None:
    found = run_setup(made.union, made.merged)
    put(made.merged, {".wh.a": b"", "d/.wh.dir/x": b"", "ok": b"ok"})
    os.mkfifo(made.merged / "pipe")
    (made.merged / "m").unlink()
    os.mkfifo(made.merged / "m")
    for name, goal in (
        ("inside", "d/../d/b"),
        ("outside", "../base/a"),
        ("root", "/etc/hostname"),
        ("dangling", "nothing"),
        ("folder", "d"),
    ):
        (made.merged / name).symlink_to(goal)
    changes = run_finalize(found, made.output)
    marker = "a layer cannot hold it: .wh.… is the name of a whiteout"
    assert changes.skipped == (
        (".wh.a", marker),
        ("d/.wh.dir", marker),
        ("dangling", "is a link that leads to no file of the folder, but to 'nothing'"),
        ("folder", "is a link that leads to no file of the folder, but to 'd'"),
        ("m", "is neither file nor directory"),
        ("outside", "is a link that leads to no file of the folder, but to '../base/a'"),
        ("pipe", "is neither file nor directory"),
        ("root", "is a link that leads to no file of the folder, but to '/etc/hostname'"),
    )
    assert changes.added == ("inside", "ok")
    assert changes.deleted == ("m",)
    assert snapshot(made.output) == {".wh.m": b"", "inside": b"mod b", "ok": b"ok"}


def test_V30_whiteouts_that_are_ordinary_files_of_a_layer(tmp_path: Path) -> None:
    put(tmp_path / "base", {".wh.x": b"1", ".wh.y": b"2", ".wh.d/z": b"3", "a": b"4"})
    union = UnionFs([Layer(HostFs(tmp_path / "base"), "base", markers=False)])
    found = run_setup(union, tmp_path / "merged")
    assert run_finalize(found) == Changes()
    (tmp_path / "merged/.wh.x").write_bytes(b"other")
    (tmp_path / "merged/.wh.y").unlink()
    (tmp_path / "merged/.wh.d/z").unlink()
    changes = run_finalize(found, tmp_path / "out")
    assert changes.skipped == ((".wh.x", "a layer cannot hold it: .wh.… is the name of a whiteout"),)
    assert (changes.changed, changes.deleted) == ((), (".wh.d/z", ".wh.y"))
    assert snapshot(tmp_path / "out") == {}


def test_V30_times_and_the_right_to_execute_are_kept(made: Setup) -> None:
    found = run_setup(made.union, made.merged)
    put(made.merged, {"tool": b"#!/bin/sh\n"})
    (made.merged / "tool").chmod(0o755)
    os.utime(made.merged / "tool", ns=(5, 1_111_111_111_000_000_001))
    run_finalize(found, made.output)
    assert os.stat(made.output / "tool").st_mtime_ns == 1_111_111_111_000_000_001
    assert os.access(made.output / "tool", os.X_OK)


def test_V30_folders_that_must_be_new(made: Setup) -> None:
    put(made.merged, {"mine": b"mine"})
    with pytest.raises(FileExistsError, match="is not empty: the merged view goes into a new folder"):
        run_setup(made.union, made.merged)
    assert snapshot(made.merged) == {"mine": b"mine"}
    found = run_setup(made.union, made.top / "m2")
    with pytest.raises(FileExistsError, match="is not empty: a layer of changes goes into a new folder"):
        run_finalize(found, made.merged)
    with pytest.raises(UnsafePathError, match="lies in the files of layer 'base', which must not change"):
        run_finalize(found, made.base / "changes")
    with pytest.raises(UnsafePathError, match="lies in the folder whose changes it is to hold"):
        run_finalize(found, made.top / "m2/changes")
    with pytest.raises(UnsafePathError, match="lies in the files of layer 'base', which must not change"):
        run_setup(made.union, made.base / "merged")
    with pytest.raises(ValueError, match="mode must be one of copy, hardlink, not 'move'"):
        run_setup(made.union, made.top / "m3", "move")  # type: ignore[arg-type]  # That is the test.
    assert made.untouched()


def test_V30_a_layer_that_is_gone_meanwhile_loses_nothing(made: Setup) -> None:
    found = run_setup(made.union, made.merged)
    (made.merged / "a").unlink()
    (made.merged / "a").write_bytes(b"base A")
    (made.merged / "d/b").rename(made.merged / "moved")
    made.base.rename(made.top / "away")
    made.mod.rename(made.top / "away too")
    changes = run_finalize(found, made.output)
    assert (changes.changed, changes.added, changes.deleted) == (("a",), ("moved",), ("d/b",))
    assert snapshot(made.output) == {"a": b"base A", "d": None, "d/.wh.b": b"", "moved": b"mod b"}


def test_V30_finalize_that_fails_leaves_no_output(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run_setup(made.union, made.merged)
    put(made.merged, {"new": b"new"})

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="no room"):
            run_finalize(found, made.output)
    assert not made.output.exists()
    assert run_finalize(found, made.output).added == ("new",)


def test_V30_archives_can_be_layers(tmp_path: Path) -> None:
    archive = Layer(MemoryFs({"a": b"1", "b": b"2"}), "pack", kind="archive")
    for mode in MODES:
        found = run_setup(UnionFs([archive]), tmp_path / mode, mode)
        with open(tmp_path / mode / "a", "r+b") as file:
            file.write(b"3")
        changes = run_finalize(found)
        assert (changes.changed, changes.edited_originals) == (("a",), ())


# Random programs.

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
DATA = st.sampled_from([b"", b"1", b"2", b"22"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, DATA),
        st.tuples(st.just("edit"), PATHS, DATA),
        st.tuples(st.just("delete"), PATHS, st.none()),
        st.tuples(st.just("mkdir"), PATHS, st.none()),
        st.tuples(st.just("rename"), PATHS, PATHS),
    ),
    max_size=8,
)


def act(top: Path, step: tuple[str, str, Any]) -> None:
    """What a program may do; what cannot be done it does not."""
    verb, path, more = step
    place = top / path
    try:
        if verb == "write":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.write_bytes(more)
        elif verb == "edit":
            with open(place, "r+b") as file:
                file.write(more)
        elif verb == "delete":
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()
        elif verb == "mkdir":
            place.mkdir(parents=True)
        else:
            place.rename(top / more)
    except OSError:
        pass


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path, data in draw(st.dictionaries(PATHS, DATA, max_size=4)).items():
        if not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in files):
            files[path] = data
    return files


@given(st.lists(trees(), min_size=1, max_size=2), STEPS, st.sampled_from(MODES))
def test_V30_any_program(layers: list[dict[str, bytes]], steps: list[tuple[str, str, Any]], mode: RunMode) -> None:
    """The changes on top of the layers are the folder as the program left it; and every list of them is what a comparison says."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_TICK", 10_000_000)
        top = Path(name)
        for number, files in enumerate(layers):
            (top / f"{number}").mkdir()
            put(top / f"{number}", files)
        union = UnionFs([HostFs(top / f"{number}") for number in range(len(layers))])
        before = contents(union)
        sources = [snapshot(top / f"{number}") for number in range(len(layers))]
        found = run_setup(union, top / "merged", mode)
        for step in steps:
            act(top / "merged", step)
        changes = run_finalize(found, top / "out")
        after: dict[str, Any] = snapshot(top / "merged")
        assert contents(UnionFs([*union.layers, HostFs(top / "out")])) == after
        if not changes.edited_originals:
            assert [snapshot(top / f"{number}") for number in range(len(layers))] == sources
        assert mode == "hardlink" or not changes.edited_originals
        old_files = {path for path, data in before.items() if data is not None}
        new_files = {path for path, data in after.items() if data is not None}
        assert {*changes.added, *(new for _, new in changes.renamed)} == new_files - old_files
        assert {*changes.deleted, *(old for old, _ in changes.renamed)} == old_files - new_files
        edited = {path for path, _ in changes.edited_originals}
        assert set(changes.changed) == {path for path in old_files & new_files if before[path] != after[path] or path in edited}
        assert set(changes.added_directories) == after.keys() - new_files - (before.keys() - old_files)
        assert set(changes.deleted_directories) == before.keys() - old_files - (after.keys() - new_files)
        assert all(before[old] == after[new] for old, new in changes.renamed) or changes.edited_originals


# ---- V30, V35: a command ----


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", "{}"]


def leftovers(made: Setup) -> list[str]:
    return [name for name in os.listdir(made.top) if name.startswith(".oboromi")]


def test_V30_run_a_command(made: Setup) -> None:
    result = run_command(made.union, shell('cd "$1" && echo new > n && rm m && mv a z && echo more >> d/b'), output=made.output)
    assert result.code == 0
    assert result.changes == Changes(added=("n",), changed=("d/b",), deleted=("m",), renamed=(("a", "z"),), output=str(made.output))
    assert snapshot(made.output) == {
        ".wh.a": b"",
        ".wh.m": b"",
        "d": None,
        "d/b": b"mod bmore\n",
        "n": b"new\n",
        "z": b"base a",
    }
    assert made.untouched()
    assert leftovers(made) == []
    assert result.to_json() == {"code": 0, "changes": result.changes.to_json(), "refused": []}


def test_V30_braces_stand_for_the_merged_directory_anywhere(made: Setup) -> None:
    script = 'test "$1/a" = "$2" && test "$(pwd -P)" = "$1/d" && cat "$2" > out'
    result = run_command(made.union, ["/bin/sh", "-c", script, "sh", "{}", "{}/a"], cwd="{}/d")
    assert (result.code, result.changes.added) == (0, ("d/out",))
    words = ["/bin/sh", "-c", 'test "$1" = "--data=$2/d:$2"', "sh", "--data={}/d:{}", "{}"]
    assert run_command(made.union, words).code == 0


def test_V30_where_the_merged_directory_is_made(made: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = shell('dirname "$(dirname "$1")" > "$1/place"')
    (tmp_path / "work").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for output, workspace, expected in (("o1", "work", "work"), ("o2", None, "."), ("deep/er/o3", None, "."), (None, None, "tmp")):
        target = made.top / output if output else None
        result = run_command(made.union, script, output=target, workspace=made.top / workspace if workspace else None)
        assert result.changes.added == ("place",)
        if target is not None:
            assert (target / "place").read_text() == f"{os.path.realpath(made.top / expected)}\n"
    assert os.listdir(tmp_path / "work") == os.listdir(tmp_path / "tmp") == []
    assert leftovers(made) == []


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_V35_the_code_of_the_child_is_passed_on(made: Setup, script: str, code: int) -> None:
    result = run_command(made.union, shell(f'echo 1 > "$1/n"; {script}'), output=made.output)
    assert result.code == code
    assert (made.output / "n").read_bytes() == b"1\n"
    assert leftovers(made) == []


def test_V30_programs_that_are_not_there(made: Setup) -> None:
    for words, options, message in (
        (["no-such-program-here", "{}"], {}, "no such program: 'no-such-program-here'"),
        (["./no/such", "{}"], {}, "no such program: './no/such'"),
        (["/bin/sh"], {"cwd": "/no/such/folder"}, "no such folder to run in: '/no/such/folder'"),
    ):
        with pytest.raises(EntryNotFoundError) as caught:
            run_command(made.union, words, output=made.output, **options)  # type: ignore[arg-type]  # A table of options.
        assert str(caught.value) == message
    with pytest.raises(PermissionError):
        run_command(made.union, [str(made.base / "a"), "{}"], output=made.output)
    with pytest.raises(UnsafePathError, match="holds a NUL"):
        run_command(made.union, ["sh", "a\0"])
    with pytest.raises(ValueError, match="argv must name a program"):
        run_command(made.union, [])
    assert not made.output.exists()
    assert leftovers(made) == []


def test_V30_an_output_that_cannot_be_is_found_out_before_anything_runs(made: Setup) -> None:
    put(made.output, {"mine": b"mine"})
    script = shell(f"touch {made.top}/ran")
    with pytest.raises(FileExistsError):
        run_command(made.union, script, output=made.output)
    with pytest.raises(UnsafePathError):
        run_command(made.union, script, output=made.base / "x")
    assert not (made.top / "ran").exists()


def test_V30_what_cannot_be_collected_is_not_lost(made: Setup) -> None:
    with pytest.raises(LeftBehindError, match="what the program changed was not collected, and is left here: ") as caught:
        run_command(made.union, shell(f'echo 1 > "$1/n"; mkdir {made.output}; touch {made.output}/x'), output=made.output)
    assert "is not empty" in str(caught.value)
    assert Path(caught.value.filename, "n").read_bytes() == b"1\n"
    assert isinstance(caught.value, OSError)


def test_V30_a_setup_that_fails_leaves_nothing(made: Setup) -> None:
    class Torn(MemoryFs):
        def _storage(self, path: str) -> Any:
            raise CorruptError("is torn", what=path)

    union = UnionFs([*made.union.layers, Layer(Torn({"t": b"1"}), "torn")])
    with pytest.raises(CorruptError):
        run_command(union, shell("true"), output=made.output)
    assert leftovers(made) == []


def test_V30_directories_that_the_program_closes_are_removed_all_the_same(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = running_command._remove_once

    def closed(parent: str, name: str) -> None:
        calls.append(name)
        if len(calls) == 1:  # As for all but root.
            raise PermissionError(errno.EACCES, "permission denied")
        real(parent, name)

    monkeypatch.setattr(running_command, "_remove_once", closed)
    run_command(made.union, shell('chmod 0 "$1/d"'), output=made.output)
    assert len(calls) == 2
    assert leftovers(made) == []


PARENT = """
import sys
from oboromi_fs import HostFs, Layer, UnionFs
from oboromi_fs.jobs.running_command import run_command
top = sys.argv[1]
union = UnionFs([Layer(HostFs(top + "/base"), "base")])
result = run_command(union, ["/bin/sh", "-c", sys.argv[2], "sh", "{}"], output=top + "/out")
print(result.code, *result.changes.added)
"""


@pytest.mark.parametrize(
    ("number", "script", "expected"),
    [
        (signal.SIGINT, "trap 'echo 2 > $1/trapped; exit 7' INT", "7 n trapped"),
        (signal.SIGTERM, "trap 'echo 2 > $1/trapped; exit 8' TERM", "8 n trapped"),
        (signal.SIGINT, "", "130 n"),
        (signal.SIGHUP, "", "129 n"),
    ],
)
def test_V30_signals_go_to_the_child_and_the_folder_is_removed(made: Setup, number: int, script: str, expected: str) -> None:
    script = f'{script}\necho 1 > "$1/n"; touch {made.top}/ready; while :; do sleep 0.02; done'
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(made.top), script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for _ in range(1500):
            if (made.top / "ready").exists() or parent.poll() is not None:
                break
            time.sleep(0.02)
        parent.send_signal(number)
        answer, _ = parent.communicate(timeout=60)
    finally:
        parent.kill()
    assert answer.strip() == expected
    assert leftovers(made) == []
    assert (made.output / "n").read_bytes() == b"1\n"


def test_V30_a_terminal_s_ctrl_c_reaches_the_child_once(made: Setup) -> None:
    script = f"""trap 'echo x >> "$1/count"' INT; touch {made.top}/ready
        while ! [ -e "$1/count" ]; do sleep 0.02; done; sleep 0.1; sleep 0.1; wc -l < "$1/count" | tr -d ' ' > {made.top}/told"""
    command = [sys.executable, "-c", PARENT, str(made.top), script]
    spawn = f"import pty, sys; pty.spawn({command!r})"
    with subprocess.Popen([sys.executable, "-c", spawn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as terminal:
        for _ in range(1500):
            if (made.top / "ready").exists() or terminal.poll() is not None:
                break
            time.sleep(0.02)
        assert terminal.stdin is not None
        terminal.stdin.write(b"\x03")
        terminal.stdin.flush()
        answer, _ = terminal.communicate(timeout=60)
    assert (made.top / "told").read_text() == "1\n"
    assert answer.decode().rstrip().endswith("0 count")  # The terminal itself shows ^C.
    assert leftovers(made) == []


@pytest.mark.parametrize("script", ["rm -rf {}; ln -s /etc {}", "rm -rf {}", "rm -rf {}; echo > {}"])
def test_V30_a_merged_folder_that_is_none_any_more_is_not_collected(tmp_path: Path, script: str) -> None:
    union = UnionFs([Layer(MemoryFs({"a": b"1"}), "base")])
    with pytest.raises((UnsafePathError, EntryNotFoundError), match="the program has"):
        run_command(union, ["sh", "-c", script], output=tmp_path / "changes", workspace=tmp_path)
    assert list(tmp_path.iterdir()) == []
