"""A pytest plugin: tests of a load order, so that it is known which layer wins, and whether it still does.

The fixture ``overlay`` opens a stack file, or layers given as literals, and has assertions about what comes of them::

    def test_the_texture_pack_wins(overlay):
        mods = overlay("mods.toml")
        mods.assert_winner("textures/hero.tex", "texture pack")
        mods.assert_no_drift("mods.lock.json")

``pytest --update-overlay-locks`` writes the locks anew instead of comparing with them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from oboromi_fs.jobs.stack import Stack
    from oboromi_fs.opening.opener import KeysType
    from oboromi_fs.overlay import UnionFs

__all__ = ["CheckedOverlay", "overlay", "pytest_addoption"]

Literals: TypeAlias = "Mapping[str, Mapping[str, bytes | str | None]]"
"""Layers by name, lowest first: path -> contents; None is a whiteout."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option of the plugin."""
    group = parser.getgroup("oboromi", "layers of mods")
    group.addoption("--update-overlay-locks", action="store_true", help="write the locks that assert_no_drift compares with")


@pytest.fixture
def overlay(request: pytest.FixtureRequest) -> Iterator[Callable[..., CheckedOverlay]]:
    """Open layers: ``overlay("mods.toml")``, whose path counts from the test's folder, or ``overlay({"base": {...}, "mod": {...}})``.

    They are closed after the test. ``keys=`` gives the keys for encrypted layers, ``case="fold"`` the case policy of literal ones.
    """
    folder = os.fspath(request.path.parent)
    opened: list[CheckedOverlay] = []

    def open_overlay(layers: str | os.PathLike[str] | Literals, *, keys: KeysType = None, case: str = "exact") -> CheckedOverlay:
        stack = _literal(layers, case) if hasattr(layers, "items") else _from_file(os.path.join(folder, layers), keys)
        checked = CheckedOverlay(stack, folder, update=request.config.getoption("--update-overlay-locks"))
        opened.append(checked)
        return checked

    yield open_overlay
    for checked in opened:
        checked.stack.close()


def _from_file(path: str, keys: KeysType) -> Stack:
    from oboromi_fs.jobs.stack import open_stack
    from oboromi_fs.jobs.stackfile import read_stack
    from oboromi_fs.opening import Opener

    return open_stack(read_stack(path), Opener(keys), forgiving=False)


def _literal(layers: Any, case: Any) -> Stack:
    from oboromi_fs.backends.memory import MemoryFs
    from oboromi_fs.jobs.stack import Stack
    from oboromi_fs.jobs.stackfile import StackSpec
    from oboromi_fs.overlay import Layer, UnionFs

    made: list[Layer] = []
    for name, files in layers.items():
        if not hasattr(files, "items"):
            message = f"layer {name!r} is to be a mapping of paths to contents, not {files!r}; folders and archives go into a stack file"
            raise TypeError(message)
        contents: dict[str, bytes] = {}
        for path, data in files.items():
            parent, _, last = path.rpartition("/")
            if data is None:
                contents[f"{parent}/.wh.{last}"] = b""
            else:
                contents[path] = data.encode() if isinstance(data, str) else bytes(data)
        made.append(Layer(MemoryFs(contents), name, case=case))
    return Stack(StackSpec(()), UnionFs(made))


