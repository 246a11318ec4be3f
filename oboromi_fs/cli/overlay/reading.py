"""``overlay ls tree cat find find-file extract``: the merged view, read like any folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from oboromi_fs.cli.failures import DONE, NO, UsageError
from oboromi_fs.cli.listing import check_levels, draw_place, in_path_order, list_place, tree_of, write_entries
from oboromi_fs.cli.overlay.output import document, format_arguments, wants_document
from oboromi_fs.cli.overlay.places import check_below, check_output
from oboromi_fs.cli.overlay.stacking import open_overlay, stack_arguments
from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.overlay.keys import fold_key
from oboromi_fs.paths import Glob, normalise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from oboromi_fs.cli.overlay.stacking import Overlay
    from oboromi_fs.cli.session import Session
    from oboromi_fs.opening import Location

__all__ = ["run_cat", "run_extract", "run_find", "run_find_file", "run_ls", "run_tree"]
__all__ += ["cat_arguments", "extract_arguments", "find_arguments", "find_file_arguments", "ls_arguments", "tree_arguments"]


def _on_place(session: Session, options: argparse.Namespace, act: Callable[[Session, argparse.Namespace, Location], int]) -> int:
    overlay = open_overlay(session, options)
    place = overlay.place(options.path) if getattr(options, "long", True) else overlay.folder(options.path)
    if place.path:
        overlay.tell_spellings(overlay.union.providers(place.path))
    return overlay.finish(act(session, options, place))


def ls_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay ls`` takes."""
    parser.description = "The names in a directory of the merged view, in path order. Whiteouts and the names they hide are not among them."
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="the root, where it is not given")
    parser.add_argument("--long", action="store_true", help="kind, size in bytes, and how it is stored")
    parser.add_argument("-R", "--recursive", action="store_true", help="everything below, as relative paths")
    format_arguments(parser)
    stack_arguments(parser)
    plain = parser.error

    def error(message: str) -> NoReturn:
        wrong = "argument -l/--layer: expected one argument"
        plain(message.replace(wrong, "-l is followed by the PATH of a layer (--long tells kinds and sizes)"))

    vars(parser)["error"] = error  # `ls -l` is what fingers write.


def run_ls(session: Session, options: argparse.Namespace) -> int:
    """List a directory of the merged view."""
    if session.json or not wants_document(session, options):
        return _on_place(session, options, list_place)
    overlay = open_overlay(session, options)
    place = overlay.place(options.path)
    found = place.fs.walk(place.path) if options.recursive else ((entry.name, entry) for entry in place.fs.read_dir(place.path))
    document(session, options, _rows((inner, entry.kind, entry.size) for inner, entry in found))
    return overlay.finish()


