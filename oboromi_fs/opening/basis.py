"""The base of an update: which NCA of what a user gave as the base goes with which of the update's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.nca import Nca
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.opening.location import Location

__all__ = ["Wanted", "base_of", "wanted_by"]

_UPDATE = 0x800
_DEEPEST = 2
"""Folders between a package or card and its NCAs."""
_PACKAGES = (".nsp", ".xci", ".nsz", ".xcz")


class Wanted(NamedTuple):
    """What tells the NCA that an update's changes: title, content type, and which of several of that type it is (None: any)."""

    title_id: int
    content_type: int
    content_index: int | None = None

    def is_met_by(self, nca: Nca) -> bool:
        """Whether this is the NCA, or an update of it."""
        header = nca.header
        same = header.program_id & ~_UPDATE == self.title_id and header.content_type == self.content_type
        return same and self.content_index in (None, header.content_index)


def wanted_by(update: Nca) -> Wanted:
    """Return what an update's NCA is to be laid over."""
    header = update.header
    return Wanted(header.program_id & ~_UPDATE, header.content_type, header.content_index)


def base_of(wanted: Wanted, place: Location) -> tuple[Nca | None, str]:
    """Return the NCA of a base that is wanted; or None, and why there is none.

    NCAs are looked at before packages that lie beside them; the first that fits is taken.

    Args:
        wanted: Which NCA.
        place: The base: an NCA, a package, a card, or a folder of any of them.

    Raises:
        OboromiFsError: The place is a single file, and cannot be opened.
    """
    failed: list[str] = []
    updates = 0
    for nca in _ncas_in(place, failed):
        if wanted.is_met_by(nca):
            if not nca.is_update and nca.header.program_id == wanted.title_id:
                return nca, ""
            updates += 1
    why = f"there is none in {place.display}"
    if updates:
        why += ", but an update of it"
    if failed:
        count = f"{len(failed)} NCAs or packages" if len(failed) > 1 else "1 NCA or package"
        why += f"; {count} in there cannot be opened: {failed[0]}"
    return None, why


def _ncas_in(place: Location, failed: list[str]) -> Iterator[Nca]:
    """Yield the NCAs that a place is, or holds. What cannot be opened is noted, and passed over."""
    fs = place.fs
    if place.kind == "file":
        entered = fs.enter(place.path)
        if isinstance(entered, Nca):
            yield entered
            return
        if entered is None:
            return
    packages: list[str] = []
    pending = [(place.path, 0)]
    while pending or packages:
        path, depth = pending.pop() if pending else (packages.pop(0), 1)
        try:
            entries = fs.read_dir(path)
        except (OboromiFsError, OSError) as error:
            if path == place.path:
                raise
            failed.append(str(error))
            continue
        for entry in entries:
            inner, lower = join(path, entry.name), entry.name.lower()
            if not addressable(entry.name):
                continue
            if entry.kind == "directory":
                if depth < _DEEPEST:
                    pending.append((inner, depth + 1))
            elif lower.endswith((".nca", ".ncz")):
                try:
                    nca = fs.enter(inner)
                except (OboromiFsError, OSError) as error:
                    failed.append(str(error))
                    continue
                if isinstance(nca, Nca):
                    yield nca
            elif lower.endswith(_PACKAGES) and path == place.path:
                packages.append(inner)
