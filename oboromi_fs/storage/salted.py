"""Salted hash trees, as save data has them: each level a storage of its own, whose blocks without a hash were never written.

A block's hash is SHA-256 of a salt and the block, filled up with zeros, with the highest bit of the last byte set. A hash of zeros says
that the block was never written: it reads as zeros, whatever lies there. Source: Switchbrew wiki, "Savegames".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from oboromi_fs._decode import error
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError, IntegrityError
from oboromi_fs.storage._source import fill
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.hashed import HashLevel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.protocols import Place, Storage

__all__ = ["SaltedLevel", "SaltedTree", "salt_of"]

_HASH = 0x20
_PIECE = 1 << 20
"""Bytes read and hashed at a time."""
_MAX_BLOCK_LOG2 = 24


def salt_of(number: int, seed: bytes) -> bytes:
    """Return the salt of a level: 1 is the one whose hashes are the master hashes."""
    label = "Master" if number == 1 else f"L{number - 1}"
    return hmac.digest(f"HierarchicalIntegrityVerificationStorage::{label}".encode(), seed, "sha256")


class SaltedLevel(StorageBase):
    """One level of a tree: its bytes, each block checked against its hash when it is read.

    Args:
        body: The bytes as they are stored.
        hashes: The hashes of its blocks: a level of its own, or the master hashes.
        number: Which level it is; 1 is the one below the master hashes.
        block_size: Bytes of a block.
        salt: What each block is hashed with, 32 bytes.
        check: Whether reading checks.
        what: What error messages call it.

    Raises:
        CorruptError: There are not enough hashes.
    """

    __slots__ = ("_salt", "_seen", "block_count", "block_size", "body", "check", "hashes", "number", "what")
    kind = "SaltedHashes"

    def __init__(self, body: Storage, hashes: Storage, *, number: int, block_size: int, salt: bytes, check: bool, what: str) -> None:
        self.body = body
        self.hashes = hashes
        self.number = number
        self.block_size = block_size
        self.check = check
        self.what = what
        self.block_count = -(-body.size // block_size)
        self._salt = salt
        self._size = body.size
        self._seen: bytearray | None = None
        if hashes.size < self.block_count * _HASH:
            problem = f"{hashes.size:#x} bytes cannot hold the hashes of {self.block_count} blocks of level {number}"
            raise error(CorruptError, problem, what=what, storage=body, offset=0)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The bytes as they are stored, and the hashes."""
        return (self.body, self.hashes)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.body.place(offset)

    def _digest(self, block: memoryview | bytes) -> bytes:
        state = hashlib.sha256(self._salt)
        state.update(block)
        state.update(bytes(self.block_size - len(block)))
        digest = bytearray(state.digest())
        digest[-1] |= 0x80
        return bytes(digest)

    def _readinto(self, offset: int, target: memoryview) -> None:
        size = self.block_size
        stop = offset + len(target)
        step = max(1, _PIECE // size)
        for first in range(offset // size, -(-stop // size), step):
            last = min(first + step, -(-stop // size))
            hashes = self.hashes[first * _HASH : last * _HASH].tobytes()
            for block, count, written in _runs(hashes, first):
                low, high = max(block * size, offset), min((block + count) * size, stop)
                part = target[low - offset : high - offset]
                if not written:
                    part[:] = bytes(len(part))
                elif not self.check:
                    fill(self.body, low, part)
                else:
                    self._read_checked(block, count, hashes[(block - first) * _HASH :], low, part)

    def _read_checked(self, block: int, count: int, hashes: bytes, low: int, part: memoryview) -> None:
        if self._seen is None:
            self._seen = bytearray(self.block_count)
        if self._seen.find(0, block, block + count) < 0:
            fill(self.body, low, part)
            return
        size = self.block_size
        start = block * size
        data = memoryview(bytearray(min((block + count) * size, self._size) - start))
        fill(self.body, start, data)
        for index in range(count):
            if self._digest(data[index * size : (index + 1) * size]) != hashes[index * _HASH : (index + 1) * _HASH]:
                problem = f"block {block + index} does not match its hash: the bytes are damaged or were changed"
                at = start + index * size
                what = f"{self.what} level {self.number}"
                raise error(IntegrityError, problem, what=what, storage=self.body, offset=at, level=self.number, block=block + index)
        self._seen[block : block + count] = b"\1" * count
        part[:] = data[low - start : low - start + len(part)]

    def verify_range(self, first: int, count: int) -> list[int]:
        """Return which blocks of a run do not match their hashes, which are taken as they are; see also :class:`SaltedTree`."""
        bad: list[int] = []
        size = self.block_size
        stop = min(first + count, self.block_count)
        for block in range(first, stop):
            known = self.hashes[block * _HASH : (block + 1) * _HASH].tobytes()
            if any(known) and self._digest(self.body[block * size : (block + 1) * size]) != known:
                bad.append(block)
        return bad


def _runs(hashes: bytes, first: int) -> Iterator[tuple[int, int, bool]]:
    """First block and count of blocks that all were written, or all were not, by their joined hashes."""
    count = len(hashes) // _HASH
    begin, state = 0, False
    for index in range(count):
        written = hashes.count(0, index * _HASH, (index + 1) * _HASH) != _HASH
        if index and written != state:
            yield first + begin, index - begin, state
            begin = index
        state = written
    if count:
        yield first + begin, count - begin, state


class SaltedTree:
    """A whole tree, top to bottom, the data last.

    Args:
        bodies: The bytes of each level below the master hashes.
        master: The master hashes.
        block_sizes_log2: Of each level.
        seed: What the salts are made of.
        check: Whether reading the data checks.
        what: What error messages call it.

    Attributes:
        data: The data.
        section: All levels, one after the other: what offsets of levels count in.

    Raises:
        CorruptError: A level has fewer hashes above it than it has blocks, or a block size cannot be.
    """

    def __init__(
        self, bodies: Sequence[Storage], master: Storage, block_sizes_log2: Sequence[int], seed: bytes, *, check: bool, what: str
    ) -> None:
        self.section: Storage = ConcatStorage(bodies)
        self._levels: list[SaltedLevel] = []
        hashes = master
        for number, (body, log2) in enumerate(zip(bodies, block_sizes_log2, strict=True), 1):
            if not 5 <= log2 <= _MAX_BLOCK_LOG2:
                raise error(
                    CorruptError, f"{log2} is not in 5..{_MAX_BLOCK_LOG2}", what=what, storage=body, offset=0, field="block_size_log2"
                )
            salt = salt_of(number, seed)
            level = SaltedLevel(body, hashes, number=number, block_size=1 << log2, salt=salt, check=check, what=what)
            self._levels.append(level)
            hashes = level
        self.data = self._levels[-1]

    def levels(self) -> tuple[HashLevel, ...]:
        """Describe every level, top to bottom, the data last."""
        found: list[HashLevel] = []
        offset = 0
        for level in self._levels:
            found.append(HashLevel(level.number, offset, level.size, level.block_size, level.block_count))
            offset += level.size
        return tuple(found)

    def verify_range(self, level: int, first_block: int, count: int) -> list[int]:
        """Return which blocks of a run do not match what the level above says, which is taken as it is, where reading does not check.

        Args:
            level: The level's ``number``.
            first_block: First block of the run.
            count: Blocks in the run, clipped to those that there are.
        """
        return self._levels[level - 1].verify_range(first_block, count)
