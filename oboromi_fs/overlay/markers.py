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
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from oboromi_fs.paths import join

if TYPE_CHECKING:
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = [
    "OPAQUE",
    "PREFIX",
    "RESERVED",
    "Encoding",
    "Marked",
    "has_opaque_attribute",
    "host_folder",
    "is_marker",
    "is_whiteout",
    "mark_opaque",
    "mark_whiteouts",
    "read_marked",
]

Encoding: TypeAlias = Literal["oci", "overlayfs"]
"""What a writer of markers writes; readers read both."""

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
    """Whether a host directory has overlayfs' attribute of opaque ones. Of another value, ``x``, it says that files may be whiteouts."""
    for name in _attributes(host):
        if name in _OPAQUE_ATTRIBUTES:
            with suppress(OSError):
                if os.getxattr(host, name, follow_symlinks=False) == b"y":
                    return True
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
        gone = _overlayfs_whiteouts(fs, path, folder, entries)
        if gone:
            whiteouts |= gone
            entries = [entry for entry in entries if entry.name not in gone]
    return Marked(entries, whiteouts, opaque)


def _overlayfs_whiteouts(fs: FileSystem, path: str, folder: str, entries: list[DirEntry]) -> set[str]:
    """Names of the whiteouts in a host folder. Only what may be one is looked at: empty files, and what a listing leaves out."""
    names = [entry.name for entry in entries if not entry.size and entry.kind == "file"]
    prefix = path + "/" if path else ""
    left_out: dict[str, str] = getattr(fs, "left_out", {})
    names += [
        inner[len(prefix) :]
        for inner, what in tuple(left_out.items())
        if what == "a device" and inner.startswith(prefix) and "/" not in inner[len(prefix) :]
    ]
    gone: set[str] = set()
    for name in names:
        host = join(folder, name)
        try:
            found = os.lstat(host)
        except OSError:  # Vanished meanwhile.
            continue
        if is_whiteout(host, found):
            gone.add(name)
    return gone


def mark_opaque(descriptor: int) -> None:
    """Give an open host directory overlayfs' attribute of opaque ones, in the namespace that takes no privilege.

    Raises:
        OSError: The host refuses, as file systems without attributes do.
    """
    os.setxattr(descriptor, _OPAQUE_ATTRIBUTES[0], b"y")


def mark_whiteouts(directory: int, file: int | None = None) -> None:
    """Give an open, empty host file overlayfs' attribute of whiteouts, and its directory the one that says to look for such files.

    Args:
        directory: The directory it is, or will be, in.
        file: The file; None to mark the directory alone.

    Raises:
        OSError: The host refuses.
    """
    if file is not None:
        os.setxattr(file, _WHITEOUT_ATTRIBUTES[0], b"y")
    with suppress(OSError):  # It is a hint for the kernel, which without it does not look.
        if os.getxattr(directory, _OPAQUE_ATTRIBUTES[0]) == b"y":
            return
    os.setxattr(directory, _OPAQUE_ATTRIBUTES[0], b"x")
