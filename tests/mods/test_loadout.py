"""What each tool loads of a title with mods: literal trees and expected results, named after the lines they hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oboromi_fs import FormatError, MemoryFs, MemoryStorage, NspArchive, RomFs
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.executables import Nso
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import load
from oboromi_fs.mods.patchorder import AppliedPatch, overwritten
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.patches.ips import encode_ips
from oboromi_fs.patches.values import Record
from tests.mods.trees import (
    BUILD,
    BUILD_TEXT,
    LOWER,
    PLACES,
    UPPER,
    contents,
    game,
    image_of,
    installed,
    loaded,
    module,
    partition,
    told,
    tree,
)

if TYPE_CHECKING:
    from oboromi_fs.mods.loadout import Loadout

SD = PLACES["atmosphere"]


def romfs(loadout: Loadout) -> dict[str, bytes]:
    """The RomFS as it is loaded: of the image, read back."""
    fs = RomFs(loadout.romfs_image())
    return {path: fs.read_bytes(path) for path, entry in fs.walk() if entry.kind == "file"}


def two(name: str, first: str = "a", second: str = "b") -> dict[str, bytes]:
    """The same file in two mods, for a tool that has several."""
    base = PLACES[name].rpartition("/")[0]
    return {f"{base}/{mod}/romfs/a.txt": mod.encode() for mod in (first, second)}


def test_E1_loose_files_win_over_romfs_bin_and_that_over_the_game() -> None:
    root = tree({f"{SD}/romfs/a.txt": b"loose", f"{SD}/romfs.bin": image_of({"a.txt": b"bin", "d/b.txt": b"bin", "c": b"bin"})})
    found = loaded("atmosphere", root)
    assert romfs(found) == {"a.txt": b"loose", "c": b"bin", "d/b.txt": b"bin"}
    ruling = found.explain("romfs/a.txt")
    assert ruling.winner is not None
    assert (ruling.winner.profile, ruling.winner.rule) == ("atmosphere", "loose-over-container")
    assert [each.rule for each in ruling.overridden] == ["mod-over-game", "loose-over-container"]


@pytest.mark.parametrize("name", ["ryujinx", "plain"])
def test_E1_loose_files_win_over_the_romfs_bin_beside_them(name: str) -> None:
    base = PLACES["ryujinx"].rpartition("/")[0] if name == "ryujinx" else PLACES[name]
    found = loaded(name, tree({f"{base}/romfs/a.txt": b"loose", f"{base}/romfs.bin": image_of({"a.txt": b"bin", "c": b"bin"})}))
    assert romfs(found) == {"a.txt": b"loose", "c": b"bin", "d/b.txt": b"game b"}
    ruling = found.explain("c")
    assert ruling.winner is not None
    assert (ruling.winner.rule, found.explain("a.txt").overridden[-1].rule) == ("alone", "loose-over-container")


@pytest.mark.parametrize("name", PROFILES)
def test_E1_E3_an_empty_romfs_or_a_damaged_romfs_bin_is_no_layer(name: str) -> None:
    base = PLACES["ryujinx"].rpartition("/")[0] if name == "ryujinx" else PLACES[name]
    foreign = MemoryStorage(image_of({"q": b"the game's own bytes"}) + b"kept to the byte")
    root = tree({f"{base}/romfs.bin": b"torn"}, (f"{base}/romfs",))
    assert loaded(name, root, Game(RomFs(foreign), image=foreign)).romfs_image() is foreign


def test_E1_names_are_exact() -> None:
    assert romfs(loaded("atmosphere", tree({f"{SD}/romfs/A.TXT": b"x"}))) == {"A.TXT": b"x", "a.txt": b"game a", "d/b.txt": b"game b"}


def test_E2_the_first_by_name_wins_in_emulators_and_the_last_in_plain() -> None:
    assert {name: romfs(loaded(name, tree(two(name))))["a.txt"] for name in ("yuzu", "ryujinx", "plain")} == {
        "yuzu": b"a",
        "ryujinx": b"a",
        "plain": b"b",
    }
    ruling = loaded("yuzu", tree(two("yuzu"))).explain("romfs/a.txt")
    assert [each.text for each in ruling.overridden] == [
        "what a mod has replaces what the game has",
        "mods are sorted by name, and the first wins",
    ]


def test_E2_yuzu_sorts_by_bytes_with_the_card_by_its_id() -> None:
    root = two("yuzu", "a", "Z") | {f"sdmc/atmosphere/contents/{UPPER}/romfs/a.txt": b"card"}
    assert romfs(loaded("yuzu", tree(root)))["a.txt"] == b"card"


def test_E2_in_ryujinx_folders_win_over_romfs_bin() -> None:
    base = f"mods/contents/{LOWER}"
    root = tree({f"{base}/z/romfs/a.txt": b"z", f"{base}/romfs.bin": image_of({"a.txt": b"bin", "d/b.txt": b"bin"})})
    assert romfs(loaded("ryujinx", root)) == {"a.txt": b"z", "d/b.txt": b"bin"}


@pytest.mark.parametrize("name", PROFILES)
def test_E3_without_an_active_layer_the_games_image_is_untouched(name: str) -> None:
    foreign = MemoryStorage(image_of({"q": b"the game's own bytes"}) + b"kept to the byte")
    given_game = Game(RomFs(foreign), image=foreign)
    assert loaded(name, tree({f"{PLACES[name]}/exefs/main": module()}), given_game).romfs_image() is foreign
    assert loaded(name, tree({}), given_game).romfs_image() is foreign


@pytest.mark.parametrize(("name", "kept"), [("atmosphere", True), ("yuzu", True), ("ryujinx", False), ("plain", True)])
def test_E4_empty_directories(name: str, *, kept: bool) -> None:
    base = MemoryFs({"a.txt": b"a"}, ["empty/inner"])
    found = loaded(name, tree({f"{PLACES[name]}/romfs/x": b"x"}), Game(base))
    assert RomFs(found.romfs_image()).exists("empty/inner") == kept


@pytest.mark.parametrize("name", PROFILES)
def test_E5_the_top_layers_kind_rules_and_it_is_told(name: str) -> None:
    found = loaded(name, tree({f"{PLACES[name]}/romfs/a.txt/inner": b"x", f"{PLACES[name]}/romfs/d": b"file"}))
    assert romfs(found) == {"a.txt/inner": b"x", "d": b"file"}
    assert [(notice.reason, notice.path) for notice in found.clashes()] == [("lost", "romfs/a.txt"), ("lost", "romfs/d")]


def test_E6_E7_E9_a_rebuilt_image_has_the_common_layout() -> None:
    files = {"z": b"1", "a/b": b"22", "a.txt": b"333"}
    base = MemoryFs({"z": b"old", "a.txt": b"333"})
    found = loaded("yuzu", tree({f"{PLACES['yuzu']}/romfs/z": b"1", f"{PLACES['yuzu']}/romfs/a/b": b"22"}), Game(base))
    image = found.romfs_image()
    assert image[:].tobytes() == image_of(files)
    header = [int.from_bytes(image[at : at + 8], "little") for at in range(0, 0x50, 8)]
    assert header[0] == 0x50
    assert header[9] == 0x200
    assert (header[2], header[6]) == (3 * 4, 3 * 4)  # 2 directories and 3 files: 3 buckets each.
    assert image[0x200:0x212].tobytes() == b"333" + bytes(13) + b"22"  # By full path: ``a.txt`` comes before ``a/b``.


def test_E8_the_games_own_order_does_not_matter() -> None:
    libhac = RomFsImage(MemoryFs({"b": b"B", "a/x": b"AX", "B": b"b"}), like="libhac")
    found = loaded("atmosphere", tree({f"{SD}/romfs/c": b"C"}), Game(RomFs(libhac), image=libhac))
    assert romfs(found) == {"B": b"b", "a/x": b"AX", "b": b"B", "c": b"C"}


def test_E10_reads_over_the_end_are_short() -> None:
    image = loaded("yuzu", tree({f"{PLACES['yuzu']}/romfs/a.txt": b"x"})).romfs_image()
    buffer = bytearray(8)
    assert image.readinto_at(image.size - 2, buffer) == 2
    assert image.readinto_at(image.size, buffer) == 0
    assert image[0x201:0x210].tobytes() == bytes(15)


def test_E11_yuzu_deletes_and_patches_by_romfs_ext() -> None:
    base = f"load/{UPPER}"
    patch = encode_ips([Record(0, b"G")])
    root = tree(
        {
            f"{base}/m/romfs_ext/d.stub": b"",
            f"{base}/m/romfs_ext/a.txt.ips": patch,
            f"{base}/m/romfs_ext/nothing.stub": b"",
            f"{base}/m/romfs_ext/other.ips": patch,
            f"{base}/m/romfs_ext/readme.md": b"",
            f"{base}/a/romfs/a.txt": b"mod",
        }
    )
    found = loaded("yuzu", root)
    assert romfs(found) == {"a.txt": b"God"}
    assert found.explain("romfs/d/b.txt").hidden[0].rule == "extension"
    assert sorted(told(found)) == [
        ("name", f"{base}/m/romfs_ext/nothing.stub"),
        ("name", f"{base}/m/romfs_ext/other.ips"),
        ("name", f"{base}/m/romfs_ext/readme.md"),
    ]


def test_E11_romfs_ext_alone_rebuilds() -> None:
    found = loaded("yuzu", tree({f"{PLACES['yuzu']}/romfs_ext/a.txt.stub": b""}))
    assert found.romfs_active
    assert romfs(found) == {"d/b.txt": b"game b"}


@pytest.mark.parametrize("name", ["atmosphere", "ryujinx"])
def test_E11_others_cannot_delete(name: str) -> None:
    found = loaded(name, tree({f"{PLACES[name]}/romfs_ext/a.txt.stub": b"", f"{PLACES[name]}/romfs/x": b""}))
    assert "a.txt" in romfs(found)
    assert told(found) == [("unsupported", f"{PLACES[name]}/romfs_ext")]


@pytest.mark.parametrize(("name", "layered"), [("atmosphere", True), ("yuzu", True), ("ryujinx", False), ("plain", True)])
def test_E13_manuals_are_layered_and_control_data_is_not(name: str, *, layered: bool) -> None:
    manual = MemoryFs({"html-document/a.html": b"game", "html-document/b.html": b"game"})
    place = PLACES[name]
    root = tree({f"{place}/manual_html/html-document/a.html": b"mod", f"{place}/control/icon.dat": b"", f"{place}/romfs/x": b"x"})
    found = loaded(name, root, game(manual=manual))
    assert {path: data for path, data in contents(found).items() if not path.startswith("exefs")} == {
        "manual/html-document/a.html": b"mod" if layered else b"game",
        "manual/html-document/b.html": b"game",
        "romfs/a.txt": b"game a",
        "romfs/d/b.txt": b"game b",
        "romfs/x": b"x",
    }
    assert not any(role == "manual_html" for role in found.roles.values()) or layered


def test_E15_loose_over_stub_over_partition_over_game() -> None:
    nsp = partition({"main": b"nsp main", "rtld": b"nsp rtld", "sdk": b"nsp sdk"})
    root = tree({f"{SD}/exefs/main": b"loose", f"{SD}/exefs/main.stub": b"", f"{SD}/exefs/rtld.stub": b"", f"{SD}/exefs.nsp": nsp})
    found = loaded("atmosphere", root)
    assert {path: data for path, data in contents(found).items() if path.startswith("exefs")} == {
        "exefs/main": b"loose",
        "exefs/sdk": b"nsp sdk",
    }
    assert found.explain("exefs/rtld").winner is None
    assert [each.rule for each in found.explain("exefs/rtld").hidden] == ["stub"]
    assert [each.rule for each in found.explain("exefs/main.npdm").hidden] == ["partition"]
    assert told(found) == [("shadowed", f"{SD}/exefs/main.stub")]
    archive = NspArchive(found.exefs_archive())
    assert {entry.name: archive.read_bytes(entry.name) for entry in archive.read_dir("")} == {"main": b"loose", "sdk": b"nsp sdk"}


def test_E15_plain_takes_stubs_and_partitions_mod_by_mod() -> None:
    base = f"load/{UPPER}"
    nsp = partition({"main": b"nsp main", "sdk": b"nsp sdk"})
    root = {f"{base}/a/exefs/rtld": b"a", f"{base}/b/exefs.nsp": nsp, f"{base}/b/exefs/sdk.stub": b"", f"{base}/c/exefs/sdk": b"c"}
    assert {path: data for path, data in contents(loaded("plain", tree(root))).items() if path.startswith("exefs")} == {
        "exefs/main": b"nsp main",
        "exefs/sdk": b"c",
    }


def test_E15_names_in_a_partition_that_are_those_of_whiteouts_are_told() -> None:
    nsp = partition({".wh.main": b"", ".wh..wh..opq": b"", "main": b"nsp main"})
    found = loaded("atmosphere", tree({f"{SD}/exefs.nsp": nsp}))
    assert [path for path in contents(found) if path.startswith("exefs")] == ["exefs/main"]
    assert [(notice.reason, notice.path, notice.ignored) for notice in found.notices] == [("name", f"{SD}/exefs.nsp", False)] * 2


@pytest.mark.parametrize("name", PROFILES)
def test_E16_modules_and_the_npdm_are_replaced_and_nothing_else(name: str) -> None:
    place = PLACES[name]
    code = {"main.npdm": b"new", "rtld": b"new", "subsdk9": b"new"}
    others = {"main.npdm.stub": b"", "nnSdk": b"new", "subsdk10": b"new", "Main": b"new"}
    root = tree({f"{place}/exefs/{each}": data for each, data in {**code, **others}.items()})
    found = loaded(name, root, game(exefs={"main": b"old", "main.npdm": b"old", "nnSdk": b"old", "sdk": b"old"}))
    assert {path.removeprefix("exefs/"): data for path, data in contents(found).items() if path.startswith("exefs")} == {
        "main": b"old",
        "nnSdk": b"old",
        "sdk": b"old",
        **code,
    }
    assert {path for _, path in told(found)} == {f"{place}/exefs/{each}" for each in others}
    archive = NspArchive(found.exefs_archive())
    assert {entry.name for entry in archive.read_dir("")} == {"main", "nnSdk", "sdk", *code}


def test_E17_ryujinx_replacements_beat_stubs_of_any_mod_and_the_first_partition_wins() -> None:
    base = f"mods/contents/{LOWER}"
    root = tree({f"{base}/a/exefs/main.stub": b"", f"{base}/a/exefs/sdk.stub": b"", f"{base}/b/exefs/main": b"b"})
    found = contents(loaded("ryujinx", root))
    assert found["exefs/main"] == b"b"
    assert "exefs/sdk" not in found
    whole = tree(
        {f"{base}/exefs.nsp": partition({"main": b"nsp"}), f"sdcard/atmosphere/contents/{LOWER}/exefs.nsp": partition({"main": b"sd"})}
    )
    assert {path for path in contents(loaded("ryujinx", whole)) if path.startswith("exefs")} == {"exefs/main"}
    assert contents(loaded("ryujinx", whole))["exefs/main"] == b"nsp"


def test_E17_yuzu_layers_modules_and_has_no_stubs() -> None:
    base = f"load/{UPPER}"
    found = loaded("yuzu", tree({f"{base}/a/exefs/main": b"a", f"{base}/b/exefs/main": b"b", f"{base}/b/exefs/sdk.stub": b""}))
    assert contents(found)["exefs/main"] == b"a"
    assert "exefs/sdk" in contents(found)
    assert told(found) == [("unsupported", f"{base}/b/exefs/sdk.stub")]


def set_of(name: str, patch: bytes, build: str = BUILD_TEXT) -> dict[str, bytes]:
    where = {"atmosphere": "atmosphere/exefs_patches/set", "ryujinx": "mods/exefs_patches/set"}.get(name, f"{PLACES[name]}/exefs")
    return {f"{where}/{build}.ips": patch}


def text_of(found: Loadout, name: str = "main") -> bytes:
    return Nso(found.union.storage(f"exefs/{name}")).segment("text")[:].tobytes()


@pytest.mark.parametrize("name", PROFILES)
def test_E19_E22_E23_patches_act_on_the_module_of_their_build(name: str) -> None:
    patch = encode_ips([Record(0x20, bytes(0xF0)), Record(0x110, b"patched")])
    found = loaded(name, tree(set_of(name, patch)))
    text = text_of(found)
    assert text[0x10:0x17] == b"patched"
    trimmed = name != "ryujinx"  # Which leaves a record out that starts in the header; others cut it at 0x100.
    assert text[:0x10] == (bytes(0x10) if trimmed else b"T" * 0x10)
    nso = Nso(found.union.storage("exefs/main"))
    assert nso.module_id == BUILD.ljust(32, b"\0")
    assert nso.hash_matches("text")
    assert nso.header.hashes[0] == hashlib.sha256(text).digest()
    assert text_of(found, "sdk") == b"T" * 0x40
    ruling = found.explain("exefs/main")
    assert ruling.winner is not None
    assert ruling.winner.rule == "patched"


def test_E22_offsets_are_those_of_the_image_behind_the_header() -> None:
    ro = 0x100 + 0x1000
    found = loaded("atmosphere", tree(set_of("atmosphere", encode_ips([Record(ro, b"ro")]))))
    assert Nso(found.union.storage("exefs/main")).segment("ro")[:4].tobytes() == b"roRR"


def test_E23_the_last_patch_has_the_last_word() -> None:
    def sets(prefix: str, suffix: str) -> dict[str, bytes]:
        return {f"{prefix}/{mod}{suffix}/{BUILD_TEXT}.ips": encode_ips([Record(0x110, mod.encode())]) for mod in "ab"}

    roots = {
        "atmosphere": sets("atmosphere/exefs_patches", ""),
        "yuzu": sets(f"load/{UPPER}", "/exefs"),
        "ryujinx": sets("mods/exefs_patches", ""),
    }
    assert {name: text_of(loaded(name, tree(root)))[0x10:0x11] for name, root in roots.items()} == {
        "atmosphere": b"b",
        "yuzu": b"b",
        "ryujinx": b"b",
    }


def test_E24_pchtxt_in_emulators() -> None:
    text = f'@nsobid-{BUILD_TEXT}\n@flag offset_shift 0x100\n@enabled\n00000010 "a"\n\n00000014 FF\n'.encode()
    found = {
        name: text_of(loaded(name, tree({f"{PLACES[name]}/exefs/x.pchtxt": text})))[0x10:0x15] for name in ("yuzu", "ryujinx", "plain")
    }
    assert found == {"yuzu": b"aTTTT", "ryujinx": b"a\0TTT", "plain": b"a\0TT\xff"}


@pytest.mark.parametrize("name", PROFILES)
def test_E25_a_damaged_patch_changes_nothing_and_is_told(name: str) -> None:
    cut = encode_ips([Record(0x110, b"patched")])[:-3]
    found = loaded(name, tree(set_of(name, cut)))
    assert text_of(found) == b"T" * 0x40
    assert [reason for reason, _ in told(found)] == ["damaged"]
    assert not found.exefs_active


@pytest.mark.parametrize("name", PROFILES)
def test_E19_a_patch_of_another_build_is_told(name: str) -> None:
    found = loaded(name, tree(set_of(name, encode_ips([Record(0x110, b"x")]), "AA")))
    assert text_of(found) == b"T" * 0x40
    assert [reason for reason, _ in told(found)] == ["build"]
    assert f"main is {BUILD_TEXT}" in found.notices[-1].text


@pytest.mark.parametrize(("name", "changed"), [("atmosphere", False), ("yuzu", False), ("ryujinx", True), ("plain", True)])
def test_E21_a_record_past_the_end(name: str, *, changed: bool) -> None:
    patch = encode_ips([Record(0x110, b"x"), Record(0x100000, b"past")])
    found = loaded(name, tree(set_of(name, patch)))
    assert (text_of(found)[0x10:0x11] == b"x") == changed
    assert any("past the end" in notice.text for notice in found.notices)


@pytest.mark.parametrize("name", PROFILES)
def test_E28_mods_act_after_the_update(name: str) -> None:
    update = Game(romfs=MemoryFs({"a.txt": b"new", "n": b"new"}), exefs=MemoryFs({"main": module(b"U" * 0x40)}))
    found = loaded(name, tree({f"{PLACES[name]}/romfs/a.txt": b"mod"}), game().updated(update))
    assert romfs(found) == {"a.txt": b"mod", "n": b"new"}
    assert sorted(path for path in contents(found) if path.startswith("exefs")) == ["exefs/main"]
    patched = loaded(name, tree(set_of(name, encode_ips([Record(0x110, b"p")]))), game().updated(update))
    assert text_of(patched)[:0x12] == b"U" * 0x10 + b"pU"


@pytest.mark.parametrize("name", PROFILES)
def test_E29_addons_are_layered_by_their_own_id(name: str) -> None:
    addon = 0x0100ABCDEF001001
    place = PLACES[name].replace(LOWER, f"{addon:016x}").replace(UPPER, f"{addon:016X}")
    root = tree({f"{place}/romfs/a.txt": b"mod", f"{PLACES[name]}/romfs/a.txt": b"of the title"})
    assert romfs(loaded(name, root, Game(MemoryFs({"a.txt": b"addon", "b": b"b"})), addon)) == {"a.txt": b"mod", "b": b"b"}


@pytest.mark.parametrize("name", ["atmosphere", "ryujinx", "plain"])
def test_damaged_containers_are_told_and_the_rest_works(name: str) -> None:
    base = PLACES["ryujinx"].rpartition("/")[0] if name == "ryujinx" else PLACES[name]
    files: dict[str, bytes] = {
        f"{base}/romfs.bin": b"no image",
        f"{base}/exefs.nsp": b"PFS0\xff\xff\xff\xff",
        f"{PLACES[name]}/romfs/x": b"x",
    }
    found = loaded(name, tree(files))
    assert romfs(found)["x"] == b"x"
    assert sorted(told(found)) == [("damaged", f"{base}/exefs.nsp"), ("damaged", f"{base}/romfs.bin")]


def test_E12_paths_that_no_target_can_take_are_told() -> None:
    long = "/".join(["n" * 200] * 4)
    found = loaded("atmosphere", tree({f"{SD}/romfs/{long}": b"x", f"{SD}/romfs/ok": b"x"}))
    assert [(notice.reason, notice.path) for notice in found.long_paths()] == [("path", f"romfs/{long}")]
    with pytest.raises(FormatError, match="its path has 804 bytes with the slash it begins with; a RomFS path has at most 768"):
        found.romfs_image()
    assert found.union.read_bytes(f"romfs/{long}") == b"x"


@given(
    st.sampled_from(PROFILES),
    st.dictionaries(st.sampled_from(["a", "b", "d/x", "d/y"]), st.binary(max_size=8)),
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "d/x", "d/y", "e"]), st.binary(max_size=8), min_size=1), max_size=3),
)
def test_the_merged_image_is_what_the_model_says(name: str, base: dict[str, bytes], mods: list[dict[str, bytes]]) -> None:
    parent = PLACES[name].rpartition("/")[0] if name != "atmosphere" else ""
    if name == "atmosphere":
        mods = mods[:1]
        root = {f"{SD}/romfs/{path}": data for mod in mods for path, data in mod.items()}
    else:
        root = {f"{parent}/{number}/romfs/{path}": data for number, mod in enumerate(mods) for path, data in mod.items()}
    expected = dict(base)
    for mod in mods if name == "plain" else reversed(mods):
        expected |= mod
    assert romfs(loaded(name, tree(root), game(base))) == expected


def test_explain_lists_the_patches_of_a_module_in_the_order_they_are_applied() -> None:
    base = f"load/{UPPER}"
    first, second = encode_ips([Record(0x100, b"12345678")]), encode_ips([Record(0x104, b"ABCD"), Record(0x110, b"E", 4)])
    root = tree({f"{base}/a/exefs/{BUILD_TEXT}.ips": first, f"{base}/z/exefs/{BUILD_TEXT}.ips": second})
    found = loaded("yuzu", root)
    ruling = found.explain("exefs/main")
    assert [(each.patch.mod, each.patch.path, each.written, each.lost) for each in ruling.patches] == [
        ("a", f"{base}/a/exefs/{BUILD_TEXT}.ips", 8, 4),
        ("z", f"{base}/z/exefs/{BUILD_TEXT}.ips", 8, 0),
    ]
    assert ruling.to_json()["patches"][1] == {
        "mod": "z",
        "path": f"{base}/z/exefs/{BUILD_TEXT}.ips",
        "records": 2,
        "bytes": 8,
        "overwritten": 0,
    }
    assert found.explain("exefs/sdk").patches == ()
    layer = found.union.layers[-1]
    assert layer.name == "patches of a, z"
    assert found.union.read_bytes("exefs/main")[0x100:0x108] == b"1234ABCD"


@given(st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=5), max_size=5))
def test_overwritten_bytes_are_those_a_later_patch_writes(given_patches: list[list[tuple[int, int]]]) -> None:
    patches = [AppliedPatch(f"{n}", "", tuple(Record(at, b"x", size) for at, size in runs)) for n, runs in enumerate(given_patches)]
    sets = [{at + k for at, size in runs for k in range(size)} for runs in given_patches]
    expected = [(len(each), len(each & set().union(*sets[n + 1 :]))) for n, each in enumerate(sets)]
    assert [(each.written, each.lost) for each in overwritten(patches)] == expected


def test_a_path_that_names_no_part_is_looked_for_in_each() -> None:
    found = loaded("yuzu", tree({f"{PLACES['yuzu']}/romfs/new": b"x"}))
    assert (found.find("new"), found.find("/main"), found.find("nothing"), found.find("romfs/new")) == (
        "romfs/new",
        "exefs/main",
        "nothing",
        "romfs/new",
    )
    assert found.explain("a.txt").explanation.key == "romfs/a.txt"


def test_a_title_is_taken_from_the_folders_of_any_file_system() -> None:
    whole = MemoryFs({"t/romfs/a": b"1", "t/exefs/main": module(), "t/control/x": b""})
    found = Game.within(whole, "t")
    assert found.manual is None
    assert found.romfs is not None
    assert found.romfs.storage("a")[:].tobytes() == b"1"
    assert dict(found.where) == {"romfs": "t/romfs", "exefs": "t/exefs"}
    with pytest.raises(FileNotFoundError, match="has none of the folders romfs, exefs, manual"):
        Game.within(whole)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_mixed_up_is_told(place: int) -> None:
    root = tree({})
    right: list[object] = [root, installed("yuzu", root), game()]
    right[place] = "sd" if place == 0 else root
    with pytest.raises(TypeError, match=("root is a file system", "installed is what a profile finds", "game is a Game")[place]):
        load(*right)  # type: ignore[arg-type]  # On purpose.
