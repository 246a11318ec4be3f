"""Keys: how paths of different origin are compared where letter case and separators do not count.

Folding is of ASCII letters alone: what is a letter beyond that depends on a locale, and a key must not.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.paths import decode_name

if TYPE_CHECKING:
    from oboromi_fs.protocols import PathType

__all__ = ["fold_case", "fold_host_path", "fold_key", "safe_key"]

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_RUNS = re.compile("/{2,}")
_DRIVE = re.compile("[A-Za-z]:")


def fold_case(text: str) -> str:
    """Return text with ASCII letters in lower case, and nothing else changed.

    Example:
        >>> fold_case("Data/ÄB.BIN")
        'data/Äb.bin'
    """
    return text.lower() if text.isascii() else text.translate(_LOWER)


def fold_key(path: str) -> str:
    r"""Return the key of a path: separators are ``/``, single, none leading; ASCII letters in lower case; all other characters stay.

    Example:
        >>> fold_key("\\Textures\\\\TX_Ä.dds")
        'textures/tx_Ä.dds'
    """
    return _RUNS.sub("/", fold_case(path).replace("\\", "/")).lstrip("/")


def fold_host_path(path: str) -> str:
    r"""Return a host path for comparison: ``/`` for ``\``, ASCII letters in lower case; separators are kept, however many there are.

    Example:
        >>> fold_host_path("C:\\Mods\\\\A")
        'c:/mods//a'
    """
    return fold_case(path).replace("\\", "/")


def safe_key(path: PathType) -> str:
    """Return the key of a path that comes from outside, if it stays below the root of wherever it is put.

    Args:
        path: Text is refused if it has a ``.`` component; a path object's are dropped, as pathlib does.

    Raises:
        UnsafePathError: It is empty, absolute, or has a drive letter, a NUL, or a component ``..`` (or ``.``, in text).

    Example:
        >>> safe_key("Data/A.bin")
        'data/a.bin'
    """
    raw = os.fspath(path)
    text = decode_name(raw) if isinstance(raw, bytes) else raw
    slashed = text.replace("\\", "/")
    if "\0" in text:
        raise UnsafePathError(text, "holds a NUL")
    if slashed.startswith("/"):
        raise UnsafePathError(text, "is absolute")
    if _DRIVE.match(text):
        raise UnsafePathError(text, "begins with a drive letter")
    parts = [part for part in slashed.split("/") if part]
    if not isinstance(path, str | bytes):
        parts = [part for part in parts if part != "."]
    for part in parts:
        if part in (".", ".."):
            raise UnsafePathError(text, f"has a component {part!r}")
    if not parts:
        raise UnsafePathError(text, "is empty")
    return fold_case("/".join(parts))
