from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oboromi_formats.npdm import MemoryRegion, ProgramType
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.capabilities import (
    Capability,
    Debug,
    HandleTable,
    Interrupts,
    KernelVersion,
    MapIoPage,
    MappedRegion,
    MapRange,
    MapRegion,
    Padding,
    ProgramKind,
    RawCapability,
    Syscalls,
    ThreadInfo,
)
from oboromi_fs.metadata.kernel_access import CapabilitiesKind, capability_bytes, default_capabilities, read_capabilities
from oboromi_fs.metadata.keypath import KeyPath

KIND = CapabilitiesKind()
PATH = KeyPath("NPDM") / "kernel_capabilities"


def read(*words: int) -> tuple[Capability, ...]:
    data = struct.pack(f"<{len(words)}I", *words)
    return read_capabilities(data, MemoryStorage(data), 0)


# Words written by hand from the ranges of bits in the specification.
WORDS: list[tuple[tuple[int, ...], Capability, dict[str, Any]]] = [
    (
        (0b00000011_00000001_101100_111011_0111,),
        ThreadInfo(lowest_priority=59, highest_priority=44, min_core=1, max_core=3),
        {"kind": "ThreadInfo", "lowest_priority": 59, "highest_priority": 44, "min_core": 1, "max_core": 3},
    ),
    (
        (0b000_100000000000000000000010_01111,),
        Syscalls((1, 23)),
        {"kind": "Syscalls", "calls": ["SetHeapSize", "ResetSignal"]},
    ),
    (
        (0b111_100000000000000000000001_01111,),
        Syscalls((168, 191)),
        {"kind": "Syscalls", "calls": [168, 191]},
    ),
    (
        (0b010_000000000000000000000000_01111,),
        Syscalls((), 2),
        {"kind": "Syscalls", "calls": [], "group": 2},
    ),
    (
        (0b1_000000000000000000000010_0111111, 0b1_0001_00000000000000000011_0111111),
        MapRange(address=0x1000002000, size=0x3000, read_only=True, static=True),
        {"kind": "MapRange", "address": "0x1000002000", "size": "0x3000", "read_only": True, "static": True},
    ),
    (
        (0b0_111111111111111111111111_0111111, 0b0_1111_11111111111111111111_0111111),
        MapRange(address=0xFFFFFFF000, size=0xFFFFF000, read_only=False, static=False),
        {"kind": "MapRange", "address": "0xfffffff000", "size": "0xfffff000", "read_only": False, "static": False},
    ),
    (
        (0b000000000000000000000101_01111111,),
        MapIoPage(address=0x5000),
        {"kind": "MapIoPage", "address": "0x5000"},
    ),
    (
        (0b1_000011_0_000010_1_000001_01111111111,),
        MapRegion((MappedRegion(MemoryRegion(1), True), MappedRegion(MemoryRegion(2), False), MappedRegion(MemoryRegion(3), True))),
        {
            "kind": "MapRegion",
            "regions": [
                {"type": "KernelTraceBuffer", "read_only": True},
                {"type": "OnMemoryBootImage", "read_only": False},
                {"type": "DTB", "read_only": True},
            ],
        },
    ),
    (
        (0b0_000000_0_000000_0_111111_01111111111,),
        MapRegion((MappedRegion(63), MappedRegion(), MappedRegion())),
        {"kind": "MapRegion", "regions": [{"type": 63, "read_only": False}]},
    ),
    (
        (0b0000000010_0000000001_011111111111,),
        Interrupts((1, 2)),
        {"kind": "Interrupts", "numbers": [1, 2]},
    ),
    (
        (0b1111111111_0000000000_011111111111,),
        Interrupts((0, 0x3FF)),
        {"kind": "Interrupts", "numbers": [0]},
    ),
    (
        (0b0000000001_1111111111_011111111111,),
        Interrupts((0x3FF, 1)),
        {"kind": "Interrupts", "numbers": [1023, 1]},
    ),
    ((0b010_01111111111111,), ProgramKind(ProgramType.APPLET), {"kind": "ProgramType", "type": "Applet"}),
    ((0b111_01111111111111,), ProgramKind(7), {"kind": "ProgramType", "type": 7}),
    (
        (0b1000000000010_0011_011111111111111,),
        KernelVersion(major=0x1002, minor=3),
        {"kind": "KernelVersion", "major": 0x1002, "minor": 3},
    ),
    ((0b1111111111_0111111111111111,), HandleTable(1023), {"kind": "HandleTable", "size": 1023}),
    (
        (0b1_0_1_01111111111111111,),
        Debug(allow_debug=True, force_debug_prod=False, force_debug=True),
        {"kind": "Debug", "allow_debug": True, "force_debug_prod": False, "force_debug": True},
    ),
    ((0xFFFFFFFF,), Padding(), {"kind": "Padding"}),
    # What has bits without a meaning, or no meaning at all.
    ((0b1_000_01111111111111,), RawCapability(0x21FFF), {"kind": "Raw", "word": "0x00021fff"}),
    ((1 << 26 | 0x7FFF,), RawCapability(0x4007FFF), {"kind": "Raw", "word": "0x04007fff"}),
    ((1 << 20 | 0xFFFF,), RawCapability(0x10FFFF), {"kind": "Raw", "word": "0x0010ffff"}),
    ((0,), RawCapability(0), {"kind": "Raw", "word": "0x00000000"}),
    ((0x1F,), RawCapability(0x1F), {"kind": "Raw", "word": "0x0000001f"}),
    ((0x7FFFFFFF,), RawCapability(0x7FFFFFFF), {"kind": "Raw", "word": "0x7fffffff"}),
    ((0x3F,), RawCapability(0x3F), {"kind": "Raw", "word": "0x0000003f"}),
]


