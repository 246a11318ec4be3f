"""``overlay explain semantic``: one path, and why it is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural, printable
from oboromi_fs.cli.drawing import Branch, draw
from oboromi_fs.cli.failures import DAMAGED, DONE, NO
from oboromi_fs.cli.overlay.hints import REASONS, missing
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.cli.overlay.stacking import open_overlay, stack_arguments
from oboromi_fs.errors import EntryNotFoundError, OboromiFsError
from oboromi_fs.mods.names import listed
from oboromi_fs.overlay import UnionFs
from oboromi_fs.paths import Glob, normalise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from oboromi_fs.cli.overlay.stacking import Overlay
    from oboromi_fs.cli.session import Session
    from oboromi_fs.mods.loadout import Ruling
    from oboromi_fs.mods.patchorder import Overwritten
    from oboromi_fs.overlay import Explanation, Provider
    from oboromi_fs.overlay.semantic import SemanticConflict

__all__ = ["explain_arguments", "run_explain", "run_semantic", "semantic_arguments"]


# explain


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay explain`` takes."""
    parser.description = (
        "Which layer provides a path, whom it overrides, and which versions are hidden by what. Exit code 1 if every version is hidden,\n"
        "5 if there is none."
    )
    parser.add_argument("path", metavar="PATH")
    format_arguments(parser)
    stack_arguments(parser)


def run_explain(session: Session, options: argparse.Namespace) -> int:
    """Explain a path."""
    overlay = open_overlay(session, options)
    path = normalise(options.path)
    found = overlay.union.explain(path)
    if found.winner is None and not found.hidden:
        overlay.finish()
        unknown = EntryNotFoundError(options.path, "no layer has this path")
        raise missing(overlay.union, options.path, unknown, given=bool(options.layers), parts=overlay.parts)
    overlay.tell_spellings(found.chain)
    kind = overlay.union.metadata(path).kind if found.winner is not None else None
    ruling = overlay.loadout.explain(path) if overlay.loadout is not None else None
    if wants_document(session, options):
        made = [] if found.winner is None else list(_made_from(overlay, found.winner))
        more = {"patched_from": [{"path": path, "layer": layer} for path, layer in made]} if made else {}
        document(session, options, {**(found if ruling is None else ruling).to_json(), "kind": kind, **more})
    elif ruling is not None:
        session.console.lines(draw(_ruled(overlay, ruling, kind)))
    else:
        session.console.lines(draw(_drawn(overlay, found, kind)))
    return overlay.finish(DONE if found.winner is not None else NO)


def _drawn(overlay: Overlay, found: Explanation, kind: str | None) -> Branch:
    """The providers as a tree, the winner first."""
    name = overlay.union.layers
    branches: list[Branch] = []
    for number, provider in enumerate(reversed(found.chain)):
        if kind == "directory":
            role = "merged" if len(found.chain) > 1 else "only here"
        else:
            role = "overridden" if number else "wins" if len(found.chain) > 1 else "only here"
        branches.append(Branch(f"{role}: {_where(overlay, provider)}"))
    branches += [
        Branch(f"hidden: {_where(overlay, each.provider)}, by {REASONS[each.reason]} in {printable(name[each.by].name)}")
        for each in reversed(found.hidden)
    ]
    end = "/" if kind == "directory" else ""
    return Branch(f"{printable(found.key) or '/'}{end if found.key else ''}", branches)


def _ruled(overlay: Overlay, ruling: Ruling, kind: str | None) -> Branch:
    """The providers as a tree, the winner first, and with each the rule of the tool by which it does not win."""
    tree = _drawn(overlay, ruling.explanation, kind)
    decisions = [ruling.winner, *reversed(ruling.overridden), *reversed(ruling.hidden)]
    decisions = decisions[0 if ruling.winner is not None else 1 :]
    if kind != "directory":
        for branch, decided in zip(tree.children, decisions, strict=True):
            if decided is not None:
                branch.label += f": {decided.text} ({decided.profile}: {decided.rule})"
    if ruling.patches:
        several = len(ruling.patches) > 1
        title = "patches, in the order they are applied: where two write a byte, the later wins" if several else "patch"
        tree.children = [*tree.children, Branch(title, [Branch(_acting(each)) for each in ruling.patches])]
    return tree


