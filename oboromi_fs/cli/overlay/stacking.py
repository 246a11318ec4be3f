"""The layers of a command line, opened; and what is to be said of them at the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

from oboromi_fs.cli.failures import DAMAGED, DONE, NO, UsageError, exit_code, line
from oboromi_fs.errors import EntryNotFoundError
from oboromi_fs.jobs.stack import open_stack
from oboromi_fs.jobs.stackfile import LayerSpec, Profile, StackSpec, read_stack, stack_of
from oboromi_fs.overlay import Case
from oboromi_fs.overlay.resolver import Problem
from oboromi_fs.paths import normalise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.stack import Stack
    from oboromi_fs.mods.loadout import Loadout
    from oboromi_fs.opening import Location
    from oboromi_fs.overlay import Provider, UnionFs
    from oboromi_fs.overlay.index import ProviderIndex

__all__ = ["Overlay", "open_overlay", "spec_of", "stack_arguments", "twice"]


_TOOLS = ("atmosphere", "yuzu", "ryujinx")
"""Profiles of tools, which need mods to look for."""

_MOST_TOLD = 20
"""Warnings about skipped paths that are shown one by one."""


def stack_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how the layers are given."""
    add = parser.add_argument_group("layers").add_argument
    add("-l", "--layer", dest="layers", action="append", default=[], metavar="PATH", help="a folder, archive or place in one; lowest first")
    add("-s", "--stack", metavar="FILE", help="a stack file (TOML); layers given by -l come above its own")
    add(
        "--case", choices=get_args(Case), help="whether layers that do not say answer to exact names (default), or fold the case of letters"
    )
    add(
        "--profile",
        choices=(*get_args(Profile), *_TOOLS),
        help="plain: the order given (default); openmw: archives below folders, all fold; with --mods the tool whose rules are followed",
    )
    add(
        "--mods",
        metavar="ROOT",
        help="where a tool keeps mods: SD card, user folder, or further in; or a folder of mods. The game is --base",
    )
    add("--title", metavar="ID", help="with --mods: the title, 16 hexadecimal digits; not needed where there are mods for one alone")
    add("--update", metavar="PATH", help="with --mods and --base: the game's update, which mods are laid over then")
    add("--disable", action="append", default=[], metavar="NAME", help="with --mods: leave a mod out (may be repeated)")


def spec_of(options: argparse.Namespace) -> StackSpec:
    """Return the stack that the command line describes.

    Raises:
        UsageError: It names no layer.
        FormatError, OSError: The stack file is not right, or cannot be read.
    """
    if options.json and (getattr(options, "yaml", False) or getattr(options, "toml", False)):
        raise UsageError("--json and --yaml or --toml: a report has one form")
    if options.stack is None and not options.layers:
        raise UsageError("no layers: give each with -l PATH, from the lowest to the highest, or all in a file with -s FILE")
    given = stack_of(options.layers, case=options.case or "exact", profile=options.profile or "plain")
    if options.stack is None:
        return given
    spec = read_stack(options.stack)
    if not spec.layers and not given.layers:
        raise UsageError(f"the stack file {options.stack} has no layers: write [[layer]] and a path for each")
    taken = {layer.label for layer in spec.layers}
    more: list[LayerSpec] = []
    for layer in given.layers:
        label, number = layer.path, 1
        while label in taken:
            number += 1
            label = f"{layer.path} ({number})"
        taken.add(label)
        more.append(LayerSpec(layer.path, label, from_here=True))
    return StackSpec((*spec.layers, *more), options.case or spec.case, options.profile or spec.profile, spec.archives, spec.source)


class _Folder(NamedTuple):
    """A folder of a merged view, with as much of a Location as listings use."""

    fs: UnionFs
    path: str
    display: str
    host: str = ""
    kind: str = "directory"


