"""What bucket trees make of a section: sparse bodies, patches over a base, compressed images. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.bucket_tree import COMPRESSED_ENTRY, CTR_EX_ENTRY, INDIRECT_ENTRY
from oboromi_fs._decode import error
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, MissingBaseError
from oboromi_fs.storage.buckets import read_buckets, tree_header
from oboromi_fs.storage.compressed import CompressedStorage
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.ctr_ex import AesCtrExStorage
from oboromi_fs.storage.filled import FilledStorage
from oboromi_fs.storage.indirect import IndirectStorage

if TYPE_CHECKING:
    from oboromi_formats.layout import Table
    from oboromi_fs.backends.nca.section import NcaSection
    from oboromi_fs.protocols import Storage
    from oboromi_fs.storage.buckets import Buckets

__all__ = ["check_patch_info", "decompressed", "patched", "patched_alone", "patched_body", "sparse_body", "sparse_is_empty"]

_INDIRECT_HEADER, _CTR_EX_HEADER, _SPARSE_HEADER, _COMPRESSED_HEADER = 0x110, 0x130, 0x158, 0x188
"""Where the headers of trees lie in an FS header."""


def _tree(section: NcaSection, storage: Storage, entry: Table, header: bytes, at: int, name: str, *, end: int | None = None) -> Buckets:
    """Read a tree of a section, from the storage that is its table."""
    what = f"{section.what} {name} tree"
    head = tree_header(header, what=what, storage=section.nca.raw, offset=section.header_offset + at)
    buckets = read_buckets(storage, entry, head.entry_count, what=what, end=end)
    section.tree_notes += [note for note in buckets.notes if note not in section.tree_notes]
    return buckets


def _wrong(section: NcaSection, problem: str, at: int, field: str) -> FormatError:
    offset = section.header_offset + at
    return error(CorruptError, problem, what=section.what, storage=section.nca.raw, offset=offset, field=field)


def sparse_is_empty(section: NcaSection) -> bool:
    """Whether nothing of a sparse section was kept: its tree has no entries."""
    return not any(section.header.sparse_info.bucket_header[8:12])


def sparse_body(section: NcaSection, key: bytes) -> Storage:
    """Return the encrypted body of a sparse section, as long as the section: what was taken out reads as zeros.

    Args:
        section: The section.
        key: The key of AES-CTR, which its table is encrypted with.

    Raises:
        CorruptError: The table is damaged, or lies outside of the file.
    """
    info = section.header.sparse_info
    raw = section.nca.raw
    start, stop = info.physical_offset, info.physical_offset + info.bucket_offset
    if stop + info.bucket_size > raw.size:
        problem = f"its data and table end at {stop + info.bucket_size:#x}, the NCA at {raw.size:#x}: the file is truncated"
        raise _wrong(section, problem, 0x148, "sparse_info")
    if sparse_is_empty(section):
        return FilledStorage(section.size)
    upper = section.header.secure_value.to_bytes(4, "big") + (info.generation << 16).to_bytes(4, "big")
    table = AesCtrStorage(raw.window(stop, stop + info.bucket_size), key, upper, stop)
    buckets = _tree(section, table, INDIRECT_ENTRY, info.bucket_header, _SPARSE_HEADER, "sparse", end=section.size)
    if buckets.end != section.size:
        raise _wrong(section, f"its sparse tree maps {buckets.end:#x} bytes, the section has {section.size:#x}", 0x148, "sparse_info")
    return IndirectStorage(buckets, (raw.window(start, stop), None), what=f"{section.what} sparse tree", kind="Sparse")


def check_patch_info(section: NcaSection, size: int) -> None:
    """See that the tables of a patch lie where they can.

    Raises:
        CorruptError: They do not.
    """
    info = section.header.patch_info
    if info.indirect_header[:4] != b"BKTR":
        raise _wrong(section, "names an indirect table, whose header has no magic BKTR", _INDIRECT_HEADER, "indirect_header")
    if info.indirect_offset + info.indirect_size > (info.ctr_ex_offset if info.ctr_ex_size else size):
        problem = f"the indirect table ends at {info.indirect_offset + info.indirect_size:#x}, behind what may hold it"
        raise _wrong(section, problem, 0x100, "indirect_offset")
    if info.ctr_ex_offset + info.ctr_ex_size > size:
        problem = f"the AES-CTR-EX table ends at {info.ctr_ex_offset + info.ctr_ex_size:#x}, the section at {size:#x}"
        raise _wrong(section, problem, 0x120, "ctr_ex_offset")


def patched_body(section: NcaSection, body: Storage, key: bytes, *, plain_until: int = 0) -> Storage:
    """Return the body of a patch section in the clear, by the generations it was encrypted in.

    Args:
        section: The section.
        body: Its bytes, encrypted.
        key: The key of AES-CTR.
        plain_until: Bytes before this one are stored plain.

    Raises:
        CorruptError: The table is damaged.
    """
    header, info = section.header, section.header.patch_info
    upper = header.secure_value.to_bytes(4, "big") + header.generation.to_bytes(4, "big")
    if not info.ctr_ex_size:  # All of one generation, that of the header.
        return AesCtrStorage(body, key, upper, section.start, plain_until=plain_until)
    table = AesCtrStorage(body, key, upper, section.start).window(info.ctr_ex_offset, info.ctr_ex_offset + info.ctr_ex_size)
    buckets = _tree(section, table, CTR_EX_ENTRY, info.ctr_ex_header, _CTR_EX_HEADER, "AES-CTR-EX", end=info.ctr_ex_offset)
    what = f"{section.what} AES-CTR-EX tree"
    with_generations = AesCtrExStorage(
        body.window(0, info.ctr_ex_offset), buckets, key, header.secure_value, section.start, plain_until=plain_until, what=what
    )
    if with_generations.size < info.indirect_offset + info.indirect_size:
        problem = f"its AES-CTR-EX tree maps {with_generations.size:#x} bytes, and not all of the indirect table"
        raise _wrong(section, problem, 0x120, "ctr_ex_header")
    return with_generations


def patched(section: NcaSection, body: Storage) -> Storage:
    """Return what a patch section makes of the same section of its base.

    Args:
        section: The section.
        body: Its bytes, in the clear.

    Raises:
        MissingBaseError: There is no base, and the patch takes bytes from one.
        CorruptError: The table is damaged, or names bytes that its sources do not have.
    """
    buckets = _indirect(section, body)
    taken = (buckets.rows["source"] == 0) & (buckets.starts[1:] > buckets.starts[:-1])
    base = _base_section(section, needed=bool(taken.any()))
    return IndirectStorage(buckets, (base, body), what=f"{section.what} indirect tree")


def patched_alone(section: NcaSection, body: Storage) -> IndirectStorage:
    """Return a patch section without its base, whose bytes read as zeros; source 1 is the patch itself.

    Args:
        section: The section.
        body: Its bytes, in the clear.

    Raises:
        CorruptError: The table is damaged, or names bytes that the patch does not have.
    """
    return IndirectStorage(_indirect(section, body), (None, body), what=f"{section.what} indirect tree")


def _indirect(section: NcaSection, body: Storage) -> Buckets:
    info = section.header.patch_info
    table = body.window(info.indirect_offset, info.indirect_offset + info.indirect_size)
    return _tree(section, table, INDIRECT_ENTRY, info.indirect_header, _INDIRECT_HEADER, "indirect")


def _base_section(section: NcaSection, *, needed: bool) -> Storage:
    """The same section of the base, in the clear; nothing where the base has none, or no byte of it is taken."""
    empty = MemoryStorage(b"", "no base section")
    if not needed:
        return empty
    base = section.nca.base
    if base is None:
        title = section.nca.header.program_id
        problem = f"is a patch, which holds only what differs from the base, {title & ~0x800:016x}: "
        problem += section.nca.base_note or "give the base as well"
        raise error(MissingBaseError, problem, what=section.what, storage=section.nca.raw, offset=section.header_offset + 0x100)
    found = base.sections.get(section.index)
    return empty if found is None else found.decrypted()


def decompressed(section: NcaSection, data: Storage) -> Storage:
    """Return the decompressed image of a compressed section.

    Args:
        section: The section.
        data: The data level of its hash tree.

    Raises:
        CorruptError: The table is damaged, or lies outside of the data.
        UnsupportedError: A block is compressed in another way.
    """
    info = section.header.compression_info
    if info.offset + info.size > data.size:
        problem = f"its table ends at {info.offset + info.size:#x}, the data at {data.size:#x}"
        raise _wrong(section, problem, 0x178, "compression_info")
    from oboromi_fs.executables import _lz4

    table = data.window(info.offset, info.offset + info.size)
    buckets = _tree(section, table, COMPRESSED_ENTRY, info.bucket_header, _COMPRESSED_HEADER, "compressed")
    return CompressedStorage(data.window(0, info.offset), buckets, _lz4.decompress, what=f"{section.what} compressed tree")
