from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, EntryNotFoundError, FormatError, NotThisFormatError
from oboromi_fs.metadata.icon import check_icon, icon_name, icons, jpeg_size
from oboromi_fs.opening import open_fs

if TYPE_CHECKING:
    from pathlib import Path


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def frame(width: int, height: int, marker: int = 0xC0) -> bytes:
    return segment(marker, b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x03" + bytes(9))


def jpeg(*segments: bytes) -> MemoryStorage:
    return MemoryStorage(b"\xff\xd8" + b"".join(segments) + b"\xff\xd9")


def test_icons_of_another_tool(testdata: Path, corpus_keys: Path) -> None:
    with open_fs(testdata / "nsp" / "std_g1.nsp", corpus_keys) as fs:
        found = icons(fs, "@control/romfs")
        assert [(language, icon.size) for language, icon in found.items()] == [("AmericanEnglish", 3013), ("Japanese", 3013)]
        assert found["Japanese"][:].tobytes() == (testdata / "exe" / "icon.jpg").read_bytes()
        with pytest.raises(CorruptError, match="it has no frame header"):  # Noise behind the first segment.
            check_icon(found["Japanese"], "icon_Japanese.dat")


def test_an_icon_of_the_right_size() -> None:
    check_icon(jpeg(frame(256, 256)), "icon_Dutch.dat")


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCF])
def test_the_size_is_that_of_the_frame(marker: int) -> None:
    picture = jpeg(segment(0xE0, b"JFIF\0" + bytes(9)), b"\xff\xff\xff", segment(0xC4, bytes(20)), b"\xff\x01", frame(640, 480, marker))
    assert jpeg_size(picture) == (640, 480)


def test_a_frame_in_a_thumbnail_does_not_count() -> None:
    assert jpeg_size(jpeg(segment(0xE1, b"Exif\0\0\xff\xd8" + frame(1, 2)), frame(256, 256))) == (256, 256)


@pytest.mark.parametrize(
    "picture",
    [
        jpeg(),
        jpeg(segment(0xE0, bytes(9))),
        jpeg(b"\xff\xda\x00\x08", frame(256, 256)),
        jpeg(b"\x00\x00", frame(256, 256)),
        jpeg(b"\xff\xe0\xff\xff"),
        jpeg(b"\xff\xe0\x00\x00" * 3000),
        jpeg(b"\xff" * 3000, frame(256, 256)),
        MemoryStorage(b"\xff\xd8" + frame(256, 256)[:8]),
        MemoryStorage(b"\xff\xd8"),
    ],
)
def test_pictures_without_a_frame(picture: MemoryStorage) -> None:
    with pytest.raises(CorruptError, match=r"JPEG of memory at 0x[0-9a-f]+: it has no frame header"):
        jpeg_size(picture)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_jpeg(data: bytes) -> None:
    with pytest.raises(NotThisFormatError, match=r"JPEG of memory at 0x0: it does not begin like one"):
        jpeg_size(MemoryStorage(data))
    with pytest.raises(CorruptError, match=r"icon of control/icon_Dutch\.dat: not a JPEG that can be read: it does not begin like one"):
        check_icon(MemoryStorage(data), "control/icon_Dutch.dat")


@pytest.mark.parametrize(("width", "height"), [(255, 256), (256, 257), (0, 0), (512, 512)])
def test_an_icon_of_the_wrong_size(width: int, height: int) -> None:
    with pytest.raises(FormatError) as caught:
        check_icon(jpeg(frame(width, height)), "control/icon_Dutch.dat")
    assert type(caught.value) is FormatError
    assert str(caught.value) == f"icon of control/icon_Dutch.dat: it has {width}x{height} pixels: an icon has 256x256"


def test_icons_of_a_folder() -> None:
    files = {
        "control.nacp": b"",
        "icon_Korean.dat": b"k",
        "icon_Klingon.dat": b"q",
        "icon_Japanese.dat": b"j",
        "icon_Dutch.png": b"",
        "icon.dat": b"",
    }
    fs = MemoryFs({f"a/control/{name}": data for name, data in files.items()})
    found = icons(fs, "/a/control/")
    assert [(language, icon[:].tobytes()) for language, icon in found.items()] == [("Japanese", b"j"), ("Korean", b"k"), ("Klingon", b"q")]
    assert icons(fs, b"a/control").keys() == found.keys()
    assert icons(fs) == {}
    assert icon_name("Dutch") == "icon_Dutch.dat"
    with pytest.raises(EntryNotFoundError):
        icons(fs, "b")
