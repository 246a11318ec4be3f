"""A folder of NCAs and what goes with them, as extraction leaves a package or a partition of a card: what becomes of each member.

A file is taken as it is. A folder called ``….nca`` is an NCA: kept if the original has it with the same contents, else built. The content
meta follows: its records get hashes, ids and sizes of what is built. Where it is built anyway, NCAs that are files
and in no record get one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oboromi_formats.cnmt import MetaType, RecordType
from oboromi_formats.nca import ContentType
from oboromi_fs.backends.nca import Nca
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.cnmt import build_cnmt, content_of, meta_image
from oboromi_fs.builders.nca import BuiltNca, NcaBuilder, encrypt_title_key, nca_layout, rights_id_of
from oboromi_fs.builders.nsp import package_order
from oboromi_fs.errors import FormatError, IsADirectoryEntryError, MissingKeyError
from oboromi_fs.jobs.assembly import Part
from oboromi_fs.jobs.compressing import restore, whole_name
from oboromi_fs.jobs.ncafolder import ContentOptions, cnmt_in, kind_of, nca_builder, original_builder, title_id_in
from oboromi_fs.jobs.oddities import odd_member, odd_nca
from oboromi_fs.jobs.refolding import Original, entries_of, rebuilt, same_tree
from oboromi_fs.jobs.sectionforms import UPDATE
from oboromi_fs.jobs.titleids import ContradictionError, names_program, of_one_title
from oboromi_fs.metadata.cnmt import Cnmt
from oboromi_fs.metadata.ticket import TicketFile
from oboromi_fs.opening import NestedFs
from oboromi_fs.paths import join
from oboromi_fs.tickets import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oboromi_fs.keys import KeySet
    from oboromi_fs.opening import Opener
    from oboromi_fs.protocols import FileSystem

__all__ = ["TitlePlan", "plan_titles"]

_ID_DIGITS = 32
_NO_HASH = bytes(0x20)
_NO_NCA = "a folder in a package is an NCA, and is called like one, ….nca"
_HINTS = dict.fromkeys(
    ("exefs", "romfs", "logo", "data"), "; this one is in the folder of an NCA: pack that with `pack nca`, or what it is in"
)
_HINTS |= dict.fromkeys(("update", "normal", "secure"), "; this one is a partition of a card: pack that")


@dataclass(slots=True)
class _Meta:
    """A content meta and the folder it is in."""

    part: Part
    cnmt: Cnmt
    build: Callable[[Cnmt], NcaBuilder]
    same: bool
    """Whether the folder is that of the original."""
    new: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class TitlePlan:
    """What becomes of folders of NCAs.

    Attributes:
        parts: The members in the order they will have.
        warnings: What may not be meant: a path, and what there is to say of it.
    """

    parts: list[Part]
    warnings: list[tuple[str, str]] = field(default_factory=list)


class _Planner:
    """The plan in the making."""

    def __init__(self, fs: FileSystem, options: ContentOptions, opener: Opener) -> None:
        self.fs = fs
        self.nested = fs if isinstance(fs, NestedFs) else NestedFs(fs, opener)
        if options.base is not None and options.title_id is not None:
            options = replace(options, title_id=options.title_id | UPDATE)
        self.options = options
        self.opener = opener
        self.keys: KeySet = opener.keys
        self.parts: list[Part] = []
        self.metas: list[_Meta] = []
        self.dropped: set[bytes] = set()
        self.warnings: list[tuple[str, str]] = []
        self.opened: dict[int, Nca] = {}

    # Members

    def folder(self, path: str, name: str, original: Original | None) -> None:
        """Add what is in one folder: ``path`` in the file system, ``name`` in the package."""
        entries = entries_of(self.fs, path)
        options = self._options(path, [entry.name for entry in entries if entry.kind == "file"], original)
        default = self._default_title(path, [entry.name for entry in entries if entry.kind == "directory"])
        parts: list[Part] = []
        for entry in entries:
            inner = join(path, entry.name)
            before = original / entry.name if original is not None and original.kind(entry.name) else None
            part = Part(inner, entry.name, folder=name, known=before is not None, content_id=_content_id(entry.name))
            if entry.kind == "file":
                part.storage = self.fs.storage(inner)
                restore([part], self.nested)
                part.what = "NCA" if part.name.lower().endswith(".nca") else "file"
                part.content_id = _content_id(part.name)
                if before is None and (text := odd_member(part.name)):
                    self.warnings.append((inner, text))
            else:
                self._directory(part, before, options, default)
            parts.append(part)
        if original is not None:
            there = [entry.name for entry in original.fs.read_dir(original.path)]
            order = {whole_name(member): place for place, member in enumerate(there)}
            self.dropped |= {
                found
                for member in {whole_name(name) for name in there} - {part.name for part in parts}
                if (found := _content_id(member)) is not None
            }
        else:
            order = {}
        usual = {member: place for place, member in enumerate(package_order(part.name for part in parts))}
        self.parts += sorted(parts, key=lambda part: (order.get(part.name, len(order)), usual[part.name]))

    def _options(self, path: str, files: Sequence[str], original: Original | None) -> ContentOptions:
        """The options, with the title key of the one ticket there may be."""
        tickets = [name for name in files if name.lower().endswith(".tik")]
        if original is None and len(tickets) == 1:
            return self.options.with_ticket(Ticket.read(self.fs.storage(join(path, tickets[0]))), self.keys)
        return self.options

    def _default_title(self, path: str, folders: Sequence[str]) -> int | None:
        if self.options.title_id is not None:
            return self.options.title_id
        update = UPDATE if self.options.base is not None else 0
        ids = [title_id_in(self.fs, join(path, name)) for name in folders if name.lower().endswith(".nca")]
        return next((title_id | update for title_id in ids if title_id is not None), None)

    def _directory(self, part: Part, original: Original | None, options: ContentOptions, default: int | None) -> None:
        path = part.source
        nca = original.entered() if original is not None and original.kind("") == "file" else None
        if original is not None and nca is not None and not isinstance(nca, Nca):
            same = same_tree(self.fs, path, original)
            part.storage, part.how = rebuilt(self.fs, path, original), "kept" if same else "built"
            part.what = f"{getattr(nca, 'kind', 'file')} container"
            return
        if nca is None and not part.name.lower().endswith(".nca"):
            raise IsADirectoryEntryError(path, _NO_NCA + _HINTS.get(part.name, ""))
        part.what = "NCA"
        same = original is not None and same_tree(self.fs, path, original)
        if original is not None and part.content_id is None and isinstance(nca, Nca) and not same:
            part.content_id = BuiltNca.of(nca).content_id  # It is not called by its hash.
        inner = cnmt_in(self.fs, path)
        if inner:
            self._meta(part, self.fs, inner, original, options, same=same)
        elif original is not None and not same:
            part.builder, part.how = original_builder(self.fs, path, original, check=options.check), "built"
        elif original is None:
            title_id = title_id_in(self.fs, path)
            title_id = default if title_id is None else title_id
            # The ticket of one title does not open another's NCAs.
            permitted = options if title_id is None or options.rights_id is None or _names(options.rights_id, title_id) else self.options
            chosen = replace(permitted, title_id=title_id, kind=None)
            if self.options.base is not None and title_id is not None:
                chosen = replace(chosen, title_id=title_id | UPDATE)
                if kind_of(self.fs, path) != "program":  # What an update shows and says of itself is in it whole.
                    chosen = replace(chosen, base=None)
            part.builder, part.kind = nca_builder(self.fs, path, chosen, self.keys)
            part.how = "built"
        if original is not None and same:
            part.storage, part.how = original.image, "kept"
        else:
            self.warnings += odd_nca(self.fs, path, original)

    def _meta(self, part: Part, fs: FileSystem, inner: str, original: Original | None, options: ContentOptions, *, same: bool) -> None:
        """Note a Meta NCA; whether it is built depends on the others."""
        path = part.source
        cnmt = Cnmt.read(fs.storage(join(path, inner)))
        if options.base is not None and original is None and not cnmt.title_id & UPDATE:
            problem = f"is of {cnmt.title_id:016x}, which is no update, as what is made with a base is: leave the folder out"
            raise FormatError(problem, what="content meta", source=path)

        def build(changed: Cnmt) -> NcaBuilder:
            files = {inner: MemoryStorage(changed.to_bytes(), join(path, inner))}
            if original is not None:
                return original_builder(fs, path, original, check=False, files=files)
            return nca_builder(fs, path, replace(options, title_id=changed.title_id, kind="meta", base=None), self.keys, files)[0]

        part.kind = "meta"
        self.metas.append(_Meta(part, cnmt, build, same))

    # Content meta

    def finish(self, *, want_meta: bool) -> None:
        """Find out which content meta have to change, and how."""
        self._check_title()
        if any(part.builder is not None for part in self.parts):
            self._open_metas()
        unlisted = self._unlisted()
        if not self.metas and want_meta:
            self._new_meta(unlisted)
        listed = {record.id for meta in self.metas for record in meta.cnmt.contents}
        for part in self.parts:
            if part.builder is not None and not part.known and part.kind != "meta" and part.content_id not in listed:
                self._meta_for(part).new.append(part)
        waiting: dict[int, list[Part]] = {}
        for part in unlisted:
            chosen = self._meta_of_its_title(part)
            waiting.setdefault(id(chosen), []).append(part)
        for part in waiting.pop(id(None), []):
            why = "which one should cannot be told" if self.metas else "those there are taken as they are"
            self.warnings.append((part.source, f"no content meta lists it, and {why}"))
        for meta in self.metas:
            gone = [record for record in meta.cnmt.contents if record.id in self.dropped and self._find(record.id, meta) is None]
            absent = [record for record in meta.cnmt.contents if record not in gone and self._find(record.id, meta) is None]
            news = ", ".join(part.name for part in meta.new)
            instead = f"; {news} counts as new, for an NCA is known by its name" if news else ""
            self.warnings += [
                (meta.part.source, f"{record.id.hex()} is not there any more; its record is left out{instead}") for record in gone
            ]
            if absent and not meta.same:
                self.warnings += [(meta.part.source, f"{record.id.hex()}, which it lists, is not there") for record in absent]
            built = any(self._built(record.id, meta) is not None for record in meta.cnmt.contents)
            if gone or meta.new or built or not meta.same:
                meta.part.storage, meta.part.how = None, "built"
                meta.new += waiting.pop(id(meta), [])
                meta.part.builder = meta.build(self._updated(meta, planned=True))
                meta.part.finish = lambda meta=meta: meta.build(self._updated(meta, planned=False))
            for part in waiting.pop(id(meta), []):
                self.warnings.append((part.source, f"no content meta lists it, and {meta.part.name} stays as it is"))

    def _unlisted(self) -> list[Part]:
        """NCAs that are files, were in no original, and are in no content meta; none where that cannot be told."""
        files = [
            part for part in self.parts if part.storage is not None and part.how == "as it is" and not part.known and part.what == "NCA"
        ]
        metas = [part for part in files if part.name.lower().endswith(".cnmt.nca")]
        files = [part for part in files if part not in metas]
        if not files:
            return []
        listed = {record.id for meta in self.metas for record in meta.cnmt.contents}
        nested = self.nested
        try:
            for part in metas:
                if not part.kind and isinstance(nested.enter(part.source), Nca) and (inner := cnmt_in(nested, part.source)):
                    listed |= {record.id for record in Cnmt.read(nested.storage(join(part.source, inner))).contents}
        except (FormatError, MissingKeyError):
            return []
        return [part for part in files if part.content_id not in listed and self._open_file(part)]

    def _open_file(self, part: Part) -> bool:
        """Open an NCA that is a file; if it cannot be opened, nothing can be said of it in a content meta."""
        nested, problem = self.nested, "it is no NCA"
        try:
            nca = nested.enter(part.source)
        except (FormatError, MissingKeyError) as wrong:
            nca, problem = None, str(wrong)
        if not isinstance(nca, Nca):
            self.warnings.append((part.source, f"no content meta lists it, and it cannot be read ({problem})"))
            return False
        if nca.header.content_type == ContentType.META:
            self.warnings.append((part.source, "a content meta is called like one, ….cnmt.nca; this one is taken as a plain file"))
            return False
        self.opened[id(part)] = nca
        with suppress(FormatError, MissingKeyError):  # Its header says enough for all but a few kinds.
            part.kind = kind_of(nested, part.source)
        if part.content_id is None:  # It is not called by its hash, and whoever installs it looks for that name.
            whole = BuiltNca.of(nca)
            part.name, part.content_id = whole.name, whole.content_id
        return True

    def _meta_of_its_title(self, part: Part) -> _Meta | None:
        """The content meta that an NCA which is a file belongs in: the ids of a title and of its NCAs differ in few digits at the end."""
        program_id = self.opened[id(part)].header.program_id
        near = [meta for meta in self.metas if meta.part.folder == part.folder and of_one_title(meta.cnmt.title_id, program_id)]
        return near[0] if len(near) == 1 else None

    def _open_metas(self) -> None:
        """Open Meta NCAs that are files: they may list what is built."""
        for part in self.parts:
            if part.kind or part.storage is None or part.how != "as it is" or not part.name.lower().endswith(".cnmt.nca"):
                continue
            nested = self.nested
            if isinstance(nested.enter(part.source), Nca) and (inner := cnmt_in(nested, part.source)):
                self._meta(part, nested, inner, Original(nested, part.source), self.options, same=True)

    def _new_meta(self, unlisted: Sequence[Part]) -> None:
        """Make the content meta of a title that has none."""
        new = [part for part in self.parts if part.builder is not None or part in unlisted]
        if not new or any(part.name.lower().endswith(".cnmt.nca") for part in self.parts):
            return
        new.sort(key=lambda part: part.kind != "program")
        title_id = self._new_title(new)
        kinds = {0: MetaType.APPLICATION, 0x800: MetaType.PATCH}
        cnmt = build_cnmt(title_id, kinds.get(title_id & 0xFFF, MetaType.ADD_ON_CONTENT), [], version=self.options.title_version)
        generation, card = self.options.generation, int(self.options.card)

        def build(changed: Cnmt) -> NcaBuilder:
            layout = nca_layout("meta", title_id, key_generation=generation, distribution=card)
            return NcaBuilder(layout, {"data": meta_image(changed)}, self.keys)

        part = Part("", "meta.cnmt.nca", "built", "Meta NCA", kind="meta", folder=new[0].folder)
        last = max(number for number, each in enumerate(self.parts) if each.folder == part.folder and each in new)
        self.parts.insert(last + 1, part)
        self.metas.append(_Meta(part, cnmt, build, same=False))

    def _new_title(self, new: Sequence[Part]) -> int:
        """The id of a title that has no content meta yet, from its NCAs, programs first."""
        chosen = self.options.title_id
        ids = [_outcome(part, self.opened, planned=True).program_id for part in new]
        title_id = ids[0] if chosen is None else chosen
        for part, program_id in zip(new, ids, strict=True):
            if not of_one_title(title_id, program_id):
                if chosen is not None:
                    raise _contradiction(part, program_id, chosen)
                problem = f"is of {program_id:016x}, and {new[0].source!r} of {title_id:016x}: a content meta lists the NCAs of one title"
                raise FormatError(problem, what="NCA", source=part.source)
        if new[0].kind == "program" and not names_program(title_id):
            problem = f"{title_id:016x} is no id of a title with a program: an application's ends in 000, its update's in 800"
            if chosen is not None:
                raise ContradictionError(problem, what="--title-id", source=new[0].source)
            self.warnings.append((new[0].source, problem))
        return title_id

    def _check_title(self) -> None:
        """Refuse a title id that was chosen, where all that is there is of others."""
        chosen = self.options.title_id
        said = [] if chosen is None else [(part, title_id) for part in self.parts if (title_id := self._said(part)) is not None]
        if chosen is not None and said and not any(of_one_title(chosen, title_id) for _, title_id in said):
            raise _contradiction(*said[0], chosen)

    def _said(self, part: Part) -> int | None:
        """The title id that an NCA says itself."""
        if not part.name.lower().endswith(".nca"):
            return None
        if self.fs.metadata(part.source).kind == "directory":
            return title_id_in(self.fs, part.source)
        with suppress(FormatError, MissingKeyError):
            nca = self.nested.enter(part.source)
            if isinstance(nca, Nca):
                return nca.header.program_id
        return None

    def _meta_for(self, part: Part) -> _Meta:
        """The content meta that a new NCA belongs in."""
        assert part.builder is not None  # noqa: S101  # For the type checker.
        program_id = part.builder.planned().program_id
        near = [meta for meta in self.metas if meta.part.folder == part.folder]
        same = [meta for meta in near if meta.cnmt.title_id == program_id]
        family = [meta for meta in near if of_one_title(meta.cnmt.title_id, program_id)]
        for candidates in (same, family, near, self.metas):
            if len(candidates) == 1:
                (meta,) = candidates
                if not of_one_title(meta.cnmt.title_id, program_id):
                    problem = f"is of {program_id:016x}, and the content meta {meta.part.name} of {meta.cnmt.title_id:016x}"
                    raise FormatError(problem, what="NCA folder", source=part.source)
                return meta
        problem = f"no content meta lists it, and there are {len(self.metas)}: name its folder by the id of the NCA whose place it takes"
        raise FormatError(problem, what="NCA folder", source=part.source)

    def _find(self, content_id: bytes, meta: _Meta) -> Part | None:
        found = [part for part in self.parts if part.content_id == content_id and part.kind != "meta"]
        return next((part for part in found if part.folder == meta.part.folder), found[0] if found else None)

    def _built(self, content_id: bytes, meta: _Meta) -> Part | None:
        part = self._find(content_id, meta)
        return part if part is not None and part.builder is not None else None

    def _updated(self, meta: _Meta, *, planned: bool) -> Cnmt:
        """The content meta with the records of what is built; with hashes of zeros before it is."""
        contents = []
        for record in meta.cnmt.contents:
            part = self._find(record.id, meta)
            if part is None and record.id in self.dropped:
                continue
            if part is not None and part.builder is not None:
                built = _outcome(part, self.opened, planned=planned)
                record = replace(record, hash=built.sha256, size=built.size, content_id=None)  # noqa: PLW2901
            contents.append(record)
        for part in meta.new:
            record = content_of(_outcome(part, self.opened, planned=planned), meta.cnmt.title_id, _RECORDS.get(part.kind))
            contents.append(record if part.builder is not None else replace(record, content_id=part.content_id))
        return replace(meta.cnmt, contents=tuple(contents))


def _contradiction(part: Part, title_id: int, chosen: int) -> ContradictionError:
    problem = f"is of {title_id:016x}, and --title-id is {chosen:016x}: leave the option out, or change what says so"
    return ContradictionError(problem, what="NCA", source=part.source)


_RECORDS = {"legal": RecordType.LEGAL_INFORMATION, "delta": RecordType.DELTA_FRAGMENT}


def _names(rights_id: bytes, title_id: int) -> bool:
    return rights_id[:8] == title_id.to_bytes(8, "big")


def _outcome(part: Part, opened: Mapping[int, Nca], *, planned: bool) -> BuiltNca:
    """What a record says of an NCA that is built, or that is a file; with a hash of zeros before it is needed."""
    if part.builder is None:
        nca = opened[id(part)]
        return BuiltNca(_NO_HASH, part.size, nca.header.content_type, nca.header.program_id) if planned else BuiltNca.of(nca)
    if planned or part.built is None:
        return part.builder.planned()
    return part.built


def _content_id(name: str) -> bytes | None:
    """The content id an NCA is called by."""
    stem = name.partition(".")[0]
    if len(stem) != _ID_DIGITS or not name.lower().endswith(".nca"):
        return None
    try:
        return bytes.fromhex(stem)
    except ValueError:
        return None


def _made_ticket(options: ContentOptions, title_id: int, keys: KeySet) -> tuple[str, MemoryStorage]:
    """The ticket for a title key that was given, and its name."""
    assert options.title_key is not None  # noqa: S101  # For the type checker.
    rights_id = options.rights_id or rights_id_of(title_id, options.generation)
    block = encrypt_title_key(options.title_key, options.generation, keys).ljust(0x100, b"\0")
    ticket = TicketFile(rights_id=rights_id, title_key_block=block, common_key_id=options.generation)
    name = f"{rights_id.hex()}.tik"
    return name, MemoryStorage(ticket.to_bytes(), name)


def plan_titles(
    fs: FileSystem,
    folders: Sequence[tuple[str, str]],
    options: ContentOptions,
    opener: Opener,
    original: Original | None = None,
    *,
    want_meta: bool = True,
) -> TitlePlan:
    """Plan what becomes of folders of NCAs.

    Args:
        fs: Where they are.
        folders: Path of each folder, and the name of the partition it is; ``""`` for a package.
        options: For NCAs that are made anew.
        opener: Opens containers, with the user's keys.
        original: The package or card they were taken from.
        want_meta: Make a content meta where there is none.

    Raises:
        ContradictionError: NCAs are not of the title that was chosen.
        FormatError: Something a format cannot hold, or that cannot be told what it is, or of another title than what would list it; the
            error names it.
        MissingKeyError: A key is absent.
        IsADirectoryEntryError: A folder that is no NCA.
    """
    planner = _Planner(fs, options, opener)
    for path, name in folders:
        place = (original / name if name else original) if original is not None else None
        planner.folder(path, name, place if place is not None and place.fs.exists(place.path) else None)
    planner.finish(want_meta=want_meta)
    _add_ticket(planner)
    return TitlePlan(planner.parts, planner.warnings)


def _add_ticket(planner: _Planner) -> None:
    """Add a ticket for a title key that was given, if there is none; certificates are the user's."""
    options = planner.options
    if options.title_key is None or any(part.name.lower().endswith(".tik") for part in planner.parts):
        return
    built = [part for part in planner.parts if part.builder is not None and part.kind != "meta"]
    if not built or built[0].builder is None:
        return
    name, storage = _made_ticket(options, built[0].builder.planned().program_id, planner.keys)
    planner.parts.append(Part("", name, "built", "ticket", storage=storage, folder=built[0].folder))
