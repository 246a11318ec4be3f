"""Changes to a provider index, by the labels of the requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import EntryNotFoundError, LayerError, MemoryFs, UnsafePathError
from oboromi_fs.overlay.cuts import hide
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Case, Layer, LayerKind
from oboromi_fs.overlay.providers import Source

if TYPE_CHECKING:
    from oboromi_fs.overlay.stacks import Stacks


def layer(name: str, *paths: str, kind: LayerKind = "directory", case: Case = "exact", at: str = "") -> Layer:
    return Layer(MemoryFs(dict.fromkeys(paths, b"")), name, kind, case, at)


def three() -> ProviderIndex:
    """Three layers: all have ``a``, the upper two ``d/b``, the lowest ``d/c`` and the top ``e``."""
    return ProviderIndex.build([layer("low", "a", "d/c"), layer("mid", "a", "d/b"), layer("top", "a", "d/b", "e")])


def chains(index: ProviderIndex) -> dict[str, list[int]]:
    return {key: [each.source_index for each in index.chain(key)] for key in index}


START = {"a": [0, 1, 2], "d/b": [1, 2], "d/c": [0], "e": [2]}


def test_V6_what_is_pushed_goes_on_top_of_everything() -> None:
    index = ProviderIndex.build([layer("loose", "a"), layer("x.bsa", "a", kind="archive")], profile="openmw")
    assert [source.path for source in index.sources] == ["x.bsa", "loose"]
    assert index.push_archive(layer("y.bsa", "A", "b", kind="archive")) == 2
    assert index.push_directory(layer("more", "b")) == 3
    assert chains(index) == {"a": [0, 1, 2], "b": [2, 3]}


def test_V6_what_is_pushed_has_a_name_of_its_own_and_the_kind_that_is_said() -> None:
    index = three()
    with pytest.raises(LayerError, match="another layer has this name"):
        index.push_directory(layer("mid", "z"))
    with pytest.raises(LayerError, match="of the kind 'archive', not 'directory'"):
        index.push_directory(layer("z", "z", kind="archive"))
    assert chains(index) == START


def test_V6_a_layer_that_folds_on_top_of_exact_ones() -> None:
    index = three()
    assert index.push_directory(layer("windows", "D/B", "D/new", case="fold")) == 3
    assert chains(index) == {"a": [0, 1, 2], "d/b": [1, 2, 3], "d/c": [0], "d/new": [3], "e": [2]}
    assert [each.source_index for each in index.chain("D/b")] == [3]
    found = index.winner("d/b")
    assert found is not None
    assert found.original_path == "D/B"


def test_V9_in_the_profile_of_openmw_a_pushed_directory_may_not_clash() -> None:
    index = ProviderIndex.build([layer("low", "a", "x/y")], profile="openmw")
    with pytest.raises(LayerError, match="'a/b' is left out: 'a' is a file already"):
        index.push_directory(layer("new", "a/b", "c"))
    assert index.keys() == ("a", "x/y")
    index.push_provider("X", Source("file", "directory"))
    assert index.keys() == ("a", "x/y")
    assert [(each.layer, each.path) for each in index.skipped] == [("file", "X")]


def test_V15_set_winner_file_discards_the_whole_stack() -> None:
    index = three()
    found = index.set_winner_file("a", Source("patched", "directory"), "other/name.bin")
    assert found.to_json() == {
        "source_index": 3,
        "source": {"path": "patched", "kind": "directory"},
        "key": "a",
        "original_path": "other/name.bin",
        "resolved_path": "patched/other/name.bin",
    }
    assert chains(index) == {**START, "a": [3]}
    index.remove_winner("a")
    assert "a" not in index
    assert index.set_winner_file("d/b", 0).source_index == 0
    assert chains(index)["d/b"] == [0]


def test_V15_a_winner_that_something_above_hides_is_refused() -> None:
    index = ProviderIndex.build([layer("low", "a"), Layer(MemoryFs({".wh.b": b"", "c/x": b""}), "top")])
    for key in ("b", "c"):
        with pytest.raises(EntryNotFoundError):
            index.set_winner_file(key, 0)
    assert index.keys() == ("a", "c/x")
    with pytest.raises(UnsafePathError):
        index.set_winner_file("../x", 0)
    with pytest.raises(LayerError, match="no source of this number"):
        index.set_winner_file("x", 2)


def test_V15_remove_resolved_file_discards_the_whole_stack() -> None:
    index = three()
    assert index.remove_resolved_file("a") == 3
    assert chains(index) == {"d/b": [1, 2], "d/c": [0], "e": [2]}
    assert index.remove_resolved_file("a") == index.remove_resolved_file("nothing") == 0


def test_V15_remove_resolved_prefix_discards_whole_stacks() -> None:
    index = three()
    assert index.remove_resolved_prefix("d/") == 3
    assert chains(index) == {"a": [0, 1, 2], "e": [2]}
    assert index.remove_resolved_prefix("") == 0
    assert index.remove_resolved_prefix("e") == 1
    assert index.keys() == ("a",)


def test_V15_remove_resolved_matching_glob_discards_whole_stacks() -> None:
    index = three()
    assert index.remove_resolved_matching_glob("D/*", "e") == 4
    assert index.keys() == ("a",)


def test_V16_push_provider_keeps_the_rest() -> None:
    index = three()
    assert index.push_provider("a", Source("new", "archive"), "A.bin") == 3
    assert chains(index)["a"] == [0, 1, 2, 3]
    winner = index.winner("a")
    assert winner is not None
    assert winner.resolved_path == "new::A.bin"
    assert index.push_provider("d/c", 1) == 1
    assert chains(index)["d/c"] == [0, 1]
    assert index.push_provider("d/c", Source("new", "archive")) == 3


def test_V16_a_version_takes_the_place_of_what_its_source_had() -> None:
    index = three()
    index.push_provider("a", 1, "renamed")
    index.push_provider("a", 1, "again")
    assert [(each.source_index, each.original_path) for each in index.chain("a")] == [(0, "a"), (1, "again"), (2, "a")]


def test_V16_a_directory_without_files_gives_way_to_a_file() -> None:
    index = ProviderIndex.build([layer("low", "d"), Layer(MemoryFs({"x": b""}, dirs=["d/e"]), "top")])
    assert chains(index) == {"x": [1]}
    index.push_provider("d", 1)
    assert chains(index) == {"d": [0, 1], "x": [1]}


def test_V16_a_source_cannot_have_a_file_that_is_a_directory_there() -> None:
    index = three()
    for key in ("d", "a/x"):
        with pytest.raises(LayerError, match="cannot be put into it"):
            index.push_provider(key, 1)
    with pytest.raises(LayerError, match="cannot be put into it"):
        index.push_provider_batch([("n/m", 0), ("n", 0)])
    assert chains(index) == START


def test_V16_V17_a_batch_makes_the_index_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*arguments: Any) -> Stacks:
        nonlocal made
        made += 1
        return hide(*arguments)

    index = three()
    monkeypatch.setattr("oboromi_fs.overlay.state.hide", counted)
    new = Source("new", "directory")
    assert index.push_provider_batch([("a", new), ("b", new, "B"), ("e", 0), ("e", 1)]) == 4
    assert made == 1
    assert chains(index) == {"a": [0, 1, 2, 3], "b": [3], "d/b": [1, 2], "d/c": [0], "e": [0, 1, 2]}
    assert index.push_provider_batch([]) == 0
    with pytest.raises(UnsafePathError):
        index.push_provider_batch([("c", 0), ("/c", 0)])
    assert "c" not in index
    assert made == 1


def test_V16_remove_winner_reveals_what_is_below() -> None:
    index = three()
    removed = index.remove_winner("a")
    assert removed is not None
    assert removed.source_index == 2
    assert chains(index)["a"] == [0, 1]
    index.remove_winner("a")
    index.remove_winner("a")
    assert "a" not in index
    assert index.remove_winner("a") is None


def test_V16_removing_a_file_reveals_the_directory_below_it() -> None:
    index = ProviderIndex.build([layer("low", "a/b", "a/c"), layer("top", "a")])
    assert index.keys() == ("a",)
    index.remove_winner("a")
    assert index.keys() == ("a/b", "a/c")


def test_V16_remove_provider_keeps_the_rest() -> None:
    index = three()
    assert index.remove_provider("a", "mid") == 1
    assert chains(index)["a"] == [0, 2]
    assert index.remove_provider("a", 1) == index.remove_provider("nothing", 1) == 0


def test_V16_V17_remove_source_keeps_the_numbers_of_the_others() -> None:
    index = three()
    assert index.remove_source("mid") == 2
    assert chains(index) == {"a": [0, 2], "d/b": [2], "d/c": [0], "e": [2]}
    assert [source.path for source in index.sources] == ["low", "mid", "top"]
    assert index.push_directory(layer("new", "a")) == 3
    assert chains(index)["a"] == [0, 2, 3]


def test_V16_remove_source_takes_its_markers_along() -> None:
    index = ProviderIndex.build([layer("low", "a", "d/b"), Layer(MemoryFs({".wh.a": b"", "d/.wh..wh..opq": b""}), "top")])
    assert index.keys() == ()
    assert [(each.reason, each.by) for each in index.explain("d/b").hidden] == [("opaque", 1)]
    index.remove_source(1)
    assert index.keys() == ("a", "d/b")


def test_V16_remove_provider_prefix_keeps_the_rest() -> None:
    index = three()
    assert index.remove_provider_prefix("d", 2) == 1
    assert chains(index) == {**START, "d/b": [1]}
    assert index.remove_provider_prefix("", 2) == 0


def test_V16_a_prefix_is_in_any_case_for_a_source_that_folds() -> None:
    index = ProviderIndex.build([layer("base", "a/q", "A/r"), layer("mod", "A/z", "a/q", case="fold")])
    assert chains(index) == {"A/q": [1], "A/r": [0], "A/z": [1], "a/q": [0, 1], "a/z": [1]}
    assert index.remove_provider_prefix("A", 0) == 1
    assert index.remove_provider_prefix("A", 1) == 4
    assert chains(index) == {"a/q": [0]}


def test_V16_remove_matching_provider_keeps_the_rest() -> None:
    index = three()
    assert index.remove_matching_provider("top", "D/*", "?") == 3
    assert chains(index) == {"a": [0, 1], "d/b": [1], "d/c": [0]}


def test_V17_every_change_updates_the_index() -> None:
    index = three()
    index.remove_resolved_prefix("d")
    assert (len(index), index.paths_with("d"), index.duplicate_keys()) == (2, [], ["a"])
    index.push_provider("d/new", Source("new", "directory"))
    assert (len(index), index.paths_with("d"), index.keys_of(3)) == (3, ["d/new"], ["d/new"])


def test_a_version_is_mounted_where_its_source_is() -> None:
    index = ProviderIndex.build([layer("base", "a"), layer("mod", "b", at="x/y")])
    index.push_provider("x/y/c", 1)
    found = index.winner("x/y/c")
    assert found is not None
    assert found.original_path == "c"


def test_V16_a_folding_source_cannot_have_a_directory_in_the_place_of_a_file_in_any_case() -> None:
    index = ProviderIndex.build([layer("base", "z"), Layer(MemoryFs({"D/.wh.x": b"", "a": b""}, dirs=["E/e"]), "mod", case="fold")])
    for pushes in ([("d", 1)], [("A/x", 1)], [("n/m", 1), ("N", 1)], [("n", 1), ("N/m", 1)]):
        with pytest.raises(LayerError, match="cannot be put into it"):
            index.push_provider_batch(pushes)
    assert index.keys() == ("a", "z")
    index.push_provider("e", 1)
    folders = index.state.tree.folders[1].tolist()
    assert sorted(index.state.names.folder_paths[folder] for folder in folders) == ["", "D"]
