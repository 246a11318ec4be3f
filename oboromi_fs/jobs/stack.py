"""Stacks: the layers of a stack file, or given one by one, opened into a union."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.memory import MemoryFs
from oboromi_fs.base import SubFs
from oboromi_fs.errors import NotThisFormatError, OboromiFsError
from oboromi_fs.jobs.stackfile import LayerSpec, StackSpec
from oboromi_fs.overlay import Layer, UnionFs
from oboromi_fs.paths import normalise
from oboromi_fs.splitparts import split_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from oboromi_fs.base import FileSystemBase
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import FileSystem

__all__ = ["Broken", "Stack", "open_stack"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A layer that could not be opened, and why."""

    layer: LayerSpec
    error: OboromiFsError | OSError


@dataclass(slots=True)
class Stack:
    """Layers that were opened, and the union of them. A layer that could not be opened is an empty one, and in ``broken``."""

    spec: StackSpec
    union: UnionFs
    broken: list[Broken] = field(default_factory=list)

    def close(self) -> None:
        """Close every layer."""
        self.union.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_stack(
    spec: StackSpec, opener: Opener | Callable[[], Opener] | None = None, *, forgiving: bool = True, missing: bool = False
) -> Stack:
    """Open the layers of a stack that are enabled.

    Args:
        spec: The stack.
        opener: What opens containers, with the user's keys; or what gives it, called when there is a container to open.
        forgiving: Whether damaged layers, and those that need a key, are left empty and told in ``broken``, and whether the union passes
            over what cannot be read later on (:attr:`UnionFs.problems`).
        missing: Whether a layer that is not there is one of those.

    Raises:
        EntryNotFoundError: A layer is not there, and ``missing`` is false; the message names it.
        FormatError, MissingKeyError, OSError: A layer cannot be opened, and ``forgiving`` is false.
        LayerError: Two layers have one name.
    """
    layers: list[Layer] = []
    broken: list[Broken] = []
    try:
        # One by one, so that those that were opened are closed when a further one cannot be.
        for layer in spec.layers:
            if layer.enabled:
                layers.append(_opened(spec, layer, opener, broken, _Mercy(forgiving, missing), layers))
        union = UnionFs(layers, forgiving=forgiving)
        if spec.archives:
            layers += _archives(spec, union, _given(opener), broken, _Mercy(forgiving, missing))
        if spec.profile == "openmw":
            layers.sort(key=lambda layer: layer.kind != "archive")
        return Stack(spec, UnionFs(layers, forgiving=forgiving), broken)
    except BaseException:
        for opened in layers:
            close = getattr(opened.given, "close", None)
            if opened.owned and close is not None:
                close()
        raise


class _Mercy(NamedTuple):
    """Which layers that cannot be opened are left empty: damaged ones; those that are not there."""

    damaged: bool
    missing: bool


def _given(opener: Opener | Callable[[], Opener] | None) -> Opener:
    from oboromi_fs.opening import Opener

    if opener is None:
        return Opener()
    return opener if isinstance(opener, Opener) else opener()


def _open(path: str, opener: Opener | Callable[[], Opener] | None) -> FileSystemBase:
    if os.path.isdir(path) and not split_parts(path):
        return HostFs(path)  # What opens containers takes longer to load than all else, and folders need none of it.
    from oboromi_fs.opening import locate
    from oboromi_fs.opening.location import open_location

    return open_location(locate(path, opener=_given(opener)))


def _over(fs: FileSystemBase, layer: LayerSpec, below: Sequence[Layer], mercy: _Mercy) -> FileSystem:
    """A mod that holds what differs, over the layers below it; any other layer as it is."""
    try:
        if fs.metadata("mod.toml").kind != "file":
            return fs
    except (OboromiFsError, OSError):
        return fs
    from oboromi_fs.mods.difference import is_difference, open_difference

    if not is_difference(fs):
        return fs
    try:
        union = UnionFs(below, forgiving=mercy.damaged)
        return open_difference(fs, SubFs(union, normalise(layer.at)) if layer.at else union)
    except BaseException:
        fs.close()
        raise


def _opened(
    spec: StackSpec,
    layer: LayerSpec,
    opener: Opener | Callable[[], Opener] | None,
    broken: list[Broken],
    mercy: _Mercy,
    below: Sequence[Layer],
) -> Layer:
    fs: FileSystem
    try:
        fs = _over(_open(spec.path_of(layer), opener), layer, below, mercy)
    except FileNotFoundError as error:
        if not mercy.missing:
            detail = f"{getattr(error, 'detail', '') or error.strerror or error} (layer {layer.label!r}"
            raise type(error)(spec.path_of(layer), f"{detail} of {spec.source})" if spec.source else f"{detail})") from None
        broken.append(Broken(layer, error))
        fs = MemoryFs()
    except NotADirectoryError as error:
        plain = NotThisFormatError("is no archive that is recognised", source=spec.path_of(layer))
        if not mercy.damaged:
            raise plain from error
        broken.append(Broken(layer, plain))
        fs = MemoryFs()
    except (OboromiFsError, OSError) as error:
        if not mercy.damaged:
            error.add_note(f"met in layer {layer.label!r}")
            raise
        broken.append(Broken(layer, error))
        fs = MemoryFs()
    return _as_layer(spec, layer, fs)


def _as_layer(spec: StackSpec, layer: LayerSpec, fs: FileSystem) -> Layer:
    case = "fold" if spec.profile == "openmw" else layer.case or spec.case
    return Layer(fs, layer.label, layer.kind, case, layer.at, layer.markers, layer.path, owned=True)


def _archives(spec: StackSpec, union: UnionFs, opener: Opener, broken: list[Broken], mercy: _Mercy) -> Iterator[Layer]:
    """The archives a stack names, as the layers have them."""
    for path in spec.archives:
        try:
            storage = union.storage(path)
            fs = opener.container(storage, path.rpartition("/")[2])
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if not mercy.missing:
                raise type(error)(path, f"no such file in the layers (archives of {spec.source or 'the stack'})") from None
            broken.append(Broken(LayerSpec(path), error))
            fs = MemoryFs()
        except (OboromiFsError, OSError) as error:
            if not mercy.damaged:
                raise
            broken.append(Broken(LayerSpec(path), error))
            fs = MemoryFs()
        if fs is None:
            plain = NotThisFormatError("is no archive that is recognised", what=f"layer {path!r}")
            if not mercy.damaged:
                raise plain
            broken.append(Broken(LayerSpec(path), plain))
            fs = MemoryFs()
        yield _as_layer(spec, LayerSpec(path, kind="archive"), fs)
