"""Cheats as ``oboromi mods`` lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import DATA, oboromi

ID = "0100abcdef000000"
BUILD = "4E795564D8F92ABE"
"""The first 16 digits of the build id of testdata/exe/test.nso."""
OTHER = "00112233445566AA"
CHEATS = f"atmosphere/contents/{ID}/cheats"
FULL = b"{Master}\n80000001 20000000\n[Lives]\n04000000 00001234 00000063\n\n[Part two]\n[Time]\n640F0000 00000000 00000001\n"
SMALL = b"[Lives]\n04000000 00001234 00000063\n"


def put(files: dict[str, bytes]) -> None:
    for path, data in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_cheats_are_listed_with_what_the_console_does_with_them() -> None:
    put(
        {
            f"sd/{CHEATS}/{BUILD.lower()}.txt": FULL,
            f"sd/{CHEATS}/toggles.txt": b"[Time]\noff\n",
            f"sd/{CHEATS}/{OTHER}.txt": SMALL,
            f"sd/{CHEATS}/{OTHER.lower()[:-1]}b.txt": b"[Lives]\noops\n",
            f"sd/{CHEATS}/notes.txt": b"",
        }
    )
    found = oboromi("mods", "sd")
    fat = " (a FAT or exFAT card finds it all the same)"
    refusal = "cheats: line 2: 'oops' is neither a name in brackets nor a word of 8 hexadecimal digits"
    assert found.code == 0
    assert found.lines == [
        ID,
        "└── atmosphere",
        f"    └── {ID}: cheats",
        f"        ├── cheats for build {BUILD} in {CHEATS}/{BUILD.lower()}.txt",
        "        │   ├── Master: on, the master cheat",
        "        │   ├── Lives: on",
        "        │   ├── Part two: a heading, without code",
        "        │   └── Time: off",
        f"        ├── ignored {CHEATS}/{OTHER}.txt: '{OTHER.lower()}.txt' is asked for, in lower case{fat}",
        f"        ├── ignored {CHEATS}/notes.txt: a file of cheats is called by the first 16 digits of a build id, .txt",
        f"        └── ignored {CHEATS}/{OTHER.lower()[:-1]}b.txt: {refusal}",
    ]


def test_each_tool_has_its_own_eyes_for_one_mod() -> None:
    put({f"mod/cheats/{BUILD}.txt": FULL, f"mod/cheats/{OTHER.lower()}.txt": SMALL, "mod/cheats/toggles.txt": b"[Lives] off\n"})
    (document,) = oboromi("mods", "mod", "--json", "--compare").json
    listed = {
        each["profile"]: [
            (file["path"], file["build_id"], [(cheat["name"], cheat["enabled"], bool(cheat["problem"])) for cheat in file["cheats"]])
            for file in each["cheats"]
        ]
        for each in document["profiles"]
    }
    upper, lower = f"cheats/{BUILD}.txt", f"cheats/{OTHER.lower()}.txt"
    off, on = ("Lives", False, False), ("Lives", True, False)
    names = [("Master", True, False), off, ("Part two", False, False), ("Time", True, False)]
    assert listed == {
        "atmosphere": [(lower, OTHER, [off])],
        "yuzu": [(lower, OTHER, [on]), (upper, BUILD, [names[0], on, *names[2:]])],
        "ryujinx": [
            (lower, OTHER, [off]),
            (upper, BUILD, [("<default>", False, True), off, ("Part two", False, False), ("Time", False, False)]),
        ],
        "plain": [(lower, OTHER, [off]), (upper, BUILD, names)],
    }
    (ryujinx,) = (each["notices"] for each in document["profiles"] if each["profile"] == "ryujinx")
    assert [(notice["path"], notice["reason"]) for notice in ryujinx] == [("cheats/toggles.txt", "unsupported"), (upper, "damaged")]


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe\0", b"[" * 70000, b"[Lives\n", b"1" * 100, b"\0" * 9, b"[Lives]\n0400000\n", b"x" * (2 << 20)]
)
def test_damaged_files_cost_their_own_cheats_alone(damage: bytes) -> None:
    put({f"load/{ID.upper()}/a/cheats/{BUILD}.txt": damage, f"load/{ID.upper()}/b/cheats/{BUILD}.txt": SMALL})
    found = oboromi("mods", ".", "--profile", "yuzu")
    assert (found.code, found.err) == (0, b"")
    assert [line for line in found.lines if "Lives: on" in line] == ["            └── Lives: on"]
    assert sum(f"ignored load/{ID.upper()}/a/cheats/{BUILD}.txt: " in line for line in found.lines) == 1


def test_names_are_shown_and_not_obeyed() -> None:
    put({f"{CHEATS}/{BUILD.lower()}.txt": b"[\x1b[2J\xff]\n20000000\n"})
    assert "\\x1b[2J\\xff: on" in oboromi("mods", ".").text
    assert oboromi("mods", ".", "--json").json[0]["profiles"][0]["cheats"][0]["cheats"][0]["name"] == "\x1b[2J�"


def test_with_the_game_cheats_of_other_builds_are_told() -> None:
    put({f"{CHEATS}/{name.lower()}.txt": SMALL for name in (BUILD, OTHER)})
    put({"game/exefs/main": (DATA / "exe" / "test.nso").read_bytes(), "game/romfs/x": b""})
    lines = oboromi("mods", ".", "--base", "game").lines
    assert lines == [
        ID,
        "└── atmosphere",
        f"    └── {ID}: cheats",
        f"        ├── cheats for build {BUILD} in {CHEATS}/{BUILD.lower()}.txt",
        "        │   └── Lives: on",
        f"        └── ignored {CHEATS}/{OTHER.lower()}.txt: it is for build {OTHER}, and the module main is of build {BUILD}",
    ]


def test_a_file_that_one_tool_passes_over_is_loaded_by_the_others() -> None:
    put({f"mod/cheats/{BUILD}.txt": SMALL})
    rows = [line.split() for line in oboromi("mods", "mod", "--compare").lines]
    assert [f"cheats/{BUILD}.txt", "case", "loads", "loads", "loads"] in rows
