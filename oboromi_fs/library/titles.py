"""The titles of a collection: each application with its updates and add-on content, wherever they lie, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import MetaType
from oboromi_fs.titles.grouping import choose, families, ticket_issues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oboromi_fs.library.holdings import Holding, TitleNames
    from oboromi_fs.titles.found import FoundMeta, Issue

__all__ = ["MARKS", "Item", "LibraryTitle", "library_titles"]

MARKS = {
    "no-base": "an update or add-on content without its base",
    "missing": "contents that the content meta lists are absent",
    "key": "a key, ticket or title key is absent",
    "ticket": "tickets contradict each other, or the title",
    "damaged": "a file is cut short or damaged, or cannot be read",
    "failed": "a file failed to verify",
    "record": "the content meta contradicts itself, or the files",
    "version": "add-on content needs a later update",
    "conflict": "two files of one id and version that are not the same",
    "duplicate": "the same in several files",
    "outdated": "a newer one is there, too",
}
"""What may be said of a title in a word, the worst first, and what that means."""

_MARK_OF = {
    "two-bases": "conflict",
    "no-meta": "record",
    "unknown": "damaged",
    "refused": "damaged",
    "other-title": "record",
    "double": "duplicate",
    "mod": "record",
}


@dataclass(slots=True, eq=False)
class Item:
    """One version of a base, update or add-on content, in one file or folder.

    Attributes:
        meta: What was found.
        holding: Where.
        names: What it is called, or None.
        marks: What is to be said of it, of :data:`MARKS`.
        issues: The same in full.
        group: All that are the same, content for content, itself among them; empty where there is no other.
    """

    meta: FoundMeta
    holding: Holding
    names: TitleNames | None = None
    marks: set[str] = field(default_factory=set)
    issues: list[Issue] = field(default_factory=list)
    group: Sequence[Item] = field(default=(), repr=False)

    @property
    def kind(self) -> str:
        """``base update addon`` or ``system``; ``other`` for deltas and what is not known."""
        if self.meta.is_system:
            return "system"
        return _KINDS.get(self.meta.type, "other")

    def twins(self) -> Iterator[Item]:
        """Yield the others that are the same, content for content."""
        return (item for item in self.group if item is not self)

    @property
    def size(self) -> int:
        """Bytes that its contents take where they are stored; of an extracted folder, those of the files that tell what it is."""
        stored = sum(content.stored for content in self.meta.contents)
        return stored if stored or len(self.holding.package.metas) > 1 else self.holding.size

    @property
    def content_ids(self) -> tuple[str, ...]:
        """The ids of its contents, sorted: two items with the same are the same."""
        return tuple(sorted(content.content_id for content in self.meta.contents))


_KINDS: dict[int, str] = {
    MetaType.APPLICATION: "base",
    MetaType.PATCH: "update",
    MetaType.ADD_ON_CONTENT: "addon",
    MetaType.DATA_PATCH: "update",
}


@dataclass(slots=True, eq=False)
class LibraryTitle:
    """An application and everything of it that the collection has.

    Attributes:
        application_id: Its id.
        items: All there is of it: bases, updates, add-on content; by type, id and version, then by path.
        issues: What is wrong with it.
    """

    application_id: int
    items: list[Item]
    issues: list[Issue] = field(default_factory=list)

    @property
    def bases(self) -> list[Item]:
        """The application itself."""
        return [item for item in self.items if item.meta.type == MetaType.APPLICATION]

    @property
    def updates(self) -> list[Item]:
        """Its updates, the oldest first."""
        return [item for item in self.items if item.meta.type == MetaType.PATCH]

    @property
    def addons(self) -> list[Item]:
        """Its add-on content, of each id every version."""
        return [item for item in self.items if item.meta.type == MetaType.ADD_ON_CONTENT]

    @property
    def marks(self) -> list[str]:
        """What is to be said of it, of :data:`MARKS`, the worst first."""
        said = {mark for item in self.items for mark in item.marks}
        return [mark for mark in MARKS if mark in said]

    @property
    def version(self) -> int:
        """The newest version there is, of update or base."""
        return max((item.meta.version for item in (*self.bases, *self.updates)), default=0)

    @property
    def display_version(self) -> str:
        """The same as people read it; empty where its name could not be read."""
        found = [item for item in (*self.bases, *self.updates) if item.names is not None and item.names.version]
        newest = max(found, key=lambda item: item.meta.version, default=None)
        return newest.names.version if newest is not None and newest.names is not None and newest.meta.version == self.version else ""

    @property
    def required_system_version(self) -> int:
        """The firmware that base and newest update need, as the content meta has it; 0 where it says none."""
        newest = [item.meta for item in (*self.bases, *self.updates) if item.meta.version == self.version]
        return max((meta.required_system_version for meta in (*(item.meta for item in self.bases), *newest)), default=0)

    @property
    def paths(self) -> tuple[str, ...]:
        """Host paths of the packages and folders that it lies in, each once."""
        return tuple(dict.fromkeys(item.holding.path for item in self.items))

    @property
    def size(self) -> int:
        """Bytes that all of it takes."""
        return sum(item.size for item in self.items)

    @property
    def changed_ns(self) -> int:
        """When the last of its files changed, in nanoseconds since the epoch."""
        return max((item.holding.mtime_ns for item in self.items), default=-1)

    def name(self, languages: Sequence[int] = ()) -> str:
        """Return what it is called, by its newest version; empty where nothing says."""
        return self._called(languages)[0]

    def publisher(self, languages: Sequence[int] = ()) -> str:
        """Return who published it; empty where nothing says."""
        return self._called(languages)[1]

    def _called(self, languages: Sequence[int]) -> tuple[str, str]:
        for item in sorted(self.items, key=lambda item: (item.meta.type == MetaType.ADD_ON_CONTENT, -item.meta.version)):
            if item.names is not None and (best := item.names.best(languages)) != ("", ""):
                return best
        return "", ""


def library_titles(holdings: Iterable[Holding]) -> list[LibraryTitle]:
    """Return the titles in what a collection holds, by id.

    Args:
        holdings: From :meth:`Catalogue.holdings`.
    """
    items: dict[int, Item] = {}
    held = list(holdings)
    for holding in held:
        for number, meta in enumerate(holding.package.metas):
            names = holding.names[number] if number < len(holding.names) else None
            items[id(meta)] = Item(meta, holding, names)
    _mark_tickets(held, items.values())
    found: list[LibraryTitle] = []
    for key, family in sorted(families(item.meta for item in items.values()).items()):
        every = (*family.bases, *family.updates, *family.addons, *family.data_updates, *family.others)
        title = LibraryTitle(key, sorted((items[id(meta)] for meta in every), key=_order))
        chosen = choose(family)
        _mark_twins(title)
        conflicts = {item.meta.where for item in title.items if "conflict" in item.marks}
        for issue in chosen.issues:  # That two are the same is said of each of them; and an older one is no contradiction.
            if issue.kind not in ("double", "two-bases", "record") or (issue.kind != "double" and issue.path in conflicts):
                title.issues.append(issue)
        _mark_old(title)
        _mark_faults(title)
        found.append(title)
    return found


def _order(item: Item) -> tuple[int, int, int, str]:
    return item.meta.type, item.meta.title_id, item.meta.version, item.holding.path


def _mark_tickets(holdings: Sequence[Holding], items: Iterable[Item]) -> None:
    """Mark what has a ticket that another file contradicts."""
    issues = {issue.path: issue for issue in ticket_issues(holding.package for holding in holdings)}
    if not issues:
        return
    for item in items:
        for ticket in item.meta.tickets:
            issue = issues.get(f"{item.holding.path}/{ticket.path}")
            if issue is not None:
                item.marks.add("ticket")
                item.issues.append(issue)


def _mark_twins(title: LibraryTitle) -> None:
    """Mark what is there several times: the same by its contents, or another under the same id and version."""
    groups: dict[tuple[int, int, int], list[Item]] = {}
    for item in title.items:
        groups.setdefault((item.meta.title_id, item.meta.version, item.meta.type), []).append(item)
    for group in groups.values():
        same: dict[tuple[str, ...], list[Item]] = {}
        for item in group:
            same.setdefault(item.content_ids, []).append(item)
        for alike in same.values():
            # One that failed to verify is no copy of one that did not: who takes the other away is left without.
            twins = [item for item in alike if not _has_failed(item)] or alike
            # Extracted contents have no ids that could tell.
            if len(twins) > 1 and all(twins[0].content_ids):
                for item in twins:
                    item.marks.add("duplicate")
                    item.group = twins
        if len(same) > 1:
            for item in group:
                item.marks.add("conflict")


def _has_failed(item: Item) -> bool:
    return item.holding.verification is not None and item.holding.verification.failed > 0


def _mark_old(title: LibraryTitle) -> None:
    """Mark what a newer one of the same id makes needless."""
    newest: dict[int, int] = {}
    for item in title.items:
        newest[item.meta.title_id] = max(newest.get(item.meta.title_id, 0), item.meta.version)
    for item in title.items:
        if item.meta.version < newest[item.meta.title_id]:
            item.marks.add("outdated")


def _mark_faults(title: LibraryTitle) -> None:
    """Mark what is wrong with a title, and with the files it lies in."""
    told: set[tuple[str, str]] = {(issue.path, issue.text) for issue in title.issues}
    for item in title.items:
        alone = len(item.holding.package.metas) == 1
        for issue in item.holding.issues:
            if issue.title_id == item.meta.title_id or (issue.title_id is None and alone):
                item.marks.add(_MARK_OF.get(issue.kind, issue.kind))
                item.issues.append(issue)
        for issue in item.issues:
            if (issue.path, issue.text) not in told:
                told.add((issue.path, issue.text))
                title.issues.append(issue)
        if _has_failed(item):
            item.marks.add("failed")
    kinds: dict[int | None, set[str]] = {}
    for issue in title.issues:
        if issue.kind in ("no-base", "version"):
            kinds.setdefault(issue.title_id, set()).add(issue.kind)
    for item in title.items:
        item.marks |= kinds.get(item.meta.title_id, set())
