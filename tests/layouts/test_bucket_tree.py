from __future__ import annotations

from oboromi_formats.bucket_tree import BUCKET_NODE, BUCKET_TREE_HEADER, COMPRESSED_ENTRY, CTR_EX_ENTRY, INDIRECT_ENTRY
from tests.layouts.pins import check_layout, check_table


def test_headers() -> None:
    check_layout(BUCKET_TREE_HEADER, 0x10, {"magic": (0, "b4"), "version": (4, "u4"), "entry_count": (8, "s4"), "reserved": (0xC, "u4")})
    check_layout(BUCKET_NODE, 0x10, {"index": (0, "s4"), "count": (4, "s4"), "end": (8, "s8")})


def test_entries() -> None:
    check_table(INDIRECT_ENTRY, 0x14, {"offset": (0, "s8"), "physical": (8, "s8"), "source": (0x10, "s4")})
    check_table(CTR_EX_ENTRY, 0x10, {"offset": (0, "s8"), "plain": (8, "u1"), "reserved": (9, "b3"), "generation": (0xC, "u4")})
    check_table(
        COMPRESSED_ENTRY,
        0x18,
        {
            "offset": (0, "s8"),
            "physical": (8, "s8"),
            "type": (0x10, "u1"),
            "level": (0x11, "s1"),
            "reserved": (0x12, "u2"),
            "size": (0x14, "u4"),
        },
    )
