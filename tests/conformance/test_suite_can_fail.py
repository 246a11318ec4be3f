"""The conformance suite tells a broken file system from a sound one: one small breach of each law, and the law it names."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import DirEntry, EntryNotFoundError, Extent, MemoryFs, MemoryStorage, Metadata, StorageFile, testing
from oboromi_fs.base import walk
from oboromi_fs.paths import normalise
from oboromi_fs.testing import check_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oboromi_fs import Storage
    from oboromi_fs.protocols import PathType

FILES = {"a.bin": bytes(range(256)) * 33, "sub/b.bin": b"b" * 100, "sub/empty": b"", "sub/below/c.txt": b"c"}


class Toy(MemoryFs):
    """A sound file system whose streams and storages a breach can exchange."""

    stream_type: type[StorageFile] = StorageFile
    storage_type: type[MemoryStorage] = MemoryStorage

    def __init__(self) -> None:
        super().__init__({path: self.storage_type(data, path) for path, data in FILES.items()}, dirs=["nothing"])

    def open(self, path: PathType, /) -> StorageFile:
        return self.stream_type(self.storage(path), normalise(path))


def test_the_toy_is_sound() -> None:
    check_filesystem(Toy(), expected=FILES)


BREACHES: list[tuple[str, type[Toy]]] = []


def breach(law: str) -> Callable[[type[Toy]], type[Toy]]:
    def collect(toy: type[Toy]) -> type[Toy]:
        BREACHES.append((law, toy))
        return toy

    return collect


def with_stream(law: str) -> Callable[[type[StorageFile]], type[StorageFile]]:
    def collect(stream: type[StorageFile]) -> type[StorageFile]:
        BREACHES.append((law, type(stream.__name__, (Toy,), {"stream_type": stream})))
        return stream

    return collect


def with_storage(law: str) -> Callable[[type[MemoryStorage]], type[MemoryStorage]]:
    def collect(storage: type[MemoryStorage]) -> type[MemoryStorage]:
        BREACHES.append((law, type(storage.__name__, (Toy,), {"storage_type": storage})))
        return storage

    return collect


# listing


@breach("listing")
class GivesATuple(Toy):
    def read_dir(self, path: PathType = "", /) -> Any:
        return tuple(super().read_dir(path))


@breach("listing")
class ListsPlainNames(Toy):
    def read_dir(self, path: PathType = "", /) -> Any:
        return [entry.name for entry in super().read_dir(path)]


@breach("listing")
class ListsANameTwice(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return super().read_dir(path) * 2


@breach("listing")
class HasAKindOfItsOwn(Toy):
    def read_dir(self, path: PathType = "", /) -> Any:
        return [entry._replace(kind="link") for entry in super().read_dir(path)]  # type: ignore[arg-type]


@breach("listing")
class GivesDirectoriesASize(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return [entry._replace(size=entry.size or 4096) for entry in super().read_dir(path)]


@breach("listing")
class HandsOutItsOwnList(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[DirEntry]] = {}

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return self.kept.setdefault(normalise(path), super().read_dir(path))


@breach("listing")
class ListsInAnyOrder(Toy):
    turn = 0

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        self.turn += 1
        return super().read_dir(path)[:: 1 if self.turn % 2 else -1]


@breach("listing")
class GoesOnWithoutAnEnd(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        del path
        return [DirEntry("again-and-again" * 10, "directory", 0)]


# lookup


@breach("lookup")
class ListsWhatIsNotThere(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return [*super().read_dir(path), DirEntry("ghost", "file", 0)]


@breach("lookup")
class ListsAnotherSize(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return [entry._replace(size=2) if entry.name == "c.txt" else entry for entry in super().read_dir(path)]


@breach("lookup")
class HasAShorterStorage(Toy):
    def storage(self, path: PathType, /) -> Storage:
        found = super().storage(path)
        return found.window(0, found.size - 1)


@breach("lookup")
class HasAShorterStream(Toy):
    def open(self, path: PathType, /) -> StorageFile:
        return StorageFile(self.storage(path).window(1, 1 << 20))


# root and spellings


@breach("root")
class DoesNotKnowTheSlash(Toy):
    def metadata(self, path: PathType, /) -> Metadata:
        if path == "/":
            raise EntryNotFoundError("/")
        return super().metadata(path)


@breach("root")
class RootHasASlashOfItsOwn(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return super().read_dir(path)[: 1 if path == "/" else None]


def spelled(wanted: Callable[[Any], bool]) -> type[Toy]:
    class TakesOnlySomeSpellings(Toy):
        def metadata(self, path: PathType, /) -> Metadata:
            if normalise(path) and not wanted(path):
                raise EntryNotFoundError(str(path))
            return super().metadata(path)

    return TakesOnlySomeSpellings


for wanted in (
    lambda path: not str(path).startswith("/"),
    lambda path: not str(path).endswith("/"),
    lambda path: isinstance(path, str),
    lambda path: not isinstance(path, bytes),
    lambda path: "//" not in str(path),
    lambda path: ".." not in str(path),
    lambda path: "./" not in str(path),
):
    breach("spelling")(spelled(wanted))


# missing


@breach("missing")
class FindsAnything(Toy):
    def metadata(self, path: PathType, /) -> Metadata:
        try:
            return super().metadata(path)
        except FileNotFoundError:
            return Metadata("file", 0)


@breach("missing")
class FindsByPrefix(Toy):
    def storage(self, path: PathType, /) -> Storage:
        return super().storage("a.bin" if normalise(path) == "a.bi" else path)


@breach("missing")
class RaisesTheBuiltinAlone(Toy):
    def metadata(self, path: PathType, /) -> Metadata:
        try:
            return super().metadata(path)
        except EntryNotFoundError as error:
            raise FileNotFoundError(2, "no such path") from error


# directory


@breach("directory")
class ListsAFile(Toy):
    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        try:
            return super().read_dir(path)
        except NotADirectoryError:
            return []


@breach("directory")
class OpensADirectory(Toy):
    def open(self, path: PathType, /) -> StorageFile:
        try:
            return super().open(path)
        except IsADirectoryError:
            return StorageFile(MemoryStorage(b""))


@breach("directory")
class SaysNotFoundBelowAFile(Toy):
    def metadata(self, path: PathType, /) -> Metadata:
        try:
            return super().metadata(path)
        except NotADirectoryError:
            raise EntryNotFoundError(str(path)) from None


# stream


@with_stream("stream")
class GoesOnAfterItsEnd(StorageFile):
    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) or b"more"


@with_stream("stream")
class ReadsTooMuch(StorageFile):
    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size + 1 if size and size > 0 else size)


@with_stream("stream")
class GivesNothingBeforeTheEnd(StorageFile):
    def read(self, size: int | None = -1, /) -> bytes:
        return b"" if size == 7 else super().read(size)


@with_stream("stream")
class SeeksFromTheEndWrongly(StorageFile):
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(offset + 1 if whence == 2 else offset, whence)


@with_stream("stream")
class SeeksBeforeTheStart(StorageFile):
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(max(offset, 0) if not whence else offset, whence)


@with_stream("stream")
class StopsSeekingAtTheEnd(StorageFile):
    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(min(super().seek(offset, whence), self.size))


@with_stream("stream")
class FillsWhatIsNotThere(StorageFile):
    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer)
        memoryview(buffer)[count:] = bytes(len(buffer) - count)
        return count


@breach("stream")
class SharesOneCursor(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.position = [0]

    def open(self, path: PathType, /) -> StorageFile:
        shared = self.position

        class Shared(StorageFile):
            @property
            def _position(self) -> int:
                return shared[0]

            @_position.setter
            def _position(self, value: int) -> None:
                shared[0] = value

        shared[0] = 0
        return Shared(self.storage(path))


# closed, buffered, view


@with_stream("closed")
class ReadsWhenClosed(StorageFile):
    def close(self) -> None:
        kept = self.storage
        super().close()
        self.storage = kept

    def _open(self) -> Storage:
        return self.storage


@with_stream("closed")
class ClosesOnce(StorageFile):
    def close(self) -> None:
        if self.closed:
            raise OSError(9, "closed already")
        super().close()


@with_stream("buffered")
class IsNotReadable(StorageFile):
    def readable(self) -> bool:
        return False


@with_stream("view")
class GivesAWritableView(StorageFile):
    def mmap(self) -> memoryview:
        return memoryview(bytearray(super().mmap()))


@with_stream("view")
class MovesWithItsView(StorageFile):
    def mmap(self) -> memoryview:
        view = super().mmap()
        self.seek(0, io.SEEK_END)
        return view


@with_stream("view")
class TakesItsViewAway(StorageFile):
    given: memoryview | None = None

    def mmap(self) -> memoryview:
        self.given = super().mmap()
        return self.given

    def close(self) -> None:
        super().close()
        if self.given is not None:
            self.given.release()


# slice


@with_storage("slice")
class SlipsAtABlock(MemoryStorage):
    def _read(self, start: int, stop: int) -> memoryview:
        return super()._read(start, stop if start or stop != 0x201 else stop - 1)


@breach("slice")
class FillsFromAnotherPlace(Toy):
    class storage_type(MemoryStorage):  # noqa: N801  # Stands in for the attribute.
        def readinto_at(self, offset: int, buffer: Any, /) -> int:
            return super().readinto_at(1 if offset == 15 else offset, buffer)

    class stream_type(StorageFile):  # noqa: N801
        def readinto(self, buffer: Any, /) -> int:
            data = self.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)


@with_storage("slice")
class GivesWritableSlices(MemoryStorage):
    def __getitem__(self, key: Any, /) -> Any:
        found = super().__getitem__(key)
        return found if isinstance(found, int) or key == slice(None) else memoryview(bytearray(found))


@with_storage("slice")
class TakesIndexesPastTheEnd(MemoryStorage):
    def __getitem__(self, key: Any, /) -> Any:
        return 0 if key == self.size else super().__getitem__(key)


@with_storage("slice")
class TakesNegativeOffsets(MemoryStorage):
    def readinto_at(self, offset: int, buffer: Any, /) -> int:
        return super().readinto_at(max(offset, 0), buffer)


@with_storage("slice")
class HasWindowsThatSlip(MemoryStorage):
    def window(self, start: int, stop: int, /) -> Storage:
        return super().window(max(start - 1, 0), stop - 1 if start else stop)


# walk and extents


@breach("walk")
class WalksFilesOnly(Toy):
    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        return ((inner, entry) for inner, entry in walk(self, path) if entry.kind == "file")


@breach("walk")
class WalksChildrenFirst(Toy):
    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        return reversed(list(walk(self, path)))


@breach("walk")
class WalksWhatIsNotListed(Toy):
    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        yield from walk(self, path)
        yield "hidden", DirEntry("hidden", "file", 0)


@breach("walk")
class WalksFromTheRootOnly(Toy):
    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        del path
        return walk(self)


@breach("extents")
class LeavesOutEmptyFiles(Toy):
    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        return (extent for extent in super().extents(path) if extent.size)


@breach("extents")
class HasExtentsThatSlip(Toy):
    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        return (extent._replace(offset=extent.offset + 1) for extent in super().extents(path))


# threads and errors


@with_storage("threads")
class HasOneCursorForAll(MemoryStorage):
    """Right for one reader; two get in each other's way between seek and read."""

    __slots__ = ("place_of_all",)

    def _view(self, start: int, stop: int) -> Any:
        del start, stop

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.place_of_all = offset
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.001)
        piece = self._data[self.place_of_all : self.place_of_all + len(target)]
        target[: len(piece)] = piece


