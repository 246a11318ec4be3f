from __future__ import annotations

import traceback
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA

from oboromi_fs import (
    CorruptError,
    DirEntry,
    EntryNotFoundError,
    File,
    FormatError,
    IntegrityError,
    IsADirectoryEntryError,
    KeySet,
    MemoryStorage,
    MissingKeyError,
    Nca,
    NcaSection,
    NotADirectoryEntryError,
    NotThisFormatError,
    NspArchive,
    RomFs,
    Ticket,
    UnsupportedError,
)
from oboromi_fs._forge import ContentType, Encryption, FsType, HashType, Section, encrypt_title_key, nca, pfs0, romfs
from oboromi_fs._forge import ticket as make_ticket
from oboromi_fs.backends.nca import is_nca
from tests import forged

if TYPE_CHECKING:
    from pathlib import Path

START = 0x4000
EXEFS, ROMFS, LOGO = 0x400, 0x600, 0x800  # FS headers in the header.


def opened(data: bytes, keys: KeySet | None = forged.KEY_SET, **options: Any) -> Nca:
    return Nca(MemoryStorage(data, "game.nca"), keys, **options)


def program(**options: Any) -> Nca:
    return opened(forged.program_nca.__wrapped__(**options))


def section_with(edits: dict[int, bytes], **options: Any) -> NcaSection:
    """A RomFS section whose FS header was edited before it was hashed, as a hostile builder would."""
    given = {"encryption": Encryption.NONE, **options}
    data = nca(
        [None, Section(forged.romfs_image(), FsType.ROMFS, edits=edits, **given)],
        keys=forged.KEYS,
        content_type=ContentType.PROGRAM,
        program_id=forged.PROGRAM_ID,
    )
    return opened(data).section("romfs")


# Sound archives


def test_sections_are_files_named_by_use() -> None:
    fs = program()
    assert [entry.name for entry in fs.read_dir()] == ["exefs", "romfs", "logo"]
    assert [section.index for section in fs.sections.values()] == [0, 1, 2]
    assert fs.read_dir() == [DirEntry(name, "file", fs.storage(name).size) for name in ("exefs", "romfs", "logo")]
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert fs.read_bytes("exefs") == pfs0(forged.EXEFS)
    assert fs.read_bytes("@1") == forged.romfs_image()
    assert (fs.encrypted_header, fs.problems, fs.has_rights_id) == (True, [], False)
    assert fs.header.program_id == forged.PROGRAM_ID


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_sections_lie_in_any_order(order: str) -> None:
    fs = program(section_order=order)
    assert {name: fs.read_bytes(name) for name in ("exefs", "romfs", "logo")} == {
        "exefs": pfs0(forged.EXEFS),
        "romfs": forged.romfs_image(),
        "logo": pfs0(forged.LOGO),
    }


@pytest.mark.parametrize("content_type", [*ContentType, 9])
def test_names_by_content_type(content_type: int) -> None:
    names = [section.name for section in program(content_type=content_type).sections.values()]
    assert names == (["exefs", "romfs", "logo"] if content_type == ContentType.PROGRAM else ["data", "romfs", "data.1"])


def test_sections_are_told_by_slot_not_by_count() -> None:
    data = nca([None, None, None, Section(pfs0({"a": b"a"}), FsType.PARTITION)], keys=forged.KEYS, content_type=0, program_id=1)
    fs = opened(data)
    assert list(fs.sections) == [3]
    assert NspArchive(fs.storage("@3")).read_bytes("a") == b"a"
    with pytest.raises(EntryNotFoundError):
        fs.storage("@0")


def test_no_sections() -> None:
    assert opened(nca([], keys=forged.KEYS, content_type=0, program_id=1)).read_dir() == []


