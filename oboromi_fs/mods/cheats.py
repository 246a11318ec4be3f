"""Files of cheats, as text. Source: the public sources of each tool; where they read a file otherwise, that is a dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import CorruptError
from oboromi_fs.mods.cheatcodes import instructions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.mods.values import ProfileName

__all__ = ["MAX_PROGRAM", "Cheat", "enabled_key", "most_bytes", "parse_cheats", "parse_enabled", "parse_toggles"]

_WHAT = "cheats"
_BOM = b"\xef\xbb\xbf"
_MOST = 1 << 20
"""Bytes of a file of cheats for tools without a limit: more is none."""
_MOST_CONSOLE = 0xFFFF
_MOST_CHEATS = 0x80
"""Cheats that the console has room for, the master cheat's place included."""
_MOST_WORDS = 0x100
_LONGEST_NAME = 0x40
_LONGEST_TOGGLE = 7
_WORD = 8
"""Hexadecimal digits of a word."""
_DEFAULT = "<default>"
"""What Ryujinx calls code that stands before any name."""

MAX_PROGRAM = 0x400
"""Words that all cheats that are on may have together, on the console and in yuzu: with more, none of them runs."""

_TOKEN = re.compile(rb"(?P<space>\s+)|\[(?P<name>[^\]]*)\]|\{(?P<master>[^}]*)\}|(?P<code>[0-9A-Fa-f]+)|(?P<other>.)", re.DOTALL)
_BEFORE, _AFTER = re.compile(rb"[^\s\[\]{}]*\Z"), re.compile(rb".[^\s\[\]{}]*", re.DOTALL)
"""What of a word is before and after a byte in it."""
_RYUJINX_WORD = re.compile(r"[0-9A-Fa-f]{8}")
_TOGGLES = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Cheat:
    """One cheat.

    Attributes:
        name: Its name, without brackets. Bytes that are not UTF-8 are escaped.
        words: Its code, in words of 32 bits. Without any it is a heading.
        master: Whether it is the master cheat, which cannot be switched off.
        line: Number of the line it begins on.
        enabled: Whether the tool runs it.
        problem: Why the tool leaves it out, though it reads the others; ``""`` where it does not.
    """

    name: str
    words: tuple[int, ...] = ()
    master: bool = False
    line: int = 1
    enabled: bool = False
    problem: str = ""

    @property
    def families(self) -> tuple[str, ...]:
        """What its instructions do, in order."""
        return tuple(each.family for each in instructions(self.words))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            "master": self.master,
            "enabled": self.enabled,
            "problem": self.problem,
            "line": self.line,
            "words": [f"{word:08x}" for word in self.words],
            "families": list(self.families),
        }


def most_bytes(dialect: ProfileName) -> int:
    """Return how many bytes a file of cheats may have."""
    return _MOST_CONSOLE if dialect == "atmosphere" else _MOST


