"""Modules in mods that no loader can load: they are loaded by their names, whatever is in them, and the game does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.names import MODULES, NPDM
from oboromi_fs.mods.values import Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.mods.values import Installed
    from oboromi_fs.protocols import FileSystem

__all__ = ["unloadable"]

_MAGICS = {**dict.fromkeys(MODULES, (b"NSO0", "NSO")), NPDM: (b"META", "NPDM")}
"""What files of an ExeFS begin with, and what that is."""


def unloadable(root: FileSystem, installed: Installed) -> Iterator[Notice]:
    """Tell of modules that begin as none does, or cannot be read. Of each module the first bytes are read.

    Args:
        root: What was searched.
        installed: What was found there.
    """
    for mod in installed.enabled:
        for part in mod.of_kind("exefs"):
            try:
                entries = root.read_dir(part.path)
            except (OboromiFsError, OSError):  # Whoever lists it says so.
                continue
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.kind != "file" or entry.name not in _MAGICS:
                    continue
                path = join(part.path, entry.name)
                magic, kind = _MAGICS[entry.name]
                try:
                    begins = root.storage(path)[: len(magic)].tobytes()
                except (OboromiFsError, OSError) as error:
                    yield Notice("damaged", path, f"cannot be read: {error}", mod.name, ignored=False)
                    continue
                if begins != magic:
                    why = f"does not begin with {magic.decode()}" if entry.size else f"is empty (a stub is called {entry.name}.stub)"
                    text = f"is loaded, and is no {kind}: it {why}, and the game will not start with it"
                    yield Notice("damaged", path, text, mod.name, ignored=False)
