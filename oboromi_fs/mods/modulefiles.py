"""Modules and containers in mods that no loader can use: they are taken by their names, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.exefs import stubbed_main
from oboromi_fs.mods.names import MODULES, NPDM
from oboromi_fs.mods.places import Shelf, without_path
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.mods.values import Installed, Mod, Notice, Part
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["unloadable"]

_MAGICS = {**dict.fromkeys(MODULES, (b"NSO0", "NSO")), NPDM: (b"META", "NPDM")}
"""What files of an ExeFS begin with, and what that is."""
_NEEDED = ("main", NPDM)


def unloadable(root: FileSystem, installed: Installed) -> list[Notice]:
    """Return what is wrong with modules and containers that were found: the first bytes of modules and containers' tables are read.

    Args:
        root: What was searched.
        installed: What was found there.
    """
    shelf = Shelf(root)
    loose: set[str] = set()
    for mod in installed.enabled:
        for part in mod.of_kind("exefs"):
            for entry in _modules(root, part):
                loose.add(entry.name)
                _check_module(shelf, mod, join(part.path, entry.name), entry)
    for mod in installed.enabled:
        for part in mod.of_kind("romfs.bin"):
            from oboromi_fs.backends.romfs import RomFs

            shelf.archive(mod, part, RomFs)
        for part in mod.of_kind("exefs.nsp"):
            _check_partition(shelf, mod, part, loose)
    stubbed = stubbed_main(root, installed)
    return shelf.notices if stubbed is None else [*shelf.notices, stubbed]


def _modules(root: FileSystem, part: Part) -> Iterator[DirEntry]:
    try:
        entries = root.read_dir(part.path)
    except (OboromiFsError, OSError):  # Whoever found it says so.
        return
    yield from (entry for entry in sorted(entries, key=lambda entry: entry.name) if entry.kind == "file" and entry.name in _MAGICS)


def _check_module(shelf: Shelf, mod: Mod, path: str, entry: DirEntry) -> None:
    magic, kind = _MAGICS[entry.name]
    try:
        begins = shelf.root.storage(path)[: len(magic)].tobytes()
    except (OboromiFsError, OSError) as error:
        shelf.tell("damaged", path, f"cannot be read: {without_path(error)}", mod, ignored=False)
        return
    if begins != magic:
        why = f"does not begin with {magic.decode()}" if entry.size else f"is empty (a stub is called {entry.name}.stub)"
        shelf.tell("damaged", path, f"is loaded, and is no {kind}: it {why}, and the game will not start with it", mod, ignored=False)


def _check_partition(shelf: Shelf, mod: Mod, part: Part, loose: set[str]) -> None:
    """Tell what a whole partition lacks: nothing is taken from the game then."""
    from oboromi_fs.backends.nsp import NspArchive

    fs = shelf.archive(mod, part, NspArchive)
    if fs is None:
        return
    names = {entry.name for entry in fs.read_dir("")} | loose
    absent = " and no ".join(name for name in _NEEDED if name not in names)
    if absent:
        text = f"has no {absent}: nothing is taken from the game's own modules beside it, and the game will not start"
        shelf.tell("lost", part.path, text, mod, ignored=False)
