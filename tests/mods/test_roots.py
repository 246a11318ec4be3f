"""What somebody may name as the folder with mods, and which title is meant."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oboromi_fs.errors import EntryNotFoundError, NotADirectoryEntryError
from oboromi_fs.jobs.modroot import open_root, wrong_level
from oboromi_fs.jobs.modstack import SeveralTitlesError, choose_title, open_mods
from oboromi_fs.mods.profiles import profile
from oboromi_fs.opening import Opener
from tests.mods.trees import ID, LOWER, UPPER

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = 0x0100000000010000


def put(*paths: str, text: str = "") -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text or Path(path).parent.parent.name, encoding="utf-8")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (f"user/load/{UPPER}", "user"),
        (f"user/load/{UPPER}/", "user"),
        (f"card/atmosphere/contents/{LOWER}", "card"),
        (f"app/mods/contents/{LOWER}", "app"),
        (f"user/sdmc/atmosphere/contents/{UPPER}", "user"),
        (f"sdcard/atmosphere/contents/{LOWER}", "sdcard"),
        (f"download/{LOWER}", "download"),
        (f"atmosphere/contents/{LOWER}", "."),
    ],
)
def test_the_folder_of_a_title_means_that_title(path: str, root: str) -> None:
    put("user/config/x", f"{path}/romfs/x")
    found = open_root(path, Opener)
    assert (found.path, found.title_id) == (root, ID)
    assert open_root(path, Opener, nearest=True).path == os.path.dirname(path.rstrip("/"))


def test_other_folders_are_what_they_are() -> None:
    put(f"user/load/{UPPER}/mod/romfs/x")
    for path in ("user", f"user/load/{UPPER}/mod"):
        assert open_root(path, Opener)[1:3] == (path, None)
    put("other/load/mod/romfs/x")
    assert open_root("other/load", Opener).path == "other/load"


@pytest.mark.parametrize("home", ["load", "atmosphere/contents", "mods/contents"])
def test_the_folder_of_titles_means_the_root_it_is_in(home: str) -> None:
    put(f"root/{home}/{LOWER}/mod/romfs/x")
    assert open_root(f"root/{home}", Opener)[1:3] == ("root", None)
    assert open_root(f"root/{home}", Opener, nearest=True)[1:3] == (f"root/{home}", None)


def test_another_tools_folder_of_titles_is_read_as_if_it_were_ones_own() -> None:
    put(f"user/load/{UPPER}/a/romfs/x")
    with open_mods("ryujinx", "user/load", None, None, Opener) as stack:
        assert stack.union.read_bytes("romfs/x") == b"a"
        assert stack.warnings == ("ryujinx does not look in user/load: this is as if what is in it lay in mods/contents/<id>/<mod>",)
    with open_mods("atmosphere", f"user/load/{UPPER}", None, None, Opener) as stack:
        assert stack.warnings == (f"atmosphere finds no mods for {LOWER} in user; --profile yuzu or plain does",)


def test_a_game_is_no_folder_of_mods() -> None:
    game = str(Path(__file__).parents[2] / "testdata" / "nsp" / "std_g1.nsp")
    with pytest.raises(NotADirectoryEntryError, match="the game is given with --base"):
        open_root(game, Opener)


def test_from_inside_the_folder_of_a_title(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    put(f"user/load/{UPPER}/mod/romfs/x")
    monkeypatch.chdir(f"user/load/{UPPER}")
    assert open_root(".", Opener)[1:3] == ("../..", ID)
    os.symlink(here / f"user/load/{UPPER}", here / "link")
    assert open_root(str(here / "link"), Opener)[1:3] == (str(here / "user"), ID)


@pytest.mark.parametrize(("name", "winner"), [("yuzu", "a"), ("ryujinx", "a"), ("plain", "b")])
@pytest.mark.parametrize("home", [f"load/{UPPER}", f"mods/contents/{LOWER}"])
def test_the_order_of_mods_does_not_depend_on_the_root(name: str, winner: str, home: str) -> None:
    put(f"{home}/a/romfs/x", f"{home}/b/romfs/x")
    if (name, home) == ("yuzu", f"mods/contents/{LOWER}"):
        return  # Its folders of titles are in upper case.
    with open_mods(name, home, None, None, Opener) as stack:
        assert stack.union.read_bytes("romfs/x").decode() == winner
        assert [("does not look in" in text) for text in stack.warnings] == ([True] if name == "ryujinx" and "load" in home else [])


def test_settings_count_where_the_folder_of_a_title_is_named() -> None:
    put(f"load/{UPPER}/a/romfs/x", f"load/{UPPER}/b/romfs/x")
    put("config/qt-config.ini", text=f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=a\n")
    with open_mods("yuzu", f"load/{UPPER}", None, None, Opener) as stack:
        assert stack.union.read_bytes("romfs/x").decode() == "b"


def archives() -> Iterator[str]:
    put("tree/mymod/romfs/x", f"tree/load/{UPPER}/a/romfs/x")
    yield shutil.make_archive("mods", "zip", "tree", "mymod")
    yield shutil.make_archive("user", "zip", "tree", "load")


def test_a_zip_is_a_folder() -> None:
    mods, user = archives()
    with open_mods("plain", mods, None, None, Opener) as stack:
        assert stack.union.read_bytes("romfs/x").decode() == "mymod"
    for path in (user, f"{user}/load/{UPPER}"):
        with open_mods("yuzu", path, None, None, Opener) as stack:
            assert stack.union.read_bytes("romfs/x").decode() == "a"


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("file", NotADirectoryEntryError, "is no folder, and no ZIP"),
        ("mod.7z", NotADirectoryEntryError, "unpack it first"),
        ("none", EntryNotFoundError, "no such folder"),
        ("", EntryNotFoundError, "no such folder"),
        (f"nowhere/{LOWER}", EntryNotFoundError, "no such folder"),
    ],
)
def test_what_is_no_folder(path: str, error: type[OSError], text: str) -> None:
    put("file", "mod.7z", text="7z")
    with pytest.raises(error, match=text):
        open_root(path, Opener)


def test_the_wrong_level_has_a_hint() -> None:
    put("pack/user/load/0100ABCDEF000000/mod/romfs/x", "nothing/x/y")
    assert wrong_level(open_root("pack", Opener)) == "there are mods further in: give pack/user"
    inside = "pack/user/load/0100ABCDEF000000/mod"
    assert wrong_level(open_root(f"{inside}/romfs", Opener)).endswith(f"give the folder it is in, {inside}")
    what = "tools look for folders called romfs, exefs and the like; files of the game go into romfs"
    assert wrong_level(open_root("nothing", Opener)) == what
    put("packed/mod.zip", "other/mod.7z")
    assert wrong_level(open_root("packed", Opener)) == "give the archive in it, packed/mod.zip"
    assert wrong_level(open_root("other", Opener)) == "unpack what is in it, other/mod.7z"
    Path("empty").mkdir()
    assert wrong_level(open_root("empty", Opener)) == ""


def test_which_title_is_meant() -> None:
    put(f"load/{UPPER}/a/romfs/x")
    yuzu, root = profile("yuzu"), open_root(".", Opener)
    assert choose_title(yuzu, root) == choose_title(yuzu, root, OTHER) == ID
    put(f"load/{OTHER:016X}/a/romfs/x")
    assert choose_title(yuzu, root, OTHER) == OTHER
    assert choose_title(yuzu, root, ID) == ID
    with pytest.raises(SeveralTitlesError, match=f"--title: yuzu finds mods in . for {OTHER:016x}, {LOWER}"):
        choose_title(yuzu, root, ID + 0x10000)
    put("one/romfs/x")
    assert choose_title(profile("plain"), open_root("one", Opener), ID) == ID
    assert choose_title(profile("plain"), open_root("one", Opener)) == 0
    with pytest.raises(EntryNotFoundError, match="yuzu finds no mods there; --profile plain does"):
        choose_title(yuzu, open_root("one", Opener))


def test_another_title_than_the_games_is_told() -> None:
    game = str(Path(__file__).parents[2] / "testdata" / "nsp" / "std_g1.nsp")
    keys = str(Path(__file__).parents[2] / "testdata" / "keys" / "prod.keys")
    put(f"load/{UPPER}/a/romfs/x", f"load/{OTHER:016X}/b/romfs/x")
    with open_mods("yuzu", ".", None, game, lambda: Opener(keys)) as stack:
        assert (stack.union.read_bytes("romfs/x").decode(), stack.warnings) == ("a", ())
    with open_mods("yuzu", ".", OTHER, game, lambda: Opener(keys)) as stack:
        assert stack.warnings == (f"{game} is title {LOWER}, and the mods are for {OTHER:016x}",)
    with open_mods("yuzu", ".", f"{ID + 0x10000:016x}", None, Opener, disabled="zz") as stack:
        assert [text.partition("; ")[2] for text in stack.warnings] == [
            f"there are mods for {OTHER:016x}, {LOWER}",
            "the mods are none",
        ]
