"""Making a mod of two trees: what of one is not in the other, with nothing of the other in it.

Of every file that is new or changed, what the base has anywhere is found by content (:mod:`oboromi_fs.delta.matching`), first in the file
of the same path, then in all files. A file the base has something of becomes a delta against the files it is from. What
the mod stores of a file as it is, in ``files/`` or in a delta, has no 64 bytes together that a file of the base has together.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from bisect import bisect_left
from dataclasses import dataclass, field
from heapq import nlargest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from oboromi_fs.backends.host import ReopenedFile
from oboromi_fs.base import MemoryStorage, extents_of, walk
from oboromi_fs.errors import EntryExistsError, OboromiFsError, UnsafePathError
from oboromi_fs.mods.difference import DESCRIPTION, FILES, Difference, Patched, Version
from oboromi_fs.overlay.markers import PREFIX
from oboromi_fs.paths import split, unsafe_name
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.digested import digest_of
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from oboromi_fs.delta.matching import Matches
    from oboromi_fs.protocols import FileSystem, Metadata, Storage

__all__ = ["DiffReport", "make_difference"]

Progress: TypeAlias = "Callable[[int, int], object]"
"""Called with bytes done and bytes in all."""

_CHUNK = 1 << 20
_TOGETHER = 64
"""Bytes of the base that may not lie together in a mod."""
_BLOCK = _TOGETHER // 2
_OPEN = 50
"""Files of a host folder that stay open, the largest ones; others are opened for each read, for there may be more than can be open."""
_LARGE = 8 << 20
"""Bytes of a file from which on small pieces are looked for in all files at once, in which it comes first, and not in it before."""


@dataclass(slots=True)
class DiffReport:
    """What a mod holds.

    Attributes:
        new: Files stored as they are.
        patched: Files stored as deltas: path, its bytes, and those of the delta.
        deleted: Files and directories that are gone; a directory stands for all that was in it.
        directories: Empty directories that are new.
        size: Bytes of the mod's files.
    """

    new: list[str] = field(default_factory=list)
    patched: list[tuple[str, int, int]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    size: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.patched or self.deleted or self.directories)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "new": self.new,
            "patched": [{"path": path, "size": size, "delta_size": delta} for path, size, delta in self.patched],
            "deleted": self.deleted,
            "directories": self.directories,
            "size": self.size,
        }


class _Tree(NamedTuple):
    """What a file system has: its files, its directories, and whether each of those has anything in it."""

    files: dict[str, Storage]
    directories: dict[str, bool]


class _Joined:
    """Files one after the other."""

    def __init__(self, files: dict[str, Storage]) -> None:
        self.paths = list(files)
        self.parts = list(files.values())
        self.storage = ConcatStorage(self.parts)
        self.starts = [0]
        for part in self.parts:
            self.starts.append(self.starts[-1] + part.size)
        self.number = {path: number for number, path in enumerate(self.paths)}


class _Piece(NamedTuple):
    """A changed file, told by what the base has of it."""

    storage: Storage
    sources: list[str]
    matches: Matches


def make_difference(base: FileSystem, changed: FileSystem, output: str, *, progress: Progress | None = None) -> DiffReport:
    """Write a mod that makes one tree of another.

    Args:
        base: The tree the mod is for, such as the game.
        changed: The tree it makes.
        output: The mod's folder; it must not be there, or be empty. It is written aside, and put in place when it is complete.
        progress: Called as the work goes on.

    Returns:
        What is in the mod. Where the trees do not differ, that is nothing, and none is written.

    Raises:
        EntryExistsError: The output has something in it.
        UnsafePathError: A name cannot be told in a mod: it is none that hosts can have, no UTF-8, or that of a whiteout.
        OboromiFsError, OSError: A file cannot be read, or changes meanwhile; or the host refuses.
    """
    target = os.path.abspath(output)
    if os.path.lexists(target) and (not os.path.isdir(target) or os.path.islink(target) or os.listdir(target)):
        raise EntryExistsError(output, "is there, and is no empty folder")
    old, new = _tree(base), _tree(changed)
    report = DiffReport()
    report.deleted = [path for path in (*old.files, *old.directories) if _is_gone(path, new)]
    report.deleted.sort()
    report.directories = [path for path, filled in new.directories.items() if not filled and path not in old.directories]
    meter = _Meter(progress, sum(storage.size for storage in new.files.values()))
    files = {path: storage for path, storage in new.files.items() if not _unchanged(old.files.get(path), storage, meter)}
    if not files and not report:
        return report
    parent = os.path.dirname(target)
    if not os.path.isdir(parent):
        raise OSError(errno.ENOENT, "the folder it is to be in is not there; make it first", parent)
    stamps = [(fs, path, fs.metadata(path)) for fs, tree in ((base, old), (changed, new)) for path in files if path in tree.files]
    aside = tempfile.mkdtemp(prefix=".oboromi-", suffix=".part", dir=parent)
    try:
        folder = os.path.join(aside, "mod")
        os.mkdir(folder)
        _fill(folder, old, files, report)
        _check_unwritten(stamps)
        os.rename(folder, target)
    except OSError as error:
        if not isinstance(error, OboromiFsError) and (error.filename is None or str(error.filename).startswith(aside)):
            error.filename = output  # What is written aside is nothing that anyone has asked for.
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return report


def _check_unwritten(stamps: Iterable[tuple[FileSystem, str, Metadata]]) -> None:
    """See that files are as they were, by their sizes and times."""
    for fs, path, before in stamps:
        if fs.metadata(path) != before:
            raise OSError(errno.EBUSY, "was written while it was compared: make the mod again when nothing writes there", path)


class _Meter:
    """How far the work is."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _tree(fs: FileSystem) -> _Tree:
    storages: dict[str, Storage] = {}
    for extent in extents_of(fs):
        whole = not extent.offset and extent.size == extent.storage.size
        storages[extent.path] = extent.storage if whole else extent.storage.window(extent.offset, extent.offset + extent.size)
    files: dict[str, Storage] = {}
    directories: dict[str, bool] = {}
    for path, entry in walk(fs):
        parent, name = split(path)
        if name.startswith(PREFIX):
            raise UnsafePathError(path, "is called as whiteouts are, which mean that something is gone: what it is cannot be told in a mod")
        if parent:
            directories[parent] = True
        if entry.kind == "directory":
            directories[path] = False
        else:
            files[path] = storages[path] if path in storages else fs.storage(path)
    for path in nlargest(_OPEN, files, key=lambda path: files[path].size):
        if isinstance(files[path], ReopenedFile):
            files[path] = fs.storage(path)
    return _Tree(files, directories)


