"""Where ``pack`` may write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.command import DATA, KEYS, NSP, oboromi

XCI = DATA / "xci" / "std.xci"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something to pack."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_bytes(b"a")
    return tmp_path


def sources(folder: Path) -> dict[str, bytes]:
    (folder / "own.toml").write_text('name = "Mine"\npublisher = "Me"\n')
    shutil.copyfile(XCI, folder / "card.xci")
    shutil.copyfile(NSP, folder / "game.nsp")
    shutil.copyfile(DATA / "exe" / "test.nro", folder / "app.nro")
    shutil.copyfile(DATA / "exe" / "icon.jpg", folder / "icon.jpg")
    shutil.copyfile(DATA / "romfs" / "tiny.st.romfs", folder / "some.romfs")
    (folder / "link.nsp").symlink_to("game.nsp")
    return {name: (folder / name).read_bytes() for name in os.listdir(folder) if (folder / name).is_file()}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nacp", "own.toml", "-o", "own.toml"), "own.toml is SRC"),
        (("nacp", "own.toml", "-o", "folder/../own.toml"), "folder/../own.toml is SRC"),
        (("nsp", "card.xci/secure", "-o", "card.xci"), "card.xci is the file that SRC lies in"),
        (("nsp", "card.xci/secure", "-n", "-o", "card.xci"), "card.xci is the file that SRC lies in"),
        (("nsp", "card.xci/secure", "-o", "game.nsp", "--like", "game.nsp"), "game.nsp is --like"),
        (("nsp", "card.xci/secure", "-o", "link.nsp", "--like", "game.nsp"), "link.nsp is --like"),
        (("nro", "app.nro", "-o", "icon.jpg", "--icon", "icon.jpg"), "icon.jpg is --icon"),
        (("nro", "app.nro", "-o", "own.toml", "--nacp", "own.toml"), "own.toml is --nacp"),
        (("nro", "app.nro", "-o", "some.romfs", "--romfs", "some.romfs"), "some.romfs is --romfs"),
        (("nro", "app.nro", "-o", "folder/new.nro", "--romfs", "folder"), "would lie in folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_read_is_not_replaced(here: Path, words: tuple[str, ...], text: str) -> None:
    before = sources(here)
    result = oboromi("pack", *words, *KEYS)
    assert (result.code, result.out) == (2, b"")
    assert text in result.message
    assert {name: (here / name).read_bytes() for name in os.listdir(here) if (here / name).is_file()} == before


def test_a_folder_where_a_file_is_to_be_named(here: Path) -> None:
    result = oboromi("pack", "romfs", "folder", "-o", "out", "--like", ".")
    assert result.code == 3
    assert "--like is to name a container of the same kind, and this is a folder" in result.message
    assert os.listdir(here) == ["folder"]


def test_parts_that_are_read_are_not_replaced(here: Path) -> None:
    data = Path(NSP).read_bytes()
    for number in range(2):
        (here / f"game.ns{number}").write_bytes(data[number << 18 : (number + 1) << 18])
    assert len(data) <= 2 << 18
    for name in ("game.ns0", "game.ns1"):
        result = oboromi("pack", "pfs0", "game.ns0", "-o", name)
        assert result.code == 2
        assert f"{name} is " in result.message
    assert oboromi("pack", "pfs0", "game.ns0", "-o", "game.ns2").code == 0


def test_another_file_is_replaced_when_all_is_written(here: Path) -> None:
    (here / "out").write_bytes(b"older")
    assert oboromi("pack", "romfs", "folder", "-o", "out").code == 0
    assert oboromi("cat", "out/a.txt").out == b"a"


def test_an_nca_in_the_folder_it_is_made_of(here: Path) -> None:
    (here / "x.nca" / "romfs").mkdir(parents=True)
    words = ("--title-id", "0100000000001000", *KEYS)
    result = oboromi("pack", "nca", "x.nca", "-o", "x.nca", *words)
    assert result.code == 2
    assert "x.nca would lie in x.nca" in result.message
    assert os.listdir(here / "x.nca") == ["romfs"]
    assert oboromi("pack", "nca", "x.nca", "-o", "folder", *words).code == 0


@pytest.mark.parametrize("name", ["image.romfs", "image", "game.nca", ".nsp"])
def test_numbered_parts_that_could_not_be_read(here: Path, name: str) -> None:
    result = oboromi("pack", "romfs", "folder", "-o", name, "--split-numbered")
    assert result.code == 2
    assert "--split-numbered is for names that end in .nsp, .nsz, .xci or .xcz" in result.message
    assert os.listdir(here) == ["folder"]


@pytest.mark.parametrize(("name", "first"), [("game.nsp", "game.ns0"), ("card.XCI", "card.XC0"), ("a.b.nsz", "a.b.ns0")])
def test_numbered_parts_are_read_back(here: Path, name: str, first: str) -> None:
    assert oboromi("pack", "romfs", "folder", "-o", name, "--split-numbered").code == 0
    assert sorted(os.listdir(here)) == sorted(["folder", first])
    assert oboromi("cat", f"{first}/a.txt").out == b"a"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("romfs", "folder", "-o", "-"), 2, "-o - would be stdout"),
        (("romfs", "folder", "-o", "there"), 6, "there: is a folder, and pack writes a file"),
        (("romfs", "folder", "-o", "there/"), 6, "there/: is a folder, and pack writes a file"),
        (("romfs", "folder", "-o", "there", "--split"), 6, "there: is a folder"),
        (("romfs", "folder", "-o", "new/"), 6, "new/: the folder 'new' is not there; make it first"),
        (("romfs", "folder", "-o", "new/out"), 6, "new/out: the folder 'new' is not there; make it first"),
        (("romfs", "folder", "-o", "new/out", "--split"), 6, "new/out: the folder 'new' is not there; make it first"),
        (("romfs", "folder", "-o", "new/out.nsp", "--split-numbered"), 6, "new/out.nsp: the folder 'new' is not there; make it first"),
        (("nca", f"{NSP}/@program", "-o", "new/"), 6, "new/: the folder 'new' is not there; make it first"),
        (("romfs", "folder", "-o", "file/out"), 6, "file/out: 'file' is no folder"),
    ],
    ids=lambda value: "-".join(value[3:]) if isinstance(value, tuple) and len(value) > 1 else None,
)
def test_where_nothing_can_be_written(here: Path, words: tuple[str, ...], code: int, text: str, dry: tuple[str, ...]) -> None:
    (here / "there").mkdir()
    (here / "file").write_bytes(b"")
    result = oboromi("pack", *words, *dry, *KEYS)
    assert (result.code, result.out) == (code, b"")
    assert result.message.startswith(text)
    assert sorted(os.listdir(here)) == ["file", "folder", "there"]
    assert os.listdir(here / "there") == []


def test_splitting_onto_what_is_there(here: Path) -> None:
    """One rule for parts: nothing is replaced, whatever it is."""
    (here / "file").write_bytes(b"mine")
    assert oboromi("pack", "romfs", "folder", "-o", "parts", "--split").code == 0
    assert oboromi("pack", "romfs", "folder", "-o", "parts", "--split").code == 6
    assert oboromi("pack", "romfs", "folder", "-o", "file", "--split").code == 6
    assert (here / "file").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("romfs", "file"), "neither a folder nor a container: 'file'"),
        (("pfs0", "outer"), "a PFS0 holds files only, and no folder: 'outer/inner'"),
        (("nca", "file"), "neither the folder of an NCA nor an NCA: 'file'"),
        (("nsp", "outer"), "a folder in a package is an NCA, and is called like one, ….nca: 'outer/inner'"),
    ],
)
def test_a_source_of_the_wrong_shape_is_a_wrong_use(here: Path, words: tuple[str, ...], text: str) -> None:
    (here / "file").write_bytes(b"plain")
    (here / "outer" / "inner").mkdir(parents=True)
    result = oboromi("pack", *words, "-o", "out")
    assert (result.code, result.message) == (2, text)
