"""Trees: what a structured file says, as dicts, lists and scalars; and where two of them differ.

Scalars are None, bool, int and str, and three kinds of text: :class:`Number` and :class:`Float` are numbers as they are spelled, compared
by value without ever being computed (``1e999999`` is seven characters); :class:`Literal` is anything else that is no string, such as a
date.
Nothing here recurses, so depth is bounded by memory alone.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from oboromi_fs.errors import NotThisFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ABSENT",
    "Difference",
    "Float",
    "Literal",
    "Number",
    "Path",
    "Repeated",
    "Tree",
    "differences",
    "number_of",
    "path_text",
    "printable",
    "shown",
    "table_of",
]

Tree: TypeAlias = Any
"""A dict of str or :class:`Repeated`, a list, or a scalar."""

MOST_DIGITS = 4300
"""Characters of a number; Python's own limit for whole ones."""
MOST_SHOWN = 80
"""Characters of a value that a change quotes."""

_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_BARE = re.compile(r"[\w-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Repeated(NamedTuple):
    """A key that stood before in its table: readers differ about which one counts, so the second is a key of its own."""

    name: str
    number: int


class Literal(str):
    """A value that is no string, as text: a date, ``NaN``, what stands behind ``=`` in an INI file."""

    __slots__ = ()


class Number(str):
    """A number as it is spelled; equal to any number, whole ones included, of the same value. ``-0`` is ``0``."""

    __slots__ = ()


class Float(Number):
    """A number of a format that tells floats from integers: equal to another of its kind only."""

    __slots__ = ()


Path: TypeAlias = "tuple[str | int | Repeated, ...]"
"""Keys of tables and indexes of lists, from the top."""


Link: TypeAlias = "tuple[Link, str | int | Repeated] | None"
"""A path from its end: the last key, and the link to what is before."""


class Difference(NamedTuple):
    """Where two trees differ. ``old`` and ``new`` are subtrees, or :data:`ABSENT`."""

    link: Link
    old: Tree
    new: Tree

    @property
    def path(self) -> Path:
        """The keys from the top; made when it is asked for, as there may be millions of differences far down."""
        keys: list[str | int | Repeated] = []
        link = self.link
        while link is not None:
            link, key = link
            keys.append(key)
        return tuple(reversed(keys))


class _Absent:
    __slots__ = ()


ABSENT = _Absent()


def number_of(text: str) -> Number:
    """Return a number of its spelling.

    Raises:
        NotThisFormatError: It is longer than anyone's numbers.
    """
    if len(text) > MOST_DIGITS:
        raise NotThisFormatError(f"a number of {len(text)} characters, at most {MOST_DIGITS} are read")
    return Number(text)


def table_of(pairs: Iterable[tuple[str, Tree]]) -> dict[str | Repeated, Tree]:
    """Return a table of keys and values in order; a key that stands twice is kept twice."""
    pairs = list(pairs)
    table: dict[str | Repeated, Tree] = dict(pairs)
    if len(table) == len(pairs):
        return table
    table, counts = {}, dict.fromkeys(table, 0)
    for name, value in pairs:
        counts[name] += 1
        table[name if counts[name] == 1 else Repeated(name, counts[name])] = value
    return table


def _value(text: str) -> tuple[str, str, int]:
    """Sign, digits without zeros at the ends, and the power of ten of the last one."""
    match = _NUMBER.fullmatch(text.replace("_", ""))
    if match is None:  # A spelling of a format that registers its own.
        return "", text, 0
    sign, whole, fraction, exponent = match.group(1), match.group(2), match.group(3) or "", match.group(4) or "0"
    digits = (whole + fraction).lstrip("0")
    power = int(exponent) - len(fraction)
    kept = digits.rstrip("0")
    return ("-" if sign == "-" and kept else "", kept, power + len(digits) - len(kept)) if kept else ("", "", 0)


def _same(old: Tree, new: Tree) -> bool:
    if isinstance(old, Number) or isinstance(new, Number):
        kinds = {type(old), type(new)}
        if kinds == {int, Number} or (len(kinds) == 1 and kinds <= {Number, Float}):
            return _value(str(old)) == _value(str(new))
        return False
    return type(old) is type(new) and bool(old == new)


def _order(key: str | Repeated) -> tuple[str, int]:
    return (key, 1) if isinstance(key, str) else key


Step: TypeAlias = "tuple[str | int | Repeated, Tree, Tree]"


def _steps(old: Tree, new: Tree) -> Iterator[Step] | None:
    """What both have below; None where either is a scalar or they are of two kinds."""
    if isinstance(old, dict) and isinstance(new, dict):
        return ((key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in sorted(old.keys() | new.keys(), key=_order))
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip_longest(old, new, fillvalue=ABSENT)
        return ((at, before, after) for at, (before, after) in enumerate(pairs))
    return None


def differences(old: Tree, new: Tree) -> Iterator[Difference]:
    """Yield where two trees differ, keys of tables in order of their names, the topmost difference of each branch.

    The order of keys does not count, that of lists does.

    Example:
        >>> [(path_text(each.path), each.old, each.new) for each in differences({"a": [1, 2], "b": 1}, {"b": Number("1.0"), "a": [1, 3]})]
        [('a[1]', 2, 3)]
    """
    top = _steps(old, new)
    if top is None:
        if not _same(old, new):
            yield Difference(None, old, new)
        return
    stack: list[tuple[Link, Iterator[Step]]] = [(None, top)]
    while stack:
        link, steps = stack[-1]
        for key, before, after in steps:
            below = _steps(before, after)
            if below is not None:
                stack.append(((link, key), below))
                break
            if not _same(before, after):
                yield Difference((link, key), before, after)
        else:
            stack.pop()


def path_text(path: Path) -> str:
    """Return keys as people write them; ``$`` is the whole.

    Example:
        >>> path_text(("video", "modes", 0, "re fresh", Repeated("rate", 2)))
        'video.modes[0]."re fresh".rate#2'
    """
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
            continue
        name = key if isinstance(key, str) else key.name
        text += "." * bool(text) + (name if _BARE.fullmatch(name) else _quoted(name))
        if isinstance(key, Repeated):
            text += f"#{key.number}"
    return _cut(text, 4 * MOST_SHOWN) or "$"


def _quoted(text: str) -> str:
    import json

    return printable(json.dumps(text, ensure_ascii=False))


def printable(text: str) -> str:
    """Return text that UTF-8 can say: halves of surrogate pairs become escapes."""
    return _SURROGATE.sub(
        lambda half: f"\\x{ord(half[0]) - 0xDC00:02x}" if 0xDC80 <= ord(half[0]) <= 0xDCFF else f"\\u{ord(half[0]):04x}", text
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(tree: Tree) -> str | None:
    """Return what a change quotes of a subtree: scalars as JSON spells them, of a table or list its size. None is for :data:`ABSENT`."""
    if isinstance(tree, _Absent):
        return None
    if isinstance(tree, dict):
        return f"{{{len(tree)} key{'s' * (len(tree) != 1)}}}"
    if isinstance(tree, list):
        return f"[{len(tree)} item{'s' * (len(tree) != 1)}]"
    if isinstance(tree, Literal | Number):
        return _cut(printable(str(tree[: MOST_SHOWN + 1])), MOST_SHOWN)
    if isinstance(tree, str):
        return _cut(_quoted(tree[: MOST_SHOWN + 1]), MOST_SHOWN)
    if tree is None:
        return "null"
    if isinstance(tree, bool):
        return str(tree).lower()
    return _cut(f"{tree:#x}" if tree.bit_length() > MOST_SHOWN * 4 else str(tree), MOST_SHOWN)  # Decimal digits of a large number cost.
