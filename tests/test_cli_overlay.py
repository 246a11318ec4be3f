"""``oboromi overlay``: its verbs as their user sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from oboromi_fs.cli.overlay import VERBS
from tests.command import DATA, KEYS, NSP, Result, oboromi, process, process_environment


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three layers and a stack file, in the working directory."""
    trees = {
        "base": {"data/a": "1", "data/b": "2", "data/gone": "3", "z.json": '{"x": 1}'},
        "mods/one": {"data/b": "one", "data/.wh.gone": "", "new": "one"},
        "mods/two": {"data/b": "two", "z.json": '{ "x": 1 }'},
    }
    for root, files in trees.items():
        for path, text in files.items():
            target = tmp_path / root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    rows = "".join(f'[[layer]]\nname = "{Path(root).name}"\npath = "{root}"\n' for root in trees)
    (tmp_path / "mods.toml").write_text(rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def overlay(verb: str, *words: str) -> Result:
    return oboromi("overlay", verb, *words, "-s", "mods.toml")


@pytest.mark.usefixtures("layers")
def test_ls_tree_cat_find() -> None:
    assert overlay("ls").lines == ["data", "new", "z.json"]
    assert overlay("ls", "-R", "data").lines == ["a", "b"]
    assert oboromi("overlay", "ls", "--json", "-l", "base", "-l", "mods/one", "data").json == [
        {"path": "a", "kind": "file", "size": 1},
        {"path": "b", "kind": "file", "size": 3},
    ]
    assert overlay("tree").lines == ["/", "├── data/", "│   ├── a", "│   └── b", "├── new", "└── z.json"]
    assert overlay("cat", "data/b").out == b"two"
    assert overlay("cat", "data/b", "--from", "one").out == b"one"
    assert overlay("cat", "data/gone", "--from", "base").out == b"3"
    assert overlay("cat", "data/b", "--range", "1:").out == b"wo"
    assert overlay("find", "*a*").lines == ["data", "data/a"]
    assert overlay("find", "--regex", "^D.*B$").lines == ["data/b"]
    assert overlay("find", "nothing").code == 1
    assert overlay("find-file", "DATA\\B").lines == [str(Path("mods/two/data/b").resolve())]
    assert overlay("find-file", "nothing").code == 1


@pytest.mark.usefixtures("layers")
def test_explain_in_every_form() -> None:
    assert [line.split(" (")[0] for line in overlay("explain", "data/b").lines] == [
        "data/b",
        "├── wins: two",
        "├── overridden: one",
        "└── overridden: base",
    ]
    hidden = overlay("explain", "data/gone")
    assert hidden.code == 1
    assert hidden.lines[1].startswith("└── hidden: base (")
    assert hidden.lines[1].endswith("), by a whiteout in one")
    missing = overlay("explain", "nothing")
    assert (missing.code, missing.message) == (5, "no layer has this path: 'nothing'")
    document = overlay("explain", "data/b", "--json").json
    assert list(document) == ["key", "winner", "overridden", "hidden", "kind"]
    assert document["winner"] == {
        "source_index": 2,
        "source": {"path": "mods/two", "kind": "directory"},
        "key": "data/b",
        "original_path": "data/b",
        "resolved_path": str(Path("mods/two/data/b").resolve()),
    }
    assert yaml.safe_load(overlay("explain", "data/b", "--yaml").out) == document
    assert tomllib.loads(overlay("explain", "data/b", "--toml").text) == document
    assert overlay("explain", "data/b", "--yaml", "--toml").code == 2
    assert "directory" in overlay("explain", "data", "--json").text


@pytest.mark.usefixtures("layers")
def test_reports() -> None:
    assert [(each["key"], len(each["providers"]), each["winner_index"]) for each in overlay("duplicates", "--json").json] == [
        ("data/b", 3, 2),
        ("z.json", 2, 1),
    ]
    assert overlay("duplicates").lines == ["path    layers, the last wins", "data/b  base < one < two", "z.json  base < two"]
    assert overlay("conflicts").lines == [
        "layer  overrides          is overridden by  loses to  hides     is hidden by",
        "base   -                  one (1), two (2)  two (2)   -         one (1)",
        "one    base (1)           two (1)           two (1)   base (1)  -",
        "two    base (2), one (1)  -                 -         -         -",
    ]
    assert [(each["source_index"], each["shadowed_count"]) for each in overlay("shadowed", "--json").json] == [(0, 3), (1, 1)]
    rows = overlay("contributions", "--json").json
    names = ("winning", "overriding", "overridden", "unique", "duplicate", "loose", "hidden")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, 0, 2, 1, 2, 4, 1),
        (1, 0, 1, 1, 1, 2, 0),
        (2, 2, 0, 0, 2, 2, 0),
    ]
    assert overlay("contributions").lines[:2] == [
        "layer  kind       winning  unique  overriding  overridden  duplicate  hidden",
        "base   directory        1       1           0           2          2       1",
    ]
    assert overlay("remaining", "one").lines == ["new"]
    assert overlay("remaining", "one", "--replacements-only").lines == ["data/b"]
    assert overlay("remaining", "nobody").code == 2
    assert overlay("archives", "--json").json == []
    assert overlay("diff", "base", "one", "--json").json == {
        "source_a": 0,
        "source_b": 1,
        "shared": ["data/b"],
        "only_in_a": ["data/a", "data/gone", "z.json"],
        "only_in_b": ["new"],
        "higher_priority": 1,
    }
    assert overlay("diff", "--against", "mods/one", "--json").json["conflicts"] == ["data/b", "new"]
    assert overlay("diff", "base").code == 2
    assert overlay("diff").code == 2
    semantic = overlay("semantic", "z.json", "--json").json
    assert [(each["key"], each["relations"][0]["delta"]) for each in semantic] == [("z.json", "CosmeticOnly")]


