"""Which titles somebody asks for: by name, id, kind, and what is to be said of them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.library.titles import LibraryTitle

__all__ = ["KINDS", "Filter"]

KINDS = ("base", "update", "addon", "system", "other")
"""What :attr:`Item.kind` may be."""
_ID = re.compile(r"(?:0x)?([0-9a-f]{1,16})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a title must be to be shown; what is empty asks for nothing.

    Attributes:
        names: Words of which each must be in a title's name or publisher, in any language; or patterns with ``*`` and ``?`` that
            one of them must match. Case, accents and width do not matter.
        ids: Ids, of the application or of anything of it, of which one must match; the beginning will do.
        kinds: Of which it must have something, of :data:`KINDS`.
        without: Of which it must have nothing.
        marks: Of which one must be said of it, of :data:`~oboromi_fs.library.titles.MARKS`.
    """

    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    def matches(self, title: LibraryTitle) -> bool:
        """Whether a title is what is asked for."""
        has = {item.kind for item in title.items}
        return (
            (not self.kinds or bool(has & set(self.kinds)))
            and not has & set(self.without)
            and (not self.marks or bool(set(title.marks) & set(self.marks)))
            and (not self.ids or any(_has_id(title, each) for each in self.ids))
            and all(_is_called(title, each) for each in self.names)
        )

    def of(self, titles: Sequence[LibraryTitle]) -> list[LibraryTitle]:
        """Return those that match, in their order."""
        return [title for title in titles if self.matches(title)]


def is_id(text: str) -> bool:
    """Whether a text may be the beginning of an id."""
    return _ID.fullmatch(text) is not None


def _has_id(title: LibraryTitle, text: str) -> bool:
    found = _ID.fullmatch(text)
    if found is None:
        return False
    digits = found[1].lower()
    return any(f"{each:016x}".startswith(digits) for each in {title.application_id, *(item.meta.title_id for item in title.items)})


def _is_called(title: LibraryTitle, text: str) -> bool:
    wanted = folded(text)
    called = [folded(word) for item in title.items if item.names is not None for _, *words in item.names.names for word in words]
    if any(char in text for char in "*?["):
        return any(fnmatchcase(each, wanted) for each in called)
    return any(wanted in each for each in called)


def folded(text: str) -> str:
    r"""Return text as it is compared and sorted: without case, accents and width.

    Example:
        >>> folded("Pokémon \uff2c\uff25\uff34")
        'pokemon let'
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))
