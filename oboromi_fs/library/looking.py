"""A look into one place of a collection: titles, what they are called, whether their keys are there, and whether the file is whole."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.nca import Encryption
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.errors import EntryNotFoundError, MissingBaseError, MissingKeyError, OboromiFsError
from oboromi_fs.library.holdings import FileStamp, Holding, TitleNames, stamp_of
from oboromi_fs.paths import join
from oboromi_fs.titles.found import Issue, Package
from oboromi_fs.titles.scanning import look_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.opening import NestedFs, Opener
    from oboromi_fs.protocols import Storage
    from oboromi_fs.titles.found import FoundContent, FoundMeta, IssueKind
    from oboromi_fs.titles.places import Place

__all__ = ["look"]

_CONTENTS = (RecordType.PROGRAM, RecordType.DATA)
"""What a title's key is tried on: all of its contents have the same."""
_PARTITIONS = ("normal", "secure", "logo")
_MOST_PROBLEMS = 8
_MOST_ALIKE = 100
"""Issues of one kind and title that are kept: a content meta may list 65535 contents that are absent."""
_CUT = "it is truncated"
"""How an error ends that tells of one file what is said of the package."""
_NACP, _NACP_TITLES, _NACP_VERSION, _NACP_FORMAT = 0x3216, 0x3000, slice(0x3060, 0x3070), 0x3215
"""What of a NACP tells the names."""


def look(place: Place, opener: Opener, stamp: tuple[FileStamp, ...] | None = None) -> Holding:
    """Look into a place. Whatever is wrong with it is among the issues; nothing is raised and nothing stays open.

    Of a package, 64 KiB at most are read for each title: tables, tickets, the content meta, and what the title is called.

    Args:
        place: From :func:`~oboromi_fs.titles.find_places`.
        opener: What opens containers, with the keys; with ``access="pread"`` no more than that is read.
        stamp: Its stamp from before, if it was taken.
    """
    taken = stamp_of(place) if stamp is None else stamp
    if place.form == "package" and taken and not sum(file.size for file in taken):
        text = "is empty: 0 bytes" if all(map(os.path.isfile, place.files)) else "is no file, but a device, pipe or socket"
        return Holding(taken, Package(place.path, place.form, issues=(Issue("damaged", place.path, text),)))
    further = _Further(place)
    package = look_into(place, opener, visit=further)
    issues = tuple(further.issues) + tuple(_short(issue) for issue in package.issues if not (further.is_cut and issue.text.endswith(_CUT)))
    names = tuple(further.names.get(number) for number in range(len(package.metas)))
    return Holding(taken, replace(package, issues=_few(issues, place.path)), names)


def _few(issues: Sequence[Issue], path: str) -> tuple[Issue, ...]:
    """The first issues of each kind and title, and how many more there are."""
    alike: dict[tuple[IssueKind, int | None], list[Issue]] = {}
    for issue in issues:
        alike.setdefault((issue.kind, issue.title_id), []).append(issue)
    cut = {key: len(each) - _MOST_ALIKE for key, each in alike.items() if len(each) > _MOST_ALIKE}
    if not cut:
        return tuple(issues)
    kept = {id(issue) for each in alike.values() for issue in each[:_MOST_ALIKE]}
    more = [Issue(kind, path, f"and {count} more like these ({kind})", title_id) for (kind, title_id), count in cut.items()]
    return (*(issue for issue in issues if id(issue) in kept), *more)


def _short(issue: Issue) -> Issue:
    """An issue without where keys were looked for: that is not for keeping."""
    return replace(issue, text=f"needs {issue.key_name}") if issue.key_name else issue


