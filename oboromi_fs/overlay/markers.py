"""Markers: how a layer says that something below it is gone.

Two encodings are in public use, and both are read:

- OCI image layers (and AUFS): a file ``.wh.NAME`` hides ``NAME`` below, ``.wh..wh..opq`` everything below its directory; other names that
  begin with ``.wh..wh.`` are the writer's own.
- overlayfs: a character device 0/0, or an empty file with the attribute ``overlay.whiteout``, hides what has its name below; a directory
  with the attribute ``overlay.opaque`` of ``y`` hides everything below it. Attributes are in the namespace ``trusted.`` or ``user.``.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.paths import join

if TYPE_CHECKING:
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["OPAQUE", "PREFIX", "RESERVED", "Marked", "has_opaque_attribute", "host_folder", "is_marker", "is_whiteout", "read_marked"]

PREFIX = ".wh."
RESERVED = ".wh..wh."
OPAQUE = ".wh..wh..opq"
_OPAQUE_ATTRIBUTES = ("user.overlay.opaque", "trusted.overlay.opaque")
_WHITEOUT_ATTRIBUTES = ("user.overlay.whiteout", "trusted.overlay.whiteout")


class Marked(NamedTuple):
    """A directory of a layer: its entries without the markers; the names these hide below; whether it hides all that is below."""

    entries: list[DirEntry]
    whiteouts: set[str]
    opaque: bool


def is_marker(name: str) -> bool:
    """Whether a name is that of an OCI marker, whatever it marks."""
    return name.startswith(PREFIX)


def host_folder(fs: FileSystem, path: str) -> str | None:
    """Return the host folder of a directory of a layer; None where the layer has none."""
    resolve = getattr(fs, "host_path", None)
    return None if resolve is None else str(resolve(path))


def _attributes(host: str) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(host, follow_symlinks=False)
    except OSError:
        return []


def has_opaque_attribute(host: str) -> bool:
    """Whether a host directory has overlayfs' attribute of opaque ones."""
    for name in _attributes(host):
        if name in _OPAQUE_ATTRIBUTES:
            try:
                return os.getxattr(host, name, follow_symlinks=False) == b"y"
            except OSError:
                return False
    return False


def is_whiteout(host: str, found: os.stat_result) -> bool:
    """Whether a host file is a whiteout as overlayfs writes them; ``found`` is what ``lstat`` says of it."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    return stat.S_ISREG(found.st_mode) and not found.st_size and any(name in _WHITEOUT_ATTRIBUTES for name in _attributes(host))


def read_marked(fs: FileSystem, path: str) -> Marked:
    """List a directory of a layer, and read its markers.

    Args:
        fs: The layer's file system.
        path: Canonical path of the directory in it.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: As its ``read_dir``.
    """
    entries: list[DirEntry] = []
    whiteouts: set[str] = set()
    opaque = False
    for entry in fs.read_dir(path):
        name = entry.name
        if not name.startswith(PREFIX):
            entries.append(entry)
        elif name == OPAQUE:
            opaque = True
        elif not name.startswith(RESERVED) and len(name) > len(PREFIX):
            whiteouts.add(name[len(PREFIX) :])
    folder = host_folder(fs, path)
    if folder is not None:
        opaque = opaque or has_opaque_attribute(folder)
        gone = _overlayfs_whiteouts(folder)
        if gone:
            whiteouts |= gone
            entries = [entry for entry in entries if entry.name not in gone]
    return Marked(entries, whiteouts, opaque)


def _overlayfs_whiteouts(folder: str) -> set[str]:
    """Names of the whiteouts in a host folder. A file is looked at closely only if it is no ordinary one, or empty."""
    gone: set[str] = set()
    try:
        with os.scandir(folder) as children:
            for child in children:
                if child.is_dir(follow_symlinks=False) or child.is_symlink():
                    continue
                try:
                    found = child.stat(follow_symlinks=False)
                except OSError:  # Vanished meanwhile.
                    continue
                if is_whiteout(join(folder, child.name), found):
                    gone.add(child.name)
    except OSError:  # The listing before has told what there is to tell.
        return gone
    return gone