def _is_gone(path: str, new: _Tree) -> bool:
    """Whether a path of the base must be said to be gone: it is, and what it was in is there still."""
    parent = split(path)[0]
    return path not in new.files and path not in new.directories and (not parent or parent in new.directories)


def _unchanged(old: Storage | None, new: Storage, meter: _Meter) -> bool:
    if old is None or old.size != new.size:
        meter.add(new.size)
        return False
    for start in range(0, new.size, _CHUNK):
        if old[start : start + _CHUNK] != new[start : start + _CHUNK]:
            meter.add(new.size - start)
            return False
        meter.add(min(_CHUNK, new.size - start))
    return True


def _fill(tree: str, old: _Tree, files: dict[str, Storage], report: DiffReport) -> None:
    """Write the mod into an empty folder."""
    # What is changed comes first: of places with the same bytes the first is taken, and best is the file that is patched anyway.
    base = _Joined({path: old.files[path] for path in sorted(old.files, key=lambda path: path not in files)})
    changed = _Joined(files)
    patched: list[Patched] = []
    digests: dict[str, Version] = {}
    deltas: dict[str, _Piece] = {}
    for path, piece in zip(changed.paths, _pieces(base, changed), strict=True):
        if piece.sources or _has_run(piece.storage):
            deltas[path] = piece
        else:
            report.size += _store(tree, path, piece.storage)
            report.new.append(path)
    breaks = _breaks(base, deltas)
    for number, (path, piece) in enumerate(deltas.items()):
        name = f"deltas/{number}.vcdiff"
        size = _write_delta(os.path.join(tree, name), piece, breaks.get(path, ()))
        for source in piece.sources:
            if source not in digests:
                digests[source] = _version(source, old.files[source])
        patched.append(Patched(_version(path, piece.storage), name, tuple(digests[source] for source in piece.sources)))
        report.patched.append((path, piece.storage.size, size))
        report.size += size
    found = Difference(tuple(map(_told, report.deleted)), tuple(map(_told, report.directories)), tuple(patched))
    text = found.to_toml().encode()
    with open(os.path.join(tree, DESCRIPTION), "xb") as file:
        file.write(text)
    report.size += len(text)


def _told(path: str) -> str:
    if "\\" in path:
        raise UnsafePathError(path, "has a backslash, which a mod cannot tell")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UnsafePathError(path, "is not UTF-8, which a mod's description is") from None
    return path


def _version(path: str, storage: Storage) -> Version:
    return Version(_told(path), storage.size, digest_of(storage))


