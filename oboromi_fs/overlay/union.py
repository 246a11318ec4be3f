"""UnionFs: layers as one file system."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs, ReopenedFile
from oboromi_fs.base import FileSystemBase, SubFs, extents_of
from oboromi_fs.errors import (
    EntryNotFoundError,
    IsADirectoryEntryError,
    LayerError,
    NotADirectoryEntryError,
    OboromiFsError,
)
from oboromi_fs.overlay.layer import Layer, layers_of
from oboromi_fs.overlay.providers import Explanation, Hidden, Provider, provider
from oboromi_fs.overlay.resolver import Found, Listed, Problem, Resolver
from oboromi_fs.paths import join, normalise, sort_key
from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["UnionFs"]

_DEEPEST = 32
"""Unions in unions: a lookup goes through them all."""


class UnionFs(FileSystemBase):
    """Layers as one file system: the later wins, directories merge.

    Opening it reads nothing; a lookup asks each layer once, from the top, until one has the path. A name is listed once, in the spelling
    of the lowest layer that has it, in path order.

    Args:
        layers: Low to high; a bare file system is a layer called by its number.
        forgiving: Pass over a layer where it cannot be read, and note a problem, instead of raising its error.

    Raises:
        LayerError: Two layers have one name, or a layer holds this union.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> base = Layer(MemoryFs({"a.txt": b"1", "b.txt": b"2"}), "base")
        >>> union = UnionFs([base, Layer(MemoryFs({"b.txt": b"3"}), "mod")])
        >>> union.read_bytes("b.txt"), union.provider("b.txt").source.path
        (b'3', 'mod')
    """

    kind = "Union"

    def __init__(self, layers: Iterable[Layer | FileSystem] = (), *, forgiving: bool = False) -> None:
        super().__init__()
        self._forgiving = forgiving
        self._set_layers(layers_of(layers))

    def _set_layers(self, layers: tuple[Layer, ...]) -> None:
        for layer in layers:
            _check(layer, self)
        self._layers = layers
        self._resolver = Resolver(layers, forgiving=self._forgiving)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, low to high."""
        return self._layers

    @property
    def problems(self) -> list[Problem]:
        """What was found wrong with the layers so far, where lookups and listings led."""
        return self._resolver.problems

    def mount(self, at: PathType, fs: FileSystem, name: str = "", **options: object) -> Layer:
        """Put a file system on top, its root at a directory of the union, which need not exist.

        Mounting the same file system at the same place again changes nothing but the order: it is on top then.

        Args:
            at: Where.
            fs: What.
            name: What to call the layer; by its place where there is no name.
            options: Further arguments of :class:`Layer`.

        Raises:
            LayerError: The name is taken, or the file system holds this union.
        """
        place = normalise(at)
        rest = tuple(layer for layer in self._layers if not (layer.given is fs and layer.at == place))
        layer = Layer(fs, name or f"layer {len(self._layers)} at /{place}", at=place, **options)  # type: ignore[arg-type]
        self._set_layers(layers_of((*rest, layer)))
        return layer

    def unmount(self, name: str) -> Layer:
        """Take a layer away, without closing it.

        Raises:
            LayerError: There is no layer of that name.
        """
        layer = self._layers[self.index(name)]
        self._set_layers(tuple(other for other in self._layers if other is not layer))
        return layer

    def index(self, name: str) -> int:
        """Return the number of a layer, counted from the lowest.

        Raises:
            LayerError: There is no layer of that name.
        """
        for number, layer in enumerate(self._layers):
            if layer.name == name:
                return number
        raise LayerError(name, f"there is none of that name; there are {', '.join(repr(layer.name) for layer in self._layers) or 'none'}")

    # Who provides what

    def provider(self, path: PathType) -> Provider:
        """Return the version of a file that wins.

        Raises:
            EntryNotFoundError: No such path.
            IsADirectoryEntryError: The path is a directory.
        """
        canonical = normalise(path)
        found = self._file(canonical)
        return self._provider(canonical, found, found.paths[0])

    def providers(self, path: PathType) -> tuple[Provider, ...]:
        """Return all versions of a file that count, low to high; for a directory those that merge in it; none where there is none.

        A layer that has several spellings of the path has as many versions.
        """
        canonical = normalise(path)
        return tuple(
            self._provider(canonical, found, inner) for found in reversed(self._resolver.stack(canonical)) for inner in found.paths[::-1]
        )

    def explain(self, path: PathType) -> Explanation:
        """Return who provides a path, whom that overrides, and what is hidden by what. ``winner`` is None where there is no such path."""
        canonical = normalise(path)
        chain = self.providers(canonical)
        hidden = tuple(
            Hidden(self._provider(canonical, version.found, inner), version.reason, version.by)
            for version in self._resolver.hidden(canonical)
            for inner in version.found.paths[::-1]
        )
        return Explanation(canonical, chain[-1] if chain else None, chain[:-1], hidden)

    def storage_in(self, layer: int | str, path: PathType) -> Storage:
        """Return a layer's version of a file, be it hidden or not.

        Args:
            layer: Its number from the lowest, or its name.
            path: The path in the union.

        Raises:
            EntryNotFoundError: The layer has no such file.
            IsADirectoryEntryError: The layer has a directory there.
        """
        number = self.index(layer) if isinstance(layer, str) else layer
        canonical = normalise(path)
        answer = self._resolver.find(number, canonical)
        if answer.meta is None:
            raise EntryNotFoundError(canonical, f"layer {self._layers[number].name!r} has no such path")
        if answer.meta.kind == "directory":
            raise IsADirectoryEntryError(canonical)
        return self._layers[number].fs.storage(answer.paths[0])

    def _provider(self, path: str, found: Found, inner: str) -> Provider:
        return provider(found.layer, self._layers[found.layer], path, inner)

    # The file system

    def _find(self, path: str) -> Found:
        found = self._resolver.winner(path)
        if found is None:
            raise self._missing(path)
        return found

    def _missing(self, path: str) -> EntryNotFoundError | NotADirectoryEntryError:
        end = path.find("/")
        while end > 0:  # From the root down: what is missing ends it, however long the rest is.
            found = self._resolver.winner(path[:end])
            if found is None:
                break
            if found.meta.kind == "file":
                return NotADirectoryEntryError(path)
            end = path.find("/", end + 1)
        return EntryNotFoundError(path)

    def _file(self, path: str) -> Found:
        found = self._find(path)
        if found.meta.kind == "directory":
            raise IsADirectoryEntryError(path)
        return found

    def _metadata(self, path: str) -> Metadata:
        if not path and not self._layers:
            return Metadata("directory", 0)
        return self._find(path).meta

    def _read_dir(self, path: str) -> list[DirEntry]:
        found = self._resolver.listing(path)
        if found is None:
            if not path and not self._layers:
                return []
            raise self._missing(path) if self._resolver.winner(path) is None else NotADirectoryEntryError(path)
        return [listed.entry for listed in _sorted(found)]

    def _storage(self, path: str) -> Storage:
        found = self._file(path)
        try:
            return self._layers[found.layer].fs.storage(found.paths[0])
        except (OboromiFsError, OSError) as error:
            error.add_note(f"met in layer {self._layers[found.layer].name!r} at {path!r}")
            raise

    def winners(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry, int, str]]:
        """Yield ``(path, entry, layer, path in the layer)`` for everything below a directory, parents first, in path order a directory.

        Paths are relative to the directory; those in layers are as :attr:`Provider.original_path`.
        """
        root = normalise(path)
        resolver = self._resolver
        places = resolver.merging(root)
        if places is None:
            self._read_dir(root)  # Says why; or there are no layers, and nothing below the root.
            return
        # Levels of the tree: a directory's path, its layers' listings, and what of the merged one is yet to come.
        listings = resolver.listings(root, places)
        pending = [("", listings, iter(_sorted(resolver.merged(root, listings))))]
        while pending:
            parent, above, entries = pending[-1]
            found = next(entries, None)
            if found is None:
                pending.pop()
                continue
            entry, layer, inner = found
            here = join(parent, entry.name)
            yield here, entry, layer, inner
            if entry.kind == "directory":
                full = join(root, here)
                listings = resolver.listings(full, resolver.below(join(root, parent).rstrip("/"), entry.name, above))
                pending.append((here, listings, iter(_sorted(resolver.merged(full, listings)))))

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory, parents first; paths are relative to that directory."""
        return ((here, entry) for here, entry, _, _ in self.winners(path))

    def walk_extents(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry, Extent | None]]:
        """Yield what :meth:`walk` does, and with each file where its bytes are; files of host folders are open only while they are read."""
        known: dict[int, _Places] = {}
        on_host = [isinstance(layer.fs, HostFs) for layer in self._layers]
        for here, entry, layer, inner in self.winners(path):
            if entry.kind == "directory":
                yield here, entry, None
                continue
            fs = self._layers[layer].fs
            if on_host[layer]:
                yield here, entry, Extent(here, ReopenedFile(fs, inner, entry.size), 0, entry.size)  # type: ignore[arg-type]  # As asked.
                continue
            if layer not in known:
                known[layer] = _Places(fs)
            storage, offset = known[layer].of(inner)
            yield here, entry, Extent(here, storage, offset, entry.size)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a storage; files of host folders are open only while they are read."""
        return (extent for _, _, extent in self.walk_extents(path) if extent is not None)

    def close(self) -> None:
        """Close the layers that this union owns, and no others; if one cannot be, the others are, and its error is raised."""
        with ExitStack() as closing:
            closing.callback(super().close)
            for layer in self._layers:
                close = getattr(layer.given, "close", None)
                if layer.owned and close is not None:
                    closing.callback(close)


