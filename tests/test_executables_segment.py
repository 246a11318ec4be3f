from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError
from oboromi_fs.executables.segment import MAX_IMAGE, Decompressed, Segment, Zeros, aligned, layout_problems, memory_image, raw_segment

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage


def test_permissions_and_ends() -> None:
    assert [Segment(name, 0, 0, 0x1000, 0x234).permissions for name in ("text", "ro", "data")] == ["r-x", "r--", "rw-"]
    assert Segment("ro", 0x100, 0x10, 0x1000, 0x234).memory_end == 0x1234


def test_whole_pages() -> None:
    assert [aligned(size) for size in (0, 1, 0xFFF, 0x1000, 0x1001)] == [0, 0x1000, 0x1000, 0x1000, 0x2000]


def test_zeros() -> None:
    zeros = Zeros(1 << 50)
    assert zeros[5:9] == bytes(4)
    target = bytearray(b"abcd")
    assert zeros.readinto_at((1 << 50) - 3, target) == 3
    assert target == b"\0\0\0d"


def test_decompressed_once_and_only_when_looked_into() -> None:
    calls: list[bytes] = []

    def codec(data: memoryview) -> bytes:
        calls.append(bytes(data))
        return bytes(data) * 2

    source = MemoryStorage(b"..ab", "game.nso").window(2, 4)
    storage = Decompressed(source, 4, codec, "Twice", "test segment")
    assert (storage.size, storage.kind, storage.sources) == (4, "Twice", (source,))
    assert storage.place(3)[1:] == (2, "compressed")
    assert calls == []
    assert storage[:].tobytes() == b"abab"
    assert storage[3] == ord("b")
    target = bytearray(2)
    storage.readinto_at(1, target)
    assert target == b"ba"
    assert calls == [b"ab"]


def test_decompressed_to_another_size() -> None:
    storage = Decompressed(MemoryStorage(b"ab", "game.nso"), 4, bytes, "Copy", "test segment")
    with pytest.raises(CorruptError) as caught:
        storage[:1]
    assert str(caught.value) == "test segment of game.nso at 0x0: decompresses to 0x2 bytes, not to 0x4"


def test_a_damaged_one_is_told_by_its_place_in_the_file() -> None:
    def codec(_: memoryview) -> bytes:
        raise CorruptError("broken", what="codec", offset=3, field="footer_size")

    storage = Decompressed(MemoryStorage(bytes(0x20), "game.kip").window(0x10, 0x20), 4, codec, "Bad", "test segment")
    with pytest.raises(CorruptError) as caught:
        storage[:1]
    assert str(caught.value) == "test segment of game.kip at 0x13, field footer_size: broken"


def test_a_segment_outside_the_file() -> None:
    storage = MemoryStorage(bytes(0x20), "game.nso")
    assert raw_segment(storage, Segment("ro", 0x10, 0x10, 0, 0), "NSO header").size == 0x10
    with pytest.raises(CorruptError) as caught:
        raw_segment(storage, Segment("ro", 0x10, 0x11, 0, 0), "NSO header")
    assert str(caught.value) == "NSO header of game.nso at 0x10, field ro: ro ends at 0x21, the file at 0x20: it is cut short or damaged"
    with pytest.raises(CorruptError, match="ends at 0x1fffffffe"):
        raw_segment(storage, Segment("ro", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0), "NSO header")


def image(*places: tuple[int, bytes]) -> Storage:
    parts = [(Segment("text", 0, 0, offset, len(data)), MemoryStorage(data)) for offset, data in places]
    return memory_image(parts, MemoryStorage(b"", "game.nso"), "NSO header")


def test_image() -> None:
    assert image()[:].tobytes() == b""
    assert image((0, b"ab"), (2, b""), (2, b"cd"), (6, b"e"))[:].tobytes() == b"abcd\0\0e"
    assert image((3, b"ab"))[:].tobytes() == b"\0\0\0ab"


def test_images_that_cannot_be() -> None:
    with pytest.raises(CorruptError, match=r"text at 0x1 overlaps what ends at 0x2"):
        image((0, b"ab"), (1, b"cd"))
    assert image((MAX_IMAGE - 1, b"")).size == MAX_IMAGE - 1
    with pytest.raises(CorruptError, match=r"text ends at 0x20000001 in memory, 0x20000000 is the most"):
        image((MAX_IMAGE, b"a"))


def test_layout_problems() -> None:
    good = [Segment("text", 0, 5, 0, 0x1000), Segment("ro", 5, 5, 0x1000, 0x2000), Segment("data", 10, 5, 0x3000, 0x1000)]
    assert layout_problems(good, 15, contiguous=True, bss_offset=0x4000) == []
    assert layout_problems(good, 14) == ["data ends at 0xf, the file at 0xe"]
    assert layout_problems(good, 15, bss_offset=0x3FFF) == ["bss at 0x3fff in memory overlaps what ends at 0x4000"]
    assert layout_problems([Segment("text", 0, 0, 0x1000, 1)], 0) == ["text lies at 0x1000 in memory, not at 0x0"]
    assert layout_problems([Segment("text", 0, 0, 0x1000, 1)], 0, from_zero=False) == []
    assert layout_problems([Segment("text", 0, 0, 0x10, 1)], 0, from_zero=False) == [
        "text lies at 0x10 in memory, not at the start of a page"
    ]
    assert layout_problems([good[0], Segment("ro", 0, 0, 0, 1)], 15) == ["ro at 0x0 in memory overlaps what ends at 0x1000"]
    apart = [good[0], Segment("ro", 0, 0, 0x3000, 1)]
    assert layout_problems(apart, 15) == []
    assert layout_problems(apart, 15, contiguous=True) == [
        "ro lies at 0x3000 in memory, not at 0x1000",
        "ro has 0x1 bytes, not a whole number of pages",
    ]
    assert layout_problems([Segment("text", 0, 2, 0, 1)], 2) == ["text takes 0x2 bytes in the file, more than its 0x1 in memory"]
    assert layout_problems([Segment("text", 0, 0, 0, 0x80000000)], 0) == ["text has 0x80000000 bytes, 0x7fffffff are the most"]
