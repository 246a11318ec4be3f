from __future__ import annotations

import pytest

from oboromi_formats.cnmt import (
    ADD_ON_CONTENT_EXTENDED,
    ADD_ON_CONTENT_EXTENDED_LEGACY,
    APPLICATION_EXTENDED,
    CNMT_HEADER,
    CONTENT_RECORD,
    DATA_PATCH_EXTENDED,
    DELTA_EXTENDED,
    DIGEST_SIZE,
    EXTENDED_HEADERS,
    META_RECORD,
    PATCH_EXTENDED,
    SYSTEM_UPDATE_EXTENDED,
    AddOnContentExtended,
    InstallType,
    MetaAttributes,
    MetaType,
    RecordType,
)
from oboromi_fs._decode import decode_bytes
from tests.layouts.pins import check_layout, numbers


def test_header() -> None:
    check_layout(
        CNMT_HEADER,
        0x20,
        {
            "title_id": (0x00, "u8"),
            "version": (0x08, "u4"),
            "type": (0x0C, "u1"),
            "platform": (0x0D, "u1"),
            "extended_header_size": (0x0E, "u2"),
            "content_count": (0x10, "u2"),
            "meta_count": (0x12, "u2"),
            "attributes": (0x14, "u1"),
            "storage_id": (0x15, "u1"),
            "install_type": (0x16, "u1"),
            "committed": (0x17, "u1"),
            "required_download_system_version": (0x18, "u4"),
            "reserved": (0x1C, "u4"),
        },
    )


def test_application() -> None:
    check_layout(
        APPLICATION_EXTENDED,
        0x10,
        {
            "patch_id": (0x00, "u8"),
            "required_system_version": (0x08, "u4"),
            "required_application_version": (0x0C, "u4"),
        },
    )


def test_patch() -> None:
    check_layout(
        PATCH_EXTENDED,
        0x18,
        {
            "application_id": (0x00, "u8"),
            "required_system_version": (0x08, "u4"),
            "extended_data_size": (0x0C, "u4"),
            "reserved": (0x10, "b8"),
        },
    )


def test_add_on_content() -> None:
    pins = {
        "application_id": (0x00, "u8"),
        "required_application_version": (0x08, "u4"),
        "accessibilities": (0x0C, "u1"),
        "reserved": (0x0D, "b3"),
    }
    check_layout(ADD_ON_CONTENT_EXTENDED_LEGACY, 0x10, pins)
    check_layout(ADD_ON_CONTENT_EXTENDED, 0x18, {**pins, "data_patch_id": (0x10, "u8")})
    legacy = decode_bytes(ADD_ON_CONTENT_EXTENDED_LEGACY, b"\x01".ljust(0x10, b"\0"))
    assert legacy == AddOnContentExtended(application_id=1, data_patch_id=0)


def test_delta() -> None:
    check_layout(
        DELTA_EXTENDED,
        0x10,
        {
            "application_id": (0x00, "u8"),
            "extended_data_size": (0x08, "u4"),
            "reserved": (0x0C, "u4"),
        },
    )


def test_system_update() -> None:
    check_layout(SYSTEM_UPDATE_EXTENDED, 0x04, {"extended_data_size": (0x00, "u4")})


def test_data_patch() -> None:
    check_layout(
        DATA_PATCH_EXTENDED,
        0x20,
        {
            "data_id": (0x00, "u8"),
            "application_id": (0x08, "u8"),
            "required_application_version": (0x10, "u4"),
            "extended_data_size": (0x14, "u4"),
            "reserved": (0x18, "b8"),
        },
    )


def test_content_record() -> None:
    check_layout(
        CONTENT_RECORD,
        0x38,
        {
            "hash": (0x00, "b32"),
            "content_id": (0x20, "b16"),
            "size_low": (0x30, "u4"),
            "size_high": (0x34, "u1"),
            "attributes": (0x35, "u1"),
            "type": (0x36, "u1"),
            "id_offset": (0x37, "u1"),
        },
    )


def test_meta_record() -> None:
    check_layout(
        META_RECORD,
        0x10,
        {
            "id": (0x00, "u8"),
            "version": (0x08, "u4"),
            "type": (0x0C, "u1"),
            "attributes": (0x0D, "u1"),
            "reserved": (0x0E, "u2"),
        },
    )


def test_the_size_has_five_bytes_and_no_attributes() -> None:
    data = bytes(0x30) + bytes.fromhex("78563412 9a ff 01 00")
    record = decode_bytes(CONTENT_RECORD, data)
    assert record.size == 0x9A12345678
    assert record.type == RecordType.PROGRAM


@pytest.mark.parametrize(
    ("meta_type", "sizes"),
    [
        (MetaType.APPLICATION, [0x10]),
        (MetaType.PATCH, [0x18]),
        (MetaType.ADD_ON_CONTENT, [0x18, 0x10]),
        (MetaType.DELTA, [0x10]),
        (MetaType.SYSTEM_UPDATE, [0x04]),
        (MetaType.DATA_PATCH, [0x20]),
    ],
)
def test_extended_headers_by_type(meta_type: int, sizes: list[int]) -> None:
    assert [layout.size for layout in EXTENDED_HEADERS[meta_type]] == sizes


def test_types_without_an_extended_header() -> None:
    assert set(MetaType) - set(EXTENDED_HEADERS) == {1, 2, 4, 5}


def test_numbers_of_the_enumerations() -> None:
    assert dict(numbers(MetaType)) == {
        "SYSTEM_PROGRAM": 1,
        "SYSTEM_DATA": 2,
        "SYSTEM_UPDATE": 3,
        "BOOT_IMAGE_PACKAGE": 4,
        "BOOT_IMAGE_PACKAGE_SAFE": 5,
        "APPLICATION": 0x80,
        "PATCH": 0x81,
        "ADD_ON_CONTENT": 0x82,
        "DELTA": 0x83,
        "DATA_PATCH": 0x84,
    }
    assert dict(numbers(RecordType)) == {
        "META": 0,
        "PROGRAM": 1,
        "DATA": 2,
        "CONTROL": 3,
        "HTML_DOCUMENT": 4,
        "LEGAL_INFORMATION": 5,
        "DELTA_FRAGMENT": 6,
    }
    assert dict(numbers(InstallType)) == {"FULL": 0, "FRAGMENT_ONLY": 1, "UNKNOWN": 7}
    assert dict(numbers(MetaAttributes)) == {"INCLUDES_EXFAT_DRIVER": 1, "REBOOTLESS": 2, "COMPACTED": 4}
    assert DIGEST_SIZE == 0x20
