from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.file import File
from oboromi_fs.protocols import Place
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.ctr import AesCtrStorage, ctr_crypt

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(16))
UPPER = bytes.fromhex("0000000200000000")


def reference(data: bytes, key: bytes, upper: bytes, base: int) -> bytes:
    """One block at a time: ECB of the counter, XOR."""
    ecb = AES.new(key, AES.MODE_ECB)
    out = bytearray()
    for i, byte in enumerate(data):
        stream = ecb.encrypt(upper + ((base + i) // 16).to_bytes(8, "big"))
        out.append(byte ^ stream[(base + i) % 16])
    return bytes(out)


class Opaque(StorageBase):
    """Bytes that cannot be viewed, only read; counts its reads."""

    kind = "Opaque"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))
        target[:] = self.data[offset : offset + len(target)]


class Short(Opaque):
    """Promises more than it gives."""

    def readinto_at(self, offset: int, buffer: object, /) -> int:
        del offset, buffer
        return 0


def test_worked_example() -> None:
    # Section at 0x5800, generation 0, secure value 2, key 00..0F: the first bytes of key stream.
    section = AesCtrStorage(MemoryStorage(bytes(0x200)), KEY, UPPER, 0x5800)
    assert section[:16].hex() == "849fac17425ba4b817f69d7a12a5f5fb"
    assert section[3:7].hex() == "17425ba4"
    block = AES.new(KEY, AES.MODE_ECB).encrypt(bytes.fromhex("00000002000000000000000000000592"))
    assert section[0x120:0x130] == block  # 0x5920: the last word of the counter is 0x592


def test_worked_counter() -> None:
    # Generation 3, secure value 0x102 at 0x123450 gives the block 00000102 00000003 0000000000012345.
    section = AesCtrStorage(MemoryStorage(bytes(16)), KEY, bytes.fromhex("0000010200000003"), 0x123450)
    assert section[:] == AES.new(KEY, AES.MODE_ECB).encrypt(bytes.fromhex("00000102000000030000000000012345"))


def test_counter_stays_in_its_half() -> None:
    upper = b"\xff" * 8
    section = AesCtrStorage(MemoryStorage(bytes(32)), KEY, upper, (1 << 68) - 32)
    assert section[16:] == AES.new(KEY, AES.MODE_ECB).encrypt(b"\xff" * 16)
    with pytest.raises(CorruptError, match="64-bit block counter"):
        AesCtrStorage(MemoryStorage(bytes(33)), KEY, upper, (1 << 68) - 32)


@given(
    data=st.binary(max_size=200),
    base=st.integers(0, 1 << 40),
    plain_until=st.integers(0, 250),
    opaque=st.booleans(),
    start=st.integers(0, 210),
    length=st.integers(0, 210),
)
def test_any_range_equals_block_by_block(*, data: bytes, base: int, plain_until: int, opaque: bool, start: int, length: int) -> None:
    expected = data[:plain_until] + reference(data, KEY, UPPER, base)[plain_until:]
    parent = Opaque(data) if opaque else MemoryStorage(data)
    section = AesCtrStorage(parent, KEY, UPPER, base, plain_until=plain_until)
    assert section[start : start + length] == expected[start : start + length]
    target = bytearray(b"\x55" * length)
    count = section.readinto_at(start, target)
    assert target == expected[start : start + length] + b"\x55" * (length - count)


@given(data=st.binary(max_size=120), base=st.integers(0, 99), plain_until=st.integers(0, 150), start=st.integers(0, 120))
def test_decrypted_into(data: bytes, base: int, plain_until: int, start: int) -> None:
    section = AesCtrStorage(MemoryStorage(data), KEY, UPPER, base, plain_until=plain_until)
    start = min(start, len(data))
    target = bytearray(len(data) - start)
    section.decrypted_into(start, data[start:], target)
    assert target == section[start:]
    in_place = bytearray(data[start:])
    section.decrypted_into(start, in_place, in_place)
    assert in_place == target


@pytest.mark.parametrize("opaque", [False, True])
def test_across_the_end_of_the_plain_part(*, opaque: bool) -> None:
    data = bytes(range(64))
    expected = data[:21] + reference(data, KEY, UPPER, 0x4003)[21:]
    section = AesCtrStorage(Opaque(data) if opaque else MemoryStorage(data), KEY, UPPER, 0x4003, plain_until=21)
    for start, stop in ((0, 64), (7, 50), (20, 22), (21, 22), (3, 21)):
        assert section[start:stop] == expected[start:stop]
        target = bytearray(stop - start)
        section.decrypted_into(start, data[start:stop], target)
        assert target == expected[start:stop]


