"""Many file systems as one: layers from low to high, of which the later wins; who provides what, and why."""

from __future__ import annotations

from oboromi_fs.overlay.layer import Case, Layer, LayerKind, layers_of
from oboromi_fs.overlay.providers import Explanation, Hidden, Provider, Source
from oboromi_fs.overlay.union import UnionFs

__all__ = ["Case", "Explanation", "Hidden", "Layer", "LayerKind", "Provider", "Source", "UnionFs", "layers_of"]
