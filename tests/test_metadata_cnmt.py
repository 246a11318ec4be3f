from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.cnmt import InstallType, MetaAttributes, MetaType, RecordType
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.cnmt import Cnmt, Content, MetaReference
from oboromi_fs.metadata.extended_headers import (
    AddOnContentHeader,
    ApplicationHeader,
    DataPatchHeader,
    DeltaHeader,
    ExtendedHeader,
    PatchHeader,
    SystemUpdateHeader,
)
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.opening import open_fs

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = 0x0100ABCDEF000000
PROGRAM, CONTROL, HTML, LEGAL = RecordType.PROGRAM, RecordType.CONTROL, RecordType.HTML_DOCUMENT, RecordType.LEGAL_INFORMATION

# archive -> (version, (type, hash, size) of each content)
CONTENTS: dict[str, tuple[int, list[tuple[RecordType, str, int]]]] = {
    "std_g1": (
        65536,
        [
            (PROGRAM, "d19f0a10f0c45ca6aa21e0bccdb0ae743f9fec23d8798a89abff94e626ac19ec", 147968),
            (CONTROL, "bd9d2cdfebfff758229d9426d2ae816d1ef887aaa4b5bc19f7e78e4765d812ac", 117760),
            (HTML, "23909a3b8ddb769d160288869674c74433813306e838b1162dfaf3dbb1b06d6a", 101376),
            (LEGAL, "6621313bdcbe75b4738d806f961f50f65125692774b197932b0f1ba4f052c068", 101376),
        ],
    ),
    "std_g5": (
        65536,
        [
            (PROGRAM, "4a651f7eef53bf520508bcedfe3d30551a3cffd57adc281fffc94952ee4bad1a", 147968),
            (CONTROL, "be4db5ceeadac1dbaa295c0b6e1d8a49aeb4d6e38ed2e36a35011d45dcf7bc92", 117760),
            (HTML, "66c2579c16032ef190cd91b992279bd9813c225401bc16b6cce3cdb9ae8b6161", 101376),
            (LEGAL, "4a63176080a841a2c65ec2f8efb2c42ea323e481179df11652fa3baaeb0957cc", 101376),
        ],
    ),
    "tk_g2": (
        65536,
        [
            (PROGRAM, "3f3e47ed9d53db2c060f3f7bd32a0bdf937437af0b94742686490e836242c426", 147968),
            (CONTROL, "71dc6a1987b97d0a5ccae5070213bac2622807b27dce1481992f44289e35fb73", 117760),
            (HTML, "673fb437b865e60404819fd12e041c613dd19040d805672cb0503e096360af45", 101376),
            (LEGAL, "a97c0800814c8875ab30f34a7ab73f1664f03d0a5f23265d87eb7be2c5841ad9", 101376),
        ],
    ),
    "names": (
        65536,
        [
            (PROGRAM, "7f9f28a1f23be9fb4c3398446fcfcadaf4b975ddcadd017fb4b4f5a1d14f02a1", 115200),
            (CONTROL, "a8feb0191e5538022f0941c182e8d5fe9a56a3a0e991a292426f8c9e0f66feda", 117760),
            (HTML, "0a2c9758273f72c57c00efd61fa710f2dd1d83b213e35053fa52a8f4c4eb5b82", 101376),
            (LEGAL, "bec89caf009cff26dbd6acacd697e3c2cbd96f6f82e257985439ff8ff144f0df", 101376),
        ],
    ),
    "noromfs": (
        65536,
        [
            (PROGRAM, "3f3a0842661c667347c100e4482b8083f25c8401da27e49242ec45699bf87ad6", 16896),
            (CONTROL, "60c6242151837056f2f249601244bd8aa8ceceb93262f6b1d4206d0592de3dd0", 117760),
            (HTML, "5e994e0b5fd0361c947268b46172f08e57c026c885c568b1c2723703c9119ad3", 101376),
            (LEGAL, "b3bfd74e80b602cd40ecf8f35614f6b6057b49d4e8dc46951dd236f536880935", 101376),
        ],
    ),
    "plain": (
        65536,
        [
            (PROGRAM, "924d05a88455ea1bb52888af07e2cfe67e9a91dc6bcc44715f733cf84c3fdeb0", 147968),
            (CONTROL, "c96237428760d18c64b5abe3eebb0b7191e01a030f2b4d4b824c0e0aa43c0542", 117760),
            (HTML, "6c6e9f36cc0b76f676b91361bed21dc34835c72dfdd9ac523fc2856d2f96b664", 101376),
            (LEGAL, "52b105e387db89d48a7eafd56424f0d75f82339acabdc299a094f7694d7e3a88", 101376),
        ],
    ),
    "addon_std": (0, [(RecordType.DATA, "72ce4d010f765abd087593224c3795f4a2c9f9d1efdea83af5c5448882f16538", 281600)]),
}


