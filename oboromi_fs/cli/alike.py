"""Problems that are the same for many files, told once: with a wrong key it is all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["grouped", "without_place"]

_FEW = 2
"""So many that are the same are told one by one."""
_PLACED = re.compile(r"(?P<what>[A-Za-z0-9 ]+?) of .+? at 0x[0-9a-f]+(?:, field [^:]+)?: (?P<problem>.+)", re.DOTALL)

_SD_PATH = re.compile(r" and the SD path .+?: (?=the path is )", re.DOTALL)
"""What the error of a file from an SD card has of that file alone."""


def without_place(text: str) -> str:
    """Return what an error says without the file and the offset in it: what is left is the same for all files of which that is true.

    Example:
        >>> without_place("NCA header of a: b.nsp at 0x100, field magic: header_key is wrong: no magic")
        'header_key is wrong: no magic'
        >>> without_place("does not open with sd_card_nca_key and the SD path /a/b.nca: the path is one that can be")
        'does not open with sd_card_nca_key: the path is one that can be'
        >>> without_place("is cut short")
        'is cut short'
    """
    found = _PLACED.fullmatch(text)
    return _SD_PATH.sub(": ", found["problem"] if found else text)


def grouped(problems: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each problem; one for all that are the same, in the place of the first, where there are more than two.

    Args:
        problems: The path and what is wrong with it.

    Example:
        >>> grouped([("a", "is empty"), ("b", "is cut"), ("c", "is empty"), ("d", "is empty")])
        ['is empty: 3 files, such as a', 'b: is cut']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for path, text in problems:
        groups.setdefault(without_place(text), []).append((path, text))
    lines: list[str] = []
    for said, group in groups.items():
        if len(group) > _FEW:
            lines.append(f"{said}: {plural(len(group), 'files')}, such as {group[0][0]}")
        else:
            lines += [f"{path}: {text}" for path, text in group]
    return lines
