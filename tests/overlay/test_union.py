"""UnionFs: each requirement of the union by its label, with literal trees."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oboromi_fs import (
    EntryNotFoundError,
    Extent,
    HostFs,
    IsADirectoryEntryError,
    Layer,
    LayerError,
    MemoryFs,
    NotADirectoryEntryError,
    NspArchive,
    OboromiFsError,
    RomFs,
    UnionFs,
    XciArchive,
    open_fs,
)
from oboromi_fs.backends.nca import Nca
from oboromi_fs.base import FileSystemBase
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.protocols import DirEntry, FileSystem, Metadata, VFile

if TYPE_CHECKING:
    from oboromi_fs import Storage
    from oboromi_fs.overlay import Case

CASES: tuple[Case, ...] = ("exact", "fold")
DATA = Path(__file__).parent.parent.parent / "testdata"
KEYS = DATA / "keys" / "prod.keys"


def memory(name: str, *files: str, **options: object) -> Layer:
    """A layer whose files hold their layer's name."""
    return Layer(MemoryFs({path: name.encode() for path in files}), name, **options)  # type: ignore[arg-type]


def names(fs: FileSystem, path: str = "") -> list[str]:
    return [entry.name for entry in fs.read_dir(path)]


def tree(root: Path, *files: str) -> Path:
    for path in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(root.name, encoding="utf-8")
    return root


class Counting(FileSystemBase):
    """A file system that counts what it is asked."""

    kind = "Memory"

    def __init__(self, fs: FileSystem) -> None:
        super().__init__()
        self.fs = fs
        self.asked: list[str] = []
        self.closed = 0

    def _read_dir(self, path: str) -> list[DirEntry]:
        self.asked.append(f"list {path}")
        return self.fs.read_dir(path)

    def _metadata(self, path: str) -> Metadata:
        self.asked.append(f"look {path}")
        return self.fs.metadata(path)

    def _storage(self, path: str) -> Storage:
        self.asked.append(f"open {path}")
        return self.fs.storage(path)

    def close(self) -> None:
        self.closed += 1


class Failing(FileSystemBase):
    """A file system that breaks where a path begins with ``bad``."""

    kind = "RomFS"

    def _fail(self, path: str) -> None:
        if path.startswith("bad"):
            raise OboromiFsError(f"table of {path} is broken")

    def _read_dir(self, path: str) -> list[DirEntry]:
        self._fail(path)
        if path:
            raise EntryNotFoundError(path)
        return [DirEntry("bad", "directory", 0), DirEntry("good", "file", 4)]

    def _metadata(self, path: str) -> Metadata:
        self._fail(path)
        if path not in ("", "good"):
            raise EntryNotFoundError(path)
        return Metadata("file" if path else "directory", 4 if path else 0)

    def _storage(self, path: str) -> Storage:
        return MemoryFs({"good": b"good"}).storage(path)


def test_O10_open_read_dir_metadata_and_a_stream_with_size_and_mmap() -> None:
    union = UnionFs([memory("base", "data/a", "data/b"), memory("mod", "data/b")])
    assert isinstance(union, FileSystem)
    assert union.read_dir("data") == [DirEntry("a", "file", 4), DirEntry("b", "file", 3)]
    assert union.metadata("data/b") == Metadata("file", 3)
    with union.open("data/b") as stream:
        assert isinstance(stream, VFile)
        assert (stream.size, stream.read(1), stream.tell(), stream.seek(0), bytes(stream.mmap())) == (3, b"m", 1, 0, b"mod")


def test_O11_every_backend_is_a_layer_and_a_plain_member_is_no_copy() -> None:
    with open_fs(DATA / "nsp" / "std_g1.nsp", KEYS) as game:
        romfs = game.enter("@program/romfs")
        assert isinstance(romfs, RomFs)
        kinds = [HostFs(DATA / "pfs0"), romfs, game.fs, XciArchive(open_fs(DATA / "xci").storage("std.xci"), game.keys)]
        assert isinstance(game.fs, NspArchive)
        union = UnionFs([Layer(fs, str(number), at=str(number)) for number, fs in enumerate(kinds)])
        assert names(union) == ["0", "1", "2", "3"]
        assert union.read_bytes("1/hello.txt") == b"hello\n"
        member = names(union, "2")[0]
        mine, theirs = union.storage(f"2/{member}").place(), game.fs.storage(member).place()
        assert mine == theirs
        assert isinstance(game.enter("@program"), Nca)


