"""A title with mods, opened: the game wherever it is stored, the mods as a tool finds them, and the stack of layers that makes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import EntryNotFoundError, FormatError, NotADirectoryEntryError
from oboromi_fs.jobs.stack import Stack
from oboromi_fs.jobs.stackfile import LayerSpec, StackSpec
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import Loadout, load
from oboromi_fs.mods.profile import profile as profile_of
from oboromi_fs.opening import locate
from oboromi_fs.opening.location import open_location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs.mods.profile import Profile
    from oboromi_fs.opening import NestedFs, Opener
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["ModStack", "only_title", "open_game", "open_mods"]

_PARTS = ("romfs", "exefs", "manual")
_PROGRAMS = ("", "@program", "@data", "@publicdata")
"""Where in what a path names the contents may be: itself, or an NCA of a package."""


@dataclass(slots=True)
class ModStack(Stack):
    """A stack made of a title and its mods, and what the tool makes of them."""

    loadout: Loadout | None = None


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
            found = {
                part: _folder(os.path.join(path, inner, part) if inner else os.path.join(path, part), opener, opened) for part in _PARTS
            }
            if found["romfs"] is None and found["exefs"] is None:
                continue
            manual = found["manual"] or (_folder(os.path.join(path, "@manual", "romfs"), opener, opened) if inner else None)
            romfs = found["romfs"]
            return Game(romfs, found["exefs"], manual, _image(romfs), path), opened
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
    return Game(fs, image=_image(whole), path=path)


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
    """Return the one title that there are mods for.

    Raises:
        FormatError: There are several, or none.
    """
    titles = profile.titles(root)
    if len(titles) != 1:
        found = ", ".join(f"{title:016x}" for title in titles[:8]) or "none"
        raise FormatError(f"say which title with --title: there are mods for {found}", what="mods")
    return titles[0]


def open_mods(name: str, roots: Sequence[str], title_id: int | None, game: str | None, opener: Callable[[], Opener]) -> ModStack:
    """Lay the mods that a tool finds over a title.

    Args:
        name: The tool's profile.
        roots: Where mods are kept; several for ``plain`` alone, the later wins.
        title_id: Whose mods; None where there is but one title.
        game: Path of the title itself; None for the mods alone.
        opener: Gives what opens containers, called when the game is opened.
    """
    profile = profile_of(name)
    root = HostFs(roots[0])
    chosen = title_id if title_id is not None else only_title(profile, root)
    contents, opened = open_game(game, opener()) if game is not None else (Game(), [])
    try:
        loadout = load(root, profile.installed(root, chosen), contents, path=roots[0])
    except BaseException:
        for fs in opened:
            fs.close()
        raise
    layers = tuple(LayerSpec(layer.path, layer.name, at=layer.at, from_here=True) for layer in loadout.union.layers)
    spec = StackSpec((*layers, LayerSpec(roots[0], "mods", enabled=False, from_here=True)))
    return ModStack(spec, loadout.union, [], loadout)
