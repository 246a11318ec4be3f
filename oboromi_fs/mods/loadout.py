"""What a tool loads of a title with mods: its RomFS, ExeFS and manual as one union, and why each file is the one it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.mods.exefs import exefs_layers
from oboromi_fs.mods.patchorder import overwritten
from oboromi_fs.mods.places import Shelf
from oboromi_fs.mods.romfs import manual_layers, romfs_layers
from oboromi_fs.mods.rules import RULES, Decision, decision
from oboromi_fs.mods.values import Installed, Notice
from oboromi_fs.overlay import UnionFs
from oboromi_fs.paths import encode_name, join, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.mods.game import Game
    from oboromi_fs.mods.patchorder import AppliedPatch, Overwritten
    from oboromi_fs.mods.places import ModLayer
    from oboromi_fs.mods.rules import Role
    from oboromi_fs.mods.values import Mod
    from oboromi_fs.overlay import Explanation, Layer
    from oboromi_fs.protocols import FileSystem, PathType, Storage

__all__ = ["PARTS", "Loadout", "Ruling", "load"]

PARTS = ("romfs", "exefs", "manual")
"""Folders of the union."""


class Ruling(NamedTuple):
    """Why a path is what it is: who provides it, and by which rule it wins over each other version.

    ``overridden`` and ``hidden`` go with those of the explanation. ``patches`` are those that act on the file, in the order they are
    applied: where several write a byte, the later wins.
    """

    explanation: Explanation
    winner: Decision | None
    overridden: tuple[Decision, ...]
    hidden: tuple[Decision, ...]
    patches: tuple[Overwritten, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it: the explanation, with the decision beside each version."""
        found = self.explanation.to_json()
        for versions, decisions in ((found["overridden"], self.overridden), (found["hidden"], self.hidden)):
            for version, decided in zip(versions, decisions, strict=True):
                version["decision"] = decided.to_json()
        patches = [each.to_json() for each in self.patches]
        return {**found, "decision": self.winner and self.winner.to_json(), "patches": patches}


