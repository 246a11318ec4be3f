"""A source: the bytes a forged archive is made of, wherever they are; and the target it is written to."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "Files",
    "Generated",
    "Source",
    "Target",
    "chunks_of",
    "concatenated",
    "fill",
    "head_of",
    "noise",
    "opened",
    "pairs",
    "pieces_of",
    "raw",
    "regroup",
    "size_of",
    "tobytes",
    "write_all",
]

CHUNK = 1 << 20
"""How many bytes are in memory at once, at least."""


class Generated(NamedTuple):
    """Bytes made while they are written: how many, and a function that makes them anew each time."""

    size: int
    chunks: Callable[[], Iterable[bytes]]


Source: TypeAlias = "bytes | bytearray | memoryview | os.PathLike[str] | Generated"
"""Bytes in memory, a host file (a path object, never a str), or bytes made on the way."""

Files: TypeAlias = "Mapping[str, Source] | Mapping[bytes, Source] | Mapping[str | bytes, Source] | Iterable[tuple[str | bytes, Source]]"
"""Names and contents, in the order to write. Names are UTF-8 text (surrogate escapes stand for other bytes) or bytes."""


class Writable(Protocol):
    """What a target needs: ``write``."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take all of ``data``."""


Target: TypeAlias = "str | os.PathLike[str] | Writable"
"""A path to create, or a binary stream to write to from where it stands."""


def raw(name: str | bytes) -> bytes:
    """Return the bytes of a name or path."""
    return name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name


def pairs(files: Files) -> list[tuple[bytes, Source]]:
    """Return names and contents as a list, in order."""
    items = files.items() if isinstance(files, Mapping) else files
    return [(raw(name), source) for name, source in items]


def size_of(source: Source) -> int:
    """Return the size in bytes."""
    if isinstance(source, Generated):
        return source.size
    if isinstance(source, os.PathLike):
        return os.stat(source).st_size
    return memoryview(source).nbytes


def chunks_of(source: Source) -> Iterator[bytes | bytearray | memoryview]:
    """Yield the bytes in order, in chunks of any size.

    Raises:
        ValueError: There are fewer or more bytes than :func:`size_of` said.
    """
    done = 0
    if isinstance(source, Generated):
        for chunk in source.chunks():
            yield chunk
            done += len(chunk)
    elif isinstance(source, os.PathLike):
        with open(source, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
                done += len(chunk)
    else:
        view = memoryview(source).cast("B")
        yield view
        done = len(view)
    if done != size_of(source):
        raise ValueError(f"the source gave {done} bytes, {size_of(source)} were announced")


def pieces_of(data: Source | Iterable[bytes]) -> Iterable[bytes | bytearray | memoryview]:
    """Return the bytes of a source, or chunks that can be had once, as they are."""
    if isinstance(data, (bytes, bytearray, memoryview, os.PathLike, Generated)):
        return chunks_of(data)
    return data


def regroup(chunks: Iterable[bytes | bytearray | memoryview], size: int) -> Iterator[bytes | bytearray | memoryview]:
    """Yield the same bytes in chunks of exactly ``size``; only the last may be shorter."""
    rest = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        if rest:
            missing = size - len(rest)
            rest += view[:missing]
            view = view[missing:]
            if len(rest) < size:
                continue
            yield rest
            rest = bytearray()
        whole = len(view) - len(view) % size
        for start in range(0, whole, size):
            yield view[start : start + size]
        rest += view[whole:]
    if rest:
        yield rest


def head_of(source: Source, count: int) -> bytes:
    """Return the first ``count`` bytes, or all if there are fewer."""
    if count <= 0:
        return b""
    return bytes(next(regroup(chunks_of(source), count), b""))


def fill(size: int, byte: int = 0) -> Generated:
    """Return ``size`` equal bytes."""

    def chunks() -> Iterator[bytes]:
        block = bytes([byte]) * min(size, CHUNK)
        for start in range(0, size, CHUNK):
            yield block[: size - start]

    return Generated(size, chunks)


def noise(size: int, seed: str = "noise") -> Generated:
    """Return ``size`` bytes that look random and do not compress, the same for the same seed; about 1 GB/s."""

    def chunks() -> Iterator[bytes]:
        from hashlib import sha256

        from Crypto.Cipher import AES

        stream = AES.new(sha256(seed.encode()).digest()[:16], AES.MODE_CTR, nonce=bytes(8))
        zeros = bytes(min(size, CHUNK))
        for start in range(0, size, CHUNK):
            yield stream.encrypt(zeros[: size - start])

    return Generated(size, chunks)


@contextmanager
def opened(target: Target) -> Iterator[Writable]:
    """Give the stream to write to: a new file that is closed afterwards, or the caller's stream that stays open."""
    if isinstance(target, (str, os.PathLike)):
        with open(target, "wb", buffering=CHUNK) as file:
            yield file
    else:
        yield target


def write_all(target: Target, sources: Iterable[Source]) -> int:
    """Write sources one after the other; return the number of bytes."""
    total = 0
    with opened(target) as out:
        for source in sources:
            for chunk in chunks_of(source):
                out.write(chunk)
                total += len(chunk)
    return total


def tobytes(sources: Iterable[Source]) -> bytes:
    """Return the bytes of sources one after the other."""
    out = io.BytesIO()
    write_all(out, sources)
    return out.getvalue()


def concatenated(sources: Sequence[Source]) -> Generated:
    """Return sources one after the other as one source."""
    return Generated(sum(map(size_of, sources)), lambda: (bytes(chunk) for source in sources for chunk in chunks_of(source)))
