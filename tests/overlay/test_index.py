"""The provider index: building, lookup and queries, by the labels of the requirements."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import HostFs, LayerError, MemoryFs, NotThisFormatError, OboromiFsError, UnionFs, UnsafePathError
from oboromi_fs.overlay.index import ProviderIndex
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.listing import list_layer
from oboromi_fs.overlay.matching import PatternError, matching
from oboromi_fs.overlay.providers import Source

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.protocols import DirEntry


SKYRIM: Any = "skyrim"


def loose(name: str, *paths: str, **options: Any) -> Layer:
    return Layer(MemoryFs({path: path.encode() for path in paths}), name, **options)


def archive(name: str, *paths: str, **options: Any) -> Layer:
    return loose(name, *paths, kind="archive", markers=False, **options)


def lists(*paths: list[str], case: str = "fold") -> ProviderIndex:
    return ProviderIndex.from_lists(
        [(Source(f"mods/{number}", "directory"), each) for number, each in enumerate(paths)],
        case="fold" if case == "fold" else "exact",
    )


def chain(index: ProviderIndex, path: str) -> list[tuple[int, str]]:
    return [(each.source_index, each.original_path) for each in index.chain(path)]


# Keys


def test_V1_keys_of_folding_layers_are_folded_and_slashed() -> None:
    index = lists(["Textures\\\\TX_\u00c4.dds", "meshes//A.nif", "caf\udce9.TXT"])
    assert index.keys() == ("caf\udce9.txt", "meshes/a.nif", "textures/tx_\u00c4.dds")
    assert "textures/tx_\u00e4.dds" not in index


def test_V1_a_backslash_in_a_name_separates_where_all_layers_fold() -> None:
    index = ProviderIndex.build([loose("a", "Data\\X\\b.bin", "data/x/C.bin", case="fold")])
    assert index.keys() == ("data/x/b.bin", "data/x/c.bin")
    assert chain(index, "DATA/X/B.BIN") == [(0, "Data\\X\\b.bin")]
    assert ProviderIndex.build([loose("a", "Data\\b")]).keys() == ("Data\\b",)


@pytest.mark.parametrize("path", ["", "/", "../a", "a/./b", "C:/a", "a\0b"])
def test_V2_V10_what_is_no_safe_key_is_skipped_and_told(path: str) -> None:
    index = lists([path, "good.txt"])
    assert index.keys() == ("good.txt",)
    assert [(each.layer, each.kind, each.path) for each in index.skipped] == [("mods/0", "ignored", path)]


def test_V4_globs_match_keys_in_any_case() -> None:
    index = lists(["Textures/A.DDS", "textures/sub/b.dds", "meshes/[x].nif", "meshes/x.nif"])
    assert index.find("TEXTURES/*.dds") == ["textures/a.dds"]
    assert index.find("textures/**") == ["textures/a.dds", "textures/sub/b.dds"]
    assert index.find("**/[x].nif", "**/b.dds") == ["meshes/[x].nif", "textures/sub/b.dds"]
    assert index.find("Textures\\sub\\?.dds") == ["textures/sub/b.dds"]


# Building


def test_V5_later_directories_win_and_loose_files_beat_archives() -> None:
    layers = [loose("one", "A/x", "y"), archive("first.bsa", "a/X", "z"), loose("two", "a/x"), archive("second.bsa", "a/x", "z")]
    index = ProviderIndex.build(layers, profile="openmw")
    assert [source.path for source in index.sources] == ["first.bsa", "second.bsa", "one", "two"]
    assert chain(index, "a/x") == [(0, "a/X"), (1, "a/x"), (2, "A/x"), (3, "a/x")]
    assert chain(index, "z") == [(0, "z"), (1, "z")]
    plain = ProviderIndex.build(layers)
    assert [each.source.path for each in plain.chain("a/x")] == ["two", "second.bsa"]


def test_V5_there_are_no_other_profiles() -> None:
    with pytest.raises(LayerError, match="no such profile"):
        ProviderIndex.build([], profile=SKYRIM)
    with pytest.raises(LayerError, match="no such profile"):
        ProviderIndex.from_lists([], profile=SKYRIM)


def test_V7_stacks_run_low_to_high_and_the_last_wins() -> None:
    index = ProviderIndex.build([loose("low", "a", "b"), loose("mid", "a"), loose("top", "a", "c")])
    assert chain(index, "a") == [(0, "a"), (1, "a"), (2, "a")]
    winner = index.winner("a")
    assert winner is not None
    assert winner.to_json() == {
        "source_index": 2,
        "source": {"path": "top", "kind": "directory"},
        "key": "a",
        "original_path": "a",
        "resolved_path": "top/a",
    }
    assert len(index) == 3
    assert list(index) == ["a", "b", "c"]


def test_V8_two_spellings_in_one_source_are_two_occurrences_and_the_last_wins() -> None:
    index = ProviderIndex.build([loose("mod", "B/a.txt", "b/A.txt", "B/A.txt", case="fold")])
    assert index.keys() == ("b/a.txt",)
    assert chain(index, "b/a.txt") == [(0, "B/A.txt"), (0, "B/a.txt"), (0, "b/A.txt")]
    assert [problem.text for problem in index.ambiguous()] == ["'B/A.txt' and 'B/a.txt' and 'b/A.txt' differ in case alone"]
    assert [each.original_path for each in lists(["X", "x", "Y"]).chain("x")] == ["X", "x"]


def test_V8_of_several_spellings_the_one_that_is_asked_for_counts() -> None:
    index = ProviderIndex.build([loose("mod", "A.txt", "a.txt", case="fold")])
    assert chain(index, "A.txt")[-1] == (0, "A.txt")
    assert chain(index, "a.TXT")[-1] == (0, "a.txt")


def test_V8_where_case_counts_below_the_spelling_that_is_listed_counts() -> None:
    index = ProviderIndex.build([loose("base", "A.txt"), loose("mod", "A.txt", "a.txt", case="fold")])
    assert index.keys() == ("A.txt",)
    assert chain(index, "A.txt") == [(0, "A.txt"), (1, "a.txt"), (1, "A.txt")]


def test_V9_a_path_that_is_a_file_and_a_directory_is_one_of_them_and_told() -> None:
    index = ProviderIndex.build([loose("low", "a", "x/y"), loose("high", "a/b", "x")])
    assert index.keys() == ("a/b", "x")
    hidden = index.explain("a").hidden + index.explain("x/y").hidden
    assert [(each.provider.original_path, each.reason, each.by) for each in hidden] == [("a", "directory", 1), ("x/y", "file", 1)]
    assert [(each.layer, each.kind, each.path) for each in index.skipped] == [("low", "clash", "a"), ("low", "clash", "x")]
    assert index.skipped[0].text == "'a' is a file in layer 'low' and a directory in layer 'high', of which the upper wins"


def test_V9_of_a_file_and_a_directory_the_first_stays_in_the_profile_of_openmw() -> None:
    index = ProviderIndex.build([loose("low", "a", "x/y"), loose("high", "A/b", "X", "c")], profile="openmw")
    assert index.keys() == ("a", "c", "x/y")
    assert [(each.layer, each.path) for each in index.skipped] == [("high", "A/b"), ("high", "X")]
    assert index.skipped[0].text == "'A/b' is left out: 'a' is a file already"
    index.remove_source("low")
    assert index.keys() == ("a/b", "c", "x")


def test_V9_in_one_folding_source_the_last_spelling_decides() -> None:
    index = ProviderIndex.build([loose("mod", "Data", "data/x", "y", case="fold")])
    assert index.keys() == ("data/x", "y")
    assert [each.text for each in index.skipped] == ["has 'Data' as a file and 'data' as a directory: it is taken as a directory"]
    index = ProviderIndex.build([loose("mod", "data", "Data/x", "y", case="fold")])
    assert index.keys() == ("data", "y")
    opaque = loose("mod", "x", "X/.wh..wh..opq", "X/.wh.gone", case="fold")
    assert chain(ProviderIndex.build([loose("low", "x", case="fold"), opaque]), "x") == [(0, "x"), (1, "x")]
    assert lists(["a", "a/b"]).keys() == ("a/b",)
    assert [each.path for each in lists(["a", "a/b"]).skipped] == ["a"]


class Broken(MemoryFs):
    """One directory cannot be read."""

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path == "bad":
            raise NotThisFormatError("is damaged")
        return super()._read_dir(path)


@pytest.mark.parametrize("markers", [True, False])
def test_V10_what_cannot_be_listed_is_skipped_and_told(markers: bool) -> None:
    index = ProviderIndex.build([loose("base", "good/a"), Layer(Broken({"bad/x": b"", "good/b": b""}), "mod", markers=markers)])
    assert index.keys() == ("good/a", "good/b")
    assert [(each.layer, each.kind, each.path, each.text) for each in index.skipped] == [("mod", "damaged", "bad", "is damaged")]


def test_V10_pushing_a_directory_raises_instead_and_changes_nothing() -> None:
    index = ProviderIndex.build([loose("base", "good/a")])
    with pytest.raises(LayerError, match="is damaged"):
        index.push_directory(Layer(Broken({"bad/x": b"", "good/b": b""}), "mod"))
    assert index.keys() == ("good/a",)
    assert len(index.sources) == 1


# Lookup


def test_V12_any_spelling_looks_up_where_layers_fold() -> None:
    index = ProviderIndex.build([loose("base", "Data/A.bin"), loose("mod", "DATA/a.BIN", "DATA/b", case="fold")])
    assert index.keys() == ("Data/A.bin", "Data/b")
    assert chain(index, "Data/A.bin") == [(0, "Data/A.bin"), (1, "DATA/a.BIN")]
    assert chain(index, "data/a.bin") == [(1, "DATA/a.BIN")]
    assert "data" not in index
    assert "Data/nothing" not in index
    assert index.winner("a/../..//") is None
    assert index.winner("a\0b") is None
    folding = ProviderIndex.build([loose("mod", "Data/A.bin", case="fold")])
    assert chain(folding, "\\DATA//a.BIN") == [(0, "Data/A.bin")]
    assert b"data/a.bin" in folding
    assert 3 not in folding


def test_V12_many_threads_may_read_while_one_changes_it() -> None:
    index = ProviderIndex.build([loose("low", *(f"d/{number}" for number in range(200))), loose("high", "d/0")])

    def read(number: int) -> bool:
        return all(f"d/{place}" in index and index.paths_with("d") for place in range(number, number + 20))

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(read, range(0, 180, 5))
        for number in range(20):
            index.push_provider(f"new/{number}", Source("pushed", "directory"))
        assert all(results)
    assert len(index) == 220


# Many paths


def test_V13_prefixes_respect_components() -> None:
    index = lists(["data/a", "data/sub/b", "database/c", "data-x/e", "x/data/d"])
    assert index.paths_with("data") == ["data/a", "data/sub/b"]
    assert index.paths_with("DATA/") == ["data/a", "data/sub/b"]
    assert index.paths_with("data/a") == ["data/a"]
    assert index.paths_with("dat") == []
    assert index.paths_with("") == index.paths_with("/") == []


def test_V13_matching_is_by_substring() -> None:
    index = lists(["data/a.dds", "meshes/data.nif", "x"])
    assert index.paths_matching("DATA") == ["data/a.dds", "meshes/data.nif"]
    assert lists(["Data"], case="exact").paths_matching("data") == []


def test_V13_regular_expressions_are_unanchored_and_ignore_case() -> None:
    index = lists(["data/a.dds", "meshes/b.nif"])
    assert index.find_by_regex(r"A\.D") == ["data/a.dds"]
    assert index.find_by_regex(r"^(data|meshes)/[ab]\.") == ["data/a.dds", "meshes/b.nif"]


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a{99999999999}", "(?P<x>a)(?P<x>b)"])
def test_V13_what_is_no_regular_expression_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError, match="is no regular expression") as caught:
        lists(["a"]).find_by_regex(pattern)
    assert isinstance(caught.value, OboromiFsError)
    assert isinstance(caught.value, ValueError)


def test_V13_a_pathological_expression_does_not_hang() -> None:
    with pytest.raises(PatternError, match=r"takes longer than 0\.5 s"):
        lists(["a" * 40 + "!"]).find_by_regex("^(a+)+$", seconds=0.5)
    # The same sort of expression where it is harmless.
    assert matching("^(?:[a-z]+/)+[a-z]+$", ["data/a", "data/\udce9"]) == ["data/a"]


def test_V14_remaining_files_of_a_directory() -> None:
    index = lists(["a", "b", "c"], ["B", "d"], ["c"])
    assert index.remaining(0) == ["a"]
    assert index.remaining(0, replacements_only=True) == ["b", "c"]
    assert index.remaining("mods/1") == ["b", "d"]
    assert index.remaining(Source("mods/2", "directory"), replacements_only=True) == []


def test_V14_a_directory_is_known_by_its_host_path(tmp_path: Path) -> None:
    (tmp_path / "Mod").mkdir()
    (tmp_path / "Mod" / "a").touch()
    index = ProviderIndex.build([Layer(HostFs(tmp_path / "Mod"), "called otherwise")])
    assert index.remaining(str(tmp_path / "Mod")) == ["a"]
    assert index.source_id(f"{tmp_path}/mod/../MOD/") == 0
    for wrong in (1, -1, "nothing", Source("called otherwise", "archive")):
        with pytest.raises(LayerError, match=r"no such source|no source of this number"):
            index.remaining(wrong)


# From lists


def test_V21_an_index_of_lists_needs_no_disk() -> None:
    index = lists(["Textures\\A.dds", "b"], ["textures/a.DDS", "c"])
    assert index.keys() == ("b", "c", "textures/a.dds")
    assert index.sources_containing("TEXTURES/a.dds") == (0, 1)
    assert index.sources_containing("nothing") == ()
    assert chain(index, "textures/a.dds") == [(0, "Textures\\A.dds"), (1, "textures/a.DDS")]
    assert index.original_path("textures/a.dds", 0) == "Textures\\A.dds"
    assert index.original_path("b", 1) is None
    assert index.duplicate_keys() == ["textures/a.dds"]
    assert index.keys_of(1) == ["c", "textures/a.dds"]
    assert list(index.source_ids()) == [0, 1]
    assert index.layers == (None, None)
    winner = index.winner("c")
    assert winner is not None
    assert winner.resolved_path == "mods/1/c"


def test_V21_lists_of_archives() -> None:
    index = ProviderIndex.from_lists([(Source("d", "directory"), ["A"]), (Source("x.bsa", "archive"), ["a"])], profile="openmw")
    assert [each.resolved_path for each in index.chain("a")] == ["x.bsa::a", "d/A"]


def test_V21_provenance_with_digests_where_asked_for() -> None:
    index = ProviderIndex.build([Layer(MemoryFs({"a": b"one", "b": b"two"}), "low"), Layer(MemoryFs({"a": b"new"}), "high")])
    assert [(each.winner.key, each.winner.source.path, each.provider_count, each.hash) for each in index.provenance()] == [
        ("a", "high", 2, None),
        ("b", "low", 1, None),
    ]
    hashed = [each.to_json() for each in index.provenance(hash=True)]
    assert [each["hash"][:16] for each in hashed] == ["b20ab0a020a48d34", "dc770fff53f50835"]
    with pytest.raises(LayerError, match="no bytes"):
        list(lists(["a"]).provenance(hash=True))


def test_V21_a_source_of_several_spellings_is_one_provider() -> None:
    index = ProviderIndex.build([loose("low", "a.TXT", case="fold"), loose("mod", "A.txt", "a.txt", "B", "b", case="fold")])
    assert [(each.winner.key, each.provider_count) for each in index.provenance()] == [("a.txt", 2), ("b", 1)]


# Listing layers of the host


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_host_layer_is_listed_with_one_scan_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a", "d/b", "d/e/c", "d/\udce9")
    (tmp_path / "empty").mkdir()
    scanned: list[str] = []
    real = os.scandir

    def scandir(path: str) -> Any:
        scanned.append(os.path.relpath(path, tmp_path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = list_layer(Layer(HostFs(tmp_path), "mod", at="x/y"))
    assert sorted(scanned) == [".", "d", "d/e", "empty"]
    assert sorted(listing.files) == ["x/y/a", "x/y/d/b", "x/y/d/e/c", "x/y/d/\udce9"]
    assert sorted(listing.folders) == ["", "x", "x/y", "x/y/d", "x/y/d/e", "x/y/empty"]
    assert listing.problems == []


def test_a_host_layer_has_the_names_that_its_file_system_gives(tmp_path: Path) -> None:
    make(tmp_path / "mod", "plain", "real/f", "game.xc0", "game.xc1", "big.nsp/00", "big.nsp/01")
    make(tmp_path, "outside/secret")
    for name in ("big.nsp/00", "big.nsp/01", "game.xc0", "game.xc1"):
        (tmp_path / "mod" / name).write_bytes(b"part")
    (tmp_path / "mod" / "link").symlink_to("real")
    (tmp_path / "mod" / "file").symlink_to("plain")
    (tmp_path / "mod" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "mod" / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "mod" / "pipe")
    fs = HostFs(tmp_path / "mod")
    listing = list_layer(Layer(fs, "mod"))
    assert sorted(listing.files) == sorted(path for path, entry in fs.walk() if entry.kind == "file")
    assert sorted(listing.files) == ["big.nsp", "file", "game.xc0", "link/f", "plain", "real/f"]
    assert [(each.kind, each.path) for each in sorted(listing.problems)] == [("ignored", "loop"), ("ignored", "out"), ("ignored", "pipe")]


def test_parts_of_split_archives_are_one_file(tmp_path: Path) -> None:
    for name in ("d/game.xc0", "d/game.xc1", "d/a", "e.nsp/00", "e.nsp/01"):
        make(tmp_path, name)
        (tmp_path / name).write_bytes(b"part")
    assert sorted(list_layer(Layer(HostFs(tmp_path), "mod")).files) == ["d/a", "d/game.xc0", "e.nsp"]


def test_U3_markers_of_both_encodings_are_read_from_a_host_layer(tmp_path: Path) -> None:
    make(tmp_path, ".wh.gone", "d/.wh.x", "d/kept", "o/.wh..wh..opq", "o/new", "o/.wh..wh.aufs", "w/empty", "w/other", "y/n")
    try:
        os.setxattr(tmp_path / "w/empty", "user.overlay.whiteout", b"y")
        os.setxattr(tmp_path / "w", "user.overlay.opaque", b"x")
        os.setxattr(tmp_path / "y", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("the file system of the tests has no attributes")
    listing = list_layer(Layer(HostFs(tmp_path), "upper"))
    assert sorted(listing.files) == ["d/kept", "o/new", "w/other", "y/n"]
    assert sorted(listing.whiteouts) == ["d/x", "gone", "w/empty"]
    assert sorted(listing.opaque) == ["o", "y"]
    assert sorted(list_layer(Layer(HostFs(tmp_path), "plain", markers=False)).files)[:2] == [".wh.gone", "d/.wh.x"]


def test_U3_devices_are_whiteouts(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "gone", 0o020600, os.makedev(0, 0))
    except OSError:
        pytest.skip("no right to make devices")
    make(tmp_path, "kept")
    listing = list_layer(Layer(HostFs(tmp_path), "upper"))
    assert (listing.files, listing.whiteouts, listing.problems) == (["kept"], ["gone"], [])


class Odd(MemoryFs):
    """An archive with names that no path can spell."""

    def _read_dir(self, path: str) -> list[DirEntry]:
        return [*super()._read_dir(path), *(entry._replace(name="..") for entry in super()._read_dir(path)[:1])]


@pytest.mark.parametrize("markers", [True, False])
def test_V10_names_that_no_path_can_spell_are_skipped_and_told(markers: bool) -> None:
    index = ProviderIndex.build([Layer(Odd({"a": b""}), "evil", markers=markers)])
    assert index.keys() == ("a",)
    assert [(each.kind, each.path) for each in index.skipped] == [("ignored", "..")]


# What it costs


def test_a_version_takes_few_bytes_and_no_object() -> None:
    layers = 20
    paths = [f"directory{number // 100}/file{number}.bin" for number in range(2000)]
    index = ProviderIndex.from_lists([(Source(str(number), "directory"), paths) for number in range(layers)], case="exact")
    rows = layers * len(paths)
    assert len(index.state.rows) == rows
    assert index.state.stacks.nbytes <= 16 * rows
    assert sum(texts.nbytes for texts in index.state.texts) <= 8 * layers


def test_spellings_are_kept_where_they_differ_alone() -> None:
    index = lists(["a/B", "a/c"], ["a/b", "A/d"])
    assert [len(texts) for texts in index.state.texts] == [1, 1]


def test_a_path_is_counted_as_its_union_has_it() -> None:
    index = ProviderIndex.build([loose("base", "a"), loose("mod", "b", at="x/y")])
    assert index.keys() == ("a", "x/y/b")
    found = index.winner("x/y/b")
    assert found is not None
    assert (found.original_path, found.resolved_path) == ("b", "mod/b")


def test_unsafe_keys_are_not_pushed() -> None:
    with pytest.raises(UnsafePathError):
        lists(["a"]).push_provider("../b", 0)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a?" * 40 + "a" * 40 + "$", "a" * 40 + "!"),
        ("(a|a)" * 40 + "$", "a" * 40 + "!"),
        (r"[\][]" + "a*" * 40 + "b]", "[" + "a" * 400),
        ("(?#[)" + "a*" * 40 + "b(?#])", "a" * 400),
        ("(?x)#[\n" + "a*" * 40 + "b#]", "a" * 400),
        ("a*a*a*b", "a" * 4000),
        ("a*b", "a" * 200_000),
    ],
)
def test_V13_what_leaves_too_many_choices_is_ended(pattern: str, path: str) -> None:
    with pytest.raises(PatternError, match="takes longer than"):
        matching(pattern, [path], seconds=0.2)


def test_V13_what_may_be_left_out_is_found() -> None:
    assert matching("a?b??(?:c)$", ["bc", "x"]) == ["bc"]
    assert matching("b?c|x", ["c", "X", "b"]) == ["c", "X"]


def test_V9_many_clashes_in_one_source_are_settled() -> None:
    """Two thousand paths that are a file and a directory at once: the last by its bytes stays."""
    paths = [path for number in range(1000) for path in (f"n{number}", f"N{number}/x", f"m{number}/x", f"M{number}")]
    index = ProviderIndex.build([Layer(MemoryFs(dict.fromkeys(paths, b"")), "evil", case="fold")])
    assert len([problem for problem in index.skipped if problem.kind == "clash"]) == 2000
    assert len(index) == 2000


def test_V9_a_file_that_is_not_listed_hides_what_is_below_it() -> None:
    folding = [Layer(MemoryFs({path: b""}), path, case="fold") for path in ("a/z", "A/b/c", "A/B")]
    layers = [*folding, Layer(MemoryFs({"a": b""}), "top")]
    assert ProviderIndex.build(layers).keys() == ("a",)
    assert [path for path, _ in UnionFs(layers).walk()] == ["a"]
