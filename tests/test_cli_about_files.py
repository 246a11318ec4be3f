from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nro import with_assets
from oboromi_fs.cli.about_files import file_lines
from oboromi_fs.cli.console import printable
from oboromi_fs.errors import FormatError
from oboromi_fs.jobs.describe_contents import file_facts
from oboromi_fs.metadata import Cnmt, Nacp, TicketFile
from tests.command import DATA, KEYS, NSP, oboromi

if TYPE_CHECKING:
    from pathlib import Path

EXE = DATA / "exe"
BUILD_ID = "4E795564D8F92ABE10ED05873AF2404E08C6D76A"


def lines(*arguments: str | Path) -> list[str]:
    """What ``info`` says, without the lines of the tree."""
    result = oboromi("info", "--language", "en", *arguments, *KEYS)
    assert (result.code, result.err) == (0, b"")
    return [line.lstrip("├└│─ ") for line in result.lines]


def document(*arguments: str | Path) -> Any:
    result = oboromi("info", "--json", "--language", "en", *arguments, *KEYS)
    assert (result.code, result.err) == (0, b"")
    return result.json


# Control data

NACP = [
    "Fake Game ゲーム 1.2.3, by Nobody & Söhne (AmericanEnglish)",
    "titles in 12 languages",
    "languages: AmericanEnglish, BritishEnglish, Japanese, French, German, LatinAmericanSpanish and 5 more",
    "rated: CERO 12, ESRB 10, USK 12, PEGI 12, PEGIPortugal 12, PEGIBBFC 12 and 3 more",
    "save data of each user: 62.0 MiB, journal 1.5 MiB",
    "user account Required",
]


@pytest.mark.parametrize("path", [EXE / "control.nacp", f"{NSP}/@control/romfs/control.nacp", EXE / "test_assets.nro" / "control.nacp"])
def test_control_data_wherever_they_are(path: str | Path) -> None:
    assert lines(path) == [f"{path}  control data (NACP), 16.0 KiB", *NACP]


def test_control_data_as_json() -> None:
    found = document(EXE / "control.nacp")
    assert {name: found[name] for name in ("kind", "size", "name", "publisher", "display_version", "language", "rating_ages")} == {
        "kind": "nacp",
        "size": 0x4000,
        "name": "Fake Game ゲーム",
        "publisher": "Nobody & Söhne",
        "display_version": "1.2.3",
        "language": "AmericanEnglish",
        "rating_ages": {
            "CERO": 12,
            "ESRB": 10,
            "USK": 12,
            "PEGI": 12,
            "PEGIPortugal": 12,
            "PEGIBBFC": 12,
            "Russian": 12,
            "ACB": 13,
            "OFLC": 13,
        },
    }
    assert found["fields"] == Nacp.read((EXE / "control.nacp").read_bytes()).to_dict()


def nacp_file(folder: Path, **table: Any) -> Path:
    path = folder / "control.nacp"
    path.write_bytes(Nacp.from_dict(table).to_bytes())
    return path


NAMES = {"AmericanEnglish": {"name": "Game", "publisher": "P"}, "Japanese": {"name": "ゲーム"}, "CanadianFrench": {"name": "Jeu"}}


@pytest.mark.parametrize(
    ("language", "shown"),
    [("ja", "ゲーム 1.0 (Japanese)"), ("fr_FR.UTF-8", "Jeu 1.0 (CanadianFrench)"), ("Korean", "Game 1.0, by P (AmericanEnglish)")],
)
def test_names_in_the_user_s_language(tmp_path: Path, language: str, shown: str) -> None:
    path = nacp_file(tmp_path, titles=NAMES, version="1.0")
    assert oboromi("info", "--language", language, path).lines[1] == f"├── {shown}"


def test_the_language_of_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nacp_file(tmp_path, titles=NAMES, version="1.0")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert oboromi("info", path).lines[1] == "├── ゲーム 1.0 (Japanese)"
    monkeypatch.setenv("LC_ALL", "C")
    assert oboromi("info", path).lines[1] == "├── Game 1.0, by P (AmericanEnglish)"


def test_a_language_that_no_title_has() -> None:
    result = oboromi("info", "--language", "tlh", EXE / "control.nacp")
    assert result.code == 2
    assert result.message.endswith("or a code such as en, ja or pt-BR, not 'tlh'")


