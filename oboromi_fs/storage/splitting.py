"""A storage into several host files, for media on which a file has a largest size. The reader is ``oboromi_fs.opening.open_storage``.

A part has 0xFFFF0000 bytes, the last one what remains. Parts are named in one of two ways: a folder with ``00``, ``01``, … in it, which
consoles want to have the archive attribute of its file system (to be set where it is copied to), or ``game.xc0``, ``game.xc1``, … side
by side.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Literal

from oboromi_fs.errors import FormatError
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs.protocols import Storage
    from oboromi_fs.storage.writing import Progress

__all__ = ["PART_SIZE", "write_split"]

PART_SIZE = 0xFFFF0000
"""Bytes of every part but the last: a multiple of 0x10000 below the 4 GiB that FAT32 allows a file."""
_MOST = {"folder": 100, "numbered": 10}


def write_split(
    storage: Storage,
    path: str | os.PathLike[str],
    *,
    form: Literal["folder", "numbered"] = "folder",
    part_size: int = PART_SIZE,
    progress: Progress | None = None,
) -> list[str]:
    """Write all bytes of a storage to parts. On failure nothing is left.

    Args:
        storage: What to write. One that fits a single part is written as one part.
        path: ``"folder"`` makes a directory of this name. ``"numbered"`` puts files beside each other whose names are this one with a
            number for the last letter: ``game.xc0`` for ``game.xci``, ``game.ns0`` for ``game.nsp``.
        form: How the parts are named.
        part_size: Bytes of a part.
        progress: Called after each write with bytes done, bytes in all, parts done, parts in all.

    Returns:
        The paths of the parts, in order.

    Raises:
        FormatError: More parts than names can number.
        FileExistsError: Something has one of the names already.
        OboromiFsError: The storage cannot be read.
        OSError: The host refuses, such as for want of room.

    Example:
        >>> import tempfile
        >>> from oboromi_fs.base import MemoryStorage
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [os.path.basename(part) for part in write_split(MemoryStorage(bytes(5)), f"{folder}/a.nsp", part_size=2)]
        ['00', '01', '02']
    """
    if part_size <= 0:
        message = f"a part cannot have {part_size} bytes"
        raise ValueError(message)
    target = os.fspath(path)
    count = max(1, -(-storage.size // part_size))
    if count > _MOST[form]:
        problem = f"{storage.size:#x} bytes make {count} parts of {part_size:#x}; {_MOST[form]} are the most that can be numbered"
        raise FormatError(problem, what="split file", source=target)
    parts = [storage.window(start * part_size, (start + 1) * part_size) for start in range(count)]

    def forward(part: int) -> Progress | None:
        if progress is None:
            return None
        return lambda written, *_: progress(part * part_size + written, storage.size, part + (written == parts[part].size), count)

    if form == "folder":
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists already", target)
        aside = os.path.join(os.path.dirname(os.path.abspath(target)), f".oboromi-{os.urandom(12).hex()}.part")
        os.mkdir(aside)
        names = [f"{number:02}" for number in range(count)]
        _write_aside(parts, [os.path.join(aside, name) for name in names], [(aside, target)], forward)
        return [os.path.join(target, name) for name in names]
    results = [f"{target[:-1]}{number}" for number in range(count)]
    for there in [*results, f"{target[:-1]}{count}"]:  # A file behind the last part would be read as one more.
        if os.path.lexists(there):
            raise FileExistsError(errno.EEXIST, "exists already", there)
    written = [f"{result}.oboromi-{os.urandom(12).hex()}.part" for result in results]
    _write_aside(parts, written, list(zip(written, results, strict=True)), forward)
    return results


def _write_aside(
    parts: Sequence[Storage], written: Sequence[str], moves: Sequence[tuple[str, str]], forward: Callable[[int], Progress | None]
) -> None:
    """Write the parts, then rename; what fails takes everything with it."""
    moved: list[str] = []
    try:
        for number, (part, path) in enumerate(zip(parts, written, strict=True)):
            write_storage(part, path, forward(number))
        for source, final in moves:
            os.rename(source, final)
            moved.append(final)
    except BaseException:
        for path in (*written, *moved, *(source for source, _ in moves)):
            _remove(path)
        raise


def _remove(path: str) -> None:
    """Remove a file or an empty folder, if it is there."""
    if os.path.lexists(path):
        (os.rmdir if os.path.isdir(path) else os.unlink)(path)
