"""``oboromi mods`` and ``oboromi overlay --mods`` over a game with an update, as the games of most people are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import DATA, KEYS, NSP, oboromi

ID = "0100abcdef000000"
MOD = ("--profile", "yuzu", "--mods", "user")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mod of the sample game, and an update of it that changes one file and brings one."""
    there = tmp_path_factory.mktemp("modgame")
    assert oboromi(*KEYS, "extract", "-q", "-r", f"{NSP}/@program", "-o", str(there / "program")).code == 0
    (there / "program/romfs/hello.txt").write_text("updated\n", encoding="utf-8")
    (there / "program/romfs/new.txt").write_text("new\n", encoding="utf-8")
    update = there / "parts/update.nca"
    update.parent.mkdir()
    assert oboromi(*KEYS, "pack", "-q", "nca", str(there / "program"), "-o", str(update), "--base", NSP).code == 0
    assert oboromi(*KEYS, "pack", "-q", "nsp", str(update.parent), "-o", str(there / "update.nsp"), "--title-version", "131072").code == 0
    mod = there / f"user/load/{ID.upper()}/mod/romfs"
    mod.mkdir(parents=True)
    (mod / "hello.txt").write_text("mod\n", encoding="utf-8")
    (mod / "NEW.TXT").write_text("", encoding="utf-8")
    return there


@pytest.fixture(autouse=True)
def inside(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def contents(*words: str) -> tuple[list[str], bytes]:
    listed = oboromi(*KEYS, "overlay", "ls", "romfs", *MOD, *words)
    assert (listed.code, listed.err) == (0, b"")
    return listed.lines, oboromi(*KEYS, "overlay", "cat", "romfs/new.txt", *MOD, *words).out


@pytest.mark.parametrize("update", ["update.nsp", "parts/update.nca"])
def test_E28_mods_lie_over_the_game_as_it_is_after_the_update(update: str) -> None:
    assert contents("--base", NSP, "--update", update) == (["NEW.TXT", "data", "hello.txt", "new.txt"], b"new\n")
    explained = oboromi(*KEYS, "overlay", "explain", "hello.txt", *MOD, "--base", NSP, "--update", update)
    place = f"{update}/@program/romfs" if update.endswith(".nsp") else f"{update}/romfs"
    assert explained.lines[2].startswith(f"└── overridden: game romfs ({place}::hello.txt)")
    assert oboromi(*KEYS, "overlay", "ls", *MOD, "--base", NSP, "--update", update).lines == ["exefs", "manual", "romfs"]  # Of the base.


def test_E28_a_name_in_another_case_than_that_of_the_update_is_told() -> None:
    assert "NEW.TXT" not in oboromi(*KEYS, "mods", "user", "--base", NSP).text
    found = oboromi(*KEYS, "mods", "user", "--base", NSP, "--update", "update.nsp")
    assert f"note load/{ID.upper()}/mod/romfs/NEW.TXT: the game's is called 'new.txt'" in found.text


def test_E28_game_and_update_may_lie_in_one_folder() -> None:
    shelf = Path("shelf")
    shelf.mkdir()
    shutil.copy(NSP, shelf / "game.nsp")
    shutil.copy("update.nsp", shelf)
    assert contents("--base", "shelf") == (["NEW.TXT", "data", "hello.txt", "new.txt"], b"new\n")
    assert oboromi(*KEYS, "mods", "user", "--base", "shelf").code == 0
    # The image that comes out where no mod is active is the update's own.
    image = oboromi(*KEYS, "overlay", "romfs", "-q", "-o", "whole.romfs", *MOD, "--disable", "mod", "--base", "shelf")
    assert image.code == 0
    direct = oboromi(
        *KEYS, "overlay", "romfs", "-q", "-o", "direct.romfs", *MOD, "--disable", "mod", "--base", NSP, "--update", "update.nsp"
    )
    assert direct.code == 0
    assert Path("whole.romfs").read_bytes() == Path("direct.romfs").read_bytes()
    assert oboromi("cat", "whole.romfs/hello.txt").out == b"updated\n"


def test_E29_mods_of_an_addon_lie_over_that_of_the_folder() -> None:
    shelf = Path("addon")
    shelf.mkdir()
    shutil.copy(NSP, shelf / "game.nsp")
    shutil.copy(DATA / "nsp" / "addon_std.nsp", shelf / "addon.nsp")
    Path("card/atmosphere/contents/0100abcdef001001/romfs").mkdir(parents=True)
    Path("card/atmosphere/contents/0100abcdef001001/romfs/dlc.json").write_text("{}", encoding="utf-8")
    over = ("--profile", "atmosphere", "--mods", "card", "--base", "addon", "--title", "0100abcdef001001")
    found = oboromi(*KEYS, "overlay", "ls", "-R", "romfs", *over)
    assert (found.lines, found.err) == (["dlc", "dlc.json", "dlc/level1.bin", "dlc/level2.bin"], b"")
    assert oboromi(*KEYS, "overlay", "cat", "romfs/dlc.json", *over).out == b"{}"
    assert "overridden: game romfs (addon/addon.nsp/" in oboromi(*KEYS, "overlay", "explain", "dlc.json", *over).text


def test_what_is_the_wrong_way_round_is_told() -> None:
    for words in (("mods", "user"), ("overlay", "ls", *MOD)):
        found = oboromi(*KEYS, *words, "--base", "update.nsp")
        assert found.code == 2
        assert found.message == "update.nsp is an update, which lies over a game: give the game with --base, and this with --update"
        assert oboromi(*KEYS, *words, "--base", "update.nsp", "--update", NSP).message == found.message
        alone = oboromi(*KEYS, *words, "--update", "update.nsp")
        assert (alone.code, alone.message) == (2, "--update is laid over the game: give that with --base")
        folder = oboromi(*KEYS, *words, "--base", "program", "--update", "update.nsp")
        assert folder.code == 2
        assert folder.message.endswith("there is none in program")
        addon = str(DATA / "nsp" / "addon_std.nsp")
        other = oboromi(*KEYS, *words, "--base", NSP, "--update", addon)
        assert other.code == 3
        assert f"{addon}: is of title 0100abcdef001001, and no update of {NSP}, which is title {ID}" in other.message
    layers = oboromi("overlay", "ls", "-l", "program", "--update", "update.nsp")
    assert (layers.code, layers.message[:9]) == (2, "--title, ")
