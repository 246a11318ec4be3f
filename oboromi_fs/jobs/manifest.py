"""A manifest: size and digest of every file, read in the order in which the bytes lie.

Files that share a storage are sorted by offset and read through large windows, so that a hundred small encrypted files cost one
decryption; a large file is hashed by itself while the next piece of it is read. Threads share the work: hashing and decryption release
the interpreter's lock.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError, OboromiFsError
from oboromi_fs.jobs.copying import told
from oboromi_fs.jobs.windows import seen_through
from oboromi_fs.paths import sort_key
from oboromi_fs.storage._source import fill, origin, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from oboromi_fs.protocols import Extent, Storage

__all__ = ["ALGORITHMS", "Entry", "NoSuchAlgorithmError", "manifest"]

ALGORITHMS = ("sha256", "blake3")

_WINDOW = 4 << 20
"""Bytes read at a time."""
_GAP = 1 << 16
"""Unused bytes between two files that cost less to read than a second call."""
_FEW = 1 << 20
"""Bytes in all up to which threads cost more than they save."""

Progress: TypeAlias = "Callable[[int, int, str], object]"


class NoSuchAlgorithmError(OboromiFsError, ImportError):
    """The algorithm needs a package that is not installed."""


class Entry(NamedTuple):
    """Size in bytes and digest as hexadecimal text."""

    size: int
    digest: str


class _Run(NamedTuple):
    """Files that are read together: from ``start`` to ``stop`` of a storage. ``files`` are paths, starts and ends."""

    storage: Storage
    start: int
    stop: int
    files: list[tuple[str, int, int]]


def manifest(
    files: Iterable[Extent],
    algorithm: str = "sha256",
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    named: Callable[[str], str] = repr,
) -> dict[str, Entry]:
    """Hash files.

    Args:
        files: The files, each as a run of a storage; those that share one are read together.
        algorithm: ``"sha256"``, or ``"blake3"`` where the package of that name is installed.
        workers: Threads; None takes one for each processor, 4 at most.
        progress: Called with bytes done, bytes in all and a path, from any thread, one at a time.
        named: What errors call a file, by its path.

    Returns:
        Path -> Entry, in path order.

    Raises:
        NoSuchAlgorithmError: The package for it is not installed.
        OboromiFsError, OSError: A file cannot be read; the message names it.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> from oboromi_fs.protocols import Extent
        >>> data = MemoryStorage(b"hello")
        >>> manifest([Extent("a", data, 0, 5), Extent("b/c", data, 5, 0)])["b/c"].digest[:16]
        'e3b0c44298fc1c14'
    """
    new = _constructor(algorithm)
    runs = list(_plan(files))
    total = sum(size for run in runs for _, first, last in run.files if (size := last - first))
    work = _Work(new, total, progress, named)
    if total <= _FEW:
        for run in runs:
            work.do(run, None)
    else:
        work.share(runs, workers or min(os.cpu_count() or 1, 4))
    return dict(sorted(work.found.items(), key=lambda item: sort_key(item[0])))


def _constructor(algorithm: str) -> Callable[..., Any]:
    if algorithm == "sha256":
        return hashlib.sha256
    if algorithm != "blake3":
        message = f"algorithm must be one of {', '.join(ALGORITHMS)}, not {algorithm!r}"
        raise ValueError(message)
    try:
        from blake3 import blake3
    except ImportError:
        raise NoSuchAlgorithmError("BLAKE3 needs the package blake3: pip install 'oboromi-fs[blake3]', or use sha256") from None
    constructor: Callable[..., Any] = blake3
    return constructor


def _plan(files: Iterable[Extent]) -> Iterator[_Run]:
    """Sort files by storage and offset and merge neighbours into runs."""
    sources: dict[int, tuple[Storage, list[tuple[int, int, str]]]] = {}
    for path, storage, offset, size in files:
        whole, start = seen_through(storage, offset)
        sources.setdefault(id(whole), (whole, []))[1].append((start, start + size, path))
    for whole, found in sources.values():
        found.sort()
        first = last = 0
        batch: list[tuple[str, int, int]] = []
        for start, stop, path in found:
            if batch and (max(stop, last) - first > _WINDOW or start - last > _GAP):
                yield _Run(whole, first, last, batch)
                batch = []
            if not batch:
                first = last = start
            last = max(last, stop)
            batch.append((path, start, stop))
        if batch:
            yield _Run(whole, first, last, batch)


class _Work:
    """The runs, the threads that do them, and what they found."""

    def __init__(self, new: Callable[..., Any], total: int, progress: Progress | None, named: Callable[[str], str]) -> None:
        self.new = new
        self.named = named
        self.total = total
        self.progress = progress
        self.found: dict[str, Entry] = {}
        self._done = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def share(self, runs: list[_Run], count: int) -> None:
        """Do all runs in ``count`` threads, and as many that read ahead."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(count, "hash") as pool, ThreadPoolExecutor(count, "read") as readers:
            try:
                # Long ones first: the last thread to end should not have just begun the longest.
                runs.sort(key=lambda run: run.start - run.stop)
                waiting = iter(runs)
                for future in [pool.submit(self._do_all, waiting, readers) for _ in range(count)]:
                    future.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _do_all(self, waiting: Iterator[_Run], readers: Executor) -> None:
        """Take runs as long as there are any. A future for each would cost more than many a file."""
        while not self._stop.is_set():
            with self._lock:
                run = next(waiting, None)
            if run is None:
                return
            try:
                self.do(run, readers)
            except BaseException:
                self._stop.set()
                raise

    def do(self, run: _Run, readers: Executor | None) -> None:
        """Hash the files of a run."""
        try:
            if run.stop - run.start > _WINDOW and len(run.files) == 1:
                self._large(run, readers)
                return
            if self._stop.is_set():
                return
            data = _whole(run)
        except (OboromiFsError, OSError) as error:
            if len(run.files) == 1:
                path = run.files[0][0]
                raise told(error, f"while hashing {self.named(path)}", path).with_traceback(error.__traceback__) from error.__cause__
            # One by one: to learn which file cannot be read, or that the damage is between the files and does no harm.
            for file in run.files:
                self.do(_Run(run.storage, file[1], file[2], [file]), readers)
            return
        new, base = self.new, run.start
        found: dict[str, Entry] = {}
        before, entry = (-1, -1), Entry(0, "")
        for path, start, stop in run.files:
            if self._stop.is_set():
                return
            if (start, stop) != before:  # They are sorted: files of the same bytes stand together, and are hashed once.
                before, entry = (start, stop), Entry(stop - start, new(data[start - base : stop - base]).hexdigest())
            found[path] = entry
        with self._lock:
            self.found.update(found)
        self._advance(sum(entry.size for entry in found.values()), run.files[-1][0])

    def _large(self, run: _Run, readers: Executor | None) -> None:
        """Hash one large file piece by piece, while the next piece is being read."""
        (path, start, stop), storage = run.files[0], run.storage
        state = self.new()
        ahead: Any = None
        spare = [memoryview(bytearray(0)), memoryview(bytearray(0))]
        for number, at in enumerate(range(start, stop, _WINDOW)):
            if self._stop.is_set():
                return
            end = min(at + _WINDOW, stop)
            piece = ahead.result() if ahead is not None else _piece(storage, at, end, spare, number)
            ahead = None
            if readers is not None and end < stop and not _is_plain(storage, end):
                ahead = readers.submit(_piece, storage, end, min(end + _WINDOW, stop), spare, number + 1)
            state.update(piece)
            self._advance(len(piece), path)
        self.found[path] = Entry(stop - start, state.hexdigest())

    def _advance(self, count: int, path: str) -> None:
        if self.progress is None:
            return
        with self._lock:
            self._done += count
            self.progress(self._done, self.total, path)


def _whole(run: _Run) -> memoryview:
    data = run.storage[run.start : run.stop]
    if len(data) != run.stop - run.start:
        position, source = origin(run.storage, run.start + len(data))
        raise CorruptError(
            f"{run.stop - run.start} bytes are needed, {len(data)} are there", what=run.storage.kind, source=source, offset=position
        )
    return data


def _is_plain(storage: Storage, at: int) -> bool:
    return isinstance(storage, StorageBase) and view_of(storage, at, at + 1) is not None


def _piece(storage: Storage, start: int, stop: int, spare: list[memoryview], number: int) -> memoryview:
    """Bytes of a storage: as they lie in memory, or in one of two buffers in turn."""
    view = view_of(storage, start, stop)
    if view is not None:
        return view
    if len(spare[number % 2]) < stop - start:
        spare[number % 2] = memoryview(bytearray(stop - start))
    target = spare[number % 2][: stop - start]
    fill(storage, start, target)
    return target
