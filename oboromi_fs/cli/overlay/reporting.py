"""``overlay duplicates conflicts shadowed contributions remaining archives archive-list``: all layers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import DONE, NO, line
from oboromi_fs.cli.overlay.output import document, format_arguments, table, wants_document
from oboromi_fs.cli.overlay.stacking import open_overlay, stack_arguments
from oboromi_fs.errors import LayerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from oboromi_fs.cli.overlay.stacking import Overlay
    from oboromi_fs.cli.session import Session
    from oboromi_fs.overlay.conflicts import Against

__all__ = ["archive_list_arguments", "archives_arguments", "conflicts_arguments", "contributions_arguments", "duplicates_arguments"]
__all__ += ["remaining_arguments", "run_archive_list", "run_archives", "run_conflicts", "run_contributions", "run_duplicates"]
__all__ += ["layers_arguments", "run_layers", "run_remaining", "run_shadowed", "shadowed_arguments"]


def _declare(parser: argparse.ArgumentParser, description: str) -> None:
    parser.description = description
    format_arguments(parser)
    stack_arguments(parser)


def _names(overlay: Overlay, numbers: Sequence[int]) -> str:
    return ", ".join(overlay.union.layers[number].name for number in numbers)


# layers


def layers_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay layers`` takes."""
    _declare(parser, "The layers, from the lowest: the number and path that reports call each by, its name, and what became of it.")


def run_layers(session: Session, options: argparse.Namespace) -> int:
    """List the layers."""
    overlay = open_overlay(session, options)
    broken = {found.layer.label: line(found.error) for found in overlay.stack.broken}
    found = [
        {
            "index": number,
            "name": layer.name,
            "path": layer.path,
            "kind": layer.kind,
            "case": layer.case,
            "at": layer.at,
            "markers": layer.markers,
            "error": broken.get(layer.name),
        }
        for number, layer in enumerate(overlay.union.layers)
    ]
    if wants_document(session, options):
        document(session, options, found)
    else:
        rows = [
            (str(each["index"]), str(each["name"]), str(each["path"]), str(each["kind"]), str(each["case"]), f"/{each['at']}")
            for each in found
        ]
        table(session.console, ("", "layer", "path", "kind", "case", "at"), rows, right=(0,))
    return overlay.finish(DONE)


# duplicates


def duplicates_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay duplicates`` takes."""
    parser.add_argument("-e", "--regex", metavar="RE", default="", help="only paths that have a match of it, whatever their case")
    _declare(parser, "The files that more than one layer has, from the lowest version to the one that wins.")


def run_duplicates(session: Session, options: argparse.Namespace) -> int:
    """List files of several versions."""
    from oboromi_fs.overlay.reports import duplicates

    overlay = open_overlay(session, options)
    found = duplicates(overlay.index(), options.regex)
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif not found:
        session.console.note("no file is in more than one layer")
    else:
        rows = [(each.key, " < ".join(overlay.union.layers[provider.source_index].name for provider in each.providers)) for each in found]
        table(session.console, ("path", "layers, the last wins"), rows)
    return overlay.finish(DONE)


# conflicts


def conflicts_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay conflicts`` takes."""
    _declare(
        parser,
        "Which layers have the same files: for each whom it overrides, who is above it, and who wins instead of it; numbers of files.\n"
        "And which ones hide files of others: they delete them, or have a file or a directory in their way.",
    )


def run_conflicts(session: Session, options: argparse.Namespace) -> int:
    """Tell which layers override which."""
    from oboromi_fs.overlay.conflicts import conflicts

    overlay = open_overlay(session, options)
    found = conflicts(overlay.index())
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif not found:
        session.console.note("no layer overrides or hides anything of another")
    else:
        hiding = any(each.hides for each in found)

        def shown(others: Sequence[Against]) -> str:
            return ", ".join(f"{overlay.union.layers[other.source_index].name} ({other.file_count})" for other in others) or "-"

        rows = [
            (overlay.union.layers[each.source_index].name, shown(each.overrides), shown(each.overridden_by), shown(each.displaced_by))
            + ((shown(each.hides), shown(each.hidden_by)) if hiding else ())
            for each in found
        ]
        table(session.console, ("layer", "overrides", "is overridden by", "loses to", *(("hides", "is hidden by") if hiding else ())), rows)
    return overlay.finish(DONE)


# shadowed


