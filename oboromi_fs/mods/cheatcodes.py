"""Instructions of cheats. Source: the public description of Atmosphère's cheat codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Instruction", "instructions"]

_FAMILIES = {
    0x0: "store immediate",
    0x1: "if memory",
    0x2: "end or else",
    0x3: "loop",
    0x4: "load immediate",
    0x5: "load from memory",
    0x6: "store immediate to register address",
    0x7: "legacy arithmetic",
    0x8: "if keys",
    0x9: "arithmetic",
    0xA: "store register",
    0xC0: "if register",
    0xC1: "save or restore register",
    0xC2: "save or restore registers",
    0xC3: "static register",
    0xC4: "if keys, extended",
    0xFF0: "pause",
    0xFF1: "resume",
    0xFFF: "log",
}
UNKNOWN = "unknown"

_SIZES = {0x2: 1, 0x4: 3, 0x5: 2, 0x6: 3, 0x7: 2, 0x8: 1, 0xC1: 1, 0xC2: 1, 0xC3: 1, 0xC4: 2, 0xFF0: 1, 0xFF1: 1}
"""Words of those instructions whose size never varies."""


class Instruction(NamedTuple):
    """One instruction: what it does, in words, and its words of 32 bits. A cut one has fewer than ``size``."""

    family: str
    words: tuple[int, ...]
    size: int


def _code(word: int) -> int:
    """What an instruction is: its first digit, its first two from C on, its first three where these are FF or the like."""
    if word >> 28 < 0xC:
        return word >> 28
    return word >> 20 if word >> 24 & 0xF == 0xF else word >> 24


def _size(word: int) -> int:
    """Number of words of the instruction that begins with this one; 1 for an unknown one."""
    code, operand = _code(word), word >> 8 & 0xF
    if code in _SIZES:
        return _SIZES[code]
    if code in (0x0, 0x1):
        return 2 + _value(word >> 24)
    if code == 0x3:
        return 1 if word >> 24 & 0xF else 2
    if code == 0x9:
        return 1 + _value(word >> 24) if operand == 1 else 1
    if code == 0xA:
        return 2 if operand in (2, 4, 5) else 1
    if code == 0xC0:
        return {0: 2, 2: 2, 4: 1 + _value(word >> 20), 6: 2 + _value(word >> 20)}.get(operand, 1)
    return 2 if code == 0xFFF and operand in (0, 2) else 1


def _value(width: int) -> int:
    """Words of a value whose width in bytes is the last digit."""
    return 2 if width & 0xF == 8 else 1


def instructions(words: Sequence[int]) -> Iterator[Instruction]:
    """Yield the instructions of a cheat.

    Args:
        words: Its words of 32 bits.

    Example:
        >>> [each.family for each in instructions([0x80000001, 0x04000000, 0x12345678, 0x63, 0x20000000])]
        ['if keys', 'store immediate', 'end or else']
    """
    at = 0
    while at < len(words):
        size = _size(words[at])
        yield Instruction(_FAMILIES.get(_code(words[at]), UNKNOWN), tuple(words[at : at + size]), size)
        at += size
