"""Packing from folders and from places in containers; the judge is what other tools made, and our own readers."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.cnmt import RecordType
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IsADirectoryEntryError,
    MappingError,
    MissingKeyError,
    NotADirectoryEntryError,
    NotThisFormatError,
    UnsupportedError,
)
from oboromi_fs.jobs.extract import extract_tree
from oboromi_fs.jobs.ncafolder import ContentOptions
from oboromi_fs.jobs.pack import PackOptions, PackPlan, plan_pack
from oboromi_fs.jobs.unfold import Unfolded
from oboromi_fs.jobs.verify import verify
from oboromi_fs.keys import KeySet
from oboromi_fs.metadata import Cnmt
from oboromi_fs.opening import locate, open_fs
from tests.command import DATA

if TYPE_CHECKING:
    from oboromi_fs.opening import Location

KEYS = KeySet.load(DATA / "keys" / "prod.keys")
PACKAGES = sorted((DATA / "nsp").glob("*.nsp"))
CARDS = sorted((DATA / "xci").glob("*.xci"))
ARCHIVES = [*PACKAGES, *CARDS, DATA / "nsz" / "z_std.nsp"]
STD = DATA / "nsp" / "std_g5.nsp"
TICKET = DATA / "nsp" / "tk_g2.nsp"
NPDM = (DATA / "exe" / "main_0100abcdef000000.npdm").read_bytes()
UNCHECKED = PackOptions(content=ContentOptions(check=False))


def at(path: Path | str) -> Location:
    return locate(str(path), KEYS)


def unfold(archive: Path | str, folder: Path) -> Path:
    """What `extract -r` does."""
    place = at(archive)
    report = extract_tree(Unfolded(place.fs, place.path, deep=True), str(folder), "")
    assert not report.refused
    return folder


def pack(kind: str, source: Path | str, out: Path, options: PackOptions | None = None, like: Path | str | None = None) -> PackPlan:
    plan = plan_pack(kind, at(source), options, at(like) if like is not None else None)
    plan.write(str(out))
    assert out.stat().st_size == plan.size
    return plan


def failures(path: Path) -> list[object]:
    checks = list(verify(at(path)))
    assert any(check.status == "ok" for check in checks)
    return [check for check in checks if check.status in ("failed", "skipped")]


def how(plan: PackPlan) -> dict[str, str]:
    return {part.name: part.how for part in plan.parts}


def edit(root: Path, pattern: str, data: bytes) -> Path:
    (path,) = root.glob(pattern)
    path.write_bytes(data)
    return path


# The same again


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_taken_apart_and_packed_again(archive: Path, tmp_path: Path) -> None:
    folder = unfold(archive, tmp_path / "folder")
    plan = pack(archive.suffix[1:], folder, tmp_path / "out", like=archive)
    assert (tmp_path / "out").read_bytes() == archive.read_bytes()
    assert set(how(plan).values()) <= {"kept", "as it is"}


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_packed_from_the_archive_itself(archive: Path, tmp_path: Path) -> None:
    pack(archive.suffix[1:], archive, tmp_path / "out", like=archive)
    assert (tmp_path / "out").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("archive", [path for path in ARCHIVES if path.name != "addon_std.nsp"], ids=lambda path: path.name)
def test_edited_and_edited_back_is_built_to_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    kind = archive.suffix[1:]
    where = "secure/" if kind == "xci" else ""
    folder = unfold(archive, tmp_path / "folder")
    control = f"{where}*.nca/romfs/control.nacp"
    (path,) = folder.glob(control)
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"!")
    plan = pack(kind, folder, tmp_path / f"edited.{kind}", like=archive)
    changed = {part.name for part in plan.parts if part.how == "built"}
    assert path.parent.parent.name in changed
    assert all(part.final_name != part.name for part in plan.parts if part.how == "built")
    assert not failures(tmp_path / f"edited.{kind}")
    again = unfold(tmp_path / f"edited.{kind}", tmp_path / "again")
    edit(again, control, before)
    pack(kind, again, tmp_path / "back", like=tmp_path / f"edited.{kind}")
    assert (tmp_path / "back").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("name", ["@program", "@control", "@meta", "@manual", "@legal"])
def test_an_nca_by_itself(name: str, tmp_path: Path) -> None:
    original = f"{TICKET}/{name}"
    place = at(original)
    data = place.fs.storage(place.path)[:].tobytes()
    folder = unfold(original, tmp_path / "nca")
    pack("nca", folder, tmp_path / "out", like=original)
    assert (tmp_path / "out").read_bytes() == data
    pack("nca", original, tmp_path / "out", like=original)
    assert (tmp_path / "out").read_bytes() == data


@pytest.mark.parametrize("image", sorted((DATA / "romfs").glob("*.romfs")), ids=lambda path: path.name)
def test_romfs_of_other_builders(image: Path, tmp_path: Path) -> None:
    plan = pack("romfs", image, tmp_path / "out", PackOptions(romfs_style="libhac" if ".lh." in image.name else "common"))
    assert (tmp_path / "out").read_bytes() == image.read_bytes()
    assert plan.files == sum(entry.kind == "file" for _, entry in open_fs(image, KEYS).walk())
    pack("romfs", image, tmp_path / "out", like=image)
    assert (tmp_path / "out").read_bytes() == image.read_bytes()


@pytest.mark.parametrize("image", sorted([*(DATA / "pfs0").iterdir(), *(DATA / "hfs0").iterdir()]), ids=lambda path: path.name)
def test_flat_archives_of_other_builders(image: Path, tmp_path: Path) -> None:
    folder = unfold(image, tmp_path / "folder")
    pack(image.suffix[1:], folder, tmp_path / "out", like=image)
    assert (tmp_path / "out").read_bytes() == image.read_bytes()
    if ".lh.pfs0" in image.name:
        pack("pfs0", folder, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == image.read_bytes()


def test_an_edited_romfs_keeps_its_style(tmp_path: Path) -> None:
    image = DATA / "romfs" / "tiny.lh.romfs"
    folder = unfold(image, tmp_path / "folder")
    path = next(path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size)
    data = path.read_bytes()
    path.write_bytes(b"other")
    pack("romfs", folder, tmp_path / "edited", like=image)
    folder = unfold(tmp_path / "edited", tmp_path / "again")
    (folder / path.relative_to(tmp_path / "folder")).write_bytes(data)
    pack("romfs", folder, tmp_path / "back", like=tmp_path / "edited")
    assert (tmp_path / "back").read_bytes() == image.read_bytes()


# Extract, edit, pack


def test_an_edited_file_is_read_back(tmp_path: Path) -> None:
    folder = unfold(TICKET, tmp_path / "folder")
    edited = edit(folder, "*/romfs/hello.txt", b"edited\n" * 5000)
    plan = pack("nsp", folder, tmp_path / "new.nsp", like=TICKET)
    names = how(plan)
    assert names.pop(edited.parent.parent.name) == "built"
    assert [names.pop(name) for name in list(names) if name.endswith(".cnmt.nca")] == ["built"]
    assert set(names.values()) == {"kept", "as it is"}
    assert not failures(tmp_path / "new.nsp")
    with open_fs(tmp_path / "new.nsp", KEYS) as game, open_fs(TICKET, KEYS) as before:
        assert game.read_bytes("@program/romfs/hello.txt") == b"edited\n" * 5000
        assert game.read_bytes("@program/romfs/data/a.bin") == before.read_bytes("@program/romfs/data/a.bin")
        new, old = (Cnmt.read(fs.storage("@meta/data/Application_0100abcdef000000.cnmt")) for fs in (game, before))
    assert len(new.contents) == len(old.contents)
    assert [record.type for record in new.contents] == [record.type for record in old.contents]
    assert sum(a != b for a, b in zip(new.contents, old.contents, strict=True)) == 1


def test_what_is_left_out_leaves_the_records(tmp_path: Path) -> None:
    folder = unfold(STD, tmp_path / "folder")
    (manual,) = (path.parent.parent for path in folder.glob("*/romfs/html-document"))
    shutil.rmtree(manual)
    plan = pack("nsp", folder, tmp_path / "new.nsp", like=STD)
    assert plan.warnings == [
        f"{folder}/{next(p.name for p in plan.parts if p.finish)}: {manual.name[:32]} is not there any more; its record is left out"
    ]
    assert not failures(tmp_path / "new.nsp")
    with open_fs(tmp_path / "new.nsp", KEYS) as game:
        assert not game.exists("@manual")
        assert len(Cnmt.read(game.storage("@meta/data/Application_0100abcdef000000.cnmt")).contents) == 3


def test_what_is_new_gets_a_record(tmp_path: Path) -> None:
    folder = unfold(DATA / "nsp" / "addon_std.nsp", tmp_path / "folder")
    (folder / "more.nca" / "romfs").mkdir(parents=True)
    (folder / "more.nca" / "romfs" / "extra.bin").write_bytes(b"extra")
    pack("nsp", folder, tmp_path / "new.nsp", like=DATA / "nsp" / "addon_std.nsp")
    assert not failures(tmp_path / "new.nsp")
    with open_fs(tmp_path / "new.nsp", KEYS) as game:
        assert game.read_bytes("@publicdata.1/romfs/extra.bin") == b"extra"
        assert len(Cnmt.read(game.storage("@meta/data/AddOnContent_0100abcdef001001.cnmt")).contents) == 2


def test_one_folder_among_files(tmp_path: Path) -> None:
    """Only the program is taken apart; the content meta is a file, and follows."""
    folder = tmp_path / "folder"
    place = at(STD)
    extract_tree(Unfolded(place.fs, place.path), str(folder), "")
    with open_fs(STD, KEYS) as fs:
        name = fs.aliases(fs.fs, "", "")["@program"]
    os.unlink(folder / name)
    unfold(f"{STD}/@program", folder / name)
    edit(folder, "*/romfs/hello.txt", b"new")
    plan = pack("nsp", folder, tmp_path / "new.nsp")
    assert sorted(how(plan).values()) == ["as it is"] * 3 + ["built"] * 2
    assert not failures(tmp_path / "new.nsp")


def test_a_damaged_section_of_the_original_is_not_needed(tmp_path: Path) -> None:
    folder = unfold(STD, tmp_path / "folder")
    data = bytearray(STD.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged.nsp").write_bytes(data)
    pack("nsp", folder, tmp_path / "new.nsp", like=tmp_path / "damaged.nsp")
    assert (tmp_path / "new.nsp").stat().st_size == STD.stat().st_size


# From nothing


def program(root: Path, name: str = "program.nca") -> Path:
    (root / name / "exefs").mkdir(parents=True)
    (root / name / "romfs").mkdir()
    shutil.copy(DATA / "exe" / "main_0100abcdef000000.npdm", root / name / "exefs" / "main.npdm")
    (root / name / "exefs" / "main").write_bytes(b"NSO")
    (root / name / "romfs" / "a.txt").write_bytes(b"a")
    return root


def test_a_title_without_content_meta_gets_one(tmp_path: Path) -> None:
    pack("nsp", program(tmp_path / "folder"), tmp_path / "new.nsp", PackOptions(content=ContentOptions(title_version=65536)))
    assert not failures(tmp_path / "new.nsp")
    with open_fs(tmp_path / "new.nsp", KEYS) as game:
        cnmt = Cnmt.read(game.storage("@meta/data/Application_0100abcdef000000.cnmt"))
        assert game.read_bytes("@program/romfs/a.txt") == b"a"
    assert (cnmt.version, len(cnmt.contents), cnmt.title_id) == (65536, 1, 0x0100ABCDEF000000)


def test_a_title_key_brings_a_ticket(tmp_path: Path) -> None:
    options = PackOptions(content=ContentOptions(title_key=bytes(range(16)), key_generation=3))
    plan = pack("nsp", program(tmp_path / "folder"), tmp_path / "new.nsp", options)
    assert [part.final_name for part in plan.parts][-1] == "0100abcdef0000000000000000000003.tik"
    assert not failures(tmp_path / "new.nsp")
    folder = unfold(tmp_path / "new.nsp", tmp_path / "again")
    again = pack("nsp", folder, tmp_path / "again.nsp")  # The ticket is there, and its key is taken.
    assert [part.builder.layout.title_key for part in again.parts if part.kind == "program" and part.builder] == [bytes(range(16))]
    assert not failures(tmp_path / "again.nsp")


def test_every_kind_of_content_is_told_from_its_folder(tmp_path: Path) -> None:
    folder = unfold(TICKET, tmp_path / "folder")
    plan = pack("nsp", folder, tmp_path / "new.nsp", UNCHECKED)
    assert sorted(part.kind for part in plan.parts if part.kind) == ["control", "legal", "manual", "meta", "program"]
    assert not failures(tmp_path / "new.nsp")


@pytest.mark.parametrize("archive", [path for path in ARCHIVES if path.name != "multi.xci"], ids=lambda path: path.name)
def test_without_an_original(archive: Path, tmp_path: Path) -> None:
    kind = archive.suffix[1:]
    folder = unfold(archive, tmp_path / "folder")
    pack(kind, folder, tmp_path / f"one.{kind}", UNCHECKED)
    assert not failures(tmp_path / f"one.{kind}")
    pack(kind, folder, tmp_path / "two", UNCHECKED)
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_on_a_card_as_a_package(tmp_path: Path) -> None:
    plan = pack("nsp", f"{CARDS[-1]}/secure", tmp_path / "new.nsp")
    assert set(how(plan).values()) == {"as it is"}
    assert not failures(tmp_path / "new.nsp")


def test_a_single_nca_gets_its_name_in_a_folder(tmp_path: Path) -> None:
    plan = plan_pack("nca", at(program(tmp_path) / "program.nca"))
    (written,) = plan.write(str(tmp_path))
    assert os.path.basename(written) == plan.parts[0].final_name
    assert open_fs(written, KEYS).read_bytes("romfs/a.txt") == b"a"


def test_plain_sections(tmp_path: Path) -> None:
    pack("nca", program(tmp_path) / "program.nca", tmp_path / "out.nca", PackOptions(content=ContentOptions(plain=True)))
    with open_fs(tmp_path / "out.nca", KEYS) as nca:
        assert nca.storage("romfs/a.txt").place().stored == "plain"


# Executables and metadata


def test_assets_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "romfs").mkdir()
    (tmp_path / "romfs" / "x").write_bytes(b"x")
    options = PackOptions(nacp=at(DATA / "exe" / "control.nacp"), romfs=at(tmp_path / "romfs"))
    pack("nro", DATA / "exe" / "test.nro", tmp_path / "out.nro", options)
    with open_fs(tmp_path / "out.nro") as nro:
        assert nro.read_bytes("romfs/x") == b"x"
        assert nro.read_bytes("control.nacp") == (DATA / "exe" / "control.nacp").read_bytes()


def test_a_program_and_the_folder_of_its_assets(tmp_path: Path) -> None:
    original = DATA / "exe" / "test_assets.nro"
    folder = unfold(original, tmp_path / "folder")
    pack("nro", folder, tmp_path / "out", like=original)
    assert (tmp_path / "out").read_bytes() == original.read_bytes()
    (folder / "control.nacp").write_bytes(bytes(0x4000))
    pack("nro", folder, tmp_path / "out.nro", UNCHECKED, like=original)
    assert open_fs(tmp_path / "out.nro").read_bytes("control.nacp") == bytes(0x4000)


def test_programs_of_segments(tmp_path: Path) -> None:
    for name, size in (("text", 0x1000), ("ro", 0x80), ("data", 0x40)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "kip.toml").write_text(
        'name = "demo"\nprogram_id = "0x0100000000001234"\npriority = 44\nideal_core = 3\nstack_size = 0x1000\n'
    )
    pack("kip", tmp_path, tmp_path / "out.kip")
    (tmp_path / "nso.json").write_text('{"module_id": "abcd"}')
    pack("nso", tmp_path, tmp_path / "out.nso")
    assert (tmp_path / "out.kip").read_bytes()[:8] == b"KIP1demo"
    assert (tmp_path / "out.nso").read_bytes()[:4] == b"NSO0"
    assert (tmp_path / "out.nso").read_bytes()[0x40:0x43] == b"\xab\xcd\0"
    pack("nso", tmp_path / "out.nso", tmp_path / "plain.nso", PackOptions(compress=False))
    pack("nso", tmp_path / "plain.nso", tmp_path / "again.nso")
    assert (tmp_path / "again.nso").read_bytes() == (tmp_path / "out.nso").read_bytes()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("priority = 1", "kip.toml: does not say everything: it or --like must say name, program_id, ideal_core, stack_size"),
        ("colour = 1", "colour"),
        ("name = ", "it cannot be read"),
    ],
)
def test_wrong_fields_of_a_program(table: str, problem: str, tmp_path: Path) -> None:
    for name in ("text", "ro", "data"):
        (tmp_path / name).write_bytes(bytes(16))
    (tmp_path / "kip.toml").write_text(table)
    with pytest.raises(FormatError, match=problem):
        plan_pack("kip", at(tmp_path))


def test_segments_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError, match="text, ro and data"):
        plan_pack("nso", at(tmp_path))


# What cannot be


def test_nothing_is_left_when_a_file_changes(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    big = folder / "program.nca" / "romfs" / "big.bin"
    big.write_bytes(bytes(8 << 20))
    plan = plan_pack("nsp", at(folder))
    big.write_bytes(bytes(1 << 20))
    with pytest.raises(MappingError, match=r"big\.bin"):
        plan.write(str(tmp_path / "out.nsp"))
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("split", ["", "folder", "numbered"])
def test_nothing_is_left_when_interrupted(split: str, tmp_path: Path) -> None:
    plan = plan_pack("nsp", at(program(tmp_path / "folder")))

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan.write(str(tmp_path / "out.nsp"), split=split, progress=interrupt)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["folder"]


def test_an_older_file_stays_when_it_fails(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    (tmp_path / "out.nsp").write_bytes(b"older")
    plan = plan_pack("nsp", at(folder))
    os.unlink(folder / "program.nca" / "romfs" / "a.txt")
    with pytest.raises(MappingError, match=r"a\.txt"):
        plan.write(str(tmp_path / "out.nsp"))
    assert (tmp_path / "out.nsp").read_bytes() == b"older"
    assert sorted(os.listdir(tmp_path)) == ["folder", "out.nsp"]


def test_split(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    pack("nsp", folder, tmp_path / "whole.nsp")
    plan = plan_pack("nsp", at(folder))
    written = plan.write(str(tmp_path / "parts.nsp"), split="folder", part_size=0x4000)
    assert len(written) > 1
    assert b"".join(Path(part).read_bytes() for part in written) == (tmp_path / "whole.nsp").read_bytes()
    image = plan_pack("romfs", at(folder)).write(str(tmp_path / "image.bin"), split="numbered", part_size=0x100)
    assert image[0] == str(tmp_path / "image.bi0")


def test_progress_ends_where_it_says(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    plan_pack("nsp", at(program(tmp_path / "folder"))).write(str(tmp_path / "out.nsp"), progress=lambda *step: seen.append(step))
    dones = [done for done, _ in seen]
    assert dones == sorted(dones)
    assert len({total for _, total in seen}) == 1
    assert 0 < dones[-1] == seen[0][1]


def test_a_name_a_format_cannot_hold(tmp_path: Path) -> None:
    deep = tmp_path / "folder" / ("d" * 250) / ("e" * 250) / ("f" * 250)
    deep.mkdir(parents=True)
    (deep / ("g" * 200)).write_bytes(b"")
    with pytest.raises(FormatError, match=r"RomFS entry of .*/folder/d{250}/.*has at most"):
        plan_pack("romfs", at(tmp_path / "folder"))
    with pytest.raises(IsADirectoryEntryError, match="dd"):
        plan_pack("pfs0", at(tmp_path / "folder"))


def test_a_folder_that_is_no_nca(tmp_path: Path) -> None:
    (tmp_path / "game" / "saves").mkdir(parents=True)
    with pytest.raises(IsADirectoryEntryError, match=r"saves"):
        plan_pack("nsp", at(tmp_path / "game"))
    (tmp_path / "game" / "saves").rename(tmp_path / "game" / "x.nca")
    with pytest.raises(FormatError, match=r"x\.nca: has none of the folders"):
        plan_pack("nsp", at(tmp_path / "game"))
    (tmp_path / "game" / "x.nca" / "romfs").mkdir()
    with pytest.raises(FormatError, match=r"x\.nca: nothing in it says of which title"):
        plan_pack("nsp", at(tmp_path / "game"))
    (tmp_path / "game" / "x.nca" / "thumbs.db").write_bytes(b"")
    with pytest.raises(FormatError, match=r"thumbs\.db: is no section"):
        plan_pack("nca", at(tmp_path / "game" / "x.nca"), PackOptions(content=ContentOptions(title_id=1)))


def test_an_icon_of_the_wrong_size(tmp_path: Path) -> None:
    from oboromi_fs.cli.demomedia import jpeg_moon

    folder = unfold(STD, tmp_path / "folder")
    edit(folder, "*/romfs/icon_AmericanEnglish.dat", jpeg_moon(64))
    with pytest.raises(FormatError, match=r"icon_AmericanEnglish\.dat: it has 64x64 pixels"):
        plan_pack("nsp", at(folder), None, at(STD))
    edit(folder, "*/romfs/icon_AmericanEnglish.dat", b"no picture")
    with pytest.raises(CorruptError, match=r"icon_AmericanEnglish\.dat"):
        plan_pack("nsp", at(folder), None, at(STD))
    edit(folder, "*/romfs/icon_AmericanEnglish.dat", jpeg_moon(256))
    plan_pack("nsp", at(folder), None, at(STD))
    edit(folder, "*/romfs/control.nacp", b"short")
    with pytest.raises(FormatError, match=r"control\.nacp: has 0x5 bytes"):
        plan_pack("nsp", at(folder), None, at(STD))
    plan_pack("nsp", at(folder), UNCHECKED, at(STD))


def test_a_missing_key(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    with pytest.raises(MissingKeyError, match="header_key"):
        plan_pack("nsp", locate(str(folder), KeySet({name: bytes(16) for name in ("key_area_key_application_00",)})))
    with pytest.raises(MissingKeyError, match=r"key_area_key_application_1e, needed for .*folder/program\.nca "):
        plan_pack("nsp", locate(str(folder), KeySet({"header_key": bytes(32)})), PackOptions(content=ContentOptions(key_generation=31)))


def test_an_original_of_another_kind(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    with pytest.raises(NotThisFormatError, match="--like"):
        plan_pack("nsp", at(folder), None, at(CARDS[0]))
    with pytest.raises(NotThisFormatError, match="a folder"):
        plan_pack("nsp", at(folder), None, at(folder))
    with pytest.raises(NotADirectoryEntryError):
        plan_pack("romfs", at(DATA / "README.md"))


def test_partitions_of_a_card(tmp_path: Path) -> None:
    (tmp_path / "card" / "other").mkdir(parents=True)
    with pytest.raises(FormatError, match=r"other: is no partition"):
        plan_pack("xci", at(tmp_path / "card"))
    os.rmdir(tmp_path / "card" / "other")
    with pytest.raises(FormatError, match="secure"):
        plan_pack("xci", at(tmp_path / "card"))


def test_two_ncas_that_come_out_the_same(tmp_path: Path) -> None:
    program(tmp_path / "folder")
    program(tmp_path / "folder", "twin.nca")
    plan = plan_pack("nsp", at(tmp_path / "folder"))
    with pytest.raises(FormatError, match=r"twin\.nca: comes out the same as 'program\.nca': .*--like"):
        plan.write(str(tmp_path / "out.nsp"))
    assert os.listdir(tmp_path) == ["folder"]


def test_containers_in_containers_are_folded_back(tmp_path: Path) -> None:
    inner = {"a.bin": b"a" * 100, "b.bin": b"b"}
    for name, data in inner.items():
        (tmp_path / "inner").mkdir(exist_ok=True)
        (tmp_path / "inner" / name).write_bytes(data)
    (tmp_path / "outer" / "data").mkdir(parents=True)
    pack("pfs0", tmp_path / "inner", tmp_path / "outer" / "data" / "inner.pfs0", PackOptions(padding="0x40"))
    pack("romfs", tmp_path / "outer", tmp_path / "image")
    folder = unfold(tmp_path / "image", tmp_path / "folder")
    assert (folder / "data" / "inner.pfs0" / "a.bin").read_bytes() == inner["a.bin"]
    pack("romfs", folder, tmp_path / "same", like=tmp_path / "image")
    assert (tmp_path / "same").read_bytes() == (tmp_path / "image").read_bytes()
    (folder / "data" / "inner.pfs0" / "a.bin").write_bytes(b"edited")
    pack("romfs", folder, tmp_path / "new", like=tmp_path / "image")
    assert open_fs(tmp_path / "new").read_bytes("data/inner.pfs0/a.bin") == b"edited"
    (folder / "data" / "inner.pfs0" / "a.bin").write_bytes(inner["a.bin"])
    pack("romfs", folder, tmp_path / "back", like=tmp_path / "new")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "image").read_bytes()


# NCAs that are files, and that no content meta lists


def files_of(folder: Path, *names: str) -> dict[str, Path]:
    """NCAs of the standard package as files, by their aliases."""
    folder.mkdir(exist_ok=True)
    made = {}
    with open_fs(STD, KEYS) as fs:
        aliases = fs.aliases(fs.fs, "", "")
        for name in names:
            made[name] = folder / aliases[name]
            made[name].write_bytes(fs.read_bytes(aliases[name]))
    return made


def records(package: Path) -> dict[str, RecordType | int]:
    with open_fs(package, KEYS) as game:
        (name,) = (entry.name for entry in game.read_dir("@meta/data") if entry.name.endswith(".cnmt"))
        return {record.id.hex(): record.type for record in Cnmt.read(game.storage(f"@meta/data/{name}")).contents}


def test_files_get_a_record_in_a_content_meta_that_is_made(tmp_path: Path) -> None:
    files = files_of(tmp_path / "folder", "@control", "@manual", "@legal")
    program(tmp_path / "folder")
    plan = pack("nsp", tmp_path / "folder", tmp_path / "new.nsp")
    assert plan.warnings == []
    assert not failures(tmp_path / "new.nsp")
    types = {"@control": RecordType.CONTROL, "@manual": RecordType.HTML_DOCUMENT, "@legal": RecordType.LEGAL_INFORMATION}
    found = records(tmp_path / "new.nsp")
    assert {name: found[path.name[:32]] for name, path in files.items()} == types
    assert sorted(found.values()) == sorted([*types.values(), RecordType.PROGRAM])


def test_a_title_of_files_alone_gets_a_content_meta(tmp_path: Path) -> None:
    files_of(tmp_path / "folder", "@program", "@control")
    pack("nsp", tmp_path / "folder", tmp_path / "new.nsp")
    assert not failures(tmp_path / "new.nsp")
    assert sorted(records(tmp_path / "new.nsp").values()) == [RecordType.PROGRAM, RecordType.CONTROL]
    with open_fs(tmp_path / "new.nsp", KEYS) as game:
        assert game.exists("@meta/data/Application_0100abcdef000000.cnmt")


def test_a_file_that_is_not_called_by_its_hash_gets_its_name(tmp_path: Path) -> None:
    (path,) = files_of(tmp_path / "folder", "@program").values()
    path.rename(tmp_path / "folder" / "program.nca")
    plan = pack("nsp", tmp_path / "folder", tmp_path / "new.nsp")
    assert path.name in how(plan)
    assert list(records(tmp_path / "new.nsp")) == [path.name[:32]]
    assert not failures(tmp_path / "new.nsp")


def test_a_content_meta_that_changes_gets_records_of_files(tmp_path: Path) -> None:
    """It is a folder, so it is built; but one that is a file, or as in the original, stays as it is."""
    files = files_of(tmp_path / "folder", "@program", "@control")
    unfold(f"{STD}/@meta", tmp_path / "folder" / "meta.cnmt.nca")
    text = next((tmp_path / "folder" / "meta.cnmt.nca" / "data").glob("*.cnmt"))
    cnmt = Cnmt.read(text.read_bytes())
    text.write_bytes(dataclasses.replace(cnmt, contents=cnmt.contents[:0]).to_bytes())
    plan = pack("nsp", tmp_path / "folder", tmp_path / "new.nsp")
    assert plan.warnings == []
    assert sorted(records(tmp_path / "new.nsp")) == sorted(path.name[:32] for path in files.values())
    assert not failures(tmp_path / "new.nsp")
    shutil.rmtree(tmp_path / "folder" / "meta.cnmt.nca")
    pack("nca", f"{tmp_path}/new.nsp/@meta", tmp_path / "folder" / "kept.cnmt.nca", like=f"{tmp_path}/new.nsp/@meta")
    more = files_of(tmp_path / "folder", "@manual")["@manual"]
    plan = pack("nsp", tmp_path / "folder", tmp_path / "again.nsp")
    assert set(how(plan).values()) == {"as it is"}
    assert plan.warnings == [f"{tmp_path}/folder/{more.name}: no content meta lists it, and those there are taken as they are"]


def test_a_new_file_beside_what_is_kept_is_told(tmp_path: Path) -> None:
    folder = unfold(DATA / "nsp" / "addon_std.nsp", tmp_path / "folder")
    (path,) = files_of(folder, "@control").values()
    plan = plan_pack("nsp", at(folder), None, at(DATA / "nsp" / "addon_std.nsp"))
    assert set(how(plan).values()) <= {"kept", "as it is"}
    (warning,) = plan.warnings
    assert warning.startswith(f"{path}: no content meta lists it")


def test_files_of_which_nothing_can_be_said(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    (folder / "noise.nca").write_bytes(b"noise" * 1000)
    (path,) = files_of(tmp_path / "other", "@meta").values()
    (folder / "meta.nca").write_bytes(path.read_bytes())
    plan = plan_pack("nsp", at(folder))
    meta, noise = plan.warnings
    assert meta.startswith(f"{folder}/meta.nca: a content meta is called like one")
    assert noise.startswith(f"{folder}/noise.nca: no content meta lists it, and it cannot be read")


# What is left out, and what errors name


def odd_things(folder: Path, elsewhere: Path) -> None:
    """A pipe, a socket, and links that lead nowhere, out of the folder and back."""
    (folder / "below").mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(folder):
        made.bind("below/socket")
    (folder / "nowhere").symlink_to("no such file")
    (folder / "out").symlink_to(elsewhere)
    (folder / "below" / "back").symlink_to(folder)


ODD = [
    "below/back is a link to a folder it lies in, or below too many other links, and is left out",
    "below/socket is a socket, and is left out",
    "nowhere is a link to nowhere, and is left out",
    "out is a link that leaves the folder, and is left out",
    "pipe is a pipe, and is left out",
]


def test_what_a_folder_has_that_no_archive_takes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"a")
    odd_things(tmp_path / "folder", tmp_path)
    expected = [f"{tmp_path}/folder/{text}" for text in ODD]
    plan = plan_pack("romfs", at(tmp_path / "folder"))
    assert (plan.warnings, plan.files) == (expected, 1)
    assert plan_pack("romfs", at(DATA / "romfs" / "tiny.st.romfs")).warnings == []
    for number in range(10):
        os.mkfifo(tmp_path / "folder" / f"a{number}")
    warnings = plan_pack("romfs", at(tmp_path / "folder")).warnings
    assert warnings == [
        *(f"{tmp_path}/folder/a{number} is a pipe, and is left out" for number in range(5)),
        f"{tmp_path}/folder: 10 more such paths are left out",
    ]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["romfs", "pfs0", "hfs0", "nca", "nsp", "xci", "nro", "kip", "nso"])
def test_every_kind_tells_what_it_leaves_out(tmp_path: Path, kind: str, linked: bool) -> None:
    folder = tmp_path / "folder"
    where = folder
    if kind in ("nca", "nsp", "xci"):
        parent = {"nca": folder, "nsp": folder, "xci": folder / "secure"}[kind]
        program(parent, "x.nca")
        where = parent / "x.nca" / "romfs"
        folder = folder / "x.nca" if kind == "nca" else folder
    else:
        folder.mkdir()
        if kind in ("nro", "kip", "nso"):
            for name in ("text", "ro", "data"):
                (folder / name).write_bytes(bytes(0x80))
            (folder / "kip.toml").write_text(KIP)
            if kind == "nro":
                os.unlink(folder / "kip.toml")
    os.mkfifo(where / "pipe")
    if linked:
        (where / "link").symlink_to("nowhere")
    expected = [f"{where}/link is a link to nowhere, and is left out"] if linked else []
    assert plan_pack(kind, at(folder)).warnings == [*expected, f"{where}/pipe is a pipe, and is left out"]


KIP = 'name = "demo"\nprogram_id = "0x0100000000001234"\npriority = 44\nideal_core = 3\nstack_size = 0x1000\n'


def test_what_is_left_out_of_a_title_that_is_kept(tmp_path: Path) -> None:
    folder = unfold(STD, tmp_path / "folder")
    (romfs,) = (path.parent for path in folder.glob("*/romfs/hello.txt"))
    os.mkfifo(romfs / "pipe")
    plan = plan_pack("nsp", at(folder), None, at(STD))
    assert "built" not in how(plan).values()
    assert plan.warnings == [f"{romfs}/pipe is a pipe, and is left out"]


def test_files_that_are_no_part_of_a_program(tmp_path: Path) -> None:
    for name in ("text", "ro", "data", "readme", "nro.toml"):
        (tmp_path / name).write_bytes(bytes(0x80))
    plan = plan_pack("nso", at(tmp_path))
    assert plan.warnings == [f"{tmp_path}/readme is no part of a NSO, and is left out"]


def test_problems_of_the_archive_that_is_packed(tmp_path: Path) -> None:
    data = bytearray(STD.read_bytes())
    data[0x10 + 0x10 : 0x10 + 0x14] = b"\xff\xff\xff\x7f"  # Where the name of the first member is.
    (tmp_path / "odd.nsp").write_bytes(data)
    (warning,) = plan_pack("pfs0", at(tmp_path / "odd.nsp")).warnings
    assert warning.startswith(f"{tmp_path}/odd.nsp: entry 0: its name at 0x7fffffff")


@pytest.mark.parametrize(
    ("kind", "files", "expected"),
    [
        ("nacp", {}, ("", "is a folder, and a TOML or JSON text is needed")),
        ("kip", {}, ("/text", "no such segment")),
        ("nso", {"text": b"", "ro/": b""}, ("/ro", "is a directory, and a segment is a file")),
        (
            "kip",
            {"text": b"", "ro": b"", "data": b""},
            ("/kip.toml", "is not there, and it or --like must say name, program_id, priority, ideal"),
        ),
        ("kip", {"text": b"", "ro": b"", "data": b"", "kip.toml": b"priority = 1"}, ("/kip.toml", "must say name, program_id, ideal_core")),
        ("kip", {"text": b"", "ro": b"", "data": b"", "kip.toml": b"nme = 1"}, ("/kip.toml", "did you mean name")),
        ("kip", {"text": b"", "ro": b"", "data": b"", "kip.toml": b"="}, ("/kip.toml", "cannot be read")),
        ("kip", {"text": b"", "ro": b"", "data": b"", "kip.toml/": b""}, ("/kip.toml", "is a directory")),
        ("pfs0", {"sub/": b""}, ("/sub", "no folder")),
        ("hfs0", {"sub/": b""}, ("/sub", "no folder")),
        ("nro", {"other": b""}, ("/other", "is no asset")),
        ("nca", {}, ("", "has none of the folders")),
        ("nca", {"romfs/": b""}, ("", "give --title-id")),
        ("nca", {"exefs/main.npdm": b"bad"}, ("/exefs/main.npdm", "META header")),
        ("nsp", {"x.nca/exefs/sub/": b"", "x.nca/exefs/main.npdm": NPDM}, ("/x.nca/exefs/sub", "no folder")),
        ("nsp", {"x.nca/other": b""}, ("/x.nca", "has none of the folders")),
        ("nsp", {"x.nca/data/a.cnmt": b"bad"}, ("/x.nca/data/a.cnmt", "CNMT")),
        ("nsp", {"a.tik": b"bad"}, ("/a.tik", "ticket")),
        ("nsp", {"exefs/": b""}, ("/exefs", "pack that with `pack nca`, or what it is in")),
        ("nsp", {"secure/": b""}, ("/secure", "this one is a partition of a card")),
        ("nro", {"icon.jpg": b""}, ("", "has assets and no program: .*--like")),
        ("nro", {"icon.jpg": b"", "text": b""}, ("/ro", "no such segment")),
        ("xci", {"secure/saves/": b""}, ("/secure/saves", "is an NCA")),
        ("xci", {"other": b""}, ("/other", "is no partition")),
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_errors_name_the_path_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, files: dict[str, bytes], expected: tuple[str, str], relative: bool
) -> None:
    path, text = expected
    source = tmp_path / "some" / "source"
    source.mkdir(parents=True)
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (source / name).mkdir()
        else:
            (source / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    given = "some/source" if relative else str(source)
    with pytest.raises((FormatError, OSError)) as caught:
        plan_pack(kind, at(given))
    message = str(caught.value)
    assert re.search(rf"(^|[ '\"]){re.escape(given + path)}($|[ ',:])", message), message
    assert re.search(text, message), message
    assert "\n" not in message


def test_a_pipe_where_a_file_is_needed(tmp_path: Path) -> None:
    for name in ("text", "data"):
        (tmp_path / name).write_bytes(bytes(0x80))
    os.mkfifo(tmp_path / "ro")
    with pytest.raises(EntryNotFoundError, match=rf"is a pipe: .*'{tmp_path}/ro'"):
        plan_pack("nso", at(tmp_path))
    os.unlink(tmp_path / "ro")
    (tmp_path / "ro").write_bytes(b"")
    os.mkfifo(tmp_path / "kip.toml")
    with pytest.raises(EntryNotFoundError, match=rf"is a pipe; .*'{tmp_path}/kip.toml'"):
        plan_pack("kip", at(tmp_path))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("kind", ["kip", "nso", "nro", "romfs", "pfs0", "hfs0", "nca", "nsp", "xci"])
@pytest.mark.parametrize("damage", ["cut", "noise", "folder"])
def test_a_damaged_original_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, damage: str, relative: bool) -> None:
    samples = {"kip": "exe/test.kip", "nso": "exe/test.nso", "nro": "exe/test.nro", "romfs": "romfs/tiny.st.romfs", "xci": "xci/std.xci"}
    samples |= {"pfs0": "pfs0/5.lh.pfs0", "hfs0": "hfs0/5.hb.hfs0", "nsp": "nsp/std_g1.nsp", "nca": "nca_forged/ctr.nca"}
    data = (DATA / samples[kind]).read_bytes() if (DATA / samples[kind]).exists() else STD.read_bytes()
    source = tmp_path / "source"
    source.mkdir()
    for name in ("text", "ro", "data"):
        (source / name).write_bytes(b"")
    (source / "kip.toml").write_text(KIP)
    if kind in ("nro", "nca", "nsp", "xci"):
        shutil.rmtree(source)
        source.mkdir()
    (tmp_path / "some").mkdir()
    if damage == "folder":
        (tmp_path / "some" / "original").mkdir()
    else:
        (tmp_path / "some" / "original").write_bytes(data[:0x18] if damage == "cut" else bytes(0x400))
    monkeypatch.chdir(tmp_path)
    given = "some/original" if relative else str(tmp_path / "some" / "original")
    with pytest.raises((FormatError, OSError)) as caught:
        plan_pack(kind, at("source"), None, at(given))
    assert re.search(rf"(^|[ '\"]){re.escape(given)}($|[ ',:])", str(caught.value)), str(caught.value)


@pytest.mark.parametrize("kind", ["kip", "nso"])
def test_an_original_with_contradictions_gives_no_fields(tmp_path: Path, kind: str) -> None:
    data = (DATA / "exe" / f"test.{kind}").read_bytes()
    (tmp_path / "original").write_bytes(data[: len(data) // 2])
    for name in ("text", "ro", "data"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FormatError, match=rf"of {tmp_path}/original at 0x0: ro ends at"):
        plan_pack(kind, at(tmp_path), None, at(tmp_path / "original"))


def test_a_missing_key_of_one_nca(tmp_path: Path) -> None:
    program(tmp_path, "x.nca")
    only_header = KeySet({"header_key": bytes(32)})
    with pytest.raises(MissingKeyError, match=rf"key_area_key_application_00, needed for {tmp_path}/x\.nca \("):
        plan_pack("nca", locate(str(tmp_path / "x.nca"), only_header))


@pytest.mark.parametrize("split", ["folder", "numbered"])
@pytest.mark.parametrize("kind", ["romfs", "nsp"])
def test_a_part_that_cannot_be_written_is_named_by_what_was_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: Any, kind: str
) -> None:
    folder = program(tmp_path / "folder")
    true_replace = os.replace

    def refuse(source: str, target: str) -> None:
        if source.endswith("whole") or kind == "nsp" or ".part" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", source, None, target)
        true_replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="No space left") as caught:
        plan_pack(kind, at(folder)).write("out.nsp", split=split)
    assert caught.value.filename in ("out.nsp", "out.nsp/00", "out.ns0")
    assert caught.value.filename2 is None
    assert os.listdir(tmp_path) == ["folder"]


def test_names_that_are_taken_are_seen_before_the_work(tmp_path: Path) -> None:
    folder = program(tmp_path / "folder")
    (tmp_path / "out.ns1").write_bytes(b"mine")
    plan = plan_pack("nsp", at(folder))
    seen: list[int] = []
    with pytest.raises(FileExistsError):
        plan.write(str(tmp_path / "out.nsp"), split="numbered", progress=lambda done, _: seen.append(done))
    assert not seen
    assert sorted(os.listdir(tmp_path)) == ["folder", "out.ns1"]


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    plan = plan_pack("nsp", at(program(tmp_path / "folder")))
    with pytest.raises(OSError, match="is a device, pipe or socket"):
        plan.write(str(tmp_path / "pipe"))
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("kind", ["nacp", "npdm", "cnmt", "ticket", "tik"])
def test_metadata_that_are_built_already(tmp_path: Path, kind: str) -> None:
    """The error says how they are made a text; bytes that happen to be UTF-8 are seen by their NULs."""
    for name, data in (("ascii", bytes(0x4000)), ("binary", b"\xff\0")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FormatError, match=rf"^text of {tmp_path}/{name}: .*`oboromi cat --as toml`"):
            plan_pack(kind, at(tmp_path / name))


def test_a_source_that_is_a_file_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "file").write_bytes(b"plain")
    monkeypatch.chdir(tmp_path)
    for kind in ("romfs", "nsp", "nca"):
        with pytest.raises(NotADirectoryEntryError) as caught:
            plan_pack(kind, at("some/file"))
        assert caught.value.filename == "some/file"


def test_segments_without_a_library_to_compress_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def library() -> object:
        raise UnsupportedError("needs the package lz4", what="LZ4 block")

    monkeypatch.setattr("oboromi_fs.executables._lz4._library", library)
    for name in ("text", "ro", "data"):
        (tmp_path / name).write_bytes(bytes(100))
    with pytest.raises(UnsupportedError, match=r"lz4 \(--no-compress does without\)"):
        plan_pack("nso", at(tmp_path))
    assert plan_pack("nso", at(tmp_path), PackOptions(compress=False)).size == 0x100 + 300


def test_a_priority_that_no_console_knows(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("program_id = 1\nmain_thread_priority = 64\n")
    assert plan_pack("npdm", at(tmp_path / "a.toml")).warnings == [f"{tmp_path}/a.toml: main_thread_priority is 64: consoles know 0 to 63"]
    (tmp_path / "a.toml").write_text("program_id = 1\nmain_thread_priority = 63\n")
    assert plan_pack("npdm", at(tmp_path / "a.toml")).warnings == []
