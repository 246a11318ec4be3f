"""``cat stat``: one file, its bytes and where they are."""

from __future__ import annotations

import errno
import io
import os
import re
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import DONE, UsageError
from oboromi_fs.errors import MappingError, NotThisFormatError, OboromiFsError
from oboromi_fs.file import File
from oboromi_fs.jobs.windows import seen_through
from oboromi_fs.paths import join

if TYPE_CHECKING:
    import argparse

    from oboromi_fs.cli.console import Console
    from oboromi_fs.cli.session import Session
    from oboromi_fs.opening import Location
    from oboromi_fs.protocols import Storage

__all__ = ["cat_arguments", "run_cat", "run_stat", "stat_arguments", "storage_chain", "write_place"]

_CHUNK = 1 << 20
_KERNEL_CHUNK = 1 << 26
_PIPE_SIZE = 1 << 20
_RANGE = re.compile(r"(-?(?:0[xX][0-9a-fA-F]+|[0-9]+))?:(-?(?:0[xX][0-9a-fA-F]+|[0-9]+))?")


# stat


def stat_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``stat`` takes."""
    parser.description = (
        "Kind and size of a path; for a file how it is stored, its absolute offset in the outermost file where its bytes lie there\n"
        "as they are, and the chain of storages they pass, from the outermost file in."
    )
    parser.add_argument("path", metavar="PATH")


def run_stat(session: Session, options: argparse.Namespace) -> int:
    """Tell what is known of a path without reading it."""
    place = session.locate(options.path)
    found = place.fs.metadata(place.path)
    stored: str | None = None
    offset: int | None = None
    chain: list[str] = []
    if found.kind == "file":
        storage = place.fs.storage(place.path)
        chain = storage_chain(storage)
        where = storage.place()
        stored = where.stored
        offset = where.offset if stored == "plain" else None
    console = session.console
    if session.json:
        document = {"path": place.display, "kind": found.kind, "size": found.size, "stored": stored, "offset": offset, "storage": chain}
        console.json(document)
        return DONE
    console.write(f"path     {console.name(place.display)}\nkind     {found.kind}\n")
    if found.kind == "file":
        at = "-" if offset is None else f"{offset} ({offset:#x})"
        console.write(f"size     {found.size}\nstored   {stored}\noffset   {at}\nstorage  {' > '.join(chain)}\n")
    return DONE


def storage_chain(storage: Storage) -> list[str]:
    """Return the kinds of the storages some bytes pass, from the outermost in."""
    chain: list[str] = []
    below: Storage | None = storage
    while below is not None:
        chain.append(below.kind)
        below = below.sources[0] if below.sources else None
    return chain[::-1]


# cat


def cat_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``cat`` takes."""
    parser.description = "The bytes of a file, or a range of them, to stdout. A container is a file, too: its raw bytes."
    parser.add_argument("path", metavar="PATH")
    parser.add_argument(
        "--range", metavar="A:B", help="from byte A up to byte B, decimal or 0x..., either may be left out; negative from the end"
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("toml", "json"),
        help="metadata as text: control.nacp, *.cnmt, main.npdm, *.tik, *.cert (back with pack)",
    )


def run_cat(session: Session, options: argparse.Namespace) -> int:
    """Write the bytes of a file to stdout, in bounded memory."""
    return write_place(session, options, session.locate(options.path))


def write_place(session: Session, options: argparse.Namespace, place: Location) -> int:
    """Write a file to stdout, wherever it is."""
    if options.form is not None:
        return _write_text(session, options, place)
    wanted = _range(options.range) if options.range is not None else slice(None)
    storage = session.storage(place)
    start, stop, _ = wanted.indices(storage.size)
    if session.json:
        _write_document(session.console, place.display, storage, start, max(start, stop))
    elif start < stop:
        _copy(storage, start, stop, session.console)
    return DONE


