"""Patches found among mods, and the files they act on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import CorruptError, OboromiFsError
from oboromi_fs.mods.names import is_module
from oboromi_fs.mods.patchorder import AppliedPatch
from oboromi_fs.mods.places import Shelf, without_path
from oboromi_fs.mods.yuzu import CARD
from oboromi_fs.patches.applying import PatchedStorage, apply_patch
from oboromi_fs.patches.buildids import build_id_of, name_problem, stem
from oboromi_fs.patches.ips import is_ips, parse_ips
from oboromi_fs.patches.modules import module_of, patched_module
from oboromi_fs.patches.pchtxt import parse_pchtxt
from oboromi_fs.paths import join
from oboromi_fs.storage.deferred import DeferredStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.mods.values import Installed, Mod, Notice, PartKind
    from oboromi_fs.overlay import UnionFs
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.patches.modules import Module
    from oboromi_fs.patches.values import Patch, Record
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["PatchFile", "PatchedModule", "patch_files", "patched_file", "patched_modules", "unusable_patches"]

_MOST = 64 << 20
_ENDINGS = (".ips", ".pchtxt")


class PatchFile(NamedTuple):
    """A patch of a module among mods: the mod, where the file is below the root, the build it is for, and what it says."""

    mod: Mod
    path: str
    build_id: str
    patch: Patch


def dialect_of(profile: str) -> Dialect:
    """Return whose habits of patches a profile follows."""
    return "neutral" if profile == "plain" else profile  # type: ignore[return-value]  # The others have the names of their tools.


def patched_file(union: UnionFs, path: str, patch: Storage) -> Storage:
    """Return a file of a union with an IPS patch applied, as it is read. As in yuzu, a patch that does not fit is dropped whole.

    Raises:
        EntryNotFoundError, IsADirectoryEntryError: There is no such file to patch.
        FormatError: The patch is damaged, or does not fit.
    """
    size = union.metadata(path).size
    source = union.storage(path)
    applied = apply_patch(parse_ips(patch), size, dialect="yuzu")
    if applied.dropped:
        raise CorruptError(str(applied.remarks[-1]), what="IPS")
    return PatchedStorage(source, applied.records)


def patch_files(shelf: Shelf, mods: Sequence[Mod], profile: str) -> Iterator[PatchFile]:
    """Yield the patches of modules in mods, in the order they are applied; one that cannot be used becomes a notice.

    Within a mod they are in the order of their names.

    Args:
        shelf: Where the mods are kept.
        mods: In the order in which their patches are applied.
        profile: Name of the tool's profile.
    """
    dialect = dialect_of(profile)
    kinds: tuple[PartKind, ...] = ("exefs_patches",) if profile == "atmosphere" else ("exefs_patches", "exefs")
    for mod in mods:
        if profile == "yuzu" and mod.path.startswith(f"{CARD}/"):
            continue  # Told when the mod was found.
        for part in mod.of_kind(*kinds):
            for entry in shelf.entries(part.path, mod):
                if entry.kind != "file" or not entry.name.lower().endswith(_ENDINGS):
                    continue
                found = _read(shelf, mod, join(part.path, entry.name), dialect)
                if found is not None:
                    yield found


def _read(shelf: Shelf, mod: Mod, path: str, dialect: Dialect) -> PatchFile | None:
    if name_problem(path, dialect):  # Whoever found the mod has told it.
        return None
    try:
        storage = shelf.root.storage(path)
        if is_ips(storage):
            patch, build_id = parse_ips(storage), stem(path)
        elif path.lower().endswith(".ips"):
            patch, build_id = parse_ips(storage), ""  # Says that it is none.
        elif storage.size > _MOST:
            shelf.tell("damaged", path, f"has {storage.size} bytes, a patch has fewer than {_MOST}", mod)
            return None
        else:
            patch = parse_pchtxt(storage[:].tobytes(), dialect)
            build_id = patch.build_id
    except (OboromiFsError, OSError) as error:
        shelf.tell("damaged", path, f"nothing of it is applied: {without_path(error)}", mod)
        return None
    if build_id_of(build_id) is None:
        shelf.tell("build", path, f"the build id {build_id!r} is none, so it is of no module", mod)
        return None
    if dialect == "ryujinx" and build_id != build_id.upper():
        shelf.tell("case", path, f"the build id {build_id} has lower-case digits, and upper-case ones are asked for", mod)
        return None
    for remark in patch.remarks:
        shelf.tell("lost", path, str(remark), mod, ignored=False)
    return PatchFile(mod, path, build_id, patch)


def unusable_patches(root: FileSystem, installed: Installed) -> list[Notice]:
    """Return what is wrong with the patches of modules that were found, whatever game they are for. Each is read for that.

    Args:
        root: What was searched.
        installed: What was found there.
    """
    shelf = Shelf(root)
    for _ in patch_files(shelf, installed.enabled, installed.profile):
        pass
    return shelf.notices


class PatchedModule(NamedTuple):
    """A module that patches act on: the result, and the patches in the order they are applied."""

    result: Storage
    patches: tuple[AppliedPatch, ...]


def patched_modules(shelf: Shelf, union: UnionFs, mods: Sequence[Mod], profile: str) -> dict[str, PatchedModule]:
    """Return the modules of a merged ExeFS that patches act on, patched as they are read; by their names.

    Args:
        shelf: Where the mods are kept.
        union: The merged ExeFS, at ``exefs``.
        mods: In the order in which their patches are applied.
        profile: Name of the tool's profile.
    """
    patches = list(patch_files(shelf, mods, profile))
    if not patches or not union.exists("exefs"):
        return {}
    modules = dict(_modules(shelf, union))
    files: dict[str, PatchedModule] = {}
    used: set[str] = set()
    for name, module in modules.items():
        records: list[Record] = []
        acting: list[AppliedPatch] = []
        for each in patches:
            if build_id_of(each.build_id) != module.module_id.ljust(32, b"\0"):
                continue
            used.add(each.path)
            applied = apply_patch(each.patch, module.image.size, protected=module.protected, dialect=dialect_of(profile))
            for remark in applied.remarks:
                shelf.tell("lost", each.path, f"{name}: {remark}", each.mod, ignored=applied.dropped)
            if applied.records:
                acting.append(AppliedPatch(each.mod.name, each.path, tuple(applied.records)))
                records += applied.records
        if records:
            size = module.image.size
            result = DeferredStorage(size, partial(patched_module, module, records), "Patched", "patched")
            files[name] = PatchedModule(result, tuple(acting))
    for each in patches:
        if each.path not in used:
            there = ", ".join(f"{name} is {_shown(module)}" for name, module in modules.items())
            rest = f"of which no module is: {there}" if there else "and there is no module that can be patched"
            shelf.tell("build", each.path, f"it is for build {each.build_id}, {rest}", each.mod)
    return files


def _shown(module: Module) -> str:
    return module.module_id.hex().upper().rstrip("0")[:40] or "0"


def _modules(shelf: Shelf, union: UnionFs) -> Iterator[tuple[str, Module]]:
    for entry in union.read_dir("exefs"):
        if not is_module(entry.name) or entry.kind != "file":
            continue
        try:
            module = module_of(union.storage(join("exefs", entry.name)))
        except (OboromiFsError, OSError) as error:
            shelf.tell("damaged", join("exefs", entry.name), f"cannot be patched: {error}")
            continue
        if module.nso is not None:
            yield entry.name, module
