"""The one door from a layout and a storage to a value, and from what goes wrong there to the package's errors.

Everything that reads a structure comes through here: whether the bytes are there is checked before any is read, and an error names the
structure, the outermost file and the absolute offset in it. Nobody behind this door sees construct.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from construct import ConstructError

from oboromi_fs.errors import CorruptError, FormatError, OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from oboromi_formats.layout import Layout, Table
    from oboromi_fs.protocols import Storage

__all__ = ["corrupt", "decode", "decode_bytes", "decode_many", "dtype", "encode", "error", "rows", "source_name", "table"]

T = TypeVar("T")
E = TypeVar("E", bound=FormatError)


def source_name(storage: Storage, offset: int = 0) -> str:
    """Return the name of the outermost file that byte ``offset`` comes from, ``""`` where it has none."""
    return _absolute(storage, offset)[0]


def _absolute(storage: Storage, offset: int) -> tuple[str, int | None]:
    """Name of the outermost file and the offset in it; the offset is None where the storage cannot tell."""
    try:
        outer, absolute, _ = storage.place(offset)
    except (OboromiFsError, LookupError, ValueError):  # Past the end of a storage that maps each of its bytes somewhere.
        return (source_name(storage), None) if offset else ("", None)
    return str(getattr(outer, "name", "")), absolute


def error(cls: type[E], problem: str, *, what: str, storage: Storage, offset: int, field: str = "", **details: Any) -> E:
    """Return (not raise) a format error that says where the bytes lie in the outermost file.

    Args:
        cls: The class of error.
        problem: What is wrong, with the numbers that show it.
        what: The structure, such as ``"PFS0 header"``.
        storage: The storage it was read from.
        offset: Byte offset in that storage.
        field: Name of the offending field.
        details: What else the class takes, such as the ``level`` of an :class:`~oboromi_fs.errors.IntegrityError`.
    """
    source, absolute = _absolute(storage, offset)
    return cls(problem, what=what, source=source, offset=absolute, field=field, **details)


def corrupt(problem: str, *, what: str, storage: Storage, offset: int, field: str = "") -> CorruptError:
    """Return (not raise) a :class:`~oboromi_fs.errors.CorruptError`; see :func:`error`."""
    return error(CorruptError, problem, what=what, storage=storage, offset=offset, field=field)


def decode(layout: Layout[T], storage: Storage, offset: int = 0) -> T:
    """Read one structure.

    Args:
        layout: What lies there.
        storage: Where to read; ``layout.size`` bytes of it are read.
        offset: First byte of the structure.

    Raises:
        CorruptError: The storage ends before the structure does, or a field does not hold.
    """
    return _parse(layout, _take(layout.name, layout.size, storage, offset), storage, offset)


def decode_bytes(layout: Layout[T], data: Buffer, *, storage: Storage | None = None, offset: int = 0) -> T:
    """Read one structure from the start of bytes that are in memory already; what follows it is ignored.

    Args:
        layout: What lies there.
        data: Any contiguous buffer.
        storage: Where the bytes came from, for error messages.
        offset: Where in ``storage`` they came from.

    Raises:
        CorruptError: ``data`` ends before the structure does, or a field does not hold.
    """
    view = memoryview(data).cast("B")
    if len(view) < layout.size:
        problem = f"needs {layout.size:#x} bytes, the last {layout.size - len(view):#x} are missing"
        raise (
            CorruptError(problem, what=layout.name)
            if storage is None
            else corrupt(problem, what=layout.name, storage=storage, offset=offset)
        )
    return _parse(layout, view[: layout.size], storage, offset)


def decode_many(layout: Layout[T], storage: Storage, offset: int, count: int) -> list[T]:
    """Read ``count`` structures that follow each other without gaps; for many, a Table and :func:`rows` are faster.

    Raises:
        CorruptError: ``count`` is negative or more than the storage holds, or a field does not hold.
    """
    size = layout.size
    view = _take_many(layout.name, size, storage, offset, count)
    return [_parse(layout, view[start : start + size], storage, offset + start) for start in range(0, count * size, size)]


def encode(layout: Layout[T], value: T) -> bytes:
    """Return the ``layout.size`` bytes of a value.

    Raises:
        FormatError: A number does not fit its field, or bytes do not have its length.
    """
    try:
        return layout.build(value)
    except ConstructError as failure:
        field, problem = _explain(failure)
        raise FormatError(problem, what=layout.name, field=field) from failure


def rows(table: Table, storage: Storage, offset: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Read a table row by row.

    Args:
        table: The rows.
        storage: Where to read.
        offset: First byte of the first row.
        count: How many rows; checked against the bytes that are there before any is read.

    Returns:
        An iterator over tuples of the fields, in order.

    Raises:
        CorruptError: ``count`` is negative or more than the storage holds. Raised by the call, not by the iterator.
    """
    view = _take_many(table.name, table.row_size, storage, offset, count)
    return struct.iter_unpack(table.row_format, view)


