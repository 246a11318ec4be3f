"""ZIP archives as the tree of files that comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs._forge import romfs
from oboromi_fs.errors import IntegrityError, UnsupportedError
from oboromi_fs.jobs.unfold import Unfolded
from oboromi_fs.jobs.verify import verify
from oboromi_fs.keys import KeySet
from oboromi_fs.opening import Opener, locate
from tests.command import oboromi
from tests.zips import DEFLATED, Raw, archive

if TYPE_CHECKING:
    from pathlib import Path

ENCRYPTED = 1


def unfolded(path: Path, *, deep: bool = True) -> Unfolded:
    place = locate(path, opener=Opener(KeySet({})))
    return Unfolded(place.fs, place.path, deep=deep)


def test_one_entry_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([Raw(b"a", b"one"), Raw(b"b", b"secret", flags=ENCRYPTED), Raw(b"c/d", b"two" * 99, DEFLATED)]))
    fs = unfolded(path)
    assert [extent.path for extent in fs.files] == ["a", "c/d"]
    ((where, problem),) = fs.problems
    assert where == "b"
    assert isinstance(problem, UnsupportedError)
    result = oboromi("extract", path, "-o", tmp_path / "out")
    assert result.code == 3
    assert "is encrypted" in result.err.decode()
    assert (tmp_path / "out" / "c" / "d").read_bytes() == b"two" * 99
    hashed = oboromi("hash", path)
    assert (hashed.code, [line.split("  ")[1] for line in hashed.lines]) == (3, ["a", "c/d"])


def test_a_zip_inside_a_romfs_is_opened(tmp_path: Path) -> None:
    inner = archive([Raw(b"x.txt", b"x")])
    (tmp_path / "a.romfs").write_bytes(romfs({"mods/pack.zip": inner, "plain": b"PK\3\4"}))
    fs = unfolded(tmp_path / "a.romfs")
    assert {extent.path for extent in fs.files} == {"mods/pack.zip/x.txt", "plain"}
    assert {extent.path for extent in unfolded(tmp_path / "a.romfs", deep=False).files} == {"mods/pack.zip", "plain"}


@pytest.mark.parametrize("words", [(), ("-r",), ("*.bin",)])
def test_stored_entries_are_checked(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([Raw(b"a.txt", b"a"), Raw(b"b.bin", b"damaged", crc=1)]))
    assert oboromi("extract", path, *words, "-o", tmp_path / "out").code == 0
    result = oboromi("extract", "--verify", path, *words, "-o", tmp_path / "checked")
    assert result.code == 3
    assert "CRC-32" in result.err.decode()
    assert not (tmp_path / "checked").exists()
    assert oboromi("extract", "--verify", f"{path}/b.bin", "-o", tmp_path / "checked").code == 3


def test_entries_that_are_not_asked_for_are_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([Raw(b"a.txt", b"a"), Raw(b"b.bin", b"damaged", crc=1)]))
    assert oboromi("extract", "--verify", path, "*.txt", "-o", tmp_path / "checked").code == 0


def test_a_stored_archive_in_an_archive_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([Raw(b"inner.zip", archive([Raw(b"x", b"x")]), crc=1)]))
    place = locate(path, opener=Opener(KeySet({}), check=True))
    with pytest.raises(IntegrityError):
        Unfolded(place.fs, place.path, deep=True)


@pytest.mark.parametrize("ending", ["zip", "pk3"])
def test_what_is_called_a_zip_and_is_none(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_bytes(b"noise" * 100)
    (check,) = verify(locate(tmp_path / f"a.{ending}"))
    assert (check.status, check.check) == ("failed", "format")
    assert check.detail.startswith(f"called .{ending}, and begins with b'nois'")
