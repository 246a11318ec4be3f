"""The plan of a materialisation: what would be done to make a union a folder of the host, and what is in the way. Nothing is written.

Files of host folders can be linked or copied; those of archives are extracted. Nothing that belongs to a layer is ever replaced, and no
link below the target is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from oboromi_fs.base import extents_of
from oboromi_fs.errors import OboromiFsError, UnsafePathError
from oboromi_fs.jobs.copying import told
from oboromi_fs.jobs.linking import can_reflink
from oboromi_fs.jobs.loosefile import LooseFile
from oboromi_fs.jobs.plan import Plan
from oboromi_fs.jobs.sourceplaces import SourcePlaces
from oboromi_fs.overlay.providers import provider
from oboromi_fs.paths import join, normalise, split
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from oboromi_fs.jobs.plan import How
    from oboromi_fs.overlay.layer import Layer
    from oboromi_fs.overlay.union import UnionFs
    from oboromi_fs.protocols import PathType

__all__ = ["MODES", "Action", "ActionKind", "Issue", "IssueKind", "MaterialisePlan", "Mode", "plan_collapse"]

Mode: TypeAlias = Literal["copy", "hardlink", "symlink", "reflink", "auto"]
"""How loose files get to the target. ``auto`` shares blocks where the host can, which nobody can tell from a copy, and copies elsewhere.

``hardlink`` copies what the host cannot link, such as files of another device; ``reflink`` refuses.
"""
MODES: tuple[Mode, ...] = get_args(Mode)
ActionKind: TypeAlias = Literal["hardlink", "symlink", "reflink", "copy", "extract_archive", "skip_archive_file", "keep"]
"""``keep``: the destination is the source already, and is left alone."""
IssueKind: TypeAlias = Literal["missing_loose_source", "file_directory_conflict", "unsafe_destination"]


class Action(NamedTuple):
    """What is done for one file. ``source`` is a host path or ``ARCHIVE::ENTRY``, ``destination`` a host path."""

    action: ActionKind
    key: str
    source: str
    destination: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self._asdict()


class Issue(NamedTuple):
    """What is in the way of one file or directory.

    ``fatal`` tells whether it stops everything. What does not is a name that the host cannot have: that entry is left out.
    """

    issue: IssueKind
    key: str
    source: str
    destination: str
    reason: str
    fatal: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return self._asdict()


@dataclass(frozen=True, slots=True)
class MaterialisePlan:
    """What would be done, in path order a directory.

    Attributes:
        target: The folder, as it was given.
        mode: How loose files get there.
        actions: One for each file that nothing is in the way of.
        directories: Directories the folder will have.
        issues: What is in the way.
        writes: The same as the writer wants it.
    """

    target: str
    mode: Mode
    actions: tuple[Action, ...]
    directories: tuple[str, ...]
    issues: tuple[Issue, ...]
    writes: Plan = field(repr=False, compare=False)

    @property
    def fatal(self) -> tuple[Issue, ...]:
        """The issues that stop everything."""
        return tuple(issue for issue in self.issues if issue.fatal)

    @property
    def counts(self) -> dict[ActionKind, int]:
        """How many actions there are of each kind, zeros included."""
        found = dict.fromkeys(get_args(ActionKind), 0)
        for action in self.actions:
            found[action.action] += 1
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "target": self.target,
            "mode": self.mode,
            "counts": self.counts,
            "directories": list(self.directories),
            "actions": [action.to_json() for action in self.actions],
            "issues": [issue.to_json() for issue in self.issues],
        }


def plan_collapse(
    union: UnionFs, target: PathType, mode: Mode = "copy", *, path: PathType = "", extract_archives: bool = True
) -> MaterialisePlan:
    """Plan how the merged view becomes a folder. Nothing is written.

    Args:
        union: The layers.
        target: The host folder. It need not exist; if it does, it is merged into: files are replaced, others stay.
        mode: How files of host folders get there.
        path: The directory of the union to start at.
        extract_archives: Whether files of archives are extracted; else they are left out, and the plan says so.

    Raises:
        EntryNotFoundError, NotADirectoryEntryError: The union has no such directory.
        OSError: ``reflink`` was asked for, and the host cannot do it.
        OboromiFsError, OSError: A layer cannot be read.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    host = os.fsdecode(target)
    if "\0" in host:
        raise UnsafePathError(host, "holds a NUL")
    return _Planner(union, host, mode, extract_archives=extract_archives).plan(normalise(path))


