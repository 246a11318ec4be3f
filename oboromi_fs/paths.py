"""Virtual path rules: one canonical spelling, safe names for a host, globs.

Inside a file system a path is ``/``-separated, case-sensitive and made of bytes; in Python it is a ``str`` in which bytes that are
not UTF-8 are kept by surrogate escapes (PEP 383). The canonical spelling has no leading, trailing or doubled ``/`` and no ``.`` or
``..``; the root is ``""``.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from oboromi_fs.errors import UnsafePathError

if TYPE_CHECKING:
    from oboromi_fs.protocols import PathType

__all__ = ["Glob", "addressable", "decode_name", "encode_name", "join", "normalise", "sort_key", "split", "unsafe_name"]

MAX_COMPONENT = 4096
"""No format here holds a longer name; a longer one is somebody's mistake or attack."""

_PLAIN = re.compile(r"(?!\.{0,2}(?:/|$))[^/\0]+(?:/(?!\.{0,2}(?:/|$))[^/\0]+)*\Z")
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?:\.|\Z)")
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def decode_name(raw: bytes) -> str:
    """Return a name's bytes as text; what is not UTF-8 becomes surrogate escapes.

    Example:
        >>> decode_name(b"caf\\xe9")
        'caf\\udce9'
    """
    return raw.decode("utf-8", "surrogateescape")


