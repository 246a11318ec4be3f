from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import BuiltNca, NcaBuilder, layout_of, nca_layout
from oboromi_fs.contents import ContentMeta
from oboromi_fs.errors import FormatError
from oboromi_fs.keys import KeySet
from tests.building import KEYS, TITLE

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = BuiltNca(bytes(range(32)), 0x12_3456_789A, 0, TITLE + 2)
MANUAL = BuiltNca(bytes(32), 0x4000, 3, TITLE)


def test_records() -> None:
    cnmt = build_cnmt(
        TITLE, MetaType.APPLICATION, [content_of(PROGRAM, TITLE), content_of(MANUAL, TITLE, RecordType.LEGAL_INFORMATION)], version=5
    )
    data = cnmt.to_bytes()
    assert data[:0x30].hex() == (
        "0000cefaedfe0001050000008000100002000000000000000000000000000000"
        "0008cefaedfe00010000000000000000"
    ).replace(" ", "")  # fmt: skip
    assert data[0x30:0x68] == bytes(range(32)) + bytes(range(16)) + bytes.fromhex("9a785634 12 00 01 02")
    assert data[0x68:0xA0] == bytes(48) + bytes.fromhex("00400000 00 00 05 00")
    assert data[0xA0:] == bytes(0x20)


@pytest.mark.parametrize(
    ("content_type", "record_type"),
    [(0, RecordType.PROGRAM), (1, RecordType.META), (2, RecordType.CONTROL), (3, RecordType.HTML_DOCUMENT), (4, 2), (5, 2)],
)
def test_record_types(content_type: int, record_type: int) -> None:
    assert content_of(BuiltNca(bytes(32), 1, content_type, TITLE), TITLE).type == record_type


def test_a_content_type_that_stands_for_nothing() -> None:
    with pytest.raises(FormatError, match=r"content type 9 of 0{32}\.nca"):
        content_of(BuiltNca(bytes(32), 1, 9, TITLE), TITLE)
    assert content_of(BuiltNca(bytes(32), 1, 9, TITLE), TITLE, RecordType.DATA).type == 2
    with pytest.raises(FormatError, match="40 bits"):
        build_cnmt(TITLE, MetaType.APPLICATION, [content_of(BuiltNca(bytes(32), 1 << 40, 0, TITLE), TITLE)]).to_bytes()


@pytest.mark.parametrize(
    ("kind", "title_id", "name", "related"),
    [
        (MetaType.APPLICATION, 0x0100FEEDFACE0000, "Application_0100feedface0000.cnmt", ("patch_id", 0x0100FEEDFACE0800)),
        (MetaType.PATCH, 0x0100FEEDFACE0800, "Patch_0100feedface0800.cnmt", ("application_id", 0x0100FEEDFACE0000)),
        (MetaType.ADD_ON_CONTENT, 0x0100FEEDFACE1001, "AddOnContent_0100feedface1001.cnmt", ("application_id", 0x0100FEEDFACE0000)),
        (MetaType.SYSTEM_PROGRAM, 0x0100000000000021, "SystemProgram_0100000000000021.cnmt", None),
    ],
)
def test_names_and_related_ids(kind: MetaType, title_id: int, name: str, related: tuple[str, int] | None) -> None:
    cnmt = build_cnmt(title_id, kind, [])
    archive = NspArchive(meta_image(cnmt))
    assert list(archive.members) == [name]
    meta = ContentMeta.read(archive.storage(name), name)
    assert (meta.header.title_id, meta.header.type, meta.records) == (title_id, kind, ())
    assert (meta.extended is None) == (related is None)
    if related is not None:
        assert getattr(meta.extended, related[0]) == related[1]


@pytest.mark.parametrize("package", ["std_g1", "std_g5", "tk_g2", "plain", "noromfs", "names", "addon_std"])
def test_other_tools_meta_from_its_ncas(testdata: Path, package: str) -> None:
    """The CNMT of a package, and the Meta NCA around it, from nothing but the NCAs it lists."""
    from dataclasses import replace

    keys = KeySet.load(testdata / "keys")
    archive = NspArchive(testdata / "nsp" / f"{package}.nsp")
    ncas = {name: Nca(archive.storage(name), keys) for name in archive.members if name.endswith(".nca")}
    (meta_name,) = (name for name in ncas if name.endswith(".cnmt.nca"))
    old = ContentMeta.of_nca(ncas[meta_name])
    title_id = old.header.title_id
    contents = [
        content_of(BuiltNca.of(ncas[f"{record.content_id.hex()}.nca"]), title_id, RecordType(record.type)) for record in old.records
    ]
    cnmt = replace(build_cnmt(title_id, MetaType(old.header.type), contents, version=old.header.version), digest=old.data[-0x20:])
    assert (cnmt.to_bytes(), cnmt.file_name) == (old.data, old.name)
    image = meta_image(cnmt, padding="table")
    built, data = NcaBuilder(layout_of(ncas[meta_name]), {"data": image}, keys).build()
    assert (built.name, data == archive.storage(meta_name)) == (meta_name, True)


def test_meta_nca_is_read() -> None:
    cnmt = build_cnmt(TITLE, MetaType.APPLICATION, [content_of(PROGRAM, TITLE)])
    built, data = NcaBuilder(nca_layout("meta", TITLE), {"data": meta_image(cnmt)}, KEYS).build()
    assert built.name.endswith(".cnmt.nca")
    meta = ContentMeta.of_nca(Nca(data, KEYS))
    (record,) = meta.records
    assert (meta.data, record.size, record.hash, record.id_offset) == (cnmt.to_bytes(), PROGRAM.size, PROGRAM.sha256, 2)
