"""What a place is, as data: nested dictionaries of facts, ready for JSON, from headers alone.

Every description has ``path`` (relative to the place, except at the top), ``kind`` and ``size``; where they apply ``children``,
``problems`` (what is damaged, in words) and ``keys`` (which keys it needs, and whether they are there). What cannot be read is told
where it is, and the rest goes on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from oboromi_formats.nax0 import NAX0_HEADER
from oboromi_fs._extents import PartitionArchive
from oboromi_fs.backends.host import HostFs
from oboromi_fs.backends.nca import Nca, NcaSection
from oboromi_fs.backends.nro import NroArchive
from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.backends.savedata import SaveDataFs
from oboromi_fs.backends.xci import XciArchive
from oboromi_fs.backends.zip import ZipFs, method_name
from oboromi_fs.errors import FormatError, MissingKeyError, NotThisFormatError, OboromiFsError, UnsupportedError
from oboromi_fs.jobs.describe_card import card_facts, firmware_text
from oboromi_fs.jobs.describe_contents import file_facts, nca_contents
from oboromi_fs.jobs.describe_nca import Description, key_facts, nca_facts, section_facts
from oboromi_fs.jobs.describe_sd import add_sd_facts, save_facts
from oboromi_fs.jobs.unfold import Opened
from oboromi_fs.paths import join, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oboromi_fs.keys import KeySet
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["Description", "describe", "firmware_text", "nodes"]

_MAX_NODES = 200_000
_UNTOLD = ("file", "jpeg")
"""Kinds of files that are only counted in a folder."""
_MAX_DEPTH = 4
"""Containers in containers in a folder; deeper ones are listed as files."""


def describe(place: Location, languages: Sequence[int] = ()) -> Description:
    """Tell what a place is.

    Args:
        place: From :func:`oboromi_fs.opening.locate`.
        languages: Numbers of the languages that titles are told in if they have them, the best first.

    Returns:
        The description; see the module.

    Raises:
        MissingKeyError: It is an NCA, and without ``header_key`` nothing at all can be told.
        FormatError: It is a container, and cannot be opened.
    """
    return _Describer(place, languages).top()


def nodes(description: Description) -> Iterator[Description]:
    """Yield a description and all in it, parents first."""
    pending = [description]
    while pending:
        found = pending.pop()
        yield found
        pending.extend(reversed(found.get("children", ())))


class _Describer:
    def __init__(self, place: Location, languages: Sequence[int]) -> None:
        self.place = place
        self.languages = languages
        self.nested = place.fs
        self.keys: KeySet = place.fs.keys
        self.nodes = 0
        self.programs = True
        """Whether to look into programs: not into those of a whole folder."""

    def top(self) -> Description:
        path = self.place.path
        found = self.nested.metadata(path)
        fs, inner = self.nested.resolve(path)
        if found.kind == "file":
            entered = self.nested.enter(path)
            node = self._node(self.place.display, "file", found.size)
            if entered is not None:
                self._container(node, entered, path, "", fs, 0)
                add_sd_facts(node, self.nested.storage(path), split(path)[1], self.nested.opener)
            else:
                self._plain(node, split(path.rstrip("/"))[1], self.nested.storage(path), top=True)
            return node
        node = self._node(self.place.display, "directory", 0)
        if isinstance(fs, Nca) and inner:
            node |= self._section(fs.section(inner), "")
            node["path"] = self.place.display
        elif isinstance(fs, HostFs):
            node["kind"] = "folder"
            self.programs = False
            self._members(node, fs, inner, path, "", 0)
        elif isinstance(fs, XciArchive) and inner:
            node["kind"] = "partition"
            self._members(node, fs, inner, path, "", 0)
        else:
            node |= _counted(fs, inner)
        return node

    def _node(self, path: str, kind: str, size: int) -> Description:
        self.nodes += 1
        return {"path": path, "kind": kind, "size": size}

    # Containers

    def _container(self, node: Description, fs: FileSystem, path: str, prefix: str, outer: FileSystem, depth: int) -> None:
        """Add the facts of a container. ``path`` is where it is in the nested file system, ``prefix`` how its children's paths begin."""
        if isinstance(fs, XciArchive):
            self._card(node, fs, path, prefix, depth)
        elif isinstance(fs, PartitionArchive):
            names = [name.lower() for name in fs.members]
            node["kind"] = (
                "nsp" if fs.kind == "PFS0" and any(name.endswith((".nca", ".ncz", ".tik")) for name in names) else fs.kind.lower()
            )
            node["format"] = fs.kind
            missing = max((member.offset + member.size for member in fs.members.values()), default=0) - fs.raw.size
            if missing > 0:
                node["problems"] = [f"is cut short: {missing} bytes are missing at the end"]
            self._members(node, fs, "", path, prefix, depth)
            self._titles(node, [(fs, "", prefix)])
        elif isinstance(fs, Nca):
            self._nca(node, fs, prefix, outer, split(path)[0])
            if self.programs:
                node |= nca_contents(fs, self.languages, top=not prefix)
        elif isinstance(fs, NroArchive):
            self._nro(node, fs, prefix)
        elif isinstance(fs, RomFs):
            node["kind"] = "romfs"
            node |= _counted(fs, "") if not prefix else {}
        elif isinstance(fs, SaveDataFs):
            node |= {**(_counted(fs, "") if not prefix else {}), **save_facts(fs)}
        elif isinstance(fs, ZipFs):
            node["kind"] = "zip"
            node |= _packed(fs)
        problems = list(getattr(fs, "problems", ()))
        if problems:
            node["problems"] = problems + node.get("problems", [])

    def _members(
        self, node: Description, fs: FileSystem, directory: str, path: str, prefix: str, depth: int, *, opened: Opened | None = None
    ) -> None:
        """Add a directory's entries: containers with what is in them, others as files."""
        children: list[Description] = []
        entries = fs.read_dir(directory)
        node["entry_count"] = len(entries)
        folders = files = 0
        opened = opened if opened is not None else Opened()
        for entry in entries:
            if self.nodes >= _MAX_NODES:
                node.setdefault("problems", []).append(f"only the first {_MAX_NODES} entries are told")
                break
            inner = join(directory, entry.name)
            if entry.kind == "directory":
                folders += 1
                continue
            child = self._node(join(prefix, entry.name), "file", entry.size)
            try:
                storage = fs.storage(inner)
                container = None
                if depth < _MAX_DEPTH and (isinstance(fs, HostFs) or opened.takes(storage, 0, storage.size)):
                    container = self.nested.opener.container(storage, entry.name, tickets=self.nested.tickets_of(fs, directory))
                if container is not None:
                    self._container(child, container, join(path, entry.name), child["path"], fs, depth + 1)
                    add_sd_facts(child, storage, entry.name, self.nested.opener)
                elif isinstance(fs, HostFs):
                    if not self._told(child, entry.name, storage):
                        files += 1
                        continue
                else:
                    self._plain(child, entry.name, storage)
            except MissingKeyError as wrong:
                child["kind"] = _unopened(entry.name, wrong)
                child["keys"] = [key_facts(wrong.key_name, wrong.why, self.keys)]
            except (OboromiFsError, OSError) as wrong:
                child["kind"] = _unopened(entry.name, wrong)
                child["problems"] = [str(wrong)]
            children.append(child)
        if isinstance(fs, HostFs):  # Of a folder, only what can be looked into is worth a line.
            node |= {"folders": folders, "other_files": files}
        node["children"] = children

    def _card(self, node: Description, card: XciArchive, path: str, prefix: str, depth: int) -> None:
        node |= card_facts(card, self.keys)
        children: list[Description] = []
        archives: list[tuple[FileSystem, str, str]] = []
        opened = Opened()
        for name in card.partitions:
            if self.nodes >= _MAX_NODES:
                break
            child = self._node(join(prefix, name), "partition", card.root.member(name).size)
            try:
                self._members(child, card, name, join(path, name), child["path"], depth + 1, opened=opened)
                archives.append((card, name, child["path"]))
            except OboromiFsError as wrong:
                child["problems"] = [str(wrong)]
            children.append(child)
        node["children"] = children
        archives.sort(key=lambda archive: archive[1] != "secure")  # The other partitions hold copies.
        self._titles(node, archives)

    def _nca(self, node: Description, nca: Nca, prefix: str, outer: FileSystem, directory: str) -> None:
        node |= nca_facts(nca, self.nested.tickets_of(outer, _within(outer, directory)), self.keys)
        node["children"] = [self._section(section, prefix) for section in nca.sections.values()]

    def _section(self, section: NcaSection, prefix: str) -> Description:
        return self._node(join(prefix, section.name), "section", section.size) | section_facts(section)

    # Others

    def _nro(self, node: Description, program: NroArchive, prefix: str) -> None:
        from oboromi_fs.jobs.describe_executables import nro_facts

        node |= nro_facts(program.nro, deep=not prefix)
        node.pop("problems", None)  # The archive has them, too.
        children: list[Description] = []
        for entry in program.read_dir(""):
            child = self._node(join(prefix, entry.name), "file", entry.size)
            try:
                self._plain(child, entry.name, program.storage(entry.name))
                if entry.name == "romfs":
                    child |= {"kind": "romfs", **_counted(RomFs(program.storage(entry.name)), "")}
            except OboromiFsError as wrong:
                child["problems"] = [str(wrong)]
            children.append(child)
        node["children"] = children

    def _plain(self, node: Description, name: str, storage: Storage, *, top: bool = False) -> None:
        """Add what is known of a file that is no container: of metadata, executables and icons."""
        node |= file_facts(name, storage, self.languages, top=top)

    def _told(self, node: Description, name: str, storage: Storage) -> bool:
        """Add what is known of a file in a folder; return whether that is worth a line. Files of other programs may have such a name."""
        with suppress(NotThisFormatError, UnsupportedError):
            self._plain(node, name, storage)
        return node["kind"] not in _UNTOLD

    def _titles(self, node: Description, archives: list[tuple[FileSystem, str, str]]) -> None:
        """Add what the content metas in some archives say; ``archives``: a file system, a directory in it, its path in the result."""
        metas = [
            (fs, directory, entry.name)
            for fs, directory, _ in archives
            for entry in fs.read_dir(directory)
            if entry.name.lower().endswith((".cnmt.nca", ".cnmt.ncz"))
        ]
        if not metas:
            return
        from oboromi_fs.jobs.titles import titles_of

        titles, problems = titles_of(self.nested, metas, self.languages)
        node["titles"] = titles
        if problems:
            node["problems"] = node.get("problems", []) + problems


