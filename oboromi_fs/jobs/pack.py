"""Packing: containers, executables and metadata from folders, or from places inside other containers.

A plan is made first (:func:`plan_pack`): it lists and compares, and tells at once what cannot be. :meth:`PackPlan.write` builds, aside, so
that a failure leaves nothing. The same sources give the same bytes, whatever the machine.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from oboromi_fs._extents import HFS0, PartitionArchive
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.nsp import NspArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.hfs0 import build_hfs0
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.nsp import layout_of as nsp_layout_of
from oboromi_fs.builders.pfs0 import build_pfs0
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.builders.xci import build_xci, card_layout
from oboromi_fs.builders.xci import layout_of as card_layout_of
from oboromi_fs.errors import FormatError, IsADirectoryEntryError, NotADirectoryEntryError, NotThisFormatError
from oboromi_fs.jobs.assembly import Part, image_of
from oboromi_fs.jobs.compressedplans import plan_ncz, plan_nsz, plan_xcz, restored_card, restored_package, whole_nca
from oboromi_fs.jobs.compressing import archive_of, holds_compressed, must_be_named_right
from oboromi_fs.jobs.naming import Named, full_name, naming
from oboromi_fs.jobs.ncafolder import nca_builder, original_builder
from oboromi_fs.jobs.oddities import odd_metadata, odd_nca
from oboromi_fs.jobs.packagefolders import refuse_packages
from oboromi_fs.jobs.packplan import PackOptions, PackPlan, Split
from oboromi_fs.jobs.programs import METADATA, kip_of, left_out_of, metadata_of, nro_of, nso_of, other_files
from oboromi_fs.jobs.refolding import Folded, Original, entries_of, rebuilt, same_tree
from oboromi_fs.jobs.titlefolder import plan_titles
from oboromi_fs.paths import join, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs.jobs.assembly import Compose
    from oboromi_fs.jobs.titlefolder import TitlePlan
    from oboromi_fs.opening import Location, NestedFs
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["KINDS", "PackOptions", "PackPlan", "Split", "plan_pack"]

KINDS = ("romfs", "pfs0", "hfs0", "nca", "nsp", "xci", "ncz", "nsz", "xcz", "nro", "kip", "nso", *METADATA)
"""What can be built."""

T = TypeVar("T")
R = TypeVar("R")
_PARTITIONS = ("update", "normal", "secure", "logo")


def plan_pack(kind: str, place: Location, options: PackOptions | None = None, like: Location | None = None) -> PackPlan:
    """Plan to build something; nothing is written, and hardly more is read than names and what tells what has changed.

    Args:
        kind: One of :data:`KINDS`.
        place: A folder or file of the host, or a place inside a container. It must stay open until all is written.
        options: What was chosen.
        like: What exists already: everything that is not content is as there, and an unchanged tree gives its bytes.

    Raises:
        EntryNotFoundError: Something needed is not there.
        FormatError: Something the format cannot hold; the error names it.
        MissingKeyError: A key is absent.
    """
    options = options or PackOptions()
    if like is None:
        refuse_packages(kind, place)
    others = [other for other in (like, options.icon, options.nacp, options.romfs) if other is not None]
    with naming(place, *others):
        plan = _plan(kind, place, options, Original(like.fs, like.path, like) if like is not None else None)
    plan.places = (place, *others)
    for each in (place, *others):
        plan.warnings += _problems(each) + _left_out(each)
    return plan


def _plan(kind: str, place: Location, options: PackOptions, original: Original | None) -> PackPlan:
    if kind in _TREES:
        return _TREES[kind](place, options, original)
    if kind in METADATA:
        if place.kind == "directory":
            raise IsADirectoryEntryError(Named(place.display), "is a folder, and a TOML or JSON text is needed")
        storage = place.fs.storage(place.path)
        value = metadata_of(storage, Named(place.display), kind)
        data = value.to_bytes()
        odd = [f"{place.display}: {text}" for text in odd_metadata(value)]
        return PackPlan(kind, len(data), warnings=odd, image=MemoryStorage(data, place.display))
    warnings: list[str] = []
    if kind == "nro":
        image = nro_of(place, original, icon=options.icon, nacp=options.nacp, romfs=options.romfs, check=options.content.check)
    else:
        image = {"kip": kip_of, "nso": nso_of}[kind](place, original.image if original else None, compress=options.compress)
        warnings += [f"{full_name(place, path)} is no part of a {kind.upper()}, and is left out" for path in other_files(place)]
    return PackPlan(kind, image.size, warnings=warnings, image=image)


_MOST_NAMED = 5
"""How many paths that are left out are named."""


def _problems(place: Location) -> list[str]:
    """Warnings about what the archive that a place is, or lies in, says that cannot be."""
    fs = place.fs.enter(place.path) if place.kind == "file" else place.fs.resolve(place.path)[0]
    return [f"{place.display}: {problem}" for problem in getattr(fs, "problems", ())]


def _left_out(place: Location) -> list[str]:
    """Warnings about what is in a folder and was not listed, of which there may be very much."""
    left_out = left_out_of(place.fs)
    named = sorted(left_out)[:_MOST_NAMED]
    warnings = [f"{full_name(place, path)} is {left_out[path]}, and is left out" for path in named]
    more = len(left_out) - len(named)
    if more:
        warnings.append(f"{place.display}: {more} more such {'path is' if more == 1 else 'paths are'} left out")
    return warnings


def _tree(place: Location) -> tuple[FileSystem, str]:
    """The directory a place is; of a container, the file system in it."""
    if place.kind == "directory":
        return place.fs, place.path
    entered = place.fs.enter(place.path)
    if entered is None:
        raise NotADirectoryEntryError(Named(place.display), "neither a folder nor a container")
    return entered, ""


def _nested(place: Location) -> tuple[NestedFs, str]:
    """The same, listed by what the place is in: so paths of what is in a container start where the user's does."""
    _tree(place)
    return place.fs, normalise(place.path)


