"""Errors that name paths as the user gave them: joined to the place that was named, not relative to what was opened there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oboromi_fs.errors import (
    EntryNotFoundError,
    FormatError,
    IsADirectoryEntryError,
    MappingError,
    MissingKeyError,
    NotADirectoryEntryError,
    OboromiFsError,
    UnsafePathError,
)
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.opening import Location

__all__ = ["Named", "below", "full_name", "naming"]


class Named(str):
    """A path as the user gave it, which needs nothing more."""

    __slots__ = ()


def full_name(place: Location, path: str) -> Named:
    """Return a path of the file system of a place as one that starts where the user's does."""
    if isinstance(path, Named):
        return path
    if path in ("", "."):
        return Named(place.display)
    real = os.path.realpath(place.host)
    if os.path.isabs(path):
        inside = os.path.commonpath([real, path]) == real
        return Named(os.path.normpath(os.path.join(place.host, os.path.relpath(path, real))) if inside else path)
    # Paths in a folder start there, those in a file with its name.
    base = place.host if os.path.isdir(place.host) else os.path.dirname(os.path.normpath(place.host))
    return Named(os.path.join(base, path).rstrip("/"))


@contextmanager
def naming(place: Location, *others: Location) -> Iterator[None]:
    """Let errors about what is read from a place say its path in full.

    Args:
        place: The place.
        others: Other places whose files are read as well: their names are full already.
    """
    try:
        yield
    except OboromiFsError as error:
        files = [each.host for each in (place, *others) if not os.path.isdir(each.host)]
        _tell(error, place, files)
        raise


def _tell(error: OboromiFsError, place: Location, files: list[str]) -> None:
    def full(path: str) -> str:
        return Named(path) if path in files else full_name(place, path)

    if isinstance(error, EntryNotFoundError | NotADirectoryEntryError | IsADirectoryEntryError):
        error.filename = full(error.filename)
    elif isinstance(error, MappingError):
        error.filename = full(error.filename) if os.path.isabs(error.filename) else error.filename
    elif isinstance(error, FormatError):
        error.source = full(error.source)
    elif isinstance(error, UnsafePathError):
        error.path = full(error.path)
    elif isinstance(error, MissingKeyError) and not isinstance(error.why, Named):
        path, mark, reason = error.why.partition(" (")
        if mark and place.path != path and place.fs.exists(path):
            error.why = Named(f"{full(path)}{mark}{reason}")
        elif not any(name in error.why for name in (place.display, *files)):
            error.why = Named(f"{place.display} ({error.why})" if error.why else place.display)


@contextmanager
def below(path: str) -> Iterator[None]:
    """Let errors about names in a directory say where that is, which whoever met them did not know."""
    try:
        yield
    except (EntryNotFoundError, NotADirectoryEntryError, IsADirectoryEntryError) as error:
        error.filename = _under(path, error.filename)
        raise
    except UnsafePathError as error:
        error.path = _under(path, error.path)
        raise
    except FormatError as error:
        error.source = _under(path, error.source) if error.source else path
        raise


def _under(path: str, name: str) -> str:
    known = isinstance(name, Named) or os.path.isabs(name) or name == path or name.startswith(f"{path}/")
    return name if known or not path else join(path, name)
