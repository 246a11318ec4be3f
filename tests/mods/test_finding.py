"""What each tool finds of literal trees, and what it passes over. Tests are named after the lines they hold."""

from __future__ import annotations

import json

import pytest

from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.titleids import addon_id, base_id, kind_of, parse_title_id, update_id
from tests.mods.trees import BUILD_TEXT, ID, LOWER, PLACES, UPPER, installed, told, tree


def names(name: str, root: object, **more: object) -> list[str]:
    return [mod.name for mod in installed(name, root, **more).enabled]  # type: ignore[arg-type]


def kinds(name: str, root: object) -> list[list[str]]:
    return [[part.kind for part in mod.parts] for mod in installed(name, root).mods]  # type: ignore[arg-type]


def test_E1_an_empty_romfs_is_none() -> None:
    root = tree({}, (f"atmosphere/contents/{LOWER}/romfs",))
    assert kinds("atmosphere", root) == [[]]
    assert told(installed("atmosphere", root)) == [("empty", f"atmosphere/contents/{LOWER}/romfs")]
    full = tree({f"atmosphere/contents/{LOWER}/romfs.bin": b""}, (f"atmosphere/contents/{LOWER}/romfs",))
    assert kinds("atmosphere", full) == [["romfs.bin"]]


def test_E2_yuzu_sorts_mods_by_name_with_the_card_among_them() -> None:
    root = tree({f"load/{UPPER}/{mod}/romfs/x": b"" for mod in ("b", "a", "Z")} | {f"sdmc/atmosphere/contents/{UPPER}/romfs/x": b""})
    assert names("yuzu", root) == ["b", "a", "Z", UPPER]  # Weakest first: the first by name wins.


def test_E2_ryujinx_takes_the_first_that_is_found() -> None:
    root = tree({f"mods/contents/{LOWER}/{mod}/romfs/x": b"" for mod in ("b", "a")})
    assert names("ryujinx", root) == ["b", "a"]


def test_E2_ryujinx_takes_its_own_folder_before_the_cards() -> None:
    card = f"sdcard/atmosphere/contents/{LOWER}"
    root = tree({f"mods/contents/{LOWER}/b/romfs/x": b"", f"{card}/romfs/x": b"", f"{card}/a/romfs/x": b""})
    paths = [mod.path for mod in reversed(installed("ryujinx", root).mods)]  # The strongest first.
    assert paths == [f"mods/contents/{LOWER}/b", card, f"{card}/a"]


def test_E2_plain_takes_the_later_by_name() -> None:
    assert names("plain", tree({f"{mod}/romfs/x": b"" for mod in ("b", "a", "Z")})) == ["Z", "a", "b"]  # Weakest first.


def test_E13_manuals_are_of_atmosphere_and_yuzu() -> None:
    for name, expected in (("atmosphere", ["manual_html"]), ("yuzu", ["manual_html"]), ("plain", ["manual_html"])):
        assert kinds(name, tree({f"{PLACES[name]}/manual_html/html-document/a.html": b""})) == [expected]
    root = tree({f"{PLACES['ryujinx']}/manual_html/a.html": b"", f"{PLACES['ryujinx']}/romfs/x": b""})
    assert told(installed("ryujinx", root)) == [("unsupported", f"{PLACES['ryujinx']}/manual_html")]


def test_E13_what_lies_beside_a_manual_is_told() -> None:
    manual = f"{PLACES['atmosphere']}/manual_html"
    root = tree({f"{manual}/{name}/a.html": b"" for name in ("html-document", "HTML-document", "htmldocument")})
    assert kinds("atmosphere", root) == [["manual_html"]]
    assert told(installed("atmosphere", root)) == [("case", f"{manual}/HTML-document"), ("name", f"{manual}/htmldocument")]
    assert kinds("atmosphere", tree({f"{manual}/html-document": b""})) == [[]]


