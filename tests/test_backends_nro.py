from __future__ import annotations

from pathlib import Path

import pytest

from oboromi_fs.backends.nro import NroArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nro import build_nro, with_assets
from oboromi_fs.errors import CorruptError, EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError, NotThisFormatError
from oboromi_fs.file import File
from oboromi_fs.protocols import DirEntry, Metadata
from oboromi_fs.testing import check_filesystem

TESTDATA = Path(__file__).parent.parent / "testdata"


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return {
        "icon.jpg": (TESTDATA / "exe" / "icon.jpg").read_bytes(),
        "control.nacp": (TESTDATA / "exe" / "control.nacp").read_bytes(),
        "romfs": (TESTDATA / "romfs" / "tiny.st.romfs").read_bytes(),
    }


@pytest.fixture
def archive() -> NroArchive:
    return NroArchive(TESTDATA / "exe" / "test_assets.nro")


def test_assets(archive: NroArchive, contents: dict[str, bytes]) -> None:
    assert archive.read_dir() == [
        DirEntry("icon.jpg", "file", 3013),
        DirEntry("control.nacp", "file", 0x4000),
        DirEntry("romfs", "file", 41756),
    ]
    for name, data in contents.items():
        assert archive.read_bytes(name) == data
        assert archive.metadata(name) == Metadata("file", len(data))
    assert archive.metadata("") == Metadata("directory", 0)
    assert archive.kind == "NRO"
    assert archive.problems == []
    assert archive.nro.build_id.startswith("4E795564")


def test_nothing_is_copied(archive: NroArchive) -> None:
    assert isinstance(archive.raw, File)
    assert archive.storage("romfs").place(5) == (archive.raw, 0xDC02, "plain")
    assert [(extent.path, extent.storage, extent.offset, extent.size) for extent in archive.extents()] == [
        ("icon.jpg", archive.raw, 0x9038, 3013),
        ("control.nacp", archive.raw, 0x9BFD, 0x4000),
        ("romfs", archive.raw, 0xDBFD, 41756),
    ]


def test_keeps_the_laws(archive: NroArchive, contents: dict[str, bytes]) -> None:
    check_filesystem(archive, expected=contents)


@pytest.mark.parametrize("name", ["test.nro", "test_aligned.nro"])
def test_without_assets_it_is_empty(name: str) -> None:
    archive = NroArchive(TESTDATA / "exe" / name)
    assert archive.read_dir() == []
    assert list(archive.extents()) == []
    check_filesystem(archive)


def test_one_asset() -> None:
    nro = with_assets(build_nro(bytes(0x80), b"", b""), nacp=bytes(0x4000))
    archive = NroArchive(nro)
    check_filesystem(archive, expected={"control.nacp": bytes(0x4000)})
    assert not archive.exists("romfs")


def test_paths_that_are_not_there(archive: NroArchive) -> None:
    for function in (archive.open, archive.storage, archive.metadata, archive.read_dir):
        with pytest.raises(EntryNotFoundError):
            function("main")
        with pytest.raises(NotADirectoryEntryError):
            function("romfs/hello.txt")
    with pytest.raises(NotADirectoryEntryError):
        archive.read_dir("romfs")
    with pytest.raises(IsADirectoryEntryError):
        archive.open("")


def test_closing_closes_the_file(archive: NroArchive) -> None:
    file = archive.raw
    assert isinstance(file, File)
    archive.close()
    assert file.closed


def test_other_and_damaged_files() -> None:
    with pytest.raises(NotThisFormatError):
        NroArchive(TESTDATA / "exe" / "test.nso")
    data = (TESTDATA / "exe" / "test_assets.nro").read_bytes()
    with pytest.raises(CorruptError, match=r"NRO header of cut\.nro at 0x18, field size: 0x9000 bytes, 0x8fff are there"):
        NroArchive(MemoryStorage(data[:0x8FFF], "cut.nro"))
    small = data[:0x18] + b"\x7f\0\0\0" + data[0x1C:]
    with pytest.raises(CorruptError, match="field size: 0x7f bytes"):
        NroArchive(MemoryStorage(small))


def test_a_truncated_asset_is_listed_and_the_others_stay_readable(contents: dict[str, bytes]) -> None:
    data = (TESTDATA / "exe" / "test_assets.nro").read_bytes()
    archive = NroArchive(MemoryStorage(data[:-1], "cut.nro"))
    assert [entry.name for entry in archive.read_dir()] == ["icon.jpg", "control.nacp", "romfs"]
    assert archive.metadata("romfs").size == 41756
    assert archive.read_bytes("control.nacp") == contents["control.nacp"]
    with pytest.raises(CorruptError, match=r"cut\.nro at 0x9028, field romfs: romfs ends at 0x17f19, the file at 0x17f18"):
        archive.open("romfs")
    assert archive.problems == ["asset romfs ends at 0x17f19, the file at 0x17f18"]
