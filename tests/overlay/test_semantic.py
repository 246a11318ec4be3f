from __future__ import annotations

import dataclasses
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, EntryNotFoundError, MappingError, NotThisFormatError
from oboromi_fs.metadata import ApplicationTitle, Cnmt, Nacp, Npdm, TicketFile
from oboromi_fs.overlay.semantic import (
    Analysis,
    Change,
    Delta,
    Format,
    Registry,
    Relation,
    SemanticConflict,
    analyze_pair,
    register,
    semantic_conflicts,
    unregister,
)
from oboromi_fs.storage.filled import FilledStorage

if TYPE_CHECKING:
    from pathlib import Path

SAME, COSMETIC, CHANGING, UNKNOWN = Delta.NO_OP_EQUIVALENT, Delta.COSMETIC_ONLY, Delta.BEHAVIOR_CHANGING, Delta.UNKNOWN


def delta(path: str, old: bytes | str, new: bytes | str) -> tuple[str, Delta]:
    sides = [each.encode() if isinstance(each, str) else each for each in (old, new)]
    found = analyze_pair(path, *sides)
    assert bool(found.changes) == bool(found.change_count or found.change_count is None)
    return str(found.format), found.delta


def keys(path: str, old: str, new: str) -> list[tuple[str, str | None, str | None]]:
    return [(each.key, each.old, each.new) for each in analyze_pair(path, old.encode(), new.encode()).changes]


# ---- JSON ----


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"a": 1, "b": [1, 2]}', SAME),
        ('{"a": 1, "b": [1, 2]}', '{\r\n\t"b":[1,2],"a":1}\n', COSMETIC),
        ('{"a": 1}', '\ufeff{"a": 1}', COSMETIC),
        (r'{"a": "A\u00e9/"}', r'{"\u0061": "\u0041é\/"}', COSMETIC),
        ("[1, 0, 100, 0.5, 1e400]", "[1.0, -0, 1E+2, 5e-1, 10.0e399]", COSMETIC),
        ("100000000000000000000000", "1e23", COSMETIC),
        ("[NaN, -Infinity]", "[NaN,-Infinity]", COSMETIC),
        ('{"a": 1, "a": 2}', '{"a":1,"a":2}', COSMETIC),
        ("1e400", "2e400", CHANGING),
        ("[NaN]", "[Infinity]", CHANGING),
        ("0.1", "0.10000000000000000001", CHANGING),
        ("9007199254740993", "9007199254740992.0", CHANGING),
        ("[1]", "[true]", CHANGING),
        ("[0]", "[false]", CHANGING),
        ("[1]", '["1"]', CHANGING),
        ("1.5", '"1.5"', CHANGING),
        ("NaN", '"NaN"', CHANGING),
        ("[]", "{}", CHANGING),
        ("null", "false", CHANGING),
        ("[1, 2]", "[2, 1]", CHANGING),
        ('{"a": 1}', '{"A": 1}', CHANGING),
        ('"é"', '"e\u0301"', CHANGING),
        ('{"a": 1, "a": 2}', '{"a": 2}', CHANGING),
        ('{"a": 1, "a": 2}', '{"a": 2, "a": 1}', CHANGING),
        ('{"a": null}', "{}", CHANGING),
    ],
)
def test_V31_json(old: str, new: str, expected: Delta) -> None:
    assert delta("Config/Video.JSON", old, new) == ("Json", expected)
    assert delta("Config/Video.JSON", new, old) == ("Json", expected)


def test_V31_structured_text_in_another_encoding_is_not_for_every_reader() -> None:
    text = '{"é": 1}'
    old, new = text.encode(), b"\xff\xfe" + text.encode("utf-16-le")
    found = analyze_pair("a.json", old, new)
    assert found == Analysis(Format.JSON, UNKNOWN, notes=("the same in another encoding: not every reader knows both",))
    assert delta("a.json", new, new + "\n".encode("utf-16-le")) == ("Json", COSMETIC)
    assert delta("a.json", new, text.replace("1", "2")) == ("Json", CHANGING)


