"""Extraction: files that share storages become files of the host, fast, and either all of them or none.

Speed: reads are sorted by where the bytes lie and merged into windows, so that 200,000 small files cost a thousand reads; large files are
copied in pieces by a few threads, which decrypt and write at the same time; plain bytes of a host file are copied inside the kernel.

Safety: everything is written into a staging directory and put in place at the end (:mod:`oboromi_fs.jobs.staging`); names that must not
reach the host's disk are left out and reported (:mod:`oboromi_fs.jobs.plan`). Data is not flushed to the disk: like any copy, it is safe
from a crash of this program, not from one of the machine.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs.base import extents_of
from oboromi_fs.errors import IsADirectoryEntryError, UnsafePathError
from oboromi_fs.jobs.plan import Plan
from oboromi_fs.jobs.staging import Staging
from oboromi_fs.jobs.writer import CancelledError, Writer
from oboromi_fs.paths import Glob, addressable, join, normalise, split
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oboromi_fs.jobs.writer import Cancel, Progress
    from oboromi_fs.protocols import FileSystem, PathType, Storage

__all__ = ["CancelledError", "ExtractReport", "carry_out", "extract", "extract_tree", "write_file"]


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What an extraction did.

    Attributes:
        files: Files written.
        bytes: Bytes in them.
        dirs: Directories the tree has, not counting the target itself.
        refused: ``(path, reason)`` of each entry that was left out, in path order.
        elapsed: Seconds it took.
    """

    files: int
    bytes: int
    dirs: int
    refused: list[tuple[str, str]]
    elapsed: float


