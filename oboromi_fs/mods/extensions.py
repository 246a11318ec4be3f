"""``romfs_ext``: files of a RomFS that a mod deletes, by a stub, or patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.overlay import UnionFs
from oboromi_fs.overlay.markers import PREFIX
from oboromi_fs.paths import join, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from oboromi_fs.mods.places import ModLayer, Shelf
    from oboromi_fs.mods.values import Mod
    from oboromi_fs.protocols import Storage

__all__ = ["extension_layers"]

_STUB = ".stub"
_PATCH = ".ips"


class _Extension(NamedTuple):
    """A stub or a patch: where it is below the root, and whose."""

    mod: Mod
    full: str


def extension_layers(shelf: Shelf, mods: Sequence[Mod], below: Sequence[ModLayer], *, at: str) -> Iterator[ModLayer]:
    """Yield the layer of stubs and patches of mods, if they have any; of a file the strongest mod's patch counts, and a stub over any.

    Args:
        shelf: Where the mods are kept.
        mods: Weakest first.
        below: The layers they act on.
        at: Where in the union the RomFS is.
    """
    from oboromi_fs.backends.memory import MemoryFs

    parts = [part for mod in mods for part in mod.of_kind("romfs_ext")]
    if not parts:
        return
    stubs, patches = _found(shelf, mods)
    union = UnionFs([each.layer for each in below], forgiving=True)
    files: dict[str, Storage | bytes] = {}
    for path, (mod, full) in stubs.items():
        if not union.exists(join(at, path)):
            shelf.tell("name", full, f"there is no {path!r} to delete", mod)
        elif not _stub_over(split(path)[0], stubs):
            parent, name = split(path)
            files[join(parent, PREFIX + name)] = b""
    for path, (mod, full) in patches.items():
        stub = _stub_over(path, stubs)
        if stub:
            shelf.tell("shadowed", full, f"a stub deletes {stub!r}, {'which' if stub == path else 'in which is what'} it would patch", mod)
            continue
        made = _patched(shelf, union, join(at, path), _Extension(mod, full))
        if made is not None:
            files[path] = made
    name = f"{mods[0].name} romfs_ext" if len(mods) == 1 else "romfs_ext"
    yield shelf.layer(MemoryFs(files), "romfs_ext", name=name, path=parts[-1].path, at=at, markers=True)


def _found(shelf: Shelf, mods: Sequence[Mod]) -> tuple[dict[str, _Extension], dict[str, _Extension]]:
    """Stubs and patches, by the path that each is about. What is neither is told."""
    stubs: dict[str, _Extension] = {}
    patches: dict[str, _Extension] = {}
    for mod in mods:
        for part in mod.of_kind("romfs_ext"):
            for full in shelf.files_below(part.path, mod):
                inner = full[len(part.path) + 1 :]
                ending = next((each for each in (_STUB, _PATCH) if inner.endswith(each)), "")
                path = inner.removesuffix(ending)
                if not ending:
                    shelf.tell("name", full, "romfs_ext takes names that end in .stub (deletes) or .ips (patches); this is neither", mod)
                elif not split(path)[1]:
                    shelf.tell("name", full, f"names no file: {ending} goes behind the name of one", mod)
                elif any(name.startswith(PREFIX) for name in path.split("/")):  # In the layer that is made it would be a marker itself.
                    shelf.tell(
                        "name", full, f"names that begin with {PREFIX} are those of whiteouts, and cannot be deleted or patched", mod
                    )
                else:
                    (stubs if ending == _STUB else patches)[path] = _Extension(mod, full)
    return stubs, patches


def _stub_over(path: str, stubs: Collection[str]) -> str:
    """The path, or the directory it is in, that a stub deletes; ``""`` where none does."""
    while path and path not in stubs:
        path = split(path)[0]
    return path


def _patched(shelf: Shelf, union: UnionFs, target: str, given: _Extension) -> Storage | None:
    """The version of a file below, patched as it is read; None, with a notice, where nothing is to be patched."""
    from oboromi_fs.mods.patched import patched_file

    mod, full = given
    path = target.partition("/")[2]
    try:
        return patched_file(union, target, shelf.root.storage(full))
    except (FileNotFoundError, NotADirectoryError):
        shelf.tell("name", full, f"there is no {path!r} to patch", mod)
    except IsADirectoryError:
        shelf.tell("kind", full, f"{path!r} is a directory, and a patch is of a file", mod)
    except (OboromiFsError, OSError) as error:
        shelf.tell("damaged", full, str(error), mod)
    return None