def expected(archive: str) -> Cnmt:
    """Every field of the CNMT in an archive."""
    version, contents = CONTENTS[archive]
    addon = archive == "addon_std"
    extended: ExtendedHeader = (
        AddOnContentHeader(application_id=APPLICATION, required_application_version=0, accessibilities=0, data_patch_id=None, unknown=())
        if addon
        else ApplicationHeader(patch_id=APPLICATION + 0x800, required_system_version=0, required_application_version=0, unknown=())
    )
    return Cnmt(
        title_id=APPLICATION + 0x1001 if addon else APPLICATION,
        version=version,
        type=MetaType.ADD_ON_CONTENT if addon else MetaType.APPLICATION,
        platform=0,
        attributes=MetaAttributes(0),
        storage_id=0,
        install_type=InstallType.FULL,
        committed=0,
        required_download_system_version=0,
        extended=extended,
        extended_rest=b"",
        contents=tuple(
            Content(type=kind, hash=bytes.fromhex(digest), content_id=None, size=size, attributes=0, id_offset=0)
            for kind, digest, size in contents
        ),
        metas=(),
        extended_data=b"",
        digest=bytes(32) if addon else b"\xdd" * 32,
        unknown=(),
    )


def comes_back(data: bytes) -> Cnmt:
    """Check that a file comes back as it was, from its value and from texts."""
    cnmt = Cnmt.read(data)
    assert cnmt.to_bytes() == data
    for again in (loads_toml(dumps_toml(cnmt), Cnmt), loads_json(dumps_json(cnmt), Cnmt)):
        assert again == cnmt
        assert again.to_bytes() == data
    return cnmt


@pytest.mark.parametrize("archive", CONTENTS)
def test_every_field_of_a_cnmt_of_another_tool(testdata: Path, corpus_keys: Path, archive: str) -> None:
    with open_fs(testdata / "nsp" / f"{archive}.nsp", corpus_keys) as fs:
        (entry,) = fs.read_dir("@meta/data")
        data = fs.read_bytes(f"@meta/data/{entry.name}")
    cnmt = comes_back(data)
    assert cnmt == expected(archive)
    assert expected(archive).to_bytes() == data
    assert Cnmt.read(MemoryStorage(data)) == cnmt
    assert cnmt.file_name == entry.name


def test_ids_of_contents_are_names_of_files(testdata: Path, corpus_keys: Path) -> None:
    with open_fs(testdata / "nsp" / "std_g1.nsp", corpus_keys) as fs:
        sizes = {entry.name: entry.size for entry in fs.read_dir() if not entry.name.endswith(".cnmt.nca")}
    assert {f"{content.id.hex()}.nca": content.size for content in expected("std_g1").contents} == sizes


def test_plain_values() -> None:
    assert expected("addon_std").to_dict() == {
        "format": "CNMT",
        "title_id": "0x0100abcdef001001",
        "version": 0,
        "type": "AddOnContent",
        "platform": 0,
        "attributes": [],
        "storage_id": 0,
        "install_type": "Full",
        "committed": 0,
        "required_download_system_version": "0.0.0-0",
        "extended_header": {"application_id": "0x0100abcdef000000", "required_application_version": 0, "accessibilities": 0},
        "contents": [
            {
                "type": "Data",
                "hash": "72ce4d010f765abd087593224c3795f4a2c9f9d1efdea83af5c5448882f16538",
                "size": 281600,
                "attributes": 0,
                "id_offset": 0,
            }
        ],
    }


def header(kind: int, extended: bytes, contents: int = 0, metas: int = 0, reserved: int = 0) -> bytes:
    sizes = (len(extended), contents, metas)
    return struct.pack("<QIBB3H4B2I", 0x1122, 0x33, kind, 0x44, *sizes, 0xFF, 0x55, 7, 0x66, 0x04230004, reserved) + extended


