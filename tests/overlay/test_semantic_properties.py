from __future__ import annotations

import copy
import json
import re
import tracemalloc
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import IntegrityError
from oboromi_fs.metadata import Cnmt, TicketFile
from oboromi_fs.overlay.semantic import Delta, Format, analyze_pair, semantic_conflicts
from oboromi_fs.storage.concat import ConcatStorage
from oboromi_fs.storage.filled import FilledStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAME, COSMETIC, CHANGING, UNKNOWN = Delta.NO_OP_EQUIVALENT, Delta.COSMETIC_ONLY, Delta.BEHAVIOR_CHANGING, Delta.UNKNOWN
COSMETIC_AT_MOST = (SAME, COSMETIC)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
SCALARS = st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
TREES = st.recursive(
    SCALARS | st.none(), lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4), max_leaves=12
)
TABLES = st.dictionaries(
    TEXT,
    st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3), max_leaves=8),
    max_size=5,
)


@pytest.fixture(scope="session")
def metadata(testdata: Path) -> dict[str, bytes]:
    """One file of each format of this project."""
    content = {"type": "Program", "hash": "ab" * 32, "size": 4096}
    return {
        "control.nacp": (testdata / "exe/control.nacp").read_bytes(),
        "main.npdm": (testdata / "exe/main_owners.npdm").read_bytes(),
        "a.cnmt": Cnmt.from_dict({"title_id": "0x0100feedface0000", "type": "Application", "contents": [content]}).to_bytes(),
        "a.tik": TicketFile.from_dict({"rights_id": "01" * 16, "title_key": "ab" * 16}).to_bytes(),
    }


def shuffled(tree: Any, data: st.DataObject) -> Any:
    """The same with keys in another order."""
    if isinstance(tree, dict):
        return {key: shuffled(tree[key], data) for key in data.draw(st.permutations(list(tree)))}
    return [shuffled(each, data) for each in tree] if isinstance(tree, list) else tree


def number(value: Any) -> Any:
    """A value by which JSON's numbers are compared: exact, and apart from true and false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return "number", Decimal(repr(value))


def spots(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value."""
    found = []
    todo = [tree]
    while todo:
        each = todo.pop()
        for key in each if isinstance(each, dict) else range(len(each)):
            found.append((each, key))
            if isinstance(each[key], dict | list):
                todo.append(each[key])
    return found


def changed(tree: Any, data: st.DataObject, others: st.SearchStrategy[Any]) -> tuple[Any, bool]:
    """A copy with one value replaced, and whether that makes a difference."""
    result = copy.deepcopy(tree)
    container, key = data.draw(st.sampled_from(spots(result)))
    before, container[key] = container[key], data.draw(others)
    after = container[key]
    if isinstance(before, dict | list):
        return result, True
    return result, number(before) != number(after)


@given(tree=TREES, data=st.data())
def test_V31_json_written_otherwise_never_changes_behaviour(tree: Any, data: st.DataObject) -> None:
    old = json.dumps(tree)
    new = json.dumps(shuffled(tree, data), indent=data.draw(st.sampled_from([None, 1, "\t"])), ensure_ascii=data.draw(st.booleans()))
    new = (
        data.draw(st.sampled_from(["", "\ufeff"]))
        + new.replace("\n", data.draw(st.sampled_from(["\n", "\r\n"])))
        + data.draw(st.sampled_from(["", "\n"]))
    )
    found = analyze_pair("a.json", old.encode(), new.encode())
    assert (found.format, found.delta) == (Format.JSON, SAME if old == new else COSMETIC)


@given(tree=st.lists(TREES, min_size=1, max_size=3), data=st.data())
def test_V31_json_with_another_value_always_changes_behaviour(tree: Any, data: st.DataObject) -> None:
    other, differs = changed(tree, data, SCALARS | st.none())
    found = analyze_pair("a.json", json.dumps(tree).encode(), json.dumps(shuffled(other, data), indent=1).encode())
    assert (found.delta is CHANGING) == differs
    assert bool(found.change_count) == differs


@given(table=TABLES, data=st.data())
def test_V31_toml_written_otherwise_never_changes_behaviour(table: dict[str, Any], data: st.DataObject) -> None:
    old, new = tomli_w.dumps(table), tomli_w.dumps(shuffled(table, data))
    commented = "# one\r\n\r\n" + new.replace("\n", data.draw(st.sampled_from(["\n", " # two\n", "  \r\n\r\n"]))) + "\n# three"
    found = analyze_pair("a.toml", old.encode(), commented.encode())
    assert (found.format, found.delta) == (Format.TOML, COSMETIC)


