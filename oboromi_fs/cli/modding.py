"""``mods``: what is installed, and what each tool makes of it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from oboromi_fs.cli.cheats import cheat_branches, compared, documented, with_cheats
from oboromi_fs.cli.console import printable
from oboromi_fs.cli.drawing import Branch, draw
from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.overlay.loading import UPDATE_ALONE, no_base, title_of
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.errors import MissingBaseError
from oboromi_fs.jobs.modroot import open_root, wrong_level
from oboromi_fs.mods.holding import unholdable
from oboromi_fs.mods.modulefiles import unloadable
from oboromi_fs.mods.names import listed
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.surveying import home_of, survey, unknown_names, without_idle_parts
from oboromi_fs.mods.switching import unknown_text
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.mods.values import MEANINGS, Reason

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from oboromi_fs.cli.cheats import Builds, Cheats
    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.modgame import OpenedGame
    from oboromi_fs.jobs.modroot import ModRoot
    from oboromi_fs.mods.cheatfiles import CheatFile
    from oboromi_fs.mods.surveying import Row, Surveyed
    from oboromi_fs.mods.values import Installed, Notice, ProfileName

__all__ = ["mods_arguments", "run_mods"]

_EPILOG = """\
examples:
  oboromi mods /media/sdcard               what is installed, and what the console passes over
  oboromi mods mymod --compare             whether one folder works everywhere, side by side
  oboromi mods USER --title 0100abcdef000000 --base game.nsp    also which patches are of the game's build"""
_NEVER = "-"


