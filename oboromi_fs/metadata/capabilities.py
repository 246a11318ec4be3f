"""Kernel capabilities: what a program may ask of the kernel, one class for each kind of word in an NPDM's KAC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from oboromi_formats.npdm import CapabilityKind, MemoryRegion, ProgramType, Syscall
from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.forms import part
from oboromi_fs.metadata.kinds import Array, Choice, Kind, Nested, Number, Switch, camel

if TYPE_CHECKING:
    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = [
    "GROUP_SIZE",
    "Capability",
    "Debug",
    "HandleTable",
    "Interrupts",
    "KernelVersion",
    "MapIoPage",
    "MapRange",
    "MapRegion",
    "MappedRegion",
    "Padding",
    "ProgramKind",
    "RawCapability",
    "Syscalls",
    "SyscallsKind",
    "ThreadInfo",
]

WHAT = "NPDM kernel capabilities"
GROUP_SIZE = 24
"""System calls that one word is about."""

PAGE = 0x1000


def _word(kind: CapabilityKind, *fields: tuple[int, int, int]) -> int:
    """A word of a kind, from fields of (value, first bit, width)."""
    word = (1 << kind) - 1
    for value, first, width in fields:
        if not 0 <= value < 1 << width:
            raise FormatError(f"{value:#x} is not below {1 << width:#x}", what=WHAT, field=camel(kind.name))
        word |= int(value) << first
    return word


def _bits(word: int, first: int, width: int) -> int:
    return word >> first & (1 << width) - 1


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """Priorities threads may have (a smaller number is more urgent), and the cores they may run on."""

    kind: ClassVar = CapabilityKind.THREAD_INFO
    lowest_priority: int = part(Number(6), 59)
    highest_priority: int = part(Number(6), 28)
    min_core: int = part(Number(8), 0)
    max_core: int = part(Number(8), 2)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        fields = (self.lowest_priority, 4, 6), (self.highest_priority, 10, 6), (self.min_core, 16, 8), (self.max_core, 24, 8)
        return (_word(self.kind, *fields),)

    @classmethod
    def of_word(cls, word: int) -> ThreadInfo:
        """Decode a word."""
        return cls(_bits(word, 4, 6), _bits(word, 10, 6), _bits(word, 16, 8), _bits(word, 24, 8))


class SyscallsKind(Kind):
    """Numbers of system calls; plainly a list of names, or numbers where they have none."""

    call = Choice(Syscall)

    def plain(self, value: Any) -> Plain:
        """Return the list."""
        return [self.call.plain(number) for number in value]

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return the numbers, sorted; a name may have ``svc`` before it."""
        numbers = set()
        for at, each in path.items(plain):
            numbers.add(int(self.call.parse(each.removeprefix("svc") if isinstance(each, str) else each, at)))
            if max(numbers) >= 8 * GROUP_SIZE:
                raise at.error(f"{each!r} is not below {8 * GROUP_SIZE:#x}")
        return tuple(sorted(numbers))


@dataclass(frozen=True, slots=True)
class Syscalls:
    """System calls that may be made.

    Attributes:
        calls: Their numbers, sorted.
        group: Where it is given: one word, for the 24 calls from ``24 * group`` on; else a word for each group that has a call.
    """

    kind: ClassVar = CapabilityKind.SYSCALLS
    calls: tuple[int, ...] = part(SyscallsKind(), ())
    group: int | None = part(Number(3), None, hide=True)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        masks = {} if self.group is None else {self.group: 0}
        for call in sorted(self.calls):
            group, bit = divmod(call, GROUP_SIZE)
            if self.group not in (None, group):
                raise FormatError(f"call {call:#x} is not of group {self.group}", what=WHAT, field=camel(self.kind.name))
            masks[group] = masks.get(group, 0) | 1 << bit
        return tuple(_word(self.kind, (mask, 5, GROUP_SIZE), (group, 29, 3)) for group, mask in masks.items())

    @classmethod
    def of_word(cls, word: int) -> Syscalls:
        """Decode a word."""
        group, mask = _bits(word, 29, 3), _bits(word, 5, GROUP_SIZE)
        return cls(tuple(group * GROUP_SIZE + bit for bit in range(GROUP_SIZE) if mask >> bit & 1), group)