@given(table=TABLES.filter(bool), data=st.data())
def test_V31_toml_with_another_value_always_changes_behaviour(table: dict[str, Any], data: st.DataObject) -> None:
    other = copy.deepcopy(table)
    container, key = data.draw(st.sampled_from(spots(other)))
    before, container[key] = container[key], data.draw(SCALARS)
    differs = type(before) is not type(container[key]) or before != container[key]
    found = analyze_pair("a.toml", tomli_w.dumps(table).encode(), tomli_w.dumps(shuffled(other, data)).encode())
    assert (found.delta is CHANGING) == differs


NAMES = st.from_regex(r"[a-z][a-z0-9_. ]{0,6}[a-z0-9]", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8).map(lambda text: text.strip(" "))
INIS = st.dictionaries(NAMES, st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=4), max_size=4)


def ini(table: dict[str, dict[str, list[str]]], data: st.DataObject | None = None) -> str:
    """An INI text; with ``data``, in another order and with noise."""

    def order(table: dict[str, Any]) -> list[str]:
        return list(table) if data is None else data.draw(st.permutations(list(table)))

    def noise(*texts: str) -> str:
        return texts[0] if data is None else data.draw(st.sampled_from(texts))

    lines = []
    for section in order(table):
        lines += [noise("", "; c", "# c=d"), f"[{section}]{noise('', ' ', ' ; c')}"]
        for name in order(table[section]):
            lines += [
                f"{noise('', ' ')}{name}{noise('', ' ')}={noise('', chr(9))}{value}{noise('', '  ')}" for value in table[section][name]
            ]
    return "".join(line + noise("\n", "\r\n", "\n\n") for line in lines)


@given(table=INIS, data=st.data())
def test_V31_ini_written_otherwise_never_changes_behaviour(table: dict[str, dict[str, list[str]]], data: st.DataObject) -> None:
    old, new = ini(table), ini(table, data)
    found = analyze_pair("a.ini", old.encode(), new.encode())
    assert (found.format, found.delta) == (Format.INI, SAME if old == new else COSMETIC)
    upper = analyze_pair("a.ini", re.sub(r"(?m)^(\[.*\]|.*?=)", lambda name: name[0].upper(), old).encode(), new.encode())
    assert upper.delta in (*COSMETIC_AT_MOST, UNKNOWN)


@given(table=INIS.filter(lambda table: any(table.values())), data=st.data())
def test_V31_ini_with_another_value_always_changes_behaviour(table: dict[str, dict[str, list[str]]], data: st.DataObject) -> None:
    other = copy.deepcopy(table)
    values = data.draw(st.sampled_from([values for names in other.values() for values in names.values()]))
    at = data.draw(st.integers(0, len(values) - 1))
    before, values[at] = values[at], data.draw(VALUES)
    found = analyze_pair("a.ini", ini(table).encode(), ini(other, data).encode())
    assert (found.delta is CHANGING) == (values[at] != before)


LINES = st.lists(st.text("ab é\t", max_size=5), max_size=6)


@given(old=LINES, new=LINES, data=st.data())
def test_V31_text_is_compared_by_its_lines(old: list[str], new: list[str], data: st.DataObject) -> None:
    ends = ["\n", "\r\n", "\r", " \n"]
    # A lone CR before an empty line that begins with LF would be one line end.
    texts = [data.draw(st.sampled_from(ends)).join(lines) for lines in (old, new)]

    def stripped(lines: list[str]) -> list[str]:
        found = [line.rstrip(" \t") for line in lines]
        while found and not found[-1]:
            found.pop()
        return found

    found = analyze_pair("a", texts[0].encode(), texts[1].encode())
    before, after = stripped(old), stripped(new)
    if before == after:
        assert found.delta is (SAME if texts[0] == texts[1] else COSMETIC)
        return
    line = next((n for n, (a, b) in enumerate(zip(before, after, strict=False), 1) if a != b), min(len(before), len(after)) + 1)
    quotes = [lines[line - 1] if line <= len(lines) else None for lines in (before, after)]
    assert found.delta is CHANGING
    assert [(each.key, each.old, each.new) for each in found.changes] == [(f"line {line}", *quotes)]


@given(old=st.binary(max_size=40), new=st.binary(max_size=40))
def test_V31_bytes_are_counted(old: bytes, new: bytes) -> None:
    found = analyze_pair("a", b"\0" + old, b"\0" + new)
    count = abs(len(old) - len(new)) + sum(a != b for a, b in zip(old, new, strict=False))
    assert (found.format, found.delta, found.change_count) == (Format.BINARY, UNKNOWN if count else SAME, count)
    if count:
        first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b), min(len(old), len(new)) + 1)
        assert found.changes[0].key == f"{first:#x}"


