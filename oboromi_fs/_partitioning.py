"""The engine of the partition builders: names and storages in, a PFS0 or HFS0 image out, composed and not copied.

The mirror of :mod:`oboromi_fs._extents`. Source: Switchbrew wiki, "NCA" (PFS0) and "Gamecard Format" (HFS0).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypeVar

from oboromi_formats.partition import PARTITION_HEADER, PartitionHeader
from oboromi_fs._decode import encode
from oboromi_fs._extents import HFS0, MAX_ENTRIES, MAX_NAME, PartitionArchive, PartitionFormat
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, IsADirectoryEntryError, UnsafePathError, UnsupportedError
from oboromi_fs.paths import addressable, encode_name
from oboromi_fs.protocols import FileSystem, Storage
from oboromi_fs.storage._source import fill
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.pieces import GivenPieces, Pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["PADDINGS", "Hashed", "Members", "Order", "Partition", "PartitionLayout", "build_partition", "partition_layout_of"]

Members: TypeAlias = "FileSystem | Mapping[str, Storage] | Iterable[tuple[str, Storage]]"
"""What an archive is built of: a flat file system, or names and bytes."""
Order: TypeAlias = "Literal['name', 'given'] | Sequence[str]"
"""By the names' bytes; as given; or these names first and the rest by name."""
Hashed: TypeAlias = "int | Literal['header'] | Sequence[int]"
"""How many bytes of each member an HFS0 hashes, a shorter member whole: one number for all, or the whole header of a member that is an
HFS0 itself (0x200 bytes of others), or one number for each."""

T = TypeVar("T")

PADDINGS: Mapping[str, Callable[[int, int], int]] = {
    "official": lambda fixed, names: -(fixed + names) % 0x20,
    "table": lambda _, names: -names % 0x20,
    "nsz": lambda fixed, names: 0x20 - (fixed + names) % 0x20,
    "0x40": lambda fixed, names: -(fixed + names) % 0x40,
    "0x200": lambda fixed, names: -(fixed + names) % 0x200,
}
"""Writers' rules for the padding of the string table, from the bytes of header and entries, and those of the names."""

_HFS0_HASHED = 0x200
_MAX_SIZE = (1 << 63) - 1
_MAX_STRINGS = (1 << 31) - 1
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLayout:
    """Everything about an archive but the bytes of its members: what it takes to build it, or another one like it.

    Attributes:
        names: The members in their order.
        padding: The rule for the string table, a key of :data:`PADDINGS`.
        string_table_size: Bytes of the string table where no rule gives them. Used while the names fit.
        alignment: Each member starts at a multiple of this, counted from the end of the header.
        end_alignment: So does what follows the last one.
        gaps: Zero bytes before each member and at the end where no alignment gives them. Used while there are as many members.
        hashed: Bytes of each member that are hashed (HFS0).
    """

    names: tuple[str, ...] = ()
    padding: str = "official"
    string_table_size: int | None = None
    alignment: int = 1
    end_alignment: int = 1
    gaps: tuple[int, ...] = ()
    hashed: Hashed = _HFS0_HASHED


class Partition(NamedTuple):
    """An archive that was built: its bytes, those of its header, and where each member starts in it."""

    storage: ComposedStorage
    header_size: int
    starts: dict[str, int]


class _Given(GivenPieces):
    """Members that are storages, called by their names."""

    def __init__(self, names: Sequence[str], starts: Sequence[int], storages: Sequence[Storage]) -> None:
        super().__init__(starts, storages)
        self._names = names

    def path(self, index: int) -> str:
        return self._names[index]


class _Named(Pieces):
    """Members of a file system, opened when they are read. The first piece is the header."""

    def __init__(self, fs: FileSystem, names: Sequence[str], starts: Sequence[int], sizes: Sequence[int], header: Storage) -> None:
        super().__init__(starts, sizes)
        self._fs = fs
        self._names = names
        self._header = header

    def open(self, index: int) -> Storage:
        return self._fs.storage(self._names[index]) if index else self._header

    def path(self, index: int) -> str:
        return self._names[index]