@dataclass(frozen=True, slots=True)
class Loadout:
    """What a tool loads of a title.

    Attributes:
        installed: The mods that were found.
        union: The result, with what there is of ``romfs/``, ``exefs/`` and ``manual/``.
        roles: Name of each layer of the union -> what it is to the tool.
        notices: What is passed over: that of ``installed``, and what showed when the mods were laid over the game.
        image: The game's own RomFS as an image, which is loaded as it is when no mod has a part in it.
        patches: Name of each module that patches act on -> those patches, in the order they are applied.
    """

    installed: Installed
    union: UnionFs
    roles: Mapping[str, Role]
    notices: tuple[Notice, ...]
    image: Storage | None = None
    patches: Mapping[str, tuple[AppliedPatch, ...]] = field(default_factory=dict)

    @property
    def profile(self) -> str:
        """Name of the profile."""
        return self.installed.profile

    @property
    def romfs_active(self) -> bool:
        """Whether any mod has a part in the RomFS; else the game's own is loaded untouched."""
        return any(role in ("romfs", "romfs.bin", "romfs_ext") for role in self.roles.values())

    @property
    def exefs_active(self) -> bool:
        """Whether any mod has a part in the ExeFS."""
        return any(role in ("exefs", "exefs.nsp", "stub", "patches") for role in self.roles.values())

    def romfs_image(self) -> Storage:
        """Return the RomFS as the tool gives it to the game: the game's own image, or one of the merged tree, composed as it is read.

        Raises:
            EntryNotFoundError: Neither the game nor a mod has one.
            FormatError: A path or name that no RomFS can hold.
        """
        if not self.romfs_active and self.image is not None:
            return self.image
        from oboromi_fs.builders.romfs import RomFsImage

        return RomFsImage(self.union, "romfs", like="common" if RULES[self.profile].empty_directories else "libhac")

    def exefs_archive(self) -> Storage:
        """Return the merged ExeFS as a PFS0, such as ``exefs.nsp`` is, composed as it is read.

        Raises:
            EntryNotFoundError: Neither the game nor a mod has one.
        """
        from oboromi_fs.base import SubFs
        from oboromi_fs.builders.pfs0 import build_pfs0

        self.union.metadata("exefs")
        return build_pfs0(SubFs(self.union, "exefs"))

    def clashes(self) -> list[Notice]:
        """Tell which names are a file in one layer and a directory in another: consoles and yuzu load both; here the top one's kind rules.

        Every layer is listed for that.
        """
        from oboromi_fs.overlay.index import ProviderIndex

        index = ProviderIndex.build(self.union.layers)
        return [Notice("lost", each.path, each.text, ignored=False) for each in index.skipped if each.kind == "clash"]

    def long_paths(self) -> list[Notice]:
        """Tell which paths of the RomFS are longer than any console takes. Every layer is listed for that."""
        from oboromi_fs.builders.romfs.tree import MAX_PATH

        if not self.union.exists("romfs"):
            return []
        sizes = ((path, len(encode_name(path)) + 1) for path, _ in self.union.walk("romfs"))
        text = "has {} bytes with the slash it begins with; a RomFS path has at most {}"
        return [Notice("path", f"romfs/{path}", text.format(size, MAX_PATH)) for path, size in sizes if size > MAX_PATH]

    def explain(self, path: PathType) -> Ruling:
        """Return who provides a path of the union, and which rule of the tool decided.

        Args:
            path: A path of the union; one that names none of its parts is one of the RomFS, or else of the ExeFS.
        """
        found = self.union.explain(self.find(path))
        layers = self.union.layers
        winner = None if found.winner is None else self.roles[layers[found.winner.source_index].name]
        return Ruling(
            found,
            None if winner is None else decision(self.profile, winner, self._below(found)),
            tuple(decision(self.profile, winner, self.roles[layers[each.source_index].name]) for each in found.overridden),
            tuple(
                decision(self.profile, self.roles[layers[each.by].name], self.roles[layers[each.provider.source_index].name])
                for each in found.hidden
            ),
            tuple(overwritten(self._acting(found.key))),
        )

    def _acting(self, path: str) -> tuple[AppliedPatch, ...]:
        part, _, name = path.partition("/")
        return self.patches.get(name, ()) if part == "exefs" else ()

    def find(self, path: PathType) -> str:
        """Return a path as the union has it: below ``romfs/`` or ``exefs/`` where it names no part, and is there."""
        canonical = normalise(path)
        if canonical and canonical.partition("/")[0] not in PARTS:
            for part in PARTS:
                if self.union.exists(join(part, canonical)):
                    return join(part, canonical)
        return canonical

    def _below(self, found: Explanation) -> Role | None:
        """The role of the strongest version that the winner wins over."""
        others = [each.source_index for each in found.overridden] + [each.provider.source_index for each in found.hidden]
        return self.roles[self.union.layers[max(others)].name] if others else None


def load(root: FileSystem, installed: Installed, game: Game, *, path: str = "") -> Loadout:
    """Lay the mods that a tool finds over a title.

    Nothing of a mod is read but the names in its ExeFS, its patches, and the headers of its archives; one that is damaged is passed over,
    and told in the notices. The game's modules are looked at only where there are patches.

    Args:
        root: What was searched.
        installed: What was found there.
        game: The title itself.
        path: Where ``root`` is, as the user wrote it.
    """
    _check(root, installed, game)
    shelf = Shelf(root, path)
    mods: tuple[Mod, ...] = installed.enabled
    romfs = romfs_layers(shelf, mods, game, RULES[installed.profile])
    exefs = exefs_layers(shelf, mods, game, installed.profile)
    made: list[ModLayer] = [*romfs, *exefs.layers, *manual_layers(shelf, mods, game)]
    layers: list[Layer] = [each.layer for each in made]
    return Loadout(
        installed,
        UnionFs(layers, forgiving=True),
        {each.layer.name: each.role for each in made},
        (*installed.notices, *shelf.notices),
        game.image,
        exefs.patches,
    )


def _check(root: object, installed: object, game: object) -> None:
    """The three are easily mixed up, and a file system would do for more than one of them.

    Raises:
        TypeError: One is not what it should be.
    """
    from oboromi_fs.mods.game import Game

    if not isinstance(installed, Installed):
        message = f"installed is what a profile finds, profile(name).installed(root, title_id), and not {type(installed).__name__}"
        raise TypeError(message)
    if not isinstance(game, Game):
        message = f"game is a Game, such as Game.within(a file system with romfs/ and exefs/), and not {type(game).__name__}"
        raise TypeError(message)
    if isinstance(root, (str, bytes)):
        message = f"root is a file system, such as HostFs({root!r}), and not {type(root).__name__}"
        raise TypeError(message)
