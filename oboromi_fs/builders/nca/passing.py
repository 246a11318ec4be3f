"""One pass over the images, in a few threads: read, hash, encrypt, write; then one over what was written, for its name."""

from __future__ import annotations

import hashlib
from collections import deque
from threading import local
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from oboromi_fs.builders.nca.geometry import up
from oboromi_fs.builders.nca.hashing import TreeWriter, block_digests
from oboromi_fs.builders.nca.layout import filled_hash_data
from oboromi_fs.builders.nca.source import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Self

    from oboromi_fs.builders.nca.builder import PlacedSection
    from oboromi_fs.builders.nca.crypting import SectionCipher
    from oboromi_fs.builders.nca.output import Output

__all__ = ["Pass", "Pool", "Progress"]

Progress: TypeAlias = "Callable[[int, int], object]"
"""Called with bytes done and bytes in all, where reading back counts too. An exception of it stops the work, and nothing is left."""

T = TypeVar("T")

_RUN = 1 << 20
"""Bytes a task takes: enough to drown its cost, little enough for the processor's cache."""
_ALIGNED = 16
_PATIENCE = 16
"""How many further interrupts do not keep us from waiting for the threads."""


class Pool:
    """Threads that do tasks whose results come in the order of the tasks; the caller's own where one is enough.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is under way, also when interrupted once more: it writes to a file that is closed next."""
        if self._pool is None:
            return
        interrupt: KeyboardInterrupt | None = None
        for _again in range(_PATIENCE):
            try:
                self._pool.shutdown(wait=True, cancel_futures=True)
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def results(self, tasks: Iterable[tuple[Callable[[int], T], int]], count: int, ahead: int = 0) -> Iterator[T]:
        """Yield the results of tasks in order.

        Args:
            tasks: Functions and their arguments.
            count: How many there are.
            ahead: How many may be under way or done besides the one asked for; some for each thread by default.
        """
        if min(self._workers, count) <= 1:
            for function, argument in tasks:
                yield function(argument)
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._workers, "nca")
        waiting: deque[Future[T]] = deque()
        for function, argument in tasks:
            waiting.append(self._pool.submit(function, argument))
            if len(waiting) > (ahead or 2 * self._workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _SectionPass:
    """One section on its way from its image to the output."""

    def __init__(self, section: PlacedSection, cipher: SectionCipher, output: Output, buffers: local) -> None:
        layout = section.layout
        self.section = section
        self._cipher = cipher
        self._output = output
        self._buffers = buffers
        self._reader = Reader(section.image)
        self._hash_type = layout.header.hash_type
        self._block_size = layout.block_size
        self.size = section.geometry.data.size
        self.step = max(_RUN // layout.block_size, 1) * layout.block_size if layout.block_size else _RUN
        self.tree = TreeWriter(self._hash_type, section.geometry, layout.block_size, self._put)

    def _put(self, offset: int, data: bytearray | memoryview) -> None:
        """Encrypt bytes of the section in place, and write them."""
        self._cipher.encrypt(offset, data)
        self._output.write(self.section.start + offset, data)

    def task(self, at: int) -> bytes:
        """Bring a run of the image home; return the hashes of its blocks. For any thread."""
        size = min(self.step, self.size - at)
        room = up(size, _ALIGNED)
        buffer: bytearray = getattr(self._buffers, "buffer", bytearray())
        if len(buffer) < room:
            self._buffers.buffer = buffer = bytearray(max(room, min(self.step, up(self.size, _ALIGNED))))
        view = memoryview(buffer)[:room]
        self._reader.read(at, view[:size])
        view[size:] = bytes(room - size)
        digests = block_digests(self._hash_type, view[:size], self._block_size)
        self._put(self.section.geometry.data.offset + at, view)
        return digests

    def finish(self) -> bytes:
        """Write what is neither hashes nor data; return the hash data of the FS header."""
        master = self.tree.finish()
        for gap in self.section.geometry.gaps():
            stop = gap.offset + gap.size
            for at in range(up(gap.offset, _ALIGNED), stop, _RUN):  # The bytes before were written with the data.
                self._put(at, bytearray(min(_RUN, stop - at)))
        return filled_hash_data(self.section.layout, self.section.geometry, master)


class Pass:
    """The work on one NCA.

    Args:
        sections: What to bring where.
        ciphers: How to encrypt each.
        output: Where it goes.
        pool: Who does it.
        progress: Told how far it is.
        total: What that counts to.
    """

    def __init__(
        self,
        sections: Sequence[PlacedSection],
        ciphers: Sequence[SectionCipher],
        output: Output,
        pool: Pool,
        progress: Progress | None,
        total: int,
    ) -> None:
        buffers = local()
        self._passes = [_SectionPass(section, cipher, output, buffers) for section, cipher in zip(sections, ciphers, strict=True)]
        self._output = output
        self._pool = pool
        self._progress = progress
        self._done = 0
        self._total = total

    def _advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)

    def sections(self) -> list[bytes]:
        """Write every section; return the hash data of each one's FS header."""
        runs = [(each, range(0, each.size, each.step)) for each in self._passes]
        tasks = ((each.task, at) for each, starts in runs for at in starts)
        owners = ((each, min(each.step, each.size - at)) for each, starts in runs for at in starts)
        results = self._pool.results(tasks, sum(len(starts) for _, starts in runs))
        for (each, count), digests in zip(owners, results, strict=True):
            each.tree.feed(digests)
            self._advance(count)
        return [each.finish() for each in self._passes]

    def digest(self, size: int) -> bytes:
        """Return the SHA-256 of the whole output, which is read back a run ahead of the hashing."""
        buffers = [memoryview(bytearray(min(_RUN, size))) for _ in range(2)]
        runs = range(0, size, _RUN)

        def read(number: int) -> memoryview:
            part = buffers[number % 2][: min(_RUN, size - runs[number])]
            self._output.read(runs[number], part)
            return part

        digest = hashlib.sha256()
        for part in self._pool.results(((read, number) for number in range(len(runs))), len(runs), ahead=1):
            digest.update(part)
            self._advance(len(part))
        return digest.digest()
