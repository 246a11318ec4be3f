"""Which of the titles found belong together, and which of them are taken: the base, the newest update, the add-on content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.cnmt import MetaType
from oboromi_fs.errors import FormatError
from oboromi_fs.titles.found import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oboromi_fs.titles.found import FoundMeta, IssueKind, Package

__all__ = ["AddOn", "Chosen", "Family", "choose", "families", "family_of", "ticket_issues"]


class AddOn(NamedTuple):
    """Add-on content, and the update of its data if there is one."""

    meta: FoundMeta
    update: FoundMeta | None = None


@dataclass(slots=True)
class Family:
    """All that was found of one application, in the order it was met.

    Attributes:
        application_id: The application.
        bases: It itself.
        updates: Of any version.
        addons: Add-on content, of any id and version.
        data_updates: Updates of add-on content.
        others: Deltas, and what else there is.
    """

    application_id: int
    bases: list[FoundMeta] = field(default_factory=list)
    updates: list[FoundMeta] = field(default_factory=list)
    addons: list[FoundMeta] = field(default_factory=list)
    data_updates: list[FoundMeta] = field(default_factory=list)
    others: list[FoundMeta] = field(default_factory=list)

    def add(self, meta: FoundMeta) -> None:
        """Sort one in by its type."""
        lists = {
            MetaType.APPLICATION: self.bases,
            MetaType.PATCH: self.updates,
            MetaType.ADD_ON_CONTENT: self.addons,
            MetaType.DATA_PATCH: self.data_updates,
        }
        lists.get(MetaType(meta.type) if meta.type in tuple(MetaType) else MetaType.DELTA, self.others).append(meta)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a family is taken.

    Attributes:
        application_id: The application.
        base: Its base, None where there is none.
        update: The update, None where there is none or the base is asked for.
        addons: Add-on content, by id; of each id the newest.
        issues: What contradicts, and what is missing.
        versions: All that could be taken, of updates and of the base, in order.
    """

    application_id: int
    base: FoundMeta | None
    update: FoundMeta | None
    addons: tuple[AddOn, ...]
    issues: tuple[Issue, ...]
    versions: tuple[int, ...] = ()

    @property
    def version(self) -> int:
        """Of the update, or of the base; 0 where there is neither."""
        newest = self.update or self.base
        return newest.version if newest is not None else 0


def families(metas: Iterable[FoundMeta]) -> dict[int, Family]:
    """Return titles by the application they belong to; those of the system are each one of their own."""
    found: dict[int, Family] = {}
    for meta in metas:
        found.setdefault(meta.application_id, Family(meta.application_id)).add(meta)
    return found


def family_of(found: dict[int, Family], title_id: int | None, where: str) -> Family:
    """Return the one family that is meant.

    Args:
        found: All.
        title_id: Its application's id, or that of an update or add-on content of it. None where there is only one that is not just
            add-on content.
        where: What was searched, for the error.

    Raises:
        FormatError: There is none, or there are several and nobody says which.
    """
    if title_id is not None:
        for family in found.values():
            every = (*family.bases, *family.updates, *family.addons, *family.data_updates, *family.others)
            if family.application_id == title_id or any(meta.title_id == title_id for meta in every):
                return family
        there = f"there are {_ids(found)}" if found else "there is no title"
        raise FormatError(f"no title {title_id:016x} in it: {there}", what="title", source=where)
    playable = {key: family for key, family in found.items() if family.bases or family.updates}
    choice = playable or found
    if len(choice) != 1:
        problem = f"say which title: there are {_ids(choice)}" if choice else "there is no title in it"
        raise FormatError(problem, what="title", source=where)
    return next(iter(choice.values()))


def _ids(found: dict[int, Family]) -> str:
    shown = ", ".join(f"{key:016x}" for key in sorted(found)[:8])
    return shown + (f" and {len(found) - 8} more" if len(found) > 8 else "")