@breach("errors")
class LetsAKeyErrorOut(Toy):
    def metadata(self, path: PathType, /) -> Metadata:
        try:
            return super().metadata(path)
        except FileNotFoundError:
            raise KeyError(str(path)) from None


@breach("errors")
class LetsAUnicodeErrorOut(Toy):
    def storage(self, path: PathType, /) -> Storage:
        str(path).encode()
        return super().storage(path)


@pytest.mark.parametrize(("law", "toy"), BREACHES, ids=[f"{law}-{toy.__name__}" for law, toy in BREACHES])
def test_a_breach_is_found_and_named(law: str, toy: type[Toy]) -> None:
    with pytest.raises(AssertionError) as caught:
        check_filesystem(toy())
    assert str(caught.value).startswith(f"{law}: ")


def test_every_law_has_a_breach() -> None:
    _, _, table = str(testing.__doc__).partition("\n=")
    assert [line.split()[0] for line in table.splitlines()[1:-1]] == list(dict.fromkeys(law for law, _ in BREACHES))


def test_what_is_expected_must_be_there() -> None:
    with pytest.raises(AssertionError, match=r"lookup: 'b\.bin'"):
        check_filesystem(Toy(), expected=["a.bin", "b.bin"])
    with pytest.raises(AssertionError, match=r"lookup: 'a\.bin': holds other bytes"):
        check_filesystem(Toy(), expected={"a.bin": b"other"})


