"""Updates: reading a patched section beside a plain encrypted one, and making a patch of two large images.

``python benchmarks/bench_patches.py`` makes a base and a new version with insertions, moves and changes in memory, builds the update, and
prints how fast the patched section is read through compared with the same image in a plain NCA, and what making the patch took.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from side_by_side import Side, compare, watched_memory, workspace

from oboromi_fs import File, KeySet, Nca
from oboromi_fs.builders.nca import NcaBuilder, nca_layout, patch_section

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.protocols import Storage

PROGRAM = 0x0100ABCDEF000000
KEYS = KeySet({"header_key": bytes(range(32)), "key_area_key_application_00": bytes(range(16))})
PIECE = 1 << 20
READ = 16 << 20


def make(path: Path, size: int) -> File:
    """A file of noise."""
    source = random.Random(1)
    with path.open("wb") as file:
        for _ in range(size // PIECE):
            file.write(source.randbytes(PIECE))
    return File.open(path)


def changed(base: File, path: Path, changes: int) -> File:
    """A new version: pieces of the base in another order here and there, bytes inserted, bytes changed."""
    source = random.Random(2)
    step = base.size // changes
    with path.open("wb") as file:
        for number in range(changes):
            start = number * step
            if number % 7 == 3:
                start = source.randrange(base.size - step)
            file.write(source.randbytes(source.randrange(1, 3000)))
            file.write(base[start : start + step - source.randrange(1, 100)])
    return File.open(path)


def write(path: Path, image: Storage, base: Nca | None = None) -> tuple[Nca, float]:
    """An NCA with an image; an update of a base, where there is one. Also how long matching and building took."""
    layout = nca_layout("program", PROGRAM | (0x800 if base else 0), key_area=bytes(range(0x40)))
    start = time.perf_counter()
    body = image
    if base is not None:
        section = layout.sections[1]
        assert section is not None
        patch = patch_section(base.section("romfs").decrypted(), section, image)
        layout = replace(layout, sections=(layout.sections[0], patch.layout, *layout.sections[2:]))
        body = patch.body
        print(f"patch: {patch.new} of {patch.size} bytes are new, {patch.entries} entries")
    NcaBuilder(layout, {"romfs": body}, KEYS).write(path)
    return Nca(File.open(path), KEYS, base=base), time.perf_counter() - start


def read(storage: Storage) -> None:
    """Read everything in order."""
    buffer = memoryview(bytearray(READ))
    for start in range(0, storage.size, READ):
        storage.readinto_at(start, buffer)


def main() -> None:
    """Make the images, build, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the base")
    parser.add_argument("--changes", type=int, default=2000, help="places where the new version differs")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with workspace() as folder:
        base_image = make(folder / "base", options.size << 20)
        new_image = changed(base_image, folder / "new", options.changes)
        base, _ = write(folder / "base.nca", base_image)
        plain, _ = write(folder / "plain.nca", new_image)
        with watched_memory() as peak:
            before = peak[0]
            update, seconds = write(folder / "update.nca", new_image, base)
        print(f"patch of two images of {options.size} MiB: {seconds:.1f} s, {peak[0] >> 20} MiB of memory at most ({before >> 20} before)")
        patched, whole = update.section("romfs").decrypted(), plain.section("romfs").decrypted()
        compare(Side("patched", lambda: read(patched)), Side("plain", lambda: read(whole)), runs=options.runs, wanted="at least 0.6")


if __name__ == "__main__":
    main()
