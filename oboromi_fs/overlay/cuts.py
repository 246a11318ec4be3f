"""Cuts: what hides versions of files that lie in layers below. There are few, and each acts on a directory of files at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.names import fold_names
from oboromi_fs.overlay.stacks import Rows, Stacks
from oboromi_fs.paths import join, sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from oboromi_fs.overlay.names import Names
    from oboromi_fs.overlay.stacks import Counts, Ids, Mask

__all__ = ["REASONS", "Cut", "Judge", "Tree", "clashes", "hide", "late_arrivals"]

REASONS = ("", "whiteout", "opaque", "file", "directory")
_WHITEOUT, _OPAQUE, _FILE, _DIRECTORY = range(1, 5)


class Cut(NamedTuple):
    """One cut: the path it is at, the source that has it, why (a number of :data:`REASONS`), and whether it goes for any case."""

    path: str
    source: int
    reason: int
    folds: bool


@dataclass(frozen=True)
class Tree:
    """What sources have beside files.

    Args:
        folders: Numbers of the directories of each source.
        whiteouts: What each source has deleted below it, as paths.
        opaque: Its opaque directories.
        folds: Whether it answers to any case, where that differs from source to source: its paths here are as it spells them.
    """

    folders: tuple[Ids, ...]
    whiteouts: tuple[tuple[str, ...], ...]
    opaque: tuple[tuple[str, ...], ...]
    folds: tuple[bool, ...]

    @cached_property
    def tops(self) -> Ids:
        """The topmost source that has a directory, by its number."""
        import numpy as np

        found = np.full(max((int(numbers.max()) for numbers in self.folders if len(numbers)), default=-1) + 1, -1, np.int32)
        for source, numbers in enumerate(self.folders):
            found[numbers] = source
        return found

    @cached_property
    def _sources(self) -> tuple[Ids, Counts]:
        import numpy as np

        numbers = np.concatenate([*self.folders, np.empty(0, np.int32)])
        sources = np.repeat(np.arange(len(self.folders), dtype=np.int32), [len(each) for each in self.folders])
        starts = np.concatenate(([0], np.cumsum(np.bincount(numbers))))
        return sources[np.argsort(numbers, kind="stable")], starts

    def sources_of(self, folder: int) -> list[int]:
        """Return the sources that have a directory, low to high."""
        sources, starts = self._sources
        return sources[starts[folder] : starts[folder + 1]].tolist() if folder + 1 < len(starts) else []

    def marks(self) -> Iterator[Cut]:
        """Yield the cuts that markers make."""
        for reason, kind in ((_WHITEOUT, self.whiteouts), (_OPAQUE, self.opaque)):
            for source, paths in enumerate(kind):
                folds = self.folds[source]
                for path in paths:
                    yield Cut(fold_case(path) if folds else path, source, reason, folds)

    def joined(self, other: Tree) -> Tree:
        """Return it with more sources on top."""
        return Tree(
            self.folders + other.folders,
            self.whiteouts + other.whiteouts,
            self.opaque + other.opaque,
            self.folds + other.folds,
        )

    def arranged(self, order: Sequence[int]) -> Tree:
        """Return it with the sources in another order: their numbers here, low to high."""
        return Tree(
            tuple(self.folders[source] for source in order),
            tuple(self.whiteouts[source] for source in order),
            tuple(self.opaque[source] for source in order),
            tuple(self.folds[source] for source in order),
        )


class Judge:
    """Cuts, asked for single paths."""

    def __init__(self, cuts: Iterable[Cut]) -> None:
        self._exact: dict[str, list[Cut]] = {}
        self._folding: dict[str, list[Cut]] = {}
        self._whiteouts: dict[str, list[Cut]] = {}
        for cut in cuts:
            (self._folding if cut.folds else self._exact).setdefault(cut.path, []).append(cut)
            if cut.reason == _WHITEOUT:
                self._whiteouts.setdefault(fold_case(cut.path), []).append(cut)

    def top(self, path: str, *, directory: bool) -> int:
        """Return the topmost source that hides what lies below it at a path; -1 if none does."""
        top = -1
        parts = path.split("/") if path else []
        for depth in range(len(parts) + 1):
            here = "/".join(parts[:depth])
            last = here == path
            for cut in (*self._exact.get(here, ()), *self._folding.get(fold_case(here), ())):
                acts = last and not directory if cut.reason == _DIRECTORY else not last or directory or cut.reason != _FILE
                if acts and cut.source > top:
                    top = cut.source
        return top

    def whiteouts(self, path: str) -> list[Cut]:
        """Return the whiteouts of a path that is folded."""
        return self._whiteouts.get(path, [])


def clashes(names: Names, tree: Tree, rows: Rows, starts: Counts, spelling: Callable[[int], str]) -> Iterator[Cut]:
    """Yield the cuts that files make which are directories elsewhere, and directories that are files elsewhere.

    Args:
        names: Numbers of paths.
        tree: Directories of the sources.
        rows: Versions, stacked.
        starts: Where stacks begin.
        spelling: Gives the path of a row as its source spells it.
    """
    if any(tree.folds):
        yield from _folded_clashes(names, tree, rows, starts, spelling)
        return
    for path, folder in names.folders.items():
        key = names.find(path)
        if key < 0 or starts[key] == starts[key + 1]:
            continue
        top = int(tree.tops[folder]) if folder < len(tree.tops) else -1
        if top >= 0:
            yield Cut(path, int(rows.sources[starts[key + 1] - 1]), _FILE, folds=False)
            yield Cut(path, top, _DIRECTORY, folds=False)


def _folded_clashes(names: Names, tree: Tree, rows: Rows, starts: Counts, spelling: Callable[[int], str]) -> Iterator[Cut]:
    folders: dict[str, list[int]] = {}
    for folder, folded in enumerate(fold_names(names.folder_paths)):
        folders.setdefault(folded, []).append(folder)
    for parent, parent_folder in names.folders.items():
        table = names.table(parent_folder)
        told: set[str] = set()
        for name, folded in zip(table, fold_names(list(table)), strict=True):
            path = join(fold_case(parent), folded)
            if path not in folders:
                continue
            for row in range(starts[table[name]], starts[table[name] + 1]):
                source = int(rows.sources[row])
                folds = tree.folds[source]
                yield Cut(path if folds else spelling(row), source, _FILE, folds)
            if path in told:  # By another spelling of the file.
                continue
            told.add(path)
            for folder in folders[path]:
                for source in tree.sources_of(folder):
                    folds = tree.folds[source]
                    yield Cut(path if folds else names.folder_paths[folder], source, _DIRECTORY, folds)


def hide(names: Names, rows: Rows, starts: Counts, cuts: Iterable[Cut]) -> Stacks:
    """Return stacks of which what cuts hide is hidden; where several do, by the topmost, and there by the first on the way down."""
    import numpy as np

    def weight(cut: Cut) -> tuple[int, int, int]:
        return cut.source, -(cut.path.count("/") + bool(cut.path)), -cut.reason

    count = len(starts) - 1
    todo = sorted(set(cuts), key=weight)
    if not todo:
        nothing = np.broadcast_to(np.int32(-1), (count,))
        return Stacks(rows, starts, starts[:-1], nothing, np.broadcast_to(np.int8(0), (count,)))
    by = np.full(count, -1, np.int32)
    reasons = np.zeros(count, np.int8)
    for cut in todo:
        for keys in _reach(names, cut):
            by[keys] = cut.source
            reasons[keys] = cut.reason
    hidden = rows.sources < by[rows.keys]
    visible = starts[:-1] + np.bincount(rows.keys[hidden], minlength=count)
    return Stacks(rows, starts, visible, by, reasons)


def _reach(names: Names, cut: Cut) -> Iterator[Ids | list[int]]:
    """Files that a cut acts on: those below it, and one at its very place."""
    if cut.reason != _DIRECTORY:
        yield names.below(cut.path, folded=cut.folds)
    if cut.reason != _FILE and cut.path:
        if cut.folds:
            yield names.folded.get(cut.path, [])
        elif (key := names.find(cut.path)) >= 0:
            yield [key]


def late_arrivals(names: Names, rows: Rows, starts: Counts, spelling: Callable[[int], str]) -> tuple[Mask, dict[int, str]]:
    """Find the rows that come too late: to a directory that was a file before, or a file that was a directory.

    Rows arrive by source, low to high, and in a source by the bytes of their paths.

    Returns:
        Which rows they are, and for each of these rows the path that it clashes at.
    """
    import numpy as np

    late = np.zeros(len(rows), np.bool_)
    affected: set[int] = set()
    for path in names.folders:
        key = names.find(path)
        if key >= 0 and starts[key] < starts[key + 1]:
            affected.add(key)
            affected |= set(names.below(path).tolist())
    if not affected:
        return late, {}
    found = [row for key in affected for row in range(starts[key], starts[key + 1])]
    files: set[str] = set()
    folders: set[str] = set()
    where: dict[int, str] = {}
    for row in sorted(found, key=lambda row: (rows.sources[row], sort_key(spelling(row)))):
        path = names.path(int(rows.keys[row]))
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        clash = path if path in folders else next((parent for parent in above if parent in files), "")
        if clash:
            late[row] = True
            where[row] = clash
        else:
            files.add(path)
            folders.update(above)
    return late, where