@pytest.mark.parametrize(("words", "value", "plain"), WORDS, ids=[f"{words[0]:#010x}" for words, _, _ in WORDS])
def test_a_capability(words: tuple[int, ...], value: Capability, plain: dict[str, Any]) -> None:
    assert read(*words) == (value,)
    assert value.words() == words
    assert KIND.plain((value,)) == [plain]
    assert KIND.parse([plain], PATH) == (value,)


def test_calls_of_words_in_ascending_order_are_one() -> None:
    words = 0x2F, 0x2000002F, 0x4000002F
    assert read(*words) == (Syscalls((0, 24, 48)),)
    assert capability_bytes(read(*words)) == struct.pack("<3I", *words)


def test_calls_of_words_in_another_order_are_not() -> None:
    words = 0x2000002F, 0x2F, 0x4F, 0xFFFFFFFF, 0x4000002F
    assert read(*words) == (Syscalls((24,)), Syscalls((0,)), Syscalls((1,)), Padding(), Syscalls((48,)))
    assert capability_bytes(read(*words)) == struct.pack("<5I", *words)


def test_a_group_without_calls_stands_alone() -> None:
    words = 0x2F, 0x2000000F, 0x4000002F
    assert read(*words) == (Syscalls((0,)), Syscalls((), 1), Syscalls((48,)))
    assert capability_bytes(read(*words)) == struct.pack("<3I", *words)


def test_three_halves_of_a_pair() -> None:
    assert read(0x3F, 0x3F, 0x3F) == (MapRange(0, 0), RawCapability(0x3F))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_table_of_words_has_whole_words(size: int) -> None:
    with pytest.raises(
        CorruptError, match=f"NPDM kernel capabilities of memory at 0x40, field kac_size: {size:#x} bytes are no whole number of words"
    ):
        read_capabilities(bytes(size), MemoryStorage(bytes(0x80)), 0x40)


word = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.builds(lambda kind, rest: (rest << kind + 1 | (1 << kind) - 1) & 0xFFFFFFFF, st.integers(0, 32), st.integers(0, 0xFFFFFFFF)),
    st.builds(lambda group, mask: group << 29 | mask << 5 | 0xF, st.integers(0, 7), st.integers(0, 3)),
    st.just(0xFFFFFFFF),
)


@given(st.lists(word, max_size=12))
@example([0x2F, 0x2000002F, 0x2000004F])
def test_every_table_comes_back(words: list[int]) -> None:
    data = struct.pack(f"<{len(words)}I", *words)
    found = read(*words)
    assert capability_bytes(found) == data
    assert KIND.parse(KIND.plain(found), PATH) == found


def test_defaults() -> None:
    assert capability_bytes(default_capabilities([0x26, 1])) == struct.pack(
        "<6I",
        59 << 4 | 28 << 10 | 2 << 24 | 7,
        1 << 6 | 0xF,
        1 << 29 | 1 << 19 | 0xF,
        1 << 14 | 0x1FFF,
        3 << 19 | 0x3FFF,
        512 << 16 | 0x7FFF,
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (ThreadInfo(lowest_priority=64), "field ThreadInfo: 0x40 is not below 0x40"),
        (Syscalls((192,)), "field Syscalls: 0x8 is not below 0x8"),
        (Syscalls((24,), 0), "field Syscalls: call 0x18 is not of group 0"),
        (MapRange(0x1001, 0x1000), "field MapRange: 0x1001 is no multiple of 0x1000"),
        (MapRange(1 << 40, 0x1000), "field MapRange: 0x10 is not below 0x10"),
        (MapRange(0, 1 << 32), "field MapRange: 0x100000 is not below 0x100000"),
        (MapIoPage(1 << 36), "field MapIoPage: 0x1000000 is not below 0x1000000"),
        (HandleTable(-1), "field HandleTable: -0x1 is not below 0x400"),
        (RawCapability(1 << 32), "a word does not fit"),
    ],
)
def test_values_that_do_not_fit(value: Capability, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        capability_bytes([value])
