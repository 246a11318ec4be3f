"""Questions to an index of layers: who provides a path, and which paths there are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.errors import LayerError, UnsafePathError
from oboromi_fs.overlay.keys import fold_case, fold_host_path, fold_key
from oboromi_fs.overlay.matching import matching
from oboromi_fs.overlay.names import in_order
from oboromi_fs.overlay.providers import Explanation, Provider, Source
from oboromi_fs.overlay.resolver import Problem
from oboromi_fs.paths import Glob, decode_name, normalise, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.state import Origin, State
    from oboromi_fs.protocols import PathType

__all__ = ["Provenance", "Queries"]


class Provenance(NamedTuple):
    """Where a file of the union comes from: the version that wins, how many there are, and its BLAKE3 digest in hex where asked for."""

    winner: Provider
    provider_count: int
    hash: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.winner.to_json(), "provider_count": self.provider_count, "hash": self.hash}


class Queries:
    """What may be asked of an index. All of it may be asked by many threads at once, also while the index is changed."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def state(self) -> State:
        """All that the index knows, at this moment; reports are made of it."""
        return self._state

    # Sources

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources, low to high. Numbers of sources count in here, and stay: one that is removed is left without files."""
        return tuple(origin.source for origin in self._state.origins)

    @property
    def layers(self) -> tuple[Layer | None, ...]:
        """The layers of the sources; None where an index was made of a list."""
        return tuple(origin.layer for origin in self._state.origins)

    def source_ids(self) -> range:
        """Return the numbers of the sources."""
        return range(len(self._state.origins))

    def source_id(self, source: int | str | Source) -> int:
        """Return the number of a source, which is given as that, by its path, or by the name of its layer. Of several the topmost.

        Host paths are compared as :func:`oboromi_fs.overlay.keys.fold_host_path` has them.

        Raises:
            LayerError: There is no such source.
        """
        origins = self._state.origins
        if isinstance(source, int):
            if 0 <= source < len(origins):
                return source
            raise LayerError(str(source), f"there is no source of this number; there are {len(origins)}: {_called(origins)}")
        wanted = source.path if isinstance(source, Source) else source
        folder = fold_host_path(os.path.abspath(wanted))
        for number in reversed(range(len(origins))):
            origin = origins[number]
            if isinstance(source, Source):
                if origin.source == source:
                    return number
            elif wanted in (origin.name, origin.source.path):
                return number
        for number in reversed(range(len(origins))):
            layer = origins[number].layer
            if layer is not None and layer.host_root and fold_host_path(layer.host_root) == folder:
                return number
        raise LayerError(wanted, f"there is no such source; there are {_called(origins)}")

    @property
    def skipped(self) -> tuple[Problem, ...]:
        """What was left out, and why: what could not be listed, has no safe name, or is a file in one place and a directory in another."""
        return (*self._state.skipped, *self._state.clashed)

    # Lookup

    def _key(self, path: PathType) -> str:
        raw = os.fspath(path)
        text = decode_name(raw) if isinstance(raw, bytes) else raw
        if self._state.mode == "fold":
            return fold_key(text)
        try:
            return normalise(text)
        except UnsafePathError:
            return text

    def _look(self, path: PathType) -> tuple[State, str, list[int], list[int]]:
        """The state that was asked, the key, and the rows of a path: hidden ones, visible ones."""
        state = self._state
        key = self._key(path)
        stacks = state.stacks
        number = state.names.find(key)
        if 0 <= number < len(stacks.starts) - 1 and stacks.starts[number] < stacks.starts[number + 1]:
            start, first, end = (
                int(array[place]) for array, place in ((stacks.starts, number), (stacks.visible, number), (stacks.starts, number + 1))
            )
            visible = list(range(first, end))
            if state.mode == "fold" and len(visible) > 1:  # Of several spellings in one source the one that is asked for counts.
                text = os.fspath(path)
                visible.sort(key=lambda row: (state.rows.sources[row], state.spelled(row) == text))
            return state, key, list(range(start, first)), visible
        if state.mode == "mixed":
            rows = [
                row
                for other in state.names.folded.get(fold_case(key), ())
                for row in range(stacks.visible[other], stacks.starts[other + 1])
            ]
            found = {
                (int(state.rows.sources[row]), state.spelled(row)): row for row in rows if state.origins[state.rows.sources[row]].folds
            }
            return state, key, [], [row for _, row in sorted(found.items(), key=lambda item: (item[0][0], sort_key(item[0][1])))]
        return state, key, [], []

    def __len__(self) -> int:
        """Return the number of files of the union."""
        return self._state.stacks.size

    def __contains__(self, path: object) -> bool:
        """Whether a path, in any spelling that counts, is a file of the union."""
        return isinstance(path, str | bytes | os.PathLike) and bool(self._look(path)[3])

    def __iter__(self) -> Iterator[str]:
        """Iterate the keys in path order."""
        return iter(self._state.keys)

    def keys(self) -> tuple[str, ...]:
        """Return the paths of all files of the union, in path order."""
        return self._state.keys

    def winner(self, path: PathType) -> Provider | None:
        """Return the version of a file that wins; None where there is no such file."""
        state, key, _, visible = self._look(path)
        return state.provider(visible[-1], key) if visible else None

    def chain(self, path: PathType) -> tuple[Provider, ...]:
        """Return all versions of a file that count, low to high; none where there is no such file."""
        state, key, _, visible = self._look(path)
        return tuple(state.provider(row, key) for row in visible)

    def explain(self, path: PathType) -> Explanation:
        """Return who provides a file, whom that overrides, and which versions are hidden by what."""
        state, key, hidden, visible = self._look(path)
        chain = tuple(state.provider(row, key) for row in visible)
        return Explanation(key, chain[-1] if chain else None, chain[:-1], tuple(state.hidden(row, key) for row in hidden))

    def original_path(self, path: PathType, source: int | str | Source) -> str | None:
        """Return the path of a file in a source, as it is spelled there; None where the source has no version that counts."""
        number = self.source_id(source)
        state, _, _, visible = self._look(path)
        rows = [row for row in visible if state.rows.sources[row] == number]
        return state.inner(rows[-1]) if rows else None

    def sources_containing(self, path: PathType) -> tuple[int, ...]:
        """Return the numbers of the sources that have a version of a file that counts, low to high."""
        state, _, _, visible = self._look(path)
        return tuple(sorted({int(state.rows.sources[row]) for row in visible}))

    # Many paths

    def paths_with(self, prefix: PathType) -> list[str]:
        """Return the files below a directory, or the one at this very path; none for an empty prefix. In path order."""
        import numpy as np

        state = self._state
        key = self._key(prefix).rstrip("/")
        if not key:
            return []
        numbers = state.names.below(key)
        found = numbers[np.flatnonzero(state.stacks.winners[numbers] >= 0)]
        paths = state.names.paths(found)
        here = state.names.find(key)
        if here >= 0 and state.stacks.winners[here] >= 0:
            paths.append(key)
        return in_order(paths)

    def paths_matching(self, text: str) -> list[str]:
        """Return the files whose path has a text in it, in path order. Case counts as it does in the keys."""
        wanted = fold_case(text).replace("\\", "/") if self._state.mode == "fold" else text
        return [key for key in self._state.keys if wanted in key]

    def find(self, *globs: str) -> list[str]:
        """Return the files that match any of the globs, whatever the case of letters, in path order. See :class:`oboromi_fs.paths.Glob`."""
        patterns = [Glob(glob.replace("\\", "/") if self._state.mode == "fold" else glob, ignore_case=True) for glob in globs]
        return [key for key in self._state.keys if any(pattern.matches(key) for pattern in patterns)]

    def find_by_regex(self, pattern: str, *, seconds: float = 30.0) -> list[str]:
        """Return the files in whose path a regular expression is found, whatever the case of letters, in path order.

        Raises:
            PatternError: It is no regular expression, or takes too long; see :func:`oboromi_fs.overlay.matching.matching`.
        """
        return matching(pattern, self._state.keys, seconds=seconds)

    def keys_of(self, source: int | str | Source) -> list[str]:
        """Return the files of which a source has a version that counts, in path order."""
        pairs = self._state.stacks.pairs
        return self._state.sorted_keys(pairs.keys[pairs.sources == self.source_id(source)])

    def remaining(self, source: int | str | Source, *, replacements_only: bool = False) -> list[str]:
        """Return the files of a source that win; or those that do not, as another source replaces them. In path order."""
        number = self.source_id(source)
        state = self._state
        pairs = state.stacks.pairs
        mine = pairs.keys[pairs.sources == number]
        wins = state.stacks.winning_sources()[mine] == number
        return state.sorted_keys(mine[~wins if replacements_only else wins])

    def duplicate_keys(self) -> list[str]:
        """Return the files that have more than one version that counts, in path order."""
        import numpy as np

        stacks = self._state.stacks
        return self._state.sorted_keys(np.flatnonzero(stacks.starts[1:] - stacks.visible > 1).astype(np.int32))

    def ambiguous(self) -> list[Problem]:
        """Return the files that one source has in several spellings, of which the last by its bytes counts."""
        import numpy as np

        state = self._state
        rows = state.rows
        found: dict[tuple[int, int], list[str]] = {}
        again = np.flatnonzero((rows.keys[1:] == rows.keys[:-1]) & (rows.sources[1:] == rows.sources[:-1])) + 1
        for row in again.tolist():
            spelled = found.setdefault((int(rows.keys[row]), int(rows.sources[row])), [state.inner(row - 1)])
            spelled.append(state.inner(row))
        problems = [
            Problem(
                state.origins[source].name, "ambiguous", state.names.path(key), f"{' and '.join(map(repr, spelled))} differ in case alone"
            )
            for (key, source), spelled in found.items()
        ]
        return sorted(problems, key=lambda problem: (sort_key(problem.path), problem.layer))

    def provenance(self, *, hash: bool = False) -> Iterator[Provenance]:  # noqa: A002 - it is what reports call it.
        """Yield where each file comes from, in path order.

        Args:
            hash: Whether to read each file for its digest.

        Raises:
            LayerError: Digests are asked for, and a source is no more than a list.
            OSError, OboromiFsError: A file cannot be read.
        """
        state = self._state
        stacks = state.stacks
        for key in state.keys:
            number = state.names.find(key)
            row = int(stacks.winners[number])
            # A source counts once, however many spellings it has.
            count = len(set(state.rows.sources[int(stacks.visible[number]) : int(stacks.starts[number + 1])].tolist()))
            yield Provenance(state.provider(row, key), count, _digest(state, row) if hash else None)


def _called(origins: Sequence[Origin]) -> str:
    """What sources are called, for who asked for another."""
    return ", ".join(repr(origin.name) for origin in origins) or "none"


def _digest(state: State, row: int) -> str:
    from blake3 import blake3

    origin = state.origins[int(state.rows.sources[row])]
    if origin.layer is None:
        raise LayerError(origin.name, "is a list of files: there are no bytes to take digests of")
    storage = origin.layer.fs.storage(state.inner(row))
    digest = blake3()
    for start in range(0, len(storage), 1 << 20):
        digest.update(storage[start : start + (1 << 20)])
    return digest.hexdigest()
