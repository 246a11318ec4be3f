from __future__ import annotations

from hashlib import sha256
from struct import pack

import pytest

from oboromi_fs import CorruptError, DirEntry, EntryNotFoundError, Hfs0Archive, MemoryStorage, NotThisFormatError
from oboromi_fs._extents import Member

A, B = b"A" * 0x300, b"B" * 0x40
Row = tuple[int, int, int, int, int, bytes]


def image(rows: list[Row], strings: bytes, data: bytes = b"", *, count: int | None = None) -> bytes:
    """An HFS0 of (offset, size, name offset, hashed size, hashed offset, digest) rows."""
    head = pack("<4siII", b"HFS0", len(rows) if count is None else count, len(strings), 0)
    return head + b"".join(pack("<qqiIq32s", *row) for row in rows) + strings + data


# The worked example of the specification.
EXAMPLE = image(
    [
        (0, 0x300, 0, 0x200, 0, bytes.fromhex("32beecb58a128af8248504600bd203dcc676adf41045300485655e6b8780a01d")),
        (0x300, 0x40, 6, 0x40, 0, bytes.fromhex("c422e7070cb1cb455b5de9afee0d975e303d0239c72030cd7414ab5c382d3ae8")),
    ],
    b"a.nca\0b.tik\0".ljust(0x170, b"\0"),
    A + B,
)


def hfs0(data: bytes) -> Hfs0Archive:
    return Hfs0Archive(MemoryStorage(data, "part.hfs0"))


def test_the_worked_example() -> None:
    assert sha256(EXAMPLE[:0x200]).hexdigest() == "5a122457671ed15a3a9197436a8335d7cffd13f10d7e852bff424c1f3d4d65bd"
    fs = hfs0(EXAMPLE)
    assert fs.read_dir() == [DirEntry("a.nca", "file", 0x300), DirEntry("b.tik", "file", 0x40)]
    assert (fs.read_bytes("a.nca"), fs.read_bytes("b.tik")) == (A, B)
    assert fs.members["a.nca"] == Member("a.nca", 0x200, 0x300, 0x200, sha256(A[:0x200]).digest())
    assert (fs.hash_matches("a.nca"), fs.hash_matches("b.tik")) == (True, True)
    assert (fs.kind, fs.header_size, fs.problems) == ("HFS0", 0x200, [])


def test_hashes_are_checked_when_asked_only() -> None:
    data = bytearray(EXAMPLE)
    data[0x200] ^= 1  # In the hashed part of a.nca.
    data[0x540 - 1] ^= 1  # The last byte of b.tik.
    fs = hfs0(bytes(data))
    assert fs.read_bytes("a.nca") != A
    assert (fs.hash_matches("a.nca"), fs.hash_matches("b.tik")) == (False, False)
    data = bytearray(EXAMPLE)
    data[0x400] ^= 1  # Behind it.
    assert hfs0(bytes(data)).hash_matches("a.nca") is True


def test_nothing_to_verify() -> None:
    """Some writers store no hash: that is no failure."""
    fs = hfs0(image([(0, 4, 0, 0, 0, bytes(32)), (4, 0, 2, 0, 0, b"\xff" * 32)], b"a\0b\0", b"data"))
    assert (fs.hash_matches("a"), fs.hash_matches("b")) == (None, None)
    assert fs.members["b"].digest == b""
    with pytest.raises(EntryNotFoundError):
        fs.hash_matches("c")


@pytest.mark.parametrize(
    ("hashed_size", "hashed_offset"), [(5, 0), (2**32 - 1, 0), (4, 1), (4, -1), (0, 2**63 - 1)], ids=lambda value: f"{value:#x}"
)
def test_a_hashed_part_that_cannot_be(hashed_size: int, hashed_offset: int) -> None:
    fs = hfs0(image([(0, 4, 0, hashed_size, hashed_offset, bytes(32)), (0, 4, 4, 4, 0, bytes(32))], b"bad\0ok\0", b"data"))
    assert fs.read_dir() == [DirEntry("ok", "file", 4)]
    assert fs.problems == ["entry 0 ('bad'): the hashed part lies outside the member; left out (entry at 0x10)"]


def test_a_truncated_member_is_no_wrong_hash() -> None:
    fs = hfs0(EXAMPLE[:0x520])
    assert fs.hash_matches("a.nca") is True
    with pytest.raises(CorruptError, match=r"HFS0 entry of part\.hfs0 at 0x500, field size: 'b\.tik' ends at 0x540, the archive at 0x520"):
        fs.hash_matches("b.tik")


def test_a_hash_that_can_be_compared_though_the_member_is_cut() -> None:
    fs = hfs0(EXAMPLE[:0x400])  # All of the hashed part of a.nca, and no more.
    assert fs.hash_matches("a.nca") is True
    with pytest.raises(CorruptError, match=r"'a\.nca' ends at 0x500, the archive at 0x3ff"):
        hfs0(EXAMPLE[:0x3FF]).hash_matches("a.nca")


def test_a_large_hashed_part() -> None:
    large = bytes(range(256)) * 0x5000
    fs = hfs0(image([(0, len(large), 0, len(large), 0, sha256(large).digest())], b"a\0", large))
    assert fs.hash_matches("a") is True


@pytest.mark.parametrize("count", [-1, 3, 2**31 - 1])
def test_counts_that_cannot_be(count: int) -> None:
    with pytest.raises(CorruptError) as caught:
        hfs0(image([(0, 0, 0, 0, 0, bytes(32))] * 2, b"a\0", count=count))
    assert (caught.value.field, caught.value.offset, caught.value.what) == ("entry_count", 4, "HFS0 header")


def test_another_magic() -> None:
    with pytest.raises(NotThisFormatError, match="magic is b'PFS0', not b'HFS0'"):
        hfs0(b"PFS0" + EXAMPLE[4:])


@pytest.mark.parametrize("size", [*range(0x10), 0x10, 0x8F, 0x90, 0x1FF])
def test_cut_in_the_header(size: int) -> None:
    with pytest.raises(NotThisFormatError if size < 4 else CorruptError) as caught:
        hfs0(EXAMPLE[:size])
    assert caught.value.what == "HFS0 header"
