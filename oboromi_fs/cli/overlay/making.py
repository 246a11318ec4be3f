"""``overlay collapse romfs run``: the merged view as a folder, as an image, and under a program."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural, size_text
from oboromi_fs.cli.failures import DAMAGED, DONE, NO, UsageError
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.cli.overlay.places import check_below, check_output
from oboromi_fs.cli.overlay.stacking import open_overlay, stack_arguments
from oboromi_fs.cli.progress import Progress
from oboromi_fs.errors import UnsafePathError
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session
    from oboromi_fs.protocols import Storage

__all__ = ["collapse_arguments", "romfs_arguments", "run_arguments", "run_collapse", "run_romfs", "run_run"]


# romfs


def romfs_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay romfs`` takes."""
    parser.description = (
        "The merged view, or what is below PATH in it, as a RomFS image: what an emulator or console loads. Nothing is copied in between;\n"
        "the image is written aside and put in place when it is complete."
    )
    parser.add_argument("path", metavar="PATH", nargs="?", default="")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the image")
    parser.add_argument("--style", choices=("common", "libhac"), default="common", help="whose order to follow")
    stack_arguments(parser)


def run_romfs(session: Session, options: argparse.Namespace) -> int:
    """Write the merged view as an image."""
    from oboromi_fs.backends.romfs import RomFs
    from oboromi_fs.builders.romfs import RomFsImage, write

    if not options.output:
        raise UsageError("-o takes the name of a file, not an empty one")
    overlay = open_overlay(session, options)
    check_output(session, overlay.spec, options.output)
    if os.path.isdir(options.output):
        raise IsADirectoryError(errno.EISDIR, "is a folder, and the image is a file", options.output)
    image: Storage
    if overlay.loadout is not None and normalise(options.path) in ("", "romfs"):
        image = overlay.loadout.romfs_image()
    else:
        image = RomFsImage(overlay.union, options.path, like=options.style)
    code = overlay.unreadable()
    if code != DONE:  # An image that lacks what a layer should have given would be a quiet mistake.
        session.console.error("no image is written: a layer could not be read")
        return code
    with Progress(session.console, "building") as progress:
        size = write(image, options.output, progress=progress.update)
    files = image.file_count if isinstance(image, RomFsImage) else sum(1 for _ in RomFs(image).extents())
    if session.json:
        session.console.json({"output": options.output, "files": files, "bytes": size})
    else:
        session.console.note(f"{plural(files, 'files')}, {size_text(size)}, written to {options.output}")
    return overlay.finish()


# collapse


