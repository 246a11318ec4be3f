"""Work grows as promised: counted in bytes touched in the outermost file and in calls made, never timed."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from oboromi_fs import EntryNotFoundError, Hfs0Archive, MemoryStorage, Nca, NspArchive, RomFs, XciArchive, open_fs
from oboromi_fs._forge import ContentType, Encryption, FsType, Section, hfs0, nca, nsp, pfs0, romfs, xci
from tests import forged

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, SOME, MANY = 10, 20_000, 200_000


class Counted(MemoryStorage):
    """Bytes in memory that count what is read of them."""

    __slots__ = ("calls", "touched")

    def __init__(self, data: bytes) -> None:
        super().__init__(data, "counted")
        self.calls = self.touched = 0

    def _count(self, size: int) -> None:
        self.calls += 1
        self.touched += size

    def _readinto(self, offset: int, target: memoryview) -> None:
        self._count(len(target))
        super()._readinto(offset, target)

    def _view(self, start: int, stop: int) -> memoryview:
        self._count(stop - start)
        return super()._view(start, stop)


class Cost(NamedTuple):
    """Bytes and reads of the outermost storage, and calls of Python functions."""

    touched: int
    reads: int
    calls: int


def cost(storage: Counted, work: Callable[[], object]) -> Cost:
    before = storage.touched, storage.calls
    count = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and "oboromi_fs" in frame.f_code.co_filename

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(previous)
    return Cost(storage.touched - before[0], storage.calls - before[1], count)


def path_of(number: int) -> str:
    return f"d{number % 1000:03}/{number:07}.bin"


@cache
def tree_image(count: int) -> bytes:
    return romfs({path_of(number): b"%07d" % number for number in range(count)})


@cache
def flat_image(count: int) -> bytes:
    return romfs({f"{number:07}": b"" for number in range(count)})


@cache
def game(count: int, encryption: int) -> bytes:
    """An NSP with one NCA whose RomFS has ``count`` files."""
    section = Section(tree_image(count), FsType.ROMFS, encryption=encryption)
    program = nca([None, section], keys=forged.KEYS, content_type=ContentType.PROGRAM, program_id=1)
    return nsp({"program.nca": program})


def read_one(storage: Counted, number: int) -> bytes:
    """Mount everything anew and read one file by its path."""
    archive = NspArchive(storage)
    content = Nca(archive.storage("program.nca"), forged.KEY_SET)
    return RomFs(content.storage("romfs")).read_bytes(path_of(number))


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.CTR])
def test_mounting_and_reading_one_file_does_not_depend_on_how_many_there_are(encryption: int) -> None:
    costs = []
    for count in (FEW, MANY):
        storage = Counted(game(count, encryption))
        for number in (0, count // 2, count - 1):
            costs.append(cost(storage, lambda storage=storage, number=number: read_one(storage, number)))  # type: ignore[misc]
            assert read_one(storage, number) == b"%07d" % number
    few, many = costs[:3], costs[3:]
    assert max(cost.touched for cost in many) <= max(cost.touched for cost in few) + 0x4000  # One hash block at most.
    assert max(cost.touched for cost in many) < 0x8000
    assert max(cost.reads for cost in many) <= 2 * max(cost.reads for cost in few)
    assert max(cost.calls for cost in many) <= 2 * max(cost.calls for cost in few)


def test_so_does_open_fs() -> None:
    costs = []
    for count in (FEW, MANY):
        storage = Counted(game(count, Encryption.CTR))
        path = f"@program/romfs/{path_of(count - 1)}"
        costs.append(cost(storage, lambda storage=storage, path=path: open_fs(storage, forged.KEY_SET).read_bytes(path)))  # type: ignore[misc]
    assert costs[1].touched <= costs[0].touched + 0x4000
    assert costs[1].calls <= 2 * costs[0].calls


def test_opening_a_romfs_reads_its_header() -> None:
    storage = Counted(tree_image(MANY))
    assert cost(storage, lambda: RomFs(storage)).touched <= 0x60


def test_a_lookup_costs_the_same_everywhere() -> None:
    """In a directory of many, and below many directories; a hash chain more or less aside."""
    for image, paths in (
        (flat_image, [f"{number:07}" for number in range(FEW)]),
        (tree_image, [path_of(number) for number in range(FEW)]),
    ):
        worst = []
        for count in (FEW, SOME):
            storage = Counted(image(count))
            fs = RomFs(storage)
            worst.append(max(cost(storage, lambda fs=fs, path=path: fs.metadata(path)).touched for path in paths))  # type: ignore[misc]
        assert worst[1] <= worst[0] + 0x100
        assert worst[1] <= 0x300


def test_many_lookups_do_not_read_the_table_over_and_over() -> None:
    storage = Counted(flat_image(SOME))
    fs = RomFs(storage)
    spent = cost(storage, lambda: [fs.metadata(f"{number:07}") for number in range(SOME)])
    assert spent.touched <= 3 * len(flat_image(SOME))


def test_a_second_miss_is_cheap() -> None:
    storage = Counted(flat_image(SOME))
    fs = RomFs(storage)

    def miss(name: str) -> None:
        with pytest.raises(EntryNotFoundError):
            fs.metadata(name)

    miss("nope")
    spent = cost(storage, lambda: miss("neither"))
    assert spent.touched < 0x1000
    assert spent.calls < 100


@pytest.mark.parametrize("work", ["walk", "extents", "read_dir"])
def test_walking_is_linear(work: str) -> None:
    costs = []
    for count in (SOME // 10, SOME):
        storage = Counted(flat_image(count))
        fs = RomFs(storage)
        costs.append(cost(storage, lambda fs=fs: list(getattr(fs, work)())))  # type: ignore[misc]
        assert costs[-1].touched <= 2 * len(flat_image(count))
    assert costs[1].calls <= 11 * costs[0].calls + 1000
    assert costs[1].touched <= 11 * costs[0].touched


def test_walking_many_files_reads_each_table_once() -> None:
    storage = Counted(tree_image(MANY))
    fs = RomFs(storage)
    spent = cost(storage, lambda: sum(1 for _ in fs.walk()))
    assert spent.reads <= 8
    assert spent.touched <= len(tree_image(MANY))
    assert spent.calls <= 3 * MANY


@pytest.mark.parametrize(("archive", "build"), [(NspArchive, pfs0), (Hfs0Archive, hfs0)])
def test_partition_archives(archive: Any, build: Any) -> None:
    """Opening reads the header; the first name the table, once; later names nothing."""
    costs = []
    for count in (FEW, SOME):
        storage = Counted(build({f"{number:07}": b"x" for number in range(count)}))
        fs = archive(storage)
        assert storage.touched <= 0x20
        first = cost(storage, lambda fs=fs: fs.metadata("0000005"))  # type: ignore[misc]
        second = cost(storage, lambda fs=fs: fs.metadata("0000007"))  # type: ignore[misc]
        assert first.touched <= fs.header_size
        assert (second.touched, second.reads) == (0, 0)
        assert second.calls <= 10
        costs.append(first)
    assert costs[1].calls <= SOME // FEW * costs[0].calls
    assert cost(storage, lambda: fs.read_bytes("0000003")).touched == 1


def test_a_partition_that_is_not_asked_for_is_not_read() -> None:
    card = xci({"update": {f"{number:07}": b"" for number in range(SOME)}, "secure": {"a": b"a"}})
    storage = Counted(card)
    fs = XciArchive(storage)
    assert cost(storage, lambda: fs.read_bytes("secure/a")).touched <= 0x1000


def test_a_read_touches_what_it_returns_and_little_more() -> None:
    section = Section(romfs({"large": bytes(1 << 20)}), FsType.ROMFS)
    storage = Counted(nca([section], keys=forged.KEYS, content_type=ContentType.CONTROL, program_id=1))
    file = RomFs(Nca(storage, forged.KEY_SET).storage("romfs")).storage("large")
    for size in (1, 16, 0x1000, 1 << 20):
        assert cost(storage, lambda size=size: file[0:size]).touched <= size + 32  # type: ignore[misc]