def test_U1_the_winner_decides_a_name_is_listed_once_and_what_is_listed_is_what_is_found() -> None:
    union = UnionFs([memory("base", "a", "b"), memory("longer name", "b", "c")])
    assert union.read_dir("") == [DirEntry("a", "file", 4), DirEntry("b", "file", 11), DirEntry("c", "file", 11)]
    assert [union.metadata(name).size for name in "abc"] == [4, 11, 11]


def test_U2_directories_merge_and_kinds_follow_the_top_layer() -> None:
    low = memory("low", "d/a", "f/x", "g")
    union = UnionFs([low, memory("high", "d/b", "f", "g/y")])
    assert names(union, "d") == ["a", "b"]
    assert union.read_bytes("f") == b"high"
    with pytest.raises(NotADirectoryEntryError):
        union.metadata("f/x")
    assert names(union, "g") == ["y"]
    on_top = UnionFs([low, memory("high", "f"), memory("top", "f/z")])
    assert names(on_top, "f") == ["z"], "merging stops below a file"
    assert [(hidden.provider.source_index, hidden.reason, hidden.by) for hidden in on_top.explain("f").hidden] == [
        (0, "file", 1),
        (1, "directory", 2),
    ]


def test_U3_whiteouts_hide_what_is_below_and_are_never_listed() -> None:
    union = UnionFs([memory("base", "d/a", "d/b", "e/c"), memory("mod", "d/.wh.a", "d/n", "e/.wh..wh..opq", "e/.wh..wh.plnk/x", "e/new")])
    assert names(union, "d") == ["b", "n"]
    assert names(union, "e") == ["new"]
    for gone in ("d/a", "e/c", "d/.wh.a", "e/.wh..wh..opq", "e/.wh..wh.plnk", "e/.wh..wh.plnk/x"):
        with pytest.raises(EntryNotFoundError):
            union.metadata(gone)
    assert union.storage_in("base", "d/a")[:].tobytes() == b"base"
    plain = UnionFs([memory("base", "a"), memory("mod", ".wh.a", markers=False)])
    assert names(plain) == [".wh.a", "a"]


def test_U8_a_listing_is_a_stable_snapshot(tmp_path: Path) -> None:
    union = UnionFs([HostFs(tree(tmp_path / "low", "a")), HostFs(tree(tmp_path / "high", "b"))])
    listed = union.read_dir("")
    (tmp_path / "high" / "c").touch()
    (tmp_path / "low" / "a").unlink()
    assert [entry.name for entry in listed] == ["a", "b"]
    assert names(union) == ["b", "c"]


def test_U9_who_provides_a_path_all_who_have_it_and_their_versions(tmp_path: Path) -> None:
    mod = tree(tmp_path / "mod", "data/a")
    union = UnionFs(
        [memory("base", "data/a"), memory("zip", "data/a", kind="archive", path="x.zip"), Layer(HostFs(mod), "mod", path="mods/mod")]
    )
    assert [provider.to_json() for provider in union.providers("data/a")] == [
        {
            "source_index": 0,
            "source": {"path": "base", "kind": "directory"},
            "key": "data/a",
            "original_path": "data/a",
            "resolved_path": "base/data/a",
        },
        {
            "source_index": 1,
            "source": {"path": "x.zip", "kind": "archive"},
            "key": "data/a",
            "original_path": "data/a",
            "resolved_path": "x.zip::data/a",
        },
        {
            "source_index": 2,
            "source": {"path": "mods/mod", "kind": "directory"},
            "key": "data/a",
            "original_path": "data/a",
            "resolved_path": f"{mod}/data/a",
        },
    ]
    assert union.provider("data/a") == union.providers("data/a")[-1]
    assert [bytes(union.storage_in(layer, "data/a")[:]) for layer in ("base", 1, "mod")] == [b"base", b"zip", b"mod"]
    assert union.providers("nothing") == ()
    assert union.explain("nothing").winner is None
    with pytest.raises(EntryNotFoundError):
        union.provider("nothing")
    with pytest.raises(IsADirectoryEntryError):
        union.provider("data")
    with pytest.raises(IsADirectoryEntryError):
        union.storage_in("base", "data")
    with pytest.raises(LayerError, match="there are 'base', 'zip', 'mod'"):
        union.storage_in("other", "data/a")


