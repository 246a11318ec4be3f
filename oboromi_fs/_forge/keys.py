"""Made-up keys: every value is a hash of its name, derived ones follow from the others by the rules of the real ones."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from oboromi_fs._forge.aes import decrypt_ecb, encrypt_ecb

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["AREAS", "encrypt_title_key", "made_up_bytes", "made_up_keys", "revision_of", "write_keys"]

AREAS = ("application", "ocean", "system")
"""Key-area key names by the NCA header's key index."""

REVISIONS = 0x20
"""Master key revisions there are made-up keys for."""


def made_up_bytes(name: str, size: int = 16) -> bytes:
    """Return ``size`` bytes that depend on nothing but the name."""
    blocks = -(-size // 32)
    return b"".join(sha256(f"oboromi {name} {block}".encode()).digest() for block in range(blocks))[:size]


def revision_of(key_generation: int) -> int:
    """Return the number in the key names: 0 for generations 0 and 1, one less than the generation above."""
    return max(key_generation - 1, 0)


def generate_key(master: bytes, source: bytes, keys: Mapping[str, bytes]) -> bytes:
    """Derive a key: the source under a key-encryption key, then the common key source under that."""
    kek = decrypt_ecb(master, keys["aes_kek_generation_source"])
    return decrypt_ecb(decrypt_ecb(kek, source), keys["aes_key_generation_source"])


def made_up_keys(seed: str = "demo") -> dict[str, bytes]:
    """Return a full set of made-up keys, the same for the same seed.

    Sources and master keys are hashes; ``header_key`` (32 bytes), ``key_area_key_*_XX`` and ``titlekek_XX`` for revisions 00 to 1f
    are derived from them, so that a key file may hold either and mean the same.

    Example:
        >>> len(made_up_keys()["header_key"])
        32
    """
    keys = {f"master_key_{revision:02x}": made_up_bytes(f"{seed} master {revision}") for revision in range(REVISIONS)}
    names = ["aes_kek_generation_source", "aes_key_generation_source", "header_kek_source", "titlekek_source", "xci_header_key"]
    names += [f"key_area_key_{area}_source" for area in AREAS]
    keys |= {name: made_up_bytes(f"{seed} {name}") for name in names}
    keys["header_key_source"] = made_up_bytes(f"{seed} header_key_source", 32)
    keys["header_key"] = decrypt_ecb(generate_key(keys["master_key_00"], keys["header_kek_source"], keys), keys["header_key_source"])
    for revision in range(REVISIONS):
        master = keys[f"master_key_{revision:02x}"]
        keys[f"titlekek_{revision:02x}"] = decrypt_ecb(master, keys["titlekek_source"])
        for area in AREAS:
            keys[f"key_area_key_{area}_{revision:02x}"] = generate_key(master, keys[f"key_area_key_{area}_source"], keys)
    return keys


def write_keys(path: str | os.PathLike[str], keys: Mapping[str, bytes]) -> None:
    """Write a key file: ``name = hex`` lines in order of the names, as prod.keys and title.keys are."""
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{name} = {keys[name].hex()}\n" for name in sorted(keys))


def encrypt_title_key(title_key: bytes, key_generation: int, keys: Mapping[str, bytes]) -> bytes:
    """Return a title key as a ticket or title.keys stores it."""
    return encrypt_ecb(keys[f"titlekek_{revision_of(key_generation):02x}"], title_key)
