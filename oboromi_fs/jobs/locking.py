"""Locking: the winner of every path of a union, with its digest.

Hashing is that of a manifest: files are read in the order in which their bytes lie, by a few threads.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.host import HostFs
from oboromi_fs.base import StorageBase, extents_of
from oboromi_fs.errors import LayerError, MappingError, OboromiFsError
from oboromi_fs.file import File
from oboromi_fs.jobs.copying import told
from oboromi_fs.jobs.manifest import manifest
from oboromi_fs.overlay.lock import Algorithm, Lock, LockEntry
from oboromi_fs.overlay.resolver import Resolver
from oboromi_fs.paths import sort_key, split
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from oboromi_fs.jobs.manifest import Progress
    from oboromi_fs.overlay.layer import Layer, LayerKind
    from oboromi_fs.overlay.union import UnionFs
    from oboromi_fs.protocols import Storage

__all__ = ["LockInput", "lock_union", "make_lock"]


class LockInput(NamedTuple):
    """A winner that is to be hashed.

    ``storage_opener`` gives its bytes. That of a loose file is called each time bytes are read, so that there may be more files than can
    be open at once; that of a file in an archive once, so that what lies together is read together.
    """

    key: str
    layer_name: str
    kind: LayerKind
    storage_opener: Callable[[], Storage]
    size: int
    provider_count: int


class _Reopened(StorageBase):
    """A loose file that is open only while it is read."""

    __slots__ = ("name", "opener")
    kind = "File"

    def __init__(self, given: LockInput) -> None:
        self.name = given.key
        self.opener = given.storage_opener
        self._size = given.size

    def _readinto(self, offset: int, target: memoryview) -> None:
        storage = self.opener()
        if storage.size != self._size:
            raise MappingError(self.name, f"changed while it was read: it had {self._size} bytes, and has {storage.size}")
        count = storage.readinto_at(offset, target)
        if count != len(target):
            raise MappingError(self.name, f"shrank while it was read: {len(target)} bytes at {offset:#x} are needed, {count} are there")


def make_lock(
    inputs: Iterable[LockInput],
    layers: Sequence[str] = (),
    *,
    algorithm: Algorithm = "blake3",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Lock:
    """Hash winners and write them down.

    Args:
        inputs: The winners, in any order.
        layers: Names of the layers, low to high; where none are given, those of the winners in the order of their bytes.
        algorithm: ``"blake3"`` or ``"sha256"``.
        workers: Threads; None takes one for each processor, 4 at most.
        progress: Called with bytes done, bytes in all and a path, from any thread, one at a time.

    Raises:
        LayerError: A key is given twice, or its layer is none of the ``layers``.
        OboromiFsError, OSError: A file cannot be read; the message names key and layer.
    """
    given: dict[str, LockInput] = {}
    for entry in inputs:
        if given.setdefault(entry.key, entry) is not entry:
            raise LayerError(entry.layer_name, f"the path {entry.key!r} has two winners")
    extents = [
        Extent(entry.key, _Reopened(entry) if entry.kind == "directory" else _opened(entry), 0, entry.size) for entry in given.values()
    ]
    return _lock(given, extents, layers, algorithm, _Pace(workers, progress))


def _opened(entry: LockInput) -> Storage:
    try:
        return entry.storage_opener()
    except (OboromiFsError, OSError) as error:
        raise told(error, f"while opening {_named(entry.key, entry.layer_name)}", entry.key) from error


def _named(key: str, layer: str) -> str:
    return f"{key!r} of layer {layer!r}"


def lock_union(union: UnionFs, *, algorithm: Algorithm = "blake3", workers: int | None = None, progress: Progress | None = None) -> Lock:
    """Lock a union as it is now.

    A layer that cannot be read is an error, even where the union passes over it.

    Args:
        union: The union.
        algorithm: ``"blake3"`` or ``"sha256"``.
        workers: Threads; None takes one for each processor, 4 at most.
        progress: Called with bytes done, bytes in all and a path, from any thread, one at a time.

    Raises:
        OboromiFsError, OSError: Something cannot be read; the message names path and layer.
    """
    given: dict[str, LockInput] = {}
    extents: list[Extent] = []
    counts = _Counts(union)
    known: dict[int, dict[str, Extent]] = {}
    for key, entry, number, inner in union.winners():
        if entry.kind == "directory":
            counts.enter(key)
            continue
        layer = union.layers[number]
        found = LockInput(key, layer.name, layer.kind or "directory", partial(layer.fs.storage, inner), entry.size, counts.of(key))
        given[key] = found
        if isinstance(layer.fs, HostFs):
            host = found._replace(storage_opener=partial(_host_file, layer.fs, inner, entry.size))
            extents.append(Extent(key, _Reopened(host), 0, entry.size))
            continue
        if number not in known:  # In one pass over an archive, instead of a lookup for each of its files.
            known[number] = {extent.path: extent for extent in _extents_of(layer)}
        extent = known[number].get(inner)
        extents.append(extent._replace(path=key) if extent is not None else Extent(key, _opened(found), 0, entry.size))
    return _lock(given, extents, [layer.name for layer in union.layers], algorithm, _Pace(workers, progress))


def _host_file(fs: HostFs, inner: str, size: int) -> Storage:
    """Open a file of a host folder for being read once: mapping it would cost more, and end the process if it shrank."""
    try:
        file = File.open(fs.host_path(inner), access="pread")
    except IsADirectoryError:  # The parts of a split file.
        return fs.storage(inner)
    return file if file.size == size else fs.storage(inner)


def _extents_of(layer: Layer) -> list[Extent]:
    try:
        return list(extents_of(layer.fs))
    except (OboromiFsError, OSError) as error:
        raise told(error, f"while reading layer {layer.name!r}", layer.name) from error


class _Counts:
    """How many versions of a file count, found a directory at a time: asking for each file alone would ask every layer."""

    def __init__(self, union: UnionFs) -> None:
        self._union = union
        self._resolver = Resolver(union.layers)  # One that passes over nothing.
        self._known: dict[str, dict[str, int] | None] = {}
        self.enter("")

    def of(self, path: str) -> int:
        """The number for a visible file."""
        parent, name = split(path)
        level = self._known[parent]
        return max(level.get(name, 1) if level is not None else self._layers(path), 1)

    def _layers(self, path: str) -> int:
        """How many layers have a file; one that has several spellings of it is one."""
        return len({provider.source_index for provider in self._union.providers(path)})

    def enter(self, path: str) -> None:
        """Look at a directory, before its files are asked for.

        Raises:
            OboromiFsError, OSError: A layer cannot be read there, be it passed over by the union or not.
        """
        try:
            self._known[path] = self._level(path)
        except (OboromiFsError, OSError) as error:
            raise told(error, getattr(error, "__notes__", ["while listing"])[-1], path) from error

    def _level(self, path: str) -> dict[str, int] | None:
        """The numbers for the files of a directory; None where layers fold, so that names are not all there is to it."""
        listings = self._resolver.listings(path, self._resolver.merging(path) or [])
        if any(self._resolver.views[each.layer].folds for each in listings):
            return None
        found: dict[str, int] = {}
        for each in reversed(listings):
            for name in each.marked.whiteouts:
                found.pop(name, None)
            for entry in each.marked.entries:
                found[entry.name] = found.get(entry.name, 0) + 1 if entry.kind == "file" else 0  # Files below a directory do not count.
        return found


class _Pace(NamedTuple):
    """How the hashing is done."""

    workers: int | None
    progress: Progress | None


def _lock(given: Mapping[str, LockInput], extents: list[Extent], layers: Sequence[str], algorithm: Algorithm, pace: _Pace) -> Lock:
    names = tuple(layers) or tuple(sorted({entry.layer_name for entry in given.values()}, key=sort_key))
    for entry in given.values():
        if entry.layer_name not in names:
            raise LayerError(entry.layer_name, f"wins {entry.key!r}, and is none of the layers")
    digests = manifest(
        extents, algorithm, workers=pace.workers, progress=pace.progress, named=lambda key: _named(key, given[key].layer_name)
    )
    entries = {
        key: LockEntry(entry.layer_name, entry.kind, digests[key].digest, digests[key].size, entry.provider_count)
        for key, entry in given.items()
    }
    return Lock(entries, names, algorithm)
