"""A collection as tables and trees."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.cli.drawing import Branch, draw, fitted, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from oboromi_fs.cli.console import Console
    from oboromi_fs.library import Holding, Item, LibraryTitle

__all__ = ["COLUMNS", "HELD", "USUAL", "Shown", "draw_titles", "file_rows", "narrowed", "narrowed_at"]
__all__ += ["summary", "summary_text", "table_rows", "title_key"]

USUAL = ("name", "id", "version", "update", "addons", "size", "state")
_NUMBERS = ("update", "addons", "size", "files")
_BAD = ("damaged", "failed", "missing", "no-base")
_LONGEST_NAME, _SHORTEST_NAME = 48, 16
_COLOUR = re.compile("\x1b\\[[0-9]*m")
_MOST_TWINS = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """How things are shown.

    Attributes:
        console: Where.
        folders: What was given: paths below it are shown as if written after it.
        languages: Of names, the preferred one first.
    """

    console: Console
    folders: Sequence[str]
    languages: Sequence[int]
    _full: tuple[tuple[str, str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find out once where the folders are."""
        object.__setattr__(self, "_full", tuple((folder, os.path.abspath(folder)) for folder in self.folders))

    def raw_path(self, path: str) -> str:
        """Return a host path as it is below what was given."""
        for folder, full in self._full:
            if path == full:
                return folder
            below = full.rstrip(os.sep) + os.sep
            if path.startswith(below):
                return os.path.join(folder, path[len(below) :])
        return path

    def path(self, path: str) -> str:
        """Return a host path as stdout is to have it."""
        return self.console.name(self.raw_path(path))

    def text(self, text: str) -> str:
        """Return what is said of something, with host paths in it as they are below what was given."""
        for folder in self.folders:
            text = text.replace(os.path.join(os.path.abspath(folder), ""), os.path.join(folder, ""))
        return printable(text)

    def name(self, title: LibraryTitle) -> str:
        """Return a title's name, a dash where it has none, with nothing in it that would break a line or move a cursor."""
        return printable(title.name(self.languages)) or "-"

    def size(self, size: int) -> str:
        """Return a size for people on a terminal, in bytes elsewhere."""
        return size_text(size) if self.console.on_terminal else str(size)

    def marks(self, marks: Sequence[str]) -> str:
        """Return what is said of something, in a colour."""
        if not marks:
            return "-"
        return self.console.paint(", ".join(marks), "bad" if set(marks) & set(_BAD) else "doubt")


def version_text(title: LibraryTitle) -> str:
    """Return the newest version as people read it, or as the number it is."""
    return printable(title.display_version) or f"v{title.version}"


def _shown_name(title: LibraryTitle, shown: Shown) -> str:
    return fitted(shown.name(title), _LONGEST_NAME) if shown.console.on_terminal else shown.name(title)


def _firmware(title: LibraryTitle, shown: Shown) -> str:
    del shown
    if not title.required_system_version:
        return "-"
    from oboromi_fs.jobs.describe import firmware_text

    return firmware_text(title.required_system_version)


