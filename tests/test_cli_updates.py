"""Updates and compressed NCAs on the command line: built of folders, and read over their base."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oboromi_fs import open_fs
from tests.command import DATA, KEYS, NSP, oboromi


@pytest.fixture(autouse=True)
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample's program as a folder, with one file changed and one new."""
    monkeypatch.chdir(tmp_path)
    assert oboromi(*KEYS, "extract", "-q", "-r", f"{NSP}/@program", "-o", "game").code == 0
    Path("game/romfs/hello.txt").write_text("changed\n", encoding="utf-8")
    Path("game/romfs/new.bin").write_bytes(bytes(range(256)) * 100)
    return tmp_path


def test_an_update_is_packed_and_read_over_its_base() -> None:
    assert oboromi(*KEYS, "pack", "nca", "game", "-o", "update.nca", "--base", NSP).code == 0
    base = ("--base", NSP)
    assert oboromi(*KEYS, "cat", "update.nca/romfs/hello.txt", *base).out == b"changed\n"
    assert oboromi(*KEYS, "cat", "update.nca/romfs/new.bin", *base).out == bytes(range(256)) * 100
    assert oboromi(*KEYS, "cat", "update.nca/romfs/data/a.bin", *base).out == oboromi(*KEYS, "cat", f"{NSP}/@program/romfs/data/a.bin").out
    assert oboromi(*KEYS, "verify", "update.nca", *base).code == 0
    (section,) = [each for each in oboromi(*KEYS, "info", "update.nca", "--json").json["children"] if each.get("patch")]
    assert section["patch"]
    # The ExeFS is whole, and needs no base.
    assert oboromi(*KEYS, "ls", "update.nca/exefs").lines == ["main", "main.npdm", "subsdk0"]
    assert oboromi(*KEYS, "ls", "update.nca/romfs").code == 3
    assert Path("update.nca").stat().st_size < 130_000  # 41,000 bytes of the base are not in it; its tables take 0x10000.


@pytest.fixture
def package() -> str:
    """The game's update as a package: its program a patch, its control NCA whole."""
    Path("parts").mkdir()
    Path("game").rename("parts/program.nca")
    assert oboromi(*KEYS, "extract", "-q", "-r", f"{NSP}/@control", "-o", "parts/control.nca").code == 0
    words = ("pack", "nsp", "parts", "-o", "update.nsp", "--base", NSP, "--title-version", "65536", "--no-check")
    assert oboromi(*KEYS, *words, "-q").code == 0
    return "update.nsp"


def test_a_package_of_an_update_has_its_program_as_a_patch_and_the_rest_whole(package: str) -> None:
    info = oboromi(*KEYS, "info", package, "--json").json
    assert [(title["type"], title["title_id"], title["version"]) for title in info["titles"]] == [("Patch", "0100abcdef000800", 65536)]
    forms = {
        (nca["content_type"], each["path"].rpartition("/")[2]): each["patch"]
        for nca in info["children"]
        for each in nca["children"]
        if each["kind"] == "section"
    }
    assert forms == {
        ("program", "exefs"): False,
        ("program", "romfs"): True,
        ("program", "logo"): False,
        ("control", "romfs"): False,
        ("meta", "data"): False,
    }
    assert oboromi(*KEYS, "ls", f"{package}/@control/romfs").lines == ["control.nacp", "icon_AmericanEnglish.dat", "icon_Japanese.dat"]


@pytest.mark.parametrize("base", [NSP, str(DATA / "xci" / "std.xci"), "ncas", "packages"])
def test_the_base_is_a_package_a_card_or_a_folder_of_either_or_of_ncas(package: str, base: str) -> None:
    if base == "ncas":
        assert oboromi(*KEYS, "extract", "-q", NSP, "-o", base).code == 0
    elif base == "packages":
        Path(base).mkdir()
        for name in ("addon_std.nsp", "std_g1.nsp"):
            shutil.copy(DATA / "nsp" / name, base)
    over = ("--base", base)
    assert oboromi(*KEYS, "ls", f"{package}/@program/romfs", *over).lines == ["data", "hello.txt", "new.bin"]
    assert oboromi(*KEYS, "cat", f"{package}/@program/romfs/hello.txt", *over).out == b"changed\n"
    with open_fs(package, KEYS[1], base=base) as fs:
        assert fs.read_bytes("@program/romfs/new.bin") == bytes(range(256)) * 100


