"""Patching an executable file, and making the patch that turns one version of it into another."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError, OboromiFsError
from oboromi_fs.jobs.naming import Named
from oboromi_fs.patches.applying import apply_patch
from oboromi_fs.patches.buildids import build_id_of, build_problem, name_problem, shown, stem
from oboromi_fs.patches.ips import encode_ips, is_ips, parse_ips
from oboromi_fs.patches.making import make_records
from oboromi_fs.patches.modules import compressed_again, module_of, patched_module
from oboromi_fs.patches.pchtxt import encode_pchtxt, parse_pchtxt
from oboromi_fs.patches.values import MAX_RECORDS
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.opening import Location
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.patches.modules import Module
    from oboromi_fs.patches.values import Patch, Record
    from oboromi_fs.protocols import Storage

__all__ = ["Made", "Passed", "PatchFile", "PatchPlan", "Used", "executable_in", "make_patch", "patch_files", "plan_patches", "read_patch"]

_MOST_TEXT = 64 << 20
"""Bytes of a pchtxt; more is refused."""
_IPS = ".ips"
_ENDINGS = (_IPS, ".pchtxt")
_LEAST_DIGITS = 16
"""Digits from which on the name of an IPS is a build id where the file has none; ``cafe.ips`` may be for a file of any kind."""
_ROOMS = ("main", "exefs/main", "@program/exefs/main")
"""Where a container has its main executable: an ExeFS, an NCA, a package."""
_DEPTH = 32
"""Levels of folders in which patches are looked for."""
_OF_LAYOUT = ("flags", "module_name_offset", "module_name_size", "compressed_sizes", "hashes")
"""What the headers of two NSOs may differ in though the modules are the same."""


class PatchFile(NamedTuple):
    """A file that holds a patch. ``chosen`` is false for one that was found in a folder, where others may lie as well."""

    name: str
    storage: Storage
    chosen: bool = True


class Used(NamedTuple):
    """A patch that is applied: the records as they land, and what was cut or left out."""

    name: str
    patch: Patch
    records: tuple[Record, ...]
    remarks: tuple[str, ...]


class Passed(NamedTuple):
    """A patch that is not applied, and why.

    Attributes:
        name: What its user calls it.
        reason: Why.
        fatal: Whether nothing must be written for its sake.
        other: Whether it is for another module, and could be forced; else it does not fit.
    """

    name: str
    reason: str
    fatal: bool
    other: bool = True


@dataclass(slots=True)
class PatchPlan:
    """What patches do to a file.

    Attributes:
        module: What the file is.
        used: The patches that are applied, in order.
        passed: Those that are not.
    """

    module: Module
    used: list[Used] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        """What is written, in order: of two records that write one byte, the later wins."""
        return [record for used in self.used for record in used.records]

    @property
    def refused(self) -> list[Passed]:
        """The patches for whose sake nothing must be written."""
        return [each for each in self.passed if each.fatal]

    def storage(self, *, compress: bool = True) -> Storage:
        """Return the patched file. Nothing but the header is read before the result is.

        Args:
            compress: Compress those segments of an NSO that were; all are read for that. Else it is uncompressed, as patches see it.

        Raises:
            UnsupportedError: The package ``lz4`` is not installed.
        """
        patched = patched_module(self.module, self.records)
        nso = self.module.nso
        if nso is None or not compress or not any(segment.compressed for segment in nso.segments):
            return patched
        return compressed_again(patched, nso)

    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield each record as it lands: the patch, where, how many bytes, and those before and after, as hexadecimal digits."""
        for used in self.used:
            for record in used.records:
                yield {
                    "path": used.name,
                    "offset": record.offset,
                    "size": record.size,
                    "before": self.module.image[record.offset : record.end].hex(),
                    "after": record.part(record.offset, record.end).hex(),
                }

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.module.kind,
            "build_id": shown(self.module.module_id),
            "applied": [
                {
                    "path": used.name,
                    "format": used.patch.format,
                    "titles": list(used.patch.titles),
                    "records": len(used.records),
                    "bytes": sum(record.size for record in used.records),
                    "remarks": [*map(str, used.patch.remarks), *used.remarks],
                }
                for used in self.used
            ],
            "passed_over": [{"path": each.name, "reason": each.reason} for each in self.passed],
        }