@dataclass(frozen=True, slots=True)
class MapRange:
    """Physical memory that is mapped; address and size in bytes, multiples of 0x1000.

    Attributes:
        read_only: Whether it may not be written.
        static: Whether it is ordinary memory; if not, it is input and output.
    """

    kind: ClassVar = CapabilityKind.MAP_RANGE
    address: int = part(Number(40, digits=1))
    size: int = part(Number(32, digits=1))
    read_only: bool = part(Switch(1), default=False)
    static: bool = part(Switch(1), default=False)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        _check_pages(self.kind, self.address, self.size)
        first = _word(self.kind, (_bits(self.address, 12, 24), 7, 24), (self.read_only, 31, 1))
        second = _word(self.kind, (self.size // PAGE, 7, 20), (self.address >> 36, 27, 4), (self.static, 31, 1))
        return first, second

    @classmethod
    def of_words(cls, first: int, second: int) -> MapRange:
        """Decode a pair of words."""
        address = _bits(first, 7, 24) * PAGE | _bits(second, 27, 4) << 36
        return cls(address, _bits(second, 7, 20) * PAGE, bool(first >> 31), bool(second >> 31))


def _check_pages(kind: CapabilityKind, *numbers: int) -> None:
    for number in numbers:
        if number % PAGE:
            raise FormatError(f"{number:#x} is no multiple of {PAGE:#x}", what=WHAT, field=camel(kind.name))


@dataclass(frozen=True, slots=True)
class MapIoPage:
    """One page of input and output memory; its address in bytes is a multiple of 0x1000."""

    kind: ClassVar = CapabilityKind.MAP_IO_PAGE
    address: int = part(Number(36, digits=1))

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        _check_pages(self.kind, self.address)
        return (_word(self.kind, (self.address // PAGE, 8, 24)),)

    @classmethod
    def of_word(cls, word: int) -> MapIoPage:
        """Decode a word."""
        return cls(_bits(word, 8, 24) * PAGE)


@dataclass(frozen=True, slots=True)
class MappedRegion:
    """One of three regions of a :class:`MapRegion`."""

    type: MemoryRegion | int = MemoryRegion.NONE
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class MapRegion:
    """Up to three of the kernel's regions that are mapped."""

    kind: ClassVar = CapabilityKind.MAP_REGION
    regions: tuple[MappedRegion, ...] = part(
        Array(Nested(MappedRegion, type=Choice(MemoryRegion, 6, {MemoryRegion.DTB: "DTB"}), read_only=Switch(1)), 3, MappedRegion()),
        (MappedRegion(),) * 3,
    )

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        fields = [
            field
            for index, region in enumerate(self.regions)
            for field in ((int(region.type), 11 + 7 * index, 6), (region.read_only, 17 + 7 * index, 1))
        ]
        return (_word(self.kind, *fields),)

    @classmethod
    def of_word(cls, word: int) -> MapRegion:
        """Decode a word."""
        types = Choice(MemoryRegion, 6)
        return cls(tuple(MappedRegion(types.from_raw(_bits(word, at, 6)), bool(_bits(word, at + 6, 1))) for at in (11, 18, 25)))


@dataclass(frozen=True, slots=True)
class Interrupts:
    """Two interrupts; 0x3FF is none."""

    kind: ClassVar = CapabilityKind.INTERRUPTS
    numbers: tuple[int, ...] = part(Array(Number(10), 2, 0x3FF), (0x3FF, 0x3FF))

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind, *((number, 12 + 10 * index, 10) for index, number in enumerate(self.numbers))),)

    @classmethod
    def of_word(cls, word: int) -> Interrupts:
        """Decode a word."""
        return cls((_bits(word, 12, 10), _bits(word, 22, 10)))


@dataclass(frozen=True, slots=True)
class ProgramKind:
    """What kind of program it is."""

    kind: ClassVar = CapabilityKind.PROGRAM_TYPE
    type: ProgramType | int = part(Choice(ProgramType, 3), ProgramType.APPLICATION)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind, (int(self.type), 14, 3)),)

    @classmethod
    def of_word(cls, word: int) -> ProgramKind:
        """Decode a word."""
        return cls(Choice(ProgramType).from_raw(_bits(word, 14, 3)))


@dataclass(frozen=True, slots=True)
class KernelVersion:
    """The oldest kernel it runs on."""

    kind: ClassVar = CapabilityKind.KERNEL_VERSION
    major: int = part(Number(13), 3)
    minor: int = part(Number(4), 0)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind, (self.minor, 15, 4), (self.major, 19, 13)),)

    @classmethod
    def of_word(cls, word: int) -> KernelVersion:
        """Decode a word."""
        return cls(_bits(word, 19, 13), _bits(word, 15, 4))


@dataclass(frozen=True, slots=True)
class HandleTable:
    """How many handles it may have."""

    kind: ClassVar = CapabilityKind.HANDLE_TABLE
    size: int = part(Number(10), 512)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind, (self.size, 16, 10)),)

    @classmethod
    def of_word(cls, word: int) -> HandleTable:
        """Decode a word."""
        return cls(_bits(word, 16, 10))


@dataclass(frozen=True, slots=True)
class Debug:
    """Whether it may be debugged, and whether it may debug."""

    kind: ClassVar = CapabilityKind.DEBUG
    allow_debug: bool = part(Switch(1), default=False)
    force_debug_prod: bool = part(Switch(1), default=False)
    force_debug: bool = part(Switch(1), default=False)

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind, (self.allow_debug, 17, 1), (self.force_debug_prod, 18, 1), (self.force_debug, 19, 1)),)

    @classmethod
    def of_word(cls, word: int) -> Debug:
        """Decode a word."""
        return cls(*(bool(_bits(word, at, 1)) for at in (17, 18, 19)))


@dataclass(frozen=True, slots=True)
class Padding:
    """A word that says nothing."""

    kind: ClassVar = CapabilityKind.PADDING

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (_word(self.kind),)

    @classmethod
    def of_word(cls, word: int) -> Padding:
        """Decode a word."""
        del word
        return cls()


@dataclass(frozen=True, slots=True)
class RawCapability:
    """A word that none of the others can say: of an unknown kind, or with bits that have no meaning."""

    word: int = part(Number(32, digits=8))

    def words(self) -> tuple[int, ...]:
        """The words of a table."""
        return (self.word,)


Capability: TypeAlias = (
    "ThreadInfo | Syscalls | MapRange | MapIoPage | MapRegion | Interrupts | ProgramKind | KernelVersion | HandleTable | Debug | Padding"
    " | RawCapability"
)
