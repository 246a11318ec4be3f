"""Changes of winners: between two orders of the same layers, and by one more directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.overlay.keys import fold_case, fold_key
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.listing import list_layer
from oboromi_fs.overlay.names import in_order
from oboromi_fs.paths import sort_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.overlay.providers import Provider
    from oboromi_fs.overlay.queries import Queries
    from oboromi_fs.overlay.resolver import Problem
    from oboromi_fs.overlay.stacks import Ids
    from oboromi_fs.overlay.state import State
    from oboromi_fs.protocols import FileSystem

__all__ = ["Change", "DirectoryDiff", "changed_files", "diff_directory", "diff_orders"]


class Change(NamedTuple):
    """A file whose winner changes: the one before and the one after; None where there is no such file."""

    key: str
    before: Provider | None
    after: Provider | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"key": self.key, "before": self.before and self.before.to_json(), "after": self.after and self.after.to_json()}


class DirectoryDiff(NamedTuple):
    """A directory beside a union: files of it that the union has, and that it has not, in path order; and what could not be listed."""

    conflicts: tuple[str, ...]
    additions: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "conflicts": list(self.conflicts),
            "additions": list(self.additions),
            "problems": [problem._asdict() for problem in self.problems],
        }


def diff_directory(index: Queries, directory: Layer | FileSystem) -> DirectoryDiff:
    """Compare a directory, which is no layer of it, with a union.

    Args:
        index: The union.
        directory: A file system; or a layer, for one that is mounted below the root, or folds.
    """
    layer = directory if isinstance(directory, Layer) else Layer(directory, "directory")
    listing = list_layer(layer)
    state = index.state
    conflicts: set[str] = set()
    additions: set[str] = set()
    for path in listing.files:
        key = fold_key(path) if state.mode == "fold" else path
        same: list[int] = []
        if layer.case == "fold" and state.mode != "fold":
            same = [number for number in state.names.folded.get(fold_case(path), ()) if state.stacks.winners[number] >= 0]
        if same:
            conflicts.update(map(state.names.path, same))
        elif key in index:
            conflicts.add(key)
        else:
            additions.add(key)
    return DirectoryDiff(tuple(in_order(conflicts)), tuple(in_order(additions)), tuple(listing.problems))


def diff_orders(before: Queries, after: Queries) -> list[Change]:
    """Return the files whose winner changes from one index to another of the same sources, in path order.

    Sources are the same if path and kind are. Providers count them as the index does that they are of.
    """
    old, new = before.state, after.state
    was = {key: _winner(old, key) for key in old.keys}
    now = {key: _winner(new, key) for key in new.keys}
    found = [Change(key, was.get(key), now.get(key)) for key in was.keys() | now.keys()]
    changed = [change for change in found if not _same(change.before, change.after)]
    return sorted(changed, key=lambda change: sort_key(change.key))


def _winner(state: State, key: str) -> Provider:
    return state.provider(int(state.stacks.winners[state.names.find(key)]), key)


def _same(before: Provider | None, after: Provider | None) -> bool:
    if before is None or after is None:
        return before is after
    return before._replace(source_index=0) == after._replace(source_index=0)


def changed_files(before: State, after: State, order: Sequence[int]) -> Ids:
    """Return the numbers of the files whose winner changes.

    Args:
        before: A state.
        after: One that was made of it: numbers of files are the same, there may be more.
        order: The number before of each source after; more than there were, for new ones.
    """
    import numpy as np

    count = len(after.names)
    was = np.full(count, -1, np.int32)
    was[: len(before.names)] = before.stacks.winning_sources()
    sources = after.stacks.winning_sources()
    now = np.where(sources >= 0, np.array([*order, -1], np.int32)[sources], -1)
    return np.flatnonzero(was != now).astype(np.int32)  # For one name a source gives one spelling, whatever its place.
