from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.hashtree import HierarchicalSha256Info, IvfcInfo, IvfcLevel, Region
from oboromi_fs.base import MemoryStorage, StorageBase, WindowStorage
from oboromi_fs.errors import CorruptError, IntegrityError
from oboromi_fs.protocols import Place
from oboromi_fs.storage import hashed
from oboromi_fs.storage.ctr import AesCtrStorage, ctr_crypt
from oboromi_fs.storage.hashed import HashLevel, HashTreeStorage, HierarchicalSha256Storage, IvfcStorage
from tests.hash_trees import ivfc_tree, sha256_tree

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = bytes(range(16))


class Counting(StorageBase):
    """Bytes that can only be read; notes what was."""

    kind = "Counting"

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._size = len(data)
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))
        target[:] = self.data[offset : offset + len(target)]


def encrypted(section: bytes) -> AesCtrStorage:
    data = bytearray(len(section))
    ctr_crypt(KEY, bytes(8), 0x4000, section, data)
    return AesCtrStorage(MemoryStorage(data, "game.nca"), KEY, bytes(8), 0x4000)


def sha256(data: bytes, block: int, **options: Any) -> tuple[bytearray, Callable[..., HashTreeStorage]]:
    section, info = sha256_tree(data, block, **options)
    algorithm = options.get("algorithm", "sha256")
    return bytearray(section), lambda storage, *, check=True: HierarchicalSha256Storage(storage, info, check=check, algorithm=algorithm)


def ivfc(data: bytes, block: int, **options: Any) -> tuple[bytearray, Callable[..., HashTreeStorage]]:
    section, info = ivfc_tree(data, block, **options)
    algorithm = options.get("algorithm", "sha256")
    return bytearray(section), lambda storage, *, check=True: IvfcStorage(storage, info, check=check, algorithm=algorithm)


KINDS = pytest.mark.parametrize("kind", [sha256, ivfc])


# ---- the specification's worked examples ----


def test_worked_sha256() -> None:
    data = bytes(range(0x30))
    table = hashlib.sha256(data[:0x20]).digest() + hashlib.sha256(data[0x20:]).digest()
    assert (table[:4].hex(), table[0x20:0x24].hex()) == ("630dcd29", "36db1adc")
    section = table.ljust(0x200, b"\0") + data
    master = hashlib.sha256(table).digest()
    assert (master[:4].hex(), master[-4:].hex()) == ("d5c0b501", "a6c82412")
    regions = (Region(0, 0x40), Region(0x200, 0x30), Region(), Region(), Region())
    tree = HierarchicalSha256Storage(MemoryStorage(section), HierarchicalSha256Info(master_hash=master, block_size=0x20, regions=regions))
    assert tree[:] == data
    assert tree.levels() == (HashLevel(0, 0, 0x40, 0x40, 1), HashLevel(1, 0x200, 0x30, 0x20, 2))


WORKED_IVFC = (
    "e5c31dab5dda0d1d3bea451f9aa35926d8989ef79fa16f99f08c397f9226dcc1",
    "6c008b9f62af0ddf3fe66fdb5eff1d2f1c74b32cdb368a11a13407c8b160336e",
    "8cb8cd2e82e151308838ad74ab0d96c9e35b07afb09c78ff5ce506c7f38066b8",
    "88e28d807a4dd8be7eb341b5929e047d34e00b549fc552afde42a4333961e264",
)


def test_worked_ivfc() -> None:
    data = bytes(range(0x50))
    level5 = hashlib.sha256(data[:0x40]).digest() + hashlib.sha256(data[0x40:] + bytes(0x30)).digest()
    assert (level5[:4].hex(), level5[0x1C:0x20].hex()) == ("fdeab9ac", "d9151108")
    assert (level5[0x20:0x24].hex(), level5[0x3C:].hex()) == ("0e6a202e", "bf8e6065")
    section = b"".join(bytes.fromhex(line).ljust(0x40, b"\0") for line in WORKED_IVFC) + level5 + data
    sizes = (0x40, 0x40, 0x40, 0x40, 0x40, 0x50)
    info = IvfcInfo(
        levels=tuple(IvfcLevel(0x40 * i, size, 6) for i, size in enumerate(sizes)),
        master_hash=bytes.fromhex("e2ed6191454c7e1538625e54bffe19254b9e414326830f21a8fd121511e73b7e"),
    )
    tree = IvfcStorage(MemoryStorage(section), info)
    tree.check_master()
    assert tree[:] == data
    assert [tree.verify_range(level.number, 0, 99) for level in tree.levels()] == [[]] * 6
    # Hashed without the padding, the tail would be ba22b7dc...be236921: right for the other kind of tree, wrong for this one.
    wrong = hashlib.sha256(data[0x40:]).digest()
    assert (wrong[:4].hex(), wrong[-4:].hex()) == ("ba22b7dc", "be236921")
    assert section == ivfc_tree(data, 0x40, padded_sizes=True)[0]