def parse_cheats(data: bytes, dialect: ProfileName = "plain", *, source: str = "") -> tuple[Cheat, ...]:
    """Read a file of cheats as a tool does. Which ones are on without any choice of the user's, is in ``enabled``.

    The console and yuzu read words and names wherever they stand, and refuse the whole file for anything else in it. Ryujinx reads line by
    line, knows no master cheat, and refuses the file for a damaged name, but only the cheat for damaged code. Plain takes what any does.

    Args:
        data: The text.
        dialect: Whose reading.
        source: What error messages call it.

    Raises:
        CorruptError: The tool refuses the file; the message has the line's number.

    Example:
        >>> [(cheat.name, cheat.words) for cheat in parse_cheats(b"[Lives]\\n04000000 00001234 00000063\\n")]
        [('Lives', (67108864, 4660, 99))]
    """
    if len(data) > most_bytes(dialect):
        raise CorruptError(f"has {len(data)} bytes, {most_bytes(dialect)} are the most", what=_WHAT, source=source)
    if dialect == "ryujinx":
        return _by_lines(data, source)
    return _Scan(data, dialect, source).cheats()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _Scan:
    """Reads a file token by token."""

    def __init__(self, data: bytes, dialect: ProfileName, source: str) -> None:
        if dialect == "plain":
            data = data.removeprefix(_BOM)
        elif dialect == "atmosphere":
            data = data.partition(b"\0")[0]  # The console's text ends there.
        self.data = data
        self.dialect = dialect
        self.source = source
        self.line = 1
        self.found: list[tuple[Cheat, list[int]]] = []

    def fail(self, problem: str) -> CorruptError:
        return CorruptError(f"line {self.line}: {problem}", what=_WHAT, source=self.source)

    def cheats(self) -> tuple[Cheat, ...]:
        for token in _TOKEN.finditer(self.data):
            kind = token.lastgroup
            if kind == "code":
                self._code(token[0], token.end())
            elif kind in ("name", "master"):
                self._name(token[kind], master=kind == "master")
            elif kind == "other":
                self._refuse(token[0], token.start())
            self.line += token[0].count(b"\n")
        return tuple(replace(cheat, words=tuple(words), enabled=bool(words)) for cheat, words in self.found)

    def _refuse(self, char: bytes, at: int) -> None:
        if char in b"[{":
            raise self.fail(f"{char.decode()!r} opens a name that nothing closes")
        if self.line == 1 and self.data.startswith(_BOM):
            raise self.fail("the text begins with a byte order mark, which the tool takes for a damaged cheat; save it without")
        raise self.fail(f"{self._word(at)!r} is neither a name in brackets nor a word of 8 hexadecimal digits")

    def _word(self, at: int) -> str:
        """The word around a byte, as a person sees it: what of it reads as digits belongs to it; at most as long as a name."""
        before = _BEFORE.search(self.data, max(at - _LONGEST_NAME, 0), at)
        after = _AFTER.match(self.data, at, at + _LONGEST_NAME)
        return ((before[0] if before else b"") + (after[0] if after else b""))[:_LONGEST_NAME].decode("utf-8", "backslashreplace")

    def _name(self, name: bytes, *, master: bool) -> None:
        if self.dialect == "yuzu" and not 0 < len(name) <= _LONGEST_NAME + 1:
            raise self.fail(f"a name has {len(name)} bytes, and has from 1 to {_LONGEST_NAME}")
        if master and any(words for cheat, words in self.found if cheat.master):
            raise self.fail("a second master cheat; there can only be one")
        used = sum(1 for cheat, words in self.found if words and not cheat.master)
        if not master and self.dialect == "atmosphere" and used >= _MOST_CHEATS - 1:
            raise self.fail(f"more than {_MOST_CHEATS - 1} cheats besides the master cheat")
        self.found.append((Cheat(_text(name[:_LONGEST_NAME]), master=master, line=self.line), []))

    def _code(self, digits: bytes, end: int) -> None:
        if not self.found and self.dialect == "plain":
            self.found.append((Cheat(_DEFAULT, line=self.line), []))
        if not self.found:
            raise self.fail(f"the word {digits[:_WORD].decode()} stands before any name")
        apart = self.dialect != "yuzu" or (len(digits) == _WORD and self.data[end : end + 1].isspace() | (end == len(self.data)))
        if len(digits) % _WORD or not apart:
            shown = self._word(end - len(digits))
            raise self.fail(f"{shown!r} is no word of {_WORD} hexadecimal digits{'' if apart else ' with space behind it'}")
        words = self.found[-1][1]
        words += [int(digits[at : at + _WORD], 16) for at in range(0, len(digits), _WORD)]
        if len(words) > _MOST_WORDS:
            raise self.fail(f"{self.found[-1][0].name!r} has more than {_MOST_WORDS} words")


