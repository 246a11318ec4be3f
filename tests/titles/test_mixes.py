"""Any part of a title in any wrapping: what comes out is what a plain model says."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oboromi_formats.cnmt import MetaType
from oboromi_fs import ClosedError, FormatError
from oboromi_fs.testing import check_filesystem
from oboromi_fs.titles import open_title
from oboromi_fs.titles.lazy import FoldersFs, LazyFs
from tests.building import KEYS
from tests.titles import forging
from tests.titles.forging import ADDONS, ID, UPDATE

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("base", "update 1", "update 2", "addon 0", "addon 1")
WRAPPINGS = ("nsp", "nsz", "nsz solid", "xci", "xcz", "loose", "nsp in a folder", "unpacked", "one tree")
UNPACKED = ("unpacked", "one tree")
"""What extraction left: an update is not among it, which as a tree would be whole."""


@cache
def part(name: str) -> dict[str, bytes]:
    if name == "update 2":
        return {**forging.update_2(**forging.locked(UPDATE)), **forging.permit(UPDATE)}
    if name.startswith("addon"):
        number = int(name[-1])
        return forging.addon(number, (forging.ADDON_1, forging.ADDON_2)[number])
    return forging.base_title() if name == "base" else forging.update_1()


def wrapped(files: dict[str, bytes], wrapping: str, number: int) -> dict[str, bytes]:
    if wrapping == "loose":
        return {f"loose/{name}": data for name, data in files.items()}
    if wrapping == "unpacked":
        return {f"loose/{path}": data for path, data in forging.unpacked(files).items()}
    if wrapping == "one tree":
        trees = {"exefs": forging.EXEFS, "romfs": forging.BASE, "control": forging.CONTROL, "manual": forging.MANUAL}
        return {f"base/{place}/{path}": data for place, tree in trees.items() for path, data in tree.items()}
    if wrapping == "xcz":
        return {f"{number}.xcz": forging.xcz(files)}
    if wrapping == "xci":
        return {f"{number}.xci": forging.xci(files)}
    if wrapping.startswith("nsz"):
        return {f"{number}.nsz": forging.nsz(files, None if wrapping.endswith("solid") else 14)}
    return {f"{number}.nsp" if wrapping == "nsp" else f"deep/{number}/er/x.nsp": forging.nsp(files)}


def model(there: set[str], wanted: int | None, *, unpacked: bool) -> dict[str, bytes] | None:
    """The files of a title, None where it cannot be opened; ``unpacked`` says whether the base is no NCA any more."""
    versions = {0x10000 * number: name for number, name in enumerate(PARTS[:3]) if name in there}
    if wanted is not None and wanted not in versions:
        return None
    taken = wanted if wanted is not None else max(versions, default=-1)
    trees: dict[str, dict[str, bytes]] = {
        f"addons/{ADDONS[n]:016x}": (forging.ADDON_1, forging.ADDON_2)[n] for n in (0, 1) if PARTS[3 + n] in there
    }
    if "base" in there:
        trees |= {"exefs": forging.EXEFS, "romfs": forging.BASE, "control": forging.CONTROL, "manual": forging.MANUAL}
    if taken == 0x10000:
        trees |= {"exefs": forging.EXEFS_1} | ({} if unpacked else {"romfs": forging.ROMFS_1})
    if taken == 0x20000:
        trees |= {"exefs": forging.EXEFS_2, "control": forging.CONTROL_2} | ({} if unpacked else {"romfs": forging.ROMFS_2})
    if "base" not in there:  # An update's RomFS needs it.
        trees.pop("romfs", None)
    return {f"{place}/{path}": data for place, tree in trees.items() for path, data in tree.items()}


@settings(max_examples=30)
@given(
    there=st.dictionaries(st.sampled_from(PARTS), st.sampled_from(WRAPPINGS), min_size=1),
    together=st.booleans(),
    wanted=st.sampled_from([None, None, 0, 0x10000, 0x20000]),
)
def test_any_mix(tmp_path_factory: pytest.TempPathFactory, there: dict[str, str], *, together: bool, wanted: int | None) -> None:
    root = tmp_path_factory.mktemp("mix")
    there = {name: _possible(name, wrapping) for name, wrapping in there.items()}
    unpacked = there.get("base") in UNPACKED
    if together:  # Several titles in one package.
        first = next((each for each in there.values() if each not in UNPACKED), "nsp")
        unpacked = False
        forging.put(root, wrapped({name: data for each in there for name, data in part(each).items()}, first, 0))
    else:
        for number, (name, wrapping) in enumerate(there.items()):
            forging.put(root, wrapped(part(name), wrapping, number))
    expected = model(set(there), wanted, unpacked=unpacked)
    if expected is None:
        with pytest.raises(FormatError, match="there is no version"):
            open_title(root, keys=KEYS, version=wanted)
        return
    with open_title(root, keys=KEYS, version=wanted) as title:
        assert {path: title.read_bytes(path) for path, entry in title.walk() if entry.kind == "file"} == expected
        lacks = "base" not in there or (unpacked and title.update is not None)
        assert any(issue.kind == "no-base" for issue in title.issues) == lacks


def _possible(name: str, wrapping: str) -> str:
    """The wrapping, or the nearest that there is for a part."""
    if wrapping == "one tree" and name != "base":
        wrapping = "unpacked"
    return "nsp" if wrapping == "unpacked" and name.startswith("update") else wrapping


def test_updates_of_add_on_content(tmp_path: Path) -> None:
    base = forging.Made("data", ADDONS[0], {"romfs": forging.romfs(forging.ADDON_1)})
    new = {**forging.ADDON_1, "x/y.txt": b"add-on 1, updated\n", "z": b"z"}
    patch_id = ADDONS[0] + 0x800
    addon = forging.with_meta(ADDONS[0], MetaType.ADD_ON_CONTENT, [base])
    patch = forging.Made("data", ADDONS[0], {"romfs": forging.romfs(new)}, base)
    update = forging.with_meta(patch_id, MetaType.DATA_PATCH, [patch], version=0x10000, data_id=ADDONS[0], application_id=ID)
    forging.put(tmp_path, {"b.nsp": forging.nsp(forging.base_title()), "a.nsp": forging.nsp(addon), "u.nsp": forging.nsp(update)})
    with open_title(tmp_path, keys=KEYS) as title:
        found = {path: title.read_bytes(f"addons/{ADDONS[0]:016x}/{path}") for path in new}
        assert (found, title.issues) == (new, ())
    (tmp_path / "a.nsp").unlink()
    with open_title(tmp_path, keys=KEYS) as title:
        assert [issue.kind for issue in title.issues] == ["no-base"]


def test_a_title_with_mods_is_a_file_system(tmp_path: Path) -> None:
    with open_title(forging.pile(tmp_path), keys=KEYS) as title:
        check_filesystem(title)


def test_much_add_on_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is opened with the title is opened when it is looked into, is listed and read alike, and mods and updates reach it."""
    monkeypatch.setattr("oboromi_fs.titles.title._OPENED_AT_ONCE", 2)
    ids = [ID + 0x1001 + number for number in range(6)]
    contents = {title: {"f": f"{title:x}".encode(), "g": b"g"} for title in ids}
    files = {f"{title:x}.nsp": forging.nsp(forging.addon_of(title, each)) for title, each in contents.items()}
    base = forging.Made("data", ids[4], {"romfs": forging.romfs(contents[ids[4]])})
    contents[ids[4]] = {"f": b"updated", "h": b"h"}
    patch = forging.Made("data", ids[4], {"romfs": forging.romfs(contents[ids[4]])}, base)
    update = forging.with_meta(ids[4] + 0x800, MetaType.DATA_PATCH, [patch], version=1, data_id=ids[4], application_id=ID)
    contents[ids[5]]["f"] = b"modded"
    forging.put(tmp_path, {**files, "b.nsp": forging.nsp(forging.base_title()), "u.nsp": forging.nsp(update)})
    forging.put(tmp_path, {f"contents/{ids[5]:016x}/romfs/f": b"modded"})
    with open_title(tmp_path, keys=KEYS) as title:
        assert (title.addons, title.issues, title.faults()) == (tuple(ids), (), {})
        found = {path: title.read_bytes(f"addons/{path}") for path, entry in title.walk("addons") if entry.kind == "file"}
        assert found == {f"{title:016x}/{name}": data for title, each in contents.items() for name, data in each.items()}
        assert [entry.name for entry in title.read_dir("addons")] == [f"{each:016x}" for each in ids]
        check_filesystem(title)
    image = bytearray(files[f"{ids[3]:x}.nsp"])
    image[0x200:] = bytes(len(image) - 0x200)
    with open_title(tmp_path, keys=KEYS) as title:
        forging.put(tmp_path, {f"{ids[3]:x}.nsp": bytes(image)})
        assert list(title.faults()) == [f"addons/{ids[3]:016x}"]
        with pytest.raises(FormatError):
            title.read_dir(f"addons/{ids[3]:016x}")
        assert title.read_bytes(f"addons/{ids[2]:016x}/g") == b"g"
    with open_title(tmp_path, keys=KEYS) as title:
        late = title.union
        at = [layer for layer in late.layers if layer.at.startswith("addons")]
        assert [layer.at.rpartition("/")[2] for layer in at] == [*(f"{each:016x}" for each in (*ids[:2], ids[5], ids[5])), "addons"]
        assert isinstance(at[-1].fs, FoldersFs)
        assert not any(fs.made for fs in at[-1].fs.folders.values() if isinstance(fs, LazyFs))
    with pytest.raises(ClosedError):
        late.read_bytes(f"addons/{ids[4]:016x}/f")
