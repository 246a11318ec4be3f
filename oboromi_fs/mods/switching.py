"""Mods that are switched on and off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oboromi_fs.mods.finding import Finder
    from oboromi_fs.mods.values import Mod

__all__ = ["switched"]


def switched(finder: Finder, mods: Iterable[Mod], is_off: Callable[[Mod], str]) -> tuple[Mod, ...]:
    """Return mods with those switched off that are.

    Args:
        finder: Who found them; is told.
        mods: The mods.
        is_off: Says by what a mod is switched off; ``""`` where it is not.
    """
    found: list[Mod] = []
    for mod in mods:
        why = is_off(mod)
        if why:
            finder.tell("disabled", mod.path, f"is switched off {why}", mod.name)
        found.append(replace(mod, enabled=False) if why else mod)
    return tuple(found)
