"""A place as the tree of files that comes out of it: containers become directories, where they are to be opened.

What extraction and manifests read. The tree is found once, when it is made; what cannot be read is told, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs._decode import error
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.host import HostFs, ReopenedFile
from oboromi_fs.backends.nax0 import is_nax0
from oboromi_fs.backends.nca import HEADER_SIZE, Nca, rebuilt_nca
from oboromi_fs.backends.nro import NroArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.base import FileSystemBase, extents_of, walk
from oboromi_fs.errors import (
    CorruptError,
    EntryNotFoundError,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    MissingKeyError,
    NotADirectoryEntryError,
    OboromiFsError,
    UnsafePathError,
    UnsupportedError,
)
from oboromi_fs.jobs.windows import seen_through
from oboromi_fs.keys import KeySet
from oboromi_fs.paths import addressable, join, split, unsafe_name
from oboromi_fs.protocols import DirEntry, Extent, Metadata, PathType, Storage
from oboromi_fs.storage.ncz import NczStorage, is_ncz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from oboromi_fs.opening import NestedFs
    from oboromi_fs.protocols import FileSystem

__all__ = ["Opened", "Unfolded", "check_member"]

_MAGICS = (b"PFS0", b"HFS0", b"\x50\0\0\0", b"\x28\0\0\0", b"PK\3\4")
_CARD_SIZE = 0xF000
"""No game card image is smaller: its root lies there."""
_MAX_DEPTH = 16
_HASHED_AT_ONCE = 1 << 22
_NAMED_BY_HASH = re.compile(r"([0-9a-f]{32})(?:\.cnmt)?\.nc[az]", re.IGNORECASE)


class _Section(NamedTuple):
    """A section of an NCA that is yet to be opened."""

    nca: Nca
    name: str


class _Tree(NamedTuple):
    """A directory or container to be listed: its path in the result, and where it is.

    Partitions of one card share ``opened``; others have their own.
    """

    prefix: str
    fs: FileSystem | _Section
    inner: str
    depth: int
    opened: Opened | None = None


class Opened:
    """Where the containers of one archive lie that were opened.

    Honest ones never share a byte. Those of a hostile archive do: then each holds all the others, which hold each other again, and a few
    kilobytes have more files in them than there is memory.
    """

    def __init__(self) -> None:
        self._spans: dict[int, tuple[Storage, list[tuple[int, int]]]] = {}

    def takes(self, storage: Storage, start: int, size: int) -> bool:
        """Note a container, and return true; unless it shares bytes with one that is known."""
        if not size:
            return True
        storage, start = seen_through(storage, start)
        spans = self._spans.setdefault(id(storage), (storage, []))[1]  # Held, so that no other gets its identity.
        at = bisect_right(spans, (start, start))
        if (at and spans[at - 1][1] > start) or (at < len(spans) and spans[at][0] < start + size):
            return False
        spans.insert(at, (start, start + size))
        return True


class Unfolded(FileSystemBase):
    """Everything below a directory or container, as a file system of its own.

    Args:
        fs: The file system the place is in.
        root: The directory or container.
        deep: Open containers below it, too: each is then a directory of its own name. Inside a RomFS an NCA is told by its name only,
            as trying every file would take longer than extracting it.
        wanted: Of the files whose name is their hash, which are to be checked; all, if None. Used where the opener of ``fs`` checks.

    Attributes:
        files: Every file as a run of a storage, in the order of the archives.
        directories: Every directory, parents first.
        problems: What could not be read, by path: damaged members, sections and partitions are left out, damaged containers stay files;
            and what no path leads to, for its name is empty or holds a ``/``.

    Raises:
        MissingKeyError: Something below needs a key that is absent.
        IntegrityError: A hashed archive member, or an NCA that stays a file, is damaged (only where the opener of ``fs`` checks).
        FormatError: The place itself cannot be opened.
    """

    kind = "Unfolded"

    def __init__(self, fs: NestedFs, root: str, *, deep: bool = False, wanted: Callable[[str], bool] | None = None) -> None:
        super().__init__()
        self.files: list[Extent] = []
        self.directories: list[str] = []
        self.problems: list[tuple[str, OboromiFsError]] = []
        self._opener = fs.opener
        self._tickets_of = fs.tickets_of
        self._deep = deep
        self._wanted = wanted
        self._missing: list[MissingKeyError] = []
        self._tree: dict[str, dict[str, DirEntry]] | None = None
        self._by_path: dict[str, Extent] | None = None
        top, inner = fs.resolve(root)
        if inner and top.metadata(inner).kind == "file":
            entered = fs.enter(root)
            if entered is None:
                raise NotADirectoryEntryError(root)
            top, inner = entered, ""
        self._scan(_Tree("", top, inner, 0))
        if self._missing:
            raise self._missing[0]

    # Finding everything

    def _scan(self, top: _Tree) -> None:
        pending = [top]
        while pending:
            tree = pending.pop()
            found: list[_Tree] = []
            try:
                self._add(tree, found)
            except MissingKeyError as wrong:
                self._missing.append(wrong)
            except FormatError as wrong:
                if tree is top or (self._opener.check and isinstance(wrong, IntegrityError)):
                    raise
                self.problems.append((tree.prefix, wrong))
            pending.extend(reversed(found))

    def _add(self, tree: _Tree, found: list[_Tree]) -> None:
        """Add what is in one directory or container; to ``found`` the containers in it that are to be opened."""
        prefix, fs, inner, depth, opened = tree
        if isinstance(fs, _Section):
            fs = self._opener.section(fs.nca, fs.name)
        if isinstance(fs, Nca) or (isinstance(fs, XciArchive) and not inner):
            self._add_parts(tree, fs, found)
            return
        opened = opened or Opened()
        for extent in self._extents(tree, fs, self._names(tree, fs)):
            path, storage, offset, size = extent
            full = join(prefix, path) if prefix else path
            # Of a ZIP entry all bytes are read for it.
            if self._opener.check and (not isinstance(fs, ZipFs) or self._deep or self._is_wanted(full)):
                _check_digest(fs, join(inner, path))
            enters = (self._deep or (isinstance(fs, NroArchive) and path == "romfs")) and depth < _MAX_DEPTH
            container = self._container(fs, inner, extent, full) if enters else None
            if isinstance(container, NroArchive):  # Its listing leaves out the code: below other things an NRO stays the file it is.
                container = None
            if container is not None and not isinstance(fs, HostFs) and not opened.takes(storage, offset, size):
                problem = f"{path!r} shares bytes with another container in the same archive, and stays a file"
                self.problems.append((full, error(CorruptError, problem, what="nested container", storage=storage, offset=offset)))
                container = None
            if container is not None:
                if isinstance(container, Nca) and isinstance(container.raw, NczStorage):
                    full = self._whole_name(full)
                self.directories.append(full)
                found.append(_Tree(full, container, "", depth + 1))
            else:
                self._add_file(fs, inner, extent, full)

    def _whole_name(self, full: str) -> str:
        """What the folder of a compressed NCA is called: as if it were not compressed, unless there is such a folder."""
        whole = full[:-1] + {"z": "a", "Z": "A"}.get(full[-1], full[-1]) if full.lower().endswith(".ncz") else full
        return full if whole in self.directories else whole

    def _add_parts(self, tree: _Tree, archive: Nca | XciArchive, found: list[_Tree]) -> None:
        """Sections and partitions, each on its own: where one cannot be opened, as the last ones of a truncated card, the others can."""
        prefix, _, _, depth, _ = tree
        opened = Opened()
        for name in archive.partitions if isinstance(archive, XciArchive) else [section.name for section in archive.sections.values()]:
            path = join(prefix, name)
            if not addressable(name):
                self._refuse(path, name)
                continue
            self.directories.append(path)
            if isinstance(archive, XciArchive):
                found.append(_Tree(path, archive, name, depth, opened))
            else:
                found.append(_Tree(path, _Section(archive, name), "", depth))

    def _names(self, tree: _Tree, fs: FileSystem) -> list[str]:
        """The paths of the files of a tree; its directories are added."""
        names: list[str] = []
        for below, entry in fs.walk(tree.inner) if isinstance(fs, FileSystemBase) else walk(fs, tree.inner):
            own = entry.name
            if "/" in own or not own:  # As a path it would be that of something else.
                self._refuse(join(tree.prefix, below), own)
            elif entry.kind == "directory":
                self.directories.append(join(tree.prefix, below))
            else:
                names.append(below)
        return names

    def _add_file(self, fs: FileSystem, inner: str, extent: Extent, full: str) -> None:
        path, storage, offset, size = extent
        if self._opener.check and self._is_wanted(full):
            _check_name(storage, offset, size, split(path)[1])
        if isinstance(fs, HostFs):
            self.files.append(Extent(full, ReopenedFile(fs, join(inner, path), size), 0, size))
        else:
            self.files.append(Extent(full, storage, offset, size))

    def _is_wanted(self, full: str) -> bool:
        return self._wanted is None or self._wanted(full)

    def _refuse(self, path: str, name: str) -> None:
        self.problems.append((path, UnsafePathError(name, unsafe_name(name))))

    def _extents(self, tree: _Tree, fs: FileSystem, names: list[str]) -> Iterable[Extent]:
        if not isinstance(fs, HostFs):
            flat = isinstance(fs, PartitionArchive | XciArchive)  # There a path is a name, and has been refused.
            try:
                return [extent for extent in extents_of(fs, tree.inner) if not flat or ("/" not in extent.path and extent.path)]
            except (CorruptError, UnsafePathError, UnsupportedError):
                pass
        return self._one_by_one(tree, fs, names)  # One of them is broken: which? Or, each is a file to be opened and closed.

    def _one_by_one(self, tree: _Tree, fs: FileSystem, names: list[str]) -> Iterator[Extent]:
        for name in names:
            try:
                if isinstance(fs, PartitionArchive):
                    yield _member(fs, name)
                    continue
                storage = fs.storage(join(tree.inner, name))
            except MissingKeyError:
                raise
            except OboromiFsError as wrong:
                self.problems.append((join(tree.prefix, name), wrong))
            else:
                yield Extent(name, storage, 0, storage.size)

    def _container(self, fs: FileSystem, inner: str, extent: Extent, full: str) -> FileSystemBase | None:
        """The container a file is; None where it is a plain file, or cannot be opened, which is said."""
        parent, name = split(extent.path)
        if isinstance(fs, RomFs) and not _looks_like_container(extent, name):
            return None
        storage = extent.storage.window(extent.offset, extent.offset + extent.size)
        try:
            return self._opener.container(storage, name, tickets=self._tickets_of(fs, join(inner, parent)))
        except MissingKeyError as wrong:
            self._missing.append(wrong)
        except FormatError as wrong:
            self.problems.append((full, wrong))
        return None

    # FileSystem

    def _directory(self, path: str) -> dict[str, DirEntry] | None:
        if self._tree is None:
            tree: dict[str, dict[str, DirEntry]] = {"": {}}
            for directory in self.directories:
                parent, name = split(directory)
                tree.setdefault(directory, {})
                tree.setdefault(parent, {})[name] = DirEntry(name, "directory", 0)
            for extent in self.files:
                parent, name = split(extent.path)
                tree.setdefault(parent, {})[name] = DirEntry(name, "file", extent.size)
            self._tree = tree
        return self._tree.get(path)

    def _file(self, path: str) -> Extent | None:
        if self._by_path is None:
            self._by_path = {extent.path: extent for extent in self.files}
        return self._by_path.get(path)

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        """Return the entries of a directory; one that is called ``..`` is no other than itself.

        Raises:
            EntryNotFoundError: No such path.
            NotADirectoryEntryError: The path is a file.
        """
        found = self._directory(path) if isinstance(path, str) else None
        return list(found.values()) if found is not None else super().read_dir(path)

    def _read_dir(self, path: str) -> list[DirEntry]:
        found = self._directory(path)
        if found is None:
            raise NotADirectoryEntryError(path) if self._file(path) else EntryNotFoundError(path)
        return list(found.values())

    def _metadata(self, path: str) -> Metadata:
        if self._directory(path) is not None:
            return Metadata("directory", 0)
        return Metadata("file", self._extent(path).size)

    def _storage(self, path: str) -> Storage:
        if self._directory(path) is not None:
            raise IsADirectoryEntryError(path)
        extent = self._extent(path)
        return extent.storage.window(extent.offset, extent.offset + extent.size)

    def _extent(self, path: str) -> Extent:
        found = self._file(path)
        if found is None:
            raise EntryNotFoundError(path)
        return found

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a storage."""
        if not path:
            return iter(self.files)
        return super().extents(path)


