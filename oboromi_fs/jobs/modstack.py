"""A title with mods, opened: the game wherever it is stored, the mods as a tool finds them, and the stack of layers that makes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError, FormatError
from oboromi_fs.jobs.modgame import open_game
from oboromi_fs.jobs.modroot import open_root, wrong_level
from oboromi_fs.jobs.stack import Stack
from oboromi_fs.jobs.stackfile import LayerSpec, StackSpec
from oboromi_fs.mods.game import Game
from oboromi_fs.mods.loadout import Loadout, load
from oboromi_fs.mods.modulefiles import unloadable
from oboromi_fs.mods.names import listed
from oboromi_fs.mods.profiles import PROFILES
from oboromi_fs.mods.profiles import profile as profile_of
from oboromi_fs.mods.surveying import home_of, survey
from oboromi_fs.mods.switching import unknown_text
from oboromi_fs.mods.titleids import base_id, kind_of, title_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.jobs.modroot import ModRoot
    from oboromi_fs.mods.profiles import Profile
    from oboromi_fs.mods.values import Installed
    from oboromi_fs.opening import Opener

__all__ = ["ModStack", "SeveralTitlesError", "choose_title", "open_mods", "other_title"]


class SeveralTitlesError(FormatError):
    """There are mods for several titles, and nobody says which is meant."""


@dataclass(slots=True)
class ModStack(Stack):
    """A stack made of a title and its mods.

    Attributes:
        loadout: What the tool makes of them.
        opened: What must be closed after use.
        root: Where the mods are kept, as the user would write it: the paths of notices are below it.
        warnings: What is to be said of what was asked for.
    """

    loadout: Loadout | None = None
    opened: list[FileSystemBase] = field(default_factory=list)
    root: str = ""
    warnings: tuple[str, ...] = ()

    def close(self) -> None:
        """Close every layer, and the game."""
        self.union.close()
        for fs in self.opened:
            fs.close()


def choose_title(profile: Profile, root: ModRoot, game_title: int | None = None) -> int:
    """Return the title whose mods are meant, where nobody says which.

    It is the one whose folder was named, or the game's if there are mods for it, or the only one. Where mods lie in no title's folder,
    they are of any: the game's, or 0.

    Args:
        profile: The tool's.
        root: Where the mods are.
        game_title: The game's, if that is known.

    Raises:
        SeveralTitlesError: There are several to choose from.
        EntryNotFoundError: The tool finds no mods at all.
    """
    if root.title_id is not None:
        return root.title_id
    titles = profile.titles(root.fs)
    if game_title in titles:
        return game_title
    if len(titles) == 1:
        return titles[0]
    if titles:
        found = listed(f"{title:016x}" for title in titles)
        raise SeveralTitlesError(f"say which title with --title: {profile.name} finds mods in {root.path} for {found}", what="mods")
    if not profile.installed(root.fs, game_title or 0).mods:  # Else they are of any title: loose ones, or sets of patches.
        others = [profile_of(name) for name in PROFILES if name != profile.name]
        able = [each.name for each in others if each.titles(root.fs) or each.installed(root.fs, 0).mods]
        hint = f"; --profile {' or '.join(able)} does" if able else f"; {wrong_level(root)}" if wrong_level(root) else ""
        raise EntryNotFoundError(root.path, f"{profile.name} finds no mods there{hint}")
    return game_title or 0


def open_mods(
    name: str,
    root: str,
    title_id: int | str | None,
    game: str | None,
    opener: Callable[[], Opener],
    *,
    disabled: Collection[str] = (),
    update: str | None = None,
) -> ModStack:
    """Lay the mods that a tool finds over a title.

    Args:
        name: The tool's profile.
        root: The folder where mods are kept, see :func:`open_root`.
        title_id: Whose mods; None for those that :func:`choose_title` chooses.
        game: Path of the title itself; None for the mods alone.
        opener: Gives what opens containers, called when the game is opened. For an update, one that has the game as its base.
        disabled: What is switched off, as :func:`oboromi_fs.mods.profile` takes it.
        update: Path of the title's update, over which mods are laid then.

    Raises:
        SeveralTitlesError: Nobody says which title.
        FormatError: The game is none, or the title id.
        EntryNotFoundError, MissingKeyError, OSError: The game or the folder cannot be opened, or there are no mods in it.
    """
    profile = profile_of(name, disabled=disabled)
    said = None if title_id is None else title_id_of(title_id)
    folder = open_root(root, opener, nearest=name == "plain")
    warnings: list[str] = []
    if folder.around and not _finds(profile, folder):
        nearer = open_root(root, opener, nearest=True)
        if _finds(profile, nearer):
            folder, nearer = nearer, folder
            warnings.append(f"{name} does not look in {root}: this is as if what is in it lay in {home_of(profile.name)}")
        for archive in nearer.opened:
            archive.close()
    opened: list[FileSystemBase] = list(folder.opened)
    try:
        contents = Game()
        game_title = None
        if game is not None:
            contents, game_title, more, told = open_game(game, opener(), update, title_id=said if said is not None else folder.title_id)
            opened += more
            warnings += told
        loose = _loose(profile, folder, said or game_title or 0, disabled)
        if loose is not None:
            chosen, installed = loose.title_id, loose
            warnings.append(f"{name} does not look in {root}: this is as if what is in it lay in {home_of(profile.name)}")
        else:
            chosen = said if said is not None else choose_title(profile, folder, game_title)
            installed = profile.installed(folder.fs, chosen)
        loadout = load(folder.fs, installed, contents, path=folder.path)
    except BaseException:
        for fs in opened:
            fs.close()
        raise
    layers = tuple(LayerSpec(layer.path, layer.name, at=layer.at, from_here=True) for layer in loadout.union.layers)
    spec = StackSpec((*layers, LayerSpec(folder.path, "mods", enabled=False, from_here=True)))
    if not loadout.installed.mods:
        warnings.append(no_mods_text(profile, folder, chosen))
    if loadout.installed.unknown:
        warnings.append(unknown_text(loadout.installed.unknown, (mod.name for mod in reversed(loadout.installed.mods))))
    wrong = (notice for notice in unloadable(folder.fs, loadout.installed) if notice not in loadout.notices)
    warnings += [f"{os.path.join(folder.path, notice.path)}: {notice.text}" for notice in wrong]
    if game is not None and game_title is not None:
        warnings += other_title(game, game_title, chosen)
    return ModStack(spec, loadout.union, [], loadout, opened, folder.path, tuple(warnings))


def _finds(profile: Profile, root: ModRoot) -> bool:
    """Whether a tool finds mods where somebody says: for the title whose folder was named, or for any."""
    if root.title_id is not None:
        return bool(profile.installed(root.fs, root.title_id).mods)
    return bool(profile.titles(root.fs))


def _loose(profile: Profile, root: ModRoot, title_id: int, disabled: Collection[str]) -> Installed | None:
    """What a tool would make of mods that lie in no title's folder, were they where it looks; None where it finds some itself."""
    if profile.name == "plain" or profile.titles(root.fs) or profile.installed(root.fs, title_id).mods:
        return None
    for surveyed in survey(root.fs, (profile.name,), disabled=disabled):
        installed = surveyed.found[profile.name]
        if surveyed.title_id is None and any(mod.parts for mod in installed.mods):
            return replace(installed, title_id=title_id)
    return None


def no_mods_text(profile: Profile, root: ModRoot, title_id: int) -> str:
    """Return what to say where a tool finds no mods for a title, but may for others."""
    titles = [f"{each:016x}" for each in profile.titles(root.fs) if each != title_id]
    there = f"; there are mods for {listed(titles)}" if titles else ""
    others = [name for name in PROFILES if name != profile.name and profile_of(name).installed(root.fs, title_id).mods]
    if others and not there:
        there = f"; --profile {' or '.join(others)} does"
    return f"{profile.name} finds no mods for {title_id:016x} in {root.path}{there}"


def other_title(game: str, game_title: int, title_id: int) -> list[str]:
    """Return what to say where the game is another title than the mods are for."""
    addon = "add-on" in (kind_of(title_id), kind_of(game_title)) and title_id != game_title
    if not title_id or (base_id(title_id) == base_id(game_title) and not addon):
        return []
    return [f"{game} is title {game_title:016x}, and the mods are for {title_id:016x}"]
