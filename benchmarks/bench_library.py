"""``library`` over a thousand dumps: the first look, the next one, and what of each file was read.

The first look is put beside positional reads of the very bytes that it reads, once by ``dd``, a process for each run of bytes as a script
would have it, and once in one process of Python, which is the floor: opening, reading and closing, and nothing made of what was read. The
same with the files out of the page cache, where there is a disk to tell.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from side_by_side import Side, compare, workspace

from oboromi_fs._forge import (
    ContentType,
    FsType,
    Section,
    made_up_bytes,
    made_up_keys,
    nacp,
    nca,
    nca_name,
    nsp,
    pfs0,
    rights_id,
    romfs,
    ticket,
)
from oboromi_fs._forge.metadata import ContentRecord, cnmt, cnmt_name
from oboromi_fs.keys import KeySet
from oboromi_fs.library import Catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = 1000
_KEYS = made_up_keys()
Reads = dict[str, list[tuple[int, int]]]


def forge(number: int) -> bytes:
    """One NSP as shops hand them out: a program, a control archive with an icon, a content meta, a ticket."""
    title = 0x0100_0000_0000_0000 + number * 0x2000
    options: dict[str, Any] = {"keys": _KEYS, "program_id": title, "key_generation": 5}
    exefs = pfs0({"main": made_up_bytes(f"main {number}", 0x2000), "main.npdm": bytes(0x400)})
    program = nca([Section(exefs, FsType.PARTITION)], content_type=ContentType.PROGRAM, **options)
    files = {
        "control.nacp": nacp(f"Game {number}", "Nobody", title_id=title, languages=range(16)),
        "icon_AmericanEnglish.dat": bytes(0x10000),
    }
    control = nca([Section(romfs(files), FsType.ROMFS)], content_type=ContentType.CONTROL, **options)
    records = [ContentRecord.of(program, 1), ContentRecord.of(control, 3)]
    meta = nca([Section(pfs0({cnmt_name(title): cnmt(title, records)}), FsType.PARTITION)], content_type=ContentType.META, **options)
    ncas = {nca_name(program): program, nca_name(control): control, nca_name(meta, ContentType.META): meta}
    return nsp(ncas, [ticket(rights_id(title, 5), made_up_bytes("title key"), 5)])


def counted(folder: Path, catalogue: Path) -> tuple[Reads, int]:
    """Look once, and count what is read of each file, and how many were opened."""
    names: dict[int, str] = {}
    reads: Reads = {}
    opened = 0
    real_open, real_read = os.open, os.preadv

    def open_(path: Any, *arguments: Any, **options: Any) -> int:
        nonlocal opened
        number = real_open(path, *arguments, **options)
        names[number] = os.fsdecode(path)
        opened += os.fsdecode(path).startswith(str(folder))
        return number

    def read(number: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
        done = real_read(number, buffers, offset, flags)
        reads.setdefault(names[number], []).append((offset, done))
        return done

    with (
        mock.patch.object(os, "open", open_),
        mock.patch.object(os, "preadv", read),
        Catalogue.open(catalogue, KeySet(_KEYS)) as found,
    ):
        found.update([folder], workers=1)
        titles = found.titles()
        assert len(titles) == FILES
        assert all(title.name().startswith("Game ") and not title.marks for title in titles)
    return reads, opened


def merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes as runs that do not touch, in order."""
    result: list[tuple[int, int]] = []
    for start, size in sorted(runs):
        if result and start <= sum(result[-1]):
            result[-1] = (result[-1][0], max(sum(result[-1]), start + size) - result[-1][0])
        else:
            result.append((start, size))
    return result


