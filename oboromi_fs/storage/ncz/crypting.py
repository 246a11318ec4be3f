"""The encryption that an NCZ left out, put back: sections in the clear become those of the NCA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.storage.ctr import ctr_crypt
from oboromi_fs.storage.ncz.header import CTR_TYPES

if TYPE_CHECKING:
    from oboromi_fs.storage.ncz.header import NczHeader

__all__ = ["SectionCrypt"]


_MOST_KEYS = 8
"""Keys of one NCZ that are tried."""


class SectionCrypt:
    """Encrypts, or decrypts, any run of an NCA as its section says; the two are the same. Threads may share one.

    Args:
        header: The sections, with their keys.
    """

    __slots__ = ("_ctr", "_ends", "_sections", "_starts")

    def __init__(self, header: NczHeader) -> None:
        import numpy as np

        real = (header.ends > header.starts) & np.isin(header.sections["crypto_type"], CTR_TYPES)
        self._starts = header.starts[real]
        self._ends = header.ends[real]
        self._sections = header.sections[real]

    def keys(self) -> list[bytes]:
        """Return the keys, each once, in the order of the sections; a few at most."""
        import numpy as np

        stored = np.ascontiguousarray(self._sections["key"])
        _, first = np.unique(stored.view("S16") if len(stored) else np.array([], "S16"), return_index=True)
        return [bytes(stored[index]) for index in sorted(first.tolist())[:_MOST_KEYS]]

    def is_all(self, start: int, stop: int, key: bytes, upper: bytes) -> bool:
        """Whether every byte of a run is encrypted with this key and upper half of the counter."""
        index = int(self._ends.searchsorted(start, "right"))
        while start < stop:
            if index == len(self._starts) or self._starts[index] > start:
                return False
            section = self._sections[index]
            if bytes(section["key"]) != key or bytes(section["counter"])[:8] != upper:
                return False
            start = int(self._ends[index])
            index += 1
        return True

    def apply(self, offset: int, source: bytes | memoryview, target: memoryview) -> None:
        """Transform a run.

        Args:
            offset: Where it lies in the NCA.
            source: The bytes.
            target: Where they go: as long as ``source``, the same memory or not overlapping it.
        """
        stop = offset + len(target)
        if len(self._starts) == 1 and self._starts[0] <= offset and stop <= self._ends[0]:
            self._crypt(0, offset, source, target)
            return
        same = source is target
        view = memoryview(source)
        index = int(self._ends.searchsorted(offset, "right"))
        at = offset
        while at < stop:
            begin = min(int(self._starts[index]), stop) if index < len(self._starts) else stop
            if begin > at and not same:
                target[at - offset : begin - offset] = view[at - offset : begin - offset]
            at = max(at, begin)
            if at == stop:
                break
            end = min(int(self._ends[index]), stop)
            self._crypt(index, at, view[at - offset : end - offset], target[at - offset : end - offset])
            at = end
            index += 1

    def _crypt(self, index: int, offset: int, source: bytes | memoryview, target: memoryview) -> None:
        section = self._sections[index]
        ctr_crypt(bytes(section["key"]), bytes(section["counter"])[:8], offset, source, target)
