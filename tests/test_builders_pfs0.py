from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import _partitioning
from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.pfs0 import build_pfs0, layout_of
from oboromi_fs.errors import CorruptError, FormatError, IsADirectoryEntryError, MappingError, UnsafePathError, UnsupportedError
from oboromi_fs.storage.filled import FilledStorage

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs._extents import PartitionArchive


def memory(**files: bytes) -> dict[str, MemoryStorage]:
    return {name: MemoryStorage(data) for name, data in files.items()}


def built(*args: Any, **options: Any) -> bytes:
    return build_pfs0(*args, **options)[:].tobytes()


def test_worked_example() -> None:
    image = built({"main.npdm": MemoryStorage(b"NNN"), "main": MemoryStorage(b"MMMMM")})
    assert (
        image
        == bytes.fromhex(
            "50465330 02000000 20000000 00000000"
            "0000000000000000 0500000000000000 00000000 00000000"
            "0500000000000000 0300000000000000 05000000 00000000"
        )
        + b"main\0main.npdm\0".ljust(0x20, b"\0")
        + b"MMMMMNNN"
    )
    assert len(image) == 104


@pytest.mark.parametrize(
    ("padding", "table", "data"),
    [("official", 0x18, 0x40), ("table", 0x20, 0x48), ("nsz", 0x18, 0x40), ("0x40", 0x18, 0x40)],
)
def test_padding_of_one_name_of_five(padding: str, table: int, data: int) -> None:
    image = built({"a.bin": MemoryStorage(b"DATA")}, padding=padding)
    assert int.from_bytes(image[8:12], "little") == table
    assert image[data:] == b"DATA"


@pytest.mark.parametrize(("padding", "table"), [("official", 0x18), ("table", 0x20), ("nsz", 0x38), ("0x40", 0x18)])
def test_padding_where_none_is_needed(padding: str, table: int) -> None:
    image = built({"a" * 0x17: MemoryStorage(b"")}, padding=padding)  # 0x10 + 0x18 + 0x18 bytes are 0x40 exactly.
    assert int.from_bytes(image[8:12], "little") == table


@pytest.mark.parametrize(("padding", "table"), [("official", 0x48), ("table", 0x40), ("nsz", 0x48), ("0x40", 0x68)])
def test_padding_of_longer_names(padding: str, table: int) -> None:
    names = {letter * 0x10: MemoryStorage(b"") for letter in "abc"}  # 0x10 + 3 * 0x18 + 3 * 0x11 bytes are 0x8B.
    image = built(names, padding=padding)
    assert int.from_bytes(image[8:12], "little") == table


def test_string_table_size_is_kept_while_the_names_fit() -> None:
    image = built(memory(a=b"1"), string_table_size=0x123)
    assert image[8:12] == bytes.fromhex("23010000")
    assert image[0x28 + 0x123 :] == b"1"
    assert built(memory(abcdef=b"1"), string_table_size=3) == built(memory(abcdef=b"1"))


def test_order() -> None:
    files = {name: MemoryStorage(name.encode()) for name in ("b", "a-", "a", "é", "Z")}
    assert list(NspArchive(build_pfs0(files)).members) == ["Z", "a", "a-", "b", "é"]
    assert list(NspArchive(build_pfs0(files, order="given")).members) == ["b", "a-", "a", "é", "Z"]
    assert list(NspArchive(build_pfs0(files, order=["é", "gone", "b"])).members) == ["é", "b", "Z", "a", "a-"]
    assert built(files) == built(dict(reversed(files.items()))) == built(list(files.items())) == built(MemoryFs(files))


def test_order_is_that_of_the_bytes() -> None:
    names = ["日", "\U0001f600", "\udcff"]  # As text, the last would come before the second.
    assert list(NspArchive(build_pfs0({name: MemoryStorage(b"") for name in reversed(names)})).members) == names


def test_nothing_is_read_before_the_result_is() -> None:
    class Untouchable(FilledStorage):
        def _readinto(self, offset: int, target: memoryview) -> None:
            raise AssertionError((offset, len(target)))

    image = build_pfs0({"big": Untouchable(1 << 50), "small": MemoryStorage(b"s")})
    assert len(image) == 0x60 + (1 << 50) + 1
    assert image[0x60 + (1 << 50) :].tobytes() == b"s"
    with pytest.raises(AssertionError):
        image[0x60]


