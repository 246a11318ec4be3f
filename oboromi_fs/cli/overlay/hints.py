"""Why the merged view lacks a path: what hides it, how it is spelled, or that it is a path of this computer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.paths import join, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs.overlay import UnionFs

__all__ = ["REASONS", "missing"]

REASONS = {
    "whiteout": "a whiteout",
    "opaque": "an opaque directory",
    "file": "a file in its place",
    "directory": "a directory in its place",
}
"""What hides a version of a path, as it is told."""


def missing(union: UnionFs, path: str, error: EntryNotFoundError, *, given: bool, parts: Sequence[str] = ()) -> EntryNotFoundError:
    """Return the error for a path that the merged view lacks, with what helps.

    Args:
        union: The merged view.
        path: The path, as the user gave it.
        error: What is known of it so far.
        given: Whether layers were given one by one, so that the path may have been meant as one of them.
        parts: Folders that the path may have been meant to be in.
    """
    canonical = normalise(path)
    explained = union.explain(canonical)
    if explained.hidden and not explained.chain:
        by = explained.hidden[-1]
        return EntryNotFoundError(path, f"no such path (hidden by {REASONS[by.reason]} in {union.layers[by.by].name!r})")
    spelled = _other_case(union, canonical)
    for part in () if spelled else parts:
        spelled = spelled or _other_case(union, join(part, canonical))
    if spelled and parts:
        return EntryNotFoundError(path, f"no such path (there is {spelled!r})")
    if spelled:
        return EntryNotFoundError(path, f"no such path (there is {spelled!r}: --case fold takes any case, find-file looks for it)")
    if given and os.path.lexists(path):
        return EntryNotFoundError(path, "no such path in the layers (there is one of this computer: each layer needs its own -l)")
    return error


def _other_case(union: UnionFs, path: str) -> str:
    """The path as the merged view spells it; ``""`` where it has none whatever the case."""
    found = ""
    for name in path.split("/"):
        if not union.is_dir(found):
            return ""
        names = [entry.name for entry in union.read_dir(found)]
        same = name if name in names else next((other for other in names if fold_case(other) == fold_case(name)), "")
        if not same:
            return ""
        found = join(found, same)
    return found
