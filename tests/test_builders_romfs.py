from __future__ import annotations

import gc
import hashlib
import io
import os
import random
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_formats.romfs import FILE_ENTRY, bucket_count, path_hash
from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.base import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.builders.romfs import RomFsImage, build_romfs, tables, write
from oboromi_fs.builders.romfs.files import read_host_file
from oboromi_fs.builders.romfs.tree import MAX_PATH
from oboromi_fs.errors import CorruptError, EntryNotFoundError, FormatError, MappingError, NotADirectoryEntryError
from oboromi_fs.file import File
from oboromi_fs.opening import NestedFs, open_fs
from oboromi_fs.paths import decode_name, encode_name
from oboromi_fs.protocols import DirEntry, Extent, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from oboromi_fs.protocols import PathType, Storage, VFile

NONE = 0xFFFFFFFF
SMALL = {"a.txt": b"hi", "b/c.bin": bytes(range(17)), "b/d": b""}


def reference(files: Mapping[bytes, bytes], dirs: set[bytes]) -> bytes:
    """The image as the specification tells it, one entry after the other."""
    directories = {b"", *dirs}
    for path in (*files, *dirs):
        while path := path.rpartition(b"/")[0]:
            directories.add(path)
    dir_paths, file_paths = sorted(directories), sorted(files)

    def offsets(paths: list[bytes], fixed: int) -> dict[bytes, int]:
        out, position = {}, 0
        for path in paths:
            out[path] = position
            position += fixed + (len(path.rpartition(b"/")[2]) + 3) // 4 * 4
        return out

    dir_at, file_at = offsets(dir_paths, 0x18), offsets(file_paths, 0x20)

    def links(paths: list[bytes], at: dict[bytes, int]) -> tuple[dict[bytes, int], dict[bytes, int], dict[bytes, int], list[int]]:
        sibling: dict[bytes, int] = {}
        first: dict[bytes, int] = {}
        chain: dict[bytes, int] = {}
        heads = [NONE] * bucket_count(len(paths))
        last: dict[bytes, bytes] = {}
        for path in paths:
            parent, _, name = path.rpartition(b"/")
            bucket = path_hash(dir_at[parent], name) % len(heads)
            chain[path], heads[bucket] = heads[bucket], at[path]
            if not path:
                continue
            first.setdefault(parent, at[path])
            if parent in last:
                sibling[last[parent]] = at[path]
            last[parent] = path
        return sibling, first, chain, heads

    dir_sibling, first_dir, dir_chain, dir_heads = links(dir_paths, dir_at)
    file_sibling, first_file, file_chain, file_heads = links(file_paths, file_at)
    data, file_table, dir_table = bytearray(), bytearray(), bytearray()
    for path in file_paths:
        parent, _, name = path.rpartition(b"/")
        data += bytes(-len(data) % 16)
        row = (dir_at[parent], file_sibling.get(path, NONE), len(data), len(files[path]), file_chain[path], len(name))
        file_table += struct.pack("<IIQQII", *row) + name + bytes(-len(name) % 4)
        data += files[path]
    for path in dir_paths:
        parent, _, name = path.rpartition(b"/")
        children = (first_dir.get(path, NONE), first_file.get(path, NONE))
        row = (dir_at[parent], dir_sibling.get(path, NONE), *children, dir_chain[path], len(name))
        dir_table += struct.pack("<6I", *row) + name + bytes(-len(name) % 4)
    data += bytes(-len(data) % 4)
    out: list[bytes | bytearray] = [
        struct.pack(f"<{len(dir_heads)}I", *dir_heads),
        dir_table,
        struct.pack(f"<{len(file_heads)}I", *file_heads),
        file_table,
    ]
    header, position = [0x50], 0x200 + len(data)
    for table in out:
        header += [position, len(table)]
        position += len(table)
    return struct.pack("<10Q", *header, 0x200).ljust(0x200, b"\0") + bytes(data) + b"".join(out)


def written(image: Storage) -> bytes:
    target = io.BytesIO()
    assert write(image, target) == image.size
    return target.getvalue()


def on_host(folder: Path, files: Mapping[str, bytes], dirs: tuple[str, ...] = ()) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name in dirs:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


# The bytes


