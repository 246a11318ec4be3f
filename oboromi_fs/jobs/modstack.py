"""A title with mods, opened: the game wherever it is stored, the mods as a tool finds them, and the stack of layers that makes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import EntryNotFoundError, FormatError, NotADirectoryEntryError
from oboromi_fs.jobs.stack import Stack
from oboromi_fs.jobs.stackfile import LayerSpec, StackSpec
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import Loadout, load
from oboromi_fs.mods.profiles import profile as profile_of
from oboromi_fs.opening import locate
from oboromi_fs.opening.location import open_location

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from oboromi_fs.mods.profiles import Profile
    from oboromi_fs.opening import NestedFs, Opener
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["ModStack", "only_title", "open_game", "open_mods"]

_PARTS = ("romfs", "exefs", "manual")
_PROGRAMS = ("", "@program", "@data", "@publicdata")
"""Where in what a path names the contents may be: itself, or an NCA of a package."""


@dataclass(slots=True)
class ModStack(Stack):
    """A stack made of a title and its mods: what the tool makes of them, and what must be closed after use."""

    loadout: Loadout | None = None
    opened: list[NestedFs] = field(default_factory=list)

    def close(self) -> None:
        """Close every layer, and the game."""
        self.union.close()
        for fs in self.opened:
            fs.close()


def open_game(path: str, opener: Opener) -> tuple[Game, list[NestedFs]]:
    """Open a title's own contents.

    Args:
        path: A package, an NCA, a RomFS image, a folder with ``romfs`` or ``exefs`` in it, or a folder that is a RomFS itself; on the host
            or inside containers.
        opener: What opens containers.

    Returns:
        The contents, and what must be closed after use.

    Raises:
        EntryNotFoundError: No such path.
        FormatError: There is no title in it, or it is damaged.
        MissingKeyError: A key is absent.
    """
    opened: list[NestedFs] = []
    try:
        for inner in _PROGRAMS:
            where = {part: "/".join(filter(None, (path.rstrip("/") or "/", inner, part))) for part in _PARTS}
            if inner:
                where["manual"] = os.path.join(path, "@manual", "romfs")
            found = {part: _folder(where[part], opener, opened) for part in ("romfs", "exefs")}
            if found["romfs"] is not None or found["exefs"] is not None:
                manual = _folder(where["manual"], opener, opened)
                return Game(found["romfs"], found["exefs"], manual, _image(found["romfs"]), where), opened
        return _bare(path, opener, opened), opened
    except BaseException:
        for fs in opened:
            fs.close()
        raise


def _bare(path: str, opener: Opener, opened: list[NestedFs]) -> Game:
    """What is a RomFS itself: an image, or a folder."""
    place = locate(path, opener=opener)  # Says what is wrong with the path, if anything is.
    try:
        whole = open_location(place)
    except NotADirectoryEntryError:
        raise FormatError("is no title, RomFS image or folder", source=path) from None
    opened.append(whole)
    fs = _underneath(whole)
    if getattr(fs, "kind", "") not in ("Host", "RomFS", "ZIP", "Memory"):
        raise FormatError("holds no program and no data: give a package, an NCA, a RomFS image or a folder", source=path)
    return Game(fs, image=_image(whole), where={"romfs": path})


def _folder(path: str, opener: Opener, opened: list[NestedFs]) -> FileSystem | None:
    """A tree of a title; None where there is none."""
    try:
        place = locate(path, opener=opener)
    except (EntryNotFoundError, NotADirectoryEntryError):
        return None
    fs = open_location(place)
    opened.append(fs)
    return _underneath(fs)


def _underneath(fs: FileSystem) -> FileSystem:
    inner = getattr(fs, "fs", None)
    return inner if inner is not None and getattr(fs, "nests", False) else fs


def _image(fs: FileSystem | None) -> Storage | None:
    """The RomFS image that a file system reads, if it is one."""
    under = _underneath(fs) if fs is not None else None
    return under.raw if isinstance(under, RomFs) else None


def only_title(profile: Profile, root: FileSystem) -> int:
    """Return the one title that there are mods for; 0 where mods lie in no title's folder, and are of any.

    Raises:
        FormatError: There are several, or none.
    """
    titles = profile.titles(root)
    if not titles and profile.name == "plain":
        return 0
    if len(titles) != 1:
        found = ", ".join(f"{title:016x}" for title in titles[:8]) or "none"
        raise FormatError(f"say which title with --title: there are mods for {found}", what="mods")
    return titles[0]


def open_mods(
    name: str,
    root: str,
    title_id: int | None,
    game: str | None,
    opener: Callable[[], Opener],
    *,
    disabled: Collection[str] = (),
) -> ModStack:
    """Lay the mods that a tool finds over a title.

    Args:
        name: The tool's profile.
        root: The folder where mods are kept.
        title_id: Whose mods; None where there is but one title, or where mods are of no title's folder.
        game: Path of the title itself; None for the mods alone.
        opener: Gives what opens containers, called when the game is opened.
        disabled: Names of mods that are switched off.

    Raises:
        FormatError: Nobody says which title; or the game is none.
        EntryNotFoundError, MissingKeyError, OSError: The game or the folder cannot be opened.
    """
    profile = profile_of(name, disabled=disabled)
    folder = HostFs(root)
    chosen = title_id if title_id is not None else only_title(profile, folder)
    contents, opened = open_game(game, opener()) if game is not None else (Game(), [])
    try:
        loadout = load(folder, profile.installed(folder, chosen), contents, path=root)
    except BaseException:
        for fs in opened:
            fs.close()
        raise
    layers = tuple(LayerSpec(layer.path, layer.name, at=layer.at, from_here=True) for layer in loadout.union.layers)
    spec = StackSpec((*layers, LayerSpec(root, "mods", enabled=False, from_here=True)))
    return ModStack(spec, loadout.union, [], loadout, opened)
