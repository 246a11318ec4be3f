"""Titles of a NACP: what an application is called in each language, and how the 0x3000 bytes for it are filled.

There are 16 titles, stored plainly, or 32, compressed with raw DEFLATE.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_formats.nacp import (
    COMPRESSED_TITLE_COUNT,
    COMPRESSED_TITLES,
    NACP_TITLE,
    TITLE_COUNT,
    CompressedTitles,
    Language,
    TitlesFormat,
)
from oboromi_fs._decode import decode_bytes, encode
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.forms import from_table, layout_bytes, part, to_table
from oboromi_fs.metadata.kinds import Kind, Text, camel

if TYPE_CHECKING:
    from oboromi_fs.metadata.keypath import KeyPath, Plain

__all__ = ["LANGUAGES", "ApplicationTitle", "TitlesKind", "language_number", "parse_titles", "title_region", "titles_of_region"]

REGION_SIZE = 0x3000
INFLATED_SIZE = COMPRESSED_TITLE_COUNT * NACP_TITLE.size
MOST_COMPRESSED = REGION_SIZE - COMPRESSED_TITLES.size

LANGUAGES = tuple(camel(language.name) for language in Language)
"""Names of the languages by number, as texts and the names of icons spell them."""


@dataclass(frozen=True, slots=True)
class ApplicationTitle:
    """Name and publisher in one language. What stands behind a NUL in either is not shown by anyone, and kept."""

    name: str = part(Text(0x200), "")
    publisher: str = part(Text(0x100), "")

    def __bool__(self) -> bool:
        return bool(self.name or self.publisher)

    def shown(self) -> ApplicationTitle:
        """Return the title without what stands behind a NUL."""
        return ApplicationTitle(self.name.partition("\0")[0], self.publisher.partition("\0")[0])


def language_number(name: str) -> int | None:
    """Return the number of a language by its name (or by its number in decimal), None if there is none.

    Example:
        >>> language_number("Japanese"), language_number("17"), language_number("Klingon")
        (2, 17, None)
    """
    if name in LANGUAGES:
        return LANGUAGES.index(name)
    return int(name) if name.isascii() and name.isdecimal() and len(name) <= 2 and int(name) < COMPRESSED_TITLE_COUNT else None


def parse_titles(data: bytes) -> tuple[ApplicationTitle, ...]:
    """Return the titles that stand one behind the other in ``data``."""
    kinds = (Text(0x200), Text(0x100))
    starts = range(0, len(data), NACP_TITLE.size)
    return tuple(
        ApplicationTitle(kinds[0].from_raw(data[at : at + 0x200]), kinds[1].from_raw(data[at + 0x200 : at + 0x300])) for at in starts
    )


def titles_of_region(region: bytes, form: int) -> tuple[tuple[ApplicationTitle, ...], bytes]:
    """Read the titles.

    Args:
        region: The first 0x3000 bytes of a NACP.
        form: Its ``titles_format``.

    Returns:
        The titles, and the compressed bytes they came from: none where they are stored plainly, and all of the region but the zeros at its
        end where the form is unknown.

    Raises:
        CorruptError: What is compressed does not inflate, or to too much.
    """
    if form == TitlesFormat.PLAIN:
        return parse_titles(region), b""
    if form != TitlesFormat.COMPRESSED:
        return (), region.rstrip(b"\0")
    size = decode_bytes(COMPRESSED_TITLES, region).size
    if size > MOST_COMPRESSED:
        raise CorruptError(f"{size:#x} bytes, there is room for {MOST_COMPRESSED:#x}", what=COMPRESSED_TITLES.name, field="size")
    compressed = region[COMPRESSED_TITLES.size : COMPRESSED_TITLES.size + size]
    return parse_titles(inflate(compressed)), compressed


def inflate(compressed: bytes) -> bytes:
    """Return the 0x6000 bytes of 32 titles; what the stream lacks of them is zeros.

    Raises:
        CorruptError: The stream is broken, has no end, or gives more.
    """
    inflater = zlib.decompressobj(-15)
    try:
        data = inflater.decompress(compressed, INFLATED_SIZE + 1)
    except zlib.error as failure:
        raise CorruptError(f"they do not inflate: {failure}", what=COMPRESSED_TITLES.name) from failure
    if len(data) > INFLATED_SIZE or not inflater.eof:
        problem = f"they inflate to more than {INFLATED_SIZE:#x} bytes" if len(data) > INFLATED_SIZE else "their stream does not end"
        raise CorruptError(problem, what=COMPRESSED_TITLES.name)
    return data.ljust(INFLATED_SIZE, b"\0")


def title_region(titles: tuple[ApplicationTitle, ...], form: int, compressed: bytes) -> bytes:
    """Return the first 0x3000 bytes of a NACP.

    Args:
        titles: Up to 16 of them, or 32 where they are compressed.
        form: The ``titles_format``.
        compressed: Bytes to use if they inflate to just these titles; else, the titles are compressed anew.

    Raises:
        FormatError: There are too many titles, one is too long, or they do not compress to what there is room for.
    """
    if form not in (TitlesFormat.PLAIN, TitlesFormat.COMPRESSED):
        if len(compressed) > REGION_SIZE:
            raise FormatError(f"{len(compressed):#x} bytes, there is room for {REGION_SIZE:#x}", what="NACP", field="titles_compressed")
        return compressed.ljust(REGION_SIZE, b"\0")
    room = TITLE_COUNT if form == TitlesFormat.PLAIN else COMPRESSED_TITLE_COUNT
    if len(titles) > room:
        raise FormatError(f"{len(titles)} of them, there is room for {room}", what="NACP", field="titles")
    data = b"".join(layout_bytes(NACP_TITLE, title) for title in titles).ljust(room * NACP_TITLE.size, b"\0")
    if form == TitlesFormat.PLAIN:
        return data
    if not (compressed and _inflates_to(compressed, data)):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        compressed = deflater.compress(data) + deflater.flush()
    if len(compressed) > MOST_COMPRESSED:
        problem = f"they compress to {len(compressed):#x} bytes, there is room for {MOST_COMPRESSED:#x}"
        raise FormatError(problem, what="NACP", field="titles")
    return (encode(COMPRESSED_TITLES, CompressedTitles(len(compressed))) + compressed).ljust(REGION_SIZE, b"\0")


def _inflates_to(compressed: bytes, data: bytes) -> bool:
    try:
        return inflate(compressed) == data
    except CorruptError:
        return False


class TitlesKind(Kind):
    """Titles; plainly a table of language -> name and publisher, without the empty ones."""

    def plain(self, value: Any) -> Plain:
        """Return the table."""
        return {
            LANGUAGES[number] if number < len(LANGUAGES) else str(number): dict(to_table(title))
            for number, title in enumerate(value)
            if title
        }

    def parse(self, plain: Any, path: KeyPath) -> Any:
        """Return as many titles as the highest language needs."""
        titles: dict[int, ApplicationTitle] = {}
        for language, entry in path.table(plain).items():
            at = path / language
            number = language_number(language)
            if number is None:
                raise at.error(f"no such language: use one of {', '.join(LANGUAGES)}")
            table = at.table(entry)
            titles[number] = ApplicationTitle(**from_table(ApplicationTitle, table, at))
            at.finish(table, ("name", "publisher"))
        return tuple(titles.get(number, ApplicationTitle()) for number in range(max(titles, default=-1) + 1))
