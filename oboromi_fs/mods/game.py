"""What a title brings itself: the file systems that mods are layered over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.paths import join, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.protocols import FileSystem, PathType, Storage

__all__ = ["Game", "GamePart"]

GamePart: TypeAlias = Literal["romfs", "exefs", "manual"]
"""What of a game takes mods, and the folder it has in the union."""
_PARTS: tuple[GamePart, ...] = get_args(GamePart)


@dataclass(frozen=True, slots=True)
class Game:
    """A title's own contents, as they are after its update if it has one. Control data takes no mods, and is none of them.

    Attributes:
        romfs: Its RomFS (that of its program, or of add-on content); None where it has none.
        exefs: The ExeFS of its program.
        manual: The RomFS of its HtmlDocument content, with ``html-document/``.
        image: The RomFS as an image, where there is one: what is loaded when no mod is active.
        where: Of each of these, where it is, as the user would write it.
    """

    romfs: FileSystem | None = None
    exefs: FileSystem | None = None
    manual: FileSystem | None = None
    image: Storage | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def within(cls, fs: FileSystem, path: PathType = "") -> Game:
        """Return the title whose parts are the folders ``romfs``, ``exefs`` and ``manual`` of a file system, as far as they are there.

        Args:
            fs: An NCA, a title, an unpacked folder, or what else has such folders. It must stay open as long as the game is used.
            path: The folder they are in.

        Raises:
            EntryNotFoundError: There is none of them.
        """
        from oboromi_fs.base import SubFs

        at = normalise(path)
        there = {entry.name for entry in fs.read_dir(at) if entry.kind == "directory"}
        where: dict[str, str] = {part: join(at, part) for part in _PARTS if part in there}
        if not where:
            raise EntryNotFoundError(at or "/", f"has none of the folders {', '.join(_PARTS)}")
        romfs, exefs, manual = (SubFs(fs, where[part]) if part in where else None for part in _PARTS)
        return cls(romfs, exefs, manual, where=where)

    def updated(self, update: Game) -> Game:
        """Return what an update leaves: its ExeFS and whatever else it brings take the place of the base's, as a whole.

        Args:
            update: The update's contents. Its RomFS is the whole patched one, not what the update itself stores.
        """
        return Game(
            romfs=update.romfs or self.romfs,
            exefs=update.exefs or self.exefs,
            manual=update.manual or self.manual,
            image=update.image if update.romfs is not None else self.image,
            where={**self.where, **update.where},
        )