def test_all_names_where_more_is_asked_for(tmp_path: Path) -> None:
    found = lines("-v", nacp_file(tmp_path, titles=NAMES, version="1.0"))
    assert found[2:5] == ["AmericanEnglish: Game, by P", "Japanese: ゲーム", "CanadianFrench: Jeu"]


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    path = nacp_file(tmp_path, name="a\x1b[2Jb\n\u202ec", publisher="hex:ff41", version="1\t2")
    found = lines(path)
    assert found[1] == "a\\x1b[2Jb\\n\\u202ec 1\\t2, by \\xffA (AmericanEnglish)"
    assert "problem: the title in AmericanEnglish is not UTF-8" in found


def test_control_data_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "control.nacp"
    path.write_bytes((EXE / "control.nacp").read_bytes()[:0x3100])
    assert lines(path)[-1] == "problem: has 0x3100 bytes, and should have 0x4000"
    path.write_bytes(b"")
    result = oboromi("info", path)
    assert (result.code, result.message) == (3, f"NACP of {path} at 0x0: the file is empty")


# Programs

PROGRAM = [
    "program 0100abcdef000000, fakeapp, version 0, 64-bit, address space 36Bit, memory pool Application",
    "main thread: priority 44, core 0, stack 1.0 MiB",
    "file access: ApplicationInfo, Debug",
    "save data of others: 0100abcdef000000",
    "services: 5 used: acc:u0, fsp-srv, hid, sm:, vi:u",
    "services it hosts: fake:*",
    (
        "kernel: 5 system calls, priorities 28 to 59, cores 0 to 2, kernel 6.0, 512 handles, 2 mappings of physical memory, 1 interrupt,"
        " allow debug"
    ),
]


def test_program_metadata(tmp_path: Path) -> None:
    path = EXE / "main_owners.npdm"
    assert lines(path) == [f"{path}  program metadata (NPDM), 1.0 KiB", *PROGRAM]
    other = tmp_path / "renamed"  # Told by its magic.
    other.write_bytes(path.read_bytes())
    assert lines(other)[1:] == PROGRAM


def test_all_of_a_program_where_more_is_asked_for() -> None:
    found = lines("-v", EXE / "main_owners.npdm")
    assert found[1:8] == PROGRAM
    assert found[8:] == [
        "system calls: SetHeapSize, MapMemory, CreateThread, SendSyncRequest, GetInfo",
        "mapping: I/O 0x80060000, 0x10000 bytes",
        "mapping: I/O 0x70000000, 0x1000 bytes",
    ]


def test_program_metadata_as_json() -> None:
    found = document(EXE / "main_owners.npdm")
    assert found["file_access"] == ["ApplicationInfo", "Debug"]
    assert found["services"] == ["acc:u0", "fsp-srv", "hid", "sm:", "vi:u"]
    assert found["hosted_services"] == ["fake:*"]
    assert found["save_data_owners"] == [{"id": "0x0100abcdef000000", "access": "Read"}]
    assert found["main_thread"] == {"priority": 44, "core": 0, "stack_size": 0x100000}
    kernel = found["kernel"]
    assert (kernel["priorities"], kernel["cores"], kernel["handles"], kernel["kernel_version"]) == ([28, 59], [0, 2], 512, "6.0")
    assert found["fields"]["program_id"] == "0x0100abcdef000000"


def test_a_program_in_a_package_as_json() -> None:
    program = next(child["program"] for child in document(NSP)["children"] if child.get("content_type") == "program")
    assert program["modules"] == [{"name": "main", "build_id": BUILD_ID + "0" * 24, "image_size": 0x13000}]
    assert (program["program_id"], program["name"]) == ("0100abcdef000000", "fakeapp")
    assert "problems" not in program


# Executables


def test_an_nso() -> None:
    path = EXE / "test.nso"
    expected = [
        f"build id {BUILD_ID}, 76.0 KiB in memory",
        "text r-x at 0x0: 4.0 KiB, 207 bytes compressed",
        "ro r-- at 0x1000: 16.3 KiB, 304 bytes compressed",
        "data rw- at 0x6000: 12.0 KiB, 161 bytes compressed",
        "bss: 39.1 KiB",
    ]
    assert lines(path) == [f"{path}  NSO module, 928 bytes", *expected]
    assert lines(f"{NSP}/@program/exefs/main")[1:] == expected
    found = document(path)
    assert found["mod0"] == {
        "offset": 0x1000,
        "dynamic": 0x6000,
        "bss": [0x9000, 0x12C40],
        "eh_frame_hdr": [0x1000, 0x1000],
        "module_object": 0x1000,
        "libnx": False,
    }
    assert (found["hashed"], found["module_path"], found["prevent_code_reads"]) == (["text", "ro", "data"], "", False)


