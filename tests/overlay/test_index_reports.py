"""Reports on a provider index, by the labels of the requirements."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from oboromi_fs import LayerError, MemoryFs
from oboromi_fs.overlay.changes import diff_directory, diff_orders
from oboromi_fs.overlay.conflicts import conflicts, diff, shadowed
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Case, Layer, LayerKind
from oboromi_fs.overlay.matching import PatternError
from oboromi_fs.overlay.providers import Source
from oboromi_fs.overlay.reports import archive_entries, archives, contributions, duplicates
from tests.overlay import model as m
from tests.overlay.strategies import real_layers, same_case_stacks

if TYPE_CHECKING:
    from tests.overlay.model import ModelLayer


def layer(name: str, *paths: str, kind: LayerKind = "directory", case: Case = "exact", at: str = "") -> Layer:
    return Layer(MemoryFs(dict.fromkeys(paths, b"")), name, kind, case, at)


def game() -> ProviderIndex:
    """An archive below two mods; a third one has nothing."""
    return ProviderIndex.build(
        [layer("game.bsa", "a", "b", "c", kind="archive"), layer("one", "a", "b", "d"), layer("two", "a", "e"), layer("empty")],
    )


def test_V18_explain_names_winner_and_overridden() -> None:
    assert game().explain("a").to_json() == {
        "key": "a",
        "winner": {
            "source_index": 2,
            "source": {"path": "two", "kind": "directory"},
            "key": "a",
            "original_path": "a",
            "resolved_path": "two/a",
        },
        "overridden": [
            {
                "source_index": 0,
                "source": {"path": "game.bsa", "kind": "archive"},
                "key": "a",
                "original_path": "a",
                "resolved_path": "game.bsa::a",
            },
            {"source_index": 1, "source": {"path": "one", "kind": "directory"}, "key": "a", "original_path": "a", "resolved_path": "one/a"},
        ],
        "hidden": [],
    }
    assert game().explain("nothing").winner is None


def test_V18_duplicates_and_those_that_a_pattern_finds() -> None:
    found = duplicates(game())
    assert [(each.key, [provider.source_index for provider in each.providers], each.winner_index) for each in found] == [
        ("a", [0, 1, 2], 2),
        ("b", [0, 1], 1),
    ]
    assert [each.key for each in duplicates(game(), "B")] == ["b"]
    assert list(found[0].to_json()) == ["key", "providers", "winner_index"]
    assert json.dumps(found[0].to_json())
    with pytest.raises(PatternError):
        duplicates(game(), "(")


def test_V19_archives_with_what_they_have_and_what_they_win() -> None:
    assert [each.to_json() for each in archives(game())] == [
        {"source_index": 0, "path": "game.bsa", "entry_count": 3, "winning_entry_count": 1},
    ]


def test_V19_entries_of_an_archive_hidden_ones_too() -> None:
    index = ProviderIndex.build([layer("x.bsa", "A", "b", "c/d", kind="archive", case="fold"), layer("mod", "B", "C", case="fold")])
    assert [each.to_json() for each in archive_entries(index, "x.bsa")] == [
        {"key": "a", "archive_path": "x.bsa", "original_path": "A", "wins": True},
        {"key": "b", "archive_path": "x.bsa", "original_path": "b", "wins": False},
        {"key": "c/d", "archive_path": "x.bsa", "original_path": "c/d", "wins": False},
    ]
    assert archives(index)[0].entry_count == 3
    with pytest.raises(LayerError):
        archive_entries(index, "y.bsa")


def test_V20_contributions_with_a_row_of_zeros_for_a_source_without_files() -> None:
    found = contributions(game())
    assert [tuple(each)[2:] for each in found] == [
        # winning, overriding, overridden, unique, duplicate, loose, archive
        (1, 0, 2, 1, 2, 0, 3),
        (2, 1, 1, 1, 2, 3, 0),
        (2, 1, 0, 1, 1, 2, 0),
        (0, 0, 0, 0, 0, 0, 0),
    ]
    assert found[0].to_json() == {
        "source_index": 0,
        "source": {"path": "game.bsa", "kind": "archive"},
        "winning": 1,
        "overriding": 0,
        "overridden": 2,
        "unique": 1,
        "duplicate": 2,
        "loose": 0,
        "archive": 3,
    }


def test_V22_conflicts_of_source_against_source() -> None:
    found = {
        each.source_index: tuple([(other.source_index, other.file_count) for other in side] for side in each[2:])
        for each in conflicts(game())
    }
    assert found == {
        0: ([], [(1, 2), (2, 1)], [(1, 1), (2, 1)]),
        1: ([(0, 2)], [(2, 1)], [(2, 1)]),
        2: ([(0, 1), (1, 1)], [], []),
    }
    assert conflicts(game())[2].to_json() == {
        "source_index": 2,
        "source": {"path": "two", "kind": "directory"},
        "overrides": [
            {"source_index": 0, "source": {"path": "game.bsa", "kind": "archive"}, "file_count": 1},
            {"source_index": 1, "source": {"path": "one", "kind": "directory"}, "file_count": 1},
        ],
        "overridden_by": [],
        "displaced_by": [],
    }


def test_V22_a_source_does_not_conflict_with_itself() -> None:
    assert conflicts(ProviderIndex.build([layer("mod", "A", "a", case="fold"), layer("other", "b", case="fold")])) == []


def test_V22_shadowed_sources() -> None:
    index = ProviderIndex.build([layer("low", "a", "d/x"), layer("mid", "a", "b"), layer("top", "a", "d")])
    assert [each.to_json() for each in shadowed(index)] == [
        {
            "source_index": 0,
            "source": {"path": "low", "kind": "directory"},
            "file_count": 2,
            "shadowed_count": 2,
            "fully_shadowed": True,
            "shadowed_by": [2],
        },
        {
            "source_index": 1,
            "source": {"path": "mid", "kind": "directory"},
            "file_count": 2,
            "shadowed_count": 1,
            "fully_shadowed": False,
            "shadowed_by": [2],
        },
    ]
    assert [each.source_index for each in shadowed(index, fully=True)] == [0]
    hidden = ProviderIndex.build([layer("low", "a", "b"), Layer(MemoryFs({".wh.a": b""}), "mid"), layer("top", "b")])
    assert [each.shadowed_by for each in shadowed(hidden)] == [(1, 2)]


def test_V19_V22_of_two_spellings_in_one_source_one_counts() -> None:
    index = ProviderIndex.build([layer("x.bsa", "A", "a", "b", kind="archive", case="fold"), layer("mod", "B", case="fold")])
    assert archives(index)[0][2:] == (2, 1)
    assert [(each.file_count, each.shadowed_count) for each in shadowed(index)] == [(2, 1)]
    assert contributions(index)[0][2:] == (1, 0, 1, 1, 1, 0, 2)


def test_V22_diff_of_two_sources() -> None:
    assert diff(game(), "game.bsa", "one").to_json() == {
        "source_a": 0,
        "source_b": 1,
        "shared": ["a", "b"],
        "only_in_a": ["c"],
        "only_in_b": ["d"],
        "higher_priority": 1,
    }
    assert diff(game(), "two", "game.bsa").higher_priority == 2


def test_V23_diff_against_a_directory() -> None:
    found = diff_directory(game(), MemoryFs({"a": b"", "new/x": b"", "B": b""}))
    assert found.to_json() == {"conflicts": ["a"], "additions": ["B", "new/x"], "problems": []}
    assert diff_directory(game(), layer("mod", "B", at="new")).additions == ("new/B",)
    folding = ProviderIndex.build([layer("mod", "Data/A", case="fold")])
    assert diff_directory(folding, MemoryFs({"DATA/a": b"", "X": b""})).to_json() == {
        "conflicts": ["data/a"],
        "additions": ["x"],
        "problems": [],
    }
    mixed = ProviderIndex.build([layer("base", "Data/A"), layer("mod", "data/b", case="fold")])
    assert diff_directory(mixed, layer("new", "DATA/a", "DATA/B", "c", case="fold"))[:2] == (("Data/A", "Data/b"), ("c",))


def test_diff_of_two_orders() -> None:
    low, high = layer("low", "a", "b"), layer("high", "a", "c")
    before, after = ProviderIndex.build([low, high]), ProviderIndex.build([high, low])
    assert [
        (each.key, each.before and each.before.source.path, each.after and each.after.source.path) for each in diff_orders(before, after)
    ] == [("a", "high", "low")]
    assert [each.to_json()["after"] for each in diff_orders(before, ProviderIndex.build([low]))][1:] == [None]
    assert diff_orders(before, before) == []


def test_reports_on_no_sources_and_on_no_files() -> None:
    for index in (ProviderIndex.build([]), ProviderIndex.build([layer("empty")]), ProviderIndex.from_lists([])):
        assert (len(index), index.keys(), index.duplicate_keys(), index.skipped, index.ambiguous()) == (0, (), [], (), [])
        assert (duplicates(index), conflicts(index), shadowed(index), archives(index)) == ([], [], [], [])
        assert [each.winning for each in contributions(index)] == [0] * len(index.sources)
        assert index.find("**") == index.find_by_regex(".") == index.paths_with("a") == []
        assert index.explain("a").winner is None


@given(same_case_stacks())
def test_counts_are_those_of_the_model(models: list[ModelLayer]) -> None:
    index = ProviderIndex.build(real_layers(models))
    keys = index.keys()
    stacks = {key: sorted({version.layer for version in m.chain(models, key)}) for key in keys}
    wins = Counter(stack[-1] for stack in stacks.values())
    several = [stack for stack in stacks.values() if len(stack) > 1]
    for row in contributions(index):
        number = row.source_index
        mine = [stack for stack in stacks.values() if number in stack]
        assert row.winning == wins[number]
        assert row.overriding == sum(stack[-1] == number for stack in several)
        assert row.overridden == sum(stack[-1] != number for stack in mine)
        assert row.unique == sum(stack == [number] for stack in mine)
        assert row.duplicate == sum(len(stack) > 1 for stack in mine)
        assert row.loose == len(mine) == row.winning + row.overridden == row.unique + row.duplicate
        assert index.keys_of(number) == [key for key in keys if number in stacks[key]]
        assert index.remaining(number) == [key for key in keys if stacks[key][-1] == number]
    pairs = Counter((high, low) for stack in several for high in stack for low in stack if low < high)
    displaced = Counter((number, stack[-1]) for stack in several for number in stack[:-1])
    rows = conflicts(index)
    assert {(row.source_index, other.source_index): other.file_count for row in rows for other in row.overrides} == pairs
    assert {(other.source_index, row.source_index): other.file_count for row in rows for other in row.overridden_by} == pairs
    assert {(row.source_index, other.source_index): other.file_count for row in rows for other in row.displaced_by} == displaced
    hidden = {
        (each.provider.source_index, key)
        for key in {path for model in models for path in model.entries}
        for each in index.explain(key).hidden
    }
    for shadow in shadowed(index):
        number = shadow.source_index
        files = {key for key in keys if number in stacks[key]} | {index.explain(key).key for source, key in hidden if source == number}
        assert shadow.file_count == len(files)
        assert shadow.shadowed_count == len(files) - wins[number]


def test_a_source_is_named_as_it_was_given() -> None:
    index = ProviderIndex.from_lists([(Source("C:\\Mods\\A", "directory"), ["x"])])
    assert index.source_id("C:\\Mods\\A") == 0
