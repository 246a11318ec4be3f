"""NPDM and NSO: the two files without which an ExeFS is none."""

from __future__ import annotations

from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["npdm", "nso"]

CAPABILITIES = (
    0x7 | 59 << 4 | 28 << 10 | 0 << 16 | 2 << 24,  # Threads of priority 28 to 59 on cores 0 to 2.
    0xF | 0xFFFFFE << 5 | 0 << 29,  # System calls 1 to 23,
    0xF | 0xFFFFFF << 5 | 1 << 29,  # 24 to 47.
    0x1FFF | 1 << 14,  # An application.
    0x3FFF | 6 << 19,  # Kernel version 6.0.
    0x7FFF | 0x200 << 16,  # 512 handles.
)


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 0x10)


def _services(hosted: Iterable[str], used: Iterable[str]) -> bytes:
    """The service access table: control byte, then the name."""
    rows = [(0x80, name.encode()) for name in hosted] + [(0, name.encode()) for name in used]
    return b"".join(bytes([host | len(name) - 1]) + name for host, name in rows)


def npdm(  # noqa: PLR0913 - The fields of the format, all but two by keyword.
    program_id: int,
    name: str = "demo",
    *,
    hosted: Iterable[str] = (),
    services: Iterable[str] = ("fsp-srv", "hid", "vi:u"),
    capabilities: Iterable[int] = CAPABILITIES,
    permissions: int = 0,
    flags: int = 0x07,
    stack_size: int = 0x100000,
    product_code: str = "",
) -> bytes:
    """Return a main.npdm with one ACID, unsigned, and one ACI0.

    Args:
        program_id: The only id the ACID allows.
        name: At most 16 bytes.
        hosted: Services the program may host, at most 8 bytes each.
        services: Services it may use.
        capabilities: Kernel capability words.
        permissions: File system permission bits.
        flags: The META header's: bit 0 is 64-bit, bits 1 to 3 the address space.
        stack_size: Main thread's stack, a multiple of 0x1000.
        product_code: At most 16 bytes.
    """
    sac, kac = _services(hosted, services), b"".join(pack("<I", word) for word in capabilities)
    fac = pack("<BBBBQ32x", 1, 0, 0, 0, permissions)
    fah = pack("<B3xQIIII", 1, permissions, 0x1C, 0, 0x1C, 0)
    acid_at, aci0_at = [0x240], [0x40]
    for place, tables in ((acid_at, (fac, sac)), (aci0_at, (fah, sac))):
        for table in tables:
            place.append(place[-1] + len(_aligned(table)))
    size = acid_at[2] + len(kac)
    acid = bytes(0x200) + pack("<4sIIIQQ", b"ACID", size - 0x100, 0, 1, program_id, program_id)
    acid += pack("<6I8x", acid_at[0], len(fac), acid_at[1], len(sac), acid_at[2], len(kac)) + _aligned(fac) + _aligned(sac) + kac
    aci0 = pack("<4s12xQ8x", b"ACI0", program_id)
    aci0 += pack("<6I8x", aci0_at[0], len(fah), aci0_at[1], len(sac), aci0_at[2], len(kac)) + _aligned(fah) + _aligned(sac) + kac
    meta = pack("<4s8xBxBB4xIII", b"META", flags, 44, 0, 0, 0, stack_size) + pack("<16s16s48x", name.encode(), product_code.encode())
    start = 0x80 + len(_aligned(acid))
    return meta + pack("<4I", start, len(aci0), 0x80, len(acid)) + _aligned(acid) + aci0


def nso(
    text: bytes = bytes.fromhex("000080d2 c0035fd6"),
    ro: bytes | None = None,
    data: bytes = bytes(0x20),
    *,
    bss_size: int = 0x1000,
    module_id: bytes | None = None,
    name: str = "demo.nss",
) -> bytes:
    """Return an NSO, uncompressed, with the hashes of its segments.

    Args:
        text: Code; by default a function that returns 0.
        ro: Read-only data; by default the module's name as the loader expects it.
        data: Data.
        bss_size: Bytes of zeros behind the data.
        module_id: Build id, at most 32 bytes; made from the code by default.
        name: Module path, for the default ``ro``.
    """
    if ro is None:
        ro = pack("<II", 0, len(name.encode())) + name.encode() + b"\0"
    segments, file_at, memory_at, rows = (text, ro, data), 0x101, 0, []
    for segment in segments:
        rows.append((file_at, memory_at, len(segment)))
        file_at += len(segment)
        memory_at += len(segment) + -len(segment) % 0x1000
    header = pack("<4sIII", b"NSO0", 0, 0, 0x38)
    for row, extra in zip(rows, (0x100, 1, bss_size), strict=True):  # The empty module name stands at 0x100.
        header += pack("<4I", *row, extra)
    header += pack("<32s3I28x24x", module_id or sha256(text).digest()[:20], *map(len, segments))
    return header + b"".join(sha256(segment).digest() for segment in segments) + b"\0" + b"".join(segments)
