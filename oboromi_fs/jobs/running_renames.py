"""Renames: which of the files that are gone from a folder are, with the same contents, new in another place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from oboromi_fs.jobs.running import Seen
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["Contents", "pair_renames"]

_CHUNK = 1 << 20


class Contents:
    """Contents then, which the union has, and now, which are in a host folder. Digests are made once, when they are asked for.

    Args:
        union: What the folder was made from.
        directory: The folder.
    """

    def __init__(self, union: FileSystem, directory: str) -> None:
        self._union = union
        self._directory = directory
        self._digests: dict[tuple[bool, str], bytes] = {}

    def _host(self, path: str) -> str:
        return os.path.join(self._directory, *path.split("/"))

    def same(self, path: str) -> bool:
        """Whether a file has the contents it was made with, as far as these can still be read."""
        return self.before(path) == self.now(path)

    def before(self, path: str) -> bytes:
        """Digest of what a file was made from; ``b""`` where a layer is no longer there to say."""
        try:
            return self._digest((False, path), lambda: _chunks(self._union.storage(path)))
        except (OboromiFsError, OSError):  # What the program left must not be lost for that.
            return b""

    def now(self, path: str) -> bytes:
        """Digest of a file of the folder."""
        return self._digest((True, path), lambda: _file_chunks(self._host(path)))

    def _digest(self, key: tuple[bool, str], chunks: Callable[[], Iterator[bytes | memoryview]]) -> bytes:
        found = self._digests.get(key)
        if found is None:
            from blake3 import blake3

            state = blake3()
            for chunk in chunks():
                state.update(chunk)
            found = self._digests[key] = state.digest()
        return found


def _chunks(storage: Storage) -> Iterator[memoryview]:
    for start in range(0, storage.size, _CHUNK):
        yield storage[start : min(start + _CHUNK, storage.size)]


def _file_chunks(host: str) -> Iterator[bytes]:
    with open(host, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def pair_renames(deleted: Mapping[str, Seen], added: Mapping[str, Seen], contents: Contents) -> list[tuple[str, str]]:
    """Pair files that are gone with new ones of the same contents.

    Of several that fit, a file goes with the one that the host says it is, else with one of its name, else with the first in path order.
    An empty file has no contents to know it by: it is paired only with the one that the host says it is.

    Args:
        deleted: What is gone, in path order.
        added: What is new, in path order.
        contents: Theirs.
    """
    olds: dict[int, list[str]] = {}
    for path, seen in deleted.items():
        if seen.kind == "file":
            olds.setdefault(seen.size, []).append(path)
    groups: dict[tuple[int, bytes], tuple[list[str], list[str]]] = {}
    for path, seen in added.items():
        if seen.kind == "file" and seen.size in olds:
            groups.setdefault((seen.size, contents.now(path) if seen.size else b""), ([], []))[1].append(path)
    for size in {size for size, _ in groups}:
        for path in olds[size]:
            group = groups.get((size, contents.before(path) if size else b""))
            if group is not None:
                group[0].append(path)
    pairs: list[tuple[str, str]] = []
    for (size, _), (gone, new) in groups.items():
        pairs += _paired(gone, new, lambda path: _identity(deleted[path]), lambda path: _identity(added[path]))
        if size:
            pairs += _paired(gone, new, _name, _name)
            pairs += zip(gone, new, strict=False)
    return pairs


def _identity(seen: Seen) -> tuple[int, int]:
    return seen.inode, seen.mtime_ns


def _name(path: str) -> str:
    return split(path)[1]


def _paired(gone: list[str], new: list[str], old_key: Callable[[str], object], new_key: Callable[[str], object]) -> list[tuple[str, str]]:
    """Take those with the same key out of both lists, first come first served."""
    waiting: dict[object, list[str]] = {}
    for path in reversed(new):
        waiting.setdefault(new_key(path), []).append(path)
    pairs = [(old, waiting[key].pop()) for old in gone if waiting.get(key := old_key(old))]
    olds, news = {old for old, _ in pairs}, {path for _, path in pairs}
    gone[:] = [path for path in gone if path not in olds]
    new[:] = [path for path in new if path not in news]
    return pairs
