from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_formats.gamecard import CardInfo
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nca import NcaBuilder
from oboromi_fs.builders.nca import layout_of as nca_layout_of
from oboromi_fs.builders.xci import build_xci, card_layout, layout_of
from oboromi_fs.errors import FormatError, UnsafePathError, UnsupportedError
from oboromi_fs.file import File
from oboromi_fs.keys import KeySet
from oboromi_fs.storage.filled import FilledStorage
from tests.building import KEYS, failures, images_of, noise, without

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.protocols import Storage

NAME = "00112233445566778899aabbccddeeff.nca"
FILES = {NAME: MemoryStorage(noise(0x800)), "0100feedface00000000000000000005.tik": MemoryStorage(noise(0x2C0, 1))}
CARDS = ["std", "multi", "logo_fullhash"]


def reread(image: Storage) -> XciArchive:
    return XciArchive(image, KEYS)


@pytest.mark.parametrize("card", CARDS)
def test_other_tools_cards_built_again(testdata: Path, card: str) -> None:
    """Taken apart down to the images of the NCAs' sections, and built again under the layouts: the same bytes."""
    path = testdata / "xci" / f"{card}.xci"
    keys = KeySet.load(testdata / "keys")
    archive = XciArchive(path)
    partitions: dict[str, list[tuple[str, Storage]]] = {}
    rebuilt = 0
    for name in archive.partitions:
        files = partitions[name] = []
        for inner in archive.partition(name).members:
            storage = archive.storage(f"{name}/{inner}")
            if inner.endswith(".nca") and storage.size >= 0xC00:
                nca = Nca(storage, keys)
                built, data = NcaBuilder(nca_layout_of(nca), images_of(nca), keys).build()
                files.append((built.name, data))
                rebuilt += 1
            else:
                files.append((inner, MemoryStorage(bytes(storage[:]))))
    assert rebuilt >= 6
    assert build_xci(partitions, layout_of(archive))[:].tobytes() == path.read_bytes()


@pytest.mark.parametrize("card", CARDS)
def test_what_the_card_header_says_is_computed(testdata: Path, card: str) -> None:
    """Not merely carried over: without the old values the same ones come out, and the smallest size code that fits."""
    path = testdata / "xci" / f"{card}.xci"
    archive = XciArchive(path)
    layout = layout_of(archive)
    header = replace(
        layout.header,
        rom_area_start_page=0,
        valid_data_end_page=0,
        root_header_size=0,
        root_header_hash=bytes(0x20),
        lim_area_page=0,
        rom_size=0,
    )
    made = build_xci({name: archive.partition(name) for name in archive.partitions}, replace(layout, header=header))
    assert XciArchive(made).header == replace(archive.header, rom_size=0xFA)
    assert made[0x200:] == File.open(path)[0x200:]


def test_odd_card_headers_are_kept_with_their_files(testdata: Path) -> None:
    """What no rule gives stays while nothing changes, and gives way when something does."""
    data = bytearray((testdata / "xci" / "std.xci").read_bytes())
    data[0x118:0x11C], data[0x18C:0x190], data[0x104] = b"\xff\xff\0\0", b"\1\2\0\0", 7
    archive = XciArchive(MemoryStorage(data))
    partitions: dict[str, Any] = {name: archive.partition(name) for name in archive.partitions}
    assert build_xci(partitions, layout_of(archive)) == MemoryStorage(data)
    changed = XciArchive(build_xci({**partitions, "update": {}}, layout_of(archive))).header
    assert changed.lim_area_page == changed.rom_area_start_page == 133 - 2


def test_other_files_under_a_layout(testdata: Path) -> None:
    archive = XciArchive(testdata / "xci" / "logo_fullhash.xci")
    layout = layout_of(archive)
    files = {f"{number:032x}.nca": MemoryStorage(noise(0x400 + number)) for number in range(15)}
    made = reread(build_xci({"update": {}, "normal": {}, "logo": {}, "secure": files}, layout))
    assert made.partitions == ("update", "normal", "secure", "logo")
    assert made.header.signature == archive.header.signature
    assert made.header.encrypted_info == archive.header.encrypted_info
    assert made.root_hash_matches() == (True, 0)
    assert made.root.member("secure").hashed_size == made.partition("secure").header_size == 0x600
    assert made.root.hash_matches("secure")
    assert list(made.partition("secure").members) == list(files)
    assert (made.header.lim_area_page * 0x200, made.raw.size) == (0xF000 + made.root.member("secure").offset, made.trimmed_size)