REPORTS: dict[str, tuple[str, ...]] = {
    "layers": (),
    "ls": (),
    "tree": (),
    "find": ("*a*",),
    "find-file": ("DATA/B",),
    "explain": ("data/b",),
    "duplicates": (),
    "remaining": ("one",),
    "conflicts": (),
    "shadowed": (),
    "contributions": (),
    "diff": ("base", "one"),
    "archives": (),
    "archive-list": (),
    "semantic": (),
    "validate": (),
    "simulate": ("swap", "one", "two"),
    "collapse": ("-o", "nowhere", "-n"),
}


@pytest.mark.usefixtures("layers")
@pytest.mark.parametrize("verb", REPORTS)
def test_V34_every_report_is_the_same_document_in_every_form(verb: str) -> None:
    wanted = overlay(verb, *REPORTS[verb], "--json").json
    assert yaml.safe_load(overlay(verb, *REPORTS[verb], "--yaml").out) == wanted
    found = tomllib.loads(overlay(verb, *REPORTS[verb], "--toml").text)
    assert found == _without_none({"entries": wanted} if isinstance(wanted, list) else wanted)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def test_V34_has_every_verb_of_the_requirement() -> None:
    wanted = "find-file find explain duplicates remaining conflicts shadowed contributions diff archives archive-list"
    assert {*wanted.split(), "validate", "lock", "drift", "collapse", "extract", "run"} <= set(VERBS)


def test_V35_exit_codes_are_distinct(layers: Path) -> None:
    """Done, no, usage, damaged, a missing key, no such path, the host refuses; and that of the program."""
    (layers / "bad.romfs").write_bytes((DATA / "romfs" / "tiny.st.romfs").read_bytes()[:0x70])
    codes = [
        overlay("ls").code,
        overlay("find", "nothing").code,
        overlay("remaining", "nobody").code,
        oboromi("overlay", "ls", "-l", "bad.romfs").code,
        oboromi("overlay", "ls", "-l", f"{NSP}/@program/romfs", keys=str(layers / "mods.toml")).code,
        overlay("explain", "nothing").code,
        overlay("romfs", "-o", "no/such/folder").code,
        oboromi("overlay", "run", "-s", "mods.toml", "--", "sh", "-c", "exit 42 # {}").code,
    ]
    assert codes == [0, 1, 2, 3, 4, 5, 6, 42]


