"""Anchors: the few directories deep in a tree that one thread holds open, so that no path becomes too long for the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.jobs.hosttree import DIRECTORY_FLAGS

if TYPE_CHECKING:
    from oboromi_fs.jobs.plan import Directory

__all__ = ["Anchors"]

_ANCHORS = 8


class Anchors:
    """The few directories deep in the tree that one thread holds open; see :attr:`Directory.anchor`."""

    __slots__ = ("_open", "_top")

    def __init__(self, top: int | None) -> None:
        self._top = top
        self._open: dict[Directory, int] = {}

    def fd(self, anchor: Directory | None) -> int | None:
        """The ``dir_fd`` that ``rel`` of a directory with this anchor is relative to."""
        if anchor is None:
            return self._top
        found = self._open.get(anchor)
        if found is not None:
            return found
        way: list[Directory] = []
        step: Directory | None = anchor
        while step is not None and step not in self._open:
            way.append(step)
            step = step.parent.anchor if step.parent is not None else None
        fd = self._top if step is None else self._open[step]
        for step in reversed(way):
            fd = self._open[step] = os.open(step.step, DIRECTORY_FLAGS, dir_fd=fd)
            if len(self._open) > _ANCHORS:
                os.close(self._open.pop(next(iter(self._open))))
        return fd

    def close(self) -> None:
        """Give all descriptors back."""
        while self._open:
            os.close(self._open.popitem()[1])
