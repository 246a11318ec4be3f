"""How reports are written: for people as tables, for programs as JSON, YAML or TOML documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import printable
from oboromi_fs.cli.drawing import columns

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session

__all__ = ["document", "format_arguments", "table", "wants_document"]


def format_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the formats besides ``--json``, which all verbs have."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yaml", action="store_true", help="the report as YAML")
    group.add_argument("--toml", action="store_true", help="the report as TOML; a list is called entries")


def wants_document(session: Session, options: argparse.Namespace) -> bool:
    """Whether a program is to read the report."""
    return session.json or options.yaml or options.toml


def document(session: Session, options: argparse.Namespace, value: Any) -> None:
    """Write a report as a document in the format that was asked for; JSON where several were.

    Args:
        session: The run of the command.
        options: What was asked for.
        value: Dictionaries, lists, texts, numbers, booleans and None. TOML has no None: there such fields are left out.
    """
    if session.json:
        session.console.json(value)
    elif options.yaml:
        import yaml

        session.console.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000))
    else:
        import tomli_w

        session.console.write(tomli_w.dumps(_for_toml(value if isinstance(value, dict) else {"entries": value})))


def _for_toml(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(key): _for_toml(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_for_toml(item) for item in value if item is not None]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    r"""Text as TOML can hold it: a byte that is not UTF-8 becomes ``\xNN``, as it does where people read it."""
    return text if text.isascii() else "".join(printable(char) if "\ud800" <= char <= "\udfff" else char for char in text)


def table(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Write rows with headings: lines drawn where a terminal shows them, plain columns elsewhere.

    Args:
        console: Where to.
        headings: Of the columns.
        rows: Their cells. What is in them is shown, not obeyed.
        right: Columns of numbers.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    if not console.on_terminal:
        console.lines(columns([list(headings), *cells], right=right))
        return
    import io
    import shutil

    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        drawn.add_column(heading, justify="right" if number in right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*map(Text, row))
    text = io.StringIO()
    width = shutil.get_terminal_size((120, 24)).columns
    RichConsole(file=text, width=width, force_terminal=console.color, no_color=not console.color, highlight=False).print(drawn)
    console.write(text.getvalue())
