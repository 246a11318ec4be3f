"""``library``: folders of dumps as titles."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.alike import grouped
from oboromi_fs.cli.collecting_views import (
    COLUMNS,
    HELD,
    Shown,
    draw_titles,
    file_rows,
    narrowed,
    narrowed_at,
    summary_text,
    table_rows,
    title_key,
)
from oboromi_fs.cli.console import plural, printable
from oboromi_fs.cli.drawing import columns
from oboromi_fs.cli.failures import DAMAGED, DONE, MISSING_KEY, NO, UsageError
from oboromi_fs.cli.progress import Progress

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session
    from oboromi_fs.library import Catalogue, Holding, LibraryTitle
    from oboromi_fs.opening import Opener

__all__ = ["library_arguments", "run_library"]

_ASKED = {
    "missing": (
        ("no-base", "missing", "key", "version"),
        "a base, contents, a ticket or a key are missing, or an update that add-ons need",
    ),
    "duplicates": (("duplicate", "conflict"), "the same, or another of the same id and version, lies in several files"),
    "outdated": (("outdated",), "a newer version is there as well"),
    "damaged": (("damaged", "failed", "record", "ticket"), "cut short, damaged, failed to verify, or contradicting itself"),
}
"""Options that ask for what is wrong, the marks they stand for, and what they say."""
_KIND_NAMES = {"dlc": "addon", "add-on": "addon", "application": "base", "patch": "update"}
"""Other names that people have for kinds."""
_EPILOG = """\
examples:
  oboromi library /nas/switch                     what there is: names, versions, add-ons, sizes
  oboromi library /nas/switch --missing           what is incomplete, and why
  oboromi library /nas/switch --duplicates        what is there twice, and in which files
  oboromi library /nas/switch --name zelda -l     one title, with all of its files
  oboromi library /nas/switch --type base --without update --columns name,id
  oboromi library /nas/switch --verify --damaged  check every hash of what was not checked yet, and show what failed

The catalogue is a cache: $XDG_CACHE_HOME/oboromi/library.sqlite, or where the platform has its caches. Files are looked into once, and
again when size, time or inode change, or when other keys are there. On a terminal the table has a heading; elsewhere its columns are
separated by tabs, sizes are bytes, and with the column path there is a row for each file."""


def library_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``library`` takes."""
    parser.description = (
        "The titles in folders of dumps (NSP, XCI, NSZ, XCZ, loose NCAs, split files): names, versions, updates, add-ons, and what is\n"
        "missing, double, outdated or damaged. Only headers are read, and those of unchanged files not again. Nothing that is wrong with\n"
        "one file stops the others. Exit code 1 if there is nothing to show, with --verify if something failed;\n"
        "3 if no file could be read, as with a wrong key; 4 if for want of keys no title could be."
    )
    parser.epilog = _EPILOG
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="folders, searched to the bottom; files")
    group = parser.add_argument_group("which titles (all by default)").add_argument
    group(
        "--name", action="append", default=[], metavar="TEXT", help="whose name or publisher, in any language, has it; or a pattern with *"
    )
    group("--id", action="append", default=[], metavar="ID", help="that have this id, or one that begins so")
    group("--type", action="append", default=[], metavar="TYPE", help="that have a base, update or addon (dlc); system, other")
    group("--without", action="append", default=[], metavar="TYPE", help="that have none")
    for name, (_, text) in _ASKED.items():
        group(f"--{name}", action="store_true", help=text)
    group("--only", metavar="MARK[,MARK]", help="of which one of these is said; the last column has them")
    group = parser.add_argument_group("how they are shown").add_argument
    group("-l", "--long", action="store_true", help="a tree for each title: its files, versions, and what is wrong; as for --missing …")
    group("--files", action="store_true", help="a line for each file: what it holds")
    group("--columns", metavar="NAME[,NAME]", help=f"of {', '.join(COLUMNS)}")
    group("--sort", default="name", metavar="COLUMN", help="sort by a column, name by default")
    group("-r", "--reverse", action="store_true", help="the other way round")
    group("--language", metavar="NAME", help="of the names, as ja, fr_CA or Japanese; by default that of the environment")
    group = parser.add_argument_group("looking").add_argument
    group(
        "--verify",
        action="store_true",
        help="check every hash of these titles that was not checked since it changed; with --damaged of all",
    )
    group("--verify-all", action="store_true", help="check them all again")
    group("--rescan", action="store_true", help="look into unchanged files as well")
    group("-j", "--jobs", type=int, metavar="N", help="threads; by default one, and eight where they mostly wait for a disk")
    group("--catalogue", metavar="FILE", help="where the catalogue is kept")
    group("--no-cache", action="store_true", help="neither use nor keep a catalogue")


