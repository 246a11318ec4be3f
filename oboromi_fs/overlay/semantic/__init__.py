"""What a difference between two versions of a file means: nothing, something, or nobody knows.

:func:`analyze_pair` compares two versions, :func:`semantic_conflicts` all those of one key with the winner. Other formats plug in with
:func:`register`.
"""

from __future__ import annotations

from oboromi_fs.overlay.semantic.analysis import analyze_pair, register, unregister
from oboromi_fs.overlay.semantic.conflicts import semantic_conflicts
from oboromi_fs.overlay.semantic.registry import Comparator, Registry
from oboromi_fs.overlay.semantic.values import Analysis, Change, Delta, Format, Relation, SemanticConflict

__all__ = [
    "Analysis",
    "Change",
    "Comparator",
    "Delta",
    "Format",
    "Registry",
    "Relation",
    "SemanticConflict",
    "analyze_pair",
    "register",
    "semantic_conflicts",
    "unregister",
]
