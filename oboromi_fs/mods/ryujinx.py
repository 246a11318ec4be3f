"""Ryujinx: mods in its application directory. Source: its public sources, as the specification has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.mods.finding import Finder, Habits
from oboromi_fs.mods.states import ModStates, selected_update, switched_addons
from oboromi_fs.mods.switching import names_off, switched
from oboromi_fs.mods.titleids import kind_of, title_id_of
from oboromi_fs.mods.values import Installed, Mod, Notice, Part
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.mods.values import PartKind, ProfileName
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["Ryujinx"]

_TOOL = "Ryujinx"
_DEEPEST = 64
"""Levels of folders that are looked through: more are no mod."""
_NESTED: tuple[PartKind, ...] = ("romfs", "exefs", "cheats")
_HABITS = Habits(
    tool=_TOOL,
    parts=frozenset({"romfs", "exefs", "cheats", "romfs.bin", "exefs.nsp"}),
    fold=True,
    stubs=True,
    patches=True,
    dialect="ryujinx",
    others={
        "romfs_ext": "romfs_ext is of yuzu: Ryujinx can neither delete nor patch a file of the RomFS",
        "manual_html": "Ryujinx layers no manuals",
        "exefs_patches": "patches lie in mods/exefs_patches/<set>/, or in exefs/",
        "flags": "flags are for the console",
    },
)


class Ryujinx:
    """The profile of Ryujinx.

    Args:
        disabled: Names of mods that are switched off, besides those that ``mods.json`` names.
    """

    name: ProfileName = "ryujinx"

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self._disabled = names_off(disabled)

    def _places(self, finder: Finder) -> list[str]:
        places = (finder.down(path, fold=True) for path in ("mods/contents", "sdcard/atmosphere/contents"))
        found = [place for place in places if place is not None]
        if not found:
            inner = finder.down("contents", fold=True)
            found = [inner] if inner is not None else [""] if any(finder.ids("")) else []
        return found

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder."""
        finder = Finder(root)
        return sorted({title for place in self._places(finder) for title, _ in finder.ids(place)})

    def installed(self, root: FileSystem, title_id: int | str) -> Installed:
        """Return what Ryujinx finds for one title."""
        title_id = title_id_of(title_id)
        finder = Finder(root)
        mods: list[Mod] = []
        for kind in ("kip_patches", "nro_patches", "exefs_patches"):
            folders = [finder.down(path, fold=True) for path in (f"mods/{kind}", f"sdcard/atmosphere/{kind}")]
            inner = (
                [kind] if finder.down("atmosphere", fold=True) is None else []
            )  # Else the root is that of a card, and no folder of mods.
            for path in [each for each in folders if each is not None] or inner:
                if kind != "kip_patches":
                    mods += finder.patch_sets(path, kind, "ryujinx")
                elif finder.entries(path):
                    finder.tell("unsupported", path, "Ryujinx has no kernel modules to patch")
        strongest_first: list[Mod] = []
        for place in self._places(finder):
            finder.strangers(place, _TOOL)
            first = ""
            for title, entry in finder.ids(place):
                if title != title_id:
                    continue
                path = join(place, entry.name)
                if first:
                    finder.tell("shadowed", path, f"{first!r} differs from it in case alone, and comes first")
                    continue
                first = path
                if kind_of(title) == "update":
                    finder.tell("place", path, f"is the update's id: mods lie under the title's own, {title ^ 0x800:016x}")
                    continue
                strongest_first += self._below(finder, path, entry.name, top=True)
        states = ModStates(finder, title_id)
        found_mods, unknown = switched(finder, [*mods, *reversed(strongest_first)], self._disabled, why_off=states.why_off)
        states.tell_unknown()
        selected_update(finder, title_id)
        switched_addons(finder, title_id)
        return Installed(self.name, title_id, found_mods, tuple(dict.fromkeys(finder.notices)), unknown)

    def _below(self, finder: Finder, path: str, name: str, *, top: bool, depth: int = 0) -> list[Mod]:
        """The mods in a folder, strongest first: it is one itself where it has romfs, exefs or cheats in it."""
        if depth > _DEEPEST:
            finder.tell("path", path, f"lies more than {_DEEPEST} folders deep, and is not looked into")
            return []
        deeper: list[DirEntry] = []
        kept: set[str] = set()
        for entry in finder.entries(path):
            known = entry.name.lower() in (*_NESTED, *_HABITS.others) or (top and entry.name.lower() in ("romfs.bin", "exefs.nsp"))
            if entry.kind == "directory" and not known:
                deeper.append(entry)
                kept.add(entry.name)
            elif not top and entry.name.lower() in ("romfs.bin", "exefs.nsp"):
                kept.add(entry.name)
                finder.tell("place", join(path, entry.name), "is read directly in the folder of the title alone", name)
        mod = finder.mod(path, name, _HABITS, skip=tuple(kept))
        mods = [mod] if mod.parts else []
        for entry in deeper:
            found = self._below(finder, join(path, entry.name), entry.name, top=False, depth=depth + 1)
            if not found and not finder.entries(join(path, entry.name)):
                finder.tell("empty", join(path, entry.name), "nothing is in it", entry.name)
            mods += found
        return mods

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what Ryujinx would make of a folder, were it that of a mod; mods in it count as parts of it."""
        finder = Finder(root)
        parts: list[Part] = [part for mod in self._below(finder, path, name, top=False) for part in mod.parts]
        return Mod(name, path, tuple(parts)), finder.notices
