"""Sections that are not stored as they are: the RomFS of an update as a patch of its base, or compressed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oboromi_fs._decode import source_name
from oboromi_fs.builders.nca import compress_image, patch_section
from oboromi_fs.errors import FormatError
from oboromi_fs.opening.basis import Wanted, base_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.builders.nca import NcaLayout, SectionLayout
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import Storage

__all__ = ["UPDATE", "base_for", "compressed_romfs", "patched_romfs"]

UPDATE = 0x800
"""What an update's title id has and that of its base has not."""
_NAME = "romfs"


def base_for(layout: NcaLayout, place: Location) -> Nca:
    """Return the NCA that one with a layout is an update of.

    Args:
        layout: Of the update.
        place: The base: an NCA, a package, a card, or a folder of any of them.

    Raises:
        FormatError: There is none in it.
    """
    header = layout.header
    wanted = Wanted(header.program_id & ~UPDATE, header.content_type)
    found, why = base_of(wanted, place)
    if found is None:
        problem = f"content {header.content_type} of title {wanted.title_id:016x} is wanted, and {why}"
        raise FormatError(problem, what="base", source=place.display)
    return found


def patched_romfs(
    layout: NcaLayout, images: Mapping[str, Storage], base: Nca, *, generation: int = 1
) -> tuple[NcaLayout, dict[str, Storage]]:
    """Return the layout and the images of an NCA whose RomFS is a patch of that of its base; both are read, and matched by content.

    Args:
        layout: Of the whole NCA.
        images: Its file systems, by section.
        base: The base.
        generation: Of the patch's encryption: it grows with the versions of a title.

    Raises:
        FormatError: There is no RomFS, it is not to be encrypted, or that of the base is sparse.
    """
    slot, section = _romfs(layout, images)
    found = base.sections.get(slot)
    if found is None:
        raise FormatError("has no RomFS to make a patch of", what="base", source=source_name(base.raw))
    if found.is_sparse:
        problem = "is sparse: what was taken out of it cannot be compared; give the whole title"
        raise FormatError(problem, what="base", source=source_name(base.raw))
    section = replace(section, header=replace(section.header, generation=generation))
    patch = patch_section(found.decrypted(), section, images[_NAME])
    return _replaced(layout, slot, patch.layout), {**images, _NAME: patch.body}


def compressed_romfs(
    layout: NcaLayout, images: Mapping[str, Storage], *, workers: int | None = None
) -> tuple[NcaLayout, dict[str, Storage]]:
    """Return the layout and the images of an NCA whose RomFS is compressed.

    Args:
        layout: Of the whole NCA.
        images: Its file systems, by section.
        workers: Threads; None takes one for each processor.

    Raises:
        FormatError: There is no RomFS.
        UnsupportedError: The package ``lz4`` is not installed.
    """
    slot, section = _romfs(layout, images)
    packed = compress_image(images[_NAME], workers=workers)
    section = replace(section, header=replace(section.header, compression_info=packed.info))
    return _replaced(layout, slot, section), {**images, _NAME: packed.storage}


def _romfs(layout: NcaLayout, images: Mapping[str, Storage]) -> tuple[int, SectionLayout]:
    for slot, section in enumerate(layout.sections):
        if section is not None and section.name == _NAME and _NAME in images:
            return slot, section
    raise FormatError("has no RomFS", what="NCA layout", field="sections")


def _replaced(layout: NcaLayout, slot: int, section: SectionLayout) -> NcaLayout:
    return replace(layout, sections=(*layout.sections[:slot], section, *layout.sections[slot + 1 :]))