# ---- both kinds ----


@KINDS
@pytest.mark.parametrize("algorithm", ["sha256", "sha3_256"])
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("size", [0, 1, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x1000, 0x1001, 12345])
def test_reads_what_was_hashed(*, kind: Callable[..., Any], algorithm: str, check: bool, size: int) -> None:
    data = random.Random(size).randbytes(size)
    section, make = kind(data, 0x80, algorithm=algorithm)
    for storage in (MemoryStorage(section), encrypted(section), Counting(section)):
        tree = make(storage, check=check)
        tree.check_master()
        assert len(tree) == size
        assert tree[:] == data
        assert make(storage, check=check)[size // 3 : -3] == data[size // 3 : -3]
        assert all(tree.verify_range(level.number, 0, level.block_count) == [] for level in tree.levels())


@KINDS
@given(
    size=st.integers(0, 3000),
    block=st.sampled_from([0x80, 0x100, 0x400]),
    ranges=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1500)), max_size=6),
    piece=st.sampled_from([0x80, 0x180, 1 << 20]),
    plain=st.booleans(),
)
def test_any_ranges_in_any_order(
    *, kind: Callable[..., Any], size: int, block: int, ranges: list[tuple[int, int]], piece: int, plain: bool
) -> None:
    data = random.Random(size).randbytes(size)
    section, make = kind(data, block)
    tree = make(MemoryStorage(section) if plain else Counting(section))
    with patch.object(hashed, "_PIECE", piece):
        for start, length in ranges:
            assert tree[start : start + length] == data[start : start + length]


@KINDS
def test_pieces_of_which_some_are_known(kind: Callable[..., Any]) -> None:
    data = random.Random(10).randbytes(0x500)
    section, make = kind(data, 0x80)
    with patch.object(hashed, "_PIECE", 0x100):
        tree = make(Counting(section))
        assert tree[0x80:0x200] == data[0x80:0x200]
        assert tree[0x99:0x444] == data[0x99:0x444]


@KINDS
def test_a_run_longer_than_a_piece(kind: Callable[..., Any]) -> None:
    data = random.Random(3).randbytes(0x1234)
    section, make = kind(data, 0x80)
    with patch.object(hashed, "_PIECE", 0x180):
        for storage in (MemoryStorage(section), Counting(section)):
            assert make(storage)[:] == data
            tree = make(storage)
            assert tree[0x123:0x1111] == data[0x123:0x1111]
            assert tree[1:] == data[1:]
            assert tree.verify_range(tree.levels()[-1].number, 3, 50) == []


@KINDS
@pytest.mark.parametrize("plain", [True, False])
def test_a_changed_byte_is_found(*, kind: Callable[..., Any], plain: bool) -> None:
    data = random.Random(4).randbytes(0x800)
    section, make = kind(data, 0x40)
    start = make(MemoryStorage(section)).levels()[-1].offset
    section[start + 0x345] ^= 1  # In block 13.
    tree: HashTreeStorage = make(MemoryStorage(section, "game.nca") if plain else encrypted(section))
    assert tree[:0x340] == data[:0x340]
    assert tree[0x380:] == data[0x380:]
    number = tree.levels()[-1].number
    reads: list[Callable[[], object]] = [
        lambda: tree[0x340:0x341],
        lambda: tree[:],
        lambda: tree.readinto_at(0x300, bytearray(0x100)),
        lambda: tree[0x37F],
    ]
    for read in reads:
        with pytest.raises(IntegrityError) as caught:
            read()
        error = caught.value
        assert (error.level, error.block, error.offset, error.source) == (number, 13, start + 0x340, "game.nca")
        assert f"level {number} of game.nca at {start + 0x340:#x}: block 13 (0x40 bytes) does not match its sha256 hash" in str(error)
    assert tree.verify_range(number, 0, 0x20) == [13]
    assert tree.verify_range(number, 13, 1) == [13]
    assert tree.verify_range(number, 14, 0x40) == []
    for storage in (MemoryStorage(section), encrypted(section)):
        assert make(storage, check=False)[0x345] == data[0x345] ^ 1


