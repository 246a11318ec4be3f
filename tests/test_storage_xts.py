from __future__ import annotations

import random
import subprocess
import sys

import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.protocols import Place
from oboromi_fs.storage import xts
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.xts import AesXtsStorage, xts_crypt, xts_decrypt, xts_encrypt

KEY = bytes(range(32))


def reference(data: bytes, key: bytes, sector: int, sector_size: int, *, encrypt: bool, byteorder: str = "big") -> bytes:
    """The standard, one block and one bit at a time."""
    cipher, tweaks = AES.new(key[:16], AES.MODE_ECB), AES.new(key[16:], AES.MODE_ECB)
    out = bytearray()
    for start in range(0, len(data), sector_size):
        number = (sector + start // sector_size).to_bytes(16, "big" if byteorder == "big" else "little")
        tweak = list(tweaks.encrypt(number))
        part = data[start : start + sector_size]
        for i in range(0, len(part), 16):
            masked = bytes(a ^ b for a, b in zip(part[i : i + 16], tweak, strict=True))
            inner = cipher.encrypt(masked) if encrypt else cipher.decrypt(masked)
            out += bytes(a ^ b for a, b in zip(inner, tweak, strict=True))
            carry = 0
            for byte in range(16):
                value = tweak[byte] << 1 | carry
                tweak[byte], carry = value & 0xFF, value >> 8
            if carry:
                tweak[0] ^= 0x87
    return bytes(out)


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [
        (0, "f071a2b402c105ea37024133e24d6ef6", "212e8cc0175e1b6b32657d54f159daf6"),
        (1, "5356d1682bfb99a26a6a1ec795538ddf", "7a64abaf73308dc0269fe595d1752d87"),
        (2, "4a1f462e6e156d3b23d5e95a87feaaa4", "6999d1f3f50fcae24cd6dabe22911227"),
    ],
)
def test_worked_example(unit: int, first: str, second: str) -> None:
    encrypted = xts_encrypt(bytes(0x200), KEY, unit)
    assert encrypted[:32].hex() == first + second
    assert xts_decrypt(encrypted, KEY, unit) == bytes(0x200)
    # A run from unit 0 on gives the same bytes, by way of numpy.
    assert xts_encrypt(bytes(0x200 * 20), KEY, 0)[unit * 0x200 : unit * 0x200 + 32].hex() == first + second


def test_worked_tweaks() -> None:
    tweaks = "1b94b57e0718d6b563b170a063d1847d" + "36286bfd0e30ac6bc762e140c7a209fb"
    assert xts._tweaks_few(KEY[16:], 1, 0, 2, 32).hex() == tweaks
    assert xts._Many(KEY, 32, 1).tweaks(1, 0, 2).tobytes().hex() == tweaks


def test_reference_knows_the_ordinary_tweak() -> None:
    # IEEE Std 1619-2007, annex B, vector 2: shows that all but the tweak's byte order is the standard.
    key, data = bytes.fromhex("11" * 16 + "22" * 16), bytes.fromhex("44" * 32)
    expected = "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"
    assert reference(data, key, 0x3333333333, 32, encrypt=True, byteorder="little").hex() == expected