def _container(original: Original, what: str, wanted: type[T]) -> T:
    """The original as what it has to be."""
    container = original.entered() if original.path else None
    if not isinstance(container, wanted):
        found = getattr(container, "kind", "a plain file" if original.path else "a folder")
        raise NotThisFormatError(f"--like is to name a container of the same kind, and this is {found}", what=what, source=original.name)
    return container


def _layout_of(original: Original, container: T, layout_of: Callable[[T], R]) -> R:
    """How the original is laid out; errors name it."""
    try:
        return layout_of(container)
    except FormatError as wrong:
        wrong.source = wrong.source or original.name
        raise


def _is_container(original: Original | None, what: str, wanted: type[object], layout: object = None) -> None:
    if original is not None:
        container = _container(original, what, wanted)
        if layout is not None and getattr(container, "layout", None) is not layout:
            raise NotThisFormatError("--like is to name a container of the same kind", what=what, source=original.name)


# Trees


def _plan_romfs(place: Location, options: PackOptions, original: Original | None) -> PackPlan:
    _is_container(original, "RomFS", RomFs)
    fs, path = _tree(place)
    image = RomFsImage(fs, path, like=options.romfs_style) if original is None else rebuilt(fs, path, original)
    return PackPlan("romfs", image.size, files=image.file_count if isinstance(image, RomFsImage) else _count(fs, path), image=image)


def _plan_partition(place: Location, options: PackOptions, original: Original | None, *, hashed: bool) -> PackPlan:
    fs, path = _tree(place)
    kind = "hfs0" if hashed else "pfs0"
    if original is not None:
        _is_container(original, kind.upper(), PartitionArchive, HFS0 if hashed else None)
        image = rebuilt(fs, path, original)
    else:
        files = Folded(fs, path)
        image = (
            build_hfs0(files, alignment=options.alignment, hashed=options.hashed) if hashed else build_pfs0(files, padding=options.padding)
        )
    return PackPlan(kind, image.size, files=len(fs.read_dir(path)), image=image)


def _count(fs: FileSystem, path: str) -> int:
    from oboromi_fs.base import walk

    return sum(entry.kind == "file" for _, entry in walk(fs, path))


# NCA


