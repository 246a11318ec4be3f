from __future__ import annotations

import builtins
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from oboromi_fs.paths import sort_key
from tests.command import DATA, KEYS, NSP, PROGRAM, WRONG_KEYS, oboromi

PFS0 = DATA / "pfs0" / "5.lh.pfs0"


def damaged(tmp_path: Path) -> Path:
    """NSP with one bit turned in a file of its program's RomFS, in the first block of the data level."""
    image = bytearray(Path(NSP).read_bytes())
    image[first_block() + 0x400] ^= 1
    path = tmp_path / "broken.nsp"
    path.write_bytes(image)
    return path


def first_block() -> int:
    """Where the data level of the program's RomFS begins in NSP: behind five levels of 0x4000 bytes."""
    offset: int = oboromi("stat", "--json", f"{NSP}/{PROGRAM}").json["offset"]
    return offset + 0x2800 + 5 * 0x4000


# verify


@pytest.mark.parametrize("name", ["nsp/std_g1.nsp", "nsp/tk_g2.nsp", "xci/std.xci", "hfs0/5.hb.hfs0", "nca_forged/ctr.nca"])
def test_sound_archives(name: str) -> None:
    result = oboromi("verify", DATA / name, *KEYS)
    assert (result.code, result.err) == (0, b"")
    assert "failed" not in result.text
    counts = oboromi("verify", "--json", DATA / name, *KEYS).json["summary"]
    assert counts["failed"] == counts["skipped"] == 0
    assert counts["ok"] > 0
    assert result.lines[-1].startswith(f"{counts['ok']} ok")


def test_damage(tmp_path: Path) -> None:
    broken = damaged(tmp_path)
    result = oboromi("verify", broken, *KEYS)
    assert result.code == 1
    failed = [line for line in result.lines if line.startswith("failed ")]
    assert any("hash tree" in line and f"{PROGRAM}/romfs" in line for line in failed)
    assert any("NCA name" in line for line in failed)
    document = oboromi("verify", "--json", broken, *KEYS).json
    assert document["summary"]["failed"] == len(failed)
    (block,) = [check for check in document["checks"] if check["check"] == "hash tree" and check["status"] == "failed"]
    assert block["path"] == f"{broken}/{PROGRAM}/romfs"
    assert set(block) == {"path", "check", "status", "detail", "offset", "size", "missing_key"}
    assert (block["offset"], block["size"]) == (first_block(), 0x4000)
    assert "level 6, block 0 " in block["detail"]


def test_a_missing_key() -> None:
    result = oboromi("verify", NSP)
    assert result.code == 4
    assert result.message.startswith("missing key header_key")
    assert result.text.count("missing key header_key") == 6
    assert oboromi("verify", "--json", NSP).json["checks"][1]["missing_key"] == "header_key"
    assert oboromi("verify", f"{NSP}/{PROGRAM}").code == 4


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "cut.nsp"
    path.write_bytes(Path(NSP).read_bytes()[:0x20])
    result = oboromi("verify", path)
    assert (result.code, result.out) == (3, b"")
    assert oboromi("verify", f"{NSP}/@program", *WRONG_KEYS).code == 3


def test_several_paths(tmp_path: Path) -> None:
    broken = damaged(tmp_path)
    both = oboromi("verify", PFS0, broken, *KEYS)
    assert both.code == 1
    assert both.lines[0].startswith("ok ")
    missing = oboromi("verify", tmp_path / "nothing", PFS0)
    assert missing.code == 5
    assert missing.lines[-1] == "1 ok"
    assert oboromi("verify", PFS0, PFS0).lines[-1] == "2 ok"


def test_what_is_not_supported_is_no_success() -> None:
    update = DATA / "bktr" / "update.nca"
    result = oboromi("verify", update, "--keys", DATA / "bktr" / "keys" / "prod.keys")
    assert (result.code, result.err) == (3, b"")
    assert [line.split()[1:3] for line in result.lines if line.startswith("skipped ")] == [["base", f"{update}/romfs:"]]
    assert "patch" in result.text


@pytest.mark.parametrize("mode", ["S", "B"])
def test_compressed_ncas_are_checked_as_what_they_hold(mode: str) -> None:
    result = oboromi("verify", DATA / "nsz" / f"z_std_{mode}.nsz", *KEYS)
    assert (result.code, result.err) == (0, b"")
    assert sum(line.startswith("ok       NCA name ") and line.endswith(".ncz") for line in result.lines) == 1
    assert result.lines[-1] == "38 ok, 8 to note"


def test_a_missing_key_tells_more_than_what_is_not_supported() -> None:
    assert oboromi("verify", DATA / "nsz" / "z_std_S.nsz").code == 4


