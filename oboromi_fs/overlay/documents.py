r"""Documents: plain values as JSON, YAML and TOML, the same bytes on every machine, and back from files that nobody vouches for.

One value of a table or list stands on a line, so that a document in version control shows what changed. Texts are UTF-8. A name that is
not UTF-8 holds surrogate escapes, which only JSON can spell (``\udcXX``); in YAML and TOML a byte that is not UTF-8 becomes the four
characters ``\xXX`` and a backslash two, and reading undoes both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from oboromi_fs.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FORMS", "Form", "dumps", "form_of", "loads"]

Form: TypeAlias = Literal["json", "yaml", "toml"]
FORMS: tuple[Form, ...] = get_args(Form)

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(\\|x[89a-f][0-9a-f]|.|\Z)", re.DOTALL)
_SPECIAL = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]')
_WORD = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)\Z)[A-Za-z][A-Za-z0-9_]*\Z", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})\Z", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}
_LONG_KEY = 500
"""YAML finds the colon of a key only near its start; a longer key is marked."""
_DEEP = 64
"""Levels of a YAML document that is read; those here have a handful."""


def form_of(path: str) -> Form:
    """Return the form that a file's name asks for; JSON where it asks for none.

    Example:
        >>> form_of("mods.lock.toml"), form_of("a.yml"), form_of("mods.lock")
        ('toml', 'yaml', 'json')
    """
    ending = path.rpartition(".")[2].lower()
    return "yaml" if ending in ("yaml", "yml") else "toml" if ending == "toml" else "json"


def dumps(document: dict[str, Any], form: Form = "json") -> str:
    r"""Return a document as text that ends in a newline.

    Args:
        document: Tables, lists, texts, whole numbers and booleans. None is left out of tables in TOML, which has none. Tables keep their
            order, but for TOML's sake give those of the first level after everything else.
        form: What to write.

    Raises:
        UnsupportedError: It is nested too deeply.

    Example:
        >>> print(dumps({"version": 1, "files": {"a": {"size": 3}}}), end="")
        {
          "version": 1,
          "files": {
            "a": {"size": 3}
          }
        }
        >>> print(dumps({"version": 1, "files": {"caf\udce9": {"size": 3}}}, "toml"), end="")
        version = 1
        <BLANKLINE>
        [files]
        "caf\\xe9" = {size = 3}
    """
    write = {"json": _json, "yaml": _yaml, "toml": _toml}[form]
    try:
        return "".join(f"{line}\n" for line in write(document))
    except RecursionError:
        raise UnsupportedError("is nested too deeply to be written", what=form.upper()) from None


def _rows(value: Any) -> list[Any] | None:
    """What gets a line each; None for a value that stands in one."""
    if isinstance(value, dict):
        return list(value.items())
    return list(value) if isinstance(value, list | tuple) else None


# ---- JSON ----


def _json(document: dict[str, Any]) -> Iterator[str]:
    import json

    encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode
    yield "{"
    last = len(document) - 1
    for number, (key, value) in enumerate(document.items()):
        comma = "," if number < last else ""
        rows = _rows(value)
        if not rows:
            yield _spell(f"  {encode(key)}: {encode(value)}{comma}")
            continue
        table = isinstance(value, dict)
        yield _spell(f"  {encode(key)}: {'{' if table else '['}")
        final = len(rows) - 1
        for index, row in enumerate(rows):
            text = f"{encode(row[0])}: {encode(row[1])}" if table else encode(row)
            yield _spell(f"    {text}{',' if index < final else ''}")
        yield f"  {'}' if table else ']'}{comma}"
    yield "}"


def _spell(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


# ---- YAML and TOML ----


def _guarded(text: str) -> str:
    """A text without surrogates; see the module."""
    if "\\" not in text and text.isascii():
        return text
    return _SURROGATE.sub(_byte, text.replace("\\", "\\\\"))


def _byte(match: re.Match[str]) -> str:
    code = ord(match.group())
    if not 0xDC80 <= code <= 0xDCFF:
        raise UnsupportedError(f"holds the surrogate U+{code:04X}, which stands for no byte", what="text")
    return f"\\x{code - 0xDC00:02x}"


def _bare(text: str) -> str:
    """Undo :func:`_guarded`."""
    return text if "\\" not in text else _ESCAPED.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    found = match.group(1)
    if found == "\\":
        return "\\"
    if len(found) != 3:
        message = f"{match.group()!r}: a backslash is followed by another, or by x and two digits of a byte that is not UTF-8"
        raise ValueError(message)
    return chr(0xDC00 + int(found[1:], 16))


def _quoted(text: str) -> str:
    """A text in double quotes, which YAML and TOML spell alike."""
    return f'"{_SPECIAL.sub(_escape, _guarded(text))}"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return "\\" + char if char in '"\\' else f"\\u{ord(char):04x}"


def _key(text: str) -> str:
    return text if _WORD.match(text) else _quoted(text)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _yaml_flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml_key(key)}: {_yaml_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml_flow, value)) + "]"
    return _scalar(value)


def _yaml_key(text: str, indent: str = " ") -> str:
    key = _key(text)
    return key if len(key) < _LONG_KEY else f"? {key}{indent}"


def _yaml(document: dict[str, Any]) -> Iterator[str]:
    if not document:
        yield "{}"
    for key, value in document.items():
        rows = _rows(value)
        if not rows:
            yield f"{_yaml_key(key, chr(10))}: {_yaml_flow(value)}"
            continue
        yield f"{_yaml_key(key, chr(10))}:"
        for row in rows:
            yield f"  {_yaml_key(row[0], chr(10) + '  ')}: {_yaml_flow(row[1])}" if isinstance(value, dict) else f"  - {_yaml_flow(row)}"


def _toml_inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml_inline(item)}" for key, item in value.items() if item is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_inline, value)) + "]"
    if value is None:
        raise UnsupportedError("a list cannot hold nothing", what="TOML")
    return _scalar(value)


def _toml(document: dict[str, Any]) -> Iterator[str]:
    tables: list[tuple[str, dict[str, Any]]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            tables.append((key, value))
        elif isinstance(value, list | tuple) and value:
            yield f"{_key(key)} = ["
            for item in value:
                yield f"  {_toml_inline(item)},"
            yield "]"
        elif value is not None:
            yield f"{_key(key)} = {_toml_inline(value)}"
    for key, table in tables:
        yield ""
        yield f"[{_key(key)}]"
        for name, value in table.items():
            if value is not None:
                yield f"{_key(name)} = {_toml_inline(value)}"


# ---- reading ----


def loads(data: bytes | str, form: Form = "json", *, what: str = "document", source: str = "") -> dict[str, Any]:
    """Return the document that a text describes: tables, lists, texts, whole numbers, booleans and None.

    Args:
        data: The text, or its bytes.
        form: What it is written in.
        what: What it is called in errors.
        source: Name of the file it comes from, for errors.

    Raises:
        FormatError: It is not UTF-8, not of that form, has a key twice, or is no table.

    Example:
        >>> loads('{"a": {"b": 1, "b": 2}}')
        Traceback (most recent call last):
        oboromi_fs.errors.FormatError: document: is no JSON that can be read: the key 'b' stands twice
    """
    read: Callable[[str], Any] = {"json": _read_json, "yaml": _read_yaml, "toml": _read_toml}[form]
    try:
        found = read(data if isinstance(data, str) else data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError("is not UTF-8", what=what, source=source, offset=error.start) from None
    except (ValueError, RecursionError) as error:  # ValueError: the parsers' own, and numbers with too many digits.
        raise FormatError(f"is no {form.upper()} that can be read: {_one_line(error)}", what=what, source=source) from None
    if not isinstance(found, dict):
        raise FormatError("is no table", what=what, source=source)
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _twice(key: str) -> ValueError:
    return ValueError(f"the key {key!r} stands twice")


def _read_json(text: str) -> Any:
    import json

    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _twice(key)
            seen.add(key)
    return table


def _read_toml(text: str) -> Any:
    import tomllib

    return _all_bare(tomllib.loads(text))


def _all_bare(value: Any) -> Any:
    if isinstance(value, str):
        return _bare(value)
    if isinstance(value, dict):
        return {_bare(key): _all_bare(item) for key, item in value.items()}
    return [_all_bare(item) for item in value] if isinstance(value, list) else value


def _read_yaml(text: str) -> Any:
    """Read the YAML that is written here, and what people make of it: no anchors, no tags, not much depth.

    Event by event: to build nodes, libyaml's binding calls itself once a level, and a file of brackets ends the process.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder().build(iter(yaml.parse(text, Loader=loader)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


