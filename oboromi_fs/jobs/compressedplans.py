"""What ``pack`` plans for NCZ, NSZ and XCZ, and for the way back from them."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oboromi_fs._extents import PFS0
from oboromi_fs.backends.nca import Nca
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.builders.nsp import build_nsp
from oboromi_fs.builders.xci import build_xci
from oboromi_fs.errors import FormatError, NotADirectoryEntryError
from oboromi_fs.jobs.assembly import Part, assemble, image_of
from oboromi_fs.jobs.compressing import (
    archive_of,
    assemble_compressed,
    card_like,
    compress,
    members_of,
    must_be_named_right,
    ncz_builder,
    package_like,
    restore,
    tell_misnamed,
)
from oboromi_fs.jobs.naming import Named, full_name
from oboromi_fs.jobs.packplan import PackPlan
from oboromi_fs.opening import locate
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.ncz import NczStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oboromi_fs._extents import PartitionArchive
    from oboromi_fs.builders.ncz import NczOptions
    from oboromi_fs.builders.xci import CardLayout
    from oboromi_fs.jobs.assembly import Compose, Progress
    from oboromi_fs.jobs.packplan import PackOptions
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import Storage

__all__ = ["plan_ncz", "plan_nsz", "plan_xcz", "restored_card", "restored_package", "whole_nca"]

_COMPRESSED_PARTITION = "secure"
"""The partition of a card whose NCAs are compressed; the others hold what every card has, and are small."""


def whole_nca(place: Location) -> Nca | None:
    """The NCA in an NCZ; None where a place is none."""
    entered = place.fs.enter(place.path)
    return entered if isinstance(entered, Nca) and isinstance(entered.raw, NczStorage) else None


def _plan(kind: str, parts: list[Part], compose: Compose, options: PackOptions, warnings: list[str]) -> PackPlan:
    return PackPlan(kind, image_of(parts, compose).size, parts, warnings=warnings, compose=compose, workers=options.workers)


def plan_ncz(place: Location, options: PackOptions) -> PackPlan:
    """Plan the NCZ of an NCA, whatever it is for.

    Raises:
        NotADirectoryEntryError: The place is no NCA.
        MissingKeyError: The key of a section is absent.
    """
    entered = place.fs.enter(place.path) if place.kind == "file" else None
    if not isinstance(entered, Nca):
        raise NotADirectoryEntryError(Named(place.display), "is no NCA")
    part = Part(place.path, os.path.basename(place.display), "compressed", "NCA", storage=entered.raw)
    part.ncz = ncz_builder(entered, _ncz(options))
    tell_misnamed([part])
    return _plan("ncz", [part], lambda members: ComposedStorage([(0, members[0][2])]), options, [])


def _ncz(options: PackOptions) -> NczOptions:
    return replace(options.ncz, workers=options.workers)


def plan_nsz(place: Location, options: PackOptions) -> PackPlan:
    """Plan the NSZ of a package, of a folder as `pack nsp` takes it, or of a partition of a card.

    Raises:
        FormatError: A card, or something else that is no package.
        MissingKeyError: A key is absent.
    """
    package = archive_of(place)
    if package is None:
        return _of_folder("nsz", place, options)
    if isinstance(package, XciArchive) or package.layout is not PFS0:
        problem = "is no package: of a card make an XCZ, or an NSZ of its partition secure"
        raise FormatError(problem, what="NSZ", source=place.display)
    parts = members_of(place, package)
    restore(parts, place.fs)
    warnings = _texts(place, compress(parts, place.fs, _ncz(options)))
    if options.content.check:
        tell_misnamed(parts)
    return _plan("nsz", parts, _package_composer(package, options), options, warnings)


def plan_xcz(place: Location, options: PackOptions) -> PackPlan:
    """Plan the XCZ of a card, or of a folder as `pack xci` takes it.

    Raises:
        FormatError: Something else.
        MissingKeyError: A key is absent.
    """
    card = archive_of(place)
    if card is None:
        return _of_folder("xcz", place, options)
    if not isinstance(card, XciArchive):
        raise FormatError("is no card: of a package make an NSZ", what="XCZ", source=place.display)
    layout, lost = card_like(card)
    parts = members_of(place, card)
    restore(parts, place.fs)
    warnings = _texts(place, compress(parts, place.fs, _ncz(options), folder=_COMPRESSED_PARTITION))
    if options.content.check:
        tell_misnamed(parts)
    if lost:
        warnings.append(f"{place.display}: {lost}")
    return _plan("xcz", parts, _card_composer(card, layout), options, warnings)


def _of_folder(kind: str, place: Location, options: PackOptions) -> PackPlan:
    """Of what `pack nsp` or `pack xci` makes of a folder: as it is planned, unless an NCA has to be built first."""
    from oboromi_fs.jobs.pack import plan_pack

    plan = plan_pack("nsp" if kind == "nsz" else "xci", place, options)
    plan.kind = kind
    if any(part.builder is not None for part in plan.parts):
        plan.in_two_steps = partial(_build_and_compress, kind, place, plan, options)
        return plan
    warnings = compress(plan.parts, place.fs, _ncz(options), folder="" if kind == "nsz" else _COMPRESSED_PARTITION)
    plan.warnings += _texts(place, warnings)
    if options.content.check:
        tell_misnamed(plan.parts)
    if plan.compose is not None:  # What was compressed already is smaller than what it was planned as.
        plan.size = image_of(plan.parts, plan.compose).size
    return plan


def _build_and_compress(kind: str, place: Location, plan: PackPlan, options: PackOptions, path: str, progress: Progress | None) -> int:
    """Build the package aside, then compress that."""
    from tempfile import TemporaryDirectory

    compose = plan.compose
    assert compose is not None  # noqa: S101  # For the type checker.
    with TemporaryDirectory(prefix=".oboromi-", suffix=".part", dir=os.path.dirname(os.path.abspath(path))) as folder:
        whole = os.path.join(folder, "whole")
        assemble(whole, plan.parts, compose, workers=options.workers, progress=_half(progress, 0))
        built = locate(whole, opener=place.fs.opener)
        with closing(built.fs):
            second = (plan_nsz if kind == "nsz" else plan_xcz)(built, options)
            again = second.compose
            assert again is not None  # noqa: S101  # So.
            return assemble_compressed(path, second.parts, again, progress=_half(progress, 1))


def _half(progress: Progress | None, which: int) -> Progress | None:
    return None if progress is None else lambda done, total: progress(done + which * total, 2 * total)


# The way back


def restored_package(place: Location, package: PartitionArchive, options: PackOptions) -> PackPlan:
    """Plan the package that an NSZ was made from: its members in their order, compressed ones made again."""
    parts = members_of(place, package)
    restore(parts, place.fs)
    if options.content.check:
        must_be_named_right(parts)
    return _plan("nsp", parts, _package_composer(package, options), options, [])


def restored_card(place: Location, card: XciArchive, options: PackOptions) -> PackPlan:
    """Plan the card that an XCZ was made from."""
    layout, lost = card_like(card)
    parts = members_of(place, card)
    restore(parts, place.fs)
    if options.content.check:
        must_be_named_right(parts)
    warnings = [f"{place.display}: {lost}"] if lost else []
    return _plan("xci", parts, _card_composer(card, replace(layout, keep_header=False, fill=options.fill)), options, warnings)


def _package_composer(package: PartitionArchive, options: PackOptions) -> Compose:
    like = package_like(package) if options.padding == "official" else None

    def compose(members: Sequence[tuple[Part, str, Storage]]) -> Storage:
        return build_nsp([(name, storage) for _, name, storage in members], padding=options.padding, order="given", like=like)

    return compose


def _card_composer(card: XciArchive, layout: CardLayout) -> Compose:
    def compose(members: Sequence[tuple[Part, str, Storage]]) -> Storage:
        partitions = {name: [(called, storage) for part, called, storage in members if part.folder == name] for name in card.partitions}
        return build_xci(partitions, layout)

    return compose


def _texts(place: Location, warnings: list[tuple[str, str]]) -> list[str]:
    return [f"{full_name(place, path)}: {text}" for path, text in warnings]
