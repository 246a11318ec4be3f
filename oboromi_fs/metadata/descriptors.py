"""The two halves of an NPDM: the ACID, which says what may be asked for, and the ACI0, which asks.

Both are a header and three tables: file access, services, kernel capabilities. Offsets and sizes are values only where they are not what
the builder would choose: tables in this order, each from a multiple of 0x10 on, and nothing behind the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_formats import npdm
from oboromi_formats.npdm import ACI0_HEADER, ACI0_MAGIC, ACID_HEADER, ACID_MAGIC, SIGNED_FROM, AcidFlags, MemoryPool
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.access import FileAccessControl, FileAccessHeader, place_of, places_given
from oboromi_fs.metadata.canvas import align
from oboromi_fs.metadata.forms import fields_from_layout, layout_bytes, part
from oboromi_fs.metadata.kernel_access import CapabilitiesKind, capability_bytes, read_capabilities
from oboromi_fs.metadata.kinds import Choice, Flags, Hex, Number
from oboromi_fs.metadata.residue import Residue, ResidueKind
from oboromi_fs.metadata.services import Service, ServicesKind, read_services, service_bytes

if TYPE_CHECKING:
    from oboromi_fs.metadata.canvas import Canvas
    from oboromi_fs.metadata.capabilities import Capability
    from oboromi_fs.protocols import Storage

__all__ = ["Aci0", "Acid"]

_ID = Number(64, digits=16)
_PLACE = Number(32, digits=1)
_POOL_BITS = 0x3C


class _Run(NamedTuple):
    """Where a table lies, from the start of its half; ``name`` is that of its offset's and size's fields."""

    name: str
    offset: int
    size: int

    def take(self, data: bytes, what: str, storage: Storage, base: int) -> bytes:
        """The table's bytes."""
        if self.offset + self.size > len(data):
            problem = f"{self.size:#x} bytes at {self.offset:#x}, it has {len(data):#x}"
            raise corrupt(problem, what=what, storage=storage, offset=base, field=f"{self.name}_offset")
        return data[self.offset : self.offset + self.size]


def _usual(header_size: int, runs: tuple[_Run, ...]) -> tuple[int, ...]:
    """Offsets of three tables, and the size of the half, if each stood behind the one before."""
    starts = (header_size, *(align(run.offset + run.size) for run in runs[:-1]))
    return (*starts, max(header_size, *(run.offset + run.size for run in runs)))


class _Half:
    """What both halves do alike."""

    __slots__ = ()

    file_access: FileAccessControl | FileAccessHeader | None
    services: tuple[Service, ...]
    kernel_capabilities: tuple[Capability, ...]
    file_access_offset: int | None
    services_offset: int | None
    kernel_capabilities_offset: int | None
    size: int | None

    def _put_tables(self, canvas: Canvas, base: int, header_size: int, what: str, prefix: str) -> tuple[int, dict[str, int]]:
        """Put the tables on a canvas; return the size of the half, and the fields of its header that name them."""
        at = place_of(self.file_access_offset, header_size)
        runs = [_Run(prefix, at, 0 if self.file_access is None else self.file_access.put(canvas, base + at))]
        rest = (
            ("sac", self.services_offset, service_bytes(self.services)),
            ("kac", self.kernel_capabilities_offset, capability_bytes(self.kernel_capabilities)),
        )
        for name, given, data in rest:
            at = place_of(given, align(runs[-1].offset + runs[-1].size))
            canvas.put(base + at, data, f"{what} {name.upper()}")
            runs.append(_Run(name, at, len(data)))
        needed = _usual(header_size, tuple(runs))[-1]
        size = place_of(self.size, needed)
        if size < needed:
            raise FormatError(f"{size:#x} bytes are given, it needs {needed:#x}: leave the size out", what=what, field="size")
        return size, {f"{run.name}_offset": run.offset for run in runs} | {f"{run.name}_size": run.size for run in runs}


_TABLE_PLACES = ("file_access_offset", "services_offset", "kernel_capabilities_offset", "size")


