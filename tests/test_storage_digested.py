"""Bytes of a known SHA-256: read in order they are checked, read here and there they are not."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import IntegrityError, MemoryStorage
from oboromi_fs.storage.digested import DigestedStorage, digest_of

DATA = bytes(range(100))
RIGHT, WRONG = sha256(DATA).hexdigest(), sha256(b"").hexdigest()


def test_the_digest_of_a_storage() -> None:
    assert digest_of(MemoryStorage(DATA)) == RIGHT
    assert digest_of(MemoryStorage(b"a" * (1 << 20) + b"b")) == sha256(b"a" * (1 << 20) + b"b").hexdigest()


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 100)), max_size=8))
def test_right_bytes_are_read_in_any_way(reads: list[tuple[int, int]]) -> None:
    storage = DigestedStorage(MemoryStorage(DATA), RIGHT)
    for start, count in [*reads, (0, 50), *reads[:1], (50, 50), (0, 100)]:
        assert storage[start : start + count] == DATA[start : start + count]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), max_size=8), st.integers(1, 100))
def test_wrong_bytes_are_told_at_the_end_and_from_then_on(reads: list[tuple[int, int]], step: int) -> None:
    storage = DigestedStorage(MemoryStorage(DATA), WRONG, "file 'a'")
    for start, count in reads:
        if start:  # Who starts at the start may be reading in order.
            assert storage[start : start + count] == DATA[start : start + count]
    pieces = range(0, 100, step)
    for start in pieces[:-1]:
        assert storage[start : start + step] == DATA[start : start + step]
    for _ in range(2):
        with pytest.raises(IntegrityError, match=f"file 'a': SHA-256 is {RIGHT}, and not {WRONG}"):
            storage[pieces[-1] : 100]
    with pytest.raises(IntegrityError):
        storage[3]


def test_it_is_what_it_is_of() -> None:
    source = MemoryStorage(DATA)
    storage = DigestedStorage(source, RIGHT)
    assert (storage.kind, storage.sources, storage.size) == (source.kind, (source,), 100)
    assert storage.place(7) == source.place(7)
