"""What holds of every tree: nothing raises, and whatever lies in a title's folder is in a part of a mod, or told."""

from __future__ import annotations

from string import hexdigits
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oboromi_fs import MemoryFs
from oboromi_fs.errors import CorruptError
from oboromi_fs.mods.cheatfiles import find_cheats
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.surveying import compare, survey, to_json
from tests.mods.trees import BUILD_TEXT, ID, LOWER, UPPER, installed, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.mods.values import Installed, Part, ProfileName
    from oboromi_fs.protocols import DirEntry

pytestmark = pytest.mark.fuzz

LOADED = ("rtld", "main", "main.npdm", "sdk", *(f"subsdk{number}" for number in range(10)))
HOMES = {
    "atmosphere": [f"atmosphere/contents/{LOWER}", "atmosphere/exefs_patches", "atmosphere/nro_patches", "atmosphere/kip_patches"],
    "yuzu": [f"load/{UPPER}", f"sdmc/atmosphere/contents/{UPPER}"],
    "ryujinx": [f"mods/contents/{LOWER}", f"sdcard/atmosphere/contents/{LOWER}", "mods/exefs_patches", "sdcard/atmosphere/nro_patches"],
    "plain": [f"load/{UPPER}", f"atmosphere/contents/{LOWER}", f"mods/contents/{LOWER}", "mods/exefs_patches"],
}
"""Places that each tool looks at."""
HOME = tuple(sorted({home for homes in HOMES.values() for home in homes}))
PARTS = ("romfs", "RomFS", "romfs.bin", "romfs_ext", "exefs", "ExeFS", "exefs.nsp", "manual_html", "cheats", "flags", "exefs_patches")
NAMES = (
    *PARTS,
    "kip_patches",
    "Romfs.bin",
    "mod",
    "Mod",
    "html-document",
    "main",
    "MAIN",
    "main.stub",
    "sdk.STUB",
    "main.npdm",
    "subsdk11",
    f"{BUILD_TEXT}.ips",
    "00ab.ips",
    "0ab.IPS",
    "x.pchtxt",
    "0011223344556677.txt",
    "00112233445566AA.txt",
    "0x0011223344556677.txt",
    "toggles.txt",
    "enabled.txt",
    "readme.txt",
    "\udcff",
    "é",
    "notes/a.txt",
    "boot2.flag",
    LOWER,
)
AROUND = (
    "",
    f"load/{LOWER}",
    f"atmosphere/titles/{LOWER}",
    f"atmosphere/contents/{LOWER[:-1]}",
    f"Atmosphere/contents/{LOWER}",
    f"atmosphere/contents/{ID + 0x800:016x}",
    f"load/{ID + 0x800:016X}",
    f"mods/contents/{ID + 0x1001:016x}",
    f"games/{LOWER}/mods.json",
    "config/qt-config.ini",
)

below = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
paths = st.tuples(st.sampled_from((*HOME, *HOME, *AROUND)), below).map(lambda pair: "/".join(filter(None, pair)))


@st.composite
def trees(draw: st.DrawFn) -> MemoryFs:
    files: set[str] = set()
    for path in draw(st.lists(paths, min_size=1, max_size=7)):
        if not any(other == path or other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in files):
            files.add(path)
    return tree(dict.fromkeys(files, b""))


def used(path: str, part: Part, name: str) -> bool:
    """Whether a tool has any use for a file of a part, by its name."""
    inner = path[len(part.path) + 1 :]
    stem, _, end = inner.rpartition(".")
    patch = "/" not in inner and (end == "pchtxt" or (end.lower() == "ips" and not set(stem) - set(hexdigits)))
    if part.kind == "exefs":
        return inner in LOADED or (end == "stub" and stem in LOADED) or (patch and name != "atmosphere")
    if part.kind.endswith("_patches"):
        return patch
    if part.kind == "cheats":
        return inner.lower() in ("toggles.txt", "enabled.txt") or (
            end.lower() == "txt" and len(stem) == 16 and not set(stem) - set(hexdigits)
        )
    if part.kind == "manual_html" and name == "atmosphere":
        return inner.startswith("html-document/")
    return True


def covered(path: str, found: Installed) -> bool:
    """Whether a file is of use in a part of a mod, or told of, itself or with a folder it is in."""
    parts = [part for mod in found.mods for part in mod.parts if part.path == path or path.startswith(f"{part.path}/")]
    told = any(path == notice.path or path.startswith(f"{notice.path}/") for notice in found.notices)
    return told or any(used(path, part, found.profile) for part in parts)


