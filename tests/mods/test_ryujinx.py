"""What only Ryujinx does with mods."""

from __future__ import annotations

from tests.mods.trees import BUILD_TEXT, LOWER, UPPER, contents, installed, loaded, told, tree

BASE = f"mods/contents/{LOWER}"


def patch(byte: bytes) -> bytes:
    return b"PATCH\x00\x01\x10\x00\x01" + byte + b"EOF"


def patched(files: dict[str, bytes]) -> bytes:
    """The byte that the patches are about, as the module has it."""
    return contents(loaded("ryujinx", tree(files)))["exefs/main"][0x110:0x111]


def test_E23_of_two_mods_patches_the_later_one_has_the_last_word() -> None:
    mods = {f"{BASE}/{mod}/exefs/{BUILD_TEXT}.ips": patch(mod.encode()) for mod in "ab"}
    assert patched(mods) == b"b"
    assert patched({**mods, f"mods/exefs_patches/z/{BUILD_TEXT}.ips": patch(b"z")}) == b"b"
    assert patched({f"mods/exefs_patches/{name}/{BUILD_TEXT}.ips": patch(name.encode()) for name in "xz"}) == b"z"


def test_E19_endings_of_patches_are_taken_in_any_case() -> None:
    path = f"{BASE}/a/exefs/{BUILD_TEXT}.IPS"
    assert told(installed("ryujinx", tree({path: patch(b"X")}))) == []
    assert patched({path: patch(b"X")}) == b"X"
    assert told(installed("yuzu", tree({f"load/{UPPER}/a/exefs/{BUILD_TEXT}.IPS": b""})))[0][0] == "case"


def test_of_two_folders_of_a_title_the_first_counts() -> None:
    root = tree({f"mods/contents/{LOWER}/a/romfs/x": b"", f"mods/contents/{UPPER}/b/romfs/x": b""})
    found = installed("ryujinx", root)
    assert [mod.name for mod in found.mods] == ["b"]
    assert told(found) == [("shadowed", f"mods/contents/{LOWER}")]