def _within(fs: FileSystem, directory: str) -> str:
    """The directory inside ``fs`` that an NCA lies in: cards have one for each partition, folders many, others none."""
    if isinstance(fs, XciArchive):
        return split(directory)[1]
    return directory if isinstance(fs, HostFs) else ""


def _counted(fs: FileSystem, inner: str) -> Description:
    """How much is below a directory."""
    from oboromi_fs.base import FileSystemBase, walk

    files = directories = data = 0
    try:
        for _, entry in fs.walk(inner) if isinstance(fs, FileSystemBase) else walk(fs, inner):
            if entry.kind == "directory":
                directories += 1
            else:
                files += 1
                data += entry.size
    except OboromiFsError as wrong:
        return {"problems": [str(wrong)]}
    return {"files": files, "directories": directories, "data_size": data}


def _packed(fs: ZipFs) -> Description:
    """What a ZIP archive holds, and how."""
    node = _counted(fs, "")
    if "problems" in node:  # Its directory cannot be read; the archive says so itself.
        return {}
    methods: dict[str, int] = {}
    encrypted = packed = 0
    for _, entry in fs.entries():
        name = method_name(entry.method)
        methods[name] = methods.get(name, 0) + 1
        encrypted += entry.is_encrypted
        packed += entry.compressed_size
    return {**node, "compressed_size": packed, "methods": dict(sorted(methods.items())), "encrypted_files": encrypted}


def _unopened(name: str, wrong: OboromiFsError | OSError) -> str:
    """The kind of a file that could not be opened, by its name and by what is wrong."""
    if name.lower().endswith((".nca", ".ncz")):
        return "nca"
    if isinstance(wrong, MissingKeyError):
        return "sd_card_file" if wrong.key_name.startswith("sd_card_") else "nca"
    return "sd_card_file" if isinstance(wrong, FormatError) and wrong.what == NAX0_HEADER.name else "file"
