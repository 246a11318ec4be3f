"""How an upper layer answers where case is folded: by directories that are remembered, and kept up to date by whoever writes."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.markers import PREFIX, is_whiteout, read_marked
from oboromi_fs.overlay.views import RACY, FoldView, Level
from oboromi_fs.paths import addressable, join, split
from oboromi_fs.protocols import DirEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.backends.host import HostFs

__all__ = ["UpperFoldView"]


class UpperFoldView(FoldView):
    """The view of a layer that this process writes to.

    Any other view that folds reads a host folder anew after each change, for nothing tells what it was: a thousand files written to one
    folder would be a million read. This one is told.

    Args:
        fs: The folder.
    """

    def __init__(self, fs: HostFs) -> None:
        super().__init__(fs, markers=True)
        self._host = fs
        self._own: dict[str, tuple[int, int]] = {}

    def _now(self, path: str) -> tuple[int, int] | None:
        """When a directory last changed; None if it is not there."""
        try:
            found = os.stat(self._host.host_path(path))
        except (OboromiFsError, OSError):
            return None
        return found.st_mtime_ns, found.st_ctime_ns

    def _level(self, path: str) -> Level:
        now = self._now(path)
        known = self._levels.get(path)
        if known is not None and now is not None and known.stamp == now:
            return known
        marked = read_marked(self.fs, path)
        groups: dict[str, list[DirEntry]] = {}
        for entry in marked.entries:
            if addressable(entry.name):
                groups.setdefault(fold_case(entry.name), []).append(entry)
        # What another process changed a moment ago it may change again without the time telling.
        sure = now is not None and (now == self._own.get(path) or time.time_ns() - now[1] > RACY)
        level = Level(groups, frozenset(map(fold_case, marked.whiteouts)), marked.opaque, now if sure else None)
        self._levels[path] = level
        return level

    @contextmanager
    def noting(self, *paths: str) -> Iterator[None]:
        """Stay up to date while the body changes what is at some paths. If it raises, what is known of these places is forgotten."""
        parents: dict[str, list[str]] = {"": []}  # Where reserved names come and go, which are not listed.
        for path in paths:
            parent, name = split(path)
            parents.setdefault(parent, []).append(name)
        known: dict[str, Level] = {}
        for parent in parents:
            level = self._levels.pop(parent, None)
            if level is not None and level.stamp == self._now(parent):
                known[parent] = level
        for path in paths:
            self._forget(path)
        yield
        for parent, names in parents.items():
            self._note(parent)
            if parent in known and parent in self._own:
                self._update(parent, known[parent], names)
        for path in paths:
            self._note(path)

    def _forget(self, path: str) -> None:
        """Forget a directory, and all in it."""
        if path in self._levels:
            for inner in tuple(self._levels):  # Readers may add to it meanwhile.
                if inner == path or inner.startswith(path + "/"):
                    self._levels.pop(inner, None)

    def _note(self, path: str) -> None:
        now = self._now(path)
        if now is None:
            self._own.pop(path, None)
        else:
            self._own[path] = now

    def _update(self, path: str, level: Level, names: list[str]) -> None:
        whiteouts = level.whiteouts
        groups = dict(level.groups)  # Another one: readers may be going through the old.
        for name in names:
            entry, gone = self._look(path, name)
            folded = fold_case(name)
            if folded in whiteouts and not gone:
                return  # Another spelling may be whited out as well: read it anew.
            if gone:
                whiteouts |= {folded}
            others = [other for other in groups.pop(folded, ()) if other.name != name]
            if entry is not None:
                others.append(entry)
            if others:
                groups[folded] = others
        self._levels[path] = level._replace(groups=groups, whiteouts=whiteouts, stamp=self._own[path])

    def _look(self, path: str, name: str) -> tuple[DirEntry | None, bool]:
        """What a listing says of a name, and whether it is whited out."""
        inner = join(path, name)
        folder = self._host.host_path(path)
        gone = os.path.lexists(os.path.join(folder, PREFIX + name))
        host = os.path.join(folder, name)
        try:
            if is_whiteout(host, os.lstat(host)):
                return None, True
            found = self.fs.metadata(inner)
        except (OboromiFsError, OSError):
            return None, gone
        return DirEntry(name, found.kind, found.size), gone
