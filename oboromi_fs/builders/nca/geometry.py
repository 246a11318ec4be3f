"""Where the parts of a section lie: hash tables, data, and zeros between them. Arithmetic only. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from oboromi_formats.hashtree import IVFC_LEVEL_COUNT
from oboromi_formats.nca import MEDIA_UNIT, HashType
from oboromi_fs.errors import FormatError

__all__ = ["FILLINGS", "INTEGRITY", "PLAIN", "SHA256", "Filling", "Geometry", "Run", "geometry"]

Filling: TypeAlias = Literal["exact", "extra", "blocks"]
"""How far tables and data are filled up with zeros, and what of it the header states.

``exact``: tables have the size of their hashes, as official writers state it. ``blocks``: the tables and the data of an integrity tree are
filled up to whole blocks, and the header states the filled sizes of the tables. ``extra``: so, and where nothing is to fill a whole block
of zeros follows all the same, hashed and stated like the others, as hacPack has it."""

FILLINGS: tuple[Filling, ...] = ("exact", "extra", "blocks")

HASH = 0x20
PLAIN = (HashType.NONE,)
SHA256 = (HashType.HIERARCHICAL_SHA256, HashType.HIERARCHICAL_SHA3_256)
INTEGRITY = (HashType.HIERARCHICAL_INTEGRITY, HashType.HIERARCHICAL_INTEGRITY_SHA3)


class Run(NamedTuple):
    """Bytes of a section, from its start."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """The parts of one section.

    Attributes:
        tables: Hash tables, top to bottom, with the sizes that the header states.
        counts: Hashes in each table. There may be one more than the blocks below have bytes for: that of a block of zeros.
        data: The image.
        size: The whole section, a multiple of 0x200.
    """

    tables: tuple[Run, ...]
    counts: tuple[int, ...]
    data: Run
    size: int

    def gaps(self) -> list[Run]:
        """Return the runs that hold neither hashes nor data, in order: zeros."""
        used = [Run(table.offset, count * HASH) for table, count in zip(self.tables, self.counts, strict=True)]
        gaps: list[Run] = []
        end = 0
        for run in sorted((run for run in [*used, self.data] if run.size), key=lambda run: run.offset):
            if run.offset > end:
                gaps.append(Run(end, run.offset - end))
            end = run.offset + run.size
        if end < self.size:
            gaps.append(Run(end, self.size - end))
        return gaps


def up(number: int, step: int) -> int:
    """Return the multiple of ``step`` at or above a number."""
    return -(-number // step) * step


def _filled(size: int, step: int, filling: Filling) -> int:
    return (size // step + 1) * step if filling == "extra" else up(size, step)


def geometry(hash_type: int, data_size: int, block_size: int, filling: Filling) -> Geometry:
    """Lay out a section.

    Args:
        hash_type: A :class:`~oboromi_formats.nca.HashType` with a tree, or none.
        data_size: Bytes of the image.
        block_size: Bytes that one hash covers.
        filling: How far parts are filled up.

    Raises:
        FormatError: The image is too large for a tree of so small blocks.
    """
    if hash_type in SHA256:
        return _sha256(data_size, block_size, filling)
    if hash_type in INTEGRITY:
        return _integrity(data_size, block_size, filling)
    return Geometry((), (), Run(0, data_size), up(data_size, MEDIA_UNIT))


def _sha256(data_size: int, block_size: int, filling: Filling) -> Geometry:
    """One table, and the data at the next multiple of 0x200."""
    count = -(-data_size // block_size)
    table = Run(0, count * HASH)
    start = _filled(table.size, MEDIA_UNIT, "extra" if filling == "extra" else "exact")
    return Geometry((table,), (count,), Run(start, data_size), up(start + data_size, MEDIA_UNIT))


def _integrity(data_size: int, block_size: int, filling: Filling) -> Geometry:
    """Five tables, each the hashes of the next one's blocks, each starting at a multiple of the block size; then the data."""
    stored = data_size if filling == "exact" else _filled(data_size, block_size, filling)
    below = stored
    sizes: list[int] = []
    counts: list[int] = []
    for _ in range(IVFC_LEVEL_COUNT - 1):
        count = -(-below // block_size)
        below = count * HASH if filling == "exact" else _filled(count * HASH, block_size, filling)
        counts.insert(0, count)
        sizes.insert(0, below)
    if sizes[0] > block_size:
        problem = f"six levels of {block_size:#x}-byte blocks cannot hold {data_size:#x} bytes"
        raise FormatError(problem, what="IVFC hash tree", field="block_size_log2")
    tables: list[Run] = []
    start = 0
    for size in sizes:
        tables.append(Run(start, size))
        start += up(size, block_size)
    return Geometry(tuple(tables), tuple(counts), Run(start, data_size), up(start + stored, MEDIA_UNIT))
