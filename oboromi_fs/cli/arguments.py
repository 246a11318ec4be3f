"""Verbs and options: the command line as it is written.

A verb's module is imported when the verb is called, and only the parser of that verb is built: starting takes less than most of them do.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from oboromi_fs._version import __version__
from oboromi_fs.cli.failures import UsageError

if TYPE_CHECKING:
    from oboromi_fs.cli.console import Console

__all__ = ["VERBS", "module", "parse"]

VERBS = {
    "info": ("about", "what this is, as a tree: titles, archives, keys, sections"),
    "ls": ("listing", "the names in a directory or container"),
    "tree": ("listing", "the same as a drawing, all levels"),
    "stat": ("reading", "kind, size, and how a file is stored"),
    "cat": ("reading", "the bytes of a file"),
    "find": ("listing", "the paths that match a pattern"),
    "extract": ("extraction", "write what is below a path into a folder"),
    "verify": ("checking", "check every hash and signature there is"),
    "hash": ("checking", "a digest of every file below a path"),
    "keys": ("keyring", "which keys are known, and which a file needs"),
    "pack": ("packing", "build a container, an executable or metadata"),
    "demo": ("demo", "show all of this on a small made-up game"),
}
"""Verb -> its module in this package, and what it does."""

_SEVERAL = ("extract", "find", "keys", "verify")
"""Verbs that take any number of words."""

_EPILOG = """\
A PATH is a path of this computer that may go on inside containers, as deep as they nest:
  card.xci/secure/0123456789abcdef0123456789abcdef.nca/romfs/data/level1.bin
  game.nsp/@program/romfs/data/level1.bin      (@program @control @manual @legal @data @publicdata @meta)

exit codes: 0 done, 1 the answer is no, 2 usage, 3 the input is damaged or not supported, 4 a key is missing,
  5 no such path, 6 the host refused, 130 interrupted
`oboromi VERB --help` tells more of a verb."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises, and writes through the console."""

    def __init__(self, console: Console, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
        self.console = console

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        del file
        self.console.write(message)


def _add_globals(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("options everywhere").add_argument
    add("--keys", action="append", default=[], metavar="FILE", help="key file or folder (may be repeated); see OBOROMI_KEYS")
    add("--base", metavar="PATH", help="the base of an update (updates cannot be read yet)")
    add("--json", action="store_true", help="one JSON document on stdout")
    add("-q", "--quiet", action="store_true", help="no warnings, no progress")
    add("-v", "--verbose", action="count", default=0, help="more on stderr: warnings about keys, causes of errors")
    add("--no-color", action="store_true", help="no colour on a terminal; so does NO_COLOR")
    add("--version", action="version", version=f"oboromi {__version__}", help="print the version")
    add("-h", "--help", action="help", help="print this")


def _top_parser(console: Console) -> _Parser:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items())
    description = f"Look into, read, extract and check ROM archives.\n\nverbs:\n{verbs}"
    parser = _Parser(console, prog="oboromi", usage="oboromi [options] VERB ...", description=description, epilog=_EPILOG)
    _add_globals(parser)
    return parser


def _verb_parser(console: Console, verb: str) -> _Parser:
    parser = _Parser(console, prog=f"oboromi {verb}", description=f"{VERBS[verb][1].capitalize()}.")
    getattr(module(verb), f"{verb}_arguments")(parser)
    _add_globals(parser)
    return parser


def module(verb: str) -> Any:
    """Return the module of a verb: it has ``{verb}_arguments`` and ``run_{verb}``."""
    from importlib import import_module

    return import_module(f"oboromi_fs.cli.{VERBS[verb][0]}")


def _no_verb(word: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(word, VERBS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(VERBS)}"
    return UsageError(f"no verb {word!r}; {hint}")


def parse(arguments: list[str], console: Console) -> tuple[str, argparse.Namespace]:
    """Return the verb and its options, of which ``-q``, ``-v`` and ``--no-color`` are in force from here on.

    Raises:
        UsageError: The command line makes no sense.
        SystemExit: It asked for help, or the version, which has been printed.
    """
    before, verb, rest = _split(arguments)
    if verb == "help":
        verb, rest = rest[0] if rest else "", ["--help"]
    if not verb:
        parser = _top_parser(console)
        parser.parse_args([*before, *rest])
        raise UsageError(f"no verb: say what to do, one of {', '.join(VERBS)}; see oboromi --help")
    if verb not in VERBS:
        raise _no_verb(verb)
    parser = _verb_parser(console, verb)
    # Only the intermixed form takes options between PATH and the GLOBs that may follow it; it is slower.
    parse = parser.parse_intermixed_args if verb in _SEVERAL else parser.parse_args
    options = parse([*before, *_joined(rest)])
    console.quiet, console.verbose, console.color = options.quiet, options.verbose, console.color and not options.no_color
    return verb, options


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """Return the options before the verb, the verb (``""`` where there is none) and what follows it."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "--":
        at += 2 if arguments[at] in ("--keys", "--base") else 1
    return arguments[:at], arguments[at] if at < len(arguments) else "", arguments[at + 1 :]


def _joined(arguments: list[str]) -> list[str]:
    """Tie ``--range -16:`` together, whose value would be taken for an option."""
    found: list[str] = []
    for word in arguments:
        if found and found[-1] == "--range" and word.startswith("-") and "--" not in found:
            found[-1] = f"--range={word}"
        else:
            found.append(word)
    return found
