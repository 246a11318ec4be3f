"""Everything a caller can do with some bytes, as the fuzz tests do it: only the errors of this package, and OSError, may come out."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from oboromi_fs import Hfs0Archive, Location, MemoryFs, MemoryStorage, Nca, NestedFs, NspArchive, OboromiFsError, RomFs, XciArchive
from oboromi_fs.backends.zip import ZipFs
from oboromi_fs.paths import addressable, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from oboromi_fs import FileSystem, Opener, Storage

T = TypeVar("T")

MEMORY = 256 << 20
"""Bytes a process may take for one input of less than 1 MiB, on top of what it has."""
SECONDS = 60
"""After which an input counts as one that never ends."""
_ENTRIES, _DEPTH, _PIECE = 400, 4, 0x8000


def attempt(function: Callable[..., T], *arguments: Any, **options: Any) -> T | None:
    """Call something that may fail as this package fails; its message must be one that can be shown."""
    try:
        return function(*arguments, **options)
    except (OboromiFsError, OSError) as error:
        if not str(error):
            raise
        return None


def read(storage: Storage) -> None:
    size = storage.size
    for start, stop in ((0, min(size, _PIECE)), (size // 2, size // 2 + 100), (max(size - 17, 0), size), (size, size + 5)):
        piece = attempt(lambda start=start, stop=stop: storage[start:stop])
        assert piece is None or len(piece) == max(0, min(stop, size) - start)
    attempt(storage.place, 0)
    attempt(storage.window, size // 3, size)


def visit(fs: FileSystem) -> None:
    """List, look up, read and enter what there is, up to some hundred entries."""
    pending, left = [("", 0)], _ENTRIES
    while pending and left > 0:
        path, depth = pending.pop()
        entries = attempt(fs.read_dir, path) or []
        assert len({entry.name for entry in entries}) == len(entries)
        left -= len(entries) + 1
        for entry in entries[:left]:
            inner = join(path, entry.name)
            found = attempt(fs.metadata, inner)
            storage = attempt(fs.storage, inner)
            if storage is not None:
                assert found is None or found.kind == "directory" or storage.size == found.size
                read(storage)
            stream = attempt(fs.open, inner)
            if stream is not None:
                attempt(stream.read, 100)
            if depth < _DEPTH and addressable(entry.name) and inner != path:
                pending.append((inner, depth + 1))


def inspect(fs: FileSystem) -> None:
    """What only one kind of archive has."""
    if isinstance(fs, Nca):
        for section in fs.sections.values():
            attempt(fs.key_name, section)
            assert repr(section)
            for storage in (attempt(lambda section=section: section.raw), attempt(section.decrypted), attempt(section.image, check=True)):
                if storage is not None:
                    read(storage)
            layer = attempt(section.hash_layer)
            for level in layer.levels() if layer is not None else ():
                attempt(layer.verify_range, level.number, 0, 64)  # type: ignore[union-attr]
        attempt(fs.content_keys)
    elif isinstance(fs, XciArchive):
        attempt(fs.info)
        attempt(fs.root_hash_matches)
        assert fs.trimmed_size >= 0
        for name in fs.partitions[:8]:
            if (partition := attempt(fs.partition, name)) is not None:
                inspect(partition)
        assert isinstance(fs.problems, list)
    elif isinstance(fs, (NspArchive, Hfs0Archive)):
        for name in islice(fs.members, 20):
            attempt(fs.hash_matches, name)
    elif isinstance(fs, ZipFs):
        for path, entry in attempt(lambda: list(islice(fs.entries(), 20))) or ():
            assert entry.size >= 0
            attempt(lambda path=path: sum(len(piece) for piece in fs.checked(path)))
        assert all(isinstance(problem, str) for problem in fs.problems)
    for walk in (fs.walk, fs.extents):  # type: ignore[attr-defined]
        attempt(lambda walk=walk: list(islice(walk(), _ENTRIES)))


def exercise(data: bytes, opener: Opener, kind: Callable[..., FileSystem]) -> None:
    """Open bytes as what they were, and as what they look like now; do everything that can be done."""
    storage = MemoryStorage(data, "fuzzed.bin")
    with guarded():
        for name in ("", "a.nca"):
            attempt(opener.sniff, storage, name)
        fs = attempt(kind, storage)
        if fs is None:
            fs = attempt(opener.container, storage)
        if fs is None:
            return
        inspect(fs)
        nested = NestedFs(fs, opener)
        visit(nested)
        for path in ("@program/romfs", "secure/@control", "@1/data", "a/../.."):
            attempt(nested.enter, path)
        for path in ("", "@program", "romfs", "secure"):
            attempt(lambda path=path: list(islice(nested.extents(path), _ENTRIES)))


def run_jobs(data: bytes, opener: Opener, name: str) -> None:
    """Verify, describe and unfold an archive, as the command line does."""
    from oboromi_fs.jobs.describe import describe
    from oboromi_fs.jobs.unfold import Unfolded
    from oboromi_fs.jobs.verify import verify

    fs = NestedFs(MemoryFs({name: data}), opener)
    place = Location(fs, name, name, name)
    with guarded():
        attempt(lambda: list(verify(place, workers=1)))
        attempt(describe, place)
        for deep in (False, True):
            attempt(lambda deep=deep: Unfolded(fs, name, deep=deep))


@contextmanager
def guarded() -> Iterator[None]:
    """Limits the memory and the time of what is done inside, where the host can."""
    try:
        import resource
    except ImportError:
        yield
        return

    def too_long(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"no end after {SECONDS} seconds")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", "rb") as status:
        now = int(status.read().split()[0]) * resource.getpagesize()
    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


KINDS: dict[str, Callable[..., FileSystem]] = {"pfs0": NspArchive, "hfs0": Hfs0Archive, "romfs": RomFs, "xci": XciArchive, "zip": ZipFs}
