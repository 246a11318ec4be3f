"""Geometry and hash trees of NCA sections, against worked examples and trees built the plain way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_formats.hashtree import HIERARCHICAL_SHA256, IVFC
from oboromi_formats.nca import HashType
from oboromi_fs._decode import encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.nca.geometry import Filling, Geometry, Run, geometry
from oboromi_fs.builders.nca.hashing import TreeWriter, block_digests
from oboromi_fs.builders.nca.layout import SectionLayout, empty_hash_data, filled_hash_data
from oboromi_fs.errors import FormatError
from oboromi_fs.storage.hashed import HierarchicalSha256Storage, IvfcStorage
from tests.building import noise
from tests.hash_trees import ivfc_tree, sha256_tree

if TYPE_CHECKING:
    from oboromi_formats.nca import FsHeader

SHA256, SHA3 = HashType.HIERARCHICAL_SHA256, HashType.HIERARCHICAL_SHA3_256
IVFC_KIND, IVFC_SHA3 = HashType.HIERARCHICAL_INTEGRITY, HashType.HIERARCHICAL_INTEGRITY_SHA3


def fs_header(kind: int) -> FsHeader:
    from oboromi_formats.nca import FsHeader

    return FsHeader(fs_type=0, hash_type=kind, encryption=1, hash_data=empty_hash_data(kind))


def built(kind: int, data: bytes, block: int, filling: Filling = "exact", step: int = 3) -> tuple[bytes, bytes, Geometry]:
    """A section in the clear and its hash data, its data fed ``step`` blocks at a time."""
    parts = geometry(kind, len(data), block, filling)
    section = bytearray(parts.size)
    section[parts.data.offset : parts.data.offset + len(data)] = data

    def put(offset: int, piece: bytearray) -> None:
        assert not any(section[offset : offset + len(piece)]), "written twice"
        section[offset : offset + len(piece)] = piece

    tree = TreeWriter(kind, parts, block, put)
    for start in range(0, len(data), block * step):
        tree.feed(block_digests(kind, memoryview(data)[start : start + block * step], block))
    layout = SectionLayout(name="data", header=fs_header(kind), block_size=block, filling=filling)
    hash_data = filled_hash_data(layout, parts, tree.finish())
    return bytes(section), hash_data, parts


def test_sha256_worked_example() -> None:
    section, hash_data, _ = built(SHA256, bytes(range(0x30)), 0x20)
    table = hashlib.sha256(bytes(range(0x20))).digest() + hashlib.sha256(bytes(range(0x20, 0x30))).digest()
    assert (table[:4].hex(), table[0x20:0x24].hex()) == ("630dcd29", "36db1adc")
    assert section == table.ljust(0x200, b"\0") + bytes(range(0x30)).ljust(0x200, b"\0")
    assert (hash_data[:4].hex(), hash_data[0x1C:0x20].hex()) == ("d5c0b501", "a6c82412")
    assert hash_data[0x20:0x48].hex() == "20000000020000000000000000000000400000000000000000020000000000003000000000000000"
    assert (len(hash_data), any(hash_data[0x48:])) == (0xF8, False)


def test_ivfc_worked_example() -> None:
    section, hash_data, parts = built(IVFC_KIND, bytes(range(0x50)), 0x40)
    assert parts.tables == (Run(0, 0x20), Run(0x40, 0x20), Run(0x80, 0x20), Run(0xC0, 0x20), Run(0x100, 0x40))
    assert (parts.data, parts.size) == (Run(0x140, 0x50), 0x200)
    assert [section[at : at + 0x40].hex() for at in (0, 0x40, 0x80, 0xC0)] == [
        "e5c31dab5dda0d1d3bea451f9aa35926d8989ef79fa16f99f08c397f9226dcc1" + "00" * 0x20,
        "6c008b9f62af0ddf3fe66fdb5eff1d2f1c74b32cdb368a11a13407c8b160336e" + "00" * 0x20,
        "8cb8cd2e82e151308838ad74ab0d96c9e35b07afb09c78ff5ce506c7f38066b8" + "00" * 0x20,
        "88e28d807a4dd8be7eb341b5929e047d34e00b549fc552afde42a4333961e264" + "00" * 0x20,
    ]
    assert (section[0x100:0x104].hex(), section[0x13C:0x140].hex()) == ("fdeab9ac", "bf8e6065")
    assert hash_data[:0x28].hex() == "49564643000002002000000007000000000000000000000020000000000000000600000000000000"
    assert hash_data[0xC0:0xE0].hex() == "e2ed6191454c7e1538625e54bffe19254b9e414326830f21a8fd121511e73b7e"
    assert (len(hash_data), any(hash_data[0xA0:0xC0]), any(hash_data[0xE0:])) == (0xF8, False, False)


def test_fillings_of_an_image_of_whole_blocks() -> None:
    """What hacPack does with a RomFS of exactly one block: a second one of zeros, hashed."""
    extra = geometry(IVFC_KIND, 0x4000, 0x4000, "extra")
    assert extra.tables == tuple(Run(0x4000 * level, 0x4000) for level in range(5))
    assert (extra.counts, extra.data, extra.size) == ((1, 1, 1, 1, 2), Run(0x14000, 0x4000), 0x1C000)
    blocks = geometry(IVFC_KIND, 0x4000, 0x4000, "blocks")
    assert (blocks.tables, blocks.counts, blocks.size) == (extra.tables, (1, 1, 1, 1, 1), 0x18000)
    exact = geometry(IVFC_KIND, 0x4000, 0x4000, "exact")
    assert exact.tables == tuple(Run(0x4000 * level, 0x20) for level in range(5))
    assert (exact.counts, exact.data, exact.size) == ((1, 1, 1, 1, 1), Run(0x14000, 0x4000), 0x18000)


def test_fillings_of_a_table_of_whole_blocks() -> None:
    """512 hashes fill a block: hacPack adds one of zeros, which the next table hashes as well."""
    data = 511 * 0x4000 + 1
    extra = geometry(IVFC_KIND, data, 0x4000, "extra")
    assert extra.counts == (1, 1, 1, 2, 512)
    assert extra.tables == (Run(0, 0x4000), Run(0x4000, 0x4000), Run(0x8000, 0x4000), Run(0xC000, 0x4000), Run(0x10000, 0x8000))
    assert (extra.data, extra.size) == (Run(0x18000, data), 0x18000 + 512 * 0x4000)
    blocks = geometry(IVFC_KIND, data, 0x4000, "blocks")
    assert (blocks.counts, blocks.tables[4], blocks.data) == ((1, 1, 1, 1, 512), Run(0x10000, 0x4000), Run(0x14000, data))
    exact = geometry(IVFC_KIND, data, 0x4000, "exact")
    assert (exact.counts, exact.tables[3:], exact.size) == (
        (1, 1, 1, 1, 512),
        (Run(0xC000, 0x20), Run(0x10000, 0x4000)),
        0x14000 + 511 * 0x4000 + 0x200,
    )


def test_sha256_table_of_a_whole_unit() -> None:
    assert geometry(SHA256, 0x10000, 0x1000, "exact").data == Run(0x200, 0x10000)
    assert geometry(SHA256, 0x10000, 0x1000, "extra").data == Run(0x400, 0x10000)
    assert geometry(SHA256, 0x10001, 0x1000, "extra") == geometry(SHA256, 0x10001, 0x1000, "exact")


@pytest.mark.parametrize("filling", ["exact", "blocks", "extra"])
@given(size=st.integers(0, 0x800), block=st.sampled_from([0x40, 0x80, 0x100]), step=st.integers(1, 9))
def test_ivfc_trees_verify(filling: Filling, size: int, block: int, step: int) -> None:
    data = noise(size)
    if filling == "extra":
        block *= 4  # A block of two hashes would never stop growing.
    section, hash_data, parts = built(IVFC_KIND, data, block, filling, step)
    info = IVFC.parse(hash_data)
    storage = IvfcStorage(MemoryStorage(section), info)
    assert storage == data
    storage.check_master()
    for level in storage.levels():
        assert storage.verify_range(level.number, 0, level.block_count) == []
    if filling != "extra":
        plain, plain_info = ivfc_tree(data, block, padded_sizes=filling == "blocks")
        assert (section[: len(plain)], encode(IVFC, info)) == (plain, encode(IVFC, plain_info)) or not size
        return
    # The plain way of the tool: fill up each level, by a whole block if need be, before it is hashed.
    upper = data + bytes(block - size % block)
    image = upper
    for _ in range(5):
        upper = b"".join(hashlib.sha256(upper[start : start + block]).digest() for start in range(0, len(upper), block))
        upper += bytes(block - len(upper) % block)
        image = upper + image
    assert section == image + bytes(-len(image) % 0x200)
    assert info.master_hash == hashlib.sha256(upper).digest()
    assert [row.size for row in info.levels[:5]] == [run.size for run in parts.tables]


@pytest.mark.parametrize("filling", ["exact", "extra"])
@given(size=st.integers(0, 0x2000), block=st.sampled_from([0x40, 0x200, 0x1000]), step=st.integers(1, 9))
def test_sha256_trees_verify(filling: Filling, size: int, block: int, step: int) -> None:
    data = noise(size)
    section, hash_data, parts = built(SHA256, data, block, filling, step)
    info = HIERARCHICAL_SHA256.parse(hash_data)
    storage = HierarchicalSha256Storage(MemoryStorage(section), info)
    assert storage == data
    storage.check_master()
    assert all(storage.verify_range(level.number, 0, level.block_count) == [] for level in storage.levels())
    _, plain = sha256_tree(data, block)
    assert (info.master_hash, info.regions[0].size) == (plain.master_hash, plain.regions[0].size)
    assert parts.size % 0x200 == 0


@pytest.mark.parametrize(("kind", "plain"), [(SHA3, SHA256), (IVFC_SHA3, IVFC_KIND)])
def test_sha3_trees(kind: int, plain: int) -> None:
    data = noise(0x777)
    section, hash_data, parts = built(kind, data, 0x100)
    assert parts == geometry(plain, 0x777, 0x100, "exact")
    if kind == SHA3:
        storage: IvfcStorage | HierarchicalSha256Storage = HierarchicalSha256Storage(
            MemoryStorage(section), HIERARCHICAL_SHA256.parse(hash_data), algorithm="sha3_256"
        )
    else:
        storage = IvfcStorage(MemoryStorage(section), IVFC.parse(hash_data), algorithm="sha3_256")
    assert storage == data


def test_gaps_and_parts_make_the_section() -> None:
    for kind in (HashType.NONE, SHA256, IVFC_KIND):
        for size in (0, 1, 0x1FF, 0x200, 0x3FFF, 0x4000, 0x4001, 0x8000):
            for filling in ("exact", "blocks", "extra"):
                parts = geometry(kind, size, 0x4000 if kind == IVFC_KIND else 0x1000, filling)
                used = [Run(run.offset, count * 0x20) for run, count in zip(parts.tables, parts.counts, strict=True)]
                runs = sorted([run for run in (*used, parts.data) if run.size] + parts.gaps())
                end = 0
                for run in runs:
                    assert run.offset == end
                    end += run.size
                assert end == parts.size


def test_image_that_six_levels_cannot_hold() -> None:
    with pytest.raises(FormatError, match="six levels of 0x40-byte blocks cannot hold 0x2000 bytes"):
        geometry(IVFC_KIND, 0x2000, 0x40, "exact")
