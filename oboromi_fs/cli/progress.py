"""A progress bar on stderr, where somebody is looking."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from oboromi_fs.cli.console import Console

__all__ = ["Progress"]


class Progress:
    """A bar with rate and time left. Shows nothing when quiet, or when stderr is no terminal; rich is loaded only where it shows.

    Args:
        console: The streams.
        what: What is being done.
        counted: What is counted, in the plural; bytes by default.
        after: Seconds before anything shows: what is done sooner needs no bar, and does not wait for rich.
    """

    def __init__(self, console: Console, what: str, counted: str = "", *, after: float = 0.0) -> None:
        self.what = what
        self.counted = counted
        self.after = after
        self._began = time.monotonic()
        self.shown = console.errors_on_terminal and not console.quiet
        self.color = console.color
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.shown and not self.after:
            self._show()
        return self

    def _show(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        bytewise = [DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn()]

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            *([MofNCompleteColumn(), TextColumn(self.counted)] if self.counted else bytewise),
            console=RichConsole(stderr=True, no_color=not self.color),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(self.what, total=None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, *_: object) -> None:
        """Show how far the work is. Any thread may call; where nothing shows at first, one at a time."""
        if self._bar is None and self.shown and time.monotonic() - self._began > self.after:
            self._show()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
