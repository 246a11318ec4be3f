"""Rules: what a tool layers over what, and the words for why one version of a file wins over another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Decision", "Role", "Rules", "decision"]

Role: TypeAlias = Literal["game", "romfs.bin", "romfs", "romfs_ext", "exefs.nsp", "stub", "exefs", "patches", "manual_html"]
"""What a layer is to a tool."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a tool layers.

    Attributes:
        order: Which of two mods wins, in words.
        loose_above_all: Whether loose RomFS files of any mod win over ``romfs.bin`` of all; else only over that of their own mod.
        extensions_above_all: Whether ``romfs_ext`` acts on the merged result; else on what is below its mod.
        replacements_above_stubs: Whether a replaced module wins over a stub of any mod; else over that of its own mod.
        strongest_patches_first: Whether patches are applied from the strongest mod to the weakest, so that the weakest has the last word;
            sets of patches that are of no title come before all mods, in the order of their names.
        empty_directories: Whether a rebuilt RomFS keeps directories without files.
    """

    order: str
    loose_above_all: bool = False
    extensions_above_all: bool = False
    replacements_above_stubs: bool = False
    strongest_patches_first: bool = False
    empty_directories: bool = True


RULES: Mapping[str, Rules] = {
    "atmosphere": Rules("a title has one folder of mods; patch sets are applied in the order of their names, the later wins"),
    "yuzu": Rules("mods are sorted by name, and the first wins", extensions_above_all=True, strongest_patches_first=True),
    "ryujinx": Rules(
        "the mod that is found first wins; here that is the first by name",
        loose_above_all=True,
        strongest_patches_first=True,
        replacements_above_stubs=True,
        empty_directories=False,
    ),
    "plain": Rules("the later mod wins"),
}
"""Profile -> how that tool layers."""


class Decision(NamedTuple):
    """Why a version of a file wins over another: the profile, the rule as programs tell it apart, and in words."""

    profile: str
    rule: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self._asdict()


_TEXTS = {
    "alone": "nothing else has it",
    "mod-over-game": "what a mod has replaces what the game has",
    "loose-over-container": "loose files win over romfs.bin",
    "container-over-game": "what romfs.bin has replaces what the game has",
    "extension": "romfs_ext acts on what has won",
    "replacement-over-stub": "a replaced module wins over a stub",
    "replacement-over-partition": "a loose module wins over exefs.nsp",
    "stub": "a stub hides the module",
    "partition": "exefs.nsp takes the place of the whole ExeFS",
    "patched": "patches act on the module that has won",
}


def decision(profile: str, winner: Role | None, other: Role | None = None) -> Decision:
    """Return the rule by which one version wins over another, or over nothing.

    Args:
        profile: Name of the profile.
        winner: What the winning layer is, or the one that hides; None where the rule is that of the profile's order alone.
        other: What the layer is that it wins over; None where there is none.
    """
    rule = _rule(winner, other)
    return Decision(profile, rule, RULES[profile].order if rule == "mod-order" else _TEXTS[rule])


def _rule(winner: Role | None, other: Role | None) -> str:
    if other is None:
        return "alone"
    if winner in _ABOVE:
        return _ABOVE[winner]
    if winner == "exefs" and other == "stub":
        return "replacement-over-stub"
    if winner == "exefs" and other == "exefs.nsp":
        return "replacement-over-partition"
    if winner == "romfs" and other == "romfs.bin":
        return "loose-over-container"
    if winner == other or other != "game":
        return "mod-order"
    return "container-over-game" if winner == "romfs.bin" else "mod-over-game"


_ABOVE = {"patches": "patched", "romfs_ext": "extension", "stub": "stub", "exefs.nsp": "partition"}
"""Roles whose rule is the same whatever they win over."""
