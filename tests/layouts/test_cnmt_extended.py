from __future__ import annotations

from oboromi_formats.cnmt_extended import (
    DELTA_DATA,
    FIRMWARE_VARIATION,
    FIRMWARE_VARIATION_ID,
    FIRMWARE_VARIATION_LEGACY,
    FRAGMENT,
    FRAGMENT_SET,
    HISTORY_CONTENT,
    PATCH_DATA,
    PATCH_DELTA,
    PATCH_DELTA_HISTORY,
    PATCH_HISTORY,
    SYSTEM_UPDATE_DATA,
    UpdateType,
)
from tests.layouts.pins import check_layout, numbers

DELTA = {
    "source_id": (0x00, "u8"),
    "destination_id": (0x08, "u8"),
    "source_version": (0x10, "u4"),
    "destination_version": (0x14, "u4"),
}


def test_patch_data() -> None:
    names = ("history", "delta_history", "delta", "fragment_set", "history_content", "delta_content")
    pins = {f"{name}_count": (4 * index, "u4") for index, name in enumerate(names)}
    check_layout(PATCH_DATA, 0x1C, {**pins, "reserved": (0x18, "u4")})


def test_patch_history() -> None:
    check_layout(
        PATCH_HISTORY,
        0x38,
        {
            "id": (0x00, "u8"),
            "version": (0x08, "u4"),
            "type": (0x0C, "u1"),
            "install_type": (0x0D, "u1"),
            "reserved": (0x0E, "u2"),
            "digest": (0x10, "b32"),
            "content_count": (0x30, "u2"),
            "reserved_2": (0x32, "b6"),
        },
    )


def test_deltas() -> None:
    check_layout(PATCH_DELTA_HISTORY, 0x28, {**DELTA, "download_size": (0x18, "u8"), "reserved": (0x20, "b8")})
    header = {**DELTA, "fragment_set_count": (0x18, "u2"), "reserved": (0x1A, "b6")}
    check_layout(DELTA_DATA, 0x20, header)
    check_layout(PATCH_DELTA, 0x28, {**header, "content_count": (0x20, "u2"), "reserved_2": (0x22, "b6")})


def test_fragments() -> None:
    check_layout(
        FRAGMENT_SET,
        0x34,
        {
            "source_content_id": (0x00, "b16"),
            "destination_content_id": (0x10, "b16"),
            "source_size_low": (0x20, "u4"),
            "source_size_high": (0x24, "u2"),
            "destination_size_high": (0x26, "u2"),
            "destination_size_low": (0x28, "u4"),
            "fragment_count": (0x2C, "u2"),
            "target_type": (0x2E, "u1"),
            "update_type": (0x2F, "u1"),
            "reserved": (0x30, "u4"),
        },
    )
    check_layout(FRAGMENT, 4, {"content_index": (0, "u2"), "fragment_index": (2, "u2")})


def test_history_content() -> None:
    check_layout(
        HISTORY_CONTENT,
        0x18,
        {
            "content_id": (0x00, "b16"),
            "size_low": (0x10, "u4"),
            "size_high": (0x14, "u1"),
            "attributes": (0x15, "u1"),
            "type": (0x16, "u1"),
            "id_offset": (0x17, "u1"),
        },
    )


def test_system_update() -> None:
    check_layout(SYSTEM_UPDATE_DATA, 8, {"version": (0, "u4"), "variation_count": (4, "u4")})
    check_layout(FIRMWARE_VARIATION_LEGACY, 0x20, {"id": (0, "u4"), "reserved": (4, "b28")})
    check_layout(FIRMWARE_VARIATION_ID, 4, {"id": (0, "u4")})
    check_layout(
        FIRMWARE_VARIATION,
        0x20,
        {"refer_to_base": (0, "u1"), "reserved": (1, "b3"), "meta_count": (4, "u4"), "reserved_2": (8, "b24")},
    )


def test_numbers_of_the_enumeration() -> None:
    assert dict(numbers(UpdateType)) == {"APPLY_AS_DELTA": 0, "OVERWRITE": 1, "CREATE": 2}
