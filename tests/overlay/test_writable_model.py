"""The writable union against one ordinary file system in memory: random sequences of operations, over random layers, in both encodings."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings

from oboromi_fs import HostFs, Layer, MemoryFs, UnionFs
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.upper import UpperLayer
from oboromi_fs.overlay.writable import WritableUnionFs
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oboromi_fs.overlay.markers import Encoding
    from oboromi_fs.protocols import FileSystem

NAMES = ("a", "b", "c")
CASED = ("a", "A", "b", "B")
Tree = dict[str, Any]
"""Name -> bytes, or such a dictionary."""


class Model:
    """What an ordinary file system does, by nested dictionaries. Where it folds case, a name keeps the spelling it was made with."""

    def __init__(self, *, fold: bool = False) -> None:
        self.root: Tree = {}
        self.fold = fold

    def spelling(self, directory: Tree, name: str) -> str:
        if self.fold:
            return next((known for known in directory if fold_case(known) == fold_case(name)), name)
        return name

    def fail(self, number: int) -> OSError:
        return OSError(number, os.strerror(number))

    def parent(self, path: str) -> tuple[Tree, str]:
        here: Any = self.root
        *parents, last = path.split("/")
        for name in parents:
            if not isinstance(here, dict):
                raise self.fail(errno.ENOTDIR)
            here = here.get(self.spelling(here, name))
            if here is None:
                raise self.fail(errno.ENOENT)
        if not isinstance(here, dict):
            raise self.fail(errno.ENOTDIR)
        return here, self.spelling(here, last)

    def get(self, path: str) -> bytes | Tree:
        directory, name = self.parent(path)
        if name not in directory:
            raise self.fail(errno.ENOENT)
        found: bytes | Tree = directory[name]
        return found

    def data(self, path: str) -> bytes:
        found = self.get(path)
        if isinstance(found, dict):
            raise self.fail(errno.EISDIR)
        return found

    def put(self, path: str, data: bytes, *, new: bool = False) -> None:
        directory, name = self.parent(path)
        if name in directory and new:
            raise self.fail(errno.EEXIST)
        if isinstance(directory.get(name), dict):
            raise self.fail(errno.EISDIR)
        directory[name] = data

    # Each operation has the name and the arguments of the union's.

    def write_bytes(self, path: str, data: bytes) -> None:
        self.put(path, data)

    def create(self, path: str) -> None:
        self.put(path, b"", new=True)

    def append(self, path: str, data: bytes) -> None:
        directory, name = self.parent(path)
        self.put(path, (self.data(path) if name in directory else b"") + data)

    def patch(self, path: str, offset: int, data: bytes) -> None:
        old = self.data(path)
        if data:
            self.put(path, old[:offset].ljust(offset, b"\0") + data + old[offset + len(data) :])

    def exclusive(self, path: str, data: bytes) -> None:
        self.put(path, data, new=True)

    def truncate(self, path: str, size: int) -> None:
        self.put(path, self.data(path)[:size].ljust(size, b"\0"))

    def unlink(self, path: str) -> None:
        self.data(path)
        directory, name = self.parent(path)
        del directory[name]

    def mkdir(self, path: str) -> None:
        directory, name = self.parent(path)
        if name in directory:
            raise self.fail(errno.EEXIST)
        directory[name] = {}

    def makedirs(self, path: str) -> None:
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            directory, name = self.parent("/".join(names[:depth]))
            if not isinstance(directory.setdefault(name, {}), dict):
                raise self.fail(errno.EEXIST if depth == len(names) else errno.ENOTDIR)

    def rmdir(self, path: str) -> None:
        found = self.get(path)
        if not isinstance(found, dict):
            raise self.fail(errno.ENOTDIR)
        if found:
            raise self.fail(errno.ENOTEMPTY)
        directory, name = self.parent(path)
        del directory[name]

    def rename(self, old: str, new: str) -> None:
        source, old_name = self.parent(old)
        target, new_name = self.parent(new)
        moved = self.get(old)
        if source is target and old_name == new_name:
            return
        if isinstance(moved, dict) and self.holds(moved, target):
            raise self.fail(errno.EINVAL)
        there = target.get(new_name)
        if isinstance(there, dict) and self.holds(there, source):
            raise self.fail(errno.ENOTEMPTY)
        if isinstance(moved, dict):
            if there is not None and not isinstance(there, dict):
                raise self.fail(errno.ENOTDIR)
            if there:
                raise self.fail(errno.ENOTEMPTY)
        elif isinstance(there, dict):
            raise self.fail(errno.EISDIR)
        del source[old_name]
        target[new_name] = moved

    def holds(self, outer: Tree, inner: Tree) -> bool:
        return outer is inner or any(isinstance(child, dict) and self.holds(child, inner) for child in outer.values())

    def read_bytes(self, path: str) -> bytes:
        return self.data(path)

    def listing(self, path: str) -> list[tuple[str, str, int]]:
        found = self.get(path) if path else self.root
        if not isinstance(found, dict):
            raise self.fail(errno.ENOTDIR)
        return sorted((name, *self.facts(child)) for name, child in found.items())

    def stat(self, path: str) -> tuple[str, int]:
        return self.facts(self.get(path))

    @staticmethod
    def facts(node: bytes | Tree) -> tuple[str, int]:
        return ("directory", 0) if isinstance(node, dict) else ("file", len(node))


class Subject:
    """The union, with the operations of :class:`Model`."""

    def __init__(self, union: WritableUnionFs) -> None:
        self.union = union

    def __getattr__(self, name: str) -> Any:
        return getattr(self.union, name)

    def append(self, path: str, data: bytes) -> None:
        with self.union.open(path, "ab") as stream:
            stream.write(data)

    def patch(self, path: str, offset: int, data: bytes) -> None:
        with self.union.open(path, "r+b") as stream:
            stream.seek(offset)
            stream.write(data)

    def exclusive(self, path: str, data: bytes) -> None:
        with self.union.open(path, "xb") as stream:
            stream.write(data)

    def makedirs(self, path: str) -> None:
        self.union.mkdir(path, parents=True, exist_ok=True)

    def listing(self, path: str) -> list[tuple[str, str, int]]:
        return sorted((entry.name, entry.kind, entry.size) for entry in self.union.read_dir(path))

    def stat(self, path: str) -> tuple[str, int]:
        found = self.union.metadata(path)
        return found.kind, found.size


def content(fs: FileSystem, path: str = "") -> Tree:
    """Everything a file system shows."""
    return {
        entry.name: content(fs, join(path, entry.name)) if entry.kind == "directory" else bytes(fs.storage(join(path, entry.name))[:])
        for entry in fs.read_dir(path)
    }


# Random layers and operations


def some_tree(chance: random.Random, names: tuple[str, ...], depth: int = 3, *, markers: bool = False) -> Tree:
    tree: Tree = {".wh..wh..opq": b""} if markers and chance.random() < 0.2 else {}
    for name in names:
        if markers and chance.random() < 0.2:
            tree[f".wh.{name}"] = b""
        what = chance.random()
        if what < 0.3:
            tree[name] = chance.randbytes(chance.randrange(4))
        elif what < 0.75 and depth > 1:
            tree[name] = some_tree(chance, names, depth - 1, markers=markers)
    return tree


def merge(model: Model, below: Tree, above: Tree) -> None:
    """Lay a tree over another, which is changed."""
    for name in above:
        if name == ".wh..wh..opq":
            below.clear()
        elif name.startswith(".wh."):
            below.pop(name.removeprefix(".wh."), None)
    for name, node in above.items():
        if name.startswith(".wh."):
            continue
        known = model.spelling(below, name)
        if isinstance(node, dict):
            if not isinstance(below.get(known), dict):
                below[known] = {}
            merge(model, below[known], node)
        else:
            below[known] = node


def plant(folder: Path, tree: Tree) -> None:
    folder.mkdir(exist_ok=True)
    for name, node in tree.items():
        if isinstance(node, dict):
            plant(folder / name, node)
        else:
            (folder / name).write_bytes(node)


def flat(tree: Tree, path: str = "") -> Iterator[tuple[str, bytes | None]]:
    for name, node in tree.items():
        if isinstance(node, dict):
            yield join(path, name), None
            yield from flat(node, join(path, name))
        else:
            yield join(path, name), node


class Below(NamedTuple):
    """Lower layers, and what they merge to."""

    layers: list[Layer]
    trees: list[Tree]


def some_below(chance: random.Random, folder: Path | None, *, fold: bool) -> Below:
    names = CASED if fold else NAMES
    trees: list[Tree] = []
    layers: list[Layer] = []
    for number in range(chance.randrange(fold, 4)):  # With no layer that folds, none does.
        tree = some_tree(chance, names, markers=not fold and chance.random() < 0.3)
        if fold:  # One spelling of a name in a layer: several are a matter of tests/overlay/test_union_model.py.
            sole = Model(fold=True)
            merge(sole, sole.root, tree)
            tree = sole.root
        trees.append(tree)
        fs: FileSystem
        if folder is None:
            rows = list(flat(tree))
            fs = MemoryFs({path: data for path, data in rows if data is not None}, [path for path, data in rows if data is None])
        else:
            plant(folder / str(number), tree)
            fs = HostFs(folder / str(number))
        layers.append(Layer(fs, str(number), case="fold" if fold else "exact"))
    return Below(layers, trees)


OPERATIONS = (
    ("write_bytes", "pd"),
    ("create", "p"),
    ("append", "pd"),
    ("patch", "pnd"),
    ("exclusive", "pd"),
    ("truncate", "pn"),
    ("unlink", "p"),
    ("unlink", "p"),
    ("mkdir", "p"),
    ("mkdir", "p"),
    ("makedirs", "p"),
    ("rmdir", "p"),
    ("rmdir", "p"),
    ("rename", "pp"),
    ("rename", "pp"),
    ("rename", "pp"),
    ("read_bytes", "p"),
    ("listing", "p"),
    ("stat", "p"),
)


def some_path(chance: random.Random, names: tuple[str, ...]) -> str:
    return "/".join(chance.choice(names) for _ in range(chance.choice((1, 1, 2, 2, 2, 3))))


def some_operation(chance: random.Random, names: tuple[str, ...]) -> tuple[str, tuple[Any, ...]]:
    name, needs = chance.choice(OPERATIONS)
    makers: dict[str, Callable[[], object]] = {
        "p": lambda: some_path(chance, names),
        "d": lambda: chance.randbytes(chance.randrange(4)),
        "n": lambda: chance.randrange(6),
    }
    return name, tuple(makers[need]() for need in needs)


def outcome(target: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(target, name)(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0)


def run(seed: int, folder: Path, *, fold: bool = False, on_host: bool = False) -> None:
    """One sequence; the failure tells the seed and what was done."""
    chance = random.Random(seed)
    names = CASED if fold else NAMES
    lower = folder / "lower"
    upper = folder / "upper"
    if on_host:
        lower.mkdir()
    below = some_below(chance, lower if on_host else None, fold=fold)
    before = facts(lower) if on_host else {}
    model = Model(fold=fold)
    for tree in below.trees:
        merge(model, model.root, tree)
    encodings: tuple[Encoding, Encoding] = ("oci", "overlayfs")
    markers = chance.choice(encodings)
    subject = Subject(WritableUnionFs(below.layers, UpperLayer(upper, markers)))
    done: list[object] = [f"seed {seed}, fold={fold}, {markers}, {below.trees}"]
    for _ in range(chance.randrange(2, 16)):
        operation = some_operation(chance, names)
        done.append(operation)
        expected, given = outcome(model, *operation), outcome(subject, *operation)
        assert given == expected, done
        what = chance.random()
        if what < 0.1:  # Opened again, and what it goes on with may be the other encoding.
            done.append("again")
            subject = Subject(WritableUnionFs(below.layers, UpperLayer(upper, chance.choice(encodings))))
        elif what < 0.2:
            assert content(subject.union) == model.root, done
    assert content(subject.union) == model.root, done
    top = Layer(HostFs(upper), "upper", case="fold" if fold else "exact")
    assert content(UnionFs([*below.layers, top])) == model.root, done
    assert not [name for _, dirs, files in os.walk(upper) for name in dirs + files if name.startswith(".wh..wh.oboromi")], done
    assert facts(lower) == before if on_host else not lower.exists()


def facts(folder: Path) -> dict[str, Any]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.test", b"1")
    except (AttributeError, OSError):
        return False
    return True


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder in memory where there is such a thing, with extended attributes: there are thousands of sequences."""
    for parent in (Path("/dev/shm"), None):
        if parent is None or (parent.is_dir() and os.access(parent, os.W_OK)):
            folder = Path(tempfile.mkdtemp(dir=parent))
            if has_attributes(folder):
                yield folder
                shutil.rmtree(folder)
                return
            shutil.rmtree(folder)
    pytest.skip("no folder here has extended attributes")


def seeds(count: int) -> range:
    profile = settings()
    start = 0 if profile.derandomize else random.randrange(1 << 40)
    return range(start, start + count * max(profile.max_examples // 100, 1))


def run_all(ground: Path, count: int, **options: bool) -> None:
    for seed in seeds(count):
        folder = ground / str(seed)
        folder.mkdir()
        run(seed, folder, **options)
        shutil.rmtree(folder)


@pytest.mark.fuzz
def test_it_is_one_ordinary_file_system(ground: Path) -> None:
    run_all(ground, 1200)


@pytest.mark.fuzz
def test_over_host_folders_which_never_change(ground: Path) -> None:
    run_all(ground, 150, on_host=True)


@pytest.mark.fuzz
def test_U12_over_layers_that_fold_case(ground: Path) -> None:
    run_all(ground, 300, fold=True)
