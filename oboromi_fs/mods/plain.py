"""The plain profile: whatever any tool takes, wherever it lies; mods in the order of their names, the later wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.mods.finding import Finder, Habits, name_of
from oboromi_fs.mods.names import PARTS
from oboromi_fs.mods.switching import names_off, switched
from oboromi_fs.mods.titleids import title_id_of
from oboromi_fs.mods.values import Installed, Mod, Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Plain"]

_TOOL = "the plain profile"
_HABITS = Habits(
    tool=_TOOL,
    parts=frozenset({"romfs", "romfs.bin", "romfs_ext", "exefs", "exefs.nsp", "exefs_patches", "manual_html", "cheats"}),
    fold=True,
    stubs=True,
    patches=True,
    dialect="neutral",
    others={"flags": "flags are for the console"},
)
_CONTENTS = (
    "atmosphere/contents",
    "sdmc/atmosphere/contents",
    "sdcard/atmosphere/contents",
    "mods/contents",
    "load",
    "contents",
)
_SETS = ("atmosphere/exefs_patches", "mods/exefs_patches", "sdcard/atmosphere/exefs_patches", "sdmc/atmosphere/exefs_patches")
_KNOWN = frozenset(PARTS) - {"kip_patches", "nro_patches"}


class Plain:
    """The plain profile. Its root is any tool's, or a folder of mods, or one mod.

    Args:
        disabled: Names of mods that are switched off.
    """

    name: ProfileName = "plain"

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self._disabled = names_off(disabled)

    def _places(self, finder: Finder) -> list[str]:
        places = (finder.down(path, fold=True) for path in _CONTENTS)
        found = list(dict.fromkeys(place for place in places if place is not None))
        return found or ([""] if any(finder.ids("")) else [])

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder; none for a folder of mods, which are of whatever title they are loaded for."""
        finder = Finder(root)
        return sorted({title for place in self._places(finder) for title, _ in finder.ids(place)})

    def installed(self, root: FileSystem, title_id: int | str) -> Installed:
        """Return all mods for one title."""
        title_id = title_id_of(title_id)
        finder = Finder(root)
        mods: list[Mod] = []
        for path in _SETS:
            found = finder.down(path, fold=True)
            if found is not None:
                mods += finder.patch_sets(found, "exefs_patches", "neutral")
        places = self._places(finder)
        if not places and not mods:
            mods += self._loose(finder, "", name_of(root, "mods"))
        for place in places:
            for title, entry in finder.ids(place):
                if title == title_id:
                    mods += self._loose(finder, join(place, entry.name), entry.name)
        switched_mods, unknown = switched(finder, _distinct(mods), self._disabled)
        return Installed(self.name, title_id, switched_mods, tuple(dict.fromkeys(finder.notices)), unknown)

    def _loose(self, finder: Finder, path: str, name: str) -> Iterator[Mod]:
        """A folder that is a mod, or that has mods in it, or both."""
        entries = finder.entries(path)
        own = [entry for entry in entries if entry.name.lower() in _KNOWN]
        others = [entry for entry in entries if entry.name.lower() not in _KNOWN]
        folders = tuple(entry.name for entry in others if entry.kind == "directory")
        if own or not folders:
            mod = finder.mod(path, name, _HABITS, skip=folders)
            if mod.parts:
                yield mod
        else:
            for entry in others:
                if entry.kind != "directory":
                    finder.is_file(join(path, entry.name), "each mod is a folder")
        for folder in folders:
            mod = finder.mod(join(path, folder), folder, _HABITS)
            if mod.parts:
                yield mod
            elif not finder.entries(join(path, folder)):
                finder.tell("empty", join(path, folder), "nothing is in it", folder)

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what is taken of one mod folder."""
        finder = Finder(root)
        return finder.mod(path, name, _HABITS), finder.notices


def _distinct(mods: Iterable[Mod]) -> Iterator[Mod]:
    """Mods whose names differ: those of several trees may have one name."""
    from dataclasses import replace

    taken: set[str] = set()
    for mod in mods:
        name = mod.name if mod.name not in taken else f"{mod.name} in {mod.path}"
        taken.add(name)
        yield replace(mod, name=name)
