"""``verify hash``: what can be checked, and digests to check by later."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import printable
from oboromi_fs.cli.failures import DAMAGED, DONE, MISSING_KEY, NO, UsageError, exit_code, line
from oboromi_fs.cli.progress import Progress
from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.verify import Check

__all__ = ["hash_arguments", "run_hash", "run_verify", "verify_arguments"]

_STYLES = {"failed": "bad", "ok": "good", "skipped": "doubt", "note": "faint"}


# verify


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``verify`` takes."""
    parser.description = (
        "Check every hash there is, going on into containers: card and archive headers, section trees, NCA names, content records;\n"
        "signatures where your keys allow. Exit code 1 if anything failed, 4 if a key was missing for some of it,\n"
        "3 if something could not be checked, because it is not supported or holds no hash.\n"
        "With -q only what failed or was skipped is listed, and the sum."
    )
    parser.add_argument("paths", metavar="PATH", nargs="+")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads at most")


def run_verify(session: Session, options: argparse.Namespace) -> int:
    """Check containers and print a table of what was checked."""
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"-j takes a number from 1 on, not {options.jobs}")
    console = session.console
    checks: list[Check] = []
    codes: list[int] = []
    for path in options.paths:
        try:
            checks += _verify(session, path, options.jobs)
        except (OboromiFsError, OSError) as wrong:
            if len(options.paths) == 1:
                raise
            console.error(f"{path}: {line(wrong)}")
            codes.append(exit_code(wrong))
    counts = {status: sum(check.status == status for check in checks) for status in ("ok", "failed", "skipped", "note")}
    if session.json:
        console.json({"checks": [_check_json(check) for check in checks], "summary": counts})
    else:
        console.write(_summary(counts) + "\n")
    told: set[str] = set()
    for check in checks:
        if check.key_name and check.key_name not in told:
            told.add(check.key_name)
            console.error(check.detail)
    if codes:
        return codes[0]
    if counts["failed"]:
        return NO
    if any(check.key_name for check in checks):
        return MISSING_KEY
    return DAMAGED if counts["skipped"] else DONE


def _verify(session: Session, path: str, jobs: int | None) -> list[Check]:
    from oboromi_fs.jobs.verify import verify

    console = session.console
    found: list[Check] = []
    place = session.locate(path)
    with Progress(console, "verifying") as progress:
        for check in verify(place, workers=jobs, progress=progress.update if progress.shown else None):
            found.append(check)
            # With a bar on the same terminal, lines would tear it apart: they come after it.
            if not session.json and not progress.shown:
                _print(console, check)
    if not session.json and progress.shown:
        for check in found:
            _print(console, check)
    return found


def _print(console: Console, check: Check) -> None:
    if console.quiet and check.status not in ("failed", "skipped"):
        return
    text = f"{console.paint(f'{check.status:<7}', _STYLES[check.status])}  {check.check:<22}  {console.name(check.path)}"
    if check.key_name:
        text += f": missing key {check.key_name}"
    elif check.detail:
        text += f": {printable(check.detail)}"
    if check.offset is not None and f"at {check.offset:#x}" not in check.detail:
        text += f" (at {check.offset:#x})"
    console.write(text + "\n")


def _check_json(check: Check) -> dict[str, Any]:
    return {
        "path": check.path,
        "check": check.check,
        "status": check.status,
        "detail": check.detail,
        "offset": check.offset,
        "size": check.size,
        "missing_key": check.key_name or None,
    }


def _summary(counts: dict[str, int]) -> str:
    if not sum(counts.values()):
        return "nothing to check"
    words = {"ok": "ok", "failed": "failed", "skipped": "skipped", "note": "to note"}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])


# hash


def hash_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``hash`` takes."""
    parser.description = (
        "A digest of every file below PATH (of a file, its own), as `sha256sum -c` reads it: paths are those that extract would give.\n"
        "With --json the size in bytes as well."
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("-r", "--recursive", action="store_true", help="open containers, too: each becomes a folder of its name")
    parser.add_argument("-j", "--jobs", type=int, metavar="N", help="threads at most")
    parser.add_argument("--algorithm", choices=("sha256", "blake3"), default="sha256", help="sha256 (default), or blake3")


def run_hash(session: Session, options: argparse.Namespace) -> int:
    """Print a manifest."""
    from oboromi_fs.jobs.manifest import NoSuchAlgorithmError, manifest
    from oboromi_fs.jobs.unfold import Unfolded
    from oboromi_fs.paths import split
    from oboromi_fs.protocols import Extent

    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"-j takes a number from 1 on, not {options.jobs}")
    console = session.console
    place = session.locate(options.path)
    problems: list[tuple[str, OboromiFsError]] = []
    if session.is_tree(place):
        unfolded = Unfolded(place.fs, place.path, deep=options.recursive)
        files, problems = unfolded.files, unfolded.problems
        session.tell_problems(place)
    else:
        storage = place.fs.storage(place.path)
        files = [Extent(split(place.path)[1], storage, 0, storage.size)]
    with Progress(console, "hashing") as progress:
        try:
            found = manifest(files, options.algorithm, workers=options.jobs, progress=progress.update if progress.shown else None)
        except NoSuchAlgorithmError as wrong:
            raise UsageError(str(wrong)) from None
    if session.json:
        console.json({inner: {"size": entry.size, options.algorithm: entry.digest} for inner, entry in found.items()})
    else:
        console.lines(console.name(_manifest_line(inner, entry.digest)) for inner, entry in found.items())
    for inner, problem in problems:
        console.error(f"{inner!r}: {'not opened: ' if inner in found else ''}{problem}")
    return DAMAGED if problems else DONE


_ESCAPED = re.compile(r"[\\\n\r]")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def _manifest_line(path: str, digest: str) -> str:
    r"""A line as sha256sum writes it: one with a name that holds a line break or a ``\`` begins with ``\`` and has it escaped."""
    escaped = _ESCAPED.sub(lambda found: _ESCAPES[found.group()], path)
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}"
