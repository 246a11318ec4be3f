"""What the builders of executables share: their sources as storages, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from oboromi_fs._decode import error
from oboromi_fs.base import MemoryStorage, StorageBase
from oboromi_fs.errors import FormatError
from oboromi_fs.executables.segment import aligned
from oboromi_fs.protocols import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["MODULE_ID_SIZE", "SourceType", "as_storage", "memory_offsets", "module_id_field", "refuse"]

SourceType: TypeAlias = "Buffer | Storage"

MODULE_ID_SIZE = 0x20


def as_storage(source: SourceType, name: str) -> Storage:
    """Return a storage as it is, and any other buffer as a storage called ``name``."""
    return source if isinstance(source, StorageBase | Storage) else MemoryStorage(source, name)


def module_id_field(module_id: bytes, what: str) -> bytes:
    """Return a build id filled up with zeros.

    Raises:
        FormatError: It has more than 32 bytes.
    """
    if len(module_id) > MODULE_ID_SIZE:
        raise FormatError(f"{len(module_id)} bytes, {MODULE_ID_SIZE} are the most", what=what, field="module_id")
    return module_id.ljust(MODULE_ID_SIZE, b"\0")


def memory_offsets(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return where segments of these sizes lie in memory, each at the first page behind the one before.

    Example:
        >>> memory_offsets([0x1000, 0x4119, 0x3000])
        (0, 4096, 24576)
    """
    offsets: list[int] = []
    end = 0
    for size in sizes:
        offsets.append(end)
        end = aligned(end + size)
    return tuple(offsets)


def refuse(problems: Sequence[str], what: str, sources: Sequence[Storage] = ()) -> None:
    """Raise what no loader would take.

    Raises:
        FormatError: There are problems. It names the host file of the first source that has one.
    """
    if problems:
        if not sources:
            raise FormatError("; ".join(problems), what=what)
        raise error(FormatError, "; ".join(problems), what=what, storage=sources[0], offset=0)