def test_new_card() -> None:
    made = reread(build_xci({"secure": FILES}))
    assert made.partitions == ("update", "normal", "secure")
    root = made.root.members
    assert [(member.offset, member.size, member.hashed_size) for member in root.values()] == [
        (0x200, 0x200, 0x200),
        (0x400, 0x200, 0x200),
        (0x600, 0x200 + 0x800 + 0x400, 0x200),
    ]
    header = made.header
    assert (header.root_address, header.root_header_size, header.rom_size) == (0xF000, 0x200, 0xFA)
    assert (header.lim_area_page, header.rom_area_start_page, header.backup_area_start_page) == (0x7B, 0x7B, 0xFFFFFFFF)
    assert (header.valid_data_end_page, header.sel_sec, header.sel_t1_key, header.sel_key) == (0x81, 1, 2, 0)
    assert header.root_header_hash == hashlib.sha256(made.raw[0xF000:0xF200]).digest()
    assert header.initial_data_hash == hashlib.sha256(bytes(0x200)).digest()
    assert (made.raw.size, made.trimmed_size) == (0x10400, 0x10400)
    assert set(made.raw[0x200:0xF000]) == {0xFF}
    assert (header.signature, header.encrypted_info) == (bytes(0x100), bytes(0x70))
    secure = made.partition("secure")
    assert list(secure.members) == list(FILES)
    assert secure.members[NAME].hashed_size == 0x200
    assert made.read_bytes(f"secure/{NAME}") == noise(0x800)
    assert bytes(secure.raw[-0x140:]) == bytes(0x140)


def test_partitions_and_their_order() -> None:
    made = reread(build_xci({"secure": FILES, "logo": MemoryFs({"b": b"b", "a": b"a"}), "update": {"u": MemoryStorage(b"u")}}))
    assert made.partitions == ("update", "normal", "logo", "secure")
    assert list(made.partition("logo").members) == ["b", "a"]
    assert made.header.lim_area_page * 0x200 == 0xF000 + made.root.member("secure").offset


@pytest.mark.parametrize(("hashed", "wanted"), [("header", 0x400), (0x200, 0x200), (0x30, 0x30), (0, 0)])
def test_hashed_size_of_partitions(hashed: Any, wanted: int) -> None:
    files = {f"{number:032x}.nca": MemoryStorage(b"1") for number in range(5)}
    made = reread(build_xci({"secure": files}, card_layout(hashed=hashed)))
    assert made.root.member("secure").hashed_size == wanted
    assert made.root.hash_matches("secure") is (True if wanted else None)


def test_alignment_of_another_tool() -> None:
    files = [("a", MemoryStorage(b"a")), ("b", MemoryStorage(b"b"))]
    made = reread(build_xci({"secure": files}, card_layout(alignment=0x200)))
    assert [member.offset for member in made.partition("secure").members.values()] == [0x200, 0x400]


def test_full_cards() -> None:
    layout = card_layout(fill="full")
    image = build_xci({"secure": FILES}, layout)
    assert len(image) == 998244352  # 952 MiB, of 1 GB.
    assert image[0x10400:0x10404].tobytes() == b"\xff" * 4
    assert image[-1] == 0xFF
    assert len(build_xci({"secure": FILES}, card_layout(fill="full", rom_size=0xF8))) == 2 * 998244352
    big = build_xci({"secure": {"big": FilledStorage(7 * 998244352)}}, layout)
    assert (reread(big).header.rom_size, len(big)) == (0xE0, 8 * 998244352)
    with pytest.raises(FormatError, match="more than the largest card holds"):
        build_xci({"secure": {"big": FilledStorage(32 * 998244352)}}, layout)


