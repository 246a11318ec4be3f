"""``mods``: what is installed, and what each tool makes of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.cli.console import printable
from oboromi_fs.cli.drawing import Branch, draw
from oboromi_fs.cli.failures import DONE, NO
from oboromi_fs.cli.overlay.loading import title_of
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.errors import EntryNotFoundError, NotADirectoryEntryError
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.mods.surveying import compare, home_of, survey, to_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from oboromi_fs.cli.session import Session
    from oboromi_fs.mods.surveying import Surveyed
    from oboromi_fs.mods.values import Installed, Notice

__all__ = ["mods_arguments", "run_mods"]

_EPILOG = """\
examples:
  oboromi mods /media/sdcard               what is installed, and what the console passes over
  oboromi mods mymod --compare             whether one folder works everywhere, side by side
  oboromi mods USER --title 0100abcdef000000 --base game.nsp    also which patches are of the game's build"""


def mods_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``mods`` takes."""
    parser.description = (
        "What is installed below ROOT, what each tool makes of it, and what it passes over and why. ROOT is the root of a console's SD\n"
        "card, the user folder of an emulator, a folder further in, a folder of mods, or one mod. With --base the mods are laid over the\n"
        "game: patches of other builds, and damaged containers, show then. Exit code 1 if there are no mods."
    )
    parser.epilog = _EPILOG
    parser.add_argument("root", metavar="ROOT")
    add = parser.add_argument
    add("--title", metavar="ID", help="the one title to look at, 16 hexadecimal digits")
    add("--profile", dest="profiles", action="append", default=[], choices=PROFILES, help="whose eyes to look with (may be repeated)")
    add("--compare", action="store_true", help="a table of all tools: what each loads, and why not")
    add("--disable", action="append", default=[], metavar="NAME", help="leave a mod out (may be repeated)")
    format_arguments(parser)


def run_mods(session: Session, options: argparse.Namespace) -> int:
    """Tell what is installed."""
    title = title_of(options.title)
    if not os.path.isdir(options.root):
        if os.path.exists(options.root):
            raise NotADirectoryEntryError(options.root, "is no folder")
        raise EntryNotFoundError(options.root, "no such folder")
    root = HostFs(options.root)
    profiles = tuple(options.profiles) or (PROFILES if options.compare else ())
    found = [_laid(session, root, each) for each in survey(root, profiles, title_id=title, disabled=options.disable)]
    mods = any(installed.mods for each in found for installed in each.found.values())
    if wants_document(session, options):
        document(session, options, [{**to_json(each), "compared": [row._asdict() for row in compare(each)]} for each in found])
    else:
        for each in found:
            if options.compare:
                _compare(session, each)
            else:
                session.console.lines(draw(_drawn(each)))
    if not mods:
        session.console.note(f"no mods in {options.root}")
    return DONE if mods else NO


def _laid(session: Session, root: HostFs, surveyed: Surveyed) -> Surveyed:
    """What was found, with what shows when mods are laid over the game."""
    if session.base is None:
        return surveyed
    from oboromi_fs.jobs.modstack import open_game
    from oboromi_fs.mods.loadout import load

    game, opened = open_game(session.base, session.opener())
    for fs in opened:
        session.keep(fs)
    found = {}
    for name, installed in surveyed.found.items():
        loadout = load(root, installed, game)
        more = [*loadout.notices, *loadout.clashes(), *loadout.long_paths()]
        found[name] = replace(installed, notices=tuple(dict.fromkeys(more)))
    return surveyed._replace(found=found)


def _drawn(surveyed: Surveyed) -> Branch:
    title = "mods of no title's folder" if surveyed.title_id is None else f"{surveyed.title_id:016x}"
    return Branch(title, [_profile(name, each, moved=name in surveyed.moved) for name, each in surveyed.found.items()])


def _profile(name: str, found: Installed, *, moved: bool) -> Branch:
    branches: list[Branch] = []
    for mod in reversed(found.mods):
        parts = " ".join(part.kind for part in mod.parts) or "nothing that is loaded"
        label = f"{printable(mod.name)}{'' if mod.enabled else ' (off)'}: {parts}"
        branches.append(Branch(label, [Branch(_told(notice)) for notice in _of(found, mod.name)]))
    known = {mod.name for mod in found.mods}
    branches += [Branch(_told(notice)) for notice in found.notices if notice.mod not in known]
    where = f", if it were in {home_of(name)}" if moved else ""  # type: ignore[arg-type]  # Keys are names of profiles.
    order = " (the strongest first)" if len(found.mods) > 1 else ""
    return Branch(f"{name}{where}{order if branches else ': nothing'}", branches)


def _of(found: Installed, mod: str) -> Iterator[Notice]:
    return (notice for notice in found.notices if notice.mod == mod)


def _told(notice: Notice) -> str:
    what = "ignored" if notice.ignored else "note"
    return f"{what} {printable(notice.path)}: {printable(notice.text)}"


def _compare(session: Session, surveyed: Surveyed) -> None:
    """A table with a column for each tool."""
    console = session.console
    console.lines([_drawn(surveyed).label])
    names = list(surveyed.found)
    headings = ["path", *(f"{name}*" if name in surveyed.moved else name for name in names)]
    rows = [[row.path or "/", *(row.verdicts[name] or "-" for name in names)] for row in compare(surveyed)]
    if rows:
        table(console, headings, rows)
    for name in names:
        if name in surveyed.moved:
            console.note(f"* if the folders were where {name} looks: {home_of(name)}")