def test_every_field_of_the_header() -> None:
    table = comes_back(header(9, b"", reserved=0xA000000) + bytes(32)).to_dict()
    assert table == {
        "format": "CNMT",
        "title_id": "0x0000000000001122",
        "version": 0x33,
        "type": 9,
        "platform": 0x44,
        "attributes": ["IncludesExfatDriver", "Rebootless", "Compacted", "0xf8"],
        "storage_id": 0x55,
        "install_type": "Unknown",
        "committed": 0x66,
        "required_download_system_version": "1.2.3-4",
        "unknown": {"0x001f": "0a"},
    }


# type -> (bytes, value without unknown bytes, plain value)
EXTENDED: list[tuple[MetaType, bytes, ExtendedHeader, dict[str, Any]]] = [
    (
        MetaType.APPLICATION,
        struct.pack("<QII", 1, 0x04230004, 3),
        ApplicationHeader(patch_id=1, required_system_version=0x04230004, required_application_version=3),
        {"patch_id": "0x0000000000000001", "required_system_version": "1.2.3-4", "required_application_version": 3},
    ),
    (
        MetaType.PATCH,
        struct.pack("<QII8x", 1, 0x04230004, 4),
        PatchHeader(application_id=1, required_system_version=0x04230004),
        {"application_id": "0x0000000000000001", "required_system_version": "1.2.3-4"},
    ),
    (
        MetaType.ADD_ON_CONTENT,
        struct.pack("<QIB3xQ", 1, 2, 3, 4),
        AddOnContentHeader(application_id=1, required_application_version=2, accessibilities=3, data_patch_id=4),
        {
            "application_id": "0x0000000000000001",
            "required_application_version": 2,
            "accessibilities": 3,
            "data_patch_id": "0x0000000000000004",
        },
    ),
    (
        MetaType.ADD_ON_CONTENT,
        struct.pack("<QIB3x", 1, 2, 3),
        AddOnContentHeader(application_id=1, required_application_version=2, accessibilities=3),
        {"application_id": "0x0000000000000001", "required_application_version": 2, "accessibilities": 3},
    ),
    (MetaType.DELTA, struct.pack("<QI4x", 1, 4), DeltaHeader(application_id=1), {"application_id": "0x0000000000000001"}),
    (MetaType.SYSTEM_UPDATE, struct.pack("<I", 4), SystemUpdateHeader(), {}),
    (
        MetaType.DATA_PATCH,
        struct.pack("<QQII8x", 1, 2, 3, 4),
        DataPatchHeader(data_id=1, application_id=2, required_application_version=3),
        {"data_id": "0x0000000000000001", "application_id": "0x0000000000000002", "required_application_version": 3},
    ),
]
NAMES = [f"{kind.name}-{len(data):#x}" for kind, data, _, _ in EXTENDED]


@pytest.mark.parametrize(("kind", "data", "value", "plain"), EXTENDED, ids=NAMES)
def test_an_extended_header(kind: MetaType, data: bytes, value: ExtendedHeader, plain: dict[str, Any]) -> None:
    cnmt = comes_back(header(kind, data) + b"data" + bytes(32))
    assert cnmt.extended == value
    assert cnmt.extended_data == b"data"
    assert cnmt.to_dict()["extended_header"] == plain
    assert cnmt.to_dict()["extended_data"] == "64617461"


@pytest.mark.parametrize(("kind", "data", "value", "plain"), EXTENDED, ids=NAMES)
def test_an_extended_header_with_unknown_bytes_and_more_behind_it(
    kind: MetaType, data: bytes, value: ExtendedHeader, plain: dict[str, Any]
) -> None:
    del plain
    reserved = {MetaType.PATCH: 0x10, MetaType.ADD_ON_CONTENT: 0x0D, MetaType.DELTA: 0x0C, MetaType.DATA_PATCH: 0x18}.get(kind)
    changed = bytearray(data)
    if reserved is not None:
        changed[reserved : reserved + 3] = b"\1\2\3"
    cnmt = comes_back(header(kind, bytes(changed) + b"more") + b"data" + bytes(32))
    assert cnmt.extended == dataclasses.replace(value, unknown=() if reserved is None else ((reserved, b"\1\2\3"),))
    assert cnmt.extended_rest == b"more"


