"""Mods as consoles and emulators load them: where each tool looks, what it takes from there, and what it passes over.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oboromi_fs.mods.game import Game
    from oboromi_fs.mods.loadout import Loadout, Ruling, load
    from oboromi_fs.mods.profiles import PROFILES, Profile, profile
    from oboromi_fs.mods.rules import Decision
    from oboromi_fs.mods.surveying import compare, survey
    from oboromi_fs.mods.values import Installed, Mod, Notice, Part

__all__ = [
    "PROFILES",
    "Decision",
    "Game",
    "Installed",
    "Loadout",
    "Mod",
    "Notice",
    "Part",
    "Profile",
    "Ruling",
    "compare",
    "load",
    "profile",
    "survey",
]

_HOMES = {
    "PROFILES": "profiles",
    "Decision": "rules",
    "Game": "game",
    "Installed": "values",
    "Loadout": "loadout",
    "Mod": "values",
    "Notice": "values",
    "Part": "values",
    "Profile": "profiles",
    "Ruling": "loadout",
    "compare": "surveying",
    "load": "loadout",
    "profile": "profiles",
    "survey": "surveying",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
