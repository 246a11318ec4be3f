"""How many threads look at once: one where the processor is what takes time, many where a disk or a share is."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Pace"]

T = TypeVar("T")

_MANY = 8
_TRIAL = 8
"""Pieces of work before it is decided."""
_WAITED = 4
"""How many times the time of the processor a piece must take for more threads to help."""


class Pace:
    """A pool of threads that grows once if those there mostly wait: Python runs one at a time, so more would be slower otherwise.

    Args:
        threads: So many, whatever they wait for; None finds out.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._fixed = threads is not None
        self.threads = threads or 1
        self._pools: list[ThreadPoolExecutor] = []
        self._lock = Lock()
        self._pieces = 0
        self._elapsed = 0.0
        self._worked = 0.0

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have some work done."""
        if not self._fixed and self._pieces >= _TRIAL:
            self._fixed = True
            if self._elapsed > _WAITED * self._worked:
                self.threads = _MANY
                self._pools.append(self._pool())
        if not self._pools:
            self._pools.append(self._pool())
        return self._pools[-1].submit(self._measured, work)

    def _pool(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(self.threads, "library")

    def _measured(self, work: Callable[[], T]) -> T:
        start, worked = time.perf_counter(), time.thread_time()
        try:
            return work()
        finally:
            with self._lock:
                self._pieces += 1
                self._elapsed += time.perf_counter() - start
                self._worked += time.thread_time() - worked

    def stop(self) -> None:
        """Let no more work begin, and wait for what has."""
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
