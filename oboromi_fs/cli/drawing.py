"""Trees drawn with lines, and columns: how results look that are made for people."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Branch", "columns", "draw", "fitted", "width"]


class Branch:
    """A line of a tree, and what hangs below it."""

    __slots__ = ("children", "label")

    def __init__(self, label: str, children: Sequence[Branch] = ()) -> None:
        self.label = label
        self.children = children


def draw(root: Branch) -> Iterator[str]:
    """Yield the lines of a tree. Iterative: depth costs no stack."""
    yield root.label
    pending: list[tuple[str, Iterator[Branch], int]] = [("", iter(root.children), len(root.children))]
    while pending:
        indent, children, left = pending.pop()
        for child in children:
            left -= 1
            yield f"{indent}{'├── ' if left else '└── '}{child.label}"
            if child.children:
                pending.append((indent, children, left))
                pending.append((f"{indent}{'│   ' if left else '    '}", iter(child.children), len(child.children)))
                break


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each wide character, none for a combining one.

    Example:
        >>> width("abc"), width("\u6708"), width("e\u0301")
        (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def fitted(text: str, most: int) -> str:
    """Return a text cut to so many columns, which shows.

    Example:
        >>> fitted("Hazy Moon", 6), fitted("Hazy", 6)
        ('Hazy …', 'Hazy')
    """
    if width(text) <= most:
        return text
    while text and width(text) >= most:
        text = text[:-1]
    return f"{text}…"


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as lines with aligned columns; those in ``right`` are numbers. The last column is not padded."""
    if not rows:
        return []
    last = len(rows[0]) - 1
    aligned: list[Sequence[str]] = []
    for at, column in enumerate(zip(*rows, strict=True)):
        if at == last and at not in right:
            aligned.append(column)
            continue
        plain = all(map(str.isascii, column))  # Which leaves the counting to str: listings have hundreds of thousands of rows.
        most = max(map(len if plain else width, column))
        if plain:
            aligned.append([cell.rjust(most) for cell in column] if at in right else [cell.ljust(most) for cell in column])
        else:
            rooms = [" " * (most - width(cell)) for cell in column]
            aligned.append([room + cell if at in right else cell + room for cell, room in zip(column, rooms, strict=True)])
    return list(map("  ".join, zip(*aligned, strict=True)))
