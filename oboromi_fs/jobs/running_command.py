"""A program on a merged view: run as it is, its exit code passed on, and what it changed collected.

While it runs, signals that ask this process to end are passed on to it, and waited for: what it has done by then is collected all the same.
The merged folder is removed at the end, but for one case: where collecting failed, for then it holds the only copy.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oboromi_fs.errors import EntryNotFoundError, OboromiFsError, UnsafePathError
from oboromi_fs.jobs.hosttree import Cursor
from oboromi_fs.jobs.running import Changes, RunMode, check_merged, check_output, run_finalize, run_setup
from oboromi_fs.jobs.staging import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Self

    from oboromi_fs.jobs.running import Snapshot
    from oboromi_fs.jobs.writer import Progress
    from oboromi_fs.overlay.union import UnionFs
    from oboromi_fs.protocols import PathType

__all__ = ["PLACEHOLDER", "LeftBehindError", "RunResult", "run_command"]

PLACEHOLDER = "{}"
"""Stands for the merged folder, alone or within a word."""
_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP")
_BY_SIGNAL = 128
"""What a shell adds to the number of the signal that a program ended by."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a program ended, and what it changed.

    Attributes:
        code: Its exit code; 128 and the number of the signal that ended it, as shells have it.
        changes: What it changed.
        refused: ``(path, reason)`` of what the merged folder did not have, for its name.
    """

    code: int
    changes: Changes
    refused: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "code": self.code,
            "changes": self.changes.to_json(),
            "refused": [{"path": path, "reason": reason} for path, reason in self.refused],
        }


def run_command(
    union: UnionFs,
    argv: Sequence[str],
    *,
    output: PathType | None = None,
    mode: RunMode = "copy",
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    workspace: PathType | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run a program on the merged view.

    Args:
        union: The layers.
        argv: The program and its arguments; ``{}`` in any of them becomes the path of the merged folder.
        output: Folder of the layer that what was changed is written to; new, or empty. None only reports.
        mode: How the merged folder is made; see :func:`~oboromi_fs.jobs.running.run_setup`.
        cwd: Where the program runs; ``{}`` as in ``argv``. None: where this process does.
        environment: Its environment; None: that of this process.
        workspace: Folder to make the merged folder in. None: beside the output, else where temporary files go.
        progress: Told of the making and the collecting: bytes done, bytes in all, files done, files in all.

    Raises:
        EntryNotFoundError: There is no such program.
        FileExistsError, UnsafePathError: The output cannot be written to; found out before anything runs.
        LeftBehindError: What was changed could not be collected; the error says where it is.
        OSError, OboromiFsError: The host refuses, or a layer cannot be read.
    """
    if not argv:
        raise ValueError("argv must name a program")
    host = os.path.abspath(os.fsdecode(output)) if output is not None else None
    if host is not None:
        check_output(union, host)
    room = os.fsdecode(workspace) if workspace is not None else _beside(host) if host is not None else None
    if any("\0" in word for word in (*argv, cwd or "")):
        raise UnsafePathError(next(word for word in (*argv, cwd or "") if "\0" in word), "holds a NUL")
    with _folder(room) as top:
        merged = os.path.join(top, "merged")
        snapshot = run_setup(union, merged, mode, progress=progress)
        words = [word.replace(PLACEHOLDER, merged) for word in argv]
        code = _run(words, cwd.replace(PLACEHOLDER, merged) if cwd is not None else None, environment)
        check_merged(snapshot)
        changes = _collected(snapshot, host, progress)
    return RunResult(code, changes, snapshot.refused)


class LeftBehindError(OboromiFsError, OSError):
    """What a program changed could not be collected. The merged folder, which has it, was left.

    Args:
        folder: The merged folder.
        cause: Why.
    """

    def __init__(self, folder: str, cause: Exception) -> None:
        detail = f"what the program changed was not collected, and is left here: {cause}"
        super().__init__(getattr(cause, "errno", None) or errno.EIO, detail)
        self.filename: str = folder

    def __str__(self) -> str:
        return f"{self.strerror}: {self.filename!r}"


def _beside(path: str) -> str:
    """The nearest folder above a path that is there."""
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _collected(snapshot: Snapshot, output: str | None, progress: Progress | None) -> Changes:
    try:
        return run_finalize(snapshot, output, progress=progress)
    except (OboromiFsError, OSError) as error:
        raise LeftBehindError(snapshot.directory, error) from error


@contextmanager
def _folder(room: str | None) -> Iterator[str]:
    """A folder of our own that is removed at the end, with all that a program left in it."""
    top = os.path.realpath(tempfile.mkdtemp(prefix=".oboromi-run-" if room is not None else "oboromi-run-", dir=room))
    try:
        yield top
    except LeftBehindError:
        raise
    except BaseException:
        undisturbed(lambda: _remove(top))
        raise
    undisturbed(lambda: _remove(top))


def _remove(top: str) -> None:
    parent, name = os.path.split(top)
    try:
        _remove_once(parent, name)
    except PermissionError:  # Directories that the program closed to itself.
        for folder, directories, _ in os.walk(top):
            for inner in directories:
                path = os.path.join(folder, inner)
                if not os.path.islink(path):
                    os.chmod(path, stat.S_IRWXU)
        _remove_once(parent, name)


def _remove_once(parent: str, name: str) -> None:
    cursor = Cursor(parent)
    try:
        cursor.remove(name)
    finally:
        cursor.close()


def _run(words: list[str], cwd: str | None, environment: Mapping[str, str] | None) -> int:
    if os.sep not in words[0] and shutil.which(words[0], path=(environment or os.environ).get("PATH")) is None:
        raise EntryNotFoundError(words[0], "no such program")
    with _Relay() as relay:
        try:
            child = subprocess.Popen(words, cwd=cwd, env=environment)  # noqa: S603  # To run what the user says is what it is for.
        except FileNotFoundError as error:
            if cwd is not None and not os.path.isdir(cwd):
                raise EntryNotFoundError(cwd, "no such folder to run in") from None
            raise EntryNotFoundError(str(error.filename or words[0]), "no such program") from None
        relay.attach(child)
        code = child.wait()
    return _BY_SIGNAL - code if code < 0 else code


class _Relay:
    """Passes signals on to a child, instead of ending this process before it. Only a main thread hears any."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._heard = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _PASSED_ON:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Pass on to this child, and what came before it was there."""
        self._child = child
        while self._waiting:
            self._pass_on(self._waiting.pop(0))

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self._child is None:
            self._waiting.append(number)
        else:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        self._heard += 1
        # A terminal has sent the first Ctrl-C to the child as well.
        if number == signal.SIGINT and self._heard == 1 and _in_foreground():
            return
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)


def _in_foreground() -> bool:
    """Whether this process is one that a terminal sends its Ctrl-C to."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except (OSError, AttributeError):
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