@KINDS
def test_every_changed_byte_of_the_tables_is_found(kind: Callable[..., Any]) -> None:
    data = random.Random(5).randbytes(0x300)
    section, make = kind(data, 0x40)
    top = make(MemoryStorage(section)).levels()
    for level in top[:-1]:
        for at in range(level.offset, level.offset + level.size, 7):
            section[at] ^= 0x80
            tree = make(MemoryStorage(section))
            with pytest.raises(IntegrityError) as caught:
                tree.tobytes()
            assert caught.value.level == level.number
            assert caught.value.block == (at - level.offset) // level.block_size
            assert tree.verify_range(level.number, 0, 99) == [(at - level.offset) // level.block_size]
            if level.number == top[0].number:
                with pytest.raises(IntegrityError, match="master hash: the key is wrong"):
                    tree.check_master()
            section[at] ^= 0x80


@KINDS
def test_bad_blocks_are_all_listed(kind: Callable[..., Any]) -> None:
    data = random.Random(6).randbytes(0x40 * 30 + 5)
    section, make = kind(data, 0x40)
    level = make(MemoryStorage(section)).levels()[-1]
    for block in (0, 7, 8, 30):
        section[level.offset + block * 0x40] ^= 1
    tree = make(Counting(section))
    assert level.block_count == 31
    assert tree.verify_range(level.number, 0, 1000) == [0, 7, 8, 30]
    assert tree.verify_range(level.number, 1, 7) == [7]
    with ThreadPoolExecutor(4) as pool:
        runs = pool.map(lambda first: tree.verify_range(level.number, first, 5), range(0, level.block_count, 5))
    assert [bad for run in runs for bad in run] == [0, 7, 8, 30]


@KINDS
def test_verified_blocks_are_remembered(kind: Callable[..., Any]) -> None:
    data = random.Random(7).randbytes(0x800)
    section, make = kind(data, 0x40)
    storage = Counting(section)
    tree = make(storage)
    start = tree.levels()[-1].offset
    assert tree[0x50:0x60] == data[0x50:0x60]
    assert (start + 0x40, 0x40) in storage.reads  # The whole block, for its hash...
    storage.reads.clear()
    assert tree[0x51:0x58] == data[0x51:0x58]
    assert storage.reads == [(start + 0x51, 7)]  # ... and then only what is asked for.
    storage.reads.clear()
    tree.tobytes()
    data_reads = [size for offset, size in storage.reads if offset >= start]
    assert sum(data_reads) == 0x800  # Everything is read once.


@KINDS
def test_check_master_is_remembered_and_cheap(kind: Callable[..., Any]) -> None:
    section, make = kind(bytes(0x800), 0x40)
    storage = Counting(section)
    tree = make(storage)
    tree.check_master()
    top = tree.levels()[0]
    assert storage.reads == [(top.offset, top.size)]
    tree.check_master()
    assert len(storage.reads) == 1


@KINDS
def test_plain_slices_are_not_copied(kind: Callable[..., Any]) -> None:
    data = random.Random(8).randbytes(0x100)
    section, make = kind(data, 0x40)
    frozen = bytes(section)
    for check in (True, False):
        assert make(MemoryStorage(frozen), check=check)[0x11:0xEE].obj is frozen
        assert make(encrypted(frozen), check=check)[0x11:0xEE].obj is not frozen


@KINDS
def test_place_and_windows(kind: Callable[..., Any]) -> None:
    data = bytes(range(200))
    section, make = kind(data, 0x40)
    section += b"\xdd" * 0x100  # A section goes on to the next sector: not the data's business.
    memory = MemoryStorage(section)
    tree: HashTreeStorage = make(memory)
    start = tree.levels()[-1].offset
    assert tree.place(5) == Place(memory, start + 5, "plain")
    assert make(encrypted(section)).place(5)[1:] == (start + 5, "encrypted")
    checked = tree.window(10, 20)
    assert isinstance(checked, WindowStorage)
    assert checked.parent is tree
    assert tree.sources == (memory,)
    assert tree.algorithm == "sha256"
    # Without checking, a window is one of the section: a bulk reader sees the shared source behind it.
    for first, last, expected in ((10, 20, data[10:20]), (190, 999, data[190:]), (200, 300, b""), (20, 10, b""), (20, -5, b"")):
        loose = make(memory, check=False).window(first, last)
        assert isinstance(loose, WindowStorage)
        assert (loose.parent, loose.start) == (memory, start + first)
        assert loose[:] == expected
    for first in (-1, 201):
        with pytest.raises(CorruptError, match="outside 0xc8 bytes"):
            make(memory, check=False).window(first, 300)


@KINDS
def test_verify_range_arguments(kind: Callable[..., Any]) -> None:
    section, make = kind(bytes(100), 0x40)
    tree = make(MemoryStorage(section))
    first, last = tree.levels()[0].number, tree.levels()[-1].number
    for level, block, count in ((first - 1, 0, 1), (last + 1, 0, 1), (last, -1, 1), (last, 0, -1)):
        with pytest.raises(ValueError, match="no blocks"):
            tree.verify_range(level, block, count)
    assert tree.verify_range(last, 99, 5) == []
    assert tree.verify_range(last, 0, 0) == []


@KINDS
def test_threads_share_one(kind: Callable[..., Any]) -> None:
    data = random.Random(9).randbytes(100_000)
    section, make = kind(data, 0x400)
    tree = make(encrypted(section))
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            start = chance.randrange(len(data))
            stop = start + chance.randrange(5000)
            if tree[start:stop] != data[start:stop]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- quirks of real files ----


@pytest.mark.parametrize("size", [0x40, 0x400, 0x800, 0x1000, 12345])
def test_ivfc_levels_with_padded_sizes_and_extra_blocks(size: int) -> None:
    data = random.Random(size).randbytes(size)
    for options in ({"padded_sizes": True}, {"padded_sizes": True, "extra_block": True}, {"extra_block": True}):
        section, make = ivfc(data, 0x80, **options)
        tree = make(MemoryStorage(section))
        tree.check_master()
        assert tree[:] == data
        assert all(not tree.verify_range(level.number, 0, 1 << 20) for level in tree.levels())


def test_sha256_table_longer_than_needed() -> None:
    data = bytes(range(250))
    section, make = sha256(data, 0x40, table_slack=0x33, gap=9)
    assert make(MemoryStorage(section))[:] == data


def test_ivfc_level_1_longer_than_a_block() -> None:
    # The master hash covers the first block; the rest holds no hash that anything needs.
    data = bytes(range(100))
    section, info = ivfc_tree(data, 0x40, padded_sizes=True)
    moved = section + section[:0x40] + b"\xaa" * 0x40
    levels = (IvfcLevel(len(section), 0x80, 6), *info.levels[1:])
    tree = IvfcStorage(MemoryStorage(moved), replace(info, levels=levels))
    tree.check_master()
    assert tree[:] == data
    assert tree.levels()[0].block_count == 1
    # Level 2 may not need hashes from there.
    many = (IvfcLevel(0, 0x80, 6), IvfcLevel(0, 0xC0, 6), *info.levels[2:])
    with pytest.raises(CorruptError, match=r"levels\[0\].size: 0x40 bytes cannot hold the hashes of 3 blocks"):
        IvfcStorage(MemoryStorage(moved), replace(info, levels=many))


def test_large_blocks_are_padded_without_being_made() -> None:
    # 64 MiB blocks over ten bytes: each level is one hash.
    data = b"0123456789"
    size = 1 << 24
    digest = hashlib.sha256(data + bytes(size - 10)).digest()
    stored = [data]
    for _ in range(6):
        stored.insert(0, digest)
        digest = hashlib.sha256(digest + bytes(size - 32)).digest() if len(stored) < 7 else digest
    master, section = stored[0], b"".join(stored[1:])
    levels = tuple(IvfcLevel(32 * i, 32 if i < 5 else 10, 24) for i in range(6))
    tree = IvfcStorage(MemoryStorage(section), IvfcInfo(levels=levels, master_hash=master))
    assert tree[3:6].tobytes() == b"345"


# ---- headers that lie ----

SHA_SECTION, SHA_INFO = sha256_tree(bytes(range(200)), 0x40)
IVFC_SECTION, IVFC_INFO = ivfc_tree(bytes(range(200)), 0x40)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("layer_count", {"layer_count": 3}),
        ("regions", {"regions": SHA_INFO.regions[:1]}),
        ("master_hash size", {"master_hash": bytes(16)}),
        ("block_size", {"block_size": 0}),
        ("block_size", {"block_size": 8}),
        ("block_size", {"block_size": 0x60}),
        ("block_size", {"block_size": 0x2000000}),
        ("regions[0]", {"regions": (Region(len(SHA_SECTION) + 1, 0), SHA_INFO.regions[1])}),
        ("regions[0]", {"regions": (Region(0, len(SHA_SECTION) + 1), SHA_INFO.regions[1])}),
        ("regions[0]", {"regions": (Region(-1, 1), SHA_INFO.regions[1])}),
        ("regions[1]", {"regions": (SHA_INFO.regions[0], Region(0x90, 200))}),
        ("regions[1]", {"regions": (SHA_INFO.regions[0], Region(2**64 - 1, 2**64 - 1))}),
        ("regions[1]", {"regions": (SHA_INFO.regions[0], Region(0, -1))}),
        ("regions[0].size", {"block_size": 0x20}),
        ("regions[0].size", {"regions": (Region(0, 0x7F), SHA_INFO.regions[1])}),
    ],
)
def test_sha256_info_is_checked(field: str, changes: dict[str, Any]) -> None:
    HierarchicalSha256Storage(MemoryStorage(SHA_SECTION), SHA_INFO)
    with pytest.raises(CorruptError) as caught:
        HierarchicalSha256Storage(MemoryStorage(SHA_SECTION, "game.nca"), replace(SHA_INFO, **changes))
    error = caught.value
    assert (error.field, error.offset, error.source) == (field, 0, "game.nca")


