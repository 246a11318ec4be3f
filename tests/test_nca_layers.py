"""Patched, sparse and compressed sections of NCAs: those of other tools, and made-up ones against what went into them."""

from __future__ import annotations

import hashlib
import json
import random
from struct import pack
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import (
    ClosedError,
    CorruptError,
    FormatError,
    IntegrityError,
    KeySet,
    MemoryFs,
    MemoryStorage,
    MissingBaseError,
    Nca,
    OboromiFsError,
    RomFs,
    UnsupportedError,
    open_fs,
)
from oboromi_fs._forge import FsType, Section, nca
from oboromi_fs._forge.nca_section import Encryption, HashType
from oboromi_fs.backends.nca import metadata_tree
from oboromi_fs.base import StorageBase
from oboromi_fs.builders.romfs import RomFsImage
from tests.command import DATA, oboromi
from tests.forged import KEYS as KEYS_OF_NCAS
from tests.forged import PROGRAM_ID
from tests.forged_layers import CTR_KEY, SLOT, Run, compressed, opened, plain_nca, sparse, update, whole_section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BKTR = DATA / "bktr"
KEYS = BKTR / "keys" / "prod.keys"
EXPECTED: dict[str, dict[str, dict[str, Any]]] = json.loads((BKTR / "expected.json").read_text(encoding="utf-8"))


def image_of(files: Mapping[str, bytes]) -> bytes:
    return RomFsImage(MemoryFs(dict(files))).tobytes()


OLD = image_of({"a": bytes(range(256)) * 40, "b": b"old" * 1000, "c": b"unchanged"})
NEW = image_of({"a": b"new" + bytes(range(256)) * 40, "c": b"unchanged", "d": b"added" * 500})


def digests(fs: Any, path: str = "") -> dict[str, dict[str, Any]]:
    return {
        inner: {"size": entry.size, "sha256": hashlib.sha256(fs.read_bytes(f"{path}/{inner}")).hexdigest()}
        for inner, entry in fs.walk(path)
        if entry.kind == "file"
    }


def test_the_update_of_another_tool_over_its_base() -> None:
    with Nca(BKTR / "base.nca", KeySet.of(KEYS)) as base, Nca(BKTR / "update.nca", KeySet.of(KEYS)) as patch:
        assert (base.is_update, patch.is_update) == (False, True)
        whole = patch.with_base(base)
        section = whole.section("romfs")
        assert digests(RomFs(section.image(check=True))) == EXPECTED["updated"]
        assert section.image()[-1:].nbytes == 1
        assert digests(RomFs(base.section("romfs").image())) == EXPECTED["base"]
    with open_fs(BKTR / "update.nca", KEYS, base=BKTR / "base.nca") as fs:
        assert digests(fs, "romfs") == EXPECTED["updated"]


def test_an_update_without_its_base_says_that() -> None:
    with Nca(BKTR / "update.nca", KeySet.of(KEYS)) as patch:
        assert [entry.name for entry in patch.read_dir("")] == ["romfs"]
        with pytest.raises(MissingBaseError, match="holds only what differs from the base, 0100abcd00010000: give the base as well"):
            patch.section("romfs").image()


def test_the_command_takes_the_base() -> None:
    words = ("--keys", str(KEYS))
    update_nca, base_nca = str(BKTR / "update.nca"), str(BKTR / "base.nca")
    assert oboromi(*words, "ls", f"{update_nca}/romfs", "--base", base_nca).lines == ["c", "d", "keep"]
    assert oboromi(*words, "cat", f"{update_nca}/romfs/c", "--base", str(BKTR)).code == 0
    without = oboromi(*words, "ls", f"{update_nca}/romfs")
    assert without.code == 3
    assert "give the base as well" in without.message
    assert oboromi(*words, "ls", update_nca).lines == ["romfs"]
    checked = oboromi(*words, "verify", update_nca, "--base", base_nca)
    assert checked.code == 0
    assert any(line.startswith("ok") and "hash tree" in line for line in checked.lines)
    assert oboromi(*words, "stat", f"{update_nca}/romfs/c", "--base", base_nca, "--json").json["stored"] == "patched"


