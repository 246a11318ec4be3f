"""Verbs and options: the command line as it is written.

A verb's module is imported when the verb is called, and only the parser of that verb is built: starting takes less than most of them do.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from oboromi_fs._version import __version__
from oboromi_fs.cli.failures import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session

__all__ = ["GROUPS", "VERBS", "module", "parse"]

VERBS = {
    "info": ("about", "what this is, as a tree: titles, archives, keys, sections"),
    "ls": ("listing", "the names in a directory or container"),
    "tree": ("listing", "the same as a drawing, all levels"),
    "stat": ("reading", "kind, size, and how a file is stored"),
    "cat": ("reading", "the bytes of a file"),
    "find": ("listing", "the paths that match a pattern"),
    "library": ("collecting", "folders of dumps as titles: versions, updates, add-ons, and what is missing or double"),
    "title": ("title", "a base, its update, add-on content and mods as one file system"),
    "extract": ("extraction", "write what is below a path into a folder"),
    "verify": ("checking", "check every hash and signature there is"),
    "hash": ("checking", "a digest of every file below a path"),
    "keys": ("keyring", "which keys are known, and which a file needs"),
    "pack": ("packing", "build a container, an executable or metadata"),
    "overlay": ("overlay", "many layers as one, such as a game and its mods: who wins, why, and the result"),
    "mods": ("modding", "which mods are installed, what each tool makes of them, and what it passes over"),
    "patch": ("patching", "apply, make and show patches of executables: IPS, IPS32, pchtxt"),
    "demo": ("demo", "show all of this on a small made-up game"),
}
"""Verb -> its module in this package, and what it does."""

GROUPS = ("overlay", "title")
"""Verbs that have verbs of their own, which are in the VERBS of their package."""

_SEVERAL = ("extract", "find", "keys", "library", "patch", "verify")
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
    add("--base", metavar="PATH", help="the game that mods are laid over; the base of an update")
    add("--sd-path", metavar="PATH", help="where a file from an SD card lies there: /registered/000000XX/ID.nca, or /ID of save data")
    add("--json", action="store_true", help="one JSON document on stdout")
    add("-q", "--quiet", action="store_true", help="no warnings, no progress")
    add("-v", "--verbose", action="count", default=0, help="more on stderr: warnings about keys, causes of errors")
    add("--no-color", action="store_true", help="no colour on a terminal; so does NO_COLOR")
    add("--version", action="version", version=f"oboromi {__version__}", help="print the version")
    add("-h", "--help", action="help", help="print this")


def _table(verbs: Mapping[str, tuple[str, str]]) -> str:
    width = max(map(len, verbs))
    return "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in verbs.items())


def _top_parser(console: Console) -> _Parser:
    description = f"Look into, read, extract, check and build ROM archives, and layer mods over them.\n\nverbs:\n{_table(VERBS)}"
    parser = _Parser(console, prog="oboromi", usage="oboromi [options] VERB ...", description=description, epilog=_EPILOG)
    _add_globals(parser)
    return parser


def _group_parser(console: Console, group: str) -> _Parser:
    package = module(group)
    description = f"{VERBS[group][1].capitalize()}.\n\nverbs:\n{_table(package.VERBS)}"
    usage = f"oboromi {group} VERB [options] ..."
    parser = _Parser(console, prog=f"oboromi {group}", usage=usage, description=description, epilog=package.EPILOG)
    _add_globals(parser)
    return parser


def _verb_parser(console: Console, name: str, home: Any, text: str) -> _Parser:
    parser = _Parser(console, prog=f"oboromi {name}", description=f"{text.capitalize()}.")
    getattr(home, f"{_function(name)}_arguments")(parser)
    _add_globals(parser)
    return parser


def _function(name: str) -> str:
    """What the functions of a verb are called by: ``find_file`` for ``overlay find-file``."""
    return name.rpartition(" ")[2].replace("-", "_")


def module(verb: str) -> Any:
    """Return the module of a verb: it has ``{verb}_arguments`` and ``run_{verb}``. That of a group is a package with VERBS."""
    from importlib import import_module

    return import_module(f"oboromi_fs.cli.{VERBS[verb][0]}")


def _no_verb(word: str, verbs: Mapping[str, tuple[str, str]], group: str = "") -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(word, verbs, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(verbs)}"
    return UsageError(f"no verb {word!r}{f' of {group}' if group else ''}; {hint}")


def parse(arguments: list[str], console: Console) -> tuple[Callable[[Session, argparse.Namespace], int], argparse.Namespace]:
    """Return what carries out the verb, and its options, of which ``-q``, ``-v`` and ``--no-color`` are in force from here on.

    Raises:
        UsageError: The command line makes no sense.
        SystemExit: It asked for help, or the version, which has been printed.
    """
    before, verb, rest = _split(arguments, _VALUED)
    if verb == "help":
        verb, rest = rest[0] if rest else "", [*rest[1:], "--help"]
    if not verb:
        parser = _top_parser(console)
        parser.parse_args([*before, *rest])
        raise UsageError(f"no verb: say what to do, one of {', '.join(VERBS)}; see oboromi --help")
    if verb not in VERBS:
        raise _no_verb(verb, VERBS)
    if verb in GROUPS:
        name, home, text, several, words = _of_group(verb, rest, console)
    else:
        name, home, text, several, words = verb, module(verb), VERBS[verb][1], verb in _SEVERAL, rest
    parser = _verb_parser(console, name, home, text)
    # Only the intermixed form takes options between PATH and the GLOBs that may follow it; it is slower.
    parse = parser.parse_intermixed_args if several else parser.parse_args
    options = parse([*before, *_joined(words)])
    console.quiet, console.verbose, console.color = options.quiet, options.verbose, console.color and not options.no_color
    return getattr(home, f"run_{_function(name)}"), options


def _of_group(group: str, rest: list[str], console: Console) -> tuple[str, Any, str, bool, list[str]]:
    """Name, module and description of a group's verb, whether it takes any number of words, and what else was given."""
    from importlib import import_module

    package = module(group)
    before, verb, words = _split(rest, (*_VALUED, *package.VALUED))
    if not verb:
        _group_parser(console, group).parse_args([word for word in before if word in ("-h", "--help", "--version")])
        raise UsageError(f"no verb: say what to do, one of {', '.join(package.VERBS)}; see oboromi {group} --help")
    if verb not in package.VERBS:
        raise _no_verb(verb, package.VERBS, group)
    home, text = package.VERBS[verb]
    return f"{group} {verb}", import_module(f"{package.__name__}.{home}"), text, verb in package.SEVERAL, [*before, *words]


_VALUED = ("--keys", "--base", "--sd-path")
"""Options everywhere that are followed by a value."""


def _split(arguments: list[str], valued: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Return the options before the verb, the verb (``""`` where there is none) and what follows it; ``valued`` options have a value."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "--":
        at += 2 if arguments[at] in valued else 1
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
