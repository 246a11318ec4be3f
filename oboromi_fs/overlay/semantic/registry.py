"""Comparators: who knows what a difference means in which format. Others' are registered, and asked first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.overlay.semantic.values import Analysis
    from oboromi_fs.protocols import Storage

__all__ = ["HEAD_SIZE", "Comparator", "Registry"]

HEAD_SIZE = 0x1000
"""Bytes from the start of a file that a comparator is shown to recognise it by."""


class Comparator(Protocol):
    """What knows a format.

    It may raise NotThisFormatError (or any FormatError) from ``compare``: then the next one is asked, and the analysis says why.
    """

    @property
    def name(self) -> str:
        """What the format is called, usually the ``format`` of its analyses."""

    def recognises(self, path: str, head: bytes, /) -> bool:
        """Whether a file may be of this format.

        Args:
            path: Its path, in whatever case.
            head: Its first bytes, at most :data:`HEAD_SIZE`.
        """

    def compare(self, old: Storage, new: Storage, /) -> Analysis:
        """Compare two files that are both recognised.

        ``old is new`` where their bytes are equal; then only the format is of interest.
        """


class Registry:
    """Comparators in the order in which they are asked: the last registered first.

    Args:
        built_in: Those that are asked after all others, in this order.
    """

    def __init__(self, built_in: tuple[Comparator, ...] = ()) -> None:
        self._built_in = built_in
        self._added: tuple[Comparator, ...] = ()
        self._lock = threading.Lock()

    def register(self, comparator: Comparator) -> None:
        """Let a comparator be asked before all others; one of the same name that was registered before is replaced."""
        with self._lock:
            self._added = (comparator, *(each for each in self._added if each.name != comparator.name))

    def unregister(self, name: str) -> bool:
        """Take a registered comparator away, and return whether it was there; built-in ones stay."""
        with self._lock:
            before = self._added
            self._added = tuple(each for each in before if each.name != name)
            return len(self._added) < len(before)

    def __iter__(self) -> Iterator[Comparator]:
        return iter((*self._added, *self._built_in))