@pytest.mark.parametrize("sector_size", [16, 48, 0x200, 0x400, 0x410, 0x4000])
@pytest.mark.parametrize("sector", [0, 1, 0x123456789])
def test_both_implementations_equal_the_reference(sector: int, sector_size: int) -> None:
    chance = random.Random(sector_size)
    key, data = chance.randbytes(32), chance.randbytes(sector_size * 2 + 0x4000)
    encrypted = reference(data, key, sector, sector_size, encrypt=True)
    blocks = len(data) // 16
    few = xts._tweaks_few(key[16:], sector, 0, blocks, sector_size // 16)
    many = xts._Many(key, sector_size // 16, -(-len(data) // sector_size)).tweaks(sector, 0, blocks)
    assert few == many.tobytes()
    assert len(data) > 16 * xts._FEW  # The public functions take the numpy path here...
    assert xts_encrypt(data, key, sector, sector_size) == encrypted
    assert xts_decrypt(encrypted, key, sector, sector_size) == data
    head = min(sector_size, 0x1000)  # ... and integers here.
    assert xts_encrypt(data[:head], key, sector, sector_size) == encrypted[:head]
    assert xts_decrypt(encrypted[:head], key, sector, sector_size) == data[:head]


@given(
    per_sector=st.integers(1, 300),
    sector=st.integers(0, 1 << 50),
    skip=st.integers(0, 299),
    blocks=st.integers(1, 700),
    spare=st.integers(0, 3),
)
def test_tweaks_from_inside_a_sector(per_sector: int, sector: int, skip: int, blocks: int, spare: int) -> None:
    skip %= per_sector
    whole = xts._tweaks_few(KEY[16:], sector, 0, skip + blocks, per_sector)
    assert xts._tweaks_few(KEY[16:], sector, skip, blocks, per_sector) == whole[16 * skip :]
    many = xts._Many(KEY, per_sector, -(-(skip + blocks) // per_sector) + spare)
    assert many.tweaks(sector, skip, blocks).tobytes() == whole[16 * skip :]


@pytest.mark.parametrize("sector_size", [0x200, 0x1000, 0x80000])
def test_more_than_one_piece(sector_size: int) -> None:
    chance = random.Random(5)
    data = chance.randbytes(xts._PIECE * 2 + 0x1230)
    sectors = [xts_encrypt(data[i : i + sector_size], KEY, 7 + i // sector_size, sector_size) for i in range(0, len(data), sector_size)]
    encrypted = b"".join(sectors)
    assert xts_encrypt(data, KEY, 7, sector_size) == encrypted
    storage = AesXtsStorage(MemoryStorage(encrypted), KEY, sector_size, 7)
    assert storage[:] == data
    assert storage[0x33:-0x44] == data[0x33:-0x44]
    in_place = bytearray(encrypted[0x210:])
    xts_crypt(KEY, 0x210, in_place, in_place, sector=7, sector_size=sector_size)
    assert in_place == data[0x210:]


@given(
    blocks=st.integers(0, 80),
    sector_size=st.sampled_from([16, 32, 0x50, 0x200]),
    first=st.integers(0, 1000),
    start=st.integers(0, 1300),
    length=st.integers(0, 1300),
    split=st.integers(0, 1300),
)
def test_any_range(blocks: int, sector_size: int, first: int, start: int, length: int, split: int) -> None:
    data = random.Random(blocks).randbytes(16 * blocks)
    encrypted = xts_encrypt(data, KEY, first, sector_size)
    joined = ConcatStorage([MemoryStorage(encrypted[:split]), MemoryStorage(encrypted[split:])])
    for parent in (MemoryStorage(encrypted), joined):
        storage = AesXtsStorage(parent, KEY, sector_size, first)
        assert storage[start : start + length] == data[start : start + length]


def test_large_unaligned_reads() -> None:
    data = random.Random(6).randbytes(0x8000)
    encrypted = xts_encrypt(data, KEY, 3)
    for parent in (MemoryStorage(encrypted), ConcatStorage([MemoryStorage(encrypted[:0x1111]), MemoryStorage(encrypted[0x1111:])])):
        storage = AesXtsStorage(parent, KEY, first_sector=3)
        for start, stop in ((0, 0x7FF1), (1, 0x8000), (0x1F, 0x7FF0), (0x20, 0x5001), (0xFFF, 0x7001)):
            assert storage[start:stop] == data[start:stop]


def test_size_that_is_no_multiple_of_a_block() -> None:
    with pytest.raises(CorruptError, match=r"AES-XTS of cut\.nca at 0x0, field size: 0x205 bytes are not a multiple") as caught:
        AesXtsStorage(MemoryStorage(bytes(0x205), "cut.nca"), KEY)
    assert caught.value.offset == 0
    for function in (xts_encrypt, xts_decrypt):
        with pytest.raises(CorruptError, match="multiple of the 16-byte block"):
            function(bytes(15), KEY, 0)


@pytest.mark.parametrize(
    ("key", "sector_size", "first"), [(bytes(16), 0x200, 0), (KEY, 0, 0), (KEY, 0x201, 0), (KEY, 0x200, -1), (KEY, 0x200, 1 << 63)]
)
def test_arguments_that_do_not_fit(key: bytes, sector_size: int, first: int) -> None:
    with pytest.raises(ValueError, match=r"AES-XTS takes|sector"):
        AesXtsStorage(MemoryStorage(bytes(0x200)), key, sector_size, first)
    with pytest.raises(ValueError, match=r"AES-XTS takes|sector"):
        xts_decrypt(bytes(0x200), key, first, sector_size)


@pytest.mark.parametrize(("position", "room"), [(-16, 32), (8, 32), (0, 48)])
def test_run_that_does_not_fit(position: int, room: int) -> None:
    with pytest.raises(ValueError, match="blocks of 16 are needed"):
        xts_crypt(KEY, position, bytes(32), bytearray(room))


def test_describes_itself() -> None:
    parent = MemoryStorage(bytes(0x400))
    storage = AesXtsStorage(parent, KEY)
    assert (storage.kind, storage.sources, len(storage)) == ("AesXts", (parent,), 0x400)
    assert storage.place(0x123) == Place(parent, 0x123, "encrypted")


def test_a_header_does_without_numpy() -> None:
    code = (
        "import sys\n"
        "from oboromi_fs.base import MemoryStorage\n"
        "from oboromi_fs.storage import AesXtsStorage, xts_encrypt\n"
        "storage = AesXtsStorage(MemoryStorage(xts_encrypt(bytes(0xC00), bytes(range(32)), 0)), bytes(range(32)))\n"
        "assert storage[:] == bytes(0xC00) and storage[0x201:0x205] == bytes(4)\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)})
