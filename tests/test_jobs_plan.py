"""The plan of an extraction: few reads for many files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.base import MemoryStorage, WindowStorage
from oboromi_fs.jobs.extract import extract
from oboromi_fs.jobs.plan import GAP, WINDOW, Directory, Plan
from oboromi_fs.protocols import Extent
from tests import extraction
from tests.extraction import Opaque, laid_out, noise, snapshot

if TYPE_CHECKING:
    from pathlib import Path

host = extraction.host
_no_descriptor_left = extraction.no_descriptor_left


def test_files_of_any_size_around_a_window(tmp_path: Path) -> None:
    sizes = [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 2 * WINDOW + 7]
    files = {f"f{size}": noise(size, size) for size in sizes}
    _, extents = laid_out(files, gap=5)
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == files


def test_files_may_share_bytes(tmp_path: Path) -> None:
    storage = Opaque(noise(5000))
    extents = [Extent("a", storage, 0, 5000), Extent("b", storage, 10, 20), Extent("c", storage, 10, 4000), Extent("d", storage, 4999, 1)]
    extract(extents, tmp_path / "out")
    assert snapshot(tmp_path / "out") == {path: storage.data[offset : offset + size] for path, _, offset, size in extents}
    assert storage.reads == [(0, 5000)]


def test_windows_on_a_storage_are_read_together(tmp_path: Path) -> None:
    storage = Opaque(bytes(range(100)))
    inner = WindowStorage(storage, 10, 60)
    extract([Extent("b", inner, 20, 5), Extent("a", inner, 0, 5), Extent("c", storage, 40, 1)], tmp_path / "out")
    assert snapshot(tmp_path / "out") == {"a": bytes(range(10, 15)), "b": bytes(range(30, 35)), "c": bytes([40])}
    assert storage.reads == [(10, 31)]


def test_suspects_are_names_that_differ_in_case_or_composition() -> None:
    made = Plan()
    for path in ("A", "b", "a", "é", "E\u0301", "ß", "ss", "d/Kelvin", "d/\u212aelvin", "d/z"):
        made.add_file(Extent(path, MemoryStorage(b""), 0, 0))
    assert [(directory.name, names) for directory, names in made.clash_suspects()] == [
        ("", ["A", "a"]),
        ("", ["é", "E\u0301"]),
        ("", ["ß", "ss"]),
        ("d", ["Kelvin", "\u212aelvin"]),
    ]


def test_reads_go_forward_and_skip_large_gaps(tmp_path: Path) -> None:
    storage = Opaque(bytes(100 * WINDOW))
    places = [0, 100, 100 + 2 * GAP, 5 * WINDOW, 5 * WINDOW + 1000, 99 * WINDOW]
    extract([Extent(f"f{at}", storage, at, 10) for at in reversed(places)], tmp_path / "out", workers=1)
    assert storage.reads == [(0, 110), (100 + 2 * GAP, 10), (5 * WINDOW, 1010), (99 * WINDOW, 10)]


def test_pieces_end_where_blocks_do(tmp_path: Path) -> None:
    storage = Opaque(bytes(4 * WINDOW))
    extract([Extent("f", storage, 1000, 3 * WINDOW)], tmp_path / "out", workers=1)
    assert storage.reads == [(1000, WINDOW - 1000), (WINDOW, WINDOW), (2 * WINDOW, WINDOW), (3 * WINDOW, 1000)]


def test_a_directory_knows_its_path() -> None:
    inner = Directory("b", Directory("a", Directory()))
    assert (inner.names, inner.join("c"), Directory().join("c")) == (["a", "b"], "a/b/c", "c")
