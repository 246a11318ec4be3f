"""Compressed NCAs: reading and writing blocks on all cores, against what the zstandard package makes of the same bytes.

``python benchmarks/bench_nsz.py`` makes its data in memory, runs both sides in turn and prints the ratios. What is read is encrypted again,
which the other side has no part in: so reading is told with and without that.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard
from side_by_side import Side, command, compare, watched_memory, workspace

from oboromi_formats.nca import Encryption
from oboromi_fs import File
from oboromi_fs.backends.nca import CryptRun
from oboromi_fs.builders.ncz import NczBuilder, NczOptions
from oboromi_fs.storage.ctr import ctr_crypt
from oboromi_fs.storage.ncz import NczStorage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEAD = 0x4000
KEY, UPPER = bytes(range(16)), bytes(8)
PIECE = 16 << 20
"""Bytes that both sides decompress at a time: a game is larger than memory."""
BLOCK = 1 << 20
ZSTD = shutil.which("zstd")


def content(size: int) -> bytearray:
    """Words, coordinates and noise: what games are made of, as far as it matters here."""
    source = np.random.default_rng(1)
    words = [bytes(source.integers(97, 123, int(source.integers(3, 10)), dtype=np.uint8)) for _ in range(5000)]
    unit = bytearray()
    while len(unit) < 8 << 20:
        unit += b" ".join(words[index] for index in source.zipf(1.3, 20000) % 5000)
        unit += np.cumsum(source.normal(size=20000)).astype("<f4").tobytes() + source.bytes(8000)
    out = bytearray()
    while len(out) < size:
        turn = len(out) // 4099 % len(unit)  # Never the same run at the same place of a block.
        out += unit[turn:] + unit[:turn]
    del out[size:]
    return out


def make(work: Path, size: int) -> tuple[Path, Path]:
    """An NCA of one encrypted section, and the same in the clear."""
    plain = bytes(HEAD) + content(size)
    (work / "plain.nca").write_bytes(plain)
    encrypted = bytearray(plain)
    ctr_crypt(KEY, UPPER, HEAD, memoryview(encrypted)[HEAD:], memoryview(encrypted)[HEAD:])
    (work / "a.nca").write_bytes(encrypted)
    return work / "a.nca", work / "plain.nca"


def pack(nca: Path, target: Path, **options: Any) -> None:
    """Ours: an NCZ of an NCA."""
    with File.open(nca) as file:
        encrypted = nca.name == "a.nca"
        runs = [CryptRun(HEAD, file.size, Encryption.AES_CTR if encrypted else Encryption.NONE, KEY, UPPER)]
        NczBuilder(file, runs, NczOptions(**options)).write(target)


def read(path: Path, piece: int = PIECE) -> None:
    """Ours: the NCA from its first byte to its last."""
    with File.open(path) as file:
        ncz = NczStorage(file)
        buffer = memoryview(bytearray(piece))
        for start in range(0, ncz.size, piece):
            ncz.readinto_at(start, buffer)


def frames(file: File) -> Sequence[Any]:
    """The blocks of an NCZ as they are stored."""
    starts = NczStorage(file).ncz.block_starts
    assert starts is not None
    return [file[int(start) : int(stop)] for start, stop in pairwise(starts)]


def decompress(path: Path) -> None:
    """Theirs: all blocks of an NCZ, so many at a time, on all cores."""
    with File.open(path) as file:
        every: list[Any] = list(frames(file)[:-1])  # All of one size.
        step = PIECE // BLOCK
        for start in range(0, len(every), step):
            part = every[start : start + step]
            sizes = np.full(len(part), BLOCK, "<u8").tobytes()
            zstandard.ZstdDecompressor().multi_decompress_to_buffer(part, decompressed_sizes=sizes, threads=-1)
        del every, part


def compress(nca: Path, target: Path, level: int) -> None:
    """Theirs: one stream of the same bytes in the clear, on all cores."""
    if ZSTD:
        command([ZSTD, "-q", "-f", "-T0", f"-{level}", nca, "-o", target])
        return
    compressor = zstandard.ZstdCompressor(level=level, threads=-1)
    with nca.open("rb") as source, target.open("wb") as out:
        compressor.copy_stream(source, out, size=nca.stat().st_size)


def random_reads(path: Path, places: Sequence[int]) -> None:
    """Ours: 4 KiB at each place; nothing that is read has been read before."""
    with File.open(path) as file:
        ncz = NczStorage(file)
        for place in places:
            ncz[place : place + 0x1000]


def random_blocks(path: Path, places: Sequence[int]) -> None:
    """Theirs: the block that holds each place."""
    decompressor = zstandard.ZstdDecompressor()
    with File.open(path) as file:
        every = frames(file)
        for place in places:
            decompressor.decompress(every[(place - HEAD) // BLOCK], max_output_size=BLOCK)
        del every


def reading(work: Path, runs: int) -> None:
    """Blocks, from the first to the last and anywhere."""
    size = (work / "a.nca").stat().st_size
    print(f"Reading an NCZ of {size >> 20} MiB in blocks of 1 MiB, {os.cpu_count()} cores")
    theirs = Side("multi_decompress_to_buffer, all threads", partial(decompress, work / "a.ncz"))
    compare(Side("oboromi, decompressed", partial(read, work / "plain.ncz")), theirs, runs=runs, wanted=">= 0.8")
    compare(Side("oboromi, decompressed and encrypted again", partial(read, work / "a.ncz")), theirs, runs=runs, wanted=">= 0.8")
    compare(Side("oboromi, the same by 1 MiB at a time", partial(read, work / "a.ncz", BLOCK)), theirs, runs=runs)
    with watched_memory() as peak:
        before = peak[0]
        read(work / "a.ncz")
    print(f"  memory: {(peak[0] - before) >> 20} MiB more, of which {PIECE >> 20} MiB are the reader's")
    source = random.Random(1)
    blocks = source.sample(range((size - HEAD) // BLOCK - 1), min(64, (size - HEAD) // BLOCK - 1))
    places = [HEAD + block * BLOCK + source.randrange(BLOCK - 0x1000) for block in blocks]
    print(f"{len(places)} reads of 4 KiB, each in another block")
    ours = Side("oboromi", partial(random_reads, work / "a.ncz", places))
    compare(ours, Side("zstandard: the block of each", partial(random_blocks, work / "a.ncz", places)), runs=runs)


def packing(work: Path, level: int, runs: int) -> None:
    """Blocks and solid."""
    size = (work / "a.nca").stat().st_size
    print(f"Packing {size >> 20} MiB at level {level}")
    theirs = Side(
        "zstd -T0" if ZSTD else "zstandard, one stream, all threads", partial(compress, work / "plain.nca", work / "theirs.zst", level)
    )
    ours = Side("oboromi, decrypted, in blocks", partial(pack, work / "a.nca", work / "ours.ncz", level=level))
    compare(ours, theirs, runs=runs, wanted=">= 0.9")
    ours = Side("oboromi, decrypted, solid", partial(pack, work / "a.nca", work / "solid.ncz", level=level, exponent=None))
    compare(ours, theirs, runs=runs, wanted=">= 0.9")
    for name in ("ours.ncz", "solid.ncz", "theirs.zst"):
        print(f"  {name:<12} {(work / name).stat().st_size / size:.3f} of the NCA")


def check(nca: Path, ncz: Path) -> None:
    """What comes out is what went in."""
    with File.open(nca) as before, File.open(ncz) as file:
        if NczStorage(file) != before:
            sys.exit(f"{ncz.name} does not give {nca.name}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, metavar="MIB", help="of the NCA")
    parser.add_argument("--slow", type=int, default=12, metavar="MIB", help="of the NCA that is packed at level 18")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with workspace() as work:
        nca, plain = make(work, options.size << 20)
        pack(nca, work / "a.ncz", level=3)
        pack(plain, work / "plain.ncz", level=3)
        check(nca, work / "a.ncz")
        reading(work, options.runs)
        packing(work, 3, options.runs)
        make(work, options.slow << 20)
        packing(work, 18, max(options.runs // 2, 1))


if __name__ == "__main__":
    main()