def run_library(session: Session, options: argparse.Namespace) -> int:
    """List, and perhaps verify, a collection."""
    from oboromi_fs.library import Catalogue

    options.type = [_KIND_NAMES.get(word.lower(), word.lower()) for word in options.type]
    options.without = [_KIND_NAMES.get(word.lower(), word.lower()) for word in options.without]
    _check(options)
    shown = Shown(session.console, options.folders, _languages(options.language))
    chosen = _chosen_columns(options)
    with Catalogue.open(None if options.no_cache else options.catalogue or "", opener=lambda: _opener(session)) as catalogue:
        _update(session, catalogue, options)
        marks = _wanted_marks(options)
        checked: list[Holding] = []
        failed = False
        if options.verify or options.verify_all:
            # Which files fail is only known when they are verified: what is asked for besides says which are.
            _, checked = _found(catalogue, options, () if "failed" in marks else marks)
            failed = _verify(session, catalogue, checked, options)
        titles, holdings = _found(catalogue, options, marks)
        titles = sorted(titles, key=title_key(options.sort, shown), reverse=options.reverse)
        loose = [holding for holding in holdings if not holding.package.metas]
        if session.json:
            from oboromi_fs.cli.collecting_json import document

            session.console.json(document(titles, holdings, shown, catalogue))
        else:
            _print(session, options, shown, titles, holdings, chosen)
        if not titles and catalogue.holdings() and not catalogue.titles() and any(holding.missing_keys for holding in catalogue.holdings()):
            _tell_keys(session, catalogue)
            return MISSING_KEY
        if not titles and _is_all_damaged(catalogue) and _asks_for_files(options, marks):
            return DAMAGED
        if options.verify or options.verify_all:  # That there is nothing to show of what is wrong is good news then.
            return NO if failed or not checked else DONE
        return DONE if titles or (loose and _asks_for_files(options, marks)) else NO


def _opener(session: Session) -> Opener:
    opener = session.opener()
    opener.access = "pread"  # By position: a share that goes away, or a file that shrinks, is an error then and no crash.
    return opener


def _check(options: argparse.Namespace) -> None:
    """Refuse what makes no sense.

    Raises:
        UsageError: An option has a value that it does not take.
    """
    from oboromi_fs.library.filters import KINDS, is_id
    from oboromi_fs.library.titles import MARKS

    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"-j takes a number from 1 on, not {options.jobs}")
    if options.sort not in COLUMNS:
        raise UsageError(f"--sort takes one of {', '.join(COLUMNS)}, not {options.sort!r}")
    for text in options.id:
        if not is_id(text):
            raise UsageError(f"--id takes up to 16 hexadecimal digits, not {text!r}")
    for name, words, known in (
        ("--type", options.type, KINDS),
        ("--without", options.without, KINDS),
        ("--only", options.only.split(",") if options.only else (), tuple(MARKS)),
    ):
        for word in words:
            if word not in known:
                raise UsageError(f"{name} takes one of {', '.join(known)}, not {word!r}")
    if options.no_cache and options.catalogue:
        raise UsageError("--no-cache and --catalogue: say one of them")
    if options.catalogue and _is_of_another_kind(options.catalogue):
        raise UsageError(f"--catalogue {options.catalogue}: is no catalogue, and stays as it is: name a new file, or one made here")
    if options.files and options.columns:
        raise UsageError("--files has columns of its own: leave --columns out")