@pytest.mark.usefixtures("layers")
def test_layers_are_told_by_number_name_and_path() -> None:
    assert overlay("layers", "--json").json[1] == {
        "index": 1,
        "name": "one",
        "path": "mods/one",
        "kind": "directory",
        "case": "exact",
        "at": "",
        "markers": True,
        "error": None,
    }
    assert overlay("layers").lines[1] == "0  base   base      directory  exact  /"
    damaged = oboromi("overlay", "layers", "-l", "base", "-l", "mods.toml", "--json")
    assert (damaged.code, "is no archive" in damaged.json[1]["error"]) == (3, True)


@pytest.mark.usefixtures("layers")
def test_reports_that_are_empty_say_so() -> None:
    for verb, text in (("duplicates", "no file"), ("conflicts", "no layer"), ("shadowed", "every layer"), ("archives", "no layer")):
        result = oboromi("overlay", verb, "-l", "base")
        assert (result.code, result.out) == (0, b"")
        assert result.message.startswith(text)
    assert oboromi("overlay", "archive-list", "-l", "base").message == "no layer is an archive"
    assert overlay("diff", "--other", "mods.toml").message == "every file has the same winner in both"
    assert oboromi("overlay", "remaining", "base", "-l", "base", "--replacements-only").message == "no file of it is replaced"
    assert overlay("archive-list", "one").message == "layer 'one': is a folder, no archive"
    assert overlay("romfs", "-o", "mods").code == 6


@pytest.mark.usefixtures("layers")
def test_simulate() -> None:
    found = overlay("simulate", "swap", "one", "two", "--json").json
    assert (found["order"], [change["key"] for change in found["changes"]], found["changed_count"]) == ([0, 2, 1], ["data/b"], 1)
    assert overlay("simulate", "order", "two", "one", "base", "--json").json["order"] == [2, 1, 0]
    assert overlay("simulate", "try", "base", "--json").json["adds"] == ["data/gone"]
    assert [each["above"] for each in overlay("simulate", "places", "one", "--json").json] == [0, 2]
    assert overlay("simulate", "swap", "one").code == 2
    assert overlay("simulate", "swap", "one", "nobody").code == 2
    assert overlay("simulate", "order", "one").code == 2


def test_archives_are_listed_with_what_wins(layers: Path) -> None:
    (layers / "base" / "hello.txt").write_text("mine", encoding="utf-8")
    words = ("-l", f"{NSP}/@program/romfs", "-l", "base", *KEYS)
    (row,) = oboromi("overlay", "archives", *words, "--json").json
    assert (row["source_index"], row["winning_entry_count"] < row["entry_count"]) == (0, True)
    listed = oboromi("overlay", "archive-list", *words, "--json").json
    assert {"key": "hello.txt", "archive_path": f"{NSP}/@program/romfs", "original_path": "hello.txt", "wins": False} in listed
    assert oboromi("overlay", "cat", "hello.txt", *words).out == b"mine"
    assert oboromi("overlay", "cat", "hello.txt", "--from", f"{NSP}/@program/romfs", *words).out == b"hello\n"


