"""Blocks: bytes of any number, a bounded part of them at a time: equal or not, where not, and their digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.overlay.semantic.values import Analysis, Change, Delta, Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import Storage

__all__ = ["blocks", "compare_binaries", "digest", "equal"]

SIZE = 1 << 20
SHOWN = 16
"""Bytes that are quoted from the first difference on."""


def blocks(storage: Storage, start: int = 0, size: int = SIZE) -> Iterator[memoryview]:
    """Yield all bytes from ``start`` on in order, at most ``size`` at a time."""
    return (storage[at : at + size] for at in range(start, storage.size, size))


def equal(old: Storage, new: Storage) -> bool:
    """Return whether the bytes are equal; reads up to the first block that differs."""
    if old is new:
        return True
    # Views compare byte by byte through their format; copies, all at once.
    return old.size == new.size and all(bytes(a) == bytes(b) for a, b in zip(blocks(old), blocks(new), strict=True))


def digest(storage: Storage) -> bytes:
    """Return the SHA-256 of the bytes."""
    import hashlib

    state = hashlib.sha256()
    for block in blocks(storage):
        state.update(block)
    return state.digest()


def compare_binaries(old: Storage, new: Storage, format: str = Format.BINARY) -> Analysis:  # noqa: A002  # What it is called in the report.
    """Compare bytes of which nothing is known.

    Returns:
        ``NoOpEquivalent``, or ``Unknown`` with the first offset that differs and the number of bytes that do; bytes that one of them has
        beyond the other's end are counted.
    """
    import numpy as np

    count, first = abs(old.size - new.size), min(old.size, new.size)
    for number, (a, b) in enumerate(zip(blocks(old), blocks(new), strict=False)):
        size = min(len(a), len(b))
        differing = np.frombuffer(a[:size], np.uint8) != np.frombuffer(b[:size], np.uint8)
        found = int(np.count_nonzero(differing))
        if found and first == min(old.size, new.size):
            first = number * SIZE + int(np.argmax(differing))
        count += found
    if not count:
        return Analysis(format, Delta.NO_OP_EQUIVALENT)
    notes = [f"{count} byte{'s differ' if count > 1 else ' differs'}"]
    if old.size != new.size:
        notes.append(f"the size is {new.size}, not {old.size}")
    return Analysis(format, Delta.UNKNOWN, (Change(f"{first:#x}", _hex(old, first), _hex(new, first)),), count, tuple(notes))


def _hex(storage: Storage, at: int) -> str | None:
    return bytes(storage[at : at + SHOWN]).hex(" ") if at < storage.size else None
