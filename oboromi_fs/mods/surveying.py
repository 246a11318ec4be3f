"""What is installed, and what each tool makes of it, side by side."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.mods.finding import Finder, name_of
from oboromi_fs.mods.names import PARTS
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.switching import names_off, switched
from oboromi_fs.mods.titleids import parse_title_id, title_id_of
from oboromi_fs.mods.values import Installed, Mod
from oboromi_fs.paths import join, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from oboromi_fs.mods.profiles import Profile
    from oboromi_fs.mods.values import Part, ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Row", "Surveyed", "compare", "home_of", "survey", "to_json", "unknown_names", "without_idle_parts"]

_HOMES = {
    "atmosphere": "atmosphere/contents/<id>",
    "yuzu": "load/<ID>/<mod>",
    "ryujinx": "mods/contents/<id>/<mod>",
    "plain": "<mod>",
}
"""Where each tool looks for a mod."""
_ROOTS = ("atmosphere", "load", "contents", "sdmc", "sdcard")
"""Folders that make another the root of a tool."""
_MOST_AROUND = 8
"""Entries in a folder that holds no part itself, and may be one too many around a mod."""


class Surveyed(NamedTuple):
    """What the tools make of one title's mods.

    ``title_id`` is None for folders of mods that are in no title's. ``found`` is by profile. Profiles in ``moved`` do not look where the
    mods are: what stands there is what they would make of the same folders in the places that they do look at.
    """

    title_id: int | None
    found: Mapping[ProfileName, Installed]
    moved: frozenset[ProfileName] = frozenset()


class Row(NamedTuple):
    """A part of a mod, or something that is passed over.

    ``verdicts`` is by profile: ``"loads"``, the reason why not, or ``""`` where the tool never comes across it.
    """

    path: str
    verdicts: Mapping[ProfileName, str]


def survey(
    root: FileSystem, profiles: Sequence[ProfileName] = (), *, title_id: int | str | None = None, disabled: Collection[str] = ()
) -> list[Surveyed]:
    """Look at all that is installed. There is nothing to return where there are no mods, or none for the title.

    Args:
        root: The root of a tool, a folder of mods, or one mod.
        profiles: Whose eyes to look with. Without any, those of the tools whose tree it is; of a folder of mods, all.
        title_id: The one title to look at, as a number or as 16 hexadecimal digits; None for all.
        disabled: What is switched off, as :func:`profile` takes it.

    Raises:
        FormatError: The text is no title id.
    """
    off = names_off(disabled)
    title = None if title_id is None else title_id_of(title_id)
    tools: dict[ProfileName, Profile] = {name: profile(name, disabled=off) for name in PROFILES}
    at_home: dict[ProfileName, list[int]] = {name: each.titles(root) for name, each in tools.items()}
    titles = sorted({each for found in at_home.values() for each in found})
    chosen = {name: tools[name] for name in profiles or PROFILES}
    if titles:
        if title is not None and title not in titles:
            return []
        if not profiles:
            chosen = {name: each for name, each in chosen.items() if name != "plain" and at_home[name]} or chosen
        return [_title(root, chosen, each, off) for each in (titles if title is None else [title])]
    loose = _loose(root)
    if loose:
        return [Surveyed(title, {name: _scanned(each, root, loose, title or 0, off) for name, each in chosen.items()})]
    found = {name: each.installed(root, title or 0) for name, each in chosen.items()}
    if any(each.mods or (each.notices and name != "plain") for name, each in found.items()):
        return [Surveyed(title, found)]  # Sets of patches, which are of no title.
    return []


def _title(root: FileSystem, chosen: Mapping[ProfileName, Profile], title_id: int, off: Sequence[str]) -> Surveyed:
    found = {name: each.installed(root, title_id) for name, each in chosen.items()}
    homes = [each for name, each in found.items() if name != "plain" and each.mods] or list(found.values())
    folders = list(dict.fromkeys((mod.path, mod.name) for each in homes for mod in each.mods if _movable(mod)))
    moved = frozenset(name for name, each in found.items() if not each.mods and folders)
    return Surveyed(title_id, {**found, **{name: _scanned(chosen[name], root, folders, title_id, off) for name in moved}}, moved)


def _movable(mod: Mod) -> bool:
    return any(part.kind not in ("exefs_patches", "nro_patches", "kip_patches") for part in mod.parts)


def _loose(root: FileSystem) -> list[tuple[str, str]]:
    """Mods that are in no title's folder: the root itself, or folders in it."""
    finder = Finder(root)
    entries = finder.entries("")
    if any(entry.name.lower() in PARTS for entry in entries):
        return [("", name_of(root, "mod"))]
    if _is_root(finder, ""):
        return []
    folders = [entry.name for entry in entries if entry.kind == "directory"]
    return [(name, name) for name in folders if _holds_part(finder, name) and not _is_root(finder, name)]


def _is_root(finder: Finder, path: str) -> bool:
    """Whether a folder looks like one that a tool keeps mods of titles below."""
    entries = [entry for entry in finder.entries(path) if entry.kind == "directory"]
    return any(entry.name.lower() in _ROOTS or parse_title_id(entry.name) is not None for entry in entries)


