"""Collections: folders of many dumps as titles, and a catalogue of them that makes the next look instant.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.library.catalogue import Catalogue, Changes
    from oboromi_fs.library.filters import Filter
    from oboromi_fs.library.holdings import Holding, TitleNames, Verification
    from oboromi_fs.library.looking import look
    from oboromi_fs.library.store import default_path
    from oboromi_fs.library.titles import Item, LibraryTitle, library_titles

__all__ = [
    "Catalogue",
    "Changes",
    "Filter",
    "Holding",
    "Item",
    "LibraryTitle",
    "TitleNames",
    "Verification",
    "default_path",
    "library_titles",
    "look",
]

_HOMES = {
    "Catalogue": "catalogue",
    "Changes": "catalogue",
    "Filter": "filters",
    "Holding": "holdings",
    "Item": "titles",
    "LibraryTitle": "titles",
    "TitleNames": "holdings",
    "Verification": "holdings",
    "default_path": "store",
    "library_titles": "titles",
    "look": "looking",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
