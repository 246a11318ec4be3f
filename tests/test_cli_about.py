from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import DATA, KEYS, NSP, PROGRAM, WRONG_KEYS, oboromi

CONTROL = "bd9d2cdfebfff758229d9426d2ae816d.nca"


def by_path(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    pending = [description]
    while pending:
        node = pending.pop()
        found[node["path"]] = node
        pending += node.get("children", [])
    return found


def test_a_package() -> None:
    document = oboromi("info", "--json", "--language", "en", NSP, *KEYS).json
    assert {name: document[name] for name in ("path", "kind", "size", "format", "entry_count")} == {
        "path": NSP,
        "kind": "nsp",
        "size": 472904,
        "format": "PFS0",
        "entry_count": 5,
    }
    assert document["titles"] == [
        {
            "title_id": "0100abcdef000000",
            "type": "Application",
            "version": 65536,
            "contents": 4,
            "required_system_version": 0,
            "name": "Fake Game ゲーム",
            "publisher": "Nobody & Söhne",
            "display_version": "1.2.3",
            "language": "AmericanEnglish",
        }
    ]
    nodes = by_path(document)
    program = nodes[PROGRAM]
    expected = {
        "kind": "nca",
        "size": 147968,
        "format": "NCA3",
        "content_type": "program",
        "title_id": "0100abcdef000000",
        "distribution": "download",
        "key_generation": 0,
        "first_firmware": "1.0.0",
        "header_encrypted": True,
        "crypto": "key_area",
        "key_area_key": "application",
    }
    assert {name: program[name] for name in expected} == expected
    assert nodes[f"{PROGRAM}/exefs"] == {
        "path": f"{PROGRAM}/exefs",
        "kind": "section",
        "size": 0x1C00,
        "index": 0,
        "fs_type": "partition_fs",
        "hash_type": "hierarchical_sha256",
        "encryption": "aes_ctr",
        "offset": 0xC00,
        "data_size": nodes[f"{PROGRAM}/exefs"]["data_size"],
        "patch": False,
        "sparse": False,
        "compressed": False,
    }
    assert nodes[f"{PROGRAM}/romfs"]["hash_type"] == "hierarchical_integrity"
    assert nodes[f"{PROGRAM}/logo"]["encryption"] == "none"


def test_a_package_as_text() -> None:
    lines = oboromi("info", NSP, *KEYS).lines
    assert lines[0] == f"{NSP}  NSP package, 461.8 KiB, 5 entries"
    assert lines[1] == "├── Application 0100abcdef000000 v65536: Fake Game ゲーム 1.2.3, by Nobody & Söhne"
    at = lines.index(f"└── {PROGRAM}  Program NCA, 144.5 KiB")
    assert lines[at + 1 :] == [
        "    ├── title 0100abcdef000000, download, SDK 0.12.17.0, NCA3",
        "    ├── key generation 0 (firmware 1.0.0), application key area",
        "    ├── program 0100abcdef000000, fakeapp, version 0, 64-bit, address space 36Bit, memory pool Application",
        "    ├── main thread: priority 44, core 0, stack 1.0 MiB",
        "    ├── file access: ApplicationInfo, Debug",
        "    ├── services: 5 used: acc:u0, fsp-srv, hid, sm:, vi:u",
        "    ├── services it hosts: fake:*",
        (
            "    ├── kernel: 5 system calls, priorities 28 to 59, cores 0 to 2, kernel 6.0, 512 handles, 2 mappings of physical memory,"
            " 1 interrupt, allow debug"
        ),
        "    ├── module main: build id 4E795564D8F92ABE10ED05873AF2404E08C6D76A, 76.0 KiB in memory",
        "    ├── exefs  PFS0, SHA-256 hashes, AES-CTR, at 0xc00, 7.0 KiB",
        "    ├── romfs  RomFS, IVFC hashes, AES-CTR, at 0x2800, 128.0 KiB",
        "    └── logo  PFS0, SHA-256 hashes, not encrypted, at 0x22800, 6.5 KiB",
    ]


def test_title_key_crypto_and_tickets() -> None:
    result = oboromi("info", DATA / "nsp" / "tk_g2.nsp", *KEYS)
    assert "key generation 2 (firmware 3.0.0), title key 0100abcdef0000000000000000000002 (ticket)" in result.text
    assert "common title key of 0100abcdef0000000000000000000002" in result.text
    document = oboromi("info", "--json", DATA / "nsp" / "tk_g2.nsp", *KEYS).json
    ticket = by_path(document)["0100abcdef0000000000000000000002.tik"]
    assert (ticket["kind"], ticket["title_key"], ticket["rights_id"]) == ("ticket", "common", "0100abcdef0000000000000000000002")
    assert by_path(document)["0100abcdef0000000000000000000002.cert"]["kind"] == "certificates"


def test_a_card() -> None:
    document = oboromi("info", "--json", DATA / "xci" / "std.xci", *KEYS).json
    expected = {
        "kind": "xci",
        "image": "trimmed",
        "trimmed_size": 541696,
        "capacity_gb": 2,
        "key_area": False,
        "header_version": 0,
        "root_offset": 0xF000,
        "secure_offset": 0x10A00,
    }
    assert {name: document[name] for name in expected} == expected
    assert document["card_info"]["region"] == "global"
    assert document["card_info"]["clock_mhz"] == 25
    assert [child["path"] for child in document["children"]] == ["update", "normal", "secure"]
    assert [title["title_id"] for title in document["titles"]] == ["0100abcdef000000"]  # normal has a copy of its meta.
    assert by_path(document)[f"secure/{PROGRAM}/romfs"]["kind"] == "section"
    text = oboromi("info", DATA / "xci" / "std.xci", *KEYS).text
    assert "2 GB card, trimmed image (529.0 KiB used), no key area" in text


def test_a_card_of_every_length(tmp_path: Path) -> None:
    image = (DATA / "xci" / "std.xci").read_bytes()
    for name, data, kind in (("full", image + b"\xff" * 0x10000, "full"), ("cut", image[:-0x1000], "truncated")):
        (tmp_path / name).write_bytes(data)
        document = oboromi("info", "--json", tmp_path / name, *KEYS).json
        assert document["image"] == kind
    (tmp_path / "dump").write_bytes(bytes(0x1000) + image)
    document = oboromi("info", "--json", tmp_path / "dump", *KEYS).json
    assert (document["key_area"], document["root_offset"]) == (True, 0x10000)
    assert document["titles"]


def test_a_card_whose_own_information_is_hidden() -> None:
    missing = oboromi("info", DATA / "xci" / "std.xci")
    assert missing.code == 0
    assert "missing key: xci_header_key (optional)" in missing.text
    wrong = oboromi("info", "--json", DATA / "xci" / "std.xci", *WRONG_KEYS).json
    assert wrong["card_info"] is None
    assert "xci_header_key is wrong" in wrong["problems"][0]


def test_an_nca_and_a_section() -> None:
    control = oboromi("info", "--json", f"{NSP}/@control", *KEYS).json
    assert (control["content_type"], [child["path"] for child in control["children"]]) == ("control", ["romfs"])
    section = oboromi("info", "--json", f"{NSP}/{CONTROL}/romfs", *KEYS).json
    assert (section["path"], section["kind"], section["index"]) == (f"{NSP}/{CONTROL}/romfs", "section", 0)
    directory = oboromi("info", "--json", f"{NSP}/@program/romfs/data", *KEYS).json
    assert (directory["files"], directory["directories"], directory["data_size"]) == (2, 1, 41000)


def test_others() -> None:
    romfs = oboromi("info", "--json", DATA / "romfs" / "tiny.st.romfs").json
    assert (romfs["kind"], romfs["files"], romfs["directories"], romfs["data_size"]) == ("romfs", 3, 2, 41006)
    hfs0 = oboromi("info", "--json", DATA / "hfs0" / "5.hb.hfs0").json
    assert (hfs0["kind"], hfs0["format"], hfs0["entry_count"]) == ("hfs0", "HFS0", 5)
    pfs0 = oboromi("info", "--json", DATA / "pfs0" / "5.lh.pfs0").json
    assert (pfs0["kind"], pfs0["children"][0]) == ("pfs0", {"path": "f0.bin", "kind": "file", "size": 3})
    assert oboromi("info", KEYS[1]).text == f"{KEYS[1]}  file, 11.3 KiB\n"
    folder = oboromi("info", "--json", DATA / "nca_forged", *KEYS).json
    assert (folder["kind"], folder["entry_count"]) == ("folder", 4)
    assert [child["format"] for child in folder["children"]] == ["NCA3", "NCA3", "NCA2", "NCA3"]
    assert "2 other files" in oboromi("info", DATA).text


def test_an_update_and_an_add_on() -> None:
    update = oboromi("info", DATA / "bktr" / "update.nca", "--keys", DATA / "bktr" / "keys" / "prod.keys")
    assert update.code == 0
    assert update.lines[-2] == "└── romfs  RomFS, IVFC hashes, AES-CTR-EX, at 0x4000, 128.0 KiB"
    said = update.lines[-1].removeprefix("    └── ")
    assert said.startswith("patch of 0100abcd00010000: ")
    assert said.endswith(" are stored; the base is not here: give it with --base PATH")
    add_on = oboromi("info", DATA / "nsp" / "addon_std.nsp", *KEYS)
    assert "AddOnContent 0100abcdef001001 v0, for 0100abcdef000000" in add_on.text


# Without keys, with wrong ones, and damaged


def test_missing_keys_are_named_in_place(tmp_path: Path) -> None:
    result = oboromi("info", NSP)
    assert result.code == 0
    assert result.text.count("missing key: header_key") == 5
    assert "problem" not in result.text
    assert result.message.startswith("warning: without header_key not all can be told: found no key file in")
    assert oboromi("-q", "info", NSP).err == b""
    path = tmp_path / "header.keys"
    lines = Path(KEYS[1]).read_text(encoding="ascii").splitlines()
    path.write_text("\n".join(line for line in lines if line.startswith("header_key ")), encoding="ascii")
    some = oboromi("info", NSP, "--keys", path)
    assert "Program NCA" in some.text
    assert some.text.count("missing key: key_area_key_application_00") == 5
    assert "Fake Game" not in some.text


def test_where_nothing_can_be_told() -> None:
    result = oboromi("info", DATA / "nca_forged" / "ctr.nca")
    assert (result.code, result.out) == (4, b"")
    assert oboromi("info", DATA / "nca_forged" / "ctr.nca", *WRONG_KEYS).code == 3


def test_wrong_keys_are_told_in_place() -> None:
    result = oboromi("info", NSP, *WRONG_KEYS)
    assert result.code == 0
    assert result.text.count("header_key is wrong") == 1
    assert result.text.count("problem: the same as of 6621313bdcbe75b4738d806f961f50f6.nca") == 4
    assert oboromi("info", "-v", NSP, *WRONG_KEYS).text.count("header_key is wrong") == 5


def test_damage_is_told_in_place(tmp_path: Path) -> None:
    image = bytearray(Path(NSP).read_bytes())
    meta = oboromi("stat", "--json", f"{NSP}/27cc13eededf1ec7055c7f88f668c033.cnmt.nca").json["offset"]
    image[meta + 0xC00 + 0x200] ^= 1  # In the section that holds the CNMT.
    path = tmp_path / "broken.nsp"
    path.write_bytes(image[:-1])
    document = oboromi("info", "--json", path, *KEYS).json
    assert document["titles"] == [] or document["titles"][0]["title_id"] == "0100abcdef000000"
    assert "truncated" in by_path(document)[PROGRAM]["problems"][0]
    assert document["problems"][0] == "is cut short: 1 bytes are missing at the end"
    assert "├── problem: is cut short: 1 bytes are missing at the end" in oboromi("info", path, *KEYS).lines


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.nsp", b"", "is empty: 0 bytes"),
        ("a.xci", b"<html>\n", "is called like an XCI card, and is none: it is text"),
        ("a.NCA", bytes(0x100), "is called like an NCA, and is none: it holds nothing but zeros to begin with"),
        ("a.nsz", b"\xff\xd8\xff\xe0", "is called like an NSZ package, and is none: it begins with bytes ffd8ffe0"),
    ],
)
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str, data: bytes, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for verb in (("info",), ("keys", "check")):
        result = oboromi(*verb, path, *KEYS)
        assert (result.code, result.out, result.message) == (3, b"", f"{path}: {text}")


def test_names_are_escaped() -> None:
    for terminal in (False, True):
        text = oboromi("info", DATA / "romfs" / "evilnames.st.romfs" / "new\nline", terminal=terminal).text
        assert text.count("\n") == 1
        assert "new\\nline  file, " in text
