"""File systems in file systems: a path goes on inside the containers it meets."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from oboromi_fs.backends.nax0 import is_nax0
from oboromi_fs.backends.nca import Nca, rebuilt_nca
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.base import FileSystemBase, walk
from oboromi_fs.errors import (
    EntryNotFoundError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    OboromiFsError,
)
from oboromi_fs.opening.aliases import CONTENT_ALIASES, Aliases
from oboromi_fs.opening.opener import Opener
from oboromi_fs.opening.rebuilding import RebuiltFs, compressed_name
from oboromi_fs.paths import addressable, join, normalise, split
from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage
from oboromi_fs.storage.ncz import is_ncz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeGuard

    from oboromi_fs.backends.nro import NroArchive
    from oboromi_fs.file import File
    from oboromi_fs.keys import KeySet
    from oboromi_fs.tickets import Ticket

__all__ = ["CONTENT_ALIASES", "SD_CONTENT", "NestedFs"]

SD_CONTENT = "@content"
"""Name of what is encrypted in a file from an SD card, as the file it is."""
_MAX_NESTING = 16


class NestedFs(FileSystemBase):
    """A file system whose containers can be entered: a path goes on inside them.

    Listings are those of the file system underneath: a container in it is listed as the file it is, and may be used as a directory as
    well. Sections of an NCA are directories. ``@program`` and its like name an NCA by content type, ``@0`` to ``@3`` a section by slot.

    Args:
        fs: The outermost file system.
        opener: How containers are opened.
        owned: What :meth:`close` closes.
        beside: Gives the folder around ``fs``, where a ticket may lie that is not in it.

    Attributes:
        fs: The outermost file system.
        opener: How containers are opened.
    """

    nests = True

    def __init__(
        self,
        fs: FileSystem,
        opener: Opener | None = None,
        *,
        owned: Iterable[FileSystemBase | File | Opener] = (),
        beside: Callable[[], FileSystem] | None = None,
    ) -> None:
        super().__init__(owned=owned)
        self.fs = fs
        self.opener = opener if opener is not None else Opener()
        self.kind = getattr(fs, "kind", type(fs).__name__)
        self._beside = beside
        self._tickets: dict[tuple[int, str], tuple[FileSystem, dict[bytes, Ticket]]] = {}
        self._entered: dict[str, FileSystem] = {}
        self._rebuilt: dict[str, RebuiltFs] = {}
        self._aliases = Aliases()

    @property
    def keys(self) -> KeySet:
        """The keys containers are opened with."""
        return self.opener.keys

    # Following a path

    def resolve(self, path: PathType) -> tuple[FileSystem, str]:
        """Return the file system that holds a path, and the path inside it.

        Raises:
            EntryNotFoundError: No such path.
            NotADirectoryEntryError: A plain file in the middle of it.
        """
        fs, inner, _ = self._follow(normalise(path))
        return fs, inner

    def _follow(self, path: str) -> tuple[FileSystem, str, str]:
        """The file system, the path in it, and the full path up to it (the key under which entered containers are kept)."""
        fs: FileSystem = self.fs
        prefix, rest = "", path
        for _ in range(_MAX_NESTING):
            try:
                fs.metadata(rest)
            except (FileNotFoundError, NotADirectoryError):
                pass
            else:
                return fs, rest, prefix
            fs, prefix, rest = self._step(fs, prefix, rest, path)
        raise NotADirectoryEntryError(path, f"containers are nested deeper than {_MAX_NESTING}")

    def _step(self, fs: FileSystem, prefix: str, rest: str, path: str) -> tuple[FileSystem, str, str]:
        """Enter the first container on the way: ``rest`` is not a path of ``fs`` itself."""
        parts = rest.split("/")

        def no_directory(count: int) -> bool:
            try:
                return fs.metadata("/".join(parts[:count])).kind != "directory"
            except (FileNotFoundError, NotADirectoryError):
                return True

        # What lies below no directory is none either: halving finds how many components lead through directories.
        known = bisect_left(range(1, len(parts)), x=True, key=no_directory)
        done, name, remaining = "/".join(parts[:known]), parts[known], "/".join(parts[known + 1 :])
        inner = join(done, name)
        try:
            fs.metadata(inner)
        except (FileNotFoundError, NotADirectoryError):
            alias = self._aliases.stands_for(fs, prefix, done, name, self._enter)
            inner = join(done, alias if alias is not None else name)
            rebuilt = self._rebuild(fs, prefix, inner)
            if rebuilt is None and alias is None:
                raise EntryNotFoundError(path, f"no such path ({join(prefix, done).rstrip('/') or 'the root'!r} has no {name!r})") from None
            if rebuilt is not None:
                fs, prefix, inner = rebuilt, join(prefix, inner.rpartition("/")[0]), rebuilt.name
            if not remaining:
                return fs, prefix, inner
        outer = join(prefix, inner)
        if remaining.partition("/")[0] == SD_CONTENT and not isinstance(fs, Nca | RebuiltFs) and is_nax0(storage := fs.storage(inner)):
            archive = self.opener.sd_file(storage, inner.rpartition("/")[2])
            return archive, outer, join(archive.name, remaining.partition("/")[2])
        entered = self._enter(fs, inner, outer)
        if entered is None:
            raise NotADirectoryEntryError(path, f"{outer!r} is a plain file")
        return entered, outer, remaining

    def _enter(self, fs: FileSystem, inner: str, outer: str) -> FileSystem | None:
        found = self._entered.get(outer)
        if found is None:
            if isinstance(fs, Nca):
                found = self.opener.section(fs, inner)
            elif isinstance(fs, RebuiltFs):
                found = fs.enter()
            elif self._directory_in(fs, inner):
                found = RomFs(fs.storage(inner))
            else:
                name = inner.rpartition("/")[2]
                tickets = self.tickets_of(fs, inner.rpartition("/")[0])
                found = self.opener.container(fs.storage(inner), name, tickets=tickets)
            if found is None:
                return None
            self._entered[outer] = found
        return found

    def _rebuild(self, fs: FileSystem, prefix: str, inner: str) -> RebuiltFs | None:
        """The NCA that is called ``inner``, and is there as an NCZ; None where there is none."""
        compressed = compressed_name(inner)
        if compressed is None or isinstance(fs, Nca):
            return None
        outer = join(prefix, inner)
        found = self._rebuilt.get(outer)
        if found is None:
            for name, wanted in ((inner, False), (compressed, True)):
                try:
                    there = fs.metadata(name).kind == "file"
                except (FileNotFoundError, NotADirectoryError):
                    there = False
                if there is not wanted:
                    return None
            storage = fs.storage(compressed)
            if not is_ncz(storage):
                return None
            directory, name = split(inner)
            whole = rebuilt_nca(storage, self.keys)
            # What is entered reads the same storage: a solid one keeps what it has made.
            found = RebuiltFs(name, whole, lambda: self.opener.container(whole, name, tickets=self.tickets_of(fs, directory)))
            self._rebuilt[outer] = found
        return found

    def enter(self, path: PathType) -> FileSystem | None:
        """Return the file system a container file holds; None for a plain file.

        Raises:
            EntryNotFoundError: No such path.
            FormatError: The container is broken.
            MissingKeyError: It needs a key that is absent.
        """
        fs, inner, prefix = self._follow(normalise(path))
        if not inner:
            return fs
        if fs.metadata(inner).kind == "directory":
            raise IsADirectoryEntryError(join(prefix, inner))
        return self._enter(fs, inner, join(prefix, inner))

    # Tickets and aliases

    def tickets_of(self, fs: FileSystem, directory: str = "") -> Callable[[bytes], Ticket | None]:
        """Return a lookup of tickets by the rights id inside them, in the archive an NCA lies in."""

        def lookup(rights_id: bytes) -> Ticket | None:
            places: list[tuple[FileSystem, str]] = [(fs, directory)]
            if isinstance(fs, XciArchive):
                places += [(fs, name) for name in fs.partitions if name != directory]
            if fs is self.fs and self._beside is not None:
                places.append((self._beside(), ""))
            return next((found for place in places if (found := self._tickets_in(*place).get(rights_id)) is not None), None)

        return lookup

    def _tickets_in(self, fs: FileSystem, directory: str) -> dict[bytes, Ticket]:
        """The tickets among the ``.tik`` files of a directory by what is inside them, as file names may be wrong; read once."""
        known = self._tickets.get((id(fs), directory))
        if known is not None:
            return known[1]
        found: dict[bytes, Ticket] = {}
        try:
            names = [entry.name for entry in fs.read_dir(directory) if entry.name.lower().endswith(".tik") and addressable(entry.name)]
        except (OboromiFsError, OSError):
            names = []
        for name in names:
            from oboromi_fs.tickets import Ticket

            try:
                ticket = Ticket.read(fs.storage(join(directory, name)))
            except (OboromiFsError, OSError):
                continue
            found.setdefault(ticket.rights_id, ticket)
        self._tickets[id(fs), directory] = (fs, found)  # Held, so that no other file system gets its identity.
        return found

    def aliases(self, fs: FileSystem, prefix: str, directory: str) -> dict[str, str]:
        """Map ``@program``, ``@control`` … to the names of the NCAs in one directory of an archive.

        Raises:
            MissingKeyError: ``header_key`` is absent: content types are inside the encrypted headers.
        """
        return self._aliases.of(fs, prefix, directory, self._enter)

    def close(self) -> None:
        """Close what was opened for this file system, and forget the containers that were entered."""
        super().close()
        self._entered.clear()
        self._rebuilt.clear()
        self._aliases.clear()

    # FileSystem

    def _directory_in(self, fs: FileSystem, inner: str) -> bool:
        """Whether a file of an NCA or NRO is a file system, and so shown as a directory."""
        return (isinstance(fs, Nca) and bool(inner)) or (_is_nro(fs) and inner == "romfs" and fs.exists(inner))

    def _read_dir(self, path: str) -> list[DirEntry]:
        fs, inner, prefix = self._follow(path)
        if inner and fs.metadata(inner).kind == "file":
            entered = self._enter(fs, inner, join(prefix, inner))
            if entered is None:
                raise NotADirectoryEntryError(path)
            fs, inner = entered, ""
        if isinstance(fs, Nca) or _is_nro(fs):
            return self._members(fs)
        return fs.read_dir(inner)

    def _members(self, fs: Nca | NroArchive) -> list[DirEntry]:
        """What an NCA or NRO holds, its file systems as directories."""
        return [DirEntry(entry.name, "directory", 0) if self._directory_in(fs, entry.name) else entry for entry in fs.read_dir()]

    def _metadata(self, path: str) -> Metadata:
        fs, inner, _ = self._follow(path)
        if self._directory_in(fs, inner):
            return Metadata("directory", 0)
        return fs.metadata(inner)

    def _storage(self, path: str) -> Storage:
        fs, inner, _ = self._follow(path)
        if self._directory_in(fs, inner) and not path.rpartition("/")[2].startswith("@"):
            raise IsADirectoryEntryError(path)
        return fs.storage(inner)

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory or container, without going on into further containers."""
        fs, inner = self.as_directory(path)
        if isinstance(fs, Nca) or _is_nro(fs):
            for member in self._members(fs):
                yield member.name, member
                if member.kind == "directory":
                    for below, entry in self.walk(join(normalise(path), member.name)):
                        yield join(member.name, below), entry
            return
        yield from fs.walk(inner) if isinstance(fs, FileSystemBase) else walk(fs, inner)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory or container as a run of a shared storage."""
        fs, inner = self.as_directory(path)
        if isinstance(fs, Nca) or _is_nro(fs):
            for member in self._members(fs):
                if member.kind == "directory":
                    for extent in self.extents(join(normalise(path), member.name)):
                        yield extent._replace(path=join(member.name, extent.path))
                else:
                    yield Extent(member.name, fs.storage(member.name), 0, member.size)
            return
        if isinstance(fs, FileSystemBase):
            yield from fs.extents(inner)
        else:
            yield from super().extents(path)

    def as_directory(self, path: PathType) -> tuple[FileSystem, str]:
        """Return the file system whose directory a path is, and the path in it; of a container its own root.

        Raises:
            EntryNotFoundError: No such path.
            NotADirectoryEntryError: A plain file.
            FormatError, MissingKeyError: A container that cannot be opened.
        """
        canonical = normalise(path)
        fs, inner, prefix = self._follow(canonical)
        if inner and fs.metadata(inner).kind == "file":
            entered = self._enter(fs, inner, join(prefix, inner))
            if entered is None:
                raise NotADirectoryEntryError(canonical)
            return entered, ""
        return fs, inner


def _is_nro(fs: FileSystem) -> TypeGuard[NroArchive]:
    """Tell an NRO without importing its backend, which few programs need. A class says its kind; an instance may say that of another."""
    return getattr(type(fs), "kind", "") == "NRO"
