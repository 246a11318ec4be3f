"""Patch sections: what of a new version is not in the base, and where in there the rest is. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.bucket_tree import CTR_EX_ENTRY, INDIRECT_ENTRY
from oboromi_formats.nca import Encryption, HashType, PatchInfo
from oboromi_fs._decode import dtype
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nca.geometry import geometry, up
from oboromi_fs.builders.nca.hashing import TreeWriter, block_digests
from oboromi_fs.builders.nca.layout import SectionLayout, filled_hash_data
from oboromi_fs.errors import FormatError
from oboromi_fs.storage.buckets import Buckets, build_buckets
from oboromi_fs.storage.composed import ComposedStorage, ZeroStorage
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.indirect import IndirectStorage

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from oboromi_fs.delta.matching import Matches
    from oboromi_fs.protocols import Storage

__all__ = ["PatchSection", "hashed_section", "patch_section"]

_LEAST = 0x80
"""Bytes of the shortest run that is taken from the base: an entry of the tree, and one more for what follows, take 0x28."""
_BLOCK = 64
"""Bytes of the blocks that are looked for in the base."""
_CHUNK = 1 << 22


class PatchSection(NamedTuple):
    """A patch section, ready to be put into an NCA.

    Attributes:
        layout: How it is laid out, its FS header included.
        body: Its bytes: what is new, and the two tables. To be given to the builder as the section's image.
        size: Bytes of the new version, hash tables included.
        new: How many of them are in the patch.
        entries: Entries of the tree that says where each run is.
    """

    layout: SectionLayout
    body: Storage
    size: int
    new: int
    entries: int


def hashed_section(layout: SectionLayout, image: Storage) -> tuple[Storage, bytes]:
    """Return a section in the clear, its hash tables before its image; and its hash data. Reads the image once, to hash it.

    Args:
        layout: How the section is laid out.
        image: The file system in it.
    """
    header = layout.header
    shape = geometry(header.hash_type, image.size, layout.block_size, layout.filling)
    tables = bytearray(shape.data.offset)

    def put(offset: int, data: bytearray) -> None:
        tables[offset : offset + len(data)] = data

    tree = TreeWriter(header.hash_type, shape, layout.block_size, put)
    step = max(_CHUNK // (layout.block_size or _CHUNK), 1) * (layout.block_size or _CHUNK)
    for start in range(0, image.size, step):
        tree.feed(block_digests(header.hash_type, image[start : start + step], layout.block_size))
    hash_data = filled_hash_data(layout, shape, tree.finish())
    pieces: list[tuple[int, Storage]] = [(0, MemoryStorage(tables, "hash tables"))] if tables else []
    return ComposedStorage([*pieces, (shape.data.offset, image)], shape.size), hash_data


def patch_section(base: Storage, layout: SectionLayout, image: Storage) -> PatchSection:
    """Make a patch of two versions of a section, matched by content: what moved is found as well.

    The new version is read a few times, and so is the base; memory goes with the hash tables and with what is looked for at once, not with
    the images.

    Args:
        base: The base's section in the clear, hash tables included (:meth:`~oboromi_fs.backends.nca.NcaSection.decrypted`).
        layout: How the new section is laid out; AES-CTR becomes AES-CTR-EX.
        image: The new file system.

    Raises:
        FormatError: The layout is not encrypted with AES-CTR, as patches are.
    """
    import numpy as np

    from oboromi_fs.delta.matching import match

    header = layout.header
    if header.encryption not in (Encryption.AES_CTR, Encryption.AES_CTR_EX):
        raise FormatError(f"has encryption {header.encryption}; a patch has AES-CTR", what=f"NCA section {layout.name}", field="encryption")
    section, hash_data = hashed_section(layout, image)
    rows = _rows(match(base, section, min_match=_BLOCK))
    new = rows["source"] == 1
    lengths = np.diff(np.append(rows["offset"], section.size))
    rows["physical"][new] = np.cumsum(lengths[new]) - lengths[new]
    indirect_header, indirect = build_buckets(rows, section.size, INDIRECT_ENTRY)
    literals = _literals(section, rows, lengths, new)
    end = up(literals.size, 0x200)
    ctr_at = end + len(indirect)
    generations = np.zeros(1, dtype(CTR_EX_ENTRY))
    generations["generation"] = header.generation
    ctr_header, ctr_table = build_buckets(generations, ctr_at, CTR_EX_ENTRY)
    body = ConcatStorage(
        [
            literals,
            ZeroStorage(end - literals.size),
            MemoryStorage(indirect, "indirect table"),
            MemoryStorage(ctr_table, "AES-CTR-EX table"),
        ]
    )
    info = PatchInfo(
        indirect_offset=end,
        indirect_size=len(indirect),
        indirect_header=indirect_header,
        ctr_ex_offset=ctr_at,
        ctr_ex_size=len(ctr_table),
        ctr_ex_header=ctr_header,
    )
    stored = replace(header, hash_data=hash_data, encryption=Encryption.AES_CTR_EX, patch_info=info)
    # One generation for everything makes AES-CTR-EX the same as AES-CTR.
    written = replace(header, hash_type=HashType.NONE, encryption=Encryption.AES_CTR)
    patch = replace(layout, header=written, block_size=0, filling="exact", fixed=None, stored=stored)
    return PatchSection(patch, body, section.size, literals.size, len(rows))


def _rows(matches: Matches) -> NDArray[np.void]:
    """The entries of the tree, as far as matching tells: of what is new, all but where it will be."""
    import numpy as np

    known = (matches.source >= 0) & (matches.length >= _LEAST)
    source = np.where(known, matches.source, -1)
    joined = ~known[1:] & ~known[:-1]
    follows = known[1:] & known[:-1] & (source[1:] == source[:-1] + matches.length[:-1])
    first = np.concatenate((np.ones(min(len(known), 1), np.bool_), ~(joined | follows)))
    rows: NDArray[Any] = np.zeros(int(first.sum()), dtype(INDIRECT_ENTRY))
    rows["offset"] = matches.target[first]
    rows["physical"] = np.where(known, source, 0)[first]
    rows["source"] = np.where(known, 0, 1)[first]
    return rows


def _literals(section: Storage, rows: NDArray[np.void], lengths: NDArray[np.int64], new: NDArray[np.bool_]) -> Storage:
    """What is new, run after run, read from the section when it is written."""
    import numpy as np

    picked: NDArray[Any] = np.zeros(int(new.sum()), dtype(INDIRECT_ENTRY))
    if not len(picked):
        return MemoryStorage(b"", "nothing new")
    picked["offset"] = rows["physical"][new]
    picked["physical"] = rows["offset"][new]
    starts = np.append(picked["offset"], picked["offset"][-1] + lengths[new][-1]).astype(np.int64)
    return IndirectStorage(Buckets(picked, starts), (section,), what="what is new", kind="Literals")
