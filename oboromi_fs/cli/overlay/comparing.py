"""``overlay diff simulate``: what is different, and what would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural
from oboromi_fs.cli.failures import DONE, UsageError
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.cli.overlay.stacking import Overlay, open_overlay, stack_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from oboromi_fs.cli.session import Session
    from oboromi_fs.overlay import Layer, Provider
    from oboromi_fs.overlay.changes import Change
    from oboromi_fs.overlay.simulation import Operation, Simulation, Trial

__all__ = ["diff_arguments", "run_diff", "run_simulate", "simulate_arguments"]


# diff


def diff_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay diff`` takes."""
    parser.description = (
        "Two layers, by name or path: the files both have, and those of one alone. With --against, the merged view and a folder or\n"
        "archive that is no layer of it: what it would conflict with, and what it would add. With --other, this stack and another one,\n"
        "or another order of it: the files whose winner is another."
    )
    add = parser.add_argument
    add("layer_names", metavar="LAYER", nargs="*", help="two layers")
    add("--against", metavar="PATH", help="a folder or archive")
    add("--other", metavar="FILE", help="another stack file")
    format_arguments(parser)
    stack_arguments(parser)


def run_diff(session: Session, options: argparse.Namespace) -> int:
    """Compare."""
    ways = (bool(options.layer_names), options.against is not None, options.other is not None)
    if sum(ways) != 1:
        raise UsageError("say what to compare: two LAYERs, or --against PATH, or --other FILE")
    overlay = open_overlay(session, options)
    if options.against is not None:
        return _against(session, options, overlay)
    if options.other is not None:
        return _other(session, options, overlay)
    if len(options.layer_names) != 2:
        raise UsageError(f"diff takes two layers, not {len(options.layer_names)}")
    from oboromi_fs.overlay.conflicts import diff

    index = overlay.index()
    found = diff(index, *options.layer_names)
    if found.source_a == found.source_b:
        raise UsageError(f"both are layer {overlay.union.layers[found.source_a].name!r}: there is nothing to compare")
    if wants_document(session, options):
        document(session, options, found.to_json())
    else:
        a, b = (overlay.union.layers[number].name for number in (found.source_a, found.source_b))
        wins = overlay.union.layers[found.higher_priority].name
        rows = [(f"both, {wins} is above", path) for path in found.shared]
        rows += [(f"only in {a}", path) for path in found.only_in_a] + [(f"only in {b}", path) for path in found.only_in_b]
        _paths(session, rows, "neither layer has a file")
    return overlay.finish(DONE)


def _against(session: Session, options: argparse.Namespace, overlay: Overlay) -> int:
    from oboromi_fs.overlay.changes import diff_directory

    found = diff_directory(overlay.index(), _layer(session, options, overlay, options.against))
    for problem in found.problems:
        session.console.warn(str(problem))
    if wants_document(session, options):
        document(session, options, found.to_json())
    else:
        rows = [("conflict", path) for path in found.conflicts] + [("addition", path) for path in found.additions]
        _paths(session, rows, f"{options.against} has no file")
    return overlay.finish(DONE)


def _layer(session: Session, options: argparse.Namespace, overlay: Overlay, path: str) -> Layer:
    """A folder or archive as a layer, for comparison: by the case policy of the stack."""
    from oboromi_fs.opening.location import open_location
    from oboromi_fs.overlay import Layer

    case = "fold" if overlay.spec.profile == "openmw" else options.case or overlay.spec.case
    return Layer(open_location(session.locate(path)), f"{path} (candidate)", case=case, path=path)


def _other(session: Session, options: argparse.Namespace, overlay: Overlay) -> int:
    from oboromi_fs.jobs.stackfile import read_stack
    from oboromi_fs.overlay.changes import diff_orders

    other = Overlay(session, read_stack(options.other))
    changes = diff_orders(overlay.index(), other.index())
    if wants_document(session, options):
        document(session, options, [change.to_json() for change in changes])
    elif changes:
        table(session.console, ("path", "here", f"in {options.other}"), _changes(changes, overlay, other))
    else:
        session.console.note("every file has the same winner in both")
    return overlay.finish(other.finish(DONE))


def _paths(session: Session, rows: Sequence[tuple[str, str]], nothing: str) -> None:
    if rows:
        table(session.console, ("", "path"), rows)
    else:
        session.console.note(nothing)