def test_a_kip() -> None:
    path = EXE / "test.kip"
    assert lines(path) == [
        f"{path}  KIP program, 4.5 KiB",
        "program 0100abcdef00f000, fakekip, version 1, is 64 bit, address space 64 bit, secure memory, immortal",
        "main thread: priority 49, core 3, stack 16.0 KiB",
        "kernel: 2 system calls, priorities 24 to 63, cores 3 to 3, kernel 3.0, 128 handles",
        "text r-x at 0x0: 4.0 KiB, 676 bytes compressed",
        "ro r-- at 0x1000: 16.3 KiB, 2.1 KiB compressed",
        "data rw- at 0x6000: 12.0 KiB, 1.5 KiB compressed",
        "bss: 40.0 KiB",
    ]


def test_a_bundle_of_kips(tmp_path: Path) -> None:
    kip = (EXE / "test.kip").read_bytes()
    path = tmp_path / "bundle"
    path.write_bytes(b"INI1" + (0x10 + 2 * len(kip)).to_bytes(4, "little") + b"\2\0\0\0" + bytes(4) + 2 * kip)
    assert lines(path)[1:] == ["fakekip: program 0100abcdef00f000, 4.5 KiB"] * 2


def test_an_nro_with_assets() -> None:
    path = EXE / "test_assets.nro"
    found = lines(path)
    assert found[:5] == [
        f"{path}  NRO program, 95.8 KiB",
        f"build id {BUILD_ID}, 76.0 KiB in memory, homebrew",
        "text r-x at 0x0: 4.0 KiB",
        "ro r-- at 0x1000: 20.0 KiB",
        "data rw- at 0x6000: 12.0 KiB",
    ]
    at = found.index("control.nacp  control data (NACP), 16.0 KiB")
    assert found[at + 1 :] == [*NACP, "romfs  RomFS image, 40.8 KiB, 3 files, 2 directories"]


def test_an_icon(tmp_path: Path) -> None:
    icon = b"\xff\xd8\xff\xc0\0\x11\x08\1\0\1\0\3" + bytes(9) + b"\xff\xd9"
    path = tmp_path / "a.nro"
    nro = MemoryStorage((EXE / "test.nro").read_bytes())
    path.write_bytes(with_assets(nro, icon=MemoryStorage(icon))[:].tobytes())
    assert "256 x 256 pixels" in lines(path)


@pytest.mark.parametrize("name", ["test.nso", "test.kip", "test_assets.nro"])
def test_damaged_executables_are_told_of(tmp_path: Path, name: str) -> None:
    data = bytearray((EXE / name).read_bytes())
    if name == "test.nso":
        data[0x24:0x28] = bytes(4)  # The memory offset of ro.
    elif name == "test.kip":
        data[0x30:0x34] = bytes(4)
    else:
        data[0x28:0x2C] = bytes(4)
    path = tmp_path / name
    path.write_bytes(data)
    assert any("ro at 0x0 in memory overlaps what ends at 0x1000" in line for line in lines(path))


# Content meta, tickets, certificates


def test_a_content_meta() -> None:
    expected = [
        "Application 0100abcdef000000 v65536",
        "Program d19f0a10f0c45ca6aa21e0bccdb0ae74, 144.5 KiB",
        "Control bd9d2cdfebfff758229d9426d2ae816d, 115.0 KiB",
        "HtmlDocument 23909a3b8ddb769d160288869674c744, 99.0 KiB",
        "LegalInformation 6621313bdcbe75b4738d806f961f50f6, 99.0 KiB",
    ]
    assert lines(f"{NSP}/@meta/data/Application_0100abcdef000000.cnmt")[1:] == expected
    assert lines(f"{NSP}/@meta")[3:8] == expected


