"""``oboromi patch``: as its user sees it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from oboromi_fs.executables import Nso
from oboromi_fs.jobs.patching import made_patch, plan_patches, read_patch
from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.command import DATA, oboromi

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
    assert made == {"output": f"sub/{BUILD}.ips", "build_id": BUILD, "records": 1, "bytes": len(PATCH)}
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
    assert (same.code, same.message) == (1, "the two do not differ; nothing is written")


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


def test_a_dry_run_writes_nothing() -> None:
    found = oboromi("patch", "main", f"{BUILD}.ips", "-n", "--json")
    assert found.json["applied"] == [{"path": f"{BUILD}.ips", "records": 1, "remarks": []}]
    assert sorted(path.name for path in Path().iterdir()) == [f"{BUILD}.ips", "main"]


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
        (("make", "main", f"{BUILD}.ips", "-o", "x"), 3, "one is an NSO, the other no executable"),
        (("show",), 2, "show takes one patch"),
        (("main", f"{BUILD}.ips", "-o", "nowhere/new"), 6, "make it first"),
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
    patch, _, records = made_patch(old.raw, new, text=as_text)
    plan = plan_patches(old.raw, [read_patch(patch, f"{BUILD}.ips")])
    assert plan.storage()[0x100:].tobytes() == bytes(image[0x100:])
    assert bool(records) == (bytes(image[0x100:]) != old.uncompressed()[0x100:].tobytes())
