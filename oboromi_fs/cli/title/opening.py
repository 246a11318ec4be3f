"""The title that a command line describes: its options, opened, and what is wrong with it told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import UsageError
from oboromi_fs.errors import FormatError
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session
    from oboromi_fs.opening import Location
    from oboromi_fs.titles import Title

__all__ = ["open_given", "place_in", "tell", "title_arguments"]

_MOST_TOLD = 20


def title_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what says which title."""
    add = parser.add_argument_group("which title").add_argument
    add("-f", "--from", dest="sources", action="append", default=[], metavar="PATH", help="a file or folder it lies in (may be repeated)")
    add("--title", metavar="ID", help="its id, or that of its update or add-on content, where there are several")
    add("--update", type=int, metavar="N", help="the version of the update to take; that of the base, usually 0, for none")
    add("--mods", action="append", metavar="ROOT", help="a folder that mods are kept in (may be repeated); else those beside the game")
    add("--profile", choices=PROFILES, help="which tool's rules mods are found and layered by (plain)")
    add("--no-mods", action="store_true", help="without mods, be there any")


def open_given(session: Session, options: argparse.Namespace, *, check: bool = False) -> Title:
    """Open the title that the options say; what is wrong with it is told. It is closed with the session.

    Raises:
        UsageError: What is given does not go together, or there are several titles.
        OboromiFsError, OSError: It cannot be opened.
    """
    from oboromi_fs.titles import open_title

    if not options.sources:
        raise UsageError("no files: give each file or folder that the title lies in with -f PATH")
    if options.no_mods and options.mods:
        raise UsageError("--no-mods and --mods: one of them")
    title_id = None
    if options.title is not None:
        title_id = parse_title_id(options.title)
        if title_id is None:
            raise UsageError(f"--title takes 16 hexadecimal digits, such as 0100abcdef000000, and not {options.title!r}")
    try:
        title = open_title(
            options.sources,
            title_id=title_id,
            version=options.update,
            mods=[] if options.no_mods else options.mods,
            profile=options.profile,
            opener=session.opener(check=check),
        )
    except FormatError as wrong:
        if wrong.problem.startswith("say which title"):
            raise UsageError(wrong.problem.replace("say which title", "say which title with --title")) from None
        raise
    session.keep(title)
    return title


def tell(session: Session, title: Title) -> None:
    """Warn of what is wrong with a title."""
    for number, issue in enumerate(title.issues):
        if number == _MOST_TOLD:
            session.console.warn(f"{len(title.issues) - number} more of these: `oboromi title info` lists them")
            break
        session.console.warn(str(issue))
    damaged = [notice for notice in title.notices if notice.reason in ("damaged", "state", "build")]
    for notice in damaged[:_MOST_TOLD]:
        session.console.warn(str(notice))


def place_in(session: Session, options: argparse.Namespace, path: str, *, check: bool = False) -> Location:
    """Return a place in the title; paths go on inside containers there.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: No such path.
    """
    from oboromi_fs.opening import Location, NestedFs

    title = open_given(session, options, check=check)
    tell(session, title)
    nested = NestedFs(title.union, session.opener())
    canonical = normalise(path)
    nested.metadata(canonical)
    return Location(nested, canonical, path or "/", "")
