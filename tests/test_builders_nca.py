from __future__ import annotations

import hashlib
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from oboromi_formats.nca import Encryption, HashType
from oboromi_fs._forge import npdm
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.nca import Nca, read_header
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders import pfs0
from oboromi_fs.builders.nca import (
    BuiltNca,
    NcaBuilder,
    build_nca,
    content_name,
    encrypt_title_key,
    layout_of,
    nca_layout,
    passing,
    rights_id_of,
    source,
)
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.errors import CorruptError, FormatError, IntegrityError, MappingError, MissingKeyError, UnsupportedError
from oboromi_fs.file import File
from oboromi_fs.keys import KeySet
from oboromi_fs.storage.filled import FilledStorage
from tests.building import KEYS, TITLE, failures, images_of, noise, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import Storage

TESTDATA = Path(__file__).parent.parent / "testdata"
EXEFS = pfs0.build_pfs0({"main": MemoryStorage(noise(0x1234)), "main.npdm": MemoryStorage(npdm(TITLE))})
ROMFS = MemoryStorage(build_romfs(MemoryFs({"data/a.bin": noise(0x8000), "b.txt": b"b", "empty": b""}))[:])
LOGO = pfs0.build_pfs0({"logo.png": MemoryStorage(b"PNG")})
IMAGES = {"exefs": EXEFS, "romfs": ROMFS, "logo": LOGO}


def built(kind: Any = "program", images: Any = None, keys: KeySet = KEYS, **options: Any) -> tuple[BuiltNca, MemoryStorage]:
    if images is None:
        images = IMAGES if kind == "program" else {"romfs": ROMFS}
    return NcaBuilder(nca_layout(kind, TITLE, **options), images, keys).build()


def reread(storage: MemoryStorage, keys: KeySet = KEYS) -> Nca:
    return Nca(storage, keys)


# ---- what other tools wrote ----


def corpus() -> Iterator[tuple[str, Storage, KeySet]]:
    keys = KeySet.load(TESTDATA / "keys")
    for folder in ("nsp", "nsz"):
        for path in sorted((TESTDATA / folder).glob("*.nsp")):
            archive = NspArchive(path)
            yield from ((f"{path.name}/{name}", archive.storage(name), keys) for name in archive.members if name.endswith(".nca"))
    for path in sorted((TESTDATA / "xci").glob("*.xci")):
        card = XciArchive(path)
        for name, entry in card.walk():
            if name.endswith(".nca") and entry.size >= 0xC00:
                yield f"{path.name}/{name}", card.storage(name), keys
    yield from ((path.name, File.open(path), keys) for path in sorted((TESTDATA / "nca_forged").iterdir()))
    yield "base.nca", File.open(TESTDATA / "bktr" / "base.nca"), KeySet.load(TESTDATA / "bktr" / "keys")


CORPUS = {name: (storage, keys) for name, storage, keys in corpus()}


def test_corpus_is_there() -> None:
    assert len(CORPUS) == 65


@pytest.mark.parametrize("name", CORPUS)
def test_other_tools_ncas_built_again(name: str) -> None:
    storage, keys = CORPUS[name]
    nca = Nca(storage, keys)
    made, data = NcaBuilder(layout_of(nca), images_of(nca), keys).build()
    assert data == storage
    assert made.sha256 == hashlib.sha256(storage[:]).digest()
    if len(stem := name.rpartition("/")[2]) > 32:
        assert made.name == stem


@pytest.mark.parametrize("name", [name for name in CORPUS if name.startswith(("std_g5", "tk_g2", "names", "addon", "z_std", "ctr"))])
def test_other_tools_ncas_built_again_from_their_files(name: str) -> None:
    storage, keys = CORPUS[name]
    nca = Nca(storage, keys)
    images: dict[int, Storage] = {}
    for slot, section in nca.sections.items():
        if section.header.fs_type == 0:
            images[slot] = build_romfs(RomFs(section.image()))
        else:
            archive = NspArchive(section.image())
            images[slot] = pfs0.build_pfs0({inner: archive.storage(inner) for inner in archive.members}, like=pfs0.layout_of(archive))
    assert NcaBuilder(layout_of(nca), images, keys).build()[1] == storage


