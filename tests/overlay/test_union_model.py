"""UnionFs against the rules in their plainest form: any layers, whatever they hold, in memory and on the host."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import HostFs, Layer, MemoryFs, RomFs, UnionFs
from oboromi_fs.builders.romfs import build_romfs, write
from oboromi_fs.jobs.materialise import collapse
from oboromi_fs.testing import check_filesystem
from tests.overlay import model
from tests.overlay.model import ModelLayer

NAMES = st.sampled_from(["a", "A", "b", "é", "É", "\udce9"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ASKED = st.one_of(st.just(""), PATHS)


@st.composite
def layers(draw: st.DrawFn, *, cases: tuple[str, ...] = ("exact", "fold"), mounts: bool = True) -> ModelLayer:
    """One layer that can be: no path of it is a file and a directory at once."""
    files: dict[str, bytes] = {}
    dirs: set[str] = set()
    for number, path in enumerate(draw(st.lists(PATHS, max_size=5, unique=True))):
        if not any(parent in files for parent in model.parents(path)) and not any(
            other.startswith(path + "/") for other in (*files, *dirs)
        ):
            files[path] = b"%d" % number
    for path in draw(st.lists(PATHS, max_size=2)):
        if not any(parent in files for parent in (*model.parents(path), path)):
            dirs.add(path)
    folders = {"", *dirs, *(parent for path in files for parent in model.parents(path))}
    whiteouts = {
        path
        for path in draw(st.lists(PATHS, max_size=2))
        if path.rpartition("/")[0] in folders and path not in files and path not in folders
    }
    opaque = set(draw(st.lists(st.sampled_from(sorted(folders, key=model.raw)), max_size=1)))
    at = draw(st.sampled_from(["", "", "a", "b/a"])) if mounts else ""
    case = draw(st.sampled_from(cases))
    return ModelLayer(files, dirs, whiteouts, opaque, case, at)  # type: ignore[arg-type]


def in_memory(layer: ModelLayer, name: str) -> Layer:
    files = dict(layer.files)
    for path in layer.whiteouts:
        parent, _, last = path.rpartition("/")
        files[model.join(parent, f".wh.{last}")] = b""
    for path in layer.opaque:
        files[model.join(path, ".wh..wh..opq")] = b""
    return Layer(MemoryFs(files, layer.dirs), name, case=layer.case, at=layer.at)


def on_host(layer: ModelLayer, name: str, root: Path) -> Layer:
    for path in layer.dirs:
        (root / path).mkdir(parents=True, exist_ok=True)
    for path, data in in_memory(layer, name).fs._files.items():  # type: ignore[attr-defined]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(bytes(data[:]))
    return Layer(HostFs(root), name, case=layer.case, at=layer.at)


def agree(union: UnionFs, plain: list[ModelLayer], asked: list[str]) -> None:
    """Everything a union says is what the model says."""
    for path in ["", *(path for path, _ in model.walk(plain)), *asked]:
        names = model.listing(plain, path)
        kind = model.kind_of(plain, path)
        assert union.exists(path) == (kind is not None), path
        if kind is not None:
            assert union.metadata(path).kind == kind, path
        if names is not None:
            assert {entry.name: entry.kind for entry in union.read_dir(path)} == names, path
        if kind == "file":
            assert union.read_bytes(path) == model.read(plain, path)
        explained = union.explain(path)
        chain = [(each.source_index, plain[each.source_index].place(each.original_path)) for each in explained.chain]
        if kind == "file":
            assert chain == [tuple(version) for version in model.chain(plain, path)], path
    walked = [path for path, _ in union.walk()]
    assert sorted(walked, key=model.raw) == sorted((path for path, _ in model.walk(plain)), key=model.raw)
    assert {path: (layer, plain[layer].place(inner)) for path, entry, layer, inner in union.winners() if entry.kind == "file"} == {
        path: tuple(version) for path, kind in model.walk(plain) if kind == "file" and (version := model.winner(plain, path))
    }


@given(st.lists(layers(), max_size=4), st.lists(ASKED, max_size=6))
def test_union_in_memory(plain: list[ModelLayer], asked: list[str]) -> None:
    union = UnionFs([in_memory(layer, f"layer {number}") for number, layer in enumerate(plain)])
    if plain:
        agree(union, plain, asked)


@given(st.lists(layers(), min_size=1, max_size=3), st.lists(ASKED, max_size=4))
def test_union_on_the_host(plain: list[ModelLayer], asked: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        union = UnionFs([on_host(layer, str(number), make(Path(folder, str(number)))) for number, layer in enumerate(plain)])
        agree(union, plain, asked)


def make(path: Path) -> Path:
    path.mkdir()
    return path


@given(st.lists(layers(), min_size=1, max_size=4), st.lists(ASKED, max_size=6))
def test_hidden_versions(plain: list[ModelLayer], asked: list[str]) -> None:
    union = UnionFs([in_memory(layer, f"layer {number}") for number, layer in enumerate(plain)])
    for path in {*asked, *(layer.place(path) for layer in plain for path in layer.files)}:
        found = [
            (each.provider.source_index, plain[each.provider.source_index].place(each.provider.original_path), each.reason, each.by)
            for each in union.explain(path).hidden
            if each.provider.original_path in plain[each.provider.source_index].files
        ]
        assert found == [tuple(version) for version in model.hidden(plain, path)], path


@settings(max_examples=10)  # The suite asks a great deal of each.
@given(st.lists(layers(), min_size=1, max_size=3))
def test_a_union_passes_the_conformance_suite(plain: list[ModelLayer]) -> None:
    union = UnionFs([in_memory(layer, f"layer {number}") for number, layer in enumerate(plain)])
    check_filesystem(union, expected=model.files(plain), sample=4, threads=2)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_union_of_unions(count: int) -> None:
    parts = [Layer(MemoryFs({"a": b"%d" % number, f"own{number}": b""}), f"part {number}") for number in range(4)]
    nested = UnionFs([*parts[:count], Layer(UnionFs(parts[count:]), "rest")])
    assert [entry.name for entry in nested.read_dir("")] == ["a", "own0", "own1", "own2", "own3"]
    assert nested.read_bytes("a") == b"3"


@settings(max_examples=40)
@given(st.lists(layers(), min_size=1, max_size=3))
def test_the_virtual_image_the_written_one_and_that_of_the_collapsed_folder_are_one(plain: list[ModelLayer]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        union = UnionFs([on_host(layer, str(number), make(Path(folder, str(number)))) for number, layer in enumerate(plain)])
        image = build_romfs(union)
        write(image, Path(folder, "image"))
        collapse(union, Path(folder, "collapsed"))
        assert Path(folder, "image").read_bytes() == image.tobytes() == build_romfs(HostFs(Path(folder, "collapsed"))).tobytes()
        assert {path: RomFs(image).read_bytes(path) for path in model.files(plain)} == model.files(plain)
