from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.cnmt import MetaType
from oboromi_fs._forge import nacp
from oboromi_fs.cli.collecting_views import narrowed, narrowed_at
from tests.building import VALUES
from tests.command import DATA, KEYS, Result, oboromi, process, process_environment
from tests.titles import forging

if TYPE_CHECKING:
    from pathlib import Path

OTHER = forging.ID + 0x100_0000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "oboromi" / "library.sqlite"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "made-up.keys"
    path.write_text("".join(f"{name} = {value.hex()}\n" for name, value in VALUES.items()))
    return "--keys", str(path)


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """Hazy Moon with an old update, twice; another title with an update only; and what is no title."""
    base = forging.nsp(forging.base_title())
    orphan = forging.with_meta(
        OTHER | 0x800, MetaType.PATCH, [forging.Made("program", OTHER, {"romfs": forging.romfs({"a": b"a"})})], version=7
    )
    files = {
        "moon/base.nsp": base,
        "moon/again.nsp": base,
        "moon/1.nsp": forging.nsp(forging.update_1()),
        "moon/2.nsp": forging.nsp(forging.update_2()),
        "moon/song.nsp": forging.nsp(forging.addon(1, forging.ADDON_2)),
        "orphan.nsp": forging.nsp(orphan),
        "empty.xci": b"",
    }
    return forging.put(tmp_path / "dumps", files)


@pytest.fixture
def library(dumps: Path, keys: tuple[str, str]) -> Any:
    def run(*arguments: str, **options: Any) -> Result:
        return oboromi("library", dumps, *arguments, *keys, **options)

    return run


def test_a_line_for_each_title(library: Any, dumps: Path) -> None:
    found = library()
    size = sum((dumps / "moon" / name).stat().st_size for name in os.listdir(dumps / "moon"))
    moon, orphan = found.lines
    name, title_id, version, update, addons, bytes_, state = moon.split("\t")
    assert (name, title_id, version, update, addons, state) == (
        "Hazy Moon",
        "0100feedface0000",
        "2.0.0",
        "v131072",
        "1",
        "duplicate, outdated",
    )
    assert 0.9 * size < int(bytes_) < size
    assert orphan.split("\t")[:5] == ["-", "0100feedfbce0000", "v7", "v7", "0"]
    assert orphan.endswith("\tno-base")
    warning, summary = found.err.decode().splitlines()
    assert warning == f"oboromi: warning: {dumps}/empty.xci: is empty: 0 bytes"
    assert summary.startswith("oboromi: 2 titles (2 bases, 3 updates, 1 add-on) in 7 files, ")
    assert "1 no-base; 1 duplicate; 1 outdated; 1 file without a title; " in summary
    assert found.code == 0


def test_on_a_terminal_it_is_a_table(library: Any) -> None:
    heading, moon, orphan, summary = library("--no-color", terminal=True).lines
    assert heading.split() == ["NAME", "ID", "VERSION", "UPDATE", "ADDONS", "SIZE", "STATE"]
    assert moon.startswith("Hazy Moon  0100feedface0000  2.0.0    v131072       1  ")
    assert orphan.startswith("-          0100feedfbce0000  v7            v7       0  ")
    assert summary.startswith("2 titles (")
    assert "\x1b[31mno-base\x1b[0m" in library(terminal=True).text


def test_columns_sorting_and_filters(library: Any) -> None:
    assert library("--columns", "id,files,firmware,publisher").lines == [
        "0100feedface0000\t5\t-\tNobody",
        "0100feedfbce0000\t1\t-\t-",
    ]
    assert library("--columns", "id", "--sort", "size", "-r").lines == ["0100feedface0000", "0100feedfbce0000"]
    assert library("--columns", "id", "--sort", "size").lines == ["0100feedfbce0000", "0100feedface0000"]
    assert library("--columns", "id", "--name", "hazy").lines == ["0100feedface0000"]
    assert library("--columns", "id", "--id", "0100FEEDFB").lines == ["0100feedfbce0000"]
    assert library("--columns", "id", "--without", "base").lines == ["0100feedfbce0000"]
    assert library("--columns", "id", "--type", "addon").lines == ["0100feedface0000"]
    assert library("--columns", "id", "--only", "no-base,key").lines == ["0100feedfbce0000"]
    for words in (("--type", "dlc"), ("--type", "DLC"), ("--type", "Add-on")):
        assert library("--columns", "id", *words).lines == library("--columns", "id", "--type", "addon").lines
    rows = library("--columns", "id,path", "--name", "moon").lines
    assert [row.count("/moon/") for row in rows] == [1] * 5
    assert {row.split("\t")[0] for row in rows} == {"0100feedface0000"}
    assert library("--columns", "path", "--name", "moon", terminal=True).lines[1].count("/moon/") == 5
    nothing = library("--columns", "id", "--name", "sun")
    assert (nothing.code, nothing.out) == (1, b"")