PATHS = ["a.json", "a.toml", "a.ini", "a.txt", "a", "control.nacp", "main.npdm", "a.cnmt", "a.tik"]
PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        '"',
        "'",
        "=",
        ".",
        "\\u",
        "d800",
        "1e9",
        "-",
        "\n",
        "\r",
        ";",
        "#",
        " ",
        "\0",
        "\ufeff",
        "NaN",
        "a",
        "META",
    ]
)
HOSTILE = (
    st.binary(max_size=60)
    | st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode())
    | st.text().map(lambda text: text.encode("utf-16", "surrogatepass"))
)


@given(path=st.sampled_from(PATHS) | st.text(), old=HOSTILE, new=HOSTILE)
def test_V31_nothing_leaves_whatever_the_bytes(path: str, old: bytes, new: bytes) -> None:
    found = analyze_pair(path, old, new)
    assert (found.delta is SAME) == (old == new)
    assert not [note for note in found.notes if "the comparator failed" in note]
    json.dumps(found.to_json(), ensure_ascii=False).encode()
    turned = analyze_pair(path, new, old)
    assert (turned.format, turned.delta, turned.change_count) == (found.format, found.delta, found.change_count)
    assert analyze_pair(path, old, bytes(old)).delta is SAME


@given(path=st.sampled_from(["control.nacp", "main.npdm", "a.cnmt", "a.tik"]), data=st.data())
def test_V31_nothing_leaves_whatever_is_damaged(path: str, data: st.DataObject, metadata: dict[str, bytes]) -> None:
    old = metadata[path]
    new = bytearray(old)
    for _ in range(data.draw(st.integers(1, 4))):
        new[data.draw(st.integers(0, len(new) - 1))] = data.draw(st.integers(0, 255))
    found = analyze_pair(path, old, bytes(new))
    assert (found.delta is SAME) == (old == new)
    assert not [note for note in found.notes if "the comparator failed" in note]


@given(contents=st.lists(st.sampled_from([b"[s]\nx=1", b"[s]\nx=2", b"[s]\nx = 1", b"\0", b""]), min_size=1, max_size=6))
def test_V32_versions_are_counted_and_related(contents: list[bytes]) -> None:
    found = semantic_conflicts("a.ini", [(str(n), MemoryStorage(each)) for n, each in enumerate(contents)])
    assert (found.winner, found.distinct_versions) == (str(len(contents) - 1), len(set(contents)))
    assert found.all_identical == (len(set(contents)) == 1)
    assert [each.source for each in found.relations] == [str(n) for n in range(len(contents) - 1)]
    assert [each.analysis for each in found.relations] == [analyze_pair("a.ini", each, contents[-1]) for each in contents[:-1]]


class Damaged(MemoryStorage):
    """Cannot be read from its second half on."""

    __slots__ = ()

    def _read(self, start: int, stop: int) -> memoryview:
        if stop > self.size // 2:
            raise IntegrityError("a hash does not match", what="layer", level=1, block=2)
        return super()._read(start, stop)


@pytest.mark.parametrize("path", ["a.json", "a.ini", "a", "main.npdm"])
def test_V31_a_version_that_is_damaged_is_an_error_and_not_another_format(path: str) -> None:
    data = b"META" * 5000
    for old, new in ((data, Damaged(data)), (Damaged(data), data)):
        with pytest.raises(IntegrityError, match="a hash does not match"):
            analyze_pair(path, old, new)
    with pytest.raises(IntegrityError):
        semantic_conflicts(path, [("a", MemoryStorage(data)), ("b", Damaged(data))])


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("path", "byte", "delta"),
    [("a.json", 0x61, CHANGING), ("a.ini", 0x0A, COSMETIC), ("a", 0x0D, COSMETIC), ("a.bin", 0, UNKNOWN), ("a.txt", 0x20, UNKNOWN)],
)
def test_V31_large_files_take_bounded_memory(path: str, byte: int, delta: Delta) -> None:
    import numpy as np

    del np  # What it takes is taken once.
    size = 24 << 20
    old = FilledStorage(size, byte)
    new = ConcatStorage([old, MemoryStorage(bytes([byte]))])
    results = []
    assert peak(lambda: results.append(analyze_pair(path, old, new))) < 20 << 20
    assert [each.delta for each in results] == [delta]
