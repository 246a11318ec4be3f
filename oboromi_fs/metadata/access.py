"""File access tables of an NPDM: what the ACID allows (FAC) and the ACI0 asks for (FAH)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oboromi_formats.npdm import FILE_ACCESS_CONTROL, FILE_ACCESS_HEADER, FsPermissions, SaveDataAccess
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.canvas import align
from oboromi_fs.metadata.forms import fields_from_layout, from_table, layout_bytes, part, to_table
from oboromi_fs.metadata.kinds import Choice, Flags, Kind, Number
from oboromi_fs.metadata.residue import Residue, ResidueKind

if TYPE_CHECKING:
    from oboromi_formats import npdm
    from oboromi_fs.metadata.canvas import Canvas
    from oboromi_fs.metadata.keypath import KeyPath, Plain
    from oboromi_fs.protocols import Storage

__all__ = ["FileAccessControl", "FileAccessHeader", "SaveDataOwner", "place_of", "places_given"]

_ID = Number(64, digits=16)
_OFFSET = Number(32, digits=1)


class IdsKind(Kind):
    """Ids; plainly a list of them."""

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [_ID.plain(each) for each in value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the ids of a list."""
        return tuple(_ID.parse(each, at) for at, each in path.items(plain))


@dataclass(frozen=True, slots=True)
class SaveDataOwner:
    """A program whose save data is asked for, and what for."""

    id: int = part(_ID)
    access: SaveDataAccess | int = part(Choice(SaveDataAccess), SaveDataAccess.READ)


