"""What verify says of sections: of each kind of hashes, below patches, thinned and compressed ones; each failure with its place."""

from __future__ import annotations

import shutil
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest

from oboromi_fs import MemoryFs, Opener
from oboromi_fs._forge import FsType, Section, nca
from oboromi_fs._forge.nca_section import Encryption, HashType
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import locate
from tests.command import DATA
from tests.forged import KEY_SET, KEYS, PROGRAM_ID
from tests.forged_layers import START, Run, compressed, opened, plain_nca, sparse, update, whole_section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from oboromi_fs.jobs.checks import Check

OLD = RomFsImage(MemoryFs({"a": bytes(range(256)) * 40, "b": b"old" * 1000})).tobytes()
NEW = RomFsImage(MemoryFs({"a": b"new" + bytes(range(256)) * 40, "d": b"added" * 500})).tobytes()


def found(path: Path, data: bytes, base: bytes | None = None) -> list[Check]:
    """The checks of an NCA that is written to a file, over a base in another."""
    path = path / "an.nca"
    path.write_bytes(data)
    beside = path.with_name("base.nca")
    if base is not None:
        beside.write_bytes(base)
    place = locate(path, opener=Opener(KEY_SET, base=None if base is None else beside))
    with place.fs:
        return [check for check in verify(place, workers=1) if check.check not in ("signature", "program signature")]


def summary(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.check, check.status) for check in checks]


def damaged(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


SOUND = [("FS header hash", "ok"), ("hash tree", "ok"), ("RomFS tables", "ok")]


def one_section(**options: Any) -> bytes:
    section = Section(NEW, FsType.ROMFS, block_size=0x400, secure_value=2, **options)
    return nca([None, section], keys=KEYS, content_type=0, program_id=PROGRAM_ID, key_area=bytes(range(0x30)))


@pytest.mark.parametrize("kind", [HashType.SHA256, HashType.INTEGRITY, HashType.SHA3, HashType.INTEGRITY_SHA3])
@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.XTS, Encryption.CTR, Encryption.CTR_SKIP_LAYER_HASH])
def test_every_kind_of_hashes_names_level_block_and_place(tmp_path: Path, kind: int, encryption: int) -> None:
    data = one_section(hash_type=kind, encryption=encryption)
    assert summary(found(tmp_path, data)) == SOUND
    tree = opened(data).section("romfs").hash_layer(check=False)
    assert tree is not None
    for level in tree.levels()[1:]:
        block = level.block_count - 1
        at = START + level.offset + block * level.block_size
        bad = next(check for check in found(tmp_path, damaged(data, at)) if check.status == "failed")
        assert (bad.check, bad.offset, bad.size) == ("hash tree", at, level.block_size)
        assert bad.detail == f"level {level.number}, block {block} does not match its hash"


def test_a_section_without_hashes_is_a_note(tmp_path: Path) -> None:
    assert summary(found(tmp_path, one_section(hash_type=HashType.NONE))) == [
        ("FS header hash", "ok"),
        ("hash tree", "note"),
        ("RomFS tables", "ok"),
    ]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_an_update_over_its_base(tmp_path: Path, kind: int) -> None:
    old = whole_section(OLD)[0]
    data = update(old, NEW, [], metadata=kind)
    over = [("metadata hashes", "ok")] if kind else []
    assert summary(found(tmp_path, data, plain_nca(OLD))) == [SOUND[0], *over, *SOUND[1:]]
    bad = next(check for check in found(tmp_path, damaged(data, START + 0x805), plain_nca(OLD)) if check.status == "failed")
    assert (bad.check, bad.offset, bad.detail) == ("hash tree", START + 0x800, "level 3, block 0 does not match its hash")


def shared(old: bytes, new: bytes) -> tuple[int, int, int]:
    """A run that two sections share: where in the new one, how long, where in the old one."""
    size = 0x1000
    return next((new.index(old[at : at + size]), size, at) for at in range(len(old) - size) if old[at : at + size] in new)


def test_damage_in_the_base_names_the_base(tmp_path: Path) -> None:
    old, new = whole_section(OLD)[0], whole_section(NEW)[0]
    at, size, where = shared(old, new)
    data, base = update(old, NEW, [Run(at), Run(size, where)]), plain_nca(OLD)
    assert summary(found(tmp_path, data, base)) == SOUND
    bad = next(check for check in found(tmp_path, data, damaged(base, START + where + size - 1)) if check.status == "failed")
    assert bad.offset is None
    assert "level 6, block" in bad.detail
    assert bad.detail.endswith("of " + str(tmp_path / "base.nca") + ")")


