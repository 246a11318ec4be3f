"""AES-CTR-EX: a patch section, whose runs were encrypted in different generations. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage._source import encrypted_place, fill, view_of
from oboromi_fs.storage.ctr import ctr_crypt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.protocols import Place, Storage
    from oboromi_fs.storage.buckets import Buckets

__all__ = ["AesCtrExStorage"]

_BLOCK = 0x10


class AesCtrExStorage(StorageBase):
    """The plain bytes of what a tree of generations maps.

    Runs of one generation that follow each other are decrypted in one call; what is read is read from the file at once.

    Args:
        parent: The encrypted bytes, as long as the tree maps or longer.
        buckets: The tree, of AES-CTR-EX entries.
        key: 16 bytes.
        secure_value: Upper word of the counter's upper half.
        base_offset: Offset of the parent's first byte from the start of the archive.
        plain_until: Bytes before this one are stored plain.
        what: What error messages call it.

    Raises:
        CorruptError: A run does not begin at a multiple of 16; or the tree maps more than there is, or does not begin at 0.
    """

    __slots__ = ("_generations", "_key", "_plain", "_secure", "_starts", "base_offset", "parent", "plain_until")
    kind = "AesCtrEx"

    def __init__(
        self, parent: Storage, buckets: Buckets, key: bytes, secure_value: int, base_offset: int, *, plain_until: int = 0, what: str
    ) -> None:
        import numpy as np

        rows, starts = buckets.rows, buckets.starts
        self._size = int(starts[-1])
        if self._size > parent.size:
            raise CorruptError(f"maps {self._size:#x} bytes, {parent.size:#x} are there", what=what)
        if self._size and starts[0]:
            raise CorruptError(f"begins at {int(starts[0]):#x}, and not at 0", what=what)
        odd = np.flatnonzero(starts[:-1] % _BLOCK)
        if len(odd):
            raise CorruptError(f"entry {int(odd[0])} begins at {int(starts[odd[0]]):#x}, which is no multiple of 16", what=what)
        real = np.diff(starts) > 0
        generations, plain = rows["generation"][real], rows["plain"][real] != 0
        differs = (generations[1:] != generations[:-1]) | (plain[1:] != plain[:-1])
        first = np.concatenate((np.ones(min(len(generations), 1), np.bool_), differs))
        self._starts: NDArray[np.int64] = np.append(starts[:-1][real][first], self._size)
        self._generations: list[int] = generations[first].tolist()
        self._plain: list[bool] = plain[first].tolist()
        self.parent = parent
        self.base_offset = base_offset
        self.plain_until = plain_until
        self._key = key
        self._secure = secure_value.to_bytes(4, "big")

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The encrypted bytes."""
        return (self.parent,)

    def runs(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield first byte, end, and upper half of the counter of each run; None for one that is stored plain."""
        starts = [min(max(start, self.plain_until), self._size) for start in self._starts.tolist()]
        for index, generation in enumerate(self._generations):
            start, stop = starts[index], starts[index + 1]
            if start < stop:
                yield start, stop, None if self._plain[index] else self._secure + generation.to_bytes(4, "big")

    def _readinto(self, offset: int, target: memoryview) -> None:
        stop = offset + len(target)
        source = view_of(self.parent, offset, stop)
        if source is None:
            fill(self.parent, offset, target)
            source = target
        position, index = offset, int(self._starts.searchsorted(offset, "right")) - 1
        while position < stop:
            end = min(int(self._starts[index + 1]), stop)
            begin = end if self._plain[index] else max(position, min(self.plain_until, end))
            if position < begin and source is not target:
                target[position - offset : begin - offset] = source[position - offset : begin - offset]
            if begin < end:
                part = slice(begin - offset, end - offset)
                upper = self._secure + self._generations[index].to_bytes(4, "big")
                ctr_crypt(self._key, upper, self.base_offset + begin, source[part], target[part])
            position = end
            index += 1

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.parent.place(offset) if offset < self.plain_until else encrypted_place(self.parent, offset)
