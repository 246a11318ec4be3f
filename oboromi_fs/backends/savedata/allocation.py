"""The allocation table of save data: which blocks a file is in. Source: Switchbrew wiki, "Savegames"."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from oboromi_formats.savedata import ALLOCATION_ENTRY
from oboromi_fs._decode import error, table
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage.indirect import runs_storage

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["AllocationTable"]

_FLAG = 1 << 31
_WHAT = "allocation table"


class AllocationTable:
    """Lists of blocks, read from the table.

    Args:
        storage: The table.
        data: The bytes that are divided into blocks.
        block_size: Bytes of a block.

    Raises:
        CorruptError: The block size cannot be.
    """

    def __init__(self, storage: Storage, data: Storage, block_size: int) -> None:
        if not 0x10 <= block_size <= 1 << 30:
            raise error(CorruptError, f"is {block_size:#x}", what="SAVE header", storage=storage, offset=0, field="block_size")
        self.raw = storage
        self.data = data
        self.block_size = block_size
        entries = table(ALLOCATION_ENTRY, storage, 0, storage.size // ALLOCATION_ENTRY.row_size)
        self._previous = entries["previous"]
        self._next = entries["next"]
        self._lists: dict[int, Storage | CorruptError] = {}
        self._walked = 0
        self._lock = threading.Lock()

    def _refuse(self, index: int, problem: str) -> CorruptError:
        at = min(max(index, 0) * ALLOCATION_ENTRY.row_size, self.raw.size)
        return error(CorruptError, f"entry {index} {problem}", what=_WHAT, storage=self.raw, offset=at)

    def chain(self, first: int) -> list[tuple[int, int]]:
        """Return the blocks of a list: runs, each as its first block and how many there are.

        Args:
            first: The first block.

        Raises:
            CorruptError: The list leads out of the table, into another, or back to itself.
        """
        runs: list[tuple[int, int]] = []
        index, count, total = first + 1, len(self._next), 0
        while True:
            if not 1 <= index < count:
                raise self._refuse(index, f"is asked for, there are {count}")
            previous, following = int(self._previous[index]), int(self._next[index])
            if not runs and previous != _FLAG:
                raise self._refuse(index, "is not the first of a list")
            length = 1
            if following & _FLAG:
                last = int(self._next[index + 1]) if index + 1 < count else 0
                length = last - index + 1
                if not 1 < length <= count - index:
                    raise self._refuse(index, f"says that its blocks end with entry {last}, of {count}")
            elif runs and previous & _FLAG:
                raise self._refuse(index, "is the first of another list, or in the middle of a run")
            runs.append((index - 1, length))
            total += length
            if total >= count:  # Each block is in one list, once.
                raise self._refuse(index, "leads back to itself")
            self._walked += 1
            if self._walked > 2 * count:  # And lists that meet could be walked for hours.
                raise self._refuse(index, "is in several lists")
            index = following & ~_FLAG
            if not index:
                return runs

    def storage(self, first: int, size: int | None = None, *, what: str) -> Storage:
        """Return the bytes of a list of blocks.

        Args:
            first: The first block.
            size: How many bytes; all of the blocks by default.
            what: What error messages call it.

        Raises:
            CorruptError: There are fewer blocks than that, they lie outside of the data, or in another list as well.
        """
        if size == 0:
            return MemoryStorage(b"", what)
        with self._lock:  # Each list is walked once, whoever asks how often: files may all name the same.
            found = self._lists.get(first)
            if found is None:
                try:
                    found = self._list(first, what)
                except CorruptError as wrong:
                    found = wrong
                self._lists[first] = found
        if isinstance(found, CorruptError):
            raise found.with_traceback(None)
        if size is not None and size > found.size:
            raise error(CorruptError, f"has {size:#x} bytes, its blocks {found.size:#x}", what=what, storage=self.raw, offset=0)
        return found if size is None else found.window(0, size)

    def _list(self, first: int, what: str) -> Storage:
        """The bytes of a whole list."""
        import numpy as np

        runs = self.chain(first)
        blocks = np.array(runs, np.int64)
        lengths = blocks[:, 1] * self.block_size
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        physical = blocks[:, 0] * self.block_size
        if len(runs) == 1 and int(physical[0]) + int(starts[-1]) <= self.data.size:
            return self.data.window(int(physical[0]), int(physical[0]) + int(starts[-1]))
        return runs_storage(starts, physical, np.zeros(len(runs), np.int64), [self.data], what=what, kind="Blocks")