def _acting(each: Overwritten) -> str:
    mod, path, records = each.patch
    lost = f", {each.lost} of them written again by later patches" if each.lost else ""
    return f"{printable(mod)} ({printable(path)}): {plural(len(records), 'records')}, {plural(each.written, 'bytes')}{lost}"


def _where(overlay: Overlay, provider: Provider) -> str:
    layer = overlay.union.layers[provider.source_index]
    made = [f"{printable(path)} in {printable(name)}" for path, name in _made_from(overlay, provider)]
    return f"{printable(layer.name)} ({printable(provider.resolved_path)}{f', patched from {listed(made)}' if made else ''})"


def _made_from(overlay: Overlay, provider: Provider) -> Iterator[tuple[str, str]]:
    """Path and layer of each file that a mod makes this one of by a delta."""
    layer = overlay.union.layers[provider.source_index]
    made_from = getattr(layer.fs, "made_from", None)
    below = getattr(layer.fs, "below", None)
    for path in made_from(provider.original_path) if made_from is not None else ():
        winner = below.explain(path).winner if isinstance(below, UnionFs) else None
        yield path, below.layers[winner.source_index].name if isinstance(below, UnionFs) and winner is not None else "the layers below"


# semantic


def semantic_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay semantic`` takes."""
    parser.description = (
        "For the files that match and that several layers have: whether the versions differ in meaning, or in form alone. JSON, TOML,\n"
        "INI, text, NACP, NPDM, content meta and tickets are understood; of other bytes that differ nothing is said."
    )
    parser.add_argument("glob", metavar="GLOB", nargs="?", default="**", help="which files; all, where it is not given")
    format_arguments(parser)
    stack_arguments(parser)


def run_semantic(session: Session, options: argparse.Namespace) -> int:
    """Compare the versions of files by what they mean."""
    from oboromi_fs.overlay.semantic import semantic_conflicts

    overlay = open_overlay(session, options)
    union = overlay.union
    glob = Glob(options.glob)
    found: list[SemanticConflict] = []
    damaged = False
    for path, entry in union.walk():
        if entry.kind == "directory" or not glob.matches(path):
            continue
        chain = union.providers(path)
        if len(chain) < 2:
            continue
        try:
            versions = [
                (union.layers[each.source_index].name, union.layers[each.source_index].fs.storage(each.original_path)) for each in chain
            ]
            found.append(semantic_conflicts(path, versions))
        except (OboromiFsError, OSError) as error:
            damaged = True
            session.console.warn(f"{path!r}: {error}")
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif found:
        table(session.console, ("path", "winner", "compared with", "format", "difference", "what"), _rows(found))
    else:
        session.console.note("no file is in more than one layer")
    code = overlay.finish(DONE)
    return DAMAGED if damaged and code == DONE else code


def _rows(found: list[SemanticConflict]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for conflict in found:
        for relation in conflict.relations:
            analysis = relation.analysis
            rows.append((conflict.key, conflict.winner, relation.source, analysis.format, analysis.delta, _change(analysis.to_json())))
    return rows


def _change(analysis: dict[str, Any]) -> str:
    """The first change, and how many more there are."""
    changes = analysis["changes"]
    if not changes:
        return ""
    first = changes[0]
    text = f"{first['key']}: {first['old']} -> {first['new']}" if first["key"] else f"{first['old']} -> {first['new']}"
    more = (analysis.get("change_count") or len(changes)) - 1
    return f"{text} and {plural(more, 'more changes')}" if more > 0 else text
