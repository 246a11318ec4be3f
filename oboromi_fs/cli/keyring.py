"""``keys list`` and ``keys check``: names of keys, never values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import plural
from oboromi_fs.cli.drawing import columns
from oboromi_fs.cli.failures import DAMAGED, DONE, MISSING_KEY, NO, UsageError
from oboromi_fs.cli.impostors import refuse_impostor
from oboromi_fs.paths import join

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.describe import Description
    from oboromi_fs.opening import Location

__all__ = ["keys_arguments", "run_keys"]


_SHOWN = 3
"""NCAs that cannot be opened, named one by one before the rest is counted: with a wrong key it is all of them."""


def keys_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``keys`` takes."""
    parser.usage = "oboromi keys list [options]\n       oboromi keys check PATH [options]"
    parser.description = (
        "list: the names of the keys that are known, and the file each is from; with -v also of those that follow from them.\n"
        "check: the keys that PATH needs, a folder to the bottom, and which of them are missing (exit code 4 if one is)."
    )
    parser.add_argument("action", metavar="list|check", choices=("list", "check"))
    parser.add_argument("path", metavar="PATH", nargs="?")


def run_keys(session: Session, options: argparse.Namespace) -> int:
    """Tell of keys."""
    if options.action == "check":
        if options.path is None:
            raise UsageError("keys check takes the PATH to check; see oboromi keys --help")
        return _check(session, options.path)
    if options.path is not None:
        raise UsageError(f"keys list takes no path ({options.path!r}); did you mean keys check?")
    return _list(session)


def _list(session: Session) -> int:
    console, keys = session.console, session.opener().keys
    names = keys.names(derived=bool(console.verbose))
    titles = keys.rights_ids()
    if session.json:
        console.json(
            {
                "files": list(keys.files),
                "searched": list(keys.searched),
                "keys": [{"name": name, "origin": keys.origin(name)} for name in names],
                "title_keys": [{"rights_id": rights_id.hex(), "origin": keys.origin(rights_id)} for rights_id in titles],
            }
        )
    else:
        rows = [(name, console.name(keys.origin(name))) for name in names]
        rows += [(rights_id.hex(), console.name(keys.origin(rights_id))) for rights_id in titles]
        console.lines(columns(rows))
    if names or titles:
        return DONE
    console.error(f"no key: {session.where_keys()}")
    return NO


def _descriptions(place: Location) -> Iterator[Description]:
    """Describe a place; of a folder also all folders below it, each by itself."""
    from dataclasses import replace

    from oboromi_fs.backends.host import HostFs
    from oboromi_fs.jobs.describe import describe

    yield describe(place)
    fs, inner = place.fs.resolve(place.path)
    if isinstance(fs, HostFs) and place.kind == "directory":
        for below, entry in fs.walk(inner):
            if entry.kind == "directory":
                yield describe(replace(place, path=join(place.path, below), display=join(place.display, below)))


def _check(session: Session, path: str) -> int:
    from oboromi_fs.jobs.describe import nodes

    console = session.console
    place = session.locate(path)
    needs: dict[str, dict[str, Any]] = {}
    archives = others = 0
    problems: list[str] = []
    for number, node in enumerate(node for description in _descriptions(place) for node in nodes(description)):
        if not number:
            refuse_impostor(place, node)
        if node["kind"] == "nca":
            archives += 1
            problems += node.get("problems", ()) if "content_type" not in node else ()
        elif node["kind"] == "sd_card_file":
            others += 1
            problems += node.get("problems", ())
        for key in node.get("keys", ()):
            need = needs.setdefault(key["name"], {**key, "needed_by": 0})
            need["needed_by"] += 1
            if key["status"] == "missing":  # A ticket that one NCA has beside it, another may lack.
                need.update(key)
    found = sorted(needs.values(), key=lambda need: (need["optional"], need["name"]))
    missing = [need for need in found if need["status"] == "missing" and not need["optional"]]
    if session.json:
        console.json({"path": place.display, "ncas": archives, "missing": len(missing), "keys": found})
    elif not found and not problems:
        console.note(f"{place.display} needs no key")
    elif found:
        console.lines(
            columns(
                [
                    (
                        console.paint(
                            f"{need['status']:<7}", "bad" if need in missing else "doubt" if need["status"] == "missing" else "good"
                        ),
                        need["name"],
                        f"{need['purpose']}{' (optional)' if need['optional'] else ''}",
                        console.name(need["origin"] or "-"),
                    )
                    for need in found
                ]
            )
        )
        there = len(found) - len([need for need in found if need["status"] == "missing"])
        console.write(f"{there} of {plural(len(found), 'keys')} there, for {plural(archives, 'NCAs')}\n")
    if missing:
        console.error(f"missing: {', '.join(need['name'] for need in missing)}; {session.where_keys()}")
    for problem in problems[:_SHOWN]:
        console.error(problem)
    if len(problems) > _SHOWN:
        console.error(f"and {plural(len(problems) - _SHOWN, 'files' if others else 'NCAs')} more that cannot be opened")
    return MISSING_KEY if missing else DAMAGED if problems else DONE
