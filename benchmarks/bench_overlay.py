"""Layers: opening, lookups, the merged image and the command, against the same without a union.

``python benchmarks/bench_overlay.py`` makes a base of 200,000 files under 20 layers of 5,000 in memory, runs both sides in turn and prints
the ratios.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from side_by_side import OBOROMI, Side, command, compare, workspace

from oboromi_fs import File, HostFs, Layer, RomFs, UnionFs
from oboromi_fs.builders.romfs import build_romfs, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oboromi_fs.overlay import Case
    from oboromi_fs.protocols import FileSystem


def tree(root: Path, numbers: Sequence[int]) -> None:
    """One small file for each number, 500 to a directory."""
    for number in numbers:
        target = root / f"d{number // 500:03}" / f"file{number:06}.bin"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"%d" % number)


def seconds(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def start_up() -> float:
    """Seconds that the interpreter takes to start."""
    return min(seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(5))


def stack(base: FileSystem, mods: Sequence[Path], *, case: Case = "exact") -> UnionFs:
    """The base under its mods."""
    return UnionFs([Layer(base, "base"), *(Layer(HostFs(mod), mod.name, case=case) for mod in mods)])


def opening(base: FileSystem, mods: Sequence[Path]) -> None:
    """Opening grows with the layers, and not with what is in them."""
    few = min(seconds(lambda: stack(base, mods[:5])) for _ in range(20))
    many = min(seconds(lambda: stack(base, mods)) for _ in range(20))
    print(f"opening {len(mods) + 1} layers: {many * 1e3:.2f} ms; 6 layers: {few * 1e3:.2f} ms")


def alone(layers: Sequence[FileSystem], paths: Sequence[str]) -> None:
    """Look paths up in layers, one after the other, until one has it."""
    for path in paths:
        for fs in layers:
            try:
                fs.metadata(path)
            except OSError:
                continue
            break


def merged(union: UnionFs, paths: Sequence[str]) -> None:
    """Look paths up in the union."""
    for path in paths:
        union.metadata(path)


def lookups(base: FileSystem, mods: Sequence[Path], paths: Sequence[str]) -> None:
    """A lookup in the union, against the same lookup in each layer alone, one after the other."""
    cases: tuple[Case, ...] = ("exact", "fold")
    for case in cases:
        union = stack(base, mods, case=case)
        layers = [layer.fs for layer in reversed(union.layers)]

        ask_union, ask_layers = partial(merged, union, paths), partial(alone, layers, paths)
        ask_union()
        ask_layers()
        ours, theirs = (min(seconds(each) for _ in range(5)) for each in (ask_union, ask_layers))
        ratio = ours / theirs
        count = len(paths) * len(layers)
        print(
            f"{len(paths)} lookups, {case} layers: {ours * 1e6 / count:.1f} us a layer; alone {theirs * 1e6 / count:.1f} us; "
            f"{ratio:.2f} times, wanted at most 3: {'holds' if ratio <= 3 else 'MISSES'}"
        )


def image(base: FileSystem, mods: Sequence[Path]) -> None:
    """The merged image, ready to be read."""
    pace = start_up() / 0.02
    took = min(seconds(lambda: build_romfs(stack(base, mods))) for _ in range(3))
    verdict = "holds" if took <= 3 else "MISSES"
    scaled = f"where CPython starts in 20 ms that is {took / pace:.2f} s"
    print(f"virtual merged RomFS ready: {took:.2f} s, wanted at most 3: {verdict}; {scaled}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with workspace() as work:
        chance = random.Random(1)
        numbers = range(options.files)
        base_folder, mods = work / "base", [work / f"mod{number:02}" for number in range(20)]
        tree(base_folder, numbers)
        for number, mod in enumerate(mods):
            tree(mod, [*chance.sample(numbers, options.files // 40), options.files + number])
        write(build_romfs(HostFs(base_folder)), work / "base.romfs")
        paths = [f"d{number // 500:03}/file{number:06}.bin" for number in chance.sample(numbers, 500)]
        for name, base in (("a RomFS", RomFs(File.open(work / "base.romfs"))), ("a folder", HostFs(base_folder))):
            print(f"-- base: {name} of {options.files} files; {len(mods)} layers of {options.files // 40}")
            opening(base, mods)
            lookups(base, mods, paths)
            image(base, mods)
        small = [work / "small0", work / "small1"]
        for folder in small:
            tree(folder, range(20))
        print("-- listing a small stack, whole process")
        compare(
            Side("oboromi overlay ls", lambda: command([*OBOROMI, "overlay", "ls", "-l", str(small[0]), "-l", str(small[1])])),
            Side("oboromi ls", lambda: command([*OBOROMI, "ls", str(small[0])])),
            runs=options.runs,
            wanted="about 1",
        )


if __name__ == "__main__":
    main()
