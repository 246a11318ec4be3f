"""``overlay diff-mod``: a mod that can be shared, for it holds nothing of the game."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural, printable, size_text
from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.overlay.places import check_output
from oboromi_fs.cli.progress import Progress
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.stackfile import stack_of

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.cli.session import Session

__all__ = ["diff_mod_arguments", "run_diff_mod"]


def diff_mod_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay diff-mod`` takes."""
    parser.description = (
        "Write a mod that makes CHANGED of BASE: new files as they are, and for the others, moved ones too, deltas (VCDIFF) against files\n"
        "of BASE. No 64 bytes together that are together in a file of BASE are in it. Used as a layer over BASE, -l BASE -l MOD, it gives\n"
        "CHANGED; each delta says of which version of which file it is."
    )
    add = parser.add_argument
    add("old", metavar="BASE", help="what the mod is for: a folder or archive, or a place in one")
    add("new", metavar="CHANGED", help="what it makes of that")
    add("-o", "--output", metavar="MOD", required=True, help="the mod's folder; new, or empty")


def run_diff_mod(session: Session, options: argparse.Namespace) -> int:
    """Make a mod of two trees."""
    from oboromi_fs.jobs.diffmod import make_difference

    if not options.output:
        raise UsageError("-o takes the name of a folder, not an empty one")
    base, changed = _opened(session, options.old), _opened(session, options.new)
    check_output(session, stack_of((options.old, options.new)), options.output)
    with Progress(session.console, "comparing") as progress:
        report = make_difference(base, changed, options.output, progress=progress.update)
    for path, fs in ((options.old, base), (options.new, changed)):
        for inner, what in getattr(getattr(fs, "fs", fs), "left_out", {}).items():
            session.console.warn(f"{path}: {printable(inner)} is passed over: {what}")
    if session.json:
        session.console.json({"output": options.output if report else None, **report.to_json()})
    elif not report:
        session.console.note("the two do not differ; nothing is written")
    else:
        counts = (
            f"{plural(len(report.new), 'new files')}, {plural(len(report.patched), 'patched ones')}",
            f"{len(report.deleted)} deleted",
        )
        session.console.note(f"{', '.join(counts)}: {size_text(report.size)}, written to {options.output}")
    inner = {path: _files_in(session, path) for path in (options.old, options.new)} if report else {}
    if not all(inner.values()):
        for path, files in inner.items():
            if files:
                session.console.warn(f"{path} was compared as the container it is; the files of the game in it are {files}")
    return DONE if report else NO


def _files_in(session: Session, path: str) -> str:
    """Where in a package or NCA the files of its game are; ``""`` for what is none."""
    if session.locate(path).kind == "directory":
        return ""
    for inner in ("@program/romfs", "romfs"):
        files = f"{path.rstrip('/')}/{inner}"
        try:
            session.locate(files)
        except (OboromiFsError, OSError):
            continue
        return files
    return ""


def _opened(session: Session, path: str) -> FileSystemBase:
    from oboromi_fs.opening.location import open_location

    # What is compared for minutes may be written meanwhile: a mapping of a file that has shrunk would end the program in the middle.
    session.opener().access = "pread"
    place = session.locate(path)
    try:
        return open_location(place)
    except NotADirectoryError:
        raise UsageError(f"{path} is a plain file; BASE and CHANGED are trees: for one file, make a folder of each") from None
