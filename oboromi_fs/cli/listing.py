"""``ls tree find``: names."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import encode, printable
from oboromi_fs.cli.drawing import Branch, columns, draw
from oboromi_fs.cli.failures import DAMAGED, DONE, NO, UsageError
from oboromi_fs.errors import NotADirectoryEntryError, OboromiFsError
from oboromi_fs.paths import Glob, join, sort_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import DirEntry

__all__ = [
    "check_levels",
    "draw_place",
    "find_arguments",
    "find_below",
    "list_place",
    "ls_arguments",
    "run_find",
    "run_ls",
    "run_tree",
    "tree_arguments",
]

_MANY_LEVELS = 32
"""A drawing of fewer levels lists directory by directory, and never looks at what is below."""


# ls


def ls_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``ls`` takes."""
    parser.description = (
        "The names in a directory or container, in path order; of a file, the file itself.\n"
        "On a terminal a directory ends in /; elsewhere names are as they are, bytes that are not UTF-8 included."
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("-l", "--long", action="store_true", help="kind, size in bytes, and how it is stored: plain, encrypted, ...")
    parser.add_argument("-R", "--recursive", action="store_true", help="everything below, as relative paths")


def run_ls(session: Session, options: argparse.Namespace) -> int:
    """List a directory or container."""
    return list_place(session, options, session.locate(options.path))


def list_place(session: Session, options: argparse.Namespace, place: Location) -> int:
    """List a place, wherever it is."""
    fs, path = place.fs, place.path
    if not session.is_tree(place):
        size = fs.metadata(path).size
        rows = [(place.display, "file", size)]
        stored: dict[str, str | None] = {place.display: fs.storage(path).place().stored} if options.long else {}
    else:
        if options.recursive:
            found: Iterable[tuple[str, DirEntry]] = fs.walk(path)
        else:
            found = ((entry.name, entry) for entry in fs.read_dir(path))
        if not (options.long or session.json or session.console.on_terminal):
            # Two hundred thousand names in a third of a second: nothing is made for each but its bytes.
            names = [encode(inner) for inner, _ in found]
            names.sort()
            code = DAMAGED if session.tell_problems(place) else DONE
            names.append(b"")
            session.console.write_bytes(b"\n".join(names))
            return code
        rows = in_path_order((inner, entry.kind, entry.size) for inner, entry in found)
        stored = _stored(place, rows) if options.long else {}
    code = DAMAGED if session.tell_problems(place) else DONE
    if session.json:
        write_entries(session.console, rows, stored if options.long else None)
    elif options.long:
        name = session.console.name
        table = [(kind, str(size) if kind == "file" else "-", stored.get(inner) or "-", name(inner)) for inner, kind, size in rows]
        session.console.lines(columns(table, right=(1,)))
    else:
        session.console.lines(printable(inner) + ("/" if kind == "directory" else "") for inner, kind, _ in rows)
    return code


def in_path_order(rows: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return ``(path, kind, size)`` sorted by the bytes of the path."""
    found = list(rows)
    if all(map(str.isascii, map(itemgetter(0), found))):
        found.sort(key=itemgetter(0))  # The same order, without a key for each.
    else:
        found.sort(key=lambda row: sort_key(row[0]))
    return found


def write_entries(console: Console, rows: Iterable[tuple[str, str, int]], stored: dict[str, str | None] | None = None) -> None:
    """Write a JSON list of ``{"path", "kind", "size"}``, an entry a line; with ``stored`` in each where that is given."""
    from json.encoder import encode_basestring_ascii as quoted

    lines: list[str] = []
    for inner, kind, size in rows:
        line = f'{{"path": {quoted(inner)}, "kind": "{kind}", "size": {size}'
        if stored is None:
            lines.append(line + "}")
        else:
            how = stored.get(inner)
            lines.append(f'{line}, "stored": {quoted(how) if how else "null"}}}')
    console.write("[\n  " + ",\n  ".join(lines) + "\n]\n" if lines else "[]\n")


def _stored(place: Location, rows: Sequence[tuple[str, str, int]]) -> dict[str, str | None]:
    """How each file is stored; None where it cannot be read."""
    fs, path = place.fs, place.path
    if getattr(fs.resolve(path)[0], "kind", "") == "Host":  # Opening every file would tell nothing new.
        return dict.fromkeys((inner for inner, kind, _ in rows if kind == "file"), "plain")
    if any("/" in inner for inner, _, _ in rows):
        try:
            return {extent.path: extent.storage.place(extent.offset).stored for extent in fs.extents(path)}
        except OboromiFsError:  # A single file is broken: ask one by one.
            pass
    found: dict[str, str | None] = {}
    for inner, kind, _ in rows:
        if kind == "file":
            try:
                found[inner] = fs.storage(join(path, inner)).place().stored
            except OboromiFsError:
                found[inner] = None
    return found


# tree


def tree_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``tree`` takes."""
    parser.description = "A drawing of what is below a path. Directories end in /; control characters in names are escaped."
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("-L", "--levels", type=int, metavar="N", help="go down so many levels only")


def run_tree(session: Session, options: argparse.Namespace) -> int:
    """Draw a directory or container."""
    check_levels(options)
    return draw_place(session, options, session.locate(options.path))


def check_levels(options: argparse.Namespace) -> None:
    """Refuse a drawing of no levels, before anything is looked at.

    Raises:
        UsageError: ``-L`` is out of range.
    """
    if options.levels is not None and options.levels < 1:
        raise UsageError(f"-L takes a number from 1 on, not {options.levels}")


def draw_place(session: Session, options: argparse.Namespace, place: Location) -> int:
    """Draw a place, wherever it is."""
    if not session.is_tree(place):
        raise NotADirectoryEntryError(place.display, "a plain file, which has no tree")
    rows = in_path_order((inner, entry.kind, entry.size) for inner, entry in _below(place, options.levels))
    session.tell_problems(place)
    top = _nested(rows)
    if session.json:
        session.console.write("".join(_tree_json(place.display, top)) + "\n")
    else:
        session.console.lines(draw(Branch(printable(place.display), _branches(top))))
    return DONE


def tree_of(place: Location, levels: int | None = None) -> Any:
    """Return what ``tree --json`` writes, as a value."""
    import json

    top = _nested(in_path_order((inner, entry.kind, entry.size) for inner, entry in _below(place, levels)))
    return json.loads("".join(_tree_json(place.display, top)))


def _below(place: Location, levels: int | None) -> Iterator[tuple[str, DirEntry]]:
    """Everything below a place down to a level."""
    if levels is None or levels > _MANY_LEVELS:
        walked = place.fs.walk(place.path)
        return walked if levels is None else ((inner, entry) for inner, entry in walked if inner.count("/") < levels)
    return _shallow(place, levels)


def _shallow(place: Location, levels: int) -> Iterator[tuple[str, DirEntry]]:
    pending = [""]
    while pending:
        directory = pending.pop()
        for entry in place.fs.read_dir(join(place.path, directory)):
            inner = join(directory, entry.name)
            yield inner, entry
            # A name such as ".." would lead back, and around for ever.
            if entry.kind == "directory" and inner.count("/") + 1 < levels and _leads_on(entry.name):
                pending.append(inner)


def _leads_on(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


class _Node:
    """An entry and what is below it, by name."""

    __slots__ = ("children", "kind", "path", "size")

    def __init__(self, path: str, kind: str, size: int) -> None:
        self.path = path
        self.kind = kind
        self.size = size
        self.children: dict[str, _Node] = {}


def _nested(rows: Iterable[tuple[str, str, int]]) -> _Node:
    """Put entries in path order below each other."""
    top = _Node("", "directory", 0)
    known = {"": top}
    late: list[_Node] = []
    for inner, kind, size in rows:
        node = _Node(inner, kind, size)
        if kind == "directory":
            known[inner] = node
        parent = known.get(inner.rpartition("/")[0])
        if parent is None:
            late.append(node)
        else:
            parent.children[inner.rpartition("/")[2]] = node
    for node in late:  # A file system that names a file but not the directory it is in.
        known.get(node.path.rpartition("/")[0], top).children[node.path] = node
    return top


def _branches(top: _Node) -> list[Branch]:
    """The tree as branches, built from the deepest level up."""
    order: list[tuple[_Node, list[Branch]]] = [(top, [])]
    for node, _ in order:  # Grows while it is read: parents first.
        order.extend((child, []) for child in node.children.values() if child.children)
    lists = {id(node): branches for node, branches in order}
    for node, branches in order:
        for name, child in node.children.items():
            branches.append(Branch(printable(name) + ("/" if child.kind == "directory" else ""), lists.get(id(child), ())))
    return order[0][1]


def _tree_json(display: str, top: _Node) -> Iterator[str]:
    """The tree as nested JSON objects. Iterative: an image may nest deeper than Python's stack."""
    from json.encoder import encode_basestring_ascii as quoted

    yield f'{{"path": {quoted(display)}, "kind": "directory", "size": 0, "children": ['
    pending = [iter(top.children.values())]
    comma = ""
    while pending:
        for node in pending[-1]:
            yield f'{comma}\n{"  " * len(pending)}{{"path": {quoted(node.path)}, "kind": "{node.kind}", "size": {node.size}'
            comma = ","
            if node.kind == "directory":
                yield ', "children": ['
                pending.append(iter(node.children.values()))
                comma = ""
                break
            yield "}"
        else:
            pending.pop()
            yield "]}"
            comma = ","


# find


def find_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``find`` takes."""
    parser.description = (
        "The paths below PATH that match a pattern, each as a path that other verbs take.\n"
        "* and ? stay inside a name, ** crosses directories; a pattern without / matches names at any depth.\n"
        "Containers below PATH are not entered. Exit code 1 if nothing matches."
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("globs", metavar="GLOB", nargs="+")


def run_find(session: Session, options: argparse.Namespace) -> int:
    """Find paths by patterns."""
    return find_below(session, options, session.locate(options.path))


def find_below(session: Session, options: argparse.Namespace, place: Location) -> int:
    """Find paths below a place, wherever it is."""
    if not session.is_tree(place):
        raise NotADirectoryEntryError(place.display, "a plain file, with nothing below it")
    globs = [Glob(pattern) for pattern in options.globs]
    prefix = place.display.rstrip("/") + "/"
    rows = in_path_order(
        (prefix + inner, entry.kind, entry.size) for inner, entry in place.fs.walk(place.path) if any(glob.matches(inner) for glob in globs)
    )
    session.tell_problems(place)
    if session.json:
        write_entries(session.console, rows)
    else:
        name: Any = session.console.name
        session.console.lines(name(inner) for inner, _, _ in rows)
    return DONE if rows else NO
