"""What a person leaves out: names, paths, layers; and what is the name of nothing."""

from __future__ import annotations

import pytest

from oboromi_fs.errors import FormatError
from oboromi_fs.mods.loadout import load
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.surveying import survey, unknown_names
from oboromi_fs.mods.switching import unknown_text
from oboromi_fs.mods.titleids import title_id_of
from tests.mods.trees import ID, LOWER, PLACES, UPPER, contents, game, installed, told, tree

ROOT = tree({f"load/{UPPER}/{mod}/{part}/x": b"" for mod in ("Early", "late") for part in ("romfs", "manual_html")})
HOME = f"load/{UPPER}"


def off(*names: str) -> list[str]:
    """The paths that are switched off in yuzu's tree."""
    return [path for reason, path in told(profile("yuzu", disabled=names).installed(ROOT, ID)) if reason == "disabled"]


@pytest.mark.parametrize(
    "name", ["Early", "early", "EARLY", f"{HOME}/Early", f"{HOME}/Early/", f"user/{HOME}/early", f"/home/x/user/{HOME}/Early"]
)
def test_a_mod_is_left_out_by_name_and_by_path(name: str) -> None:
    assert off(name) == [f"{HOME}/Early"]


@pytest.mark.parametrize("name", ["Early romfs", "early ROMFS", f"{HOME}/Early/romfs"])
def test_a_part_is_left_out_by_the_name_of_its_layer(name: str) -> None:
    assert off(name) == [f"{HOME}/Early/romfs"]
    found = profile("yuzu", disabled=[name]).installed(ROOT, ID)
    assert {mod.name: [part.kind for part in mod.parts] for mod in found.enabled} == {
        "Early": ["manual_html"],
        "late": ["romfs", "manual_html"],
    }
    assert off("Early romfs", "Early manual_html") == [f"{HOME}/Early"]


def test_the_name_as_it_is_goes_before_another_case() -> None:
    root = tree({f"{HOME}/{mod}/romfs/x": b"" for mod in ("Mod", "mod")})
    for name in ("Mod", "mod"):
        assert told(profile("yuzu", disabled=[name]).installed(root, ID)) == [("disabled", f"{HOME}/{name}")]
    assert len(told(profile("yuzu", disabled=["MOD"]).installed(root, ID))) == 2


@pytest.mark.parametrize("name", ["SDMC", "sdmc", UPPER, LOWER])
def test_yuzus_card_has_two_names(name: str) -> None:
    card = f"sdmc/atmosphere/contents/{UPPER}"
    root = tree({f"{card}/romfs/x": b"", f"{HOME}/a/romfs/x": b""})
    assert told(profile("yuzu", disabled=[name]).installed(root, ID)) == [("disabled", card)]


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_off_by_choice_is_off_in_every_profile(name: str) -> None:
    root = tree({f"{PLACES[name]}/romfs/x": b""})
    (mod,) = installed(name, root).mods
    for given in (mod.name, [mod.name], (mod.path.upper(),)):
        found = profile(name, disabled=given).installed(root, ID)
        assert (found.enabled, found.unknown) == ((), ())
    assert contents(load(root, found, game(exefs={}))) == {"romfs/a.txt": b"game a", "romfs/d/b.txt": b"game b"}


def test_the_name_of_nothing_is_known() -> None:
    found = profile("yuzu", disabled=["none", "", "late", "none"]).installed(ROOT, ID)
    assert (found.unknown, [mod.name for mod in found.enabled]) == (("none", ""), ["Early"])
    assert unknown_text(found.unknown, ["a", "b"]) == "there is no mod 'none' or '' to leave out; the mods are a, b"


def test_a_name_of_another_title_is_one() -> None:
    root = tree({f"load/0100000000010000/{mod}/romfs/x": b"" for mod in "ab"} | {f"{HOME}/c/romfs/x": b""})
    assert unknown_names(survey(root, disabled=["a", "c", "d"])) == ("d",)
    loose = survey(tree({"one/romfs/x": b"", "two/romfs/x": b""}), disabled=["one", "three"])
    assert unknown_names(loose) == ("three",)
    assert {name: [mod.name for mod in each.enabled] for name, each in loose[0].found.items()} == {key: ["two"] for key in PROFILES}


def test_what_is_no_name() -> None:
    with pytest.raises(TypeError, match="takes names of mods, and not int"):
        profile("yuzu", disabled=[5])  # type: ignore[list-item]  # As a caller without a type checker may.


@pytest.mark.parametrize("name", PROFILES)
def test_a_title_as_text(name: str) -> None:
    root = tree({f"{PLACES[name]}/romfs/x": b""})
    tool = profile(name)
    assert tool.installed(root, LOWER) == tool.installed(root, f"0x{UPPER}") == tool.installed(root, ID)
    assert tool.installed(root, LOWER).mods
    assert survey(root, title_id=UPPER) == survey(root, title_id=ID) != []
    for wrong in ("0100", "", -1, 1 << 64):
        with pytest.raises(FormatError, match="title id"):
            tool.installed(root, wrong)
    with pytest.raises(TypeError, match="and not float"):
        title_id_of(1.0)  # type: ignore[arg-type]  # As a caller without a type checker may.
