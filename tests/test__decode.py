from __future__ import annotations

from array import array as integers
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from construct import Bytes, Check, Computed, Int8ul, Int16ul, Struct, this
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.layout import Layout, Table, array, record
from oboromi_fs._decode import corrupt, decode, decode_bytes, decode_many, dtype, encode, error, rows, source_name, table
from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import CorruptError, FormatError, IntegrityError, NotThisFormatError

if TYPE_CHECKING:
    from oboromi_fs.protocols import Place


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    tag: bytes
    points: tuple[Point, ...]


POINT = Layout("point", Struct("x" / Int16ul, "y" / Int8ul), Point)
SHAPE = Layout("shape", Struct("tag" / Bytes(2), "points" / array(2, record(Point, "x" / Int16ul, "y" / Int8ul))), Shape)
ROWS = Table("point table", (("x", "<i4"), ("tag", "V2")))
RAW = bytes.fromhex("ffffffff 6100 02000000 6263 03000000 6400")


def named(data: bytes) -> MemoryStorage:
    return MemoryStorage(data, "game.nsp")


class Counted(StorageBase):
    """A storage of any size that holds nothing, and tells what was read."""

    kind = "Counted"

    def __init__(self, size: int, there: int | None = None) -> None:
        self._size = size
        self._there = size if there is None else there
        self.reads: list[tuple[int, int]] = []

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.reads.append((offset, len(target)))

    def _read(self, start: int, stop: int) -> memoryview:
        self.reads.append((start, stop - start))
        return memoryview(bytearray(max(0, min(stop, self._there) - start)))


class Unplaced(MemoryStorage):
    """A storage that has a place for each of its bytes, and for no other."""

    def place(self, offset: int = 0, /) -> Place:
        if offset >= self.size:
            raise CorruptError("no such byte")
        return super().place(offset)


# One structure


def test_decode_reads_at_the_offset_and_nothing_more() -> None:
    storage = Counted(100)
    assert decode(POINT, storage, 97) == Point(0, 0)
    assert storage.reads == [(97, 3)]
    assert decode(POINT, named(b"...\x01\x02\x03..."), 3) == Point(0x0201, 3)


def test_values_do_not_hold_on_to_the_storage() -> None:
    buffer = bytearray(b"ab\x01\x00\x02\x03\x00\x04")
    value = decode(SHAPE, MemoryStorage(buffer))
    buffer[0:2] = b"zz"
    assert value == Shape(b"ab", (Point(1, 2), Point(3, 4)))
    assert type(value.tag) is bytes


@pytest.mark.parametrize(("offset", "missing"), [(1, 1), (3, 3), (4, 3), (1 << 70, 3)])
def test_a_short_storage_tells_how_many_bytes_are_missing(offset: int, missing: int) -> None:
    storage = MemoryStorage(bytes(0x10) + b"abc", "game.nsp").window(0x10, 0x13)
    with pytest.raises(CorruptError) as caught:
        decode(POINT, storage, offset)
    assert caught.value.offset == 0x10 + offset
    assert (
        str(caught.value) == f"point of game.nsp at {0x10 + offset:#x}: "
        f"needs 0x3 bytes, the last {missing:#x} are missing: the file is cut short or damaged"
    )


def test_a_negative_offset_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="starts 0x2 bytes before the beginning"):
        decode(POINT, named(b"abcdef"), -2)


def test_a_storage_that_shrank_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="the last 0x1 are missing"):
        decode(POINT, Counted(100, there=2))


def test_decode_bytes_ignores_what_follows() -> None:
    assert decode_bytes(POINT, b"\x01\x00\x02rest") == Point(1, 2)
    assert decode_bytes(POINT, bytearray(3)) == Point(0, 0)
    assert decode_bytes(POINT, integers("H", [0x0304, 0x0005])) == decode_bytes(POINT, integers("H", [0x0304, 0x0005]).tobytes())


def test_decode_bytes_of_too_few() -> None:
    with pytest.raises(CorruptError) as caught:
        decode_bytes(POINT, b"\x01")
    assert str(caught.value) == "point: needs 0x3 bytes, the last 0x2 are missing"
    assert caught.value.offset is None
    with pytest.raises(CorruptError) as caught:
        decode_bytes(POINT, b"\x01", storage=named(bytes(0x400)), offset=0x200)
    assert str(caught.value) == "point of game.nsp at 0x200: needs 0x3 bytes, the last 0x2 are missing"


def test_a_construct_error_names_the_field() -> None:
    layout = Layout("picky", Struct("x" / Int8ul, "y" / Struct("inner" / Check(this._.x < 9))), Point)
    assert decode(layout, named(b"\x08")).x == 8
    with pytest.raises(CorruptError) as caught:
        decode(layout, named(b".\x09"), 1)
    assert caught.value.field == "y.inner"
    assert str(caught.value).startswith("picky of game.nsp at 0x1, field y.inner: ")
    with pytest.raises(CorruptError) as caught:
        decode_bytes(layout, b"\x09")
    assert (caught.value.field, caught.value.source, caught.value.offset) == ("y.inner", "", None)


def _zero_division(_: object) -> int:
    return 1 // 0


def test_an_adapter_that_fails_is_corrupt_too() -> None:
    layout = Layout("broken", Struct("x" / Int8ul, "y" / Computed(_zero_division)), Point)
    with pytest.raises(CorruptError, match=r"^broken of game\.nsp at 0x0: integer division"):
        decode(layout, named(b"a"))