class _Entries:
    """The members before they are placed: names and sizes, and how to come by the bytes."""

    def __init__(self, what: str, members: Members, order: Order) -> None:
        self.fs: FileSystem | None = None
        self.storages: list[Storage] = []
        if isinstance(members, FileSystem):
            self.fs = members
            found = []
            for entry in members.read_dir(""):
                if entry.kind != "file":
                    raise IsADirectoryEntryError(entry.name, f"a {what} holds files only, and no folder")
                found.append((entry.name, entry.size))
            found = _ordered(found, order)
            self.sizes = [size for _, size in found]
            self.names = [name for name, _ in found]
        else:
            given = _ordered(list(members.items() if isinstance(members, Mapping) else members), order)
            self.names = [name for name, _ in given]
            self.storages = [storage for _, storage in given]
            self.sizes = [storage.size for storage in self.storages]
        self.raw = _checked_names(what, self.names)

    def storage(self, index: int) -> Storage:
        if self.fs is None:
            return self.storages[index]
        storage = self.fs.storage(self.names[index])
        if storage.size != self.sizes[index]:
            raise FormatError(f"{self.names[index]!r} changed: it had {self.sizes[index]} bytes when it was listed, and has {storage.size}")
        return storage


def _ordered(members: list[tuple[str, T]], order: Order) -> list[tuple[str, T]]:
    if order == "given":
        return members
    ranks = {} if order == "name" else {name: rank for rank, name in enumerate(order)}
    return sorted(members, key=lambda member: (ranks.get(member[0], len(ranks)), encode_name(member[0])))


def _checked_names(what: str, names: Sequence[str]) -> list[bytes]:
    if len(names) > MAX_ENTRIES:
        raise FormatError(f"{len(names)} files; {MAX_ENTRIES} are the most that are read", what=what, field="entry_count")
    result: list[bytes] = []
    seen: set[bytes] = set()
    for name in names:
        raw = encode_name(name)
        if not addressable(name):
            raise UnsafePathError(name, f"no file of a {what} can be called that: it is flat, and names end at a NUL")
        if len(raw) > MAX_NAME:
            raise UnsafePathError(name, f"has {len(raw)} bytes; a name in a {what} has {MAX_NAME} at most")
        if raw in seen:
            raise UnsafePathError(name, f"is given twice; a {what} holds each name once")
        seen.add(raw)
        result.append(raw)
    return result


def build_partition(
    form: PartitionFormat,
    members: Members,
    layout: PartitionLayout,
    *,
    order: Order | None = None,
    hashed: Hashed | None = None,
) -> Partition:
    """Compose an archive. Nothing is copied; of an HFS0's members the hashed part is read.

    Args:
        form: PFS0 or HFS0.
        members: The files.
        layout: How they are laid out.
        order: In place of that of the layout's names.
        hashed: In place of the layout's ``hashed``; HFS0 only.

    Raises:
        UnsafePathError: A name that the format cannot hold, or holds twice.
        IsADirectoryEntryError: The file system has a folder.
        FormatError: More than the format can count, or a member changed.
    """
    entries = _Entries(form.name, members, layout.names if order is None else order)
    fixed = PARTITION_HEADER.size + len(entries.names) * form.table.row_size
    strings = _string_table(form.name, fixed, entries.raw, layout)
    header_size = fixed + len(strings)
    offsets, end = _places(form.name, entries, layout)
    extra: Iterable[tuple[int, ...] | tuple[int, int, bytes]]
    if form is HFS0:
        wanted = _hashed_sizes(entries, layout.hashed if hashed is None else hashed)
        extra = [(size, 0, _digest(entries, index, size)) for index, size in enumerate(wanted)]
    else:
        extra = [(0,)] * len(entries.names)
    row = struct.Struct(form.table.row_format).pack
    head = bytearray(encode(PARTITION_HEADER, PartitionHeader(form.magic, len(entries.names), len(strings))))
    name_offset = 0
    for offset, size, raw, rest in zip(offsets, entries.sizes, entries.raw, extra, strict=True):
        head += row(offset, size, name_offset, *rest)
        name_offset += len(raw) + 1
    head += strings
    header = MemoryStorage(bytes(head), f"{form.name} header")
    starts = [header_size + offset for offset in offsets]
    names = [f"{form.name} header", *entries.names]
    pieces: Pieces
    if entries.fs is None:
        pieces = _Given(names, [0, *starts], [header, *entries.storages])
    else:
        pieces = _Named(entries.fs, names, [0, *starts], [header_size, *entries.sizes], header)
    return Partition(ComposedStorage(pieces, header_size + end), header_size, dict(zip(entries.names, starts, strict=True)))


