"""From a path to what it names, on the host or inside containers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.base import FileSystemBase, SubFs
from oboromi_fs.errors import (
    EntryNotFoundError,
    IsADirectoryEntryError,
    NotADirectoryEntryError,
    NotThisFormatError,
)
from oboromi_fs.opening.hostfile import compressed_part, host_part, open_storage, split_parts
from oboromi_fs.opening.nested import NestedFs
from oboromi_fs.opening.opener import KeysType, Opener
from oboromi_fs.paths import join, normalise
from oboromi_fs.protocols import DirEntry, Metadata, Storage

if TYPE_CHECKING:
    from oboromi_fs.file import Access

__all__ = ["Location", "locate", "open_fs", "open_location"]


@dataclass(frozen=True, slots=True)
class Location:
    """What a path names: always a place in a file system; for a file its bytes; for a directory or container its tree.

    ``fs`` and ``path`` go together: ``fs.metadata(path)``. ``display`` is the path as the user gave it. ``host`` is the host file or
    folder it starts from.
    """

    fs: NestedFs
    path: str
    display: str
    host: str

    @property
    def kind(self) -> str:
        """``"file"`` or ``"directory"``; a container is a file that can be entered."""
        return self.fs.metadata(self.path).kind


def locate(
    path: str | bytes | os.PathLike[str], keys: KeysType = None, *, access: Access = "auto", opener: Opener | None = None
) -> Location:
    """Find what a path names, on the host or inside containers.

    Args:
        path: A host path that may go on inside containers.
        keys: See :func:`open_fs`.
        access: How host files are opened.
        opener: Use this one, and its keys, instead.

    Raises:
        EntryNotFoundError: No such path; the message names the nearest ancestor that exists.
        FormatError: A container on the way is broken.
        MissingKeyError: A container on the way needs a key that is absent.
    """
    text = os.fsdecode(path)
    if not text:
        raise EntryNotFoundError(text, "the path is empty")
    opener = opener if opener is not None else Opener(keys, access=access)
    name = ""
    try:
        host, inner = host_part(text)
    except EntryNotFoundError:
        found = compressed_part(text)
        if found is None:
            raise
        host, name, inner = found
    if os.path.isdir(host) and not split_parts(host):
        folder = HostFs(host, access=opener.access)
        return Location(NestedFs(folder, opener, owned=[folder]), "", text, host)
    storage, files = open_storage(host, opener.access)
    single = _SingleFs(os.path.basename(os.path.normpath(host)), storage, os.path.dirname(os.path.abspath(host)))
    nested = NestedFs(single, opener, owned=files, beside=single.beside)
    try:
        full = join(name or single.name, normalise(inner))
        nested.metadata(full)
    except OSError as wrong:
        nested.close()
        if isinstance(wrong, EntryNotFoundError | NotADirectoryEntryError):
            raise type(wrong)(text, wrong.detail) from None
        raise
    except BaseException:
        nested.close()
        raise
    return Location(nested, full, text, host)


class _SingleFs(FileSystemBase):
    """One host file as a file system of its own: where a path that goes on inside it starts."""

    kind = "File"

    def __init__(self, name: str, storage: Storage, folder: str) -> None:
        super().__init__()
        self.name = name
        self.folder = folder
        self._bytes = storage

    def beside(self) -> HostFs:
        """The folder the file lies in: where the ticket of a loose NCA may be."""
        return HostFs(self.folder)

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path:
            raise NotADirectoryEntryError(path) if path == self.name else EntryNotFoundError(path)
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
        if path != self.name:
            raise EntryNotFoundError(path)
        return self._bytes


def open_fs(
    path: str | bytes | os.PathLike[str] | Storage,
    keys: KeysType = None,
    *,
    access: Access = "auto",
    base: str | os.PathLike[str] | None = None,
    sd_path: str | None = None,
) -> NestedFs:
    """Open whatever a path names as a file system: a folder, a container, or a directory or container inside one.

    Containers are recognised by content, and paths in the result go on inside further ones: ``fs.open("@program/romfs/a.bin")``.

    Args:
        path: A host path that may go on inside containers; or a Storage.
        keys: A KeySet, a key file or several, or a mapping of names to hex text. None looks in the default places, when a key is needed.
        access: How host files are opened, see :class:`oboromi_fs.file.File`.
        base: Path of the title that an update changes: a package, a card, an NCA, or a folder of any of them. It is opened with the first
            update, and closed with the result.
        sd_path: Where a file from an SD card lies there, as in ``/registered/000000XX/ID.nca``; None tells that by where it lies now.

    Raises:
        EntryNotFoundError: No such path.
        NotADirectoryEntryError: A plain file.
        FormatError: The container is broken.
        MissingKeyError: It needs a key that is absent.

    Example:
        >>> fs = open_fs("testdata/nsp/std_g1.nsp", keys="testdata/keys/prod.keys")
        >>> fs.read_bytes("@program/romfs/hello.txt")
        b'hello\\n'
    """
    opener = Opener(keys, access=access, base=base, sd_path=sd_path)
    if not isinstance(path, str | bytes | os.PathLike):
        container = opener.container(path)
        if container is None:
            raise NotThisFormatError("none of the known containers", what="storage")
        return NestedFs(container, opener, owned=[opener])
    fs = open_location(locate(path, opener=opener))
    if base is not None:
        fs.own(opener)
    return fs


def open_location(place: Location) -> NestedFs:
    """Open a place as a file system of its own, which closes what the place was reached by.

    Raises:
        NotADirectoryEntryError: A plain file.
        FormatError, MissingKeyError: A container that cannot be opened.
    """
    if not place.path:
        return place.fs
    try:
        fs, inner = place.fs.as_directory(place.path)
    except BaseException:
        place.fs.close()
        raise
    return NestedFs(SubFs(fs, inner) if inner else fs, place.fs.opener, owned=[place.fs])
