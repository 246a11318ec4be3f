"""Content meta from NCAs as they were built, and the image that a Meta NCA holds it in.

Source: Switchbrew wiki, "CNMT", "NPDM", "Control.nacp" and "Ticket".

A CNMT lists the NCAs of one title by hash and size, so it comes after them; the Meta NCA around it comes last, and is not listed:
``nca_layout("meta", title_id)`` with :func:`meta_image` as its ``data``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.cnmt import RecordType
from oboromi_formats.nca import ContentType
from oboromi_fs._extents import PFS0
from oboromi_fs._partitioning import PartitionLayout, build_partition
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.cnmt import Cnmt, Content
from oboromi_fs.metadata.extended_headers import HEADERS, related_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_formats.cnmt import MetaType
    from oboromi_fs.builders.nca import BuiltNca
    from oboromi_fs.protocols import Storage

__all__ = ["build_cnmt", "content_of", "meta_image"]

_RECORD_TYPES = {
    ContentType.PROGRAM: RecordType.PROGRAM,
    ContentType.META: RecordType.META,
    ContentType.CONTROL: RecordType.CONTROL,
    ContentType.MANUAL: RecordType.HTML_DOCUMENT,
    ContentType.DATA: RecordType.DATA,
    ContentType.PUBLIC_DATA: RecordType.DATA,
}


def content_of(nca: BuiltNca, title_id: int, record_type: RecordType | None = None, *, attributes: int = 0) -> Content:
    """Return what a CNMT says of an NCA.

    Args:
        nca: The NCA: its hash and size go into the record, and its program id gives the id offset.
        title_id: Of the title that lists it.
        record_type: What it is to the title. An NCA of the type Manual is an HTML document unless it is said to be legal information, one
            of the type Data is data unless it is said to be a delta fragment.
        attributes: Of the record.

    Raises:
        FormatError: The NCA's content type stands for no type of record, so one must be given.
    """
    if record_type is None:
        record_type = _RECORD_TYPES.get(ContentType(nca.content_type)) if nca.content_type in list(ContentType) else None
    if record_type is None:
        problem = f"content type {nca.content_type} of {nca.name} stands for none"
        raise FormatError(problem, what="CNMT content record", field="type")
    return Content(
        type=record_type,
        hash=nca.sha256,
        size=nca.size,
        attributes=attributes,
        id_offset=(nca.program_id - title_id) & 0xFF,
    )


def build_cnmt(title_id: int, kind: MetaType, contents: Iterable[Content], *, version: int = 0) -> Cnmt:
    """Return the CNMT of a title, with the ids of its update, or of what it belongs to, that follow from its own.

    The result is a value: ``dataclasses.replace`` changes what else is in it, :meth:`~oboromi_fs.metadata.Cnmt.to_bytes` writes it. For an
    existing CNMT over new NCAs, replace its ``contents``.

    Args:
        title_id: The title's own id.
        kind: What it is.
        contents: Its NCAs in order, see :func:`content_of`.
        version: Of the title.

    Example:
        >>> from oboromi_formats.cnmt import MetaType
        >>> cnmt = build_cnmt(0x0100000000001000, MetaType.APPLICATION, [], version=0x10000)
        >>> cnmt.file_name, hex(cnmt.extended.patch_id), len(cnmt.to_bytes())
        ('Application_0100000000001000.cnmt', '0x100000000001800', 80)
    """
    extended = None
    header = HEADERS.get(kind)
    if header is not None:
        ids = related_ids(title_id, kind)
        extended = header(**{name: value for name, value in ids.items() if name in header.__dataclass_fields__})
    return Cnmt(title_id=title_id, version=version, type=kind, extended=extended, contents=tuple(contents))


def meta_image(cnmt: Cnmt, *, padding: str = "official") -> Storage:
    """Return the PFS0 that the section of a Meta NCA holds: one file, named by the title's type and id.

    Args:
        cnmt: What is in it.
        padding: The writer whose padding of the string table to follow; see :func:`~oboromi_fs.builders.pfs0.build_pfs0`.

    Raises:
        FormatError: A value does not fit its field.
    """
    file = MemoryStorage(cnmt.to_bytes(), cnmt.file_name)
    return build_partition(PFS0, [(cnmt.file_name, file)], PartitionLayout(padding=padding)).storage
