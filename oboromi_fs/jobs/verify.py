"""Check every hash there is: card and partition headers, NCA names, section hash trees, content records, signatures.

The work is planned first, as runs of blocks, and done by a pool of threads (hashlib and the ciphers release the GIL); results come in the
order of the plan.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import RecordType
from oboromi_formats.nca import FsType
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.nca import Nca, NcaSection
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.contents import ContentMeta, record_type_name
from oboromi_fs.errors import IntegrityError, OboromiFsError
from oboromi_fs.jobs.checks import (
    SHOWN,
    Check,
    Digest,
    State,
    Status,
    Step,
    Task,
    compressed,
    count_of,
    failure,
    flatten,
    initial_data,
    misnamed,
    now,
    structure,
    vouched,
)
from oboromi_fs.jobs.signatures import card_signature, signatures
from oboromi_fs.jobs.titleids import of_one_title
from oboromi_fs.jobs.unfold import Opened
from oboromi_fs.jobs.zipchecks import zip_crc, zip_directory
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from oboromi_fs.opening import Location, Opener
    from oboromi_fs.protocols import FileSystem, Storage
    from oboromi_fs.storage.hashed import HashLevel, HashTreeStorage
    from oboromi_fs.tickets import Ticket

__all__ = ["Check", "Status", "verify"]

_RUN = 8 << 20
"""Bytes a task hashes: enough to drown its cost, little enough that two cores end together."""
_PAGE = 0x200
"""Bytes of a page of a game card: less than that may be missing at its end, where only filling is."""
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
        self.digests: dict[str, Digest] = {}
        self.depth = 0
        self.zips = 0

    def plan(self) -> list[Step]:
        nested, path = self.place.fs, self.place.path
        fs, inner = nested.resolve(path)
        label = self.place.display.rstrip("/")
        if inner and fs.metadata(inner).kind == "file":
            if inner.lower().endswith(".ncz"):
                return [now(compressed(label, fs.storage(inner)))]
            container = nested.enter(path)
            if container is None:
                unknown = misnamed(label, inner, fs.storage(inner))
                if isinstance(fs, ZipFs):
                    return [*unknown, zip_crc(label, fs, {label: inner}, self.state)]
                return unknown or [now(Check(label, "format", "skipped", "a plain file: it holds no hash to check"))]
            if isinstance(fs, Nca):
                return self._section(label, fs.section(inner))
            found = self._container(label, container, inner.rpartition("/")[2])
            kind = getattr(container, "kind", "file")
            return found or [now(Check(label, "format", "skipped", f"a plain {kind}: it holds no hash to check"))]
        if isinstance(fs, Nca):
            return self._container(label, fs, "")
        if isinstance(fs, XciArchive) and inner:
            archive = fs.partition(inner)
            complete = [label] if inner == "secure" else []
            return [*self._partition(label, archive), *self._contents({label: archive}, complete=complete)]
        if isinstance(fs, PartitionArchive | XciArchive) or (isinstance(fs, ZipFs) and not inner):
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
            if name.lower().endswith(".ncz"):  # Begins like the NCA it was, and must not be taken for that.
                return [now(compressed(label, storage))]
            container = self.opener.container(storage, name, tickets=tickets)
        except (OboromiFsError, OSError) as wrong:  # One file that cannot be read does not end the work on the others.
            return [now(failure(label, "format", wrong))]
        if container is not None:
            if not beside.takes(storage, 0, storage.size) or self.depth >= _MAX_DEPTH:
                # Archives that hold each other would have more in them than can ever be looked at.
                detail = "shares bytes with another container, or lies too deep inside others; not looked into"
                return [now(Check(label, "format", "failed", detail, storage.place(0).offset))]
            self.depth += 1
            try:
                return self._container(label, container, name)
            finally:
                self.depth -= 1
        return misnamed(label, name, storage, lambda: vouched(fs, inner))

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
            return self._nca(label, fs, name)
        if isinstance(fs, XciArchive):
            return self._xci(label, fs)
        if isinstance(fs, PartitionArchive):
            return [*self._partition(label, fs), *self._contents({label: fs}, complete=[label])]
        if isinstance(fs, RomFs):
            return [self._romfs(label, fs)]
        if isinstance(fs, ZipFs):
            return self._zip(label, fs)
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
                steps.append(self._entry_hash(below, archive, member.name))
            if enter:
                steps += self._member(below, archive, member.name, tickets, beside)
        return steps

    def _member(
        self, label: str, archive: PartitionArchive, name: str, tickets: Callable[[bytes], Ticket | None], beside: Opened
    ) -> list[Step]:
        if not addressable(name):
            return [now(Check(label, "name", "failed", "is no name a path can hold; not looked into"))]
        return self._file(label, archive, name, tickets, beside)

    def _entry_hash(self, label: str, archive: PartitionArchive, name: str) -> Step:
        member = archive.member(name)
        self.state.total += member.hashed_size

        def task() -> list[Check]:
            try:
                good = archive.hash_matches(name)
            except OboromiFsError as wrong:
                return [failure(label, "HFS0 entry hash", wrong)]
            self.state.advance(member.hashed_size, label)
            if good:
                return [Check(label, "HFS0 entry hash", "ok", size=member.hashed_size)]
            place = archive.raw.place(min(member.offset, archive.raw.size)).offset
            detail = f"the first {member.hashed_size:#x} bytes do not have the hash of the entry"
            return [Check(label, "HFS0 entry hash", "failed", detail, place, member.hashed_size)]

        return Step([task], flatten)

    def _xci(self, label: str, card: XciArchive) -> list[Step]:
        steps: list[Step] = []
        good, suffix = card.root_hash_matches()
        where = card.header_offset + card.header.root_address
        size = card.header.root_header_size
        if good:
            detail = f"with compatibility byte {suffix}" if suffix else ""
            steps.append(now(Check(label, "XCI root header hash", "ok", detail, size=size)))
        else:
            detail = "the root header does not have the hash of the card header, nor with a known region byte"
            steps.append(now(Check(label, "XCI root header hash", "failed", detail, where, size)))
        steps.append(now(*card_signature(label, card, self.opener.keys)))
        if card.has_key_area:
            steps.append(now(initial_data(label, card)))
        if card.raw.size < card.trimmed_size:
            detail = f"the header counts {card.trimmed_size:#x} bytes, the file has {card.raw.size:#x}"
            # Over-trimmed by less than a page is harmless: the page's rest is filling.
            status: Status = "note" if card.trimmed_size - card.raw.size < _PAGE else "failed"
            steps.append(now(Check(label, "XCI size", status, detail, card.raw.size)))
        steps += self._partition(label, card.root, enter=False, slack=_PAGE)
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
        return [*steps, *self._contents(archives, complete=[join(label, "secure")])]

    # Content records

    def _contents(self, archives: dict[str, PartitionArchive], complete: list[str]) -> list[Step]:
        """Compare each CNMT's records with the NCAs that lie in the same package.

        The archives in ``complete`` should hold what their CNMTs list; the other partitions of a card hold metas without contents.
        """
        steps: list[Step] = []
        members = {name: (label, archive) for label, archive in archives.items() for name in archive.members}
        seen: set[bytes] = set()
        for label, archive in archives.items():
            for name in archive.members:
                if not name.lower().endswith(".cnmt.nca"):
                    continue
                below = join(label, name)
                try:
                    nca = self.opener.container(archive.storage(name), name, tickets=self.place.fs.tickets_of(archive))
                    if not isinstance(nca, Nca):
                        continue
                    meta = ContentMeta.of_nca(nca)
                except OboromiFsError as wrong:
                    steps.append(now(failure(below, "CNMT", wrong)))
                    continue
                if meta.data in seen:  # Cards carry copies of one meta in several partitions.
                    continue
                seen.add(meta.data)
                steps.append(self._records(below, meta, members, complete=label in complete))
                steps += self._title(below, meta, nca, members)
        return steps

    def _title(self, label: str, meta: ContentMeta, own: Nca, members: dict[str, tuple[str, PartitionArchive]]) -> list[Step]:
        """Whether the NCAs that a CNMT lists, and the one it is in, are of its title; told where they are not."""
        ids = {label: own.header.program_id}
        for record in meta.records:
            name = f"{record.content_id.hex()}.nca"
            where, archive = members.get(name, ("", None))
            try:
                nca = self.opener.container(archive.storage(name), name) if archive is not None else None
            except OboromiFsError:  # That it cannot be read is told where it is looked into.
                continue
            if isinstance(nca, Nca):
                ids[join(where, name)] = nca.header.program_id
        return [
            now(Check(below, "CNMT title id", "failed", f"of {meta.title}: the NCA's header says {program_id:016x}, another title"))
            for below, program_id in ids.items()
            if not of_one_title(meta.header.title_id, program_id)
        ]

    def _records(self, label: str, meta: ContentMeta, members: dict[str, tuple[str, PartitionArchive]], *, complete: bool) -> Step:
        expected: list[tuple[str, Digest, bytes]] = []
        checks: list[Check] = []
        tasks: list[Task] = []
        what, title = "CNMT record", meta.title
        for record in meta.records:
            stem = record.content_id.hex()
            found = next((name for name in (f"{stem}.nca", f"{stem}.cnmt.nca") if name in members), None)
            if found is None:
                if f"{stem}.ncz" in members:
                    checks.append(Check(label, what, "skipped", f"of {title}: {stem}.ncz is compressed, which is not supported yet"))
                elif record.type == RecordType.DELTA_FRAGMENT:
                    checks.append(Check(label, what, "note", f"of {title}: delta fragment {stem}.nca is listed and not there, as is usual"))
                else:
                    status: Status = "failed" if complete else "note"
                    checks.append(
                        Check(label, what, status, f"of {title}: {record_type_name(record.type)} {stem}.nca is listed and not there")
                    )
                continue
            where, archive = members[found]
            below = join(where, found)
            size = archive.member(found).size
            if record.size != size:
                checks.append(Check(below, what, "failed", f"of {title}: the record says {record.size:#x} bytes, the file has {size:#x}"))
                continue
            digest = self.digests.get(below)
            if digest is None:
                try:
                    digest = self._digest(below, archive.storage(found))
                except OboromiFsError as wrong:
                    checks.append(failure(below, what, wrong))
                    continue
            expected.append((below, digest, record.hash))
            tasks.append(digest.run)

        def finish(results: list[list[Check] | bytes]) -> list[Check]:
            done = list(checks)
            for (below, digest, want), got in zip(expected, results, strict=True):
                if isinstance(got, list):
                    continue  # Reading failed; the name check has said so.
                good = got == want
                detail = f"of {title}" if good else f"of {title}: the file's hash is {got.hex()}, the record says {want.hex()}"
                done.append(Check(below, what, "ok" if good else "failed", detail, size=digest.size))
            return done

        return Step(tasks, finish)

    # NCA

    def _digest(self, label: str, storage: Storage) -> Digest:
        found = self.digests.get(label)
        if found is None:
            found = self.digests[label] = Digest(label, storage, self.state)
            self.state.total += storage.size
        return found

    def _nca(self, label: str, nca: Nca, name: str) -> list[Step]:
        steps: list[Step] = []
        stem = name.lower().partition(".")[0]
        if len(stem) == 32 and all(char in "0123456789abcdef" for char in stem):
            steps.append(self._name(label, nca, stem))
        if nca.header.content_size != nca.raw.size:
            status: Status = "failed" if nca.header.content_size > nca.raw.size else "note"
            detail = f"the header says {nca.header.content_size:#x} bytes, the file has {nca.raw.size:#x}"
            steps.append(now(Check(label, "NCA size", status, detail)))
        steps.append(now(*signatures(label, nca)))
        for section in nca.sections.values():
            steps += self._section(join(label, section.name), section)
        return steps

    def _name(self, label: str, nca: Nca, stem: str) -> Step:
        digest = self._digest(label, nca.raw)

        def finish(results: list[list[Check] | bytes]) -> list[Check]:
            (got,) = results
            if isinstance(got, list):
                return got
            good = got[:16].hex() == stem
            detail = "" if good else f"the file's hash begins {got[:16].hex()}: it was changed, or renamed"
            return [Check(label, "NCA name", "ok" if good else "failed", detail, size=digest.size)]

        return Step([digest.run], finish)

    def _section(self, label: str, section: NcaSection) -> list[Step]:
        if section.fault is not None:
            return [now(failure(label, "FS header hash", section.fault))]
        steps = [now(Check(label, "FS header hash", "ok", size=0x200))]
        try:
            tree = section.hash_layer(check=False)
        except OboromiFsError as wrong:
            return [*steps, now(failure(label, "hash tree", wrong))]
        if tree is None:
            steps.append(now(Check(label, "hash tree", "note", "the section has no hashes")))
        else:
            steps.append(self._tree(label, section, tree))
        try:
            image = section.image()
            fs = RomFs(image) if section.header.fs_type == FsType.ROMFS else NspArchive(image)
        except IntegrityError:  # The tree has said so already.
            return steps
        except OboromiFsError as wrong:
            return [*steps, now(failure(label, "file system", wrong))]
        if isinstance(fs, RomFs):
            return [*steps, self._romfs(label, fs)]
        return [*steps, now(structure(label, fs))]

    def _tree(self, label: str, section: NcaSection, tree: HashTreeStorage) -> Step:
        tasks: list[Task] = []
        blocks = 0
        for level in tree.levels():
            per_task = max(1, _RUN // level.block_size)
            self.state.total += level.size
            blocks += level.block_count
            tasks += [
                self._blocks(label, tree, level, first, min(per_task, level.block_count - first))
                for first in range(0, level.block_count, per_task)
            ]

        def finish(results: list[list[Check] | bytes]) -> list[Check]:
            bad = flatten(results)
            notes = [Check(label, "keys", "note", note) for note in section.notes]
            if bad:
                shown = bad[:SHOWN]
                if len(bad) > len(shown):
                    shown.append(Check(label, "hash tree", "failed", f"and {len(bad) - len(shown)} more bad blocks"))
                return shown + notes
            levels = tree.levels()
            detail = f"{len(levels)} levels, {blocks} blocks"
            return [Check(label, "hash tree", "ok", detail, size=sum(level.size for level in levels)), *notes]

        return Step(tasks, finish)

    def _blocks(self, label: str, tree: HashTreeStorage, level: HashLevel, first: int, count: int) -> Task:
        def task() -> list[Check]:
            self.state.advance(0, label)
            low, high = level.span(first, first + count)
            try:
                bad = tree.verify_range(level.number, first, count)
            except OboromiFsError as wrong:
                return [failure(label, "hash tree", wrong)]
            self.state.advance(high - low, label)
            return [
                Check(
                    label,
                    "hash tree",
                    "failed",
                    f"level {level.number}, block {block} does not match its hash",
                    tree.section.place(min(level.offset + level.span(block, block)[0], tree.section.size)).offset,
                    level.block_size,
                )
                for block in bad
            ]

        return task

    def _romfs(self, label: str, fs: RomFs) -> Step:
        def task() -> list[Check]:
            files = directories = 0
            self.state.advance(0, label)
            try:
                files = sum(1 for _ in fs.extents())
                directories = sum(1 for _, entry in fs.walk() if entry.kind == "directory")
            except OboromiFsError as wrong:
                return [failure(label, "RomFS tables", wrong)]
            return [Check(label, "RomFS tables", "ok", f"{count_of(files, 'file')}, {count_of(directories, 'directory', 'directories')}")]

        return Step([task], flatten)

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
