"""The index against the model: whatever the layers, and whatever is done to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import LayerError
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Layer, LayerKind
from tests.overlay import model as m
from tests.overlay.model import ModelLayer
from tests.overlay.strategies import asked, model_layers, real_layers, same_case_stacks, stacks
from tests.overlay.strategies import paths as union_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def key(models: Sequence[ModelLayer], path: str) -> str:
    return m.fold(path) if all(model.case == "fold" for model in models) else path


def clean(models: Sequence[ModelLayer]) -> bool:
    """Whether no folding layer has a path both as a file and as a directory, of which the index keeps one."""
    for model in models:
        if model.case == "fold":
            kinds: dict[str, set[str]] = {}
            for path, kind in model.entries.items():
                kinds.setdefault(m.fold(path), set()).add(kind)
            if any(len(each) > 1 for each in kinds.values()):
                return False
    return True


def check(index: ProviderIndex, models: Sequence[ModelLayer]) -> None:
    expected = {key(models, path) for path in m.files(models)}
    assert list(index.keys()) == sorted(expected, key=m.raw)
    assert len(index) == len(expected)
    for path in sorted(expected):
        chain = [(version.layer, models[version.layer].inner(version.spelled)) for version in m.chain(models, path)]
        assert [(each.source_index, each.original_path) for each in index.chain(path)] == chain, path
        explained = index.explain(path)
        assert [(each.source_index, each.original_path) for each in explained.chain] == chain
        hidden = [(each.layer, models[each.layer].inner(each.spelled), each.reason, each.by) for each in m.hidden(models, path)]
        found = [(each.provider.source_index, each.provider.original_path, each.reason, each.by) for each in explained.hidden]
        assert found == hidden, path
        winner = index.winner(path)
        assert winner == index.chain(path)[-1]
        assert path in index


@given(same_case_stacks())
def test_winners_chains_and_what_is_hidden_are_those_of_the_model(models: list[ModelLayer]) -> None:
    index = ProviderIndex.build(real_layers(models))
    if clean(models):
        check(index, models)
    for path in asked(models):
        asked_for = key(models, path)
        chain = [(each.layer, models[each.layer].inner(each.spelled)) for each in m.chain(models, asked_for)]
        assert [(each.source_index, each.original_path) for each in index.chain(asked_for)] == chain
        hidden = [(each.layer, each.reason, each.by) for each in m.hidden(models, asked_for)]
        assert [(each.provider.source_index, each.reason, each.by) for each in index.explain(asked_for).hidden] == hidden


@given(stacks().filter(clean))
def test_so_they_are_where_some_layers_fold_case_and_others_do_not(models: list[ModelLayer]) -> None:
    check(ProviderIndex.build(real_layers(models)), models)


@given(stacks().filter(clean))
def test_rows_are_in_the_order_that_a_state_promises(models: list[ModelLayer]) -> None:
    state = ProviderIndex.build(real_layers(models)).state
    rows = state.rows
    found: dict[tuple[int, int], list[str]] = {}
    for row, spelled in enumerate(rows.spelled.tolist()):
        path = state.names.path(int(rows.keys[row]))
        assert (state.spelled(row) == path) == (spelled == -1)
        found.setdefault((int(rows.keys[row]), int(rows.sources[row])), []).append(state.spelled(row))
    assert [*found] == sorted(found)
    for (number, _), spellings in found.items():
        path = state.names.path(number)
        assert spellings == sorted(spellings, key=lambda each: (state.mode == "mixed" and each == path, m.raw(each)))
    everything = state.all_rows
    assert everything.keys[: len(rows)].tolist() == rows.keys.tolist()
    assert len(everything) == len(rows) + len(state.aside)
    assert all(number < len(state.names) for number in state.aside.keys.tolist())


def without(model: ModelLayer, gone: Callable[[str], bool]) -> ModelLayer:
    """A layer without some files; its directories stay."""
    paths = [path for path in model.files if gone(model.place(path))]
    dirs = model.dirs | {parent for path in paths for parent in m.parents(path)}
    return replace(model, files={path: data for path, data in model.files.items() if path not in paths}, dirs=dirs)


def may_hold(model: ModelLayer, path: str) -> bool:
    """Whether a layer may have a file at a path of the union: below where it is mounted, with no file above it and nothing below."""
    if model.at and not path.startswith(model.at + "/"):
        return False
    if any(model.place(each).startswith(path + "/") for each in [*model.files, *model.whiteouts, *model.opaque]):
        return False
    if path in map(model.place, model.opaque):
        return False
    return not any(model.place(file) == parent for file in model.files for parent in m.parents(path))


class Twins:
    """An index and the layers it is an index of, changed alike."""

    def __init__(self, data: st.DataObject, models: list[ModelLayer]) -> None:
        self.data = data
        self.models = models
        self.fold = all(model.case == "fold" for model in models)
        self.index = ProviderIndex.build(real_layers(models))

    def drop(self, number: int, path: str, *, below: bool = False) -> None:
        """Take a file, or all below a path, from a layer of the model."""
        model = self.models[number]
        self.models[number] = without(model, lambda each: any(model.same(one, path) for one in [each, *(m.parents(each) if below else [])]))

    def path(self) -> str:
        """A file of the union, if there is one."""
        return self.data.draw(st.sampled_from(sorted(m.files(self.models)) or ["none"]))

    def number(self) -> int:
        return self.data.draw(st.integers(0, len(self.models) - 1))

    def remove_winner(self) -> None:
        path = self.path()
        expected = m.winner(self.models, path)
        found = self.index.remove_winner(path)
        assert (found and found.source_index) == (expected and expected.layer)
        if expected:
            model = self.models[expected.layer]
            self.models[expected.layer] = without(model, lambda each: each == expected.spelled)

    def remove_provider(self) -> None:
        path, number = self.path(), self.number()
        self.index.remove_provider(path, number)
        self.drop(number, path)

    def remove_source(self) -> None:
        number = self.number()
        self.index.remove_source(number)
        self.models[number] = ModelLayer(case=self.models[number].case)

    def remove_provider_prefix(self) -> None:
        prefix, number = self.path().partition("/")[0], self.number()
        self.index.remove_provider_prefix(prefix, number)
        self.drop(number, prefix, below=True)

    def remove_resolved_file(self) -> None:
        path = self.path()
        self.index.remove_resolved_file(path)
        for number in range(len(self.models)):
            self.drop(number, path)

    def remove_resolved_prefix(self) -> None:
        path = self.path()
        self.index.remove_resolved_prefix(path)
        for number in range(len(self.models)):
            self.drop(number, path, below=True)

    def push_directory(self) -> None:
        case = st.just("fold" if self.fold else "exact")
        self.models.append(self.data.draw(model_layers(case=case).filter(lambda model: clean([model]))))
        assert self.index.push_directory(real_layers(self.models)[-1]) == len(self.models) - 1

    def push_provider(self) -> None:
        number = self.number()
        model = self.models[number]
        path = self.data.draw(union_paths)
        if any(each.case == "fold" for each in self.models):
            if not self.fold or any(each != m.fold(each) for each in model.entries) or m.fold(path) in map(model.place, model.files):
                return  # The model would have to say which of two spellings is replaced.
            path = m.fold(path)
        if may_hold(model, path):
            dirs = {each for each in model.dirs if not f"{model.place(each)}/".startswith(f"{path}/")}
            self.models[number] = replace(model, files={**model.files, model.inner(path): b"new"}, dirs=dirs)
            assert self.index.push_provider(path, number, model.inner(path)) == number
        elif not model.at:
            with pytest.raises(LayerError):
                self.index.push_provider(path, number)


@settings(max_examples=60)
@given(data=st.data(), models=stacks(most=3).filter(clean))
def test_so_they_are_after_any_changes(data: st.DataObject, models: list[ModelLayer]) -> None:
    twins = Twins(data, models)
    changes = [
        twins.remove_winner,
        twins.remove_provider,
        twins.remove_source,
        twins.remove_provider_prefix,
        twins.remove_resolved_file,
        twins.remove_resolved_prefix,
        twins.push_directory,
        twins.push_provider,
    ]
    for number in data.draw(st.lists(st.integers(0, len(changes) - 1), min_size=1, max_size=4)):
        changes[number]()
        check(twins.index, twins.models)


@given(models=st.lists(st.tuples(model_layers(markers=False), st.sampled_from(["directory", "archive"])), min_size=1, max_size=4))
def test_V5_V9_so_they_are_in_the_profile_of_openmw(models: list[tuple[ModelLayer, LayerKind]]) -> None:
    layers = real_layers([model for model, _ in models])
    kinds = [kind for _, kind in models]
    index = ProviderIndex.build(
        [Layer(layer.fs, layer.name, kind, layer.case, layer.at, markers=False) for layer, kind in zip(layers, kinds, strict=True)],
        profile="openmw",
    )
    stacks: dict[str, list[tuple[str, str]]] = {}
    folders: set[str] = set()
    dropped: list[tuple[str, str]] = []
    for number in sorted(range(len(models)), key=lambda number: kinds[number] == "directory"):
        model = models[number][0]
        for path in sorted(map(model.place, model.files), key=m.raw):
            folded = m.fold(path)
            if folded in folders or any(parent in stacks for parent in m.parents(folded)):
                dropped.append((f"layer {number}", path))
            else:
                stacks.setdefault(folded, []).append((f"layer {number}", model.inner(path)))
                folders.update(m.parents(folded))
    assert {key: [(each.source.path, each.original_path) for each in index.chain(key)] for key in index} == stacks
    assert sorted((problem.layer, problem.path) for problem in index.skipped) == sorted(dropped)