def _changes(changes: Sequence[Change], before: Overlay, after: Overlay) -> list[tuple[str, str, str]]:
    def shown(provider: Provider | None, overlay: Overlay) -> str:
        return "-" if provider is None else overlay.union.layers[provider.source_index].name

    return [(change.key, shown(change.before, before), shown(change.after, after)) for change in changes]


# simulate

_OPERATIONS = """\
operations:
  swap A B          two layers change places
  move-before A B   A goes directly below B
  move-after A B    A goes directly above B
  order A B C ...   all layers, from the lowest to the highest
  places A          A directly above each other layer in turn
  try PATH [B]      a folder or archive as one more layer: on top, or directly below B"""


def simulate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay simulate`` takes."""
    parser.description = (
        "What another order of the layers, or one more, would change: winners, what each layer gains and loses, and the risk.\n"
    )
    parser.description += "Nothing is written. Layers go by name or path.\n\n" + _OPERATIONS
    parser.add_argument("operation", metavar="OPERATION", choices=("swap", "move-before", "move-after", "order", "places", "try"))
    parser.add_argument("names", metavar="LAYER", nargs="+")
    format_arguments(parser)
    stack_arguments(parser)


_ARITY = {"swap": (2, 2), "move-before": (2, 2), "move-after": (2, 2), "places": (1, 1), "try": (1, 2), "order": (1, 1 << 30)}


def run_simulate(session: Session, options: argparse.Namespace) -> int:
    """Simulate."""
    from oboromi_fs.overlay.simulation import FullOrder, MoveAfter, MoveBefore, Swap, simulate, simulate_each, try_layer

    names = options.names
    least, most = _ARITY[options.operation]
    if not least <= len(names) <= most:
        raise UsageError(f"{options.operation} takes {least if least == most else f'{least} or {most}'} names, not {len(names)}")
    overlay = open_overlay(session, options)
    index = overlay.index(ranked=True)
    if options.operation == "try":
        trial = try_layer(index, _layer(session, options, overlay, names[0]), names[1] if len(names) > 1 else None)
        if wants_document(session, options):
            document(session, options, trial.to_json())
        else:
            _show_trial(session, overlay, trial)
        return overlay.finish(DONE)
    if options.operation == "places":
        number = index.source_id(names[0])
        others = [other for other in index.source_ids() if other != number]
        found = simulate_each(index, [MoveAfter(number, other) for other in others])
        if wants_document(session, options):
            document(session, options, [{"above": other, **each.to_json()} for other, each in zip(others, found, strict=True)])
        else:
            rows = [
                (f"above {overlay.union.layers[other].name}", str(each.changed_count), each.risk, _impact(overlay, each))
                for other, each in zip(others, found, strict=True)
            ]
            table(session.console, ("place", "changes", "risk", "impact"), rows, right=(1,))
        return overlay.finish(DONE)
    operation: Operation
    if options.operation == "order":
        operation = FullOrder(names)
    else:
        makes: Any = {"swap": Swap, "move-before": MoveBefore, "move-after": MoveAfter}[options.operation]
        operation = makes(*names)
    simulation = simulate(index, operation)
    if wants_document(session, options):
        document(session, options, simulation.to_json())
    else:
        order = " < ".join(overlay.union.layers[number].name for number in simulation.order)
        console = session.console
        lines = [f"order   {order}", f"changes {simulation.changed_count} of {plural(simulation.total_count, 'files')}"]
        console.lines([*lines, f"risk    {simulation.risk}", f"impact  {_impact(overlay, simulation) or 'none'}"])
        if simulation.changes:
            table(console, ("path", "before", "after"), _changes(simulation.changes, overlay, overlay))
    return overlay.finish(DONE)


def _impact(overlay: Overlay, found: Simulation | Trial) -> str:
    return ", ".join(f"{overlay.union.layers[each.source_index].name} +{each.gained} -{each.lost}" for each in found.impact)


def _show_trial(session: Session, overlay: Overlay, trial: Trial) -> None:
    console = session.console
    lines = [f"changes {trial.changed_count} of {plural(trial.total_count, 'files')}", f"risk    {trial.risk}"]
    console.lines([*lines, f"impact  {_impact(overlay, trial) or 'none'}"])
    kinds = ("adds", "overrides", "overridden", "removes", "reveals")
    rows = [(kind, path) for kind in kinds for path in getattr(trial, kind)]
    if rows:
        table(console, ("", "path"), rows)
