"""The builder of NCAs: images in, an NCA out, each byte of an image read once.

A few threads take the images run by run: read, hash in blocks, encrypt in place, write by position. What is hashed goes up the tree as it
comes in, so that memory holds a run for each thread and a block of each table, whatever the size of the NCA. The headers come last, for
they hold the hashes of everything; then the file is read back once for the SHA-256 that names it, whose first bytes are those headers.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.nca import FS_HEADER, MEDIA_UNIT, NCA_HEADER, NCA_HEADERS_SIZE, ContentType, SectionEntry
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nca.crypting import SectionCipher, body_keys, encrypted_headers
from oboromi_fs.builders.nca.geometry import Geometry, geometry
from oboromi_fs.builders.nca.output import FileOutput, MemoryOutput
from oboromi_fs.builders.nca.passing import Pass, Pool
from oboromi_fs.builders.nca.source import Watch
from oboromi_fs.errors import FormatError
from oboromi_fs.keys import KeySet
from oboromi_fs.storage.aside import written_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.builders.nca.layout import NcaLayout, SectionLayout
    from oboromi_fs.builders.nca.output import Output
    from oboromi_fs.builders.nca.passing import Progress
    from oboromi_fs.protocols import Storage

__all__ = ["BuiltNca", "NcaBuilder", "PlacedSection", "build_nca", "content_name"]

_PIECE = 1 << 20


def content_name(sha256: bytes, content_type: int) -> str:
    """Return the file name of an NCA with this SHA-256.

    Example:
        >>> import hashlib
        >>> content_name(hashlib.sha256(b"hello").digest(), 0)
        '2cf24dba5fb0a30e26e83b2ac5b9e29e.nca'
    """
    return sha256[:16].hex() + (".cnmt.nca" if content_type == ContentType.META else ".nca")


@dataclass(frozen=True, slots=True)
class BuiltNca:
    """An NCA that was written.

    Attributes:
        sha256: Of the whole file, 32 bytes.
        size: In bytes.
        content_type: A :class:`~oboromi_formats.nca.ContentType`.
        program_id: As in its header.
        path: The host file, where it was given one of its own.
    """

    sha256: bytes
    size: int
    content_type: int
    program_id: int
    path: str = ""

    @classmethod
    def of(cls, nca: Nca) -> BuiltNca:
        """Return the same of an NCA that exists; reads all of it."""
        digest = hashlib.sha256()
        for start in range(0, nca.raw.size, _PIECE):
            digest.update(nca.raw[start : start + _PIECE])
        return cls(digest.digest(), nca.raw.size, nca.header.content_type, nca.header.program_id)

    @property
    def name(self) -> str:
        """The file name it must have in a package: half of its hash, and ``.nca`` or ``.cnmt.nca``."""
        return content_name(self.sha256, self.content_type)

    @property
    def content_id(self) -> bytes:
        """The first 16 bytes of its hash."""
        return self.sha256[:16]


class PlacedSection(NamedTuple):
    """A section with its image and its place in the file.

    Attributes:
        slot: Its number in the header.
        layout: How it is laid out.
        image: The file system in it.
        geometry: Where its parts lie in it.
        start: Where it lies in the file.
    """

    slot: int
    layout: SectionLayout
    image: Storage
    geometry: Geometry
    start: int


class NcaBuilder:
    """An NCA in the making. Making one reads no image; what is wrong with the layout or the keys is told at once.

    Args:
        layout: How it is laid out.
        images: The file systems in its sections, by the sections' names or slots. Sections of the layout without an image are left out.
        keys: The user's keys; None searches the default places.

    Attributes:
        size: Bytes of the NCA.
        work: What its progress counts to: the bytes of the images, and those of the NCA.
        sections: Its sections in the order of the file.

    Raises:
        MissingKeyError: A key is absent.
        FormatError: The layout has no such section, or cannot hold an image of this size.
        UnsupportedError: An encryption or key area key that does not exist.
    """

    def __init__(self, layout: NcaLayout, images: Mapping[str, Storage] | Mapping[int, Storage], keys: KeySet | None = None) -> None:
        self.layout = layout
        self._keys = KeySet.of(keys)
        self.sections = _placed(layout, images)
        last = self.sections[-1] if self.sections else None
        self.size = (last.start + last.geometry.size if last else max(layout.first_offset, NCA_HEADERS_SIZE)) + layout.tail
        self.work = sum(section.image.size for section in self.sections) + self.size
        self._body = body_keys(layout, {section.layout.header.encryption for section in self.sections}, self._keys)
        # Written for nobody: here shows whether every number fits its field, and header_key is there.
        self._headers([section.layout.header.hash_data for section in self.sections])
        self._ciphers = [
            SectionCipher(section.layout, self._body, section.start, section.geometry.data.offset) for section in self.sections
        ]

    def planned(self) -> BuiltNca:
        """Return what is known before the NCA is written: all but its hash, of which there are zeros."""
        return BuiltNca(bytes(0x20), self.size, self.layout.header.content_type, self.layout.header.program_id)

    def write(self, path: str | os.PathLike[str], *, workers: int | None = None, progress: Progress | None = None) -> BuiltNca:
        """Write the NCA to a host file, aside first, so that a failure leaves nothing and an older file as it was.

        Args:
            path: The file; or a folder, in which it gets the name it must have.
            workers: Threads; None takes one for each processor.
            progress: Told how far it is.

        Raises:
            MappingError: An image changed while it was read.
            OboromiFsError: An image cannot be read.
            OSError: The host refuses, such as for want of room.
        """
        with written_aside(path) as file:
            built = self.write_at(file.number, workers=workers, progress=progress)
            if os.path.isdir(file.path):
                file.path = os.path.join(file.path, built.name)
        return replace(built, path=file.path)

    def write_at(self, number: int, offset: int = 0, *, workers: int | None = None, progress: Progress | None = None) -> BuiltNca:
        """Write the NCA into a file that is open for reading and writing, such as the package it will be in.

        Args:
            number: Its descriptor. What a failure leaves in it is the caller's.
            offset: Where in it the NCA begins.
            workers: As for :meth:`write`.
            progress: As for :meth:`write`.
        """
        return self._write(FileOutput(number, offset), workers or os.cpu_count() or 1, progress)

    def build(self) -> tuple[BuiltNca, MemoryStorage]:
        """Build the NCA in memory; for small ones, such as that of the content meta."""
        output = MemoryOutput(self.size)
        built = self._write(output, 1, None)
        return built, MemoryStorage(output.data, built.name)

    def _write(self, output: Output, workers: int, progress: Progress | None) -> BuiltNca:
        watch = Watch(section.image for section in self.sections)
        with Pool(workers) as pool:
            run = Pass(self.sections, self._ciphers, output, pool, progress, self.work)
            hash_data = run.sections()
            watch.check()
            self._fill_gaps(output)
            output.write(0, self._headers(hash_data))
            digest = run.digest(self.size)
        return BuiltNca(digest, self.size, self.layout.header.content_type, self.layout.header.program_id)

    def _fill_gaps(self, output: Output) -> None:
        """Write the zeros between the headers, the sections and the end."""
        end = NCA_HEADERS_SIZE
        for section in self.sections:
            _zeros(output, end, section.start)
            end = section.start + section.geometry.size
        _zeros(output, end, self.size)

    def _headers(self, hash_data: list[bytes]) -> bytes:
        """The 0xC00 bytes of the headers as they are stored.

        Raises:
            MissingKeyError: ``header_key`` is absent.
            FormatError: A number does not fit its field.
        """
        template = self.layout.header
        entries = list(template.sections)
        hashes = [bytes(0x20)] * len(entries)
        parts = [bytes(MEDIA_UNIT)] * len(entries)
        present = {section.slot for section in self.sections}
        for slot in set(range(len(entries))) - present:
            entries[slot] = SectionEntry()
        for section, data in zip(self.sections, hash_data, strict=True):
            slot, start = section.slot, section.start // MEDIA_UNIT
            parts[slot] = encode(FS_HEADER, section.layout.stored or replace(section.layout.header, hash_data=data))
            hashes[slot] = hashlib.sha256(parts[slot]).digest()
            entries[slot] = replace(entries[slot], start=start, end=start + section.geometry.size // MEDIA_UNIT)
        header = replace(
            template,
            content_size=self.size,
            sections=tuple(entries),
            fs_header_hashes=tuple(hashes),
            key_area=self._body.key_area,
        )
        return encrypted_headers(self.layout, encode(NCA_HEADER, header) + b"".join(parts), present, self._keys)


def _placed(layout: NcaLayout, images: Mapping[str, Storage] | Mapping[int, Storage]) -> list[PlacedSection]:
    """Lay out the sections that have an image, one after the other."""
    named = {section.name: slot for slot, section in enumerate(layout.sections) if section is not None}
    if len(set(layout.order)) != len(layout.order) or not {*layout.order} <= {*range(len(layout.sections))}:
        raise FormatError(f"{layout.order} does not name each section once", what="NCA layout", field="order")
    slots: dict[int, Storage] = {}
    for name, image in images.items():
        slot = named.get(name) if isinstance(name, str) else name
        if slot is None or slot not in layout.order or slot in slots:
            problem = f"no section {name!r} to put an image into: there are {', '.join(named)}, each once"
            raise FormatError(problem, what="NCA layout", field="sections")
        slots[slot] = image
    placed: list[PlacedSection] = []
    end = 0
    for slot in layout.order:
        section = layout.sections[slot]
        if section is None or slot not in slots:
            continue
        image = slots[slot]
        fixed = section.fixed
        parts = fixed if fixed is not None and fixed.data.size == image.size else _geometry(section, image.size)
        if not parts.size:
            raise FormatError(
                f"the image for section {section.name!r} is empty; leave the section out", what="NCA layout", field="sections"
            )
        start = end + section.gap if placed else layout.first_offset
        if start % MEDIA_UNIT or start < NCA_HEADERS_SIZE or any(run.offset % 16 for run in (*parts.tables, parts.data)):
            problem = (
                f"section {section.name!r} at {start:#x}: sections start at multiples of 0x200 behind the headers, parts at those of 16"
            )
            raise FormatError(problem, what="NCA layout", field="sections")
        end = start + parts.size
        placed.append(PlacedSection(slot, section, image, parts, start))
    return placed


def _geometry(section: SectionLayout, size: int) -> Geometry:
    try:
        return geometry(section.header.hash_type, size, section.block_size, section.filling)
    except FormatError as wrong:
        wrong.source = f"section {section.name!r}"
        raise


def _zeros(output: Output, start: int, stop: int) -> None:
    block = bytes(min(max(stop - start, 0), _PIECE))
    for at in range(start, stop, len(block) or 1):
        output.write(at, block[: stop - at])


def build_nca(
    path: str | os.PathLike[str],
    layout: NcaLayout,
    images: Mapping[str, Storage] | Mapping[int, Storage],
    keys: KeySet | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BuiltNca:
    """Build an NCA and write it to a host file: :class:`NcaBuilder` and :meth:`NcaBuilder.write` in one.

    Args:
        path: The file; or a folder, in which it gets the name it must have.
        layout: How it is laid out: see :func:`~oboromi_fs.builders.nca.nca_layout` and :func:`~oboromi_fs.builders.nca.layout_of`.
        images: The file systems in its sections, by the sections' names or slots.
        keys: The user's keys; None searches the default places.
        workers: Threads; None takes one for each processor.
        progress: Told how far it is.
    """
    return NcaBuilder(layout, images, keys).write(path, workers=workers, progress=progress)
