from __future__ import annotations

import pytest

from oboromi_fs.storage.filled import FilledStorage


def test_bytes() -> None:
    storage = FilledStorage(0x30001, 0xA5)
    assert storage.tobytes() == b"\xa5" * 0x30001
    assert storage[0x30000:].tobytes() == b"\xa5"
    assert (FilledStorage(3).tobytes(), FilledStorage(0, 0xFF).tobytes()) == (bytes(3), b"")


def test_no_memory() -> None:
    storage = FilledStorage(1 << 60, 0xFF)
    assert (len(storage), storage[(1 << 60) - 1]) == (1 << 60, 0xFF)


@pytest.mark.parametrize(("size", "byte"), [(-1, 0), (1, 256), (1, -1)])
def test_what_it_refuses(size: int, byte: int) -> None:
    with pytest.raises(ValueError, match="cannot fill"):
        FilledStorage(size, byte)
