"""What goes into an image: the names below a directory of any file system, in the order of their entries."""

from __future__ import annotations

import os
import stat
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from oboromi_fs.base import FileSystemBase, walk
from oboromi_fs.errors import EntryNotFoundError, FormatError, UnsafePathError
from oboromi_fs.file import File
from oboromi_fs.paths import addressable, decode_name, encode_name, join, normalise
from oboromi_fs.protocols import FileSystem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.protocols import DirEntry, Extent, PathType, Storage

__all__ = ["MAX_PATH", "Like", "Tree", "Where", "gather"]

Like: TypeAlias = Literal["common", "libhac"]
"""Whose bytes to write: those of the common builders, or those of LibHac."""
Where: TypeAlias = "Storage | bytes | None"
"""What holds a file's bytes: a storage they are a part of, the host file with this path, or whatever the file system opens."""

MAX_PATH = 0x300
"""Longest path the official reader takes, in bytes, with the slash it begins with."""

_ENTRY = "RomFS entry"
_REASONS = {"": "an empty name", ".": "a name that paths take for the directory itself", "..": "a name that paths take for the parent"}


class Tree(NamedTuple):
    """Everything below one directory.

    ``directories`` are paths in the order of their entries, the root (``b""``) first, and ``files`` likewise; ``sizes`` are in bytes.
    The bytes of a file are in ``folder`` where that is set: a host folder. Else ``where`` and ``offsets`` tell for each file what holds
    it, and from which byte on; or they are empty, and only the file system ``fs`` can tell, where ``root`` is the directory.
    """

    directories: list[bytes]
    files: list[bytes]
    sizes: array[int]
    fs: FileSystem
    root: str
    folder: bytes | None = None
    where: list[Where] = []  # noqa: RUF012  # Replaced, never changed.
    offsets: Sequence[int] = ()


def gather(fs: FileSystem, path: PathType = "", *, like: Like = "common") -> Tree:
    """Collect what is below a directory, in bulk where the file system can: no file is opened that need not be.

    Args:
        fs: Any file system.
        path: The directory that becomes the root.
        like: In whose order.

    Raises:
        TypeError: ``fs`` is none.
        EntryNotFoundError: No such path.
        NotADirectoryEntryError: The path is a file.
        FormatError: A name, a path or a size that a RomFS cannot hold; the message names it.
    """
    if not isinstance(fs, FileSystem):
        message = f"a file system is needed, such as HostFs(path) or MemoryFs(files), and not a {type(fs).__name__}"
        raise TypeError(message)
    root = normalise(path)
    host = _host(fs, root)
    if host is not None:
        fs, root = host
    try:
        tree = _in_order(_walk(fs, root) if host is None else _scan_folder(fs, root), like)
        _check(tree)
    except FormatError as error:
        if error.what == _ENTRY:
            error.source = join(root, error.source)
        raise
    return tree


def _refusal(path: str | bytes, problem: str) -> FormatError:
    return FormatError(problem, what=_ENTRY, source=path if isinstance(path, str) else decode_name(path))


def _check(tree: Tree) -> None:
    """See that the paths fit and differ; equal ones stand side by side."""
    for paths in (tree.files, tree.directories):
        longest = max(paths, key=len, default=b"")
        if len(longest) >= MAX_PATH:
            problem = f"its path has {len(longest) + 1} bytes with the slash it begins with; a RomFS path has at most {MAX_PATH}"
            raise _refusal(longest, problem)
    for path, after in pairwise(tree.files):
        if path == after:
            raise _refusal(path, "two files have this path")
    directories = set(tree.directories)
    if not directories.isdisjoint(tree.files):
        raise _refusal(next(path for path in tree.files if path in directories), "is a file and a directory at once")