def test_the_small_example() -> None:
    image = build_romfs(MemoryFs(SMALL))
    assert image.size == 0x2F0
    digest = "b801cc5c0accd54decc1a3c48b7ac7767f9c05fab6eda9c934db896b64f62f2c"
    assert hashlib.sha256(image[:]).hexdigest() == digest
    assert hashlib.sha256(written(image)).hexdigest() == digest
    assert struct.unpack("<10Q", image[:0x50]) == (0x50, 0x230, 0xC, 0x23C, 0x34, 0x270, 0xC, 0x27C, 0x74, 0x200)
    assert image[0x200:0x230] == b"hi".ljust(16, b"\0") + bytes(range(17)).ljust(32, b"\0")
    assert struct.unpack("<3I", image[0x230:0x23C]) == (0, NONE, 0x18)
    assert struct.unpack("<3I", image[0x270:0x27C]) == (0x50, 0x28, 0)
    assert struct.unpack("<6I", image[0x23C:0x254]) == (0, NONE, 0x18, 0, NONE, 0)
    assert struct.unpack("<6I4s", image[0x254:0x270]) == (0, NONE, NONE, 0x28, NONE, 1, b"b\0\0\0")
    assert struct.unpack("<IIQQII8s", image[0x27C:0x2A4]) == (0, NONE, 0, 2, NONE, 5, b"a.txt\0\0\0")
    assert struct.unpack("<IIQQII8s", image[0x2A4:0x2CC]) == (0x18, 0x50, 0x10, 0x11, NONE, 5, b"c.bin\0\0\0")
    assert struct.unpack("<IIQQII4s", image[0x2CC:]) == (0x18, NONE, 0x30, 0, NONE, 1, b"d\0\0\0")


def test_nothing_at_all() -> None:
    image = RomFsImage(MemoryFs())
    assert image.size == 0x230
    root = struct.pack("<6I", 0, NONE, NONE, NONE, NONE, 0)
    assert image[0x200:] == struct.pack("<3I", 0, NONE, NONE) + root + struct.pack("<3I", NONE, NONE, NONE)
    assert (image.file_count, image.directory_count, list(image.extents())) == (0, 0, [])


@pytest.mark.parametrize("maker", ["st", "lh"])
def test_the_images_other_builders_made(testdata: Path, maker: str) -> None:
    archives = sorted((testdata / "romfs").glob(f"*.{maker}.romfs"))
    assert len(archives) >= {"st": 9, "lh": 3}[maker]
    for path in archives:
        image = RomFsImage(RomFs(path), like="common" if maker == "st" else "libhac")
        assert image[:] == path.read_bytes(), path.name
        assert written(image) == path.read_bytes(), path.name


def test_libhac_drops_empty_directories_and_sorts_by_utf_16() -> None:
    files = {"\uff5e/a": b"1", "\U0001f600/b": b"2", "é": b"3", "d/e/f": b"4"}
    image = RomFsImage(MemoryFs(files, dirs=["nothing/here"]), like="libhac")
    assert [extent.path for extent in image.extents()] == ["d/e/f", "é", "\U0001f600/b", "\uff5e/a"]
    common = RomFsImage(MemoryFs(files, dirs=["nothing/here"]))
    assert [extent.path for extent in common.extents()] == ["d/e/f", "é", "\uff5e/a", "\U0001f600/b"]
    fs = RomFs(image)
    assert [path for path, entry in fs.walk() if entry.kind == "directory"] == ["d", "d/e", "\U0001f600", "\uff5e"]
    assert {path: fs.read_bytes(path) for path in files} == files
    assert image.header.dir_hash_offset % 16 == 0
    assert (common.directory_count, image.directory_count) == (6, 4)


NAMES = st.binary(min_size=1, max_size=9).filter(lambda name: not set(name) & {0, 0x2F} and name not in (b".", b".."))
TREES = st.recursive(st.binary(max_size=50) | st.none(), lambda inner: st.dictionaries(NAMES, inner, max_size=6), max_leaves=25)


def unfold(tree: Any, prefix: bytes = b"") -> tuple[dict[bytes, bytes], set[bytes]]:
    """Files and directories of a tree; None stands for an empty directory."""
    files: dict[bytes, bytes] = {}
    dirs: set[bytes] = set()
    for name, inner in (tree or {}).items():
        if isinstance(inner, bytes):
            files[prefix + name] = inner
            continue
        dirs.add(prefix + name)
        below, more = unfold(inner, prefix + name + b"/")
        files |= below
        dirs |= more
    return files, dirs


