"""pchtxt: the worked example, the dialects, and hostile text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import CorruptError, NotThisFormatError, OboromiFsError
from oboromi_fs.patches.pchtxt import encode_pchtxt, parse_pchtxt
from oboromi_fs.patches.values import Record

if TYPE_CHECKING:
    from oboromi_fs.patches.buildids import Dialect

EXAMPLE = r"""@nsobid-00112233445566778899AABBCCDDEEFF // id
#demo
@flag offset_shift 0x100 // text addresses
// nop two
@enabled
00000010 1F2003D51F2003D5 // tail comment

00000020 "a\n"
@flag offset_shift 0
00000200 C0
// off
@disabled
00000000 FFFFFFFF
@stop
@enabled
00000000 EEEEEEEE
"""
RECORDS = (Record(0x110, bytes.fromhex("1f2003d51f2003d5")), Record(0x120, b"a\n\0"), Record(0x200, b"\xc0"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_worked_example(end: str, mark: bytes) -> None:
    patch = parse_pchtxt(mark + EXAMPLE.replace("\n", end).encode())
    assert patch.records == RECORDS
    assert patch.build_id == "00112233445566778899AABBCCDDEEFF"
    assert patch.titles == ("nop two",)
    assert [str(remark) for remark in patch.remarks] == [
        "line 1: something follows the build id: yuzu and Ryujinx do not recognise it then"
    ]


def parse(text: str, dialect: str = "neutral") -> tuple[Record, ...]:
    return parse_pchtxt(f"@nsobid-00\n{text}".encode(), dialect).records  # type: ignore[arg-type]  # Parametrised as a str.


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("00000000 0a0B", b"\x0a\x0b"),
        ("00000000 0a0B/rest", b"\x0a\x0b"),
        ("00000000x0a0B", b"\x0a\x0b"),
        ("00000000 0a0B\rrest", b"\x0a\x0b"),
        ('00000000 "q\\"\\t\\\\"', b'q"\t\\\0'),
        ('00000000 "é"', "é\0".encode()),
        ("00000000 0a0", None),
        ("00000000 zz", None),
        ('00000000 "open', None),
        ("0000000g 0a", None),
        (" 00000000 0a", None),
    ],
)
def test_values(line: str, data: bytes | None) -> None:
    assert parse(f"@enabled\n{line}") == (() if data is None else (Record(0, data),))


@pytest.mark.parametrize(
    ("flag", "offset"), [("0x100", 0x110), ("256", 0x110), ("010", 0x18), ("-0x10", 0), ("+1", 0x11), ("09", 0x10), ("", 0x10)]
)
def test_shifts_are_c_integers(flag: str, offset: int) -> None:
    assert parse(f"@flag offset_shift {flag}\n@enabled\n00000010 00") == (Record(offset, b"\0"),)


def test_unknown_words_switch_off() -> None:
    assert parse("@enabled\n00000000 00\n@wat\n00000001 01\n@ENABLED\n00000002 02") == (Record(0, b"\0"), Record(2, b"\2"))


def test_the_legacy_line_may_come_first() -> None:
    assert parse_pchtxt(b"@big-endian\n@NSOBID-ab\n@enabled\n00000000 01").records == (Record(0, b"\1"),)


@pytest.mark.parametrize(("dialect", "offsets"), [("neutral", [0x30, 0x10, 0x20]), ("yuzu", [0x30]), ("ryujinx", [0x30])])
def test_a_blank_line_ends_a_patch_in_emulators(dialect: str, offsets: list[int]) -> None:
    text = "@enabled\n00000030 00\n\n00000010 01\n00000020 02"
    assert [record.offset for record in parse(text, dialect)] == offsets


def test_short_lines_end_a_patch_in_yuzu_alone() -> None:
    text = "@enabled\n00000030 00\n// a\n00000010 01"
    assert [len(parse(text, dialect)) for dialect in ("neutral", "yuzu", "ryujinx")] == [2, 1, 2]


def test_emulators_sort_by_offset_and_the_last_equal_wins() -> None:
    text = "@enabled\n00000020 01\n00000010 02\n00000020 03"
    assert [(record.offset, record.data[0]) for record in parse(text, "ryujinx")] == [(16, 2), (32, 1), (32, 3)]


def test_texts_end_with_a_nul_but_in_yuzu() -> None:
    text = '@enabled\n00000000 "abc\\q"'
    assert [parse(text, dialect)[0].data for dialect in ("neutral", "yuzu", "ryujinx")] == [b"abcq\0", b"abcq", b"abc?\0"]


def test_where_the_build_id_may_stand() -> None:
    late = b"#title\n@nsobid-AB\n@enabled\n00000000 01"
    assert parse_pchtxt(late, "yuzu").build_id == "AB"
    assert parse_pchtxt(late).build_id == "AB"
    assert "Ryujinx" in parse_pchtxt(late).remarks[0].text
    with pytest.raises(NotThisFormatError, match="line 2, and must be on the first"):
        parse_pchtxt(late, "ryujinx")
    commented = b"@nsobid-AB // it\n@enabled\n00000000 01"
    assert [parse_pchtxt(commented, dialect).build_id for dialect in ("neutral", "yuzu", "ryujinx")] == ["AB", "AB // it", "AB // it"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@flag offset_shift 0xFFFFFFFF\n@enabled\n00000010 00", "offsets go from 0"),
        ("@flag offset_shift -0x11\n@enabled\n00000010 00", "offsets go from 0"),
        (f"@enabled\n00000010 {'00' * 0x10000}", "65535 are the most"),
        (f"@enabled\n00000010 {'0' * 0x50000}", "characters"),
    ],
)
def test_what_no_patch_can_be_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        parse(text)


@given(
    st.lists(st.builds(Record, st.integers(0x100, 0xFFFF), st.binary(min_size=1, max_size=20), st.just(0)), max_size=8),
    st.sampled_from([0, 0x100]),
)
def test_what_is_written_is_read(items: list[Record], shift: int) -> None:
    patch = parse_pchtxt(encode_pchtxt("00AB", items, title="a title", shift=shift).encode())
    assert patch.records == tuple(items)
    assert patch.build_id == "00AB"
    assert patch.remarks == ()


@pytest.mark.fuzz
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["@enabled", "@disabled", "@stop", "@flag offset_shift 0x10", "@", "@flag", "00000010 00", '00000020 "a', ""]),
            st.text(max_size=30),
        ),
        max_size=12,
    ),
    st.sampled_from(["neutral", "yuzu", "ryujinx", "atmosphere"]),
)
def test_hostile_text_raises_nothing_else(lines: list[str], dialect: str) -> None:
    for data in ("\n".join(lines), "@nsobid-00\n" + "\n".join(lines)):
        try:
            parse_pchtxt(data.encode("utf-8", "surrogatepass"), dialect)  # type: ignore[arg-type]  # Drawn as a str.
        except OboromiFsError:
            continue


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        ("", []),
        ("\n", []),
        ("\n\n", []),
        ("\n// end\n", []),
        ("\n@disabled\n00000020 02\n", []),
        ("\n@enabled\n00000020 02\n", []),
        ("\n00000020 0\n", []),
        ("\n// more\n00000020 02\n", [4]),
        ("\n@nsobid-00AB\n00000020 02\n", [4]),
        ("\n00000020 02\n\n00000030 03\n", [4]),
        ("\n00000020 02\n@enabled\n\n00000030 03\n", [4, 7]),
    ],
)
def test_a_blank_line_is_told_where_it_costs_a_record(tail: str, told: list[int]) -> None:
    data = f"@nsobid-00AB\n@enabled\n00000010 01\n{tail}".encode()
    dialects: tuple[Dialect, ...] = ("yuzu", "ryujinx")
    for dialect in dialects:
        assert [remark.line for remark in parse_pchtxt(data, dialect).remarks if "ends the patch" in remark.text] == told