@pytest.mark.parametrize(("kind", "data", "value", "plain"), EXTENDED, ids=NAMES)
def test_an_extended_header_that_is_too_short(kind: MetaType, data: bytes, value: ExtendedHeader, plain: dict[str, Any]) -> None:
    del value, plain
    short = data[: min(len(data) - 1, 0xF)]
    cnmt = comes_back(header(kind, short) + bytes(32))
    assert cnmt.extended is None
    assert cnmt.extended_rest == short
    assert cnmt.to_dict()["extended_header"] is False


def test_a_declared_size_of_extended_data_that_is_not_that_of_the_data() -> None:
    cnmt = comes_back(header(MetaType.SYSTEM_UPDATE, struct.pack("<I", 3)) + b"data" + bytes(32))
    assert cnmt.extended == SystemUpdateHeader(extended_data_size=3)
    assert cnmt.to_dict()["extended_header"] == {"extended_data_size": 3}


def test_records() -> None:
    content = bytes(range(0x30)) + struct.pack("<IBBBB", 0x12345678, 0x9A, 0xFF, 9, 7)
    meta = struct.pack("<QIBBH", 0x0100000000000809, 0x04230004, 3, 2, 0x100)
    other = struct.pack("<QIBBH", 0x0100ABCDEF000800, 65536, 0x81, 0, 0)
    cnmt = comes_back(header(MetaType.SYSTEM_UPDATE, bytes(4), 1, 2) + content + meta + other + bytes(range(32)))
    assert cnmt.contents == (
        Content(type=9, hash=bytes(range(32)), content_id=bytes(range(32, 48)), size=0x9A12345678, attributes=0xFF, id_offset=7),
    )
    assert cnmt.metas == (
        MetaReference(id=0x0100000000000809, version=0x04230004, type=MetaType.SYSTEM_UPDATE, attributes=2, unknown=((0xF, b"\1"),)),
        MetaReference(id=0x0100ABCDEF000800, version=65536, type=MetaType.PATCH, attributes=0),
    )
    assert cnmt.digest == bytes(range(32))
    table: dict[str, Any] = cnmt.to_dict()
    assert table["version"] == "0.0.0-51"
    assert table["contents"][0]["content_id"] == bytes(range(32, 48)).hex()
    assert table["metas"] == [
        {"id": "0x0100000000000809", "version": "1.2.3-4", "type": "SystemUpdate", "attributes": 2, "unknown": {"0x000f": "01"}},
        {"id": "0x0100abcdef000800", "version": 65536, "type": "Patch", "attributes": 0},
    ]


