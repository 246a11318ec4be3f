"""Looking through folders of mods: one mod folder, sorted into its parts by a tool's habits, and everything else told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.names import FOLDERS, MODULES, NPDM, PARTS, cheat_problem, did_you_mean, find_name
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.mods.values import Mod, Notice, Part
from oboromi_fs.patches.buildids import name_problem
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oboromi_fs.mods.values import PartKind, ProfileName, Reason
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["Finder", "Habits"]

_STUB = ".stub"
_MANUAL = "html-document"
_PATCHES = (".ips", ".pchtxt")


@dataclass(frozen=True, slots=True)
class Habits:
    """How a tool reads one mod folder.

    Attributes:
        tool: What the tool is called in messages.
        parts: What it takes.
        fold: Whether it takes the names of parts in any case.
        stubs: Whether ``NAME.stub`` in an exefs folder hides a module.
        patches: Whether it takes patches from an exefs folder.
        dialect: Whose habits of patch names it has.
        others: Part that it does not take -> what to say of it.
        sets: Where it takes patches from, if not from an exefs folder.
    """

    tool: str
    parts: frozenset[PartKind]
    fold: bool
    stubs: bool
    patches: bool
    dialect: Dialect
    others: Mapping[str, str] = field(default_factory=dict)
    sets: str = "exefs_patches/<set>/"


class Finder:
    """Looks through one file system, and notes what is passed over.

    Args:
        root: What to look through. Only directories are read, and only those that are asked for.
    """

    def __init__(self, root: FileSystem) -> None:
        self.root = root
        self.notices: list[Notice] = []

    def tell(self, reason: Reason, path: str, text: str, mod: str = "", *, ignored: bool = True) -> None:
        """Note something."""
        self.notices.append(Notice(reason, path, text, mod, ignored))

    def entries(self, path: str) -> list[DirEntry]:
        """List a directory in the order of names; one that is not there has nothing in it, one that cannot be read neither, and is told."""
        try:
            return sorted(self.root.read_dir(path), key=lambda entry: entry.name.encode("utf-8", "surrogateescape"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OboromiFsError, OSError) as error:
            self.tell("damaged", path, str(error))
            return []

    def down(self, path: str, *, fold: bool, tool: str = "") -> str | None:
        """Follow a path of folders from the root; None where it ends.

        Args:
            path: The path as the tool asks for it.
            fold: Whether it asks in any case. Else a folder that differs in case alone is told.
            tool: What the tool is called.
        """
        here = ""
        for name in path.split("/") if path else ():
            entries = self.entries(here)
            found = find_name(entries, name, fold=fold)
            if found is None:
                near = find_name(entries, name, fold=True)
                if near is not None and near.kind == "directory":
                    self.tell("case", join(here, near.name), f"{tool} asks for {name!r}: nothing in it is found")
                return None
            if found.kind != "directory":
                self.tell("kind", join(here, found.name), "is a file, and a folder is looked for")
                return None
            here = join(here, found.name)
        return here

    def ids(self, path: str) -> Iterator[tuple[int, DirEntry]]:
        """Yield the folders that are called by a title id, with it."""
        for entry in self.entries(path):
            title = parse_title_id(entry.name)
            if title is not None and entry.kind == "directory" and len(entry.name) == 16:
                yield title, entry

    def strangers(self, path: str, what: str) -> None:
        """Tell of everything in a folder of title folders that is none."""
        for entry in self.entries(path):
            if parse_title_id(entry.name) is None or len(entry.name) != 16:
                self.tell("name", join(path, entry.name), f"{what} has folders that are called by a title id of 16 hexadecimal digits")
            elif entry.kind != "directory":
                self.tell("kind", join(path, entry.name), "is a file, and the folder of a title is looked for")

    # One mod folder

    def mod(self, path: str, name: str, habits: Habits, *, skip: tuple[str, ...] = ()) -> Mod:
        """Sort what is in a mod folder.

        Args:
            path: The folder.
            name: What the tool calls the mod.
            habits: How the tool reads it.
            skip: Names in it that are somebody else's to look at.
        """
        parts: dict[PartKind, Part] = {}
        sets: list[Part] = []
        for entry in self.entries(path):
            if entry.name in skip:
                continue
            kind = self._kind(entry, join(path, entry.name), name, habits)
            if kind is None:
                continue
            if kind in parts:
                text = f"{parts[kind].path!r} differs from it in case alone, and comes first"
                self.tell("shadowed", join(path, entry.name), text, name)
            elif kind == "exefs_patches":
                sets += self._sets_of(join(path, entry.name), name, habits)
            elif self._worth(kind, join(path, entry.name), name, habits):
                parts[kind] = Part(kind, join(path, entry.name))
        return Mod(name, path, (*(parts[kind] for kind in PARTS if kind in parts), *sets))

    def _kind(self, entry: DirEntry, path: str, mod: str, habits: Habits) -> PartKind | None:
        kind = next((kind for kind in PARTS if kind == entry.name), None) or next(
            (kind for kind in PARTS if kind == entry.name.lower()), None
        )
        if kind is None or (kind not in habits.parts and kind not in habits.others):
            self.tell("name", path, f"{habits.tool} knows no such name there{did_you_mean(entry.name, sorted(habits.parts))}", mod)
        elif kind not in habits.parts:
            self.tell("unsupported", path, habits.others[kind], mod)
        elif kind != entry.name and not habits.fold:
            self.tell("case", path, f"{habits.tool} asks for {kind!r}", mod)
        elif (entry.kind == "directory") != (kind in FOLDERS):
            needed = "a folder" if kind in FOLDERS else "a file"
            self.tell("kind", path, f"is {'a folder' if entry.kind == 'directory' else 'a file'}, and {needed} is looked for", mod)
        else:
            return kind
        return None

    def _worth(self, kind: PartKind, path: str, mod: str, habits: Habits) -> bool:
        """Whether there is anything in a part that the tool takes."""
        if kind not in FOLDERS:
            return True
        entries = self.entries(path)
        if not entries:
            self.tell("empty", path, "nothing is in it", mod)
            return False
        if kind == "exefs":
            self._exefs(entries, path, mod, habits)
        elif kind == "cheats":
            self._cheats(entries, path, mod, habits)
        elif kind == "manual_html" and habits.dialect == "atmosphere":
            return self._manual(entries, path, mod, habits)
        return True

    def _manual(self, entries: list[DirEntry], path: str, mod: str, habits: Habits) -> bool:
        """Whether there is a manual; whatever else is beside it is told."""
        found = False
        for entry in entries:
            full = join(path, entry.name)
            if entry.name.lower() != _MANUAL:
                self.tell("name", full, f"{_MANUAL} is looked for there, and nothing else{did_you_mean(entry.name, [_MANUAL])}", mod)
            elif entry.name != _MANUAL:
                self.tell("case", full, f"{habits.tool} asks for {_MANUAL!r}", mod)
            elif entry.kind != "directory":
                self.tell("kind", full, "is a file, and a folder is looked for", mod)
            else:
                found = True
        return found

    def _exefs(self, entries: list[DirEntry], path: str, mod: str, habits: Habits) -> None:
        for entry in entries:
            name, full = entry.name, join(path, entry.name)
            if entry.kind == "directory":
                self.tell("kind", full, "is a folder, and an ExeFS has none", mod)
            elif name in MODULES or name == NPDM:
                continue
            elif name.endswith(_STUB) and name.removesuffix(_STUB) in MODULES:
                if not habits.stubs:
                    self.tell("unsupported", full, f"{habits.tool} has no stubs of modules: the module is loaded all the same", mod)
            elif name.lower().endswith(_PATCHES):
                if habits.patches:
                    self.patch_name(full, mod, habits.dialect)
                else:
                    text = f"{habits.tool} takes patches from {habits.sets} alone"
                    self.tell("place", full, text, mod)
            elif name.lower() in MODULES or name.lower() == NPDM:
                self.tell("case", full, f"{habits.tool} asks for {name.lower()!r}", mod)
            else:
                self.tell("name", full, f"no loader asks for a module of this name{did_you_mean(name, [*MODULES, NPDM])}", mod)

    def patch_name(self, path: str, mod: str, dialect: Dialect) -> bool:
        """Tell why a patch file is passed over by its name; return whether it is taken."""
        problem = name_problem(path, dialect)
        if not problem:
            return True
        reason: Reason = "unsupported" if "not read on the console" in problem else "case" if "lower" in problem else "name"
        self.tell(reason, path, problem, mod)
        return False

    def _cheats(self, entries: list[DirEntry], path: str, mod: str, habits: Habits) -> None:
        profile: ProfileName = "plain" if habits.dialect == "neutral" else habits.dialect
        for entry in entries:
            full = join(path, entry.name)
            problem = cheat_problem(entry.name, profile)
            if entry.kind == "directory":
                self.tell("kind", full, "is a folder, and files of cheats are looked for", mod)
            elif problem is not None:
                self.tell(problem[0], full, problem[1], mod)

    def _sets_of(self, path: str, mod: str, habits: Habits) -> list[Part]:
        """The sets of patches in a mod's own ``exefs_patches``, and that folder itself where patches are directly in it."""
        entries = self.entries(path)
        if not entries:
            self.tell("empty", path, "nothing is in it", mod)
        own = [self.patch_name(join(path, entry.name), mod, habits.dialect) for entry in entries if entry.kind != "directory"]
        taken = [path] if any(own) else []
        taken += [
            join(path, entry.name)
            for entry in entries
            if entry.kind == "directory" and self._set(join(path, entry.name), mod, habits.dialect)
        ]
        return [Part("exefs_patches", each) for each in taken]

    def _set(self, path: str, mod: str, dialect: Dialect) -> bool:
        """Whether a tool takes any patch of a set."""
        entries = self.entries(path)
        if not entries:
            self.tell("empty", path, "nothing is in it", mod)
        taken = False
        for patch in entries:
            inner = join(path, patch.name)
            if patch.kind == "directory":
                self.tell("kind", inner, "is a folder, and a set has none", mod)
            elif self.patch_name(inner, mod, dialect):
                taken = True
        return taken

    def patch_sets(self, path: str, kind: PartKind, dialect: Dialect) -> list[Mod]:
        """Return the sets of patches in a folder, in the order of their names, each a mod."""
        sets: list[Mod] = []
        for entry in self.entries(path):
            full = join(path, entry.name)
            if entry.kind != "directory":
                self.tell("kind", full, f"is a file, and {kind} has a folder for each set of patches")
                continue
            if self._set(full, entry.name, dialect):
                sets.append(Mod(entry.name, full, (Part(kind, full),)))
        return sets
