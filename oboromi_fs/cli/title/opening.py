"""The title that a command line describes: its options, opened, and what is wrong with it told."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.cli.alike import grouped
from oboromi_fs.cli.console import plural
from oboromi_fs.cli.failures import DAMAGED, DONE, NO, UsageError
from oboromi_fs.errors import FormatError, MissingKeyError
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session
    from oboromi_fs.errors import OboromiFsError
    from oboromi_fs.opening import Location
    from oboromi_fs.overlay import UnionFs
    from oboromi_fs.titles import Issue, Title

__all__ = ["Readable", "issues_of", "open_given", "others_text", "place_in", "readable_in", "tell", "title_arguments"]

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

    _allow_many_files()
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


def _allow_many_files() -> None:
    """Let this process have as many files open as it may: a title can lie in hundreds, and 1,024 is a usual limit to begin with."""
    try:
        import resource
    except ImportError:  # No such limit on Windows.
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def issues_of(title: Title, options: argparse.Namespace) -> tuple[list[Issue], list[Issue]]:
    """What is wrong with a title; and with files beside it, of which nobody knows whether they have anything to do with it.

    Those are of interest where the files given are of one title, and hardly so where it is one of a collection.
    """
    if options.title is None:
        return list(title.issues), []
    packages = [meta.package for meta in (title.base, title.update) if meta is not None]
    packages += [source for source in options.sources if os.path.isfile(source)]
    own: list[Issue] = []
    others: list[Issue] = []
    for issue in title.issues:
        is_own = issue.title_id is not None or any(issue.path == path or issue.path.startswith(f"{path}/") for path in packages)
        (own if is_own else others).append(issue)
    return own, others


def others_text(others: list[Issue]) -> str:
    """What is said of issues of files that may be of any title."""
    return f"{plural(len(others), 'problems')} with files that no title is known of; `oboromi library --damaged` names them"


def tell(session: Session, title: Title, options: argparse.Namespace) -> None:
    """Warn of what is wrong with a title."""
    own, others = issues_of(title, options)
    lines = grouped((issue.path, issue.text) for issue in own)
    for line in lines[:_MOST_TOLD]:
        session.console.warn(line)
    if len(lines) > _MOST_TOLD:
        session.console.warn(f"{len(lines) - _MOST_TOLD} more of these: `oboromi title info` lists them")
    if others:
        session.console.warn(others_text(others))
    damaged = [notice for notice in title.notices if notice.reason in ("damaged", "state", "build")]
    for notice in damaged[:_MOST_TOLD]:
        session.console.warn(str(notice))


def place_in(session: Session, options: argparse.Namespace, path: str, *, check: bool = False) -> Location:
    """Return a place in the title; paths go on inside containers there.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: No such path.
    """
    title = open_given(session, options, check=check)
    tell(session, title, options)
    return _located(session, title.union, path)


def _located(session: Session, union: UnionFs, path: str) -> Location:
    from oboromi_fs.opening import Location, NestedFs

    nested = NestedFs(union, session.opener())
    canonical = normalise(path)
    nested.metadata(canonical)
    return Location(nested, canonical, path or "/", "")


class Readable(NamedTuple):
    """What can be read of a place in the title, for verbs that go through all of it.

    Attributes:
        place: The place, without the parts that cannot be opened.
        union: What it is a place in; it notes what else cannot be read.
        problems: Path and error of each part that cannot be opened.
    """

    place: Location
    union: UnionFs
    problems: list[tuple[str, str]]

    def told(self, session: Session, code: int) -> int:
        """Tell what could not be read, and return the exit code that follows."""
        for path, reason in self.problems:
            session.console.error(f"{path!r}: {reason}")
        return self.finish(session, code)

    def finish(self, session: Session, code: int) -> int:
        """Tell what else could not be read, once all of it was gone through, and return the exit code that follows."""
        damaged = [problem for problem in self.union.problems if problem.kind == "damaged"]
        for problem in damaged[:_MOST_TOLD]:
            session.console.error(str(problem))
        return DAMAGED if code in (DONE, NO) and (damaged or self.problems) else code


def readable_in(session: Session, options: argparse.Namespace, path: str, *, check: bool = False) -> Readable:
    """Return what can be read of a place in the title: damaged parts below it do not keep the rest from being listed or written.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: No such path.
        MissingKeyError: A part below it needs a key that is absent.
        OboromiFsError: The part that it lies in is damaged.
    """
    from oboromi_fs.overlay import UnionFs

    title = open_given(session, options, check=check)
    tell(session, title, options)
    top = normalise(path)
    faults: dict[str, OboromiFsError | OSError] = title.faults(top)
    missing = next((wrong for wrong in faults.values() if isinstance(wrong, MissingKeyError)), None)
    if missing is not None:
        raise missing
    _located(session, title.union, path)
    broken = [layer for layer in title.union.layers if layer.name in faults]
    union = UnionFs([layer for layer in title.union.layers if layer not in broken], forgiving=True)
    if broken and not union.exists(top):
        raise faults[broken[-1].name]
    return Readable(
        _located(session, union, path), union, [(layer.at.removeprefix(f"{top}/"), str(faults[layer.name])) for layer in broken]
    )
