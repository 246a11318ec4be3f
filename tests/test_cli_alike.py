"""Problems that many files share are told once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from oboromi_fs.cli.alike import grouped, without_place
from tests.command import DATA, KEYS, NSP, WRONG_KEYS, oboromi

if TYPE_CHECKING:
    from pathlib import Path

WRONG = "header_key is wrong, or the file is not an NCA: the header does not decrypt to an NCA magic"


def test_few_are_told_one_by_one() -> None:
    assert grouped([("a", "x"), ("b", "x")]) == ["a: x", "b: x"]
    assert grouped([]) == []


def test_places_do_not_make_a_difference() -> None:
    errors = [(f"{name}.nca", f"NCA header of /a: b/{name}.nsp at {number:#x}: {WRONG}") for number, name in enumerate("abc")]
    assert grouped([*errors, ("d", "is empty")]) == [f"{WRONG}: 3 files, such as a.nca", "d: is empty"]
    assert without_place("a: b at 0x10") == "a: b at 0x10"


def test_library_with_a_wrong_key() -> None:
    found = oboromi("library", "--no-cache", DATA / "nsp", *WRONG_KEYS)
    assert found.code == 3
    (warning, summary) = found.err.decode().splitlines()
    assert warning.startswith(f"oboromi: warning: {WRONG}: 7 files, such as {DATA}/nsp/addon_std.nsp/")
    assert summary.startswith("oboromi: 0 titles in 7 files")


def test_library_in_which_one_file_is_damaged(tmp_path: Path) -> None:
    shutil.copyfile(NSP, tmp_path / "a.nsp")
    (tmp_path / "b.nsp").write_bytes(b"")
    assert oboromi("library", "--no-cache", tmp_path, *KEYS).code == 0
    (tmp_path / "a.nsp").unlink()
    assert oboromi("library", "--no-cache", tmp_path, *KEYS).code == 3
    assert oboromi("library", "--no-cache", tmp_path, "--name", "x", *KEYS).code == 1


def test_title_of_many_files(tmp_path: Path) -> None:
    shutil.copyfile(NSP, tmp_path / "a.nsp")
    for name in "bcd":
        (tmp_path / f"{name}.nsp").write_bytes(b"no package")
    (warning,) = oboromi("title", "ls", "-f", tmp_path, *KEYS).err.decode().splitlines()
    assert warning == f"oboromi: warning: is no package, card or NCA: 3 files, such as {tmp_path}/b.nsp"