@pytest.mark.parametrize(("name", "size"), [("cut.nca", 100), ("cut.nca", 0x800), ("cut.nsp", 0), ("cut.nsp", 3), ("cut.xci", 0x50)])
def test_cut_files_fail(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    path.write_bytes(Path(NSP).read_bytes()[:size] if name == "cut.nsp" else bytes(size))
    result = oboromi("verify", path)
    assert (result.code, result.lines[-1]) == (1, "1 failed")


def test_quiet_lists_what_is_wrong(tmp_path: Path) -> None:
    assert oboromi("-q", "verify", NSP, *KEYS).lines == ["39 ok, 8 to note"]
    broken = damaged(tmp_path)
    every = oboromi("verify", broken, *KEYS).lines
    quiet = oboromi("-q", "verify", broken, *KEYS)
    assert quiet.lines == [*(line for line in every if line.startswith("failed ")), every[-1]]
    assert quiet.code == 1
    update = DATA / "bktr" / "update.nca"
    skipped = oboromi("-q", "verify", update, "--keys", DATA / "bktr" / "keys" / "prod.keys").lines
    assert {line.split()[0] for line in skipped[:-1]} == {"skipped"}


def test_a_plain_file_has_nothing_to_check() -> None:
    result = oboromi("verify", KEYS[1])
    assert result.code == 3  # Nothing was checked: no success.
    assert "a plain file" in result.text


# hash


def test_hash_is_the_manifest_of_another_tool(manifest: dict[str, Any]) -> None:
    for name in ("pfs0/5.lh.pfs0", "hfs0/7l.lh.hfs0", "romfs/deep.st.romfs", "romfs/badutf8.st.romfs", "romfs/emptyfiles.st.romfs"):
        document = oboromi("hash", "--json", DATA / name).json
        expected = {path: {"size": file["size"], "sha256": file["sha256"]} for path, file in manifest[name]["files"].items()}
        assert document == expected
        assert list(document) == sorted(expected, key=sort_key)


def test_hash_goes_on_into_containers_like_extract(tmp_path: Path, manifest: dict[str, Any]) -> None:
    flat = oboromi("hash", "--json", NSP).json
    assert flat == {path: {"size": file["size"], "sha256": file["sha256"]} for path, file in manifest["nsp/std_g1.nsp"]["files"].items()}
    deep = oboromi("hash", "-r", "--json", NSP, *KEYS).json
    assert oboromi("extract", "-r", NSP, "-o", tmp_path, *KEYS).code == 0
    there = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert deep == {path: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in there.items()}


def test_hash_of_one_file() -> None:
    inside = f"{NSP}/@program/romfs/hello.txt"
    digest = hashlib.sha256(b"hello\n").hexdigest()
    assert oboromi("hash", inside, *KEYS).lines == [f"{digest}  hello.txt"]
    assert oboromi("hash", "--json", inside, *KEYS).json == {"hello.txt": {"size": 6, "sha256": digest}}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
@pytest.mark.parametrize("name", ["evilnames.st", "badutf8.st", "tiny.st"])
def test_sha256sum_understands_it(tmp_path: Path, name: str) -> None:
    image = DATA / "romfs" / f"{name}.romfs"
    assert oboromi("extract", image, "-o", tmp_path / "out").code == 0
    sums = tmp_path / "sums"
    sums.write_bytes(oboromi("hash", image).out)
    command = ["sha256sum", "--check", "--strict", str(sums)]
    assert subprocess.run(command, cwd=tmp_path / "out", check=False, capture_output=True).returncode == 0


def test_names_are_escaped_as_sha256sum_does() -> None:
    lines = oboromi("hash", DATA / "romfs" / "evilnames.st.romfs").text.split("\n")
    assert lines[0].startswith("\\")
    assert lines[0].endswith("  back\\\\slash")
    assert lines[2].endswith("  new\\nline")
    assert not lines[3].startswith("\\")
    assert lines[1].endswith("  ctl\x01")
    assert oboromi("hash", DATA / "romfs" / "evilnames.st.romfs", terminal=True).lines[1].endswith("  ctl\\x01")


def test_blake3() -> None:
    blake3 = pytest.importorskip("blake3")
    digest = blake3.blake3(b"hello\n").hexdigest()
    assert oboromi("hash", "--algorithm", "blake3", f"{NSP}/@program/romfs/hello.txt", *KEYS).lines == [f"{digest}  hello.txt"]
    assert oboromi("hash", "--algorithm", "blake3", "--json", PFS0).json["f0.bin"].keys() == {"size", "blake3"}


def test_blake3_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "blake3":
            raise ImportError(name)
        return true_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    result = oboromi("hash", "--algorithm", "blake3", PFS0)
    assert (result.code, result.out) == (2, b"")
    assert "pip install" in result.message


def test_hash_of_what_is_cut_off(tmp_path: Path) -> None:
    short = tmp_path / "short.nsp"
    short.write_bytes(Path(NSP).read_bytes()[:-1])
    result = oboromi("hash", short)
    assert result.code == 3
    assert len(result.lines) == 4
    assert result.message.startswith(f"'{PROGRAM}': PFS0 entry of")
