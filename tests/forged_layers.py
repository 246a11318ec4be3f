"""NCAs whose sections are patches, sparse or compressed, put together from the specification alone."""

from __future__ import annotations

import hashlib
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oboromi_formats.bucket_tree import COMPRESSED_ENTRY, CTR_EX_ENTRY, INDIRECT_ENTRY
from oboromi_fs import MemoryStorage, Nca
from oboromi_fs._decode import dtype
from oboromi_fs._forge import FsType, Section, nca
from oboromi_fs._forge.aes import encrypt_ctr
from oboromi_fs._forge.nca_section import HashType, hash_layers
from oboromi_fs.executables import _lz4
from oboromi_fs.storage.buckets import build_buckets
from tests.forged import KEY_SET, KEYS, PROGRAM_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oboromi_formats.layout import Table

START = 0x4000
SECURE = 2
CTR_KEY = bytes(range(0x40, 0x50))
KEY_AREA = bytes(0x20) + CTR_KEY
SLOT = 1


class Run(NamedTuple):
    """A run of a patched section: so many bytes of the base from an offset on, or of the patch itself (no offset)."""

    size: int
    base_offset: int | None = None


def table_of(table: Table, rows: Sequence[tuple[Any, ...]], end: int) -> tuple[bytes, bytes]:
    return build_buckets(np.array(list(rows), dtype(table)), end, table)


def whole_section(image: bytes) -> tuple[bytes, bytes]:
    """A section with its hash levels, in the clear; and its hash data."""
    layers = hash_layers(Section(image, FsType.ROMFS, block_size=0x400))
    return layers.before + image, layers.hash_data


def plain_nca(image: bytes, *, program_id: int = PROGRAM_ID, **options: Any) -> bytes:
    """A base."""
    section = Section(image, FsType.ROMFS, block_size=0x400, secure_value=SECURE)
    return nca([None, section], keys=KEYS, content_type=0, program_id=program_id, key_area=KEY_AREA, **options)


def opened(data: bytes, base: Nca | None = None) -> Nca:
    return Nca(MemoryStorage(data, "an.nca"), KEY_SET, base=base)


def raw_nca(body: bytes, hash_data: bytes, encryption: int, edits: Mapping[int, bytes], **options: Any) -> bytes:
    """An NCA whose section is stored as given."""
    kind = {3: bytes([HashType.INTEGRITY]), 8: hash_data}
    section = Section(
        body,
        FsType.ROMFS,
        hash_type=HashType.NONE,
        encryption=0,
        secure_value=SECURE,
        generation=5,
        edits={**kind, 4: bytes([encryption]), **edits},
    )
    options = {"program_id": PROGRAM_ID, **options}
    return nca([None, section], keys=KEYS, content_type=0, key_area=KEY_AREA, **options)


def upper(generation: int) -> bytes:
    return pack(">II", SECURE, generation)


