"""Views of a layer: how one layer answers to a path of the union, by its case policy, its markers and where it is mounted."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.markers import OPAQUE, PREFIX, Marked, has_opaque_attribute, host_folder, is_marker, is_whiteout, read_marked
from oboromi_fs.paths import addressable, join, sort_key
from oboromi_fs.protocols import DirEntry, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.protocols import FileSystem

__all__ = ["RACY", "Answer", "FoldView", "Level", "View", "Wanted", "view_of"]

_DIRECTORY = Metadata("directory", 0)
RACY = 100_000_000
"""Nanoseconds after its last change in which a host folder may change again without its time telling."""


class Answer(NamedTuple):
    """What a layer says of a path.

    ``meta`` is None where it has nothing there. ``paths`` are where in the layer it is: one path, or several that differ in case, of which
    the first is the one that counts; directories among them merge. ``cuts`` tells why layers below do not count: ``""`` where they do,
    else ``"file" "whiteout" "opaque"``.
    """

    meta: Metadata | None
    paths: tuple[str, ...] = ()
    cuts: str = ""


class Wanted(NamedTuple):
    """A directory that a view is to list: as it was asked for, and where it is in the layer."""

    path: str
    paths: tuple[str, ...]


class View(Protocol):
    """One layer, asked by paths of the union."""

    folds: bool
    clashes: dict[tuple[str, ...], None]
    """Paths of this layer that differ in case alone, as far as listings came by them."""

    def find(self, path: str) -> Answer:
        """Look a canonical path up."""

    def plain_in(self, path: str) -> bool:
        """Whether what the listing of a directory of the union names is where the name says: nothing is folded, or mounted elsewhere."""

    def listing(self, wanted: Wanted) -> Marked:
        """List a directory that :meth:`find` found. Where a view folds, an entry's name may differ in case from others of its own."""


def view_of(layer: Layer) -> View:
    """Return how a layer answers."""
    view: View
    if layer.case == "fold":
        view = FoldView(layer.fs, markers=bool(layer.markers))
    elif layer.markers:
        view = _MarkedView(layer.fs)
    else:
        view = _ExactView(layer.fs)
    return _MountedView(view, layer.at) if layer.at else view


class _ExactView:
    """Names as they are spelled; no markers."""

    folds = False

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs
        self.clashes: dict[tuple[str, ...], None] = {}

    def plain_in(self, path: str) -> bool:
        del path
        return True

    def find(self, path: str) -> Answer:
        try:
            return Answer(self.fs.metadata(path), (path,))
        except NotADirectoryError:
            return Answer(None, (), "file")
        except FileNotFoundError:
            return _NOTHING

    def listing(self, wanted: Wanted) -> Marked:
        return Marked(self.fs.read_dir(wanted.paths[0]), set(), opaque=False)


_NOTHING = Answer(None)


