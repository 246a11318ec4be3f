"""Program metadata (NPDM) as a value, and as text. Source: Switchbrew wiki, "CNMT", "NPDM", "Control.nacp" and "Ticket"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from oboromi_formats.npdm import META_HEADER, META_MAGIC, AddressSpace, MetaFlags
from oboromi_fs._decode import corrupt, error
from oboromi_fs.errors import FormatError, NotThisFormatError
from oboromi_fs.metadata.access import FileAccessControl, FileAccessHeader, place_of, places_given
from oboromi_fs.metadata.canvas import Canvas, align
from oboromi_fs.metadata.capabilities import SyscallsKind
from oboromi_fs.metadata.descriptors import Aci0, Acid
from oboromi_fs.metadata.forms import fields_from_layout, from_table, kinds_of, layout_bytes, part, source_of, to_table
from oboromi_fs.metadata.kernel_access import CapabilitiesKind, default_capabilities
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Choice, Flags, Number, Text
from oboromi_fs.metadata.residue import Residue, ResidueKind, residue_of
from oboromi_fs.metadata.services import ServicesKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_formats import npdm
    from oboromi_fs.metadata.keypath import Plain
    from oboromi_fs.protocols import Storage

__all__ = ["Npdm"]

MOST_BYTES = 0x8000
"""The largest file the official loader takes today."""

_SPACE_BITS = 0x0E
_FLAGS = Flags(MetaFlags, 8, _SPACE_BITS)
_SPACE = Choice(
    AddressSpace,
    3,
    {
        AddressSpace.BITS_32: "32Bit",
        AddressSpace.BITS_36: "36Bit",
        AddressSpace.BITS_32_NO_RESERVED: "32BitNoReserved",
        AddressSpace.BITS_39: "39Bit",
    },
)
_SIZE = Number(32, digits=1)
_REPLACED = ("magic", "flags", "aci0_offset", "aci0_size", "acid_offset", "acid_size")
_SHARED = ("services", "kernel_capabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class Npdm:
    """A ``main.npdm``. Sizes are in bytes.

    Attributes:
        acid: What the program may ask for.
        aci0: What it asks for.
        acid_offset: Where the ACID stands, if not behind the header; ``aci0_offset``, if not behind the ACID, from a multiple of 0x10 on.
        file_size: Bytes of the file, where its parts end sooner.
        unknown: What reserved fields of the META header have that is not zero.
        gaps: What stands between the parts and is not zero, by offset in the file.

    Example:
        From scratch, a program id is enough. Services, permissions and kernel capabilities are for both halves; ``syscalls`` stands for the
        kernel capabilities of an application that makes these calls.

        >>> npdm = Npdm.from_dict({
        ...     "program_id": "0x0100feedface0000",
        ...     "name": "demo",
        ...     "services": ["fsp-srv", "hid", {"name": "demo:*", "host": True}],
        ...     "permissions": ["ApplicationInfo"],
        ...     "syscalls": ["SetHeapSize", "ExitProcess", "SendSyncRequest", 0x26],
        ... })
        >>> npdm.aci0.services[2]
        Service(name='demo:*', host=True)
        >>> [type(each).__name__ for each in npdm.acid.kernel_capabilities]
        ['ThreadInfo', 'Syscalls', 'ProgramKind', 'KernelVersion', 'HandleTable']
        >>> Npdm.read(npdm.to_bytes()) == npdm
        True
    """

    format: ClassVar[str] = "NPDM"

    name: str = part(Text(0x10), "Application")
    product_code: str = part(Text(0x10), "")
    version: int = part(Number(32), 0)
    signature_key_generation: int = part(Number(32), 0)
    flags: MetaFlags = part(_FLAGS, MetaFlags.IS_64_BIT)
    address_space: AddressSpace | int = part(_SPACE, AddressSpace.BITS_39)
    main_thread_priority: int = part(Number(8), 44)
    main_thread_core: int = part(Number(8), 0)
    main_thread_stack_size: int = part(_SIZE, 0x100000)
    system_resource_size: int = part(_SIZE, 0)
    acid: Acid
    aci0: Aci0
    acid_offset: int | None = part(_SIZE, None, hide=True)
    aci0_offset: int | None = part(_SIZE, None, hide=True)
    file_size: int | None = part(_SIZE, None, hide=True)
    unknown: Residue = part(ResidueKind(META_HEADER.size), (), hide=True)
    gaps: Residue = part(ResidueKind(), (), hide=True)

    @classmethod
    def read(cls, source: Storage | Buffer) -> Npdm:
        """Read an NPDM.

        Args:
            source: A storage, or bytes.

        Raises:
            NotThisFormatError: The magic is absent.
            CorruptError: A part runs over the end of what it stands in.
        """
        storage, data = source_of(source, cls.format, MOST_BYTES)
        if data[:4] != META_MAGIC:
            problem = f"magic is {data[:4]!r}, not {META_MAGIC!r}"
            raise error(NotThisFormatError, problem, what=META_HEADER.name, storage=storage, offset=0, field="magic")
        raw: npdm.MetaHeader
        found, raw, unknown = fields_from_layout(cls, META_HEADER, data, storage, 0, _REPLACED)
        acid = Acid.read(_half(data, raw.acid_offset, raw.acid_size, storage, "acid"), storage, raw.acid_offset)
        aci0 = Aci0.read(_half(data, raw.aci0_offset, raw.aci0_size, storage, "aci0"), storage, raw.aci0_offset)
        acid_end, aci0_end = raw.acid_offset + raw.acid_size, raw.aci0_offset + raw.aci0_size
        usual = META_HEADER.size, align(acid_end), max(acid_end, aci0_end)
        stored = raw.acid_offset, raw.aci0_offset, len(data)
        places: dict[str, Any] = dict(zip(("acid_offset", "aci0_offset", "file_size"), places_given(stored, usual), strict=True))
        value = cls(
            **found,
            flags=_FLAGS.from_raw(raw.flags),
            address_space=_SPACE.from_raw((raw.flags & _SPACE_BITS) >> 1),
            acid=acid,
            aci0=aci0,
            unknown=unknown,
            **places,
        )
        return replace(value, gaps=residue_of(data, value.to_bytes()))

    def to_bytes(self) -> bytes:
        """Return the file.

        Raises:
            FormatError: A value does not fit its field, or parts overlap at the places that are given.
        """
        canvas = Canvas(self.format, MOST_BYTES)
        acid_offset = place_of(self.acid_offset, META_HEADER.size)
        acid_size = self.acid.put(canvas, acid_offset)
        aci0_offset = place_of(self.aci0_offset, align(acid_offset + acid_size))
        aci0_size = self.aci0.put(canvas, aci0_offset)
        if not 0 <= self.address_space < 8:
            raise FormatError(f"{self.address_space} does not fit 3 bits", what=META_HEADER.name, field="address_space")
        header = layout_bytes(
            META_HEADER,
            self,
            self.unknown,
            flags=_FLAGS.to_raw(self.flags) | int(self.address_space) << 1,
            aci0_offset=aci0_offset,
            aci0_size=aci0_size,
            acid_offset=acid_offset,
            acid_size=acid_size,
        )
        canvas.put(0, header, META_HEADER.name)
        size = place_of(self.file_size, max(acid_offset + acid_size, aci0_offset + aci0_size))
        return canvas.finish(size, self.gaps)

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values, for TOML and JSON; see :meth:`from_dict`."""
        acid, aci0 = to_table(self.acid), to_table(self.aci0)
        control, header = self.acid.file_access, self.aci0.file_access
        allowed: Plain = False if control is None else to_table(control)
        asked: Plain = False if header is None else to_table(header)
        table: dict[str, Plain] = {"format": self.format, "program_id": aci0.pop("program_id"), **to_table(self)}
        for name in ("program_id_min", "program_id_max"):
            if acid[name] == table["program_id"]:
                del acid[name]
        if isinstance(allowed, dict) and isinstance(asked, dict) and allowed["permissions"] == asked["permissions"]:
            del allowed["permissions"]
            table["permissions"] = asked.pop("permissions")
        for name in _SHARED:
            if acid[name] == aci0[name]:
                del acid[name]
                table[name] = aci0.pop(name)
        for name, half, access in (("acid", acid, allowed), ("aci0", aci0, asked)):
            whole = half if access == {} else {**half, "file_access": access}
            if whole:
                table[name] = whole
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> Npdm:
        """Return the NPDM that a table of plain values describes.

        Only ``program_id`` is needed. ``services``, ``kernel_capabilities`` and ``permissions`` (of file access) at the top are for those
        of ``acid`` and ``aci0`` that do not have their own. ``syscalls`` stands for the kernel capabilities of an application that makes
        these calls. A ``file_access`` of false is for a half without that table.

        Args:
            table: The values.
            source: Name of the file they came from, for error messages.

        Raises:
            FormatError: A key is unknown, or a value does not fit; the error names the key.
        """
        path = KeyPath(cls.format, source=source)
        rest = path.begin(table)
        if "program_id" not in rest:
            raise (path / "program_id").error("missing")
        program_id = Number(64, digits=16).parse(rest.pop("program_id"), path / "program_id")
        if "syscalls" in rest and "kernel_capabilities" in rest:
            raise (path / "syscalls").error("stands for kernel_capabilities, which are given as well")
        if "syscalls" in rest:
            capabilities = default_capabilities(SyscallsKind().parse(rest.pop("syscalls"), path / "syscalls"))
        elif "kernel_capabilities" in rest:
            capabilities = CapabilitiesKind().parse(rest.pop("kernel_capabilities"), path / "kernel_capabilities")
        else:
            capabilities = default_capabilities()
        shared = {
            "services": ServicesKind().parse(rest.pop("services", []), path / "services"),
            "kernel_capabilities": capabilities,
            "program_id_min": program_id,
            "program_id_max": program_id,
        }
        permissions = kinds_of(FileAccessHeader)["permissions"].parse(rest.pop("permissions", []), path / "permissions")
        acid = _half_from(Acid, FileAccessControl, rest.pop("acid", {}), path / "acid", shared, permissions)
        aci0 = _half_from(Aci0, FileAccessHeader, rest.pop("aci0", {}), path / "aci0", {**shared, "program_id": program_id}, permissions)
        found = from_table(cls, rest, path)
        path.finish(rest, (*kinds_of(cls), "acid", "aci0", "permissions", "program_id", "services", "kernel_capabilities", "syscalls"))
        return cls(acid=acid, aci0=aci0, **found)


def _half(data: bytes, offset: int, size: int, storage: Storage, name: str) -> bytes:
    if offset < META_HEADER.size:
        problem = f"it lies in the META header, which has {META_HEADER.size:#x} bytes"
        raise corrupt(problem, what=META_HEADER.name, storage=storage, offset=0, field=f"{name}_offset")
    if offset + size > len(data):
        problem = f"{size:#x} bytes at {offset:#x}, the file has {len(data):#x}"
        raise corrupt(problem, what=META_HEADER.name, storage=storage, offset=0, field=f"{name}_offset")
    return data[offset : offset + size]


def _half_from(cls: type[Any], access: type[Any], plain: Any, path: KeyPath, shared: Mapping[str, Any], permissions: Any) -> Any:
    """One half of a table of plain values."""
    table = path.table(plain)
    tables = table.pop("file_access", {})
    file_access = None
    if tables is not False:
        at = path / "file_access"
        rest = at.table(tables)
        file_access = access(**from_table(access, rest, at, {"permissions": permissions}))
        at.finish(rest, kinds_of(access))
    found = from_table(cls, table, path, shared)
    path.finish(table, (*kinds_of(cls), "file_access"))
    return cls(file_access=file_access, **found)