@pytest.mark.parametrize("generation", [0, 1, 2, 3, 5, 0x14, 0x20])
@pytest.mark.parametrize("key_index", [0, 1, 2])
def test_every_key_area_key(generation: int, key_index: int) -> None:
    assert program(key_generation=generation, key_index=key_index).read_bytes("exefs") == pfs0(forged.EXEFS)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({}, []),
        ({"encryption": Encryption.XTS}, []),
        ({"encryption": Encryption.XTS, "xts_base": "section"}, ["XTS sectors count from the section's start"]),
        ({"encryption": Encryption.CTR_SKIP_LAYER_HASH}, []),
        ({"hash_type": HashType.NONE}, []),
        ({"hash_type": HashType.SHA3}, []),
        ({"hash_type": HashType.INTEGRITY_SHA3}, []),
        ({"magic": b"NCA2"}, []),
        ({"header_encrypted": False}, []),
        ({"header_encrypted": False, "magic": b"NCA2"}, []),
        ({"distribution": 1, "first_section": 0xC00}, []),
    ],
)
def test_variants(options: dict[str, Any], note: list[str]) -> None:
    fs = program(**options)
    for check in (False, True):
        image = bytes(fs.section("romfs").image(check=check)[:])
        size = len(image) if options.get("hash_type") != HashType.NONE else len(forged.romfs_image())  # Only hashes know where it ends.
        assert image[:size] == forged.romfs_image()
        assert not any(image[size:])
    assert fs.section("romfs").notes == note
    assert RomFs(fs.storage("romfs")).read_bytes("hello.txt") == b"hello\n"
    assert fs.encrypted_header == options.get("header_encrypted", True)


def test_counters_have_an_upper_half() -> None:
    image = pfs0({"a": b"a" * 1000})
    section = Section(image, FsType.PARTITION, generation=0x01020304, secure_value=0xFF000005)
    assert opened(nca([section], keys=forged.KEYS, content_type=0, program_id=1)).read_bytes("exefs") == image


def test_a_plain_header_and_plain_sections_need_no_key() -> None:
    data = forged.program_nca.__wrapped__(Encryption.NONE, header_encrypted=False)
    assert opened(data, KeySet()).read_bytes("romfs") == forged.romfs_image()


def test_from_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.nca").write_bytes(forged.program_nca())
    with Nca(tmp_path / "a.nca", forged.KEY_SET) as fs:
        assert fs.read_bytes("romfs") == forged.romfs_image()
        assert isinstance(fs.raw, File)
    assert fs.raw.closed


def test_lookups_that_fail() -> None:
    fs = program()
    for path in ("no", "@4", "@9", "@", "@00", "Romfs", "no/x"):
        with pytest.raises(EntryNotFoundError):
            fs.metadata(path)
    for path in ("romfs/x", "romfs/x/y"):
        with pytest.raises(NotADirectoryEntryError):
            fs.metadata(path)
    with pytest.raises(NotADirectoryEntryError):
        fs.read_dir("romfs")
    with pytest.raises(IsADirectoryEntryError):
        fs.open("")


def test_damage_is_found_where_it_is_asked_for() -> None:
    data = bytearray(forged.program_nca())
    fs = opened(bytes(data))
    end = fs.section("romfs").start + 0x4000 * 5 + 0x1000  # In the image, behind its header.
    data[end] ^= 1
    fs = opened(bytes(data))
    assert fs.read_bytes("romfs") != forged.romfs_image()
    with pytest.raises(IntegrityError) as caught:
        fs.section("romfs").image(check=True)[:]
    assert (caught.value.level, caught.value.source) == (6, "game.nca")


# Title keys


def test_a_title_key_by_ticket() -> None:
    ticket = Ticket.read(MemoryStorage(forged.common_ticket()))
    asked: list[bytes] = []

    def tickets(rights_id: bytes) -> Ticket:
        asked.append(rights_id)
        return ticket

    fs = opened(forged.title_key_nca(), tickets=tickets)
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert set(asked) == {forged.RIGHTS_ID}
    assert fs.has_rights_id


