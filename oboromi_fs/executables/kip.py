"""KIP, a program that is loaded with the kernel. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oboromi_formats.kip import KIP_HEADER, KIP_MAGIC, KipFlags, KipHeader
from oboromi_fs import blz
from oboromi_fs._decode import corrupt, decode, encode, error
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, NotThisFormatError
from oboromi_fs.executables.segment import NAMES, Decompressed, Segment, aligned, layout_problems, memory_image, raw_segment
from oboromi_fs.paths import decode_name
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from oboromi_fs.executables.segment import SegmentName
    from oboromi_fs.protocols import Storage

__all__ = ["Kip"]

_WHAT = "KIP header"
_COMPRESSED = KipFlags.TEXT_COMPRESSED | KipFlags.RO_COMPRESSED | KipFlags.DATA_COMPRESSED


class Kip:
    """A KIP. Opening reads the header; a segment is decompressed at the first look into it.

    A program with contradictions opens: :attr:`problems` tells them, and whatever meets one raises.

    Args:
        storage: The file; what follows the program's own :attr:`size` is ignored.

    Attributes:
        raw: The file.
        header: Its header.
        segments: Text, ro and data. Their sizes are those in memory: the bytes of a segment may be fewer, the rest are zeros.
        size: Bytes it takes in the file, by its header.
        problems: What the kernel would refuse.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header is not there in full.
    """

    def __init__(self, storage: Storage) -> None:
        magic = storage[:4].tobytes()
        if magic != KIP_MAGIC:
            raise error(NotThisFormatError, f"magic is {magic!r}, not {KIP_MAGIC!r}", what=_WHAT, storage=storage, offset=0)
        self.raw = storage
        self.header: KipHeader = decode(KIP_HEADER, storage)
        segments: list[Segment] = []
        at = KIP_HEADER.size
        for index, (name, part) in enumerate(zip(NAMES, self.header.segments, strict=False)):
            compressed = bool(self.header.flags & KipFlags.TEXT_COMPRESSED << index)
            segments.append(Segment(name, at, part.file_size, part.memory_offset, part.memory_size, compressed))
            at += part.file_size
        self.segments: tuple[Segment, ...] = tuple(segments)
        self.size = at + sum(part.file_size for part in self.header.segments[3:])
        bss = self.header.segments[3]
        self.problems = layout_problems(segments, storage.size, bss_offset=bss.memory_offset if bss.memory_size else None, from_zero=False)
        self._opened: dict[str, Storage] = {}

    def __repr__(self) -> str:
        return f"<Kip {self.name!r} {self.program_id:016x} of {self.size:#x} bytes>"

    @property
    def name(self) -> str:
        """The program's name."""
        return decode_name(self.header.name.partition(b"\0")[0])

    @property
    def program_id(self) -> int:
        """The program id."""
        return self.header.program_id

    @property
    def bss_size(self) -> int:
        """Zero bytes in memory besides the segments."""
        return self.header.segments[3].memory_size

    @property
    def image_size(self) -> int:
        """Bytes the program takes in memory, in whole pages."""
        bss = self.header.segments[3]
        return aligned(max(self.segments[2].memory_end, bss.memory_offset + bss.memory_size if bss.memory_size else 0))

    @property
    def capabilities(self) -> tuple[int, ...]:
        """The kernel capability words, without the unused ones (all ones) behind the last."""
        words = list(self.header.capabilities)
        while words and words[-1] == 0xFFFFFFFF:
            words.pop()
        return tuple(words)

    def segment(self, name: SegmentName) -> Storage:
        """Return the bytes of one segment, decompressed; a window on the file where it is stored plain.

        Raises:
            CorruptError: It runs over the end of the file, or is larger than its memory. Damaged compressed bytes raise it at the
                first look.
        """
        found = self._opened.get(name)
        if found is None:
            found = self._opened[name] = self._open(self.segments[NAMES.index(name)])
        return found

    def _open(self, segment: Segment) -> Storage:
        raw = raw_segment(self.raw, segment, _WHAT)
        if segment.compressed and raw.size:
            what = f"KIP {segment.name} segment"
            try:
                size = blz.decompressed_size(raw[-blz.FOOTER_SIZE :], raw.size, max_size=segment.size)
            except CorruptError as wrong:
                raise corrupt(wrong.problem, what=what, storage=raw, offset=wrong.offset or 0, field=wrong.field) from wrong
            return Decompressed(raw, size, partial(blz.decompress, max_size=segment.size), "Blz", what)
        if raw.size > segment.size:
            problem = f"{segment.name} has {raw.size:#x} bytes, and {segment.size:#x} in memory"
            raise corrupt(problem, what=_WHAT, storage=self.raw, offset=0x20 + 0x10 * NAMES.index(segment.name) + 8, field="file_size")
        return raw

    def image(self) -> Storage:
        """Return the program as it is loaded, up to the last stored byte: segments at their memory offsets, zeros between them.

        Raises:
            CorruptError: Segments overlap or cannot be read.
        """
        return memory_image([(segment, self.segment(segment.name)) for segment in self.segments], self.raw, _WHAT)

    def uncompressed(self) -> Storage:
        """Return the KIP rewritten without compression.

        Raises:
            CorruptError: A segment cannot be read.
        """
        parts = [self.segment(name) for name in NAMES]
        stored = [replace(row, file_size=part.size) for row, part in zip(self.header.segments, parts, strict=False)]
        header = replace(self.header, flags=self.header.flags & ~_COMPRESSED, segments=(*stored, *self.header.segments[3:]))
        return ConcatStorage([MemoryStorage(encode(KIP_HEADER, header), "KIP header"), *parts])