def test_a_base_without_the_title_is_named() -> None:
    update_nca = str(BKTR / "update.nca")
    found = oboromi("--keys", str(KEYS), "ls", f"{update_nca}/romfs", "--base", update_nca)
    assert found.code == 3
    assert found.message.endswith(f"the base, 0100abcd00010000: there is none in {update_nca}, but an update of it")


def test_the_base_is_closed_with_what_was_opened_over_it() -> None:
    with open_fs(BKTR / "update.nca", KEYS, base=BKTR / "base.nca") as fs:
        image = fs.storage("romfs/c")
        assert image[:1].nbytes == 1
    with pytest.raises(ClosedError):
        image[20_000:20_001]
    assert fs.opener._base_place is None


def test_a_base_of_another_title_is_refused() -> None:
    base = opened(plain_nca(OLD, program_id=0x0100000000001000))
    patch = opened(update(whole_section(OLD)[0], NEW, []))
    with pytest.raises(FormatError, match=f"of title 0100000000001000, and not content 0 of {PROGRAM_ID:016x}"):
        patch.with_base(base)


def test_an_update_is_no_base_neither_alone_nor_laid_over_its_own() -> None:
    base = opened(plain_nca(OLD))
    patch = opened(update(whole_section(OLD)[0], NEW, []))
    for wrong in (patch, patch.with_base(base)):
        with pytest.raises(FormatError, match="the base is an update of 0100abcdef000000 itself"):
            patch.with_base(wrong)


def test_a_base_that_is_cut_short_is_named() -> None:
    section = whole_section(OLD)[0]
    new_section = whole_section(NEW)[0]
    at = next(at for at in range(0, len(section) - 0x800, 0x10) if section[at : at + 0x800] in new_section)
    patch = opened(update(section, NEW, [Run(new_section.index(section[at : at + 0x800])), Run(0x800, at)]))
    data = plain_nca(OLD)
    base = Nca(MemoryStorage(data[:-0x400], "base.nca"), _keys())
    with pytest.raises(CorruptError, match=r"section 1 \(romfs\) of base.nca .*the file is truncated"):
        patch.with_base(base).section("romfs").image()


def test_each_program_of_a_title_is_laid_over_its_own(tmp_path: Path) -> None:
    """Two programs, whose title ids and indices differ by one; the second one's update takes nothing of the first."""
    section = whole_section(OLD)[0]
    new_section = whole_section(NEW)[0]
    at = next(at for at in range(0, len(section) - 0x800, 0x10) if section[at : at + 0x800] in new_section)
    runs = [Run(new_section.index(section[at : at + 0x800])), Run(0x800, at)]
    second: dict[str, Any] = {"program_id": PROGRAM_ID + 1, "header_edits": {0x214: pack("<I", 1)}}
    (tmp_path / "first.nca").write_bytes(plain_nca(image_of({"other": b"x" * 30_000})))
    (tmp_path / "second.nca").write_bytes(plain_nca(OLD, **second))
    (tmp_path / "update.nca").write_bytes(update(section, NEW, runs, **(second | {"program_id": PROGRAM_ID + 1 | 0x800})))
    with open_fs(tmp_path / "update.nca", _keys(), base=tmp_path) as fs:
        assert fs.read_bytes("romfs/d") == b"added" * 500
    (tmp_path / "second.nca").write_bytes(b"damaged" * 1000)
    with open_fs(tmp_path / "update.nca", _keys(), base=tmp_path) as fs, pytest.raises(MissingBaseError) as caught:
        fs.read_bytes("romfs/d")
    assert "but an update of it; 1 NCA or package in there cannot be opened: " in str(caught.value)


