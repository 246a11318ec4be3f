"""Build a file as a console stores it on an SD card (NAX0). Source: Switchbrew wiki, "NAX0"."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from oboromi_formats.nax0 import NAX0_CONTENT_OFFSET, NAX0_HEADER, NAX0_UNIT, Nax0Header
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.paths import encode_name
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.xts import AesXtsStorage

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["build_nax0"]

_KEYS = 0x20
_BLOCK = 0x10


def build_nax0(content: Storage, path: str, sd_key: bytes, *, keys: bytes | None = None) -> Storage:
    """Return a file for an SD card; it is encrypted as it is read.

    Args:
        content: What it holds.
        path: Where it is to lie on the card: ``/registered/000000XX/ID.nca`` or ``/ID``; elsewhere it does not open.
        sd_key: ``sd_card_nca_key`` for an NCA, ``sd_card_save_key`` for save data, 0x20 bytes.
        keys: Data key and tweak key of the file, 0x20 bytes; random by default.

    Raises:
        FormatError: A key has another length, or the path does not begin with a slash.
        UnsafePathError: The path has a lone surrogate, which is no text.

    Example:
        >>> from oboromi_fs.backends.nax0 import Nax0Archive
        >>> from oboromi_fs.keys import KeySet
        >>> file = build_nax0(MemoryStorage(b"saved"), "/8000000000000043", bytes(range(32)))
        >>> card = Nax0Archive(file, KeySet({"sd_card_save_key": bytes(range(32))}), paths=["/8000000000000043"])
        >>> card.read_bytes("8000000000000043")
        b'saved'
    """
    from Crypto.Cipher import AES

    file_keys = os.urandom(_KEYS) if keys is None else bytes(keys)
    for name, value in (("sd_key", sd_key), ("keys", file_keys)):
        if len(value) != _KEYS:
            raise FormatError(f"has {len(value)} bytes instead of {_KEYS}", what="NAX0", field=name)
    if not path.startswith("/"):
        raise FormatError(f"{path!r} does not begin with a slash", what="NAX0", field="path")
    secret = hmac.digest(sd_key[:_BLOCK], encode_name(path), "sha256")
    in_clear = encode(
        NAX0_HEADER, Nax0Header(mac=bytes(0x20), data_key=file_keys[:_BLOCK], tweak_key=file_keys[_BLOCK:], size=content.size)
    )
    wrapped = Nax0Header(
        mac=hmac.digest(in_clear[0x20:], sd_key[_BLOCK:], "sha256"),
        data_key=AES.new(secret[:_BLOCK], AES.MODE_ECB).encrypt(file_keys[:_BLOCK]),
        tweak_key=AES.new(secret[_BLOCK:], AES.MODE_ECB).encrypt(file_keys[_BLOCK:]),
        size=content.size,
    )
    header = encode(NAX0_HEADER, wrapped).ljust(NAX0_CONTENT_OFFSET, b"\0")
    padded = ConcatStorage([content, MemoryStorage(bytes(-content.size % _BLOCK))])
    return ConcatStorage([MemoryStorage(header), AesXtsStorage(padded, file_keys, NAX0_UNIT, encrypt=True)])
