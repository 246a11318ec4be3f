"""Cheats as ``mods`` shows them: which files each tool takes, and what it does with each cheat in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from oboromi_fs.cli.console import printable
from oboromi_fs.cli.drawing import Branch
from oboromi_fs.mods.cheatfiles import cheat_state, survey_cheats
from oboromi_fs.mods.surveying import compare, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from oboromi_fs.mods.cheatfiles import CheatFile
    from oboromi_fs.mods.surveying import Row, Surveyed
    from oboromi_fs.mods.values import Mod, ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Builds", "Cheats", "cheat_branches", "compared", "documented", "with_cheats"]

Builds: TypeAlias = "dict[tuple[int | None, ProfileName], bytes]"
"""Build id of the module main as a tool loads it for a title."""
Cheats: TypeAlias = "dict[tuple[int | None, ProfileName], tuple[CheatFile, ...]]"
"""Files of cheats that a tool takes for a title, in the order in which it reads them."""


def with_cheats(root: FileSystem, found: Sequence[Surveyed], builds: Builds) -> tuple[list[Surveyed], Cheats]:
    """Return what was found with what is to be said of cheats, and the cheats."""
    cheats: Cheats = {}
    told: list[Surveyed] = []
    for surveyed in found:
        title = surveyed.title_id
        each = survey_cheats(root, surveyed.found, {name: builds[title, name] for name in surveyed.found if (title, name) in builds})
        cheats.update({(title, name): one.files for name, one in each.items()})
        laid = {
            name: replace(installed, notices=tuple(dict.fromkeys((*installed.notices, *each[name].notices))))
            for name, installed in surveyed.found.items()
        }
        told.append(surveyed._replace(found=laid))
    return told, cheats


def cheat_branches(files: Iterable[CheatFile], mod: Mod) -> Iterator[Branch]:
    """Yield what to draw of a mod's cheats."""
    folders = tuple(f"{part.path}/" for part in mod.of_kind("cheats"))
    for file in files:
        if file.path.startswith(folders):
            each = [Branch(f"{printable(cheat.name)}: {cheat_state(cheat)}") for cheat in file.cheats]
            yield Branch(f"cheats for build {file.build_id} in {printable(file.path)}{'' if each else ': none'}", each)


def compared(surveyed: Surveyed, cheats: Cheats) -> list[Row]:
    """Return the rows to compare: a file of cheats that one tool passes over is loaded by those that take it."""
    taken: Mapping[ProfileName, set[str]] = {name: {file.path for file in cheats[surveyed.title_id, name]} for name in surveyed.found}
    return [
        row._replace(verdicts={name: verdict or ("loads" if row.path in taken[name] else "") for name, verdict in row.verdicts.items()})
        for row in compare(surveyed)
    ]


def documented(surveyed: Surveyed, cheats: Cheats) -> dict[str, Any]:
    """Return what was found for a title as JSON has it."""
    document = to_json(surveyed)
    for profile in document["profiles"]:
        profile["cheats"] = [file.to_json() for file in cheats[surveyed.title_id, profile["profile"]]]
    return {**document, "compared": [row._asdict() for row in compared(surveyed, cheats)]}
