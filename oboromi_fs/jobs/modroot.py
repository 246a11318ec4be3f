"""The folder that somebody names as the one with mods: a tool's root, a folder further in, a title's own, a mod, or an archive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.host import HostFs
from oboromi_fs.errors import EntryNotFoundError, NotADirectoryEntryError, NotThisFormatError
from oboromi_fs.mods.finding import DIFFERENCE_TEXT, Finder, is_packed
from oboromi_fs.mods.names import FOLDERS
from oboromi_fs.mods.surveying import survey
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.opening import locate
from oboromi_fs.opening.location import open_location
from oboromi_fs.splitparts import parts_listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.opening import NestedFs, Opener
    from oboromi_fs.protocols import FileSystem

__all__ = ["ModRoot", "open_root", "wrong_level"]

_HOMES = (("atmosphere", "contents"), ("mods", "contents"), ("load",))
"""Folders of titles, below the roots that tools keep them in."""
_CARDS = {"sdmc": ("load", "config", "nand"), "sdcard": ("mods", "games", "system")}
"""What an emulator calls its SD card -> folders that lie beside it."""
_MOST_LOOKED_INTO = 32


class ModRoot(NamedTuple):
    """Where mods are kept.

    Attributes:
        fs: Its files.
        path: Where it is, as the user would write it.
        title_id: The title whose folder was named, if it was that of one; ``fs`` is then a folder around it.
        opened: What must be closed after use.
        around: Whether ``fs`` is a folder around what was named.
    """

    fs: FileSystem
    path: str
    title_id: int | None = None
    opened: tuple[NestedFs, ...] = ()
    around: bool = False


def open_root(path: str, opener: Callable[[], Opener], *, nearest: bool = False) -> ModRoot:
    """Open the folder that mods are kept in.

    The folder of a title, such as ``load/<ID>``, means the mods of that title. Of that, and of the folder it lies in, what is opened is the
    root of the tool that keeps it there, so that the tool's settings and its other folders count.

    Args:
        path: A folder of the host, or a ZIP or a folder in one.
        opener: Gives what opens archives, called if it is one.
        nearest: Whether to go no further up than to the folder around that of a title.

    Raises:
        EntryNotFoundError: No such path.
        NotADirectoryEntryError: It is neither a folder nor a ZIP.
        FormatError: The ZIP is damaged.
    """
    text = path.rstrip("/") or path
    full = os.path.abspath(text)
    title = _title(os.path.basename(full))
    if title is None and os.path.islink(text):
        title = _title(os.path.basename(os.path.realpath(text)))
        full = os.path.realpath(text) if title is not None else full
    above = _above(full, nearest=nearest) if title is not None else 0
    if title is None and not nearest and _has_titles(text):
        above = _above(os.path.join(full, "0" * 16), nearest=False) - 1
    if not text or not above:
        fs, opened = _folder(path, opener)
        return ModRoot(fs, path, None, opened)
    _folder(path, opener, check=True)
    shown = full
    for _ in range(above):
        shown = os.path.dirname(shown)
    if not os.path.isabs(text) and full == os.path.abspath(text):
        shown = os.path.relpath(shown)
    fs, opened = _folder(shown, opener)
    return ModRoot(fs, shown, title, opened, around=True)


def _has_titles(path: str) -> bool:
    """Whether a folder of the host has folders of titles in it."""
    try:
        return any(_title(name) is not None for name in os.listdir(path))
    except OSError:
        return False


def _title(name: str) -> int | None:
    return parse_title_id(name) if len(name) == 16 else None


def _above(full: str, *, nearest: bool) -> int:
    """How many folders above that of a title the root of its tool is."""
    names = [name.lower() for name in full.split(os.sep)[:-1]]
    if nearest:
        return 1
    for home in _HOMES:
        if tuple(names[-len(home) :]) == home:
            up = 1 + len(home)
            beside = _CARDS.get(names[-up]) if home[0] == "atmosphere" and len(names) >= up else None
            if beside is not None:
                emulator = os.sep.join(full.split(os.sep)[: -up - 1]) or os.sep
                if any(os.path.isdir(os.path.join(emulator, name)) for name in beside):
                    return up + 1
            return up
    return 1


def _folder(path: str, opener: Callable[[], Opener], *, check: bool = False) -> tuple[FileSystem, tuple[NestedFs, ...]]:
    if os.path.isdir(path) and not parts_listed(path):
        return HostFs(path), ()
    try:
        whole = open_location(locate(path, opener=opener()))
    except (NotADirectoryEntryError, NotThisFormatError):
        raise NotADirectoryEntryError(path, _no_folder(path)) from None
    except EntryNotFoundError:
        if os.path.lexists(path):
            raise
        raise EntryNotFoundError(path, "no such folder") from None
    if whole.kind not in ("Host", "ZIP"):
        whole.close()
        raise NotADirectoryEntryError(path, f"is no folder of mods, but of kind {whole.kind}; the game is given with --base")
    if check:
        whole.close()
    return (whole.fs if whole.nests else whole), (whole,)


def _no_folder(path: str) -> str:
    return "is an archive of a kind that is not read: unpack it first" if is_packed(path) else "is no folder, and no ZIP"


def wrong_level(root: ModRoot) -> str:
    """Return a hint where a folder was named that has no mods, and one above or below it has; ``""`` where none is seen.

    Args:
        root: What was named.
    """
    full = os.path.abspath(root.path)
    name = os.path.basename(full)
    if name.lower() in FOLDERS:
        return f"it looks like a part of a mod: give the folder it is in, {os.path.dirname(root.path.rstrip('/')) or '..'}"
    from oboromi_fs.base import SubFs
    from oboromi_fs.mods.difference import is_difference

    if is_difference(root.fs):
        return f"it {DIFFERENCE_TEXT}, which no tool can read: use it as a layer over the game, -l GAME -l {root.path}"
    entries = Finder(root.fs).entries("")
    folders = [entry.name for entry in entries if entry.kind == "directory"][:_MOST_LOOKED_INTO]
    for folder in folders:
        if survey(SubFs(root.fs, folder)):
            return f"there are mods further in: give {os.path.join(root.path, folder)}"
    packed = next((entry.name for entry in entries if entry.kind == "file" and is_packed(entry.name)), None)
    if packed is not None:
        inner = os.path.join(root.path, packed)
        return f"give the archive in it, {inner}" if packed.lower().endswith(".zip") else f"unpack what is in it, {inner}"
    return "tools look for folders called romfs, exefs and the like; files of the game go into romfs" if entries else ""
