"""Languages as people and their systems name them: which titles of a NACP to show to whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_formats.nacp import Language
from oboromi_fs.metadata.titles import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oboromi_fs.metadata.titles import ApplicationTitle

__all__ = ["best_title", "languages_of", "languages_of_environment"]

_AMERICAN = {"", "us", "ph", "pr", "vi", "gu", "as"}
_TRADITIONAL = {"hant", "tw", "hk", "mo"}
_SINGLE = {
    "ja": Language.JAPANESE,
    "de": Language.GERMAN,
    "it": Language.ITALIAN,
    "nl": Language.DUTCH,
    "ru": Language.RUSSIAN,
    "ko": Language.KOREAN,
}
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def languages_of(text: str) -> tuple[int, ...]:
    """Return the languages somebody means, the one they like best first; nothing where no title is in their language.

    Args:
        text: A language's name (``Japanese``, in any case), its number, or a code as systems have it: ``ja``, ``pt-BR``, ``fr_CA.UTF-8``.

    Example:
        >>> [LANGUAGES[number] for number in languages_of("fr_CA.UTF-8")]
        ['CanadianFrench', 'French']
        >>> languages_of("japanese"), languages_of("C.UTF-8")
        ((2,), ())
    """
    folded = text.strip().casefold()
    names = {name.casefold(): number for number, name in enumerate(LANGUAGES)}
    if folded in names:
        return (names[folded],)
    if folded.isascii() and folded.isdecimal() and len(folded) <= 2:
        return (int(folded),)
    language, *rest = folded.partition(".")[0].partition("@")[0].replace("_", "-").split("-")
    return _of_code(language, set(rest))


def _of_code(language: str, rest: set[str]) -> tuple[int, ...]:
    region = next((each for each in rest if len(each) != 4), "")
    pair: tuple[int, int] | None = None
    swap = False
    if language == "en":
        pair, swap = (Language.AMERICAN_ENGLISH, Language.BRITISH_ENGLISH), region not in _AMERICAN
    elif language == "fr":
        pair, swap = (Language.FRENCH, Language.CANADIAN_FRENCH), region == "ca"
    elif language == "es":
        pair, swap = (Language.SPANISH, Language.LATIN_AMERICAN_SPANISH), region not in {"", "es"}
    elif language == "pt":
        pair, swap = (Language.PORTUGUESE, Language.BRAZILIAN_PORTUGUESE), region == "br"
    elif language == "zh":
        pair, swap = (Language.SIMPLIFIED_CHINESE, Language.TRADITIONAL_CHINESE), bool(rest & _TRADITIONAL)
    if pair is not None:
        return tuple(int(each) for each in (reversed(pair) if swap else pair))
    return (int(_SINGLE[language]),) if language in _SINGLE else ()


def languages_of_environment(environment: Mapping[str, str] | None = None) -> tuple[int, ...]:
    """Return the languages of whoever runs this, as POSIX has it: by LC_ALL, else LC_MESSAGES, else LANG.

    Args:
        environment: Names and values; None takes those of the process.
    """
    found = os.environ if environment is None else environment
    return languages_of(next((found[name] for name in _VARIABLES if found.get(name)), ""))


def best_title(titles: Sequence[ApplicationTitle], languages: Sequence[int] = ()) -> tuple[ApplicationTitle, int] | None:
    """Return the title to show, as it is shown, and its language: a preferred one, else American English, else the first there is.

    Args:
        titles: By language.
        languages: Those preferred, the best first.

    Returns:
        None where no language has a title.
    """
    for number in (*languages, int(Language.AMERICAN_ENGLISH), *range(len(titles))):
        if 0 <= number < len(titles) and (title := titles[number].shown()):
            return title, number
    return None
