"""A mod of what differs, as ``overlay diff-mod`` writes it, among mods that tools read: none of them can."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import MemoryFs
from oboromi_fs.mods.difference import DESCRIPTION
from oboromi_fs.mods.surveying import survey
from tests.command import oboromi
from tests.mods.trees import PLACES, installed

if TYPE_CHECKING:
    from oboromi_fs.mods.values import Installed

MOD = {DESCRIPTION: b'format = "oboromi mod"\nversion = 1\n', "files/new.txt": b"new", "deltas/0.vcdiff": b""}


def found(name: str, folder: str) -> Installed:
    return installed(name, MemoryFs({f"{folder}/{path}": data for path, data in MOD.items()}))


@pytest.mark.parametrize("name", PLACES)
def test_it_is_told_in_the_place_of_a_mod(name: str) -> None:
    (notice,) = (each for each in found(name, PLACES[name]).notices if each.path == PLACES[name])
    assert (notice.reason, notice.ignored) == ("unsupported", True)
    assert notice.text.startswith("is a mod of what differs, as overlay diff-mod writes it, which ")


@pytest.mark.parametrize("name", PLACES)
def test_it_is_told_in_the_place_of_the_files(name: str) -> None:
    (notice,) = found(name, f"{PLACES[name]}/romfs").notices
    assert (notice.reason, notice.path, notice.ignored) == ("lost", f"{PLACES[name]}/romfs", False)


def test_a_description_of_something_else_is_a_file_like_any_other() -> None:
    root = MemoryFs({f"{PLACES['yuzu']}/romfs/x": b"", f"{PLACES['yuzu']}/{DESCRIPTION}": b'name = "my mod"\n'})
    assert [(each.reason, each.path) for each in installed("yuzu", root).notices] == [("name", f"{PLACES['yuzu']}/{DESCRIPTION}")]
    assert [each.title_id for each in survey(root)] != []


def test_the_command_says_what_to_do_with_it_and_gives_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    level = bytes(range(256)) * 40
    for path, data in {"game/level": level, "game/b": b"b", "changed/level": b"!" + level, "changed/c": b"c"}.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(data)
    assert oboromi("overlay", "diff-mod", "-q", "game", "changed", "-o", "mod").code == 0
    hint = "it is a mod of what differs, as overlay diff-mod writes it, which no tool can read: use it as a layer over the game"
    assert oboromi("mods", "mod").message == f"no mods in mod; {hint}, -l GAME -l mod"
    layers = ("-l", "game", "-l", "mod")
    assert oboromi("overlay", "extract", "/", "--from", "mod", *layers, "-o", "own").code == 0
    assert {path.name: path.read_bytes() for path in Path("own").iterdir()} == {"level": b"!" + level, "c": b"c"}
    assert oboromi("overlay", "extract", "/", "--from", "game", *layers, "-o", "theirs").code == 0
    assert {path.name: path.read_bytes() for path in Path("theirs").iterdir()} == {"level": level, "b": b"b"}
    missing = oboromi("overlay", "extract", "b", "--from", "mod", *layers, "-o", "none")
    assert (missing.code, missing.message) == (5, "layer 'mod' has no such path: 'b'")
    assert oboromi("overlay", "extract", "/", "--from", "zz", *layers, "-o", "none").code == 2
    assert not Path("none").exists()
