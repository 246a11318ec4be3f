"""NCZ from an NCA: its sections in the clear, compressed, with what it takes to encrypt them again. Source: nsz, "formats".

Section records cover the NCA from byte 0x4000 to its end without a gap, whatever its sections: so every reader, also one that adds up their
sizes, makes the same NCA of them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Protocol

from oboromi_formats.nca import Encryption
from oboromi_formats.ncz import (
    LEAST_EXPONENT,
    NCZ_BLOCK_HEADER,
    NCZ_BLOCK_SIZE,
    NCZ_SECTION,
    NCZ_SECTION_HEADER,
    VERBATIM_SIZE,
    NczBlockHeader,
    NczCrypto,
    NczSectionHeader,
)
from oboromi_fs._decode import dtype, encode
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.storage._source import fill, view_of
from oboromi_fs.storage.aside import written_aside
from oboromi_fs.storage.ncz.crypting import SectionCrypt
from oboromi_fs.storage.ncz.header import MOST_SECTIONS, NczHeader
from oboromi_fs.storage.ncz.sharing import share
from oboromi_fs.storage.ncz.zstd import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import TypeAlias

    from oboromi_fs.backends.nca import CryptRun
    from oboromi_fs.protocols import Storage

    Progress: TypeAlias = Callable[[int, int], object]
    _Made: TypeAlias = tuple[int, bytes] | BaseException

__all__ = ["EXPONENTS", "LEVELS", "NczBuilder", "NczOptions"]

EXPONENTS = range(LEAST_EXPONENT, 26)
"""Of the size of blocks that are written: larger ones are solid mode by another name, and take as much memory to write."""
LEVELS = range(1, 23)
"""Of Zstandard."""
_PIECE = 4 << 20
"""Bytes of a stream that are compressed at a time."""
_WAITING = 2
"""Pieces that are compressed, and wait to be written."""
_CRYPTED = 1 << 18
_CRYPTO = {
    Encryption.NONE: NczCrypto.NONE,
    Encryption.AES_XTS: NczCrypto.AES_XTS,
    Encryption.AES_CTR: NczCrypto.AES_CTR,
    Encryption.AES_CTR_EX: NczCrypto.AES_CTR_EX,
}


class Output(Protocol):
    """Where an NCZ goes: takes bytes by position."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``."""


class _File:
    """A file that is written by position."""

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._number, view, offset)
            view, offset = view[count:], offset + count


@dataclass(frozen=True, slots=True, kw_only=True)
class NczOptions:
    """How to compress.

    Attributes:
        level: Of Zstandard, 1 to 22.
        exponent: Of the block size, 14 to 25; None for solid mode.
        workers: Threads; None takes one for each processor.

    Raises:
        FormatError: A number is out of range.
    """

    level: int = 18
    exponent: int | None = 20
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise FormatError(f"level {self.level} is none of {LEVELS[0]} to {LEVELS[-1]}", what="NCZ", field="level")
        if self.exponent is not None and self.exponent not in EXPONENTS:
            problem = f"blocks of 2**{self.exponent} bytes; the exponent is {EXPONENTS[0]} to {EXPONENTS[-1]}"
            raise FormatError(problem, what="NCZ block header", field="exponent")