class Overlay:
    """The layers, and what they make.

    Args:
        session: The run of the command.
        spec: The stack.
        stack: The stack, where it is open already.
    """

    def __init__(self, session: Session, spec: StackSpec, stack: Stack | None = None) -> None:
        self.session = session
        self.spec = spec
        self._damaged = False
        self._told: set[Problem | str] = set()
        for text in (
            twice(spec) if stack is None else ()
        ):  # Layers that mods make are several of one folder: what it replaces, what it hides.
            session.console.warn(text)
        self.stack = stack if stack is not None else open_stack(spec, session.opener)
        self.loadout: Loadout | None = getattr(self.stack, "loadout", None)
        self.union: UnionFs = self.stack.union
        session.keep(self.union)
        for broken in self.stack.broken:
            session.console.warn(f"layer {broken.layer.label!r} is left out: {line(broken.error)}")

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders of the merged view that paths may be meant to be in: the parts of a title that tools load mods for."""
        if self.loadout is None:
            return ()
        from oboromi_fs.mods.loadout import PARTS

        return PARTS

    def place(self, path: str) -> Location:
        """Return a place in the merged view; paths go on inside containers there.

        Raises:
            EntryNotFoundError, NotADirectoryEntryError: No such path.
        """
        from oboromi_fs.opening import Location, NestedFs

        canonical = normalise(path)
        nested = NestedFs(self.union, self.session.opener())
        try:
            nested.metadata(canonical)
        except EntryNotFoundError as error:
            from oboromi_fs.cli.overlay.hints import missing

            given = self.loadout is None and any(layer.from_here or not self.spec.source for layer in self.spec.layers)
            raise missing(self.union, path, error, given=given, parts=self.parts) from None
        return Location(nested, canonical, path or "/", "")

    def folder(self, path: str) -> Location:
        """Return a place as :meth:`place` does; of a folder of the view itself only what it takes to list it, which loads no opener."""
        canonical = normalise(path)
        if canonical and not self.union.is_dir(canonical):
            return self.place(path)
        return cast("Location", _Folder(self.union, canonical, path or "/"))

    def tell_spellings(self, chain: Sequence[Provider]) -> None:
        """Warn of versions of one path that one layer has, spelled in several ways: which of them counts is an accident."""
        for number in sorted({provider.source_index for provider in chain}):
            paths = [provider.original_path for provider in chain if provider.source_index == number]
            if len(paths) > 1:
                text = f"{' and '.join(map(repr, paths))} differ in case alone"
                self._tell(Problem(self.union.layers[number].name, "ambiguous", paths[0], text))

    def _tell(self, problem: Problem) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self.session.console.warn(str(problem))

    def index(self, *, ranked: bool = False) -> ProviderIndex:
        """Return the index of all layers, built when a report needs it; what had to be skipped is told.

        Args:
            ranked: Whether what is simulated keeps archives where the profile puts them.
        """
        from oboromi_fs.overlay.index import ProviderIndex

        # The stack is in the order of its profile already; which kind counts where kinds clash is for the union to say.
        index = ProviderIndex.build(self.union.layers, profile=self.spec.profile if ranked else "plain")
        for number, problem in enumerate(index.skipped):
            self._damaged = self._damaged or problem.kind == "damaged"
            if number < _MOST_TOLD:
                self.session.console.warn(str(problem))
            elif number == _MOST_TOLD:
                self.session.console.warn(f"{len(index.skipped) - number} more of these: `oboromi overlay validate` lists them")
        return index

    def unreadable(self) -> int:
        """Tell what could not be read, and return the exit code that follows; DONE where that is nothing.

        What would be made of the rest would lack what a layer should have given. What an archive leaves out, such as names that no host
        can have, is another matter: it is told at the end (:meth:`finish`).
        """
        damaged = self._damaged
        for problem in self.union.problems:
            self._tell(problem)
            damaged = damaged or problem.kind == "damaged"
        if self.stack.broken:
            return exit_code(self.stack.broken[0].error)
        return DAMAGED if damaged else DONE

    def finish(self, code: int = DONE) -> int:
        """Tell what was wrong with the layers, and return the exit code that follows."""
        unreadable = self.unreadable()
        left_out = False
        for layer in self.union.layers:
            for text in getattr(layer.fs, "problems", ()):
                if text not in self._told:
                    self._told.add(text)
                    self.session.console.warn(f"layer {layer.name!r}: {text}")
            left_out = left_out or bool(getattr(layer.fs, "faults", getattr(layer.fs, "problems", ())))
        if code not in (DONE, NO):
            return code
        return unreadable or (DAMAGED if left_out else code)


def twice(spec: StackSpec) -> Iterator[str]:
    """Yield a warning for each layer that is another one once more: it overrides that one with the same files."""
    known: dict[tuple[str, str], str] = {}
    for layer in spec.layers:
        place = (os.path.abspath(spec.path_of(layer)), layer.at)
        if layer.enabled and place in known:
            yield f"layer {layer.label!r} is the same as {known[place]!r}, which is below it"
        elif layer.enabled:
            known[place] = layer.label


def open_overlay(session: Session, options: argparse.Namespace) -> Overlay:
    """Open the layers that the command line gives.

    Raises:
        UsageError, FormatError, OSError: See :func:`spec_of`.
        EntryNotFoundError, NotADirectoryEntryError: A layer is not there.
    """
    if options.mods is not None or options.profile in _TOOLS:
        from oboromi_fs.cli.overlay.loading import open_with_mods

        return open_with_mods(session, options)
    if options.title is not None or options.disable or options.update is not None:
        raise UsageError("--title, --update and --disable are for mods that a tool finds: say where with --mods ROOT")
    return Overlay(session, spec_of(options))
