"""Write aside and rename: a private directory on the target's file system, put in place at the end or removed without a trace.

Where the target does not exist, the staging directory lies beside it (in the nearest ancestor that exists), and one rename puts the tree
in place. Where it exists, the staging directory lies in it, and the tree is merged: what the target does not have is moved in whole,
directories that both have are merged. Every move is noted, so that a merge that fails is taken back; what was replaced is kept until the
end. Only a killed process leaves something: a directory called ``.oboromi-….part``, to be deleted by hand.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.errors import UnsafePathError
from oboromi_fs.jobs.hosttree import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from oboromi_fs.jobs.hosttree import Found
    from oboromi_fs.jobs.plan import Directory

__all__ = ["Staging", "undisturbed"]

_PATIENCE = 16
"""How many further interrupts do not keep us from clearing up."""


class _Move(NamedTuple):
    """An entry put in place. ``backup`` names what it replaced, in the staging directory."""

    directory: Directory
    name: str
    backup: str


class Staging:
    """A tree in the making.

    Args:
        target: The host directory the tree will be. Links in the path are followed, for the user wrote it.

    Attributes:
        tree: Cursor on the directory to write into, once :meth:`create` was called.

    Raises:
        OSError: The target is a file, or an ancestor of it is or cannot be opened.
        UnsafePathError: The target is a link that leads nowhere, or no path at all.
    """

    def __init__(self, target: str) -> None:
        if "\0" in target:
            raise UnsafePathError(target, "holds a NUL")
        self.target = target
        self._missing: list[str] = []
        ancestor = target.rstrip(_SEPARATORS) or target
        while not os.path.exists(ancestor or os.curdir):
            if os.path.islink(ancestor):
                raise UnsafePathError(ancestor, "is a symbolic link that leads nowhere")
            ancestor, name = os.path.split(ancestor.rstrip(_SEPARATORS))
            if name == os.pardir:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target)
            if name != os.curdir:
                self._missing.insert(0, name)
        self._base = Cursor(ancestor or os.curdir)
        self._name = ""
        self._outer: Cursor | None = None
        self._tree: Cursor | None = None
        self._moves: list[_Move] = []
        self._backups = 0
        self._moving = False
        self._committed = False

    @property
    def tree(self) -> Cursor:
        """The directory to write into. It stays where it is: move a copy."""
        assert self._tree is not None, "create() comes first"  # noqa: S101  # For the type checker.
        return self._tree

    def _host_path(self, directory: Directory, name: str) -> str:
        return os.path.join(self.target, *directory.names, name)

    def check(self, root: Directory, *, overwrite: bool) -> None:
        """See whether the tree can be merged into the target, before anything is written.

        Raises:
            FileExistsError: A file is there, and ``overwrite`` is false; or it is no regular file.
            IsADirectoryError: A directory is where a file must go.
            NotADirectoryError: A file is where a directory must go.
            UnsafePathError: A symbolic link is where a file or a directory must go.
        """
        if self._missing:
            return
        there = self._base.copy()
        try:
            levels = [(root, iter(root.children.items()))]
            while levels:
                directory, children = levels[-1]
                for name, child in children:
                    if self._judge(there.find(name), directory, name, overwrite=overwrite) == "directory" and child is not None:
                        there.down(name)
                        levels.append((child, iter(child.children.items())))
                        break
                else:
                    levels.pop()
                    if levels:
                        there.up()
        finally:
            there.close()

    def _judge(self, found: Found, directory: Directory, name: str, *, overwrite: bool) -> Found:
        """Return ``found`` where it and the planned entry of that name get along."""
        if not found:
            return found
        path = self._host_path(directory, name)
        if found == "link":
            raise UnsafePathError(path, "is a symbolic link; remove it, or extract elsewhere")
        if directory.children[name] is not None:
            if found != "directory":
                raise NotADirectoryError(errno.ENOTDIR, "a file is where a directory must go", path)
        elif found == "directory":
            raise IsADirectoryError(errno.EISDIR, "a directory is where a file must go", path)
        elif found == "other":
            raise FileExistsError(errno.EEXIST, "exists and is not a regular file", path)
        elif not overwrite:
            raise FileExistsError(errno.EEXIST, "exists already; allow overwriting to replace it", path)
        return found

    def create(self) -> None:
        """Make the staging directory, which only its owner may enter, and in it the tree, with the rights the umask leaves."""
        base = self._base
        self._name = f".oboromi-{os.urandom(12).hex()}.part"  # Known before it exists, so that an interrupt cannot lose it.
        try:
            os.mkdir(base.at(self._name), 0o700, dir_fd=base.fd)
        except FileExistsError:
            self._name = ""  # Not ours to remove. With 96 random bits this does not happen.
            raise
        except OSError as error:
            error.filename = self.target
            raise
        self._outer = base.copy()
        self._outer.down(self._name)
        self._tree = self._outer.copy()
        for name in ["tree", *self._missing]:
            os.mkdir(self._tree.at(name), dir_fd=self._tree.fd)
            self._tree.down(name)
        self._tree.names.clear()

    def clashing(self, names: list[str]) -> list[str]:
        """Say which of these names the host takes for an earlier one of them, as hosts do that ignore case. Found out by trying."""
        outer = self._entered()
        clashes: list[str] = []
        os.mkdir(outer.at("names"), 0o700, dir_fd=outer.fd)
        outer.down("names")
        try:
            for name in names:
                try:
                    os.close(os.open(outer.at(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=outer.fd))
                except FileExistsError:
                    clashes.append(name)
                except OSError as error:
                    if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                        raise
            outer.up()
            outer.remove("names")
        finally:
            outer.close()
        return clashes

    def _entered(self) -> Cursor:
        assert self._outer is not None, "create() comes first"  # noqa: S101  # For the type checker.
        return self._outer.copy()

    def promote(self, root: Directory, *, overwrite: bool) -> None:
        """Put the tree in place, and remove the staging directory.

        Raises:
            FileExistsError: Something came to be where nothing was when :meth:`check` looked. So may the other errors of
                :meth:`check`; everything is as it was then, once :meth:`abandon` was called.
        """
        if self._missing:
            self._move_whole()
        else:
            self._merge(root, overwrite=overwrite)
        self._committed = True  # From here on there is no way back, and no need of one.
        undisturbed(self._remove)

    def _move_whole(self) -> None:
        """Put a tree in place that nothing is in the way of, with the parents the target lacks."""
        name, outer = self._missing[0], self._entered()
        try:
            if self._base.find(name):
                raise FileExistsError(errno.EEXIST, "came to be during extraction", self.target)
            outer.down("tree")
            self._moving = True
            self._move(outer, self._base, name)
        except OSError as error:
            error.filename, error.filename2 = self.target, None
            raise
        finally:
            outer.close()

    @staticmethod
    def _move(source: Cursor, target: Cursor, name: str) -> None:
        os.rename(source.at(name), target.at(name), src_dir_fd=source.fd, dst_dir_fd=target.fd)

    def _merge(self, root: Directory, *, overwrite: bool) -> None:
        here, there = self.tree.copy(), self._base.copy()
        try:
            levels = [(root, iter(root.children.items()))]
            while levels:
                directory, children = levels[-1]
                for name, child in children:
                    found = self._judge(there.find(name), directory, name, overwrite=overwrite)
                    if found == "directory" and child is not None:
                        here.down(name)
                        there.down(name)
                        levels.append((child, iter(child.children.items())))
                        break
                    try:
                        self._place(here, there, directory, name, found)
                    except OSError as error:
                        error.filename, error.filename2 = self._host_path(directory, name), None
                        raise
                else:
                    levels.pop()
                    if levels:
                        here.up()
                        there.up()
        finally:
            here.close()
            there.close()

    def _place(self, here: Cursor, there: Cursor, directory: Directory, name: str, found: Found) -> None:
        """Move one entry in; it is noted before, for an interrupt may come in between."""
        if found:
            self._backups += 1
            backup = f"replaced-{self._backups}"
            self._moves.append(_Move(directory, name, backup))
            self._replace(here, there, name, backup)
            return
        self._moves.append(_Move(directory, name, ""))
        if directory.children[name] is None and os.name != "nt":
            # Unlike rename, link never replaces a file that came to be since we looked. The name in the staging directory goes with it.
            try:
                os.link(here.at(name), there.at(name), src_dir_fd=here.fd, dst_dir_fd=there.fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            else:
                return
        self._move(here, there, name)

    def _replace(self, here: Cursor, there: Cursor, name: str, backup: str) -> None:
        outer = self._entered()
        try:
            try:
                os.link(there.at(name), outer.at(backup), src_dir_fd=there.fd, dst_dir_fd=outer.fd, follow_symlinks=os.name == "nt")
            except (OSError, NotImplementedError):
                os.rename(there.at(name), outer.at(backup), src_dir_fd=there.fd, dst_dir_fd=outer.fd)
            os.replace(here.at(name), there.at(name), src_dir_fd=here.fd, dst_dir_fd=there.fd)
        finally:
            outer.close()

    def abandon(self, error: BaseException) -> None:
        """Take back what :meth:`promote` moved, and remove the staging directory. Further interrupts do not stop it.

        What cannot be taken back is added to the error as a note; the files it replaced are then left in the staging directory.
        """
        try:
            undisturbed(self._clear_up)
        except (OSError, UnsafePathError) as problem:
            error.add_note(f"could not clear up {self.target}: {problem}; {self._name} was left there")

    def _clear_up(self) -> None:
        if not self._committed:
            self._undo()
        self._remove()

    def _undo(self) -> None:
        """Put back what was moved, last first.

        Cursors are new each time: an interrupt may have caught the others in the middle of a step.
        """
        if self._missing:
            self._undo_whole()
        if not self._moves:
            return
        here, there, outer = self.tree.copy(), self._base.copy(), self._entered()
        try:
            while self._moves:
                directory, name, backup = self._moves[-1]
                names = directory.names
                there.goto(names)
                if backup:
                    if outer.find(backup):
                        os.replace(outer.at(backup), there.at(name), src_dir_fd=outer.fd, dst_dir_fd=there.fd)
                    self._moves.pop()
                    continue
                here.goto(names)
                staged, placed = here.stat(name), there.stat(name)
                if placed is None:
                    pass  # The interrupt came before the move.
                elif staged is None:
                    self._move(there, here, name)
                elif os.path.samestat(staged, placed):
                    os.unlink(there.at(name), dir_fd=there.fd)
                self._moves.pop()
        finally:
            here.close()
            there.close()
            outer.close()

    def _undo_whole(self) -> None:
        """Move the tree back if it was in place already; that it is ours shows in its being gone from the staging directory."""
        if not self._moving:
            return
        name, outer = self._missing[0], self._entered()
        try:
            outer.down("tree")
            if not outer.find(name) and self._base.find(name) == "directory":
                self._move(self._base, outer, name)
        finally:
            outer.close()

    def _remove(self) -> None:
        if self._name:
            base = self._base.copy()
            try:
                base.remove(self._name)
            finally:
                base.close()
            self._name = ""

    def close(self) -> None:
        """Give the descriptors back. Closing twice is harmless."""
        for cursor in (self._tree, self._outer, self._base):
            if cursor is not None:
                cursor.close()


_SEPARATORS = os.sep + (os.altsep or "")
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""How hosts say that there are no hard links here, or not of this file."""


def undisturbed(function: Callable[[], None]) -> None:
    """Call a function that may be called again; start over when interrupted, and raise the interrupt when it is done."""
    interrupt: KeyboardInterrupt | None = None
    for _ in range(_PATIENCE):
        try:
            function()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt
