"""Build ids, by which a patch finds its module; and which names of patch files each tool takes."""

from __future__ import annotations

import string
from typing import Literal, TypeAlias

__all__ = ["Dialect", "build_id_of", "name_problem", "same_build", "stem"]

Dialect: TypeAlias = Literal["neutral", "atmosphere", "yuzu", "ryujinx"]
"""Whose habits to follow; the neutral one takes whatever any tool does."""

_DIGITS = 64


def build_id_of(text: str) -> bytes | None:
    """Return the 32 bytes that a file's stem or a line of a pchtxt spells; None where it is no build id.

    Trailing zeros may be left out.

    Example:
        >>> build_id_of("00112233")[:5].hex(), build_id_of("main")
        ('0011223300', None)
    """
    if not text or len(text) > _DIGITS or any(char not in string.hexdigits for char in text):
        return None
    return bytes.fromhex(text.ljust(_DIGITS, "0"))


def stem(name: str) -> str:
    """Return the name of a patch file up to its first dot."""
    return name.rpartition("/")[2].partition(".")[0]


def same_build(text: str, module_id: bytes) -> bool:
    """Whether a build id as text is that of a module, whose id has up to 32 bytes."""
    return build_id_of(text) == module_id.ljust(32, b"\0")


def name_problem(name: str, dialect: Dialect) -> str:
    """Return why a tool passes over a patch file by its name; ``""`` where it takes it.

    Args:
        name: Name of the file, such as ``0123….ips``; of a pchtxt the build id stands inside, and any name will do.
        dialect: The tool.
    """
    base = name.rpartition("/")[2]
    text, _, end = base.partition(".")
    if end.lower() == "pchtxt":
        if dialect == "atmosphere":
            return "pchtxt is not read on the console: compile it to IPS"
        return "" if end == "pchtxt" else "the ending is .pchtxt in lower case"
    if end.lower() != "ips":
        return "is neither .ips nor .pchtxt"
    if end != "ips" and dialect != "neutral":
        return "the ending is .ips in lower case"
    if build_id_of(text) is None:
        return "is not called by a build id, which is up to 64 hexadecimal digits"
    if dialect == "atmosphere" and len(text) % 2:
        return "has an odd number of digits"
    if dialect in ("yuzu", "ryujinx") and text != text.upper():
        return "has lower-case digits, and upper-case ones are asked for"
    return ""
