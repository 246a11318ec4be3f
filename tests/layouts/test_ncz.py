from __future__ import annotations

from oboromi_formats.ncz import NCZ_BLOCK_HEADER, NCZ_BLOCK_SIZE, NCZ_SECTION, NCZ_SECTION_HEADER, NczBlockHeader, NczSectionHeader
from tests.layouts.pins import check_layout, check_table


def test_sections() -> None:
    check_layout(NCZ_SECTION_HEADER, 0x10, {"magic": (0, "b8"), "count": (8, "u8")})
    check_table(
        NCZ_SECTION,
        0x40,
        {
            "offset": (0, "u8"),
            "size": (8, "u8"),
            "crypto_type": (0x10, "u8"),
            "reserved": (0x18, "u8"),
            "key": (0x20, "b16"),
            "counter": (0x30, "b16"),
        },
    )


def test_blocks() -> None:
    check_layout(
        NCZ_BLOCK_HEADER,
        0x18,
        {
            "magic": (0, "b8"),
            "version": (8, "u1"),
            "type": (9, "u1"),
            "reserved": (0xA, "u1"),
            "exponent": (0xB, "u1"),
            "block_count": (0xC, "u4"),
            "size": (0x10, "u8"),
        },
    )
    check_table(NCZ_BLOCK_SIZE, 4, {"size": (0, "u4")})


def test_headers_are_the_bytes_of_the_specification() -> None:
    assert NCZ_SECTION_HEADER.build(NczSectionHeader(count=1)) == b"NCZSECTN\x01\0\0\0\0\0\0\0"
    built = NCZ_BLOCK_HEADER.build(NczBlockHeader(exponent=14, block_count=3, size=0x9000))
    assert built == b"NCZBLOCK" + bytes.fromhex("0201000e 03000000 0090000000000000")
