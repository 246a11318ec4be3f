"""Thinning a base: a sparse NCA that keeps of a section only what an update takes from it. Source: Switchbrew wiki, "NCA"."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_formats.bucket_tree import INDIRECT_ENTRY
from oboromi_formats.nca import FS_HEADER, MEDIA_UNIT, NCA_HEADER, NCA_HEADERS_SIZE, Encryption, SparseInfo
from oboromi_fs._decode import dtype, encode
from oboromi_fs.backends.nca.runs import crypt_runs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError, UnsupportedError
from oboromi_fs.storage.buckets import build_buckets
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.ctr import ctr_crypt
from oboromi_fs.storage.filled import FilledStorage
from oboromi_fs.storage.indirect import IndirectStorage
from oboromi_fs.storage.xts import xts_encrypt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_formats.nca import FsHeader
    from oboromi_fs.backends.nca import Nca, NcaSection
    from oboromi_fs.protocols import Storage

__all__ = ["taken_from_base", "thin_nca"]

_UNIT = 0x10
_MOST = 0xFFFF
"""The last generation; 0 says that a section is not sparse."""


def taken_from_base(update: Nca, section: str | int) -> list[tuple[int, int]]:
    """Return the ranges of a base's section that an update reads, ascending.

    Args:
        update: The update, with its base (:meth:`~oboromi_fs.backends.nca.Nca.with_base`).
        section: The section, by name or slot.

    Raises:
        FormatError: The section is no patch.
    """
    body = update.section(section).decrypted()
    if not isinstance(body, IndirectStorage) or not update.section(section).is_patch:
        raise FormatError("is no patch: it takes nothing from a base", what=update.section(section).what)
    return body.runs_of(0)


def thin_nca(nca: Nca, section: str | int, keep: Iterable[tuple[int, int]], *, generation: int = 1) -> Storage:
    """Return an NCA without most of a section, composed as it is read. What is kept stays encrypted as it was.

    Args:
        nca: The NCA.
        section: The section, by name or slot; the last one in the file.
        keep: Ranges of the section in the clear that stay, such as :func:`taken_from_base` gives.
        generation: Of the table's encryption, 1 to 0xFFFF.

    Raises:
        UnsupportedError: The section is not encrypted with AES-CTR, or others follow it in the file.
        MissingKeyError: A key is absent.
        ValueError: There is no such generation.
    """
    if not 0 < generation <= _MOST:
        message = f"a generation is 1 to {_MOST:#x}, and not {generation}"
        raise ValueError(message)
    found = nca.section(section)
    header = found.header
    if header.encryption != Encryption.AES_CTR or found.is_patch or found.is_sparse:
        raise UnsupportedError("only a whole section with AES-CTR can be thinned", what=found.what)
    if any(other.start > found.start for other in nca.sections.values()):
        raise UnsupportedError("only the section that is the last in the file can be thinned", what=found.what)
    ranges = _aligned(keep, found.size)
    data, rows = _kept(found, ranges)
    import numpy as np

    tree_header, table = build_buckets(np.array(rows, dtype(INDIRECT_ENTRY)), found.size, INDIRECT_ENTRY)
    key = next(run.key for run in crypt_runs(nca) if run.start == found.start)
    encrypted = bytearray(table)
    upper = header.secure_value.to_bytes(4, "big") + (generation << 16).to_bytes(4, "big")
    ctr_crypt(key, upper, found.start + data.size, table, encrypted)
    info = SparseInfo(
        bucket_offset=data.size, bucket_size=len(table), bucket_header=tree_header, physical_offset=found.start, generation=generation
    )
    end = found.start + data.size + len(table)
    padding = -end % MEDIA_UNIT
    headers = _headers(nca, found, replace(header, sparse_info=info), end + padding)
    return ConcatStorage(
        [
            MemoryStorage(headers, "NCA headers"),
            nca.raw.window(NCA_HEADERS_SIZE, found.start),
            data,
            MemoryStorage(bytes(encrypted), "sparse table"),
            FilledStorage(padding),
        ]
    )


def _aligned(keep: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Ranges to whole blocks of the cipher, joined."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(keep):
        low, high = start // _UNIT * _UNIT, min(-(-stop // _UNIT) * _UNIT, size)
        if low >= high:
            continue
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _kept(section: NcaSection, ranges: Sequence[tuple[int, int]]) -> tuple[Storage, list[tuple[int, int, int]]]:
    """The bytes that stay, one after the other, and the entries that say where each run of the section is."""
    parts: list[Storage] = []
    rows: list[tuple[int, int, int]] = []
    at = stored = 0
    for start, stop in ranges:
        if start > at:
            rows.append((at, 0, 1))
        rows.append((start, stored, 0))
        parts.append(section.raw.window(start, stop))
        stored += stop - start
        at = stop
    if at < section.size:
        rows.append((at, 0, 1))
    return ConcatStorage(parts), rows


def _headers(nca: Nca, section: NcaSection, fs_header: FsHeader, size: int) -> bytes:
    """The headers, with that of one section replaced, encrypted as they were."""
    from oboromi_fs.backends.nca.header import read_header

    clear = bytearray(read_header(nca.raw, nca.keys)[0])
    data = encode(FS_HEADER, fs_header)
    hashes = list(nca.header.fs_header_hashes)
    hashes[section.index] = hashlib.sha256(data).digest()
    clear[: NCA_HEADER.size] = encode(NCA_HEADER, replace(nca.header, fs_header_hashes=tuple(hashes), content_size=size))
    clear[0x400 + 0x200 * section.index : 0x600 + 0x200 * section.index] = data
    if not nca.encrypted_header:
        return bytes(clear)
    if nca.header.magic != b"NCA3":
        raise UnsupportedError(f"a thinned {nca.header.magic!r} is not written", what="NCA header")
    return xts_encrypt(bytes(clear), nca.keys.header_key(), 0)
