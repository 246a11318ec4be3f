"""The base of an update: which NCA of what a user gave as the base goes with which of the update's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.backends.nca import Nca
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.opening.location import Location

__all__ = ["base_of", "ncas_in"]

_UPDATE = 0x800
_DEEPEST = 2
"""Folders between a package or card and its NCAs."""


def ncas_in(place: Location) -> Iterator[Nca]:
    """Yield the NCAs that a place is, or holds. What cannot be opened as one is passed over.

    Args:
        place: An NCA, a package, a card, or a folder.
    """
    fs = place.fs
    if place.kind == "file":
        entered = fs.enter(place.path)
        if isinstance(entered, Nca):
            yield entered
            return
        if entered is None:
            return
    pending = [(place.path, 0)]
    while pending:
        path, depth = pending.pop()
        for entry in fs.read_dir(path):
            inner = join(path, entry.name)
            if not addressable(entry.name):
                continue
            if entry.kind == "directory" and depth < _DEEPEST:
                pending.append((inner, depth + 1))
            elif entry.name.lower().endswith((".nca", ".ncz")):
                try:
                    nca = fs.enter(inner)
                except (OboromiFsError, OSError):
                    continue
                if isinstance(nca, Nca):
                    yield nca


def base_of(update: Nca, place: Location) -> Nca | None:
    """Return the NCA of a base that an update's changes; None where there is none.

    Args:
        update: The update's NCA.
        place: The base: an NCA, a package, a card, or a folder of NCAs.
    """
    header = update.header
    for nca in ncas_in(place):
        ours = nca.header
        same = ours.program_id == header.program_id & ~_UPDATE and ours.content_type == header.content_type
        if same and ours.content_index == header.content_index and not nca.is_update:
            return nca
    return None
