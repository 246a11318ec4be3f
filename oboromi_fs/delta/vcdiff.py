"""VCDIFF written (RFC 3284): a target in windows, each of copies from the source, runs of one byte, and bytes of its own.

What is written uses the default code table and no secondary compression, so that any tool that applies VCDIFF can apply it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oboromi_fs.delta.codes import ADD, COPY, MAGIC, RUN, Addresses, integer
from oboromi_fs.delta.rolling import bytes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from oboromi_fs.delta.matching import Matches
    from oboromi_fs.protocols import Storage

__all__ = ["WINDOW", "Step", "encode", "steps"]

WINDOW = 1 << 20
"""Bytes of the target in a window, at most: what a reader must hold to give one byte of it."""
SHORTEST_RUN = 32
"""Bytes of one value from which on a run is written as such."""


class Step(NamedTuple):
    """One instruction: ``length`` bytes of the target from ``target`` on. ``source`` counts for copies alone."""

    kind: int
    target: int
    length: int
    source: int = 0


def steps(target: Storage, matches: Matches, breaks: Collection[int] = ()) -> Iterator[list[Step]]:
    """Yield the instructions of each window.

    Args:
        target: What is to be told.
        matches: What of it the source has; see :func:`oboromi_fs.delta.matching.match`.
        breaks: Offsets in the target where a window must begin.
    """
    cuts = iter([*sorted({*range(WINDOW, target.size, WINDOW), *(at for at in breaks if 0 < at < target.size)}), target.size])
    stop = next(cuts)
    window: list[Step] = []
    for start, length, source in zip(*(part.tolist() for part in matches), strict=True):
        done = 0
        while done < length:
            count = min(length - done, stop - start - done)
            if count:
                if source >= 0:
                    window.append(Step(COPY, start + done, count, source + done))
                else:
                    window += _literal(target, start + done, count)
            done += count
            if start + done == stop:
                yield window
                window = []
                stop = next(cuts, -1)


def _literal(target: Storage, start: int, length: int) -> Iterator[Step]:
    """A literal inside one window: its runs, and what is between them."""
    import numpy as np

    data = bytes_of(target, start, start + length)
    edges = np.concatenate([[0], np.flatnonzero(data[1:] != data[:-1]) + 1, [length]])
    done = 0
    for number in np.flatnonzero(np.diff(edges) >= SHORTEST_RUN):
        begin, stop = int(edges[number]), int(edges[number + 1])
        if begin > done:
            yield Step(ADD, start + done, begin - done)
        yield Step(RUN, start + begin, stop - begin)
        done = stop
    if length > done:
        yield Step(ADD, start + done, length - done)


def encode(target: Storage, matches: Matches, breaks: Collection[int] = ()) -> Iterator[bytes]:
    """Yield a delta that makes a target from a source, window by window.

    Args:
        target: What it makes.
        matches: What of it the source has.
        breaks: Offsets in the target where a window must begin.
    """
    yield MAGIC + b"\0"
    for window in steps(target, matches, breaks):
        yield _window(target, window)


def _window(target: Storage, window: list[Step]) -> bytes:
    copies = [step for step in window if step.kind == COPY]
    low = min((step.source for step in copies), default=0)
    span = max((step.source + step.length for step in copies), default=0) - low
    begin = window[0].target
    addresses = Addresses()
    data, instructions, places = [], bytearray(), bytearray()
    for step in window:
        if step.kind == COPY:
            mode, place = addresses.encode(step.source - low, span + step.target - begin)
            short = step.length - 3 if 4 <= step.length <= 18 else 0
            instructions.append(19 + 16 * mode + short)
            places += place
        else:
            short = step.length if step.kind == ADD and step.length <= 17 else 0
            instructions.append(1 + short if step.kind == ADD else 0)
            data.append(target[step.target : step.target + (step.length if step.kind == ADD else 1)])
        if not short:
            instructions += integer(step.length)
    body = b"".join(
        (
            integer(sum(step.length for step in window)),
            b"\0",
            integer(sum(map(len, data))),
            integer(len(instructions)),
            integer(len(places)),
            *data,
            instructions,
            places,
        )
    )
    head = b"\1" + integer(span) + integer(low) if copies else b"\0"
    return head + integer(len(body)) + body
