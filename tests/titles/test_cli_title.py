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


def test_one_of_a_collection_is_not_blamed_for_what_lies_beside_it(tmp_path: Path, pile: Path) -> None:
    other = forging.ID + 0x40000
    second = forging.with_meta(other, MetaType.APPLICATION, [forging.Made("control", other, {"romfs": forging.romfs(forging.CONTROL)})])
    cut = forging.nsp(second)
    files = {
        "mine.nsp": (pile / "addon.nsp").read_bytes(),
        "other.nsp": forging.nsp(second),
        "junk.nsp": b"junk",
        "cut.nsp": cut[: len(cut) // 3],
    }
    forging.put(tmp_path, files)
    given = "-f", str(tmp_path), "--keys", str(pile.parent / "prod.keys"), "--title", f"{forging.ADDONS[0]:016x}"
    told = oboromi("title", "ls", "addons", *given)
    assert (told.code, told.lines) == (0, [f"{forging.ADDONS[0]:016x}"])
    warnings = told.err.decode()
    assert "junk.nsp" not in warnings
    assert "with files that no title is known of; `oboromi library --damaged` names them" in warnings
    info = oboromi("title", "info", *given)
    assert (info.code, "junk.nsp" in info.text, "beside it: " in info.text) == (0, False, True)
    assert "junk.nsp" in oboromi("title", "info", "-v", *given).text
    named = oboromi("title", "info", *given, "-f", str(tmp_path / "cut.nsp"))
    assert (named.code, "cut.nsp" in named.text) == (3, True)


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


def damaged(tmp_path: Path) -> dict[str, bytes]:
    """A base whose ExeFS has a byte of its table changed, so that it does not open."""
    members = forging.base_title()
    name = next(iter(members))
    nca = forging.base_program().nca()
    image = bytearray(members[name])
    image[nca.sections[0].start] ^= 0xFF
    forging.put(tmp_path, {"dumps/b.nsp": forging.nsp({**members, name: bytes(image)})})
    return {
        **{f"romfs/{path}": data for path, data in forging.BASE.items()},
        **{f"control/{path}": data for path, data in forging.CONTROL.items()},
        **{f"manual/{path}": data for path, data in forging.MANUAL.items()},
    }


def test_a_damaged_section_does_not_lose_the_rest(tmp_path: Path, pile: Path) -> None:
    rest = damaged(tmp_path)
    given = ("-f", str(tmp_path / "dumps"), "--keys", str(pile.parent / "prod.keys"))
    done = oboromi("title", "extract", "/", "-o", str(tmp_path / "out"), *given)
    assert (done.code, "'exefs': " in done.err.decode(), "master_hash" in done.err.decode()) == (3, True, True)
    root = tmp_path / "out"
    assert {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()} == rest
    document = json.loads(oboromi("title", "extract", "/", "-o", str(tmp_path / "again"), "--json", *given).text)
    assert [each["path"] for each in document["refused"]] == ["exefs"]
    assert document["files"] == len(rest)
    for verb, words in (("ls", ["-R"]), ("find", ["*.bin"]), ("tree", [])):
        shown = oboromi("title", verb, *words, *given)
        assert (shown.code, "a.bin" in shown.text, "'exefs': " in shown.message) == (3, True, True)
    for words in (["exefs"], ["exefs", "-R"]):
        shown = oboromi("title", "ls", *words, *given)
        assert (shown.code, shown.lines) == (3, [])
    assert oboromi("title", "extract", "exefs", "-o", str(tmp_path / "no"), *given).code == 3
    shown = oboromi("title", "info", *given)
    assert (shown.code, [line for line in shown.lines if "cannot be read: exefs: " in line] != []) == (3, True)
    assert oboromi("title", "ls", "-R", "romfs", *given).code == 0
    assert oboromi("title", "ls", *given).lines == ["control", "exefs", "manual", "romfs"]


def test_a_key_that_is_absent_is_another_matter(tmp_path: Path, pile: Path) -> None:
    forging.put(tmp_path, {"b.nsp": forging.nsp(forging.base_title(**forging.locked(forging.ID)))})
    given = ("-f", str(tmp_path / "b.nsp"), "--keys", str(pile.parent / "prod.keys"))
    assert oboromi("title", "extract", "/", "-o", str(tmp_path / "out"), *given).code == 4
    assert not (tmp_path / "out").exists()
    assert oboromi("title", "extract", "control", "-o", str(tmp_path / "out"), *given).code == 0


def test_info_tells_what_is_odd_about_control_data_and_programs(tmp_path: Path, pile: Path) -> None:
    control = forging.Made("control", forging.ID, {"romfs": forging.romfs({"control.nacp": bytes(0x3FFF)})})
    program = forging.program({"rtld": forging.EXEFS["rtld"]}, {"a": b"a"})
    files = forging.with_meta(forging.ID, MetaType.APPLICATION, [program, control])
    forging.put(tmp_path, {"b.nsp": forging.nsp(files)})
    shown = oboromi("title", "info", "-f", str(tmp_path / "b.nsp"), "--keys", str(pile.parent / "prod.keys"))
    assert shown.code == 0
    assert "├── program 0: there is no main; there is no main.npdm" in shown.lines
    assert "├── control data: has 0x3fff bytes, and should have 0x4000" in shown.lines


def test_nothing_is_written_where_the_title_is_looked_for(tmp_path: Path, pile: Path) -> None:
    """It would be a second base of the same id the next time."""
    forging.put(tmp_path, {"dumps/b.nsp": forging.nsp(forging.base_title())})
    for output in ("dumps", "dumps/out", "dumps/../dumps/a/b"):
        given = ("-f", str(tmp_path / "dumps"), "--keys", str(pile.parent / "prod.keys"), "-o", str(tmp_path / output))
        refused = oboromi("title", "extract", "/", *given)
        assert (refused.code, "the next time" in refused.message) == (2, True)
    assert sorted(path.name for path in (tmp_path / "dumps").iterdir()) == ["b.nsp"]
