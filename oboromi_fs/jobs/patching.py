"""Patching an executable file, and making the patch that turns one version of it into another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import FormatError
from oboromi_fs.patches.applying import apply_patch
from oboromi_fs.patches.buildids import build_id_of, same_build, stem
from oboromi_fs.patches.ips import encode_ips, is_ips, parse_ips
from oboromi_fs.patches.making import make_records
from oboromi_fs.patches.modules import module_of, patched_module
from oboromi_fs.patches.pchtxt import encode_pchtxt, parse_pchtxt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.patches.modules import Module
    from oboromi_fs.patches.values import Patch, Record
    from oboromi_fs.protocols import Storage

__all__ = ["Named", "PatchPlan", "made_patch", "plan_patches", "read_patch"]

_MOST_TEXT = 64 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """A patch, and what the user calls its file."""

    name: str
    patch: Patch

    @property
    def build_id(self) -> str:
        """The build it is for: as it says itself, or its file's name does; ``""`` where neither does."""
        text = self.patch.build_id or stem(self.name)
        return text if build_id_of(text) is not None else ""


@dataclass(slots=True)
class PatchPlan:
    """What patches do to a file.

    Attributes:
        module: What the file is.
        records: What is written, in order.
        used: The patches that are applied, with what was cut or left out of each.
        passed: Those that are not, and why.
    """

    module: Module
    records: list[Record] = field(default_factory=list)
    used: list[tuple[Named, tuple[str, ...]]] = field(default_factory=list)
    passed: list[tuple[Named, str]] = field(default_factory=list)

    def storage(self, *, compress: bool = False) -> Storage:
        """Return the patched file.

        Args:
            compress: Compress the segments of an NSO again; else it stays uncompressed, as patches see it.

        Raises:
            UnsupportedError: The package ``lz4`` is not installed.
        """
        patched = patched_module(self.module, self.records)
        nso = self.module.nso
        if nso is None or not compress:
            return patched
        from oboromi_fs.builders.nso import build_nso
        from oboromi_fs.executables import Nso

        new = Nso(patched)
        header = nso.header
        return build_nso(
            new.segment("text"),
            new.segment("ro"),
            new.segment("data"),
            bss_size=header.bss_size,
            module_id=header.module_id,
            hashes=bool(header.flags & 0x38),
            prevent_code_reads=bool(header.flags & 0x40),
            offsets=[segment.memory_offset for segment in new.segments],
            api_info=header.api_info,
            dynstr=header.dynstr,
            dynsym=header.dynsym,
        )

    @property
    def compressed(self) -> bool:
        """Whether the file is an NSO with compressed segments."""
        return self.module.nso is not None and any(segment.compressed for segment in self.module.nso.segments)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.module.kind,
            "build_id": self.module.module_id.hex().upper(),
            "applied": [
                {"path": named.name, "records": len(named.patch.records), "remarks": [*map(str, named.patch.remarks), *remarks]}
                for named, remarks in self.used
            ],
            "passed_over": [{"path": named.name, "reason": reason} for named, reason in self.passed],
            "bytes": sum(record.size for record in self.records),
        }


def read_patch(storage: Storage, name: str) -> Named:
    """Read a patch of any format; told apart by content.

    Raises:
        FormatError: It is none, or damaged.
    """
    if is_ips(storage):
        return Named(name, parse_ips(storage))
    if storage.size > _MOST_TEXT:
        raise FormatError(f"has {storage.size} bytes, and is neither IPS nor a text", source=name)
    return Named(name, parse_pchtxt(storage[:].tobytes(), source=name))


def plan_patches(target: Storage, patches: Sequence[Named], *, force: bool = False) -> PatchPlan:
    """Work out what patches do to a file, in their order; of two that write one byte, the later wins.

    Args:
        target: The file.
        patches: The patches.
        force: Apply those of other builds as well.

    Raises:
        CorruptError: The file is an executable, and broken.
    """
    plan = PatchPlan(module_of(target))
    module = plan.module
    for named in patches:
        build = named.build_id
        if module.module_id and build and not force and not same_build(build, module.module_id):
            plan.passed.append((named, f"is for build {build}, and the file is {module.module_id.hex().upper()}"))
            continue
        applied = apply_patch(named.patch, module.image.size, protected=module.protected)
        plan.records += applied.records
        plan.used.append((named, tuple(map(str, applied.remarks))))
    return plan


def made_patch(old: Storage, new: Storage, *, text: bool = False, ips32: bool | None = None) -> tuple[Storage, str, int]:
    """Make the patch that turns one version of a file into another.

    Of executables the images are compared that patches act on: two NSOs may be compressed in different ways.

    Args:
        old: What the patch is for.
        new: What comes out.
        text: Whether to write pchtxt.
        ips32: Which form of IPS; None takes the shorter one where its offsets reach.

    Returns:
        The patch, the build id as a file's stem (``""`` where the file has none), and how many records there are.

    Raises:
        FormatError: The two differ in size, in what they are, or in the header, which no patch changes.
    """
    before, after = module_of(old), module_of(new)
    if before.kind != after.kind:
        raise FormatError(f"one is {_article(before.kind)}, the other {_article(after.kind)}", what="patch")
    records = make_records(before.image, after.image)
    protected = [record for record in records if record.offset < before.protected]
    if before.nso is None and protected:
        problem = f"the header differs at {protected[0].offset:#x}: patches change what is behind its {before.protected:#x} bytes"
        raise FormatError(problem, what="patch")
    if before.nso is not None:  # Sizes, hashes and flags in the header follow from the rest.
        records = make_records(_behind(before), _behind(after))
        records = [record._replace(offset=record.offset + before.protected) for record in records]
    build = before.module_id.hex().upper().rstrip("0")
    build += "0" * (len(build) % 2)
    if text:
        if not build:
            raise FormatError("the file has no build id, which a pchtxt begins with", what="pchtxt")
        data = encode_pchtxt(build, records, shift=before.protected).encode()
    else:
        data = encode_ips(records, ips32=ips32)
    return MemoryStorage(data, "patch"), build, len(records)


def _behind(module: Module) -> Storage:
    return module.image.window(module.protected, module.image.size)


def _article(kind: str) -> str:
    return {"file": "no executable", "KIP": "a KIP"}.get(kind, f"an {kind}")
