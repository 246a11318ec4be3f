from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from oboromi_fs._forge import romfs, xci
from tests.command import DATA, KEYS, NSP, PROGRAM, WRONG_KEYS, oboromi

TK = DATA / "nsp" / "tk_g2.nsp"
SECTIONS = {"0": "exefs", "1": "romfs", "2": "logo"}


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder, with its digest."""
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


def program_files(manifest: dict[str, Any]) -> dict[str, str]:
    files = manifest["nsp/std_g1.nsp"]["ncas"][PROGRAM]["files"]
    return {f"{SECTIONS[path[0]]}{path[1:]}": entry["sha256"] for path, entry in files.items()}


def test_an_archive_gives_its_members(tmp_path: Path, manifest: dict[str, Any]) -> None:
    result = oboromi("extract", NSP, "-o", tmp_path / "out")
    assert (result.code, result.out) == (0, b"")
    assert result.message == f"5 files, 461.5 KiB, written to {tmp_path / 'out'}"
    assert tree(tmp_path / "out") == {path: entry["sha256"] for path, entry in manifest["nsp/std_g1.nsp"]["files"].items()}
    assert oboromi("-q", "extract", NSP, "-o", tmp_path / "quiet").err == b""


def test_an_nca_gives_its_sections(tmp_path: Path, manifest: dict[str, Any]) -> None:
    assert oboromi("extract", f"{NSP}/@program", "-o", tmp_path, *KEYS).code == 0
    assert tree(tmp_path) == program_files(manifest)


@pytest.mark.parametrize("options", [[], ["--verify"], ["-j", "1"]])
def test_recursive_opens_containers(tmp_path: Path, manifest: dict[str, Any], options: list[str]) -> None:
    assert oboromi("extract", "-r", NSP, "-o", tmp_path, *options, *KEYS).code == 0
    found = tree(tmp_path)
    for path, digest in program_files(manifest).items():
        assert found.pop(f"{PROGRAM}/{path}") == digest
    # One control, two manuals, one meta: the archives of the other NCAs have one section each.
    assert {path.split("/")[1] for path in found} == {"romfs", "data"}
    assert not any(path.endswith(".nca") for path in found)


def test_recursive_leaves_plain_members(tmp_path: Path) -> None:
    assert oboromi("extract", "-r", TK, "-o", tmp_path, *KEYS).code == 0
    found = tree(tmp_path)
    assert "0100abcdef0000000000000000000002.tik" in found
    assert "3f3e47ed9d53db2c060f3f7bd32a0bdf.nca/romfs/hello.txt" in found


def test_recursive_on_a_card(tmp_path: Path) -> None:
    assert oboromi("extract", "-r", DATA / "xci" / "std.xci", "-o", tmp_path, *KEYS).code == 0
    found = tree(tmp_path)
    assert f"secure/{PROGRAM}/romfs/hello.txt" in found
    assert "update/0123456789abcdef0123456789abcdef.nca" in found  # Too short to be one: stays a file.


def test_recursive_on_a_folder(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "a.nsp").write_bytes(Path(NSP).read_bytes())
    (tmp_path / "dumps" / "note.txt").write_bytes(b"note")
    assert oboromi("extract", "-r", tmp_path / "dumps", "-o", tmp_path / "out", *KEYS).code == 0
    found = tree(tmp_path / "out")
    assert found["note.txt"] == hashlib.sha256(b"note").hexdigest()
    assert f"a.nsp/{PROGRAM}/romfs/hello.txt" in found


def test_a_file_and_a_directory(tmp_path: Path) -> None:
    assert oboromi("extract", f"{NSP}/@program/romfs/hello.txt", "-o", tmp_path / "one", *KEYS).code == 0
    assert (tmp_path / "one" / "hello.txt").read_bytes() == b"hello\n"
    assert oboromi("extract", f"{NSP}/@program/romfs/data", "-o", tmp_path / "two", *KEYS).code == 0
    assert set(tree(tmp_path / "two")) == {"a.bin", "sub/b.bin"}


def test_globs_are_relative_and_may_stand_anywhere(tmp_path: Path) -> None:
    inside = f"{NSP}/@program"
    assert oboromi("extract", inside, "*.bin", "-o", tmp_path / "a", "exefs", *KEYS).code == 0
    assert set(tree(tmp_path / "a")) == {"romfs/data/a.bin", "romfs/data/sub/b.bin", "exefs/main", "exefs/main.npdm", "exefs/subsdk0"}
    assert oboromi("extract", "-o", tmp_path / "b", inside, "romfs/*", *KEYS).code == 0
    assert set(tree(tmp_path / "b")) == {"romfs/hello.txt", "romfs/data/a.bin", "romfs/data/sub/b.bin"}
    assert oboromi("extract", "-r", "-o", tmp_path / "c", NSP, "**/hello.txt", *KEYS).code == 0
    assert set(tree(tmp_path / "c")) == {f"{PROGRAM}/romfs/hello.txt"}


def test_nothing_matches(tmp_path: Path) -> None:
    result = oboromi("extract", NSP, "*.nothing", "-o", tmp_path / "out")
    assert (result.code, result.message) == (1, "nothing matches, nothing is written")
    assert not (tmp_path / "out").exists()
    assert oboromi("extract", f"{NSP}/@meta", "*.cnmt", "-o", tmp_path / "out", *KEYS).code == 0


def test_what_exists_is_left_alone_unless_told(tmp_path: Path) -> None:
    arguments = ("extract", f"{NSP}/@program/romfs", "-o", tmp_path, *KEYS)
    (tmp_path / "hello.txt").write_bytes(b"mine")
    refused = oboromi(*arguments)
    assert refused.code == 6
    assert refused.message == f"{tmp_path / 'hello.txt'}: exists already; --overwrite replaces it"
    assert tree(tmp_path) == {"hello.txt": hashlib.sha256(b"mine").hexdigest()}
    assert oboromi(*arguments, "--overwrite").code == 0
    assert (tmp_path / "hello.txt").read_bytes() == b"hello\n"


def test_json_report(tmp_path: Path) -> None:
    report = oboromi("extract", "--json", f"{NSP}/@program/romfs", "-o", tmp_path / "out", *KEYS).json
    assert report.pop("seconds") >= 0
    assert report == {
        "path": f"{NSP}/@program/romfs",
        "output": str(tmp_path / "out"),
        "files": 3,
        "directories": 2,
        "bytes": 41006,
        "refused": [],
    }


# What goes wrong, goes wrong before anything is there


def test_a_missing_key(tmp_path: Path) -> None:
    result = oboromi("extract", "-r", NSP, "-o", tmp_path / "out")
    assert result.code == 4
    assert result.message.startswith("missing key header_key")
    assert not (tmp_path / "out").exists()
    (tmp_path / "only_header.keys").write_text(
        "\n".join(line for line in Path(KEYS[1]).read_text(encoding="ascii").splitlines() if line.startswith("header_key ")),
        encoding="ascii",
    )
    result = oboromi("extract", "-r", NSP, "-o", tmp_path / "out", "--keys", tmp_path / "only_header.keys")
    assert result.code == 4
    assert result.message.startswith("missing key key_area_key_application_00")
    assert not (tmp_path / "out").exists()


def test_a_wrong_key_leaves_archives_closed_and_says_so(tmp_path: Path) -> None:
    result = oboromi("extract", "-r", NSP, "-o", tmp_path / "out", *WRONG_KEYS)
    assert result.code == 3
    assert result.err.count(b"not opened: NCA header of") == 5
    assert set(tree(tmp_path / "out")) == set(oboromi("ls", NSP).lines)


def test_damage_is_found_by_verify(tmp_path: Path) -> None:
    image = bytearray(Path(NSP).read_bytes())
    found = oboromi("stat", "--json", f"{NSP}/{PROGRAM}").json
    block = found["offset"] + 0x2800 + 5 * 0x4000  # The first of the data level of the program's RomFS.
    image[block + 0x400] ^= 1
    broken = tmp_path / "broken.nsp"
    broken.write_bytes(image)
    assert oboromi("extract", "-r", broken, "-o", tmp_path / "unchecked", *KEYS).code == 0
    result = oboromi("extract", "-r", "--verify", broken, "-o", tmp_path / "out", *KEYS)
    assert result.code == 3
    assert "does not match" in result.message
    assert f"at {block:#x}" in result.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.nsp", "unchecked"]


def test_verify_checks_members_of_cards(tmp_path: Path) -> None:
    card = DATA / "xci" / "std.xci"
    image = bytearray(card.read_bytes())
    found = oboromi("stat", "--json", f"{card}/secure/{PROGRAM}").json
    image[found["offset"]] ^= 1
    broken = tmp_path / "broken.xci"
    broken.write_bytes(image)
    assert oboromi("extract", f"{broken}/secure", "-o", tmp_path / "unchecked").code == 0
    result = oboromi("extract", "--verify", f"{broken}/secure", "-o", tmp_path / "out")
    assert result.code == 3
    assert f"HFS0 entry of {broken} at {found['offset']:#x}, field hash" in result.message
    assert oboromi("extract", "--verify", f"{broken}/secure/{PROGRAM}", "-o", tmp_path / "out", *KEYS).code == 3
    assert not (tmp_path / "out").exists()
    assert oboromi("extract", "--verify", f"{card}/secure", "-o", tmp_path / "out").code == 0
    meta = "27cc13eededf1ec7055c7f88f668c033.cnmt.nca"
    assert oboromi("extract", "--verify", f"{card}/secure/{meta}", "-o", tmp_path / "meta", *KEYS).code == 0


def test_verify_checks_ncas_by_their_names(tmp_path: Path) -> None:
    image = bytearray(Path(NSP).read_bytes())
    found = oboromi("stat", "--json", f"{NSP}/{PROGRAM}").json
    image[found["offset"] + found["size"] // 2] ^= 1
    broken = tmp_path / "broken.nsp"
    broken.write_bytes(image)
    result = oboromi("extract", "--verify", broken, "-o", tmp_path / "out")
    assert result.code == 3
    assert result.message.startswith(f"NCA of {broken} at {found['offset']:#x}: the hash of '{PROGRAM}' begins")
    assert oboromi("extract", "--verify", f"{broken}/{PROGRAM}", "-o", tmp_path / "out").code == 3
    assert not (tmp_path / "out").exists()
    assert oboromi("extract", "--verify", broken, "*.cnmt.nca", "-o", tmp_path / "out").code == 0
    assert oboromi("extract", "--verify", NSP, "-o", tmp_path / "good").code == 0


@pytest.mark.parametrize("options", [[], ["-r"]])
def test_of_a_truncated_card_the_whole_partitions_are_extracted(tmp_path: Path, options: list[str]) -> None:
    card = xci({"update": {"u": b"1"}, "normal": {"n": b"22"}, "secure": {"s": b"333"}})
    short = tmp_path / "short.xci"
    short.write_bytes(card[: card.rindex(b"HFS0")])
    result = oboromi("extract", short, "-o", tmp_path / "out", *options)
    assert result.code == 3
    assert b"'secure': " in result.err
    assert b"truncated" in result.err
    assert set(tree(tmp_path / "out")) == {"update/u", "normal/n"}
    listed = oboromi("ls", "-R", short)
    assert listed.lines == ["normal", "normal/n", "secure", "update", "update/u"]
    assert "it is truncated" in listed.message


def test_where_nothing_can_be_read_nothing_is_written(tmp_path: Path) -> None:
    image = tmp_path / "evil.romfs"
    image.write_bytes(romfs({"a-b": b"1"}).replace(b"a-b", b"a/b"))
    result = oboromi("extract", "-r", image, "-o", tmp_path / "out")
    assert result.code == 3
    assert result.err.decode().splitlines() == [
        "oboromi: nothing could be read, nothing is written",
        "oboromi: 'a/b': unsafe path 'a/b': holds a path separator",
    ]
    assert not (tmp_path / "out").exists()


def test_split_archives_in_a_folder(tmp_path: Path) -> None:
    data = Path(NSP).read_bytes()
    folder = tmp_path / "dumps" / "game.nsp"
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, len(data), 200_000)):
        (folder / f"{number:02}").write_bytes(data[start : start + 200_000])
    dumps = tmp_path / "dumps"
    assert oboromi("ls", dumps).lines == ["game.nsp"]
    assert oboromi("ls", f"{dumps}/game.nsp").lines == oboromi("ls", NSP).lines
    assert oboromi("extract", "-r", dumps, "-o", tmp_path / "out", *KEYS).code == 0
    assert f"game.nsp/{PROGRAM}/romfs/hello.txt" in tree(tmp_path / "out")
    checks = oboromi("verify", "--json", dumps, *KEYS).json
    assert checks["summary"]["failed"] == 0
    assert checks["summary"]["ok"] == oboromi("verify", "--json", NSP, *KEYS).json["summary"]["ok"]
    assert oboromi("extract", dumps, "-o", tmp_path / "flat").code == 0
    assert (tmp_path / "flat" / "game.nsp").read_bytes() == data


def test_a_member_that_is_cut_off_is_told_and_the_rest_is_there(tmp_path: Path) -> None:
    short = tmp_path / "short.nsp"
    short.write_bytes(Path(NSP).read_bytes()[:-1])
    result = oboromi("extract", short, "-o", tmp_path / "out", "-q")
    assert result.code == 3
    assert result.message.startswith(f"'{PROGRAM}': PFS0 entry of {short}")
    assert len(tree(tmp_path / "out")) == 4
    other = oboromi("extract", short, "*.cnmt.nca", "-o", tmp_path / "other")
    assert other.code == 0  # What is wanted is whole.
    report = oboromi("extract", "--json", short, "-o", tmp_path / "third").json
    assert [entry["path"] for entry in report["refused"]] == [PROGRAM]


def test_names_that_must_not_reach_the_disk(tmp_path: Path) -> None:
    image = tmp_path / "evil.romfs"
    image.write_bytes(romfs({"../evil": b"1", "a/../../b": b"2", "good": b"3", "/abs": b"4"}))
    result = oboromi("extract", image, "-o", tmp_path / "deep" / "out", "-q")
    assert result.code == 3
    assert b"'../evil': the name '..' is a path, not a name\n" in result.err
    assert tree(tmp_path) == {
        "evil.romfs": hashlib.sha256(image.read_bytes()).hexdigest(),
        "deep/out/good": hashlib.sha256(b"3").hexdigest(),
    } | ({"deep/out/abs": hashlib.sha256(b"4").hexdigest()} if (tmp_path / "deep" / "out" / "abs").exists() else {})


def test_an_update_gives_what_it_has_without_its_base(tmp_path: Path) -> None:
    keys = ("--keys", str(DATA / "bktr" / "keys" / "prod.keys"))
    result = oboromi("extract", DATA / "bktr" / "update.nca", "-o", tmp_path / "out", "-q", *keys)
    assert result.code == 3
    assert result.message.startswith("'romfs': NCA section 1 (romfs)")
    assert "is a patch" in result.message


def test_where_the_host_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = oboromi("extract", NSP, "-o", tmp_path / "file" / "out")
    assert result.code == 6
    assert (tmp_path / "file").read_bytes() == b""
    if hasattr(os, "geteuid") and os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        assert oboromi("extract", NSP, "-o", tmp_path / "locked" / "out").code == 6
