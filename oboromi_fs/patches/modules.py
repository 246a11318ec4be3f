"""Executables as patches see them: what their offsets count in, and the patched file.

Offsets for an NSO count in its uncompressed form: the header of 0x100 bytes and the memory image. Those for an NRO or KIP count in the
file, that of a KIP uncompressed. Headers are protected. What an NRO has behind its segments is not loaded, and no patch reaches it.
Anything else is patched as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_formats.nso import NSO_HEADER, NSO_MAGIC, NsoFlags, NsoSegment
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.executables import Kip, Nro, Nso, _lz4
from oboromi_fs.patches._arguments import want_storage
from oboromi_fs.patches.applying import PatchedStorage
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.deferred import DeferredStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.patches.values import Record
    from oboromi_fs.protocols import Storage

__all__ = ["Module", "compressed_again", "module_of", "patched_module"]

_NSO = NSO_HEADER.size
_NRO = 0x80
_KIP = 0x100
_CHUNK = 1 << 22
_NAME = 0x1000
"""Bytes of the name field that are kept; real names are paths."""


class Module(NamedTuple):
    """What a patch of an executable is applied to.

    Attributes:
        kind: ``"NSO" "NRO" "KIP"``, or ``"file"`` where it is no executable.
        image: What offsets count in.
        protected: Bytes of header at its start that no patch changes.
        module_id: What patches know it by, 32 bytes: its build id; the SHA-256 of a KIP; empty where it has none.
        nso: The executable, if it is an NSO.
        rest: What follows the image in the file: the assets of an NRO.
    """

    kind: str
    image: Storage
    protected: int = 0
    module_id: bytes = b""
    nso: Nso | None = None
    rest: Storage | None = None


def module_of(storage: Storage) -> Module:
    """Recognise an executable. Of an NSO and NRO only the header is read; a KIP is hashed.

    Raises:
        CorruptError: It is one, and broken.
    """
    want_storage(storage, "storage")
    magic = storage[:0x14].tobytes()
    if magic[:4] == NSO_MAGIC:
        nso = Nso(storage)
        return Module("NSO", nso.uncompressed(), _NSO, nso.module_id, nso)
    if magic[0x10:] == b"NRO0":
        nro = Nro(storage)
        end = nro.header.size if _NRO <= nro.header.size < storage.size else storage.size
        rest = storage.window(end, storage.size) if end < storage.size else None
        return Module("NRO", storage.window(0, end) if rest is not None else storage, _NRO, nro.module_id, rest=rest)
    if magic[:4] == b"KIP1":
        kip = Kip(storage)
        return Module("KIP", kip.uncompressed(), _KIP, _digest(storage.window(0, min(kip.size, storage.size))))
    return Module("file", storage)


def patched_module(module: Module, records: Sequence[Record]) -> Storage:
    """Return the executable with records applied, uncompressed; of an NSO with the hashes that a loader checks.

    Nothing is read before the result is.

    Args:
        module: The executable.
        records: Inside its image, in order: of two that write one byte, the later wins.
    """
    image = PatchedStorage(module.image, records)
    if module.nso is None:
        return image if module.rest is None else ConcatStorage([image, module.rest])
    body = image.window(_NSO, image.size)
    header = DeferredStorage(_NSO, lambda: MemoryStorage(_header(module, image), "NSO header"), "Rehashed", "patched")
    return ConcatStorage([header, body]) if body.size else header


def compressed_again(plain: Storage, like: Nso) -> Storage:
    """Return an uncompressed NSO with those segments compressed that are so in another, where that makes them smaller.

    Args:
        plain: The NSO; all of it is read.
        like: The other, whose module name is taken as well.

    Raises:
        CorruptError: A segment cannot be read.
        UnsupportedError: The package ``lz4`` is not installed.
    """
    new, start = Nso(plain), like.header.module_name_offset
    name = like.raw[start : start + min(like.header.module_name_size, _NAME)].tobytes()
    flags, end = new.header.flags, _NSO + len(name)
    rows: list[NsoSegment] = []
    stored: list[Storage] = []
    for index, segment in enumerate(new.segments):
        data = new.segment(segment.name)
        if like.segments[index].compressed and data.size:
            packed = _lz4.compress(data[:])
            if len(packed) < data.size:
                flags |= NsoFlags.TEXT_COMPRESSED << index
                data = MemoryStorage(packed, "LZ4")
        rows.append(NsoSegment(end, segment.memory_offset, segment.size))
        stored.append(data)
        end += data.size
    header = replace(
        new.header,
        flags=flags,
        text=rows[0],
        ro=rows[1],
        data=rows[2],
        module_name_offset=_NSO,
        module_name_size=len(name),
        compressed_sizes=tuple(data.size for data in stored),
    )
    head = MemoryStorage(encode(NSO_HEADER, header) + name, "NSO header")
    return ConcatStorage([head, *(data for data in stored if data.size)])


def _header(module: Module, image: Storage) -> bytes:
    """The header of the uncompressed form, with the segments' hashes as they are once patched."""
    nso = Nso(module.image)
    hashes = tuple(_digest(image.window(segment.file_offset, segment.file_offset + segment.size)) for segment in nso.segments)
    return encode(NSO_HEADER, replace(nso.header, hashes=hashes))


def _digest(storage: Storage) -> bytes:
    digest = hashlib.sha256()
    for start in range(0, storage.size, _CHUNK):
        digest.update(storage[start : start + _CHUNK])
    return digest.digest()
