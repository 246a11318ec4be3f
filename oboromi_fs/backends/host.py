"""A folder of the host as a file system, which its symlinks cannot leave."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError, UnsafePathError
from oboromi_fs.file import Access, File
from oboromi_fs.paths import unsafe_name
from oboromi_fs.protocols import DirEntry, Metadata, Storage

if TYPE_CHECKING:
    from oboromi_fs.base import StorageBase

__all__ = ["HostFs"]

_NOWHERE = (errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG)
"""No such file; symlinks that lead nowhere; a name that no file here can have."""


class HostFs(FileSystemBase):
    """A host folder, read-only. Names are those of the host, case included.

    Symlinks are followed as long as they stay below the root; one that leaves it is not listed, and an UnsafePathError to open. Sockets,
    pipes and devices are not listed either.

    Args:
        root: The folder.
        access: How its files are opened, see :class:`oboromi_fs.file.File`.

    Raises:
        EntryNotFoundError: No such folder.
        NotADirectoryEntryError: The path is a file.
    """

    kind = "Host"

    def __init__(self, root: str | os.PathLike[str], *, access: Access = "auto") -> None:
        super().__init__()
        self.root = os.path.realpath(os.fspath(root))
        self.access: Access = access
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

    def _stat(self, path: str) -> tuple[str, os.stat_result]:
        real = self.host_path(path)
        try:
            found = os.stat(real)
        except NotADirectoryError:
            raise NotADirectoryEntryError(path) from None
        except OSError as wrong:
            if wrong.errno in _NOWHERE:
                raise EntryNotFoundError(path) from None
            raise
        if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
            raise EntryNotFoundError(path, "no such file (a pipe, socket or device is none)")
        return real, found

    def _read_dir(self, path: str) -> list[DirEntry]:
        real, found = self._stat(path)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryEntryError(path)
        entries: list[DirEntry] = []
        with os.scandir(real) as children:
            for child in sorted(children, key=lambda child: os.fsencode(child.name)):
                try:
                    if child.is_symlink() and not self._inside(os.path.realpath(child.path)):
                        continue
                    info = child.stat()
                except OSError:  # Vanished meanwhile, or a link to nowhere: no entry.
                    continue
                if stat.S_ISDIR(info.st_mode):
                    if child.is_symlink() and self._loops(path, child.path):
                        continue
                    entries.append(DirEntry(child.name, "directory", 0))
                elif stat.S_ISREG(info.st_mode):
                    entries.append(DirEntry(child.name, "file", info.st_size))
        return entries

    def _loops(self, path: str, link: str) -> bool:
        """Whether following ``link``, found in the directory ``path``, leads back to a directory the path has passed."""
        target = os.path.realpath(link)
        parts = path.split("/") if path else []
        passed = (os.path.realpath(os.path.join(self.root, *parts[:depth])) for depth in range(len(parts) + 1))
        return any((real + os.sep).startswith(target.rstrip(os.sep) + os.sep) for real in passed)

    def _metadata(self, path: str) -> Metadata:
        _, found = self._stat(path)
        if stat.S_ISDIR(found.st_mode):
            return Metadata("directory", 0, found.st_mtime_ns)
        return Metadata("file", found.st_size, found.st_mtime_ns)

    def _storage(self, path: str) -> Storage:
        real, found = self._stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryEntryError(path)
        file: StorageBase = File.open(real, access=self.access)
        return file
