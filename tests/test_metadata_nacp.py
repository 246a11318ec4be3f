from __future__ import annotations

import dataclasses
import random
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.nacp import (
    AddOnContentRegistration,
    ApplicationAttributes,
    AppropriateAgeForChina,
    ContentsAvailabilityPolicy,
    ControlDataCondition,
    ControlDataItem,
    JitFlags,
    Language,
    LanguageFlags,
    LogoHandling,
    LogoType,
    NeighborGroup,
    NetworkServiceLicense,
    ParentalControl,
    PlayLogPolicy,
    PlayLogQueryCapability,
    RepairFlags,
    RuntimeAddOnContentInstall,
    RuntimeParameterDelivery,
    Screenshot,
    StartupUserAccount,
    StartupUserAccountOption,
    TitlesFormat,
    VideoCapture,
)
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.nacp import Nacp
from oboromi_fs.metadata.text import dumps_json, dumps_toml, loads_json, loads_toml
from oboromi_fs.metadata.titles import ApplicationTitle

if TYPE_CHECKING:
    from pathlib import Path

TITLE = ApplicationTitle("Fake Game ゲーム", "Nobody & Söhne")
NONE = ApplicationTitle()
FIELDS: dict[str, Any] = {
    "titles": (TITLE,) * 12 + (NONE,) * 4,
    "isbn": "",
    "startup_user_account": StartupUserAccount.REQUIRED,
    "user_account_switch_lock": False,
    "add_on_content_registration": AddOnContentRegistration.ALL_ON_LAUNCH,
    "attributes": ApplicationAttributes(0),
    "supported_languages": LanguageFlags(0x0BFF),
    "parental_control": ParentalControl(0),
    "screenshot": Screenshot.ALLOW,
    "video_capture": VideoCapture.OFF,
    "data_loss_confirmation": True,
    "play_log_policy": PlayLogPolicy.OPEN,
    "presence_group_id": 0x0100ABCDEF000000,
    "rating_ages": (12, -1, -1, 10, -1, 12, 12, 12, 12, 12, 13, 13, *(-1,) * 20),
    "display_version": "1.2.3",
    "add_on_content_base_id": 0x0100ABCDEF001000,
    "save_data_owner_id": 0x0100ABCDEF000000,
    "user_account_save_data_size": 0x3E00000,
    "user_account_save_data_journal_size": 0x180000,
    "device_save_data_size": 0,
    "device_save_data_journal_size": 0,
    "bcat_delivery_cache_storage_size": 0,
    "application_error_code_category": "",
    "local_communication_ids": (0x0100ABCDEF000000, 0, 0, 0, 0, 0, 0, 0),
    "logo_type": LogoType.NINTENDO,
    "logo_handling": LogoHandling.MANUAL,
    "runtime_add_on_content_install": RuntimeAddOnContentInstall.DENY,
    "runtime_parameter_delivery": RuntimeParameterDelivery.ALWAYS,
    "appropriate_age_for_china": AppropriateAgeForChina.NONE,
    "crash_report": False,
    "hdcp": False,
    "pseudo_device_id_seed": 0,
    "bcat_passphrase": "",
    "startup_user_account_option": StartupUserAccountOption(0),
    "user_account_save_data_size_max": 0,
    "user_account_save_data_journal_size_max": 0,
    "device_save_data_size_max": 0,
    "device_save_data_journal_size_max": 0,
    "temporary_storage_size": 0,
    "cache_storage_size": 0,
    "cache_storage_journal_size": 0,
    "cache_storage_data_and_journal_size_max": 0,
    "cache_storage_index_max": 0,
    "runtime_upgrade": False,
    "supporting_limited_application_licenses": 0,
    "play_log_queryable_application_ids": (0,) * 16,
    "play_log_query_capability": PlayLogQueryCapability.NONE,
    "repair_flags": RepairFlags(0),
    "program_index": 0,
    "required_network_service_license": NetworkServiceLicense(0),
    "application_error_code_prefix": 0,
    "titles_format": TitlesFormat.PLAIN,
    "acd_index": 0,
    "apparent_platform": 0,
    "neighbor_detection_send": NeighborGroup(0, bytes(16)),
    "neighbor_detection_receivable": (NeighborGroup(0, bytes(16)),) * 16,
    "jit_flags": JitFlags(0),
    "jit_memory_size": 0,
    "required_add_on_contents_set": bytes(0x40),
    "play_report_permission": 0,
    "crash_screenshot_for_prod": False,
    "crash_screenshot_for_dev": False,
    "contents_availability_policy": ContentsAvailabilityPolicy.NO_POLICY,
    "supported_languages_for_nx_add_on": 0,
    "accessible_launch_required_versions": (0,) * 8,
    "control_data_condition": ControlDataCondition(types=(0,) * 8, items=(ControlDataItem(),) * 8, count=0),
    "initial_program_index": 0,
    "accessible_program_index_flags": 0,
    "album_file_export": 0,
    "save_data_certificate": bytes(0x80),
    "has_in_game_voice_chat": False,
    "supported_extra_add_on_content_flags": 0,
    "has_karaoke_feature": False,
    "platform_specific_region": bytes(0x400),
    "titles_compressed": b"",
    "file_size": 0x4000,
    "trailing": b"",
    "unknown": (),
}


