"""Atmosphère: mods on the SD card of a console. Source: its public documentation and sources, as the specification has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_fs.mods.finding import Finder, Habits
from oboromi_fs.mods.switching import names_off, switched
from oboromi_fs.mods.titleids import kind_of, parse_title_id, title_id_of
from oboromi_fs.mods.values import Installed, Mod, Notice
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Collection

    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Atmosphere"]

_TOOL = "Atmosphère"
_FAT = " (a FAT or exFAT card finds it all the same)"
"""What a console really has for a card finds a folder whatever the case of its name."""
_HABITS = Habits(
    tool=_TOOL,
    parts=frozenset({"romfs", "romfs.bin", "exefs", "exefs.nsp", "manual_html", "cheats", "flags"}),
    fold=False,
    stubs=True,
    patches=False,
    dialect="atmosphere",
    case_hint=_FAT,
    others={
        "romfs_ext": "romfs_ext is of yuzu: on the console nothing can delete or patch a file of the RomFS",
        "exefs_patches": "patches lie in atmosphere/exefs_patches/<set>/, not in the folder of a title",
    },
)
_ADDON = replace(_HABITS, parts=frozenset({"romfs", "romfs.bin"}), stubs=False, others={})


class Atmosphere:
    """The profile of Atmosphère.

    Args:
        disabled: Names of mods and sets that are switched off.
    """

    name: ProfileName = "atmosphere"

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self._disabled = names_off(disabled)

    def _contents(self, finder: Finder, folder: str = "contents") -> str | None:
        for path in (f"atmosphere/{folder}", folder):
            found = finder.down(path, fold=False, tool=_TOOL, case_hint=_FAT)
            if found is not None:
                return found
        return "" if folder == "contents" and any(finder.ids("")) else None

    def titles(self, root: FileSystem) -> list[int]:
        """Return the ids of the titles that have a folder."""
        finder = Finder(root)
        places = [self._contents(finder), self._contents(finder, "titles")]
        return sorted({title for place in places if place is not None for title, _ in finder.ids(place)})

    def installed(self, root: FileSystem, title_id: int | str) -> Installed:
        """Return what Atmosphère finds for one title."""
        title_id = title_id_of(title_id)
        finder = Finder(root)
        mods: list[Mod] = []
        card = any(entry.name == "atmosphere" and entry.kind == "directory" for entry in finder.entries(""))
        for kind in ("kip_patches", "nro_patches", "exefs_patches"):
            sets = finder.down(f"atmosphere/{kind}" if card else kind, fold=False, tool=_TOOL, case_hint=_FAT)
            if sets is not None:
                mods += finder.patch_sets(sets, kind, "atmosphere")
            if card and finder.entries(kind):
                finder.tell("place", kind, f"lies beside the folder atmosphere: {_TOOL} asks for atmosphere/{kind}")
        contents = self._contents(finder)
        if contents is not None:
            finder.strangers(contents, _TOOL)
            mods += self._title(finder, contents, title_id)
        old = self._contents(finder, "titles")
        if old is not None:
            for title, entry in finder.ids(old):
                if title == title_id:
                    finder.tell("place", join(old, entry.name), "is where Atmosphère looked before 0.10; today it looks in contents/")
        found, unknown = switched(finder, mods, self._disabled)
        return Installed(self.name, title_id, found, tuple(dict.fromkeys(finder.notices)), unknown)

    def _title(self, finder: Finder, contents: str, title_id: int) -> list[Mod]:
        mods: list[Mod] = []
        for title, entry in finder.ids(contents):
            path = join(contents, entry.name)
            if kind_of(title) == "update" and title ^ 0x800 == title_id and title != title_id:
                finder.tell("place", path, f"is the update's id: mods of the title lie in {title_id:016x}, with or without an update")
            if title != title_id:
                continue
            if entry.name != f"{title_id:016x}":
                finder.tell("case", path, f"{_TOOL} asks for {title_id:016x}, in lower case{_HABITS.case_hint}")
            elif kind_of(title) == "update":
                finder.tell("place", path, f"is the update's id: mods lie under the title's own, {title ^ 0x800:016x}")
            else:
                mods.append(finder.mod(path, entry.name, _ADDON if kind_of(title) == "add-on" else _HABITS))
        return mods

    def scan(self, root: FileSystem, path: str, name: str) -> tuple[Mod, list[Notice]]:
        """Return what Atmosphère would make of a folder, were it that of a title."""
        finder = Finder(root)
        addon = kind_of(parse_title_id(name) or 0) == "add-on"
        return finder.mod(path, name, _ADDON if addon else _HABITS), finder.notices
