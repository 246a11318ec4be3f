from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.npdm import (
    ACI0_HEADER,
    ACI0_MAGIC,
    ACID_HEADER,
    ACID_MAGIC,
    FILE_ACCESS_CONTROL,
    FILE_ACCESS_HEADER,
    META_HEADER,
    META_MAGIC,
    SERVICE_HOST,
    SERVICE_LENGTH,
    SIGNED_FROM,
    AcidFlags,
    AddressSpace,
    CapabilityKind,
    FsPermissions,
    MemoryPool,
    MemoryRegion,
    MetaFlags,
    ProgramType,
    SaveDataAccess,
    Syscall,
)
from oboromi_fs._decode import decode_bytes
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_meta_header() -> None:
    check_layout(
        META_HEADER,
        0x80,
        {
            "magic": (0x00, "b4"),
            "signature_key_generation": (0x04, "u4"),
            "reserved_8": (0x08, "u4"),
            "flags": (0x0C, "u1"),
            "reserved_d": (0x0D, "u1"),
            "main_thread_priority": (0x0E, "u1"),
            "main_thread_core": (0x0F, "u1"),
            "reserved_10": (0x10, "u4"),
            "system_resource_size": (0x14, "u4"),
            "version": (0x18, "u4"),
            "main_thread_stack_size": (0x1C, "u4"),
            "name": (0x20, "b16"),
            "product_code": (0x30, "b16"),
            "reserved_40": (0x40, "b48"),
            "aci0_offset": (0x70, "u4"),
            "aci0_size": (0x74, "u4"),
            "acid_offset": (0x78, "u4"),
            "acid_size": (0x7C, "u4"),
        },
    )


def test_acid_header() -> None:
    check_layout(
        ACID_HEADER,
        0x240,
        {
            "signature": (0x000, "b256"),
            "modulus": (0x100, "b256"),
            "magic": (0x200, "b4"),
            "signed_size": (0x204, "u4"),
            "version": (0x208, "u4"),
            "flags": (0x20C, "u4"),
            "program_id_min": (0x210, "u8"),
            "program_id_max": (0x218, "u8"),
            "fac_offset": (0x220, "u4"),
            "fac_size": (0x224, "u4"),
            "sac_offset": (0x228, "u4"),
            "sac_size": (0x22C, "u4"),
            "kac_offset": (0x230, "u4"),
            "kac_size": (0x234, "u4"),
            "reserved_238": (0x238, "b8"),
        },
    )


def test_aci0_header() -> None:
    check_layout(
        ACI0_HEADER,
        0x40,
        {
            "magic": (0x00, "b4"),
            "reserved_4": (0x04, "b12"),
            "program_id": (0x10, "u8"),
            "reserved_18": (0x18, "b8"),
            "fah_offset": (0x20, "u4"),
            "fah_size": (0x24, "u4"),
            "sac_offset": (0x28, "u4"),
            "sac_size": (0x2C, "u4"),
            "kac_offset": (0x30, "u4"),
            "kac_size": (0x34, "u4"),
            "reserved_38": (0x38, "b8"),
        },
    )


def test_file_access_control() -> None:
    check_layout(
        FILE_ACCESS_CONTROL,
        0x2C,
        {
            "version": (0x00, "u1"),
            "content_owner_id_count": (0x01, "u1"),
            "save_data_owner_id_count": (0x02, "u1"),
            "reserved_3": (0x03, "u1"),
            "permissions": (0x04, "u8"),
            "content_owner_id_min": (0x0C, "u8"),
            "content_owner_id_max": (0x14, "u8"),
            "save_data_owner_id_min": (0x1C, "u8"),
            "save_data_owner_id_max": (0x24, "u8"),
        },
    )


def test_file_access_header() -> None:
    check_layout(
        FILE_ACCESS_HEADER,
        0x1C,
        {
            "version": (0x00, "u1"),
            "reserved_1": (0x01, "b3"),
            "permissions": (0x04, "u8"),
            "content_owners_offset": (0x0C, "u4"),
            "content_owners_size": (0x10, "u4"),
            "save_data_owners_offset": (0x14, "u4"),
            "save_data_owners_size": (0x18, "u4"),
        },
    )


def test_constants() -> None:
    assert (META_MAGIC, ACID_MAGIC, ACI0_MAGIC) == (b"META", b"ACID", b"ACI0")
    assert (SIGNED_FROM, SERVICE_HOST, SERVICE_LENGTH) == (0x100, 0x80, 7)


def test_numbers_of_the_enumerations() -> None:
    assert dict(numbers(MetaFlags)) == {
        "IS_64_BIT": 0x01,
        "OPTIMIZE_MEMORY_ALLOCATION": 0x10,
        "DISABLE_DEVICE_ADDRESS_SPACE_MERGE": 0x20,
        "ENABLE_ALIAS_REGION_EXTRA_SIZE": 0x40,
        "PREVENT_CODE_READS": 0x80,
    }
    assert dict(numbers(AddressSpace)) == {"BITS_32": 0, "BITS_36": 1, "BITS_32_NO_RESERVED": 2, "BITS_39": 3}
    assert dict(numbers(AcidFlags)) == {"PRODUCTION": 1, "UNQUALIFIED_APPROVAL": 2, "LOAD_BROWSER_MODULE": 0x80}
    assert dict(numbers(MemoryPool)) == {"APPLICATION": 0, "APPLET": 1, "SYSTEM": 2, "NON_SECURE_SYSTEM": 3}
    assert dict(numbers(SaveDataAccess)) == {"READ": 1, "WRITE": 2, "READ_WRITE": 3}
    assert dict(numbers(ProgramType)) == {"SYSTEM": 0, "APPLICATION": 1, "APPLET": 2}
    assert dict(numbers(MemoryRegion)) == {"NONE": 0, "KERNEL_TRACE_BUFFER": 1, "ON_MEMORY_BOOT_IMAGE": 2, "DTB": 3}
    assert dict(numbers(CapabilityKind)) == {
        "THREAD_INFO": 3,
        "SYSCALLS": 4,
        "MAP_RANGE": 6,
        "MAP_IO_PAGE": 7,
        "MAP_REGION": 10,
        "INTERRUPTS": 11,
        "PROGRAM_TYPE": 13,
        "KERNEL_VERSION": 14,
        "HANDLE_TABLE": 15,
        "DEBUG": 16,
        "PADDING": 32,
    }