def test_a_title_key_by_title_keys() -> None:
    keys = KeySet(forged.KEYS, {forged.RIGHTS_ID: forged.WRAPPED_TITLE_KEY})
    fs = opened(forged.title_key_nca(), keys, tickets=lambda _: None)
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert fs.section("romfs").notes == []


def test_a_title_key_in_the_clear() -> None:
    keys = KeySet(forged.KEYS, {forged.RIGHTS_ID: forged.TITLE_KEY})
    fs = opened(forged.title_key_nca(), keys)
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert fs.section("romfs").notes == [f"title.keys holds the title key of {forged.RIGHTS_ID.hex()} already decrypted"]


def test_a_personalised_ticket_is_passed_over_where_title_keys_has_the_key() -> None:
    data = bytearray(forged.common_ticket())
    data[0x281] = 1
    ticket = Ticket.read(MemoryStorage(bytes(data)))
    keys = KeySet(forged.KEYS, {forged.RIGHTS_ID: forged.WRAPPED_TITLE_KEY})
    assert opened(forged.title_key_nca(), keys, tickets=lambda _: ticket).read_bytes("romfs") == forged.romfs_image()
    with pytest.raises(MissingKeyError) as caught:
        opened(forged.title_key_nca(), tickets=lambda _: ticket).storage("romfs")
    assert caught.value.key_name == "eticket_rsa_keypair"


def test_a_ticket_with_a_wrong_key_beside_title_keys_with_the_right_one() -> None:
    wrong = Ticket.read(MemoryStorage(make_ticket(forged.RIGHTS_ID, bytes(16), 5)))
    keys = KeySet(forged.KEYS, {forged.RIGHTS_ID: forged.WRAPPED_TITLE_KEY})
    fs = opened(forged.title_key_nca(), keys, tickets=lambda _: wrong)
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert fs.section("romfs").notes == ["title.keys has another title key than the ticket"]


@pytest.mark.parametrize("offset", [0x285, 0x286])
def test_a_ticket_wrapped_for_another_generation_than_the_header_says(offset: int) -> None:
    """Neither the NCA nor the rights id tells; the ticket does, in its own byte or one too far."""
    data = bytearray(make_ticket(forged.RIGHTS_ID, encrypt_title_key(forged.TITLE_KEY, 9, forged.KEYS), 5))
    data[0x285] = 0
    data[offset] = 9
    fs = opened(forged.title_key_nca(), tickets=lambda _: Ticket.read(MemoryStorage(bytes(data))))
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert fs.section("romfs").notes == ["the title key is wrapped for key generation 9, the NCA says 5"]


def long_table(encryption: int, **options: Any) -> bytes:
    """An NCA whose hash table is longer than what is checked whole when a section is opened: a million bytes in blocks of 0x10."""
    section = Section(pfs0({"a": bytes(600_000)}), FsType.PARTITION, encryption=encryption, block_size=0x10)
    return nca([section], keys=forged.KEYS, content_type=ContentType.DATA, program_id=1, **options)


def test_xts_units_are_told_behind_a_long_hash_table() -> None:
    fs = opened(long_table(Encryption.XTS, xts_base="section"))
    assert fs.storage("data")[:4].tobytes() == b"PFS0"
    assert fs.section("data").notes == ["XTS sectors count from the section's start"]


def test_a_wrong_key_is_told_behind_a_long_hash_table() -> None:
    keys = {**forged.KEYS, "key_area_key_application_00": bytes(16)}
    with pytest.raises(IntegrityError, match=r"the first block of data does not match its hash; the section's key .* is wrong"):
        opened(long_table(Encryption.CTR), KeySet(keys)).storage("data")


