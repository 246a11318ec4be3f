"""The upper layer: a host folder that takes what is written to a union, and the operations on it.

Each operation makes its change to what the union shows in one step, a rename or the like; what comes before and after it changes nothing
that shows. What makes this possible is that both encodings of whiteouts are read everywhere: a marker ``.wh.NAME`` can stand *beside*
``NAME``, which then counts alone, and takes effect when that goes. So an operation that fails, or a process that dies, leaves the union as
it was before or as it is after.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.errors import DirectoryNotEmptyEntryError, LayerError, UnsafePathError
from oboromi_fs.overlay.markers import OPAQUE, PREFIX, is_whiteout, mark_opaque, mark_whiteouts
from oboromi_fs.overlay.parts import CREATE, NOTHING_KEPT, Part, drop, keep, move, reserved_name, same_times
from oboromi_fs.overlay.spots import Spot
from oboromi_fs.paths import join, unsafe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from oboromi_fs.overlay.markers import Encoding
    from oboromi_fs.overlay.parts import Kept
    from oboromi_fs.overlay.spots import Standing

__all__ = ["UpperLayer", "remove_folder"]

_NO_DEVICES = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class UpperFs(HostFs):
    """The folder as it is read: split archives are not put together, for who wrote the parts expects to find them."""

    def _parts(self, host: str) -> list[str]:
        del host
        return []

    def _whole(self, path: str) -> str:
        del path
        return ""


class UpperLayer:
    """A host folder that a union writes to. It knows nothing of the layers below.

    Names that begin with ``.wh.`` are markers and cannot be written. Those that begin with ``.wh..wh.`` are the layer's own: a process that
    is killed may leave one called ``.wh..wh.oboromi-…``, which is never shown and may be deleted.

    Args:
        folder: The folder; it is made if it is not there, not so the one it is in.
        markers: How whiteouts and opaque directories are written: ``"oci"``, as files with names that begin with ``.wh.``, on any host; or
            ``"overlayfs"``, as Linux mounts them with ``-o userxattr``. Whatever is in the folder, both are read.
        name: What the layer is called.

    Attributes:
        noting: Called with the paths that an operation changes, around that. Reserved names in the root come and go with each.

    Raises:
        LayerError: The host has not what overlayfs' markers need.
        NotADirectoryEntryError: The folder is a file.
        OSError: The host refuses.
    """

    def __init__(self, folder: str | os.PathLike[str], markers: Encoding = "oci", *, name: str = "upper") -> None:
        if markers not in ("oci", "overlayfs"):
            raise LayerError(name, f"markers is 'oci' or 'overlayfs', not {markers!r}")
        if markers == "overlayfs" and not (hasattr(os, "setxattr") and hasattr(os, "mknod")):
            raise LayerError(name, "this host has no extended attributes as overlayfs' markers need them; markers='oci' works everywhere")
        given = os.fspath(folder)
        if "\0" in given:
            raise UnsafePathError(given, "holds a NUL")
        with suppress(FileExistsError):
            os.mkdir(given)
        self.fs = UpperFs(given)
        self.folder = self.fs.root
        self.markers: Encoding = markers
        self.name = name
        self.noting: Callable[..., AbstractContextManager[None]] = _unnoted
        self._longest_name, self._longest_path = _limits(self.folder)

    def check(self, path: str) -> None:
        """See whether the folder can hold a canonical path, and a marker for it, without touching anything.

        Raises:
            UnsafePathError: A name in it is that of a marker, too long, or no name on this host; or the path is too long.
        """
        for name in path.split("/") if path else ():
            reason = unsafe_name(name)
            size = len(os.fsencode(name))
            if not reason and name.startswith(PREFIX):
                reason = f"the name {name!r} begins with {PREFIX!r}, as markers do"
            if not reason and size + len(PREFIX) > self._longest_name:
                reason = f"a name of {size} bytes is too long; with its whiteout, {self._longest_name - len(PREFIX)} are possible here"
            if reason:
                raise UnsafePathError(path, reason)
        size = len(os.fsencode(self.folder)) + len(os.fsencode(path)) + len(OPAQUE) + 2  # A marker may have to lie below it.
        if size >= self._longest_path:
            raise UnsafePathError(path, f"the path is too long: {size} bytes with the folder, of {self._longest_path - 1}")

    def standing(self, path: str) -> Standing:
        """What the folder itself has at a path, see :meth:`Spot.standing`. Its parents must be there."""
        with Spot(self.folder, path) as spot:
            return spot.standing()

    def is_marked(self, path: str) -> bool:
        """Whether a marker of OCI hides what lower layers have at a path. Its parents must be there."""
        with Spot(self.folder, path) as spot:
            return spot.stat(PREFIX + spot.name) is not None

    # Putting something there

    def part(self) -> Part:
        """Return a new file in the making."""
        with self.noting():
            return Part(self.folder)

    def place(self, part: Part, path: str, *, quietly: bool = False) -> None:
        """Put a file in place of whatever file is at a path.

        Args:
            part: The file; it is closed first, so that a host that writes late tells in time.
            path: Canonical path, whose directory is there.
            quietly: Leave the time of that directory alone, as copying up does.
        """
        part.close()
        with Spot(self.folder, path) as spot, self.noting(path), same_times(spot, wanted=quietly):
            part.move(spot)
            _unmark(spot)

    def mkdir(self, path: str, *, opaque: bool, kept: Kept = NOTHING_KEPT, below: Sequence[str] = (), quietly: bool = False) -> None:
        """Make a directory.

        Args:
            path: Canonical path where no file or directory is, but possibly a whiteout.
            opaque: Hide what lower layers have there.
            kept: Access rights and times. The owner may always write to a directory, or nothing below it could be.
            below: Names of directories to make in it, each in the one before.
            quietly: As for :meth:`place`.

        Raises:
            UnsafePathError: Something that cannot be shown is there, such as a socket or a link that leaves the folder.
        """
        name = reserved_name()
        with Spot(self.folder, name) as source, Spot(self.folder, path) as spot, self.noting(path), same_times(spot, wanted=quietly):
            here = spot.standing()
            if here in ("file", "other"):
                raise UnsafePathError(path, "in the upper layer is something there that is no directory, and not shown")
            try:
                os.mkdir(source.at(name), dir_fd=source.fd)
                for depth in range(len(below)):
                    os.mkdir(source.at("/".join([name, *below[: depth + 1]])), dir_fd=source.fd)
                if opaque:
                    self._mark_opaque(source)
                keep(source, kept)
                if here == "whiteout":
                    _mark(spot)
                    os.unlink(spot.at(spot.name), dir_fd=spot.fd)
                move(source, spot)
            except BaseException:
                drop(source, name)
                raise
            _unmark(spot)

    def make_opaque(self, path: str) -> None:
        """Hide what lower layers have in a directory, which is there."""
        with Spot(self.folder, join(path, OPAQUE)) as inside, self.noting(path), same_times(inside):
            if self.markers == "overlayfs":
                number = inside.open_directory()
                try:
                    mark_opaque(number)
                finally:
                    os.close(number)
            else:
                _touch(inside, OPAQUE)

    def set_times(self, path: str, times: tuple[int, int]) -> None:
        """Set times of access and change, in ns, of what is there."""
        if not path:
            os.utime(self.folder, ns=times)
            return
        with Spot(self.folder, path) as spot:
            os.utime(spot.at(spot.name), ns=times, dir_fd=spot.fd, follow_symlinks=False)

    def _mark_opaque(self, spot: Spot) -> None:
        if self.markers == "overlayfs":
            number = os.open(spot.at(spot.name), os.O_RDONLY | getattr(os, "O_DIRECTORY", 0), dir_fd=spot.fd)
            try:
                mark_opaque(number)
            finally:
                os.close(number)
        else:
            _touch(spot, f"{spot.name}/{OPAQUE}")

    # Taking something away

    def remove(self, path: str, *, whiteout: bool, quietly: bool = False) -> None:
        """Remove a file, a directory in which there is nothing but markers, or nothing.

        Args:
            path: Canonical path, whose directory is there.
            whiteout: Hide what lower layers have there.
            quietly: As for :meth:`place`.

        Raises:
            DirectoryNotEmptyEntryError: There is something else in the directory, although it is not shown.
        """
        with Spot(self.folder, path) as spot, self.noting(path), same_times(spot, wanted=quietly):
            here = spot.standing()
            if here == "directory":
                self._check_empty(spot)
            with self._spare_whiteout(spot, wanted=whiteout) as spare:
                if spare and here != "directory":
                    move(spare, spot)  # In place of what is there, in one step.
                    _unmark(spot)
                    return
                if whiteout:
                    _mark(spot)  # With nothing there this is the step that shows.
                if here == "directory":
                    self._sweep(spot)
                    os.rmdir(spot.at(spot.name), dir_fd=spot.fd)
                elif here:
                    os.unlink(spot.at(spot.name), dir_fd=spot.fd)
                self._settle(spot, spare)

    def move(self, old: str, new: str, *, whiteout: bool) -> None:
        """Rename a file over a file or nothing, or an opaque directory over nothing or one in which there is nothing but markers.

        Args:
            old: Canonical path of what is there.
            new: Canonical path, whose directory is there.
            whiteout: Hide what lower layers have at the old path.

        Raises:
            DirectoryNotEmptyEntryError: As for :meth:`remove`.
        """
        with Spot(self.folder, old) as source, Spot(self.folder, new) as target, self.noting(old, new):
            is_directory, there = source.standing() == "directory", target.standing()
            if is_directory and there in ("file", "other"):
                raise UnsafePathError(new, "in the upper layer is something there that is no directory, and not shown")
            if there == "directory":
                self._check_empty(target)
            with self._spare_whiteout(source, wanted=whiteout) as spare:
                if whiteout:
                    _mark(source)
                if there == "directory":
                    _mark(target)
                    self._sweep(target)
                    if os.name == "nt":  # There, nothing is renamed over a directory.
                        os.rmdir(target.at(target.name), dir_fd=target.fd)
                elif there == "whiteout" and is_directory:
                    _mark(target)
                    os.unlink(target.at(target.name), dir_fd=target.fd)
                move(source, target)
                self._settle(source, spare)
                _unmark(target)

    def _settle(self, spot: Spot, spare: Spot | None) -> None:
        """Put overlayfs' whiteout in place of the marker that hid a name until now. Should that fail, the marker goes on doing so."""
        if spare is not None:
            with suppress(OSError):
                move(spare, spot)
                _unmark(spot)

    @contextmanager
    def _spare_whiteout(self, beside: Spot, *, wanted: bool) -> Iterator[Spot | None]:
        """Give a whiteout of overlayfs to be moved in place, made before anything is done that needs it; None where another is written."""
        if not wanted or self.markers != "overlayfs":
            yield None
            return
        name = reserved_name()
        with Spot(self.folder, name) as spare:
            try:
                try:
                    os.mknod(spare.at(name), stat.S_IFCHR, 0, dir_fd=spare.fd)
                except OSError as error:
                    if error.errno not in _NO_DEVICES:
                        raise
                    _make_whiteout_file(spare, beside)
                yield spare
            finally:
                drop(spare, name)

    def _check_empty(self, spot: Spot) -> None:
        for name in os.listdir(spot.host):
            host = os.path.join(spot.host, name)
            if not name.startswith(PREFIX) and not is_whiteout(host, os.lstat(host)):
                raise DirectoryNotEmptyEntryError(spot.path, f"{name!r} in it is not shown, and keeps the upper layer's directory")

    def _sweep(self, spot: Spot) -> None:
        """Remove the markers in a directory. What they hid, a marker beside the directory hides by now, or there is none."""
        for name in os.listdir(spot.host):
            with Spot(self.folder, join(spot.path, name)) as inside:
                drop(inside, name)