class Counted(StorageBase):
    """Counts the bytes that are read of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._size = len(data)
        self.bytes = 0

    def _readinto(self, offset: int, target: memoryview) -> None:
        self.bytes += len(target)
        target[:] = self._data[offset : offset + len(target)]


def test_of_an_update_only_headers_and_tables_are_read_until_more_is_wanted() -> None:
    image = image_of({"noise": random.Random(1).randbytes(2 << 20), "b": b"b" * 100_000})
    raw = Counted(update(b"", image, []))
    patch = Nca(raw, _keys())
    assert raw.bytes == 0xC00 + 8  # The header, and what would tell an NCZ.
    section = patch.section("romfs").image()
    tables = 4 * 0x4000
    assert 0xC00 + tables <= raw.bytes <= 0xC00 + tables + 0x1000  # And the top of the hash tree.
    before = raw.bytes
    section[0x100003:0x101003]
    assert raw.bytes - before <= 0x1010


def test_a_patch_that_takes_nothing_from_a_base_needs_none() -> None:
    patch = opened(update(b"", NEW, []))
    assert patch.section("romfs").image(check=True)[:].tobytes() == NEW


def test_a_base_without_the_section_is_an_empty_one() -> None:
    base_section = whole_section(OLD)[0]
    new_section = whole_section(NEW)[0]
    common = next(size for size in range(0x200, 0, -1) if base_section[:size] in new_section) if base_section[:1] in new_section else 0
    at = new_section.find(base_section[:common])
    patch = opened(update(base_section, NEW, [Run(at), Run(common, 0)] if at else [Run(common, 0)]))
    base = opened(plain_nca(OLD, header_edits={0x240 + 0x10 * SLOT: bytes(8)}))
    with pytest.raises(CorruptError, match="of source 0, which has 0x0"):
        patch.with_base(base).section("romfs").image()


@st.composite
def versions(draw: st.DrawFn) -> tuple[bytes, bytes, list[Run]]:
    """Two images, the second cut together from the first; and runs of its section, at odd offsets, from the base where that has them."""
    old = draw(st.binary(min_size=1, max_size=2000))
    pieces = draw(st.lists(st.tuples(st.integers(0, len(old)), st.integers(0, 900), st.binary(max_size=40)), max_size=8))
    new = b"".join(old[start : start + size] + added for start, size, added in pieces) or b"x"
    base, section = whole_section(old)[0], whole_section(new)[0]
    runs, at = [], 0
    for size in draw(st.lists(st.integers(0, 700), max_size=30)):
        run = section[at : at + size]
        found = base.find(run) if draw(st.booleans()) else -1
        runs.append(Run(len(run), found if found >= 0 else None))
        at += len(run)
    return old, new, runs


@settings(max_examples=60)
@given(versions(), st.lists(st.integers(0, 1000), min_size=1, max_size=5), st.integers(0, 3000), st.integers(0, 3000))
def test_every_read_of_an_update_is_that_of_the_new_image(
    drawn: tuple[bytes, bytes, list[Run]], generations: list[int], start: int, stop: int
) -> None:
    old, new, runs = drawn
    whole = opened(update(whole_section(old)[0], new, runs, generations)).with_base(opened(plain_nca(old)))
    assert whole.section("romfs").image(check=True)[:].tobytes() == new
    assert whole.section("romfs").image()[start:stop].tobytes() == new[start:stop]
    assert whole.section("romfs").decrypted()[start:stop].tobytes() == whole_section(new)[0][start:stop]


def test_an_update_of_a_sparse_base() -> None:
    base_section = whole_section(OLD)[0]
    new_section = whole_section(NEW)[0]
    size = 0x1000
    at = next(at for at in range(0, len(base_section) - size, 0x10) if base_section[at : at + size] in new_section)
    found = new_section.index(base_section[at : at + size])
    patch = opened(update(base_section, NEW, [Run(found), Run(size, at)]))
    thin = opened(sparse(OLD, [(at & ~0xF, at + size)]))
    assert thin.section("romfs").is_sparse
    assert patch.with_base(thin).section("romfs").image(check=True)[:].tobytes() == NEW


def test_what_a_sparse_base_still_has_is_read() -> None:
    section = whole_section(OLD)[0]
    full = opened(sparse(OLD, [(0, len(section) + -len(section) % 0x200)]))
    assert full.section("romfs").image()[:].tobytes() == OLD
    assert RomFs(full.section("romfs").image()).read_bytes("c") == b"unchanged"
    none = opened(sparse(OLD, []))
    assert none.section("romfs").decrypted().size == len(section) + -len(section) % 0x200


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (0x14C, pack("<I", 0x100), "the file is truncated"),
        (0x150, pack("<Q", 1 << 62), "the file is truncated"),
        (0x168, pack("<Q", 1 << 63), "the file is truncated"),
        (0x158, bytes(4), "magic is"),
    ],
)
def test_sparse_fields_that_lead_out_of_the_file(at: int, value: bytes, problem: str) -> None:
    with pytest.raises(CorruptError, match=problem):
        opened(sparse(OLD, [(0, 0x200)], more={at: value})).section("romfs").decrypted()


def test_a_sparse_section_without_entries_is_one_hole() -> None:
    section = opened(sparse(OLD, [], more={0x160: bytes(4)})).section("romfs")
    size = len(whole_section(OLD)[0])
    assert section.decrypted().size == size + -size % 0x200
    assert section.decrypted().sources[0][:].tobytes() == bytes(section.decrypted().size)
    assert section.in_parts()[1] == []


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.integers(1, 800)), min_size=1, max_size=12),
    st.sampled_from([0x100, 0x1000, 0x10000]),
    st.integers(0, 5000),
    st.integers(0, 5000),
)
def test_every_read_of_a_compressed_section_is_that_of_the_image(runs: list[tuple[bytes, int]], block: int, start: int, stop: int) -> None:
    image = b"x" + b"".join(piece * count for piece, count in runs) + bytes(0x300)
    section = opened(compressed(image, block)).section("romfs")
    assert section.data_size == len(image)
    assert section.image(check=True)[:].tobytes() == image
    assert section.image()[start:stop].tobytes() == image[start:stop]


def test_a_compressed_romfs_is_a_file_system() -> None:
    data = compressed(NEW)
    fs = open_fs(opened(data).raw, _keys())
    assert fs.read_bytes("romfs/d") == b"added" * 500
    assert fs.metadata("romfs/d").size == 2500


def _keys() -> KeySet:
    from tests.forged import KEY_SET

    return KEY_SET


@pytest.mark.parametrize(
    ("edits", "kind", "problem"),
    [
        ({0x105: b"\1"}, CorruptError, "indirect table ends at"),
        ({0x120: pack("<Q", 1 << 40)}, CorruptError, "AES-CTR-EX table ends at"),
        ({0x110: b"XXXX"}, CorruptError, "no magic BKTR"),
        ({0x130: b"XXXX"}, CorruptError, "magic is b'XXXX'"),
        ({0x114: pack("<I", 2)}, UnsupportedError, "version 2"),
        ({0x118: pack("<i", -1)}, CorruptError, "-1 entries"),
        ({0x118: pack("<i", 100_000)}, CorruptError, "need 0x"),
        ({0x138: pack("<i", 1 << 27)}, CorruptError, "need 0x"),
    ],
)
def test_trees_that_lie_are_told(edits: dict[int, bytes], kind: type[Exception], problem: str) -> None:
    patch = opened(update(b"", NEW, [], edits=edits))
    with pytest.raises(kind, match=problem):
        patch.section("romfs").image()


@pytest.mark.parametrize("encryption", [3, 4, 5, 6])
def test_a_patch_without_a_table_of_generations_has_that_of_its_header(encryption: int) -> None:
    stored_as = 6 if encryption > 4 else 4
    data = update(b"", NEW, [], encryption=stored_as, edits={0x128: bytes(8), 4: bytes([encryption])})
    assert opened(data).section("romfs").image(check=True)[:].tobytes() == NEW


def test_a_damaged_block_is_named() -> None:
    data = bytearray(update(b"", NEW, []))
    data[0x4000 + 0x3000] ^= 1
    with pytest.raises(IntegrityError, match=r"level \d|block"):
        opened(bytes(data)).section("romfs").image(check=True)[:]


@settings(max_examples=60)
@given(st.integers(0, 1), st.integers(0x4000, 0xFFFF), st.integers(0, 255))
def test_damage_anywhere_raises_nothing_else(which: int, at: int, byte: int) -> None:
    data = bytearray(update(b"", NEW, []) if which else compressed(NEW))
    data[at % len(data)] = byte
    try:
        section = opened(bytes(data)).section("romfs")
        section.image(check=True)[:]
    except OboromiFsError:
        pass


WORDS = st.sampled_from([0, 1, 2, 3, 0x200, 0x4000, 1 << 31, 1 << 40, 1 << 41, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])


@settings(max_examples=100)
@given(
    st.sampled_from(["update", "sparse"]),
    st.dictionaries(st.integers(0, 0x3A).map(lambda word: 8 * word), WORDS, max_size=3),
    st.dictionaries(st.tuples(st.integers(1, 4), st.integers(0, 12)), WORDS, max_size=3),
)
def test_fields_and_tables_of_any_value_raise_nothing_else(which: str, fields: dict[int, int], entries: dict[tuple[int, int], int]) -> None:
    """Words of the FS header, and those at the start of the nodes that the tables end with, have whatever value."""
    edits = {at: value.to_bytes(8, "little") for at, value in fields.items()}
    section = whole_section(OLD)[0]
    data = bytearray(update(section, NEW, [], edits=edits) if which == "update" else sparse(OLD, [(0, 0x800)], more=edits))
    for (node, word), value in entries.items():
        at = len(data) // 0x200 * 0x200 - 0x4000 * node + 8 * word
        for index, byte in enumerate(value.to_bytes(8, "little")):
            data[at + index] ^= byte  # As AES-CTR leaves it in the clear.
    found = opened(bytes(data), opened(plain_nca(OLD))).section("@1")
    for read in (found.decrypted, found.image, lambda: found.image(check=True), lambda: found.in_parts()[0]):
        try:
            storage = read()
            storage[:0x100], storage[max(storage.size - 0x100, 0) :]
        except OboromiFsError:
            pass


@pytest.mark.parametrize("base", ["absolute", "section"])
@pytest.mark.parametrize("kind", [HashType.NONE, HashType.INTEGRITY, HashType.SHA3])
def test_where_xts_sectors_count_from_is_found_out(base: Literal["absolute", "section"], kind: int) -> None:
    """By the hashes; where nothing is hashed, by the file system."""
    section = Section(NEW, FsType.ROMFS, hash_type=kind, encryption=Encryption.XTS)
    data = nca([None, section], keys=KEYS_OF_NCAS, content_type=0, program_id=PROGRAM_ID, xts_base=base)
    found = opened(data).section("romfs")
    assert found.image()[: len(NEW)].tobytes() == NEW
    assert found.notes == (["XTS sectors count from the section's start"] if base == "section" else [])


def test_of_several_keys_the_one_is_taken_that_the_tables_make_sense_under(monkeypatch: pytest.MonkeyPatch) -> None:
    data = update(whole_section(OLD)[0], NEW, [], metadata=1)
    keys = [(bytes(16), "a wrong one"), (CTR_KEY, "the second"), (b"w" * 16, "another wrong one")]
    monkeypatch.setattr(Nca, "content_keys", lambda _: keys)
    whole = opened(data).with_base(opened(plain_nca(OLD)))
    section = whole.section("romfs")
    assert section.image(check=True)[:].tobytes() == NEW
    assert section.notes == ["the second"]
    assert metadata_tree(section).size
    alone, there = opened(data).section("romfs").in_parts()
    assert (alone.size, there) == (len(whole_section(NEW)[0]), [(0, alone.size)])
    monkeypatch.setattr(Nca, "content_keys", lambda _: keys[:1])
    with pytest.raises(CorruptError):
        opened(data).section("romfs").in_parts()
