"""PFS0, the flat archive: an NSP package, and the ExeFS, logo and meta sections of an NCA. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._extents import PFS0, PartitionArchive

if TYPE_CHECKING:
    import os

    from oboromi_fs.protocols import Storage

__all__ = ["NspArchive"]


class NspArchive(PartitionArchive):
    """A PFS0 as a file system. A member is a window on the archive: zero-copy where the archive is mapped.

    Args:
        source: A storage, or the path of a host file.

    Raises:
        NotThisFormatError: The magic is not ``PFS0``.
        CorruptError: The header names more than there is.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> image = bytes.fromhex("50465330 01000000 08000000 00000000" + "0" * 16 + "02" + "0" * 30) + b"hi.txt\\0\\0hi"
        >>> fs = NspArchive(MemoryStorage(image))
        >>> fs.read_dir(), fs.read_bytes("hi.txt")
        ([DirEntry(name='hi.txt', kind='file', size=2)], b'hi')
    """

    def __init__(self, source: Storage | str | os.PathLike[str]) -> None:
        super().__init__(source, PFS0)
