"""The contents of titles, opened: an NCA wherever it is stored, an update over its base, or a folder of what was in one."""

from __future__ import annotations

import os
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from oboromi_fs.backends.nca import Nca
from oboromi_fs.base import SubFs
from oboromi_fs.errors import ClosedError, FormatError, MissingBaseError, MissingKeyError, OboromiFsError
from oboromi_fs.opening import locate
from oboromi_fs.paths import join
from oboromi_fs.titles.found import Issue
from oboromi_fs.titles.lazy import LazyFs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oboromi_fs.opening import Location, Opener
    from oboromi_fs.protocols import FileSystem, Storage
    from oboromi_fs.tickets import Ticket
    from oboromi_fs.titles.found import FoundContent, FoundMeta, FoundTicket, Package

__all__ = ["Body", "Contents", "FolderBody", "NcaBody", "first_tree"]

_PARTS = ("exefs", "romfs", "logo", "data", "control", "manual")


class Body(Protocol):
    """One content, opened."""

    @property
    def where(self) -> str:
        """Where it is, as a path that goes on inside a package."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the trees in it."""

    def tree(self, part: str) -> FileSystem:
        """One tree in it; nothing is decrypted before that is looked into."""

    def image(self, part: str) -> Storage | None:
        """The RomFS image that a tree is read from; None where it is read from a folder."""


class NcaBody:
    """An NCA, an update's laid over its base.

    Args:
        nca: The NCA.
        opener: What opens its sections.
        where: Where it is.
        without: Sections that are no use, for want of a base.
    """

    def __init__(self, nca: Nca, opener: Opener, where: str, without: Iterable[str] = ()) -> None:
        self.nca = nca
        self.where = where
        self._opener = opener
        left_out = set(without)
        self.parts = tuple(section.name for section in nca.sections.values() if section.name not in left_out)

    def tree(self, part: str) -> FileSystem:
        """Return the tree in a section."""
        return LazyFs(partial(self._opener.section, self.nca, part), "RomFS" if part == "romfs" else "PFS0")

    def image(self, part: str) -> Storage | None:
        """Return the image in a section.

        Raises:
            FormatError, MissingKeyError: It cannot be decrypted.
        """
        return self.nca.section(part).image()


class FolderBody:
    """A folder of what was in an NCA, or in a title.

    Args:
        fs: What it is in.
        path: Where in that.
        where: Where it is.
    """

    def __init__(self, fs: FileSystem, path: str, where: str) -> None:
        self._fs = fs
        self._path = path
        self.where = where
        self.parts = tuple(entry.name for entry in fs.read_dir(path) if entry.kind == "directory" and entry.name in _PARTS)

    def tree(self, part: str) -> FileSystem:
        """Return a folder in it."""
        return SubFs(self._fs, join(self._path, part))

    def image(self, part: str) -> Storage | None:
        """Return None: there are only the files."""
        del part
        return None


