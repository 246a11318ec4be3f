"""Where titles may be on the host, found without opening anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.titles import Place, find_places

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, *paths: str) -> None:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.encode())


def shown(root: Path, places: list[Place]) -> list[tuple[str, str, int]]:
    return [(place.form, str(place.path).removeprefix(f"{root}").lstrip("/"), len(place.files)) for place in places]


def test_a_tree_of_everything(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a/game.nsp",
        "a/update.NSZ",
        "a/readme.txt",
        "b/card.xc0",
        "b/card.xc1",
        "c/0011.nca",
        "c/2233.cnmt.nca",
        "c/x.tik",
        "d/registered/000000AB/44.nca/00",
        "d/registered/000000CD/55.nca",
        "e/exefs/main",
        "e/exefs/main.npdm",
        "e/romfs/inner.nsp",
        "mods/contents/0100000000000000/romfs/a.bin",
        "split.nsp/00",
        "split.nsp/01",
        "only/a.tik",
    )
    assert shown(tmp_path, list(find_places([tmp_path]))) == [
        ("package", "split.nsp", 2),
        ("package", "a/game.nsp", 1),
        ("package", "a/update.NSZ", 1),
        ("package", "b/card.xc0", 2),
        ("folder", "c", 3),
        ("folder", "d/registered", 2),
        ("extracted", "e", 3),
    ]


def test_each_place_once_whatever_leads_to_it(tmp_path: Path) -> None:
    put(tmp_path, "a/game.nsp", "b/x.nca")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    places = list(find_places([tmp_path / "a" / "game.nsp", tmp_path, tmp_path / "a", tmp_path / "b" / "x.nca"]))
    assert sorted(form for form, _, _ in shown(tmp_path, places)) == ["folder", "package"]


def test_named_files_are_places_whatever_they_are_called(tmp_path: Path) -> None:
    put(tmp_path, "dump.bin", "n/a.nca", "n/b.nca", "n/c.nca")
    places = list(find_places([tmp_path / "dump.bin", tmp_path / "n" / "a.nca", tmp_path / "n" / "c.nca"]))
    assert shown(tmp_path, places) == [("package", "dump.bin", 1), ("folder", "n", 2)]
    with pytest.raises(EntryNotFoundError):
        list(find_places([tmp_path / "absent.nsp"]))


def test_a_named_folder_may_be_extracted_without_a_whole_exefs(tmp_path: Path) -> None:
    put(tmp_path, "dump/romfs/a.bin")
    assert shown(tmp_path, list(find_places([tmp_path / "dump"]))) == [("extracted", "dump", 1)]
    assert shown(tmp_path, list(find_places([tmp_path]))) == []


def test_a_stamp_tells_changes(tmp_path: Path) -> None:
    put(tmp_path, "a.nsp")
    (place,) = find_places([tmp_path])
    before = place.stamp()
    assert place.stamp() == before
    (tmp_path / "a.nsp").write_bytes(b"longer than before")
    assert place.stamp() != before
    (tmp_path / "a.nsp").unlink()
    assert place.stamp() == ((str(tmp_path / "a.nsp"), -1, -1),)
