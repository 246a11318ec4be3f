"""A run of one byte, as long as need be: what a game card image has where nothing is stored."""

from __future__ import annotations

from oboromi_fs.base import StorageBase

__all__ = ["FilledStorage"]

_BLOCK = 1 << 16


class FilledStorage(StorageBase):
    """``size`` times the same byte, which takes no memory.

    Args:
        size: Length in bytes.
        byte: The byte, 0 to 255.

    Raises:
        ValueError: One of them is out of range.

    Example:
        >>> FilledStorage(1 << 40, 0xFF)[7:9].tobytes()
        b'\\xff\\xff'
    """

    __slots__ = ("_block", "byte")
    kind = "Filled"

    def __init__(self, size: int, byte: int = 0) -> None:
        if size < 0 or not 0 <= byte <= 0xFF:
            message = f"cannot fill {size} bytes with {byte}"
            raise ValueError(message)
        self._size = size
        self.byte = byte
        self._block = bytes([byte]) * min(size, _BLOCK)

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        for start in range(0, len(target), _BLOCK):
            part = target[start : start + _BLOCK]
            part[:] = self._block[: len(part)]
