"""The resolver: which layers have a path, and which of them wins. Lookup, listing and explanation all come from here.

From the top layer down, the first layer that has a path decides its kind. A file wins alone. A directory merges with those below it,
until something cuts: a layer in which the path or a parent of it is no directory, a whiteout, or an opaque directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import OboromiFsError, UnsafePathError
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.views import Answer, Wanted, view_of
from oboromi_fs.paths import addressable, join
from oboromi_fs.protocols import DirEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.markers import Marked
    from oboromi_fs.protocols import Metadata

__all__ = ["Found", "HiddenFile", "Listed", "Listing", "Place", "Problem", "Resolver"]


class Problem(NamedTuple):
    """Something about a layer that its owner should know.

    ``kind`` is ``"damaged"`` (something could not be read: what the layer has there does not count), ``"ambiguous"`` (names of one layer
    differ in case alone) or ``"ignored"`` (a name that no path can spell, a link that leaves the layer).
    """

    layer: str
    kind: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"layer {self.layer!r}: {self.text}"


class Found(NamedTuple):
    """A layer that has a path: its number from the lowest, what it has, and where in it that is."""

    layer: int
    meta: Metadata
    paths: tuple[str, ...]


class HiddenFile(NamedTuple):
    """A version of a file that does not count; why, and the layer that is the reason."""

    found: Found
    reason: str
    by: int


class Place(NamedTuple):
    """A directory that merges: the layer's number, and where in it that is."""

    layer: int
    paths: tuple[str, ...]


class Listing(NamedTuple):
    """What one layer has in a merged directory, also by name; and whether what that names is where the name says."""

    layer: int
    paths: tuple[str, ...]
    marked: Marked
    names: dict[str, DirEntry]
    plain: bool


class Listed(NamedTuple):
    """An entry of a merged directory, the layer that provides it, and its path in there."""

    entry: DirEntry
    layer: int
    inner: str


_MOST_PROBLEMS = 1000
"""Problems that are kept: a damaged layer has one for every path that is asked for."""


