from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_fs._forge import certificate, npdm
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import NcaBuilder, encrypt_title_key, nca_layout, rights_id_of
from oboromi_fs.builders.nca import layout_of as nca_layout_of
from oboromi_fs.builders.nsp import build_nsp, layout_of, package_order, ticket_name, write_nsp
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.errors import CorruptError, FormatError, UnsafePathError, UnsupportedError
from oboromi_fs.keys import KeySet
from oboromi_fs.metadata import TicketFile
from oboromi_fs.opening import open_fs
from oboromi_fs.storage.writing import write_storage
from oboromi_fs.tickets import Ticket
from tests.building import KEYS, TITLE, failures, images_of, noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oboromi_fs.builders.nca import BuiltNca
    from oboromi_fs.protocols import Storage

PACKAGES = ["addon_std", "names", "noromfs", "plain", "std_g1", "std_g5", "tk_g2", "z_std"]


def path_of(testdata: Path, package: str) -> Path:
    return testdata / ("nsz" if package.startswith("z_") else "nsp") / f"{package}.nsp"


def ticket_bytes(rights_id: bytes, encrypted: bytes) -> bytes:
    block = encrypted.ljust(0x100, b"\0")
    return TicketFile(rights_id=rights_id, title_key_block=block, common_key_id=rights_id[-1]).to_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_other_tools_packages_built_again(testdata: Path, package: str) -> None:
    """Taken apart down to the images of the sections, and built again under the layouts: the same bytes."""
    path = path_of(testdata, package)
    archive = NspArchive(path)
    keys = KeySet.load(testdata / "keys")
    tickets = {name: Ticket.read(archive.storage(name)) for name in archive.members if name.endswith(".tik")}
    by_rights_id = {ticket.rights_id: ticket for ticket in tickets.values()}
    contents: list[tuple[str, Storage]] = []
    for name in archive.members:
        storage = archive.storage(name)
        if name.endswith(".nca"):
            nca = Nca(storage, keys, tickets=by_rights_id.get)
            built, data = NcaBuilder(nca_layout_of(nca), images_of(nca), keys).build()
            assert built.name == name
            contents.append((built.name, data))
        else:
            contents.append((name, MemoryStorage(bytes(storage[:]))))
    assert build_nsp(contents, like=layout_of(archive))[:].tobytes() == path.read_bytes()


def test_tickets_are_named_by_what_is_in_them(testdata: Path) -> None:
    """That tool writes the key generation in decimal; installers look for the rights id."""
    archive = NspArchive(path_of(testdata, "tk_g2"))
    (name,) = (name for name in archive.members if name.endswith(".tik"))
    assert ticket_name(archive.storage(name)) == "0100abcdef0000000000000000000002"
    rights_id = rights_id_of(TITLE, 0x0A)
    made = ticket_bytes(rights_id, bytes(16))
    package = NspArchive(build_nsp([], [(MemoryStorage(made), MemoryStorage(b"cert")), (archive.storage(name), None)]))
    stem = "0100feedface0000000000000000000a"
    assert list(package.members) == [f"{stem}.tik", f"{stem}.cert", "0100abcdef0000000000000000000002.tik"]
    assert package.read_bytes(f"{stem}.cert") == b"cert"
    with pytest.raises(UnsafePathError, match="given twice"):
        build_nsp([], [(MemoryStorage(made), None)] * 2)
    with pytest.raises(UnsupportedError, match="signature type"):
        build_nsp([], [(MemoryStorage(b"none"), None)])
    with pytest.raises(CorruptError):
        build_nsp([], [(MemoryStorage(made[:100]), None)])


def test_order() -> None:
    names = ["x.cert", "b.nca", "x.tik", "m.cnmt.nca", "a.nca", "read.me", "z.ncz"]
    assert package_order(names) == ["b.nca", "a.nca", "z.ncz", "m.cnmt.nca", "x.tik", "x.cert", "read.me"]
    files = [(name, MemoryStorage(name.encode())) for name in names]
    assert list(NspArchive(build_nsp(files)).members) == names
    assert list(NspArchive(build_nsp(files, order="package")).members) == package_order(names)
    assert list(NspArchive(build_nsp(MemoryFs(dict(files)), order="name")).members) == sorted(names)
    assert build_nsp(dict(files)) == build_nsp(files)


