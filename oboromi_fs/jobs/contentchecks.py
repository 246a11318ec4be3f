"""What can be checked of the contents of NCAs: programs, control data and content meta, by themselves and against the NCA's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_formats.nca import ContentType
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.checks import Check, State, Step, failure, now
from oboromi_fs.jobs.filechecks import file_steps, icon_check, metadata_checks
from oboromi_fs.jobs.titleids import said_by_both
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from oboromi_fs.backends.nca import NcaSection
    from oboromi_fs.backends.nsp import NspArchive
    from oboromi_fs.backends.romfs import RomFs

__all__ = ["archive_steps", "control_steps"]

_PROGRAM = "main.npdm"
_CONTROL = "control.nacp"


def archive_steps(label: str, section: NcaSection, archive: NspArchive, state: State) -> list[Step]:
    """Return the checks of what lies in a PFS0 section: a program's files, or a content meta.

    Args:
        label: What to call the section.
        section: The section.
        archive: The archive in it.
        state: What the tasks share.
    """
    kind = section.nca.header.content_type
    if kind == ContentType.PROGRAM and section.name == "exefs":
        return _exefs(label, section, archive, state)
    if kind == ContentType.META:
        return _meta(label, archive)
    return []


def _exefs(label: str, section: NcaSection, archive: NspArchive, state: State) -> list[Step]:
    from oboromi_fs.metadata.npdm import Npdm

    steps: list[Step] = []
    if _PROGRAM not in archive.members:
        steps.append(now(Check(label, "NPDM", "note", f"there is no {_PROGRAM}: no console runs it")))
    for name in archive.members:
        if not addressable(name):  # The planner of an archive tells so; a section's does not look into names.
            steps.append(now(Check(join(label, "?"), "name", "failed", "is no name a path can hold; not looked into")))
            continue
        below = join(label, name)
        try:
            storage = archive.storage(name)
        except OboromiFsError as wrong:
            steps.append(now(failure(below, "format", wrong)))
            continue
        if name != _PROGRAM:
            steps += file_steps(below, name, storage, state)
            continue
        value, checks = metadata_checks(below, name, storage)
        program_id = section.nca.header.program_id
        if isinstance(value, Npdm):
            mine = value.aci0.program_id
            if not said_by_both(mine, program_id):
                checks.append(Check(below, "NPDM", "failed", f"is for program {mine:016x}, the NCA's header says {program_id:016x}"))
        steps.append(now(*checks))
    return steps


def _meta(label: str, archive: NspArchive) -> list[Step]:
    steps: list[Step] = []
    names = [name for name in archive.members if name.lower().endswith(".cnmt") and addressable(name)]
    for name in names:
        below = join(label, name)
        try:
            value, checks = metadata_checks(below, name, archive.storage(name))
        except OboromiFsError as wrong:
            steps.append(now(failure(below, "CNMT", wrong)))
            continue
        expected = getattr(value, "file_name", name)
        if expected.lower() != name.lower():
            checks.append(Check(below, "CNMT", "note", f"is called so, and says it is {expected}"))
        steps.append(now(*checks))
    if len(names) != 1:
        steps.append(now(Check(label, "CNMT", "failed", f"a Meta NCA holds one content meta, this one {len(names)}")))
    return steps


def control_steps(label: str, section: NcaSection, fs: RomFs) -> list[Step]:
    """Return the checks of control data: the NACP, and the icons that belong to it. None for a section of another NCA.

    Args:
        label: What to call the section.
        section: The section.
        fs: What is in it.
    """
    if section.nca.header.content_type != ContentType.CONTROL:
        return []
    from oboromi_fs.metadata.icon import icon_name, icons
    from oboromi_fs.metadata.nacp import Nacp
    from oboromi_fs.metadata.titles import LANGUAGES

    below = join(label, _CONTROL)
    try:
        if not fs.exists(_CONTROL):
            return [now(Check(label, "NACP", "note", f"there is no {_CONTROL}: nothing says what the title is called"))]
        value, checks = metadata_checks(below, _CONTROL, fs.storage(_CONTROL))
        found = icons(fs)
    except OboromiFsError as wrong:
        return [now(failure(below, "NACP", wrong))]
    checks += [icon_check(join(label, icon_name(language)), storage) for language, storage in found.items()]
    if isinstance(value, Nacp):
        lacking = [name for number, name in enumerate(LANGUAGES) if value.supported_languages >> number & 1 and name not in found]
        if lacking:
            checks.append(Check(label, "icon", "note", f"there is none in {', '.join(lacking)}, which it supports"))
    return [now(*checks)]
