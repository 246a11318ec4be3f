from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oboromi_fs._version import __version__
from oboromi_fs.cli import failures, listing, reading
from oboromi_fs.cli.arguments import VERBS
from oboromi_fs.cli.failures import Terminated
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    MappingError,
    MissingKeyError,
    NotADirectoryEntryError,
    NotThisFormatError,
    ReadOnlyError,
    UnsafePathError,
    UnsupportedError,
)
from tests.command import DATA, KEYS, NSP, PROGRAM, WRONG_KEYS, oboromi, process, process_environment

ALIAS = f"{NSP}/@program"


# Exit codes: one of each, by what a user can do


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ls", NSP], 0),
        (["find", NSP, "*.nothing"], 1),
        (["ls"], 2),
        (["ls", ALIAS, *WRONG_KEYS], 3),
        (["ls", ALIAS], 4),
        (["ls", f"{NSP}/nothing"], 5),
        (["extract", NSP, "-o", f"{DATA}/README.md"], 6),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    result = oboromi(*arguments)
    assert result.code == code
    if code > 1:
        assert result.message
        assert result.out == b""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EntryNotFoundError("x"), 5),
        (NotADirectoryEntryError("x"), 5),
        (IsADirectoryEntryError("x"), 5),
        (MissingKeyError("header_key"), 4),
        (FormatError("x"), 3),
        (CorruptError("x"), 3),
        (NotThisFormatError("x"), 3),
        (UnsupportedError("x"), 3),
        (IntegrityError("x"), 3),
        (UnsafePathError("x", "y"), 3),
        (ReadOnlyError("x"), 6),
        (MappingError("x", "y"), 6),
        (PermissionError(13, "Permission denied", "x"), 6),
        (OSError(28, "No space left on device"), 6),
        (MemoryError(), 6),
        (BrokenPipeError(), 141),
        (KeyboardInterrupt(), 130),
        (Terminated(signal.SIGTERM), 143),
        (RuntimeError("surprise"), 3),
        (RecursionError("too deep"), 3),
    ],
)
def test_every_error_has_an_exit_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(listing, "run_ls", fail)
    result = oboromi("ls", "x")
    assert result.code == code
    assert result.out == b""
    assert b"Traceback" not in result.err
    assert len(result.err.splitlines()) == (0 if code == 141 else 1)


def test_a_defect_says_so_and_shows_where_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("surprise")

    monkeypatch.setattr(reading, "run_stat", fail)
    assert "RuntimeError: surprise (a defect of oboromi" in oboromi("stat", "x").message
    assert b"Traceback" not in oboromi("stat", "-v", "x").err
    shown = oboromi("stat", "-vv", "x").err
    assert b"Traceback" in shown
    assert all(line.startswith(b"oboromi: ") for line in shown.splitlines())


def test_verbose_adds_the_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        cause = NotThisFormatError("no magic", what="RomFS header", source="a.nca", offset=0x20)
        raise CorruptError("holds no file system", what="NCA section 1") from cause

    monkeypatch.setattr(reading, "run_stat", fail)
    assert oboromi("stat", "x").message == "NCA section 1: holds no file system"
    assert oboromi("-v", "stat", "x").err.decode().splitlines() == [
        "oboromi: NCA section 1: holds no file system",
        "oboromi:   because: RomFS header of a.nca at 0x20: no magic",
    ]


def test_what_was_written_before_an_error_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(session: object, _: object) -> int:
        session.console.write("half\n")  # type: ignore[attr-defined]
        raise CorruptError("the rest is missing")

    monkeypatch.setattr(listing, "run_ls", fail)
    assert oboromi("ls", "x") == (3, b"half\n", b"oboromi: the rest is missing\n")


# The command line itself


