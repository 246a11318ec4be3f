"""The exception tree: everything this package raises on purpose.

Whatever the input, only :class:`OboromiFsError` and :class:`OSError` leave the package. Each class also inherits the builtin
that a caller who knows nothing of us would catch.
"""

from __future__ import annotations

import errno

__all__ = [
    "ClosedError",
    "CorruptError",
    "DirectoryNotEmptyEntryError",
    "EntryExistsError",
    "EntryNotFoundError",
    "FormatError",
    "IntegrityError",
    "IsADirectoryEntryError",
    "LayerError",
    "MappingError",
    "MissingBaseError",
    "MissingKeyError",
    "NotADirectoryEntryError",
    "NotThisFormatError",
    "OboromiFsError",
    "ReadOnlyError",
    "UnsafePathError",
    "UnsupportedError",
]


class OboromiFsError(Exception):
    """Base of every error of this package."""


class FormatError(OboromiFsError, ValueError):
    """Bytes that are not what a format says they must be.

    Args:
        problem: What is wrong, with the numbers that show it.
        what: The structure that was read, such as ``"PFS0 header"``.
        source: Name of the outermost file, if known.
        offset: Absolute offset in the outermost file, in bytes.
        field: Name of the offending field.
    """

    def __init__(
        self,
        problem: str,
        *,
        what: str = "",
        source: str = "",
        offset: int | None = None,
        field: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.what = what
        self.source = source
        self.offset = offset
        self.field = field

    def __str__(self) -> str:
        head = self.what
        if self.source:
            head += f" of {self.source}" if head else self.source
        if self.offset is not None:
            head += f" at {self.offset:#x}"
        if self.field:
            head += f", field {self.field}" if head else f"field {self.field}"
        return f"{head}: {self.problem}" if head else self.problem


class NotThisFormatError(FormatError):
    """The magic is absent: the bytes are of another format, try the next backend."""


class CorruptError(FormatError):
    """The format is recognised, its bytes are broken."""


class UnsupportedError(FormatError):
    """Valid as far as we can tell, and not implemented here."""


class MissingBaseError(UnsupportedError):
    """An update, which holds only what differs from a base that was not given."""


class IntegrityError(FormatError):
    """A hash does not match. ``level`` and ``block`` say which one, where they apply."""

    def __init__(
        self,
        problem: str,
        *,
        what: str = "",
        source: str = "",
        offset: int | None = None,
        field: str = "",
        level: int | None = None,
        block: int | None = None,
    ) -> None:
        super().__init__(problem, what=what, source=source, offset=offset, field=field)
        self.level = level
        self.block = block


class MissingKeyError(OboromiFsError, LookupError):
    """A key that only the user can supply is absent.

    Args:
        key_name: The entry to add, as it is written in the key file.
        why: What needs it.
        where: The files that were searched, or the file to put it in.
    """

    def __init__(self, key_name: str, why: str = "", where: str = "") -> None:
        super().__init__(key_name)
        self.key_name = key_name
        self.why = why
        self.where = where

    def __str__(self) -> str:
        text = f"missing key {self.key_name}"
        if self.why:
            text += f", needed for {self.why}"
        if self.where:
            text += f" ({self.where})"
        return text


class _PathError(OboromiFsError):
    """A path-shaped error: carries ``errno`` and ``filename`` like any OSError."""

    _errno: int
    _text: str

    def __init__(self, path: str, detail: str = "") -> None:
        # The builtin sibling in the MRO is an OSError: give it the two arguments it fills errno from.
        super().__init__(self._errno, detail or self._text)
        self.filename: str = path
        self.detail = detail

    def __reduce__(self) -> tuple[type[_PathError], tuple[str, str]]:  # OSError's would hand errno to __init__: workers could not report.
        return type(self), (self.filename, self.detail)

    def __str__(self) -> str:
        return f"{self.detail or self._text}: {self.filename!r}"


class EntryNotFoundError(_PathError, FileNotFoundError):
    """No such path."""

    _errno = errno.ENOENT
    _text = "no such path"


class NotADirectoryEntryError(_PathError, NotADirectoryError):
    """The path, or a parent of it, is a file."""

    _errno = errno.ENOTDIR
    _text = "not a directory"


class IsADirectoryEntryError(_PathError, IsADirectoryError):
    """The path is a directory where a file is needed."""

    _errno = errno.EISDIR
    _text = "is a directory"


class EntryExistsError(_PathError, FileExistsError):
    """Something is there already."""

    _errno = errno.EEXIST
    _text = "exists already"


class DirectoryNotEmptyEntryError(_PathError, OSError):
    """The directory has entries, and only an empty one will do."""

    _errno = errno.ENOTEMPTY
    _text = "directory is not empty"


class ReadOnlyError(_PathError, PermissionError):
    """The file system, or this layer of it, takes no writes."""

    _errno = errno.EROFS
    _text = "read-only file system"


class UnsafePathError(OboromiFsError, ValueError):
    """A name or path that must not reach a host file system.

    Args:
        path: The offending path.
        reason: Which rule it breaks.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"unsafe path {self.path!r}: {self.reason}"


class LayerError(OboromiFsError, ValueError):
    """A layer of a union that cannot be used as one.

    Args:
        layer: What the layer is called.
        problem: Why it cannot be used.
    """

    def __init__(self, layer: str, problem: str) -> None:
        super().__init__(layer, problem)
        self.layer = layer
        self.problem = problem

    def __str__(self) -> str:
        return f"layer {self.layer!r}: {self.problem}"


class MappingError(OboromiFsError, OSError):
    """The file cannot be mapped, or shrank while it was open.

    Args:
        path: The host path.
        detail: What happened.
        number: The ``errno`` the host gave, or 0.
    """

    def __init__(self, path: str, detail: str, number: int = 0) -> None:
        super().__init__(number or errno.EIO, detail)
        self.filename: str = path
        self.detail = detail

    def __reduce__(self) -> tuple[type[MappingError], tuple[str, str, int]]:  # As for _PathError.
        return type(self), (self.filename, self.detail, self.errno or 0)

    def __str__(self) -> str:
        return f"{self.filename}: {self.detail}"


class ClosedError(OboromiFsError, ValueError):
    """Use of a file or file system after it was closed."""
