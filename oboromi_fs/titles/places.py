"""Where titles may be on the host: packages, folders of loose NCAs, extracted folders. Nothing is opened to find them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.splitparts import parts_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from oboromi_fs.titles.found import PackageForm

__all__ = ["Place", "find_places"]

_PACKAGES = (".nsp", ".nsz", ".xci", ".xcz", ".xc0", ".ns0")
_LOOSE = (".nca", ".ncz")
_SHELF = re.compile(r"000000[0-9A-Fa-f]{2}")
"""What a console calls the folders it spreads NCAs over."""
_PROGRAM = ("main", "main.npdm")
"""What an extracted ExeFS has, and that of a mod seldom."""
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Something on the host that may hold titles.

    Attributes:
        path: The file or folder.
        form: What it looks like.
        files: Host files whose names, sizes and times tell whether anything changed: the package, or its parts; the NCAs and tickets of a
            folder; of an extracted folder the files that say what it is.
    """

    path: str
    form: PackageForm
    files: tuple[str, ...]

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, size and time of change (ns) of each file; two equal stamps are of the same contents. -1 for what is gone."""
        rows: list[tuple[str, int, int]] = []
        for path in (part for file in self.files for part in parts_listed(file) or [file]):
            try:
                found = os.stat(path)
            except OSError:
                rows.append((path, -1, -1))
            else:
                rows.append((path, found.st_size, found.st_mtime_ns))
        return tuple(rows)


def find_places(
    paths: Iterable[str | os.PathLike[str]], *, told: Callable[[str, OSError], None] | None = None, strict: bool = False
) -> Iterator[Place]:
    """Yield the places in files and folders where titles may be, in the order of their paths; each once.

    Folders are searched to the bottom, links are followed, and a folder that is met twice is searched once. A file that is named itself
    is a place whatever it is called.

    Args:
        paths: Host paths. One may go on inside a container.
        told: Called with each folder that cannot be listed, and why.
        strict: Do not take a folder that is named itself for an extracted title because there is a ``romfs`` in it.

    Raises:
        EntryNotFoundError: A path that does not exist.
        OSError: A folder that is named itself cannot be listed; of those below, what cannot be listed is passed over.
    """
    seen: set[tuple[int, int]] = set()
    given_out: set[str] = set()
    loose: dict[str, list[str]] = {}
    for given in paths:
        path = os.fspath(given)
        if os.path.isdir(path) and not parts_listed(path):
            folder = path.rstrip(os.sep) or os.sep
            found = _search(folder, seen, told, lenient=not strict)
        elif path.lower().endswith((*_LOOSE, ".tik")) and os.path.exists(path):
            loose.setdefault(os.path.dirname(path) or os.curdir, []).append(path)
            continue
        else:
            found = iter([_file(path)])
        for place in found:
            real = os.path.realpath(place.path)
            if real not in given_out:
                given_out.add(real)
                yield place
    for folder, files in loose.items():  # Named one by one, they are of the titles of one folder.
        if os.path.realpath(folder) not in given_out:
            yield Place(folder, "folder", tuple(sorted(set(files))))


def _file(path: str) -> Place:
    head = path
    while head and not os.path.lexists(head):
        head = os.path.dirname(head)
    if not head or (head != path and os.path.isdir(head) and not parts_listed(head)):
        raise EntryNotFoundError(path)
    return Place(path, "package", tuple(parts_listed(head)) or (head,))


def _search(root: str, seen: set[tuple[int, int]], told: Callable[[str, OSError], None] | None, *, lenient: bool) -> Iterator[Place]:
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                children = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as wrong:
            if folder == root:
                raise
            if told is not None:
                told(folder, wrong)
            continue
        names = {child.name for child in children}
        if _is_extracted(folder, names, lenient=lenient and folder == root):
            yield Place(folder, "extracted", tuple(_telling(folder)))
            continue
        loose, packages, folders = _sorted(children)
        if any(_SHELF.fullmatch(os.path.basename(each)) for each in folders):
            shelves = [each for each in folders if _SHELF.fullmatch(os.path.basename(each))]
            folders = [each for each in folders if each not in shelves]
            loose += [path for shelf in shelves for path in _on_shelf(shelf)]
        yield from packages
        if any(path.lower().endswith(_LOOSE) for path in loose):
            yield Place(folder, "folder", tuple(loose))
        if depth < _DEEPEST:
            pending += [(each, depth + 1) for each in reversed(folders)]


def _sorted(children: list[os.DirEntry[str]]) -> tuple[list[str], list[Place], list[str]]:
    """Loose NCAs and tickets, packages, and folders to search, of what is in a folder."""
    loose: list[str] = []
    packages: list[Place] = []
    folders: list[str] = []
    for child in children:
        lower = child.name.lower()
        try:
            is_folder = child.is_dir()
        except OSError:  # As of a link to itself. Whoever looks into it is told.
            is_folder = False
        if lower.endswith(_PACKAGES):
            parts = parts_listed(child.path)
            if parts or not is_folder:
                packages.append(Place(child.path, "package", tuple(parts) or (child.path,)))
                continue
        elif lower.endswith((*_LOOSE, ".tik")):
            # A folder of this name is a split NCA, or what was in an NCA: both are one content.
            loose.append(child.path)
            continue
        if is_folder:
            folders.append(child.path)
    return loose, packages, folders


def _on_shelf(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.lower().endswith(_LOOSE)]
    except OSError:
        return []


def _is_extracted(folder: str, names: set[str], *, lenient: bool) -> bool:
    """Whether a folder holds what was in a program: one that is named itself need not have a whole ExeFS."""
    if "exefs" in names and all(os.path.isfile(os.path.join(folder, "exefs", name)) for name in _PROGRAM):
        return True
    return lenient and "romfs" in names and not any(name.lower().endswith((*_LOOSE, *_PACKAGES)) for name in names)


def _telling(folder: str) -> Iterator[str]:
    for path in ("exefs/main.npdm", "exefs/main", "control/control.nacp", "romfs"):
        full = os.path.join(folder, *path.split("/"))
        if os.path.exists(full):
            yield full