def test_E13_control_data_takes_no_mods() -> None:
    root = tree({f"{PLACES['atmosphere']}/control/control.nacp": b""})
    assert told(installed("atmosphere", root)) == [("name", f"{PLACES['atmosphere']}/control")]


@pytest.mark.parametrize("name", ["yuzu", "ryujinx", "plain"])
def test_E18_emulators_take_parts_in_any_case(name: str) -> None:
    root = tree({f"{PLACES[name]}/RomFS/x": b"", f"{PLACES[name]}/EXEFS/main": b""})
    assert kinds(name, root) == [["romfs", "exefs"]]


@pytest.mark.parametrize("name", ["yuzu", "ryujinx", "plain"])
def test_E18_emulators_take_cheats_in_any_case(name: str) -> None:
    assert kinds(name, tree({f"{PLACES[name]}/Cheats/0011223344556677.txt": b""})) == [["cheats"]]


@pytest.mark.parametrize("part", ["EXEFS/main", "Cheats/0011223344556677.txt", "Romfs.bin", "Manual_html/html-document/a"])
def test_E18_the_console_takes_no_part_in_another_case(part: str) -> None:
    found = installed("atmosphere", tree({f"{PLACES['atmosphere']}/{part}": b""}))
    assert [mod.parts for mod in found.mods] == [()]
    assert told(found) == [("case", f"{PLACES['atmosphere']}/{part.partition('/')[0]}")]


def test_E18_the_console_does_not() -> None:
    root = tree({f"{PLACES['atmosphere']}/RomFS/x": b""})
    assert told(installed("atmosphere", root)) == [("case", f"{PLACES['atmosphere']}/RomFS")]


def test_E18_ryujinx_nests_to_any_depth() -> None:
    base = f"mods/contents/{LOWER}"
    root = tree({f"{base}/packs/one/deep/RomFS/x": b"", f"{base}/packs/two/exefs/main": b"", f"{base}/romfs/x": b""})
    assert [(mod.name, mod.path) for mod in installed("ryujinx", root).mods] == [
        ("two", f"{base}/packs/two"),
        ("deep", f"{base}/packs/one/deep"),
        (LOWER, base),
    ]
    endless = tree({f"{base}/{'n/' * 80}romfs/x": b""})
    assert [reason for reason, _ in told(installed("ryujinx", endless))] == ["path"]


MODULES = ("rtld", "main", *(f"subsdk{number}" for number in range(10)), "sdk")


@pytest.mark.parametrize("name", PROFILES)
def test_E16_modules_that_are_loaded(name: str) -> None:
    exefs = f"{PLACES[name]}/exefs"
    root = tree({f"{exefs}/{each}": b"" for each in (*MODULES, "main.npdm", "subsdk10", "nnSdk", "Main", "main.nso")})
    found = installed(name, root)
    assert kinds(name, root) == [["exefs"]]
    assert told(found) == [
        ("case", f"{exefs}/Main"),
        ("name", f"{exefs}/main.nso"),
        ("name", f"{exefs}/nnSdk"),
        ("name", f"{exefs}/subsdk10"),
    ]


def test_E16_modules_in_the_order_they_are_loaded() -> None:
    from oboromi_fs.mods.names import MODULES as ORDER

    assert ORDER == MODULES


@pytest.mark.parametrize(("name", "stubs"), [("atmosphere", True), ("yuzu", False), ("ryujinx", True), ("plain", True)])
def test_E15_E17_who_reads_stubs(name: str, *, stubs: bool) -> None:
    stub = f"{PLACES[name]}/exefs/sdk.stub"
    root = tree({stub: b"", f"{PLACES[name]}/romfs/x": b""})
    assert kinds(name, root) == [["romfs", "exefs"] if stubs else ["romfs"]]
    assert told(installed(name, root)) == ([] if stubs else [("unsupported", stub)])


