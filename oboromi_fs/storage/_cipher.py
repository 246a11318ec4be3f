"""The block cipher that the storages for small runs of bytes share."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

__all__ = ["block_cipher"]


@lru_cache(maxsize=32)
def block_cipher(key: bytes) -> Any:
    """Return the AES block cipher of a key, made once: to make it takes longer than to encrypt a few blocks.

    It has no state that a call changes: threads may share it.

    Args:
        key: 16 bytes.
    """
    from Crypto.Cipher import AES  # Loads a dozen extension modules: only where something is decrypted.

    return AES.new(key, AES.MODE_ECB)
