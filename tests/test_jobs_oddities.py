"""What is perhaps not meant: what is packed with a warning, and what is refused unless one says so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from oboromi_fs.cli.demomedia import jpeg_moon
from oboromi_fs.errors import FormatError
from oboromi_fs.jobs.ncafolder import ContentOptions
from oboromi_fs.jobs.pack import PackOptions, plan_pack
from oboromi_fs.keys import KeySet
from oboromi_fs.opening import locate
from tests.command import DATA, PROGRAM, oboromi
from tests.command import KEYS as WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.opening import Location

KEYS = KeySet.load(DATA / "keys" / "prod.keys")
NPDM = (DATA / "exe" / "main_0100abcdef000000.npdm").read_bytes()
NRO = DATA / "exe" / "test_assets.nro"
NSP = DATA / "nsp" / "std_g1.nsp"
UNCHECKED = PackOptions(content=ContentOptions(check=False))


def at(path: Path | str) -> Location:
    return locate(str(path), KEYS)


def program(folder: Path) -> Path:
    """The folder of a program's NCA."""
    (folder / "program.nca" / "exefs").mkdir(parents=True)
    (folder / "program.nca" / "exefs" / "main.npdm").write_bytes(NPDM)
    (folder / "program.nca" / "exefs" / "main").write_bytes(b"code")
    return folder / "program.nca"


@pytest.mark.parametrize("kind", ["nsp", "nca"])
def test_a_program_that_nothing_runs(tmp_path: Path, kind: str) -> None:
    nca = program(tmp_path / "folder")
    source = nca.parent if kind == "nsp" else nca
    assert plan_pack(kind, at(source)).warnings == []
    (nca / "exefs" / "main").unlink()
    warning = f"{nca}/exefs: has no main, the program's code: no console runs it"
    assert plan_pack(kind, at(source)).warnings == [warning]
    (nca / "exefs" / "main.npdm").unlink()
    second = f"{nca}/exefs: has no main.npdm, which says what the program may do: no console runs it"
    options = PackOptions(content=ContentOptions(title_id=0x0100000000001000))
    assert plan_pack(kind, at(source), options).warnings == [second, warning]


def test_what_the_original_has_not_is_not_missed(tmp_path: Path) -> None:
    nca = program(tmp_path / "folder")
    (nca / "exefs" / "main").unlink()
    plan_pack("nsp", at(nca.parent)).write(str(tmp_path / "old.nsp"))
    (nca / "exefs" / "subsdk0").write_bytes(b"more code")
    (path,) = (line for line in oboromi("ls", tmp_path / "old.nsp").lines if not line.endswith(".cnmt.nca"))
    nca.rename(nca.parent / path)
    plan = plan_pack("nsp", at(nca.parent), None, at(tmp_path / "old.nsp"))
    assert (plan.warnings, [part.how for part in plan.parts]) == ([], ["built", "built"])


def test_what_belongs_in_no_package(tmp_path: Path) -> None:
    nca = program(tmp_path / "folder")
    for name in (".DS_Store", "notes.txt", "a.cert", "b.cnmt.xml", "c.nx.Japanese.jpg"):
        (nca.parent / name).write_bytes(b"")
    what = "is no NCA, and its name does not end in .tik, .cert, .xml, .jpg; it is packed as it is"
    assert plan_pack("nsp", at(nca.parent)).warnings == [f"{nca.parent}/{name}: {what}" for name in (".DS_Store", "notes.txt")]
    plan_pack("nsp", at(nca.parent)).write(str(tmp_path / "old.nsp"))
    assert plan_pack("nsp", at(tmp_path / "old.nsp"), None, at(tmp_path / "old.nsp")).warnings == []


def test_an_empty_package(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match=rf"NSP folder of {tmp_path}/folder: holds nothing"):
        plan_pack("nsp", at(tmp_path / "folder"))


def test_control_data_as_text_are_no_control_data(tmp_path: Path) -> None:
    (tmp_path / "control.nca" / "romfs").mkdir(parents=True)
    (tmp_path / "control.nca" / "romfs" / "control.toml").write_text('name = "Mine"')
    options = PackOptions(content=ContentOptions(title_id=0x0100000000001000))
    (warning,) = plan_pack("nca", at(tmp_path / "control.nca"), options).warnings
    assert warning.startswith(f"{tmp_path}/control.nca/romfs/control.toml: is packed as it is; control data are in control.nacp")


@pytest.mark.parametrize(("text", "odd"), [("", True), ('publisher = "Me"', True), ('name = "Mine"', False)])
def test_control_data_without_a_title(tmp_path: Path, text: str, odd: bool) -> None:
    (tmp_path / "own.toml").write_text(text)
    warning = f"{tmp_path}/own.toml: has no title in any language: name and publisher say it"
    assert plan_pack("nacp", at(tmp_path / "own.toml")).warnings == [warning] * odd


def test_an_icon_for_no_language(tmp_path: Path) -> None:
    romfs = tmp_path / "control.nca" / "romfs"
    romfs.mkdir(parents=True)
    (romfs / "control.nacp").write_bytes(bytes(0x4000))
    (romfs / "icon_Japanes.dat").write_bytes(jpeg_moon(256))
    options = ContentOptions(title_id=0x0100000000001000)
    with pytest.raises(
        FormatError, match=r"Japanes\.dat: 'Japanes' is no language: did you mean Japanese\? \(--no-check takes it as it is\)"
    ):
        plan_pack("nca", at(tmp_path / "control.nca"), PackOptions(content=options))
    (romfs / "icon_Japanes.dat").rename(romfs / "icon_Japanese.dat")
    plan_pack("nca", at(tmp_path / "control.nca"), PackOptions(content=options))
    (romfs / "icon_Japanese.dat").write_bytes(jpeg_moon(64))
    with pytest.raises(FormatError, match=r"64x64 pixels.*\(--no-check takes it as it is\)"):
        plan_pack("nca", at(tmp_path / "control.nca"), PackOptions(content=options))


def test_assets_that_did_not_change_are_not_checked(tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    assert oboromi("extract", "-q", NRO, "-o", folder).code == 0
    (folder / "icon.jpg").write_bytes(b"no picture")
    with pytest.raises(FormatError, match=r"is no JPEG \(--no-check takes it as it is\)"):
        plan_pack("nro", at(folder), None, at(NRO))
    plan_pack("nro", at(folder), UNCHECKED, at(NRO)).write(str(tmp_path / "odd.nro"))
    (folder / "romfs" / "new.txt").write_bytes(b"new")
    plan_pack("nro", at(folder), None, at(tmp_path / "odd.nro")).write(str(tmp_path / "new.nro"))
    assert oboromi("cat", tmp_path / "new.nro/romfs/new.txt").out == b"new"
    assert oboromi("cat", tmp_path / "new.nro/icon.jpg").out == b"no picture"


def test_an_unchanged_nca_gets_its_name_in_a_folder(tmp_path: Path) -> None:
    original = f"{NSP}/@program"
    assert oboromi("extract", "-q", "-r", original, "-o", tmp_path / "nca", *WORDS).code == 0
    (tmp_path / "out").mkdir()
    for source in (tmp_path / "nca", original):
        result = oboromi("pack", "--json", "nca", source, "-o", tmp_path / "out", "--like", original, *WORDS)
        assert result.code == 0
        assert result.json["written"] == [f"{tmp_path}/out/{PROGRAM}"]
        assert result.json["members"][0]["name"] == PROGRAM
        assert (tmp_path / "out" / PROGRAM).read_bytes() == oboromi("cat", original, *WORDS).out
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()
