"""Holdings: what a source has, asked as files are put into it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from oboromi_fs.overlay.gathering import is_within
from oboromi_fs.overlay.keys import fold_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.overlay.names import Names
    from oboromi_fs.overlay.stacks import Ids
    from oboromi_fs.overlay.state import State

__all__ = ["Holdings"]


class Holdings:
    """Which paths are files and which are directories in a source, as versions are put into it; in any case where it folds.

    Args:
        state: What is known of what it has already.
        number: The number of the source; one that the state does not know has nothing.
    """

    def __init__(self, state: State, number: int) -> None:
        self._state = state
        self._number = number
        self._old = number < len(state.origins)
        self._folds = self._old and state.tree.folds[number]
        self._files: dict[str, bool] = {}
        self._added: set[str] = set()

    def _key(self, path: str) -> str:
        return fold_case(path) if self._folds else path

    def add(self, path: str, above: Iterable[str]) -> None:
        """Put a file in, and its directories."""
        self._added.add(self._key(path))
        self._folders.update(map(self._key, above))

    def is_file(self, path: str) -> bool:
        """Whether a path is a file. What the source had before is looked for once: there may be many spellings."""
        key = self._key(path)
        if key not in self._files:
            self._files[key] = self._had(key)
        return key in self._added or self._files[key]

    def _had(self, key: str) -> bool:
        names, stacks = self._state.names, self._state.stacks
        files = names.folded.get(key, []) if self._folds else [file for file in [names.find(key)] if file >= 0]
        return any((stacks.rows.sources[stacks.starts[file] : stacks.starts[file + 1]] == self._number).any() for file in files)

    def is_folder(self, path: str) -> bool:
        """Whether a path is a directory of files or markers."""
        return self._key(path) in self._folders

    @cached_property
    def _folders(self) -> set[str]:
        """Directories of files or markers: gathered once, as one push may be of many files."""
        import numpy as np

        found: set[str] = set()
        if not self._old:
            return found
        names, rows, tree = self._state.names, self._state.rows, self._state.tree
        paths = names.folder_paths
        direct = [paths[folder] for folder in np.unique(names.parents[rows.keys[rows.sources == self._number]]).tolist()]
        direct += tree.opaque[self._number]
        direct += [path.rpartition("/")[0] for path in tree.whiteouts[self._number]]
        for path in map(self._key, direct):
            while path and path not in found:
                found.add(path)
                path = path.rpartition("/")[0]  # noqa: PLW2901 - up to the root.
        return found

    def without(self, names: Names, folders: Ids) -> Ids:
        """Return numbers of directories without those that files which were put in take the place of, and what is below these."""
        import numpy as np

        if not self._folds and self._added.isdisjoint(names.folders):
            return folders
        paths = names.folder_paths
        kept = [folder for folder in folders.tolist() if not is_within(self._key(paths[folder]), self._added)]
        return np.array(kept, np.int32)
