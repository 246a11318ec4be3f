"""Simulation: what another order of the layers would change, or one more layer, before anybody does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from oboromi_fs.errors import LayerError
from oboromi_fs.overlay.changes import Change, changed_files
from oboromi_fs.overlay.layer import Layer
from oboromi_fs.overlay.mutation import with_layer
from oboromi_fs.overlay.queries import Queries
from oboromi_fs.paths import sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oboromi_fs.overlay.providers import Provider, Source
    from oboromi_fs.overlay.stacks import Ids
    from oboromi_fs.overlay.state import Origin, State
    from oboromi_fs.protocols import FileSystem

__all__ = [
    "FullOrder",
    "Impact",
    "MoveAfter",
    "MoveBefore",
    "Operation",
    "Risk",
    "Simulation",
    "Swap",
    "Trial",
    "simulate",
    "simulate_each",
    "try_layer",
]

Risk: TypeAlias = Literal["none", "low", "medium", "high"]
"""How much a change changes: no winner; fewer than one in a hundred files; fewer than one in ten; more than that, or a source that won
files wins none any more."""
_Which: TypeAlias = "int | str | Source"


class Swap(NamedTuple):
    """Two sources change places."""

    a: _Which
    b: _Which


class MoveBefore(NamedTuple):
    """A source goes directly below another one: before it in the order, which is low to high."""

    source: _Which
    anchor: _Which


class MoveAfter(NamedTuple):
    """A source goes directly above another one."""

    source: _Which
    anchor: _Which


class FullOrder(NamedTuple):
    """All sources, low to high."""

    order: Sequence[_Which]


Operation: TypeAlias = "Swap | MoveBefore | MoveAfter | FullOrder"


class Impact(NamedTuple):
    """What a change does to one source: how many files it wins more, and how many it wins no more."""

    source_index: int
    source: Source
    gained: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "source": self.source.to_json()}


class Simulation(NamedTuple):
    """What another order changes.

    Sources go by their numbers in the index that was asked, in ``order`` (low to high), in ``changes`` and in ``impact``; the last has
    those that gain or lose something. ``changed_count`` files change, of the ``total_count`` that there are before, after, or both.
    """

    order: tuple[int, ...]
    changes: tuple[Change, ...]
    impact: tuple[Impact, ...]
    changed_count: int
    total_count: int
    risk: Risk

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            **self._asdict(),
            "order": list(self.order),
            "changes": [change.to_json() for change in self.changes],
            "impact": [impact.to_json() for impact in self.impact],
        }


class Trial(NamedTuple):
    """What one more layer changes, at a place in the order: its number there.

    ``adds``: files that were not there; ``overrides``: files of which its version wins now; ``overridden``: files that it has, and another
    source wins, or hides; ``removes``: files that are gone; ``reveals``: files whose winner changes for another that is not of the layer.
    All in path order. ``impact`` is of the sources there were, by their numbers. ``changed_count`` and ``total_count`` are those of
    :class:`Simulation`: files that the layer adds are among both.
    """

    position: int
    adds: tuple[str, ...]
    overrides: tuple[str, ...]
    overridden: tuple[str, ...]
    removes: tuple[str, ...]
    reveals: tuple[str, ...]
    impact: tuple[Impact, ...]
    changed_count: int
    total_count: int
    risk: Risk

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        lists = {name: list(value) for name, value in self._asdict().items() if isinstance(value, tuple)}
        return {**self._asdict(), **lists, "impact": [impact.to_json() for impact in self.impact]}


def simulate(index: Queries, operation: Operation) -> Simulation:
    """Return what another order of the sources would change; the index stays as it is.

    Where the profile puts archives below all else, it does so after the operation as well, but for what was put on top of everything.

    Raises:
        LayerError: There is no such source; or a full order leaves one out, or has one twice.
    """
    before = index.state
    order = _ranked(before, _order(Queries(before), operation), before.origins)
    after = before.arranged(order)
    files = changed_files(before, after, order)
    changes = [Change(after.names.path(file), _provider(before, file), _numbered(after, file, order)) for file in files.tolist()]
    changes.sort(key=lambda change: sort_key(change.key))
    impact, total, risk = _impact(before, after, order, files)
    return Simulation(tuple(order), tuple(changes), impact, len(files), total, risk)


def simulate_each(index: Queries, candidates: Iterable[Operation]) -> list[Simulation]:
    """Return what each of several operations would change, apart from the others.

    Raises:
        LayerError: As for :func:`simulate`.
    """
    return [simulate(index, operation) for operation in candidates]


def try_layer(index: Queries, layer: Layer | FileSystem, position: _Which | None = None) -> Trial:
    """Return what one more layer would change; the index stays as it is.

    Args:
        index: The index.
        layer: The layer, or a file system.
        position: The source that it goes directly below; None for the top. An archive goes where the profile puts archives.

    Raises:
        LayerError: There is no such source, or one of its name is there.
    """
    before = index.state
    new = layer if isinstance(layer, Layer) else Layer(layer, "candidate")
    bigger = with_layer(before, new)
    number = len(before.origins)
    bigger = replace(bigger, origins=(*bigger.origins[:-1], bigger.origins[-1]._replace(pushed=False)))
    place = number if position is None else Queries(before).source_id(position)
    order = _ranked(before, [*range(place), number, *range(place, number)], bigger.origins)
    after = bigger.arranged(order)
    files = changed_files(before, after, order)
    impact, total, risk = _impact(before, after, order, files)
    position_after = order.index(number)
    adds, overrides, overridden, removes, reveals = _fate(before, after, position_after, files)
    return Trial(position_after, adds, overrides, overridden, removes, reveals, impact, len(files), total, risk)


def _fate(before: State, after: State, place: int, files: Ids) -> tuple[tuple[str, ...], ...]:
    """Files that a new source adds, overrides, has overridden, removes, and reveals."""
    import numpy as np

    was = np.full(len(after.names), -1, np.int32)
    was[: len(before.names)] = before.stacks.winning_sources()
    now = after.stacks.winning_sources()
    there = was >= 0
    mine = np.unique(np.concatenate([rows.keys[rows.sources == place] for rows in (after.rows, after.aside)]))
    wins = files[now[files] == place]
    others = files[now[files] != place]
    parts = (
        wins[~there[wins]],
        wins[there[wins]],
        mine[now[mine] != place],
        others[now[others] < 0],
        others[now[others] >= 0],
    )
    return tuple(tuple(after.sorted_keys(part)) for part in parts)


def _order(index: Queries, operation: Operation) -> list[int]:
    order = list(index.source_ids())
    if isinstance(operation, FullOrder):
        wanted = [index.source_id(source) for source in operation.order]
        if sorted(wanted) != order:
            raise _incomplete(index, wanted)
        return wanted
    first, second = (index.source_id(source) for source in operation)
    if isinstance(operation, Swap):
        order[first], order[second] = order[second], order[first]
    elif first != second:
        order.remove(first)
        order.insert(order.index(second) + isinstance(operation, MoveAfter), first)
    return order


def _incomplete(index: Queries, wanted: Sequence[int]) -> LayerError:
    """The error for a full order that leaves sources out, or has some more than once."""
    names = [origin.name for origin in index.state.origins]
    lacking = [name for number, name in enumerate(names) if number not in wanted]
    again = [name for number, name in enumerate(names) if wanted.count(number) > 1]
    wrong = [f"{what} {', '.join(map(repr, which))}" for what, which in (("it lacks", lacking), ("it repeats", again)) if which]
    return LayerError((lacking + again)[0], f"a full order has each of the {len(names)} sources once: {', and '.join(wrong)}")


def _ranked(state: State, order: Sequence[int], origins: Sequence[Origin]) -> list[int]:
    """An order as the profile has it."""
    if state.profile != "openmw":
        return list(order)
    return sorted(order, key=lambda number: origins[number].source.kind != "archive" or origins[number].pushed)


def _provider(state: State, file: int) -> Provider | None:
    row = int(state.stacks.winners[file]) if file < len(state.stacks.winners) else -1
    return state.provider(row) if row >= 0 else None


def _numbered(state: State, file: int, order: Sequence[int]) -> Provider | None:
    found = _provider(state, file)
    return found and found._replace(source_index=order[found.source_index])


def _impact(before: State, after: State, order: Sequence[int], files: Ids) -> tuple[tuple[Impact, ...], int, Risk]:
    """What changed winners mean for each source that was there; how many files there are before or after; and how much that is."""
    import numpy as np

    count = len(before.origins)
    was = np.full(len(after.names), -1, np.int32)
    was[: len(before.names)] = before.stacks.winning_sources()
    sources = after.stacks.winning_sources()
    now = np.where(sources >= 0, np.array([*order, -1], np.int32)[sources], -1)
    moved = files[was[files] != now[files]]
    gained, lost = (np.bincount(side[moved][side[moved] >= 0], minlength=len(order)) for side in (now, was))
    won_before, won_after = (np.bincount(side[side >= 0], minlength=len(order)) for side in (was, now))
    impact = tuple(
        Impact(number, before.origins[number].source, int(gained[number]), int(lost[number]))
        for number in range(count)
        if gained[number] or lost[number]
    )
    total = int(np.count_nonzero((was >= 0) | (now >= 0)))
    risk: Risk = "none"
    if len(files):
        ousted = bool(((won_before > 0) & (won_after == 0)).any())
        risk = "high" if ousted or len(files) * 10 >= total else "medium" if len(files) * 100 >= total else "low"
    return impact, total, risk
