"""Parts: what is made under a reserved name in an upper layer, to be put in place when it is complete."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.overlay.markers import RESERVED
from oboromi_fs.overlay.spots import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CREATE", "NOTHING_KEPT", "Kept", "Part", "drop", "keep", "move", "reserved_name", "same_times"]

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_TIMES_BY_NUMBER = os.utime in os.supports_fd


class Kept(NamedTuple):
    """What a copy keeps of the original: access rights, and times of access and change in ns. None where it has none to keep."""

    mode: int | None = None
    times: tuple[int, int] | None = None


NOTHING_KEPT = Kept()


class Part:
    """A new file in the making, under a reserved name.

    Args:
        folder: The upper layer's folder.
        mode: Its access rights, less those the umask takes.

    Attributes:
        number: Its descriptor, for reading and writing.
    """

    __slots__ = ("_aside", "_open", "folder", "name", "number")

    def __init__(self, folder: str, mode: int = 0o666) -> None:
        self.folder = folder
        self.name = reserved_name()
        with Spot(folder, self.name) as spot:
            try:
                self.number = os.open(spot.at(self.name), CREATE, mode, dir_fd=spot.fd)
            except BaseException:  # An interrupt may come after the file did.
                drop(spot, self.name)
                raise
        self._open = self._aside = True

    def keep(self, kept: Kept) -> None:
        """Take over access rights and times; to be called when the bytes are written."""
        if kept.mode is not None and hasattr(os, "fchmod"):
            os.fchmod(self.number, kept.mode)
        if kept.times is not None and _TIMES_BY_NUMBER:
            os.utime(self.number, ns=kept.times)

    def close(self) -> None:
        """Close the file, which stays."""
        if self._open:
            self._open = False
            os.close(self.number)

    def discard(self) -> None:
        """Close the file and remove it, if it was not put in place."""
        try:
            self.close()
        finally:
            if self._aside:
                with Spot(self.folder, self.name) as spot:
                    drop(spot, self.name)

    def move(self, target: Spot) -> None:
        """Put the file in place."""
        with Spot(self.folder, self.name) as source:
            move(source, target)
        self._aside = False


def reserved_name() -> str:
    """Return a new name that is never shown."""
    return f"{RESERVED}oboromi-{os.urandom(12).hex()}"


def move(source: Spot, target: Spot) -> None:
    """Rename, over whatever the host lets be renamed over.

    Raises:
        OSError: The host refuses; the error names the target as the union does.
    """
    try:
        os.replace(source.at(source.name), target.at(target.name), src_dir_fd=source.fd, dst_dir_fd=target.fd)
    except OSError as error:
        error.filename, error.filename2 = target.path, None
        raise


def drop(spot: Spot, name: str) -> None:
    """Remove a reserved name or marker, a directory with all that is in it; if there is none, that is as good."""
    try:
        os.unlink(spot.at(name), dir_fd=spot.fd)
    except FileNotFoundError:
        return
    except OSError:  # Hosts differ in how they say that it is a directory.
        from shutil import rmtree

        rmtree(spot.at(name), dir_fd=spot.fd)


def keep(spot: Spot, kept: Kept) -> None:
    """Give a directory access rights and times; its owner may always write to it, or nothing below it could be."""
    if kept.mode is not None:
        os.chmod(spot.at(spot.name), kept.mode | 0o700, dir_fd=spot.fd)
    if kept.times is not None:
        os.utime(spot.at(spot.name), ns=kept.times, dir_fd=spot.fd)


@contextmanager
def same_times(spot: Spot, *, wanted: bool = True) -> Iterator[None]:
    """Leave the times of the directory a spot is in as they are."""
    before = os.stat(spot.at("."), dir_fd=spot.fd) if wanted else None
    yield
    if before is not None:
        with suppress(OSError):  # No reason to fail, with everything else done.
            os.utime(spot.at("."), ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=spot.fd)