def through_texts(nacp: Nacp) -> Nacp:
    """What both texts say, which must be the same."""
    value = loads_toml(dumps_toml(nacp), Nacp)
    assert loads_json(dumps_json(nacp), Nacp) == value
    return value


@pytest.fixture
def sample(testdata: Path) -> bytes:
    return (testdata / "exe" / "control.nacp").read_bytes()


def test_every_field_of_a_nacp_of_another_tool(sample: bytes) -> None:
    nacp = Nacp.read(sample)
    assert {each.name for each in dataclasses.fields(Nacp)} == set(FIELDS)
    for name, wanted in FIELDS.items():
        assert (name, getattr(nacp, name)) == (name, wanted)
        assert type(getattr(nacp, name)) is type(wanted)
    assert nacp.to_bytes() == sample
    assert nacp == Nacp(**FIELDS)


def test_a_nacp_of_another_tool_comes_back_from_texts(sample: bytes) -> None:
    nacp = Nacp.read(MemoryStorage(sample))
    assert through_texts(nacp) == nacp
    assert through_texts(nacp).to_bytes() == sample


def test_plain_values(sample: bytes) -> None:
    table = Nacp.read(sample).to_dict()
    assert table["format"] == "NACP"
    assert table["startup_user_account"] == "Required"
    assert table["presence_group_id"] == "0x0100abcdef000000"
    assert table["local_communication_ids"] == ["0x0100abcdef000000"]
    assert table["data_loss_confirmation"] is True
    assert table["user_account_save_data_size"] == 65011712
    assert table["rating_ages"] == {
        "CERO": 12,
        "ESRB": 10,
        "USK": 12,
        "PEGI": 12,
        "PEGIPortugal": 12,
        "PEGIBBFC": 12,
        "Russian": 12,
        "ACB": 13,
        "OFLC": 13,
    }
    assert table["supported_languages"] == [
        "AmericanEnglish",
        "BritishEnglish",
        "Japanese",
        "French",
        "German",
        "LatinAmericanSpanish",
        "Spanish",
        "Italian",
        "Dutch",
        "CanadianFrench",
        "Russian",
    ]
    titles = table["titles"]
    assert isinstance(titles, dict)
    assert list(titles)[10:] == ["Portuguese", "Russian"]
    assert titles["Japanese"] == {"name": "Fake Game ゲーム", "publisher": "Nobody & Söhne"}
    assert not {"unknown", "trailing", "file_size", "titles_compressed", "save_data_certificate"} & set(table)


