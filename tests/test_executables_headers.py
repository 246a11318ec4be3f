"""Every field of the executables that another tool made, as its bytes say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_formats.kip import KipHeader, KipSegment
from oboromi_formats.nro import ASSET_HEADER, AssetHeader, AssetRange, NroHeader, NroRange
from oboromi_formats.nso import NsoHeader, NsoRange, NsoSegment
from oboromi_fs._decode import decode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.executables import Kip, Nro, Nso
from oboromi_fs.metadata.capabilities import HandleTable, KernelVersion, Syscalls, ThreadInfo
from oboromi_fs.metadata.kernel_access import read_capabilities

if TYPE_CHECKING:
    from pathlib import Path

MODULE_ID = bytes.fromhex("4e795564d8f92abe10ed05873af2404e08c6d76a") + bytes(12)


def nro_header(flags: int) -> NroHeader:
    return NroHeader(
        entry=0x14000020,
        mod0_offset=0x1000,
        marker=b"HOMEBREW",
        magic=b"NRO0",
        version=0,
        size=0x9000,
        flags=flags,
        text=NroRange(0, 0x1000),
        ro=NroRange(0x1000, 0x5000),
        data=NroRange(0x6000, 0x3000),
        bss_size=0xA000,
        reserved=0,
        module_id=MODULE_ID,
        dso_handle_offset=0,
        reserved_2=0,
        api_info=NroRange(0, 0),
        dynstr=NroRange(0, 0),
        dynsym=NroRange(0, 0),
    )


def storage(testdata: Path, name: str) -> MemoryStorage:
    return MemoryStorage((testdata / "exe" / name).read_bytes())


def test_an_nso(testdata: Path) -> None:
    assert Nso(storage(testdata, "test.nso")).header == NsoHeader(
        magic=b"NSO0",
        version=0,
        reserved=0,
        flags=0x3F,
        text=NsoSegment(0x100, 0, 0x1000),
        module_name_offset=1,
        ro=NsoSegment(0x1CF, 0x1000, 0x4119),
        module_name_size=1,
        data=NsoSegment(0x2FF, 0x6000, 0x3000),
        bss_size=0x9C40,
        module_id=MODULE_ID,
        compressed_sizes=(0xCF, 0x130, 0xA1),
        reserved_2=bytes(0x1C),
        api_info=NsoRange(0, 0),
        dynstr=NsoRange(0, 0),
        dynsym=NsoRange(0, 0),
        hashes=(
            bytes.fromhex("c04df3e72780401d3cf0c3a64f0d9b88cfc4b1362f204a0063acc1d7fad25b88"),
            bytes.fromhex("592149a165b063505a374496358e2c79082b0c3e0b5dfc2cc3885ddca8a09cff"),
            bytes.fromhex("11bb7771c99f5fd857a0718f3bf682ccec9d1840f1635d7dc1611552c681a541"),
        ),
    )


@pytest.mark.parametrize(("name", "flags"), [("test.nro", 0), ("test_aligned.nro", 1), ("test_assets.nro", 0)])
def test_an_nro(testdata: Path, name: str, flags: int) -> None:
    assert Nro(storage(testdata, name)).header == nro_header(flags)


def test_the_assets_of_an_nro(testdata: Path) -> None:
    assert decode(ASSET_HEADER, storage(testdata, "test_assets.nro"), 0x9000) == AssetHeader(
        magic=b"ASET",
        version=0,
        icon=AssetRange(0x38, 3013),
        nacp=AssetRange(0xBFD, 0x4000),
        romfs=AssetRange(0x4BFD, 41756),
    )


def test_a_kip(testdata: Path) -> None:
    assert Kip(storage(testdata, "test.kip")).header == KipHeader(
        magic=b"KIP1",
        name=b"fakekip\0\0\0\0\0",
        program_id=0x0100ABCDEF00F000,
        version=1,
        priority=49,
        ideal_core=3,
        reserved=0,
        flags=0x7F,
        segments=(
            KipSegment(0, 0x1000, 0x2A4, 0),
            KipSegment(0x1000, 0x4119, 0x88C, 0x4000),
            KipSegment(0x6000, 0x3000, 0x5EC, 0),
            KipSegment(0x9000, 0xA000, 0, 0),
            KipSegment(0, 0, 0, 0),
            KipSegment(0, 0, 0, 0),
        ),
        capabilities=(0x030363F7, 0x0001004F, 0x00183FFF, 0x00807FFF, *[0xFFFFFFFF] * 28),
    )


def test_the_capabilities_of_a_kip(testdata: Path) -> None:
    words = b"".join(word.to_bytes(4, "little") for word in Kip(storage(testdata, "test.kip")).capabilities)
    assert read_capabilities(words, MemoryStorage(words), 0) == (
        ThreadInfo(lowest_priority=63, highest_priority=24, min_core=3, max_core=3),
        Syscalls(calls=(1, 11)),
        KernelVersion(major=3, minor=0),
        HandleTable(size=128),
    )