class _Further:
    """What is looked at while a place is open, once its titles are known."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.names: dict[int, TitleNames] = {}
        self.issues: list[Issue] = []
        self.is_cut = False

    def __call__(self, nested: NestedFs, path: str, metas: Sequence[FoundMeta]) -> None:
        self._whole(nested, path, metas)
        for number, meta in enumerate(metas):
            self._key(nested, path, meta)
            if meta.type in (MetaType.APPLICATION, MetaType.PATCH):
                self._name(nested, path, meta, number)

    def _where(self, content: FoundContent | None) -> str:
        return join(self.place.path, content.path) if content is not None and content.path else self.place.path

    def _whole(self, nested: NestedFs, path: str, metas: Sequence[FoundMeta]) -> None:
        """Tell where tables contradict the file: it is cut short, or damaged."""
        title = metas[0].title_id if len(metas) == 1 else None
        for archive in _archives(nested, path):
            problems = list(archive.problems[:_MOST_PROBLEMS])
            beyond = [member for member in archive.members.values() if member.offset + member.size > archive.raw.size]
            if beyond:
                self.is_cut = True
                more = f", and {len(beyond) - 1} more" if len(beyond) > 1 else ""
                last = max(member.offset + member.size for member in beyond) - archive.raw.size
                problems.append(f"is cut short: {last} bytes are missing at the end, of {beyond[0].name}{more}")
            self.issues += [Issue("damaged", self.place.path, problem, title) for problem in problems]

    def _key(self, nested: NestedFs, path: str, meta: FoundMeta) -> None:
        """Tell whether the key of a title is missing."""
        content = next((each for each in meta.contents if each.type in _CONTENTS and each.path), None)
        if content is None:
            return
        try:
            nca = _nca(nested, path, content)
            if nca is None or all(section.header.encryption == Encryption.NONE for section in nca.sections.values()):
                return
            if nca.has_rights_id:
                nca.content_keys()
            else:
                nca.key_area()
        except MissingKeyError as wrong:
            rights_id = len(wrong.key_name) == 32
            text = f"needs the title key {wrong.key_name}, and there is no ticket with it" if rights_id else f"needs {wrong.key_name}"
            self.issues.append(Issue("key", self._where(content), text, meta.title_id, wrong.key_name))
        except (OboromiFsError, OSError) as wrong:
            self.issues.append(Issue.of(wrong, self._where(content), meta.title_id))

    def _name(self, nested: NestedFs, path: str, meta: FoundMeta, number: int) -> None:
        content = next(meta.of_type(RecordType.CONTROL), None)
        try:
            nacp = _nacp(nested, path, meta, content)
            if nacp is not None:
                self.names[number] = _names(nacp)
        except MissingBaseError:  # A control archive that is a patch: the base has the names.
            return
        except MissingKeyError as wrong:
            if all(wrong.key_name != issue.key_name for issue in self.issues):
                self.issues.append(Issue("key", self._where(content), f"needs {wrong.key_name}", meta.title_id, wrong.key_name))
        except (OboromiFsError, OSError) as wrong:
            self.issues.append(Issue.of(wrong, self._where(content), meta.title_id, before="has no name to read: "))


def _archives(nested: NestedFs, path: str) -> Iterator[PartitionArchive]:
    """The tables of a package."""
    if not path or nested.metadata(path).kind == "directory":
        return
    container = nested.enter(path)
    if isinstance(container, PartitionArchive):
        yield container
    elif isinstance(container, XciArchive):
        yield container.root
        for name in _PARTITIONS:
            if name in container.partitions:
                yield container.partition(name)


def _nca(nested: NestedFs, path: str, content: FoundContent) -> Nca | None:
    """A content opened; None for a folder of what was in one, and what cannot be entered."""
    inner = join(path, content.path or "")
    if nested.metadata(inner).kind == "directory":
        return None
    entered = nested.enter(inner)
    return entered if isinstance(entered, Nca) else None


def _nacp(nested: NestedFs, path: str, meta: FoundMeta, content: FoundContent | None) -> Storage | None:
    """The file with a title's names, None where there is none."""
    if meta.form == "extracted":
        return nested.storage("control/control.nacp") if nested.exists("control/control.nacp") else None
    if content is None:
        return None
    inner = join(path, content.path or "")
    if nested.metadata(inner).kind == "directory":
        found = (each for each in (join(inner, "control.nacp"), join(inner, "romfs/control.nacp")) if nested.exists(each))
        return next((nested.storage(each) for each in found), None)
    nca = _nca(nested, path, content)
    if nca is None or not nca.sections:
        return None
    try:
        return RomFs(next(iter(nca.sections.values())).image()).storage("control.nacp")
    except EntryNotFoundError:
        return None


def _names(nacp: Storage) -> TitleNames:
    """Read names and version.

    Raises:
        CorruptError: Compressed titles do not inflate.
    """
    from oboromi_fs.metadata.titles import titles_of_region

    data = nacp[:_NACP].tobytes().ljust(_NACP, b"\0")
    titles, _ = titles_of_region(data[:_NACP_TITLES], data[_NACP_FORMAT])
    shown = [(number, title.shown()) for number, title in enumerate(titles) if title]
    names = tuple((number, title.name.strip(), title.publisher.strip()) for number, title in shown if title)
    return TitleNames(names, data[_NACP_VERSION].partition(b"\0")[0].decode("utf-8", "replace").strip())
