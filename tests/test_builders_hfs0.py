from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs.backends.hfs0 import Hfs0Archive
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.hfs0 import build_hfs0, layout_of
from oboromi_fs.errors import FormatError
from tests.building import noise

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs._partitioning import Hashed
    from oboromi_fs.protocols import DirEntry


def built(*args: Any, **options: Any) -> bytes:
    return build_hfs0(*args, **options)[:].tobytes()


def test_worked_example() -> None:
    image = built({"b.tik": MemoryStorage(b"B" * 0x40), "a.nca": MemoryStorage(b"A" * 0x300)})
    assert image[0x200:] == b"A" * 0x300 + b"B" * 0x40
    assert image[8:12] == bytes.fromhex("70010000")
    assert image[0x10:0x50].hex() == (
        "000000000000000000030000000000000000000000020000000000000000000032beecb58a128af8248504600bd203dcc676adf41045300485655e6b8780a01d"
    )
    assert image[0x50:0x90].hex() == (
        "0003000000000000400000000000000006000000400000000000000000000000c422e7070cb1cb455b5de9afee0d975e303d0239c72030cd7414ab5c382d3ae8"
    )
    assert hashlib.sha256(image[:0x200]).hexdigest() == "5a122457671ed15a3a9197436a8335d7cffd13f10d7e852bff424c1f3d4d65bd"


@pytest.mark.parametrize("size", [0, 1, 0x1FF, 0x200, 0x201])
def test_hashed_sizes(size: int) -> None:
    data = noise(size)
    file = {"a": MemoryStorage(data)}
    rules: list[tuple[Hashed | None, int]] = [(None, 0x200), (0x10, 0x10), ([0x1000], 0x1000), ("header", 0x200)]
    for hashed, wanted in rules:
        member = Hfs0Archive(build_hfs0(file, hashed=hashed)).member("a")
        count = min(size, wanted)
        assert member.hashed_size == count
        assert member.digest == (hashlib.sha256(data[:count]).digest() if count else b"")
    none = built(file, hashed=0)
    assert none[0x24:0x50] == bytes(0x2C)
    assert Hfs0Archive(MemoryStorage(none)).hash_matches("a") is None


def test_whole_headers_of_partitions() -> None:
    inner = build_hfs0({f"{number:032x}.nca": MemoryStorage(b"") for number in range(6)})
    root = Hfs0Archive(build_hfs0({"secure": inner, "other": MemoryStorage(b"HFS0")}, hashed="header"))
    assert len(inner) == 0x400
    assert root.member("secure").hashed_size == 0x400
    assert root.member("secure").digest == hashlib.sha256(inner[:]).digest()
    assert root.member("other").hashed_size == 4
    assert layout_of(root).hashed == "header"


@pytest.mark.parametrize(("name", "alignment"), [("0.lh", 1), ("7l.lh", 1), ("1.hb", 0x200), ("5.hb", 0x200)])
def test_other_tools_archives(testdata: Path, name: str, alignment: int) -> None:
    path = testdata / "hfs0" / f"{name}.hfs0"
    archive = Hfs0Archive(path)
    layout = layout_of(archive)
    assert (layout.alignment, layout.end_alignment, layout.hashed) == (alignment, alignment, 0x200)
    assert built(archive, alignment=alignment, order=list(archive.members)) == path.read_bytes()
    assert built({member: archive.storage(member) for member in archive.members}, like=layout) == path.read_bytes()


def test_other_members_under_a_layout(testdata: Path) -> None:
    layout = layout_of(Hfs0Archive(testdata / "hfs0" / "5.hb.hfs0"))
    files = {name: MemoryStorage(noise(0x333)) for name in ("new", "f2.bin", "f4.bin")}
    archive = Hfs0Archive(build_hfs0(files, like=layout))
    assert [(member.name, member.offset) for member in archive.members.values()] == [("f4.bin", 0x200), ("f2.bin", 0x600), ("new", 0xA00)]
    assert archive.raw.size == 0xE00
    assert all(archive.hash_matches(name) for name in files)


def test_a_member_that_changed_before_it_was_hashed() -> None:
    class Liar(MemoryFs):
        def _read_dir(self, path: str) -> list[DirEntry]:
            return [entry._replace(size=entry.size + 1) for entry in super()._read_dir(path)]

    with pytest.raises(FormatError, match="'a' changed: it had 4 bytes when it was listed, and has 3"):
        build_hfs0(Liar({"a": b"123"}))
