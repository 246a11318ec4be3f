"""Copying inside the kernel, and without it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.base import StorageBase, WindowStorage
from oboromi_fs.file import File
from oboromi_fs.jobs import plan
from oboromi_fs.jobs.extract import extract
from oboromi_fs.jobs.plan import WINDOW
from oboromi_fs.protocols import Extent
from tests import extraction
from tests.extraction import LARGE, noise, raiser, snapshot

if TYPE_CHECKING:
    from pathlib import Path

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left

# ---- copying inside the kernel ----


@pytest.mark.parametrize("without", [(), ("copy_file_range",), ("sendfile",), ("copy_file_range", "sendfile")], ids=str)
@pytest.mark.parametrize("how", ["absent", "refused"])
@pytest.mark.parametrize("workers", [1, 3])
def test_plain_bytes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], how: str, workers: int) -> None:
    piece = 2 * WINDOW
    monkeypatch.setattr(plan, "KERNEL_PIECE", piece)
    data = noise(2 * piece + 4321)
    source = tmp_path / "source"
    source.write_bytes(data)
    for name in without:
        if how == "absent":
            monkeypatch.delattr(os, name)
        else:
            monkeypatch.setattr(os, name, raiser(OSError(errno.EXDEV, "not across devices")))
    with File.open(source) as file:
        inner = file.window(100, len(data) - 50)
        extents = [Extent("all", file, 0, len(data)), Extent("part", inner, 7, piece), Extent("small", inner, 50, 60)]
        reads: list[int] = []
        original = File._readinto

        def counted(self: File, at: int, view: memoryview) -> None:
            reads.append(len(view))
            original(self, at, view)

        monkeypatch.setattr(File, "_readinto", counted)
        report = extract(extents, tmp_path / "out", workers=workers)
    assert snapshot(tmp_path / "out") == {"all": data, "part": data[107 : 107 + piece], "small": data[150:210]}
    assert report.bytes == len(data) + piece + 60
    assert (sum(reads) == 60) == (len(without) < 2)  # Only the small file passes through this process.


def test_a_storage_over_a_file_is_not_taken_for_the_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(LARGE))

    class Inverted(StorageBase):
        kind = "Inverted"

        def __init__(self, parent: File) -> None:
            self.parent = parent
            self._size = parent.size

        def fileno(self) -> int:
            return self.parent.fileno()

        def place(self, offset: int = 0, /) -> Any:
            return self.parent.place(offset)

        def _readinto(self, offset: int, target: memoryview) -> None:
            del offset
            target[:] = b"\xff" * len(target)

    class Patched(WindowStorage):
        def _readinto(self, offset: int, target: memoryview) -> None:
            super()._readinto(offset, target)
            target[0] = 1

    with File.open(source) as file:
        extract([Extent("a", Inverted(file), 0, LARGE), Extent("b", Patched(file, 0, 10), 0, 10)], tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"a": b"\xff" * LARGE, "b": b"\x01" + bytes(9)}
