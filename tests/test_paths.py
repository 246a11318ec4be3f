from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.paths import (
    Glob,
    _Automaton,
    _tokens,
    addressable,
    decode_name,
    encode_name,
    join,
    normalise,
    sort_key,
    split,
    unsafe_name,
)

if TYPE_CHECKING:
    from oboromi_fs.protocols import PathType

names = st.binary(min_size=1, max_size=8).map(lambda raw: decode_name(raw.replace(b"/", b"_").replace(b"\0", b"_"))).filter(addressable)
canonical = st.lists(names, max_size=4).map("/".join)
loose = st.lists(st.sampled_from(["", ".", "..", "a", "b.c", "é", "\udcff", "\n"]), max_size=8).map("/".join)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ""),
        ("/", ""),
        ("//", ""),
        (".", ""),
        ("..", ""),
        ("/../..", ""),
        ("a", "a"),
        ("/a", "a"),
        ("a/", "a"),
        ("a//b", "a/b"),
        ("./a/./b/.", "a/b"),
        ("a/../b", "b"),
        ("../a/../../b/c/..", "b"),
        ("/a//./b/../c.bin", "a/c.bin"),
        ("...", "..."),
        (".a/..b/c.", ".a/..b/c."),
        ("..\n", "..\n"),
        ("\n", "\n"),
        ("a\\b", "a\\b"),
        ("C:/a", "C:/a"),
        ("é/日本", "é/日本"),
        (b"/a/\xc3\xa9", "a/é"),
        (b"\xe9", "\udce9"),
        ("\udcc3\udca9", "é"),
        (PurePosixPath("/a/b"), "a/b"),
    ],
)
def test_normalise(path: PathType, expected: str) -> None:
    assert normalise(path) == expected


@pytest.mark.parametrize("path", ["a\0b", b"\0", "\0/..", "\ud800", "a/\udfff", "é\ud800"])
def test_what_is_no_path(path: PathType) -> None:
    with pytest.raises(UnsafePathError):
        normalise(path)


@pytest.mark.parametrize("path", [None, 5, ["a"]])
def test_what_is_no_path_type(path: Any) -> None:
    with pytest.raises(TypeError):
        normalise(path)


@given(canonical)
def test_a_canonical_path_stays_as_it_is(path: str) -> None:
    assert normalise(path) == path
    assert normalise(encode_name(path)) == path
    assert normalise(f"/{path}//.") == path


@given(loose)
def test_normalising_twice_is_normalising_once(path: str) -> None:
    once = normalise(path)
    assert normalise(once) == once
    assert all(addressable(part) for part in once.split("/")) or not once


@given(loose, loose)
def test_below_is_below(parent: str, path: str) -> None:
    """However a path climbs, joined below a directory in its canonical form it stays there."""
    below = join(normalise(parent), normalise(path)).rstrip("/")
    assert normalise(below) == below
    assert below.startswith(normalise(parent))


@given(st.binary(max_size=20))
def test_names_keep_their_bytes(raw: bytes) -> None:
    assert encode_name(decode_name(raw)) == raw


def test_a_surrogate_that_stands_for_no_byte_has_no_bytes() -> None:
    with pytest.raises(UnsafePathError, match="surrogate"):
        encode_name("\ud800")


def test_split_and_join() -> None:
    assert [split(path) for path in ("", "a", "a/b", "a/b/c")] == [("", ""), ("", "a"), ("a", "b"), ("a/b", "c")]
    assert [join(*pair) for pair in (("", "a"), ("a", "b"), ("a/b", "c"))] == ["a", "a/b", "a/b/c"]


def test_path_order_is_that_of_bytes() -> None:
    assert sorted(["a/b", "é", "a.txt", "a-/x", "\udcff", "B", "\ud800"], key=sort_key) == [
        "B",
        "a-/x",
        "a.txt",
        "a/b",
        "é",
        "\ud800",
        "\udcff",
    ]


@pytest.mark.parametrize(("name", "expected"), [("a", True), ("...", True), ("", False), (".", False), ("a/b", False), ("a\0", False)])
def test_addressable(name: str, expected: bool) -> None:
    assert addressable(name) is expected


