"""Values: what a comparison of two versions of a file says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["MOST_CHANGES", "Analysis", "Change", "Delta", "Format", "Relation", "SemanticConflict"]

MOST_CHANGES = 50
"""Changes that an analysis names; it counts them all."""


class Delta(StrEnum):
    """What a difference means. In doubt it is more than it may be: ``CosmeticOnly`` is a promise."""

    NO_OP_EQUIVALENT = "NoOpEquivalent"
    """The bytes are equal."""
    COSMETIC_ONLY = "CosmeticOnly"
    """The bytes differ, what they say does not."""
    BEHAVIOR_CHANGING = "BehaviorChanging"
    """They say different things."""
    UNKNOWN = "Unknown"
    """The bytes differ, and nobody here knows whether that means anything."""


class Format(StrEnum):
    """The formats that are known from the start; comparators that are registered add their own."""

    INI = "Ini"
    TOML = "Toml"
    JSON = "Json"
    TEXT = "Text"
    BINARY = "Binary"
    NACP = "NACP"
    NPDM = "NPDM"
    CNMT = "CNMT"
    TICKET = "Ticket"
    CERTIFICATES = "Certificates"
    NSO = "NSO"
    NRO = "NRO"
    KIP = "KIP"
    UNKNOWN = "Unknown"
    """One version is text and the other is not."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, for people.

    Attributes:
        key: Where: a path of keys such as ``video.size[0]``, ``line 12`` of a text, or an offset such as ``0x1f40``.
        old: What stands there in the first version, shortened; None where it has nothing there.
        new: The same of the second version.
    """

    key: str
    old: str | None
    new: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"key": self.key, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class Analysis:
    """How one version of a file relates to another.

    Attributes:
        format: What both are: a value of :class:`Format`, or what a registered comparator says.
        delta: What the difference means.
        changes: What differs, from the first on, at most :data:`MOST_CHANGES`; nothing where the difference is cosmetic.
        change_count: How many changes there are in all: keys, or bytes of a binary file. None where that is not counted, as in texts.
        notes: Why it is this format or delta, where that is not plain to see.
    """

    format: str
    delta: Delta
    changes: tuple[Change, ...] = ()
    change_count: int | None = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values: ``format, delta, changes, change_count, notes``."""
        return {
            "format": str(self.format),
            "delta": self.delta.value,
            "changes": [change.to_json() for change in self.changes],
            "change_count": self.change_count,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Relation:
    """A version that does not win, and how the winner changes it.

    Attributes:
        source: Who provides it.
        analysis: From this version (old) to the winner (new).
    """

    source: str
    analysis: Analysis

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values: ``source`` and what the analysis has."""
        return {"source": self.source, **self.analysis.to_json()}


@dataclass(frozen=True, slots=True)
class SemanticConflict:
    """All versions of one key, as they relate to the one that wins.

    Attributes:
        key: The key.
        winner: Who provides the version that wins.
        relations: One for each other version, low to high.
        all_identical: Whether all versions have the same bytes.
        distinct_versions: How many different contents there are.
    """

    key: str
    winner: str
    relations: tuple[Relation, ...]
    all_identical: bool
    distinct_versions: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "key": self.key,
            "winner": self.winner,
            "relations": [relation.to_json() for relation in self.relations],
            "all_identical": self.all_identical,
            "distinct_versions": self.distinct_versions,
        }
