"""ExeFS layers: replaced modules, stubs, ``exefs.nsp``, and the patches that act on the result."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.mods.names import MODULES, NPDM
from oboromi_fs.mods.places import Shelf, game_layer
from oboromi_fs.mods.rules import RULES
from oboromi_fs.mods.values import Notice
from oboromi_fs.overlay import UnionFs
from oboromi_fs.overlay.markers import OPAQUE, PREFIX, is_marker
from oboromi_fs.paths import join, split
from oboromi_fs.storage.deferred import DeferredStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from oboromi_fs.mods.game import Game, GamePart
    from oboromi_fs.mods.patched import PatchedModule
    from oboromi_fs.mods.patchorder import AppliedPatch
    from oboromi_fs.mods.places import ModLayer
    from oboromi_fs.mods.values import Installed, Mod, Part
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["ExefsLayers", "exefs_layers", "stubbed_main"]

_AT: GamePart = "exefs"
_STUB = ".stub"
_MAIN = "main"
_STUBBING = ("atmosphere", "ryujinx", "plain")
"""Profiles of tools that read stubs in an exefs folder."""
_MOST_NAMED = 3
"""Mods whose names are in that of the layer of their patches."""


class _Picked(NamedTuple):
    """What an exefs folder holds: modules that replace the game's, and names of those it hides."""

    mod: Mod
    part: Part
    files: dict[str, Storage]
    stubs: list[str]


class ExefsLayers(NamedTuple):
    """The layers of the ExeFS, lowest first; and name of each module that patches act on -> those patches, as they are applied."""

    layers: list[ModLayer]
    patches: dict[str, tuple[AppliedPatch, ...]]


def exefs_layers(shelf: Shelf, mods: Sequence[Mod], game: Game, profile: str) -> ExefsLayers:
    """Return the layers of the ExeFS, and what patches act on them.

    Args:
        shelf: Where the mods are kept.
        mods: Weakest first.
        game: The title.
        profile: Name of the tool's profile.
    """
    made = [*game_layer(game, _AT), *_unpatched(shelf, mods, profile)]
    patched = _patched(shelf, mods, made, profile)
    if patched:
        made.append(_patches(shelf, patched))
    return ExefsLayers(made, {name: module.patches for name, module in patched.items()})


def _unpatched(shelf: Shelf, mods: Sequence[Mod], profile: str) -> list[ModLayer]:
    """The layers above the game's, without the patches."""
    rules = RULES[profile]
    made: list[ModLayer] = []
    picked = {id(part): _pick(shelf, mod, part, profile) for mod in mods for part in mod.of_kind("exefs")}
    if rules.replacements_above_stubs:
        made += [each for mod in mods for each in _partitions(shelf, mod)]
        for one in picked.values():
            made += _stubs(shelf, one)
        for one in picked.values():
            made += _replacements(shelf, one)
    else:
        for mod in mods:
            made += _partitions(shelf, mod)
            for part in mod.of_kind("exefs"):
                made += _stubs(shelf, picked[id(part)])
                made += _replacements(shelf, picked[id(part)])
    return made


def stubbed_main(root: FileSystem, installed: Installed) -> Notice | None:
    """Return what is to be said where a stub hides the module main, and no mod brings another: None where that is not so.

    Args:
        root: What was searched.
        installed: What was found there.
    """
    shelf = Shelf(root)
    mods = installed.enabled
    stubs = [(mod, part) for mod in mods for part in mod.of_kind("exefs") if _MAIN in _pick(shelf, mod, part, installed.profile).stubs]
    if not stubs or UnionFs([each.layer for each in _unpatched(shelf, mods, installed.profile)], forgiving=True).exists(f"{_AT}/{_MAIN}"):
        return None
    mod, part = stubs[-1]
    text = f"hides the module {_MAIN}, and no mod brings another: nothing provides {_MAIN}, and the game will not start"
    return Notice("lost", join(part.path, _MAIN + _STUB), text, mod.name, ignored=False)