def _holds_part(finder: Finder, path: str, *, around: bool = True) -> bool:
    """Whether there is anything in a folder that is called like a part of a mod, or in one in it that has few beside it.

    Nobody can tell of one that cannot be read: that it cannot is told where it is looked at.
    """
    told = len(finder.notices)
    entries = finder.entries(path)
    if any(entry.name.lower() in PARTS for entry in entries) or any(notice.reason == "damaged" for notice in finder.notices[told:]):
        return True
    inner = [join(path, entry.name) for entry in entries if entry.kind == "directory"]
    return around and len(entries) <= _MOST_AROUND and any(_holds_part(finder, each, around=False) for each in inner)


def _scanned(tool: Profile, root: FileSystem, folders: Sequence[tuple[str, str]], title_id: int, off: Sequence[str]) -> Installed:
    """What a tool would make of folders, were they where it looks: weakest first, as it sorts them."""
    finder = Finder(root)
    mods: list[Mod] = []
    for path, name in reversed(folders) if tool.name in ("yuzu", "ryujinx") else folders:
        mod, told = tool.scan(root, path, name)
        mods.append(mod)
        finder.notices += told
    found, unknown = switched(finder, mods, off)
    return Installed(tool.name, title_id, found, tuple(dict.fromkeys(finder.notices)), unknown)


def unknown_names(found: Sequence[Surveyed]) -> tuple[str, ...]:
    """Return the names of what was to be switched off, and is no mod of any title for any tool."""
    each = [installed.unknown for surveyed in found for installed in surveyed.found.values()]
    return tuple(name for name in (each[0] if each else ()) if all(name in names for names in each))


def without_idle_parts(root: FileSystem, found: Installed) -> Installed:
    """Return what was found without the parts of which the tool passes over every file.

    Args:
        root: What was searched.
        found: What was found, with what showed when the mods were laid over a game.
    """
    ignored = {notice.path for notice in found.notices if notice.ignored}
    finder = Finder(root)

    def idle(part: Part) -> bool:
        if part.kind in ("romfs.bin", "exefs.nsp"):
            return part.path in ignored
        if part.kind not in ("exefs", "cheats", "exefs_patches") or not any(split(path)[0] == part.path for path in ignored):
            return False
        return all(join(part.path, entry.name) in ignored for entry in finder.entries(part.path))

    mods = tuple(replace(mod, parts=tuple(part for part in mod.parts if not idle(part))) for mod in found.mods)
    return replace(found, mods=mods)


def compare(surveyed: Surveyed, found: Mapping[ProfileName, Installed] | None = None) -> list[Row]:
    """Return a row for each part of a mod, and each thing that some tool passes over, in path order.

    Args:
        surveyed: What the tools make of the mods.
        found: What to take instead of ``surveyed.found``, such as with what showed when the mods were laid over a game.
    """
    by_profile = surveyed.found if found is None else found
    verdicts: dict[str, dict[ProfileName, str]] = {}
    for name, each in by_profile.items():
        for mod in each.mods:
            for part in mod.parts:
                verdicts.setdefault(part.path, {})[name] = "loads" if mod.enabled else "disabled"
        for notice in each.notices:
            if notice.ignored:
                verdicts.setdefault(notice.path, {})[name] = notice.reason
    paths = sorted(verdicts)
    return [Row(path, {name: _verdict(path, name, verdicts, paths) for name in by_profile}) for path in paths]


def _verdict(path: str, name: ProfileName, verdicts: Mapping[str, Mapping[ProfileName, str]], paths: Sequence[str]) -> str:
    """What a tool makes of a path: what is said of it, or else of a folder it is in, or else of what is in it."""
    above = path
    while True:
        found = verdicts.get(above, {}).get(name)
        if found is not None:
            return found
        if not above:
            break
        above = split(above)[0]
    reason = ""
    for below in paths[bisect_right(paths, path) :]:
        if not below.startswith(f"{path}/"):
            if below > f"{path}0":  # "0" is what follows "/".
                break
            continue
        found = verdicts[below].get(name)
        if found == "loads":
            return found
        reason = reason or found or ""
    return reason


def home_of(name: ProfileName) -> str:
    """Return where a tool looks for a mod."""
    return _HOMES[name]


def to_json(surveyed: Surveyed) -> dict[str, Any]:
    """Return what was found as JSON has it."""
    return {
        "title_id": None if surveyed.title_id is None else f"{surveyed.title_id:016x}",
        "profiles": [_profile_json(name, each, moved=name in surveyed.moved) for name, each in surveyed.found.items()],
    }


def _profile_json(name: ProfileName, found: Installed, *, moved: bool) -> dict[str, Any]:
    return {
        "profile": name,
        "moved": moved,
        "mods": list(_mods_json(found.mods)),
        "notices": [notice.to_json() for notice in found.notices],
    }


def _mods_json(mods: Sequence[Mod]) -> Iterator[dict[str, Any]]:
    for mod in mods:
        yield {
            "name": mod.name,
            "path": mod.path,
            "enabled": mod.enabled,
            "parts": [{"kind": part.kind, "path": part.path} for part in mod.parts],
        }
