"""What the builders make of any tree, their own reader reads, and every hash of it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_formats.cnmt import MetaType
from oboromi_formats.nca import Encryption
from oboromi_fs.backends.hfs0 import Hfs0Archive
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders import hfs0, nca, pfs0
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import NcaBuilder, encrypt_title_key, nca_layout, rights_id_of
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.romfs import build_romfs
from oboromi_fs.builders.xci import build_xci, card_layout
from oboromi_fs.keys import KeySet
from oboromi_fs.storage.writing import write_storage
from tests.building import KEYS, TITLE, failures, images_of, noise

if TYPE_CHECKING:
    from oboromi_fs.protocols import Storage

EDGES = [0, 1, 0x1FF, 0x200, 0x201, 0x3FFF, 0x4000, 0x4001, 0xFFFF, 0x10000, 0x10001]
SIZES = st.sampled_from(EDGES) | st.integers(0, 0x500)
NAMES = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"_").decode("utf-8", "surrogateescape"))
FLAT = st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), SIZES, max_size=6)


def files(sizes: dict[str, int]) -> dict[str, MemoryStorage]:
    return {name: MemoryStorage(noise(size, number)) for number, (name, size) in enumerate(sizes.items())}


@given(sizes=FLAT, padding=st.sampled_from(["official", "table", "nsz", "0x40"]), order=st.sampled_from(["name", "given"]))
def test_pfs0(sizes: dict[str, int], padding: Any, order: Any) -> None:
    given_files = files(sizes)
    image = pfs0.build_pfs0(given_files, padding=padding, order=order)
    archive = NspArchive(image)
    assert archive.problems == []
    assert {name: archive.storage(name) for name in archive.members} == given_files
    assert pfs0.build_pfs0(MemoryFs(given_files), like=pfs0.layout_of(archive)) == image


@given(sizes=FLAT, hashed=st.sampled_from([0, 1, 0x200, 0x1000, "header"]), alignment=st.sampled_from([1, 0x20, 0x200]))
def test_hfs0(sizes: dict[str, int], hashed: Any, alignment: int) -> None:
    given_files = files(sizes)
    image = hfs0.build_hfs0(given_files, hashed=hashed, alignment=alignment)
    archive = Hfs0Archive(image)
    assert archive.problems == []
    assert {name: archive.storage(name) for name in archive.members} == given_files
    assert all(archive.hash_matches(name) is not False for name in given_files)
    assert (archive.header_size % 0x200, image.size % alignment) == (0, 0)
    assert hfs0.build_hfs0(MemoryFs(given_files), like=hfs0.layout_of(archive)) == image


@given(
    size=SIZES.filter(bool),
    generation=st.integers(0, 0x20),
    index=st.integers(0, 2),
    title_key=st.none() | st.binary(min_size=16, max_size=16),
    encryption=st.sampled_from([Encryption.NONE, Encryption.AES_XTS, Encryption.AES_CTR, Encryption.AES_CTR_SKIP_LAYER_HASH]),
    filling=st.sampled_from(["exact", "extra", "blocks"]),
    style=st.sampled_from(["official", "hacpack"]),
    exefs=st.booleans(),
)
def test_nca(size: int, exefs: bool, title_key: bytes | None, generation: int, **options: Any) -> None:
    """One image of every size at every kind of boundary, under every key; built again, the same bytes."""
    image = MemoryStorage(noise(size))
    images: dict[str, Storage] = {"romfs": image, "logo": MemoryStorage(noise(size, 1))}
    if exefs:
        images["exefs"] = MemoryStorage(noise(size, 2))
    index = options.pop("index")
    if title_key is not None:
        options |= {"rights_id": rights_id_of(TITLE, generation or 1), "title_key": title_key}
    layout = nca_layout("program", TITLE, key_generation=generation, key_index=index, **options)
    made, data = NcaBuilder(layout, images, KEYS).build()
    keys = KEYS
    if title_key is not None:
        stored = encrypt_title_key(title_key, generation, KEYS)
        keys = KEYS.merged(KeySet(title_keys={layout.header.rights_id: stored}))
    again = Nca(data, keys)
    assert images_of(again) == images
    for section in again.sections.values():
        tree = section.hash_layer()
        assert tree is not None
        assert all(tree.verify_range(level.number, 0, level.block_count) == [] for level in tree.levels())
    assert NcaBuilder(nca.layout_of(again), images_of(again), KEYS).build() == (made, data)


TREES = st.dictionaries(
    st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3).map("/".join), SIZES, min_size=1, max_size=6
).filter(lambda tree: not any(other.startswith(f"{path}/") for path in tree for other in tree))


@settings(max_examples=25)
@given(exefs=FLAT, romfs=TREES, generation=st.integers(0, 0x20), title_keys=st.booleans(), encryption=st.sampled_from([1, 2, 3]))
def test_titles(exefs: dict[str, int], romfs: dict[str, int], generation: int, title_keys: bool, encryption: int) -> None:
    """A whole title as a package and as a card: every check of the verifier passes, and the files come back."""
    tree = files(romfs)
    rights_id, key = rights_id_of(TITLE, generation or 1), noise(16, 9)
    crypto: Any = {"rights_id": rights_id, "title_key": key} if title_keys else {"encryption": encryption}
    keys = KEYS.merged(KeySet(title_keys={rights_id: encrypt_title_key(key, generation, KEYS)}))
    executables = files(exefs)
    images = {"exefs": pfs0.build_pfs0(executables), "romfs": build_romfs(MemoryFs(tree, dirs=["empty folder/below"]))}
    program, program_data = NcaBuilder(nca_layout("program", TITLE, key_generation=generation, **crypto), images, KEYS).build()
    cnmt = build_cnmt(TITLE, MetaType.APPLICATION, [content_of(program, TITLE)])
    meta, meta_data = NcaBuilder(nca_layout("meta", TITLE, key_generation=generation), {"data": meta_image(cnmt)}, KEYS).build()
    contents = {program.name: program_data, meta.name: meta_data}
    found = RomFs(Nca(program_data, keys).sections[1].image())
    assert {extent.path: extent.storage.window(extent.offset, extent.offset + extent.size) for extent in found.extents()} == tree
    assert found.is_dir("empty folder/below")
    programs = NspArchive(Nca(program_data, keys).sections[0].image())
    assert {entry.name: programs.storage(entry.name) for entry in programs.read_dir()} == executables
    with tempfile.TemporaryDirectory() as folder:
        package, card = Path(folder) / "title.nsp", Path(folder) / "title.xci"
        write_storage(build_nsp(contents), package)
        write_storage(build_xci({"secure": contents, "normal": {meta.name: meta_data}}, card_layout(keys=KEYS)), card)
        assert failures(package, keys) == []
        assert failures(card, keys) == []
