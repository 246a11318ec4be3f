"""``oboromi overlay … --mods`` with patches, without the game, and with paths that are nearly right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.command import oboromi
from tests.mods.trees import BUILD_TEXT, LOWER, UPPER, module

if TYPE_CHECKING:
    from tests.command import Result


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game as folders, and two mods that patch its module at the same place."""
    files = {
        "game/romfs/a.txt": b"a",
        "game/exefs/main": module()[:].tobytes(),
        f"user/load/{UPPER}/a/exefs/{BUILD_TEXT}.ips": encode_ips([Record(0x100, b"12345678")]),
        f"user/load/{UPPER}/b/exefs/{BUILD_TEXT}.ips": encode_ips([Record(0x104, b"ABCD"), Record(0x110, b"E")]),
    }
    for path, data in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    monkeypatch.chdir(tmp_path)


def overlay(verb: str, *words: str) -> Result:
    return oboromi("overlay", verb, *words, "--profile", "yuzu", "--mods", "user")


def test_explain_tells_which_patches_act_on_a_module() -> None:
    found = overlay("explain", "main", "--base", "game")
    assert found.lines[0] == "exefs/main"
    assert found.lines[1].startswith("├── wins: patches of a, b (")
    assert found.lines[1].endswith("patches act on the module that has won (yuzu: patched)")
    assert found.lines[3:] == [
        "└── patches, in the order they are applied: where two write a byte, the later wins",
        f"    ├── a (load/{UPPER}/a/exefs/{BUILD_TEXT}.ips): 1 record, 8 bytes, 4 of them written again by later patches",
        f"    └── b (load/{UPPER}/b/exefs/{BUILD_TEXT}.ips): 2 records, 5 bytes",
    ]
    document = overlay("explain", "main", "--base", "game", "--json").json
    assert [(each["mod"], each["overwritten"]) for each in document["patches"]] == [("a", 4), ("b", 0)]


def test_the_game_that_is_not_given_is_told() -> None:
    assert b"the game is not given (--base)" not in overlay("ls", "--base", "game").err
    Path(f"user/load/{UPPER}/a/romfs").mkdir()
    Path(f"user/load/{UPPER}/a/romfs/x").write_bytes(b"")
    assert b"the game is not given (--base)" in overlay("ls").err
    Path("code/exefs").mkdir(parents=True)
    assert b"code has no RomFS: what mods have of it is all there is of it" in overlay("ls", "--base", "code").err


def test_a_folder_that_hides_one_module_and_replaces_another_is_no_layer_given_twice() -> None:
    folder = Path(f"sd/atmosphere/contents/{LOWER}/exefs")
    folder.mkdir(parents=True)
    (folder / "subsdk0").write_bytes(module()[:].tobytes())
    (folder / "main.stub").touch()
    found = oboromi("overlay", "ls", "exefs", "--profile", "atmosphere", "--mods", "sd", "--base", "game")
    assert found.lines == ["subsdk0"]
    assert found.message.endswith(
        "exefs/main.stub: hides the module main, and no mod brings another: nothing provides main, and the game will not start"
    )


def test_paths_that_are_nearly_right() -> None:
    found = overlay("explain", "A.TXT", "--base", "game")
    assert (found.code, found.message) == (5, "no such path (there is 'romfs/a.txt'): 'A.TXT'")
    assert overlay("cat", "MAIN", "--base", "game").message == "no such path (there is 'exefs/main'): 'MAIN'"
    assert overlay("cat", "nothing", "--base", "game").code == 5
