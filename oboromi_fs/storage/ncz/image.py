"""The NCA in an NCZ, bit for bit, made again as it is read. Source: nsz, "formats"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.ncz import VERBATIM_SIZE
from oboromi_fs._decode import corrupt
from oboromi_fs.base import StorageBase
from oboromi_fs.storage._source import fill, view_of
from oboromi_fs.storage.ncz.blocks import BlockBody
from oboromi_fs.storage.ncz.crypting import SectionCrypt
from oboromi_fs.storage.ncz.frame import FrameStorage
from oboromi_fs.storage.ncz.header import NczHeader, read_ncz_header
from oboromi_fs.storage.ncz.sharing import share
from oboromi_fs.storage.ncz.zstd import FrameError, content_size, zstandard

if TYPE_CHECKING:
    from oboromi_fs.protocols import Place, Storage

__all__ = ["NczStorage"]

_PIECE = 1 << 18
"""Bytes of a stream that a thread encrypts at a time."""


class NczStorage(StorageBase):
    """The NCA that an NCZ holds: the first bytes as they stand there, the rest decompressed, and encrypted again where the NCA is.

    In block mode a read decompresses the blocks it touches, on all processors where they are several; of a block that was read in part, the
    rest is kept for a while. In solid mode reads in order take one pass; see :class:`~oboromi_fs.storage.ncz.frame.FrameStorage` for
    others.

    Args:
        source: The NCZ.
        size: Bytes the NCA has, by its own header; needed in solid mode only, and there the end of the last section is taken without.
        header: What was read of the NCZ already.

    Raises:
        NotThisFormatError: This is no NCZ.
        CorruptError: What it says of itself cannot be.
        UnsupportedError: Its blocks are of an unknown version; or the package zstandard is not installed.

    Attributes:
        ncz: What the NCZ says of itself.
        source: The NCZ.
    """

    __slots__ = ("_body", "_crypt", "ncz", "source")
    kind = "Ncz"

    def __init__(self, source: Storage, size: int | None = None, header: NczHeader | None = None) -> None:
        zstandard()
        self.source = source
        self.ncz = header if header is not None else read_ncz_header(source)
        self._crypt = SectionCrypt(self.ncz)
        self._body: BlockBody | FrameStorage | None = None
        if self.ncz.blocks is not None:
            self._body = BlockBody(source, self.ncz)
            self._size = VERBATIM_SIZE + self._body.size
            return
        stream = source.window(self.ncz.data_offset, source.size)
        self._size = self._solid_size(stream, size)
        if self._size > VERBATIM_SIZE:
            self._body = FrameStorage(stream, self._size - VERBATIM_SIZE, what="NCZ stream")

    def section_keys(self) -> list[bytes]:
        """Return the keys that sections are encrypted with, each once; there are hardly ever two."""
        return self._crypt.keys()

    def is_encrypted_with(self, start: int, stop: int, key: bytes, upper_iv: bytes) -> bool:
        """Whether all of a run that is not verbatim stands in the NCZ without this encryption."""
        return self._crypt.is_all(max(start, VERBATIM_SIZE), stop, key, upper_iv)

    def clear_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with bytes as they are compressed, from byte ``offset`` of the NCA on, which is none of the verbatim ones.

        Raises:
            CorruptError: What is compressed is damaged.
        """
        position = offset - VERBATIM_SIZE
        if isinstance(self._body, BlockBody):
            self._body.deliver(position, target, _copy)
        elif self._body is not None:
            fill(self._body, position, target)

    def _solid_size(self, stream: Storage, size: int | None) -> int:
        """How large the NCA is: what the stream says, the NCA's header, or the last section."""
        try:
            said = content_size(stream[:32]) if stream.size else 0
        except FrameError as wrong:
            raise corrupt(str(wrong), what="NCZ stream", storage=self.source, offset=self.ncz.data_offset) from None
        if said is not None:
            size = VERBATIM_SIZE + said
        wanted = max(self.ncz.sections_end, VERBATIM_SIZE)
        if said is not None and wanted > VERBATIM_SIZE + said:
            problem = f"the last section ends at {wanted:#x}, the NCA at {VERBATIM_SIZE + said:#x}"
            raise corrupt(problem, what="NCZ stream", storage=self.source, offset=self.ncz.data_offset)
        return max(size or 0, wanted)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The NCZ."""
        return (self.source,)

    def _view(self, start: int, stop: int) -> memoryview | None:
        return view_of(self.source, start, stop) if stop <= VERBATIM_SIZE else None

    def _readinto(self, offset: int, target: memoryview) -> None:
        head = VERBATIM_SIZE - offset
        if head > 0:
            fill(self.source, offset, target[:head])
            target = target[head:]
            offset += head
            if not target:
                return
        position = offset - VERBATIM_SIZE
        if isinstance(self._body, BlockBody):
            self._body.deliver(position, target, self._put)
        elif self._body is not None:
            fill(self._body, position, target)
            self._encrypt(offset, target)

    def _put(self, position: int, data: bytes | memoryview, target: memoryview) -> None:
        self._crypt.apply(VERBATIM_SIZE + position, data, target)

    def _encrypt(self, offset: int, target: memoryview) -> None:
        def work(index: int) -> None:
            part = target[index * _PIECE : (index + 1) * _PIECE]
            self._crypt.apply(offset + index * _PIECE, part, part)

        share(work, -(-len(target) // _PIECE))

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies; of what is compressed, where the block begins that it comes from."""
        if offset < VERBATIM_SIZE:
            return self.source.place(offset)._replace(stored="compressed")  # Of a whole that is.
        body = self._body
        at = self.ncz.data_offset
        if isinstance(body, BlockBody) and offset < self._size:
            at, _ = body.span(offset - VERBATIM_SIZE >> self.ncz.blocks.exponent if self.ncz.blocks is not None else 0)
        return self.source.place(min(at, self.source.size))._replace(stored="compressed")


def _copy(position: int, data: bytes | memoryview, target: memoryview) -> None:
    del position
    if data is not target:
        target[:] = data
