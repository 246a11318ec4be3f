"""What a composed image is made of: runs of bytes with a place each, given as storages or opened when they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from itertools import islice
from operator import gt
from typing import TYPE_CHECKING

from oboromi_fs.errors import FormatError, MappingError, MissingKeyError, OboromiFsError
from oboromi_fs.storage._source import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oboromi_fs.protocols import Storage

__all__ = ["CalledPieces", "GivenPieces", "Pieces", "changed", "gone", "tell"]


def changed(path: str, planned: int, there: int) -> MappingError:
    """Return (not raise) the error about a piece whose size is not the one the image was planned with."""
    return MappingError(path, f"changed while it was read: it had {planned} bytes when the image was planned, and has {there}")


def gone(path: str) -> MappingError:
    """Return (not raise) the error about a piece that was there when the image was planned."""
    return MappingError(path, "changed while it was read: it was there when the image was planned, and is gone")


def tell(error: BaseException, path: str) -> None:
    """Add to an error which piece was being read."""
    where = f"while reading {path!r}"
    if isinstance(error, FormatError):
        error.problem += f" ({where})"
    elif isinstance(error, MappingError) and error.filename != path:
        error.detail += f" ({where})"
    elif isinstance(error, MissingKeyError):
        error.why = f"{error.why} ({where})" if error.why else path
    error.add_note(where)


class Pieces(ABC):
    """Pieces of an image, which do not overlap. Subclasses say how one is opened.

    Args:
        starts: Offset of each piece in the image, ascending.
        sizes: Bytes of each piece; 0 is allowed.

    Attributes:
        starts: Offset of the first byte of each piece.
        ends: Offset of the byte after each piece.

    Raises:
        ValueError: Two pieces overlap, or the sequences differ in length.
    """

    at_hand: bool = False
    """Whether opening a piece costs nothing, because it is open."""

    def __init__(self, starts: Sequence[int], sizes: Sequence[int]) -> None:
        self.starts: array[int] = starts if isinstance(starts, array) else array("Q", starts)
        self.ends: array[int] = array("Q", (start + size for start, size in zip(self.starts, sizes, strict=True)))
        if any(map(gt, self.ends, islice(self.starts, 1, None))):
            message = "pieces overlap, or are not in the order of their offsets"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.starts)

    @abstractmethod
    def open(self, index: int) -> Storage:
        """Return the bytes of a piece. Whether they are those of the plan is for the caller to see."""

    @abstractmethod
    def path(self, index: int) -> str:
        """Return what errors call a piece."""

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The storages that are there without opening any piece."""
        return ()

    def opened(self, index: int) -> Storage:
        """Return the bytes of a piece, as many as was planned.

        Raises:
            MappingError: They are more or fewer, or gone.
        """
        planned = self.ends[index] - self.starts[index]
        try:
            storage = self.open(index)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise gone(self.path(index)) from error
        if storage.size != planned:
            raise changed(self.path(index), planned, storage.size)
        return storage

    def read(self, first: int, stop: int, target: memoryview, base: int) -> None:
        """Read pieces ``first..stop``, each of them whole. Meant for small ones: they are opened and let go one by one.

        Args:
            first: Index of the first one.
            stop: One past the index of the last one.
            target: Where to; bytes between the pieces are left as they are.
            base: Offset in the image of the first byte of ``target``.

        Raises:
            MappingError: A piece does not have the size that was planned.
        """
        for index in range(first, stop):
            self.read_part(index, 0, target[self.starts[index] - base : self.ends[index] - base])

    def read_part(self, index: int, offset: int, target: memoryview) -> None:
        """Read a part of a piece, which is opened for it.

        Args:
            index: Which piece.
            offset: First byte, counted from the start of the piece.
            target: Where to; the part is as long as this.

        Raises:
            MappingError: The piece does not have the size that was planned.
        """
        storage = self.opened(index)
        if target:
            try:
                fill(storage, offset, target)
            except (OboromiFsError, OSError) as error:
                tell(error, self.path(index))
                raise


class GivenPieces(Pieces):
    """Pieces that are storages already.

    Args:
        starts: Offset of each piece in the image, ascending.
        storages: The pieces.

    Raises:
        ValueError: Two of them overlap, or the sequences differ in length.
    """

    at_hand = True

    def __init__(self, starts: Sequence[int], storages: Sequence[Storage]) -> None:
        super().__init__(starts, [storage.size for storage in storages])
        self.storages = tuple(storages)

    @property
    def sources(self) -> tuple[Storage, ...]:
        """The pieces."""
        return self.storages

    def open(self, index: int) -> Storage:
        """Return a piece."""
        return self.storages[index]

    def path(self, index: int) -> str:
        """Return the name of the file a piece lies in, or the number of the piece."""
        return str(getattr(self.storages[index].place(0).storage, "name", "")) or f"piece {index}"


class CalledPieces(Pieces):
    """Pieces that a function opens.

    Args:
        starts: Offset of each piece in the image, ascending.
        sizes: Bytes of each piece.
        open_piece: Returns the bytes of the piece with that index.
        path_of: Returns what errors call it.

    Raises:
        ValueError: Two pieces overlap, or the sequences differ in length.
    """

    def __init__(
        self,
        starts: Sequence[int],
        sizes: Sequence[int],
        open_piece: Callable[[int], Storage],
        path_of: Callable[[int], str] = "piece {}".format,
    ) -> None:
        super().__init__(starts, sizes)
        self._open_piece = open_piece
        self._path_of = path_of

    def open(self, index: int) -> Storage:
        """Return the bytes of a piece."""
        return self._open_piece(index)

    def path(self, index: int) -> str:
        """Return what errors call a piece."""
        return self._path_of(index)
