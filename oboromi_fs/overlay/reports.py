"""Reports on an index of layers: files that several provide, archives, and what each source contributes.

Versions count that no layer above hides, unless it is said that all do. Of several spellings of a file in one source one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.overlay.matching import matching

if TYPE_CHECKING:
    from oboromi_fs.overlay.providers import Provider, Source
    from oboromi_fs.overlay.queries import Queries
    from oboromi_fs.overlay.stacks import Mask
    from oboromi_fs.overlay.state import State

__all__ = [
    "Archive",
    "ArchiveEntry",
    "Contribution",
    "Duplicate",
    "archive_entries",
    "archives",
    "contributions",
    "duplicates",
]


class Duplicate(NamedTuple):
    """A file of more than one version: all of them, low to high, and the place of the winner among them."""

    key: str
    providers: tuple[Provider, ...]
    winner_index: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"key": self.key, "providers": [provider.to_json() for provider in self.providers], "winner_index": self.winner_index}


class Archive(NamedTuple):
    """A source that is an archive: how many files it has, hidden ones too, and of how many of these its version wins."""

    source_index: int
    path: str
    entry_count: int
    winning_entry_count: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self._asdict()


class ArchiveEntry(NamedTuple):
    """A file of an archive, and whether its version wins. ``original_path`` is as the archive spells it."""

    key: str
    archive_path: str
    original_path: str
    wins: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self._asdict()


class Contribution(NamedTuple):
    """What a source contributes, in numbers of files.

    ``winning``: its version wins. ``unique``: no other source has one. ``overriding``: it wins over another source's. ``overridden``:
    another source's wins over its own. ``duplicate``: another source has one as well. ``loose`` and ``archive``: all of its files, by
    what kind of source it is. ``hidden``: it counts nowhere, as a source above deletes it, hides the directory that it is in, or has a
    file or a directory in its way; hidden versions are in none of the other numbers but ``loose`` and ``archive``.

    So winning = unique + overriding, duplicate = overriding + overridden, and winning + overridden + hidden = loose + archive.
    """

    source_index: int
    source: Source
    winning: int
    overriding: int
    overridden: int
    unique: int
    duplicate: int
    loose: int
    archive: int
    hidden: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "source": self.source.to_json()}


def duplicates(index: Queries, regex: str = "", *, seconds: float = 30.0) -> list[Duplicate]:
    """Return the files of more than one version, in path order.

    Args:
        index: The index.
        regex: Only those in whose path it is found; see :func:`oboromi_fs.overlay.matching.matching`.
        seconds: How long that may take.

    Raises:
        PatternError: The regular expression is none, or takes too long.
    """
    keys = index.duplicate_keys()
    if regex:
        keys = matching(regex, keys, seconds=seconds)
    chains = ((key, index.chain(key)) for key in keys)
    return [Duplicate(key, chain, len(chain) - 1) for key, chain in chains if len(chain) > 1]


def archives(index: Queries) -> list[Archive]:
    """Return the sources that are archives, low to high."""
    import numpy as np

    state = index.state
    rows = state.rows
    count = len(state.origins)
    # Spellings of one file in one source lie side by side.
    first = np.ones(len(rows), np.bool_)
    first[1:] = (rows.keys[1:] != rows.keys[:-1]) | (rows.sources[1:] != rows.sources[:-1])
    entries = np.bincount(rows.sources[first], minlength=count).tolist()
    winning = _winning(state)
    return [
        Archive(number, origin.source.path, entries[number], winning[number])
        for number, origin in enumerate(state.origins)
        if origin.source.kind == "archive"
    ]


def archive_entries(index: Queries, source: int | str | Source) -> list[ArchiveEntry]:
    """Return all files of an archive, hidden ones too, in path order.

    Raises:
        LayerError: There is no such source.
    """
    import numpy as np

    from oboromi_fs.paths import sort_key

    state = index.state
    number = index.source_id(source)
    path = state.origins[number].source.path
    found = [
        ArchiveEntry(
            state.names.path(int(state.rows.keys[row])),
            path,
            state.inner(row),
            wins=bool(state.stacks.winners[state.rows.keys[row]] == row),
        )
        for row in np.flatnonzero(state.rows.sources == number).tolist()
    ]
    return sorted(found, key=lambda entry: (sort_key(entry.key), sort_key(entry.original_path)))


def contributions(index: Queries) -> list[Contribution]:
    """Return what each source contributes, low to high; a row of zeros for one without files."""
    import numpy as np

    state = index.state
    pairs = state.stacks.pairs
    count = len(state.origins)
    several = np.bincount(pairs.keys, minlength=len(state.names))[pairs.keys] > 1
    wins = pairs.sources == state.stacks.winning_sources()[pairs.keys]

    def per_source(chosen: Mask) -> list[int]:
        found: list[int] = np.bincount(pairs.sources[chosen], minlength=count).tolist()
        return found

    columns = zip(
        per_source(wins),
        per_source(wins & several),
        per_source(~wins),
        per_source(~several),
        per_source(several),
        np.bincount(state.stacks.hidden.sources, minlength=count).tolist(),
        strict=True,
    )
    found: list[Contribution] = []
    for number, (origin, (winning, overriding, overridden, unique, duplicate, hidden)) in enumerate(
        zip(state.origins, columns, strict=True)
    ):
        total = winning + overridden + hidden
        loose, archive = (total, 0) if origin.source.kind == "directory" else (0, total)
        found.append(Contribution(number, origin.source, winning, overriding, overridden, unique, duplicate, loose, archive, hidden))
    return found


def _winning(state: State) -> list[int]:
    """Of how many files each source's version wins."""
    import numpy as np

    sources = state.stacks.winning_sources()
    found: list[int] = np.bincount(sources[sources >= 0], minlength=len(state.origins)).tolist()
    return found
