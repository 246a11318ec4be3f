"""What can be checked of a ZIP archive: its directory, and the CRC-32 of its files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Status, Step, count_of, failure, flatten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oboromi_fs.backends.zip import ZipFs

__all__ = ["zip_crc", "zip_directory"]

_RUN = 8 << 20
_FILES = 500
"""Bytes and files that a task checks at most, unless a single file is larger."""


def zip_directory(label: str, fs: ZipFs) -> Check:
    """Return whether the directory of a ZIP archive names what can be; what has no place here, as symbolic links, is to note.

    Raises:
        CorruptError, UnsupportedError: It cannot be read.
    """
    status: Status = "failed" if fs.faults else "note" if fs.problems else "ok"
    shown = fs.problems[:SHOWN]
    if len(fs.problems) > len(shown):
        shown.append("and more of the kind")
    return Check(label, "ZIP directory", status, "; ".join(shown) or count_of(sum(1 for _ in fs.entries()), "file"))


def zip_crc(label: str, fs: ZipFs, files: Mapping[str, str], state: State) -> Step:
    """Return the step that checks files against their CRC-32: one check for all that are sound, one for each that is not.

    Args:
        label: What to call all of them.
        fs: The archive.
        files: What to call each -> its path in the archive.
        state: Told how far the work is.
    """
    what = "ZIP CRC-32"
    sizes = {below: fs.entry(path).size for below, path in files.items()}
    state.total += sum(sizes.values())

    def check(batch: list[str]) -> list[Check]:
        bad: list[Check] = []
        for below in batch:
            state.advance(0, below)
            try:
                for piece in fs.checked(files[below]):
                    state.advance(len(piece), below)
            except (OboromiFsError, OSError) as wrong:
                bad.append(failure(below, what, wrong))
        return bad

    def finish(results: list[list[Check] | bytes]) -> list[Check]:
        found = flatten(results)
        bad = {check.path for check in found}
        sound = [below for below in files if below not in bad]
        if sound:
            detail = "" if label in files else count_of(len(sound), "file")
            found.append(Check(label, what, "ok", detail, size=sum(sizes[below] for below in sound)))
        return found

    return Step([partial(check, batch) for batch in _batches(sizes)], finish)


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for name, size in sizes.items():
        if batch and (total + size > _RUN or len(batch) >= _FILES):
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        yield batch
