from __future__ import annotations

import dataclasses
from enum import IntEnum, IntFlag
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.canvas import Canvas, align
from oboromi_fs.metadata.forms import from_table, kinds_of, part, to_table
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Array, Choice, Flags, Hex, Kind, Nested, Number, Switch, Text, camel
from oboromi_fs.metadata.residue import ResidueKind, apply_residue, residue_of
from oboromi_fs.metadata.versions import SystemVersion, TitleVersion

PATH = KeyPath("X") / "key"


class Colour(IntEnum):
    RED = 1
    DARK_BLUE = 2


class Style(IntFlag):
    BOLD = 1
    TILTED = 4


@dataclasses.dataclass(frozen=True)
class Point:
    x: int = 0
    y: int = 0
    reserved: int = 0


POINT = Nested(Point, x=Number(8), y=Number(8))


@pytest.mark.parametrize(
    ("kind", "raw", "value", "plain"),
    [
        (Number(8), 5, 5, 5),
        (Number(64), 1 << 53, 1 << 53, "0x20000000000000"),
        (Number(64), (1 << 53) - 1, (1 << 53) - 1, (1 << 53) - 1),
        (Number(8, signed=True), -128, -128, -128),
        (Number(32, digits=8), 255, 255, "0x000000ff"),
        (Switch(), 0, False, False),
        (Switch(), 1, True, True),
        (Switch(), 2, 2, 2),
        (Choice(Colour), 2, Colour.DARK_BLUE, "DarkBlue"),
        (Choice(Colour), 3, 3, 3),
        (Choice(Colour, 8, {Colour.RED: "rouge"}), 1, Colour.RED, "rouge"),
        (Flags(Style, 8), 0, Style(0), []),
        (Flags(Style, 8), 5, Style.BOLD | Style.TILTED, ["Bold", "Tilted"]),
        (Flags(Style, 8), 0x83, Style(0x83), ["Bold", "0x82"]),
        (Hex(2), b"\x01\xff", b"\x01\xff", "01ff"),
        (Hex(), b"", b"", ""),
        (Text(4), b"ab\0\0", "ab", "ab"),
        (Text(4), b"a\0b\0", "a\0b", "a\0b"),
        (Text(4), b"\xff\0\0\0", "\udcff", "hex:ff"),
        (Text(4), b"hex:", "hex:", "hex:6865783a"),
        (Text(4, padded=False), b"a\0", "a\0", "a\0"),
        (TitleVersion(), 65536, 65536, 65536),
        (SystemVersion(), 0x04230004, 0x04230004, "1.2.3-4"),
        (SystemVersion(), 0xFFFFFFFF, 0xFFFFFFFF, "63.63.15-65535"),
        (Array(Number(8), 3), (1, 2, 0), (1, 2, 0), [1, 2]),
        (Array(Number(8), 3), (0, 0, 0), (0, 0, 0), []),
        (Array(POINT, 2, Point()), (Point(), Point(1, 2)), (Point(), Point(1, 2)), [{"x": 0, "y": 0}, {"x": 1, "y": 2}]),
        (POINT, Point(1, 2), Point(1, 2), {"x": 1, "y": 2}),
        (ResidueKind(), ((1, b"\xff"),), ((1, b"\xff"),), {"0x0001": "ff"}),
    ],
)
def test_a_kind(kind: Kind, raw: Any, value: Any, plain: Any) -> None:
    found = kind.from_raw(raw)
    assert found == value
    assert type(found) is type(value)
    assert kind.to_raw(value) == raw
    assert kind.plain(value) == plain
    assert kind.parse(plain, PATH) == value
    assert type(kind.parse(plain, PATH)) is type(value)


def test_reserved_fields_of_a_record_are_left_out() -> None:
    assert POINT.from_raw(Point(1, 2, 3)) == Point(1, 2, 0)
    assert POINT.parse({"y": 2}, PATH) == Point(0, 2)


@pytest.mark.parametrize(
    ("kind", "plain", "value"),
    [
        (Number(16), "0x10", 16),
        (Number(16), "16", 16),
        (Choice(Colour), "2", Colour.DARK_BLUE),
        (Choice(Colour), 2, Colour.DARK_BLUE),
        (Flags(Style, 8), 5, Style(5)),
        (Flags(Style, 8), "Bold", Style.BOLD),
        (Flags(Style, 8), ["Bold", 4, "0x8"], Style(13)),
        (Switch(), 1, True),
        (Hex(2), "01 FF", b"\x01\xff"),
        (SystemVersion(), "1.2.3", 0x04230000),
        (SystemVersion(), 5, 5),
        (TitleVersion(), "1.2.3.4", 0x01020304),
        (Text(4), "hex:6162", "ab"),
    ],
)
def test_other_spellings(kind: Kind, plain: Any, value: Any) -> None:
    assert kind.parse(plain, PATH) == value