def choose(family: Family, version: int | None = None) -> Chosen:
    """Return what of a family is taken: the newest of everything, unless a version is asked for.

    Of two of one id and version those with all their contents go first, then what was met first. An update is taken whatever version the
    base itself has, as consoles do: they look for the newest update of an application, and do not compare it with that.

    Args:
        family: The family.
        version: That of the update to take, or of the base for no update.

    Raises:
        FormatError: There is no such version.
    """
    issues: list[Issue] = []
    base = _best(family.bases, issues, "two-bases")
    by_version = _grouped(family.updates, lambda meta: meta.version)
    updates = {each: _best(by_version[each], issues, "double") for each in sorted(by_version)}
    update = updates[max(updates)] if updates else None
    versions = tuple(sorted({*updates, *([base.version] if base is not None else [])}))
    if version is not None:
        update = updates.get(version)
        if version not in versions:
            problem = f"there is no version {version} of it: there are {', '.join(map(str, versions)) or 'none'}"
            raise FormatError(problem, what=f"title {family.application_id:016x}")
    if update is not None and base is None:
        issues.append(Issue("no-base", update.where, f"{update.label} is an update, and its base is not there", update.title_id))
    if update is not None and base is not None and update.version <= base.version:
        text = f"{update.label} is not newer than its base, which is v{base.version}; it is taken all the same, as consoles do"
        issues.append(Issue("version", update.where, text, update.title_id))
    addons = _addons(family, issues)
    chosen = Chosen(family.application_id, base, update, addons, ())
    for meta, _ in addons:
        if base is None and update is None:
            issues.append(Issue("no-base", meta.where, f"{meta.label} is add-on content, and its title is not there", meta.title_id))
        elif meta.required_application_version > chosen.version:
            text = f"{meta.label} needs version {meta.required_application_version} of its title, this is {chosen.version}"
            issues.append(Issue("version", meta.where, text, meta.title_id))
    return Chosen(family.application_id, base, update, addons, tuple(issues), versions)


def _grouped(metas: Iterable[FoundMeta], key: Callable[[FoundMeta], int | None]) -> dict[int, list[FoundMeta]]:
    found: dict[int, list[FoundMeta]] = {}
    for meta in metas:
        number = key(meta)
        if number is not None:
            found.setdefault(number, []).append(meta)
    return found


def _addons(family: Family, issues: list[Issue]) -> tuple[AddOn, ...]:
    addons: list[AddOn] = []
    by_title = _grouped(family.addons, lambda meta: meta.title_id)
    updates = _grouped(family.data_updates, lambda meta: meta.data_id)
    for title in sorted(by_title):
        newest = _newest(by_title[title], issues)
        update = _newest(updates.get(title, []), issues)
        if newest is not None:
            addons.append(AddOn(newest, update))
    known = {addon.meta.title_id for addon in addons}
    text = "is an update of add-on content that is not there"
    strays = (meta for meta in family.data_updates if meta.data_id not in known)
    issues.extend(Issue("no-base", meta.where, f"{meta.label} {text}", meta.title_id) for meta in strays)
    return tuple(addons)


def _newest(metas: Sequence[FoundMeta], issues: list[Issue]) -> FoundMeta | None:
    last = max((meta.version for meta in metas), default=0)
    return _best([meta for meta in metas if meta.version == last], issues, "double")


def _best(metas: Sequence[FoundMeta], issues: list[Issue], kind: IssueKind) -> FoundMeta | None:
    """The one that counts of those of one id: complete, newest, first; the others are told."""
    if not metas:
        return None
    best = min(metas, key=lambda meta: (bool(meta.missing), -meta.version))
    for meta in metas:
        if meta is best:
            continue
        if _same(meta, best):
            issues.append(Issue("double", meta.where, f"is {meta.label} once more; the one in {best.package} counts", meta.title_id))
        else:
            text = f"is another {meta.label} than the one in {best.package}, which counts"
            issues.append(Issue(kind if kind == "two-bases" else "record", meta.where, text, meta.title_id))
    return best


def _same(one: FoundMeta, other: FoundMeta) -> bool:
    ids = [sorted(content.content_id for content in meta.contents) for meta in (one, other)]
    return ids[0] == ids[1] and one.version == other.version and all(ids[0])


def ticket_issues(packages: Iterable[Package]) -> list[Issue]:
    """Tell which packages hold tickets of one rights id with different keys; those of one package it has told itself."""
    first: dict[str, tuple[str, str, bool]] = {}
    issues: list[Issue] = []
    for package in packages:
        for ticket in package.tickets:
            path, digest, personalised = first.setdefault(ticket.rights_id, (package.path, ticket.digest, ticket.personalised))
            if path != package.path and digest != ticket.digest and personalised == ticket.personalised:
                text = f"holds another title key for rights id {ticket.rights_id} than the ticket in {path}"
                issues.append(Issue("ticket", f"{package.path}/{ticket.path}", text))
    return issues
