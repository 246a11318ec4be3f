"""The pytest plugin: its assertions hold, fail, and say what is there instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.bridges.pytest_plugin import CheckedOverlay
from oboromi_fs.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Overlay = Callable[..., CheckedOverlay]


@pytest.fixture
def mods(overlay: Overlay) -> CheckedOverlay:
    return overlay({"base": {"a": "1", "b": b"2", "d/c": "3"}, "mod": {"b": "two", "d/c": None}, "top": {"b": "2"}})


def test_assertions_that_hold(mods: CheckedOverlay, tmp_path: Path) -> None:
    mods.assert_winner("b", "top")
    mods.assert_chain("b", ["base", "mod", "top"])
    mods.assert_chain("nothing", [])
    mods.assert_missing("d/c")
    mods.assert_bytes("b", "2")
    (tmp_path / "expected").write_bytes(b"1")
    mods.assert_bytes("a", tmp_path / "expected")
    mods.assert_conflicts({"b": ("base", "mod", "top")})
    mods.assert_valid()


def test_assertions_that_fail_say_what_is_there_instead(mods: CheckedOverlay) -> None:
    with pytest.raises(AssertionError, match=r"^'b' is to come from 'mod'; it is in base < mod < top$"):
        mods.assert_winner("b", "mod")
    with pytest.raises(AssertionError, match=r"^'d/c' is to come from 'base'; hidden in base by mod \(whiteout\)$"):
        mods.assert_winner("d/c", "base")
    with pytest.raises(AssertionError, match=r"^'x' is to be in base; no layer has it$"):
        mods.assert_chain("x", ["base"])
    with pytest.raises(AssertionError, match=r"^'a' is not to be there; it is in base$"):
        mods.assert_missing("a")
    with pytest.raises(AssertionError, match=r"1 bytes, 2 expected, the first difference at 0x1"):
        mods.assert_bytes("b", "22")
    with pytest.raises(
        AssertionError,
        match=r"^other conflicts than expected:\n  b: base < mod < top, not expected\n  a: base < mod expected; it is in base$",
    ):
        mods.assert_conflicts({"a": ["base", "mod"]})
    with pytest.raises(LayerError):
        mods.assert_winner("b", "nobody")


def test_what_is_ambiguous_is_not_valid(overlay: Overlay) -> None:
    with pytest.raises(AssertionError, match=r"^not valid:\n  mod: 'A' and 'a' differ in case alone$"):
        overlay({"mod": {"a": "", "A": ""}}, case="fold").assert_valid()


def test_drift(overlay: Overlay, tmp_path: Path) -> None:
    lock = tmp_path / "mods.lock.json"
    before = overlay({"base": {"a": "1"}})
    with pytest.raises(AssertionError, match="run pytest --update-overlay-locks to write it"):
        before.assert_no_drift(lock)
    CheckedOverlay(before.stack, ".", update=True).assert_no_drift(lock)
    before.assert_no_drift(lock)
    with pytest.raises(AssertionError, match=r"2 differences from .*:\n  winner_hash_changed: a\n  added: b$"):
        overlay({"base": {"a": "2", "b": ""}}).assert_no_drift(lock)


def test_a_stack_file_counts_from_the_folder_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", mods='[[layer]]\npath="layer"\n')
    pytester.mkdir("layer").joinpath("a").write_text("1", encoding="utf-8")
    pytester.makepyfile("def test_it(overlay):\n    overlay('mods.toml').assert_bytes('a', '1')\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_layer_that_is_no_mapping_is_told(overlay: Overlay) -> None:
    with pytest.raises(TypeError, match="folders and archives go into a stack file"):
        overlay({"game": "some/path"})
