"""Spelling: what a path is called where some layers answer to any case and others do not.

A name is spelled as the lowest layer that counts spells it. Where all spellings agree there is nothing to do, and nothing is done; only
directories in which some differ are gone through, name by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.overlay.cuts import Judge, clashes
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.names import fold_names
from oboromi_fs.overlay.stacks import Rows, Texts, joined_rows, stacked
from oboromi_fs.paths import join, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from oboromi_fs.overlay.cuts import Cut, Tree
    from oboromi_fs.overlay.names import Names

__all__ = ["respelled"]


class _Entry(NamedTuple):
    """Something in a directory of a source: the source, the path there, its last component, and whether it is a directory."""

    source: int
    path: str
    name: str
    directory: bool


def respelled(names: Names, tree: Tree, rows: Rows, texts: Sequence[Texts]) -> tuple[Rows, Rows, tuple[Texts, ...]]:
    """Call versions by the paths that the union lists them by.

    A version that a directory lists twice, as it answers to both names, is there twice. Of what is hidden, and so is not listed, the path
    is as it is spelled.

    Args:
        names: Numbers of paths; they grow.
        tree: Directories and markers.
        rows: Versions by any paths that differ from their spellings in case alone; others keep theirs.
        texts: Those spellings.

    Returns:
        The versions; those that are seen, but not listed, as a name for them was deleted; the spellings of either, by source.
    """
    speller = _Speller(names, tree)
    return speller.run(rows, texts)


class _Named:
    """What has one name in a directory, whatever the case: looked up, not gone through, as there may be many spellings."""

    def __init__(self, entries: Iterable[_Entry], whiteouts: Iterable[Cut], folds: Sequence[bool]) -> None:
        self._folding: list[_Entry] = []
        self._exact: dict[str, list[_Entry]] = {}
        self._tops: dict[int, _Entry] = {}
        self._names: dict[str, dict[int, list[str]]] = {}
        self._cleared: set[int] = set()
        self._gone: dict[str, dict[int, list[str]]] = {}
        for entry in sorted(entries, key=lambda entry: sort_key(entry.path), reverse=True):
            if folds[entry.source]:
                self._folding.append(entry)
                self._tops.setdefault(entry.source, entry)
            else:
                self._exact.setdefault(entry.path, []).append(entry)
                parent = entry.path.rpartition("/")[0]
                self._names.setdefault(parent, {}).setdefault(entry.source, []).append(entry.name)
        for cut in whiteouts:
            if cut.folds:
                self._cleared.add(cut.source)
            else:
                parent, _, name = cut.path.rpartition("/")
                self._gone.setdefault(parent, {}).setdefault(cut.source, []).append(name)
        self._highest = {
            directory: max((entry.source for entry in self._folding if entry.directory == directory), default=-1)
            for directory in (False, True)
        }

    def parents(self, given: Mapping[str, int]) -> list[str]:
        """Return which spellings of the directory may list it, in the order of the numbers they are given with."""
        return [*given] if self._folding else sorted(given.keys() & self._names.keys(), key=given.__getitem__)

    def names(self, parent: str, top: int) -> list[str]:
        """Return the names that a spelling of the directory lists, of sources from ``top`` on."""
        exact, gone = self._names.get(parent, {}), self._gone.get(parent, {})
        found: dict[str, None] = {}
        for source in sorted({*self._tops, *exact, *self._cleared, *gone}):
            if source < top:
                continue
            if source in self._cleared:
                found.clear()
            for name in gone.get(source, ()):
                found.pop(name, None)
            found |= dict.fromkeys(exact.get(source, ()))
            if source in self._tops and not found:
                found[self._tops[source].name] = None
        return [*found]

    def entries(self, *, directory: bool) -> list[_Entry]:
        """Return all directories, or all files."""
        return [entry for entries in (self._folding, *self._exact.values()) for entry in entries if entry.directory == directory]

    def answering(self, path: str, *, directory: bool) -> list[_Entry]:
        """Return the directories, or the files, that answer to a spelling."""
        return [entry for entry in (*self._folding, *self._exact.get(path, ())) if entry.directory == directory]

    def reaches(self, path: str, source: int, *, directory: bool) -> bool:
        """Whether one of them is of a source from this one on."""
        return (
            max(
                self._highest[directory],
                max((entry.source for entry in self._exact.get(path, ()) if entry.directory == directory), default=-1),
            )
            >= source
        )


class _Speller:
    def __init__(self, names: Names, tree: Tree) -> None:
        self.names = names
        self.tree = tree
        self.groups: dict[str, list[int]] = {}
        self.below: dict[str, list[int]] = {}
        self.listed: dict[str, list[str]] = {}
        self.replaced: list[int] = []
        self.added: list[tuple[int, int, int]] = []
        self.unlisted: list[tuple[int, int, int]] = []
        self.texts: list[list[str]] = [[] for _ in tree.folders]

    def run(self, rows: Rows, texts: Sequence[Texts]) -> tuple[Rows, Rows, tuple[Texts, ...]]:
        import numpy as np

        own, others = self._own(rows, texts)
        self.rows, self.starts = stacked(own, len(self.names), by_source=True)
        found = clashes(self.names, self.tree, self.rows, self.starts, lambda row: self.names.path(int(self.rows.keys[row])))
        self.judge = Judge([*self.tree.marks(), *found])
        self.paths = list(self.names.folder_paths)
        for folder, folded in enumerate(fold_names(self.paths)):
            if not folded or (folder < len(self.tree.tops) and self.tree.tops[folder] >= 0):
                self.groups.setdefault(folded, []).append(folder)
                if folded:
                    self.below.setdefault(folded.rpartition("/")[0], []).append(folder)
        for group in sorted(self.groups):
            if group in self.listed or len(self.groups[group]) > 1 or self._collides(group):
                self._respell(group)
        kept = self.rows
        if self.replaced:
            gone = np.zeros(len(self.names), np.bool_)
            gone[self.replaced] = True
            kept = kept.where(~gone[kept.keys])
        return joined_rows([kept, _rows(self.added), others]), _rows(self.unlisted), tuple(map(Texts, self.texts))

    def _own(self, rows: Rows, texts: Sequence[Texts]) -> tuple[Rows, Rows]:
        """Versions by their spellings, once each; and those whose path is another than that of their source altogether."""
        import numpy as np

        keys = rows.keys.copy()
        others: list[tuple[int, int, int]] = []
        odd = np.zeros(len(rows), np.bool_)
        for row in np.flatnonzero(rows.spelled >= 0).tolist():
            source = int(rows.sources[row])
            spelled = texts[source][int(rows.spelled[row])]
            if fold_case(spelled) == fold_case(self.names.path(int(keys[row]))):
                folder, _, name = spelled.rpartition("/")
                keys[row] = self.names.add(self.names.folder(folder), [name])[0]
            else:
                odd[row] = True
                others.append((int(keys[row]), source, len(self.texts[source])))
                self.texts[source].append(spelled)
        packed = np.unique(keys[~odd].astype(np.int64) << 32 | rows.sources[~odd])
        own = Rows((packed >> 32).astype(np.int32), (packed & 0xFFFFFFFF).astype(np.int32), np.full(len(packed), -1, np.int32))
        return own, _rows(others)

    def _collides(self, group: str) -> bool:
        """Whether a directory has names that differ in case alone."""
        files = list(self.names.table(self.groups[group][0]))
        folded = set(fold_names(files))
        if len(folded) != len(files):
            return True
        folders = [self.paths[folder].rpartition("/")[2] for folder in self.below.get(group, ())]
        if len(set(folders)) != len(set(fold_names(folders))):
            return True
        return any(fold_case(name) in folded and name not in files for name in folders)

    def _children(self, group: str) -> dict[str, list[_Entry]]:
        """What there is in a directory, by folded names."""
        found: dict[str, list[_Entry]] = {}
        for folder in self.groups[group]:
            table = self.names.table(folder)
            for name, folded in zip(list(table), fold_names(list(table)), strict=True):
                self.replaced.append(table[name])
                path = join(self.paths[folder], name)
                sources = self.rows.sources[self.starts[table[name]] : self.starts[table[name] + 1]].tolist()
                found.setdefault(folded, []).extend(_Entry(source, path, name, directory=False) for source in sources)
        for folder in self.below.get(group, ()):
            path = self.paths[folder]
            name = path.rpartition("/")[2]
            sources = self.tree.sources_of(folder)
            found.setdefault(fold_case(name), []).extend(_Entry(source, path, name, directory=True) for source in sources)
        return found

    def _respell(self, group: str) -> None:
        above = self.listed.get(group, [self.paths[folder] for folder in self.groups[group]])
        tops = {path: self.judge.top(path, directory=True) for path in above}
        places = {path: place for place, path in enumerate(above)}
        for folded, entries in self._children(group).items():
            here = join(group, folded)
            named = _Named(entries, self.judge.whiteouts(here), self.tree.folds)
            paths = [join(path, name) for path in named.parents(places) for name in named.names(path, tops[path])]
            if any(entry.directory for entry in entries):
                seen = [path for path in paths if named.reaches(path, self.judge.top(path, directory=True), directory=True)]
                if seen != [self.paths[folder] for folder in self.groups[here]]:
                    self.listed[here] = seen
            self._keep(paths, named)

    def _keep(self, paths: list[str], named: _Named) -> None:
        """Take versions of a file under the paths it is listed by; or by its own, where it is hidden by whatever it is called."""
        covered: set[_Entry] = set()
        for path in paths:
            answering = named.answering(path, directory=False)
            self._take(path, answering)
            covered.update(answering)
        rest: dict[str, list[_Entry]] = {}
        files = named.entries(directory=False)
        for entry in files:
            rest.setdefault(entry.path, []).append(entry)
        for path in dict.fromkeys(entry.path for entry in files if entry not in covered):
            if not named.reaches(path, self.judge.top(path, directory=False), directory=False):
                self._take(path, named.answering(path, directory=False))
            else:
                folder, _, name = path.rpartition("/")
                key = self.names.add(self.names.folder(folder), [name])[0]
                self.unlisted += [(key, entry.source, -1) for entry in rest[path]]

    def _take(self, path: str, entries: list[_Entry]) -> None:
        if not entries:
            return
        folder, _, name = path.rpartition("/")
        key = self.names.add(self.names.folder(folder), [name])[0]
        for entry in sorted(entries, key=lambda entry: (entry.source, entry.path == path, sort_key(entry.path))):
            spelled = -1
            if entry.path != path:
                spelled = len(self.texts[entry.source])
                self.texts[entry.source].append(entry.path)
            self.added.append((key, entry.source, spelled))


def _rows(found: list[tuple[int, int, int]]) -> Rows:
    import numpy as np

    columns = np.array(found, np.int32).reshape(-1, 3)
    return Rows(columns[:, 0], columns[:, 1], columns[:, 2])
