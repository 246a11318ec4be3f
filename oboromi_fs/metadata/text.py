"""Texts: metadata as TOML and JSON, both ways.

Both say the same. ``format`` names what a text describes; keys are those of the ``to_dict`` of :class:`~oboromi_fs.metadata.nacp.Nacp`,
:class:`~oboromi_fs.metadata.npdm.Npdm`, :class:`~oboromi_fs.metadata.cnmt.Cnmt`, :class:`~oboromi_fs.metadata.ticket.TicketFile` and
:class:`~oboromi_fs.metadata.certificates.CertificateChain`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, overload

from oboromi_fs.errors import FormatError
from oboromi_fs.metadata.certificates import CertificateChain
from oboromi_fs.metadata.cnmt import Cnmt
from oboromi_fs.metadata.nacp import Nacp
from oboromi_fs.metadata.npdm import Npdm
from oboromi_fs.metadata.ticket import TicketFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from oboromi_fs.metadata.keypath import Plain

__all__ = ["FORMATS", "Metadata", "dumps_json", "dumps_toml", "from_dict", "loads_json", "loads_toml"]


class Metadata(Protocol):
    """What the classes of this package have in common."""

    format: ClassVar[str]

    def to_bytes(self) -> bytes:
        """Return the file."""

    def to_dict(self) -> dict[str, Plain]:
        """Return everything as plain values."""

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str = "") -> Self:
        """Return what a table of plain values describes."""


M = TypeVar("M", bound=Metadata)

FORMATS: dict[str, type[Metadata]] = {cls.format: cls for cls in (Nacp, Npdm, Cnmt, TicketFile, CertificateChain)}
"""What ``format`` may be -> its class."""
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What the writers of TOML and JSON leave as it is, and a terminal obeys: the second set of control characters, what turns text round."""


def dumps_toml(value: Metadata) -> str:
    """Return metadata as TOML.

    Example:
        >>> print(dumps_toml(TicketFile.from_dict({"rights_id": "01" * 16, "title_key": "ab" * 16})))
        format = "ticket"
        signature_type = "RSA-2048 SHA-256"
        issuer = "Root-CA00000003-XS00000020"
        rights_id = "01010101010101010101010101010101"
        title_key = "abababababababababababababababab"
        ...
    """
    import tomli_w

    return _escaped(tomli_w.dumps(value.to_dict()))


def dumps_json(value: Metadata, *, indent: int | None = 2) -> str:
    """Return metadata as JSON, in lines unless ``indent`` is None."""
    import json

    return _escaped(json.dumps(value.to_dict(), indent=indent, ensure_ascii=False)) + "\n"


def _escaped(document: str) -> str:
    r"""A document with ``\uXXXX`` for what a terminal would obey: in a text of either notation, and only there is any, that is the same."""
    return document if document.isascii() and "\x7f" not in document else _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


@overload
def loads_toml(text: str, cls: type[M], *, source: str = "") -> M: ...
@overload
def loads_toml(text: str, cls: None = None, *, source: str = "") -> Metadata: ...
def loads_toml(text: str, cls: type[Metadata] | None = None, *, source: str = "") -> Metadata:
    """Return the metadata that a TOML text describes.

    Args:
        text: The text.
        cls: What it describes; by default, the text has to say so.
        source: Name of the file it came from, for error messages.

    Raises:
        FormatError: It is no TOML, or a value in it does not fit; the error names the key.

    Example:
        >>> loads_toml('format = "NACP"\\nname = "My Game"').title().name
        'My Game'
        >>> loads_toml('[titles.AmericanEnglish]\\nname = 5', Nacp)
        Traceback (most recent call last):
        oboromi_fs.errors.FormatError: [titles.AmericanEnglish] name: 5 is not a text
    """
    import tomllib

    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as failure:  # ValueError: TOMLDecodeError, and numbers with too many digits.
        raise FormatError(f"it cannot be read: {failure}", what="TOML", source=source) from failure
    return from_dict(table, cls, source=source)


@overload
def loads_json(text: str, cls: type[M], *, source: str = "") -> M: ...
@overload
def loads_json(text: str, cls: None = None, *, source: str = "") -> Metadata: ...
def loads_json(text: str, cls: type[Metadata] | None = None, *, source: str = "") -> Metadata:
    """Return the metadata that a JSON text describes; see :func:`loads_toml`.

    Raises:
        FormatError: It is no JSON, a key stands twice, or a value in it does not fit; the error names the key.
    """
    import json

    try:
        table = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as failure:
        raise FormatError(f"it cannot be read: {failure}", what="JSON", source=source) from failure
    return from_dict(table, cls, source=source)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        message = f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice"
        raise ValueError(message)
    return table


def from_dict(table: Any, cls: type[Metadata] | None = None, *, source: str = "") -> Metadata:
    """Return the metadata that a table of plain values describes.

    Args:
        table: The values.
        cls: What they describe; by default, ``format`` in the table says so.
        source: Name of the file they came from, for error messages.

    Raises:
        FormatError: The format is unknown, or a value does not fit; the error names the key.
    """
    if cls is None:
        name = table.get("format") if isinstance(table, dict) else None
        cls = FORMATS.get(name) if isinstance(name, str) else None
        if cls is None:
            raise FormatError(f"{name!r} is not one of {', '.join(FORMATS)}", what="format", source=source)
    return cls.from_dict(table, source=source)
