"""The two streams of a command: results to stdout, everything else to stderr.

Both are written as bytes, so that neither depends on the locale: text is UTF-8, and a name that is none goes out as the bytes it has in
the archive. A terminal never sees a control character of a name: an archive must not be able to steer it.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

__all__ = ["Console", "encode", "plural", "printable", "size_text"]

# Control characters of both sets, marks that reorder or break lines, and what stands for bytes that are not UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = {"bad": "31", "good": "32", "doubt": "33", "faint": "2"}


def printable(text: str) -> str:
    r"""Return text that a terminal shows and does not obey: control characters as ``\n``, ``\x1b`` or ``\u202e``.

    Example:
        >>> printable("a\x1b[2Jb\n")
        'a\\x1b[2Jb\\n'
    """
    return _UNPRINTABLE.sub(_escape, text) if not text.isascii() or not text.isprintable() else text


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def encode(text: str) -> bytes:
    """Return the bytes of text that may hold names of an archive: UTF-8, undoing surrogate escapes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # A surrogate that stands for no byte: only a caller's own text can hold one.
        return text.encode("utf-8", "backslashreplace")


def size_text(size: int) -> str:
    """Return a number of bytes as people read it.

    Example:
        >>> size_text(812), size_text(3_000_000)
        ('812 bytes', '2.9 MiB')
    """
    if size < 1024:
        return plural(size, "bytes")
    value, unit = float(size), ""
    for unit in ("KiB", "MiB", "GiB", "TiB"):  # noqa: B007  # Used below.
        value /= 1024
        if value < 1023.95:
            break
    return f"{value:.1f} {unit}"


def plural(count: int, noun: str) -> str:
    """Return a number with its noun, which is given in the plural.

    Example:
        >>> plural(2, "files"), plural(1, "entries")
        ('2 files', '1 entry')
    """
    if count == 1:
        noun = f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")
    return f"{count} {noun}"


class Console:
    """Where a command writes.

    Attributes:
        quiet: Say nothing but results and errors.
        verbose: How often ``-v`` was given.
        color: Whether to use colour on a terminal.
    """

    def __init__(self) -> None:
        self.quiet = False
        self.verbose = 0
        self.color = not os.environ.get("NO_COLOR")

    @property
    def stdout(self) -> BinaryIO:
        """The bytes of stdout.

        Raises:
            OSError: It is closed.
        """
        return _binary(sys.stdout, "standard output")

    @property
    def on_terminal(self) -> bool:
        """Whether results go to a terminal."""
        return _is_terminal(sys.stdout)

    @property
    def errors_on_terminal(self) -> bool:
        """Whether messages go to a terminal."""
        return _is_terminal(sys.stderr)

    # Results

    def write(self, text: str) -> None:
        """Write text to stdout as it is."""
        self.write_bytes(encode(text))

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Write bytes to stdout, all of them: an unbuffered stream (PYTHONUNBUFFERED) may take less at a time."""
        rest, stream = memoryview(data), self.stdout
        while rest:
            rest = rest[stream.write(rest) or 0 :]

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines to stdout, in one call."""
        text = "\n".join(lines)
        if text:
            self.write(text + "\n")

    @property
    def width(self) -> int:
        """Columns of the terminal that stdout is; 0 where it is none, or does not say."""
        from shutil import get_terminal_size

        return get_terminal_size((0, 0)).columns if self.on_terminal else 0

    def name(self, name: str) -> str:
        """Return a name as stdout is to have it: escaped on a terminal, untouched elsewhere."""
        return printable(name) if self.on_terminal else name

    def json(self, document: Any) -> None:
        """Write a document to stdout."""
        import json

        self.write(json.dumps(document, indent=2) + "\n")

    def paint(self, text: str, style: str) -> str:
        """Return text in a colour, if stdout is a terminal that may have some: ``bad good doubt faint``."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and self.on_terminal else text

    def flush(self) -> None:
        """Hand everything written to the host."""
        if sys.stdout is not None:
            sys.stdout.flush()

    # Messages

    def error(self, text: str) -> None:
        """Write one line to stderr, whatever is in the text."""
        if sys.stderr is None:
            return
        try:
            sys.stderr.flush()
            stream = _binary(sys.stderr, "standard error")
            stream.write(f"oboromi: {printable(text)}\n".encode("utf-8", "backslashreplace"))
            stream.flush()
        except (OSError, ValueError):  # Nobody listens: nothing to say it with.
            return

    def warn(self, text: str) -> None:
        """Write a warning to stderr, unless quiet."""
        if not self.quiet:
            self.error(f"warning: {text}")

    def note(self, text: str) -> None:
        """Write a message to stderr, unless quiet."""
        if not self.quiet:
            self.error(text)


def _binary(stream: Any, what: str) -> BinaryIO:
    if stream is None:
        raise OSError(errno.EBADF, f"{what} is closed")
    binary: BinaryIO = stream.buffer
    return binary


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:  # Closed.
        return False
