"""The index of who provides which file, against a plain dict of the same folders and against ``find``.

``python benchmarks/bench_overlay_index.py`` makes its folders in memory, runs both sides in turn and prints the ratios.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Literal

from side_by_side import Side, command, compare, seconds, workspace

from oboromi_fs import HostFs
from oboromi_fs.overlay.conflicts import conflicts
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.providers import Source
from oboromi_fs.overlay.reports import contributions
from oboromi_fs.overlay.simulation import MoveAfter, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WIDE = 200
"""Files in a directory."""


def names(count: int) -> list[str]:
    """Paths such as a game has."""
    return [f"data/textures{number // WIDE:05}/surface_{number:07}.bin" for number in range(count)]


def touch(folder: Path, paths: Sequence[str]) -> None:
    """Make empty files."""
    made: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        if parent not in made:
            made.add(parent)
            (folder / parent).mkdir(parents=True, exist_ok=True)
        os.close(os.open(folder / path, os.O_CREAT | os.O_WRONLY))


def folders(work: Path, base: int, mods: int, each: int, *, scattered: bool) -> list[Path]:
    """A base of so many files, and mods, of whose files half are in the base and half are not.

    Args:
        work: Where to make them.
        base: Number of files.
        mods: Number of mods.
        each: Number of files of a mod.
        scattered: Whether what a mod replaces are files here and there, two or three to a directory; else it is whole directories.
    """
    chance = random.Random(base)
    paths = names(base)
    layers = [work / "base"]
    touch(layers[0], paths)
    for number in range(mods):
        layers.append(work / f"mod{number:03}")
        if scattered:
            replaced = chance.sample(paths, each // 2)
        else:
            starts = [start * WIDE for start in chance.sample(range(base // WIDE), -(-each // 2 // WIDE))]
            replaced = [path for start in starts for path in paths[start : start + WIDE]][: each // 2]
        touch(layers[-1], [*replaced, *(f"data/mod{number:03}/{path}" for path in names(each - each // 2))])
    return layers


def plain_dict(layers: Sequence[Path]) -> dict[str, list[int]]:
    """What one would write instead: path -> layers, by os.walk."""
    found: dict[str, list[int]] = {}
    for number, root in enumerate(layers):
        skip = len(str(root)) + 1
        for folder, _, files in os.walk(root):
            prefix = folder[skip:] + "/" if len(folder) > skip else ""
            for name in files:
                found.setdefault(prefix + name, []).append(number)
    return found


def index_of(layers: Sequence[Path], case: Literal["exact", "fold"]) -> ProviderIndex:
    """The index."""
    return ProviderIndex.build([Layer(HostFs(path), path.name, case=case) for path in layers])


def held(make: Callable[[], object]) -> int:
    """Bytes that what is made holds, numpy's included."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return held


def building(layers: Sequence[Path], runs: int, *, wanted: bool) -> None:
    """Time and memory of an index of folders."""
    index = index_of(layers, "exact")
    plain = plain_dict(layers)
    assert sorted(plain) == sorted(index.keys())
    assert all([each.source_index for each in index.chain(path)] == plain[path] for path in random.Random(1).sample(sorted(plain), 2000))
    rows = sum(map(len, plain.values()))
    del index, plain

    def build(case: Literal["exact", "fold"]) -> None:
        index_of(layers, case)

    def walk() -> None:
        plain_dict(layers)

    ours = Side("oboromi_fs, exact", lambda: build("exact"))
    compare(ours, Side("a dict by os.walk", walk), runs=runs)
    compare(ours, Side("find of the same folders", lambda: command(["find", *map(str, layers)])), runs=runs)
    compare(Side("oboromi_fs, folding", lambda: build("fold")), ours, runs=runs)
    start = min(seconds(Side("", lambda: command([sys.executable, "-c", ""]))) for _ in range(20))
    best = min(seconds(ours) for _ in range(max(runs, 5)))
    million = best / rows * 1e6
    told = "   (wanted: under 2)" if wanted else ""
    print(f"  {million:.2f} s per million; {million * 0.020 / start:.2f} s where CPython starts in 20 ms{told}")


def memory(layers: Sequence[Path]) -> None:
    """What an index of folders holds."""
    plain = plain_dict(layers)
    rows, text = sum(map(len, plain.values())), sum(len(path.encode()) for path in plain)
    del plain
    ours, theirs = (held(make) - text for make in (lambda: index_of(layers, "exact"), lambda: plain_dict(layers)))
    print(f"  bytes an occurrence beyond the names: {ours / rows:.0f}   (wanted: under 200); the dict: {theirs / rows:.0f}")


def many(layers: int, each: int) -> None:
    """An index of lists at full size: time, memory and reports."""
    paths = names(each)
    print(f"Index of {layers} lists of {each} paths, a tenth of them a layer's own")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    index = ProviderIndex.from_lists(
        (
            (Source(f"mod{number}", "directory"), [*paths[: each * 9 // 10], *(f"own{number}/{path}" for path in paths[: each // 10])])
            for number in range(layers)
        ),
        case="exact",
    )
    taken = time.perf_counter() - start
    rows = len(index.state.rows)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    print(f"  {rows} occurrences of {len(index)} files: {taken / rows * 1e6:.2f} s per million")
    print(f"  the process grew by {grown / rows:.0f} bytes an occurrence at most, names included")
    reports: dict[str, Callable[[], object]] = {
        "contributions": lambda: contributions(index),
        "conflicts": lambda: conflicts(index),
        "another order": lambda: simulate(index, MoveAfter(0, 1)),
    }
    for name, report in reports.items():
        begun = time.perf_counter()
        report()
        print(f"  {name}: {time.perf_counter() - begun:.2f} s")


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--layers", type=int, default=100, help="lists of 200,000 paths at full size; 0 leaves them out")
    options = parser.parse_args()
    started = time.perf_counter()
    if options.layers:  # First, as memory that a process once had cannot be told from what it has.
        many(options.layers, 200_000)
    for base, mods, each, scattered in ((200_000, 20, 5_000, False), (200_000, 20, 5_000, True), (500_000, 30, 50_000, False)):
        with workspace() as work:
            layers = folders(work, base, mods, each, scattered=scattered)
            what = "files here and there" if scattered else "whole directories"
            print(f"Index of folders, listing included: {base} files under {mods} layers of {each}, which replace {what}")
            building(layers, options.runs, wanted=not scattered)
            memory(layers)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