def test_other_tools_program_from_options() -> None:
    """The same bytes without a layout read off them: what the options say is what that tool does."""
    keys = KeySet.load(TESTDATA / "keys")
    archive = NspArchive(TESTDATA / "nsp" / "std_g5.nsp")
    name = "4a651f7eef53bf520508bcedfe3d3055.nca"
    nca = Nca(archive.storage(name), keys)
    layout = nca_layout(
        "program",
        0x0100ABCDEF000000,
        style="hacpack",
        key_generation=5,
        key_area=bytes(0x20) + nca.key_area()[0x20:0x30] + bytes(0x10),
        signature=nca.header.signature_1 + nca.header.signature_2,
    )
    made, data = NcaBuilder(layout, images_of(nca), keys).build()
    assert (made.name, data == archive.storage(name)) == (name, True)


def test_title_key_layout_keeps_the_key(tmp_path: Path) -> None:
    """A ticket opens it; the layout that was read off needs the ticket no more."""
    from oboromi_fs.tickets import Ticket

    archive = NspArchive(TESTDATA / "nsp" / "tk_g2.nsp")
    named = KeySet.load(TESTDATA / "keys" / "prod.keys")
    tickets = {
        ticket.rights_id: ticket for ticket in (Ticket.read(archive.storage(name)) for name in archive.members if name.endswith(".tik"))
    }
    name = "3f3e47ed9d53db2c060f3f7bd32a0bdf.nca"
    nca = Nca(archive.storage(name), named, tickets=tickets.get)
    layout = layout_of(nca)
    assert layout.key_area == b""
    bare = KeySet({"header_key": named.header_key()})
    assert build_nca(tmp_path, layout, images_of(nca), bare).name == name
    assert layout.title_key is not None
    assert repr(layout.title_key) not in repr(layout)


# ---- what is in a new one ----


def test_official_program() -> None:
    made, data = built(key_generation=5, sdk_version=0x0D030A00, content_index=7, key_index=1, distribution=1, signature=4)
    clear, encrypted = read_header(data, KEYS)
    assert encrypted
    assert clear[:0x200] == b"\4" * 0x200
    assert clear[0x200:0x208] == b"NCA3" + bytes([1, 0, 2, 1])
    assert (
        clear[0x208:0x224].hex()
        == (len(data).to_bytes(8, "little") + TITLE.to_bytes(8, "little") + bytes.fromhex("07000000 000a030d 05000000")).hex()
    )
    nca = reread(data)
    assert [(slot, section.name, section.start) for slot, section in sorted(nca.sections.items(), key=lambda item: item[1].start)] == [
        (2, "logo", 0x4000),
        (1, "romfs", 0x4400),
        (0, "exefs", 0x4400 + 0x14000 + 0x8400),
    ]
    assert len(ROMFS) == 0x82D4
    assert [nca.sections[slot].header.secure_value for slot in range(3)] == [1, 2, 0]
    assert [nca.sections[slot].header.encryption for slot in range(3)] == [3, 3, 1]
    assert [nca.sections[slot].header.hash_type for slot in range(3)] == [2, 3, 2]
    assert nca.sections[0].header.hash_data[0x20:0x24] == (0x10000).to_bytes(4, "little")
    assert nca.sections[2].header.hash_data[0x20:0x24] == (0x1000).to_bytes(4, "little")
    assert nca.sections[1].header.hash_data[0x20:0x24] == (14).to_bytes(4, "little")
    assert not any(data[0xC00:0x4000])
    assert images_of(nca) == IMAGES
    assert made == BuiltNca(hashlib.sha256(data[:]).digest(), len(data), 0, TITLE) == BuiltNca.of(nca)