def test_a_personalised_ticket_opens_an_nca() -> None:
    """The console's key unwraps the block to the title key as it is stored, which titlekek still has to unwrap."""
    pair = RSA.generate(2048)
    block = PKCS1_OAEP.new(pair, SHA256).encrypt(bytes(16) + forged.WRAPPED_TITLE_KEY)
    data = bytearray(forged.common_ticket())
    data[0x180:0x280] = block
    data[0x281] = 1
    numbers = pair.d.to_bytes(0x100, "big") + pair.n.to_bytes(0x100, "big") + pair.e.to_bytes(4, "big") + bytes(12)
    keys = KeySet({**forged.KEYS, "eticket_rsa_keypair": numbers})
    fs = opened(forged.title_key_nca(), keys, tickets=lambda _: Ticket.read(MemoryStorage(bytes(data))))
    assert fs.read_bytes("romfs") == forged.romfs_image()


def test_no_title_key() -> None:
    fs = opened(forged.title_key_nca())
    assert [entry.name for entry in fs.read_dir()] == ["exefs", "romfs", "logo"]
    assert fs.read_bytes("logo") == pfs0(forged.LOGO)
    with pytest.raises(MissingKeyError) as caught:
        fs.storage("romfs")
    assert str(caught.value) == (
        f"missing key {forged.RIGHTS_ID.hex()}, needed for the title key of game.nca (key generation 5, firmware 5.0.0 and later): "
        "no ticket beside it holds it (not among the keys given; add a line to title.keys, or open the NSP with its ticket)"
    )


def test_no_titlekek() -> None:
    keys = {name: value for name, value in forged.KEYS.items() if not name.startswith(("titlekek", "master_key"))}
    with pytest.raises(MissingKeyError) as caught:
        opened(forged.title_key_nca(), KeySet(keys, {forged.RIGHTS_ID: forged.WRAPPED_TITLE_KEY})).storage("romfs")
    assert caught.value.key_name == "titlekek_04"


def test_a_wrong_title_key() -> None:
    with pytest.raises(IntegrityError) as caught:
        opened(forged.title_key_nca(), KeySet(forged.KEYS, {forged.RIGHTS_ID: bytes(16)})).storage("romfs")
    assert f"(title key {forged.RIGHTS_ID.hex()}, titlekek_04) is wrong, or the file is damaged" in str(caught.value)


# Keys that are absent or wrong


def test_no_header_key(tmp_path: Path) -> None:
    (tmp_path / "prod.keys").write_text("titlekek_00 = " + "00" * 16, encoding="ascii")
    keys = KeySet.load(tmp_path / "prod.keys")
    with pytest.raises(MissingKeyError) as caught:
        opened(forged.program_nca(), keys)
    assert caught.value.key_name == "header_key"
    assert str(tmp_path / "prod.keys") in str(caught.value)


def test_a_wrong_header_key() -> None:
    with pytest.raises(NotThisFormatError) as caught:
        opened(forged.program_nca(), KeySet({"header_key": bytes(32)}))
    assert str(caught.value) == (
        "NCA header of game.nca at 0x200, field magic: "
        "header_key is wrong, or the file is not an NCA: the header does not decrypt to an NCA magic"
    )


def test_no_key_area_key() -> None:
    fs = opened(forged.program_nca(), KeySet({"header_key": forged.KEYS["header_key"]}))
    assert fs.read_bytes("logo") == pfs0(forged.LOGO)
    with pytest.raises(MissingKeyError) as caught:
        fs.storage("romfs")
    assert caught.value.key_name == "key_area_key_application_04"
    assert "key generation 5 (first firmware 5.0.0)" in str(caught.value)


@pytest.mark.parametrize("encryption", [Encryption.CTR, Encryption.XTS])
def test_a_wrong_key_area_key(encryption: int) -> None:
    keys = KeySet({**forged.KEYS, "key_area_key_application_04": bytes(16)})
    with pytest.raises(IntegrityError) as caught:
        opened(forged.program_nca(encryption), keys).storage("romfs")
    assert "(key_area_key_application_04) is wrong, or the file is damaged" in str(caught.value)
    assert (caught.value.field, caught.value.source) == ("master_hash", "game.nca")


# Headers that cannot be