def shadowed_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay shadowed`` takes."""
    parser.add_argument("--fully", action="store_true", help="only layers that win with none of their files, though they have some")
    _declare(parser, "The layers that do not win with all of their files, and what overrides or hides them.")


def run_shadowed(session: Session, options: argparse.Namespace) -> int:
    """List layers that others override."""
    from oboromi_fs.overlay.conflicts import shadowed

    overlay = open_overlay(session, options)
    found = shadowed(overlay.index(), fully=options.fully)
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif not found:
        session.console.note("every layer wins with all of its files" if not options.fully else "every layer wins with some of its files")
    else:
        rows = [
            (
                overlay.union.layers[each.source_index].name,
                str(each.file_count),
                str(each.shadowed_count),
                _names(overlay, each.shadowed_by) or "itself",
                "wins nothing" if each.fully_shadowed else "",
            )
            for each in found
        ]
        table(session.console, ("layer", "files", "shadowed", "by", ""), rows, right=(1, 2))
    return overlay.finish(DONE)


# contributions


def contributions_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay contributions`` takes."""
    _declare(
        parser,
        "What each layer contributes, in numbers of files: winning (unique + overriding), overridden by others, and duplicate, which are\n"
        "those that others have as well. What others delete, or hide in another way, is hidden, and in none of these.",
    )


def run_contributions(session: Session, options: argparse.Namespace) -> int:
    """Count what each layer contributes."""
    from oboromi_fs.overlay.reports import contributions

    overlay = open_overlay(session, options)
    found = contributions(overlay.index())
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    else:
        rows = [
            (
                overlay.union.layers[each.source_index].name,
                each.source.kind,
                *(str(number) for number in (each.winning, each.unique, each.overriding, each.overridden, each.duplicate, each.hidden)),
            )
            for each in found
        ]
        columns = ("layer", "kind", "winning", "unique", "overriding", "overridden", "duplicate", "hidden")
        table(session.console, columns, rows, right=(2, 3, 4, 5, 6, 7))
    return overlay.finish(DONE)


# remaining


def remaining_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay remaining`` takes."""
    parser.add_argument("source", metavar="LAYER", help="a layer by its name or path")
    parser.add_argument("--replacements-only", action="store_true", help="those that another layer replaces, instead")
    _declare(parser, "The files of a layer that win, so that nothing replaces them. Exit code 1 if there are none.")


def run_remaining(session: Session, options: argparse.Namespace) -> int:
    """List the files of a layer that win, or do not."""
    overlay = open_overlay(session, options)
    found = overlay.index().remaining(options.source, replacements_only=options.replacements_only)
    if wants_document(session, options):
        document(session, options, found)
    elif not found:
        session.console.note(f"no file of it {'is replaced' if options.replacements_only else 'wins'}")
    else:
        session.console.lines(map(session.console.name, found))
    return overlay.finish(DONE if found else NO)


# archives


def archives_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay archives`` takes."""
    _declare(parser, "The layers that are archives: how many files each has, and how many of them win.")


def run_archives(session: Session, options: argparse.Namespace) -> int:
    """List the layers that are archives."""
    from oboromi_fs.overlay.reports import archives

    overlay = open_overlay(session, options)
    found = archives(overlay.index())
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif not found:
        session.console.note("no layer is an archive")
    else:
        rows = [(overlay.union.layers[each.source_index].name, str(each.entry_count), str(each.winning_entry_count)) for each in found]
        table(session.console, ("archive", "files", "winning"), rows, right=(1, 2))
    return overlay.finish(DONE)


def archive_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay archive-list`` takes."""
    parser.add_argument(
        "source", metavar="ARCHIVE", nargs="?", help="a layer by its name or path; all that are archives where it is not given"
    )
    _declare(parser, "The files of archives, and whether each wins.")


def run_archive_list(session: Session, options: argparse.Namespace) -> int:
    """List the files of archives."""
    from oboromi_fs.overlay.reports import archive_entries, archives

    overlay = open_overlay(session, options)
    index = overlay.index()
    if options.source is not None and overlay.union.layers[index.source_id(options.source)].kind != "archive":
        raise LayerError(options.source, "is a folder, no archive")
    sources = [options.source] if options.source is not None else [each.source_index for each in archives(index)]
    found = [entry for source in sources for entry in archive_entries(index, source)]
    if wants_document(session, options):
        document(session, options, [each.to_json() for each in found])
    elif not found:
        session.console.note("no layer is an archive" if not sources else "no archive has a file")
    else:
        rows = [("wins" if each.wins else "-", each.key, f"{each.archive_path}::{each.original_path}") for each in found]
        table(session.console, ("", "path", "entry"), rows)
    return overlay.finish(DONE)
