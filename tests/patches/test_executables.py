"""Executables as patches see them, records by their offsets, and pchtxt against a reader as the reference has it."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError, OboromiFsError
from oboromi_fs.patches import ips as ips_module
from oboromi_fs.patches import making, pchtxt
from oboromi_fs.patches.applying import PatchedStorage
from oboromi_fs.patches.ips import encode_ips, parse_ips
from oboromi_fs.patches.making import make_records
from oboromi_fs.patches.modules import module_of, patched_module
from oboromi_fs.patches.pchtxt import encode_pchtxt, parse_pchtxt, tell_differences
from oboromi_fs.patches.values import Record

EXE = Path(__file__).parent.parent.parent / "testdata" / "exe"


def test_what_offsets_count_in() -> None:
    found = {path.name: module_of(MemoryStorage(path.read_bytes())) for path in EXE.iterdir()}
    assert {name: (module.kind, module.protected, bool(module.module_id)) for name, module in found.items() if module.kind != "file"} == {
        "test.nso": ("NSO", 0x100, True),
        "test.nso.hactool_uncompressed": ("NSO", 0x100, True),
        "test.kip": ("KIP", 0x100, True),
        "test.kip.hactool_uncompressed": ("KIP", 0x100, True),
        "test.kip.hactoolnet_uncompressed": ("KIP", 0x100, True),
        "test.nro": ("NRO", 0x80, True),
        "test_aligned.nro": ("NRO", 0x80, True),
        "test_assets.nro": ("NRO", 0x80, True),
    }
    plain = (EXE / "test.nso.hactool_uncompressed").read_bytes()
    assert found["test.nso"].image[0x100:] == plain[0x100:]
    assert found["test.kip"].image[:] == (EXE / "test.kip.hactool_uncompressed").read_bytes()
    assert patched_module(found["test.nso"], [])[0xA0:].tobytes() == plain[0xA0:]


@pytest.mark.fuzz
@given(st.binary(max_size=0x200), st.integers(0, 0x100), st.sampled_from([b"\0", b"\xff", b"\x80"]))
def test_damaged_executables_raise_nothing_else(tail: bytes, at: int, byte: bytes) -> None:
    for name in ("test.nso", "test.nro", "test.kip"):
        data = bytearray((EXE / name).read_bytes())
        data[at : at + 4] = byte * 4
        for damaged in (bytes(data), bytes(data[: 0x60 + at]) + tail):
            try:
                patched_module(module_of(MemoryStorage(damaged)), [Record(0x110, b"x")])[:]
            except OboromiFsError:
                continue


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), max_size=12),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_a_slice_finds_the_records_that_touch_it(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    source = bytes(100)
    records = [Record(at, bytes([number]), min(size, 100 - at)) for number, (at, size) in enumerate(spans, 1)]
    model = bytearray(source)
    for record in records:
        model[record.offset : record.end] = record.data * record.size
    assert PatchedStorage(MemoryStorage(source), records)[start:stop] == bytes(model[start:stop])


def test_the_form_that_can_say_it_is_taken() -> None:
    assert encode_ips([Record(0x454F46, b"x")])[:5] == b"IPS32"
    with pytest.raises(FormatError, match="read as the end"):
        encode_ips([Record(0x45454F46, b"x")])
    assert parse_ips(MemoryStorage(encode_ips([Record(0xFFFFFE, b"abcd")]))).format == "IPS32"


def test_runs_of_nothing_are_nothing() -> None:
    empty = bytes.fromhex("000010 0000 0000 aa")
    assert parse_ips(MemoryStorage(b"PATCH" + bytes.fromhex("000000 0001 41") + empty * 3 + b"EOF")).records == (Record(0, b"A"),)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Record(at, b"x") for at in range(0, 80, 8)]
    text = encode_pchtxt("AA", many).encode()
    for module in (ips_module, pchtxt):
        monkeypatch.setattr(module, "MAX_RECORDS", 9)
    with pytest.raises(CorruptError, match="more than 9 records"):
        parse_ips(MemoryStorage(encode_ips(many)))
    with pytest.raises(CorruptError, match="or 9 records"):
        parse_pchtxt(text)
    for module in (ips_module, pchtxt, making):
        monkeypatch.setattr(module, "MAX_TOTAL", 5)
    with pytest.raises(CorruptError, match="writes more than 0x5 bytes"):
        parse_ips(MemoryStorage(encode_ips([Record(0, b"x", 6)])))
    with pytest.raises(CorruptError, match="more than 0x5 bytes"):
        parse_pchtxt(text)
    with pytest.raises(FormatError, match="more than 0x5 bytes differ"):
        make_records(MemoryStorage(bytes(9)), MemoryStorage(b"\1" * 9))


def test_making_begins_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_CHUNK", 8)  # So that ranges meet at the ends of chunks.
    old, new = bytes(64), b"x" * 20 + bytes(11) + b"y" * 2 + bytes(31)
    assert make_records(MemoryStorage(old), MemoryStorage(new), start=3) == [
        Record(3, b"x" * 8),
        Record(11, b"x" * 8),
        Record(19, b"x"),
        Record(31, b"yy"),
    ]
    assert make_records(MemoryStorage(old), MemoryStorage(b"abc" + bytes(61)), start=3) == []
    near = b"\0" * 7 + b"a\0\0b" + bytes(53)
    assert b"".join(record.data for record in make_records(MemoryStorage(old), MemoryStorage(near))) == b"a\0\0b"


def test_what_cannot_be_written_as_text() -> None:
    for items, shift in (([Record(0x10, b"x")], 0x100), ([Record(0xFFFFFFFF, b"xy")], 0)):
        with pytest.raises(FormatError, match="32 bits"):
            encode_pchtxt("AA", items, shift=shift)
    with pytest.raises(FormatError, match="one line"):
        encode_pchtxt("AA", [], title="a\n@stop")


# pchtxt as the reference reads it, in as few words as it can be said.

ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


def value_of(text: str) -> bytes | None:
    if text.startswith('"'):
        end = next((at for at in range(1, len(text)) if text[at] == '"' and (at == 1 or text[at - 1] != "\\")), None)
        if end is None:
            return None
        out, at = bytearray(), 1
        while at < end:
            if text[at] == "\\":
                at += 1
                out += bytes([ESCAPES[text[at]]]) if text[at] in ESCAPES else text[at].encode()
            else:
                out += text[at].encode()
            at += 1
        return bytes(out) + b"\0"
    digits = text.replace("/", " ").split(" ")[0]
    if not digits or len(digits) % 2 or set(digits) - set(string.hexdigits):
        return None
    return bytes.fromhex(digits)


def reference(lines: list[str]) -> list[tuple[int, bytes]]:
    enabled, shift, found = False, 0, []
    for line in lines:
        if not line or line[0] in "#/":
            continue
        if line[0] == "@":
            letter = line[1:2].lower()
            if letter == "s":
                break
            if letter == "f":
                shift = int(line.split()[2], 0) if line.startswith("@flag offset_shift") else shift
            else:
                enabled = letter == "e"
        elif enabled and len(line) >= 11 and not set(line[:8]) - set(string.hexdigits):
            value = value_of(line[9:])
            if value is not None:
                found.append((int(line[:8], 16) + shift, value))
    return found


values = st.one_of(
    st.sampled_from(
        ["1F2003D5", "c0", "0", "0a0", "zz", '""', '"a b"', '"a\\n"', '"\\q\\""', '"open', '"\\\\"', '"x" // rest', "AA/rest", "", "41 42"]
    ),
    st.text('"\\abfnrtv 01F/', max_size=12),
)
pchtxt_lines = st.one_of(
    st.builds("{:08X} {}".format, st.integers(0, 0xFFFF), values),
    st.sampled_from(
        ["@enabled", "@Enabled", "@disabled", "@e", "@d", "@wat", "@little-endian", "@", "", " ", "# said", "// title", "/", "00000000 1"]
    ),
    st.sampled_from(["@flag offset_shift 0x100", "@flag offset_shift 16", "@flag print_values", "00000010", "0000001g 00", "0000 0010 11"]),
    st.just("@stop"),
)


@given(st.lists(pchtxt_lines, max_size=14), st.sampled_from(["\n", "\r\n"]))
def test_the_reference_reading_is_that_of_the_reference(lines: list[str], end: str) -> None:
    data = end.join(["@nsobid-00AB", "@enabled", *lines]).encode()
    assert [(record.offset, record.data) for record in parse_pchtxt(data, "reference").records] == reference(["@enabled", *lines])


@given(st.lists(pchtxt_lines, max_size=14))
def test_the_neutral_reading_keeps_all_that_the_reference_reads(lines: list[str]) -> None:
    data = "\n".join(["@nsobid-00AB", "@enabled", *(line for line in lines if line != "@little-endian")]).encode()
    neutral = iter([record.offset for record in parse_pchtxt(data).records])
    assert all(record.offset in neutral for record in parse_pchtxt(data, "reference").records)  # In the same order.


def test_what_tools_read_otherwise_is_told() -> None:
    start = "@nsobid-00AB\n@enabled\n"
    assert tell_differences(f"{start}00000010 01\n".encode()) == ()
    assert tell_differences(b"// first\n@nsobid-00ab // it\n@enabled\n00000010 01\n") == (
        "IPSwitch does not load it: the build id stands on line 2, and must be on the first",
        "yuzu takes '00ab // it' for the build id",
        "Ryujinx does not load it: the build id stands on line 2, and must be on the first",
    )
    assert tell_differences(f'{start}00000010 "text"\n'.encode()) == ("yuzu reads another value at 0x10",)
    assert tell_differences(f'{start}00000010 "back\\\\"\n'.encode())[0] == "IPSwitch does not read the record at 0x10"
    assert tell_differences(f"{start}00000012 01\n00000010 020304\n".encode()) == (
        "yuzu applies records by their offsets: of those that overlap, another may win",
        "Ryujinx applies records by their offsets: of those that overlap, another may win",
    )
    assert tell_differences(f"{start}00000012 01\n00000010 02\n".encode()) == ()
    assert tell_differences(f"{start}// two of them\n// and more\n00000010 01\n".encode()) == (
        "yuzu takes the comment on line 3 and 1 more for a record, which writes where no author meant it to",
    )
    assert tell_differences(b"@nsobid-ab\n@enabled\n00000010 01") == ("Ryujinx asks for a build id in upper case",)


def test_a_second_build_id_is_told() -> None:
    data = b"@nsobid-00AA\n@enabled\n00000010 01\n@nsobid-00BB\n00000020 02\n"
    patch = parse_pchtxt(data)
    assert (patch.build_id, len(patch.records)) == ("00AA", 2)
    assert [str(remark) for remark in patch.remarks] == ["line 4: a second build id, which only yuzu goes by: a patch is of one module"]
    assert parse_pchtxt(data, "yuzu").build_id == "00BB"
    assert [record.offset for record in parse_pchtxt(data, "reference").records] == [0x10]  # An unknown word switches off.
    late = b"@nsobid-00AA\n@enabled\n@little-endian\n00000010 01\n"
    assert [len(parse_pchtxt(late, dialect).records) for dialect in ("neutral", "yuzu", "ryujinx", "reference")] == [1, 1, 1, 0]
