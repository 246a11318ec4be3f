from __future__ import annotations

import hashlib
from struct import pack, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.romfs import DIR_ENTRY, FILE_ENTRY, NONE, ROMFS_HEADER, ROMFS_HEADER_NCA0, RomFsHeader, bucket_count, path_hash
from oboromi_fs._decode import decode_bytes, encode
from tests.layouts.pins import check_layout, check_table


def test_header() -> None:
    check_layout(
        ROMFS_HEADER,
        0x50,
        {
            "header_size": (0x00, "u8"),
            "dir_hash_offset": (0x08, "u8"),
            "dir_hash_size": (0x10, "u8"),
            "dir_table_offset": (0x18, "u8"),
            "dir_table_size": (0x20, "u8"),
            "file_hash_offset": (0x28, "u8"),
            "file_hash_size": (0x30, "u8"),
            "file_table_offset": (0x38, "u8"),
            "file_table_size": (0x40, "u8"),
            "data_offset": (0x48, "u8"),
        },
    )


def test_header_of_a_pre_release_image() -> None:
    check_layout(
        ROMFS_HEADER_NCA0,
        0x28,
        {
            "header_size": (0x00, "u4"),
            "dir_hash_offset": (0x04, "u4"),
            "dir_hash_size": (0x08, "u4"),
            "dir_table_offset": (0x0C, "u4"),
            "dir_table_size": (0x10, "u4"),
            "file_hash_offset": (0x14, "u4"),
            "file_hash_size": (0x18, "u4"),
            "file_table_offset": (0x1C, "u4"),
            "file_table_size": (0x20, "u4"),
            "data_offset": (0x24, "u4"),
        },
    )


def test_directory_entry() -> None:
    check_table(
        DIR_ENTRY,
        0x18,
        {
            "parent": (0x00, "u4"),
            "next_sibling": (0x04, "u4"),
            "first_directory": (0x08, "u4"),
            "first_file": (0x0C, "u4"),
            "next_in_bucket": (0x10, "u4"),
            "name_length": (0x14, "u4"),
        },
    )


def test_file_entry() -> None:
    check_table(
        FILE_ENTRY,
        0x20,
        {
            "parent": (0x00, "u4"),
            "next_sibling": (0x04, "u4"),
            "data_offset": (0x08, "u8"),
            "size": (0x10, "u8"),
            "next_in_bucket": (0x18, "u4"),
            "name_length": (0x1C, "u4"),
        },
    )


def test_the_image_of_a_small_tree() -> None:
    header = RomFsHeader(0x50, 0x230, 0xC, 0x23C, 0x34, 0x270, 0xC, 0x27C, 0x74, 0x200)
    directories = (
        pack(DIR_ENTRY.row_format, 0, NONE, 0x18, 0, NONE, 0) + pack(DIR_ENTRY.row_format, 0, NONE, NONE, 0x28, NONE, 1) + b"b\0\0\0"
    )
    files = (
        pack(FILE_ENTRY.row_format, 0, NONE, 0, 2, NONE, 5)
        + b"a.txt\0\0\0"
        + pack(FILE_ENTRY.row_format, 0x18, 0x50, 0x10, 0x11, NONE, 5)
        + b"c.bin\0\0\0"
        + pack(FILE_ENTRY.row_format, 0x18, NONE, 0x30, 0, NONE, 1)
        + b"d\0\0\0"
    )
    image = (
        encode(ROMFS_HEADER, header).ljust(0x200, b"\0")
        + b"hi".ljust(0x10, b"\0")
        + bytes(range(0x11)).ljust(0x20, b"\0")
        + pack("<3I", 0, NONE, 0x18)
        + directories
        + pack("<3I", 0x50, 0x28, 0)
        + files
    )
    assert len(image) == 0x2F0
    assert hashlib.sha256(image).hexdigest() == "b801cc5c0accd54decc1a3c48b7ac7767f9c05fab6eda9c934db896b64f62f2c"
    assert decode_bytes(ROMFS_HEADER, image) == header
    for parent, name, offset in ((0, b"a.txt", 0), (0x18, b"c.bin", 0x28), (0x18, b"d", 0x50)):
        bucket = path_hash(parent, name) % 3
        assert unpack_from("<I", image, 0x270 + 4 * bucket) == (offset,)


@pytest.mark.parametrize(
    ("parent", "name", "steps"),
    [
        (0, b"", []),
        (0, b"a", [0xA83ADE09]),
        (0, b"b", [0xA83ADE0A]),
        (0, b"data", [0xA83ADE0C, 0x6541D691, 0x8B2A0EC0, 0x04595017]),
        (0x18, b"c.bin", [0x683ADE0B, 0x5B41D6DE, 0xF2DA0ED4, 0xA796D01F, 0xFD3CB6EE]),
        (0, b"\xc3\xa9", [0xA83ADEAB, 0x5D41D65C]),
    ],
)
def test_path_hash(parent: int, name: bytes, steps: list[int]) -> None:
    assert path_hash(0, b"") == 0x075BCD15
    assert [path_hash(parent, name[:length]) for length in range(1, len(name) + 1)] == steps


@pytest.mark.parametrize(
    ("parent", "name", "buckets"),
    [
        (0, b"", (0, 4, 1)),
        (0, b"a", (1, 2, 5)),
        (0, b"b", (2, 3, 6)),
        (0, b"data", (1, 1, 0)),
        (0x18, b"c.bin", (1, 3, 2)),
        (0, b"\xc3\xa9", (2, 4, 2)),
    ],
)
def test_buckets_of_three_five_and_seven(parent: int, name: bytes, buckets: tuple[int, ...]) -> None:
    assert tuple(path_hash(parent, name) % count for count in (3, 5, 7)) == buckets


@given(parent=st.integers(0, NONE), name=st.binary(max_size=0x40))
def test_path_hash_is_32_bits(parent: int, name: bytes) -> None:
    assert 0 <= path_hash(parent, name) <= 0xFFFFFFFF


@pytest.mark.parametrize(
    ("n", "count"),
    [
        (0, 3),
        (1, 3),
        (2, 3),
        (3, 3),
        (4, 5),
        (5, 5),
        (6, 7),
        (9, 9),
        (10, 11),
        (16, 17),
        (17, 17),
        (18, 19),
        (19, 19),
        (20, 23),
        (21, 23),
        (22, 23),
        (23, 23),
        (24, 29),
        (25, 29),
        (30, 31),
        (40, 41),
        (77, 79),
        (100, 101),
        (200, 211),
        (289, 293),
        (1000, 1007),
    ],
)
def test_bucket_count(n: int, count: int) -> None:
    assert bucket_count(n) == count
