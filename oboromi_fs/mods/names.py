"""Names that loaders ask for."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, get_args

from oboromi_fs.mods.values import PartKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oboromi_fs.mods.values import ProfileName, Reason
    from oboromi_fs.protocols import DirEntry

__all__ = ["FOLDERS", "MODULES", "NPDM", "PARTS", "cheat_build", "cheat_problem", "did_you_mean", "find_name", "is_module", "listed"]
__all__ += ["of_fold"]

MODULES = ("rtld", "main", *(f"subsdk{number}" for number in range(10)), "sdk")
"""Modules of an ExeFS, in the order in which they are loaded."""
NPDM = "main.npdm"

PARTS: tuple[PartKind, ...] = get_args(PartKind)
FOLDERS: frozenset[str] = frozenset(PARTS) - {"romfs.bin", "exefs.nsp"}
"""Parts that are folders; the others are files."""


def is_module(name: str) -> bool:
    """Whether a file of an ExeFS is one that loaders look for code in."""
    return name in MODULES


def of_fold(entries: Iterable[DirEntry]) -> Mapping[str, DirEntry]:
    """Return entries by their names in lower case; of several that differ in case alone, the first."""
    found: dict[str, DirEntry] = {}
    for entry in entries:
        found.setdefault(entry.name.lower(), entry)
    return found


def find_name(entries: Iterable[DirEntry], name: str, *, fold: bool) -> DirEntry | None:
    """Return the entry of a name: the one spelled so, else, where case is folded, the first that differs in case alone."""
    near = None
    for entry in entries:
        if entry.name == name:
            return entry
        if near is None and entry.name.lower() == name.lower():
            near = entry
    return near if fold else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a hint at the nearest of some names, to be put behind a message; ``""`` where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


_MOST_LISTED = 8


def listed(names: Iterable[str], *, none: str = "none") -> str:
    """Return names in words, of many the first ones.

    Example:
        >>> listed(["b", "a"]), listed([]), listed(map(str, range(100)))
        ('b, a', 'none', '0, 1, 2, 3, 4, 5, 6, 7 and 92 more')
    """
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _MOST_LISTED} more" if len(distinct) > _MOST_LISTED else ""
    return (", ".join(distinct[:_MOST_LISTED]) + more) or none


_CHEATS = ".txt"
_SWITCHES: dict[str, tuple[ProfileName, ...]] = {"toggles.txt": ("atmosphere", "plain"), "enabled.txt": ("ryujinx", "plain")}
"""Files that say which cheats are on -> who reads them."""


def cheat_build(name: str) -> str:
    """Return the build that a file of cheats is for by its name, as 16 digits in upper case; ``""`` where it is for none.

    Example:
        >>> cheat_build("00112233445566aa.txt"), cheat_build("notes.txt")
        ('00112233445566AA', '')
    """
    stem = name[: -len(_CHEATS)]
    known = name.lower().endswith(_CHEATS) and len(stem) == 16 and all(char in string.hexdigits for char in stem)
    return stem.upper() if known else ""


def cheat_problem(name: str, profile: ProfileName) -> tuple[Reason, str] | None:
    """Return why a tool passes over a file in a folder of cheats by its name; None where it takes it."""
    for switch, readers in _SWITCHES.items():
        if name.lower() == switch:
            if profile not in readers:
                return "unsupported", f"{switch} is of {'Atmosphère' if 'atmosphere' in readers else 'Ryujinx'}"
            return ("case", f"{switch!r} is asked for") if name != switch and profile != "plain" else None
    build = cheat_build(name)
    if not build:
        return "name", "a file of cheats is called by the first 16 digits of a build id, .txt"
    lower, upper = f"{build.lower()}{_CHEATS}", f"{build}{_CHEATS}"
    if profile == "atmosphere" and name != lower:
        return "case", f"{lower!r} is asked for, in lower case"
    if profile == "yuzu" and name not in (upper, lower):
        return "case", f"{upper!r} or {lower!r} is asked for"
    return None
