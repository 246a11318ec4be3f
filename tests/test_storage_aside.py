from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from oboromi_fs.errors import MappingError
from oboromi_fs.storage.aside import written_aside

if TYPE_CHECKING:
    from pathlib import Path


def test_in_place_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"older")
    with written_aside(target) as file:
        os.write(file.number, b"new")
        assert target.read_bytes() == b"older"
        assert os.pread(file.number, 3, 0) == b"new"
    assert target.read_bytes() == b"new"
    with written_aside(tmp_path) as file:
        assert file.path == str(tmp_path)
        file.path = str(tmp_path / "named")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "named"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left"), MappingError("source.bin", "shrank")])
def test_failure_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "a"
    with pytest.raises(type(error)) as caught, written_aside(target):
        raise error
    assert list(tmp_path.iterdir()) == []
    names = {OSError: str(target), MappingError: "source.bin"}
    assert getattr(caught.value, "filename", None) == names.get(type(error))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/a'$"), written_aside(tmp_path / "nowhere" / "a"):
        pytest.fail("there is no file to write to")
