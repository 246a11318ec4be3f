"""Where layers lie on the host: what must not be written to when a union is made a folder."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from oboromi_fs.overlay.hostplaces import host_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oboromi_fs.overlay.layer import Layer

__all__ = ["SourcePlaces"]


class SourcePlaces:
    """The folders and archives of layers, seen from a folder that is to be written.

    Args:
        layers: The layers; those of unions among them count as well.
        target: The folder to write into, which need not exist.
    """

    def __init__(self, layers: Iterable[Layer], target: str) -> None:
        self._below: list[tuple[str, str]] = []  # Paths below the target that belong to a layer, and its name.
        self._whole = ""
        self._archives: dict[tuple[int, int], str] = {}
        here = os.path.realpath(target)
        for name, place in _places(layers):
            try:
                found = os.stat(place)
            except OSError:
                continue
            if not stat.S_ISDIR(found.st_mode):
                self._archives[found.st_dev, found.st_ino] = name
            elif here == place or _inside(here, place):
                self._whole = self._whole or name
            elif _inside(place, here):
                self._below.append(("/".join(os.path.relpath(place, here).split(os.sep)), name))

    def owner(self, key: str) -> str:
        """Return the name of the layer in whose folder a path below the target lies; ``""`` for none."""
        if self._whole:
            return self._whole
        return next((name for below, name in self._below if key == below or key.startswith(f"{below}/")), "")

    def archive(self, found: os.stat_result) -> str:
        """Return the name of the layer that a host file is the archive of; ``""`` for none."""
        return self._archives.get((found.st_dev, found.st_ino), "")


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _places(layers: Iterable[Layer]) -> Iterator[tuple[str, str]]:
    """Names of layers, and the host folders and archives each lies in, links resolved."""
    for layer in layers:
        inner = getattr(layer.fs, "layers", None)
        if inner is not None:
            yield from _places(inner)
            continue
        places = list(host_places(layer.given))
        for place in places:
            yield layer.name, place
        if not places and (layer.path != layer.name or layer.kind == "archive"):  # As the user wrote it: a path goes on inside an archive.
            place = layer.path
            while place and "\0" not in place and not os.path.exists(place):
                place = os.path.dirname(place)
            if place and os.path.isfile(place):
                yield layer.name, os.path.realpath(place)
