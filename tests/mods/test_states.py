"""State files of emulators: what they switch off, and what is told of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.mods.finding import Finder
from oboromi_fs.mods.states import disabled_addons, selected_update, switched_addons
from tests.mods.trees import BUILD_TEXT, ID, LOWER, UPPER, contents, installed, loaded, module, told, tree

SETTINGS = "config/qt-config.ini"
GAME = f"games/{LOWER}"


def names(text: str, path: str = SETTINGS) -> tuple[list[str], list[str]]:
    """Names that settings switch off for the title, and what is told of the settings."""
    finder = Finder(tree({path: text}))
    found = disabled_addons(finder, ID)
    assert found.path == path
    return list(found.names), [notice.text for notice in finder.notices]


@pytest.mark.parametrize("path", ["config/qt-config.ini", "config/config.ini", "config/sdl2-config.ini"])
def test_E30_settings_of_all_of_yuzus_windows(path: str) -> None:
    text = f"[UI]\n\n[DisabledAddOns]\nsize=1\n1\\title_id\\default=false\n1\\title_id={ID}\n1\\disabled\\size=1\n1\\disabled\\1\\d=a b\n"
    assert names(text, path) == (["a b"], [])


def test_E30_the_first_settings_count() -> None:
    other = f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=x\n"
    assert disabled_addons(Finder(tree({SETTINGS: "", "config/config.ini": other})), ID) == (SETTINGS, ())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"a, b"', "a, b"),
        (r'"say \"x\""', 'say "x"'),
        (r"M\xf6\x64", "Möd"),  # Qt escapes a digit behind an escape, too.
        (r"M\xf6we", "Möwe"),
        (r"\xd83c\xdfae", "🎮"),
        ("é", "é"),
        ("a=b", "a=b"),
        (" x ", "x"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_E30_names_as_qt_writes_them(written: str, name: str) -> None:
    assert names(f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d={written}\n") == ([name], [])


def test_E30_entries_beyond_a_lists_size_do_not_count() -> None:
    text = f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=a\n1\\disabled\\2\\d=b\n1\\disabled\\size=1\nsize=1\n"
    assert names(text) == (["a"], [f"what DisabledAddOns lists for {UPPER} beyond its size does not count"])
    assert names(text.replace("\nsize=1", "\nsize=0"))[0] == []


def test_E30_what_is_damaged_elsewhere_does_not_matter() -> None:
    text = "garbage\n[=]\n[Other]\nx\n[DisabledAddOns]\nnonsense\nx\\title_id=zz\n"
    text += f"2\\title_id={ID}\n2\\disabled\\1\\d=a\n[Last]\n2\\disabled\\2\\d=b\n"
    assert names(text) == (["a"], ["x\\title_id is no number: 'zz'"])


def test_E30_settings_that_switch_off_the_update_are_told() -> None:
    text = f"[DisabledAddOns]\n1\\title_id={ID}\n1\\disabled\\1\\d=Update\n1\\disabled\\2\\d=DLC\n"
    found = installed("yuzu", tree({SETTINGS: text, f"load/{UPPER}/a/romfs/x": b""}))
    assert [mod.enabled for mod in found.mods] == [True]
    assert sorted((notice.reason, notice.path, notice.ignored, notice.text) for notice in found.notices) == [
        ("disabled", SETTINGS, False, "the title's add-on content is switched off in yuzu's settings"),
        ("disabled", SETTINGS, False, "the title's update is switched off in yuzu's settings"),
    ]


def test_yuzus_card_has_neither_patches_nor_cheats() -> None:
    card = f"sdmc/atmosphere/contents/{UPPER}"
    patch = b"PATCH\x00\x01\x10\x00\x01XEOF"
    root = tree(
        {
            f"{card}/exefs/{BUILD_TEXT}.ips": patch,
            f"{card}/exefs/sdk": b"new",
            f"{card}/cheats/0011223344556677.txt": b"",
            f"sdmc/atmosphere/exefs_patches/set/{BUILD_TEXT}.ips": patch,
        }
    )
    found = loaded("yuzu", root)
    assert told(found) == [
        ("unsupported", f"{card}/cheats"),
        ("place", f"{card}/exefs/{BUILD_TEXT}.ips"),
        ("place", "sdmc/atmosphere/exefs_patches"),
    ]
    assert contents(found)["exefs/sdk"] == b"new"
    assert contents(found)["exefs/main"] == module()[:].tobytes()
    inside = loaded("yuzu", tree({f"load/{UPPER}/m/exefs/{BUILD_TEXT}.ips": patch}))
    assert contents(inside)["exefs/main"] != module()[:].tobytes()


def test_E27_yuzu_tells_updates_by_three_digits() -> None:
    for title in (ID + 0x800, ID + 0x1800):
        for path in (f"load/{title:016X}/m/romfs/x", f"sdmc/atmosphere/contents/{title:016X}/romfs/x"):
            found = installed("yuzu", tree({path: b""}), title)
            assert (found.mods, [notice.reason for notice in found.notices]) == ((), ["place"])


def test_ryujinx_takes_patches_from_a_folder_of_mods_that_is_the_root() -> None:
    root = tree({f"exefs_patches/set/{BUILD_TEXT}.ips": b"", f"contents/{LOWER}/a/romfs/x": b""})
    assert [mod.name for mod in installed("ryujinx", root).mods] == ["set", "a"]
    assert told(installed("ryujinx", tree({"mods/kip_patches/set/00.ips": b""}))) == [("unsupported", "mods/kip_patches")]


def told_of_state(files: dict[str, bytes]) -> list[tuple[str, str]]:
    found = installed("ryujinx", tree({**files, f"mods/contents/{LOWER}/a/romfs/x": b""}))
    assert [mod.enabled for mod in found.mods] == [True]
    assert {notice.reason for notice in found.notices} <= {"state"}
    return [(notice.path, notice.text) for notice in found.notices]


@pytest.mark.parametrize(
    ("document", "selected", "problem"),
    [
        ({"selected": "C:\\u.nsp", "paths": ["C:\\u.nsp"]}, "C:\\u.nsp", ""),
        ({"Selected": "", "Paths": []}, "", ""),
        ({"selected": "b.nsp", "paths": ["a.nsp"]}, "b.nsp", "selects 'b.nsp'"),
        ({"selected": 5, "paths": []}, None, "takes Selected"),
        ([], None, "takes Selected"),
        ({"selected": ""}, None, "takes Selected"),
    ],
)
def test_E30_ryujinx_selects_an_update(document: object, selected: str | None, problem: str) -> None:
    files = {f"{GAME}/updates.json": json.dumps(document).encode()}
    assert selected_update(Finder(tree(files)), ID) == selected
    notices = told_of_state(files)
    assert [path for path, _ in notices] == ([f"{GAME}/updates.json"] if problem else [])
    assert all(problem in text for _, text in notices)


@pytest.mark.parametrize(
    ("rows", "found", "problem"),
    [
        ([(ID + 0x1001, True), (ID + 0x1002, False)], {ID + 0x1001: True, ID + 0x1002: False}, ""),
        ([(ID + 0x1001, True), (ID + 0x1001, False)], {ID + 0x1001: True}, "says both"),
        ([("x", True), (ID + 0x1001, 1), (True, True), (ID + 0x1003, True)], {ID + 0x1003: True}, "entry 0 is none"),
    ],
)
def test_E30_ryujinx_switches_addons(rows: list[tuple[object, object]], found: dict[int, bool], problem: str) -> None:
    contents = [{"path": "/x.nca", "title_id": title, "is_enabled": on} for title, on in rows]
    files = {f"{GAME}/dlc.json": json.dumps([{"path": "d.nsp", "dlc_nca_list": contents}]).encode()}
    assert switched_addons(Finder(tree(files)), ID) == found
    notices = told_of_state(files)
    assert [path for path, _ in notices] == ([f"{GAME}/dlc.json"] if problem else [])
    assert all(problem in text for _, text in notices)


@pytest.mark.parametrize("text", [b"{", b"\xff", b"5", b"[5]", b'[{"dlc_nca_list": 5}]', b'"x"'])
def test_E30_damaged_state_files_are_told_and_take_nothing_away(text: bytes) -> None:
    for name in ("updates.json", "dlc.json"):
        assert [path for path, _ in told_of_state({f"{GAME}/{name}": text})] == [f"{GAME}/{name}"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mods", "name", "path", "enabled", "selected", "paths", "dlc_nca_list", "title_id", "is_enabled"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
LINES = st.lists(
    st.sampled_from(
        [
            "[DisabledAddOns]",
            "[x]",
            f"1\\title_id={ID}",
            "1\\title_id=\u00b2",
            "1\\disabled\\1\\d=\\xd800",
            "1\\disabled\\x\\d=a",
            "size=\u00b2",
            "size=0",
            "1\\disabled\\size=" + "9" * 5000,
            "=",
            "\0",
        ]
    )
)


@pytest.mark.fuzz
@given(JSON, LINES, st.binary(max_size=10))
def test_whatever_stands_in_state_files(document: object, lines: list[str], data: bytes) -> None:
    text = json.dumps(document).encode()
    for state in (text, data):
        files = {f"{GAME}/{name}": state for name in ("mods.json", "updates.json", "dlc.json")}
        assert len(installed("ryujinx", tree({**files, f"mods/contents/{LOWER}/a/romfs/x": b""})).mods) == 1
    for settings in ("\n".join(lines).encode(), data):
        assert len(installed("yuzu", tree({SETTINGS: settings, f"load/{UPPER}/a/romfs/x": b""})).mods) == 1