def _by_lines(data: bytes, source: str) -> tuple[Cheat, ...]:
    """Read as Ryujinx does: each line is a name or one instruction."""
    found: list[tuple[Cheat, list[int]]] = []
    text = re.split("\r\n|\r|\n", data.removeprefix(_BOM).decode("utf-8", "surrogateescape"))
    for number, line in enumerate((line.strip() for line in text), 1):
        if line.startswith("["):
            if not line.endswith("]") or len(line) < len("[x]"):
                raise CorruptError(f"line {number}: {line[:_LONGEST_NAME]!r} is no name in brackets", what=_WHAT, source=source)
            found.append((Cheat(line[1:-1], line=number), []))
        elif line:
            if not found:
                found.append((Cheat(_DEFAULT, line=number), []))
            cheat, words = found[-1]
            problem = _line_problem(line)
            if problem and not cheat.problem:
                found[-1] = (replace(cheat, problem=f"line {number}: {problem}"), words)
            elif not problem:
                words += [int(word, 16) for word in line.split()]
    return tuple(replace(cheat, words=tuple(words)) for cheat, words in found)


def _line_problem(line: str) -> str:
    if line.startswith("{"):
        return "Ryujinx knows no master cheat, and takes its name for damaged code"
    words = line.split()
    bad = next((word for word in words if not _RYUJINX_WORD.fullmatch(word)), "")
    if bad:
        return f"{bad[:_LONGEST_NAME]!r} is no word of {_WORD} hexadecimal digits"
    first = next(instructions([int(word, 16) for word in words]))
    if len(words) < first.size:
        return f"the instruction has {first.size} words, and all stand on one line for Ryujinx"
    return ""


def parse_toggles(data: bytes, *, source: str = "") -> Mapping[str, bool]:
    """Read the console's ``toggles.txt``: names in brackets, each with ``on`` or ``off`` (``true``, ``1``, ``false``, ``0``).

    Returns:
        Name -> whether it is on. A word that is none of these leaves a cheat as it is, as on the console.

    Raises:
        CorruptError: The console refuses the file, and starts without any cheats then.
    """
    if len(data) > _MOST_CONSOLE:
        raise CorruptError(f"has {len(data)} bytes, {_MOST_CONSOLE} are the most", what="toggles", source=source)
    data = data.partition(b"\0")[0]
    entry = re.compile(rb"\s*\[([^\]]*)\]\s*(\S+)(\s|$)")
    found: dict[str, bool] = {}
    at = 0
    while data[at:].strip():
        line = data.count(b"\n", 0, at + len(data[at:]) - len(data[at:].lstrip())) + 1
        each = entry.match(data, at)
        if each is None or len(each[2]) > _LONGEST_TOGGLE:
            raise CorruptError(f"line {line}: a name in brackets is looked for, and on or off behind it", what="toggles", source=source)
        if not each[3]:
            raise CorruptError(f"line {line}: the last line must end with a line break", what="toggles", source=source)
        state = _TOGGLES.get(_text(each[2]).lower())
        if state is not None:
            found[_text(each[1][:_LONGEST_NAME])] = state
        at = each.end()
    return found


def parse_enabled(data: bytes, *, source: str = "") -> frozenset[str]:
    """Read Ryujinx's ``enabled.txt``: its lines, each of which is the :func:`enabled_key` of a cheat.

    Raises:
        CorruptError: It is longer than any real one.
    """
    if len(data) > _MOST:
        raise CorruptError(f"has {len(data)} bytes, {_MOST} are the most", what="enabled cheats", source=source)
    lines = re.split("\r\n|\r|\n", data.removeprefix(_BOM).decode("utf-8", "surrogateescape"))
    return frozenset(line for line in lines if line)


def enabled_key(build_id: str, name: str) -> str:
    """Return the line by which ``enabled.txt`` names a cheat.

    Example:
        >>> enabled_key("0011223344556677", "Lives")
        '0011223344556677-<Lives Cheat>'
    """
    return f"{build_id.upper()}-<{name} Cheat>"
