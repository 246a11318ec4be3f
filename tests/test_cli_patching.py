"""``oboromi patch``: as its user sees it."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from oboromi_fs.executables import Nro, Nso
from oboromi_fs.jobs.patching import PatchFile, make_patch, plan_patches
from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.command import DATA, KEYS, oboromi

EXE = DATA / "exe"
BUILD = "4E795564D8F92ABE10ED05873AF2404E08C6D76A"
PATCH = encode_ips([Record(0x110, b"PATCHED!")])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXE / "test.nso", "main")
    Path(f"{BUILD}.ips").write_bytes(PATCH)
    return tmp_path


def text(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return Nso(MemoryStorage(file.read())).segment("text")[:].tobytes()


def test_a_patch_is_applied_and_the_module_stays_whole() -> None:
    before = text("main")
    done = oboromi("patch", "main", f"{BUILD}.ips", "-o", "new")
    assert (done.code, done.message) == (0, "1 patch, 1 record of 8 bytes, written to new")
    assert text("new") == before[:0x10] + b"PATCHED!" + before[0x18:]
    nso = Nso(MemoryStorage(Path("new").read_bytes()))
    assert nso.segments[0].compressed
    assert all(nso.hash_matches(name) for name in ("text", "ro", "data"))
    assert oboromi("patch", "main", f"{BUILD}.ips", "-o", "plain", "--no-compress").code == 0
    assert Path("plain").read_bytes()[0x110:0x118] == b"PATCHED!"
    assert text("plain") == text("new")


def test_a_patch_that_is_made_gives_the_other_version() -> None:
    assert oboromi("patch", "main", f"{BUILD}.ips", "-o", "new").code == 0
    Path("sub").mkdir()
    made = oboromi("patch", "make", "main", "new", "-o", "sub", "--json").json
    assert made == {"output": f"sub/{BUILD}.ips", "build_id": BUILD, "records": 1, "bytes": len(PATCH), "remarks": []}
    assert Path(f"sub/{BUILD}.ips").read_bytes() == PATCH
    assert oboromi("patch", "make", "main", "new", "-o", "p.pchtxt").code == 0
    assert Path("p.pchtxt").read_text(encoding="utf-8").splitlines() == [
        f"@nsobid-{BUILD}",
        "@flag offset_shift 0x100",
        "@enabled",
        "00000010 5041544348454421",
    ]
    assert oboromi("patch", "main", "p.pchtxt", "-o", "again").code == 0
    assert text("again") == text("new")
    same = oboromi("patch", "make", "new", "again", "-o", "x.ips")
    assert (same.code, same.message) == (1, "the two do not differ in what a patch can change; nothing is written")


def test_show() -> None:
    assert oboromi("patch", "show", f"{BUILD}.ips").lines == [f"IPS for build {BUILD}", "00000110  8  5041544348454421"]
    shown = oboromi("patch", "show", f"{BUILD}.ips", "--json").json
    assert shown["records"] == [{"offset": 0x110, "size": 8, "data": "5041544348454421", "run": False}]


def test_a_patch_of_another_build_is_refused_or_passed_over() -> None:
    Path("sets").mkdir()
    shutil.copy(f"{BUILD}.ips", f"sets/{BUILD}.ips")
    shutil.copy(f"{BUILD}.ips", "sets/00AA.ips")
    refused = oboromi("patch", "main", "sets/00AA.ips", "-o", "new")
    assert refused.code == 1
    assert "is for build 00AA" in refused.message
    assert not Path("new").exists()
    assert oboromi("patch", "main", "sets/00AA.ips", "-o", "new", "--force").code == 0
    passed = oboromi("patch", "main", "sets", "-o", "other")
    assert passed.code == 0
    assert b"sets/00AA.ips: passed over: is for build 00AA" in passed.err
    assert text("other") == text("new")


def test_a_dry_run_tells_what_would_change() -> None:
    before = text("main")[0x10:0x18].hex()
    applied = {"path": f"{BUILD}.ips", "format": "IPS", "titles": [], "records": 1, "bytes": 8, "remarks": []}
    assert oboromi("patch", "main", f"{BUILD}.ips", "-n", "--json").json == {
        "file": "main",
        "kind": "NSO",
        "build_id": BUILD,
        "applied": [applied],
        "passed_over": [],
        "output": None,
        "changes": [{"path": f"{BUILD}.ips", "offset": 0x110, "size": 8, "before": before, "after": b"PATCHED!".hex()}],
    }
    shown = oboromi("patch", "main", f"{BUILD}.ips", "-n", "-o", "new")
    assert shown.lines == [f"00000110  8  {before.upper()}  ->  5041544348454421"]
    assert shown.message == "1 patch, 1 record of 8 bytes, to be written"
    made = oboromi("patch", "make", "main", "main", "-n")
    assert made.code == 1
    assert sorted(path.name for path in Path().iterdir()) == [f"{BUILD}.ips", "main"]


def test_folders_are_searched_and_what_is_not_for_the_file_is_told() -> None:
    Path("sets/a/b").mkdir(parents=True)
    shutil.copy(f"{BUILD}.ips", f"sets/a/b/{BUILD}.ips")
    Path("sets/z.pchtxt").write_text(f"@nsobid-{BUILD}\n@flag offset_shift 0x100\n@enabled\n00000010 41\n", encoding="utf-8")
    Path("sets/1.0.pchtxt").write_text("@nsobid-00AA\n@enabled\n00000100 41\n", encoding="utf-8")
    Path("sets/00AA.ips").write_bytes(b"PATCH and then rubbish")  # Damaged, and no concern of this module.
    Path("sets/notes.ips").write_bytes(PATCH)
    Path("sets/readme.txt").write_text("patches", encoding="utf-8")
    done = oboromi("patch", "main", "sets/", "-o", "new")
    assert done.code == 0
    assert done.err.decode().splitlines() == [
        f"oboromi: warning: sets/00AA.ips: passed over: is for build 00AA, and not for {BUILD}",
        f"oboromi: warning: sets/1.0.pchtxt: passed over: is for build 00AA, and not for {BUILD}",
        "oboromi: warning: sets/notes.ips: passed over: is not called by a build id, which is up to 64 hexadecimal digits",
        "oboromi: 2 patches, 2 records of 9 bytes, written to new",
    ]
    assert text("new")[0x10:0x18] == b"AATCHED!"  # In the order of their paths, the later wins.
    Path(f"sets/{BUILD}.ips").write_bytes(PATCH[:-1])
    damaged = oboromi("patch", "main", "sets", "-o", "other")
    assert (damaged.code, Path("other").exists()) == (3, False)
    assert f"sets/{BUILD}.ips" in damaged.message
    shutil.rmtree("sets/a")
    for path in (f"sets/{BUILD}.ips", "sets/z.pchtxt"):
        Path(path).unlink()
    none = oboromi("patch", "main", "sets", "-o", "other", "-q")
    assert (none.code, none.message) == (1, "no patch is for this file; nothing is written")


def test_profiles_pass_over_what_their_tool_does() -> None:
    lower = f"{BUILD.lower()}.ips"
    shutil.move(f"{BUILD}.ips", lower)
    for profile, code in (("plain", 0), ("atmosphere", 0), ("yuzu", 1), ("ryujinx", 1)):
        done = oboromi("patch", "main", lower, "-n", "--profile", profile)
        assert done.code == code
        assert ("upper-case ones are asked for; --force" in done.message) == bool(code)
    size = Nso(MemoryStorage(Path("main").read_bytes())).uncompressed().size
    Path(f"{BUILD}.ips").write_bytes(encode_ips([Record(0x110, b"a"), Record(size, b"b")]))
    for profile, problem in (("plain", "left out"), ("ryujinx", "left out"), ("yuzu", "whole patch"), ("atmosphere", "console stops")):
        done = oboromi("patch", "main", f"{BUILD}.ips", "-n", "--profile", profile)
        assert done.code == (0 if problem == "left out" else 1)
        assert problem in done.err.decode()


def test_a_patch_that_changes_nothing_writes_nothing() -> None:
    Path("off.pchtxt").write_text(f"@nsobid-{BUILD}\n@disabled\n00000110 41\n", encoding="utf-8")
    done = oboromi("patch", "main", "off.pchtxt", "-o", "new")
    assert (done.code, done.message) == (1, "the patch changes nothing; nothing is written")
    assert not Path("new").exists()


def test_paths_go_on_inside_containers() -> None:
    with zipfile.ZipFile("pack.zip", "w") as archive:
        archive.write("main", "exefs/main")
        archive.write(f"{BUILD}.ips", f"patches/{BUILD}.ips")
    done = oboromi("patch", "pack.zip/exefs/main", "pack.zip/patches", "-o", "new")
    assert (done.code, done.message) == (0, "1 patch, 1 record of 8 bytes, written to new")
    assert text("new")[0x10:0x18] == b"PATCHED!"
    kept = oboromi("patch", "pack.zip/exefs/main", "pack.zip/patches", "-o", "pack.zip")
    assert kept.code == 2


def test_files_called_make_and_show() -> None:
    shutil.copy("main", "make")
    assert oboromi("patch", "./make", f"{BUILD}.ips", "-o", "show").code == 0
    assert oboromi("patch", "make", "./make", "./show", "-o", "x.ips", "-q").code == 0
    assert Path("x.ips").read_bytes() == PATCH


def test_making_tells_what_no_patch_changes() -> None:
    header = bytearray(Path("main").read_bytes())
    header[0x3C:0x40] = (0x5000).to_bytes(4, "little")
    Path("bss").write_bytes(header)
    same = oboromi("patch", "make", "main", "bss", "-o", "x.ips")
    assert same.code == 1
    assert b"the headers differ in bss_size, which no patch changes: 0x" in same.err
    assert b", 0x5000 now" in same.err
    grown = Path("main.bin"), Path("grown.bin")
    for path, data in zip(grown, (b"abc", b"abcd"), strict=True):
        path.write_bytes(data)
    done = oboromi("patch", "make", *grown, "-o", "x.ips")
    assert (done.code, Path("x.ips").exists()) == (3, False)
    assert "the new version has 0x4 bytes, the old one 0x3" in done.message


def test_assets_of_an_nro_are_beyond_patches() -> None:
    old = (EXE / "test_assets.nro").read_bytes()
    size = Nro(MemoryStorage(old)).header.size
    assert size < len(old)
    Path("p.ips").write_bytes(encode_ips([Record(size - 2, b"wxyz")]))
    done = oboromi("patch", EXE / "test_assets.nro", "p.ips", "-o", "new.nro")
    assert b"crosses the end" in done.err
    assert Path("new.nro").read_bytes() == old[: size - 2] + b"wx" + old[size:]
    Path("other.nro").write_bytes(old[: size - 2] + b"wx" + old[size:-1] + bytes([old[-1] ^ 1]))
    made = oboromi("patch", "make", EXE / "test_assets.nro", "other.nro", "-o", "made.ips")
    assert made.code == 0
    assert b"what follows the segments differs" in made.err
    assert Path("made.ips").read_bytes() == encode_ips([Record(size - 2, b"wx")])


def test_a_kip_is_patched_uncompressed_and_known_by_its_hash() -> None:
    kip = (EXE / "test.kip").read_bytes()
    plain = (EXE / "test.kip.hactool_uncompressed").read_bytes()
    name = f"{hashlib.sha256(kip).hexdigest().upper()}.ips"
    Path("sets").mkdir()
    Path("sets", name).write_bytes(encode_ips([Record(0x104, b"PATCH")]))
    done = oboromi("patch", EXE / "test.kip", "sets", "-o", "new.kip")
    assert done.code == 0
    assert Path("new.kip").read_bytes() == plain[:0x104] + b"PATCH" + plain[0x109:]


def test_show_tells_what_others_read_otherwise() -> None:
    Path("a.pchtxt").write_text('@nsobid-AA\n// the title\n@enabled\n00000010 01\n\n00000020 "a"\n', encoding="utf-8")
    shown = oboromi("patch", "show", "a.pchtxt")
    assert shown.lines == ["pchtxt for build AA", "  the title", "00000010  1  01", "00000020  2  6100"]
    assert shown.err.decode().splitlines() == [
        "oboromi: warning: a.pchtxt: yuzu does not read the record at 0x20",
        "oboromi: warning: a.pchtxt: Ryujinx does not read the record at 0x20",
    ]
    yuzu = oboromi("patch", "show", "a.pchtxt", "--profile", "yuzu", "--json").json
    assert yuzu == {
        "format": "pchtxt",
        "build_id": "AA",
        "titles": ["the title"],
        "records": [{"offset": 16, "size": 1, "data": "01", "run": False}],
        "remarks": [{"line": 5, "text": "a blank line ends the patch: what follows is not read until the next @enabled"}],
        "differences": [],
    }


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("main",), 2, "say which patches"),
        (("main", f"{BUILD}.ips"), 2, "say where to write"),
        (("main", f"{BUILD}.ips", "-o", "main"), 2, "is FILE"),
        (("main", f"{BUILD}.ips", "-o", f"{BUILD}.ips"), 2, "is the patch"),
        (("main", "none.ips", "-o", "new"), 5, "no such path"),
        (("main", "main", "-o", "new"), 3, "no line gives the build id"),
        (("make", "main"), 2, "make takes two files"),
        (("make", "main", f"{BUILD}.ips", "-o", "x"), 3, "the old version is an NSO, the new one no executable"),
        (("show",), 2, "show takes one patch"),
        (("main", f"{BUILD}.ips", "-o", "nowhere/new"), 6, "make it first"),
        (("main", f"{BUILD}.ips", "-o", "."), 6, "what is patched is a file"),
        (("main", f"{BUILD}.ips", "-o", "-"), 2, "./- is a file of that name"),
        (("main", f"{BUILD}.ips", "-o", "new", "--title", "x"), 2, "--title has no effect"),
        (("make", "main", "main", "-o", "new", "--force"), 2, "--force has no effect on patch make"),
        (("make", "main", "main", "-o", "new.pchtxt", "--ips32"), 2, "--ips32 has no effect on a pchtxt"),
        (("make", "main", "main", "-o", "main"), 2, "is OLD"),
        (("show", "main"), 3, "is no patch"),
    ],
)
def test_mistakes(words: tuple[str, ...], code: int, problem: str) -> None:
    found = oboromi("patch", *words)
    assert found.code == code
    assert problem in found.message
    assert not Path("new").exists()


def test_a_damaged_patch_changes_nothing() -> None:
    Path("cut.ips").write_bytes(PATCH[:-2])
    found = oboromi("patch", "main", "cut.ips", "-o", "new")
    assert (found.code, Path("new").exists()) == (3, False)
    assert "without the end mark" in found.message


def test_others_are_patched_as_they_are() -> None:
    nro = EXE / "test.nro"
    Path("n.ips").write_bytes(encode_ips([Record(0, b"x" * 0x90)]))
    found = oboromi("patch", str(nro), "n.ips", "-o", "new.nro")
    assert b"protected header of 0x80 bytes, and is trimmed" in found.err
    data = nro.read_bytes()
    assert Path("new.nro").read_bytes() == data[:0x80] + b"x" * 0x10 + data[0x90:]
    Path("file").write_bytes(b"abcd")
    Path("f.ips").write_bytes(encode_ips([Record(1, b"X")]))
    assert oboromi("patch", "file", "f.ips", "-o", "new").code == 0
    assert Path("new").read_bytes() == b"aXcd"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0x100, 0x4000), st.binary(min_size=1, max_size=30)), max_size=6), st.booleans())
def test_making_then_patching_is_the_identity(edits: list[tuple[int, bytes]], as_text: bool) -> None:
    old = Nso(MemoryStorage((EXE / "test.nso").read_bytes()))
    image = bytearray(old.uncompressed()[:])
    for offset, data in edits:
        image[offset : offset + len(data)] = data[: max(0, len(image) - offset)]
    new = MemoryStorage(bytes(image))
    made = make_patch(old.raw, new, text=as_text)
    plan = plan_patches(old.raw, [PatchFile(f"{BUILD}.{'pchtxt' if as_text else 'ips'}", made.storage)])
    assert plan.storage(compress=False)[0x100:].tobytes() == bytes(image[0x100:])
    assert bool(made.records) == (bytes(image[0x100:]) != old.uncompressed()[0x100:].tobytes())


def test_a_patch_of_a_build_is_refused_for_what_is_no_executable() -> None:
    Path("fix.pchtxt").write_text(f"@nsobid-{BUILD}\n@enabled\n00000110 41\n", encoding="utf-8")
    nsp, data = DATA / "nsp" / "std_g1.nsp", Path(DATA / "nsp" / "std_g1.nsp").read_bytes()
    why = f"is for build {BUILD}, and the file is no executable; the executable in it is"
    for patch in ("fix.pchtxt", f"{BUILD}.ips"):
        for inside in ("", "/@program"):
            refused = oboromi("patch", *KEYS, f"{nsp}{inside}", patch, "-o", "new")
            room = "exefs/main" if inside else "@program/exefs/main"
            assert (refused.code, refused.message) == (1, f"{patch}: {why} {nsp}{inside}/{room}; --force applies it all the same")
        # Without keys an NCA is a file like any other, and nothing in it can be named.
        for name in (nsp, DATA / "nca_forged" / "ctr.nca", "plain.bin"):
            Path("plain.bin").write_bytes(bytes(0x200))
            other = oboromi("patch", name, patch, "-o", "new")
            assert (other.code, Path("new").exists()) == (1, False)
            assert "the file is no executable; one in a package is written like game.nsp/@program/exefs/main; --force" in other.message
    assert oboromi("patch", *KEYS, nsp, f"{BUILD}.ips", "-o", "new", "--force").code == 0
    assert Path("new").read_bytes() == data[:0x110] + b"PATCHED!" + data[0x118:]
    module = oboromi("patch", *KEYS, f"{nsp}/@program/exefs/main", f"{BUILD}.ips", "-o", "module")
    assert (module.code, text("module")[0x10:0x18]) == (0, b"PATCHED!")


def test_a_folder_is_told_where_the_executable_in_it_is() -> None:
    Path("exefs").mkdir()
    shutil.copy("main", "exefs/main")
    found = oboromi("patch", "exefs", f"{BUILD}.ips", "-o", "new")
    assert (found.code, found.message) == (5, "is a directory, and what is patched is a file; the executable in it is exefs/main: 'exefs'")
    Path("sets").mkdir()
    shutil.copy(f"{BUILD}.ips", "sets")
    with zipfile.ZipFile("pack.zip", "w") as archive:
        archive.write("main", "exefs/main")
    none = oboromi("patch", "-q", "pack.zip", "sets", "-o", "new")
    assert (none.code, none.message) == (
        1,
        "no patch is for this file; the executable in it is pack.zip/exefs/main; nothing is written",
    )


def test_a_folder_for_a_patch_is_made() -> None:
    assert oboromi("patch", "main", f"{BUILD}.ips", "-o", "new").code == 0
    made = oboromi("patch", "make", "main", "new", "-o", "sets/")
    assert (made.code, made.message) == (0, f"1 record, {len(PATCH)} bytes, written to sets/{BUILD}.ips")
    assert Path(f"sets/{BUILD}.ips").read_bytes() == PATCH
    Path("odd.pchtxt").mkdir()
    assert oboromi("patch", "make", "main", "new", "-o", "odd.pchtxt", "--json").json["output"] == f"odd.pchtxt/{BUILD}.ips"
    assert Path(f"odd.pchtxt/{BUILD}.ips").read_bytes() == PATCH
    for output, code, problem in (
        ("new/", 2, "new is NEW"),
        (f"{BUILD}.ips/", 6, "is no folder"),
        ("nowhere/sets/", 6, "the folder 'nowhere' is not there; make it first"),
    ):
        found = oboromi("patch", "make", "main", "new", "-o", output)
        assert found.code == code
        assert problem in found.message
    for one, two, extra in (("main", "main", ()), ("main", "new", ("-n",)), ("main", f"{BUILD}.ips", ())):
        oboromi("patch", "make", one, two, "-o", "none/", *extra)
        assert not Path("none").exists()
    applied = oboromi("patch", "main", f"{BUILD}.ips", "-o", "none/")
    assert (applied.code, applied.message) == (6, "none/: is a folder, and what is patched is a file")


def test_a_folder_goes_again_if_the_patch_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert oboromi("patch", "main", f"{BUILD}.ips", "-o", "new").code == 0

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("oboromi_fs.cli.patching.write_storage", interrupted)
    assert oboromi("patch", "make", "main", "new", "-o", "sets/").code == 130
    assert not Path("sets").exists()


HEAD = f"@nsobid-{BUILD}\n@enabled\n".encode()
FAR = b"\xff\xff\x00\0\1A"


@pytest.mark.parametrize(
    ("name", "data", "code", "problem"),
    [
        ("x.ips", b"", 3, "is no patch"),
        ("x.ips", b"PATCH", 3, "ends at 0x5 without the end mark"),
        ("x.ips", b"PATCHEEOF", 3, "without the end mark EOF"),
        ("x.ips", b"IPS32EOF", 3, "without the end mark EEOF"),
        ("x.ips", b"PATCHEOF", 1, "changes nothing; nothing is written"),
        ("x.ips", b"PATCH\0\1\x10\xff\xffabcEOF", 3, "a record of 65535 bytes ends at 0x10009, the file at 0x10"),
        ("x.ips", b"PATCH\0\1\x10\0\0\0", 3, "a record of 3 bytes ends at 0xd, the file at 0xb"),
        ("x.ips", b"PATCH\0\1\x10\0\0\0\0AEOF", 1, "changes nothing"),
        ("x.ips", b"IPS32" + b"\0\0\1\x10\0\0\xff\xffA" * 8200 + b"EEOF", 3, "writes more than 0x20000000 bytes"),
        ("x.ips", b"IPS32\xff\xff\xff\xff\0\1AEEOF", 1, "changes nothing"),
        ("a.pchtxt", b"@enabled\n00000110 41\n", 3, "no line gives the build id"),
        ("a.pchtxt", f"@nsobid-{BUILD}\n".encode("utf-16"), 3, "the text is UTF-16, and UTF-8 is read"),
        ("a.pchtxt", b"@nsobid-\n@enabled\n00000110 41\n", 1, "'' is no build id"),
        ("a.pchtxt", HEAD + b"@flag offset_shift -0x200\n00000110 41\n", 3, "line 4 writes 1 bytes at -0xf0"),
        ("a.pchtxt", HEAD + b"@flag offset_shift " + b"9" * 5000 + b"\n", 3, "line 3 shifts offsets by a number of 5000 characters"),
        ("a.pchtxt", HEAD + b"00000110 " + b"41" * 0x10000 + b"\n", 3, "line 3 has 65536 bytes, 65535 are the most"),
        ("a.pchtxt", HEAD + b"00000110 " + b"41" * 0x20000 + b"\n", 3, "characters, 262144 are the most"),
        ("a.pchtxt", HEAD + b"00000110 41\0\n\0\0\n", 1, "changes nothing"),
        ("a.pchtxt", HEAD + b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8 41\n", 1, "changes nothing"),
    ],
)
def test_hostile_patches_on_the_command_line(name: str, data: bytes, code: int, problem: str) -> None:
    Path(name).write_bytes(data)
    found = oboromi("patch", "main", name, "-o", "new")
    assert (found.code, problem in found.err.decode().splitlines()[-1], b"defect" in found.err) == (code, True, False)
    assert sorted(path.name for path in Path().iterdir()) == sorted([f"{BUILD}.ips", "main", name])
    for words in (("show", name), ("show", name, "--json")):
        assert b"defect" not in oboromi("patch", *words).err


def test_a_text_of_200_megabytes_is_not_read() -> None:
    with Path("big.pchtxt").open("wb") as file:
        file.write(HEAD)
        file.truncate(200_000_000)
    found = oboromi("patch", "main", "big.pchtxt", "-o", "new")
    assert (found.code, found.message.rpartition(": ")[2]) == (3, "it has 0xbebc200 bytes, and 0x4000000 are the most")


def test_of_very_many_remarks_the_first_are_told_and_how_many_more_there_are() -> None:
    Path("x.ips").write_bytes(b"PATCH" + FAR * 1000 + b"EOF")
    Path("a.pchtxt").write_bytes(HEAD + b"a\n" * 1000)
    for name in ("x.ips", "a.pchtxt"):
        lines = oboromi("patch", "main", name, "-o", "new").err.decode().splitlines()
        assert len(lines) == 102
        assert lines[100] == f"oboromi: warning: {name}: 900 more remarks of this kind"