def _member(archive: PartitionArchive, name: str) -> Extent:
    """A member by its very name: one such as ``a//b`` is no path."""
    member = archive.member(name)
    if member.offset + member.size > archive.raw.size:
        problem = f"{name!r} ends at {member.offset + member.size:#x}, the archive at {archive.raw.size:#x}: it is truncated"
        at = min(member.offset, archive.raw.size)
        raise error(CorruptError, problem, what=f"{archive.kind} entry", storage=archive.raw, offset=at, field="size")
    return Extent(name, archive.raw, member.offset, member.size)


def _looks_like_container(extent: Extent, name: str) -> bool:
    start, stop = extent.offset, extent.offset + extent.size
    if extent.size < 0x10:
        return False
    if extent.storage[start : start + 4].tobytes() in _MAGICS or name.lower().endswith((".nca", ".ncz")):
        return True
    if extent.size < _CARD_SIZE:
        return False
    return any(extent.storage[at : min(at + 4, stop)].tobytes() == b"HEAD" for at in (start + 0x100, start + 0x1100))


def check_member(fs: FileSystem, path: str) -> None:
    """Check a file against the hash that a card, HFS0 or ZIP archive has of it, and an NCA that is named by its hash against its name.

    Raises:
        IntegrityError: It does not match.
        OboromiFsError: It cannot be read.
    """
    _check_digest(fs, path)
    name = split(path)[1]
    if _NAMED_BY_HASH.fullmatch(name):
        storage = fs.storage(path)
        _check_name(storage, 0, storage.size, name)


