"""Title ids: how people write them, and which belong to one title."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from oboromi_fs.errors import FormatError

__all__ = ["TitleKind", "addon_id", "base_id", "kind_of", "parse_title_id", "title_id_of", "update_id"]

TitleKind: TypeAlias = Literal["application", "program", "update", "add-on"]

_ID = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{16})")
_FAMILY = 0x1FFF
_UPDATE = 0x800
_ADDONS = 0x1000


def parse_title_id(text: str) -> int | None:
    """Return the title id that 16 hexadecimal digits spell, with or without ``0x``; None where they do not.

    Example:
        >>> parse_title_id("0100ABCDEF000000") == parse_title_id("0x0100abcdef000000") == 0x0100ABCDEF000000
        True
    """
    found = _ID.fullmatch(text)
    return int(found.group(1), 16) if found else None


def title_id_of(title: int | str) -> int:
    """Return a title id that is given as a number, or as its 16 hexadecimal digits.

    Raises:
        FormatError: The text is none, or the number has more than 64 bits.
        TypeError: It is neither a number nor a text.

    Example:
        >>> title_id_of("0100ABCDEF000000") == title_id_of(0x0100ABCDEF000000)
        True
    """
    if isinstance(title, str):
        parsed = parse_title_id(title)
        if parsed is None:
            raise FormatError(f"has 16 hexadecimal digits, such as 0100abcdef000000, and is not {title[:40]!r}", what="title id")
        return parsed
    if isinstance(title, bool) or not isinstance(title, int):
        message = f"a title id is a number or 16 hexadecimal digits, and not {type(title).__name__}"
        raise TypeError(message)
    if not 0 <= title < 1 << 64:
        raise FormatError(f"has 64 bits, and is not {title:#x}", what="title id")
    return title


def base_id(title_id: int) -> int:
    """Return the id of the application that an update, add-on content or program belongs to."""
    return title_id & ~_FAMILY


def update_id(title_id: int) -> int:
    """Return the id of a title's update."""
    return title_id | _UPDATE


def addon_id(application: int, number: int) -> int:
    """Return the id of an application's add-on content.

    Args:
        application: The application's id.
        number: Which one, 0 to 0xFFF.
    """
    return base_id(application) + _ADDONS + number


def kind_of(title_id: int) -> TitleKind:
    """Return what kind of title an id is of.

    Example:
        >>> [kind_of(0x0100ABCDEF000000 + low) for low in (0, 1, 0x800, 0x1001)]
        ['application', 'program', 'update', 'add-on']
    """
    low = title_id & _FAMILY
    if low & _ADDONS:
        return "add-on"
    if low == _UPDATE:
        return "update"
    return "program" if low else "application"