def _pick(shelf: Shelf, mod: Mod, part: Part, profile: str) -> _Picked:
    """Sort what is in an exefs folder. What no loader asks for has a notice already, from whoever found the mod."""
    files: dict[str, Storage] = {}
    stubs: list[str] = []
    for entry in shelf.entries(part.path, mod):
        name, path = entry.name, join(part.path, entry.name)
        if entry.kind == "directory":
            continue
        if name in MODULES or name == NPDM:
            files[name] = DeferredStorage(entry.size, partial(shelf.root.storage, path), "File")
        elif profile in _STUBBING and name.endswith(_STUB) and name.removesuffix(_STUB) in MODULES:
            stubs.append(name.removesuffix(_STUB))
    for name in stubs:
        if name in files:
            text = f"{name} is in the same folder, and a replaced module wins over a stub"
            shelf.tell("shadowed", join(part.path, name + _STUB), text, mod)
    return _Picked(mod, part, files, [name for name in stubs if name not in files])


def _partitions(shelf: Shelf, mod: Mod) -> Iterator[ModLayer]:
    """Layers of whole partitions, which hide everything below."""
    from oboromi_fs.backends.memory import MemoryFs
    from oboromi_fs.backends.nsp import NspArchive

    for part in mod.of_kind("exefs.nsp"):
        fs = shelf.archive(mod, part, NspArchive)
        if fs is None:
            continue
        files: dict[str, Storage | bytes] = {OPAQUE: b""}
        for entry in fs.read_dir(""):
            if is_marker(entry.name):
                text = f"holds {entry.name!r}, which no loader asks for, and which here would be the name of a whiteout: it is left out"
                shelf.tell("name", part.path, text, mod, ignored=False)
            elif entry.kind == "file":
                files[entry.name] = fs.storage(entry.name)
        yield shelf.layer(MemoryFs(files), "exefs.nsp", name=f"{mod.name} exefs.nsp", path=part.path, at=_AT, markers=True)


def _stubs(shelf: Shelf, picked: _Picked) -> Iterator[ModLayer]:
    from oboromi_fs.backends.memory import MemoryFs

    if picked.stubs:
        fs = MemoryFs({PREFIX + name: b"" for name in picked.stubs})
        yield shelf.layer(fs, "stub", name=f"{picked.mod.name} stubs", path=picked.part.path, at=_AT, markers=True)


def _replacements(shelf: Shelf, picked: _Picked) -> Iterator[ModLayer]:
    from oboromi_fs.backends.memory import MemoryFs

    if picked.files:
        yield shelf.layer(MemoryFs(picked.files), "exefs", name=f"{picked.mod.name} exefs", path=picked.part.path, at=_AT)


def _patched(shelf: Shelf, mods: Sequence[Mod], below: Sequence[ModLayer], profile: str) -> dict[str, PatchedModule]:
    """The modules that patches act on."""
    ordered = list(mods)
    if RULES[profile].strongest_patches_first:
        sets = [mod for mod in mods if any(True for _ in mod.of_kind("exefs_patches"))]
        ordered = [*sets, *(mod for mod in reversed(mods) if mod not in sets)]
    if not any(True for mod in ordered for _ in mod.of_kind("exefs_patches", "exefs")):
        return {}
    from oboromi_fs.mods.patched import patched_modules

    return patched_modules(shelf, UnionFs([each.layer for each in below], forgiving=True), ordered, profile)


def _patches(shelf: Shelf, patched: Mapping[str, PatchedModule]) -> ModLayer:
    """The layer of modules that patches act on, called by the mods they are of."""
    from oboromi_fs.backends.memory import MemoryFs

    acting = list(chain.from_iterable(module.patches for module in patched.values()))
    mods = list(dict.fromkeys(patch.mod for patch in acting))
    folders = {split(patch.path)[0] for patch in acting}
    files: dict[str, Storage | bytes] = {name: module.result for name, module in patched.items()}
    name = f"patches of {', '.join(mods) if len(mods) <= _MOST_NAMED else f'{len(mods)} mods'}"
    return shelf.layer(MemoryFs(files), "patches", name=name, path=folders.pop() if len(folders) == 1 else "", at=_AT)
