"""What can be checked of the records of content metas: whether the NCAs they list are there, as listed, and of their title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.cnmt import RecordType
from oboromi_formats.nca import ContentType
from oboromi_fs.backends.nca import Nca, rebuilt_nca
from oboromi_fs.contents import ContentMeta, record_type_name
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check, Digest, State, Status, Step, Task, failure, now
from oboromi_fs.jobs.ticketchecks import ticket_steps
from oboromi_fs.jobs.titleids import of_one_title
from oboromi_fs.paths import join
from oboromi_fs.storage.ncz import is_ncz

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import Storage
    from oboromi_fs.tickets import Ticket

__all__ = ["RecordChecks"]

_KINDS: dict[int, tuple[int, ...]] = {
    RecordType.META: (ContentType.META,),
    RecordType.PROGRAM: (ContentType.PROGRAM,),
    RecordType.DATA: (ContentType.DATA, ContentType.PUBLIC_DATA),
    RecordType.CONTROL: (ContentType.CONTROL,),
    RecordType.HTML_DOCUMENT: (ContentType.MANUAL,),
    RecordType.LEGAL_INFORMATION: (ContentType.MANUAL,),
}
"""Which NCAs a record of a type may be about."""
_ENDINGS = (".nca", ".cnmt.nca", ".ncz", ".cnmt.ncz")


class RecordChecks:
    """Compares each CNMT's records with the NCAs that lie in the same package.

    Args:
        opener: How NCAs are opened.
        tickets_of: Gives the lookup of tickets in an archive.
        state: What the tasks share.
    """

    def __init__(self, opener: Opener, tickets_of: Callable[[PartitionArchive], Callable[[bytes], Ticket | None]], state: State) -> None:
        self.opener = opener
        self.tickets_of = tickets_of
        self.state = state

    def steps(self, archives: dict[str, PartitionArchive], complete: list[str]) -> list[Step]:
        """Compare each CNMT's records with the NCAs that lie in the same package.

        Args:
            archives: The archives of the package, by what to call them.
            complete: Those that should hold what their CNMTs list; the other partitions of a card hold metas without contents.
        """
        steps: list[Step] = []
        members = {name: (label, archive) for label, archive in archives.items() for name in archive.members}
        seen: set[bytes] = set()
        listed: set[str] = set()
        unread = False
        for label, archive in archives.items():
            for name in archive.members:
                if not name.lower().endswith((".cnmt.nca", ".cnmt.ncz")):
                    continue
                below = join(label, name)
                try:
                    nca = self.opener.container(archive.storage(name), name, tickets=self.tickets_of(archive))
                    if not isinstance(nca, Nca):
                        continue
                    meta = ContentMeta.of_nca(nca)
                except OboromiFsError as wrong:
                    steps.append(now(failure(below, "CNMT", wrong)))
                    unread = True
                    continue
                listed |= {record.content_id.hex() for record in meta.records}
                if meta.data in seen:  # Cards carry copies of one meta in several partitions.
                    continue
                seen.add(meta.data)
                steps.append(self._records(below, meta, members, complete=label in complete))
                steps += self._title(below, meta, nca, members)
        if seen and not unread:
            steps.append(now(*(check for label in complete if label in archives for check in _unlisted(label, archives[label], listed))))
        return [*steps, *ticket_steps(archives, self.opener, self.tickets_of)]

    def _title(self, label: str, meta: ContentMeta, own: Nca, members: dict[str, tuple[str, PartitionArchive]]) -> list[Step]:
        """Whether the NCAs that a CNMT lists, and the one it is in, are of its title and of the kinds it says; told where they are not."""
        ids = {label: own.header.program_id}
        kinds: list[Check] = []
        for record in meta.records:
            name = _name_of(record.content_id, members)
            where, archive = members.get(name, ("", None))
            try:
                nca = self.opener.container(archive.storage(name), name) if archive is not None else None
            except OboromiFsError:  # That it cannot be read is told where it is looked into.
                continue
            if isinstance(nca, Nca):
                ids[join(where, name)] = nca.header.program_id
                found, wanted = nca.header.content_type, _KINDS.get(record.type)
                if wanted is not None and found not in wanted:
                    kind = ContentType(found).name if found in list(ContentType) else f"type {found}"
                    detail = f"of {meta.title}: the record says {record_type_name(record.type)}, the NCA's header {kind.lower()}"
                    kinds.append(Check(join(where, name), "CNMT record", "failed", detail))
        return [now(*kinds)] + [
            now(Check(below, "CNMT title id", "failed", f"of {meta.title}: the NCA's header says {program_id:016x}, another title"))
            for below, program_id in ids.items()
            if not of_one_title(meta.header.title_id, program_id)
        ]

    def _whole(self, archive: PartitionArchive, name: str) -> Storage | None:
        """The NCA that a member holds compressed; None for one that is not."""
        if not name.endswith(".ncz"):
            return None
        storage = archive.storage(name)
        return rebuilt_nca(storage, self.opener.keys) if is_ncz(storage) else storage

    def _records(self, label: str, meta: ContentMeta, members: dict[str, tuple[str, PartitionArchive]], *, complete: bool) -> Step:
        expected: list[tuple[str, Digest, bytes]] = []
        checks: list[Check] = []
        tasks: list[Task] = []
        what, title = "CNMT record", meta.title
        for record in meta.records:
            stem = record.content_id.hex()
            found = _name_of(record.content_id, members)
            if not found:
                if record.type == RecordType.DELTA_FRAGMENT:
                    checks.append(Check(label, what, "note", f"of {title}: delta fragment {stem}.nca is listed and not there, as is usual"))
                else:
                    status: Status = "failed" if complete else "note"
                    checks.append(
                        Check(label, what, status, f"of {title}: {record_type_name(record.type)} {stem}.nca is listed and not there")
                    )
                continue
            where, archive = members[found]
            below = join(where, found)
            try:
                storage = self._whole(archive, found)
                size = storage.size if storage is not None else archive.member(found).size
                if record.size != size:
                    detail = f"of {title}: the record says {record.size:#x} bytes, the file has {size:#x}"
                    checks.append(Check(below, what, "failed", detail))
                    continue
                digest = self.state.digest(below, storage if storage is not None else archive.storage(found))
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


def _unlisted(label: str, archive: PartitionArchive, listed: set[str]) -> Iterator[Check]:
    """The NCAs of an archive that no content meta lists."""
    for name in archive.members:
        stem, _, ending = name.lower().partition(".")
        if ending in {"nca", "ncz"} and stem not in listed:
            yield Check(join(label, name), "CNMT record", "note", "no content meta here lists it")


def _name_of(content_id: bytes, names: Collection[str]) -> str:
    """What an NCA of an id is called, of the names that are there; ``""`` where it is not there."""
    stem = content_id.hex()
    return next((name for ending in _ENDINGS if (name := stem + ending) in names), "")