def memory_fs(files: Mapping[bytes, bytes], dirs: set[bytes]) -> MemoryFs:
    return MemoryFs({decode_name(path): data for path, data in files.items()}, dirs=map(decode_name, dirs))


@given(tree=st.dictionaries(NAMES, TREES, max_size=8), seed=st.integers(0, 1000))
def test_round_trip(tree: dict[bytes, Any], seed: int) -> None:
    files, dirs = unfold(tree)
    image = RomFsImage(memory_fs(files, dirs))
    wanted = reference(files, dirs)
    assert image[:] == wanted
    assert written(image) == wanted
    chance = random.Random(seed)
    for _ in range(20):
        start = chance.randrange(len(wanted))
        stop = min(start + chance.choice((1, 16, 100, 5000)), len(wanted))
        assert image[start:stop] == wanted[start:stop]
    fs = RomFs(image)
    assert {encode_name(path) for path, entry in fs.walk() if entry.kind == "directory"} == dirs
    assert {encode_name(path): fs.read_bytes(path) for path, entry in fs.walk() if entry.kind == "file"} == files
    assert RomFsImage(fs)[:] == wanted
    for extent in image.extents():
        assert extent.storage[extent.offset : extent.offset + extent.size] == files[encode_name(extent.path)]


def test_thousands_of_entries(tmp_path: Path) -> None:
    chance = random.Random(7)
    sizes = [0, 1, 15, 16, 17, 0x1FF, 0x200, 0x201, 0x3FFF, 0x4000, 0x4001]
    files = {
        f"d{chance.randrange(40)}/{'x' * chance.randrange(40)}{number}": chance.randbytes(chance.choice(sizes)) for number in range(4000)
    }
    files |= {f"big{size}": chance.randbytes(size) for size in (0xFFFF, 0x10000, 0x10001, 0x20000, 0xFFFFF, 0x100000, 0x100001)}
    dirs = {f"e{number}/f" for number in range(300)}
    wanted = reference({path.encode(): data for path, data in files.items()}, {path.encode() for path in dirs})
    on_host(tmp_path / "tree", files, tuple(dirs))
    stored = tmp_path / "stored.romfs"
    stored.write_bytes(wanted)
    for fs in (MemoryFs(files, dirs=dirs), HostFs(tmp_path / "tree"), HostFs(tmp_path / "tree", access="pread"), RomFs(stored)):
        image = RomFsImage(fs)
        write(image, tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == wanted
        for _ in range(1000):
            start = chance.randrange(len(wanted))
            stop = min(start + chance.choice((1, 4096, 4096, 70_000)), len(wanted))
            assert image[start:stop] == wanted[start:stop]
        assert image[:] == wanted


@given(
    entries=st.lists(st.tuples(st.integers(0, 0xFFFF_FFFC).map(lambda n: n & ~3), NAMES | st.binary(max_size=300)), min_size=1, max_size=30)
)
def test_hashes(entries: list[tuple[int, bytes]]) -> None:
    table = tables._Entries([name for _, name in entries], FILE_ENTRY)
    found = table.hashes(np.array([parent for parent, _ in entries], np.uint32))
    assert found.tolist() == [path_hash(parent, name) for parent, name in entries]


# Where the files are


def test_a_host_folder(tmp_path: Path) -> None:
    on_host(tmp_path, SMALL)
    wanted = RomFsImage(MemoryFs(SMALL))[:]
    for fs in (HostFs(tmp_path), NestedFs(HostFs(tmp_path)), open_fs(tmp_path)):
        assert RomFsImage(fs)[:] == wanted
        assert RomFsImage(fs).pieces.path(1) == os.fspath(tmp_path / "a.txt")
        assert RomFsImage(fs, "/b/")[:] == RomFsImage(MemoryFs({"c.bin": SMALL["b/c.bin"], "d": b""}))[:]


@pytest.mark.parametrize("make", [HostFs, lambda _: MemoryFs(SMALL), lambda _: RomFs(RomFsImage(MemoryFs(SMALL)))])
def test_a_path_that_is_no_directory(tmp_path: Path, make: Any) -> None:
    fs = make(on_host(tmp_path, SMALL))
    with pytest.raises(NotADirectoryEntryError):
        RomFsImage(fs, "a.txt")
    with pytest.raises(EntryNotFoundError):
        RomFsImage(fs, "nowhere")


def test_links_in_a_host_folder(tmp_path: Path) -> None:
    plain = {f"p{number}/file": b"%d" % number for number in range(20)}  # Some are met before the links, whatever the order.
    folder = on_host(tmp_path / "folder", SMALL | dict(list(plain.items())[:10]))
    os.mkfifo(folder / "p7" / "pipe")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "leaves").symlink_to(tmp_path / "secret")
    (folder / "b" / "loops").symlink_to(folder)
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "e").symlink_to("b")
    (folder / "f").symlink_to("b/c.bin")
    on_host(folder, dict(list(plain.items())[10:]))
    wanted = SMALL | plain | {"e/c.bin": SMALL["b/c.bin"], "e/d": b"", "f": SMALL["b/c.bin"]}
    assert RomFsImage(HostFs(folder))[:] == RomFsImage(MemoryFs(wanted))[:]
    assert written(RomFsImage(HostFs(folder))) == RomFsImage(MemoryFs(wanted))[:]


