"""Running on a merged view: a folder that a program may change at will, and what it changed as a layer of its own.

The folder holds copies (which share blocks with the originals where the host can do that), so that no original is ever edited. With hard
links, which are quick to make, a program that writes to a file in place edits the original: that is found out and told.

What is collected is contents: files that were added, changed, deleted or renamed, and directories. Modes and times are kept and make no
change by themselves.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from oboromi_fs.base import MemoryStorage
from oboromi_fs.errors import EntryNotFoundError, UnsafePathError
from oboromi_fs.jobs.extract import carry_out
from oboromi_fs.jobs.loosefile import LooseFile
from oboromi_fs.jobs.materialise import collapse
from oboromi_fs.jobs.plan import Plan
from oboromi_fs.jobs.running_renames import Contents, pair_renames
from oboromi_fs.jobs.sourceplaces import SourcePlaces
from oboromi_fs.overlay.markers import PREFIX, is_marker
from oboromi_fs.paths import join, sort_key, split
from oboromi_fs.protocols import Extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from oboromi_fs.jobs.writer import Cancel, Progress
    from oboromi_fs.overlay.union import UnionFs
    from oboromi_fs.protocols import PathType

__all__ = ["RUN_MODES", "Changes", "RunMode", "Seen", "Snapshot", "check_output", "run_finalize", "run_setup"]

RunMode: TypeAlias = Literal["copy", "hardlink"]
RUN_MODES: tuple[RunMode, ...] = get_args(RunMode)

_SECOND = 1_000_000_000
_TICK = 20_000_000


class Seen(NamedTuple):
    """What the host said of an entry. ``kind`` is ``"file" "directory" "link"`` or ``"other"``; ``goal`` is where a link leads."""

    kind: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int
    executable: bool
    goal: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A merged folder as it was made.

    Attributes:
        union: What it was made from: contents are read from there when they must be compared.
        directory: The folder.
        mode: How files got there.
        entries: Path -> what the host said of it.
        originals: With hard links, path -> the host file it is.
        refused: ``(path, reason)`` of what the folder does not have, for its name.
    """

    union: UnionFs
    directory: str
    mode: RunMode
    entries: Mapping[str, Seen] = field(repr=False)
    originals: Mapping[str, str] = field(repr=False)
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different from a snapshot; every list in path order, every path in one of them alone.

    Attributes:
        added: New files.
        changed: Files with other contents.
        deleted: Files that are gone.
        renamed: ``(old, new)`` of files that are gone from one place and are, with the same contents, new in another.
        added_directories: New directories.
        deleted_directories: Directories that are gone.
        edited_originals: ``(path, host file)`` of originals that were edited in place through a hard link, or given another mode. What is
            at such a path now counts as changed, for what it was nobody knows.
        skipped: ``(path, reason)`` of what cannot be in a layer.
        output: Where the layer was written; ``""`` where it was not.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    added_directories: tuple[str, ...] = ()
    deleted_directories: tuple[str, ...] = ()
    edited_originals: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    output: str = ""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any((self.added, self.changed, self.deleted, self.renamed, self.added_directories, self.deleted_directories, self.skipped))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "added": list(self.added),
            "changed": list(self.changed),
            "deleted": list(self.deleted),
            "renamed": [{"from": old, "to": new} for old, new in self.renamed],
            "added_directories": list(self.added_directories),
            "deleted_directories": list(self.deleted_directories),
            "edited_originals": [{"path": path, "original": original} for path, original in self.edited_originals],
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "output": self.output,
        }


def run_setup(
    union: UnionFs, directory: PathType, mode: RunMode = "copy", *, progress: Progress | None = None, cancel: Cancel | None = None
) -> Snapshot:
    """Write the merged view into a folder, and remember what it is like.

    Args:
        union: The layers.
        directory: The folder; new, or empty.
        mode: ``"copy"`` never lets an original be edited. ``"hardlink"`` is quick, and an original is edited if the program writes to it
            in place.
        progress: Called with bytes done, bytes in all, files done, files in all.
        cancel: Asked now and then whether to stop.

    Raises:
        FileExistsError: The folder is not empty.
        OSError, OboromiFsError: As :func:`~oboromi_fs.jobs.materialise.collapse`; the folder is as it was.
    """
    if mode not in RUN_MODES:
        raise ValueError(f"mode must be one of {', '.join(RUN_MODES)}, not {mode!r}")
    host = os.path.abspath(os.fsdecode(directory))
    _check_new(host, "the merged view")
    report = collapse(union, host, "hardlink" if mode == "hardlink" else "auto", progress=progress, cancel=cancel)
    originals = {action.key: action.source for action in report.plan.actions if action.action == "hardlink"}
    entries = look(host)
    _let_time_pass(max((seen.ctime_ns for seen in entries.values()), default=0))
    return Snapshot(union, host, mode, entries, originals, tuple(report.refused))


