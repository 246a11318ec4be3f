"""Titles: what a pile of packages and folders holds, and a base, its update, add-on content and mods as one file system.

The names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading

if TYPE_CHECKING:
    from oboromi_fs.titles.found import FoundContent, FoundMeta, FoundTicket, Issue, Package
    from oboromi_fs.titles.grouping import AddOn, Chosen, Family, choose, families
    from oboromi_fs.titles.opening import open_title
    from oboromi_fs.titles.places import Place, find_places
    from oboromi_fs.titles.program import LoadedModule, LoadedProgram, LoadedSegment, MainThread, load_program
    from oboromi_fs.titles.scanning import look_into, scan
    from oboromi_fs.titles.title import Title

__all__ = [
    "AddOn",
    "Chosen",
    "Family",
    "FoundContent",
    "FoundMeta",
    "FoundTicket",
    "Issue",
    "LoadedModule",
    "LoadedProgram",
    "LoadedSegment",
    "MainThread",
    "Package",
    "Place",
    "Title",
    "choose",
    "families",
    "find_places",
    "load_program",
    "look_into",
    "open_title",
    "scan",
]

_HOMES = {
    "AddOn": "grouping",
    "Chosen": "grouping",
    "Family": "grouping",
    "FoundContent": "found",
    "FoundMeta": "found",
    "FoundTicket": "found",
    "Issue": "found",
    "LoadedModule": "program",
    "LoadedProgram": "program",
    "LoadedSegment": "program",
    "MainThread": "program",
    "Package": "found",
    "Place": "places",
    "Title": "title",
    "choose": "grouping",
    "families": "grouping",
    "find_places": "places",
    "load_program": "program",
    "look_into": "scanning",
    "open_title": "opening",
    "scan": "scanning",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
