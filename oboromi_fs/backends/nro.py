"""NRO, the homebrew program, as a container of its assets. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._extents import opened
from oboromi_fs.base import FileSystemBase
from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError
from oboromi_fs.executables.nro import Nro
from oboromi_fs.protocols import DirEntry, Metadata, Storage

if TYPE_CHECKING:
    import os

    from oboromi_fs.executables.nro import Asset

__all__ = ["NroArchive"]

_NAMES = {"icon": "icon.jpg", "nacp": "control.nacp", "romfs": "romfs"}
_ROOT = Metadata("directory", 0)


class NroArchive(FileSystemBase):
    """An NRO as a flat file system of the assets it has: ``icon.jpg``, ``control.nacp``, and ``romfs``, the image of a RomFS.

    A library, or a program without assets, is empty. An asset that runs over the end of the file is listed, and an error to read.
    :func:`oboromi_fs.open_fs` goes on into the RomFS.

    Args:
        source: A storage, or the path of a host file.

    Attributes:
        raw: The file.
        nro: The program.

    Raises:
        NotThisFormatError: The magic is absent.
        CorruptError: The header is damaged, or the file ends before the program does.
    """

    kind = "NRO"

    def __init__(self, source: Storage | str | os.PathLike[str]) -> None:
        storage, owned = opened(source)
        super().__init__(owned=owned)
        self.raw = storage
        self.nro = nro = Nro(storage)
        nro.check_size()
        self._assets: dict[str, Asset] = {_NAMES[name]: asset for name, asset in nro.assets.items()}

    @property
    def problems(self) -> list[str]:
        """What the headers say that cannot be."""
        return self.nro.problems

    def _asset(self, path: str) -> Asset:
        found = self._assets.get(path)
        if found is None:
            if path.partition("/")[0] in self._assets:
                raise NotADirectoryEntryError(path)
            raise EntryNotFoundError(path)
        return found

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            self._asset(path)
            raise NotADirectoryEntryError(path)
        return [DirEntry(name, "file", asset.size) for name, asset in self._assets.items()]

    def _metadata(self, path: str) -> Metadata:
        return Metadata("file", self._asset(path).size) if path else _ROOT

    def _storage(self, path: str) -> Storage:
        if not path:
            raise IsADirectoryEntryError(path)
        return self.nro.open_asset(self._asset(path))
