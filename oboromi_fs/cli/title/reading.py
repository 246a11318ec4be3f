"""``title ls tree cat find extract``: the title, read like any folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import UsageError
from oboromi_fs.cli.listing import check_levels, draw_place, find_below, list_place
from oboromi_fs.cli.title.opening import place_in, readable_in, title_arguments

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session

__all__ = ["cat_arguments", "extract_arguments", "find_arguments", "ls_arguments", "tree_arguments"]
__all__ += ["run_cat", "run_extract", "run_find", "run_ls", "run_tree"]


def ls_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title ls`` takes."""
    parser.description = "The names in a directory of the title, in path order; of a file, the file itself."
    parser.add_argument("path", metavar="PATH", nargs="?", default="", help="in the title; its root, where it is not given")
    parser.add_argument("-l", "--long", action="store_true", help="kind, size in bytes, and how it is stored: plain, encrypted, ...")
    parser.add_argument("-R", "--recursive", action="store_true", help="everything below, as relative paths")
    title_arguments(parser)


def run_ls(session: Session, options: argparse.Namespace) -> int:
    """List a directory of the title."""
    if not options.recursive:
        return list_place(session, options, place_in(session, options, options.path))
    found = readable_in(session, options, options.path)
    return found.told(session, list_place(session, options, found.place))


def tree_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title tree`` takes."""
    parser.description = "A drawing of the title, or of what is below PATH."
    parser.add_argument("path", metavar="PATH", nargs="?", default="")
    parser.add_argument("-L", "--levels", type=int, metavar="N", help="go down so many levels only")
    title_arguments(parser)


def run_tree(session: Session, options: argparse.Namespace) -> int:
    """Draw the title."""
    check_levels(options)
    found = readable_in(session, options, options.path)
    return found.told(session, draw_place(session, options, found.place))


def cat_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title cat`` takes."""
    from oboromi_fs.cli.reading import cat_arguments as plain

    plain(parser)
    parser.description = "The bytes of a file of the title, or a range of them, to stdout."
    title_arguments(parser)


def run_cat(session: Session, options: argparse.Namespace) -> int:
    """Write the bytes of a file to stdout."""
    from oboromi_fs.cli.reading import write_place

    return write_place(session, options, place_in(session, options, options.path))


def find_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title find`` takes."""
    parser.description = (
        "The paths of the title that match, each as a path that other verbs of title take. * and ? stay inside a name, ** crosses\n"
        "directories; a pattern without / matches names at any depth. Exit code 1 if nothing matches."
    )
    parser.add_argument("globs", metavar="GLOB", nargs="+")
    title_arguments(parser)


def run_find(session: Session, options: argparse.Namespace) -> int:
    """Find paths by patterns."""
    found = readable_in(session, options, "")
    return found.told(session, find_below(session, options, found.place))


def extract_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title extract`` takes."""
    from oboromi_fs.cli.extraction import extract_arguments as plain

    plain(parser)
    parser.description = (
        "Write what is below PATH of the title into a folder: / or . for everything. Parts that cannot be opened are told and left out\n"
        "(exit code 3); what can be is written as a whole, or not at all."
    )
    title_arguments(parser)


def run_extract(session: Session, options: argparse.Namespace) -> int:
    """Extract from the title."""
    from oboromi_fs.cli.extraction import check_usage, extract_place
    from oboromi_fs.overlay.hostplaces import is_or_lies_in

    check_usage(options)
    output = os.path.realpath(options.output)
    for source in (*options.sources, *(options.mods or ())):
        if os.path.isdir(source) and is_or_lies_in(output, os.path.realpath(source)):
            raise UsageError(f"{options.output} lies in {source}, and would be taken for a part of the title, or a mod, the next time")
    found = readable_in(session, options, options.path, check=options.verify)
    return found.finish(session, extract_place(session, options, found.place, found.problems))
