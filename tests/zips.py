"""ZIP archives byte by byte, for tests of what no honest tool writes; honest ones come from zipfile."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
LINK, DEVICE, FOLDER, REGULAR = 0xA1FF, 0x21B6, 0x41ED, 0x81A4


class Raw(NamedTuple):
    """An entry as it is to be written. None: what is true of ``data``."""

    name: bytes
    data: bytes = b""
    method: int = STORED
    flags: int = 0
    system: int = 3
    mode: int = 0
    extra: bytes = b""
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    offset: int | None = None
    version: int = 20


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def lzma_stream(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    return b"\x09\x14\x05\x00\x5d\x00\x00\x01\x00" + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


PACK = {DEFLATED: deflate, BZIP2: bz2.compress, LZMA: lzma_stream}


def archive(entries: Iterable[Raw], *, comment: bytes = b"", before: bytes = b"", disk: int = 0, count: int | None = None) -> bytes:
    """An archive of these entries, and ``before`` bytes of something else in front of it that its offsets do not count."""
    body, directory = bytearray(), bytearray()
    several = list(entries)
    for entry in several:
        packed = entry.packed if entry.packed is not None else PACK.get(entry.method, bytes)(entry.data)
        fields = struct.pack(
            "<HHHHLLL",
            entry.flags,
            entry.method,
            0,
            0x21,
            zlib.crc32(entry.data) if entry.crc is None else entry.crc,
            len(packed) if entry.packed_size is None else entry.packed_size,
            len(entry.data) if entry.size is None else entry.size,
        )
        offset = len(body) if entry.offset is None else entry.offset
        if entry.offset is None:
            body += b"PK\3\4" + struct.pack("<H", entry.version) + fields + struct.pack("<HH", len(entry.name), 0) + entry.name + packed
        directory += b"PK\1\2" + struct.pack("<BBH", 20, entry.system, entry.version) + fields
        directory += (
            struct.pack("<HHHHHLL", len(entry.name), len(entry.extra), 0, 0, 0, entry.mode << 16, offset) + entry.name + entry.extra
        )
    count = len(several) if count is None else count
    end = b"PK\5\6" + struct.pack("<HHHHLLH", disk, disk, count, count, len(directory), len(body), len(comment)) + comment
    return before + bytes(body) + bytes(directory) + end


def honest(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, dirs: Iterable[str] = ()) -> bytes:
    """An archive that zipfile makes, the same on every run."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in dirs:
            made.writestr(zipfile.ZipInfo(f"{name}/"), b"")
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            made.writestr(info, data)
    return file.getvalue()
