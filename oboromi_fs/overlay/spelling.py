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
    from collections.abc import Iterable, Sequence

    from oboromi_fs.overlay.cuts import Tree
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

    def _answering(self, entries: Iterable[_Entry], path: str) -> list[_Entry]:
        return [entry for entry in entries if self.tree.folds[entry.source] or entry.path == path]

    def _respell(self, group: str) -> None:
        above = self.listed.get(group, [self.paths[folder] for folder in self.groups[group]])
        tops = [(path, self.judge.top(path, directory=True)) for path in above]
        for folded, entries in self._children(group).items():
            here = join(group, folded)
            paths = [join(path, name) for path, top in tops for name in self._names(path, top, here, entries)]
            folders = [entry for entry in entries if entry.directory]
            if folders:
                top = {path: self.judge.top(path, directory=True) for path in paths}
                seen = [path for path in paths if any(entry.source >= top[path] for entry in self._answering(folders, path))]
                if seen != [self.paths[folder] for folder in self.groups[here]]:
                    self.listed[here] = seen
            self._keep(paths, [entry for entry in entries if not entry.directory])

    def _names(self, parent: str, top: int, here: str, entries: list[_Entry]) -> list[str]:
        """The names that a directory lists for entries of one folded name."""
        whiteouts = self.judge.whiteouts(here)
        found: list[str] = []
        for source in sorted({entry.source for entry in entries} | {cut.source for cut in whiteouts}):
            if source < top:
                continue
            gone = [cut for cut in whiteouts if cut.source == source]
            found = [name for name in found if not any(cut.matches(join(parent, name)) for cut in gone)]
            folds = self.tree.folds[source]
            mine = [entry for entry in entries if entry.source == source and (folds or entry.path == join(parent, entry.name))]
            for entry in sorted(mine, key=lambda entry: sort_key(entry.path), reverse=True):
                if entry.name not in found and not (folds and found):
                    found.append(entry.name)
        return found

    def _keep(self, paths: list[str], files: list[_Entry]) -> None:
        """Take versions of a file under the paths it is listed by; or by its own, where it is hidden by whatever it is called."""
        covered: set[_Entry] = set()
        for path in paths:
            answering = self._answering(files, path)
            self._take(path, answering)
            covered.update(answering)
        for path in dict.fromkeys(entry.path for entry in files if entry not in covered):
            answering = self._answering(files, path)
            top = self.judge.top(path, directory=False)
            if all(entry.source < top for entry in answering):
                self._take(path, answering)
            else:
                folder, _, name = path.rpartition("/")
                key = self.names.add(self.names.folder(folder), [name])[0]
                self.unlisted += [(key, entry.source, -1) for entry in files if entry.path == path]

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
