from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nacp import (
    COMPRESSED_TITLE_COUNT,
    COMPRESSED_TITLES,
    NACP,
    NACP_TITLE,
    TITLE_COUNT,
    AddOnContentRegistration,
    ApplicationAttributes,
    AppropriateAgeForChina,
    ContentsAvailabilityPolicy,
    JitFlags,
    Language,
    LanguageFlags,
    LogoHandling,
    LogoType,
    NacpControl,
    NetworkServiceLicense,
    ParentalControl,
    PlayLogPolicy,
    PlayLogQueryCapability,
    RatingOrganization,
    RepairFlags,
    RuntimeAddOnContentInstall,
    RuntimeParameterDelivery,
    Screenshot,
    StartupUserAccount,
    StartupUserAccountOption,
    TitlesFormat,
    VideoCapture,
)
from oboromi_fs._decode import decode_bytes, encode
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_title() -> None:
    check_layout(NACP_TITLE, 0x300, {"name": (0x000, "b512"), "publisher": (0x200, "b256")})


def test_compressed_titles() -> None:
    check_layout(COMPRESSED_TITLES, 2, {"size": (0x0, "u2")})


def test_nacp() -> None:
    check_layout(
        NACP,
        0x4000,
        {
            "titles": (0x0000, "b12288"),
            "isbn": (0x3000, "b37"),
            "startup_user_account": (0x3025, "u1"),
            "user_account_switch_lock": (0x3026, "u1"),
            "add_on_content_registration": (0x3027, "u1"),
            "attributes": (0x3028, "u4"),
            "supported_languages": (0x302C, "u4"),
            "parental_control": (0x3030, "u4"),
            "screenshot": (0x3034, "u1"),
            "video_capture": (0x3035, "u1"),
            "data_loss_confirmation": (0x3036, "u1"),
            "play_log_policy": (0x3037, "u1"),
            "presence_group_id": (0x3038, "u8"),
            **{f"rating_ages.{index}": (0x3040 + index, "s1") for index in range(32)},
            "display_version": (0x3060, "b16"),
            "add_on_content_base_id": (0x3070, "u8"),
            "save_data_owner_id": (0x3078, "u8"),
            "user_account_save_data_size": (0x3080, "u8"),
            "user_account_save_data_journal_size": (0x3088, "u8"),
            "device_save_data_size": (0x3090, "u8"),
            "device_save_data_journal_size": (0x3098, "u8"),
            "bcat_delivery_cache_storage_size": (0x30A0, "u8"),
            "application_error_code_category": (0x30A8, "b8"),
            **{f"local_communication_ids.{index}": (0x30B0 + 8 * index, "u8") for index in range(8)},
            "logo_type": (0x30F0, "u1"),
            "logo_handling": (0x30F1, "u1"),
            "runtime_add_on_content_install": (0x30F2, "u1"),
            "runtime_parameter_delivery": (0x30F3, "u1"),
            "appropriate_age_for_china": (0x30F4, "u1"),
            "reserved_30f5": (0x30F5, "u1"),
            "crash_report": (0x30F6, "u1"),
            "hdcp": (0x30F7, "u1"),
            "pseudo_device_id_seed": (0x30F8, "u8"),
            "bcat_passphrase": (0x3100, "b65"),
            "startup_user_account_option": (0x3141, "u1"),
            "reserved_3142": (0x3142, "b6"),
            "user_account_save_data_size_max": (0x3148, "u8"),
            "user_account_save_data_journal_size_max": (0x3150, "u8"),
            "device_save_data_size_max": (0x3158, "u8"),
            "device_save_data_journal_size_max": (0x3160, "u8"),
            "temporary_storage_size": (0x3168, "u8"),
            "cache_storage_size": (0x3170, "u8"),
            "cache_storage_journal_size": (0x3178, "u8"),
            "cache_storage_data_and_journal_size_max": (0x3180, "u8"),
            "cache_storage_index_max": (0x3188, "u2"),
            "reserved_318a": (0x318A, "u1"),
            "runtime_upgrade": (0x318B, "u1"),
            "supporting_limited_application_licenses": (0x318C, "u4"),
            **{f"play_log_queryable_application_ids.{index}": (0x3190 + 8 * index, "u8") for index in range(16)},
            "play_log_query_capability": (0x3210, "u1"),
            "repair_flags": (0x3211, "u1"),
            "program_index": (0x3212, "u1"),
            "required_network_service_license": (0x3213, "u1"),
            "application_error_code_prefix": (0x3214, "u1"),
            "titles_format": (0x3215, "u1"),
            "acd_index": (0x3216, "u1"),
            "apparent_platform": (0x3217, "u1"),
            "neighbor_detection_send.group_id": (0x3218, "u8"),
            "neighbor_detection_send.key": (0x3220, "b16"),
            **{
                f"neighbor_detection_receivable.{index}.{field}": pin
                for index in range(16)
                for field, pin in {"group_id": (0x3230 + 0x18 * index, "u8"), "key": (0x3238 + 0x18 * index, "b16")}.items()
            },
            "jit_flags": (0x33B0, "u8"),
            "jit_memory_size": (0x33B8, "u8"),
            "required_add_on_contents_set": (0x33C0, "b64"),
            "play_report_permission": (0x3400, "u1"),
            "crash_screenshot_for_prod": (0x3401, "u1"),
            "crash_screenshot_for_dev": (0x3402, "u1"),
            "contents_availability_policy": (0x3403, "u1"),
            "supported_languages_for_nx_add_on": (0x3404, "u1"),
            "reserved_3405": (0x3405, "b3"),
            **{f"accessible_launch_required_versions.{index}": (0x3408 + 8 * index, "u8") for index in range(8)},
            **{f"control_data_condition.types.{index}": (0x3448 + index, "u1") for index in range(8)},
            **{
                f"control_data_condition.items.{index}.{field}": (start + 0x10 * index, kind)
                for index in range(8)
                for field, start, kind in (
                    ("priority", 0x3450, "u1"),
                    ("reserved", 0x3451, "b7"),
                    ("add_on_content_index", 0x3458, "u2"),
                    ("reserved_a", 0x345A, "b6"),
                )
            },
            "control_data_condition.count": (0x34D0, "u1"),
            "initial_program_index": (0x34D1, "u1"),
            "reserved_34d2": (0x34D2, "b2"),
            "accessible_program_index_flags": (0x34D4, "u4"),
            "album_file_export": (0x34D8, "u1"),
            "reserved_34d9": (0x34D9, "b7"),
            "save_data_certificate": (0x34E0, "b128"),
            "has_in_game_voice_chat": (0x3560, "u1"),
            "reserved_3561": (0x3561, "b3"),
            "supported_extra_add_on_content_flags": (0x3564, "u4"),
            "has_karaoke_feature": (0x3568, "u1"),
            "reserved_3569": (0x3569, "b1687"),
            "platform_specific_region": (0x3C00, "b1024"),
        },
    )


