"""Texts: which bytes are one, and where two of them differ, in bounded memory.

Line endings, blanks at the ends of lines, empty lines at the end and a byte order mark do not count. What is compared is UTF-8, or, where
the name says that it is text, bytes of any encoding that extends ASCII; UTF-16 is read where it has a byte order mark.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from oboromi_fs.errors import NotThisFormatError
from oboromi_fs.overlay.semantic.blocks import blocks
from oboromi_fs.overlay.semantic.values import Analysis, Change, Delta, Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oboromi_fs.protocols import Storage

__all__ = ["ANOTHER_ENCODING", "compare_texts", "decode", "encoding_of", "is_text"]

ANOTHER_ENCODING = "the same in another encoding: not every reader knows both"
SUFFIXES = (
    *(".txt", ".md", ".rst", ".log", ".lang", ".srt", ".ini", ".cfg", ".conf", ".inf", ".json", ".toml", ".yaml", ".yml", ".csv", ".tsv"),
    *(".xml", ".html", ".htm", ".css", ".js", ".lua", ".py", ".sh", ".bat", ".glsl", ".hlsl", ".vert", ".frag"),
)
"""Names that end so are texts, in whatever encoding."""

_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\v\f\r") + b"\x7f"
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_PIECE = 1 << 16
"""Bytes at a time: what lines there are in them are objects for a moment."""
_MOST_BLANKS = 1 << 20
"""A longer run of blanks is no text of anyone."""
_BEFORE, _AFTER = 40, 80
"""Bytes of a line that are quoted before and from the first difference on."""


def encoding_of(text: Storage) -> str:
    """Return the encoding that a text's first bytes tell."""
    return _mark(bytes(text[:4]))[0]


def _mark(head: bytes) -> tuple[str, int]:
    """The encoding, and how many bytes the mark has that says it."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def decode(data: bytes, what: str, *, strict: bool = True) -> str:
    """Return a text without its byte order mark.

    Args:
        data: All of it.
        what: Its format, for errors.
        strict: Whether UTF-8 must be valid; if not, other bytes are surrogate escapes, so that no two texts become one.

    Raises:
        NotThisFormatError: It is broken UTF-16, or UTF-8 where that must be valid.
    """
    encoding, start = _mark(data[:4])
    try:
        return data[start:].decode(encoding, "strict" if strict or encoding != "utf-8" else "surrogateescape")
    except UnicodeDecodeError as failure:
        raise NotThisFormatError(f"it cannot be read as {encoding}: {failure.reason}", what=what) from failure


def _encoded(storage: Storage) -> Iterator[bytes]:
    """The text without its mark, in pieces: bytes as they are, UTF-16 as UTF-8.

    Raises:
        NotThisFormatError: It is broken UTF-16.
    """
    encoding, start = _mark(bytes(storage[:4]))
    pieces = (bytes(block) for block in blocks(storage, start, _PIECE))
    if encoding == "utf-8":
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as failure:
        raise NotThisFormatError(f"it cannot be read as {encoding}: {failure.reason}", what=Format.TEXT) from failure


def is_text(path: str, storage: Storage) -> bool:
    """Return whether a file is text, all of it: no control characters, and UTF-8 unless its name says that it is text."""
    strict = not path.lower().endswith(SUFFIXES)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in _encoded(storage):
            if len(piece.translate(None, _CONTROLS)) < len(piece):
                return False
            if strict:
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except (UnicodeDecodeError, NotThisFormatError):
        return False
    return True


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Lines end in ``\n``, have no blanks at their ends, and the last one that has anything has no end."""
    newlines, blanks, returned = 0, b"", False
    for each in filter(None, pieces):  # A decoder may give nothing for a piece.
        piece = each[1:] if returned and each.startswith(b"\n") else each
        returned = each.endswith(b"\r")
        whole = blanks + piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        text = whole.rstrip(b" \t")
        blanks = whole[len(text) :]
        if len(blanks) > _MOST_BLANKS:
            raise NotThisFormatError(f"more than {_MOST_BLANKS} blanks in a row", what=Format.TEXT)
        if b" \n" in text or b"\t\n" in text:
            text = b"\n".join([line.rstrip(b" \t") for line in text.split(b"\n")])
        content = text.rstrip(b"\n")
        if content:
            while newlines:
                run = min(newlines, _MOST_BLANKS)
                yield b"\n" * run
                newlines -= run
            yield content
        newlines += len(text) - len(content)


class _Side:
    """One of two streams: ``rest`` is what has been read and not yet compared; empty at the end alone."""

    def __init__(self, storage: Storage) -> None:
        self._pieces = _plain(_encoded(storage))
        self.rest = next(self._pieces, b"")

    def skip(self, count: int) -> None:
        """Go on behind ``count`` bytes of the rest."""
        self.rest = self.rest[count:] or next(self._pieces, b"")

    def quote(self, before: bytes) -> str:
        """Return what stands before, and from here on in this line, shortened at both ends."""
        while len(self.rest) <= _AFTER and b"\n" not in self.rest and (more := next(self._pieces, b"")):
            self.rest += more
        line = self.rest[: _AFTER + 1].partition(b"\n")[0]
        start, end = len(before) > _BEFORE, len(line) > _AFTER
        if start:  # Not in the middle of a character.
            before = before[-_BEFORE:].lstrip(_CONTINUATIONS)
        text = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(before + line[:_AFTER], final=not end)
        return "…" * start + text + "…" * end


def compare_texts(old: Storage, new: Storage) -> Analysis:
    """Compare two texts.

    Returns:
        ``CosmeticOnly``, or ``BehaviorChanging`` with the first line that differs; ``Unknown`` where only the encodings differ.

    Raises:
        NotThisFormatError: One is broken UTF-16, or has a run of blanks that is too long to be kept.
    """
    change = _first_change(_Side(old), _Side(new))
    if change is not None:
        return Analysis(Format.TEXT, Delta.BEHAVIOR_CHANGING, (change,), None)
    if encoding_of(old) != encoding_of(new):
        return Analysis(Format.TEXT, Delta.UNKNOWN, notes=(ANOTHER_ENCODING,))
    return Analysis(Format.TEXT, Delta.COSMETIC_ONLY)


def _first_change(old: _Side, new: _Side) -> Change | None:
    line, before = 1, b""
    while old.rest and new.rest:
        count = min(len(old.rest), len(new.rest))
        differs = old.rest[:count] != new.rest[:count]
        if differs:
            count = _common(old.rest, new.rest, count)
        line += old.rest.count(b"\n", 0, count)
        before = (before + old.rest[:count]).rpartition(b"\n")[2][-_BEFORE - 1 :]
        if differs:
            old.rest, new.rest = old.rest[count:], new.rest[count:]
            return Change(f"line {line}", old.quote(before), new.quote(before))
        old.skip(count)
        new.skip(count)
    if not old.rest and not new.rest:
        return None
    longer = old if old.rest else new
    ended = line == 1 and not before  # The other one is empty.
    if not ended and longer.rest.startswith(b"\n"):  # It ends with the line before.
        longer.skip(1)
        line, before, ended = line + 1, b"", True
    quotes = [None if ended and side is not longer else side.quote(before) for side in (old, new)]
    return Change(f"line {line}", quotes[0], quotes[1])


def _common(old: bytes, new: bytes, count: int) -> int:
    """How many bytes are equal from the start on, fewer than ``count``."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return low
