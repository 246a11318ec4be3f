"""Gathering: layers and lists of files become the rows of an index."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.overlay.cuts import Tree
from oboromi_fs.overlay.keys import fold_case, fold_key, safe_key
from oboromi_fs.overlay.listing import Listing, list_layer
from oboromi_fs.overlay.names import Names, fold_names
from oboromi_fs.overlay.resolver import Problem
from oboromi_fs.overlay.stacks import Rows, Texts, joined_rows
from oboromi_fs.paths import join, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.stacks import Ids

__all__ = ["Gathering", "checked_key", "is_within"]

_PLAIN = re.compile(r"(?![A-Za-z]:)(?!\.{1,2}(?:/|\Z))[^/\\\0]+(?:/(?!\.{1,2}(?:/|\Z))[^/\\\0]+)*")
"""Paths that need no closer look to be safe keys."""


def checked_key(path: str, *, fold: bool) -> str:
    """Return the key of a path that comes from outside.

    Raises:
        UnsafePathError: It does not stay below the root of wherever it is put, see :func:`oboromi_fs.overlay.keys.safe_key`.
    """
    key = safe_key(path)
    return key if fold else "/".join(part for part in path.split("/") if part)


def is_within(path: str, places: AbstractSet[str]) -> bool:
    """Whether a path is one of some places other than the root, or below one."""
    end = len(path)
    while end > 0:
        if path[:end] in places:
            return True
        end = path.rfind("/", 0, end)
    return False


class Gathering:
    """Rows, names and directories of sources, as they are added low to high.

    Args:
        names: Numbers of paths, which grow.
        fold: Whether keys are folded.
        settle: Whether a source that folds may have a path as a file or as a directory, not as both.
    """

    def __init__(self, names: Names, *, fold: bool, settle: bool) -> None:
        self.names = names
        self.problems: list[Problem] = []
        self.texts: list[Texts] = []
        self._fold = fold
        self._settle = settle
        self._parts: list[Rows] = []
        self._folders: list[Ids] = []
        self._whiteouts: list[tuple[str, ...]] = []
        self._opaque: list[tuple[str, ...]] = []

    def add_layer(self, layer: Layer, number: int = -1) -> None:
        """List a layer and add what it has.

        Args:
            layer: The layer.
            number: Its number as a source; the next one where none is given.
        """
        listing = list_layer(layer)
        self.problems += listing.problems
        if self._settle and (layer.case == "fold" or self._fold):
            self.problems += _settled(listing, layer.name, fold=True)
        self._add(listing, {}, number)

    def add_list(self, name: str, paths: Iterable[str], number: int = -1) -> None:
        """Add the files of a list; what is no safe path is a problem."""
        listing = Listing()
        given: dict[str, list[str]] = {"": []}
        for path in paths:
            if _PLAIN.fullmatch(path):
                key = fold_case(path) if self._fold else path
            else:
                try:
                    key = checked_key(path, fold=self._fold)
                except UnsafePathError as error:
                    self.problems.append(Problem(name, "ignored", path, str(error)))
                    continue
            folder, _, last = key.rpartition("/")
            if folder not in given:
                self._make(listing, given, folder)
            listing.folders[folder].append(last)
            given[folder].append(path)
        if self._settle:
            self.problems += _settled(listing, name, fold=self._fold, given=given)
        self._add(listing, given, number)

    @staticmethod
    def _make(listing: Listing, given: dict[str, list[str]], folder: str) -> None:
        while folder not in given:
            given[folder] = []
            listing.folders[folder] = []
            folder = folder.rpartition("/")[0]

    def _add(self, listing: Listing, given: dict[str, list[str]], number: int) -> None:
        import numpy as np

        number = len(self._parts) if number < 0 else number
        keys = array("i")
        folders = array("i")
        places: list[int] = []
        texts: list[str] = []
        for folder, names, spelled in self._keyed(listing, given):
            known = self.names.folder(folder)
            folders.append(known)
            prefix = folder + "/" if folder else ""
            if spelled is not None and spelled != [prefix + name for name in names]:
                for place, (name, text) in enumerate(zip(names, spelled, strict=True), len(keys)):
                    if text != prefix + name:
                        places.append(place)
                        texts.append(text)
            keys.extend(self.names.add(known, names))
        rows = Rows(np.array(keys, np.int32), np.full(len(keys), number, np.int32), np.full(len(keys), -1, np.int32))
        rows.spelled[places] = np.arange(len(texts), dtype=np.int32)
        ordered = np.sort(rows.keys) if self._fold or given else rows.keys[:0]
        if (ordered[1:] == ordered[:-1]).any():
            rows = self._ranked(rows, texts)
        self._parts.append(rows)
        self.texts.append(Texts(texts))
        self._folders.append(np.unique(np.array(folders, np.int32)))
        fold = fold_key if self._fold else str
        self._whiteouts.append(tuple(map(fold, listing.whiteouts)))
        self._opaque.append(tuple(map(fold, listing.opaque)))

    def _keyed(self, listing: Listing, given: dict[str, list[str]]) -> Iterator[tuple[str, list[str], list[str] | None]]:
        """Directories as keys, the names of their files, and their paths as they are spelled (None: no differently)."""
        if given:
            for folder, names in listing.folders.items():
                yield folder, names, given[folder]
        elif not self._fold:
            for folder, names in listing.folders.items():
                yield folder, names, None
        else:
            for folder, names in listing.folders.items():
                if "\\" in folder or "\\" in "".join(names):
                    yield from _slashed(folder, names)
                    continue
                key = fold_case(folder)
                folded = fold_names(names)
                if key == folder and folded is names:
                    yield folder, names, None
                else:
                    prefix = folder + "/" if folder else ""
                    yield key, folded, [prefix + name for name in names]

    def _ranked(self, rows: Rows, texts: list[str]) -> Rows:
        """Put the spellings of one key in order: the last by its bytes is on top."""
        import numpy as np

        spelled = self.names.paths(rows.keys)
        for place in np.flatnonzero(rows.spelled >= 0).tolist():
            spelled[place] = texts[rows.spelled[place]]
        return rows.where(np.array(sorted(range(len(spelled)), key=lambda place: sort_key(spelled[place])), np.int32))

    def rows(self) -> Rows:
        """Return all rows."""
        return joined_rows(self._parts)

    def tree(self, folds: tuple[bool, ...]) -> Tree:
        """Return the directories and markers; ``folds`` as :class:`Tree` has it."""
        return Tree(tuple(self._folders), tuple(self._whiteouts), tuple(self._opaque), folds)


def _slashed(folder: str, names: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """A directory where something is spelled with a backslash, which separates in keys."""
    key = fold_key(folder)
    parents: dict[str, None] = {key: None}
    for name in names:
        path = fold_key(join(folder, name))
        parent, _, last = path.rpartition("/")
        yield parent, [last], [join(folder, name)]
        parents[parent] = None
    for path in parents:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            yield "/".join(parts[:depth]), [], []


def _settled(listing: Listing, layer: str, *, fold: bool, given: dict[str, list[str]] | None = None) -> Iterator[Problem]:
    """Leave a path to a file or to directories where a layer has both, in different spellings: to the last of them by their bytes."""
    folded = fold_case if fold else str
    folders: dict[str, dict[str, str]] = {}
    for path in listing.folders:
        if path:
            parent, _, name = path.rpartition("/")
            known = folders.setdefault(folded(parent), {})
            known[folded(name)] = max(known.get(folded(name), ""), path, key=sort_key)
    files: dict[str, str] = {}
    for folder, names in listing.folders.items():
        known = folders.get(folded(folder), {})
        folded_names = fold_names(names) if fold else names
        if not known.keys().isdisjoint(folded_names):
            for name, short in zip(names, folded_names, strict=True):
                if short in known:
                    path = join(folded(folder), short)
                    files[path] = max(files.get(path, ""), join(folder, name), key=sort_key)
    as_files: set[str] = set()
    as_directories: dict[str, set[str]] = {}
    for path, file in sorted(files.items()):
        parent, _, name = path.rpartition("/")
        directory = folders[parent][name]
        as_directory = sort_key(directory) >= sort_key(file)
        text = f"has {file!r} as a file and {directory!r} as a directory: it is taken as a {'directory' if as_directory else 'file'}"
        yield Problem(layer, "clash", file if as_directory else directory, text)
        if as_directory:
            as_directories.setdefault(parent, set()).add(name)
        else:
            as_files.add(path)
    if not files:
        return
    for folder in [*listing.folders]:
        here = folded(folder)
        if is_within(here, as_files):
            del listing.folders[folder]
            continue
        gone = as_directories.get(here)
        if gone:
            kept = [place for place, other in enumerate(listing.folders[folder]) if folded(other) not in gone]
            listing.folders[folder] = [listing.folders[folder][place] for place in kept]
            if given is not None:
                given[folder] = [given[folder][place] for place in kept]
    listing.opaque = [each for each in listing.opaque if not is_within(folded(each), as_files)]
    listing.whiteouts = [each for each in listing.whiteouts if not is_within(folded(each).rpartition("/")[0], as_files)]
