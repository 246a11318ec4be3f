"""Arguments of a wrong type, refused by name: bytes, a text and a storage are mixed up easily, and would fail far inside."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["want_bytes", "want_dialect", "want_records", "want_storage", "want_text"]

_DIALECTS = ("neutral", "atmosphere", "yuzu", "ryujinx")


def want_storage(value: Any, name: str) -> None:
    """Refuse what is no storage, but bytes or a path.

    Raises:
        TypeError: It is.
    """
    if value is None or isinstance(value, str | bytes | bytearray | memoryview | os.PathLike):
        path = isinstance(value, str | os.PathLike)
        how = "such as what File.open(path) returns" if path else "such as MemoryStorage(data)"
        message = f"{name} is a storage, {how}, and not {type(value).__name__}"
        raise TypeError(message)


def want_bytes(value: Any, name: str) -> None:
    """Refuse what is not bytes.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, bytes):
        how = {"str": ": encode it first", "bytearray": ": give bytes(…) of it", "memoryview": ": give bytes(…) of it"}
        message = f"{name} is bytes, and not {type(value).__name__}{how.get(type(value).__name__, '')}"
        raise TypeError(message)


def want_text(value: Any, name: str) -> None:
    """Refuse what is not a str.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, str):
        message = f"{name} is a str, and not {type(value).__name__}"
        raise TypeError(message)


def want_records(value: Any, name: str) -> None:
    """Refuse a text or bytes where records are wanted: both can be iterated.

    Raises:
        TypeError: It is one.
    """
    if isinstance(value, str | bytes | bytearray | memoryview):
        message = f"{name} are Record values, and not {type(value).__name__}"
        raise TypeError(message)


def want_dialect(value: Any, *more: str) -> None:
    """Refuse an unknown dialect.

    Args:
        value: The dialect.
        more: What is one besides those of tools.

    Raises:
        ValueError: It is none.
    """
    known = (*_DIALECTS, *more)
    if value not in known:
        message = f"the dialect is one of {', '.join(known)}, and not {value!r}"
        raise ValueError(message)