def _check_new(host: str, what: str) -> None:
    if os.path.lexists(host) and (not os.path.isdir(host) or os.listdir(host)):
        raise FileExistsError(errno.EEXIST, f"is not empty: {what} goes into a new folder", host)


def _let_time_pass(latest: int) -> None:
    """Wait until the host's clock for files, which may tick only every 10 ms, has moved on: a later write is to have a later time."""
    while latest - _SECOND < (now := time.time_ns()) <= latest + _TICK:  # A time far in the future is not waited for.
        time.sleep((latest + _TICK - now) / _SECOND + 0.001)


def look(top: str) -> dict[str, Seen]:
    """Return everything below a host folder; links are not followed."""
    found: dict[str, Seen] = {}
    pending = [""]
    while pending:
        above = pending.pop()
        with os.scandir(os.path.join(top, above)) as children:
            for child in children:
                path = join(above, child.name)
                found[path] = seen = _seen(child.path, child.stat(follow_symlinks=False))
                if seen.kind == "directory":
                    pending.append(path)
    return found


def _seen(host: str, found: os.stat_result) -> Seen:
    kind = "other"
    for name, is_kind in (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("link", stat.S_ISLNK)):
        if is_kind(found.st_mode):
            kind = name
    goal = os.readlink(host) if kind == "link" else ""
    size = found.st_size if kind == "file" else 0
    return Seen(kind, size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_nlink, bool(found.st_mode & 0o111), goal)


def check_output(union: UnionFs, output: str) -> None:
    """See whether changes can be written to a folder, before there are any.

    Raises:
        FileExistsError: It is not empty.
        UnsafePathError: It lies in a layer.
    """
    _check_new(output, "a layer of changes")
    if owner := SourcePlaces(union.layers, output).owner(""):
        raise UnsafePathError(output, f"lies in the files of layer {owner!r}, which must not change")


def check_merged(snapshot: Snapshot) -> None:
    """See that the merged folder is still one, before what is in it is taken for changes.

    Raises:
        EntryNotFoundError: It is gone.
        UnsafePathError: Something else is in its place, such as a link that leads to a folder of somebody else.
    """
    try:
        found = os.lstat(snapshot.directory)
    except FileNotFoundError:
        raise EntryNotFoundError(
            snapshot.directory, "the program has removed the merged folder itself: there is nothing to collect"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafePathError(
            snapshot.directory, "the program has put something else in the place of the merged folder: nothing is collected"
        )


def run_finalize(snapshot: Snapshot, output: PathType | None = None, *, progress: Progress | None = None) -> Changes:
    """Find out what was done to a merged folder, and write it as a layer.

    The layer holds what was added or changed, and a whiteout ``.wh.NAME`` for what is gone: on top of the layers that the folder was made
    from, it gives the folder as it is now. It is written aside and put in place whole.

    Args:
        snapshot: The folder as it was made. The folder itself is left alone.
        output: The folder of the layer; new, or empty. None only reports.
        progress: Called with bytes done, bytes in all, files done, files in all.

    Raises:
        FileExistsError, UnsafePathError: As :func:`check_output` and :func:`check_merged`.
        OSError, OboromiFsError: Something cannot be read or written; there is no output then.
    """
    check_merged(snapshot)
    host = os.fsdecode(output) if output is not None else ""
    if output is not None:
        check_output(snapshot.union, host)
        if (os.path.realpath(host) + os.sep).startswith(os.path.realpath(snapshot.directory) + os.sep):
            raise UnsafePathError(host, "lies in the folder whose changes it is to hold")
    comparison = _Comparison(snapshot)
    changes = comparison.changes()
    if output is None:
        return changes
    plan = comparison.layer(changes)
    carry_out(plan, host, progress=progress)
    refused = tuple((path, f"cannot be written: {reason}") for path, reason in sorted(plan.refused))
    return replace(changes, output=host, skipped=(*changes.skipped, *refused))


def _ordered(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths, key=sort_key))


def _by_kind(entries: Mapping[str, Seen]) -> tuple[set[str], set[str]]:
    """Paths of all but the directories, and of these."""
    directories = {path for path, seen in entries.items() if seen.kind == "directory"}
    return entries.keys() - directories, directories


def _marked(path: str) -> bool:
    """Whether a name in a path is that of a whiteout."""
    return any(map(is_marker, path.split("/"))) if PREFIX in path else False