# Every field at once, none with its default. (offset, bytes, key of the text, plain value, value)
CHANGES: list[tuple[int, bytes, str, Any, Any]] = [
    (0x3000, b"978-3", "isbn", "978-3", "978-3"),
    (0x3025, b"\x02", "startup_user_account", "RequiredWithNetworkAccount", StartupUserAccount.REQUIRED_WITH_NETWORK_ACCOUNT),
    (0x3026, b"\x01", "user_account_switch_lock", True, True),
    (0x3027, b"\x01", "add_on_content_registration", "OnDemand", AddOnContentRegistration.ON_DEMAND),
    (0x3028, b"\x01\x00\x00\x80", "attributes", ["Demo", "0x80000000"], 0x80000001),
    (0x302C, b"\x04\x00\x01\x00", "supported_languages", ["Japanese", "0x10000"], 0x10004),
    (0x3030, b"\x01", "parental_control", ["FreeCommunication"], 1),
    (0x3034, b"\x01", "screenshot", "Deny", Screenshot.DENY),
    (0x3035, b"\x02", "video_capture", "On", VideoCapture.ON),
    (0x3036, b"\x02", "data_loss_confirmation", 2, 2),
    (0x3037, b"\x03", "play_log_policy", "Closed", PlayLogPolicy.CLOSED),
    (0x3038, b"\x01", "presence_group_id", "0x0000000000000001", 1),
    (0x3060, b"9.9", "display_version", "9.9", "9.9"),
    (0x3070, b"\x02", "add_on_content_base_id", "0x0000000000000002", 2),
    (0x3078, b"\x03", "save_data_owner_id", "0x0000000000000003", 3),
    (0x3080, b"\x04", "user_account_save_data_size", 4, 4),
    (0x3088, b"\x05", "user_account_save_data_journal_size", 5, 5),
    (0x3090, b"\x06", "device_save_data_size", 6, 6),
    (0x3098, b"\x07", "device_save_data_journal_size", 7, 7),
    (0x30A0, b"\x00\x00\x00\x00\x00\x00\x00\x80", "bcat_delivery_cache_storage_size", "0x8000000000000000", 1 << 63),
    (0x30A8, b"2ABCDEFG", "application_error_code_category", "2ABCDEFG", "2ABCDEFG"),
    (0x30B8, b"\x01", "local_communication_ids", ["0x0000000000000000", "0x0000000000000001"], (0, 1, 0, 0, 0, 0, 0, 0)),
    (0x30F0, b"\x01", "logo_type", "DistributedByNintendo", LogoType.DISTRIBUTED_BY_NINTENDO),
    (0x30F1, b"\x01", "logo_handling", "Manual", LogoHandling.MANUAL),
    (0x30F2, b"\x01", "runtime_add_on_content_install", "AllowAppend", RuntimeAddOnContentInstall.ALLOW_APPEND),
    (0x30F3, b"\x02", "runtime_parameter_delivery", "OnRestart", RuntimeParameterDelivery.ON_RESTART),
    (0x30F4, b"\x03", "appropriate_age_for_china", "Age16", AppropriateAgeForChina.AGE_16),
    (0x30F6, b"\x01", "crash_report", True, True),
    (0x30F7, b"\x01", "hdcp", True, True),
    (0x30F8, b"\xff", "pseudo_device_id_seed", "0x00000000000000ff", 255),
    (0x3100, b"p" * 0x41, "bcat_passphrase", "p" * 0x41, "p" * 0x41),
    (0x3141, b"\x01", "startup_user_account_option", ["Optional"], 1),
    (0x3148, b"\x01", "user_account_save_data_size_max", 1, 1),
    (0x3150, b"\x02", "user_account_save_data_journal_size_max", 2, 2),
    (0x3158, b"\x03", "device_save_data_size_max", 3, 3),
    (0x3160, b"\x04", "device_save_data_journal_size_max", 4, 4),
    (0x3168, b"\x05", "temporary_storage_size", 5, 5),
    (0x3170, b"\x06", "cache_storage_size", 6, 6),
    (0x3178, b"\x07", "cache_storage_journal_size", 7, 7),
    (0x3180, b"\x08", "cache_storage_data_and_journal_size_max", 8, 8),
    (0x3188, b"\x01\x02", "cache_storage_index_max", 0x201, 0x201),
    (0x318B, b"\x01", "runtime_upgrade", True, True),
    (0x318C, b"\x01", "supporting_limited_application_licenses", 1, 1),
    (0x3190, b"\x09", "play_log_queryable_application_ids", ["0x0000000000000009"], (9, *(0,) * 15)),
    (0x3210, b"\x01", "play_log_query_capability", "WhiteList", PlayLogQueryCapability.WHITE_LIST),
    (0x3211, b"\x03", "repair_flags", ["SuppressGameCardAccess", "0x2"], 3),
    (0x3212, b"\x04", "program_index", 4, 4),
    (0x3213, b"\x01", "required_network_service_license", ["Common"], 1),
    (0x3214, b"\x05", "application_error_code_prefix", 5, 5),
    (0x3216, b"\x06", "acd_index", 6, 6),
    (0x3217, b"\x07", "apparent_platform", 7, 7),
    (0x3218, b"\x01" + bytes(7) + b"k" * 16, "neighbor_detection_send", {"group_id": "0x0000000000000001", "key": "6b" * 16}, ...),
    (0x3230, b"\x02", "neighbor_detection_receivable", [{"group_id": "0x0000000000000002", "key": "00" * 16}], ...),
    (0x33B0, b"\x01", "jit_flags", ["Enabled"], 1),
    (0x33B8, b"\x01", "jit_memory_size", 1, 1),
    (0x33C0, b"\xaa" * 0x40, "required_add_on_contents_set", "aa" * 0x40, b"\xaa" * 0x40),
    (0x3400, b"\x01", "play_report_permission", 1, 1),
    (0x3401, b"\x01", "crash_screenshot_for_prod", True, True),
    (0x3402, b"\x01", "crash_screenshot_for_dev", True, True),
    (0x3403, b"\x02", "contents_availability_policy", "Changeable", ContentsAvailabilityPolicy.CHANGEABLE),
    (0x3404, b"\x08", "supported_languages_for_nx_add_on", 8, 8),
    (0x3408, b"\x01", "accessible_launch_required_versions", [1], (1, *(0,) * 7)),
    (
        0x3448,
        b"\x07" + bytes(7) + b"\x01" + bytes(7) + b"\x02\x01" + bytes(0x76) + b"\x01",
        "control_data_condition",
        {"count": 1, "types": [7], "items": [{"priority": 1, "add_on_content_index": 0x102}]},
        ...,
    ),
    (0x34D1, b"\x02", "initial_program_index", 2, 2),
    (0x34D4, b"\x03", "accessible_program_index_flags", 3, 3),
    (0x34D8, b"\x04", "album_file_export", 4, 4),
    (0x34E0, b"\xcc" * 0x80, "save_data_certificate", "cc" * 0x80, b"\xcc" * 0x80),
    (0x3560, b"\x01", "has_in_game_voice_chat", True, True),
    (0x3564, b"\x05", "supported_extra_add_on_content_flags", 5, 5),
    (0x3568, b"\x01", "has_karaoke_feature", True, True),
    (0x3C00, b"\xdd" * 0x400, "platform_specific_region", "dd" * 0x400, b"\xdd" * 0x400),
]


