"""What another order of the layers would change, by the label of the requirement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import LayerError, MemoryFs
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Case, Layer, LayerKind
from oboromi_fs.overlay.providers import Source
from oboromi_fs.overlay.simulation import FullOrder, MoveAfter, MoveBefore, Swap, simulate, simulate_each, try_layer
from tests.overlay.strategies import model_layers, real_layers, stacks
from tests.overlay.test_index_model import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.overlay.providers import Provider
    from oboromi_fs.overlay.simulation import Operation
    from tests.overlay.model import ModelLayer


def layer(name: str, *paths: str, kind: LayerKind = "directory", case: Case = "exact") -> Layer:
    return Layer(MemoryFs(dict.fromkeys(paths, b"")), name, kind, case)


def four() -> ProviderIndex:
    return ProviderIndex.build([layer("0", "a", "b"), layer("1", "a", "c"), layer("2", "a", "b"), layer("3", "d")])


def order(index: ProviderIndex, kind: Callable[..., Operation], *which: object) -> tuple[int, ...]:
    return simulate(index, kind(*which)).order


def test_V33_swap_and_moves_and_a_full_order() -> None:
    index = four()
    assert order(index, Swap, 0, 2) == (2, 1, 0, 3)
    assert order(index, Swap, "3", Source("1", "directory")) == (0, 3, 2, 1)
    assert order(index, MoveBefore, 3, 1) == (0, 3, 1, 2)
    assert order(index, MoveBefore, 0, 3) == (1, 2, 0, 3)
    assert order(index, MoveAfter, 0, 3) == (1, 2, 3, 0)
    assert order(index, MoveAfter, 3, 0) == (0, 3, 1, 2)
    assert order(index, MoveAfter, 1, 1) == (0, 1, 2, 3)
    assert order(index, FullOrder, [3, "2", 1, 0]) == (3, 2, 1, 0)


@pytest.mark.parametrize("wrong", [Swap(0, 4), MoveBefore("x", 0), FullOrder([0, 1, 2]), FullOrder([0, 1, 2, 2]), FullOrder([])])
def test_V33_orders_of_other_sources_are_refused(wrong: Swap | MoveBefore | FullOrder) -> None:
    with pytest.raises(LayerError):
        simulate(four(), wrong)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (MoveBefore("x", 0), "layer 'x': there is no such source; there are '0', '1', '2', '3'"),
        (Swap(0, 4), "layer '4': there is no source of this number; there are 4: '0', '1', '2', '3'"),
        (FullOrder(["2", "0"]), "layer '1': a full order has each of the 4 sources once: it lacks '1', '3'"),
        (FullOrder([0, 1, 2, 2]), "layer '3': a full order has each of the 4 sources once: it lacks '3', and it repeats '2'"),
        (FullOrder([0, 1, 2, 3, 2]), "layer '2': a full order has each of the 4 sources once: it repeats '2'"),
    ],
)
def test_V33_who_is_refused_is_told_which_sources_there_are(wrong: Swap | MoveBefore | FullOrder, text: str) -> None:
    with pytest.raises(LayerError) as caught:
        simulate(four(), wrong)
    assert str(caught.value) == text


def test_V33_no_more_files_change_than_there_are_before_and_after() -> None:
    index = ProviderIndex.build([layer("low", "a"), Layer(MemoryFs({".wh.a": b""}), "high")])
    assert simulate(index, Swap(0, 1))[3:] == (1, 1, "high")
    assert try_layer(index, layer("new", "a", "b"))[7:] == (2, 2, "high")


def test_V33_simulation_tells_what_changes_and_leaves_the_index() -> None:
    index = four()
    found = simulate(index, Swap(0, 2))
    assert [(each.key, each.before and each.before.source_index, each.after and each.after.source_index) for each in found.changes] == [
        ("a", 2, 0),
        ("b", 2, 0),
    ]
    assert [(each.source_index, each.gained, each.lost) for each in found.impact] == [(0, 2, 0), (2, 0, 2)]
    assert (found.changed_count, found.total_count, found.risk) == (2, 4, "high")
    assert [index.chain(key)[-1].source_index for key in index] == [2, 2, 1, 3]
    document = found.to_json()
    assert list(document) == ["order", "changes", "impact", "changed_count", "total_count", "risk"]
    assert document["impact"][0] == {"source_index": 0, "source": {"path": "0", "kind": "directory"}, "gained": 2, "lost": 0}
    assert document["changes"][0]["after"]["resolved_path"] == "0/a"


def test_V33_risk_is_by_how_much_changes() -> None:
    names = [f"f{number}" for number in range(1000)]
    index = ProviderIndex.build([layer("base", *names), layer("small", *names[:5], "x"), layer("large", *names[:50], "y")])
    assert simulate(index, Swap(0, 0)).risk == "none"
    assert simulate(index, MoveBefore("small", "base")).risk == "none"
    assert simulate(index, Swap("small", "large")).risk == "low"
    assert simulate(index, MoveBefore("large", "base")).risk == "medium"
    other = ProviderIndex.build([layer("base", *names), layer("small", *names[:5])])
    assert simulate(other, Swap(0, 1)).risk == "high"  # Nothing is left of the small one.


def test_V33_archives_rank_as_the_profile_has_it() -> None:
    layers = [layer("x.bsa", "a", "b", kind="archive"), layer("y.bsa", "b", kind="archive"), layer("mod", "a")]
    index = ProviderIndex.build(layers, profile="openmw")
    found = simulate(index, MoveAfter("x.bsa", "mod"))
    assert found.order == (1, 0, 2)
    assert [(each.key, each.after and each.after.source.path) for each in found.changes] == [("b", "x.bsa")]
    index.push_archive(layer("z.bsa", "a", kind="archive"))
    assert simulate(index, Swap("z.bsa", "mod")).order == (0, 1, 3, 2)
    assert [each.key for each in simulate(ProviderIndex.build(layers), MoveAfter("x.bsa", "mod")).changes] == ["a", "b"]


def test_V33_in_the_profile_of_openmw_another_order_lets_others_be_late() -> None:
    index = ProviderIndex.build([layer("low", "a"), layer("high", "a/b")], profile="openmw")
    found = simulate(index, Swap(0, 1))
    assert [(each.key, each.before is None, each.after is None) for each in found.changes] == [("a", False, True), ("a/b", True, False)]


def test_V33_impact_per_candidate() -> None:
    candidates: list[Operation] = [Swap(0, 2), MoveAfter(1, 2), MoveBefore(3, 0)]
    assert [(each.changed_count, each.risk) for each in simulate_each(four(), candidates)] == [(2, "high"), (1, "high"), (0, "none")]


def test_V33_a_directory_tried_as_one_more_layer() -> None:
    index = four()
    found = try_layer(index, MemoryFs({"a": b"", "new/x": b"", ".wh.c": b"", "d/y": b""}))
    assert found.to_json() == {
        "position": 4,
        "adds": ["d/y", "new/x"],
        "overrides": ["a"],
        "overridden": [],
        "removes": ["c", "d"],
        "reveals": [],
        "impact": [
            {"source_index": 1, "source": {"path": "1", "kind": "directory"}, "gained": 0, "lost": 1},
            {"source_index": 2, "source": {"path": "2", "kind": "directory"}, "gained": 0, "lost": 1},
            {"source_index": 3, "source": {"path": "3", "kind": "directory"}, "gained": 0, "lost": 1},
        ],
        "changed_count": 5,
        "total_count": 6,
        "risk": "high",
    }
    assert len(index.sources) == 4
    assert "new/x" not in index


def test_V33_a_directory_tried_at_a_place_in_the_order() -> None:
    found = try_layer(four(), layer("new", "a", "c", "z"), position="2")
    assert (found.position, found.adds, found.overrides, found.overridden, found.removes) == (2, ("z",), ("c",), ("a",), ())
    bottom = try_layer(four(), layer("new", "a", "z"), 0)
    assert (bottom.position, bottom.adds, bottom.overrides, bottom.overridden) == (0, ("z",), (), ("a",))


def test_V33_a_file_tried_below_reveals_nothing_of_what_is_hidden() -> None:
    index = ProviderIndex.build([layer("0", "a"), Layer(MemoryFs({"a/x": b""}), "1")])
    found = try_layer(index, layer("new", "a/y", "a/x"))
    assert (found.adds, found.overrides, found.removes) == (("a/y",), ("a/x",), ())


def test_V33_an_archive_is_tried_where_the_profile_puts_it() -> None:
    index = ProviderIndex.build([layer("x.bsa", "a", kind="archive"), layer("mod", "b")], profile="openmw")
    found = try_layer(index, layer("new.bsa", "A", "B", "c", kind="archive"))
    assert (found.position, found.adds, found.overrides, found.overridden) == (1, ("c",), ("a",), ("b",))


def test_V33_a_folding_layer_tried_on_exact_ones() -> None:
    found = try_layer(four(), layer("windows", "A", "E", case="fold"))
    assert (found.adds, found.overrides) == (("E",), ("a",))


@settings(max_examples=50)
@given(data=st.data(), models=stacks(most=3).filter(clean))
def test_a_simulated_order_is_that_of_an_index_built_so(data: st.DataObject, models: list[ModelLayer]) -> None:
    layers = real_layers(models)
    before = ProviderIndex.build(layers)
    order = data.draw(st.permutations(range(len(models))))
    after = ProviderIndex.build([layers[number] for number in order])
    was = {key: provider(before, key, range(len(order))) for key in before}
    now = {key: provider(after, key, order) for key in after}
    expected = {key: (was.get(key), now.get(key)) for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
    found = simulate(before, FullOrder(order))
    assert (found.changed_count, found.total_count) == (len(expected), len(was.keys() | now.keys()))
    assert {each.key: (flat(each.before), flat(each.after)) for each in found.changes} == expected


@settings(max_examples=50)
@given(data=st.data(), models=stacks(most=3).filter(clean))
def test_a_layer_that_is_tried_does_what_it_would_do_in_an_index(data: st.DataObject, models: list[ModelLayer]) -> None:
    case = st.just("fold") if all(model.case == "fold" for model in models) else st.sampled_from(["exact", "fold"])
    models = [*models, data.draw(model_layers(case=case).filter(lambda model: clean([model])))]
    *layers, new = real_layers(models)
    place = data.draw(st.integers(0, len(layers)))
    before = ProviderIndex.build(layers)
    after = ProviderIndex.build([*layers[:place], new, *layers[place:]])
    found = try_layer(before, new, place if place < len(layers) else None)
    won = {key for key in after if after.chain(key)[-1].source_index == place}
    assert set(found.adds) == won - set(before)
    assert set(found.overrides) == won & set(before)
    assert set(found.removes) == set(before) - set(after)


def provider(index: ProviderIndex, key: str, order: range | list[int]) -> tuple[int, str]:
    found = index.chain(key)[-1]
    return order[found.source_index], found.original_path


def flat(found: Provider | None) -> tuple[int, str] | None:
    return (found.source_index, found.original_path) if found else None
