"""Executables: NSO, NRO and KIP, compared by what is loaded of them: segments once they are decompressed, build ids, sizes, assets.

How a segment is compressed, and where it stands in the file, means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import FormatError, NotThisFormatError
from oboromi_fs.overlay.semantic.blocks import compare_binaries, digest
from oboromi_fs.overlay.semantic.structured import change_list
from oboromi_fs.overlay.semantic.values import Analysis, Change, Delta, Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oboromi_fs.overlay.semantic.trees import Tree
    from oboromi_fs.protocols import Storage

__all__ = ["MODULES", "Module"]

_MOST = 1 << 28
"""Bytes of an executable that are compared by what they say."""
_COMPRESSED = 7
"""Flags of an NSO or KIP that say which segments are compressed."""
_ZSTD = 1 << 7


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What counts of an executable: fields, and parts by name."""

    fields: dict[str, Tree]
    parts: dict[str, Storage]


def _segments(module: Any) -> tuple[dict[str, Tree], dict[str, Storage]]:
    if module.problems:
        raise FormatError(module.problems[0], what=type(module).__name__.upper())
    places = {f"{each.name}_offset": f"{each.memory_offset:#x}" for each in module.segments}
    return places, {each.name: module.segment(each.name) for each in module.segments}


def _ranges(header: Any) -> dict[str, Tree]:
    ranges = {name: getattr(header, name) for name in ("api_info", "dynstr", "dynsym")}
    return {name: f"{each.size:#x} bytes at {each.offset:#x}" for name, each in ranges.items()}


def _nso(storage: Storage) -> _Loaded:
    from oboromi_fs.executables import Nso

    module = Nso(storage)
    places, parts = _segments(module)
    header = module.header
    return _Loaded(
        {
            "build_id": module.build_id,
            "flags": f"{header.flags & ~(_COMPRESSED | _ZSTD):#x}",
            "version": header.version,
            "bss_size": f"{module.bss_size:#x}",
            **places,
            **_ranges(header),
            "hashes": {each.name: each.digest.hex() for each in module.segments if each.digest},
            "reserved": f"{header.reserved:#x}, {header.reserved_2.hex()}",
        },
        parts,
    )


def _nro(storage: Storage) -> _Loaded:
    from oboromi_fs.executables import Nro

    module = Nro(storage)
    places, parts = _segments(module)
    header = module.header
    names = ("version", "flags", "dso_handle_offset", "mod0_offset")
    assets = {f"asset_{each.name}": module.open_asset(each) for each in module.assets.values()}
    fields = {name: f"{getattr(header, name):#x}" for name in names}
    return _Loaded(
        {"build_id": module.build_id, "bss_size": f"{module.bss_size:#x}", **places, **fields, **_ranges(header)}, {**parts, **assets}
    )


def _kip(storage: Storage) -> _Loaded:
    from oboromi_fs.executables import Kip

    module = Kip(storage)
    places, parts = _segments(module)
    header = module.header
    fields = {name: getattr(header, name) for name in ("version", "priority", "ideal_core", "reserved")}
    rows = {f"row_{at}": f"{row.memory_offset:#x}, {row.memory_size:#x}, {row.attribute:#x}" for at, row in enumerate(header.segments)}
    return _Loaded(
        {
            "name": header.name.hex(),
            "program_id": f"{module.program_id:016x}",
            **fields,
            "flags": f"{header.flags & ~_COMPRESSED:#x}",
            **places,
            **rows,
            "capabilities": [f"{word:#010x}" for word in module.capabilities],
        },
        parts,
    )


@dataclass(frozen=True, slots=True)
class Module:
    """A comparator of one kind of executable.

    Attributes:
        name: The format.
        magic: What such files have at ``offset``, whatever they are called.
        read: Makes what counts of a file.
    """

    name: str
    magic: bytes
    offset: int
    read: Callable[[Storage], _Loaded]

    def recognises(self, path: str, head: bytes, /) -> bool:
        """Whether the magic is there."""
        del path
        return head[self.offset : self.offset + len(self.magic)] == self.magic

    def compare(self, old: Storage, new: Storage, /) -> Analysis:
        """Compare two files.

        Raises:
            NotThisFormatError: One of them is damaged or too long.
        """
        if new is old:
            return Analysis(self.name, Delta.NO_OP_EQUIVALENT)
        before, after = self._read(old, "old"), self._read(new, "new")
        changes, count = change_list(before.fields, after.fields)
        try:
            parts = list(_differing(before.parts, after.parts))
        except FormatError as failure:  # A segment that does not decompress.
            raise NotThisFormatError(str(failure), what=self.name) from failure
        changes, count = (*changes, *parts), count + len(parts)
        if count:
            return Analysis(self.name, Delta.BEHAVIOR_CHANGING, changes, count)
        return Analysis(self.name, Delta.COSMETIC_ONLY)

    def _read(self, storage: Storage, side: str) -> _Loaded:
        if storage.size > _MOST:
            raise NotThisFormatError(f"the {side} version has {storage.size} bytes, at most {_MOST} are read as a whole", what=self.name)
        try:
            return self.read(storage)
        except FormatError as failure:
            raise NotThisFormatError(f"the {side} version: {failure}", what=self.name) from failure


def _differing(old: dict[str, Storage], new: dict[str, Storage]) -> Iterator[Change]:
    for name in (*old, *(name for name in new if name not in old)):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            yield Change(name, None if before is None else _told(before), None if after is None else _told(after))
            continue
        found = compare_binaries(before, after)
        if found.changes:
            first = found.changes[0]
            yield Change(f"{name} at {first.key}", _bytes_of(first.old, found), _bytes_of(first.new, found))


def _told(storage: Storage) -> str:
    return f"{storage.size:#x} bytes, SHA-256 {digest(storage).hex()}"


def _bytes_of(quoted: str | None, found: Analysis) -> str | None:
    return None if quoted is None else f"{quoted} ({'; '.join(found.notes)})"


MODULES = (Module(Format.NSO, b"NSO0", 0, _nso), Module(Format.NRO, b"NRO0", 0x10, _nro), Module(Format.KIP, b"KIP1", 0, _kip))
