"""IPS and IPS32: the bytes of the format, hostile ones, and the laws of applying against a bytearray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, NotThisFormatError, OboromiFsError
from oboromi_fs.patches.applying import PatchedStorage, apply_patch
from oboromi_fs.patches.buildids import build_id_of, name_problem, same_build, stem
from oboromi_fs.patches.ips import encode_ips, parse_ips
from oboromi_fs.patches.making import make_records
from oboromi_fs.patches.values import Patch, Record

RECORDS = (Record(0x110, bytes.fromhex("1f2003d51f2003d5")), Record(0x120, b"a\n\0"), Record(0x200, b"\xc0"))
IPS32 = bytes.fromhex("4950533332 00000110 0008 1f2003d51f2003d5 00000120 0003 610a00 00000200 0001 c0 45454f46")
IPS = bytes.fromhex("5041544348 000110 0008 1f2003d51f2003d5 000120 0003 610a00 000200 0001 c0 454f46")

records = st.lists(
    st.one_of(
        st.builds(Record, st.integers(0, 300), st.binary(min_size=1, max_size=40), st.just(0)),
        st.builds(Record, st.integers(0, 300), st.binary(min_size=1, max_size=1), st.integers(1, 60)),
    ),
    max_size=12,
)


def parse(data: bytes) -> tuple[Record, ...]:
    return parse_ips(MemoryStorage(data)).records


def test_the_worked_example_reads_and_writes() -> None:
    assert len(IPS32) == 39
    assert parse(IPS32) == parse(IPS) == RECORDS
    assert encode_ips(RECORDS, ips32=True) == IPS32
    assert encode_ips(RECORDS) == encode_ips(RECORDS, ips32=False) == IPS


def test_a_size_of_zero_is_a_run() -> None:
    assert parse(b"PATCH" + bytes.fromhex("000010 0000 0100 aa") + b"EOF") == (Record(0x10, b"\xaa", 0x100),)
    assert encode_ips([Record(0x10, b"\xaa", 0x100)]) == b"PATCH" + bytes.fromhex("000010 0000 0100 aa") + b"EOF"


def test_bytes_behind_the_end_are_told_and_not_read() -> None:
    patch = parse_ips(MemoryStorage(IPS + b"\0\1\2"))
    assert patch.records == RECORDS
    assert [str(remark) for remark in patch.remarks] == ["3 bytes behind the end mark are not read"]


@pytest.mark.parametrize("end", range(5, len(IPS32)))
def test_a_patch_that_is_cut_short_gives_nothing(end: int) -> None:
    with pytest.raises(CorruptError):
        parse(IPS32[:end])


def test_another_magic_is_none() -> None:
    with pytest.raises(NotThisFormatError, match="neither"):
        parse(b"PATHC" + IPS[5:])


def test_no_record_begins_where_readers_see_the_end() -> None:
    with pytest.raises(FormatError, match="read as the end"):
        encode_ips([Record(0x454F46, b"x")], ips32=False)
    old = bytearray(0x454F46 + 0x10)
    new = bytearray(old)
    new[0x454F46:0x454F48] = b"xy"
    made = make_records(MemoryStorage(old), MemoryStorage(new))
    assert [record.offset for record in made] == [0x454F45, 0x454F47]
    assert PatchedStorage(MemoryStorage(old), parse(encode_ips(made))) == bytes(new)
    long = Record(0x454F46 - 0xFFFF, bytes(0xFFFF) + b"z")
    assert b"".join(record.data for record in parse(encode_ips([long]))) == long.data


def test_offsets_past_24_bits_make_it_ips32() -> None:
    assert encode_ips([Record(0x1000000, b"a")])[:5] == b"IPS32"
    with pytest.raises(FormatError, match="24 bits"):
        encode_ips([Record(0x1000000, b"a")], ips32=False)


@given(records, st.booleans())
def test_what_is_written_is_read(items: list[Record], wide: bool) -> None:
    assert parse(encode_ips(items, ips32=wide)) == tuple(items)


@given(st.binary(max_size=200), records, st.integers(0, 40), st.integers(0, 250), st.integers(0, 250))
def test_applying_agrees_with_a_bytearray(old: bytes, items: list[Record], protected: int, start: int, stop: int) -> None:
    model = bytearray(old)
    for record in items:
        for at in range(record.offset, record.end):
            if protected <= at < len(model):
                model[at] = record.part(at, at + 1)[0]
    applied = apply_patch(Patch("IPS", tuple(items)), len(old), protected=protected)
    patched = PatchedStorage(MemoryStorage(old), applied.records)
    assert patched == bytes(model)
    assert patched[start:stop].tobytes() == bytes(model[start:stop])
    fits = all(protected <= record.offset and record.end <= len(old) for record in items)
    assert fits == (not applied.remarks)


@given(st.binary(min_size=1, max_size=400), st.data())
def test_a_patch_that_is_made_turns_one_into_the_other(old: bytes, data: st.DataObject) -> None:
    new = bytearray(old)
    for start, piece in data.draw(st.lists(st.tuples(st.integers(0, len(old)), st.binary(max_size=60)), max_size=5)):
        new[start : start + len(piece)] = piece[: max(0, len(old) - start)]
    if data.draw(st.booleans()):
        new[: len(new) // 2] = bytes(len(new) // 2)
    made = make_records(MemoryStorage(old), MemoryStorage(new))
    assert PatchedStorage(MemoryStorage(old), parse(encode_ips(made))) == bytes(new)
    assert made or old == new
    assert bool(made) == (old != new)


def test_a_patch_neither_grows_nor_shrinks() -> None:
    with pytest.raises(FormatError, match="can add or remove none"):
        make_records(MemoryStorage(b"ab"), MemoryStorage(b"abc"))


@pytest.mark.fuzz
@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 255))
def test_hostile_bytes_raise_nothing_else(tail: bytes, at: int, byte: int) -> None:
    damaged = bytearray(IPS32)
    damaged[at % len(damaged)] = byte
    for data in (bytes(damaged), b"PATCH" + tail, b"IPS32" + tail, tail):
        try:
            parse(data)
        except OboromiFsError:
            continue


def test_a_storage_no_record_touches_is_not_copied() -> None:
    data = bytes(64)
    patched = PatchedStorage(MemoryStorage(data), [Record(32, b"x")])
    assert patched[:32].obj is patched[:16].obj
    assert patched[30:34].tobytes() == b"\0\0x\0"
    assert patched.place(32).stored == "patched"
    assert patched.place(31).stored == "plain"


def test_build_ids_pad_with_zeros() -> None:
    assert build_id_of("00AAbb") == bytes.fromhex("00aabb").ljust(32, b"\0")
    assert build_id_of("0") == bytes(32)
    assert [build_id_of(text) for text in ("", "xyz", "0" * 65)] == [None] * 3
    assert same_build("ABC", bytes.fromhex("abc0"))
    assert not same_build("ABC1", bytes.fromhex("abc0"))
    assert stem("sets/a/0123AB.main.ips") == "0123AB"


@pytest.mark.parametrize(
    ("name", "dialect", "problem"),
    [
        ("00AB.ips", "atmosphere", ""),
        ("00ab.ips", "atmosphere", ""),
        ("00ABC.ips", "atmosphere", "odd number"),
        ("00AB.IPS", "atmosphere", "lower case"),
        ("main.ips", "atmosphere", "build id"),
        ("a.pchtxt", "atmosphere", "console"),
        ("00ab.ips", "yuzu", "lower-case digits"),
        ("00ab.ips", "ryujinx", "lower-case digits"),
        ("00ABC.ips", "ryujinx", ""),
        ("a.pchtxt", "yuzu", ""),
        ("00abc.IPS", "neutral", ""),
        ("readme.txt", "neutral", "neither"),
    ],
)
def test_names_that_tools_take(name: str, dialect: str, problem: str) -> None:
    found = name_problem(name, dialect)  # type: ignore[arg-type]  # Parametrised as a str.
    assert problem in found
    assert bool(found) == bool(problem)
