"""Parsers: JSON, TOML and INI as trees.

What counts, and what does not:

- **JSON**: white space, the order of keys and the spelling of strings and numbers do not; ``1`` and ``1.0`` are one value. The order of
  lists counts, and so does a key that stands twice: readers differ about which one they take. ``NaN`` and ``Infinity`` are read, and equal
  themselves. Comments are not JSON.
- **TOML**: comments, white space, the order of keys and the spelling of values do not count. ``1`` and ``1.0`` differ: the types do. Dates
  are compared as written, not as moments.
- **INI**: comments (lines that begin with ``;`` or ``#``), empty lines, blanks around names, ``=`` and values, and the order of sections
  and of different keys do not count. Blanks, quotes and ``;`` inside a value do, and so do keys and sections that stand twice, in their
  order. Where only the case of names differs, nobody knows. A line that is none of ``[section]``, ``name=value`` and a comment
  makes it another format.
"""

from __future__ import annotations

import re
from typing import Any

from oboromi_fs.errors import NotThisFormatError
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.semantic.structured import StructuredText
from oboromi_fs.overlay.semantic.trees import Float, Literal, Path, Repeated, Tree, number_of, printable, table_of
from oboromi_fs.overlay.semantic.values import Format

__all__ = ["INI", "JSON", "TOML", "parse_ini", "parse_json", "parse_toml"]


def parse_json(text: str) -> Tree:
    """Return the tree of a JSON text.

    Raises:
        NotThisFormatError: It is no JSON, or nests too deeply to be read.
    """
    import json

    try:
        return json.loads(text, object_pairs_hook=table_of, parse_float=number_of, parse_constant=Literal)
    except RecursionError:
        raise NotThisFormatError("it nests too deeply") from None
    except NotThisFormatError:
        raise
    except ValueError as failure:  # JSONDecodeError, and numbers with too many digits.
        raise NotThisFormatError(str(failure)) from failure


MOST_KEY_PARTS = 20
_PART = r"(?:[A-Za-z0-9_-]++|\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')"
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_\-\\]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MOST_KEY_PARTS}}}")
"""A dotted key of very many parts: what tomllib does with one grows with their square. Text in a string may look like it; nobody's does."""


def parse_toml(text: str) -> Tree:
    """Return the tree of a TOML text.

    Raises:
        NotThisFormatError: It is no TOML, nests too deeply, or has keys of very many parts.
    """
    import tomllib

    if _LONG_KEY.search(text):
        raise NotThisFormatError(f"it has a key of more than {MOST_KEY_PARTS} parts")
    try:
        return _toml_tree(tomllib.loads(text, parse_float=_toml_float))
    except RecursionError:
        raise NotThisFormatError("it nests too deeply") from None
    except NotThisFormatError:
        raise
    except ValueError as failure:
        raise NotThisFormatError(str(failure)) from failure


def _toml_float(text: str) -> Literal | Float:
    plain = text.replace("_", "").removeprefix("+")
    if plain.endswith(("inf", "nan")):
        return Literal(plain)
    return Float(number_of(plain))


def _toml_tree(value: Any) -> Tree:
    """Dates become literals, in place."""
    todo = [value]
    while todo:
        table = todo.pop()
        for key, item in table.items() if isinstance(table, dict) else enumerate(table):
            if isinstance(item, dict | list):
                todo.append(item)
            elif not isinstance(item, str | int):
                table[key] = Literal(item.isoformat())
    return value


_LINES = re.compile("\r\n?|\n")
_BLANKS = " \t\v\f"
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def parse_ini(text: str) -> Tree:
    """Return the tree of an INI text: section -> name -> value; names before the first section stand in section ``""``.

    Raises:
        NotThisFormatError: A line is none of an INI file.
    """
    if _CONTROLS.search(text):
        raise NotThisFormatError("it has control characters")
    sections: list[tuple[str, list[tuple[str, Literal]]]] = [("", [])]
    for number, raw in enumerate(_LINES.split(text), 1):
        line = raw.strip(_BLANKS)
        if not line or line[0] in ";#":
            continue
        if line[0] == "[":
            name, end, rest = line[1:].partition("]")
            rest = rest.lstrip(_BLANKS)
            if not end or (rest and rest[0] not in ";#"):
                raise NotThisFormatError(f"line {number} begins a section that does not end")
            sections.append((name, []))
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise NotThisFormatError(f"line {number} is neither a section nor a name with a value")
        sections[-1][1].append((name.rstrip(_BLANKS), Literal(value.lstrip(_BLANKS))))
    if not sections[0][1]:
        del sections[0]
    return table_of([(name, table_of(pairs)) for name, pairs in sections])


def _ini_path(path: Path) -> str:
    section, *names = path
    head = "" if section == "" else f"[{section.name}]#{section.number}" if isinstance(section, Repeated) else f"[{section}]"
    tail = [f"{name.name}#{name.number}" if isinstance(name, Repeated) else str(name) for name in names]
    return printable(" ".join(filter(None, (head, *tail)))) or "$"


def _lower(key: str | Repeated) -> str | Repeated:
    return fold_case(key) if isinstance(key, str) else Repeated(fold_case(key.name), key.number)


def _fold_names(tree: Tree) -> Tree | None:
    """An INI tree whose names are in lower case; None where that makes one name of two."""
    folded = {_lower(section): {_lower(name): value for name, value in names.items()} for section, names in tree.items()}
    sizes = sum(map(len, tree.values())), sum(map(len, folded.values()))
    return folded if len(folded) == len(tree) and sizes[0] == sizes[1] else None


JSON = StructuredText(Format.JSON, (".json",), 1 << 23, parse_json)
TOML = StructuredText(Format.TOML, (".toml",), 1 << 21, parse_toml)
INI = StructuredText(Format.INI, (".ini", ".cfg", ".conf", ".inf"), 1 << 21, parse_ini, _ini_path, _fold_names, strict=False)
