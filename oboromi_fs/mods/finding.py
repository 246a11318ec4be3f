"""Looking through folders of mods: one mod folder, sorted into its parts by a tool's habits, and everything else told."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from oboromi_fs.backends.host import HostFs
from oboromi_fs.errors import OboromiFsError
from oboromi_fs.mods.names import FOLDERS, MODULES, NPDM, PARTS, cheat_problem, did_you_mean, find_name, listed
from oboromi_fs.mods.titleids import parse_title_id
from oboromi_fs.mods.values import Mod, Notice, Part
from oboromi_fs.patches.buildids import name_problem
from oboromi_fs.paths import join, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from oboromi_fs.mods.values import PartKind, ProfileName, Reason
    from oboromi_fs.patches.buildids import Dialect
    from oboromi_fs.protocols import DirEntry, FileSystem

__all__ = ["DIFFERENCE_TEXT", "Finder", "Habits", "is_packed", "name_of"]

_STUB = ".stub"
_MANUAL = "html-document"
_PATCHES = (".ips", ".pchtxt")
_DIFFERENCE = ("mod.toml", "files", "deltas")
"""What is in a mod that holds what differs from a game."""
DIFFERENCE_TEXT = "is a mod of what differs, as overlay diff-mod writes it"


def _unreadable(error: Exception) -> str:
    """Why a folder cannot be listed, without the path that the notice names."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read: {text}"


def is_packed(name: str) -> bool:
    """Whether a file is called like an archive."""
    return name.lower().endswith((".zip", ".7z", ".rar", ".tar", ".gz", ".xz", ".bz2", ".zst"))


