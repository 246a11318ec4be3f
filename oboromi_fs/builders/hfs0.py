"""HFS0 from names and bytes: the partitions of a game card, and the root that holds them.

Source: Switchbrew wiki, "XCI" and "Gamecard Format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._extents import HFS0
from oboromi_fs._partitioning import PartitionLayout, build_partition, partition_layout_of

if TYPE_CHECKING:
    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs._partitioning import Hashed, Members, Order
    from oboromi_fs.protocols import Storage

__all__ = ["PartitionLayout", "build_hfs0", "layout_of"]


def build_hfs0(
    members: Members,
    *,
    hashed: Hashed | None = None,
    alignment: int = 1,
    string_table_size: int | None = None,
    order: Order | None = None,
    like: PartitionLayout | None = None,
) -> Storage:
    """Compose an HFS0, its header a multiple of 0x200. Nothing is copied; the hashed part of each member is read.

    Args:
        members: A flat file system, or names and their bytes.
        hashed: Bytes of each member to hash, shorter members whole. 0x200 by default, as official writers do for files; ``"header"`` takes
            the whole header of members that are HFS0 themselves, as the root of a card has it; 0 stores no hash, as nsz does.
        alignment: Each member, and the end, is padded with zeros to a multiple of this. Official writers pad nothing, hacbuild to 0x200.
        string_table_size: Bytes of the string table, where they must be so many; the usual padding applies if the names do not fit.
        order: ``"name"``; ``"given"``; or names that come first, in that order. That of ``like`` by default, else ``"name"``.
        like: Lay it out as another archive was (:func:`layout_of`); takes the place of the other arguments but ``order`` and ``hashed``.

    Raises:
        UnsafePathError: A name holds a NUL or a ``/``, has more than 0x300 bytes, or is given twice.
        IsADirectoryEntryError: The file system has a folder.
        FormatError: More than an HFS0 can count, or a member changed since it was listed.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> image = build_hfs0({"a.nca": MemoryStorage(b"A" * 0x300)})
        >>> len(image), image[0x200:0x203].tobytes()
        (1280, b'AAA')
    """
    if like is None:
        like = PartitionLayout(padding="0x200", string_table_size=string_table_size, alignment=alignment, end_alignment=alignment)
        order = order or "name"
        hashed = 0x200 if hashed is None else hashed
    return build_partition(HFS0, members, like, order=order, hashed=hashed).storage


def layout_of(archive: PartitionArchive) -> PartitionLayout:
    """Describe an HFS0 so that :func:`build_hfs0` with the same members makes the same bytes.

    Raises:
        UnsupportedError: It was written in a way that cannot be described: members out of order or overlapping, a header of another make,
            bytes that are not zero between the members.
        CorruptError: It is damaged or cut off.
    """
    return partition_layout_of(archive)
