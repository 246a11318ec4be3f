"""PFS0 from names and bytes: an NSP, and the ExeFS, logo and meta sections of an NCA. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs._extents import PFS0
from oboromi_fs._partitioning import PartitionLayout, build_partition, partition_layout_of

if TYPE_CHECKING:
    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs._partitioning import Members, Order
    from oboromi_fs.protocols import Storage

__all__ = ["Padding", "PartitionLayout", "build_pfs0", "layout_of"]

Padding: TypeAlias = Literal["official", "table", "nsz", "0x40"]
"""What is padded, and to what: the whole header to 0x20; the string table alone to 0x20, as switch-tools and hacPack do; the header to
0x20 with a further 0x20 where it needs none, as nsz does; the header to 0x40, as libpietendo does."""


def build_pfs0(
    members: Members,
    *,
    padding: Padding = "official",
    string_table_size: int | None = None,
    order: Order | None = None,
    like: PartitionLayout | None = None,
) -> Storage:
    """Compose a PFS0. Nothing is copied or read before the result is.

    Members lie back to back, in order of their names' bytes unless another order is asked for.

    Args:
        members: A flat file system, or names and their bytes.
        padding: The writer whose padding of the string table to follow.
        string_table_size: Bytes of the string table, where they must be so many; ``padding`` applies if the names do not fit.
        order: ``"name"``; ``"given"``; or names that come first, in that order. That of ``like`` by default, else ``"name"``.
        like: Lay it out as another archive was (:func:`layout_of`); takes the place of the other arguments but ``order``.

    Raises:
        UnsafePathError: A name holds a NUL or a ``/``, has more than 0x300 bytes, or is given twice.
        IsADirectoryEntryError: The file system has a folder.
        FormatError: More than a PFS0 can count.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> build_pfs0({"main.npdm": MemoryStorage(b"NNN"), "main": MemoryStorage(b"MMMMM")})[0x40:].tobytes()
        b'main\\x00main.npdm\\x00\\x00...\\x00MMMMMNNN'
    """
    if like is None:
        like = PartitionLayout(padding=padding, string_table_size=string_table_size)
        order = order or "name"
    return build_partition(PFS0, members, like, order=order).storage


def layout_of(archive: PartitionArchive) -> PartitionLayout:
    """Describe a PFS0 so that :func:`build_pfs0` with the same members makes the same bytes.

    Raises:
        UnsupportedError: It was written in a way that cannot be described: members out of order or overlapping, a header of another make,
            bytes that are not zero between the members.
        CorruptError: It is damaged or cut off.
    """
    return partition_layout_of(archive)
