"""Title ids: which belong together. The last three digits tell a title's programs and its update apart, the others are the title's."""

from __future__ import annotations

from oboromi_fs.errors import FormatError

__all__ = ["ContradictionError", "names_program", "of_one_title", "said_by_both"]

_FAMILY = 12
"""Bits in which the ids of an application, its programs and its update may differ."""
_UPDATE = 0x800


class ContradictionError(FormatError):
    """What was chosen is not what the contents say."""


def of_one_title(one: int, other: int) -> bool:
    """Whether two ids, of a title or of its NCAs, are of the same title.

    Example:
        >>> of_one_title(0x0100000000001000, 0x0100000000001800), of_one_title(0x0100000000001000, 0x0100000000002000)
        (True, False)
    """
    return one >> _FAMILY == other >> _FAMILY


def said_by_both(one: int, other: int) -> bool:
    """Whether a program's own id and that of its NCA are the same, or one that of the other's update."""
    return one | _UPDATE == other | _UPDATE


def names_program(title_id: int) -> bool:
    """Whether a title with programs may have this id: an application's ends in 000, its update's in 800."""
    return not title_id & ((1 << _FAMILY) - 1) & ~_UPDATE