def test_a_content_meta_of_an_update_and_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "a.cnmt"
    table: dict[str, Any] = {
        "title_id": 0x0100ABCDEF000800,
        "type": "Patch",
        "version": 0x20000,
        "extended_header": {"required_system_version": "1.2.3"},
        "extended_data": {
            "histories": [{"id": 1, "version": 0x10000, "type": "Patch", "digest": "00" * 32}],
            "deltas": [{"source_id": 1, "source_version": 0x10000, "destination_id": 1, "destination_version": 0x20000}],
        },
    }
    path.write_bytes(Cnmt.from_dict(table).to_bytes())
    assert lines(path)[1:] == [
        "Patch 0100abcdef000800 v131072, for 0100abcdef000000, needs firmware 1.2.3",
        "earlier versions: v65536",
        "delta from v65536 to v131072",
        "problem: lists no contents",
    ]
    path.write_bytes(Cnmt.from_dict({"title_id": 0x0100000000000816, "type": "SystemUpdate", "version": "4.1.0-5"}).to_bytes())
    assert lines(path)[1:] == ["SystemUpdate 0100000000000816 4.1.0-5"]


def test_tickets(tmp_path: Path) -> None:
    package = DATA / "nsp" / "tk_g2.nsp"
    assert lines(package / "0100abcdef0000000000000000000002.tik")[1:] == [
        "common title key of 0100abcdef0000000000000000000002",
        "title 0100abcdef000000, key generation 2, license Permanent",
        "a tool-made signature (RSA-2048 SHA-256), issuer Root-CA00000003-XS00000020",
    ]
    path = tmp_path / "a.tik"
    ticket = TicketFile.from_dict(
        {
            "rights_id": "0100abcdef0000000000000000000005",
            "title_key_block": "ab" * 256,
            "key_type": "Personalised",
            "device_id": 0x1234,
            "signature": "12" * 0x3C,
            "signature_type": "ECDSA SHA-256",
            "property_mask": ["PreInstall"],
            "common_key_id": 4,
        }
    )
    path.write_bytes(ticket.to_bytes())
    assert lines(path)[1:] == [
        "personal title key of 0100abcdef0000000000000000000005",
        "title 0100abcdef000000, key generation 5, license Permanent, PreInstall, console 0000000000001234, account 00000000",
        "signature (ECDSA SHA-256), issuer Root-CA00000003-XS00000020",
        "problem: is for key generation 4, and its rights id for 5",
    ]


def test_certificates() -> None:
    path = DATA / "nsp" / "tk_g2.nsp" / "0100abcdef0000000000000000000002.cert"
    assert lines(path)[1:] == [
        "CA00000003: RSA-2048 key, signed by Root (RSA-4096 SHA-256)",
        "XS00000020: RSA-2048 key, signed by Root-CA00000003 (RSA-2048 SHA-256)",
    ]


# Anything


@given(data=st.data())
def test_whatever_a_file_holds_is_told_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["test.nso", "test.kip", "test_assets.nro", "main_owners.npdm", "control.nacp"]))
    blob = bytearray((EXE / name).read_bytes())
    for at in data.draw(st.lists(st.integers(0, min(len(blob), 0x400) - 1), max_size=8)):
        blob[at] = data.draw(st.integers(0, 255))
    try:
        facts = file_facts(name, MemoryStorage(bytes(blob)), top=True)
    except FormatError:
        return
    for verbose in (False, True):
        for line in file_lines({"kind": "file", **facts}, verbose=verbose):
            assert printable(line) == line
    json.dumps(facts)


@given(kind=st.sampled_from([".nacp", ".npdm", ".cnmt", ".tik", ".cert"]), blob=st.binary(max_size=0x400))
def test_files_by_a_name_that_means_nothing(kind: str, blob: bytes) -> None:
    try:
        facts = file_facts(f"a{kind}", MemoryStorage(blob), top=True)
    except FormatError:
        return
    assert list(file_lines({"kind": "file", **facts}, verbose=True))


def test_a_folder_of_loose_files(tmp_path: Path) -> None:
    for name in ("main_owners.npdm", "test.nso", "icon.jpg"):
        (tmp_path / name).write_bytes((EXE / name).read_bytes())
    (tmp_path / "server.cert").write_bytes(b"-----BEGIN CERTIFICATE-----")
    (tmp_path / "control.nacp").write_bytes(b"")
    found = lines(tmp_path)
    assert found[:2] == [f"{tmp_path}  folder, 5 entries", "2 other files, 0 folders"]
    assert found[2:4] == ["control.nacp  file, 0 bytes", f"problem: NACP of {tmp_path / 'control.nacp'} at 0x0: the file is empty"]
    assert "main_owners.npdm  program metadata (NPDM), 1.0 KiB" in found
    assert "test.nso  NSO module, 928 bytes" in found
    assert not any("server.cert" in line for line in found)
