"""Making a patch from two versions of the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import FormatError
from oboromi_fs.patches._arguments import want_storage
from oboromi_fs.patches.values import MAX_RECORD, MAX_TOTAL, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import Storage

__all__ = ["make_records"]

_CHUNK = 1 << 22
_GAP = 7
"""Equal bytes between two differences that take less as bytes of one record than as the head of another."""
_RUN = 12
"""Equal bytes from which on a record of their own is shorter."""
_FORBIDDEN = (0x454F46, 0x45454F46)
"""Offsets that readers take for the end of a patch; a record begins a byte earlier there."""


def make_records(old: Storage, new: Storage, *, start: int = 0) -> list[Record]:
    """Return what turns one version into the other, in order, each record of at most 0xFFFF bytes.

    Args:
        old: What the patch is applied to.
        new: What comes out; of the same size.
        start: Where to begin; bytes before it may differ.

    Raises:
        FormatError: The sizes differ: a patch overwrites bytes, and cannot add or remove any. Or more differs than a patch may write.

    Example:
        >>> from oboromi_fs import MemoryStorage
        >>> make_records(MemoryStorage(b"abcdef"), MemoryStorage(b"abXdef"))
        [Record(offset=2, data=b'X', run=0)]
    """
    want_storage(old, "old")
    want_storage(new, "new")
    if old.size != new.size:
        raise FormatError(
            f"the new version has {new.size:#x} bytes, the old one {old.size:#x}: a patch overwrites bytes, and can add or remove none",
            what="IPS",
        )
    records: list[Record] = []
    total = 0
    for low, high in _joined(_spans(old, new, start)):
        total += high - low
        if total > MAX_TOTAL:
            raise FormatError(f"more than {MAX_TOTAL:#x} bytes differ, which is more than a patch may write", what="IPS")
        records += _records(new, low, high)
    return records


def _spans(old: Storage, new: Storage, first: int) -> Iterator[tuple[int, int]]:
    """Ranges that differ, in order; near ones may be one."""
    import numpy as np

    for base in range(first, old.size, _CHUNK):
        ours = np.frombuffer(old[base : base + _CHUNK], np.uint8)
        theirs = np.frombuffer(new[base : base + _CHUNK], np.uint8)
        at = np.flatnonzero(ours != theirs)
        if not len(at):
            continue
        edges = np.flatnonzero(np.diff(at) > _GAP)
        starts = at[np.concatenate(([0], edges + 1))] + base
        stops = at[np.concatenate((edges, [len(at) - 1]))] + base + 1
        yield from zip(starts.tolist(), stops.tolist(), strict=True)


def _joined(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges joined that meet at the end of a chunk."""
    start = stop = -1
    for low, high in spans:
        if start >= 0 and low - stop <= _GAP:
            stop = high
            continue
        if start >= 0:
            yield start, stop
        start, stop = low, high
    if start >= 0:
        yield start, stop


def _records(new: Storage, start: int, stop: int) -> Iterator[Record]:
    """One range as records: long runs of one byte apart from the rest."""
    import re

    for base in range(start, stop, _CHUNK):
        data = new[base : min(base + _CHUNK, stop)].tobytes()
        at = 0
        for run in re.finditer(rb"(.)\1{%d,}" % (_RUN - 1), data, re.DOTALL):
            yield from _literals(new, base + at, base + run.start())
            for piece in range(run.start(), run.end(), MAX_RECORD):
                yield from _placed(new, Record(base + piece, run.group(1), min(MAX_RECORD, run.end() - piece)))
            at = run.end()
        yield from _literals(new, base + at, base + len(data))


def _literals(new: Storage, start: int, stop: int) -> Iterator[Record]:
    for at in range(start, stop, MAX_RECORD):
        yield from _placed(new, Record(at, new[at : min(at + MAX_RECORD, stop)].tobytes()))


def _placed(new: Storage, record: Record) -> Iterator[Record]:
    """A record, with the byte before it where it could not begin otherwise."""
    if record.offset in _FORBIDDEN:
        yield Record(record.offset - 1, new[record.offset - 1 : record.offset + 1].tobytes())
        rest = record.offset + 1
        if rest < record.end:
            yield Record(rest, record.data, record.end - rest) if record.run else Record(rest, record.part(rest, record.end))
    else:
        yield record
