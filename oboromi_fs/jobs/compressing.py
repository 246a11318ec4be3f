"""Compressed packages and cards, NSZ and XCZ, from packages and cards, and back.

Of the NCAs those are compressed that the format's own tool does: programs and public data, whose sections follow each other up to the end
of the file. All else is copied. What an archive says of itself beyond its members is kept, so that the way back gives the same bytes.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_formats.nca import ContentType
from oboromi_formats.ncz import VERBATIM_SIZE
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.nca import Nca, crypt_runs, rebuilt_nca
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.builders.nca.output import FileOutput
from oboromi_fs.builders.ncz import NczBuilder
from oboromi_fs.builders.nsp import layout_of as package_layout_of
from oboromi_fs.builders.xci import card_layout
from oboromi_fs.builders.xci import layout_of as card_layout_of
from oboromi_fs.errors import CorruptError, IntegrityError, UnsupportedError
from oboromi_fs.jobs.assembly import Part, WrittenPart, places_in, write_around
from oboromi_fs.jobs.namedigests import NameDigest, digest_in_name
from oboromi_fs.paths import join, normalise
from oboromi_fs.storage.aside import written_aside
from oboromi_fs.storage.digested import DigestedStorage
from oboromi_fs.storage.filled import FilledStorage
from oboromi_fs.storage.ncz import NczStorage, is_ncz
from oboromi_fs.storage.ncz.zstd import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from oboromi_fs.builders.ncz import NczOptions
    from oboromi_fs.builders.nsp import PartitionLayout
    from oboromi_fs.builders.xci import CardLayout
    from oboromi_fs.jobs.assembly import Compose, Progress
    from oboromi_fs.opening import Location, NestedFs
    from oboromi_fs.protocols import Storage

    Told: TypeAlias = Callable[[str, str], object]

__all__ = [
    "RESTORED",
    "archive_of",
    "assemble_compressed",
    "card_like",
    "compress",
    "holds_compressed",
    "members_of",
    "must_be_named_right",
    "ncz_builder",
    "package_like",
    "restore",
    "tell_misnamed",
    "whole_name",
    "why_not_compressed",
]

_COMPRESSED_TYPES = (ContentType.PROGRAM, ContentType.PUBLIC_DATA)
_NCA, _NCZ = ".nca", ".ncz"
RESTORED = "decompressed NCA"
"""What errors of :func:`must_be_named_right` are about."""


def why_not_compressed(nca: Nca) -> str:
    """Return why an NCA of a package is copied and not compressed; ``""`` if it is to be compressed."""
    if nca.header.content_type not in _COMPRESSED_TYPES:
        return "only programs and public data are compressed"
    if nca.raw.size <= VERBATIM_SIZE:
        return "it is too small"
    sections = sorted(nca.sections.values(), key=lambda section: section.start)
    if not sections or any(section.fault is not None or section.is_sparse for section in sections):
        return "its sections are damaged, or sparse"
    end = sections[0].start
    for section in sections:
        if section.start != end:
            return "there are gaps between its sections"
        end = section.start + section.size
    return "" if end == nca.raw.size else "its sections do not end where it does"


def ncz_builder(nca: Nca, options: NczOptions) -> NczBuilder:
    """Return what compresses an NCA.

    Raises:
        MissingKeyError: The key of a section is absent.
        FormatError: It is damaged, or too small.
    """
    return NczBuilder(nca.raw, crypt_runs(nca), options)


# Sources


def archive_of(place: Location) -> PartitionArchive | XciArchive | None:
    """The package or card a place is; None for a folder, or a place inside."""
    found = place.fs.enter(place.path) if place.kind == "file" else place.fs.resolve(place.path)[0] if not place.path else None
    return found if isinstance(found, PartitionArchive | XciArchive) else None


def holds_compressed(archive: PartitionArchive | XciArchive) -> bool:
    """Whether any member is called like a compressed NCA."""
    if isinstance(archive, XciArchive):
        return archive.holds_compressed
    return any(name.lower().endswith(_NCZ) for name in archive.members)


def members_of(place: Location, archive: PartitionArchive | XciArchive) -> list[Part]:
    """Return the members of a package or card as they are, in their order.

    Raises:
        CorruptError: One runs over the end of the archive.
    """
    base = normalise(place.path)
    if not isinstance(archive, XciArchive):
        return [_member(archive, base, name, "") for name in archive.members]
    return [
        _member(archive.partition(folder), join(base, folder), name, folder)
        for folder in archive.partitions
        for name in archive.partition(folder).members
    ]


def _member(archive: PartitionArchive, base: str, name: str, folder: str) -> Part:
    what = "NCA" if name.lower().endswith((_NCA, _NCZ)) else "file"
    return Part(join(base, name), name, what=what, storage=archive.storage(name), folder=folder)


def package_like(archive: PartitionArchive) -> PartitionLayout | None:
    """How a package is laid out, but for its names; None where that cannot be said."""
    try:
        return replace(package_layout_of(archive), names=())
    except (UnsupportedError, CorruptError):
        return None


def card_like(card: XciArchive) -> tuple[CardLayout, str]:
    """How a card is laid out, with its header as it is, and no filling at the end; and what of it cannot be kept."""
    try:
        layout = card_layout_of(card)
    except UnsupportedError as wrong:
        return replace(card_layout(), header=card.header, keep_header=True), f"the way back will lay it out anew: {wrong.problem}"
    partitions = {name: replace(each, names=()) for name, each in layout.partitions.items()}
    return replace(layout, partitions=partitions, fill="trimmed", keep_header=True), ""


# What becomes of members


def compress(parts: Sequence[Part], fs: NestedFs, options: NczOptions, *, folder: str = "") -> list[tuple[str, str]]:
    """Have the NCAs among some parts compressed that are to be. Those that are compressed already stay as they are.

    Args:
        parts: The members. They are changed.
        fs: Where their ``source`` is.
        options: How.
        folder: The partition whose NCAs are compressed.

    Returns:
        Warnings: a path, and what there is to say of it.

    Raises:
        MissingKeyError: The key of an NCA that is to be compressed is absent.
        UnsupportedError: The package zstandard is not installed.
    """
    zstandard()
    warnings: list[tuple[str, str]] = []
    for part in parts:
        if part.storage is None or part.what != "NCA" or part.folder != folder:
            continue
        if isinstance(part.storage, NczStorage):
            part.storage, part.name = part.storage.source, _renamed(part.name, _NCA, _NCZ)
            continue
        if not part.name.lower().endswith(_NCA):
            continue
        try:
            nca = fs.enter(part.source)
            if not isinstance(nca, Nca) or why_not_compressed(nca):
                continue
            part.ncz = ncz_builder(nca, options)
        except (CorruptError, IntegrityError, UnsupportedError) as wrong:
            warnings.append((part.source, f"is copied and not compressed: {wrong}"))
            continue
        part.how, part.name = "compressed", _renamed(part.name, _NCA, _NCZ)
    return warnings


def restore(parts: Sequence[Part], fs: NestedFs) -> None:
    """Have the NCZs among some parts made the NCAs they hold."""
    for part in parts:
        if part.storage is not None and part.name.lower().endswith(_NCZ) and is_ncz(part.storage):
            part.storage, part.name = rebuilt_nca(part.storage, fs.keys), _renamed(part.name, _NCZ, _NCA)
            part.how = "restored"


def must_be_named_right(parts: Sequence[Part]) -> None:
    """Have those that were restored refused, when they are read to their ends, where they are not what their names say.

    Nobody else would notice: what was damaged while it was compressed decompresses to something.
    """
    for part in parts:
        stem = part.name[: -len(_NCA)].lower()
        if part.how == "restored" and part.storage is not None and re.fullmatch("[0-9a-f]{32}", stem):
            part.storage = DigestedStorage(part.storage, stem, RESTORED)


def tell_misnamed(parts: Sequence[Part]) -> None:
    """Have it told of those that are compressed where they are not what their names say: the way back refuses such an NCA."""
    for part in parts:
        if part.ncz is not None:
            part.named = digest_in_name(part.name)


def _renamed(name: str, old: str, new: str) -> str:
    """A name with another last letter, in the case it has."""
    if not name.lower().endswith(old):
        return name
    return name[:-1] + (new[-1] if name[-1].islower() else new[-1].upper())


def whole_name(name: str) -> str:
    """Return what an NCA is called where it is not compressed; other names as they are.

    Example:
        >>> whole_name("0123.ncz"), whole_name("0123.tik")
        ('0123.nca', '0123.tik')
    """
    return _renamed(name, _NCZ, _NCA)


# Writing


def assemble_compressed(
    path: str, parts: Sequence[Part], compose: Compose, *, progress: Progress | None = None, told: Told | None = None
) -> int:
    """Write a package aside, NCAs compressed right into their places, and put it in place when it is complete.

    Each is as large as it comes out: what follows it is placed then, and the headers are written last.

    Args:
        path: The package.
        parts: What is in it. The order of the file is that of ``compose``.
        compose: Makes the package of them.
        progress: Called with bytes done and bytes in all, compressed ones counted as what they are compressed from.
        told: Called with the path of an NCA that is not what its name says, and a text; it is compressed all the same.

    Returns:
        Its bytes.

    Raises:
        OboromiFsError: Something cannot be read.
        OSError: The host refuses, such as for want of room.
    """
    # A byte stands for what is not written yet: where something is depends on the sizes of what is before it alone.
    now: list[Storage] = [part.storage if part.ncz is None and part.storage is not None else FilledStorage(1) for part in parts]

    def composed() -> Storage:
        return compose([(part, part.name, storage) for part, storage in zip(parts, now, strict=True)])

    def place(number: int) -> int:
        return places_in(composed(), {id(now[number])})[id(now[number])]

    total = sum(part.size for part in parts)
    done = 0
    with written_aside(path) as file:
        waiting = [number for number, part in enumerate(parts) if part.ncz is not None]
        for number in sorted(waiting, key=place):
            builder, at = parts[number].ncz, place(number)
            assert builder is not None  # noqa: S101  # For the type checker.
            output = FileOutput(file.number, at)
            size = _compressed(parts[number], builder, output, _from(progress, done, total), told)
            done += builder.work
            now[number] = WrittenPart(output, size, parts[number].name)
        package = composed()
        os.ftruncate(file.number, package.size)
        write_around(package, file.number, 0, {id(now[number]) for number in waiting}, _from(progress, done, total))
    return package.size


def _compressed(part: Part, builder: NczBuilder, output: FileOutput, progress: Progress | None, told: Told | None) -> int:
    if told is None or not part.named or part.storage is None:
        return builder.write_at(output, progress=progress)
    with NameDigest(part.storage, part.named) as digest:
        size = builder.write_at(output, progress=progress)
    if digest.problem:
        told(part.source, digest.problem)
    return size


def _from(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(min(before + done, total), total)
