"""HFS0, the hashed flat archive: the partitions of a game card. Source: Switchbrew wiki, "Gamecard Format"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._extents import HFS0, PartitionArchive

if TYPE_CHECKING:
    import os

    from oboromi_fs.protocols import Storage

__all__ = ["Hfs0Archive"]


class Hfs0Archive(PartitionArchive):
    """An HFS0 as a file system. Hashes are not checked on reading: see :meth:`hash_matches`.

    Args:
        source: A storage, or the path of a host file.

    Raises:
        NotThisFormatError: The magic is not ``HFS0``.
        CorruptError: The header names more than there is.
    """

    def __init__(self, source: Storage | str | os.PathLike[str]) -> None:
        super().__init__(source, HFS0)
