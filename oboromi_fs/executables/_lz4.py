"""LZ4 blocks, as the segments of an NSO are compressed, by the ``lz4`` package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["compress", "decompress"]

_MOST = 255
"""No block decompresses to more than so many times its size."""


def _library() -> Any:
    try:
        import lz4.block  # type: ignore[import-untyped]
    except ImportError as absent:
        problem = "needs the package lz4, which is not installed: pip install lz4"
        raise UnsupportedError(problem, what="LZ4 block") from absent
    return lz4.block


def decompress(data: Buffer, size: int) -> bytes:
    """Return the ``size`` bytes that a block without header decompresses to.

    Raises:
        CorruptError: It decompresses to fewer or more, or does not end where the data end.
        UnsupportedError: The package ``lz4`` is not installed.
    """
    view = memoryview(data).cast("B")
    if not size and not len(view):
        return b""
    if size > len(view) * _MOST:
        raise CorruptError(f"{len(view):#x} bytes cannot decompress to {size:#x}", what="LZ4 block", offset=0)
    library = _library()
    try:
        found: bytes = library.decompress(view, uncompressed_size=size)
    except (library.LZ4BlockError, OverflowError, ValueError) as wrong:
        raise CorruptError(f"{len(view):#x} bytes do not decompress to {size:#x}: {wrong}", what="LZ4 block", offset=0) from wrong
    if len(found) != size:
        raise CorruptError(f"decompresses to {len(found):#x} bytes, not to {size:#x}", what="LZ4 block", offset=0)
    return found


def compress(data: Buffer) -> bytes:
    """Return the data as a block without header; the same bytes wherever the same version of the library runs.

    Raises:
        UnsupportedError: The package ``lz4`` is not installed, or the data are larger than it takes (just under 2 GiB).
    """
    library = _library()
    try:
        packed: bytes = library.compress(memoryview(data).cast("B"), store_size=False)
    except (library.LZ4BlockError, OverflowError) as wrong:
        raise UnsupportedError(f"cannot compress {memoryview(data).nbytes:#x} bytes: {wrong}", what="LZ4 block") from wrong
    return packed
