"""Compressed sections: an image in LZ4 blocks, and the table that says where each is. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.bucket_tree import COMPRESSED_ENTRY
from oboromi_formats.nca import CompressionInfo
from oboromi_fs._decode import dtype
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nca.geometry import up
from oboromi_fs.errors import FormatError
from oboromi_fs.executables import _lz4
from oboromi_fs.storage.buckets import build_buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from oboromi_fs.protocols import Storage

__all__ = ["CompressedImage", "compress_image"]

_STORED, _ZEROS, _LZ4 = 0, 1, 3
_ALIGNMENT = 0x10
_MOST = 0x10000
"""Bytes of a block that the official reader takes, at most."""
_NOTHING = bytes(_MOST)
_AHEAD = 8
"""Blocks for each thread that may wait to be written."""


class CompressedImage(NamedTuple):
    """A compressed image.

    Attributes:
        storage: Blocks, then the table: to be given to the builder as the section's image.
        info: For the FS header of the section: ``replace(header, compression_info=info)``.
        size: Bytes of the image itself.
    """

    storage: Storage
    info: CompressionInfo
    size: int


def compress_image(
    image: Storage, *, block_size: int = _MOST, workers: int | None = None, progress: Callable[[int, int], object] | None = None
) -> CompressedImage:
    """Compress an image into a temporary file, which is gone with the result.

    Args:
        image: The file system.
        block_size: Bytes of a block, a power of two up to 0x10000.
        workers: Threads; None takes one for each processor.
        progress: Called with bytes done and bytes in all.

    Raises:
        FormatError: The block size is none, or nothing in the image is to be stored.
        UnsupportedError: The package ``lz4`` is not installed.
        OSError: There is no room.
    """
    import numpy as np

    if not _ALIGNMENT <= block_size <= _MOST or block_size & (block_size - 1):
        raise FormatError(f"{block_size:#x} is no power of two from 0x10 to {_MOST:#x}", what="compressed section", field="block_size")
    rows = np.zeros(-(-image.size // block_size), dtype(COMPRESSED_ENTRY))
    with tempfile.TemporaryFile() as file:
        at = 0
        for number, (kind, data, length) in enumerate(_blocks(image, block_size, workers or os.cpu_count() or 1)):
            rows[number] = (number * block_size, 0 if kind == _ZEROS else at, kind, 0, 0, len(data))
            file.write(data)
            file.write(bytes(-len(data) % _ALIGNMENT))
            at = up(at + len(data), _ALIGNMENT)
            if progress is not None:
                progress(min(number * block_size + length, image.size), image.size)
        if not at:  # An offset of 0 says that nothing is compressed.
            raise FormatError("holds nothing but zeros: it is no file system", what="compressed section")
        header, table = build_buckets(rows, image.size, COMPRESSED_ENTRY)
        file.write(table)
        file.flush()
        storage = MemoryStorage(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), "compressed image")
    return CompressedImage(storage, CompressionInfo(offset=at, size=len(table), bucket_header=header), image.size)


def _blocks(image: Storage, block_size: int, workers: int) -> Iterator[tuple[int, bytes | memoryview, int]]:
    """Kind, stored bytes and length of each block, in order; a few threads compress ahead."""

    def block(start: int) -> tuple[int, bytes | memoryview, int]:
        data = image[start : start + block_size]
        if data[0] == 0 and data.tobytes() == _NOTHING[: len(data)]:
            return _ZEROS, b"", len(data)
        packed = _lz4.compress(data)
        return (_LZ4, packed, len(data)) if len(packed) < len(data) else (_STORED, data, len(data))

    starts = range(0, image.size, block_size)
    if workers <= 1:
        yield from map(block, starts)
        return
    with ThreadPoolExecutor(workers, "lz4") as pool:
        waiting: deque[Future[tuple[int, bytes | memoryview, int]]] = deque()
        try:
            for start in starts:
                waiting.append(pool.submit(block, start))
                if len(waiting) > workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