class Nesting(Toy):
    nests = True

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return [DirEntry("..", "file", 1), DirEntry("inner", "file", 3)] if normalise(path) == "a.bin" else super().read_dir(path)

    def metadata(self, path: PathType, /) -> Metadata:
        return Metadata("file", 3) if normalise(path) == "a.bin/inner" else super().metadata(path)


def test_a_file_may_be_a_directory_where_the_file_system_says_so() -> None:
    check_filesystem(Nesting())

    class DoesNotSaySo(Nesting):
        nests = False

    with pytest.raises(AssertionError, match=r"directory: 'a\.bin'"):
        check_filesystem(DoesNotSaySo())

    class ListsWhatIsNotInside(Nesting):
        def metadata(self, path: PathType, /) -> Metadata:
            return MemoryFs.metadata(self, path)

    with pytest.raises(AssertionError, match=r"lookup: 'a\.bin'"):
        check_filesystem(ListsWhatIsNotInside())


class OddNames(Toy):
    """Lists names that no path can spell; they need only be listed."""

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        odd = [DirEntry(name, "directory", 0) for name in ("", ".", "..", "a/b")] + [DirEntry("../../x", "file", 5)]
        return super().read_dir(path) + odd

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        yield from super().extents(path) if False else ()
        nothing = MemoryStorage(bytes(5))
        for inner, entry in walk(self, path):
            if entry.kind == "file":
                storage = nothing if entry.size == 5 else self.storage(f"{normalise(path)}/{inner}")
                yield Extent(inner, storage, 0, entry.size)


def test_names_that_no_path_can_spell_need_only_be_listed() -> None:
    check_filesystem(OddNames())


def test_large_trees_and_files_are_sampled() -> None:
    class Counted(MemoryStorage):
        read = 0

        def _view(self, start: int, stop: int) -> memoryview:
            Counted.read += stop - start
            return super()._view(start, stop)

        def _readinto(self, offset: int, target: memoryview) -> None:
            Counted.read += len(target)
            super()._readinto(offset, target)

    files: dict[str, Any] = {f"{number % 30}/{number}": Counted(bytes(300)) for number in range(6000)}
    files["large"] = Counted(bytes(1 << 24))
    check_filesystem(MemoryFs(files), sample=8, entries=1000)
    assert 0 < Counted.read < 1 << 21
