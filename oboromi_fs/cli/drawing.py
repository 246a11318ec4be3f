"""Trees drawn with lines, and columns: how results look that are made for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Branch", "columns", "draw"]


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


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as lines with aligned columns; those in ``right`` are numbers. The last column is not padded."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) if at < last else cell for at, cell in enumerate(row))
        for row in rows
    ]
