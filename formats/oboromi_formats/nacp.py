"""Control data (NACP): titles, ratings, save sizes and other properties of an application, 0x4000 bytes.

Files of homebrew may end sooner; what is missing reads as zeros. Text is UTF-8, filled up with NULs, without one where it fills its field.
Specification: Switchbrew wiki, "NACP".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from construct import Bytes, Int8sl, Int8ul, Int16ul, Int32ul, Int64ul, Struct

from oboromi_formats.layout import Layout, array, record

__all__ = [
    "COMPRESSED_TITLES",
    "COMPRESSED_TITLE_COUNT",
    "LAYOUTS",
    "NACP",
    "NACP_TITLE",
    "TITLE_COUNT",
    "AddOnContentRegistration",
    "ApplicationAttributes",
    "AppropriateAgeForChina",
    "CompressedTitles",
    "ContentsAvailabilityPolicy",
    "ControlDataCondition",
    "ControlDataItem",
    "JitFlags",
    "Language",
    "LanguageFlags",
    "LogoHandling",
    "LogoType",
    "NacpControl",
    "NacpTitle",
    "NeighborGroup",
    "NetworkServiceLicense",
    "ParentalControl",
    "PlayLogPolicy",
    "PlayLogQueryCapability",
    "RatingOrganization",
    "RepairFlags",
    "RuntimeAddOnContentInstall",
    "RuntimeParameterDelivery",
    "Screenshot",
    "StartupUserAccount",
    "StartupUserAccountOption",
    "TitlesFormat",
    "VideoCapture",
]

TITLE_COUNT = 16
"""Titles in ``NacpControl.titles`` where they are stored plainly, one for each :class:`Language`."""

COMPRESSED_TITLE_COUNT = 32
"""Titles that a compressed form inflates to."""


class Language(IntEnum):
    """Index of a title, and of a bit of ``NacpControl.supported_languages``; icons are named ``icon_AmericanEnglish.dat`` and so on."""

    AMERICAN_ENGLISH = 0
    BRITISH_ENGLISH = 1
    JAPANESE = 2
    FRENCH = 3
    GERMAN = 4
    LATIN_AMERICAN_SPANISH = 5
    SPANISH = 6
    ITALIAN = 7
    DUTCH = 8
    CANADIAN_FRENCH = 9
    PORTUGUESE = 10
    RUSSIAN = 11
    KOREAN = 12
    TRADITIONAL_CHINESE = 13
    SIMPLIFIED_CHINESE = 14
    BRAZILIAN_PORTUGUESE = 15


class LanguageFlags(IntFlag):
    """Bits of ``NacpControl.supported_languages``: 1 shifted by the :class:`Language`."""

    AMERICAN_ENGLISH = 0x0001
    BRITISH_ENGLISH = 0x0002
    JAPANESE = 0x0004
    FRENCH = 0x0008
    GERMAN = 0x0010
    LATIN_AMERICAN_SPANISH = 0x0020
    SPANISH = 0x0040
    ITALIAN = 0x0080
    DUTCH = 0x0100
    CANADIAN_FRENCH = 0x0200
    PORTUGUESE = 0x0400
    RUSSIAN = 0x0800
    KOREAN = 0x1000
    TRADITIONAL_CHINESE = 0x2000
    SIMPLIFIED_CHINESE = 0x4000
    BRAZILIAN_PORTUGUESE = 0x8000


class RatingOrganization(IntEnum):
    """Index in ``NacpControl.rating_ages``."""

    CERO = 0
    GRAC_GCRB = 1
    GSRMR = 2
    ESRB = 3
    CLASS_IND = 4
    USK = 5
    PEGI = 6
    PEGI_PORTUGAL = 7
    PEGI_BBFC = 8
    RUSSIAN = 9
    ACB = 10
    OFLC = 11
    IARC_GENERIC = 12


class StartupUserAccount(IntEnum):
    """``NacpControl.startup_user_account``: whether a user is asked for at start."""

    NONE = 0
    REQUIRED = 1
    REQUIRED_WITH_NETWORK_ACCOUNT = 2


class AddOnContentRegistration(IntEnum):
    """``NacpControl.add_on_content_registration``."""

    ALL_ON_LAUNCH = 0
    ON_DEMAND = 1


class ApplicationAttributes(IntFlag):
    """Bits of ``NacpControl.attributes``."""

    DEMO = 1
    RETAIL_INTERACTIVE_DISPLAY = 2


class ParentalControl(IntFlag):
    """Bits of ``NacpControl.parental_control``."""

    FREE_COMMUNICATION = 1


class Screenshot(IntEnum):
    """``NacpControl.screenshot``."""

    ALLOW = 0
    DENY = 1


class VideoCapture(IntEnum):
    """``NacpControl.video_capture``."""

    OFF = 0
    MANUAL = 1
    ON = 2


class PlayLogPolicy(IntEnum):
    """``NacpControl.play_log_policy``."""

    OPEN = 0
    LOG_ONLY = 1
    NONE = 2
    CLOSED = 3


class LogoType(IntEnum):
    """``NacpControl.logo_type``."""

    LICENSED_BY_NINTENDO = 0
    DISTRIBUTED_BY_NINTENDO = 1
    NINTENDO = 2


class LogoHandling(IntEnum):
    """``NacpControl.logo_handling``."""

    AUTO = 0
    MANUAL = 1


class RuntimeAddOnContentInstall(IntEnum):
    """``NacpControl.runtime_add_on_content_install``."""

    DENY = 0
    ALLOW_APPEND = 1
    ALLOW_APPEND_BUT_DONT_DOWNLOAD_WHEN_USING_NETWORK = 2


class RuntimeParameterDelivery(IntEnum):
    """``NacpControl.runtime_parameter_delivery``."""

    ALWAYS = 0
    ALWAYS_IF_USER_STATE_MATCHED = 1
    ON_RESTART = 2


class AppropriateAgeForChina(IntEnum):
    """``NacpControl.appropriate_age_for_china``."""

    NONE = 0
    AGE_8 = 1
    AGE_12 = 2
    AGE_16 = 3


class StartupUserAccountOption(IntFlag):
    """Bits of ``NacpControl.startup_user_account_option``."""

    OPTIONAL = 1


class PlayLogQueryCapability(IntEnum):
    """``NacpControl.play_log_query_capability``."""

    NONE = 0
    WHITE_LIST = 1
    ALL = 2


class RepairFlags(IntFlag):
    """Bits of ``NacpControl.repair_flags``."""

    SUPPRESS_GAME_CARD_ACCESS = 1


class NetworkServiceLicense(IntFlag):
    """Bits of ``NacpControl.required_network_service_license``."""

    COMMON = 1


class TitlesFormat(IntEnum):
    """``NacpControl.titles_format``: how ``NacpControl.titles`` is to be read."""

    PLAIN = 0
    COMPRESSED = 1


class JitFlags(IntFlag):
    """Bits of ``NacpControl.jit_flags``."""

    ENABLED = 1


class ContentsAvailabilityPolicy(IntEnum):
    """``NacpControl.contents_availability_policy``."""

    NO_POLICY = 0
    STABLE = 1
    CHANGEABLE = 2


@dataclass(frozen=True, slots=True)
class NacpTitle:
    """What an application is called in one language: UTF-8 of up to 0x200 and 0x100 bytes, filled up with NULs."""

    name: bytes = b""
    publisher: bytes = b""


@dataclass(frozen=True, slots=True)
class CompressedTitles:
    """Behind it stand ``size`` bytes of raw DEFLATE that inflate to 32 titles."""

    size: int


@dataclass(frozen=True, slots=True)
class NeighborGroup:
    """Applications that find each other in local communication."""

    group_id: int = 0
    key: bytes = bytes(0x10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDataItem:
    """One condition of :class:`ControlDataCondition`."""

    priority: int = 0
    reserved: bytes = bytes(7)
    add_on_content_index: int = 0
    reserved_a: bytes = bytes(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDataCondition:
    """Which control data applies; ``count`` of the 8 types and items are in use."""

    types: tuple[int, ...] = (0,) * 8
    items: tuple[ControlDataItem, ...] = (ControlDataItem(),) * 8
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NacpControl:
    """The whole file. Sizes in bytes; ages in years, -1 where an organisation has not rated."""

    titles: bytes = bytes(0x3000)
    isbn: bytes = bytes(0x25)
    startup_user_account: int = 0
    user_account_switch_lock: int = 0
    add_on_content_registration: int = 0
    attributes: int = 0
    supported_languages: int = 0
    parental_control: int = 0
    screenshot: int = 0
    video_capture: int = 0
    data_loss_confirmation: int = 0
    play_log_policy: int = 0
    presence_group_id: int = 0
    rating_ages: tuple[int, ...] = (0,) * 0x20
    display_version: bytes = bytes(0x10)
    add_on_content_base_id: int = 0
    save_data_owner_id: int = 0
    user_account_save_data_size: int = 0
    user_account_save_data_journal_size: int = 0
    device_save_data_size: int = 0
    device_save_data_journal_size: int = 0
    bcat_delivery_cache_storage_size: int = 0
    application_error_code_category: bytes = bytes(8)
    local_communication_ids: tuple[int, ...] = (0,) * 8
    logo_type: int = 0
    logo_handling: int = 0
    runtime_add_on_content_install: int = 0
    runtime_parameter_delivery: int = 0
    appropriate_age_for_china: int = 0
    reserved_30f5: int = 0
    crash_report: int = 0
    hdcp: int = 0
    pseudo_device_id_seed: int = 0
    bcat_passphrase: bytes = bytes(0x41)
    startup_user_account_option: int = 0
    reserved_3142: bytes = bytes(6)
    user_account_save_data_size_max: int = 0
    user_account_save_data_journal_size_max: int = 0
    device_save_data_size_max: int = 0
    device_save_data_journal_size_max: int = 0
    temporary_storage_size: int = 0
    cache_storage_size: int = 0
    cache_storage_journal_size: int = 0
    cache_storage_data_and_journal_size_max: int = 0
    cache_storage_index_max: int = 0
    reserved_318a: int = 0
    runtime_upgrade: int = 0
    supporting_limited_application_licenses: int = 0
    play_log_queryable_application_ids: tuple[int, ...] = (0,) * 16
    play_log_query_capability: int = 0
    repair_flags: int = 0
    program_index: int = 0
    required_network_service_license: int = 0
    application_error_code_prefix: int = 0
    titles_format: int = 0
    acd_index: int = 0
    apparent_platform: int = 0
    neighbor_detection_send: NeighborGroup = NeighborGroup()
    neighbor_detection_receivable: tuple[NeighborGroup, ...] = (NeighborGroup(),) * 16
    jit_flags: int = 0
    jit_memory_size: int = 0
    required_add_on_contents_set: bytes = bytes(0x40)
    play_report_permission: int = 0
    crash_screenshot_for_prod: int = 0
    crash_screenshot_for_dev: int = 0
    contents_availability_policy: int = 0
    supported_languages_for_nx_add_on: int = 0
    reserved_3405: bytes = bytes(3)
    accessible_launch_required_versions: tuple[int, ...] = (0,) * 8
    control_data_condition: ControlDataCondition = ControlDataCondition()
    initial_program_index: int = 0
    reserved_34d2: bytes = bytes(2)
    accessible_program_index_flags: int = 0
    album_file_export: int = 0
    reserved_34d9: bytes = bytes(7)
    save_data_certificate: bytes = bytes(0x80)
    has_in_game_voice_chat: int = 0
    reserved_3561: bytes = bytes(3)
    supported_extra_add_on_content_flags: int = 0
    has_karaoke_feature: int = 0
    reserved_3569: bytes = bytes(0x697)
    platform_specific_region: bytes = bytes(0x400)


NACP_TITLE = Layout(
    "NACP title",
    Struct(
        "name" / Bytes(0x200),  # 0x000: NUL-padded UTF-8
        "publisher" / Bytes(0x100),  # 0x200: NUL-padded UTF-8
    ),
    NacpTitle,
    "What an application is called in one language (Switchbrew wiki, NACP).",
)

COMPRESSED_TITLES = Layout(
    "NACP compressed titles",
    Struct(
        "size" / Int16ul,  # 0x0: at most 0x2FFE
    ),
    CompressedTitles,
    "What the titles begin with where their format is 1; raw DEFLATE follows (Switchbrew wiki, NACP).",
)

NACP = Layout(
    "NACP",
    Struct(
        "titles" / Bytes(0x3000),  # 0x0000: 16 titles, or compressed titles: see titles_format
        "isbn" / Bytes(0x25),  # 0x3000
        "startup_user_account" / Int8ul,  # 0x3025: see StartupUserAccount
        "user_account_switch_lock" / Int8ul,  # 0x3026: 0 or 1
        "add_on_content_registration" / Int8ul,  # 0x3027: see AddOnContentRegistration
        "attributes" / Int32ul,  # 0x3028: see ApplicationAttributes
        "supported_languages" / Int32ul,  # 0x302C: see LanguageFlags
        "parental_control" / Int32ul,  # 0x3030: see ParentalControl
        "screenshot" / Int8ul,  # 0x3034: see Screenshot
        "video_capture" / Int8ul,  # 0x3035: see VideoCapture
        "data_loss_confirmation" / Int8ul,  # 0x3036: 0 or 1
        "play_log_policy" / Int8ul,  # 0x3037: see PlayLogPolicy
        "presence_group_id" / Int64ul,  # 0x3038
        "rating_ages" / array(0x20, Int8sl),  # 0x3040: see RatingOrganization; -1 is unset
        "display_version" / Bytes(0x10),  # 0x3060: NUL-padded UTF-8
        "add_on_content_base_id" / Int64ul,  # 0x3070
        "save_data_owner_id" / Int64ul,  # 0x3078
        "user_account_save_data_size" / Int64ul,  # 0x3080
        "user_account_save_data_journal_size" / Int64ul,  # 0x3088
        "device_save_data_size" / Int64ul,  # 0x3090
        "device_save_data_journal_size" / Int64ul,  # 0x3098
        "bcat_delivery_cache_storage_size" / Int64ul,  # 0x30A0
        "application_error_code_category" / Bytes(8),  # 0x30A8: text
        "local_communication_ids" / array(8, Int64ul),  # 0x30B0
        "logo_type" / Int8ul,  # 0x30F0: see LogoType
        "logo_handling" / Int8ul,  # 0x30F1: see LogoHandling
        "runtime_add_on_content_install" / Int8ul,  # 0x30F2: see RuntimeAddOnContentInstall
        "runtime_parameter_delivery" / Int8ul,  # 0x30F3: see RuntimeParameterDelivery
        "appropriate_age_for_china" / Int8ul,  # 0x30F4: see AppropriateAgeForChina
        "reserved_30f5" / Int8ul,  # 0x30F5
        "crash_report" / Int8ul,  # 0x30F6: 1 allows it
        "hdcp" / Int8ul,  # 0x30F7: 1 requires it
        "pseudo_device_id_seed" / Int64ul,  # 0x30F8
        "bcat_passphrase" / Bytes(0x41),  # 0x3100: text
        "startup_user_account_option" / Int8ul,  # 0x3141: see StartupUserAccountOption
        "reserved_3142" / Bytes(6),  # 0x3142
        "user_account_save_data_size_max" / Int64ul,  # 0x3148
        "user_account_save_data_journal_size_max" / Int64ul,  # 0x3150
        "device_save_data_size_max" / Int64ul,  # 0x3158
        "device_save_data_journal_size_max" / Int64ul,  # 0x3160
        "temporary_storage_size" / Int64ul,  # 0x3168
        "cache_storage_size" / Int64ul,  # 0x3170
        "cache_storage_journal_size" / Int64ul,  # 0x3178
        "cache_storage_data_and_journal_size_max" / Int64ul,  # 0x3180
        "cache_storage_index_max" / Int16ul,  # 0x3188
        "reserved_318a" / Int8ul,  # 0x318A
        "runtime_upgrade" / Int8ul,  # 0x318B: 1 allows it
        "supporting_limited_application_licenses" / Int32ul,  # 0x318C
        "play_log_queryable_application_ids" / array(16, Int64ul),  # 0x3190
        "play_log_query_capability" / Int8ul,  # 0x3210: see PlayLogQueryCapability
        "repair_flags" / Int8ul,  # 0x3211: see RepairFlags
        "program_index" / Int8ul,  # 0x3212
        "required_network_service_license" / Int8ul,  # 0x3213: see NetworkServiceLicense
        "application_error_code_prefix" / Int8ul,  # 0x3214: since 20.0.0
        "titles_format" / Int8ul,  # 0x3215: since 21.0.0; see TitlesFormat
        "acd_index" / Int8ul,  # 0x3216: since 20.0.0
        "apparent_platform" / Int8ul,  # 0x3217: since 21.0.0
        "neighbor_detection_send"  # 0x3218
        / record(
            NeighborGroup,
            "group_id" / Int64ul,  # +0x0
            "key" / Bytes(0x10),  # +0x8
        ),
        "neighbor_detection_receivable"  # 0x3230
        / array(
            16,
            record(
                NeighborGroup,
                "group_id" / Int64ul,  # +0x0
                "key" / Bytes(0x10),  # +0x8
            ),
        ),
        "jit_flags" / Int64ul,  # 0x33B0: see JitFlags
        "jit_memory_size" / Int64ul,  # 0x33B8
        "required_add_on_contents_set" / Bytes(0x40),  # 0x33C0
        "play_report_permission" / Int8ul,  # 0x3400
        "crash_screenshot_for_prod" / Int8ul,  # 0x3401: 1 allows it
        "crash_screenshot_for_dev" / Int8ul,  # 0x3402: 1 allows it
        "contents_availability_policy" / Int8ul,  # 0x3403: see ContentsAvailabilityPolicy
        "supported_languages_for_nx_add_on" / Int8ul,  # 0x3404: since 21.0.0
        "reserved_3405" / Bytes(3),  # 0x3405
        "accessible_launch_required_versions" / array(8, Int64ul),  # 0x3408
        "control_data_condition"  # 0x3448: since 20.0.0
        / record(
            ControlDataCondition,
            "types" / array(8, Int8ul),  # +0x0
            "items"  # +0x8
            / array(
                8,
                record(
                    ControlDataItem,
                    "priority" / Int8ul,  # +0x0
                    "reserved" / Bytes(7),  # +0x1
                    "add_on_content_index" / Int16ul,  # +0x8
                    "reserved_a" / Bytes(6),  # +0xA
                ),
            ),
            "count" / Int8ul,  # +0x88
        ),
        "initial_program_index" / Int8ul,  # 0x34D1: since 20.0.0; one source puts it a byte further
        "reserved_34d2" / Bytes(2),  # 0x34D2
        "accessible_program_index_flags" / Int32ul,  # 0x34D4: since 20.0.0
        "album_file_export" / Int8ul,  # 0x34D8: since 20.0.0
        "reserved_34d9" / Bytes(7),  # 0x34D9
        "save_data_certificate" / Bytes(0x80),  # 0x34E0: since 20.0.0
        "has_in_game_voice_chat" / Int8ul,  # 0x3560: since 20.0.0
        "reserved_3561" / Bytes(3),  # 0x3561
        "supported_extra_add_on_content_flags" / Int32ul,  # 0x3564: since 20.0.0
        "has_karaoke_feature" / Int8ul,  # 0x3568: since 21.0.0
        "reserved_3569" / Bytes(0x697),  # 0x3569
        "platform_specific_region" / Bytes(0x400),  # 0x3C00: since 20.0.0
    ),
    NacpControl,
    "Control data of an application (Switchbrew wiki, NACP).",
)

LAYOUTS = (NACP_TITLE, COMPRESSED_TITLES, NACP)