def _string_table(what: str, fixed: int, names: Sequence[bytes], layout: PartitionLayout) -> bytes:
    table = b"".join(name + b"\0" for name in names)
    wanted = layout.string_table_size
    if wanted is None or wanted < len(table):
        wanted = len(table) + PADDINGS[layout.padding](fixed, len(table))
    if wanted > _MAX_STRINGS:
        raise FormatError(f"names take {wanted:#x} bytes, more than a name offset can say", what=what, field="string_table_size")
    return table.ljust(wanted, b"\0")


def _places(what: str, entries: _Entries, layout: PartitionLayout) -> tuple[list[int], int]:
    """Offset of each member from the end of the header, and the end of it all."""
    gaps = layout.gaps if len(layout.gaps) == len(entries.sizes) + 1 else ()
    offsets: list[int] = []
    end = 0
    for index, size in enumerate(entries.sizes):
        end += gaps[index] if gaps else -end % layout.alignment
        offsets.append(end)
        end += size
        if end > _MAX_SIZE:
            raise FormatError(f"{entries.names[index]!r} ends at {end:#x}, more than an offset can say", what=what, field="offset")
    return offsets, end + (gaps[-1] if gaps else -end % layout.end_alignment)


def _hashed_sizes(entries: _Entries, hashed: Hashed) -> list[int]:
    if hashed == "header":
        wanted = [_header_size(entries.storage(index)) for index in range(len(entries.sizes))]
    elif isinstance(hashed, int):
        wanted = [hashed] * len(entries.sizes)
    else:
        numbers = [int(number) for number in hashed]
        # The numbers of another archive fit one with as many members; in any other they can only tell the rule.
        wanted = numbers if len(numbers) == len(entries.sizes) else [max(numbers, default=_HFS0_HASHED)] * len(entries.sizes)
    return [min(number, size) for number, size in zip(wanted, entries.sizes, strict=True)]


def _is_hfs0(storage: Storage) -> bool:
    return storage.size >= PARTITION_HEADER.size and storage[:4].tobytes() == HFS0.magic


def _header_size(storage: Storage) -> int:
    return PartitionArchive(storage, HFS0).header_size if _is_hfs0(storage) else min(_HFS0_HASHED, storage.size)


def _digest(entries: _Entries, index: int, size: int) -> bytes:
    """Hash of the first bytes of a member; zeros where there are none, for "nothing to verify"."""
    if not size:
        return bytes(0x20)
    import hashlib

    digest = hashlib.sha256()
    storage = entries.storage(index)
    buffer = memoryview(bytearray(min(size, _PIECE)))
    for start in range(0, size, _PIECE):
        part = buffer[: min(_PIECE, size - start)]
        fill(storage, start, part)
        digest.update(part)
    return digest.digest()


