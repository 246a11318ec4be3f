"""Paths by number: what an index over millions of files knows of their names. A name is stored once, in the table of its directory."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING

from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.paths import join, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]

__all__ = ["Names", "fold_names", "in_order"]


def fold_names(names: list[str]) -> list[str]:
    r"""Return names with ASCII letters in lower case, all in one go; the list itself where that changes nothing.

    Args:
        names: Any, without NUL.
    """
    text = "\0".join(names)
    folded = fold_case(text)
    return names if not names or folded == text else folded.split("\0")


def in_order(paths: Iterable[str]) -> list[str]:
    """Return paths in path order: by their bytes.

    Example:
        >>> in_order(["a/b", "a.txt", "a-/x"])
        ['a-/x', 'a.txt', 'a/b']
    """
    found = list(paths)
    # Code points have the order of their UTF-8; only surrogates, which stand for single bytes, have not.
    if all(map(str.isascii, found)):
        found.sort()
    else:
        found.sort(key=sort_key)
    return found


class Names:
    """Numbered paths of files, and of directories. Numbers are given once and stay.

    Attributes:
        folders: Directory -> its number.
        names: The last components of files, by number.
    """

    def __init__(self) -> None:
        self.folders: dict[str, int] = {}
        self.names: list[str] = []
        self._tables: list[defaultdict[str, int]] = []
        self._runs: list[tuple[int, int]] = []
        self._shared: set[int] = set()
        self._number = count().__next__
        self._own = 0
        self._own = len(self.__dict__)

    def __len__(self) -> int:
        return len(self.names)

    def copy(self) -> Names:
        """Return names that may grow without changing these."""
        other = Names()
        other.folders = self.folders.copy()
        other.names = self.names.copy()
        other._tables = self._tables.copy()
        other._runs = self._runs.copy()
        other._shared = set(range(len(self._tables)))
        other._number = count(len(self.names)).__next__
        return other

    # Growing

    def folder(self, path: str) -> int:
        """Return the number of a directory, a new one if need be."""
        number = self.folders.get(path)
        if number is None:
            number = self.folders[path] = len(self._tables)
            table: defaultdict[str, int] = defaultdict()
            table.default_factory = self._number
            self._tables.append(table)
            self._forget()
        return number

    def _forget(self) -> None:
        """What was made of these names when there were fewer."""
        if len(self.__dict__) > self._own:
            for name in ("folder_paths", "parents", "folded", "_plain_order", "_folded_order"):
                self.__dict__.pop(name, None)

    def add(self, folder: int, names: Iterable[str]) -> list[int]:
        """Return the numbers of files of a directory, new ones if need be."""
        table = self._tables[folder]
        if folder in self._shared:
            self._shared.remove(folder)
            table = self._tables[folder] = defaultdict(self._number, table)
        known = len(table)
        numbers = list(map(table.__getitem__, names))
        if len(table) > known:
            self.names += [*islice(reversed(table), len(table) - known)][::-1]  # From behind: a table may be long, and names come singly.
            self._runs.append((folder, len(table) - known))
            self._forget()
        return numbers

    # Looking up

    def find(self, path: str) -> int:
        """Return the number of a file; -1 where it has none."""
        folder, _, name = path.rpartition("/")
        number = self.folders.get(folder, -1)
        return -1 if number < 0 else self._tables[number].get(name, -1)

    def table(self, folder: int) -> dict[str, int]:
        """Files of a directory: name -> number."""
        return self._tables[folder]

    @cached_property
    def folder_paths(self) -> list[str]:
        """Directories, by number."""
        return list(self.folders)

    @cached_property
    def parents(self) -> Ids:
        """The directory of each file."""
        import numpy as np

        runs = np.array(self._runs, np.int64).reshape(-1, 2)
        return np.repeat(runs[:, 0], runs[:, 1]).astype(np.int32)

    def path(self, number: int) -> str:
        """Return the path of a file."""
        return join(self.folder_paths[self.parents[number]], self.names[number])

    def paths(self, numbers: Ids) -> list[str]:
        """Return the paths of files."""
        prefixes = [path + "/" if path else "" for path in self.folder_paths]
        names = self.names
        parents: Sequence[int] = self.parents[numbers].tolist()
        return [prefixes[folder] + names[number] for folder, number in zip(parents, numbers.tolist(), strict=True)]

    # Below a directory

    @cached_property
    def _plain_order(self) -> _Subtrees:
        return _Subtrees(self.folder_paths, self.parents)

    @cached_property
    def _folded_order(self) -> _Subtrees:
        return _Subtrees(fold_names(self.folder_paths), self.parents)

    def below(self, path: str, *, folded: bool = False) -> Ids:
        """Return the numbers of all files below a directory, which need not be one.

        Args:
            path: The directory.
            folded: Whether it is folded, and to be compared with directories folded.
        """
        return (self._folded_order if folded else self._plain_order).below(path)

    @cached_property
    def folded(self) -> dict[str, list[int]]:
        """Files by their folded paths: costly, and only made when it is asked for."""
        import numpy as np

        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(fold_names(self.paths(np.arange(len(self), dtype=np.int32)))):
            found[path].append(number)
        return found


class _Subtrees:
    """Files in an order in which those below a directory are a slice."""

    def __init__(self, folders: list[str], parents: Ids) -> None:
        import numpy as np

        # With a separator that is less than any character, what is below a directory follows it at once.
        marked = [path.replace("/", "\0") for path in folders]
        order = sorted(range(len(marked)), key=marked.__getitem__)
        self._folders = [marked[number] for number in order]
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        ranks = rank[parents]
        packed = np.sort(ranks << 32 | np.arange(len(parents)))
        self._files = (packed & 0xFFFFFFFF).astype(np.int32)
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(ranks, minlength=len(order)))))

    def below(self, path: str) -> Ids:
        if not path:
            return self._files
        marked = path.replace("/", "\0")
        low = bisect_left(self._folders, marked)
        return self._files[self._starts[low] : self._starts[bisect_left(self._folders, marked + "\1", low)]]
