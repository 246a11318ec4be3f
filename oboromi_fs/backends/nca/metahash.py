"""The hashes over the bucket trees of a section, which newer archives carry. Reading does without. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oboromi_formats.hashtree import METADATA_HASH_DATA
from oboromi_formats.nca import Encryption, MetadataHashType
from oboromi_fs._decode import decode, error
from oboromi_fs.errors import CorruptError, IntegrityError, UnsupportedError
from oboromi_fs.storage.ctr import AesCtrStorage
from oboromi_fs.storage.hashed import IvfcStorage

if TYPE_CHECKING:
    from oboromi_fs.backends.nca.section import NcaSection
    from oboromi_fs.protocols import Storage

__all__ = ["has_metadata_hashes", "metadata_tree"]

_BLOCK = 0x10
_FIELDS = 0x1A0
"""Where the fields on it lie in an FS header."""


def has_metadata_hashes(section: NcaSection) -> bool:
    """Whether there are hashes over the section's bucket trees, and such trees."""
    return section.header.metadata_hash_size != 0 and (section.is_patch or section.is_sparse)


def metadata_tree(section: NcaSection) -> IvfcStorage:
    """Return the hash tree over the bucket trees of a section; its data are the tables, from the first on.

    Args:
        section: A section that has one, see :func:`has_metadata_hashes`.

    Raises:
        MissingKeyError: The section's key is absent.
        CorruptError: The tree lies where it cannot, or contradicts itself.
        IntegrityError: What describes it does not have the hash in the FS header.
        UnsupportedError: The kind of hash is unknown.
    """
    header = section.header
    kind = header.metadata_hash_type
    if kind not in (MetadataHashType.HIERARCHICAL_INTEGRITY, MetadataHashType.HIERARCHICAL_INTEGRITY_SHA3):
        problem = f"has metadata hash type {kind}"
        raise error(
            UnsupportedError,
            problem,
            what=section.what,
            storage=section.nca.raw,
            offset=section.header_offset + 5,
            field="metadata_hash_type",
        )
    if header.metadata_hash_size != METADATA_HASH_DATA.size:
        raise _wrong(section, f"has {header.metadata_hash_size:#x} bytes, not {METADATA_HASH_DATA.size:#x}", "metadata_hash_size")
    tables, start = _tables(section)
    at = header.metadata_hash_offset - start
    if at < 0 or at + METADATA_HASH_DATA.size > tables.size:
        where = f"{header.metadata_hash_offset:#x} to {header.metadata_hash_offset + METADATA_HASH_DATA.size:#x}"
        problem = f"runs from {where}, the tables and what follows from {start:#x} to {start + tables.size:#x}"
        raise _wrong(section, problem, "metadata_hash_offset")
    described = tables[at : at + METADATA_HASH_DATA.size]
    if hashlib.sha256(described).digest() != header.metadata_hash:
        problem = "does not have the hash in the FS header: the key is wrong, or the bytes are damaged"
        what = f"{section.what} metadata hash data"
        raise error(IntegrityError, problem, what=what, storage=tables, offset=at, field="metadata_hash", level=0, block=0)
    data = decode(METADATA_HASH_DATA, tables, at)
    layers = data.layer_info_offset - start
    if not 0 < layers <= at:
        raise _wrong(section, f"hash levels from {data.layer_info_offset:#x} on, which is not behind the tables", "layer_info_offset")
    algorithm = "sha256" if kind == MetadataHashType.HIERARCHICAL_INTEGRITY else "sha3_256"
    tree = IvfcStorage(tables.window(0, at), data.integrity, check=True, algorithm=algorithm, layer_offset=layers)
    if tree.size > layers:
        raise _wrong(section, f"hashes cover {tree.size:#x} bytes of tables, of {layers:#x} that there are", "integrity")
    return tree


def _wrong(section: NcaSection, problem: str, field: str) -> CorruptError:
    offset = section.header_offset + _FIELDS
    return error(CorruptError, problem, what=f"{section.what} metadata hash data", storage=section.nca.raw, offset=offset, field=field)


def _tables(section: NcaSection) -> tuple[Storage, int]:
    """The bytes from the first bucket tree to the end of the metadata, in the clear, and the offset that their first one has."""
    header = section.header
    stop = header.metadata_hash_offset + -(-METADATA_HASH_DATA.size // _BLOCK) * _BLOCK
    if section.is_sparse:
        body, first, start = section.nca.raw, header.sparse_info.physical_offset, header.sparse_info.bucket_offset
        generation = header.sparse_info.generation << 16
    else:
        body, first, start = section.raw, 0, header.patch_info.indirect_offset
        generation = header.generation
    if not start < stop <= body.size - first:
        raise _wrong(section, f"ends at {stop:#x}, behind what may hold it", "metadata_hash_offset")
    encrypted = body.window(first + start, first + stop)
    if header.encryption == Encryption.NONE:
        return encrypted, start
    absolute = first + start + (0 if section.is_sparse else section.start)
    upper = header.secure_value.to_bytes(4, "big") + generation.to_bytes(4, "big")
    candidates = [AesCtrStorage(encrypted, key, upper, absolute) for key, _ in section.nca.content_keys()]
    at = header.metadata_hash_offset - start
    fitting = (
        storage for storage in candidates if hashlib.sha256(storage[at : at + METADATA_HASH_DATA.size]).digest() == header.metadata_hash
    )
    return next(fitting, candidates[0]), start
