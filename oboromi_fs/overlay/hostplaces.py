"""Where on the host a file system's bytes are, through whatever lies in between: what must not be written to while it is a layer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.base import SubFs
from oboromi_fs.file import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["host_places", "is_or_lies_in"]


def host_places(fs: FileSystem) -> Iterator[str]:
    """Yield the host folders and archives that a file system shows, directly or through others, links resolved."""
    layers = getattr(fs, "layers", None)
    inner: FileSystem | None = getattr(fs, "fs", None)
    if layers is not None:
        for layer in layers:
            yield from host_places(layer.given)
    elif isinstance(fs, SubFs):
        for place in host_places(fs.fs):
            yield os.path.realpath(os.path.join(place, *fs.root.split("/"))) if os.path.isdir(place) else place
    elif inner is not None and getattr(fs, "nests", False):
        yield from host_places(inner)
    elif hasattr(fs, "host_path"):
        yield os.path.realpath(str(getattr(fs, "root", "")))
    else:
        yield from _files_of(getattr(fs, "raw", None))


def _files_of(storage: Storage | None) -> Iterator[str]:
    """The host files that a storage reads from in the end."""
    pending = [storage] if storage is not None else []
    known: set[int] = set()
    while pending:
        each = pending.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        if isinstance(each, File):
            yield os.path.realpath(each.name)
        pending += each.sources


def is_or_lies_in(path: str, place: str) -> bool:
    """Whether a real host path is a place, or below it; a place that is a file is that file under any name."""
    if path == place or path.startswith(place.rstrip(os.sep) + os.sep):
        return bool(place)
    try:
        return os.path.isfile(place) and os.path.samefile(path, place)
    except OSError:
        return False
