"""What a union of layers is: the rules in their plainest form, over dictionaries. Everything else is tested against this.

Paths are those of the union. Nothing here is quick, and nothing is clever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Kind = Literal["file", "directory"]


@dataclass(frozen=True)
class ModelLayer:
    """One layer. Paths are those in the layer; ``at`` is where its root is mounted. Parents of everything are there by themselves."""

    files: dict[str, bytes] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=set)
    whiteouts: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    case: Literal["exact", "fold"] = "exact"
    at: str = ""

    def place(self, path: str) -> str:
        return "/".join(part for part in (self.at, path) if part)

    def inner(self, path: str) -> str:
        return path[len(self.at) :].lstrip("/") if self.at else path

    @cached_property
    def entries(self) -> dict[str, Kind]:
        """Everything in it. The directories down to ``at`` are there, too."""
        found: dict[str, Kind] = {"": "directory"}
        for path in [*self.files, *self.dirs, *self.whiteouts, *self.opaque, ""]:
            for parent in parents(self.place(path)):
                found[parent] = "directory"
        found |= {self.place(path): "directory" for path in [*self.dirs, *self.opaque, ""]}
        return found | {self.place(path): "file" for path in self.files}

    def same(self, mine: str, asked: str) -> bool:
        """Whether a path of this layer is the one that is asked for (rule 1)."""
        return mine == asked or (self.case == "fold" and fold(mine) == fold(asked))

    def answers(self, asked: str) -> tuple[Kind, list[str]] | None:
        """Kind and spellings of what this layer has at a path; of several the last one counts, and directories merge."""
        entries = self.entries
        if any((above := self.answers(parent)) is None or above[0] == "file" for parent in parents(asked)[-1:]):
            return None
        found = sorted(
            (path for path in entries if self.same(path, asked)), key=lambda path: (self.inner(path) == self.inner(asked), raw(path))
        )
        if not found:
            return None
        kind = entries[found[-1]]
        return kind, [path for path in found if entries[path] == kind]

    def cuts(self, asked: str, kind: Kind) -> str:
        """Why nothing of this kind that lies in a layer below is seen at a path (rules 2, 5); ``""`` where it is."""
        for path in [*parents(asked), asked]:
            mine = self.answers(path)
            if path and any(self.same(self.place(gone), path) for gone in self.whiteouts):
                return "whiteout"
            if mine and mine[0] == "directory" and any(self.same(self.place(opaque), path) for opaque in self.opaque):
                return "opaque"
            if mine and mine[0] == "file" and (path != asked or kind == "directory"):
                return "file"
            if mine and mine[0] == "directory" and path == asked and kind == "file":
                return "directory"
        return ""


class Version(NamedTuple):
    """A layer's file at a path of the union: the layer, and its path there as it is spelled (``at`` included)."""

    layer: int
    spelled: str


class HiddenVersion(NamedTuple):
    layer: int
    spelled: str
    reason: str
    by: int


def fold(path: str) -> str:
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in path)


def raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def parents(path: str) -> list[str]:
    """Its directories, from the root ``""`` down; none of the root."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:depth]) for depth in range(len(parts))]


def hider(layers: Sequence[ModelLayer], index: int, path: str, kind: Kind) -> tuple[str, int]:
    """The topmost layer that hides what layer ``index`` has at a path, and why; ``("", -1)`` where it is seen."""
    for above in reversed(range(index + 1, len(layers))):
        if reason := layers[above].cuts(path, kind):
            return reason, above
    return "", -1


def kind_of(layers: Sequence[ModelLayer], path: str) -> Kind | None:
    """What a path of the union is. What is seen in several layers is of one kind (rule 2)."""
    kinds = {
        answer[0]
        for index, layer in enumerate(layers)
        if (answer := layer.answers(path)) is not None and not hider(layers, index, path, answer[0])[0]
    }
    assert len(kinds) < 2, kinds
    return next(iter(kinds), None)


def _versions(layers: Sequence[ModelLayer], path: str) -> Iterator[tuple[Version, str, int]]:
    for index, layer in enumerate(layers):
        answer = layer.answers(path)
        if answer is not None and answer[0] == "file":
            for spelled in answer[1]:
                yield Version(index, spelled), *hider(layers, index, path, "file")


def chain(layers: Sequence[ModelLayer], path: str) -> list[Version]:
    """Who provides a file, low to high (rule 3)."""
    return [version for version, reason, _ in _versions(layers, path) if not reason]


def hidden(layers: Sequence[ModelLayer], path: str) -> list[HiddenVersion]:
    """Files of that path that something above hides, low to high."""
    return [HiddenVersion(*version, reason, by) for version, reason, by in _versions(layers, path) if reason]


def winner(layers: Sequence[ModelLayer], path: str) -> Version | None:
    """The file that is seen at a path."""
    found = chain(layers, path)
    return found[-1] if found else None


def read(layers: Sequence[ModelLayer], path: str) -> bytes:
    """Contents of the file at a path; KeyError where there is none."""
    found = winner(layers, path)
    if found is None:
        raise KeyError(path)
    layer = layers[found.layer]
    return layer.files[layer.inner(found.spelled)]


def listing(layers: Sequence[ModelLayer], path: str) -> dict[str, Kind] | None:
    """Name -> kind of what is in a directory; None where there is no such directory (rule 4).

    Of spellings that one folding layer has, the byte-wise last stands for all. A whiteout ends a spelling, another kind above does not.
    What is deleted under the name it is listed by is gone from the listing, even where a folding layer still answers to another spelling.
    """
    if kind_of(layers, path) != "directory":
        return None
    names: list[str] = []
    for index, layer in enumerate(layers):
        answer = layer.answers(path)
        if answer is None or answer[0] == "file" or hider(layers, index, path, "directory")[0]:
            continue
        gone = [layer.place(name) for name in layer.whiteouts]
        names = [name for name in names if not any(layer.same(path_gone, join(path, name)) for path_gone in gone)]
        mine = [entry for entry in layer.entries if entry and entry.rpartition("/")[0] in answer[1]]
        for entry in sorted(mine, key=raw, reverse=True):
            name = entry.rpartition("/")[2]
            if not any(name == other or (layer.case == "fold" and fold(name) == fold(other)) for other in names):
                names.append(name)
    found: dict[str, Kind] = {}
    for name in names:
        kind = kind_of(layers, join(path, name))
        assert kind is not None, "what is listed is there"
        found[name] = kind
    return found


def walk(layers: Sequence[ModelLayer], path: str = "") -> Iterator[tuple[str, Kind]]:
    """Everything below a directory, parents first."""
    for name, kind in (listing(layers, path) or {}).items():
        child = join(path, name)
        yield child, kind
        if kind == "directory":
            yield from walk(layers, child)


def files(layers: Sequence[ModelLayer]) -> dict[str, bytes]:
    """Path -> contents of every file that is seen."""
    return {path: read(layers, path) for path, kind in walk(layers) if kind == "file"}
