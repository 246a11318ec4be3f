"""VCDIFF's numbers, code table and addresses: RFC 3284, sections 2, 5 and 5.6."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ADD", "COPY", "MAGIC", "NOOP", "RUN", "Addresses", "Half", "code_table", "integer"]

MAGIC = b"\xd6\xc3\xc4\0"
NOOP, ADD, RUN, COPY = range(4)

NEAR, SAME = 4, 3
"""Slots of the two caches of addresses; the second has 256 times as many."""


class Half(NamedTuple):
    """One of the two instructions of a code. ``size`` is 0 where it follows in the section of instructions."""

    kind: int
    size: int
    mode: int


_NOTHING = Half(NOOP, 0, 0)


@cache
def code_table() -> tuple[tuple[Half, Half], ...]:
    """Return the default code table: 256 pairs of instructions."""
    return tuple(_codes())


def _codes() -> Iterator[tuple[Half, Half]]:
    yield Half(RUN, 0, 0), _NOTHING
    for size in range(18):
        yield Half(ADD, size, 0), _NOTHING
    for mode in range(9):
        for size in (0, *range(4, 19)):
            yield Half(COPY, size, mode), _NOTHING
    for mode in range(9):
        for add in range(1, 5):
            for copy in range(4, 7) if mode < 6 else (4,):
                yield Half(ADD, add, 0), Half(COPY, copy, mode)
    for mode in range(9):
        yield Half(COPY, 4, mode), Half(ADD, 1, 0)


def integer(value: int) -> bytes:
    """Return a number as VCDIFF has it: seven bits a byte, the highest first, the top bit in all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


class Addresses:
    """The caches by which a window's addresses are told; both sides keep the same ones."""

    __slots__ = ("_near", "_next", "_same")

    def __init__(self) -> None:
        self._near = [0] * NEAR
        self._same = [0] * (SAME * 256)
        self._next = 0

    def update(self, address: int) -> None:
        """Note an address that was used."""
        self._near[self._next] = address
        self._next = (self._next + 1) % NEAR
        self._same[address % (SAME * 256)] = address

    def near(self, mode: int, given: int) -> int:
        """Return the address of a mode that adds to a recent one."""
        return self._near[mode - 2] + given

    def same(self, mode: int, given: int) -> int:
        """Return the address of a mode that names one by a byte."""
        return self._same[(mode - 2 - NEAR) * 256 + given]

    def encode(self, address: int, here: int) -> tuple[int, bytes]:
        """Return the mode that takes the fewest bytes for an address, and these; the address is noted."""
        slot = address % (SAME * 256)
        if self._same[slot] == address:
            mode, text = 2 + NEAR + slot // 256, bytes([slot % 256])
        else:
            choices = [(address, 0), (here - address, 1)]
            choices += [(address - near, 2 + number) for number, near in enumerate(self._near) if near <= address]
            least, mode = min(choices)
            text = integer(least)
        self.update(address)
        return mode, text
