"""``extract``: what is below a path, as files in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural, size_text
from oboromi_fs.cli.failures import DAMAGED, DONE, NO, UsageError
from oboromi_fs.cli.progress import Progress
from oboromi_fs.jobs.extract import ExtractReport, extract_tree
from oboromi_fs.jobs.unfold import Unfolded, check_member
from oboromi_fs.paths import Glob, split

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from oboromi_fs.cli.session import Session
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import FileSystem

__all__ = ["check_usage", "extract_arguments", "extract_place", "run_extract"]


def extract_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``extract`` takes."""
    parser.description = (
        "Write what is below PATH into a folder: all of it, or nothing; of a file, the file itself.\n"
        "With GLOBs only what matches, relative to PATH. Names that must not reach a disk are left out and told (exit code 3)."
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("globs", metavar="GLOB", nargs="*")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder; made if it is not there")
    parser.add_argument("-r", "--recursive", action="store_true", help="open containers, too: each becomes a folder of its name")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads at most")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="refuse what does not have its hash: sections, members of cards, NCAs named by it that stay files; other files have none",
    )


def run_extract(session: Session, options: argparse.Namespace) -> int:
    """Extract a directory, container or file."""
    check_usage(options)
    return extract_place(session, options, session.locate(options.path, check=options.verify))


def check_usage(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is looked at.

    Raises:
        UsageError: An option's value is out of range.
    """
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"-j takes a number from 1 on, not {options.jobs}")
    if not options.output:
        raise UsageError("-o takes the name of a folder, not an empty one")


def extract_place(session: Session, options: argparse.Namespace, place: Location, left_out: Sequence[tuple[str, str]] = ()) -> int:
    """Extract a place, wherever it is.

    Args:
        session: The run.
        options: As :func:`extract_arguments` declares them.
        place: The place.
        left_out: Path and reason of what is known not to be in it, for it cannot be read.
    """
    console = session.console
    globs = [Glob(pattern) for pattern in options.globs]
    fs: FileSystem = place.fs
    path = place.path
    if options.verify and place.kind == "file":
        check_member(*place.fs.resolve(path))
    if session.is_tree(place):
        unfolded = Unfolded(place.fs, path, deep=options.recursive, wanted=lambda inner: _takes(globs, inner))
        fs, path = unfolded, ""
        names = [*unfolded.directories, *(extent.path for extent in unfolded.files)]
        known = set(names)
        # A damaged file concerns only those who want it; what a damaged container holds, nobody can tell.
        kept = {extent.path for extent in unfolded.files}
        problems = [
            (inner, f"not opened: {wrong}" if inner in kept else str(wrong))
            for inner, wrong in unfolded.problems
            if inner in known or _takes(globs, inner)
        ]
        session.tell_problems(place)
    else:
        names, problems = [split(path)[1]], []
    problems += left_out
    report = ExtractReport(0, 0, 0, [], 0.0)
    if globs and not any(_takes(globs, inner) for inner in names):
        console.note("nothing matches, nothing is written")
    elif problems and isinstance(fs, Unfolded) and not fs.files:
        console.note("nothing could be read, nothing is written")
    else:
        report = _extract(session, options, fs, path)
    refused = sorted([*report.refused, *problems])
    for inner, reason in refused:
        console.error(f"{inner!r}: {reason}")
    if session.json:
        console.json(
            {
                "path": place.display,
                "output": options.output,
                "files": report.files,
                "directories": report.dirs,
                "bytes": report.bytes,
                "seconds": round(report.elapsed, 3),
                "refused": [{"path": inner, "reason": reason} for inner, reason in refused],
            }
        )
    elif report.files or report.dirs:
        console.note(f"{plural(report.files, 'files')}, {size_text(report.bytes)}, written to {options.output}")
    if refused:
        return DAMAGED
    return NO if globs and not report.files and not report.dirs else DONE


def _extract(session: Session, options: argparse.Namespace, fs: FileSystem, path: str) -> ExtractReport:
    """Write the files; what is in the way is told with the option that helps."""
    try:
        with Progress(session.console, "extracting") as progress:
            return extract_tree(
                fs, options.output, path, globs=options.globs, overwrite=options.overwrite, workers=options.jobs, progress=progress.update
            )
    except FileExistsError as wrong:
        if wrong.strerror:
            wrong.strerror = wrong.strerror.replace("allow overwriting to replace it", "--overwrite replaces it")
        raise


def _takes(globs: list[Glob], path: str) -> bool:
    """Whether globs take a path: they match it or a directory above it, or there are none."""
    while globs and not any(glob.matches(path) for glob in globs):
        path = split(path)[0]
        if not path:
            return False
    return True
