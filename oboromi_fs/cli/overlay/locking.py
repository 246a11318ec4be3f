"""``overlay lock drift validate``: whether the merged view is what it was, and what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural, printable
from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.cli.overlay.places import check_output
from oboromi_fs.cli.overlay.stacking import open_overlay, spec_of, stack_arguments, twice
from oboromi_fs.cli.progress import Progress
from oboromi_fs.overlay.documents import form_of

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.overlay.stacking import Overlay
    from oboromi_fs.cli.session import Session
    from oboromi_fs.overlay.documents import Form
    from oboromi_fs.overlay.lock import Algorithm, Lock

__all__ = ["drift_arguments", "lock_arguments", "run_drift", "run_lock", "run_validate", "validate_arguments"]


def lock_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay lock`` takes."""
    parser.description = (
        "Write down which layer's version of every file wins, with its digest: the same bytes on every machine, for version control.\n"
        "Layers go by their names, so give them names in a stack file if their paths differ between machines."
    )
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", help="the lock; JSON, or by its ending YAML or TOML. Standard output where it is not given")
    add("--algorithm", choices=("blake3", "sha256"), default="blake3", help="of the digests: blake3 (default) or sha256")
    format_arguments(parser)
    stack_arguments(parser)


def run_lock(session: Session, options: argparse.Namespace) -> int:
    """Lock the merged view."""
    overlay = open_overlay(session, options)
    form: Form | None = "yaml" if options.yaml else "toml" if options.toml else "json" if session.json else None
    if options.output is not None:
        check_output(session, overlay.spec, options.output)
        if form is not None and form != form_of(options.output):
            raise UsageError(f"--{form} and the ending of {options.output} do not agree; drift reads a lock by its ending")
    lock = _lock(overlay, options.algorithm)
    code = overlay.unreadable()
    if code != DONE:  # What is half known is not worth comparing with.
        session.console.error("no lock is written: a layer could not be read")
        return code
    if options.output is None:
        session.console.write(lock.to_text(form or "json"))
    else:
        lock.write(options.output, form)
        session.console.note(f"{plural(len(lock.entries), 'files')} of {plural(len(lock.layers), 'layers')}, written to {options.output}")
    return overlay.finish()


def _lock(overlay: Overlay, algorithm: Algorithm) -> Lock:
    from oboromi_fs.jobs.locking import lock_union

    with Progress(overlay.session.console, "hashing") as progress:
        return lock_union(overlay.union, algorithm=algorithm, progress=progress.update)


def drift_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay drift`` takes."""
    parser.description = (
        "What has changed since a lock was written: files that came and went, another winner, other bytes, other layers below.\n"
        "Exit code 1 if anything has."
    )
    parser.add_argument("lock", metavar="LOCK", help="what `overlay lock` wrote")
    parser.add_argument("--fail-on-drift", action="store_true", help="exit with code 1 if anything has changed, as it does without")
    format_arguments(parser)
    stack_arguments(parser)


def run_drift(session: Session, options: argparse.Namespace) -> int:
    """Compare the merged view with a lock."""
    from oboromi_fs.overlay.drift import drift
    from oboromi_fs.overlay.lock import Lock

    old = Lock.read(options.lock)
    overlay = open_overlay(session, options)
    code = overlay.unreadable()
    if code != DONE:  # What could not be read would look as if it were gone.
        session.console.error("nothing is compared: a layer could not be read")
        return code
    report = drift(old, _lock(overlay, old.algorithm))
    if wants_document(session, options):
        document(session, options, report.to_json())
    elif report.entries:
        rows = [
            (
                found.kind,
                found.key,
                "-" if found.old is None else f"{found.old.source} {found.old.digest[:12]}",
                "-" if found.new is None else f"{found.new.source} {found.new.digest[:12]}",
            )
            for found in report.entries
        ]
        table(session.console, ("kind", "path", "locked", "now"), rows)
    else:
        session.console.lines([f"no drift: {plural(len(old.entries), 'files')} as locked"])
    return overlay.finish(NO if report.entries else DONE)


def validate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay validate`` takes."""
    parser.description = (
        "Whether every layer is there and can be read to its end, its names can be files anywhere, and nothing in it is ambiguous.\n"
        "Exit code 1 if not."
    )
    parser.add_argument("--read", action="store_true", help="read every byte, not only tables and names")
    format_arguments(parser)
    stack_arguments(parser)


def run_validate(session: Session, options: argparse.Namespace) -> int:
    """Check the layers."""
    from oboromi_fs.jobs.stack import open_stack
    from oboromi_fs.jobs.validating import validate_stack

    if options.mods is not None:
        stack = open_overlay(session, options).stack
    else:
        spec = spec_of(options)
        for text in twice(spec):
            session.console.warn(text)
        stack = open_stack(spec, session.opener(), missing=True)
        session.keep(stack.union)
    checks = list(validate_stack(stack, read=options.read))
    valid = not any(check.status == "failed" for check in checks)
    console = session.console
    if wants_document(session, options):
        document(session, options, {"valid": valid, "checks": [check.to_json() for check in checks]})
    elif console.on_terminal:
        table(console, ("", "layer", "what was found"), [(check.status, check.layer, check.detail) for check in checks])
    else:
        lines = [f"{check.status:<7} {printable(check.layer)}: {printable(check.detail)}" for check in checks]
        console.lines(lines if not console.quiet else [line for line in lines if not line.startswith("ok")])
    return DONE if valid else NO
