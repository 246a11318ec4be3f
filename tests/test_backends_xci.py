from __future__ import annotations

from struct import pack

import pytest

from oboromi_fs import (
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    IsADirectoryEntryError,
    KeySet,
    MemoryStorage,
    Metadata,
    NotADirectoryEntryError,
    NotThisFormatError,
    XciArchive,
)
from oboromi_fs._forge import hfs0, made_up_keys, xci

FILES = {"a.nca": b"A" * 0x321, "b.tik": b"B" * 0x40}
CARD = xci({"update": {}, "normal": {"n.nca": b"N"}, "secure": FILES})
ROOT = 0xF000


def card(data: bytes, keys: KeySet | None = None) -> XciArchive:
    return XciArchive(MemoryStorage(data, "card.xci"), keys)


def edited(offset: int, data: bytes, image: bytes = CARD) -> bytes:
    return image[:offset] + data + image[offset + len(data) :]


def test_partitions_are_directories() -> None:
    fs = card(CARD)
    assert fs.partitions == ("update", "normal", "secure")
    assert fs.read_dir() == [DirEntry(name, "directory", 0) for name in ("update", "normal", "secure")]
    assert fs.read_dir("secure") == [DirEntry("a.nca", "file", 0x321), DirEntry("b.tik", "file", 0x40)]
    assert fs.read_dir("update") == []
    assert fs.metadata("secure") == Metadata("directory", 0)
    assert fs.read_bytes("secure/a.nca") == FILES["a.nca"]
    assert [extent.path for extent in fs.extents()] == ["normal/n.nca", "secure/a.nca", "secure/b.tik"]
    assert [extent.path for extent in fs.extents("secure")] == ["a.nca", "b.tik"]
    assert (fs.has_key_area, fs.header_offset, fs.trimmed_size) == (False, 0, len(CARD))
    assert fs.root_hash_matches() == (True, 0)
    assert fs.partition("secure").hash_matches("a.nca") is True


