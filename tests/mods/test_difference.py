"""Mods that hold what differs: what is made of two trees makes one of the other, and holds nothing of it."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import CorruptError, FormatError, HostFs, IntegrityError, MemoryFs, OboromiFsError, UnsafePathError, UnsupportedError
from oboromi_fs.delta import vcdiff
from oboromi_fs.jobs.diffmod import make_difference
from oboromi_fs.mods.difference import Difference, is_difference, open_difference, read_difference
from oboromi_fs.overlay import Layer, UnionFs
from oboromi_fs.storage.digested import digest_of
from oboromi_fs.testing import check_filesystem
from tests.delta.test_matching import noise, versions

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs import FileSystem, Storage

NAMES = ("a", "b", "c/d", "c/e/f", "c", "b/x", "g")


def contents(fs: FileSystem) -> dict[str, bytes | None]:
    """Every path with its bytes; None for a directory."""
    found: dict[str, bytes | None] = {}
    pending = [""]
    while pending:
        path = pending.pop()
        for entry in fs.read_dir(path):
            inner = f"{path}/{entry.name}" if path else entry.name
            if entry.kind == "directory":
                pending.append(inner)
                found[inner] = None
            else:
                with fs.open(inner) as file:
                    found[inner] = file.read()
                assert entry.size == len(found[inner] or b"")
    return found


def tree(files: dict[str, bytes | None]) -> MemoryFs:
    """A tree; a path that lies in a file is left out."""
    kept: dict[str, bytes | None] = {}
    for path, data in files.items():
        parts = path.split("/")
        if not any(kept.get("/".join(parts[:depth])) is not None for depth in range(1, len(parts))) and not any(
            other.startswith(path + "/") for other in kept
        ):
            kept[path] = data
    return MemoryFs({path: data for path, data in kept.items() if data is not None}, [path for path, data in kept.items() if data is None])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[MemoryFs, MemoryFs]:
    """Two trees: the second has files of the first, edited, elsewhere, or gone; and new ones of the same pieces."""
    made = [draw(versions()) for _ in range(draw(st.integers(1, 3)))]
    texts = [text for pair in made for text in pair]
    names = st.sampled_from(NAMES)
    old = draw(st.dictionaries(names, st.one_of(st.none(), st.sampled_from(texts)), max_size=5))
    new = {**old, **draw(st.dictionaries(names, st.one_of(st.none(), st.sampled_from(texts), st.binary(max_size=9)), max_size=4))}
    for name in draw(st.lists(names, max_size=3)):
        new.pop(name, None)
    return tree(old), tree(new)


def runs_of_the_base(base: FileSystem, folder: str) -> list[tuple[str, int]]:
    """Where in the stored files of a mod 64 bytes stand that stand in a file of the base."""
    there = {data[at : at + 64] for data in contents(base).values() if data is not None for at in range(len(data) - 63)}
    found: list[tuple[str, int]] = []
    for root, _, names in os.walk(folder):
        for name in names:
            if name == "mod.toml":
                continue
            with open(os.path.join(root, name), "rb") as file:
                data = file.read()
            found += [(name, at) for at in range(len(data) - 63) if data[at : at + 64] in there]
    return found


def mounted(base: FileSystem, folder: str) -> UnionFs:
    return UnionFs([base, Layer(open_difference(HostFs(folder), base), "mod")])


@given(pairs(), st.sampled_from([50, 1 << 20]))
def test_the_mount_is_the_changed_tree_and_the_mod_holds_nothing_of_the_base(trees: tuple[MemoryFs, MemoryFs], window: int) -> None:
    base, changed = trees
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(vcdiff, "WINDOW", window)
        mod = os.path.join(folder, "mod")
        report = make_difference(base, changed, mod)
        if not report:
            assert contents(base) == contents(changed)
            assert os.listdir(folder) == []
            return
        assert os.listdir(folder) == ["mod"]
        with mounted(base, mod) as union:
            assert contents(union) == contents(changed)
        assert runs_of_the_base(base, mod) == []
        assert report.size == sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(mod) for name in names)


def test_literals_that_are_apart_do_not_come_to_lie_together(tmp_path: Path) -> None:
    # Three pieces of a run are no match by themselves; in the delta they would be one behind the other.
    run, other = noise(1, 93), noise(2, 200)
    changed = MemoryFs({"a": run[:31] + other + run[31:62] + other + run[62:], "b": run})
    base = MemoryFs({"a": other, "b": run})
    make_difference(base, changed, str(tmp_path / "mod"))
    assert runs_of_the_base(base, str(tmp_path / "mod")) == []
    assert contents(mounted(base, str(tmp_path / "mod"))) == contents(changed)


def test_what_is_in_the_folder(tmp_path: Path) -> None:
    one, two = noise(1, 5000), noise(2, 300)
    base = MemoryFs({"data/a": one, "data/b": two, "old/x": b"1", "old/y": b"2", "same": b"same", "kind": b"file"})
    changed = MemoryFs(
        {"data/a": one[:99] + b"!" + one[100:], "moved": two, "new": b"new", "same": b"same", "kind/in": b"a dir"},
        ["data/empty", "void/in"],
    )
    report = make_difference(base, changed, str(tmp_path / "mod"))
    assert report.deleted == ["data/b", "old"]
    assert report.directories == ["data/empty", "void/in"]
    assert report.new == ["new", "kind/in"]
    assert [(path, size) for path, size, _ in report.patched] == [("data/a", 5000), ("moved", 300)]
    assert all(size < 40 for _, _, size in report.patched)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "mod/deltas/0.vcdiff",
        "mod/deltas/1.vcdiff",
        "mod/files/kind/in",
        "mod/files/new",
        "mod/mod.toml",
    ]
    digest = sha256(two).hexdigest()
    told = (
        f'[[patched]]\npath = "moved"\nsize = 300\nsha256 = "{digest}"\ndelta = "deltas/1.vcdiff"\n\n'
        f'[[patched.sources]]\npath = "data/b"\nsize = 300\nsha256 = "{digest}"\n'
    )
    assert (tmp_path / "mod/mod.toml").read_text().endswith(told)
    assert contents(mounted(base, str(tmp_path / "mod"))) == contents(changed)


@pytest.fixture
def mod(tmp_path: Path) -> str:
    make_difference(MemoryFs({"a": noise(1, 500), "gone": b"x"}), MemoryFs({"a": noise(1, 400), "b/c": b"new"}), str(tmp_path / "mod"))
    return str(tmp_path / "mod")


def test_it_is_a_file_system_like_any_other(mod: str) -> None:
    base = MemoryFs({"a": noise(1, 500), "gone": b"x"})
    fs = open_difference(HostFs(mod), base)
    check_filesystem(fs)
    assert contents(fs) == {"a": noise(1, 400), "b": None, "b/c": b"new", ".wh.gone": b""}
    assert fs.storage("a").place(0).stored == "patched"


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ({}, "'a', from which this file is made, is not there"),
        ({"a/b": b""}, "is not there"),
        ({"a": noise(1, 499)}, "has 499 bytes, and not 500"),
        ({"a": noise(2, 500)}, f"has the SHA-256 {sha256(noise(2, 500)).hexdigest()}, and not {sha256(noise(1, 500)).hexdigest()}"),
    ],
)
def test_another_version_of_the_game_is_told_when_the_file_is_read(mod: str, base: dict[str, bytes], problem: str) -> None:
    union = mounted(MemoryFs(base), mod)
    assert [(entry.name, entry.size) for entry in union.read_dir()] == [("a", 400), ("b", 0)]
    assert union.read_bytes("b/c") == b"new"
    with pytest.raises(CorruptError, match="patched file 'a': the mod was made for another version of the game") as caught:
        union.read_bytes("a")
    assert problem in str(caught.value)


def test_opening_reads_nothing_of_the_game(mod: str) -> None:
    class Untouched(MemoryFs):
        def _storage(self, path: str) -> Any:
            raise AssertionError(path)

    fs = open_difference(HostFs(mod), Untouched({"a": b"another"}))
    assert [path for path, _ in fs.walk()] == ["b", "b/c", "a", ".wh.gone"]
    assert fs.metadata("a").size == 400


def test_a_mod_in_a_zip(mod: str, tmp_path: Path) -> None:
    from oboromi_fs import open_fs

    with zipfile.ZipFile(tmp_path / "mod.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for root, _, names in os.walk(mod):
            for name in names:
                path = os.path.join(root, name)
                archive.write(path, os.path.relpath(path, mod))
    base = MemoryFs({"a": noise(1, 500), "gone": b"x"})
    with open_fs(tmp_path / "mod.zip") as fs:
        assert is_difference(fs)
        assert contents(UnionFs([base, open_difference(fs, base)])) == {"a": noise(1, 400), "b": None, "b/c": b"new"}


HEAD = 'format = "oboromi mod"\nversion = 1\n'
ROW = f'path = "a"\nsize = 1\nsha256 = "{"0" * 64}"\ndelta = "deltas/0.vcdiff"\n'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('format = "oboromi mod"', "version"),
        ('format = "oboromi mod"\nversion = true', "version"),
        (HEAD + "deleted = 1", "deleted"),
        (HEAD + 'deleted = ["../a"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a/../../b"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["/a"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a//b"]', r"deleted\[0\]"),
        (HEAD + 'deleted = [""]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a\\u0000"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a\\\\..\\\\b"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a", 1]', r"deleted\[1\]"),
        (HEAD + 'deleted = [".wh.a"]', r"deleted\[0\]"),
        (HEAD + 'deleted = ["a", "a"]', r"deleted\[1\]"),
        (HEAD + 'deleted = ["a", "a/b"]', r"deleted\[1\]"),
        (HEAD + 'deleted = ["a"]\ndirectories = ["a/b"]', r"directories\[0\]"),
        (HEAD + 'directories = ["a", "a"]', r"directories\[1\]"),
        (HEAD + 'deleted = ["there"]', "files/there"),
        (HEAD + "patched = 3", "patched"),
        (HEAD + "more = 3", "more"),
        (HEAD + "[[patched]]\n" + ROW.replace("size = 1", "size = -1"), r"patched\[0\]\.size"),
        (HEAD + "[[patched]]\n" + ROW.replace("size = 1", "size = true"), r"patched\[0\]\.size"),
        (HEAD + "[[patched]]\n" + ROW.replace("size = 1", "size = 99999999999999999999"), r"patched\[0\]\.size"),
        (HEAD + "[[patched]]\n" + ROW.replace("000", "xyz"), r"patched\[0\]\.sha256"),
        (HEAD + "[[patched]]\n" + ROW.replace('"a"', '"../a"'), r"patched\[0\]\.path"),
        (HEAD + "[[patched]]\n" + ROW.replace("deltas/", "../"), r"patched\[0\]\.delta"),
        (HEAD + "[[patched]]\n" + ROW + "more = 1", r"patched\[0\]\.more"),
        (HEAD + "[[patched]]\n" + ROW + "[[patched]]\n" + ROW, r"patched\[1\]"),
        (HEAD + "[[patched]]\n" + ROW + "[[patched]]\n" + ROW.replace('"a"', '"b"'), r"delta\[1\]"),
        (HEAD + "[[patched]]\n" + ROW + "[[patched]]\n" + ROW.replace('"a"', '"a/b"').replace("/0", "/1"), "patched"),
        (HEAD + "[[patched]]\n" + ROW.replace('"a"', '"there"'), r"patched\[0\]\.path"),
        (HEAD + "[[patched]]\n" + ROW + "sources = 1", r"patched\[0\]\.sources"),
        (HEAD + "[[patched]]\n" + ROW + 'sources = [{path = "a"}]', r"patched\[0\]\.sources\[0\]\.size"),
        (HEAD + 'deleted = ["a/b"]\n[[patched]]\n' + ROW.replace('"a"', '"a/b/c"'), r"patched\[0\]\.path"),
    ],
)
def test_descriptions_that_cannot_be(text: str, field: str) -> None:
    mod = MemoryFs({"mod.toml": text.encode(), "files/there": b"1"})
    assert is_difference(mod)
    with pytest.raises(FormatError, match=f"mod.toml, field {field}: "):
        open_difference(mod, MemoryFs())


def test_later_versions_and_what_is_no_mod() -> None:
    with pytest.raises(UnsupportedError, match="field version: is 2; up to 1 is read"):
        read_difference(MemoryFs({"mod.toml": b'format = "oboromi mod"\nversion = 2'}))
    with pytest.raises(FormatError, match="is no TOML"):
        read_difference(MemoryFs({"mod.toml": b'format = "oboromi mod"\n]'}))
    for files in ({}, {"mod.toml": b'name = "some other mod"'}, {"mod.toml/x": b""}):
        assert not is_difference(MemoryFs(files))


def test_a_patched_file_that_comes_out_otherwise_is_told_by_reading_it(mod: str) -> None:
    base = MemoryFs({"a": noise(1, 500), "gone": b"x"})
    toml = os.path.join(mod, "mod.toml")
    with open(toml, encoding="utf-8") as file:
        text = file.read()
    with open(toml, "w", encoding="utf-8") as file:
        file.write(text.replace(sha256(noise(1, 400)).hexdigest(), "0" * 64))
    union = mounted(base, mod)
    assert union.storage("a")[5:9] == noise(1, 400)[5:9]
    with pytest.raises(IntegrityError, match=f"patched file 'a': SHA-256 is {sha256(noise(1, 400)).hexdigest()}, and not 000"):
        union.read_bytes("a")
    assert union.read_bytes("b/c") == b"new"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a." * 50_000 + "a = 1", "keys of many parts"),
        ("[" + "a." * 50_000 + "a]", "keys of many parts"),
        ('x = {y = """ "x """, ' + "'a'.\"b\" . c." * 10_000 + 'a = ""}', "texts of several lines"),
        ("x = '''\na.a.a.a'''", "texts of several lines"),
        ("deleted = " + "[" * 50_000, "is no TOML"),
        ("size = " + "1" * 50_000, "is no TOML"),
        (f"directories = ['{'a/' * 20_000}a']", "more folders in folders"),
        ("deleted = ['" + "a/" * 200_000 + "a']", "more folders in folders"),
    ],
)
def test_descriptions_that_would_take_long_or_much(text: str, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        read_difference(MemoryFs({"mod.toml": (HEAD + text).encode()}))


def test_descriptions_that_are_too_large_are_neither_read_nor_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oboromi_fs.mods.difference._MOST", 100)
    mod = MemoryFs({"mod.toml": HEAD.encode() + b"#" * 100})
    assert is_difference(mod)
    with pytest.raises(UnsupportedError, match="has 135 bytes; up to 100 are read"):
        read_difference(mod)
    with pytest.raises(UnsupportedError, match=r"would have 1[0-9]{2} bytes; up to 100 are read"):
        Difference(("a" * 80,)).to_toml()


@pytest.mark.parametrize("name", ["a.b.c.d.e.f.g.h.i.j.k", "a'''b", 'a"""b', "'", '"', "a.'b.\"c", "a = 1 # b"])
def test_names_that_toml_has_marks_for(name: str) -> None:
    found = Difference((name,), (f"x{name}",))
    assert read_difference(MemoryFs({"mod.toml": found.to_toml().encode()})) == found


def test_whiteouts_in_files_are_refused() -> None:
    with pytest.raises(FormatError, match=r"files/\.wh\.a"):
        open_difference(MemoryFs({"mod.toml": HEAD.encode(), "files/.wh.a": b""}), MemoryFs())


@pytest.mark.parametrize("name", [".wh.a", "x/.wh..wh..opq"])
def test_trees_with_names_of_whiteouts_are_refused(name: str, tmp_path: Path) -> None:
    for base, changed in ((MemoryFs({name: b""}), MemoryFs()), (MemoryFs(), MemoryFs({name: b""}))):
        with pytest.raises(UnsafePathError, match="called as whiteouts are"):
            make_difference(base, changed, str(tmp_path / "mod"))
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_of_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    base, changed = MemoryFs({"a": noise(1, 100)}), MemoryFs({"a": noise(1, 90)})
    monkeypatch.setattr("oboromi_fs.jobs.diffmod.digest_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_difference(base, changed, str(tmp_path / "mod"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["base/a", "changed/a"])
def test_files_that_are_written_meanwhile_are_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, data in (("base", noise(1, 500)), ("changed", noise(1, 400))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_bytes(data)

    def written(storage: Storage) -> str:
        (tmp_path / name).write_bytes(noise(3, 450))
        os.utime(tmp_path / name, (1, 1))
        return digest_of(storage)

    monkeypatch.setattr("oboromi_fs.jobs.diffmod.digest_of", written)
    with pytest.raises(OSError, match=r"(was written|shrank) while it was") as caught:
        make_difference(HostFs(tmp_path / "base", access="pread"), HostFs(tmp_path / "changed", access="pread"), str(tmp_path / "mod"))
    assert str(caught.value.filename).endswith("a")
    assert sorted(os.listdir(tmp_path)) == ["base", "changed"]


def test_a_full_disk_is_told_of_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("oboromi_fs.jobs.diffmod.write_storage", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        make_difference(MemoryFs(), MemoryFs({"a": b"1"}), str(tmp_path / "mod"))
    assert caught.value.filename == str(tmp_path / "mod")
    assert os.listdir(tmp_path) == []


def test_the_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file"):
        with pytest.raises(FileExistsError, match="is there, and is no empty folder"):
            make_difference(MemoryFs(), MemoryFs({"a": b"1"}), str(tmp_path / name))
    (tmp_path / "empty").mkdir()
    make_difference(MemoryFs(), MemoryFs({"a": b"1"}), str(tmp_path / "empty"))
    assert (tmp_path / "empty/files/a").read_bytes() == b"1"
    with pytest.raises(OSError, match="is not there; make it first"):
        make_difference(MemoryFs(), MemoryFs({"a": b"1"}), str(tmp_path / "no/mod"))


@pytest.mark.parametrize("name", ["a\\b", "\udc80"])
def test_names_that_no_description_can_tell(name: str, tmp_path: Path) -> None:
    with pytest.raises(OboromiFsError):
        make_difference(MemoryFs({name: b"1"}), MemoryFs({"b": b"1"}), str(tmp_path / "mod"))
    assert os.listdir(tmp_path) == []