def _tables(data: bytes, raw: npdm.AcidHeader | npdm.Aci0Header, fac: _Run, storage: Storage, base: int, what: str) -> dict[str, Any]:
    """Read services and kernel capabilities, and where all tables lie."""
    sac, kac = _Run("sac", raw.sac_offset, raw.sac_size), _Run("kac", raw.kac_offset, raw.kac_size)
    services = read_services(sac.take(data, what, storage, base), storage, base + sac.offset)
    capabilities = read_capabilities(kac.take(data, what, storage, base), storage, base + kac.offset)
    header_size = ACID_HEADER.size if isinstance(raw, npdm.AcidHeader) else ACI0_HEADER.size
    places = places_given((fac.offset, sac.offset, kac.offset, len(data)), _usual(header_size, (fac, sac, kac)))
    return {"services": services, "kernel_capabilities": capabilities, **dict(zip(_TABLE_PLACES, places, strict=True))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acid(_Half):
    """What a program may ask for.

    Attributes:
        signature: RSA-2048 over the rest, 0x100 bytes; zeros where nobody signed.
        modulus: Of the key that verifies the NCA's second signature, 0x100 bytes.
        program_id_min: Smallest program id it is for; so ``program_id_max``.
        file_access: None where there is no such table.
        file_access_offset: Where the table stands, from the ACID's start, if that is not the usual place; so the other offsets.
        size: Bytes of the ACID, where tables end sooner.
        signed_size: Bytes that are signed, where those are not all behind the signature.
        unknown: What reserved fields have that is not zero.
    """

    signature: bytes = part(Hex(0x100), bytes(0x100), hide=True)
    modulus: bytes = part(Hex(0x100), bytes(0x100), hide=True)
    version: int = part(Number(32), 0)
    flags: AcidFlags = part(Flags(AcidFlags, 32, _POOL_BITS), AcidFlags.PRODUCTION)
    memory_pool: MemoryPool | int = part(Choice(MemoryPool, 4), MemoryPool.APPLICATION)
    program_id_min: int = part(_ID)
    program_id_max: int = part(_ID)
    file_access: FileAccessControl | None = FileAccessControl()
    services: tuple[Service, ...] = part(ServicesKind(), ())
    kernel_capabilities: tuple[Capability, ...] = part(CapabilitiesKind(), ())
    file_access_offset: int | None = part(_PLACE, None, hide=True)
    services_offset: int | None = part(_PLACE, None, hide=True)
    kernel_capabilities_offset: int | None = part(_PLACE, None, hide=True)
    size: int | None = part(_PLACE, None, hide=True)
    signed_size: int | None = part(_PLACE, None, hide=True)
    unknown: Residue = part(ResidueKind(ACID_HEADER.size), (), hide=True)

    @classmethod
    def read(cls, data: bytes, storage: Storage, offset: int) -> Acid:
        """Read an ACID, which is all of ``data``.

        Args:
            data: The ACID.
            storage: Where it comes from, for error messages.
            offset: Where in it.

        Raises:
            CorruptError: The magic is absent, or a table runs over its end.
        """
        raw: npdm.AcidHeader
        found, raw, unknown = fields_from_layout(cls, ACID_HEADER, data, storage, offset, _ACID_REPLACED)
        _check_magic(raw.magic, ACID_MAGIC, storage, offset + 0x200)
        fac = _Run("fac", raw.fac_offset, raw.fac_size)
        table = fac.take(data, ACID_HEADER.name, storage, offset)
        usual = len(data) - SIGNED_FROM
        found |= _tables(data, raw, fac, storage, offset, ACID_HEADER.name)
        return cls(
            **found,
            flags=_FLAGS.from_raw(raw.flags),
            memory_pool=_POOL.from_raw((raw.flags & _POOL_BITS) >> 2),
            file_access=FileAccessControl.read(table, storage, offset + fac.offset) if table else None,
            signed_size=None if raw.signed_size == usual else raw.signed_size,
            unknown=unknown,
        )

    def put(self, canvas: Canvas, base: int) -> int:
        """Put the ACID on a canvas; return its size.

        Raises:
            FormatError: A value does not fit its field, or the tables a size or place that is given.
        """
        what = "NPDM ACID"
        size, places = self._put_tables(canvas, base, ACID_HEADER.size, what, "fac")
        flags = _FLAGS.to_raw(self.flags) | _checked(int(self.memory_pool), 4, what, "memory_pool") << 2
        signed = place_of(self.signed_size, size - SIGNED_FROM)
        header = layout_bytes(ACID_HEADER, self, self.unknown, **places, flags=flags, signed_size=signed)
        canvas.put(base, header, what)
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Aci0(_Half):
    """What a program asks for.

    Attributes:
        file_access: None where there is no such table.
        file_access_offset: Where the table stands, from the ACI0's start, if that is not the usual place; so the other offsets.
        size: Bytes of the ACI0, where tables end sooner.
        unknown: What reserved fields have that is not zero.
    """

    program_id: int = part(_ID)
    file_access: FileAccessHeader | None = FileAccessHeader()
    services: tuple[Service, ...] = part(ServicesKind(), ())
    kernel_capabilities: tuple[Capability, ...] = part(CapabilitiesKind(), ())
    file_access_offset: int | None = part(_PLACE, None, hide=True)
    services_offset: int | None = part(_PLACE, None, hide=True)
    kernel_capabilities_offset: int | None = part(_PLACE, None, hide=True)
    size: int | None = part(_PLACE, None, hide=True)
    unknown: Residue = part(ResidueKind(ACI0_HEADER.size), (), hide=True)

    @classmethod
    def read(cls, data: bytes, storage: Storage, offset: int) -> Aci0:
        """Read an ACI0, which is all of ``data``; see :meth:`Acid.read`.

        Raises:
            CorruptError: The magic is absent, or a table runs over its end.
        """
        raw: npdm.Aci0Header
        found, raw, unknown = fields_from_layout(cls, ACI0_HEADER, data, storage, offset, _ACI0_REPLACED)
        _check_magic(raw.magic, ACI0_MAGIC, storage, offset)
        fah = _Run("fah", raw.fah_offset, raw.fah_size)
        table = fah.take(data, ACI0_HEADER.name, storage, offset)
        found |= _tables(data, raw, fah, storage, offset, ACI0_HEADER.name)
        access = FileAccessHeader.read(table, storage, offset + fah.offset) if table else None
        return cls(**found, file_access=access, unknown=unknown)

    def put(self, canvas: Canvas, base: int) -> int:
        """Put the ACI0 on a canvas; return its size.

        Raises:
            FormatError: A value does not fit its field, or the tables a size or place that is given.
        """
        what = "NPDM ACI0"
        size, places = self._put_tables(canvas, base, ACI0_HEADER.size, what, "fah")
        canvas.put(base, layout_bytes(ACI0_HEADER, self, self.unknown, **places), what)
        return size


_ACID_REPLACED = ("magic", "signed_size", "flags", "fac_offset", "fac_size", "sac_offset", "sac_size", "kac_offset", "kac_size")
_ACI0_REPLACED = ("magic", "fah_offset", "fah_size", "sac_offset", "sac_size", "kac_offset", "kac_size")
_FLAGS = Flags(AcidFlags, 32, _POOL_BITS)
_POOL = Choice(MemoryPool, 4)


def _checked(value: int, width: int, what: str, field: str) -> int:
    if not 0 <= value < 1 << width:
        raise FormatError(f"{value} does not fit {width} bits", what=what, field=field)
    return value


def _check_magic(found: bytes, magic: bytes, storage: Storage, offset: int) -> None:
    if found != magic:
        what = f"NPDM {magic.decode()}"
        raise corrupt(f"magic is {found!r}, not {magic!r}", what=what, storage=storage, offset=offset, field="magic")
