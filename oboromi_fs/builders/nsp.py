"""NSP, the package a title is handed over in: a PFS0 of NCAs, tickets and certificates. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from oboromi_formats.ticket import SIGNATURE_TYPES, TICKET_BODY
from oboromi_fs._decode import decode, error
from oboromi_fs._extents import PFS0
from oboromi_fs._partitioning import PartitionLayout, build_partition, partition_layout_of
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.protocols import FileSystem
from oboromi_fs.storage.aside import written_aside
from oboromi_fs.storage.filled import FilledStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs._partitioning import Members, Order
    from oboromi_fs.builders.nca import BuiltNca, NcaBuilder, Progress
    from oboromi_fs.protocols import Storage

__all__ = ["PartitionLayout", "build_nsp", "layout_of", "package_order", "ticket_name", "write_nsp"]


def ticket_name(ticket: Storage) -> str:
    """Return the file name of a ticket without its extension: the rights id in it, which installers look for.

    Raises:
        UnsupportedError: The signature type is unknown, so the body cannot be found.
        CorruptError: It is too short.
    """
    kind = int.from_bytes(ticket[:4], "little")
    found = SIGNATURE_TYPES.get(kind)
    if found is None:
        problem = f"unknown signature type {kind:#x}"
        raise error(UnsupportedError, problem, what="ticket", storage=ticket, offset=0, field="signature_type")
    return decode(TICKET_BODY, ticket, found.body_offset).rights_id.hex()


def package_order(names: Iterable[str]) -> list[str]:
    """Return names in the order packages usually have: NCAs, the meta NCAs, tickets, certificates, the rest; each kind as given.

    Example:
        >>> package_order(["b.tik", "c.cnmt.nca", "a.nca", "b.cert"])
        ['a.nca', 'c.cnmt.nca', 'b.tik', 'b.cert']
    """
    return sorted(names, key=_rank)


def _rank(name: str) -> int:
    if name.endswith((".cnmt.nca", ".cnmt.ncz")):
        return 1
    ranks = {"nca": 0, "ncz": 0, "tik": 2, "cert": 3}
    return ranks.get(name.rpartition(".")[2], 4)


def build_nsp(
    contents: Members,
    tickets: Iterable[tuple[Storage, Storage | None]] = (),
    *,
    padding: Literal["official", "table", "nsz", "0x40"] = "official",
    order: Order | Literal["package"] = "given",
    like: PartitionLayout | None = None,
) -> Storage:
    """Compose an NSP. Nothing is copied.

    Args:
        contents: NCAs, and whatever else, with the names they are to have; a built NCA knows its own.
        tickets: Tickets, each with its certificate chain or None; they are named by their rights ids and follow the contents.
        padding: The writer whose padding of the string table to follow; see :func:`~oboromi_fs.builders.pfs0.build_pfs0`.
        order: ``"given"`` (the default), ``"name"``, ``"package"`` for that of :func:`package_order`, or names that come first.
        like: Lay it out as another package was (:func:`layout_of`), of which the order is taken only if it is asked for.

    Raises:
        UnsafePathError: A name that a PFS0 cannot hold, or holds twice.
        UnsupportedError, CorruptError: A ticket cannot be read.
        FormatError: More than a PFS0 can count.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> package = build_nsp([("00112233445566778899aabbccddeeff.nca", MemoryStorage(b"NCA"))])
        >>> package[0x60:].tobytes()
        b'NCA'
    """
    members = _members(contents) + _ticket_members(tickets)
    chosen: Order = package_order(name for name, _ in members) if order == "package" else order
    return build_partition(PFS0, members, like or PartitionLayout(padding=padding), order=chosen).storage


def _ticket_members(tickets: Iterable[tuple[Storage, Storage | None]]) -> list[tuple[str, Storage]]:
    members: list[tuple[str, Storage]] = []
    for ticket, certificate in tickets:
        stem = ticket_name(ticket)
        members.append((f"{stem}.tik", ticket))
        if certificate is not None:
            members.append((f"{stem}.cert", certificate))
    return members


def _members(contents: Members) -> list[tuple[str, Storage]]:
    if isinstance(contents, FileSystem):
        return [(entry.name, contents.storage(entry.name)) for entry in contents.read_dir("")]
    if isinstance(contents, Mapping):
        return list(contents.items())
    return list(contents)


def write_nsp(
    path: str | os.PathLike[str],
    contents: Sequence[NcaBuilder],
    meta: Callable[[Sequence[BuiltNca]], NcaBuilder] | None = None,
    tickets: Iterable[tuple[Storage, Storage | None]] = (),
    *,
    padding: Literal["official", "table", "nsz", "0x40"] = "official",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[BuiltNca]:
    """Build NCAs right into the package that will hold them, without a copy of any on the way.

    An NCA is named by its hash, which is known when it is written; its size is known before. So places are planned first, and the header,
    with the names, comes last. The result equals :func:`build_nsp` of the same NCAs built one by one. The package is written aside, so that
    a failure leaves nothing and an older file as it was.

    Args:
        path: The package.
        contents: The NCAs in order.
        meta: Returns the builder of the Meta NCA, which comes last, for the NCAs as they were built. It is called once before, with hashes
            of zeros, to learn the size.
        tickets: As for :func:`build_nsp`.
        padding: As for :func:`build_nsp`.
        workers: Threads; None takes one for each processor.
        progress: Called with bytes done and bytes in all, over all NCAs.

    Returns:
        The NCAs as they were built, the Meta NCA last.

    Raises:
        MappingError: An image changed while it was read.
        FormatError: ``meta`` gave another size the second time, or two NCAs are the same.
        OboromiFsError: An image cannot be read, or a ticket.
        OSError: The host refuses, such as for want of room.
    """
    builders = [*contents]
    if meta is not None:
        builders.append(meta([builder.planned() for builder in contents]))
    plans = [builder.planned() for builder in builders]
    last = _ticket_members(tickets)
    layout = PartitionLayout(padding=padding)
    # Names of their length stand for those that come of the hashes: the header has its size, and every member its place.
    stand_ins = [(f"{index:032x}{plan.name[32:]}", FilledStorage(plan.size)) for index, plan in enumerate(plans)]
    starts = list(build_partition(PFS0, [*stand_ins, *last], layout, order="given").starts.values())
    total = sum(builder.work for builder in builders)
    done = 0
    built: list[BuiltNca] = []
    with written_aside(path) as file:
        for index, start in enumerate(starts[: len(builders)]):
            builder = builders[index]
            if meta is not None and index == len(contents):
                builder = meta(built)
                if builder.size != plans[index].size:
                    problem = f"has {builder.size:#x} bytes, and was planned with {plans[index].size:#x}"
                    raise FormatError(problem, what="Meta NCA of the package")
            told = _from(progress, done, total)
            built.append(builder.write_at(file.number, start, workers=workers, progress=told))
            done += builder.work
        members: list[tuple[str, Storage]] = [(each.name, FilledStorage(each.size)) for each in built]
        package = build_partition(PFS0, [*members, *last], layout, order="given")
        for (_, storage), start in zip(last, starts[len(builders) :], strict=True):
            _put(file.number, start, storage[:])
        _put(file.number, 0, package.storage[: package.header_size])
    return built


def _from(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one NCA as that of all."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _put(number: int, offset: int, data: memoryview) -> None:
    os.lseek(number, offset, os.SEEK_SET)
    while data:
        data = data[os.write(number, data) :]


def layout_of(archive: PartitionArchive) -> PartitionLayout:
    """Describe an NSP so that :func:`build_nsp` with the same members in the same order makes the same bytes.

    Raises:
        UnsupportedError: It was written in a way that cannot be described: members out of order or overlapping, a header of another make,
            bytes that are not zero between the members.
        CorruptError: It is damaged or cut off.
    """
    return partition_layout_of(archive)