# Input that is broken


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "CNMT header at 0x0: needs 0x20 bytes, the last 0x20 are missing"),
        (bytes(0x1F), "CNMT header at 0x0: needs 0x20 bytes, the last 0x1 are missing"),
        (bytes(0x3F), "CNMT header at 0xe, field extended_header_size: header, records and digest need 0x40 bytes, the file has 0x3f"),
        (header(0x80, bytes(16))[:-1] + bytes(32), "CNMT header at 0xe, .*: header, records and digest need 0x50 bytes, the file has 0x4f"),
        (header(0x80, bytes(16), 1) + bytes(0x57), "CNMT header at 0xe, .* need 0x88 bytes, the file has 0x87"),
        (header(0x80, bytes(16), 0xFFFF, 0xFFFF) + bytes(0x58), "CNMT header at 0xe, .* need 0x48000."),
        (header(0x03, b"\x05\0\0\0") + bytes(36), "CNMT header at 0x20, field extended_data_size: extended data of 0x5 bytes, 0x4 stand"),
        (header(0x81, b"\xff" * 24) + bytes(36), "CNMT header at 0x20, field extended_data_size: extended data of 0xffffffff bytes"),
    ],
)
def test_what_runs_over_the_end(data: bytes, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        Cnmt.read(data)


# From scratch


@pytest.mark.parametrize(
    ("kind", "title_id", "wanted"),
    [
        ("Application", APPLICATION, ApplicationHeader(patch_id=APPLICATION + 0x800)),
        ("Patch", APPLICATION + 0x800, PatchHeader(application_id=APPLICATION)),
        ("AddOnContent", APPLICATION + 0x1001, AddOnContentHeader(application_id=APPLICATION)),
        ("Delta", APPLICATION + 0xC00, DeltaHeader(application_id=APPLICATION)),
        ("SystemUpdate", 0x0100000000000816, SystemUpdateHeader()),
        ("DataPatch", 5, DataPatchHeader(data_id=0, application_id=0)),
        ("SystemData", 5, None),
        (0x7F, 5, None),
    ],
)
def test_id_and_type_are_enough(kind: str | int, title_id: int, wanted: ExtendedHeader | None) -> None:
    cnmt = Cnmt.from_dict({"title_id": title_id, "type": kind})
    assert cnmt.extended == wanted
    assert comes_back(cnmt.to_bytes()) == cnmt
    assert cnmt.file_name == f"{kind if isinstance(kind, str) else 'Unknown'}_{title_id:016x}.cnmt"


@pytest.mark.parametrize(
    ("text", "version"),
    [("v65536", 65536), ("65536", 65536), ("0.1.0.0", 65536), ("1.2.3-4", 0x04230004), ("255.255.255.255", 0xFFFFFFFF), (7, 7)],
)
def test_spellings_of_a_version(text: Any, version: int) -> None:
    assert Cnmt.from_dict({"title_id": 1, "type": "Patch", "version": text}).version == version


CONTENT = {"type": "Program", "hash": "ab" * 32, "size": 1}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"title_id": None}, "title_id: None is not a number"),
        ({"type": "Game"}, "type: 'Game' is not one of SystemProgram"),
        ({"version": "1.2"}, "version: '1.2' is not a version"),
        ({"version": "0.256.0.0"}, "version: 256 is more than 255, the most that fits there"),
        ({"version": "64.0.0-0"}, "version: 64 is more than 63, the most that fits there"),
        ({"version": "v"}, "version: 'v' is not a version"),
        ({"extended_header": {"patch_id": "0"}}, "[extended_header] patch_id: no such key"),
        ({"extended_header": {"unknown": {"0x18": "01"}}}, "[extended_header] unknown: 1 bytes at 0x18 lie outside 0x18"),
        ({"extended_header": 0}, "extended_header: 0 is not a table"),
        ({"type": "SystemData", "extended_header": {"patch_id": 1}}, "[extended_header] patch_id: no such key"),
        ({"contents": [CONTENT, {**CONTENT, "hash": "ab"}]}, "[contents.1] hash: 1 bytes, 32 are needed"),
        ({"contents": [{"type": "Program", "hash": "ab" * 32}]}, "[contents.0] size: missing"),
        ({"contents": [{**CONTENT, "size": 1 << 40}]}, "[contents.0] size: 1099511627776 is not between 0 and 1099511627775"),
        ({"contents": [{**CONTENT, "typ": 1}]}, "[contents.0] typ: no such key: did you mean type?"),
        ({"contents": {"0": CONTENT}}, "contents: {'0': {'type': 'Program', 'hash': 'ab... is not a list"),
        ({"contents": [CONTENT] * 65536}, "contents: 65536 of them, at most 65535 fit"),
        ({"metas": [{"id": 1, "version": 1}]}, "[metas.0] type: missing"),
        ({"digest": "00"}, "digest: 1 bytes, 32 are needed"),
        ({"title": 1}, "title: no such key: did you mean title_id?"),
    ],
)
def test_errors_name_the_key(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        Cnmt.from_dict({"title_id": 1, "type": "Patch", **table})
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"extended": PatchHeader(application_id=1)}, "CNMT, field extended_header: PatchHeader does not belong to type Application"),
        ({"type": 1}, "CNMT, field extended_header: ApplicationHeader does not belong to type SystemProgram"),
        ({"contents": (Content(type=1, hash=bytes(32), size=1 << 40),)}, "CNMT content record, field size: 1099511627776 does not fit"),
        ({"contents": (Content(type=1, hash=bytes(31), size=1),)}, "CNMT content record, field hash"),
        ({"contents": (Content(type=1, hash=bytes(32), content_id=b"", size=1),)}, "CNMT content record, field content_id"),
        (
            {"type": MetaType.DELTA, "extended": DeltaHeader(application_id=1, extended_data_size=1)},
            "CNMT, field extended_data_size: 1 bytes are given, there are 0: leave the size out",
        ),
        ({"digest": b""}, "CNMT, field digest: 0 bytes, 32 are needed"),
        ({"extended_rest": bytes(0x10000)}, "CNMT header, field extended_header_size"),
        ({"unknown": ((5, b"\1"),)}, "CNMT header: unknown bytes at 0x5 lie where something else stands by now"),
    ],
)
def test_values_that_do_not_fit(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        dataclasses.replace(expected("std_g1"), **changes).to_bytes()
    assert str(caught.value).startswith(problem)
