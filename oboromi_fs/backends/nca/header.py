"""The header of an NCA, in the clear. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import ContentType
from oboromi_fs._decode import error
from oboromi_fs.errors import (
    FormatError,
    MissingKeyError,
    NotThisFormatError,
    UnsupportedError,
)
from oboromi_fs.storage.xts import xts_decrypt

if TYPE_CHECKING:
    from oboromi_fs.keys import KeySet
    from oboromi_fs.protocols import Storage

__all__ = ["HEADER_SIZE", "UNIT", "is_nca", "read_header"]

HEADER_SIZE = 0xC00
UNIT = 0x200
_MAGICS = (b"NCA3", b"NCA2", b"NCA1", b"NCA0")


def read_header(storage: Storage, keys: KeySet) -> tuple[bytes, bool]:
    """Return the 0xC00 header bytes in the clear, and whether they were encrypted; of an NCA0 0x400, and zeros.

    Raises:
        NotThisFormatError: Neither the bytes nor what ``header_key`` makes of them is an NCA header.
        MissingKeyError: ``header_key`` is needed and absent.
    """
    if storage.size < HEADER_SIZE:
        problem = f"{storage.size:#x} bytes are less than a header"
        raise error(NotThisFormatError, problem, what="NCA header", storage=storage, offset=0)
    raw = storage[:HEADER_SIZE].tobytes()
    if _plain_header(raw):
        return raw, False
    key = keys.header_key()
    head = xts_decrypt(raw[:0x400], key, 0)
    magic = head[0x200:0x204]
    if magic == b"NCA3":
        return head + xts_decrypt(raw[0x400:], key, 2), True
    if magic == b"NCA2":  # Every FS header is a stream of its own; absent ones may be plain zeros.
        headers = (raw[start : start + UNIT] for start in range(0x400, HEADER_SIZE, UNIT))
        return head + b"".join(xts_decrypt(data, key, 0) if any(data) else data for data in headers), True
    if magic == b"NCA0":  # Its FS headers lie in the sections.
        return head + bytes(HEADER_SIZE - len(head)), True
    if magic in _MAGICS:
        raise error(
            UnsupportedError,
            f"pre-release {magic.decode()} is not supported",
            what="NCA header",
            storage=storage,
            offset=0x200,
            field="magic",
        )
    problem = "header_key is wrong, or the file is not an NCA: the header does not decrypt to an NCA magic"
    raise error(NotThisFormatError, problem, what="NCA header", storage=storage, offset=0x200, field="magic")


def _plain_header(raw: bytes) -> bool:
    return raw[0x200:0x204] in _MAGICS[:2] and raw[0x204] <= 1 and raw[0x205] <= max(ContentType) and not any(raw[0x350:0x400])


def is_nca(storage: Storage, keys: KeySet) -> bool:
    """Whether the bytes are an NCA, as far as the keys can tell."""
    try:
        read_header(storage, keys)
    except (FormatError, MissingKeyError) as wrong:
        return isinstance(wrong, UnsupportedError)
    return True
