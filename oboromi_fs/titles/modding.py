"""Mods of a title: the folders they may be in, and what a tool makes of them over its contents."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.host import HostFs
from oboromi_fs.base import SubFs
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.titleids import base_id
from oboromi_fs.overlay import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.mods.loadout import Loadout
    from oboromi_fs.mods.values import Installed
    from oboromi_fs.protocols import FileSystem

__all__ = ["MODDED", "ModRoot", "Mods", "mod_roots", "moved", "replace_layer"]

MODDED = ("romfs", "exefs", "manual")
"""Parts of a program that mods can have a part in."""


class ModRoot(NamedTuple):
    """A folder that mods are kept in.

    Attributes:
        fs: The folder.
        path: Its path, as the user wrote it.
        named: Whether the user said that mods are in it; else it is a folder that titles were looked for in, and may have mods as well.
        games: Real paths of folders in it that are extracted titles, and so none.
    """

    fs: FileSystem
    path: str
    named: bool
    games: frozenset[str] = frozenset()

    def of(self, found: Installed) -> Installed:
        """Return what a profile found, without what is no mod."""
        if self.named:
            return found
        mods = tuple(mod for mod in found.mods if os.path.realpath(os.path.join(self.path, mod.path)) not in self.games)
        return replace(found, mods=mods)


class Mods:
    """Where mods are, and the profile that finds them."""

    def __init__(self, roots: Sequence[ModRoot], profile: str) -> None:
        from oboromi_fs.mods.profiles import profile as profile_of

        self._roots = roots
        self._profile = profile_of(profile)
        self._titles = [set(self._profile.titles(root.fs)) for root in roots]

    def has(self, title_id: int) -> bool:
        """Whether there is a folder of mods of a title."""
        return any(title_id in titles for titles in self._titles)

    def over(self, game: Game, title_id: int, *, always: bool) -> tuple[Loadout | None, bool]:
        """Lay the mods for a title over it; None where there are none. Also return whether any has a part in its RomFS.

        Args:
            game: Its contents.
            title_id: Its id: that of the program, or of the add-on content.
            always: Whether mods that lie in no title's folder are for it, if the user named the folder.
        """
        found: Loadout | None = None
        active = False
        for root, titles in zip(self._roots, self._titles, strict=True):
            if title_id not in titles and not (always and root.named):
                continue
            installed = root.of(self._profile.installed(root.fs, title_id))
            if not root.named and not installed.mods:
                continue
            from oboromi_fs.mods.loadout import load

            loadout = load(root.fs, installed, game, path=root.path)
            if found is not None:
                loadout = replace(loadout, notices=(*found.notices, *loadout.notices))
            found = loadout
            active = active or loadout.romfs_active
            union = loadout.union
            romfs, exefs, manual = (SubFs(union, name) if union.exists(name) else None for name in MODDED)
            game = Game(romfs, exefs, manual, where=game.where)
        return found, active


def moved(layer: Layer, at: str) -> Layer:
    """Return a layer mounted further in, below ``at``, which ends in a slash or is empty."""
    return layer if not at else replace_layer(layer, f"{at}{layer.name}", at + layer.at)


def replace_layer(layer: Layer, name: str, at: str) -> Layer:
    """Return a layer under another name, mounted elsewhere."""
    return Layer(layer.given, name, layer.kind, layer.case, at, layer.markers, layer.path)


def mod_roots(paths: Sequence[str], application_id: int, profile: str, games: frozenset[str]) -> list[ModRoot]:
    """Return the folders in which a tool would find mods of a title, among those that were searched for it.

    Args:
        paths: What was searched, as the user wrote it.
        application_id: The title.
        profile: Name of the tool's profile.
        games: Real paths of extracted titles among what was found.
    """
    from oboromi_fs.mods.profiles import profile as profile_of

    finder = profile_of(profile)
    folders = [ModRoot(HostFs(path), path, named=False, games=games) for path in dict.fromkeys(paths) if os.path.isdir(path)]
    return [root for root in folders if any(base_id(title) == base_id(application_id) for title in finder.titles(root.fs))]