def patch_files(place: Location) -> Iterator[PatchFile]:
    """Yield the patch that a place is, or those in a folder and the folders in it, in the order of their paths.

    What is called neither ``.ips`` nor ``.pchtxt`` is left alone.

    Raises:
        CorruptError: Folders lie deeper in each other than any do.
    """
    if place.kind == "file":
        yield PatchFile(place.display, place.fs.storage(place.path))
    else:
        yield from _in_folder(place, "", 0)


def _in_folder(place: Location, below: str, depth: int) -> Iterator[PatchFile]:
    if depth > _DEPTH:
        raise CorruptError(f"more than {_DEPTH} folders lie in each other", what="patches", source=place.display)
    for entry in sorted(place.fs.read_dir(join(place.path, below))):
        inner = join(below, entry.name)
        if entry.kind == "directory":
            yield from _in_folder(place, inner, depth + 1)
        elif entry.kind == "file" and entry.name.lower().endswith(_ENDINGS):
            yield PatchFile(join(place.display.rstrip("/"), inner), place.fs.storage(join(place.path, inner)), chosen=False)


def read_patch(storage: Storage, name: str, dialect: Dialect = "neutral") -> Patch:
    """Read a patch of any format; told apart by content.

    Args:
        storage: The file.
        name: What error messages call it.
        dialect: Whose reading of a pchtxt.

    Raises:
        FormatError: It is none, or damaged.
    """
    try:
        if is_ips(storage):
            return parse_ips(storage)
        return parse_pchtxt(_text(storage), dialect)
    except NotThisFormatError as wrong:
        problem = f"is no patch: it begins with neither PATCH nor IPS32, and is no pchtxt: {wrong.problem}"
        raise NotThisFormatError(problem, source=Named(name)) from wrong
    except FormatError as wrong:
        wrong.source = Named(name)
        raise


def _text(storage: Storage) -> bytes:
    if storage.size > _MOST_TEXT:
        raise NotThisFormatError(f"it has {storage.size:#x} bytes, and {_MOST_TEXT:#x} are the most")
    return storage[:].tobytes()


def plan_patches(target: Storage, patches: Sequence[PatchFile], *, dialect: Dialect = "neutral", force: bool = False) -> PatchPlan:
    """Work out what patches do to a file, in their order.

    A chosen patch of another build is fatal, one of a folder passed over.

    Args:
        target: The file.
        patches: The patches.
        dialect: Whose habits to follow where patches are named, read, and do not fit.
        force: Apply chosen patches of other builds as well.

    Raises:
        CorruptError: The file is an executable, and broken; or a patch for it is damaged.
    """
    plan = PatchPlan(module_of(target))
    module = plan.module
    for file in patches:
        forced = force and file.chosen
        ips = is_ips(file.storage)
        problem = "" if forced else _name_problem(file, module, ips, dialect)
        if problem:  # Of no concern, damaged or not.
            plan.passed.append(Passed(file.name, problem, file.chosen))
            continue
        patch = read_patch(file.storage, file.name, dialect)
        if not ips and not forced:
            problem = _build_problem(patch.build_id, module, dialect)
        if problem:
            plan.passed.append(Passed(file.name, problem, file.chosen))
            continue
        applied = apply_patch(patch, module.image.size, protected=module.protected, dialect=dialect)
        remarks = tuple(map(str, applied.remarks))
        if applied.dropped:
            plan.passed.append(Passed(file.name, remarks[-1], file.chosen or dialect == "atmosphere", other=False))
        else:
            plan.used.append(Used(file.name, patch, applied.records, remarks))
    return plan


def _name_problem(file: PatchFile, module: Module, ips: bool, dialect: Dialect) -> str:
    """Why a patch is not for a module, as far as its name tells; one that was chosen by its user may have any name."""
    if not file.chosen and not module.module_id:
        return "the file has no build id to choose patches of a folder by"
    if not file.chosen or (dialect != "neutral" and module.module_id):
        problem = name_problem(file.name, dialect)
        if problem:
            return problem
    text = stem(file.name)
    if not ips and not file.name.lower().endswith(_IPS):
        return ""  # It says itself.
    if build_id_of(text) is None or (not module.module_id and len(text) < _LEAST_DIGITS):
        return ""
    return _build_problem(text, module, dialect)


