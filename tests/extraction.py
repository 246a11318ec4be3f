"""What the tests of extraction share: storages that watch and fail, trees laid out in one storage, snapshots of a directory."""

from __future__ import annotations

import errno
import gc
import os
import random
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.base import StorageBase
from oboromi_fs.jobs import hosttree
from oboromi_fs.jobs.hosttree import Cursor
from oboromi_fs.jobs.plan import WINDOW
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


LARGE = 3 * WINDOW + 12345


@pytest.fixture(params=["dir_fd", "paths"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with calls relative to directories, and with full paths as on hosts that have no such calls."""
    if request.param == "paths":
        monkeypatch.setattr(hosttree, "HAS_DIR_FD", False)
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    """No test may leave a descriptor open."""
    gc.collect()  # What earlier tests left for the collector must not go meanwhile.
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    yield
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= before


class Opaque(StorageBase):
    """Bytes that can only be read; counts the reads, and calls ``hook(offset, length)`` before each."""

    kind = "Opaque"

    def __init__(self, data: bytes, hook: Callable[[int, int], None] | None = None) -> None:
        self.data = data
        self._size = len(data)
        self.hook = hook
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))
        if self.hook:
            self.hook(offset, len(target))
        target[:] = self.data[offset : offset + len(target)]


class Zeros(StorageBase):
    """As many zero bytes as one likes, without holding them."""

    kind = "Zeros"

    def __init__(self, size: int, hook: Callable[[], None] | None = None) -> None:
        self._size = size
        self.hook = hook

    def _readinto(self, offset: int, target: memoryview) -> None:
        del offset
        if self.hook:
            self.hook()
        target[:] = bytes(len(target))


def laid_out(files: dict[str, bytes], gap: int = 3) -> tuple[Opaque, list[Extent]]:
    """One storage that holds all files, with a few unused bytes between them."""
    data = bytearray(b"?" * gap)
    places: dict[str, int] = {}
    for path, content in files.items():
        places[path] = len(data)
        data += content + b"?" * gap
    storage = Opaque(bytes(data))
    return storage, [Extent(path, storage, places[path], len(content)) for path, content in files.items()]


def snapshot(top: Path) -> dict[str, bytes | str | None]:
    """Everything below a directory: contents of files, None for directories, the target of links."""
    found: dict[str, bytes | str | None] = {}
    for parent, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(parent, name)
            inner = os.path.relpath(path, top)
            if os.path.islink(path):
                found[inner] = "-> " + os.readlink(path)
            elif os.path.isdir(path):
                found[inner] = None
            else:
                with open(path, "rb") as file:
                    found[inner] = file.read()
    return found


def put(top: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content)


@lru_cache(maxsize=2048)
def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class Strike:
    """Calls through, and raises an error at the n-th call: before it, or after it was done."""

    def __init__(self, call: Callable[..., Any], number: int, error: BaseException, *, after: bool) -> None:
        self.call, self.left, self.error, self.after = call, number, error, after

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise self.error
        result = self.call(*arguments, **options)
        if self.left == 0:
            raise self.error
        return result


def raiser(error: BaseException) -> Callable[..., None]:
    def strike(*_: object, **__: object) -> None:
        raise error

    return strike


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no links here")


def read_deep(top: Path, names: Iterable[str], file: str) -> bytes:
    cursor = Cursor(str(top))
    try:
        for name in names:
            cursor.down(name)
        fd = os.open(file, os.O_RDONLY, dir_fd=cursor.fd)
        try:
            return os.read(fd, 100)
        finally:
            os.close(fd)
    finally:
        cursor.close()
