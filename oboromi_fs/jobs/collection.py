"""Verifying a collection, place by place, with the results kept in its catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from oboromi_fs.errors import MissingKeyError, OboromiFsError
from oboromi_fs.jobs.verify import verify
from oboromi_fs.library.holdings import Verification
from oboromi_fs.opening import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from oboromi_fs.jobs.checks import Check
    from oboromi_fs.keys import KeySet
    from oboromi_fs.library import Catalogue, Holding

__all__ = ["to_verify", "verify_collection"]

_MOST_PROBLEMS = 20
"""Problems of a place that are kept in words."""
_OF_WHOLE_NCAS = ("NCA name", "CNMT record")
"""Checks that every byte of an NCA has to pass."""


def to_verify(holdings: Iterable[Holding], keys: KeySet, *, again: bool = False) -> list[Holding]:
    """Return what nobody has verified since it changed, or for want of a key that is there now.

    Args:
        holdings: From :meth:`~oboromi_fs.library.Catalogue.holdings`.
        keys: The keys there are.
        again: Return all, whatever was verified.
    """
    return [
        holding
        for holding in holdings
        if again or holding.verification is None or any(_is_there(name, keys) for name in holding.verification.keys)
    ]


def verify_collection(
    catalogue: Catalogue,
    holdings: Iterable[Holding],
    *,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Iterator[Holding]:
    """Check every hash of some holdings; each result is in the catalogue before the next begins.

    Args:
        catalogue: Where results are kept, and whose keys are used.
        holdings: What to check, see :func:`to_verify`.
        workers: Threads; None takes one for each processor.
        progress: Called with bytes done, bytes in all and the path being read, from any thread.

    Yields:
        Each holding with what came of it. One that cannot be opened has failed, or was skipped for want of a key.
    """
    wanted = list(holdings)
    total = sum(holding.size for holding in wanted)
    everywhere = [holding.path for holding in catalogue.holdings()]
    before = 0
    for holding in wanted:

        def tell(done: int, planned: int, path: str, before: int = before, size: int = holding.size) -> None:
            if progress is not None:
                progress(before + (size * done // planned if planned else 0), total, path)

        checks: list[Check | OboromiFsError | OSError] = []
        for path in _paths(holding, everywhere):
            try:
                place = locate(path, opener=catalogue.opener)
                with place.fs:
                    checks += verify(place, workers=workers, progress=tell)
            except (OboromiFsError, OSError) as wrong:
                checks.append(wrong)
        # A folder without permission, a share that went away: the next time it may be there.
        refused = any(isinstance(check, OSError) and not isinstance(check, OboromiFsError) for check in checks)
        yield catalogue.record(holding, _verification(checks), keep=not refused)
        before += holding.size


def _paths(holding: Holding, everywhere: list[str]) -> list[str]:
    """What to check: of a folder that has places of their own below it, only its own files."""
    below = f"{holding.path.rstrip('/')}/"
    if holding.package.form == "folder" and any(path.startswith(below) for path in everywhere):
        return [file.path for file in holding.stamp if not file.path.lower().endswith(".tik")]
    return [holding.path]


def _verification(checks: list[Check | OboromiFsError | OSError]) -> Verification:
    # An NCA that is what its name or record says is whole. That its patch could not be read without the base is no doubt of it.
    whole = {
        check.path
        for check in checks
        if not isinstance(check, OboromiFsError | OSError) and check.status == "ok" and check.check in _OF_WHOLE_NCAS
    }
    counts = {"ok": 0, "failed": 0, "skipped": 0, "note": 0}
    problems: dict[str, list[str]] = {"failed": [], "skipped": []}
    keys: dict[str, None] = {}
    for check in checks:
        if isinstance(check, OboromiFsError | OSError):
            status, text, key_name = "failed", str(check), ""
            if isinstance(check, MissingKeyError):
                status, text, key_name = "skipped", f"needs {check.key_name}", check.key_name
        else:
            status, key_name = check.status, check.key_name
            if status == "skipped" and check.check == "base" and check.path.rpartition("/")[0] in whole:
                status = "note"
            text = f"{check.path}: {check.check}: {f'needs {key_name}' if key_name else check.detail}"
        counts[status] += 1
        if key_name:
            keys[key_name] = None
        if status in problems:
            problems[status].append(text)
    told = (*problems["failed"], *problems["skipped"])[:_MOST_PROBLEMS]
    return Verification(int(time.time()), counts["ok"], counts["failed"], counts["skipped"], told, tuple(keys))


def _is_there(name: str, keys: KeySet) -> bool:
    if len(name) == 32:
        try:
            return bytes.fromhex(name) in keys
        except ValueError:
            return False
    return name in keys