@pytest.mark.parametrize(("offset", "written", "key", "plain", "value"), CHANGES, ids=[change[2] for change in CHANGES])
def test_a_field(offset: int, written: bytes, key: str, plain: Any, value: Any) -> None:
    data = bytearray(0x4000)
    data[offset : offset + len(written)] = written
    nacp = Nacp.read(bytes(data))
    assert nacp.unknown == ()
    assert nacp.to_dict()[key] == plain
    if value is not ...:
        assert getattr(nacp, key) == value
    assert through_texts(nacp).to_bytes() == data
    blank = {name: empty for name, empty in Nacp.read(bytes(0x4000)).to_dict().items() if name != key}
    assert Nacp.from_dict({**blank, key: plain}).to_bytes() == data


def test_every_field_is_tried() -> None:
    apart = {"titles", "titles_format", "rating_ages", "titles_compressed", "file_size", "trailing", "unknown"}
    assert {change[2] for change in CHANGES} | apart == {each.name for each in dataclasses.fields(Nacp)}


def test_ages() -> None:
    data = bytearray(0x4000)
    data[0x3040:0x3060] = bytes([3, *[0xFF] * 12, 0x80, *[0xFF] * 17, 18])
    nacp = Nacp.read(bytes(data))
    assert nacp.rating_ages == (3, *(-1,) * 12, -128, *(-1,) * 17, 18)
    assert nacp.to_dict()["rating_ages"] == {"CERO": 3, "13": -128, "31": 18}
    assert through_texts(nacp).to_bytes() == data


