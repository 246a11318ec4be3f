"""Extended headers of a CNMT: what each type of title has besides the common header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_formats.cnmt import CNMT_HEADER, EXTENDED_HEADERS, MetaType
from oboromi_fs.metadata.forms import fields_from_layout, part
from oboromi_fs.metadata.kinds import Number
from oboromi_fs.metadata.residue import Residue, ResidueKind
from oboromi_fs.metadata.versions import SystemVersion, TitleVersion

if TYPE_CHECKING:
    from oboromi_formats.layout import Layout
    from oboromi_fs.protocols import Storage

__all__ = [
    "HEADERS",
    "WITH_DATA",
    "AddOnContentHeader",
    "ApplicationHeader",
    "DataPatchHeader",
    "DeltaHeader",
    "ExtendedHeader",
    "PatchHeader",
    "SystemUpdateHeader",
    "form_of",
    "read_extended",
    "related_ids",
]

_ID = Number(64, digits=16)
_DECLARED = Number(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationHeader:
    """Extended header of an application."""

    patch_id: int = part(_ID)
    required_system_version: int = part(SystemVersion(), 0)
    required_application_version: int = part(TitleVersion(), 0)
    unknown: Residue = part(ResidueKind(), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchHeader:
    """Extended header of an update. ``extended_data_size`` is given where it is not that of the extended data; so below."""

    application_id: int = part(_ID)
    required_system_version: int = part(SystemVersion(), 0)
    extended_data_size: int | None = part(_DECLARED, None, hide=True)
    unknown: Residue = part(ResidueKind(), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnContentHeader:
    """Extended header of add-on content; the older form, before 15.0.0, has no ``data_patch_id``: None."""

    application_id: int = part(_ID)
    required_application_version: int = part(TitleVersion(), 0)
    accessibilities: int = part(Number(8), 0)
    data_patch_id: int | None = part(_ID, None, hide=True)
    unknown: Residue = part(ResidueKind(), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaHeader:
    """Extended header of a delta."""

    application_id: int = part(_ID)
    extended_data_size: int | None = part(_DECLARED, None, hide=True)
    unknown: Residue = part(ResidueKind(), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUpdateHeader:
    """Extended header of a system update."""

    extended_data_size: int | None = part(_DECLARED, None, hide=True)
    unknown: Residue = part(ResidueKind(), (), hide=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPatchHeader:
    """Extended header of an update to add-on content."""

    data_id: int = part(_ID)
    application_id: int = part(_ID)
    required_application_version: int = part(TitleVersion(), 0)
    extended_data_size: int | None = part(_DECLARED, None, hide=True)
    unknown: Residue = part(ResidueKind(), (), hide=True)


ExtendedHeader: TypeAlias = "ApplicationHeader | PatchHeader | AddOnContentHeader | DeltaHeader | SystemUpdateHeader | DataPatchHeader"

WITH_DATA = (PatchHeader, DeltaHeader, SystemUpdateHeader, DataPatchHeader)
HEADERS: dict[int, type[Any]] = {
    MetaType.APPLICATION: ApplicationHeader,
    MetaType.PATCH: PatchHeader,
    MetaType.ADD_ON_CONTENT: AddOnContentHeader,
    MetaType.DELTA: DeltaHeader,
    MetaType.SYSTEM_UPDATE: SystemUpdateHeader,
    MetaType.DATA_PATCH: DataPatchHeader,
}


def related_ids(title_id: int, kind: int) -> dict[str, int]:
    """Return the ids of other titles that an extended header has unless it is told otherwise."""
    application = {
        MetaType.PATCH: title_id - 0x800,
        MetaType.ADD_ON_CONTENT: (title_id - 0x1000) & ~0xFFF,
        MetaType.DELTA: title_id & ~0xFFF,
    }.get(MetaType(kind), 0)
    return {"patch_id": title_id + 0x800 & (1 << 64) - 1, "application_id": max(application, 0), "data_id": 0}


def form_of(kind: int, extended: Any) -> Layout[Any]:
    """Return the layout of an extended header: the older one for add-on content without a data patch."""
    forms = EXTENDED_HEADERS[kind]
    return forms[-1] if isinstance(extended, AddOnContentHeader) and extended.data_patch_id is None else forms[0]


def read_extended(kind: int, data: bytes, storage: Storage) -> tuple[ExtendedHeader | None, bytes]:
    """Read an extended header.

    Args:
        kind: The title's type.
        data: The header, all of it.
        storage: Where it comes from, for error messages.

    Returns:
        The header, None if the type has none or it is too short; and the bytes behind it.
    """
    for layout in EXTENDED_HEADERS.get(kind, ()):
        if layout.size <= len(data):
            cls = HEADERS[kind]
            found, _, unknown = fields_from_layout(cls, layout, data, storage, CNMT_HEADER.size)
            if layout is not EXTENDED_HEADERS[kind][0]:
                found.pop("data_patch_id", None)
            value: ExtendedHeader = cls(**found, unknown=unknown)
            return value, data[layout.size :]
    return None, data
