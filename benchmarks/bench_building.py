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
    ratio = compare(
        Side("oboromi_fs", lambda: command(words), lambda: fresh(image)),
        Side("cp -r of the same tree", lambda: command(["cp", "-r", tree, copy]), lambda: fresh(copy)),
        runs=runs,
    )
    verdict(ratio, 0.5, "at most twice the time")
    fresh(copy)
    peak = peak_resident(words) / 1e6
    print(f"  peak resident memory: {peak:.0f} MB: {'holds' if peak <= 200 else 'DOES NOT HOLD'} (wanted: 200)")
    ratio = compare(
        Side(f"{count // 10} files", lambda: build(less, image)),
        Side(f"{count} files", lambda: build(tree, image)),
        runs=runs,
    )
    verdict(10 / ratio, 0.8, f"in step with their number: {count} files take {ratio:.1f} times what {count // 10} take")
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


def verdict(ratio: float, wanted: float, what: str) -> None:
    """Say whether a ratio is what is wanted."""
    print(f"  {what}: {'holds' if ratio >= wanted else 'DOES NOT HOLD'} ({ratio:.2f}, wanted: {wanted})")


def read_each_file(tree: Path) -> None:
    """Open every file of a tree and read it, with as little Python around it as can be."""
    buffer = bytearray(1 << 17)
    for folder, _, names in os.walk(os.fsencode(tree)):
        for name in names:
            number = os.open(folder + b"/" + name, os.O_RDONLY)
            os.readv(number, [buffer])
            os.close(number)


def random_reads(work: Path, tree: Path, what: str, runs: int) -> None:
    """Reads of 4 KiB from the virtual image, and from the same image written to a file.

    Starting cold, both are opened anew for each run (the host has all of it in memory): every file that is met has to be opened, every
    page of the written file to be mapped. Warm, both have been read once.
    """
    count, wanted = 100_000, 0.5
    path = work / "written.romfs"
    write(RomFsImage(HostFs(tree)), path)
    with File.open(path) as stored:
        chance = random.Random(count)
        starts = [chance.randrange(stored.size - 4096) for _ in range(count)]
        image = RomFsImage(HostFs(tree))
        if any(image[start : start + 4096] != stored[start : start + 4096] for start in starts[:1000]):
            sys.exit("the virtual image differs from the written one")
        sides: dict[str, RomFsImage | File] = {}

        def read(storage: RomFsImage | File) -> None:
            for start in starts:
                storage[start : start + 4096].tobytes()

        def plan_anew() -> None:
            sides["image"] = RomFsImage(HostFs(tree))

        def open_anew() -> None:
            sides["file"] = File.open(path)

        print(f"RomFS: {count} random reads of 4 KiB, virtual image of {what}, {stored.size >> 20} MiB")
        cold = compare(
            Side("virtual image, starting cold", lambda: read(sides["image"]), plan_anew),
            Side("written file, starting cold", lambda: read(sides["file"]), open_anew),
            runs=runs,
        )
        verdict(cold, wanted, "at most twice the time, starting cold")
        image = RomFsImage(HostFs(tree))
        warm = compare(Side("virtual image, warm", lambda: read(image)), Side("written file, warm", lambda: read(stored)), runs=runs)
        verdict(warm, wanted, "at most twice the time, warm")
        least = seconds(Side("", lambda: read_each_file(tree)))
        print(f"  to open, read (to 128 KiB) and close each of the {image.file_count} files once takes {least:.3f} s by itself")
    sides.clear()
    fresh(path)


def a_game(folder: Path, count: int) -> int:
    """Files as in the RomFS of a game: half are smaller than 16 KiB, and most bytes are in a few of many megabytes. Returns all bytes."""
    chance = random.Random(count)
    source = chance.randbytes(1 << 20)
    total = 0
    for number in range(count):
        target = folder / f"d{number // 100:03}"
        target.mkdir(parents=True, exist_ok=True)
        size = min(int(chance.lognormvariate(0, 2.2) * (16 << 10)), 128 << 20)
        total += size
        with (target / f"{number:05}.bin").open("wb") as out:
            for start in range(0, size, len(source)):
                out.write(source[: size - start])
    return total


def romfs_random_reads(work: Path, runs: int) -> None:
    """Random reads of folders of several shapes, a game's first."""
    tree = work / "tree"
    for count in (2000, 8000, 20_000):
        size = a_game(tree, count)
        random_reads(work, tree, f"a game's {count} files, {size // count >> 10} KiB on average", runs)
        fresh(tree)
    for count, smallest, largest in ((40, 1_000_000, 30_000_000), (2000, 1000, 1_000_000), (10_000, 1000, 60_000), (40_000, 1000, 60_000)):
        files_of_many_sizes(tree, count, smallest, largest)
        random_reads(work, tree, f"{count} files of {smallest} to {largest} bytes", runs)
        fresh(tree)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="size of the large file, in MiB")
    parser.add_argument("--files", type=int, default=200_000, help="number of tiny files")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("many", "large", "reads"), help="run one part")
    options = parser.parse_args()
    started = time.perf_counter()
    with workspace() as work:
        if options.only in (None, "many"):
            romfs_of_many_files(work, options.files, options.runs)
        if options.only in (None, "large"):
            romfs_of_a_large_file(work, options.size << 20, options.runs)
        if options.only in (None, "reads"):
            romfs_random_reads(work, options.runs)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
