from __future__ import annotations

from pathlib import Path

import pytest

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.opening import open_storage, split_parts
from oboromi_fs.storage.filled import FilledStorage
from oboromi_fs.storage.splitting import PART_SIZE, write_split
from tests.building import noise

DATA = noise(1000)


def test_part_size() -> None:
    assert PART_SIZE == 0xFFFF0000


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_folder(tmp_path: Path, size: int) -> None:
    target = tmp_path / "game.nsp"
    parts = write_split(MemoryStorage(DATA[:size]), target, part_size=100)
    assert [Path(part).name for part in parts] == [f"{number:02}" for number in range(max(1, -(-size // 100)))]
    assert [Path(part).stat().st_size for part in parts[:-1]] == [100] * (len(parts) - 1)
    assert split_parts(str(target)) == parts
    storage, files = open_storage(str(target))
    assert storage[:].tobytes() == DATA[:size]
    for file in files:
        file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["game.nsp"]


@pytest.mark.parametrize(("name", "first"), [("game.xci", "game.xc0"), ("game.nsp", "game.ns0")])
def test_numbered(tmp_path: Path, name: str, first: str) -> None:
    parts = write_split(MemoryStorage(DATA), tmp_path / name, form="numbered", part_size=400)
    assert parts == [str(tmp_path / f"{first[:-1]}{number}") for number in range(3)]
    assert split_parts(str(tmp_path / first)) == parts
    storage, files = open_storage(str(tmp_path / first))
    assert storage[:].tobytes() == DATA
    for file in files:
        file.close()
    assert len(list(tmp_path.iterdir())) == 3


def test_more_parts_than_names(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="11 parts"):
        write_split(MemoryStorage(bytes(11)), tmp_path / "a.xci", form="numbered", part_size=1)
    with pytest.raises(FormatError, match="101 parts"):
        write_split(MemoryStorage(bytes(101)), tmp_path / "a.nsp", part_size=1)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.xc1").write_bytes(b"mine")
    for size in (1, 2):  # As a part, and as one that would be read as part of what is written.
        with pytest.raises(FileExistsError):
            write_split(MemoryStorage(bytes(size)), tmp_path / "a.xci", form="numbered", part_size=1)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError):
        write_split(MemoryStorage(b"1"), tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xc1", "folder"]


@pytest.mark.parametrize("form", ["folder", "numbered"])
def test_failure_leaves_nothing(tmp_path: Path, form: str) -> None:
    class Damaged(FilledStorage):
        def _readinto(self, offset: int, target: memoryview) -> None:
            if offset + len(target) > 250:
                raise CorruptError("cannot be read")
            super()._readinto(offset, target)

    with pytest.raises(CorruptError):
        write_split(Damaged(300), tmp_path / "a.xci", form=form, part_size=100)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int, int]] = []
    write_split(MemoryStorage(DATA), tmp_path / "a", part_size=600, progress=lambda *now: seen.append(now))
    assert seen[-1] == (1000, 1000, 2, 2)
    assert seen == sorted(seen)
