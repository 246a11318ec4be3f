"""Content meta (CNMT): which NCAs make up one version of a title. Source: Switchbrew wiki, "CNMT"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import (
    CNMT_HEADER,
    CONTENT_RECORD,
    EXTENDED_HEADERS,
    META_RECORD,
    CnmtHeader,
    ContentRecord,
    MetaRecord,
    MetaType,
    RecordType,
)
from oboromi_formats.nca import ContentType
from oboromi_fs._decode import decode, decode_many, error
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.errors import CorruptError, EntryNotFoundError

if TYPE_CHECKING:
    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.protocols import Storage

__all__ = ["ContentMeta", "meta_type_name", "record_type_name"]

_META_NAMES = {
    MetaType.SYSTEM_PROGRAM: "SystemProgram",
    MetaType.SYSTEM_DATA: "SystemData",
    MetaType.SYSTEM_UPDATE: "SystemUpdate",
    MetaType.BOOT_IMAGE_PACKAGE: "BootImagePackage",
    MetaType.BOOT_IMAGE_PACKAGE_SAFE: "BootImagePackageSafe",
    MetaType.APPLICATION: "Application",
    MetaType.PATCH: "Patch",
    MetaType.ADD_ON_CONTENT: "AddOnContent",
    MetaType.DELTA: "Delta",
    MetaType.DATA_PATCH: "DataPatch",
}
_RECORD_NAMES = {
    RecordType.META: "Meta",
    RecordType.PROGRAM: "Program",
    RecordType.DATA: "Data",
    RecordType.CONTROL: "Control",
    RecordType.HTML_DOCUMENT: "HtmlDocument",
    RecordType.LEGAL_INFORMATION: "LegalInformation",
    RecordType.DELTA_FRAGMENT: "DeltaFragment",
}


def meta_type_name(number: int) -> str:
    """Return the name of a meta type, as it begins the file name of a CNMT."""
    return {int(kind): name for kind, name in _META_NAMES.items()}.get(number, f"type {number:#x}")


def record_type_name(number: int) -> str:
    """Return the name of a content record's type."""
    return {int(kind): name for kind, name in _RECORD_NAMES.items()}.get(number, f"type {number}")


@dataclass(frozen=True, slots=True)
class ContentMeta:
    """A CNMT as read.

    Attributes:
        name: File name inside the Meta NCA.
        header: Ids, version, type.
        extended: The extended header of the type (a layout's value), or None where it has none or an unknown one.
        records: The NCAs of the title.
        metas: Other titles it names (system updates).
        data: The whole file, bytes.
    """

    name: str
    header: CnmtHeader
    extended: object | None
    records: tuple[ContentRecord, ...]
    metas: tuple[MetaRecord, ...]
    data: bytes

    @classmethod
    def read(cls, storage: Storage, name: str = "") -> ContentMeta:
        """Read a ``.cnmt`` file.

        Raises:
            CorruptError: Records or extended header run over the file.
        """
        header = decode(CNMT_HEADER, storage)
        at = CNMT_HEADER.size
        if at + header.extended_header_size > storage.size:
            problem = f"an extended header of {header.extended_header_size:#x} bytes, the file has {storage.size:#x}"
            raise error(CorruptError, problem, what="CNMT header", storage=storage, offset=0x0E, field="extended_header_size")
        extended = None
        for layout in EXTENDED_HEADERS.get(header.type, ()):
            if layout.size <= header.extended_header_size:
                extended = decode(layout, storage, at)
                break
        at += header.extended_header_size
        records = decode_many(CONTENT_RECORD, storage, at, header.content_count)
        at += header.content_count * CONTENT_RECORD.size
        metas = decode_many(META_RECORD, storage, at, header.meta_count)
        return cls(name, header, extended, tuple(records), tuple(metas), storage[:].tobytes())

    @classmethod
    def of_nca(cls, nca: Nca) -> ContentMeta:
        """Read the CNMT in a Meta NCA.

        Raises:
            EntryNotFoundError: The NCA holds none.
            FormatError: It is not a Meta NCA, or damaged.
            MissingKeyError: Its key is absent.
        """
        if nca.header.content_type != ContentType.META or not nca.sections:
            problem = "not a Meta NCA"
            raise error(CorruptError, problem, what="NCA header", storage=nca.raw, offset=0x205, field="content_type")
        archive = NspArchive(next(iter(nca.sections.values())).image())
        for name in archive.members:
            if name.lower().endswith(".cnmt"):
                return cls.read(archive.storage(name), name)
        raise EntryNotFoundError("*.cnmt", "the Meta NCA holds no content meta")

    @property
    def title(self) -> str:
        """Id, version and type in a few words."""
        return f"{self.header.title_id:016x} v{self.header.version} ({meta_type_name(self.header.type)})"
