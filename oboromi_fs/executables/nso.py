"""NSO, an executable module of an ExeFS (``rtld main subsdk0 … sdk``). Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oboromi_formats.nso import NSO_HEADER, NSO_MAGIC, NsoFlags, NsoHeader, NsoSegment
from oboromi_fs._decode import corrupt, decode, encode, error
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import NotThisFormatError, UnsupportedError
from oboromi_fs.executables import _lz4
from oboromi_fs.executables.mod0 import Mod0
from oboromi_fs.executables.segment import MAX_IMAGE, NAMES, Decompressed, Segment, aligned, layout_problems, memory_image, raw_segment
from oboromi_fs.paths import decode_name
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from oboromi_fs.executables.segment import SegmentName
    from oboromi_fs.protocols import Storage

__all__ = ["Nso"]

_WHAT = "NSO header"
_COMPRESSED = NsoFlags.TEXT_COMPRESSED | NsoFlags.RO_COMPRESSED | NsoFlags.DATA_COMPRESSED
_MAX_PATH = 0x1000


class Nso:
    """An NSO. Opening reads the header; a segment is decompressed at the first look into it.

    A module with contradictions opens: :attr:`problems` tells them, and whatever meets one raises.

    Args:
        storage: The file.

    Attributes:
        raw: The file.
        header: Its header.
        segments: Text, ro and data.
        problems: What the official loader would refuse.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header is not there in full.
    """

    def __init__(self, storage: Storage) -> None:
        magic = storage[:4].tobytes()
        if magic != NSO_MAGIC:
            raise error(NotThisFormatError, f"magic is {magic!r}, not {NSO_MAGIC!r}", what=_WHAT, storage=storage, offset=0)
        self.raw = storage
        self.header: NsoHeader = decode(NSO_HEADER, storage)
        header, flags = self.header, NsoFlags(self.header.flags)
        self.segments: tuple[Segment, ...] = tuple(
            Segment(
                name,
                part.file_offset,
                packed if flags & NsoFlags.TEXT_COMPRESSED << index else part.size,
                part.memory_offset,
                part.size,
                bool(flags & NsoFlags.TEXT_COMPRESSED << index),
                digest if flags & NsoFlags.TEXT_HASH << index else b"",
            )
            for index, (name, part, packed, digest) in enumerate(
                zip(NAMES, (header.text, header.ro, header.data), header.compressed_sizes, header.hashes, strict=True)
            )
        )
        self.problems = layout_problems(self.segments, storage.size)
        if header.module_name_offset + header.module_name_size > storage.size:
            self.problems.append(f"the module name at {header.module_name_offset:#x} runs over the end of the file")
        self._opened: dict[str, Storage] = {}

    def __repr__(self) -> str:
        return f"<Nso {self.build_id[:16]} of {self.image_size:#x} bytes>"

    @property
    def module_id(self) -> bytes:
        """The build id: 32 bytes, zero-padded."""
        return self.header.module_id

    @property
    def build_id(self) -> str:
        """The build id as patches and emulators write it: 64 hexadecimal digits, upper case. Trailing zeros do not count."""
        return self.header.module_id.hex().upper()

    @property
    def bss_size(self) -> int:
        """Zero bytes behind the data, in memory."""
        return self.header.bss_size

    @property
    def image_size(self) -> int:
        """Bytes the module takes in memory, in whole pages."""
        return aligned(self.segments[2].memory_end + self.bss_size)

    @property
    def module_name(self) -> str:
        """The name in the file's name field; usually empty. See :meth:`module_path`."""
        start = self.header.module_name_offset
        return decode_name(self.raw[start : start + min(self.header.module_name_size, _MAX_PATH)].tobytes().partition(b"\0")[0])

    def segment(self, name: SegmentName) -> Storage:
        """Return one segment, decompressed; a window on the file where it is stored plain.

        Raises:
            CorruptError: It runs over the end of the file, or is larger than any real one. Damaged compressed bytes raise it at the first
                look.
            UnsupportedError: The compression is unknown, or the package ``lz4`` is not installed (that, too, at the first look).
        """
        found = self._opened.get(name)
        if found is None:
            found = self._opened[name] = self._open(self.segments[NAMES.index(name)])
        return found

    def _open(self, segment: Segment) -> Storage:
        what = f"NSO {segment.name} segment"
        if segment.compressed and self.header.flags & NsoFlags.ZSTD:
            problem = "compressed with zstd, which is not supported"
            raise error(UnsupportedError, problem, what=what, storage=self.raw, offset=0xC, field="flags")
        total = sum(each.size for each in self.segments)
        if total > MAX_IMAGE:
            problem = f"the segments have {total:#x} bytes, {MAX_IMAGE:#x} are the most that are read"
            raise corrupt(problem, what=_WHAT, storage=self.raw, offset=0x10, field="size")
        raw = raw_segment(self.raw, segment, _WHAT)
        if not segment.compressed:
            return raw
        return Decompressed(raw, segment.size, partial(_lz4.decompress, size=segment.size), "Lz4", what)

    def hash_matches(self, name: SegmentName) -> bool | None:
        """Check one segment's hash; None where the file says it has none.

        Raises:
            CorruptError: The segment cannot be decompressed.
        """
        digest = self.segments[NAMES.index(name)].digest
        if not digest:
            return None
        return hashlib.sha256(self.segment(name)[:]).digest() == digest

    def image(self) -> Storage:
        """Return the module as it is loaded, up to the end of the data: segments at their memory offsets, zeros between them.

        Raises:
            CorruptError: Segments overlap or cannot be read.
        """
        return memory_image([(segment, self.segment(segment.name)) for segment in self.segments], self.raw, _WHAT)

    def uncompressed(self) -> Storage:
        """Return the NSO rewritten without compression: the header, and the image at 0x100. Patches address this form.

        The module name is left out, as other programs do.

        Raises:
            CorruptError: Segments overlap or cannot be read.
        """
        image = self.image()
        text, ro, data = (
            NsoSegment(NSO_HEADER.size + segment.memory_offset, segment.memory_offset, segment.size) for segment in self.segments
        )
        header = replace(
            self.header,
            flags=self.header.flags & ~(_COMPRESSED | NsoFlags.ZSTD),
            text=text,
            ro=ro,
            data=data,
            module_name_offset=NSO_HEADER.size,
            module_name_size=0,
            compressed_sizes=tuple(segment.size for segment in self.segments),
        )
        return ConcatStorage([MemoryStorage(encode(NSO_HEADER, header), "NSO header"), image])

    def mod0(self) -> Mod0:
        """Read the module header in the image.

        Raises:
            NotThisFormatError: There is none.
            CorruptError: It would lie outside the image, or segments cannot be read.
        """
        return Mod0.read(self.image())

    def module_path(self) -> str:
        """Return the path of the module when it was built, from the start of ro; ``""`` where there is none.

        Raises:
            CorruptError: The segment cannot be read.
        """
        ro = self.segment("ro")
        zero, length = (int.from_bytes(ro[at : at + 4], "little") for at in (0, 4))
        if zero or not 0 < length <= min(ro.size - 8, _MAX_PATH):
            return ""
        return decode_name(ro[8 : 8 + length].tobytes().partition(b"\0")[0])