def mods_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``mods`` takes."""
    parser.description = (
        "What is installed below ROOT, what each tool makes of it, and what it passes over and why. ROOT is the root of a console's SD\n"
        "card, the user folder of an emulator, a folder further in, the folder of a title, a folder of mods, one mod, or a ZIP of any of\n"
        "these. With --base the mods are laid over the game: patches of other builds, damaged containers, and names that the game writes\n"
        "in another case, show then. Exit code 1 if there are no mods."
    )
    parser.epilog = _EPILOG
    parser.add_argument("root", metavar="ROOT")
    add = parser.add_argument
    add("--title", metavar="ID", help="the one title to look at, 16 hexadecimal digits")
    add("--profile", dest="profiles", action="append", default=[], choices=PROFILES, help="whose eyes to look with (may be repeated)")
    add("--compare", action="store_true", help="a table of all tools: what each loads, and why not")
    add("--update", metavar="PATH", help="with --base: the game's update, which mods are laid over then")
    add(
        "--disable",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a mod, by its name or path, or a part of one, such as 'MOD romfs' (may be repeated)",
    )
    format_arguments(parser)


def run_mods(session: Session, options: argparse.Namespace) -> int:
    """Tell what is installed."""
    said = title_of(options.title)
    root = open_root(options.root, session.opener)
    for fs in root.opened:
        session.keep(fs)
    title = said if said is not None else root.title_id
    game = _opened(session, options.update, title)
    if title is None and game is not None and game.title_id in _titles(root):
        title = game.title_id
    profiles = tuple(options.profiles) or (PROFILES if options.compare else ())
    surveyed = survey(root.fs, profiles, title_id=title, disabled=options.disable)
    builds: Builds = {}
    found, cheats = with_cheats(root.fs, _laid(session, root, surveyed, game, builds), builds)
    mods = any(installed.mods for each in found for installed in each.found.values())
    if wants_document(session, options):
        document(session, options, [documented(each, cheats) for each in found])
    elif options.compare:
        _compare_all(session, found, cheats)
    else:
        for branch in _branches(found, cheats):
            session.console.lines(draw(branch))
    _remark(session, options, root, found, title=title, mods=mods)
    return DONE if mods else NO


def _titles(root: ModRoot) -> list[int]:
    """The titles that any tool finds mods for."""
    return sorted({title for name in PROFILES for title in profile(name).titles(root.fs)})


def _remark(
    session: Session, options: argparse.Namespace, root: ModRoot, found: Sequence[Surveyed], *, title: int | None, mods: bool
) -> None:
    """Say what there is to say of what was asked for."""
    console = session.console
    unknown = unknown_names(found)
    if unknown:
        names = (mod.name for each in found for installed in each.found.values() for mod in reversed(installed.mods))
        console.warn(unknown_text(unknown, names))
    if not mods:
        titles = [each for each in _titles(root) if each != title] if title is not None else []
        there = f"; there are mods for {listed(f'{each:016x}' for each in titles)}" if titles else ""
        level = "" if there or found else wrong_level(root)
        wanted = f" for {title:016x}" if title is not None else ""
        console.note(f"no mods{wanted} in {root.path}{there or (level and f'; {level}')}")
    elif found[0].title_id is None:
        around = os.path.dirname(os.path.abspath(options.root))
        name = os.path.basename(around)
        if len(name) == 16 and parse_title_id(name) is not None:
            console.note(f"this is one mod of {name.lower()}, looked at alone; {around} shows it among the others")


def _opened(session: Session, update: str | None, title: int | None) -> OpenedGame | None:
    """The game; None where none is given."""
    if session.base is None:
        if update is not None:
            raise UsageError(UPDATE_ALONE)
        return None
    from oboromi_fs.jobs.modgame import open_game

    try:
        opened = open_game(session.base, session.opener(), update, title_id=title)
    except MissingBaseError as error:
        raise no_base(session, error) from None
    for fs in opened.opened:
        session.keep(fs)
    for text in opened.warnings:
        session.console.warn(text)
    return opened


def _laid(session: Session, root: ModRoot, found: Sequence[Surveyed], opened: OpenedGame | None, builds: Builds) -> list[Surveyed]:
    """What was found, with what shows when mods are laid over the game; and the builds that are loaded."""
    known: dict[str, list[tuple[str, str]]] = {}
    found = [each._replace(found={name: _held(root, one, known) for name, one in each.found.items()}) for each in found]
    if opened is None or session.base is None:
        return found
    from oboromi_fs.jobs.modstack import other_title
    from oboromi_fs.mods.cheatfiles import main_build
    from oboromi_fs.mods.lettercase import other_case
    from oboromi_fs.mods.loadout import load

    game, game_title = opened.game, opened.title_id
    laid: list[Surveyed] = []
    for surveyed in found:
        made: dict[ProfileName, Installed] = {}
        for name, installed in surveyed.found.items():
            loadout = load(root.fs, installed, game)
            build = main_build(loadout.union)
            if build is not None:
                builds[surveyed.title_id, name] = build
            more = [*loadout.notices, *loadout.clashes(), *loadout.long_paths(), *other_case(loadout, root.fs)]
            made[name] = without_idle_parts(root.fs, replace(installed, notices=tuple(dict.fromkeys(more))))
        laid.append(surveyed._replace(found=made))
        if game_title is not None and surveyed.title_id is not None:
            for text in other_title(session.base, game_title, surveyed.title_id):
                session.console.warn(text)
    return laid


def _held(root: ModRoot, found: Installed, known: dict[str, list[tuple[str, str]]]) -> Installed:
    """What was found, with the names that not every disk can hold, and modules and patches that are none."""
    more = [*unholdable(root.fs, found, known), *unloadable(root.fs, found)]
    if any(True for mod in found.enabled for _ in mod.of_kind("exefs", "exefs_patches")):
        from oboromi_fs.mods.patched import unusable_patches

        more += unusable_patches(root.fs, found)
    return without_idle_parts(root.fs, replace(found, notices=tuple(dict.fromkeys([*found.notices, *more]))))


def _branches(found: Sequence[Surveyed], cheats: Cheats) -> Iterator[Branch]:
    """What to draw: first what is the same for every title, then each title with its own."""
    common = {name: _common(name, found) for name in found[0].found} if len(found) > 1 else {}
    shared = [_profile(name, each) for name, each in common.items() if each is not None and (each.mods or each.notices)]
    if shared:
        yield Branch("every title", shared)
    for surveyed in found:
        own = []
        for name, each in surveyed.found.items():
            drawn = _without(each, common.get(name))
            moved, loose = name in surveyed.moved, surveyed.title_id is None
            files = cheats[surveyed.title_id, name]
            own.append(_profile(name, drawn, files, moved=moved, loose=loose, empty=drawn is each))
        yield Branch(_heading(surveyed), [branch for branch in own if branch.label])


def _common(name: ProfileName, found: Sequence[Surveyed]) -> Installed | None:
    """What a tool finds and passes over whatever the title is."""
    each = [surveyed.found[name] for surveyed in found if name in surveyed.found and name not in surveyed.moved]
    if len(each) != len(found):
        return None
    mods = set(each[0].mods).intersection(*(one.mods for one in each[1:]))
    notices = set(each[0].notices).intersection(*(one.notices for one in each[1:]))
    kept = [mod for mod in each[0].mods if mod in mods], [notice for notice in each[0].notices if notice in notices]
    return replace(each[0], mods=tuple(kept[0]), notices=tuple(kept[1]))


def _without(found: Installed, common: Installed | None) -> Installed:
    if common is None or not (common.mods or common.notices):
        return found
    mods, notices = frozenset(common.mods), frozenset(common.notices)
    return replace(
        found,
        mods=tuple(mod for mod in found.mods if mod not in mods),
        notices=tuple(notice for notice in found.notices if notice not in notices),
    )


def _heading(surveyed: Surveyed) -> str:
    return "mods of no title's folder" if surveyed.title_id is None else f"{surveyed.title_id:016x}"


def _profile(
    name: ProfileName, found: Installed, cheats: Sequence[CheatFile] = (), *, moved: bool = False, loose: bool = False, empty: bool = True
) -> Branch:
    branches: list[Branch] = []
    twice = {name for name, count in Counter(mod.name for mod in found.mods).items() if count > 1}
    told: set[Notice] = set()
    paths: dict[str, list[str]] = {}
    for mod in found.mods:
        if mod.name in twice:
            paths.setdefault(mod.name, []).append(mod.path)
    by_mod: dict[str, list[Notice]] = {}
    for notice in found.notices:
        by_mod.setdefault(notice.mod, []).append(notice)
    for mod in reversed(found.mods):
        parts = " ".join(part.kind for part in mod.parts) or "nothing that is loaded"
        place = f" in {printable(mod.path)}" if mod.name in twice else ""
        notices = by_mod.get(mod.name, [])
        if mod.name in twice:
            notices = [notice for notice in notices if _nearest(notice, paths[mod.name]) == mod.path]
        told.update(notices)
        label = f"{printable(mod.name)}{place}{'' if mod.enabled else ' (off)'}: {parts}"
        branches.append(Branch(label, [*cheat_branches(cheats, mod), *(Branch(_told(notice)) for notice in notices)]))
    branches += [Branch(_told(notice)) for notice in found.notices if notice not in told]
    where = f", if it were in {home_of(name)}" if moved else ""
    alone = name == "atmosphere" and (moved or loose)  # It has one folder a title: of several none is stronger.
    order = " (the strongest first)" if len(found.mods) > 1 and not alone else ""
    nothing = ": nothing" if empty else ""
    return Branch(f"{name}{where}{order if branches else nothing}" if branches or empty else "", branches)


def _nearest(notice: Notice, paths: Sequence[str]) -> str:
    """The innermost of some folders that a notice is about something in."""
    around = [path for path in paths if notice.path == path or notice.path.startswith(f"{path}/")]
    return max(around, key=len, default="")


def _told(notice: Notice) -> str:
    what = "ignored" if notice.ignored else "note"
    return f"{what} {printable(notice.path or '.')}: {printable(notice.text)}"


def _compare_all(session: Session, found: Sequence[Surveyed], cheats: Cheats) -> None:
    """A table for each title, with a column for each tool; and what the cells mean."""
    used: set[str] = set()
    moved: set[ProfileName] = set()
    tables = [compared(surveyed, cheats) for surveyed in found]
    by_path = [{row.path: row for row in rows} for rows in tables[1:]]
    common = {row.path: row for row in (tables[0] if by_path else ()) if all(rows.get(row.path) == row for rows in by_path)}
    if common:
        _compare(session, "every title", list(found[0].found), list(common.values()))
    for surveyed, rows in zip(found, tables, strict=True):
        names = [f"{name}*" if name in surveyed.moved else name for name in surveyed.found]
        _compare(session, _heading(surveyed), names, [row for row in rows if row.path not in common])
        used.update(cell or _NEVER for row in rows for cell in row.verdicts.values())
        moved |= surveyed.moved
    legend = [(f"{name}*", f"if the folders were in {home_of(name)}, where {name} looks") for name in PROFILES if name in moved]
    legend += [(reason, MEANINGS[reason]) for reason in get_args(Reason) if reason in used]
    legend += [(_NEVER, "the tool never comes across it")] if _NEVER in used else []
    if legend:
        width = max(len(word) for word, _ in legend)
        session.console.lines(["", *(f"{word:<{width}}  {text}" for word, text in legend)])


def _compare(session: Session, heading: str, names: Sequence[str], rows: Sequence[Row]) -> None:
    session.console.lines([heading])
    if rows:
        table(session.console, ["path", *names], [[row.path or "/", *(cell or _NEVER for cell in row.verdicts.values())] for row in rows])
