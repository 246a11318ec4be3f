"""Build ids, by which a patch finds its module; and which names of patch files each tool takes."""

from __future__ import annotations

import string
from typing import Literal, TypeAlias

from oboromi_fs.patches._arguments import want_bytes, want_dialect, want_text

__all__ = ["Dialect", "build_id_of", "build_problem", "name_problem", "same_build", "shown", "stem"]

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
    want_text(text, "text")
    if not text or len(text) > _DIGITS or any(char not in string.hexdigits for char in text):
        return None
    return bytes.fromhex(text.ljust(_DIGITS, "0"))


def stem(name: str) -> str:
    """Return the name of a patch file up to its first dot."""
    want_text(name, "name")
    return name.rpartition("/")[2].partition(".")[0]


def same_build(text: str, module_id: bytes) -> bool:
    """Whether a build id as text is that of a module, whose id has up to 32 bytes."""
    want_bytes(module_id, "module_id")
    return build_id_of(text) == module_id.ljust(32, b"\0")


def shown(module_id: bytes) -> str:
    """Return a build id as patch files are called by it: upper case, without the zero bytes at its end; ``""`` where it is all zeros.

    Example:
        >>> shown(bytes.fromhex("00aabb00").ljust(32, b"\\0"))
        '00AABB'
    """
    want_bytes(module_id, "module_id")
    return module_id.rstrip(b"\0").hex().upper()


def build_problem(text: str, module_id: bytes, dialect: Dialect = "neutral") -> str:
    """Return why a tool does not apply a patch to a module; ``""`` where it does.

    Args:
        text: The build id that the patch is for: the stem of an IPS file, or what a pchtxt says.
        module_id: Build id of the module, up to 32 bytes.
        dialect: The tool.
    """
    want_dialect(dialect)
    if build_id_of(text) is None:
        return f"{text!r} is no build id, which is up to 64 hexadecimal digits"
    if not same_build(text, module_id):
        return f"is for build {text}, and not for {shown(module_id) or 'none'}"
    if dialect == "ryujinx" and text != text.upper():
        return f"its build id {text} has lower-case digits, and upper-case ones are asked for"
    return ""


def name_problem(name: str, dialect: Dialect) -> str:
    """Return why a tool passes over a patch file by its name; ``""`` where it takes it.

    Args:
        name: Name of the file, such as ``0123….ips``; of a pchtxt the build id stands inside, and any name will do.
        dialect: The tool.
    """
    want_text(name, "name")
    want_dialect(dialect)
    base = name.rpartition("/")[2]
    text, end = stem(base), base.rpartition(".")[2]
    if end.lower() == "pchtxt":
        if dialect == "atmosphere":
            return "pchtxt is not read on the console: compile it to IPS"
        return "the ending is .pchtxt in lower case" if end != "pchtxt" and dialect == "yuzu" else ""
    if end.lower() != "ips":
        return "is neither .ips nor .pchtxt"
    if end != "ips" and dialect in ("atmosphere", "yuzu"):
        return "the ending is .ips in lower case"
    if build_id_of(text) is None or (dialect == "atmosphere" and text != base[: -len(".ips")]):
        return "is not called by a build id, which is up to 64 hexadecimal digits"
    if dialect == "atmosphere" and len(text) % 2:
        return "has an odd number of digits"
    if dialect in ("yuzu", "ryujinx") and text != text.upper():
        return "has lower-case digits, and upper-case ones are asked for"
    return ""