@pytest.mark.parametrize(
    ("name", "reason", "on_windows"),
    [
        ("a.bin", "", ""),
        ("é \udcff", "", ""),
        ("", "is empty", "is empty"),
        (".", "is a path, not a name", "is a path, not a name"),
        ("..", "is a path, not a name", "is a path, not a name"),
        ("a/b", "holds a path separator", "holds a path separator"),
        ("/etc", "holds a path separator", "holds a path separator"),
        ("a\0b", "holds a NUL", "holds a NUL"),
        ("x" * 4097, "is 4097 characters long", "is 4097 characters long"),
        ("a\\b", "", "holds '\\\\'"),
        ("C:", "", "holds ':'"),
        ("a\nb", "", "holds '\\n'"),
        ("what?", "", "holds '?'"),
        ("nul", "", "is the name of a device"),
        ("Con.txt", "", "is the name of a device"),
        ("nul .txt", "", "is the name of a device"),
        ("com1", "", "is the name of a device"),
        ("lpt³.a", "", "is the name of a device"),
        ("conin$", "", "is the name of a device"),
        ("com", "", ""),
        ("console", "", ""),
        ("nul_", "", ""),
        ("a.", "", "ends in a dot or a space"),
        ("a ", "", "ends in a dot or a space"),
    ],
)
def test_unsafe_name(name: str, reason: str, on_windows: str) -> None:
    assert unsafe_name(name, windows=False) == reason
    assert unsafe_name(name, windows=True) == on_windows


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.bin", ["a.bin", "data/a.bin", ".bin"], ["a.bin/x", "a.BIN", "a.bin.txt"]),
        ("data/*", ["data/x", "data/"], ["data/x/y", "x/data/y", "data"]),
        ("/a", ["a"], ["b/a"]),
        ("**/*.bin", ["a.bin", "x/a.bin", "x/y/a.bin"], ["a.bin/x"]),
        ("**", ["a", "a/b", ""], []),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("?.txt", ["a.txt", "é.txt", "\n.txt"], ["ab.txt", ".txt"]),
        ("[ab].{c}", ["[ab].{c}"], ["a.c"]),
        ("a.b", ["a.b"], ["axb"]),
        ("data/", ["data", "x/data"], ["data/x"]),
        ("a**b", ["ab", "a/x/b"], ["a"]),
        ("x\ny*", ["x\nyz"], ["xyz"]),
    ],
)
def test_glob(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = Glob(pattern)
    assert [path for path in yes if not glob.matches(path)] == []
    assert [path for path in no if glob.matches(path)] == []


def test_glob_folds_ascii_alone() -> None:
    glob = Glob("DATA/*.Ä", ignore_case=True)
    assert glob.matches("data/x.Ä")
    assert not glob.matches("data/x.ä")


def test_a_glob_of_many_stars_ends() -> None:
    assert not Glob("**/" * 40 + "x").matches("a/" * 200 + "y")


WILD = st.lists(st.sampled_from(["*", "**", "**/", "?", "a", "b", "/", "."]), max_size=8).map("".join)


@given(WILD, st.text("ab/.", max_size=10), st.booleans())
def test_a_glob_means_the_same_however_it_is_matched(pattern: str, path: str, ignore_case: bool) -> None:
    """The automaton for many wildcards against the regular expression for few."""
    tokens = _tokens(pattern)
    wild = {"*": "[^/]*", "**": ".*", "**/": "(?:[^/]+/)*", "?": "[^/]"}
    expected = re.fullmatch("".join(wild.get(token) or re.escape(token) for token in tokens), path, re.DOTALL)
    assert _Automaton(tokens, ignore_case=ignore_case).fullmatch(path) == bool(expected)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*b", "**a**a**a**a**a**b", "**/*a/**/*a/**/*a/**/b"])
def test_many_wildcards_do_not_backtrack(pattern: str) -> None:
    assert not Glob(pattern).matches("a" * 255)
    assert not Glob(pattern).matches("a/" * 1000)
