"""All that an index knows, at one moment. It never changes: what changes an index makes another.

What holds of every state:

- Sources are numbered low to high. Their numbers are places in ``origins``, ``texts`` and each column of ``tree``, and the ``sources`` of
  rows; a source that is removed leaves its place empty.
- A row is a version of a file. Its key is a number of ``names``, which may know files without any row. ``spelled`` is -1 where the source
  spells the path as the key is; else it is a place in the ``texts`` of its source.
- ``rows`` are in the order of keys, then of sources; those of one key and one source are spellings of it, of which the last counts: the
  last by its bytes, or, in the mode ``mixed``, the one that is the key, if one is. What is hidden of a stack
  is its beginning: the last row wins.
- In the mode ``mixed`` one file of a source may have rows under several keys, with one spelling; they come and go together.
- ``aside`` are rows that do not count: in no order, by keys that ``names`` knows. ``all_rows`` are ``rows`` and then those, so that the
  number of a row of ``rows`` is its number there, too. What makes a state anew starts from ``all_rows``, as what is aside may come back.
- Row numbers are good for the state they were asked of, and no other; numbers of files and sources stay as a state grows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from oboromi_fs.overlay.cuts import REASONS, Cut, Tree, clashes, hide, late_arrivals
from oboromi_fs.overlay.names import Names, in_order
from oboromi_fs.overlay.providers import Hidden, Provider, provider
from oboromi_fs.overlay.resolver import Problem
from oboromi_fs.overlay.spelling import respelled
from oboromi_fs.overlay.stacks import Rows, Stacks, Texts, empty_rows, joined_rows, stacked
from oboromi_fs.paths import join, sort_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.providers import Source
    from oboromi_fs.overlay.stacks import Ids

__all__ = ["Mode", "Origin", "Profile", "State", "settled"]

Mode: TypeAlias = Literal["exact", "fold", "mixed"]
Profile: TypeAlias = Literal["plain", "openmw"]


class Origin(NamedTuple):
    """What an index knows of a source.

    ``name`` is what problems call it; ``at`` where its root is; ``folds`` whether it answers to any case; ``layer`` is None where there is
    no file system behind it; ``pushed`` tells that it was put on top of everything, whatever its kind.
    """

    name: str
    source: Source
    at: str = ""
    folds: bool = False
    layer: Layer | None = None
    pushed: bool = False


@dataclass(frozen=True)
class State:
    """What an index knows.

    Args:
        origins: The sources, low to high.
        mode: Whether keys are paths as they are spelled, folded ones, or spelled as the lowest source that counts spells them.
        profile: The rules.
        names: Numbers of paths.
        tree: Directories and markers of the sources.
        texts: Spellings of paths, by source.
        stacks: Versions of files.
        aside: Versions that do not count: they came too late, or no directory lists them.
        skipped: What was left out of listings.
        clashed: Files that are directories elsewhere.
    """

    origins: tuple[Origin, ...]
    mode: Mode
    profile: Profile
    names: Names
    tree: Tree
    texts: tuple[Texts, ...]
    stacks: Stacks
    aside: Rows
    skipped: tuple[Problem, ...] = ()
    clashed: tuple[Problem, ...] = field(default=())

    @property
    def rows(self) -> Rows:
        """All versions that may count, stacked."""
        return self.stacks.rows

    @property
    def all_rows(self) -> Rows:
        """Those, and those that do not count as things are."""
        return joined_rows([self.stacks.rows, self.aside]) if len(self.aside) else self.stacks.rows

    def spelled(self, row: int) -> str:
        """Return the path of a version in the union, as its source spells it."""
        return spelling(self.names, self.texts, self.rows, row)

    def inner(self, row: int) -> str:
        """Return the path of a version in its source."""
        at = self.origins[int(self.rows.sources[row])].at
        path = self.spelled(row)
        return path[len(at) + 1 :] if at else path

    def provider(self, row: int, key: str = "") -> Provider:
        """Return a version as a value."""
        number = int(self.rows.sources[row])
        origin = self.origins[number]
        path = key or self.names.path(int(self.rows.keys[row]))
        inner = self.inner(row)
        if origin.layer is not None:
            return provider(number, origin.layer, path, inner)
        source = origin.source
        return Provider(number, source, path, inner, f"{source.path}::{inner}" if source.kind == "archive" else join(source.path, inner))

    def hidden(self, row: int, key: str = "") -> Hidden:
        """Return a hidden version as a value."""
        number = int(self.rows.keys[row])
        return Hidden(self.provider(row, key), REASONS[self.stacks.reasons[number]], int(self.stacks.by[number]))

    def sorted_keys(self, numbers: Ids) -> list[str]:
        """Return the paths of files in path order."""
        return in_order(self.names.paths(numbers))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All visible paths in path order."""
        return tuple(self.sorted_keys(self.stacks.files))

    def arranged(self, order: Sequence[int]) -> State:
        """Return what an index of the same sources in another order knows: their numbers here, low to high."""
        import numpy as np

        ranks = np.empty(len(order), np.int32)
        ranks[list(order)] = np.arange(len(order), dtype=np.int32)
        rows = self.all_rows
        return settled(
            replace(
                self,
                origins=tuple(self.origins[number] for number in order),
                tree=self.tree.arranged(order),
                texts=tuple(self.texts[number] for number in order),
            ),
            Rows(rows.keys, ranks[rows.sources], rows.spelled),
            by_source=True,
        )