@pytest.mark.parametrize(
    ("kind", "plain", "problem"),
    [
        (Number(8), True, "True is not a number"),
        (Number(8), 1.0, "1.0 is not a number"),
        (Number(8), "", "'' is not a number"),
        (Number(8), [1], "[1] is not a number"),
        (Number(64, digits=16), "0100abcdef", "'0100abcdef' is not a number: hexadecimal ones begin with 0x"),
        (Switch(), "yes", "'yes' is neither true nor false"),
        (Switch(), 2.0, "2.0 is neither true nor false"),
        (Number(8), -1, "-1 is not between 0 and 255"),
        (Number(8, signed=True), 128, "128 is not between -128 and 127"),
        (Number(64, digits=16), 1 << 64, "0x10000000000000000 is not between 0x0 and 0xffffffffffffffff"),
        (Choice(Colour), "Red ", "'Red ' is not one of Red, DarkBlue, or a number: did you mean Red?"),
        (Choice(Colour), "Green", "'Green' is not one of Red, DarkBlue, or a number"),
        (Flags(Style, 8), ["Blod"], "'Blod' is not one of Bold, Tilted, or a number: did you mean Bold?"),
        (Choice(Colour), None, "None is not one of Red, DarkBlue, or a number"),
        (Flags(Style, 8, 2), 2, "the bits 0x2 are not flags"),
        (Flags(Style, 8), {"Bold": True}, "{'Bold': True} is not one of Bold, Tilted, or a number"),
        (TitleVersion(), "1.2.3", "'1.2.3' is not a version"),
        (SystemVersion(), "1.2.3.4", "'1.2.3.4' is not a version"),
        (TitleVersion(), "1.2.x.4", "'1.2.x.4' is not a version"),
        (TitleVersion(), "1.2.3.4.5", "'1.2.3.4.5' is not a version"),
        (Array(Number(8), 1), [1, 2], "2 items, at most 1 fit"),
        (Array(Number(8), 1), "1", "'1' is not a list"),
        (ResidueKind(4), {"-1": "00"}, "lies outside the structure of 0x4 bytes"),
        (Text(4), "hex:0", "'0' is not a text of hexadecimal digits"),
        (Text(4), "x" * 100, "'" + "x" * 36 + "... has 100 bytes, 4 are the most"),
        (Number(8), "x" * 100, "'" + "x" * 36 + "... is not a number"),
    ],
)
def test_what_is_refused(kind: Kind, plain: Any, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        kind.parse(plain, PATH)
    assert caught.value.problem == problem
    assert str(caught.value).startswith(("key: ", "[key] "))


@given(st.binary(max_size=24))
def test_any_bytes_are_text(data: bytes) -> None:
    kind = Text(24)
    value = kind.from_raw(data.ljust(24, b"\0"))
    assert kind.to_raw(value) == data.ljust(24, b"\0")
    plain = kind.plain(value)
    assert isinstance(plain, str)
    plain.encode()
    assert kind.parse(plain, PATH) == value


@given(st.integers(0, 0xFFFFFFFF))
def test_any_number_is_a_version(number: int) -> None:
    for kind in (SystemVersion(), TitleVersion()):
        assert kind.parse(kind.plain(number), PATH) == number


def test_camel() -> None:
    assert [camel(name) for name in ("A", "HTML_DOCUMENT", "VERSION2", "IS_64_BIT")] == ["A", "HtmlDocument", "Version2", "Is64Bit"]


# Key paths


def test_key_paths() -> None:
    path = KeyPath("NACP", source="x.toml")
    assert str(path) == "NACP"
    assert str(path / "a") == "a"
    assert str(path / "a" / 0 / "b") == "[a.0] b"
    assert str((path / "a" / "b").error("wrong")) == "[a] b of x.toml: wrong"
    assert (path / "a").table({"b": 1}) == {"b": 1}
    assert [(str(at), item) for at, item in (path / "a").items([7, 8])] == [("[a] 0", 7), ("[a] 1", 8)]
    assert path.begin({"format": "NACP", "a": 1}) == {"a": 1}


def test_keys_that_are_left() -> None:
    PATH.finish({}, ["name"])
    with pytest.raises(FormatError, match=r"\[key\] nam: no such key: did you mean name\?"):
        PATH.finish({"nam": 1}, ["name"])
    with pytest.raises(FormatError, match=r"\[key\] zzz: no such key$"):
        PATH.finish({"zzz": 1}, ["name"])


# Forms


@dataclasses.dataclass(frozen=True)
class Form:
    needed: int = part(Number(8))
    usual: int = part(Number(8), 1)
    quiet: int = part(Number(8), 2, hide=True)
    other: str = "own business"


def test_forms() -> None:
    assert list(kinds_of(Form)) == ["needed", "usual", "quiet"]
    assert to_table(Form(0)) == {"needed": 0, "usual": 1}
    assert to_table(Form(0, 1, 3)) == {"needed": 0, "usual": 1, "quiet": 3}
    assert repr(Form(0, 1, 3)) == "Form(needed=0, usual=1, other='own business')"
    table = {"needed": 5, "more": 1}
    assert from_table(Form, table, PATH, {"usual": 7}) == {"needed": 5, "usual": 7}
    assert table == {"more": 1}
    with pytest.raises(FormatError, match=r"\[key\] needed: missing"):
        from_table(Form, {}, PATH)


# Residues


@given(st.binary(max_size=64), st.data())
def test_a_residue_restores(data: bytes, draw: st.DataObject) -> None:
    mask = draw.draw(st.binary(min_size=len(data), max_size=len(data)))
    built = bytes(byte if keep & 1 else 0 for byte, keep in zip(data, mask, strict=True))
    residue = residue_of(data, built)
    assert apply_residue(built, residue, what="X") == data
    assert all(any(run) for _, run in residue)
    kind = ResidueKind(len(data))
    assert kind.parse(kind.plain(residue), PATH) == residue


def test_no_residue() -> None:
    assert residue_of(b"abc", b"abc") == ()
    assert apply_residue(b"abc", (), what="X") == b"abc"


@pytest.mark.parametrize(
    ("residue", "problem"), [(((2, b"xy"),), "0x2 unknown bytes at 0x2, it has 0x3"), (((0, b"x"),), "unknown bytes at 0x0")]
)
def test_a_residue_that_does_not_fit(residue: Any, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        apply_residue(b"a\0\0", residue, what="X")


# Canvases


def test_a_canvas() -> None:
    canvas = Canvas("X", 0x10)
    canvas.put(4, b"abcd", "four")
    canvas.put(0, b"12", "two")
    canvas.put(6, b"cd", "the same again")
    canvas.put(9, b"", "nothing")
    assert canvas.finish(None, ()) == b"12\0\0abcd"
    assert canvas.finish(10, ((2, b"!"), (9, b"?"))) == b"12!\0abcd\0?"


@pytest.mark.parametrize(
    ("offset", "data", "problem"),
    [
        (0xF, b"xx", "X: new ends at 0x11, the file may have 0x10 bytes"),
        (7, b"x", "X: new at 0x7 overlaps four at 0x4: leave out offsets and sizes that are given"),
        (2, b"00x", "X: new at 0x2 overlaps four at 0x4"),
    ],
)
def test_pieces_that_do_not_fit(offset: int, data: bytes, problem: str) -> None:
    canvas = Canvas("X", 0x10)
    canvas.put(4, b"abcd", "four")
    with pytest.raises(FormatError) as caught:
        canvas.put(offset, data, "new")
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("size", "gaps", "problem"),
    [
        (3, (), "X, field file_size: 0x3 bytes, it needs 0x4 and may have 0x10"),
        (0x11, (), "X, field file_size: 0x11 bytes"),
        (None, ((3, b"xx"),), "X, field gaps: unknown bytes at 0x3, it has 0x4: remove them"),
        (8, ((3, b"xx"),), "X, field gaps: unknown bytes at 0x3 lie in four by now: remove them"),
    ],
)
def test_files_that_do_not_fit(size: int | None, gaps: Any, problem: str) -> None:
    canvas = Canvas("X", 0x10)
    canvas.put(0, b"abcd", "four")
    with pytest.raises(FormatError) as caught:
        canvas.finish(size, gaps)
    assert str(caught.value).startswith(problem)


def test_align() -> None:
    assert [align(offset) for offset in (0, 1, 16, 17)] == [0, 16, 16, 32]
    assert align(5, 4) == 8
