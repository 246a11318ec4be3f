"""Extended data of a CNMT as values: earlier versions and deltas of an update, and a delta by itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from oboromi_formats import cnmt_extended as layouts
from oboromi_formats.cnmt import CONTENT_RECORD, MetaType
from oboromi_formats.cnmt_extended import UpdateType
from oboromi_fs._decode import error
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.metadata.cursor import WHAT, Cursor
from oboromi_fs.metadata.forms import from_table, kinds_of, layout_bytes, part
from oboromi_fs.metadata.kinds import Choice, Hex, Number
from oboromi_fs.metadata.records import RECORD_TYPE, Content, Records
from oboromi_fs.metadata.residue import Residue, ResidueKind
from oboromi_fs.metadata.variations import SystemUpdateData
from oboromi_fs.metadata.versions import TitleVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_formats.cnmt import RecordType
    from oboromi_fs.metadata.keypath import KeyPath
    from oboromi_fs.protocols import Storage

__all__ = [
    "Delta",
    "DeltaData",
    "DeltaHistory",
    "ExtendedData",
    "Fragment",
    "FragmentSet",
    "History",
    "HistoryContent",
    "PatchData",
    "data_of_table",
    "read_data",
]

T = TypeVar("T")

MOST_BYTES = 1 << 20
"""More extended data than any title has; longer ones stay bytes."""

_ID = Number(64, digits=16)


def _high(size: int, bits: int) -> dict[str, int]:
    if not 0 <= size < 1 << bits:
        raise FormatError(f"{size} does not fit {bits} bits", what=WHAT, field="size")
    return {"low": size & 0xFFFFFFFF, "high": size >> 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryContent:
    """One NCA of an earlier version; its size in bytes."""

    type: RecordType | int = part(RECORD_TYPE)
    content_id: bytes = part(Hex(0x10))
    size: int = part(Number(40))
    attributes: int = part(Number(8), 0)
    id_offset: int = part(Number(8), 0)

    @classmethod
    def take(cls, cursor: Cursor) -> HistoryContent:
        """Read the next one."""
        found, raw = cursor.fields(cls, layouts.HISTORY_CONTENT, ("size_low", "size_high"))
        return cls(**found, size=raw.size_high << 32 | raw.size_low)

    def to_bytes(self) -> bytes:
        """Return the record."""
        size = _high(self.size, 40)
        return layout_bytes(layouts.HISTORY_CONTENT, self, (), size_low=size["low"], size_high=size["high"])


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An earlier version of the title; ``digest`` is that of its CNMT."""

    id: int = part(_ID)
    version: int = part(TitleVersion())
    type: MetaType | int = part(Choice(MetaType))
    install_type: int = part(Number(8), 0)
    digest: bytes = part(Hex(0x20))
    contents: tuple[HistoryContent, ...] = part(Records(HistoryContent), ())
    unknown: Residue = part(ResidueKind(layouts.PATCH_HISTORY.size), (), hide=True)

    def to_bytes(self) -> bytes:
        """Return the record, without its contents."""
        return layout_bytes(layouts.PATCH_HISTORY, self, self.unknown, content_count=len(self.contents))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaHistory:
    """A delta between two earlier versions; what it took to load it, in bytes."""

    source_id: int = part(_ID)
    source_version: int = part(TitleVersion())
    destination_id: int = part(_ID)
    destination_version: int = part(TitleVersion())
    download_size: int = part(Number(64))
    unknown: Residue = part(ResidueKind(layouts.PATCH_DELTA_HISTORY.size), (), hide=True)

    def to_bytes(self) -> bytes:
        """Return the record."""
        return layout_bytes(layouts.PATCH_DELTA_HISTORY, self, self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """Which content holds a piece of a fragment set, and which piece that is."""

    content_index: int = part(Number(16))
    fragment_index: int = part(Number(16))

    def to_bytes(self) -> bytes:
        """Return the record."""
        return layout_bytes(layouts.FRAGMENT, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentSet:
    """What makes one content of another; sizes in bytes."""

    source_content_id: bytes = part(Hex(0x10))
    source_size: int = part(Number(48))
    destination_content_id: bytes = part(Hex(0x10))
    destination_size: int = part(Number(48))
    target_type: RecordType | int = part(RECORD_TYPE)
    update_type: UpdateType | int = part(Choice(UpdateType), UpdateType.APPLY_AS_DELTA)
    fragments: tuple[Fragment, ...] = part(Records(Fragment), ())
    unknown: Residue = part(ResidueKind(layouts.FRAGMENT_SET.size), (), hide=True)

    def to_bytes(self) -> bytes:
        """Return the record, without its fragments."""
        source, target = _high(self.source_size, 48), _high(self.destination_size, 48)
        return layout_bytes(
            layouts.FRAGMENT_SET,
            self,
            self.unknown,
            source_size_low=source["low"],
            source_size_high=source["high"],
            destination_size_low=target["low"],
            destination_size_high=target["high"],
            fragment_count=len(self.fragments),
        )


_SET_REPLACED = ("source_size_low", "source_size_high", "destination_size_low", "destination_size_high", "fragment_count")


def _take_sets(cursor: Cursor, count: int) -> list[tuple[dict[str, Any], int]]:
    """The next fragment sets, without their fragments, and how many of those each has."""
    sets = []
    for _ in range(count):
        found, raw = cursor.fields(FragmentSet, layouts.FRAGMENT_SET, _SET_REPLACED)
        sizes = {
            "source_size": raw.source_size_high << 32 | raw.source_size_low,
            "destination_size": raw.destination_size_high << 32 | raw.destination_size_low,
        }
        sets.append((found | sizes, raw.fragment_count))
    return sets


def _with_fragments(cursor: Cursor, sets: list[tuple[dict[str, Any], int]]) -> list[FragmentSet]:
    cursor.need((sum(count for _, count in sets), layouts.FRAGMENT))
    return [FragmentSet(**found, fragments=tuple(_fragments(cursor, count))) for found, count in sets]


def _fragments(cursor: Cursor, count: int) -> Iterator[Fragment]:
    """The next fragments; there may be very many, each of two numbers."""
    size = count * layouts.FRAGMENT.size
    numbers = memoryview(cursor.data)[cursor.at : cursor.at + size]
    cursor.at += size
    return (Fragment(content_index=content, fragment_index=number) for content, number in struct.iter_unpack("<HH", numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A delta that makes this version of another one."""

    source_id: int = part(_ID)
    source_version: int = part(TitleVersion())
    destination_id: int = part(_ID)
    destination_version: int = part(TitleVersion())
    fragment_sets: tuple[FragmentSet, ...] = part(Records(FragmentSet), ())
    contents: tuple[Content, ...] = part(Records(Content), ())
    unknown: Residue = part(ResidueKind(layouts.PATCH_DELTA.size), (), hide=True)

    def to_bytes(self) -> bytes:
        """Return the record, without what belongs to it."""
        counts = {"fragment_set_count": len(self.fragment_sets), "content_count": len(self.contents)}
        return layout_bytes(layouts.PATCH_DELTA, self, self.unknown, **counts)


def _split(items: list[T], counts: list[int]) -> list[tuple[T, ...]]:
    """Share items out, so many to each."""
    found, at = [], 0
    for count in counts:
        found.append(tuple(items[at : at + count]))
        at += count
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchData:
    """What an update, also one of add-on content, says of earlier versions and of deltas.

    Attributes:
        trailing: What stands behind the last record.
        unknown: What the reserved field of the header has that is not zero.
    """

    histories: tuple[History, ...] = part(Records(History), ())
    delta_histories: tuple[DeltaHistory, ...] = part(Records(DeltaHistory), ())
    deltas: tuple[Delta, ...] = part(Records(Delta), ())
    trailing: bytes = part(Hex(), b"", hide=True)
    unknown: Residue = part(ResidueKind(layouts.PATCH_DATA.size), (), hide=True)

    @classmethod
    def read(cls, cursor: Cursor) -> PatchData:
        """Read the data of an update.

        Raises:
            CorruptError: Counts contradict each other, or records run over the end.
        """
        counts = tuple(each for each in layouts.PATCH_DATA.value.__dataclass_fields__ if each != "reserved")
        found, raw = cursor.fields(cls, layouts.PATCH_DATA, counts)
        cursor.need(
            (raw.history_count, layouts.PATCH_HISTORY),
            (raw.delta_history_count, layouts.PATCH_DELTA_HISTORY),
            (raw.delta_count, layouts.PATCH_DELTA),
            (raw.fragment_set_count, layouts.FRAGMENT_SET),
            (raw.history_content_count, layouts.HISTORY_CONTENT),
            (raw.delta_content_count, CONTENT_RECORD),
        )
        histories = [cursor.fields(History, layouts.PATCH_HISTORY, ("content_count",)) for _ in range(raw.history_count)]
        delta_histories = [
            DeltaHistory(**cursor.fields(DeltaHistory, layouts.PATCH_DELTA_HISTORY)[0]) for _ in range(raw.delta_history_count)
        ]
        deltas = [cursor.fields(Delta, layouts.PATCH_DELTA, ("fragment_set_count", "content_count")) for _ in range(raw.delta_count)]
        sets = _take_sets(cursor, raw.fragment_set_count)
        old = [HistoryContent.take(cursor) for _ in range(raw.history_content_count)]
        new = [Content.take(cursor) for _ in range(raw.delta_content_count)]
        shares = {
            "history_content_count": (raw.history_content_count, [each.content_count for _, each in histories]),
            "fragment_set_count": (raw.fragment_set_count, [each.fragment_set_count for _, each in deltas]),
            "delta_content_count": (raw.delta_content_count, [each.content_count for _, each in deltas]),
        }
        for name, (total, parts) in shares.items():
            if sum(parts) != total:
                raise cursor.wrong(f"{name} is {total}, the records it counts for say {sum(parts)}")
        whole = _with_fragments(cursor, sets)
        of_history, of_sets, of_delta = (parts for _, parts in shares.values())
        return cls(
            **found,
            histories=tuple(History(**each, contents=mine) for (each, _), mine in zip(histories, _split(old, of_history), strict=True)),
            delta_histories=tuple(delta_histories),
            deltas=tuple(
                Delta(**each, fragment_sets=sets_, contents=mine)
                for (each, _), sets_, mine in zip(deltas, _split(whole, of_sets), _split(new, of_delta), strict=True)
            ),
            trailing=cursor.rest(),
        )

    def to_bytes(self) -> bytes:
        """Return the data.

        Raises:
            FormatError: A value does not fit its field.
        """
        sets = [each for delta in self.deltas for each in delta.fragment_sets]
        old = [each for history in self.histories for each in history.contents]
        new = [each for delta in self.deltas for each in delta.contents]
        header = layout_bytes(
            layouts.PATCH_DATA,
            self,
            self.unknown,
            history_count=len(self.histories),
            delta_history_count=len(self.delta_histories),
            delta_count=len(self.deltas),
            fragment_set_count=len(sets),
            history_content_count=len(old),
            delta_content_count=len(new),
        )
        records: list[Any] = [*self.histories, *self.delta_histories, *self.deltas, *sets, *old, *new]
        records += [each for one in sets for each in one.fragments]
        return b"".join((header, *(each.to_bytes() for each in records), self.trailing))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaData:
    """What a delta says of the two versions it stands between; see :class:`PatchData`."""

    source_id: int = part(_ID)
    source_version: int = part(TitleVersion())
    destination_id: int = part(_ID)
    destination_version: int = part(TitleVersion())
    fragment_sets: tuple[FragmentSet, ...] = part(Records(FragmentSet), ())
    trailing: bytes = part(Hex(), b"", hide=True)
    unknown: Residue = part(ResidueKind(layouts.DELTA_DATA.size), (), hide=True)

    @classmethod
    def read(cls, cursor: Cursor) -> DeltaData:
        """Read the data of a delta.

        Raises:
            CorruptError: Records run over the end.
        """
        found, raw = cursor.fields(cls, layouts.DELTA_DATA, ("fragment_set_count",))
        cursor.need((raw.fragment_set_count, layouts.FRAGMENT_SET))
        sets = _with_fragments(cursor, _take_sets(cursor, raw.fragment_set_count))
        return cls(**found, fragment_sets=tuple(sets), trailing=cursor.rest())

    def to_bytes(self) -> bytes:
        """Return the data.

        Raises:
            FormatError: A value does not fit its field.
        """
        header = layout_bytes(layouts.DELTA_DATA, self, self.unknown, fragment_set_count=len(self.fragment_sets))
        fragments = (each.to_bytes() for one in self.fragment_sets for each in one.fragments)
        return b"".join((header, *(each.to_bytes() for each in self.fragment_sets), *fragments, self.trailing))


ExtendedData: TypeAlias = "PatchData | DeltaData | SystemUpdateData"

DATA: dict[int, type[Any]] = {
    MetaType.PATCH: PatchData,
    MetaType.DATA_PATCH: PatchData,
    MetaType.DELTA: DeltaData,
    MetaType.SYSTEM_UPDATE: SystemUpdateData,
}
"""Type of a title -> what its extended data are."""


def read_data(kind: int, data: bytes, storage: Storage | None = None, offset: int = 0) -> ExtendedData | None:
    """Read extended data.

    Args:
        kind: The title's type.
        data: The extended data, all of them.
        storage: Where they come from, for error messages.
        offset: Where in it.

    Returns:
        The value; None where there are none, or the type should have none.

    Raises:
        CorruptError: Counts contradict each other, or records run over the end.
        UnsupportedError: They are longer than any real ones.
    """
    cls = DATA.get(kind)
    if cls is None or not data:
        return None
    where = storage if storage is not None else MemoryStorage(data, "extended data")
    if len(data) > MOST_BYTES:
        problem = f"{len(data):#x} bytes, at most {MOST_BYTES:#x} are read"
        raise error(UnsupportedError, problem, what=WHAT, storage=where, offset=offset)
    found: ExtendedData = cls.read(Cursor(data, where, offset))
    return found


def data_of_table(kind: int, plain: object, path: KeyPath) -> bytes:
    """Return the extended data that a plain table describes.

    Raises:
        FormatError: The type has none, or a value does not fit; the error names the key.
    """
    cls = DATA.get(kind)
    table = path.table(plain)
    if cls is None:
        raise path.error("titles of this type have no extended data that can be described: use hexadecimal digits")
    value = cls(**from_table(cls, table, path))
    path.finish(table, kinds_of(cls))
    try:
        data: bytes = value.to_bytes()
    except FormatError as failure:
        raise path.error(failure.problem) from failure
    return data