def _build_problem(text: str, module: Module, dialect: Dialect) -> str:
    """Why a patch of a build is not for a module; only executables are of a build."""
    if module.module_id:
        return build_problem(text, module.module_id, dialect)
    return f"is for build {text}, and the file is no executable" if any(build_id_of(text) or b"") else ""


def executable_in(place: Location) -> str:
    """Return the path of the main executable in a container or folder, as its user would write it; ``""`` where there is none.

    What cannot be opened has none.
    """
    for room in _ROOMS:
        try:
            if place.fs.metadata(join(place.path, room)).kind == "file":
                return f"{place.display.rstrip('/')}/{room}"
        except (OboromiFsError, OSError):  # A hint must not hide what it is about.
            continue
    return ""


class Made(NamedTuple):
    """A patch that was made.

    Attributes:
        storage: The file.
        build_id: What it is to be called by; ``""`` where the old version has no build id.
        records: How many there are; 0 where nothing differs that a patch can change.
        remarks: What differs besides, which no patch changes.
    """

    storage: Storage
    build_id: str
    records: int
    remarks: tuple[str, ...]


def make_patch(old: Storage, new: Storage, *, text: bool = False, title: str = "", ips32: bool | None = None) -> Made:
    """Make the patch that turns one version of a file into another.

    Of executables the images are compared that patches act on: two NSOs may be compressed in different ways.

    Args:
        old: What the patch is for.
        new: What comes out.
        text: Whether to write pchtxt.
        title: The title of a pchtxt.
        ips32: Which form of IPS; None takes the shorter one where it can say everything.

    Raises:
        FormatError: The two differ in size or in what they are, or have too little in common; or a pchtxt is wanted without a build id.
    """
    before, after = module_of(old), module_of(new)
    if before.kind != after.kind:
        raise FormatError(f"the old version is {_article(before.kind)}, the new one {_article(after.kind)}", what="patch")
    records = make_records(before.image, after.image, start=before.protected)
    if len(records) > MAX_RECORDS:
        problem = f"the versions differ in {len(records)} places, a patch has {MAX_RECORDS} at most: they have too little in common"
        raise FormatError(problem, what="patch")
    build = shown(before.module_id)
    if text:
        if not build:
            raise FormatError("the file has no build id, which a pchtxt begins with", what="pchtxt")
        data = encode_pchtxt(build, records, title=title, shift=before.protected if before.nso is not None else 0).encode()
    else:
        data = encode_ips(records, ips32=ips32)
    return Made(MemoryStorage(data, "patch"), build, len(records), tuple(_out_of_reach(before, after)))


def _out_of_reach(old: Module, new: Module) -> Iterator[str]:
    """What differs in headers, and in what is not loaded."""
    if old.nso is not None and new.nso is not None:
        for each in fields(old.nso.header):
            one, two = getattr(old.nso.header, each.name), getattr(new.nso.header, each.name)
            if each.name in ("text", "ro", "data"):
                one, two = (one.memory_offset, one.size), (two.memory_offset, two.size)
            if one != two and each.name not in _OF_LAYOUT:
                yield f"the headers differ in {each.name}, which no patch changes: {_value(one)} before, {_value(two)} now"
    elif old.image[: old.protected] != new.image[: new.protected]:
        yield f"the headers of {old.protected:#x} bytes differ, which no patch changes"
    if old.rest is not None or new.rest is not None:
        one, two = (b"" if module.rest is None else module.rest for module in (old, new))
        if one != two:
            yield "what follows the segments differs, such as icon, control data and RomFS; no patch changes it"


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.rstrip(b"\0").hex() or "00"
    if isinstance(value, tuple):
        return " and ".join(f"{each:#x}" for each in value)
    return f"{value:#x}" if isinstance(value, int) else str(value)


def _article(kind: str) -> str:
    return {"file": "no executable", "KIP": "a KIP"}.get(kind, f"an {kind}")