def test_missing_names_what_and_why(library: Any, dumps: Path) -> None:
    found = library("--missing")
    heading, item, why = found.lines
    assert heading == "0100feedfbce0000  v7"
    assert item.startswith("└── update v7  ")
    assert item.endswith(f"{dumps}/orphan.nsp  no-base")
    assert why.strip(" └─") == "no-base: 0100feedfbce0800 v7 (Patch) is an update, and its base is not there"


def test_duplicates_and_outdated(library: Any, dumps: Path) -> None:
    found = library("--duplicates")
    assert [line.strip("└─├│ ").split("  ")[-2:] for line in found.lines[1:]] == [
        [f"{dumps}/moon/again.nsp", "duplicate"],
        [f"the same as {dumps}/moon/base.nsp"],
        [f"{dumps}/moon/base.nsp", "duplicate"],
        [f"the same as {dumps}/moon/again.nsp"],
    ]
    assert f"{dumps}/moon/1.nsp  outdated" in library("--outdated").text
    could_go = (dumps / "moon/base.nsp").stat().st_size + (dumps / "moon/1.nsp").stat().st_size
    assert found.err.decode().endswith(f"; {could_go / 1024:.1f} KiB in files that could go\n")
    (dumps / "moon/again.nsp").unlink()
    os.link(dumps / "moon/base.nsp", dumps / "moon/again.nsp")  # Which takes no room.
    assert library("--json").json["summary"]["duplicate_size"] == 0


def test_damaged_names_files(library: Any, dumps: Path) -> None:
    found = library("--damaged")
    assert found.lines == [f"{dumps}/empty.xci  0 bytes", "└── is empty: 0 bytes"]
    assert found.code == 0
    (dumps / "empty.xci").unlink()
    assert library("--damaged") == (1, b"", b"oboromi: 0 titles in 0 files, 0 bytes\n")


def test_files(library: Any, dumps: Path) -> None:
    rows = [line.split("\t") for line in library("--files").lines]
    assert [row[1] for row in rows] == [
        *(f"{dumps}/{name}" for name in ("empty.xci", "orphan.nsp")),
        *(f"{dumps}/moon/{name}" for name in ("1.nsp", "2.nsp", "again.nsp", "base.nsp", "song.nsp")),
    ]
    assert rows[0] == ["0", f"{dumps}/empty.xci", "-", "is empty: 0 bytes"]
    assert rows[2][2:] == ["Hazy Moon [0100feedface0800] update v65536", "outdated"]
    assert [int(row[0]) for row in rows] == [os.path.getsize(row[1]) for row in rows]


def test_json(library: Any, dumps: Path) -> None:
    found = library("--json").json
    assert set(found) == {"titles", "files", "unlisted", "summary"}
    moon, orphan = found["titles"]
    assert {name: moon[name] for name in ("application_id", "name", "publisher", "version", "display_version", "marks")} == {
        "application_id": "0100feedface0000",
        "name": "Hazy Moon",
        "publisher": "Nobody",
        "version": 0x20000,
        "display_version": "2.0.0",
        "marks": ["duplicate", "outdated"],
    }
    first = moon["items"][0]
    assert (first["kind"], first["title_id"], first["path"], first["contents"]) == (
        "base",
        "0100feedface0000",
        f"{dumps}/moon/again.nsp",
        3,
    )
    assert first["same_as"] == [f"{dumps}/moon/base.nsp"]
    assert orphan["issues"][0]["kind"] == "no-base"
    assert found["summary"]["files"] == 7
    assert found["summary"]["duplicate_size"] == (dumps / "moon/base.nsp").stat().st_size
    assert found["files"][0] == {
        "path": f"{dumps}/empty.xci",
        "form": "package",
        "size": 0,
        "mtime_ns": (dumps / "empty.xci").stat().st_mtime_ns,
        "titles": [],
        "missing_keys": [],
        "issues": [{"kind": "damaged", "path": f"{dumps}/empty.xci", "text": "is empty: 0 bytes", "title_id": None}],
        "verified": None,
    }


def test_names_in_the_language_of_the_user() -> None:
    path = DATA / "nsp" / "std_g1.nsp"
    assert oboromi("library", path, "--columns", "name", *KEYS).lines == ["Fake Game ゲーム"]
    assert oboromi("library", path, "--columns", "name", "--language", "ja", *KEYS).code == 0
    assert "takes a code such as ja" in oboromi("library", path, "--language", "klingon").message