class _MarkedView(_ExactView):
    """Names as they are spelled, and markers. Nothing is remembered: a layer that is being written shows every change."""

    def __init__(self, fs: FileSystem) -> None:
        super().__init__(fs)
        self._on_host = hasattr(fs, "host_path")

    def find(self, path: str) -> Answer:
        cuts = ""
        here = ""
        folder = host_folder(self.fs, "") or ""
        for name in path.split("/") if path else ():
            if is_marker(name):
                return Answer(None, (), cuts)
            if not cuts and self._opaque(here, folder):
                cuts = "opaque"
            marked = self._exists(join(here, PREFIX + name), f"{folder}/{PREFIX}{name}")
            here, folder = join(here, name), f"{folder}/{name}"
            gone, there = self._look(folder)
            if gone or (marked and not there):
                return Answer(None, (), cuts or "whiteout")
            if not there:
                if self._on_host and not os.path.isdir(host_folder(self.fs, "") or ""):
                    break  # The whole layer is gone: its file system says so.
                return Answer(None, (), cuts)
            if marked:
                cuts = cuts or "whiteout"
        found = super().find(path)
        if not cuts and found.meta is not None and found.meta.kind == "directory" and self._opaque(path, folder):
            cuts = "opaque"
        return found if not cuts else Answer(found.meta, found.paths, cuts)

    def listing(self, wanted: Wanted) -> Marked:
        return read_marked(self.fs, wanted.paths[0])

    def _exists(self, path: str, host: str) -> bool:
        if self._on_host:
            return os.path.lexists(host)
        try:
            self.fs.metadata(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _opaque(self, path: str, host: str) -> bool:
        return self._exists(join(path, OPAQUE), f"{host}/{OPAQUE}") or (self._on_host and has_opaque_attribute(host))

    def _look(self, host: str) -> tuple[bool, bool]:
        """Whether a whiteout of overlayfs is there, and whether anything is."""
        if not self._on_host:
            return False, True  # Whether anything is there shows when it is looked up, at the end.
        try:
            found = os.lstat(host)
        except FileNotFoundError:
            return False, False
        except OSError:
            return False, True  # A file on the way, or more than the host takes: the lookup says so.
        return is_whiteout(host, found), True


class Level(NamedTuple):
    """One directory of a layer, by folded names."""

    groups: dict[str, list[DirEntry]]
    whiteouts: frozenset[str]
    opaque: bool
    stamp: tuple[int, int] | None


_CHANGING = ("Host", "Union")
"""Kinds of file systems that may change; of the host's own folders it can be told when they do."""


class FoldView:
    """Names in any ASCII case; with or without markers.

    Directories are remembered for lookups: those of the host until they change, those of archives for good. A listing is always read anew
    from what may change, as the size of a file may without its directory telling.
    """

    folds = True

    def __init__(self, fs: FileSystem, *, markers: bool) -> None:
        self.fs = fs
        self._markers = markers
        self._on_host = hasattr(fs, "host_path")
        self._changes = getattr(fs, "kind", "Host") in _CHANGING
        self._levels: dict[str, Level] = {}
        self.clashes: dict[tuple[str, ...], None] = {}

    def plain_in(self, path: str) -> bool:
        """Never: what a name stands for shows when it is asked for."""
        del path
        return False

    def find(self, path: str) -> Answer:
        """Look a canonical path up, in whatever case."""
        if not path:
            return Answer(self.fs.metadata(""), ("",), "opaque" if self._level("").opaque else "")
        cuts = ""
        paths: list[str] = [""]
        names = path.split("/")
        for depth, name in enumerate(names):
            folded = fold_case(name)
            levels = [(parent, self._level(parent)) for parent in paths]
            if not cuts and any(level.opaque for _, level in levels):
                cuts = "opaque"
            found = [(join(parent, entry.name), entry) for parent, level in levels for entry in level.groups.get(folded, ())]
            if any(folded in level.whiteouts for _, level in levels):
                cuts = cuts or "whiteout"
            if not found:
                return Answer(None, (), cuts)
            if depth == len(names) - 1:
                return self._answer(path, found, cuts)
            if _pick("/".join(names[: depth + 1]), found)[1].kind == "file":
                return Answer(None, (), cuts or "file")
            paths = [inner for inner, entry in found if entry.kind == "directory"]
        return _NOTHING

    def _answer(self, path: str, found: list[tuple[str, DirEntry]], cuts: str) -> Answer:
        inner, entry = _pick(path, found)
        others = sorted((other for other, each in found if each.kind == entry.kind and other != inner), key=sort_key, reverse=True)
        paths = (inner, *others)
        if entry.kind == "file":
            return Answer(self.fs.metadata(inner), paths, cuts)
        if not cuts and any(self._level(each).opaque for each in paths):
            cuts = "opaque"
        return Answer(_DIRECTORY if others else self.fs.metadata(inner), paths, cuts)

    def listing(self, wanted: Wanted) -> Marked:
        """List each name once: of several spellings the one that would be found by any other."""
        groups: dict[str, list[tuple[str, DirEntry]]] = {}
        whiteouts: set[str] = set()
        opaque = False
        for parent in wanted.paths:
            if self._changes:
                self._levels.pop(parent, None)
            level = self._level(parent)
            whiteouts |= level.whiteouts
            opaque = opaque or level.opaque
            for folded, entries in level.groups.items():
                groups.setdefault(folded, []).extend((join(parent, entry.name), entry) for entry in entries)
        entries = [entry for found in groups.values() for entry in _ordered(wanted.path, found)]
        for found in groups.values():
            if len(found) > 1:
                self.clashes.setdefault(tuple(sorted((inner for inner, _ in found), key=sort_key)))
        return Marked(entries, whiteouts, opaque)

    def spelled(self, paths: tuple[str, ...], folded: str) -> tuple[str, bool]:
        """Return how a listing of directories spells one folded name, ``""`` where they have none; and whether they hide it below."""
        levels = [(parent, self._level(parent)) for parent in paths]
        found = [join(parent, entry.name) for parent, level in levels for entry in level.groups.get(folded, ())]
        return max(found, key=sort_key, default="").rpartition("/")[2], any(folded in level.whiteouts for _, level in levels)

    def _level(self, path: str) -> Level:
        known = self._levels.get(path)
        stamp = self._stamp(path)
        if known is not None and (not self._changes or (stamp is not None and known.stamp == stamp)):
            return known
        marked = read_marked(self.fs, path) if self._markers else Marked(self.fs.read_dir(path), set(), opaque=False)
        groups: dict[str, list[DirEntry]] = {}
        for entry in marked.entries:
            if addressable(entry.name):
                groups.setdefault(fold_case(entry.name), []).append(entry)
        level = Level(groups, frozenset(map(fold_case, marked.whiteouts)), marked.opaque, stamp)
        self._levels[path] = level
        return level

    def _stamp(self, path: str) -> tuple[int, int] | None:
        """When a host folder last changed; None where it may change again without telling."""
        root = getattr(self.fs, "root", "") if self._on_host else ""
        if not root:
            return None
        try:
            found = os.stat(join(root, path) if path else root)  # Not resolved step by step, which takes the longer the deeper it is.
        except FileNotFoundError:
            self.fs.metadata(path)  # Says what is gone: this directory, or the whole layer.
            raise
        return (found.st_mtime_ns, found.st_ctime_ns) if time.time_ns() - found.st_ctime_ns > RACY else None


def _pick(path: str, found: Iterable[tuple[str, DirEntry]]) -> tuple[str, DirEntry]:
    """Of several spellings the one that was asked for, else the last by its bytes."""
    return max(found, key=lambda each: (each[0] == path, sort_key(each[0])))


def _ordered(parent: str, found: list[tuple[str, DirEntry]]) -> list[DirEntry]:
    """The spellings of one name: the last by its bytes first, then those that are found when asked for exactly."""
    if len(found) == 1:
        return [found[0][1]]
    last = max(found, key=lambda each: sort_key(each[0]))[1].name
    names = {last: None, **{entry.name: None for inner, entry in found if inner == join(parent, entry.name)}}
    return [DirEntry(name, *_pick(join(parent, name), found)[1][1:]) for name in names]


class _MountedView:
    """A layer whose root is a directory of the union: the directories above are there as well, and answer by the same case policy."""

    def __init__(self, view: View, at: str) -> None:
        self.view = view
        self.folds = view.folds
        self.clashes = view.clashes
        self.at = at
        self._at = self._key(at) + "/"

    def _key(self, path: str) -> str:
        return fold_case(path) if self.folds else path

    def plain_in(self, path: str) -> bool:
        return (self._key(path) + "/").startswith(self._at) and self.view.plain_in(path[len(self._at) :])

    def find(self, path: str) -> Answer:
        key = self._key(path) + "/"
        if key.startswith(self._at):
            return self.view.find(path[len(self._at) :])
        if not path or self._at.startswith(key):
            return Answer(_DIRECTORY, ("",))  # On the way to the layer, of which the root is the nearest there is.
        return _NOTHING

    def listing(self, wanted: Wanted) -> Marked:
        key = self._key(wanted.path) + "/"
        if key.startswith(self._at):
            return self.view.listing(Wanted(wanted.path[len(self._at) :], wanted.paths))
        rest = self.at[len(wanted.path) + 1 :] if wanted.path else self.at
        return Marked([DirEntry(rest.split("/")[0], "directory", 0)], set(), opaque=False)
