from __future__ import annotations

from oboromi_formats.ini import INI_HEADER, INI_MAGIC, INI_MAX_KIPS
from tests.layouts.pins import check_layout


def test_ini_header() -> None:
    check_layout(INI_HEADER, 0x10, {"magic": (0x0, "b4"), "size": (0x4, "u4"), "kip_count": (0x8, "u4"), "reserved": (0xC, "u4")})


def test_numbers() -> None:
    assert (INI_MAGIC, INI_MAX_KIPS) == (b"INI1", 80)
