"""Locks: which version of every file of a union wins, written down so that a later state can be held against it.

A lock of one tree is the same bytes on every run and machine: it names layers, never where they lie; it is sorted; it holds no times. As
JSON, a file is a line::

    {
      "schema_version": 1,
      "algorithm": "blake3",
      "layers": [
        "base",
        "mods/a"
      ],
      "entries": {
        "data/a.bin": {"source": "mods/a", "kind": "directory", "hash": "…", "size": 3, "provider_count": 2}
      }
    }

YAML and TOML say the same; see :mod:`oboromi_fs.overlay.documents` for names that are not UTF-8.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_args

from oboromi_fs.errors import FormatError, IsADirectoryEntryError, UnsafePathError, UnsupportedError
from oboromi_fs.file import File
from oboromi_fs.overlay.documents import Form, dumps, form_of, loads
from oboromi_fs.overlay.layer import LayerKind
from oboromi_fs.paths import encode_name, normalise, sort_key
from oboromi_fs.storage.aside import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ALGORITHMS", "SCHEMA_VERSION", "Algorithm", "Lock", "LockEntry", "LockError", "LockSchemaError"]

SCHEMA_VERSION = 1
Algorithm: TypeAlias = Literal["blake3", "sha256"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

_DIGITS = 64
"""Hexadecimal digits of a digest: both algorithms give 32 bytes."""
_MOST = 1 << 30
"""Bytes of a lock that is read. A million files are about 200 MB."""
_LARGEST = (1 << 63) - 1
_FIELDS = ("source", "kind", "hash", "size", "provider_count")


class LockError(FormatError):
    """A lock that is not one: the message names the file and the field."""


class LockSchemaError(LockError, UnsupportedError):
    """A lock of a schema that this version does not know."""


class LockEntry(NamedTuple):
    """The version of a file that wins.

    ``source`` is the name of its layer and ``kind`` that layer's kind, ``digest`` hexadecimal, ``size`` in bytes; ``provider_count`` is
    how many layers have a version that counts.
    """

    source: str
    kind: LayerKind
    digest: str
    size: int
    provider_count: int

    def to_document(self) -> dict[str, Any]:
        """Return it as documents have it."""
        return dict(zip(_FIELDS, self, strict=True))


@dataclass(frozen=True, slots=True)
class Lock:
    """The winners of a union.

    Args:
        entries: Path -> its winner. Kept in path order, whatever order they are given in.
        layers: Names of the layers, low to high.
        algorithm: What the digests are.

    Example:
        >>> lock = Lock({"a.bin": LockEntry("base", "archive", "00" * 32, 3, 1)}, ("base",))
        >>> Lock.from_json_text(lock.to_json_text()) == lock
        True
    """

    entries: Mapping[str, LockEntry]
    layers: tuple[str, ...] = ()
    algorithm: Algorithm = "blake3"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", dict(sorted(self.entries.items(), key=lambda item: sort_key(item[0]))))

    # ---- documents ----

    def to_document(self) -> dict[str, Any]:
        """Return it as plain values, in their order."""
        return {
            "schema_version": self.schema_version,
            "algorithm": self.algorithm,
            "layers": list(self.layers),
            "entries": {key: entry.to_document() for key, entry in self.entries.items()},
        }

    @classmethod
    def from_document(cls, document: Any, *, source: str = "") -> Lock:
        """Return the lock that plain values describe.

        Args:
            document: The values, from wherever.
            source: Name of the file they come from, for errors.

        Raises:
            LockSchemaError: They are of another schema version.
            LockError: They are no lock; the message names the field.
        """
        return _Reader(source).lock(document)

    def to_text(self, form: Form = "json") -> str:
        """Return it as text in one of the forms."""
        return dumps(self.to_document(), form)

    @classmethod
    def from_text(cls, data: bytes | str, form: Form = "json", *, source: str = "") -> Lock:
        """Return the lock that a text describes.

        Raises:
            LockSchemaError: It is of another schema version.
            LockError: It is no lock; the message names file and field.
        """
        if len(data) > _MOST:
            raise _too_large(len(data), source)
        try:
            document = loads(data, form, what="lock", source=source)
        except FormatError as error:
            raise LockError(error.problem, what=error.what, source=error.source, offset=error.offset) from None
        return cls.from_document(document, source=source)

    def to_json_text(self) -> str:
        """Return it as JSON."""
        return self.to_text("json")

    @classmethod
    def from_json_text(cls, data: bytes | str, *, source: str = "") -> Lock:
        """Return the lock that a JSON text describes; see :meth:`from_text`."""
        return cls.from_text(data, "json", source=source)

    # ---- files ----

    def write(self, path: str | os.PathLike[str], form: Form | None = None) -> None:
        """Write it to a host file: whole, or not at all.

        Args:
            path: The file. One that is there is replaced.
            form: JSON, YAML or TOML; None tells by the file's name.

        Raises:
            OSError: The host refuses.
        """
        if os.path.isdir(path):
            raise IsADirectoryEntryError(os.fspath(path))
        data = memoryview(self.to_text(form or form_of(os.fspath(path))).encode())
        with written_aside(path) as aside:
            while data:
                data = data[os.write(aside.number, data) :]

    @classmethod
    def read(cls, path: str | os.PathLike[str], form: Form | None = None) -> Lock:
        """Read a host file.

        Args:
            path: The file.
            form: JSON, YAML or TOML; None tells by the file's name.

        Raises:
            LockSchemaError: It is of another schema version.
            LockError: It is no lock; the message names file and field.
            OSError: It is not there, or the host refuses.
        """
        name = os.fspath(path)
        with File.open(name, access="pread") as file:
            if file.size > _MOST:
                raise _too_large(file.size, name)
            data = file.tobytes()
        return cls.from_text(data, form or form_of(name), source=name)


def _too_large(size: int, source: str) -> LockError:
    return LockError(f"has {size} bytes; a lock has {_MOST} at most", what="lock", source=source)


class _Reader:
    """Reads the fields of a lock, and says which of them is wrong."""

    def __init__(self, source: str) -> None:
        self.source = source

    def wrong(self, field: str, problem: str) -> LockError:
        return LockError(problem, what="lock", source=self.source, field=field)

    def lock(self, document: Any) -> Lock:
        if not isinstance(document, dict):
            raise LockError("is no table", what="lock", source=self.source)
        version = document.get("schema_version")
        if type(version) is not int:  # True is an int, too.
            raise self.wrong("schema_version", "is missing" if version is None else f"{_shown(version)} is no whole number")
        if version != SCHEMA_VERSION:
            raise LockSchemaError(
                f"{_shown(version)} is not the schema of this version, {SCHEMA_VERSION}: write the lock anew",
                what="lock",
                source=self.source,
                field="schema_version",
            )
        self.only(document, "", ("schema_version", "algorithm", "layers", "entries"))
        algorithm = document["algorithm"]
        if algorithm not in ALGORITHMS:
            raise self.wrong("algorithm", f"{_shown(algorithm)} is not one of {', '.join(ALGORITHMS)}")
        layers = document["layers"]
        if not isinstance(layers, list):
            raise self.wrong("layers", f"{_shown(layers)} is no list")
        known: set[str] = set()
        for number, layer in enumerate(layers):
            if self.name(layer, f"layers[{number}]") in known:
                raise self.wrong(f"layers[{number}]", f"another layer is called {_shown(layer)}")
            known.add(layer)
        rows = document["entries"]
        if not isinstance(rows, dict):
            raise self.wrong("entries", f"{_shown(rows)} is no table")
        entries = {self.key(key): self.entry(key, row, known) for key, row in rows.items()}
        return Lock(entries, tuple(layers), cast("Algorithm", algorithm))

    def only(self, table: dict[Any, Any], where: str, fields: tuple[str, ...]) -> None:
        """Check that a table has all of the fields, and no other."""
        for field in fields:
            if field not in table:
                raise self.wrong(where + field, "is missing")
        for field in table:
            if field not in fields:
                raise self.wrong(f"{where}{_shown(field)}", f"is unknown; there are {', '.join(fields)}")

    def name(self, value: Any, field: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(field, f"{_shown(value)} is no text")
        try:
            encode_name(value)
        except UnsafePathError as error:
            raise self.wrong(field, f"{_shown(value)} {error.reason}") from None
        return value

    def key(self, key: Any) -> str:
        field = f"entries[{_shown(key)}]"
        try:
            if self.name(key, field) and normalise(key) == key:
                return str(key)
        except UnsafePathError as error:
            raise self.wrong(field, error.reason) from None
        raise self.wrong(field, "is no path as locks spell them: relative, one / between names, no . or ..")

    def entry(self, key: str, row: Any, layers: set[str]) -> LockEntry:
        if not isinstance(row, dict):
            raise self.wrong(f"entries[{_shown(key)}]", f"{_shown(row)} is no table")
        where = f"entries[{_shown(key)}]."
        self.only(row, where, _FIELDS)
        source, kind, digest, size, count = (row[field] for field in _FIELDS)
        if not isinstance(source, str) or source not in layers:
            raise self.wrong(f"{where}source", f"{_shown(source)} is not one of the layers")
        if kind not in get_args(LayerKind):
            raise self.wrong(f"{where}kind", f"{_shown(kind)} is not one of {', '.join(get_args(LayerKind))}")
        if not isinstance(digest, str) or len(digest) != _DIGITS or not all(digit in "0123456789abcdef" for digit in digest):
            raise self.wrong(f"{where}hash", f"{_shown(digest)} is not {_DIGITS} hexadecimal digits in lower case")
        if type(size) is not int or not 0 <= size <= _LARGEST:
            raise self.wrong(f"{where}size", f"{_shown(size)} is no size in bytes")
        if type(count) is not int or not 1 <= count <= _LARGEST:
            raise self.wrong(f"{where}provider_count", f"{_shown(count)} is no number of versions")
        return LockEntry(source, cast("LayerKind", kind), digest, size, count)


def _shown(value: Any) -> str:
    """A value as an error shows it: not all of what a hostile file may hold."""
    try:
        text = repr(value) if isinstance(value, str | int | float | bool) or value is None else f"a {type(value).__name__}"
    except ValueError:  # A number with more digits than Python prints.
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}…"


def sorted_keys(keys: Iterable[str]) -> list[str]:
    """Return keys in the order of locks and of what is said about them: by their bytes."""
    return sorted(keys, key=sort_key)
