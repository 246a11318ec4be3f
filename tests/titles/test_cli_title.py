"""``oboromi title``: the title, read like any folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from oboromi_formats.cnmt import MetaType
from oboromi_fs.cli.title import VERBS
from tests.building import VALUES
from tests.command import oboromi
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Result


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = forging.pile(tmp_path_factory.mktemp("pile") / "dumps")
    (root.parent / "prod.keys").write_text("".join(f"{name} = {value.hex()}\n" for name, value in VALUES.items()), encoding="utf-8")
    return root


def title(pile: Path, verb: str, *words: str) -> Result:
    return oboromi("title", verb, *words, "-f", str(pile), "--keys", str(pile.parent / "prod.keys"))


def test_ls_cat_and_find(pile: Path) -> None:
    assert title(pile, "ls").lines == ["addons", "control", "exefs", "manual", "romfs"]
    assert title(pile, "ls", "exefs", "--no-mods").lines == ["main", "main.npdm", "rtld", "sdk"]
    assert title(pile, "cat", "romfs/data/b.txt").out == b"mod 2 b\n"
    assert title(pile, "cat", "romfs/data/b.txt", "--no-mods").out == b"update 2 b\n"
    assert title(pile, "cat", "romfs/data/b.txt", "--no-mods", "--update", "0").out == b"base b\n"
    assert title(pile, "find", "*.txt", "--no-mods").lines == [
        f"/addons/{forging.ADDONS[0]:016x}/x/y.txt",
        "/romfs/data/b.txt",
        "/romfs/data/new.txt",
    ]
    assert title(pile, "find", "nothing*").code == 1
    assert title(pile, "tree", "addons", "-L", "1").lines[1:] == [f"├── {forging.ADDONS[0]:016x}/", f"└── {forging.ADDONS[1]:016x}/"]


def test_extract_is_the_model(pile: Path, tmp_path: Path) -> None:
    done = title(pile, "extract", "/", "-o", str(tmp_path / "out"), "--no-mods", "--verify")
    assert done.code == 0, done.err
    root = tmp_path / "out"
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == forging.model(forging.EXEFS_2, forging.ROMFS_2, forging.CONTROL_2)


def test_info_and_explain(pile: Path) -> None:
    shown = title(pile, "info")
    assert shown.code == 0
    assert shown.lines[0] == f"{forging.ID:016x} v131072: Hazy Moon 2.0.0"
    assert "├── other versions: v0, v65536" in shown.lines
    document = json.loads(title(pile, "info", "--json").text)
    assert (document["version"], document["versions"], document["issues"]) == (0x20000, [0, 0x10000, 0x20000], [])
    assert [module["name"] for module in document["programs"][0]["modules"]] == ["rtld", "main", "subsdk0", "sdk"]
    assert [[mod["name"] for mod in each["mods"]] for each in document["mods"]] == [
        ["1 first", "2 second", "3 third"],
        [f"{forging.ADDONS[0]:016x}"],
    ]
    explained = title(pile, "explain", "romfs/data/b.txt").text
    assert explained.index("wins: 2 second romfs") < explained.index("overridden: 1 first romfs") < explained.index("game romfs")
    assert title(pile, "explain", "romfs/nothing").code == 5


def test_what_makes_no_sense(pile: Path, tmp_path: Path) -> None:
    assert oboromi("title", "ls").code == 2
    assert title(pile, "ls", "--title", "7").code == 2
    assert title(pile, "ls", "--mods", "x", "--no-mods").code == 2
    assert title(pile, "cat", "romfs/nothing").code == 5
    assert title(pile, "ls", "--update", "7").code == 3
    assert oboromi("title", "ls", "-f", str(tmp_path / "absent")).code == 5
    (tmp_path / "x.nsp").write_bytes((pile / "addon.nsp").read_bytes()[:-0x100])
    told = oboromi("title", "info", "-f", str(tmp_path), "--keys", str(pile.parent / "prod.keys"))
    assert told.code == 3
    assert "x.nsp" in told.message
    other = forging.ID + 0x40000
    (tmp_path / "two").mkdir()
    second = forging.with_meta(other, MetaType.APPLICATION, [forging.Made("control", other, {"romfs": forging.romfs(forging.CONTROL)})])
    (tmp_path / "two" / "b.nsp").write_bytes(forging.nsp(second))
    two = oboromi("title", "ls", "-f", str(pile), "-f", str(tmp_path / "two"), "--keys", str(pile.parent / "prod.keys"))
    assert two.code == 2
    assert "say which title with --title" in two.message


def test_what_is_wrong_is_told(tmp_path: Path, pile: Path) -> None:
    (tmp_path / "u.nsz").write_bytes((pile / "updates" / "old.nsz").read_bytes())
    told = oboromi("title", "ls", "-f", str(tmp_path), "--keys", str(pile.parent / "prod.keys"))
    assert (told.code, told.lines) == (0, ["exefs"])
    warnings = told.err.decode().splitlines()
    assert [line.partition("warning: ")[0] for line in warnings] == ["oboromi: "] * 2
    assert "its base is not there" in warnings[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    shown = oboromi("title", verb, "--help")
    assert shown.code == 0
    assert shown.text.startswith(f"usage: oboromi title {verb}")
