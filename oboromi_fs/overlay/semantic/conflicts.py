"""Conflicts by meaning: how each version of a file that a layer provides relates to the one that wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.overlay.semantic.analysis import COMPARATORS, relate
from oboromi_fs.overlay.semantic.blocks import digest
from oboromi_fs.overlay.semantic.values import Relation, SemanticConflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.overlay.semantic.registry import Registry
    from oboromi_fs.protocols import Storage

__all__ = ["semantic_conflicts"]


def semantic_conflicts(key: str, providers: Sequence[tuple[str, Storage]], *, registry: Registry = COMPARATORS) -> SemanticConflict:
    """Relate every version of a file to the one that wins.

    Args:
        key: The file's key or path, for the report and for the format.
        providers: Who provides it, and the bytes, low to high: the last one wins.
        registry: Whom to ask about differences.

    Raises:
        EntryNotFoundError: Nobody provides it.
        OboromiFsError: A version cannot be read; OSError likewise.

    Example:
        >>> from oboromi_fs.base import MemoryStorage
        >>> found = semantic_conflicts("a.ini", [("base", MemoryStorage(b"[a]\\nx=1")), ("mod", MemoryStorage(b"; faster\\n[a]\\nx = 1"))])
        >>> found.winner, found.relations[0].source, found.relations[0].analysis.delta.value, found.distinct_versions
        ('mod', 'base', 'CosmeticOnly', 2)
    """
    if not providers:
        raise EntryNotFoundError(key)
    digests = [digest(storage) for _, storage in providers]
    winner, content = providers[-1]
    relations = [
        Relation(label, relate(key, storage, content, same=each == digests[-1], registry=registry))
        for (label, storage), each in zip(providers[:-1], digests, strict=False)
    ]
    distinct = len(set(digests))
    return SemanticConflict(key, winner, tuple(relations), distinct == 1, distinct)
