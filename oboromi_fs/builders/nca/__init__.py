"""NCA from images: layout, hash trees, encryption, and one streamed pass over the data. Source: Switchbrew wiki, "NCA".

A :class:`NcaLayout` says everything about an NCA but the images in its sections; :func:`nca_layout` makes one for new content,
:func:`layout_of` reads one off an NCA that exists. :class:`NcaBuilder` puts images under it.
"""

from __future__ import annotations

from oboromi_fs.builders.nca.builder import BuiltNca, NcaBuilder, PlacedSection, build_nca, content_name
from oboromi_fs.builders.nca.compressing import CompressedImage, compress_image
from oboromi_fs.builders.nca.crypting import encrypt_title_key
from oboromi_fs.builders.nca.geometry import Filling, Geometry, Run
from oboromi_fs.builders.nca.layout import Kind, NcaLayout, NcaOptions, SectionLayout, SectionOptions, nca_layout, rights_id_of
from oboromi_fs.builders.nca.likeness import layout_of
from oboromi_fs.builders.nca.passing import Progress
from oboromi_fs.builders.nca.patching import PatchSection, patch_section

__all__ = [
    "BuiltNca",
    "CompressedImage",
    "Filling",
    "Geometry",
    "Kind",
    "NcaBuilder",
    "NcaLayout",
    "NcaOptions",
    "PatchSection",
    "PlacedSection",
    "Progress",
    "Run",
    "SectionLayout",
    "SectionOptions",
    "build_nca",
    "compress_image",
    "content_name",
    "encrypt_title_key",
    "layout_of",
    "nca_layout",
    "patch_section",
    "rights_id_of",
]
