"""Files of mods that differ from the game's in letter case alone: the game asks for its own spelling, so they are added and never read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.names import of_fold
from oboromi_fs.mods.values import Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.mods.loadout import Loadout
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["other_case"]

_FOLDERS = {"romfs": "romfs", "manual_html": "manual"}
"""Part of a mod -> where in the union it is layered."""


def other_case(loadout: Loadout, root: FileSystem) -> Iterator[Notice]:
    """Tell of files and folders of mods whose names the game writes in another case of letters. Only folders that both have are listed.

    Args:
        loadout: The mods, over a game.
        root: What was searched for them.
    """
    games = {layer.at: layer.fs for layer in loadout.union.layers if loadout.roles[layer.name] == "game"}
    for mod in loadout.installed.enabled:
        for part in mod.parts:
            game = games.get(_FOLDERS.get(part.kind, ""))
            if game is not None:
                for path, text in _differing(root, part.path, game, ""):
                    yield Notice("lost", path, text, mod.name, ignored=False)


def _differing(root: FileSystem, path: str, game: FileSystem, below: str) -> Iterator[tuple[str, str]]:
    own = _entries(root, path)
    theirs = _entries(game, below) if own else []
    exact = {entry.name: entry for entry in theirs}
    folded = of_fold(theirs)
    for entry in own:
        full = join(path, entry.name)
        same = exact.get(entry.name)
        near = folded.get(entry.name.lower())
        if same is not None:
            if same.kind == entry.kind == "directory":
                yield from _differing(root, full, game, join(below, entry.name))
        elif near is not None and near.kind == entry.kind:
            things = "files in it are" if entry.kind == "directory" else "file is"
            text = f"the game's is called {near.name!r}, in another case: the {things} added, and never asked for"
            yield full, text


def _entries(fs: FileSystem, path: str) -> list[DirEntry]:
    try:
        return fs.read_dir(path)
    except (OboromiFsError, OSError):  # Whoever reads it says so.
        return []