def test_names_of_a_host_folder_are_bytes(tmp_path: Path) -> None:
    names = [b"caf\xe9", "café".encode(), b"\xff\xfe", b"back\\slash", b"new\nline", b"..x"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    assert RomFsImage(HostFs(tmp_path))[:] == reference({name: name for name in names}, set())


def test_determinism(tmp_path: Path) -> None:
    chance = random.Random(3)
    files = {f"{chance.choice('aäÄzZ_-.')}{number % 7}/{chance.choice('éÉ-.x')}{number}": b"%d" % number for number in range(200)}
    wanted = RomFsImage(MemoryFs(files))[:]
    for attempt in range(3):
        shuffled = list(files.items())
        chance.shuffle(shuffled)
        assert RomFsImage(MemoryFs(dict(shuffled)))[:] == wanted
        on_host(tmp_path / str(attempt), dict(shuffled))
        assert RomFsImage(HostFs(tmp_path / str(attempt)))[:] == wanted
    code = (
        "import sys\n"
        "from oboromi_fs.backends.host import HostFs\n"
        "from oboromi_fs.builders.romfs import RomFsImage\n"
        "sys.stdout.buffer.write(RomFsImage(HostFs(sys.argv[1]))[:])"
    )
    path = ":".join(each for each in sys.path if each)
    for setting in (
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"},
    ):
        command = [sys.executable, "-c", code, os.fspath(tmp_path / "0")]
        found = subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": path, **setting}).stdout
        assert found == wanted


def test_the_file_systems_encoding_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "café").mkdir()
    (tmp_path / "café" / "é").write_bytes(b"x")
    wanted = RomFsImage(HostFs(tmp_path))[:]
    (tmp_path / "café" / "link").symlink_to("nowhere")  # Its directory is listed by the file system, which has text.
    fs = HostFs(os.fspath(tmp_path))
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("latin-1") if isinstance(name, str) else name)
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("latin-1") if isinstance(name, bytes) else name)
    monkeypatch.setattr(HostFs, "read_dir", lambda *_: [DirEntry("Ã©", "file", 1)])
    assert RomFsImage(fs)[:] == wanted


class Counted(StorageBase):
    """Bytes that can only be read; counts how often."""

    kind = "Counted"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)
        self.reads = self.longest = 0

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads += 1
        self.longest = max(self.longest, len(target))
        target[:] = self.data[offset : offset + len(target)]


def test_files_of_an_archive_are_read_many_at_once() -> None:
    files = {f"d{number // 100}/f{number}": b"%d" % number for number in range(5000)}
    stored = Counted(RomFsImage(MemoryFs(files))[:].tobytes())
    image = RomFsImage(RomFs(stored))
    stored.reads = 0
    assert written(image) == stored.data
    assert stored.reads <= 2
    for start in range(0, image.size - 4096, 4096):
        assert image[start : start + 4096] == stored.data[start : start + 4096]
    assert stored.reads <= 10
    assert stored in image.sources


def test_files_that_lie_scattered_in_an_archive_are_read_in_bounded_parts() -> None:
    stored = Counted(random.Random(5).randbytes(12_000_000))
    places: dict[str, tuple[Storage, int, int]] = {f"{number:04}": (stored, number * 4000, 10) for number in range(3000)}
    image = RomFsImage(Layers(places))
    assert image[:] == RomFsImage(MemoryFs({path: stored.data[at : at + 10] for path, (_, at, _) in places.items()}))[:]
    assert stored.reads < 20
    assert stored.longest <= 1 << 20