def test_lock_and_drift(layers: Path) -> None:
    assert overlay("drift", "nothing.json").code == 5
    written = overlay("lock", "-o", "lock.json")
    assert (written.code, written.message) == (0, "4 files of 3 layers, written to lock.json")
    text = (layers / "lock.json").read_text(encoding="utf-8")
    assert overlay("lock").text == text
    assert json.loads(text)["entries"]["data/b"]["provider_count"] == 3
    assert str(layers) not in text
    assert overlay("drift", "lock.json").lines == ["no drift: 4 files as locked"]
    (layers / "mods" / "two" / "data" / "b").write_text("2", encoding="utf-8")
    (layers / "mods" / "one" / "new").unlink()
    changed = overlay("drift", "lock.json", "--json")
    assert changed.code == 1
    assert [(entry["key"], entry["kind"]) for entry in changed.json["entries"]] == [("data/b", "winner_hash_changed"), ("new", "removed")]
    assert overlay("drift", "--fail-on-drift", "lock.json").code == 1
    for form in ("yaml", "toml"):
        assert overlay("lock", "-o", f"lock.{form}").code == 0
        assert overlay("drift", f"lock.{form}").code == 0
    (layers / "bad.json").write_text("{}", encoding="utf-8")
    assert overlay("drift", "bad.json").code == 3


def test_collapse_and_romfs(layers: Path) -> None:
    plan = overlay("collapse", "-o", "out", "--dry-run", "--json").json
    assert [(action["action"], action["key"]) for action in plan["actions"]] == [
        ("copy", "data/a"),
        ("copy", "data/b"),
        ("copy", "new"),
        ("copy", "z.json"),
    ]
    assert not (layers / "out").exists()
    assert overlay("collapse", "-o", "out").code == 0
    assert sorted(path.relative_to(layers / "out").as_posix() for path in (layers / "out").rglob("*")) == [
        "data",
        "data/a",
        "data/b",
        "new",
        "z.json",
    ]
    assert overlay("romfs", "-o", "virtual.romfs").code == 0
    assert oboromi("pack", "romfs", "out", "-o", "packed.romfs").code == 0
    assert (layers / "virtual.romfs").read_bytes() == (layers / "packed.romfs").read_bytes()
    assert overlay("collapse", "-o", "links", "--mode", "hardlink").code == 0
    assert os.path.samefile("links/data/a", "base/data/a")


@pytest.mark.parametrize("output", ["mods/two/data/b", "mods/two/new", "mods.toml", "base.zip", "mods/one"])
def test_no_verb_writes_into_what_it_reads(layers: Path, output: str) -> None:
    with zipfile.ZipFile(layers / "base.zip", "w") as archive:
        archive.writestr("data/z", "zip")
    before = {path: path.read_bytes() for path in layers.rglob("*") if path.is_file()}
    words = ("-s", "mods.toml", "-l", "base.zip")
    for verb in (
        ("romfs", "-o", output),
        ("lock", "-o", output),
        ("collapse", "-o", output),
        ("extract", "data", "--overwrite", "-o", output),
        ("run", "-o", output, "--", "true", "{}"),
        ("run", "--report", output, "--", "true", "{}"),
    ):
        split = verb.index("--") if "--" in verb else len(verb)
        result = oboromi("overlay", *verb[:split], *words, *verb[split:])
        assert result.code == 2, verb
        assert "which is only read; write elsewhere" in result.message
    assert {path: path.read_bytes() for path in layers.rglob("*") if path.is_file()} == before