@pytest.mark.parametrize("offset", [0x30F5, 0x3142, 0x318A, 0x3405, 0x3451, 0x345A, 0x34D2, 0x34D9, 0x3561, 0x3569, 0x3BFF])
def test_reserved_bytes_are_kept(offset: int) -> None:
    data = bytearray(0x4000)
    data[offset] = 0xA5
    nacp = Nacp.read(bytes(data))
    assert nacp.unknown == ((offset, b"\xa5"),)
    assert nacp.to_dict()["unknown"] == {f"{offset:#06x}": "a5"}
    assert nacp.to_bytes() == data
    assert through_texts(nacp).to_bytes() == data


def test_unknown_bytes_in_a_field_are_refused() -> None:
    table = {"display_version": "1.2.3", "unknown": {"0x3060": "ff"}}
    with pytest.raises(FormatError, match=r"NACP: unknown bytes at 0x3060 lie where something else stands by now: remove them"):
        Nacp.from_dict(table).to_bytes()


@pytest.mark.parametrize("size", [1, 0x300, 0x3000, 0x3070, 0x3FFF])
def test_a_short_file_is_extended_with_zeros_and_its_length_kept(sample: bytes, size: int) -> None:
    nacp = Nacp.read(sample[:size])
    assert nacp.file_size == size
    assert nacp.to_dict()["file_size"] == size
    assert nacp.to_bytes() == sample[:size]
    assert through_texts(nacp).to_bytes() == sample[:size]
    assert dataclasses.replace(nacp, file_size=0x4000).to_bytes() == sample[:size].ljust(0x4000, b"\0")


def test_a_short_file_must_not_cut_off_anything(sample: bytes) -> None:
    nacp = dataclasses.replace(Nacp.read(sample), file_size=0x3070)
    with pytest.raises(FormatError, match="NACP, field file_size: 0x3070 bytes, there is something up to 0x30f2"):
        nacp.to_bytes()


def test_what_trails_is_kept(sample: bytes) -> None:
    nacp = Nacp.read(sample + b"more")
    assert nacp.trailing == b"more"
    assert nacp.to_dict()["trailing"] == "6d6f7265"
    assert through_texts(nacp).to_bytes() == sample + b"more"
    with pytest.raises(FormatError, match="something trails a file of 0x10 bytes"):
        Nacp(file_size=0x10, trailing=b"x", rating_ages=(0,) * 32).to_bytes()


def test_sizes_that_are_no_nacp() -> None:
    with pytest.raises(CorruptError, match="NACP at 0x0: the file is empty"):
        Nacp.read(b"")
    with pytest.raises(CorruptError, match="NACP: 0x10001 bytes, at most 0x10000 are read"):
        Nacp.read(bytes(0x10001))


# Titles


def test_text_behind_a_nul_and_text_that_is_not_utf8_are_kept() -> None:
    data = bytearray(0x4000)
    data[0:8] = b"ab\0cd\xff\xfe\0"
    data[0x200:0x204] = b"hex:"
    data[0x300:0x500] = b"\xc3\xa9" * 0x100
    nacp = Nacp.read(bytes(data))
    assert nacp.titles[0].name == "ab\0cd\udcff\udcfe"
    assert nacp.title() == ApplicationTitle("ab", "hex:")
    assert nacp.titles[1].name == "é" * 0x100
    plain = nacp.to_dict()["titles"]
    assert isinstance(plain, dict)
    assert plain["AmericanEnglish"] == {"name": "hex:6162006364fffe", "publisher": "hex:6865783a"}
    assert through_texts(nacp).to_bytes() == data


