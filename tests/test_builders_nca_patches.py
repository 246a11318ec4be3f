"""Patches, compressed sections and thinned bases: built, read back, and compared with what went in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_fs import FormatError, MemoryFs, MemoryStorage, Nca, OboromiFsError, RomFs, UnsupportedError
from oboromi_fs.builders.nca import NcaBuilder, compress_image, layout_of, nca_layout, patch_section
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.jobs.sectionforms import patched_romfs
from oboromi_fs.jobs.thinning import taken_from_base, thin_nca
from oboromi_fs.storage.indirect import IndirectStorage
from tests.forged import KEY_SET, PROGRAM_ID

if TYPE_CHECKING:
    from oboromi_fs.builders.nca import PatchSection
    from oboromi_fs.protocols import Storage


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def romfs(files: dict[str, bytes]) -> Storage:
    return MemoryStorage(RomFsImage(MemoryFs(files)).tobytes(), "romfs")


def built(image: Storage) -> Nca:
    """An NCA with one RomFS."""
    layout = nca_layout("program", PROGRAM_ID, key_area=bytes(range(0x40)))
    _, data = NcaBuilder(layout, {"romfs": image}, KEY_SET).build()
    return Nca(data, KEY_SET)


def patched(base: Nca, image: Storage) -> tuple[Nca, PatchSection]:
    """An update of it, over it."""
    layout = nca_layout("program", PROGRAM_ID | 0x800, key_area=bytes(range(0x40)))
    section = layout.sections[1]
    assert section is not None
    section = replace(section, header=replace(section.header, generation=7))
    patch = patch_section(base.section("romfs").decrypted(), section, image)
    layout = replace(layout, sections=(layout.sections[0], patch.layout, *layout.sections[2:]))
    _, data = NcaBuilder(layout, {"romfs": patch.body}, KEY_SET).build()
    return Nca(data, KEY_SET, base=base), patch


OLD = {"a.bin": noise(1, 300_000), "b/c.bin": noise(2, 50_000), "same": noise(3, 20_000)}


def test_an_update_holds_what_is_new_and_reads_as_the_new_version() -> None:
    new = {
        "a.bin": OLD["a.bin"][:1234] + b"inserted" + OLD["a.bin"][1234:],
        "moved": OLD["b/c.bin"],
        "same": OLD["same"],
        "z": noise(4, 9_999),
    }
    base = built(romfs(OLD))
    image = romfs(new)
    update, patch = patched(base, image)
    section = update.section("romfs")
    assert section.is_patch
    assert section.header.generation == 7
    assert section.image(check=True)[:].tobytes() == image[:].tobytes()
    fs = RomFs(section.image())
    assert {path: fs.read_bytes(path) for path, entry in fs.walk() if entry.kind == "file"} == new
    # Its own hashes and tables, the inserted bytes, and the new file.
    assert patch.new < 9_999 + 0x4000 * 7
    assert patch.size == section.decrypted().size


def test_equal_versions_need_nothing_new() -> None:
    base = built(romfs(OLD))
    update, patch = patched(base, romfs(OLD))
    assert (patch.new, patch.entries) == (0, 1)
    assert update.section("romfs").image(check=True)[:].tobytes() == romfs(OLD)[:].tobytes()


@settings(max_examples=25)
@given(
    st.binary(max_size=3000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2000), st.binary(max_size=300)), max_size=6),
    st.integers(0, 4000),
    st.integers(0, 4000),
)
def test_any_new_version_is_read_over_its_base(old: bytes, pieces: list[tuple[int, int, bytes]], start: int, stop: int) -> None:
    new = b"".join(old[at : at + size] + added for at, size, added in pieces) or b"\0"
    base = built(MemoryStorage(old or b"\1"))
    update, _ = patched(base, MemoryStorage(new))
    image = update.section("romfs").image(check=True)
    assert image[:].tobytes() == new
    assert image[start:stop].tobytes() == new[start:stop]


def test_a_thinned_base_is_enough_for_its_update() -> None:
    base = built(romfs(OLD))
    image = romfs({**OLD, "a.bin": noise(9, 10)})
    update, _ = patched(base, image)
    ranges = taken_from_base(update, "romfs")
    thin = Nca(thin_nca(base, "romfs", ranges), KEY_SET)
    assert thin.section("romfs").is_sparse
    assert thin.raw.size < base.raw.size - 250_000
    over_thin = Nca(update.raw, KEY_SET, base=thin)
    assert over_thin.section("romfs").image(check=True)[:].tobytes() == image[:].tobytes()


@pytest.mark.parametrize("generation", [0, 0x10000, -1])
def test_a_generation_of_a_sparse_table_is_of_16_bits_and_not_0(generation: int) -> None:
    with pytest.raises(ValueError, match="a generation is 1 to 0xffff"):
        thin_nca(built(romfs(OLD)), "romfs", [], generation=generation)


def test_no_patch_is_made_of_what_a_thinned_base_has_left() -> None:
    base = built(romfs(OLD))
    thin = Nca(thin_nca(base, "romfs", [(0, 0x1000)]), KEY_SET)
    layout = nca_layout("program", PROGRAM_ID | 0x800, key_area=bytes(range(0x40)))
    with pytest.raises(FormatError, match="is sparse: what was taken out of it cannot be compared"):
        patched_romfs(layout, {"romfs": romfs(OLD)}, thin)
    assert patched_romfs(layout, {"romfs": romfs(OLD)}, base)[1]["romfs"].size < 0x11000


def test_what_cannot_be_thinned() -> None:
    plain = built(romfs(OLD))
    with pytest.raises(FormatError, match="is no patch"):
        taken_from_base(plain, "romfs")
    layout = nca_layout("program", PROGRAM_ID, key_area=bytes(range(0x40)), order=(1, 0))
    from oboromi_fs.builders.pfs0 import build_pfs0

    _, data = NcaBuilder(layout, {"romfs": romfs(OLD), "exefs": build_pfs0({"main": MemoryStorage(b"x")})}, KEY_SET).build()
    with pytest.raises(UnsupportedError, match="the last in the file"):
        thin_nca(Nca(data, KEY_SET), "romfs", [])
    empty = Nca(thin_nca(plain, "romfs", []), KEY_SET)
    assert isinstance(empty.section("romfs").decrypted().sources[0], IndirectStorage)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_compressed_section_reads_as_the_image(workers: int) -> None:
    image = romfs({"text": b"to be, or not to be " * 20_000, "noise": noise(5, 100_000), "zeros": bytes(300_000)})
    packed = compress_image(image, workers=workers)
    assert packed.storage.size < image.size - 600_000
    layout = nca_layout("program", PROGRAM_ID, key_area=bytes(range(0x40)))
    section = layout.sections[1]
    assert section is not None
    section = replace(section, header=replace(section.header, compression_info=packed.info))
    layout = replace(layout, sections=(layout.sections[0], section, *layout.sections[2:]))
    _, data = NcaBuilder(layout, {"romfs": packed.storage}, KEY_SET).build()
    found = Nca(data, KEY_SET).section("romfs")
    assert found.is_compressed
    assert found.image(check=True)[:].tobytes() == image[:].tobytes()
    assert RomFs(found.image()).read_bytes("noise") == noise(5, 100_000)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(1, 900)), min_size=1, max_size=9),
    st.sampled_from([0x10, 0x200, 0x10000]),
)
def test_any_image_is_compressed_and_read(pieces: list[tuple[bytes, int]], block: int) -> None:
    from oboromi_formats.bucket_tree import COMPRESSED_ENTRY
    from oboromi_fs.executables import _lz4
    from oboromi_fs.storage.buckets import read_buckets
    from oboromi_fs.storage.compressed import CompressedStorage

    image = b"\1" + b"".join(piece * count for piece, count in pieces)
    packed = compress_image(MemoryStorage(image), block_size=block, workers=1)
    table = packed.storage.window(packed.info.offset, packed.storage.size)
    count = int.from_bytes(packed.info.bucket_header[8:12], "little")
    buckets = read_buckets(table, COMPRESSED_ENTRY, count, what="tree")
    assert CompressedStorage(packed.storage.window(0, packed.info.offset), buckets, _lz4.decompress, what="tree")[:].tobytes() == image


def test_what_cannot_be_compressed() -> None:
    with pytest.raises(FormatError, match="nothing but zeros"):
        compress_image(MemoryStorage(bytes(100)))
    with pytest.raises(FormatError, match="no power of two"):
        compress_image(MemoryStorage(b"x"), block_size=0x20000)


def test_a_patch_is_encrypted_with_aes_ctr() -> None:
    layout = nca_layout("program", PROGRAM_ID, key_area=bytes(range(0x40))).sections[1]
    assert layout is not None
    with pytest.raises(FormatError, match="a patch has AES-CTR"):
        patch_section(MemoryStorage(b""), replace(layout, header=replace(layout.header, encryption=1)), MemoryStorage(b"x"))


def test_the_layout_of_an_update_is_none_to_build_from() -> None:
    update, _ = patched(built(romfs(OLD)), romfs(OLD))
    with pytest.raises(OboromiFsError):
        layout_of(update)