def _a_file(name: str) -> str:
    """What something is that should be a folder; archives are often left packed."""
    return "is an archive that is still packed: unpack it here" if is_packed(name) else "is a file"


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
        case_hint: What to add where a name differs in case alone.
    """

    tool: str
    parts: frozenset[PartKind]
    fold: bool
    stubs: bool
    patches: bool
    dialect: Dialect
    others: Mapping[str, str] = field(default_factory=dict)
    sets: str = "exefs_patches/<set>/"
    case_hint: str = ""


def name_of(root: FileSystem, otherwise: str) -> str:
    """Return what the folder is called that is the root of a file system; of an archive, its name without the ending."""
    path = getattr(root, "root", "")
    archive = getattr(getattr(root, "raw", None), "name", "")
    if not path and isinstance(archive, str) and is_packed(archive):
        path = os.path.splitext(archive)[0]
    return (os.path.basename(path) if isinstance(path, str) else "") or otherwise


class Finder:
    """Looks through one file system, and notes what is passed over.

    Args:
        root: What to look through. Only directories are read, and only those that are asked for.
    """

    def __init__(self, root: FileSystem) -> None:
        if isinstance(root, (str, bytes, os.PathLike)):
            message = f"root is a file system, such as HostFs({os.fspath(root)!r}), and not {type(root).__name__}"
            raise TypeError(message)
        self.root = root
        self.notices: list[Notice] = []
        self._left_out: dict[str, list[tuple[str, str]]] = {}
        self._left_out_seen = 0

    def tell(self, reason: Reason, path: str, text: str, mod: str = "", *, ignored: bool = True) -> None:
        """Note something."""
        self.notices.append(Notice(reason, path, text, mod, ignored))

    def entries(self, path: str) -> list[DirEntry]:
        """List a directory in the order of names; one that is not there has nothing in it, one that cannot be read neither, and is told."""
        try:
            entries = sorted(self.root.read_dir(path), key=lambda entry: entry.name.encode("utf-8", "surrogateescape"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OboromiFsError, OSError) as error:
            self.tell("damaged", path, _unreadable(error))
            return []
        if isinstance(self.root, HostFs) and self.root.left_out:
            self._tell_left_out(self.root.left_out, path)
        return entries

    def _tell_left_out(self, left_out: Mapping[str, str], path: str) -> None:
        """Tell of what listings leave out: links that lead elsewhere, pipes and the like."""
        for left, what in islice(left_out.items(), self._left_out_seen, None):
            self._left_out.setdefault(split(left)[0], []).append((left, what))
        self._left_out_seen = len(left_out)
        for left, what in self._left_out.get(path, ()):
            self.tell("kind", left, f"is {what}: it is not followed" if "link" in what else f"is {what}, and no file or folder")

    def down(self, path: str, *, fold: bool, tool: str = "", case_hint: str = "") -> str | None:
        """Follow a path of folders from the root; None where it ends.

        Args:
            path: The path as the tool asks for it.
            fold: Whether it asks in any case. Else a folder that differs in case alone is told.
            tool: What the tool is called.
            case_hint: What to add where a folder differs in case alone.
        """
        here = ""
        for name in path.split("/") if path else ():
            entries = self.entries(here)
            found = find_name(entries, name, fold=fold)
            if found is None:
                near = find_name(entries, name, fold=True)
                if near is not None and near.kind == "directory":
                    self.tell("case", join(here, near.name), f"{tool} asks for {name!r}{case_hint}")
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
        if not path and name_of(self.root, "").lower() not in ("contents", "load"):
            return  # Some folder that has folders of titles among others.
        for entry in self.entries(path):
            if parse_title_id(entry.name) is None or len(entry.name) != 16:
                self.tell("name", join(path, entry.name), f"{what} looks here for folders called by a title id, 16 hexadecimal digits")
            elif entry.kind != "directory":
                self.tell("kind", join(path, entry.name), "is a file, and a title has a folder")

    def is_file(self, path: str, needed: str, mod: str = "") -> None:
        """Tell that something is a file that should be a folder."""
        self.tell("kind", path, f"{_a_file(split(path)[1])}; {needed}", mod)

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
        entries = self.entries(path)
        difference = self._is_difference(entries, path)
        if difference:
            self.tell(
                "unsupported", path, f"{DIFFERENCE_TEXT}, which {habits.tool} cannot read: lay it over the game, and give the result", name
            )
        for entry in entries:
            if entry.name in skip or (difference and entry.name in _DIFFERENCE):
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

    def _is_difference(self, entries: Iterable[DirEntry], path: str) -> bool:
        """Whether a folder is a mod that holds what differs from a game."""
        if not any(entry.name == _DIFFERENCE[0] and entry.kind == "file" for entry in entries):
            return False
        from oboromi_fs.base import SubFs
        from oboromi_fs.mods.difference import is_difference

        return is_difference(SubFs(self.root, path))

    def _kind(self, entry: DirEntry, path: str, mod: str, habits: Habits) -> PartKind | None:
        kind = next((kind for kind in PARTS if kind == entry.name), None) or next(
            (kind for kind in PARTS if kind == entry.name.lower()), None
        )
        if kind is None or (kind not in habits.parts and kind not in habits.others):
            self._unknown(entry, path, mod, habits)
        elif kind not in habits.parts:
            self.tell("unsupported", path, habits.others[kind], mod)
        elif kind != entry.name and not habits.fold:
            self.tell("case", path, f"{habits.tool} asks for {kind!r}{habits.case_hint}", mod)
        elif (entry.kind == "directory") != (kind in FOLDERS):
            needed = "a folder" if kind in FOLDERS else "a file"
            self.tell("kind", path, f"is {'a folder' if entry.kind == 'directory' else 'a file'}, and {needed} is looked for", mod)
        else:
            return kind
        return None

    def _unknown(self, entry: DirEntry, path: str, mod: str, habits: Habits) -> None:
        """Tell of something that is no part by its name: often a folder around what is one."""
        inner = [each.name for each in self.entries(path) if each.name.lower() in habits.parts] if entry.kind == "directory" else []
        if inner:
            text = f"{listed(inner)} {'lie' if len(inner) > 1 else 'lies'} one folder too deep: {habits.tool} asks for "
            self.tell("place", path, text + listed(join(split(path)[0], name) for name in inner), mod)
        elif entry.kind != "directory" and is_packed(entry.name):
            self.tell("kind", path, _a_file(entry.name), mod)
        else:
            self.tell("name", path, f"{habits.tool} knows no such name there{did_you_mean(entry.name, sorted(habits.parts))}", mod)

    def _worth(self, kind: PartKind, path: str, mod: str, habits: Habits) -> bool:
        """Whether there is anything in a part that the tool takes."""
        if kind not in FOLDERS:
            return True
        entries = self.entries(path)
        if not entries:
            self.tell("empty", path, "nothing is in it", mod)
            return False
        if kind == "romfs" and self._is_difference(entries, path):
            self.tell("lost", path, f"{DIFFERENCE_TEXT}: the game gets its parts as they are, and not what they make", mod, ignored=False)
        if kind == "exefs":
            return sum(self._exefs(entry, join(path, entry.name), mod, habits) for entry in entries) > 0  # All are looked at.
        if kind == "cheats":
            return sum(self._cheats(entry, join(path, entry.name), mod, habits) for entry in entries) > 0  # All are looked at.
        if kind == "manual_html" and habits.dialect == "atmosphere":
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
                self.tell("case", full, f"{habits.tool} asks for {_MANUAL!r}{habits.case_hint}", mod)
            elif entry.kind != "directory":
                self.tell("kind", full, "is a file, and a folder is looked for", mod)
            else:
                found = True
        return found

    def _exefs(self, entry: DirEntry, full: str, mod: str, habits: Habits) -> bool:
        """Whether a tool takes a file of an ExeFS."""
        name = entry.name
        if entry.kind == "directory":
            self.tell("kind", full, "is a folder, and an ExeFS has none", mod)
        elif name in MODULES or name == NPDM:
            return True
        elif name.endswith(_STUB) and name.removesuffix(_STUB) in MODULES:
            if habits.stubs:
                return True
            self.tell("unsupported", full, f"{habits.tool} has no stubs of modules: the module is loaded all the same", mod)
        elif name.lower().endswith(_PATCHES):
            if habits.patches:
                return self.patch_name(full, mod, habits.dialect)
            self.tell("place", full, f"{habits.tool} takes patches from {habits.sets} alone", mod)
        elif name.lower() in MODULES or name.lower() == NPDM:
            self.tell("case", full, f"{habits.tool} asks for {name.lower()!r}{habits.case_hint}", mod)
        else:
            self.tell("name", full, f"no loader asks for a module of this name{did_you_mean(name, [*MODULES, NPDM])}", mod)
        return False

    def patch_name(self, path: str, mod: str, dialect: Dialect) -> bool:
        """Tell why a patch file is passed over by its name; return whether it is taken."""
        problem = name_problem(path, dialect)
        if not problem:
            return True
        reason: Reason = "unsupported" if "not read on the console" in problem else "case" if "lower" in problem else "name"
        self.tell(reason, path, problem, mod)
        return False

    def _cheats(self, entry: DirEntry, full: str, mod: str, habits: Habits) -> bool:
        """Whether a tool takes a file of cheats."""
        profile: ProfileName = "plain" if habits.dialect == "neutral" else habits.dialect
        problem = cheat_problem(entry.name, profile)
        if entry.kind == "directory":
            self.tell("kind", full, "is a folder, and files of cheats are looked for", mod)
        elif problem is not None:
            self.tell(problem[0], full, problem[1] + (habits.case_hint if problem[0] == "case" else ""), mod)
        else:
            return True
        return False

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
                self.is_file(full, f"{kind} has a folder for each set of patches")
                continue
            if self._set(full, entry.name, dialect):
                sets.append(Mod(entry.name, full, (Part(kind, full),)))
        return sets
