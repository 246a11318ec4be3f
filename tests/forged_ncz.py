"""NCZ put together by hand, byte by byte, for tests: right ones, and ones that are wrong in one place."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import zstandard
from Crypto.Cipher import AES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEAD = 0x4000


class Span(NamedTuple):
    """A section record: where it lies in the NCA, and what it is encrypted with."""

    offset: int
    size: int
    crypto: int = 3
    key: bytes = b"K" * 16
    upper: bytes = b"\0\0\0\2\0\0\0\1"

    @property
    def record(self) -> bytes:
        return struct.pack("<4Q", self.offset, self.size, self.crypto, 0) + self.key + self.upper + b"ignored!"


def crypted(data: bytes, spans: Sequence[Span]) -> bytes:
    """Encrypt, or decrypt, what the spans say is: a block of 16 at a time, by its own counter."""
    out = bytearray(data)
    for span in spans:
        if span.crypto not in (3, 4):
            continue
        cipher = AES.new(span.key, AES.MODE_ECB)
        for at in range(span.offset & ~15, span.offset + span.size, 16):
            stream = cipher.encrypt(span.upper + (at >> 4).to_bytes(8, "big"))
            for index in range(max(at, span.offset), min(at + 16, span.offset + span.size, len(out))):
                out[index] = data[index] ^ stream[index - at]
    return bytes(out)


def frame(data: bytes, *, sized: bool = True, level: int = 1, window_log: int = 0) -> bytes:
    """Compress into one frame, with or without its size in the header."""
    if window_log:
        parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=window_log, write_content_size=False)
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return stream.compress(data) + stream.flush()
    return zstandard.ZstdCompressor(level=level, write_content_size=sized).compress(data)


def head_of(nca: bytes, spans: Sequence[Span], count: int | None = None) -> bytes:
    """The verbatim bytes and the section records."""
    records = b"".join(span.record for span in spans)
    return nca[:HEAD] + b"NCZSECTN" + struct.pack("<Q", len(spans) if count is None else count) + records


def solid(nca: bytes, spans: Sequence[Span], *, sized: bool = False) -> bytes:
    """An NCZ of one stream."""
    return head_of(nca, spans) + frame(crypted(nca, spans)[HEAD:], sized=sized)


def blocks(
    nca: bytes,
    spans: Sequence[Span],
    exponent: int = 14,
    *,
    compress: Callable[[bytes], bytes] = frame,
    fields: Mapping[str, int] | None = None,
    sizes: Mapping[int, int] | None = None,
) -> bytes:
    """An NCZ of blocks.

    ``fields`` replaces numbers of the block header: version, type, exponent, count, size; ``sizes`` those of the block table.
    """
    plain = crypted(nca, spans)[HEAD:]
    stored: list[bytes] = []
    for start in range(0, len(plain), 1 << exponent):
        part = plain[start : start + (1 << exponent)]
        small = compress(part)
        stored.append(small if len(small) < len(part) else part)
    said = {"version": 2, "type": 1, "exponent": exponent, "count": len(stored), "size": len(plain), **(fields or {})}
    header = b"NCZBLOCK" + struct.pack("<4BIQ", said["version"], said["type"], 0, said["exponent"], said["count"], said["size"])
    table = b"".join(struct.pack("<I", (sizes or {}).get(index, len(block))) for index, block in enumerate(stored))
    return head_of(nca, spans) + header + table + b"".join(stored)
