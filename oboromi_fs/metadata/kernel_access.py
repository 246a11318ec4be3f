"""The kernel access table (KAC) of an NPDM: words of 32 bits, decoded, and encoded again to the same words in the same order.

A word's number of trailing ones says what it is about; see :mod:`oboromi_fs.metadata.capabilities`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from oboromi_formats.npdm import CapabilityKind
from oboromi_fs._decode import corrupt
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.capabilities import (
    GROUP_SIZE,
    Debug,
    HandleTable,
    Interrupts,
    KernelVersion,
    MapIoPage,
    MapRange,
    MapRegion,
    Padding,
    ProgramKind,
    RawCapability,
    Syscalls,
    ThreadInfo,
)
from oboromi_fs.metadata.forms import from_table, kinds_of, to_table
from oboromi_fs.metadata.kinds import Kind, camel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oboromi_fs.metadata.capabilities import Capability
    from oboromi_fs.metadata.keypath import KeyPath, Plain
    from oboromi_fs.protocols import Storage

__all__ = ["CapabilitiesKind", "capability_bytes", "default_capabilities", "read_capabilities"]

WHAT = "NPDM kernel capabilities"

_SINGLE: dict[int, type[Any]] = {
    each.kind: each
    for each in (ThreadInfo, Syscalls, MapIoPage, MapRegion, Interrupts, ProgramKind, KernelVersion, HandleTable, Debug, Padding)
}
_NAMES: dict[str, type[Any]] = {camel(kind.name): _SINGLE.get(kind, MapRange) for kind in CapabilityKind} | {"Raw": RawCapability}
_NAME_OF = {cls: name for name, cls in _NAMES.items()}


def default_capabilities(syscalls: Iterable[int] = range(0x01, 0x38)) -> tuple[Capability, ...]:
    """Return what an application usually has.

    Args:
        syscalls: The system calls it makes; by default those that need no privilege.
    """
    return (ThreadInfo(), Syscalls(tuple(sorted(set(syscalls)))), ProgramKind(), KernelVersion(), HandleTable())


def _kind(word: int) -> int:
    """Number of trailing ones."""
    return (~word & word + 1).bit_length() - 1


def _decoded(words: tuple[int, ...]) -> Iterator[Capability]:
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        value: Capability = RawCapability(word)
        kind = _kind(word)
        if kind == CapabilityKind.MAP_RANGE and index < len(words) and _kind(words[index]) == kind:
            value = MapRange.of_words(word, words[index])
            index += 1
        elif kind in _SINGLE:
            found: Capability = _SINGLE[kind].of_word(word)
            if found.words() == (word,):
                value = found
        yield value


def read_capabilities(data: bytes, storage: Storage, offset: int) -> tuple[Capability, ...]:
    """Read a table.

    Args:
        data: The table.
        storage: Where it comes from, for error messages.
        offset: Where in it.

    Raises:
        CorruptError: Its size is no multiple of 4.
    """
    if len(data) % 4:
        problem = f"{len(data):#x} bytes are no whole number of words"
        raise corrupt(problem, what=WHAT, storage=storage, offset=offset, field="kac_size")
    found: list[Capability] = []
    for each in _decoded(struct.unpack(f"<{len(data) // 4}I", data)):
        if not isinstance(each, Syscalls) or not each.calls or each.group is None:
            found.append(each)
            continue
        last = found[-1] if found else None
        if isinstance(last, Syscalls) and last.group is None and last.calls[-1] // GROUP_SIZE < each.group:
            found[-1] = Syscalls(last.calls + each.calls)
        else:
            found.append(Syscalls(each.calls))
    return tuple(found)


def capability_bytes(capabilities: Iterable[Capability]) -> bytes:
    """Return a table.

    Raises:
        FormatError: A number does not fit its bits.
    """
    words = [word for each in capabilities for word in each.words()]
    try:
        return struct.pack(f"<{len(words)}I", *words)
    except struct.error as failure:
        raise FormatError(f"a word does not fit: {failure}", what=WHAT) from failure


class CapabilitiesKind(Kind):
    """Kernel capabilities in their order; plainly a list of tables, of which ``kind`` says what the other keys are."""

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [{"kind": _NAME_OF[type(each)], **to_table(each)} for each in value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the capabilities of a list."""
        found = []
        for at, item in path.items(plain):
            table = at.table(item)
            kind = table.pop("kind", None)
            cls = _NAMES.get(kind) if isinstance(kind, str) else None
            if cls is None:
                (at / "kind").refuse(kind, f"one of {', '.join(_NAMES)}")
            each = cls(**from_table(cls, table, at))
            at.finish(table, ("kind", *kinds_of(cls)))
            try:
                each.words()
            except FormatError as failure:
                raise at.error(failure.problem) from failure
            found.append(each)
        return tuple(found)