def test_every_command_that_reads_takes_the_base(package: str) -> None:
    over = ("--base", NSP)
    assert oboromi(*KEYS, "extract", "-q", "-r", package, "-o", "out", *over).code == 0
    (hello,) = Path("out").rglob("hello.txt")
    assert hello.read_text(encoding="utf-8") == "changed\n"
    assert oboromi(*KEYS, "verify", package, *over).code == 0
    assert oboromi(*KEYS, "find", f"{package}/@program/romfs", "*.txt", *over).lines == [f"{package}/@program/romfs/hello.txt"]
    layers = ("-l", f"{NSP}/@program/romfs", "-l", f"{package}/@program/romfs")
    assert oboromi(*KEYS, "overlay", "cat", "hello.txt", *layers, *over).out == b"changed\n"
    # Without it what fails says so, and what needs none does not.
    for words in (("extract", "-q", "-r", package, "-o", "without"), ("verify", package), ("find", f"{package}/@program/romfs", "*")):
        failed = oboromi(*KEYS, *words)
        assert failed.code == 3
        assert "0100abcdef000000: give the base as well" in (failed.out + failed.err).decode()
    assert oboromi(*KEYS, "extract", "-q", package, "-o", "as-it-is").code == 0


def test_info_says_how_much_is_stored_and_where_the_base_is(package: str) -> None:
    def said(*words: str) -> str:
        (line,) = [line for line in oboromi(*KEYS, "info", package, *words).lines if "patch of" in line]
        return line.partition("patch of ")[2]

    alone = said()
    assert alone.startswith("0100abcdef000000: ")
    assert alone.endswith(" are stored; the base is not here: give it with --base PATH")
    assert said("--base", NSP) == alone.partition(";")[0] + f"; the base is in {NSP}"
    assert said("--base", package).endswith(f"the base is not here: there is none in {package}, but an update of it")
    nodes = [each for nca in oboromi(*KEYS, "info", package, "--json").json["children"] for each in nca["children"] if each.get("patch")]
    assert [(each["base"], each["stored_size"] < each["whole_size"]) for each in nodes] == [
        ({"title_id": "0100abcdef000000", "source": None, "problem": None}, True)
    ]


def test_a_package_with_the_content_meta_of_the_base_is_none_of_an_update() -> None:
    assert oboromi(*KEYS, "extract", "-q", "-r", NSP, "-o", "whole").code == 0
    refused = oboromi(*KEYS, "pack", "nsp", "whole", "-o", "x.nsp", "--base", NSP, "--no-check")
    assert refused.code == 3
    assert "is of 0100abcdef000000, which is no update" in refused.message
    assert not Path("x.nsp").exists()


def test_a_compressed_nca_is_packed_and_read() -> None:
    assert oboromi(*KEYS, "pack", "nca", "game", "-o", "packed.nca", "--compress").code == 0
    assert oboromi(*KEYS, "cat", "packed.nca/romfs/new.bin").out == bytes(range(256)) * 100
    assert oboromi(*KEYS, "verify", "packed.nca").code == 0


def test_what_has_no_base_or_no_romfs() -> None:
    Path("other/romfs").mkdir(parents=True)
    Path("other/romfs/x").write_bytes(b"x")
    wrong = oboromi(*KEYS, "pack", "nca", "other", "-o", "x.nca", "--title-id", "0100000000002000", "--base", NSP)
    assert wrong.code == 3
    assert "content 5 of title 0100000000002000 is wanted, and there is none in" in wrong.message
    assert oboromi(*KEYS, "pack", "romfs", "other/romfs", "-o", "x.romfs", "--compress").code == 2
    assert not Path("x.nca").exists()
