"""A forged title in every wrapping is one file system with the bytes that a model says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_formats.cnmt import MetaType
from oboromi_formats.nacp import Language
from oboromi_fs import FormatError, MemoryStorage, MissingKeyError, RomFs
from oboromi_fs.executables import Nso
from oboromi_fs.testing import check_filesystem
from oboromi_fs.titles import Title, open_title
from tests.building import KEYS, without
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forging.pile(tmp_path_factory.mktemp("pile"))


def files(title: Title) -> dict[str, bytes]:
    return {path: title.read_bytes(path) for path, entry in title.walk() if entry.kind == "file"}


def test_the_newest_of_everything_is_one_file_system(pile: Path) -> None:
    with open_title(pile, keys=KEYS, mods=[]) as title:
        assert files(title) == forging.model(forging.EXEFS_2, forging.ROMFS_2, forging.CONTROL_2)
        assert (title.version, title.addons, title.programs, title.issues) == (0x20000, forging.ADDONS, (0,), ())
        assert title.name() == "Hazy Moon"
        assert title.nacp().display_version == "2.0.0"
        assert RomFs(title.romfs_image()).read_bytes("data/new.txt") == b"update 2 new\n"
        check_filesystem(title, expected=forging.model(forging.EXEFS_2, forging.ROMFS_2, forging.CONTROL_2))


def test_an_older_update_or_none(pile: Path) -> None:
    with open_title(pile, keys=KEYS, mods=[], version=0x10000) as title:
        assert files(title) == forging.model(forging.EXEFS_1, forging.ROMFS_1, forging.CONTROL)
    with open_title(pile, keys=KEYS, mods=[], version=0) as title:
        assert files(title) == forging.model(forging.EXEFS, forging.BASE, forging.CONTROL)
    with pytest.raises(FormatError, match=r"no version 5 of it: there are 0, 65536, 131072"):
        open_title(pile, keys=KEYS, version=5)


def test_mods_lie_over_the_update(pile: Path) -> None:
    """Found by the title's id in the folder that was given, or in one that is named."""
    for mods in (None, pile):
        with open_title(pile, keys=KEYS, mods=mods) as title:
            expected = forging.model(forging.EXEFS_2, forging.ROMFS_2, forging.CONTROL_2)
            expected |= {"romfs/data/b.txt": b"mod 2 b\n", "romfs/only1.txt": b"mod 1\n"}
            expected[f"addons/{forging.ADDONS[0]:016x}/x/y.txt"] = b"mod of add-on\n"
            expected["exefs/subsdk0"] = next(data for path, data in forging.MODS.items() if path.endswith("subsdk0"))
            found = files(title)
            patched = Nso(title.storage("exefs/main"))
            assert {**found, "exefs/main": b""} == {**expected, "exefs/main": b""}
            text = bytearray(Nso(MemoryStorage(forging.EXEFS_2["main"])).segment("text")[:])
            text[0x10:0x14] = b"\xde\xad\xbe\xef"
            assert patched.segment("text")[:].tobytes() == bytes(text)
            image = RomFs(title.romfs_image())
            assert (image.read_bytes("data/b.txt"), image.read_bytes("only1.txt")) == (b"mod 2 b\n", b"mod 1\n")
            assert title.union.explain("romfs/data/b.txt").winner is not None
            assert title.notices == ()


def test_nothing_is_decrypted_before_it_is_read(pile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oboromi_fs.backends.nca import NcaSection

    asked: list[str] = []
    real = NcaSection.decrypted

    def decrypted(section: NcaSection) -> object:
        asked.append(f"{section.nca.header.content_type} {section.name}")
        return real(section)

    monkeypatch.setattr(NcaSection, "decrypted", decrypted)
    with open_title(pile, keys=KEYS, mods=[]) as title:
        assert {entry.name for entry in title.read_dir()} == {"addons", "control", "exefs", "manual", "romfs"}
        assert set(asked) == {"1 data"}  # Content metas.
        asked.clear()
        title.read_bytes("control/control.nacp")
        assert set(asked) == {"2 romfs"}
        asked.clear()
        title.read_bytes("romfs/a.bin")
        assert set(asked) == {"0 romfs"}
    asked.clear()
    with open_title(pile, keys=KEYS) as title:
        assert set(asked) == {"1 data", "0 exefs"}  # Patches are of a build, which stands in the module.


def test_the_key_that_is_needed_is_named(pile: Path) -> None:
    with pytest.raises(MissingKeyError, match="header_key"):
        open_title(pile, keys=without("header_key"))


def test_files_that_are_named_one_by_one(pile: Path) -> None:
    loose = sorted((pile / "loose").iterdir())
    with open_title([pile / "card.xci", *loose], keys=KEYS) as title:
        assert title.read_bytes("romfs/data/b.txt") == b"update 2 b\n"
        assert title.addons == (forging.ADDONS[1],)


def test_the_icon(tmp_path: Path) -> None:
    """In the language that is asked for, else American English, else whatever is there; of the update where that has one."""
    icons = {f"icon_{language}.dat": language.encode() for language in ("Japanese", "AmericanEnglish", "Dutch")}
    control = forging.Made("control", forging.ID, {"romfs": forging.romfs({**forging.CONTROL, **icons})})
    files = forging.with_meta(forging.ID, MetaType.APPLICATION, [forging.base_program(), control])
    forging.put(tmp_path, {"b.nsp": forging.nsp(files), "u/u.nsp": forging.nsp(forging.update_2())})
    with open_title(tmp_path / "b.nsp", keys=KEYS) as title:
        wanted: list[Language | str] = ["Dutch", Language.JAPANESE, "Klingon"]
        found = [icon[:].tobytes() for icon in map(title.icon, wanted) if icon is not None]
        assert found == [b"Dutch", b"Japanese", b"AmericanEnglish"]
    with open_title(tmp_path, keys=KEYS) as title:
        icon = title.icon("Dutch")
        assert icon is not None
        assert icon[:] == forging.CONTROL_2["icon_AmericanEnglish.dat"]
    bare = forging.with_meta(forging.ID, MetaType.APPLICATION, [forging.base_program()])
    forging.put(tmp_path / "bare", {"b.nsp": forging.nsp(bare)})
    with open_title(tmp_path / "bare", keys=KEYS) as title:
        assert title.icon() is None
