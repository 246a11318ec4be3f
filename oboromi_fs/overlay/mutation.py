"""Changes to an index of layers. Each makes the index anew, once, and nothing else: layers and their files are never touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import EntryNotFoundError, LayerError
from oboromi_fs.overlay.cuts import Tree
from oboromi_fs.overlay.gathering import Gathering, checked_key
from oboromi_fs.overlay.holdings import Holdings
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.providers import Provider, Source, source_of
from oboromi_fs.overlay.queries import Queries
from oboromi_fs.overlay.stacks import Rows, Texts, joined_rows
from oboromi_fs.overlay.state import Origin, State, settled, spelling
from oboromi_fs.paths import Glob, join, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.stacks import Counts, Mask
    from oboromi_fs.overlay.state import Mode
    from oboromi_fs.protocols import PathType

__all__ = ["Mutations", "Push", "with_layer"]


class Push(NamedTuple):
    """A version to put into an index: the file, the source (its number, or a new one), and its path there (``""``: as in the union)."""

    key: str
    source: int | Source
    original_path: str = ""


class Mutations(Queries):
    """What may be done to an index. Numbers of sources stay what they are; a source put on top gets the next one.

    What ``resolved`` methods remove is gone with all its versions, hidden ones too; the others take away one version, and what was below it
    shows. Directories and markers of a source stay until the source is removed.
    """

    # The whole stack

    def set_winner_file(self, key: str, source: int | Source, original_path: str = "") -> Provider:
        """Make one version the only one of a file.

        Args:
            key: The file.
            source: The number of the source it is from; or a new one, which goes on top of everything.
            original_path: Its path there; as the key is where none is given.

        Raises:
            UnsafePathError: The key is not one that stays below the root.
            LayerError: There is no source of this number.
            EntryNotFoundError: The version does not count, as something above hides it.
        """
        number = self._state.names.find(self._safe(key))
        state, _ = self._pushed([Push(key, source, original_path)], self._state.all_rows.keys == number)
        found = Queries(state).winner(key)
        if found is None:
            raise EntryNotFoundError(key, "is hidden by a layer above, or is a directory there")
        self._state = state
        return found

    def remove_resolved_file(self, path: PathType) -> int:
        """Remove a file with all its versions; return how many there were."""
        number = self._state.names.find(self._key(path))
        return self._remove(self._state.all_rows.keys == number) if number >= 0 else 0

    def remove_resolved_prefix(self, prefix: PathType) -> int:
        """Remove all files below a directory, or at this very path, with all their versions; return how many versions there were.

        An empty prefix removes nothing.
        """
        return self._remove(self._below(prefix))

    def remove_resolved_matching_glob(self, *globs: str) -> int:
        """Remove all files that match any of the globs with all their versions; return how many versions there were."""
        return self._remove(self._matching(globs))

    # One version

    def push_provider(self, key: str, source: int | Source, original_path: str = "") -> int:
        """Add a version of a file; return the number of its source.

        Args:
            key: The file.
            source: The number of its source, in whose place it goes, instead of what that has there; or a new source, which goes on top of
                everything. One that has just been put on top may be given again.
            original_path: Its path there; as the key is where none is given.

        Raises:
            UnsafePathError: The key is not one that stays below the root.
            LayerError: There is no source of this number, or it has a directory of files there, or a file in the place of a parent.
        """
        self._state, numbers = self._pushed([Push(key, source, original_path)])
        return numbers[-1]

    def push_provider_batch(self, pushes: Iterable[Push | tuple[str, int | Source] | tuple[str, int | Source, str]]) -> int:
        """Add many versions, and make the index anew once; return how many there are.

        Raises:
            UnsafePathError, LayerError: As for :meth:`push_provider`; nothing is added then.
        """
        found = [Push(*push) for push in pushes]
        if found:
            self._state, _ = self._pushed(found)
        return len(found)

    def push_directory(self, layer: Layer) -> int:
        """Put a layer of loose files on top of everything; return the number of its source.

        Raises:
            LayerError: A layer has its name, or something in it cannot be indexed.
        """
        return self._push_layer(layer, "directory")

    def push_archive(self, layer: Layer) -> int:
        """Put an archive on top of everything, loose files of any profile included; return the number of its source.

        Raises:
            LayerError: A layer has its name, or something in it cannot be indexed.
        """
        return self._push_layer(layer, "archive")

    def remove_winner(self, path: PathType) -> Provider | None:
        """Remove the version of a file that wins, and return it; None where there is no such file."""
        import numpy as np

        state, key, _, visible = self._look(path)
        if not visible:
            return None
        found = state.provider(visible[-1], key)
        chosen = np.zeros(len(state.all_rows), np.bool_)
        chosen[visible[-1]] = True
        self._remove(chosen)
        return found

    def remove_provider(self, path: PathType, source: int | str | Source) -> int:
        """Remove what a source has of a file, hidden or not; return how many versions that were."""
        number = self._state.names.find(self._key(path))
        rows = self._state.all_rows
        return self._remove((rows.keys == number) & (rows.sources == self.source_id(source))) if number >= 0 else 0

    def remove_source(self, source: int | str | Source) -> int:
        """Remove all that a source has, its directories and markers too; return how many versions that were. Its number stays."""
        import numpy as np

        number = self.source_id(source)
        tree = self._state.tree
        bare = Tree(
            tuple(folders if other != number else np.empty(0, np.int32) for other, folders in enumerate(tree.folders)),
            tuple(paths if other != number else () for other, paths in enumerate(tree.whiteouts)),
            tuple(paths if other != number else () for other, paths in enumerate(tree.opaque)),
            tree.folds,
        )
        return self._remove(self._state.all_rows.sources == number, bare)

    def remove_provider_prefix(self, prefix: PathType, source: int | str | Source) -> int:
        """Remove what a source has below a directory, or at this very path; return how many versions that were."""
        return self._remove(self._below(prefix) & (self._state.all_rows.sources == self.source_id(source)))

    def remove_matching_provider(self, source: int | str | Source, *globs: str) -> int:
        """Remove what a source has of files that match any of the globs; return how many versions that were."""
        return self._remove(self._matching(globs) & (self._state.all_rows.sources == self.source_id(source)))

    # Making it anew

    def _safe(self, key: str) -> str:
        fold = self._state.mode == "fold"
        return checked_key(key, fold=fold) if fold else normalise(checked_key(key, fold=False))

    def _chosen(self, numbers: Sequence[int]) -> Mask:
        import numpy as np

        files = np.zeros(len(self._state.names), np.bool_)
        files[numbers] = True
        mask: Mask = files[self._state.all_rows.keys]
        return mask

    def _below(self, prefix: PathType) -> Mask:
        names = self._state.names
        key = self._key(prefix).rstrip("/")
        if not key:
            return self._chosen([])
        here = names.find(key)
        found = self._chosen([*names.below(key).tolist(), *([here] if here >= 0 else [])])
        if self._state.mode != "mixed":
            return found
        folded = fold_case(key)
        any_case = self._chosen([*names.below(folded, folded=True).tolist(), *names.folded.get(folded, ())])
        folds = [origin.folds for origin in self._state.origins]
        return found | (any_case & self._of_sources(folds))

    def _of_sources(self, chosen: Sequence[bool]) -> Mask:
        import numpy as np

        mask: Mask = np.array(chosen, np.bool_)[self._state.all_rows.sources]
        return mask

    def _matching(self, globs: Sequence[str]) -> Mask:
        import numpy as np

        names = self._state.names
        patterns = [Glob(glob.replace("\\", "/") if self._state.mode == "fold" else glob, ignore_case=True) for glob in globs]
        paths = enumerate(names.paths(np.arange(len(names), dtype=np.int32)))
        return self._chosen([number for number, path in paths if any(pattern.matches(path) for pattern in patterns)])

    def _remove(self, chosen: Mask, tree: Tree | None = None) -> int:
        state = self._state
        count = int(chosen.sum())
        if count or tree is not None:
            rows = state.all_rows.where(~twins(state, chosen))
            self._state = settled(replace(state, tree=tree or state.tree), rows, by_source=bool(len(state.aside)))
        return count

    def _pushed(self, pushes: Sequence[Push], dropped: Mask | None = None) -> tuple[State, list[int]]:
        """A state with versions more, without those of the old ones that are dropped; and the numbers of the sources of the new ones."""
        import numpy as np

        state = self._state
        bigger = _Growing(state)
        for push in pushes:
            bigger.push(push, self._safe(push.key))
        old = state.all_rows
        new = bigger.rows()
        drop = np.isin(_packed(old), _packed(new))
        if dropped is not None:
            drop |= twins(state, dropped)
        return settled(bigger.state(), joined_rows([old.where(~drop), new]), by_source=True), bigger.numbers

    def _push_layer(self, layer: Layer, kind: str) -> int:
        if layer.kind != kind:
            raise LayerError(layer.name, f"is of the kind {layer.kind!r}, not {kind!r}")
        state = with_layer(self._state, layer)
        new = [problem for problem in (*state.skipped[len(self._state.skipped) :], *state.clashed) if problem.layer == layer.name]
        bad = [problem for problem in new if problem.kind != "clash" or state.profile == "openmw"]
        if bad:
            raise LayerError(layer.name, f"{bad[0].text}" + (f", and {len(bad) - 1} more" if len(bad) > 1 else ""))
        self._state = state
        return len(state.origins) - 1


def _packed(rows: Rows) -> Counts:
    """File and source of each row as one number."""
    import numpy as np

    packed: Counts = rows.keys.astype(np.int64) << 32 | rows.sources
    return packed


def twins(state: State, chosen: Mask) -> Mask:
    """Return chosen rows, and those that stand for the same files of the same sources under other names."""
    import numpy as np

    if state.mode != "mixed" or not chosen.any():
        return chosen
    rows = state.all_rows
    found = {(int(rows.sources[row]), spelling(state.names, state.texts, rows, row)) for row in np.flatnonzero(chosen).tolist()}
    sources = np.isin(rows.sources, [source for source, _ in found])
    more = [
        row
        for row in np.flatnonzero(sources & ~chosen).tolist()
        if (int(rows.sources[row]), spelling(state.names, state.texts, rows, row)) in found
    ]
    wider: Mask = chosen.copy()
    wider[more] = True
    return wider


def with_layer(state: State, layer: Layer) -> State:
    """Return a state with a layer more, on top of everything. Where all layers fold, this one does, too.

    Raises:
        LayerError: A layer has its name.
    """
    if any(origin.layer is not None and origin.name == layer.name for origin in state.origins):
        raise LayerError(layer.name, "another layer has this name")
    fold = state.mode == "fold"
    mode: Mode = "mixed" if state.mode == "exact" and layer.case == "fold" else state.mode
    gathering = Gathering(state.names.copy(), fold=fold, settle=state.profile == "plain")
    gathering.add_layer(layer, len(state.origins))
    folds = layer.case == "fold"
    bigger = replace(
        state,
        mode=mode,
        origins=(*state.origins, Origin(layer.name, source_of(layer), layer.at, folds or fold, layer, pushed=True)),
        names=gathering.names,
        tree=state.tree.joined(gathering.tree((folds and not fold,))),
        texts=(*state.texts, *gathering.texts),
        skipped=(*state.skipped, *gathering.problems),
    )
    return settled(bigger, joined_rows([state.all_rows, gathering.rows()]), by_source=bool(len(state.aside)))


class _Growing:
    """A state as versions are put into it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names = state.names.copy()
        self._origins = list(state.origins)
        self._texts: dict[int, list[str]] = {}
        self._folders: dict[int, list[int]] = {}
        self._sources: dict[int, Holdings] = {}
        self.places: dict[tuple[int, int], int] = {}
        self.numbers: list[int] = []

    def push(self, push: Push, key: str) -> None:
        number = self._number(push.source)
        clash = self._clash(number, key)
        if clash:
            raise LayerError(self._origins[number].name, f"{key!r} cannot be put into it: {clash}")
        folder, _, name = key.rpartition("/")
        parts = folder.split("/") if folder else []
        self._folders.setdefault(number, []).extend(self._names.folder("/".join(parts[:depth])) for depth in range(len(parts) + 1))
        file = self._names.add(self._names.folder(folder), [name])[0]
        at = self._origins[number].at
        spelled = join(at, push.original_path) if push.original_path else push.key
        place = -1
        if spelled != key:
            texts = self._texts.setdefault(number, [])
            place = len(texts) + (len(self._state.texts[number]) if number < len(self._state.texts) else 0)
            texts.append(spelled)
        self.places[file, number] = place
        self.numbers.append(number)

    def _clash(self, number: int, key: str) -> str:
        """Why a source cannot have a file; ``""`` where it can. What is no directory of files or markers gives way."""
        if self._state.profile == "openmw":  # Told when all is in: the later of the two is left out.
            return ""
        parts = key.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        known = self._known(number)
        for path in above:
            if known.is_file(path):
                return f"{path!r} is a file there"
        if known.is_folder(key):
            return "it is a directory there"
        known.add(key, above)
        return ""

    def _known(self, number: int) -> Holdings:
        if number not in self._sources:
            self._sources[number] = Holdings(self._state, number)
        return self._sources[number]

    def _number(self, source: int | Source) -> int:
        if isinstance(source, int):
            if not 0 <= source < len(self._origins):
                raise LayerError(str(source), f"there is no source of this number; there are {len(self._origins)}")
            return source
        top = self._origins[-1] if self._origins else None
        if top is None or not top.pushed or top.layer is not None or top.source != source:
            self._origins.append(Origin(source.path, source, folds=self._state.mode == "fold", pushed=True))
        return len(self._origins) - 1

    def rows(self) -> Rows:
        """The new versions."""
        import numpy as np

        added = np.array([(file, number, place) for (file, number), place in self.places.items()], np.int32).reshape(-1, 3)
        return Rows(added[:, 0], added[:, 1], added[:, 2])

    def state(self) -> State:
        """The state without them."""
        import numpy as np

        more = len(self._origins) - len(self._state.origins)
        none = ((),) * more
        tree = self._state.tree.joined(Tree((np.empty(0, np.int32),) * more, none, none, (False,) * more))
        folders = list(tree.folders)
        texts = [*self._state.texts, *(Texts() for _ in range(more))]
        for number, new in self._folders.items():
            folders[number] = np.union1d(folders[number], np.array(new, np.int32)).astype(np.int32)
        for number, known in self._sources.items():  # Directories without files give way to one.
            folders[number] = known.without(self._names, folders[number])
        for number, written in self._texts.items():
            texts[number] = texts[number].extended(written)
        return replace(
            self._state,
            origins=tuple(self._origins),
            names=self._names,
            tree=replace(tree, folders=tuple(folders)),
            texts=tuple(texts),
        )
