"""``title info explain``: what a title is made of, and where a path of it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oboromi_fs.cli.console import printable
from oboromi_fs.cli.drawing import Branch, draw
from oboromi_fs.cli.failures import DAMAGED, DONE
from oboromi_fs.cli.title.opening import issues_of, open_given, others_text, tell, title_arguments
from oboromi_fs.errors import EntryNotFoundError, MissingKeyError, OboromiFsError
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from oboromi_fs.cli.session import Session
    from oboromi_fs.overlay import Provider
    from oboromi_fs.titles import FoundMeta, Issue, Title

__all__ = ["explain_arguments", "info_arguments", "run_explain", "run_info"]


# info


def info_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title info`` takes."""
    parser.description = (
        "Which base, update, add-on content and mods are taken of what lies in the given files and folders, the modules of each program,\n"
        "and what is missing, damaged or contradicts. Exit code 3 if anything of it is damaged.\n"
        "Where --title picks one of several, files in which no title is found are only counted; -v names them."
    )
    title_arguments(parser)


def run_info(session: Session, options: argparse.Namespace) -> int:
    """Describe the title."""
    title = open_given(session, options)
    faults = title.faults()
    own, others = issues_of(title, options)
    name, display_version, control = _names(title)
    document = {
        "title_id": f"{title.title_id:016x}",
        "name": name,
        "display_version": display_version,
        "control": control,
        "version": title.version,
        "versions": list(title.versions),
        "base": _meta(title.base),
        "update": _meta(title.update),
        "addons": [f"{addon:016x}" for addon in title.addons],
        "programs": [_program(title, index) for index in title.programs],
        "mods": [_mods(title, number) for number in title.loadouts],
        "issues": [issue.to_json() for issue in title.issues],
        "unreadable": [{"part": part, "reason": str(wrong)} for part, wrong in faults.items()],
        "notices": [notice.to_json() for notice in title.notices],
    }
    if session.json:
        session.console.json(document)
    else:
        branches = _branches(title, document, [*own, *others], []) if session.console.verbose else _branches(title, document, own, others)
        session.console.lines(draw(Branch(_headline(document), list(branches))))
    damaged = any(issue.kind in ("damaged", "refused") for issue in own)
    damaged = damaged or any(not isinstance(wrong, MissingKeyError) for wrong in faults.values())
    return DAMAGED if damaged else DONE


def _names(title: Title) -> tuple[str, str, list[str]]:
    """What the control data say: name and version to show; and what is wrong with them, in words."""
    from oboromi_fs.metadata.plausibility import findings

    try:
        nacp = title.nacp()
    except EntryNotFoundError:
        return "", "", []
    except (OboromiFsError, OSError) as wrong:
        return "", "", [str(wrong)]
    found = nacp.title()
    return found.name if found is not None else "", nacp.display_version, [finding.text for finding in findings(nacp)]


def _meta(meta: FoundMeta | None) -> dict[str, Any] | None:
    return None if meta is None else {"title_id": f"{meta.title_id:016x}", "version": meta.version, "path": meta.where}


def _program(title: Title, index: int) -> dict[str, Any]:
    """The modules of a program; why there are none, where it cannot be loaded."""
    try:
        program = title.load_program(index)
    except (OboromiFsError, OSError) as wrong:
        return {"index": index, "modules": [], "problem": str(wrong)}
    modules = [{"name": each.name, "build_id": each.build_id, "offset": each.offset, "size": each.size} for each in program.modules]
    return {"index": index, "name": program.name, "modules": modules, "problem": "; ".join(program.problems())}


def _mods(title: Title, number: int) -> dict[str, Any]:
    loadout = title.loadouts[number]
    return {
        "title_id": f"{loadout.installed.title_id:016x}",
        "profile": loadout.installed.profile,
        "mods": [{"name": mod.name, "path": mod.path, "enabled": mod.enabled} for mod in loadout.installed.mods],
    }


def _headline(document: dict[str, Any]) -> str:
    name = f": {printable(document['name'])} {printable(document['display_version'])}".rstrip() if document["name"] else ""
    return f"{document['title_id']} v{document['version']}{name}"


def _branches(title: Title, document: dict[str, Any], issues: list[Issue], beside: list[Issue]) -> Iterator[Branch]:
    for kind in ("base", "update"):
        found = document[kind]
        if found is not None:
            yield Branch(f"{kind} v{found['version']}: {printable(found['path'])}")
    others = [version for version in title.versions if version != title.version]
    if others:
        yield Branch(f"other versions: {', '.join(f'v{version}' for version in others)}")
    for addon in document["addons"]:
        yield Branch(f"add-on content {addon}")
    for program in document["programs"]:
        modules = [Branch(f"{each['name']} {each['build_id'].rstrip('0')}") for each in program["modules"]]
        problem = f": {printable(program['problem'])}" if program.get("problem") else ""
        yield Branch(f"program {program['index']}{problem}", modules)
    for each in document["mods"]:
        mods = [Branch(printable(mod["name"]) + ("" if mod["enabled"] else " (off)")) for mod in each["mods"]]
        yield Branch(f"mods of {each['title_id']} ({each['profile']}), the later wins", mods)
    for text in document["control"]:
        yield Branch(f"control data: {printable(text)}")
    for each in document["unreadable"]:
        yield Branch(f"cannot be read: {printable(each['part'])}: {printable(each['reason'])}")
    for issue in issues:
        yield Branch(f"{issue.kind}: {printable(str(issue))}")
    if beside:
        yield Branch(f"beside it: {others_text(beside)}")
    for notice in title.notices:
        yield Branch(f"{notice.reason}: {printable(str(notice))}")


# explain


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``title explain`` takes."""
    parser.description = (
        "Where a path of the title comes from: the game or a mod, and whom that overrides. Exit code 5 if there is no such path."
    )
    parser.add_argument("path", metavar="PATH")
    title_arguments(parser)


def run_explain(session: Session, options: argparse.Namespace) -> int:
    """Explain a path."""
    title = open_given(session, options)
    tell(session, title, options)
    found = title.union.explain(normalise(options.path))
    if found.winner is None:
        raise EntryNotFoundError(options.path)
    if session.json:
        session.console.json(found.to_json())
        return DONE

    def where(provider: Provider) -> str:
        return f"{printable(title.union.layers[provider.source_index].name)} ({printable(provider.resolved_path)})"

    branches = [Branch(f"{'overridden' if number else 'wins'}: {where(each)}") for number, each in enumerate(reversed(found.chain))]
    branches += [Branch(f"hidden: {where(each.provider)}") for each in reversed(found.hidden)]
    session.console.lines(draw(Branch(printable(found.key) or "/", branches)))
    return DONE
