"""Run two commands in turn and compare their times: what every benchmark here stands on.

Both sides run in one process tree on one machine at one time, A B A B …, so that a ratio holds where absolute times drift.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OBOROMI = [sys.executable, "-m", "oboromi_fs"]


@dataclass(frozen=True)
class Side:
    """One side: a name, what runs before each run outside of the clock, and what is timed."""

    name: str
    run: Callable[[], None]
    prepare: Callable[[], None] = lambda: None


@contextmanager
def workspace() -> Iterator[Path]:
    """A directory in memory where there is one, so that a disk does not decide."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base, prefix="oboromi-bench-") as folder:
        yield Path(folder)


def command(words: Sequence[str | os.PathLike[str]], **environment: str) -> None:
    """Run a command to its end, its output thrown away."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def seconds(side: Side) -> float:
    """One timed run."""
    side.prepare()
    start = time.perf_counter()
    side.run()
    return time.perf_counter() - start


def compare(ours: Side, theirs: Side, *, runs: int = 5, wanted: str = "") -> float:
    """Time both sides ``runs`` times in turn after a warm-up; print medians and the ratio theirs / ours.

    Returns:
        The median of the ratios pair by pair: above 1 ours is faster.
    """
    seconds(theirs)
    seconds(ours)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(runs)]
    mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"  {ours.name:<44} {mine:8.3f} s")
    print(f"  {theirs.name:<44} {other:8.3f} s   speed of ours / theirs: {ratio:.2f}" + (f"   (wanted: {wanted})" if wanted else ""))
    return ratio


def peak_anonymous(words: Sequence[str | os.PathLike[str]]) -> int:
    """Run a command and return the most anonymous memory its process tree was seen to hold, in bytes (Linux; sampled)."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        peak = max(peak, _anonymous(child.pid))
        time.sleep(0.002)
    return peak


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Sample the anonymous memory of this process meanwhile; the one item of the result is the most that was seen, in bytes (Linux)."""
    peak = [_anonymous(os.getpid())]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], _anonymous(os.getpid()))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _anonymous(pid: int) -> int:
    total = 0
    for each in (pid, *_children(pid)):
        try:
            text = Path(f"/proc/{each}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("RssAnon:"))
    return total


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
