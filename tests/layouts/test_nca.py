from __future__ import annotations

import pytest

from oboromi_formats.nca import (
    FS_HEADER,
    FS_HEADER_OFFSET,
    MEDIA_UNIT,
    NCA_HEADER,
    NCA_HEADERS_SIZE,
    NCA_MAGICS,
    SECTION_COUNT,
    ContentType,
    Distribution,
    Encryption,
    FsHeader,
    FsType,
    HashType,
    KeyAreaKeyIndex,
    MetadataHashType,
    NcaHeader,
    SectionEntry,
)
from oboromi_fs._decode import decode_bytes, encode
from tests.layouts.pins import check_layout, numbers


def test_header() -> None:
    check_layout(
        NCA_HEADER,
        0x400,
        {
            "signature_1": (0x000, "b256"),
            "signature_2": (0x100, "b256"),
            "magic": (0x200, "b4"),
            "distribution": (0x204, "u1"),
            "content_type": (0x205, "u1"),
            "key_generation_old": (0x206, "u1"),
            "key_area_key_index": (0x207, "u1"),
            "content_size": (0x208, "u8"),
            "program_id": (0x210, "u8"),
            "content_index": (0x218, "u4"),
            "sdk_version": (0x21C, "u4"),
            "key_generation_new": (0x220, "u1"),
            "signature_key_generation": (0x221, "u1"),
            "reserved": (0x222, "b14"),
            "rights_id": (0x230, "b16"),
            "sections.0.start": (0x240, "u4"),
            "sections.0.end": (0x244, "u4"),
            "sections.0.hash_sectors": (0x248, "u4"),
            "sections.0.reserved": (0x24C, "u4"),
            "sections.1.start": (0x250, "u4"),
            "sections.1.end": (0x254, "u4"),
            "sections.1.hash_sectors": (0x258, "u4"),
            "sections.1.reserved": (0x25C, "u4"),
            "sections.2.start": (0x260, "u4"),
            "sections.2.end": (0x264, "u4"),
            "sections.2.hash_sectors": (0x268, "u4"),
            "sections.2.reserved": (0x26C, "u4"),
            "sections.3.start": (0x270, "u4"),
            "sections.3.end": (0x274, "u4"),
            "sections.3.hash_sectors": (0x278, "u4"),
            "sections.3.reserved": (0x27C, "u4"),
            "fs_header_hashes.0": (0x280, "b32"),
            "fs_header_hashes.1": (0x2A0, "b32"),
            "fs_header_hashes.2": (0x2C0, "b32"),
            "fs_header_hashes.3": (0x2E0, "b32"),
            "key_area": (0x300, "b256"),
        },
    )


def test_fs_header() -> None:
    check_layout(
        FS_HEADER,
        0x200,
        {
            "version": (0x000, "u2"),
            "fs_type": (0x002, "u1"),
            "hash_type": (0x003, "u1"),
            "encryption": (0x004, "u1"),
            "metadata_hash_type": (0x005, "u1"),
            "reserved": (0x006, "b2"),
            "hash_data": (0x008, "b248"),
            "patch_info.indirect_offset": (0x100, "u8"),
            "patch_info.indirect_size": (0x108, "u8"),
            "patch_info.indirect_header": (0x110, "b16"),
            "patch_info.ctr_ex_offset": (0x120, "u8"),
            "patch_info.ctr_ex_size": (0x128, "u8"),
            "patch_info.ctr_ex_header": (0x130, "b16"),
            "generation": (0x140, "u4"),
            "secure_value": (0x144, "u4"),
            "sparse_info.bucket_offset": (0x148, "u8"),
            "sparse_info.bucket_size": (0x150, "u8"),
            "sparse_info.bucket_header": (0x158, "b16"),
            "sparse_info.physical_offset": (0x168, "u8"),
            "sparse_info.generation": (0x170, "u2"),
            "sparse_info.reserved": (0x172, "b6"),
            "compression_info.offset": (0x178, "u8"),
            "compression_info.size": (0x180, "u8"),
            "compression_info.bucket_header": (0x188, "b16"),
            "compression_info.reserved": (0x198, "b8"),
            "metadata_hash_offset": (0x1A0, "u8"),
            "metadata_hash_size": (0x1A8, "u8"),
            "metadata_hash": (0x1B0, "b32"),
            "reserved_2": (0x1D0, "b48"),
        },
    )


def test_the_headers_follow_each_other() -> None:
    assert NCA_HEADER.size == FS_HEADER_OFFSET
    assert FS_HEADER_OFFSET + SECTION_COUNT * FS_HEADER.size == NCA_HEADERS_SIZE
    assert MEDIA_UNIT == 0x200
    assert NCA_MAGICS == (b"NCA3", b"NCA2", b"NCA0")


