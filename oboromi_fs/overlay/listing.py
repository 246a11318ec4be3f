"""A layer listed whole: paths in lists, for indexes over many layers. What cannot be listed is a problem, not an error."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.base import FileSystemBase, walk
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.overlay.markers import PREFIX, Marked, read_marked
from oboromi_fs.overlay.resolver import Problem
from oboromi_fs.paths import addressable, join
from oboromi_fs.splitparts import may_be_split

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.overlay.layer import Layer

__all__ = ["Listing", "list_layer"]


@dataclass(slots=True)
class Listing:
    """Everything in a layer, by paths of the union (``layer.at`` included) in the layer's spelling, in no order.

    Args:
        folders: Directory -> names of the files in it. All directories are there: the root ``""``, and those above ``at``.
        whiteouts: What is gone below.
        opaque: Directories that hide what is below; ``""`` is the root.
        problems: What is left out, and why.
    """

    folders: dict[str, list[str]] = field(default_factory=lambda: {"": []})
    whiteouts: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Paths of all files."""
        return [join(folder, name) for folder, names in self.folders.items() for name in names]


def list_layer(layer: Layer) -> Listing:
    """List a layer. Each of its directories is read once; a file is looked at closely only where the directory says it may be a marker.

    In a folder of the host that is marked by overlayfs as one with whiteouts of its own, or that holds links, devices or parts of split
    archives, the names are those that the layer's file system gives.
    """
    lister = _Lister(layer)
    lister.run()
    return lister.listing


def _is_plain_host(layer: Layer) -> bool:
    return isinstance(layer.fs, HostFs) and type(layer.fs)._read_dir is HostFs._read_dir  # noqa: SLF001 - a subclass may list otherwise.


class _Lister:
    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.fs = layer.fs
        self.markers = bool(layer.markers)
        self.listing = Listing()
        self._at = layer.at + "/" if layer.at else ""
        self._pending: list[str] = [""]
        self._closely: set[str] = set()

    def run(self) -> None:
        parts = self.layer.at.split("/") if self.layer.at else []
        self.listing.folders |= {"/".join(parts[: depth + 1]): [] for depth in range(len(parts))}
        if not self.markers and not _is_plain_host(self.layer) and self._walk():
            return
        root = self.layer.host_root if _is_plain_host(self.layer) else ""
        pending = self._pending
        while pending:
            inner = pending.pop()
            if not root or not self._scan(inner, join(root, inner) if inner else root):
                self._read(inner)
        left_out: dict[str, str] = getattr(self.fs, "left_out", {})
        for path, what in left_out.items() if self._closely else ():
            if path.rpartition("/")[0] in self._closely and self._at + path not in self.listing.whiteouts:
                self._problem("ignored", path, f"{what}: {path!r}")

    def _problem(self, kind: str, inner: str, text: str) -> None:
        self.listing.problems.append(Problem(self.layer.name, kind, self._at + inner, text))

    def _walk(self) -> bool:
        """List all at once, as an archive does best; False where something is in the way."""
        root = self.layer.at
        folders: dict[str, list[str]] = {root: []}
        at = self._at
        try:
            for inner, entry in self.fs.walk() if isinstance(self.fs, FileSystemBase) else walk(self.fs):
                name = entry.name
                if not addressable(name):
                    self._odd(inner, name)
                elif entry.kind == "file":
                    folders[at + inner[: -len(name) - 1] if len(inner) > len(name) else root].append(name)
                else:
                    folders[at + inner] = []
        except (OboromiFsError, OSError):
            self.listing.problems.clear()
            return False
        self.listing.folders |= folders
        return True

    def _odd(self, inner: str, name: str) -> None:
        self._problem("ignored", inner, f"no path can spell the name {name!r}")

    def _scan(self, inner: str, folder: str) -> bool:
        """List a folder of the host by what its entries say of themselves; False where that does not tell everything."""
        rest: list[os.DirEntry[str]] = []
        later: Callable[[os.DirEntry[str]], object] = rest.append
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False) or later(entry)]
            folders = [entry.name for entry in rest if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return False
        if len(folders) != len(rest):
            return False
        text = "\0".join(["", *names, *folders])
        if (self.markers and (f"\0{PREFIX}" in text or _is_marked(folder))) or _may_have_parts(text):
            return False
        self._add(inner, names, folders)
        return True

    def _add(self, inner: str, names: list[str], folders: list[str]) -> None:
        self.listing.folders[self._at + inner if inner else self.layer.at] = names
        self._pending += [f"{inner}/{name}" for name in folders] if inner else folders

    def _read(self, inner: str) -> None:
        """List a directory as the layer's file system does, markers apart."""
        self._closely.add(inner)
        try:
            found = read_marked(self.fs, inner) if self.markers else Marked(self.fs.read_dir(inner), set(), opaque=False)
        except (OboromiFsError, OSError) as error:
            self._problem("damaged", inner, str(error))
            self._add(inner, [], [])
            return
        for entry in found.entries:
            if not addressable(entry.name):
                self._odd(join(inner, entry.name), entry.name)
        entries = [entry for entry in found.entries if addressable(entry.name)]
        files = [entry.name for entry in entries if entry.kind == "file"]
        self._add(inner, files, [entry.name for entry in entries if entry.kind != "file"])
        self.listing.whiteouts += [self._at + join(inner, name) for name in sorted(found.whiteouts)]
        if found.opaque:
            self.listing.opaque.append((self._at + inner).rstrip("/"))


def _is_marked(folder: str) -> bool:
    """Whether a host folder has overlayfs' attribute: it is opaque, or has files that are whiteouts. Devices are met before."""
    if not hasattr(os, "listxattr"):
        return False
    try:
        found = os.listxattr(folder)
    except OSError:
        return False
    return bool(found) and any(name.endswith(".overlay.opaque") for name in found)


def _may_have_parts(text: str) -> bool:
    """Whether one of the names in a text, which NULs separate, may be that of a part of a split archive."""
    folded = text.lower()
    return (".n" in folded or ".x" in folded) and any(map(may_be_split, folded.split("\0")))
