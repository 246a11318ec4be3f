"""Drift: what of a union is no longer as a lock says.

Bytes decide, so both sides are locks: the present state is hashed like the one that was written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from oboromi_fs.overlay.lock import SCHEMA_VERSION, LockError, LockSchemaError, sorted_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.overlay.lock import Lock, LockEntry

__all__ = ["DRIFT_KINDS", "Drift", "DriftKind", "DriftReport", "drift"]

DriftKind: TypeAlias = Literal["added", "removed", "winner_source_changed", "winner_hash_changed", "provider_count_changed"]
DRIFT_KINDS: tuple[DriftKind, ...] = get_args(DriftKind)
"""In the order in which those of one key are told."""


class Drift(NamedTuple):
    """One difference. ``old`` is None for a file that was added, ``new`` for one that was removed."""

    key: str
    kind: DriftKind
    old: LockEntry | None
    new: LockEntry | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "key": self.key,
            "kind": self.kind,
            "old": self.old and self.old.to_document(),
            "new": self.new and self.new.to_document(),
        }


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All differences.

    Attributes:
        entries: By path, those of one path in the order of :data:`DRIFT_KINDS`; three at most.
        old_layers: Names of the layers then, low to high.
        new_layers: Names of the layers now. Another order that makes no difference is no drift.
    """

    entries: tuple[Drift, ...]
    old_layers: tuple[str, ...] = ()
    new_layers: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[DriftKind, int]:
        """How many differences there are of each kind, zeros included."""
        found = dict.fromkeys(DRIFT_KINDS, 0)
        for entry in self.entries:
            found[entry.kind] += 1
        return found

    @property
    def layers_added(self) -> tuple[str, ...]:
        """Layers that are new, low to high."""
        return tuple(name for name in self.new_layers if name not in self.old_layers)

    @property
    def layers_removed(self) -> tuple[str, ...]:
        """Layers that are gone, low to high."""
        return tuple(name for name in self.old_layers if name not in self.new_layers)

    def __bool__(self) -> bool:
        """Whether anything has drifted."""
        return bool(self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "drifted": bool(self),
            "counts": self.counts,
            "layers": {"old": list(self.old_layers), "new": list(self.new_layers)},
            "entries": [entry.to_json() for entry in self.entries],
        }


def drift(old: Lock, new: Lock) -> DriftReport:
    """Return what differs between two locks.

    A source is a layer's name and kind. A file whose size differs has another digest.

    Raises:
        LockSchemaError: One is of a schema that this version does not know.
        LockError: Their digests are of different algorithms, so that nothing can be said.

    Example:
        >>> from oboromi_fs.overlay.lock import Lock, LockEntry
        >>> entry = LockEntry("base", "directory", "00" * 32, 0, 1)
        >>> [(found.key, found.kind) for found in drift(Lock({"a": entry}), Lock({"b": entry})).entries]
        [('a', 'removed'), ('b', 'added')]
    """
    for lock, which in ((old, "the old lock"), (new, "the new lock")):
        if lock.schema_version != SCHEMA_VERSION:
            raise LockSchemaError(
                f"{lock.schema_version} is not the schema of this version, {SCHEMA_VERSION}", what=which, field="schema_version"
            )
    if old.algorithm != new.algorithm:
        raise LockError(
            f"{old.algorithm} digests cannot be compared with {new.algorithm} digests: use the lock's algorithm, or write it anew",
            what="locks",
            field="algorithm",
        )
    return DriftReport(tuple(_differences(old, new)), old.layers, new.layers)


def _differences(old: Lock, new: Lock) -> Iterator[Drift]:
    for key in sorted_keys({*old.entries, *new.entries}):
        before, after = old.entries.get(key), new.entries.get(key)
        if before is None:
            yield Drift(key, "added", None, after)
        elif after is None:
            yield Drift(key, "removed", before, None)
        elif before != after:
            if (before.source, before.kind) != (after.source, after.kind):
                yield Drift(key, "winner_source_changed", before, after)
            if (before.digest, before.size) != (after.digest, after.size):
                yield Drift(key, "winner_hash_changed", before, after)
            if before.provider_count != after.provider_count:
                yield Drift(key, "provider_count_changed", before, after)
