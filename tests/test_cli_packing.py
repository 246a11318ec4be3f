from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oboromi_fs import KeySet, Nca
from oboromi_fs.jobs import assembly, packplan
from oboromi_fs.metadata import Nacp
from tests.command import DATA, KEYS, NSP, PROGRAM, oboromi, process_environment

TICKET = DATA / "nsp" / "tk_g2.nsp"


@pytest.fixture
def game(tmp_path: Path) -> Path:
    """A package taken apart."""
    assert oboromi("extract", "-r", "-q", NSP, "-o", tmp_path / "game", *KEYS).code == 0
    return tmp_path / "game"


@pytest.mark.parametrize("archive", [*sorted((DATA / "nsp").iterdir()), *sorted((DATA / "xci").iterdir())], ids=lambda path: path.name)
def test_extract_and_pack(archive: Path, tmp_path: Path) -> None:
    assert oboromi("extract", "-r", archive, "-o", tmp_path / "folder", *KEYS).code == 0
    out = tmp_path / "out"
    result = oboromi("pack", archive.suffix[1:], tmp_path / "folder", "-o", out, "--like", archive, *KEYS)
    assert (result.code, result.out) == (0, b"")
    assert result.message.endswith(f"written to {out}")
    assert out.read_bytes() == archive.read_bytes()
    result = oboromi("-q", "pack", archive.suffix[1:], archive, "-o", out, "--like", archive, *KEYS)
    assert result == (0, b"", b"")
    assert out.read_bytes() == archive.read_bytes()


def test_extract_edit_pack(game: Path, tmp_path: Path) -> None:
    (game / PROGRAM / "romfs" / "hello.txt").write_bytes(b"edited\n")
    out = tmp_path / "new.nsp"
    result = oboromi("pack", "nsp", game, "-o", out, "--like", NSP, *KEYS)
    assert result.code == 0
    assert result.message == f"5 members, 461.8 KiB, written to {out}"
    assert oboromi("cat", f"{out}/@program/romfs/hello.txt", *KEYS).out == b"edited\n"
    checked = oboromi("verify", out, *KEYS)
    assert checked.code == 0
    assert "filler, not signed" in checked.text


def test_dry_run_writes_nothing(game: Path, tmp_path: Path) -> None:
    (game / PROGRAM / "romfs" / "hello.txt").write_bytes(b"edited\n")
    result = oboromi("pack", "nsp", game, "--dry-run", "--like", NSP, *KEYS)
    assert (result.code, result.err) == (0, b"")
    assert result.lines[0] == f"nsp of {game}: 461.8 KiB, 5 members"
    assert f"  built     {PROGRAM}  Program NCA, 144.5 KiB" in result.lines
    assert "            romfs  at 0x2800, 128.0 KiB" in result.lines
    assert sum(line.startswith("  kept ") for line in result.lines) == 3
    assert os.listdir(tmp_path) == ["game"]
    assert oboromi("pack", "romfs", game / PROGRAM / "romfs", "-n").text.startswith("romfs of ")


def test_json(game: Path, tmp_path: Path) -> None:
    (game / PROGRAM / "romfs" / "hello.txt").write_bytes(b"edited\n")
    planned = oboromi("pack", "--json", "nsp", game, "-n", "--like", NSP, *KEYS).json
    done = oboromi("pack", "--json", "nsp", game, "-o", tmp_path / "new.nsp", "--like", NSP, *KEYS).json
    assert planned["written"] == []
    assert done["written"] == [str(tmp_path / "new.nsp")]
    assert planned["size"] == done["size"] == (tmp_path / "new.nsp").stat().st_size
    (program,) = (member for member in done["members"] if member["what"] == "Program NCA")
    assert program["from"] == PROGRAM
    assert program["name"] in oboromi("ls", tmp_path / "new.nsp").lines
    assert [section["name"] for section in program["sections"]] == ["exefs", "romfs", "logo"]
    assert [member["name"] for member in planned["members"] if member["how"] == "built"] == [None, None]


