"""Tiny media files made by formula: what the demo's archives hold, so that viewers and decoders have something real to open."""

from __future__ import annotations

import math
import zlib
from struct import pack

__all__ = ["gif_dot", "jpeg_moon", "png_gradient", "wav_tone"]


def png_gradient(width: int, height: int, tint: int = 0) -> bytes:
    """Return a PNG of an RGB gradient."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"".join(bytes([x * 255 // width, y * 255 // height, tint]) for x in range(width)) for y in range(height))
    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def wav_tone(frequency: float, milliseconds: int, rate: int = 8000) -> bytes:
    """Return a mono 16-bit WAV of a sine tone."""
    count = rate * milliseconds // 1000
    samples = (round(8000 * math.sin(2 * math.pi * frequency * index / rate)) for index in range(count))
    data = pack(f"<{count}h", *samples)
    form = pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVEfmt " + pack("<I", len(form)) + form + b"data" + pack("<I", len(data)) + data
    return b"RIFF" + pack("<I", len(body)) + body


def gif_dot() -> bytes:
    """Return a GIF of one white pixel."""
    return b"GIF89a" + bytes.fromhex("01000100800000ffffff0000002c00000000010001000002024401003b")


def jpeg_moon(size: int = 256) -> bytes:
    """Return a grey JPEG of a hazy moon, ``size`` pixels square (a multiple of 8).

    Each block of 8 x 8 pixels has one brightness, so only the first coefficient of each is stored: its difference from the block before.
    """
    blocks, bits, previous = size // 8, "", 0
    for y in range(blocks):
        for x in range(blocks):
            distance = math.hypot(x - blocks * 0.6, y - blocks * 0.4) / blocks
            value = 100 if distance < 0.22 else round(60 * max(0.0, 0.5 - distance)) * 4 - 110
            step, previous = value - previous, value
            category = abs(step).bit_length()
            amount = step if step > 0 else step + (1 << category) - 1
            bits += f"{category:04b}" + (f"{amount:0{category}b}" if category else "") + "0"
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker: int, data: bytes) -> bytes:
        return pack(">BBH", 0xFF, marker, len(data) + 2) + data

    first = b"\0" + bytes([0, 0, 0, 9, *[0] * 12]) + bytes(range(9))  # Categories 0 to 8 as themselves, in four bits.
    others = b"\x10" + bytes([1, *[0] * 15]) + b"\0"  # One symbol, "nothing more in this block", in one bit.
    frame = pack(">BHHB3B", 8, size, size, 1, 1, 0x11, 0)
    head = segment(0xE0, b"JFIF\0" + pack(">HBHHBB", 0x101, 0, 1, 1, 0, 0)) + segment(0xDB, b"\0" + b"\x08" * 64)
    tables = segment(0xC0, frame) + segment(0xC4, first) + segment(0xC4, others)
    return b"\xff\xd8" + head + tables + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + scan + b"\xff\xd9"
