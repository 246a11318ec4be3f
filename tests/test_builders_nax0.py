"""Files for SD cards, against those that are put together from the specification alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import FormatError, KeySet, MemoryStorage, Nax0Archive
from oboromi_fs.builders.nax0 import build_nax0
from tests.forged_nax0 import PLAIN_KEYS, SD_KEY, SD_KEYS, nax0

PATH = "/registered/000000BE/000102030405060708090a0b0c0d0e0f.nca"


@settings(max_examples=30)
@given(st.binary(max_size=100), st.integers(0, 2), st.integers(0, 0xD000), st.integers(0, 0xD000))
def test_the_bytes_are_those_of_the_specification(tail: bytes, units: int, start: int, stop: int) -> None:
    content = bytes(index * 5 & 0xFF for index in range(0x4000)) * units + tail
    built = build_nax0(MemoryStorage(content), PATH, SD_KEY, keys=PLAIN_KEYS)
    expected = nax0(content, PATH)
    expected = expected[:0x80] + bytes(0x3F80) + expected[0x4000:]  # What lies between is not used.
    assert built[:].tobytes() == expected
    assert built[start:stop].tobytes() == expected[start:stop]


def test_keys_are_random_and_it_opens() -> None:
    files = [build_nax0(MemoryStorage(b"content"), PATH, SD_KEY) for _ in range(2)]
    assert files[0][:].tobytes() != files[1][:].tobytes()
    for file in files:
        assert Nax0Archive(file, KeySet(SD_KEYS), paths=[PATH]).read_bytes(PATH[21:]) == b"content"


@pytest.mark.parametrize(
    ("path", "sd_key", "keys", "field"),
    [(PATH[1:], SD_KEY, None, "path"), (PATH, SD_KEY[1:], None, "sd_key"), (PATH, SD_KEY, bytes(16), "keys")],
)
def test_what_cannot_be_is_refused(path: str, sd_key: bytes, keys: bytes | None, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        build_nax0(MemoryStorage(b""), path, sd_key, keys=keys)
    assert caught.value.field == field
