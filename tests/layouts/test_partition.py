from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.partition import HFS0_ENTRY, HFS0_MAGIC, PARTITION_HEADER, PFS0_ENTRY, PFS0_MAGIC, PartitionHeader
from oboromi_fs._decode import decode, encode, rows
from oboromi_fs._decode import table as read_table
from oboromi_fs.base import MemoryStorage
from tests.layouts.pins import check_layout, check_table

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_formats.layout import Table


def test_header() -> None:
    check_layout(
        PARTITION_HEADER,
        0x10,
        {
            "magic": (0x00, "b4"),
            "entry_count": (0x04, "s4"),
            "string_table_size": (0x08, "u4"),
            "reserved": (0x0C, "u4"),
        },
    )


def test_pfs0_entry() -> None:
    check_table(
        PFS0_ENTRY,
        0x18,
        {
            "offset": (0x00, "s8"),
            "size": (0x08, "s8"),
            "name_offset": (0x10, "s4"),
            "reserved": (0x14, "u4"),
        },
    )


def test_hfs0_entry() -> None:
    check_table(
        HFS0_ENTRY,
        0x40,
        {
            "offset": (0x00, "s8"),
            "size": (0x08, "s8"),
            "name_offset": (0x10, "s4"),
            "hashed_size": (0x14, "u4"),
            "hashed_offset": (0x18, "s8"),
            "hash": (0x20, "b32"),
        },
    )


def test_pfs0_of_two_files() -> None:
    storage = MemoryStorage(
        bytes.fromhex("50465330 02000000 20000000 00000000")
        + bytes.fromhex("0000000000000000 0500000000000000 00000000 00000000")
        + bytes.fromhex("0500000000000000 0300000000000000 05000000 00000000")
        + b"main\0main.npdm\0".ljust(0x20, b"\0")
        + b"MMMMMNNN"
    )
    assert storage.size == 104
    assert decode(PARTITION_HEADER, storage) == PartitionHeader(b"PFS0", 2, 0x20, 0)
    assert list(rows(PFS0_ENTRY, storage, 0x10, 2)) == [(0, 5, 0, 0), (5, 3, 5, 0)]


def test_hfs0_header_of_two_files() -> None:
    first = bytes.fromhex("32beecb58a128af8248504600bd203dcc676adf41045300485655e6b8780a01d")
    second = bytes.fromhex("c422e7070cb1cb455b5de9afee0d975e303d0239c72030cd7414ab5c382d3ae8")
    header = (
        encode(PARTITION_HEADER, PartitionHeader(HFS0_MAGIC, 2, 0x170))
        + bytes.fromhex("0000000000000000 0003000000000000 00000000 00020000 0000000000000000")
        + first
        + bytes.fromhex("0003000000000000 4000000000000000 06000000 40000000 0000000000000000")
        + second
        + b"a.nca\0b.tik\0".ljust(0x170, b"\0")
    )
    assert len(header) == 0x200
    assert hashlib.sha256(header).hexdigest() == "5a122457671ed15a3a9197436a8335d7cffd13f10d7e852bff424c1f3d4d65bd"
    assert list(rows(HFS0_ENTRY, MemoryStorage(header), 0x10, 2)) == [
        (0, 0x300, 0, 0x200, 0, first),
        (0x300, 0x40, 6, 0x40, 0, second),
    ]


@pytest.mark.parametrize(
    ("archive", "magic", "entries"),
    [
        ("pfs0/0.st.pfs0", PFS0_MAGIC, PFS0_ENTRY),
        ("pfs0/16.st.pfs0", PFS0_MAGIC, PFS0_ENTRY),
        ("pfs0/names.lh.pfs0", PFS0_MAGIC, PFS0_ENTRY),
        ("hfs0/0.lh.hfs0", HFS0_MAGIC, HFS0_ENTRY),
        ("hfs0/5.hb.hfs0", HFS0_MAGIC, HFS0_ENTRY),
    ],
)
def test_archives_of_other_tools(archive: str, magic: bytes, entries: Table, testdata: Path, manifest: dict[str, Any]) -> None:
    storage = MemoryStorage((testdata / archive).read_bytes())
    header = decode(PARTITION_HEADER, storage)
    assert header.magic == magic
    array = read_table(entries, storage, PARTITION_HEADER.size, header.entry_count)
    files = manifest[archive]["files"]
    assert len(array) == len(files)
    names = PARTITION_HEADER.size + header.entry_count * entries.row_size
    data = names + header.string_table_size
    found = {
        bytes(storage[names + name :]).partition(b"\0")[0].decode(): hashlib.sha256(
            storage[data + offset : data + offset + size]
        ).hexdigest()
        for offset, size, name in zip(array["offset"].tolist(), array["size"].tolist(), array["name_offset"].tolist(), strict=True)
    }
    assert found == {name: entry["sha256"] for name, entry in files.items()}
