"""The title that mods are laid over, opened: a package, an NCA, an image or a folder, with its update if it has one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import EntryNotFoundError, FormatError, NotADirectoryEntryError, OboromiFsError
from oboromi_fs.mods.game import Game
from oboromi_fs.opening import locate
from oboromi_fs.opening.location import open_location
from oboromi_fs.splitparts import parts_listed

if TYPE_CHECKING:
    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["OpenedGame", "open_game", "title_of_game"]

_PARTS = ("romfs", "exefs", "manual")
_PROGRAMS = ("", "@program", "@data", "@publicdata")
"""Where in what a path names the contents may be: itself, or an NCA of a package."""
_UPDATE = 0x800
_PACKAGED = (".nsp", ".nsz", ".xci", ".xcz", ".ns0", ".xc0", ".nca", ".ncz")


class OpenedGame(NamedTuple):
    """A title's own contents.

    Attributes:
        game: The contents, as they are after the update.
        title_id: The title that it is; None where nothing says so.
        opened: What must be closed after use.
        warnings: What is to be said of it.
    """

    game: Game
    title_id: int | None
    opened: list[FileSystemBase]
    warnings: tuple[str, ...] = ()


def open_game(path: str, opener: Opener, update: str | None = None, *, title_id: int | None = None) -> OpenedGame:
    """Open a title's own contents.

    Args:
        path: A package, an NCA, a RomFS image, a folder with ``romfs`` or ``exefs`` in it, a folder of packages, such as a game's and its
            update's, or a folder that is a RomFS itself; on the host or inside containers.
        opener: What opens containers. Where there is an update, it is to be one that has ``path`` as its base.
        update: The title's update, as a package or an NCA; None for the title as it is.
        title_id: Which title, if there are several in a folder of packages.

    Raises:
        EntryNotFoundError: No such path.
        FormatError: There is no title in it, or it is damaged, or the update is of another title.
        MissingBaseError: It is an update itself, or not what the update can be laid over.
        MissingKeyError: A key is absent.
    """
    if _is_shelf(path):
        return _from_shelf([path, *([update] if update is not None else [])], opener, title_id)
    opened: list[FileSystemBase] = []
    try:
        game = _contents(path, opener, opened)
        title = title_of_game(path, opener, game)
        if update is not None:
            newer = _contents(update, opener, opened)
            _check_update(update, title_of_game(update, opener, newer), path, title)
            game = game.updated(newer)
    except BaseException:
        for fs in opened:
            fs.close()
        raise
    return OpenedGame(game, title, opened)


def _check_update(update: str, of: int | None, path: str, title: int | None) -> None:
    """Refuse an update of another title: its RomFS would take the place of the whole game's."""
    if title is not None and of is not None and title != of:
        raise FormatError(f"is of title {of:016x}, and no update of {path}, which is title {title:016x}", source=update)


def _is_shelf(path: str) -> bool:
    """Whether a path is a folder of the host that packages or NCAs are kept in."""
    if not os.path.isdir(path) or parts_listed(path) or any(os.path.isdir(os.path.join(path, part)) for part in ("romfs", "exefs")):
        return False
    try:
        return any(name.lower().endswith(_PACKAGED) for name in os.listdir(path))
    except OSError:
        return False


def _from_shelf(paths: list[str], opener: Opener, title_id: int | None) -> OpenedGame:
    """The newest of a title that is in files and folders."""
    from oboromi_fs.base import SubFs
    from oboromi_fs.titles import open_title

    title = open_title(paths, title_id=title_id, mods=(), opener=opener)
    warnings = tuple(str(issue) for issue in title.issues)
    if title_id in title.addons:
        at = f"addons/{title_id:016x}"
        place = next((layer.path for layer in title.union.layers if layer.name == at), at)
        return OpenedGame(Game(SubFs(title, at), where={"romfs": place}), title_id, [title], warnings)
    try:
        game = Game.within(title)
        where = {layer.name: layer.path for layer in title.union.layers if layer.name in _PARTS}
        image = title.romfs_image() if game.romfs is not None else None
    except BaseException:
        title.close()
        raise
    game = Game(game.romfs, game.exefs, game.manual, image, where)
    return OpenedGame(game, title.title_id, [title], warnings)


def _contents(path: str, opener: Opener, opened: list[FileSystemBase]) -> Game:
    """The contents of what a path names; what is opened for that is noted."""
    for inner in _PROGRAMS:
        where = {part: "/".join(filter(None, (path.rstrip("/") or "/", inner, part))) for part in _PARTS}
        if inner:
            where["manual"] = os.path.join(path, "@manual", "romfs")
        found = {part: _folder(where[part], opener, opened) for part in ("romfs", "exefs")}
        if found["romfs"] is not None or found["exefs"] is not None:
            manual = _folder(where["manual"], opener, opened)
            there = {part: where[part] for part, fs in (*found.items(), ("manual", manual)) if fs is not None}
            return Game(found["romfs"], found["exefs"], manual, _image(found["romfs"]), there)
    return _bare(path, opener, opened)


def _bare(path: str, opener: Opener, opened: list[FileSystemBase]) -> Game:
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


def _folder(path: str, opener: Opener, opened: list[FileSystemBase]) -> FileSystem | None:
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


def title_of_game(path: str, opener: Opener, game: Game) -> int | None:
    """Return the id of the title that a path is of, as its NCA or its ``main.npdm`` has it; None where nothing says so.

    Args:
        path: Where the title is.
        opener: What opens containers.
        game: What is in it.
    """
    from oboromi_fs.backends.nca import Nca

    for inner in _PROGRAMS:
        opened: list[FileSystemBase] = []
        try:
            nca = _folder("/".join(filter(None, (path.rstrip("/") or "/", inner))), opener, opened)
            if isinstance(nca, Nca):
                return int(nca.header.program_id) & ~_UPDATE
        except (OboromiFsError, OSError):  # Whoever uses it will say so.
            continue
        finally:
            for fs in opened:
                fs.close()
    if game.exefs is None:
        return None
    from oboromi_fs.metadata import Npdm

    try:
        return Npdm.read(game.exefs.storage("main.npdm")).aci0.program_id
    except (OboromiFsError, OSError):
        return None