_CELLS: dict[str, Callable[[LibraryTitle, Shown], str]] = {
    "name": _shown_name,
    "id": lambda title, _: f"{title.application_id:016x}",
    "version": lambda title, _: version_text(title),
    "update": lambda title, _: f"v{title.updates[-1].meta.version}" if title.updates else "-",
    "addons": lambda title, _: str(_addons(title)),
    "size": lambda title, shown: shown.size(title.size),
    "firmware": _firmware,
    "publisher": lambda title, shown: printable(title.publisher(shown.languages)) or "-",
    "files": lambda title, _: str(len(title.paths)),
    "changed": lambda title, _: _day(title.changed_ns // 10**9) if title.changed_ns >= 0 else "-",
    "path": lambda title, shown: ", ".join(map(shown.path, title.paths)),
    "state": lambda title, shown: shown.marks(title.marks),
}
COLUMNS = tuple(_CELLS)
"""Of a table of titles."""


def _addons(title: LibraryTitle) -> int:
    return len({item.meta.title_id for item in title.addons})


def _day(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "-"


def table_rows(titles: Sequence[LibraryTitle], chosen: Sequence[str], shown: Shown) -> tuple[list[str], list[list[str]], list[int]]:
    """Return heading, rows, and which columns are numbers.

    Where programs read them, a title has a row for each of its files if their paths are asked for: no text between two paths is in none.
    """
    rows: list[list[str]] = []
    for title in titles:
        row = [_CELLS[column](title, shown) for column in chosen]
        if "path" in chosen and not shown.console.on_terminal:
            named = map(shown.path, title.paths)
            rows += [[path if column == "path" else cell for column, cell in zip(chosen, row, strict=True)] for path in named]
        else:
            rows.append(row)
    return [column.upper() for column in chosen], rows, [at for at, column in enumerate(chosen) if column in _NUMBERS]


def narrowed(rows: Sequence[Sequence[str]], chosen: Sequence[str], room: int) -> list[list[str]]:
    """Return rows with names as short as it takes to fit a terminal of so many columns, but no shorter than can be read."""
    if "name" not in chosen:
        return [list(row) for row in rows]
    return narrowed_at(rows, chosen.index("name"), room)


def narrowed_at(rows: Sequence[Sequence[str]], at: int, room: int) -> list[list[str]]:
    """Return rows with one column as short as it takes to fit a terminal of so many columns, but no shorter than can be read."""
    if not room or not rows:
        return [list(row) for row in rows]
    widths = [max(width(_COLOUR.sub("", cell)) for cell in column) for column in zip(*rows, strict=True)]
    most = max(_SHORTEST_NAME, widths[at] - (sum(widths) + 2 * (len(widths) - 1) - room))
    return [[fitted(cell, most) if number == at else cell for number, cell in enumerate(row)] for row in rows]


def title_key(column: str, shown: Shown) -> Callable[[LibraryTitle], Any]:
    """Return by what titles are sorted: a column, and where that is the same by name and id. Those without a name go last."""
    from oboromi_fs.library.filters import folded

    def by_name(title: LibraryTitle) -> tuple[bool, str, int]:
        name = title.name(shown.languages)
        return not name, folded(name), title.application_id

    keys: dict[str, Callable[[LibraryTitle], Any]] = {
        "name": by_name,
        "id": lambda title: title.application_id,
        "version": lambda title: title.version,
        "update": lambda title: title.updates[-1].meta.version if title.updates else -1,
        "addons": _addons,
        "size": lambda title: title.size,
        "firmware": lambda title: title.required_system_version,
        "publisher": lambda title: folded(title.publisher(shown.languages)),
        "files": lambda title: len(title.paths),
        "changed": lambda title: title.changed_ns,
        "path": lambda title: tuple(map(os.fsencode, title.paths)),
        "state": lambda title: title.marks,
    }
    return lambda title: (keys[column](title), by_name(title))


# A line for each file

HELD = 2
"""The column of :func:`file_rows` that says what a file holds."""


def file_rows(holdings: Sequence[Holding], titles: Sequence[LibraryTitle], shown: Shown) -> list[list[str]]:
    """Return size, path, what is in it, and what is to be said of it, for each file."""
    items: dict[str, list[tuple[str, Item]]] = {}
    for title in titles:
        name = shown.name(title)
        for item in title.items:
            items.setdefault(item.holding.path, []).append((name, item))
    rows = []
    for holding in holdings:
        held = items.get(holding.path, [])
        texts = [f"{name} [{item.meta.title_id:016x}] {item.kind} v{item.meta.version}" for name, item in held]
        marks = list(dict.fromkeys(mark for _, item in held for mark in sorted(item.marks)))
        state = shown.marks(marks)
        if not held:
            state = shown.console.paint("; ".join(shown.text(issue.text) for issue in holding.issues) or "-", "bad")
        rows.append([shown.size(holding.size), shown.path(holding.path), "; ".join(texts) or "-", state])
    return rows


# A tree for each title


def draw_titles(titles: Sequence[LibraryTitle], loose: Sequence[Holding], shown: Shown, marks: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of a tree for each title, then of files in which there is none.

    Args:
        titles: The titles.
        loose: Files in which no title was found.
        shown: How.
        marks: If there are any, only items of which one of these is said, and issues of those.
    """
    for title in titles:
        yield from draw(_title_branch(title, shown, set(marks)))
    for holding in loose:
        lines = [Branch(shown.console.paint(shown.text(issue.text), "bad")) for issue in holding.issues]
        yield from draw(Branch(f"{shown.path(holding.path)}  {size_text(holding.size)}", lines))


def _title_branch(title: LibraryTitle, shown: Shown, marks: set[str]) -> Branch:
    items = [item for item in title.items if not marks or item.marks & marks]
    told: set[tuple[str, str]] = set()
    branches = [_item_branch(item, title, shown, told) for item in items]
    name = title.name(shown.languages)
    called = f"{shown.name(title)}  " if name else ""
    by = f", by {printable(title.publisher(shown.languages))}" if title.publisher(shown.languages) else ""
    return Branch(f"{called}{title.application_id:016x}  {version_text(title)}{by}", branches)


def _item_branch(item: Item, title: LibraryTitle, shown: Shown, told: set[tuple[str, str]]) -> Branch:
    meta = item.meta
    own = f" {meta.title_id:016x}" if item.kind in ("addon", "other") else ""
    version = f"v{meta.version}"
    if item.names is not None and item.names.version:
        version += f" ({printable(item.names.version)})"
    marks = f"  {shown.marks(_in_order(item.marks))}" if item.marks else ""
    label = f"{item.kind}{own} {version}  {size_text(item.size)}  {shown.path(item.holding.path)}{marks}"
    lines = []
    for issue in (*title.issues, *item.issues):
        key = (issue.path, issue.text)
        if (issue.title_id == meta.title_id and issue.path.startswith(item.holding.path)) or issue in item.issues:
            if key not in told:
                lines.append(Branch(shown.text(f"{issue.kind}: {issue.text}")))
            told.add(key)
    paths = [shown.path(twin.holding.path) for twin in islice(item.twins(), _MOST_TWINS + 1)]
    if paths:
        lines.append(Branch(f"the same as {', '.join(paths[:_MOST_TWINS])}{' …' if len(paths) > _MOST_TWINS else ''}"))
    verification = item.holding.verification
    if verification is not None:
        when = _day(verification.when)
        lines.append(Branch(f"verified {when}: {verification.verdict}, {plural(verification.ok, 'checks')} ok"))
        inside = f"{item.holding.path}{os.sep}"
        texts = [shown.text(text.replace(inside, "")) for text in verification.problems]
        lines += [Branch(shown.console.paint(text, "bad" if verification.failed else "doubt")) for text in texts]
    return Branch(label, lines)


def _in_order(marks: set[str]) -> list[str]:
    from oboromi_fs.library.titles import MARKS

    return [mark for mark in MARKS if mark in marks]


# The sum


def summary(titles: Sequence[LibraryTitle], holdings: Sequence[Holding]) -> dict[str, int]:
    """Return the numbers of a collection, with stable names."""
    items = [item for title in titles for item in title.items]
    counts = {
        "titles": len(titles),
        "bases": sum(item.kind == "base" for item in items),
        "updates": sum(item.kind == "update" for item in items),
        "addons": sum(item.kind == "addon" for item in items),
        "files": len(holdings),
        "size": sum(holding.size for holding in holdings),
        "files_without_title": sum(not holding.package.metas for holding in holdings),
        "duplicate_size": _spare(items, "duplicate"),
        "outdated_size": _spare(items, "outdated"),
    }
    verified = [holding.verification for holding in holdings if holding.verification is not None]
    counts["verified"] = len(verified)
    counts["failed"] = sum(each.failed > 0 for each in verified)
    return counts


def _spare(items: Sequence[Item], mark: str) -> int:
    """Bytes of files that could go: that hold nothing but what is outdated, or there in another file as well."""
    alone = [item for item in items if mark in item.marks and len(item.holding.package.metas) == 1]
    if mark == "outdated":
        return sum(item.holding.size for item in alone)
    groups: dict[tuple[int, int, tuple[str, ...]], list[Item]] = {}
    for item in items:
        if mark in item.marks:
            groups.setdefault((item.meta.title_id, item.meta.version, item.content_ids), []).append(item)
    spare = 0
    for group in groups.values():
        # Links to one file take its room once.
        sizes = {item.holding.stamp[0].inode: item.holding.size for item in group if len(item.holding.package.metas) == 1}
        others = any(len(item.holding.package.metas) != 1 for item in group)
        spare += sum(sizes.values()) - (0 if others else min(sizes.values()))
    return spare


def summary_text(titles: Sequence[LibraryTitle], holdings: Sequence[Holding]) -> str:
    """Return the same in a line."""
    found = summary(titles, holdings)
    parts = [plural(found[name], noun) for name, noun in (("bases", "bases"), ("updates", "updates"), ("addons", "add-ons")) if found[name]]
    kinds = f" ({', '.join(parts)})" if parts else ""
    text = f"{plural(found['titles'], 'titles')}{kinds} in {plural(found['files'], 'files')}, {size_text(found['size'])}"
    marks: dict[str, int] = {}
    for title in titles:
        for mark in title.marks:
            marks[mark] = marks.get(mark, 0) + 1
    said = [f"{marks[mark]} {mark}" for mark in _in_order(set(marks))]
    if found["files_without_title"]:
        said.append(f"{plural(found['files_without_title'], 'files')} without a title")
    spare = found["duplicate_size"] + found["outdated_size"]
    if spare:
        said.append(f"{size_text(spare)} in files that could go")
    if found["verified"]:
        said.append(f"{found['verified']} verified, {found['failed']} of them failed")
    return "; ".join([text, *said])