def test_V31_json_changes_name_keys_and_values() -> None:
    old = '{"video": {"size": [640, 480], "v sync": true, "old": {"x": 1}}, "a": null, "n": 1}'
    new = '{"video": {"size": [640, 720, 1], "v sync": false}, "a": "x\\n", "n": 1.0, "new": [1], "n": 2}'
    found = analyze_pair("a.json", old.encode(), new.encode())
    assert (found.format, found.delta, found.change_count, found.notes) == ("Json", CHANGING, 7, ())
    assert [(each.key, each.old, each.new) for each in found.changes] == [
        ("a", "null", '"x\\n"'),
        ("n#2", None, "2"),
        ("new", None, "[1 item]"),
        ("video.old", "{1 key}", None),
        ("video.size[1]", "480", "720"),
        ("video.size[2]", None, "1"),
        ('video."v sync"', "true", "false"),
    ]
    assert keys("a.json", "1.50", "[]") == [("$", "1.50", "[0 items]")]


def test_V31_changes_are_bounded_and_all_counted() -> None:
    found = analyze_pair("a.json", json.dumps([0] * 1000).encode(), json.dumps([1] * 1000).encode())
    assert (len(found.changes), found.change_count) == (50, 1000)
    assert found.changes[49] == Change("[49]", "0", "1")
    long = keys("a.json", json.dumps({"k" * 9999: "x" * 9999}), json.dumps({"k" * 9999: 10**4000}))[0]
    assert [len(each or "") for each in long] == [320, 80, 80]
    assert keys("a.json", '{"\\ud800": "\\udc41"}', "{}") == [('"\\ud800"', '"\\udc41"', None)]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('{"a": 1}', '{"a": 1', "Json: the new version: "),
        ("// c\n{}", "{}", "Json: the old version: "),
        ("[" * 100_000, "[]", "Json: the old version: it nests too deeply"),
        ("[]", "9" * 5000, "Json: the new version: "),
        ("[]", "1." + "9" * 5000, "Json: the new version: a number of 5002 characters, at most 4300 are read"),
        (b'"\xe9"', '"\\udce9"', "Json: the old version: Json: it cannot be read as utf-8: "),
        ("", "{}", "Json: the old version: "),
        ('"' + "x" * (1 << 23), '""', "Json: the old version has 8388609 bytes, at most 8388608 are read as a whole"),
    ],
)
def test_V31_json_that_is_none_is_text_and_a_note_says_why(old: str | bytes, new: str | bytes, why: str) -> None:
    sides = [each.encode() if isinstance(each, str) else each for each in (old, new)]
    found = analyze_pair("a.json", *sides)
    assert (found.format, found.delta) == ("Text", CHANGING)
    assert len(found.notes) == 1
    assert found.notes[0].startswith(why)
    assert len(found.notes[0]) <= 200
    assert analyze_pair("a.json", sides[0], sides[0]).delta is SAME
    if why.startswith("Json: the old version"):
        assert analyze_pair("a.json", sides[0], sides[0] + b"\r\n").format == "Text"
        assert analyze_pair("a.json", sides[0], sides[0]).format == "Text"


def test_V31_deep_and_wide_json_is_compared_without_recursion() -> None:
    depth = 500
    old = "[" * depth + "1" + "]" * depth
    assert keys("a.json", old, old.replace("1", "2")) == [("[0]" * 106 + "[…", "1", "2")]
    assert delta("a.json", old, old.replace("1", " 1.0 ")) == ("Json", COSMETIC)


# ---- TOML ----


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a = 1\n[b]\nc = 'x'\n", "a = 1\n[b]\nc = 'x'\n", SAME),
        ("a = 1\n[b]\nc = 'x'\n", '# hello\r\nb.c = "x" # there\r\n"a"   = 0x1\r\n', COSMETIC),
        ("a = [1, 2]", "a = [\n 1, # one\n 2,\n]\n", COSMETIC),
        ("a = 1_000.50", "a = +1.0005e3", COSMETIC),
        ("a = 1979-05-27T07:32:00Z", "a = 1979-05-27 07:32:00+00:00", COSMETIC),
        ("a = nan\nb = inf", "b = +inf\na = nan", COSMETIC),
        ("a = 1", "a = 1.0", CHANGING),
        ("a = 1.0", "a = 1.1", CHANGING),
        ("a = inf", "a = -inf", CHANGING),
        ("a = 1979-05-27", "a = '1979-05-27'", CHANGING),
        ("a = 1979-05-27T07:32:00Z", "a = 1979-05-27T08:32:00+01:00", CHANGING),
        ("a = 07:32:00", "a = 07:32:01", CHANGING),
        ("a = true", "a = 1", CHANGING),
        ("[a]", "", CHANGING),
        ("a = [1, 2]", "a = [2, 1]", CHANGING),
    ],
)
def test_V31_toml(old: str, new: str, expected: Delta) -> None:
    assert delta("a/b.toml", old, new) == ("Toml", expected)


