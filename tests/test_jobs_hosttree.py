"""The cursor: one descriptor, and no link leads it astray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.errors import (
    UnsafePathError,
)
from oboromi_fs.jobs.hosttree import Cursor
from tests import extraction
from tests.extraction import put, snapshot

if TYPE_CHECKING:
    from pathlib import Path

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left

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


@pytest.mark.usefixtures("host")
def test_a_link_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, {"d/f": b"1"})
    (tmp_path / "link").symlink_to("d")
    cursor = Cursor(str(tmp_path))
    try:
        with pytest.raises(UnsafePathError, match="not a directory of its own"):
            cursor.down("link")
        assert cursor.names == []
        assert cursor.find("link") == "link"
    finally:
        cursor.close()
