"""Many file systems as one: layers from low to high, of which the later wins; who provides what, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs._lazy import loading
from oboromi_fs.overlay.layer import Case, Layer, LayerKind, layers_of
from oboromi_fs.overlay.providers import Explanation, Hidden, Provider, Source
from oboromi_fs.overlay.union import UnionFs

if TYPE_CHECKING:
    from oboromi_fs.overlay.index import ProviderIndex
    from oboromi_fs.overlay.upper import UpperLayer
    from oboromi_fs.overlay.writable import WritableUnionFs

__all__ = ["Case", "Explanation", "Hidden", "Layer", "LayerKind", "Provider", "ProviderIndex", "Source", "UnionFs", "UpperLayer"]
__all__ += ["WritableUnionFs", "layers_of"]

_LATER = {"ProviderIndex": "index", "UpperLayer": "upper", "WritableUnionFs": "writable"}
"""Names that a union by itself does not need: they load on first use."""

__getattr__, __dir__ = loading(__name__, _LATER)