def test_counter_is_that_of_the_specification() -> None:
    _, data = built(
        "data",
        {"romfs": MemoryStorage(bytes(0x200))},
        key_area=bytes(0x20) + bytes(range(16)),
        first_offset=0x5800,
        sections={"romfs": {"secure_value": 2, "hash_type": HashType.NONE}},
    )
    assert data[0x5800:0x5810].hex() == "849fac17425ba4b817f69d7a12a5f5fb"


@pytest.mark.parametrize(
    ("kind", "content_type", "secure", "name"),
    [
        ("meta", 1, 0, "data"),
        ("control", 2, 0, "romfs"),
        ("manual", 3, 4, "romfs"),
        ("legal", 3, 5, "romfs"),
        ("data", 4, 0, "romfs"),
        ("public_data", 5, 0, "romfs"),
        ("delta", 4, 0, "data"),
    ],
)
def test_kinds(kind: str, content_type: int, secure: int, name: str) -> None:
    made, data = built(kind, {name: EXEFS if name == "data" else ROMFS}, program_index=3)
    nca = reread(data)
    assert (nca.header.content_type, made.content_type) == (content_type, content_type)
    (section,) = nca.sections.values()
    assert (section.index, section.name, section.header.secure_value) == (0, name, secure | 3 << 24)
    assert section.start == (0xC00 if kind == "meta" else 0x4000)
    assert made.name.endswith(".cnmt.nca") == (kind == "meta")


def test_name_of_a_known_hash() -> None:
    digest = hashlib.sha256(b"hello").digest()
    assert content_name(digest, 0) == "2cf24dba5fb0a30e26e83b2ac5b9e29e.nca"
    assert content_name(digest, 1) == "2cf24dba5fb0a30e26e83b2ac5b9e29e.cnmt.nca"


def test_sections_without_an_image_are_left_out() -> None:
    _, data = built("program", {"exefs": EXEFS})
    nca = reread(data)
    assert (list(nca.sections), nca.sections[0].start) == ([0], 0x4000)
    assert [entry.hash_sectors for entry in nca.header.sections] == [1, 0, 0, 0]
    assert nca.header.fs_header_hashes[1:] == (bytes(0x20),) * 3
    _, data = built("program", {})
    assert (reread(data).sections, len(data)) == ({}, 0x4000)


ENCRYPTIONS = [Encryption.NONE, Encryption.AES_XTS, Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH]
HASHES = [HashType(number) for number in (2, 3, 5, 6)]


@pytest.mark.parametrize("encryption", ENCRYPTIONS)
@pytest.mark.parametrize("hash_type", HASHES)
@pytest.mark.parametrize("filling", ["exact", "extra", "blocks"])
def test_every_cipher_over_every_tree(encryption: int, hash_type: int, filling: str) -> None:
    sections = {name: {"hash_type": hash_type, "encryption": encryption, "generation": 3} for name in IMAGES}
    _, data = built(sections=sections, filling=filling, order=(1, 2, 0))
    nca = reread(data)
    assert images_of(nca) == IMAGES
    assert [section.notes for section in nca.sections.values()] == [[], [], []]
    for section in nca.sections.values():
        tree = section.hash_layer()
        assert tree is not None
        assert all(tree.verify_range(level.number, 0, level.block_count) == [] for level in tree.levels())
    assert NcaBuilder(layout_of(nca), images_of(nca), KEYS).build()[1] == data


@pytest.mark.parametrize("encryption", ENCRYPTIONS[:3])
def test_sections_without_hashes(encryption: int) -> None:
    _, data = built("data", sections={"romfs": {"hash_type": HashType.NONE, "encryption": encryption}})
    nca = reread(data)
    assert nca.sections[0].image()[: len(ROMFS)] == ROMFS[:]
    assert NcaBuilder(layout_of(nca), {0: nca.sections[0].image()}, KEYS).build()[1] == data