def test_a_folder_above_the_layers_keeps_what_is_read(layers: Path) -> None:
    with zipfile.ZipFile(layers / "base.zip", "w") as archive:
        archive.writestr("data/z", "zip")
    (layers / "keys").mkdir()
    (layers / "keys" / "prod.keys").write_bytes(Path(KEYS[1]).read_bytes())
    for path in ("base.zip", "mods.toml", "mods/two/new", "keys/prod.keys"):
        (layers / "top" / path).parent.mkdir(parents=True, exist_ok=True)
        (layers / "top" / path).write_text("new", encoding="utf-8")
    before = {path: path.read_bytes() for path in layers.rglob("*") if path.is_file()}
    words = ("-s", "mods.toml", "-l", "base.zip", "-l", "top", "--keys", "keys")
    for path, what in (("base.zip", "base.zip is the layer 'base.zip'"), ("mods.toml", "mods.toml is the stack file")):
        result = oboromi("overlay", "extract", path, "--overwrite", "-o", ".", *words)
        assert (result.code, result.message) == (2, f"./{what}, which is only read; write elsewhere")
    assert "keys/prod.keys is a key file" in oboromi("overlay", "extract", "keys", "--overwrite", "-o", "keys", *words).message
    assert oboromi("overlay", "extract", "/", "--overwrite", "-o", ".", *words).code == 2
    assert "the layer 'two'" in oboromi("overlay", "extract", "mods", "--overwrite", "-o", "mods", *words).message
    collapsed = oboromi("overlay", "collapse", "-o", ".", "-s", "mods.toml", "-l", "top")
    assert (collapsed.code, "mods.toml is the stack file" in collapsed.message) == (2, True)
    assert "keys/prod.keys is a key file" in oboromi("overlay", "lock", "-o", "keys/prod.keys", *words).message
    (layers / "top" / "mods.toml").unlink()
    collapsed = oboromi("overlay", "collapse", "-o", ".", "-s", "mods.toml", "-l", "top")
    assert (collapsed.code, "-n shows all that is in the way" in collapsed.message) == (2, True)
    before.pop(layers / "top" / "mods.toml")
    assert {path: path.read_bytes() for path in layers.rglob("*") if path.is_file()} == before
    assert oboromi("overlay", "extract", "data", "-o", ".", *words).code == 0


def test_a_part_of_a_split_layer_is_not_replaced(layers: Path) -> None:
    whole = Path(NSP).read_bytes()
    for number, part in enumerate((whole[:0x4000], whole[0x4000:])):
        (layers / f"game.ns{number}").write_bytes(part)
    result = oboromi("overlay", "lock", "-o", "game.ns1", "-l", "game.ns0/@program/romfs", *KEYS)
    assert result.message == "game.ns1 is the layer 'game.ns0/@program/romfs', which is only read; write elsewhere"


def test_what_is_half_known_is_neither_extracted_nor_compared(layers: Path) -> None:
    assert overlay("lock", "-o", "lock.json").code == 0
    (layers / "bad.romfs").write_bytes((DATA / "romfs" / "tiny.st.romfs").read_bytes()[:0x70])
    words = ("-s", "mods.toml", "-l", "bad.romfs")
    drifted = oboromi("overlay", "drift", "lock.json", *words)
    assert (drifted.code, drifted.out) == (3, b"")
    assert oboromi("overlay", "extract", "data", "-o", "out", *words).code == 3
    assert not (layers / "out").exists()


@pytest.mark.usefixtures("layers")
def test_a_locks_form_and_its_ending_agree() -> None:
    assert overlay("lock", "-o", "lock.json", "--yaml").code == 2
    assert overlay("lock", "-o", "lock.yaml", "--yaml").code == 0


def test_what_an_archive_leaves_out_is_told(layers: Path) -> None:
    with zipfile.ZipFile(layers / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "evil")
    listed = oboromi("overlay", "ls", "-l", "evil.zip")
    assert listed.code == 3
    assert "layer 'evil.zip': " in listed.message
    with zipfile.ZipFile(layers / "evil.zip", "a") as archive:
        archive.writestr("good.txt", "good")
    made = oboromi("overlay", "collapse", "-o", "rest", "-l", "evil.zip")
    assert (made.code, [path.name for path in (layers / "rest").iterdir()]) == (3, ["good.txt"])
    assert oboromi("overlay", "romfs", "-o", "rest.romfs", "-l", "evil.zip").code == 3
    assert oboromi("ls", "rest.romfs").lines == ["good.txt"]
    (layers / "junk.zip").write_text("junk", encoding="utf-8")
    junk = oboromi("overlay", "ls", "-l", "base", "-l", "junk.zip")
    assert (junk.code, junk.lines) == (3, ["data", "z.json"])
    assert "is no archive that is recognised" in junk.message


def test_expressions_that_never_end_and_wrong_ones(layers: Path) -> None:
    (layers / "base" / ("a" * 40 + "!")).touch()
    for verb in ("find", "duplicates"):
        assert oboromi("overlay", verb, "-e", "(", "-l", "base").code == 2