def test_key_area_and_certificate() -> None:
    key_area = noise(0x1000)
    image = build_xci({"secure": FILES}, card_layout(key_area=key_area, certificate=b"C" * 0x400, fill="trimmed"))
    made = reread(image)
    assert (made.header_offset, image[:0x1000].tobytes()) == (0x1000, key_area)
    assert made.header.initial_data_hash == hashlib.sha256(key_area[:0x200]).digest()
    assert image[0x8000:0x8404].tobytes() == b"C" * 0x400 + b"\xff" * 4
    assert made.read_bytes(f"secure/{NAME}") == noise(0x800)
    again = build_xci({name: made.partition(name) for name in made.partitions}, layout_of(made))
    assert again == image
    made_up = reread(build_xci({"secure": FILES}, card_layout(key_area=True, package_id=b"12345678")))
    assert (made_up.raw[:9].tobytes(), made_up.header.package_id) == (b"12345678\0", b"12345678")
    assert made_up.header.initial_data_hash == hashlib.sha256(b"12345678" + bytes(0x1F8)).digest()


def test_information_and_region() -> None:
    info = CardInfo(firmware_version=5, cup_version=0x04230004, compatibility_type=1)
    layout = card_layout(info=info, keys=KEYS, compatibility=1, iv=bytes(range(16)))
    image = build_xci({"secure": FILES}, layout)
    made = reread(image)
    assert made.info() == info
    assert made.root_hash_matches() == (True, 1)
    assert made.header.root_header_hash == hashlib.sha256(made.raw[0xF000:0xF200].tobytes() + b"\1").digest()
    assert layout_of(made).compatibility == 1
    assert build_xci({name: made.partition(name) for name in made.partitions}, layout_of(XciArchive(image))) == image
    default = reread(build_xci({"secure": FILES}, card_layout(keys=KEYS))).info()
    assert default == CardInfo(firmware_version=1, access_control_1=0x00A10011)
    without_key = card_layout(info=info, keys=without("xci_header_key"), compatibility=1)
    assert without_key.header.encrypted_info == bytes(0x70)
    with pytest.raises(FormatError, match="compatibility_type"):
        card_layout(info=info, keys=KEYS)
    with pytest.raises(FormatError, match="256 is no byte"):
        card_layout(compatibility=256)


def test_what_it_refuses() -> None:
    with pytest.raises(FormatError, match="no partition called secure"):
        build_xci({"update": FILES})
    with pytest.raises(UnsafePathError, match="given twice"):
        build_xci({"secure": [(NAME, MemoryStorage(b"")), (NAME, MemoryStorage(b""))]})
    with pytest.raises(FormatError, match="key area"):
        card_layout(key_area=bytes(5))
    with pytest.raises(FormatError, match="certificate"):
        card_layout(certificate=bytes(0x8001))
    with pytest.raises(FormatError, match="signature"):
        card_layout(signature=bytes(5))
    with pytest.raises(FormatError, match="iv"):
        card_layout(iv=bytes(5))


def test_layout_says_what_it_cannot_describe(testdata: Path) -> None:
    data = (testdata / "xci" / "std.xci").read_bytes()
    with pytest.raises(UnsupportedError, match="not 0xFF"):
        layout_of(XciArchive(MemoryStorage(data + b"\0")))
    with pytest.raises(UnsupportedError, match="ends 0x1 bytes early"):
        layout_of(XciArchive(MemoryStorage(data[:-1])))
    padded = MemoryStorage(data + b"\xff" * 100)
    archive = XciArchive(padded)
    assert layout_of(archive).fill == 100
    assert build_xci({name: archive.partition(name) for name in archive.partitions}, layout_of(archive)) == padded


def test_verification(tmp_path: Path, testdata: Path) -> None:
    keys = KeySet.load(testdata / "keys").merged(KeySet({"xci_header_key": bytes(16)}))
    old = XciArchive(testdata / "xci" / "multi.xci")
    secure, normal = old.partition("secure"), old.partition("normal")
    layout = card_layout(key_area=True, keys=keys, compatibility=1)
    target = tmp_path / "card.xci"
    target.write_bytes(build_xci({"secure": secure, "normal": normal, "logo": normal}, layout)[:])
    assert failures(target, keys) == []