def test_U10_a_mount_point_need_not_exist_and_mounting_twice_is_harmless() -> None:
    union = UnionFs([memory("base", "a")])
    sounds = MemoryFs({"s.wav": b"s"})
    union.mount("audio/fx", sounds, "sounds")
    once = [path for path, _ in union.walk()]
    union.mount("/audio/fx/", sounds, "sounds")
    assert once == [path for path, _ in union.walk()] == ["a", "audio", "audio/fx", "audio/fx/s.wav"]
    assert len(union.layers) == 2
    union.unmount("sounds")
    assert names(union) == ["a"]


def test_U12_case_is_a_layers_own_an_exact_match_is_preferred_and_ambiguity_is_told() -> None:
    base = memory("base", "Data/Level.bin")
    folded = Layer(MemoryFs({"data/LEVEL.BIN": b"1", "data/new": b"2", "DATA/x": b"3", "data/X": b"4"}), "mod", case="fold")
    union = UnionFs([base, folded])
    assert [path for path, _ in union.walk()] == ["Data", "Data/Level.bin", "Data/X", "Data/new"]
    assert union.read_bytes("Data/X") == b"4", "the last by its bytes"
    assert union.read_bytes("Data/Level.bin") == b"1"
    assert union.read_bytes("dAtA/leVel.bin") == b"1"
    assert [str(problem) for problem in union.problems] == [
        "layer 'mod': 'DATA' and 'data' differ in case alone",
        "layer 'mod': 'DATA/x' and 'data/X' differ in case alone",
    ]
    exact = UnionFs([base, Layer(folded.fs, "mod")])
    assert names(exact) == ["DATA", "Data", "data"]
    two = UnionFs([Layer(MemoryFs({"Ab": b"1", "aB": b"2"}), "two", case="fold")])
    assert [two.read_bytes(path) for path in ("Ab", "aB", "AB", "ab")] == [b"1", b"2", b"2", b"2"]
    assert names(two) == ["aB"]


def test_U12_a_name_is_listed_as_what_is_found_by_it() -> None:
    fold = Layer(MemoryFs({"B/a": b"file", "b/a/x": b""}), "fold", case="fold")
    union = UnionFs([fold, Layer(MemoryFs({}, dirs=["B/A"]), "exact")])
    assert [(entry.name, entry.kind) for entry in union.read_dir("B")] == [("A", "directory"), ("a", "file")]
    assert union.metadata("B/a").kind == "file"
    assert [path for path, _ in union.walk()] == ["B", "B/A", "B/a"] or [path for path, _ in union.walk()]


def test_U13_no_path_and_no_link_leads_out_of_a_layer(tmp_path: Path) -> None:
    tree(tmp_path / "low", "d/a", "secret")
    tree(tmp_path, "outside")
    mod = tree(tmp_path / "mod", "b")
    (mod / "secret").symlink_to(tmp_path / "outside")
    (mod / "d").symlink_to(tmp_path)
    union = UnionFs([HostFs(tmp_path / "low"), Layer(HostFs(mod), "mod")])
    assert union.read_bytes("../../secret") == b"low"
    assert names(union, "d") == ["a"]
    assert {(problem.kind, problem.path) for problem in union.problems} == {("ignored", "secret"), ("ignored", "d")}


def test_U17_closing_closes_the_layers_it_owns() -> None:
    mine, theirs = Counting(MemoryFs()), Counting(MemoryFs())
    with UnionFs([Layer(theirs, "theirs"), Layer(mine, "mine", owned=True)]):
        pass
    assert (mine.closed, theirs.closed) == (1, 0)


def test_U1_what_is_listed_is_what_is_found_when_files_change_in_place(tmp_path: Path) -> None:
    mod = tree(tmp_path / "mod", "a")
    union = UnionFs([Layer(HostFs(mod), "mod", case="fold")])
    os.utime(mod, ns=(0, 0))
    assert union.read_dir("") == [DirEntry("a", "file", 3)]
    (mod / "a").write_text("longer", encoding="utf-8")
    assert union.read_dir("")[0].size == union.metadata("A").size == 6


