"""Where ``pack`` writes: what it may be called, and what it must not replace."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import UsageError
from oboromi_fs.splitparts import split_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oboromi_fs.jobs.pack import Split
    from oboromi_fs.opening import Location

__all__ = ["check_name", "check_place"]

_FOLDERS = ("SRC", "--romfs")
"""What may be a folder; others that are one are refused as such."""
_NUMBERED = (".nsp", ".nsz", ".xci", ".xcz")
"""Names whose numbered parts, ``.ns0`` and ``.xc0``, are read as one file."""


def check_name(output: str, split: Split) -> None:
    """Refuse a name that what is written could not be found under again.

    Raises:
        UsageError: The name stands for stdout; or numbered parts of such a name would not be read as one file.
    """
    if output == "-":
        raise UsageError("-o - would be stdout, and what is packed is not written from its start to its end; ./- is a file of that name")
    if split == "numbered" and os.path.splitext(output)[1].lower() not in _NUMBERED:
        *others, last = _NUMBERED
        raise UsageError(
            f"--split-numbered is for names that end in {', '.join(others)} or {last}: parts of {output} would not be read as one file;"
            " --split makes a folder of parts"
        )


def check_place(output: str, kind: str, inputs: Mapping[str, Location | None]) -> None:
    """Refuse to write where something is that must stay, or where nothing can be written.

    Args:
        output: What is to be written; of an NCA also a folder.
        kind: What it will be.
        inputs: What is read, by how the command line calls it.

    Raises:
        UsageError: It is one of the files that are read, or would lie in a folder that is read.
        OSError: It is a folder, or would lie in none.
    """
    folder = kind == "nca" and os.path.isdir(output)
    for name, place in inputs.items():
        if place is None:
            continue
        if os.path.isdir(place.host) and not split_parts(place.host):
            if name in _FOLDERS and _lies_in(os.path.join(output, "an.nca") if folder else output, place.host):
                raise UsageError(f"{output} would lie in {place.display}, and be packed as well the next time")
        elif any(_same(output, part) for part in _files(place.host)):
            what = name if place.display == place.host else f"the file that {name} lies in"
            raise UsageError(f"{output} is {what}, which is not replaced by what is made of it: give -o another name")
    if folder:
        return
    if os.path.isdir(output):
        raise OSError(errno.EISDIR, "is a folder, and pack writes a file", output)
    parent = os.path.dirname(output) or os.curdir
    if not os.path.isdir(parent):
        there = os.path.lexists(parent)
        problem = f"{parent!r} is no folder" if there else f"the folder {parent!r} is not there; make it first"
        raise OSError(errno.ENOTDIR if there else errno.ENOENT, problem, output)


def _files(host: str) -> Iterator[str]:
    """The host file, or folder of parts, that something is read from; and its parts."""
    yield host
    yield from split_parts(host)


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # One of them is not there.
        return False


def _lies_in(output: str, source: str) -> bool:
    """Whether a file to be written is below a host folder that is read."""
    return os.path.realpath(output).startswith(os.path.join(os.path.realpath(source), ""))
