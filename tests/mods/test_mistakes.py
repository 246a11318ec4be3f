"""Mistakes that people who make mods make: patches beside the folder they belong in, modules that are none, another title's game."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from oboromi_fs import MemoryFs, MemoryStorage
from oboromi_fs.jobs.modstack import other_title
from oboromi_fs.mods.modulefiles import unloadable
from oboromi_fs.mods.patched import unusable_patches
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.surveying import home_of, without_idle_parts
from tests.command import KEYS, NSP, oboromi
from tests.mods.trees import BUILD_TEXT, ID, LOWER, PLACES, UPPER, game, image_of, installed, loaded, module, partition, told, tree

ADDON = ID + 0x1001
NCA = "d19f0a10f0c45ca6aa21e0bccdb0ae74.nca"


@pytest.mark.parametrize("kind", ["exefs_patches", "nro_patches", "kip_patches"])
def test_E19_sets_of_patches_beside_the_folder_they_belong_in_are_told(kind: str) -> None:
    root = tree({f"{kind}/set/{BUILD_TEXT}.ips": "", f"{PLACES['atmosphere']}/romfs/x": ""})
    found = installed("atmosphere", root)
    assert [mod.path for mod in found.mods] == [PLACES["atmosphere"]]
    (notice,) = found.notices
    assert (notice.reason, notice.path) == ("place", kind)
    assert notice.text == f"lies beside the folder atmosphere: Atmosphère asks for atmosphere/{kind}"
    assert [mod.name for mod in installed("ryujinx", root).mods] == []
    # Of the folder atmosphere itself, and of a folder of sets, they are in the right place.
    for files in ({f"{kind}/set/{BUILD_TEXT}.ips": "", f"contents/{LOWER}/romfs/x": ""}, {f"{kind}/set/{BUILD_TEXT}.ips": ""}):
        assert [mod.path for mod in installed("atmosphere", tree(files)).mods][:1] == [f"{kind}/set"]


def test_E19_a_folder_in_another_case_is_told_once() -> None:
    found = installed("atmosphere", tree({f"Atmosphere/exefs_patches/set/{BUILD_TEXT}.ips": ""}))
    assert told(found) == [("case", "Atmosphere")]


@pytest.mark.parametrize("name", PROFILES)
def test_E16_a_module_that_is_none_is_told(name: str) -> None:
    at = f"{PLACES[name]}/exefs"
    root = tree({f"{at}/main": module(), f"{at}/sdk": "text", f"{at}/rtld": "", f"{at}/main.npdm": "NSO0", f"{at}/{BUILD_TEXT}.ips": ""})
    assert [(each.reason, each.path, each.ignored) for each in unloadable(root, installed(name, root))] == [
        ("damaged", f"{at}/main.npdm", False),
        ("damaged", f"{at}/rtld", False),
        ("damaged", f"{at}/sdk", False),
    ]
    assert [each.text.partition(": it ")[2].partition(", ")[0] for each in unloadable(root, installed(name, root))] == [
        "does not begin with META",
        "is empty (a stub is called rtld.stub)",
        "does not begin with NSO0",
    ]
    good = tree({f"{at}/main": module(), f"{at}/main.npdm": "META", f"{at}/subsdk0.stub": ""})
    assert unloadable(good, installed(name, good)) == []


@pytest.mark.parametrize("name", ["atmosphere", "ryujinx", "plain"])
def test_E15_a_stub_of_main_that_nothing_replaces_is_told(name: str) -> None:
    at = f"{PLACES[name]}/exefs"
    root = tree({f"{at}/main.stub": b"", f"{at}/sdk.stub": b""})
    (notice,) = unloadable(root, installed(name, root))
    assert (notice.reason, notice.path, notice.ignored) == ("lost", f"{at}/main.stub", False)
    assert notice.text.endswith("nothing provides main, and the game will not start")
    replaced = tree({f"{at}/main.stub": b"", f"{at}/main": module()})
    assert unloadable(replaced, installed(name, replaced)) == []


def test_E15_whether_a_stub_of_main_wins_is_the_tool_s_to_say() -> None:
    """The stronger mod's counts, but in Ryujinx, where a module wins over the stub of any mod."""
    files = {"a/exefs/main": module(), "b/exefs/main.stub": MemoryStorage(b"")}
    for name, stub_wins in (("plain", True), ("ryujinx", False)):
        base = f"mods/contents/{LOWER}/" if name == "ryujinx" else ""
        root = tree({base + path: data for path, data in files.items()})
        assert bool(unloadable(root, installed(name, root))) is stub_wins