def test_part_of_an_archive_that_lies_elsewhere_in_it() -> None:
    chance = random.Random(9)
    files = {f"{chance.randrange(9)}/{number}": chance.randbytes(chance.randrange(3000)) for number in range(900)}
    stored = Counted(RomFsImage(MemoryFs(files), like="libhac")[:].tobytes())
    image = RomFsImage(RomFs(stored), "3")
    assert image[:] == RomFsImage(MemoryFs({path[2:]: data for path, data in files.items() if path[0] == "3"}))[:]


class Plain:
    """A file system with nothing but what the protocol asks for."""

    def __init__(self, entries: dict[str, list[DirEntry]], contents: Mapping[str, bytes] | None = None) -> None:
        self.entries = entries
        self.contents = contents or {}
        self.opened: list[str] = []

    def open(self, path: PathType, /) -> VFile:
        raise NotImplementedError

    def read_dir(self, path: PathType = "", /) -> list[DirEntry]:
        return self.entries[str(path)]

    def metadata(self, path: PathType, /) -> Metadata:
        raise NotImplementedError

    def storage(self, path: PathType, /) -> Storage:
        self.opened.append(str(path))
        return MemoryStorage(self.contents[str(path)])


def test_any_file_system() -> None:
    fs = Plain(
        {"": [DirEntry("b", "directory", 0), DirEntry("a.txt", "file", 2)], "b": [DirEntry("d", "file", 0), DirEntry("c.bin", "file", 17)]},
        SMALL,
    )
    image = RomFsImage(fs)
    assert not fs.opened
    assert image[0x200:0x201].tobytes() == b"h"
    assert image[:] == RomFsImage(MemoryFs(SMALL))[:]


class Layers(MemoryFs):
    """A file system that knows where its files are: in memory, in one storage, or each in a host file."""

    def __init__(self, places: Mapping[str, tuple[Storage, int, int]]) -> None:
        self.places = places
        super().__init__({path: storage.window(at, at + size) for path, (storage, at, size) in places.items()})

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        del path
        for name, (storage, at, size) in self.places.items():
            yield Extent(name, storage, at, size)


def test_a_union_of_host_files_and_archives(tmp_path: Path) -> None:
    chance = random.Random(11)
    archive = MemoryStorage(chance.randbytes(300_000))
    wanted: dict[str, bytes] = {}
    places: dict[str, tuple[Storage, int, int]] = {}
    for number in range(300):
        path = f"{number:03}"
        if number % 3:
            at, size = chance.randrange(100_000), chance.choice((0, 5, 900, 150_000))
            places[path] = (archive, at, size)
            wanted[path] = archive[at : at + size].tobytes()
        else:
            wanted[path] = chance.randbytes(chance.choice((0, 70, 140_000)))
            (tmp_path / path).write_bytes(wanted[path])
            file = File.open(tmp_path / path, access="mmap" if number % 2 else "pread")
            places[path] = (file, 0, file.size)
    image = RomFsImage(Layers(places))
    expected = RomFsImage(MemoryFs(wanted))[:]
    assert image[:] == expected
    assert written(image) == expected
    for _ in range(500):
        start = chance.randrange(image.size)
        assert image[start : start + 5000] == expected[start : start + 5000]
    held = [where for where in image.pieces.files.tree.where if isinstance(where, File)]  # type: ignore[attr-defined]
    assert not held  # There may be thousands.
    (tmp_path / "003").write_bytes(b"other")
    with pytest.raises(MappingError, match=r"003: changed while it was read"):
        written(image)


def test_extents_that_are_not_those_of_the_walk_are_not_believed() -> None:
    storage = MemoryStorage(b"abcdefgh")
    fs = Layers({"a": (storage, 0, 3), "b": (storage, 3, 5)})
    fs.places = {"b": (storage, 3, 5), "a": (storage, 0, 3)}
    assert RomFsImage(fs)[:] == RomFsImage(MemoryFs({"a": b"abc", "b": b"defgh"}))[:]


