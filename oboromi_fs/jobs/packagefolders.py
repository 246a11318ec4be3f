"""Folders of whole packages, given where the contents of one are wanted: a slip, and a package of packages is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.errors import IsADirectoryEntryError, NotADirectoryEntryError
from oboromi_fs.jobs.compressing import archive_of
from oboromi_fs.jobs.naming import Named

if TYPE_CHECKING:
    from oboromi_fs.opening import Location

__all__ = ["refuse_packages"]

_MADE_OF = {"nsp": ("nsz",), "xci": ("xcz",), "nsz": ("nsp",), "xcz": ("xci",)}
"""Of which packages each kind is made."""
_ENDINGS = tuple(f".{kind}" for kind in _MADE_OF)
_CONTENTS = (".nca", ".ncz")


def refuse_packages(kind: str, place: Location) -> None:
    """Refuse a folder in which there are packages or cards, and neither an NCA nor a folder; and a package that a card is to be made of.

    Args:
        kind: What is to be made of it. Of kinds other than packages and cards nothing is said.
        place: The folder or file.

    Raises:
        IsADirectoryEntryError: It is such a folder; the error tells how to pack each by itself.
        NotADirectoryEntryError: It is a package, and no card.
    """
    if kind not in _MADE_OF:
        return
    if place.kind == "file":
        if kind == "xci" and isinstance(archive_of(place), NspArchive):
            problem = "a package, and a card has partitions: put what is in it into a folder secure, beside it an empty one update"
            raise NotADirectoryEntryError(Named(place.display), f"{problem}, and pack the folder those are in")
        return
    entries = place.fs.read_dir(place.path)
    names = [entry.name for entry in entries if entry.name.lower().endswith(_ENDINGS)]
    if not names or any(entry.kind == "directory" or entry.name.lower().endswith(_CONTENTS) for entry in entries):
        return
    problem = "a folder of packages, with no NCA in it: pack one package at a time"
    found = next((name[-3:] for source in _MADE_OF[kind] for name in names if name.lower().endswith(f".{source}")), None)
    if found is not None:
        problem += f': for f in *.{found}; do oboromi pack {kind} "$f" -o "${{f%.*}}.{kind}"; done'
    raise IsADirectoryEntryError(Named(place.display), problem)
