"""Building: an NCA from a folder, hashed, encrypted and named, against ``sha256sum`` of the same bytes on all cores.

``python benchmarks/bench_building_nca.py`` makes its data in memory, runs both sides in turn and prints the ratio.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from side_by_side import Side, command, compare, peak_anonymous, workspace

from oboromi_formats.nca import Encryption
from oboromi_fs import HostFs, KeySet
from oboromi_fs.builders.nca import build_nca, nca_layout
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import locate

if TYPE_CHECKING:
    from pathlib import Path

TITLE = 0x0100000000001000
KEYS = KeySet({"header_key": bytes(range(32)), "key_area_key_application_00": bytes(range(16))})
CIPHERS = {"ctr": Encryption.AES_CTR, "xts": Encryption.AES_XTS, "none": Encryption.NONE}


def fill(path: Path, size: int) -> None:
    """Bytes that neither compress nor repeat, quickly."""
    from Crypto.Cipher import AES

    stream = AES.new(hashlib.sha256(path.name.encode()).digest()[:16], AES.MODE_CTR, nonce=bytes(8))
    with path.open("wb") as out:
        for start in range(0, size, 1 << 20):
            out.write(stream.encrypt(bytes(min(1 << 20, size - start))))


def build(folder: str, target: str, cipher: str) -> None:
    """What is timed: a data NCA whose RomFS is a folder."""
    layout = nca_layout("data", TITLE, encryption=CIPHERS[cipher])
    build_nca(target, layout, {"romfs": build_romfs(HostFs(folder))}, KEYS)


def check(target: Path) -> None:
    """The verifier has nothing to say against it."""
    bad = [each for each in verify(locate(str(target), KEYS)) if each.status in ("failed", "skipped")]
    if bad:
        sys.exit(f"the NCA is not right: {bad[0]}")


def measure(work: Path, size: int, runs: int, cipher: str) -> None:
    """Both sides, and the memory of ours."""
    cores = os.cpu_count() or 1
    folder, target = work / "romfs", work / "built.nca"
    folder.mkdir(exist_ok=True)
    parts = [folder / f"part{number}.bin" for number in range(cores)]
    for part in parts:
        if not part.exists():
            fill(part, size // cores)
    words = [sys.executable, __file__, "--build", str(folder), str(target), "--cipher", cipher]

    def sums() -> None:
        running = [subprocess.Popen(["sha256sum", part], stdout=subprocess.DEVNULL) for part in parts]
        for child in running:
            child.wait()

    def fresh() -> None:
        target.unlink(missing_ok=True)

    print(f"an NCA ({cipher}) of {size >> 20} MiB from a folder of {cores} files")
    compare(
        Side("build_nca", lambda: command(words), fresh),
        Side(f"sha256sum of the {cores} files at once", sums),
        runs=runs,
        wanted="0.5",
    )
    fresh()
    print(f"  peak anonymous memory: {peak_anonymous(words) / 1e6:.0f} MB")
    check(target)
    fresh()


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096, help="size of the data, in MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cipher", choices=CIPHERS, default="ctr")
    parser.add_argument("--build", nargs=2, metavar=("FOLDER", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        folder, target = options.build
        build(folder, target, options.cipher)
        return
    started = time.perf_counter()
    with workspace() as work:
        measure(work, options.size << 20, options.runs, options.cipher)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
