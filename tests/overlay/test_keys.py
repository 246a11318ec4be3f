"""Keys of the overlay: V1 to V4."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.overlay.keys import fold_case, fold_host_path, fold_key, safe_key
from oboromi_fs.paths import Glob


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("Textures\\TX_A.dds", "textures/tx_a.dds"),
        ("//a///b", "a/b"),
        ("\\\\a\\\\/b", "a/b"),
        ("Ä/ä", "Ä/ä"),
        ("\udce9/\udcc9", "\udce9/\udcc9"),
        ("a/", "a/"),
        ("./a", "./a"),
        ("", ""),
    ],
)
def test_V1_separators_and_ascii_case_fold_and_all_else_stays(path: str, key: str) -> None:
    assert fold_key(path) == key
    assert fold_key(key) == key


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "is empty"),
        ("/", "is absolute"),
        ("/a", "is absolute"),
        ("\\a", "is absolute"),
        ("a/../b", "component '..'"),
        ("a\\..\\b", "component '..'"),
        ("./a", "component '.'"),
        ("C:/a", "drive letter"),
        ("c:a", "drive letter"),
        ("a\0b", "a NUL"),
    ],
)
def test_V2_what_is_no_safe_key_is_refused(path: str, problem: str) -> None:
    with pytest.raises(UnsafePathError, match=problem):
        safe_key(path)


def test_V2_path_objects_drop_dots_and_text_must_not_have_them() -> None:
    assert safe_key(PurePosixPath("./Data/./A.bin")) == "data/a.bin"
    assert safe_key("Data//A.bin") == "data/a.bin"
    assert safe_key(b"Data/\xe9") == "data/\udce9"
    with pytest.raises(UnsafePathError):
        safe_key(PurePosixPath("a/../b"))
    with pytest.raises(UnsafePathError):
        safe_key(PurePosixPath("."))


def test_V3_host_paths_fold_and_never_collapse() -> None:
    assert fold_host_path("C:\\Mods\\\\A/B") == "c:/mods//a/b"
    assert fold_host_path("//server//Share") == "//server//share"


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("*.DDS", "a.dds", True),
        ("textures/*", "textures/a/b", False),
        ("textures/?.dds", "Textures/A.dds", True),
        ("**/b", "a/x/b", True),
        ("**/b", "b", True),
        ("a/**", "a/x/y", True),
        ("[a]", "a", False),
        ("[a]", "[A]", True),
        ("{a,b}", "a", False),
    ],
)
def test_V4_globs_take_the_whole_key_and_brackets_are_literal(pattern: str, key: str, matches: bool) -> None:
    assert Glob(pattern, ignore_case=True).matches(key) is matches


def test_folding_is_of_ascii_alone() -> None:
    assert fold_case("ABCXYZ[`{Ä\u212a\u0130") == "abcxyz[`{Ä\u212a\u0130"