def test_run_passes_the_code_on_and_collects_what_changed(layers: Path) -> None:
    script = "import os, sys; os.chdir(sys.argv[1]); open('data/b', 'w').write('run'); os.remove('new'); os.rename('z.json', 'y.json'); "
    script += "sys.exit(7)"
    words = ("-s", "mods.toml", "-o", "result", "--report", "report.json")
    result = oboromi("overlay", "run", *words, "--", sys.executable, "-c", script, "{}")
    assert result.code == 7
    report = json.loads((layers / "report.json").read_text(encoding="utf-8"))["changes"]
    assert (report["changed"], report["deleted"], report["renamed"]) == (["data/b"], ["new"], [{"from": "z.json", "to": "y.json"}])
    assert (layers / "mods" / "two" / "data" / "b").read_text(encoding="utf-8") == "two"
    assert oboromi("overlay", "ls", "-R", "-s", "mods.toml", "-l", "result").lines == ["data", "data/a", "data/b", "y.json"]
    missing = oboromi("overlay", "run", "-s", "mods.toml", "--", "no-such-program", "{}")
    assert missing.code == 5
    assert oboromi("overlay", "run", "-s", "mods.toml", "--", "true").code == 2


def test_validate_and_damaged_layers(layers: Path) -> None:
    assert overlay("validate").code == 0
    (layers / "bad.romfs").write_bytes((DATA / "romfs" / "tiny.st.romfs").read_bytes()[:0x70])
    words = ("-s", "mods.toml", "-l", "bad.romfs")
    listed = oboromi("overlay", "ls", *words)
    assert (listed.code, listed.lines) == (3, ["data", "new", "z.json"])
    assert "layer 'bad.romfs' is left out: RomFS header of bad.romfs" in listed.message
    checked = oboromi("overlay", "validate", *words, "--json")
    assert (checked.code, checked.json["valid"]) == (1, False)
    assert [check["status"] for check in checked.json["checks"]] == ["ok", "ok", "ok", "failed"]
    for verb in ("lock", "collapse", "romfs", "run"):
        more = {"lock": ["-o", "x"], "collapse": ["-o", "x"], "romfs": ["-o", "x"], "run": ["--", "true", "{}"]}[verb]
        assert oboromi("overlay", verb, *words, *more).code == 3
        assert not (layers / "x").exists()
    gone = oboromi("overlay", "ls", "-l", "base", "-l", "nowhere")
    assert gone.code == 5
    assert "layer 'nowhere'" in gone.message
    assert oboromi("overlay", "validate", "-l", "base", "-l", "nowhere").code == 1


def test_usage(layers: Path) -> None:
    assert oboromi("overlay", "ls").code == 2
    assert oboromi("overlay").code == 2
    assert "did you mean 'explain'?" in oboromi("overlay", "explian").message
    (layers / "wrong.toml").write_text("[[layer]]\npath = 'base'\nnaem = 'x'\n", encoding="utf-8")
    wrong = oboromi("overlay", "ls", "-s", "wrong.toml")
    assert (wrong.code, "did you mean 'name'?" in wrong.message) == (3, True)
    assert oboromi("overlay", "-s", "mods.toml", "ls").lines == ["data", "new", "z.json"]
    assert oboromi("--json", "overlay", "ls", "-s", "mods.toml").json[0]["path"] == "data"
    assert oboromi("overlay", "--help").code == 0


@pytest.mark.usefixtures("layers")
def test_what_is_missing_is_told_with_what_helps() -> None:
    assert overlay("cat", "data/gone").message == "no such path (hidden by a whiteout in 'one'): 'data/gone'"
    cased = overlay("cat", "DATA/a").message
    assert cased == "no such path (there is 'data/a': --case fold takes any case, find-file looks for it): 'DATA/a'"
    assert overlay("explain", "NEW").message.startswith("no such path (there is 'new'")
    assert overlay("cat", "data/nothing").message == "no such path ('data' has no 'nothing'): 'data/nothing'"
    several = oboromi("overlay", "ls", "-l", "base", "mods/one")
    assert several.message == "no such path in the layers (there is one of this computer: each layer needs its own -l): 'mods/one'"
    assert "each layer" not in overlay("ls", "mods/one").message
    fingers = oboromi("overlay", "ls", "-l", "-R", "data", "-s", "mods.toml")
    assert (fingers.code, "--long tells kinds and sizes" in fingers.message) == (2, True)


