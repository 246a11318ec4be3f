"""The title strings of a ``control.nacp``: what a program is called, by whom, and its version for people.

Source: Switchbrew wiki, "NACP".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs._decode import error
from oboromi_fs.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["LANGUAGES", "TitleStrings", "title_strings"]

_NAMES = """AmericanEnglish BritishEnglish Japanese French German LatinAmericanSpanish Spanish Italian Dutch CanadianFrench
    Portuguese Russian Korean TraditionalChinese SimplifiedChinese BrazilianPortuguese"""
LANGUAGES = tuple(_NAMES.split())
"""Languages by number, as icons are called after them."""

_SIZE = 0x4000
_ENTRY, _NAME = 0x300, 0x200
_VERSION = slice(0x3060, 0x3070)
_TITLES_FORMAT = 0x3215
_COMPRESSED = 1
_MAX_COMPRESSED = 0x2FFE
_MAX_TITLES = 0x6000


class TitleStrings(NamedTuple):
    """A title in one language. Each may be empty."""

    name: str
    publisher: str
    version: str
    language: str


def title_strings(storage: Storage, languages: Sequence[int] = ()) -> TitleStrings:
    """Read a title's strings: in a preferred language, else in American English, else in the first language there is.

    Args:
        storage: A ``control.nacp``. One that is shorter than 0x4000 bytes goes on with zeros, as homebrew's does.
        languages: Numbers of preferred languages, the best first; see :mod:`oboromi_fs.metadata.languages`.

    Raises:
        CorruptError: The compressed form of the titles is broken.
    """
    data = storage[:_SIZE].tobytes().ljust(_SIZE, b"\0")
    titles = data[:0x3000]
    if data[_TITLES_FORMAT] == _COMPRESSED:
        titles = _inflated(storage, data)
    version = _text(data[_VERSION])
    for number in (*(each for each in languages if each < len(titles) // _ENTRY), *range(len(titles) // _ENTRY)):
        entry = titles[number * _ENTRY : (number + 1) * _ENTRY]
        name, publisher = _text(entry[:_NAME]), _text(entry[_NAME:])
        if name or publisher:
            return TitleStrings(name, publisher, version, LANGUAGES[number] if number < len(LANGUAGES) else "")
    return TitleStrings("", "", version, "")


def _inflated(storage: Storage, data: bytes) -> bytes:
    import zlib

    size = int.from_bytes(data[:2], "little")
    problem = f"{size:#x} bytes of compressed titles are more than {_MAX_COMPRESSED:#x}"
    if size <= _MAX_COMPRESSED:
        try:
            return zlib.decompressobj(-15).decompress(data[2 : 2 + size], _MAX_TITLES)
        except zlib.error as wrong:
            problem = f"the compressed titles do not inflate: {wrong}"
    raise error(CorruptError, problem, what="NACP", storage=storage, offset=0, field="titles")


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
