"""Mods: finding them and making the image they are loaded as, against listing the same folders with find.

``python benchmarks/bench_mods.py`` makes 200 mods of 500 files over a game of 200,000 files in memory, in the layout of each tool, and
prints how long it takes until the merged RomFS can be read, its peak memory, and what ``find`` takes for the same. ``--json`` prints
the numbers of one profile; it is how the script measures each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from side_by_side import workspace

from oboromi_fs import HostFs, MemoryFs, RomFs
from oboromi_fs.builders.romfs import build_romfs, write

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLE = 0x0100ABCDEF000000
PLACES: Mapping[str, str] = {
    "atmosphere": f"atmosphere/contents/{TITLE:016x}",
    "yuzu": f"load/{TITLE:016X}",
    "ryujinx": f"mods/contents/{TITLE:016x}",
    "plain": "",
}
"""Where each tool keeps the mods of a title."""


def make(root: Path, mods: int, files: int, base: int) -> None:
    """Make the game, and for each tool the same mods; Atmosphère has but one folder for all."""
    game = {f"d{number // 500:03}/file{number:06}.bin": b"%d" % number for number in range(base)}
    write(build_romfs(MemoryFs(game)), root / "game.romfs")
    for name, place in PLACES.items():
        for mod in range(mods):
            folder = root / name / place / ("romfs" if name == "atmosphere" else f"mod{mod:03}/romfs")
            for number in range(mod * files // 2, mod * files // 2 + files):
                target = folder / f"d{number // 500:03}" / f"file{number:06}.bin"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(b"mod %d" % mod)


def measure(root: Path, name: str) -> dict[str, float]:
    """Find the mods, lay them over the game, and make the image, until it can be read."""
    start = time.perf_counter()
    from oboromi_fs.mods.game import Game
    from oboromi_fs.mods.loadout import load
    from oboromi_fs.mods.profiles import profile

    game = RomFs(root / "game.romfs")
    folder = HostFs(root / name)
    installed = profile(name).installed(folder, 0 if name == "plain" else TITLE)
    found = time.perf_counter()
    loadout = load(folder, installed, Game(romfs=game, image=game.raw))
    image = loadout.romfs_image()
    image[:0x50]
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mods": len(installed.mods), "found": found - start, "ready": done - start, "peak": peak, "size": image.size}


def main() -> None:
    """Make the trees, and measure each profile in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mods", type=int, default=200)
    parser.add_argument("--files", type=int, default=500, help="files in each mod")
    parser.add_argument("--base", type=int, default=200_000, help="files in the game")
    parser.add_argument("--json", nargs=2, metavar=("ROOT", "PROFILE"), help="measure one profile in a tree that is there")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(Path(options.json[0]), options.json[1])))
        return
    with workspace() as root:
        make(root, options.mods, options.files, options.base)
        start_up = min(_seconds([sys.executable, "-c", "pass"]) for _ in range(5))
        print(f"{options.mods} mods of {options.files} files over {options.base} files; CPython starts in {start_up * 1e3:.0f} ms")
        for name in PLACES:
            find = _seconds(["find", str(root / name), "-type", "f", "-printf", "%p %s\n"])
            out = subprocess.run([sys.executable, __file__, "--json", str(root), name], check=True, capture_output=True).stdout
            found = json.loads(out)
            print(
                f"{name}: {found['mods']:.0f} mods found in {found['found']:.2f} s, image ready in {found['ready']:.2f} s"
                f" ({found['ready'] * 0.02 / start_up:.2f} s where CPython starts in 20 ms; wanted: under 4 s),"
                f" {found['peak']:.0f} MB (wanted: under 400); find alone {find:.2f} s"
            )


def _seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