def test_V31_toml_changes() -> None:
    old, new = "[[t]]\na = 1.50\nd = 1979-05-27\n", "[[t]]\na = 1.5\nd = 1979-05-28\n[[t]]\n"
    assert keys("x.toml", old, new) == [("t[0].d", "1979-05-27", "1979-05-28"), ("t[1]", None, "{0 keys}")]
    assert keys("x.toml", "a = 1", "a = 0x" + "f" * 9999) == [("a", "1", "0x" + "f" * 77 + "…")]


@pytest.mark.parametrize(
    "broken",
    [
        "a = 1\na = 2",
        "a",
        "a = " + "[" * 100_000,
        ".".join("a" * 500_000) + " = 1",
        "x = {" + " . ".join(["'a'", '"b\\""', "c"] * 100) + " = 1}",
        "a = " + "9" * 5000,
        b"a = '\xff'",
    ],
)
def test_V31_toml_that_is_none_is_text(broken: str | bytes) -> None:
    data = broken if isinstance(broken, bytes) else broken.encode()
    found = analyze_pair("a.toml", data, b"a = 1")
    assert (found.format, found.delta) == ("Text", CHANGING)
    assert found.notes[0].startswith("Toml: the old version: ")


def test_V31_toml_keys_of_many_parts_are_told_from_texts_with_dots() -> None:
    old = "a = '''" + "....... a. b. c. example.com " * 100 + "'''\n" + ".".join("b" * 20) + " = 1\n"
    assert delta("a.toml", old, old + "# c") == ("Toml", COSMETIC)
    assert delta("a.toml", ".".join("b" * 21) + " = 1\n", "") == ("Text", CHANGING)


# ---- INI ----


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a=1\n[s]\nx=1\ny=2\n", "a=1\n[s]\nx=1\ny=2\n", SAME),
        ("[s]\nx=1\ny=2\n[t]\nz=\n", "\ufeff; c\r\n[t] ; d\r\n  z =\r\n\r\n# c\r\n[s]\r\ny = 2 \r\nx\t=1", COSMETIC),
        ("data=a\ndata=b\nc=1", "c=1\ndata=a\ndata=b", COSMETIC),
        (b"[s]\nx=\xe9\n", b"[s]\r\nx=\xe9\r\n", COSMETIC),
        ("[s]\nx=1", "[s]\nx=2", CHANGING),
        ("[s]\nx=a b", "[s]\nx=a  b", CHANGING),
        ("[s]\nx=1", "[s]\nx=1 ; c", CHANGING),
        ("[s]\nx=1", '[s]\nx="1"', CHANGING),
        ("[s]\nx=1", "[t]\nx=1", CHANGING),
        ("[s]\nx=1", "x=1", CHANGING),
        ("[s]\nx=1\n[e]", "[s]\nx=1", CHANGING),
        ("[s]\nx=", "[s]", CHANGING),
        ("data=a\ndata=b", "data=b\ndata=a", CHANGING),
        ("[s]\nx=1\n[s]\ny=1", "[s]\nx=1\ny=1", CHANGING),
        (b"[s]\nx=\xe9\n", "[s]\nx=é\n", CHANGING),
        ("[s]\nx=A", "[s]\nx=a", CHANGING),
        ("[S]\nx=1", "[s]\nX=1", UNKNOWN),
        ("[s]\nx=1\nX=1", "[s]\nx=1\nx=1", CHANGING),
        ("[s]\nx=1\nX=2", "[s]\nx=2\nX=2", CHANGING),
    ],
)
def test_V31_ini(old: str | bytes, new: str | bytes, expected: Delta) -> None:
    for name in ("a.ini", "A/B.CFG"):
        assert delta(name, old, new) == ("Ini", expected)


