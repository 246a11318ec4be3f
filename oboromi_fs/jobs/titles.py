"""The titles in a package: id, kind and version from the content metas, name and publisher from the control archives."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from oboromi_formats.cnmt import RecordType
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.contents import ContentMeta, meta_type_name
from oboromi_fs.errors import EntryNotFoundError, MissingKeyError, OboromiFsError
from oboromi_fs.jobs.nacp import TitleStrings, title_strings
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.opening import NestedFs
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["titles_of"]


def titles_of(
    nested: NestedFs, metas: Sequence[tuple[FileSystem, str, str]], languages: Sequence[int] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the titles that Meta NCAs describe.

    Args:
        nested: What opens them.
        metas: For each an archive, a directory in it and the name of the Meta NCA.
        languages: Preferred languages of names, the best first.

    Returns:
        A description of each title; and what is damaged, in words. Titles that need a key that is absent are passed over.
    """
    titles: list[dict[str, Any]] = []
    problems: list[str] = []
    seen: set[bytes] = set()
    for fs, directory, name in metas:
        try:
            nca = nested.opener.container(fs.storage(join(directory, name)), name, tickets=nested.tickets_of(fs, directory))
        except OboromiFsError:  # Whoever tells of the NCA itself says so.
            continue
        if not isinstance(nca, Nca):
            continue
        try:
            meta = ContentMeta.of_nca(nca)
        except MissingKeyError:
            continue
        except OboromiFsError as wrong:
            problems.append(f"{name}: {wrong}")
            continue
        if meta.data in seen:
            continue
        seen.add(meta.data)
        titles.append(_title(nested, fs, directory, meta, languages))
    return titles, problems


def _title(nested: NestedFs, fs: FileSystem, directory: str, meta: ContentMeta, languages: Sequence[int]) -> dict[str, Any]:
    header = meta.header
    title: dict[str, Any] = {
        "title_id": f"{header.title_id:016x}",
        "type": meta_type_name(header.type),
        "version": header.version,
        "contents": len(meta.records),
    }
    application = getattr(meta.extended, "application_id", None)
    if application is not None:
        title["application_id"] = f"{application:016x}"
    needs = getattr(meta.extended, "required_system_version", None)
    if needs is not None:
        title["required_system_version"] = needs
    try:
        strings = _strings(nested, fs, directory, meta, languages)
    except MissingKeyError:
        pass
    except OboromiFsError as wrong:
        title["problem"] = str(wrong)
    else:
        if strings is not None:
            title |= {
                "name": strings.name,
                "publisher": strings.publisher,
                "display_version": strings.version,
                "language": strings.language,
            }
    return title


def _nca_of(fs: FileSystem, directory: str, content_id: bytes) -> tuple[str, Storage] | None:
    """The NCA of an id, compressed or not, and its name; None where it is not there."""
    for ending in ("nca", "ncz"):
        name = f"{content_id.hex()}.{ending}"
        with suppress(EntryNotFoundError):
            return name, fs.storage(join(directory, name))
    return None


def _strings(nested: NestedFs, fs: FileSystem, directory: str, meta: ContentMeta, languages: Sequence[int]) -> TitleStrings | None:
    for record in meta.records:
        if record.type != RecordType.CONTROL:
            continue
        found = _nca_of(fs, directory, record.content_id)
        if found is None:
            continue
        name, storage = found
        nca = nested.opener.container(storage, name, tickets=nested.tickets_of(fs, directory))
        if isinstance(nca, Nca) and nca.sections:
            control = RomFs(next(iter(nca.sections.values())).image())
            return title_strings(control.storage("control.nacp"), languages)
    return None