class Resolver:
    """Answers for a sequence of layers.

    Args:
        layers: Low to high.
        forgiving: Whether a layer that cannot be read at a path is passed over, and a :class:`Problem`; else its error is raised.
    """

    def __init__(self, layers: Sequence[Layer], *, forgiving: bool = False) -> None:
        self.layers = layers
        self.forgiving = forgiving
        self.views = [view_of(layer) for layer in layers]
        self._problems: dict[Problem, None] = {}
        self._top_down = range(len(self.views) - 1, -1, -1)

    def note(self, layer: int, kind: str, path: str, text: str) -> None:
        """Remember a problem, once, and no more than people would read."""
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.setdefault(Problem(self.layers[layer].name, kind, path, text))

    @property
    def problems(self) -> list[Problem]:
        """What was found wrong with the layers so far."""
        for layer, view in enumerate(self.views):
            for paths in tuple(view.clashes):
                self.note(layer, "ambiguous", paths[0], f"{' and '.join(map(repr, paths))} differ in case alone")
        return list(self._problems)

    # Lookup

    def find(self, layer: int, path: str) -> Answer:
        """Ask one layer."""
        try:
            return self.views[layer].find(path)
        except UnsafePathError as error:
            self.note(layer, "ignored", path, str(error))
        except (OboromiFsError, OSError) as error:
            self.failed(layer, path, error)
        return _ABSENT

    def failed(self, layer: int, path: str, error: OboromiFsError | OSError) -> None:
        """Pass over a layer that cannot be read at a path, or raise its error."""
        if not self.forgiving:
            error.add_note(f"met in layer {self.layers[layer].name!r} at {path!r}")
            raise error
        self.note(layer, "damaged", path, str(error))

    def winner(self, path: str) -> Found | None:
        """Return the top layer that has a path, asking no further than needed; None where none has, or something hides it."""
        for layer in self._top_down:
            meta, paths, cuts = self.find(layer, path)
            if meta is not None:
                return Found(layer, meta, paths)
            if cuts:
                return None
        return None

    def stack(self, path: str) -> list[Found]:
        """Return all layers that count at a path, top first: versions of one file, or directories that merge."""
        return [found for found, reason, _ in self._versions(path) if not reason]

    def hidden(self, path: str) -> list[HiddenFile]:
        """Return the versions of a path that do not count, low to high."""
        return [version for version in self._versions(path, everything=True) if version.reason][::-1]

    def _versions(self, path: str, *, everything: bool = False) -> Iterator[HiddenFile]:
        """Every version of a path, top first; those that count have no reason to be hidden."""
        cut, why = -1, ""
        first = {"file": -1, "directory": -1}
        for layer in self._top_down:
            meta, paths, cuts = self.find(layer, path)
            hidden = False
            if meta is not None:
                other = "directory" if meta.kind == "file" else "file"
                by = max(cut, first[other])  # The topmost of what hides it.
                hidden = by >= 0
                yield HiddenFile(Found(layer, meta, paths), (why if by == cut else other) if hidden else "", by)
                first[meta.kind] = max(first[meta.kind], layer)
            if cuts and cut < 0:
                cut, why = layer, cuts
            if (hidden or cut >= 0) and not everything:
                return

    # Listing

    def merging(self, path: str) -> list[Place] | None:
        """Return the directories that merge at a path, top first; None where there is none."""
        places: list[Place] = []
        there = False
        for layer in self._top_down:
            meta, paths, cuts = self.find(layer, path)
            if meta is not None:
                if meta.kind != "directory":
                    break
                there = True
                places.append(Place(layer, paths))
            if cuts:
                break
        return places if there else None

    def listings(self, path: str, places: list[Place]) -> list[Listing]:
        """List the directories that merge at a path, top first, down to one that hides what is below."""
        found: list[Listing] = []
        for place in places:
            try:
                marked = self.views[place.layer].listing(Wanted(path, place.paths))
            except (OboromiFsError, OSError) as error:
                self.failed(place.layer, path, error)
                continue
            plain = self.views[place.layer].plain_in(path)
            found.append(Listing(place.layer, place.paths, marked, {entry.name: entry for entry in marked.entries}, plain))
            if marked.opaque:
                break
        return found

    def listing(self, path: str) -> list[Listed] | None:
        """Return the merged entries of a directory; None where there is none."""
        places = self.merging(path)
        return None if places is None else self.merged(path, self.listings(path, places))

    def merged(self, path: str, listings: list[Listing]) -> list[Listed]:
        """Merge listings.

        A name keeps the spelling of the lowest layer that has it: it is what the names above were meant to match.
        """
        listed: dict[str, Listed] = {}
        folds = any(self.views[each.layer].folds for each in listings)
        spellings: dict[str, dict[str, None]] = {}
        for layer, paths, marked, _, _ in reversed(listings):
            if self.views[layer].folds:
                self._fold_in(layer, Wanted(path, paths), marked, listed, spellings)
                continue
            prefix = f"{paths[0]}/" if paths[0] else ""
            for name in marked.whiteouts:
                listed.pop(name, None)
            for entry in marked.entries:
                name = entry.name
                if not addressable(name):
                    self.note(layer, "ignored", join(path, name), f"no path can spell the name {name!r} in {path or 'the root'!r}")
                    continue
                listed[name] = Listed(entry, layer, prefix + name)
                if folds:
                    spellings.setdefault(fold_case(name), {})[name] = None
        return list(listed.values())

    def below(self, path: str, name: str, listings: list[Listing]) -> list[Place]:
        """Return the directories that merge at a name of a merged directory, top first, from the listings of that one.

        This is :meth:`merging` for who walks a tree: a layer whose listing lacks the name is not asked again.
        """
        inner = join(path, name)
        places: list[Place] = []
        for layer, paths, marked, names, plain in listings:
            if not plain:
                meta, found, cuts = self.find(layer, inner)
                if meta is not None:
                    if meta.kind != "directory":
                        break
                    places.append(Place(layer, found))
                if cuts:
                    break
                continue
            entry = names.get(name)
            if entry is not None:
                if entry.kind != "directory":
                    break
                places.append(Place(layer, (join(paths[0], name),)))
            if name in marked.whiteouts:
                break
        return places

    def _fold_in(
        self, layer: int, wanted: Wanted, marked: Marked, listed: dict[str, Listed], spellings: dict[str, dict[str, None]]
    ) -> None:
        """Merge the listing of a layer that answers to any case: it provides every name that differs from its own in case alone."""
        for name in marked.whiteouts:
            for known in spellings.get(fold_case(name), ()):
                listed.pop(known, None)
        groups: dict[str, list[DirEntry]] = {}
        for entry in marked.entries:
            groups.setdefault(fold_case(entry.name), []).append(entry)
        for folded, entries in groups.items():
            names = [name for name in spellings.get(folded, ()) if name in listed]
            if not names:
                names = [entries[0].name]
                spellings.setdefault(folded, {})[names[0]] = None
            for name in names:
                entry = next((entry for entry in entries[1:] if entry.name == name), entries[0])
                inner = join(wanted.paths[0], entry.name)
                if len(wanted.paths) > 1:  # Which of the directories has it shows when it is asked for.
                    inner = (self.find(layer, join(wanted.path, name)).paths or (inner,))[0]
                listed[name] = Listed(DirEntry(name, entry.kind, entry.size), layer, inner)


_ABSENT = Answer(None)