def _with_level(index: int, **changes: int) -> dict[str, Any]:
    return {"levels": tuple(replace(level, **changes) if i == index else level for i, level in enumerate(IVFC_INFO.levels))}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("magic", {"magic": b"IVFX"}),
        ("layer_count", {"layer_count": 6}),
        ("levels count", {"levels": IVFC_INFO.levels[:5]}),
        ("master_hash_size", {"master_hash_size": 0x40}),
        ("master_hash size", {"master_hash": bytes(31)}),
        ("levels[0]", _with_level(0, offset=1 << 40)),
        ("levels[3]", _with_level(3, size=1 << 40)),
        ("levels[5]", _with_level(5, offset=2**64 - 1, size=2**64 - 1)),
        ("levels[2]", _with_level(2, size=-1)),
        ("levels[2].block_size_log2", _with_level(2, block_size_log2=3)),
        ("levels[2].block_size_log2", _with_level(2, block_size_log2=31)),
        ("levels[5].block_size_log2", _with_level(5, block_size_log2=2**32 - 1)),
        ("levels[4].size", _with_level(5, block_size_log2=5)),
        ("levels[4].size", _with_level(4, size=0x7F)),
        ("levels[0].size", _with_level(0, size=0x1F)),
        ("levels[0].size", _with_level(0, block_size_log2=4)),
    ],
)
def test_ivfc_info_is_checked(field: str, changes: dict[str, Any]) -> None:
    IvfcStorage(MemoryStorage(IVFC_SECTION), IVFC_INFO)
    with pytest.raises(CorruptError) as caught:
        IvfcStorage(MemoryStorage(IVFC_SECTION, "game.nca"), replace(IVFC_INFO, **changes))
    error = caught.value
    assert (error.field, error.offset, error.source) == (field, 0, "game.nca")


def test_unknown_algorithm() -> None:
    with pytest.raises(ValueError, match="algorithm must be"):
        IvfcStorage(MemoryStorage(IVFC_SECTION), IVFC_INFO, algorithm="md5")
