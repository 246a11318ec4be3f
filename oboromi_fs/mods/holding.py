"""Names in mods that not every disk can hold: a mod that works where it was made gets lost on a card, or on another system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.values import Notice
from oboromi_fs.paths import join, unsafe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.mods.values import Installed, PartKind
    from oboromi_fs.protocols import FileSystem

__all__ = ["unholdable"]

_LONGEST = 255
_TREES: tuple[PartKind, ...] = ("romfs", "romfs_ext", "manual_html")


def unholdable(root: FileSystem, installed: Installed, known: dict[str, list[tuple[str, str]]] | None = None) -> Iterator[Notice]:
    """Tell of names that a FAT card or Windows cannot hold, and of those that are not UTF-8. All folders of files are listed for that.

    Args:
        root: What was searched.
        installed: What was found there.
        known: Part -> what was found in it already, by another tool; is added to.
    """
    found = {} if known is None else known
    for mod in installed.enabled:
        problem = _problem(mod.path.rpartition("/")[2])
        if problem:
            yield Notice("path", mod.path, problem, mod.name, ignored=False)
        for part in mod.of_kind(*_TREES):
            if part.path not in found:
                found[part.path] = list(_below(root, part.path))
            for path, text in found[part.path]:
                yield Notice("path", path, text, mod.name, ignored=False)


def _below(root: FileSystem, top: str) -> Iterator[tuple[str, str]]:
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            entries = root.read_dir(path)
        except (OboromiFsError, OSError):  # Whoever reads it says so.
            continue
        folded: dict[str, str] = {}
        for entry in entries:
            full = join(path, entry.name)
            first = folded.setdefault(entry.name.lower(), entry.name)
            problem = _problem(entry.name)
            if first != entry.name:
                yield full, f"{first!r} differs from it in case alone: Windows and FAT cards hold but one of them"
            elif problem:
                yield full, problem
            elif entry.kind == "directory":
                waiting.append(full)


def _problem(name: str) -> str:
    """What is wrong with a name; ``""`` if nothing is."""
    if not name:
        return ""
    found = unsafe_name(name, windows=True)
    if not found and len(name) > _LONGEST:
        found = f"has {len(name)} characters"
    if found:
        return f"{found}: Windows cannot hold such a name, nor can most FAT cards"
    if not name.isascii() and any("\ud800" <= char <= "\udfff" for char in name):
        return "is not UTF-8: other systems, and cards, give it another name"
    return ""