@pytest.mark.parametrize(("name", "kept"), [("atmosphere", False), ("yuzu", True), ("ryujinx", False), ("plain", True)])
def test_E11_romfs_ext_is_of_yuzu(name: str, *, kept: bool) -> None:
    path = f"{PLACES[name]}/romfs_ext"
    root = tree({f"{path}/a.stub": b"", f"{PLACES[name]}/romfs/x": b""})
    assert kinds(name, root) == [["romfs", "romfs_ext"] if kept else ["romfs"]]
    assert told(installed(name, root)) == ([] if kept else [("unsupported", path)])


def test_E17_ryujinx_takes_containers_from_the_titles_folder_alone() -> None:
    base = f"mods/contents/{LOWER}"
    root = tree({f"{base}/romfs.bin": b"", f"{base}/exefs.nsp": b"", f"{base}/mod/romfs.bin": b"", f"{base}/mod/romfs/x": b""})
    assert kinds("ryujinx", root) == [["romfs"], ["romfs.bin", "exefs.nsp"]]
    assert told(installed("ryujinx", root)) == [("place", f"{base}/mod/romfs.bin")]


@pytest.mark.parametrize("part", ["romfs.bin", "exefs.nsp"])
def test_E17_yuzu_takes_no_containers(part: str) -> None:
    root = tree({f"{PLACES['yuzu']}/{part}": b"", f"{PLACES['yuzu']}/romfs/x": b""})
    assert told(installed("yuzu", root)) == [("unsupported", f"{PLACES['yuzu']}/{part}")]


def test_E19_where_patches_lie() -> None:
    patch = f"{BUILD_TEXT}.ips"
    card = tree({f"atmosphere/exefs_patches/set/{patch}": b"", f"{PLACES['atmosphere']}/exefs/{patch}": b""})
    assert kinds("atmosphere", card) == [["exefs_patches"], []]
    assert told(installed("atmosphere", card)) == [("place", f"{PLACES['atmosphere']}/exefs/{patch}")]
    for name in ("yuzu", "ryujinx"):
        found = installed(name, tree({f"{PLACES[name]}/exefs/{patch}": b"", f"{PLACES[name]}/exefs/a.pchtxt": b""}))
        assert (told(found), len(found.mods)) == ([], 1)
    assert kinds("ryujinx", tree({f"mods/exefs_patches/set/{patch}": b""})) == [["exefs_patches"]]


@pytest.mark.parametrize(
    ("name", "reason"), [("00AB.IPS", "case"), ("00ABC.ips", "name"), ("main.ips", "name"), ("x.pchtxt", "unsupported"), ("a.txt", "name")]
)
def test_E20_names_of_patches_on_the_console(name: str, reason: str) -> None:
    root = tree({f"atmosphere/exefs_patches/set/{name}": b"", "atmosphere/exefs_patches/set/00ab.ips": b""})
    assert told(installed("atmosphere", root)) == [(reason, f"atmosphere/exefs_patches/set/{name}")]


def test_E26_files_of_cheats() -> None:
    cheats = f"{PLACES['yuzu']}/cheats"
    root = tree({f"{cheats}/0011223344556677.txt": b"", f"{cheats}/all.txt": b""})
    assert kinds("yuzu", root) == [["cheats"]]
    assert told(installed("yuzu", root)) == [("name", f"{cheats}/all.txt")]


@pytest.mark.parametrize(
    ("name", "taken"),
    [("atmosphere", []), ("yuzu", []), ("ryujinx", ["exefs_patches", "nro_patches"]), ("plain", ["exefs_patches"])],
)
def test_E19_sets_of_patches_in_the_folder_of_ryujinx(name: str, taken: list[str]) -> None:
    root = tree({f"mods/{kind}/set/{BUILD_TEXT}.ips": b"" for kind in ("exefs_patches", "nro_patches")})
    assert sorted(part.kind for mod in installed(name, root).mods for part in mod.parts) == taken


