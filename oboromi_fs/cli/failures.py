"""What went wrong, as an exit code and a line of text.

Exit codes: 0 done, 1 the answer is no, 2 usage, 3 the input is damaged or not supported, 4 a key is missing, 5 no such path, 6 the host
refused; 130 interrupted, 143 terminated, 129 hung up, 141 nobody reads the output. A defect of this program counts as 3: the input is one
it cannot cope with.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oboromi_fs.errors import (
    EntryNotFoundError,
    IsADirectoryEntryError,
    LayerError,
    MissingBaseError,
    MissingKeyError,
    NotADirectoryEntryError,
    OboromiFsError,
    ReadOnlyError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DAMAGED", "DONE", "HOST", "INTERRUPTED", "MISSING_KEY", "NO", "NO_PATH", "PIPE", "TERMINATED", "USAGE"]
__all__ += ["Terminated", "UsageError", "chain", "exit_code", "line"]

DONE, NO, USAGE, DAMAGED, MISSING_KEY, NO_PATH, HOST = range(7)
INTERRUPTED, PIPE, TERMINATED = 130, 141, 143
SIGNALLED = 128
"""What a shell adds to the number of the signal a program ended by."""


class UsageError(Exception):
    """The command line makes no sense. Its text says what to change."""


class Terminated(KeyboardInterrupt):  # Whatever cleans up on Ctrl-C does so on other signals.
    """The process was asked to end by a signal, whose number is the argument."""


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error that nobody handled."""
    if isinstance(error, UsageError | LayerError):  # Layers are what the command line says they are.
        return USAGE
    if isinstance(error, EntryNotFoundError | NotADirectoryEntryError | IsADirectoryEntryError):
        return NO_PATH
    if isinstance(error, MissingKeyError):
        return MISSING_KEY
    if isinstance(error, ReadOnlyError):
        return HOST
    if type(error).__name__ == "PatternError":  # Not imported: few commands have to do with patterns, and all with this.
        return USAGE
    if isinstance(error, OSError | MemoryError):  # MappingError is one.
        return HOST
    return DAMAGED


def line(error: BaseException) -> str:
    """Return an error as one line of text."""
    if isinstance(error, MissingBaseError):
        return f"{error} (--base PATH)" if error.problem.endswith("give the base as well") else str(error)
    if isinstance(error, OboromiFsError | UsageError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        text = error.strerror or str(error) or type(error).__name__
        if error.filename is None:
            return text
        names = [os.fsdecode(name) if isinstance(name, str | bytes) else str(name) for name in (error.filename, error.filename2) if name]
        return f"{' -> '.join(names)}: {text}"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {error} (a defect of oboromi; -vv shows where, please report it)"


def chain(error: BaseException) -> Iterator[str]:
    """Yield the causes of an error, the nearest first: those it was raised from, not what else was tried before."""
    seen = {id(error)}
    while True:
        cause = error.__cause__
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield f"  because: {line(cause) if isinstance(cause, OboromiFsError | OSError) else f'{type(cause).__name__}: {cause}'}"
        error = cause
