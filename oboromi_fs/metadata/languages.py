"""Which languages of a title a user reads: locales as the environment names them, and the names of languages that NACP and icons use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["languages_of_environment", "languages_of_locale"]

_BY_LANGUAGE = {
    "de": ("German",),
    "en": ("AmericanEnglish", "BritishEnglish"),
    "es": ("Spanish", "LatinAmericanSpanish"),
    "fr": ("French", "CanadianFrench"),
    "it": ("Italian",),
    "ja": ("Japanese",),
    "ko": ("Korean",),
    "nl": ("Dutch",),
    "pt": ("Portuguese", "BrazilianPortuguese"),
    "ru": ("Russian",),
    "zh": ("SimplifiedChinese", "TraditionalChinese"),
}
_SECOND_FIRST = {
    "en": ("AU", "GB", "IE", "IN", "NZ", "ZA"),
    "fr": ("CA",),
    "pt": ("BR",),
    "zh": ("HANT", "HK", "MO", "TW"),
}
"""Regions, and scripts, of those who read the second of two languages rather than the first. Of Spanish, all but Spain."""
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def languages_of_locale(locale: str) -> tuple[str, ...]:
    """Return the languages that somebody of a locale reads, the preferred one first; empty where no title is ever in any.

    Example:
        >>> languages_of_locale("en_GB.UTF-8"), languages_of_locale("zh-Hant"), languages_of_locale("C")
        (('BritishEnglish', 'AmericanEnglish'), ('TraditionalChinese', 'SimplifiedChinese'), ())
    """
    language, *rest = locale.partition(".")[0].partition("@")[0].replace("-", "_").split("_")
    found = _BY_LANGUAGE.get(language.lower(), ())
    regions = {part.upper() for part in rest}
    second = (
        not regions & {"ES"} and bool(regions) if language.lower() == "es" else bool(regions & set(_SECOND_FIRST.get(language.lower(), ())))
    )
    return found[::-1] if second else found


def languages_of_environment(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the languages that the user reads, the preferred one first; empty where the environment does not say.

    ``LANGUAGE`` is a list of locales and goes first, unless the locale (``LC_ALL``, ``LC_MESSAGES``, ``LANG``) is ``C``.

    Args:
        environ: The environment; that of the process by default.

    Example:
        >>> languages_of_environment({"LANG": "fr_CA.UTF-8", "LANGUAGE": "ja:fr"})
        ('Japanese', 'French', 'CanadianFrench')
    """
    found = os.environ if environ is None else environ
    locale = next((found[name] for name in _VARIABLES if found.get(name)), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return ()
    return _unique(name for each in (*found.get("LANGUAGE", "").split(":"), locale) for name in languages_of_locale(each))


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
