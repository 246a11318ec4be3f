"""Layers drawn at random, small and full of clashes; and what they are as real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hypothesis import strategies as st

from oboromi_fs import MemoryFs
from oboromi_fs.overlay.layer import Layer
from tests.overlay.model import ModelLayer, join, parents

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("a", "A", "b", "B", "ä")
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
"""Paths that are often the same, often but for case, and often one above another."""

cases = st.sampled_from(["exact", "fold"])


@st.composite
def model_layers(
    draw: st.DrawFn,
    *,
    case: st.SearchStrategy[str] = cases,
    markers: bool = True,
    mounts: bool = True,
) -> ModelLayer:
    """One layer: files, directories, whiteouts and opaque directories.

    Args:
        draw: Hypothesis'.
        case: What its case policy is drawn from.
        markers: Whether it may have whiteouts and opaque directories.
        mounts: Whether it may be mounted elsewhere than at the root.
    """
    dirs: set[str] = set(draw(st.lists(paths, max_size=2)))
    whiteouts: set[str] = set(draw(st.lists(paths, max_size=2))) if markers else set()
    opaque: set[str] = set(draw(st.lists(st.one_of(paths, st.just("")), max_size=1))) if markers else set()
    taken = {parent for path in [*dirs, *whiteouts, *opaque] for parent in parents(path)} | dirs | opaque
    files: dict[str, bytes] = {}
    for number, path in enumerate(draw(st.lists(paths, max_size=6))):
        if path in taken or path in files or any(parent in files for parent in parents(path)):
            continue
        taken |= set(parents(path))
        files[path] = b"%d %s" % (number, path.encode())
    policy: Literal["exact", "fold"] = "fold" if draw(case) == "fold" else "exact"
    at = draw(st.sampled_from(["", "", "", "a", "A/b"])) if mounts else ""
    return ModelLayer(files, dirs, whiteouts, opaque, policy, at)


def stacks(
    *, most: int = 4, case: st.SearchStrategy[str] = cases, markers: bool = True, mounts: bool = True
) -> st.SearchStrategy[list[ModelLayer]]:
    """Layers, low to high."""
    return st.lists(model_layers(case=case, markers=markers, mounts=mounts), min_size=1, max_size=most)


def same_case_stacks(*, most: int = 4, markers: bool = True, mounts: bool = True) -> st.SearchStrategy[list[ModelLayer]]:
    """Layers of one case policy, whichever it is."""
    return cases.flatmap(lambda case: stacks(most=most, case=st.just(case), markers=markers, mounts=mounts))


def memory_fs(model: ModelLayer) -> MemoryFs:
    """A layer's files, with OCI markers."""
    files: dict[str, bytes] = dict(model.files)
    for path in model.whiteouts:
        parent, _, name = path.rpartition("/")
        files[join(parent, f".wh.{name}")] = b""
    files |= {join(path, ".wh..wh..opq"): b"" for path in model.opaque}
    return MemoryFs(files, dirs=sorted(model.dirs))


def real_layers(models: Sequence[ModelLayer]) -> list[Layer]:
    """What the models are models of; named by their number."""
    return [Layer(memory_fs(model), f"layer {number}", case=model.case, at=model.at, markers=True) for number, model in enumerate(models)]


def asked(models: Sequence[ModelLayer]) -> list[str]:
    """Paths worth asking for: all there are in any layer, and all there could be of few names."""
    found = {path for model in models for path in model.entries}
    found |= {model.place(path) for model in models for path in model.whiteouts}
    return sorted(found | {"b/a", "a/B/c", "c"})
