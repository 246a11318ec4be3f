"""NCA0, from before the first release: FS headers inside the sections, and one key for the whole body. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_formats.nca import (
    FS_HEADER_OFFSET,
    MEDIA_UNIT,
    CompressionInfo,
    Encryption,
    FsHeader,
    FsType,
    HashType,
    MetadataHashType,
    PatchInfo,
    SparseInfo,
)
from oboromi_fs._decode import error
from oboromi_fs.errors import CorruptError, IntegrityError
from oboromi_fs.storage.xts import xts_decrypt

if TYPE_CHECKING:
    from oboromi_formats.nca import NcaHeader
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["body_key", "body_sector", "fs_header_bytes", "without_later_fields"]

_KEY_SIZE = 0x20
_WRAPPED_FROM = 0x80
"""Where a key area that is one RSA block has bytes, and any other none."""
_KEY_AREA_OFFSET = 0x300
_HASH = 0x20
_WHY = "the key area of an NCA0, which is encrypted with RSA"


def body_sector(offset: int) -> int:
    """Return the number of the AES-XTS sector at an offset of the file: they count from behind the header, over all sections."""
    return (offset - FS_HEADER_OFFSET) // MEDIA_UNIT


def fs_header_bytes(storage: Storage, start: int, key: bytes) -> bytes:
    """Return the FS header of a section, the first 0x200 bytes of it, in the clear; zeros where the file ends before.

    Args:
        storage: The NCA.
        start: Where the section begins.
        key: The key of the body.
    """
    raw = storage[start : start + MEDIA_UNIT].tobytes()
    if start < FS_HEADER_OFFSET or len(raw) < MEDIA_UNIT:
        return bytes(MEDIA_UNIT)
    return xts_decrypt(raw, key, body_sector(start))


def without_later_fields(header: FsHeader) -> FsHeader:
    """Return an FS header of which nothing is believed that NCA0 does not have; encrypted is everything, in one way."""
    return replace(
        header,
        encryption=Encryption.AES_XTS,
        metadata_hash_type=MetadataHashType.NONE,
        patch_info=PatchInfo(),
        sparse_info=SparseInfo(),
        compression_info=CompressionInfo(),
        metadata_hash_size=0,
    )


def body_key(storage: Storage, header: NcaHeader, keys: KeySet) -> bytes:
    """Return the two keys of AES-XTS that the body is encrypted with, 0x20 bytes.

    The key area is an RSA block, or the keys themselves, or those encrypted with a key area key. Which of the latter two, the FS
    headers tell: only one key makes something of them.

    Raises:
        MissingKeyError: The key that is needed is absent.
        IntegrityError: The RSA block does not open.
    """
    if any(header.key_area[_WRAPPED_FROM:]):
        modulus, exponent = (int.from_bytes(keys.require(name, _WHY), "big") for name in ("beta_nca0_modulus", "beta_nca0_exponent"))
        plain = _opened(header.key_area, modulus, exponent)
        if plain is None or len(plain) < _KEY_SIZE:
            problem = "does not open with beta_nca0_modulus and beta_nca0_exponent: the keys are wrong, or the bytes are damaged"
            raise error(IntegrityError, problem, what="NCA0 key area", storage=storage, offset=_KEY_AREA_OFFSET, field="key_area")
        return plain[:_KEY_SIZE]
    stored = header.key_area[:_KEY_SIZE]
    if _fits(storage, header, stored):
        return stored
    if header.key_area_key_index not in (0, 1, 2):
        problem = f"{header.key_area_key_index} is none of 0 (application), 1 (ocean), 2 (system)"
        raise error(CorruptError, problem, what="NCA header", storage=storage, offset=0x207, field="key_area_key_index")
    from Crypto.Cipher import AES

    return AES.new(keys.key_area_key(header.key_area_key_index, header.revision), AES.MODE_ECB).decrypt(stored)


def _fits(storage: Storage, header: NcaHeader, key: bytes) -> bool:
    """Whether a key makes something of the first FS header there is."""
    for index, entry in enumerate(header.sections):
        if not entry.exists:
            continue
        found = fs_header_bytes(storage, entry.offset, key)
        known = header.fs_header_hashes[index]
        if any(known):
            return hashlib.sha256(found).digest() == known
        return found[:2] == b"\2\0" and found[2] in tuple(FsType) and found[3] in tuple(HashType)
    return False


def _opened(block: bytes, modulus: int, exponent: int) -> bytes | None:
    """What is in an RSA-2048-OAEP block with SHA-256 and an empty label; None where it does not open."""
    if modulus < 1 << 1024:
        return None
    size = len(block)
    plain = pow(int.from_bytes(block, "big"), exponent, modulus).to_bytes(size, "big")
    seed = _xor(plain[1 : 1 + _HASH], _mask(plain[1 + _HASH :], _HASH))
    data = _xor(plain[1 + _HASH :], _mask(seed, size - _HASH - 1))
    label, rest = data[:_HASH], data[_HASH:].lstrip(b"\0")
    if plain[0] or label != hashlib.sha256(b"").digest() or rest[:1] != b"\1":
        return None
    return rest[1:]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 with SHA-256."""
    return b"".join(hashlib.sha256(seed + number.to_bytes(4, "big")).digest() for number in range(-(-size // _HASH)))[:size]
