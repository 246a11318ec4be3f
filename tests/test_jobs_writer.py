"""The writer: whole or not at all, whatever fails; any number of files, any depth."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.base import MemoryStorage, WindowStorage
from oboromi_fs.errors import (
    CorruptError,
    IntegrityError,
    MappingError,
    MissingKeyError,
)
from oboromi_fs.file import File
from oboromi_fs.jobs.extract import CancelledError, extract
from oboromi_fs.jobs.hosttree import Cursor
from oboromi_fs.jobs.plan import KERNEL_PIECE, WINDOW
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Iterator


from tests import extraction
from tests.extraction import LARGE, Opaque, Strike, Zeros, laid_out, noise, put, raiser, read_deep, snapshot

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left

ROOT = Path(__file__).parent.parent


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        IntegrityError("hash does not match", what="IVFC level 5", offset=0x4000, level=5, block=3),
        MappingError("game.nsp", "shrank"),
        MissingKeyError("titlekek_05"),
        OSError(errno.EIO, "Input/output error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_read_that_fails_leaves_nothing(tmp_path: Path, workers: int, error: BaseException, *, present: bool) -> None:
    files = {f"d{n % 7}/f{n}": noise(1000, n) for n in range(200)} | {"big/one": noise(LARGE), "big/two": noise(LARGE, 2)}
    storage, extents = laid_out(files)
    place = next(extent.offset for extent in extents if extent.path == "big/two") + 2 * WINDOW

    def fail(offset: int, length: int) -> None:
        if offset <= place < offset + length:
            raise error

    storage.hook = fail
    target = tmp_path / "out"
    if present:
        put(target, {"mine": b"m"})
    before = snapshot(tmp_path)
    with pytest.raises(type(error)) as caught:
        extract(extents, target, workers=workers)
    assert snapshot(tmp_path) == before
    if not isinstance(error, KeyboardInterrupt):
        assert "big/two" in str(caught.value)


def test_the_error_names_the_small_file(tmp_path: Path) -> None:
    storage, extents = laid_out({f"f{n}": noise(100, n) for n in range(50)})
    bad = extents[30].offset + 50

    def fail(offset: int, length: int) -> None:
        if offset <= bad < offset + length:
            raise IntegrityError("hash does not match", what="IVFC level 5", offset=offset)

    storage.hook = fail
    with pytest.raises(IntegrityError, match=r"IVFC level 5 at 0x.*: hash does not match \(while extracting 'f30'\)"):
        extract(extents, tmp_path / "out")
    # What no file uses does no harm.
    bad = extents[30].offset - 1
    extract(extents, tmp_path / "out")
    assert len(snapshot(tmp_path / "out")) == 50


def test_extents_outside_their_storage(tmp_path: Path) -> None:
    storage = MemoryStorage(bytes(100))
    for offset, size in ((0, 101), (101, 0), (-1, 5), (5, -1), (1 << 70, 1)):
        with pytest.raises(CorruptError, match="'d/f' is "):
            extract([Extent("a", storage, 0, 1), Extent("d/f", storage, offset, size)], tmp_path / "out")
    with pytest.raises(CorruptError, match="outside 0xa bytes"):
        extract([Extent("f", WindowStorage(storage, 20, 30), 5, 6)], tmp_path / "out")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_storage_that_ends_early(tmp_path: Path, size: int) -> None:
    class Short(Opaque):
        def readinto_at(self, offset: int, buffer: Any, /) -> int:
            return super().readinto_at(offset, memoryview(buffer)[: max(0, size - 7 - offset)])

    with pytest.raises(CorruptError, match="'d/f' ends early"):
        extract([Extent("d/f", Short(bytes(size)), 0, size)], tmp_path / "out")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("size", [1000, 3 * KERNEL_PIECE])
def test_a_file_that_shrinks(tmp_path: Path, size: int) -> None:
    source = tmp_path / "game.bin"
    with open(source, "wb") as made:
        made.truncate(size)
    with File.open(source, access="pread") as file:
        os.truncate(source, size // 2)
        with pytest.raises(MappingError, match=r"shrank.*d/f"):
            extract([Extent("d/f", file, 0, size)], tmp_path / "out")
    assert os.listdir(tmp_path) == ["game.bin"]


def test_a_mapped_file_that_shrinks_is_noticed_by_the_kernel(tmp_path: Path) -> None:
    source = tmp_path / "game.bin"
    source.write_bytes(bytes(LARGE))
    with File.open(source, access="mmap") as file:
        os.truncate(source, LARGE // 2)
        with pytest.raises(MappingError, match=r"shrank.*'d/f' needs"):
            extract([Extent("d/f", file, 0, LARGE)], tmp_path / "out")
    assert os.listdir(tmp_path) == ["game.bin"]


@pytest.mark.parametrize("workers", [1, 2])
def test_cancelling(tmp_path: Path, workers: int) -> None:
    storage, before = Zeros(1 << 40), threading.active_count()
    asked: list[int] = []

    def cancel() -> bool:
        asked.append(threading.get_ident())
        return len(asked) > 2

    with pytest.raises(CancelledError, match="cancelled"):
        extract([Extent(f"f{n}", storage, 0, 1 << 32) for n in range(9)], tmp_path / "out", workers=workers, cancel=cancel)
    assert snapshot(tmp_path) == {}
    assert set(asked) == {threading.get_ident()}
    assert threading.active_count() == before


def test_a_callback_that_raises(tmp_path: Path) -> None:
    _, extents = laid_out({"a": noise(LARGE)})
    with pytest.raises(KeyboardInterrupt):
        extract(extents, tmp_path / "out", workers=2, progress=raiser(KeyboardInterrupt()))
    assert snapshot(tmp_path) == {}


SLOW = """
    import os, sys, time
    from oboromi_fs.base import StorageBase
    from oboromi_fs.jobs.extract import extract
    from oboromi_fs.protocols import Extent

    class Slow(StorageBase):
        kind = "Slow"
        _size = 1 << 40
        def _readinto(self, offset, target):
            os.write(1, b"reading\\n")
            time.sleep(0.01)

    extents = [Extent(f"d{n % 100}/small{n}", Slow(), n, 10) for n in range(2000)]
    extents.append(Extent("large", Slow(), 0, 1 << 40))
    extract(extents, sys.argv[1], workers=int(sys.argv[2]), dirs=["mine"])
