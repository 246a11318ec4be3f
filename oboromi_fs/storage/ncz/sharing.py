"""Work shared by all processors, by whoever needs it done: the caller takes part, and waits for nobody who has not begun.

So a caller may itself be one of those that help another, as it is where a compressed archive lies in another.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from oboromi_fs.errors import OboromiFsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Ahead", "share"]

T = TypeVar("T")


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


class Ahead(Generic[T]):
    """What will be asked for next, made while nobody waits for it. Any number of threads may ask, and so may a child of the process.

    Args:
        make: Makes what a number stands for.
        most: How many are made, or wait to be taken, at a time.
    """

    __slots__ = ("_lock", "_make", "_most", "_process", "_waiting")

    def __init__(self, make: Callable[[int], T], most: int) -> None:
        self._make = make
        self._most = most
        self._process = 0
        self._forget()

    def _forget(self) -> None:
        self._waiting: dict[int, Future[T]] = {}
        self._lock = Lock()
        self._process = os.getpid()

    def begin(self, numbers: Iterable[int]) -> None:
        """Have some made, as far as there is room; what was begun for others, and not taken, is dropped."""
        if self._process != os.getpid():  # What the parent has begun, no thread of this process ends.
            self._forget()
        with self._lock:
            wanted = list(numbers)[: self._most]
            for number in set(self._waiting) - set(wanted):
                self._waiting.pop(number).cancel()
            for number in wanted:
                if number not in self._waiting:
                    with suppress(RuntimeError):  # No more threads: it is made when it is needed.
                        self._waiting[number] = _pool().submit(self._make, number)

    def take(self, number: int) -> T | None:
        """Return what was made ahead, or is being made; None for what is not, or could not be."""
        if self._process != os.getpid():
            self._forget()
        with self._lock:
            future = self._waiting.pop(number, None)
        if future is None or future.cancel():
            return None
        with suppress(OboromiFsError, OSError):  # Whoever makes it again is told.
            return future.result()
        return None
