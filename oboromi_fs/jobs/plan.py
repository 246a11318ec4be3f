"""The plan of an extraction: a tree of names a host may carry, and the reads that fill it, in the order of the source.

A plan is made from paths and extents alone; the host's disk is not touched. Names that must not reach it are refused here, one by one,
and the rest goes on. :meth:`Plan.jobs` then turns many small files into few large reads, and a large file into pieces that several
threads can copy.
"""

from __future__ import annotations

import os
from itertools import chain, pairwise
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from oboromi_fs.base import WindowStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.jobs.loosefile import LooseFile
from oboromi_fs.paths import unsafe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import Extent, Storage

__all__ = ["Attributes", "Directory", "How", "Job", "Large", "Link", "Piece", "Plan", "PlannedFile", "Window"]

WINDOW = 1 << 20
"""Bytes read and decrypted in one call: large against the call, small against the processor's cache."""
GAP = 1 << 15
"""Unused bytes between two files that cost less to read than a second call would."""
FILES_PER_WINDOW = 256
"""Files written between two looks at the stop flag, and the grain in which threads share small files."""
KERNEL_PIECE = 16 << 20
"""Bytes the kernel copies in one go: no buffer bounds it, only how soon an interrupt must be heard."""


class Directory:
    """A directory to be made: its name, and what goes into it.

    ``children`` maps a name to a Directory, or to None for a file. The last three fields belong to the writer: a path is given to the
    host relative to ``anchor``, an ancestor near enough for the host's limit on the length of a path; ``rel`` is that relative path
    with its trailing separator, ``step`` the way from the anchor above to this directory where it is an anchor itself.
    """

    __slots__ = ("anchor", "children", "name", "parent", "refused", "rel", "step")

    def __init__(self, name: str = "", parent: Directory | None = None) -> None:
        self.name = name
        self.parent = parent
        self.children: dict[str, Directory | None] = {}
        self.refused = ""
        self.anchor: Directory | None = None
        self.rel = ""
        self.step = ""

    @property
    def names(self) -> list[str]:
        """The components from the root down."""
        found: list[str] = []
        directory = self
        while directory.parent is not None:
            found.append(directory.name)
            directory = directory.parent
        found.reverse()
        return found

    def join(self, name: str) -> str:
        """Virtual path of a child."""
        return "/".join([*self.names, name])


class PlannedFile(NamedTuple):
    """A file to be written: ``size`` bytes at ``offset`` of a storage, as ``name`` in ``directory``."""

    offset: int
    size: int
    directory: Directory
    name: str

    @property
    def path(self) -> str:
        """The virtual path."""
        return self.directory.join(self.name)


How: TypeAlias = Literal["hardlink", "symlink", "reflink"]


class Link(NamedTuple):
    """A file that is made from a host file without writing its bytes. ``storage`` has them all the same."""

    directory: Directory
    name: str
    how: How
    source: str
    storage: Storage


class Attributes(NamedTuple):
    """What a file gets once it is written: a time, and whether those who may read it may execute it."""

    directory: Directory
    name: str
    mtime_ns: int
    executable: bool


class Large:
    """A file that is copied in pieces by several threads. ``target`` and ``source`` are descriptors, -1 while closed."""

    __slots__ = ("file", "left", "lock", "refused", "source", "storage", "target")

    def __init__(self, file: PlannedFile, storage: Storage, pieces: int) -> None:
        self.file = file
        self.storage = storage
        self.left = pieces
        self.lock = Lock()
        self.refused = False
        self.target = -1
        self.source = -1


class Window(NamedTuple):
    """Read ``storage[start:stop]`` once and write the files that lie in it."""

    storage: Storage
    start: int
    stop: int
    files: list[PlannedFile]


class Piece(NamedTuple):
    """Copy ``storage[start:stop]`` to its place in a large file."""

    large: Large
    start: int
    stop: int


Job: TypeAlias = "Window | Piece"


class _Source:
    """A storage files are read from, whole: windows on it are resolved, so that all their files sort together."""

    __slots__ = ("files", "storage")

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.files: list[PlannedFile] = []


