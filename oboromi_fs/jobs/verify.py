"""Check every hash there is: card and partition headers, NCA names, section hash trees, content records, signatures.

The work is planned first, as runs of blocks, and done by a pool of threads (hashlib and the ciphers release the GIL); results come in the
order of the plan.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.nax0 import is_nax0
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.nro import NroArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.savedata import SaveDataFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check, State, Status, Step, Task, failure, misnamed, no_ncz, now, sd_header, structure, vouched
from oboromi_fs.jobs.filechecks import file_steps, nro_steps
from oboromi_fs.jobs.ncachecks import nca_steps, romfs_step, section_steps
from oboromi_fs.jobs.packagechecks import PAGE, card_steps, entry_hash
from oboromi_fs.jobs.recordchecks import RecordChecks
from oboromi_fs.jobs.savechecks import save_steps
from oboromi_fs.jobs.unfold import Opened
from oboromi_fs.jobs.zipchecks import zip_crc, zip_directory
from oboromi_fs.paths import addressable, join
from oboromi_fs.storage.ncz import is_ncz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from oboromi_fs.opening import Location, Opener
    from oboromi_fs.protocols import FileSystem
    from oboromi_fs.tickets import Ticket

__all__ = ["Check", "Status", "verify"]

_MAX_DEPTH = 16
"""Containers in containers that are looked into."""
_MAX_ZIPS = 1000
"""ZIP archives inside other containers that are looked into: a few kilobytes can hold millions, each in the next."""


def verify(
    place: Location,
    *,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Iterator[Check]:
    """Check everything at and below a place, going on into containers.

    Args:
        place: What to check, from :func:`oboromi_fs.opening.locate`.
        workers: Threads; None takes one for each processor.
        progress: Called with bytes done, bytes planned and the path being read, from any thread, one at a time.

    Yields:
        A Check for everything that was looked at, in the order of the archive; failures inside are Checks, too.

    Raises:
        FormatError: The place itself is a container that cannot be opened.
        MissingKeyError: So, for want of a key.
    """
    from concurrent.futures import ThreadPoolExecutor

    state = State(progress)
    steps = _Planner(place, state).plan()
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, "verify")
    try:
        waiting = deque((step, [_submit(pool, task) for task in step.tasks]) for step in steps)
        while waiting:
            step, futures = waiting.popleft()
            yield from step.finish([future.result() for future in futures])
    finally:
        state.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: Executor, task: Task) -> Future[list[Check] | bytes]:
    return pool.submit(task)


class _Planner:
    """Finds what there is to check; opens headers only."""

    def __init__(self, place: Location, state: State) -> None:
        self.place = place
        self.opener: Opener = place.fs.opener
        self.state = state
        self.records = RecordChecks(self.opener, place.fs.tickets_of, state)
        self.depth = 0
        self.zips = 0

    def plan(self) -> list[Step]:
        nested, path = self.place.fs, self.place.path
        fs, inner = nested.resolve(path)
        label = self.place.display.rstrip("/")
        if inner and fs.metadata(inner).kind == "file":
            if inner.lower().endswith(".ncz") and not is_ncz(fs.storage(inner)):
                return [now(no_ncz(label, fs.storage(inner)))]
            container = nested.enter(path)
            if container is None:
                unknown = file_steps(label, inner, fs.storage(inner), self.state) or misnamed(label, inner, fs.storage(inner))
                if isinstance(fs, ZipFs):
                    return [*unknown, zip_crc(label, fs, {label: inner}, self.state)]
                return unknown or [now(Check(label, "format", "skipped", "a plain file: it holds no hash to check"))]
            if isinstance(fs, Nca):
                return section_steps(label, fs.section(inner), self.state)
            found = self._container(label, container, inner.rpartition("/")[2])
            if is_nax0(fs.storage(inner)):
                found.insert(0, now(sd_header(label, fs.storage(inner), inner.rpartition("/")[2], self.opener)))
            kind = getattr(container, "kind", "file")
            return found or [now(Check(label, "format", "skipped", f"a plain {kind}: it holds no hash to check"))]
        if isinstance(fs, Nca):
            return self._container(label, fs, "")
        if isinstance(fs, XciArchive) and inner:
            archive = fs.partition(inner)
            complete = [label] if inner == "secure" else []
            return [*self._partition(label, archive), *self.records.steps({label: archive}, complete=complete)]
        if isinstance(fs, PartitionArchive | XciArchive) or (isinstance(fs, ZipFs | SaveDataFs) and not inner):
            return self._container(label, fs, "")
        if isinstance(fs, ZipFs):
            return self._zip_files(label, fs, inner)
        return self._folder(label, fs, inner)

    # What a container is

    def _file(self, label: str, fs: FileSystem, inner: str, tickets: Callable[[bytes], Ticket | None] | None, beside: Opened) -> list[Step]:
        """A member of something: entered if it is a container, and shares no byte with one ``beside`` it."""
        name = inner.rpartition("/")[2]
        try:
            storage = fs.storage(inner)
            if name.lower().endswith(".ncz") and not is_ncz(storage):  # Begins like the NCA it was, and must not be taken for that.
                return [now(no_ncz(label, storage))]
            container = self.opener.container(storage, name, tickets=tickets)
            card = [now(sd_header(label, storage, name, self.opener))] if is_nax0(storage) else []
        except (OboromiFsError, OSError) as wrong:  # One file that cannot be read does not end the work on the others.
            return [now(failure(label, "format", wrong))]
        if container is not None:
            if not beside.takes(storage, 0, storage.size) or self.depth >= _MAX_DEPTH:
                # Archives that hold each other would have more in them than can ever be looked at.
                detail = "shares bytes with another container, or lies too deep inside others; not looked into"
                return [now(Check(label, "format", "failed", detail, storage.place(0).offset))]
            self.depth += 1
            try:
                return [*card, *self._container(label, container, name)]
            finally:
                self.depth -= 1
        return file_steps(label, name, storage, self.state) or misnamed(label, name, storage, lambda: vouched(fs, inner))

    def _folder(self, label: str, fs: FileSystem, directory: str) -> list[Step]:
        steps: list[Step] = []
        waiting = [(label, directory, "directory")]  # A stack, the next on top: folders may be nested deeper than calls can be.
        while waiting:
            label, inner, kind = waiting.pop()
            if kind == "directory":
                entries = sorted(fs.read_dir(inner), reverse=True)
                # What no path can hold keeps its place in the order, and is only told.
                waiting += [
                    (join(label, entry.name), join(inner, entry.name), entry.kind if addressable(entry.name) else "") for entry in entries
                ]
            elif not kind:
                steps.append(now(Check(label, "name", "failed", "is no name a path can hold; not looked into")))
            else:
                steps += self._file(label, fs, inner, self.place.fs.tickets_of(fs, inner.rpartition("/")[0]), Opened())
        return steps

    def _container(self, label: str, fs: FileSystem, name: str) -> list[Step]:
        if isinstance(fs, Nca):
            return nca_steps(label, fs, name, self.state)
        if isinstance(fs, XciArchive):
            return self._xci(label, fs)
        if isinstance(fs, PartitionArchive):
            return [*self._partition(label, fs), *self.records.steps({label: fs}, complete=[label])]
        if isinstance(fs, RomFs):
            return [romfs_step(label, fs, self.state)]
        if isinstance(fs, NroArchive):
            return nro_steps(label, fs.nro, self.state)
        if isinstance(fs, ZipFs):
            return self._zip(label, fs)
        if isinstance(fs, SaveDataFs):
            return save_steps(label, fs, self.opener.keys, self.state)
        return []

    # Partitions and cards

    def _partition(
        self, label: str, archive: PartitionArchive, *, enter: bool = True, slack: int = 0, beside: Opened | None = None
    ) -> list[Step]:
        steps = [now(structure(label, archive, slack=slack))]
        tickets = self.place.fs.tickets_of(archive)
        beside = beside if beside is not None else Opened()
        for member in archive.members.values():
            below = join(label, member.name)
            if member.hashed_size:
                steps.append(entry_hash(below, archive, member.name, self.state))
            if enter:
                steps += self._member(below, archive, member.name, tickets, beside)
        return steps

    def _member(
        self, label: str, archive: PartitionArchive, name: str, tickets: Callable[[bytes], Ticket | None], beside: Opened
    ) -> list[Step]:
        if not addressable(name):
            return [now(Check(label, "name", "failed", "is no name a path can hold; not looked into"))]
        return self._file(label, archive, name, tickets, beside)

    def _xci(self, label: str, card: XciArchive) -> list[Step]:
        steps = card_steps(label, card, self.opener.keys)
        steps += self._partition(label, card.root, enter=False, slack=PAGE)
        archives: dict[str, PartitionArchive] = {}
        beside = Opened()  # One for the whole card.
        for name in card.partitions:
            below = join(label, name)
            try:
                archives[below] = archive = card.partition(name)
            except OboromiFsError as wrong:
                steps.append(now(failure(below, "format", wrong)))
                continue
            steps += self._partition(below, archive, beside=beside)
        return [*steps, *self.records.steps(archives, complete=[join(label, "secure")])]

    # ZIP

    def _zip(self, label: str, fs: ZipFs) -> list[Step]:
        if self.depth > 1:
            self.zips += 1
            if self.zips > _MAX_ZIPS:
                detail = f"{_MAX_ZIPS} ZIP archives inside others were looked into, and no more are"
                return [now(Check(label, "format", "skipped", detail, fs.raw.place(0).offset))]
        try:
            directory = zip_directory(label, fs)
        except OboromiFsError as wrong:
            return [now(failure(label, "ZIP directory", wrong))]
        return [now(directory), *self._zip_files(label, fs, "")]

    def _zip_files(self, label: str, fs: ZipFs, directory: str) -> list[Step]:
        """The CRC-32 of every file below a directory; and what there is to check in those that are containers."""
        start = f"{directory}/" if directory else ""
        files = {join(label, path[len(start) :]): path for path, _ in fs.entries() if path.startswith(start)}
        steps = [zip_crc(label, fs, files, self.state)] if files else []
        beside = Opened()
        for below, path in files.items():
            try:
                fs.storage(path)[:1]
            except OboromiFsError:  # That it cannot be read is told with its CRC-32.
                continue
            steps += self._file(below, fs, path, self.place.fs.tickets_of(fs, path.rpartition("/")[0]), beside)
        return steps
