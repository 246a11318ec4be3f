"""IPS and IPS32. Source: ZeroSoft's IPS format, and IPS32 as Atmosphere and IPSwitch read it. All numbers are big-endian."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError
from oboromi_fs.patches._arguments import want_records, want_storage
from oboromi_fs.patches.values import MAX_RECORD, MAX_RECORDS, MAX_TOTAL, Patch, Record, Remark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.patches.values import PatchFormat
    from oboromi_fs.protocols import Storage

__all__ = ["encode_ips", "fits_ips", "is_ips", "parse_ips"]


class _Form(NamedTuple):
    name: PatchFormat
    magic: bytes
    offset_size: int
    end: bytes

    @property
    def limit(self) -> int:
        """The first offset that cannot be written."""
        return 1 << 8 * self.offset_size

    @property
    def forbidden(self) -> int:
        """The offset that would be read as the end."""
        return int.from_bytes(self.end, "big")


_IPS = _Form("IPS", b"PATCH", 3, b"EOF")
_IPS32 = _Form("IPS32", b"IPS32", 4, b"EEOF")
_MOST = 1 << 30
"""Bytes of a patch file: more is none."""


def is_ips(storage: Storage) -> bool:
    """Whether the magic of either form is there."""
    want_storage(storage, "storage")
    return storage[:5].tobytes() in (_IPS.magic, _IPS32.magic)


def parse_ips(storage: Storage) -> Patch:
    """Read a patch, all of it: one that is cut short or damaged gives no records at all.

    Args:
        storage: The file.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: It ends before its end mark, or writes more than any target holds.

    Example:
        >>> from oboromi_fs import MemoryStorage
        >>> parse_ips(MemoryStorage(b"PATCH" + bytes.fromhex("000110 0002 1f20") + b"EOF")).records
        (Record(offset=272, data=b'\\x1f ', run=0),)
    """
    want_storage(storage, "storage")
    magic = storage[:5].tobytes()
    form = _IPS if magic == _IPS.magic else _IPS32
    source = str(getattr(storage, "name", ""))
    if magic != form.magic:
        raise NotThisFormatError(f"magic is {magic!r}, neither {_IPS.magic!r} nor {_IPS32.magic!r}", what="IPS", source=source, offset=0)
    if storage.size > _MOST:
        raise CorruptError(f"has {storage.size} bytes, a patch has fewer than {_MOST}", what=form.name, source=source)
    data = storage[:].tobytes()
    records: list[Record] = []
    at, total, width = 5, 0, form.offset_size
    while data[at : at + width] != form.end:
        head = data[at : at + width + 2]
        if len(head) < width + 2:
            raise CorruptError(f"ends at {len(data):#x} without the end mark {form.end.decode()}", what=form.name, source=source, offset=at)
        offset, size = int.from_bytes(head[:width], "big"), int.from_bytes(head[width:], "big")
        at += width + 2
        length = size or 3
        if at + length > len(data):
            raise CorruptError(
                f"a record of {length} bytes ends at {at + length:#x}, the file at {len(data):#x}", what=form.name, source=source, offset=at
            )
        if size:
            records.append(Record(offset, data[at : at + size]))
        elif run := int.from_bytes(data[at : at + 2], "big"):
            records.append(Record(offset, data[at + 2 : at + 3], run))
            size = run
        at += length
        total += size
        if total > MAX_TOTAL:
            raise CorruptError(f"writes more than {MAX_TOTAL:#x} bytes", what=form.name, source=source, offset=at)
        if len(records) > MAX_RECORDS:
            raise CorruptError(f"has more than {MAX_RECORDS} records", what=form.name, source=source, offset=at)
    rest = len(data) - at - width
    remarks = (Remark(0, f"{rest} bytes behind the end mark are not read"),) if rest else ()
    return Patch(form.name, tuple(records), remarks=remarks)


def fits_ips(records: Iterable[Record]) -> bool:
    """Whether the classic form can say every record: its 24-bit offsets reach all, and none begins where readers see the end."""
    return all(record.end <= _IPS.limit and record.offset != _IPS.forbidden for record in records)


def encode_ips(records: Iterable[Record], *, ips32: bool | None = None) -> bytes:
    """Write a patch.

    A record that is longer than 0xFFFF bytes becomes several. None may begin at the one offset that readers take for the end mark: a
    longer record is split so that none does.

    Args:
        records: What to write, in order.
        ips32: Which form; None takes the classic one where that can say every record.

    Raises:
        FormatError: An offset does not fit; or a record begins at the forbidden offset, and there is no byte before it to begin with: give
            one that starts a byte earlier.
    """
    want_records(records, "records")
    items = list(records)
    form = _IPS32 if ips32 or (ips32 is None and not fits_ips(items)) else _IPS
    out = bytearray(form.magic)
    for record in items:
        for piece in _pieces(record, form):
            if not 0 <= piece.offset < form.limit:
                raise FormatError(f"offset {piece.offset:#x} has more than {8 * form.offset_size} bits", what=form.name)
            if piece.offset == form.forbidden:
                raise FormatError(f"a record cannot begin at {piece.offset:#x}, which is read as the end", what=form.name)
            out += piece.offset.to_bytes(form.offset_size, "big")
            out += b"\0\0" + piece.run.to_bytes(2, "big") if piece.run else len(piece.data).to_bytes(2, "big")
            out += piece.data
    return bytes(out + form.end)


def _pieces(record: Record, form: _Form) -> Iterable[Record]:
    """A record in pieces that 16-bit sizes can hold, none but the first of which begins at the forbidden offset."""
    start = record.offset
    while start < record.end:
        stop = min(start + MAX_RECORD, record.end)
        if stop == form.forbidden and stop < record.end:
            stop -= 1
        yield Record(start, record.data, stop - start) if record.run else Record(start, record.part(start, stop))
        start = stop
