"""What is installed, and what each tool makes of it, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.mods.finding import Finder
from oboromi_fs.mods.names import PARTS
from oboromi_fs.mods.profiles import PROFILES, profile
from oboromi_fs.mods.values import Installed, Mod, Notice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from oboromi_fs.mods.profiles import Profile
    from oboromi_fs.mods.values import ProfileName
    from oboromi_fs.protocols import FileSystem

__all__ = ["Row", "Surveyed", "compare", "home_of", "survey", "to_json"]

_HOMES = {
    "atmosphere": "atmosphere/contents/<id>",
    "yuzu": "load/<ID>/<mod>",
    "ryujinx": "mods/contents/<id>/<mod>",
    "plain": "<mod>",
}
"""Where each tool looks for a mod."""


class Surveyed(NamedTuple):
    """What the tools make of one title's mods.

    ``title_id`` is None for folders of mods that are in no title's. ``found`` is by profile. Profiles in ``moved`` do not look where the
    mods are: what stands there is what they would make of the same folders in the places that they do look at.
    """

    title_id: int | None
    found: Mapping[ProfileName, Installed]
    moved: frozenset[ProfileName] = frozenset()


class Row(NamedTuple):
    """A part of a mod, or something that is passed over; and by profile ``"loads"``, the reason why not, or ``""`` if it is not met."""

    path: str
    verdicts: Mapping[ProfileName, str]


def survey(
    root: FileSystem, profiles: Sequence[ProfileName] = (), *, title_id: int | None = None, disabled: Collection[str] = ()
) -> list[Surveyed]:
    """Look at all that is installed.

    Args:
        root: The root of a tool, a folder of mods, or one mod.
        profiles: Whose eyes to look with. Without any, those of the tools whose tree it is; of a folder of mods, all.
        title_id: The one title to look at; None for all.
        disabled: Names of mods that are switched off.
    """
    chosen: dict[ProfileName, Profile] = {name: profile(name, disabled=disabled) for name in profiles or PROFILES}
    at_home: dict[ProfileName, list[int]] = {name: each.titles(root) for name, each in chosen.items()}
    titles = sorted({title for found in at_home.values() for title in found}) if title_id is None else [title_id]
    if title_id is not None and not any(each.installed(root, title_id).mods for each in chosen.values()):
        titles = []
    if not titles:
        loose = _loose(root)
        if loose:
            return [Surveyed(title_id, {name: _scanned(each, root, loose, title_id or 0) for name, each in chosen.items()})]
        titles = [title_id] if title_id is not None else []
    if not profiles:
        chosen = {name: each for name, each in chosen.items() if name != "plain" and at_home[name]} or chosen
    return [_title(root, chosen, title) for title in titles]


def _title(root: FileSystem, chosen: Mapping[ProfileName, Profile], title_id: int) -> Surveyed:
    found = {name: each.installed(root, title_id) for name, each in chosen.items()}
    homes = [each for name, each in found.items() if name != "plain" and each.mods] or list(found.values())
    folders = list(dict.fromkeys((mod.path, mod.name) for each in homes for mod in each.mods if _movable(mod)))
    moved = frozenset(name for name, each in found.items() if not each.mods and folders)
    return Surveyed(title_id, {**found, **{name: _scanned(chosen[name], root, folders, title_id) for name in moved}}, moved)


def _movable(mod: Mod) -> bool:
    return any(part.kind not in ("exefs_patches", "nro_patches", "kip_patches") for part in mod.parts)


def _loose(root: FileSystem) -> list[tuple[str, str]]:
    """Mods that are in no title's folder: the root itself, or folders in it."""
    entries = Finder(root).entries("")
    if any(entry.name.lower() in PARTS for entry in entries):
        return [("", "mod")]
    return [(entry.name, entry.name) for entry in entries if entry.kind == "directory"]


def _scanned(tool: Profile, root: FileSystem, folders: Sequence[tuple[str, str]], title_id: int) -> Installed:
    mods: list[Mod] = []
    notices: list[Notice] = []
    for path, name in folders:
        mod, told = tool.scan(root, path, name)
        mods.append(mod)
        notices += told
    return Installed(tool.name, title_id, tuple(mods), tuple(dict.fromkeys(notices)))


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
    return [Row(path, {name: verdicts[path].get(name, "") for name in by_profile}) for path in sorted(verdicts)]


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
