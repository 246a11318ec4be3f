"""Archives that a list names: found through the union, and opened as layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from oboromi_fs.errors import EntryNotFoundError, OboromiFsError
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.queries import Queries
from oboromi_fs.overlay.resolver import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oboromi_fs.overlay.layer import Case
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["ResolvedArchives", "resolve_archives"]


class _Bytes(Protocol):
    def storage(self, path: str, /) -> Storage:
        """The bytes of a file."""


class ResolvedArchives(NamedTuple):
    """Archives as layers, in the order of the list; and those that are none, or are not there."""

    layers: tuple[Layer, ...]
    skipped: tuple[Problem, ...]


def resolve_archives(
    union: Queries | _Bytes,
    names: Iterable[str],
    open_container: Callable[[Storage], FileSystem],
    *,
    case: Case = "fold",
) -> ResolvedArchives:
    """Find archives in a union by their paths, and open them as layers. What they are is told by their content, not by their names.

    Args:
        union: An index, which finds any spelling that its layers answer to; or a file system.
        names: Paths of the archives, low to high.
        open_container: Opens bytes as a file system; an OboromiFsError if they are of no format it knows.
        case: The case policy of the layers.
    """
    layers: list[Layer] = []
    skipped: list[Problem] = []
    for name in names:
        try:
            storage, where = _storage(union, name)
            fs = open_container(storage)
        except (OboromiFsError, OSError) as error:
            skipped.append(Problem(name, "ignored" if isinstance(error, EntryNotFoundError) else "damaged", name, str(error)))
            continue
        layers.append(Layer(fs, name, "archive", case, path=where))
    return ResolvedArchives(tuple(layers), tuple(skipped))


def _storage(union: Queries | _Bytes, name: str) -> tuple[Storage, str]:
    if not isinstance(union, Queries):
        return union.storage(name), name
    found = union.winner(name)
    layer = union.layers[found.source_index] if found else None
    if found is None or layer is None:
        raise EntryNotFoundError(name)
    return layer.fs.storage(found.original_path), found.resolved_path