@pytest.mark.parametrize("size", [0, 1, 0x1FF, 0x400, 0xBFF])
def test_shorter_than_a_header(size: int) -> None:
    with pytest.raises(NotThisFormatError, match=f"{size:#x} bytes are less than a header"):
        opened(forged.program_nca()[:size])


def test_cut_in_a_section() -> None:
    data = forged.program_nca()
    fs = opened(data[: opened(data).section("logo").start + 0x10])
    assert fs.read_bytes("romfs") == forged.romfs_image()
    assert len(fs.problems) == 1
    assert "the file is truncated" in fs.problems[0]
    with pytest.raises(CorruptError, match="the file is truncated"):
        fs.storage("logo")


def test_pre_release_archives() -> None:
    with pytest.raises(UnsupportedError, match="pre-release NCA1 is not supported"):
        program(magic=b"NCA1")


@pytest.mark.parametrize("magic", [b"NCA4", b"PFS0", bytes(4)])
def test_another_magic(magic: bytes) -> None:
    with pytest.raises(NotThisFormatError):
        program(magic=magic)


@pytest.mark.parametrize("index", [3, 7, 0xFF])
def test_a_key_index_that_does_not_exist(index: int) -> None:
    fs = program(header_edits={0x207: bytes([index])})
    assert fs.read_bytes("logo") == pfs0(forged.LOGO)
    with pytest.raises(CorruptError) as caught:
        fs.storage("romfs")
    assert (caught.value.field, caught.value.offset) == ("key_area_key_index", 0x207)


def test_a_key_index_that_does_not_exist_and_plain_damage() -> None:
    """No key is to blame for damage in a section that is stored plain, least of all one that does not exist."""
    data = bytearray(forged.program_nca.__wrapped__(Encryption.NONE, header_edits={0x207: b"\xff"}))
    fs = opened(bytes(data))
    data[fs.section("romfs").start] ^= 1
    fs = opened(bytes(data))
    with pytest.raises(IntegrityError, match="it is stored plain: the file is damaged"):
        fs.storage("romfs")


@pytest.mark.parametrize("generation", [0x21, 0x80, 0xFF])
def test_key_generations_that_nobody_has(generation: int) -> None:
    fs = program(header_edits={0x220: bytes([generation])})
    with pytest.raises(MissingKeyError) as caught:
        fs.storage("romfs")
    assert caught.value.key_name == f"key_area_key_application_{generation - 1:02x}"


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (5, 6), (0x20, 0x20), (0x30, 0x20), (0xFFFFFFFF, 0), (0xFFFFFFFE, 0xFFFFFFFF), (0x20, 0xFFFFFFFF), (1 << 20, 1 << 21)],
    ids=hex,
)
def test_sections_that_cannot_be(start: int, end: int) -> None:
    """The one is refused when it is read, the others are not."""
    fs = program(header_edits={0x250: pack("<II", start, end)})
    assert [entry.name for entry in fs.read_dir()] == ["exefs", "romfs", "logo"]
    with pytest.raises(CorruptError) as caught:
        fs.storage("romfs")
    assert caught.value.field in ("start", "end")
    readable = [name for name in ("exefs", "logo") if not isinstance(fs.section(name).fault, FormatError)]
    assert readable
    for name in readable:
        fs.read_bytes(name)


def spans(*sections: tuple[int, int]) -> bytes:
    return b"".join(pack("<IIII", start, end, 1, 0) for start, end in sections)


def test_sections_that_overlap() -> None:
    fs = program(header_edits={0x240: spans((0x20, 0x40), (0x3F, 0x60), (0x60, 0x61))})
    faults = {name: fs.section(name).fault for name in ("exefs", "romfs", "logo")}
    assert faults["exefs"] is faults["logo"] is None
    assert str(faults["romfs"]) == "NCA section table of game.nca at 0x250, field start: section 1 overlaps section 0"


