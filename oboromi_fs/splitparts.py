"""Split files on the host: one file whose bytes lie in several, as file systems need that hold none above 4 GiB.

Either a folder of ``00 01 02 …``, which has the name of the file; or ``game.xc0 game.xc1 …`` beside each other.
"""

from __future__ import annotations

import os

from oboromi_fs.errors import CorruptError

__all__ = ["may_be_split", "parts_listed", "split_parts"]

_MAX_SPLIT_PARTS = 100
_FIRST_PARTS = (".xc0", ".ns0")
_WHOLE = (".nsp", ".nsz", ".xci", ".xcz", ".nca", ".ncz")
"""What is split in practice. Other folders of numbered files are what they are: a mod may hold some."""


def split_parts(path: str) -> list[str]:
    """Return the host paths of the parts of a split file, in order; empty where the path is no such thing.

    Raises:
        CorruptError: A part in the middle is missing.
    """
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        if not names or names[0] != "00" or not all(len(name) == 2 and name.isascii() and name.isdigit() for name in names):
            return []
        if not all(os.path.isfile(os.path.join(path, name)) for name in names):
            return []
        expected = [f"{number:02}" for number in range(len(names))]
        if names != expected:
            gap = next(want for want, have in zip(expected, names, strict=True) if want != have)
            raise CorruptError(f"part {gap} is missing", what="split file", source=path)
        return [os.path.join(path, name) for name in names]
    stem, extension = os.path.splitext(path)
    if extension.lower() in _FIRST_PARTS:
        parts = [path]
        while len(parts) < _MAX_SPLIT_PARTS and os.path.isfile(following := f"{stem}{extension[:-1]}{len(parts)}"):
            parts.append(following)
        later = (f"{stem}{extension[:-1]}{number}" for number in range(len(parts) + 1, _MAX_SPLIT_PARTS))
        if any(os.path.isfile(part) for part in later):
            raise CorruptError(f"part {os.path.basename(following)} is missing", what="split file", source=path)
        return parts
    return []


def may_be_split(name: str) -> bool:
    """Whether something of this name, met in a folder, is worth a look at its parts.

    Example:
        >>> [may_be_split(name) for name in ("game.nsp", "game.XC0", "textures", "game.xc1")]
        [True, True, False, False]
    """
    return name.lower().endswith(_WHOLE + _FIRST_PARTS)


def parts_listed(path: str) -> list[str]:
    """Return the parts of a split file that is met in a folder; empty where it is none, and so to be shown as it is.

    Stricter than :func:`split_parts`, which is for a path somebody wrote: the name must be that of an archive, and all parts but the last
    of one size, the last no larger.
    """
    if not may_be_split(os.path.basename(path)):
        return []
    try:
        parts = split_parts(path)
        sizes = [os.path.getsize(part) for part in parts]
    except (CorruptError, OSError):  # Incomplete, or closed to us: what is there is shown.
        return []
    if not sizes or len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
        return []
    return parts if len(parts) > 1 or os.path.isdir(path) else []
