"""A layer: a file system with a name and a place in a union."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs.errors import LayerError
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.protocols import FileSystem

__all__ = ["Case", "Layer", "LayerKind", "layers_of"]

Case: TypeAlias = Literal["exact", "fold"]
"""How a layer answers to a name: as it is spelled, or whatever the case of its ASCII letters."""
LayerKind: TypeAlias = Literal["directory", "archive"]

_LOOSE = ("Host", "Memory", "Union")
"""Kinds of file systems whose files are loose, not in one archive."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer of a union.

    Args:
        fs: Its files.
        name: What people call it; unique in a union.
        kind: Whether its files are loose, or in an archive. ``""`` tells by the file system.
        case: How it answers to names.
        at: Directory of the union that its root is mounted at. It need not exist in the layers below.
        markers: Whether whiteouts and opaque directories in it are read as such, and hide what is below. None: in folders and in ZIPs,
            which people make; not in a game's own archives.
        path: Where it comes from, as the user wrote it; the name where there is no such place.
        owned: Whether closing the union closes its file system.

    Attributes:
        given: The file system as it was given. ``fs`` is the one underneath where that one enters containers: a union does not.
    """

    fs: FileSystem
    name: str
    kind: LayerKind | Literal[""] = ""
    case: Case = "exact"
    at: str = ""
    markers: bool | None = None
    path: str = ""
    owned: bool = False
    given: FileSystem = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", self.fs)
        object.__setattr__(self, "fs", _underneath(self.fs))
        loose = getattr(self.fs, "kind", "Host") in _LOOSE
        if not self.kind:
            object.__setattr__(self, "kind", "directory" if loose else "archive")
        if self.markers is None:
            object.__setattr__(self, "markers", loose or getattr(self.fs, "kind", "") == "ZIP")
        if self.case not in ("exact", "fold"):
            raise LayerError(self.name, f"case is 'exact' or 'fold', not {self.case!r}")
        if ".." in self.at.split("/"):
            raise LayerError(self.name, f"is to be mounted at {self.at!r}, which leads out of the union")
        object.__setattr__(self, "at", normalise(self.at))
        object.__setattr__(self, "path", self.path or self.name)

    @property
    def host_root(self) -> str:
        """The host folder its files lie in; ``""`` where they lie in none."""
        return str(getattr(self.fs, "root", "")) if getattr(self.fs, "kind", "") == "Host" and hasattr(self.fs, "host_path") else ""


def _underneath(fs: FileSystem) -> FileSystem:
    inner = getattr(fs, "fs", None)
    # What an NCA or NRO lists as files are containers, every one: it is no tree without entering them.
    return fs if inner is None or not getattr(fs, "nests", False) or getattr(inner, "kind", "") in ("NCA", "NRO") else _underneath(inner)


def layers_of(layers: Iterable[Layer | FileSystem]) -> tuple[Layer, ...]:
    """Return layers, low to high; a bare file system becomes one, called ``layer 0`` by its place.

    Raises:
        LayerError: Two have one name.
    """
    found = tuple(layer if isinstance(layer, Layer) else Layer(layer, f"layer {number}") for number, layer in enumerate(layers))
    names: set[str] = set()
    for layer in found:
        if layer.name in names:
            raise LayerError(layer.name, "another layer has this name")
        names.add(layer.name)
    return found
