"""A whole SD card, by the seed of its console and nothing that follows from it: its titles, its save data, its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs import KeySet, NspArchive
from tests.command import DATA, oboromi
from tests.forged_nax0 import nax0, sd_path
from tests.forged_save import save_image

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("std_g1.nsp", "addon_std.nsp")
GIVEN = (DATA / "keys" / "prod.keys").read_text(encoding="ascii")
SEED = "sd_seed = 000102030405060708090a0b0c0d0e0f\n"
SAVE = "8000000000000043"
TITLE = "0100abcdef000000"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a card's files were copied to; what belongs to the card beside it."""
    root = tmp_path_factory.mktemp("sd")
    for name, text in [("card", GIVEN + SEED), ("none", GIVEN), ("other", GIVEN + SEED.replace("00", "ff", 1))]:
        (root / f"{name}.keys").write_text(text, encoding="ascii")
    keys = KeySet.load(root / "card.keys")
    nintendo = root / "card" / "Nintendo"

    def put(folder: str, path: str, data: bytes, key: str, part_size: int = 0) -> None:
        file = nintendo / folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        stored = nax0(data, path, keys.require(key))
        if not part_size:
            file.write_bytes(stored)
            return
        file.mkdir()
        for number, at in enumerate(range(0, len(stored), part_size)):
            (file / f"{number:02d}").write_bytes(stored[at : at + part_size])

    for package in PACKAGES:
        with NspArchive(DATA / "nsp" / package) as archive:
            for entry in archive.read_dir():
                if entry.name.endswith(".nca"):
                    in_parts = 0x20000 if entry.size > 0x20000 and package == PACKAGES[0] else 0
                    put("Contents", sd_path(entry.name[:32]), archive.read_bytes(entry.name), "sd_card_nca_key", in_parts)
    put("save", f"/{SAVE}", save_image({"a.txt": b"hello", "d/e": b"x"}, version=0x50000).image, "sd_card_save_key")
    (nintendo / "Contents" / "private").write_bytes(bytes(0x10))
    (nintendo / "Contents" / "placehld").mkdir()
    return root / "card"


def words(card: Path, keys: str) -> tuple[str, ...]:
    return ("--keys", str(card.parent / f"{keys}.keys"))


@pytest.mark.parametrize("below", ["", "Nintendo", "Nintendo/Contents", "Nintendo/Contents/registered"])
def test_its_titles(card: Path, below: str) -> None:
    (row,) = oboromi(*words(card, "card"), "library", "--no-cache", str(card / below)).lines
    assert row.split("\t")[1:5] == [TITLE, "1.2.3", "-", "1"]
    listed = oboromi(*words(card, "card"), "title", "ls", "-f", str(card / below), "romfs")
    assert (listed.code, listed.lines) == (0, ["data", "hello.txt"])


def test_its_files_are_those_of_the_packages(card: Path, tmp_path: Path) -> None:
    ours = oboromi(*words(card, "card"), "title", "extract", "-f", str(card), "/", "-o", str(tmp_path / "ours"))
    packages = [word for package in PACKAGES for word in ("-f", str(DATA / "nsp" / package))]
    theirs = oboromi(*words(card, "card"), "title", "extract", *packages, "/", "-o", str(tmp_path / "theirs"))
    assert ours.code == theirs.code
    trees = [
        {path.relative_to(tmp_path / side): path.read_bytes() for path in (tmp_path / side).rglob("*") if path.is_file()}
        for side in ("ours", "theirs")
    ]
    assert trees[0] == trees[1] != {}


def test_it_is_sound(card: Path) -> None:
    checked = oboromi(*words(card, "card"), "verify", str(card), "--json")
    assert checked.code == 0
    checks = checked.json["checks"]
    assert [check for check in checks if check["status"] not in ("ok", "note")] == []
    kinds = [check["check"] for check in checks]
    assert (kinds.count("NAX0 header"), kinds.count("NCA name"), kinds.count("allocation table hashes")) == (8, 7, 1)


def test_its_save_data(card: Path) -> None:
    place = str(card / "Nintendo" / "save" / SAVE)
    assert oboromi(*words(card, "card"), "ls", "-R", place).lines == ["a.txt", "d", "d/e"]
    assert oboromi(*words(card, "card"), "cat", f"{place}/a.txt").out == b"hello"


def test_its_keys(card: Path) -> None:
    found = oboromi(*words(card, "card"), "keys", "check", str(card), "--json").json
    assert {key["name"]: key["status"] for key in found["keys"] if key["name"].startswith("sd_card")} == {
        "sd_card_nca_key": "derived",
        "sd_card_save_key": "derived",
    }
    without = oboromi(*words(card, "none"), "keys", "check", str(card))
    assert without.code == 4
    assert [line.split()[:2] for line in without.lines[:2]] == [["missing", "sd_card_nca_key"], ["missing", "sd_card_save_key"]]


def test_what_a_folder_of_the_card_holds_is_told_without_its_keys(card: Path) -> None:
    for keys, said in [("card", "save data"), ("none", "sd_card_file"), ("other", "sd_card_file")]:
        (file,) = oboromi(*words(card, keys), "info", str(card / "Nintendo" / "save"), "--json").json["children"]
        assert (file["path"], file["kind"]) == (SAVE, said)
    shown = oboromi(*words(card, "none"), "info", str(card / "Nintendo" / "save")).text
    assert f"{SAVE}  file from an SD card, " in shown
    assert oboromi(*words(card, "other"), "keys", "check", str(card / "Nintendo" / "save")).code == 3


@pytest.mark.parametrize(
    ("keys", "code", "problem"), [("none", 4, "missing key sd_card_nca_key"), ("other", 1, "sd_seed is that of another")]
)
def test_without_its_seed(card: Path, keys: str, code: int, problem: str) -> None:
    told = oboromi(*words(card, keys), "verify", str(card))
    assert told.code == code
    assert told.text.count(problem) >= 7
    listed = oboromi(*words(card, keys), "library", "--no-cache", str(card))
    assert listed.lines == []


def test_a_seed_of_another_card_is_told_once_for_all_files(card: Path) -> None:
    listed = oboromi(*words(card, "other"), "library", "--no-cache", str(card))
    assert listed.code == 3
    (told,) = [line for line in listed.err.decode().splitlines() if "sd_seed" in line]
    assert "does not open with sd_card_nca_key or sd_card_save_key: the path is one that can be" in told
    assert ": 7 files, such as " in told