def _check_digest(fs: FileSystem, path: str) -> None:
    """Check the hash that a card or HFS0 archive has of a member, and the CRC-32 of a ZIP entry that is stored; others have none."""
    archive: FileSystem = fs
    if isinstance(fs, ZipFs) and not fs.entry(path).method:  # What is compressed is checked when it is read.
        for _ in fs.checked(path):
            pass
    if isinstance(fs, XciArchive):
        partition, path = path.partition("/")[::2]
        archive = fs.partition(partition)
    if isinstance(archive, PartitionArchive) and archive.hash_matches(path) is False:
        member = archive.member(path)
        problem = f"the first {member.hashed_size:#x} bytes of {path!r} do not have the hash of the entry: damaged, or changed"
        raise error(IntegrityError, problem, what=f"{archive.kind} entry", storage=archive.raw, offset=member.offset, field="hash")


def _check_name(storage: Storage, offset: int, size: int, name: str) -> None:
    """Check a whole NCA against the hash it is named by. What is too short to be one is none, whatever it is called."""
    named = _NAMED_BY_HASH.fullmatch(name)
    if named is None or size < HEADER_SIZE or is_nax0(storage.window(offset, offset + size)):  # The name is of what an SD card encrypts.
        return
    whole = storage.window(offset, offset + size)
    if name[-1] in "zZ":
        if not is_ncz(whole):
            return
        whole = rebuilt_nca(whole, KeySet())  # Where it takes a key to tell the size, the last section does.
    digest = hashlib.sha256()
    for start in range(0, whole.size, _HASHED_AT_ONCE):
        digest.update(whole[start : start + _HASHED_AT_ONCE])
    found = digest.hexdigest()[:32]
    if found != named[1].lower():
        problem = f"the hash of {name!r} begins {found}, which is not its name: damaged, changed, or renamed"
        raise error(IntegrityError, problem, what="NCA", storage=storage, offset=offset)