def partition_layout_of(archive: PartitionArchive) -> PartitionLayout:
    """Describe an archive so that the same members in it give the same bytes.

    Raises:
        UnsupportedError: It was written in a way that this cannot say: members out of order or overlapping, a header of another make, bytes
            that are not zero between the members.
        CorruptError: It is damaged or cut off.
    """
    form = archive.layout
    members = tuple(archive.members.values())
    if archive.problems:
        raise CorruptError(archive.problems[0], what=f"{form.name} table")
    fixed = PARTITION_HEADER.size + len(members) * form.table.row_size
    names = sum(len(encode_name(member.name)) + 1 for member in members)
    given = archive.header_size - fixed
    rules = [rule for rule, padding in PADDINGS.items() if names + padding(fixed, names) == given]
    usual = "0x200" if form is HFS0 else "official"
    padding = usual if usual in rules or not rules else rules[0]
    offsets = [member.offset - archive.header_size for member in members]
    ends = [0, *(offset + member.size for offset, member in zip(offsets, members, strict=True))]
    gaps = tuple(start - end for start, end in zip([*offsets, archive.raw.size - archive.header_size], ends, strict=True))
    if min(gaps) < 0:
        raise UnsupportedError("members overlap, do not lie in the order of their entries, or are cut off", what=f"{form.name} table")
    inner = [number for number in _ALIGNMENTS if all(gap == -end % number for gap, end in zip(gaps[:-1], ends, strict=False))]
    outer = [number for number in _ALIGNMENTS if gaps[-1] == -ends[-1] % number]
    both = [number for number in inner if number in outer]  # What one number explains was done with one.
    aligned = bool(inner and outer)
    layout = PartitionLayout(
        names=tuple(member.name for member in members),
        padding=padding,
        string_table_size=None if padding in rules else given,
        alignment=(both or inner)[0] if aligned else 1,
        end_alignment=(both or outer)[0] if aligned else 1,
        gaps=() if aligned else gaps,
        hashed=_hashed_rule(archive) if form is HFS0 else _HFS0_HASHED,
    )
    _check_same(archive, layout, gaps, ends)
    return layout


def _hashed_rule(archive: PartitionArchive) -> Hashed:
    """The simplest rule that gives the hashed sizes of all members."""
    members = archive.members.values()
    stored = [member.hashed_size for member in members]
    if not any(stored) and any(member.size for member in members):
        return 0
    nested = [_header_size(archive.storage(member.name)) for member in members]
    usual = [min(_HFS0_HASHED, member.size) for member in members]
    if stored == nested and any(_is_hfs0(archive.storage(member.name)) for member in members):
        return "header"
    return _HFS0_HASHED if stored == usual else tuple(stored)


_ALIGNMENTS = (1, *(1 << shift for shift in range(2, 17)))


def _check_same(archive: PartitionArchive, layout: PartitionLayout, gaps: Sequence[int], ends: Sequence[int]) -> None:
    """Build the header again from what was read, digests as they stand, and look at the bytes between the members."""
    form = archive.layout
    members = archive.members.values()
    strings = _string_table(form.name, PARTITION_HEADER.size + len(members) * form.table.row_size, _raw(layout.names), layout)
    head = bytearray(encode(PARTITION_HEADER, PartitionHeader(form.magic, len(members), len(strings))))
    name_offset = 0
    for member in members:
        rest = (member.hashed_size, 0, member.digest or bytes(0x20)) if form is HFS0 else (0,)
        head += struct.pack(form.table.row_format, member.offset - archive.header_size, member.size, name_offset, *rest)
        name_offset += len(encode_name(member.name)) + 1
    if archive.raw[: archive.header_size] != bytes(head + strings):
        problem = "is not of the usual make: reserved fields, names out of order, or bytes behind the names"
        raise UnsupportedError(problem, what=f"{form.name} header", source=str(getattr(archive.raw.place(0).storage, "name", "")))
    for gap, end in zip(gaps, ends, strict=True):
        start = archive.header_size + end
        for at in range(start, start + gap, _PIECE):
            if any(archive.raw[at : min(at + _PIECE, start + gap)]):
                raise UnsupportedError(f"bytes between the members at {at:#x} are not zero", what=form.name)


def _raw(names: Sequence[str]) -> list[bytes]:
    return [encode_name(name) for name in names]