def test_E27_ids_of_one_title() -> None:
    assert (update_id(ID), addon_id(ID, 5), base_id(ID + 0x1005), base_id(ID + 0x800)) == (ID + 0x800, ID + 0x1005, ID, ID)
    assert [kind_of(each) for each in (ID, update_id(ID), addon_id(ID, 0), ID + 2)] == ["application", "update", "add-on", "program"]
    assert parse_title_id(f"0x{UPPER}") == ID
    assert [parse_title_id(text) for text in ("", "0100", "g" * 16, LOWER + "0")] == [None] * 4


@pytest.mark.parametrize("name", ["atmosphere", "yuzu", "ryujinx"])
def test_E27_the_updates_id_gets_no_mods(name: str) -> None:
    place = PLACES[name].replace(LOWER, f"{ID + 0x800:016x}").replace(UPPER, f"{ID + 0x800:016X}")
    found = installed(name, tree({f"{place}/romfs/x": b""}), ID + 0x800)
    assert found.mods == ()
    assert [reason for reason, _ in told(found)] == ["place"]


@pytest.mark.parametrize("name", ["atmosphere", "yuzu", "ryujinx"])
def test_E27_mods_under_the_updates_id_are_no_mods_of_the_title(name: str) -> None:
    place = PLACES[name].replace(LOWER, f"{ID + 0x800:016x}").replace(UPPER, f"{ID + 0x800:016X}")
    assert installed(name, tree({f"{place}/romfs/x": b"", f"{PLACES[name]}/romfs/x": b""})).mods[0].path == PLACES[name]
    assert installed(name, tree({f"{place}/romfs/x": b""})).mods == ()


@pytest.mark.parametrize("name", PROFILES)
def test_E29_addons_have_mods_of_their_own(name: str) -> None:
    addon = addon_id(ID, 1)
    place = PLACES[name].replace(LOWER, f"{addon:016x}").replace(UPPER, f"{addon:016X}")
    root = tree({f"{place}/romfs/x": b"", f"{PLACES[name]}/romfs/y": b""})
    assert [part.path for mod in installed(name, root, addon).mods for part in mod.parts] == [f"{place}/romfs"]


def test_E29_addons_have_a_romfs_alone_on_the_console() -> None:
    place = f"atmosphere/contents/{addon_id(ID, 1):016x}"
    root = tree({f"{place}/{part}": b"" for part in ("romfs/x", "romfs.bin", "exefs/main", "manual_html/html-document/a", "cheats/x")})
    found = installed("atmosphere", root, addon_id(ID, 1))
    assert [part.kind for mod in found.mods for part in mod.parts] == ["romfs", "romfs.bin"]
    assert told(found) == [("name", f"{place}/{part}") for part in ("cheats", "exefs", "manual_html")]


def test_E30_yuzu_switches_off_by_its_settings() -> None:
    settings = rf"""[Other]
x=1
[DisabledAddOns]
1\title_id={ID}
1\disabled\1\d=b
1\disabled\2\d=SDMC
1\disabled\3\d=Update
1\disabled\size=3
2\title_id=5
2\disabled\1\d=a
size=2
"""
    root = tree(
        {f"load/{UPPER}/{mod}/romfs/x": b"" for mod in "ab"}
        | {f"sdmc/atmosphere/contents/{UPPER}/romfs/x": b"", "config/qt-config.ini": settings.encode()}
    )
    assert names("yuzu", root) == ["a"]
    assert told(installed("yuzu", root)) == [("disabled", f"load/{UPPER}/b"), ("disabled", f"sdmc/atmosphere/contents/{UPPER}")]
    assert [mod.name for mod in profile("yuzu", disabled=["a"]).installed(root, ID).enabled] == []


