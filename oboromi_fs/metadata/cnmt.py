"""Content meta (CNMT) as a value, and as text. Source: Switchbrew wiki, "CNMT", "NPDM", "Control.nacp" and "Ticket"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from oboromi_formats.cnmt import (
    CNMT_HEADER,
    CONTENT_RECORD,
    DIGEST_SIZE,
    META_RECORD,
    InstallType,
    MetaAttributes,
    MetaType,
)
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.cursor import Cursor
from oboromi_fs.metadata.extended_data import data_of_table, read_data
from oboromi_fs.metadata.extended_headers import HEADERS, WITH_DATA, AddOnContentHeader, ExtendedHeader, form_of, read_extended, related_ids
from oboromi_fs.metadata.forms import fields_from_layout, from_table, kinds_of, layout_bytes, part, source_of, to_table
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Choice, Flags, Hex, Number
from oboromi_fs.metadata.records import META_TYPE, Content, MetaReference, Records
from oboromi_fs.metadata.residue import Residue, ResidueKind
from oboromi_fs.metadata.versions import SystemVersion, TitleVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_fs.metadata.extended_data import ExtendedData
    from oboromi_fs.metadata.keypath import Plain
    from oboromi_fs.protocols import Storage

__all__ = ["SYSTEM_TYPES", "Cnmt", "Content", "MetaReference"]

MOST_BYTES = 1 << 26
"""More than all records and extended data that were ever seen."""

_ID = Number(64, digits=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cnmt:
    """A ``.cnmt``.

    Attributes:
        extended: What the type has besides; None where the type has nothing, or where it is too short or of an unknown type, and then all
            of it stands in ``extended_rest``.
        extended_rest: Bytes of the extended header behind ``extended``.
        contents: The NCAs, without the Meta NCA itself.
        metas: Other titles.
        extended_data: What stands between the records and the digest; see :meth:`history`.
        digest: The last 0x20 bytes; zeros are usual.
        unknown: What reserved fields of the header have that is not zero.

    Example:
        From scratch, id and type are enough; the id of an application's update, or of what an update or add-on belongs to, comes from them.

        >>> cnmt = Cnmt.from_dict({
        ...     "title_id": "0x0100feedface0800", "type": "Patch", "version": "v65536",
        ...     "contents": [{"type": "Program", "hash": "ab" * 32, "size": 4096}],
        ... })
        >>> hex(cnmt.extended.application_id), cnmt.file_name, len(cnmt.to_bytes())
        ('0x100feedface0000', 'Patch_0100feedface0800.cnmt', 144)
        >>> Cnmt.read(cnmt.to_bytes()) == cnmt
        True
    """

    format: ClassVar[str] = "CNMT"

    title_id: int = part(_ID)
    version: int = part(TitleVersion(), 0)
    type: MetaType | int = part(META_TYPE)
    platform: int = part(Number(8), 0)
    attributes: MetaAttributes = part(Flags(MetaAttributes, 8), MetaAttributes(0))
    storage_id: int = part(Number(8), 0)
    install_type: InstallType | int = part(Choice(InstallType), InstallType.FULL)
    committed: int = part(Number(8), 0)
    required_download_system_version: int = part(SystemVersion(), 0)
    extended: ExtendedHeader | None = None
    extended_rest: bytes = part(Hex(), b"", hide=True)
    contents: tuple[Content, ...] = ()
    metas: tuple[MetaReference, ...] = ()
    extended_data: bytes = part(Hex(), b"", hide=True)
    digest: bytes = part(Hex(DIGEST_SIZE), bytes(DIGEST_SIZE), hide=True)
    unknown: Residue = part(ResidueKind(CNMT_HEADER.size), (), hide=True)

    @property
    def file_name(self) -> str:
        """What the file is called in its Meta NCA."""
        kind = str(META_TYPE.plain(self.type)) if isinstance(META_TYPE.plain(self.type), str) else "Unknown"
        return f"{kind}_{self.title_id:016x}.cnmt"

    @classmethod
    def read(cls, source: Storage | Buffer) -> Cnmt:
        """Read a CNMT.

        Args:
            source: A storage, or bytes.

        Raises:
            CorruptError: Extended header, records, extended data or digest run over its end.
        """
        storage, data = source_of(source, cls.format, MOST_BYTES)
        found, raw, unknown = fields_from_layout(cls, CNMT_HEADER, data, storage, 0, _COUNTS)
        records_at = CNMT_HEADER.size + raw.extended_header_size
        metas_at = records_at + raw.content_count * CONTENT_RECORD.size
        data_at = metas_at + raw.meta_count * META_RECORD.size
        if data_at + DIGEST_SIZE > len(data):
            problem = f"header, records and digest need {data_at + DIGEST_SIZE:#x} bytes, the file has {len(data):#x}"
            raise corrupt(problem, what=CNMT_HEADER.name, storage=storage, offset=0x0E, field="extended_header_size")
        extended, rest = read_extended(raw.type, data[CNMT_HEADER.size : records_at], storage)
        extended_data = data[data_at:-DIGEST_SIZE]
        if isinstance(extended, WITH_DATA) and extended.extended_data_size is not None:
            declared = extended.extended_data_size
            if declared > len(extended_data):
                problem = f"extended data of {declared:#x} bytes, {len(extended_data):#x} stand between records and digest"
                raise corrupt(problem, what=CNMT_HEADER.name, storage=storage, offset=CNMT_HEADER.size, field="extended_data_size")
            if declared == len(extended_data):
                extended = replace(extended, extended_data_size=None)
        cursor = Cursor(data[records_at:data_at], storage, records_at)
        return cls(
            **found,
            extended=extended,
            extended_rest=rest,
            contents=tuple(Content.take(cursor) for _ in range(raw.content_count)),
            metas=tuple(MetaReference(**cursor.fields(MetaReference, META_RECORD)[0]) for _ in range(raw.meta_count)),
            extended_data=extended_data,
            digest=data[-DIGEST_SIZE:],
            unknown=unknown,
        )

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            FormatError: A value does not fit its field, or the extended header is another type's.
        """
        extended = self._extended_bytes() + self.extended_rest
        counts = {"extended_header_size": len(extended), "content_count": len(self.contents), "meta_count": len(self.metas)}
        pieces = [layout_bytes(CNMT_HEADER, self, self.unknown, **counts), extended]
        pieces += [each.to_bytes() for each in self.contents]
        pieces += [each.to_bytes() for each in self.metas]
        if len(self.digest) != DIGEST_SIZE:
            raise FormatError(f"{len(self.digest)} bytes, {DIGEST_SIZE} are needed", what=self.format, field="digest")
        return b"".join((*pieces, self.extended_data, self.digest))

    def _extended_bytes(self) -> bytes:
        if self.extended is None:
            return b""
        if HEADERS.get(self.type) is not type(self.extended):
            problem = f"{type(self.extended).__name__} does not belong to type {META_TYPE.plain(self.type)}"
            raise FormatError(problem, what=self.format, field="extended_header")
        layout = form_of(self.type, self.extended)
        replaced = {}
        if isinstance(self.extended, WITH_DATA):
            there, declared = len(self.extended_data), self.extended.extended_data_size
            replaced["extended_data_size"] = there if declared is None else declared
            if replaced["extended_data_size"] > there:
                problem = f"{declared} bytes are given, there are {there}: leave the size out"
                raise FormatError(problem, what=self.format, field="extended_data_size")
        if isinstance(self.extended, AddOnContentHeader) and self.extended.data_patch_id is None:
            replaced["data_patch_id"] = 0
        return layout_bytes(layout, self.extended, self.extended.unknown, **replaced)

    def history(self) -> ExtendedData | None:
        """Return what ``extended_data`` say: of earlier versions and deltas (updates, deltas) or of variations (system updates).

        Raises:
            CorruptError: Counts in them contradict each other, or records run over their end.
        """
        return read_data(self.type, self.extended_data)

    def _described(self) -> ExtendedData | None:
        """The extended data, if their value says all that they say."""
        try:
            value = self.history()
            return value if value is not None and value.to_bytes() == self.extended_data else None
        except FormatError:
            return None

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values, for TOML and JSON; see :meth:`from_dict`."""
        table: dict[str, Plain] = {"format": self.format, **to_table(self)}
        table["version"] = _version(self.type, self.version)
        if self.extended is not None:
            table["extended_header"] = to_table(self.extended)
        elif self.type in HEADERS:
            table["extended_header"] = False
        data = self._described()
        if data is not None:
            table["extended_data"] = to_table(data)
        if self.contents:
            table["contents"] = [dict(to_table(each)) for each in self.contents]
        if self.metas:
            table["metas"] = [{**to_table(each), "version": _version(each.type, each.version)} for each in self.metas]
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> Cnmt:
        """Return the CNMT that a table of plain values describes.

        Only ``title_id`` and ``type`` are needed. A content needs ``type``, ``hash`` and ``size``; ``extended_data`` are a table or
        hexadecimal digits. An ``extended_header`` of false is for a type that should have one and has none.

        Args:
            table: The values.
            source: Name of the file they came from, for error messages.

        Raises:
            FormatError: A key is unknown, or a value does not fit; the error names the key.
        """
        path = KeyPath(cls.format, source=source)
        rest = path.begin(table)
        contents = Records(Content).parse(rest.pop("contents", []), path / "contents")
        metas = Records(MetaReference).parse(rest.pop("metas", []), path / "metas")
        plain = rest.pop("extended_header", {})
        described = rest.pop("extended_data") if isinstance(rest.get("extended_data"), dict) else None
        found = from_table(cls, rest, path)
        path.finish(rest, (*kinds_of(cls), "extended_header", "contents", "metas"))
        if described is not None:
            found["extended_data"] = data_of_table(found["type"], described, path / "extended_data")
        header = HEADERS.get(found["type"])
        extended = None
        if plain is not False:
            at = path / "extended_header"
            values = at.table(plain)
            if header is not None:
                extended = header(**from_table(header, values, at, related_ids(found["title_id"], found["type"])))
                size = form_of(found["type"], extended).size
                for offset, run in extended.unknown:
                    if offset + len(run) > size:
                        raise (at / "unknown").error(f"{len(run)} bytes at {offset:#x} lie outside {size:#x}")
            at.finish(values, kinds_of(header) if header else ())
        return cls(extended=extended, contents=contents, metas=metas, **found)


_COUNTS = ("extended_header_size", "content_count", "meta_count")
SYSTEM_TYPES = range(MetaType.SYSTEM_PROGRAM, MetaType.BOOT_IMAGE_PACKAGE_SAFE + 1)
"""Types whose versions are those of the system."""


def _version(kind: int, version: int) -> Plain:
    """A title's version as text says it: titles of the system have the system's versions."""
    return SystemVersion().plain(version) if kind in SYSTEM_TYPES else version
