"""What a place holds: content metas, the contents they list, and tickets. Only headers, tables and content metas are read."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.nca import ContentType
from oboromi_fs.backends.host import HostFs, ReopenedFile
from oboromi_fs.backends.nax0 import is_nax0
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.base import SubFs
from oboromi_fs.contents import ContentMeta, record_type_name
from oboromi_fs.errors import FormatError, IsADirectoryEntryError, MissingKeyError, OboromiFsError
from oboromi_fs.opening import NestedFs, Opener, locate
from oboromi_fs.paths import addressable, join
from oboromi_fs.splitparts import parts_listed
from oboromi_fs.titles.found import FoundContent, FoundMeta, FoundTicket, Issue, Package
from oboromi_fs.titles.places import Place, find_places
from oboromi_fs.titles.unlisted import FAMILY, Headline, application_of, by_headers, contents_in, extracted_meta, program_id_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from oboromi_fs.opening import KeysType
    from oboromi_fs.protocols import FileSystem, Storage
    from oboromi_fs.titles.found import IssueKind

__all__ = ["Visit", "look_into", "scan"]

_META = (".cnmt.nca", ".cnmt.ncz")
_LOOSE = (".nca", ".ncz")
_PARTITIONS = ("secure", "normal")
"""Where a card has titles of the user's. Its update partition is of the system, and large."""
_MOST_HEADERS = {"package": 64, "folder": 0x4000, "extracted": 0}
"""NCAs whose headers are read, where no name says which of them is a Meta NCA."""
_MOST_TICKETS = 1000


def scan(paths: Iterable[str | os.PathLike[str]], keys: KeysType = None, *, opener: Opener | None = None) -> Iterator[FoundMeta]:
    """Yield the titles in files and folders, each version wherever it lies.

    What is damaged is passed over: :func:`look_into` tells of it, place by place.

    Args:
        paths: See :func:`~oboromi_fs.titles.find_places`.
        keys: Anything :meth:`~oboromi_fs.keys.KeySet.of` takes.
        opener: Use this one, and its keys, instead.

    Raises:
        EntryNotFoundError: A path that does not exist.

    Example:
        >>> from oboromi_fs.titles import scan
        >>> for meta in scan(["testdata/nsp/std_g1.nsp"], "testdata/keys/prod.keys"):
        ...     print(meta.label, len(meta.contents), len(meta.missing))
        0100abcdef000000 v65536 (Application) 4 0
    """
    opening = opener if opener is not None else Opener(keys)
    for place in find_places(paths):
        yield from look_into(place, opening).metas


Visit: TypeAlias = "Callable[[NestedFs, str, Sequence[FoundMeta]], None]"
"""Gets what enters the contents of a place, the path that theirs are below, and the titles found, while the place is open."""


def look_into(place: Place, opener: Opener, *, visit: Visit | None = None) -> Package:
    """Return what a place holds. Whatever is wrong with it is among the issues; nothing is raised and nothing stays open.

    Args:
        place: From :func:`~oboromi_fs.titles.find_places`.
        opener: What opens containers, with the keys.
        visit: Called before it is closed, to look further. What it raises of this package's errors is an issue like others.
    """
    looking = _Looking(place, opener, visit)
    try:
        looking.look()
    except MissingKeyError as wrong:
        looking.tell_key(place.path, wrong)
    except (OboromiFsError, OSError) as wrong:
        looking.issues.append(Issue.of(wrong, place.path))
    return Package(place.path, place.form, tuple(looking.metas), tuple(looking.tickets), tuple(looking.issues))


class _File(NamedTuple):
    """A file of a package, or a folder of what was in an NCA: its path there, and its size."""

    path: str
    size: int
    is_folder: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.name.partition(".")[0].lower()


class _Reopening(HostFs):
    """A folder whose files are open only while they are read: whoever visits it may look into more than can be open at once."""

    def _storage(self, path: str) -> Storage:
        found = self.metadata(path)
        if found.kind == "directory":
            raise IsADirectoryEntryError(path)
        storage = ReopenedFile(HostFs(self.root, access=self.access), path, found.size)
        storage.name = self.host_path(path)
        return storage


