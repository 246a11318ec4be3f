"""RomFS and manual layers: loose folders, ``romfs.bin``, and the stubs and patches of ``romfs_ext``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import walk
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.places import ModLayer
from oboromi_fs.overlay import Layer, UnionFs
from oboromi_fs.overlay.markers import PREFIX
from oboromi_fs.paths import join, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.mods.game import Game
    from oboromi_fs.mods.places import Shelf
    from oboromi_fs.mods.rules import Rules
    from oboromi_fs.mods.values import Mod, Part
    from oboromi_fs.protocols import Storage

__all__ = ["manual_layers", "romfs_layers"]

_AT = "romfs"
_STUB = ".stub"
_PATCH = ".ips"


def romfs_layers(shelf: Shelf, mods: Sequence[Mod], game: Game, rules: Rules) -> Iterator[ModLayer]:
    """Yield the layers of the RomFS, lowest first.

    Args:
        shelf: Where the mods are kept.
        mods: Weakest first.
        game: The title.
        rules: How the tool layers.
    """
    made: list[ModLayer] = []
    if game.romfs is not None:
        made.append(ModLayer(Layer(game.romfs, "game romfs", at=_AT, path=game.where.get("romfs", "game romfs")), "game"))
    if rules.loose_above_all:
        made += [each for mod in mods for each in _containers(shelf, mod)]
    for mod in mods:
        if not rules.loose_above_all:
            made += _containers(shelf, mod)
        for part in mod.of_kind("romfs"):
            made.append(shelf.layer(shelf.folder(part.path), "romfs", name=f"{mod.name} romfs", path=part.path, at=_AT))
        if not rules.extensions_above_all:
            made += _extensions(shelf, [mod], made)
    if rules.extensions_above_all:
        made += _extensions(shelf, mods, made)
    return iter(made)


def manual_layers(shelf: Shelf, mods: Sequence[Mod], game: Game) -> Iterator[ModLayer]:
    """Yield the layers of the HtmlDocument content, lowest first."""
    if game.manual is not None:
        yield ModLayer(Layer(game.manual, "game manual", at="manual", path=game.where.get("manual", "game manual")), "game")
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


def _extensions(shelf: Shelf, mods: Sequence[Mod], below: Sequence[ModLayer]) -> list[ModLayer]:
    """The layer of stubs and patches of mods: the strongest mod's patch of a file counts, and a stub wins over any."""
    from oboromi_fs.backends.memory import MemoryFs

    gone: dict[str, tuple[Mod, str]] = {}
    patches: dict[str, tuple[Mod, str]] = {}
    parts: list[tuple[Mod, Part]] = [(mod, part) for mod in mods for part in mod.of_kind("romfs_ext")]
    for mod, part in parts:
        for inner, entry in walk(shelf.root, part.path):
            full = join(part.path, inner)
            if entry.kind == "directory":
                continue
            if inner.endswith(_STUB):
                gone[inner.removesuffix(_STUB)] = (mod, full)
            elif inner.endswith(_PATCH):
                patches[inner.removesuffix(_PATCH)] = (mod, full)
            else:
                shelf.tell("name", full, "romfs_ext takes names that end in .stub (deletes) or .ips (patches); this is neither", mod)
    if not parts:
        return []
    union = UnionFs([each.layer for each in below], forgiving=True)
    files: dict[str, Storage | bytes] = {}
    for path, (mod, full) in patches.items():
        if path in gone:
            shelf.tell("shadowed", full, f"a stub deletes {path!r}, which it would patch", mod)
            continue
        made = _patched(shelf, union, path, mod, full)
        if made is not None:
            files[path] = made
    for path, (mod, full) in gone.items():
        if not union.exists(join(_AT, path)):
            shelf.tell("name", full, f"there is no {path!r} to delete", mod)
        parent, name = split(path)
        files[join(parent, PREFIX + name)] = b""
    mod, part = parts[-1]
    name = f"{mod.name} romfs_ext" if len(mods) == 1 else "romfs_ext"
    return [shelf.layer(MemoryFs(files), "romfs_ext", name=name, path=part.path, at=_AT, markers=True)]


def _patched(shelf: Shelf, union: UnionFs, path: str, mod: Mod, full: str) -> Storage | None:
    """The version of a file below, patched as it is read; None, with a notice, where nothing is to be patched."""
    from oboromi_fs.mods.patched import patched_file

    target = join(_AT, path)
    try:
        return patched_file(union, target, shelf.root.storage(full))
    except FileNotFoundError:
        shelf.tell("name", full, f"there is no {path!r} to patch", mod)
    except IsADirectoryError:
        shelf.tell("kind", full, f"{path!r} is a directory, and a patch is of a file", mod)
    except (OboromiFsError, OSError) as error:
        shelf.tell("damaged", full, str(error), mod)
    return None
