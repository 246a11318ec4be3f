"""Build a KIP from its segments. Source: Switchbrew wiki, "NSO", "NRO" and "KIP"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.kip import KIP_HEADER, KipFlags, KipHeader, KipSegment
from oboromi_fs import blz
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.executables.assembling import SourceType, as_storage, memory_offsets, refuse
from oboromi_fs.executables.kip import Kip
from oboromi_fs.executables.segment import aligned
from oboromi_fs.paths import encode_name
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["build_kip"]

_WHAT = "KIP"
_NAME_SIZE = 0xC
_CAPABILITIES = 32
_NO_CAPABILITY = 0xFFFFFFFF
_DEFAULT_FLAGS = KipFlags.IS_64_BIT | KipFlags.ADDRESS_SPACE_64_BIT | KipFlags.SECURE_MEMORY
_COMPRESSED = KipFlags.TEXT_COMPRESSED | KipFlags.RO_COMPRESSED | KipFlags.DATA_COMPRESSED


def build_kip(  # noqa: PLR0913 - The fields of the format, all but the segments by keyword.
    text: SourceType,
    ro: SourceType,
    data: SourceType,
    *,
    name: str,
    program_id: int,
    priority: int,
    ideal_core: int,
    stack_size: int,
    capabilities: Sequence[int] = (),
    version: int = 1,
    flags: KipFlags = _DEFAULT_FLAGS,
    affinity_mask: int = 0,
    bss_size: int = 0,
    offsets: Sequence[int] | None = None,
    compress: bool = True,
) -> Storage:
    """Return a KIP.

    Args:
        text: Code.
        ro: Read-only data.
        data: Data.
        name: At most 12 bytes.
        program_id: The program id.
        priority: Of the main thread.
        ideal_core: Of the main thread.
        stack_size: Of the main thread, in bytes.
        capabilities: Kernel capability words, at most 32.
        version: The version field.
        flags: All but the first three bits, which say what is compressed.
        affinity_mask: Cores the main thread may run on.
        bss_size: Zeros behind the data in memory, rounded up to whole pages.
        offsets: Where text, ro, data and bss lie in memory; each at the first page behind the one before by default.
        compress: Compress each segment with BLZ, where that makes it smaller.

    Raises:
        FormatError: A field does not fit, or segments overlap.
    """
    parts = [as_storage(part, part_name) for part, part_name in ((text, "text"), (ro, "ro"), (data, "data"))]
    encoded = encode_name(name)
    if len(encoded) > _NAME_SIZE:
        raise FormatError(f"{name!r} has {len(encoded)} bytes, {_NAME_SIZE} are the most", what=_WHAT, field="name")
    if len(capabilities) > _CAPABILITIES:
        raise FormatError(f"{len(capabilities)} words, {_CAPABILITIES} are the most", what=_WHAT, field="capabilities")
    sizes = [*(part.size for part in parts), aligned(bss_size)]
    where = memory_offsets(sizes) if offsets is None else tuple(offsets)
    if len(where) != len(sizes):
        raise FormatError(f"{len(where)} offsets, text, ro, data and bss need {len(sizes)}", what=_WHAT, field="offsets")
    flags &= ~_COMPRESSED
    stored: list[Storage] = []
    for index, part in enumerate(parts):
        packed = blz.compress(part[:]) if compress else None
        if packed is not None:
            flags |= KipFlags.TEXT_COMPRESSED << index
        stored.append(part if packed is None else MemoryStorage(packed, "BLZ"))
    attributes = (affinity_mask, stack_size, 0)
    rows = [
        KipSegment(offset, part.size, file.size, attribute)
        for offset, part, file, attribute in zip(where, parts, stored, attributes, strict=False)
    ]
    header = KipHeader(
        name=encoded.ljust(_NAME_SIZE, b"\0"),
        program_id=program_id,
        version=version,
        priority=priority,
        ideal_core=ideal_core,
        flags=flags,
        segments=(*rows, KipSegment(where[3], sizes[3]), KipSegment(), KipSegment()),
        capabilities=(*capabilities, *[_NO_CAPABILITY] * (_CAPABILITIES - len(capabilities))),
    )
    kip = ConcatStorage([MemoryStorage(encode(KIP_HEADER, header), "KIP header"), *(part for part in stored if part.size)])
    refuse(Kip(kip).problems, _WHAT, parts)
    return kip
