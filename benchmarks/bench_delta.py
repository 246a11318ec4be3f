"""Mods as deltas: two versions of a large image, told apart by content; and the newer one read from the older and the delta.

``python benchmarks/bench_delta.py --mib 1024`` makes two images in memory: pieces moved, inserted and taken out, and many single bytes
changed. It compares with xdelta3 where that is installed, else with reading both files once (sha256sum).
"""

from __future__ import annotations

import argparse
import shutil
from typing import TYPE_CHECKING

from side_by_side import OBOROMI, Side, command, compare, peak_anonymous, workspace

if TYPE_CHECKING:
    import os
    from pathlib import Path


def images(folder: Path, size: int) -> tuple[Path, Path]:
    """An image, and a version of it in which a tenth has moved and some kilobytes are new."""
    import numpy as np

    chance = np.random.default_rng(size)
    old = chance.integers(0, 256, size, np.uint8)
    old[size // 3 : size // 2] = 0
    moved = slice(size // 10, size // 5)
    new = np.concatenate([old[: size // 10], chance.integers(0, 256, 100_000, np.uint8), old[size // 5 :], old[moved]])
    new[chance.integers(0, len(new), 2000)] ^= 1
    paths = (folder / "old" / "image", folder / "new" / "image")
    for path, data in zip(paths, (old, new), strict=True):
        path.parent.mkdir()
        data.tofile(path)
    return paths


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256, help="size of an image")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with workspace() as folder:
        old, new = images(folder, options.mib << 20)
        mod = folder / "mod"
        make: list[str | os.PathLike[str]] = [*OBOROMI, "-q", "overlay", "diff-mod", old.parent, new.parent, "-o", mod]
        read: list[str | os.PathLike[str]] = [*OBOROMI, "-q", "overlay", "extract", "/", "-l", old.parent, "-l", mod, "-o", folder / "out"]
        ours = Side("oboromi overlay diff-mod", lambda: command(make), lambda: shutil.rmtree(mod, ignore_errors=True))
        back = Side("oboromi overlay extract", lambda: command(read), lambda: shutil.rmtree(folder / "out", ignore_errors=True))
        xdelta = shutil.which("xdelta3")
        print(f"two images of {options.mib} MiB")
        if xdelta:
            delta, made = folder / "delta", folder / "made"
            encode: list[str | os.PathLike[str]] = [xdelta, "-e", "-f", "-S", "none", "-s", old, new, delta]
            decode: list[str | os.PathLike[str]] = [xdelta, "-d", "-f", "-s", old, delta, made]
            compare(ours, Side("xdelta3 -e -S none", lambda: command(encode)), runs=options.runs)
            print(f"  bytes: ours {sum(path.stat().st_size for path in mod.rglob('*') if path.is_file())}, theirs {delta.stat().st_size}")
            compare(back, Side("xdelta3 -d", lambda: command(decode)), runs=options.runs)
        else:
            both = Side("sha256sum of both", lambda: command(["sha256sum", old, new]))
            compare(ours, both, runs=options.runs)
            compare(back, both, runs=options.runs)
        command(["cmp", new, folder / "out" / "image"])
        shutil.rmtree(mod)
        print(f"  peak anonymous memory: making {peak_anonymous(make) >> 20} MiB", end="")
        shutil.rmtree(folder / "out")
        print(f", reading {peak_anonymous(read) >> 20} MiB")


if __name__ == "__main__":
    main()
