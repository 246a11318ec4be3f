"""The yuzu family: mods in the user directory. Source: its public sources, as the specification has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.mods.finding import Finder, Habits
from oboromi_fs.mods.names import find_name
from oboromi_fs.mods.states import disabled_addons
from oboromi_fs.mods.switching import switched
from oboromi_fs.mods.titleids import kind_of
from oboromi_fs.mods.values import Installed, Mod, Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Yuzu"]

_TOOL = "yuzu"
_SDMC = "sdmc/atmosphere/contents"
_HABITS = Habits(
    tool=_TOOL,
    parts=frozenset({"romfs", "romfs_ext", "exefs", "manual_html", "cheats"}),
    fold=True,
    stubs=False,
    patches=True,
    dialect="yuzu",
    others={
        "romfs.bin": "yuzu reads loose files alone: unpack it into romfs/",
        "exefs.nsp": "yuzu reads loose modules alone: unpack it into exefs/",
        "exefs_patches": "yuzu takes patches from exefs/",
        "flags": "flags are for the console",
    },
)


class Yuzu:
    """The profile of the yuzu family.

    Args:
        disabled: Names of mods that are switched off, ``"SDMC"`` for the folder on the SD card, besides those that the settings name.
    """

    name: ProfileName = "yuzu"

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self._disabled = disabled

    def _load(self, finder: Finder) -> str | None:
        found = finder.down("load", fold=False, tool=_TOOL)
        return found if found is not None else "" if any(finder.ids("")) else None

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder."""
        finder = Finder(root)
        places = (self._load(finder), finder.down(_SDMC, fold=False, tool=_TOOL))
        return sorted({title for place in places if place is not None for title, _ in finder.ids(place)})

    def installed(self, root: FileSystem, title_id: int) -> Installed:
        """Return what yuzu finds for one title."""
        finder = Finder(root)
        mods: list[Mod] = []
        load = self._load(finder)
        if load is not None:
            finder.strangers(load, _TOOL)
            for title, entry in finder.ids(load):
                if title == title_id:
                    mods += self._title(finder, join(load, entry.name), entry.name, title_id)
        card = finder.down(_SDMC, fold=False, tool=_TOOL)
        for title, entry in finder.ids(card) if card is not None else ():
            if title == title_id:
                mods += self._card(finder, join(card or "", entry.name), entry.name, title_id)
        mods.sort(key=lambda mod: mod.name.encode("utf-8", "surrogateescape"), reverse=True)
        off = dict.fromkeys(self._disabled, "by choice") | dict.fromkeys(disabled_addons(finder, title_id), "in yuzu's settings")
        found = switched(finder, mods, lambda mod: off.get("SDMC" if mod.path.startswith(f"{_SDMC}/") else mod.name, ""))
        return Installed(self.name, title_id, found, tuple(dict.fromkeys(finder.notices)))

    def _title(self, finder: Finder, path: str, name: str, title_id: int) -> list[Mod]:
        if name != f"{title_id:016X}":
            finder.tell("case", path, f"yuzu asks for {title_id:016X}, in upper case")
            return []
        if kind_of(title_id) == "update":
            finder.tell("place", path, "is the update's id, and updates get no mods: they lie under the title's own")
            return []
        mods: list[Mod] = []
        entries = finder.entries(path)
        for entry in entries:
            inner = join(path, entry.name)
            if entry.kind != "directory":
                finder.tell("kind", inner, "is a file, and each mod is a folder")
            elif find_name([entry], "romfs", fold=True) or find_name([entry], "exefs", fold=True):
                finder.tell("place", inner, f"lies in the title's own folder: yuzu wants one for each mod, {path}/<mod>/{entry.name}")
            else:
                mods.append(finder.mod(inner, entry.name, _HABITS))
        return mods

    def _card(self, finder: Finder, path: str, name: str, title_id: int) -> list[Mod]:
        if name != f"{title_id:016X}":
            finder.tell("case", path, f"yuzu asks for {title_id:016X}, in upper case")
            return []
        return [] if kind_of(title_id) == "update" else [finder.mod(path, name, _HABITS)]

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what yuzu would make of a folder, were it that of a mod."""
        finder = Finder(root)
        return finder.mod(path, name, _HABITS), finder.notices