def extract(
    extents: Iterable[Extent],
    target: PathType,
    *,
    dirs: Iterable[str] = (),
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> ExtractReport:
    """Write files and directories below a host directory: all of them, or nothing.

    Entries that cannot be on a host's disk are left out and reported: unsafe names, names the host refuses, a second entry of the same
    path (or of one the host takes for the same), a file where a directory is. On any error, interrupt or cancellation the target is as it
    was; only an interrupt that comes when everything is in place leaves it there.

    Args:
        extents: The files, at virtual paths below the target: canonical, ``/``-separated.
        target: The host directory. If it does not exist it is made, with its parents; if it does, the tree is merged into it.
        dirs: Directories to make even if no file is in them. Parents of files need not be named.
        overwrite: Replace regular files that exist, instead of refusing.
        workers: Threads at most; by default as many as there are processors, 4 at most.
        progress: ``progress(done_bytes, total_bytes, done_files, total_files)``, called from this thread at most 20 times a second, and
            at the end.
        cancel: Asked from this thread as often; when it returns true the work stops.

    Raises:
        OSError: The host refuses (permission, no room), an entry of the target is in the way (FileExistsError, IsADirectoryError,
            NotADirectoryError), or the source cannot be read.
        UnsafePathError: A symbolic link in the target is where an entry must go; it is never followed.
        OboromiFsError: The source is damaged. The message names the file.
        CancelledError: ``cancel`` returned true.

    Example:
        >>> import tempfile, os
        >>> from oboromi_fs.base import MemoryStorage
        >>> data = MemoryStorage(b"hello world")
        >>> target = os.path.join(tempfile.mkdtemp(), "out")
        >>> report = extract([Extent("a/hello", data, 0, 5), Extent("../evil", data, 6, 5)], target)
        >>> report.files, report.refused
        (1, [('../evil', "the name '..' is a path, not a name")])
        >>> os.listdir(os.path.join(target, "a"))
        ['hello']
    """
    started = time.monotonic()
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be positive, not {workers}")
    plan = Plan()
    for path in dirs:
        plan.add_directory(path)
    for extent in extents:
        plan.add_file(extent)
    writer = carry_out(plan, os.fsdecode(target), overwrite=overwrite, workers=workers, progress=progress, cancel=cancel)
    return ExtractReport(writer.files, writer.bytes, len(plan.directories), sorted(plan.refused), time.monotonic() - started)


def carry_out(
    plan: Plan,
    host: str,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Writer:
    """Make what is planned below a host directory: all of it, or nothing. See :func:`extract`.

    Returns:
        The writer, which tells what it did.
    """
    staging = Staging(host)
    try:
        staging.check(plan.root, overwrite=overwrite)
        staging.create()
        _refuse_clashes(plan, staging)
        writer = Writer(plan, staging.tree, host, progress=progress, cancel=cancel)
        writer.run(workers or _processors())
        staging.promote(plan.root, overwrite=overwrite)
    except BaseException as error:
        staging.abandon(error)
        raise
    finally:
        staging.close()
    return writer


def _refuse_clashes(plan: Plan, staging: Staging) -> None:
    refused = False
    for directory, names in plan.clash_suspects():
        for name in staging.clashing(names):
            plan.refuse(directory, name, f"the host takes the name {name!r} for that of an earlier entry")
            refused = True
    if refused:
        plan.prune()


def _processors() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 4)


def extract_tree(
    fs: FileSystem,
    target: PathType,
    path: PathType = "",
    *,
    globs: Iterable[str] = (),
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> ExtractReport:
    """Extract what lies below a path of a file system; a file is put into the target under its own name.

    Args:
        fs: Any file system.
        target: The host directory; see :func:`extract` for it and for what is not named here.
        path: The directory, or file, to extract.
        globs: Patterns (:class:`oboromi_fs.paths.Glob`) over paths relative to ``path``. An entry is taken if one matches it or a
            directory above it; without globs everything is.
        overwrite: Replace regular files that exist.
        workers: Threads at most.
        progress: Called with bytes done, bytes in all, files done, files in all.
        cancel: Asked now and then whether to stop.

    Raises:
        EntryNotFoundError: No such path.
        OSError, OboromiFsError: As :func:`extract`.
    """
    root = normalise(path)
    dirs: Iterable[str]
    extents: Iterable[Extent]
    if root and fs.metadata(root).kind == "file":
        storage = fs.storage(root)
        dirs, extents = (), [Extent(split(root)[1], storage, 0, storage.size)]
    else:
        dirs, extents = _directories(fs, root), extents_of(fs, root)
    if chosen := [Glob(pattern) for pattern in globs]:
        selection = _Selection(chosen)
        dirs = (inner for inner in dirs if selection.takes_directory(inner))
        extents = (extent for extent in extents if selection.takes(extent.path))
    return extract(extents, target, dirs=dirs, overwrite=overwrite, workers=workers, progress=progress, cancel=cancel)


def _directories(fs: FileSystem, root: str) -> Iterator[str]:
    """The directories below a path, parents first."""
    pending = [""]
    while pending:
        above = pending.pop()
        inner = [
            join(above, entry.name)
            for entry in fs.read_dir(join(root, above) if above else root)
            if entry.kind == "directory" and addressable(entry.name)
        ]
        yield from inner
        pending.extend(reversed(inner))


class _Selection:
    """Which paths globs take: those they match, and everything below a directory they match."""

    def __init__(self, globs: list[Glob]) -> None:
        self._globs = globs
        self._known = {"": False}

    def takes_directory(self, path: str) -> bool:
        way: list[str] = []
        while (taken := self._known.get(path)) is None:
            way.append(path)
            path = split(path)[0]
        for inner in reversed(way):
            taken = self._known[inner] = taken or self._matches(inner)
        return taken

    def takes(self, path: str) -> bool:
        return self.takes_directory(split(path)[0]) or self._matches(path)

    def _matches(self, path: str) -> bool:
        return any(glob.matches(path) for glob in self._globs)


def write_file(
    storage: Storage,
    destination: PathType,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> ExtractReport:
    """Write one storage to a host file, with the speed and the guarantees of :func:`extract`: it is there whole, or not at all.

    Args:
        storage: The bytes.
        destination: The host path; missing parents are made.
        overwrite: Replace a regular file that exists.
        workers: Threads at most.
        progress: Called with bytes done, bytes in all, files done, files in all.
        cancel: Asked now and then whether to stop.

    Raises:
        OSError: The host refuses the file or its name, or something is in the way.
        UnsafePathError: The destination is a symbolic link.
        OboromiFsError: The storage cannot be read.
    """
    host = os.fsdecode(destination)
    parent, name = os.path.split(host)
    if not name:
        raise IsADirectoryEntryError(host)
    if "\0" in name:
        raise UnsafePathError(host, "holds a NUL")
    extents = [Extent(name, storage, 0, storage.size)]
    report = extract(extents, parent or os.curdir, overwrite=overwrite, workers=workers, progress=progress, cancel=cancel)
    if report.refused:
        raise OSError(errno.EINVAL, report.refused[0][1], host)
    return report
