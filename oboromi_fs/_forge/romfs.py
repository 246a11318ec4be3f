"""RomFS: the directory tree of a section, byte for byte as the common builder writes it."""

from __future__ import annotations

import io
from struct import pack
from typing import TYPE_CHECKING

from oboromi_fs._forge.sources import opened, pairs, pieces_of, raw, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs._forge.sources import Files, Source, Target

__all__ = ["romfs", "write_romfs"]

NONE = 0xFFFFFFFF
DATA_OFFSET = 0x200


def bucket_count(entries: int) -> int:
    """Return how many hash buckets a table of so many entries has: odd when small, else free of small prime factors.

    Example:
        >>> [bucket_count(n) for n in (0, 3, 4, 18, 289, 1000)]
        [3, 3, 5, 19, 293, 1007]
    """
    if entries < 3:
        return 3
    if entries < 19:
        return entries | 1
    while any(entries % prime == 0 for prime in (2, 3, 5, 7, 11, 13, 17)):
        entries += 1
    return entries


def name_hash(parent: int, name: bytes) -> int:
    """Return the hash of a name below the directory at offset ``parent`` of the directory table.

    Example:
        >>> hex(name_hash(0x18, b"c.bin"))
        '0xfd3cb6ee'
    """
    value = parent ^ 123456789
    for byte in name:
        value = (value >> 5 | value << 27 & NONE) ^ byte
    return value


class _Table:
    """One of the two entry tables while it is laid out: paths in order, and where each entry will stand."""

    def __init__(self, paths: list[bytes], fixed_size: int) -> None:
        self.paths = paths
        self.parents: list[bytes] = []
        self.names: list[bytes] = []
        self.offsets: list[int] = []
        self.size = 0
        for path in paths:
            parent, _, name = path.rpartition(b"/")
            self.parents.append(parent)
            self.names.append(name)
            self.offsets.append(self.size)
            self.size += fixed_size + (len(name) + 3 & ~3)

    def siblings(self, start: int = 0) -> tuple[list[int], dict[bytes, int]]:
        """Next sibling of each entry, and the first entry of each parent; entries before ``start`` are nobody's children."""
        first: dict[bytes, int] = {}
        following = [NONE] * len(self.paths)
        for index in range(len(self.paths) - 1, start - 1, -1):
            following[index] = first.get(self.parents[index], NONE)
            first[self.parents[index]] = self.offsets[index]
        return following, first

    def buckets(self, parent_offsets: dict[bytes, int]) -> tuple[list[int], list[int]]:
        """Next entry in each entry's hash chain, and the heads of the chains; a later entry stands before an earlier one."""
        heads = [NONE] * bucket_count(len(self.paths))
        following = []
        for parent, name, offset in zip(self.parents, self.names, self.offsets, strict=True):
            bucket = name_hash(parent_offsets[parent], name) % len(heads)
            following.append(heads[bucket])
            heads[bucket] = offset
        return following, heads


def _padded(name: bytes) -> bytes:
    return name + bytes(-len(name) % 4)


def _metadata(directories: list[bytes], files: list[bytes], sizes: list[int], offsets: list[int]) -> tuple[bytes, bytes, bytes, bytes]:
    """Return directory hash table, directory table, file hash table and file table."""
    dirs, leaves = _Table(directories, 0x18), _Table(files, 0x20)
    at = dict(zip(directories, dirs.offsets, strict=True))
    next_dir, first_dir = dirs.siblings(start=1)
    next_file, first_file = leaves.siblings()
    dir_chain, dir_heads = dirs.buckets(at)
    file_chain, file_heads = leaves.buckets(at)
    dir_table = b"".join(
        pack("<6I", at[parent], after, first_dir.get(path, NONE), first_file.get(path, NONE), chain, len(name)) + _padded(name)
        for path, parent, name, after, chain in zip(directories, dirs.parents, dirs.names, next_dir, dir_chain, strict=True)
    )
    file_table = b"".join(
        pack("<2I2Q2I", at[parent], after, offset, size, chain, len(name)) + _padded(name)
        for parent, name, after, offset, size, chain in zip(
            leaves.parents, leaves.names, next_file, offsets, sizes, file_chain, strict=True
        )
    )
    return pack(f"<{len(dir_heads)}I", *dir_heads), dir_table, pack(f"<{len(file_heads)}I", *file_heads), file_table


def _directories(files: Iterable[bytes], extra: Iterable[str | bytes]) -> list[bytes]:
    """Return the root, the directories asked for and every parent, in order of their paths' bytes."""
    found = {b""}
    for path in [*(raw(path).strip(b"/") for path in extra), *(path.rpartition(b"/")[0] for path in files)]:
        ancestor = path
        while ancestor not in found:
            found.add(ancestor)
            ancestor = ancestor.rpartition(b"/")[0]
    return sorted(found)


def write_romfs(
    target: Target, files: Iterable[tuple[str | bytes, int, Source | Iterable[bytes]]], dirs: Iterable[str | bytes] = ()
) -> int:
    """Stream a RomFS; return its size in bytes.

    Args:
        target: Path or stream.
        files: Path, size, and contents: a source or any iterable of chunks, which is consumed when its turn comes, in order of the
            paths. A leading ``/`` is optional; components are taken as they are, ``..`` too.
        dirs: Directories to have besides the files' parents.

    Raises:
        ValueError: Contents do not have the size announced.
    """
    items = sorted(((raw(path).lstrip(b"/"), size, data) for path, size, data in files), key=lambda item: item[0])
    paths, sizes = [path for path, _, _ in items], [size for _, size, _ in items]
    offsets, end = [], 0
    for size in sizes:
        start = end + 15 & ~15
        offsets.append(start)
        end = start + size
    tables = _metadata(_directories(paths, dirs), paths, sizes, offsets)
    position = DATA_OFFSET + end + 3 & ~3
    fields = [0x50]
    for table in tables:
        fields += [position, len(table)]
        position += len(table)
    done = 0
    with opened(target) as out:
        out.write(pack("<10Q", *fields, DATA_OFFSET).ljust(DATA_OFFSET, b"\0"))
        for (path, size, data), start in zip(items, offsets, strict=True):
            if start != done:
                out.write(bytes(start - done))
            done = start
            for chunk in pieces_of(data):
                out.write(chunk)
                done += len(chunk)
            if done != start + size:
                raise ValueError(f"{path!r} gave {done - start} bytes, {size} were announced")
        out.write(bytes(fields[1] - DATA_OFFSET - done))
        for table in tables:
            out.write(table)
    return position


def romfs(files: Files, dirs: Iterable[str | bytes] = ()) -> bytes:
    """Return a RomFS image with the files at the paths given.

    Args:
        files: Path to contents. A leading ``/`` is optional.
        dirs: Directories to have besides the files' parents; the way to have empty ones.

    Example:
        >>> len(romfs({"a.txt": b"hi", "b/c.bin": bytes(range(17)), "b/d": b""}))
        752
    """
    out = io.BytesIO()
    write_romfs(out, ((path, size_of(data), data) for path, data in pairs(files)), dirs)
    return out.getvalue()