def _header(old: int = 0, new: int = 0, rights_id: bytes = bytes(0x10)) -> NcaHeader:
    data = bytearray(0x400)
    data[0x206], data[0x220] = old, new
    data[0x230:0x240] = rights_id
    return decode_bytes(NCA_HEADER, data)


@pytest.mark.parametrize(
    ("old", "new", "generation", "revision"),
    [(0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 2, 1), (2, 3, 3, 2), (2, 4, 4, 3), (2, 0x16, 0x16, 0x15), (2, 0xFF, 0xFF, 0xFE), (5, 3, 5, 4)],
)
def test_key_generation(old: int, new: int, generation: int, revision: int) -> None:
    header = _header(old, new)
    assert header.key_generation == generation
    assert header.revision == revision


def test_any_byte_makes_a_rights_id() -> None:
    assert not _header().has_rights_id
    assert _header(rights_id=bytes(0xF) + b"\x01").has_rights_id


def test_counter_words() -> None:
    data = bytearray(0x200)
    data[0x140:0x148] = bytes.fromhex("03000000 02010000")
    header = decode_bytes(FS_HEADER, data)
    assert (header.generation, header.secure_value) == (3, 0x102)


def test_section_entry_in_bytes() -> None:
    entry = SectionEntry(0x20, 0x2C, 1)
    assert entry.exists
    assert (entry.offset, entry.size) == (0x4000, 0x1800)
    assert not SectionEntry().exists
    assert SectionEntry(0, 1).exists
    assert SectionEntry(2, 1).size == -0x200


def test_numbers_nobody_knows_decode() -> None:
    header = decode_bytes(NCA_HEADER, b"\xff" * 0x400)
    assert (header.distribution, header.content_type, header.key_area_key_index) == (0xFF, 0xFF, 0xFF)
    fs_header = decode_bytes(FS_HEADER, b"\xff" * 0x200)
    assert (fs_header.fs_type, fs_header.hash_type, fs_header.encryption, fs_header.metadata_hash_type) == (0xFF, 0xFF, 0xFF, 0xFF)


def test_defaults_are_those_of_an_ordinary_archive() -> None:
    header = NcaHeader(
        content_type=ContentType.META,
        content_size=0x1000,
        program_id=0x0100ABCDEF000000,
        sdk_version=0x000C1100,
        sections=(SectionEntry(6, 8, 1), SectionEntry(), SectionEntry(), SectionEntry()),
        fs_header_hashes=(bytes(0x20),) * 4,
    )
    data = encode(NCA_HEADER, header)
    assert data[0x200:0x208] == b"NCA3\x00\x01\x00\x00"
    assert data[0x240:0x250] == bytes.fromhex("06000000 08000000 01000000 00000000")
    fs_header = FsHeader(
        fs_type=FsType.PARTITION_FS, hash_type=HashType.HIERARCHICAL_SHA256, encryption=Encryption.AES_CTR, hash_data=bytes(0xF8)
    )
    assert encode(FS_HEADER, fs_header) == bytes.fromhex("0200 01 02 03 00 0000") + bytes(0x1F8)


def test_numbers_of_the_enumerations() -> None:
    assert dict(numbers(Distribution)) == {"DOWNLOAD": 0, "GAME_CARD": 1}
    assert dict(numbers(ContentType)) == {"PROGRAM": 0, "META": 1, "CONTROL": 2, "MANUAL": 3, "DATA": 4, "PUBLIC_DATA": 5}
    assert dict(numbers(KeyAreaKeyIndex)) == {"APPLICATION": 0, "OCEAN": 1, "SYSTEM": 2}
    assert dict(numbers(FsType)) == {"ROMFS": 0, "PARTITION_FS": 1}
    assert dict(numbers(HashType)) == {
        "AUTO": 0,
        "NONE": 1,
        "HIERARCHICAL_SHA256": 2,
        "HIERARCHICAL_INTEGRITY": 3,
        "AUTO_SHA3": 4,
        "HIERARCHICAL_SHA3_256": 5,
        "HIERARCHICAL_INTEGRITY_SHA3": 6,
    }
    assert dict(numbers(Encryption)) == {
        "AUTO": 0,
        "NONE": 1,
        "AES_XTS": 2,
        "AES_CTR": 3,
        "AES_CTR_EX": 4,
        "AES_CTR_SKIP_LAYER_HASH": 5,
        "AES_CTR_EX_SKIP_LAYER_HASH": 6,
    }
    assert dict(numbers(MetadataHashType)) == {"NONE": 0, "HIERARCHICAL_INTEGRITY": 1, "HIERARCHICAL_INTEGRITY_SHA3": 2}
