"""RomFS and manual layers: the game's own, ``romfs.bin``, loose folders, and what ``romfs_ext`` makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.mods.extensions import extension_layers
from oboromi_fs.mods.places import game_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.mods.game import Game, GamePart
    from oboromi_fs.mods.places import ModLayer, Shelf
    from oboromi_fs.mods.rules import Rules
    from oboromi_fs.mods.values import Mod

__all__ = ["manual_layers", "romfs_layers"]

_AT: GamePart = "romfs"


def romfs_layers(shelf: Shelf, mods: Sequence[Mod], game: Game, rules: Rules) -> list[ModLayer]:
    """Return the layers of the RomFS, lowest first.

    Args:
        shelf: Where the mods are kept.
        mods: Weakest first.
        game: The title.
        rules: How the tool layers.
    """
    made = list(game_layer(game, _AT))
    if rules.loose_above_all:
        made += [each for mod in mods for each in _containers(shelf, mod)]
    for mod in mods:
        if not rules.loose_above_all:
            made += _containers(shelf, mod)
        for part in mod.of_kind("romfs"):
            made.append(shelf.layer(shelf.folder(part.path), "romfs", name=f"{mod.name} romfs", path=part.path, at=_AT))
        if not rules.extensions_above_all:
            made += extension_layers(shelf, [mod], tuple(made), at=_AT)
    if rules.extensions_above_all:
        made += extension_layers(shelf, mods, tuple(made), at=_AT)
    return made


def manual_layers(shelf: Shelf, mods: Sequence[Mod], game: Game) -> Iterator[ModLayer]:
    """Yield the layers of the HtmlDocument content, lowest first."""
    yield from game_layer(game, "manual")
    for mod in mods:
        for part in mod.of_kind("manual_html"):
            name = f"{mod.name} manual_html"
            yield shelf.layer(shelf.folder(part.path), "manual_html", name=name, path=part.path, at="manual")


def _containers(shelf: Shelf, mod: Mod) -> Iterator[ModLayer]:
    from oboromi_fs.backends.romfs import RomFs

    for part in mod.of_kind("romfs.bin"):
        fs = shelf.archive(mod, part, RomFs)
        if fs is not None:
            yield shelf.layer(fs, "romfs.bin", name=f"{mod.name} romfs.bin", path=part.path, at=_AT)
