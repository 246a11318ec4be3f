"""Write docs/formats.md from the declarations in ``oboromi_formats``.

Offsets, sizes and types come from the layouts themselves, notes from the comment beside each field, meanings of numbers from the enums.
``--check`` writes nothing, and exits with 1 where the page is not what it would write.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from construct import Adapter, Array, Bytes, FormatField, Renamed, Struct

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "formats"))

import oboromi_formats  # noqa: E402  # The checkout's own, whatever else is installed.
from oboromi_formats.layout import Layout, Table  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PAGE = ROOT / "docs" / "formats.md"
HEAD = """\
# Formats

<!-- Written by tools/gen_format_docs.py from the declarations in formats/oboromi_formats; change those instead. -->

What the package `oboromi_formats` declares, one section for each of its modules. `u` and `s` are unsigned and signed integers of so many
bits, little-endian unless marked BE. Offsets count from the start of the structure, those with a `+` from the start of the record they
stand in. A table is a run of equal rows.
"""
INTEGERS = {"B": "u8", "b": "s8", "H": "u16", "h": "s16", "L": "u32", "I": "u32", "l": "s32", "i": "s32", "Q": "u64", "q": "s64"}
NOTE = re.compile(r'^\s*\(?"(\w+)".*#\s*\+?0x[0-9A-Fa-f]+(?::\s*(.*))?$')


class Row(NamedTuple):
    """One field: ``depth`` 0 is the structure itself, 1 a record in it; ``offset`` counts from the start of whichever it is."""

    depth: int
    offset: int
    size: int
    name: str
    type: str


def bare(construct: Any) -> Any:
    """Return what a field is, without its name and without what its value is turned into."""
    while isinstance(construct, Renamed | Adapter):
        construct = construct.subcon
    return construct


def type_of(construct: Any) -> str:
    """Return how the page calls a construct."""
    inner = bare(construct)
    if isinstance(inner, FormatField):
        return INTEGERS[inner.fmtstr[-1]] + (" BE" if inner.fmtstr[0] == ">" and inner.length > 1 else "")
    if isinstance(inner, Array):
        return f"{type_of(inner.subcon)} × {inner.count}"
    if isinstance(inner, Struct):
        return "record"
    if isinstance(inner, Bytes):
        return "bytes"
    return type(inner).__name__


def rows_of_struct(struct: Any, depth: int = 0) -> Iterator[Row]:
    """Yield the fields of a Struct, each followed by those of the record it is."""
    offset = 0
    for each in struct.subcons:
        size = each.sizeof()
        yield Row(depth, offset, size, each.name or "", type_of(each))
        inner = bare(each)
        while isinstance(inner, Array):
            inner = bare(inner.subcon)
        if isinstance(inner, Struct):
            yield from rows_of_struct(inner, depth + 1)
        offset += size


def rows_of_table(table: Table) -> Iterator[Row]:
    """Yield the fields of one row of a table."""
    offset = 0
    for name, kind in table.fields:
        size = int(kind[1:]) if kind[0] == "V" else int(kind[-1])
        shown = "bytes" if kind[0] == "V" else f"{'s' if 'i' in kind else 'u'}{8 * size}"
        yield Row(0, offset, size, name, shown)
        offset += size


def notes_of(module: ModuleType) -> dict[str, list[tuple[str, str]]]:
    """Return variable -> (field, the words behind its offset) for every assignment of a module."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    found: dict[str, list[tuple[str, str]]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.end_lineno:
            matches = map(NOTE.match, lines[node.lineno - 1 : node.end_lineno])
            found[node.targets[0].id] = [(m[1], m[2] or "") for m in matches if m]
    return found


def cell(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("``", "`")


def table_of(rows: list[Row], notes: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a structure's table."""
    if [name for name, _ in notes] != [row.name for row in rows]:
        notes = [("", "")] * len(rows)
    yield "| offset | size | field | type | |"
    yield "|---|---|---|---|---|"
    for row, (_, note) in zip(rows, notes, strict=True):
        offset = f"+{row.offset:#x}" if row.depth else f"{row.offset:#x}"
        yield f"| {'&emsp;' * row.depth}{offset} | {row.size:#x} | `{row.name}` | {row.type} | {cell(note)} |"


def enum_of(kind: type[enum.Enum]) -> Iterator[str]:
    """Yield the lines that say what the numbers of an enum mean."""
    shown = "#x" if issubclass(kind, enum.Flag) else ""
    yield f"### {kind.__name__}"
    yield ""
    yield cell((kind.__doc__ or "").strip())
    yield ""
    yield "| value | name |"
    yield "|---|---|"
    for name, member in kind.__members__.items():
        yield f"| {member.value:{shown}} | `{name}` |"
    yield ""


def section_of(module: ModuleType) -> Iterator[str]:
    """Yield the lines of one module's section."""
    title, _, rest = (inspect.getdoc(module) or "").partition("\n")
    yield f"## {module.__name__.rpartition('.')[2]}"
    yield ""
    yield cell(re.sub(r":\w+:`~?([^`]+)`", r"`\1`", f"{title}\n{rest}".strip()))
    yield ""
    notes = notes_of(module)
    names = {id(value): name for name, value in vars(module).items()}
    for each in module.LAYOUTS:
        name = names[id(each)]
        if isinstance(each, Layout):
            rows, size = list(rows_of_struct(each.struct)), f"{each.size:#x} bytes"
        else:
            rows, size = list(rows_of_table(each)), f"{each.row_size:#x} bytes a row"
        yield f"### {each.name}"
        yield ""
        yield f"{cell(each.doc)} `{name}`, {size}."
        yield ""
        yield from table_of(rows, notes.get(name, []))
        yield ""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, enum.Enum) and value.__module__ == module.__name__:
            yield from enum_of(value)


def page() -> str:
    """Return the whole page."""
    modules = [importlib.import_module(f"oboromi_formats.{each.name}") for each in pkgutil.iter_modules(oboromi_formats.__path__)]
    declaring = [module for module in modules if hasattr(module, "LAYOUTS")]
    lines = [line for module in declaring for line in section_of(module)]
    return HEAD + "\n" + "\n".join(lines).rstrip("\n") + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return the exit code."""
    text = page()
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print(f"docs/{PAGE.name} is out of date: run python tools/{Path(__file__).name}", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