"""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("present", [False, True])
def test_sigint_leaves_nothing(tmp_path: Path, workers: str, *, present: bool) -> None:
    if present:
        put(tmp_path, {"out/mine/m": b"m"})
    before = snapshot(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(SLOW), str(tmp_path / "out"), workers]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "formats")])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline() == "reading\n"
        assert snapshot(tmp_path) != before
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors
    assert snapshot(tmp_path) == before


# ---- a host without room ----


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize("files", [{f"f{n}": bytes(5000) for n in range(1000)}, {"large": bytes(2 * WINDOW)}], ids=["small", "large"])
def test_a_full_disk(small_disk: Path, files: dict[str, bytes], *, present: bool) -> None:
    put(small_disk, {"mine": b"m"} | ({"out/mine": b"m"} if present else {}))
    before = snapshot(small_disk)
    _, extents = laid_out(files)
    with pytest.raises(OSError, match=r"No space left on device: .*/out/[fl]") as caught:
        extract(extents, small_disk / "out")
    assert caught.value.errno == errno.ENOSPC
    assert snapshot(small_disk) == before


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(4 * WINDOW))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * WINDOW, hard))
    try:
        with File.open(source) as file:
            for storage in (Zeros(4 * WINDOW), file):
                with pytest.raises(OSError, match=r"File too large: .*d/f") as caught:
                    extract([Extent("d/f", storage, 0, storage.size)], tmp_path / "out")
                assert caught.value.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["source"]


def test_a_write_that_fails_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, extents = laid_out({f"f{n}": b"12345" for n in range(2000)})
    monkeypatch.setattr(os, "write", Strike(os.write, 1500, OSError(errno.ENOSPC, "No space left on device"), after=False))
    with pytest.raises(OSError, match=r"No space left on device: .*/out/f\d+") as caught:
        extract(extents, tmp_path / "out")
    assert caught.value.errno == errno.ENOSPC
    assert snapshot(tmp_path) == {}


def test_writes_may_be_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:65537], at))
    files = {"small": noise(100), "large": noise(LARGE)}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == files


def test_a_host_without_positional_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pwrite")
    files = {"one": noise(LARGE), "two": noise(LARGE, 2)}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out", workers=3)
    assert snapshot(tmp_path / "out") == files


def test_a_host_that_refuses_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", Strike(os.mkdir, 4, OSError(errno.EDQUOT, "Disk quota exceeded"), after=False))
    _, extents = laid_out({"d/e/f": b"1"})
    with pytest.raises(OSError, match=r"quota exceeded: .*/out/d"):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


def test_a_target_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", raiser(PermissionError(errno.EACCES, "Permission denied")))
    _, extents = laid_out({"a": b"1"})
    with pytest.raises(PermissionError) as caught:
        extract(extents, tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")


def test_a_host_without_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", raiser(RuntimeError("can't start new thread")))
    _, extents = laid_out({"a": noise(LARGE)})
    extract(extents, tmp_path / "out", workers=2)
    assert snapshot(tmp_path / "out") == {"a": noise(LARGE)}


# ---- size ----


def test_fifty_thousand_files_take_few_reads(tmp_path: Path) -> None:
    data = noise(1 << 20)
    storage = Opaque(data)
    extents = [Extent(f"d{n % 50:02}/f{n:05}", storage, n * 16, 10 + n % 7) for n in range(50_000)]
    random.Random(0).shuffle(extents)
    report = extract(extents, tmp_path / "out")
    assert (report.files, report.dirs) == (50_000, 50)
    assert len(storage.reads) <= 50_000 // 256 + 1
    assert sum(length for _, length in storage.reads) <= 50_000 * 16
    for number in (0, 1, 49, 50, 25_000, 49_999):
        found = (tmp_path / "out" / f"d{number % 50:02}" / f"f{number:05}").read_bytes()
        assert found == data[number * 16 : number * 16 + 10 + number % 7]
    assert sum(len(files) for _, _, files in os.walk(tmp_path / "out")) == 50_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    class Still(Zeros):
        def _readinto(self, offset: int, target: memoryview) -> None:
            """Leave the buffer as it is."""

    tracemalloc.start()
    try:
        extract([Extent("f", Still(64 * WINDOW), 0, 64 * WINDOW)], tmp_path / "out", workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * WINDOW


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """The host gives 40 descriptors more, no matter how deep a tree is."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize("present", [False, True])
def test_a_thousand_levels(tmp_path: Path, *, present: bool) -> None:
    names = [f"level{n:07}" for n in range(1000)]  # 13,000 characters: no path of that length reaches the host.
    others = names[:400] + [f"other{n:07}" for n in range(600)]
    files = {"/".join([*names[:n], "f"]): b"%d" % n for n in (1, 80, 500, 1000)} | {"/".join([*others, "g"]): b"g"}
    files["/".join([*names, "large"])] = bytes(LARGE)
    _, extents = laid_out(files)
    try:
        if present:
            extract([], tmp_path / "out", dirs=["/".join(names)])
        report = extract(extents, tmp_path / "out", workers=2)
        assert report.refused == []
        assert report.dirs == 1600
        assert read_deep(tmp_path / "out", names, "f") == b"1000"
        assert read_deep(tmp_path / "out", names[:500], "f") == b"500"
        assert read_deep(tmp_path / "out", others, "g") == b"g"
        with pytest.raises(FileExistsError):
            extract(extents, tmp_path / "out")
    finally:
        top = Cursor(str(tmp_path))  # What pytest would do here takes a descriptor, and a call, for each level.
        top.remove("out")
        top.close()
    assert snapshot(tmp_path) == {}


def test_a_thousand_levels_are_cleared_up_as_well(tmp_path: Path) -> None:
    names = [f"level{n:07}" for n in range(1000)]
    storage, extents = laid_out({"/".join([*names, "f"]): b"1"})
    storage.hook = raiser(OSError(errno.EIO, "broken"))
    with pytest.raises(OSError, match="broken"):
        extract(extents, tmp_path / "out")
    assert snapshot(tmp_path) == {}


@pytest.mark.usefixtures("few_descriptors")
def test_many_deep_branches_in_turn(tmp_path: Path) -> None:
    """Files that lie in other branches from one to the next: more anchors than are held open."""
    branches = [["b" * 250 + str(branch)] + ["s" * 250] * 20 for branch in range(12)]
    files = {"/".join([*names, f"f{n}"]): b"%d" % n for n in range(3) for names in branches}
    _, extents = laid_out(files)
    extract(extents, tmp_path / "out", workers=2)
    for names in branches:
        assert [read_deep(tmp_path / "out", names, f"f{n}") for n in range(3)] == [b"0", b"1", b"2"]
    top = Cursor(str(tmp_path))
    top.remove("out")
    top.close()