def test_version_and_help() -> None:
    assert oboromi("--version") == (0, f"oboromi {__version__}\n".encode(), b"")
    assert oboromi("ls", "--version").out == oboromi("--version").out
    top = oboromi("--help")
    assert top.code == 0
    assert top == oboromi("help") == oboromi("-h")
    assert all(f"\n  {verb} " in top.text for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    shown = oboromi(verb, "--help")
    assert shown.code == 0
    assert shown.text.startswith(f"usage: oboromi {verb} ")
    assert "--keys FILE" in shown.text
    assert shown == oboromi("help", verb)


def test_verbs_that_are_not_there_yet_are_not_promised() -> None:
    assert set(VERBS) == {
        "info",
        "ls",
        "tree",
        "stat",
        "cat",
        "find",
        "extract",
        "verify",
        "hash",
        "keys",
        "pack",
        "overlay",
        "mods",
        "patch",
        "title",
        "library",
        "demo",
    }
    assert oboromi("pack", "x").code == 2


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "no verb: say what to do"),
        (["-q"], "no verb: say what to do"),
        (["lss", "x"], "no verb 'lss'; did you mean 'ls'?"),
        (["zzz"], "no verb 'zzz'; it is one of info, ls,"),
        (["help", "zzz"], "no verb 'zzz'"),
        (["ls"], "required: PATH; see oboromi ls --help"),
        (["ls", "--frob", "x"], "unrecognized arguments: --frob"),
        (["ls", "x", "y"], "unrecognized arguments: y"),
        (["--keys"], "--keys: expected one argument"),
        (["tree", "-L", "0", "x"], "-L takes a number from 1 on, not 0"),
        (["tree", "-L", "x", "x"], "invalid int value: 'x'"),
        (["find", "x"], "required: GLOB"),
        (["extract", "x"], "required: -o/--output"),
        (["extract", "x", "-o", ""], "-o takes the name of a folder"),
        (["extract", "x", "-o", "y", "-j", "0"], "-j takes a number from 1 on, not 0"),
        (["verify", "x", "-j", "0"], "-j takes a number from 1 on, not 0"),
        (["hash", "x", "-j", "-1"], "-j takes a number from 1 on, not -1"),
        (["hash", "x", "--algorithm", "md5"], "invalid choice: 'md5'"),
        (["cat", NSP, "--range", "7"], "--range takes A:B in bytes"),
        (["keys"], "required: list|check"),
        (["keys", "check"], "keys check takes the PATH"),
        (["keys", "list", "x"], "did you mean keys check?"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], part: str) -> None:
    result = oboromi(*arguments)
    assert (result.code, result.out) == (2, b"")
    assert part in result.message


def test_global_options_stand_before_or_after_the_verb() -> None:
    inside = f"{ALIAS}/romfs"
    expected = oboromi("ls", "--json", inside, *KEYS)
    assert [entry["path"] for entry in expected.json] == ["data", "hello.txt"]
    assert oboromi("--json", *KEYS, "ls", inside) == expected
    assert oboromi("--json", "ls", *KEYS, inside) == expected
    assert oboromi("--base", "other.nsp", "ls", inside, "--json", f"--keys={KEYS[1]}") == expected


def test_several_key_files_may_stand_on_both_sides(tmp_path: Path) -> None:
    lines = Path(KEYS[1]).read_text(encoding="ascii").splitlines()
    headers, others = tmp_path / "a.keys", tmp_path / "b.keys"
    headers.write_text("\n".join(line for line in lines if line.startswith("header_key ")), encoding="ascii")
    others.write_text("\n".join(line for line in lines if line.startswith("key_area_key_application_")), encoding="ascii")
    assert oboromi("--keys", headers, "cat", f"{ALIAS}/romfs/hello.txt", "--keys", others).out == b"hello\n"
    assert oboromi("cat", f"{ALIAS}/romfs/hello.txt", "--keys", others).code == 4


def test_keys_come_from_the_environment() -> None:
    assert oboromi("cat", f"{ALIAS}/romfs/hello.txt", keys=KEYS[1]).out == b"hello\n"


def test_a_key_file_that_is_not_there() -> None:
    result = oboromi("ls", NSP, "--keys", "/nonexistent/prod.keys")
    assert result.code == 5
    assert result.message == "no such key file: '/nonexistent/prod.keys'"


def test_warnings_about_keys_are_for_the_verbose() -> None:
    assert oboromi("ls", NSP, *WRONG_KEYS).err == b""
    assert b"header_key is not what" in oboromi("-v", "ls", NSP, *WRONG_KEYS).err


# Errors of paths


def test_what_is_missing_names_the_nearest_that_is_there() -> None:
    assert "'.' exists, and has no 'nothing'" in oboromi("ls", "nothing/at/all").message
    deep = oboromi("ls", f"{ALIAS}/romfs/data/nothing/x", *KEYS)
    assert deep.code == 5
    assert "data' has no 'nothing'" in deep.message
    assert oboromi("cat", "").code == 5


def test_a_path_goes_on_inside_a_plain_file() -> None:
    result = oboromi("cat", f"{KEYS[1]}/x")
    assert result.code == 5
    assert "plain file" in result.message


def test_no_control_character_reaches_stderr() -> None:
    result = oboromi("ls", "evil\x1b[31m\n\x9bname")
    assert result.code == 5
    assert not any(byte < 0x20 for byte in result.err[:-1])
    assert b"\xc2\x9b" not in result.err


