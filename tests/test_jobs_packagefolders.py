"""Folders of packages are no packages, and packages are no cards."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.command import DATA, KEYS, NSP, oboromi

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """A folder with two packages and a text."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    shutil.copyfile(NSP, folder / "a.nsp")
    shutil.copyfile(NSP, folder / "b.NSP")
    (folder / "read me.txt").write_text("")
    return folder


@pytest.mark.parametrize("kind", ["nsz", "nsp", "xci", "xcz"])
def test_folders_of_packages_are_refused(dumps: Path, kind: str, tmp_path: Path) -> None:
    result = oboromi("pack", kind, dumps, "-o", tmp_path / "out", *KEYS)
    loop = ': for f in *.nsp; do oboromi pack nsz "$f" -o "${f%.*}.nsz"; done' if kind == "nsz" else ""
    text = f"a folder of packages, with no NCA in it: pack one package at a time{loop}: '{dumps}'"
    assert (result.code, result.message) == (2, text)
    assert not (tmp_path / "out").exists()


def test_the_loop_is_in_the_case_of_the_names(tmp_path: Path) -> None:
    (tmp_path / "x.NSZ").write_bytes(b"")
    told = oboromi("pack", "nsp", tmp_path, "-n", *KEYS).message
    assert 'for f in *.NSZ; do oboromi pack nsp "$f" -o "${f%.*}.nsp"; done' in told


def test_a_package_among_contents_is_packed(dumps: Path, tmp_path: Path) -> None:
    shutil.copyfile(DATA / "nca_forged" / next(path.name for path in (DATA / "nca_forged").glob("*.nca")), dumps / "c.nca")
    assert oboromi("pack", "nsp", dumps, "-o", tmp_path / "out.nsp", "--no-check", *KEYS).code == 0


def test_a_card_of_a_package(tmp_path: Path) -> None:
    result = oboromi("pack", "xci", NSP, "-o", tmp_path / "out.xci", *KEYS)
    assert result.code == 2
    assert result.message.startswith("a package, and a card has partitions: put what is in it into a folder secure")
    assert result.message.endswith(f"'{NSP}'")


def test_kinds_in_capitals(tmp_path: Path) -> None:
    assert oboromi("pack", "NSZ", NSP, "-o", tmp_path / "out.nsz", *KEYS).code == 0
    assert (tmp_path / "out.nsz").exists()
