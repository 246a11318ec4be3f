"""Damaged and hostile archives: whatever the bytes, only OboromiFsError and OSError come out, in bounded memory and time.

Run with ``make fuzz`` for many thousands of inputs; here for as many as take some seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from tests.fuzz.exercise import exercise, run_jobs
from tests.fuzz.seeds import SMALL, seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.seeds import Seed

pytestmark = pytest.mark.fuzz

NUMBERS = (0, 1, 2, 3, 4, 0x10, 0x18, 0x20, 0x1F, 0x50, 0x1FF, 0x200, 0x301, 0x1000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
WIDE = (1 << 32, (1 << 40) + 4, (1 << 63) - 1, 1 << 63, (1 << 64) - 0x200, (1 << 64) - 1)


EXAMPLES = max(settings().max_examples // 4, 5)
"""Per archive: there are many of them."""


class Change(NamedTuple):
    """One change. ``where`` and ``at`` choose a place: a structure (of those there are, or anywhere), and how far into it."""

    kind: str
    where: int
    at: int
    width: int
    value: int


KINDS = ("number", "number", "number", "relative", "flip", "cut", "copy", "insert", "delete", "fill")
changes = st.builds(
    Change,
    kind=st.sampled_from(KINDS),
    where=st.integers(0, 11),
    at=st.integers(0, 1 << 24),
    width=st.sampled_from((1, 2, 4, 4, 8)),
    value=st.one_of(st.sampled_from(NUMBERS + WIDE), st.integers(0, 0x100), st.integers(0, (1 << 64) - 1)),
)


def changed(seed: Seed, several: list[Change]) -> bytes:
    data = bytearray(seed.data)
    for kind, where, at, width, value in several:
        size = len(data)
        hot = [span for span in seed.hot if span.start < size]
        span = hot[where % len(hot)] if hot and where else range(size)
        start = span.start + at % max(min(span.stop, size) - span.start, 1)
        word = start - start % width
        if kind == "number":
            data[word : word + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        elif kind == "relative":
            near = int.from_bytes(data[word : word + width], "little") + value % 129 - 64
            data[word : word + width] = (near & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        elif kind == "flip":
            data[start : start + 1] = bytes(byte ^ 1 << value % 8 for byte in data[start : start + 1])
        elif kind == "cut":
            del data[start:]
        elif kind == "copy":
            other = value % max(size, 1)
            data[start : start + 16 * width] = data[other : other + 16 * width]
        elif kind == "insert":
            data[start:start] = value.to_bytes(8, "little")[:width]
        elif kind == "delete":
            del data[start : start + 4 * width]
        else:
            data[start : start + 4 * width] = bytes([0xFF * (value & 1)]) * len(data[start : start + 4 * width])
    return bytes(data)


@pytest.mark.parametrize("name", seeds())
@given(several=st.lists(changes, min_size=1, max_size=4), mend=st.booleans())
@settings(max_examples=EXAMPLES)
def test_mutated(name: str, several: list[Change], mend: bool) -> None:  # hypothesis gives it.
    seed = seeds()[name]
    exercise(seed.seal(changed(seed, several), mend), seed.opener, seed.kind)


@pytest.mark.parametrize("name", seeds())
@given(several=st.lists(changes, min_size=1, max_size=4), mend=st.booleans())
@settings(max_examples=EXAMPLES // 3)
def test_jobs_on_mutated(name: str, several: list[Change], mend: bool) -> None:  # hypothesis gives it.
    seed = seeds()[name]
    run_jobs(seed.seal(changed(seed, several), mend), seed.opener, "a.nca" if "nca" in name else "a.bin")


def fields(seed: Seed) -> Iterator[tuple[int, int]]:
    """Every place and width where a structure may have a number."""
    for span in seed.hot:
        yield from ((at, 4) for at in range(span.start - span.start % 4, span.stop, 4))
        yield from ((at, 8) for at in range(span.start - span.start % 8, span.stop, 8))


@pytest.mark.parametrize("name", SMALL)
def test_every_number_at_its_bounds(name: str) -> None:
    seed = seeds()[name]
    for at, width in fields(seed):
        values = (0, 1, 0x7FFFFFFF, 0xFFFFFFFC, 0xFFFFFFFF) if width == 4 else (1 << 40, (1 << 63) - 1, (1 << 64) - 1)
        for value in values:
            data = seed.data[:at] + value.to_bytes(width, "little") + seed.data[at + width :]
            exercise(data, seed.opener, seed.kind)


@pytest.mark.parametrize("name", ["nca plain", "nca ctr"])
def test_every_number_of_an_nca_header_at_its_bounds(name: str) -> None:
    seed = seeds()[name]
    for at, width in fields(seed):
        if width == 4:
            value = (0, 0x1E, 0x7FFFFFFF, 0xFFFFFFFF)[at // 4 % 4]
            data = seed.data[:at] + value.to_bytes(4, "little") + seed.data[at + 4 :]
            exercise(seed.seal(data, True), seed.opener, seed.kind)


@pytest.mark.parametrize("name", SMALL)
def test_cut_at_every_length(name: str) -> None:
    seed = seeds()[name]
    step = max(1, len(seed.data) // 700)
    for size in range(0, len(seed.data), step):
        exercise(seed.data[:size], seed.opener, seed.kind)


@given(
    data=st.binary(max_size=0x300),
    magic=st.sampled_from([b"", b"PFS0", b"HFS0", b"\x50\0\0\0\0\0\0\0", b"\x28\0\0\0", b"PK\3\4\x14\0\0\0\0\0"]),
)
def test_anything_at_all(data: bytes, magic: bytes) -> None:
    seed = seeds()["nsp"]
    exercise(magic + data, seed.opener, seed.kind)


def test_the_seeds_are_sound() -> None:
    """Else their mutations would end at the first check."""
    for seed in seeds().values():
        plain, mended = (seed.kind(MemoryStorage(seed.seal(seed.data, mend))) for mend in (False, True))
        assert plain.read_dir() == mended.read_dir()
        assert all(plain.storage(entry.name).size == entry.size for entry in plain.read_dir() if entry.kind == "file")
