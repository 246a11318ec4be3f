"""Work shared by all processors, by whoever needs it done: the caller takes part, and waits for nobody who has not begun.

So a caller may itself be one of those that help another, as it is where a compressed archive lies in another.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["share"]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # Only where there is something to share.

    return ThreadPoolExecutor(os.cpu_count() or 1, "ncz")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # A child has none of its parent's threads.


class _Work:
    """Numbers to be taken by whoever is free; the first failure ends it."""

    __slots__ = ("_count", "_error", "_lock", "_next", "_work")

    def __init__(self, work: Callable[[int], object], count: int) -> None:
        self._work = work
        self._count = count
        self._next = 0
        self._lock = Lock()
        self._error: BaseException | None = None

    def help(self) -> None:
        """Take numbers until there are none left."""
        while True:
            with self._lock:
                number = self._next
                if number >= self._count or self._error is not None:
                    return
                self._next += 1
            try:
                self._work(number)
            except BaseException as wrong:  # noqa: BLE001  # The caller raises it, whoever ran into it.
                with self._lock:
                    self._error = self._error or wrong

    def outcome(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._error is not None:
            raise self._error


def share(work: Callable[[int], object], count: int, workers: int | None = None) -> None:
    """Call ``work`` with every number below ``count``, on several threads.

    Args:
        work: What to do; it is called from any thread, and in any order.
        count: How many times.
        workers: Threads at most, the caller's own among them; None takes one for each processor.
    """
    workers = min(workers or os.cpu_count() or 1, count)
    shared = _Work(work, count)
    helpers: list[Future[None]] = []
    with suppress(RuntimeError):  # The host has no more threads to give, or the interpreter is about to end.
        helpers.extend(_pool().submit(shared.help) for _ in range(workers - 1))
    try:
        shared.help()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    shared.outcome()
