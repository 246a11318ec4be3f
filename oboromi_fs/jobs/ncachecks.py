"""What can be checked of an NCA: its name, its size, its signatures, and the hash trees and file systems of its sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import FsType
from oboromi_fs.backends.nca import has_metadata_hashes, metadata_tree
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.errors import IntegrityError, OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Status, Step, Task, count_of, failure, flatten, now, structure
from oboromi_fs.jobs.contentchecks import archive_steps, control_steps
from oboromi_fs.jobs.signatures import signatures
from oboromi_fs.jobs.treechecks import tree_step
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from oboromi_fs.backends.nca import Nca, NcaSection
    from oboromi_fs.protocols import Storage

__all__ = ["nca_steps", "romfs_step", "section_steps"]

_RUN = 8 << 20
"""Bytes a task decompresses: enough to drown its cost, little enough that two cores end together."""


def nca_steps(label: str, nca: Nca, name: str, state: State) -> list[Step]:
    """Return the checks of an NCA: its name, its size, its signatures, and every section.

    Args:
        label: What to call it.
        nca: The NCA.
        name: Its file name; ``""`` where it has none.
        state: What the tasks share.
    """
    steps: list[Step] = [now(Check(label, "NCA0", "note", "support is experimental"))] if nca.is_nca0 else []
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
    """Return the checks of a section: its FS header, its hash trees, what is compressed in it, and the tables of its file system."""
    if section.fault is not None:
        return [now(failure(label, "FS header hash", section.fault))]
    steps = [now(_fs_header(label, section))]
    if has_metadata_hashes(section):
        try:
            steps.append(tree_step(label, metadata_tree(section), state, file=section.nca.raw, check="metadata hashes"))
        except OboromiFsError as wrong:
            steps.append(now(failure(label, "metadata hashes", wrong)))
    try:
        whole, ranges = section.in_parts()
        tree = section.hash_layer(check=False, over=whole)
    except OboromiFsError as wrong:
        return [*steps, now(failure(label, "hash tree", wrong))]
    missing = _missing(section) if ranges != [(0, whole.size)] else ""
    if tree is None:
        steps.append(now(Check(label, "hash tree", "note", "the section has no hashes")))
    else:
        steps.append(tree_step(label, tree, state, file=section.nca.raw, ranges=ranges if missing else None, missing=missing))
    steps.append(Step([], lambda _: [Check(label, "keys", "note", note) for note in section.notes]))
    if missing and section.is_patch:
        try:
            section.decrypted()
        except OboromiFsError as wrong:  # It says what is missing.
            return [*steps, now(failure(label, "base", wrong))]
    if missing:
        return steps
    try:
        image = section.image()
        fs = RomFs(image) if section.header.fs_type == FsType.ROMFS else NspArchive(image)
    except IntegrityError:  # The tree has said so already.
        return steps
    except OboromiFsError as wrong:
        return [*steps, now(failure(label, "file system", wrong))]
    if section.is_compressed:
        steps.append(_compressed(label, image, state))
    if isinstance(fs, RomFs):
        return [*steps, romfs_step(label, fs, state), *control_steps(label, section, fs)]
    return [*steps, now(structure(label, fs)), *archive_steps(label, section, fs, state)]


def _fs_header(label: str, section: NcaSection) -> Check:
    if any(section.nca.header.fs_header_hashes[section.index]):
        return Check(label, "FS header hash", "ok", size=0x200)
    return Check(label, "FS header hash", "note", "there is none")


def _missing(section: NcaSection) -> str:
    if section.is_patch:
        return f"they take bytes of the base, {section.nca.header.program_id & ~0x800:016x}, which was not given"
    return "they were taken out of this base, for its update to bring"


def _compressed(label: str, image: Storage, state: State) -> Step:
    """The step that decompresses everything once, in runs."""
    state.total += image.size

    def run(start: int) -> Task:
        def task() -> list[Check]:
            buffer = bytearray(min(_RUN, image.size - start))
            try:
                image.readinto_at(start, buffer)
            except OboromiFsError as wrong:
                return [failure(label, "compressed blocks", wrong)]
            state.advance(len(buffer), label)
            return []

        return task

    def finish(results: list[list[Check] | bytes]) -> list[Check]:
        return flatten(results)[:SHOWN] or [Check(label, "compressed blocks", "ok", size=image.size)]

    return Step([run(start) for start in range(0, image.size, _RUN)], finish)


def romfs_step(label: str, fs: RomFs, state: State) -> Step:
    """Return the step that reads every entry of a RomFS."""

    def task() -> list[Check]:
        files = directories = 0
        odd: list[str] = []
        state.advance(0, label)
        try:
            files = sum(1 for _ in fs.extents())
            for path, entry in fs.walk():
                directories += entry.kind == "directory"
                if not addressable(entry.name):
                    odd.append(path)
        except OboromiFsError as wrong:
            return [failure(label, "RomFS tables", wrong)]
        if odd:
            found = [Check(join(label, path), "name", "failed", "is no name a path can hold; not looked into") for path in odd[:SHOWN]]
            more = [Check(label, "name", "failed", f"and {len(odd) - SHOWN} more that no path can hold")] if len(odd) > SHOWN else []
            return [*found, *more]
        return [Check(label, "RomFS tables", "ok", f"{count_of(files, 'file')}, {count_of(directories, 'directory', 'directories')}")]

    return Step([task], flatten)
