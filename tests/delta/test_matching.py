"""Content matching: what both sides have is found, wherever it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from oboromi_fs.delta import matching, rolling
from oboromi_fs.delta.matching import match, occurring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.delta.matching import Matches

SEEDS = st.integers(0, 3)


def noise(seed: int, size: int) -> bytes:
    from random import Random

    return Random(seed).randbytes(size)


@st.composite
def versions(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A source, and a target that shares pieces of it: moved, repeated, cut, and edited."""
    pieces = st.one_of(
        st.builds(noise, SEEDS, st.integers(0, 200)),
        st.builds(lambda value, count: bytes([value]) * count, st.integers(0, 1), st.integers(0, 120)),
        st.binary(max_size=20),
        st.lists(st.sampled_from(b"ab"), max_size=200).map(bytes),
    )
    source = b"".join(draw(st.lists(pieces, max_size=4)))
    target = bytearray()
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(source)))
        target += draw(st.one_of(st.just(source[start : start + draw(st.integers(0, 200))]), pieces))
    for at in draw(st.lists(st.integers(0, 1000), max_size=3)):
        if at < len(target):
            target[at] ^= 1
    return source, bytes(target)


def rows(found: Matches) -> list[tuple[int, int, int]]:
    return list(zip(*(part.tolist() for part in found), strict=True))


def check(source: bytes, target: bytes, found: Matches, cuts: Sequence[int] = (), target_cuts: Sequence[int] = ()) -> None:
    """All of the target, in order; copies are copies; no literal has 63 bytes that lie together in the source."""
    at = 0
    for start, length, place in rows(found):
        assert start == at
        assert length > 0
        assert not any(start < cut < start + length for cut in target_cuts)
        piece = target[start : start + length]
        if place >= 0:
            assert source[place : place + length] == piece
            assert not any(place < cut < place + length for cut in cuts)
        else:
            for first in range(length - 62):
                there = source.find(piece[first : first + 63])
                while there >= 0:
                    assert any(there < cut < there + 63 for cut in cuts)
                    there = source.find(piece[first : first + 63], there + 1)
        at += length
    assert at == len(target)


@given(versions(), st.lists(st.integers(0, 600), max_size=3), st.lists(st.integers(0, 600), max_size=3), st.booleans())
def test_nothing_long_that_the_source_has_is_a_literal(
    pair: tuple[bytes, bytes], cuts: list[int], target_cuts: list[int], many: bool
) -> None:
    source, target = pair
    with pytest.MonkeyPatch.context() as patch:
        if many:  # As where there are too many matches to grow each, and too many blocks for one batch.
            patch.setattr(matching, "_MOST_GROWN", 0)
            patch.setattr(matching, "_BATCH", 3)
            patch.setattr(matching, "_READ", 64)
            patch.setattr(matching, "_STEP", 80)
            patch.setattr(matching, "_COARSE", 0)
            patch.setattr(rolling, "_READ", 128)
            patch.setattr(rolling, "_PIECE", 32)
        found = match(MemoryStorage(source), MemoryStorage(target), source_cuts=sorted(cuts), target_cuts=sorted(target_cuts))
    check(source, target, found, cuts, target_cuts)


@given(versions(), versions())
def test_what_is_known_stays_and_the_rest_is_found(pair: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> None:
    source, target = pair[0] + other[0], pair[1] + other[1]
    known = match(MemoryStorage(pair[0]), MemoryStorage(target))
    found = match(MemoryStorage(source), MemoryStorage(target), known=known)
    assert set(rows(known.copied)) <= set(rows(found.copied))
    check(source, target, found)


def test_moved_large_blocks_are_one_match_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_COARSE", 1 << 14)
    one, two, three = noise(1, 40_000), noise(2, 30_001), noise(3, 5)
    found = match(MemoryStorage(one + two), MemoryStorage(two + three + one))
    assert rows(found) == [(0, 30_001, 40_000), (30_001, 5, -1), (30_006, 40_000, 0)]


def test_an_insertion_and_an_edit_in_place() -> None:
    base = noise(1, 1000)
    assert rows(match(MemoryStorage(base), MemoryStorage(base))) == [(0, 1000, 0)]
    edited = base[:500] + bytes([base[500] ^ 1]) + base[501:]
    assert rows(match(MemoryStorage(base), MemoryStorage(edited))) == [(0, 500, 0), (500, 1, -1), (501, 499, 501)]
    assert rows(match(MemoryStorage(base), MemoryStorage(base[:500] + b"!" + base[500:]))) == [(0, 500, 0), (500, 1, -1), (501, 500, 500)]


def test_runs_in_place_over_the_edges_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_STEP", 128)
    base, other = noise(1, 1000), noise(2, 1000)
    target = base[:70] + other[70:300] + base[300:390] + other[390:600] + base[600:640] + other[640:641] + base[641:700] + other[700:]
    wanted = [(0, 70, 0), (300, 90, 300), (599, 41, 599), (641, 59, 641)]  # Byte 599 is the same by chance.
    assert rows(match(MemoryStorage(base), MemoryStorage(target)).copied) == wanted


@pytest.mark.parametrize(("source", "target"), [(b"", b""), (b"", b"abc"), (b"abc", b""), (b"abc", b"x" * 100)])
def test_little_and_nothing(source: bytes, target: bytes) -> None:
    assert rows(match(MemoryStorage(source), MemoryStorage(target))) == ([(0, len(target), -1)] if target else [])


def test_runs_of_one_byte_may_stay() -> None:
    source, target = noise(1, 10) + bytes(100) + noise(2, 200), noise(3, 111) + bytes(100) + noise(4, 20)
    assert len(match(MemoryStorage(source), MemoryStorage(target)).copied.target) > 0
    assert len(match(MemoryStorage(source), MemoryStorage(target), runs=True).copied.target) == 0


def test_min_match_has_a_least() -> None:
    with pytest.raises(ValueError, match="at least 8, not 7"):
        match(MemoryStorage(b""), MemoryStorage(b""), min_match=7)


def test_blocks_that_occur() -> None:
    base = noise(1, 300)
    target = noise(2, 32) + base[7:39] + base[100:120] + base[100:132]
    assert occurring(MemoryStorage(base), MemoryStorage(target), target_cuts=[64, 84]).tolist() == [32, 84]
    assert occurring(MemoryStorage(base), MemoryStorage(target), target_cuts=[64, 84], source_cuts=[8]).tolist() == [84]
