"""What executables are, as data: their build ids, segments and assets, from headers; and what the ExeFS of a program holds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from oboromi_formats.ini import INI_MAGIC
from oboromi_formats.kip import KIP_MAGIC
from oboromi_formats.nro import NRO_MAGIC, NRO_MAGIC_OFFSET
from oboromi_formats.nso import NSO_MAGIC
from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from oboromi_fs.executables import Ini, Kip, Nro, Nso, Segment
    from oboromi_fs.jobs.describe_nca import Description
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["MODULES", "executable_facts", "executable_kind", "exefs_facts", "nro_facts"]

MODULES = ("rtld", "main", *(f"subsdk{number}" for number in range(10)), "sdk")
"""Modules in the order in which they are loaded; others come after them."""
_MAGICS = {NSO_MAGIC: "nso", KIP_MAGIC: "kip", INI_MAGIC: "ini1"}
_KIP_FLAGS = ("is_64_bit", "address_space_64_bit", "secure_memory", "immortal")
_FIRST_KIP_FLAG = 3
_PREVENT_CODE_READS = 1 << 6


def executable_kind(storage: Storage) -> str | None:
    """Return what kind of executable a file is, by its magic: ``nso nro kip ini1``, or None."""
    head = storage[: NRO_MAGIC_OFFSET + 4].tobytes()
    return _MAGICS.get(head[:4]) or ("nro" if head[NRO_MAGIC_OFFSET:] == NRO_MAGIC else None)


def executable_facts(storage: Storage, *, deep: bool = False) -> Description | None:
    """Return what an executable is; None if it is none.

    Args:
        storage: The file.
        deep: Look into segments, too: for the path a module was built at, and its MOD0.

    Raises:
        FormatError: Its header is damaged.
    """
    kind = executable_kind(storage)
    if kind is None:
        return None
    from oboromi_fs.executables import Ini, Kip, Nro, Nso

    if kind == "nso":
        return _nso(Nso(storage), deep=deep)
    if kind == "nro":
        return nro_facts(Nro(storage), deep=deep)
    return _kip(Kip(storage)) if kind == "kip" else _ini(Ini(storage))


def _segments(segments: tuple[Segment, ...]) -> list[Description]:
    return [
        {
            "name": each.name,
            "file_offset": each.file_offset,
            "file_size": each.file_size,
            "memory_offset": each.memory_offset,
            "size": each.size,
            "permissions": each.permissions,
            "compressed": each.compressed,
        }
        for each in segments
    ]


def _module(module: Nso | Nro, *, deep: bool) -> Description:
    facts: Description = {
        "build_id": module.build_id,
        "segments": _segments(module.segments),
        "bss_size": module.bss_size,
        "image_size": module.image_size,
    }
    if deep:
        with suppress(OboromiFsError):  # That a segment cannot be read is told among the problems, or by verify.
            found = module.mod0()
            facts["mod0"] = {
                "offset": found.offset,
                "dynamic": found.dynamic,
                "bss": [found.bss_start, found.bss_end],
                "eh_frame_hdr": [found.eh_frame_hdr_start, found.eh_frame_hdr_end],
                "module_object": found.module_object,
                "libnx": found.libnx,
            }
    if module.problems:
        facts["problems"] = list(module.problems)
    return facts


def _nso(nso: Nso, *, deep: bool) -> Description:
    facts: Description = {"kind": "nso", **_module(nso, deep=deep)}
    facts["hashed"] = [each.name for each in nso.segments if each.digest]
    facts["prevent_code_reads"] = bool(nso.header.flags & _PREVENT_CODE_READS)
    if deep:
        with suppress(OboromiFsError):
            facts["module_path"] = nso.module_path()
    return facts


def nro_facts(nro: Nro, *, deep: bool = False) -> Description:
    """Return what an NRO is; what its assets say is told by others."""
    facts: Description = {"kind": "nro", **_module(nro, deep=deep)}
    facts["homebrew"] = nro.header.marker == b"HOMEBREW"
    facts["assets"] = [{"name": each.name, "offset": each.offset, "size": each.size} for each in nro.assets.values()]
    return facts


def _kip(kip: Kip) -> Description:
    from oboromi_fs.base import MemoryStorage
    from oboromi_fs.jobs.describe_metadata import kernel_facts
    from oboromi_fs.metadata.kernel_access import read_capabilities

    words = b"".join(word.to_bytes(4, "little") for word in kip.capabilities)
    facts: Description = {
        "kind": "kip",
        "name": kip.name,
        "program_id": f"{kip.program_id:016x}",
        "version": kip.header.version,
        "main_thread": {"priority": kip.header.priority, "core": kip.header.ideal_core, "stack_size": kip.header.stack_size},
        "affinity_mask": kip.header.affinity_mask,
        "flags": [name for bit, name in enumerate(_KIP_FLAGS, _FIRST_KIP_FLAG) if kip.header.flags >> bit & 1],
        "segments": _segments(kip.segments),
        "bss_size": kip.bss_size,
        "image_size": kip.image_size,
        "kernel": kernel_facts(read_capabilities(words, MemoryStorage(words, "capabilities"), 0)),
    }
    if kip.problems:
        facts["problems"] = list(kip.problems)
    return facts


def _ini(ini: Ini) -> Description:
    return {"kind": "ini1", "kips": [{**_kip(kip), "size": kip.size} for kip in ini.kips]}


def exefs_facts(exefs: FileSystem) -> Description:
    """Return what the program in an ExeFS is: what its ``main.npdm`` says, and its modules in load order.

    What cannot be read is among the ``problems``, and stops nothing else.
    """
    from oboromi_fs.jobs.describe_metadata import metadata_facts

    names = [entry.name for entry in exefs.read_dir("") if entry.kind == "file"]
    facts: Description = {}
    problems: list[str] = []
    if "main.npdm" in names:
        try:
            facts = metadata_facts("main.npdm", exefs.storage("main.npdm")) or {}
        except OboromiFsError as wrong:
            problems.append(str(wrong))
        del names[names.index("main.npdm")]
    else:
        problems.append("has no main.npdm")
    problems += [f"main.npdm {text}" for text in facts.pop("problems", ())]
    facts.pop("kind", None)
    modules: list[dict[str, Any]] = []
    for name in sorted(names, key=lambda name: (MODULES.index(name) if name in MODULES else len(MODULES), name)):
        try:
            found = executable_facts(exefs.storage(name))
        except OboromiFsError as wrong:
            problems.append(str(wrong))
            continue
        if found is not None:
            modules.append({"name": name, "build_id": found.get("build_id", ""), "image_size": found.get("image_size", 0)})
            problems += [f"{name}: {text}" for text in found.get("problems", ())]
    facts["modules"] = modules
    if problems:
        facts["problems"] = problems
    return facts