class _Blocked(Exception):  # noqa: N818  # No error: the planner's way to say that an entry has an issue.
    """An entry that something is in the way of: the kind of issue, the reason, and the source."""

    def __init__(self, issue: IssueKind, reason: str) -> None:
        super().__init__(issue, reason)
        self.issue: IssueKind = issue
        self.reason = reason


class _Winner(NamedTuple):
    """A file of the merged view, and where it is to go."""

    key: str
    layer: Layer
    number: int
    inner: str
    size: int
    source: str
    destination: str


class _Loose(NamedTuple):
    """A host file."""

    path: str
    found: os.stat_result


class _Planner:
    """Goes through the merged view once."""

    def __init__(self, union: UnionFs, target: str, mode: Mode, *, extract_archives: bool) -> None:
        self._union = union
        self._target = target
        self._mode = mode
        self._extract_archives = extract_archives
        self._places = SourcePlaces(union.layers, target)
        self._writes = Plan()
        self._actions: list[Action] = []
        self._directories: list[str] = []
        self._issues: list[Issue] = []
        self._there = {"": os.path.isdir(target)}  # Directories -> whether they exist, and so might hold something already.
        self._extents: dict[int, dict[str, Extent]] = {}
        self._folder = _existing(target)
        self._shares: dict[int, bool] = {}

    def plan(self, root: str) -> MaterialisePlan:
        if not self._there[""] and os.path.lexists(self._target):
            reason = "is a link that leads nowhere" if os.path.islink(self._target) else "is no directory"
            kind: IssueKind = "unsafe_destination" if os.path.islink(self._target) else "file_directory_conflict"
            self._issues.append(Issue(kind, "", "", self._target, reason, fatal=True))
        for key, entry, number, inner in self._union.winners(root):
            layer = self._union.layers[number]
            source = provider(number, layer, join(root, key), inner).resolved_path
            winner = _Winner(key, layer, number, inner, entry.size, source, os.path.join(self._target, *key.split("/")))
            try:
                if entry.kind == "directory":
                    self._directory(key, winner.destination)
                else:
                    self._file(winner)
            except _Blocked as found:
                self._issues.append(Issue(found.issue, key, source, winner.destination, found.reason, fatal=True))
        return MaterialisePlan(self._target, self._mode, tuple(self._actions), tuple(self._directories), tuple(self._issues), self._writes)

    def _found(self, key: str, destination: str) -> os.stat_result | None:
        """What is at a destination; None for nothing, and where its folder is not there."""
        if not self._there.get(split(key)[0], False):
            return None
        try:
            return os.lstat(destination)
        except OSError:  # Nothing there; or no such name can be, which shows when it is written.
            return None
        except ValueError:  # A surrogate that stands for no byte.
            return None

    def _refused(self, key: str, source: str, destination: str, before: int) -> bool:
        """Whether the writer will leave an entry out; that is an issue, too."""
        if len(self._writes.refused) == before:
            return False
        reason = self._writes.refused[-1][1]
        self._issues.append(Issue("unsafe_destination", key, source, destination, reason, fatal=False))
        return True

    def _directory(self, key: str, destination: str) -> None:
        found = self._found(key, destination)
        self._there[key] = found is not None and stat.S_ISDIR(found.st_mode)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise _Blocked("unsafe_destination", "a symbolic link is where a directory must go")
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise _Blocked("file_directory_conflict", "a file is where a directory must go")
        if found is None and (owner := self._places.owner(key)):
            raise _Blocked("unsafe_destination", f"lies in the files of layer {owner!r}, which must not change")
        before = len(self._writes.refused)
        self._writes.add_directory(key)
        if not self._refused(key, "", destination, before):
            self._directories.append(key)

    def _file(self, winner: _Winner) -> None:
        key, source, destination = winner.key, winner.source, winner.destination
        if winner.layer.kind == "archive":
            if not self._extract_archives:
                self._actions.append(Action("skip_archive_file", key, source, destination))
                return
            loose = None
            action: ActionKind = "extract_archive"
        else:
            loose = self._loose(winner)
            action = self._way(loose) if loose is not None else "copy"
        if self._settled(key, loose, destination):
            self._actions.append(Action("keep", key, source, destination))
            return
        before = len(self._writes.refused)
        if loose is None:
            self._writes.add_file(self._extent(winner))
        elif action == "copy":
            self._writes.add_file(Extent(key, LooseFile.found(loose.path, loose.found), 0, loose.found.st_size))
        else:
            how: How = "hardlink" if action == "hardlink" else "symlink" if action == "symlink" else "reflink"
            self._writes.add_link(key, how, loose.path, LooseFile.found(loose.path, loose.found))
        if self._refused(key, source, destination, before):
            return
        if loose is not None and action != "symlink":
            self._writes.set_later(key, loose.found.st_mtime_ns, executable=bool(loose.found.st_mode & 0o111))
        self._actions.append(Action(action, key, source, destination))

    @staticmethod
    def _loose(winner: _Winner) -> _Loose | None:
        """The host file of a winner, links resolved; None where it is none, or consists of the parts of a split one."""
        layer = winner.layer
        resolve = getattr(layer.fs, "host_path", None) if layer.host_root else None
        if resolve is None:
            return None
        try:
            host = str(resolve(winner.inner))
            found = os.stat(host)
        except (OboromiFsError, OSError) as error:
            raise _Blocked("missing_loose_source", f"layer {layer.name!r} no longer has it: {error}") from None
        return _Loose(host, found) if stat.S_ISREG(found.st_mode) and found.st_size == winner.size else None

    def _way(self, loose: _Loose) -> ActionKind:
        """How a loose file gets to the target, in the mode that was asked for, on this host."""
        if self._mode in ("copy", "symlink"):
            return "copy" if self._mode == "copy" else "symlink"
        device = loose.found.st_dev
        if self._mode == "hardlink":
            return "hardlink" if device == os.stat(self._folder).st_dev else "copy"
        if not loose.found.st_size:
            return "copy"  # There is nothing to share.
        if device not in self._shares:
            self._shares[device] = can_reflink(self._folder, loose.path)
        if self._shares[device]:
            return "reflink"
        if self._mode == "reflink":
            raise OSError(
                errno.EOPNOTSUPP, f"the host cannot share blocks with a file in {self._target}: copy, or let auto decide", loose.path
            )
        return "copy"

    def _extent(self, winner: _Winner) -> Extent:
        """The bytes of a file of no host folder, found for a whole layer at a time."""
        number, fs = winner.number, winner.layer.fs
        try:
            if number not in self._extents:
                self._extents[number] = {extent.path: extent for extent in extents_of(fs)} if winner.layer.kind == "archive" else {}
            extent = self._extents[number].get(winner.inner)
            if extent is not None:
                return extent._replace(path=winner.key)
            storage = fs.storage(winner.inner)
        except (OboromiFsError, OSError) as error:
            raise told(error, f"while planning {winner.key!r} of layer {winner.layer.name!r}", winner.key) from error
        return Extent(winner.key, storage, 0, storage.size)

    def _settled(self, key: str, loose: _Loose | None, destination: str) -> bool:
        """Whether a destination is the source already; a reason why it cannot be replaced is raised."""
        found = self._found(key, destination)
        if found is not None:
            if stat.S_ISLNK(found.st_mode):
                if loose is not None and self._mode == "symlink" and os.readlink(destination) == loose.path:
                    return True
                raise _Blocked("unsafe_destination", "a symbolic link is in the way, and is not written through")
            if stat.S_ISDIR(found.st_mode):
                raise _Blocked("file_directory_conflict", "a directory is where a file must go")
            if not stat.S_ISREG(found.st_mode):
                raise _Blocked("unsafe_destination", "something that is no regular file is in the way")
            if loose is not None and os.path.samestat(found, loose.found):
                return True
            if owner := self._places.archive(found):
                raise _Blocked("unsafe_destination", f"is the archive of layer {owner!r}, which must not change")
        if owner := self._places.owner(key):
            raise _Blocked("unsafe_destination", f"lies in the files of layer {owner!r}, which must not change")
        return False


def _existing(path: str) -> str:
    """The nearest ancestor of a path that is there, or the path itself."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path
