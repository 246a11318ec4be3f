"""What files and the contents of NCAs say, as data: metadata, executables, icons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import ContentType, FsType
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import EntryNotFoundError, FormatError, MissingBaseError, MissingKeyError, NotThisFormatError, OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.jobs.describe_nca import Description
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["control_of", "exefs_of", "file_facts", "meta_of", "nca_contents"]

_ICONS = (".jpg", ".dat")


def file_facts(name: str, storage: Storage, languages: Sequence[int] = (), *, top: bool = False) -> Description:
    """Return what a file is that is no container; nothing where it is not known.

    Args:
        name: Its name.
        storage: Its bytes.
        languages: Preferred languages of titles, the best first.
        top: Whether the question is about this file: then all fields of metadata are told, and segments are looked into.

    Raises:
        FormatError: It is of a known kind, and damaged.
    """
    from oboromi_fs.jobs.describe_executables import executable_facts
    from oboromi_fs.jobs.describe_metadata import metadata_facts

    found = metadata_facts(name, storage, languages, fields=top) or executable_facts(storage, deep=top)
    if found is None and name.lower().endswith(_ICONS):
        found = _icon(storage)
    return found or {}


def _icon(storage: Storage) -> Description | None:
    from oboromi_fs.metadata.icon import jpeg_size

    try:
        width, height = jpeg_size(storage)
    except NotThisFormatError:
        return None
    except FormatError as wrong:
        return {"problems": [str(wrong)]}
    return {"kind": "jpeg", "width": width, "height": height}


def exefs_of(nca: Nca) -> FileSystem | None:
    """Return the ExeFS of a Program NCA, None where it has none.

    Raises:
        FormatError, MissingKeyError: It cannot be read.
    """
    section = next((each for each in nca.sections.values() if each.name == "exefs"), None)
    return NspArchive(section.image()) if section is not None and section.header.fs_type == FsType.PARTITION_FS else None


def control_of(nca: Nca) -> FileSystem | None:
    """Return the file system of a Control NCA, None where it has none.

    Raises:
        FormatError, MissingKeyError: It cannot be read.
    """
    section = next(iter(nca.sections.values()), None)
    return RomFs(section.image()) if section is not None and section.header.fs_type == FsType.ROMFS else None


def meta_of(nca: Nca) -> tuple[str, Storage] | None:
    """Return the content meta in a Meta NCA, with its name; None where there is none.

    Raises:
        FormatError, MissingKeyError: It cannot be read.
    """
    section = next(iter(nca.sections.values()), None)
    if section is None or section.header.fs_type != FsType.PARTITION_FS:
        return None
    archive = NspArchive(section.image())
    name = next((name for name in archive.members if name.lower().endswith(".cnmt")), None)
    return None if name is None else (name, archive.storage(name))


def nca_contents(nca: Nca, languages: Sequence[int] = (), *, top: bool = False) -> Description:
    """Return what an NCA holds that says what it is for: ``program``, and where the question is about it, ``application`` or ``meta``.

    Nothing where a key is absent; what is damaged is among the ``problems`` of each.
    """
    from oboromi_fs.jobs.describe_executables import exefs_facts
    from oboromi_fs.jobs.describe_metadata import metadata_facts

    kind = nca.header.content_type
    try:
        if kind == ContentType.PROGRAM:
            exefs = exefs_of(nca)
            return {"program": exefs_facts(exefs)} if exefs is not None else {}
        if not top:
            return {}
        if kind == ContentType.CONTROL:
            control = control_of(nca)
            name = "control.nacp"
            return {"application": metadata_facts(name, control.storage(name), languages)} if control is not None else {}
        if kind == ContentType.META:
            found = meta_of(nca)
            return {"meta": metadata_facts(*found)} if found is not None else {}
    except (MissingKeyError, MissingBaseError, EntryNotFoundError):  # What is missing is told with keys and sections, and by verify.
        return {}
    except OboromiFsError as wrong:
        return {"problems": [str(wrong)]}
    return {}
