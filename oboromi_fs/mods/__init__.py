"""Mods as consoles and emulators load them: where each tool looks, what it takes from there, and what it passes over.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.mods.cheatfiles import CheatFile, FoundCheats, find_cheats
    from oboromi_fs.mods.cheats import Cheat, parse_cheats
    from oboromi_fs.mods.game import Game
    from oboromi_fs.mods.loadout import Loadout, Ruling, load
    from oboromi_fs.mods.profiles import PROFILES, Profile, profile
    from oboromi_fs.mods.rules import Decision
    from oboromi_fs.mods.surveying import compare, survey
    from oboromi_fs.mods.values import Installed, Mod, Notice, Part

__all__ = [
    "PROFILES",
    "Cheat",
    "CheatFile",
    "Decision",
    "FoundCheats",
    "Game",
    "Installed",
    "Loadout",
    "Mod",
    "Notice",
    "Part",
    "Profile",
    "Ruling",
    "compare",
    "find_cheats",
    "load",
    "parse_cheats",
    "profile",
    "survey",
]

_HOMES = {
    "PROFILES": "profiles",
    "Cheat": "cheats",
    "CheatFile": "cheatfiles",
    "Decision": "rules",
    "FoundCheats": "cheatfiles",
    "Game": "game",
    "Installed": "values",
    "Loadout": "loadout",
    "Mod": "values",
    "Notice": "values",
    "Part": "values",
    "Profile": "profiles",
    "Ruling": "loadout",
    "compare": "surveying",
    "find_cheats": "cheatfiles",
    "load": "loadout",
    "parse_cheats": "cheats",
    "profile": "profiles",
    "survey": "surveying",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
