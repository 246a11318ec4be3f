"""What a title brings itself: the file systems that mods are layered over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["Game"]


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