def _in_order(tree: Tree, like: Like) -> Tree:
    """The tree with everything in the order of its entries, and with every parent."""
    files = tree.files
    if like == "libhac":
        keys = files if all(map(bytes.isascii, files)) else [_utf16(path) for path in files]
        order = sorted(range(len(files)), key=keys.__getitem__)
        directories = _first_seen(files[index] for index in order)
    else:
        order = sorted(range(len(files)), key=files.__getitem__)
        known = {b"", *tree.directories}
        parents = {path.rpartition(b"/")[0] for path in (*tree.directories, *files)}
        while parents := parents - known:
            known |= parents
            parents = {path.rpartition(b"/")[0] for path in parents}
        directories = sorted(known)
    return tree._replace(
        directories=directories,
        files=[files[index] for index in order],
        sizes=array("q", [tree.sizes[index] for index in order]),
        where=[tree.where[index] for index in order] if tree.where else [],
        offsets=array("q", [tree.offsets[index] for index in order]) if tree.where else (),
    )


def _utf16(path: bytes) -> bytes:
    """Key of the order of .NET's strings: by UTF-16 units."""
    return decode_name(path).encode("utf-16-be", "surrogatepass")


def _first_seen(files: Iterable[bytes]) -> list[bytes]:
    """The directories that hold these files, as they are met; those without files are never met."""
    met = {b"": None}
    before = b""
    for path in files:
        parent = path.rpartition(b"/")[0]
        if parent == before:
            continue
        before = parent
        end = path.find(b"/")
        while end >= 0:
            met.setdefault(path[:end])
            end = path.find(b"/", end + 1)
    return list(met)


# Any file system


def _walk(fs: FileSystem, root: str) -> Tree:
    directories: list[bytes] = []
    files: list[bytes] = []
    sizes = array("q")
    where: list[Where] = []
    offsets = array("q")
    shared: Storage | None = None
    for inner, entry, extent in _entries(fs, root):
        path = _encoded(inner, entry)
        if entry.kind == "directory":
            directories.append(path)
            continue
        if extent is not None:
            if extent.offset and extent.storage is shared:  # One of many in an archive.
                where.append(shared)
            else:
                where.append(_where(extent))
                shared = extent.storage if where[-1] is extent.storage else None
            offsets.append(extent.offset)
        try:
            sizes.append(entry.size)
        except OverflowError:
            raise _refusal(inner, f"has {entry.size} bytes; a RomFS counts to {(1 << 63) - 1}") from None
        files.append(path)
    tree = Tree(directories, files, sizes, fs, root)
    if len(where) == len(files):
        return tree._replace(where=where, offsets=offsets)
    if files and _has_extents(fs):
        where, offsets = _places(fs, root, tree)  # type: ignore[arg-type]  # What _has_extents is about.
        if len(where) == len(files):
            return tree._replace(where=where, offsets=offsets)
    return tree


def _entries(fs: FileSystem, root: str) -> Iterable[tuple[str, DirEntry, Extent | None]]:
    """What is below a directory; with where the bytes of files are, if the file system tells both in one pass."""
    both = getattr(fs, "walk_extents", None)
    if both is not None:
        found: Iterable[tuple[str, DirEntry, Extent | None]] = both(root)
        return found
    walked = fs.walk(root) if isinstance(fs, FileSystemBase) else walk(fs, root)
    return ((inner, entry, None) for inner, entry in walked)


def _encoded(path: str, entry: DirEntry) -> bytes:
    name = entry.name
    if not addressable(name):
        what = _REASONS.get(name) or ("a name that holds a NUL" if "\0" in name else "a name that holds a slash")
        raise _refusal(path, f"has {what}; no reader would find it")
    if entry.size < 0:
        raise _refusal(path, f"has {entry.size} bytes")
    try:
        return encode_name(path)
    except UnsafePathError as error:
        raise _refusal(path, error.reason) from None


def _has_extents(fs: FileSystem) -> bool:
    """Whether the file system knows where its files are without opening them one by one."""
    own = getattr(type(fs), "extents", None)
    return own is not None and own is not FileSystemBase.extents