@pytest.mark.parametrize("form", ["toml", "json"])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{NSP}/@control/romfs/control.nacp", "nacp"),
        (f"{NSP}/@meta/data/Application_0100abcdef000000.cnmt", "cnmt"),
        (f"{NSP}/@program/exefs/main.npdm", "npdm"),
        (f"{TICKET}/0100abcdef0000000000000000000002.tik", "ticket"),
    ],
)
def test_metadata_as_text_and_back(path: str, kind: str, form: str, tmp_path: Path) -> None:
    shown = oboromi("cat", "--as", form, path, *KEYS)
    assert shown.code == 0
    text = tmp_path / f"text.{form}"
    text.write_bytes(shown.out)
    assert oboromi("pack", kind, text, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out").read_bytes() == oboromi("cat", path, *KEYS).out
    (tmp_path / "no-ending").write_bytes(shown.out)
    assert oboromi("pack", kind, tmp_path / "no-ending", "-o", tmp_path / "out").code == 0


def test_text_of_what_has_none() -> None:
    assert oboromi("cat", "--as", "toml", f"{NSP}/@program/romfs/hello.txt", *KEYS).code == 3
    assert oboromi("cat", "--as", "toml", "--range", "0:1", NSP).code == 2


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("@meta", "data/Application_0100abcdef000000.cnmt"),
        ("@control", "romfs/control.nacp"),
        ("@program", "exefs/main.npdm"),
    ],
)
def test_the_metadata_in_an_nca_is_named(name: str, inside: str) -> None:
    found = oboromi("cat", "--as", "toml", f"{NSP}/{name}", *KEYS)
    assert (found.code, found.message) == (3, f"{NSP}/{name}: is an NCA; what has a text form is in it: {NSP}/{name}/{inside}")
    assert "is none of control.nacp" in oboromi("cat", "--as", "toml", NSP, *KEYS).message


def test_metadata_text_in_one_document() -> None:
    """With --json, metadata is JSON whatever form was asked for."""
    path = f"{NSP}/@control/romfs/control.nacp"
    assert oboromi("cat", "--json", "--as", "toml", path, *KEYS).json == oboromi("cat", "--as", "json", path, *KEYS).json


def test_an_edited_title(tmp_path: Path) -> None:
    text = oboromi("cat", "--as", "json", f"{NSP}/@control/romfs/control.nacp", *KEYS).json
    text["display_version"] = "9.9"
    (tmp_path / "control.json").write_text(json.dumps(text))
    assert oboromi("pack", "nacp", tmp_path / "control.json", "-o", tmp_path / "control.nacp").code == 0
    assert Nacp.read((tmp_path / "control.nacp").read_bytes()).display_version == "9.9"
    text["display_version"] = 9
    (tmp_path / "control.json").write_text(json.dumps(text))
    refused = oboromi("pack", "nacp", tmp_path / "control.json", "-o", tmp_path / "other.nacp")
    assert refused.code == 3
    assert "control.json" in refused.message
    assert "display_version" in refused.message
    assert not (tmp_path / "other.nacp").exists()


def test_a_program_with_assets(tmp_path: Path) -> None:
    (tmp_path / "romfs").mkdir()
    (tmp_path / "romfs" / "x").write_bytes(b"x")
    (tmp_path / "control.toml").write_text('name = "Mine"\npublisher = "Me"\n')
    out = tmp_path / "out.nro"
    options = ("--nacp", tmp_path / "control.toml", "--romfs", tmp_path / "romfs")
    assert oboromi("pack", "nro", DATA / "exe" / "test.nro", "-o", out, *options).code == 0
    assert oboromi("cat", f"{out}/romfs/x").out == b"x"
    assert 'name = "Mine"' in oboromi("cat", "--as", "toml", f"{out}/control.nacp").text
    refused = oboromi("pack", "nro", DATA / "exe" / "test.nro", "-o", tmp_path / "bad.nro", "--icon", DATA / "README.md")
    assert refused.code == 3
    assert "README.md" in refused.message
    assert not (tmp_path / "bad.nro").exists()