def test_a_section_that_overlaps_with_more_than_its_neighbour() -> None:
    """The first holds both others; the third lies clear of the second, and in the first all the same."""
    fs = program(header_edits={0x240: spans((0x20, 0x100), (0x30, 0x40), (0x50, 0x60))})
    assert [str(fs.section(name).fault).partition("start: ")[2] for name in ("exefs", "romfs", "logo")] == [
        "",
        "section 1 overlaps section 0",
        "section 2 overlaps section 0",
    ]


def test_two_sections_in_one_place() -> None:
    fs = program(header_edits={0x240: spans((0x20, 0x40), (0x20, 0x40), (0x40, 0x41))})
    assert [fs.section(name).fault is None for name in ("exefs", "romfs", "logo")] == [True, False, True]


def test_a_wrong_hash_of_an_fs_header() -> None:
    fs = program(header_edits={ROMFS + 0x144: b"\1"})
    with pytest.raises(IntegrityError) as caught:
        fs.storage("romfs")
    assert str(caught.value) == (
        "NCA FS header 1 of game.nca at 0x600, field fs_header_hashes: does not have the hash that the NCA header says; the file is damaged"
    )
    assert fs.read_bytes("exefs") == pfs0(forged.EXEFS)


def test_a_fault_does_not_grow_with_those_who_ask() -> None:
    fs = program(header_edits={ROMFS + 0x144: b"\1"})
    depths = []
    for _ in range(5):
        with pytest.raises(IntegrityError) as caught:
            fs.storage("romfs")
        depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(depths)) == 1


# FS headers that cannot be, hashed as if they could


@pytest.mark.parametrize("version", [0, 1, 3, 0xFFFF])
def test_versions(version: int) -> None:
    with pytest.raises(UnsupportedError, match=f"version {version}, not 2"):
        section_with({0: pack("<H", version)}).image()


@pytest.mark.parametrize("kind", [0, 7, 0xFF])
def test_encryption_types(kind: int) -> None:
    with pytest.raises(UnsupportedError, match=f"has encryption type {kind}") as caught:
        section_with({4: bytes([kind])}).image()
    assert caught.value.field == "encryption"


@pytest.mark.parametrize("kind", [0, 4, 7, 0xFF])
def test_hash_types(kind: int) -> None:
    with pytest.raises(UnsupportedError, match=f"has hash type {kind}") as caught:
        section_with({3: bytes([kind])}).image()
    assert caught.value.field == "hash_type"


@pytest.mark.parametrize("kind", [2, 9, 0xFF])
def test_fs_types(kind: int) -> None:
    """Named by use; what is in it is for whoever opens it to say."""
    with pytest.raises(EntryNotFoundError):
        section_with({2: bytes([kind])})


def test_a_sparse_section_that_is_not_encrypted() -> None:
    with pytest.raises(UnsupportedError, match="is sparse, and lies in the file in parts") as caught:
        section_with({0x170: pack("<H", 1)}).image()
    assert (caught.value.offset, caught.value.source) == (0x600, "game.nca")


def test_a_compressed_section_without_a_tree() -> None:
    with pytest.raises(CorruptError, match="not b'BKTR'") as caught:
        section_with({0x178: pack("<QQ", 0x200, 0x200)}).image()
    assert (caught.value.offset, caught.value.source) == (0x788, "game.nca")


def test_a_patch_without_its_magic_is_damaged() -> None:
    with pytest.raises(CorruptError, match="no magic BKTR") as caught:
        section_with({0x108: pack("<Q", 1)}).image()
    assert (caught.value.offset, caught.value.field) == (0x710, "indirect_header")


IVFC_LEVEL = 0x18  # Levels from 0x18 on in the FS header: 8 bytes before the hash data, 0x10 of it before the levels.


