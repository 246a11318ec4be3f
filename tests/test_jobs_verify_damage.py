"""A byte that changes anywhere in an NCA: under a hash it is always found, with level, block and place; elsewhere nothing is made up."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import MemoryStorage, Nca
from oboromi_fs._forge import FsType, Section, nca, pfs0, romfs
from oboromi_fs._forge.nca_section import Encryption, HashType
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.jobs.verify import verify
from oboromi_fs.opening import locate
from tests.forged import KEY_SET, KEYS, PROGRAM_ID
from tests.forged_nca0 import nca0, romfs0, section0

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.backends.nca import NcaSection
    from oboromi_fs.jobs.checks import Check

FILES = {"a.bin": bytes(range(256)) * 12, "d/e": b"yy", "empty": b""}
HASHES = [HashType.SHA256, HashType.INTEGRITY, HashType.SHA3, HashType.INTEGRITY_SHA3]
ENCRYPTIONS = [Encryption.NONE, Encryption.XTS, Encryption.CTR, Encryption.CTR_SKIP_LAYER_HASH]
FORMS: list[tuple[int, int]] = [(kind, encryption) for kind in HASHES for encryption in ENCRYPTIONS]
XTS_FROM_SECTION = [(kind, -1) for kind in HASHES]
"""AES-XTS whose sectors count from the start of the section: which of the two it is, only hashes tell."""
NCA0_FORM = (0, 0)
HEADER_END = 0xC00


@cache
def sound(form: tuple[int, int]) -> tuple[bytes, Nca]:
    if form == NCA0_FORM:
        data = nca0([section0(pfs0({"main": b"m" * 300}), 1), section0(romfs0({"a.bin": FILES["a.bin"], "e": b"yy"}), 0)])
    else:
        from_section = form[1] < 0
        encryption = Encryption.XTS if from_section else form[1]
        options: dict[str, Any] = {"hash_type": form[0], "block_size": 0x200, "encryption": encryption}
        sections = [
            Section(pfs0({"main": b"m" * 700}), FsType.PARTITION, secure_value=1, **options),
            Section(romfs(FILES, []), FsType.ROMFS, secure_value=2, **options),
        ]
        data = nca(
            sections,
            keys=KEYS,
            content_type=4,
            program_id=PROGRAM_ID,
            key_area=bytes(range(0x30)),
            xts_base="section" if from_section else "absolute",
        )
    return data, Nca(MemoryStorage(data, "an.nca"), KEY_SET)


def failures(folder: Path, data: bytes) -> list[Check]:
    """What fails in a file whose name says nothing of its hash."""
    path = folder / "an.nca"
    path.write_bytes(data)
    place = locate(path, KEY_SET)
    with place.fs:
        return [check for check in verify(place, workers=1) if check.status == "failed"]


def flipped(data: bytes, offset: int, mask: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


def block_of(section: NcaSection, offset: int) -> tuple[int, int, int] | None:
    """Level, block and start of the block that a byte of the file is hashed in, by the levels alone; None where it is in none."""
    tree = section.hash_layer(check=False)
    assert tree is not None
    for level in tree.levels():
        within = offset - section.start - level.offset
        if 0 <= within < level.size:
            block = within // level.block_size if level.block_count > 1 else 0
            return level.number, block, section.start + level.offset + block * level.block_size
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@pytest.mark.parametrize("form", [*FORMS, *XTS_FROM_SECTION, NCA0_FORM])
def test_a_sound_one_has_nothing_that_fails(folder: Path, form: tuple[int, int]) -> None:
    assert failures(folder, sound(form)[0]) == []


@settings(max_examples=150)
@given(form=st.sampled_from([*FORMS, *XTS_FROM_SECTION, NCA0_FORM]), data=st.data(), mask=st.integers(1, 255))
def test_a_changed_byte_under_a_hash_is_named_with_level_block_and_place(
    folder: Path, form: tuple[int, int], data: st.DataObject, mask: int
) -> None:
    image, archive = sound(form)
    section = data.draw(st.sampled_from(list(archive.sections.values())))
    tree = section.hash_layer(check=False)
    assert tree is not None
    level = data.draw(st.sampled_from(tree.levels()))
    at = section.start + level.offset + data.draw(st.integers(0, level.size - 1))
    place = block_of(section, at)
    assert place is not None
    number, block, start = place
    told = [(check.detail, check.offset) for check in failures(folder, flipped(image, at, mask)) if check.check == "hash tree"]
    assert (f"level {number}, block {block} does not match its hash", start) in told
    assert len(told) <= 2  # A hash that is damaged is damage to the block it is in, and to the one it is of.


@settings(max_examples=150)
@given(form=st.sampled_from([*FORMS, *XTS_FROM_SECTION, NCA0_FORM]), position=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_anywhere_blames_nothing_else(folder: Path, form: tuple[int, int], position: float, mask: int) -> None:
    """Filling between levels, tables and sections is in no hash, and no block fails for it; nor for what only the signature covers."""
    image, archive = sound(form)
    at = int(position * len(image))
    try:
        found = [check for check in failures(folder, flipped(image, at, mask)) if check.check == "hash tree"]
    except OboromiFsError:
        assert at < HEADER_END
        return
    fs_header = any(section.header_offset <= at < section.header_offset + 0x200 for section in archive.sections.values())
    if at >= 0x400 and not fs_header:
        hashed = any(block_of(section, at) is not None for section in archive.sections.values())
        near = any(block_of(section, other) for section in archive.sections.values() for other in range(at & ~15, (at & ~15) + 16))
        assert bool(found) in {hashed, near}  # In AES-XTS the 16 bytes around it change with it.