def test_verify_and_what_is_kept_of_it(library: Any, dumps: Path) -> None:
    path = dumps / "moon" / "base.nsp"
    data = bytearray(path.read_bytes())
    data[0x2000] ^= 1
    path.write_bytes(data)
    found = library("--verify", "--json")
    assert found.code == 1
    verdicts = {os.path.basename(file["path"]): file["verified"]["verdict"] for file in found.json["files"]}
    assert verdicts["base.nsp"] == "failed"
    assert verdicts["again.nsp"] == "ok"
    assert len(verdicts) == 7
    when = {file["path"]: file["verified"]["when"] for file in found.json["files"]}
    again = library("--json").json
    assert {file["path"]: file["verified"]["when"] for file in again["files"]} == when
    assert again["summary"]["failed"] == 2
    failed = library("--damaged")
    assert f"{path}  failed\n" in failed.text
    assert library("--duplicates").code == 1  # The other is no copy of it, but the only one that is whole.
    assert "verified 20" in failed.text
    path.write_bytes(bytes(data[:0x2000]) + bytes([data[0x2000] ^ 1]) + bytes(data[0x2001:]))
    assert library("--verify", "--name", "moon").code == 0


def test_verify_with_damaged_reads_what_nobody_knew_to_be_damaged(library: Any, dumps: Path) -> None:
    path = dumps / "moon" / "base.nsp"
    data = path.read_bytes()
    path.write_bytes(data[:0x2000] + bytes([data[0x2000] ^ 1]) + data[0x2001:])
    found = library("--verify", "--damaged", "--name", "moon")
    assert (found.code, "base.nsp  failed\n" in found.text) == (1, True)
    assert f"└── {path}" not in found.text  # What failed is told as it lies in the file.
    path.write_bytes(data)
    assert (library("--verify", "--damaged", "--name", "moon").code, library("--damaged", "--name", "moon").code) == (0, 1)
    assert library("--verify", "--name", "nothing").code == 1