def test_decrypted_into_refuses_what_does_not_fit() -> None:
    section = AesCtrStorage(MemoryStorage(bytes(32)), KEY, UPPER, 0)
    for offset, size, room in ((-1, 4, 4), (30, 4, 4), (0, 4, 5)):
        with pytest.raises(ValueError, match="the storage has 32"):
            section.decrypted_into(offset, bytes(size), bytearray(room))


def test_ctr_crypt_is_its_own_inverse() -> None:
    data = random.Random(1).randbytes(1000)
    once, twice = bytearray(1000), bytearray(1000)
    ctr_crypt(KEY, UPPER, 5, data, once)
    assert once != data
    ctr_crypt(KEY, UPPER, 5, once, twice)
    assert twice == data


def test_one_read_of_the_parent_and_no_more_than_was_asked() -> None:
    parent = Opaque(bytes(1000))
    section = AesCtrStorage(parent, KEY, UPPER, 0x103)
    section.readinto_at(5, bytearray(700))
    assert parent.reads == [(5, 700)]


def test_mapped_file(tmp_path: Path) -> None:
    data = random.Random(2).randbytes(70_001)
    path = tmp_path / "section"
    path.write_bytes(data)
    plain = bytearray(len(data))
    ctr_crypt(KEY, UPPER, 0x4000, data, plain)
    for access in ("mmap", "pread"):
        with File.open(path, access=access) as file:
            section = AesCtrStorage(file, KEY, UPPER, 0x4000)
            assert section[:] == plain
            assert section[7:69_999] == plain[7:69_999]
            assert section.place(0x11) == Place(file, 0x11, "encrypted")
            assert section.window(0x10, 0x20).place(1) == Place(file, 0x11, "encrypted")


def test_parent_across_parts() -> None:
    data = random.Random(3).randbytes(100)
    section = AesCtrStorage(ConcatStorage([MemoryStorage(data[:33]), MemoryStorage(data[33:])]), KEY, UPPER, 0)
    assert section[:] == reference(data, KEY, UPPER, 0)


def test_plain_part_is_not_copied() -> None:
    data = bytes(range(64))
    memory = MemoryStorage(data)
    section = AesCtrStorage(memory, KEY, UPPER, 0, plain_until=40)
    assert section[8:40].obj is data
    assert section[8:41].obj is not data
    assert section.place(39) == Place(memory, 39, "plain")
    assert section.place(40) == Place(memory, 40, "encrypted")


def test_place_keeps_what_is_not_exact() -> None:
    class Packed(Opaque):
        def place(self, offset: int = 0, /) -> Place:
            del offset
            return Place(self, 0, "compressed")

    packed = Packed(bytes(32))
    assert AesCtrStorage(packed, KEY, UPPER, 0).place(5) == Place(packed, 0, "compressed")


def test_describes_itself() -> None:
    parent = MemoryStorage(bytes(32))
    section = AesCtrStorage(parent, KEY, UPPER, 0)
    assert (section.kind, section.sources, len(section)) == ("AesCtr", (parent,), 32)


@pytest.mark.parametrize(
    ("key", "upper", "base", "plain"),
    [(bytes(15), UPPER, 0, 0), (bytes(32), UPPER, 0, 0), (KEY, bytes(16), 0, 0), (KEY, UPPER, -1, 0), (KEY, UPPER, 0, -1)],
)
def test_arguments_that_do_not_fit(key: bytes, upper: bytes, base: int, plain: int) -> None:
    with pytest.raises(ValueError, match=r"AES-CTR takes|negative"):
        AesCtrStorage(MemoryStorage(bytes(16)), key, upper, base, plain_until=plain)


def test_parent_that_breaks_its_promise() -> None:
    with pytest.raises(CorruptError, match="16 bytes are needed, 0 could be read"):
        AesCtrStorage(Short(bytes(16)), KEY, UPPER, 0)[:]


def test_threads_share_one() -> None:
    data = random.Random(4).randbytes(200_000)
    plain = bytearray(len(data))
    ctr_crypt(KEY, UPPER, 0, data, plain)
    section = AesCtrStorage(MemoryStorage(data), KEY, UPPER, 0)
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            start = chance.randrange(len(data))
            stop = start + chance.randrange(20_000)
            if section[start:stop] != plain[start:stop]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
