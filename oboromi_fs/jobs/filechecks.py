"""What can be checked of metadata and executables: whether they can be read, agree with themselves, and have the hashes they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import FormatError, NotThisFormatError, OboromiFsError
from oboromi_fs.jobs.checks import SHOWN, Check, State, Status, Step, count_of, failure, flatten, now
from oboromi_fs.jobs.describe_executables import executable_kind
from oboromi_fs.jobs.describe_metadata import reader_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from oboromi_fs.executables import Kip, Nro, Nso, Segment
    from oboromi_fs.metadata import Metadata
    from oboromi_fs.metadata.plausibility import Finding
    from oboromi_fs.protocols import Storage

__all__ = ["file_steps", "finding_checks", "icon_check", "metadata_checks", "nro_steps"]


def file_steps(label: str, name: str, storage: Storage, state: State) -> list[Step]:
    """Return the checks of a file that is metadata or an executable; none for another.

    Args:
        label: What to call it.
        name: Its name.
        storage: Its bytes.
        state: What the tasks share.
    """
    try:
        kind = executable_kind(storage)
    except OboromiFsError as wrong:
        return [now(failure(label, "format", wrong))]
    if kind is not None:
        return _executable(label, kind, storage, state)
    checks = metadata_checks(label, name, storage)[1]
    return [now(*checks)] if checks else []


# Metadata


def metadata_checks(label: str, name: str, storage: Storage) -> tuple[Metadata | None, list[Check]]:
    """Read a metadata file and check it; nothing of another.

    Returns:
        What it says, None if it is none or damaged; and the checks.
    """
    try:
        found = reader_of(name, storage[:4].tobytes())
        if found is None:
            return None, []
        what = found[1].format
        value: Metadata = found[1].read(storage)
    except OboromiFsError as wrong:
        kind = reader_of(name)
        return None, [failure(label, kind[1].format if kind else "format", wrong)]
    return value, metadata_findings(label, what, value, storage.size)


def metadata_findings(label: str, what: str, value: Metadata, size: int) -> list[Check]:
    """Return what is to be said of metadata: each finding, or that there is none."""
    from oboromi_fs.metadata.plausibility import findings

    found = findings(value)
    checks = finding_checks(label, what, found)
    if not any(each.is_wrong for each in found):
        checks.insert(0, Check(label, what, "ok", _in_words(value), size=size))
    return checks


def _in_words(value: Any) -> str:
    """What metadata are of, in a few words."""
    kind = value.format
    if kind == "NACP":
        title = value.title()
        name = title.name if title is not None else "without a name"
        return f"{name} {value.display_version}".rstrip()
    if kind == "NPDM":
        return f"program {value.aci0.program_id:016x}"
    if kind == "CNMT":
        return f"{value.title_id:016x} v{value.version}, {count_of(len(value.contents), 'content')}"
    if kind == "ticket":
        return f"{'personal' if value.key_type else 'common'}, of {value.rights_id.hex()}"
    return count_of(len(value.certificates), "certificate")


def finding_checks(label: str, what: str, found: Iterable[Finding]) -> list[Check]:
    """Return findings as checks, the first of them one by one."""
    checks = [Check(label, what, "failed" if each.is_wrong else "note", each.text) for each in found]
    if len(checks) > SHOWN:
        rest = checks[SHOWN:]
        status: Status = "failed" if any(each.status == "failed" for each in rest) else "note"
        checks[SHOWN:] = [Check(label, what, status, f"and {len(rest)} more of the kind")]
    return checks


def icon_check(label: str, storage: Storage) -> Check:
    """Check that an icon is a JPEG of the size that is shown."""
    from oboromi_fs.metadata.icon import check_icon

    try:
        check_icon(storage, label)
    except FormatError as wrong:
        return Check(label, "icon", "note", wrong.problem)
    except OboromiFsError as wrong:
        return failure(label, "icon", wrong)
    return Check(label, "icon", "ok", size=storage.size)


# Executables


def _executable(label: str, kind: str, storage: Storage, state: State) -> list[Step]:
    from oboromi_fs.executables import Ini, Kip, Nro, Nso

    try:
        if kind == "nso":
            return _nso(label, Nso(storage), state)
        if kind == "nro":
            return nro_steps(label, Nro(storage), state)
        if kind == "kip":
            return _kip(label, Kip(storage), state)
        ini = Ini(storage)
    except OboromiFsError as wrong:
        return [now(failure(label, "INI1 programs" if kind == "ini1" else f"{kind.upper()} layout", wrong))]
    steps = [now(Check(label, "INI1 programs", "ok", count_of(len(ini.kips), "program"), size=ini.header.size))]
    for number, kip in enumerate(ini.kips):
        steps += _kip(f"{label} {number}", kip, state)
    return steps


def _layout(label: str, kind: str, problems: list[str], size: int) -> Step:
    if not problems:
        return now(Check(label, f"{kind} layout", "ok", size=size))
    checks = [Check(label, f"{kind} layout", "failed", problem) for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        checks.append(Check(label, f"{kind} layout", "failed", f"and {len(problems) - SHOWN} more of the kind"))
    return now(*checks)


def _nso(label: str, module: Nso, state: State) -> list[Step]:
    steps = [_layout(label, "NSO", module.problems, module.raw.size)]
    return steps + [_segment(label, "NSO segment hash", module, each, state) for each in module.segments]


def _segment(label: str, what: str, module: Nso | Kip, segment: Segment, state: State) -> Step:
    """The step that decompresses a segment, and checks its hash if it has one."""
    state.total += segment.file_size
    name = segment.name

    def task() -> list[Check]:
        state.advance(0, label)
        try:
            good = _hash_matches(module, segment)
        except OboromiFsError as wrong:
            return [failure(label, what, wrong)]
        state.advance(segment.file_size, label)
        if good is None:
            return [Check(label, what, "note", f"{name} has no hash; it can be read", size=segment.file_size)]
        detail = name if good else f"{name} does not have the hash of the header"
        place = None if good else module.raw.place(min(segment.file_offset, module.raw.size)).offset
        return [Check(label, what, "ok" if good else "failed", detail, place, segment.file_size)]

    return Step([task], flatten)


def _hash_matches(module: Nso | Kip, segment: Segment) -> bool | None:
    """Whether a segment has its hash; None if it has none, and can be read; the program is opened anew, so that nothing is kept."""
    again = type(module)(module.raw)
    found = getattr(again, "hash_matches", None)
    good: bool | None = found(segment.name) if found is not None else None
    if good is None:
        again.segment(segment.name)[:1]
    return good


def _kip(label: str, kip: Kip, state: State) -> list[Step]:
    state.total += kip.size

    def task() -> list[Check]:
        state.advance(0, label)
        checks = []
        for each in kip.segments:
            try:
                kip.segment(each.name)[:1]
            except OboromiFsError as wrong:
                checks.append(failure(label, "KIP segments", wrong))
        state.advance(kip.size, label)
        return checks or [Check(label, "KIP segments", "ok", f"{kip.name}: they decompress to what the header says", size=kip.size)]

    return [_layout(label, "KIP", kip.problems, kip.size), Step([task], flatten)]


def nro_steps(label: str, nro: Nro, state: State) -> list[Step]:
    """Return the checks of an NRO and of its assets."""
    from oboromi_fs.backends.romfs import RomFs
    from oboromi_fs.jobs.ncachecks import romfs_step
    from oboromi_fs.paths import join

    steps = [_layout(label, "NRO", nro.problems, nro.header.size)]
    for asset in nro.assets.values():
        try:
            storage = nro.open_asset(asset)
            if asset.name == "romfs":
                steps.append(romfs_step(join(label, "romfs"), RomFs(storage), state))
            elif asset.name == "nacp":
                steps.append(now(*metadata_checks(join(label, "control.nacp"), "control.nacp", storage)[1]))
            else:
                steps.append(now(icon_check(join(label, "icon.jpg"), storage)))
        except NotThisFormatError as wrong:
            steps.append(now(Check(label, "NRO assets", "failed", f"{asset.name}: {wrong.problem}")))
        except OboromiFsError as wrong:
            steps.append(now(failure(label, "NRO assets", wrong)))
    return steps
