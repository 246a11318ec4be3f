"""Where a path leaves the host: the file or folder it begins with, and the parts of one that was split."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.file import Access, File
from oboromi_fs.opening.rebuilding import compressed_name
from oboromi_fs.paths import join
from oboromi_fs.splitparts import split_parts
from oboromi_fs.storage.concat import ConcatStorage

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

__all__ = ["compressed_part", "host_part", "open_storage", "split_parts"]


def open_storage(path: str, access: Access = "auto") -> tuple[Storage, list[File]]:
    """Open a host file, or the parts of a split one (a folder of ``00 01 …``, or ``.xc0 .xc1 …``), as one run of bytes.

    Raises:
        CorruptError: A part in the middle is missing.
        OSError: The host says no.
    """
    parts = split_parts(path)
    if not parts:
        file = File.open(path, access=access)
        return file, [file]
    files: list[File] = []
    try:
        files.extend(File.open(part, access=access) for part in parts)
    except OSError:
        for file in files:
            file.close()
        raise
    return ConcatStorage(files), files


def host_part(path: str) -> tuple[str, str]:
    """Split a path into what exists on the host and what goes on inside it."""
    head, tail = path, ""
    while True:
        try:
            found = os.stat(head or os.curdir)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except ValueError:
            raise EntryNotFoundError(path, "holds a NUL, or a surrogate that stands for no byte: no host path") from None
        except OSError as wrong:
            if wrong.errno != _ENAMETOOLONG:
                raise
        else:
            if tail and stat.S_ISDIR(found.st_mode) and not split_parts(head):
                name = tail.partition("/")[0]
                raise EntryNotFoundError(path, f"no such path ({head or os.curdir!r} exists, and has no {name!r})")
            return head or os.curdir, tail
        parent, name = os.path.split(head)  # Of "game.nsp/" the name is empty: tried again without the slash.
        if parent == head:
            raise EntryNotFoundError(path)
        tail = join(name, tail) if tail else name
        head = parent


def compressed_part(path: str) -> tuple[str, str, str] | None:
    """Split the path of an NCA that is on the host as an NCZ: the NCZ's path, the NCA's name, and what goes on inside it.

    Returns:
        None where no part of the path is of that kind.
    """
    head, tail = path, ""
    while head:
        compressed = compressed_name(head)
        if compressed is not None and os.path.isfile(compressed):
            return compressed, os.path.basename(head), tail
        head, name = os.path.split(head)
        if not name and head in ("", os.sep):
            return None
        tail = join(name, tail) if tail else name
    return None


_ENAMETOOLONG = errno.ENAMETOOLONG