def test_permissions() -> None:
    assert {name: bit.bit_length() - 1 for name, bit in numbers(FsPermissions)} == {
        "APPLICATION_INFO": 0,
        "BOOT_MODE_CONTROL": 1,
        "CALIBRATION": 2,
        "SYSTEM_SAVE_DATA": 3,
        "GAME_CARD": 4,
        "SAVE_DATA_BACK_UP": 5,
        "SAVE_DATA_MANAGEMENT": 6,
        "BIS_ALL_RAW": 7,
        "GAME_CARD_RAW": 8,
        "GAME_CARD_PRIVATE": 9,
        "SET_TIME": 10,
        "CONTENT_MANAGER": 11,
        "IMAGE_MANAGER": 12,
        "CREATE_SAVE_DATA": 13,
        "SYSTEM_SAVE_DATA_MANAGEMENT": 14,
        "BIS_FILE_SYSTEM": 15,
        "SYSTEM_UPDATE": 16,
        "SAVE_DATA_META": 17,
        "DEVICE_SAVE_DATA": 18,
        "SETTINGS_CONTROL": 19,
        "SYSTEM_DATA": 20,
        "SD_CARD": 21,
        "HOST": 22,
        "FILL_BIS": 23,
        "CORRUPT_SAVE_DATA": 24,
        "SAVE_DATA_FOR_DEBUG": 25,
        "FORMAT_SD_CARD": 26,
        "GET_RIGHTS_ID": 27,
        "REGISTER_EXTERNAL_KEY": 28,
        "REGISTER_UPDATE_PARTITION": 29,
        "SAVE_DATA_TRANSFER": 30,
        "DEVICE_DETECTION": 31,
        "ACCESS_FAILURE_RESOLUTION": 32,
        "SAVE_DATA_TRANSFER_VERSION2": 33,
        "REGISTER_PROGRAM_INDEX_MAP_INFO": 34,
        "CREATE_OWN_SAVE_DATA": 35,
        "DEBUG": 62,
        "FULL_PERMISSION": 63,
    }


def test_syscalls() -> None:
    listed = dict(numbers(Syscall))
    assert list(listed.values()) == sorted(set(listed.values()))
    assert sorted(set(range(0x01, 0x92)) - set(listed.values())) == [0x38, 0x3B, 0x3E, 0x3F, 0x6E, *range(0x80, 0x90)]
    assert {name: listed[name] for name in ("SET_HEAP_SIZE", "SEND_SYNC_REQUEST", "BREAK", "GET_INFO", "CREATE_SESSION")} == {
        "SET_HEAP_SIZE": 0x01,
        "SEND_SYNC_REQUEST": 0x21,
        "BREAK": 0x26,
        "GET_INFO": 0x29,
        "CREATE_SESSION": 0x40,
    }
    assert {name: listed[name] for name in ("CREATE_SHARED_MEMORY", "DEBUG_ACTIVE_PROCESS", "CREATE_PORT", "CALL_SECURE_MONITOR")} == {
        "CREATE_SHARED_MEMORY": 0x50,
        "DEBUG_ACTIVE_PROCESS": 0x60,
        "CREATE_PORT": 0x70,
        "CALL_SECURE_MONITOR": 0x7F,
    }


def test_an_npdm_of_another_tool(testdata: Path) -> None:
    data = (testdata / "exe" / "main_owners.npdm").read_bytes()
    meta = decode_bytes(META_HEADER, data)
    assert meta.magic == META_MAGIC
    assert (meta.acid_offset, meta.acid_size, meta.aci0_offset, meta.aci0_size) == (0x80, 0x2CC, 0x350, 0xDC)
    acid = decode_bytes(ACID_HEADER, data[meta.acid_offset :])
    assert acid.magic == ACID_MAGIC
    assert (acid.fac_offset, acid.fac_size, acid.sac_offset, acid.sac_size, acid.kac_offset, acid.kac_size) == (
        *(0x240, 0x2C),
        *(0x270, 0x23),
        *(0x2A0, 0x2C),
    )
    aci0 = decode_bytes(ACI0_HEADER, data[meta.aci0_offset :])
    assert aci0.magic == ACI0_MAGIC
    assert aci0.program_id == 0x0100ABCDEF000000
    header = decode_bytes(FILE_ACCESS_HEADER, data[meta.aci0_offset + aci0.fah_offset :])
    assert (header.content_owners_offset, header.content_owners_size) == (0x1C, 0x0C)
    assert (header.save_data_owners_offset, header.save_data_owners_size) == (0x28, 0x10)
    control = decode_bytes(FILE_ACCESS_CONTROL, data[meta.acid_offset + acid.fac_offset :])
    assert control.permissions == header.permissions == 0x4000000000000001