def test_defaults_are_zeros() -> None:
    assert encode(NACP, NacpControl()) == bytes(0x4000)


def test_titles_fill_their_place() -> None:
    assert TITLE_COUNT * NACP_TITLE.size == 0x3000
    assert COMPRESSED_TITLE_COUNT * NACP_TITLE.size == 0x6000


def test_languages() -> None:
    assert dict(numbers(Language)) == {
        "AMERICAN_ENGLISH": 0,
        "BRITISH_ENGLISH": 1,
        "JAPANESE": 2,
        "FRENCH": 3,
        "GERMAN": 4,
        "LATIN_AMERICAN_SPANISH": 5,
        "SPANISH": 6,
        "ITALIAN": 7,
        "DUTCH": 8,
        "CANADIAN_FRENCH": 9,
        "PORTUGUESE": 10,
        "RUSSIAN": 11,
        "KOREAN": 12,
        "TRADITIONAL_CHINESE": 13,
        "SIMPLIFIED_CHINESE": 14,
        "BRAZILIAN_PORTUGUESE": 15,
    }
    assert dict(numbers(LanguageFlags)) == {name: 1 << number for name, number in numbers(Language)}


def test_numbers_of_the_enumerations() -> None:
    assert dict(numbers(RatingOrganization)) == {
        "CERO": 0,
        "GRAC_GCRB": 1,
        "GSRMR": 2,
        "ESRB": 3,
        "CLASS_IND": 4,
        "USK": 5,
        "PEGI": 6,
        "PEGI_PORTUGAL": 7,
        "PEGI_BBFC": 8,
        "RUSSIAN": 9,
        "ACB": 10,
        "OFLC": 11,
        "IARC_GENERIC": 12,
    }
    assert dict(numbers(StartupUserAccount)) == {"NONE": 0, "REQUIRED": 1, "REQUIRED_WITH_NETWORK_ACCOUNT": 2}
    assert dict(numbers(AddOnContentRegistration)) == {"ALL_ON_LAUNCH": 0, "ON_DEMAND": 1}
    assert dict(numbers(ApplicationAttributes)) == {"DEMO": 1, "RETAIL_INTERACTIVE_DISPLAY": 2}
    assert dict(numbers(ParentalControl)) == {"FREE_COMMUNICATION": 1}
    assert dict(numbers(Screenshot)) == {"ALLOW": 0, "DENY": 1}
    assert dict(numbers(VideoCapture)) == {"OFF": 0, "MANUAL": 1, "ON": 2}
    assert dict(numbers(PlayLogPolicy)) == {"OPEN": 0, "LOG_ONLY": 1, "NONE": 2, "CLOSED": 3}
    assert dict(numbers(LogoType)) == {"LICENSED_BY_NINTENDO": 0, "DISTRIBUTED_BY_NINTENDO": 1, "NINTENDO": 2}
    assert dict(numbers(LogoHandling)) == {"AUTO": 0, "MANUAL": 1}
    assert dict(numbers(RuntimeAddOnContentInstall)) == {
        "DENY": 0,
        "ALLOW_APPEND": 1,
        "ALLOW_APPEND_BUT_DONT_DOWNLOAD_WHEN_USING_NETWORK": 2,
    }
    assert dict(numbers(RuntimeParameterDelivery)) == {"ALWAYS": 0, "ALWAYS_IF_USER_STATE_MATCHED": 1, "ON_RESTART": 2}
    assert dict(numbers(AppropriateAgeForChina)) == {"NONE": 0, "AGE_8": 1, "AGE_12": 2, "AGE_16": 3}
    assert dict(numbers(StartupUserAccountOption)) == {"OPTIONAL": 1}
    assert dict(numbers(PlayLogQueryCapability)) == {"NONE": 0, "WHITE_LIST": 1, "ALL": 2}
    assert dict(numbers(RepairFlags)) == {"SUPPRESS_GAME_CARD_ACCESS": 1}
    assert dict(numbers(NetworkServiceLicense)) == {"COMMON": 1}
    assert dict(numbers(TitlesFormat)) == {"PLAIN": 0, "COMPRESSED": 1}
    assert dict(numbers(JitFlags)) == {"ENABLED": 1}
    assert dict(numbers(ContentsAvailabilityPolicy)) == {"NO_POLICY": 0, "STABLE": 1, "CHANGEABLE": 2}


def test_a_nacp_of_another_tool(testdata: Path) -> None:
    data = (testdata / "exe" / "control.nacp").read_bytes()
    raw = decode_bytes(NACP, data)
    title = decode_bytes(NACP_TITLE, raw.titles)
    assert title.name.rstrip(b"\0").decode() == "Fake Game ゲーム"
    assert title.publisher.rstrip(b"\0").decode() == "Nobody & Söhne"
    assert raw.supported_languages == 0x0BFF
    assert raw.rating_ages[:4] == (12, -1, -1, 10)
    assert raw.display_version == b"1.2.3".ljust(16, b"\0")
    assert raw.save_data_owner_id == 0x0100ABCDEF000000
    assert encode(NACP, raw) == data