class _Places:
    """Where the files of an archive are, found in one pass over it instead of a lookup for each.

    Of those in the storage that most share only offsets are kept: hundreds of thousands of objects would keep the collector busy.
    """

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self._shared: Storage | None = None
        self._offsets: dict[str, int] = {}
        self._others: dict[str, tuple[Storage, int]] = {}
        for path, storage, offset, _ in extents_of(fs):
            if self._shared is None:
                self._shared = storage
            if storage is self._shared:
                self._offsets[path] = offset
            else:
                self._others[path] = (storage, offset)

    def of(self, path: str) -> tuple[Storage, int]:
        offset = self._offsets.get(path)
        if offset is not None and self._shared is not None:
            return self._shared, offset
        return self._others.get(path) or (self._fs.storage(path), 0)


def _sorted(listed: list[Listed]) -> list[Listed]:
    """What is in a directory, in path order."""
    names = [each.entry.name for each in listed]
    keys = names if all(map(str.isascii, names)) else [sort_key(name) for name in names]  # Of ASCII, the text itself is in that order.
    order = sorted(range(len(names)), key=keys.__getitem__)
    return [listed[number] for number in order]


def _check(layer: Layer, union: UnionFs) -> None:
    """See that a layer is not built on the union it is to be a layer of, and that what it is built on has an end.

    Raises:
        LayerError: It is, or has not.
    """
    pending: list[tuple[FileSystem | None, int]] = [(layer.given, 0)]
    known: set[int] = set()
    while pending:
        fs, depth = pending.pop()
        if fs is None or id(fs) in known:
            continue
        known.add(id(fs))
        if fs is union:
            raise LayerError(layer.name, "holds the union it is to be a layer of")
        if depth > _DEEPEST:
            raise LayerError(layer.name, f"unions are nested deeper than {_DEEPEST}")
        if isinstance(fs, UnionFs):
            pending += [(inner.given, depth + 1) for inner in fs.layers]
        elif isinstance(fs, SubFs) or getattr(fs, "nests", False):
            pending.append((getattr(fs, "fs", None), depth))
