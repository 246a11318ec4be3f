"""The merged view as a folder: planned without a write, made whole or not at all, and no source touched."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import HostFs, Layer, MemoryFs, UnionFs
from oboromi_fs.base import SubFs
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    IsADirectoryEntryError,
    MappingError,
    NotADirectoryEntryError,
    UnsafePathError,
)
from oboromi_fs.jobs import linking, writer
from oboromi_fs.jobs.extract import CancelledError
from oboromi_fs.jobs.materialise import apply_plan, collapse, dump, extract_file
from oboromi_fs.jobs.materialise_plan import Action, Issue, Mode, plan_collapse
from oboromi_fs.jobs.trees import tree_document
from oboromi_fs.overlay.documents import dumps
from tests import extraction
from tests.extraction import Opaque, Strike, noise, put, snapshot
from tests.overlay.strategies import real_layers, same_case_stacks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.overlay.model import ModelLayer

_no_descriptor_left = extraction.no_descriptor_left

LOOSE: tuple[Mode, ...] = ("copy", "hardlink", "symlink", "auto")


class Setup:
    """Two folders and an archive, and everything known about the folders."""

    def __init__(self, top: Path) -> None:
        self.base, self.mod, self.target = top / "base", top / "mod", top / "out"
        put(self.base, {"a": b"base a", "d/b": b"base b", "d/e/c": b"base c"})
        put(self.mod, {"d/b": b"mod b", "run.sh": b"#!/bin/sh\n"})
        (self.base / "empty" / "inner").mkdir(parents=True)
        (self.mod / "run.sh").chmod(0o700)
        os.utime(self.mod / "d" / "b", ns=(1, 1_234_567_890_123_456_789))
        archive = MemoryFs({"d/z": b"archived", "a": b"archived a"})
        self.union = UnionFs(
            [Layer(HostFs(self.base), "base"), Layer(archive, "pack", kind="archive", path="pack.zip"), Layer(HostFs(self.mod), "mod")]
        )
        self.sources = [self.base, self.mod]
        self.before = self.state()

    def state(self) -> list[Any]:
        """Contents, modes and times of the layers."""
        found: list[Any] = []
        for source in self.sources:
            found.append(snapshot(source))
            for parent, _, files in os.walk(source):
                for name in files:
                    info = os.stat(os.path.join(parent, name))
                    found.append((name, info.st_mode, info.st_mtime_ns, info.st_ino))
        return found


@pytest.fixture
def made(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


MERGED: dict[str, bytes | None] = {
    "a": b"archived a",
    "d": None,
    "d/b": b"mod b",
    "d/e": None,
    "d/e/c": b"base c",
    "d/z": b"archived",
    "empty": None,
    "empty/inner": None,
    "run.sh": b"#!/bin/sh\n",
}


def read(top: Path) -> dict[str, bytes | None]:
    """What is there, links followed."""
    found: dict[str, bytes | None] = {}
    for parent, dirs, files in os.walk(top):
        for name in dirs:
            found[os.path.relpath(os.path.join(parent, name), top)] = None
        for name in files:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, top)] = file.read()
    return found


# ---- V26 ----


@pytest.mark.parametrize("mode", LOOSE)
def test_V26_collapse_in_every_mode(made: Setup, mode: Mode) -> None:
    report = collapse(made.union, made.target, mode)
    assert read(made.target) == MERGED
    assert report.files == 5
    assert made.state() == made.before
    same = {name: os.path.samefile(made.target / name, made.mod / name) for name in ("d/b", "run.sh")}
    assert same == dict.fromkeys(same, mode in ("hardlink", "symlink"))
    assert (made.target / "d/b").is_symlink() is (mode == "symlink")
    assert not (made.target / "a").is_symlink()
    assert os.stat(made.target / "d/b").st_mtime_ns == 1_234_567_890_123_456_789
    assert os.access(made.target / "run.sh", os.X_OK)
    assert stat.S_IMODE(os.stat(made.target / "d/e/c").st_mode) & 0o111 == 0


@given(same_case_stacks())
def test_V26_collapse_of_any_stack_is_what_the_union_lists(tmp_path_factory: pytest.TempPathFactory, models: list[ModelLayer]) -> None:
    union = UnionFs(real_layers(models))
    target = tmp_path_factory.mktemp("any") / "out"
    report = collapse(union, target)
    expected = {path: union.read_bytes(path) if entry.kind == "file" else None for path, entry in union.walk()}
    assert read(target) == expected
    assert report.files == sum(data is not None for data in expected.values())


@pytest.mark.parametrize("mode", LOOSE)
def test_V26_a_destination_that_is_the_source_is_left_alone(made: Setup, mode: Mode) -> None:
    (made.target / "d").mkdir(parents=True)
    os.link(made.mod / "d/b", made.target / "d/b")
    report = collapse(made.union, made.target, mode)
    assert report.plan.counts["keep"] == 1
    assert os.stat(made.target / "d/b").st_ino == os.stat(made.mod / "d/b").st_ino
    assert read(made.target) == MERGED
    assert made.state() == made.before


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_V26_a_second_run_of_links_keeps_them(made: Setup, mode: Mode) -> None:
    collapse(made.union, made.target, mode)
    before = {name: os.lstat(made.target / name).st_ino for name in ("d/b", "d/e/c", "run.sh")}
    report = collapse(made.union, made.target, mode)
    assert {action.key: action.action for action in report.plan.actions} == {
        "a": "extract_archive",
        "d/b": "keep",
        "d/e/c": "keep",
        "d/z": "extract_archive",
        "run.sh": "keep",
    }
    assert {name: os.lstat(made.target / name).st_ino for name in before} == before


@pytest.mark.parametrize("mode", LOOSE)
def test_V26_files_are_replaced_and_others_stay(made: Setup, mode: Mode) -> None:
    put(made.target, {"a": b"old", "d/b": b"old and longer", "mine": b"mine"})
    collapse(made.union, made.target, mode)
    assert read(made.target) == {**MERGED, "mine": b"mine"}
    assert made.state() == made.before


def test_V26_a_replaced_hard_link_does_not_change_what_it_was_linked_to(made: Setup, tmp_path: Path) -> None:
    put(tmp_path, {"other": b"precious"})
    made.target.mkdir()
    os.link(tmp_path / "other", made.target / "a")
    collapse(made.union, made.target)
    assert (tmp_path / "other").read_bytes() == b"precious"
    assert (made.target / "a").read_bytes() == b"archived a"


@pytest.mark.parametrize("mode", LOOSE)
@pytest.mark.parametrize("place", ["a", "d", "d/b"])
@pytest.mark.parametrize("goal", ["elsewhere", "nowhere"])
def test_V26_nothing_is_written_through_a_symlink(made: Setup, tmp_path: Path, mode: Mode, place: str, goal: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (made.target / place).parent.mkdir(parents=True)
    (made.target / place).symlink_to(tmp_path / goal)
    before = snapshot(made.target)
    with pytest.raises(UnsafePathError, match="a symbolic link is"):
        collapse(made.union, made.target, mode)
    assert snapshot(made.target) == before
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not (tmp_path / "nowhere").exists()


def test_V26_a_link_to_another_source_is_not_the_source(made: Setup) -> None:
    (made.target / "d").mkdir(parents=True)
    (made.target / "d/b").symlink_to(made.base / "d/b")
    with pytest.raises(UnsafePathError, match="a symbolic link is in the way, and is not written through"):
        collapse(made.union, made.target, "symlink")


def test_V26_a_directory_in_the_place_of_a_file_is_an_error(made: Setup) -> None:
    (made.target / "d/b").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="a directory is where a file must go") as caught:
        collapse(made.union, made.target)
    assert caught.value.filename == str(made.target / "d/b")
    assert snapshot(made.target) == {"d": None, "d/b": None}


def test_V26_a_file_in_the_place_of_a_directory_is_an_error(made: Setup) -> None:
    put(made.target, {"d": b"file"})
    with pytest.raises(NotADirectoryError, match="a file is where a directory must go") as caught:
        collapse(made.union, made.target)
    assert caught.value.filename == str(made.target / "d")
    assert snapshot(made.target) == {"d": b"file"}


def test_V26_archives_are_left_out_on_request(made: Setup) -> None:
    report = collapse(made.union, made.target, extract_archives=False)
    assert read(made.target) == {path: data for path, data in MERGED.items() if path not in ("a", "d/z")}
    assert report.plan.counts["skip_archive_file"] == 2


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_V26_a_hard_link_that_the_host_refuses_becomes_a_copy_and_is_told(
    made: Setup, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(source: str, *_: Any, **__: Any) -> None:
        raise OSError(number, "no", source)

    monkeypatch.setattr(os, "link", refuse)
    plan = plan_collapse(made.union, made.target, "hardlink")
    assert plan.counts["hardlink"] == 3
    report = apply_plan(plan)
    assert (report.plan.counts["hardlink"], report.plan.counts["copy"], report.files) == (0, 3, 5)
    assert read(made.target) == MERGED
    assert os.stat(made.target / "d/b").st_mtime_ns == 1_234_567_890_123_456_789
    assert made.state() == made.before


def test_V26_reflink_where_the_host_can(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    shared: list[bytes] = []

    def share(source: int, target: int) -> bool:
        data = os.pread(source, 1 << 20, 0)
        shared.append(data)
        return os.write(target, data) == len(data)

    monkeypatch.setattr(linking, "share", share)
    report = collapse(made.union, made.target, "reflink")
    assert report.plan.counts["reflink"] == 3
    assert sorted(shared[1:]) == [b"#!/bin/sh\n", b"base c", b"mod b"]
    assert (report.files, report.bytes) == (5, 18)
    assert read(made.target) == MERGED
    assert os.stat(made.target / "d/b").st_mtime_ns == 1_234_567_890_123_456_789
    assert os.access(made.target / "run.sh", os.X_OK)
    assert made.state() == made.before


def test_V26_reflink_where_the_host_cannot(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "share", lambda *_: False)
    with pytest.raises(OSError, match="the host cannot share blocks"):
        collapse(made.union, made.target, "reflink")
    assert not made.target.exists()
    assert plan_collapse(made.union, made.target, "auto").counts["copy"] == 3
    monkeypatch.setattr("oboromi_fs.jobs.materialise_plan.can_reflink", lambda *_: True)  # It could when it was asked, and then cannot.
    report = collapse(made.union, made.target, "auto")
    assert (report.plan.counts["reflink"], report.plan.counts["copy"]) == (0, 3)
    assert read(made.target) == MERGED


def test_V26_no_layer_is_written_to(made: Setup, tmp_path: Path) -> None:
    for target in (made.base, made.base / "d", made.base / "new"):
        with pytest.raises(UnsafePathError, match="lies in the files of layer 'base', which must not change"):
            collapse(made.union, target)
    put(made.mod, {"base/d/new": b"1", "mod/x": b"2"})
    made.before = made.state()
    with pytest.raises(UnsafePathError, match="lies in the files of layer 'base'"):
        collapse(made.union, tmp_path)
    plan = plan_collapse(made.union, tmp_path)
    assert [(issue.issue, issue.key) for issue in plan.issues] == [("unsafe_destination", "base/d/new"), ("unsafe_destination", "mod/x")]
    nested = UnionFs([made.union])
    with pytest.raises(UnsafePathError, match="lies in the files of layer 'mod'"):
        collapse(nested, made.mod)
    assert made.state() == made.before


def test_V26_a_folder_onto_itself_changes_nothing(made: Setup) -> None:
    union = UnionFs([Layer(HostFs(made.base), "base")])
    report = collapse(union, made.base)
    assert report.plan.counts["keep"] == 3
    assert made.state() == made.before


def test_V26_an_archive_is_not_replaced_by_what_is_in_the_union(tmp_path: Path) -> None:
    put(tmp_path, {"out/pack.zip": b"PK", "mod/pack.zip": b"other"})
    layers = [
        Layer(MemoryFs({"a": b""}), "pack", kind="archive", path=str(tmp_path / "out/pack.zip/@inner")),
        Layer(HostFs(tmp_path / "mod"), "m"),
    ]
    with pytest.raises(UnsafePathError, match="is the archive of layer 'pack', which must not change"):
        collapse(UnionFs(layers), tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"pack.zip": b"PK"}


# ---- all or nothing ----


CALLS = ("mkdir", "open", "link", "symlink", "rename", "replace", "utime", "unlink")


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("call", "after"),
    [(call, after) for call in CALLS for after in (False, True) if (call, after) != ("open", True)],  # Nobody could close that.
)
def test_V26_an_interrupt_leaves_nothing(
    made: Setup, monkeypatch: pytest.MonkeyPatch, mode: Mode, *, exists: bool, call: str, after: bool
) -> None:
    if exists:
        put(made.target, {"a": b"old", "d/b": b"old", "d/e/c": b"old", "mine": b"mine"})
    before = snapshot(made.target) if exists else None
    for number in range(1, 12):
        strike = Strike(getattr(os, call), number, KeyboardInterrupt(), after=after)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, strike)
            try:
                collapse(made.union, made.target, mode, workers=1)
            except KeyboardInterrupt:
                interrupted = True
            else:
                interrupted = False
        assert made.state() == made.before
        if not interrupted:
            break
        if made.target.exists() and read(made.target).get("a") == b"archived a":
            break  # It came when everything was in place.
        assert (snapshot(made.target) if made.target.exists() else None) == before
    assert not [name for name in os.listdir(made.base.parent) if name.startswith(".oboromi")]


def test_V26_damage_in_an_archive_leaves_nothing(made: Setup) -> None:
    def fail(*_: int) -> None:
        raise CorruptError("is torn", what="AES")

    union = UnionFs([*made.union.layers, Layer(MemoryFs({"zz": Opaque(b"x" * 10, fail)}), "bad", kind="archive")])
    put(made.target, {"a": b"old"})
    with pytest.raises(CorruptError, match=r"AES: is torn .*'zz'"):
        collapse(union, made.target, "hardlink")
    assert snapshot(made.target) == {"a": b"old"}
    assert made.state() == made.before


def test_V26_no_room_leaves_nothing(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no room"):
        collapse(made.union, made.target)
    assert not made.target.exists()


def test_V26_a_source_that_changes_after_the_plan_is_an_error(made: Setup) -> None:
    plan = plan_collapse(made.union, made.target)
    (made.mod / "d/b").write_bytes(b"MOD B")
    with pytest.raises(MappingError, match=r"was changed since the work was planned.*'d/b'"):
        apply_plan(plan)
    for mode, kind in (("copy", EntryNotFoundError), ("hardlink", EntryNotFoundError)):
        plan = plan_collapse(made.union, made.target, mode)  # type: ignore[arg-type]  # A loop over literals.
        (made.mod / "d/b").rename(made.mod / "d/b.away")
        with pytest.raises(kind, match="planned, and is gone"):
            apply_plan(plan)
        (made.mod / "d/b.away").rename(made.mod / "d/b")
    assert not made.target.exists()


def test_V26_large_files_progress_and_cancel(tmp_path: Path) -> None:
    data = noise((40 << 20) + 123)
    put(tmp_path / "base", {"large": data, "small": b"s"})
    union = UnionFs([HostFs(tmp_path / "base")])
    told: list[tuple[int, ...]] = []
    report = collapse(union, tmp_path / "out", progress=lambda *values: told.append(values))
    assert (tmp_path / "out/large").read_bytes() == data
    assert told[-1] == (len(data) + 1, len(data) + 1, 2, 2)
    assert (report.files, report.bytes) == (2, len(data) + 1)
    with pytest.raises(CancelledError):
        collapse(union, tmp_path / "cancelled", cancel=lambda: True)
    assert not (tmp_path / "cancelled").exists()


def test_V26_a_split_file_is_copied_whole(tmp_path: Path) -> None:
    put(tmp_path / "base", {"game.nsp/00": b"one", "game.nsp/01": b"two", "card.xc0": b"three", "card.xc1": b"four"})
    base = HostFs(tmp_path / "base")
    assert [(entry.name, entry.kind) for entry in base.read_dir()] == [("card.xc0", "file"), ("game.nsp", "file")]
    report = collapse(UnionFs([base]), tmp_path / "out", "hardlink")
    assert report.plan.counts["copy"] == 2
    assert snapshot(tmp_path / "out") == {"game.nsp": b"onetwo", "card.xc0": b"threefour"}


def test_V26_a_hard_link_is_not_given_other_times(made: Setup) -> None:
    times = (4_000_000_000_000_000_000, 1_000_000_000_000_000_000)
    os.utime(made.mod / "run.sh", ns=times)
    collapse(made.union, made.target, "hardlink")
    found = os.stat(made.mod / "run.sh")
    assert (found.st_atime_ns, found.st_mtime_ns, stat.S_IMODE(found.st_mode)) == (*times, 0o700)


def test_V26_a_linked_file_of_a_layer_is_the_file_it_leads_to(tmp_path: Path) -> None:
    put(tmp_path / "base", {"real": b"1"})
    (tmp_path / "base/link").symlink_to("real")
    collapse(UnionFs([HostFs(tmp_path / "base")]), tmp_path / "out", "hardlink")
    assert snapshot(tmp_path / "out") == {"real": b"1", "link": b"1"}
    assert os.path.samefile(tmp_path / "out/link", tmp_path / "base/real")


# ---- V27 ----


def test_V27_dump_of_all_and_of_a_directory(made: Setup, tmp_path: Path) -> None:
    dump(made.union, made.target)
    assert read(made.target) == MERGED
    dump(made.union, tmp_path / "d", "d")
    assert read(tmp_path / "d") == {"b": b"mod b", "e": None, "e/c": b"base c", "z": b"archived"}
    with pytest.raises(NotADirectoryEntryError):
        dump(made.union, tmp_path / "no", "a")
    with pytest.raises(EntryNotFoundError):
        dump(made.union, tmp_path / "no", "nothing")


def test_V27_extract_one_file(made: Setup, tmp_path: Path) -> None:
    extract_file(made.union, "d/z", tmp_path / "made/here.bin")
    assert (tmp_path / "made/here.bin").read_bytes() == b"archived"
    extract_file(made.union, "d/b", tmp_path / "made")
    assert (tmp_path / "made/b").read_bytes() == b"mod b"
    with pytest.raises(FileExistsError):
        extract_file(made.union, "a", tmp_path / "made/b")
    extract_file(made.union, "a", tmp_path / "made/b", overwrite=True)
    assert (tmp_path / "made/b").read_bytes() == b"archived a"
    for path, kind in (("d", IsADirectoryEntryError), ("none", EntryNotFoundError)):
        with pytest.raises(kind):
            extract_file(made.union, path, tmp_path / "no")
    assert not (tmp_path / "no").exists()
    (tmp_path / "link").symlink_to("made/b")
    with pytest.raises(UnsafePathError):
        extract_file(made.union, "a", tmp_path / "link", overwrite=True)


# ---- V28 ----


@pytest.mark.parametrize(("mode", "loose"), [("copy", "copy"), ("hardlink", "hardlink"), ("symlink", "symlink"), ("auto", "copy")])
def test_V28_a_plan_says_everything_and_writes_nothing(made: Setup, monkeypatch: pytest.MonkeyPatch, mode: Mode, loose: str) -> None:
    monkeypatch.setattr(linking, "share", lambda *_: False)
    before = snapshot(made.base.parent)
    times = os.stat(made.base.parent).st_mtime_ns
    plan = plan_collapse(made.union, made.target, mode)
    assert snapshot(made.base.parent) == before
    assert os.stat(made.base.parent).st_mtime_ns == times
    out = str(made.target)
    assert plan.actions == (
        Action("extract_archive", "a", "pack.zip::a", f"{out}/a"),
        Action(loose, "d/b", f"{made.mod}/d/b", f"{out}/d/b"),  # type: ignore[arg-type]  # A parameter of the test.
        Action(loose, "d/e/c", f"{made.base}/d/e/c", f"{out}/d/e/c"),  # type: ignore[arg-type]
        Action("extract_archive", "d/z", "pack.zip::d/z", f"{out}/d/z"),
        Action(loose, "run.sh", f"{made.mod}/run.sh", f"{out}/run.sh"),  # type: ignore[arg-type]
    )
    assert plan.directories == ("d", "d/e", "empty", "empty/inner")
    assert plan.issues == ()
    document = plan.to_json()
    assert document["counts"] == {
        **dict.fromkeys(("hardlink", "symlink", "reflink", "copy", "extract_archive", "skip_archive_file", "keep"), 0),
        loose: 3,
        "extract_archive": 2,
    }
    assert document["actions"][0] == {"action": "extract_archive", "key": "a", "source": "pack.zip::a", "destination": f"{out}/a"}


def test_V28_a_plan_says_skip_archive_file(made: Setup) -> None:
    plan = plan_collapse(made.union, made.target, extract_archives=False)
    assert [action.key for action in plan.actions if action.action == "skip_archive_file"] == ["a", "d/z"]


def test_V28_a_plan_says_copy_across_devices(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def stat_elsewhere(path: Any, **options: Any) -> os.stat_result:
        found = real(path, **options)
        if str(path).startswith(str(made.mod)):
            fields = list(found)
            fields[2] += 1
            return os.stat_result(fields, {"st_mtime_ns": found.st_mtime_ns})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat_elsewhere)
        plan = plan_collapse(made.union, made.target, "hardlink")
    assert {action.key: action.action for action in plan.actions if action.action != "extract_archive"} == {
        "d/b": "copy",
        "d/e/c": "hardlink",
        "run.sh": "copy",
    }


def test_V28_issues(made: Setup) -> None:
    (made.target / "a").mkdir(parents=True)
    put(made.target, {"d/e": b"file"})
    (made.target / "d/b").symlink_to("nowhere")
    os.mkfifo(made.target / "d/z")

    class Vanishing(HostFs):
        def host_path(self, path: str) -> str:
            if path == "run.sh":
                raise EntryNotFoundError(path)
            return super().host_path(path)

    layers = [*made.union.layers[:2], Layer(Vanishing(made.mod), "mod")]
    plan = plan_collapse(UnionFs(layers), made.target)
    out = str(made.target)
    assert plan.issues == (
        Issue("file_directory_conflict", "a", "pack.zip::a", f"{out}/a", "a directory is where a file must go", fatal=True),
        Issue(
            "unsafe_destination",
            "d/b",
            f"{made.mod}/d/b",
            f"{out}/d/b",
            "a symbolic link is in the way, and is not written through",
            fatal=True,
        ),
        Issue("file_directory_conflict", "d/e", f"{made.base}/d/e", f"{out}/d/e", "a file is where a directory must go", fatal=True),
        Issue("unsafe_destination", "d/z", "pack.zip::d/z", f"{out}/d/z", "something that is no regular file is in the way", fatal=True),
        Issue(
            "missing_loose_source",
            "run.sh",
            f"{made.mod}/run.sh",
            f"{out}/run.sh",
            "layer 'mod' no longer has it: no such path: 'run.sh'",
            fatal=True,
        ),
    )
    assert plan.to_json()["issues"][0] == {
        "issue": "file_directory_conflict",
        "key": "a",
        "source": "pack.zip::a",
        "destination": f"{out}/a",
        "reason": "a directory is where a file must go",
        "fatal": True,
    }
    with pytest.raises(IsADirectoryError, match=r"a directory is where a file must go \(and 4 more such: the plan lists them\)"):
        apply_plan(plan)


def test_V28_a_missing_source_alone(made: Setup) -> None:
    class Vanishing(HostFs):
        def _read_dir(self, path: str) -> Any:
            found = super()._read_dir(path)
            (made.mod / "run.sh").unlink(missing_ok=True)
            return found

    union = UnionFs([Layer(Vanishing(made.mod), "mod")])
    with pytest.raises(EntryNotFoundError, match="layer 'mod' no longer has it"):
        collapse(union, made.target)
    assert not made.target.exists()


def test_V28_names_that_the_host_cannot_have_are_left_out_and_told(tmp_path: Path) -> None:
    layer = Layer(MemoryFs({"ok": b"1", "x" * 5000: b"2", "d" * 300 + "/y": b"3"}), "m", kind="archive")
    plan = plan_collapse(UnionFs([layer]), tmp_path / "out")
    assert [(issue.issue, issue.key[:2], issue.reason[-23:], issue.fatal) for issue in plan.issues] == [
        ("unsafe_destination", "xx", "is 5000 characters long", False)
    ]
    report = apply_plan(plan)
    assert [path[:2] for path, _ in report.refused] == ["dd", "dd", "xx"]
    assert [action.key for action in report.plan.actions] == ["ok"]
    assert snapshot(tmp_path / "out") == {"ok": b"1"}


def test_V28_the_target_itself(made: Setup, tmp_path: Path) -> None:
    put(tmp_path, {"file": b""})
    with pytest.raises(NotADirectoryError, match="is no directory"):
        collapse(made.union, tmp_path / "file")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UnsafePathError, match="is a link that leads nowhere"):
        collapse(made.union, tmp_path / "dangling")
    with pytest.raises(UnsafePathError, match="holds a NUL"):
        collapse(made.union, "a\0b")
    made.target.mkdir()
    (tmp_path / "link").symlink_to("out")
    collapse(made.union, tmp_path / "link")  # The user's own word.
    assert read(made.target) == MERGED


def test_a_mode_that_there_is_not(made: Setup) -> None:
    with pytest.raises(ValueError, match="mode must be one of copy, hardlink, symlink, reflink, auto, not 'move'"):
        collapse(made.union, made.target, "move")  # type: ignore[arg-type]  # That is the test.


def test_deep_trees_in_link_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_REACH", 20)  # So that directories are held open early.
    deep = "/".join(["directory"] * 12)
    put(tmp_path / "base", {f"{deep}/{number}": b"%d" % number for number in range(3)})
    for mode in LOOSE:
        collapse(UnionFs([HostFs(tmp_path / "base")]), tmp_path / mode, mode)
        assert (tmp_path / mode / deep / "2").read_bytes() == b"2"


# ---- V29 ----

TREE = {
    "path": "",
    "kind": "directory",
    "children": [
        {"name": "a", "kind": "file", "size": 10},
        {
            "name": "d",
            "kind": "directory",
            "children": [
                {"name": "b", "kind": "file", "size": 5},
                {"name": "e", "kind": "directory", "children": [{"name": "c", "kind": "file", "size": 6}]},
                {"name": "z", "kind": "file", "size": 8},
            ],
        },
        {"name": "empty", "kind": "directory", "children": [{"name": "inner", "kind": "directory", "children": []}]},
        {"name": "run.sh", "kind": "file", "size": 10},
    ],
}


def test_V29_tree_document(made: Setup) -> None:
    assert tree_document(made.union) == TREE
    assert tree_document(made.union, "d/e") == {"path": "d/e", "kind": "directory", "children": [{"name": "c", "kind": "file", "size": 6}]}
    with pytest.raises(NotADirectoryEntryError):
        tree_document(made.union, "a")


def test_V29_tree_as_json_yaml_and_toml() -> None:
    document = tree_document(MemoryFs({"b\udcff": b"12", "a/x": b""}))
    assert dumps(document, "json") == (
        '{\n  "path": "",\n  "kind": "directory",\n  "children": [\n'
        '    {"name": "a", "kind": "directory", "children": [{"name": "x", "kind": "file", "size": 0}]},\n'
        '    {"name": "b\\udcff", "kind": "file", "size": 2}\n  ]\n}\n'
    )
    assert dumps(document, "yaml") == (
        'path: ""\nkind: "directory"\nchildren:\n'
        '  - {name: "a", kind: "directory", children: [{name: "x", kind: "file", size: 0}]}\n'
        '  - {name: "b\\\\xff", kind: "file", size: 2}\n'
    )
    assert dumps(document, "toml") == (
        'path = ""\nkind = "directory"\nchildren = [\n'
        '  {name = "a", kind = "directory", children = [{name = "x", kind = "file", size = 0}]},\n'
        '  {name = "b\\\\xff", kind = "file", size = 2},\n]\n'
    )


@given(st.lists(st.sampled_from(["a", "b/c", "b/d/e", "é"]), unique=True))
def test_V29_a_tree_has_every_path(paths: list[str]) -> None:
    def flat(node: dict[str, Any], above: str) -> list[str]:
        return [
            path
            for child in node["children"]
            for path in ([above + child["name"]] if child["kind"] == "file" else flat(child, f"{above}{child['name']}/"))
        ]

    assert flat(tree_document(MemoryFs(dict.fromkeys(paths, b""))), "") == sorted(paths, key=str.encode)


def test_V26_a_layer_that_is_a_part_of_a_folder_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "whole" / "a").mkdir(parents=True)
    (tmp_path / "whole" / "a" / "f").write_bytes(b"orig")
    union = UnionFs([Layer(SubFs(HostFs(tmp_path / "whole"), "a"), "part"), Layer(MemoryFs({"f": b"mod"}), "mod")])
    with pytest.raises(UnsafePathError):
        collapse(union, tmp_path / "whole" / "a")
    assert (tmp_path / "whole" / "a" / "f").read_bytes() == b"orig"


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
@pytest.mark.parametrize("change", ["edit", "remove", "link"])
def test_V28_a_file_that_was_changed_since_the_plan_is_not_linked(tmp_path: Path, mode: Mode, change: str) -> None:
    source = tmp_path / "base" / "a"
    source.parent.mkdir()
    source.write_bytes(b"1")
    plan = plan_collapse(UnionFs([HostFs(source.parent)]), tmp_path / "out", mode)
    if change == "edit":
        source.write_bytes(b"22")
    else:
        source.unlink()
        if change == "link":
            source.symlink_to("/etc/passwd")
    with pytest.raises((EntryNotFoundError, MappingError)):
        apply_plan(plan)
    assert not (tmp_path / "out").exists()
