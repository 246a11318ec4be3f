"""A package and the NCAs in it as one file: each NCA is built where it will lie, so that none is written twice.

An NCA is named by its hash, which is known when it is written; its size is known before. So everything is placed first, with stand-ins for
what is to be built; then the NCAs are built into their places, those that list others last; then the rest is written around them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from oboromi_fs.base import StorageBase
from oboromi_fs.builders.nca.output import FileOutput
from oboromi_fs.errors import FormatError
from oboromi_fs.protocols import Storage
from oboromi_fs.storage.aside import written_aside
from oboromi_fs.storage.composed import ComposedStorage
from oboromi_fs.storage.filled import FilledStorage
from oboromi_fs.storage.writing import write_storage

if TYPE_CHECKING:
    from oboromi_fs.builders.nca import BuiltNca, NcaBuilder
    from oboromi_fs.builders.ncz import NczBuilder

__all__ = ["Compose", "Part", "Progress", "WrittenPart", "assemble", "image_of", "places_in", "write_around"]

Progress: TypeAlias = "Callable[[int, int], object]"
"""Called with bytes done and bytes in all."""


@dataclass(slots=True, eq=False)
class Part:
    """A member of a package.

    Attributes:
        source: Where it comes from, a path below the source.
        name: What it is called; of an NCA that is built, what it was called.
        how: Taken as it is, kept from the original, or built; compressed, or made again from what is.
        what: What it is, in a few words.
        storage: Its bytes, where it is not built.
        builder: Builds it; of a Meta NCA, with hashes that are still to come.
        finish: Of a Meta NCA: returns its builder once all others are built.
        kind: The kind of content of an NCA that was in no original: one that is built, or a file that gets a record.
        content_id: What content records call it; None for what is no NCA.
        folder: The partition it is in.
        known: Whether the original has it.
        built: What became of it.
        ncz: Compresses it; :attr:`storage` is what it is compressed from.
        named: What the SHA-256 of :attr:`storage` begins with, where whoever compresses it is told if it does not.
    """

    source: str
    name: str
    how: Literal["as it is", "kept", "built", "compressed", "restored"] = "as it is"
    what: str = "file"
    storage: Storage | None = None
    builder: NcaBuilder | None = None
    finish: Callable[[], NcaBuilder] | None = None
    kind: str = ""
    content_id: bytes | None = None
    folder: str = ""
    known: bool = False
    built: BuiltNca | None = field(default=None, repr=False)
    ncz: NczBuilder | None = field(default=None, repr=False)
    named: str = ""

    @property
    def size(self) -> int:
        """In bytes; of one that is compressed, before that."""
        if self.builder is not None:
            return self.builder.size
        return self.storage.size if self.storage is not None else 0

    @property
    def final_name(self) -> str:
        """What it is called in the package, as soon as that is known."""
        return self.built.name if self.built is not None else self.name


Compose: TypeAlias = Callable[[Sequence[tuple[Part, str, Storage]]], Storage]
"""Makes the package of its parts, each with its name and its bytes."""


class WrittenPart(StorageBase):
    """What was written into a file that is still open.

    Args:
        output: Where.
        size: Bytes of it.
        name: What errors call it.
    """

    __slots__ = ("_output", "name")
    kind = "File"

    def __init__(self, output: FileOutput, size: int, name: str) -> None:
        self._output = output
        self._size = size
        self.name = name

    def _readinto(self, offset: int, target: memoryview) -> None:
        self._output.read(offset, target)


def _planned(parts: Sequence[Part], compose: Compose) -> tuple[Storage, list[Storage]]:
    """The package with stand-ins for what is to be built, and the stand-ins in order."""
    storages: list[Storage] = []
    members: list[tuple[Part, str, Storage]] = []
    for number, part in enumerate(parts):
        if part.builder is not None:
            storages.append(FilledStorage(part.size))
            # As long as the name that will come of the hash.
            members.append((part, f"{number:032x}{part.builder.planned().name[32:]}", storages[-1]))
        elif part.storage is not None:
            storages.append(part.storage)
            members.append((part, part.name, part.storage))
    return compose(members), storages


def image_of(parts: Sequence[Part], compose: Compose) -> Storage:
    """Return the package; where NCAs are to be built it has zeros in their place, and is good for its size."""
    return _planned(parts, compose)[0]


def assemble(
    path: str | os.PathLike[str],
    parts: Sequence[Part],
    compose: Compose,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Write a package aside, and put it in place when it is complete.

    Args:
        path: The package.
        parts: What is in it, in the order of the file. Those built get their :attr:`Part.built`.
        compose: Makes the package of them.
        workers: Threads for building; None takes one for each processor.
        progress: Told how far it is.

    Returns:
        Its bytes.

    Raises:
        MappingError: Something changed while it was read.
        FormatError: Two NCAs come out the same.
        OboromiFsError: Something cannot be read.
        OSError: The host refuses, such as for want of room.
    """
    image, storages = _planned(parts, compose)
    total = image.size + sum(part.builder.work - part.builder.size for part in parts if part.builder is not None)
    if all(part.builder is None for part in parts):
        return write_storage(image, path, None if progress is None else lambda done, _total, *_: progress(done, total))
    places = places_in(image, {id(storage) for storage in storages})
    done = 0
    with written_aside(path) as file:
        os.ftruncate(file.number, image.size)
        finals: dict[int, Storage] = {}
        order = sorted(range(len(parts)), key=lambda number: parts[number].finish is not None)
        for number in order:
            part, storage = parts[number], storages[number]
            builder = part.builder
            if builder is not None:
                if part.finish is not None:
                    builder = part.finish()
                if builder.size != storage.size:
                    raise FormatError(
                        f"has {builder.size:#x} bytes, and was planned with {storage.size:#x}", what="Meta NCA", source=part.source
                    )
                at = places[id(storage)]
                part.built = builder.write_at(file.number, at, workers=workers, progress=_from(progress, done, total))
                done += builder.work
                storage = WrittenPart(FileOutput(file.number, at), builder.size, part.built.name)
            finals[number] = storage
        _refuse_twins(parts)
        members = [(part, part.final_name, finals[number]) for number, part in enumerate(parts)]
        package = compose(members)
        built = {id(finals[number]) for number, part in enumerate(parts) if part.built is not None}
        write_around(package, file.number, 0, built, _from(progress, done, total))
    return image.size