@pytest.mark.parametrize("name", PROFILES)
def test_E30_the_state_of_one_tool_is_nothing_to_another(name: str) -> None:
    settings = f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=mod\n"
    state = mods_json(("mod", f"mods/contents/{LOWER}/mod", False))
    root = tree({f"{PLACES[name]}/romfs/x": b"", "config/qt-config.ini": settings, f"games/{LOWER}/mods.json": state})
    assert [mod.enabled for mod in installed(name, root).mods] == [name in ("atmosphere", "plain")]


@pytest.mark.parametrize("name", ["yuzu", "ryujinx"])
def test_E30_contradictory_states_of_two_tools_stay_apart(name: str) -> None:
    settings = f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=mod\n"
    root = tree(
        {
            f"{PLACES['yuzu']}/romfs/x": b"",
            f"{PLACES['ryujinx']}/romfs/x": b"",
            "config/qt-config.ini": settings,
            f"games/{LOWER}/mods.json": mods_json(("mod", f"mods/contents/{LOWER}/mod", True)),
        }
    )
    assert [mod.enabled for mod in installed(name, root).mods] == [name == "ryujinx"]


def mods_json(*rows: tuple[str, str, bool]) -> bytes:
    return json.dumps({"Mods": [{"Name": name, "Path": path, "Enabled": enabled} for name, path, enabled in rows]}).encode()


def test_E30_ryujinx_switches_off_by_mods_json() -> None:
    base = f"mods/contents/{LOWER}"
    state = mods_json(("a", rf"C:\Ryujinx\mods\contents\{LOWER}\a", False), ("b", f"/home/x/Ryujinx/{base}/b", True))
    root = tree({f"{base}/{mod}/romfs/x": b"" for mod in "ab"} | {f"games/{LOWER}/mods.json": state})
    assert names("ryujinx", root) == ["b"]
    assert told(installed("ryujinx", root)) == [("disabled", f"{base}/a")]


@pytest.mark.parametrize(
    ("state", "problem", "on"),
    [
        (b"{", "no JSON", ["a"]),
        (b"\xff", "not UTF-8", ["a"]),
        (b"[" * 5000, "no JSON", ["a"]),
        (b'{"Mods": 5}', "no list of Mods", ["a"]),
        (b'{"Mods": [5, {"Name": "a"}]}', "entry 0 is none", ["a"]),
        (mods_json(("a", f"x/mods/contents/{LOWER}/a", False), ("a", f"y/mods/contents/{LOWER}/a", True)), "both", []),
        (mods_json(("zz", "x/zz", False)), "not there", ["a"]),
    ],
)
def test_E30_state_files_that_are_wrong_are_told(state: bytes, problem: str, on: list[str]) -> None:
    root = tree({f"mods/contents/{LOWER}/a/romfs/x": b"", f"games/{LOWER}/mods.json": state})
    found = installed("ryujinx", root)
    assert [mod.name for mod in found.enabled] == on
    assert any(notice.reason == "state" and problem in notice.text for notice in found.notices)


def test_folders_of_titles_in_the_wrong_case() -> None:
    assert told(installed("atmosphere", tree({f"atmosphere/contents/{UPPER}/romfs/x": b""}))) == [("case", f"atmosphere/contents/{UPPER}")]
    assert told(installed("yuzu", tree({f"load/{LOWER}/m/romfs/x": b""}))) == [("case", f"load/{LOWER}")]
    assert told(installed("atmosphere", tree({f"Atmosphere/contents/{LOWER}/romfs/x": b""})))[0] == ("case", "Atmosphere")
    assert names("ryujinx", tree({f"mods/contents/{UPPER}/m/romfs/x": b""})) == ["m"]


def test_the_folder_of_before_0_10() -> None:
    assert told(installed("atmosphere", tree({f"atmosphere/titles/{LOWER}/romfs/x": b""}))) == [("place", f"atmosphere/titles/{LOWER}")]