@pytest.mark.parametrize("magic", [b"NCA3", b"NCA2"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_headers(magic: bytes, encrypted: bool) -> None:
    _, data = built(magic=magic, encrypted=encrypted)
    nca = reread(data)
    assert (nca.header.magic, nca.encrypted_header, images_of(nca)) == (magic, encrypted, IMAGES)
    assert (b"NCA" in data[:0x400].tobytes()) != encrypted
    assert NcaBuilder(layout_of(nca), images_of(nca), KEYS).build()[1] == data


@pytest.mark.parametrize("base", ["absolute", "section"])
def test_xts_sectors(base: Literal["absolute", "section"]) -> None:
    _, data = built(encryption=Encryption.AES_XTS, xts_base=base)
    nca = reread(data)
    assert images_of(nca) == IMAGES
    assert ["start" in " ".join(nca.sections[slot].notes) for slot in (0, 1)] == [base == "section"] * 2
    assert NcaBuilder(layout_of(nca), images_of(nca), KEYS).build()[1] == data


@pytest.mark.parametrize("generation", [0, 1, 2, 3, 4, 0x0A, 0x14, 0x20])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_key_generations_and_kinds(generation: int, index: int) -> None:
    _, data = built("control", key_generation=generation, key_index=index)
    nca = reread(data)
    assert (nca.header.key_generation_old, nca.header.key_generation_new) == ((generation, 0) if generation <= 2 else (2, generation))
    assert images_of(nca) == {"romfs": ROMFS}


@pytest.mark.parametrize("generation", [0, 2, 3, 0x20])
def test_title_keys(generation: int, tmp_path: Path) -> None:
    rights_id, key = rights_id_of(TITLE, generation), bytes(range(16))
    stored = encrypt_title_key(key, generation, KEYS)
    keys = KEYS.merged(KeySet(title_keys={rights_id: stored}))
    given = built(key_generation=generation, rights_id=rights_id, title_key=key)
    looked_up = built(keys=keys, key_generation=generation, rights_id=rights_id)
    assert given == looked_up
    nca = reread(given[1], keys)
    assert (nca.header.rights_id, nca.header.key_area) == (rights_id, bytes(0x100))
    assert images_of(nca) == IMAGES
    path = tmp_path / given[0].name
    path.write_bytes(given[1][:])
    assert failures(path, keys) == []


def test_the_key_that_opened_it_is_kept() -> None:
    """A title.keys that holds the key decrypted already: the reader finds that out, and the layout has what it found."""
    rights_id, key = rights_id_of(TITLE, 5), bytes(range(16))
    _, data = built(key_generation=5, rights_id=rights_id, title_key=key)
    nca = reread(data, KEYS.merged(KeySet(title_keys={rights_id: key})))
    assert layout_of(nca).title_key == key
    assert NcaBuilder(layout_of(nca), images_of(nca), KEYS).build()[1] == data


def test_what_is_written_passes_verification(tmp_path: Path) -> None:
    romfs = build_romfs(RomFs(Nca(*CORPUS["ctr.nca"]).sections[1].image()))
    made = build_nca(tmp_path, nca_layout("program", TITLE, key_generation=9), {"exefs": EXEFS, "romfs": romfs, "logo": LOGO}, KEYS)
    assert made.path == str(tmp_path / made.name)
    assert failures(Path(made.path), KEYS) == []


# ---- how it is written ----


def test_same_bytes_whatever_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, data = built()
    monkeypatch.setattr(passing, "_RUN", 0x10000)
    big = {**IMAGES, "romfs": MemoryStorage(noise(0x234567))}
    layout = nca_layout("program", TITLE)
    one = build_nca(tmp_path / "one", layout, big, KEYS, workers=1)
    four = build_nca(tmp_path / "four", layout, big, KEYS, workers=4)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "four").read_bytes()
    assert one == BuiltNca(one.sha256, one.size, 0, TITLE, str(tmp_path / "one"))
    assert (four.sha256, hashlib.sha256((tmp_path / "four").read_bytes()).digest()) == (one.sha256, one.sha256)
    assert built() == (made, data)
    with (tmp_path / "package").open("wb+") as file:
        file.write(b"x" * 0x100000)
        assert NcaBuilder(layout, IMAGES, KEYS).write_at(file.fileno(), 0x123) == made
    package = (tmp_path / "package").read_bytes()
    assert package[0x123 : 0x123 + made.size] == data[:]
    assert package[:0x123] == b"x" * 0x123
    assert package[0x123 + made.size :] == b"x" * (0x100000 - 0x123 - made.size)


def test_gaps_and_the_end_are_zeros(tmp_path: Path) -> None:
    layout = nca_layout("program", TITLE)
    sections = tuple(replace(section, gap=0x400) if section else None for section in layout.sections)
    layout = replace(layout, sections=sections, tail=0x654)
    made, data = NcaBuilder(layout, IMAGES, KEYS).build()
    nca = reread(data)
    assert [nca.sections[slot].start for slot in (2, 1, 0)] == [0x4000, 0x4800, 0x4800 + 0x1C400 + 0x400]
    assert not any(data[0x4400:0x4800])
    assert not any(data[-0x654:])
    assert nca.header.content_size == len(data)
    assert NcaBuilder(layout_of(nca), images_of(nca), KEYS).build() == (made, data)
    with (tmp_path / "package").open("wb+") as file:
        file.write(b"x" * len(data))
        NcaBuilder(layout, IMAGES, KEYS).write_at(file.fileno())
    assert (tmp_path / "package").read_bytes() == data


@pytest.mark.parametrize("absent", [("preadv",), ("preadv", "pread", "pwrite")])
def test_hosts_without_positional_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...]) -> None:
    """The same bytes where a file has one cursor for everybody."""
    monkeypatch.setattr(passing, "_RUN", 0x4000)
    (tmp_path / "romfs.bin").write_bytes(ROMFS.tobytes())
    (tmp_path / "out").mkdir()
    images = {**IMAGES, "romfs": File.open(tmp_path / "romfs.bin")}
    expected, _ = built()
    for name in absent:
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(source, "_BY_POSITION", False)
    made = build_nca(tmp_path / "out", nca_layout("program", TITLE), images, KEYS, workers=4)
    assert made == replace(expected, path=made.path)
    monkeypatch.undo()
    assert hashlib.sha256(Path(made.path).read_bytes()).digest() == expected.sha256


