"""Titles: what a pile of packages and folders holds, and a base, its update, add-on content and mods as one file system.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oboromi_fs.titles.found import FoundContent, FoundMeta, FoundTicket, Issue, Package
    from oboromi_fs.titles.places import Place, find_places
    from oboromi_fs.titles.scanning import look_into, scan

__all__ = ["FoundContent", "FoundMeta", "FoundTicket", "Issue", "Package", "Place", "find_places", "look_into", "scan"]

_HOMES = {
    "FoundContent": "found",
    "FoundMeta": "found",
    "FoundTicket": "found",
    "Issue": "found",
    "Package": "found",
    "Place": "places",
    "find_places": "places",
    "look_into": "scanning",
    "scan": "scanning",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