def spelling(names: Names, texts: Sequence[Texts], rows: Rows, row: int) -> str:
    """Return the path of a version in the union, as its source spells it."""
    number = int(rows.spelled[row])
    return names.path(int(rows.keys[row])) if number < 0 else texts[int(rows.sources[row])][number]


def settled(state: State, rows: Rows, *, by_source: bool) -> State:
    """Return a state with other versions in it: stacked, what comes too late put aside, what is cut hidden.

    Args:
        state: All else that it is to know.
        rows: All versions there are.
        by_source: Whether they have to be sorted by source first.
    """
    unlisted = empty_rows()
    if state.mode == "mixed":
        grown = state.names.copy()
        rows, unlisted, texts = respelled(grown, state.tree, rows, state.texts)
        state = replace(state, names=grown, texts=texts)
        by_source = True
    names, tree = state.names, state.tree
    rows, starts = stacked(rows, len(names), by_source=by_source)

    def spell(row: int) -> str:
        return spelling(names, state.texts, rows, row)

    def called(source: int) -> str:
        return state.origins[source].name

    aside = unlisted
    problems: list[Problem] = []
    cuts: list[Cut] = list(tree.marks())
    if state.profile == "openmw":
        late, where = late_arrivals(names, rows, starts, spell)
        for row, path in where.items():
            text = f"{spell(row)!r} is left out: {path!r} is a {'directory' if path == names.path(int(rows.keys[row])) else 'file'} already"
            problems.append(Problem(called(int(rows.sources[row])), "clash", spell(row), text))
        if where:
            aside = rows.where(late)
            rows, starts = stacked(rows.where(~late), len(names))
    else:
        if len(unlisted):  # A file hides what is below it under whatever name, be it listed or not.
            every, ends = stacked(joined_rows([rows, unlisted]), len(names), by_source=True)
            found = list(clashes(names, tree, every, ends, lambda row: spelling(names, state.texts, every, row)))
        else:
            found = list(clashes(names, tree, rows, starts, spell))
        cuts += found
        tops: dict[str, dict[int, int]] = {}
        for cut in sorted(found, key=lambda cut: cut.source):
            tops.setdefault(cut.path, {})[cut.reason] = cut.source
        for path, here in tops.items():
            if len(here) < 2:  # The other side is spelled otherwise.
                continue
            file, folder = here[REASONS.index("file")], here[REASONS.index("directory")]
            text = f"{path!r} is a file in layer {called(file)!r} and a directory in layer {called(folder)!r}, of which the upper wins"
            problems.append(Problem(called(min(file, folder)), "clash", path, text))
    stacks = hide(names, rows, starts, cuts)
    problems.sort(key=lambda problem: (sort_key(problem.path), problem.layer))
    return replace(state, stacks=stacks, aside=aside, clashed=tuple(problems))
