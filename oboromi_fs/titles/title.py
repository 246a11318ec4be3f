"""A title as one file system: base, update, add-on content and mods, whatever they are stored in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import RecordType
from oboromi_fs.base import FileSystemBase, SubFs
from oboromi_fs.errors import EntryNotFoundError, FormatError, OboromiFsError
from oboromi_fs.mods.game import Game
from oboromi_fs.overlay import Layer, UnionFs
from oboromi_fs.paths import join, normalise
from oboromi_fs.titles.bodies import Contents, first_tree
from oboromi_fs.titles.lazy import FoldersFs, LazyFs
from oboromi_fs.titles.modding import MODDED, ModRoot, Mods, moved, replace_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oboromi_formats.nacp import Language
    from oboromi_fs.metadata.nacp import Nacp
    from oboromi_fs.mods.loadout import Loadout
    from oboromi_fs.mods.values import Notice
    from oboromi_fs.protocols import DirEntry, Extent, FileSystem, Metadata, PathType, Storage
    from oboromi_fs.titles.bodies import Body
    from oboromi_fs.titles.found import FoundMeta, Issue
    from oboromi_fs.titles.grouping import Chosen
    from oboromi_fs.titles.program import LoadedProgram

__all__ = ["Title"]

_WHOLE = {RecordType.CONTROL: "control", RecordType.HTML_DOCUMENT: "manual", RecordType.LEGAL_INFORMATION: "legal"}
"""Contents that are one tree each, and where that is."""

_OPENED_AT_ONCE = 64
"""Add-on content that is opened with the title, so that what is wrong with it is among the issues. More, as songs and costumes can be,
would take a file handle each, and a layer that is asked for every path: it is opened when it is looked into."""


class Title(FileSystemBase):
    """One title: ``exefs/ romfs/ logo/ control/ manual/ legal/`` of its program, ``addons/<id>/`` of add-on content, as far as there is.

    A title of several programs has the first at the root, and the others in ``programs/<index>/``. An update is laid over the base, and
    mods over that; nothing is decrypted before it is read but what tells which sections and files there are. See :func:`open_title`.

    Args:
        chosen: The base, the update and the add-on content.
        contents: What opens them; closed with the title.
        mods: Folders with mods, the weakest first.
        profile: Name of the profile that finds them.
        issues: What was found wrong before.

    Attributes:
        title_id: Of the application.
        base: Where the base is, None without one.
        update: The same for the update that is taken.
        version: Of the update, or of the base.
        versions: All that could be taken, in order.
        addons: Ids of the add-on content that is there.
        programs: Program indices, in order.
        union: The file system as the union it is, which explains who provides a path.
        issues: What contradicts, is missing or damaged; none of it stops the rest.
        loadouts: By program index and id of add-on content what mods make of it, where there are any.
    """

    kind = "Title"

    def __init__(
        self, chosen: Chosen, contents: Contents, *, mods: Sequence[ModRoot] = (), profile: str = "plain", issues: Iterable[Issue] = ()
    ) -> None:
        super().__init__(owned=[contents, *(root.fs for root in mods)])
        self.title_id = chosen.application_id
        self.base: FoundMeta | None = chosen.base
        self.update: FoundMeta | None = chosen.update
        self.version = chosen.version
        self.versions = chosen.versions
        self.loadouts: dict[int, Loadout] = {}
        self._mods = Mods(mods, profile)
        self._contents = contents
        self._layers: list[Layer] = []
        self._images: dict[int, Body] = {}
        self._modded: set[int] = set()
        self._several: dict[str, FileSystem] = {}
        bodies = self._bodies()
        self.programs = tuple(sorted({index for kind, index in bodies if kind == RecordType.PROGRAM}))
        self._indices = sorted({index for _, index in bodies})
        for index in self._indices:
            self._add_program(index, {kind: each for (kind, number), each in bodies.items() if number == index})
        self.addons = tuple(self._add_addons(chosen))
        self.union = UnionFs(self._layers)
        self.issues = (*issues, *chosen.issues, *contents.issues)

    def __repr__(self) -> str:
        return f"<Title {self.title_id:016x} v{self.version}>"

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What of the mods is passed over, and why."""
        return tuple(dict.fromkeys(notice for each in self.loadouts.values() for notice in each.notices))

    # Putting it together

    def _bodies(self) -> dict[tuple[int, int], list[Body]]:
        """By type and program index, the contents that make up a part: the update's, then the base's."""
        found: dict[tuple[int, int], list[Body]] = {}
        for meta in filter(None, (self.base, self.update)):
            own: set[tuple[int, int]] = set()
            for content in meta.of_type(*RecordType):
                key = content.type, content.id_offset
                if key in own or content.type in (RecordType.META, RecordType.DELTA_FRAGMENT):
                    continue
                own.add(key)
                body = self._contents.body(meta, content, next(iter(found.get(key, ())), None))
                if body is not None:
                    found.setdefault(key, []).insert(0, body)
        return found

    def _place_of(self, index: int) -> str:
        """Where in the title a program is."""
        return "" if index == next(iter(self.programs or self._indices), index) else f"programs/{index}/"

    def _add_program(self, index: int, bodies: dict[int, list[Body]]) -> None:
        at = self._place_of(index)
        trees: dict[str, tuple[FileSystem, str]] = {}
        for body in reversed(bodies.get(RecordType.PROGRAM, [])):
            trees |= {part: (body.tree(part), f"{body.where}/{part}") for part in body.parts}
            if "romfs" in body.parts:
                self._images[index] = body
        for kind, name in _WHOLE.items():
            for body in bodies.get(kind, [])[:1]:
                tree = first_tree(body, *((name,) if name in body.parts else ()))
                if tree is not None:
                    trees[name] = (tree, body.where)
        for body in bodies.get(RecordType.DATA, [])[:1]:
            tree = first_tree(body)
            if tree is not None:
                trees["data"] = (tree, body.where)
        romfs, exefs, manual = (trees[name][0] if name in trees else None for name in MODDED)
        game = Game(romfs, exefs, manual, where={name: where for name, (_, where) in trees.items()})
        loadout, romfs_active = self._mods.over(game, self.title_id + index, always=not at)
        if romfs_active:
            self._modded.add(index)
        if loadout is not None:
            self.loadouts[index] = loadout
            trees = {name: tree for name, tree in trees.items() if name not in MODDED}
            self._layers += [moved(layer, at) for layer in loadout.union.layers]
        self._layers += [
            Layer(tree, f"{at}{name}", "archive", at=f"{at}{name}", markers=False, path=where) for name, (tree, where) in trees.items()
        ]

    def _add_addons(self, chosen: Chosen) -> Iterator[int]:
        several: dict[str, FileSystem] = {}
        for number, (meta, update) in enumerate(chosen.addons):
            title = meta.title_id
            at = f"addons/{title:016x}"
            if number >= _OPENED_AT_ONCE and not self._mods.has(title):
                if any(True for each in filter(None, (meta, update)) for _ in each.of_type(RecordType.DATA)):
                    several[f"{title:016x}"] = LazyFs(partial(self._addon, meta, update), "RomFS")
                    yield title
                continue
            tree: FileSystem | None = None
            below: Body | None = None
            for each in filter(None, (meta, update)):
                content = next(each.of_type(RecordType.DATA), None)
                body = self._contents.body(each, content, below) if content is not None else None
                if body is not None and body.parts:
                    tree, below = first_tree(body), body
            if tree is None or below is None:
                continue
            loadout, _ = self._mods.over(Game(romfs=tree, where={"romfs": below.where}), title, always=False)
            if loadout is None:
                self._layers.append(Layer(tree, at, "archive", at=at, markers=False, path=below.where))
            else:
                self.loadouts[title] = loadout
                layers = [layer for layer in loadout.union.layers if layer.at.partition("/")[0] == "romfs"]
                self._layers += [replace_layer(layer, f"{at}: {layer.name}", at + layer.at.removeprefix("romfs")) for layer in layers]
            yield title
        if several:
            self._several = several
            self._layers.append(Layer(FoldersFs(several), "addons", "archive", at="addons", markers=False))

    def _addon(self, meta: FoundMeta, update: FoundMeta | None) -> FileSystem:
        """Open add-on content, an update over it.

        Raises:
            FormatError, MissingKeyError, OSError: It cannot be opened.
        """
        body: Body | None = None
        for each in filter(None, (meta, update)):
            content = next(each.of_type(RecordType.DATA), None)
            if content is not None:
                body = self._contents.open(each, content, body)
        tree = first_tree(body) if body is not None else None
        if tree is None:
            raise FormatError(f"{meta.label} holds no file system", what="content", source=meta.where)
        return tree

    def faults(self, path: PathType = "") -> dict[str, OboromiFsError | OSError]:
        """Open every part at or below a path, and tell which cannot be opened: its key is absent, or it is damaged.

        A listing or walk that meets such a part raises its error; ``UnionFs`` of the other layers does not.

        Returns:
            The error of each, by the name of the layer in :attr:`union`; nothing where all is well.
        """
        top = normalise(path)
        found: dict[str, OboromiFsError | OSError] = {}
        for layer in self.union.layers:
            if not top or layer.at == top or layer.at.startswith(join(top, "")):
                try:
                    layer.fs.read_dir("")
                except (OboromiFsError, OSError) as wrong:
                    found[layer.name] = wrong
        for name, fs in self._several.items() if top in ("", "addons") else ():
            try:
                fs.read_dir("")
            except (OboromiFsError, OSError) as wrong:
                found[f"addons/{name}"] = wrong
        return found

    # What it is

    def nacp(self, program: int | None = None) -> Nacp:
        """Read the control data.

        Args:
            program: Its index; None for the first that has any.

        Raises:
            EntryNotFoundError: There are none.
            FormatError: They are damaged.
        """
        from oboromi_fs.metadata.nacp import Nacp

        return Nacp.read(self.storage(f"{self._control(program)}/control.nacp"))

    def _control(self, program: int | None) -> str:
        """Where the control data of a program are; of the first that has any, where none is named."""
        if program is not None:
            return f"{self._place_of(program)}control"
        places = [f"{self._place_of(index)}control" for index in self._indices or (0,)]
        return next((place for place in places if self.exists(f"{place}/control.nacp")), places[0])

    def name(self, language: Language | str = "AmericanEnglish") -> str:
        """Return what the title is called, in a language, else as :meth:`~oboromi_fs.metadata.Nacp.title` chooses; ``""`` without a name.

        Raises:
            FormatError: The control data are damaged.
        """
        try:
            nacp = self.nacp()
        except EntryNotFoundError:
            return ""
        found = nacp.title(language)
        return found.name if found is not None else ""

    def icon(self, language: Language | str = "AmericanEnglish") -> Storage | None:
        """Return the icon, a JPEG of 256 x 256 pixels: that of a language, else of American English, else the first; None without any.

        Raises:
            FormatError, MissingKeyError: The control data cannot be read.
        """
        from oboromi_fs.metadata.icon import icons
        from oboromi_fs.metadata.titles import LANGUAGES

        place = self._control(None)
        found = icons(self, place) if self.exists(place) else {}
        name = language if isinstance(language, str) else LANGUAGES[language]
        return found.get(name) or found.get("AmericanEnglish") or next(iter(found.values()), None)

    def romfs_image(self, program: int | None = None) -> Storage:
        """Return the RomFS of a program as an image, as the game reads it: its own, or what mods make of it, composed as it is read.

        Args:
            program: Its index; None for the first.

        Raises:
            EntryNotFoundError: It has none.
            FormatError, MissingKeyError: It cannot be read.
        """
        index = self._index(program)
        if index in self._modded:
            return self.loadouts[index].romfs_image()
        body = self._images.get(index)
        image = body.image("romfs") if body is not None else None
        if image is None:
            from oboromi_fs.builders.romfs import RomFsImage

            path = f"{self._place_of(index)}romfs"
            self.metadata(path)
            return RomFsImage(self, path)
        return image

    def _index(self, program: int | None) -> int:
        index = program if program is not None else self.programs[0] if self.programs else 0
        if index not in self.programs:
            raise EntryNotFoundError(f"programs/{index}", f"{self.title_id:016x} has no such program: there are {list(self.programs)}")
        return index

    def load_program(self, program: int | None = None) -> LoadedProgram:
        """Return a program ready to be mapped, with the update and mods applied.

        Args:
            program: Its index; None for the first.

        Raises:
            EntryNotFoundError: There is no such program, or nothing in it to run.
            FormatError: A module cannot be loaded; the error names it.
        """
        from oboromi_fs.titles.program import load_program

        index = self._index(program)
        at = self._place_of(index)
        if not self.exists(f"{at}exefs"):
            raise EntryNotFoundError(f"{at}exefs", f"{self.title_id:016x} has no ExeFS")
        romfs = self.romfs_image(index) if self.exists(f"{at}romfs") else None
        return load_program(SubFs(self, f"{at}exefs"), romfs=romfs, program_id=self.title_id + index)

    # FileSystem

    def _read_dir(self, path: str) -> list[DirEntry]:
        return self.union.read_dir(path)

    def _metadata(self, path: str) -> Metadata:
        return self.union.metadata(path)

    def _storage(self, path: str) -> Storage:
        return self.union.storage(path)

    def walk(self, path: PathType = "", /) -> Iterator[tuple[str, DirEntry]]:
        """Yield ``(path, entry)`` for everything below a directory, parents first, in path order a directory."""
        return self.union.walk(path)

    def extents(self, path: PathType = "", /) -> Iterator[Extent]:
        """Yield every file below a directory as a run of a storage."""
        return self.union.extents(path)
