"""Where a verb may write: never into what it reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import UsageError
from oboromi_fs.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.stackfile import StackSpec
    from oboromi_fs.opening import Location

__all__ = ["check_below", "check_output"]


def check_output(session: Session, spec: StackSpec, output: str) -> None:
    """Refuse an output that is, or lies in, a layer, or is the stack file or a key file.

    Args:
        session: The run of the command.
        spec: The layers; those that are not enabled count as well.
        output: The host file or folder that is to be written.

    Raises:
        UsageError: It is; the message names both.
    """
    place = os.path.realpath(output)
    for what, path in _read(session, spec):
        source = os.path.realpath(path)
        same = source == place or _same(source, place)
        if same or (os.path.isdir(source) and place.startswith(source.rstrip(os.sep) + os.sep)):
            raise UsageError(f"{output} {'is' if same else 'lies in'} {what}, which is only read; write elsewhere")


def check_below(session: Session, spec: StackSpec, output: str, tree: Location | None, *, name: str = "", layers: bool = True) -> None:
    """Refuse a folder in which a file that is written would replace, or lie in, what is read.

    Args:
        session: The run of the command.
        spec: The layers.
        output: The folder.
        tree: What is written into it; None for one file.
        name: What that file is called.
        layers: Whether layers count; else the stack file and key files alone do.

    Raises:
        UsageError: A file would; the message names what.
    """
    folder = os.path.join(os.path.realpath(output), "")
    for what, path in _read(session, spec, layers=layers):
        # A link is replaced, not what it leads to: both places count.
        for source in {os.path.realpath(path), os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))}:
            inner = source.removeprefix(folder).replace(os.sep, "/")
            if source.startswith(folder) and (tree.fs.exists(join(tree.path, inner)) if tree is not None else inner == name):
                raise UsageError(f"{os.path.join(output, inner)} is {what}, which is only read; write elsewhere")


def _read(session: Session, spec: StackSpec, *, layers: bool = True) -> Iterator[tuple[str, str]]:
    """What is read: what to call it, and the host file or folder it is or starts from."""
    from oboromi_fs.opening.hostfile import host_part, split_parts

    for layer in spec.layers if layers else ():
        try:
            host = host_part(spec.path_of(layer))[0]
        except OSError:  # It is not there: whoever opens it says so.
            continue
        for path in (host, *split_parts(host)):
            yield f"the layer {layer.label!r}", path
    if spec.source:
        yield "the stack file", spec.source
    for path in session.key_files:
        if os.path.isfile(path):
            yield "a key file", path
        elif os.path.isdir(path):
            yield from (("a key file", os.path.join(path, name)) for name in os.listdir(path) if name.endswith(".keys"))


def _same(source: str, place: str) -> bool:
    try:
        return os.path.samefile(source, place)
    except OSError:
        return False
