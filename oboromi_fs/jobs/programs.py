"""Executables and metadata from what people edit: segments and assets as files, fields as TOML or JSON."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from oboromi_fs.backends.romfs import RomFs
from oboromi_fs.base import MemoryStorage
from oboromi_fs.builders.kip import build_kip
from oboromi_fs.builders.nro import build_nro, with_assets
from oboromi_fs.builders.nso import build_nso
from oboromi_fs.builders.romfs import RomFsImage
from oboromi_fs.errors import EntryNotFoundError, FormatError, IsADirectoryEntryError, NotThisFormatError, UnsupportedError
from oboromi_fs.executables.assembling import refuse
from oboromi_fs.executables.kip import Kip
from oboromi_fs.executables.nro import ASSET_NAMES, Nro
from oboromi_fs.executables.nso import Nso
from oboromi_fs.jobs.describe_metadata import reader_of
from oboromi_fs.jobs.naming import Named, naming
from oboromi_fs.jobs.ncafolder import UNCHECKED
from oboromi_fs.jobs.refolding import Original, entries_of, same_tree
from oboromi_fs.metadata.keypath import KeyPath
from oboromi_fs.metadata.kinds import Array, Hex, Number, Switch, Text
from oboromi_fs.metadata.text import FORMATS, loads_json, loads_toml
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oboromi_fs.metadata import Metadata
    from oboromi_fs.metadata.kinds import Kind
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import FileSystem, Storage

__all__ = ["METADATA", "NO_TEXT", "kip_of", "metadata_of", "nro_of", "nso_of", "read_metadata"]

METADATA = {"cert": "certificates", "cnmt": "CNMT", "nacp": "NACP", "npdm": "NPDM", "ticket": "ticket", "tik": "ticket"}
"""Kinds of metadata -> their formats."""

NO_TEXT = "is none of control.nacp, *.cnmt, main.npdm, *.tik and *.cert, which have a text form"
_MOST_TEXT = 1 << 26
_BINARY = "TOML or JSON is needed, which `oboromi cat --as toml` makes of what is built already"
_SEGMENTS = ("text", "ro", "data")
_SIZE = Number(32, digits=1)
_NSO_FIELDS: dict[str, Kind] = {
    "bss_size": _SIZE,
    "module_id": Hex(),
    "module_name": Text(0x300, padded=False),
    "prevent_code_reads": Switch(),
    "hashes": Switch(),
    "offsets": Array(_SIZE, 3),
}
_NRO_FIELDS: dict[str, Kind] = {
    "bss_size": _SIZE,
    "module_id": Hex(),
    "aligned_header": Switch(),
    "dso_handle_offset": _SIZE,
}
_KIP_FIELDS: dict[str, Kind] = {
    "name": Text(0xC),
    "program_id": Number(64, digits=16),
    "priority": Number(8),
    "ideal_core": Number(8),
    "stack_size": _SIZE,
    "version": Number(32),
    "flags": Number(8),
    "affinity_mask": Number(32),
    "bss_size": _SIZE,
    "offsets": Array(_SIZE, 4),
    "capabilities": Array(_SIZE, 32, 0xFFFFFFFF),
}
_KIP_NEEDED = ("name", "program_id", "priority", "ideal_core", "stack_size")


# Metadata


def metadata_of(storage: Storage, name: str, kind: str) -> Metadata:
    """Return the metadata that a TOML or JSON text describes.

    Args:
        storage: The text.
        name: Its path, for messages; one that ends in ``.json`` or begins with a brace is JSON.
        kind: A key of :data:`METADATA`.

    Raises:
        FormatError: It cannot be read, or a value does not fit; the error names the key.
    """
    text = _text(storage, name)
    loads = loads_json if name.lower().endswith(".json") or text.lstrip().startswith("{") else loads_toml
    value: Metadata = loads(text, FORMATS[METADATA[kind]], source=name)
    return value


def _text(storage: Storage, name: str) -> str:
    if storage.size > _MOST_TEXT:
        raise FormatError(f"has {storage.size:#x} bytes, {_MOST_TEXT:#x} are the most that are read", what="text", source=name)
    data = storage[:].tobytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise FormatError(f"is not UTF-8: {_BINARY}", what="text", source=name) from wrong
    if "\0" in text:
        raise FormatError(f"holds a NUL: {_BINARY}", what="text", source=name)
    return text


def read_metadata(storage: Storage, name: str) -> Metadata:
    """Read a metadata file, told by its name and its content.

    Args:
        storage: The file.
        name: Its name: ``….nacp ….cnmt ….npdm ….tik ….cert``; program metadata are known by their magic as well.

    Raises:
        FormatError: It is none of them, or damaged.
    """
    found = reader_of(name, storage[:4].tobytes())
    if found is not None:
        value: Metadata = found[1].read(storage)
        return value
    raise NotThisFormatError(NO_TEXT, what="file", source=name)


# Executables


def _fields(fs: FileSystem, path: str, stem: str, kinds: Mapping[str, Kind]) -> dict[str, Any] | None:
    """What ``kip.toml`` and its like, or the same as JSON, say; None if there is neither."""
    for ending in (".toml", ".json"):
        inner = join(path, stem + ending)
        try:
            storage = fs.storage(inner)
        except EntryNotFoundError:
            if inner in left_out_of(fs):
                raise EntryNotFoundError(inner, f"is {left_out_of(fs)[inner]}; a file is needed") from None
            continue
        keys = KeyPath(stem.upper(), source=inner)
        rest = dict(_table(_text(storage, inner), inner))
        found = {name: kind.parse(rest.pop(name), keys / name) for name, kind in kinds.items() if name in rest}
        keys.finish(rest, kinds)
        return found
    return None


def _table(text: str, name: str) -> dict[str, Any]:
    import json
    import tomllib

    try:
        table = json.loads(text) if name.endswith(".json") else tomllib.load(io.BytesIO(text.encode()))
    except (ValueError, RecursionError) as wrong:
        raise FormatError(f"it cannot be read: {wrong}", what="fields", source=name) from wrong
    if not isinstance(table, dict):
        raise FormatError("is not a table", what="fields", source=name)
    return table


def left_out_of(fs: FileSystem) -> dict[str, str]:
    """Return what listings of a host folder left out, and what it is; nothing for other file systems."""
    found: dict[str, str] = getattr(getattr(fs, "fs", fs), "left_out", {})
    return found


def _segments(fs: FileSystem, path: str) -> list[Storage]:
    entries_of(fs, path)  # So that it is known what else there is.
    found = []
    for name in _SEGMENTS:
        try:
            found.append(fs.storage(join(path, name)))
        except EntryNotFoundError:
            inner = join(path, name)
            problem = f"is {left_out_of(fs)[inner]}" if inner in left_out_of(fs) else "no such segment"
            raise EntryNotFoundError(inner, f"{problem}: files called text, ro and data are needed") from None
        except IsADirectoryEntryError:
            raise IsADirectoryEntryError(join(path, name), "is a directory, and a segment is a file") from None
    return found


def other_files(place: Location) -> list[str]:
    """Return the paths of what is in the folder of a KIP or NSO, and no part of it; none for what is no folder."""
    if place.kind == "file":
        return []
    known = (*_SEGMENTS, *(f"{stem}.{ending}" for stem in ("kip", "nso", "nro") for ending in ("toml", "json")))  # May lie side by side.
    return [join(place.path, entry.name) for entry in entries_of(place.fs, place.path) if entry.name not in known]


def nso_of(place: Location, like: Storage | None = None, *, compress: bool = True) -> Storage:
    """Return an NSO of a folder with ``text``, ``ro`` and ``data``, and ``nso.toml``; or one that exists, compressed or not.

    Args:
        place: The folder, or the NSO.
        like: An NSO whose fields to take where ``nso.toml`` has none.
        compress: Compress segments where that makes them smaller.

    Raises:
        FormatError: A field does not fit, or segments overlap.
        UnsupportedError: The package ``lz4`` is not installed.
    """
    if place.kind == "file":
        nso = Nso(place.fs.storage(place.path))
        return build_nso(*(nso.segment(segment.name) for segment in nso.segments), **_nso_fields(nso), compress=compress)
    parts = _segments(place.fs, place.path)
    fields = _fields(place.fs, place.path, "nso", _NSO_FIELDS) or {}
    if "module_name" in fields:
        fields["module_name"] = fields["module_name"].encode("utf-8", "surrogateescape")
    if like is not None:
        before = Nso(like)
        refuse(before.problems, "NSO header", [like])
        known = _nso_fields(before)
        known["offsets"] = _kept_offsets(known["offsets"], parts)
        fields = known | fields
    try:
        return build_nso(*parts, **fields, compress=compress)
    except UnsupportedError as wrong:
        if compress:
            wrong.problem += " (--no-compress does without)"
        raise


def _kept_offsets(offsets: tuple[int, ...], parts: list[Storage]) -> tuple[int, ...] | None:
    """Memory offsets of before, if the segments still fit between them."""
    ends = [offset + part.size for offset, part in zip(offsets, parts, strict=False)]
    return offsets if all(end <= start for end, start in zip(ends, offsets[1:], strict=False)) else None


def _nso_fields(nso: Nso) -> dict[str, Any]:
    from oboromi_formats.nso import NsoFlags

    header = nso.header
    start = header.module_name_offset
    return {
        "bss_size": header.bss_size,
        "module_id": header.module_id,
        "module_name": nso.raw[start : start + header.module_name_size].tobytes(),
        "prevent_code_reads": bool(header.flags & NsoFlags.PREVENT_CODE_READS),
        "hashes": bool(header.flags & NsoFlags.TEXT_HASH),
        "offsets": tuple(segment.memory_offset for segment in nso.segments),
        "api_info": header.api_info,
        "dynstr": header.dynstr,
        "dynsym": header.dynsym,
    }


def kip_of(place: Location, like: Storage | None = None, *, compress: bool = True) -> Storage:
    """Return a KIP of a folder with ``text``, ``ro`` and ``data``, and ``kip.toml``; or one that exists, compressed or not.

    Args:
        place: The folder, or the KIP.
        like: A KIP whose fields to take where ``kip.toml`` has none.
        compress: Compress segments where that makes them smaller.

    Raises:
        FormatError: A field is missing or does not fit, or segments overlap.
    """
    if place.kind == "file":
        kip = Kip(place.fs.storage(place.path))
        return build_kip(*(kip.segment(segment.name) for segment in kip.segments), **_kip_fields(kip), compress=compress)
    parts = _segments(place.fs, place.path)
    said = _fields(place.fs, place.path, "kip", _KIP_FIELDS)
    fields = said or {}
    if like is not None:
        kip = Kip(like)
        refuse(kip.problems, "KIP header", [like])
        known = _kip_fields(kip)
        known["offsets"] = _kept_offsets(known["offsets"], parts)
        fields = known | fields
    missing = [name for name in _KIP_NEEDED if name not in fields]
    if missing:
        problem = "is not there, and" if said is None else "does not say everything:"
        raise FormatError(f"{problem} it or --like must say {', '.join(missing)}", source=join(place.path, "kip.toml"))
    return build_kip(*parts, **fields, compress=compress)


def _kip_fields(kip: Kip) -> dict[str, Any]:
    header = kip.header
    return {
        "name": kip.name,
        "program_id": header.program_id,
        "priority": header.priority,
        "ideal_core": header.ideal_core,
        "stack_size": header.stack_size,
        "capabilities": kip.capabilities,
        "version": header.version,
        "flags": header.flags,
        "affinity_mask": header.affinity_mask,
        "bss_size": kip.bss_size,
        "offsets": tuple(segment.memory_offset for segment in header.segments[:4]),
    }


def nro_of(
    place: Location,
    like: Original | None = None,
    *,
    icon: Location | None = None,
    nacp: Location | None = None,
    romfs: Location | None = None,
    check: bool = True,
) -> Storage:
    """Return an NRO: one that exists with other assets; or of a folder with assets, or with segments as well.

    Args:
        place: An NRO, whose assets stay unless others are given; a folder with ``text``, ``ro`` and ``data``, and ``nro.toml``; or a
            folder of assets as extraction leaves them (``icon.jpg control.nacp romfs/``), which take the place of those of ``like``.
        like: The NRO that the program is taken from.
        icon: A JPEG of 256 x 256 pixels.
        nacp: Control data, or their TOML or JSON form.
        romfs: A folder, or a RomFS image.
        check: Refuse assets that are not as said.

    Raises:
        FormatError: An asset is not as it must be.
        EntryNotFoundError: The folder has no segments, and there is no ``like``.
    """
    given: dict[str, Any] = {}
    if icon is not None:
        with naming(icon):
            given["icon"] = icon.fs.storage(icon.path)
    if nacp is not None:
        with naming(nacp):
            given["nacp"] = _nacp(nacp.fs.storage(nacp.path), Named(nacp.display))
    if romfs is not None:
        with naming(romfs):
            given["romfs"] = _romfs(romfs)
    try:
        return _nro_of(place, like, given, check=check)
    except FormatError as wrong:
        if wrong.what.startswith("NRO asset"):
            wrong.problem += UNCHECKED
        raise


def _nro_of(place: Location, like: Original | None, given: dict[str, Any], *, check: bool) -> Storage:
    if place.kind == "file":
        return with_assets(place.fs.storage(place.path), check=check, **given)
    assets: dict[str, Any] = _assets(place, like) | given
    if like is not None:
        if not given and same_tree(place.fs, place.path, like):
            return like.image
        program = Nro(like.image)
        for name in ASSET_NAMES:  # What did not change is not checked.
            before = program.asset(name) if name in assets else None
            if before is not None and before == assets[name]:
                assets[name] = ...
        return with_assets(program.raw, check=check, **{"icon": None, "nacp": None, "romfs": None, **assets})
    if assets and not any(place.fs.exists(join(place.path, name)) for name in _SEGMENTS):
        problem = "has assets and no program: name the NRO they are for with --like, or put its text, ro and data beside them"
        raise FormatError(problem, source=place.path)
    text, ro, data = _segments(place.fs, place.path)
    return build_nro(text, ro, data, check=check, **(_fields(place.fs, place.path, "nro", _NRO_FIELDS) or {}), **assets)


def _assets(place: Location, like: Original | None) -> dict[str, Storage]:
    """The assets in a folder."""
    names = {"icon.jpg": "icon", "control.nacp": "nacp", "control.toml": "nacp", "control.json": "nacp", "romfs": "romfs"}
    found: dict[str, Storage] = {}
    for entry in entries_of(place.fs, place.path):
        name, inner = names.get(entry.name), join(place.path, entry.name)
        if name == "romfs" and entry.kind == "directory":
            from oboromi_fs.jobs.refolding import rebuilt

            known = like is not None and like.kind("romfs")
            found[name] = rebuilt(place.fs, inner, like / "romfs") if like is not None and known else RomFsImage(place.fs, inner)
        elif name == "nacp" and entry.name != "control.nacp":
            found.setdefault(name, _nacp(place.fs.storage(inner), inner))
        elif name is not None:
            found[name] = place.fs.storage(inner)
        elif like is not None or entry.name not in (*_SEGMENTS, "nro.toml", "nro.json"):
            raise FormatError("is no asset of an NRO: icon.jpg, control.nacp (or .toml, .json) and romfs are", source=inner)
    return found


def _nacp(storage: Storage, name: str) -> Storage:
    """Control data as they are, or of their text."""
    if name.lower().endswith((".toml", ".json")):
        return MemoryStorage(metadata_of(storage, name, "nacp").to_bytes(), name)
    return storage


def _romfs(place: Location) -> Storage:
    """A RomFS image as it is, or of what is in a directory or container."""
    if place.kind == "directory":
        return RomFsImage(place.fs, place.path)
    container = place.fs.enter(place.path)
    if isinstance(container, RomFs) or container is None:
        return place.fs.storage(place.path)
    return RomFsImage(container)
