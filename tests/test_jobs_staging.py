"""Merging into what is there: nothing is followed, nothing is lost, and all of it is taken back when it fails."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.errors import (
    UnsafePathError,
)
from oboromi_fs.jobs.extract import extract
from tests import extraction
from tests.extraction import Strike, laid_out, no_links, put, raiser, snapshot

if TYPE_CHECKING:
    from pathlib import Path

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left

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
        monkeypatch.setattr(os, "link", no_links)
    put(tmp_path, {"a": b"old", "d/b": b"old and longer", "d/mine": b"m"})
    _, extents = laid_out({"a": b"1", "d/b": b"2", "d/c": b"3", "f": b"4"})
    extract(extents, tmp_path, overwrite=True)
    assert snapshot(tmp_path) == {"a": b"1", "d": None, "d/b": b"2", "d/mine": b"m", "d/c": b"3", "f": b"4"}


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
        monkeypatch.setattr(os, "link", no_links)
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
    strike = Strike(getattr(os, call), number, error, after=after)
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
    monkeypatch.setattr(os, "link", no_links)
    rename = os.rename
    for number in range(1, 6):
        for after in (False, True):
            monkeypatch.setattr(os, "rename", Strike(rename, number, KeyboardInterrupt(), after=after))
            with pytest.raises(KeyboardInterrupt):
                extract(extents, tmp_path, overwrite=True)
            assert snapshot(tmp_path) == before, (number, after)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_at_the_one_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    monkeypatch.setattr(os, "rename", Strike(os.rename, 1, KeyboardInterrupt(), after=after))
    _, extents = laid_out({"a": b"0"})
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "x" / "y")
    assert snapshot(tmp_path) == {}


def test_interrupts_do_not_stop_the_clearing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, extents = laid_out({f"d{n}/f": b"1" for n in range(20)})
    storage.hook = raiser(OSError(errno.EIO, "broken"))
    monkeypatch.setattr(os, "rmdir", Strike(os.rmdir, 5, KeyboardInterrupt(), after=False))
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


def test_what_cannot_be_cleared_up_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, extents = laid_out({"f": b"1"})
    storage.hook = raiser(OSError(errno.EIO, "broken"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", raiser(OSError(errno.EBUSY, "busy")))
        with pytest.raises(OSError, match="broken") as caught:
            extract(extents, tmp_path / "out")
    (left,) = os.listdir(tmp_path)
    assert f"{left} was left there" in caught.value.__notes__[-1]


def test_an_interrupt_when_all_is_in_place_leaves_it_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a": b"old", "d/b": b"old b"})
    _, extents = laid_out({"a": b"0", "d/b": b"1", "d/c": b"2"})
    rmdir = os.rmdir
    for number in (1, 2, 3):  # The directory of d, the tree, the staging directory.
        monkeypatch.setattr(os, "rmdir", Strike(rmdir, number, KeyboardInterrupt(), after=False))
        with pytest.raises(KeyboardInterrupt) as caught:
            extract(extents, tmp_path, overwrite=True)
        assert not getattr(caught.value, "__notes__", [])
        assert snapshot(tmp_path) == {"a": b"0", "d": None, "d/b": b"1", "d/c": b"2"}