def test_an_unreadable_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.nsp"
    secret.write_bytes(b"PFS0")
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read everything")
    result = oboromi("ls", secret)
    assert result.code == 6
    assert result.message == f"{secret}: Permission denied"


def test_line_of_an_os_error() -> None:
    assert failures.line(PermissionError(13, "Permission denied", "a", None, "b")) == "a -> b: Permission denied"
    assert failures.line(OSError("odd")) == "odd"


# As a process


def test_the_process_ends_with_the_code() -> None:
    assert process("ls", NSP).code == 0
    missing = process("ls", "/nonexistent")
    assert (missing.code, missing.out) == (5, b"")
    assert missing.message.startswith("no such path")


def test_start_up_loads_little() -> None:
    """What a verb on the short path must not load, beyond what construct and pycryptodome bring; names of modules, not times."""
    slow = {"concurrent.futures", "difflib", "json", "numpy", "pathlib", "rich", "tempfile", "traceback"}
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
import construct
from Crypto.Cipher import AES
before = set(sys.modules)
from oboromi_fs.cli.main import main
code = main(sys.argv[1:])
print()
print(code, *sorted({slow} & set(sys.modules) - before))
"""
    for arguments in (["info", NSP, *KEYS], ["ls", "-R", ALIAS, *KEYS], ["stat", NSP], ["cat", f"{ALIAS}/romfs/hello.txt", *KEYS]):
        command = [sys.executable, "-I", "-S", "-c", script, *arguments]
        done = subprocess.run(command, capture_output=True, check=True, env=process_environment())
        assert done.stdout.splitlines()[-1] == b"0", arguments


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["ls", NSP], ["cat", NSP], ["--help"], ["-q", "info", NSP]])
def test_a_full_disk(arguments: list[str], unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-W", "error", "-m", "oboromi_fs", *arguments]
        environment = process_environment(PYTHONUNBUFFERED=unbuffered)
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment)
    assert done.returncode == 6
    assert done.stderr == b"oboromi: No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_stdout_that_is_closed() -> None:
    command = f'exec "{sys.executable}" -m oboromi_fs ls "{NSP}" >&-'
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, check=False, env=process_environment())
    assert (done.returncode, done.stderr) == (6, b"oboromi: standard output is closed\n")


def _large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(64 << 20)
    return path


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("verb", ["cat", "ls"])
def test_a_reader_that_has_enough(tmp_path: Path, verb: str, unbuffered: str) -> None:
    if verb == "cat":
        path = _large(tmp_path)
    else:
        path = tmp_path / "many"
        path.mkdir()
        for number in range(600):
            (path / f"{number:04}{'x' * 240}").touch()
    command = [sys.executable, "-m", "oboromi_fs", verb, str(path)]
    environment = process_environment(PYTHONUNBUFFERED=unbuffered)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(1)
        child.stdout.close()
        assert (child.wait(), child.stderr.read()) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
@pytest.mark.parametrize(("number", "code", "text"), [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")])
def test_signals(tmp_path: Path, number: int, code: int, text: bytes) -> None:
    command = [sys.executable, "-m", "oboromi_fs", "cat", str(_large(tmp_path))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=process_environment(), restore_signals=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read(1)  # It is at work now, and waits for us to read on.
        child.send_signal(number)
        _, err = child.communicate()
    assert (child.returncode, err) == (code, b"oboromi: " + text + b"\n")


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_output_does_not_depend_on_the_locale() -> None:
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    tree = process("tree", DATA / "romfs" / "tiny.st.romfs", **plain)
    assert tree.lines[1] == "├── data/"
    names = process("ls", DATA / "romfs" / "badutf8.st.romfs", **plain)
    assert names == (0, b"cut_\xe3\x81\ngood.txt\nlatin1_\xe9.bin\n\xff\xfe_raw\n", b"")


def test_key_values_are_never_shown() -> None:
    values = [line.partition("=")[2].strip() for line in Path(KEYS[1]).read_text(encoding="ascii").splitlines()]
    outputs = [
        oboromi("keys", "list", "-v", *KEYS),
        oboromi("keys", "list", "-v", "--json", *KEYS),
        oboromi("keys", "check", NSP, "-v", *KEYS),
        oboromi("info", "-v", ALIAS, *KEYS),
        oboromi("-vv", "cat", f"{ALIAS}/romfs/hello.txt", *WRONG_KEYS),
    ]
    assert PROGRAM
    for result in outputs:
        assert not any(value and value.encode() in result.out + result.err for value in values)
