"""Who provides a path: the values that every report is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.paths import join

if TYPE_CHECKING:
    from oboromi_fs.overlay.layer import Layer, LayerKind

__all__ = ["Explanation", "Hidden", "Provider", "Source", "provider", "source_of"]


class Source(NamedTuple):
    """What a provider comes from: a folder, or an archive."""

    path: str
    kind: LayerKind

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": self.path, "kind": self.kind}


class Provider(NamedTuple):
    """One layer's version of a file.

    ``source_index`` counts layers from the lowest. ``key`` is the path in the union, ``original_path`` the one in the layer as it is
    spelled there, and ``resolved_path`` where that is: a host path, or ``ARCHIVE::ENTRY``; of a file that a mod patches, its delta.
    """

    source_index: int
    source: Source
    key: str
    original_path: str
    resolved_path: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "source": self.source.to_json()}


class Hidden(NamedTuple):
    """A version that no provider chain has: something above hides it.

    ``reason`` is ``"whiteout"``, ``"opaque"`` (an opaque directory), ``"file"`` (a file in the place of it, or of a parent) or
    ``"directory"``; ``by`` is the index of the layer that has that.
    """

    provider: Provider
    reason: str
    by: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.provider.to_json(), "hidden_by": self.by, "reason": self.reason}


class Explanation(NamedTuple):
    """Why a file is the one it is. ``overridden`` is low to high; ``winner`` is None where everything is hidden."""

    key: str
    winner: Provider | None
    overridden: tuple[Provider, ...]
    hidden: tuple[Hidden, ...] = ()

    @property
    def chain(self) -> tuple[Provider, ...]:
        """All visible versions, low to high; the last is the winner."""
        return self.overridden if self.winner is None else (*self.overridden, self.winner)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "key": self.key,
            "winner": self.winner and self.winner.to_json(),
            "overridden": [provider.to_json() for provider in self.overridden],
            "hidden": [hidden.to_json() for hidden in self.hidden],
        }


def source_of(layer: Layer) -> Source:
    """Return a layer as reports name it."""
    return Source(layer.path, layer.kind or "directory")


def provider(index: int, layer: Layer, key: str, inner: str) -> Provider:
    """Return a layer's version of a file.

    Args:
        index: The layer's place from the lowest.
        layer: The layer.
        key: The path in the union.
        inner: The path in the layer's file system.
    """
    root = layer.host_root
    origin = getattr(layer.fs, "origin", None)  # Of a file system that makes its files of others.
    if origin is not None:
        return Provider(index, source_of(layer), key, inner, join(layer.path, origin(inner)))
    resolved = f"{root.rstrip('/')}/{inner}" if root else f"{layer.path}::{inner}" if layer.kind == "archive" else join(layer.path, inner)
    return Provider(index, source_of(layer), key, inner, resolved)