@pytest.mark.parametrize("title_keys", [False, True])
def test_a_title_from_its_files(tmp_path: Path, title_keys: bool) -> None:
    """Everything through the public builders, read back by path and verified as a whole."""
    generation = 0x0B
    rights_id, title_key = rights_id_of(TITLE, generation), noise(16)
    exefs = build_pfs0({"main": MemoryStorage(noise(0x20001)), "main.npdm": MemoryStorage(npdm(TITLE))})
    romfs = build_romfs(MemoryFs({"data/a.bin": noise(0x12345), "empty": b""}))
    control = build_romfs(MemoryFs({"control.nacp": bytes(0x4000), "icon_AmericanEnglish.dat": b"JPEG"}))
    crypto = {"rights_id": rights_id, "title_key": title_key} if title_keys else {}
    contents: list[tuple[str, Storage]] = []
    records = []
    for kind, images, options in (
        ("program", {"exefs": exefs, "romfs": romfs}, crypto),
        ("control", {"romfs": control}, {}),
        ("legal", {"romfs": control}, {}),
    ):
        layout = nca_layout(kind, TITLE, key_generation=generation, **options)  # type: ignore[arg-type]
        built = NcaBuilder(layout, images, KEYS).write(tmp_path)
        contents.append((built.name, MemoryStorage((tmp_path / built.name).read_bytes())))
        records.append(content_of(built, TITLE, RecordType.LEGAL_INFORMATION if kind == "legal" else None))
    cnmt = build_cnmt(TITLE, MetaType.APPLICATION, records)
    meta, data = NcaBuilder(nca_layout("meta", TITLE, key_generation=generation), {"data": meta_image(cnmt)}, KEYS).build()
    contents.append((meta.name, data))
    ticket = MemoryStorage(ticket_bytes(rights_id, encrypt_title_key(title_key, generation, KEYS)))
    target = tmp_path / "title.nsp"
    write_storage(build_nsp(contents, [(ticket, None)] if title_keys else ()), target)
    assert failures(target, KEYS) == []
    with open_fs(target, KEYS) as fs:
        assert fs.read_bytes("@program/romfs/data/a.bin") == noise(0x12345)
        assert fs.read_bytes("@program/exefs/main") == noise(0x20001)
        assert fs.read_bytes(f"@meta/data/{cnmt.file_name}") == cnmt.to_bytes()
        assert fs.read_bytes("@control/romfs/icon_AmericanEnglish.dat") == b"JPEG"


def builders() -> tuple[list[NcaBuilder], Callable[[Sequence[BuiltNca]], NcaBuilder]]:
    romfs = build_romfs(MemoryFs({"a.bin": noise(0x54321)}))
    images: dict[str, Storage] = {"exefs": build_pfs0({"main": MemoryStorage(noise(0x2001))}), "romfs": romfs}
    contents = [
        NcaBuilder(nca_layout("program", TITLE), images, KEYS),
        NcaBuilder(nca_layout("control", TITLE), {"romfs": romfs}, KEYS),
    ]

    def meta(built: Sequence[BuiltNca]) -> NcaBuilder:
        cnmt = build_cnmt(TITLE, MetaType.APPLICATION, [content_of(nca, TITLE) for nca in built])
        return NcaBuilder(nca_layout("meta", TITLE), {"data": meta_image(cnmt)}, KEYS)

    return contents, meta


TICKET = MemoryStorage(ticket_bytes(rights_id_of(TITLE, 3), bytes(16)))


@pytest.mark.parametrize("padding", ["official", "nsz"])
def test_written_in_place_is_what_is_built_one_by_one(tmp_path: Path, padding: Any) -> None:
    contents, meta = builders()
    seen: list[tuple[int, int]] = []
    tickets = [(TICKET, MemoryStorage(certificate()))]
    made = write_nsp(tmp_path / "a.nsp", contents, meta, tickets, padding=padding, progress=lambda *now: seen.append(now))
    one_by_one = [builder.build() for builder in contents]
    one_by_one.append(meta([built for built, _ in one_by_one]).build())
    assert made == [built for built, _ in one_by_one]
    package = build_nsp([(built.name, data) for built, data in one_by_one], tickets, padding=padding)
    assert (tmp_path / "a.nsp").read_bytes() == package[:].tobytes()
    assert seen == sorted(seen)
    assert seen[-1] == (seen[0][1], seen[0][1])
    assert failures(tmp_path / "a.nsp", KEYS) == []
    assert write_nsp(tmp_path / "b.nsp", contents) == made[:2]
    assert list(NspArchive(tmp_path / "b.nsp").members) == [built.name for built in made[:2]]
    assert write_nsp(tmp_path / "empty.nsp", []) == []
    assert (tmp_path / "empty.nsp").read_bytes() == build_nsp([])[:].tobytes()
    assert len(list(tmp_path.iterdir())) == 3


def test_failures_leave_the_older_package(tmp_path: Path) -> None:
    contents, meta = builders()
    target = tmp_path / "a.nsp"
    target.write_bytes(b"older")

    def unsteady(built: Sequence[BuiltNca]) -> NcaBuilder:
        return meta([*built] * (1 if built[0].sha256 == bytes(0x20) else 10))

    with pytest.raises(FormatError, match="was planned with"):
        write_nsp(target, contents, unsteady)
    with pytest.raises(UnsafePathError, match="given twice"):
        write_nsp(target, [*contents, contents[0]])
    with pytest.raises(UnsupportedError, match="signature type"):
        write_nsp(target, contents, meta, [(MemoryStorage(b"none"), None)])
    assert target.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.nsp"]
