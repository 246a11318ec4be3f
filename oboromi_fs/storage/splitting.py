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
    target = os.fspath(path)
    results = part_names(storage.size, target, form=form, part_size=part_size)
    count = len(results)
    parts = [storage.window(start * part_size, (start + 1) * part_size) for start in range(count)]

    def forward(part: int) -> Progress | None:
        if progress is None:
            return None
        return lambda written, *_: progress(part * part_size + written, storage.size, part + (written == parts[part].size), count)

    asides = [f"{result}.oboromi-{os.urandom(12).hex()}.part" for result in results]
    moves = list(zip(asides, results, strict=True))
    if form == "folder":
        aside = os.path.join(os.path.dirname(os.path.abspath(target)), f".oboromi-{os.urandom(12).hex()}.part")
        asides = [os.path.join(aside, os.path.basename(result)) for result in results]
        moves = [(aside, target)]
        try:
            os.mkdir(aside)
        except OSError as error:
            error.filename = target
            raise
    _write_aside(parts, asides, results, moves, forward)
    return results


def part_names(
    size: int, path: str | os.PathLike[str], *, form: Literal["folder", "numbered"] = "folder", part_size: int = PART_SIZE
) -> list[str]:
    """Return the paths of the parts that so many bytes will make; nothing is written.

    Args:
        size: The bytes.
        path: As for :func:`write_split`; so are ``form`` and ``part_size``.
        form: How the parts are named.
        part_size: Bytes of a part.

    Raises:
        FormatError: More parts than names can number.
        FileExistsError: Something has one of the names already.
    """
    if part_size <= 0:
        message = f"a part cannot have {part_size} bytes"
        raise ValueError(message)
    target = os.fspath(path)
    count = max(1, -(-size // part_size))
    if count > _MOST[form]:
        problem = f"{size:#x} bytes make {count} parts of {part_size:#x}; {_MOST[form]} are the most that can be numbered"
        raise FormatError(problem, what="split file", source=target)
    if form == "folder":
        results = [os.path.join(target, f"{number:02}") for number in range(count)]
        taken = [target]
    else:
        results = [f"{target[:-1]}{number}" for number in range(count)]
        taken = [*results, f"{target[:-1]}{count}"]  # A file behind the last part would be read as one more.
    for there in taken:
        if os.path.lexists(there):
            raise FileExistsError(errno.EEXIST, "exists already", there)
    return results


def _write_aside(
    parts: Sequence[Storage],
    written: Sequence[str],
    results: Sequence[str],
    moves: Sequence[tuple[str, str]],
    forward: Callable[[int], Progress | None],
) -> None:
    """Write the parts, then rename; what fails takes everything with it."""
    moved: list[str] = []
    try:
        for number, (part, path) in enumerate(zip(parts, written, strict=True)):
            try:
                write_storage(part, path, forward(number))
            except OSError as error:
                if error.filename == path:  # What the user knows is the part that was to be.
                    error.filename = results[number]
                raise
        for source, final in moves:
            try:
                os.rename(source, final)
            except OSError as error:
                error.filename = final
                del error.filename2
                raise
            moved.append(final)
    except BaseException:
        for path in (*written, *moved, *(source for source, _ in moves)):
            _remove(path)
        raise


def _remove(path: str) -> None:
    """Remove a file or an empty folder, if it is there."""
    if os.path.lexists(path):
        (os.rmdir if os.path.isdir(path) else os.unlink)(path)
