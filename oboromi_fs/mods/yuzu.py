"""The yuzu family: mods in the user directory. Source: its public sources, as the specification has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_fs.mods.finding import Finder, Habits
from oboromi_fs.mods.names import find_name
from oboromi_fs.mods.states import YUZU_SWITCHES, disabled_addons
from oboromi_fs.mods.switching import names_off, switched
from oboromi_fs.mods.titleids import title_id_of, update_id
from oboromi_fs.mods.values import Installed, Mod, Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["CARD", "Yuzu"]

_TOOL = "yuzu"
_CASE = " (a disk of Windows finds it all the same)"
CARD = "sdmc/atmosphere/contents"
"""Where the folder of a title is on the SD card: yuzu takes modules and RomFS files from it, but neither patches nor cheats."""
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

_CARD_HABITS = replace(
    _HABITS,
    parts=_HABITS.parts - {"cheats"},
    patches=False,
    sets="load/<ID>/<mod>/exefs/",
    others={**_HABITS.others, "cheats": "yuzu takes cheats from load/<ID>/<mod>/cheats/ alone"},
)
"""The folder on the SD card is a mod whose modules and RomFS count, and nothing else."""


class Yuzu:
    """The profile of the yuzu family.

    Args:
        disabled: Names of mods that are switched off, ``"SDMC"`` for the folder on the SD card, besides those that the settings name.
    """

    name: ProfileName = "yuzu"

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self._disabled = names_off(disabled)

    def _load(self, finder: Finder) -> str | None:
        found = finder.down("load", fold=False, tool=_TOOL)
        return found if found is not None else "" if any(finder.ids("")) else None

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder."""
        finder = Finder(root)
        places = (self._load(finder), finder.down(CARD, fold=False, tool=_TOOL))
        return sorted({title for place in places if place is not None for title, _ in finder.ids(place)})

    def installed(self, root: FileSystem, title_id: int | str) -> Installed:
        """Return what yuzu finds for one title."""
        title_id = title_id_of(title_id)
        finder = Finder(root)
        mods: list[Mod] = []
        load = self._load(finder)
        if load is not None:
            finder.strangers(load, _TOOL)
            for title, entry in finder.ids(load):
                if title == title_id:
                    mods += self._title(finder, join(load, entry.name), entry.name, title_id)
        card = finder.down(CARD, fold=False, tool=_TOOL)
        for title, entry in finder.ids(card) if card is not None else ():
            if title == title_id:
                mods += self._card(finder, join(card or "", entry.name), entry.name, title_id)
        mods.sort(key=lambda mod: mod.name.encode("utf-8", "surrogateescape"), reverse=True)
        for kind in ("exefs_patches", "nro_patches", "kip_patches"):
            sets = f"sdmc/atmosphere/{kind}"
            if finder.entries(sets):
                finder.tell("place", sets, "yuzu takes patches from load/<ID>/<mod>/exefs/ alone")
        settings = disabled_addons(finder, title_id)
        for name in YUZU_SWITCHES.keys() & settings.names:
            finder.tell("disabled", settings.path, f"{YUZU_SWITCHES[name]} switched off in yuzu's settings", ignored=False)
        off = frozenset(settings.names)
        found, unknown = switched(
            finder,
            mods,
            self._disabled,
            why_off=lambda mod: "in yuzu's settings" if (_on_card(mod) or mod.name) in off else "",
            also=_on_card,
        )
        return Installed(self.name, title_id, found, tuple(dict.fromkeys(finder.notices)), unknown)

    def _title(self, finder: Finder, path: str, name: str, title_id: int) -> list[Mod]:
        if name != f"{title_id:016X}":
            finder.tell("case", path, f"yuzu asks for {title_id:016X}, in upper case{_CASE}")
            return []
        if _modless(title_id):
            finder.tell("place", path, "is the update's id, and updates get no mods: they lie under the title's own")
            return []
        mods: list[Mod] = []
        entries = finder.entries(path)
        for entry in entries:
            inner = join(path, entry.name)
            if entry.kind != "directory":
                finder.is_file(inner, "each mod is a folder")
            elif find_name([entry], "romfs", fold=True) or find_name([entry], "exefs", fold=True):
                finder.tell("place", inner, f"lies in the title's own folder: yuzu asks for one folder a mod, {path}/<mod>/{entry.name}")
            else:
                mods.append(finder.mod(inner, entry.name, _HABITS))
        return mods

    def _card(self, finder: Finder, path: str, name: str, title_id: int) -> list[Mod]:
        if name != f"{title_id:016X}":
            finder.tell("case", path, f"yuzu asks for {title_id:016X}, in upper case{_CASE}")
            return []
        if _modless(title_id):
            finder.tell("place", path, "is the update's id, and updates get no mods: they lie under the title's own")
            return []
        return [finder.mod(path, name, _CARD_HABITS)]

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what yuzu would make of a folder, were it that of a mod."""
        finder = Finder(root)
        return finder.mod(path, name, _HABITS), finder.notices


def _on_card(mod: Mod) -> str:
    """What yuzu calls a mod that is a folder on the SD card; ``""`` for any other."""
    return "SDMC" if mod.path.startswith(f"{CARD}/") else ""


def _modless(title_id: int) -> bool:
    """Whether yuzu looks for no mods of a title: updates, which it tells by the last three digits."""
    return title_id % 0x1000 == update_id(0)
