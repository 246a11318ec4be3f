from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.kip import KIP_HEADER, KIP_MAGIC, KipFlags, KipSegment
from oboromi_fs._decode import decode
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout, numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_kip_header() -> None:
    check_layout(
        KIP_HEADER,
        0x100,
        {
            "magic": (0x00, "b4"),
            "name": (0x04, "b12"),
            "program_id": (0x10, "u8"),
            "version": (0x18, "u4"),
            "priority": (0x1C, "u1"),
            "ideal_core": (0x1D, "u1"),
            "reserved": (0x1E, "u1"),
            "flags": (0x1F, "u1"),
            "segments.0.memory_offset": (0x20, "u4"),
            "segments.0.memory_size": (0x24, "u4"),
            "segments.0.file_size": (0x28, "u4"),
            "segments.0.attribute": (0x2C, "u4"),
            "segments.1.memory_offset": (0x30, "u4"),
            "segments.1.memory_size": (0x34, "u4"),
            "segments.1.file_size": (0x38, "u4"),
            "segments.1.attribute": (0x3C, "u4"),
            "segments.2.memory_offset": (0x40, "u4"),
            "segments.2.memory_size": (0x44, "u4"),
            "segments.2.file_size": (0x48, "u4"),
            "segments.2.attribute": (0x4C, "u4"),
            "segments.3.memory_offset": (0x50, "u4"),
            "segments.3.memory_size": (0x54, "u4"),
            "segments.3.file_size": (0x58, "u4"),
            "segments.3.attribute": (0x5C, "u4"),
            "segments.4.memory_offset": (0x60, "u4"),
            "segments.4.memory_size": (0x64, "u4"),
            "segments.4.file_size": (0x68, "u4"),
            "segments.4.attribute": (0x6C, "u4"),
            "segments.5.memory_offset": (0x70, "u4"),
            "segments.5.memory_size": (0x74, "u4"),
            "segments.5.file_size": (0x78, "u4"),
            "segments.5.attribute": (0x7C, "u4"),
            **{f"capabilities.{index}": (0x80 + 4 * index, "u4") for index in range(32)},
        },
    )


def test_numbers() -> None:
    assert KIP_MAGIC == b"KIP1"
    assert dict(numbers(KipFlags)) == {
        "TEXT_COMPRESSED": 0x01,
        "RO_COMPRESSED": 0x02,
        "DATA_COMPRESSED": 0x04,
        "IS_64_BIT": 0x08,
        "ADDRESS_SPACE_64_BIT": 0x10,
        "SECURE_MEMORY": 0x20,
        "IMMORTAL": 0x40,
    }


def test_a_file_of_another_tool(testdata: Path) -> None:
    header = decode(KIP_HEADER, MemoryStorage((testdata / "exe" / "test.kip").read_bytes()))
    assert (header.magic, header.name, header.program_id) == (b"KIP1", b"fakekip\0\0\0\0\0", 0x0100ABCDEF00F000)
    assert (header.version, header.priority, header.ideal_core, header.flags) == (1, 49, 3, 0x7F)
    assert header.segments == (
        KipSegment(0, 0x1000, 0x2A4, 0),
        KipSegment(0x1000, 0x4119, 0x88C, 0x4000),
        KipSegment(0x6000, 0x3000, 0x5EC, 0),
        KipSegment(0x9000, 0xA000, 0, 0),
        KipSegment(),
        KipSegment(),
    )
    assert header.capabilities == (0x030363F7, 0x0001004F, 0x00183FFF, 0x00807FFF, *[0xFFFFFFFF] * 28)
    assert (header.stack_size, header.affinity_mask) == (0x4000, 0)
