"""Copying up: how what a layer below has comes to lie in the upper layer, so that it can be changed there. None of it shows."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from oboromi_fs.errors import IsADirectoryEntryError, LayerError, NotADirectoryEntryError, ReadOnlyError
from oboromi_fs.overlay.copying import kept_of
from oboromi_fs.overlay.hostplaces import host_places, is_or_lies_in
from oboromi_fs.overlay.keys import fold_case
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.streams import name_in
from oboromi_fs.overlay.union import UnionFs
from oboromi_fs.overlay.upper import UpperLayer
from oboromi_fs.overlay.upperview import UpperFoldView
from oboromi_fs.overlay.views import FoldView
from oboromi_fs.paths import join, normalise, split
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from oboromi_fs.overlay.parts import Part
    from oboromi_fs.overlay.resolver import Found
    from oboromi_fs.protocols import FileSystem, PathType

__all__ = ["UpwardFs"]


class UpwardFs(UnionFs):
    """A union with an upper layer that files and directories of the others can be copied to.

    Args:
        layers: The layers below, low to high.
        upper: The upper layer, or its folder; None for none.
        forgiving: As for :class:`UnionFs`.

    Raises:
        LayerError: As for :class:`UnionFs`; or the upper layer's folder is that of a layer below, or one lies in the other.
        OSError: The upper layer's folder cannot be used.
    """

    def __init__(
        self,
        layers: Iterable[Layer | FileSystem] = (),
        upper: UpperLayer | str | os.PathLike[str] | None = None,
        *,
        forgiving: bool = False,
    ) -> None:
        self._upper = upper if upper is None or isinstance(upper, UpperLayer) else UpperLayer(upper)
        self._lock = RLock()
        self._folds = False
        super().__init__(layers, forgiving=forgiving)

    def _set_layers(self, layers: tuple[Layer, ...]) -> None:
        upper = self._upper
        if upper is None:
            super()._set_layers(layers)
            return
        below = tuple(layer for layer in layers if layer.fs is not upper.fs)
        for layer in below:
            if layer.name == upper.name:
                raise LayerError(layer.name, "another layer has this name")
            if any(is_or_lies_in(place, upper.folder) or is_or_lies_in(upper.folder, place) for place in host_places(layer.given)):
                raise LayerError(
                    upper.name, f"its folder {upper.folder} must lie apart from that of layer {layer.name!r}, or would change it"
                )
        self._folds = any(layer.case == "fold" for layer in below)
        top = Layer(upper.fs, upper.name, "directory", "fold" if self._folds else "exact", markers=True, path=upper.folder)
        super()._set_layers((*below, top))
        if self._folds:
            view = UpperFoldView(upper.fs)
            self._resolver.views[-1] = view
            upper.noting = view.noting

    @property
    def upper(self) -> UpperLayer | None:
        """The layer that is written to."""
        return self._upper

    def unmount(self, name: str) -> Layer:
        """Take a layer away, without closing it.

        Raises:
            LayerError: There is no layer of that name, or it is the upper layer.
        """
        if self._upper is not None and name == self._upper.name:
            raise LayerError(name, "is the upper layer, which stays as long as the union")
        return super().unmount(name)

    # Judging

    def _target(self, path: PathType) -> tuple[UpperLayer, str]:
        """The upper layer, and the path in it that something is to be written to.

        Raises:
            ReadOnlyError: There is no upper layer.
            UnsafePathError: The upper layer cannot hold such a name.
        """
        canonical = normalise(path)
        if self._upper is None:
            raise ReadOnlyError(canonical, "the union has no upper layer to write to")
        canonical = self._spelled(canonical)
        self._upper.check(canonical)
        return self._upper, canonical

    def _spelled(self, path: str) -> str:
        """A path with every name as it is listed, where layers fold case."""
        if not self._folds:
            return path
        here = ""
        for name in path.split("/") if path else ():
            spellings = self._spellings(here, name)
            here = join(here, name if not spellings or name in spellings else spellings[-1])
        return here

    def _spellings(self, directory: str, name: str) -> list[str]:
        """The names of a directory that differ from one in case alone, as they are listed."""
        folded = fold_case(name)
        views = [view for view in self._resolver.views if isinstance(view, FoldView)]
        if len(views) == len(self._layers):  # Then there is one at most, and it takes no listing to find it.
            known = ""
            for layer, paths in reversed(self._resolver.merging(directory) or []):
                spelling, gone = views[layer].spelled(paths, folded)
                known = spelling if gone or not known else known
            return [known] if known else []
        return [row.entry.name for row in self._resolver.listing(directory) or () if fold_case(row.entry.name) == folded]

    def _look(self, path: str, original: str = "") -> Found | None:
        """What is at a path; None where something may be made.

        Raises:
            EntryNotFoundError: Its directory is not there.
            NotADirectoryEntryError: Its directory is a file.
        """
        found = self._resolver.winner(path)
        if found is None and path:
            parent = self._resolver.winner(split(path)[0])
            if parent is None:
                raise self._missing(original or path)
            if parent.meta.kind != "directory":
                raise NotADirectoryEntryError(original or path)
        return found

    def _file_or_none(self, path: str) -> Found | None:
        found = self._look(path)
        if found is not None and found.meta.kind == "directory":
            raise IsADirectoryEntryError(path)
        return found

    def _is_below(self, path: str) -> bool:
        """Whether something shows at a path once the upper layer has nothing there."""
        top = len(self._layers) - 1
        if path and self._resolver.find(top, split(path)[0]).cuts:
            return False
        for layer in range(top - 1, -1, -1):
            meta, _, cuts = self._resolver.find(layer, path)
            if meta is not None:
                return True
            if cuts:
                break
        return False

    # Copying up: none of it shows

    def _in_upper(self, found: Found) -> bool:
        return found.layer == len(self._layers) - 1

    def _copy_up_directory(self, upper: UpperLayer, path: str) -> None:
        """Make a directory that is there, and those it is in, in the upper layer."""
        here = ""
        for name in path.split("/") if path else ():
            here = join(here, name)
            found = self._find(here)
            if not self._in_upper(found):
                upper.mkdir(here, opaque=False, kept=kept_of(self._layers[found.layer], here, found.paths[0]), quietly=True)

    def _copy_up(self, upper: UpperLayer, path: str, found: Found) -> None:
        """Copy a file to the upper layer, if it is not there."""
        if self._in_upper(found):
            return
        self._copy_up_directory(upper, split(path)[0])
        layer = self._layers[found.layer]
        kept = kept_of(layer, path, found.paths[0])  # Before it is read: reading may change the time of access.
        with self._part(upper, path) as part:
            write_storage(layer.fs.storage(found.paths[0]), part.number)
            part.keep(kept)
            upper.place(part, path, quietly=True)

    def _copy_up_tree(self, upper: UpperLayer, path: str, to: str) -> None:
        """Copy a directory and all that is in it to the upper layer, and hide what lower layers have there.

        Args:
            upper: The upper layer.
            path: The directory.
            to: What it will be called: a name that is too long for that is met before anything is done.
        """
        for inner, _, _, _ in self.winners(path):
            upper.check(join(to, inner))
            upper.check(join(path, inner))
        self._copy_up_directory(upper, path)
        for inner, entry, _, _ in self.winners(path):
            here = join(path, inner)
            if entry.kind == "directory":
                self._copy_up_directory(upper, here)
            else:
                self._copy_up(upper, here, self._find(here))
        upper.make_opaque(path)

    def _set_apart(self, upper: UpperLayer, path: str) -> None:
        """Copy up what differs from a path in case alone: in the upper layer, which folds, one name would stand for both."""
        if not self._folds:
            return
        parent, name = split(path)
        for spelling in self._spellings(parent, name):
            other = join(parent, spelling)
            found = self._resolver.winner(other) if spelling != name else None
            if found is None or (self._in_upper(found) and found.paths[0] == other):
                continue
            if found.meta.kind == "directory":
                self._copy_up_tree(upper, other, other)
            else:
                self._copy_up(upper, other, found)

    @contextmanager
    def _part(self, upper: UpperLayer, path: str) -> Iterator[Part]:
        """A new file in the making; it is gone unless it is put in place."""
        part = None
        try:
            part = upper.part()
            yield part
        except OSError as error:
            name_in(error, path)
            raise
        finally:
            if part is not None:
                part.discard()

    def _put(self, upper: UpperLayer, part: Part, path: str, found: Found | None) -> None:
        """Put a file in place of another, whose access rights it takes over, or of nothing."""
        if found is not None:
            part.keep(kept_of(self._layers[found.layer], path, found.paths[0])._replace(times=None))
        self._set_apart(upper, path)
        self._copy_up_directory(upper, split(path)[0])
        upper.place(part, path)