def _rows(found: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Entries as ``ls --json`` has them."""
    return [{"path": inner, "kind": kind, "size": size} for inner, kind, size in in_path_order(found)]


def tree_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay tree`` takes."""
    parser.description = "A drawing of the merged view, or of what is below PATH."
    parser.add_argument("path", metavar="PATH", nargs="?", default="")
    parser.add_argument("-L", "--levels", type=int, metavar="N", help="go down so many levels only")
    format_arguments(parser)
    stack_arguments(parser)


def run_tree(session: Session, options: argparse.Namespace) -> int:
    """Draw the merged view."""
    check_levels(options)
    overlay = open_overlay(session, options)
    place = overlay.folder(options.path)
    if session.json or not wants_document(session, options):
        return overlay.finish(draw_place(session, options, place))
    document(session, options, tree_of(place, options.levels))
    return overlay.finish()


def cat_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay cat`` takes."""
    from oboromi_fs.cli.reading import cat_arguments as plain

    plain(parser)
    parser.description = "The bytes of a file of the merged view, or a range of them, to stdout; or one layer's version of it."
    parser.add_argument("--from", dest="version", metavar="LAYER", help="the version of this layer, be it overridden or hidden")
    stack_arguments(parser)


def run_cat(session: Session, options: argparse.Namespace) -> int:
    """Write the bytes of a file to stdout."""
    from oboromi_fs.backends.memory import MemoryFs
    from oboromi_fs.cli.reading import write_place
    from oboromi_fs.opening import Location, NestedFs

    if options.version is None:
        return _on_place(session, options, write_place)
    overlay = open_overlay(session, options)
    storage = overlay.union.storage_in(options.version, options.path)
    name = normalise(options.path).rpartition("/")[2]
    alone = Location(NestedFs(MemoryFs({name: storage}), session.opener()), name, options.path, "")
    return overlay.finish(write_place(session, options, alone))


def extract_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay extract`` takes."""
    from oboromi_fs.cli.extraction import extract_arguments as plain

    plain(parser)
    parser.description = "Write what is below PATH of the merged view into a folder: all of it, or nothing; of a file, the file itself."
    parser.add_argument("--from", dest="version", metavar="LAYER", help="this layer's files alone, be they overridden or hidden")
    stack_arguments(parser)


def run_extract(session: Session, options: argparse.Namespace) -> int:
    """Extract from the merged view."""
    from oboromi_fs.cli.extraction import check_usage, extract_place

    check_usage(options)
    overlay = open_overlay(session, options)
    check_output(session, overlay.spec, options.output)
    code = overlay.unreadable()
    if code != DONE:
        session.console.error("nothing is written: a layer could not be read")
        return code
    place = overlay.place(options.path) if options.version is None else _place_in(session, overlay, options)
    check_below(session, overlay.spec, options.output, place if session.is_tree(place) else None, name=place.path.rpartition("/")[2])
    return overlay.finish(extract_place(session, options, place))


def _place_in(session: Session, overlay: Overlay, options: argparse.Namespace) -> Location:
    """A place in what one layer has, without the others."""
    from oboromi_fs.opening import Location, NestedFs
    from oboromi_fs.overlay import UnionFs

    layer = overlay.union.layers[overlay.union.index(options.version)]
    alone = NestedFs(UnionFs([layer]), session.opener())
    path = normalise(options.path)
    try:
        alone.metadata(path)
    except EntryNotFoundError:
        raise EntryNotFoundError(options.path, f"layer {layer.name!r} has no such path") from None
    return Location(alone, path, options.path or "/", "")


def find_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay find`` takes."""
    parser.description = (
        "The paths of the merged view that match. * and ? stay inside a name, ** crosses directories; a pattern without / matches names\n"
        "at any depth; case counts unless -i is given. Exit code 1 if nothing matches."
    )
    parser.add_argument("globs", metavar="GLOB", nargs="*")
    parser.add_argument("-i", "--ignore-case", action="store_true", help="fold the case of ASCII letters")
    parser.add_argument("-e", "--regex", metavar="RE", help="files whose path has a match of a regular expression, whatever its case")
    format_arguments(parser)
    stack_arguments(parser)


def run_find(session: Session, options: argparse.Namespace) -> int:
    """Find paths by patterns."""
    if bool(options.globs) == (options.regex is not None):
        raise UsageError("say what to find: GLOBs, or an expression with --regex")
    overlay = open_overlay(session, options)
    globs = [Glob(pattern, ignore_case=options.ignore_case) for pattern in options.globs]
    if options.regex is not None:
        from oboromi_fs.overlay.matching import matching

        files = {inner: entry for inner, entry in overlay.union.walk() if entry.kind == "file"}
        found = ((inner, files[inner]) for inner in matching(options.regex, tuple(files)))
    else:
        found = ((inner, entry) for inner, entry in overlay.union.walk() if any(glob.matches(inner) for glob in globs))
    rows = in_path_order((inner, entry.kind, entry.size) for inner, entry in found)
    if session.json:
        write_entries(session.console, rows)
    elif wants_document(session, options):
        document(session, options, _rows(rows))
    else:
        session.console.lines(session.console.name(inner) for inner, _, _ in rows)
    return overlay.finish(DONE if rows else NO)


def find_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay find-file`` takes."""
    parser.description = (
        "Which file of the merged view a path is: as it is spelled, else by its key (separators either way, any case of ASCII letters).\n"
        "The answer is where the file really lies. Exit code 1 if there is none."
    )
    parser.add_argument("path", metavar="PATH")
    format_arguments(parser)
    stack_arguments(parser)


def run_find_file(session: Session, options: argparse.Namespace) -> int:
    """Look a path up in any spelling."""
    overlay = open_overlay(session, options)
    union = overlay.union
    path = normalise(options.path)
    found = [path] if union.is_file(path) else []
    if not found:
        key = fold_key(options.path)
        found = [inner for inner, entry in union.walk() if entry.kind == "file" and fold_key(inner) == key]
    providers = [union.provider(inner) for inner in found]
    if wants_document(session, options):
        document(session, options, [provider.to_json() for provider in providers])
    else:
        session.console.lines(session.console.name(provider.resolved_path) for provider in providers)
    return overlay.finish(DONE if found else NO)