def _refuse_twins(parts: Sequence[Part]) -> None:
    """Refuse NCAs that are built and come out as another member does."""
    seen: dict[tuple[str, str], Part] = {}
    for part in parts:
        other = seen.setdefault((part.folder, part.final_name), part)
        if other is not part and (part.built is not None or other.built is not None):
            raise FormatError(
                f"comes out the same as {other.source!r}: leave one of them out, or name what both were taken from with --like",
                what="NCA",
                source=part.source,
            )


def _from(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def places_in(image: Storage, wanted: set[int], base: int = 0) -> dict[int, int]:
    """Return where storages lie in what was composed of them, by identity.

    Args:
        image: What was composed.
        wanted: Identities of the storages.
        base: Offset of the image itself.
    """
    found: dict[int, int] = {}
    if isinstance(image, ComposedStorage):
        pieces = image.pieces
        for index, start in enumerate(pieces.starts):
            piece = pieces.open(index) if pieces.at_hand else None
            if piece is None:
                continue
            if id(piece) in wanted:
                found[id(piece)] = base + start
            else:
                found |= places_in(piece, wanted, base + start)
    return found


def write_around(image: Storage, number: int, base: int, there: set[int], progress: Progress | None) -> int:
    """Write everything but what is there already; between the pieces the file has zeros.

    Args:
        image: What is to be in the file.
        number: The file's descriptor.
        base: Where in it the image begins.
        there: Identities of the pieces that are written already.
        progress: Told how far it is.

    Returns:
        How many bytes were written.
    """
    if not isinstance(image, ComposedStorage) or not image.pieces.at_hand:
        os.lseek(number, base, os.SEEK_SET)
        write_storage(image, number)
        if progress is not None:
            progress(image.size, image.size)
        return image.size
    done = 0
    for index, start in enumerate(image.pieces.starts):
        piece = image.pieces.opened(index)
        if id(piece) not in there:
            done += write_around(piece, number, base + start, there, _from(progress, done, 0))
    return done
