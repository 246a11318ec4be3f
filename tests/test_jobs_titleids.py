"""A title id that was chosen, those that contents say, and what is told where they are of different titles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from oboromi_formats.cnmt import MetaType
from oboromi_fs import Nca
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import BuiltNca, NcaBuilder, nca_layout
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.errors import FormatError
from oboromi_fs.jobs.ncafolder import ContentOptions
from oboromi_fs.jobs.pack import PackOptions, plan_pack
from oboromi_fs.jobs.titleids import ContradictionError
from oboromi_fs.jobs.verify import verify
from oboromi_fs.keys import KeySet
from oboromi_fs.opening import locate, open_fs
from oboromi_fs.storage.writing import write_storage
from tests.command import DATA, oboromi
from tests.command import KEYS as WORDS

if TYPE_CHECKING:
    from pathlib import Path

KEYS = KeySet.load(DATA / "keys" / "prod.keys")
NPDM = (DATA / "exe" / "main_0100abcdef000000.npdm").read_bytes()
OWN, OTHER = 0x0100ABCDEF000000, 0x0100000000009000
CARD = DATA / "xci" / "std.xci"


def program(folder: Path, name: str = "program.nca", title_id: int = OWN) -> Path:
    (folder / name / "exefs").mkdir(parents=True)
    npdm = NPDM.replace(OWN.to_bytes(8, "little"), title_id.to_bytes(8, "little"))
    (folder / name / "exefs" / "main.npdm").write_bytes(npdm)
    (folder / name / "exefs" / "main").write_bytes(b"code")
    return folder


def chosen(title_id: int) -> PackOptions:
    return PackOptions(content=ContentOptions(title_id=title_id))


@pytest.mark.parametrize("kind", ["nsp", "nca"])
def test_another_title_than_its_program_says(tmp_path: Path, kind: str) -> None:
    folder = program(tmp_path / "folder")
    source = folder if kind == "nsp" else folder / "program.nca"
    place = locate(str(source), KEYS)
    with pytest.raises(ContradictionError, match=r"program\.nca: .*of 0100abcdef000000, and --title-id is 0100000000009000"):
        plan_pack(kind, place, chosen(OTHER))
    result = oboromi("pack", kind, source, "-o", tmp_path / "out", "--title-id", f"{OTHER:016x}", *WORDS)
    assert result.code == 2
    assert "0100abcdef000000" in result.message
    assert "0100000000009000" in result.message
    for right in (OWN, OWN | 0x800):
        assert plan_pack(kind, place, chosen(right)).warnings == []


@pytest.mark.parametrize("source", [f"{CARD}/secure", DATA / "nsp" / "std_g5.nsp"])
def test_another_title_than_the_headers_say(source: Path | str) -> None:
    """All of it is files, which stay as they are."""
    with pytest.raises(ContradictionError, match=rf"^NCA of {re.escape(str(source))}/[0-9a-f]+\.nca: is of 0100abcdef000000, and"):
        plan_pack("nsp", locate(str(source), KEYS), chosen(OTHER))
    plan_pack("nsp", locate(str(source), KEYS), chosen(OWN))


def test_an_id_that_no_application_has(tmp_path: Path) -> None:
    place = locate(str(program(tmp_path / "folder")), KEYS)
    with pytest.raises(ContradictionError, match="0100abcdef000001 is no id of a title with a program"):
        plan_pack("nsp", place, chosen(OWN + 1))
    (warning,) = plan_pack("nsp", locate(str(program(tmp_path / "odd", title_id=OWN + 1)), KEYS)).warnings
    assert warning.startswith(f"{tmp_path}/odd/program.nca: 0100abcdef000001 is no id of a title with a program")


def test_an_id_for_what_says_none_beside_what_says_one(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    (folder / "data.nca" / "romfs").mkdir(parents=True)
    with pytest.raises(ContradictionError):
        plan_pack("nsp", locate(str(folder), KEYS), chosen(OTHER))
    assert plan_pack("nsp", locate(str(folder), KEYS), chosen(OWN)).warnings == []


def test_two_titles_without_a_content_meta(tmp_path: Path) -> None:
    folder = program(program(tmp_path / "folder"), "second.nca", OTHER)
    with pytest.raises(FormatError, match=r"second\.nca: is of 0100000000009000, and 'program\.nca' of 0100abcdef000000") as caught:
        plan_pack("nsp", locate(str(folder), KEYS))
    assert not isinstance(caught.value, ContradictionError)


def test_a_program_of_another_title_than_the_content_meta(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder", title_id=OTHER)
    with open_fs(DATA / "nsp" / "std_g5.nsp", KEYS) as game:
        for entry in game.read_dir(""):
            (folder / entry.name).write_bytes(game.read_bytes(entry.name))
    with pytest.raises(FormatError, match=r"program\.nca: is of 0100000000009000, and the content meta .*\.cnmt\.nca of 0100abcdef000000"):
        plan_pack("nsp", locate(str(folder), KEYS))


@pytest.mark.parametrize(
    ("title_id", "meta_id", "bad"),
    [(OWN, OWN, 0), (OWN | 0x800, OWN | 0x800, 0), (OTHER, OTHER, 1), (OTHER, OWN, 2), (OWN, OTHER, 1)],
)
def test_verify_tells_a_content_meta_of_another_title(tmp_path: Path, title_id: int, meta_id: int, bad: int) -> None:
    folder = program(tmp_path / "folder")
    plan_pack("nca", locate(str(folder / "program.nca"), KEYS)).write(str(tmp_path / "program.nca"))
    with Nca(tmp_path / "program.nca", KEYS) as file:
        nca = BuiltNca.of(file)
        cnmt = build_cnmt(title_id, MetaType.APPLICATION, [content_of(nca, title_id)])
        meta, image = NcaBuilder(nca_layout("meta", meta_id), {"data": meta_image(cnmt)}, KEYS).build()
        write_storage(build_nsp([(nca.name, file.raw), (meta.name, image)]), tmp_path / "out.nsp")
    checks = list(verify(locate(str(tmp_path / "out.nsp"), KEYS)))
    failed = [check for check in checks if check.status == "failed"]
    assert {check.check for check in failed} <= {"CNMT title id"}
    assert len(failed) == bad
    if failed:
        assert f"of {title_id:016x} v0" in failed[0].detail
        names = {"meta": meta.name, "program": nca.name}
        wrong = [name for name, own in (("meta", meta_id), ("program", OWN)) if own != title_id]
        assert [check.path for check in failed] == [f"{tmp_path}/out.nsp/{names[name]}" for name in wrong]
    assert oboromi("verify", tmp_path / "out.nsp", *WORDS).code == bool(bad)
