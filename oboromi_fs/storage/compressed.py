"""Compressed sections: blocks that are stored, zeros, or LZ4. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._decode import error
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError, UnsupportedError
from oboromi_fs.storage._source import fill, view_of, zero
from oboromi_fs.storage.blockcache import BlockCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.errors import FormatError
    from oboromi_fs.protocols import Place, Storage
    from oboromi_fs.storage.buckets import Buckets

__all__ = ["CompressedStorage"]

_STORED, _ZEROS, _LZ4 = 0, 1, 3
_MOST = 1 << 20
"""Bytes a block may decompress to; official ones have 0x10000."""
_SLACK = 0x1000
"""Bytes a block that does not compress may be longer than what it decompresses to."""


class CompressedStorage(StorageBase):
    """What a tree of compressed blocks decompresses to; blocks are decompressed when they are read, and the last ones kept.

    Args:
        source: The data level of the section, the tree behind its blocks included.
        buckets: The tree, of compressed entries.
        decompress: Makes of the bytes of an LZ4 block, and the size wanted, so many bytes; raises CorruptError where it cannot.
        what: What error messages call it.
        cache: Bytes of decompressed blocks to keep, at most.

    Raises:
        CorruptError: Blocks lie outside of the source, or are larger than any may be; or the tree does not begin at 0.
        UnsupportedError: A block is compressed in another way.
    """

    __slots__ = ("_blocks", "_decompress", "_physical", "_sizes", "_source", "_starts", "_types", "what")
    kind = "Compressed"

    def __init__(
        self, source: Storage, buckets: Buckets, decompress: Callable[[memoryview, int], bytes], *, what: str, cache: int = 8 << 20
    ) -> None:
        import numpy as np

        rows, starts = buckets.rows, buckets.starts
        self._source = source
        self._decompress = decompress
        self.what = what
        self._size = int(starts[-1])
        if self._size and (not len(rows) or starts[0]):
            raise CorruptError(f"begins at {int(starts[0]):#x}, and not at 0", what=what)
        real = np.diff(starts) > 0
        self._check(rows, np.diff(starts), real)
        self._starts: NDArray[np.int64] = np.append(starts[:-1][real], self._size)
        self._physical: list[int] = rows["physical"][real].tolist()
        self._sizes: list[int] = rows["size"][real].tolist()
        self._types: list[int] = rows["type"][real].tolist()
        self._blocks = BlockCache(self._block, cache)

    def _check(self, rows: NDArray[Any], lengths: NDArray[np.int64], real: NDArray[np.bool_]) -> None:
        import numpy as np

        types, sizes = rows["type"], rows["size"].astype(np.int64)
        used = real & (types != _ZEROS)
        stored_size = np.where(types == _STORED, lengths, sizes)
        total = self._source.size
        for bad, problem, kind in (
            (real & ~np.isin(types, (_STORED, _ZEROS, _LZ4)), "is of type {type}, which is unknown", UnsupportedError),
            (used & (types == _STORED) & (sizes != lengths), "is stored in {size:#x} bytes, and maps {length:#x}", CorruptError),
            (used & (types == _LZ4) & (lengths > _MOST), f"decompresses to {{length:#x}} bytes, {_MOST:#x} are the most", CorruptError),
            (used & (types == _LZ4) & (sizes > lengths + _SLACK), "takes {size:#x} bytes for {length:#x}", CorruptError),
            (
                used & ((rows["physical"] < 0) | (rows["physical"] > total) | (stored_size > total - rows["physical"])),
                f"takes {{size:#x}} bytes at {{physical:#x}} of {total:#x}",
                CorruptError,
            ),
        ):
            found = np.flatnonzero(bad)
            if len(found):
                row = rows[found[0]]
                values = {"type": row["type"], "size": int(row["size"]), "length": int(lengths[found[0]]), "physical": int(row["physical"])}
                raise self._wrong(kind, f"block {found[0]} for {int(row['offset']):#x} {problem.format(**values)}", int(row["physical"]))

    def _wrong(self, kind: type[FormatError], problem: str, at: int) -> FormatError:
        if 0 <= at <= self._source.size:
            return error(kind, problem, what=self.what, storage=self._source, offset=at)
        return kind(problem, what=self.what)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The compressed bytes."""
        return (self._source,)

    def _block(self, index: int) -> bytes:
        """Decompress one block."""
        at, size = self._physical[index], self._sizes[index]
        length = int(self._starts[index + 1] - self._starts[index])
        try:
            data = self._decompress(self._source[at : at + size], length)
        except CorruptError as wrong:
            raise self._wrong(CorruptError, f"block {index}: {wrong.problem}", at) from wrong
        if len(data) != length:
            raise self._wrong(CorruptError, f"block {index} decompresses to {len(data):#x} bytes, not to {length:#x}", at)
        return data

    def _readinto(self, offset: int, target: memoryview) -> None:
        stop = offset + len(target)
        index = int(self._starts.searchsorted(offset, "right")) - 1
        while offset < stop:
            begin, end = int(self._starts[index]), int(self._starts[index + 1])
            part = target[: min(end, stop) - offset]
            if self._types[index] == _STORED:
                fill(self._source, self._physical[index] + offset - begin, part)
            elif self._types[index] == _ZEROS:
                zero(part)
            else:
                part[:] = memoryview(self._blocks.get(index))[offset - begin : offset - begin + len(part)]
            target = target[len(part) :]
            offset += len(part)
            index += 1

    def _view(self, start: int, stop: int) -> memoryview | None:
        index = int(self._starts.searchsorted(start, "right")) - 1
        if self._types[index] != _STORED or stop > self._starts[index + 1]:
            return None
        at = self._physical[index] + start - int(self._starts[index])
        return view_of(self._source, at, at + stop - start)

    def place(self, offset: int = 0, /) -> Place:
        """Where the block begins that byte ``offset`` comes from; zeros lie nowhere, and are said to lie here."""
        if 0 <= offset < self._size:
            index = int(self._starts.searchsorted(offset, "right")) - 1
            if self._types[index] == _STORED:
                return self._source.place(self._physical[index] + offset - int(self._starts[index]))
            if self._types[index] == _LZ4:
                return self._source.place(self._physical[index])._replace(stored="compressed")
        return super().place(offset)._replace(stored="compressed")