def _plan_nca(place: Location, options: PackOptions, original: Original | None) -> PackPlan:
    kept = _container(original, "NCA", Nca) if original is not None else None
    if original is None and place.kind == "file" and (whole := whole_nca(place)) is not None:
        part = Part(place.path, os.path.basename(place.display), "restored", "NCA", storage=whole.raw)
        if options.content.check:
            must_be_named_right([part])
        return PackPlan("nca", part.size, [part], image=part.storage, kept=whole)
    if place.kind == "file" and not isinstance(place.fs.enter(place.path), Nca):
        raise NotADirectoryEntryError(Named(place.display), "neither the folder of an NCA nor an NCA")
    fs, path, keys = place.fs, place.path, place.fs.keys
    part = Part(path, os.path.basename(place.display), "built", "NCA")
    if original is not None and same_tree(fs, path, original):
        part.storage, part.how = original.image, "kept"
        return PackPlan("nca", part.size, [part], image=part.storage, kept=kept)
    if original is not None:
        part.builder = original_builder(fs, path, original, check=options.content.check)
    else:
        part.builder, part.kind = nca_builder(fs, path, options.content, keys)
    warnings = [f"{full_name(place, where)}: {text}" for where, text in odd_nca(fs, path, original)]
    return PackPlan("nca", part.size, [part], warnings=warnings, builder=part.builder, workers=options.workers)


# Packages and cards


def _plan_nsp(place: Location, options: PackOptions, original: Original | None) -> PackPlan:
    like = None
    if original is not None:
        like = replace(_layout_of(original, _container(original, "NSP", NspArchive), nsp_layout_of), names=())
    elif (package := archive_of(place)) is not None and not isinstance(package, XciArchive) and holds_compressed(package):
        return restored_package(place, package, options)
    fs, path = _nested(place)
    plan = plan_titles(fs, [(path, "")], options.content, fs.opener, original)
    if not plan.parts and original is None:
        raise FormatError("holds nothing: a package has NCAs, files or folders called ….nca", what="NSP folder", source=path)

    def compose(members: Sequence[tuple[Part, str, Storage]]) -> Storage:
        return build_nsp([(name, storage) for _, name, storage in members], padding=options.padding, order="given", like=like)

    return _package("nsp", plan, place, compose, options)


def _plan_xci(place: Location, options: PackOptions, original: Original | None) -> PackPlan:
    if original is not None:
        card = _layout_of(original, _container(original, "XCI", XciArchive), card_layout_of)
        card = replace(card, partitions={name: replace(layout, names=()) for name, layout in card.partitions.items()})
    elif isinstance(whole := archive_of(place), XciArchive) and holds_compressed(whole):
        return restored_card(place, whole, options)
    else:
        card = card_layout(fill=options.fill, keys=place.fs.keys)
    fs, path = _nested(place)
    folders: list[tuple[str, str]] = []
    for entry in entries_of(fs, path):
        inner = join(path, entry.name)
        known = card.partitions if original is not None else _PARTITIONS
        if entry.kind != "directory" or (entry.name not in known and entry.name not in _PARTITIONS):
            raise FormatError(f"is no partition of a card: folders called {', '.join(_PARTITIONS)} are", source=inner)
        folders.append((inner, entry.name))
    plan = plan_titles(fs, folders, replace(options.content, card=True), place.fs.opener, original)

    def compose(members: Sequence[tuple[Part, str, Storage]]) -> Storage:
        partitions = {name: [(called, storage) for part, called, storage in members if part.folder == name] for _, name in folders}
        return build_xci(partitions, card)

    return _package("xci", plan, place, compose, options)


def _package(kind: str, plan: TitlePlan, place: Location, compose: Compose, options: PackOptions) -> PackPlan:
    warnings = [f"{full_name(place, path)}: {text}" for path, text in plan.warnings]
    return PackPlan(kind, image_of(plan.parts, compose).size, plan.parts, warnings=warnings, compose=compose, workers=options.workers)


_TREES: dict[str, Callable[[Location, PackOptions, Original | None], PackPlan]] = {
    "romfs": _plan_romfs,
    "pfs0": lambda place, options, original: _plan_partition(place, options, original, hashed=False),
    "hfs0": lambda place, options, original: _plan_partition(place, options, original, hashed=True),
    "nca": _plan_nca,
    "nsp": _plan_nsp,
    "xci": _plan_xci,
    "ncz": lambda place, options, _: plan_ncz(place, options),
    "nsz": lambda place, options, _: plan_nsz(place, options),
    "xcz": lambda place, options, _: plan_xcz(place, options),
}
