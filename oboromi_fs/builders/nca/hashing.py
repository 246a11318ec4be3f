"""Hash trees while their data goes by: digests of data blocks in, tables out as they fill, the master hash at the end.

A tree holds one block of each level in memory, whatever the size of the data. Source: Switchbrew wiki, "NCA".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_formats.nca import HashType
from oboromi_fs.builders.nca.geometry import HASH, INTEGRITY, SHA256

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.builders.nca.geometry import Geometry, Run

__all__ = ["TreeWriter", "block_digests", "hash_function"]

Put: TypeAlias = "Callable[[int, bytearray], object]"
"""Takes bytes of the section and their offset in it; they may be changed by the one who takes them."""
Hash: TypeAlias = "Callable[..., Any]"

_ZEROS = bytes(1 << 14)


def hash_function(hash_type: int) -> Hash:
    """Return what a kind of tree hashes with."""
    import hashlib

    sha3 = hash_type in (HashType.HIERARCHICAL_SHA3_256, HashType.HIERARCHICAL_INTEGRITY_SHA3)
    return hashlib.sha3_256 if sha3 else hashlib.sha256


def _padded_digest(new: Hash, data: bytes | bytearray | memoryview, size: int) -> bytes:
    """Hash of a block that is filled up with zeros to ``size``."""
    state = new(data)
    for start in range(len(data), size, len(_ZEROS)):
        state.update(_ZEROS[: size - start])
    return bytes(state.digest())


def block_digests(hash_type: int, data: memoryview, block_size: int) -> bytes:
    """Return the joined hashes of consecutive blocks; the last block may be short, and is hashed as its kind of tree does."""
    if hash_type not in SHA256 + INTEGRITY:
        return b""
    new = hash_function(hash_type)
    whole = len(data) // block_size * block_size
    digests = [new(data[start : start + block_size]).digest() for start in range(0, whole, block_size)]
    if whole < len(data):
        rest = data[whole:]
        digests.append(_padded_digest(new, rest, block_size) if hash_type in INTEGRITY else new(rest).digest())
    return b"".join(digests)


class _Table:
    """One table of an integrity tree: written block by block, each block's hash passed on to the table above."""

    def __init__(self, run: Run, count: int, block_size: int, new: Hash, put: Put, above: Callable[[bytes], object]) -> None:
        self._offset = run.offset
        self._missing = count
        self._block_size = block_size
        self._new = new
        self._put = put
        self._above = above
        self._buffer = bytearray()

    def feed(self, digests: bytes) -> None:
        self._missing -= len(digests) // HASH
        buffer = self._buffer
        buffer += digests
        size = self._block_size
        while len(buffer) >= size:
            self._above(self._new(memoryview(buffer)[:size]).digest())
            self._put(self._offset, buffer[:size])
            self._offset += size
            del buffer[:size]

    def finish(self) -> None:
        if self._missing:  # A block of zeros follows the data.
            self.feed(_padded_digest(self._new, b"", self._block_size))
        if self._buffer:
            self._above(_padded_digest(self._new, self._buffer, self._block_size))
            self._put(self._offset, self._buffer)


class TreeWriter:
    """The tree of one section. Not for several threads.

    Args:
        hash_type: Its kind; without a tree nothing is to be fed.
        geometry: Where its tables lie.
        block_size: Bytes that a hash covers.
        put: Takes pieces of the tables.
    """

    def __init__(self, hash_type: int, geometry: Geometry, block_size: int, put: Put) -> None:
        self._put = put
        self._top: list[bytes] = []
        self._tables: list[_Table] = []
        self._flat = hash_type in SHA256
        self._block_size = block_size
        self._new = new = hash_function(hash_type)
        self._master = new()
        self._position = geometry.tables[0].offset if geometry.tables else 0
        if not self._flat:
            above: Callable[[bytes], object] = self._top.append
            for run, count in zip(geometry.tables, geometry.counts, strict=True):
                table = _Table(run, count, block_size, new, put, above)
                self._tables.append(table)
                above = table.feed

    def feed(self, digests: bytes) -> None:
        """Take the hashes of the next data blocks, in order."""
        if self._flat:
            self._master.update(digests)
            self._put(self._position, bytearray(digests))
            self._position += len(digests)
        elif self._tables and digests:
            self._tables[-1].feed(digests)

    def finish(self) -> bytes:
        """Write what is left of the tables; return the master hash, 32 bytes."""
        if self._flat:
            return bytes(self._master.digest())
        for table in reversed(self._tables):
            table.finish()
        return self._top[0] if self._top else _padded_digest(self._new, b"", self._block_size)
