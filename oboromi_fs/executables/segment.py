"""A segment of an executable: where its bytes lie in the file and in memory, and the storages that give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs._decode import corrupt
from oboromi_fs.base import StorageBase
from oboromi_fs.errors import CorruptError
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oboromi_fs.protocols import Place, Storage

__all__ = ["MAX_IMAGE", "NAMES", "PAGE", "Segment", "SegmentName", "Zeros", "aligned", "layout_problems", "memory_image", "raw_segment"]

SegmentName: TypeAlias = Literal["text", "ro", "data"]

NAMES: tuple[SegmentName, ...] = ("text", "ro", "data")
PAGE = 0x1000
MAX_IMAGE = 512 << 20
"""The most an executable may take in memory, in bytes; real ones stay far below."""

_MAX_SIZE = 0x7FFFFFFF
_PERMISSIONS = {"text": "r-x", "ro": "r--", "data": "rw-"}


@dataclass(frozen=True, slots=True)
class Segment:
    """Where one segment lies.

    Attributes:
        name: ``text``, ``ro`` or ``data``.
        file_offset: First byte in the file.
        file_size: Bytes it takes in the file.
        memory_offset: First byte in the loaded image.
        size: Bytes it has in the loaded image; a KIP may store fewer, the rest are zeros.
        compressed: Whether the file holds it compressed.
        digest: SHA-256 of its decompressed bytes; empty where the file says none.
    """

    name: SegmentName
    file_offset: int
    file_size: int
    memory_offset: int
    size: int
    compressed: bool = False
    digest: bytes = b""

    @property
    def memory_end(self) -> int:
        """First byte of the loaded image behind the segment."""
        return self.memory_offset + self.size

    @property
    def permissions(self) -> str:
        """What a program may do with it once loaded: ``r-x``, ``r--`` or ``rw-``."""
        return _PERMISSIONS[self.name]


def aligned(size: int) -> int:
    """Return a size rounded up to whole pages of 0x1000 bytes."""
    return size + -size % PAGE


class Zeros(StorageBase):
    """So many zero bytes, without holding them.

    Example:
        >>> Zeros(1 << 40)[-3:].tobytes()
        b'\\x00\\x00\\x00'
    """

    __slots__ = ()
    kind = "Zeros"

    def __init__(self, size: int) -> None:
        self._size = size

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        target[:] = bytes(len(target))


class Decompressed(StorageBase):
    """What a codec makes of a storage, decompressed whole at the first look and kept.

    Args:
        source: The compressed bytes.
        size: Bytes they decompress to.
        codec: Turns all compressed bytes into all others; raises CorruptError with an offset that counts from their start.
        kind: Name of the compression.
        what: What error messages call it.
    """

    __slots__ = ("_bytes", "_codec", "_source", "kind", "what")

    def __init__(self, source: Storage, size: int, codec: Callable[[memoryview], bytes], kind: str, what: str) -> None:
        self._source = source
        self._size = size
        self._codec = codec
        self._bytes: memoryview | None = None
        self.kind = kind
        self.what = what

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The compressed bytes."""
        return (self._source,)

    def _all(self) -> memoryview:
        view = self._bytes
        if view is None:
            try:
                data = self._codec(self._source[:])
            except CorruptError as wrong:
                raise corrupt(wrong.problem, what=self.what, storage=self._source, offset=wrong.offset or 0, field=wrong.field) from wrong
            if len(data) != self._size:
                problem = f"decompresses to {len(data):#x} bytes, not to {self._size:#x}"
                raise corrupt(problem, what=self.what, storage=self._source, offset=0)
            view = self._bytes = memoryview(data)
        return view

    def _view(self, start: int, stop: int) -> memoryview:
        return self._all()[start:stop]

    def _readinto(self, offset: int, target: memoryview) -> None:
        target[:] = self._all()[offset : offset + len(target)]

    def place(self, offset: int = 0, /) -> Place:
        """Where the compressed bytes begin that byte ``offset`` comes from."""
        del offset
        return self._source.place(0)._replace(stored="compressed")


def raw_segment(storage: Storage, segment: Segment, what: str) -> Storage:
    """Return the bytes of a segment as the file holds them.

    Raises:
        CorruptError: They run over the end of the file.
    """
    end = segment.file_offset + segment.file_size
    if end > storage.size:
        problem = f"{segment.name} ends at {end:#x}, the file at {storage.size:#x}: it is cut short or damaged"
        raise corrupt(problem, what=what, storage=storage, offset=min(segment.file_offset, storage.size), field=segment.name)
    return storage.window(segment.file_offset, end)


def memory_image(parts: Sequence[tuple[Segment, Storage]], storage: Storage, what: str) -> Storage:
    """Return segments where they lie in memory, with zeros between them; what lies behind the last one's bytes is not part of it.

    Args:
        parts: Each segment and its decompressed bytes, in order.
        storage: The file, for error messages.
        what: What error messages call its header.

    Raises:
        CorruptError: They overlap or are out of order, or the image is larger than 512 MiB.
    """
    pieces: list[Storage] = []
    end = 0
    for segment, data in parts:
        if segment.memory_offset < end:
            problem = f"{segment.name} at {segment.memory_offset:#x} overlaps what ends at {end:#x}"
            raise corrupt(problem, what=what, storage=storage, offset=0, field=segment.name)
        pieces += [Zeros(segment.memory_offset - end), data]
        end = segment.memory_offset + data.size
        if end > MAX_IMAGE:
            problem = f"{segment.name} ends at {end:#x} in memory, {MAX_IMAGE:#x} is the most that is read"
            raise corrupt(problem, what=what, storage=storage, offset=0, field=segment.name)
    return ConcatStorage([piece for piece in pieces if piece.size])


def layout_problems(
    segments: Iterable[Segment], file_size: int, *, bss_offset: int | None = None, contiguous: bool = False, from_zero: bool = True
) -> list[str]:
    """Tell what the official loaders refuse in how segments lie.

    Args:
        segments: Text, ro and data.
        file_size: Size of the file, in bytes.
        bss_offset: Where the zeros behind the data begin in memory; None where they follow the data.
        contiguous: Whether segments must follow each other without gaps, in whole pages.
        from_zero: Whether text must be the start of the image.
    """
    problems: list[str] = []
    end = 0
    for segment in segments:
        name, start = segment.name, segment.memory_offset
        if segment.file_offset + segment.file_size > file_size:
            problems.append(f"{name} ends at {segment.file_offset + segment.file_size:#x}, the file at {file_size:#x}")
        if start % PAGE:
            problems.append(f"{name} lies at {start:#x} in memory, not at the start of a page")
        if start < end:
            problems.append(f"{name} at {start:#x} in memory overlaps what ends at {end:#x}")
        elif start != end and (from_zero if name == "text" else contiguous):
            problems.append(f"{name} lies at {start:#x} in memory, not at {end:#x}")
        if contiguous and segment.size % PAGE:
            problems.append(f"{name} has {segment.size:#x} bytes, not a whole number of pages")
        if segment.file_size > segment.size:
            problems.append(f"{name} takes {segment.file_size:#x} bytes in the file, more than its {segment.size:#x} in memory")
        if segment.size > _MAX_SIZE:
            problems.append(f"{name} has {segment.size:#x} bytes, {_MAX_SIZE:#x} are the most")
        end = segment.memory_end
    if bss_offset is not None and bss_offset < end:
        problems.append(f"bss at {bss_offset:#x} in memory overlaps what ends at {end:#x}")
    return problems
