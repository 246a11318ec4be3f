"""Reading: extracting, listing, telling and verifying, against the host's own tools on the same bytes.

``python benchmarks/bench_reading.py`` makes its data in memory, runs both sides in turn and prints the ratios.
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

from side_by_side import OBOROMI, Side, command, compare, peak_anonymous, workspace

from oboromi_fs import KeySet, open_fs
from oboromi_fs._forge import ContentType, FsType, Section, made_up_keys, romfs, write_keys, write_nca, write_nsp, write_romfs
from oboromi_fs.cli.demogame import demo_game

if TYPE_CHECKING:
    from pathlib import Path

TITLE = 0x0100000000001000


def random_file(path: Path, size: int) -> None:
    """Bytes that neither compress nor repeat."""
    source = random.Random(size)
    with path.open("wb") as out:
        for _ in range(size >> 20):
            out.write(source.randbytes(1 << 20))


def program_nsp(path: Path, image: bytes | os.PathLike[str], keys: dict[str, bytes]) -> str:
    """An NSP of one program NCA whose RomFS is ``image``, encrypted with AES-CTR; return the NCA's name."""
    nca = path.with_suffix(".building.nca")
    section = Section(image, FsType.ROMFS)
    written = write_nca(nca, [None, section], keys=keys, content_type=ContentType.PROGRAM, program_id=TITLE, key_generation=5)
    write_nsp(path, [(written.name, nca)])
    nca.unlink()
    return written.name


def tree_on_disk(folder: Path, files: dict[str, bytes]) -> None:
    """The same files as a host folder."""
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def fresh(folder: Path) -> None:
    """Make sure the target is not there."""
    if folder.is_dir():
        shutil.rmtree(folder)
    elif folder.exists():
        folder.unlink()


def large_file(work: Path, size: int, keys: dict[str, bytes], key_file: Path, runs: int) -> Path:
    """One large file out of an encrypted RomFS, and the verification of the NCA around it."""
    plain = work / "big.bin"
    random_file(plain, size)
    image = work / "image.romfs"
    write_romfs(image, [("big.bin", size, plain)])
    nsp = work / "big.nsp"
    name = program_nsp(nsp, image, keys)
    image.unlink()
    target, copy = work / "out", work / "copy.bin"
    words = [*OBOROMI, "--keys", str(key_file), "extract", f"{nsp}/@program/romfs", "-o", str(target)]
    print(f"a. extract {size >> 20} MiB from an AES-CTR RomFS inside an NSP")
    compare(
        Side("oboromi extract", lambda: command(words), lambda: fresh(target)),
        Side("cp of the same bytes", lambda: command(["cp", plain, copy]), lambda: fresh(copy)),
        runs=runs,
        wanted="0.7",
    )
    fresh(target)
    print(f"  peak anonymous memory: {peak_anonymous(words) / 1e6:.0f} MB   (wanted: 150)")
    if (target / "big.bin").read_bytes() != plain.read_bytes():
        sys.exit("the extracted file differs")
    fresh(target)
    fresh(copy)
    plain.unlink()
    nca = work / "big.nca"
    fs = open_fs(nsp)
    with nca.open("wb") as out:
        for chunk in fs.storage(name).window(0, 1 << 62).chunks(1 << 22):  # type: ignore[attr-defined]
            out.write(chunk)
    nsp.unlink()
    return nca