def test_mistakes_are_refused(layers: Path) -> None:
    assert overlay("duplicates", "--json", "--yaml").code == 2
    assert overlay("ls", "--json", "--toml").code == 2
    assert overlay("lock", "-o", "lock.yaml", "--json").code == 2
    assert overlay("diff", "one", "mods/one").message == "both are layer 'one': there is nothing to compare"
    (layers / "empty.toml").touch()
    assert oboromi("overlay", "ls", "-s", "empty.toml").code == 2
    assert oboromi("overlay", "ls", "-s", "empty.toml", "-l", "base").code == 0


@pytest.mark.usefixtures("layers")
def test_a_layer_that_is_given_twice_is_told() -> None:
    twice = oboromi("overlay", "ls", "-l", "base", "-l", "base/")
    assert (twice.code, twice.message) == (0, "warning: layer 'base/' is the same as 'base', which is below it")
    named = oboromi("overlay", "layers", "-s", "mods.toml", "-l", "one", "-l", "one", "--json")
    assert named.code == 5
    names = oboromi("overlay", "layers", "-s", "mods.toml", "-l", "base", "-l", "base", "--json").json
    assert [each["name"] for each in names] == ["base", "one", "two", "base (2)", "base (3)"]


@pytest.mark.usefixtures("layers")
def test_tables_have_names_of_layers(layers: Path) -> None:
    assert overlay("simulate", "swap", "one", "two").lines[-1] == "data/b  two     one"
    (layers / "other.toml").write_text('[[layer]]\nname = "under"\npath = "base"\n', encoding="utf-8")
    assert overlay("diff", "--other", "other.toml").lines[0:2] == ["path       here  in other.toml", "data/b     two   under"]
    with zipfile.ZipFile(layers / "x.zip", "w") as archive:
        archive.writestr("x", "")
    (layers / "zip.toml").write_text('[[layer]]\nname = "zipped"\npath = "x.zip"\n', encoding="utf-8")
    assert oboromi("overlay", "archives", "-s", "zip.toml").lines[1] == "zipped       1        1"


def test_spellings_in_one_layer_are_told_by_every_verb(layers: Path) -> None:
    (layers / "base" / "DATA").mkdir()
    (layers / "base" / "Z.json").write_text("{}", encoding="utf-8")
    for verb in ("cat", "explain"):
        result = oboromi("overlay", verb, "z.json", "-l", "base", "--case", "fold")
        assert (result.code, result.message) == (0, "warning: layer 'base': 'Z.json' and 'z.json' differ in case alone")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    shown = oboromi("overlay", verb, "--help")
    assert shown.code == 0
    assert shown.text.startswith(f"usage: oboromi overlay {verb}")


@pytest.mark.usefixtures("layers")
def test_tables_are_drawn_on_a_terminal() -> None:
    drawn = oboromi("overlay", "contributions", "-s", "mods.toml", "--no-color", terminal=True).text
    assert "winning" in drawn
    assert "─" in drawn


@pytest.mark.usefixtures("layers")
def test_reading_a_stack_loads_no_more_than_it_needs() -> None:
    code = "import sys; from oboromi_fs.cli.main import main; main(['overlay', 'ls', '-s', 'mods.toml'])\n"
    code += "print(sorted({'numpy', 'rich', 'yaml', 'blake3', 'construct', 'oboromi_fs.opening'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=process_environment(), text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert process("overlay", "ls", "-s", "mods.toml").lines == ["data", "new", "z.json"]