class NczBuilder:
    """An NCZ in the making.

    Args:
        raw: The NCA, as it is.
        runs: What it is encrypted with, in the order of the file.
        options: How to compress.

    Attributes:
        work: What its progress counts to: the bytes of the NCA.

    Raises:
        FormatError: The NCA is too short to be compressed, or its sections overlap.
        UnsupportedError: The package zstandard is not installed; or a patch changes its generation more often than can be said.
    """

    def __init__(self, raw: Storage, runs: Sequence[CryptRun], options: NczOptions | None = None) -> None:
        zstandard()
        self._raw = raw
        self._options = options or NczOptions()
        self.work = raw.size
        if raw.size <= VERBATIM_SIZE:
            problem = f"{raw.size:#x} bytes; the first {VERBATIM_SIZE:#x} of an NCA are never compressed, and there are no more"
            raise FormatError(problem, what="NCZ")
        self._header = _sections(runs, raw.size)
        self._crypt = SectionCrypt(self._header)
        self._local = threading.local()

    def write(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> int:
        """Write the NCZ to a host file, aside first, so that a failure leaves nothing and an older file as it was.

        Args:
            path: The file.
            progress: Called with bytes of the NCA that are done, and all of them.

        Returns:
            Bytes of the NCZ.

        Raises:
            OboromiFsError: The NCA cannot be read.
            OSError: The host refuses, such as for want of room.
        """
        with written_aside(path) as file:
            return self.write_at(_File(file.number), progress=progress)

    def write_at(self, output: Output, *, progress: Progress | None = None) -> int:
        """Write the NCZ somewhere; see :meth:`write`."""
        head = bytearray(VERBATIM_SIZE)
        fill(self._raw, 0, memoryview(head))
        records = self._header.sections.tobytes()
        head += encode(NCZ_SECTION_HEADER, NczSectionHeader(count=len(self._header.sections))) + records
        output.write(0, head)
        if self._options.exponent is None:
            return self._write_solid(output, len(head), progress)
        return self._write_blocks(output, len(head), self._options.exponent, progress)

    # Blocks

    def _write_blocks(self, output: Output, at: int, exponent: int, progress: Progress | None) -> int:
        from concurrent.futures import ThreadPoolExecutor

        size = self._raw.size - VERBATIM_SIZE
        count = -(-size >> exponent)
        position = at + NCZ_BLOCK_HEADER.size + NCZ_BLOCK_SIZE.row_size * count
        sizes: list[int] = []
        workers = self._options.workers or os.cpu_count() or 1
        waiting: deque[Future[bytes | bytearray]] = deque()
        pool = ThreadPoolExecutor(workers, "compress")
        try:
            for number in range(count + 2 * workers):  # So many are under way, or wait to be written, at a time.
                if number < count:
                    waiting.append(pool.submit(self._block, number, exponent))
                if number >= 2 * workers - 1 and waiting:
                    block = waiting.popleft().result()
                    output.write(position, block)
                    position += len(block)
                    sizes.append(len(block))
                    if progress is not None:
                        progress(min(VERBATIM_SIZE + (len(sizes) << exponent), self.work), self.work)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        header = NczBlockHeader(exponent=exponent, block_count=count, size=size)
        table = b"".join(length.to_bytes(NCZ_BLOCK_SIZE.row_size, "little") for length in sizes)
        output.write(at, encode(NCZ_BLOCK_HEADER, header) + table)
        return position

    def _block(self, number: int, exponent: int) -> bytes | bytearray:
        start = VERBATIM_SIZE + (number << exponent)
        plain = bytearray(min(1 << exponent, self._raw.size - start))
        self._clear(start, memoryview(plain))
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = zstandard().ZstdCompressor(level=self._options.level)
        compressed: bytes = compressor.compress(plain)
        return compressed if len(compressed) < len(plain) else plain

    # Solid

    def _write_solid(self, output: Output, at: int, progress: Progress | None) -> int:
        made: Queue[_Made] = Queue(_WAITING)
        stop = threading.Event()
        # Nobody waits for its end: at the higher levels Zstandard goes on for a minute, whatever happens to who gave it the bytes.
        threading.Thread(target=self._compress, args=(made, stop), name="compress", daemon=True).start()
        done = VERBATIM_SIZE
        try:
            while True:
                part = made.get()
                if isinstance(part, BaseException):
                    raise part
                taken, data = part
                at = _append(output, at, data)
                if taken == 0:
                    break
                done += taken
                if progress is not None:
                    progress(done, self.work)
        finally:
            stop.set()
            with suppress(Empty):
                while True:
                    made.get_nowait()  # So that it finds room, and ends.
        return at

    def _compress(self, made: Queue[_Made], stop: threading.Event) -> None:
        """Give what has been compressed, and of how many bytes each time; of none at last; or what went wrong."""
        try:
            workers = self._options.workers or os.cpu_count() or 1
            # With threads, even one, the bytes do not depend on how many there are.
            compressor = zstandard().ZstdCompressor(level=self._options.level, threads=workers)
            stream = compressor.compressobj(size=self._raw.size - VERBATIM_SIZE)
            for part in self._pieces():
                made.put((len(part), stream.compress(part)))
                if stop.is_set():
                    return
            made.put((0, stream.flush()))
        except BaseException as wrong:  # noqa: BLE001  # Who waits for the bytes raises it.
            made.put(wrong)

    def _pieces(self) -> Iterator[memoryview]:
        """All that is compressed, in the clear; the next piece is read while one is in use."""
        from concurrent.futures import ThreadPoolExecutor

        buffers = [memoryview(bytearray(min(_PIECE, self._raw.size))) for _ in range(2)]
        starts = range(VERBATIM_SIZE, self._raw.size, _PIECE)

        def piece(number: int) -> memoryview:
            part = buffers[number % 2][: min(_PIECE, self._raw.size - starts[number])]
            self._clear_shared(starts[number], part)
            return part

        with ThreadPoolExecutor(1, "read") as pool:
            waiting = pool.submit(piece, 0)
            for number in range(1, len(starts) + 1):
                part = waiting.result()
                if number < len(starts):
                    waiting = pool.submit(piece, number)
                yield part

    def _clear_shared(self, start: int, target: memoryview) -> None:
        def work(index: int) -> None:
            self._clear(start + index * _CRYPTED, target[index * _CRYPTED : (index + 1) * _CRYPTED])

        share(work, -(-len(target) // _CRYPTED), self._options.workers)

    def _clear(self, start: int, target: memoryview) -> None:
        """Fill with bytes of the NCA in the clear."""
        source: Any = view_of(self._raw, start, start + len(target))
        if source is None:
            fill(self._raw, start, target)
            source = target
        self._crypt.apply(start, source, target)


def _append(output: Output, at: int, data: bytes) -> int:
    if data:
        output.write(at, data)
    return at + len(data)


def _sections(runs: Sequence[CryptRun], size: int) -> NczHeader:
    """The section records: all from the verbatim bytes to the end of the NCA, what is in no section as it is."""
    import numpy as np

    rows: list[tuple[int, int, int, int, bytes, bytes]] = []

    def add(start: int, stop: int, crypto: NczCrypto, key: bytes = b"", upper: bytes = b"") -> None:
        if start < stop:
            rows.append((start, stop - start, crypto, 0, key.ljust(16, b"\0"), upper.ljust(16, b"\0")))

    end = VERBATIM_SIZE
    last = 0
    for run in runs:
        if run.start < last or run.stop > size:
            raise FormatError(f"a section runs from {run.start:#x} to {run.stop:#x}, over another or over the end", what="NCZ")
        last = run.stop
        if run.stop <= VERBATIM_SIZE:
            continue
        start = max(run.start, VERBATIM_SIZE)
        add(end, start, NczCrypto.NONE)
        add(start, run.stop, _CRYPTO[run.encryption], run.key, run.upper)
        end = run.stop
    add(end, size, NczCrypto.NONE)
    if len(rows) > MOST_SECTIONS:
        raise UnsupportedError(f"{len(rows)} runs of other encryption; at most {MOST_SECTIONS} are written", what="NCZ section table")
    sections = np.array(rows, dtype(NCZ_SECTION))
    starts = sections["offset"].astype(np.int64)
    return NczHeader(sections, starts, starts + sections["size"].astype(np.int64), 0, None, None)