def test_split(game: Path, tmp_path: Path) -> None:
    result = oboromi("pack", "nsp", game, "-o", tmp_path / "new.nsp", "--split", "--like", NSP, *KEYS)
    assert result.code == 0
    assert result.message.endswith(f"written to {tmp_path / 'new.nsp' / '00'}")
    assert (tmp_path / "new.nsp" / "00").read_bytes() == Path(NSP).read_bytes()
    assert oboromi("pack", "nsp", game, "-o", tmp_path / "new.nsp", *KEYS, "--no-check").code == 6
    numbered = oboromi("pack", "nsp", game, "-o", tmp_path / "numbered.nsp", "--split-numbered", "--no-check", *KEYS)
    assert (numbered.code, (tmp_path / "numbered.ns0").exists()) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["romfs", DATA], "-o OUT"),
        (["zip", DATA, "-o", "x"], "invalid choice"),
        (["romfs", DATA, "-o", "x", "--padding", "table"], "--padding is for pfs0, nsp, nsz, not for romfs"),
        (["nsp", DATA, "-o", "x", "--like", NSP, "--padding", "table"], "no effect with --like"),
        (["nsp", DATA, "-o", "x", "--title-id", "12"], "--title-id takes 16 hexadecimal digits"),
        (["nsp", DATA, "-o", "x", "--title-key", "zz"], "--title-key takes 32 hexadecimal digits"),
        (["nsp", DATA, "-o", "x", "--key-generation", "33"], "0 to 32"),
        (["nsp", DATA, "-o", "x", "-j", "0"], "-j takes"),
        (["nsp", DATA, "-o", "x", "--split", "--split-numbered"], "exclude each other"),
        (["nacp", DATA, "-o", "x", "--like", NSP], "--like is for"),
    ],
)
def test_usage(arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = oboromi("pack", *arguments)
    assert result.code == 2
    assert text in result.message
    assert os.listdir(tmp_path) == []


def test_exit_codes_and_nothing_left(game: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for code, arguments in (
        (4, ("nsp", game)),
        (5, ("romfs", tmp_path / "nothing")),
        (2, ("romfs", DATA / "README.md")),
        (3, ("xci", game, "--no-check", *KEYS)),
        (3, ("nsp", game, "--like", DATA / "xci" / "std.xci", *KEYS)),
        (6, ("romfs", game, "-o", tmp_path / "no" / "folder")),
    ):
        result = oboromi("pack", "-o", out, *arguments)
        assert (result.code, result.out) == (code, b""), result
        assert result.message
        assert sorted(os.listdir(tmp_path)) == ["game"]


def test_interruption_leaves_nothing(game: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (game / PROGRAM / "romfs" / "hello.txt").write_bytes(b"edited\n")
    true_assemble = assembly.assemble

    def interrupted(*arguments: object, **options: object) -> int:
        def stop(*_: int) -> None:
            raise KeyboardInterrupt

        return true_assemble(*arguments, **(options | {"progress": stop}))  # type: ignore[arg-type]

    monkeypatch.setattr(packplan, "assemble", interrupted)
    result = oboromi("pack", "nsp", game, "-o", tmp_path / "new.nsp", "--like", NSP, *KEYS)
    assert (result.code, result.message) == (130, "interrupted")
    assert os.listdir(tmp_path) == ["game"]


def test_the_same_whatever_order_the_folder_has(game: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path in sorted(game.rglob("*"), reverse=True):
        target = other / path.relative_to(game)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for folder, out in ((game, "one"), (other, "two")):
        assert oboromi("pack", "nsp", folder, "-o", tmp_path / out, "--no-check", *KEYS).code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_warnings(game: Path, tmp_path: Path) -> None:
    (manual,) = (path.parent.parent for path in game.glob("*/romfs/html-document"))
    shutil.rmtree(manual)
    result = oboromi("pack", "nsp", game, "-o", tmp_path / "new.nsp", "--like", NSP, *KEYS)
    assert result.code == 0
    assert "its record is left out" in result.err.decode().splitlines()[0]
    assert oboromi("-q", "pack", "nsp", game, "-o", tmp_path / "new.nsp", "--like", NSP, *KEYS).err == b""


def test_a_folder_that_was_renamed(game: Path, tmp_path: Path) -> None:
    """It is no part of the original any more, and the warning says so."""
    (game / PROGRAM).rename(game / "mine.nca")
    result = oboromi("pack", "nsp", game, "-o", tmp_path / "new.nsp", "--like", NSP, *KEYS)
    assert result.code == 0
    (warning,) = (line for line in result.err.decode().splitlines() if "record" in line)
    name = PROGRAM.removesuffix(".nca")
    told = f"{name} is not there any more; its record is left out; mine.nca counts as new, for an NCA is known by its name"
    assert warning.endswith(told)
    assert oboromi("verify", tmp_path / "new.nsp", *KEYS).code == 0


def test_help_has_examples() -> None:
    assert "oboromi pack nsp game -o new.nsp --like game.nsp" in oboromi("pack", "--help").text


@pytest.mark.parametrize(
    ("content_type", "number", "section"),
    [
        ("control", 2, "romfs"),
        ("manual", 3, "romfs"),
        ("legal", 3, "romfs"),
        ("data", 4, "romfs"),
        ("publicdata", 5, "romfs"),
        ("delta", 4, "data"),
    ],
)
def test_content_types(tmp_path: Path, content_type: str, number: int, section: str) -> None:
    (tmp_path / "content.nca" / section).mkdir(parents=True)
    (tmp_path / "content.nca" / section / "x").write_bytes(b"x")
    out = tmp_path / "out.nca"
    words = ("--content-type", content_type, "--title-id", "0100000000001000", "--no-check")
    assert oboromi("pack", "nca", tmp_path / "content.nca", "-o", out, *words, *KEYS).code == 0
    assert Nca(out, KeySet.load(KEYS[1])).header.content_type == number
    assert oboromi("verify", out, *KEYS).code == 0


@pytest.mark.parametrize("kind", ["nsp", "xci"])
def test_the_same_bytes_whatever_the_environment(kind: str, tmp_path: Path) -> None:
    """Language, time zone, times of the files and their order in the folder leave no trace."""
    source = NSP if kind == "nsp" else DATA / "xci" / "std.xci"
    assert oboromi("extract", "-r", "-q", source, "-o", tmp_path / "a", *KEYS).code == 0
    romfs = next((tmp_path / "a").rglob("hello.txt"))
    romfs.write_bytes(b"edited\n")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*"):
        os.utime(path, (1, 1))
    outputs = []
    for folder, environment in (("a", {"LC_ALL": "C", "TZ": "UTC"}), ("b", {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"})):
        out = tmp_path / f"{folder}.out"
        words = [
            sys.executable,
            "-m",
            "oboromi_fs",
            "-q",
            "pack",
            "--no-check",
            kind,
            str(tmp_path / folder),
            "-o",
            str(out),
            *map(str, KEYS),
        ]
        root = Path(__file__).parent.parent
        paths = os.pathsep.join([str(root), str(root / "formats")])
        subprocess.run(words, check=True, env={**os.environ, **environment, "PYTHONPATH": paths})
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "words",
    [
        ("--alignment", "0"),
        ("--alignment", "-1"),
        ("--alignment", "99999999999999999999"),
        ("--hashed", "-1"),
        ("--title-version", "99999999999"),
    ],
)
def test_numbers_out_of_range(tmp_path: Path, words: tuple[str, str]) -> None:
    (tmp_path / "folder").mkdir()
    kind = "nsp" if words[0] == "--title-version" else "hfs0"
    result = oboromi("pack", kind, tmp_path / "folder", "-o", tmp_path / "out", *words)
    assert result.code == 2
    assert f"{words[0]} is a number from" in result.message


def test_an_output_inside_the_source(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    result = oboromi("pack", "romfs", tmp_path / "folder", "-o", tmp_path / "folder" / "below" / "out.bin")
    assert result.code == 2
    assert "be packed as well the next time" in result.message


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "out").symlink_to(tmp_path)
    warnings = [f"{folder}/out is a link that leaves the folder, and is left out", f"{folder}/pipe is a pipe, and is left out"]
    for words in (("--dry-run",), ("-o", tmp_path / "out.romfs")):
        result = oboromi("pack", "romfs", folder, *words)
        assert result.code == 0
        assert result.err.decode().splitlines()[:2] == [f"oboromi: warning: {text}" for text in warnings]
        assert oboromi("-q", "pack", "romfs", folder, *words).err == b""
    assert oboromi("pack", "--json", "romfs", folder, "-n").json["warnings"] == warnings


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("romfs",), "out.nsp"),
        (("romfs", "--split"), "out.nsp/00"),
        (("romfs", "--split-numbered"), "out.ns0"),
        (("nca", "--title-id", "0100000000001000"), "out.nsp"),
        (("nca", "--title-id", "0100000000001000", "--split"), "out.nsp"),
        (("nca", "--title-id", "0100000000001000", "--split-numbered"), "out.nsp"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_no_room(tmp_path: Path, words: tuple[str, ...], named: str) -> None:
    """The error is one line that names what was to be, whatever was written on the way; and nothing is left."""
    (tmp_path / "folder" / "romfs").mkdir(parents=True)
    (tmp_path / "folder" / "romfs" / "big").write_bytes(bytes(1 << 20))
    source = tmp_path / "folder" if words[0] == "nca" else tmp_path / "folder" / "romfs"
    arguments = [sys.executable, "-m", "oboromi_fs", "pack", words[0], str(source), "-o", "out.nsp", *words[1:], *KEYS]
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", *arguments]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, check=False, env=process_environment())
    assert (done.returncode, done.stderr.decode()) == (6, f"oboromi: {named}: File too large\n")
    assert os.listdir(tmp_path) == ["folder"]
