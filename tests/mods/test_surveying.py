"""What is installed, as all tools see it: which folders count as mods, and the table of verdicts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import HostFs
from oboromi_fs.mods.holding import unholdable
from oboromi_fs.mods.lettercase import other_case
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.surveying import compare, survey, to_json, without_idle_parts
from oboromi_fs.mods.values import MEANINGS
from tests.mods.trees import BUILD_TEXT, ID, LOWER, PLACES, UPPER, game, installed, loaded, told, tree

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 0x0100000000010000


def rows(root: object) -> dict[str, list[str]]:
    (found,) = survey(root, PROFILES)  # type: ignore[arg-type]
    return {row.path: list(row.verdicts.values()) for row in compare(found)}


def test_folders_that_hold_a_mod_for_nobody_are_none() -> None:
    root = tree({"a/romfs/x": b"", "docs/readme.md": b"", "src/main.c": b"", "b/exefs/main": b"", "wrapped/inner/romfs/x": b""})
    assert [mod.name for mod in survey(root)[0].found["plain"].mods] == ["a", "b", "wrapped"]
    assert survey(tree({"docs/a/b": b"", "x": b""})) == []
    assert survey(tree({"pack/load/x": b"", f"more/{LOWER}/romfs/x": b""})) == []


def test_a_title_without_mods_is_not_guessed() -> None:
    root = tree({f"load/{UPPER}/a/romfs/x": b""})
    assert survey(root, title_id=OTHER) == []
    assert [each.title_id for each in survey(root, title_id=ID)] == [ID]
    assert survey(tree({"a/romfs/x": b""}), title_id=OTHER)[0].title_id == OTHER


def test_sets_of_patches_alone_are_of_any_title() -> None:
    (found,) = survey(tree({f"atmosphere/exefs_patches/set/{BUILD_TEXT}.ips": b""}))
    assert found.title_id is None
    assert [mod.name for mod in found.found["atmosphere"].mods] == ["set"]


def test_the_old_folder_of_atmosphere_is_told_though_nothing_else_is_there() -> None:
    (found,) = survey(tree({f"atmosphere/titles/{LOWER}/romfs/x": b""}))
    assert told(found.found["atmosphere"]) == [("place", f"atmosphere/titles/{LOWER}")]


def test_a_single_mod_is_called_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "My Mod" / "romfs").mkdir(parents=True)
    (tmp_path / "My Mod" / "romfs" / "x").touch()
    (found,) = survey(HostFs(tmp_path / "My Mod"))
    assert {name: [mod.name for mod in each.mods] for name, each in found.found.items()} == {key: ["My Mod"] for key in PROFILES}
    assert [mod.name for mod in installed("plain", HostFs(tmp_path / "My Mod")).mods] == ["My Mod"]


def test_loose_folders_are_sorted_as_each_tool_sorts() -> None:
    found = survey(tree({"a/romfs/x": b"", "b/romfs/x": b""}))[0].found
    weakest_first = {name: [mod.name for mod in each.mods] for name, each in found.items()}
    assert weakest_first == {"atmosphere": ["a", "b"], "yuzu": ["b", "a"], "ryujinx": ["b", "a"], "plain": ["a", "b"]}


def test_what_is_in_a_part_has_the_verdict_of_the_part() -> None:
    root = tree({"m/exefs/main": b"", "m/exefs/main.stub": b"", "m/cheats/toggles.txt": b"", "m/cheats/0011223344556677.txt": b""})
    assert rows(root) == {
        "m/cheats": ["loads"] * 4,
        "m/cheats/toggles.txt": ["loads", "unsupported", "unsupported", "loads"],
        "m/exefs": ["loads"] * 4,
        "m/exefs/main.stub": ["loads", "unsupported", "loads", "loads"],
    }


def test_a_part_of_which_nothing_is_loaded_does_not_load() -> None:
    assert rows(tree({"m/exefs/main.stub": b"", "m/romfs/x": b""}))["m/exefs"] == ["loads", "unsupported", "loads", "loads"]
    assert rows(tree({"m/exefs/notes.txt": b"", "m/romfs/x": b""})) == {"m/exefs/notes.txt": ["name"] * 4, "m/romfs": ["loads"] * 4}


def test_what_a_tool_never_comes_across_is_empty() -> None:
    root = tree({f"atmosphere/contents/{LOWER}/romfs/x": b"", f"atmosphere/exefs_patches/set/{BUILD_TEXT}.ips": b""})
    assert rows(root)["atmosphere/exefs_patches/set"] == ["loads", "", "", "loads"]


def test_the_document() -> None:
    (found,) = survey(tree({f"load/{UPPER}/a/romfs/x": b"", f"load/{UPPER}/a/notes": b""}))
    assert to_json(found) == {
        "title_id": LOWER,
        "profiles": [
            {
                "profile": "yuzu",
                "moved": False,
                "mods": [
                    {
                        "name": "a",
                        "path": f"load/{UPPER}/a",
                        "enabled": True,
                        "parts": [{"kind": "romfs", "path": f"load/{UPPER}/a/romfs"}],
                    }
                ],
                "notices": [
                    {
                        "reason": "name",
                        "path": f"load/{UPPER}/a/notes",
                        "mod": "a",
                        "ignored": True,
                        "text": "yuzu knows no such name there",
                    }
                ],
            }
        ],
    }


def test_every_reason_has_a_meaning() -> None:
    from typing import get_args

    from oboromi_fs.mods.values import Reason

    assert list(MEANINGS) == list(get_args(Reason))


@pytest.mark.parametrize("name", PROFILES)
def test_names_in_another_case_than_the_games_are_told(name: str) -> None:
    romfs = f"{PLACES[name]}/romfs"
    root = tree({f"{romfs}/{path}": b"" for path in ("A.TXT", "a.txt", "D/c.txt", "d/B.txt", "d/new.txt", "e/f")})
    loadout = loaded(name, root)
    notices = list(other_case(loadout, root))
    assert [(notice.reason, notice.path, notice.ignored) for notice in notices] == [
        ("lost", f"{romfs}/A.TXT", False),
        ("lost", f"{romfs}/D", False),
        ("lost", f"{romfs}/d/B.txt", False),
    ]
    assert notices[2].text == "the game's is called 'b.txt', in another case: the file is added, and never asked for"


def test_without_a_game_no_case_is_another() -> None:
    root = tree({f"{PLACES['yuzu']}/romfs/A.TXT": b""})
    from oboromi_fs.mods.game import Game

    assert list(other_case(loaded("yuzu", root, Game()), root)) == []


def test_parts_with_patches_of_other_builds_alone_do_not_load() -> None:
    exefs = f"{PLACES['yuzu']}/exefs"
    root = tree({f"{exefs}/{'AB' * 32}.ips": b"PATCHEOF", f"{PLACES['yuzu']}/romfs/x": b""})
    loadout = loaded("yuzu", root, game())
    from dataclasses import replace

    found = without_idle_parts(root, replace(loadout.installed, notices=loadout.notices))
    assert [(notice.reason, notice.path) for notice in loadout.notices] == [("build", f"{exefs}/{'AB' * 32}.ips")]
    assert [part.kind for mod in found.mods for part in mod.parts] == ["romfs"]


def test_names_that_not_every_disk_can_hold_are_told() -> None:
    romfs = f"{PLACES['yuzu']}/romfs"
    names = ("con", "nul.txt", "end.", "end ", "a:b", "a\\b", "x" * 300, "\udcff", "Same", "same", "fine", "con.d/f")
    root = tree({f"{romfs}/{name}": b"" for name in names} | {f"load/{UPPER}/aux/romfs/x": b""})
    found = list(unholdable(root, installed("yuzu", root)))
    assert {(notice.reason, notice.ignored) for notice in found} == {("path", False)}
    assert {notice.path.removeprefix(f"{romfs}/") for notice in found} == {
        *("con", "nul.txt", "end.", "end ", "a:b", "a\\b", "x" * 300, "\udcff", "same", "con.d"),
        f"load/{UPPER}/aux",
    }


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_links_and_pipes_are_told(tmp_path: Path) -> None:
    mods = tmp_path / "root" / "load" / UPPER
    (mods / "ok" / "romfs").mkdir(parents=True)
    (mods / "ok" / "romfs" / "x").touch()
    (tmp_path / "out" / "romfs").mkdir(parents=True)
    for name, target in (("out", tmp_path / "out"), ("loop", mods), ("nowhere", tmp_path / "nothing")):
        (mods / name).symlink_to(target)
    os.mkfifo(mods / "pipe")
    found = profile("yuzu").installed(HostFs(tmp_path / "root"), ID)
    assert [mod.name for mod in found.mods] == ["ok"]
    assert {(reason, path.rpartition("/")[2]) for reason, path in told(found)} == {
        ("kind", name) for name in ("out", "loop", "nowhere", "pipe")
    }


def test_hints() -> None:
    home = f"load/{UPPER}"
    root = tree({f"{home}/a/inner/romfs/x": b"", f"{home}/a/inner/exefs/main": b"", f"{home}/b.zip": b"", f"{home}/c.txt": b""})
    assert {notice.path: notice.text for notice in installed("yuzu", root).notices} == {
        f"{home}/a/inner": f"exefs, romfs lie one folder too deep: yuzu asks for {home}/a/exefs, {home}/a/romfs",
        f"{home}/b.zip": "is an archive that is still packed: unpack it here; each mod is a folder",
        f"{home}/c.txt": "is a file; each mod is a folder",
    }
    packed = installed("ryujinx", tree({f"mods/contents/{LOWER}/b.ZIP": b""}))
    assert packed.notices[0].text == "is an archive that is still packed: unpack it here"
    card = installed("atmosphere", tree({f"atmosphere/contents/{LOWER}/RomFS/x": b""}))
    assert card.notices[0].text == "Atmosphère asks for 'romfs' (a FAT or exFAT card finds it all the same)"


def test_a_folder_of_much_else_is_not_held_against_anyone() -> None:
    root = tree({f"{LOWER}/romfs/x": b"", "letters.txt": b"", "photos/x": b""})
    for name in PROFILES:
        assert not [path for _, path in told(installed(name, root)) if path in ("letters.txt", "photos")]


def test_a_folder_of_many_things_is_no_mod_for_one_in_it() -> None:
    few = {f"home/{number}/x": b"" for number in range(7)}
    assert [mod.name for mod in survey(tree({**few, "home/m/romfs/x": b""}))[0].found["yuzu"].mods] == ["home"]
    assert survey(tree({**few, "home/7/x": b"", "home/m/romfs/x": b""})) == []


def test_a_file_is_not_a_folder_in_another_case() -> None:
    root = tree({f"{PLACES['yuzu']}/romfs/{path}": b"" for path in ("D", "A.txt/x")})
    assert list(other_case(loaded("yuzu", root), root)) == []