def test_U1_a_folding_layer_over_a_union_shows_what_changes_in_it() -> None:
    inner = UnionFs([memory("base", "a")])
    outer = UnionFs([Layer(inner, "inner", case="fold")])
    assert outer.exists("A")
    inner.mount("", MemoryFs({"B": b""}), "more")
    assert names(outer) == ["B", "a"]
    assert outer.exists("b")


# Beyond the labels


def test_U1_links_that_lead_back_and_pipes_are_there_for_neither_listing_nor_lookup(tmp_path: Path) -> None:
    low, high = tree(tmp_path / "low", "B/x", "C/x"), tree(tmp_path / "high", "x")
    (high / "B").symlink_to(".")
    os.mkfifo(high / "C")
    for case in CASES:
        union = UnionFs([Layer(HostFs(low), "low"), Layer(HostFs(high), "high", case=case)])
        assert [path for path, _ in union.walk()] == ["B", "B/x", "C", "C/x", "x"]
        assert [union.read_bytes(path) for path in ("B/x", "C/x", "x")] == [b"low", b"low", b"high"]
        assert [provider.source.path for provider in union.providers("B/x")] == ["low"]


def test_a_path_longer_than_the_host_takes_is_an_error_and_not_nothing(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
        Path("leaf").touch()
    finally:
        os.chdir(here)
    for case in CASES:
        with pytest.raises(OSError, match="too long"):
            list(UnionFs([Layer(HostFs(tmp_path), "deep", case=case)]).walk())
    shutil.rmtree(tmp_path)  # By descriptors, which reach what paths do not.


def test_unions_nested_without_end_are_refused() -> None:
    union = UnionFs([memory("a", "a")])
    for _ in range(32):
        union = UnionFs([union])
    assert names(union) == ["a"]
    with pytest.raises(LayerError, match="nested deeper than 32"):
        UnionFs([union, union])


def test_a_diamond_of_unions_is_checked_once_each() -> None:
    union = UnionFs([memory("a", "a")])
    for _ in range(20):
        union = UnionFs([Layer(union, "left", at="l"), Layer(union, "right", at="r")])
    assert names(union) == ["l", "r"]


def test_a_mount_point_that_leads_out_is_refused() -> None:
    with pytest.raises(LayerError, match="leads out of the union"):
        memory("a", "a", at="b/../../c")


def test_closing_goes_on_when_a_layer_cannot_be_closed() -> None:
    class Stuck(Counting):
        def close(self) -> None:
            super().close()
            raise OSError("stuck")

    layers = [Layer(kind(MemoryFs()), str(number), owned=True) for number, kind in enumerate((Counting, Stuck, Counting))]
    with pytest.raises(OSError, match="stuck"):
        UnionFs(layers).close()
    assert [layer.given.closed for layer in layers] == [1, 1, 1]  # type: ignore[attr-defined]


def test_a_damaged_layer_does_not_fill_memory_with_problems() -> None:
    union = UnionFs([Layer(Failing(), "broken")], forgiving=True)
    for number in range(2000):
        union.exists(f"bad/{number}")
    assert len(union.problems) == 1000


def test_opening_reads_nothing_and_a_lookup_asks_each_layer_once() -> None:
    parts = [Counting(MemoryFs({"d/a": b"", f"d/{number}": b""})) for number in range(5)]
    union = UnionFs([Layer(part, str(number), markers=False) for number, part in enumerate(parts)])
    assert [part.asked for part in parts] == [[]] * 5
    union.metadata("d/2")
    assert [part.asked for part in parts] == [[], [], ["look d/2"], ["look d/2"], ["look d/2"]]
    union.storage("d/4")
    assert parts[4].asked == ["look d/2", "look d/4", "open d/4"]
    with pytest.raises(EntryNotFoundError):
        union.metadata("nothing")
    assert [part.asked[-1] for part in parts] == ["look nothing"] * 5


def test_a_cyclic_union_is_refused() -> None:
    inner = UnionFs([memory("a", "a")])
    outer = UnionFs([Layer(inner, "inner")])
    with pytest.raises(LayerError, match="holds the union"):
        inner.mount("x", outer, "outer")
    with pytest.raises(LayerError, match="holds the union"):
        inner.mount("x", inner, "itself")
    assert names(inner) == ["a"]


def test_two_layers_of_one_name_are_refused() -> None:
    with pytest.raises(LayerError, match="another layer has this name"):
        UnionFs([memory("a"), memory("a")])


def test_a_layer_that_cannot_be_read_is_an_error_or_passed_over_and_told() -> None:
    broken = Layer(Failing(), "broken", kind="archive")
    base = memory("base", "bad/a", "good", "other")
    strict = UnionFs([base, broken])
    with pytest.raises(OboromiFsError) as caught:
        strict.metadata("bad/a")
    assert caught.value.__notes__ == ["met in layer 'broken' at 'bad/a'"]
    forgiving = UnionFs([base, broken], forgiving=True)
    assert forgiving.read_bytes("bad/a") == b"base"
    assert forgiving.read_bytes("good") == b"good"
    assert {problem.kind for problem in forgiving.problems} == {"damaged"}
    assert str(forgiving.problems[0]) == "layer 'broken': table of bad/a is broken"


def test_a_lower_layer_that_vanishes_is_told(tmp_path: Path) -> None:
    low, high = tree(tmp_path / "low", "a"), tree(tmp_path / "high", "b")
    for case in CASES:
        union = UnionFs([Layer(HostFs(low), "low", case=case), Layer(HostFs(high), "high", case=case)])
        assert union.read_bytes("a") == b"low"
        low.rename(tmp_path / "gone")
        assert union.read_bytes("b") == b"high"
        with pytest.raises(OSError, match="is gone") as caught:
            union.metadata("a")
        assert not isinstance(caught.value, FileNotFoundError)
        (tmp_path / "gone").rename(low)
        assert union.read_bytes("a") == b"low"


def test_names_that_no_path_can_spell_are_left_out_and_told() -> None:
    evil = RomFs(open_fs(DATA / "romfs").storage("evilnames.st.romfs"))
    union = UnionFs([memory("base", "a"), Layer(evil, "evil")])
    listed = names(union)
    assert all(union.exists(name) for name in listed)
    assert all("/" not in name and name not in ("", ".", "..") for name in listed)


def test_extents_open_nothing_and_cover_every_file(tmp_path: Path) -> None:
    image = RomFs(build_romfs(MemoryFs({"a": b"1", "d/b": b"22"})))
    union = UnionFs([Layer(image, "image"), HostFs(tree(tmp_path / "host", "d/c")), memory("memory", "e")])
    found = list(union.extents())
    assert all(isinstance(extent, Extent) for extent in found)
    assert {extent.path: bytes(extent.storage[extent.offset : extent.offset + extent.size]) for extent in found} == {
        "a": b"1",
        "d/b": b"22",
        "d/c": b"host",
        "e": b"memory",
    }
    assert [extent.path for extent in union.extents("d")] == ["b", "c"]


def test_the_virtual_image_is_what_is_built_of_the_collapsed_folder(tmp_path: Path) -> None:
    union = UnionFs([memory("base", "data/a", "data/gone", "z"), memory("mod", "data/.wh.gone", "data/b", "new/c")])
    for path, entry in union.walk():
        if entry.kind == "directory":
            (tmp_path / path).mkdir()
        else:
            (tmp_path / path).write_bytes(union.read_bytes(path))
    assert build_romfs(union) == build_romfs(HostFs(tmp_path)).tobytes()


def test_layers_that_enter_containers_are_taken_without(tmp_path: Path) -> None:
    with open_fs(DATA / "nsp" / "std_g1.nsp", KEYS) as game, open_fs(f"{DATA}/nsp/std_g1.nsp/@program/romfs", KEYS) as romfs:
        assert Layer(game, "game").fs is game.fs
        layer = Layer(romfs, "romfs", owned=True)
        assert (layer.kind, layer.given) == ("archive", romfs)
        union = UnionFs([layer, HostFs(tree(tmp_path / "mod", "hello.txt"))])
        assert union.read_bytes("hello.txt") == b"mod"
        member = names(game)[0]
        with pytest.raises(NotADirectoryEntryError):
            UnionFs([game]).metadata(f"{member}/x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_not_there(tmp_path: Path) -> None:
    mod = tree(tmp_path / "mod", "b")
    os.mkfifo(mod / "a")
    union = UnionFs([memory("base", "a"), HostFs(mod)])
    assert union.read_bytes("a") == b"base"
    assert names(union) == ["a", "b"]