def encode_name(name: str) -> bytes:
    """Return the bytes of a name, undoing :func:`decode_name`.

    Raises:
        UnsafePathError: The text has a surrogate that stands for no byte.
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnsafePathError(name, "holds a surrogate that stands for no byte") from None


def normalise(path: PathType) -> str:
    """Return the canonical spelling of a virtual path.

    ``.`` and ``..`` are resolved lexically and never climb above the root.

    Args:
        path: Text, bytes or a path object; ``/`` separates, a leading one is optional.

    Raises:
        UnsafePathError: The path holds a NUL, or a surrogate that stands for no byte.

    Example:
        >>> normalise("/a//./b/../c.bin")
        'a/c.bin'
    """
    text = path if type(path) is str else _text(path)
    if not text.isascii():  # The same bytes must be the same text, however they were spelled: "é" is also "\udcc3\udca9".
        text = decode_name(encode_name(text))
    if _PLAIN.match(text):
        return text
    if "\0" in text:
        raise UnsafePathError(text, "holds a NUL")
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _text(path: PathType) -> str:
    raw = os.fspath(path)
    return decode_name(raw) if isinstance(raw, bytes) else str(raw)


def addressable(name: str) -> bool:
    """Whether a path can spell a name: archives may hold names that none can, which are listed and no more.

    Example:
        >>> [addressable(name) for name in ("a.bin", "..", "a/b", "")]
        [True, False, False, False]
    """
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def split(path: str) -> tuple[str, str]:
    """Return the parent and the last component of a canonical path.

    Example:
        >>> split("a/b/c"), split("c")
        (('a/b', 'c'), ('', 'c'))
    """
    parent, _, name = path.rpartition("/")
    return parent, name


def join(parent: str, name: str) -> str:
    """Return ``name`` below ``parent``, both canonical."""
    return f"{parent}/{name}" if parent else name


def sort_key(path: str) -> bytes:
    """Key of path order everywhere in this project: the bytes of the whole path.

    Example:
        >>> sorted(["a/b", "a.txt", "a-/x"], key=sort_key)
        ['a-/x', 'a.txt', 'a/b']
    """
    return path.encode("utf-8", "surrogatepass") if _has_odd_surrogate(path) else path.encode("utf-8", "surrogateescape")


def _has_odd_surrogate(path: str) -> bool:
    return not path.isascii() and any("\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" for c in path)


def unsafe_name(name: str, *, windows: bool = os.name == "nt") -> str:
    """Say why one name cannot be given to a file on a host disk; ``""`` where it can.

    Args:
        name: One component, as it stands in the archive.
        windows: Judge by the rules of Windows hosts as well: separators, drive letters, device names, trailing dots.

    Example:
        >>> unsafe_name("..")
        'is a path, not a name'
        >>> unsafe_name("nul.txt", windows=True)
        'is the name of a device'
    """
    if name in ("", ".", ".."):
        return "is a path, not a name" if name else "is empty"
    if "/" in name:
        return "holds a path separator"
    if "\0" in name:
        return "holds a NUL"
    if len(name) > MAX_COMPONENT:
        return f"is {len(name)} characters long"
    if windows:
        if found := _WINDOWS_FORBIDDEN.search(name):
            return f"holds {found.group()!r}"
        if _RESERVED.match(name):
            return "is the name of a device"
        if name[-1] in " .":
            return "ends in a dot or a space"
    return ""


class Glob:
    """A pattern over whole canonical paths: ``*`` and ``?`` stay in a component, ``**`` crosses directories.

    ``[`` and ``{`` are literal. A pattern without ``/`` also matches the last component alone, as in ``find -name``.

    Args:
        pattern: The glob.
        ignore_case: Fold ASCII case, as mods' keys are compared.

    Example:
        >>> Glob("**/*.bin").matches("data/a.bin"), Glob("*.bin").matches("data/a.bin"), Glob("data/*").matches("data/x/y")
        (True, True, False)
    """

    __slots__ = ("_anchored", "_regex", "pattern")

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        self.pattern = pattern
        text = pattern.lstrip("/")
        self._anchored = "/" in pattern.rstrip("/") or text.startswith("**")
        self._regex = _compile(text.rstrip("/"), ignore_case)

    def matches(self, path: str) -> bool:
        """Whether the canonical ``path`` matches."""
        if self._regex.fullmatch(path):
            return True
        return not self._anchored and bool(self._regex.fullmatch(path[path.rfind("/") + 1 :]))


_PRONE = 2
"""Wildcards that backtracking copes with; with more of them, a hostile name could cost more time than there is."""


@lru_cache(maxsize=256)
def _compile(pattern: str, ignore_case: bool) -> re.Pattern[str] | _Automaton:
    tokens = _tokens(pattern)
    if sum(token in ("*", "**", "**/") for token in tokens) > _PRONE:
        return _Automaton(tokens, ignore_case=ignore_case)
    wild = {"*": "[^/]*", "**": ".*", "**/": "(?:[^/]+/)*", "?": "[^/]"}
    flags = re.DOTALL | re.ASCII | (re.IGNORECASE if ignore_case else 0)
    return re.compile("".join(wild.get(token) or re.escape(token[-1]) for token in tokens), flags)


def _tokens(pattern: str) -> list[str]:
    """A glob as wildcards (``*``, ``**``, ``**/``, ``?``) and characters; a run of one wildcard is that wildcard."""
    tokens: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position) and (position == 0 or pattern[position - 1] == "/"):
            token, position = "**/", position + 3
        elif pattern[position] == "*":
            start = position
            while position < len(pattern) and pattern[position] == "*":
                position += 1
            token = "**" if position - start > 1 else "*"
        else:
            token, position = pattern[position], position + 1
        if not (token in ("**", "**/") and tokens and tokens[-1] == token):
            tokens.append(token)
    return tokens


class _Automaton:
    """A glob with many wildcards: all ways to match it are followed at once, as bits of a number, so that none is tried again."""

    __slots__ = ("_accept", "_any", "_dirs", "_fold", "_literal", "_separator", "_skip", "_star")

    def __init__(self, tokens: list[str], *, ignore_case: bool) -> None:
        self._fold = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz") if ignore_case else None
        self._literal: dict[str, int] = {}
        self._star = self._any = self._separator = self._dirs = self._skip = 0
        bit = 1
        for token in tokens:
            if token == "*":  # Stays on anything but a separator; may be left without any.
                self._star |= bit
                self._skip |= bit
            elif token == "**":
                self._star |= bit
                self._separator |= bit
                self._skip |= bit
            elif token == "**/":  # Two states: between names, where it may be left, and inside one.
                self._dirs |= bit
                self._star |= bit << 1
                bit <<= 1
            elif token == "?":
                self._any |= bit
            else:
                char = token.translate(self._fold) if self._fold else token
                self._literal[char] = self._literal.get(char, 0) | bit
            bit <<= 1
        self._accept = bit

    def _closed(self, states: int) -> int:
        """States with those that are reached without a character."""
        while True:
            more = states | (states & self._skip) << 1 | (states & self._dirs) << 2
            if more == states:
                return states
            states = more

    def fullmatch(self, path: str) -> bool:
        """Whether the whole path matches."""
        states = self._closed(1)
        for char in path.translate(self._fold) if self._fold else path:
            after = (states & self._literal.get(char, 0)) << 1
            if char == "/":
                after |= states & self._separator | (states >> 1) & self._dirs
            else:
                after |= states & self._star | (states & (self._any | self._dirs)) << 1
            states = self._closed(after)
            if not states:
                return False
        return bool(states & self._accept)
