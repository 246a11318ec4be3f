"""What an NCZ says of itself: sections and their keys, and the blocks or the one stream that follow. Source: nsz, "formats"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oboromi_formats.ncz import (
    LEAST_EXPONENT,
    MOST_EXPONENT,
    NCZ_BLOCK_HEADER,
    NCZ_BLOCK_MAGIC,
    NCZ_BLOCK_SIZE,
    NCZ_SECTION,
    NCZ_SECTION_HEADER,
    NCZ_SECTION_MAGIC,
    VERBATIM_SIZE,
    NczCrypto,
)
from oboromi_fs._decode import corrupt, decode, error, table
from oboromi_fs.errors import CorruptError, NotThisFormatError, UnsupportedError
from oboromi_fs.storage.ncz.zstd import MAX_RATIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oboromi_formats.ncz import NczBlockHeader
    from oboromi_fs.protocols import Storage

__all__ = ["CTR_TYPES", "MOST_SECTIONS", "NczHeader", "is_ncz", "read_ncz_header"]

CTR_TYPES = (NczCrypto.AES_CTR, NczCrypto.AES_CTR_EX)
"""Sections that are encrypted when the NCA is made again; all others are stored as the NCA has them."""
MOST_SECTIONS = 1 << 20
"""Section records that are read, and written: a large update has some thousands."""
_MOST_BLOCKS = 1 << 24
"""Blocks of the smallest size that make 256 GiB: no NCA is nearly as large."""
_RECORDS_AT = VERBATIM_SIZE + NCZ_SECTION_HEADER.size
_LARGEST = 1 << 62
_SECTIONS, _BLOCKS = "NCZ section table", "NCZ block table"


@dataclass(frozen=True, slots=True, eq=False)
class NczHeader:
    """What an NCZ says of itself.

    Attributes:
        sections: The section records, checked: in order, without overlap.
        starts: First byte of each section in the NCA, int64 of shape ``(count,)``.
        ends: The byte behind each.
        data_offset: Where the blocks, or the one stream, begin in the file.
        blocks: The block header; None in solid mode.
        block_starts: Where each block begins in the file, and the end of the last: int64 of shape ``(blocks + 1,)``; None in solid mode.
    """

    sections: NDArray[Any] = field(repr=False)
    starts: NDArray[np.int64] = field(repr=False)
    ends: NDArray[np.int64] = field(repr=False)
    data_offset: int
    blocks: NczBlockHeader | None
    block_starts: NDArray[np.int64] | None = field(repr=False)

    @property
    def mode(self) -> str:
        """``"block"`` or ``"solid"``."""
        return "solid" if self.blocks is None else "block"

    @property
    def block_size(self) -> int:
        """Bytes a block decompresses to, but for the last; 0 in solid mode."""
        return 1 << self.blocks.exponent if self.blocks is not None else 0

    @property
    def sections_end(self) -> int:
        """The byte of the NCA behind its last section."""
        return int(self.ends[-1]) if len(self.ends) else VERBATIM_SIZE


def is_ncz(storage: Storage) -> bool:
    """Whether the bytes have the mark of an NCZ where it must be. What stands before it looks like the NCA it was."""
    end = VERBATIM_SIZE + len(NCZ_SECTION_MAGIC)
    return storage.size >= end and storage[VERBATIM_SIZE:end].tobytes() == NCZ_SECTION_MAGIC


def read_ncz_header(storage: Storage) -> NczHeader:
    """Read what comes before the compressed bytes, and check what can be checked of it.

    Raises:
        NotThisFormatError: There is no NCZ's mark.
        CorruptError: A count or size is more than there is room for, sections overlap, or are out of order.
        UnsupportedError: The blocks are of a version that is unknown.
    """
    if not is_ncz(storage):
        problem = f"has no {NCZ_SECTION_MAGIC.decode()}: it is cut short, damaged, or no compressed NCA"
        raise error(NotThisFormatError, problem, what="NCZ", storage=storage, offset=min(VERBATIM_SIZE, storage.size), field="magic")
    count = decode(NCZ_SECTION_HEADER, storage, VERBATIM_SIZE).count
    room = (storage.size - _RECORDS_AT) // NCZ_SECTION.row_size
    if count > min(room, MOST_SECTIONS):
        problem = f"{count} sections take {count * NCZ_SECTION.row_size:#x} bytes, {storage.size - _RECORDS_AT:#x} are there"
        if count <= room:
            problem = f"{count} sections; at most {MOST_SECTIONS} are read"
        raise corrupt(problem, what="NCZ section header", storage=storage, offset=VERBATIM_SIZE + 8, field="count")
    sections = table(NCZ_SECTION, storage, _RECORDS_AT, count)
    starts, ends = _checked_sections(storage, sections)
    at = _RECORDS_AT + count * NCZ_SECTION.row_size
    if storage[at : at + len(NCZ_BLOCK_MAGIC)].tobytes() != NCZ_BLOCK_MAGIC:
        return NczHeader(sections, starts, ends, at, None, None)
    blocks = decode(NCZ_BLOCK_HEADER, storage, at)
    _check_blocks(storage, blocks, at)
    at += NCZ_BLOCK_HEADER.size
    sizes = table(NCZ_BLOCK_SIZE, storage, at, blocks.block_count)["size"]
    header = NczHeader(
        sections, starts, ends, at + NCZ_BLOCK_SIZE.row_size * len(sizes), blocks, _checked_sizes(storage, blocks, at, sizes)
    )
    if header.sections_end > VERBATIM_SIZE + blocks.size:
        problem = f"the last section ends at {header.sections_end:#x}, the NCA at {VERBATIM_SIZE + blocks.size:#x}"
        raise corrupt(problem, what=_SECTIONS, storage=storage, offset=_RECORDS_AT + (count - 1) * NCZ_SECTION.row_size + 8, field="size")
    return header


def _checked_sections(storage: Storage, sections: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    import numpy as np

    offsets, sizes, types = sections["offset"], sections["size"], sections["crypto_type"]
    ctr = np.isin(types, CTR_TYPES)
    ends = offsets + sizes  # Wraps only where one of the two is too large by itself.
    large = (offsets > _LARGEST) | (sizes > _LARGEST) | (ends > _LARGEST)
    before = np.concatenate((np.zeros(1, np.uint64), ends[:-1]))[: len(ends)]
    for bad, problem, name in (
        (large, "runs from {offset:#x} for {size:#x} bytes, more than any NCA has", "size"),
        (offsets < before, "begins at {offset:#x}, before the one in front of it ends at {before:#x}", "offset"),
        (ctr & (offsets % 16 != 0), "is encrypted with AES-CTR and begins at {offset:#x}, which is no multiple of 16", "offset"),
    ):
        found = np.flatnonzero(bad)
        if len(found):
            number = int(found[0])
            text = problem.format(offset=int(offsets[number]), size=int(sizes[number]), before=int(before[number]))
            at = _RECORDS_AT + number * NCZ_SECTION.row_size + (8 if name == "size" else 0)
            raise corrupt(f"section {number} {text}", what=_SECTIONS, storage=storage, offset=at, field=name)
    return offsets.astype(np.int64), ends.astype(np.int64)


def _check_blocks(storage: Storage, blocks: NczBlockHeader, at: int) -> None:
    def wrong(cls: type[CorruptError | UnsupportedError], problem: str, offset: int, name: str) -> CorruptError | UnsupportedError:
        return error(cls, problem, what="NCZ block header", storage=storage, offset=at + offset, field=name)

    if (blocks.version, blocks.type) != (2, 1):
        raise wrong(UnsupportedError, f"version {blocks.version}, type {blocks.type}; 2 and 1 are known", 8, "version")
    if not LEAST_EXPONENT <= blocks.exponent <= MOST_EXPONENT:
        problem = f"blocks of 2**{blocks.exponent} bytes; the exponent is {LEAST_EXPONENT} to {MOST_EXPONENT}"
        raise wrong(CorruptError, problem, 0xB, "exponent")
    if blocks.size > _LARGEST:
        raise wrong(CorruptError, f"decompresses to {blocks.size:#x} bytes, more than any NCA has", 0x10, "size")
    need = -(-blocks.size >> blocks.exponent)
    if blocks.block_count > _MOST_BLOCKS:
        raise wrong(CorruptError, f"{blocks.block_count} blocks; at most {_MOST_BLOCKS} are read", 0xC, "block_count")
    if blocks.block_count != need:
        problem = f"{blocks.block_count} blocks, and {blocks.size:#x} bytes are {need} of 2**{blocks.exponent}"
        raise wrong(CorruptError, problem, 0xC, "block_count")


def _checked_sizes(storage: Storage, blocks: NczBlockHeader, at: int, sizes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where each block begins, and the end of the last."""
    import numpy as np

    wanted = np.full(len(sizes), 1 << blocks.exponent, np.int64)
    if len(wanted):
        wanted[-1] = blocks.size - (len(wanted) - 1 << blocks.exponent)
    stored = sizes.astype(np.int64)
    first = at + NCZ_BLOCK_SIZE.row_size * len(sizes)
    starts = np.concatenate((np.array([first]), first + np.cumsum(stored)))
    for bad, problem in (
        (stored > wanted, "takes {stored:#x} bytes, and decompresses to {wanted:#x}"),
        (wanted > stored * MAX_RATIO, "takes {stored:#x} bytes, which cannot stand for {wanted:#x}"),
        (starts[1:] > storage.size, "ends at {end:#x}, the file at {total:#x}: it is cut short"),
    ):
        found = np.flatnonzero(bad)
        if len(found):
            number = int(found[0])
            values = {"stored": int(stored[number]), "wanted": int(wanted[number]), "end": int(starts[number + 1]), "total": storage.size}
            raise corrupt(f"block {number} {problem.format(**values)}", what=_BLOCKS, storage=storage, offset=at + 4 * number, field="size")
    return starts