def verify_all(nca: Path, key_file: Path, runs: int) -> None:
    """Every hash level of a large NCA, against sha256sum on all cores."""
    cores = os.cpu_count() or 1
    parts = [nca.with_name(f"part{number}") for number in range(cores)]
    step = -(-nca.stat().st_size // cores)
    with nca.open("rb") as source:
        for part in parts:
            part.write_bytes(source.read(step))

    def sums() -> None:
        running = [subprocess.Popen(["sha256sum", part], stdout=subprocess.DEVNULL) for part in parts]
        for child in running:
            child.wait()

    print(f"e. verify a {nca.stat().st_size >> 20} MiB encrypted NCA, every hash level")
    compare(
        Side("oboromi verify", lambda: command([*OBOROMI, "--keys", str(key_file), "verify", str(nca)])),
        Side(f"sha256sum of it in {cores} parts at once", sums),
        runs=runs,
        wanted="0.7",
    )
    for part in parts:
        part.unlink()


def many_files(work: Path, count: int, keys: dict[str, bytes], key_file: Path, runs: int) -> None:
    """Many tiny files: extracting, listing, opening."""
    files = {f"d{number // 500:03}/file{number:06}.bin": b"%d" % number * (1 + number % 12) for number in range(count)}
    tree = work / "tree"
    tree_on_disk(tree, files)
    image = work / "many.romfs"
    image.write_bytes(romfs(files))
    nsp = work / "many.nsp"
    program_nsp(nsp, image, keys)
    target, copy = work / "out", work / "copy"
    print(f"b. extract a RomFS of {count} tiny files")
    compare(
        Side("oboromi extract", lambda: command([*OBOROMI, "extract", str(image), "-o", str(target)]), lambda: fresh(target)),
        Side("cp -r of the same tree", lambda: command(["cp", "-r", tree, copy]), lambda: fresh(copy)),
        runs=runs,
        wanted="0.6",
    )
    fresh(target)
    fresh(copy)
    print(f"c. list those {count} files, whole process (wanted: 0.5 s)")
    compare(
        Side("oboromi ls -R", lambda: command([*OBOROMI, "ls", "-R", str(image)])),
        Side("find of the same tree", lambda: command(["find", tree])),
        runs=runs,
    )
    inside = [*OBOROMI, "--keys", str(key_file), "ls", "-R", f"{nsp}/@program/romfs"]
    compare(
        Side("oboromi ls -R, encrypted in an NSP", lambda: command(inside)),
        Side("find of the same tree", lambda: command(["find", tree])),
        runs=runs,
    )
    shutil.rmtree(tree)
    small = work / "few.nsp"
    few = dict(list(files.items())[:10])
    program_nsp(small, romfs(few), keys)
    print(f"O(1) open: mount NSP, NCA, RomFS and read one file, {count} files against 10 (wanted: at most 1.5 times)")
    key_set = KeySet.of(key_file)
    path = list(few)[7]

    def read_one(archive: Path) -> None:
        for _ in range(50):
            with open_fs(archive, key_set) as fs:
                if fs.read_bytes(f"@program/romfs/{path}") != files[path]:
                    sys.exit("wrong bytes")

    ratio = compare(Side("10 files, 50 times", lambda: read_one(small)), Side(f"{count} files, 50 times", lambda: read_one(nsp)), runs=runs)
    print(f"  {count} files take {ratio:.2f} times what 10 take")


def small_nsp(work: Path, runs: int) -> None:
    """What a start costs."""
    folder = work / "demo"
    folder.mkdir()
    game = demo_game(folder)
    print("d. oboromi info of a small NSP, whole process (wanted: at most 12 times)")
    ratio = compare(
        Side("oboromi info", lambda: command([*OBOROMI, "--keys", str(game.keys), "info", str(game.nsp)])),
        Side("python -c pass", lambda: command([sys.executable, "-c", "pass"])),
        runs=max(runs, 15),
    )
    print(f"  info takes {1 / ratio:.1f} times as long as python -c pass")


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="size of the large file, in MiB")
    parser.add_argument("--files", type=int, default=200_000, help="number of tiny files")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    started = time.perf_counter()
    keys = made_up_keys("benchmark")
    with workspace() as work:
        key_file = work / "prod.keys"
        write_keys(key_file, keys)
        small_nsp(work, options.runs)
        nca = large_file(work, options.size << 20, keys, key_file, options.runs)
        verify_all(nca, key_file, options.runs)
        nca.unlink()
        many_files(work, options.files, keys, key_file, options.runs)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
