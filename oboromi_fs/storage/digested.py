"""Bytes whose SHA-256 is known, and seen to be right by whoever reads them from the first to the last."""

from __future__ import annotations

from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING

from oboromi_fs.base import StorageBase
from oboromi_fs.base.storage import CHUNK
from oboromi_fs.errors import IntegrityError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Place, Storage

__all__ = ["DigestedStorage", "digest_of"]


def digest_of(storage: Storage) -> str:
    """Return the SHA-256 of all bytes of a storage, in lower-case hexadecimal."""
    digest = sha256()
    for start in range(0, storage.size, CHUNK):
        digest.update(storage[start : start + CHUNK])
    return digest.hexdigest()


class DigestedStorage(StorageBase):
    """A storage that must have a SHA-256. Who reads it all in order gets an error instead of its end where it has another.

    To know a digest all bytes must be read, and those who look at a few should not pay for it: what is read here and there is not checked.

    Args:
        source: The bytes.
        expected: Their SHA-256 in lower-case hexadecimal, or what it begins with.
        what: What they are, for the error.

    Raises:
        IntegrityError: By reading the last bytes, and from then on by reading any: the digest is another.

    Example:
        >>> from oboromi_fs import MemoryStorage
        >>> DigestedStorage(MemoryStorage(b"abc"), "0" * 64)[:2].tobytes()
        b'ab'
        >>> DigestedStorage(MemoryStorage(b"abc"), "0" * 64)[:].tobytes()
        Traceback (most recent call last):
        ...
        oboromi_fs.errors.IntegrityError: contents: SHA-256 is ba7816bf..., and not 00...
    """

    __slots__ = ("_digest", "_done", "_lock", "_problem", "expected", "kind", "source", "what")

    def __init__(self, source: Storage, expected: str, what: str = "contents") -> None:
        self.source = source
        self.expected = expected
        self.what = what
        self.kind = source.kind
        self._size = source.size
        self._lock = Lock()
        self._digest = sha256()
        self._done = 0  # Bytes that have gone into the digest.
        self._problem = ""

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The bytes."""
        return (self.source,)

    def place(self, offset: int = 0, /) -> Place:
        """Where byte ``offset`` really lies."""
        return self.source.place(offset)

    def _readinto(self, offset: int, target: memoryview) -> None:
        if not self._problem:
            self.source.readinto_at(offset, target)
            self._note(offset, target)
        if self._problem:
            raise IntegrityError(self._problem, what=self.what)

    def _note(self, offset: int, data: memoryview) -> None:
        with self._lock:
            if not offset and self._done < self._size:
                self._digest, self._done = sha256(), 0
            if offset != self._done or self._done == self._size:
                return
            self._digest.update(data)
            self._done += len(data)
            found = self._digest.hexdigest() if self._done == self._size else self.expected
            if not found.startswith(self.expected):
                self._problem = f"SHA-256 is {found}, and not {self.expected}"