def test_paths_are_told_as_they_were_given(dumps: Path, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray((dumps / "moon" / "base.nsp").read_bytes())
    data[-0x1000] ^= 1  # In the content meta, so that it is another.
    forging.put(dumps, {"far/other.nsp": bytes(data)})
    os.mkfifo(dumps / "pipe.nsp")
    monkeypatch.chdir(dumps.parent)
    found = oboromi("library", "dumps", "-l", "--verify", *keys)
    assert str(dumps) not in found.text + found.err.decode()
    assert "dumps/far/other.nsp" in found.text
    assert "dumps/pipe.nsp  0 bytes\n└── is no file, but a device, pipe or socket" in found.text


def test_a_table_is_as_wide_as_the_terminal(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = library("--columns", "name,state,publisher", terminal=True).lines[:-1]
    assert wide[1].startswith("Hazy Moon  ")
    rows = [["NAME", "ID"], ["A name of some thirty columns!", "\x1b[31m0123\x1b[0m"]]
    assert narrowed(rows, ["name", "id"], 26) == [["NAME", "ID"], ["A name of some thir…", "\x1b[31m0123\x1b[0m"]]
    assert narrowed(rows, ["name", "id"], 10)[1][0] == "A name of some …"
    assert narrowed(rows, ["name", "id"], 0) == narrowed(rows, ["name", "id"], 36) == rows


def test_lines_of_files_are_as_wide_as_the_terminal(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    assert "Hazy Moon [0100…" in library("--files", "--name", "moon", terminal=True).text
    assert "…" not in library("--files", "--name", "moon").text
    rows = [["1", "a.nsp", "x" * 40, "-"]]
    assert narrowed_at(rows, 2, 33) == [["1", "a.nsp", "x" * 19 + "…", "-"]]
    assert narrowed_at([], 2, 33) == []


def test_the_catalogue(library: Any, dumps: Path, cache: Path, tmp_path: Path) -> None:
    assert "looked into 7, 0 unchanged, 0 gone" in library("-v").err.decode()
    assert "looked into 0, 7 unchanged, 0 gone" in library("-v").err.decode()
    assert "looked into 7, 0 unchanged, 0 gone" in library("-v", "--rescan").err.decode()
    (dumps / "orphan.nsp").unlink()
    assert "looked into 0, 6 unchanged, 1 gone" in library("-v").err.decode()
    cache.write_bytes(b"something else")
    found = library("-v")
    assert "is called library.sqlite.not-a-catalogue now" in found.err.decode()
    cache.unlink()
    assert "looked into 6," in library("-v", "--no-cache").err.decode()
    assert not cache.exists()
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    refused = library("--catalogue", str(mine))
    assert (refused.code, "is no catalogue, and stays as it is" in refused.message, mine.read_text()) == (2, True, "mine")
    elsewhere = tmp_path / "elsewhere" / "games.sqlite"
    library("--catalogue", str(elsewhere))
    assert elsewhere.is_file()
    assert not cache.exists()


def test_without_keys(dumps: Path) -> None:
    found = oboromi("library", dumps)
    assert (found.code, found.out) == (4, b"")
    last = found.err.decode().splitlines()[-1]
    assert last.startswith("oboromi: no title of 7 files can be read without header_key: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "colour"], "--sort takes one of name, id, "),
        (["--columns", "name,colour"], "--columns takes names of name, id, "),
        (["--type", "game"], "--type takes one of base, update, addon, system, other, not 'game'"),
        (["--only", "key,odd"], "--only takes one of no-base, missing, key, "),
        (["--id", "xyz"], "--id takes up to 16 hexadecimal digits, not 'xyz'"),
        (["-j", "0"], "-j takes a number from 1 on, not 0"),
        (["--no-cache", "--catalogue", "x"], "--no-cache and --catalogue: say one of them"),
        (["--files", "--columns", "name"], "--files has columns of its own: leave --columns out"),
    ],
)
def test_what_makes_no_sense(dumps: Path, arguments: list[str], message: str, cache: Path) -> None:
    found = oboromi("library", dumps, *arguments)
    assert found.code == 2
    assert found.message.startswith(message)
    assert not cache.exists()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert oboromi("library", tmp_path / "no").code == 5


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert oboromi("library", tmp_path / "empty") == (1, b"", b"oboromi: 0 titles in 0 files, 0 bytes\n")


def test_names_cannot_steer_a_terminal_nor_break_a_line(tmp_path: Path, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    control = {"control.nacp": nacp("Evil\x1b[2J\nMoon\tX", "N\r", "1\x1b")}
    title = forging.with_meta(forging.ID, MetaType.APPLICATION, [forging.Made("control", forging.ID, {"romfs": forging.romfs(control)})])
    forging.put(tmp_path / "dumps", {"a.nsp": forging.nsp(title)})
    for terminal in (False, True):
        found = oboromi("library", tmp_path / "dumps", "--no-color", *keys, terminal=terminal)
        row = found.lines[1 if terminal else 0]
        assert r"Evil\x1b[2J\nMoon\tX" in row
        assert b"\x1b" not in found.out


def test_names_of_files_that_are_not_utf8(tmp_path: Path, keys: tuple[str, str]) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/\xff.nsp", "wb") as file:
        file.write(forging.nsp(forging.update_1()))
    found = oboromi("library", folder, "--files", *keys)
    assert os.fsencode(folder) + b"/\xff.nsp\t" in found.out
    assert oboromi("library", folder, "--json", *keys).json["files"][0]["path"] == f"{folder}/\udcff.nsp"
    assert f"{folder}/\\xff.nsp" in oboromi("library", folder, "-l", *keys, terminal=True).text


def test_a_process_of_its_own_and_a_pipe_that_is_closed_early(library: Any, dumps: Path, keys: tuple[str, str], tmp_path: Path) -> None:
    done = process("library", dumps, "--columns", "name,id", *keys, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.lines == ["Hazy Moon\t0100feedface0000", "-\t0100feedfbce0000"]
    assert done.code == 0
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-W", "error", "-m", "oboromi_fs", "library", str(dumps), *keys]
    closed = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, env=process_environment())
    os.close(write)
    assert closed.returncode == 141
    assert b"Traceback" not in closed.stderr
    assert library("-v").code == 0


INTERRUPTED = """
import os, signal, sys
from oboromi_fs.cli.main import main
from oboromi_fs.library import looking

real, count = looking.look, 0

def look(*arguments):
    global count
    count += 1
    if count == 100:
        os.kill(os.getpid(), signal.SIGINT)
    return real(*arguments)

looking.look = look
sys.exit(main())
"""


def test_interrupted_what_was_looked_at_is_kept(tmp_path: Path, keys: tuple[str, str], library: Any, dumps: Path) -> None:
    for number in range(200):
        os.link(dumps / "moon/base.nsp", dumps / f"{number:04}.nsp")
    os.mkfifo(dumps / "pipe.nsp")
    command = [sys.executable, "-c", INTERRUPTED, "library", str(dumps), "-q", *keys]
    done = subprocess.run(command, capture_output=True, check=False, env=process_environment(XDG_CACHE_HOME=str(tmp_path / "cache")))
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"oboromi: interrupted\n")
    (line,) = [line for line in library("-v").err.decode().splitlines() if "looked into" in line]
    looked, unchanged, _ = (int(word) for word in line.replace(",", "").split() if word.isdecimal())
    assert looked + unchanged == 208
    assert 0 < unchanged < 150