class CheckedOverlay:
    """Layers, and assertions about what comes of them. A failure tells what is there instead.

    Args:
        stack: The layers.
        folder: What paths of locks and of expected files count from.
        update: Whether locks are written, not compared with.

    Attributes:
        stack: The layers.
        union: The merged view, a file system.
    """

    def __init__(self, stack: Stack, folder: str, *, update: bool = False) -> None:
        self.stack = stack
        self.union: UnionFs = stack.union
        self._folder = folder
        self._update = update

    def chain(self, path: str) -> list[str]:
        """Return the names of the layers that have a path, low to high; the last wins."""
        return [self.union.layers[provider.source_index].name for provider in self.union.providers(path)]

    def assert_winner(self, path: str, layer: str) -> None:
        """Assert that a layer's version of a file wins."""
        __tracebackhide__ = True
        self._known(layer)
        chain = self.chain(path)
        if not chain or chain[-1] != layer:
            raise AssertionError(f"{path!r} is to come from {layer!r}; {self._story(path)}")

    def assert_chain(self, path: str, layers: Sequence[str]) -> None:
        """Assert which layers have a path, low to high, and no others."""
        __tracebackhide__ = True
        if self.chain(path) != list(layers):
            raise AssertionError(f"{path!r} is to be in {', '.join(layers) or 'no layer'}; {self._story(path)}")

    def assert_missing(self, path: str) -> None:
        """Assert that the merged view does not have a path."""
        __tracebackhide__ = True
        if self.union.exists(path):
            raise AssertionError(f"{path!r} is not to be there; {self._story(path)}")

    def assert_bytes(self, path: str, expected: bytes | str | os.PathLike[str]) -> None:
        """Assert the contents of a file: as bytes, as text, or those of a host file given as a path object."""
        __tracebackhide__ = True
        if isinstance(expected, os.PathLike):
            with open(os.path.join(self._folder, expected), "rb") as stream:
                wanted = stream.read()
        else:
            wanted = expected.encode() if isinstance(expected, str) else bytes(expected)
        found = self.union.read_bytes(path)
        if found != wanted:
            at = next(
                (index for index, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), min(len(found), len(wanted))
            )
            sizes = f"{len(found)} bytes, {len(wanted)} expected, the first difference at {at:#x}"
            raise AssertionError(f"{path!r} has other contents: {sizes}; {self._story(path)}")

    def conflicts(self) -> dict[str, list[str]]:
        """Return every file that several layers have: path -> names of the layers, low to high."""
        found: dict[str, list[str]] = {}
        for path, entry in self.union.walk():
            if entry.kind == "file" and len(chain := self.chain(path)) > 1:
                found[path] = chain
        return found

    def assert_conflicts(self, expected: Mapping[str, Sequence[str]]) -> None:
        """Assert exactly which files several layers have: path -> names of the layers, low to high."""
        __tracebackhide__ = True
        found = self.conflicts()
        wanted = {path: list(chain) for path, chain in expected.items()}
        lines = [f"  {path}: {' < '.join(found[path])}, not expected" for path in found if path not in wanted]
        lines += [
            f"  {path}: {' < '.join(wanted[path])} expected; {self._story(path)}" for path in wanted if found.get(path) != wanted[path]
        ]
        if lines:
            raise AssertionError("\n".join(["other conflicts than expected:", *lines]))

    def assert_no_drift(self, lock: str | os.PathLike[str]) -> None:
        """Assert that every winner is as a lock has it (``oboromi overlay lock``); with ``--update-overlay-locks``, write the lock."""
        __tracebackhide__ = True
        from oboromi_fs.jobs.locking import lock_union
        from oboromi_fs.overlay.drift import drift
        from oboromi_fs.overlay.lock import Lock

        path = os.path.join(self._folder, lock)
        if self._update:
            known = os.path.exists(path)
            lock_union(self.union, algorithm=Lock.read(path).algorithm if known else "blake3").write(path)
            return
        if not os.path.exists(path):
            raise AssertionError(f"there is no lock {path}: run pytest --update-overlay-locks to write it")
        old = Lock.read(path)
        report = drift(old, lock_union(self.union, algorithm=old.algorithm))
        if report.entries:
            lines = [f"  {found.kind}: {found.key}" for found in report.entries]
            raise AssertionError("\n".join([f"{len(lines)} differences from {os.fspath(lock)}:", *lines]))

    def assert_valid(self) -> None:
        """Assert that every layer can be listed to its end, and that nothing in it is ambiguous."""
        __tracebackhide__ = True
        from oboromi_fs.jobs.validating import validate_stack

        failed = [f"  {check.layer}: {check.detail}" for check in validate_stack(self.stack) if check.status == "failed"]
        if failed:
            raise AssertionError("\n".join(["not valid:", *failed]))

    def _known(self, layer: str) -> None:
        self.union.index(layer)

    def _story(self, path: str) -> str:
        """What is there instead."""
        explained = self.union.explain(path)
        names = self.union.layers
        parts = []
        if explained.chain:
            parts.append("it is in " + " < ".join(names[each.source_index].name for each in explained.chain))
        parts += [
            f"hidden in {names[each.provider.source_index].name} by {names[each.by].name} ({each.reason})" for each in explained.hidden
        ]
        return ", ".join(parts) or "no layer has it"