def test_V31_ini_changes_name_section_and_key() -> None:
    old, new = "a=1\n[s]\nx=1\nx=2\n[u]\n", "[s]\nx=1\nx = 3 4\n[s]\n"
    assert keys("a.ini", old, new) == [
        ("$", "{1 key}", None),
        ("[s] x#2", "2", "3 4"),
        ("[s]#2", None, "{0 keys}"),
        ("[u]", "{0 keys}", None),
    ]
    found = analyze_pair("a.ini", b"[s]\nKey=1", b"[s]\nkey=1")
    assert (found.changes, found.change_count) == ((Change("[s] Key", "1", None), Change("[s] key", None, "1")), 2)
    assert found.notes == ("only the case of names differs: not every reader minds it",)


@pytest.mark.parametrize("line", ["bind w +forward", "[open", "[s] x=1", "a\x01=1"])
def test_V31_ini_that_is_none_is_text(line: str) -> None:
    found = analyze_pair("a.ini", f"x=1\n{line}\n".encode(), b"x=1\n")
    assert (found.format, found.delta) == (("Text", CHANGING) if line.isprintable() else ("Unknown", UNKNOWN))
    assert found.notes[0].startswith("Ini: the old version: ")


# ---- texts ----


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a\nb\n", "a\nb\n", SAME),
        ("a\n\n b\n", "\ufeffa  \r\n\t\r\n b\r\n\r\n  \r\n", COSMETIC),
        ("a\nb", "a\rb\r", COSMETIC),
        ("", " \n\n", COSMETIC),
        ("a b", "a  b", CHANGING),
        ("a", " a", CHANGING),
        ("a\nb", "a\n\nb", CHANGING),
        ("a", "", CHANGING),
        ("a\u2028b", "a\nb", CHANGING),
        ("é", "e\u0301", CHANGING),
        (b"\xff\xfea\0", "a", UNKNOWN),
        (b"\xff\xfea\0\r\0\n\0", b"\xfe\xff\0a", UNKNOWN),
        (b"\xff\xfea\0\r\0\n\0", b"\xff\xfea\0", COSMETIC),
        (b"\xff\xfea\0", b"\xff\xfeb\0", CHANGING),
    ],
)
def test_V31_text(old: str | bytes, new: str | bytes, expected: Delta) -> None:
    for name in ("readme", "readme.txt"):
        assert delta(name, old, new) == ("Text", expected)
        assert delta(name, new, old) == ("Text", expected)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("one\ntwo\nthree", "one\r\ntwö\r\nthree", ("line 2", "two", "twö")),
        ("é\n", "è\n", ("line 1", "é", "è")),
        ("a\n", "a\nb\nc", ("line 2", None, "b")),
        ("a\n\n\nb", "a", ("line 2", "", None)),
        ("", "x", ("line 1", None, "x")),
        ("a", "ab", ("line 1", "a", "ab")),
        ("abc\nd", "a\nd", ("line 1", "abc", "a")),
        (
            "é" * 100 + "1" + "é" * 100,
            "é" * 100 + "2" + "é" * 100,
            ("line 1", "…" + "é" * 20 + "1" + "é" * 39 + "…", "…" + "é" * 20 + "2" + "é" * 39 + "…"),
        ),
        ("é" * 30 + "a1", "é" * 30 + "a2", ("line 1", "…" + "é" * 19 + "a1", "…" + "é" * 19 + "a2")),
        ("\n" * 3_000_000 + "a", "\n" * 3_000_000 + "b", ("line 3000001", "a", "b")),
        ("x" * 3_000_000 + "\na", "x" * 3_000_000 + "\nb", ("line 2", "a", "b")),
    ],
)
def test_V31_text_change_is_the_first_line(old: str, new: str, change: tuple[str, str | None, str | None]) -> None:
    assert keys("a.txt", old, new) == [change]
    assert keys("a.txt", new, old) == [(change[0], change[2], change[1])]


def test_V31_text_in_another_encoding_is_text_where_the_name_says_so() -> None:
    old, new = "日本\nx".encode("shift-jis"), "日本\r\nx".encode("shift-jis")
    assert delta("a.txt", old, new) == ("Text", COSMETIC)
    assert delta("a.bin", old, new) == ("Binary", UNKNOWN)
    assert analyze_pair("a.txt", b"\xe9a", b"\xe9b").changes == (Change("line 1", "\\xe9a", "\\xe9b"),)


