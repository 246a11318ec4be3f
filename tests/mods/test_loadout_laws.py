"""Any game and any mods, under each profile, against the rules in their plainest form: dictionaries laid over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import MemoryFs, MemoryStorage, NspArchive, RomFs
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.executables import Nso
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import load
from oboromi_fs.mods.profiles import profile
from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.mods.trees import BUILD, BUILD_TEXT, ID, LOWER, UPPER, image_of, module, partition, tree

if TYPE_CHECKING:
    from pathlib import Path

    from oboromi_fs.mods.loadout import Loadout
    from oboromi_fs.protocols import Storage

pytestmark = pytest.mark.fuzz

Tree: TypeAlias = "dict[str, Tree | bytes]"
"""Names -> what is there: the bytes of a file, or a directory."""


class Written(NamedTuple):
    """A mod as its author writes it. Paths that end in ``/`` are empty directories; a container of None is not there, of b"" is damaged."""

    place: str
    on: bool
    romfs: dict[str, bytes]
    image: dict[str, bytes] | bytes | None
    stubs: set[str]
    edits: dict[str, int]
    """Path -> the offset that is patched with ``!``."""
    exefs: dict[str, bytes]
    code_stubs: set[str]
    nsp: dict[str, bytes] | bytes | None
    patches: dict[str, tuple[int, int]]
    """Zeros at the end of the build id that a patch is called by -> offset in the text, and byte; before the text is the header."""


# The rules


def nested(files: dict[str, bytes]) -> Tree:
    """A tree, of paths none of which lies in a file."""
    root: Tree = {}
    for path, data in files.items():
        *parents, name = path.rstrip("/").split("/")
        here = root
        for parent in parents:
            child = here.setdefault(parent, {})
            assert isinstance(child, dict)
            here = child
        if path.endswith("/"):
            here.setdefault(name, {})
        else:
            here[name] = data
    return root


def over(lower: Tree, upper: Tree) -> Tree:
    """One tree over another: directories merge, and of all else the upper counts."""
    merged = dict(lower)
    for name, there in upper.items():
        under = merged.get(name)
        merged[name] = over(under, there) if isinstance(under, dict) and isinstance(there, dict) else there
    return merged


def without(root: Tree, path: str) -> Tree:
    name, _, rest = path.partition("/")
    child = root.get(name)
    if rest and isinstance(child, dict):
        return {**root, name: without(child, rest)}
    return root if rest else {other: there for other, there in root.items() if other != name}


def edited(root: Tree, path: str, offset: int) -> Tree:
    name, _, rest = path.partition("/")
    child = root.get(name)
    if rest:
        return {**root, name: edited(child, rest, offset)} if isinstance(child, dict) else root
    fits = isinstance(child, bytes) and offset < len(child)
    return {**root, name: child[:offset] + b"!" + child[offset + 1 :]} if fits and isinstance(child, bytes) else root


def extended(root: Tree, mods: list[Written]) -> Tree:
    """What stubs and patches of mods, weakest first, make of a tree."""
    for path, offset in {path: offset for mod in mods for path, offset in mod.edits.items()}.items():
        root = edited(root, path, offset)
    for mod in mods:
        for path in mod.stubs:
            root = without(root, path)
    return root


def filled(root: Tree) -> Tree:
    """A tree without the directories that no file is in."""
    kept: Tree = {}
    for name, there in root.items():
        child = filled(there) if isinstance(there, dict) else there
        if isinstance(child, bytes) or child:
            kept[name] = child
    return kept


def whole_of(given: dict[str, bytes] | bytes | None) -> dict[str, bytes] | None:
    return given if isinstance(given, dict) else None


def expected_romfs(name: str, base: dict[str, bytes], mods: list[Written]) -> Tree | None:
    """What a tool makes of the RomFS, of mods from the weakest to the strongest; None where it leaves it alone."""
    images = [nested(whole) for mod in mods if (whole := whole_of(mod.image)) is not None] if name != "yuzu" else []
    extends = name in ("yuzu", "plain")
    if not images and not any(mod.romfs or (extends and (mod.stubs or mod.edits)) for mod in mods):
        return None
    root = nested(base)
    if name == "plain":
        for mod in mods:
            root = over(over(root, nested(whole_of(mod.image) or {})), nested(mod.romfs))
            root = extended(root, [mod])
        return root
    for layer in (*images, *(nested(mod.romfs) for mod in mods)):
        root = over(root, layer)
    return extended(root, mods) if name == "yuzu" else filled(root) if name == "ryujinx" else root


def expected_exefs(name: str, base: dict[str, bytes], mods: list[Written], sets: dict[str, dict[str, tuple[int, int]]]) -> dict[str, bytes]:
    """The modules that a tool loads, each by its text; those called ``main`` and ``subsdk0`` have the build that patches are for."""
    code = dict(base)
    partitions = [whole for mod in mods if (whole := whole_of(mod.nsp)) is not None]
    if name == "ryujinx":
        code = dict(partitions[-1]) if partitions else code
        replaced = {each: text for mod in mods for each, text in mod.exefs.items()}
        stubs = set().union(*(mod.code_stubs for mod in mods))
        code = {each: text for each, text in code.items() if each not in stubs} | replaced
    for mod in mods if name != "ryujinx" else []:
        if name != "yuzu":
            whole = whole_of(mod.nsp)
            code = dict(whole) if whole is not None else code
            code = {each: text for each, text in code.items() if each not in mod.code_stubs}
        code |= mod.exefs
    in_sets = [patch for _, each in sorted(sets.items()) for _, patch in sorted(each.items())] if name != "yuzu" else []
    patching = [mod for mod in (mods if name == "plain" else mods[::-1]) if not mod.place.startswith("sdmc")]
    in_mods = [patch for mod in patching for _, patch in sorted(mod.patches.items())]
    for offset, byte in (*in_sets, *(in_mods if name != "atmosphere" else [])):
        for each in {"main", "subsdk0"} & code.keys() if offset >= 0 else ():
            code[each] = code[each][:offset] + bytes([byte]) + code[each][offset + 1 :]
    return code


# The mods on the card


def built(name: str, text: bytes) -> Storage:
    """A module by its text; a text that names none is any other file."""
    return module(text, BUILD if name in ("main", "subsdk0") else b"\x77" * 20)


def ips(offset: int, byte: int) -> bytes:
    return encode_ips([Record(offset, bytes([byte]))])


def laid_out(mods: list[Written], sets: dict[str, dict[str, tuple[int, int]]], sets_at: str) -> MemoryFs:
    files: dict[str, bytes | Storage | str] = {}
    dirs: list[str] = []
    for mod in mods:
        for path, data in mod.romfs.items():
            if path.endswith("/"):
                dirs.append(f"{mod.place}/romfs/{path[:-1]}")
            else:
                files[f"{mod.place}/romfs/{path}"] = data
        if mod.image is not None:
            files[f"{mod.place}/romfs.bin"] = image_of(mod.image) if isinstance(mod.image, dict) else mod.image
        files |= {f"{mod.place}/romfs_ext/{path}.stub": b"" for path in mod.stubs}
        files |= {f"{mod.place}/romfs_ext/{path}.ips": ips(offset, ord("!")) for path, offset in mod.edits.items()}
        files |= {f"{mod.place}/exefs/{each}": built(each, text) for each, text in mod.exefs.items()}
        files |= {f"{mod.place}/exefs/{each}.stub": b"" for each in mod.code_stubs}
        if mod.nsp is not None:
            whole = mod.nsp if isinstance(mod.nsp, bytes) else partition({each: built(each, text) for each, text in mod.nsp.items()})
            files[f"{mod.place}/exefs.nsp"] = whole
        # Names of one build id differ by the zeros that may be left out.
        files |= {f"{mod.place}/exefs/{BUILD_TEXT}{zeros}.ips": ips(0x100 + at, byte) for zeros, (at, byte) in mod.patches.items()}
    for each, patches in sets.items():
        files |= {f"{sets_at}/{each}/{BUILD_TEXT}{zeros}.ips": ips(0x100 + at, byte) for zeros, (at, byte) in patches.items()}
    return tree(files, tuple(dirs))


PLACES = {
    "atmosphere": [f"atmosphere/contents/{LOWER}"],
    "yuzu": [
        *(f"load/{UPPER}/{mod}" for mod in ("é", "z", "a", "Y")),
        f"sdmc/atmosphere/contents/{UPPER}",
        f"load/{UPPER}/0",
    ],
    "ryujinx": [
        f"sdcard/atmosphere/contents/{LOWER}/x",
        f"sdcard/atmosphere/contents/{LOWER}",
        *(f"mods/contents/{LOWER}/{mod}" for mod in ("z", "b", "a/b", "a/a", "a")),
        f"mods/contents/{LOWER}",
    ],
    "plain": [f"load/{UPPER}/{mod}" for mod in ("0", "Y", "a", "z", "é")],
}
"""Where mods of each profile are, from the weakest to the strongest."""
SETS = {"atmosphere": "atmosphere/exefs_patches", "ryujinx": "mods/exefs_patches", "plain": "atmosphere/exefs_patches", "yuzu": "none"}

PATHS = ("a", "b", "d", "d/a", "d/e", "d/e/f", "d/e/g", "B", "x/y")
texts = st.binary(min_size=1, max_size=5)


@st.composite
def files(draw: st.DrawFn, least: int = 0) -> dict[str, bytes]:
    """Files and empty directories, none of which lies in a file."""
    kept: dict[str, bytes] = {}
    for path, data in draw(st.dictionaries(st.sampled_from(PATHS), st.one_of(texts, st.none()), min_size=least, max_size=5)).items():
        others = [other.rstrip("/") for other in kept]
        if not any(path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in others):
            kept[path if data is not None else f"{path}/"] = data or b""
    return kept


only_files = files(1).map(lambda found: {path: data for path, data in found.items() if not path.endswith("/")})
code_texts = st.binary(min_size=0x10, max_size=0x10)
NAMES = ("rtld", "main", "subsdk0", "subsdk9", "sdk")
code = st.dictionaries(st.sampled_from(NAMES), code_texts, max_size=3)
patch_files = st.dictionaries(
    st.sampled_from(["", "00", "0000"]), st.tuples(st.sampled_from([-0xC0, -1, *range(6)]), st.integers(0, 255)), max_size=2
)


@st.composite
def written(draw: st.DrawFn, name: str) -> list[Written]:
    """Mods, weakest first, of what a profile reads; what it does not is the subject of other tests."""
    chosen = draw(st.sets(st.sampled_from(PLACES[name]), max_size=4))
    mods: list[Written] = []
    for place in PLACES[name]:
        if place not in chosen:
            continue
        top = name in ("atmosphere", "plain") or (name == "ryujinx" and place.endswith(LOWER))
        extends = name in ("yuzu", "plain")
        mods.append(
            Written(
                place,
                draw(st.booleans()) or draw(st.booleans()),
                draw(files()),
                draw(st.one_of(st.none(), only_files, st.just(b"torn"))) if top else None,
                draw(st.sets(st.sampled_from(PATHS), max_size=2)) if extends else set(),
                draw(st.dictionaries(st.sampled_from(PATHS), st.integers(0, 5), max_size=2)) if extends else {},
                draw(code),
                draw(st.sets(st.sampled_from(NAMES), max_size=2)) if name != "yuzu" else set(),
                draw(st.one_of(st.none(), st.none(), code, st.just(b"PFS0torn"))) if top else None,
                draw(patch_files) if name != "atmosphere" else {},
            )
        )
    return mods


def loaded(name: str, mods: list[Written], sets: dict[str, dict[str, tuple[int, int]]], base: Game) -> Loadout:
    root = laid_out(mods, sets, SETS[name])
    found = profile(name, disabled=[mod.place for mod in mods if not mod.on]).installed(root, ID)
    return load(root, found, base)


def as_tree(fs: RomFs, path: str = "") -> Tree:
    return {
        entry.name: as_tree(fs, f"{path}/{entry.name}") if entry.kind == "directory" else fs.read_bytes(f"{path}/{entry.name}")
        for entry in fs.read_dir(path)
    }


def check_romfs(name: str, base: dict[str, bytes], mods: list[Written], file: Path) -> None:
    fs = MemoryFs({path: data for path, data in base.items() if not path.endswith("/")}, [path for path in base if path.endswith("/")])
    image = MemoryStorage(RomFsImage(fs).tobytes() + b"kept")
    found = loaded(name, mods, {}, Game(RomFs(image), image=image))
    expected = expected_romfs(name, base, [mod for mod in mods if mod.on])
    assert found.romfs_active == (expected is not None)
    made = found.romfs_image()
    if expected is None:
        assert made is image
        return
    file.write_bytes(made[:])
    with RomFs(file) as read:
        assert as_tree(read) == expected


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image") / "romfs.bin"


@pytest.mark.parametrize("name", PLACES)
@given(data=st.data(), base=files())
def test_the_image_of_base_and_mods_reads_back_as_the_rules_say(name: str, file: Path, data: st.DataObject, base: dict[str, bytes]) -> None:
    check_romfs(name, base, data.draw(written(name)), file)


@pytest.mark.parametrize("name", PLACES)
@given(data=st.data(), base=code, sets=st.dictionaries(st.sampled_from("ab"), patch_files, max_size=2))
def test_the_partition_of_base_and_mods_reads_back_as_the_rules_say(
    name: str, data: st.DataObject, base: dict[str, bytes], sets: dict[str, dict[str, tuple[int, int]]]
) -> None:
    mods = data.draw(written(name))
    found = loaded(name, mods, sets, Game(exefs=MemoryFs({each: built(each, text) for each, text in base.items()})))
    archive = NspArchive(found.exefs_archive())
    read = {entry.name: Nso(archive.storage(entry.name)) for entry in archive.read_dir("")}
    assert {each: nso.segment("text")[:].tobytes() for each, nso in read.items()} == expected_exefs(
        name, base, [mod for mod in mods if mod.on], sets
    )
    assert all(nso.hash_matches("text") and nso.module_id[:16] in (BUILD, b"\x77" * 16) for nso in read.values())
