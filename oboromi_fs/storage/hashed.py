"""Hash trees: the data level of a section, each block checked against its hash, and that against its own, when it is first read.

Two kinds exist. *HierarchicalSha256* has one table of the hashes of the data's blocks, the last block hashed at its true length, and a
master hash of the whole table. *HierarchicalIntegrity* (IVFC) has six levels, each but the last the hashes of the next one's blocks,
every block filled up with zeros to the full block size, and a master hash of the first level. Either may use SHA3-256 instead.

Reading through a tree re-hashes nothing: blocks found good are remembered. To check everything, ask :meth:`HashTreeStorage.levels` what
there is and split :meth:`HashTreeStorage.verify_range` over threads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError, IntegrityError
from oboromi_fs.storage._source import fill, origin, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_formats.hashtree import HierarchicalSha256Info, IvfcInfo, IvfcLevel, Region
    from oboromi_fs.protocols import Place, Storage

__all__ = ["HashLevel", "HashTreeStorage", "HierarchicalSha256Storage", "IvfcStorage"]

_HASH = 0x20
"""Bytes in a hash, of either algorithm."""
_PIECE = 1 << 20
"""Bytes read and hashed at a time."""
_ZEROS = bytes(1 << 14)
_MAX_BLOCK_LOG2 = 24
"""Largest block of a tree, as a power of two. Archives use 14; a short block is filled up before it is hashed, which must not take
seconds of zeros."""


@dataclass(frozen=True, slots=True)
class HashLevel:
    """One level of a tree: bytes of the section, and the blocks they are hashed in.

    ``number`` is the level's own: 1 to 6 in IVFC; 0 for the table and 1 for the data in HierarchicalSha256. ``offset`` counts from the
    start of the section; ``block_count`` says how many hashes of this level there are one level up (1 at the top, the master hash).
    """

    number: int
    offset: int
    size: int
    block_size: int
    block_count: int

    def span(self, first: int, stop: int) -> tuple[int, int]:
        """Return the bytes of blocks ``first..stop``, counted from the start of the level; the last block may be short."""
        return first * self.block_size, min(stop * self.block_size, self.size)


class HashTreeStorage(StorageBase):
    """The data level of a hash tree: what the two kinds of trees have in common. Made by its subclasses.

    Args:
        section: The plain bytes of the section, tables and data.
        levels: Top to bottom, the data last; checked against each other already.
        master_hash: Hash of the top level.
        padded: Whether a short block is filled up with zeros before it is hashed.
        check: Whether reading checks. Without, this is a plain window of the section.
        algorithm: ``"sha256"`` or ``"sha3_256"``.

    Reading raises :class:`~oboromi_fs.errors.IntegrityError` for a block that does not match.
    """

    __slots__ = ("_data", "_levels", "_master_hash", "_new", "_padded", "_seen", "algorithm", "check", "section")
    kind = "HashTree"

    def __init__(
        self, section: Storage, levels: Sequence[HashLevel], master_hash: bytes, *, padded: bool, check: bool, algorithm: str
    ) -> None:
        import hashlib  # Loads OpenSSL: only where something may be hashed.

        if algorithm not in ("sha256", "sha3_256"):
            message = f"algorithm must be 'sha256' or 'sha3_256', not {algorithm!r}"
            raise ValueError(message)
        self._new: Callable[..., Any] = hashlib.sha256 if algorithm == "sha256" else hashlib.sha3_256
        self.algorithm = algorithm
        self.section = section
        self.check = check
        self._levels = tuple(levels)
        self._data = self._levels[-1]
        self._master_hash = bytes(master_hash)
        self._padded = padded
        # One byte per block found good, made when a level is first touched. Threads share it without a lock: a byte is only ever set, by
        # someone who has checked the block, so losing a race repeats work and no more.
        self._seen: list[bytearray | None] = [None] * len(self._levels)
        self._size = self._data.size

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The section."""
        return (self.section,)

    def levels(self) -> tuple[HashLevel, ...]:
        """Describe every level, top to bottom, the data last."""
        return self._levels

    def check_master(self) -> None:
        """Check the top level against the master hash: the first thing that fails under a wrong key. Reads the top level only.

        Raises:
            IntegrityError: It does not match.
        """
        self._ensure(0, 0, 1)

    def verify_range(self, level: int, first_block: int, count: int) -> list[int]:
        """Hash a run of blocks and compare with what the level above says, which is taken as it is.

        A tree is good when every range of every level is, so that any number of threads can share the work. Reads the run once, in
        pieces; nothing is remembered.

        Args:
            level: The level's ``number``.
            first_block: First block of the run.
            count: Blocks in the run, clipped to those that there are.

        Returns:
            Indices of the blocks that do not match, ascending.

        Raises:
            ValueError: No such level, or a negative number.
        """
        index = level - self._levels[0].number
        if not 0 <= index < len(self._levels) or first_block < 0 or count < 0:
            message = f"no blocks {first_block} + {count} in level {level}"
            raise ValueError(message)
        stop = min(first_block + count, self._levels[index].block_count)
        if first_block >= stop:
            return []
        digests, stored = self._digests(index, first_block, stop), self._stored(index, first_block, stop)
        return [] if digests == stored else [first_block + i for i in _differences(digests, stored)]

    def _stored(self, index: int, first: int, stop: int) -> bytes:
        """Stored hashes of blocks ``first..stop``, joined."""
        if index == 0:
            return self._master_hash
        start = self._levels[index - 1].offset
        return self.section[start + first * _HASH : start + stop * _HASH].tobytes()

    def _digest(self, block: memoryview, size: int) -> bytes:
        """Hash of one block, filled up to ``size`` where this kind of tree does that."""
        if not self._padded or len(block) == size:
            return bytes(self._new(block).digest())
        state = self._new(block)
        missing = size - len(block)  # Up to 1 GiB, for a handful of bytes: fed from one buffer.
        for _ in range(missing // len(_ZEROS)):
            state.update(_ZEROS)
        state.update(_ZEROS[: missing % len(_ZEROS)])
        return bytes(state.digest())

    def _digest_run(self, data: memoryview, size: int) -> bytes:
        """Hashes of consecutive blocks, joined; ``data`` starts at a block, and the last one may be short."""
        new = self._new
        whole = len(data) // size * size
        digests = [new(data[start : start + size]).digest() for start in range(0, whole, size)]
        if whole < len(data) or not data:
            digests.append(self._digest(data[whole:], size))
        return b"".join(digests)

    def _digests(self, index: int, first: int, stop: int) -> bytes:
        """Hashes of blocks ``first..stop`` as they are in the section, joined."""
        level = self._levels[index]
        step = max(1, _PIECE // level.block_size)
        scratch: memoryview | None = None
        digests: list[bytes] = []
        for block in range(first, stop, step):
            low, high = level.span(block, min(block + step, stop))
            data = view_of(self.section, level.offset + low, level.offset + high)
            if data is None:
                if scratch is None:
                    scratch = memoryview(bytearray(high - low))  # The first piece is the longest.
                data = scratch[: high - low]
                fill(self.section, level.offset + low, data)
            digests.append(self._digest_run(data, level.block_size))
        return b"".join(digests)

    def _flags(self, index: int) -> bytearray:
        flags = self._seen[index]
        if flags is None:
            flags = self._seen[index] = bytearray(self._levels[index].block_count)
        return flags

    def _ensure(self, index: int, first: int, stop: int) -> None:
        """Check those of blocks ``first..stop`` that were not found good before, and all above them."""
        flags = self._flags(index)
        low = flags.find(0, first, stop)
        if low >= 0:
            high = flags.rfind(0, first, stop) + 1
            self._accept(index, low, high, self._digests(index, low, high))

    def _accept(self, index: int, first: int, stop: int, digests: bytes) -> None:
        """Compare the hashes of blocks ``first..stop`` with the stored ones, once those are checked; remember the blocks as good."""
        if index:
            above = self._levels[index - 1].block_size
            self._ensure(index - 1, first * _HASH // above, (stop * _HASH - 1) // above + 1)
        stored = self._stored(index, first, stop)
        if digests != stored:
            raise self._mismatch(index, first + _differences(digests, stored)[0])
        self._flags(index)[first:stop] = b"\1" * (stop - first)

    def _mismatch(self, index: int, block: int) -> IntegrityError:
        level = self._levels[index]
        low, high = level.span(block, block + 1)
        offset, source = origin(self.section, level.offset + low)
        against, cause = f"its {self.algorithm} hash", "the bytes are damaged or were changed"
        if index == 0:
            against, cause = f"the {self.algorithm} master hash", "the key is wrong, or the bytes are damaged"
        problem = f"block {block} ({high - low:#x} bytes) does not match {against}: {cause}"
        what = f"{self.kind} level {level.number}"
        return IntegrityError(problem, what=what, source=source, offset=offset, level=level.number, block=block)

    def _readinto(self, offset: int, target: memoryview) -> None:
        section, level = self.section, self._data
        size = level.block_size
        end = offset + len(target)
        first, last = offset // size, (end - 1) // size + 1
        if not self.check or self._flags(-1).find(0, first, last) < 0:
            fill(section, level.offset + offset, target)
            return
        # Read what will be handed out, hash that very buffer: each byte is decrypted once. Only blocks that the target holds in part
        # need room of their own.
        step = max(1, _PIECE // size)
        for block in range(first, last, step):
            stop = min(block + step, last)
            low, high = level.span(block, stop)
            skip = max(offset - low, 0)
            part = target[max(low - offset, 0) : high - offset]
            if self._flags(-1).find(0, block, stop) < 0:
                fill(section, level.offset + low + skip, part)
                continue
            blocks = part if len(part) == high - low else memoryview(bytearray(high - low))
            fill(section, level.offset + low, blocks)
            self._accept(len(self._levels) - 1, block, stop, self._digest_run(blocks, size))
            if blocks is not part:
                part[:] = blocks[skip : skip + len(part)]

    def _view(self, start: int, stop: int) -> memoryview | None:
        level = self._data
        view = view_of(self.section, level.offset + start, level.offset + stop)
        if view is not None and self.check:
            self._ensure(len(self._levels) - 1, start // level.block_size, (stop - 1) // level.block_size + 1)
        return view

    def window(self, start: int, stop: int, /) -> Storage:
        """Return bytes ``start..stop`` as a storage of their own: of the section itself where nothing is checked.

        Raises:
            CorruptError: ``start`` is negative or lies past the end.
        """
        if not self.check and 0 <= start <= self._size:
            base = self._data.offset
            return self.section.window(base + start, base + max(start, min(stop, self._size)))
        return super().window(start, stop)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.section.place(self._data.offset + offset)


def _differences(left: bytes, right: bytes) -> list[int]:
    """Indices of the hashes in which two joined runs differ."""
    return [start // _HASH for start in range(0, len(left), _HASH) if left[start : start + _HASH] != right[start : start + _HASH]]


class _Checker:
    """Raises for what a header says about a section and cannot be."""

    def __init__(self, section: Storage, what: str) -> None:
        self.section = section
        self.what = what

    def refuse(self, field: str, problem: str) -> CorruptError:
        offset, source = origin(self.section, 0)
        return CorruptError(problem, what=f"{self.what} info of the section", source=source, offset=offset, field=field)

    def region(self, field: str, region: Region | IvfcLevel) -> None:
        size = self.section.size
        if not 0 <= region.offset <= size or not 0 <= region.size <= size - region.offset:
            raise self.refuse(field, f"{region.size:#x} bytes at {region.offset:#x} lie outside the section of {size:#x} bytes")

    def holds(self, field: str, table_size: int, blocks: int) -> None:
        if table_size < blocks * _HASH:
            raise self.refuse(field, f"{table_size:#x} bytes cannot hold the hashes of {blocks} blocks, which need {blocks * _HASH:#x}")

    def equal(self, field: str, value: int, expected: int) -> None:
        if value != expected:
            raise self.refuse(field, f"is {value}, must be {expected}")


class HierarchicalSha256Storage(HashTreeStorage):
    """The data of a HierarchicalSha256 tree.

    Args:
        section: The plain bytes of the section, table and data.
        info: What the section's header says.
        check: Whether reading checks. Without, this is a plain window of the section.
        algorithm: ``"sha256"`` or ``"sha3_256"``.

    Raises:
        CorruptError: The header contradicts itself or the section.
    """

    __slots__ = ()
    kind = "HierarchicalSha256"

    def __init__(self, section: Storage, info: HierarchicalSha256Info, *, check: bool = True, algorithm: str = "sha256") -> None:
        checker = _Checker(section, self.kind)
        checker.equal("layer_count", info.layer_count, 2)
        if len(info.regions) < 2:
            raise checker.refuse("regions", f"two are needed, there are {len(info.regions)}")
        checker.equal("master_hash size", len(info.master_hash), _HASH)
        block_size = info.block_size
        if not 0x10 <= block_size <= 0x1000000 or block_size & (block_size - 1):
            raise checker.refuse("block_size", f"{block_size:#x} is not a power of two from 0x10 to 0x1000000")
        table, data = info.regions[0], info.regions[1]
        checker.region("regions[0]", table)
        checker.region("regions[1]", data)
        blocks = -(-data.size // block_size)
        checker.holds("regions[0].size", table.size, blocks)
        levels = (HashLevel(0, table.offset, table.size, max(table.size, 1), 1), HashLevel(1, data.offset, data.size, block_size, blocks))
        super().__init__(section, levels, info.master_hash, padded=False, check=check, algorithm=algorithm)


class IvfcStorage(HashTreeStorage):
    """The data of a HierarchicalIntegrity (IVFC) tree: its last level, which is level 6 in an archive.

    Args:
        section: The plain bytes of the section, all six levels.
        info: What the section's header says.
        check: Whether reading checks. Without, this is a plain window of the section.
        algorithm: ``"sha256"`` or ``"sha3_256"``.
        layer_offset: Where the offsets of the hash levels count from, in trees that lie behind their data: the data then is the start of
            the section, and there may be fewer levels.

    Raises:
        CorruptError: The header contradicts itself or the section.
    """

    __slots__ = ()
    kind = "Ivfc"

    def __init__(self, section: Storage, info: IvfcInfo, *, check: bool = True, algorithm: str = "sha256", layer_offset: int = 0) -> None:
        checker = _Checker(section, self.kind)
        if info.magic != b"IVFC":
            raise checker.refuse("magic", f"is {info.magic!r}, must be b'IVFC'")
        if layer_offset and not 2 <= info.layer_count <= 7:
            raise checker.refuse("layer_count", f"is {info.layer_count}, must be 2 to 7")
        if not layer_offset:
            checker.equal("layer_count", info.layer_count, 7)
        checker.equal("levels count", len(info.levels), 6)
        checker.equal("master_hash_size", info.master_hash_size, _HASH)
        checker.equal("master_hash size", len(info.master_hash), _HASH)
        levels: list[HashLevel] = []
        room = _HASH
        count = info.layer_count - 1
        for index, stored in enumerate(info.levels[:count]):
            field = f"levels[{index}]"
            start = stored.offset if not layer_offset else layer_offset + stored.offset if index < count - 1 else 0
            level = stored if start == stored.offset else replace(stored, offset=start)
            checker.region(field, level)
            if not 4 <= level.block_size_log2 <= _MAX_BLOCK_LOG2:
                raise checker.refuse(f"{field}.block_size_log2", f"{level.block_size_log2} is not in 4..{_MAX_BLOCK_LOG2}")
            block_size = 1 << level.block_size_log2
            blocks = -(-level.size // block_size)
            if index:
                checker.holds(f"levels[{index - 1}].size", room, blocks)
                room = level.size
            else:
                blocks, room = 1, min(level.size, block_size)  # The master hash covers one block; more is filling that nothing may use.
            levels.append(HashLevel(index + 1, level.offset, level.size, block_size, blocks))
        super().__init__(section, levels, info.master_hash, padded=True, check=check, algorithm=algorithm)