def test_V31_text_and_line_ends_meet_at_the_edges_of_blocks() -> None:
    block = 1 << 20
    for shift in (-2, -1, 0, 1):
        head = "x" * (block + shift)
        assert delta("a.txt", head + "\r\n\r\n \t \r\ny", head + "  \n\n\ny") == ("Text", COSMETIC)
        assert delta("a.txt", head + "\r\n\r\ny", head + "\ny") == ("Text", CHANGING)
    assert delta("a.txt", "x" + " " * block * 2, "x") == ("Binary", UNKNOWN)  # No text has a million blanks in a row.


# ---- bytes ----


def test_V31_binary() -> None:
    old, new = b"\0" * 32, b"\0" * 20 + b"\1\2\0\3" + b"\0" * 10
    found = analyze_pair("a.bin", old, new)
    assert found == Analysis(
        Format.BINARY,
        UNKNOWN,
        (Change("0x14", "00 00 00 00 00 00 00 00 00 00 00 00", "01 02 00 03 00 00 00 00 00 00 00 00 00 00"),),
        5,
        ("5 bytes differ", "the size is 34, not 32"),
    )
    assert analyze_pair("a.bin", old, bytes(old)) == Analysis(Format.BINARY, SAME)
    assert analyze_pair("a.bin", b"\0\1", b"\0\2").notes == ("1 byte differs",)
    assert analyze_pair("a.bin", b"\0", b"\0\1").changes == (Change("0x1", None, "01"),)
    assert analyze_pair("a.bin", b"", b"\0").format == "Binary"


def test_V31_binary_is_compared_in_blocks() -> None:
    old = FilledStorage(5 << 20, 7)
    new = bytearray(b"\7" * (5 << 20))
    new[3 << 20] = new[(4 << 20) + 5] = 8
    found = analyze_pair("a.bin", old, bytes(new))
    assert (found.changes[0].key, found.change_count) == ("0x300000", 2)


def test_V31_text_against_bytes_is_of_no_format() -> None:
    found = analyze_pair("a.ini", b"[a]\nx=1", b"\0\1")
    assert (found.format, found.delta, found.change_count) == ("Unknown", UNKNOWN, 7)
    assert found.notes[1] == "the old version is text, the other is not"
    assert analyze_pair("a", b"\0", b"a").notes[0] == "the new version is text, the other is not"


# ---- this project's own formats ----


def test_V31_nacp(testdata: Path) -> None:
    data = (testdata / "exe/control.nacp").read_bytes()
    value = Nacp.read(data)
    other = dataclasses.replace(value, display_version="1.2.4", data_loss_confirmation=False).to_bytes()
    assert analyze_pair("romfs/Control.nacp", data, bytes(data)) == Analysis(Format.NACP, SAME)
    found = analyze_pair("control.nacp", data, other)
    assert (found.format, found.delta, found.change_count) == ("NACP", CHANGING, 2)
    assert found.changes == (Change("data_loss_confirmation", "true", "false"), Change("display_version", '"1.2.3"', '"1.2.4"'))
    reserved = dataclasses.replace(value, unknown=((0x30F5, b"\1"),)).to_bytes()
    found = analyze_pair("control.nacp", data, reserved)
    assert (found.delta, found.notes) == (UNKNOWN, ("only bytes that no field speaks for, or the layout of the file, differ",))
    assert found.changes == (Change("unknown", None, "{1 key}"),)
    assert analyze_pair("control.nacp", b"", data).notes[0] == "NACP: the old version: NACP at 0x0: the file is empty"


def test_V31_nacp_titles_compressed_otherwise_are_cosmetic() -> None:
    value = Nacp.from_dict({"name": "Demo", "titles_format": "Compressed"})
    plain = zlib.decompress(Nacp.read(value.to_bytes()).titles_compressed, -15)
    packed = zlib.compressobj(1, zlib.DEFLATED, -15, strategy=zlib.Z_HUFFMAN_ONLY)
    again = dataclasses.replace(value, titles_compressed=packed.compress(plain) + packed.flush())
    assert again.to_bytes() != value.to_bytes()
    assert analyze_pair("control.nacp", value.to_bytes(), again.to_bytes()) == Analysis(Format.NACP, COSMETIC)
    titles = (ApplicationTitle("Other"), *value.titles[1:])
    found = analyze_pair("control.nacp", value.to_bytes(), dataclasses.replace(value, titles=titles).to_bytes())
    assert found.delta is CHANGING


