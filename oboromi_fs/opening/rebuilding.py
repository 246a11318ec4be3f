"""The path of an NCA that is there as an NCZ: a file system of the one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError
from oboromi_fs.protocols import DirEntry, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["RebuiltFs", "compressed_name"]


def compressed_name(name: str) -> str | None:
    """Return the name under which an NCA is listed where it is compressed; None for what is not called like an NCA.

    Example:
        >>> compressed_name("secure/0123.nca"), compressed_name("0123.NCA"), compressed_name("a.bin")
        ('secure/0123.ncz', '0123.NCZ', None)
    """
    if not name.lower().endswith(".nca"):
        return None
    return name[:-1] + ("z" if name[-1] == "a" else "Z")


class RebuiltFs(FileSystemBase):
    """An NCA that is compressed, under the name it has when it is not.

    Args:
        name: The NCA's file name.
        storage: The NCA, made again as it is read.
        enter: Opens it, with the tickets beside it.
    """

    kind = "NCZ"

    def __init__(self, name: str, storage: Storage, enter: Callable[[], FileSystem | None]) -> None:
        super().__init__()
        self.name = name
        self.enter = enter
        self._bytes = storage

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            self._metadata(path)
            raise NotADirectoryEntryError(path)
        return [DirEntry(self.name, "file", self._bytes.size)]

    def _metadata(self, path: str) -> Metadata:
        if not path:
            return Metadata("directory", 0)
        if path != self.name:
            raise EntryNotFoundError(path)
        return Metadata("file", self._bytes.size)

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        self._metadata(path)
        return self._bytes
