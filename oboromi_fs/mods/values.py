"""What is found where a tool keeps mods: mods, their parts, and what is to be said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MEANINGS", "Installed", "Mod", "Notice", "Part", "PartKind", "ProfileName", "Reason"]

ProfileName: TypeAlias = Literal["atmosphere", "yuzu", "ryujinx", "plain"]
"""Whose rules: a tool's, or the plain ones, which take whatever any tool does, the later mod winning."""

PartKind: TypeAlias = Literal[
    "romfs",
    "romfs.bin",
    "romfs_ext",
    "exefs",
    "exefs.nsp",
    "manual_html",
    "cheats",
    "exefs_patches",
    "nro_patches",
    "kip_patches",
    "flags",
]
"""What a part of a mod is for: the name it has where tools look for it."""

Reason: TypeAlias = Literal[
    "case",
    "name",
    "place",
    "unsupported",
    "kind",
    "empty",
    "disabled",
    "shadowed",
    "build",
    "damaged",
    "lost",
    "state",
    "path",
]
"""Why something is passed over: see :data:`MEANINGS`."""

MEANINGS: Mapping[Reason, str] = {
    "case": "the tool asks for another case of letters",
    "name": "the tool knows no such name there",
    "place": "the tool does not look there",
    "unsupported": "the tool has no such thing",
    "kind": "a file where a folder is needed, or the other way round",
    "empty": "nothing is in it",
    "disabled": "it is switched off",
    "shadowed": "something stronger has the same",
    "build": "a patch of another build than the game's",
    "damaged": "it cannot be read as what it is",
    "lost": "it is loaded, and does not do what was meant",
    "state": "a state file is damaged, or contradicts itself",
    "path": "no target can hold the path",
}
"""Reason -> what it means, in words."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a tool passes over, or does otherwise than its author meant.

    Attributes:
        reason: Why, as programs tell it apart.
        path: What it is about, below the root that was searched.
        text: Why, as a person reads it.
        mod: Name of the mod it belongs to; ``""`` where to none.
        ignored: Whether the tool loads nothing of it; else it is a remark about what it does load.
    """

    reason: Reason
    path: str
    text: str
    mod: str = ""
    ignored: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"reason": self.reason, "path": self.path, "mod": self.mod, "ignored": self.ignored, "text": self.text}

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in a mod that a tool loads: a folder, or one file for all. ``path`` is below the root that was searched."""

    kind: PartKind
    path: str


@dataclass(frozen=True, slots=True)
class Mod:
    """What can be added or taken away as one.

    Attributes:
        name: What the tool calls it.
        path: Its folder, below the root that was searched.
        parts: What is in it.
        enabled: Whether the tool loads it; why not, is in the notices.
    """

    name: str
    path: str
    parts: tuple[Part, ...]
    enabled: bool = True

    def of_kind(self, *kinds: PartKind) -> Iterator[Part]:
        """Yield its parts of these kinds, in order."""
        return (part for part in self.parts if part.kind in kinds)


@dataclass(frozen=True, slots=True)
class Installed:
    """What a tool finds for one title.

    Attributes:
        profile: The tool's profile.
        title_id: The title whose mods these are.
        mods: From the weakest to the strongest: of two that have the same file, the later wins.
        notices: What is passed over, and why.
        unknown: What was to be switched off, and is no mod here.
    """

    profile: ProfileName
    title_id: int
    mods: tuple[Mod, ...] = ()
    notices: tuple[Notice, ...] = field(default=())
    unknown: tuple[str, ...] = ()

    @property
    def enabled(self) -> tuple[Mod, ...]:
        """The mods that are loaded, weakest first."""
        return tuple(mod for mod in self.mods if mod.enabled)
