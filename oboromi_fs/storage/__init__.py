"""Bytes over bytes: storages that decrypt, join or check what another storage holds, and read nothing before it is sliced.

The names load on first use: a caller who only lists a directory pays for none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.storage.concat import ConcatStorage
    from oboromi_fs.storage.ctr import AesCtrStorage, ctr_crypt
    from oboromi_fs.storage.hashed import HashLevel, HashTreeStorage, HierarchicalSha256Storage, IvfcStorage
    from oboromi_fs.storage.xts import AesXtsStorage, xts_crypt, xts_decrypt, xts_encrypt

__all__ = [
    "AesCtrStorage",
    "AesXtsStorage",
    "ConcatStorage",
    "HashLevel",
    "HashTreeStorage",
    "HierarchicalSha256Storage",
    "IvfcStorage",
    "ctr_crypt",
    "xts_crypt",
    "xts_decrypt",
    "xts_encrypt",
]

_HOMES = {
    "AesCtrStorage": "ctr",
    "AesXtsStorage": "xts",
    "ConcatStorage": "concat",
    "HashLevel": "hashed",
    "HashTreeStorage": "hashed",
    "HierarchicalSha256Storage": "hashed",
    "IvfcStorage": "hashed",
    "ctr_crypt": "ctr",
    "xts_crypt": "xts",
    "xts_decrypt": "xts",
    "xts_encrypt": "xts",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
