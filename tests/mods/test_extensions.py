"""``romfs_ext``: what yuzu deletes and patches, and names that mean nothing there."""

from __future__ import annotations

import pytest

from oboromi_fs import RomFs
from oboromi_fs.errors import CorruptError
from oboromi_fs.mods.loadout import load
from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.mods.test_finding_laws import unreadable
from tests.mods.trees import PLACES, UPPER, game, installed, loaded, told, tree

EXT = f"{PLACES['yuzu']}/romfs_ext"
PATCH = encode_ips([Record(0, b"G")])
GAME = {"a.txt": b"game a", "d/b.txt": b"game b"}


def result(files: dict[str, bytes], base: dict[str, bytes] | None = None) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """Everything in the RomFS that yuzu loads, and what is told, by paths below romfs_ext."""
    found = loaded("yuzu", tree({f"{EXT}/{path}": data for path, data in files.items()}), game(base))
    fs = RomFs(found.romfs_image())
    merged = {path: fs.read_bytes(path) if entry.kind == "file" else b"" for path, entry in fs.walk()}
    return merged, [(reason, path.removeprefix(f"{EXT}/")) for reason, path in told(found)]


def test_E11_a_stub_deletes_a_file_or_a_directory_with_all_that_is_in_it() -> None:
    assert result({"a.txt.stub": b""}) == ({"d": b"", "d/b.txt": b"game b"}, [])
    assert result({"d/b.txt.stub": b""}) == ({"a.txt": b"game a", "d": b""}, [])
    assert result({"d.stub": b""}) == ({"a.txt": b"game a"}, [])
    # What is told of inside a directory that is deleted does not bring it back.
    assert result({"d.stub": b"", "d/b.txt.stub": b""}) == ({"a.txt": b"game a"}, [])
    assert result({"d.stub": b"", "d/b.txt.ips": PATCH}) == ({"a.txt": b"game a"}, [("shadowed", "d/b.txt.ips")])
    assert result({"a.txt.stub": b"", "a.txt.ips": PATCH})[1] == [("shadowed", "a.txt.ips")]


def test_E11_the_patch_of_the_strongest_mod_counts_and_a_stub_of_any() -> None:
    def patch(letter: bytes) -> bytes:
        return encode_ips([Record(0, letter)])

    base = f"load/{UPPER}"
    files = {f"{base}/{mod}/romfs_ext/a.txt.ips": patch(mod.encode()) for mod in "xyz"}
    found = loaded("yuzu", tree({**files, f"{base}/y/romfs/a.txt": b"12", f"{base}/z/romfs/a.txt": b"345"}))
    assert found.union.read_bytes("romfs/a.txt") == b"x2"
    assert not loaded("yuzu", tree({**files, f"{base}/z/romfs_ext/a.txt.stub": b""})).union.exists("romfs/a.txt")


def test_E11_in_plain_a_stub_acts_on_what_is_below_its_mod() -> None:
    base = f"load/{UPPER}"
    root = {f"{base}/a/romfs_ext/a.txt.stub": b"", f"{base}/b/romfs_ext/d.stub": b"", f"{base}/b/romfs/new": b""}
    assert [path for path, _ in loaded("plain", tree(root)).union.walk("romfs")] == ["new"]
    assert loaded("plain", tree({**root, f"{base}/b/romfs/a.txt": b"b"})).union.read_bytes("romfs/a.txt") == b"b"


@pytest.mark.parametrize("name", [".stub", ".ips", "d/.stub", "d/.ips", ".wh..opq.stub", "d/.wh..opq.stub", ".wh.a.txt.ips", "a.STUB"])
def test_E11_names_that_mean_nothing_are_told(name: str) -> None:
    assert result({name: PATCH}) == ({"a.txt": b"game a", "d": b"", "d/b.txt": b"game b"}, [("name", name)])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.txt/x.stub", "name"), ("a.txt/x.ips", "name"), ("none.ips", "name"), ("no/ne.stub", "name"), ("d.ips", "kind")],
)
def test_E11_stubs_and_patches_of_nothing_change_nothing(name: str, reason: str) -> None:
    merged, notices = result({name: PATCH, "a.txt.ips": PATCH})
    assert merged == {"a.txt": b"Game a", "d": b"", "d/b.txt": b"game b"}
    assert notices == [(reason, name)]


@pytest.mark.parametrize("patch", [PATCH[:-1], b"", b"none", encode_ips([Record(0, b"G"), Record(0x1000, b"past the end")])])
def test_E25_a_damaged_patch_of_a_file_changes_nothing_and_is_told(patch: bytes) -> None:
    assert result({"a.txt.ips": patch, "d/b.txt.ips": PATCH}) == (
        {"a.txt": b"game a", "d": b"", "d/b.txt": b"Game b"},
        [("damaged", "a.txt.ips")],
    )


@pytest.mark.parametrize("error", [PermissionError(13, "not allowed"), CorruptError("torn")])
def test_a_folder_that_cannot_be_read_is_told_and_the_rest_works(error: Exception) -> None:
    root = unreadable([f"{EXT}/a.txt.stub", f"{EXT}/d/b.txt.stub"], f"{EXT}/d", error)
    found = load(root, installed("yuzu", root), game())
    assert [path for path, _ in found.union.walk("romfs")] == ["d", "d/b.txt"]
    assert told(found) == [("damaged", f"{EXT}/d")]


def test_files_of_the_game_that_are_called_as_whiteouts_stay() -> None:
    assert result({"b.stub": b""}, {"a": b"1", ".wh.a": b"2", "b": b"3", ".wh..wh..opq": b""})[0] == {
        "a": b"1",
        ".wh.a": b"2",
        ".wh..wh..opq": b"",
    }
