"""A folder of the host as a file system, which its symlinks cannot leave. A split archive in it is one file."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase, StorageBase
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, MappingError, NotADirectoryEntryError, UnsafePathError
from oboromi_fs.file import Access, File
from oboromi_fs.paths import join, normalise, unsafe_name
from oboromi_fs.protocols import DirEntry, Extent, Metadata, PathType, Storage
from oboromi_fs.splitparts import may_be_split, parts_listed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HostFs", "ReopenedFile"]

_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG)
"""No such file; symlinks that lead nowhere; a name that no file here can have."""


_MAX_LINKS = 4
"""Linked folders that a listing follows on the way to one path."""


class HostFs(FileSystemBase):
    """A host folder, read-only. Names are those of the host, case included.

    Symlinks are followed as long as they stay below the root; one that leaves it is not listed, and an UnsafePathError to open. Sockets,
    pipes and devices are not listed either. :attr:`left_out` tells which.

    A split archive is one file: a folder ``game.nsp`` of ``00 01 …``, or ``game.xc0`` with ``game.xc1 …`` beside it, which are not listed.

    Args:
        root: The folder.
        access: How its files are opened, see :class:`oboromi_fs.file.File`.

    Attributes:
        left_out: What listings have left out so far: path -> what it is, such as ``"a pipe"``.

    Raises:
        EntryNotFoundError: No such folder.
        NotADirectoryEntryError: The path is a file.
    """

    kind = "Host"

    def __init__(self, root: str | os.PathLike[str], *, access: Access = "auto") -> None:
        super().__init__()
        self.root = os.path.realpath(os.fspath(root))
        self.access: Access = access
        self.left_out: dict[str, str] = {}
        if not os.path.isdir(self.root):
            raise NotADirectoryEntryError(os.fspath(root)) if os.path.lexists(self.root) else EntryNotFoundError(os.fspath(root))

    def host_path(self, path: str) -> str:
        """Return where a canonical path lies on the host, symlinks resolved.

        Raises:
            UnsafePathError: It would leave the root, or cannot be a name on this host.
            EntryNotFoundError: No such path.
        """
        if not path:
            return self.root
        for name in path.split("/"):
            if os.name == "nt" and (reason := unsafe_name(name)):  # A drive or a device would leave the folder.
                raise UnsafePathError(path, reason)
        full = os.path.join(self.root, *path.split("/"))
        real = os.path.realpath(full)
        if real != full and not self._inside(real):
            raise UnsafePathError(path, "is a symlink that leaves the folder")
        return real

    def _inside(self, real: str) -> bool:
        return real == self.root or real.startswith(self.root.rstrip(os.sep) + os.sep)

    def _parts(self, host: str) -> list[str]:
        """The parts of a split archive; empty for anything else."""
        parts = parts_listed(host)
        return parts if all(self._inside(os.path.realpath(part)) for part in parts) else []

    def _whole(self, path: str) -> str:
        """The split archive a path is a further part of, as a path; ``""`` if of none."""
        parent, _, name = path.rpartition("/")
        if len(name) == 2 and name.isascii() and name.isdigit():
            whole = parent
        else:
            digits = len(name) - len(name.rstrip("0123456789"))
            whole = f"{path[: len(path) - digits]}0" if digits else ""
        if not whole or whole == path or not may_be_split(whole.rpartition("/")[2]):
            return ""
        host = os.path.join(self.root, *whole.split("/"))
        return whole if os.path.join(self.root, *path.split("/")) in self._parts(host) else ""

    def _stat(self, path: str) -> tuple[str, os.stat_result]:
        real = self.host_path(path)
        if path and real != os.path.join(self.root, *path.split("/")) and self._through_a_loop(path):
            raise EntryNotFoundError(path, "a link to a folder it lies in is not followed")
        try:
            found = os.stat(real)
        except NotADirectoryError:
            if self._below_no_file(path):
                raise EntryNotFoundError(path, "no such file (what it would lie in is a pipe, socket or device)") from None
            raise NotADirectoryEntryError(path) from None
        except OSError as wrong:
            if wrong.errno in _NOWHERE:
                if not os.path.isdir(self.root):
                    raise OSError(errno.ESTALE, "the folder is gone; it was there when it was opened", self.root) from None
                raise EntryNotFoundError(path) from None
            raise
        if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
            raise EntryNotFoundError(path, "no such file (a pipe, socket or device is none)")
        whole = self._whole(path)
        if whole:
            if path.startswith(f"{whole}/"):
                raise NotADirectoryEntryError(path)
            raise EntryNotFoundError(path, f"no file of its own, but a part of {whole!r}")
        return real, found

    def _through_a_loop(self, path: str) -> bool:
        """Whether a path leads through a link that listings leave out, as it leads back."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            link = os.path.join(self.root, *parts[:depth])
            if os.path.islink(link) and os.path.isdir(link) and self._loops("/".join(parts[: depth - 1]), link):
                return True
        return False

    def _below_no_file(self, path: str) -> bool:
        """Whether what a path comes to lie in is neither a folder nor a file, and so not listed."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            try:
                mode = os.stat(os.path.join(self.root, *parts[:depth])).st_mode
            except OSError:
                return False
            if not stat.S_ISDIR(mode):
                return not stat.S_ISREG(mode)
        return False

    def _read_dir(self, path: str) -> list[DirEntry]:
        real, found = self._stat(path)
        if not stat.S_ISDIR(found.st_mode) or (path and self._parts(real)):
            raise NotADirectoryEntryError(path)
        entries: list[DirEntry] = []
        further: set[str] = set()
        with os.scandir(real) as children:
            for child in sorted(children, key=lambda child: os.fsencode(child.name)):
                inner = join(path, child.name)
                try:
                    if child.is_symlink() and not self._inside(os.path.realpath(child.path)):
                        self.left_out[inner] = "a link that leaves the folder"
                        continue
                    info = child.stat()
                except OSError as wrong:  # Vanished meanwhile, or a link to nowhere: no entry.
                    if wrong.errno == errno.ENAMETOOLONG and not child.is_symlink():
                        wrong.filename = inner
                        raise  # It is there, and out of reach: to leave it out would be a loss that nobody hears of.
                    if child.is_symlink():
                        self.left_out[inner] = "a link to nowhere"
                    continue
                parts = self._parts(child.path) if may_be_split(child.name) else []
                if parts:
                    entries.append(DirEntry(child.name, "file", sum(map(os.path.getsize, parts))))
                    further.update(os.path.basename(part) for part in parts[1:] if stat.S_ISREG(info.st_mode))
                elif stat.S_ISDIR(info.st_mode):
                    if child.is_symlink() and self._loops(path, child.path):
                        self.left_out[inner] = "a link to a folder it lies in, or below too many other links"
                        continue
                    entries.append(DirEntry(child.name, "directory", 0))
                elif stat.S_ISREG(info.st_mode):
                    entries.append(DirEntry(child.name, "file", info.st_size))
                else:
                    self.leave_out(inner, info.st_mode)
        return [entry for entry in entries if entry.name not in further] if further else entries

    def leave_out(self, path: str, mode: int) -> None:
        """Note that a listing leaves a path out because of its kind.

        Args:
            path: Where it is.
            mode: Its ``st_mode``.
        """
        kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
        self.left_out[path] = next((name for is_kind, name in kinds if is_kind(mode)), "neither a file nor a folder")

    def _loops(self, path: str, link: str) -> bool:
        """Whether following ``link``, found in the directory ``path``, leads back to a directory the path has passed."""
        target = os.path.realpath(link)
        parts = path.split("/") if path else []
        passed = [os.path.join(self.root, *parts[:depth]) for depth in range(len(parts) + 1)]
        if sum(map(os.path.islink, passed)) >= _MAX_LINKS:  # Links to folders with links in them multiply what there is.
            return True
        return any((os.path.realpath(path) + os.sep).startswith(target.rstrip(os.sep) + os.sep) for path in passed)

    def _metadata(self, path: str) -> Metadata:
        real, found = self._stat(path)
        parts = self._parts(real) if path else []
        if parts:
            return Metadata("file", sum(map(os.path.getsize, parts)), found.st_mtime_ns)
        if stat.S_ISDIR(found.st_mode):
            return Metadata("directory", 0, found.st_mtime_ns)
        return Metadata("file", found.st_size, found.st_mtime_ns)

    def _storage(self, path: str) -> Storage:
        real, found = self._stat(path)
        parts = self._parts(real) if path else []
        if parts:
            from oboromi_fs.storage.concat import ConcatStorage

            return ConcatStorage([File.open(part, access=self.access) for part in parts])
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryEntryError(path)
        file: StorageBase = File.open(real, access=self.access)
        return file

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory; each is open only while it is read, so that there may be more than can be open at once."""
        root = normalise(path)
        for inner, entry in self.walk(root):
            if entry.kind == "file":
                yield Extent(inner, ReopenedFile(self, join(root, inner), entry.size), 0, entry.size)


class ReopenedFile(StorageBase):
    """A file of a host folder that is open only while it is read.

    Args:
        fs: The folder.
        path: The file in it.
        size: Its length in bytes; reading raises a MappingError if fewer are left by then.
    """

    __slots__ = ("fs", "name", "path")
    kind = "File"

    def __init__(self, fs: HostFs, path: str, size: int) -> None:
        self.fs = fs
        self.path = path
        self.name = path
        self._size = size

    @property
    def host_file(self) -> str:
        """The host file that holds these bytes and no others; ``""`` where that is not so simple, as for a split archive."""
        fs = self.fs
        if fs.access == "pread" or may_be_split(self.path.rpartition("/")[2]):
            return ""
        return f"{fs.root.rstrip(os.sep)}/{self.path}"

    def _readinto(self, offset: int, target: memoryview) -> None:
        count = self.fs.storage(self.path).readinto_at(offset, target)
        if count != len(target):
            raise MappingError(self.name, f"shrank while it was read: {len(target)} bytes at {offset:#x} are needed, {count} are there")
