"""Structured texts: read both as trees, and say where the trees differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs.errors import FormatError, NotThisFormatError
from oboromi_fs.overlay.semantic.texts import ANOTHER_ENCODING, decode, encoding_of
from oboromi_fs.overlay.semantic.trees import differences, path_text, shown
from oboromi_fs.overlay.semantic.values import MOST_CHANGES, Analysis, Change, Delta

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.overlay.semantic.trees import Path, Tree
    from oboromi_fs.protocols import Storage

__all__ = ["StructuredText", "change_list", "read_both"]


def read_both(old: Storage, new: Storage, read: Callable[[bytes], Tree], name: str, most: int) -> tuple[Tree, Tree]:
    """Read two files whole.

    Args:
        old: The first.
        new: The second; if it is the first, it is not read twice.
        read: Makes a tree of a file.
        name: The format.
        most: Bytes a file may have.

    Raises:
        NotThisFormatError: One of them is too long, or not of the format; the error says which one.
    """
    trees: list[Tree] = []
    for side, storage in {"old": old, "new": new}.items():
        if side == "new" and new is old:
            break
        if storage.size > most:
            raise NotThisFormatError(f"the {side} version has {storage.size} bytes, at most {most} are read as a whole", what=name)
        data = bytes(storage[:])
        try:
            trees.append(read(data))
        except FormatError as failure:
            raise NotThisFormatError(f"the {side} version: {failure}", what=name) from failure
    return trees[0], trees[-1]


def change_list(
    old: Tree, new: Tree, show_path: Callable[[Path], str] = path_text, note: Callable[[Path], object] | None = None
) -> tuple[tuple[Change, ...], int]:
    """Return the first changes between two trees, and how many there are.

    Args:
        old: The first tree.
        new: The second.
        show_path: How a change's key is written.
        note: Called with the path of every change.
    """
    changes, count = [], 0
    for each in differences(old, new):
        if count < MOST_CHANGES:
            changes.append(Change(show_path(each.path), shown(each.old), shown(each.new)))
        if note is not None:
            note(each.path)
        count += 1
    return tuple(changes), count


@dataclass(frozen=True, slots=True)
class StructuredText:
    """A comparator of texts that a parser makes trees of.

    Attributes:
        name: The format.
        suffixes: What names of such files end with, in lower case.
        most: Bytes a file may have: what a parser makes of one byte is a hundred in memory.
        parse: Makes a tree of a text, or raises a FormatError.
        show_path: How a change's key is written.
        fold: Makes a tree in which the case of names does not count, or None where two names would become one.
        strict: Whether such texts must be UTF-8 (or UTF-16).
    """

    name: str
    suffixes: tuple[str, ...]
    most: int
    parse: Callable[[str], Tree]
    show_path: Callable[[Path], str] = path_text
    fold: Callable[[Tree], Tree | None] | None = None
    strict: bool = True

    def recognises(self, path: str, head: bytes, /) -> bool:
        """Whether the name says so; the parser has the last word."""
        del head
        return path.lower().endswith(self.suffixes)

    def compare(self, old: Storage, new: Storage, /) -> Analysis:
        """Compare two texts.

        Raises:
            NotThisFormatError: One of them is too long or cannot be parsed.
        """
        before, after = read_both(old, new, lambda data: self.parse(decode(data, self.name, strict=self.strict)), self.name, self.most)
        changes, count = change_list(before, after, self.show_path)
        if not count:
            if encoding_of(old) != encoding_of(new):
                return Analysis(self.name, Delta.UNKNOWN, notes=(ANOTHER_ENCODING,))
            return Analysis(self.name, Delta.COSMETIC_ONLY)
        if self.fold is not None:
            folded = self.fold(before), self.fold(after)
            if None not in folded and next(differences(*folded), None) is None:
                return Analysis(self.name, Delta.UNKNOWN, changes, count, ("only the case of names differs: not every reader minds it",))
        return Analysis(self.name, Delta.BEHAVIOR_CHANGING, changes, count)
