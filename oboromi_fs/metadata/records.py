"""Records of a CNMT: the NCAs and the other titles that belong to a title, and lists of records in texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_formats.cnmt import CONTENT_RECORD, META_RECORD, MetaType, RecordType
from oboromi_fs._decode import decode_bytes
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.forms import from_table, kinds_of, layout_bytes, part, to_table
from oboromi_fs.metadata.kinds import Choice, Hex, Kind, Number
from oboromi_fs.metadata.residue import Residue, ResidueKind
from oboromi_fs.metadata.versions import TitleVersion

if TYPE_CHECKING:
    from oboromi_fs.metadata.cursor import Cursor
    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = ["META_TYPE", "RECORD_TYPE", "Content", "MetaReference", "Records"]

META_TYPE = Choice(MetaType)
RECORD_TYPE = Choice(RecordType)
_ID = Number(64, digits=16)


class Records(Kind):
    """Records of one class; plainly a list of tables.

    Args:
        cls: A class whose fields all have kinds.
    """

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [dict(to_table(each)) for each in value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the records of a list, as many as a count of 16 bits can say."""
        found = []
        for at, each in path.items(plain):
            table = at.table(each)
            found.append(self.cls(**from_table(self.cls, table, at)))
            at.finish(table, kinds_of(self.cls))
        if len(found) > 0xFFFF:
            raise path.error(f"{len(found)} of them, at most {0xFFFF} fit")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One NCA of the title.

    Attributes:
        hash: SHA-256 of the file, 0x20 bytes.
        content_id: What the file's name begins with, 0x10 bytes; None stands for the first half of ``hash``.
        size: Bytes of the file, below 1 << 40.
        id_offset: What to add to the title's id for the id of the program.
    """

    type: RecordType | int = part(RECORD_TYPE)
    hash: bytes = part(Hex(0x20))
    content_id: bytes | None = part(Hex(0x10), None, hide=True)
    size: int = part(Number(40))
    attributes: int = part(Number(8), 0)
    id_offset: int = part(Number(8), 0)

    @property
    def id(self) -> bytes:
        """The content id, in any case."""
        return self.hash[:0x10] if self.content_id is None else self.content_id

    @classmethod
    def take(cls, cursor: Cursor) -> Content:
        """Read the next record.

        Raises:
            CorruptError: It runs over the end.
        """
        at = cursor.at
        raw = decode_bytes(CONTENT_RECORD, cursor.data[at : at + CONTENT_RECORD.size], storage=cursor.storage, offset=cursor.offset + at)
        cursor.at += CONTENT_RECORD.size
        return cls(
            type=RECORD_TYPE.from_raw(raw.type),
            hash=raw.hash,
            content_id=None if raw.content_id == raw.hash[:0x10] else raw.content_id,
            size=raw.size,
            attributes=raw.attributes,
            id_offset=raw.id_offset,
        )

    def to_bytes(self) -> bytes:
        """Return the record.

        Raises:
            FormatError: A value does not fit its field.
        """
        if not 0 <= self.size < 1 << 40:
            raise FormatError(f"{self.size} does not fit 40 bits", what=CONTENT_RECORD.name, field="size")
        low, high = self.size & 0xFFFFFFFF, self.size >> 32
        return layout_bytes(CONTENT_RECORD, self, (), content_id=self.id, size_low=low, size_high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaReference:
    """Another title that belongs to this one; used by system updates."""

    id: int = part(_ID)
    version: int = part(TitleVersion())
    type: MetaType | int = part(META_TYPE)
    attributes: int = part(Number(8), 0)
    unknown: Residue = part(ResidueKind(META_RECORD.size), (), hide=True)

    def to_bytes(self) -> bytes:
        """Return the record.

        Raises:
            FormatError: A value does not fit its field.
        """
        return layout_bytes(META_RECORD, self, self.unknown)