def metadata_of(tables: bytes, start: int, kind: int, edits: Mapping[int, bytes] | None = None) -> tuple[bytes, bytes]:
    """What follows the tables of a section that hashes them: hash levels and what describes these; and the fields of the FS header.

    Args:
        tables: The tables.
        start: Offset of their first byte.
        kind: 1 hashes with SHA-256, 2 with SHA3-256.
        edits: Offset in what describes the levels, to other bytes there.
    """
    new, log2 = hashlib.sha256 if kind == 1 else hashlib.sha3_256, 12
    levels: list[bytes] = [tables]
    for _ in range(2):
        below = levels[0] + bytes(-len(levels[0]) % (1 << log2))
        levels.insert(0, b"".join(new(below[at : at + (1 << log2)]).digest() for at in range(0, len(below), 1 << log2)))
    master = new(levels[0].ljust(1 << log2, b"\0")).digest()
    rows, behind = b"", b""
    for level in levels:
        rows += pack("<QQII", len(behind), len(level), log2, 0)
        behind += b"" if level is tables else level.ljust(-(-len(level) // 16) * 16, b"\0")
    info = pack("<4s3I", b"IVFC", 0x20000, 0x20, len(levels) + 1) + rows
    described = bytearray(pack("<Q", start + len(tables)) + info.ljust(0xC0, b"\0") + master)
    for offset, replacement in (edits or {}).items():
        described[offset : offset + len(replacement)] = replacement
    fields = pack("<QQ", start + len(tables) + len(behind), len(described)) + hashlib.sha256(described).digest()
    return behind + bytes(described) + bytes(-len(described) % 16), fields


def update(
    base: bytes,
    image: bytes,
    runs: Sequence[Run],
    generations: Sequence[int] = (5,),
    edits: Mapping[int, bytes] | None = None,
    *,
    metadata: int = 0,
    metadata_edits: Mapping[int, bytes] | None = None,
    encryption: int = 4,
    **options: Any,
) -> bytes:
    """An update of a base section (in the clear), which makes the section of ``image``.

    Args:
        base: The base's section, hash levels included.
        image: The new image; ``runs`` cover its section, what is left at the end comes from the patch.
        runs: Where the new section comes from.
        generations: The patch is encrypted in so many parts, one in each.
        edits: More edits of the FS header.
        metadata: Metadata hash type: whether the tables are hashed, and by what.
        metadata_edits: Offset in the metadata hash data, to other bytes there.
        encryption: 4, or 6 to leave the bytes before the image's offset plain.
        options: For the NCA.
    """
    section, hash_data = whole_section(image)
    rows, data, at = [], b"", 0
    for run in [*runs, Run(len(section))]:
        size = min(run.size, len(section) - at)
        if run.base_offset is None:
            rows.append((at, len(data), 1))
            data += section[at : at + size]
        elif base[run.base_offset : run.base_offset + size] == section[at : at + size]:
            rows.append((at, run.base_offset, 0))
        else:
            raise ValueError(f"the base has other bytes at {run.base_offset}")
        at += size
    rows = [row for row, after in zip(rows, [*rows[1:], (len(section), 0, 0)], strict=True) if after[0] > row[0]]
    header, table = table_of(INDIRECT_ENTRY, rows, len(section))
    data += bytes(-len(data) % 0x200)
    clear = data + table
    step = max(len(clear) // len(generations) // 0x10 * 0x10, 0x10)
    starts = [min(number * step, len(clear)) for number in range(len(generations))]
    parts = list(zip(starts, [*starts[1:], len(clear)], generations, strict=True))
    ctr_header, ctr_table = table_of(CTR_EX_ENTRY, [(start, 0, b"", generation) for start, _, generation in parts], len(clear))
    stored = b"".join(encrypt_ctr(CTR_KEY, upper(generation), START + start, clear[start:stop]) for start, stop, generation in parts)
    if encryption == 6:
        plain = min(len(section) - len(image), len(clear))
        stored = clear[:plain] + stored[plain:]
    tail, fields = metadata_of(table + ctr_table, len(data), metadata, metadata_edits) if metadata else (b"", b"")
    stored += encrypt_ctr(CTR_KEY, upper(5), START + len(clear), ctr_table + tail)
    info = pack("<QQ", len(data), len(table)) + header + pack("<QQ", len(clear), len(ctr_table)) + ctr_header
    more = {5: bytes([metadata]), 0x1A0: fields} if metadata else {}
    options = {"program_id": PROGRAM_ID | 0x800, **options}
    return raw_nca(stored, hash_data, encryption, {0x100: info, **more, **(edits or {})}, **options)


def sparse(image: bytes, kept: Sequence[tuple[int, int]], *, metadata: int = 0, more: Mapping[int, bytes] | None = None) -> bytes:
    """A sparse base: of its section only some ranges (multiples of 0x10) are stored; ``metadata`` hashes its table, ``more`` are edits."""
    section, hash_data = whole_section(image)
    section += bytes(-len(section) % 0x200)
    encrypted = encrypt_ctr(CTR_KEY, upper(5), START, section)
    rows: list[tuple[int, int, int]] = []
    data, at = b"", 0
    for start, stop in [*kept, (len(section), len(section))]:
        if start > at:
            rows.append((at, 0, 1))
        if stop > start:
            rows.append((start, len(data), 0))
            data += encrypted[start:stop]
        at = max(at, stop)
    header, table = table_of(INDIRECT_ENTRY, rows, len(section))
    data += bytes(-len(data) % 0x10)
    tail, fields = metadata_of(table, len(data), metadata) if metadata else (b"", b"")
    stored = data + encrypt_ctr(CTR_KEY, upper(3 << 16), START + len(data), table + tail)
    info = pack("<QQ", len(data), len(table)) + header + pack("<QH", START, 3)
    units = pack("<II", START // 0x200, (START + len(section)) // 0x200)
    edits = {0x148: info, **({5: bytes([metadata]), 0x1A0: fields} if metadata else {}), **(more or {})}
    return raw_nca(stored, hash_data, 3, edits, header_edits={0x240 + 0x10 * SLOT: units})


def compressed(image: bytes, block: int = 0x1000) -> bytes:
    """A compressed section: blocks in turn LZ4, stored, and zeros where they are."""
    rows, data = [], b""
    for number, at in enumerate(range(0, len(image), block)):
        part = image[at : at + block]
        if not any(part):
            rows.append((at, 0, 1, 0, 0, 0))
            continue
        packed = _lz4.compress(part)
        kind, stored = (3, packed) if number % 3 and len(packed) < len(part) else (0, part)
        data += bytes(-len(data) % 0x10)
        rows.append((at, len(data), kind, 0, 0, len(stored)))
        data += stored
    data += bytes(-len(data) % 0x10)
    header, table = table_of(COMPRESSED_ENTRY, rows, len(image))
    section = Section(
        data + table,
        FsType.ROMFS,
        block_size=0x400,
        secure_value=SECURE,
        edits={0x178: pack("<QQ", len(data), len(table)) + header},
    )
    return nca([None, section], keys=KEYS, content_type=0, program_id=PROGRAM_ID, key_area=KEY_AREA)
