"""What can be checked of an NCA: its name, its size, its signatures, and the hash trees and file systems of its sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import FsType
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import IntegrityError, OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Status, Step, Task, count_of, failure, flatten, now, structure
from oboromi_fs.jobs.signatures import signatures
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from oboromi_fs.backends.nca import Nca, NcaSection
    from oboromi_fs.storage.hashed import HashLevel, HashTreeStorage

__all__ = ["nca_steps", "romfs_step", "section_steps"]

_RUN = 8 << 20
"""Bytes a task hashes: enough to drown its cost, little enough that two cores end together."""


def nca_steps(label: str, nca: Nca, name: str, state: State) -> list[Step]:
    """Return the checks of an NCA: its name, its size, its signatures, and every section.

    Args:
        label: What to call it.
        nca: The NCA.
        name: Its file name; ``""`` where it has none.
        state: What the tasks share.
    """
    steps: list[Step] = []
    stem = name.lower().partition(".")[0]
    if len(stem) == 32 and all(char in "0123456789abcdef" for char in stem):
        steps.append(_name(label, nca, stem, state))
    if nca.header.content_size != nca.raw.size:
        status: Status = "failed" if nca.header.content_size > nca.raw.size else "note"
        detail = f"the header says {nca.header.content_size:#x} bytes, the file has {nca.raw.size:#x}"
        steps.append(now(Check(label, "NCA size", status, detail)))
    steps.append(now(*signatures(label, nca)))
    for section in nca.sections.values():
        steps += section_steps(join(label, section.name), section, state)
    return steps


def _name(label: str, nca: Nca, stem: str, state: State) -> Step:
    digest = state.digest(label, nca.raw)

    def finish(results: list[list[Check] | bytes]) -> list[Check]:
        (got,) = results
        if isinstance(got, list):
            return got
        good = got[:16].hex() == stem
        detail = "" if good else f"the file's hash begins {got[:16].hex()}: it was changed, or renamed"
        return [Check(label, "NCA name", "ok" if good else "failed", detail, size=digest.size)]

    return Step([digest.run], finish)


def section_steps(label: str, section: NcaSection, state: State) -> list[Step]:
    """Return the checks of a section: its FS header, its hash tree, and the tables of its file system."""
    if section.fault is not None:
        return [now(failure(label, "FS header hash", section.fault))]
    steps = [now(Check(label, "FS header hash", "ok", size=0x200))]
    try:
        tree = section.hash_layer(check=False)
    except OboromiFsError as wrong:
        return [*steps, now(failure(label, "hash tree", wrong))]
    if tree is None:
        steps.append(now(Check(label, "hash tree", "note", "the section has no hashes")))
    else:
        steps.append(_tree(label, section, tree, state))
    try:
        image = section.image()
        fs = RomFs(image) if section.header.fs_type == FsType.ROMFS else NspArchive(image)
    except IntegrityError:  # The tree has said so already.
        return steps
    except OboromiFsError as wrong:
        return [*steps, now(failure(label, "file system", wrong))]
    if isinstance(fs, RomFs):
        return [*steps, romfs_step(label, fs, state)]
    return [*steps, now(structure(label, fs))]


def _tree(label: str, section: NcaSection, tree: HashTreeStorage, state: State) -> Step:
    tasks: list[Task] = []
    blocks = 0
    for level in tree.levels():
        per_task = max(1, _RUN // level.block_size)
        state.total += level.size
        blocks += level.block_count
        tasks += [
            _blocks(label, tree, level, range(first, min(first + per_task, level.block_count)), state)
            for first in range(0, level.block_count, per_task)
        ]

    def finish(results: list[list[Check] | bytes]) -> list[Check]:
        bad = flatten(results)
        notes = [Check(label, "keys", "note", note) for note in section.notes]
        if bad:
            shown = bad[:SHOWN]
            if len(bad) > len(shown):
                shown.append(Check(label, "hash tree", "failed", f"and {len(bad) - len(shown)} more bad blocks"))
            return shown + notes
        levels = tree.levels()
        detail = f"{len(levels)} levels, {blocks} blocks"
        return [Check(label, "hash tree", "ok", detail, size=sum(level.size for level in levels)), *notes]

    return Step(tasks, finish)


def _blocks(label: str, tree: HashTreeStorage, level: HashLevel, blocks: range, state: State) -> Task:
    def task() -> list[Check]:
        state.advance(0, label)
        low, high = level.span(blocks.start, blocks.stop)
        try:
            bad = tree.verify_range(level.number, blocks.start, len(blocks))
        except OboromiFsError as wrong:
            return [failure(label, "hash tree", wrong)]
        state.advance(high - low, label)
        return [
            Check(
                label,
                "hash tree",
                "failed",
                f"level {level.number}, block {block} does not match its hash",
                tree.section.place(min(level.offset + level.span(block, block)[0], tree.section.size)).offset,
                level.block_size,
            )
            for block in bad
        ]

    return task


def romfs_step(label: str, fs: RomFs, state: State) -> Step:
    """Return the step that reads every entry of a RomFS."""

    def task() -> list[Check]:
        files = directories = 0
        state.advance(0, label)
        try:
            files = sum(1 for _ in fs.extents())
            directories = sum(1 for _, entry in fs.walk() if entry.kind == "directory")
        except OboromiFsError as wrong:
            return [failure(label, "RomFS tables", wrong)]
        return [Check(label, "RomFS tables", "ok", f"{count_of(files, 'file')}, {count_of(directories, 'directory', 'directories')}")]

    return Step([task], flatten)