def test_V31_npdm(testdata: Path) -> None:
    data = (testdata / "exe/main_owners.npdm").read_bytes()
    value = Npdm.read(data)
    other = dataclasses.replace(value, main_thread_priority=45).to_bytes()
    found = analyze_pair("exefs/main.npdm", data, other)
    assert found == Analysis(Format.NPDM, CHANGING, (Change("main_thread_priority", "44", "45"),), 1)
    moved = dataclasses.replace(value, aci0_offset=0x1000).to_bytes()
    assert analyze_pair("main.npdm", data, moved) == Analysis(Format.NPDM, COSMETIC)
    assert analyze_pair("main.npdm", data, b"NOPE" + data[4:]).format == "Binary"
    assert analyze_pair("main.npdm", data, data[:0x100]).notes[0].startswith("NPDM: the new version: ")


def test_V31_cnmt() -> None:
    content = {"type": "Program", "hash": "ab" * 32, "size": 4096}
    value = Cnmt.from_dict({"title_id": "0x0100feedface0000", "type": "Application", "contents": [content]})
    other = Cnmt.from_dict(
        {"title_id": "0x0100feedface0000", "type": "Application", "version": "v65536", "contents": [{**content, "size": 4097}]}
    )
    found = analyze_pair("Application_0100feedface0000.cnmt", value.to_bytes(), other.to_bytes())
    assert (found.format, found.delta) == ("CNMT", CHANGING)
    assert [each.key for each in found.changes] == ["contents[0].size", "version"]
    reserved = dataclasses.replace(value, unknown=((0x1C, b"\1"),)).to_bytes()
    assert analyze_pair("a.cnmt", value.to_bytes(), reserved).delta is UNKNOWN
    assert analyze_pair("a.cnmt", value.to_bytes(), value.to_bytes()[:-40]).notes[0].startswith("CNMT: the new version: ")


def test_V31_ticket() -> None:
    value = TicketFile.from_dict({"rights_id": "01" * 16, "title_key": "ab" * 16})
    other = dataclasses.replace(value, device_id=7)
    found = analyze_pair("a.tik", value.to_bytes(), other.to_bytes())
    assert found == Analysis(Format.TICKET, CHANGING, (Change("device_id", '"0x0000000000000000"', '"0x0000000000000007"'),), 1)


# ---- others' formats ----


@dataclasses.dataclass
class Lengths:
    """Compares files by their size alone."""

    name: str = "Lengths"
    suffix: str = ".json"
    failure: Exception | None = None

    def recognises(self, path: str, head: bytes, /) -> bool:
        return path.endswith(self.suffix) and len(head) <= 0x1000

    def compare(self, old: Any, new: Any, /) -> Analysis:
        if self.failure is not None:
            raise self.failure
        return Analysis(self.name, COSMETIC if old.size == new.size else CHANGING)


def test_V31_registered_comparators_are_asked_first_the_last_one_before_all() -> None:
    register(Lengths())
    try:
        assert delta("a.json", "1", "2") == ("Lengths", COSMETIC)
        assert delta("a.json", "1", "1") == ("Lengths", SAME)
        assert delta("a.ini", "x=1", "x=2") == ("Ini", CHANGING)
        register(Lengths("Other"))
        assert delta("a.json", "1", "2")[0] == "Other"
        register(Lengths())
        assert delta("a.json", "1", "2")[0] == "Lengths"
        register(Lengths("Other", ".none"))
        assert delta("a.json", "1", "2")[0] == "Lengths"
        assert unregister("Other")
    finally:
        assert unregister("Lengths")
    assert not unregister("Lengths")
    assert delta("a.json", "1", "2") == ("Json", CHANGING)
    assert analyze_pair("a.json", b"1", b"2", registry=Registry()).format == "Text"


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (KeyError("x"), "Lengths: the comparator failed: KeyError: 'x'"),
        (RecursionError("deep"), "Lengths: the comparator failed: RecursionError: deep"),
        (NotThisFormatError("not mine", what="Lengths"), "Lengths: not mine"),
        (CorruptError("x" * 999), "x" * 199 + "…"),
    ],
)
def test_V31_a_comparator_that_fails_leaves_it_to_the_next(failure: Exception, note: str) -> None:
    registry = Registry((Lengths("Next"),))
    registry.register(Lengths(failure=failure))
    assert analyze_pair("a.json", b"1", b"2", registry=registry) == Analysis("Next", COSMETIC, notes=(note,))