@contextmanager
def _unnoted(*_: str) -> Iterator[None]:
    yield


def remove_folder(folder: str) -> None:
    """Remove a host folder with all that is in it, links as links; if there is none, that is as good."""
    if os.path.lexists(folder):
        from shutil import rmtree

        rmtree(folder)


def _limits(folder: str) -> tuple[int, int]:
    """The longest name and path, in bytes, that a host folder takes; a path with its closing NUL."""
    try:
        return min(os.pathconf(folder, "PC_NAME_MAX"), 255), min(os.pathconf(folder, "PC_PATH_MAX"), 4096)
    except (AttributeError, OSError, ValueError):
        return 255, 4096


def _touch(spot: Spot, name: str) -> None:
    with suppress(FileExistsError):
        os.close(os.open(spot.at(name), CREATE, 0o666, dir_fd=spot.fd))


def _mark(spot: Spot) -> None:
    """Hide what lower layers have; what is there in this layer counts as before."""
    _touch(spot, PREFIX + spot.name)


def _unmark(spot: Spot) -> None:
    """Remove a marker that has no effect any more. That it stays is no harm, and no reason to fail."""
    with suppress(OSError):
        os.unlink(spot.at(PREFIX + spot.name), dir_fd=spot.fd)


def _make_whiteout_file(spare: Spot, beside: Spot) -> None:
    number = os.open(spare.at(spare.name), CREATE, 0o666, dir_fd=spare.fd)
    try:
        directory = beside.open_directory()
        try:
            mark_whiteouts(directory, number)
        finally:
            os.close(directory)
    finally:
        os.close(number)