def main() -> None:
    """Forge a thousand NSPs, and look."""
    with workspace() as fast, tempfile.TemporaryDirectory(dir=".", prefix=".bench-library-") as slow:
        folder = fast / "dumps"
        folder.mkdir()
        for number in range(FILES):
            (folder / f"game{number:04}.nsp").write_bytes(forge(number))
        reads, opened = counted(folder, fast / "counted.sqlite")
        totals = [sum(size for _, size in runs) for runs in reads.values()]
        unique = {path: merged(runs) for path, runs in reads.items()}
        print(f"{FILES} NSPs of {sum(path.stat().st_size for path in folder.iterdir()) / FILES / 1024:.0f} KiB")
        print(f"  first look: {opened} files opened; read of each at most {max(totals)} bytes (wanted: under 65536)")
        again, opened = counted(folder, fast / "counted.sqlite")
        print(f"  second look: {opened} files opened, {sum(map(len, again.values()))} reads (wanted: 0, 0)")
        speeds(folder, fast, unique)
        speeds_of_a_disk(Path(slow), unique)


def library(folder: Path, catalogue: Path | None) -> None:
    """One look, in this process."""
    with Catalogue.open(catalogue, KeySet(_KEYS)) as found:
        found.update([folder])
        assert len(found.titles()) == FILES


def positional(unique: Reads) -> None:
    """Read the same bytes, and make nothing of them."""
    for path, runs in unique.items():
        number = os.open(path, os.O_RDONLY)
        for start, size in runs:
            os.pread(number, size, start)
        os.close(number)


def dd(unique: Reads) -> None:
    """Read the same bytes with a process for each run of them, as a script would have it."""
    for path, runs in unique.items():
        for start, size in runs:
            words = [
                "dd",
                f"if={path}",
                "of=/dev/null",
                "iflag=skip_bytes,count_bytes",
                f"skip={start}",
                f"count={size}",
                "bs=64K",
                "status=none",
            ]
            subprocess.run(words, check=True)


def speeds(folder: Path, fast: Path, unique: Reads) -> None:
    """Everything in memory: what the processor costs."""
    kept = fast / "kept.sqlite"
    some = dict(list(unique.items())[: FILES // 10])
    part = fast / "part"
    part.mkdir()
    for path in some:
        os.link(path, part / Path(path).name)

    def first() -> None:
        with Catalogue.open(kept, KeySet(_KEYS)) as found:
            found.update([part])

    def forget() -> None:
        kept.unlink(missing_ok=True)

    print(f"In memory, {len(some)} of them:")
    ours = Side("first look", first, forget)
    runs = sum(map(len, some.values())) / len(some)
    compare(ours, Side(f"dd of the same bytes, {runs:.0f} runs of them a file", lambda: dd(some)), runs=3, wanted=">= 0.5")
    whole = {path: [(0, max(sum(size for _, size in each), 1))] for path, each in some.items()}
    compare(ours, Side("dd of as many bytes, one run a file", lambda: dd(whole)), runs=3, wanted=">= 0.5")
    print(f"In memory, all {FILES}:")
    compare(
        Side("first look", lambda: library(folder, kept), forget), Side("os.pread of the same bytes", lambda: positional(unique)), runs=3
    )
    library(folder, kept)
    fresh = Side("first look", lambda: library(folder, fast / "fresh.sqlite"), lambda: (fast / "fresh.sqlite").unlink(missing_ok=True))
    compare(Side("second look", lambda: library(folder, kept)), fresh, runs=3)


def speeds_of_a_disk(slow: Path, unique: Reads) -> None:
    """Out of the page cache: what the disk costs. Which file system is below, and what it keeps, is for the reader to know."""
    if not hasattr(os, "posix_fadvise"):
        return
    there: Reads = {}
    for path, runs in unique.items():
        target = slow / Path(path).name
        target.write_bytes(Path(path).read_bytes())
        there[str(target)] = runs

    def drop() -> None:
        for path in there:
            number = os.open(path, os.O_RDONLY)
            os.fsync(number)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)

    print(f"Out of the page cache, all {FILES}:")
    ours = Side("first look", lambda: library(slow, None), drop)
    compare(ours, Side("os.pread of the same bytes", lambda: positional(there), drop), runs=3)


if __name__ == "__main__":
    main()
