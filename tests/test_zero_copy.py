"""What is stored plain is never copied: a slice of a member, however deep, is a part of the mapping of the outermost file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from oboromi_fs import File, Hfs0Archive, HostFs, Nca, NspArchive, RomFs, Storage, XciArchive, locate, open_fs
from oboromi_fs._forge import Encryption, hfs0
from oboromi_fs.storage.concat import ConcatStorage
from tests import forged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def shares(view: memoryview, file: File) -> bool:
    return np.shares_memory(np.asarray(view), np.asarray(file))


@pytest.fixture
def plain(testdata: Path) -> Iterator[File]:
    """An NSP of another tool whose NCAs have no section encryption."""
    with File.open(testdata / "nsp" / "plain.nsp", access="mmap") as file:
        yield file


@pytest.fixture
def encrypted(testdata: Path) -> Iterator[File]:
    with File.open(testdata / "nsp" / "std_g1.nsp", access="mmap") as file:
        yield file


PROGRAM = "924d05a88455ea1bb52888af07e2cfe6.nca"


def test_a_member_of_an_nsp(plain: File, encrypted: File) -> None:
    for file in (plain, encrypted):
        archive = NspArchive(file)
        for name in archive.members:
            storage = archive.storage(name)
            for view in (storage[:], storage[7:99], storage[5:-5:3], archive.open(name).mmap(), storage.window(1, 50)[:]):
                assert shares(view, file)


def test_files_of_the_romfs_in_an_nca_without_encryption(plain: File, corpus_keys: Path) -> None:
    nca = Nca(NspArchive(plain).storage(PROGRAM), open_fs(plain, corpus_keys).keys)
    for fs in (RomFs(nca.storage("romfs")), NspArchive(nca.storage("exefs")), NspArchive(nca.storage("logo"))):
        seen = 0
        for extent in fs.extents():
            if extent.size:
                assert shares(extent.storage[extent.offset : extent.offset + extent.size], plain)
                assert shares(fs.open(extent.path).mmap(), plain)
                seen += 1
        assert seen


def test_with_hash_checks_too(plain: File, corpus_keys: Path) -> None:
    """Checking reads the bytes, and still hands out the mapping."""
    nca = Nca(NspArchive(plain).storage(PROGRAM), open_fs(plain, corpus_keys).keys)
    image = nca.section("romfs").image(check=True)
    assert shares(image[:], plain)
    assert shares(RomFs(image).storage("data/a.bin")[3:9], plain)


def test_through_open_fs(testdata: Path, corpus_keys: Path) -> None:
    place = locate(testdata / "nsp" / "plain.nsp", corpus_keys, access="mmap")
    stream = place.fs.open("plain.nsp/@program/romfs/data/a.bin")
    with stream:
        view = stream.mmap()
        found = stream.storage.place(0)
    assert isinstance(found.storage, File)
    assert found.stored == "plain"
    assert shares(view, found.storage)
    assert bytes(view[:16]) == bytes(found.storage[found.offset : found.offset + 16])


def test_encrypted_sections_are_copies(encrypted: File, corpus_keys: Path) -> None:
    fs = open_fs(encrypted, corpus_keys)
    storage = fs.storage("@program/romfs/data/a.bin")
    assert storage.place().stored == "encrypted"
    assert not shares(storage[:], encrypted)
    assert not shares(fs.open("@program/romfs/data/a.bin").mmap(), encrypted)
    assert shares(fs.storage("@program/logo/NintendoLogo.png")[:], encrypted)  # The logo section never is encrypted.


def test_hash_layers_that_are_stored_plain(tmp_path: Path) -> None:
    (tmp_path / "a.nca").write_bytes(forged.program_nca(Encryption.CTR_SKIP_LAYER_HASH))
    with File.open(tmp_path / "a.nca", access="mmap") as file:
        section = Nca(file, forged.KEY_SET).section("romfs")
        start = section.data_size
        assert shares(section.decrypted()[:0x4000], file)
        assert not shares(section.image()[:16], file)
        assert start == len(forged.romfs_image())


def test_partitions_of_a_card(tmp_path: Path) -> None:
    title = forged.title_xci()
    (tmp_path / "card.xci").write_bytes(title.image)
    with File.open(tmp_path / "card.xci", access="mmap") as file:
        card = XciArchive(file)
        assert shares(card.storage(f"secure/{title.program}")[:], file)
        assert shares(card.open(f"secure/{title.control}").mmap(), file)


def test_hfs0_and_host_files(tmp_path: Path) -> None:
    (tmp_path / "a.hfs0").write_bytes(hfs0({"x": b"x" * 100}))
    with File.open(tmp_path / "a.hfs0", access="mmap") as file:
        assert shares(Hfs0Archive(file).storage("x")[10:20], file)
    storage: Storage = HostFs(tmp_path, access="mmap").storage("a.hfs0")
    assert isinstance(storage, File)
    assert shares(storage[5:50], storage)


def test_a_member_within_one_part_of_a_split_file(tmp_path: Path) -> None:
    data = forged.title_nsp().image
    (tmp_path / "00").write_bytes(data[:0x8000])
    (tmp_path / "01").write_bytes(data[0x8000:])
    with File.open(tmp_path / "00", access="mmap") as first, File.open(tmp_path / "01", access="mmap") as second:
        whole = ConcatStorage([first, second])
        assert shares(whole[0x10:0x7000], first)
        assert shares(whole[0x8000:0x8100], second)
        assert not shares(whole[0x7FFF:0x8001], first)
        assert whole[0x7FFF:0x8001] == data[0x7FFF:0x8001]


def test_guarded_access_copies(testdata: Path) -> None:
    with File.open(testdata / "nsp" / "plain.nsp", access="pread") as file:
        storage = NspArchive(file).storage(PROGRAM)
        assert not np.shares_memory(np.asarray(storage[:]), np.asarray(storage[:]))


def test_numpy_views_of_tables(plain: File) -> None:
    array = plain.array([("offset", "<i8"), ("size", "<i8"), ("name", "<i4"), ("reserved", "<u4")], 0x10, 5)
    assert np.shares_memory(array, np.asarray(plain))
    assert array["size"].tolist() == [member.size for member in NspArchive(plain).members.values()]
