"""Materialising: the merged view of a union as a folder of the host, all of it or nothing.

Everything is written aside and put in place at the end, by what extraction uses (:mod:`oboromi_fs.jobs.extract`). Sources are only read:
a link that the host will not make becomes a copy, and the report says so.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import EntryNotFoundError, UnsafePathError
from oboromi_fs.jobs.extract import ExtractReport, carry_out, write_file
from oboromi_fs.jobs.materialise_plan import Issue, MaterialisePlan, Mode, plan_collapse
from oboromi_fs.paths import normalise, split

if TYPE_CHECKING:
    from oboromi_fs.jobs.writer import Cancel, Progress
    from oboromi_fs.overlay.union import UnionFs
    from oboromi_fs.protocols import FileSystem, PathType

__all__ = ["CollapseReport", "apply_plan", "collapse", "dump", "extract_file"]


@dataclass(frozen=True, slots=True)
class CollapseReport:
    """What was done.

    Attributes:
        plan: The plan, with the actions as they were in the end: where a link was planned that the host would not make, ``copy``.
        files: Files written or linked.
        bytes: Bytes written; links write none.
        refused: ``(path, reason)`` of each entry whose name the host cannot have, in path order.
        elapsed: Seconds it took.
    """

    plan: MaterialisePlan
    files: int
    bytes: int
    refused: list[tuple[str, str]]
    elapsed: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            **self.plan.to_json(),
            "files": self.files,
            "bytes": self.bytes,
            "seconds": round(self.elapsed, 3),
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
        }


def collapse(
    union: UnionFs,
    target: PathType,
    mode: Mode = "copy",
    *,
    path: PathType = "",
    extract_archives: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> CollapseReport:
    """Make the merged view a folder. Empty directories are kept; copies keep the time and the right to execute of loose files.

    On any error, interrupt or cancellation the target is as it was, and so are the sources in any case.

    Args:
        union: The layers.
        target: The host folder. It need not exist; if it does, it is merged into: files are replaced, others stay. No link below it is
            followed, and nothing in it that belongs to a layer is changed.
        mode: How files of host folders get there; see :data:`~oboromi_fs.jobs.materialise_plan.Mode`.
        path: The directory of the union to start at.
        extract_archives: Whether files of archives are extracted; else they are left out.
        workers: Threads at most.
        progress: Called with bytes done, bytes in all, files done, files in all.
        cancel: Asked now and then whether to stop.

    Raises:
        EntryNotFoundError: A loose file is gone.
        IsADirectoryError, NotADirectoryError: A directory is where a file must go, or the other way round.
        UnsafePathError: A link, or what belongs to a layer, is where something must go.
        OSError, OboromiFsError: The host refuses, or a layer cannot be read.
        CancelledError: ``cancel`` returned true.

    Example:
        >>> import os, tempfile
        >>> from oboromi_fs import HostFs, MemoryFs, UnionFs
        >>> target = os.path.join(tempfile.mkdtemp(), "merged")
        >>> report = collapse(UnionFs([MemoryFs({"a": b"1", "b": b"2"}), MemoryFs({"b": b"3"})]), target)
        >>> report.files, report.plan.counts["copy"], HostFs(target).read_bytes("b")
        (2, 2, b'3')
    """
    plan = plan_collapse(union, target, mode, path=path, extract_archives=extract_archives)
    return apply_plan(plan, workers=workers, progress=progress, cancel=cancel)


def apply_plan(
    plan: MaterialisePlan, *, workers: int | None = None, progress: Progress | None = None, cancel: Cancel | None = None
) -> CollapseReport:
    """Do what a plan says, once. A file that was changed since is an error.

    Raises:
        As :func:`collapse`.
    """
    started = time.monotonic()
    if plan.fatal:
        raise _error(plan.fatal)
    writer = carry_out(plan.writes, plan.target, overwrite=True, workers=workers, progress=progress, cancel=cancel)
    refused = dict(plan.writes.refused)
    copied = {link.directory.join(link.name) for link in writer.fallen_back}
    actions = [action._replace(action="copy") if action.key in copied else action for action in plan.actions if action.key not in refused]
    final = MaterialisePlan(plan.target, plan.mode, tuple(actions), plan.directories, plan.issues, plan.writes)
    return CollapseReport(final, writer.files, writer.bytes, sorted(plan.writes.refused), time.monotonic() - started)


def _error(issues: tuple[Issue, ...]) -> Exception:
    """The first issue as the error it is."""
    first = issues[0]
    more = f" (and {len(issues) - 1} more such: the plan lists them)" if len(issues) > 1 else ""
    if first.issue == "missing_loose_source":
        return EntryNotFoundError(first.source, first.reason + more)
    if first.issue == "unsafe_destination":
        return UnsafePathError(first.destination, first.reason + more)
    if os.path.isdir(first.destination):
        return IsADirectoryError(errno.EISDIR, first.reason + more, first.destination)
    return NotADirectoryError(errno.ENOTDIR, first.reason + more, first.destination)


def dump(union: UnionFs, target: PathType, path: PathType = "", *, progress: Progress | None = None) -> CollapseReport:
    """Write the merged view, or a directory of it, into a folder as copies; see :func:`collapse`."""
    return collapse(union, target, path=path, progress=progress)


def extract_file(
    fs: FileSystem, path: PathType, destination: PathType, *, overwrite: bool = False, progress: Progress | None = None
) -> ExtractReport:
    """Write one file to the host: whole, or not at all.

    Args:
        fs: The union, or any file system.
        path: The file.
        destination: The host file; or a folder that exists, into which it goes under its own name.
        overwrite: Replace a regular file that exists.
        progress: Called with bytes done, bytes in all, files done, files in all.

    Raises:
        EntryNotFoundError, IsADirectoryEntryError: No such file.
        FileExistsError: The destination exists, and ``overwrite`` is false.
        UnsafePathError: The destination is a symbolic link.
        OSError, OboromiFsError: The host refuses, or the file cannot be read.
    """
    canonical = normalise(path)
    storage = fs.storage(canonical)
    host = os.fsdecode(destination)
    if os.path.isdir(host):
        host = os.path.join(host, split(canonical)[1])
    return write_file(storage, host, overwrite=overwrite, progress=progress)