class Plan:
    """Collects directories and extents; see the module.

    Attributes:
        root: The directory everything goes into; its own name is empty.
        directories: All directories below the root, parents first.
        links: Files that are linked, not written.
        attributes: What files are to have besides their bytes.
        refused: ``(path, reason)`` of every entry that was left out.
    """

    def __init__(self) -> None:
        self.root = Directory()
        self.directories: list[Directory] = []
        self.links: list[Link] = []
        self.attributes: list[Attributes] = []
        self.refused: list[tuple[str, str]] = []
        self._known: dict[str, Directory | str] = {"": self.root}  # A refused directory is known by the reason.
        # By identity of the storage as it was given: what is really read, where it starts there, its size; and itself, to keep it alive.
        self._resolved: dict[int, tuple[_Source, int, int, Storage]] = {}
        self._sources: dict[int, _Source] = {}

    @property
    def files(self) -> int:
        """How many files there are to write."""
        return sum(len(source.files) for source in self._sources.values())

    @property
    def bytes(self) -> int:
        """How many bytes there are to write."""
        return sum(file.size for source in self._sources.values() for file in source.files)

    def add_directory(self, path: str) -> None:
        """Plan a directory and its parents; the root is always there."""
        found = self._known.get(path) or self._directory(path)
        if isinstance(found, str):
            self.refused.append((path, found))

    def add_file(self, extent: Extent) -> None:
        """Plan a file and its parents.

        Raises:
            CorruptError: The extent does not lie inside its storage.
        """
        path, storage, offset, size = extent
        place = self._claim(path)
        if place is not None:
            self._read(place, storage, offset, size)

    def add_link(self, path: str, how: How, source: str, storage: Storage) -> None:
        """Plan a file that is a link to a host file, or shares its bytes.

        Args:
            path: As that of a file.
            how: Which kind of link.
            source: The host file, absolute.
            storage: Its bytes, for where the host has no such link.
        """
        place = self._claim(path)
        if place is not None:
            self.links.append(Link(*place, how, source, storage))

    def read_instead(self, link: Link) -> None:
        """Copy what the host would not link. Only before the first of :meth:`jobs` is asked for."""
        self._read((link.directory, link.name), link.storage, 0, link.storage.size)

    def set_later(self, path: str, mtime_ns: int, *, executable: bool) -> None:
        """Plan what a file that was added last is to have besides its bytes, if it was not refused."""
        parent, _, name = path.rpartition("/")
        directory = self._known[parent]
        if not isinstance(directory, str):
            name = name if name.isascii() else _host_spelling(name)[0]
            self.attributes.append(Attributes(directory, name, mtime_ns, executable))

    def _claim(self, path: str) -> tuple[Directory, str] | None:
        """Take the place of a file at a path, and make its parents; None, and a refusal, where it cannot be."""
        parent, separator, name = path.rpartition("/")
        directory = self._known.get(parent) if parent or not separator else "the path is absolute"
        if directory is None:
            directory = self._directory(parent)
        if isinstance(directory, str):
            self.refused.append((path, directory))
            return None
        reason = unsafe_name(name)
        if not reason and not name.isascii():
            name, reason = _host_spelling(name)
        if reason:
            self.refused.append((path, f"the name {name!r} {reason}"))
            return None
        children = directory.children
        if name in children:
            self.refused.append((path, "an earlier entry has this path" if children[name] is None else "a directory has this path"))
            return None
        children[name] = None
        return directory, name

    def _read(self, place: tuple[Directory, str], storage: Storage, offset: int, size: int) -> None:
        resolved = self._resolved.get(id(storage)) or self._resolve(storage)
        source, start, limit, _ = resolved
        if offset < 0 or size < 0 or offset + size > limit:
            path = place[0].join(place[1])
            raise CorruptError(f"{path!r} is {size} bytes at {offset:#x}, outside {limit:#x} bytes", what="extent")
        source.files.append(PlannedFile(start + offset, size, *place))

    def _directory(self, path: str) -> Directory | str:
        """The directory at a path, made with its parents; or why it cannot be."""
        missing: list[tuple[str, str]] = []
        while (found := self._known.get(path)) is None:
            parent, separator, name = path.rpartition("/")
            missing.append((path, name))
            if separator and not parent:
                found = "the path is absolute"
                break
            path = parent
        for inner, name in reversed(missing):
            if not isinstance(found, str):
                found = self._child(found, name)
            self._known[inner] = found
        return found

    def _child(self, parent: Directory, name: str) -> Directory | str:
        spelled, reason = name, unsafe_name(name)
        if not reason and not name.isascii():
            spelled, reason = _host_spelling(name)
        if reason:
            return f"the name {name!r} {reason}"
        if spelled in parent.children:
            return parent.children[spelled] or f"a file has the path {parent.join(spelled)!r}"
        made = parent.children[spelled] = Directory(spelled, parent)
        self.directories.append(made)
        return made

    def _resolve(self, storage: Storage) -> tuple[_Source, int, int, Storage]:
        whole, start = storage, 0
        while isinstance(whole, WindowStorage) and type(whole) is WindowStorage:  # A subclass may change bytes.
            start += whole.start
            whole = whole.parent
        source = self._sources.get(id(whole))
        if source is None:
            source = self._sources[id(whole)] = _Source(whole)
        resolved = self._resolved[id(storage)] = (source, start, storage.size, storage)
        return resolved

    def clash_suspects(self) -> Iterator[tuple[Directory, list[str]]]:
        """Yield groups of names in one directory that a host might take for the same name, in the order they were planned."""
        for directory in (self.root, *self.directories):
            names = directory.children
            if len(names) < 2 or len({_fold(name) for name in names}) == len(names):
                continue
            groups: dict[str, list[str]] = {}
            for name in names:
                groups.setdefault(_fold(name), []).append(name)
            yield from ((directory, group) for group in groups.values() if len(group) > 1)

    def refuse(self, directory: Directory, name: str, reason: str) -> None:
        """Leave out a planned file or directory; :meth:`prune` must follow before :meth:`jobs`. Safe to call from several threads."""
        child = directory.children.pop(name)
        if child is None:
            self.refused.append((directory.join(name), reason))
        else:
            child.refused = reason

    def prune(self) -> None:
        """Drop what :meth:`refuse` left out, and everything below refused directories, which is reported path by path."""
        kept: list[Directory] = []
        for directory in self.directories:
            above = directory.parent
            if not directory.refused and above is not None and above.refused:
                directory.refused = above.refused
            if directory.refused:
                self.refused.append(("/".join(directory.names), directory.refused))
            else:
                kept.append(directory)
        self.directories = kept
        linked, self.links = self.links, []
        for link in linked:
            if link.directory.refused:
                self.refused.append((link.directory.join(link.name), link.directory.refused))
            elif link.name in link.directory.children:
                self.links.append(link)
        for source in self._sources.values():
            files: list[PlannedFile] = []
            for file in source.files:
                if file.directory.refused:
                    self.refused.append((file.path, file.directory.refused))
                elif file.name in file.directory.children:
                    files.append(file)
            source.files = files

    def jobs(self) -> Iterator[Job]:
        """Yield the reads, storage by storage, each storage from its start to its end."""
        for source in self._sources.values():
            source.files.sort(key=itemgetter(0))
            yield from _jobs_of(source.storage, source.files)


