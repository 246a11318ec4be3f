"""Mods that are switched on and off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.mods.names import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from oboromi_fs.mods.finding import Finder
    from oboromi_fs.mods.values import Mod, Part

__all__ = ["Switched", "names_off", "switched", "unknown_text"]

_BY_CHOICE = "by choice"


class Switched(NamedTuple):
    """Mods, those off that are; and the names to be switched off that are of none of them."""

    mods: tuple[Mod, ...]
    unknown: tuple[str, ...]


def names_off(disabled: Collection[str]) -> tuple[str, ...]:
    """Return the names of what a person switches off. One text is one name.

    Raises:
        TypeError: There is something else than texts in it.
    """
    names = (disabled,) if isinstance(disabled, str) else tuple(disabled)
    for name in names:
        if not isinstance(name, str):
            message = f"disabled takes names of mods, and not {type(name).__name__}"
            raise TypeError(message)
    return names


def switched(
    finder: Finder,
    mods: Iterable[Mod],
    names: Sequence[str] = (),
    *,
    why_off: Callable[[Mod], str] = lambda _mod: "",
    also: Callable[[Mod], str] = lambda _mod: "",
) -> Switched:
    """Return mods with those switched off that are.

    Args:
        finder: Who found them; is told.
        mods: The mods.
        names: What a person switches off: the name or the path of a mod, or of a part of one its path, or what its layer is called, such
            as ``MOD romfs``. Letter case does not matter where no mod is called exactly so.
        why_off: Says by which of the tool's own files a mod is switched off; ``""`` where it is not.
        also: What else a mod is called; ``""`` for nothing.
    """
    found = list(mods)
    off: set[int] = set()
    without: dict[int, list[Part]] = {}
    unknown: list[str] = []
    for name in dict.fromkeys(names):
        wanted = name.rstrip("/") or name
        whole = _called(found, wanted, also, str) or _called(found, wanted, also, str.lower)
        folded = wanted.lower()
        parts = [] if whole else [(place, part) for place, mod in enumerate(found) for part in mod.parts if _is_part(folded, mod, part)]
        off |= whole
        for place, part in parts:
            without.setdefault(place, []).append(part)
        if not whole and not parts:
            unknown.append(name)
    made = [_switched(finder, mod, _BY_CHOICE if place in off else why_off(mod), without.get(place, [])) for place, mod in enumerate(found)]
    return Switched(tuple(made), tuple(unknown))


def _switched(finder: Finder, mod: Mod, why: str, without: Sequence[Part]) -> Mod:
    left = tuple(part for part in mod.parts if part not in without)
    if without and not left:
        why = _BY_CHOICE
    if why:
        finder.tell("disabled", mod.path, f"is switched off {why}", mod.name)
        return replace(mod, enabled=False)
    for part in without:
        finder.tell("disabled", part.path, f"is switched off {_BY_CHOICE}", mod.name)
    return replace(mod, parts=left) if without else mod


def _called(mods: Sequence[Mod], wanted: str, also: Callable[[Mod], str], spelled: Callable[[str], str]) -> set[int]:
    """Which mods have a name, or lie at a path, as ``spelled`` makes one spelling of several."""
    name = spelled(wanted)
    return {
        place
        for place, mod in enumerate(mods)
        if name and (name in (spelled(mod.name), spelled(also(mod))) or _is_path(name, spelled(mod.path)))
    }


def _is_path(name: str, path: str) -> bool:
    """Whether a name is a path, below the root or of the host."""
    return bool(path) and (name == path or name.endswith(f"/{path}"))


def _is_part(folded: str, mod: Mod, part: Part) -> bool:
    return folded == f"{mod.name} {part.kind}".lower() or _is_path(folded, part.path.lower())


def unknown_text(names: Iterable[str], mods: Iterable[str]) -> str:
    """Return what to say of names to be switched off that are of no mod.

    Args:
        names: These names.
        mods: Names of the mods that there are.
    """
    quoted = " or ".join(repr(name) for name in names)
    return f"there is no mod {quoted} to leave out; the mods are {listed(mods)}"