def test_an_update_without_its_base_is_checked_as_far_as_it_is_there(tmp_path: Path) -> None:
    old, new = whole_section(OLD)[0], whole_section(NEW)[0]
    at, size, where = shared(old, new)
    data = update(old, NEW, [Run(at), Run(size, where)], metadata=1)
    checks = found(tmp_path, data)
    assert summary(checks) == [("FS header hash", "ok"), ("metadata hashes", "ok"), ("hash tree", "note"), ("base", "skipped")]
    tree = opened(plain_nca(NEW)).section("romfs").hash_layer(check=False)
    assert tree is not None
    levels = tree.levels()
    there = [(0, at), (at + size, len(new))]
    blocks = [
        (level, block)
        for above, level in zip((None, *levels), levels, strict=False)
        for block in range(level.block_count)
        if any(
            a <= level.offset + level.span(block, block + 1)[0] and level.offset + level.span(block, block + 1)[1] <= b for a, b in there
        )
        and (above is None or any(a <= above.offset + 0x20 * block and above.offset + 0x20 * block + 0x20 <= b for a, b in there))
    ]
    total = sum(level.block_count for level in levels)
    assert 6 < len(blocks) < total
    assert checks[2].detail == (
        f"6 levels, {len(blocks)} blocks; {total - len(blocks)} of {total} blocks were not checked: "
        f"they take bytes of the base, {PROGRAM_ID:016x}, which was not given"
    )
    assert "give the base as well" in checks[3].detail
    # What is there is checked: damage to the last block, which the patch brings itself.
    last = len(new) - size - 1
    bad = next(check for check in found(tmp_path, damaged(data, START + last)) if check.status == "failed")
    assert bad.detail == f"level 6, block {levels[-1].block_count - 1} does not match its hash"
    assert bad.offset == START + levels[-1].offset + (levels[-1].block_count - 1) * 0x400 - size


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_thinned_base_is_checked_as_far_as_it_is_there(tmp_path: Path, kind: int) -> None:
    section = whole_section(OLD)[0]
    end = len(section) + -len(section) % 0x200
    hole = 0x2000
    checks = found(tmp_path, sparse(OLD, [(0, hole), (hole + 0x400, end)], metadata=kind))
    over = [("metadata hashes", "ok")] if kind else []
    assert summary(checks) == [("FS header hash", "ok"), *over, ("hash tree", "note")]
    assert checks[-1].detail.endswith("blocks were not checked: they were taken out of this base, for its update to bring")
    assert summary(found(tmp_path, sparse(OLD, [(0, end)]))) == SOUND
    assert summary(found(tmp_path, sparse(OLD, []))) == [("FS header hash", "ok"), ("hash tree", "note")]


def test_a_compressed_section_is_decompressed_once(tmp_path: Path) -> None:
    data = compressed(NEW)
    assert summary(found(tmp_path, data)) == [*SOUND[:2], ("compressed blocks", "ok"), SOUND[2]]


def test_a_compressed_section_behind_a_patch(tmp_path: Path) -> None:
    """Base and update compressed, the update taking bytes of the base: hashes, blocks and files of what comes out."""
    old, new = (opened(compressed(image)).section("romfs") for image in (OLD, NEW))
    old_section, info = old.decrypted()[:].tobytes(), new.header.compression_info
    layer = new.hash_layer(check=False)
    assert layer is not None
    stored = layer[:].tobytes()
    section = whole_section(stored)[0]
    size = 0x100
    begin = len(section) - len(stored)
    shared_at = (at for at in range(begin, len(section) - size, 0x40) if section[at : at + size] in old_section)
    at = next(shared_at)
    where = old_section.index(section[at : at + size])
    edits = {0x178: pack("<QQ", info.offset, info.size) + info.bucket_header}
    data = update(old_section, stored, [Run(at), Run(size, where)], edits=edits)
    assert summary(found(tmp_path, data, compressed(OLD))) == [*SOUND[:2], ("compressed blocks", "ok"), SOUND[2]]
    (tmp_path / "alone").mkdir()
    assert summary(found(tmp_path / "alone", data)) == [SOUND[0], ("hash tree", "note"), ("base", "skipped")]