# What cannot be


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "has an empty name"),
        (".", "has a name that paths take for the directory itself"),
        ("..", "has a name that paths take for the parent"),
        ("a/b", "has a name that holds a slash"),
        ("a\0b", "has a name that holds a NUL"),
        ("\ud800", "holds a surrogate that stands for no byte"),
        ("x" * 0x300, r"its path has 774 bytes with the slash it begins with; a RomFS path has at most 768"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_names_that_cannot_be(name: str, problem: str, kind: Any) -> None:
    fs = Plain({"": [DirEntry("good", "directory", 0)], "good": [DirEntry(name, kind, 0)], f"good/{name}": []})
    with pytest.raises(FormatError, match=problem) as caught:
        RomFsImage(fs)
    assert f"RomFS entry of good/{name}: " in str(caught.value)


def test_the_longest_path() -> None:
    path = "p/" + "q" * (MAX_PATH - 3)
    assert len("/" + path) == 0x300
    image = RomFsImage(MemoryFs({path: b"x"}))
    assert RomFs(image).read_bytes(path) == b"x"
    with pytest.raises(FormatError, match="769 bytes"):
        RomFsImage(MemoryFs({path + "q": b"x"}))
    with pytest.raises(FormatError, match="769 bytes"):
        RomFsImage(MemoryFs({}, dirs=[path + "q"]))


def test_sizes_that_cannot_be() -> None:
    for size in (1 << 63, 1 << 64, -1):
        with pytest.raises(FormatError, match=f"RomFS entry of big: has {size} bytes"):
            RomFsImage(Plain({"": [DirEntry("big", "file", size)]}))
    half = [DirEntry(name, "file", 1 << 62) for name in "ab"]
    with pytest.raises(FormatError, match="the files have 0x8000000000000020 bytes with their padding"):
        RomFsImage(Plain({"": half}))
    image = RomFsImage(Plain({"": half[:1]}))  # It is only planned.
    assert image.size > 1 << 62
    assert RomFs(image).metadata("a").size == 1 << 62


def test_names_that_are_there_twice() -> None:
    with pytest.raises(FormatError, match=r"RomFS entry of d/a: two files have this path"):
        RomFsImage(Plain({"": [DirEntry("d", "directory", 0)], "d": [DirEntry(name, "file", 0) for name in ("a", "b", "a")]}))
    with pytest.raises(FormatError, match=r"RomFS entry of a: is a file and a directory at once"):
        RomFsImage(Plain({"": [DirEntry("a", "file", 0), DirEntry("a", "directory", 0)], "a": []}))
    twice = Plain({"": [DirEntry("é", "file", 0), DirEntry("\udcc3\udca9", "file", 0)]})  # Two spellings of the same bytes.
    with pytest.raises(FormatError, match="two files have this path"):
        RomFsImage(twice)


def test_more_entries_than_links_can_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number:03}": b"" for number in range(100)}
    monkeypatch.setattr(tables, "LIMIT", 3600)
    with pytest.raises(
        FormatError, match=r"RomFS file entry table: 100 entries need 0xe10 bytes; links of 32 bits reach no further than 0xe10"
    ):
        RomFsImage(MemoryFs(files))
    with pytest.raises(FormatError, match="RomFS directory entry table: 102 entries"):
        RomFsImage(MemoryFs({}, dirs=[f"long name {number:031}" for number in range(101)]))
    monkeypatch.setattr(tables, "LIMIT", 3601)
    RomFsImage(MemoryFs(files))


# What changes