def _places(fs: FileSystemBase, root: str, tree: Tree) -> tuple[list[Where], array[int]]:
    """Where the files are, if the extents are those of the walk one by one; else fewer than there are files."""
    where: list[Where] = []
    offsets = array("q")
    for extent, known, planned in zip(fs.extents(root), tree.files, tree.sizes, strict=False):
        if extent.size != planned or encode_name(extent.path) != known:
            break
        where.append(_where(extent))
        offsets.append(extent.offset)
    return where, offsets


def _where(extent: Extent) -> Where:
    """What holds a file, to be kept; a file that was opened is not kept open: there may be thousands."""
    storage = extent.storage
    host_file = getattr(storage, "host_file", "")
    if host_file:
        return os.fsencode(host_file)
    whole_file = isinstance(storage, File) and not extent.offset and extent.size == storage.size
    return _host_path(storage) if whole_file else storage


def _host_path(storage: Storage) -> bytes | None:
    """The path a host file can be opened by again, in the same way; None if only the file system knows."""
    name = str(getattr(storage, "name", ""))
    return os.fsencode(name) if os.path.isabs(name) and getattr(storage, "access", "") == "mmap" else None


# A host folder


def _host(fs: FileSystem, path: str) -> tuple[FileSystem, str] | None:
    """The file system that is one folder of the host, and the path in it, where ``path`` is a directory of such a one."""
    resolve = getattr(fs, "resolve", None)
    if resolve is not None:
        fs, path = resolve(path)
    if getattr(fs, "kind", "") != "Host" or not hasattr(fs, "leave_out") or fs.metadata(path).kind != "directory":
        return None
    return fs, path


def _scan_folder(fs: Any, root: str) -> Tree:
    """List a :class:`~oboromi_fs.backends.host.HostFs` by its bytes, the same in every locale, with one call to the host for each file.

    A directory with symbolic links in it is listed by the file system, whose business it is where they may lead.
    """
    folder = os.fsencode(fs.host_path(root))
    directories: list[bytes] = []
    files: list[bytes] = []
    sizes = array("q")
    pending = [b""]
    while pending:
        path = pending.pop()
        prefix = path + b"/" if path else b""
        below = len(directories)
        try:
            others: list[tuple[bytes, int]] = []
            found = _list_directory(folder + b"/" + path, prefix, directories, others)
        except FileNotFoundError:
            raise EntryNotFoundError(os.fsdecode(folder + b"/" + path), "is gone; it was there when its parent was listed") from None
        except OSError as error:
            error.filename = os.fsdecode(folder + b"/" + path)
            raise
        for name, mode in others if found is not None else ():
            fs.leave_out(join(root, os.fsdecode(name)), mode)
        if found is None:
            del directories[below:]
            found = []
            for entry in fs.read_dir(join(root, os.fsdecode(path))):
                name = prefix + os.fsencode(entry.name)
                if entry.kind == "directory":
                    directories.append(name)
                else:
                    found.append((name, entry.size))
        for name, size in found:
            files.append(name)
            sizes.append(size)
        pending += directories[below:]
    return Tree(directories, files, sizes, fs, root, folder)


def _list_directory(
    path: bytes, prefix: bytes, directories: list[bytes], others: list[tuple[bytes, int]]
) -> list[tuple[bytes, int]] | None:
    """Files of a directory with their sizes; None if there are symbolic links in it.

    Its directories are added to ``directories``; what is neither, with its mode, to ``others``.
    """
    files: list[tuple[bytes, int]] = []
    is_regular = stat.S_ISREG
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_symlink():
                return None
            if entry.is_dir(follow_symlinks=False):
                directories.append(prefix + entry.name)
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # Vanished meanwhile: no entry.
                continue
            if is_regular(found.st_mode):
                files.append((prefix + entry.name, found.st_size))
            else:
                others.append((prefix + entry.name, found.st_mode))
    return files