def test_a_compressed_block_that_lies_is_told(tmp_path: Path) -> None:
    """Its hashes are right: only who decompresses it can tell."""
    image = b"x" * 0x3000
    good = compressed(image)
    section = opened(good).section("romfs")
    info = section.header.compression_info
    data = section.hash_layer(check=False)
    assert data is not None
    stored = bytearray(data[:].tobytes())
    stored[3] ^= 0xFF  # Inside the first LZ4 block.
    edits = {0x178: pack("<QQ", info.offset, info.size) + info.bucket_header}
    other = Section(bytes(stored), FsType.ROMFS, block_size=0x400, edits=edits)
    bad = nca([None, other], keys=KEYS, content_type=0, program_id=PROGRAM_ID)
    assert ("hash tree", "ok") in summary(found(tmp_path, bad))
    assert "failed" in {check.status for check in found(tmp_path, bad)}


@pytest.mark.parametrize(
    ("edits", "metadata_edits", "problem"),
    [
        ({0x1B0: bytes(32)}, {}, "does not have the hash in the FS header"),
        ({0x1A8: pack("<Q", 0x100)}, {}, "has 0x100 bytes, not 0xe8"),
        ({0x1A0: pack("<QQ", 1 << 62, 0xE8)}, {}, "behind what may hold it"),
        ({0x1A0: pack("<QQ", 0x10, 0xE8)}, {}, "behind what may hold it"),
        ({5: b"\x07"}, {}, "has metadata hash type 7"),
        ({}, {0: pack("<Q", 0)}, "hash levels from 0x0 on, which is not behind the tables"),
        ({}, {8: b"XXXX"}, "magic"),
        ({}, {0x14: pack("<I", 99)}, "is 99, must be 2 to 7"),
        ({}, {0x20: pack("<Q", 1 << 60)}, "lie outside"),
    ],
)
def test_metadata_hashes_that_lie_are_told_and_do_not_keep_from_reading(
    tmp_path: Path, edits: Mapping[int, bytes], metadata_edits: Mapping[int, bytes], problem: str
) -> None:
    data = update(b"", NEW, [], edits=edits, metadata=1, metadata_edits=metadata_edits)
    checks = found(tmp_path, data)
    bad = next(check for check in checks if check.check == "metadata hashes")
    assert bad.status in ("failed", "skipped")
    assert problem in bad.detail
    assert [pair for pair in summary(checks) if pair[0] != "metadata hashes"] == SOUND
    assert opened(data).section("romfs").image()[:].tobytes() == NEW


def test_a_damaged_table_is_named_with_its_block(tmp_path: Path) -> None:
    data = update(b"", NEW, [], metadata=1)
    section = opened(data).section("romfs")
    at = START + section.header.patch_info.indirect_offset + 0x7000  # In the unused end of a node: nothing else can tell.
    bad = next(check for check in found(tmp_path, damaged(data, at)) if check.status == "failed")
    assert (bad.check, bad.detail, bad.offset) == ("metadata hashes", "level 3, block 7 does not match its hash", at)


def test_an_update_whose_hash_layers_are_plain(tmp_path: Path) -> None:
    data = update(b"", NEW, [], encryption=Encryption.CTR_SKIP_LAYER_HASH + 1)
    assert summary(found(tmp_path, data)) == SOUND
    section = opened(data).section("romfs")
    tree = section.hash_layer(check=False)
    assert tree is not None
    assert data[START : START + 0x20] == section.decrypted()[:0x20].tobytes()
    at = tree.levels()[-1].offset
    assert data[START + at : START + at + 0x20] != section.decrypted()[at : at + 0x20].tobytes()


def test_places_in_a_split_file_name_the_part(tmp_path: Path) -> None:
    data = one_section()
    folder = tmp_path / "an.nca"
    folder.mkdir()
    half = START + 0x800
    bad = damaged(data, len(data) - 0x400)
    (folder / "00").write_bytes(bad[:half])
    (folder / "01").write_bytes(bad[half:])
    place = locate(folder, KEY_SET)
    with place.fs:
        check = next(check for check in verify(place, workers=1) if check.status == "failed" and check.check == "hash tree")
    assert check.offset is None
    assert str(folder / "01") in check.detail


def test_the_update_of_another_tool(tmp_path: Path) -> None:
    """And what is damaged of it is named by its place in the file."""
    source = tmp_path / "update.nca"
    shutil.copy(DATA / "bktr" / "update.nca", source)
    place = locate(source, opener=Opener(DATA / "bktr" / "keys" / "prod.keys", base=DATA / "bktr" / "base.nca"))
    with place.fs:
        assert not [check for check in verify(place, workers=1) if check.status == "failed"]