class _Comparison:
    """A folder now against what it was."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._before = snapshot.entries
        self._contents = Contents(snapshot.union, snapshot.directory)
        self._skipped: list[tuple[str, str]] = []
        self._goals: dict[str, str] = {}
        found = look(snapshot.directory)
        self._edited = {path for path in snapshot.originals if self._in_place(path, found.get(path))}
        self._now = self._collected(found)

    def _collected(self, found: Mapping[str, Seen]) -> dict[str, Seen]:
        """What can be in a layer, in path order; why something cannot is noted, once for a directory and what is in it."""
        kept: dict[str, Seen] = {}
        left_out: set[str] = set()
        for path in _ordered(found):
            seen = found[path]
            if split(path)[0] in left_out:
                left_out.add(path)
                continue
            reason = ""
            if seen.kind == "link":
                goal = self._followed(path)
                if goal is None:
                    reason = f"is a link that leads to no file of the folder, but to {seen.goal!r}"
                else:
                    seen = goal
            elif seen.kind == "other":
                reason = "is neither file nor directory"
            if not reason and _marked(path):
                old = self._before.get(path)
                if old is None or self._differs(path, old, seen):
                    reason = f"a layer cannot hold it: {PREFIX}… is the name of a whiteout"
            if reason:
                left_out.add(path)
                self._skipped.append((path, reason))
            else:
                kept[path] = seen
        return kept

    def _followed(self, path: str) -> Seen | None:
        """The file of the folder that a link leads to. It is collected as a file: in a layer, what it leads to might not be there."""
        top = os.path.realpath(self._snapshot.directory)
        goal = os.path.realpath(os.path.join(top, *path.split("/")))
        if not goal.startswith(top + os.sep) or not os.path.isfile(goal):
            return None
        self._goals[path] = goal
        return _seen(goal, os.stat(goal))

    def changes(self) -> Changes:
        before, now = self._before, self._now
        (files, directories), (old_files, old_directories) = _by_kind(now), _by_kind(before)
        unspeakable = {path for path, _ in self._skipped if _marked(path)}
        added, deleted = files - old_files, old_files - files - unspeakable
        changed = {path for path in files & old_files if self._differs(path, before[path], now[path])}
        renamed = pair_renames(
            {path: before[path] for path in _ordered(deleted)}, {path: now[path] for path in _ordered(added)}, self._contents
        )
        return Changes(
            added=_ordered(added - {new for _, new in renamed}),
            changed=_ordered(changed),
            deleted=_ordered(deleted - {old for old, _ in renamed}),
            renamed=tuple(sorted(renamed, key=lambda pair: (sort_key(pair[0]), sort_key(pair[1])))),
            added_directories=_ordered(directories - old_directories),
            deleted_directories=_ordered(old_directories - directories),
            edited_originals=tuple((path, self._snapshot.originals[path]) for path in _ordered(self._edited)),
            skipped=tuple(self._skipped),
        )

    def _differs(self, path: str, old: Seen, new: Seen) -> bool:
        """Whether the contents of an entry are others. They are read only where the host's account of it has changed."""
        if old.kind != new.kind or old.size != new.size:
            return True
        if old.kind != "file":
            return False
        # A host that counts in seconds may give two writes one time.
        if old[:5] == new[:5] and old.ctime_ns % _SECOND and path not in self._edited:
            return False
        return path in self._edited or not self._contents.same(path)  # An original that was edited can bear no witness.

    def _in_place(self, path: str, link: Seen | None) -> bool:
        """Whether an original was edited through its hard link, whatever became of the link."""
        old, host = self._before[path], self._snapshot.originals[path]
        try:
            new = _seen(host, os.lstat(host))
        except OSError:  # Gone, which is not what an edit through a link does.
            return False
        if new.inode != old.inode:
            return False
        if (old.size, old.mtime_ns) != (new.size, new.mtime_ns):
            return True
        # A time put back shows in the one of the inode; so do links and renames, which are no edits.
        return link is not None and link.inode == old.inode and new.links == old.links and new.ctime_ns != old.ctime_ns

    def layer(self, changes: Changes) -> Plan:
        """Plan the layer that makes the difference."""
        plan = Plan()
        for path in changes.added_directories:
            plan.add_directory(path)
        for path in _ordered([*changes.added, *changes.changed, *(new for _, new in changes.renamed)]):
            self._add(plan, path)
        empty = MemoryStorage(b"")
        for path in _ordered(self._before.keys() - self._now.keys()):
            parent, name = split(path)
            if _marked(path):
                continue  # There is no whiteout of a whiteout.
            if not parent or (parent in self._now and self._now[parent].kind == "directory"):
                plan.add_file(Extent(join(parent, PREFIX + name), empty, 0, 0))
        return plan

    def _add(self, plan: Plan, path: str) -> None:
        seen = self._now[path]
        host = self._goals.get(path) or os.path.join(self._snapshot.directory, *path.split("/"))
        plan.add_file(Extent(path, LooseFile(host, seen.size, seen.mtime_ns), 0, seen.size))
        plan.set_later(path, seen.mtime_ns, executable=seen.executable)