def _store(tree: str, path: str, storage: Storage) -> int:
    for name in path.split("/"):
        if reason := unsafe_name(name):
            raise UnsafePathError(path, reason)
    _told(path)
    host = os.path.join(tree, FILES, *path.split("/"))
    os.makedirs(os.path.dirname(host), exist_ok=True)
    number = os.open(host, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        return write_storage(storage, number)
    finally:
        os.close(number)


def _write_delta(host: str, piece: _Piece, breaks: Collection[int]) -> int:
    from oboromi_fs.delta.vcdiff import encode

    os.makedirs(os.path.dirname(host), exist_ok=True)
    with open(host, "xb") as file:
        return sum(file.write(part) for part in encode(piece.storage, piece.matches, breaks))


def _pieces(base: _Joined, changed: _Joined) -> Iterator[_Piece]:
    """Find what the base has of each file."""
    import numpy as np

    from oboromi_fs.delta.matching import Matches, match

    known: list[Any] = [np.zeros((3, 0), np.int64)]
    for number, path in enumerate(changed.paths):
        same = base.number.get(path)
        if same is not None and base.parts[same].size:
            large = base.parts[same].size >= _LARGE
            rows = np.stack(match(base.parts[same], changed.parts[number], runs=True, large_only=large).copied)
            known.append(rows + np.array([[changed.starts[number]], [0], [base.starts[same]]]))
    found = match(
        base.storage,
        changed.storage,
        runs=True,
        source_cuts=base.starts[1:],
        target_cuts=changed.starts[1:],
        known=Matches(*np.concatenate(known, axis=1)),
    )
    edges = np.searchsorted(found.target, changed.starts)
    for number, path in enumerate(changed.paths):
        part = slice(edges[number], edges[number + 1])
        source = found.source[part]
        copied = source >= 0
        whose = np.searchsorted(np.asarray(base.starts[1:]), source, "right")
        own = base.number.get(path, -1)
        used = sorted(np.unique(whose[copied]).tolist(), key=own.__ne__)  # Its own first, for the rest is less of it.
        places = np.zeros(max(1, len(base.paths)), np.int64)
        at = 0
        for each in used:
            places[each] = at - base.starts[each]
            at += base.parts[each].size
        local = np.where(copied, source + places[np.where(copied, whose, 0)], -1)
        told = Matches(found.target[part] - changed.starts[number], found.length[part], local)
        yield _Piece(changed.parts[number], [base.paths[each] for each in used], told)


def _has_run(storage: Storage) -> bool:
    """Whether a file has a block of one byte over and over: that the base has it is as good as sure, so such are not looked for."""
    import numpy as np

    for start in range(0, storage.size, _CHUNK):
        data = np.frombuffer(storage[start : start + _CHUNK + _BLOCK], np.uint8)
        edges = np.concatenate([[0], np.flatnonzero(data[1:] != data[:-1]) + 1, [len(data)]])
        if np.diff(edges).max() >= _BLOCK:
            return True
    return False


class _Seams:
    """Where literals that are apart in a file lie together in its delta, and the bytes around these places.

    Attributes:
        data: These bytes, of all deltas.
        cuts: Where in them something begins that does not go on from what is before.
        at: The seams in them, ascending.
        owners: For each seam the file, and the offset in it of what comes after.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.cuts: list[int] = []
        self.at: list[int] = []
        self.owners: list[tuple[str, int]] = []

    def add(self, path: str, target: Storage, texts: Iterable[tuple[int, int]]) -> None:
        """Add the literals of a window: offset and length of each."""
        first = True
        self.cuts.append(len(self.data))
        for start, length in texts:
            if not first:
                self.at.append(len(self.data))
                self.owners.append((path, start))
            first = False
            if length <= 2 * _TOGETHER:
                self.data += target[start : start + length]
                continue
            self.data += target[start : start + _TOGETHER - 1]
            self.cuts.append(len(self.data))
            self.data += target[start + length - _TOGETHER + 1 : start + length]


def _breaks(base: _Joined, deltas: dict[str, _Piece]) -> dict[str, list[int]]:
    """Say where windows must begin, so that literals do not come to lie together as they do in the base."""
    from oboromi_fs.delta.codes import COPY, RUN
    from oboromi_fs.delta.matching import occurring
    from oboromi_fs.delta.vcdiff import steps

    seams = _Seams()
    for path, piece in deltas.items():
        for window in steps(piece.storage, piece.matches):
            texts = [(step.target, 1 if step.kind == RUN else step.length) for step in window if step.kind != COPY]
            if len(texts) > 1:
                seams.add(path, piece.storage, texts)
    breaks: dict[str, list[int]] = {}
    if len(seams.data) < _TOGETHER:
        return breaks
    data = MemoryStorage(seams.data)
    there = occurring(base.storage, data, size=_BLOCK, source_cuts=base.starts[1:], target_cuts=seams.cuts).tolist()
    for at, (path, offset) in zip(seams.at, seams.owners, strict=True):
        near = bisect_left(there, at - _TOGETHER + 1)
        if near < len(there) and there[near] < at + _BLOCK:
            breaks.setdefault(path, []).append(offset)
    return breaks