@pytest.mark.parametrize("name", ["0.st", "1.st", "16.st", "7l.st", "0.lh", "5.lh", "names.lh"])
def test_other_tools_archives(testdata: Path, name: str) -> None:
    path = testdata / "pfs0" / f"{name}.pfs0"
    archive = NspArchive(path)
    padding = "table" if ".st" in name else "official"
    assert layout_of(archive).padding == padding
    order = list(archive.members) if ".st" in name else "name"  # That tool writes what the host's folder gives.
    assert built(archive, padding=padding, order=order) == path.read_bytes()
    assert built({member: archive.storage(member) for member in archive.members}, like=layout_of(archive)) == path.read_bytes()


@pytest.mark.parametrize("names", [["a/b"], ["/a"], [""], ["."], [".."], ["a\0b"], ["x" * 0x301], ["a", "b", "a"], ["é", "\udcc3\udca9"]])
def test_names_it_cannot_hold(names: list[str]) -> None:
    with pytest.raises(UnsafePathError) as caught:
        build_pfs0([(name, MemoryStorage(b"")) for name in names])
    assert caught.value.path in names


def test_longest_name_and_names_that_are_not_text() -> None:
    names = ["x" * 0x300, "\udcff\udcfe", "日本語"]
    archive = NspArchive(build_pfs0([(name, MemoryStorage(b"1")) for name in names]))
    assert sorted(archive.members) == sorted(names)
    assert archive.problems == []


def test_folders_cannot_be_held() -> None:
    with pytest.raises(IsADirectoryEntryError, match="'sub'"):
        build_pfs0(MemoryFs({"a": b"", "sub/b": b""}))


def test_more_than_it_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partitioning, "MAX_ENTRIES", 2)
    build_pfs0(memory(a=b"", b=b""))
    with pytest.raises(FormatError, match="3 files; 2 are the most"):
        build_pfs0(memory(a=b"", b=b"", c=b""))
    with pytest.raises(FormatError, match="'b' ends at 0x8000000000000000"):
        build_pfs0({"a": FilledStorage((1 << 63) - 1), "b": FilledStorage(1)})


def test_a_folder_whose_file_changes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"a" * 100)
    (tmp_path / "b.bin").write_bytes(b"b" * 100)
    image = build_pfs0(HostFs(tmp_path))
    (tmp_path / "a.bin").write_bytes(b"a" * 99)
    with pytest.raises(MappingError, match=r"a\.bin"):
        image[:].tobytes()


def reread(image: bytes) -> PartitionArchive:
    return NspArchive(MemoryStorage(image))


def test_layout_says_what_it_cannot_describe() -> None:
    image = bytearray(built(memory(a=b"AA", b=b"BB")))
    data = len(image) - 4
    assert built(memory(a=b"AA", b=b"BB"), like=layout_of(reread(bytes(image)))) == image

    changed = bytearray(image)
    changed[0x0C] = 1  # Reserved.
    with pytest.raises(UnsupportedError, match="not of the usual make"):
        layout_of(reread(bytes(changed)))
    changed = bytearray(image)
    changed[data - 1] = 1  # Behind the names.
    with pytest.raises(UnsupportedError, match="not of the usual make"):
        layout_of(reread(bytes(changed)))
    changed = bytearray(image)
    changed[0x10:0x20], changed[0x28:0x38] = image[0x28:0x38], image[0x10:0x20]  # Data in another order than the entries.
    with pytest.raises(UnsupportedError, match="order of their entries"):
        layout_of(reread(bytes(changed)))
    with pytest.raises(UnsupportedError, match="between the members"):
        layout_of(reread(bytes(image + b"\1")))
    changed = bytearray(image)
    changed[0x20:0x24] = (1 << 20).to_bytes(4, "little")  # A name outside the table.
    with pytest.raises(CorruptError, match="does not end inside"):
        layout_of(reread(bytes(changed)))


def test_gaps_that_no_rule_gives_are_kept() -> None:
    image = bytearray(built(memory(a=b"AA", b=b"BB")))
    start = len(image) - 4
    image[start + 2 : start + 2] = bytes(5)
    image[0x28] = 7  # Offset of the second member.
    image += bytes(3)
    layout = layout_of(reread(bytes(image)))
    assert layout.gaps == (0, 5, 3)
    assert built(memory(a=b"AA", b=b"BB"), like=layout) == image
    assert built(memory(a=b"A", b=b"BBB", c=b""), like=layout) == built(memory(a=b"A", b=b"BBB", c=b""))
