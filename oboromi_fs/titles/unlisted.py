"""Contents that no content meta lists: loose NCAs by their headers, and folders of what was in them; and what ids tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.nca import ContentType
from oboromi_fs.contents import ContentMeta
from oboromi_fs.errors import FormatError
from oboromi_fs.paths import join
from oboromi_fs.titles.found import FoundContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.base import FileSystemBase

__all__ = ["FAMILY", "Headline", "application_of", "by_headers", "contents_in", "extracted_meta", "program_id_in"]

FAMILY = 0xFFF
"""Bits in which the ids of an application, its programs and its update may differ."""
_UPDATE = 0x800
_ADD_ON = 0x1000
_MOST_BYTES = 1 << 26
_RECORDS = {
    ContentType.PROGRAM: RecordType.PROGRAM,
    ContentType.CONTROL: RecordType.CONTROL,
    ContentType.MANUAL: RecordType.HTML_DOCUMENT,
    ContentType.DATA: RecordType.DATA,
    ContentType.PUBLIC_DATA: RecordType.DATA,
}
_FOLDERS = {
    "exefs": RecordType.PROGRAM,
    "romfs": RecordType.PROGRAM,
    "control": RecordType.CONTROL,
    "manual": RecordType.HTML_DOCUMENT,
}


class Headline(NamedTuple):
    """What the header of an NCA says of the title it belongs to.

    Attributes:
        program_id: Of the title, or of one of its programs.
        content_type: A :class:`~oboromi_formats.nca.ContentType`, or another number.
        is_update: Whether it holds only what differs from a base.
    """

    program_id: int
    content_type: int
    is_update: bool

    @classmethod
    def of(cls, nca: Nca) -> Headline:
        """Take it from an NCA, which may then be closed."""
        return cls(nca.header.program_id, nca.header.content_type, nca.is_update)


def application_of(title_id: int, kind: int) -> int:
    """Return the application that a title belongs to, by its id.

    Example:
        >>> [f"{application_of(0x0100000000010000 + low, kind):x}" for low, kind in ((0, 0x80), (0x800, 0x81), (0x1001, 0x82))]
        ['100000000010000', '100000000010000', '100000000010000']
    """
    if kind in (MetaType.ADD_ON_CONTENT, MetaType.DATA_PATCH):
        return (title_id - _ADD_ON) & ~FAMILY
    if kind in (MetaType.PATCH, MetaType.DELTA):
        return title_id & ~FAMILY
    return title_id


def by_headers(ncas: Mapping[str, Headline], sizes: Mapping[str, int]) -> list[tuple[int, MetaType, tuple[FoundContent, ...]]]:
    """Group NCAs by the ids in their headers.

    Args:
        ncas: By where they are below the package; those of no type that a title has are passed over.
        sizes: The size of each file.

    Returns:
        Id and type of each title, and its contents.
    """
    groups: dict[tuple[int, bool], list[FoundContent]] = {}
    for path, nca in ncas.items():
        program, kind = nca.program_id, nca.content_type
        record = _RECORDS.get(ContentType(kind)) if kind in tuple(ContentType) else None
        if record is None:
            continue
        addon = bool(program & _ADD_ON) and record == RecordType.DATA
        update = nca.is_update or bool(program & _UPDATE)
        title = program if addon else program & ~FAMILY | (_UPDATE if update else 0)
        stem = path.rpartition("/")[2].partition(".")[0].lower()
        content = FoundContent(record, stem, sizes[path], program & 0xFF, b"", path, sizes[path])
        groups.setdefault((title, addon), []).append(content)
    return [
        (title, MetaType.ADD_ON_CONTENT if addon else MetaType.PATCH if title & _UPDATE else MetaType.APPLICATION, tuple(contents))
        for (title, addon), contents in groups.items()
    ]


def extracted_meta(fs: FileSystemBase, path: str) -> ContentMeta:
    """Read the content meta in a folder of what was in a Meta NCA.

    Raises:
        FormatError: There is none, or it is damaged.
    """
    for inner, entry in fs.walk(path):
        if entry.kind == "file" and inner.lower().endswith(".cnmt"):
            if entry.size > _MOST_BYTES:
                raise FormatError(f"has {entry.size:#x} bytes, {_MOST_BYTES:#x} are the most that are read", what="CNMT", source=path)
            return ContentMeta.read(fs.storage(join(path, inner)), inner.rpartition("/")[2])
    raise FormatError("the folder holds no content meta", what="CNMT", source=path)


def program_id_in(folder: FileSystemBase) -> int:
    """Return the id of the program in an extracted folder, as its NPDM has it; 0 without one.

    Raises:
        FormatError: The NPDM is damaged.
    """
    if not folder.is_file("exefs/main.npdm"):
        return 0
    from oboromi_fs.metadata.npdm import Npdm

    return Npdm.read(folder.storage("exefs/main.npdm")).aci0.program_id


def contents_in(folder: FileSystemBase, title_id: int) -> tuple[FoundContent, ...]:
    """Return the contents of an extracted folder: each is the folder itself, which knows its trees by their names."""
    there = {kind for name, kind in _FOLDERS.items() if folder.is_dir(name)}
    return tuple(FoundContent(kind, "", 0, title_id & 0xFF, b"", "") for kind in sorted(there))