def _jobs_of(storage: Storage, files: list[PlannedFile]) -> Iterator[Job]:
    pieces = KERNEL_PIECE if hasattr(storage, "fileno") or isinstance(storage, LooseFile) else WINDOW
    start = stop = 0
    batch: list[PlannedFile] = []
    for file in files:
        offset, size, _, _ = file
        end = offset + size
        if batch and (end - start > WINDOW or offset - stop > GAP or len(batch) >= FILES_PER_WINDOW):
            yield Window(storage, start, stop, batch)
            batch = []
        if size > WINDOW:
            # Pieces end at multiples of their size in the source, where ciphers, hashes and compressors have their block boundaries.
            bounds = range((offset // pieces + 1) * pieces, end, pieces)
            large = Large(file, storage, len(bounds) + 1)
            yield from (Piece(large, first, last) for first, last in pairwise(chain((offset,), bounds, (end,))))
            continue
        if not batch:
            start = stop = offset
        stop = max(stop, end)
        batch.append(file)
    if batch:
        yield Window(storage, start, stop, batch)


def _host_spelling(name: str) -> tuple[str, str]:
    """A name as the host gives it back, and why it has none. Two spellings of the same bytes become one."""
    try:
        return os.fsdecode(os.fsencode(name)), ""
    except UnicodeError:
        return name, "cannot be spelled in the file names of this host"


def _fold(name: str) -> str:
    if name.isascii():
        return name.lower()
    import unicodedata  # Most archives hold ASCII names only.

    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
