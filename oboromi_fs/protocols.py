"""What the layers agree on: bytes (:class:`Storage`), names (:class:`FileSystem`), streams (:class:`VFile`).

A :class:`Storage` is an immutable run of bytes without a cursor, sliced like ``bytes``. A :class:`FileSystem` gives a Storage for
a path. :mod:`oboromi_fs.base` has the base classes that make either out of very few methods.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, overload, runtime_checkable

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

__all__ = [
    "DirEntry",
    "Extent",
    "FileSystem",
    "Kind",
    "Metadata",
    "PathType",
    "Place",
    "Storage",
    "Stored",
    "VFile",
]

Kind: TypeAlias = Literal["file", "directory"]
Stored: TypeAlias = Literal["plain", "encrypted", "compressed", "patched"]
PathType: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"


class Place(NamedTuple):
    """Where a byte really lies.

    ``offset`` counts from the start of ``storage``, the outermost one (a file, or memory). It is exact for plain and encrypted
    bytes; for compressed or patched ones it names the structure they come from.
    """

    storage: Storage
    offset: int
    stored: Stored


class DirEntry(NamedTuple):
    """One name in a directory. ``size`` is in bytes, 0 for a directory."""

    name: str
    kind: Kind
    size: int


class Extent(NamedTuple):
    """A file as a run of bytes of a storage it shares with others: ``storage[offset : offset + size]``."""

    path: str
    storage: Storage
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a path without reading it. ``size`` in bytes (0 for a directory); ``mtime_ns`` where a host has one."""

    kind: Kind
    size: int
    mtime_ns: int | None = None


@runtime_checkable
class Storage(Protocol):
    """An immutable run of bytes, sliced like ``bytes``, shared freely between threads."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def kind(self) -> str:
        """Short name of the transformation, such as ``"AesCtr"``."""

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storages this one reads from, directly."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, key: int, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> memoryview: ...

    def readinto_at(self, offset: int, buffer: Buffer, /) -> int:
        """Fill ``buffer`` from byte ``offset`` on; return how many bytes there were."""

    def window(self, start: int, stop: int, /) -> Storage:
        """Bytes ``start..stop`` as a storage of their own, without copying."""

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""


@runtime_checkable
class VFile(Protocol):
    """An open file: the standard raw binary stream (read, seek, tell, close), with ``size`` and ``mmap()``."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def mmap(self) -> memoryview:
        """All bytes as one read-only view: zero-copy where stored plain, else decrypted once."""

    def read(self, size: int = -1, /) -> bytes | None: ...

    def readinto(self, buffer: Buffer, /) -> int | None: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None: ...


@runtime_checkable
class FileSystem(Protocol):
    """Names over bytes. Paths are ``/``-separated and relative to the root, which is ``""`` or ``"/"``."""

    def open(self, path: PathType, /) -> VFile:
        """Open a file for reading."""

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        """The entries of a directory, each name once, as a stable snapshot."""

    def metadata(self, path: PathType, /) -> Metadata:
        """Kind and size of a path."""

    def storage(self, path: PathType, /) -> Storage:
        """The bytes of a file, for slicing and for nesting another file system on."""
