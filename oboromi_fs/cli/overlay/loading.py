"""``overlay exefs``, and layers that are the mods a tool finds: the game, its mods, and what is to be said of them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.console import plural, size_text
from oboromi_fs.cli.failures import DONE, UsageError
from oboromi_fs.cli.overlay.places import check_output
from oboromi_fs.cli.overlay.stacking import Overlay, open_overlay, stack_arguments
from oboromi_fs.errors import MissingBaseError
from oboromi_fs.jobs.modstack import SeveralTitlesError, open_mods
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.session import Session
    from oboromi_fs.mods.loadout import Loadout

__all__ = ["UPDATE_ALONE", "exefs_arguments", "no_base", "open_with_mods", "run_exefs", "title_of"]

UPDATE_ALONE = "--update is laid over the game: give that with --base"


def title_of(text: str | None) -> int | None:
    """Return the title id that a person wrote.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    title = parse_title_id(text)
    if title is None:
        raise UsageError(f"--title takes 16 hexadecimal digits, such as 0100abcdef000000, and not {text!r}")
    return title


def no_base(session: Session, error: MissingBaseError) -> UsageError:
    """Return what to say where ``--base`` names no base; often it is the update itself."""
    base = session.base or ""
    if error.source == base or (error.source or "").startswith(f"{base}/"):
        return UsageError(f"{base} is an update, which lies over a game: give the game with --base, and this with --update")
    return UsageError(str(error))


def open_with_mods(session: Session, options: argparse.Namespace) -> Overlay:
    """Open a game with the mods that a tool finds for it.

    Raises:
        UsageError: What is given does not go together.
        OboromiFsError, OSError: The game or the folder of mods cannot be opened.
    """
    profile = options.profile or "plain"
    if options.mods is None:
        raise UsageError(f"--profile {profile} is about mods that a tool finds: say where with --mods ROOT")
    if profile == "openmw":
        raise UsageError("--profile openmw takes layers with -l or -s; --mods goes with atmosphere, yuzu, ryujinx or plain")
    if options.layers or options.stack is not None or options.case:
        raise UsageError("--mods brings the layers: -l, -s and --case do not go with it; the game is given with --base")
    if options.update is not None and session.base is None:
        raise UsageError(UPDATE_ALONE)
    try:
        stack = open_mods(
            profile,
            options.mods,
            title_of(options.title),
            session.base,
            session.opener,
            disabled=options.disable,
            update=options.update,
        )
    except SeveralTitlesError as error:
        raise UsageError(error.problem) from None
    except MissingBaseError as error:
        raise no_base(session, error) from None
    overlay = Overlay(session, stack.spec, stack)
    for fs in stack.opened:
        session.keep(fs)
    for text in stack.warnings:
        session.console.warn(text)
    _tell(overlay, stack.root)
    path = getattr(options, "path", None)
    if isinstance(path, str) and path and overlay.loadout is not None:
        found = overlay.loadout.find(path)
        if found != normalise(path):
            options.path = found
    return overlay


def _tell(overlay: Overlay, root: str) -> None:
    """Say what is damaged, and how much else is passed over."""
    loadout = overlay.loadout
    console = overlay.session.console
    if loadout is None:
        return
    others = 0
    for notice in loadout.notices:
        if notice.reason in ("damaged", "state", "build"):
            console.warn(f"{os.path.join(root, notice.path)}: {notice.text}")
        elif notice.ignored and notice.reason != "disabled":
            others += 1
    if others:
        title = f" --title {loadout.installed.title_id:016x}" if loadout.installed.title_id else ""
        hint = f"`oboromi mods {root}{title} --profile {loadout.profile}` tells why"
        console.warn(f"{loadout.profile} passes over {plural(others, 'things')} in {root}: {hint}")
    _tell_of_the_game(overlay, loadout)


def _tell_of_the_game(overlay: Overlay, loadout: Loadout) -> None:
    """Say which part of the game mods are laid over nothing for."""
    console, base = overlay.session.console, overlay.session.base
    if base is None:
        if loadout.roles:
            console.warn("the game is not given (--base): this is of the mods alone, and patches of modules act on nothing")
        return
    games = {layer.at for layer in loadout.union.layers if loadout.roles[layer.name] == "game"}
    touched = {part for part, active in (("romfs", loadout.romfs_active), ("exefs", loadout.exefs_active)) if active}
    for part in sorted(touched - games):
        name = {"romfs": "RomFS", "exefs": "ExeFS"}[part]
        console.warn(f"{base} has no {name}: what mods have of it is all there is of it")


def exefs_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``overlay exefs`` takes."""
    parser.description = (
        "The merged ExeFS as a PFS0: what consoles and Ryujinx load as exefs.nsp. Modules that patches act on are patched, and\n"
        "uncompressed. PATH is the folder of the merged view that is the ExeFS; exefs, where it is not given."
    )
    parser.add_argument("path", metavar="PATH", nargs="?", default="exefs")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the partition")
    stack_arguments(parser)


def run_exefs(session: Session, options: argparse.Namespace) -> int:
    """Write the merged ExeFS."""
    from oboromi_fs.base import SubFs
    from oboromi_fs.builders.pfs0 import build_pfs0
    from oboromi_fs.storage.writing import write_storage

    if not options.output:
        raise UsageError("-o takes the name of a file, not an empty one")
    overlay = open_overlay(session, options)
    check_output(session, overlay.spec, options.output)
    if os.path.isdir(options.output):
        raise IsADirectoryError(errno.EISDIR, "is a folder, and the partition is a file", options.output)
    path = normalise(options.path)
    overlay.union.read_dir(path)
    archive = build_pfs0(SubFs(overlay.union, path))
    code = overlay.unreadable()
    if code != DONE:
        session.console.error("no partition is written: a layer could not be read")
        return code
    size = write_storage(archive, options.output)
    names = [entry.name for entry in overlay.union.read_dir(path)]
    if session.json:
        session.console.json({"output": options.output, "files": names, "bytes": size})
    else:
        session.console.note(f"{', '.join(names) or 'nothing'}, {size_text(size)}, written to {options.output}")
    return overlay.finish()
