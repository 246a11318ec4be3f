"""Building: images out of folders, against the host's own tools on the same bytes.

``python benchmarks/bench_building.py`` makes its data in memory, runs both sides in turn and prints the ratios.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from side_by_side import Side, command, compare, seconds, workspace

from oboromi_fs import File, HostFs
from oboromi_fs.builders.romfs import RomFsImage, write

if TYPE_CHECKING:
    from pathlib import Path

BUILD = """
import sys
from oboromi_fs import HostFs
from oboromi_fs.builders.romfs import RomFsImage, write
write(RomFsImage(HostFs(sys.argv[1])), sys.argv[2])
"""


def fresh(path: Path) -> None:
    """Make sure the target is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def tiny_files(folder: Path, count: int) -> None:
    """So many files of up to 72 bytes, 500 to a directory."""
    for number in range(count):
        target = folder / f"d{number // 500:03}"
        if number % 500 == 0:
            target.mkdir(parents=True)
        (target / f"file{number:06}.bin").write_bytes(b"%d" % number * (1 + number % 12))


def files_of_many_sizes(folder: Path, count: int, smallest: int, largest: int) -> None:
    """So many files, as many between 1 and 2 KB as between 2 and 4 KB, and so on; 100 to a directory."""
    chance = random.Random(count)
    source = chance.randbytes(largest)
    for number in range(count):
        target = folder / f"d{number // 100:03}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number:05}.bin").write_bytes(source[: int(smallest * (largest / smallest) ** chance.random())])


def peak_resident(words: list[str]) -> int:
    """Run a command and return the most memory it held, mapped files included, in bytes (Linux)."""
    child = subprocess.Popen(words)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{words} failed")
    return usage.ru_maxrss << 10


def build(tree: Path, target: Path) -> None:
    """Build and write an image in this process."""
    write(RomFsImage(HostFs(tree)), target)


def romfs_of_many_files(work: Path, count: int, runs: int) -> None:
    """Building a RomFS of tiny files, whole process, and how that grows."""
    tree, less, image, copy = work / "tree", work / "less", work / "out.romfs", work / "copy"
    tiny_files(tree, count)
    tiny_files(less, count // 10)
    words = [sys.executable, "-c", BUILD, str(tree), str(image)]
    print(f"RomFS: build from a folder of {count} tiny files, whole process")
    compare(
        Side("oboromi_fs", lambda: command(words), lambda: fresh(image)),
        Side("cp -r of the same tree", lambda: command(["cp", "-r", tree, copy]), lambda: fresh(copy)),
        runs=runs,
        wanted="0.5",
    )
    fresh(copy)
    print(f"  peak resident memory: {peak_resident(words) / 1e6:.0f} MB   (wanted: 200)")
    ratio = compare(
        Side(f"{count // 10} files", lambda: build(less, image)),
        Side(f"{count} files", lambda: build(tree, image)),
        runs=runs,
    )
    print(f"  {count} files take {ratio:.1f} times what {count // 10} take")
    random_reads(work, tree, f"{count} tiny files", runs)
    fresh(tree)
    fresh(less)


def romfs_of_a_large_file(work: Path, size: int, runs: int) -> None:
    """Building a RomFS of one large file."""
    tree, image, copy = work / "tree", work / "out.romfs", work / "copy"
    tree.mkdir()
    source = random.Random(size)
    with (tree / "big.bin").open("wb") as out:
        for _ in range(size >> 20):
            out.write(source.randbytes(1 << 20))
    print(f"RomFS: build from one file of {size >> 20} MiB, whole process")
    compare(
        Side("oboromi_fs", lambda: command([sys.executable, "-c", BUILD, str(tree), str(image)]), lambda: fresh(image)),
        Side("cp of the same file", lambda: command(["cp", tree / "big.bin", copy]), lambda: fresh(copy)),
        runs=runs,
    )
    for path in (tree, image, copy):
        fresh(path)


def random_reads(work: Path, tree: Path, what: str, runs: int) -> None:
    """Reads of 4 KiB from the virtual image, and from the same image written to a file."""
    count = 100_000
    path = work / "written.romfs"
    write(RomFsImage(HostFs(tree)), path)
    with File.open(path) as stored:
        chance = random.Random(count)
        starts = [chance.randrange(stored.size - 4096) for _ in range(count)]
        image = RomFsImage(HostFs(tree))
        if any(image[start : start + 4096] != stored[start : start + 4096] for start in starts[:1000]):
            sys.exit("the virtual image differs from the written one")

        def read(storage: RomFsImage | File) -> None:
            for start in starts:
                storage[start : start + 4096].tobytes()

        image = RomFsImage(HostFs(tree))
        print(f"RomFS: {count} random reads of 4 KiB, virtual image of {what}, {stored.size >> 20} MiB")
        first = seconds(Side("", lambda: read(image)))
        compare(Side("virtual image", lambda: read(image)), Side("written file", lambda: read(stored)), runs=runs, wanted="0.5")
        print(f"  the first {count} reads, which open every file they meet: {first:.3f} s")
    fresh(path)


def romfs_random_reads(work: Path, runs: int) -> None:
    """Random reads of folders of several shapes."""
    for count, smallest, largest in ((40, 1_000_000, 30_000_000), (2000, 1000, 1_000_000), (10_000, 1000, 60_000)):
        tree = work / "tree"
        files_of_many_sizes(tree, count, smallest, largest)
        random_reads(work, tree, f"{count} files of {smallest} to {largest} bytes", runs)
        fresh(tree)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="size of the large file, in MiB")
    parser.add_argument("--files", type=int, default=200_000, help="number of tiny files")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    started = time.perf_counter()
    with workspace() as work:
        romfs_of_many_files(work, options.files, options.runs)
        romfs_of_a_large_file(work, options.size << 20, options.runs)
        romfs_random_reads(work, options.runs)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