def table(table: Table, storage: Storage, offset: int, count: int) -> NDArray[np.void]:
    """Read a table as a numpy array.

    Args:
        table: The rows.
        storage: Where to read.
        offset: First byte of the first row.
        count: How many rows; checked against the bytes that are there before any is read.

    Returns:
        A read-only structured array of shape ``(count,)`` with a column for each field; a view of the file's mapping where the bytes are
        stored plain.

    Raises:
        CorruptError: ``count`` is negative or more than the storage holds.
    """
    import numpy as np

    view = _take_many(table.name, table.row_size, storage, offset, count)
    return np.frombuffer(view.toreadonly(), dtype(table), count)


@lru_cache
def dtype(table: Table) -> np.dtype[np.void]:
    """Return the numpy type of a table's rows: the same fields, without gaps."""
    import numpy as np

    return np.dtype(list(table.fields))


def _take_many(what: str, size: int, storage: Storage, offset: int, count: int) -> memoryview:
    if count < 0:
        raise corrupt(f"has {count} entries, a negative number", what=what, storage=storage, offset=offset)
    if not count:
        return memoryview(b"")
    there = max(storage.size - offset, 0)
    if count * size > there:
        problem = f"{count} entries need {count * size:#x} bytes, {there:#x} are there"
        raise corrupt(problem, what=what, storage=storage, offset=offset)
    return _take(what, count * size, storage, offset)


def _take(what: str, size: int, storage: Storage, offset: int) -> memoryview:
    """Exactly ``size`` bytes from ``offset`` on, or an error that says how many are missing."""
    if offset < 0:
        raise corrupt(f"starts {-offset:#x} bytes before the beginning", what=what, storage=storage, offset=offset)
    missing = offset + size - storage.size
    if missing <= 0:
        view = storage[offset : offset + size]
        missing = size - len(view)  # A file may have shrunk since it was opened.
        if not missing:
            return view
    problem = f"needs {size:#x} bytes, the last {min(missing, size):#x} are missing: the file is cut short or damaged"
    raise corrupt(problem, what=what, storage=storage, offset=offset)


def _parse(layout: Layout[T], view: memoryview, storage: Storage | None, offset: int) -> T:
    try:
        return layout.parse(view)
    # An adapter's own failure on hostile bytes is not a ConstructError.
    except (ConstructError, ArithmeticError, LookupError, ValueError) as failure:
        field, problem = _explain(failure)
        if storage is None:
            raise CorruptError(problem, what=layout.name, field=field) from failure
        raise corrupt(problem, what=layout.name, storage=storage, offset=offset, field=field) from failure


def _explain(failure: Exception) -> tuple[str, str]:
    """Field and text of a construct error, whose own text begins with a line that tells the path."""
    text = str(failure)
    path = getattr(failure, "path", None)
    if not path:
        return "", text
    _, _, field = path.partition(" -> ")
    return field.replace(" -> ", "."), text.partition("\n")[2] or text
