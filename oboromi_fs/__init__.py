"""File systems for the archives of the Switch family: open, list, read, extract and verify, without copying what is stored plain.

The names load on first use, so that ``import oboromi_fs`` costs nothing by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading
from oboromi_fs._version import __version__

if TYPE_CHECKING:
    from oboromi_fs.backends.hfs0 import Hfs0Archive
    from oboromi_fs.backends.host import HostFs
    from oboromi_fs.backends.memory import MemoryFs
    from oboromi_fs.backends.nax0 import Nax0Archive
    from oboromi_fs.backends.nca import Nca, NcaSection
    from oboromi_fs.backends.nsp import NspArchive
    from oboromi_fs.backends.romfs import RomFs
    from oboromi_fs.backends.savedata import SaveDataFs
    from oboromi_fs.backends.xci import XciArchive
    from oboromi_fs.backends.zip import ZipFs
    from oboromi_fs.base import FileSystemBase, MemoryStorage, StorageBase, StorageFile, WindowStorage
    from oboromi_fs.contents import ContentMeta
    from oboromi_fs.errors import (
        ClosedError,
        CorruptError,
        DirectoryNotEmptyEntryError,
        EntryExistsError,
        EntryNotFoundError,
        FormatError,
        IntegrityError,
        IsADirectoryEntryError,
        LayerError,
        MappingError,
        MissingBaseError,
        MissingKeyError,
        NotADirectoryEntryError,
        NotThisFormatError,
        OboromiFsError,
        ReadOnlyError,
        UnsafePathError,
        UnsupportedError,
    )
    from oboromi_fs.file import File
    from oboromi_fs.keys import KeySet
    from oboromi_fs.opening import Location, NestedFs, Opener, locate, open_fs
    from oboromi_fs.overlay import Layer, ProviderIndex, UnionFs
    from oboromi_fs.overlay.upper import UpperLayer
    from oboromi_fs.overlay.writable import WritableUnionFs
    from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, Place, Storage, VFile
    from oboromi_fs.tickets import Ticket
    from oboromi_fs.titles import LoadedProgram, Title, load_program, open_title

__all__ = [
    "ClosedError",
    "ContentMeta",
    "CorruptError",
    "DirEntry",
    "DirectoryNotEmptyEntryError",
    "EntryExistsError",
    "EntryNotFoundError",
    "Extent",
    "File",
    "FileSystem",
    "FileSystemBase",
    "FormatError",
    "Hfs0Archive",
    "HostFs",
    "IntegrityError",
    "IsADirectoryEntryError",
    "KeySet",
    "Layer",
    "LayerError",
    "LoadedProgram",
    "Location",
    "MappingError",
    "MemoryFs",
    "MemoryStorage",
    "Metadata",
    "MissingBaseError",
    "MissingKeyError",
    "Nax0Archive",
    "Nca",
    "NcaSection",
    "NestedFs",
    "NotADirectoryEntryError",
    "NotThisFormatError",
    "NspArchive",
    "OboromiFsError",
    "Opener",
    "Place",
    "ProviderIndex",
    "ReadOnlyError",
    "RomFs",
    "SaveDataFs",
    "Storage",
    "StorageBase",
    "StorageFile",
    "Ticket",
    "Title",
    "UnionFs",
    "UnsafePathError",
    "UnsupportedError",
    "UpperLayer",
    "VFile",
    "WindowStorage",
    "WritableUnionFs",
    "XciArchive",
    "ZipFs",
    "__version__",
    "load_program",
    "locate",
    "open_fs",
    "open_title",
]

_HOMES = {
    "ClosedError": "errors",
    "ContentMeta": "contents",
    "CorruptError": "errors",
    "DirEntry": "protocols",
    "DirectoryNotEmptyEntryError": "errors",
    "EntryExistsError": "errors",
    "EntryNotFoundError": "errors",
    "Extent": "protocols",
    "File": "file",
    "FileSystem": "protocols",
    "FileSystemBase": "base",
    "FormatError": "errors",
    "Hfs0Archive": "backends.hfs0",
    "HostFs": "backends.host",
    "IntegrityError": "errors",
    "IsADirectoryEntryError": "errors",
    "KeySet": "keys",
    "Layer": "overlay",
    "LayerError": "errors",
    "LoadedProgram": "titles",
    "Location": "opening",
    "MappingError": "errors",
    "MemoryFs": "backends.memory",
    "MemoryStorage": "base",
    "Metadata": "protocols",
    "MissingBaseError": "errors",
    "MissingKeyError": "errors",
    "Nax0Archive": "backends.nax0",
    "Nca": "backends.nca",
    "NcaSection": "backends.nca",
    "NestedFs": "opening",
    "NotADirectoryEntryError": "errors",
    "NotThisFormatError": "errors",
    "NspArchive": "backends.nsp",
    "OboromiFsError": "errors",
    "Opener": "opening",
    "Place": "protocols",
    "ProviderIndex": "overlay.index",
    "ReadOnlyError": "errors",
    "RomFs": "backends.romfs",
    "SaveDataFs": "backends.savedata",
    "Storage": "protocols",
    "StorageBase": "base",
    "StorageFile": "base",
    "Ticket": "tickets",
    "Title": "titles",
    "UnionFs": "overlay",
    "UnsafePathError": "errors",
    "UnsupportedError": "errors",
    "UpperLayer": "overlay.upper",
    "VFile": "protocols",
    "WindowStorage": "base",
    "WritableUnionFs": "overlay.writable",
    "XciArchive": "backends.xci",
    "ZipFs": "backends.zip",
    "load_program": "titles",
    "locate": "opening",
    "open_fs": "opening",
    "open_title": "titles",
}

__getattr__, __dir__ = loading(__name__, _HOMES)