SIZES = [1, 100, 70_000, 200_000, 3_000_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", ["shorter", "longer", "empty", "gone", "directory", "pipe"])
def test_a_file_that_changes(tmp_path: Path, size: int, change: str) -> None:
    folder = on_host(tmp_path / "tree", {"a": b"first", "sub/changing.bin": bytes(size), "z": b"last"})
    path = folder / "sub" / "changing.bin"
    image = RomFsImage(HostFs(folder))
    if change in ("gone", "directory", "pipe"):
        path.unlink()
    if change == "directory":
        path.mkdir()
    elif change == "pipe":
        os.mkfifo(path)
    elif change != "gone":
        path.write_bytes(bytes({"shorter": size - 1, "longer": size + 1, "empty": 0}[change]))
    with pytest.raises((MappingError, OSError), match=r"sub/changing\.bin"):
        image[0x210:0x211]
    with pytest.raises((MappingError, OSError), match=r"sub/changing\.bin"):
        image[:]
    with pytest.raises((MappingError, OSError), match=r"sub/changing\.bin"):
        write(image, tmp_path / "out.romfs")
    assert os.listdir(tmp_path) == ["tree"]
    assert image[0x200:0x205].tobytes() == b"first"
    assert image[-8:].tobytes() == b"\1\0\0\0z\0\0\0"


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_changes_after_it_was_read(tmp_path: Path, size: int) -> None:
    folder = on_host(tmp_path / "tree", {"changing.bin": b"a" * size})
    image = RomFsImage(HostFs(folder))
    assert image[0x200 : 0x200 + size] == b"a" * size
    os.truncate(folder / "changing.bin", size // 2)
    if size < 1 << 17:  # What is kept as bytes is still given out; what is mapped is gone.
        assert image[0x200 : 0x200 + size] == b"a" * size
    else:
        with pytest.raises(MappingError, match=r"changing\.bin: changed while it was read"):
            image[0x200 : 0x200 + size]
    with pytest.raises(MappingError, match=r"changing\.bin: changed while it was read"):
        write(image, tmp_path / "out.romfs")
    assert os.listdir(tmp_path) == ["tree"]


def test_an_empty_file_that_is_not_empty_any_more(tmp_path: Path) -> None:
    folder = on_host(tmp_path / "tree", {"a": b"first", "b": b""})
    image = RomFsImage(HostFs(folder))
    (folder / "b").write_bytes(b"x")
    with pytest.raises(MappingError, match="had 0 bytes when the image was planned, and has 1"):
        write(image, tmp_path / "out.romfs")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_host(tmp_path / "tree", {"a": b"first"})
    image = RomFsImage(HostFs(folder))
    real = os.open

    def refuse(path: Any, *arguments: Any, **more: Any) -> int:
        if os.fsdecode(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as caught:
        write(image, tmp_path / "out.romfs")
    assert caught.value.filename == os.fspath(folder / "a")


def test_a_directory_that_vanishes_while_the_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_host(tmp_path / "tree", {"a/b": b"first"})
    real = os.scandir

    def scandir(path: Any) -> Any:
        if os.fsdecode(path).endswith("/a"):
            raise FileNotFoundError(2, "No such file", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(EntryNotFoundError, match="tree/a"):
        RomFsImage(HostFs(folder))


def test_a_broken_file_of_an_archive_is_named() -> None:
    class Torn(Counted):
        def _readinto(self, offset: int, target: memoryview) -> None:
            if offset <= 0x215 < offset + len(target):
                raise CorruptError("torn", what="Torn", offset=offset)
            super()._readinto(offset, target)

    stored = RomFsImage(MemoryFs({"a": b"1", "b": b"123456", "c": b"3"}))[:].tobytes()
    image = RomFsImage(RomFs(Torn(stored)))
    with pytest.raises(CorruptError, match=r"torn \(while reading 'b'\)"):
        written(image)
    assert image[0x200:0x201].tobytes() == b"1"


# Writing


def test_progress(tmp_path: Path) -> None:
    files = {"a": b"1", "b": b"", "c": bytes(2_000_000), "d": b"4"}
    image = RomFsImage(HostFs(on_host(tmp_path / "tree", files)))
    told: list[tuple[int, int, int, int]] = []
    write(image, tmp_path / "out", lambda *numbers: told.append(numbers))
    assert told[-1] == (image.size, image.size, 4, 4)
    assert told == sorted(told)
    assert all(total == image.size and count == 4 for _, total, _, count in told)


def test_the_image_is_a_storage_like_any_other() -> None:
    image = RomFsImage(MemoryFs(SMALL))
    assert image.kind == "RomFsImage"
    window = image.window(0x200, 0x202)
    assert isinstance(window, WindowStorage)
    assert window[:].tobytes() == b"hi"
    assert [source.kind for source in image.sources] == ["Memory", "Memory"]
    assert image.place(0x201).storage[image.place(0x201).offset] == ord("i")
    assert image.header == RomFs(image).header


# How much work it is


def work(folder: Path) -> tuple[int, int]:
    """Function calls that building and writing takes, and those among them that ask the host for something."""
    calls = host = 0
    asked = {os.open, os.read, os.readv, os.close, os.stat, os.fstat, os.lstat, os.scandir, os.lseek, os.pread, os.readlink}

    def count(_frame: Any, event: str, argument: Any) -> None:
        nonlocal calls, host
        if event in ("call", "c_call"):
            calls += 1
            host += event == "c_call" and (argument in asked or getattr(argument, "__qualname__", "") == "DirEntry.stat")

    target = io.BytesIO()
    write(RomFsImage(HostFs(folder)), target)  # What is imported on first use is not the work.
    gc.collect()
    target.seek(0)
    gc.disable()
    sys.setprofile(count)
    try:
        write(RomFsImage(HostFs(folder)), target)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls, host


def test_work_grows_with_the_number_of_files(tmp_path: Path) -> None:
    few = on_host(tmp_path / "few", {f"d{number % 10}/{number}": b"%d" % number for number in range(400)})
    lots = on_host(tmp_path / "lots", {f"d{number % 10}/{number}": b"%d" % number for number in range(3200)})
    (calls, host), (more_calls, more_host) = work(few), work(lots)
    assert more_calls - calls <= 2800 * (calls / 400)
    assert more_host - host == 2800 * 4  # One to list it and tell its size; open, read, close.


@settings(max_examples=5)
@given(count=st.integers(2, 2000))
def test_hashing_takes_a_step_for_each_byte_of_a_name(count: int) -> None:
    """One long name does not make all the short ones cost as much."""
    table = tables._Entries([b"x" * 700] + [b"%d" % number for number in range(count)], FILE_ENTRY)
    read = 0

    class Names:
        def __getitem__(self, index: Any) -> Any:
            nonlocal read
            read += len(index)
            return table_names[index]

    table_names = table.names
    table.names = Names()  # type: ignore[assignment]
    table.hashes(np.zeros(count + 1, np.uint32))
    assert read == 700 + sum(len(b"%d" % number) for number in range(count))


def test_random_reads_open_a_small_file_once_or_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice where a block ends in it; and never again while its blocks are kept."""
    chance = random.Random(13)
    folder = on_host(tmp_path, {f"{number}": bytes(chance.randrange(30_000)) for number in range(300)})
    opened: dict[bytes, int] = {}
    real = os.open

    def opening(path: Any, *arguments: Any, **more: Any) -> int:
        opened[path] = opened.get(path, 0) + 1
        return real(path, *arguments, **more)

    image = RomFsImage(HostFs(folder))
    monkeypatch.setattr(os, "open", opening)
    for _ in range(3000):
        start = chance.randrange(image.size)
        image[start : start + 4096]
    assert len(opened) == 300
    assert max(opened.values()) == 2
    assert sum(opened.values()) <= 300 + image.size // 0x10000


def test_a_folder_of_any_size_opens_one_file_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_host(tmp_path / "tree", {f"{number}": b"%d" % number for number in range(500)})
    open_now = most = 0
    real_open, real_close = os.open, os.close

    def opening(*arguments: Any, **more: Any) -> int:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        return real_open(*arguments, **more)

    def closing(number: int) -> None:
        nonlocal open_now
        open_now -= 1
        real_close(number)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "close", closing)
    write(RomFsImage(HostFs(folder)), io.BytesIO())
    assert (most, open_now) == (1, 0)


def test_a_host_that_gives_less_than_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(200))
    (tmp_path / "a").write_bytes(data)
    path = os.fsencode(tmp_path / "a")
    readv, preadv = os.readv, os.preadv
    monkeypatch.setattr(os, "readv", lambda number, buffers: readv(number, [buffers[0][:7]]))
    monkeypatch.setattr(os, "preadv", lambda number, buffers, at: preadv(number, [buffers[0][:7]], at))
    whole, part = bytearray(200), bytearray(50)
    read_host_file(path, memoryview(whole))
    read_host_file(path, memoryview(part), 100, 200)
    assert (bytes(whole), bytes(part)) == (data, data[100:150])
    for size in (199, 201):
        with pytest.raises(MappingError, match=f"it had {size} bytes when the image was planned, and has 200"):
            read_host_file(path, memoryview(bytearray(size)))


@pytest.mark.parametrize("source", ["folder", b"folder", None, {"a.txt": b"hi"}])
def test_what_is_no_file_system(source: Any) -> None:
    with pytest.raises(TypeError, match=r"^a file system is needed, such as HostFs\(path\) or MemoryFs\(files\), and not a "):
        build_romfs(source)
