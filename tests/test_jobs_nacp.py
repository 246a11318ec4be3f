from __future__ import annotations

import zlib

import pytest

from oboromi_fs._forge import nacp
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.jobs.nacp import LANGUAGES, TitleStrings, title_strings
from tests.command import DATA


def read(data: bytes) -> TitleStrings:
    return title_strings(MemoryStorage(data))


def test_the_file_of_another_tool() -> None:
    assert read((DATA / "exe" / "control.nacp").read_bytes()) == ("Fake Game ゲーム", "Nobody & Söhne", "1.2.3", "AmericanEnglish")


def test_languages() -> None:
    assert (LANGUAGES[0], LANGUAGES[2], LANGUAGES[13], LANGUAGES[15], len(LANGUAGES)) == (
        "AmericanEnglish",
        "Japanese",
        "TraditionalChinese",
        "BrazilianPortuguese",
        16,
    )
    assert read(nacp("Title", "Maker", languages=[3, 7])) == ("Title", "Maker", "1.0.0", "French")
    assert read(bytes(0x4000)) == ("", "", "", "")


def test_fields_without_an_end_and_short_files() -> None:
    data = b"N" * 0x200 + b"P" * 0x100
    assert read(data) == ("N" * 0x200, "P" * 0x100, "", "AmericanEnglish")
    assert read(b"") == ("", "", "", "")
    assert read(b"caf\xe9\0junk").name == "caf\ufffd"


def compressed(titles: bytes) -> bytearray:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(titles) + packer.flush()
    data = bytearray(0x4000)
    data[: len(packed) + 2] = len(packed).to_bytes(2, "little") + packed
    data[0x3215] = 1
    return data


def test_compressed_titles() -> None:
    titles = bytearray(0x6000)
    titles[0x300 * 20 : 0x300 * 20 + 4] = b"Name"
    assert read(bytes(compressed(bytes(titles)))) == ("Name", "", "", "")
    titles[0x300 * 2 : 0x300 * 2 + 5] = b"Other"
    assert read(bytes(compressed(bytes(titles)))).language == "Japanese"


def test_compressed_titles_are_bounded() -> None:
    assert read(bytes(compressed(b"A" * (1 << 20)))).name == "A" * 0x200
    broken = compressed(bytes(0x6000))
    broken[2:6] = b"\xff\xff\xff\xff"
    with pytest.raises(CorruptError, match="NACP of memory at 0x0, field titles: the compressed titles do not inflate"):
        read(bytes(broken))
    broken[:2] = b"\xff\x2f"
    with pytest.raises(CorruptError, match="0x2fff bytes of compressed titles are more than 0x2ffe"):
        read(bytes(broken))