# Many structures


def test_decode_many() -> None:
    storage = named(b"#\x01\x00\x02\x03\x00\x04")
    assert decode_many(POINT, storage, 1, 2) == [Point(1, 2), Point(3, 4)]
    assert decode_many(POINT, storage, 1, 0) == []
    with pytest.raises(CorruptError, match=r"^point of game\.nsp at 0x1: 3 entries need 0x9 bytes, 0x6 are there$"):
        decode_many(POINT, storage, 1, 3)


def test_an_error_in_one_of_many_tells_its_own_offset() -> None:
    layout = Layout("picky", Struct("x" / Int8ul, "y" / Check(this.x < 9)), Point)
    with pytest.raises(CorruptError) as caught:
        decode_many(layout, named(b".\x01\x02\x09"), 1, 3)
    assert caught.value.offset == 3


def test_rows() -> None:
    assert list(rows(ROWS, named(b"#" + RAW), 1, 3)) == [(-1, b"a\0"), (2, b"bc"), (3, b"d\0")]


def test_table_is_a_read_only_view_of_plain_bytes() -> None:
    buffer = bytearray(b"#" + RAW)
    array_ = table(ROWS, MemoryStorage(buffer), 1, 3)
    assert array_.shape == (3,)
    assert array_["x"].tolist() == [-1, 2, 3]
    assert array_["tag"][0].tobytes() == b"a\0"
    assert not array_.flags.writeable
    assert not table(ROWS, Counted(6), 0, 1).flags.writeable
    buffer[1:5] = (7).to_bytes(4, "little")
    assert array_["x"][0] == 7


@given(data=st.binary(max_size=64), offset=st.integers(0, 70), count=st.integers(0, 12))
def test_table_and_rows_agree(data: bytes, offset: int, count: int) -> None:
    storage = named(data)
    if count and offset + count * 6 > len(data):
        with pytest.raises(CorruptError):
            rows(ROWS, storage, offset, count)
        with pytest.raises(CorruptError):
            table(ROWS, storage, offset, count)
    else:
        expected = [
            (x, tag.tobytes()) for x, tag in zip(*(table(ROWS, storage, offset, count)[name] for name in ("x", "tag")), strict=True)
        ]
        assert list(rows(ROWS, storage, offset, count)) == expected
        assert len(expected) == count


def test_counts_are_checked_before_anything_is_read() -> None:
    storage = Counted(1 << 40)
    for read in (rows, table):
        with pytest.raises(CorruptError) as caught:
            read(ROWS, storage, 0x10, 1 << 40)
        assert caught.value.problem == "1099511627776 entries need 0x60000000000 bytes, 0xfffffffff0 are there"
        assert caught.value.offset == 0x10
        with pytest.raises(CorruptError, match="has -1 entries"):
            read(ROWS, storage, 0x10, -1)
        with pytest.raises(CorruptError, match="before the beginning"):
            read(ROWS, storage, -1, 1)
    with pytest.raises(CorruptError):
        decode_many(POINT, storage, 0, 1 << 40)
    assert storage.reads == []


def test_dtype_has_no_gaps() -> None:
    assert dtype(ROWS) == np.dtype([("x", "<i4"), ("tag", "V2")])
    assert dtype(ROWS).itemsize == 6


# Writing


@given(x=st.integers(0, 0xFFFF), y=st.integers(0, 0xFF))
def test_encode_undoes_decode(x: int, y: int) -> None:
    assert decode_bytes(POINT, encode(POINT, Point(x, y))) == Point(x, y)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Shape(b"abc", (Point(1), Point(2))), "tag"),
        (Shape(b"ab", (Point(1), Point(2, 256))), "points.y"),
        (Shape(b"ab", (Point(-1), Point(2))), "points.x"),
        (Shape(b"ab", (Point(1),)), "points"),
    ],
)
def test_what_does_not_fit_names_the_field(value: Shape, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        encode(SHAPE, value)
    assert caught.value.what == "shape"
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


# Where it went wrong


def test_errors_tell_the_outermost_file() -> None:
    storage = named(bytes(0x100)).window(0x40, 0x80).window(0x10, 0x20)
    failure = corrupt("is wrong", what="PFS0 header", storage=storage, offset=4, field="entry_count")
    assert type(failure) is CorruptError
    assert str(failure) == "PFS0 header of game.nsp at 0x54, field entry_count: is wrong"


def test_errors_of_other_classes() -> None:
    storage = named(bytes(4))
    assert type(error(NotThisFormatError, "no magic", what="PFS0 header", storage=storage, offset=0)) is NotThisFormatError
    failure = error(IntegrityError, "hash differs", what="IVFC", storage=storage, offset=2, level=3, block=7)
    assert (failure.level, failure.block, failure.offset) == (3, 7, 2)


def test_source_name() -> None:
    assert source_name(named(b"abc").window(1, 2)) == "game.nsp"
    assert source_name(Counted(3)) == ""


def test_an_offset_without_a_place_is_left_out() -> None:
    failure = corrupt("is wrong", what="header", storage=Unplaced(b"abc", "game.nsp"), offset=3)
    assert str(failure) == "header of game.nsp: is wrong"
    assert str(corrupt("is wrong", what="header", storage=Unplaced(b"", "game.nsp"), offset=0)) == "header: is wrong"
