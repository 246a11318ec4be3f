"""Salted hash trees against hashes made one at a time."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import CorruptError, IntegrityError, MemoryStorage
from oboromi_fs.storage.salted import SaltedTree, salt_of
from tests.forged_save import BLOCK, LOG2, SEED, hash_levels


def tree(data: bytes, *, levels: int = 4, sparse: bool = False, check: bool = True, damage: int | None = None) -> SaltedTree:
    master, *bodies = hash_levels(data, levels, sparse=sparse)
    if damage is not None:
        bodies[-1] = bodies[-1][:damage] + bytes([bodies[-1][damage] ^ 1]) + bodies[-1][damage + 1 :]
    return SaltedTree([MemoryStorage(body) for body in bodies], MemoryStorage(master), [LOG2] * levels, SEED, check=check, what="a tree")


def test_salts_are_those_of_the_labels() -> None:
    labels = ["Master", "L1", "L2", "L3"]
    expected = [hmac.new(f"HierarchicalIntegrityVerificationStorage::{label}".encode(), SEED, "sha256").digest() for label in labels]
    assert [salt_of(number, SEED) for number in (1, 2, 3, 4)] == expected


def test_a_block_by_hand() -> None:
    """Salt, the block filled up with zeros, and the highest bit of the last byte."""
    data = b"save data"
    digest = bytearray(hashlib.sha256(salt_of(1, SEED) + data.ljust(0x20, b"\0")).digest())
    digest[31] |= 0x80
    found = SaltedTree([MemoryStorage(data)], MemoryStorage(bytes(digest)), [5], SEED, check=True, what="a tree")
    assert found.data[:].tobytes() == data
    digest[0] ^= 1
    found = SaltedTree([MemoryStorage(data)], MemoryStorage(bytes(digest)), [5], SEED, check=True, what="a tree")
    with pytest.raises(IntegrityError):
        found.data[:1]


def test_a_block_without_a_hash_reads_as_zeros() -> None:
    body = MemoryStorage(b"\xee" * 0x60)
    hashes = bytearray(hash_levels(b"\xee" * 0x60, 1)[0])
    assert len(hashes) == 0x20  # One block of 0x200.
    for check in (True, False):
        found = SaltedTree([body], MemoryStorage(bytes(0x20)), [LOG2], SEED, check=check, what="a tree")
        assert found.data[:].tobytes() == bytes(0x60)
        assert found.verify_range(1, 0, 1) == []


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([b"\0", b"x", b"\xff"]), st.integers(1, 3 * BLOCK)), min_size=1, max_size=6),
    st.integers(0, 9 * BLOCK),
    st.integers(0, 9 * BLOCK),
    st.booleans(),
    st.booleans(),
)
def test_every_read_is_that_of_the_data(runs: list[tuple[bytes, int]], start: int, stop: int, sparse: bool, check: bool) -> None:
    data = b"".join(byte * count for byte, count in runs)
    found = tree(data, sparse=sparse, check=check)
    assert found.data[start:stop].tobytes() == data[start:stop]
    assert found.data[:].tobytes() == data
    assert [found.verify_range(level.number, 0, level.block_count) for level in found.levels()] == [[]] * 4


def test_damage_is_told_with_level_and_block() -> None:
    data = bytes(range(256)) * 10
    found = tree(data, damage=3 * BLOCK + 5)
    assert found.data[: 3 * BLOCK].tobytes() == data[: 3 * BLOCK]
    with pytest.raises(IntegrityError) as caught:
        found.data[3 * BLOCK : 3 * BLOCK + 1]
    assert (caught.value.level, caught.value.block, caught.value.offset) == (4, 3, 3 * BLOCK)
    assert tree(data, damage=3 * BLOCK + 5, check=False).verify_range(4, 0, 99) == [3]
    assert tree(data, damage=3 * BLOCK + 5, check=False).data[:].tobytes() != data


def test_levels_are_told_one_after_the_other() -> None:
    found = tree(bytes(1) * (20 * BLOCK))
    levels = found.levels()
    assert [level.number for level in levels] == [1, 2, 3, 4]
    assert [level.offset for level in levels] == [0, 0x20, 0x60, 0x60 + 20 * 0x20]
    assert found.section.size == levels[-1].offset + levels[-1].size


@pytest.mark.parametrize("log2", [0, 4, 25, 99])
def test_a_block_size_that_cannot_be(log2: int) -> None:
    with pytest.raises(CorruptError, match="is not in 5"):
        SaltedTree([MemoryStorage(b"x")], MemoryStorage(bytes(0x20)), [log2], SEED, check=True, what="a tree")


def test_too_few_hashes() -> None:
    with pytest.raises(CorruptError, match="cannot hold the hashes of 3 blocks of level 1"):
        SaltedTree([MemoryStorage(bytes(0x60))], MemoryStorage(bytes(0x40)), [5], SEED, check=True, what="a tree")
