"""Forms: dataclasses whose fields say how they are written.

A field made with :func:`part` has a :class:`~oboromi_fs.metadata.kinds.Kind`. Such fields are filled from a layout's value, give one, and
become a table of plain values and back. Other fields of the class are its own business.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from oboromi_fs._decode import decode_bytes, encode
from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import CorruptError, FormatError
from oboromi_fs.metadata.residue import Residue, apply_residue, residue_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from oboromi_formats.layout import Layout
    from oboromi_fs.metadata.keypath import KeyPath, Plain
    from oboromi_fs.metadata.kinds import Kind
    from oboromi_fs.protocols import Storage

__all__ = ["fields_from_layout", "from_table", "kinds_of", "layout_bytes", "part", "source_of", "to_table"]

T = TypeVar("T")


def part(kind: Kind, default: Any = dataclasses.MISSING, *, hide: bool = False, show: bool | None = None) -> Any:
    """Return a dataclass field of a kind.

    Args:
        kind: How it is written.
        default: Its value where it is not given; without one it must be.
        hide: Leave it out of a text where it has its default.
        show: Whether ``repr`` shows it; by default, if it is not hidden.
    """
    return dataclasses.field(default=default, repr=not hide if show is None else show, metadata={"kind": kind, "hide": hide})


_KINDS: dict[Any, Mapping[str, Kind]] = {}


def kinds_of(cls: type[Any]) -> Mapping[str, Kind]:
    """Return name -> kind of the fields that have one."""
    found = _KINDS.get(cls)
    if found is None:
        found = _KINDS[cls] = {each.name: each.metadata["kind"] for each in dataclasses.fields(cls) if "kind" in each.metadata}
    return found


def _common(cls: type[Any], raw: type[Any]) -> Mapping[str, Kind]:
    """Return name -> kind of the fields that a class and a layout's value have both."""
    found = _KINDS.get((cls, raw))
    if found is None:
        names = {each.name for each in dataclasses.fields(raw)}
        found = _KINDS[cls, raw] = {name: kind for name, kind in kinds_of(cls).items() if name in names}
    return found


def source_of(source: Storage | Buffer, what: str, most: int) -> tuple[Storage, bytes]:
    """Return a storage over what is to be read, for error messages, and all of its bytes.

    Args:
        source: A storage, or bytes.
        what: What it is, such as ``"NPDM"``.
        most: More bytes than this are refused.

    Raises:
        CorruptError: There are more.
    """
    storage: Storage = MemoryStorage(source, "") if isinstance(source, bytes | bytearray | memoryview) else source  # type: ignore[assignment]
    if storage.size > most:
        raise CorruptError(f"{storage.size:#x} bytes, at most {most:#x} are read", what=what)
    return storage, storage[:].tobytes()


def fields_from_layout(
    cls: type[Any], layout: Layout[Any], data: bytes, storage: Storage, offset: int = 0, replaced: tuple[str, ...] = ()
) -> tuple[dict[str, Any], Any, Residue]:
    """Read one structure.

    Args:
        cls: The dataclass whose fields are to be filled.
        layout: The structure; fields of both with one name belong together.
        data: At least the bytes of the structure.
        storage: Where they come from, for error messages.
        offset: Where in it.
        replaced: Raw fields that the class says in another way, and which therefore are no residue.

    Returns:
        Values of the fields of ``cls``, the layout's own value, and what neither fields nor ``replaced`` speak for.

    Raises:
        CorruptError: The bytes end too soon.
    """
    raw = decode_bytes(layout, data, storage=storage, offset=offset)
    kinds = {name: kind for name, kind in _common(cls, layout.value).items() if name not in replaced}
    found = {name: kind.from_raw(getattr(raw, name)) for name, kind in kinds.items()}
    again = {name: kind.to_raw(found[name]) for name, kind in kinds.items()} | {name: getattr(raw, name) for name in replaced}
    built = encode(layout, layout.value(**again))
    return found, raw, residue_of(data[: layout.size], built)


def layout_bytes(layout: Layout[Any], value: Any, residue: Residue = (), **others: Any) -> bytes:
    """Return the bytes of one structure.

    Args:
        layout: The structure.
        value: Has fields with kinds of the same names.
        residue: What to put where the fields leave zeros.
        others: Raw fields that the value says in another way.

    Raises:
        FormatError: A value does not fit its field, or the residue does not fit the structure.
    """
    kinds = _common(type(value), layout.value)
    try:
        raw = {name: kind.to_raw(getattr(value, name)) for name, kind in kinds.items() if name not in others}
    except (AttributeError, TypeError, ValueError) as failure:  # A value of the wrong type, or a text with half a surrogate pair.
        raise FormatError(str(failure), what=layout.name) from failure
    return apply_residue(encode(layout, layout.value(**raw, **others)), residue, what=layout.name)


def to_table(value: Any) -> dict[str, Plain]:
    """Return the fields that have a kind as a plain table, without those that are hidden and have their default."""
    table: dict[str, Plain] = {}
    for each in dataclasses.fields(value):
        if "kind" in each.metadata:
            content = getattr(value, each.name)
            if not (each.metadata["hide"] and content == each.default):
                table[each.name] = each.metadata["kind"].plain(content)
    return table


def from_table(cls: type[Any], table: dict[str, Any], path: KeyPath, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Take the fields that have a kind out of a plain table.

    Args:
        cls: The dataclass.
        table: What was read from a text; keys that are understood are removed.
        path: Where the table stands.
        defaults: Values of fields the table lacks, where they are not those of the class.

    Returns:
        Arguments for ``cls``.

    Raises:
        FormatError: A value does not fit, or one that must be given is absent.
    """
    defaults = defaults or {}
    found: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        if "kind" not in each.metadata:
            continue
        if each.name in table:
            found[each.name] = each.metadata["kind"].parse(table.pop(each.name), path / each.name)
        elif each.name in defaults:
            found[each.name] = defaults[each.name]
        elif each.default is dataclasses.MISSING:
            raise (path / each.name).error("missing")
    return found
