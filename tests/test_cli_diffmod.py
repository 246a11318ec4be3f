"""``oboromi overlay diff-mod``, and mods it makes as layers of all other verbs."""

from __future__ import annotations

import filecmp
import os
import zipfile
from pathlib import Path
from random import Random

import pytest

from oboromi_fs.jobs.stack import open_stack
from oboromi_fs.jobs.stackfile import stack_of
from tests.command import KEYS, NSP, oboromi

LEVEL = Random(1).randbytes(3000)
EDITED = LEVEL[:1000] + b"changed" + LEVEL[1000:]


def write(root: str, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        target = Path(root, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def same(one: str, other: str) -> bool:
    """Whether two folders have the same names and bytes, all the way down."""
    found = filecmp.dircmp(one, other)
    if found.left_only or found.right_only or found.common_funny:
        return False
    _, different, errors = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return not different and not errors and all(same(os.path.join(one, name), os.path.join(other, name)) for name in found.common_dirs)


@pytest.fixture
def mod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write("base", {"data/level": LEVEL, "data/gone": b"gone", "old/a": b"1", "old/b": b"2", "same": b"same", "turned": b"a file"})
    write("changed", {"data/level": EDITED, "data/copy": LEVEL[500:], "same": b"same", "turned/in": b"a folder", "new": b"new"})
    Path("changed/empty").mkdir()
    found = oboromi("overlay", "diff-mod", "base", "changed", "-o", "mod")
    assert (found.code, found.text) == (0, "")
    assert found.err.decode().startswith("oboromi: 2 new files, 2 patched ones, 2 deleted: ")
    return "mod"


def test_extracting_base_and_mod_gives_changed_exactly(mod: str) -> None:
    assert oboromi("overlay", "extract", "/", "-l", "base", "-l", mod, "-o", "out").code == 0
    assert same("changed", "out")
    assert not same("base", "out")


def test_collapsing_gives_changed_as_well(mod: str) -> None:
    assert oboromi("overlay", "collapse", "-l", "base", "-l", mod, "-o", "out").code == 0
    assert same("changed", "out")


def test_what_a_program_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("base", {"a": LEVEL, "b": b"2"})
    write("changed", {"a": EDITED, "c": b"3"})
    found = oboromi("overlay", "diff-mod", "--json", "base", "changed", "-o", "mod")
    assert found.json == {
        "output": "mod",
        "new": ["c"],
        "patched": [{"path": "a", "size": 3007, "delta_size": os.path.getsize("mod/deltas/0.vcdiff")}],
        "deleted": ["b"],
        "directories": [],
        "size": sum(os.path.getsize(path) for path in ("mod/mod.toml", "mod/files/c", "mod/deltas/0.vcdiff")),
    }
    assert os.path.getsize("mod/deltas/0.vcdiff") < 40


def test_the_other_verbs(mod: str) -> None:
    layers = ("-l", "base", "-l", mod)
    assert oboromi("overlay", "ls", "-R", *layers).lines == [
        *("data", "data/copy", "data/level", "empty", "new", "same", "turned", "turned/in"),
    ]
    assert oboromi("overlay", "cat", "data/level", *layers).out == EDITED
    found = oboromi("overlay", "explain", "--json", "data/level", *layers).json
    assert (found["winner"]["source"]["path"], [each["source"]["path"] for each in found["overridden"]]) == ("mod", ["base"])
    assert found["patched_from"] == [{"path": "data/level", "layer": "base"}]
    delta = found["winner"]["resolved_path"]
    assert delta.startswith("mod/deltas/")
    assert os.path.isfile(delta)
    assert oboromi("overlay", "explain", "data/level", *layers).lines[1] == f"├── wins: mod ({delta}, patched from data/level in base)"
    assert oboromi("overlay", "explain", "new", *layers).lines[1] == "└── only here: mod (mod/files/new)"
    assert oboromi("overlay", "explain", "data/gone", *layers).lines == [
        "data/gone",
        "└── hidden: base (" + str(Path("base/data/gone").resolve()) + "), by a whiteout in mod",
    ]
    conflicts = oboromi("overlay", "conflicts", "--json", *layers)
    assert conflicts.code == 0
    assert [each["source"]["path"] for each in conflicts.json] == ["base", "mod"]
    assert oboromi("overlay", "validate", "--read", *layers).code == 0
    assert oboromi("overlay", "lock", *layers, "-o", "lock.json").code == 0
    assert oboromi("overlay", "drift", "lock.json", *layers).code == 0
    assert oboromi("overlay", "romfs", *layers, "-o", "image.romfs").code == 0
    assert oboromi("overlay", "romfs", "-l", "changed", "-o", "wanted.romfs").code == 0
    assert Path("image.romfs").read_bytes() == Path("wanted.romfs").read_bytes()


def test_a_mod_over_a_mod_and_in_a_zip(mod: str) -> None:
    write("further", {"data/level": EDITED[::-1] + EDITED[:500], "new": b"newer"})
    oboromi("overlay", "extract", "/", "-l", "base", "-l", mod, "-o", "one")
    assert oboromi("overlay", "diff-mod", "one", "further", "-o", "two").code == 0
    with zipfile.ZipFile("two.zip", "w") as archive:
        for root, _, names in os.walk("two"):
            for name in names:
                archive.write(os.path.join(root, name), os.path.relpath(os.path.join(root, name), "two"))
    assert oboromi("overlay", "extract", "/", "-l", "base", "-l", mod, "-l", "two.zip", "-o", "out").code == 0
    assert same("further", "out")


def test_a_mod_that_is_mounted_deeper(mod: str) -> None:
    write("outer", {"above": b"1"})
    assert mod == "mod"
    Path("stack.toml").write_text(
        '[[layer]]\npath = "outer"\n[[layer]]\npath = "base"\nat = "romfs"\n[[layer]]\npath = "mod"\nat = "/romfs/"\n'
    )
    assert oboromi("overlay", "cat", "romfs/data/level", "-s", "stack.toml").out == EDITED
    assert oboromi("overlay", "extract", "/romfs", "-s", "stack.toml", "-o", "out").code == 0
    assert same("changed", "out")


def test_over_another_version_of_the_game(mod: str) -> None:
    Path("base/data/level").write_bytes(LEVEL[::-1])
    assert oboromi("overlay", "cat", "new", "-l", "base", "-l", mod).out == b"new"
    found = oboromi("overlay", "cat", "data/level", "-l", "base", "-l", mod)
    assert found.code == 3
    assert "patched file 'data/level': the mod was made for another version of the game: 'data/level'" in found.err.decode()
    Path("base/data/level").unlink()
    found = oboromi("overlay", "cat", "data/level", "-l", "base", "-l", mod)
    assert found.code == 3
    assert "is not there" in found.err.decode()


def test_a_description_that_cannot_be_is_a_damaged_layer(mod: str) -> None:
    Path("mod/mod.toml").write_text('format = "oboromi mod"\nversion = 1\ndeleted = ["../x"]\n')
    found = oboromi("overlay", "ls", "-l", "base", "-l", mod)
    assert found.code == 3
    assert "layer 'mod' is left out: mod.toml, field deleted[0]: is no path inside the game: '../x'" in found.err.decode()


def test_another_mod_toml_is_a_file_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("layer", {"mod.toml": b'name = "other"', "files/a": b"1"})
    assert oboromi("overlay", "ls", "-R", "-l", "layer").lines == ["files", "files/a", "mod.toml"]


def test_base_inside_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    romfs = f"{NSP}/@program/romfs"
    assert oboromi(*KEYS, "extract", romfs, "-o", "changed").code == 0
    write("changed", {"hello.txt": b"hello mod\n"})
    assert oboromi(*KEYS, "overlay", "diff-mod", romfs, "changed", "-o", "mod").code == 0
    assert sorted(str(path) for path in Path("mod").rglob("*") if path.is_file()) == ["mod/files/hello.txt", "mod/mod.toml"]
    assert oboromi(*KEYS, "overlay", "extract", "/", "-l", romfs, "-l", "mod", "-o", "out").code == 0
    assert same("changed", "out")


def test_nothing_to_write_and_nowhere_to(mod: str) -> None:
    found = oboromi("overlay", "diff-mod", "base", "base", "-o", "none")
    assert (found.code, found.message) == (1, "the two do not differ; nothing is written")
    assert not Path("none").exists()
    found = oboromi("overlay", "diff-mod", "base", "changed", "-o", mod)
    assert (found.code, found.message) == (6, "is there, and is no empty folder: 'mod'")
    for inside in ("base/mod", "changed/mod"):
        found = oboromi("overlay", "diff-mod", "base", "changed", "-o", inside)
        assert found.code == 2
        assert "which is only read; write elsewhere" in found.message
    found = oboromi("overlay", "diff-mod", "base/same", "changed", "-o", "x")
    assert (found.code, found.message.partition(";")[0]) == (2, "base/same is a plain file")
    assert oboromi("overlay", "diff-mod", "nowhere", "changed", "-o", "x").code == 5


def test_as_a_library(mod: str) -> None:
    with open_stack(stack_of(["base", mod])) as stack:
        assert stack.union.read_bytes("data/copy") == LEVEL[500:]
        assert not stack.broken
