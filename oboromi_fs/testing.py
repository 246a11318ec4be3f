"""One function that any file system must pass: :func:`check_filesystem`.

For whoever writes a backend, here or elsewhere: whatever has the methods of :class:`~oboromi_fs.protocols.FileSystem` can be checked,
with any test runner or none. Each law has a name, and a failure begins with it:

========== ==================================================================================================
listing    a directory gives DirEntry tuples with unique names; the list is the caller's own, and the same again
lookup     what is listed can be looked up: ``metadata``, ``storage`` and ``open`` agree with the entry
root       ``""``, ``"/"`` and ``"."`` are the root directory
spelling   ``/a``, ``a//b``, ``./a``, ``a/../a``, ``../a``, ``a/``, bytes and path objects name the same entry
missing    what is not there is an EntryNotFoundError
directory  a file used as a directory is a NotADirectoryEntryError; a directory opened, an IsADirectoryEntryError
stream     ``open()`` gives a raw binary stream: read, readinto, seek, tell, at the end and past it
closed     a closed stream raises ValueError, and can be closed again
buffered   ``io.BufferedReader`` works on the stream
view       ``mmap()`` is a read-only view of all bytes, and outlives the stream
slice      a storage is sliced like the bytes that the stream reads
walk       ``walk()``, where there is one, yields what ``read_dir`` lists, parents first
extents    ``extents()``, where there is one, yields every file once, with its bytes
threads    readers in several threads read what one reader reads
errors     nothing but OboromiFsError and OSError leaves the file system
========== ==================================================================================================
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from threading import Barrier
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.errors import EntryNotFoundError, IsADirectoryEntryError, NotADirectoryEntryError, OboromiFsError
from oboromi_fs.paths import addressable, encode_name, join, split
from oboromi_fs.protocols import DirEntry, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oboromi_fs.protocols import FileSystem, Storage, VFile

__all__ = ["check_filesystem"]

_EDGES = (0, 1, 15, 16, 17, 0x1FF, 0x200, 0x201, 0xFFF, 0x1000, 0x3FFF, 0x4000, 0x4001)
"""Where storages go wrong: around the blocks that ciphers, hashes and disks work in."""
_PIECE = 0x30
_ODD_PATHS = ("nul\0nul", "\ud800", "x" * 5000, "deep/" * 300 + "er")


def check_filesystem(
    fs: FileSystem,
    *,
    expected: Mapping[str, bytes] | Iterable[str] = (),
    sample: int = 48,
    limit: int = 1 << 20,
    entries: int = 20_000,
    threads: int = 4,
    seed: int = 0,
) -> None:
    """Check that a file system keeps the laws above. Reads only; the same run every time.

    Where ``fs.nests`` is true, a file may be used as a directory as well, as containers in a :class:`~oboromi_fs.opening.NestedFs` may:
    such a file is then listed like a directory, or refused by any error of this package. Names that no path can spell (empty, ``.``,
    ``..``, with ``/`` or NUL) need only be listed.

    Args:
        fs: Any file system. Its files must be readable: this is no test of damaged archives.
        expected: Paths that must be there; with a mapping, files and their bytes. Keeps an empty file system from passing by accident.
        sample: How many files and how many directories are looked at closely.
        limit: Files larger than this, in bytes, are read in pieces instead of whole.
        entries: How many entries are listed at least, if there are as many; ``walk`` and ``extents`` are compared up to there.
        threads: How many threads read at once.
        seed: Of the random choices.

    Raises:
        AssertionError: A law is broken; the message names law and path.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> check_filesystem(MemoryFs({"data/a.bin": b"abc"}), expected={"data/a.bin": b"abc"})
    """
    _Check(fs, sample=sample, limit=limit, entries=entries, seed=seed).run(expected, threads)


class _File(NamedTuple):
    path: str
    size: int


class _Check:
    """One run: what was found so far, and the laws."""

    def __init__(self, fs: FileSystem, *, sample: int, limit: int, entries: int, seed: int) -> None:
        self.fs = fs
        self.nests = bool(getattr(fs, "nests", False))
        self.sample = sample
        self.limit = limit
        self.most = entries
        self.random = random.Random(seed)  # noqa: S311  # Nothing secret: the same choices every time.
        self.listings: dict[str, list[DirEntry]] = {}
        self.complete = True

    def run(self, expected: Mapping[str, bytes] | Iterable[str], threads: int) -> None:
        self.explore()
        self.root()
        for path in expected:
            self.attempt("lookup", path, self.fs.metadata, path)
        if isinstance(expected, Mapping):
            for path, data in expected.items():
                self.equal("lookup", path, bytes(self.attempt("lookup", path, self.fs.storage, path)[:]) == data, "holds other bytes")
        directories = self.some(list(self.listings))
        files = self.some([file for directory in self.listings for file in self.files_in(directory)])
        for directory in directories:
            self.directory(directory)
        contents: dict[str, bytes] = {}
        for file in files:
            self.lookup(file.path, "file", file.size)
            self.below_file(file.path)
            if file.size > self.limit:
                self.attempt("stream", file.path, self.large, file)
                continue
            data = contents[file.path] = self.attempt("stream", file.path, self.stream, file)
            self.attempt("buffered", file.path, self.buffered, file, data)
            self.attempt("view", file.path, self.view, file, data)
            self.attempt("slice", file.path, self.slices, file, data)
        self.odd_paths()
        if self.complete:
            for start in ("", *(directory for directory in directories[1:3] if directory)):
                self.attempt("walk", start, self.walk, start)
                self.attempt("extents", start, self.extents, start, contents)
        self.attempt("threads", "", self.threads, contents, threads)

    # Asking

    def failure(self, law: str, path: object, problem: str) -> AssertionError:
        return AssertionError(f"{law}: {path!r}: {problem}")

    def equal(self, law: str, path: object, holds: object, problem: str) -> None:
        if not holds:
            raise self.failure(law, path, problem)

    def attempt(self, law: str, path: object, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call what must succeed."""
        try:
            return function(*arguments)
        except AssertionError:
            raise
        except (OboromiFsError, OSError) as error:
            raise self.failure(law, path, f"{_call(function, arguments)} raised {error!r}") from error
        except Exception as error:
            raise self.failure("errors", path, f"{_call(function, arguments)} let {error!r} out") from error

    def refuse(self, law: str, path: object, kinds: tuple[type[Exception], ...], function: Callable[..., Any], *arguments: Any) -> None:
        """Call what must raise one of ``kinds``."""
        wanted = " or ".join(kind.__name__ for kind in kinds)
        try:
            result = function(*arguments)
        except kinds:
            return
        except (OboromiFsError, OSError) as error:
            raise self.failure(law, path, f"{_call(function, arguments)} raised {error!r}, must raise {wanted}") from error
        except Exception as error:
            raise self.failure("errors", path, f"{_call(function, arguments)} let {error!r} out") from error
        raise self.failure(law, path, f"{_call(function, arguments)} gave {result!r}, must raise {wanted}")

    def some(self, everything: list[Any]) -> list[Any]:
        """The ends, and a random choice of the rest, in order."""
        if len(everything) <= self.sample:
            return everything
        chosen = {0, len(everything) - 1, *self.random.sample(range(len(everything)), self.sample)}
        return [everything[index] for index in sorted(chosen)]

    def all_ways(self) -> tuple[Callable[..., Any], ...]:
        return self.fs.metadata, self.fs.storage, self.fs.open, self.fs.read_dir

    # Names

    def explore(self) -> None:
        """List directories until there are no more, or enough."""
        pending, count = [""], 0
        while pending:
            if count > self.most:
                self.complete = False
                return
            directory = pending.pop(self.random.randrange(len(pending)))
            self.equal("listing", directory[:80], len(directory) < 1 << 14, "directories go on below each other without an end")
            listing = self.listings[directory] = self.listing(directory)
            count += len(listing) + 1
            pending.extend(join(directory, entry.name) for entry in listing if entry.kind == "directory" and addressable(entry.name))

    def listing(self, directory: str) -> list[DirEntry]:
        law = "listing"
        first = self.attempt(law, directory, self.fs.read_dir, directory)
        self.equal(law, directory, isinstance(first, list), f"read_dir gives a {type(first).__name__}, not a list")
        kept = list(first)
        for entry in kept:
            self.equal(law, directory, isinstance(entry, DirEntry) and isinstance(entry.name, str), f"{entry!r} is no DirEntry")
            self.equal(law, directory, entry.kind in ("file", "directory"), f"{entry.name!r} is a {entry.kind!r}")
            self.equal(law, directory, isinstance(entry.size, int) and entry.size >= 0, f"{entry.name!r} has size {entry.size!r}")
            self.equal(law, directory, entry.kind == "file" or entry.size == 0, f"directory {entry.name!r} has size {entry.size}")
        twice = [name for name, times in Counter(entry.name for entry in kept).items() if times > 1]
        self.equal(law, directory, not twice, f"names are listed twice: {twice[:3]}")
        first.clear()  # A caller may do with a snapshot what it likes.
        again = self.attempt(law, directory, self.fs.read_dir, directory)
        self.equal(law, directory, again == kept, "a second read_dir gives another list; is it one the caller can change?")
        return kept

    def files_in(self, directory: str) -> list[_File]:
        return [
            _File(join(directory, entry.name), entry.size)
            for entry in self.listings[directory]
            if entry.kind == "file" and addressable(entry.name)
        ]

    def root(self) -> None:
        for form in ("", "/", "//", ".", "/.", "..", b"", b"/", PurePosixPath("/")):
            found = self.attempt("root", form, self.fs.metadata, form)
            self.equal("root", form, isinstance(found, Metadata) and found.kind == "directory", f"metadata is {found!r}")
            self.equal("root", form, self.attempt("root", form, self.fs.read_dir, form) == self.listings[""], "is listed otherwise than ''")
        self.equal("root", "", self.attempt("root", "", self.fs.read_dir) == self.listings[""], "read_dir() and read_dir('') differ")

    def directory(self, directory: str) -> None:
        self.lookup(directory, "directory", 0)
        for function in (self.fs.open, self.fs.storage):
            self.refuse("directory", directory, (IsADirectoryEntryError,), function, directory)
        entries = [entry for entry in self.some(self.listings[directory]) if addressable(entry.name)]
        for entry in entries:
            self.lookup(join(directory, entry.name), entry.kind, entry.size)
        for entry in entries[:: max(1, len(entries) // 2)]:
            self.spellings(join(directory, entry.name), entry.kind, entry.size)
        present = {entry.name.lower() for entry in self.listings[directory]}
        names = [f"missing-{self.random.getrandbits(64):x}"]
        for entry in self.listings[directory][:4]:
            names += [entry.name + "x", entry.name[:-1], entry.name[1:]]
        for name in names:
            if addressable(name) and not name.startswith("@") and name.lower() not in present:
                for function in self.all_ways():
                    self.refuse("missing", join(directory, name), (EntryNotFoundError,), function, join(directory, name))
        below = join(join(directory, names[0]), "below")
        self.refuse("missing", below, (EntryNotFoundError,), self.fs.metadata, below)

    def lookup(self, path: str, kind: str, size: int) -> None:
        found = self.attempt("lookup", path, self.fs.metadata, path)
        self.equal("lookup", path, isinstance(found, Metadata), f"metadata gives {found!r}")
        self.equal("lookup", path, (found.kind, found.size) == (kind, size), f"listed as {kind} of {size} bytes, metadata is {found!r}")
        if kind == "file":
            storage = self.attempt("lookup", path, self.fs.storage, path)
            self.equal("lookup", path, storage.size == len(storage) == size, f"listed with {size} bytes, the storage has {storage.size}")
            with self.attempt("lookup", path, self.fs.open, path) as file:
                self.equal("lookup", path, file.size == size, f"listed with {size} bytes, the stream has {file.size}")

    def spellings(self, path: str, kind: str, size: int) -> None:
        parent, name = split(path)
        forms: list[Any] = [f"/{path}", f"//{path}", f"./{path}", f"{path}/", f"{path}/.", f"../{path}", f"elsewhere/../{path}"]
        forms += [path.replace("/", "//"), path.replace("/", "/./"), f"{path}/../{name}", f"{join(parent, '.')}/{name}"]
        forms += [encode_name(path), b"/" + encode_name(path), PurePosixPath(path)]
        for form in forms:
            found = self.attempt("spelling", form, self.fs.metadata, form)
            self.equal("spelling", form, (found.kind, found.size) == (kind, size), f"is {found!r}, {path!r} a {kind} of {size} bytes")
        way = self.fs.read_dir if kind == "directory" else self.fs.storage
        for form in (f"/{path}", encode_name(path), f"elsewhere/../{path}"):
            same = self.attempt("spelling", form, way, form)
            count = len(self.attempt("spelling", path, way, path))
            self.equal("spelling", form, len(same) == count, f"has {len(same)} entries or bytes, {path!r} {count}")
        if kind == "file":
            with self.attempt("spelling", f"//{path}", self.fs.open, f"//{path}") as file:
                self.equal("spelling", f"//{path}", file.size == size, f"opens a stream of {file.size} bytes, {path!r} has {size}")

    def below_file(self, path: str) -> None:
        if self.nests:
            try:
                inside = self.fs.read_dir(path)
            except OboromiFsError:
                return
            except Exception as error:
                raise self.failure("errors", path, f"read_dir let {error!r} out") from error
            for entry in inside[:3]:
                self.attempt("lookup", path, self.fs.metadata, join(path, entry.name)) if addressable(entry.name) else None
            return
        self.refuse("directory", path, (NotADirectoryEntryError,), self.fs.read_dir, path)
        for function in self.all_ways():
            self.refuse("directory", path, (NotADirectoryEntryError,), function, join(path, "below"))

    def odd_paths(self) -> None:
        for path in _ODD_PATHS:
            for function in self.all_ways():
                self.refuse("missing", path[:40], (OboromiFsError, OSError), function, path)

    # Bytes

    def stream(self, file: _File) -> bytes:
        """Check the stream; return all bytes."""
        law, path, size = "stream", file.path, file.size
        stream: VFile = self.fs.open(path)
        with stream:
            data = stream.read()
            if not isinstance(data, bytes) or len(data) != size:
                raise self.failure(law, path, f"read() gives {_short(data)}, {size} bytes were to be read")
            self.equal(law, path, (stream.read(), stream.read(1), stream.tell()) == (b"", b"", size), "goes on after its end")
            self.equal(law, path, (stream.seek(0), stream.read(0), stream.tell()) == (0, b"", 0), "seek(0) or read(0) moves elsewhere")
            at = 0
            for count in (1, 7, 16, 0x1000, size):
                piece = stream.read(count) or b""
                same = len(piece) <= count and piece == data[at : at + len(piece)]
                self.equal(law, path, same and (piece or not count or at == size), f"read({count}) at {at} gives {_short(piece)}")
                at += len(piece)
                self.equal(law, path, stream.tell() == at, f"tell() is {stream.tell()} after {at} bytes")
            for edge in self.edges(size):
                self.equal(law, path, stream.seek(edge) == edge, f"seek({edge}) goes elsewhere")
                self.filled(law, path, data[edge : edge + _PIECE], edge, stream.readinto)
                self.equal(law, path, stream.seek(edge - size, 2) == edge, f"seek({edge - size}, 2) goes elsewhere")
                self.equal(law, path, (stream.seek(1, 1), stream.tell()) == (edge + 1, edge + 1), f"seek(1, 1) from {edge} goes elsewhere")
            self.equal(law, path, (stream.seek(size + 9), stream.read(), stream.tell()) == (size + 9, b"", size + 9), "reads past its end")
            self.refuse(law, path, (ValueError, OSError), stream.seek, -1)
            with self.fs.open(path) as other:
                self.equal(law, path, (stream.seek(0), other.read(1), stream.tell()) == (0, data[:1], 0), "two streams share one cursor")
        self.closed(path, stream)
        return data

    def closed(self, path: str, stream: Any) -> None:
        self.equal("closed", path, stream.closed, "is open after its with block")
        for function, *arguments in ((stream.read,), (stream.readinto, bytearray(1)), (stream.seek, 0), (stream.tell,), (stream.mmap,)):
            self.refuse("closed", path, (ValueError,), function, *arguments)
        self.attempt("closed", path, stream.close)

    def filled(self, law: str, path: str, piece: bytes, at: int, fill: Callable[[bytearray], int | None]) -> None:
        """Check that ``fill`` puts ``piece`` into a buffer, and nothing behind it."""
        buffer = bytearray(b"\xa5" * _PIECE)
        count = fill(buffer)
        self.equal(law, path, count == len(piece), f"filling {_PIECE} bytes from {at} on gives {count}, {len(piece)} are there")
        rest = b"\xa5" * (_PIECE - len(piece))
        self.equal(law, path, buffer == piece + rest, f"filling {_PIECE} bytes from {at} on gives other bytes, or writes behind them")

    def buffered(self, file: _File, data: bytes) -> None:
        raw: Any = self.fs.open(file.path)
        with io.BufferedReader(raw, 0x20) as buffered:
            again = buffered.peek(1)[:0] + buffered.read(5) + buffered.read()
        self.equal("buffered", file.path, again == data, f"reads {_short(again)} instead of {_short(data)}")

    def view(self, file: _File, data: bytes) -> None:
        with self.fs.open(file.path) as stream:
            stream.read(1)
            view = stream.mmap()
            self.equal("view", file.path, isinstance(view, memoryview) and view.readonly, "mmap() is no read-only memoryview")
            self.equal("view", file.path, view == data, "mmap() has other bytes than read()")
            self.equal("view", file.path, stream.tell() == min(1, len(data)), "mmap() moves the cursor")
        try:
            same = view == data
        except ValueError as error:
            raise self.failure("view", file.path, "the view dies with its stream") from error
        self.equal("view", file.path, same, "the view changes when its stream is closed")

    def slices(self, file: _File, data: bytes) -> None:
        law, path, size = "slice", file.path, file.size
        storage: Storage = self.fs.storage(path)
        edges = [*self.edges(size), size + 7]
        keys = [slice(None), slice(-3, None), slice(None, -1), slice(size, None), slice(5, 2), slice(-size - 9, 4)]
        keys += [slice(low, high) for low, high in self.some([(low, high) for low in edges for high in edges if low <= high])]
        keys += [slice(0, 0x1000, 3), slice(0x1000, None, -7), slice(None, None, -1)]
        for key in keys:
            got = storage[key]
            self.equal(law, path, isinstance(got, memoryview) and got.readonly, f"[{_key(key)}] is no read-only memoryview")
            self.equal(law, path, got == data[key], f"[{_key(key)}] has other bytes than the stream")
        for edge in edges:
            if edge < size:
                both = storage[edge], storage[edge - size]
                self.equal(law, path, both == (data[edge], data[edge]), f"[{edge}] or [{edge - size}] is not {data[edge]}")
            self.filled(law, path, data[edge : edge + _PIECE], edge, partial(storage.readinto_at, edge))
        for index in (size, -size - 1):
            self.refuse(law, path, (IndexError,), storage.__getitem__, index)
        self.refuse(law, path, (ValueError,), storage.readinto_at, -1, bytearray(1))
        for low, high in ((0, size), (1, size - 1), (size // 2, size + 5), (size, size)):
            if low <= size:
                window, inside = storage.window(low, high), data[low : max(low, high)]
                self.equal(law, path, len(window) == window.size == len(inside), f"window({low}, {high}) has {window.size} bytes")
                self.equal(law, path, window[:] == inside and window[1:] == inside[1:], f"window({low}, {high}) has other bytes")
        self.refuse(law, path, (OboromiFsError, ValueError), storage.window, size + 1, size + 2)
        storage.place(0)

    def large(self, file: _File) -> None:
        """Pieces of a file too large to be read whole: stream and storage agree."""
        storage = self.fs.storage(file.path)
        with self.fs.open(file.path) as stream:
            for at in [*self.edges(file.size), *(self.random.randrange(file.size) for _ in range(8))]:
                piece = bytes(storage[at : at + _PIECE])
                self.equal("slice", file.path, len(piece) == min(_PIECE, file.size - at), f"[{at}:{at + _PIECE}] has {len(piece)} bytes")
                stream.seek(at)
                self.filled("stream", file.path, piece, at, stream.readinto)
                self.filled("slice", file.path, piece, at, partial(storage.readinto_at, at))
        self.closed(file.path, stream)

    def edges(self, size: int) -> list[int]:
        return sorted({edge for edge in (*_EDGES, size // 2, size - 1, size) if 0 <= edge <= size})

    # Everything at once

    def below(self, start: str) -> tuple[Counter[tuple[str, str, int]], tuple[str, ...]]:
        """What ``read_dir`` lists below a directory, with paths relative to it; and the directories that no path can spell."""
        cut = len(start) + 1 if start else 0
        found: Counter[tuple[str, str, int]] = Counter()
        odd: list[str] = []
        for directory, listing in self.listings.items():
            if not start or directory == start or directory.startswith(start + "/"):
                for entry in listing:
                    path = join(directory, entry.name)[cut:]
                    found[path, entry.kind, entry.size] += 1
                    if entry.kind == "directory" and not addressable(entry.name):
                        odd.append(path + "/")
        return found, tuple(odd)

    def walk(self, start: str) -> None:
        walk = getattr(self.fs, "walk", None)
        if walk is None:
            return
        missing, odd = self.below(start)
        passed = {""}
        for path, entry in walk(start):
            after = not addressable(entry.name) or split(path)[0] in passed or path.startswith(odd)
            self.equal("walk", path, after, f"comes before its parent, below {start!r}")
            if entry.kind == "directory":
                passed.add(path)
            key = (path, entry.kind, entry.size)
            self.equal("walk", path, missing[key] > 0 or path.startswith(odd), f"{entry!r} is not what read_dir lists, or comes twice")
            missing[key] -= 1
        left = [key for key, count in missing.items() if count > 0]
        self.equal("walk", start, not left, f"leaves out {left[:3]}")

    def extents(self, start: str, contents: Mapping[str, bytes]) -> None:
        extents = getattr(self.fs, "extents", None)
        if extents is None:
            return
        below, odd = self.below(start)
        missing = Counter({(path, size): count for (path, kind, size), count in below.items() if kind == "file"})
        for path, storage, offset, size in extents(start):
            known = missing[path, size] > 0 or path.startswith(odd)
            self.equal("extents", path, known, f"a file of {size} bytes is not what read_dir lists, or comes twice")
            missing[path, size] -= 1
            data = contents.get(join(start, path))
            if data is not None and len(data) == size:
                self.equal("extents", path, storage[offset : offset + size] == data, f"other bytes at {offset:#x} of {storage!r}")
        left = [key for key, count in missing.items() if count > 0]
        self.equal("extents", start, not left, f"leaves out {left[:3]}")

    def threads(self, contents: Mapping[str, bytes], count: int) -> None:
        """Read the same files in several threads, each in an order of its own, through streams of their own and shared storages."""
        shared = {path: self.fs.storage(path) for path in contents}
        start = Barrier(count)

        def reader(number: int) -> None:
            choice = random.Random(number)  # noqa: S311  # As above.
            paths = choice.sample(list(contents), len(contents))
            start.wait()
            for path in paths:
                data = contents[path]
                low = choice.randrange(len(data) + 1)
                part = shared[path][low : low + 0x1234]
                self.equal("threads", path, part == data[low : low + 0x1234], f"[{low}:] of a shared storage has other bytes")
                with self.fs.open(path) as stream:
                    self.equal("threads", path, stream.read() == data, "a stream of its own has other bytes")

        with ThreadPoolExecutor(count) as pool:
            for result in [pool.submit(self.attempt, "threads", "", reader, number) for number in range(count)]:
                result.result()


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    name = getattr(function, "__name__", repr(function))
    return f"{name}({', '.join(repr(argument)[:80] for argument in arguments)})"


def _short(data: object) -> str:
    return f"{len(data)} bytes {bytes(data[:8]).hex()}…" if isinstance(data, bytes) and len(data) > 8 else repr(data)


def _key(key: slice) -> str:
    parts = ["" if part is None else str(part) for part in (key.start, key.stop, key.step)]
    return ":".join(parts[: 2 if key.step is None else 3])