@pytest.mark.parametrize(
    "edits",
    [
        {0x8: b"XXXX"},
        {0x10: pack("<I", 0)},
        {0x10: pack("<I", 0xFFFFFFFF)},
        {0x14: pack("<I", 6)},
        {0x14: pack("<I", 0xFFFFFFFF)},
        *({IVFC_LEVEL + 0x18 * level: pack("<Q", value)} for level in (0, 4, 5) for value in (1 << 40, 2**64 - 1)),
        *({IVFC_LEVEL + 0x18 * level + 8: pack("<Q", value)} for level in (0, 4, 5) for value in (1 << 40, 2**64 - 1)),
        *({IVFC_LEVEL + 0x18 * level + 0x10: pack("<I", value)} for level in (0, 4, 5) for value in (0, 3, 31, 64, 2**32 - 1)),
        {IVFC_LEVEL + 0x18 * 4 + 8: pack("<Q", 0x20)},
    ],
    ids=lambda edits: " ".join(f"{at:#x}={data.hex()}" for at, data in edits.items()),
)
def test_ivfc_headers(edits: dict[int, bytes]) -> None:
    section = section_with(edits)
    with pytest.raises(CorruptError) as caught:
        section.image()
    assert str(caught.value).startswith("NCA section 1 (romfs) hash data of game.nca at 0x608, field ")
    assert section.data_size >= 0


SHA256_BLOCK, SHA256_COUNT, SHA256_REGION = 0x28, 0x2C, 0x30


@pytest.mark.parametrize(
    "edits",
    [
        *({SHA256_BLOCK: pack("<I", value)} for value in (0, 1, 8, 0x1001, 0x2000000, 2**32 - 1)),
        *({SHA256_COUNT: pack("<I", value)} for value in (0, 1, 3, 2**32 - 1)),
        *({SHA256_REGION + at: pack("<Q", value)} for at in (0, 8, 0x10, 0x18) for value in (1 << 40, 2**64 - 1)),
        {SHA256_REGION + 8: pack("<Q", 0)},
        {SHA256_REGION + 8: pack("<Q", 0x20)},
    ],
    ids=lambda edits: " ".join(f"{at:#x}={data.hex()}" for at, data in edits.items()),
)
def test_sha256_headers(edits: dict[int, bytes]) -> None:
    section = section_with(edits, hash_type=HashType.SHA256, block_size=0x200)
    with pytest.raises(CorruptError) as caught:
        section.image()
    assert str(caught.value).startswith("NCA section 1 (romfs) hash data of game.nca at 0x608, field ")


@pytest.mark.parametrize(("hash_type", "at"), [(HashType.INTEGRITY, 0xC8), (HashType.SHA256, 0x8)])
@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.CTR, Encryption.XTS])
def test_a_damaged_master_hash(hash_type: int, at: int, encryption: int) -> None:
    with pytest.raises(IntegrityError) as caught:
        section_with({at: bytes(32)}, hash_type=hash_type, encryption=encryption).image()
    assert caught.value.field == "master_hash"
    blame = "it is stored plain" if encryption == Encryption.NONE else "key_area_key_application_00"
    assert blame in str(caught.value)


# Telling what is one


def test_is_nca() -> None:
    assert is_nca(MemoryStorage(forged.program_nca()), forged.KEY_SET)
    assert is_nca(MemoryStorage(forged.program_nca.__wrapped__(magic=b"NCA1")), forged.KEY_SET)
    assert not is_nca(MemoryStorage(bytes(0xC00)), forged.KEY_SET)
    assert not is_nca(MemoryStorage(b""), forged.KEY_SET)
    assert not is_nca(MemoryStorage(forged.program_nca()), KeySet())


def test_a_file_that_shows_the_magic_is_no_plain_header() -> None:
    data = bytearray(0x1000)
    data[0x200:0x204] = b"NCA3"
    assert is_nca(MemoryStorage(bytes(data)), KeySet())
    data[0x355] = 1
    with pytest.raises(MissingKeyError):
        opened(bytes(data), KeySet())


def test_romfs_is_the_name_of_a_romfs_whatever_the_content() -> None:
    data = nca([Section(romfs({}), FsType.ROMFS)], keys=forged.KEYS, content_type=ContentType.CONTROL, program_id=1)
    assert [entry.name for entry in opened(data).read_dir()] == ["romfs"]