def test_lookups_that_fail() -> None:
    fs = card(CARD)
    for path in ("no", "no/a.nca", "secure/no", "a.nca", "secure/no/x"):
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)
    for path in ("secure/a.nca/x", "secure/a.nca/x/y"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("secure/a.nca")
    for path in ("", "secure"):
        with pytest.raises(IsADirectoryEntryError):
            fs.open(path)
    for path, error in (("no", EntryNotFoundError), ("secure/a.nca", NotADirectoryEntryError)):
        with pytest.raises(error):
            list(fs.extents(path))


def test_a_full_dump_has_a_key_area_first() -> None:
    full = xci({"secure": FILES}, key_area=True)
    fs = card(full)
    assert (fs.has_key_area, fs.header_offset, fs.trimmed_size) == (True, 0x1000, len(full))
    assert fs.read_bytes("secure/b.tik") == FILES["b.tik"]
    assert fs.root_hash_matches() == (True, 0)


def test_untrimmed_images_end_in_filling() -> None:
    fs = card(xci({"secure": FILES}, trimmed=False, capacity=1 << 20))
    assert fs.raw.size == 1 << 20
    assert fs.raw[-1] == 0xFF
    assert fs.read_bytes("secure/a.nca") == FILES["a.nca"]


@pytest.mark.parametrize("compatibility", [0, 1])
def test_card_information(compatibility: int) -> None:
    keys = made_up_keys()
    image = xci({"secure": FILES}, keys=keys, compatibility=compatibility)
    with_key, without = card(image, KeySet(keys)), card(image)
    info = with_key.info()
    assert info is not None
    assert (info.compatibility_type, info.access_control_1) == (compatibility, 0x00A10011)
    assert without.info() is None
    assert with_key.root_hash_matches() == without.root_hash_matches() == (True, compatibility)
    damaged = edited(ROOT + 0x20, b"\xee", image)
    assert card(damaged, KeySet(keys)).root_hash_matches() == (False, 0)


# What cannot be


@pytest.mark.parametrize("size", [0, 3, 0xFF, 0x100, 0x103])
def test_shorter_than_the_magic(size: int) -> None:
    with pytest.raises(NotThisFormatError) as caught:
        card(CARD[:size])
    assert str(caught.value) == "XCI card header of card.xci at 0x0: magic HEAD is neither at 0x100 nor at 0x1100"


@pytest.mark.parametrize("size", [0x104, 0x1FF, 0x200, 0xEFFF, ROOT, ROOT + 0x1FF])
def test_cut_before_the_partitions(size: int) -> None:
    with pytest.raises(CorruptError) as caught:
        card(CARD[:size])
    assert "card.xci" in str(caught.value)
    if size >= 0x200:
        assert (caught.value.field, caught.value.offset) == ("root_address", 0x130)


def test_cut_in_a_partition() -> None:
    """What is complete can be read; the rest is an error when it is asked for."""
    secure = CARD.rindex(b"HFS0")
    fs = card(CARD[: secure + 0x200 + 0x321])
    assert fs.read_bytes("secure/a.nca") == FILES["a.nca"]
    assert fs.read_bytes("normal/n.nca") == b"N"
    assert [entry.size for entry in fs.read_dir("secure")] == [0x321, 0x40]
    with pytest.raises(CorruptError, match="it is truncated"):
        fs.storage("secure/b.tik")
    fs = card(CARD[:secure])
    assert fs.read_dir("normal") == [DirEntry("n.nca", "file", 1)]
    with pytest.raises(CorruptError, match="partition 'secure' starts at 0x800, the image ends at 0x800: it is truncated"):
        fs.read_dir("secure")


def test_a_walk_over_a_truncated_card_tells_what_is_lost() -> None:
    lost = "partition 'secure' starts at 0x800, the image ends at 0x800: it is truncated"
    cut = CARD.rindex(b"HFS0")
    for size, problem in ((cut, lost), (cut + 0x20, "partition 'secure': ")):
        for by_extents in (False, True):
            fs = card(CARD[:size])
            assert fs.problems == []
            found = [extent.path for extent in fs.extents()] if by_extents else [path for path, _ in fs.walk()]
            assert [path for path in found if "/" in path] == ["normal/n.nca"]
            assert len(fs.problems) == 1
            assert fs.problems[0].startswith(problem)
    assert ("secure", DirEntry("secure", "directory", 0)) in list(card(CARD[:cut]).walk())
    with pytest.raises(CorruptError):
        list(card(CARD[:cut]).walk("secure"))


def test_over_trimmed_images_end_with_the_last_member() -> None:
    end = CARD.rindex(b"B" * 0x40) + 0x40
    assert end < len(CARD)
    fs = card(CARD[:end])
    assert fs.read_bytes("secure/b.tik") == FILES["b.tik"]
    assert fs.trimmed_size == len(CARD)


@pytest.mark.parametrize(
    ("address", "size"),
    [(2**64 - 1, 0x200), (ROOT, 2**64 - 1), (len(CARD), 0), (len(CARD) - 8, 0x10), (ROOT, 1 << 30), (2**63, 2**63), (0, 0)],
    ids=lambda value: f"{value:#x}",
)
def test_a_root_that_is_not_there(address: int, size: int) -> None:
    with pytest.raises(CorruptError):
        card(edited(0x130, pack("<QQ", address, size)))


def test_valid_data_end_is_a_hint() -> None:
    fs = card(edited(0x118, b"\xff" * 8))
    assert fs.trimmed_size == 0x20000000000
    assert fs.read_bytes("secure/a.nca") == FILES["a.nca"]


def test_a_root_that_is_no_hfs0() -> None:
    with pytest.raises(CorruptError) as caught:
        card(edited(ROOT, b"PFS0"))
    assert str(caught.value) == "XCI root of card.xci at 0xf000: no HFS0 where the root should be: magic is b'PFS0', not b'HFS0'"


def test_a_partition_that_is_no_hfs0() -> None:
    fs = card(edited(CARD.rindex(b"HFS0"), b"PFS0"))
    assert fs.read_dir("normal") == [DirEntry("n.nca", "file", 1)]
    with pytest.raises(CorruptError, match="partition 'secure' is not an HFS0: magic is b'PFS0', not b'HFS0'"):
        fs.read_dir("secure")


def rooted(root: bytes) -> bytes:
    """The card with another root HFS0."""
    return CARD[:ROOT] + root


def test_members_cannot_leave_their_partition() -> None:
    """A member may not reach into the partition behind its own."""
    inner = bytearray(hfs0({"a": b"12345678"}))
    inner[0x18:0x20] = pack("<q", 0x400)
    fs = card(rooted(hfs0({"first": bytes(inner), "second": hfs0({"secret": b"s" * 0x400})})))
    with pytest.raises(CorruptError, match="it is truncated"):
        fs.storage("first/a")


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "a/b", "/"])
def test_partitions_whose_names_lead_elsewhere(name: str) -> None:
    """They would lead a walk back to the root, for ever."""
    fs = card(rooted(hfs0({name: hfs0({"x": b"x"}), "secure": hfs0(FILES)})))
    assert [path for path, _ in fs.walk()] == [name, "secure", "secure/a.nca", "secure/b.tik"]
    assert [extent.path for extent in fs.extents()] == [f"{name}/x", "secure/a.nca", "secure/b.tik"]
    assert fs.read_bytes("secure/b.tik") == FILES["b.tik"]


def test_problems_of_the_partitions_read_so_far() -> None:
    broken = bytearray(hfs0({"bad": b"1", "ok": b"2"}))
    broken[0x10:0x18] = pack("<q", -1)
    fs = card(rooted(hfs0({"secure": bytes(broken)})))
    assert fs.problems == []
    assert fs.read_dir("secure") == [DirEntry("ok", "file", 1)]
    assert fs.problems == ["secure: entry 0 ('bad'): negative offset or size; left out (entry at 0xf210)"]