def test_a_mod_that_is_a_file() -> None:
    assert told(installed("yuzu", tree({f"load/{UPPER}/mod": b"", f"load/{UPPER}/ok/romfs/x": b""}))) == [("kind", f"load/{UPPER}/mod")]
    assert told(installed("atmosphere", tree({f"atmosphere/contents/{LOWER}": b""}))) == [("kind", f"atmosphere/contents/{LOWER}")]
    assert told(installed("atmosphere", tree({f"{PLACES['atmosphere']}/romfs": b""}))) == [("kind", f"{PLACES['atmosphere']}/romfs")]
    assert told(installed("atmosphere", tree({f"{PLACES['atmosphere']}/romfs.bin/x": b""}))) == [
        ("kind", f"{PLACES['atmosphere']}/romfs.bin")
    ]


def test_unknown_names_have_a_hint() -> None:
    found = installed("yuzu", tree({f"{PLACES['yuzu']}/rom_fs/x": b"", f"{PLACES['yuzu']}/exefs/subsdk0.nso": b""}))
    assert [notice.text.rpartition("; ")[2] for notice in found.notices] == ["did you mean 'subsdk0'?", "did you mean 'romfs'?"]


def test_yuzu_wants_a_folder_for_each_mod() -> None:
    found = installed("yuzu", tree({f"load/{UPPER}/romfs/x": b""}))
    assert told(found) == [("place", f"load/{UPPER}/romfs")]
    assert "/<mod>/romfs" in found.notices[0].text


def test_plain_takes_sets_of_patches_in_a_mod() -> None:
    root = tree(
        {f"mod/exefs_patches/{path}": b"" for path in ("00AB.ips", "one/00AB.ips", "one/notes.txt", "two/x.pchtxt", "two/deep/00AB.ips")}
    )
    found = installed("plain", root)
    assert [part.path for mod in found.mods for part in mod.parts] == [
        "mod/exefs_patches",
        "mod/exefs_patches/one",
        "mod/exefs_patches/two",
    ]
    assert told(found) == [("name", "mod/exefs_patches/one/notes.txt"), ("kind", "mod/exefs_patches/two/deep")]


def test_plain_takes_every_layout() -> None:
    for root in (
        tree({f"atmosphere/contents/{LOWER}/romfs/x": b""}),
        tree({f"load/{LOWER}/a/RomFS/x": b""}),
        tree({f"mods/contents/{UPPER}/a/romfs.bin": b""}),
        tree({"romfs/x": b""}),
        tree({"one/romfs/x": b""}),
    ):
        assert len(installed("plain", root).mods) == 1
    assert names("plain", tree({f"{mod}/romfs/x": b"" for mod in "bac"})) == ["a", "b", "c"]


@pytest.mark.parametrize("name", PROFILES)
def test_titles_that_have_a_folder(name: str) -> None:
    assert profile(name).titles(tree({f"{PLACES[name]}/romfs/x": b""})) == [ID]
    assert profile(name).titles(tree({"x": b""})) == []


def test_a_folder_of_one_mod_is_read_as_each_tool_would() -> None:
    root = tree({"my mod/romfs/x": b"", "my mod/romfs_ext/a.stub": b"", "my mod/exefs/main.stub": b"", "my mod/exefs.nsp": b""})
    found = {name: profile(name).scan(root, "my mod", "my mod") for name in PROFILES}
    assert {name: [part.kind for part in mod.parts] for name, (mod, _) in found.items()} == {
        "atmosphere": ["romfs", "exefs", "exefs.nsp"],
        "yuzu": ["romfs", "romfs_ext"],
        "ryujinx": ["romfs", "exefs"],
        "plain": ["romfs", "romfs_ext", "exefs", "exefs.nsp"],
    }
    assert {name: [notice.reason for notice in notices] for name, (_, notices) in found.items()} == {
        "atmosphere": ["unsupported"],
        "yuzu": ["unsupported", "unsupported"],
        "ryujinx": ["place", "unsupported"],
        "plain": [],
    }