def test_which_title_is_shown(sample: bytes) -> None:
    nacp = Nacp.read(sample)
    german, english, korean = ApplicationTitle("Spiel", "V"), ApplicationTitle("Game", "P"), ApplicationTitle("게임", "")
    some = dataclasses.replace(nacp, titles=(english, NONE, NONE, NONE, german, *(NONE,) * 7, korean))
    assert some.title("German") == some.title(Language.GERMAN) == german
    assert some.title("French") == some.title() == some.title("Klingon") == english
    assert dataclasses.replace(nacp, titles=(NONE, NONE, NONE, korean, german)).title("Japanese") == korean
    assert dataclasses.replace(nacp, titles=()).title() is None
    assert dataclasses.replace(nacp, titles=(NONE,) * 16).title("Japanese") is None


def deflate(data: bytes, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def with_compressed(compressed: bytes, size: int | None = None, rest: bytes = b"") -> bytes:
    data = bytearray(0x4000)
    region = (len(compressed) if size is None else size).to_bytes(2, "little") + compressed + rest
    data[: len(region)] = region
    data[0x3215] = 1
    return bytes(data)


def plain_titles(count: int) -> bytes:
    return b"".join(f"Name {index}".encode().ljust(0x200, b"\0") + b"P".ljust(0x100, b"\0") for index in range(count))


@pytest.mark.parametrize("level", [1, 9])
def test_compressed_titles_keep_their_bytes_until_a_title_changes(level: int) -> None:
    data = with_compressed(deflate(plain_titles(32), level))
    nacp = Nacp.read(data)
    assert nacp.titles_format is TitlesFormat.COMPRESSED
    assert len(nacp.titles) == 32
    assert nacp.titles[31] == ApplicationTitle("Name 31", "P")
    assert nacp.to_bytes() == data
    assert through_texts(nacp) == nacp
    assert through_texts(nacp).to_bytes() == data
    table: dict[str, Any] = nacp.to_dict()
    table["titles"]["17"]["name"] = "Other"
    other = Nacp.read(Nacp.from_dict(table).to_bytes())
    assert other.titles[17] == ApplicationTitle("Other", "P")
    assert other.titles[:17] == nacp.titles[:17]
    assert other.titles_compressed not in (b"", nacp.titles_compressed)


def test_compressed_titles_may_be_fewer_and_have_something_behind_them() -> None:
    data = with_compressed(deflate(plain_titles(3)), rest=b"rest")
    nacp = Nacp.read(data)
    assert nacp.titles[2:4] == (ApplicationTitle("Name 2", "P"), NONE)
    assert [run for _, run in nacp.unknown] == [b"rest"]
    assert nacp.to_bytes() == data
    assert through_texts(nacp).to_bytes() == data


def test_titles_are_compressed_from_scratch() -> None:
    nacp = Nacp.from_dict({"titles_format": "Compressed", "titles": {"Japanese": {"name": "x"}, "20": {"name": "y"}}})
    again = Nacp.read(nacp.to_bytes())
    assert again.titles[2].name == "x"
    assert again.titles[20].name == "y"
    assert again.supported_languages == LanguageFlags.JAPANESE


def test_titles_of_an_unknown_form_are_kept() -> None:
    data = bytearray(0x4000)
    data[0:4], data[0x2FFF], data[0x3215] = b"what", 0x21, 2
    nacp = Nacp.read(bytes(data))
    assert nacp.titles == ()
    assert nacp.titles_format == 2
    assert nacp.title() is None
    assert nacp.to_bytes() == data
    assert through_texts(nacp).to_bytes() == data


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (with_compressed(b"", 0x2FFF), r"NACP compressed titles at 0x0, field size: 0x2fff bytes, there is room for 0x2ffe"),
        (with_compressed(b"\xff\xff"), "they do not inflate"),
        (with_compressed(b""), "their stream does not end"),
        (with_compressed(deflate(bytes(0x6001))), "they inflate to more than 0x6000 bytes"),
        (with_compressed(deflate(bytes(0x1000000))[:0x2FFE]), "they inflate to more than 0x6000 bytes"),
        (with_compressed(deflate(plain_titles(32))[:-4]), "their stream does not end"),
    ],
)
def test_compressed_titles_that_are_broken(data: bytes, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        Nacp.read(data)


def test_a_deflate_bomb_is_not_inflated() -> None:
    bomb = with_compressed(deflate(bytes(0xA00000)))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="they inflate to more than 0x6000 bytes"):
            Nacp.read(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0x100000


def test_titles_that_do_not_compress_enough() -> None:
    noise = random.Random(1)
    titles = tuple(ApplicationTitle("".join(chr(noise.randrange(0x20, 0x7F)) for _ in range(0x200))) for _ in range(32))
    with pytest.raises(FormatError, match=r"NACP, field titles: they compress to 0x[0-9a-f]+ bytes, there is room for 0x2ffe"):
        Nacp(titles=titles, titles_format=TitlesFormat.COMPRESSED).to_bytes()


# From scratch


def test_a_few_keys_are_enough() -> None:
    nacp = Nacp.from_dict({"name": "Game", "publisher": "Me", "version": "1.0", "title_id": "0x0100feedface0000"})
    data = nacp.to_bytes()
    assert data[0:0x300] == b"Game".ljust(0x200, b"\0") + b"Me".ljust(0x100, b"\0")
    assert data[0x300:0x3000] == bytes(0x2D00)
    assert data[0x302C:0x3030] == b"\x01\0\0\0"
    assert data[0x3038:0x3040] == bytes.fromhex("0000cefaedfe0001")
    assert data[0x3040:0x3060] == b"\xff" * 32
    assert data[0x3060:0x3070] == b"1.0".ljust(16, b"\0")
    assert data[0x3070:0x3080] == bytes.fromhex("0010cefaedfe0001 0000cefaedfe0001")
    assert data[0x30B0:0x30F0] == bytes.fromhex("0000cefaedfe0001") * 8
    assert len(data) == 0x4000
    assert sum(1 for each in data if each) == 4 + 2 + 1 + 5 + 32 + 3 + 6 + 5 + 40


def test_nothing_is_enough() -> None:
    assert Nacp.from_dict({}).to_bytes() == bytes(0x3040) + b"\xff" * 0x20 + bytes(0x4000 - 0x3060)


def test_name_and_publisher_spread_over_the_languages() -> None:
    table = {"name": "N", "publisher": "P", "supported_languages": ["Japanese", "German"], "titles": {"German": {"name": "D"}}}
    nacp = Nacp.from_dict(table)
    assert nacp.titles[2] == ApplicationTitle("N", "P")
    assert nacp.titles[4] == ApplicationTitle("D", "")
    assert nacp.titles[0] == NONE
    assert nacp.supported_languages == LanguageFlags.JAPANESE | LanguageFlags.GERMAN


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            {"titles": {"AmericanEnglish": {"name": "x" * 513}}},
            "[titles.AmericanEnglish] name: '" + "x" * 36 + "... has 513 bytes, 512 are the most",
        ),
        (
            {"titles": {"AmericanEnglish": {"publisher": "ü" * 129}}},
            "[titles.AmericanEnglish] publisher: '" + "ü" * 36 + "... has 258 bytes, 256 are the most",
        ),
        ({"titles": {"German": {"nam": "x"}}}, "[titles.German] nam: no such key: did you mean name?"),
        ({"titles": {"German": "x"}}, "[titles] German: 'x' is not a table"),
        ({"titles": {"20": {"name": "x"}}}, "[titles] 20: there is room for 16 languages"),
        ({"titles": ["x"]}, "titles: ['x'] is not a table"),
        ({"display_version": 1}, "display_version: 1 is not a text"),
        ({"display_version": "1" * 17}, "display_version: '11111111111111111' has 17 bytes, 16 are the most"),
        ({"display_version": "\ud800"}, "display_version: holds half of a surrogate pair"),
        ({"screenshot": "Denied"}, "screenshot: 'Denied' is not one of Allow, Deny, or a number"),
        ({"screenshot": 256}, "screenshot: 256 is not between 0 and 255"),
        ({"hdcp": "yes"}, "hdcp: 'yes' is neither true nor false"),
        ({"attributes": ["Demo", "Dem"]}, "[attributes] 1: 'Dem' is not one of Demo, RetailInteractiveDisplay, or a number"),
        ({"attributes": 1 << 32}, "[attributes] 0: 4294967296 is not between 0x0 and 0xffffffff"),
        ({"rating_ages": {"ESRP": 1}}, "[rating_ages] ESRP: no such organisation: use one of CERO, GRACGCRB, GSRMR, ESRB"),
        ({"rating_ages": {"ESRB": 128}}, "[rating_ages] ESRB: 128 is not between -128 and 127"),
        ({"local_communication_ids": list(range(9))}, "local_communication_ids: 9 items, at most 8 fit"),
        ({"local_communication_ids": [0, -1]}, "[local_communication_ids] 1: -1 is not between 0x0 and 0xffffffffffffffff"),
        ({"neighbor_detection_send": {"key": "00"}}, "[neighbor_detection_send] key: 1 bytes, 16 are needed"),
        ({"neighbor_detection_send": {"kee": "00"}}, "[neighbor_detection_send] kee: no such key: did you mean key?"),
        ({"save_data_certificate": "0g"}, "save_data_certificate: '0g' is not a text of hexadecimal digits"),
        ({"save_data_certificate": 5}, "save_data_certificate: 5 is not a text of hexadecimal digits"),
        ({"unknown": {"x": "00"}}, "[unknown] x: not an offset such as 0x10"),
        ({"unknown": {"0x3fff": "0000"}}, "[unknown] 0x3fff: lies outside the structure of 0x4000 bytes"),
        ({"title_id": "zero"}, "title_id: 'zero' is not a number"),
        ({"savedata": 1}, "savedata: no such key"),
        ({"format": "NPDM"}, "format: 'NPDM' is not 'NACP'"),
    ],
)
def test_errors_name_the_key(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        Nacp.from_dict(table)
    assert str(caught.value).startswith(problem)


def test_errors_name_the_file() -> None:
    with pytest.raises(FormatError) as caught:
        Nacp.from_dict({"titles": {"German": {"name": 5}}}, source="control.toml")
    assert str(caught.value) == "[titles.German] name of control.toml: 5 is not a text"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"display_version": "x" * 17}, "NACP, field display_version"),
        ({"save_data_owner_id": -1}, "NACP, field save_data_owner_id"),
        ({"screenshot": 256}, "NACP, field screenshot"),
        ({"isbn": 5}, "NACP: "),
        ({"isbn": "\ud800"}, "NACP: "),
        ({"rating_ages": (0,) * 31}, "NACP, field rating_ages"),
        ({"titles": (NONE,) * 17}, "NACP, field titles: 17 of them, there is room for 16"),
        ({"titles_format": 7, "titles_compressed": bytes(0x3001)}, "NACP, field titles_compressed: 0x3001 bytes, there is room for 0x3000"),
        ({"titles": (ApplicationTitle("x" * 0x201),)}, "NACP title, field name"),
        ({"unknown": ((0x4000, b"x"),)}, "NACP: 0x1 unknown bytes at 0x4000, it has 0x4000"),
    ],
)
def test_values_that_do_not_fit(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        Nacp(**changes).to_bytes()
    assert str(caught.value).startswith(problem)


@given(name=st.text(max_size=0x80), version=st.text(max_size=4))
def test_any_text_comes_back(name: str, version: str) -> None:
    nacp = Nacp.from_dict({"name": name.rstrip("\0"), "version": version.rstrip("\0")})
    assert through_texts(nacp) == nacp
    assert Nacp.read(nacp.to_bytes()) == nacp
    assert nacp.titles[0].name == name.rstrip("\0")
