from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import CorruptError, UnsupportedError
from oboromi_fs.executables import _lz4

BLOCK = bytes.fromhex("4f 61626364 0400 00 50 6162636461".replace(" ", ""))
"""Four literals, a copy of 19 bytes from 4 behind, five literals."""


def test_a_block_made_by_hand() -> None:
    assert _lz4.decompress(BLOCK, 28) == b"abcd" * 5 + b"abc" + b"abcda"


@pytest.mark.parametrize("size", [0, 1, 27, 29, 255 * len(BLOCK)])
def test_output_of_another_size(size: int) -> None:
    with pytest.raises(CorruptError, match="LZ4 block at 0x0: "):
        _lz4.decompress(BLOCK, size)


def test_fewer_bytes_than_promised() -> None:
    with pytest.raises(CorruptError, match="decompresses to 0x1c bytes, not to 0x1d"):
        _lz4.decompress(BLOCK, 29)


def test_more_than_any_block_gives_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(CorruptError, match="0xe bytes cannot decompress to 0xdf3"):
        _lz4.decompress(BLOCK, 255 * len(BLOCK) + 1)
    with pytest.raises(CorruptError, match="cannot decompress to 0x10000000000"):
        _lz4.decompress(BLOCK, 1 << 40)


@pytest.mark.parametrize("data", [*(BLOCK[:length] for length in range(len(BLOCK))), BLOCK + b"\0", b"\x0f\xff\xff\xff\xff\xff"])
def test_input_that_ends_too_soon_or_too_late(data: bytes) -> None:
    with pytest.raises(CorruptError):
        _lz4.decompress(data, 28)


@given(data=st.binary(max_size=300), size=st.integers(0, 600))
def test_any_input_gives_what_was_asked_for_or_an_error(data: bytes, size: int) -> None:
    try:
        found = _lz4.decompress(data, size)
    except CorruptError:
        return
    assert len(found) == size


@given(st.binary(max_size=400))
def test_round_trip(data: bytes) -> None:
    assert _lz4.decompress(_lz4.compress(data), len(data)) == data


def test_nothing() -> None:
    assert _lz4.decompress(b"", 0) == b""
    assert _lz4.decompress(b"\0", 0) == b""


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    assert _lz4.decompress(b"", 0) == b""
    message = "LZ4 block: needs the package lz4, which is not installed: pip install lz4"
    with pytest.raises(UnsupportedError, match=message):
        _lz4.decompress(BLOCK, 28)
    with pytest.raises(UnsupportedError, match=message):
        _lz4.compress(b"abc")
