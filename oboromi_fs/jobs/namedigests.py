"""Whether NCAs are what their names say, found out while something else is done with them."""

from __future__ import annotations

import re
from hashlib import sha256
from threading import Event, Thread
from typing import TYPE_CHECKING

from oboromi_fs.base.storage import CHUNK
from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from oboromi_fs.protocols import Storage

__all__ = ["NameDigest", "digest_in_name"]

_NAMED = re.compile(r"([0-9a-f]{32})(?:\.cnmt)?\.nc[az]", re.IGNORECASE)


def digest_in_name(name: str) -> str:
    """Return what the SHA-256 of an NCA begins with by its name; ``""`` where that says nothing.

    Example:
        >>> digest_in_name("0AC23547aeaecd1c1c3b4e1154bf6fcd.ncz"), digest_in_name("program.nca")
        ('0ac23547aeaecd1c1c3b4e1154bf6fcd', '')
    """
    found = _NAMED.fullmatch(name)
    return found[1].lower() if found else ""


class NameDigest:
    """Reads an NCA to its end, in a thread of its own, as long as the ``with`` block runs; its end waits for that, unless it is an error.

    What it reads, the other who reads it finds in memory: so little is read from the disk twice.

    Args:
        storage: The NCA.
        expected: What its SHA-256 begins with.

    Attributes:
        problem: After the block: what is wrong, or ``""``. Of what cannot be read nothing is said: whoever reads it as well is told.

    Example:
        >>> from oboromi_fs import MemoryStorage
        >>> with NameDigest(MemoryStorage(b"abc"), "00") as digest:
        ...     pass
        >>> digest.problem
        'is not what its name says: its SHA-256 begins with ba7816bf8f01cfea414140de5dae2223'
    """

    def __init__(self, storage: Storage, expected: str) -> None:
        self.problem = ""
        self._storage = storage
        self._expected = expected
        self._stop = Event()
        self._thread = Thread(target=self._read, name="digest", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        digest = sha256()
        try:
            for start in range(0, self._storage.size, CHUNK):
                if self._stop.is_set():
                    return
                digest.update(self._storage[start : start + CHUNK])
        except (OboromiFsError, OSError):
            return
        found = digest.hexdigest()
        if not found.startswith(self._expected):
            self.problem = f"is not what its name says: its SHA-256 begins with {found[:32]}"
