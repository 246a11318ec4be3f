"""Residue: the bytes of a structure that no field speaks for, kept so that writing gives back what was read.

A residue is what differs between the bytes that were read and those that the fields alone would give: reserved bytes that are not zero,
gaps that are not filled with zeros. Plainly it is a table of offset -> hexadecimal digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.kinds import Hex, Kind

if TYPE_CHECKING:
    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = ["Residue", "ResidueKind", "apply_residue", "residue_of"]

Residue: TypeAlias = "tuple[tuple[int, bytes], ...]"
"""Runs of bytes, each with its offset from the start of the structure."""

_RUN = re.compile(rb"[^\0]+")


def residue_of(data: bytes, built: bytes) -> Residue:
    """Return the runs of ``data`` that ``built`` does not have.

    Args:
        data: What was read.
        built: What the fields give; of the same length.

    Example:
        >>> residue_of(b"ab\\0\\1\\2", b"ab\\0\\0\\0")
        ((3, b'\\x01\\x02'),)
    """
    if data == built:
        return ()
    size = len(data)
    differing = (int.from_bytes(data, "big") ^ int.from_bytes(built, "big")).to_bytes(size, "big")
    return tuple((run.start(), data[run.start() : run.end()]) for run in _RUN.finditer(differing))


def apply_residue(built: bytes, residue: Residue, *, what: str) -> bytes:
    """Return ``built`` with a residue put back.

    Args:
        built: What the fields give.
        residue: Runs of other bytes.
        what: The structure, for error messages.

    Raises:
        FormatError: A run lies outside the structure, or where a field is not zero.
    """
    if not residue:
        return built
    data = bytearray(built)
    for offset, run in residue:
        if offset + len(run) > len(data):
            raise FormatError(f"{len(run):#x} unknown bytes at {offset:#x}, it has {len(data):#x}: remove them", what=what)
        if any(data[offset : offset + len(run)]):
            raise FormatError(f"unknown bytes at {offset:#x} lie where something else stands by now: remove them", what=what)
        data[offset : offset + len(run)] = run
    return bytes(data)


class ResidueKind(Kind):
    """A residue; plainly a table of offset -> hexadecimal digits.

    Args:
        size: Bytes of the structure; None where that is not fixed.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def plain(self, value: Any) -> Plain:
        """Return the table."""
        return {f"{offset:#06x}": run.hex() for offset, run in value}

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the residue of a table."""
        runs = []
        for key, digits in path.table(plain).items():
            at = path / key
            try:
                offset = int(key, 0)
            except ValueError:
                raise at.error("not an offset such as 0x10") from None
            run = Hex().parse(digits, at)
            if offset < 0 or (self.size is not None and offset + len(run) > self.size):
                raise at.error(f"lies outside the structure of {self.size or 0:#x} bytes")
            runs.append((offset, run))
        return tuple(sorted(runs))