@pytest.mark.parametrize("name", ["atmosphere", "plain"])
def test_E15_a_partition_that_lacks_what_a_game_needs_is_told(name: str) -> None:
    at = PLACES[name]
    files = {f"{at}/exefs.nsp": partition({"main": module()}), f"{at}/romfs.bin": image_of({"a": b""})}
    (notice,) = unloadable(tree(files), installed(name, tree(files)))
    assert (notice.reason, notice.path, notice.ignored) == ("lost", f"{at}/exefs.nsp", False)
    assert notice.text.startswith("has no main.npdm: nothing is taken from the game's own modules beside it")
    root = tree({**files, f"{at}/exefs/main.npdm": "META"})
    assert unloadable(root, installed(name, root)) == []
    whole = tree({f"{at}/exefs.nsp": partition({"main": module(), "main.npdm": b"META"})})
    assert unloadable(whole, installed(name, whole)) == []


@pytest.mark.parametrize("name", ["atmosphere", "plain"])
def test_containers_that_are_none_are_told_without_the_game_and_are_no_parts(name: str) -> None:
    at = PLACES[name]
    root = tree({f"{at}/exefs.nsp": "text", f"{at}/romfs.bin": "text", f"{at}/romfs/a": ""})
    found = installed(name, root)
    notices = unloadable(root, found)
    assert [(each.reason, each.path, each.ignored) for each in notices] == [
        ("damaged", f"{at}/romfs.bin", True),
        ("damaged", f"{at}/exefs.nsp", True),
    ]
    left = without_idle_parts(root, replace(found, notices=tuple(notices)))
    assert [[part.kind for part in mod.parts] for mod in left.mods] == [["romfs"]]


def test_a_module_that_is_none_is_told_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    at = f"load/{UPPER}/mod/exefs"
    Path("user", at).mkdir(parents=True)
    Path("user", at, "sdk").write_text("text", encoding="utf-8")
    text = "is loaded, and is no NSO: it does not begin with NSO0, and the game will not start with it"
    assert oboromi("mods", "user").lines[-1] == f"        └── note {at}/sdk: {text}"
    assert f"user/{at}/sdk: {text}" in oboromi("overlay", "ls", "--mods", "user", "--profile", "yuzu").err.decode()
    assert "will not start" not in oboromi("mods", "user", "--disable", "mod").text


@pytest.mark.parametrize("name", ["atmosphere", "ryujinx", "plain"])
def test_E25_a_truncated_patch_is_told_without_the_game_as_well(name: str) -> None:
    at = {"ryujinx": "mods/exefs_patches"}.get(name, "atmosphere/exefs_patches")
    whole = b"PATCH\0\1\0\0\1xEOF"
    root = tree({f"{at}/a/{BUILD_TEXT}.ips": whole, f"{at}/b/{BUILD_TEXT}.ips": whole[:7]})
    (notice,) = unusable_patches(root, installed(name, root))
    assert (notice.reason, notice.path, notice.mod, notice.ignored) == ("damaged", f"{at}/b/{BUILD_TEXT}.ips", "b", True)
    assert notice.text == "nothing of it is applied: IPS at 0x5: ends at 0x7 without the end mark EOF"


def test_the_command_tells_of_a_truncated_patch_without_the_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    at = f"load/{UPPER}/mod/exefs"
    Path("user", at).mkdir(parents=True)
    Path("user", at, f"{BUILD_TEXT}.ips").write_bytes(b"PATCH")
    lines = oboromi("mods", "user").lines
    assert lines[2] == "    └── mod: nothing that is loaded"
    assert lines[3].startswith(f"        └── ignored {at}/{BUILD_TEXT}.ips: nothing of it is applied: IPS at 0x5: ends at 0x5")


