"""Bytes over bytes: storages that decrypt, join or check what another storage holds, and read nothing before it is sliced.

The names load on first use: a caller who only lists a directory pays for none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