def _is_of_another_kind(path: str) -> bool:
    """Whether a file is there that was never a catalogue: the user's own, by a slip."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:  # Whoever opens the catalogue tells.
        return False
    return bool(head) and not head.startswith(b"SQLite format 3\0")


def _chosen_columns(options: argparse.Namespace) -> list[str]:
    from oboromi_fs.cli.collecting_views import USUAL

    if not options.columns:
        return list(USUAL)
    chosen: list[str] = options.columns.split(",")
    for name in chosen:
        if name not in COLUMNS:
            raise UsageError(f"--columns takes names of {', '.join(COLUMNS)}, not {name!r}")
    return chosen


def _languages(text: str | None) -> tuple[int, ...]:
    from oboromi_fs.metadata.languages import languages_of, languages_of_environment

    if not text:
        return languages_of_environment()
    found = languages_of(text)
    if not found:
        from oboromi_fs.metadata.titles import LANGUAGES

        raise UsageError(f"--language takes a code such as ja or fr_CA, or one of {', '.join(LANGUAGES)}, not {text!r}")
    return found


def _update(session: Session, catalogue: Catalogue, options: argparse.Namespace) -> None:
    console = session.console
    with Progress(console, "looking", "files", after=0.3) as progress:
        changes = catalogue.update(
            options.folders, workers=options.jobs, again=options.rescan, progress=progress.update if progress.shown else None
        )
    for note in catalogue.notes:
        console.warn(note)
    for issue in catalogue.issues:
        console.warn(f"{Shown(console, options.folders, ()).path(issue.path)}: {issue.text}")
    if console.verbose:
        console.note(f"looked into {changes.looked}, {changes.unchanged} unchanged, {changes.removed} gone")


def _wanted_marks(options: argparse.Namespace) -> tuple[str, ...]:
    asked = [mark for name, (marks, _) in _ASKED.items() if getattr(options, name) for mark in marks]
    return tuple(dict.fromkeys([*asked, *(options.only.split(",") if options.only else ())]))


def _asks_for_files(options: argparse.Namespace, marks: tuple[str, ...]) -> bool:
    """Whether files in which no title was found are among what is asked for."""
    return not (options.name or options.id or options.type or options.without) and (not marks or bool({"damaged", "key"} & set(marks)))


def _found(catalogue: Catalogue, options: argparse.Namespace, marks: tuple[str, ...]) -> tuple[list[LibraryTitle], list[Holding]]:
    """The titles that are asked for, and the holdings they lie in, with those in which no title was found where that is asked for."""
    from oboromi_fs.library import Filter

    wanted = Filter(tuple(options.name), tuple(options.id), tuple(options.type), tuple(options.without), marks)
    titles = wanted.of(catalogue.titles())
    paths = {path for title in titles for path in title.paths}

    def is_asked_for(holding: Holding) -> bool:
        if holding.package.metas or not _asks_for_files(options, marks):
            return holding.path in paths
        return not marks or bool(set(marks) & {"key" if issue.kind == "key" else "damaged" for issue in holding.issues})

    return titles, [holding for holding in catalogue.holdings() if is_asked_for(holding)]


def _verify(session: Session, catalogue: Catalogue, holdings: list[Holding], options: argparse.Namespace) -> bool:
    """Verify; return whether anything of it, now or before, failed."""
    from oboromi_fs.jobs.collection import to_verify, verify_collection

    wanted = to_verify(holdings, catalogue.keys, again=options.verify_all)
    with Progress(session.console, "verifying") as progress:
        for _ in verify_collection(catalogue, wanted, workers=options.jobs, progress=progress.update if progress.shown else None):
            pass
    paths = {holding.path for holding in holdings}
    return any(each.path in paths and each.verification is not None and each.verification.failed for each in catalogue.holdings())


def _print(
    session: Session, options: argparse.Namespace, shown: Shown, titles: list[LibraryTitle], holdings: list[Holding], chosen: list[str]
) -> None:
    console = session.console
    marks = _wanted_marks(options)
    loose = [holding for holding in holdings if not holding.package.metas]
    if options.files:
        rows = file_rows(holdings, titles, shown)
        if console.on_terminal:
            rows = narrowed_at(rows, HELD, console.width)
        console.lines(columns(rows, right=(0,)) if console.on_terminal else ("\t".join(row) for row in rows))
    elif options.long or (marks and not options.columns):
        console.lines(draw_titles(titles, loose, shown, marks))
    else:
        heading, rows, right = table_rows(titles, chosen, shown)
        if console.on_terminal:
            if rows and "path" not in chosen:  # Which nobody cuts.
                rows = narrowed([heading, *rows], chosen, console.width)[1:]
            console.lines(columns([heading, *rows], right=right) if rows else ())
        else:
            console.lines("\t".join(row) for row in rows)
        for line in grouped((shown.path(issue.path), shown.text(issue.text)) for holding in loose for issue in holding.issues):
            console.warn(line)
    text = summary_text(titles, holdings)
    if console.quiet:
        return
    if console.on_terminal:
        console.lines([console.paint(text, "faint")])
    else:
        console.note(text)


def _is_all_damaged(catalogue: Catalogue) -> bool:
    """Whether there are files, and none could be read: they are damaged, or a key is wrong."""
    holdings = catalogue.holdings()
    return bool(holdings) and all(any(issue.kind == "damaged" for issue in each.issues) and not each.package.metas for each in holdings)


def _tell_keys(session: Session, catalogue: Catalogue) -> None:
    names = sorted({name for holding in catalogue.holdings() for name in holding.missing_keys})
    named = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    files = plural(len(catalogue.holdings()), "files")
    session.console.error(printable(f"no title of {files} can be read without {named}: {session.where_keys()}"))