class OwnersKind(Kind):
    """Save data owners; plainly a list of tables."""

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [dict(to_table(each)) for each in value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the owners of a list."""
        owners = []
        for at, each in path.items(plain):
            table = at.table(each)
            owners.append(SaveDataOwner(**from_table(SaveDataOwner, table, at)))
            at.finish(table, ("id", "access"))
        return tuple(owners)


def place_of(value: int | None, usual: int) -> int:
    """Return an offset or a size: what is given, else the usual one."""
    return usual if value is None else value


def ids_bytes(ids: tuple[int, ...], what: str) -> bytes:
    """Return ids as they are stored, 8 bytes each.

    Raises:
        FormatError: One does not fit.
    """
    try:
        return b"".join(each.to_bytes(8, "little") for each in ids)
    except OverflowError as failure:
        raise FormatError(f"an id does not fit 8 bytes: {failure}", what=what) from failure


def _ids(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccessControl:
    """What the ACID allows.

    Attributes:
        size: Bytes of the table where that is not what its ids need.
        unknown: What reserved fields have that is not zero.
    """

    version: int = part(Number(8), 1, hide=True)
    permissions: FsPermissions = part(Flags(FsPermissions, 64), FsPermissions(0))
    content_owner_ids: tuple[int, ...] = part(IdsKind(), (), hide=True, show=True)
    save_data_owner_ids: tuple[int, ...] = part(IdsKind(), (), hide=True, show=True)
    content_owner_id_min: int = part(_ID, 0, hide=True)
    content_owner_id_max: int = part(_ID, 0, hide=True)
    save_data_owner_id_min: int = part(_ID, 0, hide=True)
    save_data_owner_id_max: int = part(_ID, 0, hide=True)
    size: int | None = part(_OFFSET, None, hide=True)
    unknown: Residue = part(ResidueKind(FILE_ACCESS_CONTROL.size), (), hide=True)

    @classmethod
    def read(cls, data: bytes, storage: Storage, offset: int) -> FileAccessControl:
        """Read a table, which is all of ``data``.

        Raises:
            CorruptError: The ids run over its end.
        """
        layout = FILE_ACCESS_CONTROL
        found, raw, unknown = fields_from_layout(cls, layout, data, storage, offset, ("content_owner_id_count", "save_data_owner_id_count"))
        middle = layout.size + 8 * raw.content_owner_id_count
        end = middle + 8 * raw.save_data_owner_id_count
        if end > len(data):
            problem = f"{raw.content_owner_id_count} + {raw.save_data_owner_id_count} ids need {end:#x} bytes, it has {len(data):#x}"
            raise corrupt(problem, what=layout.name, storage=storage, offset=offset + 1, field="content_owner_id_count")
        return cls(
            **found,
            content_owner_ids=_ids(data[layout.size : middle]),
            save_data_owner_ids=_ids(data[middle:end]),
            size=None if end == len(data) else len(data),
            unknown=unknown,
        )

    def put(self, canvas: Canvas, offset: int) -> int:
        """Put the table on a canvas; return its size.

        Raises:
            FormatError: There are too many ids, or they do not fit the given size.
        """
        what = FILE_ACCESS_CONTROL.name
        counts = {"content_owner_id_count": len(self.content_owner_ids), "save_data_owner_id_count": len(self.save_data_owner_ids)}
        data = layout_bytes(FILE_ACCESS_CONTROL, self, self.unknown, **counts)
        data += ids_bytes(self.content_owner_ids + self.save_data_owner_ids, what)
        canvas.put(offset, data, what)
        return _given_size(self.size, len(data), what)


def _given_size(given: int | None, needed: int, what: str) -> int:
    size = place_of(given, needed)
    if size < needed:
        raise FormatError(f"{size:#x} bytes are given, it needs {needed:#x}: leave the size out", what=what, field="size")
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccessHeader:
    """What the ACI0 asks for.

    Attributes:
        content_owners_offset: Where the content owner ids stand, where that is not behind the header.
        content_owners_size: Bytes of them, where that is not what they need.
        save_data_owners_offset: Where the save data owners stand, where that is not behind the content owners.
        save_data_owners_size: Bytes of them, where that is not what they need.
        size: Bytes of the table, where that is not what its parts need.
        unknown: What reserved fields have that is not zero.
    """

    version: int = part(Number(8), 1, hide=True)
    permissions: FsPermissions = part(Flags(FsPermissions, 64), FsPermissions(0))
    content_owner_ids: tuple[int, ...] = part(IdsKind(), (), hide=True, show=True)
    save_data_owners: tuple[SaveDataOwner, ...] = part(OwnersKind(), (), hide=True, show=True)
    content_owners_offset: int | None = part(_OFFSET, None, hide=True)
    content_owners_size: int | None = part(_OFFSET, None, hide=True)
    save_data_owners_offset: int | None = part(_OFFSET, None, hide=True)
    save_data_owners_size: int | None = part(_OFFSET, None, hide=True)
    size: int | None = part(_OFFSET, None, hide=True)
    unknown: Residue = part(ResidueKind(FILE_ACCESS_HEADER.size), (), hide=True)

    @classmethod
    def read(cls, data: bytes, storage: Storage, offset: int) -> FileAccessHeader:
        """Read a table, which is all of ``data``.

        Raises:
            CorruptError: A part runs over its end, or owners over the end of their part.
        """
        layout = FILE_ACCESS_HEADER
        raw: npdm.FileAccessHeader
        found, raw, unknown = fields_from_layout(cls, layout, data, storage, offset, _PLACES)
        content = _OwnersBlock(raw.content_owners_offset, raw.content_owners_size, "content_owners", rights=False)
        save = _OwnersBlock(raw.save_data_owners_offset, raw.save_data_owners_size, "save_data_owners", rights=True)
        content_ids, _ = content.read(data, storage, offset)
        save_ids, rights = save.read(data, storage, offset)
        owners = tuple(SaveDataOwner(each, _RIGHT.from_raw(right)) for each, right in zip(save_ids, rights, strict=True))
        value = cls(**found, content_owner_ids=content_ids, save_data_owners=owners, unknown=unknown)
        stored = (content.offset, content.size, save.offset, save.size, len(data))
        places: dict[str, Any] = dict(zip((*_PLACES, "size"), places_given(stored, value._usual(stored)), strict=True))
        return replace(value, **places)

    def _usual(self, places: tuple[int | None, ...]) -> tuple[int, ...]:
        """Where parts stand if nothing is given, each after those that ``places`` has before it."""
        content_offset = place_of(places[0], FILE_ACCESS_HEADER.size)
        content_size = _OwnersBlock.needs(len(self.content_owner_ids), rights=False)
        content_end = content_offset + place_of(places[1], content_size)
        save_size = _OwnersBlock.needs(len(self.save_data_owners), rights=True)
        save_end = place_of(places[2], content_end) + place_of(places[3], save_size)
        return FILE_ACCESS_HEADER.size, content_size, content_end, save_size, max(FILE_ACCESS_HEADER.size, content_end, save_end)

    def put(self, canvas: Canvas, offset: int) -> int:
        """Put the table on a canvas; return its size.

        Raises:
            FormatError: A part does not fit the size that is given for it.
        """
        what = FILE_ACCESS_HEADER.name
        given = (*(getattr(self, name) for name in _PLACES), self.size)
        usual = self._usual(given)
        places = tuple(map(place_of, given, usual))
        size = _given_size(self.size, usual[-1], what)
        canvas.put(offset, layout_bytes(FILE_ACCESS_HEADER, self, self.unknown, **dict(zip(_PLACES, places, strict=False))), what)
        _given_size(self.content_owners_size, usual[1], what)
        _given_size(self.save_data_owners_size, usual[3], what)
        if self.content_owner_ids:
            ids = ids_bytes(self.content_owner_ids, what)
            canvas.put(offset + places[0], len(self.content_owner_ids).to_bytes(4, "little") + ids, "NPDM content owners")
        if self.save_data_owners:
            rights = bytes(_right(each, what) for each in self.save_data_owners)
            at = offset + places[2]
            canvas.put(at, len(rights).to_bytes(4, "little") + rights, "NPDM save data owners")
            canvas.put(
                at + align(4 + len(rights), 4), ids_bytes(tuple(each.id for each in self.save_data_owners), what), "NPDM save data owners"
            )
        return size


_PLACES = ("content_owners_offset", "content_owners_size", "save_data_owners_offset", "save_data_owners_size")
_RIGHT = Choice(SaveDataAccess)


def _right(owner: SaveDataOwner, what: str) -> int:
    if not 0 <= owner.access <= 0xFF:
        raise FormatError(f"the access {owner.access} does not fit a byte", what=what, field="save_data_owners")
    return owner.access


def places_given(stored: tuple[int, ...], usual: tuple[int, ...]) -> tuple[int | None, ...]:
    """Return what must be given for offsets and sizes to become those of a file: nothing where they are the usual ones."""
    return tuple(None if place == expected else place for place, expected in zip(stored, usual, strict=True))


@dataclass(frozen=True, slots=True)
class _OwnersBlock:
    """A count, a byte of rights for each (or not), and ids, in ``size`` bytes from ``offset`` of the table on; nothing if ``size`` is 0."""

    offset: int
    size: int
    field: str
    rights: bool

    @staticmethod
    def needs(count: int, *, rights: bool) -> int:
        """Bytes that so many owners need."""
        return (align(4 + count, 4) if rights else 4) + 8 * count if count else 0

    def read(self, data: bytes, storage: Storage, offset: int) -> tuple[tuple[int, ...], bytes]:
        """Return the ids, and their rights."""
        what = FILE_ACCESS_HEADER.name
        if self.offset + self.size > len(data):
            problem = f"{self.size:#x} bytes at {self.offset:#x}, it has {len(data):#x}"
            raise corrupt(problem, what=what, storage=storage, offset=offset, field=self.field)
        if not self.size:
            return (), b""
        block = data[self.offset : self.offset + self.size]
        count = int.from_bytes(block[:4], "little")
        if len(block) < max(4, self.needs(count, rights=self.rights)):
            problem = f"{count} owners do not fit {len(block):#x} bytes"
            raise corrupt(problem, what=what, storage=storage, offset=offset + self.offset, field=self.field)
        ids_at = align(4 + count, 4) if self.rights else 4
        return _ids(block[ids_at : ids_at + 8 * count]), block[4 : 4 + count] if self.rights else b""
