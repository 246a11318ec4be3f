"""What the tests of the builders share: made-up keys for every generation, and a reader for what was built."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oboromi_fs.jobs.verify import verify
from oboromi_fs.keys import KeySet
from oboromi_fs.opening import locate

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.jobs.verify import Check
    from oboromi_fs.protocols import Storage

TITLE = 0x0100FEEDFACE0000
GENERATIONS = 0x21


def _made_up(name: str, size: int = 16) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:size]


def made_up_values() -> dict[str, bytes]:
    names = [f"key_area_key_{kind}" for kind in ("application", "ocean", "system")] + ["titlekek"]
    values = {f"{name}_{revision:02x}": _made_up(f"{name} {revision}") for name in names for revision in range(GENERATIONS - 1)}
    return {**values, "header_key": _made_up("header_key", 32), "xci_header_key": _made_up("xci_header_key")}


VALUES = made_up_values()
KEYS = KeySet(VALUES)


def without(*names: str) -> KeySet:
    return KeySet({name: value for name, value in VALUES.items() if name not in names})


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that look random, the same for the same seed."""
    from Crypto.Cipher import AES

    return AES.new(seed.to_bytes(16, "big"), AES.MODE_CTR, nonce=bytes(8)).encrypt(bytes(size))


def images_of(nca: Nca) -> dict[str, Storage]:
    """Every section's image, each block of it checked."""
    return {section.name: section.image(check=True) for section in nca.sections.values()}


def failures(path: Path, keys: KeySet) -> list[Check]:
    """What ``verify`` finds wrong or cannot check at a host path; that it found something to check is asserted."""
    checks = list(verify(locate(str(path), keys)))
    assert any(check.status == "ok" for check in checks)
    return [check for check in checks if check.status in ("failed", "skipped")]