def dropped(root: FileSystemBase, name: str) -> list[str]:
    """Files in the tool's places that it says nothing of."""
    found = installed(name, root)
    homes = tuple(f"{home}/" for home in HOMES[name])
    return [path for path, entry in root.walk() if entry.kind == "file" and path.startswith(homes) and not covered(path, found)]


@given(trees())
@example(tree({f"load/{UPPER}/mod/readme.txt": b""}))
@example(tree({f"mods/contents/{LOWER}/mod/Mod/readme.txt": b""}))
@example(tree({f"load/{UPPER}/mod/exefs_patches/set/set/00AB.ips": b"", f"load/{UPPER}/mod/exefs_patches/set/00AB.ips": b""}))
@example(tree({f"atmosphere/contents/{LOWER}/manual_html/html-document": b""}))
@example(tree({f"atmosphere/contents/{LOWER}/manual_html/{each}/a.html": b"" for each in ("html-document", "HTML-document", "x")}))
@example(tree({f"atmosphere/contents/{LOWER}/cheats/0x0011223344556677.txt": b""}))
def test_nothing_is_dropped_in_silence(root: MemoryFs) -> None:
    assert {name: dropped(root, name) for name in PROFILES} == {name: [] for name in PROFILES}


@given(trees())
def test_parts_are_there_and_apart(root: MemoryFs) -> None:
    for name in PROFILES:
        found = installed(name, root)
        parts = [part.path for mod in found.mods for part in mod.parts]
        assert len(parts) == len(set(parts))
        assert all(root.exists(path) for path in parts)
        assert all(part.path.startswith(mod.path) for mod in found.mods for part in mod.parts)
        assert all(root.exists(notice.path) for notice in found.notices)
        assert not {notice.path for notice in found.notices if notice.ignored and notice.reason != "disabled"} & set(parts)


@given(trees(), st.sampled_from(["", "atmosphere", "atmosphere/contents", "load", "mods", "mods/contents", f"load/{UPPER}"]))
def test_any_folder_can_be_surveyed(root: MemoryFs, folder: str) -> None:
    from oboromi_fs.base import SubFs

    fs = SubFs(root, folder) if root.exists(folder) and root.metadata(folder).kind == "directory" else root
    for surveyed in [*survey(fs), *survey(fs, PROFILES), *survey(fs, title_id=ID)]:
        compare(surveyed)
        to_json(surveyed)
    for name in PROFILES:
        for title in profile(name).titles(fs):
            find_cheats(fs, installed(name, fs, title))


class Unreadable(MemoryFs):
    """A tree some of whose folders and files cannot be read."""

    broken: tuple[str, ...] = ()
    error: Exception = PermissionError(13, "not allowed")

    def _read_dir(self, path: str) -> list[DirEntry]:
        if path in self.broken:
            raise self.error
        return super()._read_dir(path)


def unreadable(files: list[str], broken: str, error: Exception) -> Unreadable:
    root = Unreadable(dict.fromkeys(files, b""))
    root.broken, root.error = (broken,), error
    return root


def folders(path: str) -> Iterator[str]:
    names = path.split("/")
    return ("/".join(names[:count]) for count in range(len(names)))


@pytest.mark.parametrize("error", [PermissionError(13, "not allowed"), CorruptError("torn")])
@pytest.mark.parametrize("name", PROFILES)
def test_a_folder_that_cannot_be_read_is_told(name: ProfileName, error: Exception) -> None:
    for home in HOMES[name]:
        path = f"{home}/mod/{BUILD_TEXT}.ips"
        if "patches" not in home:
            path = f"{home}/exefs/main" if name == "atmosphere" or home.startswith("sdmc") else f"{home}/mod/exefs/main"
        for broken in folders(path):
            root = unreadable([path], broken, error)
            found = installed(name, root)
            assert ("damaged", broken) in [(notice.reason, notice.path) for notice in found.notices], (path, broken)
            survey(root)


def test_a_loose_folder_that_cannot_be_read_is_told() -> None:
    for broken in ("", "locked"):
        (found,) = survey(unreadable(["a/romfs/x", "locked/romfs/x"], broken, PermissionError(13, "not allowed")))
        for each in found.found.values():
            told = [(notice.reason, notice.path, notice.text) for notice in each.notices]
            assert ("damaged", broken, "cannot be read: not allowed") in told
            assert [mod.name for mod in each.mods if mod.parts] == (["a"] if broken else [])