class Contents:
    """Opens the contents of titles, each package once. What cannot be opened becomes an issue.

    Args:
        opener: What opens containers.
        packages: Where tickets may be that are not beside the NCA they are for.

    Attributes:
        issues: What could not be opened.
    """

    def __init__(self, opener: Opener, packages: Iterable[Package] = ()) -> None:
        self.opener = opener
        self.issues: list[Issue] = []
        self._places: dict[str, Location] = {}
        self._lock = Lock()
        self._closed = False
        self._tickets: dict[bytes, list[tuple[str, FoundTicket]]] = {}
        for package in packages:
            for ticket in sorted(package.tickets, key=lambda each: each.personalised):
                self._tickets.setdefault(bytes.fromhex(ticket.rights_id), []).append((package.path, ticket))

    def body(self, meta: FoundMeta, content: FoundContent, base: Body | None = None) -> Body | None:
        """Open a content; None, with an issue, where it cannot be.

        Args:
            meta: The title that lists it.
            content: The content, which must be there.
            base: The same content of the base, if this is an update's.
        """
        try:
            return self.open(meta, content, base)
        except (OboromiFsError, OSError) as wrong:
            where = _below(meta.package, content.path or "")
            self.issues.append(Issue("key" if isinstance(wrong, MissingKeyError) else "damaged", where, str(wrong), meta.title_id))
            return None

    def open(self, meta: FoundMeta, content: FoundContent, base: Body | None = None) -> Body:
        """Open a content, as :meth:`body` does.

        Raises:
            ClosedError: :meth:`close` has been called.
            FormatError, MissingKeyError, OSError: It cannot be opened.
        """
        where = _below(meta.package, content.path or "")
        if meta.form == "folder":  # Each file by itself: the folder would not close it.
            place = self._place(os.path.join(meta.package, content.path or ""))
            path = place.path
        else:
            place = self._place(meta.package)
            path = _below(place.path, content.path or "")
        if place.fs.metadata(path).kind == "directory":
            folder = FolderBody(place.fs, path, where)
            if not folder.parts:
                raise FormatError(f"is a folder, and has none of {', '.join(_PARTS)}", what="content", source=where)
            return folder
        entered = place.fs.enter(path)
        if not isinstance(entered, Nca):
            raise FormatError("is called an NCA, and is none", what="NCA", source=where)
        if entered.has_rights_id:
            entered = self._with_ticket(entered, self._lookup(place, path), where, base, meta)
        return self._updated(entered, where, base, meta)

    def _with_ticket(self, nca: Nca, lookup: Callable[[bytes], Ticket | None], where: str, base: Body | None, meta: FoundMeta) -> Nca:
        """The NCA with its ticket. Where there are several that contradict, the one counts that decrypts it."""
        rights_id, keys = nca.header.rights_id, self.opener.keys
        first = Nca(nca.raw, keys, tickets=lookup)
        others = self._others(rights_id, meta.package)
        if not others:
            if lookup(rights_id) is None and keys.title_key(rights_id) is None:
                text = f"of {meta.label} needs the ticket of rights id {rights_id.hex()}, which is not there"
                self.issues.append(Issue("ticket", where, text, meta.title_id))
            return first
        below = getattr(base, "nca", None)
        if _decrypts(first, below):
            return first
        for package, ticket in others:
            candidate = Nca(nca.raw, keys, tickets=partial(self._ticket, package, ticket.path))
            if _decrypts(candidate, below):
                text = f"of {meta.label} is decrypted by {_below(package, ticket.path)}, and not by the ticket that comes first"
                self.issues.append(Issue("ticket", where, text, meta.title_id))
                return candidate
        return first

    def _others(self, rights_id: bytes, package: str) -> list[tuple[str, FoundTicket]]:
        """Where the tickets are of a rights id, one of each title key, those of the package first; none where there is but one key."""
        found = sorted(self._tickets.get(rights_id, ()), key=lambda each: each[0] != package)
        each = {ticket.digest: (path, ticket) for path, ticket in reversed(found)}
        return list(each.values())[::-1] if len(each) > 1 else []

    def _ticket(self, package: str, path: str, rights_id: bytes) -> Ticket | None:
        """One ticket, whatever rights id is asked for."""
        from oboromi_fs.tickets import Ticket

        del rights_id
        try:
            place = self._place(package)
            return Ticket.read(place.fs.storage(join(place.path, path)))
        except (OboromiFsError, OSError):
            return None

    def _updated(self, nca: Nca, where: str, base: Body | None, meta: FoundMeta) -> NcaBody:
        if not nca.is_update:
            return NcaBody(nca, self.opener, where)
        below = getattr(base, "nca", None)
        if below is not None:
            try:
                return NcaBody(nca.with_base(below), self.opener, where)
            except FormatError as wrong:
                self.issues.append(Issue("record", where, f"cannot be laid over {base.where if base else ''}: {wrong}", meta.title_id))
        without = [section.name for section in nca.sections.values() if section.is_patch and _needs_base(nca, section.name)]
        if without:
            why = "the base is a folder of extracted files" if base is not None and below is None else "its base is not there"
            text = f"{' and '.join(without)} of {meta.label} holds only what differs from the base; {why}: left out"
            self.issues.append(Issue("no-base", where, text, meta.title_id))
        return NcaBody(nca, self.opener, where, without)

    def _place(self, package: str) -> Location:
        with self._lock:
            if self._closed:
                raise ClosedError("the title is closed")
            found = self._places.get(package)
            if found is None:
                found = self._places[package] = locate(package, opener=self.opener)
            return found

    def _lookup(self, place: Location, path: str) -> Callable[[bytes], Ticket | None]:
        """A lookup of tickets in the NCA's own package first, then in the others."""
        fs, inner = place.fs.resolve(path)
        beside = place.fs.tickets_of(fs, inner.rpartition("/")[0])

        def lookup(rights_id: bytes) -> Ticket | None:
            return beside(rights_id) or self._elsewhere(rights_id)

        return lookup

    def _elsewhere(self, rights_id: bytes) -> Ticket | None:
        found = (self._ticket(package, ticket.path, rights_id) for package, ticket in self._tickets.get(rights_id, ()))
        return next((ticket for ticket in found if ticket is not None), None)

    def close(self) -> None:
        """Close the packages; nothing is opened any more."""
        with self._lock:
            self._closed = True
            while self._places:
                self._places.popitem()[1].fs.close()


def _below(place: str, path: str) -> str:
    return join(place, path) if path else place


def _needs_base(nca: Nca, name: str) -> bool:
    """Whether a patch section takes bytes from the base: one of a title without that section may not."""
    try:
        nca.section(name).decrypted()
    except MissingBaseError:
        return True
    except (OboromiFsError, OSError):  # Whoever reads it is told.
        return False
    return False


def _decrypts(nca: Nca, base: Nca | None) -> bool:
    """Whether the key that an NCA has is the one: whether its sections have the hashes they should have at the top."""
    try:
        whole = nca if base is None or not nca.is_update else nca.with_base(base)
        for section in whole.sections.values():
            try:
                section.hash_layer()
            except MissingBaseError:
                section.in_parts()
    except (OboromiFsError, OSError):
        return False
    return True


def first_tree(body: Body, *names: str) -> FileSystem | None:
    """Return the first of some trees that a content has; without names, the first there is."""
    for name in names or body.parts:
        if name in body.parts:
            return body.tree(name)
    return None
