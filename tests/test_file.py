from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from oboromi_fs import (
    ClosedError,
    CorruptError,
    EntryNotFoundError,
    File,
    IsADirectoryEntryError,
    MappingError,
    MemoryStorage,
    NotADirectoryEntryError,
    OboromiFsError,
)

if TYPE_CHECKING:
    import mmap

    from oboromi_fs.file import Access

DATA = bytes(range(256)) * 17 + b"tail"
GIB = 1 << 30
PROC = Path("/proc/self")
ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["mmap", "pread"])
def access(request: pytest.FixtureRequest) -> Access:
    mode: Access = request.param
    return mode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    return path


def in_another_process(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "formats")))}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


# Like bytes


def test_behaves_like_bytes(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        assert (len(file), file.size) == (len(DATA), len(DATA))
        assert (file[0], file[255], file[-1], file[-len(DATA)]) == (0, 255, ord("l"), 0)
        for key in (slice(4), slice(4, 2), slice(-4, None), slice(len(DATA), None), slice(None, None, 1000), slice(None, None, -999)):
            assert file[key] == DATA[key]
        assert bytes(file) == file.tobytes() == DATA
        assert list(file) == list(DATA)
        for index in (len(DATA), -len(DATA) - 1):
            with pytest.raises(IndexError):
                file[index]
        with pytest.raises(TypeError):
            file["0"]  # type: ignore[call-overload]


def test_compares_with_bytes_and_storages(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file, File.open(path, access="pread") as other:
        for same in (DATA, bytearray(DATA), memoryview(DATA), np.frombuffer(DATA, "u1"), other, MemoryStorage(DATA)):
            assert file == same
        for different in (DATA[:-1], DATA + b"x", DATA[:-1] + b"x", MemoryStorage(DATA[1:]), b"", "text", None, 5):
            assert file != different
        assert len({file, other}) == 2


def test_comparison_goes_beyond_one_chunk(tmp_path: Path, access: Access) -> None:
    data = bytearray(3 << 20)
    (tmp_path / "large").write_bytes(data)
    with File.open(tmp_path / "large", access=access) as file:
        assert file == data
        data[-1] = 1
        assert file != data
        assert file != MemoryStorage(data)


def test_slices_are_read_only_views(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        view = file[1:3]
        assert isinstance(view, memoryview)
        assert (view.readonly, view.format, view.ndim) == (True, "B", 1)
        with pytest.raises(TypeError):
            view[0] = 1


def test_fills_buffers(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        buffer = bytearray(8)
        assert file.readinto_at(len(DATA) - 4, buffer) == 4
        assert buffer == b"tail\0\0\0\0"
        assert file.readinto_at(len(DATA), buffer) == file.readinto_at(1 << 70, buffer) == 0
        wide = np.zeros(2, "<u4")
        assert file.readinto_at(1, wide.data) == 8
        assert wide.tolist() == [0x04030201, 0x08070605]
        with pytest.raises(ValueError, match="negative offset -1"):
            file.readinto_at(-1, buffer)
        with pytest.raises(TypeError):
            file.readinto_at(0, b"read-only")


def test_chunks(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        assert [len(chunk) for chunk in file.chunks(2000)] == [2000, 2000, 356]
        assert b"".join(file.chunks(7)) == DATA
        assert [len(chunk) for chunk in file.chunks()] == [len(DATA)]
        with pytest.raises(ValueError, match="chunk size must be positive, not 0"):
            file.chunks(0)


def test_empty_file(tmp_path: Path, access: Access) -> None:
    (tmp_path / "empty").touch()
    with File.open(tmp_path / "empty", access=access) as file:
        assert (len(file), bytes(file), list(file), list(file.chunks())) == (0, b"", [], [])
        assert bytes(file[:]) == bytes(file[5:9]) == b""
        assert (np.asarray(file).size, file.array("<u4").size) == (0, 0)
        assert file == b""
        assert file.access == access
        assert file.readinto_at(0, bytearray(1)) == 0


# numpy


def test_numpy_views(path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        array = np.asarray(file)
        assert array.tobytes() == DATA
        assert (array.dtype, array.flags.writeable) == (np.dtype("u1"), False)
        assert np.asarray(file, dtype="u2")[255] == 255
        assert np.array(file, copy=True).flags.writeable
        assert file.array("<u4", 1, 2).tolist() == [0x04030201, 0x08070605]
        assert len(file.array("<u8")) == len(DATA) // 8
        assert len(file.array([("a", "u1"), ("b", "<u2")])) == len(DATA) // 3
        assert np.shares_memory(np.asarray(file), np.asarray(file)) == (access == "mmap")


@pytest.mark.parametrize(("offset", "count"), [(-1, 1), (len(DATA) + 1, 0), (0, len(DATA)), (len(DATA), 1), (0, 1 << 62)])
def test_arrays_stay_inside(path: Path, offset: int, count: int) -> None:
    with File.open(path) as file, pytest.raises(CorruptError):
        file.array("<u2", offset, count)


def test_buffer_protocol(path: Path, access: Access) -> None:
    with File.open(path, access=access) as opened:
        file: Any = opened
        if sys.version_info >= (3, 12):
            assert memoryview(file) == DATA
            assert b"".join([file, b"x"]) == DATA + b"x"
        else:
            with pytest.raises(TypeError):
                memoryview(file)
            assert memoryview(file[:]) == DATA


# Large files


def sparse(path: Path, size: int, marks: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, mark in marks.items():
            file.seek(offset)
            file.write(mark)
    return path


def test_offsets_past_4_gib(tmp_path: Path, access: Access) -> None:
    marks = {4 * GIB - 2: b"border", 9 * GIB + 1: b"far"}
    with File.open(sparse(tmp_path / "large", 10 * GIB, marks), access=access) as file:
        assert len(file) == 10 * GIB
        for offset, mark in marks.items():
            assert file[offset : offset + len(mark)] == mark
            assert file[offset] == mark[0]
            assert file.window(offset - 1, offset + 9)[1 : len(mark) + 1] == mark
            assert file.array("u1", offset, len(mark)).tobytes() == mark
            buffer = bytearray(len(mark))
            file.readinto_at(offset, buffer)
            assert buffer == mark


RESIDENT = """
import sys
from oboromi_fs.file import File

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

with File.open(sys.argv[1], access=sys.argv[2]) as file:
    file[0]
    start = resident()
    view = file[5 << 30 : (5 << 30) + (1 << 20)]
    sliced = resident()
    assert bytes(view).count(0) == 1 << 20
    print(sliced - start, resident() - start)
"""


@pytest.mark.skipif(not (PROC / "status").exists(), reason="counts resident pages in /proc")
def test_only_what_is_touched_is_in_memory(tmp_path: Path, access: Access) -> None:
    done = in_another_process(RESIDENT, sparse(tmp_path / "large", 10 * GIB, {}), access)
    assert done.returncode == 0, done.stderr
    sliced, touched = map(int, done.stdout.split())  # In KiB.
    assert sliced <= (256 if access == "mmap" else 1536)
    assert 512 <= touched <= 4096


# Closing


def test_close_is_for_new_slices_at_once_and_views_stay(path: Path, access: Access) -> None:
    file = File.open(path, access=access)
    view, array, window, chunks = file[:300], np.asarray(file), file.window(0, 10), file.chunks(1000)
    first = next(chunks)
    assert not file.closed
    file.close()
    file.close()
    assert file.closed
    assert (bytes(view), array.tobytes(), bytes(first)) == (DATA[:300], DATA, DATA[:1000])
    assert (len(file), file.size, repr(file)) == (len(DATA), len(DATA), f"<File {str(path)!r} of 0x1104 bytes, closed>")
    for use in (
        lambda: file[0],
        lambda: file[:],
        file.array,
        lambda: window[:],
        lambda: next(chunks),
        lambda: file.readinto_at(0, bytearray(1)),
        file.tobytes,
        file.fileno,
    ):
        with pytest.raises(ClosedError, match="closed"):
            use()


@pytest.mark.skipif(not (PROC / "maps").exists(), reason="looks for the mapping in /proc")
def test_the_mapping_goes_with_the_last_view(path: Path) -> None:
    def mapped() -> bool:
        return str(path) in (PROC / "maps").read_text(encoding="utf-8")

    file = File.open(path, access="mmap")
    view, array = file[5:9], np.asarray(file)
    file.close()
    assert mapped()
    del view
    assert mapped()
    del array
    assert not mapped()


@pytest.mark.skipif(not (PROC / "fd").exists(), reason="counts descriptors in /proc")
def test_no_descriptor_is_left(path: Path, access: Access) -> None:
    before = len(list((PROC / "fd").iterdir()))
    for _ in range(10):
        file = File.open(path, access=access)
        view = file[:]
        file.close()
    assert view == DATA
    del view
    for wrong in (path / "below", path.parent, Path(os.devnull)):
        with pytest.raises(OSError):  # noqa: PT011  # Which one is not the question here.
            File.open(wrong, access=access)
    assert len(list((PROC / "fd").iterdir())) == before


def test_closing_while_others_slice(path: Path, tmp_path: Path, access: Access) -> None:
    """Readers see the right bytes or ClosedError, even when the descriptor's number goes to another file at once."""
    other = tmp_path / "other"
    other.write_bytes(b"\xee" * len(DATA))
    wrong: list[object] = []

    def read(file: File, started: threading.Barrier) -> None:
        started.wait()
        try:
            for start in range(1 << 30):
                low = start % 4000
                if file[low : low + 64] != DATA[low : low + 64]:
                    wrong.append(low)
        except ClosedError:
            return
        except BaseException as error:  # noqa: BLE001  # Handed to the main thread.
            wrong.append(error)

    for _ in range(8):
        file = File.open(path, access=access)
        started = threading.Barrier(4)
        readers = [threading.Thread(target=read, args=(file, started)) for _ in range(3)]
        for reader in readers:
            reader.start()
        started.wait()
        file.close()
        with File.open(other, access=access) as reused:
            for reader in readers:
                reader.join(30)
            assert reused[0] == 0xEE
    assert wrong == []


# Files that others change


def test_a_file_that_shrinks_is_an_error_in_guarded_mode(path: Path) -> None:
    with File.open(path, access="pread") as file:
        os.truncate(path, 100)
        assert file[:100] == DATA[:100]
        with pytest.raises(MappingError) as caught:
            file[50:200]
        assert isinstance(caught.value, OSError)
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
        assert str(caught.value) == f"{path}: shrank while it was open: byte 0x64 is needed, 0x64 bytes are left"
        with pytest.raises(MappingError):
            file.readinto_at(150, bytearray(1))


BUS = """
import os, sys
from oboromi_fs.file import File

file = File.open(sys.argv[1], access="mmap")
os.truncate(sys.argv[1], 0)
print("alive", flush=True)
file[5000]
print("still alive")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="the signal of POSIX")
def test_a_mapped_file_that_shrinks_kills_the_process_as_documented(path: Path) -> None:
    path.write_bytes(bytes(1 << 14))
    done = in_another_process(BUS, path)
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, "alive\n")


def test_a_file_that_grows_or_is_replaced_keeps_its_bytes(path: Path, tmp_path: Path, access: Access) -> None:
    with File.open(path, access=access) as file:
        with path.open("ab") as more:
            more.write(b"more")
        assert len(file) == len(DATA)
        assert bytes(file[-4:]) == b"tail"
        (tmp_path / "new").write_bytes(b"new")
        (tmp_path / "new").replace(path)
        assert file == DATA


# Errors of opening


def test_not_found(tmp_path: Path, access: Access) -> None:
    with pytest.raises(EntryNotFoundError) as caught:
        File.open(tmp_path / "nowhere", access=access)
    assert isinstance(caught.value, FileNotFoundError)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path / "nowhere"))
    with pytest.raises(EntryNotFoundError):
        File.open("", access=access)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", b"a\0b"])
def test_names_that_no_host_has(name: str | bytes) -> None:
    with pytest.raises(EntryNotFoundError, match="holds a NUL, or a surrogate that stands for no byte"):
        File.open(name)


def test_a_directory_and_what_is_below_a_file(path: Path, access: Access) -> None:
    with pytest.raises(IsADirectoryEntryError):
        File.open(path.parent, access=access)
    with pytest.raises(NotADirectoryEntryError):
        File.open(path / "below", access=access)


DENIED = """
import os, sys
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.file import File

if os.getuid() == 0:
    os.setuid(65534)
try:
    File.open(sys.argv[1], access=sys.argv[2])
except PermissionError as error:
    assert not isinstance(error, (OboromiFsError, FileNotFoundError)), error
    print(error.errno, error.filename)
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_permission_denied(path: Path, access: Access) -> None:
    for parent in list(path.parents)[:3]:
        parent.chmod(0o755)
    path.chmod(0)
    done = in_another_process(DENIED, path, access)
    assert (done.stdout, done.stderr) == (f"{errno.EACCES} {path}\n", "")


def test_cannot_be_mapped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> mmap.mmap:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr("oboromi_fs.file.mmap.mmap", refuse)
    with pytest.raises(MappingError) as caught:
        File.open(path, access="mmap")
    assert caught.value.errno == errno.ENODEV
    assert not isinstance(caught.value, (FileNotFoundError, PermissionError))
    assert str(caught.value) == f"{path}: cannot be mapped: [Errno {errno.ENODEV}] No such device"
    with File.open(path) as file:
        assert (file.access, bytes(file)) == ("pread", DATA)


def test_a_file_that_shrinks_while_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shrink(*_: Any, **__: Any) -> mmap.mmap:
        raise ValueError("mmap length is greater than file size")

    monkeypatch.setattr("oboromi_fs.file.mmap.mmap", shrink)
    with pytest.raises(MappingError, match="mmap length is greater than file size"):
        File.open(path, access="mmap")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="special files of POSIX")
def test_what_is_no_file_with_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: Access) -> None:
    monkeypatch.chdir(tmp_path)  # The path of a socket must be short.
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for special in ("pipe", "socket", "/dev/null", "/dev/zero"):
            with pytest.raises(MappingError, match="not a file with a size"):
                File.open(special, access=access)


def test_an_access_that_does_not_exist(path: Path) -> None:
    with pytest.raises(ValueError, match="access must be 'auto', 'mmap' or 'pread', not 'rb'"):
        File.open(path, access="rb")  # type: ignore[arg-type]


def test_every_spelling_of_a_host_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    for spelling in (path, str(path), os.fsencode(path), "a.bin", b"a.bin", Path("a.bin")):
        with File.open(spelling) as file:
            assert file == DATA
            assert file.name == os.fsdecode(spelling)


# What is known of the file


def test_facts(path: Path, access: Access) -> None:
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    with File.open(path, access=access) as file:
        assert file.mtime_ns == 1_234_567_890_123_456_789
        assert os.fstat(file.fileno()).st_size == len(DATA)
        assert (file.kind, file.sources, file.access) == ("File", (), access)
        assert file.place(5) == (file, 5, "plain")
        assert file.window(100, 200).place(5) == (file, 105, "plain")
        assert repr(file) == f"<File {str(path)!r} of 0x1104 bytes, {access}>"
    assert File.open(path).access == "mmap"


def test_without_preadv(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways of other hosts: pread that returns bytes, and a cursor under a lock."""
    for name in ("preadv", "pread"):
        monkeypatch.delattr(os, name, raising=False)
        with File.open(path, access="pread") as file:
            assert bytes(file) == DATA
            assert file[4000:4100] == DATA[4000:4100]


def test_reads_that_stop_early_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oboromi_fs.file._MAX_READ", 7)
    with File.open(path, access="pread") as file:
        assert file[3:4000] == DATA[3:4000]


def test_only_errors_of_this_package(path: Path) -> None:
    for error in (EntryNotFoundError("x"), MappingError("x", "y"), ClosedError("x"), IsADirectoryEntryError("x")):
        assert isinstance(error, OboromiFsError)
    with File.open(path) as file, pytest.raises(CorruptError):
        file.window(len(DATA) + 1, len(DATA) + 2)
