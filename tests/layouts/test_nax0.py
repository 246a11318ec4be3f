from __future__ import annotations

from oboromi_formats.nax0 import NAX0_HEADER
from tests.layouts.pins import check_layout


def test_header() -> None:
    check_layout(
        NAX0_HEADER,
        0x80,
        {
            "mac": (0x00, "b32"),
            "magic": (0x20, "b4"),
            "reserved": (0x24, "u4"),
            "data_key": (0x28, "b16"),
            "tweak_key": (0x38, "b16"),
            "size": (0x48, "u8"),
            "padding": (0x50, "b48"),
        },
    )