class _Builder:
    """Puts a value together from the events of a YAML parser."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, list[Any]]] = []  # Tables with the key that waits for its value; lists.
        self._found: list[Any] = []

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            self._take(type(event).__name__, event)
        if len(self._found) != 1:
            message = f"one document is needed, there are {len(self._found)}"
            raise ValueError(message)
        return self._found[0]

    def _take(self, kind: str, event: Any) -> None:
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            message = f"anchors and aliases are not read (line {event.start_mark.line + 1})"
            raise ValueError(message)
        if getattr(event, "tag", None) is not None:
            message = f"tags are not read (line {event.start_mark.line + 1})"
            raise ValueError(message)
        if kind == "ScalarEvent":
            self._put(_bare(event.value) if event.style or not event.implicit[0] else _plain(event.value))
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            if len(self._open) == _DEEP:
                message = f"is nested more than {_DEEP} levels deep"
                raise ValueError(message)
            self._open.append(({} if kind == "MappingStartEvent" else [], []))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._put(self._open.pop()[0])

    def _put(self, value: Any) -> None:
        if not self._open:
            self._found.append(value)
            return
        into, key = self._open[-1]
        if isinstance(into, list):
            into.append(value)
        elif key:
            into[key.pop()] = value
        else:
            if not isinstance(value, str):
                message = f"a key must be a text, not {value!r}"
                raise ValueError(message)  # noqa: TRY004  # What a file says is no matter of types.
            if value in into:
                raise _twice(value)
            key.append(value)


def _plain(text: str) -> Any:
    """A YAML scalar without quotes."""
    return int(text) if _NUMBER.match(text) else _WORDS[text] if text in _WORDS else _bare(text)
