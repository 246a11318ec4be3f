"""The writer: a few threads that carry out the jobs of a plan, into a tree that nobody else sees yet.

Threads are enough: reading, decrypting and every call to the host release the interpreter's lock. Small files are opened by a path
relative to the tree, which costs the host less than a descriptor per directory; only below some depth (a path has a maximal length) a few
directories are held open.
"""

from __future__ import annotations

import errno
import os
import time
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, TypeAlias

from oboromi_fs.errors import EntryNotFoundError, OboromiFsError
from oboromi_fs.jobs.anchors import Anchors
from oboromi_fs.jobs.copying import KernelCopy, host_file, read_exactly, write_at
from oboromi_fs.jobs.linking import make_link, set_attributes
from oboromi_fs.jobs.loosefile import LooseFile
from oboromi_fs.jobs.plan import FILES_PER_WINDOW, WINDOW, Window
from oboromi_fs.jobs.staging import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.jobs.hosttree import Cursor
    from oboromi_fs.jobs.plan import Large, Link, Piece, Plan

__all__ = ["Cancel", "CancelledError", "Progress", "Writer"]

Progress: TypeAlias = "Callable[[int, int, int, int], object]"
"""Called with bytes done, bytes in all, files done, files in all."""
Cancel: TypeAlias = "Callable[[], bool]"
"""Asked now and then whether to give up."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT"):  # Each host has some of them.
    _CREATE |= getattr(os, _flag, 0)

_REFUSALS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST)
"""How hosts say that they cannot have a file of this name: nothing exists in the tree but what this run made."""
_REACH = 900
"""Characters of a relative path, at most 4 bytes each, that leave room for a name within the usual limit of 4096 bytes."""
_BEAT = 0.05
"""Seconds between two reports of progress."""
_NAP = 0.002
"""Seconds between two looks at whether the workers have stopped."""


class CancelledError(OboromiFsError):
    """The caller cancelled the work; nothing of it was left."""


class _Tally:
    """What one thread has done so far."""

    __slots__ = ("bytes", "files")

    def __init__(self) -> None:
        self.bytes = 0
        self.files = 0


class Writer:
    """Makes the directories and files of a plan.

    Args:
        plan: What to make. Entries that the host refuses are moved to its ``refused``.
        tree: The directory to make them in, empty and not accessible to anybody else.
        target: What error messages call that directory.
        progress: Called from the calling thread, at most 20 times a second, and once at the end.
        cancel: Asked from the calling thread as often; true stops the work.

    Attributes:
        linked: The links that were made.
        fallen_back: Links that the host would not make: these files are copied.
    """

    def __init__(self, plan: Plan, tree: Cursor, target: str, *, progress: Progress | None = None, cancel: Cancel | None = None) -> None:
        self._plan = plan
        self._tree = tree
        self._target = target
        self._progress = progress
        self._cancel = cancel
        self._next_beat = 0.0
        self._total_bytes = 0
        self._total_files = 0
        self._jobs = plan.jobs()
        self._lock = Lock()
        self._stop = False
        self._running = 0
        self._ended = 0
        self._news = Event()
        self._error: BaseException | None = None
        self._tallies: list[_Tally] = []
        self._opened: set[Large] = set()
        self._kernel = KernelCopy()

        self.linked: list[Link] = []
        self.fallen_back: list[Link] = []

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        return sum(tally.bytes for tally in self._tallies)

    @property
    def files(self) -> int:
        """Files completed so far."""
        return sum(tally.files for tally in self._tallies) + len(self.linked)

    def run(self, workers: int) -> None:
        """Make everything, with that many threads at most.

        Raises:
            OSError: The host refuses, such as for want of room; or the source cannot be read.
            OboromiFsError: The source is damaged; the message names the file that was being written.
            CancelledError: ``cancel`` said so.
        """
        self._make_directories()
        self._make_links()
        self._total_bytes, self._total_files = self._plan.bytes, self._plan.files + len(self.linked)
        jobs = self._total_bytes // WINDOW + self._total_files // FILES_PER_WINDOW + 1
        try:
            if min(workers, jobs) == 1:
                self._work(self._beat)
            else:
                self._work_in_threads(min(workers, jobs))
        finally:
            while self._opened:
                self._close(self._opened.pop())
        self._set_attributes()
        if self._progress is not None:
            self._progress(self.bytes, self.bytes, self.files, self.files)

    def _beat(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + _BEAT
        if self._cancel is not None and self._cancel():
            raise CancelledError(f"extraction to {self._target} was cancelled")
        if self._progress is not None:
            self._progress(self.bytes, self._total_bytes, self.files, self._total_files)

    def _make_directories(self) -> None:
        """Make the directories, parents first, and settle how each is reached."""
        self._plan.root.rel = self._tree.prefix
        anchors = Anchors(self._tree.fd)
        refused = False
        try:
            for number, directory in enumerate(self._plan.directories):
                if number % FILES_PER_WINDOW == 0:
                    self._beat()
                above = directory.parent
                if above is None or above.refused:
                    directory.refused = above.refused if above is not None else ""
                    continue
                path = above.rel + directory.name
                try:
                    os.mkdir(path, dir_fd=anchors.fd(above.anchor))
                except OSError as error:
                    if error.errno not in _REFUSALS:
                        raise self._named(error, above.join(directory.name)) from None
                    self._plan.refuse(above, directory.name, _refusal(error))
                    refused = True
                    continue
                if len(path) > _REACH and self._tree.fd is not None:
                    directory.anchor, directory.step = directory, path
                else:
                    directory.anchor, directory.rel = above.anchor, path + os.sep
        finally:
            anchors.close()
        if refused:
            self._plan.prune()

    def _make_links(self) -> None:
        """Make the links; what the host will not link is left to the copying that follows."""
        anchors = Anchors(self._tree.fd)
        refused = False
        try:
            for number, link in enumerate(self._plan.links):
                if number % FILES_PER_WINDOW == 0:
                    self._beat()
                try:
                    if isinstance(link.storage, LooseFile):  # A link reads nothing, and would not notice.
                        link.storage.check()
                    made = make_link(link, anchors.fd(link.directory.anchor))
                except EntryNotFoundError:
                    raise
                except OSError as error:
                    if error.errno not in _REFUSALS:
                        raise self._named(error, link.directory.join(link.name)) from None
                    self._plan.refuse(link.directory, link.name, _refusal(error))
                    refused = True
                    continue
                (self.linked if made else self.fallen_back).append(link)
        finally:
            anchors.close()
        if refused:
            self._plan.prune()
        for link in self.fallen_back:
            self._plan.read_instead(link)

    def _set_attributes(self) -> None:
        anchors = Anchors(self._tree.fd)
        # What is the source itself is not to be touched.
        sources = {(link.directory, link.name) for link in self.linked if link.how != "reflink"}
        try:
            for attributes in self._plan.attributes:
                directory, name, _, _ = attributes
                if not directory.refused and name in directory.children and (directory, name) not in sources:
                    set_attributes(attributes, anchors.fd(attributes.directory.anchor))
        finally:
            anchors.close()

    def _named(self, error: OSError, path: str) -> OSError:
        """The host's error, about the path the user knows."""
        error.filename, error.filename2 = os.path.join(self._target, *path.split("/")), None
        return error

    def _work_in_threads(self, count: int) -> None:
        started = 0
        try:
            for _ in range(count):
                try:
                    Thread(target=self._work_apart, daemon=True).start()
                except RuntimeError:  # The host has no more threads to give.
                    break
                started += 1
            if not started:
                self._work(self._beat)
            while self._ended < started and not self._stop:
                if self._news.wait(_BEAT):
                    self._news.clear()
                self._beat()
        finally:
            undisturbed(self._stop_workers)
        if self._error is not None:
            raise self._error

    def _stop_workers(self) -> None:
        """Return when no worker touches a file any more.

        The workers count themselves, for ``Thread.join`` may return too early once a signal has interrupted it; and one that has not
        begun when this is called will not begin.
        """
        with self._lock:
            self._stop = True
        while self._running:
            time.sleep(_NAP)

    def _work_apart(self) -> None:
        with self._lock:
            if self._stop:
                return
            self._running += 1
        try:
            self._work(None)
        except BaseException as error:  # noqa: BLE001  # Whatever it is, the thread that waits raises it.
            with self._lock:
                if self._error is None:
                    self._error = error
            self._stop = True
        finally:
            with self._lock:
                self._running -= 1
                self._ended += 1
            self._news.set()

    def _work(self, beat: Callable[[], None] | None) -> None:
        """Take jobs until there are none."""
        tally = _Tally()
        self._tallies.append(tally)
        buffer = memoryview(bytearray(WINDOW))
        anchors = Anchors(self._tree.fd)
        try:
            while not self._stop:
                with self._lock:
                    job = next(self._jobs, None)
                if job is None:
                    break
                if type(job) is Window:
                    self._write_window(job, buffer, anchors, tally)
                else:
                    self._write_piece(job, buffer, anchors, tally)  # type: ignore[arg-type]  # There are but two kinds.
                if beat is not None:
                    beat()
        finally:
            anchors.close()

    def _write_window(self, window: Window, buffer: memoryview, anchors: Anchors, tally: _Tally) -> None:
        start = window.start
        self._read_window(window, buffer)
        os_open, os_write, os_close = os.open, os.write, os.close
        written = count = 0
        for file in window.files:
            offset, size, directory, name = file
            try:
                fd = os_open(directory.rel + name, _CREATE, 0o666, dir_fd=anchors.fd(directory.anchor))
            except OSError as error:
                if error.errno not in _REFUSALS:
                    raise self._named(error, file.path) from None
                self._plan.refuse(directory, name, _refusal(error))
                continue
            try:
                try:
                    if size:
                        offset -= start
                        done = os_write(fd, buffer[offset : offset + size])
                        while done < size:
                            done += os_write(fd, buffer[offset + done : offset + size])
                finally:
                    os_close(fd)
            except OSError as error:
                raise self._named(error, file.path) from None
            written += size
            count += 1
        tally.bytes += written
        tally.files += count

    @staticmethod
    def _read_window(window: Window, buffer: memoryview) -> None:
        storage, start, stop, files = window
        if start == stop:
            return
        try:
            if storage.readinto_at(start, buffer[: stop - start]) == stop - start:
                return
        except (OboromiFsError, OSError):
            pass
        # One by one: to learn which file cannot be read, or that the damage is between the files and does no harm.
        for file in files:
            if file.size:
                read_exactly(storage, file.offset, buffer[file.offset - start : file.offset - start + file.size], file)

    def _write_piece(self, piece: Piece, buffer: memoryview, anchors: Anchors, tally: _Tally) -> None:
        large, start, stop = piece
        with large.lock:
            if large.target < 0 and not large.refused:
                self._open(large, anchors)
        if not large.refused:
            self._copy(large, start, stop, buffer)
            tally.bytes += stop - start
        with large.lock:
            large.left -= 1
            if large.left or large.refused:
                return
        self._opened.discard(large)
        try:
            self._close(large)
        except OSError as error:
            raise self._named(error, large.file.path) from None
        tally.files += 1

    def _open(self, large: Large, anchors: Anchors) -> None:
        _, _, directory, name = large.file
        try:
            large.target = os.open(directory.rel + name, _CREATE, 0o666, dir_fd=anchors.fd(directory.anchor))
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise self._named(error, large.file.path) from None
            large.refused = True
            self._plan.refuse(directory, name, _refusal(error))
            return
        self._opened.add(large)
        if self._kernel.able:
            large.source = host_file(large.storage)

    @staticmethod
    def _close(large: Large) -> None:
        source, large.source = large.source, -1
        if source >= 0:
            os.close(source)
        target, large.target = large.target, -1
        if target >= 0:
            os.close(target)

    def _copy(self, large: Large, start: int, stop: int, buffer: memoryview) -> None:
        """Copy ``storage[start:stop]`` to where it belongs in the open file."""
        file, storage = large.file, large.storage
        if large.source >= 0:
            start += self._kernel.copy(large, start, stop)
        while start < stop:
            view = buffer[: min(len(buffer), stop - start)]
            read_exactly(storage, start, view, file)
            try:
                write_at(large, view, start - file.offset)
            except OSError as error:
                raise self._named(error, file.path) from None
            start += len(view)


def _refusal(error: OSError) -> str:
    if error.errno == errno.EEXIST:
        return "the host takes the name for that of an earlier entry"
    return f"the host does not take the name: {error.strerror}"
