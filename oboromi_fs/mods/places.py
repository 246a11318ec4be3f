"""The folder that mods are kept in, and layers made of what is in there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.host import HostFs
from oboromi_fs.base import SubFs
from oboromi_fs.errors import FormatError, OboromiFsError
from oboromi_fs.mods.values import Notice
from oboromi_fs.overlay import Layer
from oboromi_fs.paths import addressable, join, sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oboromi_fs.mods.game import Game, GamePart
    from oboromi_fs.mods.rules import Role
    from oboromi_fs.mods.values import Mod, Part, Reason
    from oboromi_fs.overlay.layer import LayerKind
    from oboromi_fs.protocols import DirEntry, FileSystem, Storage

__all__ = ["ModLayer", "Shelf", "game_layer", "without_path"]


class ModLayer(NamedTuple):
    """A layer, and what it is to the tool."""

    layer: Layer
    role: Role


def game_layer(game: Game, part: GamePart) -> Iterator[ModLayer]:
    """Yield the layer of a part of the game itself, if it has that part. Names of whiteouts are in it names like any other."""
    fs = getattr(game, part)
    if fs is not None:
        yield ModLayer(Layer(fs, f"game {part}", at=part, markers=False, path=game.where.get(part, f"game {part}")), "game")


def without_path(error: OboromiFsError | OSError) -> str:
    """Return what is wrong with a file that the notice names already."""
    if isinstance(error, FormatError):
        return str(FormatError(error.problem, what=error.what, offset=error.offset, field=error.field))
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


class Shelf:
    """Where mods are kept, opened part by part. What cannot be opened becomes a notice.

    Args:
        root: What was searched.
        path: Where that is, as the user wrote it.
    """

    def __init__(self, root: FileSystem, path: str = "") -> None:
        self.root = root
        self.path = path
        self.notices: list[Notice] = []
        self._names: set[str] = set()

    def where(self, path: str) -> str:
        """Return a path below the root as reports name it."""
        return (join(self.path, path) if path else self.path.rstrip("/") or self.path) if self.path else path

    def folder(self, path: str) -> FileSystem:
        """Return a folder as a file system of its own: of the host where it is one, whose layers are listed in bulk."""
        if isinstance(self.root, HostFs):
            return HostFs(self.root.host_path(path), access=self.root.access)
        return SubFs(self.root, path)

    def entries(self, path: str, mod: Mod) -> list[DirEntry]:
        """List a folder of a mod in the order of names; one that cannot be read has nothing in it, and is told."""
        try:
            return sorted(self.root.read_dir(path), key=lambda entry: sort_key(entry.name))
        except (OboromiFsError, OSError) as error:
            self.tell("damaged", path, f"cannot be read: {error}", mod)
            return []

    def files_below(self, path: str, mod: Mod) -> Iterator[str]:
        """Yield the paths of all files below a folder of a mod, whatever of it can be listed."""
        folders = [path]
        while folders:
            folder = folders.pop()
            for entry in self.entries(folder, mod):
                full = join(folder, entry.name)
                if entry.kind == "file":
                    yield full
                elif addressable(entry.name):
                    folders.append(full)

    def archive(self, mod: Mod, part: Part, read: Callable[[Storage], FileSystem]) -> FileSystem | None:
        """Open a file of a mod that holds a tree; None, with a notice, where it cannot be."""
        try:
            return read(self.root.storage(part.path))
        except (OboromiFsError, OSError) as error:
            self.tell("damaged", part.path, without_path(error), mod)
            return None

    def tell(self, reason: Reason, path: str, text: str, mod: Mod | None = None, *, ignored: bool = True) -> None:
        """Note what is passed over."""
        self.notices.append(Notice(reason, path, text, mod.name if mod is not None else "", ignored))

    def layer(self, fs: FileSystem, role: Role, *, name: str, path: str, at: str, markers: bool = False) -> ModLayer:
        """Make a layer of something on the shelf.

        Args:
            fs: Its files.
            role: What it is to the tool.
            name: What people call it.
            path: Where it is below the root.
            at: Where in the union.
            markers: Whether it hides files below by markers.
        """
        kind: LayerKind = "archive" if role in ("romfs.bin", "exefs.nsp") else "directory"
        if name in self._names:  # Folders of two places may be called the same.
            name = f"{name} in {path}"
        self._names.add(name)
        return ModLayer(Layer(fs, name, kind, at=at, markers=markers, path=self.where(path)), role)
