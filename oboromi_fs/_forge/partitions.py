"""PFS0 and HFS0: flat archives, without and with a hash per file."""

from __future__ import annotations

from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING, Literal

from oboromi_fs._forge.sources import concatenated, head_of, pairs, size_of, tobytes, write_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oboromi_fs._forge.sources import Files, Source, Target

__all__ = ["hfs0", "hfs0_parts", "nested_hfs0_parts", "pfs0", "pfs0_parts", "write_hfs0", "write_pfs0"]


def _names(files: list[tuple[bytes, Source]]) -> tuple[list[int], bytes]:
    """Offsets of the names, and the string table without padding."""
    offsets, table = [], bytearray()
    for name, _ in files:
        offsets.append(len(table))
        table += name + b"\0"
    return offsets, bytes(table)


def pfs0_parts(files: Files, padding: Literal["header", "table"] = "header") -> list[Source]:
    """Return a PFS0 as the list of what to write: header, then the files. See :func:`pfs0`."""
    items = pairs(files)
    name_offsets, table = _names(items)
    fixed = 0x10 + 0x18 * len(items) if padding == "header" else 0
    table += bytes(-(fixed + len(table)) % 0x20)
    rows, offset = [], 0
    for (_, source), name_offset in zip(items, name_offsets, strict=True):
        size = size_of(source)
        rows.append(pack("<QQII", offset, size, name_offset, 0))
        offset += size
    header = pack("<4sIII", b"PFS0", len(items), len(table), 0) + b"".join(rows) + table
    return [header, *(source for _, source in items)]


def pfs0(files: Files, *, padding: Literal["header", "table"] = "header") -> bytes:
    """Return a PFS0 of the files in the order given, which is back to back.

    Args:
        files: Names and contents.
        padding: What is padded to a multiple of 0x20: the header with its string table, as the official format does, or the string
            table alone, as some tools do.

    Example:
        >>> pfs0({"main": b"MMMMM", "main.npdm": b"NNN"})[0x60:]
        b'MMMMMNNN'
    """
    return tobytes(pfs0_parts(files, padding))


def write_pfs0(target: Target, files: Files, *, padding: Literal["header", "table"] = "header") -> int:
    """Stream a PFS0 (see :func:`pfs0`); return its size."""
    return write_all(target, pfs0_parts(files, padding))


def hfs0_parts(files: Files, hashed_size: int | Sequence[int] = 0x200, alignment: int = 1) -> list[Source]:
    """Return an HFS0 as the list of what to write: header, then each file and its padding. See :func:`hfs0`."""
    items = pairs(files)
    name_offsets, table = _names(items)
    table += bytes(-(0x10 + 0x40 * len(items) + len(table)) % 0x200)
    hashed = [hashed_size] * len(items) if isinstance(hashed_size, int) else hashed_size
    data: list[Source] = []
    rows, offset = [], 0
    for (_, source), name_offset, wanted in zip(items, name_offsets, hashed, strict=True):
        size = size_of(source)
        count = min(size, wanted)
        digest = sha256(head_of(source, count)).digest() if wanted else bytes(32)
        rows.append(pack("<QQIIQ32s", offset, size, name_offset, count, 0, digest))
        padding = -size % alignment
        data += [source, bytes(padding)]
        offset += size + padding
    header = pack("<4sIII", b"HFS0", len(items), len(table), 0) + b"".join(rows) + table
    return [header, *data]


def hfs0(files: Files, *, hashed_size: int | Sequence[int] = 0x200, alignment: int = 1) -> bytes:
    """Return an HFS0 of the files in the order given, its header padded to a multiple of 0x200.

    Args:
        files: Names and contents.
        hashed_size: How many bytes of each file its hash covers, one number for all or one per file; a shorter file is hashed whole.
            0 stores no hash, only zeros.
        alignment: Each file is padded with zeros to a multiple of this; the official format has no padding.
    """
    return tobytes(hfs0_parts(files, hashed_size, alignment))


def write_hfs0(target: Target, files: Files, *, hashed_size: int | Sequence[int] = 0x200, alignment: int = 1) -> int:
    """Stream an HFS0 (see :func:`hfs0`); return its size."""
    return write_all(target, hfs0_parts(files, hashed_size, alignment))


def nested_hfs0_parts(partitions: Mapping[str, Files], alignment: int = 1, hashed_size: int | None = None) -> list[Source]:
    """Return the root HFS0 of a game card as the list of what to write.

    Args:
        partitions: Names, and the files of each; each partition is padded to 0x200.
        alignment: Of the files in the partitions.
        hashed_size: How many bytes of each partition its hash covers, the whole header by default.
    """
    inner = {name: hfs0_parts(files, alignment=alignment) for name, files in partitions.items()}
    padded = {name: concatenated([*parts, bytes(-sum(map(size_of, parts)) % 0x200)]) for name, parts in inner.items()}
    return hfs0_parts(padded, [size_of(parts[0]) for parts in inner.values()] if hashed_size is None else hashed_size)
