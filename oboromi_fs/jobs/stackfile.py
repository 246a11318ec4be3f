"""Stack files: which layers, in which order, written down so that a load order can lie in version control.

A stack file lists layers from the lowest to the highest; paths count from the folder it lies in::

    case = "fold"                 # for all layers that do not say: "exact" (the default) or "fold"
    profile = "plain"             # or "openmw": loose files above archives, every layer folds
    archives = ["extra/a.zip"]    # archives in the layers, found by the merged view, that become layers themselves

    [[layer]]
    name = "base"                 # what reports call it; the path where it is not given
    path = "game.nsp/@program/romfs"

    [[layer]]
    path = "mods/music"
    enabled = false               # as if it were not here
    at = "sound"                  # mounted at a directory of the union
    markers = false               # whiteouts in it are ordinary files
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from oboromi_fs.errors import FormatError
from oboromi_fs.file import File
from oboromi_fs.overlay import Case
from oboromi_fs.overlay.layer import LayerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LayerSpec", "Profile", "StackSpec", "parse_stack", "read_stack", "stack_of"]

Profile: TypeAlias = Literal["plain", "openmw"]

_MOST = 16 << 20
"""Bytes of a stack file: more is none."""


_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer as it is written down: see the module for what the fields mean."""

    path: str
    name: str = ""
    case: Case | Literal[""] = ""
    at: str = ""
    kind: LayerKind | Literal[""] = ""
    markers: bool | None = None
    enabled: bool = True
    from_here: bool = False
    """Whether the path counts from the working directory, whatever it is written in."""

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name or self.path


@dataclass(frozen=True, slots=True)
class StackSpec:
    """Layers from the lowest to the highest. ``source`` is the file they are written in; ``""`` where they are in none."""

    layers: tuple[LayerSpec, ...]
    case: Case = "exact"
    profile: Profile = "plain"
    archives: tuple[str, ...] = ()
    source: str = ""

    def path_of(self, layer: LayerSpec) -> str:
        """Return where a layer is, from here on: paths in a stack file count from its folder."""
        return os.path.join(os.path.dirname(self.source), layer.path) if self.source and not layer.from_here else layer.path


def stack_of(paths: Iterable[str], *, case: Case = "exact", profile: Profile = "plain") -> StackSpec:
    """Return a stack of layers given by their paths alone, lowest first. A path that is given twice is two layers."""
    layers: list[LayerSpec] = []
    known: set[str] = set()
    for path in paths:
        name, number = path, 1
        while name in known:
            number += 1
            name = f"{path} ({number})"
        known.add(name)
        layers.append(LayerSpec(path, name if name != path else ""))
    return StackSpec(tuple(layers), case, profile)


def read_stack(path: str | os.PathLike[str]) -> StackSpec:
    """Read a stack file.

    Raises:
        FormatError: It is no TOML, or says something that a stack has not; the message names file and field.
        OSError: It cannot be read.
    """
    name = os.fspath(path)
    with File.open(name, access="pread") as file:
        if file.size > _MOST:
            raise FormatError(f"has {file.size} bytes, a stack file has fewer than {_MOST}", what="stack file", source=name)
        data = file.tobytes()
    return parse_stack(data, name)


def parse_stack(data: bytes, source: str = "") -> StackSpec:
    """Return what a stack file says.

    Args:
        data: Its bytes.
        source: Its path, for messages and as what paths in it count from.

    Raises:
        FormatError: As :func:`read_stack`.
    """
    import tomllib

    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError("is not UTF-8", what="" if source else "stack file", source=source, offset=error.start) from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise FormatError(f"is no stack file: no TOML: {error}", source=source) from None
    fields = _Fields(source, "", document)
    case: Case = fields.one_of("case", get_args(Case), "exact")
    profile: Profile = fields.one_of("profile", get_args(Profile), "plain")
    archives = fields.texts("archives")
    rows = document.get("layer", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise fields.wrong("layer", "is a list of tables: write [[layer]] above each")
    fields.nothing_but("case", "profile", "archives", "layer")
    layers = tuple(_layer(_Fields(source, f"layer {number}", row)) for number, row in enumerate(rows, 1))
    labels: set[str] = set()
    for number, layer in enumerate(layers, 1):
        if layer.label in labels:
            raise FormatError(f"another layer is called {layer.label!r}", what=f"layer {number}", source=source, field="name")
        labels.add(layer.label)
    return StackSpec(layers, case, profile, archives, source)


def _layer(fields: _Fields) -> LayerSpec:
    path = fields.text("path", "")
    if not path:
        raise fields.wrong("path", "is missing: a layer is somewhere")
    layer = LayerSpec(
        path=path,
        name=fields.named("name"),
        case=fields.one_of("case", get_args(Case), ""),
        at=fields.mount_point("at"),
        kind=fields.one_of("kind", get_args(LayerKind), ""),
        markers=fields.flag("markers", default=None),
        enabled=bool(fields.flag("enabled", default=True)),
    )
    fields.nothing_but("path", "name", "case", "at", "kind", "markers", "enabled")
    return layer


def _shown(value: object) -> str:
    """A value as a message has it; of one that is long, or a number of more digits than Python spells, not all."""
    try:
        text = repr(value)
    except ValueError:
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


class _Fields:
    """A table of a stack file, read field by field."""

    def __init__(self, source: str, where: str, table: dict[str, Any]) -> None:
        self.source = source
        self.where = where
        self.table = table

    def wrong(self, name: str, problem: str) -> FormatError:
        return FormatError(problem, what=self.where or ("" if self.source else "stack file"), source=self.source, field=name)

    def text(self, name: str, default: str) -> str:
        value = self.table.get(name, default)
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong(name, f"is a text, not {_shown(value)}")
        return value

    def named(self, name: str) -> str:
        value = self.text(name, "")
        if name in self.table and not value:
            raise self.wrong(name, "is empty; without it, a layer is called by its path")
        return value

    def mount_point(self, name: str) -> str:
        value = self.text(name, "")
        if ".." in value.split("/"):
            raise self.wrong(name, f"leads out of the merged view: {_shown(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise self.wrong(name, f"is a list of texts, not {_shown(value)}")
        return tuple(value)

    def flag(self, name: str, *, default: bool | None) -> bool | None:
        value = self.table.get(name, default)
        if not isinstance(value, bool) and value is not default:
            raise self.wrong(name, f"is true or false, not {_shown(value)}")
        return value

    def one_of(self, name: str, values: Sequence[str], default: str) -> Any:
        value = self.text(name, default)
        if name in self.table and value not in values:
            raise self.wrong(name, f"is {' or '.join(map(repr, values))}, not {_shown(value)}")
        return value

    def nothing_but(self, *names: str) -> None:
        from difflib import get_close_matches

        for name in self.table:
            if name not in names:
                near = get_close_matches(name, names, 1)
                raise self.wrong(name, f"is unknown; {f'did you mean {near[0]!r}?' if near else 'there are ' + ', '.join(names)}")
