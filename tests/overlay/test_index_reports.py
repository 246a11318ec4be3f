"""Reports on a provider index, by the labels of the requirements."""

from __future__ import annotations

import itertools
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
        # winning, overriding, overridden, unique, duplicate, loose, archive, hidden
        (1, 0, 2, 1, 2, 0, 3, 0),
        (2, 1, 1, 1, 2, 3, 0, 0),
        (2, 1, 0, 1, 1, 2, 0, 0),
        (0, 0, 0, 0, 0, 0, 0, 0),
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
        "hidden": 0,
    }


def hiding() -> ProviderIndex:
    """A source with a file for each way to be hidden, and one of each that hides it; the last does no more than delete."""
    return ProviderIndex.build(
        [
            layer("base", "deleted", "d/old", "file/x", "folder", "kept", "twice"),
            Layer(MemoryFs({"d/.wh..wh..opq": b"", "d/new": b""}), "opaque"),
            layer("other kind", "file", "folder/y", "twice"),
            Layer(MemoryFs({".wh.deleted": b"", ".wh.twice": b""}), "deletes"),
        ],
    )


def test_V20_what_something_above_hides_counts_as_hidden_alone() -> None:
    assert [tuple(each)[2:] for each in contributions(hiding())] == [
        (1, 0, 0, 1, 0, 6, 0, 5),
        (1, 0, 0, 1, 0, 1, 0, 0),
        (2, 0, 0, 2, 0, 3, 0, 1),
        (0, 0, 0, 0, 0, 0, 0, 0),
    ]


def test_V22_conflicts_of_source_against_source() -> None:
    found = {
        each.source_index: tuple([(other.source_index, other.file_count) for other in side] for side in each[2:])
        for each in conflicts(game())
    }
    assert found == {
        0: ([], [(1, 2), (2, 1)], [(1, 1), (2, 1)], [], []),
        1: ([(0, 2)], [(2, 1)], [(2, 1)], [], []),
        2: ([(0, 1), (1, 1)], [], [], [], []),
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
        "hides": [],
        "hidden_by": [],
    }


def test_V22_who_hides_files_of_others_is_in_conflict_with_them() -> None:
    found = conflicts(hiding())
    assert [(each.source_index, *([(other.source_index, other.file_count) for other in side] for side in each[2:])) for each in found] == [
        (0, [], [], [], [], [(1, 1), (2, 2), (3, 2)]),
        (1, [], [], [], [(0, 1)], []),
        (2, [], [], [], [(0, 2)], [(3, 1)]),
        (3, [], [], [], [(0, 2), (2, 1)], []),
    ]
    assert found[3].to_json()["hides"][1] == {
        "source_index": 2,
        "source": {"path": "other kind", "kind": "directory"},
        "file_count": 1,
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
    assert contributions(index)[0][2:] == (1, 0, 1, 1, 1, 0, 2, 0)
    deletes = Layer(MemoryFs({".wh.a": b""}), "deletes", case="fold")
    assert contributions(ProviderIndex.build([layer("mod", "A", "a", case="fold"), deletes]))[0][2:] == (0, 0, 0, 0, 0, 1, 0, 1)


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


def test_V22_diff_has_files_that_a_third_source_hides() -> None:
    assert diff(hiding(), "base", "other kind")[2:5] == (("twice",), ("d/old", "deleted", "file/x", "folder", "kept"), ("file", "folder/y"))


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
        assert len(mine) == row.winning + row.overridden == row.unique + row.duplicate
        assert index.keys_of(number) == [key for key in keys if number in stacks[key]]
        assert index.remaining(number) == [key for key in keys if stacks[key][-1] == number]
    pairs = Counter((high, low) for stack in several for high in stack for low in stack if low < high)
    displaced = Counter((number, stack[-1]) for stack in several for number in stack[:-1])
    rows = conflicts(index)
    assert {(row.source_index, other.source_index): other.file_count for row in rows for other in row.overrides} == pairs
    assert {(other.source_index, row.source_index): other.file_count for row in rows for other in row.overridden_by} == pairs
    assert {(row.source_index, other.source_index): other.file_count for row in rows for other in row.displaced_by} == displaced
    folds = models[0].case == "fold"
    asked = {m.fold(path) if folds else path for model in models for path in model.entries}
    hidden = {(each.layer, each.by, key) for key in asked for each in m.hidden(models, key)}
    hides = Counter((number, by) for number, by, _ in hidden)
    assert {(other.source_index, row.source_index): other.file_count for row in rows for other in row.hides} == hides
    assert {(row.source_index, other.source_index): other.file_count for row in rows for other in row.hidden_by} == hides
    assert {row.source_index for row in rows} == {number for each in (*pairs, *hides) for number in each}
    files = {
        number: {key for key in keys if number in stacks[key]} | {key for source, _, key in hidden if source == number}
        for number in range(len(models))
    }
    for row in contributions(index):
        number = row.source_index
        assert row.hidden == len({key for source, _, key in hidden if source == number})
        assert row.winning + row.overridden + row.hidden == row.loose == len(files[number])
    for shadow in shadowed(index):
        assert shadow.file_count == len(files[shadow.source_index])
        assert shadow.shadowed_count == shadow.file_count - wins[shadow.source_index]
    for a, b in itertools.permutations(range(len(models)), 2):
        found = [set(part) for part in diff(index, a, b)[2:5]]
        assert found == [files[a] & files[b], files[a] - files[b], files[b] - files[a]]


def test_a_source_is_named_as_it_was_given() -> None:
    index = ProviderIndex.from_lists([(Source("C:\\Mods\\A", "directory"), ["x"])])
    assert index.source_id("C:\\Mods\\A") == 0