def test_the_game_whose_modules_are_hidden_has_none_to_patch() -> None:
    at = PLACES["ryujinx"]
    root = tree({f"{at}/exefs/main.stub": "", f"{at}/exefs/{BUILD_TEXT}.ips": b"PATCH\0\1\0\0\1xEOF"})
    (notice,) = (each for each in loaded("ryujinx", root, game(exefs={"main": module()})).notices if each.reason == "build")
    assert notice.text == f"it is for build {BUILD_TEXT}, and there is no module that can be patched"


@pytest.mark.parametrize("name", ["atmosphere", "yuzu", "ryujinx"])
def test_mods_that_lie_nowhere_yet_are_laid_over_a_game_as_if_they_lay_where_the_tool_looks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, text in {
        "mods/a/RomFS/x": "a",
        "mods/a/romfs/x": "a",
        "mods/b/romfs/x": "b",
        "mods/b/romfs_ext/y.stub": "",
        "game/romfs/y": "y",
    }.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    words = ("--profile", name, "--mods", "mods", "--base", "game")
    found = oboromi("overlay", "ls", "romfs", *words)
    assert found.lines == (["x"] if name == "yuzu" else ["x", "y"])
    assert f"{name} does not look in mods: this is as if what is in it lay in {home_of(profile(name).name)}" in found.err.decode()
    if name != "atmosphere":  # It has one folder a title, and no order of mods.
        assert oboromi("overlay", "cat", "romfs/x", *words).text == "a"
    alone = oboromi("overlay", "cat", "romfs/x", *words, "--disable", "a")
    assert (alone.code, alone.text) == (0, "b")
    nothing = oboromi("overlay", "ls", "--profile", name, "--mods", "game/romfs")
    assert (nothing.code, f"{name} finds no mods there; it looks like a part of a mod" in nothing.message) == (5, True)


def test_E29_addon_content_is_another_title_than_its_game() -> None:
    assert other_title("game", ID, ID) == other_title("game", ID, ID + 1) == other_title("dlc", ADDON, ADDON) == []
    assert other_title("dlc", ADDON, ID) == [f"dlc is title {ADDON:016x}, and the mods are for {ID:016x}"]
    assert other_title("game", ID, ADDON) == [f"game is title {ID:016x}, and the mods are for {ADDON:016x}"]
    assert other_title("dlc", ADDON, 0) == []


@pytest.mark.parametrize("name", PROFILES)
def test_a_path_in_the_place_of_a_file_system_is_told(name: str) -> None:
    for root in ("user", Path("user")):
        with pytest.raises(TypeError, match=r"root is a file system, such as HostFs\('user'\), and not "):
            profile(name).installed(root, ID)  # type: ignore[arg-type]  # What people try.
    assert profile(name).titles(MemoryFs()) == []


def test_a_package_that_is_compared_with_what_was_in_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("changed").mkdir()
    Path("changed/hello.txt").write_text("mine", encoding="utf-8")
    files = f"{NSP}/@program/romfs"
    found = oboromi(*KEYS, "overlay", "diff-mod", NSP, "changed", "-o", "mod")
    text = f"oboromi: warning: {NSP} was compared as the container it is; the files of the game in it are {files}"
    assert found.err.decode().splitlines()[-1] == text
    assert b"warning" not in oboromi(*KEYS, "overlay", "diff-mod", files, "changed", "-o", "right").err
    assert (
        f"in it are {files.replace('@program', NCA)}"
        in oboromi(*KEYS, "overlay", "diff-mod", f"{NSP}/{NCA}", "changed", "-o", "nca").err.decode()
    )


def test_the_mod_in_an_archive_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ZipFile("My Mod 1.2.zip", "w") as archive:
        archive.writestr("romfs/a", "")
    assert oboromi("mods", "My Mod 1.2.zip", "--profile", "yuzu").lines[-1] == "    └── My Mod 1.2: romfs"
    assert oboromi("mods", "My Mod 1.2.zip", "--profile", "yuzu", "--disable", "my mod 1.2").lines[2] == "    └── My Mod 1.2 (off): romfs"
