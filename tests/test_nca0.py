"""NCA0: each kind of key area, each kind of section, and what is wrong with them."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import IntegrityError, KeySet, MemoryStorage, MissingKeyError, Nca, OboromiFsError, open_fs
from oboromi_fs._forge import pfs0
from oboromi_fs.errors import CorruptError, UnsupportedError
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import locate
from tests.forged import KEY_SET, KEYS
from tests.forged_nca0 import BODY_KEY, FIRST, PLAIN, WRAPPED, nca0, romfs0, section0

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"a.bin": bytes(range(256)) * 9, "hello.txt": b"hello\n", "empty": b""}
EXEFS = {"main": b"m" * 3000, "sdk": b"s" * 100}
PARTITION, ROMFS = section0(pfs0(EXEFS), 1), section0(romfs0(FILES), 0)


def opened(data: bytes, keys: KeySet = KEY_SET) -> Nca:
    return Nca(MemoryStorage(data, "an.nca"), keys)


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("kind", [PLAIN, WRAPPED])
def test_both_sections_are_read(kind: str, *, hashes: bool) -> None:
    data = nca0([PARTITION, ROMFS], kind=kind, hashes=hashes)
    assert [entry.name for entry in opened(data).read_dir()] == ["exefs", "romfs"]
    fs = open_fs(MemoryStorage(data, "an.nca"), KEY_SET)
    assert {name: fs.read_bytes(f"exefs/{name}") for name in EXEFS} == EXEFS
    assert {name: fs.read_bytes(f"romfs/{name}") for name in FILES} == FILES


def test_the_worked_out_places() -> None:
    """Sectors count from 0x400, over the sections; the FS header is the first 0x200 bytes."""
    section = opened(nca0([None, PARTITION])).sections[1]
    assert (section.start, section.header_offset, section.header.fs_type) == (FIRST, FIRST, 1)
    assert section.decrypted()[:].tobytes() == PARTITION
    assert section.decrypted()[0x201:0x20F].tobytes() == PARTITION[0x201:0x20F]


def test_what_nca0_does_not_have_is_not_believed() -> None:
    header = opened(nca0([PARTITION])).sections[0].header
    assert (header.patch_info.indirect_size, header.sparse_info.generation, header.compression_info.size) == (0, 0, 0)


@pytest.mark.parametrize("kind", [PLAIN, WRAPPED])
def test_every_hash_is_checked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "an.nca"
    data = nca0([PARTITION, ROMFS], kind=kind)
    path.write_bytes(data)
    with locate(path, KEY_SET).fs as fs:
        found = {(check.check, check.status) for check in verify(locate(path, KEY_SET), workers=1)}
        assert fs.exists("an.nca/romfs")
    assert {("hash tree", "ok"), ("NCA0", "note")} < found
    assert "failed" not in {status for _, status in found}
    at = FIRST + len(PARTITION) + 0x600
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    (bad,) = [check for check in verify(locate(path, KEY_SET), workers=1) if check.status == "failed"]
    assert (bad.check, bad.offset, bad.detail) == ("hash tree", at, "level 1, block 1 does not match its hash")


def rsa_block(plain: bytes) -> tuple[bytes, dict[str, bytes]]:
    from Crypto.Cipher import PKCS1_OAEP
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import RSA

    key = RSA.construct((_MODULUS, 65537, _EXPONENT))
    names = {"beta_nca0_modulus": _MODULUS.to_bytes(0x100, "big"), "beta_nca0_exponent": _EXPONENT.to_bytes(0x100, "big")}
    return PKCS1_OAEP.new(key, SHA256).encrypt(plain), names


def _pair() -> tuple[int, int]:
    """An RSA-2048 pair of two well-known primes (2^1279 - 1 and 2^521 - 1 are too unlike; these are the first above round numbers)."""
    from Crypto.Util.number import inverse, isPrime

    def first_prime(number: int) -> int:
        while not isPrime(number):
            number += 2
        return number

    p, q = first_prime((3 << 1022) + 1), first_prime((7 << 1021) + 1)
    return p * q, int(inverse(65537, (p - 1) * (q - 1)))


_MODULUS, _EXPONENT = _pair()


def test_a_key_area_in_rsa() -> None:
    block, names = rsa_block(BODY_KEY)
    data = nca0([PARTITION, ROMFS], key_area=block)
    fs = open_fs(MemoryStorage(data, "an.nca"), KeySet({**KEYS, **names}))
    assert fs.read_bytes("romfs/hello.txt") == b"hello\n"
    with pytest.raises(MissingKeyError, match="beta_nca0_modulus"):
        opened(data)
    wrong = {**names, "beta_nca0_exponent": (_EXPONENT - 2).to_bytes(0x100, "big")}
    with pytest.raises(IntegrityError, match="does not open with beta_nca0_modulus and beta_nca0_exponent") as caught:
        opened(data, KeySet({**KEYS, **wrong}))
    assert (caught.value.offset, caught.value.field) == (0x300, "key_area")
    for modulus in (0, 1, _MODULUS // 3):
        keys = KeySet({**KEYS, **names, "beta_nca0_modulus": modulus.to_bytes(0x100, "big")})
        with pytest.raises(IntegrityError):
            opened(data, keys)


def test_a_short_message_in_rsa_is_no_key() -> None:
    block, names = rsa_block(b"short")
    with pytest.raises(IntegrityError):
        opened(nca0([PARTITION], key_area=block), KeySet({**KEYS, **names}))


def test_a_wrapped_key_that_is_missing_is_named() -> None:
    data = nca0([PARTITION], kind=WRAPPED)
    with pytest.raises(MissingKeyError, match="key_area_key_application_00"):
        opened(data, KeySet({"header_key": KEYS["header_key"]}))
    # The plain kind needs none.
    assert opened(nca0([PARTITION]), KeySet({"header_key": KEYS["header_key"]})).read_dir()


def test_a_wrong_key_is_told() -> None:
    data = nca0([PARTITION], kind=WRAPPED)
    wrong = opened(data, KeySet({**KEYS, "key_area_key_application_00": bytes(16)}))
    with pytest.raises(IntegrityError, match="does not have the hash that the NCA header says"):
        wrong.section(0).image()


@pytest.mark.parametrize(
    ("section", "edits", "kind", "problem"),
    [
        (PARTITION, {0x207: b"\7"}, CorruptError, "7 is none of 0"),
        (PARTITION, {0x240: pack("<II", 1, 9)}, CorruptError, "section 0 runs from 0x200"),
        (PARTITION, {0x240: pack("<II", 1 << 30, (1 << 30) + 4)}, IntegrityError, "does not have the hash"),
        (section0(pfs0(EXEFS), 1, edits={0: b"\5\0"}), {}, UnsupportedError, "version 5, not 2"),
        (section0(pfs0(EXEFS), 1, edits={3: b"\x09"}), {}, UnsupportedError, "hash type 9"),
        (section0(pfs0(EXEFS), 1, edits={0x38: pack("<Q", 1 << 60)}), {}, CorruptError, "lie outside the section"),
    ],
)
def test_what_lies_is_told(section: bytes, edits: dict[int, bytes], kind: type[Exception], problem: str) -> None:
    area: dict[str, Any] = {"kind": WRAPPED} if 0x207 in edits else {}
    with pytest.raises(kind, match=problem):
        opened(nca0([section], edits=edits, **area)).section(0).image()


@settings(max_examples=60)
@given(st.integers(0, 0xBFF), st.integers(1, 255))
def test_a_changed_byte_ends_in_an_error_or_is_read(offset: int, mask: int) -> None:
    data = bytearray(nca0([PARTITION, ROMFS]))
    data[offset] ^= mask
    try:
        fs = open_fs(MemoryStorage(bytes(data), "an.nca"), KEY_SET)
        for name in [entry.name for entry in fs.read_dir("romfs")]:
            fs.read_bytes(f"romfs/{name}")
    except (OboromiFsError, OSError):
        pass