@pytest.mark.parametrize("failure", [OSError("disk"), MappingError("a", "shrank")])
def test_V31_what_cannot_be_read_is_an_error(failure: Exception) -> None:
    with pytest.raises(OSError, match=r"disk|shrank"):
        analyze_pair("a.json", b"1", b"2", registry=Registry((Lengths(failure=failure),)))


def test_V31_analysis_as_plain_values() -> None:
    assert analyze_pair("a.json", b"1", b"2").to_json() == {
        "format": "Json",
        "delta": "BehaviorChanging",
        "changes": [{"key": "$", "old": "1", "new": "2"}],
        "change_count": 1,
        "notes": [],
    }


# ---- V32 ----


def test_V32_relations_to_the_winner() -> None:
    versions = [b'{"a": 1}', b'{"a":1}', b'{"a": 2}', b'{"a": 1}', b"{", b'{"a":1}']
    found = semantic_conflicts("a.json", [(f"layer {n}", MemoryStorage(each)) for n, each in enumerate(versions)])
    assert (found.key, found.winner, found.all_identical, found.distinct_versions) == ("a.json", "layer 5", False, 4)
    assert [(each.source, str(each.analysis.format), each.analysis.delta) for each in found.relations] == [
        ("layer 0", "Json", COSMETIC),
        ("layer 1", "Json", SAME),
        ("layer 2", "Json", CHANGING),
        ("layer 3", "Json", COSMETIC),
        ("layer 4", "Text", CHANGING),
    ]
    assert found.relations[2].analysis.changes == (Change("a", "2", "1"),)


def test_V32_all_identical() -> None:
    same = Relation("low", Analysis(Format.TEXT, SAME))
    found = semantic_conflicts("a", [("low", MemoryStorage(b"x")), ("high", MemoryStorage(b"x"))])
    assert found == SemanticConflict("a", "high", (same,), all_identical=True, distinct_versions=1)
    assert semantic_conflicts("a", [("only", MemoryStorage(b"\0"))]) == SemanticConflict(
        "a", "only", (), all_identical=True, distinct_versions=1
    )
    with pytest.raises(EntryNotFoundError):
        semantic_conflicts("a", [])


class Counting(MemoryStorage):
    """Counts bytes read."""

    __slots__ = ("read",)
    read: int

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.read = 0

    def _read(self, start: int, stop: int) -> memoryview:
        self.read += stop - start
        return super()._read(start, stop)


def test_V32_each_version_is_hashed_once_and_equal_ones_are_not_read_again() -> None:
    size = 1 << 22
    storages = [Counting(b"\0" * size) for _ in range(4)]
    assert semantic_conflicts("a.bin", [(str(n), each) for n, each in enumerate(storages)]).all_identical
    assert max(each.read for each in storages) < size * 1.3


def test_V32_as_plain_values() -> None:
    found = semantic_conflicts("data/a.ini", [("base", MemoryStorage(b"[s]\nx=1")), ("mod", MemoryStorage(b"[s]\nx=2"))])
    plain = {
        "key": "data/a.ini",
        "winner": "mod",
        "relations": [
            {
                "source": "base",
                "format": "Ini",
                "delta": "BehaviorChanging",
                "changes": [{"key": "[s] x", "old": "1", "new": "2"}],
                "change_count": 1,
                "notes": [],
            }
        ],
        "all_identical": False,
        "distinct_versions": 2,
    }
    assert found.to_json() == plain
    assert json.loads(json.dumps(found.to_json())) == plain
    assert type(found.to_json()["relations"][0]["format"]) is str