class Counted(MemoryStorage):
    """Counts how often each byte is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.counts = bytearray(len(data))

    def _readinto(self, offset: int, target: memoryview) -> None:
        for index in range(offset, offset + len(target)):
            self.counts[index] += 1
        super()._readinto(offset, target)

    def _view(self, start: int, stop: int) -> memoryview:
        raise AssertionError((start, stop))


def test_every_byte_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "_RUN", 0x8000)
    images = {"exefs": Counted(noise(0x23456)), "romfs": Counted(noise(0x34567)), "logo": Counted(noise(0x4001))}
    built(images=images)
    assert all(set(image.counts) == {1} for image in images.values())


def test_bounded_memory(tmp_path: Path) -> None:
    image = FilledStorage(96 << 20, 0xA5)
    build_nca(tmp_path / "warm", nca_layout("data", TITLE), {"romfs": FilledStorage(1)}, KEYS)
    tracemalloc.start()
    try:
        made = build_nca(tmp_path / "big", nca_layout("data", TITLE), {"romfs": image}, KEYS, workers=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.size > 96 << 20
    assert peak < 6 << 20


def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "_RUN", 0x4000)
    seen: list[tuple[int, int]] = []
    made = build_nca(tmp_path, nca_layout("program", TITLE), IMAGES, KEYS, progress=lambda *now: seen.append(now))
    total = sum(map(len, IMAGES.values())) + made.size
    assert seen == sorted(seen)
    assert {all_ for _, all_ in seen} == {total}
    assert seen[-1] == (total, total)


# ---- what goes wrong ----


def test_missing_keys_are_named() -> None:
    with pytest.raises(MissingKeyError, match="header_key"):
        built(keys=without("header_key"))
    with pytest.raises(MissingKeyError, match="key_area_key_ocean_04"):
        built(keys=without("key_area_key_ocean_04"), key_generation=5, key_index=1)
    rights_id = rights_id_of(TITLE, 5)
    with pytest.raises(MissingKeyError, match=rights_id.hex()):
        built(key_generation=5, rights_id=rights_id)
    stored = KeySet(title_keys={rights_id: bytes(16)})
    with pytest.raises(MissingKeyError, match="titlekek_04"):
        built(keys=without("titlekek_04").merged(stored), key_generation=5, rights_id=rights_id)
    with pytest.raises(MissingKeyError, match="titlekek_04"):
        encrypt_title_key(bytes(16), 5, without("titlekek_04"))
    with pytest.raises(UnsupportedError, match="3 is none of 0 application"):
        built(key_index=3)


def test_keys_that_are_not_needed() -> None:
    nothing = KeySet({"unused": bytes(16)})
    _, data = built(keys=nothing, encrypted=False, encryption=Encryption.NONE)
    assert images_of(reread(data, nothing)) == IMAGES
    header_only = KeySet({"header_key": KEYS.header_key()})
    _, data = built(keys=header_only, rights_id=rights_id_of(TITLE, 5), title_key=bytes(16), key_generation=5)
    assert data.size


def test_what_a_layout_cannot_hold() -> None:
    with pytest.raises(FormatError, match="no section 'data'"):
        built(images={"data": EXEFS})
    with pytest.raises(FormatError, match="no section 3"):
        built(images={3: EXEFS})
    with pytest.raises(FormatError, match="each once"):
        built(images={"romfs": ROMFS, 1: ROMFS})
    with pytest.raises(FormatError, match="its sections are exefs, romfs, logo"):
        built(sections={"data": {}})
    with pytest.raises(FormatError, match="power of two"):
        built(sections={"romfs": {"block_size": 0x3000}})
    with pytest.raises(FormatError, match=r"section 'romfs'.*cannot hold"):
        built(sections={"romfs": {"block_size": 0x40}})
    with pytest.raises(FormatError, match="multiples of 0x200"):
        built(first_offset=0x4100)
    with pytest.raises(FormatError, match="multiples of 0x200"):
        built(first_offset=0xA00)
    with pytest.raises(FormatError, match="key_area"):
        built(key_area=bytes(0x20))
    with pytest.raises(FormatError, match="16 slots"):
        built(key_area=bytes(0x110))
    with pytest.raises(FormatError, match="signatures"):
        built(signature=bytes(0x100))
    with pytest.raises(FormatError, match="sdk_version"):
        built(sdk_version=1 << 32)
    with pytest.raises(FormatError, match="key_generation_new"):
        built(key_generation=0x100, key_area=b"", encryption=Encryption.NONE)
    with pytest.raises(FormatError, match="title key"):
        built(rights_id=rights_id_of(TITLE, 1), title_key=b"short")
    with pytest.raises(FormatError, match="secure_value"):
        built(program_index=0x100)
    with pytest.raises(FormatError, match="rights id"):
        built(title_key=bytes(16))
    with pytest.raises(FormatError, match="rights id"):
        rights_id_of(TITLE, 0x100)
    with pytest.raises(FormatError, match="rights_id"):
        built(rights_id=b"short", title_key=bytes(16))
    with pytest.raises(FormatError, match="each section once"):
        built(order=(1, 1))
    with pytest.raises(FormatError, match="'romfs' is empty"):
        built("data", {"romfs": MemoryStorage(b"")})
    with pytest.raises(UnsupportedError, match="cannot encrypt with type 4"):
        built(encryption=Encryption.AES_CTR_EX)
    with pytest.raises(FormatError, match=r"field .*end"):
        built("data", {"romfs": FilledStorage(0x200 << 32)})


def test_patches_have_no_image_to_build_from() -> None:
    nca = Nca(TESTDATA / "bktr" / "update.nca", KeySet.load(TESTDATA / "bktr" / "keys"))
    with pytest.raises(UnsupportedError, match="patch"):
        layout_of(nca)


def test_damaged_headers_have_no_layout() -> None:
    _, data = built(encrypted=False)
    damaged = bytearray(data[:])
    damaged[0x480] ^= 1
    with pytest.raises(IntegrityError, match="hash"):
        layout_of(Nca(MemoryStorage(damaged), KEYS))


SIZE = 24 << 20


@pytest.fixture
def changing(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "romfs.bin"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(SIZE)
    (tmp_path / "out").mkdir()
    return path


@pytest.mark.parametrize("access", ["mmap", "pread"])
@pytest.mark.parametrize("size", [0, SIZE // 2, SIZE - 1, SIZE + 1])
@pytest.mark.parametrize("window", [False, True])
def test_a_source_that_changes_its_size(changing: Path, access: Any, size: int, window: bool) -> None:
    out = changing.parent.parent / "out"
    (out / "old.nca").write_bytes(b"older")

    def change(done: int, _: int) -> None:
        if done == 1 << 20:
            os.truncate(changing, size)

    file = File.open(changing, access=access)
    image = file.window(0x200, SIZE) if window else file
    with pytest.raises(MappingError, match=r"romfs\.bin.*(changed|shrank) while it was read"):
        build_nca(out / "old.nca", nca_layout("data", TITLE), {"romfs": image}, KEYS, progress=change)
    assert [path.name for path in out.iterdir()] == ["old.nca"]
    assert (out / "old.nca").read_bytes() == b"older"


def test_a_source_that_changes_its_bytes(changing: Path, tmp_path: Path) -> None:
    def change(done: int, _: int) -> None:
        if done == 1 << 20:
            os.utime(changing, ns=(0, 0))

    with pytest.raises(MappingError, match=r"romfs\.bin.*changed while it was read"):
        build_nca(tmp_path / "out", nca_layout("data", TITLE), {"romfs": File.open(changing)}, KEYS, progress=change)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_source_that_changed_before(changing: Path, tmp_path: Path) -> None:
    image = File.open(changing)
    os.truncate(changing, 5)
    with pytest.raises(MappingError, match=r"romfs\.bin.*it had 25165824 bytes when it was opened, and has 5"):
        build_nca(tmp_path / "out", nca_layout("data", TITLE), {"romfs": image}, KEYS)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_whose_file_changes(tmp_path: Path) -> None:
    from oboromi_fs.backends.host import HostFs

    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / name).write_bytes(noise(0x5000))
    image = build_romfs(HostFs(tmp_path / "in"))
    (tmp_path / "in" / "b").write_bytes(b"short")
    with pytest.raises(MappingError, match=r"in.b.*changed while it was read"):
        build_nca(tmp_path / "out", nca_layout("data", TITLE), {"romfs": image}, KEYS)
    assert list((tmp_path / "out").iterdir()) == []


class Damaged(FilledStorage):
    """Can be read up to its middle."""

    def _readinto(self, offset: int, target: memoryview) -> None:
        if offset + len(target) > len(self) // 2:
            raise CorruptError("cannot be read", what="the image", source="game.bin", offset=offset)
        super()._readinto(offset, target)


@pytest.mark.parametrize("workers", [1, 3])
def test_failures_leave_nothing(tmp_path: Path, workers: int) -> None:
    layout = nca_layout("data", TITLE)
    with pytest.raises(CorruptError, match=r"game\.bin"):
        build_nca(tmp_path, layout, {"romfs": Damaged(16 << 20)}, KEYS, workers=workers)
    assert list(tmp_path.iterdir()) == []

    def stop(done: int, total: int) -> None:
        if done > total // 2:  # When all is written, and read back.
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_nca(tmp_path, layout, {"romfs": FilledStorage(16 << 20)}, KEYS, workers=workers, progress=stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="nowhere"):
        build_nca(tmp_path / "nowhere" / "a.nca", layout, {"romfs": ROMFS}, KEYS, workers=workers)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link.nca").symlink_to(tmp_path / "a" / "real.nca")
    made = build_nca(tmp_path / "link.nca", nca_layout("data", TITLE), {"romfs": ROMFS}, KEYS)
    assert (tmp_path / "a" / "real.nca").stat().st_size == made.size
    assert (tmp_path / "link.nca").is_symlink()
