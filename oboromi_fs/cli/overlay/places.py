"""Where a verb may write: never into what it reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.cli.failures import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oboromi_fs.cli.session import Session
    from oboromi_fs.jobs.stackfile import StackSpec

__all__ = ["check_output"]


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


def _read(session: Session, spec: StackSpec) -> Iterable[tuple[str, str]]:
    """What is read: what to call it, and the host file or folder it is or starts from."""
    from oboromi_fs.opening.hostfile import host_part

    for layer in spec.layers:
        try:
            yield f"the layer {layer.label!r}", host_part(spec.path_of(layer))[0]
        except OSError:  # It is not there: whoever opens it says so.
            continue
    if spec.source:
        yield "the stack file", spec.source
    for path in session.key_files:
        if os.path.isfile(path):
            yield "a key file", path


def _same(source: str, place: str) -> bool:
    try:
        return os.path.samefile(source, place)
    except OSError:
        return False
