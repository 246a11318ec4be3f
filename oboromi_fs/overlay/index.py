"""ProviderIndex: which source provides which file, for whole layers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.errors import LayerError
from oboromi_fs.overlay.cuts import hide
from oboromi_fs.overlay.gathering import Gathering
from oboromi_fs.overlay.layer import layers_of
from oboromi_fs.overlay.mutation import Mutations
from oboromi_fs.overlay.names import Names
from oboromi_fs.overlay.providers import source_of
from oboromi_fs.overlay.stacks import empty_rows, stacked
from oboromi_fs.overlay.state import Origin, State, settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.overlay.layer import Case, Layer
    from oboromi_fs.overlay.providers import Source
    from oboromi_fs.overlay.state import Mode, Profile
    from oboromi_fs.protocols import FileSystem

__all__ = ["ProviderIndex"]


class ProviderIndex(Mutations):
    """Which source provides which file: the stack of versions of every file of a union, low to high, of which the last wins.

    Keys are paths as they are spelled where all layers are exact; folded ones (:func:`oboromi_fs.overlay.keys.fold_key`) where all layers
    fold; else as the union lists them. Each directory of each layer is listed once; a version takes a few bytes, not an object.

    Made by :meth:`build` or :meth:`from_lists`.
    """

    @classmethod
    def build(cls, layers: Iterable[Layer | FileSystem], *, profile: Profile = "plain") -> ProviderIndex:
        """List layers, and index them. What cannot be listed is skipped, and told in :attr:`skipped`.

        Args:
            layers: Low to high.
            profile: ``"plain"`` takes the order as it is given, and the upper layer decides what is a file and what a directory.
                ``"openmw"`` puts archives below all else and folds every layer; of a file and a directory of one path the lower one stays.

        Raises:
            LayerError: Two layers have one name, or there is no such profile.
        """
        found: Sequence[Layer] = layers_of(layers)
        if profile == "openmw":
            found = sorted(found, key=lambda layer: layer.kind != "archive")
        elif profile != "plain":
            raise LayerError(str(profile), "there is no such profile; there are 'plain' and 'openmw'")
        cases = {layer.case for layer in found} if profile == "plain" else {"fold"}
        mode: Mode = "mixed" if len(cases) > 1 else "fold" if cases == {"fold"} else "exact"
        origins = tuple(Origin(layer.name, source_of(layer), layer.at, mode == "fold" or layer.case == "fold", layer) for layer in found)
        gathering = Gathering(Names(), fold=mode == "fold", settle=profile == "plain")
        for layer in found:
            gathering.add_layer(layer)
        return cls(_state(gathering, origins, mode, profile))

    @classmethod
    def from_lists(
        cls,
        lists: Iterable[tuple[Source, Iterable[str]]],
        *,
        profile: Profile = "plain",
        case: Case = "fold",
    ) -> ProviderIndex:
        r"""Index lists of files, without a look at any disk. Paths that are not safe are skipped, and told in :attr:`skipped`.

        Args:
            lists: Sources, low to high, each with the paths of its files. Where they fold, ``\`` separates as ``/`` does.
            profile: As for :meth:`build`.
            case: Whether case counts in them.

        Raises:
            LayerError: There is no such profile.

        Example:
            >>> from oboromi_fs.overlay.providers import Source
            >>> index = ProviderIndex.from_lists([(Source("a", "directory"), ["X.txt"]), (Source("b", "directory"), ["x.TXT", "y.txt"])])
            >>> index.keys(), index.winner("X.TXT").original_path
            (('x.txt', 'y.txt'), 'x.TXT')
        """
        found = list(lists)
        if profile == "openmw":
            found.sort(key=lambda each: each[0].kind != "archive")
        elif profile != "plain":
            raise LayerError(str(profile), "there is no such profile; there are 'plain' and 'openmw'")
        mode: Mode = "fold" if case == "fold" or profile == "openmw" else "exact"
        gathering = Gathering(Names(), fold=mode == "fold", settle=profile == "plain")
        for source, paths in found:
            gathering.add_list(source.path, paths)
        return cls(_state(gathering, tuple(Origin(source.path, source, folds=mode == "fold") for source, _ in found), mode, profile))


def _state(gathering: Gathering, origins: tuple[Origin, ...], mode: Mode, profile: Profile) -> State:
    tree = gathering.tree(tuple(mode == "mixed" and origin.folds for origin in origins))
    nothing = hide(gathering.names, *stacked(empty_rows(), 0), ())
    empty = State(origins, mode, profile, gathering.names, tree, tuple(gathering.texts), nothing, empty_rows(), tuple(gathering.problems))
    return settled(empty, gathering.rows(), by_source=False)
