"""Which files of cheats a tool takes, and which cheats in them are on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.cheats import MAX_PROGRAM, Cheat, enabled_key, most_bytes, parse_cheats, parse_enabled, parse_toggles
from oboromi_fs.mods.finding import Finder
from oboromi_fs.mods.names import cheat_build, cheat_problem, find_name
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from oboromi_fs.mods.values import Installed, Mod, Notice, ProfileName
    from oboromi_fs.protocols import DirEntry, FileSystem

    T = TypeVar("T")

__all__ = ["CheatFile", "FoundCheats", "cheat_state", "find_cheats", "main_build", "survey_cheats"]


@dataclass(frozen=True, slots=True)
class CheatFile:
    """A file of cheats that a tool takes.

    Attributes:
        path: Where it is, below the root that was searched.
        mod: Name of the mod it is in.
        build_id: The first 8 bytes of the build id it is for, as 16 digits in upper case.
        cheats: What is in it.
    """

    path: str
    mod: str
    build_id: str
    cheats: tuple[Cheat, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": self.path, "mod": self.mod, "build_id": self.build_id, "cheats": [each.to_json() for each in self.cheats]}


class FoundCheats(NamedTuple):
    """Files of cheats in the order in which the tool reads them, and what it passes over."""

    files: tuple[CheatFile, ...]
    notices: tuple[Notice, ...]


def find_cheats(root: FileSystem, installed: Installed, build_id: bytes | None = None) -> FoundCheats:
    """Return the cheats that a tool has for a title.

    On the console and in yuzu they are on unless they are switched off, in Ryujinx off unless ``enabled.txt`` names them.

    Args:
        root: What was searched.
        installed: What was found there.
        build_id: Build id of the title's main module, of which the first 8 bytes count: files of others are told. None for all builds.

    Example:
        >>> from oboromi_fs import MemoryFs
        >>> from oboromi_fs.mods import profile
        >>> sd = MemoryFs({"atmosphere/contents/0100abcdef000000/cheats/00112233445566aa.txt": b"[Lives]\\n04000000 00001234 00000063\\n"})
        >>> (file,) = find_cheats(sd, profile("atmosphere").installed(sd, 0x0100ABCDEF000000)).files
        >>> file.build_id, [(cheat.name, cheat.enabled) for cheat in file.cheats]
        ('00112233445566AA', [('Lives', True)])
    """
    search = _Search(root, installed)
    asked = None if build_id is None else build_id[:8].ljust(8, b"\0").hex().upper()
    mods = installed.enabled if installed.profile == "plain" else tuple(reversed(installed.enabled))
    files = [each for mod in mods for part in mod.of_kind("cheats") for each in search.folder(mod, part.path, asked)]
    search.tell_too_much(files)
    return FoundCheats(tuple(files), tuple(dict.fromkeys(search.finder.notices)))


def survey_cheats(
    root: FileSystem, found: Mapping[ProfileName, Installed], builds: Mapping[ProfileName, bytes] | None = None
) -> dict[ProfileName, FoundCheats]:
    """Return the cheats that each of several tools has for a title.

    What is passed over by its name is in the notices of what was found, not told again.

    Args:
        root: What was searched.
        found: What each tool finds there.
        builds: Build ids of the title's main module as each tool loads it; where there is none, files of all builds are taken.
    """
    return {name: find_cheats(root, installed, (builds or {}).get(name)) for name, installed in found.items()}


def main_build(union: FileSystem) -> bytes | None:
    """Return the build id of the module that cheats are for, of a game with its mods: that of ``exefs/main``; None where there is none."""
    from oboromi_fs.patches.modules import module_of

    try:
        return module_of(union.storage("exefs/main")).module_id or None
    except (OboromiFsError, OSError):  # What is wrong with it is told of the module.
        return None


def cheat_state(cheat: Cheat) -> str:
    """Return what a tool does with a cheat, as a person reads it.

    Example:
        >>> cheat_state(Cheat("Lives", (0x20000000,), enabled=True)), cheat_state(Cheat("Part one"))
        ('on', 'a heading, without code')
    """
    if cheat.problem:
        return "left out"  # Why, is in the notices.
    if not cheat.words:
        return "a heading, without code"
    if cheat.master and cheat.enabled:
        return "on, the master cheat"
    return "on" if cheat.enabled else "off"


class _Search:
    """Looks through folders of cheats."""

    def __init__(self, root: FileSystem, installed: Installed) -> None:
        self.finder = Finder(root)
        self.installed = installed
        self.profile = installed.profile

    def folder(self, mod: Mod, path: str, asked: str | None) -> Iterator[CheatFile]:
        entries = [entry for entry in self.finder.entries(path) if entry.kind != "directory"]
        switch = self._switches(mod, path, entries)
        for build, entry in self._chosen(mod, path, entries):
            full = join(path, entry.name)
            if asked is not None and build != asked:
                self.finder.tell("build", full, f"it is for build {build}, and the module main is of build {asked}", mod.name)
                continue
            cheats = self._read(full, mod, self._cheats, most_bytes(self.profile))
            if cheats is None:
                continue
            for cheat in cheats:
                if cheat.problem:
                    self.finder.tell("damaged", full, f"{cheat.name!r}: {cheat.problem}", mod.name, ignored=False)
            yield CheatFile(full, mod.name, build, tuple(switch(build, cheat) for cheat in cheats))

    def _chosen(self, mod: Mod, path: str, entries: Iterable[DirEntry]) -> Iterator[tuple[str, DirEntry]]:
        """The files that the tool takes, and the builds they are for; in yuzu the one in upper case is asked for first."""
        taken: dict[str, DirEntry] = {}
        for entry in entries:  # In the order of bytes: upper case comes first.
            build = cheat_build(entry.name)
            if not build or cheat_problem(entry.name, self.profile):
                continue  # Told when the mods were found.
            if build in taken and self.profile == "yuzu":
                text = f"{taken[build].name!r} is of the same build, and is asked for first"
                self.finder.tell("shadowed", join(path, entry.name), text, mod.name)
                continue
            taken.setdefault(build, entry)
            yield build, entry

    def _switches(self, mod: Mod, path: str, entries: Iterable[DirEntry]) -> Callable[[str, Cheat], Cheat]:
        """What tells whether a cheat of a build is on."""
        toggles: Mapping[str, bool] | None = {}
        named: frozenset[str] | None = None
        file = find_name(entries, "toggles.txt", fold=self.profile == "plain")
        if file is not None and self.profile in ("atmosphere", "plain"):
            full = join(path, file.name)
            toggles = self._read(full, mod, parse_toggles, most_bytes("atmosphere"))
            if toggles is None and self.profile == "plain":
                toggles = {}
        file = find_name(entries, "enabled.txt", fold=self.profile == "plain")
        if file is not None and (self.profile == "plain" or (self.profile == "ryujinx" and self._is_titles_own(path))):
            full = join(path, file.name)
            named = self._read(full, mod, parse_enabled, most_bytes("ryujinx"))
        elif file is not None and self.profile == "ryujinx":
            where = f"mods/contents/{self.installed.title_id:016x}/cheats"
            self.finder.tell("place", join(path, file.name), f"Ryujinx reads the one in {where} alone", mod.name)

        def switch(build: str, cheat: Cheat) -> Cheat:
            on = cheat.enabled
            if toggles is None:
                on = False  # The console starts without cheats then.
            elif not cheat.master:
                on = toggles.get(cheat.name, on)
            if named is not None or self.profile == "ryujinx":
                on = enabled_key(build, cheat.name) in (named or ()) or (cheat.master and on)
            return replace(cheat, enabled=on and bool(cheat.words) and not cheat.problem)

        return switch

    def _is_titles_own(self, path: str) -> bool:
        """Whether a folder of cheats is directly in the title's among the mods, where Ryujinx keeps what is switched on."""
        above = path.split("/")[:-1]
        return bool(above) and above[0] != "sdcard" and parse_title_id(above[-1]) == self.installed.title_id

    def _cheats(self, data: bytes) -> tuple[Cheat, ...]:
        return parse_cheats(data, self.profile)

    def _read(self, path: str, mod: Mod, read: Callable[[bytes], T], most: int) -> T | None:
        try:
            storage = self.finder.root.storage(path)
            if storage.size > most:
                self.finder.tell("damaged", path, f"has {storage.size} bytes, {most} are the most", mod.name)
                return None
            return read(storage[:].tobytes())
        except (OboromiFsError, OSError) as error:
            self.finder.tell("damaged", path, str(error), mod.name)
            return None

    def tell_too_much(self, files: Iterable[CheatFile]) -> None:
        """Tell of builds whose cheats have more words together than the tool runs."""
        if self.profile not in ("atmosphere", "yuzu"):
            return
        sums: dict[str, int] = {}
        for file in files:
            before = sums.get(file.build_id, 0)
            sums[file.build_id] = before + sum(len(cheat.words) for cheat in file.cheats if cheat.enabled)
            if before <= MAX_PROGRAM < sums[file.build_id]:
                text = f"the cheats that are on have more than {MAX_PROGRAM} words together: none of them runs until some are switched off"
                self.finder.tell("lost", file.path, text, file.mod, ignored=False)