class _Looking:
    """A look into one place: what has been found so far."""

    def __init__(self, place: Place, opener: Opener, visit: Visit | None = None) -> None:
        self.place = place
        self.opener = opener
        self.visit = visit if visit is not None else _no_visit
        self.metas: list[FoundMeta] = []
        self.tickets: list[FoundTicket] = []
        self.issues: list[Issue] = []
        self._inner = ""
        self._fs: FileSystem | None = None
        self._claimed: set[str] = set()

    def tell(self, kind: IssueKind, path: str, text: str, title_id: int | None = None) -> None:
        self.issues.append(Issue(kind, path, text, title_id))

    def tell_key(self, path: str, wrong: MissingKeyError) -> None:
        self.issues.append(Issue("key", path, str(wrong), key_name=wrong.key_name))

    def _where(self, path: str) -> str:
        return join(self.place.path, path) if path else self.place.path

    def look(self) -> None:
        if self.place.form == "extracted":
            self._extracted()
            return
        if self.place.form == "folder":
            with HostFs(self.place.path, access=self.opener.access) as folder, NestedFs(folder, self.opener) as nested:
                self._files(nested, folder, self._loose())
            if self.visit is not _no_visit:
                with NestedFs(_Reopening(self.place.path, access=self.opener.access), self.opener) as nested:
                    self.visit(nested, "", self.metas)
            return
        location = locate(self.place.path, opener=self.opener)
        with location.fs as nested:
            container: FileSystem | None
            if location.kind == "directory":
                container, self._inner = SubFs(nested, location.path), location.path
            else:
                container, self._inner = nested.enter(location.path), location.path
            if container is None:
                self.tell("unknown", self.place.path, "is no package, card or NCA")
                return
            if isinstance(container, Nca):
                self._inner = ""
                self._files(nested, nested, [_File(location.path, container.raw.size)], itself=True)
            else:
                self._files(nested, container, list(_files_of(container)))
            self.visit(nested, location.path, self.metas)

    def _loose(self) -> list[_File]:
        root = self.place.path
        found = []
        for path in self.place.files:
            inner = os.path.relpath(path, root).replace(os.sep, "/")
            try:
                parts = parts_listed(path) or [path]
                found.append(_File(inner, sum(map(os.path.getsize, parts)), os.path.isdir(parts[0])))
            except OSError as wrong:
                self.issues.append(Issue.of(wrong, path))
        return found

    def _files(self, nested: NestedFs, fs: FileSystem, files: list[_File], *, itself: bool = False) -> None:
        """Find the titles among the files of one package.

        Args:
            nested: What enters them.
            fs: The package.
            files: What is in it.
            itself: Whether the place is the one NCA.
        """
        self._fs = fs
        self._tickets(fs, [each for each in files if each.name.lower().endswith(".tik")])
        ncas = [each for each in files if each.name.lower().endswith(_LOOSE) or itself]
        by_id: dict[str, _File] = {}
        for each in ncas:
            by_id.setdefault(each.stem, each)
        metas = [each for each in ncas if each.name.lower().endswith(_META)]
        seen: set[bytes] = set()
        self._add_all(nested, metas, by_id, seen)
        others: dict[str, Headline] = {}
        if not metas or self.place.form == "folder":
            # A console names its Meta NCAs as all others: which they are stands in their headers.
            left = [each for each in ncas if each.path not in self._claimed and each not in metas]
            others = dict(self._headlines(nested, left[: _MOST_HEADERS[self.place.form]]))
            unnamed = [each for each in left if each.path in others and others[each.path].content_type == ContentType.META]
            self._add_all(nested, unnamed, by_id, seen)
            metas += unnamed
        if not self.metas and others:
            self._without_meta(others, {each.path: each for each in ncas}, itself=itself)
        elif not self.metas and not self.issues:
            self.tell("unknown", self.place.path, "holds no content meta and no NCA: no title is in it")
        elif self.place.form == "folder":
            self._strays(ncas, metas)

    def _add_all(self, nested: NestedFs, metas: Iterable[_File], by_id: dict[str, _File], seen: set[bytes]) -> None:
        for each in metas:
            meta = self._content_meta(nested, each)
            if meta is not None and meta.data not in seen:
                seen.add(meta.data)
                self._add(meta, each, by_id)

    def _strays(self, ncas: Sequence[_File], metas: Sequence[_File]) -> None:
        told = {each.path for each in self.issues}
        for each in ncas:
            if each.path not in self._claimed and each not in metas and self._where(each.path) not in told:
                self.tell("no-meta", self._where(each.path), "no content meta in the folder lists it")

    @contextmanager
    def _entered(self, nested: NestedFs, file: _File) -> Iterator[FileSystem | None]:
        """What is in a file of the place. Those of a folder are closed one by one: there may be more than can be open at once."""
        if self.place.form != "folder":
            yield nested.enter(join(self._inner, file.path))
            return
        location = locate(os.path.join(self.place.path, file.path), opener=self.opener)
        with location.fs as alone:
            yield alone.enter(location.path)

    def _headlines(self, nested: NestedFs, ncas: Iterable[_File]) -> Iterator[tuple[str, Headline]]:
        for each in ncas:
            if each.is_folder:
                continue
            try:
                with self._entered(nested, each) as nca:
                    found = Headline.of(nca) if isinstance(nca, Nca) else None
            except MissingKeyError as wrong:
                self.tell_key(self._where(each.path), wrong)
                return
            except (OboromiFsError, OSError) as wrong:
                self.issues.append(Issue.of(wrong, self._where(each.path)))
                continue
            if found is not None:
                yield each.path, found

    def _content_meta(self, nested: NestedFs, file: _File) -> ContentMeta | None:
        try:
            if file.is_folder:
                return extracted_meta(nested, join(self._inner, file.path))
            with self._entered(nested, file) as nca:
                if isinstance(nca, Nca):
                    return ContentMeta.of_nca(nca)
            self.tell("damaged", self._where(file.path), "is called a Meta NCA, and is no NCA")
        except MissingKeyError as wrong:
            self.tell_key(self._where(file.path), wrong)
        except (OboromiFsError, OSError) as wrong:
            self.issues.append(Issue.of(wrong, self._where(file.path)))
        return None

    # Tickets

    def _tickets(self, fs: FileSystem, files: Sequence[_File]) -> None:
        if not files:
            return
        from oboromi_fs.tickets import PERSONALISED, Ticket

        keys: dict[str, FoundTicket] = {}
        for each in files[:_MOST_TICKETS]:
            try:
                ticket = Ticket.read(fs.storage(each.path))
            except (OboromiFsError, OSError) as wrong:
                self.tell("ticket", self._where(each.path), str(wrong))
                continue
            found = FoundTicket(
                each.path,
                ticket.rights_id.hex(),
                ticket.body.key_type == PERSONALISED,
                sha256(ticket.body.title_key_block).hexdigest()[:16],
            )
            if each.stem != found.rights_id and len(each.stem) == len(found.rights_id):
                self.tell("ticket", self._where(each.path), f"is the ticket of rights id {found.rights_id}, by which it should be called")
            self.tickets.append(found)
            known = keys.setdefault(found.rights_id, found)
            if known.digest != found.digest:
                text = f"holds another title key for rights id {found.rights_id} than {known.path}, which is tried first"
                self.tell("ticket", self._where(each.path), text)

    # Content metas

    def _add(self, meta: ContentMeta, file: _File, by_id: dict[str, _File]) -> None:
        header, extended = meta.header, meta.extended
        contents = [self._content(meta, index, by_id) for index in range(len(meta.records))]
        pairs = [(each.type, each.id_offset) for each in contents if each.type != RecordType.DELTA_FRAGMENT]
        if len(set(pairs)) != len(pairs):
            self.tell("record", self._where(file.path), "lists two contents of one type and program index", header.title_id)
        derived = application_of(header.title_id, header.type)
        application = getattr(extended, "application_id", 0) or derived
        if application & ~FAMILY != derived & ~FAMILY:
            text = f"{header.title_id:016x} says that it belongs to {application:016x}; by its id it belongs to {derived:016x}"
            self.tell("record", self._where(file.path), text, header.title_id)
        found = FoundMeta(
            header.title_id,
            application,
            header.type,
            header.version,
            self.place.path,
            self.place.form,
            file.path,
            getattr(extended, "required_system_version", 0),
            getattr(extended, "required_application_version", 0),
            getattr(extended, "patch_id", None),
            getattr(extended, "data_id", None),
            tuple(contents),
            tuple(each for each in self.tickets if _is_of(each, header.title_id, application)),
        )
        for absent in found.missing:
            text = f"{absent.content_id} ({record_type_name(absent.type)}) of {found.label} is not there"
            self.tell("missing", self._where(file.path), text, header.title_id)
        self.metas.append(found)

    def _content(self, meta: ContentMeta, index: int, by_id: dict[str, _File]) -> FoundContent:
        record = meta.records[index]
        name = record.content_id.hex()
        file = by_id.get(name)
        title = meta.header.title_id
        if record.content_id != record.hash[:0x10]:
            self.tell("record", self._where(file.path if file else ""), f"{meta.title}: {name} is not what its hash begins with", title)
        if file is None:
            return FoundContent(record.type, name, record.size, record.id_offset, record.hash)
        self._claimed.add(file.path)
        if file.size != record.size and self._is_plain(file):
            text = f"has {file.size} bytes, and {record.size} by the content meta of {meta.title}"
            self.tell("record", self._where(file.path), text, title)
        return FoundContent(record.type, name, record.size, record.id_offset, record.hash, file.path, 0 if file.is_folder else file.size)

    def _is_plain(self, file: _File) -> bool:
        """Whether a file is an NCA as it is: neither compressed, nor encrypted as on an SD card, nor a folder of what was in it."""
        if file.is_folder or not file.name.lower().endswith(".nca") or self._fs is None:
            return False
        try:
            return not is_nax0(self._fs.storage(file.path))
        except (OboromiFsError, OSError):  # It runs over the end of the package.
            return True

    # Without content metas

    def _without_meta(self, ncas: dict[str, Headline], files: dict[str, _File], *, itself: bool) -> None:
        """Take NCAs that no content meta lists for the titles that their headers name."""
        for title, kind, contents in by_headers(ncas, {path: files[path].size for path in ncas}):
            application = application_of(title, kind)
            tickets = tuple(each for each in self.tickets if _is_of(each, title, application))
            listed = tuple(replace(each, path="") for each in contents) if itself else contents
            self.metas.append(FoundMeta(title, application, kind, 0, self.place.path, self.place.form, contents=listed, tickets=tickets))
            if not itself:
                text = f"no content meta is there; {len(contents)} NCAs are taken for {title:016x} by their headers"
                self.tell("no-meta", self.place.path, text, title)

    def _extracted(self) -> None:
        with HostFs(self.place.path, access=self.opener.access) as folder:
            title = 0
            try:
                title = program_id_in(folder)
            except FormatError as wrong:
                self.tell("damaged", self._where("exefs/main.npdm"), str(wrong))
            application, contents = title & ~FAMILY, contents_in(folder, title)
            self.metas.append(FoundMeta(application, application, MetaType.APPLICATION, 0, self.place.path, "extracted", contents=contents))
            self.visit(NestedFs(folder, self.opener), "", self.metas)


def _no_visit(nested: NestedFs, path: str, metas: Sequence[FoundMeta]) -> None:
    del nested, path, metas


def _files_of(container: FileSystem) -> Iterator[_File]:
    if isinstance(container, XciArchive):
        for name in _PARTITIONS:
            found = []
            if name in container.partitions:
                found = [_File(join(name, entry.name), entry.size) for entry in container.read_dir(name) if addressable(entry.name)]
                yield from found
            if any(each.name.lower().endswith(_META) for each in found):
                return
        return
    for entry in container.read_dir(""):
        if addressable(entry.name):
            yield _File(entry.name, entry.size, entry.kind == "directory")


def _is_of(ticket: FoundTicket, title_id: int, application: int) -> bool:
    named = int(ticket.rights_id[:16], 16)
    return named == title_id or (named & ~FAMILY == title_id & ~FAMILY == application & ~FAMILY)
