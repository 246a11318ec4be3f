"""Build an NSO from its segments. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oboromi_formats.nso import NSO_HEADER, NsoFlags, NsoHeader, NsoRange, NsoSegment
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.executables import _lz4
from oboromi_fs.executables.assembling import SourceType, as_storage, memory_offsets, module_id_field, refuse
from oboromi_fs.executables.nso import Nso
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["build_nso"]

_WHAT = "NSO"
_NONE = NsoRange()
_CHUNK = 1 << 22


def build_nso(  # noqa: PLR0913 - The fields of the format, all but the segments by keyword.
    text: SourceType,
    ro: SourceType,
    data: SourceType,
    *,
    bss_size: int = 0,
    module_id: bytes = b"",
    module_name: bytes = b"",
    prevent_code_reads: bool = False,
    hashes: bool = True,
    offsets: Sequence[int] | None = None,
    api_info: NsoRange = _NONE,
    dynstr: NsoRange = _NONE,
    dynsym: NsoRange = _NONE,
    compress: bool = True,
) -> Storage:
    """Return an NSO: header, module name, and the segments without gaps.

    Args:
        text: Code.
        ro: Read-only data.
        data: Data.
        bss_size: Zeros behind the data in memory.
        module_id: Build id, at most 32 bytes.
        module_name: Bytes of the name field, with the NUL that official files end it with.
        prevent_code_reads: Flag bit 6.
        hashes: Whether the loader is to check the segments' hashes; they are written in any case.
        offsets: Where text, ro and data lie in memory; each at the first page behind the one before by default.
        api_info: Range of ro; the same goes for ``dynstr`` and ``dynsym``.
        dynstr: Dynamic string table.
        dynsym: Dynamic symbol table.
        compress: Compress each segment with LZ4, where that makes it smaller. The compressed bytes are the same wherever the same
            version of the library runs; the decompressed ones always are.

    Raises:
        FormatError: A field does not fit, or segments overlap.
        UnsupportedError: The package ``lz4`` is not installed.
    """
    parts = [as_storage(part, part_name) for part, part_name in ((text, "text"), (ro, "ro"), (data, "data"))]
    where = memory_offsets([part.size for part in parts]) if offsets is None else tuple(offsets)
    if len(where) != len(parts):
        raise FormatError(f"{len(where)} offsets, text, ro and data need {len(parts)}", what=_WHAT, field="offsets")
    flags = NsoFlags.PREVENT_CODE_READS if prevent_code_reads else NsoFlags(0)
    stored: list[Storage] = []
    rows: list[NsoSegment] = []
    end = NSO_HEADER.size + len(module_name)
    for index, (part, offset) in enumerate(zip(parts, where, strict=True)):
        packed = _lz4.compress(part[:]) if compress and part.size else None
        if packed is not None and len(packed) < part.size:
            flags |= NsoFlags.TEXT_COMPRESSED << index
            stored.append(MemoryStorage(packed, "LZ4"))
        else:
            stored.append(part)
        if hashes:
            flags |= NsoFlags.TEXT_HASH << index
        rows.append(NsoSegment(end, offset, part.size))
        end += stored[-1].size
    header = NsoHeader(
        flags=flags,
        text=rows[0],
        module_name_offset=NSO_HEADER.size,
        ro=rows[1],
        module_name_size=len(module_name),
        data=rows[2],
        bss_size=bss_size,
        module_id=module_id_field(module_id, _WHAT),
        compressed_sizes=tuple(part.size for part in stored),
        api_info=api_info,
        dynstr=dynstr,
        dynsym=dynsym,
        hashes=tuple(_sha256(part) for part in parts),
    )
    head = MemoryStorage(encode(NSO_HEADER, header) + module_name, "NSO header")
    nso = ConcatStorage([head, *(part for part in stored if part.size)])
    refuse(Nso(nso).problems, _WHAT, parts)
    return nso


def _sha256(storage: Storage) -> bytes:
    digest = hashlib.sha256()
    for start in range(0, storage.size, _CHUNK):
        digest.update(storage[start : start + _CHUNK])
    return digest.digest()
