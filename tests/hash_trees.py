"""Hash trees built the plain way, for tests: one hash at a time, as the specification words it."""

from __future__ import annotations

import hashlib

from oboromi_formats.hashtree import HierarchicalSha256Info, IvfcInfo, IvfcLevel, Region


def _pad(data: bytes, block: int) -> bytes:
    return data + bytes(-len(data) % block)


def sha256_tree(
    data: bytes, block: int, *, algorithm: str = "sha256", table_slack: int = 0, gap: int = 0
) -> tuple[bytes, HierarchicalSha256Info]:
    """A section with table and data, and its info; ``table_slack`` zeros belong to the table, ``gap`` bytes lie before and between."""
    hashes = [hashlib.new(algorithm, data[i : i + block]).digest() for i in range(0, len(data), block)]
    table = b"".join(hashes) + bytes(table_slack)
    start = gap + len(table) + gap
    section = b"\xee" * gap + table + b"\xee" * gap + data
    regions = (Region(gap, len(table)), Region(start, len(data)), Region(), Region(), Region())
    return section, HierarchicalSha256Info(master_hash=hashlib.new(algorithm, table).digest(), block_size=block, regions=regions)


def ivfc_tree(
    data: bytes, block: int, *, algorithm: str = "sha256", padded_sizes: bool = False, extra_block: bool = False
) -> tuple[bytes, IvfcInfo]:
    """A section of six levels and its info.

    ``padded_sizes`` counts the padding of the hash levels in their sizes; ``extra_block`` appends a block of zeros to every hash level
    whose length is a multiple of the block already, before it is hashed, and counts that.
    """

    def hashes(level: bytes) -> bytes:
        padded = _pad(level, block)
        return b"".join(hashlib.new(algorithm, padded[i : i + block]).digest() for i in range(0, len(padded), block))

    levels = [data]
    for _ in range(5):
        level = hashes(levels[0])
        if extra_block and len(level) % block == 0:
            level += bytes(block)
        levels.insert(0, _pad(level, block) if padded_sizes else level)
    master = hashlib.new(algorithm, _pad(levels[0], block) or bytes(block)).digest()
    section = b""
    rows = []
    for level in levels:
        rows.append(IvfcLevel(len(section), len(level), block.bit_length() - 1))
        section += level if level is data else _pad(level, block)
    return section, IvfcInfo(levels=tuple(rows), master_hash=master)
