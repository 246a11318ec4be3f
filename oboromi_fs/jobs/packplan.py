"""What may be chosen of something that is to be built, and the plan of it: what will be written, and writing it."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs.builders.nca import BuiltNca
from oboromi_fs.builders.ncz import NczOptions
from oboromi_fs.file import File
from oboromi_fs.jobs.assembly import Part, assemble, image_of
from oboromi_fs.jobs.compressing import assemble_compressed
from oboromi_fs.jobs.naming import Named, full_name, naming
from oboromi_fs.jobs.ncafolder import ContentOptions
from oboromi_fs.storage.splitting import PART_SIZE, part_names, write_split

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.builders.nca import NcaBuilder
    from oboromi_fs.builders.pfs0 import Padding
    from oboromi_fs.builders.romfs.tree import Like as RomFsStyle
    from oboromi_fs.jobs.assembly import Compose, Progress
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import Storage

__all__ = ["PackOptions", "PackPlan", "Split"]

Split: TypeAlias = Literal["", "folder", "numbered"]
_ASIDE = ".oboromi-"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOptions:
    """What may be chosen.

    Attributes:
        content: For NCAs.
        romfs_style: Whose RomFS to write.
        padding: Whose padding of a PFS0's names.
        alignment: Of an HFS0's members.
        hashed: Bytes of each HFS0 member to hash.
        fill: Whether a card image goes on to the end of the card.
        icon: Of an NRO; so are ``nacp`` and ``romfs``.
        compress: Compress the segments of a KIP or NSO.
        ncz: How NCAs are compressed.
        workers: Threads; None takes one for each processor.
    """

    content: ContentOptions = field(default_factory=ContentOptions)
    romfs_style: RomFsStyle = "common"
    padding: Padding = "official"
    alignment: int = 1
    hashed: int = 0x200
    fill: Literal["trimmed", "full"] = "trimmed"
    icon: Location | None = None
    nacp: Location | None = None
    romfs: Location | None = None
    compress: bool = True
    ncz: NczOptions = field(default_factory=NczOptions)
    workers: int | None = None


@dataclass(slots=True)
class PackPlan:
    """What will be written.

    Attributes:
        kind: One of :data:`~oboromi_fs.jobs.pack.KINDS`.
        size: Bytes it will have; of what is compressed at most, as long as it is not written.
        parts: Members of a package or card in their order; the NCA itself for one; none for what has no such members.
        files: How many files go into a RomFS, PFS0 or HFS0; 0 for others.
        warnings: What may not be meant; :meth:`write` adds what shows only when all is read.
        image: All of it, where nothing is built.
        compose: Makes the archive of its members, where there are several.
        builder: Builds the NCA, where it is one.
        kept: The NCA, where it is one and stays as it is.
        workers: Threads at most; as many as there are processors where it is None.
        places: What is read, as the user wrote it: for errors and warnings.
        in_two_steps: Writes it and returns its size, where one pass does not do.
    """

    kind: str
    size: int
    parts: list[Part] = field(default_factory=list)
    files: int = 0
    warnings: list[str] = field(default_factory=list)
    image: Storage | None = None
    compose: Compose | None = None
    builder: NcaBuilder | None = None
    kept: Nca | None = None
    workers: int | None = None
    places: tuple[Location, ...] = ()
    in_two_steps: Callable[[str, Progress | None], int] | None = None

    def write(self, path: str, *, split: Split = "", part_size: int = PART_SIZE, progress: Progress | None = None) -> list[str]:
        """Write it, aside first, so that a failure leaves nothing and an older file as it was.

        Args:
            path: Where; of an NCA also a folder, in which it gets the name it must have.
            split: Write several files; see :func:`~oboromi_fs.storage.splitting.write_split`.
            part_size: Bytes of each.
            progress: Told how far it is, in bytes.

        Returns:
            The files that were written.

        Raises:
            MappingError: Something changed while it was read; the error names it.
            OboromiFsError: Something cannot be read.
            OSError: The host refuses, such as for want of room.
        """
        path = Named(path)
        with naming(*self.places) if self.places else nullcontext():
            return self._write_split(path, split, part_size, progress) if split else self._write(path, progress)

    def _write(self, path: str, progress: Progress | None) -> list[str]:
        if self.in_two_steps is not None:
            self.size = self.in_two_steps(path, progress)
            return [path]
        if self.compose is not None and any(part.ncz is not None for part in self.parts):
            self.size = assemble_compressed(path, self.parts, self.compose, progress=progress, told=self._tell)
            return [path]
        if self.builder is not None:
            built = self.builder.write(path, workers=self.workers, progress=progress)
            self.parts[0].built = built
            return [built.path]
        if self.kept is not None and os.path.isdir(path):
            self.parts[0].built = built = BuiltNca.of(self.kept)
            path = os.path.join(path, built.name)
        if self.compose is not None:
            assemble(path, self.parts, self.compose, workers=self.workers, progress=progress)
        else:
            part = Part("", "", storage=self.image)
            assemble(path, [part], lambda members: members[0][2], progress=progress)
        return [path]

    def _tell(self, path: str, text: str) -> None:
        """Add a warning about something that shows only when all of it is read."""
        self.warnings.append(f"{full_name(self.places[0], path) if self.places else path}: {text}")

    def _write_split(self, path: str, split: Split, part_size: int, progress: Progress | None) -> list[str]:
        form: Literal["folder", "numbered"] = "numbered" if split == "numbered" else "folder"
        told = None if progress is None else lambda done, total, *_: progress(done, total)
        image = self.image
        if image is None and self.compose is not None and all(part.builder is None and part.ncz is None for part in self.parts):
            image = image_of(self.parts, self.compose)
        if image is not None:
            return write_split(image, path, form=form, part_size=part_size, progress=told)
        part_names(self.size, path, form=form, part_size=part_size)  # Before the work, not after it.
        from tempfile import TemporaryDirectory

        try:
            with TemporaryDirectory(prefix=_ASIDE, suffix=".part", dir=os.path.dirname(os.path.abspath(path))) as folder:
                (whole,) = self._write(os.path.join(folder, "whole"), progress)
                with File.open(whole) as file:
                    return write_split(file, path, form=form, part_size=part_size)
        except OSError as error:
            if error.filename is None or f"{os.sep}{_ASIDE}" in os.fsdecode(error.filename):  # What the user knows is what was to be.
                error.filename = path
                del error.filename2
            raise