def collapse_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay collapse`` takes."""
    parser.description = (
        "The merged view, or what is below PATH in it, as a folder: all of it, or nothing. Files that are in DIR are replaced, others\n"
        "stay; no link in DIR is followed, and no layer is ever changed. Files of archives are extracted."
    )
    add = parser.add_argument
    add("path", metavar="PATH", nargs="?", default="")
    add("-o", "--output", metavar="DIR", required=True, help="the folder; made if it is not there")
    add(
        "--mode",
        choices=("copy", "hardlink", "symlink", "reflink", "auto"),
        default="copy",
        help="how files of folders get there: copy (default); links; reflink shares blocks or refuses; auto shares blocks or copies",
    )
    add("--no-archives", action="store_true", help="leave out files of archives")
    add("-n", "--dry-run", action="store_true", help="show the plan, and write nothing; exit code 1 if something is in the way")
    format_arguments(parser)
    stack_arguments(parser)


def run_collapse(session: Session, options: argparse.Namespace) -> int:
    """Write the merged view into a folder."""
    from oboromi_fs.jobs.materialise import apply_plan
    from oboromi_fs.jobs.materialise_plan import plan_collapse

    if not options.output:
        raise UsageError("-o takes the name of a folder, not an empty one")
    console = session.console
    overlay = open_overlay(session, options)
    check_output(session, overlay.spec, options.output)
    plan = plan_collapse(overlay.union, options.output, options.mode, path=options.path, extract_archives=not options.no_archives)
    if options.dry_run:
        if wants_document(session, options):
            document(session, options, plan.to_json())
        else:
            rows: list[tuple[str, str, str]] = [(action.action, action.key, action.source) for action in plan.actions]
            rows += [(issue.issue, issue.key, issue.reason) for issue in plan.issues]
            if rows:
                table(console, ("", "path", "from"), rows)
        return overlay.finish(NO if plan.fatal else DONE)
    code = overlay.unreadable()
    if code != DONE:  # A folder that lacks what a layer should have given would be a quiet mistake.
        console.error("nothing is written: a layer could not be read")
        return code
    check_below(session, overlay.spec, options.output, overlay.place(options.path), layers=False)
    try:
        with Progress(console, "collapsing") as progress:
            report = apply_plan(plan, progress=progress.update)
    except UnsafePathError as error:  # Of this computer, not of a layer: those the plan leaves out.
        raise UsageError(f"{error.path}: {error.reason}; -n shows all that is in the way") from None
    for path, reason in report.refused:
        console.error(f"{path!r}: {reason}")
    if wants_document(session, options):
        document(session, options, report.to_json())
    else:
        counts = ", ".join(f"{count} {kind}" for kind, count in report.plan.counts.items() if count)
        console.note(
            f"{plural(report.files, 'files')}{f' ({counts})' if counts else ''}, {size_text(report.bytes)}, written to {options.output}"
        )
    return overlay.finish(DAMAGED if report.refused else DONE)


# run


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay run`` takes."""
    parser.description = (
        "Run a program on the merged view, as a folder of its own: {} in its words stands for that folder. What it adds, changes, deletes\n"
        "and renames is told, and written to a new layer with -o. Originals are not edited, unless --hardlink is given. The\n"
        "program's exit code is passed on."
    )
    parser.usage = "oboromi overlay run [options] -- PROGRAM [WORD ...]"
    add = parser.add_argument
    add("words", metavar="PROGRAM", nargs="+", help="the program and its words, after --")
    add("-o", "--output", metavar="DIR", help="folder of the new layer; new or empty")
    add("--cwd", metavar="DIR", help="where the program runs; {} is the merged folder")
    add("--hardlink", action="store_true", help="link instead of copying: quick, but a program that writes in place edits originals")
    add("--report", metavar="FILE", help="write what was changed as JSON")
    stack_arguments(parser)


def run_run(session: Session, options: argparse.Namespace) -> int:
    """Run a program on the merged view."""
    from oboromi_fs.jobs.running_command import PLACEHOLDER, run_command

    if not any(PLACEHOLDER in word for word in (*options.words, options.cwd or "")):
        raise UsageError("say where the program finds the merged folder: {} in its words, or --cwd {}")
    overlay = open_overlay(session, options)
    for output in (options.output, options.report):
        if output is not None:
            check_output(session, overlay.spec, output)
    code = overlay.unreadable()
    if code != DONE:
        session.console.error("nothing is run: a layer could not be read")
        return code
    session.console.flush()
    result = run_command(
        overlay.union, options.words, output=options.output, mode="hardlink" if options.hardlink else "copy", cwd=options.cwd
    )
    changes = result.changes
    console = session.console
    for what, paths in (("added", changes.added), ("changed", changes.changed), ("deleted", changes.deleted)):
        for path in paths:
            console.note(f"{what} {path}")
    for old, new in changes.renamed:
        console.note(f"renamed {old} -> {new}")
    for path, original in changes.edited_originals:
        console.warn(f"{path!r}: the original {original} was edited in place")
    for path, reason in (*changes.skipped, *result.refused):
        console.warn(f"{path!r}: {reason}")
    if changes.output:
        console.note(f"what was changed is in {changes.output}")
    if options.report is not None:
        _write_report(options.report, result.to_json())
    if session.json:
        console.json(result.to_json())
    return result.code


def _write_report(path: str, report: dict[str, Any]) -> None:
    import json

    from oboromi_fs.base import MemoryStorage
    from oboromi_fs.storage.writing import write_storage

    write_storage(MemoryStorage(f"{json.dumps(report, indent=2)}\n".encode()), path)