def _write_document(console: Console, path: str, storage: Storage, start: int, stop: int) -> None:
    """Write the bytes as base64 in a JSON document, in bounded memory."""
    import json
    from base64 import b64encode

    head = {"path": path, "size": storage.size, "start": start, "stop": stop, "encoding": "base64", "data": ""}
    console.write(json.dumps(head, indent=2)[: -len('"\n}')])
    step = _CHUNK - _CHUNK % 3  # Base64 takes three bytes at a time.
    for at in range(start, stop, step):
        console.write_bytes(b64encode(storage[at : min(at + step, stop)]))
    console.write('"\n}\n')


def _write_text(session: Session, options: argparse.Namespace, place: Location) -> int:
    """Write metadata as text to stdout."""
    from oboromi_fs.jobs.programs import NO_TEXT, read_metadata
    from oboromi_fs.metadata import dumps_json, dumps_toml

    if options.range is not None:
        raise UsageError("--range is of bytes, and --as makes text")
    try:
        value = read_metadata(session.storage(place), place.display)
    except NotThisFormatError as wrong:
        inside = _metadata_in(place) if wrong.problem == NO_TEXT else ""
        if inside:
            raise NotThisFormatError(f"is an NCA; what has a text form is in it: {inside}", source=place.display) from None
        raise
    session.console.write(dumps_toml(value) if options.form == "toml" and not session.json else dumps_json(value))
    return DONE


def _metadata_in(place: Location) -> str:
    """The path of the first metadata file in a section of an NCA; ``""`` where there is none to be seen."""
    from oboromi_fs.backends.nca import Nca
    from oboromi_fs.jobs.describe_metadata import reader_of

    try:
        nca = place.fs.enter(place.path)
        for section in nca.sections.values() if isinstance(nca, Nca) else ():
            for entry in place.fs.read_dir(join(place.path, section.name)):
                if entry.kind == "file" and reader_of(entry.name) is not None:
                    return f"{place.display.rstrip('/')}/{section.name}/{entry.name}"
    except (OboromiFsError, OSError):  # Whoever looks into it is told.
        return ""
    return ""


def _range(text: str) -> slice:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise UsageError(f"--range takes A:B in bytes, such as 0x100:0x200, :16 or -16:, not {text!r}")
    try:
        first, last = (None if part is None else int(part, 16 if "x" in part.lower() else 10) for part in found.groups())
    except ValueError:  # More digits than Python takes for a number.
        raise UsageError("--range takes numbers of bytes that a file can have") from None
    return slice(first, last)


def _copy(storage: Storage, start: int, stop: int, console: Console) -> None:
    try:
        number = console.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):  # No file behind it: a test's, or another program's.
        for at in range(start, stop, _CHUNK):
            console.write_bytes(storage[at : min(at + _CHUNK, stop)])
        return
    console.flush()
    _widen(number)
    start = _copy_in_kernel(storage, start, stop, number)
    buffer = memoryview(bytearray(min(_CHUNK, stop - start)))
    while start < stop:
        chunk = buffer[: min(_CHUNK, stop - start)]
        storage.readinto_at(start, chunk)
        start += len(chunk)
        while chunk:
            chunk = chunk[os.write(number, chunk) :]


def _widen(number: int) -> None:
    """Give a pipe room for a whole chunk, so that its two ends take turns less often."""
    try:
        import fcntl

        fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    except (ImportError, AttributeError, OSError):  # No pipe, not Linux, or over the user's limit.
        return


def _copy_in_kernel(storage: Storage, start: int, stop: int, number: int) -> int:
    """Let the kernel copy what lies in a file as it is; return how far it came: ``start`` where it cannot."""
    storage, shift = seen_through(storage)
    if not isinstance(storage, File) or not hasattr(os, "sendfile"):
        return start
    while start < stop:
        try:
            count = os.sendfile(number, storage.fileno(), shift + start, min(_KERNEL_CHUNK, stop - start))
        except OSError as wrong:
            if wrong.errno in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):  # Not into this kind of file: appended to, for one.
                return start
            raise
        if not count:
            raise MappingError(storage.name, f"shrank while it was read: byte {shift + start:#x} is needed, and not there any more")
        start += count
    return start
