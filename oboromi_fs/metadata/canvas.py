"""A canvas: a file put together from pieces at offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import FormatError

if TYPE_CHECKING:
    from oboromi_fs.metadata.residue import Residue

__all__ = ["Canvas", "align"]


def align(offset: int, alignment: int = 0x10) -> int:
    """Return ``offset``, rounded up.

    Example:
        >>> hex(align(0x2CC))
        '0x2d0'
    """
    return -(-offset // alignment) * alignment


class Canvas:
    """Bytes that grow as pieces are put on them; what no piece covers is zeros.

    Pieces may overlap where they agree: a file that was read may say the same bytes twice.

    Args:
        what: The file, for error messages.
        most: Bytes the file may have.
    """

    def __init__(self, what: str, most: int) -> None:
        self.what = what
        self.most = most
        self.data = bytearray()
        self.pieces: list[tuple[int, int, str]] = []

    def put(self, offset: int, data: bytes, name: str) -> None:
        """Put a piece.

        Args:
            offset: Where, from the start of the file.
            data: Its bytes.
            name: What it is, for error messages.

        Raises:
            FormatError: It overlaps another one and differs there, or makes the file too large.
        """
        end = offset + len(data)
        if end > self.most:
            raise FormatError(f"{name} ends at {end:#x}, the file may have {self.most:#x} bytes", what=self.what)
        if not data:
            return
        for start, stop, other in self.pieces:
            low, high = max(start, offset), min(stop, end)
            if low < high and self.data[low:high] != data[low - offset : high - offset]:
                problem = f"{name} at {offset:#x} overlaps {other} at {start:#x}: leave out offsets and sizes that are given"
                raise FormatError(problem, what=self.what)
        self.data.extend(bytes(max(end - len(self.data), 0)))
        self.data[offset:end] = data
        self.pieces.append((offset, end, name))

    def finish(self, size: int | None, gaps: Residue) -> bytes:
        """Return the file.

        Args:
            size: Bytes it has; None for as many as the pieces need.
            gaps: What stands between and behind the pieces, where that is not zeros.

        Raises:
            FormatError: The pieces do not fit, or a gap is one no longer.
        """
        end = len(self.data)
        size = end if size is None else size
        if not end <= size <= self.most:
            raise FormatError(f"{size:#x} bytes, it needs {end:#x} and may have {self.most:#x}", what=self.what, field="file_size")
        self.data.extend(bytes(size - end))
        for offset, run in gaps:
            stop = offset + len(run)
            if stop > size:
                raise FormatError(f"unknown bytes at {offset:#x}, it has {size:#x}: remove them", what=self.what, field="gaps")
            for low, high, name in self.pieces:
                if low < stop and offset < high:
                    raise FormatError(f"unknown bytes at {offset:#x} lie in {name} by now: remove them", what=self.what, field="gaps")
            self.data[offset:stop] = run
        return bytes(self.data)
