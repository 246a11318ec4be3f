"""Validating a stack: whether every layer can be opened and read to its end, and is free of what decides by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.base import extents_of, walk
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.paths import addressable, unsafe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.jobs.stack import Stack
    from oboromi_fs.overlay import Layer
    from oboromi_fs.protocols import Extent

__all__ = ["LayerCheck", "validate_stack"]

_WINDOW = 1 << 20


class LayerCheck(NamedTuple):
    """What was found of a layer. ``status`` is ``"ok"``, ``"failed"`` or ``"note"``."""

    layer: str
    status: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return dict(self._asdict())


def validate_stack(stack: Stack, *, read: bool = False) -> Iterator[LayerCheck]:
    """Check the layers of a stack, one after the other, and what the merged view makes of them.

    Args:
        stack: The stack, opened so that broken and missing layers are told.
        read: Whether to read every byte; else tables, names and bounds are checked.

    Yields:
        What was found: at least one check a layer, in the order of the layers, and what is ambiguous between them at the end.
    """
    broken = {found.layer.label: found.error for found in stack.broken}
    for layer in stack.union.layers:
        error = broken.get(layer.name)
        if error is not None:
            yield LayerCheck(layer.name, "failed", f"cannot be opened: {error}")
        else:
            yield from _layer(layer, read=read)
    for name in broken.keys() - {layer.name for layer in stack.union.layers}:
        yield LayerCheck(name, "failed", f"cannot be opened: {broken[name]}")
    yield from _merged(stack)


def _layer(layer: Layer, *, read: bool) -> Iterator[LayerCheck]:
    found: list[LayerCheck] = []
    files = 0
    try:
        for path, entry in walk(layer.fs):
            reason = "" if addressable(entry.name) else "no path can spell it"
            reason = reason or unsafe_name(entry.name)
            if reason:
                found.append(LayerCheck(layer.name, "failed", f"{path!r}: the name {reason}"))
        for extent in extents_of(layer.fs):
            files += 1
            if read:
                found += _read(layer, extent)
    except (OboromiFsError, OSError) as error:
        found.append(LayerCheck(layer.name, "failed", str(error)))
    found += [LayerCheck(layer.name, "failed", str(problem)) for problem in getattr(layer.fs, "problems", ())]
    yield from found
    if not found:
        yield LayerCheck(layer.name, "ok", f"{files} files, {'read to the end' if read else 'listed to the end'}")


def _read(layer: Layer, extent: Extent) -> list[LayerCheck]:
    stop = extent.offset + extent.size
    try:
        for start in range(extent.offset, stop, _WINDOW):
            extent.storage[start : min(start + _WINDOW, stop)]
    except (OboromiFsError, OSError) as error:
        return [LayerCheck(layer.name, "failed", f"{extent.path!r}: {error}")]
    return []


def _merged(stack: Stack) -> Iterator[LayerCheck]:
    """What shows in the merged view alone."""
    union = stack.union
    try:
        for _ in union.winners():
            pass
    except (OboromiFsError, OSError) as error:
        yield LayerCheck("", "failed", f"the merged view cannot be listed: {error}")
    for problem in union.problems:
        status = {"damaged": "failed", "ambiguous": "failed"}.get(problem.kind, "note")
        yield LayerCheck(problem.layer, status, problem.text)
